//! Ctrl-C and its like: the cluster is clean and the reports are true.

use crate::support::{Kubeproof, healthy_cluster};

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
