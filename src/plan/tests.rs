//! Suites that are right in their form and wrong in what they say.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::error::LoadError;
use super::input::InputSources;
use super::load::{find_suites, load_suites};
use super::model::{AxisSource, Manifests, Namespace, Suite, Verb};
use super::select::LabelSelector;
use crate::diagnostic;

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
        load_suites(&arguments, inputs, &LabelSelector::default())
            .map_err(|error| self.told(error))
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
    format!(
        "apiVersion: kubeproof.dev/v1alpha1\nkind: Suite\nmetadata: {{name: a}}\nspec:\n{spec}"
    )
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
        Namespace::PerSuite {
            labels: Default::default(),
            annotations: Default::default()
        }
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
    assert_snapshot!(check_steps("- exec: {target: \"pod/{{ pdo.name }}\", command: ['{{ inputs.sise }}', '{{ pod.nod }}']}"), @"");
    assert_snapshot!(check_steps("- exec: {target: pod/a, command: ['{{ inputs.a-b }}', '{{ run.nam }}', '{{ xyz }}']}"), @"");
    assert_snapshot!(check_steps("- exec: {target: pod/a, command: ['{{ size + }}', '{% for %}']}"), @"");
    assert_snapshot!(check_steps("- exec: {target: pod/a, command: [a]}\n  name: '{{ a }}'\n  failure: '{{ b }}'\n  expect: {stdout: {contains: ['{{ c }}']}}"), @"");
}

#[test]
fn each_place_has_its_own_names() {
    assert_snapshot!(check("inputs: {size: {type: integer, default: 1}}\nsetup:\n- exec: {target: pod/a, command: ['{{ size }}', '{{ case.name }}']}"), @"");
    assert_snapshot!(check("title: '{{ run.id }}'\ntimeout: '{{ nodes }}'"), @"");
    assert_snapshot!(check("requires:\n- that: node | length > 1\n  reason: '{{ inputs.x }}'"), @"");
    assert_snapshot!(check("cases:\n- name: '{{ case.name }}'\n  matrix:\n    a: {values: [1]}\n    b: {pods: {selector: 'x={{ a }}'}}\n  steps: [{exec: {target: pod/a, command: [a]}}]"), @"");
}

#[test]
fn conditions_are_expressions() {
    assert_snapshot!(check("requires: [{that: \"{{ nodes }}\"}, {that: nodes ==}]"), @"");
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
    assert_snapshot!(named("Network"), @"");
    assert_snapshot!(named("-a"), @"");
    assert_snapshot!(named("''"), @"");
    assert!(named(&"a".repeat(64)).contains("longer than 63"));
    assert_snapshot!(check("inputs: {1a: {type: string, default: x}, a-b: {type: string, default: x}, a_b: {type: string, default: x}}"), @"");
    assert_snapshot!(check("cases:\n- name: a\n  matrix: {nodes: {values: [1]}, range: {values: [1]}, a-b: {values: [1]}, not: {values: [1]}}\n  steps: [{exec: {target: pod/a, command: [a]}}]"), @"");
    assert_snapshot!(check("cases:\n- {name: a, steps: [{exec: {target: pod/a, command: [a]}}]}\n- {name: a, steps: [{exec: {target: pod/a, command: [a]}}]}"), @"");
    assert_snapshot!(check("namespace: {existing: Foo}"), @"");
}

#[test]
fn literals_are_checked() {
    assert_snapshot!(check("timeout: 10\nsetup:\n- apply: {manifest: {apiVersion: v1, kind: A, metadata: {name: a}}}\n  timeout: 5 minutes\n- wait: {target: ds/a, until: rolledOut}\n  timeout: 0s"), @"");
    assert_snapshot!(check("setup:\n- wait: {target: pod/a, until: rolledOut}\n- wait: {target: deploymnt/a, until: rolledOut}\n- wait: {target: a, until: rolledOut}\n- wait: {target: sts/a, until: rolledOut, perNode: true}\n- wait: {target: Deployments.v1.apps/a, until: rolledOut}"), @"");
    assert_snapshot!(check_steps("- exec: {target: deployment/a, command: [a]}\n- exec: {target: 'job/{{ size }}', command: [a]}\n- exec: {target: pod/, command: [a]}\n- exec: {target: pod/a/b, command: [a]}\n- exec: {target: po/a, command: [a]}\n- exec: {target: '{{ pod.name }}', command: [a]}"), @"");
    assert_snapshot!(check_steps("- exec: {target: pod/a, command: [a]}\n  expect: {stdout: {matches: ['(', '^a$', '({{ size }}'], contains: ''}}"), @"");
    assert_snapshot!(check("cases:\n- name: a\n  matrix: {a: {pods: {selector: ' '}}}\n  steps: [{exec: {target: pod/a, command: [a]}}]"), @"");
}

#[test]
fn manifests_are_objects() {
    assert_snapshot!(check("setup:\n- apply: {manifest: {kind: A}}\n- apply: {manifest: {apiVersion: v1, kind: 3, metadata: {}}}"), @"");
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
        ("suites/deep/more/1.json", "{\"apiVersion\": \"v1\", \"kind\": \"A\", \"metadata\": {\"name\": \"b\"}}"),
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
        ("nameless.yaml", "apiVersion: v1\nkind: A\n---\nkind: B\n---\n3\n"),
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
    assert_snapshot!(folder.load(&["a.yaml"], &InputSources::default()).unwrap_err(), @"");
}

#[test]
fn an_error_in_a_template_shows_both_files() {
    let folder = Folder::new(&[
        ("x.yaml.j2", "kind: A\nname: {{ inputs.nmae }}\n"),
        (
            "a.yaml",
            &suite("inputs: {name: {type: string, default: x}}\nsetup:\n- apply: {template: x.yaml.j2}"),
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
    assert_snapshot!(rendered, @"");
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
    assert_snapshot!(set("integer", "1.5").unwrap_err(), @"");
    assert_snapshot!(set("number", "NaN").unwrap_err(), @"");
    assert_snapshot!(set("boolean", "yes").unwrap_err(), @"");
    assert_snapshot!(set("list", "a,b").unwrap_err(), @"");
    assert_snapshot!(set("map", "[a").unwrap_err(), @"");
    assert_snapshot!(set("duration", "10").unwrap_err(), @"");
    assert_snapshot!(check("inputs:\n  a: {type: string, default: 1.28}\n  b: {type: integer, default: 1.5}\n  c: {type: list, default: {a: b}}\n  d: {type: duration, default: 10}\n  e: {type: string, default: }\n  f: {type: map}"), @"");
}

#[test]
fn inputs_that_nobody_knows_or_sets() {
    let folder = Folder::new(&[
        ("a.yaml", &suite("inputs: {image: {type: string, default: x}}")),
        ("list.yaml", "[a]"),
    ]);
    let told = |inputs: InputSources| folder.load(&["a.yaml"], &inputs).unwrap_err();
    assert_snapshot!(told(sources(&["imag=x"], &[], &[])), @"");
    assert_snapshot!(told(sources(&["zzz=x"], &[], &[])), @"");
    let read = |set: &[String], files: &[String]| {
        let files: Vec<_> = files.iter().map(Into::into).collect();
        folder.told(InputSources::read(set, &files, []).unwrap_err())
    };
    assert_snapshot!(read(&["image".to_owned()], &[]), @"");
    assert_snapshot!(read(&[], &[folder.path("none.yaml")]), @"");
    assert_snapshot!(read(&[], &[folder.path("list.yaml")]), @"");
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
    let values: Vec<_> = suite.cases[0]
        .matrix
        .iter()
        .map(|axis| match &axis.source {
            AxisSource::Values(tree) => tree
                .render(&crate::template::scope_value(&json!({"inputs": {"l": [1]}})))
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
        folder
            .load(names, &InputSources::default())
            .map(|suites| suites.into_iter().map(|suite| suite.name).collect::<Vec<_>>())
    };
    assert_eq!(load(&["b"]).unwrap(), ["a", "b"]);
    assert_eq!(load(&["b/b.yaml", "b", "b/../b/b.yaml"]).unwrap(), ["b", "a"]);
    assert_snapshot!(load(&["b/manifest.yaml"]).unwrap_err(), @"");
    assert_snapshot!(load(&["c"]).unwrap_err(), @"");
    assert_snapshot!(load(&["b", "d"]).unwrap_err(), @"");

    let shipped = |argument: &str| {
        find_suites(&[argument.to_owned()])
            .map(|found| found.into_iter().map(|suite| suite.id).collect::<Vec<_>>())
            .map_err(|error| error.to_string())
    };
    for argument in ["overlay", "network/overlay", "network", "network/"] {
        assert_eq!(shipped(argument).unwrap(), ["network/overlay"], "{argument}");
    }
    assert_eq!(shipped("smoke").unwrap(), ["smoke"]);
    assert!(shipped("overlap").unwrap_err().contains("did you mean `overlay`?"));
    assert!(shipped("./none.yaml").unwrap_err().contains("These do: network/overlay, smoke"));
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
        ("b.yaml", &labelled("b", "disk", "inputs: {x: {type: string}}")),
    ]);
    let arguments = [folder.path("")];
    let selector = LabelSelector::parse(["area=network"]).unwrap();
    let suites = load_suites(&arguments, &InputSources::default(), &selector).unwrap();
    assert_eq!(suites.len(), 1);
    assert_snapshot!(folder.load(&[""], &InputSources::default()).unwrap_err(), @"");
}

#[test]
fn every_mistake_of_every_file_is_told_at_once() {
    let folder = Folder::new(&[
        ("a.yaml", &suite("titel: x\ntimeout: 10\nsetup:\n- exec: {comand: ['{{ x }}'], target: '{{ y }}'}")),
        ("b.yaml", "apiVersion: kubeproof.dev/v1alpha1\na: [1"),
    ]);
    assert_snapshot!(folder.load(&[""], &InputSources::default()).unwrap_err(), @"");
}
