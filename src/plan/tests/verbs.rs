//! What is said of verbs whose form is right.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{Folder, check, check_steps, lowered};
use crate::plan::input::InputSources;
use crate::plan::results::RESULTS;

#[test]
fn targets() {
    assert_snapshot!(check_steps(
        "- get: {target: pod/a, selector: a=b}\n\
         - get: {target: pod/a, allNamespaces: true}\n\
         - get: {target: pod, namespace: a, allNamespaces: true}\n\
         - get: {target: a/b/c}\n\
         - get: {target: 'pod a'}\n\
         - get: {target: pod, selector: ''}\n\
         - get: {target: '{{ pod.name }}/x', selector: a}\n\
         - get: {target: widgets.v1.example.com/a}\n\
         - patch: {target: pod, patch: {a: 1}}"
    ), @r#"
    a.yaml:12:40: `selector` chooses among the objects of a kind (leave the name or the selector out)
    a.yaml:13:45: `allNamespaces` is for the objects of a kind
    a.yaml:14:57: `namespace` and `allNamespaces` exclude each other
    a.yaml:15:23: `a/b/c` names no object (a target is written kind or kind/name, as for kubectl)
    a.yaml:16:23: `pod a` names no object (a target is written kind or kind/name, as for kubectl)
    a.yaml:17:38: an empty selector would choose everything (a selector is written like app=web,tier!=cache)
    a.yaml:20:25: `patch` changes one object (the target is written pod/NAME)
    "#);
    assert_snapshot!(check_steps(
        "- exec: {target: pod, command: [a]}\n\
         - exec: {target: deployment, selector: a=b, command: [a]}\n\
         - exec: {target: deploymnt/a, command: [a]}\n\
         - exec: {target: configmap/a, command: [a]}\n\
         - exec: {target: rollouts.example.com/a, command: [a]}\n\
         - logs: {target: service/a}\n\
         - logs: {target: job}"
    ), @r#"
    a.yaml:12:24: `exec` needs to know which pods (write pod/NAME, or a `selector` beside the target)
    a.yaml:13:24: `exec` needs the name of the deployment (write deployment/NAME, or target pod and a `selector`)
    a.yaml:14:24: a `deploymnt` has no pods for `exec` (did you mean `deployment`?)
    a.yaml:15:24: a `configmap` has no pods for `exec` (it runs in: pod/NAME, deployment/NAME and the like, or pod with a selector)
    a.yaml:17:24: a `service` has no pods for `logs` (it reads: pod/NAME, deployment/NAME and the like, or pod with a selector)
    a.yaml:18:24: `logs` needs the name of the job (write job/NAME, or target pod and a `selector`)
    "#);
}

#[test]
fn a_pod_and_what_owns_pods_are_known_in_every_spelling() {
    assert_snapshot!(check_steps(
        "- exec: {target: Pod/a, command: [a]}\n\
         - exec: {target: PODS.v1/a, command: [a]}\n\
         - exec: {target: StatefulSets.v1.apps/a, command: [a]}\n\
         - logs: {target: po, selector: a=b}\n\
         - wait: {target: Deploy.apps/a, until: rolledOut}\n\
         - exec: {target: Po, command: [a]}\n\
         - exec: {target: Service.v1/a, command: [a]}\n\
         - wait: {target: ReplicaSet/a, until: rolledOut}\n\
         - wait: {target: sts/a, until: rolledOut, perNode: true}"
    ), @r#"
    a.yaml:17:24: `exec` needs to know which pods (write pod/NAME, or a `selector` beside the target)
    a.yaml:18:24: a `Service.v1` has no pods for `exec` (it runs in: pod/NAME, deployment/NAME and the like, or pod with a selector)
    a.yaml:19:24: a `ReplicaSet` is never rolled out (a daemonset, a deployment or a statefulset does)
    a.yaml:20:58: `perNode` is for a daemonset: a statefulset has no pod of each node
    "#);
}

#[test]
fn a_capture_asks_for_what_its_verb_gives() {
    assert_snapshot!(check_steps(
        "- wait: {target: deployment/a, until: rolledOut}\n  capture: {x1: '{{ object }}', x2: '{{ objects }}'}\n\
         - wait: {target: pod/a, until: deleted}\n  capture: {x3: '{{ object }}'}\n\
         - patch: {target: pod/a, patch: {a: 1}}\n  capture: {x4: '{{ objects }}'}\n\
         - patch: {target: pod/a, patch: {a: 1}}\n  expect: {rejected: true}\n  capture: {x5: '{{ object }}'}\n\
         - delete: {target: pod/a}\n  capture: {x6: '{{ objects }}'}\n\
         - can: {verb: get, resource: pods}\n  capture: {x7: '{{ reason }}', x8: '{{ stdout }}'}\n\
         - events: {target: pod/a}\n  capture: {x9: '{{ stdout ~ objects }}'}\n\
         - run: {image: a}\n  capture: {x10: '{{ stderr }}'}\n\
         - logs: {target: pod/a}\n  capture: {reason: '{{ took }}'}\n\
         - script: '{{ suite.name ~ case.name }}'\n\
         - script: '{{ suite.title ~ case.title }}'"
    ), @r#"
    a.yaml:15:27: unknown name `object` (this `wait` gives took)
    a.yaml:20:27: unknown name `object` (this `patch` gives took)
    a.yaml:24:47: unknown name `stdout` (this `can` gives reason, took)
    a.yaml:28:28: unknown name `stderr` (this `run` gives exit, stdout, took)
    a.yaml:30:19: the capture `reason` hides a result of steps (these are: object, objects, exit, stdout, stderr, status, headers, body, reason, took)
    a.yaml:32:21: `suite` has no field `title` (known here: name)
    a.yaml:32:35: `case` has no field `title` (known here: name)
    "#);
}

/// The rows of a table of the language's page: the words in backticks of each cell.
fn rows_of_docs(head: &str) -> Vec<Vec<Vec<String>>> {
    let docs = include_str!("../../../docs/language.md");
    let rows = docs.lines().skip_while(|line| line.trim() != head).skip(2);
    rows.map(str::trim)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            let words = |cell: &str| {
                cell.split('`')
                    .skip(1)
                    .step_by(2)
                    .map(str::to_owned)
                    .collect()
            };
            cells.map(words).collect()
        })
        .collect()
}

#[test]
fn the_page_of_the_language_says_what_each_verb_gives() {
    let rows = rows_of_docs("| step | gives |");
    assert_eq!(rows.len(), 9);
    let made = "{manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}";
    let rejected = "expect: {rejected: true}";
    for (row, step) in [
        (0, format!("apply: {made}")),
        (0, format!("create: {made}")),
        (0, "patch: {target: pod/a, patch: {a: 1}}".to_owned()),
        (0, "delete: {target: pod/a}".to_owned()),
        (0, "get: {target: pod/a}".to_owned()),
        (0, "assert: {target: pod/a, that: object.x}".to_owned()),
        (
            0,
            "wait: {target: deployment/a, until: rolledOut}".to_owned(),
        ),
        (1, format!("apply: {made}, {rejected}")),
        (1, format!("create: {made}, {rejected}")),
        (
            1,
            format!("patch: {{target: pod/a, patch: {{a: 1}}}}, {rejected}"),
        ),
        (1, format!("delete: {{target: pod/a}}, {rejected}")),
        (1, "assert: {that: 'true'}".to_owned()),
        (1, "absent: {target: pod/a}".to_owned()),
        (1, "wait: {target: pod/a, until: deleted}".to_owned()),
        (2, "exec: {target: pod/a, command: [a]}".to_owned()),
        (2, "command: [a]".to_owned()),
        (2, "script: a".to_owned()),
        (3, "run: {image: a}".to_owned()),
        (4, "logs: {target: pod/a}".to_owned()),
        (5, "events: {target: pod/a}".to_owned()),
        (6, "http: {url: 'http://a'}".to_owned()),
        (6, "get: {raw: /version}".to_owned()),
        (7, "can: {verb: get, resource: pods}".to_owned()),
    ] {
        let suite = lowered(&format!("setup: [{{{step}}}]"), &InputSources::default());
        let verb = &suite.setup[0].verb;
        assert!(
            rows[row][0].iter().any(|word| word == verb.name()),
            "{step}"
        );
        let told: BTreeSet<&str> = rows[row][1]
            .iter()
            .map(String::as_str)
            .filter(|word| RESULTS.contains(word))
            .chain(["took"])
            .collect();
        let given: BTreeSet<&str> = verb.results().iter().copied().collect();
        assert_eq!(told, given, "{step}");
    }
}

#[test]
fn what_no_object_can_be_is_not_looked_for() {
    assert_snapshot!(check_steps(
        "- absent: {target: role/($cluster.name)-x}\n\
         - absent: {target: 'pod/{{ pod.name }}_x'}\n\
         - absent: {target: pod/a, namespace: Default}\n\
         - absent: {target: pod, selector: 'app=($name)'}\n\
         - absent: {target: pod, selector: \"app='web'\"}\n\
         - exec: {target: pod/Web, command: [a]}\n\
         - can: {verb: get, resource: pods, namespace: $NAMESPACE}\n\
         - assert: {target: pod, match: {}}\n\
         - absent: {target: clusterrole/system:node}\n\
         - absent: {target: 'pod/{{ pod.name }}', namespace: '{{ pod.namespace }}'}"
    ), @r#"
    a.yaml:12:26: no object can be called `($cluster.name)-x` (what the run fills in is written {{ … }})
    a.yaml:13:26: no object can be called `{{ pod.name }}_x` (names of pods have lowercase letters, digits, `-` and `.`)
    a.yaml:14:44: no namespace can be called `Default` (lowercase letters, digits and `-` are allowed)
    a.yaml:15:41: nothing has the labels of `app=($name)` (what the run fills in is written {{ … }})
    a.yaml:16:41: nothing has the labels of `app='web'` (no label has a `'`: write it like app=web,tier!=cache)
    a.yaml:17:24: no object can be called `Web` (names of pods have lowercase letters, digits, `-` and `.`)
    a.yaml:18:53: no namespace can be called `$NAMESPACE` (lowercase letters, digits and `-` are allowed)
    a.yaml:19:31: an empty `match` is matched by every object (it has the fields that the object must have: {spec: {replicas: 2}})
    "#);
}

#[test]
fn times_that_nobody_can_count_are_refused() {
    assert_snapshot!(check_steps(
        "- events: {since: 9999999d}\n\
         - logs: {target: pod/a, since: 9999999d}\n\
         - http: {url: 'https://a'}\n  expect: {tls: {validFor: 9999999d}}\n\
         - sleep: 9999999d\n\
         - get: {target: pod}\n  timeout: 9999999d\n  retry: {attempts: 2, delay: 9999999d}\n\
         - delete: {target: pod, gracePeriod: 36525d}"
    ), @r#"
    a.yaml:12:25: `9999999d` is longer than a hundred years (where no bound is meant, leave it out)
    a.yaml:13:38: `9999999d` is longer than a hundred years (where no bound is meant, leave it out)
    a.yaml:15:34: `9999999d` is longer than a hundred years (where no bound is meant, leave it out)
    a.yaml:16:16: `9999999d` is longer than a hundred years (where no bound is meant, leave it out)
    a.yaml:18:18: `9999999d` is longer than a hundred years (where no bound is meant, leave it out)
    a.yaml:19:37: `9999999d` is longer than a hundred years (where no bound is meant, leave it out)
    "#);
}

#[test]
fn patterns_have_known_operators() {
    assert_snapshot!(check_steps(
        "- assert: {target: pod/a, match: {spec: {replicas: {$gt: 1, $gtee: 2}, list: [{a: {$matches: '('}}]}}}\n\
         - assert: {target: pod/a, match: {metadata: {$any: 1, name: a}}}\n\
         - assert: {target: pod/a, match: text}\n\
         - assert: {target: pod/a, match: '{{ size }}', that: objct.a == 1}\n\
         - exec: {target: pod/a, command: [a]}\n  expect: {stdout: {json: {'a/b': {$absent: 1}}}}\n\
         - during: {every: 1s, http: {url: 'http://a'}, steps: [{sleep: 1s}]}\n  expect: {failed: {$lte: many}}"
    ), @r#"
    a.yaml:12:59: there is no operator `$gtee`: did you mean `$gte`?
    a.yaml:13:52: `$any` stands beside the field `name`: a map holds operators or fields
    a.yaml:14:40: `match` takes a map, not a string (it has the fields that the object must have: {spec: {replicas: 2}})
    a.yaml:15:60: unknown name `objct` (did you mean `object`?)
    a.yaml:17:42: true or false is expected, and this is a number
    a.yaml:19:27: a number, a quantity, a duration or a time is expected, and this is "many"
    "#);
}

#[test]
fn conditions_see_what_they_are_about() {
    assert_snapshot!(check_steps(
        "- assert: {that: object.spec}\n\
         - assert: {target: pod, each: {that: '{{ object }}'}}\n\
         - wait: {target: pod/a, until: {that: objects}, unless: {that: stdout}}\n\
         - get: {target: pod, where: {that: object.a < '1Gi'}}\n\
         - script: a\n  if: exit == 0\n\
         - get: {target: pod}\n  if: pod.nam == 'a'"
    ), @r#"
    a.yaml:12:24: unknown name `object` (`object` is for `match`, `that` and `capture` of a step on objects)
    a.yaml:13:44: a condition has no braces (a condition is an expression already: remove the braces)
    a.yaml:14:70: unknown name `stdout` (`stdout` is for the `capture` of a step that has it)
    a.yaml:15:42: '1Gi' is text, which has no order that is meant: compare typed values (for example `x | quantity >= '1Gi' | quantity`; there are quantity, duration, version and time)
    a.yaml:17:13: unknown name `exit` (`exit` is for the `capture` of a step that has it)
    a.yaml:19:13: `pod` has no field `nam` (did you mean `name`?)
    "#);
}

#[test]
fn waits() {
    assert_snapshot!(check_steps(
        "- wait: {target: pod/a, until: {condition: Ready=False}}\n\
         - wait: {target: pod/a, until: {jsonpath: '{.a[}'}}\n\
         - wait: {target: pod/a, until: {jsonpath: '{.a'}}\n\
         - wait: {target: ds/a, until: exists, perNode: true}\n\
         - wait: {target: deploy, until: rolledOut, perNode: true}"
    ), @r#"
    a.yaml:12:50: `Ready=False` is not the type of a condition (write {condition: Ready, status: "False"})
    a.yaml:13:49: `{.a[}` is not a JSONPath: write it like {.status.phase} or {.items[0].name}
    a.yaml:14:49: `{.a` is not a JSONPath: it has no closing `}`
    a.yaml:15:54: `perNode` is for `until: rolledOut`
    a.yaml:16:59: `perNode` is for a daemonset: a deployment has no pod of each node
    "#);
}

#[test]
fn times() {
    assert_snapshot!(check_steps(
        "- sleep: 0s\n\
         - sleep: '{{ size }}'\n\
         - assert: {target: pod, count: 1, for: 0s}\n\
         - delete: {target: pod/a, gracePeriod: 1500ms}\n\
         - logs: {target: pod/a, since: 0s}\n\
         - get: {target: pod/a}\n  timeout: 0s\n  retry: {attempts: 2, delay: 5}\n\
         - during: {every: 0s, http: {url: 'http://a'}, steps: [{sleep: 1s}]}\n\
         - during: {every: 1s, assert: {target: pod, count: 1}, timeout: 5s, steps: [{sleep: 1s}]}\n\
         - exec: {target: pod/a, command: [a]}\n  expect: {took: {min: 2s, max: 1s}}\n\
         - events: {since: yesterday}"
    ), @r#"
    a.yaml:12:16: a sleep of nothing is none
    a.yaml:13:20: unknown name `size` (an input is used as `inputs.size`)
    a.yaml:14:46: to hold for no time is to hold once: leave `for` out
    a.yaml:15:46: a grace period is whole seconds
    a.yaml:16:38: no log is that young: leave `since` out for all of it
    a.yaml:18:18: a timeout of nothing is never met
    a.yaml:19:37: `5` has no unit (write 5s for seconds, 5m for minutes)
    a.yaml:20:25: looks need some time between them, such as 50ms
    a.yaml:21:29: a look that is repeated does not wait (leave its `timeout` out: it looks once each time)
    a.yaml:23:18: nothing takes more than `min` and less than `max`: swap them
    a.yaml:24:25: `yesterday` is not a duration (a duration is written like 10s, 1m30s, 500ms, 2h or 1d)
    "#);
    assert_snapshot!(check("defaults: {timeouts: {wait: 0s, assert: 0s, exec: soon}}"), @r#"
    a.yaml:5:31: a timeout of nothing is never met
    a.yaml:5:53: `soon` is not a duration (a duration is written like 10s, 1m30s, 500ms, 2h or 1d)
    "#);
}

#[test]
fn requests() {
    assert_snapshot!(check_steps(
        "- http: {url: a.example}\n\
         - http: {url: 'https://'}\n\
         - http: {url: '{{ pod.name }}'}\n\
         - http: {url: 'http://a'}\n  expect: {tls: {validFor: 1d}}\n\
         - http: {service: a, port: 80}\n  expect: {tls: {validFor: 1d}}\n\
         - http: {service: a, port: 443, via: portForward}\n  expect: {tls: {validFor: 1d}}\n\
         - http: {service: a, port: 70000, path: healthz, method: get}\n\
         - http: {service: a, port: '80', headers: {'a b': c}}\n\
         - http: {service: a, port: 'Web Port', method: FETCH}\n\
         - get: {raw: readyz}"
    ), @r#"
    a.yaml:12:21: `a.example` is no address for `http` (it begins with http:// or https://)
    a.yaml:13:21: `https://` is no address for `http` (it is written like https://example.com:8443/healthz)
    a.yaml:16:18: http:// has no certificate (write https://)
    a.yaml:18:18: the API server's proxy shows no certificate (with `via: portForward` and `scheme: https` it is seen)
    a.yaml:20:18: http has no certificate (write `scheme: https`)
    a.yaml:21:34: a port is a number from 1 to 65535, or the name that the Service gives it
    a.yaml:21:47: the path `healthz` does not begin with / (write /healthz)
    a.yaml:21:64: `get` is not a method of HTTP (did you mean GET?)
    a.yaml:22:34: a number stands without quotes
    a.yaml:22:50: `a b` is not the name of a header
    a.yaml:23:34: a port is a number from 1 to 65535, or the name that the Service gives it
    a.yaml:23:54: `FETCH` is not a method of HTTP (there are GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS)
    a.yaml:24:20: the path `readyz` does not begin with / (write /readyz)
    "#);
}

#[test]
fn patches_are_of_their_type() {
    assert_snapshot!(check_steps(
        "- patch: {target: pod/a, type: json, patch: {a: 1}}\n\
         - patch: {target: pod/a, patch: [{op: remove}]}\n\
         - patch: {target: pod/a, patch: '{{ inputs.size }}'}\n\
         - create: {manifest: {apiVersion: v1, kind: A, metadata: {}}}"
    ), @r#"
    a.yaml:12:44: `patch` of this type takes a list of operations, not a map (write [{op: replace, path: /spec/replicas, value: 2}])
    a.yaml:13:32: `patch` of this type takes a map, not a list (write {spec: {replicas: 2}})
    a.yaml:15:18: an object to create needs `metadata.name` or `metadata.generateName`
    "#);
}

#[test]
fn skipping_ends_a_case() {
    assert_snapshot!(check("setup: [{skip: a}]\ncases:\n- name: a\n  steps: [{skip: a}]\n  finally: [{skip: a}]\nteardown: [{foreach: {i: [1], steps: [{skip: a}]}}]"), @r#"
    a.yaml:9:16: `skip` ends a case, and `finally` is none (`requires` skips every case of a suite)
    a.yaml:10:42: `skip` ends a case, and `teardown` is none (`requires` skips every case of a suite)
    "#);
}

#[test]
fn suites_around_their_cases() {
    assert_snapshot!(check("requires: [{server: '1.30'}, {server: '>=1.30.1'}, {server: new}, {exists: {target: a/b/c}}]"), @r#"
    a.yaml:5:23: `1.30` is not a range of versions (write >=1.30 or =1.30)
    a.yaml:5:41: `>=1.30.1` is not a range of versions (a server's version is compared by its first two numbers: >=1.30)
    a.yaml:5:63: `new` is not a range of versions (write it like >=1.30 or >=1.30, <1.36)
    a.yaml:5:87: `a/b/c` names no object (a target is written kind or kind/name, as for kubectl)
    "#);
    assert_snapshot!(check("clusters: {down: {}, 'a b': {}}\ncluster: dwn\nsetup:\n- get: {target: pod/a}\n  cluster: up\ncases: [{name: a, cluster: '{{ run.id }}', steps: [{sleep: 1s}]}]"), @r#"
    a.yaml:5:24: `a b` is not the name of a cluster (it has letters, digits, `-` and `_`)
    a.yaml:6:12: the suite has no cluster `dwn` (did you mean `down`?)
    a.yaml:9:14: the suite has no cluster `up` (known here: down, a b)
    a.yaml:10:34: unknown name `run` (`run` is not known yet at this place)
    "#);
    assert_snapshot!(check("setup:\n- get: {target: pod/a}\n  cluster: down"), @"a.yaml:7:14: the suite has no cluster `down` (declare it: clusters: {down: {}})");
    assert_snapshot!(check("inputs:\n  a: {type: quantity, default: many}\n  b: {type: version, default: 1.30}\n  c: {type: version, default: new}\n  d: {type: secret, default: hunter2}\n  e: {type: quantity, default: 3}"), @r#"
    a.yaml:6:34: the input `a` takes a quantity, not `many` (a quantity is written like 512Mi, 1Gi, 100m, 2, 0.5 or 1e3)
    a.yaml:7:33: the input `b` takes a version, not a number (quote it to make it a string)
    a.yaml:8:33: the input `c` takes a version, not `new` (a version is written like 1.34, v1.34.4, 1.35.0-rc.1 or v1.34.4+rke2r1)
    a.yaml:9:32: the secret `d` would stand in the file (a secret has no default but "": set it from the environment)
    "#);
}

#[test]
fn cases_need_cases() {
    let cases = |needs: [&str; 3]| {
        let [a, b, c] = needs.map(|needs| format!("needs: {needs}, steps: [{{sleep: 1s}}]"));
        check(&format!(
            "cases:\n- {{name: first, {a}}}\n- {{name: '{{{{ run.id }}}}', {b}}}\n- {{name: third, {c}}}"
        ))
    };
    assert_eq!(cases(["[]", "first", "[first, '{{ run.id }}']"]), "");
    assert_snapshot!(cases(["[]", "frist", "[nothing]"]), @r#"
    a.yaml:7:35: there is no case `frist` (did you mean `first`?)
    a.yaml:8:27: there is no case `nothing` (known here: first, {{ run.id }}, third)
    "#);
    assert_snapshot!(cases(["first", "[]", "[]"]), @"a.yaml:6:26: the case `first` needs itself");
    assert_snapshot!(cases(["third", "first", "['{{ run.id }}']"]), @"a.yaml:6:26: these cases need each other: `first` → `third` → `{{ run.id }}` → `first`");
}

proptest! {
    /// Most random text is no YAML: this is, and is a step of the right form.
    #[test]
    fn no_step_makes_the_lowering_panic(
        text in "\\PC{0,12}",
        step in proptest::sample::select(vec![
            "get: {target: X}", "get: {raw: X}", "wait: {target: X, until: {jsonpath: X}}",
            "wait: {target: X, until: {condition: X, status: X}}", "assert: {that: X}",
            "assert: {target: X, match: {X: X}}", "exec: {target: X, command: [X]}",
            "http: {url: X, method: X, headers: {X: X}}", "http: {service: X, port: X, path: X}",
            "sleep: X", "use: {steps: X, with: {X: X}}", "foreach: {X: [X], steps: [{sleep: X}]}",
            "apply: {file: X}", "patch: {target: X, patch: X}", "events: {since: X}",
            "script: {text: X, shell: X, env: {X: X}}", "get: {target: a}, capture: {X: X}",
            "during: {every: X, http: {url: X}, steps: [{skip: X}]}",
        ]),
    ) {
        let quoted = serde_json::to_string(&text).unwrap();
        let spec = format!(
            "requires: [{{server: {quoted}}}]\nsetup: [{{{}}}]",
            step.replace('X', &quoted)
        );
        let folder = Folder::new(&[("a.yaml", &super::suite(&spec))]);
        let _ = folder.load(&["a.yaml"], &InputSources::default());
    }
}

/// What is warned of in the steps of a suite that is right.
fn warned(steps: &str) -> Vec<String> {
    let spec = format!("cases:\n- name: a\n  steps:\n{steps}\n");
    let suite = super::lowered(&spec, &InputSources::default());
    let warnings = suite.warnings.iter();
    warnings
        .map(|warning| {
            let line = warning.one_line();
            line[line.find("a.yaml").unwrap()..].to_owned()
        })
        .collect()
}

#[test]
fn conditions_that_hold_of_nothing_are_warned_of() {
    assert_eq!(
        warned(
            "  - assert: {target: pod/a, each: {that: not (object.status.x == 0)}}\n\
             \x20 - wait: {target: pod/a, until: {that: object.status.phase != 'Failed'}}\n\
             \x20 - absent: {target: pod, where: {that: object.spec.x != 1}}"
        ),
        [
            "a.yaml:8:49: this holds too where `object.status.x` is not set",
            "a.yaml:9:43: this holds too where `object.status.phase` is not set",
            "a.yaml:10:43: this holds too where `object.spec.x` is not set",
        ]
    );
    assert_eq!(
        warned(
            "  - assert: {target: pod/a, that: object.status.x is defined and object.status.x != 0}\n\
             \x20 - wait: {target: pod, where: {that: object.spec.x != 1}, until: exists}\n\
             \x20 - assert: {that: not (inputs == 0)}"
        ),
        [""; 0]
    );
}

#[test]
fn scripts_may_be_taken_as_they_are() {
    let script = "echo ${#x}; kubectl get -o go-template='{{ .metadata.name }}'";
    let told = check_steps(&format!("- script: \"{script}\""));
    assert_eq!(
        told,
        "a.yaml:12:61: unexpected `.` (to keep `{{` or `{%` as text, write {% raw %}…{% endraw %} \
         around it, or `raw: true` beside a script, a command or a manifest)"
    );
    let steps = format!(
        "  - script: {{text: \"{script}\", raw: true}}\n\
         \x20 - command: {{args: [echo, '{{{{ .x }}}}'], raw: true}}\n\
         \x20 - script: \"echo ${{#x}} ${{y%%#}}; echo end\""
    );
    let spec = format!("cases:\n- name: a\n  steps:\n{steps}\n");
    let suite = super::lowered(&spec, &InputSources::default());
    let nothing = crate::template::scope_value(&serde_json::json!({}));
    let texts: Vec<_> = suite.cases[0]
        .steps
        .iter()
        .flat_map(|step| match &step.verb {
            crate::plan::model::Verb::Script(script) => vec![&script.text],
            crate::plan::model::Verb::Command(command) => command.args.iter().collect(),
            _ => Vec::new(),
        })
        .map(|text| text.render_text(&nothing).unwrap())
        .collect();
    assert_eq!(
        texts,
        [script, "echo", "{{ .x }}", "echo ${#x} ${y%%#}; echo end"]
    );
}

#[test]
fn methods_that_there_are_not_are_found() {
    assert_eq!(
        check_steps("- assert: {that: size.has_key('a')}\n- assert: {that: pod.values() | list}"),
        "a.yaml:12:29: there is no method `has_key` (write `'…' in size`)"
    );
}

/// Each unknown name of a file that is rendered, at its own place.
#[test]
fn names_in_files_are_found_where_they_stand() {
    let folder = Folder::new(&[
        (
            "a.yaml",
            &super::suite("setup: [{apply: {template: t.yaml.j2}}]"),
        ),
        (
            "t.yaml.j2",
            "a: \"{{ job }}\"\nb: {c: {d: password}}\ne: \"{{ password }}\"\n",
        ),
    ]);
    let told = folder
        .load(&["a.yaml"], &InputSources::default())
        .unwrap_err();
    let places: Vec<_> = told
        .lines()
        .filter_map(|line| line.split(" (").next())
        .collect();
    assert_eq!(
        places,
        [
            "t.yaml.j2:1:8: unknown name `job`",
            "t.yaml.j2:3:8: unknown name `password`",
        ]
    );
}

/// Neither a secret that stands where it must not, nor what stands beside a value that is wrong.
#[test]
fn diagnostics_quote_no_secret() {
    let folder = Folder::new(&[
        (
            "a.yaml",
            &super::suite(
                "inputs: {n: {type: integer, default: 1}, p: {type: secret, default: hunter2}, q: {type: secret, default: 77771234}}",
            ),
        ),
        (
            "b.yaml",
            &super::suite("inputs: {n: {type: integer, default: 1}}"),
        ),
        ("values.yaml", "{n: x, p: hunter2}\n"),
        ("broken.yaml", "p: hunter2: x\n"),
    ]);
    let shown = |suite: &str, values: Option<&str>| {
        let files: Vec<_> = values
            .map(|name| folder.path(name).into())
            .into_iter()
            .collect();
        let sources = InputSources::read(&[], &files, []);
        let loaded = sources.and_then(|sources| {
            let labels = crate::plan::select::LabelSelector::default();
            crate::plan::load::load_suites(&[folder.path(suite)], &sources, &labels)
        });
        match loaded.unwrap_err() {
            crate::plan::error::LoadError::Invalid(diagnostics) => {
                crate::diagnostic::render(&diagnostics, false, 100)
            }
            crate::plan::error::LoadError::Usage(message) => message,
        }
    };
    for (suite, values, told) in [
        ("a.yaml", None, "would stand in the file"),
        ("b.yaml", Some("values.yaml"), "takes an integer"),
        ("b.yaml", Some("broken.yaml"), "broken.yaml:1:"),
    ] {
        let shown = shown(suite, values);
        assert!(shown.contains(told), "{shown}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("77771234"),
            "{shown}"
        );
    }
}
