//! An API server of a few answers, for what a real one does only once in its life.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::scripted::{Reply, Scripted, changed, list, not_found};

/// A kubeconfig for a server that asks for no credentials.
pub fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         contexts: [{{name: here, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\n\
         users: [{{name: u, user: {{}}}}]\n"
    )
}

fn node(name: &str, version: u32, status: &str, message: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": name, "resourceVersion": version.to_string()},
        "status": {"conditions": [{"type": "Ready", "status": status, "message": message}]},
    })
}

/// An API server that is not ready for the first requests, and has two nodes a while later. It lets
/// nobody ask what they may do.
pub fn serve(address: SocketAddr) {
    Scripted::at(address, |asked| {
        let line = asked.line.as_str();
        Some(match line {
            "GET /version" if asked.before < 2 => Reply::Text(503, "still starting".to_owned()),
            "GET /version" => Reply::Json(
                200,
                json!({"gitVersion": "v1.34.0", "major": "1", "minor": "34"}),
            ),
            _ if line.contains("/selfsubjectreviews") => {
                Reply::Json(201, json!({"status": {"userInfo": {"username": "ci"}}}))
            }
            _ if line.contains("/selfsubjectaccessreviews") => Reply::Json(
                403,
                json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no reviews"}),
            ),
            "GET /readyz" => Reply::Text(200, "ok".to_owned()),
            "GET /api/v1/secrets" => list(&[json!({
                "kind": "Secret", "data": {"password": "aHVudGVyMi1hbmQtbW9yZQ=="},
            })]),
            "GET /api/v1/nodes" if asked.is_watch => Reply::Watch(later()),
            "GET /api/v1/nodes" => list(&[node(
                "node1",
                1,
                "False",
                "the network plugin is not ready.",
            )]),
            _ => not_found(line),
        })
    });
}

/// Told one by one: each is a state that the program sees.
fn later() -> Vec<(Duration, Vec<Value>)> {
    let events = [
        changed("MODIFIED", &node("node1", 2, "True", "")),
        changed("ADDED", &node("node2", 3, "Unknown", "")),
        changed("MODIFIED", &node("node2", 4, "True", "")),
    ];
    let pause = Duration::from_millis(200);
    events.map(|event| (pause, vec![event])).to_vec()
}
