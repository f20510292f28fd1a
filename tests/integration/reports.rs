//! Reports that must be there whatever happens.

use std::process::Command;
use std::time::Duration;

use crate::api_server::{kubeconfig, serve};
use crate::support::server::free_address;
use crate::support::{Kubeproof, Running};

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

/// What a run may take to end after a signal, on a loaded machine: reading its suite is most of it.
const SOON: Duration = Duration::from_secs(30);

/// A run that can reach an API server.
pub fn on_server(arguments: &[&str], spec: &str) -> Kubeproof {
    let address = free_address();
    serve(address);
    let suite = format!(
        "apiVersion: kubeproof.dev/v1alpha1\nkind: Suite\nmetadata: {{name: s}}\nspec:\n{spec}"
    );
    let here = ["run", "suite.yaml", "--kubeconfig", "here.yaml"];
    Kubeproof::new(&[&here[..], arguments].concat())
        .file("here.yaml", &kubeconfig(&format!("http://{address}")))
        .file("suite.yaml", &suite)
}

/// Prints more than any pipe holds, then goes on.
const LOUD: &str = r#"
  namespace: none
  cases:
    - name: "loud {{ n }}"
      matrix: {n: {values: [1, 2, 3, 4, 5, 6, 7, 8]}}
      steps: [{script: "head -c 60000 /dev/zero | tr '\\0' 'x' | fold -w 100; exit 1"}]
    - name: goes on
      steps: [{script: "touch on; sleep 600", timeout: 20m}]
      finally: [{script: "touch cleaned"}]
"#;

pub fn mkfifo(program: &Kubeproof, name: &str) {
    let path = program.path(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success());
}

/// A signal ends it as if somebody read.
fn ends_on_a_signal(mut running: Running) -> crate::support::Finished {
    running.until_file_is_there("on");
    running.signal("TERM");
    let took = running.end_unread(SOON);
    let run = running.finish();
    run.assert_code(143);
    assert!(run.path("cleaned").exists(), "it cleaned up ({took:?})");
    run
}

#[test]
fn a_stdout_whose_reader_stops_holds_back_no_signal() {
    for arguments in [&["--output", "json"][..], &["-v"]] {
        let reports = ["--junit", "junit.xml", "--json", "events.json"];
        let running = on_server(&[&reports[..], arguments].concat(), LOUD).start();
        let run = ends_on_a_signal(running);
        assert!(run.read("junit.xml").contains("[interrupted]"), "{run}");
        assert_eq!(run.events("run-finished").len(), 1, "{run}");
    }
}

#[test]
fn a_stderr_whose_reader_stops_holds_back_no_signal() {
    let spec = r#"
  namespace: none
  cases:
    - name: "talks {{ n }}"
      matrix: {n: {values: [1, 2, 3, 4]}}
      steps:
        - foreach:
            i: "{{ range(400) | list }}"
            steps:
              - {name: "a step with a name that is long enough to fill a pipe soon", assert: {that: "true"}}
    - name: goes on
      needs: ["talks {{ n }}"]
      steps: [{script: "touch on; sleep 600", timeout: 20m}]
      finally: [{script: "touch cleaned"}]
"#;
    let running = on_server(&["-v", "--junit", "junit.xml"], spec).start();
    let run = ends_on_a_signal(running);
    assert!(run.read("junit.xml").contains("[interrupted]"), "{run}");
}

#[test]
fn a_report_to_a_pipe_that_nobody_opens_holds_back_nothing() {
    for option in ["--json", "--junit"] {
        let program = on_server(&[option, "fifo", "--quiet"], LOUD);
        mkfifo(&program, "fifo");
        let run = ends_on_a_signal(program.start());
        run.assert_stderr("failed to write the");
        run.assert_stderr("fifo: nobody has taken anything");
        assert!(run.stdout.contains("[report]"), "{run}");
    }
}

#[test]
fn an_artifact_that_cannot_be_opened_holds_back_nothing() {
    let spec = r#"
  namespace: none
  cases:
    - name: collects
      steps: [{script: "exit 1"}]
      onFailure: [{script: "echo found"}]
    - name: goes on
      steps: [{script: "touch on; sleep 600", timeout: 20m}]
      finally: [{script: "touch cleaned"}]
"#;
    let program = on_server(&["--artifacts", "found"], spec);
    mkfifo(&program, "found/s/collects/1-script.txt");
    let run = ends_on_a_signal(program.start());
    run.assert_stderr("failed to write the artifacts in found");
}

#[test]
fn the_deadline_of_a_run_passes_while_nobody_reads() {
    let mut running = on_server(&["--output", "json", "--timeout", "3s"], LOUD).start();
    // the reader is waited for at the end, since it may only be slow
    running.end_unread(Duration::from_secs(60));
    let run = running.finish();
    run.assert_stderr("--timeout");
    run.assert_stderr("failed to write the events on stdout: nobody has taken anything for");
    run.assert_code(1);
}

pub const PASSES: &str = r#"
  namespace: none
  cases:
    - name: passes
      steps: [{script: "rm -rf reports; touch reports"}]
"#;

#[test]
fn a_report_that_is_lost_is_no_pass() {
    for (option, file) in [("--junit", "reports/a.xml"), ("--json", "/dev/full")] {
        let run = on_server(&[option, file], PASSES).run();
        run.assert_code(3);
        run.assert_stderr(&format!("{file}: "));
        let last = run.stdout.lines().rfind(|line| !line.starts_with("JUnit"));
        assert!(
            last.is_some_and(|it| it.starts_with("ERRORED: 1 passed")),
            "{run}"
        );
        assert!(run.stdout.contains("[report]"), "{run}");
    }
    // both say so where one is lost
    let run = on_server(&["--json", "/dev/full", "--junit", "junit.xml"], PASSES).run();
    run.assert_code(3);
    assert!(run.read("junit.xml").contains("[report]"), "{run}");
}

#[test]
fn one_report_can_have_stdout_to_itself() {
    for option in ["--junit", "--json"] {
        let run = on_server(&[option, "-"], PASSES).run();
        run.assert_code(0);
        assert!(!run.path("-").exists());
        run.assert_stderr("PASSED: 1 passed");
        match option {
            "--junit" => {
                assert!(run.stdout.starts_with("<?xml"), "{run}");
                assert!(run.stdout.contains("name=\"passes\""), "{run}");
            }
            _ => assert!(
                run.stdout
                    .lines()
                    .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
                "{run}"
            ),
        }
    }
    let run = on_server(&["--junit", "-", "--json", "-"], PASSES).run();
    run.assert_code(2);
    run.assert_stderr("--junit - and --json - cannot share stdout: name a file for all but one");
}

#[test]
fn the_last_word_is_the_exit_code() {
    let spec = r#"
  namespace: none
  cases:
    - name: passes
      steps: [{script: "exit 0"}]
  teardown: [{script: "exit 1"}]
"#;
    let run = on_server(&[], spec).run();
    run.assert_code(3);
    assert!(!run.stdout.contains("PASSED"), "{run}");
    let last = run.stdout.lines().last();
    assert!(
        last.is_some_and(|it| it.starts_with("ERRORED: 1 passed")),
        "{run}"
    );
}

#[test]
fn a_step_is_told_by_its_name() {
    let spec = r#"
  namespace: none
  cases:
    - name: of many steps
      steps:
        - {name: the first, script: "exit 0"}
        - name: all of them
          foreach:
            i: [1, 2]
            steps: [{name: "number {{ i }}", script: "exit $(( {{ i }} - 1 ))"}]
"#;
    let reports = ["--junit", "junit.xml", "--json", "events.json"];
    let run = on_server(&[&["-v"], &reports[..]].concat(), spec).run();
    run.assert_code(1);
    let where_it_failed = "step all of them > number 2";
    assert!(run.stdout.contains(where_it_failed), "{run}");
    let junit = run.read("junit.xml");
    assert!(junit.contains("step all of them &gt; number 2"), "{junit}");
    let finished = run.events("case-finished");
    assert_eq!(
        finished[0]["why"]["step"], "all of them > number 2",
        "{run}"
    );
    run.assert_stderr("step of many steps: the first\n");
    run.assert_stderr("step passed of many steps: the first (");
    run.assert_stderr("step failed of many steps: number 2 (");
    assert_eq!(run.events("step-finished").len(), 4, "{run}");
    let quieter = on_server(&[], spec).run();
    assert!(!quieter.stderr.contains("the first"), "{quieter}");
}

#[test]
fn what_a_library_says_is_for_who_asks_for_everything() {
    let refused = kubeconfig("http://127.0.0.1:1");
    let told = |arguments: &[&str]| {
        let here = ["run", "overlay", "--kubeconfig", "here.yaml"];
        let run = Kubeproof::new(&[&here[..], arguments].concat())
            .file("here.yaml", &refused)
            .run();
        run.assert_code(3);
        run.stderr
    };
    for arguments in [&[][..], &["-v"], &["-vv"]] {
        let stderr = told(arguments);
        for library in ["hyper_util::", "rustls::", "tower::", "failed with"] {
            assert!(!stderr.contains(library), "{arguments:?}: {stderr}");
        }
    }
    assert!(told(&["-vvv"]).contains("hyper_util::"));
}

#[test]
fn a_property_that_cannot_be_rendered_is_told_where_all_steps_passed() {
    let spec = r#"
  namespace: none
  cases:
    - name: passes
      properties: {kept: "{{ got }}", zone: "{{ nodes[0].labels.zone }}", never: "{{ other }}"}
      steps:
        - {script: echo it, capture: {got: "{{ stdout | trim }}"}}
        - {script: echo no, if: "false", capture: {other: "{{ stdout }}"}}
"#;
    let run = on_server(&["--json", "events.json"], spec).run();
    run.assert_code(3);
    let end = &run.events("case-finished")[0];
    assert_eq!(end["outcome"], "errored", "{run}");
    assert_eq!(
        end["properties"],
        serde_json::json!({"kept": "it"}),
        "{run}"
    );
    let why = end["why"]["message"].as_str().unwrap();
    assert!(why.starts_with("the property `zone`: "), "{why}");
    let place = end["why"]["place"].as_str().unwrap();
    assert!(place.starts_with("suite.yaml:9:"), "{place}");
}

#[test]
fn each_attempt_and_each_cell_has_artifacts_of_its_own() {
    let spec = r#"
  namespace: none
  cases:
    - name: again
      retries: 1
      steps: [{script: "echo x >> tries; exit 1"}]
      onFailure: [{script: "wc -l < tries"}]
    - name: a
      serial: true
      steps: [{script: "exit 1"}]
      onFailure: [{script: "echo of a"}]
    - name: "{{ x }}"
      matrix: {x: {values: [a]}}
      serial: true
      steps: [{script: "exit 1"}]
      onFailure: [{script: "echo of x"}]
"#;
    let run = on_server(&["--artifacts", "found"], spec).run();
    run.assert_code(1);
    let read = |path: &str| run.read(&format!("found/s/{path}/1-script.txt"));
    assert_eq!(read("again").trim(), "1");
    assert_eq!(read("again/attempt-2").trim(), "2");
    let mut both = Vec::new();
    for entry in std::fs::read_dir(run.path("found/s")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name != "again" {
            both.push(read(&name));
        }
    }
    both.sort();
    assert_eq!(both, ["of a\n", "of x\n"]);
}

#[test]
fn a_case_that_cannot_be_chosen_is_not_told_where_its_matrix_cannot_be_made() {
    let spec = r#"
  namespace: none
  inputs: {none: {type: list, default: []}}
  cases:
    - name: smoke one
      steps: [{assert: {that: "true"}}]
    - name: "pod {{ n }} x"
      matrix: {n: {values: "{{ inputs.none }}"}}
      steps: [{assert: {that: "true"}}]
    - name: needs it
      needs: ["pod {{ n }} x"]
      steps: [{assert: {that: "true"}}]
"#;
    let run = |arguments: &[&str]| {
        on_server(&[&["--json", "events.json"], arguments].concat(), spec).run()
    };
    let chosen = run(&["--filter", "smoke *"]);
    chosen.assert_code(0);
    assert_eq!(chosen.events("case-finished").len(), 1, "{chosen}");
    run(&["--exclude", "pod *", "--exclude", "needs*"]).assert_code(0);
    // it may be meant, or is needed
    let unsure = run(&["--filter", "smoke *", "--filter", "pod 1*"]);
    unsure.assert_code(3);
    let ends = unsure.events("case-finished");
    let told = ends.iter().filter_map(|end| end["why"]["message"].as_str());
    let told: Vec<_> = told.collect();
    let words = "whether one of its cells is chosen is not known";
    assert!(matches!(told[..], [why] if why.contains(words)), "{told:?}");
    run(&["--filter", "needs it"]).assert_code(3);
    run(&[]).assert_code(3);
}
