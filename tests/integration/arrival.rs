//! A cluster that is still coming up: `--wait-ready` and `--expect-nodes`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::api_server::{kubeconfig, serve};
use crate::support::server::{free_address, listen};
use crate::support::{Finished, Kubeproof, broken_cluster, healthy_cluster, kubectl};
use crate::verbs::suite;

/// A suite that asks the cluster for nothing.
fn quiet() -> String {
    suite(
        "  namespace: none\n  cases:\n    - name: one\n      steps: [{assert: {that: \"nodes | length >= 1\"}}]\n",
    )
}

fn program(server: &str, arguments: &[&str]) -> Kubeproof {
    let all = [
        &["run", "suite.yaml", "--kubeconfig", "here.yaml"],
        &["--junit", "junit.xml", "--json", "events.json"],
        arguments,
    ]
    .concat();
    Kubeproof::new(&all)
        .file("here.yaml", &kubeconfig(server))
        .file("suite.yaml", &quiet())
}

/// What the run said it waits for, in order.
fn awaited(run: &Finished) -> Vec<String> {
    run.events("awaiting")
        .iter()
        .map(|event| event["what"].as_str().expect("a text").to_owned())
        .collect()
}

/// What is told of `[connect]`.
#[track_caller]
fn told(run: &Finished) -> String {
    run.assert_code(3);
    assert!(
        run.read("junit.xml").contains("name=\"[connect]\""),
        "{run}"
    );
    let problems = run.events("problem");
    assert_eq!(problems.len(), 1, "{run}");
    problems[0]["why"]["message"]
        .as_str()
        .expect("a text")
        .to_owned()
}

#[test]
fn a_cluster_that_comes_up_is_waited_for() {
    let address = free_address();
    let server = format!("http://{address}");
    let mut running = program(&server, &["--wait-ready", "60s", "--expect-nodes", "2"]).start();
    running.until_event("connection refused");
    serve(address);
    let run = running.finish();
    run.assert_code(0);
    let awaited = awaited(&run);
    assert_eq!(
        awaited.first().map(String::as_str),
        Some(format!("cannot reach the API server {server}: connection refused").as_str())
    );
    assert!(
        awaited.iter().any(|what| what.contains("still starting")),
        "{awaited:?}"
    );
    let nodes: Vec<_> = awaited
        .iter()
        .filter(|what| what.contains("nodes"))
        .collect();
    assert_eq!(
        nodes,
        [
            "0 of 2 nodes are ready: node1: the network plugin is not ready; 1 node is not there",
            "1 of 2 nodes are ready: 1 node is not there",
            "1 of 2 nodes are ready: node2: it is not ready",
        ],
        "told once each"
    );
    run.assert_stderr("waiting: 1 of 2 nodes are ready: 1 node is not there");
    let connected = &run.events("connected")[0];
    assert_eq!(connected["nodes"], json!({"ready": 2, "total": 2}), "{run}");
}

#[test]
fn a_cluster_that_does_not_come_up_is_told_with_its_words() {
    let server = format!("http://{}", free_address());
    let run = program(&server, &["--wait-ready", "1s"]).run();
    assert_eq!(
        told(&run),
        format!(
            "cannot reach the API server {server}: connection refused; it did not come up within 1s \
             (--wait-ready)"
        )
    );
    assert!(run.took < Duration::from_secs(8), "{:?}", run.took);
}

#[test]
fn a_handshake_that_breaks_off_is_tried_again() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    let address = listen(None, move |_client| {
        count.fetch_add(1, Ordering::SeqCst);
        None
    });
    let server = format!("https://{address}");
    let run = program(&server, &["--wait-ready", "4s"]).run();
    let told = told(&run);
    assert!(told.contains("(--wait-ready)"), "{told}");
    assert!(told.contains(&server), "{told}");
    let accepted = accepted.load(Ordering::SeqCst);
    assert!(accepted > 2, "{accepted} connections: {told}");
}

#[test]
fn what_cannot_pass_ends_at_once() {
    let cases = [
        (vec!["--context", "nowhere"], "has no context \"nowhere\""),
        (vec!["--kubeconfig", "none.yaml"], "cannot read none.yaml"),
    ];
    for (arguments, words) in cases {
        let all = [
            &["run", "suite.yaml", "--wait-ready", "1m"],
            &["--junit", "junit.xml", "--json", "events.json"],
            arguments.as_slice(),
        ]
        .concat();
        let run = Kubeproof::new(&all)
            .file("here.yaml", &kubeconfig("https://127.0.0.1:1"))
            .file("suite.yaml", &quiet())
            .env("KUBECONFIG", "here.yaml")
            .run();
        let told = told(&run);
        assert!(told.contains(words), "{told}");
        assert!(run.took < Duration::from_secs(10), "{:?}", run.took);
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn credentials_that_have_run_out_are_not_waited_for() {
    let _cluster = healthy_cluster();
    let expired =
        crate::support::ci_cluster(&["kubeconfig", "--user", "arrival-late", "--expired"]);
    let run = Kubeproof::on_cluster(&[
        "run",
        "suite.yaml",
        "--wait-ready",
        "1m",
        "--kubeconfig",
        expired.trim(),
    ])
    .file("suite.yaml", &quiet())
    .run();
    let told = told(&run);
    assert!(told.contains("expired"), "{told}");
    assert!(run.took < Duration::from_secs(10), "{:?}", run.took);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn fewer_nodes_than_expected_are_told() {
    let _cluster = healthy_cluster();
    let run = |arguments: &[&str]| {
        Kubeproof::on_cluster(&[&["run", "suite.yaml"], arguments].concat())
            .file("suite.yaml", &quiet())
            .run()
    };
    run(&["--expect-nodes", "3"]).assert_code(0);
    assert_eq!(
        told(&run(&["--expect-nodes", "4"])),
        "3 of 4 nodes are ready (--expect-nodes 4): 1 node is not there"
    );
    assert_eq!(
        told(&run(&["--expect-nodes", "5", "--wait-ready", "2s"])),
        "3 of 5 nodes are ready within 2s (--wait-ready): 2 nodes are not there"
    );
    run(&["--wait-ready", "1m"]).assert_code(0);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_node_that_is_mended_meanwhile_is_waited_for() {
    let cluster = broken_cluster();
    cluster.fault(&["stop-kubelet", "node3"]);
    kubectl(&[
        "wait",
        "--for=condition=Ready=unknown",
        "node/node3",
        "--timeout=90s",
    ]);
    let words = "2 of 3 nodes are ready";
    let stopped = "node3: Kubelet stopped posting node status";
    let run = |arguments: &[&str]| {
        Kubeproof::on_cluster(&[&["run", "suite.yaml"], arguments].concat())
            .file("suite.yaml", &quiet())
    };
    // who does not ask for it is not kept by a node
    run(&["--expect-nodes", "2"]).run().assert_code(0);
    assert_eq!(
        told(&run(&["--expect-nodes", "3"]).run()),
        format!("{words} (--expect-nodes 3): {stopped}")
    );
    assert_eq!(
        told(&run(&["--wait-ready", "2s"]).run()),
        format!("{words} within 2s (--wait-ready): {stopped}")
    );
    let mut running = run(&["--wait-ready", "2m", "--expect-nodes", "3"]).start();
    running.until_event(&format!("{words}: {stopped}"));
    cluster.heal();
    let run = running.finish();
    run.assert_code(0);
    assert_eq!(awaited(&run), [format!("{words}: {stopped}")]);
    let connected = &run.events("connected")[0];
    assert_eq!(connected["nodes"], json!({"ready": 3, "total": 3}), "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn an_api_server_that_starts_meanwhile_is_waited_for() {
    let cluster = broken_cluster();
    cluster.fault(&["kill-apiserver"]);
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml", "--wait-ready", "2m"])
        .file("suite.yaml", &quiet())
        .start();
    running.until_event("\"awaiting\"");
    cluster.heal();
    let run = running.finish();
    run.assert_code(0);
    assert!(awaited(&run)[0].contains("connection refused"), "{run}");
}
