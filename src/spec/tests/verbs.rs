//! The verbs: which fields they have, and what is said of others.

use insta::assert_snapshot;

use super::{check_spec, check_step};

/// Everything that is said of some steps.
fn check_steps(steps: &str) -> String {
    check_spec(&format!("setup:\n{steps}"))
}

#[test]
fn what_stands_beside_a_verb() {
    assert_snapshot!(check_step("get: {target: pod/a, timeout: 1s, as: jane}"), @r#"
    a.yaml:6:26: unknown field `timeout` of `get` (`timeout` stands beside `get`, not in it)
    a.yaml:6:39: unknown field `as` of `get` (`as` stands beside `get`, not in it)
    "#);
    assert_snapshot!(check_step("get: {target: pod/a}\nretry: 3"), @"a.yaml:7:12: `retry` takes a map, not a number (write {attempts: 3})");
    assert_snapshot!(check_step("get: {target: pod/a}\nretry: {attempts: 0, dely: 1s}"), @r#"
    a.yaml:7:23: `attempts` takes a whole number from 1 on
    a.yaml:7:26: unknown field `dely` of `retry` (did you mean `delay`?)
    "#);
    assert_snapshot!(check_step("get: {target: pod/a}\nas: []"), @"a.yaml:7:5: `as` takes a user, not a list (write {serviceAccount: ci}, {user: jane} or jane)");
    assert_snapshot!(check_step("get: {target: pod/a}\nas: {}"), @"a.yaml:7:5: `as` needs `serviceAccount` or `user` (write {serviceAccount: ci} or {user: jane, groups: [admins]})");
    assert_snapshot!(check_step("get: {target: pod/a}\nas: {serviceAccount: a, user: b}"), @"a.yaml:7:29: `serviceAccount` and `user`: a step acts as one of them");
    assert_snapshot!(check_step("get: {target: pod/a}\nas: {serviceAccount: a, groups: [b]}"), @"a.yaml:7:29: `serviceAccount` and `groups`: a service account has groups of its own");
    assert_snapshot!(check_step("get: {target: pod/a}\nas: {user: a, namespace: b}"), @"a.yaml:7:19: `user` and `namespace`: only a service account has a namespace");
    assert_snapshot!(check_step("get: {target: pod/a}\ncapture: [a]\nif: [b]"), @r#"
    a.yaml:7:5: `capture` takes a map, not a list
    a.yaml:8:5: `if` takes text, not a list
    "#);
    assert_snapshot!(check_step("gte: {target: pod/a}"), @"a.yaml:6:5: unknown field `gte` of a step (did you mean `get`?)");
}

#[test]
fn expect_is_of_its_verb() {
    let expect = |verb: &str, expect: &str| check_step(&format!("{verb}\nexpect: {expect}"));
    assert_snapshot!(expect("logs: {target: pod/a}", "{exit: 0, absent: x}"), @r#"
    a.yaml:7:14: unknown field `exit` of the `expect` of `logs` (known here: stdout)
    a.yaml:7:23: unknown field `absent` of the `expect` of `logs` (write {stdout: {absent: …}})
    "#);
    assert_snapshot!(expect("exec: {target: pod/a, command: [a]}", "{status: 200}"), @"a.yaml:7:14: unknown field `status` of the `expect` of `exec` (known here: exit, stdout, took, stderr)");
    assert_snapshot!(expect("http: {url: a}", "{exit: 0, status: [20, x], headers: {a: b}, tls: {valid: 1d}}"), @r#"
    a.yaml:7:14: unknown field `exit` of the `expect` of `http` (known here: status, body, took, headers, tls)
    a.yaml:7:32: an HTTP status is a number from 100 to 599
    a.yaml:7:36: `status` takes an HTTP status, not a string (write 200 or [200, 204])
    a.yaml:7:53: `a` takes a map, not a string (write {equals: "b"} or {contains: "b"})
    a.yaml:7:57: `tls` needs `validFor`
    a.yaml:7:63: unknown field `valid` of `tls` (known here: validFor)
    "#);
    assert_snapshot!(expect("http: {url: a}", "{status: [], took: 3s}"), @r#"
    a.yaml:7:14: `status` names no status
    a.yaml:7:32: `took` takes a map, not a string (write {max: 3s})
    "#);
    assert_snapshot!(expect("apply: {file: a}", "{stdout: {empty: true}, rejected: {code: many, message: x}}"), @r#"
    a.yaml:7:14: unknown field `stdout` of the `expect` of `apply` (known here: rejected, warnings)
    a.yaml:7:54: `code` takes an HTTP status, not a string (write 200 or [200, 204])
    a.yaml:7:60: unknown field `message` of `rejected` (write {contains: …} or {matches: …} itself)
    "#);
    assert_snapshot!(expect("get: {target: pod/a}", "{count: 1}"), @"a.yaml:7:5: `get` takes no `expect` (what must hold of an object is said by `assert`)");
    assert_snapshot!(expect("get: {raw: /a}", "{tls: {validFor: 1d}}"), @"a.yaml:7:14: unknown field `tls` of the `expect` of `get` (known here: status, body, took, headers)");
    assert_snapshot!(expect("run: {image: a}", "{stderr: {empty: true}}"), @"a.yaml:7:14: unknown field `stderr` of the `expect` of `run` (the log of a pod holds both: `stdout` is stdout and stderr together)");
    assert_snapshot!(expect("events: {}", "{cuont: 1}"), @"a.yaml:7:14: unknown field `cuont` of the `expect` of `events` (did you mean `count`?)");
    assert_snapshot!(expect("events: {}", "{count: {min: 3, max: 2}}"), @"a.yaml:7:14: no count is 3 or more and 2 or less");
    assert_snapshot!(expect("events: {}", "{count: {}}"), @"a.yaml:7:14: `count` has no bound (write 3, {min: 2} or {min: 2, max: 4})");
    assert_snapshot!(expect("events: {}", "{count: '3'}"), @"a.yaml:7:21: `count` takes a whole number or bounds, not a string (write 3, {min: 2} or {min: 2, max: 4})");
    assert_snapshot!(expect("events: {}", "{count: {$lt: 0, $gtee: 1}}"), @r#"
    a.yaml:7:27: `$lt` takes a whole number from 1 on
    a.yaml:7:30: unknown field `$gtee` of `count` (did you mean `$gte`?)
    "#);
    assert_snapshot!(expect("can: {verb: get, resource: pods}", "{allowed: no}"), @"a.yaml:7:23: `allowed` takes true or false, not a string (write false)");
    assert_snapshot!(expect("during: {every: 1s, http: {url: a}, steps: [{sleep: 1s}]}", "{status: 200, totl: 3}"), @r#"
    a.yaml:7:14: unknown field `status` of the `expect` of `during` (what is expected of each look stands in `during`, beside its verb)
    a.yaml:7:27: unknown field `totl` of the `expect` of `during` (did you mean `total`?)
    "#);
    for verb in [
        "sleep: 1s",
        "skip: a",
        "use: {steps: a}",
        "foreach: {a: [1], steps: [{sleep: 1s}]}",
    ] {
        assert!(
            expect(verb, "{exit: 0}").contains("takes no `expect`"),
            "{verb}"
        );
    }
}

#[test]
fn verbs_on_objects() {
    assert_snapshot!(check_steps(
        "- get: pod/a\n- delete: {}\n- absent: {trget: pod}\n- get: {raw: /a, target: pod/a, namespace: b}\n\
         - assert: a == b\n- assert: {target: pod}\n- assert: {match: {a: b}}\n- assert: {that: a, for: 1s}\n\
         - assert: {target: pod, each: {spec: {a: b}}, any: {}, none: x, alowEmpty: true}\n\
         - assert: {target: pod, count: many}\n- patch: {target: pod/a, type: jsn, selector: a}\n\
         - create: a.yaml\n- create: {force: true}\n- get: {target: pod, where: {mtach: {a: b}}}"
    ), @r#"
    a.yaml:6:10: `get` takes a map, not a string (write {target: pod/a})
    a.yaml:7:5: `delete` needs `target`
    a.yaml:8:14: unknown field `trget` of `absent` (did you mean `target`?)
    a.yaml:9:20: `raw` and `target`: one step gets one of them
    a.yaml:9:35: unknown field `namespace` of `get` (a path stands for itself)
    a.yaml:10:13: `assert` takes a map, not a string (write {that: "a == b"})
    a.yaml:11:5: `assert` says nothing about its target (it has `match`, `that`, `each`, `any`, `none` or `count`; `wait` with `until: exists` asks for an object alone)
    a.yaml:12:5: `assert` needs `target`, or `that` alone (`target` names the object, `match` says how it is: {target: deployment/web, match: {spec: {replicas: 2}}})
    a.yaml:13:23: unknown field `for` of `assert` (what is for objects needs the objects: name them in `target`)
    a.yaml:14:34: unknown field `spec` of `each` (fields of the object stand below `match`: {match: {spec: …}})
    a.yaml:14:49: `any` needs `match` or `that` (write {match: {spec: {replicas: 2}}} or {that: object.spec.replicas == 2})
    a.yaml:14:64: `none` takes a map, not a string (write {that: "x"})
    a.yaml:14:67: unknown field `alowEmpty` of `assert` (did you mean `allowEmpty`?)
    a.yaml:15:34: `count` takes a whole number or bounds, not a string (write 3, {min: 2} or {min: 2, max: 4})
    a.yaml:16:5: `patch` needs `patch`
    a.yaml:16:34: `type` takes `merge`, `strategic` or `json`, not `jsn` (did you mean `json`?)
    a.yaml:16:39: unknown field `selector` of `patch` (known here: target, namespace, type, patch, subresource, allowNoChange)
    a.yaml:17:13: `create` takes a map, not a string (write {file: a.yaml})
    a.yaml:18:14: unknown field `force` of `create` (known here: template, file, manifest, raw, namespace)
    a.yaml:19:32: unknown field `mtach` of `where` (did you mean `match`?)
    "#);
}

#[test]
fn each_known_field_is_named_once() {
    assert_snapshot!(
        check_steps("- wait: {target: pod/a, until: exists, zzz: 1}"),
        @"a.yaml:6:42: unknown field `zzz` of `wait` (known here: target, namespace, allNamespaces, selector, where, until, unless, perNode, settle)"
    );
}

#[test]
fn waits() {
    assert_snapshot!(check_steps(
        "- wait: {target: pod/a, until: Ready}\n- wait: {target: pod/a, until: .status.phase}\n\
         - wait: {target: pod/a, until: {}}\n- wait: {target: pod/a, until: {conditon: a}}\n\
         - wait: {target: pod/a, until: {condition: a, equals: b}}\n\
         - wait: {target: pod/a, until: {condition: a, that: b}}\n\
         - wait: {target: pod/a, until: {status: 'True'}}\n\
         - wait: {target: pod/a, until: [a]}\n\
         - wait: {target: pod/a, until: deleted, unless: rolledOut}\n- wait: pod/a\n\
         - wait: {target: pod/a, until: deleted, unless: exists}\n\
         - wait: {target: pod/a, until: {condition: Ready}, unless: deleted}"
    ), @r#"
    a.yaml:6:34: `until` takes `rolledOut`, `exists`, `deleted` or a map, not `Ready` (write {condition: Ready})
    a.yaml:7:34: `until` takes `rolledOut`, `exists`, `deleted` or a map, not `.status.phase` (write {jsonpath: ".status.phase"})
    a.yaml:8:27: `until` says nothing (write rolledOut, exists, deleted, {condition: Ready}, {jsonpath: "{.status.phase}", equals: Running}, {match: …} or {that: …})
    a.yaml:9:35: unknown field `conditon` of `until` (did you mean `condition`?)
    a.yaml:10:49: `equals` is for `jsonpath`
    a.yaml:11:27: `until` is one of them (write rolledOut, exists, deleted, {condition: Ready}, {jsonpath: "{.status.phase}", equals: Running}, {match: …} or {that: …})
    a.yaml:12:35: `status` is for `condition`
    a.yaml:13:27: `until` takes a word or a map, not a list (write rolledOut, exists, deleted, {condition: Ready}, {jsonpath: "{.status.phase}", equals: Running}, {match: …} or {that: …})
    a.yaml:14:51: `unless` is what ends the wait as failed: being rolled out is no failure (write {condition: Failed})
    a.yaml:15:11: `wait` takes a map, not a string (write {target: pod/a})
    a.yaml:16:51: `unless` is what ends the wait as failed: being there is no failure, and what `absent` is for (write {condition: Failed})
    a.yaml:17:62: `unless` is what ends the wait as failed: what is not there is waited for (write {condition: Failed})
    "#);
}

#[test]
fn programs() {
    assert_snapshot!(check_steps(
        "- command: kubectl get ns\n- command: []\n- command: {arg: [a]}\n- command: {args: a b}\n\
         - script: [a, b]\n- script: {shell: bash}\n- script:\n- run: ls -l\n- run: {command: [a]}\n\
         - run: {image: a, spec: [b], env: [c]}\n- exec: {target: pod/a, command: [a], each: yes}"
    ), @r#"
    a.yaml:6:14: `command` takes a list or a map, not a string (write [kubectl, get, ns]; with pipes or variables, `script: kubectl get ns`)
    a.yaml:7:5: `command` is empty: it names the program to run
    a.yaml:8:15: unknown field `arg` of `command` (did you mean `args`?)
    a.yaml:9:21: `args` takes a list, not a string (a command is a list: [sh, -c, "a b"])
    a.yaml:10:5: `script` takes text or a map, not a list (a list of words is a `command`)
    a.yaml:11:5: `script` needs `text`
    a.yaml:12:5: `script` takes text or a map, and has nothing (a list of words is a `command`)
    a.yaml:13:10: `run` takes a map, not a string (`run` makes a pod: {image: …, command: [ls -l]}; for a program on this machine write `command` or `script`)
    a.yaml:14:5: `run` needs `image`
    a.yaml:15:21: `spec` takes a map, not a list
    a.yaml:15:32: `env` takes a map, not a list
    a.yaml:16:47: `each` takes true or false, not a string (write true)
    "#);
}

#[test]
fn what_the_cluster_and_the_network_know() {
    assert_snapshot!(check_steps(
        "- logs: {}\n- logs: pod/a\n- logs: {selectr: a}\n- logs: {selector: a, tail: 0}\n\
         - events: {type: Waring}\n- events: {selector: a=b}\n- can: {verb: get}\n\
         - http: https://a\n- http: {}\n- http: {service: a, url: b}\n- http: {url: a, port: 80}\n\
         - http: {service: a}\n- http: {service: a, port: 80, via: tunnel, scheme: ftp, resolve: b}\n\
         - http: {servce: a}"
    ), @r#"
    a.yaml:6:5: `logs` needs `target` or `selector` (write {target: pod/NAME}, {target: deployment/NAME} or {selector: app=web})
    a.yaml:7:11: `logs` takes a map, not a string (write {target: pod/a})
    a.yaml:8:12: unknown field `selectr` of `logs` (did you mean `selector`?)
    a.yaml:9:31: `tail` takes a whole number from 1 on
    a.yaml:10:20: `type` takes `Normal` or `Warning`, not `Waring` (did you mean `Warning`?)
    a.yaml:11:14: unknown field `selector` of `events` (this chooses objects: name their kind in `target`)
    a.yaml:12:5: `can` needs `resource`
    a.yaml:13:11: `http` takes a map, not a string (write {url: "https://a"})
    a.yaml:14:5: `http` needs `service` or `url` (write {service: web, port: 80} or {url: "https://…"})
    a.yaml:15:24: `service` and `url`: a request goes to one of them
    a.yaml:16:20: `url` and `port`: the whole address stands in `url`
    a.yaml:17:12: a `service` needs its `port` (write its number or its name beside it: {service: web, port: 80})
    a.yaml:18:39: `via` takes `proxy` or `portForward`, not `tunnel`
    a.yaml:18:55: `scheme` takes `http` or `https`, not `ftp`
    a.yaml:18:60: `service` and `resolve`: only the host of a `url` is resolved
    a.yaml:19:12: unknown field `servce` of `http` (did you mean `service`?)
    "#);
}

#[test]
fn steps_around_steps() {
    assert_snapshot!(check_steps(
        "- during: {every: 1s, steps: []}\n- during: {http: {url: a}, every: 1s}\n\
         - during: {every: 1s, apply: {file: a}, steps: [{sleep: 1s}]}\n\
         - during: {every: 1s, http: {url: a}, get: {raw: /a}, steps: [{sleep: 1s}]}\n\
         - foreach: [a]\n- foreach: {steps: [{sleep: 1s}]}\n- foreach: {a: [1], b: [2], steps: [{sleep: 1s}]}\n\
         - foreach: {a: b, steps: [{sleep: 1s}]}\n- foreach: {a: [1]}\n- skip: true\n- sleep: [a]\n\
         - use: deploy\n- use: {steps: a, inputs: {b: c}}\n- use: {with: {a: b}}"
    ), @r#"
    a.yaml:6:5: `during` has exactly one verb to repeat, this one has none (the verbs: http, exec, get, can, command, script, assert, absent)
    a.yaml:6:25: `steps` is empty
    a.yaml:7:5: `during` needs `steps`
    a.yaml:8:25: unknown field `apply` of `during` (`during` repeats a look, one of http, exec, get, can, command, script, assert, absent)
    a.yaml:9:41: `http` and `get`: a step has exactly one verb
    a.yaml:10:5: `foreach` takes a map, not a list (write {node: "{{ nodes }}", steps: […]}: the name of an item, and the list)
    a.yaml:11:5: `foreach` has no list (write {node: "{{ nodes }}", steps: […]}: the name of an item, and the list)
    a.yaml:12:23: `a` and `b`: `foreach` has one name beside `steps`
    a.yaml:13:18: `a` takes a list, or an expression that is one, not a string (write [a, b] or "{{ nodes }}")
    a.yaml:14:5: `foreach` needs `steps`
    a.yaml:15:11: `skip` takes the reason, as text, not a boolean (reports show why: skip: "the volume is tied to a node")
    a.yaml:16:5: `sleep` takes text, not a list
    a.yaml:17:10: `use` takes a map, not a string (write {steps: deploy})
    a.yaml:18:21: unknown field `inputs` of `use` (values go into `with`)
    a.yaml:19:5: `use` needs `steps`
    "#);
}

#[test]
fn collectors_only_look() {
    assert_snapshot!(check_spec("cases:\n- name: a\n  steps: [{sleep: 1s}]\n  onFailure: [{apply: {file: a}}, {logs: {selector: a}}]\n  retry: 2\nonFailure: [{delete: {target: pod/a}}]"), @r#"
    a.yaml:8:18: `onFailure` only looks: `apply` is not for it (what looks: get, logs, events, exec, command, script, http)
    a.yaml:9:5: unknown field `retry` of a case (`retry` is for a step; `retries: 2` repeats a whole case that does not pass)
    a.yaml:10:16: `onFailure` only looks: `delete` is not for it (what looks: get, logs, events, exec, command, script, http)
    "#);
}

#[test]
fn rows_have_the_same_names() {
    let matrix = |matrix: &str| {
        check_spec(&format!(
            "cases:\n- name: a\n  matrix: {matrix}\n  steps: [{{sleep: 1s}}]"
        ))
    };
    assert_eq!(matrix("{rows: {values: [1]}}"), "");
    assert_snapshot!(matrix("{rows: [{a: 1, b: 2}, {a: 1}, {a: 1, b: 2, c: 3}, x, {}], d: {values: [1]}}"), @r#"
    a.yaml:7:36: this row has no `b` (all rows have the same names)
    a.yaml:7:56: the first row has no `c` (all rows have the same names)
    a.yaml:7:63: a row is a map, not a string (rows are written like [{size: 1, mode: a}, {size: 2, mode: b}])
    a.yaml:7:66: a row without values names nothing
    a.yaml:7:66: this row has no `a` (all rows have the same names)
    a.yaml:7:71: `rows` and the axis `d` exclude each other
    "#);
    assert_snapshot!(matrix("{rows: []}"), @"a.yaml:7:14: a matrix without rows has no cells");
    assert_snapshot!(matrix("{rows: '{{ inputs.rows }}'}"), @"a.yaml:7:20: `rows` takes a list, not a string (rows are written like [{size: 1, mode: a}, {size: 2, mode: b}])");
    assert_snapshot!(matrix("{x: {objects: {selector: a}}}"), @"a.yaml:7:18: `objects` needs `target`");
}

#[test]
fn suites_in_full() {
    assert_snapshot!(check_spec("prmissions: []\nseverity: warn\ndefaults: {timeouts: {waits: 1s}, timeout: 1s}\nclusters: {a: ./kubeconfig, b: {kubeconfg: c}}\ninclude: {a: b}"), @"
    a.yaml:5:3: unknown field `prmissions` of `spec` (did you mean `permissions`?)
    a.yaml:6:13: `severity` takes `error` or `warning`, not `warn`
    a.yaml:7:25: unknown field `waits` of `timeouts` (did you mean `wait`?)
    a.yaml:7:37: unknown field `timeout` of `defaults` (did you mean `timeouts`?)
    a.yaml:8:17: `a` takes a map, not a string (a cluster is {kubeconfig: FILE, context: NAME}, or {} to be filled by --cluster NAME=FILE)
    a.yaml:8:35: unknown field `kubeconfg` of a cluster (did you mean `kubeconfig`?)
    a.yaml:9:3: `include` takes text, not a map
    ");
    assert_snapshot!(check_spec("requires: [{that: a, server: b}, {exists: crd/a}, {exists: {}}, {}]"), @r#"
    a.yaml:5:24: `that` and `server`: a requirement is one of them
    a.yaml:5:45: `exists` takes a map, not a string (write {target: crd/a})
    a.yaml:5:54: `exists` needs `target`
    a.yaml:5:67: a requirement needs `that`, `exists` or `server` (write {that: nodes | length >= 2}, {exists: {target: crd/NAME}} or {server: ">=1.30"})
    "#);
    assert_snapshot!(check_spec("requires:\n- server: >=1.30\n"), @r#"a.yaml:6:13: while scanning a block scalar, did not find expected comment or line break (quote a value that begins with `>`: ">=1.30")"#);
    assert_snapshot!(check_spec("cases: [{name: a, needs: {b: c}, serial: 1, retries: -1, severity: bad, steps: [{sleep: 1s}]}]"), @r#"
    a.yaml:5:21: `needs` takes text, not a map
    a.yaml:5:44: `serial` takes true or false, not a number
    a.yaml:5:56: `retries` takes a whole number from 0 on
    a.yaml:5:70: `severity` takes `error` or `warning`, not `bad`
    "#);
}
