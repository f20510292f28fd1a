//! The images of suites before a run.

use super::{Folder, suite};
use crate::catalog;
use crate::plan::images::images_of;
use crate::plan::input::InputSources;
use crate::plan::known::Known;
use crate::plan::load::load_suites;
use crate::plan::model::{Manifests, Step, Suite, Verb};
use crate::plan::select::LabelSelector;
use crate::spec;
use crate::template::scope_value;
use crate::yaml;
use serde_json::{Value, json};

/// The images of a `spec` with these files beside it, and what is said of others.
fn images(spec: &str, files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let text = suite(spec);
    let mut all = vec![("a.yaml", text.as_str())];
    all.extend(files);
    let folder = Folder::new(&all);
    let suites = folder.load(&["a.yaml"], &InputSources::default()).unwrap();
    let found = images_of(&suites[0]);
    let here = format!("{}/", folder.path("").trim_end_matches('/'));
    let told = found.unknown.iter().map(|unknown| {
        let line = unknown.one_line().replace(&here, "");
        line.replace(" is known in the run only: it depends on", " waits for")
    });
    (found.known.into_iter().collect(), told.collect())
}

fn known(spec: &str, files: &[(&str, &str)]) -> Vec<String> {
    let (known, told) = images(spec, files);
    assert_eq!(told, [""; 0], "{spec}");
    known
}

const POD: &str = "apiVersion: v1, kind: Pod, metadata: {name: p}";

#[test]
fn every_list_of_steps_counts() {
    let run = |image: &str| format!("{{run: {{image: \"{image}:1\"}}}}");
    let spec = format!(
        "setup: [{}]\n\
         teardown: [{}]\n\
         onFailure: [{{logs: {{target: pod/a}}}}]\n\
         diagnose:\n\
         - case: a\n\
         \x20 if: tally.failed > 0\n\
         \x20 each: {{x: [c]}}\n\
         \x20 steps: [{{run: {{image: \"rule-{{{{ x }}}}:1\"}}}}]\n\
         \x20 message: m\n\
         cases:\n\
         - name: a\n\
         \x20 steps:\n\
         \x20 - {}\n\
         \x20 - if: run.id == 'never'\n\
         \x20   run: {{image: \"if:1\"}}\n\
         \x20 - foreach: {{x: [a, b], steps: [{{run: {{image: \"each-{{{{ x }}}}:1\"}}}}]}}\n\
         \x20 - during: {{every: 1s, get: {{target: pod/a}}, steps: [{}]}}\n\
         \x20 finally: [{}]\n\
         \x20 onFailure: [{{get: {{target: pod/a}}}}]",
        run("setup"),
        run("teardown"),
        run("steps"),
        run("during"),
        run("finally"),
    );
    assert_eq!(
        known(&spec, &[]),
        [
            "during:1",
            "each-a:1",
            "each-b:1",
            "finally:1",
            "if:1",
            "rule-c:1",
            "setup:1",
            "steps:1",
            "teardown:1",
        ]
    );
}

#[test]
fn every_way_to_write_a_manifest_counts() {
    let spec = format!(
        "inputs: {{image: {{type: string, default: \"in:1\"}}}}\n\
         setup:\n\
         - apply: {{file: [one.yaml, two.yaml]}}\n\
         - apply: {{template: t.yaml.j2}}\n\
         - create: {{manifest: {{{POD}, spec: {{containers: [{{name: c, image: \"{{{{ inputs.image }}}}\"}}]}}}}}}\n\
         - apply:\n\
         \x20   raw: true\n\
         \x20   manifest: {{{POD}, spec: {{containers: [{{name: c, image: \"{{{{ raw }}}}\"}}]}}}}\n\
         - run: {{image: \"run:1\", spec: {{initContainers: [{{name: i, image: \"init:1\"}}], containers: [{{image: \"ours:1\"}}]}}}}"
    );
    let files = [
        (
            "one.yaml",
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {spec: {containers: [{image: 'one:1'}]}}}}\n",
        ),
        (
            "two.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {image: 'no:1'}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: d}, spec: {containers: [{image: 'two:1'}]}}\n",
        ),
        (
            "t.yaml.j2",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ run.id }}}\nspec:\n  nodeName: {{ nodes[0].name | tojson }}\n  containers:\n  - image: {{ inputs.image | replace('in', 'text') | tojson }}\n",
        ),
    ];
    assert_eq!(
        known(&spec, &files),
        [
            "in:1",
            "init:1",
            "one:1",
            "run:1",
            "text:1",
            "two:1",
            "{{ raw }}"
        ]
    );
}

#[test]
fn what_follows_from_inputs_is_known() {
    let spec = "inputs: {tags: {type: list, default: [\"1\", \"2\"]}}\n\
         include: [steps.yaml]\n\
         cases:\n\
         - name: a\n\
         \x20 matrix: {name: {values: [a, b]}, tag: {values: \"{{ inputs.tags }}\"}, node: {nodes: {}}}\n\
         \x20 steps: [{run: {image: \"{{ name }}:{{ tag }}\"}}]\n\
         - name: some\n\
         \x20 matrix: {tag: {values: [3, 4]}, node: {nodes: {}}, where: tag > 3}\n\
         \x20 steps: [{run: {image: \"some:{{ tag }}\"}}]\n\
         - name: whichever\n\
         \x20 matrix: {tag: {values: [5]}, node: {nodes: {}}, where: node.name == 'a'}\n\
         \x20 steps: [{run: {image: \"some:{{ tag }}\"}}]\n\
         - name: b\n\
         \x20 matrix: {rows: [{image: \"row:1\"}, {image: \"row:2\"}]}\n\
         \x20 steps: [{run: {image: \"{{ image }}\"}}]\n\
         - name: c\n\
         \x20 steps:\n\
         \x20 - use: {steps: s, with: {tag: \"{{ inputs.tags | last }}\"}}\n\
         \x20   capture: {again: \"{{ whole }}-again\"}\n\
         \x20 - run: {image: \"{{ again }}\"}\n\
         - name: either\n\
         \x20 steps:\n\
         \x20 - get: {target: pod/a}\n\
         \x20   if: run.id == 'a'\n\
         \x20   capture: {either: \"x:1\"}\n\
         \x20 - get: {target: pod/a}\n\
         \x20   if: run.id == 'b'\n\
         \x20   capture: {either: \"y:1\"}\n\
         \x20 - run: {image: \"{{ either }}\"}\n\
         - name: nothing to repeat\n\
         \x20 steps: [{foreach: {x: [], steps: [{run: {image: \"never:1\"}}]}}]";
    let steps = "apiVersion: kubeproof.dev/v1alpha1\nkind: Steps\nmetadata: {name: s}\nspec:\n  \
        inputs: {tag: {type: string}}\n  steps: [{run: {image: \"used:{{ inputs.tag }}\"}}]\n  \
        outputs: {whole: \"out:{{ inputs.tag }}\"}\n";
    let (known, told) = images(spec, &[("steps.yaml", steps)]);
    assert_eq!(told, ["a.yaml:33:20: an image waits for `either`"]);
    assert_eq!(
        known,
        [
            "a:1",
            "a:2",
            "b:1",
            "b:2",
            "out:2-again",
            "row:1",
            "row:2",
            "some:4",
            "some:5",
            "used:2"
        ]
    );
}

#[test]
fn what_only_the_run_knows_is_told_with_its_place() {
    let spec = format!(
        "inputs: {{m: {{type: map, default: {{}}}}}}\n\
         cases:\n\
         - name: a\n\
         \x20 matrix: {{pod: {{pods: {{selector: app=a}}}}}}\n\
         \x20 steps:\n\
         \x20 - run: {{image: \"known:1\"}}\n\
         \x20 - run: {{image: \"{{{{ pod.labels.image }}}}\"}}\n\
         \x20 - get: {{target: pod/a}}\n\
         \x20   capture: {{got: \"{{{{ object.spec }}}}\"}}\n\
         \x20 - apply:\n\
         \x20     manifest: {{{POD}, spec: \"{{{{ got }}}}\"}}\n\
         \x20 - apply:\n\
         \x20     manifest: {{{POD}, spec: {{hostname: \"{{{{ got.x | int }}}}\", containers: [{{image: \"a:{{{{ got.tag | int }}}}\"}}, {{image: \"known:2\"}}]}}}}\n\
         \x20 - apply: {{manifest: {{apiVersion: v1, kind: \"{{{{ got.kind }}}}\", metadata: {{name: a}}}}}}\n\
         \x20 - apply: {{template: t.yaml.j2}}\n\
         \x20 - apply: {{template: broken.yaml.j2}}\n\
         \x20 - run: {{image: \"{{{{ inputs.m.tag }}}}\"}}\n"
    );
    let files = [
        (
            "t.yaml.j2",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  containers:\n  - image: {{ got.image }}\n  - image: known:3\n",
        ),
        (
            "broken.yaml.j2",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {priority: {{ got.n | quantity }}}\n",
        ),
    ];
    let (known, told) = images(&spec, &files);
    assert_eq!(known, ["known:1", "known:2", "known:3"]);
    insta::assert_snapshot!(told.join("\n"), @"
    a.yaml:11:20: an image waits for `pod.labels.image`
    a.yaml:15:74: an image waits for `got`
    a.yaml:17:127: an image waits for `got.tag`
    a.yaml:18:48: an image waits for `got.kind`
    a.yaml:21:24: an image cannot be known: `inputs.m.tag` is not set
    broken.yaml.j2:4:29: an image is known in the run only: this has no value before it
    t.yaml.j2:6:15: an image waits for `got.image`
    ");
}

/// The objects that steps apply, as far as they are known, those of steps that are used
/// among them. What `pull-secrets` gives is written down.
fn applied(steps: &[Step], names: &mut Known, objects: &mut Vec<Value>) {
    for step in steps {
        match &step.verb {
            Verb::Apply(apply) => match &apply.manifests {
                Manifests::Template(template) => {
                    let text = template.render(&names.scope()).unwrap();
                    objects.extend(yaml::manifests(&text).unwrap());
                }
                Manifests::Inline(tree) => objects.extend(tree.render(&names.scope())),
                Manifests::Files(_) => {}
            },
            Verb::Foreach(foreach) => {
                for mut turn in names.turns(&foreach.name, &foreach.items) {
                    applied(&foreach.steps, &mut turn, objects);
                }
            }
            Verb::Use(used) if used.name != "pull-secrets" => {
                applied(&used.steps, &mut names.of_steps(&used.inputs), objects);
            }
            _ => {}
        }
    }
}

/// The objects of the setup of a suite that ships, with these inputs over its defaults.
fn objects_of(id: &str, inputs: &[&str], pull_secrets: Value) -> Vec<Value> {
    let set: Vec<_> = inputs.iter().map(|input| (*input).to_owned()).collect();
    let suite = shipped(id, &InputSources::read(&set, &[], []).unwrap());
    let mut names = Known::default();
    names.set("inputs", scope_value(&json!(suite.inputs)));
    names.set("pullSecrets", scope_value(&pull_secrets));
    let mut objects = Vec::new();
    applied(&suite.setup, &mut names, &mut objects);
    objects
}

fn shipped(id: &str, inputs: &InputSources) -> Suite {
    load_suites(&[id.to_owned()], inputs, &LabelSelector::default())
        .unwrap()
        .remove(0)
}

#[test]
fn settings_that_are_unset_leave_no_field() {
    let objects = objects_of("overlay", &[], json!([]));
    assert_eq!(
        objects,
        [json!({
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "overlaytest"},
            "spec": {
                "selector": {"matchLabels": {"name": "overlaytest"}},
                "template": {
                    "metadata": {"labels": {"name": "overlaytest"}},
                    "spec": {
                        "tolerations": [{"operator": "Exists"}],
                        "nodeSelector": {"kubernetes.io/os": "linux"},
                        "affinity": {"nodeAffinity": {
                            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                                {"matchExpressions": [
                                    {"key": "type", "operator": "NotIn", "values": ["virtual-kubelet"]},
                                    {"key": "eks.amazonaws.com/compute-type", "operator": "NotIn", "values": ["fargate"]},
                                ]},
                            ]},
                        }},
                        "terminationGracePeriodSeconds": 1,
                        "containers": [{
                            "name": "busybox",
                            "image": "busybox:1.28",
                            "imagePullPolicy": "Always",
                            "command": ["sh", "-c", "trap 'exit 0' TERM; ping -c1 -W1 127.0.0.1 >/dev/null || exit 1; tail -f /dev/null & wait"],
                            "terminationMessagePath": "/dev/termination-log",
                            "terminationMessagePolicy": "FallbackToLogsOnError",
                        }],
                    },
                },
            },
        })]
    );
}

/// A suite that ships and forgets one of the settings would fail where it is needed only.
#[test]
fn the_pods_of_every_suite_that_ships_take_the_settings() {
    let inputs = [
        "image=reg.example/own:1",
        "imagePullSecrets=[pull, other]",
        "resources={requests: {cpu: 10m}, limits: {memory: 32Mi}}",
        "priorityClassName=high",
        "podSecurityContext={runAsUser: 7}",
        "securityContext={privileged: false}",
    ];
    let pull_secrets = json!([{"name": "pull"}, {"name": "other"}]);
    let mut seen = Vec::new();
    for entry in catalog::suites() {
        let makes_pods = spec::is_suite(&entry.file)
            && !images_of(&shipped(entry.id, &InputSources::default()))
                .known
                .is_empty();
        if !makes_pods {
            continue;
        }
        for object in objects_of(entry.id, &inputs, pull_secrets.clone()) {
            let pod = match object["kind"].as_str() {
                Some("Pod") => &object["spec"],
                _ => &object["spec"]["template"]["spec"],
            };
            if !pod.is_object() {
                continue;
            }
            seen.push(entry.id);
            assert_eq!(pod["imagePullSecrets"], pull_secrets, "{}", entry.id);
            assert_eq!(pod["priorityClassName"], "high", "{}", entry.id);
            assert_eq!(
                pod["securityContext"],
                json!({"runAsUser": 7}),
                "{}",
                entry.id
            );
            // their images are for Linux
            assert_eq!(
                pod["nodeSelector"]["kubernetes.io/os"], "linux",
                "{}",
                entry.id
            );
            for container in pod["containers"].as_array().unwrap() {
                assert_eq!(container["image"], "reg.example/own:1", "{}", entry.id);
                assert_eq!(
                    container["securityContext"],
                    json!({"privileged": false}),
                    "{}",
                    entry.id
                );
                assert_eq!(
                    container["resources"],
                    json!({"requests": {"cpu": "10m"}, "limits": {"memory": "32Mi"}}),
                    "{}",
                    entry.id
                );
            }
        }
        assert!(seen.contains(&entry.id), "{} makes no pod", entry.id);
    }
    assert!(seen.len() >= 2, "{seen:?}");
}

/// The template of the pods of what a suite that ships applies, with these inputs.
fn pods_of(id: &str, inputs: &[&str]) -> Vec<Value> {
    let objects = objects_of(id, inputs, json!([]));
    let pods: Vec<_> = objects
        .into_iter()
        .filter(|object| object["kind"] == "DaemonSet" || object["kind"] == "Deployment")
        .collect();
    assert!(!pods.is_empty(), "{id} makes no pods");
    pods
}

#[test]
fn a_pod_on_each_node_leaves_out_the_nodes_with_a_label() {
    let own = ["excludeNodes=[pool=gpu, example.com/edge]"];
    for id in ["overlay", "mtu", "ports"] {
        for pod in pods_of(id, &own) {
            let required = &pod["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
            assert_eq!(
                required,
                &json!({"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "pool", "operator": "NotIn", "values": ["gpu"]},
                    {"key": "example.com/edge", "operator": "DoesNotExist"},
                ]}]}),
                "{id}"
            );
        }
        for pod in pods_of(id, &["excludeNodes=[]"]) {
            assert!(
                pod["spec"]["template"]["spec"]["affinity"].is_null(),
                "{id}"
            );
        }
    }
}
