//! Where other runners fail their users: each of their defects as what must hold here.

use std::time::{Duration, Instant};

use crate::support::{Finished, JunitCounts, Kubeproof, ci_cluster, healthy_cluster};
use crate::verbs::{
    TestNamespace, assert_errored, assert_failed, assert_passed, case, run_spec, run_spec_with,
    suite,
};

/// The element of JUnit that a testcase holds, and what it says.
#[track_caller]
fn junit_of(run: &Finished, testcase: &str) -> String {
    let junit = run.read("junit.xml");
    let start = junit
        .find(&format!("<testcase name=\"{testcase}\""))
        .unwrap_or_else(|| panic!("no testcase {testcase:?}: {junit}\n{run}"));
    let rest = &junit[start..];
    let open = rest.find('>').expect("XML");
    if rest[..open].ends_with('/') {
        return rest[..=open].to_owned();
    }
    rest[..rest.find("</testcase>").expect("XML")].to_owned()
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_failure_in_finally_errors_its_case() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  cases:
    - name: fine otherwise
      steps: [{script: "exit 0"}]
      finally: [{script: "echo broken at the end; exit 7"}]
    - name: failed anyway
      steps: [{script: "echo broken before; exit 5"}]
      finally: [{script: "echo broken at the end; exit 7"}]
"#,
    );
    run.assert_code(1);
    assert_errored(&run, "fine otherwise", &["broken at the end", "7"]);
    let anyway = case(&run, "failed anyway");
    assert_ne!(anyway.outcome, "passed");
    assert!(
        anyway.text.contains("broken before") && anyway.text.contains("broken at the end"),
        "both are told: {}",
        anyway.text
    );
    assert!(
        junit_of(&run, "fine otherwise").contains("<error"),
        "{}",
        run.read("junit.xml")
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_failure_in_teardown_is_an_errored_testcase() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  cases:
    - name: fine
      steps: [{script: "exit 0"}]
  teardown: [{script: "echo broken at the end; exit 7"}]
"#,
    );
    run.assert_code(3);
    assert_eq!(
        run.junit(),
        JunitCounts {
            tests: 2,
            failures: 0,
            errors: 1,
            skipped: 0
        }
    );
    let teardown = junit_of(&run, "[teardown]");
    assert!(teardown.contains("<error"), "{teardown}");
    assert!(teardown.contains("broken at the end"), "{teardown}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_failure_in_setup_is_an_errored_testcase_and_its_cases_are_errored() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  setup: [{script: "echo broken at first; exit 7"}]
  cases:
    - name: one
      steps: [{script: "touch reached"}]
    - name: two
      steps: [{script: "touch reached"}]
  teardown: [{script: "touch torn-down"}]
"#,
    );
    run.assert_code(3);
    assert_eq!(
        run.junit(),
        JunitCounts {
            tests: 3,
            failures: 0,
            errors: 3,
            skipped: 0
        }
    );
    assert!(junit_of(&run, "[setup]").contains("broken at first"));
    assert_errored(&run, "one", &[]);
    assert!(!run.path("reached").exists());
    assert!(run.path("torn-down").exists(), "teardown comes always");
}

#[test]
fn a_missing_manifest_is_told_with_its_place_and_is_in_the_report() {
    let run = Kubeproof::new(&["run", "suite.yaml", "--junit", "junit.xml"])
        .file(
            "suite.yaml",
            &suite(
                r#"
  cases:
    - name: one
      steps:
        - apply: {file: missing.yaml}
        - apply: {template: missing.yaml.j2}
"#,
            ),
        )
        .run();
    run.assert_code(2);
    run.assert_stderr("suite.yaml:8:");
    run.assert_stderr("suite.yaml:9:");
    run.assert_stderr("missing.yaml.j2");
    let load = junit_of(&run, "[load]");
    assert!(load.contains("<error"), "{load}");
    assert!(load.contains("missing.yaml"), "{load}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_namespace_that_cannot_be_made_is_an_errored_testcase() {
    let _cluster = healthy_cluster();
    let spec = |namespace: &str| {
        suite(&format!(
            r#"{namespace}
  cases:
    - name: one
      steps:
        - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}}}}}
"#
        ))
    };
    // found out beforehand where it is for want of a right
    let nobody = ci_cluster(&["kubeconfig", "--user", "peers-nobody"]);
    let run = Kubeproof::on_cluster(&["run", "suite.yaml", "--kubeconfig", nobody.trim()])
        .file("suite.yaml", &spec(""))
        .run();
    run.assert_code(3);
    let counts = run.junit();
    assert_eq!((counts.tests, counts.errors), (1, 1), "{run}");
    let permissions = junit_of(&run, "[permissions]");
    assert!(permissions.contains("namespaces"), "{permissions}");
    assert!(permissions.contains("peers-nobody"), "{permissions}");
    // and otherwise when it is to be made
    let run = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file(
            "suite.yaml",
            &spec("  namespace: {labels: {a: \"no label\"}}"),
        )
        .run();
    run.assert_code(3);
    let counts = run.junit();
    assert_eq!(counts.failures, 0);
    assert_eq!(counts.errors, 2, "[setup] and the case\n{run}");
    let setup = junit_of(&run, "[setup]");
    assert!(setup.contains("namespace/kubeproof-"), "{setup}");
    assert!(setup.contains("no label"), "{setup}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn every_testcase_says_how_long_it_took() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  cases:
    - name: one
      steps: [{sleep: 1200ms}]
"#,
    );
    run.assert_code(0);
    let one = junit_of(&run, "one");
    let time = one
        .split("time=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .and_then(|time| time.parse::<f64>().ok())
        .unwrap_or_else(|| panic!("no time: {one}"));
    assert!((1.2..6.0).contains(&time), "{time}");
}

/// The processes of this machine with this argument.
fn with_argument(argument: &str) -> Vec<String> {
    std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| {
            line.split(|byte| *byte == 0)
                .any(|word| word == argument.as_bytes())
        })
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect()
}

/// Fails the test unless no such process is there, or it ends within a moment: KILL is
/// sent before the program ends, and the kernel takes its time.
#[track_caller]
fn assert_no_process(argument: &str) {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        let left = with_argument(argument);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still there: {left:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn the_time_out_of_a_script_ends_its_children() {
    let _cluster = healthy_cluster();
    // so long that nobody else has it
    let own = std::process::id();
    let (child, background, deaf) = (
        format!("20.1{own}"),
        format!("12.2{own}"),
        format!("20.3{own}"),
    );
    let run = run_spec(&format!(
        r#"
  namespace: none
  cases:
    - name: a child
      steps:
        - script: "echo; sleep {child}"
          timeout: 1s
    - name: a child in the background
      steps:
        - script: "sleep {background} & echo hi"
          timeout: 2s
    - name: a child that ignores TERM
      steps:
        - command: [sh, -c, "trap '' TERM; sleep {deaf}; sleep {deaf}"]
          timeout: 1s
"#
    ));
    run.assert_code(1);
    let slow = assert_failed(&run, "a child", &["1s"]);
    assert!(slow.took < 5.0, "{}", slow.took);
    let background_case = case(&run, "a child in the background");
    assert!(
        background_case.took < 6.0,
        "{}: {}",
        background_case.took,
        background_case.text
    );
    let ignores = assert_failed(&run, "a child that ignores TERM", &["1s"]);
    assert!(ignores.took < 12.0, "{}", ignores.took);
    for argument in [&child, &background, &deaf] {
        assert_no_process(argument);
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_signal_ends_the_children_of_a_script() {
    let _cluster = healthy_cluster();
    let argument = format!("20.4{}", std::process::id());
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file(
            "suite.yaml",
            &suite(&format!(
                r#"
  namespace: none
  cases:
    - name: one
      steps: [{{script: "sleep {argument}"}}]
"#
            )),
        )
        .start();
    running.until_event("\"case-started\"");
    let deadline = Instant::now() + Duration::from_secs(20);
    while with_argument(&argument).is_empty() {
        assert!(Instant::now() < deadline, "the script did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal("TERM");
    let run = running.finish();
    run.assert_code(143);
    assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
    assert!(run.read("junit.xml").contains("[interrupted]"));
    assert_no_process(&argument);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_script_that_is_cancelled_ends_itself() {
    let _cluster = healthy_cluster();
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file(
            "suite.yaml",
            &suite(
                r#"
  namespace: none
  cases:
    - name: one
      steps:
        - script: |
            trap 'echo by itself >ended; exit 0' TERM
            echo now >begun
            while true; do sleep 0.1; done
"#,
            ),
        )
        .start();
    running.until_event("\"case-started\"");
    running.until_file("begun");
    running.signal("INT");
    let run = running.finish();
    run.assert_code(130);
    assert!(run.took < Duration::from_secs(15), "{:?}", run.took);
    assert_eq!(run.read("ended"), "by itself\n");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn nothing_selected_is_no_success() {
    let _cluster = healthy_cluster();
    let text = suite("  namespace: none\n  cases:\n    - name: one\n      steps: [{sleep: 1ms}]\n");
    let run = Kubeproof::on_cluster(&["run", "suite.yaml", "--filter", "nothing*"])
        .file("suite.yaml", &text)
        .run();
    run.assert_code(4);
    let run = Kubeproof::on_cluster(&["run", "suite.yaml", "--exclude", "*"])
        .file("suite.yaml", &text)
        .run();
    run.assert_code(4);
    let run = Kubeproof::on_cluster(&["run", "suite.yaml", "--select", "area=nobody"])
        .file("suite.yaml", &text)
        .run();
    assert!(matches!(run.code, 2 | 4), "{run}");
}

#[test]
fn an_unknown_field_is_refused_and_one_bad_file_does_not_hide_another() {
    let run = Kubeproof::new(&["run", "suites/", "--junit", "junit.xml"])
        .file(
            "suites/a.yaml",
            &suite("  cases:\n    - name: one\n      setps: [{sleep: 1ms}]\n"),
        )
        .file(
            "suites/b.yaml",
            &suite("  namespace: none\n  cases:\n    - name: one\n      steps: [{aply: {}}]\n"),
        )
        .file(
            "suites/c.yaml",
            &suite("  cases:\n    - name: one\n      steps: [{sleep: 1ms}]\n"),
        )
        .run();
    run.assert_code(2);
    for text in [
        "a.yaml:7:",
        "setps",
        "b.yaml:8:",
        "aply",
        "did you mean `apply`?",
    ] {
        run.assert_stderr(text);
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn absent_does_not_pass_on_its_first_look() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("peers-absent");
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml", "--namespace", &namespace.name])
        .file(
            "suite.yaml",
            &suite(
                r#"
  cases:
    - name: it comes
      steps:
        - absent: {target: configmap/late, for: 30s}
"#,
            ),
        )
        .start();
    running.until_event("\"case-started\"");
    namespace.kubectl(&["create", "configmap", "late"]);
    let run = running.finish();
    run.assert_code(1);
    // seen before it came or after: it is there when the time is over
    assert_failed(&run, "it comes", &["configmap/late"]);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn two_cases_that_make_the_same_object_are_told() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  cases:
    - name: first
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: same}, data: {of: first}}}
        - sleep: 4s
    - name: second
      steps:
        - wait: {target: configmap/same, until: exists}
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: same}, data: {of: second}}}
"#,
    );
    assert!(matches!(run.code, 1 | 3), "{run}");
    assert_passed(&run, "first");
    let second = case(&run, "second");
    assert_ne!(second.outcome, "passed");
    assert!(second.text.contains("configmap/same"), "{}", second.text);
    assert!(
        second.text.contains("first"),
        "whose it is: {}",
        second.text
    );
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn testcases_have_unique_names() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  namespace: none
  cases:
    - name: same
      matrix: {letter: {values: [a, b]}, number: {values: [1, 2]}}
      steps: [{sleep: 1ms}]
    - name: "{{ letter }}"
      matrix: {letter: {values: [c, c]}}
      steps: [{sleep: 1ms}]
"#,
    );
    run.assert_code(0);
    // the parser of the test refuses equal names
    assert_eq!(run.junit().tests, 6, "{run}");
    let names: Vec<String> = run
        .events("case-finished")
        .iter()
        .map(|event| event["id"]["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        names
            .iter()
            .any(|name| name.contains("letter=a") && name.contains("number=2")),
        "{names:?}"
    );
}

#[test]
fn two_cases_of_one_name_are_refused() {
    let run = Kubeproof::new(&["check", "suite.yaml"])
        .file(
            "suite.yaml",
            &suite(
                r#"
  cases:
    - name: one
      steps: [{sleep: 1ms}]
    - name: one
      steps: [{sleep: 1ms}]
"#,
            ),
        )
        .run();
    run.assert_code(2);
    run.assert_stderr("suite.yaml:8:");
    run.assert_stderr("one");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn an_object_that_was_there_is_restored_after_a_patch() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("peers-restore");
    namespace.kubectl(&[
        "create",
        "configmap",
        "settings",
        "--from-literal=color=blue",
    ]);
    let run = run_spec_with(
        &["--namespace", &namespace.name],
        r#"
  cases:
    - name: one
      steps:
        - patch: {target: configmap/settings, patch: {data: {color: red}}}
        - assert: {target: configmap/settings, match: {data: {color: red}}}
        - apply: {force: true, manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {size: big}}}
        - assert: {that: "false"}
"#,
    );
    run.assert_code(1);
    assert_eq!(
        namespace
            .kubectl(&["get", "configmap", "settings", "-o", "jsonpath={.data}"])
            .trim(),
        r#"{"color":"blue"}"#,
        "{run}"
    );
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_pod_that_ignores_its_end_does_not_fail_a_run_that_passed() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  setup:
    - apply:
        manifest:
          apiVersion: v1
          kind: Pod
          metadata: {name: deaf}
          spec:
            terminationGracePeriodSeconds: 35
            containers: [{name: main, image: "busybox:1.28", command: [sh, -c, "trap '' TERM; while true; do sleep 1; done"]}]
    - wait: {target: pod/deaf, until: {condition: Ready}}
  cases:
    - name: one
      steps:
        - exec: {target: pod/deaf, command: ["true"]}
"#,
    );
    run.assert_code(0);
    assert_passed(&run, "one");
    assert!(
        run.verdict_seconds() < 30.0,
        "the verdict does not wait for cleanup\n{run}"
    );
    run.assert_nothing_left();
}
