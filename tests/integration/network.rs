//! The network suites on the local cluster: each with the fault that it looks for, and what it
//! says is wrong.

use crate::support::{
    Broken, Finished, JunitCounts, Kubeproof, broken_cluster, ci_cluster, healthy_cluster, kubectl,
};

/// Runs a suite that must fail, and gives back its diagnoses.
#[track_caller]
fn diagnosed(args: &[&str]) -> (Finished, Vec<String>) {
    let run = Kubeproof::on_cluster(&[&["run"], args].concat()).run();
    run.assert_code(1);
    let diagnoses = diagnoses(&run);
    (run, diagnoses)
}

/// The messages of the diagnoses, which the summary and JUnit must have too.
#[track_caller]
fn diagnoses(run: &Finished) -> Vec<String> {
    let junit = run.read("junit.xml");
    let told: Vec<_> = run
        .events("diagnosis")
        .iter()
        .map(|event| event["message"].as_str().expect("a message").to_owned())
        .collect();
    for message in &told {
        assert!(run.stdout.contains(message), "{message:?}\n{run}");
        let escaped = message.replace('\'', "&apos;");
        assert!(
            junit.contains(message) || junit.contains(&escaped),
            "{message:?}\n{junit}"
        );
    }
    told
}

/// Names of the cases with this outcome.
fn cases(run: &Finished, outcome: &str) -> Vec<String> {
    let mut names: Vec<_> = run
        .events("case-finished")
        .iter()
        .filter(|event| event["outcome"] == outcome)
        .map(|event| event["id"]["name"].as_str().expect("a name").to_owned())
        .collect();
    names.sort_unstable();
    names
}

/// The texts of the cases that passed with a warning.
fn warnings(run: &Finished) -> Vec<String> {
    let mut texts: Vec<_> = run
        .events("case-finished")
        .iter()
        .filter(|event| event["outcome"] == "passed" && !event["why"].is_null())
        .map(|event| {
            event["why"]["failure"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    texts.sort_unstable();
    texts
}

/// Fails the test unless the cells of a suite that ended so ran side by side: together they took a
/// multiple of the time from the first beginning to the last end, however busy the machine is.
#[track_caller]
fn assert_side_by_side(run: &Finished, suite: &str, outcome: &str) {
    let time = |event: &serde_json::Value| -> jiff::Timestamp {
        let time = event["time"].as_str().expect("a time");
        time.parse().expect("RFC 3339")
    };
    let mut ended = run.events("case-finished");
    ended.retain(|event| event["id"]["suite"]["name"] == suite && event["outcome"] == outcome);
    let is_of_them = |begun: &serde_json::Value| {
        let mut ids = ended.iter().map(|event| &event["id"]);
        ids.any(|id| {
            ["suite", "case", "cell"]
                .iter()
                .all(|key| id[key] == begun[key])
        })
    };
    let begun = run.events("case-started");
    let begun = begun.iter().filter(|event| is_of_them(event)).map(time);
    let first = begun.min().expect("a cell");
    let last = ended.iter().map(time).max().expect("a cell");
    let all: f64 = ended
        .iter()
        .filter_map(|event| event["took"].as_f64())
        .sum();
    let span = last.duration_since(first).as_secs_f64();
    assert!(ended.len() >= 4, "{run}");
    assert!(all > 2.0 * span, "{all} s of cells within {span} s\n{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn all_network_suites_pass_on_a_healthy_cluster() {
    // alone: nothing of others is in the way
    let _cluster = broken_cluster();
    let run = Kubeproof::on_cluster(&["run", "network", "--set", "probe=true"]).run();
    run.assert_code(0);
    assert_eq!(warnings(&run), [""; 0], "{run}");
    assert_eq!(diagnoses(&run), [""; 0], "{run}");
    // each pings for a second
    assert_side_by_side(&run, "overlay", "passed");
    let suites = run.events("suite-finished");
    assert_eq!(suites.len(), 5, "{run}");
    // each of them has tested something
    for suite in suites {
        let passed = run.events("case-finished");
        let of_suite = |event: &&serde_json::Value| {
            event["id"]["suite"]["index"] == suite["suite"]["index"] && event["outcome"] == "passed"
        };
        assert!(
            passed.iter().any(|event| of_suite(&event)),
            "{suite}\n{run}"
        );
    }
    run.assert_nothing_left();
}

/// Nodes that only their objects make: the cluster takes them for ready, and nothing runs there.
struct OnPaper {
    names: Vec<&'static str>,
}

impl OnPaper {
    fn nodes(nodes: &[(&'static str, serde_json::Value)]) -> Self {
        let this = Self {
            names: nodes.iter().map(|(name, _)| *name).collect(),
        };
        this.remove();
        for (name, labels) in nodes {
            let node = serde_json::json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": name,
                    "labels": labels,
                    // flanneld of the other nodes does not bear a node without any
                    "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
                },
                "spec": {"taints": [{"key": "example.com/on-paper", "effect": "NoSchedule"}]},
            });
            let path = std::env::temp_dir().join(format!("kubeproof-test-{name}.json"));
            std::fs::write(&path, node.to_string()).expect("a file");
            kubectl(&["create", "-f", &path.to_string_lossy()]);
            let now = jiff::Timestamp::now();
            let status = serde_json::json!({"status": {
                "addresses": [{"type": "InternalIP", "address": "10.89.0.99"}],
                "conditions": [{
                    "type": "Ready",
                    "status": "True",
                    "reason": "KubeletReady",
                    "lastHeartbeatTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                    "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                }],
            }});
            let patch = status.to_string();
            kubectl(&[
                "patch",
                "node",
                name,
                "--subresource=status",
                "--type=merge",
                "-p",
                &patch,
            ]);
        }
        this
    }

    fn remove(&self) {
        for name in &self.names {
            let node = [
                "kubectl",
                "delete",
                "node",
                name,
                "--ignore-not-found",
                "--wait",
            ];
            ci_cluster(&node);
            // nobody there confirms that a pod has ended
            let on_it = format!("--field-selector=spec.nodeName={name}");
            let pods = [
                "kubectl",
                "delete",
                "pod",
                "-A",
                &on_it,
                "--force",
                "--grace-period=0",
            ];
            ci_cluster(&pods);
        }
    }
}

impl Drop for OnPaper {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Nodes that were left out, with the reason.
fn left_out(run: &Finished) -> Vec<(String, String)> {
    let text =
        |event: &serde_json::Value, field: &str| event[field].as_str().expect("a text").to_owned();
    let mut nodes: Vec<_> = run
        .events("node-excluded")
        .iter()
        .map(|event| (text(event, "node"), text(event, "reason")))
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

#[test]
#[ignore = "needs ci/cluster up"]
fn nodes_that_cannot_run_the_pods_are_left_out_with_the_reason() {
    let _cluster = broken_cluster();
    let _nodes = OnPaper::nodes(&[
        (
            "windows1",
            serde_json::json!({"kubernetes.io/os": "windows"}),
        ),
        (
            "virtual1",
            serde_json::json!({"kubernetes.io/os": "linux", "type": "virtual-kubelet"}),
        ),
    ]);
    let run = Kubeproof::on_cluster(&["run", "smoke", "network"]).run();
    run.assert_code(0);
    let reasons = [
        (
            "virtual1",
            "node affinity wants type not in (virtual-kubelet)",
        ),
        (
            "windows1",
            "nodeSelector wants kubernetes.io/os=linux, the node has kubernetes.io/os=windows",
        ),
    ]
    .map(|(node, reason)| (node.to_owned(), reason.to_owned()));
    assert_eq!(left_out(&run), reasons, "{run}");
    assert!(run.stdout.contains("not tested windows1"), "{run}");
    // flannel's suite has a case for each node, which says why it looks at no more
    let skipped = cases(&run, "skipped");
    let of_flannel: Vec<_> = skipped
        .iter()
        .filter(|name| name.contains("flannel"))
        .collect();
    assert_eq!(
        of_flannel,
        [
            "virtual1 has its flannel annotations",
            "windows1 has its flannel annotations"
        ]
    );
    assert!(
        run.stdout.contains("windows1 runs windows, and no flannel"),
        "{run}"
    );
    // all but two left out: there is one that could be tested, and nothing between nodes
    let one = [
        "run",
        "overlay",
        "mtu",
        "--set",
        "excludeNodes=[type=virtual-kubelet, kubernetes.io/hostname=node1, kubernetes.io/hostname=node2]",
    ];
    let run = Kubeproof::on_cluster(&one).run();
    run.assert_code(4);
    assert!(run.stdout.contains("one node can run the pods"), "{run}");
    assert!(run.stdout.contains("one node can run the probes"), "{run}");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn overlay_leaves_out_nodes_with_a_label() {
    let _cluster = healthy_cluster();
    let set = "excludeNodes=[kubernetes.io/hostname=node3]";
    let run = Kubeproof::on_cluster(&["run", "overlay", "--set", set]).run();
    run.assert_code(0);
    assert_eq!(cases(&run, "passed").len(), 4, "{run}");
    let reason = "node affinity wants kubernetes.io/hostname not in (node3)";
    assert_eq!(left_out(&run), [("node3".to_owned(), reason.to_owned())]);
}

/// A namespace that enforces the Pod Security standard `restricted`.
fn restricted(name: &'static str) -> Planted {
    let planted = Planted::namespaces(&[name]);
    let label = "pod-security.kubernetes.io/enforce=restricted";
    kubectl(&["label", "namespace", name, label]);
    planted
}

#[test]
#[ignore = "needs ci/cluster up"]
fn smoke_passes_where_pods_are_restricted() {
    let _cluster = healthy_cluster();
    let _planted = restricted("kubeproof-test-strict");
    let run =
        Kubeproof::on_cluster(&["run", "smoke", "--namespace", "kubeproof-test-strict"]).run();
    run.assert_code(0);
    assert_eq!(cases(&run, "passed").len(), 1, "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn overlay_does_not_judge_the_network_by_pods_that_may_not_ping() {
    let _cluster = healthy_cluster();
    // neither of these is a pair that cannot reach each other
    let unprivileged =
        "securityContext={allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}";
    let user = "podSecurityContext={runAsNonRoot: true, runAsUser: 65534, seccompProfile: {type: RuntimeDefault}}";
    let _planted = restricted("kubeproof-test-pings");
    let set = ["--set", unprivileged, "--set", user];
    let namespace = [
        "run",
        "overlay",
        "--namespace",
        "kubeproof-test-pings",
        "--timeout",
        "90s",
    ];
    let run = Kubeproof::on_cluster(&[&namespace[..], &set].concat()).run();
    run.assert_code(3);
    assert_eq!(cases(&run, "failed"), [""; 0], "{run}");
    assert!(run.stdout.contains("ping: permission denied"), "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn overlay_names_the_node_that_is_blocked() {
    let cluster = broken_cluster();
    cluster.fault(&["block-udp", "node1", "8472"]);
    let (run, diagnoses) = diagnosed(&["overlay"]);
    assert_eq!(
        run.between_frames(),
        [
            "node1 cannot reach node2",
            "node1 cannot reach node3",
            "node2 cannot reach node1",
            "node3 cannot reach node1",
        ]
    );
    assert_eq!(
        run.junit(),
        JunitCounts {
            tests: 9,
            failures: 4,
            errors: 0,
            skipped: 0
        }
    );
    assert_eq!(diagnoses, ["node1: UDP 8472 is blocked to or from it"]);
    assert_eq!(run.events("diagnosis")[0]["cases"], 4);
    // each waits for seconds for an answer
    assert_side_by_side(&run, "overlay", "failed");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn overlay_names_the_direction_that_drops() {
    let cluster = broken_cluster();
    cluster.fault(&["one-way", "node2", "node3"]);
    let (run, diagnoses) = diagnosed(&["overlay"]);
    assert_eq!(
        run.between_frames(),
        ["node2 cannot reach node3", "node3 cannot reach node2"]
    );
    assert_eq!(
        diagnoses,
        ["node2 and node3: packets are dropped from node2 to node3"]
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn overlay_says_that_it_is_down_everywhere() {
    let cluster = broken_cluster();
    for node in ["node1", "node2", "node3"] {
        cluster.fault(&["block-udp", node, "8472"]);
    }
    let (_, diagnoses) = diagnosed(&["overlay"]);
    assert_eq!(diagnoses.len(), 1);
    assert!(
        diagnoses[0].starts_with("the overlay is down everywhere: the hosts reach each other"),
        "{diagnoses:?}"
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn overlay_sees_a_network_that_is_split_along_a_label() {
    let cluster = broken_cluster();
    let label = |node: &str, value: &str| {
        let value = format!("kubeproof.dev/test-subnet{value}");
        kubectl(&["label", "--overwrite", "node", node, &value]);
    };
    for (node, value) in [("node1", "=a"), ("node2", "=a"), ("node3", "=b")] {
        label(node, value);
    }
    cluster.fault(&["one-way", "node1", "node3"]);
    cluster.fault(&["one-way", "node2", "node3"]);
    let run = Kubeproof::on_cluster(&[
        "run",
        "overlay",
        "--set",
        "labels=[kubeproof.dev/test-subnet]",
    ])
    .run();
    for node in ["node1", "node2", "node3"] {
        label(node, "-");
    }
    run.assert_code(1);
    // of three nodes the one that is alone says more than its label
    assert_eq!(
        diagnoses(&run),
        ["node3: UDP 8472 is blocked to or from it"]
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn ports_finds_a_firewall_of_a_node() {
    let cluster = broken_cluster();
    cluster.fault(&["block-tcp", "node2", "10250"]);
    let (run, told) = diagnosed(&["ports"]);
    assert_eq!(
        cases(&run, "failed"),
        [
            "node1 to node2, TCP 10250 (kubelet)",
            "node3 to node2, TCP 10250 (kubelet)",
        ]
    );
    let told_lines = [
        "node1 to node2: TCP 10250 (kubelet) is filtered",
        "node3 to node2: TCP 10250 (kubelet) is filtered",
    ];
    assert_eq!(run.between_frames(), told_lines);
    assert_eq!(cases(&run, "errored"), [""; 0], "{run}");
    assert_eq!(
        told,
        ["node2: TCP 10250 (kubelet) does not answer the other nodes"]
    );
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn ports_tells_a_kubelet_that_the_api_server_cannot_reach_from_a_closed_port() {
    let cluster = broken_cluster();
    cluster.fault(&["block-tcp", "node2", "10250", "--from-apiserver"]);
    let run = Kubeproof::on_cluster(&["run", "ports"]).run();
    run.assert_code(1);
    assert_eq!(
        cases(&run, "failed"),
        [
            "node1 to node2, TCP 10250 (kubelet)",
            "node3 to node2, TCP 10250 (kubelet)",
        ],
        "{run}"
    );
    let errored = cases(&run, "errored");
    assert!(!errored.is_empty(), "{run}");
    assert!(
        errored.iter().all(|name| name.starts_with("node2 ")),
        "{errored:?}"
    );
    // the whole row of node2: whatever was to be tried from there
    let from_node2 = |event: &&serde_json::Value| {
        event["id"]["name"]
            .as_str()
            .expect("a name")
            .starts_with("node2 ")
    };
    for event in run.events("case-finished").iter().filter(from_node2) {
        assert_eq!(event["outcome"], "errored", "{event}");
        let message = event["why"]["message"].as_str().expect("a message");
        assert!(
            message.contains("the API server cannot reach the kubelet"),
            "{message}"
        );
    }
    cluster.heal();
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn ports_takes_a_list_of_ones_own() {
    let _cluster = healthy_cluster();
    let values = "
ports:
- {name: nobody, port: 4, accept: [open]}
- {name: nobody cares, port: 5, accept: [open, refused]}
";
    let run = Kubeproof::on_cluster(&["run", "ports", "--values", "values.yaml"])
        .file("values.yaml", values)
        .run();
    run.assert_code(1);
    let failed = cases(&run, "failed");
    assert_eq!(failed.len(), 9, "{run}");
    assert!(
        run.stdout
            .contains("node1 to node2: TCP 4 (nobody) is refused"),
        "{run}"
    );
    assert_eq!(
        diagnoses(&run),
        ["TCP 4 (nobody) does not pass between any two nodes"]
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn mtu_finds_what_overlay_does_not_see() {
    let cluster = broken_cluster();
    cluster.fault(&["mtu", "node1", "1400"]);
    let (run, diagnoses) = diagnosed(&["mtu", "--junit-schema", "extended"]);
    let full = |pair: &str| format!("{pair}, packets that fill the MTU");
    assert_eq!(
        cases(&run, "failed"),
        [
            full("node1 to node2"),
            full("node1 to node3"),
            full("node2 to node1"),
            full("node3 to node1"),
        ]
    );
    assert_eq!(
        diagnoses,
        [
            "node1: MTU: packets that fill the pods' MTU of 1450 do not pass to or from it; 1350 passes"
        ]
    );
    let node1 = run
        .events("case-finished")
        .into_iter()
        .find(|event| event["id"]["name"] == "MTU of node1")
        .expect("the case");
    assert_eq!(node1["properties"]["pod.mtu"], "1450");
    assert_eq!(node1["properties"]["node.mtu"], "1500");
    let junit = run.read("junit.xml");
    assert!(
        junit.contains("<property name=\"pod.mtu\" value=\"1450\""),
        "{junit}"
    );
    let overlay = Kubeproof::on_cluster(&["run", "overlay"]).run();
    overlay.assert_code(0);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn mtu_leaves_a_blocked_overlay_to_others() {
    let cluster = broken_cluster();
    cluster.fault(&["block-udp", "node1", "8472"]);
    let run = Kubeproof::on_cluster(&["run", "mtu"]).run();
    run.assert_code(3);
    assert_eq!(cases(&run, "failed"), [""; 0], "{run}");
    assert_eq!(cases(&run, "errored").len(), 4, "{run}");
    assert!(run.stdout.contains("see the suite overlay"), "{run}");
}

/// A namespace for a test, made if it is not there and taken away after; with a pod that logs.
pub struct Planted {
    namespaces: Vec<&'static str>,
}

impl Planted {
    pub fn namespaces(names: &[&'static str]) -> Self {
        let this = Self {
            namespaces: names.to_vec(),
        };
        for name in names {
            kubectl(&["delete", "namespace", name, "--ignore-not-found", "--wait"]);
            kubectl(&["create", "namespace", name]);
        }
        this
    }

    /// A pod that logs a line once a run is to find it.
    pub fn logging(&self, namespace: &str, labels: &str, line: &str) {
        kubectl(&[
            "-n",
            namespace,
            "run",
            "planted",
            "--image=busybox:1.28",
            "--grace-period=1",
            &format!("--labels={labels}"),
            "--command",
            "--",
            "sh",
            "-c",
            &format!("echo '{line}'; echo other; echo '{line}'; sleep 600"),
        ]);
        kubectl(&[
            "-n",
            namespace,
            "wait",
            "--for=condition=Ready",
            "pod/planted",
            "--timeout=60s",
        ]);
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        for name in &self.namespaces {
            ci_cluster(&[
                "kubectl",
                "delete",
                "namespace",
                name,
                "--ignore-not-found",
                "--wait",
            ]);
        }
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn mtu_warns_of_what_rancher_logs() {
    let _cluster = broken_cluster();
    let planted = Planted::namespaces(&["cattle-system"]);
    planted.logging(
        "cattle-system",
        "app=cattle-agent",
        "websocket: bad handshake",
    );
    let run = Kubeproof::on_cluster(&["run", "mtu"]).run();
    run.assert_code(0);
    let warnings = warnings(&run);
    assert_eq!(warnings.len(), 1, "{run}");
    let year = jiff::Timestamp::now().strftime("%Y-").to_string();
    assert!(
        warnings[0]
            .starts_with("cattle-agent logged `websocket: bad handshake` 2 times within 1h, from ")
            && warnings[0].matches(&year).count() == 2,
        "{warnings:?}"
    );
    assert!(run.stdout.contains(&warnings[0]), "{run}");
    let strict = Kubeproof::on_cluster(&["run", "mtu", "--strict", "--filter", "*logs*"]).run();
    strict.assert_code(1);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn flannel_annotations_finds_the_node_that_lacks_one() {
    let _cluster = broken_cluster();
    let annotation = "flannel.alpha.coreos.com/public-ip";
    kubectl(&["annotate", "node", "node2", &format!("{annotation}-")]);
    let run = Kubeproof::on_cluster(&["run", "flannel-annotations"]).run();
    kubectl(&[
        "annotate",
        "--overwrite",
        "node",
        "node2",
        &format!("{annotation}=10.89.0.12"),
    ]);
    run.assert_code(1);
    assert_eq!(run.between_frames(), [format!("node2 lacks {annotation}")]);
    assert_eq!(cases(&run, "passed").len(), 2, "{run}");
    let told = diagnoses(&run);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("node2: flannel has not registered the node"),
        "{told:?}"
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn flannel_annotations_knows_the_backends() {
    let _cluster = broken_cluster();
    let prefix = "flannel.alpha.coreos.com";
    let before = kubectl(&[
        "get",
        "node",
        "node3",
        "-o",
        r"jsonpath={.metadata.annotations.flannel\.alpha\.coreos\.com/backend-data}",
    ]);
    let set = |kind: &str, data: &str| {
        kubectl(&[
            "annotate",
            "--overwrite",
            "node",
            "node3",
            &format!("{prefix}/backend-type={kind}"),
            &format!("{prefix}/backend-data={data}"),
        ]);
    };
    set("host-gw", "null");
    let host_gw = Kubeproof::on_cluster(&["run", "flannel-annotations"]).run();
    set("vxlan", "null");
    let vxlan = Kubeproof::on_cluster(&["run", "flannel-annotations"]).run();
    set("vxlan", &before);
    host_gw.assert_code(0);
    vxlan.assert_code(1);
    assert!(
        vxlan.between_frames()[0].starts_with("node3 has no VtepMAC in "),
        "{vxlan}"
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn flannel_annotations_is_skipped_where_there_is_no_flannel() {
    let _cluster = healthy_cluster();
    let run = Kubeproof::on_cluster(&[
        "run",
        "flannel-annotations",
        "--set",
        "prefix=flannel.example.com",
    ])
    .run();
    run.assert_code(4);
    assert!(
        run.stdout.contains("the cluster does not run flannel"),
        "{run}"
    );
}

/// Runs the suite with probes, and breaks something between the moment when they are there and
/// the first of its cases: the program is stopped meanwhile.
fn probed(meanwhile: impl FnOnce(&str)) -> Finished {
    let mut running =
        Kubeproof::on_cluster(&["run", "system-namespaces", "--set", "probe=true"]).start();
    running.until_event("wait for the probes");
    running.signal("STOP");
    assert!(
        !running.has_event("\"case-started\""),
        "the probes were ready before the program could be stopped"
    );
    let run_id = running.run_id();
    kubectl(&[
        "wait",
        "--all-namespaces",
        "--for=condition=Ready",
        "pod",
        "-l",
        &format!("app=kubeproof-probe,kubeproof.dev/run={run_id}"),
        "--timeout=60s",
    ]);
    meanwhile(&run_id);
    running.signal("CONT");
    running.finish()
}

fn probe_address(namespace: &str, run_id: &str) -> String {
    kubectl(&[
        "-n",
        namespace,
        "get",
        "pod",
        &format!("kubeproof-probe-{run_id}"),
        "-o",
        "jsonpath={.status.podIP}",
    ])
}

fn block_between(cluster: &Broken, namespaces: [&str; 2], run_id: &str) {
    let [one, other] = namespaces.map(|namespace| probe_address(namespace, run_id));
    cluster.fault(&["block-pods", &one, &other]);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn system_namespaces_finds_two_that_are_kept_apart() {
    let cluster = broken_cluster();
    let _planted = Planted::namespaces(&["cattle-system"]);
    // whose probe must be fit for it
    kubectl(&[
        "label",
        "namespace",
        "cattle-system",
        "pod-security.kubernetes.io/enforce=restricted",
    ]);
    let run = probed(|run_id| block_between(&cluster, ["kube-system", "cattle-system"], run_id));
    run.assert_code(1);
    assert_eq!(
        cases(&run, "failed"),
        [
            "cattle-system to kube-system",
            "kube-system to cattle-system"
        ]
    );
    assert_eq!(
        run.between_frames()
            .into_iter()
            .filter(|line| line.contains("cannot reach"))
            .collect::<Vec<_>>(),
        [
            "cattle-system cannot reach kube-system: TCP is filtered",
            "kube-system cannot reach cattle-system: TCP is filtered",
        ]
    );
    assert_eq!(
        diagnoses(&run),
        ["cattle-system and kube-system cannot reach each other"]
    );
    // the third one reaches both, and is reached
    assert!(
        cases(&run, "passed").contains(&"kube-public to cattle-system".to_owned()),
        "{run}"
    );
    cluster.heal();
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn system_namespaces_reads_logs_and_policies_and_asks_the_ingress_controller() {
    let _cluster = broken_cluster();
    let planted = Planted::namespaces(&["ingress-nginx"]);
    let line = "2023/03/08 16:06:19 [error] 31#31: *2359 upstream timed out (110: Operation timed out) while connecting to \
        upstream, client: 192.0.2.7, server: site.example.com, request: \"GET / HTTP/1.1\", host: \"site.example.com\"";
    planted.logging("ingress-nginx", "app=controller", line);
    let manifests = std::env::temp_dir().join("kubeproof-test-ingress.yaml");
    std::fs::write(&manifests, INGRESS).expect("a file");
    kubectl(&["apply", "-f", &manifests.to_string_lossy()]);
    kubectl(&[
        "-n",
        "ingress-nginx",
        "rollout",
        "status",
        "deployment/controller",
        "--timeout=60s",
    ]);
    // what a distribution ships is none of a project's
    for name in ["default-network-policy", "default-network-dns-policy"] {
        let policy = SHIPPED.replace("NAME", name);
        std::fs::write(&manifests, policy).expect("a file");
        kubectl(&["apply", "-f", &manifests.to_string_lossy()]);
    }
    // without leave to make pods it looks all the same
    let looking = Kubeproof::on_cluster(&["run", "system-namespaces"]).run();
    looking.assert_code(0);
    kubectl(&[
        "-n",
        "kube-system",
        "delete",
        "networkpolicy",
        "-l",
        "kubeproof-test=shipped",
    ]);
    let told = warnings(&looking);
    assert_eq!(told.len(), 2, "{looking}");
    let shipped = looking.events("case-finished").into_iter().find(|event| {
        event["id"]["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("kube-system has no NetworkPolicies"))
    });
    assert_eq!(
        shipped.expect("the case")["properties"]["policies.shipped"],
        "default-network-dns-policy default-network-policy"
    );
    assert_eq!(told[0], "ingress-nginx has NetworkPolicies: left-over");
    assert!(
        told[1].starts_with("the ingress controller in ingress-nginx logged 2 times within 1h: ")
            && told[1].ends_with(line),
        "{told:?}"
    );
    assert!(
        looking.stdout.contains("which --set probe=true allows"),
        "{looking}"
    );
    let probing = Kubeproof::on_cluster(&["run", "system-namespaces", "--set", "probe=true"]).run();
    probing.assert_code(1);
    assert_eq!(
        cases(&probing, "failed"),
        ["the ingress controller in ingress-nginx serves ingress-nginx/site"],
        "{probing}"
    );
    assert!(
        probing
            .stdout
            .contains("ingress-nginx/site: the ingress controller answers 504 Gateway Time-out"),
        "{probing}"
    );
    probing.assert_nothing_left();
}

/// Of a distribution with a CIS profile, but selecting no pod.
const SHIPPED: &str = r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: NAME, namespace: kube-system, labels: {kubeproof-test: shipped}}
spec: {podSelector: {matchLabels: {nobody: has-this}}, policyTypes: [Ingress]}
"#;

/// A controller that answers every request as one does whose upstream does not answer.
const INGRESS: &str = r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: left-over, namespace: ingress-nginx}
spec: {podSelector: {matchLabels: {nobody: has-this}}, policyTypes: [Ingress]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: site, namespace: ingress-nginx}
spec:
  rules:
    - host: site.example.com
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: site, port: {number: 80}}}}
---
apiVersion: v1
kind: Service
metadata: {name: ingress-nginx-controller, namespace: ingress-nginx}
spec: {selector: {app: answering}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: controller, namespace: ingress-nginx}
spec:
  selector: {matchLabels: {app: answering}}
  template:
    metadata: {labels: {app: answering}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: answering
          image: busybox:1.28
          command:
            - sh
            - -c
            - |
              mkdir -p /tmp/site/cgi-bin && cd /tmp/site
              printf '#!/bin/sh\nprintf "Status: 504 Gateway Time-out\\r\\n\\r\\n"\n' >cgi-bin/index.cgi
              chmod +x cgi-bin/index.cgi
              trap 'exit 0' TERM
              httpd -f -p 8080 -h /tmp/site & wait
          readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
"#;
