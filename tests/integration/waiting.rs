//! What is waited for, what is given up, and by which clock: on API servers that answer by a script.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::scripted::{Asked, Reply, Scripted, changed, list};
use crate::verbs::{assert_errored, assert_failed, assert_passed};

fn pod(version: u32, status: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": "one", "namespace": "n", "uid": "u",
                        "resourceVersion": version.to_string(), "labels": {"v": "latest"}},
           "spec": {"nodeName": "node1"}, "status": status})
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"phase": "Pending", "containerStatuses": [
        {"name": "main", "state": {"waiting": {"reason": reason, "message": message}}}]})
}

fn ready() -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
}

const PODS: &str = "GET /api/v1/namespaces/n/pods";

/// One pod, and what becomes of it.
fn pod_that(
    first: Value,
    then: Vec<(Duration, Vec<Value>)>,
) -> impl Fn(&Asked) -> Option<Reply> + Send + Sync {
    move |asked| match (asked.line == PODS, asked.is_watch) {
        (false, _) => None,
        (true, false) => Some(list(&[pod(1, first.clone())])),
        (true, true) => Some(Reply::Watch(then.clone())),
    }
}

#[test]
fn a_pull_that_may_succeed_later_is_waited_for_and_told() {
    let obstacles = [
        waiting(
            "ErrImagePull",
            "failed to resolve reference \"r/a:1\": unexpected status from HEAD request: \
             429 Too Many Requests: toomanyrequests: You have reached your pull rate limit",
        ),
        waiting(
            "ImagePullBackOff",
            "Back-off pulling image \"r/a:1\": ErrImagePull: dial tcp 192.0.2.1:443: i/o timeout",
        ),
        waiting("CreateContainerConfigError", "configmap \"late\" not found"),
        json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
               "reason": "Unschedulable", "message": "0/3 nodes are available: 3 node(s) had \
               untolerated taint(s) {node.cloudprovider.kubernetes.io/uninitialized: true}."}]}),
    ];
    for obstacle in obstacles {
        let later = vec![(
            Duration::from_secs(2),
            vec![changed("MODIFIED", &pod(2, ready()))],
        )];
        let server = Scripted::start(pod_that(obstacle.clone(), later));
        let run = server.run(
            r#"
  defaults: {timeouts: {settle: 500ms}}
  cases:
    - name: one
      steps:
        - wait: {target: pod/one, until: {condition: Ready}}
          timeout: 30s
"#,
        );
        run.assert_code(0);
        let one = assert_passed(&run, "one");
        assert!(one.took >= 1.9, "{}", one.took);
        let waits = run.events("step-waits");
        assert_eq!(waits.len(), 1, "told once: {run}");
        assert!(
            waits[0]["why"].as_str().unwrap().starts_with("pod/one: "),
            "{run}"
        );
        let waited = &run.events("step-waited")[0];
        assert!(waited["took"].as_f64().unwrap() >= 1.9, "{waited}");
        run.assert_stderr("verbs: pod/one in n came after 2.");
    }
}

#[test]
fn a_time_out_quotes_what_the_cluster_was_still_trying() {
    let server = Scripted::start(pod_that(
        waiting("ErrImagePull", "toomanyrequests"),
        Vec::new(),
    ));
    let run = server.run(
        r#"
  cases:
    - name: one
      steps:
        - wait: {target: pod/one, until: {condition: Ready}}
          timeout: 1s
"#,
    );
    assert_failed(
        &run,
        "one",
        &[
            "ErrImagePull: toomanyrequests",
            "within 1s (the step's timeout)",
        ],
    );
}

#[test]
fn what_does_not_heal_by_itself_is_told_soon() {
    let invalid = waiting("InvalidImageName", "couldn't parse image name \"A:::b\"");
    let server = Scripted::start(pod_that(invalid, Vec::new()));
    let run = server.run(
        r#"
  defaults: {timeouts: {settle: 1s}}
  cases:
    - name: the suite's
      steps:
        - wait: {target: pod/one, until: {condition: Ready}}
          timeout: 60s
    - name: its own
      steps:
        - wait: {target: pod/one, until: {condition: Ready}, settle: 3s}
          timeout: 60s
    - name: at once
      steps:
        - wait: {target: pod/one, until: {condition: Ready}, settle: 0s}
          timeout: 60s
"#,
    );
    run.assert_code(1);
    let words = ["pod/one: container \"main\": InvalidImageName: couldn't parse image name"];
    let soon = assert_failed(&run, "the suite's", &[&words[..], &["for 1s now"]].concat());
    assert!((1.0..2.5).contains(&soon.took), "{}", soon.took);
    let later = assert_failed(&run, "its own", &[&words[..], &["for 3s now"]].concat());
    assert!((3.0..4.5).contains(&later.took), "{}", later.took);
    assert!(assert_failed(&run, "at once", &words).took < 1.0, "{run}");
}

#[test]
fn a_name_that_is_pushed_while_it_settles_is_waited_for() {
    let missing = "failed to resolve reference \"r/a:1\": r/a:1: not found";
    let backs_off = waiting("ImagePullBackOff", "Back-off pulling image \"r/a:1\"");
    let second = Duration::from_secs(1);
    let later = vec![
        (second, vec![changed("MODIFIED", &pod(2, backs_off))]),
        (second, vec![changed("MODIFIED", &pod(3, ready()))]),
    ];
    let server = Scripted::start(pod_that(waiting("ErrImagePull", missing), later));
    let run = server.run(
        r#"
  cases:
    - name: one
      steps: [{wait: {target: pod/one, until: {condition: Ready}, settle: 5s}}]
"#,
    );
    assert_passed(&run, "one");
}

#[test]
fn a_wait_that_is_cut_says_what_it_waited_for() {
    let unschedulable = json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3"}]});
    let server = Scripted::start(pod_that(unschedulable, Vec::new()));
    let wait = "wait: {target: pod/one, until: {condition: Ready}}";
    let words = "while it waited: pod/one: Unschedulable: 0/3";
    let run = server.run(&format!(
        "  timeout: 1s\n  cases:\n    - name: one\n      steps: [{{{wait}}}]\n"
    ));
    let why = &run.events("case-finished")[0]["why"]["message"];
    let why = why.as_str().unwrap();
    assert!(why.starts_with("the suite's timeout passed; "), "{why}");
    assert!(why.contains(words), "{why}");
    let run = server.run(&format!(
            "  timeout: 1s\n  setup: [{{{wait}}}]\n  cases:\n    - name: one\n      steps: [{{sleep: 1s}}]\n"
        ),
    );
    let why = &run.events("case-finished")[0]["why"]["message"];
    assert!(why.as_str().unwrap().contains(words), "{why}");
}

#[test]
fn what_a_where_cannot_be_asked_of_is_errored_at_every_look() {
    let server = Scripted::start(pod_that(ready(), Vec::new()));
    let run = server.run(r#"
  cases:
    - name: absent at once
      steps:
        - absent: {target: pod, where: {that: "object.metadata.labels.v | version < '2' | version"}}
          timeout: 0s
    - name: absent
      steps:
        - absent: {target: pod, where: {that: "object.metadata.labels.v | version < '2' | version"}}
          timeout: 1s
    - name: count
      steps:
        - assert: {target: pod, where: {that: "object.metadata.labels.v | version < '2' | version"}, count: 0}
          timeout: 0s
    - name: none
      steps:
        - assert: {target: pod, where: {that: "object.metadata.labels.v | version < '2' | version"}, allowEmpty: true, none: {that: "true"}}
          timeout: 0s
    - name: during
      steps:
        - during:
            every: 100ms
            absent: {target: pod, where: {that: "object.metadata.labels.v | version < '2' | version"}}
            steps: [{sleep: 500ms}]
"#,
    );
    run.assert_code(3);
    for case in ["absent at once", "absent", "count", "none", "during"] {
        assert_errored(&run, case, &["latest"]);
    }
}

/// The label `v` is `latest`, which is neither more than 2 nor not; there is no label `w`.
#[test]
fn what_cannot_be_compared_decides_no_verdict() {
    let more = |label: &str| format!("{{metadata: {{labels: {{{label}: {{$gt: 2}}}}}}}}");
    let (odd, unset) = (more("v"), more("w"));
    let not = |label: &str| format!("{{metadata: {{labels: {{{label}: {{$not: {{$gt: 2}}}}}}}}}}");
    let (not_odd, not_unset) = (not("v"), not("w"));
    let other = "{metadata: {name: other, labels: {v: {$gt: 2}}}}";
    let errored = [
        ("none", format!("assert: {{target: pod, none: {{match: {odd}}}}}")),
        ("absent", format!("absent: {{target: pod, where: {{match: {odd}}}}}")),
        ("count", format!("assert: {{target: pod, where: {{match: {odd}}}, count: 0}}")),
        ("where", format!("assert: {{target: pod, where: {{match: {odd}}}, allowEmpty: true, each: {{that: \"true\"}}}}")),
        ("get", format!("get: {{target: pod, where: {{match: {odd}}}}}")),
        ("not", format!("assert: {{target: pod, match: {not_odd}}}")),
        ("any not", format!("assert: {{target: pod, any: {{match: {not_odd}}}}}")),
        ("where not", format!("absent: {{target: pod, where: {{match: {not_odd}}}}}")),
        ("until not", format!("wait: {{target: pod/one, until: {{match: {not_odd}}}}}")),
        ("unless", format!("wait: {{target: pod/one, until: exists, unless: {{match: {odd}}}}}")),
        ("gone", format!("wait: {{target: pod, where: {{match: {odd}}}, until: deleted}}")),
        ("during", format!("during: {{every: 100ms, absent: {{target: pod, where: {{match: {odd}}}}}, steps: [{{sleep: 500ms}}]}}")),
        (
            "output",
            "script: {text: 'printf ''{\"v\": \"latest\"}'''}\n          expect: {stdout: {json: {v: {$not: {$gt: 2}}}}}".to_owned(),
        ),
    ];
    let failed = [
        (
            "match",
            format!("assert: {{target: pod/one, match: {odd}}}"),
        ),
        (
            "any",
            format!("assert: {{target: pod, any: {{match: {odd}}}}}"),
        ),
        (
            "until",
            format!("wait: {{target: pod/one, until: {{match: {odd}}}}}"),
        ),
        (
            "both",
            format!("assert: {{target: pod, none: {{match: {odd}}}, count: 7}}"),
        ),
    ];
    let passed = [
        ("none unset", format!("assert: {{target: pod, none: {{match: {unset}}}}}")),
        ("not unset", format!("assert: {{target: pod, match: {not_unset}}}")),
        ("absent unset", format!("absent: {{target: pod, where: {{match: {unset}}}}}")),
        ("other", format!("absent: {{target: pod, where: {{match: {other}}}}}")),
        ("guarded", "absent: {target: pod, where: {match: {metadata: {name: other}}, that: \"object.metadata.labels.v | version < '2' | version\"}}".to_owned()),
    ];
    let mut suite = "\n  cases:\n".to_owned();
    for (name, step) in errored.iter().chain(&failed).chain(&passed) {
        suite += &format!("    - name: {name}\n      steps:\n        - {step}\n");
        if !step.starts_with("during") {
            suite += "          timeout: 1s\n";
        }
    }
    let server = Scripted::start(pod_that(ready(), Vec::new()));
    let run = server.run(&suite);
    run.assert_code(1);
    for (name, step) in &errored {
        let words: &[&str] = match step.starts_with("script") {
            true => &["v: expected not more than 2, is \"latest\""],
            false => &["pod/one", "metadata.labels.v", "\"latest\""],
        };
        assert_errored(&run, name, words);
    }
    for (name, step) in &failed {
        let words: &[&str] = match step.contains("count") {
            true => &["expected 7"],
            false => &["pod/one: metadata.labels.v: expected more than 2, is \"latest\""],
        };
        assert_failed(&run, name, words);
    }
    for (name, _) in &passed {
        assert_passed(&run, name);
    }
}

#[test]
fn what_is_calculated_of_fields_that_come_later_is_waited_for() {
    let counts = |number: u32, a: Option<u64>| {
        let mut status = ready();
        status["b"] = json!(3);
        status["a"] = json!(a);
        changed("MODIFIED", &pod(number, status))
    };
    let second = Duration::from_secs(1);
    let later = vec![
        (second, vec![counts(2, None)]),
        (second, vec![counts(3, Some(2))]),
        (second, vec![counts(4, Some(3))]),
    ];
    let server = Scripted::start(pod_that(ready(), later));
    let run = server.run(
        r#"
  cases:
    - name: difference
      steps: [{wait: {target: pod/one, until: {that: "object.status.a - object.status.b == 0"}}}]
    - name: product
      steps: [{assert: {target: pod/one, that: "object.status.a * object.status.b == 9"}}]
    - name: sum
      steps: [{wait: {target: pod/one, until: {that: "[object.status.a, object.status.b] | sum == 6"}}}]
    - name: never
      steps: [{wait: {target: pod/one, until: {that: "object.status.never // 2 == 0"}}, timeout: 1s}]
"#,
    );
    run.assert_code(1);
    for case in ["difference", "product", "sum"] {
        assert_passed(&run, case);
    }
    assert_failed(&run, "never", &["object.status.never", "is not set"]);
}

#[test]
fn a_break_is_seen_however_short_it_is() {
    let gone = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]});
    let at_once = vec![(
        Duration::from_secs(1),
        vec![
            changed("MODIFIED", &pod(2, gone)),
            changed("MODIFIED", &pod(3, ready())),
        ],
    )];
    let server = Scripted::start(pod_that(ready(), at_once));
    let run = server.run(r#"
  cases:
    - name: one
      steps:
        - assert: {target: pod/one, any: {that: "object.status.conditions[0].status == 'True'"}, for: 3s}
"#,
    );
    run.assert_code(1);
    let one = assert_failed(&run, "one", &["it held, but not for 3s"]);
    assert!(one.took < 2.5, "at once: {}", one.took);
}

#[test]
fn events_are_since_the_run_by_the_servers_clock() {
    for ahead in [-5, 5, -3600, 3600].map(SignedDuration::from_secs) {
        // made before the run, and while it runs
        let server = Scripted::with_clock(ahead, move |asked| {
            let event = |reason: &str, age: i64| {
                let at = jiff::Timestamp::now() + ahead - SignedDuration::from_secs(age);
                json!({"metadata": {"name": reason, "namespace": "n",
                                    "creationTimestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()},
                       "type": "Warning", "reason": reason, "message": "m",
                       // by a clock that nobody should believe
                       "lastTimestamp": "2001-01-01T00:00:00Z",
                       "involvedObject": {"kind": "Pod", "name": "one", "namespace": "n"}})
            };
            (asked.line == "GET /api/v1/namespaces/n/events")
                .then(|| list(&[event("Before", 30), event("Within", 0)]))
        });
        let run = server.run(
            r#"
  cases:
    - name: none
      steps: [{events: {target: pod/one, type: Warning, since: run}, expect: {count: 0}}]
    - name: one
      steps: [{events: {target: pod/one, type: Warning, since: run}, expect: {count: 1}}]
    - name: one in ten seconds
      steps: [{events: {target: pod/one, since: 10s}, expect: {count: 1}}]
    - name: both in all time
      steps: [{events: {target: pod/one, since: 36525d}, expect: {count: 2}}]
"#,
        );
        assert_failed(&run, "none", &["Within"]);
        assert_passed(&run, "one");
        assert_passed(&run, "one in ten seconds");
        assert_passed(&run, "both in all time");
    }
}

#[test]
fn conditions_and_leases_go_by_the_servers_clock() {
    for ahead in [-3600, 3600].map(SignedDuration::from_secs) {
        let server = Scripted::with_clock(ahead, |_| None);
        let run = server.run(
            r#"
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}
  cases:
    - name: now
      steps:
        - assert: {that: "now() - run.started | time < '10s' | duration"}
        - assert: {that: "now() - run.started | time >= '0s' | duration"}
      properties: {now: "{{ now() }}", started: "{{ run.started }}"}
"#,
        );
        assert_passed(&run, "now");
        let shown = &run.events("case-finished")[0]["properties"];
        let is_near = |time: &Value| {
            let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
            server.now().duration_since(time).abs() < SignedDuration::from_secs(20)
        };
        assert!(is_near(&shown["now"]), "{shown}");
        assert!(is_near(&shown["started"]), "{shown}");
        let leases = server.bodies("POST /apis/coordination.k8s.io/");
        assert_eq!(leases.len(), 1, "{run}");
        assert!(is_near(&leases[0]["spec"]["renewTime"]), "{}", leases[0]);
    }
}
