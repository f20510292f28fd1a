//! The verbs that look from outside: logs, events, http, can; and during.

use super::{assert_failed, assert_passed, case, run_spec, run_spec_with, web_server};
use crate::support::healthy_cluster;
use crate::support::server::{Request, answer, listen};

#[test]
#[ignore = "needs ci/cluster up"]
fn logs_are_read_over_pods_and_held_against_texts() {
    let _cluster = healthy_cluster();
    // ready only after its lines are written
    let run = run_spec(
        r#"
  setup:
    - apply:
        manifest:
          apiVersion: apps/v1
          kind: Deployment
          metadata: {name: teller}
          spec:
            replicas: 2
            selector: {matchLabels: {app: teller}}
            template:
              metadata: {labels: {app: teller}}
              spec:
                terminationGracePeriodSeconds: 1
                containers:
                  - name: main
                    image: busybox:1.28
                    command: [sh, -c, "echo first; echo second; echo last; touch /tmp/told; trap 'exit 0' TERM; tail -f /dev/null & wait"]
                    readinessProbe: {exec: {command: [test, -e, /tmp/told]}, periodSeconds: 1}
    - wait: {target: deployment/teller, until: rolledOut}
  cases:
    - name: good
      steps:
        - logs: {selector: app=teller}
          expect: {stdout: {contains: [first, last], absent: ["websocket: bad handshake"]}}
          capture: {all: "{{ stdout }}"}
        - assert: {that: "all | length > 0"}
        - logs: {target: deployment/teller, tail: 1, since: 10m}
          expect: {stdout: {contains: last, absent: [first, second]}}
    - name: a text that must not be there
      steps:
        - logs: {selector: app=teller}
          expect: {stdout: {absent: [second]}}
    - name: a text that is not there
      steps:
        - logs: {selector: app=teller}
          expect: {stdout: {contains: never told}}
    - name: nobody's logs
      steps:
        - logs: {selector: app=nobody}
          expect: {stdout: {absent: [error]}}
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_failed(&run, "a text that must not be there", &["second"]);
    assert_failed(&run, "a text that is not there", &["never told", "last"]);
    let nobody = case(&run, "nobody's logs");
    assert_ne!(nobody.outcome, "passed", "nothing was looked at\n{run}");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn events_are_counted_since_the_run_began() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  setup:
    - apply:
        manifest:
          apiVersion: v1
          kind: Pod
          metadata: {name: homeless}
          spec:
            nodeSelector: {kubeproof.test/no-such: node}
            containers: [{name: main, image: "busybox:1.28", command: [sleep, "1"]}]
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: quiet}}}
    - assert: {target: pod/homeless, match: {status: {conditions: {$any: {type: PodScheduled, status: "False"}}}}}
    # the scheduler writes the event a moment after the condition
    - events: {target: pod/homeless, type: Warning, since: run}
      expect: {count: {min: 1}}
      retry: {attempts: 40, delay: 250ms}
  cases:
    - name: good
      steps:
        - events: {target: pod/homeless, type: Warning, reason: FailedScheduling, since: 10m}
          expect: {count: {min: 1}}
        - events: {target: configmap/quiet, since: run}
          expect: {count: 0}
    - name: none were expected
      steps:
        - events: {target: pod/homeless, type: Warning, since: run}
          expect: {count: 0}
    - name: some were expected
      steps:
        - events: {target: configmap/quiet, type: Warning}
          expect: {count: {min: 3}}
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_failed(&run, "none were expected", &["FailedScheduling", "0"]);
    assert_failed(&run, "some were expected", &["3", "0"]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn http_reaches_services_by_both_ways() {
    let _cluster = healthy_cluster();
    let run = run_spec(&format!(
        r#"
  setup:
{}
  cases:
    - name: good
      steps:
        - http: {{service: web, port: 80}}
          expect: {{status: 200, body: {{contains: web}}}}
        - http: {{service: web, port: http, path: /ready.json, via: proxy}}
          expect: {{status: 200, body: {{json: {{ready: true, workers: {{$gte: 2}}}}}}}}
          capture: {{workers: "{{{{ (body | fromjson).workers }}}}", code: "{{{{ status }}}}"}}
        - assert: {{that: "workers == 3 and code == 200"}}
        - http: {{service: web, port: 80, path: /ready.json, via: portForward}}
          expect: {{status: 200, body: {{json: {{ready: true}}}}, took: {{max: 10s}}}}
        - http: {{service: web, port: 80, path: /nothing, via: portForward}}
          expect: {{status: 404}}
    - name: another status by the proxy
      steps:
        - http: {{service: web, port: 80, path: /nothing}}
          expect: {{status: 200}}
    - name: another status by a port forward
      steps:
        - http: {{service: web, port: 80, path: /nothing, via: portForward}}
    - name: another body
      steps:
        - http: {{service: web, port: 80, path: /ready.json}}
          expect: {{body: {{json: {{workers: 4}}}}}}
    - name: no such service
      steps:
        - http: {{service: nobody, port: 80}}
          timeout: 3s
"#,
        web_server("web")
    ));
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_failed(&run, "another status by the proxy", &["200", "404"]);
    assert_failed(&run, "another status by a port forward", &["404"]);
    assert_failed(&run, "another body", &["workers", "4", "3"]);
    let nobody = case(&run, "no such service");
    assert_ne!(nobody.outcome, "passed");
    assert!(nobody.text.contains("nobody"), "{}", nobody.text);
    run.assert_nothing_left();
}

/// A server on this machine that answers every request with what it was asked, as JSON.
fn echo_server() -> u16 {
    let address = listen(None, |client| {
        let mut request = Request::read(client)?;
        let mut words = request.line.split_whitespace();
        let echo = serde_json::json!({
            "method": words.next(),
            "path": words.next(),
            "asked": request.header("x-asked").unwrap_or_default(),
            "body": String::from_utf8_lossy(&request.body),
        });
        let headers = "Content-Type: application/json\r\nX-Server: echo\r\n";
        answer(&mut request.client, 200, headers, &echo.to_string()).ok()
    });
    address.port()
}

#[test]
#[ignore = "needs ci/cluster up"]
fn http_reaches_addresses_from_this_machine() {
    let _cluster = healthy_cluster();
    let port = echo_server();
    let run = run_spec_with(
        &["--set", &format!("port={port}")],
        r#"
  namespace: none
  inputs: {port: {type: integer}}
  cases:
    - name: good
      steps:
        - http: {url: "http://127.0.0.1:{{ inputs.port }}/a?b=c", method: POST, headers: {x-asked: for}, body: {k: [1]}}
          expect:
            status: 200
            headers: {x-server: {equals: echo}}
            body: {json: {method: POST, path: "/a?b=c", asked: for, body: '{"k":[1]}'}}
          capture: {server: "{{ headers['x-server'] }}"}
        - assert: {that: "server == 'echo'"}
        - http: {url: "http://kubeproof.test:{{ inputs.port }}/", resolve: 127.0.0.1}
          expect: {status: 200}
    - name: another header
      steps:
        - http: {url: "http://127.0.0.1:{{ inputs.port }}/"}
          expect: {headers: {x-server: {equals: apache}}}
    - name: nobody listens
      steps:
        - http: {url: "http://127.0.0.1:1/"}
          timeout: 2s
"#,
    );
    assert_passed(&run, "good");
    assert_failed(&run, "another header", &["apache", "echo"]);
    let nobody = case(&run, "nobody listens");
    assert_ne!(nobody.outcome, "passed");
    assert!(nobody.text.contains("refused"), "{}", nobody.text);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn can_asks_for_others_and_for_oneself() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ServiceAccount, metadata: {name: ci}}}
    - apply:
        manifest:
          apiVersion: rbac.authorization.k8s.io/v1
          kind: Role
          metadata: {name: readers}
          rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
    - apply:
        manifest:
          apiVersion: rbac.authorization.k8s.io/v1
          kind: RoleBinding
          metadata: {name: readers}
          roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: readers}
          subjects: [{kind: ServiceAccount, name: ci, namespace: "{{ run.namespace }}"}]
    - can: {as: "system:serviceaccount:{{ run.namespace }}:ci", verb: get, resource: pods}
      retry: {attempts: 20, delay: 250ms}
  cases:
    - name: good
      steps:
        - can: {as: "system:serviceaccount:{{ run.namespace }}:ci", verb: get, resource: pods}
        - can: {as: "system:serviceaccount:{{ run.namespace }}:ci", verb: delete, resource: nodes}
          expect: {allowed: false}
        - can: {as: {serviceAccount: ci}, verb: get, resource: pods/log}
          expect: {allowed: false}
        - can: {verb: delete, resource: nodes}
        - can: {as: {user: nobody, groups: ["system:masters"]}, verb: delete, resource: nodes}
          expect: {allowed: true}
        - can: {verb: get, resource: /metrics}
    - name: it may not
      steps:
        - can: {as: "system:serviceaccount:{{ run.namespace }}:ci", verb: delete, resource: nodes}
    - name: it may
      steps:
        - can: {verb: delete, resource: nodes}
          expect: {allowed: false}
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_failed(
        &run,
        "it may not",
        &["may not delete nodes", "ci", "must be allowed"],
    );
    assert_failed(&run, "it may", &["may delete nodes", "must not"]);
    run.assert_nothing_left();
}

/// Steps that make a web server named after what becomes of it in a rolling update. A
/// careful one is ready only when it answers, and answers while it is taken out; the
/// other one is taken for ready five seconds before it answers.
fn updated(name: &str, is_careful: bool) -> String {
    let (replicas, start, careful) = match is_careful {
        true => (
            2,
            "httpd -f -p 8080 -h /tmp/www & wait",
            r#"
                    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
                    lifecycle: {preStop: {exec: {command: [sleep, "3"]}}}"#,
        ),
        false => (
            1,
            "[ $VERSION = 1 ] || sleep 5; httpd -f -p 8080 -h /tmp/www & wait",
            "",
        ),
    };
    format!(
        r#"    - apply:
        manifest:
          apiVersion: apps/v1
          kind: Deployment
          metadata: {{name: {name}}}
          spec:
            replicas: {replicas}
            strategy: {{rollingUpdate: {{maxSurge: 1, maxUnavailable: 0}}}}
            selector: {{matchLabels: {{app: {name}}}}}
            template:
              metadata: {{labels: {{app: {name}}}}}
              spec:
                terminationGracePeriodSeconds: 5
                containers:
                  - name: web
                    image: busybox:1.28
                    env: [{{name: VERSION, value: "1"}}]
                    command: [sh, -c, "mkdir -p /tmp/www; echo {name} > /tmp/www/index.html; trap 'exit 0' TERM; {start}"]{careful}
    - apply:
        manifest:
          apiVersion: v1
          kind: Service
          metadata: {{name: {name}}}
          spec:
            selector: {{app: {name}}}
            ports: [{{name: http, port: 80, targetPort: 8080}}]
    - wait: {{target: deployment/{name}, until: rolledOut}}
    # until it answers, and the Service knows it
    - http: {{service: {name}, port: 80}}
      expect: {{body: {{contains: {name}}}}}
      retry: {{attempts: 60, delay: 500ms}}
"#
    )
}

fn rolling(name: &str, via: &str, expect: &str) -> String {
    format!(
        r#"
        - during:
            every: 50ms
            http: {{service: {name}, port: 80, via: {via}}}
            steps:
              - patch:
                  target: deployment/{name}
                  type: strategic
                  patch: {{spec: {{template: {{spec: {{containers: [{{name: web, env: [{{name: VERSION, value: "2"}}]}}]}}}}}}}}
              - wait: {{target: deployment/{name}, until: rolledOut}}
              - sleep: 2s
          {expect}"#
    )
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_rolling_update_is_seen_by_requests_during_it() {
    let _cluster = healthy_cluster();
    let run = run_spec(&format!(
        r#"
  setup:
{}{}{}{}
  cases:
    - name: careful by the proxy
      steps: {}
    - name: careful by port forwards
      steps: {}
    - name: careless by the proxy
      steps: {}
    - name: careless by port forwards
      steps: {}
"#,
        updated("careful-a", true),
        updated("careful-b", true),
        updated("careless-a", false),
        updated("careless-b", false),
        rolling(
            "careful-a",
            "proxy",
            "expect: {failed: 0, total: {$gte: 20}}"
        ),
        rolling("careful-b", "portForward", "expect: {failed: 0}"),
        rolling("careless-a", "proxy", "expect: {failed: 0}"),
        rolling("careless-b", "portForward", ""),
    ));
    run.assert_code(1);
    assert_passed(&run, "careful by the proxy");
    assert_passed(&run, "careful by port forwards");
    for name in ["careless by the proxy", "careless by port forwards"] {
        let careless = assert_failed(&run, name, &["failed"]);
        let counts = careless
            .text
            .split(|letter: char| !letter.is_ascii_digit())
            .filter(|digits| !digits.is_empty())
            .count();
        assert!(
            counts >= 2,
            "how many of how many failed: {}",
            careless.text
        );
    }
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn during_fails_by_its_steps_and_by_how_often_it_looked() {
    let _cluster = healthy_cluster();
    let port = echo_server();
    let run = run_spec_with(
        &["--set", &format!("port={port}")],
        r#"
  namespace: none
  inputs: {port: {type: integer}}
  cases:
    - name: good
      steps:
        - during:
            every: 50ms
            http: {url: "http://127.0.0.1:{{ inputs.port }}/"}
            steps: [{sleep: 2s}]
          expect: {failed: 0, total: {$gte: 10, $lte: 45}}
    - name: too few
      steps:
        - during:
            every: 50ms
            http: {url: "http://127.0.0.1:{{ inputs.port }}/"}
            steps: [{sleep: 500ms}]
          expect: {total: {$gte: 5000}}
    - name: all failed
      steps:
        - during:
            every: 50ms
            http: {url: "http://127.0.0.1:{{ inputs.port }}/"}
            expect: {status: 418}
            steps: [{sleep: 500ms}]
    - name: its step failed
      steps:
        - during:
            every: 50ms
            http: {url: "http://127.0.0.1:{{ inputs.port }}/"}
            steps: [{script: "echo broken inside; exit 9"}]
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_failed(&run, "too few", &["5000", "total"]);
    assert_failed(&run, "all failed", &["failed", "418", "200"]);
    assert_failed(&run, "its step failed", &["9", "broken inside"]);
}
