//! Ctrl-C and its like: the cluster is clean and the reports are true.

use std::time::{Duration, Instant};

use crate::support::{Kubeproof, healthy_cluster, kubectl, labelled};

fn interrupted_at(event: &str, signal: &str, code: i32) {
    let _cluster = healthy_cluster();
    let mut running = Kubeproof::on_cluster(&["run", "overlay"]).start();
    running.until_event(event);
    running.signal(signal);
    let run = running.finish();
    run.assert_code(code);
    let counts = run.junit();
    assert!(counts.errors >= 1, "an errored [interrupted]\n{run}");
    assert_eq!(counts.failures, 0, "{run}");
    assert!(run.read("junit.xml").contains("[interrupted]"));
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn an_interrupt_in_setup_cleans_up() {
    interrupted_at("\"stage-started\"", "INT", 130);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_termination_while_cases_run_cleans_up() {
    interrupted_at("\"case-started\"", "TERM", 143);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_second_signal_stops_cleanup_and_names_what_is_left() {
    let _cluster = healthy_cluster();
    let kubeconfig = crate::support::kubeconfig().to_string_lossy().into_owned();
    let args = ["run", "overlay", "--kubeconfig", &kubeconfig];
    let mut running = Kubeproof::on_cluster(&args).start();
    running.until_event("\"case-started\"");
    running.signal("INT");
    running.until_event("\"cancelling\"");
    running.signal("INT");
    let run = running.finish();
    run.assert_code(130);
    let left = run.events("leftover");
    assert!(
        left.iter()
            .any(|left| left["object"].as_str().unwrap().starts_with("namespace/")),
        "{run}"
    );
    let id = run.run_id();
    let command = format!("kubeproof cleanup --run {id} --kubeconfig {kubeconfig}");
    assert!(run.stdout.contains(&command), "{run}");
    assert!(run.read("junit.xml").contains(&command), "{run}");
    let arguments: Vec<_> = command.split_whitespace().skip(1).collect();
    let removed = Kubeproof::new(&arguments).run();
    removed.assert_code(0);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn cleanup_after_a_cancel_ends_in_time_and_asks_all_to_go() {
    let _cluster = healthy_cluster();
    let suite = "\
apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: held}
spec:
  namespace: {existing: default}
  setup:
    - apply:
        manifest:
          apiVersion: v1
          kind: ConfigMap
          metadata: {name: \"made-first-{{ run.id }}\"}
    - apply:
        manifest:
          apiVersion: v1
          kind: ConfigMap
          metadata: {name: \"held-{{ run.id }}\", finalizers: [kubeproof.dev/held]}
  cases:
    - name: hangs
      steps: [{script: sleep 600, timeout: 10m}]
      finally: [{script: sleep 600, timeout: 10m}]
  teardown: [{script: sleep 600, timeout: 10m}]
";
    let mut running = Kubeproof::on_cluster(&["run", "held.yaml"])
        .file("held.yaml", suite)
        .start();
    running.until_event("\"case-started\"");
    let signalled = Instant::now();
    running.signal("TERM");
    let run = running.finish();
    let took = signalled.elapsed();
    let id = run.run_id();
    let left = labelled(&id);
    let held = format!("configmap/held-{id}");
    kubectl(&[
        "patch",
        &held,
        "--type=merge",
        "--patch={\"metadata\":{\"finalizers\":null}}",
    ]);
    run.assert_code(143);
    assert!(took < Duration::from_secs(75), "took {took:?}\n{run}");
    let words = "did not end within 45s after the cancel (cleanup's deadline for steps)";
    assert!(run.stdout.contains(words), "{run}");
    let told: Vec<_> = run
        .events("leftover")
        .iter()
        .map(|left| (left["object"].to_string(), left["reason"].to_string()))
        .collect();
    assert_eq!(
        told,
        [(
            format!("\"{held} -n default\""),
            "\"cleanup ran out of time (1m after the cancel): held by the finalizers kubeproof.dev/held\"".to_owned()
        )],
        "{run}"
    );
    assert_eq!(left, [held], "{run}");
    // the finalizer was all that held it
    run.assert_nothing_left();
}
