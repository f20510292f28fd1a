//! Outputs of any length: a text in the middle of what is not kept is found all the same, and what
//! cannot be known without all of it is errored, never passed.

use std::net::TcpStream;

use serde_json::{Value, json};

use crate::api_server::kubeconfig;
use crate::relay::Relay;
use crate::scripted::{Reply, Scripted, list};
use crate::support::server::Chunked;
use crate::support::{Finished, Kubeproof, broken_cluster, healthy_cluster};
use crate::verbs::{assert_outcome, run_spec, suite};

/// How much a log has that nobody can hold in memory.
const LONG: usize = 200 * 1024 * 1024;
/// How much the program may take for it, in MiB.
const MEMORY: u64 = 60;

/// Writes so many bytes of lines as one answer, with a line in the middle.
fn stream(client: &mut TcpStream, bytes: usize, line: &str) -> std::io::Result<()> {
    let filler: String = (0..1000)
        .map(|number| {
            format!("2026-01-02T03:04:05.{number:09}Z GET /healthz 200 nothing to see here\n")
        })
        .collect();
    let mut body = Chunked::begin(client)?;
    let rounds = bytes / filler.len();
    for round in 0..rounds {
        body.write(&filler)?;
        if round == rounds / 2 {
            body.write(&format!("2026-01-02T03:04:06.000000000Z {line}\n"))?;
        }
    }
    body.end()
}

/// An API server with one pod in `ingress-nginx`, whose log has so many bytes with a line in their
/// middle, as the path `/flood` has.
fn serve(bytes: usize, line: &'static str) -> String {
    let server = Scripted::start(move |asked| {
        if asked.is_watch {
            return None;
        }
        match asked.line.strip_prefix("GET ")? {
            "/flood" | "/api/v1/namespaces/ingress-nginx/pods/one/log" => {
                let flood = move |client: &mut TcpStream| stream(client, bytes, line);
                Some(Reply::Stream(Box::new(flood)))
            }
            "/api/v1/namespaces" => Some(list(&[json!({
                "metadata": {"name": "ingress-nginx"}, "status": {"phase": "Active"},
            })])),
            "/api/v1/namespaces/ingress-nginx/pods" => Some(list(&[pod()])),
            "/api/v1/namespaces/ingress-nginx/pods/one" => Some(Reply::Json(200, pod())),
            _ => None,
        }
    });
    server.url()
}

fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "namespace": "ingress-nginx", "labels": {"app": "one"}},
        "spec": {"containers": [{"name": "controller"}]},
        "status": {"containerStatuses": [
            {"name": "controller", "restartCount": 0, "state": {"running": {}}},
        ]},
    })
}

fn program(server: &str, what: &str) -> Kubeproof {
    let files = ["--junit", "junit.xml", "--json", "events.json"];
    let arguments = [&["run", what, "--kubeconfig", "here.yaml"][..], &files].concat();
    Kubeproof::new(&arguments).file("here.yaml", &kubeconfig(server))
}

/// What was warned of.
fn warnings(run: &Finished) -> Vec<String> {
    let cases = run.events("case-finished");
    let cases = cases.iter().filter(|case| case["outcome"] == "passed");
    cases
        .filter_map(|case| case["why"]["failure"].as_str())
        .map(str::to_owned)
        .collect()
}

const SYMPTOM: &str = "upstream timed out (110: Connection timed out) while connecting to upstream";

#[test]
fn a_symptom_in_the_middle_of_a_long_log_is_told_by_the_suite_that_ships() {
    let running = program(&serve(LONG, SYMPTOM), "system-namespaces").start();
    #[cfg(target_os = "linux")]
    let peak = running.peak_memory();
    let run = running.finish();
    run.assert_code(0);
    assert_eq!(
        warnings(&run),
        [format!(
            "the ingress controller in ingress-nginx logged 1 times within 1h: \
             2026-01-02T03:04:06.000000000Z {SYMPTOM}"
        )],
        "{run}"
    );
    #[cfg(target_os = "linux")]
    assert!(peak.join().expect("a number") < MEMORY, "{run}");
}

#[test]
fn every_reader_sees_what_it_does_not_keep() {
    let server = serve(12 * 1024 * 1024, "the needle");
    let flood = "{ head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the needle; head -c 3000000 /dev/zero; }";
    let logs = "logs: {namespace: ingress-nginx, selector: app=one}";
    let cases = [
        (
            "logs, absent",
            logs.to_owned(),
            "{stdout: {absent: the needle}}",
        ),
        (
            "logs, contains",
            logs.to_owned(),
            "{stdout: {contains: the needle, absent: the thread}}",
        ),
        (
            "logs, matches",
            logs.to_owned(),
            "{stdout: {matches: ' the needle$'}}",
        ),
        ("logs, json", logs.to_owned(), "{stdout: {json: {}}}"),
        (
            "script, absent",
            format!("script: {{text: {flood:?}}}"),
            "{stdout: {absent: the needle}}",
        ),
        (
            "script, contains",
            format!("script: {{text: {flood:?}}}"),
            "{stdout: {contains: the needle, lines: 3}}",
        ),
        (
            "command, absent",
            format!("command: [sh, -c, {:?}]", format!("{flood} >&2")),
            "{stderr: {absent: the needle}}",
        ),
        (
            "http, absent",
            format!("http: {{url: {server}/flood}}"),
            "{body: {absent: the needle}}",
        ),
        (
            "http, contains",
            format!("http: {{url: {server}/flood}}"),
            "{body: {contains: the needle}}",
        ),
        (
            "http, json",
            format!("http: {{url: {server}/flood}}"),
            "{body: {json: {}}}",
        ),
        (
            "raw, absent",
            "get: {raw: /flood}".to_owned(),
            "{body: {absent: the needle}}",
        ),
    ];
    let steps: String = cases
        .iter()
        .map(|(name, step, expect)| {
            format!(
                "    - name: {name}\n      steps:\n        - {step}\n          expect: {expect}\n"
            )
        })
        .collect();
    let captures = format!(
        r#"    - name: captured
      steps:
        - {logs}
          capture: {{hits: "{{{{ stdout | lines | select('containing', 'the needle') | list }}}}"}}
        - assert: {{that: hits | length == 0}}
    - name: chosen
      steps:
        - logs: {{namespace: ingress-nginx, selector: app=one, lines: {{containing: the needle}}}}
          capture: {{hits: "{{{{ stdout | lines }}}}"}}
        - assert: {{that: hits | length == 1}}
    - name: not used
      steps:
        - script: {{text: {flood:?}}}
          capture: {{code: "{{{{ exit }}}}"}}
        - assert: {{that: code == 0}}
"#
    );
    let spec = format!("  namespace: none\n  cases:\n{steps}{captures}");
    let run = program(&server, "suite.yaml")
        .file("suite.yaml", &suite(&spec))
        .run();
    for name in ["logs", "script", "http", "raw"] {
        let name = format!("{name}, absent");
        assert_outcome(&run, &name, "failed", &["contains \"the needle\""]);
    }
    assert_outcome(&run, "command, absent", "failed", &["stderr contains"]);
    for name in [
        "logs, contains",
        "logs, matches",
        "script, contains",
        "http, contains",
    ] {
        assert_outcome(&run, name, "passed", &[]);
    }
    let how = ["cannot be read as JSON", "bytes are not kept", "`lines`"];
    assert_outcome(&run, "logs, json", "errored", &how);
    assert_outcome(
        &run,
        "http, json",
        "errored",
        &["cannot be read as JSON", "by a query"],
    );
    let how = [
        "`hits` is not captured, since stdout is not whole",
        "`lines`",
    ];
    assert_outcome(&run, "captured", "errored", &how);
    assert_outcome(&run, "chosen", "passed", &[]);
    assert_outcome(&run, "not used", "passed", &[]);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn rancher_symptoms_in_the_middle_of_a_long_log_are_told() {
    let _cluster = broken_cluster();
    let planted = crate::network::Planted::namespaces(&["cattle-system"]);
    planted.logging("cattle-system", "app=cattle-agent", "nothing");
    let relay = Relay::start(&["--reject-paths=^/nothing$"], |_, exchange| {
        if exchange.line.contains("/pods/planted/log") {
            exchange.stream(|client| stream(client, LONG, "websocket: bad handshake"))
        } else {
            exchange.forward()
        }
    });
    let running = program("", "mtu")
        .file("here.yaml", &relay.kubeconfig())
        .start();
    #[cfg(target_os = "linux")]
    let peak = running.peak_memory();
    let run = running.finish();
    run.assert_code(0);
    let warnings = warnings(&run);
    assert_eq!(warnings.len(), 1, "{run}");
    let told = "cattle-agent logged `websocket: bad handshake` 1 times within 1h, from ";
    assert!(warnings[0].starts_with(told), "{warnings:?}");
    #[cfg(target_os = "linux")]
    assert!(peak.join().expect("a number") < MEMORY, "{run}");
}

/// A pod's own output, by every way to it.
#[test]
#[ignore = "needs ci/cluster up"]
fn a_line_in_the_middle_of_what_a_pod_prints_is_seen() {
    let _cluster = healthy_cluster();
    let print = "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo the needle; head -c 1000000 /dev/zero | tr '\\0' y; echo";
    let run = run_spec(&format!(
        r#"
  setup:
    - apply:
        manifest:
          apiVersion: v1
          kind: Pod
          metadata: {{name: teller, labels: {{app: teller}}}}
          spec:
            terminationGracePeriodSeconds: 1
            containers:
              - name: main
                image: busybox:1.28
                command: [sh, -c, {:?}]
                readinessProbe: {{exec: {{command: [test, -f, /tmp/told]}}, periodSeconds: 1}}
    - wait: {{target: pod/teller, until: {{condition: Ready}}}}
  cases:
    - name: exec
      steps: [{{exec: {{target: pod/teller, command: [sh, -c, {print:?}]}}, expect: {{stdout: {{absent: the needle}}}}}}]
    - name: exec, stderr
      steps: [{{exec: {{target: pod/teller, command: [sh, -c, {:?}]}}, expect: {{stderr: {{absent: the needle}}}}}}]
    - name: exec, lines
      steps: [{{exec: {{target: pod/teller, command: [sh, -c, {:?}]}}, expect: {{stderr: {{contains: the needle, lines: 3}}}}}}]
    - name: run
      steps: [{{run: {{image: "busybox:1.28", command: [sh, -c, {print:?}]}}, expect: {{stdout: {{absent: the needle}}}}}}]
    - name: run, contains
      steps: [{{run: {{image: "busybox:1.28", command: [sh, -c, {print:?}]}}, expect: {{stdout: {{contains: the needle, lines: 3}}}}}}]
    - name: logs
      steps: [{{logs: {{selector: app=teller}}, expect: {{stdout: {{absent: the needle}}}}}}]
    - name: logs of this run
      steps:
        - logs: {{selector: app=teller, since: run, lines: {{matching: "^the .*le$"}}}}
          expect: {{stdout: {{equals: the needle}}}}
"#,
        format!("{print}; touch /tmp/told; sleep 600"),
        format!("{{ {print}; }} >&2"),
        format!("{{ {print}; }} >&2"),
    ));
    for name in ["exec", "exec, stderr", "run", "logs"] {
        assert_outcome(&run, name, "failed", &["contains \"the needle\""]);
    }
    for name in ["exec, lines", "run, contains", "logs of this run"] {
        assert_outcome(&run, name, "passed", &[]);
    }
    run.assert_nothing_left();
}
