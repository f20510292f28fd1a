//! The verbs that hold others or nothing: foreach, skip, sleep, use.

use super::{assert_failed, assert_passed, assert_skipped, run_spec, suite};
use crate::support::{Kubeproof, healthy_cluster};

#[test]
#[ignore = "needs ci/cluster up"]
fn foreach_names_the_turn_that_did_not_pass() {
    let _cluster = healthy_cluster();
    let run = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file(
            "suite.yaml",
            &suite(
                r#"
  namespace: none
  cases:
    - name: good
      steps:
        - foreach:
            node: "{{ nodes }}"
            steps:
              - script: "echo {{ node.name }} >> turns"
              - foreach:
                  letter: [a, b]
                  steps: [{script: "echo {{ node.name }}{{ letter }} >> turns"}]
    - name: bad
      steps:
        - foreach:
            number: [1, 2, 3]
            steps:
              - script: "echo {{ number }} >> numbers; test {{ number }} != 2"
"#,
            ),
        )
        .run();
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_eq!(run.read("turns").lines().count(), 9, "{run}");
    assert_failed(&run, "bad", &["number", "2", "exit code 1"]);
    assert_eq!(run.read("numbers"), "1\n2\n", "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn skip_ends_the_case_with_its_reason() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  cases:
    - name: skipped
      steps:
        - skip: "there are {{ nodes | length }} nodes"
          if: nodes | length > 1
        - script: "exit 1"
    - name: not skipped
      steps:
        - skip: never told
          if: nodes | length > 1000
        - script: "exit 1"
    - name: passed over
      steps:
        - script: "exit 1"
          if: nodes | length > 1000
        - assert: {that: "nodes | length > 1"}
"#,
    );
    run.assert_code(1);
    assert_skipped(&run, "skipped", &["there are 3 nodes"]);
    assert_failed(&run, "not skipped", &["exit code 1"]);
    assert_passed(&run, "passed over");
    assert_eq!(run.junit().skipped, 1, "{run}");
    assert!(run.read("junit.xml").contains("there are 3 nodes"), "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn sleep_takes_its_time_and_no_more_than_the_case_has() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  cases:
    - name: good
      steps:
        - sleep: 1s
    - name: too long
      timeout: 1s
      steps:
        - sleep: 60s
"#,
    );
    let good = assert_passed(&run, "good");
    assert!((1.0..5.0).contains(&good.took), "{}", good.took);
    let long = super::case(&run, "too long");
    assert_ne!(long.outcome, "passed", "{run}");
    assert!(long.text.contains("1s"), "{}", long.text);
    assert!((1.0..10.0).contains(&long.took), "{}", long.took);
}

const STEPS: &str = r#"apiVersion: kubeproof.dev/v1alpha1
kind: Steps
metadata: {name: make-map}
spec:
  inputs:
    color: {type: string}
    size: {type: integer, default: 1}
  steps:
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: "map-{{ inputs.color }}"}, data: {size: "{{ inputs.size }} big"}}}
      capture: {uid: "{{ object.metadata.uid }}", inner: hidden}
    - assert: {target: "configmap/map-{{ inputs.color }}", match: {data: {size: "{{ inputs.size }} big"}}}
  outputs: {uid: "{{ uid }}", name: "map-{{ inputs.color }}"}
"#;

const USER: &str = r#"
  cases:
    - name: good
      steps:
        - use: {steps: make-map, with: {color: blue, size: 3}}
        - assert: {target: "configmap/{{ name }}", match: {metadata: {uid: "{{ uid }}"}, data: {size: 3 big}}}
    - name: by its default
      steps:
        - use: {steps: make-map, with: {color: red}}
        - assert: {target: configmap/map-red, match: {data: {size: 1 big}}}
    - name: bad
      steps:
        - use: {steps: make-map, with: {color: "Not_A_Name"}}
"#;

#[test]
#[ignore = "needs ci/cluster up"]
fn use_runs_steps_of_the_same_file() {
    let _cluster = healthy_cluster();
    let run = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("suite.yaml", &format!("{}---\n{STEPS}", suite(USER)))
        .run();
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_passed(&run, "by its default");
    assert_failed(&run, "bad", &["Not_A_Name"]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn use_runs_steps_of_an_included_file() {
    let _cluster = healthy_cluster();
    let run = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("shared/steps.yaml", STEPS)
        .file(
            "suite.yaml",
            &suite(&format!("  include: [shared/steps.yaml]{USER}")),
        )
        .run();
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_passed(&run, "by its default");
    assert_failed(&run, "bad", &["Not_A_Name"]);
    run.assert_nothing_left();
}

#[test]
fn use_of_what_is_not_there_or_not_declared_is_refused() {
    let check = |steps: &str| {
        Kubeproof::new(&["check", "suite.yaml"])
            .file(
                "suite.yaml",
                &format!(
                    "{}---\n{STEPS}",
                    suite(&format!("  cases:\n    - name: one\n      steps:\n{steps}"))
                ),
            )
            .run()
    };
    let run = check("        - use: {steps: make-mat, with: {color: blue}}\n");
    run.assert_code(2);
    run.assert_stderr("make-mat");
    run.assert_stderr("make-map");
    let run = check("        - use: {steps: make-map, with: {colour: blue}}\n");
    run.assert_code(2);
    run.assert_stderr("colour");
    let run = check("        - use: {steps: make-map}\n");
    run.assert_code(2);
    run.assert_stderr("color");
    // what the steps capture stays theirs
    let run = check(
        "        - use: {steps: make-map, with: {color: blue}}\n        - assert: {that: \"inner == 'hidden'\"}\n",
    );
    run.assert_code(2);
    run.assert_stderr("inner");
    let run = check("        - use: {steps: make-map, with: {color: blue}}\n");
    run.assert_code(0);
}
