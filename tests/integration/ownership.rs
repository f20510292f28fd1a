//! What a run makes, changes and owns, and how it puts back what was there.

use std::time::{Duration, Instant};

use crate::support::{Finished, Kubeproof, healthy_cluster, kubectl};
use crate::verbs::{
    TestNamespace, assert_errored, assert_failed, assert_passed, assert_skipped, case, run_spec,
    run_spec_with, suite,
};

/// What of an object is told as left.
#[track_caller]
fn leftover(run: &Finished, object: &str) -> String {
    let left = run.events("leftover");
    let left = left.iter().find(|left| {
        left["object"]
            .as_str()
            .is_some_and(|it| it.starts_with(object))
    });
    let left = left.unwrap_or_else(|| panic!("{object} is not told\n{run}"));
    left["reason"].as_str().expect("a reason").to_owned()
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_case_that_is_chosen_brings_what_it_needs() {
    let _cluster = healthy_cluster();
    let spec = r#"
  namespace: none
  cases:
    - name: first
      steps: [{script: "echo first >> ran"}]
    - name: "second {{ n }}"
      needs: [first]
      matrix: {n: {values: [1, 2]}}
      steps: [{script: "echo second >> ran"}]
    - name: third
      needs: ["second {{ n }}"]
      steps: [{script: "echo third >> ran"}]
    - name: other
      steps: [{script: "exit 1"}]
"#;
    let filtered = |arguments: &[&str]| run_spec_with(arguments, spec);
    let run = filtered(&["--filter", "third"]);
    assert_eq!(run.read("ran"), "first\nsecond\nsecond\nthird\n", "{run}");
    assert_passed(&run, "third");
    run.assert_stderr("\"first\" runs as well, since \"second {{ n }}\" needs it");
    run.assert_stderr("\"second {{ n }}\" runs as well, since \"third\" needs it");
    // a part of what is needed is not enough
    let run = filtered(&["--filter", "third", "--exclude", "second 2"]);
    assert_skipped(&run, "third", &["of which `--exclude` leaves out a part"]);
    let run = filtered(&["--exclude", "first"]);
    assert_skipped(
        &run,
        "second 1",
        &["it needs \"first\", which `--exclude` leaves out"],
    );
    assert_skipped(&run, "third", &["which did not pass"]);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn nobody_is_asked_for_the_matrix_of_a_case_that_is_not_chosen() {
    let _cluster = healthy_cluster();
    let run = run_spec_with(
        &["--filter", "chosen"],
        r#"
  namespace: none
  cases:
    - name: chosen
      steps: [{assert: {that: "true"}}]
    - name: other
      requires: [{exists: {target: crd/nothings.example.com}, unmet: fail, reason: it is not there}]
      steps: [{assert: {that: "true"}}]
"#,
    );
    run.assert_code(0);
    assert_eq!(run.junit().tests, 1, "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_was_there_is_put_back_whole() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("put-back");
    namespace.kubectl(&["create", "configmap", "owner"]);
    namespace.kubectl(&["create", "configmap", "held", "--from-literal=k=v"]);
    namespace.kubectl(&[
        "create",
        "deployment",
        "web",
        "--image=busybox:1.28",
        "--replicas=0",
    ]);
    let uid = namespace.kubectl(&[
        "get",
        "configmap",
        "owner",
        "-o",
        "jsonpath={.metadata.uid}",
    ]);
    let node = kubectl(&["get", "node", "-o", "jsonpath={.items[0].metadata.name}"]);
    let spec = format!(
        r#"
  cases:
    - name: changes
      steps:
        - patch: {{target: configmap/held, patch: {{metadata: {{finalizers: [example.com/ours], ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}], labels: {{a: b}}}}}}}}
        - patch: {{target: node/{node}, subresource: status, patch: {{status: {{capacity: {{kubeproof.dev/test: "1"}}}}}}}}
        - assert: {{target: node/{node}, match: {{status: {{capacity: {{kubeproof.dev/test: "1"}}}}}}}}
        - patch: {{target: deployment/web, subresource: scale, patch: {{spec: {{replicas: 1}}}}}}
        - assert: {{target: deployment/web, match: {{spec: {{replicas: 1}}}}}}
"#
    );
    let run = run_spec_with(&["--namespace", &namespace.name], &spec);
    let held = namespace.kubectl(&["get", "configmap", "held", "-o", "json"]);
    let capacity = kubectl(&["get", "node", &node, "-o", "jsonpath={.status.capacity}"]);
    let replicas = namespace.kubectl(&[
        "get",
        "deployment",
        "web",
        "-o",
        "jsonpath={.spec.replicas}",
    ]);
    namespace.kubectl(&[
        "patch",
        "configmap",
        "held",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ]);
    run.assert_code(0);
    assert_passed(&run, "changes");
    for field in ["finalizers", "ownerReferences", "labels"] {
        assert!(!held.contains(&format!("\"{field}\"")), "{held}\n{run}");
    }
    assert!(
        !capacity.contains("kubeproof.dev/test"),
        "{capacity}\n{run}"
    );
    assert_eq!(replicas, "0", "{run}");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_cannot_be_put_back_is_told_and_the_suites_own_deletion_is_not() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("not-put-back");
    for name in ["deleted", "wanted-gone", "gone-for-all", "held"] {
        namespace.kubectl(&["create", "configmap", name, "--from-literal=k=v"]);
    }
    let run = run_spec_with(
        &["--namespace", &namespace.name],
        r#"
  setup:
    - patch: {target: configmap/gone-for-all, patch: {data: {k: w}}}
  cases:
    - name: changes
      steps:
        - delete: {target: configmap/gone-for-all, foreign: true}
        - patch: {target: configmap/deleted, patch: {data: {k: w}}}
        - script: kubectl -n {{ run.namespace }} delete configmap deleted
        - patch: {target: configmap/held, patch: {metadata: {finalizers: [example.com/theirs]}}}
        - script: kubectl -n {{ run.namespace }} delete configmap held --wait=false
        - patch: {target: configmap/wanted-gone, patch: {data: {k: w}}}
        - delete: {target: configmap/wanted-gone, foreign: true}
"#,
    );
    namespace.kubectl(&[
        "delete",
        "configmap",
        "held",
        "--ignore-not-found",
        "--wait=false",
    ]);
    run.assert_code(5);
    assert_passed(&run, "changes");
    let lost = "it was there before the run and could not be restored";
    assert_eq!(
        leftover(&run, "configmap/deleted"),
        format!("{lost}: it is gone")
    );
    // its finalizer is taken away, and with it goes the object
    assert!(leftover(&run, "configmap/held").starts_with(lost), "{run}");
    assert_eq!(run.events("leftover").len(), 2, "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_the_run_wrote_is_no_conflict_and_what_others_wrote_names_the_way_out() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  cases:
    - name: own
      steps:
        - apply: &one {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: own}, data: {k: v}}}
        - patch: {target: configmap/own, patch: {data: {k: other}}}
        - apply: *one
        - assert: {target: configmap/own, match: {data: {k: v}}}
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: created}, data: {k: v}}}
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: created}, data: {k: w}}}
        - assert: {target: configmap/created, match: {data: {k: w}}}
    - name: scaled
      steps:
        - apply: &web
            manifest:
              apiVersion: apps/v1
              kind: Deployment
              metadata: {name: web}
              spec:
                replicas: 0
                selector: {matchLabels: {app: web}}
                template:
                  metadata: {labels: {app: web}}
                  spec: {containers: [{name: main, image: "busybox:1.28"}]}
        - patch: {target: deployment/web, subresource: scale, patch: {spec: {replicas: 1}}}
        - apply: *web
        - assert: {target: deployment/web, match: {spec: {replicas: 0}}}
    - name: theirs
      steps:
        - apply: &two {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: theirs}, data: {k: v}}}
        - script: "kubectl -n {{ run.namespace }} patch configmap theirs -p '{\"data\": {\"k\": \"other\"}}'"
        - apply: *two
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "own");
    assert_passed(&run, "scaled");
    let words = "`force: true` of `apply` takes over what kubectl-patch wrote";
    assert_failed(&run, "theirs", &["kubectl-patch", words]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_was_refused_may_be_made_by_another_case() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  cases:
    - name: "refused {{ n }}"
      matrix: {n: {values: [1, 2, 3, 4, 5, 6]}}
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: Bad_Name1}}}
          expect: {rejected: true}
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: Bad_Name2}}}
          expect: {rejected: true}
    - name: "made {{ n }}"
      matrix: {n: {values: [1, 2]}}
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: good}}}
        - sleep: 3s
"#,
    );
    run.assert_code(3);
    for n in 1..=6 {
        assert_passed(&run, &format!("refused {n}"));
    }
    let made = [1, 2].map(|n| case(&run, &format!("made {n}")).outcome);
    assert!(made.contains(&"passed".to_owned()), "{run}");
    let other = if made[0] == "passed" { 2 } else { 1 };
    let words = "two cases cannot make the same object";
    assert_errored(&run, &format!("made {other}"), &[words]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn two_suites_on_one_object_are_refused_and_leave_nothing() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("two-suites");
    let of = |name: &str| {
        suite(&format!(
            r#"
  namespace: {{existing: {namespace}}}
  cases:
    - name: "{name}"
      steps:
        - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: par}}}}}}
        - sleep: 4s
"#,
            namespace = namespace.name
        ))
        .replace("name: verbs", &format!("name: {name}"))
    };
    let run = |arguments: &[&str]| {
        Kubeproof::on_cluster(&[&["run", "suites/"], arguments].concat())
            .file("suites/one.yaml", &of("one"))
            .file("suites/two.yaml", &of("two"))
            .run()
    };
    let both = run(&["--parallel-suites", "2"]);
    both.assert_code(3);
    let outcomes = ["one", "two"].map(|name| case(&both, name).outcome);
    assert!(outcomes.contains(&"passed".to_owned()), "{both}");
    let (refused, other) = match outcomes[0].as_str() {
        "passed" => ("two", "one"),
        _ => ("one", "two"),
    };
    let words = format!("configmap/par belongs to the suite {other:?}");
    assert_errored(&both, refused, &[&words, "--parallel-suites 1"]);
    both.assert_nothing_left();
    assert_eq!(both.events("leftover").len(), 0, "{both}");
    // one after another they are in nobody's way
    run(&[]).assert_code(0);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn the_verdict_does_not_wait_until_what_a_case_made_is_gone() {
    let _cluster = healthy_cluster();
    let slow = r#"
  cases:
    - name: slow to go
      steps:
        - apply:
            manifest:
              apiVersion: v1
              kind: Pod
              metadata: {name: deaf}
              spec:
                terminationGracePeriodSeconds: 15
                containers: [{name: main, image: "busybox:1.28", command: [sh, -c, "trap '' TERM; while true; do sleep 1; done"]}]
        - wait: {target: pod/deaf, until: {condition: Ready}}
"#;
    let needs_it = r#"
    - name: needs it
      needs: [slow to go]
      steps:
        - absent: {target: pod/deaf}
          timeout: 0s
"#;
    let alone = run_spec(slow);
    alone.assert_code(0);
    let took = alone.verdict_seconds();
    assert!(took < 10.0, "the verdict took {took} s\n{alone}");
    alone.assert_nothing_left();
    // whoever needs the case finds nothing of it
    let run = run_spec(&[slow.trim_end(), needs_it].concat());
    run.assert_code(0);
    assert_passed(&run, "needs it");
    assert!(run.verdict_seconds() > 10.0, "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_cancel_ends_commands_in_pods_of_others() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("foreign-pod");
    namespace.kubectl(&[
        "run",
        "theirs",
        "--image=busybox:1.28",
        "--",
        "sleep",
        "3600",
    ]);
    namespace.kubectl(&[
        "wait",
        "pod/theirs",
        "--for=condition=Ready",
        "--timeout=60s",
    ]);
    let commands = || {
        let all = namespace.kubectl(&["exec", "theirs", "--", "ps", "-o", "args"]);
        all.lines()
            .filter(|line| line.contains("sleep 60"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let text = suite(
        r#"
  namespace: {existing: NAMESPACE}
  cases:
    - name: "hangs {{ n }}"
      matrix: {n: {values: [1, 2, 3]}}
      steps:
        - exec: {target: pod/theirs, command: [sleep, "60{{ n }}"]}
          timeout: 10m
    - name: looks
      steps:
        - during: {every: 1s, exec: {target: pod/theirs, command: [sleep, "604"]}, steps: [{sleep: 10m}]}
          timeout: 10m
"#,
    )
    .replace("NAMESPACE", &namespace.name);
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("suite.yaml", &text)
        .start();
    running.until_event("\"case-started\"");
    let deadline = Instant::now() + Duration::from_secs(30);
    while commands().len() < 4 {
        assert!(Instant::now() < deadline, "they do not run");
    }
    let signalled = Instant::now();
    running.signal("INT");
    let run = running.finish();
    let took = signalled.elapsed();
    let left = commands();
    run.assert_code(130);
    assert_eq!(left, [""; 0], "{run}");
    assert!(took < Duration::from_secs(15), "took {took:?}\n{run}");
    run.assert_nothing_left();
}
