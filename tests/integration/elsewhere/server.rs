//! An API server that keeps what it is given, for clusters that are not here. What their nodes answer, and what their
//! pods have logged, says a test.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::scripted::{Asked, Reply, Scripted, list};
use crate::support::{Finished, Kubeproof};

const KINDS: [(&str, &str, &str); 9] = [
    ("/api/v1", "pods", "Pod"),
    ("/api/v1", "services", "Service"),
    ("/api/v1", "secrets", "Secret"),
    ("/api/v1", "namespaces", "Namespace"),
    ("/api/v1", "nodes", "Node"),
    ("/apis/apps/v1", "daemonsets", "DaemonSet"),
    (
        "/apis/discovery.k8s.io/v1",
        "endpointslices",
        "EndpointSlice",
    ),
    (
        "/apis/networking.k8s.io/v1",
        "networkpolicies",
        "NetworkPolicy",
    ),
    ("/apis/networking.k8s.io/v1", "ingresses", "Ingress"),
];

/// How a TCP port answers, by address and number.
pub type Port = fn(&str, u16) -> &'static str;

/// The cluster; its DaemonSets and pods are ready as soon as they are made.
pub struct Elsewhere {
    version: &'static str,
    port: Port,
    log: String,
    /// By their paths.
    pub objects: BTreeMap<String, Value>,
}

impl Elsewhere {
    pub fn new(version: &'static str) -> Self {
        Self {
            version,
            port: |_, _| "refused",
            log: String::new(),
            objects: BTreeMap::new(),
        }
    }

    pub fn with(mut self, folder: &str, object: Value) -> Self {
        self.keep(folder, object);
        self
    }

    pub fn keep(&mut self, folder: &str, mut object: Value) {
        let name = object["metadata"]["name"]
            .as_str()
            .expect("a name")
            .to_owned();
        if let Some((_, rest)) = folder.split_once("/namespaces/") {
            object["metadata"]["namespace"] = rest.split('/').next().into();
        }
        object["metadata"]["uid"] = name.as_str().into();
        object["metadata"]["resourceVersion"] = "1".into();
        self.objects.insert(format!("{folder}/{name}"), object);
    }

    pub fn node(self, name: &str, labels: Value, ips: &[&str]) -> Self {
        let addresses: Vec<_> = ips
            .iter()
            .map(|ip| json!({"type": "InternalIP", "address": ip}))
            .collect();
        let mut node = json!({"metadata": {"name": name, "labels": labels}, "status": {
            "addresses": addresses, "conditions": [{"type": "Ready", "status": "True"}]}});
        node["metadata"]["labels"]["kubernetes.io/os"] = "linux".into();
        self.with("/api/v1/nodes", node)
    }

    /// Where the API server is.
    pub fn api_server(self, address: &str, port: u16) -> Self {
        let slice = json!({
            "metadata": {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "endpoints": [{"addresses": [address]}], "ports": [{"name": "https", "port": port}]});
        self.with(
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
            slice,
        )
    }

    pub fn port(self, port: Port) -> Self {
        Self { port, ..self }
    }

    /// A pod that has logged this.
    pub fn logged(self, namespace: &str, labels: Value, lines: &[&str]) -> Self {
        let log = lines
            .iter()
            .map(|line| format!("2026-01-02T03:04:05.6Z {line}\n"))
            .collect();
        let pod = json!({"metadata": {"name": "logs", "labels": labels}, "spec": {"containers": [{"name": "main"}]},
            "status": {"phase": "Running", "containerStatuses": [
                {"name": "main", "containerID": "x", "state": {"running": {}}}]}});
        let this = self.with(
            "/api/v1/namespaces",
            json!({"metadata": {"name": namespace}, "status": {"phase": "Active"}}),
        );
        Self { log, ..this }.with(&format!("/api/v1/namespaces/{namespace}/pods"), pod)
    }

    /// Runs a suite there, in the namespace `n` where it makes anything.
    pub fn run(self, arguments: &[&str]) -> (Finished, Scripted) {
        let here = Mutex::new(self);
        let server = Scripted::start(move |asked| here.lock().expect("no panic").answer(asked));
        let options = ["--kubeconfig", "here.yaml", "--json", "events.json"];
        let run = Kubeproof::new(&[&["run"], arguments, &options].concat())
            .file("here.yaml", &server.kubeconfig())
            .run();
        (run, server)
    }

    fn answer(&mut self, asked: &Asked) -> Option<Reply> {
        let (verb, path) = asked.line.split_once(' ')?;
        if asked.is_watch {
            return None;
        }
        let body = match (verb, path) {
            ("GET", "/version") => {
                json!({"gitVersion": self.version, "major": "1", "minor": "34"})
            }
            ("GET", "/apis") => {
                let groups = KINDS.iter().filter_map(|(path, ..)| {
                    let (name, version) = path.strip_prefix("/apis/")?.split_once('/')?;
                    let version =
                        json!({"groupVersion": format!("{name}/{version}"), "version": version});
                    Some(json!({"name": name, "versions": [version], "preferredVersion": version}))
                });
                json!({"kind": "APIGroupList", "groups": groups.collect::<Vec<_>>()})
            }
            ("GET", path) if KINDS.iter().any(|(group, ..)| *group == path) => resources(path),
            ("GET", path) if path.ends_with("/exec") => {
                return Some(Reply::Ran(self.run_command(asked)));
            }
            ("GET", path) if path.ends_with("/log") => {
                let last = !asked.values("tailLines").is_empty();
                let skipped = if last {
                    self.log.lines().count() - 1
                } else {
                    0
                };
                let lines = self.log.split_inclusive('\n').skip(skipped);
                return Some(Reply::Text(200, lines.collect()));
            }
            ("PATCH", path) if path.contains("/daemonsets/") || path.contains("/pods/") => {
                let (folder, _) = path.rsplit_once('/')?;
                self.start(folder, asked.body.clone());
                return Some(Reply::Json(201, self.objects.get(path)?.clone()));
            }
            ("DELETE", path) => {
                let owner = path.rsplit('/').next()?;
                self.objects.retain(|key, object| {
                    key != path && object["metadata"]["ownerReferences"][0]["uid"] != owner
                });
                json!({"kind": "Status", "status": "Success"})
            }
            ("GET", path) => match self.objects.get(path) {
                Some(object) => object.clone(),
                None if KINDS
                    .iter()
                    .any(|(_, plural, _)| path.ends_with(&format!("/{plural}"))) =>
                {
                    return Some(list(&self.chosen(path, asked)));
                }
                None => return None,
            },
            _ => return None,
        };
        Some(Reply::Json(200, body))
    }

    /// The objects of a collection, or of all namespaces, that the query chooses.
    fn chosen(&self, path: &str, asked: &Asked) -> Vec<Value> {
        let (group, plural) = path.rsplit_once('/').expect("a collection");
        let inside = |key: &str| match key.rsplit_once('/') {
            Some((folder, _)) if folder == path => true,
            Some((folder, _)) => {
                folder.starts_with(&format!("{group}/namespaces/"))
                    && folder.ends_with(&format!("/{plural}"))
            }
            None => false,
        };
        let terms = |name: &str| -> Vec<(String, String)> {
            let text = asked.values(name).join(",");
            let pairs = text.split(',').filter_map(|term| term.split_once('='));
            pairs
                .map(|(key, value)| (key.to_owned(), value.trim_start_matches('=').to_owned()))
                .collect()
        };
        let (labels, fields) = (terms("labelSelector"), terms("fieldSelector"));
        self.objects
            .iter()
            .filter(|(key, _)| inside(key))
            .map(|(_, object)| object)
            .filter(|object| {
                let of = &object["metadata"];
                labels
                    .iter()
                    .all(|(key, value)| of["labels"][key] == **value)
                    && fields.iter().all(|(_, value)| of["name"] == **value)
            })
            .cloned()
            .collect()
    }

    /// Keeps an object, which is as it shall be at once.
    fn start(&mut self, folder: &str, mut object: Value) {
        let ready =
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        if folder.ends_with("/pods") {
            object["status"] = ready;
            return self.keep(folder, object);
        }
        let nodes: Vec<_> = self
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with("/api/v1/nodes/"))
            .map(|(_, node)| node.clone())
            .collect();
        let count = nodes.len();
        object["metadata"]["generation"] = 1.into();
        object["status"] = json!({"observedGeneration": 1, "desiredNumberScheduled": count,
            "currentNumberScheduled": count, "updatedNumberScheduled": count, "numberAvailable": count});
        let name = object["metadata"]["name"].clone();
        let name = name.as_str().expect("a name");
        let template = object["spec"]["template"].clone();
        self.keep(folder, object);
        let pods = folder
            .replace("/apis/apps/v1", "/api/v1")
            .replace("/daemonsets", "/pods");
        for node in nodes {
            let node_name = node["metadata"]["name"].as_str().expect("a name");
            let addresses = node["status"]["addresses"].as_array().expect("addresses");
            let ips: Vec<_> = addresses
                .iter()
                .map(|address| json!({"ip": address["address"]}))
                .collect();
            let mut pod = json!({"metadata": template["metadata"], "spec": template["spec"], "status": ready});
            pod["metadata"]["name"] = format!("{name}-{node_name}").into();
            pod["metadata"]["ownerReferences"] =
                json!([{"kind": "DaemonSet", "name": name, "uid": name, "controller": true}]);
            pod["spec"]["nodeName"] = node_name.into();
            pod["status"]["podIP"] = ips[0]["ip"].clone();
            pod["status"]["podIPs"] = ips.into();
            self.keep(&pods, pod);
        }
    }

    /// What a probe prints: the state of a port, or nothing where it pings.
    fn run_command(&self, asked: &Asked) -> String {
        let words = asked.values("command");
        let at = words.iter().position(|word| word.contains("nc -w"));
        match at.map(|at| (&words[at + 2], words[at + 3].parse())) {
            Some((ip, Ok(port))) => format!("{}\n", (self.port)(ip, port)),
            _ => String::new(),
        }
    }
}

fn resources(path: &str) -> Value {
    let of_group = KINDS.iter().filter(|(group, ..)| *group == path);
    let resources = of_group.map(|(_, plural, kind)| {
        json!({"name": plural, "singularName": kind.to_lowercase(), "kind": kind,
               "namespaced": !["Node", "Namespace"].contains(kind),
               "verbs": ["get", "list", "watch", "create", "patch", "delete"]})
    });
    let version = path
        .trim_start_matches("/apis/")
        .trim_start_matches("/api/");
    json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources.collect::<Vec<_>>()})
}
