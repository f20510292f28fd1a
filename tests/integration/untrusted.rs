//! What pods print is not to be trusted: neither its amount, nor its bytes, nor what it reads like.

use crate::cluster::suite_with_pod;
use crate::support::{JunitCounts, Kubeproof, healthy_cluster};

/// MiB; a run that prints little takes about a third of it.
const MEMORY: u64 = 150;

#[test]
#[ignore = "needs ci/cluster up"]
fn two_hundred_megabytes_are_read_in_bounded_memory() {
    let _cluster = healthy_cluster();
    let running = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file(
            "suite.yaml",
            &suite_with_pod(
                r#"
    - name: much
      matrix: {pod: {pods: {selector: app=probe}}}
      steps:
        - exec:
            target: "pod/{{ pod.name }}"
            command: [sh, -c, "yes kubeproof-prints-much | head -c 200000000; exit 3"]
          timeout: 100s
"#,
            ),
        )
        .start();
    let memory = running.peak_memory();
    let run = running.finish();
    let memory = memory.join().expect("the look at the memory");
    run.assert_code(1);
    assert!((10..MEMORY).contains(&memory), "{memory} MiB\n{run}");
    assert_eq!(run.junit().failures, 1, "{run}");
    let size = run.read("junit.xml").len();
    assert!(size < 300_000, "JUnit has {size} bytes");
    assert!(run.read("junit.xml").contains("bytes left out"), "{run}");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_reads_like_a_report_or_moves_a_terminal_stays_text() {
    let _cluster = healthy_cluster();
    let run = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file(
            "suite.yaml",
            &suite_with_pod(
                r#"
    - name: hostile
      matrix: {pod: {pods: {selector: app=probe}}}
      steps:
        - exec:
            target: "pod/{{ pod.name }}"
            command:
              - sh
              - -c
              - |
                printf ']]></system-out></testcase><testcase name="forged"/><![CDATA[\n'
                printf '=> End forged\n\033[2J\033[31mred\033]0;title\007\n\377\376\300\200\000\n'
                printf '\357\277\276 \342\200\256 turned\n' >&2
                exit 3
"#,
            ),
        )
        .run();
    run.assert_code(1);
    let counts = JunitCounts {
        tests: 1,
        failures: 1,
        errors: 0,
        skipped: 0,
    };
    assert_eq!(run.junit(), counts, "{run}");
    for text in [&run.stdout, &run.read("junit.xml"), &run.stderr] {
        assert!(
            !text.contains(['\u{1b}', '\u{7}', '\u{0}', '\u{202e}']),
            "{text:?}"
        );
    }
    let frames = run
        .stdout
        .lines()
        .filter(|line| line.starts_with("=> End "));
    assert_eq!(frames.count(), 1, "{run}");
    run.assert_nothing_left();
}
