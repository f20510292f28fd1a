//! Suites that are wrong in their form, and what is said of them.

mod fields;
mod verbs;

use insta::assert_snapshot;
use proptest::prelude::*;

use crate::diagnostic;
use crate::source::SourceFile;
use crate::spec::schema::{ManifestsSpec, VerbSpec};
use crate::spec::{is_suite, load};

/// Everything that is said of a text, a line for each mistake.
fn check(text: &str) -> String {
    let file = SourceFile::new("a.yaml", text);
    let (_, mut diagnostics) = load(&file);
    diagnostic::sort(&mut diagnostics);
    diagnostics
        .iter()
        .map(|diagnostic| match &diagnostic.help {
            Some(help) => format!("{} ({help})", diagnostic.one_line()),
            None => diagnostic.one_line(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The same for the `spec` of a suite that has a case.
fn check_spec(spec: &str) -> String {
    check(&suite(spec))
}

fn suite(spec: &str) -> String {
    let has_cases = spec.lines().any(|line| line.starts_with("cases:"));
    let cases = "cases: [{name: a, steps: [{exec: {target: pod/a, command: [a]}}]}]";
    let spec: String = spec
        .lines()
        .chain((!has_cases).then_some(cases))
        .map(|line| format!("  {line}\n"))
        .collect();
    format!("apiVersion: kubeproof.dev/v1alpha1\nkind: Suite\nmetadata: {{name: a}}\nspec:\n{spec}")
}

/// The same for one step.
fn check_step(step: &str) -> String {
    check_spec(&format!("setup:\n- {}", step.replace('\n', "\n  ")))
}

#[test]
fn a_suite_in_full_is_read_without_a_word() {
    assert_eq!(
        check(
            r#"
apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: a, labels: {area: network}}
definitions: {pods: &pods {pods: {selector: app=a, namespace: b, perNode: true}}, more: [1]}
spec:
  title: A
  description: >-
    more
    words
  inputs:
    a: {type: string, default: x, description: words}
    b: {type: list, default: [1]}
  requires: [{that: nodes, reason: none, unmet: fail}]
  timeout: 1m
  concurrency: 2
  namespace: {per: suite, labels: {a: b}, annotations: {c: d}}
  permissions:
    - {apiGroups: [""], resources: [pods], verbs: [get], resourceNames: [a], namespace: b}
    - {nonResourceURLs: [/metrics], verbs: [get]}
  setup:
    - apply: {template: a, namespace: b, force: true}
      name: words
      timeout: 1s
      failure: words
    - apply: {file: [a, b]}
    - apply: {manifest: {a: b}, raw: true}
    - wait: {target: a, namespace: b, until: rolledOut, perNode: true}
  cases:
    - name: a
      matrix: {a: *pods, b: {nodes: {selector: a}, empty: skip}, c: {values: [1]}, d: {nodes: }}
      timeout: 1m
      steps:
        - exec: {target: a, container: b, namespace: c, command: [a, 1, true], stdin: d}
          expect:
            exit: {not: [0, 1]}
            stdout: {equals: a, contains: b, matches: [c], absent: [d], empty: false, lines: 3}
            stderr: {empty: true}
      finally:
        - exec: {target: a, command: [b]}
          expect: {exit: any}
  teardown: []
"#
        ),
        ""
    );
}

#[test]
fn documents() {
    assert_snapshot!(check(""), @"a.yaml:1:1: the file holds no suite (a suite begins with `apiVersion: kubeproof.dev/v1alpha1` and `kind: Suite`)");
    assert_snapshot!(check("# nothing\n---\n"), @"a.yaml:1:1: the file holds no suite (a suite begins with `apiVersion: kubeproof.dev/v1alpha1` and `kind: Suite`)");
    assert_snapshot!(check("a: [1\n"), @"a.yaml:1:4: unclosed bracket '['");
    assert_snapshot!(check("just words"), @"a.yaml:1:1: a suite is a map, not a string (it begins with `apiVersion: kubeproof.dev/v1alpha1` and `kind: Suite`)");
    assert_snapshot!(check("kind: Suite"), @"a.yaml:1:1: a suite needs `apiVersion` (a suite begins with `apiVersion: kubeproof.dev/v1alpha1` and `kind: Suite`)");
    assert_snapshot!(check("apiVersion: kubeproof.dev/v1alpha1"), @"a.yaml:1:1: a suite needs `kind` (write `kind: Suite`)");
    assert_snapshot!(check("apiVersion: kubeproof.dev/v1alpha1\nkind: Suit"), @"a.yaml:2:7: `kind` takes `Suite` or `Steps`, not `Suit` (did you mean `Suite`?)");
    assert_snapshot!(check("apiVersion: kubeproof.dev/v1\nkind: Suite"), @"a.yaml:1:13: `kubeproof.dev/v1` is not the apiVersion of a suite (this program reads `apiVersion: kubeproof.dev/v1alpha1`)");
    assert_snapshot!(check("apiVersion: kubeprof.dev/v1alpha1\nkind: Suite"), @"a.yaml:1:13: `kubeprof.dev/v1alpha1` is not the apiVersion of a suite (this program reads `apiVersion: kubeproof.dev/v1alpha1`)");
    assert_snapshot!(check("apiVersion: v1\nkind: Pod\nspec: {a: b}"), @"a.yaml:1:13: `v1` is not the apiVersion of a suite (this looks like a manifest: a suite applies it by `- apply: {file: …}`)");
    assert_snapshot!(check("apiVersion: 1\nkind: Suite"), @r#"a.yaml:1:13: `apiVersion` takes a string, not a number (quote it: "1")"#);
    assert_snapshot!(check("apiVersion: kubeproof.dev/v1alpha1\nkind: Suite\nstatus: {}"), @r#"
    a.yaml:1:1: a suite needs `metadata`
    a.yaml:1:1: a suite needs `spec`
    a.yaml:3:1: unknown field `status` of a suite (known here: apiVersion, kind, definitions, metadata, spec)
    "#);
}

#[test]
fn words_of_other_tools_are_answered_by_those_of_this_one() {
    let steps = |names: &[&str]| {
        let step = |name: &&str| format!("- {{get: {{target: pod/a}}, {name}: x}}\n");
        let text = check_spec(&format!(
            "setup:\n{}",
            names.iter().map(step).collect::<String>()
        ));
        text.replace("unknown field ", "")
    };
    assert_snapshot!(steps(&[
        "catch", "onFailure", "finally", "cleanup", "set", "let", "bindings", "describe", "update",
        "podLogs", "check", "retries", "timeouts", "needs", "env", "target",
    ]), @r#"
    a.yaml:6:28: `catch` of a step (what looks at a failure is `onFailure` of the case or of the suite, beside its `steps` or `cases`)
    a.yaml:7:28: `onFailure` of a step (what looks at a failure is `onFailure` of the case or of the suite, beside its `steps` or `cases`)
    a.yaml:8:28: `finally` of a step (`finally` of the case is for that, beside its `steps`; what steps have made goes by itself)
    a.yaml:9:28: `cleanup` of a step (`finally` of the case is for that, beside its `steps`; what steps have made goes by itself)
    a.yaml:10:28: `set` of a step (a value gets a name by `capture` beside a step that gives it; without one, write {assert: {that: "true"}, capture: {x: "{{ … }}"}})
    a.yaml:11:28: `let` of a step (a value gets a name by `capture` beside a step that gives it; without one, write {assert: {that: "true"}, capture: {x: "{{ … }}"}})
    a.yaml:12:28: `bindings` of a step (a value gets a name by `capture` beside a step that gives it; without one, write {assert: {that: "true"}, capture: {x: "{{ … }}"}})
    a.yaml:13:28: `describe` of a step (`get` gives an object whole, `events` what happened to it)
    a.yaml:14:28: `update` of a step (`apply` makes an object what a manifest says, `patch` changes a part of it)
    a.yaml:15:28: `podLogs` of a step (the logs of pods are read by `logs`)
    a.yaml:16:28: `check` of a step (what is expected of a verb is said by `expect`)
    a.yaml:17:28: `retries` of a step (a step is tried again by `retry: {attempts: 3, delay: 1s}`)
    a.yaml:18:28: `timeouts` of a step (write {defaults: {timeouts: {…}}} in the `spec` of the suite)
    a.yaml:19:28: `needs` of a step (`needs` belongs to the case, beside its `steps`)
    a.yaml:20:28: `env` of a step (`env` stands in `get`, not beside it)
    a.yaml:21:28: `target` of a step (`target` stands in `get`, not beside it)
    "#);
    let all = [
        check_step("catch: []"),
        check_step("script: echo\nenv: {A: b}"),
        check_step("error: {file: x.yaml}"),
        check_step("get: {apiVersion: v1, kind: Pod, name: a}"),
        check_step("assert: {file: x.yaml}"),
        check_step("assert: {apiVersion: v1, kind: Pod, name: a, match: {}}"),
        check_step("assert: {that: x, match: {a: b}, for: 1s, file: x}"),
        check_spec("timeouts: {wait: 1m}\nsteps: []\ncatch: []\nbindings: []"),
        check_spec(
            "cases:\n- {name: a, steps: [{sleep: 1s}], skip: true, catch: [], cleanup: [], timeouts: {}}",
        ),
    ];
    assert_snapshot!(all.join("\n"), @r#"
    a.yaml:6:5: unknown field `catch` of a step (what looks at a failure is `onFailure` of the case or of the suite, beside its `steps` or `cases`)
    a.yaml:7:5: unknown field `env` of a step (write script: {text: …, env: …})
    a.yaml:6:5: `error` takes the reason, as text, not a map (that an object is not there, or not so, is said by `absent`)
    a.yaml:6:11: unknown fields `apiVersion`, `kind` and `name` of `get` (`target` names an object: KIND/NAME, such as deployment/web)
    a.yaml:6:5: `assert` needs `target`, or `that` alone, and has no `file` (what is expected is written in the suite: {target: deployment/web, match: {spec: {replicas: 2}}})
    a.yaml:6:5: `assert` needs `target`, or `that` alone, and has no `apiVersion`, `kind` and `name` (`target` names the object, `match` says how it is: {target: deployment/web, match: {spec: {replicas: 2}}})
    a.yaml:6:23: unknown fields `match` and `for` of `assert` (what is for objects needs the objects: name them in `target`)
    a.yaml:6:47: unknown field `file` of `assert` (known here: target, that, match, each, any, none, count, for, allowEmpty, namespace, allNamespaces, selector, where)
    a.yaml:5:3: unknown field `timeouts` of `spec` (write {defaults: {timeouts: {…}}} in the `spec` of the suite)
    a.yaml:6:3: unknown field `steps` of `spec` (steps stand in a case: cases: [{name: …, steps: […]}])
    a.yaml:7:3: unknown field `catch` of `spec` (what looks at a failure is `onFailure` of the case or of the suite, beside its `steps` or `cases`)
    a.yaml:8:3: unknown field `bindings` of `spec` (values from outside are `inputs`, those of steps are captured)
    a.yaml:6:37: unknown field `skip` of a case (`if: "false"` switches a case off; `skip` in a step says why)
    a.yaml:6:49: unknown field `catch` of a case (what looks at a failure is `onFailure` of the case or of the suite, beside its `steps` or `cases`)
    a.yaml:6:60: unknown field `cleanup` of a case (`finally` of the case is for that, beside its `steps`; what steps have made goes by itself)
    a.yaml:6:73: unknown field `timeouts` of a case (write {defaults: {timeouts: {…}}} in the `spec` of the suite)
    "#);
}

#[test]
fn each_document_of_a_file_is_read() {
    let file = SourceFile::new(
        "a.yaml",
        format!("{}---\nkind: x\n---\n{}", suite(""), suite("titel: b")),
    );
    let (documents, diagnostics) = load(&file);
    assert_eq!(documents.suites.len(), 2);
    assert_eq!(diagnostics.len(), 2);
}

#[test]
fn fields_of_a_suite() {
    assert_snapshot!(check_spec("titel: x\ncaes: []\ncases: []"), @r#"
    a.yaml:5:3: unknown field `titel` of `spec` (did you mean `title`?)
    a.yaml:6:3: unknown field `caes` of `spec` (did you mean `cases`?)
    a.yaml:7:3: a suite without cases tests nothing
    "#);
    assert_snapshot!(check_spec("case: []\ncases:\n- {}"), @r#"
    a.yaml:5:3: unknown field `case` of `spec` (did you mean `cases`?)
    a.yaml:7:5: a case needs `name`
    a.yaml:7:5: a case needs `steps`
    "#);
    assert_snapshot!(check_spec("title: [a]\ndescription:\ntimeout: {a: b}\nconcurrency: 0"), @r#"
    a.yaml:5:3: `title` takes text, not a list
    a.yaml:6:3: `description` takes text, and has nothing
    a.yaml:7:3: `timeout` takes text, not a map
    a.yaml:8:16: `concurrency` takes a whole number from 1 on
    "#);
    assert_snapshot!(check_spec("concurrency: many"), @"a.yaml:5:16: `concurrency` takes a whole number, not a string");
    assert_snapshot!(check_spec("setup: {apply: {file: x}}"), @"a.yaml:5:3: `setup` takes a list, not a map (each step begins with `- ` and its verb)");
    assert_snapshot!(check_spec("setup: [apply, 3]"), @r#"
    a.yaml:5:11: a step is a map, not a string (a step has one verb: apply, create, patch, delete, get, assert, absent, wait, exec, run, command, script, logs, events, http, can, during, foreach, skip, error, sleep, use)
    a.yaml:5:18: a step is a map, not a number (a step has one verb: apply, create, patch, delete, get, assert, absent, wait, exec, run, command, script, logs, events, http, can, during, foreach, skip, error, sleep, use)
    "#);
    assert_snapshot!(check_spec("setup:"), @"a.yaml:5:3: `setup` takes a list, and has nothing (each step begins with `- ` and its verb)");
}

#[test]
fn inputs_and_requirements() {
    assert_snapshot!(check_spec("inputs: [a]"), @"a.yaml:5:3: `inputs` takes a map, not a list");
    assert_snapshot!(check_spec("inputs: {a: x, b: {}, c: {type: strin}, d: {typ: map}}"), @r#"
    a.yaml:5:15: `a` takes a map, not a string (an input is declared like `{type: string, default: x}`)
    a.yaml:5:18: an input needs `type`
    a.yaml:5:35: `type` takes `string`, `integer`, `number`, `boolean`, `list`, `map`, `duration`, `quantity`, `version` or `secret`, not `strin` (did you mean `string`?)
    a.yaml:5:47: unknown field `typ` of an input (did you mean `type`?)
    "#);
    assert_eq!(check_spec("inputs: {a: {type: secret}}"), "");
    assert_snapshot!(check_spec("requires: {that: a}"), @"a.yaml:5:3: `requires` takes a list, not a map (write `- that: …` and `  reason: …` below it)");
    assert_snapshot!(check_spec("requires: [{that: {a: b}}, {reason: a, unmet: skp}]"), @r#"
    a.yaml:5:15: `that` takes text, not a map
    a.yaml:5:31: a requirement needs `that`, `exists` or `server` (write {that: nodes | length >= 2}, {exists: {target: crd/NAME}} or {server: ">=1.30"})
    a.yaml:5:49: `unmet` takes `skip` or `fail`, not `skp` (did you mean `skip`?)
    "#);
}

#[test]
fn permissions() {
    let permission = |text: &str| check_spec(&format!("permissions: [{text}]"));
    assert_eq!(
        permission("{apiGroups: '', resources: pods, verbs: get}"),
        "",
        "one text is a list of one"
    );
    assert_snapshot!(check_spec("permissions: {verbs: [get]}"), @r#"a.yaml:5:3: `permissions` takes a list, not a map (write {apiGroups: [""], resources: [pods], verbs: [get, list]} or {nonResourceURLs: [/metrics], verbs: [get]})"#);
    assert_snapshot!(permission("{resources: [pods], verbs: []}"), @r#"
    a.yaml:5:18: a permission needs `apiGroups`
    a.yaml:5:37: `verbs` is empty (write {apiGroups: [""], resources: [pods], verbs: [get, list]} or {nonResourceURLs: [/metrics], verbs: [get]})
    "#);
    assert_snapshot!(permission("{nonResourceURLs: [/metrics], namespace: a, verbs: [get]}"), @"a.yaml:5:47: `nonResourceURLs` and `namespace`: a path belongs to no group or namespace");
    assert_snapshot!(permission("{apiGroups: [''], resource: [pods], verbs: [get]}"), @"a.yaml:5:35: unknown field `resource` of a permission (did you mean `resources`?)");
    assert_snapshot!(permission("{nonResourceURLs: [], verbs: [get]}"), @r#"a.yaml:5:18: `nonResourceURLs` is empty (write {apiGroups: [""], resources: [pods], verbs: [get, list]} or {nonResourceURLs: [/metrics], verbs: [get]})"#);
}

#[test]
fn namespaces() {
    assert_eq!(check_spec("namespace: none"), "");
    assert_eq!(check_spec("namespace: {}"), "");
    assert_snapshot!(check_spec("namespace: foo"), @"a.yaml:5:14: `namespace` takes a map or `none`, not a string (for a namespace that is there, write {existing: foo})");
    assert_snapshot!(check_spec("namespace: ~"), @"a.yaml:5:3: `namespace` takes a map or `none`, and has nothing (for no namespace, write none)");
    assert_eq!(check_spec("namespace: {per: case}"), "");
    assert_snapshot!(check_spec("namespace: {existing: a, labels: {b: c}}"), @"a.yaml:5:28: `labels` and `existing` exclude each other");
    assert_snapshot!(check_spec("namespace: {labels: {a: true, b: 1.10}}"), @r#"
    a.yaml:5:27: `a` takes a string, not a boolean (quote it: "true")
    a.yaml:5:36: `b` takes a string, not a number (quote it: "1.10")
    "#);
}

#[test]
fn matrices() {
    let axis = |axis: &str| {
        check_spec(&format!(
            "cases:\n- name: a\n  matrix: {{x: {axis}}}\n  \
             steps: [{{exec: {{target: pod/a, command: [a]}}}}]"
        ))
    };
    assert_eq!(axis("{values: [], empty: skip}"), "");
    assert_eq!(axis("{values: '{{ inputs.a }}'}"), "");
    assert_snapshot!(axis("{values: []}"), @"a.yaml:7:14: the axis `x` has no values (with `empty: skip` the case is skipped then)");
    assert_snapshot!(axis("{values: abc}"), @r#"a.yaml:7:26: `values` takes a list, or an expression that is one, not a string (write [a, b] or "{{ inputs.names }}")"#);
    assert_snapshot!(axis("{}"), @"a.yaml:7:14: the axis `x` has no values (an axis is {pods: {selector: …}}, {nodes: {}}, {objects: {target: …}} or {values: […]})");
    assert_snapshot!(axis("[1]"), @"a.yaml:7:14: `x` takes a map, not a list (an axis is {pods: {selector: …}}, {nodes: {}}, {objects: {target: …}} or {values: […]})");
    assert_snapshot!(axis("{pods: {perNode: yes}}"), @r#"
    a.yaml:7:18: `pods` needs `selector`
    a.yaml:7:34: `perNode` takes true or false, not a string (write true)
    "#);
    assert_snapshot!(axis("{pod: {selector: a}}"), @"a.yaml:7:18: unknown field `pod` of an axis (did you mean `pods`?)");
    assert_snapshot!(axis("{pods: {selector: a}, nodes: {}, empty: fail}"), @r#"
    a.yaml:7:39: `pods` and `nodes`: an axis has one source of values
    a.yaml:7:57: `empty` takes `skip`, not `fail`
    "#);
    assert_snapshot!(axis("{pods: app=a}"), @"a.yaml:7:24: `pods` takes a map, not a string");
    assert_snapshot!(check_spec("cases: [{name: a, matrix: {}, steps: []}]"), @r#"
    a.yaml:5:21: a matrix without axes has no cells
    a.yaml:5:33: a case without steps tests nothing
    "#);
}

#[test]
fn steps_have_one_verb() {
    assert_snapshot!(check_step("timeout: 3s"), @"a.yaml:6:5: a step has exactly one verb, this one has none (the verbs: apply, create, patch, delete, get, assert, absent, wait, exec, run, command, script, logs, events, http, can, during, foreach, skip, error, sleep, use)");
    assert_snapshot!(check_step("exce: {}"), @"a.yaml:6:5: unknown field `exce` of a step (did you mean `exec`?)");
    assert_snapshot!(check_step("assert: {}"), @"a.yaml:6:5: `assert` needs `target`, or `that` alone (without a target it is about values: {that: got == 1})");
    assert_snapshot!(check_step("apply: {file: a}\nwait: {}"), @"a.yaml:7:5: `apply` and `wait`: a step has exactly one verb");
    assert_snapshot!(check_step("apply: x.yaml"), @"a.yaml:6:12: `apply` takes a map, not a string (write {file: x.yaml})");
    assert_snapshot!(check_step("apply: x.yaml.j2"), @"a.yaml:6:12: `apply` takes a map, not a string (write {template: x.yaml.j2})");
    assert_snapshot!(check_step("apply: {}"), @"a.yaml:6:5: `apply` needs something to apply (write {template: x.yaml.j2}, {file: x.yaml} or {manifest: {…}})");
    assert_snapshot!(check_step("apply: {file: a, template: b}"), @"a.yaml:6:22: `file` and `template`: one step applies one of them");
    assert_snapshot!(check_step("apply: {file: [], raw: true, forse: true}"), @r#"
    a.yaml:6:13: `file` names no file
    a.yaml:6:23: `raw` is for `manifest`, not for `file` (a `file` is never rendered, a `template` always)
    a.yaml:6:34: unknown field `forse` of `apply` (did you mean `force`?)
    "#);
    assert_snapshot!(check_step("apply: {manifest: text}"), @"a.yaml:6:23: `manifest` takes a map, not a string");
    assert_snapshot!(check_step("wait: {target: ds/a, until: roledOut}\nexpect: {}"), @r#"
    a.yaml:6:33: `until` takes `rolledOut`, `exists`, `deleted` or a map, not `roledOut` (did you mean `rolledOut`?)
    a.yaml:7:5: `wait` takes no `expect` (what it waits for is said in `until`)
    "#);
    assert_snapshot!(check_step("wait: {untl: rolledOut, perNode: 1}"), @r#"
    a.yaml:6:5: `wait` needs `target`
    a.yaml:6:12: unknown field `untl` of `wait` (did you mean `until`?)
    a.yaml:6:38: `perNode` takes true or false, not a number
    "#);
}

#[test]
fn commands_and_what_is_expected_of_them() {
    let expect = |expect: &str| {
        check_step(&format!(
            "exec: {{target: pod/a, command: [a]}}\nexpect: {{{expect}}}"
        ))
    };
    assert_snapshot!(check_step("exec: {comand: [a]}"), @r#"
    a.yaml:6:5: `exec` needs `target`
    a.yaml:6:12: unknown field `comand` of `exec` (did you mean `command`?)
    "#);
    assert_snapshot!(check_step("exec: {target: pod/a, command: ping -c2 \"x\"}"), @r#"a.yaml:6:36: `command` takes a list, not a string (a command is a list: [sh, -c, "ping -c2 \"x\""])"#);
    assert_snapshot!(check_step("exec: {target: pod/a, command: []}"), @"a.yaml:6:27: `command` is empty: it names the program to run");
    assert_snapshot!(check_step("exec: {target: pod/a, command: [a, [b], ~]}"), @r#"
    a.yaml:6:40: `command` takes text, not a list
    a.yaml:6:45: `command` takes text, and has nothing
    "#);
    assert_snapshot!(expect("exit: '1'"), @"a.yaml:7:20: `exit` takes an exit code, not a string (write 0, [0, 2], {not: 0} or any)");
    assert_snapshot!(expect("exit: [0, 256], stdout: abc"), @r#"
    a.yaml:7:24: an exit code is a whole number from 0 to 255
    a.yaml:7:38: `stdout` takes a map, not a string (write {equals: "abc"} or {contains: "abc"})
    "#);
    assert_snapshot!(expect("exit: {nt: 0}"), @"a.yaml:7:21: unknown field `nt` of `exit` (did you mean `not`?)");
    assert_snapshot!(expect("exit: [], stderr: {lines: -1, empty: no, contain: a}"), @r#"
    a.yaml:7:14: `exit` names no exit code
    a.yaml:7:40: `lines` takes a whole number from 0 on
    a.yaml:7:51: `empty` takes true or false, not a string (write false)
    a.yaml:7:55: unknown field `contain` of an expected output (did you mean `contains`?)
    "#);
}

#[test]
fn what_yaml_does_to_beginners() {
    assert_snapshot!(check_spec("title: {{ x }}"), @r#"a.yaml:5:10: a key of a map is a string (quote a value that begins with `{{`: "{{ … }}")"#);
    assert_snapshot!(check_spec("requires:\n- that: 'a' in b"), @r#"a.yaml:6:15: invalid trailing content after single-quoted scalar (quote the whole expression: "'a' in b")"#);
    assert_snapshot!(check_spec("requires:\n\t- that: a"), @"a.yaml:6:4: tabs disallowed within this context (block indentation) (YAML is indented with spaces: replace the tab)");
    assert_snapshot!(check_spec("title: a\ntitle: b"), @"a.yaml:6:3: duplicate mapping key `title` is not allowed here");
    assert_snapshot!(check_spec("title: !mine a"), @"a.yaml:5:16: unsupported tag `!mine` (quote a value that begins with `!`)");
}

#[test]
fn scalars_of_a_command_stay_as_they_are_written() {
    let text = suite("setup:\n- exec: {target: pod/a, command: [sleep, 1.10, 0x10, true]}");
    let (documents, _) = load(&SourceFile::new("a.yaml", text));
    let Some(VerbSpec::Exec(exec)) = &documents.suites[0].setup[0].verb else {
        panic!("an exec");
    };
    let words = exec.command.as_ref().unwrap();
    let words: Vec<_> = words.iter().map(|word| word.value.as_str()).collect();
    assert_eq!(words, ["sleep", "1.10", "0x10", "true"]);
}

#[test]
fn definitions_serve_as_anchors() {
    let text = format!(
        "definitions:\n  x: &x {{a: 1}}\n{}",
        suite("setup:\n- apply: {manifest: {<<: *x, b: 2}}")
    );
    let (documents, diagnostics) = load(&SourceFile::new("a.yaml", text));
    assert!(diagnostics.is_empty());
    let Some(VerbSpec::Apply(apply)) = &documents.suites[0].setup[0].verb else {
        panic!("an apply");
    };
    let Some(ManifestsSpec::Manifest { object, .. }) = &apply.manifests else {
        panic!("an apply");
    };
    assert_eq!(object.to_value(), serde_json::json!({"b": 2, "a": 1}));
}

#[test]
fn manifests_beside_suites_are_told_apart() {
    let is_suite = |text: &str| is_suite(&SourceFile::new("a.yaml", text));
    assert!(is_suite("apiVersion: kubeproof.dev/v1alpha1\nkind: Suite"));
    assert!(is_suite("apiVersion: kubeproof.dev/v2"));
    assert!(is_suite("apiVersion: kubeprof.dev/v1alpha1\nkind: Suite"));
    assert!(is_suite("kind: ConfigMap\n---\nkind: Suite"));
    for broken in [
        "apiVersion: \"kubeproof.dev/v1alpha1\"\na: [1",
        "\"apiVersion\": 'kubeproof.dev/v1alpha1'\na: [1",
        "---\n{apiVersion: kubeproof.dev/v1alpha1, a: [1",
        "{kind: Suite, apiVersion : kubeproof.dev/v1alpha1, kind: Suite}",
        "{\n  \"apiVersion\": \"kubeproof.dev/v1alpha1\",\n  \"spec\": {\n",
        "{\"kind\":\"Suite\",\"apiVersion\":\"kubeproof.dev\\/v1alpha1\",\"kind\":\"Suite\"}",
        "apiVersion: &v kubeproof.dev/v1alpha1\na: [1",
        "apiVersion:\n  kubeproof.dev/v1alpha1\na: [1",
        "? apiVersion\n: kubeproof.dev/v1alpha1\na: [1",
    ] {
        assert!(is_suite(broken), "{broken}");
    }
    for broken in [
        "# apiVersion: kubeproof.dev/v1alpha1\na: [1",
        "apiVersion: v1\na: [1, kubeproof.dev/run",
        "apiVersion: kubeproof.device/v1\na: [1",
        "x-apiVersion: kubeproof.dev/v1alpha1\na: [1",
    ] {
        assert!(!is_suite(broken), "{broken}");
    }
    assert!(!is_suite("apiVersion: kubeproof.dev/v1alpha1\nkind: Steps"));
    assert!(!is_suite("apiVersion: v1\nkind: Pod"));
    assert!(!is_suite("apiVersion: v1\n{{- if x }}"));
    assert!(!is_suite(""));
    assert!(!is_suite("[1, 2]"));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let file = SourceFile::new("a.yaml", text);
        let (_, diagnostics) = load(&file);
        diagnostic::render(&diagnostics, true, 80);
    }

    /// Most random text is no YAML: this is, and is wrong in its types.
    #[test]
    fn no_suite_makes_the_reader_panic(
        key in proptest::sample::select(vec![
            "title", "inputs", "requires", "timeout", "concurrency", "namespace", "setup",
            "cases", "teardown", "defaults", "clusters", "cluster", "include", "onFailure",
            "severity", "permissions",
        ]),
        value in proptest::sample::select(vec![
            "~", "1", "x", "[]", "{}", "[x]", "{x: y}", "[{x: y}]", "[[x]]", "\"{{ x\"",
            "[{exec: 1, apply: {}}]", "{x: {pods: 1, type: 2}}", "|\n  x", "&a {x: *a}",
            "[{during: {every: [], steps: {}}}]", "[{foreach: {steps: 1}}, {use: [], with: 1}]",
            "[{wait: {until: [], unless: {}}}]", "[{http: {port: {}}, expect: {tls: 1, headers: 2}}]",
            "[{get: {raw: {}}, capture: {a: }, as: {groups: 1}, retry: {attempts: -1}}]",
            "[{name: a, matrix: {rows: [1, {}, {a: }]}, steps: [{assert: {count: {}, any: 1}}]}]",
            "[{name: a, matrix: [], steps: {}}]", "[{apiGroups: 1, verbs: {}}]", "[{exec: {command: [{}]}, expect: [1]}]",
        ]),
    ) {
        let text = suite(&format!("{key}: {value}"));
        let (_, diagnostics) = load(&SourceFile::new("a.yaml", text));
        diagnostic::render(&diagnostics, false, 80);
    }
}
