//! What a run asks of the API server, counted by a proxy between the two.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::relay::Relay;
use crate::support::{Finished, Kubeproof, healthy_cluster};
use crate::verbs::{assert_passed, suite};

/// One request, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    method: String,
    path: String,
    query: String,
}

impl Request {
    /// `GET /api/v1/pods?watch=true HTTP/1.1`.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?, words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }

    fn is_watch(&self) -> bool {
        self.query
            .split('&')
            .any(|pair| pair == "watch=true" || pair == "watch=1")
    }

    /// `/api`, `/apis`, or one group's version, which says what kinds there are.
    fn is_discovery(&self) -> bool {
        let segments: Vec<_> = self.path.trim_matches('/').split('/').collect();
        self.method == "GET"
            && matches!(
                segments[..],
                ["api"] | ["apis"] | ["api", _] | ["apis", _] | ["apis", _, _] | ["openapi", ..]
            )
    }
}

/// The proxy at work.
struct CountingProxy {
    relay: Relay,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl CountingProxy {
    fn start() -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let relay = Relay::start(&[], move |_number, exchange| {
            seen.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(Request::read(&exchange.line)?);
            exchange.forward()
        });
        Self { relay, requests }
    }

    /// Runs a suite by way of the proxy.
    fn run(&self, spec: &str) -> Finished {
        Kubeproof::on_cluster(&["run", "suite.yaml", "--kubeconfig", "counted.yaml"])
            .file("counted.yaml", &self.relay.kubeconfig())
            .file("suite.yaml", &suite(spec))
            .run()
    }

    fn requests(&self) -> Vec<Request> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn twenty_applies_and_asserts_cost_two_requests_each_and_one_watch() {
    let _cluster = healthy_cluster();
    let steps: String = (0..20)
        .map(|number| {
            format!(
                r#"
        - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: map-{number}}}, data: {{number: "{number}"}}}}}}
        - assert: {{target: configmap/map-{number}, match: {{data: {{number: "{number}"}}}}}}"#
            )
        })
        .collect();
    let proxy = CountingProxy::start();
    let run = proxy.run(&format!(
        "  cases:\n    - name: twenty\n      steps:{steps}"
    ));
    let all = proxy.requests();
    run.assert_code(0);
    assert_passed(&run, "twenty");
    run.assert_nothing_left();

    // what comes from the first deletion on is cleanup
    let requests: Vec<_> = all
        .iter()
        .take_while(|request| request.method != "DELETE")
        .collect();
    let discovery = requests
        .iter()
        .filter(|request| request.is_discovery())
        .count();
    assert!(
        discovery <= 2,
        "{discovery} requests of discovery: {requests:#?}"
    );
    let mut by_object: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut patches = 0;
    for request in &requests {
        if let Some((_, name)) = request.path.rsplit_once("/configmaps/")
            // cleanup reads each again before it deletes it
            && !by_object.get(name).is_some_and(|methods: &Vec<&str>| methods.contains(&"PATCH"))
        {
            by_object.entry(name).or_default().push(&request.method);
            patches += usize::from(request.method == "PATCH");
        }
    }
    assert_eq!(patches, 20, "{requests:#?}");
    for (name, methods) in by_object {
        assert!(methods.len() <= 2, "{name}: {methods:?}");
    }
    let (watches, lists): (Vec<&&Request>, Vec<&&Request>) = requests
        .iter()
        .filter(|request| request.method == "GET" && request.path.ends_with("/configmaps"))
        .partition(|request| request.is_watch());
    assert_eq!(watches.len(), 1, "{watches:#?}");
    assert!(lists.len() <= 1, "{lists:#?}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_the_user_may_do_is_asked_once_a_right_and_not_once_a_suite() {
    let _cluster = healthy_cluster();
    let proxy = CountingProxy::start();
    let one = suite(
        r#"
  namespace: none
  cases:
    - name: one
      steps:
        - get: {target: configmap/coredns, namespace: kube-system}
        - get: {target: configmap/kube-root-ca.crt, namespace: kube-system}
        - assert: {target: node, count: {min: 1}}
"#,
    );
    let run = Kubeproof::on_cluster(&["run", "suites/", "--kubeconfig", "counted.yaml"])
        .file("counted.yaml", &proxy.relay.kubeconfig())
        .file("suites/a.yaml", &one)
        .file("suites/b.yaml", &one.replace("name: verbs", "name: others"))
        .run();
    run.assert_code(0);
    let reviews = proxy
        .requests()
        .iter()
        .filter(|request| request.path.ends_with("/selfsubjectaccessreviews"))
        .count();
    // to get ConfigMaps, to list and to watch nodes
    assert_eq!(reviews, 3, "{:#?}", proxy.requests());
}

#[test]
#[ignore = "needs ci/cluster up"]
fn discovery_is_asked_once_a_run_and_not_once_a_suite() {
    let _cluster = healthy_cluster();
    let proxy = CountingProxy::start();
    let one = suite(
        r#"
  cases:
    - name: one
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}
        - assert: {target: configmap/a, match: {metadata: {name: a}}}
"#,
    );
    let run = Kubeproof::on_cluster(&["run", "suites/", "--kubeconfig", "counted.yaml"])
        .file("counted.yaml", &proxy.relay.kubeconfig())
        .file("suites/a.yaml", &one)
        .file("suites/b.yaml", &one.replace("name: verbs", "name: others"))
        .run();
    run.assert_code(0);
    let discovery = proxy
        .requests()
        .iter()
        .filter(|request| request.is_discovery())
        .count();
    assert!(
        discovery <= 2,
        "{discovery} requests of discovery: {:#?}",
        proxy.requests()
    );
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_sign_of_life_costs_one_request_and_dead_runs_two() {
    let _cluster = healthy_cluster();
    let about_leases = |spec: &str| {
        let proxy = CountingProxy::start();
        let run = proxy.run(spec);
        run.assert_code(0);
        run.assert_nothing_left();
        let requests = proxy.requests().into_iter();
        let requests = requests.filter(|request| {
            request.path.ends_with("/leases")
                || request.path.contains("/leases/")
                || (request.path == "/api/v1/namespaces" && request.query.contains("labelSelector"))
        });
        let mut shown: Vec<_> = requests
            .map(|request| {
                let path = request.path.rsplit("v1/").next().unwrap_or_default();
                let kind = path.rsplit('/').find(|part| !part.contains("kubeproof"));
                format!("{} {}", request.method, kind.unwrap_or_default())
            })
            .collect();
        shown.sort();
        shown
    };
    let case = "cases:\n    - name: one\n      steps:";
    let apply = "[{apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: life}}}}]";
    assert_eq!(
        about_leases(&format!("  {case} {apply}")),
        ["GET leases", "GET namespaces", "POST leases"]
    );
    assert_eq!(
        about_leases(&format!(
            "  namespace: {{existing: default}}\n  {case} {apply}"
        )),
        ["DELETE leases", "POST leases"]
    );
    let looks = "[{get: {target: node/node1}}]";
    let none: [&str; 0] = [];
    assert_eq!(
        about_leases(&format!("  namespace: none\n  {case} {looks}")),
        none
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_refusal_of_a_wrong_type_is_asked_once() {
    let _cluster = healthy_cluster();
    let proxy = CountingProxy::start();
    let run = proxy.run(
        r#"
  cases:
    - name: wrong
      steps:
        - apply: {manifest: {apiVersion: v1, kind: Service, metadata: {name: wrong}, spec: {ports: [{port: "two"}]}}}
"#,
    );
    run.assert_code(1);
    let patches = proxy
        .requests()
        .iter()
        .filter(|request| request.method == "PATCH" && request.path.ends_with("/services/wrong"))
        .count();
    assert_eq!(patches, 1, "the server answers 500, and means no\n{run}");
    run.assert_nothing_left();
}

/// An exec does not go through this proxy: what is asked until then counts.
#[test]
#[ignore = "needs ci/cluster up"]
fn without_pull_secrets_no_secret_is_asked_for() {
    let _cluster = healthy_cluster();
    let secrets_with = |settings: &[&str]| {
        let proxy = CountingProxy::start();
        let args = ["run", "smoke", "--kubeconfig", "counted.yaml"];
        let run = Kubeproof::on_cluster(&[&args, settings].concat())
            .file("counted.yaml", &proxy.relay.kubeconfig())
            .run();
        let requests = proxy.requests();
        let has_applied = |request: &Request| {
            request.method == "PATCH" && request.path.ends_with("/deployments/smoke")
        };
        let is_empty = settings.is_empty();
        assert_eq!(requests.iter().any(has_applied), is_empty, "{run}");
        run.assert_nothing_left();
        let about_secrets = |request: &&Request| request.path.contains("/secrets");
        requests.iter().filter(about_secrets).count()
    };
    assert_eq!(secrets_with(&[]), 0);
    let one = ["--set", "imagePullSecrets=[kube-system/nobody]"];
    assert_eq!(secrets_with(&one), 1, "it is read, and is not there");
}
