//! What each verb gives to its `capture`: all that `check` lets a suite ask for, and no more.

use std::collections::BTreeSet;

use kubeproof::plan::input::InputSources;
use kubeproof::plan::load::load_suites;
use kubeproof::plan::select::LabelSelector;

use super::{assert_passed, run_spec, suite, web_server};
use crate::support::healthy_cluster;

/// Steps, one for each way in which a verb may end well, with a step that has to come before.
const STEPS: [(&str, &str); 27] = [
    (
        "",
        "apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}",
    ),
    (
        "",
        "apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: Wrong_Name}}}, expect: {rejected: true}",
    ),
    (
        "",
        "create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: b-}}}",
    ),
    (
        "",
        "create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: Worse_Name}}}, expect: {rejected: true}",
    ),
    (
        "",
        "patch: {target: deployment/web, patch: {metadata: {annotations: {a: b}}}}",
    ),
    (
        "",
        "patch: {target: deployment/web, patch: {spec: {replicas: -1}}}, expect: {rejected: true}",
    ),
    (
        "create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: gone}}}",
        "delete: {target: configmap/gone}",
    ),
    ("", "get: {target: deployment/web}"),
    ("", "get: {raw: /version}"),
    (
        "",
        "assert: {target: deployment/web, match: {metadata: {name: web}}}",
    ),
    ("", "assert: {that: 'true'}"),
    ("", "absent: {target: configmap/nobody}"),
    ("", "wait: {target: deployment/web, until: rolledOut}"),
    (
        "",
        "wait: {target: deployment, where: {match: {metadata: {name: web}}}, until: rolledOut}",
    ),
    ("", "wait: {target: deployment/web, until: exists}"),
    ("", "wait: {target: configmap/nobody, until: deleted}"),
    ("", "exec: {target: deployment/web, command: [hostname]}"),
    (
        "",
        "exec: {target: pod, selector: app=web, each: true, command: [hostname]}",
    ),
    ("", "run: {image: 'busybox:1.28', command: [echo, here]}"),
    ("", "command: [echo, here]"),
    ("", "script: echo here"),
    ("", "logs: {target: deployment/web}"),
    ("", "events: {target: deployment/web}"),
    ("", "http: {service: web, port: 80}"),
    ("", "can: {verb: get, resource: pods}"),
    ("", "use: {steps: greet}"),
    ("", "use: {steps: nothing}"),
];

const LIBRARY: &str = r#"
---
apiVersion: kubeproof.dev/v1alpha1
kind: Steps
metadata: {name: greet}
spec: {steps: [{sleep: 1ms}], outputs: {greeting: hello}}
---
apiVersion: kubeproof.dev/v1alpha1
kind: Steps
metadata: {name: nothing}
spec: {steps: [{sleep: 1ms}]}
"#;

/// The suite of all steps; each captures the names that it is given here.
fn spec(captures: &dyn Fn(usize) -> Vec<&'static str>) -> String {
    let mut cases = String::new();
    for (index, (before, step)) in STEPS.iter().enumerate() {
        cases.push_str(&format!("    - name: \"{index}\"\n      steps:\n"));
        if !before.is_empty() {
            cases.push_str(&format!("        - {{{before}}}\n"));
        }
        let names = captures(index);
        let given = |name: &&str| format!("got_{name}: \"{{{{ {name} }}}}\"");
        let capture = names.iter().map(given).collect::<Vec<_>>().join(", ");
        cases.push_str(&format!("        - {{{step}, capture: {{{capture}}}}}\n"));
        for name in names {
            cases.push_str(&format!(
                "        - assert: {{that: got_{name} is not none}}\n"
            ));
        }
    }
    format!("  setup:\n{}\n  cases:\n{cases}", web_server("web"))
}

#[test]
#[ignore = "needs ci/cluster up"]
fn every_verb_gives_to_a_capture_what_check_promises() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("suite.yaml");
    std::fs::write(&path, suite(&spec(&|_| Vec::new())) + LIBRARY).expect("a file");
    let path = path.to_string_lossy().into_owned();
    let suites = load_suites(&[path], &InputSources::default(), &LabelSelector::default());
    let suites = suites.unwrap_or_else(|error| panic!("{error:?}"));
    let verbs: Vec<_> = suites[0]
        .cases
        .iter()
        .map(|case| case.steps.last().expect("a step").verb.clone())
        .collect();
    let tried: BTreeSet<_> = verbs.iter().map(|verb| verb.name()).collect();
    assert_eq!(
        tried.len(),
        17,
        "every verb that gives something: {tried:?}"
    );

    let _cluster = healthy_cluster();
    let text = spec(&|index| verbs[index].results().to_vec());
    let run = run_spec(&(text.clone() + LIBRARY));
    for index in 0..STEPS.len() {
        assert_passed(&run, &index.to_string());
    }
    run.assert_code(0);
}
