//! `kubeproof cleanup`: what a run left that was killed goes, and nothing else does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::api_server;
use crate::scripted::{Reply, Scripted, list};
use crate::support::server::free_address;
use crate::support::{
    Finished, Kubeproof, Running, broken_cluster, healthy_cluster, kubeconfig, kubectl, labelled,
};
use crate::verbs::{TestNamespace, suite};

/// The cleanup of the local cluster.
fn cleanup(arguments: &[&str]) -> Finished {
    Kubeproof::new(&[&["cleanup"], arguments].concat())
        .env("KUBECONFIG", &kubeconfig().to_string_lossy())
        .run()
}

/// A suite with a namespace of its own and objects of several kinds, that then waits.
fn own(name: &str) -> String {
    let group = format!("{name}.cleanup.kubeproof.test");
    suite(&format!(
        r#"
  setup:
    - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}}}
    - apply: {{manifest: {{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: cleanup-{name}}}, rules: []}}}}
    - apply:
        manifest:
          apiVersion: apps/v1
          kind: Deployment
          metadata: {{name: web}}
          spec:
            selector: {{matchLabels: {{app: {name}}}}}
            template:
              metadata: {{labels: {{app: {name}}}}}
              spec:
                terminationGracePeriodSeconds: 1
                containers: [{{name: web, image: "busybox:1.28", command: [sleep, "3600"]}}]
    - apply:
        manifest:
          apiVersion: apiextensions.k8s.io/v1
          kind: CustomResourceDefinition
          metadata: {{name: widgets.{group}}}
          spec:
            group: {group}
            scope: Namespaced
            names: {{plural: widgets, singular: widget, kind: Widget}}
            versions:
              - {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}
    - wait: {{target: crd/widgets.{group}, until: {{condition: Established}}}}
    - apply: {{manifest: {{apiVersion: {group}/v1, kind: Widget, metadata: {{name: {name}}}}}}}
    - wait: {{target: deployment/web, until: rolledOut}}
  cases:
    - name: {name} waits
      steps: [{{sleep: 10m}}]
"#
    ))
}

/// A suite without a namespace that makes a ConfigMap in one that is there, and waits.
fn beside(name: &str, namespace: &str) -> String {
    suite(&format!(
        r#"
  namespace: none
  cases:
    - name: {name} waits
      steps:
        - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: {namespace}}}}}}}
        - sleep: 10m
"#
    ))
    .replace("name: verbs", &format!("name: {name}"))
}

fn start(name: &str, namespace: &str) -> Running {
    let (first, second) = (format!("{name}-own"), format!("{name}-beside"));
    let args = ["run", "suites/", "--parallel-suites", "2"];
    let mut running = Kubeproof::on_cluster(&args)
        .file("suites/own.yaml", &own(&first))
        .file("suites/beside.yaml", &beside(&second, namespace))
        .start();
    running.until_event(&format!("{first} waits"));
    let object = format!("configmap/{second}");
    let deadline = Instant::now() + Duration::from_secs(30);
    while kubectl(&["get", &object, "-n", namespace, "--ignore-not-found"]).is_empty() {
        assert!(Instant::now() < deadline, "{object} was not made");
        std::thread::sleep(Duration::from_millis(50));
    }
    // both say that they live
    while leases(&running.run_id()).len() < 2 {
        assert!(Instant::now() < deadline, "no two Leases");
        std::thread::sleep(Duration::from_millis(50));
    }
    running
}

/// The Leases of a run, as namespace and name.
fn leases(run: &str) -> Vec<(String, String)> {
    let label = format!("kubeproof.dev/run={run}");
    let output = r#"jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}"#;
    kubectl(&["get", "leases", "-A", "-l", &label, "-o", output])
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        .collect()
}

/// Lets the Leases of a run have run out long ago.
fn expire(run: &str) {
    let patch = r#"{"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}"#;
    for (namespace, name) in leases(run) {
        kubectl(&[
            "patch",
            "lease",
            &name,
            "-n",
            &namespace,
            "--type=merge",
            "-p",
            patch,
        ]);
    }
}

#[track_caller]
fn assert_there(objects: &[&str], namespace: &str) {
    for object in objects {
        kubectl(&["get", object, "-n", namespace]);
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_a_killed_run_left_goes_and_nothing_else() {
    let _alone = broken_cluster();
    let there = TestNamespace::new("cleanup");
    // of its own each time: what an earlier test left is not this one's
    let name = format!("killed{}", std::process::id());
    let killed = start(&name, &there.name);
    let dead = killed.run_id();
    killed.signal("KILL");
    killed.finish();
    let survivors = labelled(&dead);
    assert!(survivors.len() >= 7, "{survivors:?}");

    // what only looks like it
    let labels = |extra: &str| format!("kubeproof.dev/run={dead}{extra}");
    there.kubectl(&["create", "configmap", "no-suite"]);
    there.kubectl(&["label", "configmap", "no-suite", &labels("")]);
    there.kubectl(&["create", "configmap", "other-prefix"]);
    let other = format!("other.dev/run={dead}");
    there.kubectl(&[
        "label",
        "configmap",
        "other-prefix",
        &other,
        "kubeproof.dev/suite=a",
    ]);
    there.kubectl(&["create", "configmap", "no-id"]);
    let words = ["kubeproof.dev/run=mine", "kubeproof.dev/suite=a"];
    there.kubectl(&[&["label", "configmap", "no-id"][..], &words].concat());
    there.kubectl(&[
        "create",
        "deployment",
        "theirs",
        "--image=busybox:1.28",
        "--",
        "sleep",
        "9999",
    ]);
    let template = format!(
        r#"{{"spec": {{"template": {{"metadata": {{"labels":
            {{"kubeproof.dev/run": "{dead}", "kubeproof.dev/suite": "a"}}}}}}}}}}"#
    );
    there.kubectl(&["patch", "deployment", "theirs", "-p", &template]);
    there.kubectl(&["rollout", "status", "deployment/theirs", "--timeout=60s"]);
    let named_alike = &format!("kubeproof-overlay-{:010x}", std::process::id());
    kubectl(&["create", "namespace", named_alike]);
    let alike = [
        "configmap/no-suite",
        "configmap/other-prefix",
        "configmap/no-id",
    ];
    let their_pod = there.kubectl(&["get", "pod", "-l", &labels(""), "-o", "name"]);

    // until its Leases run out, nobody knows that it is dead
    let early = cleanup(&["--all", "--dry-run"]);
    early.assert_code(0);
    early.assert_stderr(&format!("run {dead} goes on"));
    expire(&dead);

    let living = start(&format!("living{}", std::process::id()), &there.name);
    let alive = living.run_id();
    assert_eq!(cleanup(&["--all"]).code, 2, "nobody can be asked");
    let shown = cleanup(&["--all", "--dry-run"]);
    shown.assert_code(0);
    for object in [
        format!("customresourcedefinition/widgets.{name}-own.cleanup.kubeproof.test"),
        format!("clusterrole/cleanup-{name}-own"),
        format!("configmap/{name}-beside -n {}", there.name),
    ] {
        assert!(
            shown.stdout.contains(&format!("  {object}\n")),
            "{object}\n{shown}"
        );
    }
    for object in ["no-suite", "other-prefix", "no-id", "theirs", named_alike] {
        assert!(!shown.stdout.contains(object), "{object}\n{shown}");
    }
    shown.assert_stderr(&format!("run {alive} goes on"));
    let young = cleanup(&["--older-than", "100d"]);
    young.assert_code(0);
    assert!(!young.stdout.contains(&dead), "made a moment ago\n{young}");

    let removed = cleanup(&["--all", "--yes"]);
    removed.assert_code(0);
    assert!(
        removed.took < Duration::from_secs(40),
        "{:?}\n{removed}",
        removed.took
    );
    let left = labelled(&dead);
    let is_planted =
        |object: &String| object.contains("/theirs-") || object == "configmap/no-suite";
    assert!(left.iter().all(is_planted), "{left:?}\n{removed}");
    assert_there(&alike, &there.name);
    assert_there(&["deployment/theirs", their_pod.trim()], &there.name);
    kubectl(&["delete", "namespace", named_alike]);
    assert!(labelled(&alive).len() >= 7, "{:?}", labelled(&alive));

    // whoever names a run knows it
    let named = cleanup(&["--run", &alive]);
    named.assert_code(0);
    named.assert_stderr(&format!("run {alive} still goes on"));
    assert_eq!(labelled(&alive), Vec::<String>::new(), "{named}");
    assert_eq!(cleanup(&["--run", &alive]).code, 0, "nothing is left");
    living.signal("TERM");
    let run = living.finish();
    assert!(
        run.stderr.contains("leftovers of") && run.stderr.contains("kubeproof cleanup --all"),
        "the next run says so\n{run}"
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_does_not_go_is_named_with_what_holds_it() {
    let _cluster = healthy_cluster();
    let there = TestNamespace::new("cleanup-held");
    there.kubectl(&["create", "configmap", "held"]);
    let id = "00000000aa";
    let run = format!("kubeproof.dev/run={id}");
    there.kubectl(&["label", "configmap", "held", &run, "kubeproof.dev/suite=a"]);
    let finalizers = |list: &str| {
        let patch = format!(r#"{{"metadata": {{"finalizers": {list}}}}}"#);
        there.kubectl(&["patch", "configmap", "held", "--type=merge", "-p", &patch]);
    };
    finalizers(r#"["example.com/hold"]"#);
    let held = cleanup(&["--run", id, "--timeout", "2s"]);
    finalizers("null");
    held.assert_code(5);
    let words = format!(
        "  configmap/held -n {}: not gone after 2s: held by the finalizers example.com/hold\n",
        there.name
    );
    assert!(held.stdout.contains(&words), "{held}");
    assert!(held.took < Duration::from_secs(20), "{held}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_may_not_be_listed_is_told() {
    let _cluster = healthy_cluster();
    let there = TestNamespace::new("cleanup-rights");
    let name = there.name.clone();
    there.kubectl(&["create", "configmap", "left"]);
    let id = "00000000bb";
    let run = format!("kubeproof.dev/run={id}");
    there.kubectl(&["label", "configmap", "left", &run, "kubeproof.dev/suite=a"]);
    let verbs = "--verb=get,list,watch,delete";
    there.kubectl(&["create", "role", "maps", verbs, "--resource=configmaps"]);
    let user = format!("--user={name}");
    there.kubectl(&["create", "rolebinding", "maps", "--role=maps", &user]);

    let nothing = cleanup(&["--run", id, "--as", &name]);
    nothing.assert_code(3);
    nothing.assert_stderr("nothing could be listed");
    nothing.assert_stderr("--namespace NAME looks in one namespace only");
    let unknown = cleanup(&["--all", "--yes", "--as", &name, "-n", &name]);
    unknown.assert_code(3);
    unknown.assert_stderr("which runs live could not be found out");
    assert_there(&["configmap/left"], &name);
    let some = cleanup(&["--run", id, "--as", &name, "-n", &name]);
    // nor may that user know what the run changed
    some.assert_code(3);
    some.assert_stderr("not looked at: ");
    some.assert_stderr("(you may not list them)");
    assert_eq!(labelled(id), Vec::<String>::new(), "{some}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_run_says_that_it_lives_for_as_long_as_it_does() {
    let _cluster = healthy_cluster();
    let there = TestNamespace::new("cleanup-life");
    let spec = format!(
        r#"
  namespace: {{existing: {}}}
  cases:
    - name: one
      steps:
        - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}}}}}
        - sleep: 10m
"#,
        there.name
    );
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("suite.yaml", &suite(&spec))
        .start();
    running.until_event("\"case-started\"");
    let id = running.run_id();
    let lease = |field: &str| {
        let name = format!("kubeproof-{id}");
        let output = format!("jsonpath={{.{field}}}");
        there.kubectl(&["get", "lease", &name, "--ignore-not-found", "-o", &output])
    };
    let deadline = Instant::now() + Duration::from_secs(40);
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        while !is_so() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    until("a Lease", &|| !lease("metadata.name").is_empty());
    assert_eq!(lease("spec.holderIdentity"), id);
    assert_eq!(lease("spec.leaseDurationSeconds"), "30");
    let first = lease("spec.acquireTime");
    until("a renewal", &|| lease("spec.renewTime") != first);
    running.signal("INT");
    let run = running.finish();
    run.assert_code(130);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_run_whose_output_nobody_reads_cleans_up() {
    let _cluster = healthy_cluster();
    let spec = "  cases:\n    - name: one\n      steps:\n        \
                - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}\n        \
                - sleep: 1s";
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("suite.yaml", &suite(spec))
        .start();
    running.until_event("\"case-started\"");
    running.close_output();
    let run = running.finish();
    run.assert_code(0);
    run.assert_nothing_left();
}

/// A server with a ConfigMap that a dead run left, until it is deleted; and whether it is.
fn with_leftover(name: &'static str) -> (Scripted, Arc<AtomicBool>) {
    let is_gone = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&is_gone);
    let server = Scripted::start(move |asked| {
        let path = format!("/api/v1/namespaces/n/configmaps/{name}");
        let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {
            "name": name, "namespace": "n", "uid": "u", "resourceVersion": "1",
            "labels": {"kubeproof.dev/run": "0123456789", "kubeproof.dev/suite": "a"},
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }});
        match asked.line.split_once(' ')? {
            ("DELETE", asked) if asked == path => {
                gone.store(true, Ordering::SeqCst);
                None
            }
            _ if gone.load(Ordering::SeqCst) || asked.is_watch => None,
            ("GET", asked) if asked == path => Some(Reply::Json(200, object)),
            ("GET", "/api/v1/configmaps") => Some(list(&[object])),
            _ => None,
        }
    });
    (server, is_gone)
}

#[test]
fn further_clusters_are_cleaned_too_and_one_that_is_away_costs_only_itself() {
    let run = |arguments: &[&str]| {
        let (here, here_is_gone) = with_leftover("of-here");
        let (near, near_is_gone) = with_leftover("of-near");
        let away = api_server::kubeconfig(&format!("http://{}", free_address()));
        let all = [
            &["cleanup", "--kubeconfig", "here.yaml"][..],
            &["--cluster", "near=near.yaml", "--cluster", "away=away.yaml"],
            arguments,
        ];
        let run = Kubeproof::new(&all.concat())
            .file("here.yaml", &here.kubeconfig())
            .file("near.yaml", &near.kubeconfig())
            .file("away.yaml", &away)
            .run();
        // what is there could not be found out
        run.assert_code(3);
        run.assert_stderr("error: cluster away: cannot reach the API server http://");
        assert_eq!(run.stderr.matches("error: ").count(), 1, "{run}");
        let is_gone = |gone: &AtomicBool| gone.load(Ordering::SeqCst);
        (run, is_gone(&here_is_gone), is_gone(&near_is_gone))
    };
    let named = |run: &Finished| {
        for line in [
            "run 0123456789, last seen ",
            "  configmap/of-here -n n\n",
            "run 0123456789 in cluster near, last seen ",
            "  configmap/of-near -n n\n",
        ] {
            assert!(run.stdout.contains(line), "{line:?}: {run}");
        }
    };
    let (shown, here, near) = run(&["--all", "--dry-run"]);
    named(&shown);
    assert!(!here && !near, "{shown}");
    for wish in [&["--all", "--yes"][..], &["--run", "0123456789"]] {
        let (removed, here, near) = run(wish);
        named(&removed);
        assert!(here && near, "{removed}");
        let told = "removed: 1 object of 1 run\nremoved in cluster near: 1 object of 1 run\n";
        assert!(removed.stdout.ends_with(told), "{removed}");
    }
}

/// The cleanup of one run at a server that answers for ConfigMaps as is said.
fn scripted(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Kubeproof {
    let server =
        Scripted::start(move |asked| (asked.line == "GET /api/v1/configmaps").then(&reply));
    let arguments = ["cleanup", "--dry-run", "--run", "00000000bb"];
    Kubeproof::new(&[&arguments[..], &["--kubeconfig", "here.yaml"]].concat())
        .file("here.yaml", &server.kubeconfig())
}

#[test]
fn a_signal_ends_it_though_nobody_reads_what_it_prints() {
    let program = scripted(|| {
        let left = |number: usize| {
            let labels = json!({"kubeproof.dev/run": "00000000bb", "kubeproof.dev/suite": "a"});
            let name = format!("more-than-a-pipe-holds-{number}");
            json!({"kind": "ConfigMap", "metadata": {
                "name": name, "namespace": "default", "uid": name, "labels": labels,
            }})
        };
        list(&(0..4000).map(left).collect::<Vec<_>>())
    });
    let mut running = program.start();
    running.until_it_prints();
    running.signal("TERM");
    running.end_unread(Duration::from_secs(20));
    running.finish().assert_code(143);
}

#[test]
fn where_a_kind_could_not_be_asked_it_is_not_known_that_there_is_nothing() {
    let refused = |code: u16, reason: &'static str| {
        scripted(move || {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                "reason": reason, "message": "etcd is away",
            });
            Reply::Json(code, status)
        })
        .run()
    };
    let away = refused(503, "ServiceUnavailable");
    away.assert_code(3);
    let words = "nothing was found; not looked at: configmaps\n";
    assert!(away.stdout.contains(words), "{away}");
    away.assert_stderr("etcd is away");
    let forbidden = refused(403, "Forbidden");
    forbidden.assert_code(0);
    assert!(
        forbidden.stdout.contains("nothing to remove"),
        "{forbidden}"
    );
}
