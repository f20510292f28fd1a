//! Admission webhooks that do not answer: the API server refuses then, but nobody has said no.

use serde_json::{Value, json};

use crate::scripted::{Reply, Scripted};
use crate::verbs::{assert_errored, assert_failed, assert_passed};

/// What the API server says where a webhook with `failurePolicy: Fail` does not answer, or answers no.
fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
           "reason": reason, "message": message})
}

/// Runs writes against a server that answers each of them so.
fn run_on(code: u16, reason: &'static str, message: &'static str) -> crate::support::Finished {
    let server = Scripted::start(move |asked| {
        let is_write = asked.line.contains("/configmaps") && !asked.line.starts_with("GET ");
        is_write.then(|| Reply::Json(code, status(code, reason, message)))
    });
    let manifest = |name: &str| {
        format!("manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}")
    };
    server.run(&format!(
        r#"
  defaults: {{timeouts: {{request: 30s}}}}
  cases:
    - name: apply
      steps: [{{apply: {{{a}}}}}]
    - name: create
      steps: [{{create: {{{b}}}}}]
    - name: must be refused
      steps: [{{apply: {{{c}}}, expect: {{rejected: {{}}}}}}]
    - name: must be refused by it
      steps: [{{create: {{{d}}}, expect: {{rejected: {{contains: example.com}}}}}}]
    - name: out of time
      steps: [{{apply: {{{e}}}, expect: {{rejected: {{}}}}, timeout: 1s}}]
"#,
        a = manifest("a"),
        b = manifest("b"),
        c = manifest("c"),
        d = manifest("d"),
        e = manifest("e"),
    ))
}

#[test]
fn a_webhook_that_does_not_answer_has_refused_nothing() {
    let not_reached = "Internal error occurred: failed calling webhook \"v.example.com\": failed to call \
                       webhook: Post \"https://gone.n.svc:443/?timeout=10s\": dial tcp 10.0.0.1:443: \
                       connect: connection refused";
    let too_late = "Internal error occurred: failed calling webhook \"v.example.com\": failed to call \
                    webhook: Post \"https://slow.n.svc:443/?timeout=10s\": context deadline exceeded";
    for message in [not_reached, too_late] {
        let run = run_on(500, "InternalError", message);
        run.assert_code(3);
        let words = [
            " could not be written: the API server gave no usable answer: it answered 500: ",
            message,
        ];
        for name in [
            "apply",
            "create",
            "must be refused",
            "must be refused by it",
        ] {
            let case = assert_errored(&run, name, &words);
            assert!(!case.text.contains("was refused"), "{}", case.text);
        }
        let words = ["did not finish within 1s", message];
        assert_errored(&run, "out of time", &words);
    }
}

#[test]
fn a_webhook_that_says_no_has_refused() {
    let denied = "admission webhook \"v.example.com\" denied the request: not on Fridays";
    let run = run_on(400, "BadRequest", denied);
    run.assert_code(1);
    for name in ["apply", "create"] {
        let case = assert_failed(&run, name, &[" was refused: ", denied]);
        assert!(!case.text.contains("could not"), "{}", case.text);
    }
    for name in ["must be refused", "must be refused by it", "out of time"] {
        assert_passed(&run, name);
    }
}
