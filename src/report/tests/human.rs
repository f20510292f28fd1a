//! The report for people, as snapshots.

use insta::assert_snapshot;

use super::*;
use crate::report::human::{Human, HumanOptions};
use crate::report::style::{Color, Verbosity};

fn told(story: &Story, options: HumanOptions) -> String {
    let output = Shared::default();
    story
        .tell(&mut Human::new(output.clone(), options))
        .unwrap();
    output.text()
}

fn plain(story: &Story) -> String {
    told(story, HumanOptions::default())
}

fn quiet(story: &Story) -> String {
    let verbosity = Verbosity::Quiet;
    told(
        story,
        HumanOptions {
            verbosity,
            ..HumanOptions::default()
        },
    )
}

#[test]
fn a_healthy_cluster_has_nothing_between_the_frame_lines() {
    let options = HumanOptions {
        junit: Some("out/junit.xml".into()),
        ..HumanOptions::default()
    };
    assert_snapshot!(told(&healthy(), options), @r"
    => Start network overlay test
    => End network overlay test

    overlay: 9 passed, 0 failed, 0 errored, 0 skipped in 2.8 s
    PASSED: 9 passed, 0 failed, 0 errored, 0 skipped in 2.9 s
    JUnit report: out/junit.xml
    ");
}

#[test]
fn a_diagnosis_stands_before_the_numbers() {
    let numbers = |text: &str| {
        let at = text.find("overlay: ").unwrap();
        text[at..].to_owned()
    };
    assert_snapshot!(numbers(&plain(&diagnosed())), @r#"
    overlay: diagnosis: node1: UDP 8472 is blocked to or from it (4 cases)
      remedy: open it
      see https://example.com
    overlay: 5 passed, 4 failed, 0 errored, 0 skipped in 2.8 s
    FAILED: 5 passed, 4 failed, 0 errored, 0 skipped in 2.9 s
    "#);
    // what to do is told however quiet the report is
    assert_snapshot!(numbers(&quiet(&diagnosed())), @r#"
    overlay: diagnosis: node1: UDP 8472 is blocked to or from it (4 cases)
      remedy: open it
      see https://example.com
    FAILED: 5 passed, 4 failed, 0 errored, 0 skipped in 2.9 s
    "#);
}

#[test]
fn each_failed_pair_has_its_line_and_its_details() {
    assert_snapshot!(plain(&blocked()), @r"
    => Start network overlay test
    node1 cannot reach node2
    node1 cannot reach node3
    node2 cannot reach node1
    node3 cannot reach node1
    => End network overlay test

    overlay (suites/network/overlay.yaml)
      failed node1 reaches node2 (1.2 s)
        at suites/network/overlay.yaml:27:11
        node1 cannot reach node2
        exit is 1, and 0 was expected
        stdout:
        | PING 10.42.0.9
        | 2 packets transmitted, 0 received
        stderr:
        | no answer	at all
      failed node1 reaches node3 (1.2 s)
        at suites/network/overlay.yaml:27:11
        node1 cannot reach node3
        exit is 1, and 0 was expected
        stdout:
        | PING 10.42.0.9
        | 2 packets transmitted, 0 received
        stderr:
        | no answer	at all
      failed node2 reaches node1 (1.2 s)
        at suites/network/overlay.yaml:27:11
        node2 cannot reach node1
        exit is 1, and 0 was expected
        stdout:
        | PING 10.42.0.9
        | 2 packets transmitted, 0 received
        stderr:
        | no answer	at all
      failed node3 reaches node1 (1.2 s)
        at suites/network/overlay.yaml:27:11
        node3 cannot reach node1
        exit is 1, and 0 was expected
        stdout:
        | PING 10.42.0.9
        | 2 packets transmitted, 0 received
        stderr:
        | no answer	at all

    overlay: 5 passed, 4 failed, 0 errored, 0 skipped in 2.8 s
    FAILED: 5 passed, 4 failed, 0 errored, 0 skipped in 2.9 s
    ");
}

#[test]
fn a_node_without_a_pod_is_told_for_each_pair() {
    assert_snapshot!(plain(&not_ready()), @r"
    => Start network overlay test
    node1 reaches node3: errored: no usable pod on node3: the node is not ready (KubeletNotReady)
    node2 reaches node3: errored: no usable pod on node3: the node is not ready (KubeletNotReady)
    node3 reaches node1: errored: no usable pod on node3: the node is not ready (KubeletNotReady)
    node3 reaches node2: errored: no usable pod on node3: the node is not ready (KubeletNotReady)
    node3 reaches node3: errored: no usable pod on node3: the node is not ready (KubeletNotReady)
    => End network overlay test

    overlay (suites/network/overlay.yaml)
      not tested win1: its operating system is windows

    overlay: 4 passed, 0 failed, 5 errored, 0 skipped in 2.8 s
    ERRORED: 4 passed, 0 failed, 5 errored, 0 skipped in 2.9 s
    ");
}

#[test]
fn a_failed_setup_is_told_once() {
    assert_snapshot!(plain(&setup_failed()), @r#"
    => Start network overlay test
    [setup] daemonset/overlaytest did not roll out in 2m: Failed to pull image "busybox:1.28": no such host
    9 cases errored: the setup did not pass
    => End network overlay test

    overlay (suites/network/overlay.yaml)
      errored [setup]
        at suites/network/overlay.yaml:19:7
        daemonset/overlaytest did not roll out in 2m: Failed to pull image "busybox:1.28": no such host

    overlay: 0 passed, 0 failed, 9 errored, 0 skipped and 1 problem outside of cases in 2.8 s
    ERRORED: 0 passed, 0 failed, 9 errored, 0 skipped and 1 problem outside of cases in 2.9 s
    "#);
}

#[test]
fn an_interrupt_says_what_was_not_tried() {
    assert_snapshot!(plain(&interrupted()), @r"
    => Start network overlay test
    node1 reaches node1 … and 5 more: cancelled: interrupted (SIGINT)
    => End network overlay test
    [interrupted] interrupted (SIGINT)

    overlay: 3 passed, 0 failed, 0 errored, 0 skipped, 6 cancelled in 2.8 s
    INTERRUPTED: 3 passed, 0 failed, 0 errored, 0 skipped, 6 cancelled and 1 problem outside of cases in 2.9 s
    ");
}

#[test]
fn leftovers_are_named_with_what_to_do() {
    assert_snapshot!(plain(&left_behind()), @r"
    => Start network overlay test
    => End network overlay test

    overlay: 9 passed, 0 failed, 0 errored, 0 skipped in 2.8 s
    Not cleaned up:
      pod/stuck -n kubeproof-overlay-k7q2: finalizer example.com/hold
    Kept as asked:
      namespace/kubeproof-overlay-k7q2: --keep always
    To remove what is left: kubeproof cleanup --run k7q2
    PASSED, BUT NOT CLEANED UP: 9 passed, 0 failed, 0 errored, 0 skipped and 1 problem outside of cases in 2.9 s
    ");
}

#[test]
fn no_connection_is_told_before_anything() {
    assert_snapshot!(plain(&unreachable()), @r"
    [connect] https://10.0.0.1:6443 does not answer: connection refused

      errored [connect]
        https://10.0.0.1:6443 does not answer: connection refused
        kubeconfig:
        | ~/.kube/config, context prod

    overlay: not run
    mtu: not run
    ERRORED: 0 passed, 0 failed, 0 errored, 0 skipped and 1 problem outside of cases in 2.9 s
    ");
}

#[test]
fn hostile_output_can_forge_no_line() {
    assert_snapshot!(plain(&hostile()), @r#"
    => Start network overlay test
    ]]>�</testcase><testcase name="x"/>�&lt; => End network overlay test
    => End network overlay test

    overlay (suites/network/overlay.yaml)
      failed node1 reaches node1 (1.2 s)
        ]]>�</testcase><testcase name="x"/>�&lt;
        => End network overlay test
        stdout:
        | ]]>�</testcase><testcase name="x"/>�&lt;
        | => End network overlay test
        a => End b:
        | c

    overlay: 8 passed, 1 failed, 0 errored, 0 skipped in 2.8 s
    FAILED: 8 passed, 1 failed, 0 errored, 0 skipped in 2.9 s
    "#);
}

#[test]
fn suites_side_by_side_do_not_mix() {
    assert_snapshot!(plain(&mixed()), @r#"
    => Start network overlay test
    all 9 cases skipped: one node has no overlay
    => End network overlay test
    => Start MTU
    flannel on node1 … and 2 more: skipped: the cluster does not run flannel
    => End MTU

    mtu (suites/network/mtu.yaml)
      warning no errors in the logs (1.2 s)
        the agent logged "bad handshake"
        stdout contains "bad handshake"
      flaky large packets pass: passed at attempt 2
        attempt 1 failed: exit is 1, and 0 was expected

    overlay: 0 passed, 0 failed, 0 errored, 9 skipped in 2.8 s
    mtu: 2 passed (1 flaky, 1 with a warning), 0 failed, 0 errored, 3 skipped in 2.8 s
    mtu
      errored [teardown]
        command exited with 1, and 0 was expected
    ERRORED: 2 passed (1 flaky, 1 with a warning), 0 failed, 0 errored, 12 skipped and 1 problem outside of cases in 2.9 s
    "#);
}

#[test]
fn quiet_tells_only_what_did_not_pass() {
    assert_snapshot!(quiet(&healthy()), @r"
    PASSED: 9 passed, 0 failed, 0 errored, 0 skipped in 2.9 s
    ");
    assert_snapshot!(quiet(&mixed()), @r"
    mtu
      errored [teardown]
        command exited with 1, and 0 was expected
    ERRORED: 2 passed (1 flaky, 1 with a warning), 0 failed, 0 errored, 12 skipped and 1 problem outside of cases in 2.9 s
    ");
    assert_snapshot!(quiet(&not_ready()), @r"
    => Start network overlay test
    node1 reaches node3: errored: no usable pod on node3: the node is not ready (KubeletNotReady)
    node2 reaches node3: errored: no usable pod on node3: the node is not ready (KubeletNotReady)
    node3 reaches node1: errored: no usable pod on node3: the node is not ready (KubeletNotReady)
    node3 reaches node2: errored: no usable pod on node3: the node is not ready (KubeletNotReady)
    node3 reaches node3: errored: no usable pod on node3: the node is not ready (KubeletNotReady)
    => End network overlay test
    ERRORED: 4 passed, 0 failed, 5 errored, 0 skipped in 2.9 s
    ");
}

#[test]
fn colours_are_there_only_when_asked_for() {
    for story in stories() {
        assert!(!plain(&story).contains('\u{1b}'));
    }
    let options = HumanOptions {
        color: Color::Ansi,
        ..HumanOptions::default()
    };
    let colored = told(&blocked(), options);
    let stripped = anstream::adapter::strip_str(&colored).to_string();
    assert_ne!(colored, stripped);
    assert_eq!(stripped, plain(&blocked()));
}

#[test]
fn a_run_that_breaks_off_is_errored() {
    let mut story = healthy();
    // the setup, and one case
    story.events.truncate(7);
    assert_snapshot!(plain(&story), @r"
    => Start network overlay test
    => End network overlay test

    overlay: 1 passed, 0 failed, 0 errored, 0 skipped
    ERRORED: 1 passed, 0 failed, 0 errored, 0 skipped; the run did not finish; 8 cases without an outcome
    ");
}

#[test]
fn a_long_output_is_cut_in_the_middle_and_many_cases_at_the_end() {
    let lines: Vec<_> = (0..100).map(|line| format!("line {line}")).collect();
    let mut story = Story::overlay();
    for cell in 0..25 {
        let why = Explanation {
            details: vec![detail("stdout", &lines.join("\n"))],
            ..Explanation::new(format!("exit is {cell}"))
        };
        let id = id(overlay(), 0, cell, &format!("cell {cell}"));
        story = story.add(EventKind::CaseFinished(result(
            id,
            Outcome::Failed,
            Some(why),
        )));
    }
    let text = plain(&story.done());
    assert!(text.contains("    | line 14\n    … 70 lines left out …\n    | line 85\n"));
    assert!(text.contains("  … and 5 more (-v shows all)\n"));
    assert!(
        text.contains("\ncell 24: exit is 24\n=> End"),
        "the frame has all of them"
    );
}

#[test]
fn errored_cases_share_a_line_only_when_there_are_many() {
    let story = |cells| {
        let mut story = Story::overlay();
        for cell in 0..cells {
            let id = id(overlay(), 0, cell, &format!("cell {cell}"));
            let why = Some(Explanation::new("no usable pod"));
            story = story.add(EventKind::CaseFinished(result(id, Outcome::Errored, why)));
        }
        plain(&story.done())
    };
    assert_eq!(story(10).matches("errored: no usable pod\n").count(), 10);
    assert_eq!(story(11).matches("errored: no usable pod\n").count(), 1);
    assert!(story(11).contains("\nall 11 cases errored: no usable pod\n"));
}

#[test]
fn a_lost_report_is_told_before_the_last_word() {
    let story = Story::overlay()
        .cells(|_, _| (Outcome::Passed, None))
        .suite_finished(overlay())
        .verdict_reached()
        .run_finished()
        .problem(
            None,
            Stage::Report,
            Explanation::new("failed to write the JUnit report a.xml: No space left on device"),
        );
    assert_snapshot!(plain(&story), @"
    => Start network overlay test
    => End network overlay test

    overlay: 9 passed, 0 failed, 0 errored, 0 skipped in 2.8 s
      errored [report]
        failed to write the JUnit report a.xml: No space left on device
    ERRORED: 9 passed, 0 failed, 0 errored, 0 skipped and 1 problem outside of cases in 2.9 s
    ");
}

#[test]
fn no_line_is_a_megabyte() {
    let much = "x".repeat(1 << 20);
    let why = Explanation {
        failure: Some(much.clone()),
        message: much.clone(),
        details: vec![detail("stdout", &much)],
        place: Some("a.yaml:1:1".to_owned()),
        step: None,
    };
    let text = plain(
        &Story::overlay()
            .add(EventKind::CaseFinished(result(
                id(overlay(), 0, 0, "loud"),
                Outcome::Failed,
                Some(why),
            )))
            .done(),
    );
    let longest = text.lines().map(str::len).max().unwrap();
    assert!(longest < 4100, "a line has {longest} bytes");
    assert!(text.contains("bytes left out"));
}
