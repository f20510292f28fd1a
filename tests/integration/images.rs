//! Where images are from: `images`, `run --registry`, and what suites that ship take for
//! private registries.

use crate::support::{Finished, Kubeproof, healthy_cluster, kubectl};

const SUITE: &str = r#"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: own}
spec:
  inputs: {tag: {type: string, default: "1"}}
  setup:
    - apply: {template: pod.yaml.j2}
  cases:
    - name: one
      matrix: {node: {nodes: {}}}
      steps:
        - run: {image: "b:{{ inputs.tag }}"}
        - run: {image: "c:{{ node.labels.version }}"}
"#;

const POD: &str = "apiVersion: v1
kind: Pod
metadata: {name: {{ run.id }}}
spec:
  containers:
    - {name: a, image: {{ ('quay.io/a:' ~ inputs.tag) | tojson }}}
";

fn images(args: &[&str]) -> Finished {
    let run = Kubeproof::new(&[&["images"], args].concat())
        .file("suite.yaml", SUITE)
        .file("pod.yaml.j2", POD)
        .run();
    run.assert_code(0);
    run
}

#[test]
fn images_are_listed_one_a_line() {
    let run = images(&["suite.yaml", "--set", "tag=2"]);
    assert_eq!(run.stdout, "b:2\nquay.io/a:2\n", "{run}");
    run.assert_stderr("suite.yaml:13:24: ");
    run.assert_stderr("`node.labels.version`");
    let run = images(&["suite.yaml", "--registry", "reg.example/m/"]);
    assert_eq!(run.stdout, "reg.example/m/a:1\nreg.example/m/b:1\n");
}

#[test]
fn images_of_what_ships_are_known() {
    let run = images(&[]);
    assert_eq!(run.stdout, "busybox:1.28\n", "{run}");
    assert_eq!(run.stderr, "", "{run}");
    let run = images(&["smoke", "suite.yaml", "-v", "--set", "image=b:1"]);
    assert_eq!(
        run.stdout, "b:1          smoke, suite.yaml\nquay.io/a:1  suite.yaml\n",
        "{run}"
    );
    let run = images(&["--select", "area=nowhere"]);
    assert_eq!(run.stdout, "");
    run.assert_stderr("no suite was selected");
}

#[test]
fn what_is_no_registry_or_no_suite_is_a_usage_error() {
    let pod = [("suite.yaml", SUITE), ("pod.yaml.j2", "a: {{ nobody }}\n")];
    for (args, word) in [
        (
            vec!["run", "smoke", "--registry", "https://reg.example/m"],
            "write `reg.example/m`",
        ),
        (vec!["images", "--registry", "reg example"], "HOST"),
        (vec!["images", "suite.yaml"], "unknown name `nobody`"),
        (vec!["images", "smok"], "smoke"),
    ] {
        let mut program = Kubeproof::new(&args);
        for (name, text) in pod {
            program = program.file(name, text);
        }
        let run = program.run();
        run.assert_code(2);
        run.assert_stderr(word);
        assert_eq!(run.stdout, "", "{run}");
    }
}

/// A namespace that is gone at the end of a test, however it ends.
struct Elsewhere(&'static str);

impl Elsewhere {
    fn new(name: &'static str) -> Self {
        kubectl(&["create", "namespace", name]);
        Self(name)
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        kubectl(&["delete", "namespace", self.0, "--wait=false"]);
    }
}

/// The local cluster's registry, and what it has of Docker Hub.
const REGISTRY: &str = "10.89.0.1:5000/library";

#[test]
#[ignore = "needs ci/cluster up"]
fn every_pod_is_pulled_from_the_registry_of_the_run() {
    let _cluster = healthy_cluster();
    let run = Kubeproof::on_cluster(&["run", "suite.yaml", "--registry", REGISTRY])
        .file(
            "suite.yaml",
            r#"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: registry}
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
                initContainers:
                  - {name: first, image: "nowhere.example/busybox:1.28", command: ["true"]}
                containers:
                  - name: web
                    image: busybox:1.28
                    command: [sh, -c, "trap 'exit 0' TERM; tail -f /dev/null & wait"]
    - create:
        manifest:
          apiVersion: v1
          kind: Pod
          metadata: {generateName: made-, labels: {app: made}}
          spec:
            terminationGracePeriodSeconds: 1
            containers:
              - name: made
                image: "10.89.0.1:5000/library/busybox:1.28"
                command: [sh, -c, "trap 'exit 0' TERM; tail -f /dev/null & wait"]
    - wait: {target: deployment/web, until: rolledOut}
    - wait: {target: pod, selector: app=made, until: {condition: Ready}}
  cases:
    - name: images
      steps:
        - assert:
            target: pod
            each:
              match:
                spec:
                  containers: {$each: {image: "10.89.0.1:5000/library/busybox:1.28"}}
        - assert:
            target: pod
            selector: app=web
            match: {spec: {initContainers: [{image: "10.89.0.1:5000/library/busybox:1.28"}]}}
        # would not start from where it says
        - run: {image: "nowhere.example/busybox:1.28", command: [echo, ran]}
          expect: {stdout: {equals: ran}}
"#,
        )
        .run();
    run.assert_code(0);
    run.assert_nothing_left();
}

/// The objects that a run was told to keep, gone at the end of a test.
struct Kept(String);

impl Drop for Kept {
    fn drop(&mut self) {
        let label = format!("kubeproof.dev/run={}", self.0);
        kubectl(&["delete", "namespace", "-l", &label, "--wait=false"]);
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn pods_of_suites_that_ship_carry_the_settings() {
    let _cluster = healthy_cluster();
    let elsewhere = Elsewhere::new("kubeproof-test-pull");
    let password = "a-password-nobody-may-see";
    kubectl(&[
        "create",
        "secret",
        "docker-registry",
        "pull",
        &format!("--namespace={}", elsewhere.0),
        "--docker-server=10.89.0.1:5000",
        "--docker-username=somebody",
        &format!("--docker-password={password}"),
    ]);
    let secrets = format!("imagePullSecrets=[{}/pull, bare]", elsewhere.0);
    let args = [
        "run",
        "smoke",
        "overlay",
        "-vv",
        "--registry",
        REGISTRY,
        "--set",
        &secrets,
        "--set",
        "resources={requests: {cpu: 1m}, limits: {memory: 32Mi}}",
        "--set",
        "priorityClassName=system-node-critical",
    ];
    let run = Kubeproof::on_cluster(&[&args[..], &["--keep", "always"]].concat()).run();
    let kept = Kept(run.run_id());
    run.assert_code(0);
    for (suite, selector, count) in [
        ("smoke", "app=smoke", 1),
        ("overlay", "name=overlaytest", 3),
    ] {
        let namespace = format!("--namespace=kubeproof-{suite}-{}", kept.0);
        let pods = kubectl(&["get", "pods", "-l", selector, "-o", "json", &namespace]);
        let pods: serde_json::Value = serde_json::from_str(&pods).expect("JSON");
        let pods = pods["items"].as_array().expect("a list");
        assert_eq!(pods.len(), count, "{suite}");
        for pod in pods {
            let spec = &pod["spec"];
            let container = &spec["containers"][0];
            assert_eq!(container["image"], format!("{REGISTRY}/busybox:1.28"));
            assert_eq!(container["resources"]["limits"]["memory"], "32Mi");
            assert_eq!(spec["imagePullSecrets"][0]["name"], "pull");
            assert_eq!(spec["imagePullSecrets"][1]["name"], "bare");
            assert_eq!(spec["priorityClassName"], "system-node-critical");
        }
        let secret = |namespace: &str| {
            let path = "jsonpath={.type} {.data}";
            kubectl(&["get", "secret", "pull", "-o", path, namespace])
        };
        let original = secret(&format!("--namespace={}", elsewhere.0));
        assert_eq!(secret(&namespace), original);
    }
    for text in [
        &run.stdout,
        &run.stderr,
        &run.read("events.json"),
        &run.read("junit.xml"),
    ] {
        assert!(!text.contains(password), "{run}");
    }
    drop(kept);
    let run = Kubeproof::on_cluster(&args).run();
    run.assert_code(0);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_pull_secret_that_is_not_there_is_told() {
    let _cluster = healthy_cluster();
    let secrets = "imagePullSecrets=[kube-system/nobody]";
    let run = Kubeproof::on_cluster(&["run", "smoke", "--set", secrets]).run();
    run.assert_code(3);
    assert!(run.stdout.contains("secret/nobody"), "{run}");
    run.assert_nothing_left();
}
