//! An API server that answers by a script, for what no real one does at a test's word: a clock of its
//! own, caches that lag, changes that follow each other at once.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// A request, as the script sees it.
pub struct Asked {
    /// `GET /api/v1/pods`, without the query.
    pub line: String,
    /// Whether it begins a watch.
    pub is_watch: bool,
    pub body: Value,
    /// How often the same was asked before.
    pub before: usize,
}

/// What it is answered.
pub enum Reply {
    Json(u16, Value),
    /// Events, each some time after the one before; those of a batch come at once. Then nothing
    /// comes any more.
    Watch(Vec<(Duration, Vec<Value>)>),
}

/// The server; it serves until the tests end.
pub struct Scripted {
    address: SocketAddr,
    ahead: SignedDuration,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

/// What the script leaves open: discovery, reviews that allow everything, empty lists, objects that
/// are made as they are sent and deleted at once.
fn by_default(asked: &Asked) -> Reply {
    let (verb, path) = asked.line.split_once(' ').expect("a request line");
    let resource = |name: &str, kind: &str, namespaced: bool| {
        json!({"name": name, "singularName": kind.to_lowercase(), "kind": kind,
               "namespaced": namespaced,
               "verbs": ["get", "list", "watch", "create", "patch", "delete"]})
    };
    let list = |version: &str, resources: &[Value]| json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources});
    let group = |name: &str| {
        let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
        json!({"name": name, "versions": [version], "preferredVersion": version})
    };
    const RBAC: &str = "rbac.authorization.k8s.io";
    if asked.is_watch {
        return Reply::Watch(Vec::new());
    }
    let body = match (verb, path) {
        (_, "/version") => json!({"gitVersion": "v1.34.0", "major": "1", "minor": "34"}),
        (_, "/api") => json!({"kind": "APIVersions", "versions": ["v1"]}),
        (_, "/apis") => json!({"kind": "APIGroupList", "groups": [group("apps"), group(RBAC)]}),
        (_, "/api/v1") => list(
            "v1",
            &[
                resource("pods", "Pod", true),
                resource("services", "Service", true),
                resource("configmaps", "ConfigMap", true),
                resource("events", "Event", true),
                resource("nodes", "Node", false),
            ],
        ),
        (_, "/apis/apps/v1") => list("apps/v1", &[resource("deployments", "Deployment", true)]),
        (_, "/apis/rbac.authorization.k8s.io/v1") => list(
            "rbac.authorization.k8s.io/v1",
            &[resource("rolebindings", "RoleBinding", true)],
        ),
        ("POST", path) if path.ends_with("accessreviews") => json!({"status": {"allowed": true}}),
        ("POST", path) if path.ends_with("selfsubjectreviews") => {
            json!({"status": {"userInfo": {"username": "ci"}}})
        }
        ("POST" | "PATCH", _) => {
            let mut made = asked.body.clone();
            made["metadata"]["uid"] = "u".into();
            made["metadata"]["resourceVersion"] = "1".into();
            return Reply::Json(201, made);
        }
        ("DELETE", _) => json!({"kind": "Status", "status": "Success"}),
        ("GET", path) if is_collection(path) => {
            json!({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": []})
        }
        _ => return not_found(path),
    };
    Reply::Json(200, body)
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
        Self::with_clock(SignedDuration::ZERO, script)
    }

    /// The same with a clock that is so far ahead of ours.
    pub fn with_clock(
        ahead: SignedDuration,
        script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let script = Arc::new(script);
        let counts = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (kept, script, counts) =
                    (Arc::clone(&kept), Arc::clone(&script), Arc::clone(&counts));
                std::thread::spawn(move || {
                    let (line, body) = read(&client)?;
                    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
                    let (path, query) = line.split_once('?').unwrap_or((&line, ""));
                    let is_watch = query.contains("watch=");
                    let before = {
                        let mut counts = counts.lock().expect("no panic");
                        let count = counts.entry(format!("{path} {is_watch}")).or_default();
                        *count += 1;
                        *count - 1
                    };
                    let asked = Asked {
                        line: path.to_owned(),
                        is_watch,
                        body,
                        before,
                    };
                    kept.lock()
                        .expect("no panic")
                        .push((asked.line.clone(), asked.body.clone()));
                    let reply = script(&asked).unwrap_or_else(|| by_default(&asked));
                    answer(client, reply, ahead)
                });
            }
        });
        Self {
            address,
            ahead,
            requests,
        }
    }

    /// What the server's clock shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + self.ahead
    }

    /// A kubeconfig for it.
    pub fn kubeconfig(&self) -> String {
        crate::api_server::kubeconfig(&format!("http://{}", self.address))
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

fn read(client: &TcpStream) -> Option<(String, Value)> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
            length = number.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, serde_json::from_slice(&body).unwrap_or_default()))
}

fn answer(mut client: TcpStream, reply: Reply, ahead: SignedDuration) -> Option<()> {
    let date = Timestamp::now() + ahead;
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT");
    let head = |code: u16, more: &str| {
        format!(
            "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nDate: {date}\r\n\
             Connection: close\r\n{more}\r\n"
        )
    };
    match reply {
        Reply::Json(code, body) => {
            let body = body.to_string();
            let head = head(code, &format!("Content-Length: {}\r\n", body.len()));
            client.write_all(format!("{head}{body}").as_bytes()).ok()
        }
        Reply::Watch(batches) => {
            client.write_all(head(200, "").as_bytes()).ok()?;
            for (pause, events) in batches {
                std::thread::sleep(pause);
                let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
                client.write_all(lines.as_bytes()).ok()?;
            }
            // until the program has seen enough
            let _ = client.read(&mut [0; 1]);
            Some(())
        }
    }
}
