//! A cluster right after it was provisioned: what is not there yet comes, each within its time.

use std::time::Duration;

use crate::support::{Finished, Kubeproof, broken_cluster, healthy_cluster, kubectl};
use crate::verbs::{
    TestNamespace, assert_failed, assert_passed, deployment, run_spec, run_spec_with, suite,
};

/// The taint that a cloud's nodes carry until their provider has looked at them.
const TAINT: &str = "node.cloudprovider.kubernetes.io/uninitialized";

/// Taints nodes, and takes the taint away whatever comes.
struct Tainted(&'static str);

impl Tainted {
    fn nodes(which: &'static str) -> Self {
        kubectl(&["taint", "node", which, &format!("{TAINT}=true:NoSchedule")]);
        Self(which)
    }
}

impl Drop for Tainted {
    fn drop(&mut self) {
        kubectl(&["taint", "node", self.0, &format!("{TAINT}-")]);
    }
}

#[track_caller]
fn assert_told(run: &Finished, target: &str, words: &str) {
    let waits = run.events("step-waits");
    let is_it = |event: &&serde_json::Value| event["target"] == target;
    let why = waits
        .iter()
        .find(is_it)
        .map(|event| event["why"].to_string());
    assert!(
        why.is_some_and(|why| why.contains(words)),
        "{waits:?}\n{run}"
    );
    let waited = run.events("step-waited");
    let waited = waited
        .iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("{target}\n{run}"));
    assert!(
        waited["took"].as_f64().is_some_and(|took| took > 1.0),
        "{waited}"
    );
    run.assert_stderr(&format!("{target} came after "));
}

#[test]
#[ignore = "needs ci/cluster up"]
fn nodes_that_are_tainted_for_a_while_are_waited_for() {
    let _cluster = broken_cluster();
    for arguments in [
        &["run", "smoke"][..],
        &["run", "smoke", "--wait-ready", "1m"],
    ] {
        let tainted = Tainted::nodes("--all");
        let mut running = Kubeproof::on_cluster(arguments).start();
        match arguments.len() {
            2 => running.until_event("\"step-waits\""),
            _ => running.until_event("\"awaiting\""),
        }
        std::thread::sleep(Duration::from_secs(6));
        drop(tainted);
        let run = running.finish();
        run.assert_code(0);
        match arguments.len() {
            2 => assert_told(&run, "deployment/smoke", "untolerated taint"),
            _ => assert!(
                run.events("awaiting")[0]["what"]
                    .to_string()
                    .contains(TAINT),
                "{run}"
            ),
        }
        run.assert_nothing_left();
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_node_that_comes_up_later_is_tested_too() {
    let _cluster = broken_cluster();
    let tainted = Tainted::nodes("node3");
    let spec = r#"
  setup:
    - apply:
        manifest:
          apiVersion: apps/v1
          kind: DaemonSet
          metadata: {name: each}
          spec:
            selector: {matchLabels: {app: each}}
            template:
              metadata: {labels: {app: each}}
              spec:
                terminationGracePeriodSeconds: 1
                containers: [{name: main, image: "busybox:1.28", command: [sh, -c, "trap 'exit 0' TERM; tail -f /dev/null & wait"]}]
    - wait: {target: daemonset/each, until: rolledOut, perNode: true}
  cases:
    - name: "{{ pod.node }}"
      matrix: {pod: {pods: {selector: app=each, perNode: true}}}
      steps: [{exec: {target: "pod/{{ pod.name }}", command: ["true"]}}]
"#;
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("suite.yaml", &suite(spec))
        .start();
    running.until_event("\"step-waits\"");
    std::thread::sleep(Duration::from_secs(4));
    drop(tainted);
    let run = running.finish();
    run.assert_code(0);
    assert_told(&run, "daemonset/each", "node3: the node has the taint");
    assert_eq!(run.events("node-excluded").len(), 0, "{run}");
    assert_passed(&run, "node3");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_a_pod_lacks_may_come_later() {
    let _cluster = healthy_cluster();
    let tag = format!("late-{}", std::process::id());
    let label = format!("kubeproof.test/late-{}", std::process::id());
    let pod = |name: &str, spec: &str, container: &str| {
        format!(
            r#"
        - apply:
            manifest:
              apiVersion: v1
              kind: Pod
              metadata: {{name: {name}}}
              spec:
                terminationGracePeriodSeconds: 0
                {spec}
                containers: [{{name: main, command: [sleep, "600"], {container}}}]
        - wait: {{target: pod/{name}, until: {{condition: Ready}}, settle: 60s}}
          timeout: 90s"#
        )
    };
    let busybox = "image: \"busybox:1.28\"";
    // a registry takes a manifest under another tag from whoever sends it
    let push = format!(
        r#"set -e; cd /tmp
                R=10.89.0.1; P=/v2/library/busybox/manifests
                T=application/vnd.oci.image.manifest.v1+json
                wget -q -O m --header "Accept: $T" http://$R:5000$P/1.28
                L=$(wc -c <m)
                {{ printf 'PUT %s/{tag} HTTP/1.0\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %s\r\n\r\n' $P $R $T $L; cat m; sleep 1; }} | nc $R 5000"#
    );
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file(
            "suite.yaml",
            &suite(&format!(
                r#"
  cases:
    - name: a node
      steps: {node}
    - name: a config map
      steps: {config}
    - name: an image
      steps: {image}
    - name: the one that makes them
      steps:
        - wait: {{target: pod/config, until: exists}}
        - wait: {{target: pod/image, until: exists}}
        - sleep: 4s
        - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: late}}, data: {{a: b}}}}}}
        - run:
            image: busybox:1.28
            command:
              - sh
              - -c
              - |
                {push}
          expect: {{stdout: {{contains: "201"}}}}
        # until the others have seen it
        - wait: {{target: pod/config, until: {{condition: Ready}}}}
"#,
                node = pod("node", &format!("nodeSelector: {{{label}: here}}"), busybox),
                config = pod(
                    "config",
                    "",
                    &format!("{busybox}, envFrom: [{{configMapRef: {{name: late}}}}]")
                ),
                image = pod("image", "", &format!("image: \"busybox:{tag}\"")),
            )),
        )
        .start();
    running.until_event("Unschedulable");
    std::thread::sleep(Duration::from_secs(2));
    kubectl(&["label", "node", "node1", &format!("{label}=here")]);
    let run = running.finish();
    kubectl(&["label", "node", "node1", &format!("{label}-")]);
    run.assert_code(0);
    let namespace = run.events("suite-started")[0]["namespace"].clone();
    let namespace = namespace.as_str().unwrap();
    for (case, target, words) in [
        ("a node", "node", "nodes are available"),
        ("a config map", "config", "configmap \\\"late\\\" not found"),
        ("an image", "image", "not found"),
    ] {
        assert_passed(&run, case);
        assert_told(&run, &format!("pod/{target} in {namespace}"), words);
    }
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_can_never_heal_is_told_soon() {
    let _cluster = healthy_cluster();
    let pod = |name: &str, image: &str| {
        format!(
            r#"
        - apply:
            manifest:
              apiVersion: v1
              kind: Pod
              metadata: {{name: {name}}}
              spec: {{containers: [{{name: main, image: "{image}", command: ["true"]}}]}}
        - wait: {{target: pod/{name}, until: {{condition: Ready}}}}
          timeout: 100s"#
        )
    };
    let run = run_spec(&format!(
        r#"
  defaults: {{timeouts: {{settle: 3s}}}}
  cases:
    - name: no such tag
      steps: {}
    - name: no reference
      steps: {}
    - name: run
      steps:
        - run: {{image: "busybox:no-such-tag", command: ["true"]}}
          timeout: 100s
    - name: a job
      steps:
        - apply:
            manifest:
              apiVersion: batch/v1
              kind: Job
              metadata: {{name: broken}}
              spec:
                backoffLimit: 0
                template:
                  spec:
                    restartPolicy: Never
                    containers: [{{name: main, image: "busybox:1.28", command: ["false"]}}]
        - wait: {{target: job/broken, until: {{condition: Complete}}}}
          timeout: 100s
"#,
        pod("missing", "busybox:no-such-tag"),
        pod("invalid", "Busybox:::x"),
    ));
    run.assert_code(1);
    let cases = [
        ("no such tag", "not found"),
        ("no reference", "InvalidImageName"),
        ("run", "not found"),
        ("a job", "BackoffLimitExceeded"),
    ];
    for (case, words) in cases {
        let failed = assert_failed(&run, case, &[words]);
        assert!(failed.took < 40.0, "{case}: {}\n{run}", failed.took);
    }
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn why_pods_are_refused_is_told() {
    let _cluster = healthy_cluster();
    let run = run_spec(&format!(
        r#"
  namespace: {{labels: {{pod-security.kubernetes.io/enforce: restricted}}}}
  cases:
    - name: rolled out
      steps:
    {web}
        - wait: {{target: deployment/web, until: rolledOut}}
          timeout: 3s
        # never come to
    - name: available
      steps:
    {other}
        - wait: {{target: deployment/other, until: {{condition: Available}}}}
          timeout: 3s
"#,
        web = deployment("web", 1, "").replace('\n', "\n    "),
        other = deployment("other", 1, "").replace('\n', "\n    "),
    ));
    run.assert_code(1);
    for case in ["rolled out", "available"] {
        assert_failed(&run, case, &["pods are refused", "violates PodSecurity"]);
    }
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_command_waits_for_a_pod_to_run_in() {
    let _cluster = healthy_cluster();
    let run = run_spec(&format!(
        r#"
  setup:
{web}
    - apply:
        manifest:
          apiVersion: v1
          kind: Pod
          metadata: {{name: bare}}
          spec:
            terminationGracePeriodSeconds: 0
            containers: [{{name: main, image: "busybox:1.28", command: [sleep, "600"]}}]
  cases:
    - name: of a deployment
      steps: [{{exec: {{target: deployment/web, command: ["true"]}}}}]
    - name: of its own name
      steps: [{{exec: {{target: pod/bare, command: ["true"]}}}}]
    - name: of an axis
      matrix: {{pod: {{pods: {{selector: app=web}}}}}}
      steps: [{{exec: {{target: "pod/{{{{ pod.name }}}}", command: ["true"]}}}}]
"#,
        web = deployment("web", 1, ""),
    ));
    run.assert_code(0);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn events_of_the_run_are_those_that_the_server_has_noted_since() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("noted");
    let image = "busybox:no-such-tag";
    namespace.kubectl(&["run", "early", "--image", image, "--restart=Never"]);
    namespace.kubectl(&[
        "wait",
        "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff",
        "pod/early",
        "--timeout=60s",
    ]);
    // counted up again later
    std::thread::sleep(Duration::from_secs(2));
    let run = run_spec_with(
        &["--namespace", &namespace.name],
        r#"
  cases:
    - name: none of before
      steps: [{events: {target: pod/early, reason: Scheduled, since: run}, expect: {count: 0}}]
    - name: counted up since
      steps:
        - events: {target: pod/early, reason: BackOff, since: run}
          expect: {count: {min: 1}}
          retry: {attempts: 60, delay: 1s}
"#,
    );
    run.assert_code(0);
}
