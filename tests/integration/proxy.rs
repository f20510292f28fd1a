//! What a run asks of the API server, counted: a plain HTTP proxy that counts, before
//! `kubectl proxy`, which holds the certificates.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::api_server;
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

/// `kubectl proxy` at work: the API server without certificates.
pub struct KubectlProxy {
    /// `127.0.0.1:37621`.
    pub address: String,
    process: Child,
}

impl KubectlProxy {
    pub fn start(arguments: &[&str]) -> Self {
        let mut kubectl =
            Command::new(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/cluster"))
                .args(["kubectl", "proxy", "--port=0"])
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                // of its own, so that the script and what it starts end together
                .process_group(0)
                .spawn()
                .expect("kubectl proxy");
        let mut line = String::new();
        BufReader::new(kubectl.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        // Starting to serve on 127.0.0.1:37621
        let address = line
            .rsplit(' ')
            .next()
            .map(str::trim)
            .filter(|address| address.contains(':'))
            .unwrap_or_else(|| panic!("kubectl proxy says {line:?}"))
            .to_owned();
        Self {
            address,
            process: kubectl,
        }
    }
}

impl Drop for KubectlProxy {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-TERM", "--", &format!("-{}", self.process.id())])
            .status();
        let _ = self.process.wait();
    }
}

/// The proxies at work.
struct CountingProxy {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    _kubectl: KubectlProxy,
}

impl CountingProxy {
    fn start() -> Self {
        let kubectl = KubectlProxy::start(&[]);
        let upstream = kubectl.address.clone();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (seen, upstream) = (Arc::clone(&seen), upstream.clone());
                std::thread::spawn(move || forward(client, &upstream, &seen));
            }
        });
        Self {
            port,
            requests,
            _kubectl: kubectl,
        }
    }

    fn kubeconfig(&self) -> String {
        api_server::kubeconfig(&format!("http://127.0.0.1:{}", self.port))
    }

    /// Runs a suite by way of the proxy.
    fn run(&self, spec: &str) -> Finished {
        Kubeproof::on_cluster(&["run", "suite.yaml", "--kubeconfig", "counted.yaml"])
            .file("counted.yaml", &self.kubeconfig())
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

/// One request and its answer. `Connection: close` on both sides keeps it to one, so
/// that bodies need not be understood, watches among them.
fn forward(client: TcpStream, upstream: &str, seen: &Mutex<Vec<Request>>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        });
    let mut head = first.clone();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if !line.to_lowercase().starts_with("connection:") {
            head.push_str(&line);
        }
    }
    head.push_str("Connection: close\r\n\r\n");
    let mut server = TcpStream::connect(upstream).ok()?;
    server.write_all(head.as_bytes()).ok()?;
    let mut to_server = server.try_clone().ok()?;
    let body = std::thread::spawn(move || copy(&mut reader, &mut to_server));
    copy(&mut server, &mut &client);
    // ends the body's thread, which waits for more of a client that keeps the connection
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
    let _ = body.join();
    Some(())
}

/// Hands on what comes as it comes; a client that went ends it, and so its watch.
fn copy(from: &mut impl Read, to: &mut impl Write) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer) {
        if length == 0 || to.write_all(&buffer[..length]).is_err() || to.flush().is_err() {
            return;
        }
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
        .file("counted.yaml", &proxy.kubeconfig())
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
        .file("counted.yaml", &proxy.kubeconfig())
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
            .file("counted.yaml", &proxy.kubeconfig())
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
