//! Reports that must be there whatever happens.

use crate::support::Kubeproof;

#[test]
fn an_old_report_does_not_survive_a_run_that_could_not_begin() {
    let run = Kubeproof::new(&["run", "overlay", "--junit", "deep/junit.xml"])
        .file("deep/junit.xml", "<testsuites name=\"old\"/>")
        .run();
    run.assert_code(3);
    let junit = run.read("deep/junit.xml");
    assert!(!junit.contains("old"), "{junit}");
    assert!(junit.contains("[connect]"), "{junit}");
}

#[test]
fn json_on_stdout_is_one_event_a_line() {
    let run = Kubeproof::new(&["run", "overlay", "--output", "json"]).run();
    run.assert_code(3);
    let events: Vec<serde_json::Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    assert!(events.iter().all(|event| event["schema"] == 1));
    assert_eq!(events[0]["event"], "run-started");
    assert_eq!(events[events.len() - 1]["event"], "run-finished");
}

#[test]
fn a_report_that_cannot_be_written_loses_nothing_else() {
    let run = Kubeproof::new(&[
        "run",
        "overlay",
        "--junit",
        "junit.xml",
        "--json",
        "/dev/full",
    ])
    .run();
    run.assert_code(3);
    assert!(run.stdout.contains("no kubeconfig found"), "{run}");
    run.assert_stderr("/dev/full");
    assert!(run.read("junit.xml").contains("[connect]"), "{run}");
}

#[test]
fn a_full_disk_under_junit_is_told_and_loses_nothing_else() {
    let arguments = ["run", "overlay", "--junit", "/dev/full"];
    let run = Kubeproof::new(&[&arguments[..], &["--json", "events.json"]].concat()).run();
    run.assert_code(3);
    run.assert_stderr("failed to write the JUnit report /dev/full: No space left on device");
    assert!(run.stdout.contains("no kubeconfig found"), "{run}");
    assert_eq!(run.events("run-finished").len(), 1, "{run}");
}

#[test]
fn a_stdout_that_nobody_reads_loses_nothing_else() {
    for output in ["human", "json"] {
        let files = ["--junit", "junit.xml", "--json", "events.json"];
        let arguments = ["run", "overlay", "--output", output];
        let mut running = Kubeproof::new(&[&arguments[..], &files[..]].concat()).start();
        running.close_stdout();
        let run = running.finish();
        run.assert_code(3);
        assert!(run.read("junit.xml").contains("[connect]"), "{run}");
        assert_eq!(run.events("run-finished").len(), 1, "{run}");
        run.assert_stderr("failed to write");
    }
}
