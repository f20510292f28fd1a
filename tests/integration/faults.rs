//! What the program says of a cluster that is broken: one fault at a time, healed after.

use crate::support::{JunitCounts, Kubeproof, broken_cluster, kubectl};

#[test]
#[ignore = "needs ci/cluster up"]
fn a_node_that_does_not_answer_is_errored_not_failed() {
    let cluster = broken_cluster();
    cluster.fault(&["stop-kubelet", "node3"]);
    kubectl(&[
        "wait",
        "--for=condition=Ready=unknown",
        "node/node3",
        "--timeout=90s",
    ]);
    let run = Kubeproof::on_cluster(&["run", "overlay"]).run();
    run.assert_code(3);
    assert_eq!(
        run.junit(),
        JunitCounts {
            tests: 10,
            failures: 0,
            errors: 6,
            skipped: 0
        },
        "nine cases, and [cleanup]"
    );
    let finished = run.events("case-finished");
    let count = |outcome: &str| {
        finished
            .iter()
            .filter(|event| event["outcome"] == outcome)
            .count()
    };
    assert_eq!((count("passed"), count("errored")), (4, 5), "{run}");
    let junit = run.read("junit.xml");
    assert!(
        junit.contains("Kubelet stopped posting node status"),
        "{junit}"
    );
    let left = run.events("leftover");
    assert!(
        left.iter().any(|left| left["object"]
            .as_str()
            .unwrap()
            .starts_with("pod/overlaytest-")
            && left["reason"].as_str().unwrap().contains("node3")),
        "{left:?}"
    );
    assert!(run.stdout.contains("pod/overlaytest-"), "{run}");
    cluster.heal();
    let namespace = run.events("suite-started")[0]["namespace"]
        .as_str()
        .unwrap()
        .to_owned();
    kubectl(&[
        "wait",
        "--for=delete",
        &format!("namespace/{namespace}"),
        "--timeout=90s",
    ]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn an_exec_that_breaks_is_errored() {
    let cluster = broken_cluster();
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file(
            "suite.yaml",
            &crate::cluster::suite_with_pod(
                r#"
    - name: long
      steps:
        - exec: {target: "pod/{{ pod.name }}", command: [sleep, "60"]}
          timeout: 50s
      matrix:
        pod: {pods: {selector: app=probe}}
"#,
            ),
        )
        .start();
    running.until_event("\"case-started\"");
    let node = kubectl(&[
        "get",
        "pods",
        "--all-namespaces",
        "-l",
        "app=probe",
        "-o",
        "jsonpath={.items[0].spec.nodeName}",
    ]);
    // the kubelet carries the connection
    cluster.fault(&["stop-kubelet", &node]);
    let run = {
        // and cleanup needs it again
        let run = running;
        cluster.heal();
        run.finish()
    };
    run.assert_code(3);
    let errored = run.events("case-finished");
    assert_eq!(errored[0]["outcome"], "errored", "{run}");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_taint_changes_nothing() {
    let _cluster = broken_cluster();
    kubectl(&["taint", "node", "node2", "kubeproof.dev/test=x:NoExecute"]);
    let run = Kubeproof::on_cluster(&["run", "overlay"]).run();
    kubectl(&["taint", "node", "node2", "kubeproof.dev/test-"]);
    run.assert_code(0);
    assert_eq!(run.junit().tests, 9);
    assert!(run.between_frames().is_empty(), "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn without_an_api_server_what_runs_out_of_time_is_errored_with_the_cause() {
    let cluster = broken_cluster();
    let suite = r#"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: away}
spec:
  setup:
    # so that both are followed already
    - wait: {target: configmap/kube-root-ca.crt, until: exists}
    - get: {target: configmap}
  cases:
    - name: waits
      steps:
        - wait: {target: configmap/never, until: exists}
          timeout: 8s
    - name: writes
      steps:
        - sleep: 4s
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: late}}}
          timeout: 4s
"#;
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("suite.yaml", suite)
        .start();
    running.until_event("\"case-started\"");
    cluster.fault(&["kill-apiserver"]);
    running.until_event("\"suite-finished\"");
    cluster.heal();
    let run = running.finish();
    run.assert_code(3);
    let ended = run.events("case-finished");
    assert_eq!(ended.len(), 2, "{run}");
    for case in ended {
        assert_eq!(case["outcome"], "errored", "{case}\n{run}");
        let message = case["why"]["message"].as_str().expect("a message");
        assert!(message.contains("connection refused"), "{message}\n{run}");
    }
    assert_eq!(run.junit().failures, 0, "{run}");
    run.assert_nothing_left();
}
