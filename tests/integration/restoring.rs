//! What a run that was killed had changed is put back by `kubeproof cleanup`: on an API server that
//! keeps what it is told, for the order of requests and for what goes wrong, and on the local cluster.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::scripted::{Asked, Reply, Scripted, not_found};
use crate::support::{
    Finished, Kubeproof, Running, broken_cluster, healthy_cluster, kubectl, labelled,
};
use crate::verbs::{TestNamespace, suite};

/// What must be shown nowhere, as it is and in base64.
const SECRET: [&str; 2] = ["hunter2-and-more", "aHVudGVyMi1hbmQtbW9yZQ=="];

/// The objects of an API server, by their paths.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<BTreeMap<String, Value>>>);

impl Store {
    fn new(objects: &[(&str, Value)]) -> Self {
        let store = Self::default();
        for (path, object) in objects {
            store.put(path, object.clone());
        }
        store
    }

    fn get(&self, path: &str) -> Option<Value> {
        self.0.lock().expect("no panic").get(path).cloned()
    }

    fn put(&self, path: &str, mut object: Value) -> Value {
        let mut objects = self.0.lock().expect("no panic");
        let old = objects.get(path);
        let version = old.and_then(|old| old["metadata"]["resourceVersion"].as_str());
        let version: u32 = version.map_or(0, |version| version.parse().expect("a number"));
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = (version + 1).to_string().into();
        if metadata["uid"].is_null() {
            metadata["uid"] = format!("uid of {path}").into();
            // older than any Lease
            metadata["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        objects.insert(path.to_owned(), object.clone());
        object
    }

    fn remove(&self, path: &str) -> Option<Value> {
        self.0.lock().expect("no panic").remove(path)
    }

    /// The paths of Secrets that say what objects were like.
    fn snapshots(&self) -> Vec<String> {
        let objects = self.0.lock().expect("no panic");
        let those = objects.iter().filter(|(_, object)| {
            object["metadata"]["labels"]["kubeproof.dev/snapshot"].is_string()
        });
        those.map(|(path, _)| path.clone()).collect()
    }

    fn answer(&self, asked: &Asked) -> Option<Reply> {
        let (verb, path) = asked.line.split_once(' ')?;
        let resource = |name: &str, kind: &str| {
            json!({"name": name, "singularName": kind.to_lowercase(), "kind": kind,
                   "namespaced": true, "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"]})
        };
        if path == "/api/v1" {
            let kinds = [
                resource("configmaps", "ConfigMap"),
                resource("secrets", "Secret"),
            ];
            let list = json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": kinds});
            return Some(Reply::Json(200, list));
        }
        let kinds = ["configmaps", "secrets", "leases"];
        let kind = kinds
            .iter()
            .find(|kind| path.contains(&format!("/{kind}")))?;
        let is_collection = path.ends_with(kind);
        if asked.is_watch {
            return None;
        }
        Some(match verb {
            "GET" if is_collection => {
                let objects = self.0.lock().expect("no panic");
                let those = objects
                    .iter()
                    .filter(|(path, _)| path.contains(&format!("/{kind}/")))
                    .map(|(_, object)| object.clone());
                crate::scripted::list(&those.collect::<Vec<_>>())
            }
            "GET" => self
                .get(path)
                .map_or_else(|| not_found(path), |it| Reply::Json(200, it)),
            "POST" => {
                let name = asked.body["metadata"]["name"].as_str()?;
                Reply::Json(201, self.put(&format!("{path}/{name}"), asked.body.clone()))
            }
            "PATCH" => match self.get(path) {
                Some(mut object) => {
                    merge(&mut object, &asked.body);
                    Reply::Json(200, self.put(path, object))
                }
                None => not_found(path),
            },
            "PUT" => Reply::Json(200, self.put(path, asked.body.clone())),
            "DELETE" => match self.remove(path) {
                Some(_) => Reply::Json(200, json!({"kind": "Status", "status": "Success"})),
                None => not_found(path),
            },
            _ => return None,
        })
    }
}

fn merge(object: &mut Value, patch: &Value) {
    let (Value::Object(map), Value::Object(patch)) = (&mut *object, patch) else {
        *object = patch.clone();
        return;
    };
    for (field, patch) in patch {
        match patch {
            Value::Null => drop(map.remove(field)),
            patch => merge(map.entry(field.clone()).or_insert(Value::Null), patch),
        }
    }
}

const MAP: &str = "/api/v1/namespaces/n/configmaps/theirs";
const CREDENTIALS: &str = "/api/v1/namespaces/n/secrets/credentials";

fn map() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "old"},
           "metadata": {"name": "theirs", "namespace": "n", "labels": {"a": "old"}}})
}

fn credentials() -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"password": SECRET[1]},
           "metadata": {"name": "credentials", "namespace": "n", "finalizers": ["example.com/theirs"]}})
}

/// What changes one of them.
const PATCH: &str = "
        - patch: {target: configmap/theirs, patch: {data: {k: new}}}
";

/// What changes both: a patch, and an apply over what is there.
const CHANGES: &str = "
        - patch: {target: configmap/theirs, patch: {metadata: {labels: {a: new, b: new}}, data: {k: new}}}
        - apply: {manifest: {apiVersion: v1, kind: Secret, metadata: {name: credentials, finalizers: [example.com/run]}, stringData: {more: changed-by-the-run}}}
";

fn program(server: &Scripted, arguments: &[&str]) -> Kubeproof {
    let more = ["--kubeconfig", "here.yaml"];
    Kubeproof::new(&[arguments, &more].concat()).file("here.yaml", &server.kubeconfig())
}

fn run_of(server: &Scripted, steps: &str) -> Kubeproof {
    let spec =
        format!("  namespace: {{existing: n}}\n  cases:\n    - name: changes\n      steps:{steps}");
    program(server, &["run", "suite.yaml", "--json", "events.json"])
        .file("suite.yaml", &suite(&spec))
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn kill(mut running: Running) -> (String, Finished) {
    running.until_event("\"case-started\"");
    let id = running.run_id();
    running.signal("KILL");
    (id, running.finish())
}

/// A run that changed both objects and was killed then; its id.
fn killed(server: &Scripted, store: &Store) -> String {
    let running = run_of(server, &format!("{CHANGES}        - sleep: 10m")).start();
    // each says what came of the change
    until("two changes", || {
        let snapshots = store.snapshots();
        snapshots.len() == 2 && snapshots.iter().all(|path| path.ends_with("-2"))
    });
    let (id, run) = kill(running);
    assert_secret_is_hidden(&run);
    assert_eq!(store.get(MAP).expect("it is there")["data"]["k"], "new");
    id
}

#[track_caller]
fn assert_secret_is_hidden(run: &Finished) {
    let events = std::fs::read_to_string(run.path("events.json")).unwrap_or_default();
    for text in [&run.stdout, &run.stderr, &events] {
        assert!(!SECRET.iter().any(|secret| text.contains(secret)), "{run}");
        assert!(!text.contains("changed-by-the-run"), "{run}");
    }
}

/// An object without what every write changes.
fn content(object: Option<Value>) -> Value {
    let mut object = object.expect("it is there");
    for field in ["resourceVersion", "uid", "creationTimestamp"] {
        object["metadata"]
            .as_object_mut()
            .expect("metadata")
            .remove(field);
    }
    object
}

#[test]
fn what_an_object_was_like_is_in_the_cluster_for_as_long_as_it_is_changed() {
    let store = Store::new(&[(MAP, map()), (CREDENTIALS, credentials())]);
    let served = store.clone();
    let server = Scripted::start(move |asked| served.answer(asked));
    let run = run_of(&server, CHANGES).run();
    run.assert_code(0);
    assert_secret_is_hidden(&run);
    let written: Vec<_> = server
        .lines()
        .into_iter()
        .filter(|line| {
            !line.starts_with("GET") && !line.contains("/leases") && !line.contains("review")
        })
        .map(|line| line.replace(&format!("kubeproof-{}", run.run_id()), "kept"))
        .map(|line| line.replace("/api/v1/namespaces/n/", ""))
        .collect();
    let made = "POST secrets";
    let mut expected = Vec::new();
    for (object, number) in [("configmaps/theirs", 1), ("secrets/credentials", 2)] {
        // the answers to each are awaited before the next
        let change = format!("PATCH {object}");
        let older = format!("DELETE secrets/kept-{number}-1");
        expected.extend([made.to_owned(), change, made.to_owned(), older]);
    }
    for (object, number) in [("secrets/credentials", 2), ("configmaps/theirs", 1)] {
        let last = format!("DELETE secrets/kept-{number}-2");
        expected.extend([format!("PUT {object}"), last]);
    }
    assert_eq!(written, expected, "{run}");
    assert_eq!(content(store.get(MAP)), map());
    assert_eq!(store.snapshots(), [""; 0]);
    let first = &server.bodies("POST /api/v1/namespaces/n/secrets")[0];
    assert_eq!(
        first["metadata"]["labels"]["kubeproof.dev/run"],
        run.run_id()
    );
}

#[test]
fn what_a_killed_run_changed_is_put_back() {
    let store = Store::new(&[(MAP, map()), (CREDENTIALS, credentials())]);
    let served = store.clone();
    let server = Scripted::start(move |asked| served.answer(asked));
    let id = killed(&server, &store);
    let shown = program(&server, &["cleanup", "--run", &id, "--dry-run"]).run();
    shown.assert_code(0);
    for object in ["configmap/theirs -n n", "secret/credentials -n n"] {
        let line = format!("  {object}: put back to what it was\n");
        assert!(shown.stdout.contains(&line), "{shown}");
    }
    assert!(!shown.stdout.contains("secret/kubeproof-"), "{shown}");
    assert_eq!(store.snapshots().len(), 2);
    // somebody else goes on with the object
    let mut now = store.get(MAP).expect("it is there");
    now["metadata"]["labels"]["c"] = "theirs".into();
    now["data"]["other"] = "theirs".into();
    store.put(MAP, now);

    let cleaned = program(&server, &["cleanup", "--run", &id, "--yes"]).run();
    cleaned.assert_code(0);
    assert!(
        cleaned
            .stdout
            .contains(" of 1 run, and put back 2 objects\n"),
        "{cleaned}"
    );
    assert_secret_is_hidden(&cleaned);
    let mut expected = map();
    expected["metadata"]["labels"]["c"] = "theirs".into();
    expected["data"]["other"] = "theirs".into();
    assert_eq!(content(store.get(MAP)), expected);
    let credentials_now = content(store.get(CREDENTIALS));
    assert_eq!(credentials_now["metadata"], credentials()["metadata"]);
    assert_eq!(credentials_now["data"], credentials()["data"]);
    assert_eq!(store.snapshots(), [""; 0]);
}

#[test]
fn what_somebody_changed_since_or_is_gone_is_named_with_the_way_out() {
    let store = Store::new(&[(MAP, map()), (CREDENTIALS, credentials())]);
    let served = store.clone();
    let server = Scripted::start(move |asked| served.answer(asked));
    let id = killed(&server, &store);
    let mut now = store.get(MAP).expect("it is there");
    now["data"]["k"] = "theirs".into();
    store.put(MAP, now);
    let changed = store.get(CREDENTIALS).expect("it is there");
    store.remove(CREDENTIALS);
    let clean = || program(&server, &["cleanup", "--run", &id, "--yes"]).run();

    let lost = "it was there before the run and could not be restored";
    let cleaned = clean();
    cleaned.assert_code(5);
    let by_hand = |number: u32| format!("`kubectl delete secret kubeproof-{id}-{number}-2 -n n`");
    for (words, number) in [
        (
            format!("configmap/theirs -n n: {lost}: somebody else has changed it since: data.k; "),
            1,
        ),
        (format!("secret/credentials -n n: {lost}: it is gone; "), 2),
    ] {
        let line = cleaned.stdout.lines().find(|line| line.contains(&words));
        let line = line.unwrap_or_else(|| panic!("{words}\n{cleaned}"));
        assert!(line.contains(&by_hand(number)), "{line}");
    }
    assert_secret_is_hidden(&cleaned);
    // what is still the run's is put back
    let map_now = content(store.get(MAP));
    assert_eq!(map_now["metadata"], map()["metadata"]);
    assert_eq!(map_now["data"], json!({"k": "theirs"}));
    assert_eq!(store.snapshots().len(), 2, "nothing is lost");

    // another of its name is not touched
    let mut recreated = changed;
    recreated["metadata"]["uid"] = "another".into();
    store.put(CREDENTIALS, recreated.clone());
    let cleaned = clean();
    cleaned.assert_code(5);
    let words = format!("secret/credentials -n n: {lost}: another object has its name now; ");
    assert!(cleaned.stdout.contains(&words), "{cleaned}");
    assert_eq!(content(store.get(CREDENTIALS)), content(Some(recreated)));

    // and one that nobody can read says so
    let unreadable = format!("/api/v1/namespaces/n/secrets/kubeproof-{id}-1-2");
    let mut snapshot = store.get(&unreadable).expect("it is there");
    snapshot["data"]["change"] = SECRET[1].into();
    store.put(&unreadable, snapshot);
    let cleaned = clean();
    cleaned.assert_code(5);
    let words = format!(
        "secret/kubeproof-{id}-1-2 -n n: it says what configmap/theirs -n n was like before the run \
         changed it, and cannot be used: `change` in it is not what was written there; by hand: "
    );
    assert!(cleaned.stdout.contains(&words), "{cleaned}");
    assert_secret_is_hidden(&cleaned);
}

#[test]
fn a_secret_in_another_namespace_has_nothing_put_back() {
    let store = Store::new(&[(MAP, map())]);
    let served = store.clone();
    let server = Scripted::start(move |asked| served.answer(asked));
    let running = run_of(&server, &format!("{PATCH}        - sleep: 10m")).start();
    let written = |id: &str| format!("/api/v1/namespaces/n/secrets/kubeproof-{id}-1-2");
    until("a change", || {
        let snapshots = store.snapshots();
        snapshots.len() == 1 && snapshots[0].ends_with("-1-2")
    });
    let (id, _) = kill(running);
    let genuine = store.get(&written(&id)).expect("it is there");
    // whoever may make Secrets in another namespace names the object, or another one
    for (name, shown) in [
        ("b", "configmap/theirs -n n"),
        ("c", "configmap/mine -n dev"),
    ] {
        let mut forged = genuine.clone();
        forged["metadata"] = json!({"name": name, "namespace": "dev",
            "labels": genuine["metadata"]["labels"],
            "annotations": {"kubeproof.dev/snapshot-of": shown}});
        forged["metadata"]["labels"]["kubeproof.dev/snapshot"] = "1-9".into();
        let mut object = map();
        object["data"]["k"] = "forged".into();
        forged["data"]["object"] = BASE64_STANDARD.encode(object.to_string()).into();
        store.put(&format!("/api/v1/namespaces/dev/secrets/{name}"), forged);
    }
    let cleaned = program(&server, &["cleanup", "--run", &id, "--yes"]).run();
    cleaned.assert_code(5);
    for words in [
        "secret/b -n dev: it says what configmap/theirs -n n was like before the run changed it, and \
         cannot be used: no run writes it into another namespace than the object's; ",
        "secret/c -n dev: it says what configmap/mine -n dev was like before the run changed it, and \
         cannot be used: what is in it is about another object, which no run writes; ",
    ] {
        assert!(cleaned.stdout.contains(words), "{cleaned}");
    }
    // what the run itself wrote is good all the same
    assert_eq!(content(store.get(MAP)), map());
    assert_eq!(store.get(&written(&id)), None);
    assert_eq!(store.snapshots().len(), 2);
}

#[test]
fn whoever_may_not_list_secrets_does_not_know_what_was_changed() {
    let store = Store::new(&[(MAP, map()), (CREDENTIALS, credentials())]);
    let served = store.clone();
    let server = Scripted::start(move |asked| served.answer(asked));
    let id = killed(&server, &store);
    let served = store.clone();
    let refusing = Scripted::start(move |asked| match asked.line.as_str() {
        "GET /api/v1/secrets" => Some(forbidden()),
        _ => served.answer(asked),
    });
    let cleaned = program(&refusing, &["cleanup", "--run", &id, "--yes"]).run();
    cleaned.assert_code(3);
    let words = "nothing was found; not looked at: secrets\n";
    assert!(cleaned.stdout.contains(words), "{cleaned}");
    cleaned.assert_stderr("what killed runs changed is written down in Secrets");
    assert_eq!(store.snapshots().len(), 2);
}

fn forbidden() -> Reply {
    let status =
        json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "not you"});
    Reply::Json(403, status)
}

#[test]
fn what_is_written_down_and_of_no_use_any_more_goes_or_is_named() {
    let refused = format!("{PATCH}          expect: {{rejected: true}}\n");
    let deleted = format!("{PATCH}        - delete: {{target: configmap/theirs, foreign: true}}\n");
    for (steps, is_patched) in [(refused, false), (deleted, true)] {
        for (refusals, code) in [(1, 0), (usize::MAX, 5)] {
            let store = Store::new(&[(MAP, map())]);
            let served = store.clone();
            let server = Scripted::start(move |asked| {
                let of_secret = "DELETE /api/v1/namespaces/n/secrets/";
                let is_refused = match asked.line.starts_with(of_secret) {
                    true => asked.before < refusals,
                    false => !is_patched && asked.line == format!("PATCH {MAP}"),
                };
                match is_refused {
                    true => Some(forbidden()),
                    false => served.answer(asked),
                }
            });
            let run = run_of(&server, &steps).run();
            run.assert_code(code);
            let left = format!("secret/kubeproof-{}-1-1 -n n", run.run_id());
            let is_named = run.read("events.json").contains(&left);
            assert_eq!(is_named, code == 5, "{run}");
            assert_eq!(store.snapshots().is_empty(), code == 0, "{run}");
        }
    }
}

#[test]
fn a_write_that_was_given_up_and_comes_after_all_is_put_back() {
    let store = Store::new(&[(MAP, map())]);
    let served = store.clone();
    let server = Scripted::start(move |asked| {
        if asked.line != format!("PATCH {MAP}") {
            return served.answer(asked);
        }
        let served = served.clone();
        Some(Reply::Stream(Box::new(move |stream| {
            // nobody waits for it any more
            let _ = stream.read(&mut [0]);
            std::thread::sleep(Duration::from_millis(300));
            let mut object = served.get(MAP).expect("it is there");
            object["data"]["k"] = "new".into();
            served.put(MAP, object);
            Ok(())
        })))
    });
    let run = run_of(&server, &format!("{PATCH}          timeout: 1s\n")).run();
    // where the run did not wait for it, it comes now
    std::thread::sleep(Duration::from_secs(1));
    let put = server.bodies(&format!("PUT {MAP}"));
    assert_eq!(put.len(), 1, "{run}");
    assert_eq!(content(store.get(MAP)), map(), "{run}");
}

#[test]
fn a_run_that_cannot_write_down_what_it_changes_says_so_and_puts_it_back() {
    let refusals = [
        (403, "Forbidden", "no secrets for you"),
        (
            422,
            "Invalid",
            "data: Too long: must have at most 1048576 bytes",
        ),
    ];
    for (code, reason, message) in refusals {
        let store = Store::new(&[(MAP, map())]);
        let served = store.clone();
        let server = Scripted::start(move |asked| {
            let asked_for = &asked.body["spec"]["resourceAttributes"]["resource"];
            if code == 403 && asked.line.ends_with("accessreviews") && asked_for == "secrets" {
                return Some(Reply::Json(201, json!({"status": {"allowed": false}})));
            }
            let is_refused = asked.line == "POST /api/v1/namespaces/n/secrets";
            is_refused.then(|| {
                let status = json!({"kind": "Status", "code": code, "reason": reason, "message": message});
                Reply::Json(code, status)
            }).or_else(|| served.answer(asked))
        });
        let run = run_of(&server, PATCH).run();
        run.assert_code(0);
        let events = run.read("events.json");
        let told = events.matches("could not be written down in the cluster");
        assert_eq!(told.count(), 1, "{events}");
        assert!(events.contains(message), "{events}");
        let beforehand = "the user ci may not create, delete secrets in namespace n: the suite verbs \
                          needs it to write down there what it changes, and goes on: ";
        assert_eq!(events.contains(beforehand), code == 403, "{events}");
        assert_secret_is_hidden(&run);
        assert_eq!(content(store.get(MAP)), map());
    }
}

#[test]
fn only_whoever_changes_what_others_made_needs_the_right_to_write_it_down() {
    let printed = |step: &str| {
        let spec = format!(
            "  namespace: {{existing: n}}\n  cases:\n    - name: a\n      steps:\n        - {step}"
        );
        let run = Kubeproof::new(&["rbac", "suite.yaml", "-n", "n"])
            .file("suite.yaml", &suite(&spec))
            .run();
        run.assert_code(0);
        run.stdout
    };
    let changes = printed("patch: {target: configmap/theirs, patch: {data: {k: new}}}");
    let rule = "  resources: [\"secrets\"]\n  verbs: [\"create\", \"delete\"]\n";
    assert!(changes.contains(rule), "{changes}");
    assert!(
        changes.contains("# Secrets are made and deleted to write down"),
        "{changes}"
    );
    let makes =
        printed("create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}");
    assert!(!makes.to_lowercase().contains("secret"), "{makes}");
}

#[test]
fn a_change_that_was_refused_leaves_nothing_written_down() {
    let store = Store::new(&[(MAP, map())]);
    let served = store.clone();
    let server = Scripted::start(move |asked| {
        let is_refused = asked.line == format!("PATCH {MAP}");
        is_refused
            .then(|| {
                let status =
                    json!({"kind": "Status", "code": 422, "reason": "Invalid", "message": "no"});
                Reply::Json(422, status)
            })
            .or_else(|| served.answer(asked))
    });
    let steps = format!("{PATCH}          expect: {{rejected: true}}\n        - sleep: 10m\n");
    let mut running = run_of(&server, &steps).start();
    running.until_event("\"case-started\"");
    until("the refusal", || {
        let lines = server.lines();
        lines
            .iter()
            .any(|line| line.starts_with("DELETE /api/v1/namespaces/n/secrets/kubeproof-"))
    });
    assert_eq!(store.snapshots(), [""; 0]);
    running.signal("KILL");
    running.finish();
    assert_eq!(server.bodies("POST /api/v1/namespaces/n/secrets").len(), 1);
}

/// The metadata of an object that users write, and its data or spec.
fn theirs(kind_and_name: &str, namespace: Option<&str>) -> Value {
    let mut arguments = vec!["get", kind_and_name, "-o", "json"];
    arguments.extend(namespace.into_iter().flat_map(|name| ["-n", name]));
    let object: Value = serde_json::from_str(&kubectl(&arguments)).expect("JSON");
    let metadata = &object["metadata"];
    json!({"labels": metadata["labels"], "finalizers": metadata["finalizers"],
           "note": metadata["annotations"]["example.com/note"],
           "data": object["data"], "replicas": object["spec"]["replicas"],
           "template": object["spec"]["template"]})
}

/// How many Secrets of a run say what came of a change.
fn told_changes(run: &str) -> usize {
    let label = format!("kubeproof.dev/snapshot,kubeproof.dev/run={run}");
    let names = kubectl(&["get", "secrets", "-A", "-l", &label, "-o", "name"]);
    names.lines().filter(|name| name.ends_with("-2")).count()
}

#[test]
#[ignore = "needs ci/cluster up"]
fn all_that_a_killed_run_changed_becomes_what_it_was() {
    // whatever is dead is cleaned up
    let _alone = broken_cluster();
    let there = TestNamespace::new("restoring");
    let name = &there.name;
    for object in ["patched", "applied", "contested"] {
        there.kubectl(&["create", "configmap", object, "--from-literal=k=old"]);
        there.kubectl(&["label", "configmap", object, "a=old", "gone=soon"]);
        there.kubectl(&["annotate", "configmap", object, "example.com/note=old"]);
    }
    let finalizers = |object: &str, list: &str| {
        let patch = format!(r#"{{"metadata": {{"finalizers": {list}}}}}"#);
        there.kubectl(&["patch", "configmap", object, "--type=merge", "-p", &patch]);
    };
    finalizers("patched", r#"["example.com/theirs"]"#);
    there.kubectl(&[
        "create",
        "secret",
        "generic",
        "credentials",
        &format!("--from-literal=password={}", SECRET[0]),
    ]);
    there.kubectl(&[
        "create",
        "deployment",
        "web",
        "--image=busybox:1.28",
        "--replicas=0",
    ]);
    let node = kubectl(&["get", "node", "-o", "jsonpath={.items[0].metadata.name}"]);
    let node = format!("node/{node}");
    let objects = [
        "configmap/patched",
        "configmap/applied",
        "secret/credentials",
        "deployment/web",
    ];
    let before: Vec<_> = objects
        .iter()
        .map(|object| theirs(object, Some(name)))
        .collect();
    let node_before = theirs(&node, None);
    let spec = format!(
        r#"
  setup:
    - patch: {{target: configmap/patched, namespace: {name}, patch: {{metadata: {{labels: {{a: setup}}}}}}}}
  cases:
    - name: changes
      steps:
        - patch: {{target: configmap/patched, namespace: {name}, patch: {{metadata: {{labels: {{a: new, gone: null, b: new}}, annotations: {{example.com/note: new}}, finalizers: [example.com/run]}}, data: {{k: new, more: new}}}}}}
        - apply: {{force: true, manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: applied, namespace: {name}, labels: {{a: new}}, finalizers: [example.com/run]}}, data: {{k: new}}}}}}
        - patch: {{target: configmap/contested, namespace: {name}, patch: {{metadata: {{labels: {{a: new}}}}, data: {{k: new}}}}}}
        - patch: {{target: secret/credentials, namespace: {name}, patch: {{stringData: {{password: changed-by-the-run}}}}}}
        - patch: {{target: deployment/web, namespace: {name}, subresource: scale, patch: {{spec: {{replicas: 1}}}}}}
        - patch: {{target: deployment/web, namespace: {name}, type: strategic, patch: {{spec: {{template: {{metadata: {{labels: {{run: changed}}}}}}}}}}}}
        - patch: {{target: {node}, patch: {{metadata: {{labels: {{example.com/run: was-here}}}}}}}}
        - patch: {{target: {node}, subresource: status, patch: {{status: {{capacity: {{example.com/run: "1"}}}}}}}}
        - sleep: 10m
"#
    );
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("suite.yaml", &suite(&spec))
        .start();
    running.until_event("\"case-started\"");
    let id = running.run_id();
    // the Deployment and the node were changed twice each
    until("all is changed", || {
        let status = kubectl(&["get", &node, "-o", "jsonpath={.status.capacity}"]);
        told_changes(&id) == 5 && status.contains("example.com/run") && !secrets_in_doubt(&id)
    });
    let (_, run) = kill(running);
    assert_secret_is_hidden(&run);
    // somebody else goes on
    there.kubectl(&[
        "label",
        "configmap",
        "contested",
        "a=theirs",
        "c=theirs",
        "--overwrite",
    ]);
    there.kubectl(&["label", "configmap", "applied", "c=theirs"]);
    // as its Leases would after 30 s
    for lease in kubectl(&[
        "get",
        "leases",
        "-A",
        "-l",
        &format!("kubeproof.dev/run={id}"),
        "-o",
        r#"jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}"#,
    ])
    .lines()
    {
        let (namespace, lease) = lease.split_once(' ').expect("both");
        let patch = r#"{"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}"#;
        kubectl(&[
            "patch",
            "lease",
            lease,
            "-n",
            namespace,
            "--type=merge",
            "-p",
            patch,
        ]);
    }
    let clean = |more: &[&str]| {
        Kubeproof::new(&[&["cleanup", "--older-than", "0s"], more].concat())
            .env(
                "KUBECONFIG",
                &crate::support::kubeconfig().to_string_lossy(),
            )
            .run()
    };
    let shown = clean(&["--dry-run"]);
    shown.assert_code(0);
    for object in objects
        .iter()
        .map(|object| format!("{object} -n {name}"))
        .chain([node.clone()])
    {
        let line = format!("  {object}: put back to what it was\n");
        assert!(shown.stdout.contains(&line), "{object}\n{shown}");
    }
    let cleaned = clean(&["--yes"]);
    let after: Vec<_> = objects
        .iter()
        .map(|object| theirs(object, Some(name)))
        .collect();
    let node_after = theirs(&node, None);
    let capacity = kubectl(&["get", &node, "-o", "jsonpath={.status.capacity}"]);
    let contested = theirs("configmap/contested", Some(name));
    let left = labelled(&id);
    for object in ["patched", "applied"] {
        finalizers(object, "null");
    }
    let snapshot = kubectl(&[
        "get",
        "secrets",
        "-n",
        name,
        "-l",
        &format!("kubeproof.dev/run={id}"),
        "-o",
        "name",
    ]);

    cleaned.assert_code(5);
    assert_secret_is_hidden(&cleaned);
    for ((object, mut before), after) in objects.iter().zip(before).zip(after) {
        if *object == "configmap/applied" {
            before["labels"]["c"] = "theirs".into();
        }
        assert_eq!(after, before, "{object}\n{cleaned}");
    }
    assert_eq!(node_after, node_before, "{cleaned}");
    assert!(
        !capacity.contains("example.com/run"),
        "{capacity}\n{cleaned}"
    );
    assert_eq!(
        contested["labels"],
        json!({"a": "theirs", "c": "theirs", "gone": "soon"})
    );
    assert_eq!(
        contested["data"],
        json!({"k": "old"}),
        "what is still the run's"
    );
    let words = format!(
        "  configmap/contested -n {name}: it was there before the run and could not be restored: \
         somebody else has changed it since: metadata.labels.a; by hand: "
    );
    assert!(cleaned.stdout.contains(&words), "{cleaned}");
    assert_eq!(cleaned.stdout.matches("by hand: ").count(), 1, "{cleaned}");
    assert_eq!(left.len(), 1, "{left:?}\n{cleaned}");

    // the way out that it says
    let secret = snapshot.trim();
    let output = "go-template={{.data.object | base64decode}}";
    let was: Value =
        serde_json::from_str(&there.kubectl(&["get", secret, "-o", output])).expect("JSON");
    assert_eq!(was["metadata"]["labels"]["a"], "old");
    there.kubectl(&["delete", secret]);
    let cleaned = clean(&["--yes"]);
    cleaned.assert_code(0);
}

/// Whether a Secret of a run has an older one beside it: one of both is about to go or to be told.
fn secrets_in_doubt(run: &str) -> bool {
    let label = format!("kubeproof.dev/snapshot,kubeproof.dev/run={run}");
    let names = kubectl(&["get", "secrets", "-A", "-l", &label, "-o", "name"]);
    let mut numbers: Vec<_> = names
        .lines()
        .filter_map(|name| name.rsplit_once('-'))
        .collect();
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup_by_key(|(number, _)| *number);
    let is_odd = |(_, version): &&(&str, &str)| version.parse::<u32>().is_ok_and(|it| it % 2 == 1);
    all != numbers.len() || numbers.iter().any(|it| is_odd(&it))
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_run_that_is_interrupted_leaves_nothing_written_down() {
    let _cluster = healthy_cluster();
    let there = TestNamespace::new("restoring-int");
    there.kubectl(&["create", "configmap", "patched", "--from-literal=k=old"]);
    let spec = format!(
        r#"
  namespace: {{existing: {}}}
  cases:
    - name: changes
      steps:
        - patch: {{target: configmap/patched, patch: {{data: {{k: new}}}}}}
        - patch: {{target: configmap/patched, patch: {{data: {{k: newer}}}}}}
        - sleep: 10m
"#,
        there.name
    );
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("suite.yaml", &suite(&spec))
        .start();
    running.until_event("\"case-started\"");
    let id = running.run_id();
    until("a change", || {
        let data = there.kubectl(&["get", "configmap", "patched", "-o", "jsonpath={.data.k}"]);
        data == "newer" && !secrets_in_doubt(&id)
    });
    running.signal("INT");
    let run = running.finish();
    run.assert_code(130);
    let data = there.kubectl(&["get", "configmap", "patched", "-o", "jsonpath={.data.k}"]);
    assert_eq!(data, "old", "{run}");
    run.assert_nothing_left();
}
