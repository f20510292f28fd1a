//! The log of a pod that `run` makes, where following it does not come to the end of it: it is read
//! again or errored, and never judged by a part.

use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::scripted::{Asked, Reply, Scripted, changed, made, not_found};
use crate::support::Finished;
use crate::support::server::{Chunked, begin};
use crate::verbs::{assert_errored, assert_failed, assert_passed};

const PODS: &str = "/api/v1/namespaces/n/pods";
const BEGINNING: &str = "one\ntwo\n";
const WHOLE: &str = "one\ntwo\nthe needle\nfour\n";

/// What has become of the pods, from the first on: a version is how many changes it knows.
#[derive(Clone, Default)]
struct Changes(Arc<Mutex<Vec<Value>>>);

impl Changes {
    fn push(&self, kind: &str, mut pod: Value) {
        let mut changes = self.0.lock().expect("no panic");
        pod["metadata"]["resourceVersion"] = (changes.len() + 1).to_string().into();
        changes.push(changed(kind, &pod));
    }

    fn since(&self, version: usize) -> Vec<Value> {
        self.0.lock().expect("no panic")[version..].to_vec()
    }

    /// The pod, if it is there.
    fn pod(&self) -> Option<Value> {
        let last = self.since(0).pop()?;
        (last["type"] != "DELETED").then(|| last["object"].clone())
    }

    fn set_state(&self, state: &Value) {
        if let Some(mut pod) = self.pod() {
            pod["status"] = json!({"phase": "Running", "containerStatuses": [
                {"name": "run", "restartCount": 0, "state": state}]});
            self.push("MODIFIED", pod);
        }
    }

    fn end_container(&self) {
        self.set_state(&json!({"terminated": {"exitCode": 0}}));
    }

    fn answer(&self, asked: &Asked) -> Option<Reply> {
        match asked.line.split_once(' ')? {
            ("GET", PODS) if asked.is_watch => {
                let (changes, mut known) = (self.clone(), version(&asked.query));
                Some(Reply::Stream(Box::new(move |client| {
                    begin(client, 200, "Content-Type: application/json\r\n")?;
                    loop {
                        for change in changes.since(known) {
                            io::Write::write_all(client, format!("{change}\n").as_bytes())?;
                            known += 1;
                        }
                        std::thread::sleep(Duration::from_millis(10));
                    }
                })))
            }
            ("GET", PODS) => {
                let version = self.since(0).len().to_string();
                let pods: Vec<_> = self.pod().into_iter().collect();
                Some(Reply::Json(
                    200,
                    json!({"kind": "PodList", "apiVersion": "v1",
                           "metadata": {"resourceVersion": version}, "items": pods}),
                ))
            }
            ("POST", PODS) => {
                self.push("ADDED", made(&asked.body));
                self.set_state(&json!({"running": {}}));
                Some(Reply::Json(201, self.pod()?))
            }
            ("DELETE", path) if path.starts_with(PODS) => {
                self.push("DELETED", self.pod()?);
                None
            }
            ("GET", path) if path.starts_with(PODS) => Some(match self.pod() {
                Some(pod) => Reply::Json(200, pod),
                None => not_found(path),
            }),
            _ => None,
        }
    }
}

fn version(query: &str) -> usize {
    let version = query
        .split('&')
        .find_map(|part| part.strip_prefix("resourceVersion="));
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

/// A whole text in good order.
fn text(client: &mut TcpStream, text: &str) -> io::Result<()> {
    let mut body = Chunked::begin(client)?;
    body.write(text)?;
    body.end()
}

/// Runs a pod that logs [`WHOLE`]. `follow` writes what whoever follows it gets, and ends its
/// container; `again` what whoever reads it then gets.
fn run_with(
    follow: fn(&mut TcpStream, &Changes) -> io::Result<()>,
    again: fn(&mut TcpStream) -> io::Result<()>,
) -> (Finished, usize) {
    let changes = Changes::default();
    let readings = Arc::new(Mutex::new(0));
    let count = Arc::clone(&readings);
    let server = Scripted::start(move |asked| {
        if !asked.line.ends_with("/log") {
            return changes.answer(asked);
        }
        let changes = changes.clone();
        Some(Reply::Stream(if asked.query.contains("follow=true") {
            Box::new(move |client| follow(client, &changes))
        } else if asked.query.contains("tailLines=1") {
            Box::new(|client| text(client, "four\n"))
        } else {
            *count.lock().expect("no panic") += 1;
            Box::new(again)
        }))
    });
    let run = server.run(
        r#"
  cases:
    - name: one
      steps:
        - run: {image: a, command: [b]}
          expect: {stdout: {absent: the needle}}
          timeout: 12s
"#,
    );
    let readings = *readings.lock().expect("no panic");
    (run, readings)
}

fn breaks_off(client: &mut TcpStream, changes: &Changes) -> io::Result<()> {
    Chunked::begin(client)?.write(BEGINNING)?;
    client.shutdown(std::net::Shutdown::Both)?;
    changes.end_container();
    Ok(())
}

/// As of an API server that is shut down while the container goes on.
fn ends_early(client: &mut TcpStream, changes: &Changes) -> io::Result<()> {
    text(client, BEGINNING)?;
    client.shutdown(std::net::Shutdown::Both)?;
    std::thread::sleep(Duration::from_millis(500));
    changes.end_container();
    Ok(())
}

/// The same, for longer than an end may take to be known.
fn ends_long_before(client: &mut TcpStream, changes: &Changes) -> io::Result<()> {
    text(client, BEGINNING)?;
    client.shutdown(std::net::Shutdown::Both)?;
    std::thread::sleep(Duration::from_secs(6));
    changes.end_container();
    Ok(())
}

#[test]
fn a_log_that_was_followed_in_part_is_read_again() {
    for follow in [breaks_off, ends_early, ends_long_before] {
        let (run, readings) = run_with(follow, |client| text(client, WHOLE));
        assert_failed(&run, "one", &["stdout contains \"the needle\""]);
        assert_eq!(readings, 1, "{run}");
    }
}

#[test]
fn a_log_that_breaks_off_again_is_errored() {
    for follow in [breaks_off, ends_early] {
        let again = |client: &mut TcpStream| {
            Chunked::begin(client)?.write(BEGINNING)?;
            client.shutdown(std::net::Shutdown::Both)
        };
        let (run, _) = run_with(follow, again);
        assert_errored(&run, "one", &["has ended, and its log could not be read"]);
    }
}

#[test]
fn a_log_whose_beginning_is_gone_meanwhile_is_errored() {
    for follow in [breaks_off, ends_early] {
        let (run, _) = run_with(follow, |client| text(client, "three\nfour\n"));
        assert_errored(&run, "one", &["the beginning of its log is gone"]);
    }
}

#[test]
fn a_log_that_was_followed_to_its_end_is_judged() {
    let whole = |client: &mut TcpStream, changes: &Changes| {
        text(client, "one\nfour\n")?;
        client.shutdown(std::net::Shutdown::Both)?;
        changes.end_container();
        Ok(())
    };
    let (run, readings) = run_with(whole, |client| text(client, WHOLE));
    assert_passed(&run, "one");
    assert_eq!(readings, 0, "{run}");
}
