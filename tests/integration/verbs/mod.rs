//! Each verb of the suite language: it passes where it should, and where the opposite is
//! expected it fails and names what was expected and what was there.

mod captures;
mod chosen;
mod flow;
mod network;
mod objects;
mod processes;
mod waits;

use crate::support::{Finished, Kubeproof, kubectl};

/// A suite, of what stands under `spec`.
pub fn suite(spec: &str) -> String {
    format!(
        "apiVersion: kubeproof.dev/v1alpha1\nkind: Suite\nmetadata: {{name: verbs}}\nspec:\n{}\n",
        spec.trim_matches('\n')
    )
}

/// Runs a suite of its own on the cluster, of what stands under `spec`.
pub fn run_spec(spec: &str) -> Finished {
    run_spec_with(&[], spec)
}

/// Runs a suite of its own on the cluster with further arguments.
pub fn run_spec_with(arguments: &[&str], spec: &str) -> Finished {
    Kubeproof::on_cluster(&[&["run", "suite.yaml"], arguments].concat())
        .file("suite.yaml", &suite(spec))
        .run()
}

/// How a case ended.
pub struct Case {
    pub outcome: String,
    /// Its failure text, message and details.
    pub text: String,
    pub took: f64,
}

/// The case of this name.
#[track_caller]
pub fn case(run: &Finished, name: &str) -> Case {
    let events = run.events("case-finished");
    let event = events
        .iter()
        .find(|event| event["id"]["name"] == name)
        .unwrap_or_else(|| panic!("no case {name:?}\n{run}"));
    let why = &event["why"];
    let mut text = format!(
        "{}\n{}",
        why["failure"].as_str().unwrap_or_default(),
        why["message"].as_str().unwrap_or_default()
    );
    for detail in why["details"].as_array().into_iter().flatten() {
        text.push_str(&format!(
            "\n{}: {}",
            detail["title"].as_str().unwrap_or_default(),
            detail["text"].as_str().unwrap_or_default()
        ));
    }
    Case {
        outcome: event["outcome"].as_str().expect("an outcome").to_owned(),
        text,
        took: event["took"].as_f64().expect("a number"),
    }
}

/// Fails the test unless the case ended so and its text has all these words.
#[track_caller]
pub fn assert_outcome(run: &Finished, name: &str, outcome: &str, words: &[&str]) -> Case {
    let case = case(run, name);
    assert_eq!(
        case.outcome, outcome,
        "the case {name:?}: {}\n{run}",
        case.text
    );
    for word in words {
        assert!(
            case.text.to_lowercase().contains(&word.to_lowercase()),
            "the case {name:?} does not say {word:?}: {}\n{run}",
            case.text
        );
    }
    case
}

/// Fails the test unless the case passed.
#[track_caller]
pub fn assert_passed(run: &Finished, name: &str) -> Case {
    assert_outcome(run, name, "passed", &[])
}

/// Fails the test unless the case failed and says these words.
#[track_caller]
pub fn assert_failed(run: &Finished, name: &str, words: &[&str]) -> Case {
    assert_outcome(run, name, "failed", words)
}

/// Fails the test unless the case is errored and says these words.
#[track_caller]
pub fn assert_errored(run: &Finished, name: &str, words: &[&str]) -> Case {
    assert_outcome(run, name, "errored", words)
}

/// Fails the test unless the case was skipped and says these words.
#[track_caller]
pub fn assert_skipped(run: &Finished, name: &str, words: &[&str]) -> Case {
    assert_outcome(run, name, "skipped", words)
}

/// A namespace that a test makes, for objects that were there before a run.
pub struct TestNamespace {
    pub name: String,
}

impl TestNamespace {
    /// Makes it; each test takes another name.
    pub fn new(name: &str) -> Self {
        let name = format!("kubeproof-test-{name}-{}", std::process::id());
        kubectl(&["create", "namespace", &name]);
        Self { name }
    }

    /// kubectl in it.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[&["-n", &self.name], arguments].concat())
    }
}

impl Drop for TestNamespace {
    fn drop(&mut self) {
        // not `kubectl`, which panics: a test may be failing already
        let _ = std::process::Command::new(
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/cluster"),
        )
        .args(["kubectl", "delete", "namespace", "--wait=false", &self.name])
        .output();
    }
}

/// A step that applies a Deployment of pods with the label `app=NAME` that end quickly,
/// with further lines in the container.
pub fn deployment(name: &str, replicas: u32, container: &str) -> String {
    format!(
        r#"    - apply:
        manifest:
          apiVersion: apps/v1
          kind: Deployment
          metadata: {{name: {name}}}
          spec:
            replicas: {replicas}
            selector: {{matchLabels: {{app: {name}}}}}
            template:
              metadata: {{labels: {{app: {name}}}}}
              spec:
                terminationGracePeriodSeconds: 1
                containers:
                  - name: main
                    image: busybox:1.28
                    command: [sh, -c, "trap 'exit 0' TERM; tail -f /dev/null & wait"]
{container}
"#
    )
}

/// Steps that make a web server and its Service of the same name on port 80, which answers
/// `/` with its name and `/ready.json` with `{"ready": true}`, and wait for it.
pub fn web_server(name: &str) -> String {
    format!(
        r#"    - apply:
        manifest:
          apiVersion: apps/v1
          kind: Deployment
          metadata: {{name: {name}}}
          spec:
            selector: {{matchLabels: {{app: {name}}}}}
            template:
              metadata: {{labels: {{app: {name}}}}}
              spec:
                terminationGracePeriodSeconds: 1
                containers:
                  - name: web
                    image: busybox:1.28
                    command:
                      - sh
                      - -c
                      - |
                        mkdir -p /tmp/www
                        echo {name} > /tmp/www/index.html
                        echo '{{"ready": true, "workers": 3}}' > /tmp/www/ready.json
                        trap 'exit 0' TERM
                        httpd -f -p 8080 -h /tmp/www & wait
                    ports: [{{containerPort: 8080}}]
                    readinessProbe:
                      httpGet: {{path: /ready.json, port: 8080}}
                      periodSeconds: 1
    - apply:
        manifest:
          apiVersion: v1
          kind: Service
          metadata: {{name: {name}}}
          spec:
            selector: {{app: {name}}}
            ports: [{{name: http, port: 80, targetPort: 8080}}]
    - wait: {{target: deployment/{name}, until: rolledOut}}
"#
    )
}
