//! Answers that do not know yet of the run's own writes, by an API server whose caches lag: they are
//! asked for again, and only then believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::scripted::{KINDS, Kind, Reply, Scripted, discovery, not_found};
use crate::verbs::{assert_errored, assert_failed, assert_passed};

/// Makes the definition of the kind Widget.
const DEFINES: &str = "{apply: {manifest: {apiVersion: apiextensions.k8s.io/v1, \
    kind: CustomResourceDefinition, metadata: {name: widgets.example.com}, spec: {}}}}";
const READS: &str = "{get: {target: widgets}}";
const WRITES: &str =
    "{apply: {manifest: {apiVersion: example.com/v1, kind: Widget, metadata: {name: a}}}}";

fn case(steps: &[&str]) -> String {
    let steps = steps.join(", ");
    format!("  cases:\n    - name: one\n      steps: [{steps}]\n")
}

/// A server that serves Widgets once it was asked so often for its kinds after their definition was
/// written; and how often it was.
fn serves_widgets_after(looks: usize) -> (Scripted, Arc<AtomicUsize>) {
    const WIDGETS: &[Kind] = &[("example.com/v1", "widgets", "Widget", true)];
    const NOT_WRITTEN: usize = usize::MAX;
    let asked_since = Arc::new(AtomicUsize::new(NOT_WRITTEN));
    let count = Arc::clone(&asked_since);
    let server = Scripted::start(move |asked| {
        if asked.line.contains("/customresourcedefinitions/") {
            let _ = count.compare_exchange(NOT_WRITTEN, 0, Ordering::SeqCst, Ordering::SeqCst);
            return None;
        }
        let before = count.load(Ordering::SeqCst);
        if before == NOT_WRITTEN {
            return None;
        }
        if asked.line == "GET /apis" {
            count.fetch_add(1, Ordering::SeqCst);
        }
        (before >= looks).then(|| discovery(asked, &[KINDS, WIDGETS].concat()))?
    });
    (server, asked_since)
}

#[test]
fn a_kind_that_was_just_defined_is_looked_for_again() {
    let looks = 8;
    for uses in [READS, WRITES] {
        let (server, asked) = serves_widgets_after(looks);
        let run = server.run(&case(&[DEFINES, uses]));
        assert_passed(&run, "one");
        assert!(asked.load(Ordering::SeqCst) > looks, "{uses}");
    }
}

#[test]
fn a_kind_that_does_not_come_after_its_definition_is_errored() {
    for uses in [READS, WRITES] {
        let (server, _) = serves_widgets_after(usize::MAX - 1);
        let run = server.run(&case(&[DEFINES, uses]));
        let one = assert_errored(&run, "one", &["the cluster has no kind"]);
        assert!(one.took >= 4.5, "{uses}: {}", one.took);
        // nobody defined it: a no is a no
        let server = Scripted::start(|_| None);
        let run = server.run(&case(&[uses]));
        let believed = assert_errored(&run, "one", &["the cluster has no kind"]);
        assert!(believed.took + 2.0 < one.took, "{uses}: {}", believed.took);
    }
}

#[test]
fn a_service_that_was_just_made_is_asked_for_again() {
    const PROXY: &str = "/services/http%3Afresh%3A80/proxy/";
    let unknown = || {
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
               "reason": "NotFound", "message": "services \"fresh\" not found",
               "details": {"kind": "services", "name": "fresh"}})
    };
    let server = Scripted::start(move |asked| {
        let is_proxy = asked.line.contains("/proxy/") || asked.line.contains(PROXY);
        match (is_proxy, asked.before) {
            (false, _) => None,
            (true, 0..3) => Some(Reply::Json(404, unknown())),
            (true, _) => Some(Reply::Json(200, json!({"ready": true}))),
        }
    });
    let http = "{http: {service: fresh, port: 80, path: /}}";
    let made =
        "{apply: {manifest: {apiVersion: v1, kind: Service, metadata: {name: fresh}, spec: {}}}}";
    let run = server.run(&case(&[made, http]));
    assert_passed(&run, "one");
    // of another's service a no is a no
    let server = Scripted::start(move |asked| {
        asked
            .line
            .contains("/proxy/")
            .then(|| Reply::Json(404, unknown()))
    });
    let run = server.run(&case(&[http]));
    assert!(
        assert_failed(&run, "one", &["not found"]).took < 2.0,
        "{run}"
    );
}

#[test]
fn a_rule_that_was_just_made_is_asked_for_again() {
    let server = Scripted::start(|asked| {
        if asked.line.ends_with("/subjectaccessreviews") {
            let allowed = asked.before >= 3;
            return Some(Reply::Json(
                201,
                json!({"status": {"allowed": allowed, "reason": "r"}}),
            ));
        }
        asked.line.contains("/nobody").then(|| not_found("nobody"))
    });
    let run = server.run(r#"
  cases:
    - name: one
      steps:
        - apply: {manifest: {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: a}}}
        - can: {as: "system:serviceaccount:n:ci", verb: get, resource: pods}
"#,
    );
    assert_passed(&run, "one");
}
