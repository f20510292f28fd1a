//! An API server that answers by a script, for what no real one does at a test's word: a clock of its
//! own, caches that lag, changes that follow each other at once.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{Message, WebSocket, protocol::Role};

use crate::api_server::kubeconfig;
use crate::support::server::{self, Request};
use crate::support::{Finished, Kubeproof};
use crate::verbs::suite;

/// A request, as the script sees it.
pub struct Asked {
    /// `GET /api/v1/pods`, without the query.
    pub line: String,
    /// `follow=true`
    pub query: String,
    /// Whether it begins a watch.
    pub is_watch: bool,
    pub body: Value,
    /// How often the same was asked before.
    pub before: usize,
}

/// Writes to the socket whatever it wants to.
type Streaming = Box<dyn FnOnce(&mut TcpStream) -> io::Result<()>>;

/// What it is answered.
pub enum Reply {
    Json(u16, Value),
    Text(u16, String),
    /// What a command that ran in a container printed on stdout; it ended with 0.
    Ran(String),
    /// Events, each some time after the one before; those of a batch come at once. Then nothing
    /// comes any more.
    Watch(Vec<(Duration, Vec<Value>)>),
    /// Whatever is written, the head included.
    Stream(Streaming),
}

/// The server; it serves until the tests end.
pub struct Scripted {
    address: SocketAddr,
    ahead: SignedDuration,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

/// A kind that is served: its group and version, the names of its resource and of itself, and whether
/// it is in namespaces.
pub type Kind = (&'static str, &'static str, &'static str, bool);

/// The kinds that a script has unless it says otherwise.
pub const KINDS: &[Kind] = &[
    ("v1", "namespaces", "Namespace", false),
    ("v1", "nodes", "Node", false),
    ("v1", "pods", "Pod", true),
    ("v1", "services", "Service", true),
    ("v1", "configmaps", "ConfigMap", true),
    ("v1", "events", "Event", true),
    ("apps/v1", "deployments", "Deployment", true),
    (
        "rbac.authorization.k8s.io/v1",
        "rolebindings",
        "RoleBinding",
        true,
    ),
    ("networking.k8s.io/v1", "ingresses", "Ingress", true),
    (
        "networking.k8s.io/v1",
        "networkpolicies",
        "NetworkPolicy",
        true,
    ),
    (
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        false,
    ),
];

/// What discovery says of these kinds; nothing where something else is asked.
pub fn discovery(asked: &Asked, kinds: &[Kind]) -> Option<Reply> {
    let path = asked.line.strip_prefix("GET ")?;
    let body = match path {
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
        "/apis" => {
            let mut versions: Vec<_> = kinds.iter().map(|(version, ..)| *version).collect();
            versions.dedup();
            let groups = versions.iter().filter_map(|group_version| {
                let (group, version) = group_version.split_once('/')?;
                let version = json!({"groupVersion": group_version, "version": version});
                Some(json!({"name": group, "versions": [version], "preferredVersion": version}))
            });
            json!({"kind": "APIGroupList", "groups": groups.collect::<Vec<_>>()})
        }
        _ => {
            let version = path
                .strip_prefix("/apis/")
                .or_else(|| path.strip_prefix("/api/"))?;
            let resources: Vec<_> = kinds
                .iter()
                .filter(|(its, ..)| *its == version)
                .map(|(_, name, kind, namespaced)| {
                    json!({"name": name, "singularName": kind.to_lowercase(), "kind": kind,
                           "namespaced": namespaced,
                           "verbs": ["get", "list", "watch", "create", "patch", "delete"]})
                })
                .collect();
            if resources.is_empty() {
                return None;
            }
            json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources})
        }
    };
    Some(Reply::Json(200, body))
}

/// What the script leaves open: discovery, reviews that allow everything, empty lists, objects that
/// are made as they are sent and deleted at once.
fn by_default(asked: &Asked) -> Reply {
    let (verb, path) = asked.line.split_once(' ').expect("a request line");
    if asked.is_watch {
        return Reply::Watch(Vec::new());
    }
    if let Some(reply) = discovery(asked, KINDS) {
        return reply;
    }
    let body = match (verb, path) {
        (_, "/version") => json!({"gitVersion": "v1.34.0", "major": "1", "minor": "34"}),
        ("POST", path) if path.ends_with("accessreviews") => json!({"status": {"allowed": true}}),
        ("POST", path) if path.ends_with("selfsubjectreviews") => {
            json!({"status": {"userInfo": {"username": "ci"}}})
        }
        ("POST" | "PATCH", _) => return Reply::Json(201, made(&asked.body)),
        ("DELETE", _) => json!({"kind": "Status", "status": "Success"}),
        ("GET", path) if is_collection(path) => return list(&[]),
        _ => return not_found(path),
    };
    Reply::Json(200, body)
}

/// An object as it is once it was sent.
pub fn made(body: &Value) -> Value {
    let mut made = body.clone();
    made["metadata"]["uid"] = "u".into();
    made["metadata"]["resourceVersion"] = "1".into();
    made
}

/// `/api/v1/namespaces/n/pods` is, `/api/v1/namespaces/n/pods/a` is not.
fn is_collection(path: &str) -> bool {
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    let parts = match parts.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        _ => return false,
    };
    matches!(parts, [_] | ["namespaces", _, _])
}

/// What an API server says of what it does not have.
pub fn not_found(path: &str) -> Reply {
    let name = path.rsplit('/').next().unwrap_or_default();
    Reply::Json(
        404,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
               "reason": "NotFound", "message": format!("{name} not found")}),
    )
}

/// A list of objects, from which a watch may go on.
pub fn list(items: &[Value]) -> Reply {
    Reply::Json(
        200,
        json!({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": items}),
    )
}

/// An event of a watch.
pub fn changed(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

impl Scripted {
    /// Starts one; the script answers what it knows.
    pub fn start(script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::begin(None, SignedDuration::ZERO, script)
    }

    /// The same at an address.
    pub fn at(
        address: SocketAddr,
        script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::begin(Some(address), SignedDuration::ZERO, script)
    }

    /// The same with a clock that is so far ahead of ours.
    pub fn with_clock(
        ahead: SignedDuration,
        script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::begin(None, ahead, script)
    }

    fn begin(
        address: Option<SocketAddr>,
        ahead: SignedDuration,
        script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let counts = Mutex::new(HashMap::<String, usize>::new());
        let address = server::listen(address, move |client| {
            let request = Request::read(client)?;
            let (line, query) = request.line.split_once('?').unwrap_or((&request.line, ""));
            let is_watch = query.contains("watch=");
            let before = {
                let mut counts = counts.lock().expect("no panic");
                let count = counts.entry(format!("{line} {is_watch}")).or_default();
                *count += 1;
                *count - 1
            };
            let asked = Asked {
                line: line.to_owned(),
                query: query.to_owned(),
                is_watch,
                body: serde_json::from_slice(&request.body).unwrap_or_default(),
                before,
            };
            kept.lock()
                .expect("no panic")
                .push((asked.line.clone(), asked.body.clone()));
            let reply = script(&asked).unwrap_or_else(|| by_default(&asked));
            let key = request.header("sec-websocket-key").unwrap_or_default();
            match reply {
                Reply::Ran(stdout) => {
                    let accepted = derive_accept_key(key.as_bytes());
                    ran(request.client, &accepted, &asked.values("command"), &stdout)
                }
                reply => answer(request.client, reply, ahead).ok(),
            }
        });
        Self {
            address,
            ahead,
            requests,
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Runs a suite in the namespace `n`, of what stands under `spec`.
    pub fn run(&self, spec: &str) -> Finished {
        self.prepare(spec).run()
    }

    /// The same, to be started.
    pub fn prepare(&self, spec: &str) -> Kubeproof {
        let arguments = ["run", "suite.yaml", "--kubeconfig", "here.yaml"];
        Kubeproof::new(&[&arguments[..], &["--json", "events.json"]].concat())
            .file("here.yaml", &self.kubeconfig())
            .file(
                "suite.yaml",
                &suite(&format!("  namespace: {{existing: n}}\n{spec}")),
            )
    }

    /// What the server's clock shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + self.ahead
    }

    /// A kubeconfig for it.
    pub fn kubeconfig(&self) -> String {
        kubeconfig(&self.url())
    }

    /// The requests so far, without their queries.
    pub fn lines(&self) -> Vec<String> {
        let requests = self.requests.lock().expect("no panic");
        requests.iter().map(|(line, _)| line.clone()).collect()
    }

    /// The bodies of the requests with this beginning.
    pub fn bodies(&self, beginning: &str) -> Vec<Value> {
        let requests = self.requests.lock().expect("no panic");
        let those = requests
            .iter()
            .filter(|(line, _)| line.starts_with(beginning));
        those.map(|(_, body)| body.clone()).collect()
    }
}

impl Asked {
    /// The values of the query's pairs with this name.
    pub fn values(&self, name: &str) -> Vec<String> {
        let pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| decoded(&value.replace('+', " ")))
            .collect()
    }
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (octet, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(octet, 16).expect("an octet"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// A session of `v5.channel.k8s.io`, in which the shell around the command says what it does: see
/// `exec/witness.rs`.
fn ran(mut client: TcpStream, accepted: &str, command: &[String], stdout: &str) -> Option<()> {
    let head = format!(
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Protocol: v5.channel.k8s.io\r\nSec-WebSocket-Accept: {accepted}\r\n\r\n"
    );
    client.write_all(head.as_bytes()).ok()?;
    let mut socket = WebSocket::from_raw_socket(client, Role::Server, None);
    let token = command.get(4)?;
    for frame in [
        format!("\u{2}{token} started\n"),
        format!("\u{1}{stdout}"),
        format!("\u{2}{token} 0\n"),
        "\u{3}{\"status\":\"Success\"}".to_owned(),
    ] {
        socket.send(Message::binary(frame.into_bytes())).ok()?;
    }
    socket.close(None).ok()?;
    while socket.read().is_ok() {}
    Some(())
}

fn answer(mut client: TcpStream, reply: Reply, ahead: SignedDuration) -> io::Result<()> {
    let date = Timestamp::now() + ahead;
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT");
    let headers = |kind: &str| format!("Content-Type: {kind}\r\nDate: {date}\r\n");
    let client = &mut client;
    match reply {
        Reply::Json(code, body) => server::answer(
            client,
            code,
            &headers("application/json"),
            &body.to_string(),
        ),
        Reply::Ran(_) => unreachable!("it has a connection of its own"),
        Reply::Text(code, body) => server::answer(client, code, &headers("text/plain"), &body),
        Reply::Watch(batches) => {
            server::begin(client, 200, &headers("application/json"))?;
            for (pause, events) in batches {
                std::thread::sleep(pause);
                let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
                client.write_all(lines.as_bytes())?;
            }
            // until the program has seen enough
            client.read(&mut [0; 1]).map(|_| ())
        }
        Reply::Stream(write) => write(client),
    }
}
