//! What suites mean beyond their verbs: matrices, order, retries, requirements, severity,
//! collectors, secrets, clusters and identities.

use std::path::Path;

use crate::support::{Finished, JunitCounts, Kubeproof, ci_cluster, healthy_cluster};
use crate::verbs::{
    assert_errored, assert_failed, assert_passed, assert_skipped, case, run_spec, run_spec_with,
    suite,
};

/// The names of the testcases, in the order in which JUnit has them.
fn junit_names(run: &Finished) -> Vec<String> {
    run.read("junit.xml")
        .split("<testcase ")
        .skip(1)
        .filter_map(|rest| {
            rest.split("name=\"")
                .nth(1)?
                .split('"')
                .next()
                .map(str::to_owned)
        })
        .collect()
}

/// The events of cases in their order: `started NAME`, `finished NAME`.
fn course(run: &Finished) -> Vec<String> {
    run.read("events.json")
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter_map(|event| match event["event"].as_str()? {
            "case-started" => Some(format!("started {}", event["name"].as_str()?)),
            "case-finished" => Some(format!("finished {}", event["id"]["name"].as_str()?)),
            _ => None,
        })
        .collect()
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_matrix_has_rows_and_axes_of_objects_and_nodes() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: blue, labels: {app: map}}, data: {size: "1"}}}
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: red, labels: {app: map}}, data: {size: "2"}}}
  cases:
    - name: "row {{ letter }}{{ number }}"
      matrix: {rows: [{letter: b, number: 2}, {letter: a, number: 1}]}
      steps:
        - assert: {that: "(letter == 'a') == (number == 1)"}
    - name: "object {{ map.name }}"
      matrix: {map: {objects: {target: configmap, selector: app=map}}}
      steps:
        - assert: {target: "configmap/{{ map.name }}", match: {data: {size: "{{ map.data.size }}"}}}
        - assert: {that: "map.namespace == run.namespace"}
    - name: "node {{ node.name }}"
      matrix: {node: {nodes: {}}}
      steps:
        - assert: {target: "node/{{ node.name }}", match: {status: {addresses: {$any: {address: "{{ node.ip }}"}}}}}
    - name: "nobody {{ map.name }}"
      matrix: {map: {objects: {target: configmap, selector: app=nobody}, empty: skip}}
      steps: [{script: "exit 1"}]
    - name: "empty {{ map.name }}"
      matrix: {map: {objects: {target: configmap, selector: app=nobody}}}
      steps: [{script: "exit 0"}]
"#,
    );
    run.assert_code(3);
    for name in [
        "row b2",
        "row a1",
        "object blue",
        "object red",
        "node node1",
        "node node3",
    ] {
        assert_passed(&run, name);
    }
    let names = junit_names(&run);
    let place = |name: &str| names.iter().position(|other| other == name);
    assert!(place("row b2") < place("row a1"), "{names:?}");
    assert!(place("object blue") < place("object red"), "{names:?}");
    let events = run.events("case-finished");
    let outcome = |prefix: &str| {
        events
            .iter()
            .find(|event| event["id"]["name"].as_str().unwrap().starts_with(prefix))
            .unwrap_or_else(|| panic!("no {prefix}\n{run}"))["outcome"]
            .clone()
    };
    assert_eq!(outcome("nobody"), "skipped", "{run}");
    assert_eq!(outcome("empty"), "errored", "{run}");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_is_left_out_or_comes_too_late_is_told() {
    let _cluster = healthy_cluster();
    let suite = suite(
        r#"
  clusters: {child: {kubeconfig: ./child.yaml}}
  cases:
    - name: nothing
      retries: 4294967295
      steps: [{apply: {template: none.yaml.j2}}]
    - name: late
      steps:
        - script: cp "$KUBECONFIG" child.yaml
        - get: {target: nodes}
          cluster: child
    - name: a pattern that everything matches
      steps:
        - foreach:
            list: [[a]]
            steps: [{assert: {target: namespace/default, match: {metadata: {finalizers: {$none: "{{ list }}"}}}}}]
"#,
    );
    let run = Kubeproof::on_cluster(&["run", "./suite.yaml"])
        .file("suite.yaml", &suite)
        .file("none.yaml.j2", "{% if false %}kind: Pod{% endif %}\n")
        .run();
    run.assert_code(3);
    assert_passed(&run, "nothing");
    let notices = format!("{:?}", run.events("notice"));
    assert!(
        notices.contains("none.yaml.j2 renders to no object: there is nothing to apply"),
        "{run}"
    );
    assert!(run.stderr.contains("nothing to apply"), "{run}");
    let words = [
        "no connection to the cluster child",
        "before the suite's first step",
        "child.yaml",
    ];
    assert_errored(&run, "late", &words);
    let name = "a pattern that everything matches";
    assert_errored(&run, name, &["makes no sense once rendered", "$none"]);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn steps_stand_in_steps_as_deep_as_yaml_can_be_written() {
    let _cluster = healthy_cluster();
    let deep = (0..19).fold("get: {target: nodes}".to_owned(), |inner, level| {
        format!("foreach: {{x{level}: [1], steps: [{{{inner}}}]}}")
    });
    let suite = format!(
        "apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {{name: deep}}
spec:
  namespace: none
  cases:
    - name: deep
      steps: [{{{deep}}}]
"
    );
    let run = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("suite.yaml", &suite)
        .run();
    run.assert_code(0);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn where_chooses_the_cells_of_a_matrix() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  cases:
    - name: "{{ a }} to {{ b }}"
      matrix: {a: {values: [x, y]}, b: {values: [x, y]}, where: a != b}
      steps: [{sleep: 1ms}]
    - name: nobody
      matrix: {a: {values: [x]}, where: a == 'y'}
      steps: [{sleep: 1ms}]
    - name: nobody needed
      matrix: {a: {values: [x], empty: skip}, where: a == 'y'}
      steps: [{sleep: 1ms}]
"#,
    );
    run.assert_code(3);
    assert_eq!(
        junit_names(&run),
        ["x to y", "y to x", "nobody", "nobody needed"]
    );
    assert_errored(&run, "nobody", &["holds for no cell of the matrix"]);
    assert_skipped(&run, "nobody needed", &["holds for no cell of the matrix"]);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_step_can_end_a_case_as_errored_and_setup_can_skip_them_all() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  cases:
    - name: unknowable
      steps: [{error: "it cannot be found out"}, {script: touch reached}]
    - name: known
      steps: [{if: 1 == 2, error: no}, {sleep: 1ms}]
"#,
    );
    run.assert_code(3);
    assert_errored(&run, "unknowable", &["it cannot be found out"]);
    assert_passed(&run, "known");
    assert!(!run.path("reached").exists());
    let skipped = run_spec(
        r#"
  namespace: none
  setup:
    - get: {target: nodes}
      capture: {count: "{{ objects | length }}"}
    - {if: count > 0, skip: "there are {{ count }} nodes"}
  cases:
    - {name: never, steps: [{script: touch reached}]}
"#,
    );
    skipped.assert_code(4);
    assert_skipped(&skipped, "never", &["there are 3 nodes"]);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn properties_of_a_case_stand_in_the_reports() {
    let _cluster = healthy_cluster();
    let run = run_spec_with(
        &["--junit-schema", "extended"],
        r#"
  namespace: none
  cases:
    - name: "{{ n }}"
      matrix: {n: {values: [1, 2]}}
      properties: {number: "{{ n }}", first: "{{ one }}", later: "{{ two }}", never: "{{ three }}"}
      steps:
        - {script: echo a, capture: {one: "{{ stdout | trim }}"}}
        - {script: "test {{ n }} = 1", capture: {two: b}}
        - {script: echo never, if: "false", capture: {three: c}}
"#,
    );
    run.assert_code(1);
    let told: Vec<_> = run
        .events("case-finished")
        .iter()
        .map(|event| event["properties"].to_string())
        .collect();
    // what the second did not come to is left out
    for expected in [
        r#"{"number":"1","first":"a","later":"b"}"#,
        r#"{"number":"2","first":"a"}"#,
    ] {
        assert!(told.iter().any(|told| told == expected), "{told:?}");
    }
    let junit = run.read("junit.xml");
    assert_eq!(
        junit.matches(r#"<property name="first" value="a""#).count(),
        2
    );
    assert_eq!(
        junit.matches(r#"<property name="later" value="b""#).count(),
        1
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_rule_that_cannot_be_tried_changes_nothing() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  cases:
    - name: "{{ n }}"
      matrix: {n: {values: [1, 2, 3]}}
      steps: [{script: "test {{ n }} = 1"}]
  diagnose:
    - {by: "{{ n.nothing }}", if: tally.failed > 0, message: never}
    - if: tally.failed == 2 and tally.total == 3
      steps:
        - exec: {target: pod/none, namespace: default, command: [a]}
          capture: {seen: "{{ stdout }}"}
      message: "{{ tally.failed }} of {{ tally.total }}, {{ 'nothing seen' if seen is none else seen }}"
      remedy: "{{ '' }}"
"#,
    );
    run.assert_code(1);
    let told = run.events("diagnosis");
    assert_eq!(told.len(), 1, "{run}");
    assert_eq!(told[0]["message"], "2 of 3, nothing seen");
    assert!(told[0]["remedy"].is_null(), "{told:?}");
    run.assert_stderr("a rule of `diagnose` could not be tried");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_case_whose_need_did_not_pass_is_skipped_with_the_reason() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  cases:
    - name: last
      needs: [good]
      steps: [{script: "test -e good-1 && test -e good-2"}]
    - name: never
      needs: [good, bad]
      steps: [{script: "touch reached"}]
    - name: never either
      needs: [never]
      steps: [{script: "touch reached"}]
    - name: good
      matrix: {number: {values: [1, 2]}}
      steps: [{script: "sleep 0.{{ number }}; touch good-{{ number }}"}]
    - name: bad
      matrix: {number: {values: [1, 2]}}
      steps: [{script: "test {{ number }} = 1"}]
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "last");
    assert_skipped(&run, "never", &["bad"]);
    assert_skipped(&run, "never either", &["never"]);
    assert!(!run.path("reached").exists());
    assert_eq!(
        run.junit(),
        JunitCounts {
            tests: 7,
            failures: 1,
            errors: 0,
            skipped: 2
        },
        "{run}"
    );
}

#[test]
fn needs_that_are_nobodys_or_go_round_are_refused() {
    let check = |needs: &str| {
        Kubeproof::new(&["check", "suite.yaml"])
            .file(
                "suite.yaml",
                &suite(&format!(
                    "  cases:\n    - name: one\n      needs: [{needs}]\n      steps: [{{sleep: 1ms}}]\n    - name: two\n      needs: [one]\n      steps: [{{sleep: 1ms}}]\n"
                )),
            )
            .run()
    };
    let run = check("nobody");
    run.assert_code(2);
    run.assert_stderr("nobody");
    let run = check("two");
    run.assert_code(2);
    run.assert_stderr("two");
    let run = check("");
    run.assert_code(0);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_serial_case_runs_alone() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  cases:
    - name: "{{ n }}"
      matrix: {n: {values: [a, b, c]}}
      steps: [{sleep: 300ms}]
    - name: "alone {{ n }}"
      serial: true
      matrix: {n: {values: [1, 2]}}
      steps: [{sleep: 300ms}]
    - name: "after {{ n }}"
      matrix: {n: {values: [d, e, f]}}
      steps: [{sleep: 300ms}]
"#,
    );
    run.assert_code(0);
    let course = course(&run);
    for name in ["alone 1", "alone 2"] {
        let start = course
            .iter()
            .position(|event| *event == format!("started {name}"))
            .unwrap_or_else(|| panic!("{name} did not start: {course:?}"));
        assert_eq!(
            course[start + 1],
            format!("finished {name}"),
            "alone: {course:?}"
        );
        let count = |what: &str| {
            course[..start]
                .iter()
                .filter(|event| event.starts_with(what))
                .count()
        };
        assert_eq!(
            count("started"),
            count("finished"),
            "nothing runs meanwhile: {course:?}"
        );
    }
    // and those that may, run side by side
    assert!(
        course
            .windows(2)
            .any(|pair| pair.iter().all(|event| event.starts_with("started"))),
        "{course:?}"
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn conditions_and_requirements_of_cases_skip_or_fail_them() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  inputs: {wanted: {type: boolean, default: false}}
  cases:
    - name: not wanted
      if: inputs.wanted
      steps: [{script: "exit 1"}]
    - name: wanted
      if: not inputs.wanted
      steps: [{script: "exit 0"}]
    - name: "cell {{ n }}"
      if: n > 1
      matrix: {n: {values: [1, 2]}}
      steps: [{script: "test {{ n }} = 2"}]
    - name: too small
      requires: [{that: "nodes | length >= 100", reason: this is for big clusters}]
      steps: [{script: "exit 1"}]
    - name: must be bigger
      requires: [{that: "nodes | length >= 100", reason: this must be a big cluster, unmet: fail}]
      steps: [{script: "exit 0"}]
    - name: no such kind
      requires: [{exists: {target: crd/gadgets.kubeproof.test}, reason: there are no gadgets}]
      steps: [{script: "exit 1"}]
    - name: old server
      requires: [{server: ">=1.99"}]
      steps: [{script: "exit 1"}]
    - name: met
      requires: [{server: ">=1.20"}, {exists: {target: node}}, {that: "run.server.minor > 20"}]
      steps: [{script: "exit 0"}]
"#,
    );
    run.assert_code(1);
    assert_skipped(&run, "not wanted", &["inputs.wanted"]);
    assert_passed(&run, "wanted");
    assert_skipped(&run, "cell 1", &[]);
    assert_passed(&run, "cell 2");
    assert_skipped(&run, "too small", &["this is for big clusters"]);
    assert_failed(&run, "must be bigger", &["this must be a big cluster"]);
    assert_skipped(&run, "no such kind", &["there are no gadgets"]);
    assert_skipped(&run, "old server", &["1.99"]);
    assert_passed(&run, "met");
    assert_eq!(run.junit().skipped, 5, "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_case_that_passes_later_is_flaky() {
    let _cluster = healthy_cluster();
    let run = run_spec_with(
        &["--junit-schema", "extended"],
        r#"
  cases:
    - name: flaky
      retries: 2
      steps:
        # what an attempt made is gone before the next one
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: mine}}}
        - script: "test -e mark || { touch mark; echo first time; exit 1; }"
      finally: [{script: "echo end >> ends"}]
    - name: never
      retries: 1
      steps: [{script: "echo x >> nevers; exit 1"}]
    - name: at once
      retries: 5
      steps: [{script: "echo x >> onces"}]
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "flaky");
    assert_eq!(run.read("ends").lines().count(), 2, "finally of both");
    assert_failed(&run, "never", &["exit code 1"]);
    assert_eq!(run.read("nevers").lines().count(), 2);
    assert_passed(&run, "at once");
    assert_eq!(run.read("onces").lines().count(), 1);
    let retried = run.events("case-retried");
    assert!(
        retried
            .iter()
            .any(|event| event["id"]["name"] == "flaky" && event["attempt"] == 1),
        "{run}"
    );
    let junit = run.read("junit.xml");
    assert!(junit.contains("<flakyFailure"), "{junit}");
    assert!(junit.contains("first time"), "{junit}");
    assert!(run.stdout.contains("flaky"), "the summary says it\n{run}");
    assert_eq!(
        run.junit(),
        JunitCounts {
            tests: 3,
            failures: 1,
            errors: 0,
            skipped: 0
        }
    );
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn retries_of_the_command_line_are_for_cases_without() {
    let _cluster = healthy_cluster();
    let run = run_spec_with(
        &["--retries", "2"],
        r#"
  namespace: none
  cases:
    - name: without
      steps: [{script: "echo x >> withouts; test $(wc -l < withouts) -ge 3"}]
    - name: with
      retries: 0
      steps: [{script: "echo x >> withs; exit 1"}]
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "without");
    assert_failed(&run, "with", &[]);
    assert_eq!(run.read("withs").lines().count(), 1);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_step_is_tried_again_without_a_mark() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  cases:
    - name: the third time
      steps:
        - script: "echo x >> thirds; test $(wc -l < thirds) -ge 3"
          retry: {attempts: 3, delay: 100ms}
    - name: not often enough
      steps:
        - script: "echo x >> twos; test $(wc -l < twos) -ge 3"
          retry: {attempts: 2, delay: 100ms}
    - name: each has its time
      steps:
        - script: "echo x >> slows; test $(wc -l < slows) -ge 2 || sleep 30"
          timeout: 2s
          retry: {attempts: 2, delay: 10ms}
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "the third time");
    assert_eq!(run.read("thirds").lines().count(), 3);
    assert_failed(&run, "not often enough", &["2", "exit code 1"]);
    assert_eq!(run.read("twos").lines().count(), 2);
    assert_passed(&run, "each has its time");
    assert!(run.events("case-retried").is_empty(), "{run}");
    assert!(!run.read("junit.xml").contains("flaky"), "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn captures_of_setup_are_seen_everywhere_and_those_of_a_case_in_its_rest() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  setup:
    - script: "echo from-setup"
      capture: {early: "{{ stdout | trim }}"}
  cases:
    - name: one
      steps:
        - script: "echo mine {{ early }}"
          capture: {own: "{{ stdout | trim }}", code: "{{ exit }}"}
        - assert: {that: "own == 'mine from-setup' and code == 0"}
      finally: [{script: "echo {{ own }} > finally"}]
    - name: "two {{ early }}"
      steps:
        # a value that looks like a template stays text
        - script: "printf '%s' '{''{ early }''}'"
          capture: {braces: "{{ stdout }}"}
        - script: {text: "printf '%s' \"$B\"", env: {B: "{{ braces }}"}}
          expect: {stdout: {equals: "{{ '{{ early }}' }}"}}
  teardown: [{script: "echo {{ early }} > teardown"}]
"#,
    );
    run.assert_code(0);
    assert_passed(&run, "one");
    assert_passed(&run, "two from-setup");
    assert_eq!(run.read("finally").trim(), "mine from-setup");
    assert_eq!(run.read("teardown").trim(), "from-setup");
}

#[test]
fn a_capture_of_another_case_is_unknown() {
    let run = Kubeproof::new(&["check", "suite.yaml"])
        .file(
            "suite.yaml",
            &suite(
                r#"
  cases:
    - name: one
      steps:
        - script: "echo x"
          capture: {own: "{{ stdout }}"}
    - name: two
      steps:
        - assert: {that: "own == 'x'"}
    - name: three
      steps:
        - script: "echo x"
          capture: {inputs: "{{ stdout }}"}
"#,
            ),
        )
        .run();
    run.assert_code(2);
    run.assert_stderr("suite.yaml:12:");
    run.assert_stderr("own");
    run.assert_stderr("suite.yaml:16:");
    run.assert_stderr("inputs");
}

/// The texts of all files below a folder, with their paths.
fn files_below(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                found.push((
                    path.display().to_string(),
                    String::from_utf8_lossy(&bytes).into_owned(),
                ));
            }
        }
    }
    found
}

#[test]
#[ignore = "needs ci/cluster up"]
fn collectors_write_what_they_find_and_change_no_result() {
    let _cluster = healthy_cluster();
    let run = run_spec_with(
        &["--artifacts", "artifacts"],
        r#"
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: evidence}, data: {color: bluish-evidence}}}
  cases:
    - name: it failed
      steps: [{script: "exit 1"}]
      onFailure:
        - get: {target: configmap/evidence}
        - get: {target: configmap/nobody}
        - script: "echo said-by-a-script; exit 5"
        - events: {}
    - name: it passed
      steps: [{script: "exit 0"}]
      onFailure: [{script: "touch reached"}]
    - name: it was skipped
      steps: [{skip: "for a reason"}]
      onFailure: [{script: "touch reached"}]
"#,
    );
    run.assert_code(1);
    assert_failed(&run, "it failed", &["exit code 1"]);
    assert_passed(&run, "it passed");
    assert!(!run.path("reached").exists(), "{run}");
    assert_eq!(
        run.junit(),
        JunitCounts {
            tests: 3,
            failures: 1,
            errors: 0,
            skipped: 1
        },
        "{run}"
    );
    let files = files_below(&run.path("artifacts"));
    for text in ["bluish-evidence", "said-by-a-script"] {
        assert!(
            files.iter().any(|(_, content)| content.contains(text)),
            "no {text} in {:?}\n{run}",
            files.iter().map(|(path, _)| path).collect::<Vec<_>>()
        );
    }
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_warning_is_passed_with_a_property_and_a_failure_under_strict() {
    let _cluster = healthy_cluster();
    let spec = r#"
  namespace: none
  cases:
    - name: merely a warning
      severity: warning
      steps:
        - script: "echo the disk is slow; exit 1"
          failure: the disk is slow
    - name: fine
      severity: warning
      steps: [{script: "exit 0"}]
"#;
    let run = run_spec(spec);
    run.assert_code(0);
    assert_passed(&run, "merely a warning");
    let junit = run.read("junit.xml");
    assert_eq!(junit.matches("kubeproof.severity").count(), 1, "{junit}");
    assert!(junit.contains("the disk is slow"), "{junit}");
    assert_eq!(run.junit().failures, 0);
    assert!(run.stdout.contains("the disk is slow"), "{run}");

    let run = run_spec_with(&["--strict"], spec);
    run.assert_code(1);
    assert_failed(&run, "merely a warning", &["the disk is slow"]);
    assert_eq!(run.junit().failures, 1);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn severity_touches_what_failed_and_nothing_else() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  severity: warning
  cases:
    - name: errored
      steps: [{command: [kubeproof-test-no-such-program]}]
    - name: an error after all
      severity: error
      steps: [{script: "exit 1"}]
"#,
    );
    run.assert_code(1);
    assert_errored(&run, "errored", &["kubeproof-test-no-such-program"]);
    assert_failed(&run, "an error after all", &["exit code 1"]);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn each_case_has_its_namespace_where_the_suite_says_so() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: {per: case, labels: {team: a}, annotations: {note: b}}
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: of-setup}}}
      capture: {home: "{{ object.metadata.namespace }}"}
  cases:
    - name: "cell {{ n }}"
      matrix: {n: {values: [1, 2, 3]}}
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: same}, data: {n: "n{{ n }}"}}}
        - assert: {target: configmap/same, match: {data: {n: "n{{ n }}"}}}
        - assert: {target: "namespace/{{ run.namespace }}", match: {metadata: {labels: {team: a}, annotations: {note: b}}}}
        - assert: {that: "run.namespace != home"}
        - assert: {target: configmap/of-setup, namespace: "{{ home }}", match: {metadata: {name: of-setup}}}
"#,
    );
    run.assert_code(0);
    assert_eq!(run.junit().tests, 3);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn secrets_are_masked_everywhere() {
    let _cluster = healthy_cluster();
    let secret = "hunter2-hunter2-hunter2!";
    let encoded = "aHVudGVyMi1odW50ZXIyLWh1bnRlcjIh";
    let run = Kubeproof::on_cluster(&[
        "run",
        "suite.yaml",
        "-vvv",
        "--artifacts",
        "artifacts",
        "--set",
        &format!("token={secret}"),
    ])
    .file(
        "suite.yaml",
        &suite(
            r#"
  inputs: {token: {type: secret}}
  cases:
    - name: "told by a script"
      steps:
        - script: {text: "echo out $T; echo err $T >&2; printf %s \"$T\" | base64; exit 1", env: {T: "{{ inputs.token }}"}}
          failure: "with {{ inputs.token }}"
      onFailure: [{script: {text: "echo collected $T", env: {T: "{{ inputs.token }}"}}}]
    - name: "expected"
      steps:
        - script: "echo there"
          expect: {stdout: {equals: "{{ inputs.token }}"}}
    - name: "in a Secret"
      steps:
        - apply: {manifest: {apiVersion: v1, kind: Secret, metadata: {name: token}, stringData: {token: "{{ inputs.token }}"}}}
        - assert: {target: secret/token, match: {data: {token: nothing-like-it}}}
          timeout: 1s
    - name: "in a name {{ inputs.token }}"
      steps:
        - assert: {that: "inputs.token == 'another'"}
    - name: "it is what it is"
      steps:
        - script: {text: 'test "$(printf %s "$T" | wc -c)" = 24', env: {T: "{{ inputs.token }}"}}
"#,
        ),
    )
    .run();
    run.assert_code(1);
    assert_passed(&run, "it is what it is");
    assert_failed(&run, "told by a script", &["exit code 1", "out"]);
    let mut places = vec![
        ("stdout".to_owned(), run.stdout.clone()),
        ("stderr".to_owned(), run.stderr.clone()),
        ("junit.xml".to_owned(), run.read("junit.xml")),
        ("events.json".to_owned(), run.read("events.json")),
    ];
    places.extend(files_below(&run.path("artifacts")));
    for (place, text) in &places {
        for form in [secret, encoded, "aHVudGVyMi1odW50ZXIy", "hunter2-hunter2"] {
            assert!(!text.contains(form), "{form:?} stands in {place}: {text}");
        }
    }
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn warnings_of_the_server_are_expected_or_not() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  cases:
    - name: expected
      steps:
        - create: {manifest: {apiVersion: v1, kind: Endpoints, metadata: {name: old-a}}}
          expect: {warnings: {contains: deprecated}}
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: new}}}
          expect: {warnings: {empty: true}}
    - name: not expected
      steps:
        - create: {manifest: {apiVersion: v1, kind: Endpoints, metadata: {name: old-b}}}
          expect: {warnings: {empty: true}}
    - name: missed
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: newer}}}
          expect: {warnings: {contains: deprecated}}
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "expected");
    assert_failed(&run, "not expected", &["deprecated", "empty"]);
    assert_failed(&run, "missed", &["deprecated"]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_policy_that_must_refuse_is_tested() {
    let _cluster = healthy_cluster();
    let pod = |name: &str, more: &str| {
        format!(
            "{{manifest: {{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{terminationGracePeriodSeconds: 1, containers: [{{name: main, image: \"busybox:1.28\", command: [sleep, \"1\"]{more}}}]}}}}}}"
        )
    };
    let tame = ", securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, runAsUser: 1000, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}";
    let run = run_spec(&format!(
        r#"
  namespace: {{labels: {{pod-security.kubernetes.io/enforce: restricted}}}}
  cases:
    - name: refused
      steps:
        - apply: {privileged}
          expect: {{rejected: {{code: 403, reason: Forbidden, contains: violates PodSecurity}}}}
        - absent: {{target: pod/privileged}}
    - name: accepted
      steps:
        - apply: {tame}
    - name: accepted against what was expected
      steps:
        - apply: {tame_too}
          expect: {{rejected: {{code: 403, contains: violates PodSecurity}}}}
    - name: refused against what was expected
      steps:
        - apply: {another}
"#,
        privileged = pod("privileged", ", securityContext: {privileged: true}"),
        another = pod("another", ", securityContext: {privileged: true}"),
        tame = pod("tame", tame),
        tame_too = pod("tame-too", tame),
    ));
    run.assert_code(1);
    assert_passed(&run, "refused");
    assert_passed(&run, "accepted");
    assert_failed(
        &run,
        "accepted against what was expected",
        &["403", "accepted"],
    );
    assert_failed(
        &run,
        "refused against what was expected",
        &["violates PodSecurity"],
    );
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_step_goes_to_another_cluster() {
    let _cluster = healthy_cluster();
    let visitor = ci_cluster(&["kubeconfig", "--user", "language-visitor"]);
    let run = run_spec_with(
        &["--cluster", &format!("other={}", visitor.trim())],
        r#"
  clusters: {other: {}}
  cases:
    - name: refused there
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}
          cluster: other
          expect: {rejected: {code: 403, reason: Forbidden, contains: language-visitor}}
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}
    - name: rights of both
      steps:
        - can: {verb: delete, resource: nodes}
          cluster: other
          expect: {allowed: false}
        - can: {verb: delete, resource: nodes}
    - name: all of it there
      cluster: other
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}}
    - name: a script has it too
      cluster: other
      steps:
        - script: {text: 'test "$KUBECONFIG" = "$OTHER" || grep -q server "$KUBECONFIG"', env: {OTHER: x}}
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "refused there");
    assert_passed(&run, "rights of both");
    let there = case(&run, "all of it there");
    assert_eq!(there.outcome, "failed", "{}", there.text);
    assert!(there.text.contains("language-visitor"), "{}", there.text);
    assert!(
        there.text.contains("other"),
        "the cluster is named: {}",
        there.text
    );
    assert_passed(&run, "a script has it too");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_cluster_that_nobody_fills_is_errored_and_not_another_one() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  clusters: {other: {}}
  namespace: none
  cases:
    - name: one
      steps:
        - get: {target: node}
          cluster: other
"#,
    );
    run.assert_code(3);
    assert!(run.stdout.contains("--cluster other="), "{run}");
}

#[test]
fn a_cluster_that_is_not_declared_is_refused() {
    let run = Kubeproof::new(&["check", "suite.yaml"])
        .file(
            "suite.yaml",
            &suite(
                "  clusters: {other: {}}\n  cases:\n    - name: one\n      steps:\n        - get: {target: node}\n          cluster: another\n",
            ),
        )
        .run();
    run.assert_code(2);
    run.assert_stderr("another");
    run.assert_stderr("suite.yaml:");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_step_acts_as_somebody_else() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ServiceAccount, metadata: {name: ci}}}
  cases:
    - name: good
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}
          as: {serviceAccount: ci}
          expect: {rejected: {code: 403, contains: "serviceaccount:{{ run.namespace }}:ci"}}
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}
          as: {user: somebody, groups: ["system:masters"]}
    - name: not as expected
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}}
          as: {user: language-stranger}
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_failed(&run, "not as expected", &["language-stranger", "forbidden"]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn deadlines_cancel_and_are_told() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  timeout: 3s
  cases:
    - name: quick
      steps: [{script: "exit 0"}]
    - name: slow
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}
        - sleep: 60s
      finally: [{script: "touch finally"}]
  teardown: [{script: "touch teardown"}]
"#,
    );
    assert!(matches!(run.code, 1 | 3), "{run}");
    assert_passed(&run, "quick");
    let slow = case(&run, "slow");
    assert_eq!(slow.outcome, "cancelled", "{}", slow.text);
    let junit = run.read("junit.xml");
    assert!(junit.contains("[deadline]"), "{junit}");
    assert!(run.path("finally").exists(), "{run}");
    assert!(run.path("teardown").exists(), "{run}");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn fail_fast_leaves_the_rest_out() {
    let _cluster = healthy_cluster();
    let run = run_spec_with(
        &["--fail-fast", "--concurrency", "1"],
        r#"
  namespace: none
  cases:
    - name: first
      steps: [{script: "exit 1"}]
    - name: second
      steps: [{script: "touch reached"}]
"#,
    );
    run.assert_code(1);
    assert_failed(&run, "first", &["exit code 1"]);
    assert_skipped_or_cancelled(&run, "second");
    assert!(!run.path("reached").exists());
}

#[track_caller]
fn assert_skipped_or_cancelled(run: &Finished, name: &str) {
    let case = case(run, name);
    assert!(
        matches!(case.outcome.as_str(), "skipped" | "cancelled"),
        "{}: {}",
        case.outcome,
        case.text
    );
    assert!(case.text.contains("fail-fast"), "{}", case.text);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn inputs_come_from_the_command_line_the_environment_files_and_defaults() {
    let _cluster = healthy_cluster();
    let run = Kubeproof::on_cluster(&[
        "run",
        "suite.yaml",
        "--values",
        "values.yaml",
        "--set",
        "a=of-set",
    ])
    .env("KUBEPROOF_INPUT_A", "of-env")
    .env("KUBEPROOF_INPUT_B", "of-env")
    .file("values.yaml", "{a: of-file, b: of-file, c: of-file, size: 2Gi, since: v1.34.4+rke2r1}\n")
    .file(
        "suite.yaml",
        &suite(
            r#"
  namespace: none
  inputs:
    a: {type: string, default: of-default}
    b: {type: string, default: of-default}
    c: {type: string, default: of-default}
    d: {type: string, default: of-default}
    size: {type: quantity, default: 1Gi}
    since: {type: version, default: "1.30"}
    wait: {type: duration, default: 90s}
    names: {type: list, default: [x, y]}
  cases:
    - name: one
      steps:
        - assert: {that: "[inputs.a, inputs.b, inputs.c, inputs.d] == ['of-set', 'of-env', 'of-file', 'of-default']"}
        - assert: {that: "inputs.size | quantity > '1500Mi' | quantity"}
        - assert: {that: "inputs.since | version >= '1.34.0' | version and inputs.since | version < '1.100' | version"}
        - assert: {that: "inputs.wait | duration == '1m30s' | duration"}
        - assert: {that: "inputs.names | length == 2"}
"#,
        ),
    )
    .run();
    run.assert_code(0);
    let run = run_spec(
        "  inputs: {a: {type: string}}\n  cases:\n    - name: one\n      steps: [{script: \"echo {{ inputs.a }}\"}]\n",
    );
    run.assert_code(2);
    run.assert_stderr("--set");
}
