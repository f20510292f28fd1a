//! A fault of the program itself, wherever it comes: what it was about is errored, and neither the
//! cleanup nor the reports are lost.

use crate::support::{Finished, Kubeproof, healthy_cluster, kubeconfig, labelled};

const SUITE: &str = r#"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: panics}
spec:
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: of-setup}}}
    - name: in setup
      get: {target: configmap/of-setup}
  cases:
    - name: good
      steps:
        - get: {target: configmap/of-setup}
    - name: bad
      steps:
        - apply:
            manifest:
              apiVersion: scheduling.k8s.io/v1
              kind: PriorityClass
              metadata: {name: "kubeproof-panics-{{ run.id }}"}
              value: 1
        - apply:
            manifest:
              apiVersion: rbac.authorization.k8s.io/v1
              kind: ClusterRole
              metadata: {name: "kubeproof-panics-{{ run.id }}"}
              rules: []
        - name: in steps
          get: {target: configmap/of-setup}
        - get: {target: configmap/not-there}
      onFailure:
        - name: in a collector
          get: {target: configmap/of-setup}
      finally:
        - name: in finally
          get: {target: configmap/of-setup}
  diagnose:
    - case: bad
      if: tally.failed > 0
      steps:
        - name: in a diagnosis
          get: {target: configmap/of-setup}
      message: it went wrong
  teardown:
    - name: in teardown
      get: {target: configmap/of-setup}
"#;

fn broken_at(step: &str) -> Finished {
    let run = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("suite.yaml", SUITE)
        .env("KUBEPROOF_TEST_PANIC", step)
        .run();
    assert!(!run.read("junit.xml").contains("did not finish"), "{run}");
    assert_eq!(run.events("run-finished").len(), 1, "{run}");
    run
}

/// Step, exit code, failures and errors in JUnit, and where it is told.
#[test]
#[ignore = "needs ci/cluster up"]
fn a_panic_costs_neither_cleanup_nor_reports() {
    let _cluster = healthy_cluster();
    let cases = [
        ("in setup", 3, 0, 3),
        ("in steps", 3, 0, 1),
        ("in a collector", 1, 1, 0),
        ("in finally", 1, 1, 0),
        ("in a diagnosis", 1, 1, 0),
        ("in teardown", 1, 1, 1),
    ];
    for (step, code, failures, errors) in cases {
        let run = broken_at(step);
        run.assert_nothing_left();
        run.assert_code(code);
        let counts = run.junit();
        assert_eq!(
            (counts.failures, counts.errors),
            (failures, errors),
            "{step}\n{run}"
        );
        let told = run.read("events.json");
        assert!(told.contains("kubeproof itself broke"), "{step}\n{run}");
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_panic_in_cleanup_costs_one_object() {
    let _cluster = healthy_cluster();
    let run = broken_at("ClusterRole");
    run.assert_code(1);
    let id = run.run_id();
    let role = format!("clusterrole.rbac.authorization.k8s.io/kubeproof-panics-{id}");
    assert_eq!(
        labelled(&id),
        [role],
        "what was made before it is gone\n{run}"
    );
    let leftovers = run.events("leftover");
    assert_eq!(leftovers.len(), 1, "{run}");
    let told = leftovers[0].to_string();
    assert!(told.contains("kubeproof itself broke"), "{told}");
    let cleanup = Kubeproof::new(&["cleanup", "--run", &id, "--yes"])
        .env("KUBECONFIG", &kubeconfig().to_string_lossy())
        .run();
    cleanup.assert_code(0);
    assert_eq!(labelled(&id), [""; 0]);
}
