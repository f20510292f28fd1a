//! No verdict on a state from before the run's last write: on API servers that answer by a script, and
//! whose watches lag.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::scripted::{Asked, Reply, Scripted, changed, not_found};
use crate::verbs::{assert_errored, assert_failed, assert_outcome, assert_passed};

const CONFIG_MAPS: &str = "/api/v1/namespaces/n/configmaps";
const DAEMON_SETS: &str = "/apis/apps/v1/namespaces/n/daemonsets";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/n/deployments";
const PODS: &str = "/api/v1/namespaces/n/pods";

/// Something that happens once.
#[derive(Clone, Default)]
struct Flag(Arc<AtomicBool>);

impl Flag {
    fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits until it has happened, and some time more.
    fn until_set_and(&self, more: Duration) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.is_set() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(more);
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn listed(items: &[Value], version: u32) -> Reply {
    let version = version.to_string();
    Reply::Json(
        200,
        json!({"kind": "List", "metadata": {"resourceVersion": version}, "items": items}),
    )
}

fn object(kind: &str, name: &str, version: u32) -> Value {
    let api_version = match kind {
        "ConfigMap" | "Pod" => "v1",
        _ => "apps/v1",
    };
    json!({"apiVersion": api_version, "kind": kind,
           "metadata": {"name": name, "namespace": "n", "uid": name,
                        "resourceVersion": version.to_string()}})
}

/// A Deployment whose controller has rolled out a generation.
fn deployment(name: &str, version: u32, generation: u32, rolled_out: u32) -> Value {
    let mut deployment = object("Deployment", name, version);
    deployment["metadata"]["generation"] = generation.into();
    deployment["spec"] = json!({"replicas": 1});
    deployment["status"] = json!({"observedGeneration": rolled_out, "replicas": 1,
                                  "updatedReplicas": 1, "availableReplicas": 1});
    deployment
}

fn ready_pod(name: &str) -> Value {
    let mut pod = object("Pod", name, 1);
    pod["status"] =
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    pod
}

#[test]
fn a_list_that_was_asked_for_before_a_patch_does_not_decide_after_it() {
    let (asked_for, patched) = (Flag::default(), Flag::default());
    let server = Scripted::start(move |asked| {
        let [a, b] = ["a", "b"].map(|name| deployment(name, 1, 1, 1));
        let (verb, path) = asked.line.split_once(' ')?;
        match (verb, path.strip_prefix(DEPLOYMENTS)?) {
            _ if asked.is_watch => {
                let event = changed("MODIFIED", &deployment("b", 20, 2, 1));
                Some(Reply::Watch(vec![(5 * SECOND, vec![event])]))
            }
            ("GET", "") if asked.before == 0 => {
                asked_for.set();
                patched.until_set_and(SECOND);
                Some(listed(&[a, b], 10))
            }
            ("GET", "") => Some(listed(&[deployment("b", 20, 2, 1)], 20)),
            ("GET", "/b") => Some(Reply::Json(200, b)),
            ("PATCH", "/b") => {
                asked_for.until_set_and(Duration::ZERO);
                patched.set();
                Some(Reply::Json(200, deployment("b", 20, 2, 1)))
            }
            _ => None,
        }
    });
    let run = server.run(
        r#"
  cases:
    - name: begins the watch
      steps: [{wait: {target: deployment/a, until: rolledOut}}]
    - name: joins it
      steps:
        - patch: {target: deployment/b, patch: {spec: {minReadySeconds: 5}}}
        - wait: {target: deployment/b, until: rolledOut}
          timeout: 3s
"#,
    );
    assert_passed(&run, "begins the watch");
    assert_failed(&run, "joins it", &["deployment/b", "was not rolled out"]);
}

/// A ConfigMap that is made while a list is on its way that does not have it. A watch tells 3 s later
/// that it is there, is going, and is gone.
fn late_config_map() -> impl Fn(&Asked) -> Option<Reply> + Send + Sync {
    let (asked_for, deleted) = (Flag::default(), Flag::default());
    let made = Mutex::new(None::<Value>);
    move |asked| {
        let (verb, path) = asked.line.split_once(' ')?;
        let going = |version: u32| {
            let mut object = made.lock().expect("a lock").clone().unwrap_or_default();
            object["metadata"]["resourceVersion"] = version.to_string().into();
            object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            object["metadata"]["finalizers"] = json!(["example.com/held"]);
            object
        };
        match (verb, path.strip_prefix(CONFIG_MAPS)?) {
            _ if asked.is_watch => {
                let there = made.lock().expect("a lock").clone()?;
                let events = vec![
                    changed("ADDED", &there),
                    changed("MODIFIED", &going(21)),
                    changed("DELETED", &going(22)),
                ];
                Some(Reply::Watch(vec![(3 * SECOND, events)]))
            }
            ("GET", "") => {
                asked_for.set();
                deleted.until_set_and(SECOND);
                Some(listed(&[], 10))
            }
            ("POST", "") => {
                asked_for.until_set_and(Duration::ZERO);
                let mut object = asked.body.clone();
                object["metadata"]["uid"] = "late".into();
                object["metadata"]["resourceVersion"] = "20".into();
                *made.lock().expect("a lock") = Some(object.clone());
                Some(Reply::Json(201, object))
            }
            ("GET", "/late") => Some(match made.lock().expect("a lock").clone() {
                Some(object) => Reply::Json(200, object),
                None => not_found("late"),
            }),
            ("DELETE", "/late") => {
                deleted.set();
                Some(Reply::Json(200, going(21)))
            }
            _ => None,
        }
    }
}

const CREATES_LATE: &str =
    "{create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: late}}}}";

#[test]
fn what_is_still_there_is_not_gone_as_it_is_in_no_list_yet() {
    let case = |steps: &str| {
        format!(
            "  cases:\n    - name: begins the watch\n      steps: [{{assert: {{target: configmap, count: 0}}}}]\n    \
             - name: joins it\n      steps: [{CREATES_LATE}{steps}]\n"
        )
    };
    let server = Scripted::start(late_config_map());
    let run = server.run(&case(", {delete: {target: configmap/late}}"));
    run.assert_code(0);
    let joined = assert_passed(&run, "joins it");
    assert!(joined.took >= 3.5, "{}", joined.took);
    // the same in cleanup
    let server = Scripted::start(late_config_map());
    let run = server.run(&case(""));
    run.assert_code(0);
    assert!(run.took >= 4 * SECOND, "{:?}", run.took);
}

#[test]
fn a_rule_that_was_just_deleted_may_still_be_believed() {
    let server = Scripted::start(|asked| {
        if asked.line.ends_with("/subjectaccessreviews") {
            let allowed = asked.before < 3;
            let body = json!({"status": {"allowed": allowed, "reason": "r"}});
            return Some(Reply::Json(201, body));
        }
        (asked.line.starts_with("GET ") && asked.line.ends_with("/rolebindings/a")).then(|| {
            let object = json!({"metadata": {"name": "a", "namespace": "n", "uid": "u",
                                             "resourceVersion": "1"}});
            Reply::Json(200, object)
        })
    });
    let can = "{can: {as: 'system:serviceaccount:n:ci', verb: get, resource: pods}, expect: {allowed: false}}";
    for rules in [
        "{delete: {target: rolebinding/a, foreign: true}}",
        "{script: 'true'}",
    ] {
        let run = server.run(&format!(
            "  cases:\n    - name: one\n      steps: [{rules}, {can}]\n"
        ));
        assert_passed(&run, "one");
    }
}

#[test]
fn what_a_last_look_did_not_find_is_not_found_by_a_watch_that_lags() {
    let server = Scripted::start(|asked| {
        let (verb, path) = asked.line.split_once(' ')?;
        match (verb, path.strip_prefix(PODS)?) {
            _ if asked.is_watch => None,
            ("GET", "") if asked.before == 0 => Some(listed(&[ready_pod("one")], 10)),
            ("GET", "") => Some(listed(&[], 20)),
            ("GET", "/one") => Some(Reply::Json(200, ready_pod("one"))),
            _ => None,
        }
    });
    let run = server.run(
        r#"
  cases:
    - name: one
      steps:
        - wait: {target: pod/one, until: exists}
        - delete: {target: pod/one, foreign: true}
          timeout: 1s
        - wait: {target: pod/one, until: exists}
          timeout: 1s
"#,
    );
    assert_failed(&run, "one", &["does not exist"]);
}

/// A Deployment that is rolled out in the first list and not in those after it, of which the watch
/// says nothing; how often it was listed.
fn changed_by_others() -> (Scripted, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let lists = Arc::clone(&count);
    let server = Scripted::start(move |asked| {
        if asked.line.contains("/proxy/") {
            return Some(Reply::Json(200, json!({})));
        }
        if asked.is_watch || asked.line.strip_prefix("GET ")? != DEPLOYMENTS {
            return None;
        }
        let items = match lists.fetch_add(1, Ordering::SeqCst) {
            0 => deployment("web", 10, 1, 1),
            _ => deployment("web", 20, 2, 1),
        };
        Some(listed(&[items], 20))
    });
    (server, count)
}

#[test]
fn what_may_have_written_anything_makes_the_next_look_anew() {
    let http =
        |method: &str| format!("http: {{service: web, port: 80, path: /, method: {method}}}");
    for (step, outcome) in [
        ("sleep: 10ms".to_owned(), "passed"),
        (http("GET"), "passed"),
        (http("POST"), "failed"),
        ("script: 'true'".to_owned(), "failed"),
        ("command: ['true']".to_owned(), "failed"),
        (
            "foreach: {i: [1], steps: [{script: 'true'}]}".to_owned(),
            "failed",
        ),
    ] {
        let (server, _) = changed_by_others();
        let run = server.run(&format!(
            r#"
  cases:
    - name: one
      steps:
        - wait: {{target: deployment/web, until: exists}}
        - {step}
        - wait: {{target: deployment/web, until: rolledOut}}
          timeout: 1s
"#
        ));
        assert_outcome(&run, "one", outcome, &[]);
    }
}

#[test]
fn all_that_comes_after_a_program_shares_one_list() {
    let (server, lists) = changed_by_others();
    let run = server.run(
        r#"
  cases:
    - name: one
      steps:
        - wait: {target: deployment/web, until: exists}
        - script: "true"
        - script: "true"
    - name: two
      needs: [one]
      steps:
        - wait: {target: deployment/web, until: exists}
        - assert: {target: deployment/web, each: {that: "object.metadata.generation == 2"}}
        - wait: {target: deployment/web, until: exists}
        - foreach:
            i: [1, 2, 3]
            steps: [{assert: {target: deployment, count: 1}}]
"#,
    );
    run.assert_code(0);
    let two = assert_passed(&run, "two");
    assert!(two.took < 10.0, "not by a last look: {}", two.took);
    assert_eq!(lists.load(Ordering::SeqCst), 2, "{run}");
}

#[test]
fn what_cleanup_puts_back_is_waited_for_too() {
    let (patched, put_back) = (Flag::default(), Flag::default());
    let server = Scripted::start(move |asked| {
        let now = || match (patched.is_set(), put_back.is_set()) {
            (_, true) => deployment("web", 30, 3, 2),
            (true, _) => {
                let mut patched = deployment("web", 20, 2, 2);
                patched["spec"]["minReadySeconds"] = 5.into();
                patched
            }
            _ => deployment("web", 10, 1, 1),
        };
        let (verb, path) = asked.line.split_once(' ')?;
        match (verb, path.strip_prefix(DEPLOYMENTS)?) {
            // it stays at what the patch made
            _ if asked.is_watch => {
                let event = changed("MODIFIED", &deployment("web", 20, 2, 2));
                return Some(Reply::Watch(vec![(SECOND, vec![event])]));
            }
            ("GET", "") => return Some(listed(&[now()], 10)),
            ("PATCH", "/web") => patched.set(),
            ("PUT", "/web") => put_back.set(),
            _ => {}
        }
        Some(Reply::Json(200, now()))
    });
    let run = server.run(
        r#"
  cases:
    - name: changes
      steps:
        - wait: {target: deployment/web, until: exists}
        - patch: {target: deployment/web, patch: {spec: {minReadySeconds: 5}}}
        - wait: {target: deployment/web, until: rolledOut}
    - name: comes after
      needs: [changes]
      steps:
        - wait: {target: deployment/web, until: rolledOut}
          timeout: 2s
"#,
    );
    assert_passed(&run, "changes");
    assert_failed(&run, "comes after", &["was not rolled out"]);
}

#[test]
fn what_is_enough_per_node_is_not_judged_by_a_watch_that_lags() {
    let server = Scripted::start(|asked| {
        let set = |version: u32, generation: u32| {
            let mut set = object("DaemonSet", "web", version);
            set["metadata"]["generation"] = generation.into();
            set["status"] = json!({"observedGeneration": 1, "desiredNumberScheduled": 2,
                                   "updatedNumberScheduled": 2, "numberAvailable": 1});
            set
        };
        let (verb, path) = asked.line.split_once(' ')?;
        if path == "/apis/apps/v1" {
            let resource = json!({"name": "daemonsets", "singularName": "daemonset",
                                  "kind": "DaemonSet", "namespaced": true,
                                  "verbs": ["get", "list", "watch", "patch", "update"]});
            let body = json!({"kind": "APIResourceList", "groupVersion": "apps/v1",
                              "resources": [resource]});
            return Some(Reply::Json(200, body));
        }
        if asked.is_watch {
            return None;
        }
        if path == PODS {
            let mut pod = ready_pod("web-1");
            pod["metadata"]["ownerReferences"] = json!([
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "web", "uid": "web",
                 "controller": true}]);
            return Some(listed(&[pod], 10));
        }
        match (verb, path.strip_prefix(DAEMON_SETS)?) {
            ("GET", "") if asked.before == 0 => Some(listed(&[set(10, 1)], 10)),
            ("GET", "") => Some(listed(&[set(20, 2)], 20)),
            ("GET", "/web") => Some(Reply::Json(200, set(10, 1))),
            ("PATCH", "/web") => Some(Reply::Json(200, set(20, 2))),
            _ => None,
        }
    });
    let run = server.run(
        r#"
  cases:
    - name: one
      steps:
        - wait: {target: daemonset/web, until: exists}
        - patch: {target: daemonset/web, patch: {spec: {minReadySeconds: 5}}}
        - wait: {target: daemonset/web, until: rolledOut, perNode: true}
          timeout: 1s
"#,
    );
    assert_errored(&run, "one", &["the watch is behind the run's last write"]);
}

#[test]
fn what_is_enough_per_node_is_not_judged_by_pods_that_nobody_has_read() {
    let server = Scripted::start(|asked| {
        let path = asked.line.strip_prefix("GET ")?;
        if path == "/apis/apps/v1" {
            let resource = json!({"name": "daemonsets", "singularName": "daemonset",
                                  "kind": "DaemonSet", "namespaced": true,
                                  "verbs": ["get", "list", "watch"]});
            let body = json!({"kind": "APIResourceList", "groupVersion": "apps/v1",
                              "resources": [resource]});
            return Some(Reply::Json(200, body));
        }
        if asked.is_watch {
            return None;
        }
        if path == PODS || path == "/api/v1/nodes" {
            // what the watches ask for comes too late
            if asked.before == 0 {
                std::thread::sleep(4 * SECOND);
            }
            let mut pod = ready_pod("web-1");
            pod["metadata"]["ownerReferences"] = json!([
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "web", "uid": "web",
                 "controller": true}]);
            let pods = [pod];
            return Some(listed(if path == PODS { &pods } else { &[] }, 10));
        }
        let mut set = object("DaemonSet", "web", 10);
        set["metadata"]["generation"] = 1.into();
        set["status"] = json!({"observedGeneration": 1, "desiredNumberScheduled": 2,
                               "updatedNumberScheduled": 2, "numberAvailable": 1});
        match path.strip_prefix(DAEMON_SETS)? {
            "" => Some(listed(&[set], 10)),
            "/web" => Some(Reply::Json(200, set)),
            _ => None,
        }
    });
    let run = server.run(
        r#"
  cases:
    - name: one
      steps:
        - wait: {target: daemonset/web, until: exists}
        - wait: {target: daemonset/web, until: rolledOut, perNode: true}
          timeout: 1s
"#,
    );
    assert_passed(&run, "one");
}

/// A ConfigMap that was there before the run, as it is with some data.
fn shared(version: u32, value: &str) -> Value {
    let mut object = object("ConfigMap", "shared", version);
    object["data"] = json!({"value": value});
    object
}

#[test]
fn what_was_read_before_another_case_put_it_back_is_not_put_back() {
    let (patched, put_back, again) = (Flag::default(), Flag::default(), Flag::default());
    let restored = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&restored);
    let reads = AtomicUsize::new(0);
    let server = Scripted::start(move |asked| {
        let (verb, path) = asked.line.split_once(' ')?;
        let now = || match (again.is_set(), put_back.is_set(), patched.is_set()) {
            (true, ..) => shared(40, "second"),
            (_, true, _) => shared(30, "theirs"),
            (.., true) => shared(20, "first"),
            _ => shared(10, "theirs"),
        };
        match (verb, path.strip_prefix(CONFIG_MAPS)?) {
            ("GET", "/patched") => {
                patched.until_set_and(Duration::ZERO);
                Some(Reply::Json(200, object("ConfigMap", "patched", 1)))
            }
            ("GET", "/shared") => {
                let now = now();
                // the first case sleeps: this is the other one's, and is on its way for long
                if patched.is_set() && reads.fetch_add(1, Ordering::SeqCst) == 0 {
                    put_back.until_set_and(SECOND / 2);
                }
                Some(Reply::Json(200, now))
            }
            ("PATCH", "/shared") if !patched.is_set() => {
                patched.set();
                Some(Reply::Json(200, now()))
            }
            ("PATCH", "/shared") => {
                again.set();
                Some(Reply::Json(200, now()))
            }
            ("PUT", "/shared") => {
                let value = asked.body["data"]["value"].clone();
                kept.lock().expect("a lock").push(value.clone());
                put_back.set();
                Some(Reply::Json(
                    200,
                    shared(30, value.as_str().unwrap_or_default()),
                ))
            }
            _ => None,
        }
    });
    let run = server.run(
        r#"
  cases:
    - name: changes it first
      steps:
        - patch: {target: configmap/shared, patch: {data: {value: first}}}
        - sleep: 2s
    - name: has read it meanwhile
      steps:
        - get: {target: configmap/patched}
        - patch: {target: configmap/shared, patch: {data: {value: second}}}
"#,
    );
    assert_passed(&run, "changes it first");
    assert_passed(&run, "has read it meanwhile");
    let restored = restored.lock().expect("a lock");
    assert_eq!(*restored, ["theirs", "theirs"]);
}

#[test]
fn what_another_case_has_changed_is_not_deleted() {
    let (patched, deleted) = (Flag::default(), Flag::default());
    let server = Scripted::start(move |asked| {
        let (verb, path) = asked.line.split_once(' ')?;
        match (verb, path.strip_prefix(CONFIG_MAPS)?) {
            _ if asked.is_watch => None,
            ("GET", "") => {
                patched.until_set_and(Duration::ZERO);
                Some(listed(&[shared(20, "changed")], 20))
            }
            ("GET" | "PUT", "/shared") if deleted.is_set() => Some(not_found("shared")),
            ("GET", "/shared") => Some(Reply::Json(200, shared(10, "theirs"))),
            ("PUT", "/shared") => Some(Reply::Json(200, shared(30, "theirs"))),
            ("PATCH", "/shared") => {
                patched.set();
                Some(Reply::Json(200, shared(20, "changed")))
            }
            ("DELETE", "/shared") => {
                deleted.set();
                None
            }
            _ => None,
        }
    });
    let run = server.run(
        r#"
  cases:
    - name: changes it
      steps:
        - patch: {target: configmap/shared, patch: {data: {value: changed}}}
        - sleep: 3s
    - name: deletes it
      steps:
        - wait: {target: configmap/shared, until: exists}
        - delete: {target: configmap/shared, foreign: true}
"#,
    );
    assert_passed(&run, "changes it");
    assert_errored(&run, "deletes it", &["by the case \"changes it\" already"]);
}

#[test]
fn what_no_watch_saw_did_not_hold() {
    let server = Scripted::start(|asked| {
        if asked.is_watch || asked.line.strip_prefix("GET ")? != PODS {
            return None;
        }
        // only what is read apart is answered in time
        if !asked.query.contains("fieldSelector") {
            std::thread::sleep(5 * SECOND);
        }
        Some(listed(&[ready_pod("one")], 10))
    });
    let run = server.run(
        r#"
  cases:
    - name: one
      steps:
        - assert: {target: pod/one, count: 1, for: 1s}
          timeout: 1s
"#,
    );
    assert_errored(&run, "one", &["whether it held for 1s was not seen"]);
}

#[test]
fn what_is_kept_after_it_was_hopeless_costs_nothing() {
    let pod = |version: u32, reason: &str, message: &str| {
        let mut pod = object("Pod", "one", version);
        pod["status"] = json!({"phase": "Pending", "containerStatuses": [
            {"name": "main", "state": {"waiting": {"reason": reason, "message": message}}}]});
        pod
    };
    let server = Scripted::start(move |asked| {
        if asked.line.strip_prefix("GET ")? != PODS {
            return None;
        }
        let backs_off = pod(11, "ImagePullBackOff", "Back-off pulling image \"r/a:1\"");
        if asked.is_watch {
            let event = changed("MODIFIED", &backs_off);
            return Some(Reply::Watch(vec![(SECOND / 5, vec![event])]));
        }
        if asked.before > 0 {
            return Some(listed(&[backs_off], 11));
        }
        let missing = "failed to resolve reference \"r/a:1\": r/a:1: not found";
        Some(listed(&[pod(10, "ErrImagePull", missing)], 10))
    });
    let mut running = server
        .prepare(
            r#"
  defaults: {timeouts: {settle: 1s}}
  cases:
    - name: one
      steps:
        - wait: {target: pod/one, until: {condition: Ready}}
          timeout: 6s
"#,
        )
        .start();
    running.until_event("step-waits");
    std::thread::sleep(2 * SECOND);
    let before = running.cpu_time();
    std::thread::sleep(2 * SECOND);
    let spent = running.cpu_time() - before;
    let run = running.finish();
    assert_failed(&run, "one", &["ImagePullBackOff"]);
    assert!(spent < SECOND / 4, "{spent:?} within 2 s of waiting");
}
