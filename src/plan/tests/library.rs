//! Documents of steps, and the names that captures give.

use insta::assert_snapshot;

use super::{Folder, check, suite};
use crate::plan::input::InputSources;
use crate::plan::model::{Suite, Verb};

const STEPS: &str = "---\n\
apiVersion: kubeproof.dev/v1alpha1\n\
kind: Steps\n\
metadata: {name: deploy}\n\
spec:\n\
\x20 inputs: {replicas: {type: integer, default: 1}, wait: {type: duration, default: 1m}, who: {type: string}}\n\
\x20 steps:\n\
\x20 - get: {target: \"deployment/{{ inputs.who }}\"}\n\
\x20   timeout: \"{{ inputs.wait }}\"\n\
\x20   capture: {uid: \"{{ object.metadata.uid }}\"}\n\
\x20 - assert: {that: inputs.replicas > 0 and uid}\n\
\x20 outputs: {uid: \"{{ uid }}\", where: \"{{ run.namespace }}\"}\n";

/// What is said of a suite with these cases and these further documents.
fn load(spec: &str, documents: &str) -> Result<Suite, String> {
    let folder = Folder::new(&[("a.yaml", &format!("{}{documents}", suite(spec)))]);
    folder
        .load(&["a.yaml"], &InputSources::default())
        .map(|mut suites| suites.remove(0))
}

fn told(spec: &str, documents: &str) -> String {
    load(spec, documents).err().unwrap_or_default()
}

fn document(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: kubeproof.dev/v1alpha1\nkind: Steps\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

#[test]
fn steps_that_ship_are_not_for_suites_of_ones_own() {
    let said = told("include: [../shared/pull-secrets.yaml]", "");
    assert!(
        said.contains("a file of this name ships in the program"),
        "{said}"
    );
}

#[test]
fn steps_are_used_with_what_they_need() {
    let suite = load(
        "cases:\n\
         - name: a\n\
         \x20 matrix: {x: {values: [a]}}\n\
         \x20 steps:\n\
         \x20 - use: {steps: deploy, with: {who: \"{{ x }}\", wait: 5s}}\n\
         \x20   if: x == 'a'\n\
         \x20 - assert: {that: uid != where}\n\
         \x20 - use: {steps: deploy, with: {who: b, replicas: 3}}\n\
         \x20   capture: {second: \"{{ uid }}\"}\n\
         \x20 - assert: {that: second != uid}",
        STEPS,
    )
    .unwrap();
    let uses: Vec<_> = suite.cases[0]
        .steps
        .iter()
        .filter_map(|step| match &step.verb {
            Verb::Use(used) => Some(used),
            _ => None,
        })
        .collect();
    let timeouts: Vec<_> = uses
        .iter()
        .map(|used| used.steps[0].timeout.unwrap().as_secs())
        .collect();
    assert_eq!(timeouts, [5, 60]);
    let names: Vec<_> = uses[1]
        .inputs
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["replicas", "wait", "who"]);
    let outputs: Vec<_> = uses[0]
        .outputs
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(outputs, ["uid", "where"]);
}

#[test]
fn a_use_knows_which_of_its_inputs_are_secret() {
    let documents = document(
        "log-in",
        "{inputs: {who: {type: string}, password: {type: secret}}, \
         steps: [{assert: {that: inputs.who != inputs.password}}]}",
    );
    let with = "{who: a, password: 'b-{{ run.id }}'}";
    let suite = load(
        &format!("cases:\n- name: a\n  steps:\n  - use: {{steps: log-in, with: {with}}}"),
        &documents,
    )
    .unwrap();
    let Verb::Use(used) = &suite.cases[0].steps[0].verb else {
        panic!("it is a use");
    };
    assert_eq!(used.secrets, ["password"]);
}

#[test]
fn uses_are_checked() {
    assert_snapshot!(told("cases:\n- name: a\n  steps:\n  - use: {steps: deplo, with: {who: '{{ nobody }}'}}\n  - use: {steps: deploy, with: {who: 3, replica: 1, replicas: many, wait: 10}}\n  - use: {steps: deploy}", STEPS), @r#"
    a.yaml:8:20: there are no steps `deplo` (did you mean `deploy`?)
    a.yaml:8:43: unknown name `nobody` (known here: case, inputs, nodes, run, suite)
    a.yaml:9:40: the input `who` takes a string, not a number (quote it to make it a string)
    a.yaml:9:43: these steps have no input `replica` (did you mean `replicas`?)
    a.yaml:9:65: the input `replicas` takes an integer, not a string
    a.yaml:9:77: the input `wait` takes a duration, not a number (write 10s)
    a.yaml:10:20: `deploy` needs the input `who` (write with: {who: …})
    a.yaml:10:20: the output `uid` hides a name that is known here (give it another beside the `use`: capture: {my_uid: "{{ uid }}"})
    a.yaml:10:20: the output `where` hides a name that is known here (give it another beside the `use`: capture: {my_where: "{{ where }}"})
    "#);
    assert_snapshot!(told("cases:\n- name: a\n  steps:\n  - use: {steps: deploy}", ""), @"a.yaml:8:20: there are no steps `deploy` (write a document of `kind: Steps` in this file, or name one in `include`)");
    assert_snapshot!(told("cases:\n- name: a\n  matrix: {x: {values: [1s]}}\n  steps:\n  - use: {steps: deploy, with: {who: a, wait: '{{ x }}'}}", STEPS), @"a.yaml:18:14: `inputs.wait` is known in the run only");
    assert_snapshot!(told("cases:\n- name: a\n  steps:\n  - use: {steps: deploy, with: {who: a}}\n  - use: {steps: deploy, with: {who: b}}", STEPS), @r#"
    a.yaml:9:20: the output `uid` hides a name that is known here (give it another beside the `use`: capture: {my_uid: "{{ uid }}"})
    a.yaml:9:20: the output `where` hides a name that is known here (give it another beside the `use`: capture: {my_where: "{{ where }}"})
    "#);
    assert_snapshot!(told("", &format!("{STEPS}{STEPS}")), @"a.yaml:21:18: two documents of steps are called `deploy`");
}

#[test]
fn steps_see_their_own_names() {
    assert_snapshot!(told("inputs: {a: {type: string, default: x}}", &document("b", "{inputs: {c: {type: list, default: 1}}, steps: [{assert: {that: nodes and inputs.a and case.name and inputs.c}}], outputs: {x: '{{ y }}'}}")), @r#"
    a.yaml:11:42: the input `c` takes a list, not a number
    a.yaml:11:71: unknown name `nodes` (steps that are used see their own `inputs` and `run`: pass it by `with`)
    a.yaml:11:81: these steps have no input `a` (known here: c)
    a.yaml:11:94: unknown name `case` (steps that are used see their own `inputs` and `run`: pass it by `with`)
    a.yaml:11:138: unknown name `y` (known here: inputs, run)
    "#);
    assert_snapshot!(told("", &document("b", "{steps: []}")), @"a.yaml:10:8: steps without a step do nothing");
    assert_snapshot!(told("", &document("b", "{setps: [], cases: []}")), @r#"
    a.yaml:10:8: unknown field `setps` of `spec` (did you mean `steps`?)
    a.yaml:10:19: unknown field `cases` of `spec` (known here: inputs, steps, outputs)
    "#);
}

#[test]
fn rings_are_told_once() {
    let documents = [
        document("a", "{steps: [{use: {steps: b}}]}"),
        document("b", "{steps: [{use: {steps: c}}]}"),
        document("c", "{steps: [{use: {steps: a}}]}"),
        document("d", "{steps: [{use: {steps: d}}, {use: {steps: a}}]}"),
    ];
    assert_snapshot!(told("cases: [{name: a, steps: [{use: {steps: b}}, {use: {steps: d}}]}]", &documents.concat()), @r#"
    a.yaml:20:30: these steps use each other: `a` → `b` → `c` → `a`
    a.yaml:25:30: the steps `d` use themselves
    "#);
}

#[test]
fn many_uses_of_many_uses_are_lowered_once() {
    let documents: String = (0..60)
        .map(|at| {
            let next = at + 1;
            document(
                &format!("s{at}"),
                &format!("{{steps: [{{use: {{steps: s{next}}}}}, {{use: {{steps: s{next}}}}}]}}"),
            )
        })
        .collect();
    let last = document("s60", "{steps: [{sleep: 1s}]}");
    let suite = load(
        "cases: [{name: a, steps: [{use: {steps: s0}}]}]",
        &(documents + &last),
    );
    assert!(suite.is_ok());
}

#[test]
fn files_are_included() {
    let spec = |include: &str| {
        suite(&format!(
            "include: {include}\ncases: [{{name: a, steps: [{{use: {{steps: deploy, with: {{who: x}}}}}}]}}]"
        ))
    };
    let folder = Folder::new(&[
        ("deep/shared/steps.yaml", STEPS),
        (
            "deep/shared/files.yaml",
            &document("files", "{steps: [{apply: {file: beside.yaml}}]}"),
        ),
        (
            "deep/shared/beside.yaml",
            "apiVersion: v1\nkind: A\nmetadata: {name: a}\n",
        ),
        (
            "deep/shared/wrong.yaml",
            &document("wrong", "{steps: [{exce: {}}, {assert: {that: x}}]}"),
        ),
        ("deep/shared/manifest.yaml", "apiVersion: v1\nkind: Pod\n"),
        (
            "deep/a.yaml",
            &spec("[shared/steps.yaml, shared/files.yaml, shared/steps.yaml]"),
        ),
        (
            "bad/a.yaml",
            &spec("[none.yaml, ../deep/shared/wrong.yaml, ../deep/shared/manifest.yaml]"),
        ),
        ("bad/empty.yaml", "# nothing\n"),
    ]);
    assert!(folder.load(&["deep"], &InputSources::default()).is_ok());
    assert_snapshot!(folder.load(&["bad"], &InputSources::default()).unwrap_err(), @r#"
    bad/../deep/shared/manifest.yaml:1:13: `v1` is not the apiVersion of a suite (this looks like a manifest: a suite applies it by `- apply: {file: …}`)
    bad/../deep/shared/wrong.yaml:5:17: unknown field `exce` of a step (did you mean `exec`?)
    bad/../deep/shared/wrong.yaml:5:44: unknown name `x` (known here: inputs, run)
    bad/a.yaml:5:13: there is no file `none.yaml` (looked for bad/none.yaml)
    bad/a.yaml:6:43: there are no steps `deploy` (known here: wrong)
    "#);
    assert_snapshot!(folder.load(&["deep/shared/steps.yaml"], &InputSources::default()).unwrap_err(), @"deep/shared/steps.yaml:1:1: the file holds no suite (steps are used by suites: they name this file in `include`)");
}

#[test]
fn captures_are_names_for_what_follows() {
    assert_eq!(
        check(
            "setup:\n- get: {target: pod/a}\n  capture: {pod: '{{ object }}'}\n\
             cases:\n- name: '{{ pod.metadata.name }}'\n  matrix: {x: {values: '{{ pod.spec.containers }}'}}\n  \
             steps:\n  - script: a\n    if: x\n    capture: {a: '{{ stdout }}'}\n  \
             - script: a\n    if: not x\n    capture: {a: '{{ stdout }}'}\n  \
             - foreach: {i: [1], steps: [{script: '{{ a }}{{ i }}', capture: {b: '{{ exit }}'}}, {assert: {that: b}}]}\n  \
             - foreach: {i: [1], steps: [{script: a, capture: {b: '{{ exit }}'}}]}\n  \
             finally: [{assert: {that: a}}]\n  onFailure: [{script: '{{ a }}'}]\n\
             teardown: [{assert: {that: pod}}]"
        ),
        ""
    );
    assert_snapshot!(check(
        "setup:\n- get: {target: pod/a}\n  capture: {pod: '{{ object }}', nodes: 1, range: 1, stdout: 1, a-b: 1, after: '{{ pod }}'}\n\
         cases:\n- name: a\n  matrix: {pod: {values: [1]}}\n  steps:\n  \
         - script: '{{ late }}{{ stdout }}'\n    capture: {late: '{{ object }}', x: '{{ stdot }}'}\n  \
         - foreach: {x: [1], steps: [{script: a, capture: {inside: '{{ exit }}'}}]}\n  \
         - assert: {that: inside}\n  \
         - script: a\n    capture: {late: 1}\n\
         - name: b\n  steps: [{assert: {that: late}}]\nteardown: [{assert: {that: late}}]"
    ), @r#"
    a.yaml:7:36: the capture `nodes` hides a name of the program (it keeps inputs, run, suite, case, nodes for itself)
    a.yaml:7:46: the capture `range` hides the function range() of templates (give it another name, such as my_range)
    a.yaml:7:56: the capture `stdout` hides a result of steps (these are: object, objects, exit, stdout, stderr, status, headers, body, reason, took)
    a.yaml:7:67: `a-b` is not the name of a capture (templates use it: letters, digits and `_`)
    a.yaml:7:86: unknown name `pod` (known here: inputs, nodes, object, objects, run, suite, took)
    a.yaml:10:14: the axis `pod` hides a name that is known here (give it another name: each has one meaning in a case)
    a.yaml:12:19: unknown name `late` (known here: a-b, after, case, inputs, nodes, pod, range, run, stdout, suite)
    a.yaml:13:27: unknown name `object` (this `script` gives exit, stdout, stderr, took)
    a.yaml:13:46: unknown name `stdot` (did you mean `stdout`?)
    a.yaml:14:17: the item `x` hides a name that is known here (give it another name: each has one meaning in a case)
    a.yaml:15:22: unknown name `inside` (known here: a-b, after, case, inputs, late, nodes, pod, range, run, stdout, suite, x)
    a.yaml:17:17: the capture `late` hides a name that is known here (give it another name: each has one meaning in a case)
    a.yaml:19:29: unknown name `late` (known here: a-b, after, case, inputs, nodes, pod, range, run, stdout, suite)
    a.yaml:20:30: unknown name `late` (known here: a-b, after, inputs, nodes, pod, range, run, stdout, suite)
    "#);
    assert_snapshot!(check("setup:\n- sleep: 1s\n  capture: {a: 1}\n- foreach: {i: [1], steps: [{sleep: 1s}]}\n  capture: {b: 1}\n- during: {every: 1s, http: {url: 'http://a'}, capture: {c: 1}, steps: [{sleep: 1s}]}"), @r#"
    a.yaml:7:15: `sleep` has no result to capture
    a.yaml:9:15: `foreach` has no result to capture (its steps can capture, for each other)
    a.yaml:10:60: a look that is repeated captures nothing
    "#);
}

#[test]
fn steps_that_say_what_they_are_are_read_though_their_head_is_wrong() {
    let uses = suite("setup:\n- use: {steps: greet}\n- use: {steps: nobody}");
    let steps = "kind: Steps\nmetadata: {name: greet}\nspec: {steps: [{sleep: 1s}]}\n";
    for (version, expected) in [
        (
            "",
            "a.yaml:10:1: a document of steps needs `apiVersion` (a document of steps begins with \
             `apiVersion: kubeproof.dev/v1alpha1` and `kind: Steps`)",
        ),
        (
            "apiVersion: kubeproof.dev/v1\n",
            "a.yaml:10:13: `kubeproof.dev/v1` is not the apiVersion of a document of steps (this \
             program reads `apiVersion: kubeproof.dev/v1alpha1`)",
        ),
    ] {
        let folder = Folder::new(&[("a.yaml", &format!("{uses}---\n{version}{steps}"))]);
        let told = folder.load(&["a.yaml"], &InputSources::default());
        assert_eq!(
            told.unwrap_err(),
            format!("a.yaml:7:18: there are no steps `nobody` (known here: greet)\n{expected}")
        );
    }
}
