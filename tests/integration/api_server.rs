//! An API server of a few answers, for what a real one does only once in its life.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

/// A kubeconfig for a server that asks for no credentials.
pub fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         contexts: [{{name: here, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\n\
         users: [{{name: u, user: {{}}}}]\n"
    )
}

/// An address at which nothing listens.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
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
    let listener = TcpListener::bind(address).expect("the port is still free");
    let versions = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let versions = Arc::clone(&versions);
            std::thread::spawn(move || answer(client, &versions));
        }
    });
}

fn answer(mut client: TcpStream, versions: &AtomicUsize) -> Option<()> {
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
    reader.read_exact(&mut vec![0; length]).ok()?;
    let mut reply = |code: &str, body: &str| {
        let head = format!(
            "HTTP/1.1 {code}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        client.write_all(format!("{head}{body}").as_bytes()).ok()
    };
    if first.starts_with("GET /version") {
        return match versions.fetch_add(1, Ordering::SeqCst) {
            0..2 => reply("503 Service Unavailable", "still starting"),
            _ => reply(
                "200 OK",
                r#"{"gitVersion": "v1.34.0", "major": "1", "minor": "34"}"#,
            ),
        };
    }
    if first.contains("/selfsubjectreviews") {
        return reply(
            "201 Created",
            r#"{"status": {"userInfo": {"username": "ci"}}}"#,
        );
    }
    if first.contains("/selfsubjectaccessreviews") {
        return reply(
            "403 Forbidden",
            r#"{"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no reviews"}"#,
        );
    }
    if first.starts_with("GET /readyz") {
        return reply("200 OK", "ok");
    }
    if first.starts_with("GET /api/v1/secrets") {
        return reply(
            "200 OK",
            r#"{"kind": "SecretList", "items": [{"data": {"password": "aHVudGVyMi1hbmQtbW9yZQ=="}}]}"#,
        );
    }
    if !first.starts_with("GET /api/v1/nodes") {
        return reply("404 Not Found", "{}");
    }
    if !first.contains("watch=") {
        let list = json!({
            "apiVersion": "v1",
            "kind": "NodeList",
            "metadata": {"resourceVersion": "1"},
            "items": [node("node1", 1, "False", "the network plugin is not ready.")],
        });
        return reply("200 OK", &list.to_string());
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
    client.write_all(head.as_bytes()).ok()?;
    let events = [
        ("MODIFIED", node("node1", 2, "True", "")),
        ("ADDED", node("node2", 3, "Unknown", "")),
        ("MODIFIED", node("node2", 4, "True", "")),
    ];
    for (kind, object) in events {
        // told one by one: each is a state that the program sees
        std::thread::sleep(Duration::from_millis(200));
        let line = json!({"type": kind, "object": object});
        client.write_all(format!("{line}\n").as_bytes()).ok()?;
    }
    // until the program has seen enough
    let _ = client.read(&mut [0; 1]);
    Some(())
}
