//! The language by example: everything that a suite can say is said here once, and
//! lowers without a word.

use super::{Folder, lowered};
use crate::plan::input::InputSources;
use crate::plan::model::*;
use crate::template::scope_value;
use serde_json::json;
use std::time::Duration;

/// The steps of a case, lowered. They see `inputs.size`, and the captures `got`,
/// `url` and `node`.
fn steps(steps: &str) -> Vec<Step> {
    let files = [
        (
            "web.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n",
        ),
        (
            "web.yaml.j2",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ run.id }}}\n",
        ),
    ];
    let spec = format!(
        "clusters: {{down: {{kubeconfig: ./down}}}}\n\
         inputs: {{size: {{type: quantity, default: 1Gi}}}}\n\
         setup:\n\
         - command: [echo]\n  \
         capture: {{got: \"{{{{ stdout }}}}\", url: \"{{{{ stdout }}}}\", node: \"{{{{ stdout }}}}\"}}\n\
         cases:\n\
         - name: a\n  steps:\n{}",
        steps
            .lines()
            .map(|line| format!("  {line}\n"))
            .collect::<String>()
    );
    let mut all = files.to_vec();
    let text = super::suite(&spec);
    all.push(("a.yaml", &text));
    let folder = Folder::new(&all);
    let suite = folder
        .load(&["a.yaml"], &InputSources::default())
        .unwrap_or_else(|told| panic!("{told}\n{text}"))
        .remove(0);
    suite.cases.into_iter().next().unwrap().steps
}

fn step(text: &str) -> Step {
    steps(text).remove(0)
}

/// One verb of a step.
macro_rules! verb {
    ($kind:ident, $text:expr) => {
        match step($text).verb {
            Verb::$kind(verb) => verb,
            other => panic!("{other:?}"),
        }
    };
}

#[test]
fn a_whole_suite() {
    let suite = lowered(
        "title: network overlay test\n\
         description: Pods reach pods.\n\
         inputs:\n\
         \x20 image: {type: string, default: \"busybox:1.28\", description: has sh}\n\
         \x20 size: {type: quantity, default: 512Mi}\n\
         \x20 least: {type: version, default: \"1.30\"}\n\
         \x20 token: {type: secret, default: \"\"}\n\
         requires:\n\
         - that: nodes | length >= 2\n\
         \x20 reason: one node has no overlay\n\
         - {exists: {target: crd/widgets.example.com}, reason: no widgets, unmet: fail}\n\
         - {server: \">=1.30, <1.40\"}\n\
         timeout: 10m\n\
         defaults: {timeouts: {request: 20s, assert: 0s, wait: 5m}}\n\
         concurrency: 4\n\
         severity: warning\n\
         clusters: {mgmt: {}, down: {kubeconfig: ./down, context: admin}}\n\
         cluster: mgmt\n\
         namespace: {per: case, labels: {a: b}, annotations: {c: d}}\n\
         setup:\n\
         - get: {target: deployment/web}\n\
         \x20 capture: {replicas: \"{{ object.spec.replicas }}\"}\n\
         cases:\n\
         - name: first\n\
         \x20 steps: [{assert: {that: replicas > 1}}]\n\
         - name: \"{{ source.node }} reaches {{ target.name }}\"\n\
         \x20 matrix:\n\
         \x20   source: {pods: {selector: name=overlaytest, perNode: true}}\n\
         \x20   target: {nodes: {selector: a}, empty: skip}\n\
         \x20   class: {objects: {target: storageclass, where: {that: object.metadata.name != 'x'}}}\n\
         \x20   size: {values: [1, \"{{ replicas }}\"]}\n\
         \x20 if: source.node != target.name\n\
         \x20 requires: [{that: replicas > 0}]\n\
         \x20 needs: first\n\
         \x20 serial: true\n\
         \x20 retries: 2\n\
         \x20 severity: error\n\
         \x20 cluster: down\n\
         \x20 timeout: 1m\n\
         \x20 steps: [{assert: {that: case.name != ''}}]\n\
         \x20 onFailure: [{logs: {selector: app=web}}, {events: {}}]\n\
         \x20 finally: [{delete: {target: pod, selector: app=web}}]\n\
         - name: rows\n\
         \x20 needs: [first, \"{{ source.node }} reaches {{ target.name }}\"]\n\
         \x20 matrix: {rows: [{mode: a, size: 1}, {size: 2, mode: \"{{ inputs.image }}\"}]}\n\
         \x20 steps: [{assert: {that: size > 0 and mode}}]\n\
         onFailure: [{command: [kubectl, get, pods]}]\n\
         teardown: [{assert: {that: replicas > 1}}]",
        &InputSources::default(),
    );
    assert_eq!(suite.secrets, ["token"]);
    assert_eq!(suite.timeouts.request, Duration::from_secs(20));
    assert_eq!(suite.timeouts.assert, Duration::ZERO);
    assert_eq!(suite.timeouts.exec, Duration::from_secs(30));
    assert_eq!(suite.severity, Severity::Warning);
    assert_eq!(suite.cluster.as_deref(), Some("mgmt"));
    let down = &suite.clusters[1];
    assert_eq!(
        down.kubeconfig,
        suite.folder.as_ref().map(|folder| folder.join("./down"))
    );
    assert!(matches!(&suite.namespace, Namespace::PerCase(extras) if extras.labels["a"] == "b"));
    let RequirementCheck::Server(range) = &suite.requires[2].check else {
        panic!("a range");
    };
    assert_eq!(
        range.bounds,
        [
            (VersionComparison::AtLeast, 1, 30),
            (VersionComparison::Below, 1, 40)
        ]
    );
    assert_eq!(suite.requires[1].unmet, Unmet::Fail);
    let case = &suite.cases[1];
    assert_eq!((case.needs.as_slice(), case.retries), (&[0][..], Some(2)));
    assert_eq!(case.severity, Some(Severity::Error));
    assert!(case.serial && case.when.is_some() && case.requires.len() == 1);
    // its own collectors, and then those of the suite
    let collectors: Vec<_> = case
        .on_failure
        .iter()
        .map(|step| step.verb.name())
        .collect();
    assert_eq!(collectors, ["logs", "events", "command"]);
    assert_eq!(suite.cases[2].needs, [0, 1]);
    let Matrix::Rows(rows) = &suite.cases[2].matrix else {
        panic!("rows");
    };
    assert_eq!(rows.len(), 2);
}

#[test]
fn what_stands_beside_a_verb() {
    let step = step(
        "- exec: {target: pod/a, command: [a]}\n  name: \"look at {{ node }}\"\n  if: got == 'x'\n  \
         timeout: 10s\n  retry: {attempts: 3, delay: 1s}\n  expect: {exit: 0}\n  \
         capture: {x: \"{{ stdout | fromjson }}\", all: [\"{{ exit }}\", {a: \"{{ took }}\"}]}\n  \
         failure: words\n  as: {serviceAccount: ci, namespace: b}\n  cluster: down",
    );
    assert_eq!(
        step.retry,
        Some(Retry {
            attempts: 3,
            delay: Some(Duration::from_secs(1))
        })
    );
    assert_eq!(step.capture.len(), 2);
    assert_eq!(step.cluster.as_deref(), Some("down"));
    assert!(matches!(
        step.identity,
        Some(IdentityChoice::ServiceAccount { .. })
    ));
    let users = steps(
        "- get: {target: pod/a}\n  as: jane\n- get: {target: pod/a}\n  \
         as: {user: jane, groups: [a, b]}",
    );
    let groups = |step: &Step| match &step.identity {
        Some(IdentityChoice::User { groups, .. }) => groups.len(),
        _ => panic!("a user"),
    };
    assert_eq!([groups(&users[0]), groups(&users[1])], [0, 2]);
}

#[test]
fn verbs_that_write() {
    let all = steps(
        "- apply: {template: web.yaml.j2, force: true}\n\
         - apply: {file: web.yaml}\n  \
         expect: {rejected: {code: 403, reason: Forbidden, contains: violates PodSecurity}}\n\
         - apply: {file: [web.yaml], namespace: other}\n  expect: {rejected: true}\n\
         - apply: {file: web.yaml}\n  expect: {warnings: {matches: \"deprecated\"}}\n\
         - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: a-}, data: {k: v}}}\n\
         - patch: {target: deployment/web, type: merge, patch: {spec: {replicas: 2}}}\n\
         - patch: {target: deployment/web, type: json, patch: [{op: remove, path: /spec}], allowNoChange: true}\n\
         - patch: {target: deployment/web, subresource: status, patch: {status: {replicas: 2}}}\n\
         - delete: {target: pod, selector: app=web, gracePeriod: 1s}\n\
         - delete: {target: pod/a, foreign: true}\n  expect: {rejected: {}}",
    );
    let rejected: Vec<_> = all
        .iter()
        .map(|step| match &step.verb {
            Verb::Apply(Apply { expect, .. })
            | Verb::Create(Create { expect, .. })
            | Verb::Patch(Patch { expect, .. })
            | Verb::Delete(Delete { expect, .. }) => {
                expect.rejected.as_ref().map(|rejected| rejected.code)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(rejected[..4], [None, Some(Some(403)), Some(None), None]);
    assert_eq!(rejected[9], Some(None));
    let Verb::Patch(patch) = &all[6].verb else {
        panic!("a patch");
    };
    assert_eq!(patch.kind, PatchKind::Json);
    assert!(patch.allow_no_change);
    let Verb::Delete(delete) = &all[8].verb else {
        panic!("a delete");
    };
    assert_eq!(delete.grace_period, Some(Duration::from_secs(1)));
}

#[test]
fn verbs_that_look() {
    let raw = verb!(
        Get,
        "- get: {raw: \"/readyz?verbose\"}\n  expect: {status: 200, body: {contains: ok}}\n  \
         capture: {ready: \"{{ status == 200 and body }}\"}"
    );
    assert!(matches!(raw, Get::Raw { expect, .. } if expect.status == [200]));
    verb!(
        Get,
        "- get: {target: deployment/web}\n  capture: {replicas: \"{{ object.spec.replicas }}\"}"
    );
    let assert = verb!(
        Assert,
        "- assert: {target: deployment/web, match: {spec: {replicas: {$gte: 2}, template: \
         {spec: {containers: {$any: {name: app}}}}}}}"
    );
    assert!(matches!(&assert.checks[..], [AssertCheck::Each(check)] if check.pattern.is_some()));
    verb!(
        Assert,
        "- assert: {target: node, where: {match: {spec: {unschedulable: {$absent: true}}}}, \
         each: {that: \"'example.com/public-ip' in object.metadata.annotations\"}}"
    );
    let assert = verb!(
        Assert,
        "- assert: {target: pod, selector: app=web, count: {min: 2}, for: 5s}"
    );
    assert_eq!(assert.hold, Some(Duration::from_secs(5)));
    let count = |count: &str| {
        let text = format!("- assert: {{target: pod, count: {count}}}");
        match verb!(Assert, &text).checks[..] {
            [AssertCheck::Count(count)] => (count.min, count.max),
            ref other => panic!("{other:?}"),
        }
    };
    assert_eq!(count("3"), (Some(3), Some(3)));
    assert_eq!(count("{min: 2}"), (Some(2), None));
    assert_eq!(count("{$gt: 2, $lt: 5}"), (Some(3), Some(4)));
    assert_eq!(count("{$gte: 2, $lte: 5}"), (Some(2), Some(5)));
    let assert = verb!(
        Assert,
        "- assert: {that: \"got | quantity >= inputs.size | quantity\"}"
    );
    assert!(assert.target.is_none());
    let assert = verb!(
        Assert,
        "- assert: {target: pod, allNamespaces: true, any: {that: objects | length > 1}, \
         none: {match: {status: {phase: Failed}}}, allowEmpty: true}"
    );
    assert_eq!(assert.checks.len(), 2);
    verb!(
        Absent,
        "- absent: {target: pod, selector: app=old, for: 5s}"
    );
    assert_eq!(
        step("- absent: {target: pod/a}\n  timeout: 0s").timeout,
        Some(Duration::ZERO)
    );
    let events = verb!(
        Events,
        "- events: {target: pod/one, type: Warning, reason: Failed, since: run}\n  expect: {count: 0}"
    );
    assert_eq!(events.since, Some(Since::Run));
    verb!(Events, "- events: {namespace: kube-system, since: 10m}");
    let logs = verb!(
        Logs,
        "- logs: {namespace: cattle-system, selector: app=rancher, since: 10m, previous: false, \
         tail: 500}\n  expect: {stdout: {absent: [\"websocket: bad handshake\", refused]}}"
    );
    assert_eq!(logs.target.target.source(), "pod");
    assert_eq!(logs.expect.output.absent.len(), 2);
    verb!(Logs, "- logs: {target: deployment/web, container: main}");
    let can = verb!(
        Can,
        "- can: {as: \"system:serviceaccount:{{ run.namespace }}:ci\", verb: delete, \
         resource: nodes}\n  expect: {allowed: false}"
    );
    assert!(!can.allowed);
}

#[test]
fn everything_to_wait_for() {
    let until = |wait: &str| verb!(Wait, &format!("- wait: {{{wait}}}")).until;
    assert!(matches!(
        until("target: deployment/web, until: rolledOut"),
        Until::RolledOut { per_node: false }
    ));
    assert!(matches!(
        until("target: ds/web, until: rolledOut, perNode: true"),
        Until::RolledOut { per_node: true }
    ));
    assert!(matches!(
        until("target: pod/a, until: exists"),
        Until::Exists
    ));
    assert!(matches!(
        until("target: pod/a, until: deleted"),
        Until::Deleted
    ));
    let Until::Condition { kind, status } = until("target: pod, until: {condition: Ready}") else {
        panic!("a condition");
    };
    assert_eq!((kind.as_str(), status.as_str()), ("Ready", "True"));
    let Until::Condition { status, .. } =
        until("target: pod, until: {condition: Ready, status: false}")
    else {
        panic!("a condition");
    };
    assert_eq!(status, "False");
    let Until::Jsonpath { path, equals } =
        until("target: job/a, until: {jsonpath: \"{.status.succeeded}\", equals: 1}")
    else {
        panic!("a path");
    };
    assert_eq!(path, "{.status.succeeded}");
    assert_eq!(equals.unwrap().render(&scope_value(&json!({}))).unwrap(), 1);
    until("target: pod, selector: app=web, until: {that: object.status.phase == 'Running'}");
    until("target: pod/a, until: {match: {status: {phase: Running}}}");
    let wait = verb!(
        Wait,
        "- wait: {target: job/a, until: {condition: Complete}, unless: {condition: Failed}}"
    );
    assert!(matches!(wait.unless, Some(Until::Condition { .. })));
}

#[test]
fn verbs_that_run_programs() {
    let exec = verb!(
        Exec,
        "- exec: {target: pod/one, container: main, command: [sh, -c, \"cat /etc/hostname\"], stdin: \"\"}\n  \
         expect: {exit: 0, stdout: {matches: \"^web-\", json: {a: {$gte: 1}}}, stderr: {empty: true}, took: {max: 4m}}"
    );
    assert_eq!(
        exec.expect.took.unwrap().max,
        Some(Duration::from_secs(240))
    );
    assert!(exec.expect.stdout.unwrap().json.is_some());
    verb!(Exec, "- exec: {target: deployment/web, command: [a]}");
    assert!(
        verb!(
            Exec,
            "- exec: {target: pod, selector: a=b, each: true, command: [a]}"
        )
        .each
    );
    let run = verb!(
        Run,
        "- run: {image: \"busybox:1.28\", command: [nslookup, a], env: {A: b}, spec: {hostNetwork: true}}\n  \
         expect: {exit: {not: 0}, stdout: {contains: x}}"
    );
    assert_eq!(run.env.len(), 1);
    let args = |text: &str| verb!(Command, text).args.len();
    assert_eq!(
        args("- command: {args: [kubectl, get, ns], env: {A: 1}, cwd: .}"),
        3
    );
    assert_eq!(
        args("- command: [kubectl, version]\n  expect: {exit: any}"),
        2
    );
    let script = verb!(
        Script,
        "- script: {text: \"curl -s $URL\", shell: bash, env: {URL: \"{{ url }}\"}}\n  \
         capture: {ids: \"{{ (stdout | fromjson).ids }}\"}"
    );
    assert_eq!(script.shell, "bash");
    assert_eq!(verb!(Script, "- script: echo $HOME").shell, "sh");
}

#[test]
fn requests() {
    let http = verb!(
        Http,
        "- http: {service: web, port: 80, path: /healthz, via: proxy}\n  \
         expect: {status: [200, 204], headers: {Content-Type: {contains: json}}, body: {json: {ready: true}}}"
    );
    assert_eq!(http.method, "GET");
    assert_eq!(http.expect.headers[0].0, "content-type");
    verb!(
        Http,
        "- http: {service: web, port: https, scheme: https, via: portForward, ca: \"{{ got }}\"}\n  \
         expect: {tls: {validFor: 21d}}"
    );
    let http = verb!(
        Http,
        "- http: {url: \"https://a.example/x\", method: POST, headers: {A: b}, body: {a: 1}, resolve: 10.0.0.1}"
    );
    assert!(matches!(
        http.to,
        HttpDestination::Url {
            resolve: Some(_),
            ..
        }
    ));
}

#[test]
fn steps_around_steps() {
    let during = verb!(
        During,
        "- during:\n    every: 50ms\n    http: {service: echo, port: 80}\n    expect: {status: 200}\n    \
         steps:\n    - patch: {target: deployment/echo, patch: {spec: {replicas: 2}}}\n    \
         - wait: {target: deployment/echo, until: rolledOut}\n  \
         expect: {failed: 0, total: {$gte: 50}}"
    );
    assert_eq!(during.steps.len(), 2);
    assert!(matches!(&during.look.verb, Verb::Http(http) if http.expect.status == [200]));
    let during = verb!(
        During,
        "- during: {every: 1s, assert: {target: pod, count: 2}, steps: [{sleep: 2s}]}"
    );
    assert_eq!(during.look.timeout, Some(Duration::ZERO));
    let foreach = verb!(
        Foreach,
        "- foreach: {item: \"{{ nodes }}\", steps: [{exec: {target: \"pod/{{ item }}\", command: [a]}}]}"
    );
    assert_eq!(foreach.name, "item");
    let step = step("- skip: \"the volume is tied to {{ node }}\"\n  if: node == 'a'");
    assert!(matches!(step.verb, Verb::Skip(_)) && step.when.is_some());
    let time = verb!(Sleep, "- sleep: 2s");
    assert_eq!(time, Duration::from_secs(2));
}
