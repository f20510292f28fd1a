//! What is printed commands neither a CI system nor a terminal, and what is for machines stays so.

use crate::api_server::{kubeconfig, serve};
use crate::support::server::free_address;
use crate::support::{Finished, Kubeproof};

/// A suite of others: all of it may hold what a CI system obeys.
const HOSTILE: &str = r###"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: inj}
spec:
  description: "##[error]a description"
  title: "::error::a title"
  namespace: none
  cases:
    - name: "##vso[task.complete]details"
      steps:
        - script: "printf 'x ##vso[task.setvariable variable=V]p\\n::error::details\\n##[set-output name=v]passed\\n##teamcity[a]\\nsection_start:1:a\\r\\033[0K\\n'; exit 1"
    - name: headline
      steps:
        - script: "printf '::error file=app.yml,line=1::from a pod\\n--- a\\n'; exit 1"
          expect: {exit: any}
          capture: {said: "{{ stdout }}"}
        - assert: {that: "said == ''"}
          failure: "{{ said }}"
    - name: "--- a group"
      steps:
        - error: "+++ a reason\n::warning::of two lines"
"###;

fn on_server(arguments: &[&str], suite: &str) -> Kubeproof {
    let address = free_address();
    serve(address);
    let here = ["run", "suite.yaml", "--kubeconfig", "here.yaml"];
    Kubeproof::new(&[&here[..], arguments].concat())
        .file("here.yaml", &kubeconfig(&format!("http://{address}")))
        .file("suite.yaml", suite)
}

#[track_caller]
fn assert_harmless(run: &Finished) {
    for line in run.stdout.lines().chain(run.stderr.lines()) {
        let is_command = line.trim_start().starts_with("::")
            || ["##[", "##vso[", "##teamcity[", "section_start:"]
                .iter()
                .any(|marker| line.contains(marker))
            || ["---", "+++", "~~~", "^^^"]
                .iter()
                .any(|marker| line.starts_with(marker));
        assert!(!is_command, "{line:?}\n{run}");
        assert!(!line.contains(['\u{1b}', '\r']), "{line:?}\n{run}");
    }
}

#[test]
fn a_run_commands_no_ci_system() {
    for arguments in [
        &[][..],
        &["-vvv"],
        &["--quiet"],
        &["--output", "json"],
        &["--junit", "-"],
        &["--json", "-"],
    ] {
        let run = on_server(arguments, HOSTILE).run();
        run.assert_code(1);
        assert_harmless(&run);
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(all.contains("from a pod"), "{run}");
    }
    let run = on_server(&[], HOSTILE).run();
    for text in [
        ":\\:error file=app.yml,line=1::from a pod",
        "##\\[set-output",
    ] {
        assert!(run.stdout.contains(text), "{text}\n{run}");
    }
}

#[test]
fn listings_and_diagnostics_command_no_ci_system() {
    let wrong = HOSTILE.replace("title:", "titel:");
    for (arguments, suite, code) in [
        (&["list", "-v", "suite.yaml"][..], HOSTILE, 0),
        (&["check", "suite.yaml"], HOSTILE, 0),
        (&["check", "suite.yaml"], &wrong, 2),
        (&["run", "suite.yaml"], &wrong, 2),
        (&["images", "-v", "suite.yaml"], HOSTILE, 0),
        (&["rbac", "suite.yaml"], HOSTILE, 0),
        (&["check", "##[error]a.yaml"], HOSTILE, 2),
        (&["check", "--##[error]a"], HOSTILE, 2),
    ] {
        let run = Kubeproof::new(arguments).file("suite.yaml", suite).run();
        run.assert_code(code);
        assert_harmless(&run);
    }
}

#[test]
fn what_kubectl_reads_is_as_it_must_be() {
    let run = Kubeproof::new(&["rbac", "overlay", "--namespace", "team"]).run();
    run.assert_code(0);
    let separators = run.stdout.lines().filter(|line| *line == "---").count();
    assert_eq!(separators, 1, "{run}");
    let run = Kubeproof::new(&["images", "overlay"]).run();
    run.assert_code(0);
    assert!(!run.stdout.contains('\\'), "{run}");
}

#[test]
fn events_and_junit_say_it_as_it_was() {
    let run = on_server(&["--output", "json", "--junit", "junit.xml"], HOSTILE).run();
    let finished: Vec<serde_json::Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|event: &serde_json::Value| event["event"] == "case-finished")
        .collect();
    let names: Vec<_> = finished
        .iter()
        .map(|event| event["id"]["name"].as_str().expect("a name"))
        .collect();
    assert!(names.contains(&"##vso[task.complete]details"), "{names:?}");
    let junit = run.read("junit.xml");
    assert!(junit.contains("##[set-output name=v]passed"), "{junit}");
}
