//! Suites on the local cluster as it should be.

use crate::support::{Finished, JunitCounts, Kubeproof, healthy_cluster, kubectl};

/// A suite whose setup makes one pod with the label `app=probe`, and these cases.
pub fn suite_with_pod(cases: &str) -> String {
    format!(
        r#"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {{name: probe}}
spec:
  setup:
    - apply:
        manifest:
          apiVersion: apps/v1
          kind: Deployment
          metadata: {{name: probe}}
          spec:
            selector: {{matchLabels: {{app: probe}}}}
            template:
              metadata: {{labels: {{app: probe}}}}
              spec:
                terminationGracePeriodSeconds: 1
                containers:
                  - name: probe
                    image: busybox:1.28
                    command: [sh, -c, "trap 'exit 0' TERM; tail -f /dev/null & wait"]
    - wait: {{target: deployment/probe, until: rolledOut}}
  cases:{cases}"#
    )
}

fn run_suite(text: &str) -> Finished {
    Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("suite.yaml", text)
        .run()
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_healthy_overlay_passes_and_leaves_nothing() {
    let _cluster = healthy_cluster();
    let run = Kubeproof::on_cluster(&["run", "overlay"]).run();
    run.assert_code(0);
    assert!(
        run.stdout
            .starts_with("=> Start network overlay test\n=> End network overlay test\n"),
        "{run}"
    );
    assert_eq!(
        run.junit(),
        JunitCounts {
            tests: 9,
            failures: 0,
            errors: 0,
            skipped: 0
        }
    );
    run.assert_nothing_left();
}

/// The pods of the local cluster have one address each, so the targets are written down.
#[test]
#[ignore = "needs ci/cluster up"]
fn a_pair_of_the_overlay_fails_with_any_of_its_addresses() {
    let _cluster = healthy_cluster();
    let ours = |path: &str| {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(root.join(path)).expect("a file that ships")
    };
    let axis = "target: {pods: {selector: name=overlaytest, perNode: true}}";
    let overlay = ours("suites/network/overlay.yaml");
    assert!(overlay.contains(axis), "{overlay}");
    let targets = r#"target: {values: [
          {node: both, ips: [127.0.0.1, 127.0.0.2]},
          {node: half, ips: [127.0.0.1, "2001:db8::1"]},
        ]}"#;
    let mut program = Kubeproof::on_cluster(&["run", "suites/network/overlay.yaml"]).file(
        "suites/network/overlay.yaml",
        &overlay.replace(axis, targets),
    );
    for path in [
        "suites/shared/pull-secrets.yaml",
        "templates/ds-overlaytest.yaml.j2",
    ] {
        program = program.file(path, &ours(path));
    }
    let run = program.run();
    run.assert_code(1);
    assert_eq!(
        run.between_frames(),
        [
            "node1 cannot reach half",
            "node2 cannot reach half",
            "node3 cannot reach half",
        ],
        "{run}"
    );
    let junit = JunitCounts {
        tests: 6,
        failures: 3,
        errors: 0,
        skipped: 0,
    };
    assert_eq!(run.junit(), junit, "one case for each pair");
    let details = run.read("junit.xml");
    assert!(details.contains("ip=2001:db8::1"), "{details}");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn smoke_passes() {
    let _cluster = healthy_cluster();
    let run = Kubeproof::on_cluster(&["run", "smoke"]).run();
    run.assert_code(0);
    assert_eq!(run.junit().failures + run.junit().errors, 0);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_node_that_is_left_out_is_named() {
    let _cluster = healthy_cluster();
    let run = run_suite(
        r#"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: some-nodes}
spec:
  setup:
    - apply:
        manifest:
          apiVersion: apps/v1
          kind: DaemonSet
          metadata: {name: probe}
          spec:
            selector: {matchLabels: {app: some-nodes}}
            template:
              metadata: {labels: {app: some-nodes}}
              spec:
                terminationGracePeriodSeconds: 1
                affinity:
                  nodeAffinity:
                    requiredDuringSchedulingIgnoredDuringExecution:
                      nodeSelectorTerms:
                        - matchExpressions:
                            - {key: kubernetes.io/hostname, operator: NotIn, values: [node3]}
                containers:
                  - name: probe
                    image: busybox:1.28
                    command: [sh, -c, "trap 'exit 0' TERM; tail -f /dev/null & wait"]
    - wait: {target: daemonset/probe, until: rolledOut, perNode: true}
  cases:
    - name: "{{ pod.node }}"
      matrix:
        pod: {pods: {selector: app=some-nodes, perNode: true}}
      steps:
        - exec: {target: "pod/{{ pod.name }}", command: ["true"]}
"#,
    );
    run.assert_code(0);
    assert_eq!(run.junit().tests, 2, "{run}");
    let excluded = run.events("node-excluded");
    assert_eq!(excluded.len(), 1, "{run}");
    assert_eq!(excluded[0]["node"], "node3");
    assert!(run.stdout.contains("node3"), "the summary names it\n{run}");
    assert!(run.read("junit.xml").contains("node3"));
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn an_image_that_cannot_be_pulled_is_told_in_the_kubelets_words() {
    let _cluster = healthy_cluster();
    let run = run_suite(
        r#"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: no-image}
spec:
  setup:
    - apply:
        manifest:
          apiVersion: apps/v1
          kind: Deployment
          metadata: {name: web}
          spec:
            selector: {matchLabels: {app: web}}
            template:
              metadata: {labels: {app: web}}
              spec:
                terminationGracePeriodSeconds: 1
                containers: [{name: web, image: "busybox:does-not-exist"}]
    - wait: {target: deployment/web, until: rolledOut}
      timeout: 60s
  cases:
    - name: never
      steps:
        - exec: {target: pod/x, command: ["true"]}
"#,
    );
    run.assert_code(3);
    assert!(
        run.took.as_secs() < 45,
        "told at once, not at the time-out\n{run}"
    );
    assert!(run.stdout.contains("does-not-exist"), "{run}");
    assert!(run.stdout.contains("ErrImagePull"), "{run}");
    assert_eq!(
        run.junit(),
        JunitCounts {
            tests: 2,
            failures: 0,
            errors: 2,
            skipped: 0
        },
        "[setup] and the case"
    );
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn exit_code_and_output_are_held_against_what_is_expected() {
    let _cluster = healthy_cluster();
    let run = run_suite(&suite_with_pod(
        r#"
    - name: good
      matrix: {pod: {pods: {selector: app=probe}}}
      steps:
        - exec: {target: "pod/{{ pod.name }}", command: [sh, -c, "echo out; echo err >&2; exit 3"]}
          expect: {exit: 3, stdout: {equals: out}, stderr: {contains: err}}
        - exec: {target: "pod/{{ pod.name }}", command: [cat], stdin: "from stdin"}
          expect: {stdout: {matches: "^from"}}
    - name: wrong exit
      matrix: {pod: {pods: {selector: app=probe}}}
      steps:
        - exec: {target: "pod/{{ pod.name }}", command: [sh, -c, "exit 3"]}
    - name: wrong output
      matrix: {pod: {pods: {selector: app=probe}}}
      steps:
        - exec: {target: "pod/{{ pod.name }}", command: [echo, there]}
          expect: {stdout: {contains: hello}}
    - name: no such program
      matrix: {pod: {pods: {selector: app=probe}}}
      steps:
        - exec: {target: "pod/{{ pod.name }}", command: [no-such-program]}
    - name: no such pod
      steps:
        - exec: {target: pod/nobody, command: ["true"]}
    - name: too slow
      matrix: {pod: {pods: {selector: app=probe}}}
      steps:
        - exec: {target: "pod/{{ pod.name }}", command: [sleep, "30"]}
          timeout: 1s
          failure: the program slept
"#,
    ));
    run.assert_code(1);
    let outcome = |name: &str| {
        let events = run.events("case-finished");
        let event = events
            .iter()
            .find(|event| event["id"]["name"] == name)
            .unwrap_or_else(|| panic!("no case {name}\n{run}"));
        (
            event["outcome"].as_str().unwrap().to_owned(),
            event["why"]["message"].as_str().unwrap_or("").to_owned(),
        )
    };
    assert_eq!(outcome("good").0, "passed", "{run}");
    let (kind, message) = outcome("wrong exit");
    assert_eq!(kind, "failed");
    assert!(message.contains("exit code 3, not 0"), "{message}");
    let (kind, message) = outcome("wrong output");
    assert_eq!(kind, "failed");
    assert!(
        message.contains("hello") && message.contains("there"),
        "{message}"
    );
    let (kind, message) = outcome("no such program");
    assert_eq!(kind, "errored", "{message}");
    assert!(message.contains("no-such-program"), "{message}");
    let (kind, message) = outcome("no such pod");
    assert_eq!(kind, "errored", "{message}");
    assert!(message.contains("not found"), "{message}");
    let (kind, message) = outcome("too slow");
    assert_eq!(kind, "failed", "{message}");
    assert!(
        message.contains("within 1s (the step's timeout)"),
        "{message}"
    );
    assert!(run.between_frames().contains(&"the program slept"), "{run}");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn an_existing_namespace_stays_as_it_is() {
    let _cluster = healthy_cluster();
    kubectl(&["create", "namespace", "kubeproof-test-existing"]);
    let before = kubectl(&[
        "get",
        "namespace",
        "kubeproof-test-existing",
        "-o",
        "jsonpath={.metadata.labels}",
    ]);
    let run =
        Kubeproof::on_cluster(&["run", "smoke", "--namespace", "kubeproof-test-existing"]).run();
    let after = kubectl(&[
        "get",
        "namespace",
        "kubeproof-test-existing",
        "-o",
        "jsonpath={.metadata.labels}",
    ]);
    kubectl(&[
        "delete",
        "namespace",
        "kubeproof-test-existing",
        "--wait=false",
    ]);
    run.assert_code(0);
    assert_eq!(before, after);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn an_object_that_was_there_is_restored() {
    let _cluster = healthy_cluster();
    kubectl(&["create", "namespace", "kubeproof-test-restore"]);
    kubectl(&[
        "-n",
        "kubeproof-test-restore",
        "create",
        "configmap",
        "settings",
        "--from-literal=color=blue",
    ]);
    let run =
        Kubeproof::on_cluster(&["run", "suite.yaml", "--namespace", "kubeproof-test-restore"])
            .file(
                "suite.yaml",
                r#"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: restore}
spec:
  cases:
    - name: change
      steps:
        - apply:
            force: true
            manifest:
              apiVersion: v1
              kind: ConfigMap
              metadata: {name: settings, labels: {extra: label}}
              data: {color: red, size: big}
"#,
            )
            .run();
    let after = kubectl(&[
        "-n",
        "kubeproof-test-restore",
        "get",
        "configmap",
        "settings",
        "-o",
        "jsonpath={.data} {.metadata.labels}",
    ]);
    kubectl(&[
        "delete",
        "namespace",
        "kubeproof-test-restore",
        "--wait=false",
    ]);
    run.assert_code(0);
    assert_eq!(after.trim(), r#"{"color":"blue"}"#);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_requirement_that_is_not_met_skips_with_its_reason() {
    let _cluster = healthy_cluster();
    let run = run_suite(
        r#"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: big}
spec:
  requires:
    - that: nodes | length >= 100
      reason: this is for big clusters
  cases:
    - name: one
      steps:
        - exec: {target: pod/x, command: ["true"]}
"#,
    );
    run.assert_code(4);
    assert_eq!(run.junit().skipped, 1);
    assert!(run.read("junit.xml").contains("this is for big clusters"));
}

#[test]
#[ignore = "needs ci/cluster up"]
fn suites_run_side_by_side_where_that_is_asked_for() {
    let _cluster = healthy_cluster();
    // each waits for what the other one makes: one after another, neither could pass
    let suite = |own: &str, other: &str| {
        format!(
            r#"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {{name: {own}}}
spec:
  namespace: {{existing: default}}
  cases:
    - name: meets {other}
      steps:
        - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: side-by-side-{own}}}}}}}
        - wait: {{target: configmap/side-by-side-{other}, until: exists}}
          timeout: 30s
        - sleep: 1s
"#
        )
    };
    let run = Kubeproof::on_cluster(&["run", "suites/", "--parallel-suites", "2"])
        .file("suites/left.yaml", &suite("left", "right"))
        .file("suites/right.yaml", &suite("right", "left"))
        .run();
    run.assert_code(0);
    assert_eq!(run.junit().tests, 2);
    assert_eq!(run.events("verdict-reached").len(), 1);
    run.assert_nothing_left();
}
