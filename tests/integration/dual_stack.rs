//! The network suites where pods have addresses of two families: on a cluster of its own, which
//! `ci/test` boots for them.

use crate::support::{Kubeproof, broken_cluster};

#[test]
#[ignore = "needs ci/cluster up --dual-stack"]
fn both_families_pass_on_a_healthy_cluster() {
    let _cluster = broken_cluster();
    let run = Kubeproof::on_cluster(&["run", "network", "--set", "probe=true", "-v"]).run();
    run.assert_code(0);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up --dual-stack"]
fn a_family_that_does_not_pass_fails_the_pair() {
    let cluster = broken_cluster();
    cluster.fault(&["block-udp", "node1", "8472", "--ipv6"]);
    let run = Kubeproof::on_cluster(&["run", "overlay"]).run();
    run.assert_code(1);
    assert_eq!(
        run.between_frames(),
        [
            "node1 cannot reach node2",
            "node1 cannot reach node3",
            "node2 cannot reach node1",
            "node3 cannot reach node1",
        ]
    );
    for event in run.events("case-finished") {
        if event["outcome"] == "failed" {
            let message = event["why"]["message"].as_str().expect("a message");
            assert!(message.starts_with("ip=fd00:42:"), "{message}");
        }
    }
}
