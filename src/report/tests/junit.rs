//! The JUnit report: snapshots, and what other readers make of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use insta::assert_snapshot;
use proptest::prelude::*;
use quick_junit::{Report, TestCaseStatus};

use super::*;
use crate::report::file::Destination;
use crate::report::junit::{Junit, JunitOptions};
use crate::report::schema::{Origin, Schema};

/// A report in a file, begun.
pub fn begun(path: &Path, schema: Schema) -> Junit {
    let options = JunitOptions {
        schema,
        origin: Origin {
            host: "ci-1".to_owned(),
            time: "2026-11-23T09:59:59Z".parse().unwrap(),
        },
    };
    Junit::in_file(path, Destination::of(path).unwrap(), options).unwrap()
}

/// Waits until the file is what it is to be.
pub fn settle(junit: &Junit) {
    let outlet = junit.outlet().unwrap();
    outlet.drain(&|| Duration::from_secs(60)).unwrap();
}

fn written_as(story: &Story, schema: Schema) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junit.xml");
    let mut junit = begun(&path, schema);
    story.tell(&mut junit).unwrap();
    settle(&junit);
    fs::read_to_string(path).unwrap()
}

/// With all that newer readers show.
pub fn written(story: &Story) -> String {
    written_as(story, Schema::Extended)
}

/// As quick-junit reads it, which asks for a zone in timestamps.
pub fn read(xml: &str) -> Report {
    let timestamp = regex::Regex::new(" timestamp=\"[^\"]*\"").unwrap();
    Report::deserialize_from_str(&timestamp.replace_all(xml, "")).unwrap()
}

/// As every schema takes it.
pub fn common(story: &Story) -> String {
    written_as(story, Schema::Common)
}

#[test]
fn the_placeholder_is_errored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junit.xml");
    fs::write(&path, "an old report that passed").unwrap();
    settle(&begun(&path, Schema::Extended));
    assert_snapshot!(fs::read_to_string(path).unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="kubeproof" tests="1" skipped="0" failures="0" errors="1">
        <testsuite name="kubeproof" tests="1" skipped="0" errors="1" failures="0">
            <properties>
                <property name="kubeproof.version" value="0.1.0"/>
            </properties>
            <testcase name="[run] did not finish" classname="kubeproof" time="0.000">
                <error message="the run did not finish" type="errored">The run did not finish: kubeproof was ended before it could say what it found out.
    Something killed it (a job&apos;s time-out, a lack of memory), or its machine went away. Nothing is known of the cluster by it.

    What to do: find what ended it in the log of the job or in the state of the pod, and run it again.
    What the run made may still be there. To remove it: kubeproof cleanup --older-than 1h</error>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn a_healthy_run() {
    assert_snapshot!(written(&healthy()), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="kubeproof" tests="9" skipped="0" failures="0" errors="0" timestamp="2026-11-23T10:00:00.000+00:00" time="2.900">
        <testsuite name="overlay" tests="9" skipped="0" errors="0" failures="0" timestamp="2026-11-23T10:00:00.200+00:00" time="2.800">
            <properties>
                <property name="kubeproof.title" value="network overlay test"/>
                <property name="kubeproof.file" value="suites/network/overlay.yaml"/>
                <property name="kubeproof.namespace" value="kubeproof-overlay-k7q2"/>
                <property name="kubeproof.run" value="k7q2"/>
                <property name="kubeproof.version" value="0.1.0"/>
                <property name="kubeproof.server" value="https://10.0.0.1:6443"/>
                <property name="kubeproof.server.version" value="v1.34.4"/>
                <property name="kubeproof.context" value="prod"/>
            </properties>
            <testcase name="node1 reaches node1" classname="overlay" time="1.234"/>
            <testcase name="node1 reaches node2" classname="overlay" time="1.234"/>
            <testcase name="node1 reaches node3" classname="overlay" time="1.234"/>
            <testcase name="node2 reaches node1" classname="overlay" time="1.234"/>
            <testcase name="node2 reaches node2" classname="overlay" time="1.234"/>
            <testcase name="node2 reaches node3" classname="overlay" time="1.234"/>
            <testcase name="node3 reaches node1" classname="overlay" time="1.234"/>
            <testcase name="node3 reaches node2" classname="overlay" time="1.234"/>
            <testcase name="node3 reaches node3" classname="overlay" time="1.234"/>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn failures_have_message_place_and_outputs() {
    let xml = written(&blocked());
    let end = xml.find("node1 reaches node3").unwrap();
    assert_snapshot!(&xml[..end], @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="kubeproof" tests="9" skipped="0" failures="4" errors="0" timestamp="2026-11-23T10:00:00.000+00:00" time="2.900">
        <testsuite name="overlay" tests="9" skipped="0" errors="0" failures="4" timestamp="2026-11-23T10:00:00.200+00:00" time="2.800">
            <properties>
                <property name="kubeproof.title" value="network overlay test"/>
                <property name="kubeproof.file" value="suites/network/overlay.yaml"/>
                <property name="kubeproof.namespace" value="kubeproof-overlay-k7q2"/>
                <property name="kubeproof.run" value="k7q2"/>
                <property name="kubeproof.version" value="0.1.0"/>
                <property name="kubeproof.server" value="https://10.0.0.1:6443"/>
                <property name="kubeproof.server.version" value="v1.34.4"/>
                <property name="kubeproof.context" value="prod"/>
            </properties>
            <testcase name="node1 reaches node1" classname="overlay" time="1.234"/>
            <testcase name="node1 reaches node2" classname="overlay" time="1.234">
                <failure message="node1 cannot reach node2" type="failed">node1 cannot reach node2
    exit is 1, and 0 was expected
    at suites/network/overlay.yaml:27:11

    stdout:
    PING 10.42.0.9
    2 packets transmitted, 0 received

    stderr:
    no answer	at all</failure>
                <system-out>PING 10.42.0.9
    2 packets transmitted, 0 received
    </system-out>
                <system-err>no answer	at all
    </system-err>
            </testcase>
            <testcase name="
    "#);
}

#[test]
fn a_diagnosis_stands_in_the_output_of_its_suite() {
    let written = written(&diagnosed());
    let (_, rest) = written.split_once("<system-out>diagnosis").unwrap();
    let (told, _) = rest.split_once("</system-out>").unwrap();
    assert_snapshot!(told, @r#"
    : node1: UDP 8472 is blocked to or from it (4 cases)
      remedy: open it
      see https://example.com
    "#);
}

#[test]
fn excluded_nodes_are_accounted_for() {
    let xml = written(&not_ready());
    assert_snapshot!(xml, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="kubeproof" tests="9" skipped="0" failures="0" errors="5" timestamp="2026-11-23T10:00:00.000+00:00" time="2.900">
        <testsuite name="overlay" tests="9" skipped="0" errors="5" failures="0" timestamp="2026-11-23T10:00:00.200+00:00" time="2.800">
            <properties>
                <property name="kubeproof.title" value="network overlay test"/>
                <property name="kubeproof.file" value="suites/network/overlay.yaml"/>
                <property name="kubeproof.namespace" value="kubeproof-overlay-k7q2"/>
                <property name="kubeproof.run" value="k7q2"/>
                <property name="kubeproof.version" value="0.1.0"/>
                <property name="kubeproof.server" value="https://10.0.0.1:6443"/>
                <property name="kubeproof.server.version" value="v1.34.4"/>
                <property name="kubeproof.context" value="prod"/>
                <property name="kubeproof.excluded.win1" value="its operating system is windows"/>
            </properties>
            <testcase name="node1 reaches node1" classname="overlay" time="1.234"/>
            <testcase name="node1 reaches node2" classname="overlay" time="1.234"/>
            <testcase name="node1 reaches node3" classname="overlay" time="1.234">
                <error message="no usable pod on node3: the node is not ready (KubeletNotReady)" type="errored">no usable pod on node3: the node is not ready (KubeletNotReady)</error>
            </testcase>
            <testcase name="node2 reaches node1" classname="overlay" time="1.234"/>
            <testcase name="node2 reaches node2" classname="overlay" time="1.234"/>
            <testcase name="node2 reaches node3" classname="overlay" time="1.234">
                <error message="no usable pod on node3: the node is not ready (KubeletNotReady)" type="errored">no usable pod on node3: the node is not ready (KubeletNotReady)</error>
            </testcase>
            <testcase name="node3 reaches node1" classname="overlay" time="1.234">
                <error message="no usable pod on node3: the node is not ready (KubeletNotReady)" type="errored">no usable pod on node3: the node is not ready (KubeletNotReady)</error>
            </testcase>
            <testcase name="node3 reaches node2" classname="overlay" time="1.234">
                <error message="no usable pod on node3: the node is not ready (KubeletNotReady)" type="errored">no usable pod on node3: the node is not ready (KubeletNotReady)</error>
            </testcase>
            <testcase name="node3 reaches node3" classname="overlay" time="1.234">
                <error message="no usable pod on node3: the node is not ready (KubeletNotReady)" type="errored">no usable pod on node3: the node is not ready (KubeletNotReady)</error>
            </testcase>
            <system-out>win1 was not tested: its operating system is windows</system-out>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn a_failed_setup_stands_first() {
    let xml = written(&setup_failed());
    let end = xml.find("node1 reaches node2").unwrap();
    assert_snapshot!(&xml[..end], @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="kubeproof" tests="10" skipped="0" failures="0" errors="10" timestamp="2026-11-23T10:00:00.000+00:00" time="2.900">
        <testsuite name="overlay" tests="10" skipped="0" errors="10" failures="0" timestamp="2026-11-23T10:00:00.200+00:00" time="2.800">
            <properties>
                <property name="kubeproof.title" value="network overlay test"/>
                <property name="kubeproof.file" value="suites/network/overlay.yaml"/>
                <property name="kubeproof.namespace" value="kubeproof-overlay-k7q2"/>
                <property name="kubeproof.run" value="k7q2"/>
                <property name="kubeproof.version" value="0.1.0"/>
                <property name="kubeproof.server" value="https://10.0.0.1:6443"/>
                <property name="kubeproof.server.version" value="v1.34.4"/>
                <property name="kubeproof.context" value="prod"/>
            </properties>
            <testcase name="[setup]" classname="overlay" time="0.000">
                <error message="daemonset/overlaytest did not roll out in 2m: Failed to pull image &quot;busybox:1.28&quot;: no such host" type="errored">daemonset/overlaytest did not roll out in 2m: Failed to pull image &quot;busybox:1.28&quot;: no such host
    at suites/network/overlay.yaml:19:7</error>
            </testcase>
            <testcase name="node1 reaches node1" classname="overlay" time="1.234">
                <error message="setup did not pass: daemonset/overlaytest did not roll out in 2m: Failed to pull image &quot;busybox:1.28&quot;: no such host" type="errored">setup did not pass: daemonset/overlaytest did not roll out in 2m: Failed to pull image &quot;busybox:1.28&quot;: no such host</error>
            </testcase>
            <testcase name="
    "#);
}

#[test]
fn interrupted_cases_are_skipped_and_the_run_is_errored() {
    assert_snapshot!(written(&interrupted()), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="kubeproof" tests="10" skipped="6" failures="0" errors="1" timestamp="2026-11-23T10:00:00.000+00:00" time="2.900">
        <testsuite name="kubeproof" tests="1" skipped="0" errors="1" failures="0">
            <properties>
                <property name="kubeproof.run" value="k7q2"/>
                <property name="kubeproof.version" value="0.1.0"/>
                <property name="kubeproof.server" value="https://10.0.0.1:6443"/>
                <property name="kubeproof.server.version" value="v1.34.4"/>
                <property name="kubeproof.context" value="prod"/>
            </properties>
            <testcase name="[interrupted]" classname="kubeproof" time="0.000">
                <error message="interrupted (SIGINT)" type="errored">interrupted (SIGINT)</error>
            </testcase>
        </testsuite>
        <testsuite name="overlay" tests="9" skipped="6" errors="0" failures="0" timestamp="2026-11-23T10:00:00.200+00:00" time="2.800">
            <properties>
                <property name="kubeproof.title" value="network overlay test"/>
                <property name="kubeproof.file" value="suites/network/overlay.yaml"/>
                <property name="kubeproof.namespace" value="kubeproof-overlay-k7q2"/>
                <property name="kubeproof.run" value="k7q2"/>
                <property name="kubeproof.version" value="0.1.0"/>
                <property name="kubeproof.server" value="https://10.0.0.1:6443"/>
                <property name="kubeproof.server.version" value="v1.34.4"/>
                <property name="kubeproof.context" value="prod"/>
            </properties>
            <testcase name="node1 reaches node1" classname="overlay" time="1.234">
                <skipped message="interrupted (SIGINT)" type="cancelled">interrupted (SIGINT)</skipped>
            </testcase>
            <testcase name="node1 reaches node2" classname="overlay" time="1.234">
                <skipped message="interrupted (SIGINT)" type="cancelled">interrupted (SIGINT)</skipped>
            </testcase>
            <testcase name="node1 reaches node3" classname="overlay" time="1.234">
                <skipped message="interrupted (SIGINT)" type="cancelled">interrupted (SIGINT)</skipped>
            </testcase>
            <testcase name="node2 reaches node1" classname="overlay" time="1.234">
                <skipped message="interrupted (SIGINT)" type="cancelled">interrupted (SIGINT)</skipped>
            </testcase>
            <testcase name="node2 reaches node2" classname="overlay" time="1.234">
                <skipped message="interrupted (SIGINT)" type="cancelled">interrupted (SIGINT)</skipped>
            </testcase>
            <testcase name="node2 reaches node3" classname="overlay" time="1.234">
                <skipped message="interrupted (SIGINT)" type="cancelled">interrupted (SIGINT)</skipped>
            </testcase>
            <testcase name="node3 reaches node1" classname="overlay" time="1.234"/>
            <testcase name="node3 reaches node2" classname="overlay" time="1.234"/>
            <testcase name="node3 reaches node3" classname="overlay" time="1.234"/>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn what_is_left_behind_is_an_errored_testcase() {
    let xml = written(&left_behind());
    let start = xml.find("node3 reaches node3").unwrap();
    assert_snapshot!(&xml[start..], @r#"
    node3 reaches node3" classname="overlay" time="1.234"/>
            <testcase name="[cleanup]" classname="overlay" time="0.000">
                <error message="still there: pod/stuck -n kubeproof-overlay-k7q2: finalizer example.com/hold" type="errored">still there: pod/stuck -n kubeproof-overlay-k7q2: finalizer example.com/hold</error>
            </testcase>
            <system-out>pod/stuck -n kubeproof-overlay-k7q2 is still there: finalizer example.com/hold
    namespace/kubeproof-overlay-k7q2 is kept: --keep always
    to remove it: kubeproof cleanup --run k7q2</system-out>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn no_connection_is_a_whole_report() {
    assert_snapshot!(written(&unreachable()), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="kubeproof" tests="1" skipped="0" failures="0" errors="1" timestamp="2026-11-23T10:00:00.000+00:00" time="2.900">
        <testsuite name="kubeproof" tests="1" skipped="0" errors="1" failures="0">
            <properties>
                <property name="kubeproof.run" value="k7q2"/>
                <property name="kubeproof.version" value="0.1.0"/>
            </properties>
            <testcase name="[connect]" classname="kubeproof" time="0.000">
                <error message="https://10.0.0.1:6443 does not answer: connection refused" type="errored">https://10.0.0.1:6443 does not answer: connection refused

    kubeconfig:
    ~/.kube/config, context prod</error>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn hostile_output_stays_text() {
    let xml = written(&hostile());
    let end = xml.find("node1 reaches node2").unwrap();
    assert_snapshot!(&xml[..end], @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="kubeproof" tests="9" skipped="0" failures="1" errors="0" timestamp="2026-11-23T10:00:00.000+00:00" time="2.900">
        <testsuite name="overlay" tests="9" skipped="0" errors="0" failures="1" timestamp="2026-11-23T10:00:00.200+00:00" time="2.800">
            <properties>
                <property name="kubeproof.title" value="network overlay test"/>
                <property name="kubeproof.file" value="suites/network/overlay.yaml"/>
                <property name="kubeproof.namespace" value="kubeproof-overlay-k7q2"/>
                <property name="kubeproof.run" value="k7q2"/>
                <property name="kubeproof.version" value="0.1.0"/>
                <property name="kubeproof.server" value="https://10.0.0.1:6443"/>
                <property name="kubeproof.server.version" value="v1.34.4"/>
                <property name="kubeproof.context" value="prod"/>
            </properties>
            <testcase name="node1 reaches node1" classname="overlay" time="1.234">
                <failure message="]]&gt;�&lt;/testcase&gt;&lt;testcase name=&quot;x&quot;/&gt;�&amp;lt; =&gt; End network overlay test" type="failed">]]&gt;�&lt;/testcase&gt;&lt;testcase name=&quot;x&quot;/&gt;�&amp;lt;
    =&gt; End network overlay test

    stdout:
    ]]&gt;�&lt;/testcase&gt;&lt;testcase name=&quot;x&quot;/&gt;�&amp;lt;
    =&gt; End network overlay test

    a
    =&gt; End b:
    c</failure>
                <system-out>]]&gt;�&lt;/testcase&gt;&lt;testcase name=&quot;x&quot;/&gt;�&amp;lt;
    =&gt; End network overlay test</system-out>
            </testcase>
            <testcase name="
    "#);
}

#[test]
fn flaky_and_warned_cases_are_passed_ones() {
    let xml = written(&mixed());
    let start = xml.find("<testsuite name=\"mtu\"").unwrap();
    assert_snapshot!(&xml[start..], @r#"
    <testsuite name="mtu" tests="6" skipped="3" errors="1" failures="0" timestamp="2026-11-23T10:00:00.300+00:00" time="2.800">
            <properties>
                <property name="kubeproof.title" value="MTU"/>
                <property name="kubeproof.file" value="suites/network/mtu.yaml"/>
                <property name="kubeproof.namespace" value="kubeproof-mtu-k7q2"/>
                <property name="kubeproof.run" value="k7q2"/>
                <property name="kubeproof.version" value="0.1.0"/>
                <property name="kubeproof.server" value="https://10.0.0.1:6443"/>
                <property name="kubeproof.server.version" value="v1.34.4"/>
                <property name="kubeproof.context" value="prod"/>
            </properties>
            <testcase name="large packets pass" classname="mtu" time="1.234">
                <flakyFailure time="0.500" message="exit is 1, and 0 was expected" type="failed">exit is 1, and 0 was expected</flakyFailure>
                <system-out>flaky: passed at attempt 2
    attempt 1 failed: exit is 1, and 0 was expected</system-out>
            </testcase>
            <testcase name="no errors in the logs" classname="mtu" time="1.234">
                <properties>
                    <property name="kubeproof.severity" value="warning"/>
                </properties>
                <system-out>warning: the agent logged &quot;bad handshake&quot;
    stdout contains &quot;bad handshake&quot;</system-out>
            </testcase>
            <testcase name="flannel on node1" classname="mtu" time="1.234">
                <skipped message="the cluster does not run flannel" type="skipped">the cluster does not run flannel</skipped>
            </testcase>
            <testcase name="flannel on node2" classname="mtu" time="1.234">
                <skipped message="the cluster does not run flannel" type="skipped">the cluster does not run flannel</skipped>
            </testcase>
            <testcase name="flannel on node3" classname="mtu" time="1.234">
                <skipped message="the cluster does not run flannel" type="skipped">the cluster does not run flannel</skipped>
            </testcase>
            <testcase name="[teardown]" classname="mtu" time="0.000">
                <error message="command exited with 1, and 0 was expected" type="errored">command exited with 1, and 0 was expected</error>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn the_report_is_whole_when_the_verdict_is_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junit.xml");
    let mut junit = begun(&path, Schema::Extended);
    let mut verdict = Verdict::default();
    let events = left_behind().events;
    let until = events
        .iter()
        .position(|event| matches!(event.kind, EventKind::VerdictReached { .. }))
        .unwrap();
    for event in &events[..=until] {
        settle(&junit);
        assert!(
            fs::read_to_string(&path)
                .unwrap()
                .contains("[run] did not finish"),
            "a kill before the verdict leaves the placeholder"
        );
        verdict.apply(event);
        junit.event(event, &verdict).unwrap();
    }
    settle(&junit);
    let report = Report::deserialize_from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!((report.tests, report.errors), (9, 0));
}

#[test]
fn a_run_that_breaks_off_is_errored() {
    let mut story = healthy();
    story.events.truncate(7);
    let report = Report::deserialize_from_str(&written(&story)).unwrap();
    assert_eq!((report.tests, report.errors), (2, 1));
}

#[test]
fn names_are_unique_even_after_sanitising() {
    let mut story = Story::overlay();
    for (cell, name) in ["a\u{1}", "a\u{2}", "[setup]"].into_iter().enumerate() {
        let id = id(overlay(), 0, cell, name);
        story = story.add(EventKind::CaseFinished(result(id, Outcome::Passed, None)));
    }
    let story = story
        .problem(Some(overlay()), Stage::Setup, Explanation::new("a"))
        .problem(Some(overlay()), Stage::Setup, Explanation::new("b"))
        .done();
    let report = Report::deserialize_from_str(&written(&story)).unwrap();
    let names: Vec<_> = report.test_suites[0]
        .test_cases
        .iter()
        .map(|case| case.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "[setup]",
            "[setup] (2)",
            "a\u{fffd}",
            "a\u{fffd} (2)",
            "[setup] (3)"
        ]
    );
}

#[test]
fn xmllint_takes_every_report() {
    if Command::new("xmllint").arg("--version").output().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (number, story) in stories().iter().enumerate() {
        let path = folder.path().join(format!("{number}.xml"));
        fs::write(&path, written(story)).unwrap();
        let output = Command::new("xmllint")
            .arg("--noout")
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "story {number}: {output:?}");
    }
}

/// The schemas that reports are held against: our own, which takes only what all readers take, and
/// those of readers, which `ci/test` provides.
fn schemas() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas/junit-common.xsd");
    let mut schemas = vec![own];
    if let Some(folder) = std::env::var_os("KUBEPROOF_TEST_SCHEMAS") {
        let found = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
        schemas.extend(found.filter(|path| path.extension().is_some_and(|it| it == "xsd")));
        assert!(schemas.len() > 2, "both of Jenkins' are there: {schemas:?}");
    }
    schemas
}

#[test]
fn every_schema_takes_every_report() {
    if Command::new("xmllint").arg("--version").output().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut reports: Vec<_> = stories().iter().map(common).collect();
    reports.push(common(&named_step()));
    reports.push(common(&retried_in_vain()));
    let placeholder = folder.path().join("placeholder.xml");
    settle(&begun(&placeholder, Schema::Common));
    reports.push(fs::read_to_string(&placeholder).unwrap());
    let schemas = schemas();
    for (number, report) in reports.iter().enumerate() {
        let path = folder.path().join(format!("{number}.xml"));
        fs::write(&path, report).unwrap();
        for schema in &schemas {
            let output = Command::new("xmllint")
                .args(["--noout", "--schema"])
                .arg(schema)
                .arg(&path)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{}: {said}\n{report}",
                schema.display()
            );
        }
    }
}

/// A case that failed twice, and gave up.
fn retried_in_vain() -> Story {
    let id = id(overlay(), 0, 0, "node1 reaches node1");
    let mut last = result(id.clone(), Outcome::Failed, Some(no_answer(1, 1)));
    last.properties.insert("rate".to_owned(), "1450".to_owned());
    Story::overlay()
        .add(EventKind::CaseRetried(CaseAttempt {
            id,
            attempt: 1,
            outcome: Outcome::Errored,
            took: Duration::from_millis(500),
            why: Explanation::new("no usable pod"),
        }))
        .add(EventKind::CaseFinished(last))
        .done()
}

fn named_step() -> Story {
    let why = Explanation {
        step: Some("DNS answers > ask twice".into()),
        ..no_answer(1, 2)
    };
    Story::overlay()
        .cells(|source, target| match (source, target) {
            (1, 2) => (Outcome::Failed, Some(why.clone())),
            _ => (Outcome::Passed, None),
        })
        .done()
}

#[test]
fn the_name_of_a_step_stands_where_it_failed() {
    let place = "at suites/network/overlay.yaml:27:11, step DNS answers &gt; ask twice\n";
    assert!(written(&named_step()).contains(place));
    assert!(common(&named_step()).contains(place));
}

#[test]
fn the_common_report_says_all_of_it_where_every_reader_has_room() {
    let xml = common(&mixed());
    let start = xml.find("<testsuite name=\"mtu\"").unwrap();
    assert_snapshot!(&xml[start..], @r#"
    <testsuite name="mtu" tests="6" skipped="3" errors="1" failures="0" time="2.800" id="1" package="" hostname="ci-1" timestamp="2026-11-23T10:00:00">
            <properties>
                <property name="kubeproof.title" value="MTU"/>
                <property name="kubeproof.file" value="suites/network/mtu.yaml"/>
                <property name="kubeproof.namespace" value="kubeproof-mtu-k7q2"/>
                <property name="kubeproof.run" value="k7q2"/>
                <property name="kubeproof.version" value="0.1.0"/>
                <property name="kubeproof.server" value="https://10.0.0.1:6443"/>
                <property name="kubeproof.server.version" value="v1.34.4"/>
                <property name="kubeproof.context" value="prod"/>
                <property name="kubeproof.started" value="2026-11-23T10:00:00+00:00"/>
                <property name="kubeproof.took" value="2.900"/>
                <property name="kubeproof.case.large packets pass.kubeproof.flaky" value="passed at attempt 2"/>
                <property name="kubeproof.case.no errors in the logs.kubeproof.severity" value="warning"/>
            </properties>
            <testcase name="large packets pass" classname="mtu" time="1.234"/>
            <testcase name="no errors in the logs" classname="mtu" time="1.234"/>
            <testcase name="flannel on node1" classname="mtu" time="1.234">
                <skipped message="the cluster does not run flannel" type="skipped">the cluster does not run flannel</skipped>
            </testcase>
            <testcase name="flannel on node2" classname="mtu" time="1.234">
                <skipped message="the cluster does not run flannel" type="skipped">the cluster does not run flannel</skipped>
            </testcase>
            <testcase name="flannel on node3" classname="mtu" time="1.234">
                <skipped message="the cluster does not run flannel" type="skipped">the cluster does not run flannel</skipped>
            </testcase>
            <testcase name="[teardown]" classname="mtu" time="0.000">
                <error message="command exited with 1, and 0 was expected" type="errored">command exited with 1, and 0 was expected</error>
            </testcase>
            <system-out>large packets pass: flaky: passed at attempt 2
    attempt 1 failed: exit is 1, and 0 was expected
    no errors in the logs: warning: the agent logged &quot;bad handshake&quot;
    stdout contains &quot;bad handshake&quot;</system-out>
            <system-err></system-err>
        </testsuite>
    </testsuites>
    "#);
    assert!(xml.contains("<testsuites>"), "{xml}");
    let xml = common(&retried_in_vain());
    let property = r#"<property name="kubeproof.case.node1 reaches node1.rate" value="1450"/>"#;
    assert!(xml.contains(property), "{xml}");
    assert!(
        xml.contains("attempt 1 errored: no usable pod</failure>"),
        "{xml}"
    );
    assert!(xml.contains("stdout:\nPING 10.42.0.9"), "{xml}");
}

#[test]
fn what_a_name_was_masked_to_does_not_matter() {
    let mut story = mixed();
    let rename = |id: &mut CaseId, name: &str| id.suite.name = name.to_owned();
    for event in &mut story.events {
        match &mut event.kind {
            EventKind::CaseRetried(attempt) => rename(&mut attempt.id, "of hunter2"),
            EventKind::CaseFinished(result) => rename(&mut result.id, "of ***"),
            _ => {}
        }
    }
    let xml = written(&story);
    assert!(xml.contains("<flakyFailure"), "{xml}");
    let warned = r#"<property name="kubeproof.severity" value="warning"/>"#;
    assert!(xml.contains(warned), "{xml}");
    assert_eq!(story.verdict().counts().flaky, 1);
}

#[test]
fn a_killed_run_leaves_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junit.xml");
    let mut junit = begun(&path, Schema::Common);
    let mut verdict = Verdict::default();
    for event in &healthy().events[..5] {
        verdict.apply(event);
        junit.event(event, &verdict).unwrap();
    }
    settle(&junit);
    assert_snapshot!(fs::read_to_string(&path).unwrap(), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites>
        <testsuite name="kubeproof" tests="1" skipped="0" errors="1" failures="0" time="0.000" id="0" package="" hostname="ci-1" timestamp="2026-11-23T09:59:59">
            <properties>
                <property name="kubeproof.run" value="k7q2"/>
                <property name="kubeproof.version" value="0.1.0"/>
            </properties>
            <testcase name="[run] did not finish" classname="kubeproof" time="0.000">
                <error message="the run did not finish" type="errored">The run did not finish: kubeproof was ended before it could say what it found out.
    Something killed it (a job&apos;s time-out, a lack of memory), or its machine went away. Nothing is known of the cluster by it.

    What to do: find what ended it in the log of the job or in the state of the pod, and run it again.
    What the run made may still be there. To remove it: kubeproof cleanup --run k7q2</error>
            </testcase>
            <system-out></system-out>
            <system-err></system-err>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn a_report_on_stdout_is_one_document() {
    let output = Shared::default();
    let options = JunitOptions {
        schema: Schema::Common,
        origin: Origin {
            host: "ci-1".to_owned(),
            time: Timestamp::UNIX_EPOCH,
        },
    };
    let mut junit = Junit::on_stream("JUnit report".to_owned(), output.clone(), options);
    let story = left_behind();
    story.tell(&mut junit).unwrap();
    // a report that was lost elsewhere ends all of them once more
    junit.finish(&story.verdict()).unwrap();
    assert_eq!(output.text().matches("<?xml").count(), 1);
    assert_eq!(read(&output.text()).test_suites[0].errors, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_reads_back(raw in any::<String>(), name in any::<String>()) {
        let why = Explanation {
            details: vec![detail("stdout", &raw)],
            ..Explanation::new(raw.clone())
        };
        let id = id(overlay(), 0, 0, &name);
        let story = Story::overlay()
            .add(EventKind::CaseFinished(result(id, Outcome::Failed, Some(why))))
            .done();
        let report = Report::deserialize_from_str(&written(&story)).unwrap();
        let case = &report.test_suites[0].test_cases[0];
        // quick-junit's reader trims, and takes tabs out
        let clean = crate::report::sanitize::text(&raw).replace('\t', "");
        prop_assert_eq!(case.name.as_str(), crate::report::sanitize::line(&name));
        prop_assert_eq!(case.system_out.as_deref().unwrap_or_default(), clean.trim());
        let TestCaseStatus::NonSuccess { description, .. } = &case.status else {
            panic!("it failed");
        };
        let description = description.as_deref().unwrap_or_default();
        prop_assert!(description.starts_with(clean.trim()));
    }
}
