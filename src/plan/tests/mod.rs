//! Suites that are right in their form and wrong in what they say.

mod diagnose;
mod examples;
mod folders;
mod images;
mod library;
mod verbs;

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::diagnostic;
use crate::plan::error::LoadError;
use crate::plan::input::InputSources;
use crate::plan::load::{find_suites, load_suites};
use crate::plan::model::{AxisSource, Manifests, Matrix, Namespace, NamespaceExtras, Suite, Verb};
use crate::plan::select::LabelSelector;

/// A folder with files, gone at the end.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }

    /// The suites of some paths, or everything that is said of them.
    fn load(&self, names: &[&str], inputs: &InputSources) -> Result<Vec<Suite>, String> {
        let arguments: Vec<_> = names.iter().map(|name| self.path(name)).collect();
        load_suites(&arguments, inputs, &LabelSelector::default()).map_err(|error| self.told(error))
    }

    fn told(&self, error: LoadError) -> String {
        let text = match error {
            LoadError::Usage(message) => message,
            LoadError::Invalid(mut diagnostics) => {
                diagnostic::sort(&mut diagnostics);
                let lines = diagnostics.iter().map(|diagnostic| match &diagnostic.help {
                    Some(help) => format!("{} ({help})", diagnostic.one_line()),
                    None => diagnostic.one_line(),
                });
                lines.collect::<Vec<_>>().join("\n")
            }
        };
        text.replace(&format!("{}/", self.0.path().display()), "")
            .replace(&self.0.path().display().to_string(), ".")
    }
}

fn suite(spec: &str) -> String {
    let cases = "cases: [{name: a, steps: [{exec: {target: pod/a, command: [a]}}]}]";
    let has_cases = spec.lines().any(|line| line.starts_with("cases:"));
    let spec: String = spec
        .lines()
        .chain((!has_cases).then_some(cases))
        .map(|line| format!("  {line}\n"))
        .collect();
    format!("apiVersion: kubeproof.dev/v1alpha1\nkind: Suite\nmetadata: {{name: a}}\nspec:\n{spec}")
}

/// Everything that is said of a `spec`, a line for each mistake.
fn check(spec: &str) -> String {
    let folder = Folder::new(&[("a.yaml", &suite(spec))]);
    folder
        .load(&["a.yaml"], &InputSources::default())
        .err()
        .unwrap_or_default()
}

/// The same for a case of two axes and these steps.
fn check_steps(steps: &str) -> String {
    check(&format!(
        "inputs: {{size: {{type: integer, default: 1}}, a-b: {{type: string, default: x}}}}\n\
         cases:\n\
         - name: \"{{{{ pod.node }}}}\"\n\
         \x20 matrix:\n\
         \x20   pod: {{pods: {{selector: app=a}}}}\n\
         \x20   size: {{values: [1, 2]}}\n\
         \x20 steps:\n{}",
        steps
            .lines()
            .map(|line| format!("    {line}\n"))
            .collect::<String>()
    ))
}

/// The one suite of a `spec`.
fn lowered(spec: &str, inputs: &InputSources) -> Suite {
    let folder = Folder::new(&[("a.yaml", &suite(spec))]);
    folder.load(&["a.yaml"], inputs).unwrap().remove(0)
}

#[test]
fn what_is_not_said_has_its_default() {
    let suite = lowered("", &InputSources::default());
    assert_eq!(suite.title, "a");
    assert!(suite.id.ends_with("/a.yaml"));
    assert_eq!(
        suite.namespace,
        Namespace::PerSuite(NamespaceExtras::default())
    );
}

#[test]
fn names_must_be_in_scope() {
    assert_eq!(
        check_steps(
            "- exec: {target: \"pod/{{ pod.name }}\", command: ['{{ size }}', '{{ inputs.size }}', \
             '{{ case.name }}', '{{ suite.name }}', '{{ run.namespace }}', '{{ range(3) }}', \
             '{% for node in nodes %}{{ node }}{{ loop.index }}{% endfor %}', '{{ inputs[\"a-b\"] }}']}"
        ),
        ""
    );
    assert_snapshot!(check_steps("- exec: {target: \"pod/{{ pdo.name }}\", command: ['{{ inputs.sise }}', '{{ pod.nod }}']}"), @r#"
    a.yaml:12:32: unknown name `pdo` (did you mean `pod`?)
    a.yaml:12:60: the suite has no input `sise` (did you mean `size`?)
    a.yaml:12:81: `pod` has no field `nod` (did you mean `node`?)
    "#);
    assert_snapshot!(check_steps("- exec: {target: pod/a, command: ['{{ inputs.a-b }}', '{{ run.nam }}', '{{ xyz }}']}"), @r#"
    a.yaml:12:45: the suite has no input `a` (write inputs["a-b"] for a name with a dash)
    a.yaml:12:54: unknown name `b` (known here: case, inputs, nodes, pod, run, size, suite)
    a.yaml:12:65: `run` has no field `nam` (known here: id, namespace, started, server)
    a.yaml:12:82: unknown name `xyz` (known here: case, inputs, nodes, pod, run, size, suite)
    "#);
    assert_snapshot!(check_steps("- exec: {target: pod/a, command: ['{{ size + }}', '{% for %}']}"), @r#"
    a.yaml:12:52: unexpected end of variable block (to keep `{{` or `{%` as text, write {% raw %}…{% endraw %} around it, or `raw: true` beside a script, a command or a manifest)
    a.yaml:12:65: unexpected end of block, expected in (to keep `{{` or `{%` as text, write {% raw %}…{% endraw %} around it, or `raw: true` beside a script, a command or a manifest)
    "#);
    assert_snapshot!(check_steps("- exec: {target: pod/a, command: [a]}\n  name: '{{ a }}'\n  failure: '{{ b }}'\n  expect: {stdout: {contains: ['{{ c }}']}}"), @r#"
    a.yaml:13:19: unknown name `a` (known here: case, inputs, nodes, pod, run, size, suite)
    a.yaml:14:22: unknown name `b` (known here: case, inputs, nodes, pod, run, size, suite)
    a.yaml:15:42: unknown name `c` (known here: case, inputs, nodes, pod, run, size, suite)
    "#);
}

#[test]
fn each_place_has_its_own_names() {
    assert_snapshot!(check("inputs: {size: {type: integer, default: 1}}\nsetup:\n- exec: {target: pod/a, command: ['{{ size }}', '{{ case.name }}']}"), @r#"
    a.yaml:7:41: unknown name `size` (an input is used as `inputs.size`)
    a.yaml:7:55: unknown name `case` (`case` is not known yet at this place)
    "#);
    assert_snapshot!(check("title: '{{ run.id }}'\ntimeout: '{{ nodes }}'"), @r#"
    a.yaml:5:14: unknown name `run` (`run` is not known yet at this place)
    a.yaml:6:16: unknown name `nodes` (`nodes` is not known yet at this place)
    "#);
    assert_snapshot!(check("requires:\n- that: node | length > 1\n  reason: '{{ inputs.x }}'"), @r#"
    a.yaml:6:11: unknown name `node` (did you mean `nodes`?)
    a.yaml:7:17: the suite has no input `x` (the suite declares no inputs)
    "#);
    assert_snapshot!(check("cases:\n- name: '{{ case.name }}'\n  matrix:\n    a: {values: [1]}\n    b: {pods: {selector: 'x={{ a }}'}}\n  steps: [{exec: {target: pod/a, command: [a]}}]"), @r#"
    a.yaml:6:15: unknown name `case` (`case` is not known yet at this place)
    a.yaml:9:34: unknown name `a` (known here: inputs, nodes, run, suite)
    "#);
}

#[test]
fn conditions_are_expressions() {
    assert_snapshot!(check("requires: [{that: \"{{ nodes }}\"}, {that: nodes ==}]"), @r#"
    a.yaml:5:21: a condition has no braces (a condition is an expression already: remove the braces)
    a.yaml:5:50: unexpected end of input, expected expression
    "#);
}

#[test]
fn permissions_are_settled_before_the_run() {
    assert_snapshot!(check("permissions:\n\
        - {apiGroups: [apps], resources: [DaemonSets], verbs: [Get], namespace: Foo}\n\
        - {nonResourceURLs: [metrics, '*'], verbs: ['*', get]}\n\
        - {apiGroups: ['*'], resources: ['*/status'], verbs: [get], namespace: '{{ run.namespace }}'}\n\
        - {apiGroups: [''], resources: ['{{ inputs.kind }}'], verbs: [get]}\n\
        inputs: {kind: {type: string, default: Pods}}"), @"
    a.yaml:6:37: `DaemonSets` is not a resource (resources are plurals in lower case: pods, pods/log, networkpolicies)
    a.yaml:6:58: `Get` is not a verb (verbs are written like get, list, watch or create)
    a.yaml:6:75: `Foo` is not the name of a namespace (lowercase letters, digits and `-` are allowed)
    a.yaml:7:24: `metrics` is not a path (paths begin with /, such as /metrics or /healthz/*)
    a.yaml:8:78: unknown name `run` (`run` is not known yet at this place)
    a.yaml:9:35: `Pods` is not a resource (resources are plurals in lower case: pods, pods/log, networkpolicies)
    ");
}

#[test]
fn names_that_users_give() {
    let named = |name: &str| {
        let text = suite("").replace("{name: a}", &format!("{{name: {name}}}"));
        let folder = Folder::new(&[("a.yaml", &text)]);
        folder
            .load(&["a.yaml"], &InputSources::default())
            .err()
            .unwrap_or_default()
    };
    assert_eq!(named("network-2"), "");
    assert_snapshot!(named("Network"), @"a.yaml:3:18: `Network` is not the name of a suite: lowercase letters, digits and `-` are allowed (it becomes part of names in the cluster; `title` is for people)");
    assert_snapshot!(named("-a"), @"a.yaml:3:18: `-a` is not the name of a suite: it begins and ends with a letter or a digit (it becomes part of names in the cluster; `title` is for people)");
    assert_snapshot!(named("''"), @"a.yaml:3:18: `` is not the name of a suite: it is empty (it becomes part of names in the cluster; `title` is for people)");
    assert!(named(&"a".repeat(64)).contains("longer than 63"));
    assert_snapshot!(check("inputs: {1a: {type: string, default: x}, a-b: {type: string, default: x}, a_b: {type: string, default: x}}"), @r#"
    a.yaml:5:12: `1a` is not the name of an input (it begins with a letter and has letters, digits, `_` and `-`)
    a.yaml:5:77: KUBEPROOF_INPUT_A_B would set two inputs
    "#);
    assert_snapshot!(check("cases:\n- name: a\n  matrix: {nodes: {values: [1]}, range: {values: [1]}, a-b: {values: [1]}, not: {values: [1]}}\n  steps: [{exec: {target: pod/a, command: [a]}}]"), @r#"
    a.yaml:7:14: the axis `nodes` hides a name of the program (it keeps inputs, run, suite, case, nodes for itself)
    a.yaml:7:36: the axis `range` hides the function range() of templates (give it another name, such as my_range)
    a.yaml:7:58: `a-b` is not the name of an axis (templates use it: letters, digits and `_`)
    a.yaml:7:78: `not` is not the name of an axis (templates use it: letters, digits and `_`)
    "#);
    assert_snapshot!(check("cases:\n- {name: a, steps: [{exec: {target: pod/a, command: [a]}}]}\n- {name: a, steps: [{exec: {target: pod/a, command: [a]}}]}"), @"a.yaml:7:12: two cases are called `a`");
    assert_snapshot!(check("namespace: {existing: Foo}"), @"a.yaml:5:25: `Foo` is not the name of a namespace: lowercase letters, digits and `-` are allowed");
}

#[test]
fn literals_are_checked() {
    assert_snapshot!(check("timeout: 10\nsetup:\n- apply: {manifest: {apiVersion: v1, kind: A, metadata: {name: a}}}\n  timeout: 5 minutes\n- wait: {target: ds/a, until: rolledOut}\n  timeout: 0s"), @r#"
    a.yaml:5:12: `10` has no unit (write 10s for seconds, 10m for minutes)
    a.yaml:8:14: `5 minutes` is not a duration (a duration is written like 10s, 1m30s, 500ms, 2h or 1d)
    a.yaml:10:14: a timeout of nothing is never met
    "#);
    assert_snapshot!(check("setup:\n- wait: {target: pod/a, until: rolledOut}\n- wait: {target: deploymnt/a, until: rolledOut}\n- wait: {target: a, until: rolledOut}\n- wait: {target: sts/a, until: rolledOut, perNode: true}\n- wait: {target: Deployments.v1.apps/a, until: rolledOut}"), @r#"
    a.yaml:6:20: a `pod` is never rolled out (a daemonset, a deployment or a statefulset does)
    a.yaml:7:20: a `deploymnt` is never rolled out (did you mean `deployment`?)
    a.yaml:8:20: a `a` is never rolled out (a daemonset, a deployment or a statefulset does)
    a.yaml:9:54: `perNode` is for a daemonset: a statefulset has no pod of each node
    "#);
    assert_snapshot!(check_steps("- exec: {target: deployment/a, command: [a]}\n- exec: {target: 'job/{{ size }}', command: [a]}\n- exec: {target: pod/, command: [a]}\n- exec: {target: pod/a/b, command: [a]}\n- exec: {target: po/a, command: [a]}\n- exec: {target: '{{ pod.name }}', command: [a]}"), @r#"
    a.yaml:14:24: `pod/` names no object (a target is written kind or kind/name, as for kubectl)
    a.yaml:15:24: `pod/a/b` names no object (a target is written kind or kind/name, as for kubectl)
    "#);
    assert_snapshot!(check_steps("- exec: {target: pod/a, command: [a]}\n  expect: {stdout: {matches: ['(', '^a$', '({{ size }}'], contains: ''}}"), @r#"
    a.yaml:13:37: `(` is not a regular expression: unclosed group
    a.yaml:13:75: empty text is in every output
    "#);
    assert_snapshot!(check("cases:\n- name: a\n  matrix: {a: {pods: {selector: ' '}}}\n  steps: [{exec: {target: pod/a, command: [a]}}]"), @"a.yaml:7:35: an empty selector would choose everything (a selector is written like app=web,tier!=cache)");
}

#[test]
fn manifests_are_objects() {
    assert_snapshot!(check("setup:\n- apply: {manifest: {kind: A}}\n- apply: {manifest: {apiVersion: v1, kind: 3, metadata: {}}}"), @r#"
    a.yaml:6:13: a manifest needs `apiVersion`
    a.yaml:6:13: an object to apply needs `metadata.name`
    a.yaml:7:13: `kind` of a manifest is a string, not a number
    a.yaml:7:13: an object to apply needs `metadata.name`
    "#);
    let suite = lowered(
        "setup:\n\
         - apply: {manifest: {apiVersion: v1, kind: A, metadata: {name: '{{ run.id }}'}, n: 1}}\n\
         - apply: {manifest: {apiVersion: v1, kind: A, metadata: {name: a}, x: '{{ any'}, raw: true}",
        &InputSources::default(),
    );
    let render = |index: usize| {
        let Verb::Apply(apply) = &suite.setup[index].verb else {
            panic!("an apply");
        };
        let Manifests::Inline(tree) = &apply.manifests else {
            panic!("inline");
        };
        let scope = crate::template::scope_value(&json!({"run": {"id": "r1"}}));
        tree.render(&scope).unwrap()
    };
    assert_eq!(render(0)["metadata"]["name"], "r1");
    assert_eq!(render(0)["n"], 1);
    assert_eq!(render(1)["x"], "{{ any");
}

#[test]
fn files_are_found_beside_the_suite_or_in_the_nearest_templates() {
    let object = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n";
    let folder = Folder::new(&[
        (
            "templates/x.yaml.j2",
            "kind: {{ inputs.a }}\nx: {{ run.id }}\n",
        ),
        ("suites/deep/beside.yaml", object),
        ("suites/deep/more/2.yaml", object),
        (
            "suites/deep/more/1.json",
            "{\"apiVersion\": \"v1\", \"kind\": \"A\", \"metadata\": {\"name\": \"b\"}}",
        ),
        ("suites/deep/more/notes.txt", "words"),
        (
            "suites/deep/a.yaml",
            &suite(
                "inputs: {a: {type: string, default: beside}}\n\
                 setup:\n\
                 - apply: {template: x.yaml.j2}\n\
                 - apply: {file: ['{{ inputs.a }}.yaml', more]}",
            ),
        ),
    ]);
    let suite = folder
        .load(&["suites"], &InputSources::default())
        .unwrap()
        .remove(0);
    let Verb::Apply(apply) = &suite.setup[1].verb else {
        panic!("an apply");
    };
    let Manifests::Files(files) = &apply.manifests else {
        panic!("files");
    };
    let names: Vec<_> = files
        .iter()
        .map(|(file, _)| Path::new(&file.name).file_name().unwrap())
        .collect();
    assert_eq!(names, ["beside.yaml", "1.json", "2.yaml"]);
}

#[test]
fn files_that_are_missing_or_wrong() {
    let folder = Folder::new(&[
        (
            "templates/x.yaml.j2",
            "# {{ what }}\na: {{ inptus.a }}\nb: {{ pod.name }}\n",
        ),
        ("templates/y.yaml.j2", "a: 1\nb: {% for %}\n"),
        ("broken.yaml", "a: 1\nb: [1\n"),
        (
            "nameless.yaml",
            "apiVersion: v1\nkind: A\n---\nkind: B\n---\n3\n",
        ),
        ("empty.yaml", "# nothing\n"),
        ("folder/x.txt", ""),
        (
            "a.yaml",
            &suite(
                "setup:\n\
                 - apply: {template: x.yaml.j2}\n\
                 - apply: {template: y.yaml.j2}\n\
                 - apply: {template: ds-overlaytest.yaml.j2}\n\
                 - apply: {template: folder}\n\
                 - apply: {file: [broken.yaml, nameless.yaml, empty.yaml, none.yaml, folder]}",
            ),
        ),
    ]);
    assert_snapshot!(folder.load(&["a.yaml"], &InputSources::default()).unwrap_err(), @r#"
    a.yaml:8:23: there is no file `ds-overlaytest.yaml.j2` (looked for ds-overlaytest.yaml.j2, then templates/ds-overlaytest.yaml.j2; a template of this name ships in the program, but suites of your own bring their own)
    a.yaml:9:23: `folder` is a folder
    a.yaml:10:48: `empty.yaml` holds no object
    a.yaml:10:60: there is no file `none.yaml` (looked for none.yaml, then templates/none.yaml)
    a.yaml:10:71: the folder `folder` holds no YAML or JSON file
    broken.yaml:2:4: unclosed bracket '['
    nameless.yaml:1:1: an object to apply needs `metadata.name`
    nameless.yaml:4:1: a manifest needs `apiVersion`, a string
    nameless.yaml:6:1: a manifest is a map
    templates/x.yaml.j2:1:6: unknown name `what` (known here: inputs, nodes, run, suite)
    templates/x.yaml.j2:2:7: unknown name `inptus` (did you mean `inputs`?)
    templates/x.yaml.j2:3:7: unknown name `pod` (known here: inputs, nodes, run, suite)
    templates/y.yaml.j2:2:11: unexpected end of block, expected in (to keep `{{`, `{%` or `{#` as text, write {% raw %}…{% endraw %} around it)
    "#);
}

#[test]
fn an_error_in_a_template_shows_both_files() {
    let folder = Folder::new(&[
        ("x.yaml.j2", "kind: A\nname: {{ inputs.nmae }}\n"),
        (
            "a.yaml",
            &suite(
                "inputs: {name: {type: string, default: x}}\nsetup:\n- apply: {template: x.yaml.j2}",
            ),
        ),
    ]);
    let arguments = [folder.path("a.yaml")];
    let Err(LoadError::Invalid(diagnostics)) = load_suites(
        &arguments,
        &InputSources::default(),
        &LabelSelector::default(),
    ) else {
        panic!("it is invalid");
    };
    let rendered = diagnostic::render(&diagnostics, false, 100);
    let rendered = rendered.replace(&folder.path(""), "");
    assert_snapshot!(rendered, @r#"
    error: the suite has no input `nmae`
     --> x.yaml.j2:2:10
      |
    2 | name: {{ inputs.nmae }}
      |          ^^^^^^^^^^^
      |
     ::: a.yaml:7:23
      |
    7 |   - apply: {template: x.yaml.j2}
      |                       --------- is rendered from here
      |
      = help: did you mean `name`?
    "#);
}

fn sources(set: &[&str], values: &[String], environment: &[(&str, &str)]) -> InputSources {
    let set: Vec<_> = set.iter().map(|set| (*set).to_owned()).collect();
    let values: Vec<_> = values.iter().map(Into::into).collect();
    let environment = environment
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    InputSources::read(&set, &values, environment).unwrap()
}

#[test]
fn inputs_come_from_the_nearest_source() {
    let spec = "inputs:\n\
                \x20 a: {type: string, default: default}\n\
                \x20 b: {type: string, default: default}\n\
                \x20 c-c: {type: string, default: default}\n\
                \x20 d: {type: string}";
    let folder = Folder::new(&[
        ("1.yaml", "a: values\nb: values\nc-c: values\nother: 1\n"),
        ("2.yaml", "b: later\nd: '{{ text }}'\n"),
        ("a.yaml", &suite(spec)),
    ]);
    let inputs = sources(
        &["a=first", "a=set=1"],
        &[folder.path("1.yaml"), folder.path("2.yaml")],
        &[
            ("KUBEPROOF_INPUT_A", "environment"),
            ("KUBEPROOF_INPUT_C_C", "environment"),
            ("PATH", "/bin"),
        ],
    );
    let suite = folder.load(&["a.yaml"], &inputs).unwrap().remove(0);
    assert_eq!(
        serde_json::to_value(&suite.inputs).unwrap(),
        json!({"a": "set=1", "b": "later", "c-c": "environment", "d": "{{ text }}"})
    );
}

#[test]
fn inputs_have_types() {
    let set = |kind: &str, value: &str| -> Result<Value, String> {
        let text = suite(&format!("inputs: {{x: {{type: {kind}}}}}"));
        let folder = Folder::new(&[("a.yaml", &text)]);
        let inputs = sources(&[&format!("x={value}")], &[], &[]);
        let mut suites = folder.load(&["a.yaml"], &inputs)?;
        Ok(suites.remove(0).inputs.swap_remove("x").unwrap())
    };
    assert_eq!(set("string", "1.10"), Ok(json!("1.10")));
    assert_eq!(set("string", ""), Ok(json!("")));
    assert_eq!(set("integer", "-3"), Ok(json!(-3)));
    assert_eq!(set("number", "1.5"), Ok(json!(1.5)));
    assert_eq!(set("number", "2"), Ok(json!(2)));
    assert_eq!(set("boolean", "true"), Ok(json!(true)));
    assert_eq!(set("list", "[a, 1]"), Ok(json!(["a", 1])));
    assert_eq!(set("map", "{a: [1]}"), Ok(json!({"a": [1]})));
    assert_eq!(set("duration", "1m30s"), Ok(json!("1m30s")));
    assert_snapshot!(set("integer", "1.5").unwrap_err(), @"--set:1:3: the input `x` takes an integer, not `1.5`");
    assert_snapshot!(set("number", "NaN").unwrap_err(), @"--set:1:3: the input `x` takes a number, not `NaN`");
    assert_snapshot!(set("boolean", "yes").unwrap_err(), @"--set:1:3: the input `x` takes a boolean, not `yes` (write true or false)");
    assert_snapshot!(set("list", "a,b").unwrap_err(), @"--set:1:3: the input `x` takes a list, not `a,b` (write it as in YAML: [a, b])");
    assert_snapshot!(set("map", "[a").unwrap_err(), @"--set:1:3: the input `x` takes a map, not `[a` (write it as in YAML: {a: 1})");
    assert_snapshot!(set("duration", "10").unwrap_err(), @"--set:1:3: the input `x` takes a duration, not `10` (write 10s for seconds, 10m for minutes)");
    assert_snapshot!(check("inputs:\n  a: {type: string, default: 1.28}\n  b: {type: integer, default: 1.5}\n  c: {type: list, default: {a: b}}\n  d: {type: duration, default: 10}\n  e: {type: string, default: }\n  f: {type: map}"), @r#"
    a.yaml:6:32: the input `a` takes a string, not a number (quote it to make it a string)
    a.yaml:7:33: the input `b` takes an integer, not `1.5`
    a.yaml:8:21: the input `c` takes a list, not a map
    a.yaml:9:34: the input `d` takes a duration, not a number (write 10s)
    a.yaml:10:23: the input `e` takes a string, not nothing
    a.yaml:11:5: the input `f` has no value (set it: --set f=VALUE, or KUBEPROOF_INPUT_F, or a file of --values)
    "#);
}

#[test]
fn inputs_that_nobody_knows_or_sets() {
    let folder = Folder::new(&[
        (
            "a.yaml",
            &suite("inputs: {image: {type: string, default: x}}"),
        ),
        ("list.yaml", "[a]"),
    ]);
    let told = |inputs: InputSources| folder.load(&["a.yaml"], &inputs).unwrap_err();
    assert_snapshot!(told(sources(&["imag=x"], &[], &[])), @"--set imag: none of the selected suites has such an input; did you mean `image`?");
    assert_snapshot!(told(sources(&["zzz=x"], &[], &[])), @"--set zzz: none of the selected suites has such an input; they have: image");
    let read = |set: &[String], files: &[String]| {
        let files: Vec<_> = files.iter().map(Into::into).collect();
        folder.told(InputSources::read(set, &files, []).unwrap_err())
    };
    assert_snapshot!(read(&["image".to_owned()], &[]), @"`--set image` sets nothing: write --set NAME=VALUE");
    assert_snapshot!(read(&[], &[folder.path("none.yaml")]), @"--values: there is no file `none.yaml`");
    assert_snapshot!(read(&[], &[folder.path("list.yaml")]), @"list.yaml:1:1: a file of values is a map of inputs, not a list");
}

#[test]
fn an_input_settles_a_timeout() {
    let suite = lowered(
        "title: about {{ inputs.x }}\ninputs: {x: {type: duration, default: 1m}}\ntimeout: '{{ inputs.x }}'",
        &InputSources::default(),
    );
    assert_eq!(suite.timeout, Some(std::time::Duration::from_secs(60)));
    assert_eq!(suite.title, "about 1m");
}

#[test]
fn a_value_without_quotes_keeps_its_type_in_an_axis() {
    let suite = lowered(
        "inputs: {l: {type: list, default: [1]}}\ncases:\n- name: a\n  matrix: {x: {values: [1, a, {b: c}]}, y: {values: '{{ inputs.l }}'}}\n  steps: [{exec: {target: pod/a, command: [a]}}]",
        &InputSources::default(),
    );
    let Matrix::Axes(axes) = &suite.cases[0].matrix else {
        panic!("axes");
    };
    let values: Vec<_> = axes
        .iter()
        .map(|axis| match &axis.source {
            AxisSource::Values(tree) => tree
                .render(&crate::template::scope_value(
                    &json!({"inputs": {"l": [1]}}),
                ))
                .unwrap(),
            _ => panic!("values"),
        })
        .collect();
    assert_eq!(values, [json!([1, "a", {"b": "c"}]), json!([1])]);
}

#[test]
fn arguments_name_suites() {
    let folder = Folder::new(&[
        ("b/b.yaml", &suite("").replace("name: a}", "name: b}")),
        ("b/a.yml", &suite("")),
        ("b/manifest.yaml", "apiVersion: v1\nkind: A\n"),
        ("b/chart.yaml", "{{- if x }}\n"),
        ("b/.git/c.yaml", "apiVersion: kubeproof.dev/v1alpha1\n"),
        ("c/manifest.yaml", "apiVersion: v1\nkind: A\n"),
        ("d/a.yaml", &suite("")),
    ]);
    let load = |names: &[&str]| {
        folder.load(names, &InputSources::default()).map(|suites| {
            suites
                .into_iter()
                .map(|suite| suite.name)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(load(&["b"]).unwrap(), ["a", "b"]);
    assert_eq!(
        load(&["b/b.yaml", "b", "b/../b/b.yaml"]).unwrap(),
        ["b", "a"]
    );
    assert_snapshot!(load(&["b/manifest.yaml"]).unwrap_err(), @"b/manifest.yaml:1:13: `v1` is not the apiVersion of a suite (this looks like a manifest: a suite applies it by `- apply: {file: …}`)");
    assert_snapshot!(load(&["c"]).unwrap_err(), @"the folder `c` holds no suite");
    assert_snapshot!(load(&["b", "d"]).unwrap_err(), @"d/a.yaml:3:18: two suites are called `a` (run them one by one, or give one of them another name)");

    let shipped = |argument: &str| {
        find_suites(&[argument.to_owned()])
            .map(|found| found.into_iter().map(|suite| suite.id).collect::<Vec<_>>())
            .map_err(|error| error.to_string())
    };
    for argument in ["overlay", "network/overlay"] {
        assert_eq!(
            shipped(argument).unwrap(),
            ["network/overlay"],
            "{argument}"
        );
    }
    let network = [
        "network/flannel-annotations",
        "network/mtu",
        "network/overlay",
        "network/ports",
        "network/system-namespaces",
    ];
    for argument in ["network", "network/"] {
        assert_eq!(shipped(argument).unwrap(), network, "{argument}");
    }
    assert_eq!(shipped("smoke").unwrap(), ["smoke"]);
    assert!(
        shipped("overlap")
            .unwrap_err()
            .contains("did you mean `overlay`?")
    );
    assert!(
        shipped("./none.yaml")
            .unwrap_err()
            .contains("These do: network/flannel-annotations, network/mtu")
    );
}

#[test]
fn labels_select_before_inputs_are_asked_for() {
    let labelled = |name: &str, value: &str, spec: &str| {
        suite(spec).replace(
            "{name: a}",
            &format!("{{name: {name}, labels: {{area: {value}}}}}"),
        )
    };
    let folder = Folder::new(&[
        ("a.yaml", &labelled("a", "network", "")),
        (
            "b.yaml",
            &labelled("b", "disk", "inputs: {x: {type: string}}"),
        ),
    ]);
    let arguments = [folder.path("")];
    let selector = LabelSelector::parse(["area=network"]).unwrap();
    let suites = load_suites(&arguments, &InputSources::default(), &selector).unwrap();
    assert_eq!(suites.len(), 1);
    assert_snapshot!(folder.load(&[""], &InputSources::default()).unwrap_err(), @"b.yaml:5:12: the input `x` has no value (set it: --set x=VALUE, or KUBEPROOF_INPUT_X, or a file of --values)");
}

#[test]
fn every_mistake_of_every_file_is_told_at_once() {
    let folder = Folder::new(&[
        (
            "a.yaml",
            &suite(
                "titel: x\ntimeout: 10\nsetup:\n- exec: {comand: ['{{ x }}'], target: '{{ y }}'}",
            ),
        ),
        ("b.yaml", "apiVersion: kubeproof.dev/v1alpha1\na: [1"),
    ]);
    assert_snapshot!(folder.load(&[""], &InputSources::default()).unwrap_err(), @r#"
    a.yaml:5:3: unknown field `titel` of `spec` (did you mean `title`?)
    a.yaml:6:12: `10` has no unit (write 10s for seconds, 10m for minutes)
    a.yaml:8:12: unknown field `comand` of `exec` (did you mean `command`?)
    a.yaml:8:45: unknown name `y` (known here: inputs, nodes, run, suite)
    b.yaml:2:4: unclosed bracket '['
    "#);
}

#[test]
fn fuzz_any_text_loads_or_is_told_why_it_does_not() {
    let shipped = crate::catalog::suites();
    let shipped: Vec<_> = shipped
        .iter()
        .map(|entry| entry.file.text.as_ref())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let arguments = [path.to_string_lossy().into_owned()];
    crate::fuzz::run(
        "loader",
        150,
        |chance| chance.spoilt(&shipped),
        |text| {
            fs::write(&path, text).unwrap();
            let inputs = InputSources::default();
            let loaded = load_suites(&arguments, &inputs, &LabelSelector::default());
            if let Err(LoadError::Invalid(diagnostics)) = loaded {
                let shown = diagnostic::render(&diagnostics, false, 100);
                assert!(!shown.is_empty());
            }
        },
    );
}
