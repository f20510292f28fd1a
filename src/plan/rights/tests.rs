//! The rights of steps, a line each: `get,patch configmap:a @own`, with `?` where they only help,
//! and `!` where others need what is done with them after a run that was killed.

use std::collections::BTreeMap;

use insta::assert_snapshot;

use super::{Facts, Need, On, Reach, Right, rights};
use crate::plan::input::InputSources;
use crate::plan::load::load_suites;
use crate::plan::model::Suite;
use crate::plan::select::LabelSelector;

fn suite(spec: &str, files: &[(&str, &str)]) -> Suite {
    let cases = "cases: [{name: a, steps: [{sleep: 1s}]}]";
    let has_cases = spec.lines().any(|line| line.starts_with("cases:"));
    let spec: String = spec
        .lines()
        .chain((!has_cases).then_some(cases))
        .map(|line| format!("  {line}\n"))
        .collect();
    let text = format!(
        "apiVersion: kubeproof.dev/v1alpha1\nkind: Suite\nmetadata: {{name: a}}\nspec:\n{spec}"
    );
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [files, &[("a.yaml", text.as_str())]].concat() {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().join("a.yaml").to_string_lossy().into_owned();
    load_suites(&[path], &InputSources::default(), &LabelSelector::default())
        .unwrap_or_else(|error| panic!("{error:?}"))
        .remove(0)
}

fn shown(right: &Right) -> String {
    let on = match &right.on {
        On::Named(name) => name.clone(),
        On::Manifest { api_version, kind } => format!("{api_version} {kind}"),
        On::Resource { group, plural } if group.is_empty() => plural.clone(),
        On::Resource { group, plural } => format!("{plural}.{group}"),
        On::Path(path) => path.clone(),
        On::Unknown(text) => format!("<{text}>"),
    };
    let subresource = right.subresource.iter().map(|sub| format!("/{sub}"));
    let name = right.name.iter().map(|name| format!(":{name}"));
    let reach = match &right.reach {
        Reach::Own => "own".to_owned(),
        Reach::Namespace(name) => name.clone(),
        Reach::Every => "*".to_owned(),
        Reach::Unknown => "?".to_owned(),
        Reach::Connection => "connection".to_owned(),
        Reach::Cluster => "cluster".to_owned(),
    };
    let cluster = right.cluster.iter().map(|name| format!(" in {name}"));
    let more: String = subresource.chain(name).collect();
    let cluster: String = cluster.collect();
    format!("{on}{more} @{reach}{cluster}")
}

/// All the rights of a suite; the verbs of one thing are on one line.
fn told(spec: &str, files: &[(&str, &str)]) -> String {
    let mut lines: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for right in rights(&suite(spec, files), &Facts::default()) {
        let (needed, helpful) = lines.entry(shown(&right)).or_default();
        match right.need {
            Need::Needed => needed.extend(right.verbs),
            Need::Durable => {
                helpful.extend(right.verbs.into_iter().map(|verb| format!("{verb}!")));
            }
            Need::Helpful => helpful.extend(right.verbs),
        }
    }
    let lines: Vec<_> = lines
        .into_iter()
        .map(|(what, (mut needed, mut helpful))| {
            for verbs in [&mut needed, &mut helpful] {
                verbs.sort();
                verbs.dedup();
            }
            helpful.retain(|verb| !needed.contains(verb));
            let helpful = helpful.iter().map(|verb| match verb.ends_with('!') {
                true => verb.clone(),
                false => format!("{verb}?"),
            });
            let verbs: Vec<_> = needed.iter().cloned().chain(helpful).collect();
            format!("{what}: {}", verbs.join(" "))
        })
        .collect();
    lines.join("\n")
}

/// The sign of life of a run that makes something where it has no namespace of its own.
const LEASE: &str = "leases.coordination.k8s.io @own: create? delete? patch?";

/// The rights of steps in a namespace that is there.
fn steps(steps: &str) -> String {
    let steps: String = steps.lines().map(|line| format!("{line}\n")).collect();
    let told = told(
        &format!("namespace: {{existing: team}}\nsetup:\n{steps}"),
        &[(
            "set.yaml.j2",
            "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: {{ inputs.name }}}\n",
        )],
    );
    let lines: Vec<_> = told
        .lines()
        // what every suite has, and every one that makes something
        .filter(|line| *line != "nodes @cluster: list?" && *line != LEASE)
        .collect();
    lines.join("\n")
}

#[test]
fn a_namespace_is_made_and_its_end_followed() {
    assert_snapshot!(told("namespace: {per: case}", &[]), @"
    leases.coordination.k8s.io @*: list?
    leases.coordination.k8s.io @own: create? delete? patch?
    namespaces @cluster: create delete get list watch
    nodes @cluster: list? watch?
    pods @own: list? watch?
    ");
    assert_snapshot!(told("namespace: none", &[]), @"nodes @cluster: list?");
    assert_snapshot!(told("clusters: {mgmt: {}}", &[]), @"
    leases.coordination.k8s.io @*: list?
    leases.coordination.k8s.io @own: create? delete? patch?
    leases.coordination.k8s.io @own in mgmt: create? delete? patch?
    namespaces @cluster: create delete get list watch
    namespaces @cluster in mgmt: create delete get list watch
    nodes @cluster: list? watch?
    nodes @cluster in mgmt: list? watch?
    pods @own: list? watch?
    pods @own in mgmt: list? watch?
    ");
}

#[test]
fn what_is_made_is_taken_back() {
    assert_snapshot!(steps("- apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}"), @"
    v1 ConfigMap @own: create
    v1 ConfigMap:a @own: delete get patch update?
    ");
    assert_snapshot!(steps("- apply: {manifest: {apiVersion: v1, kind: Service, metadata: {name: a, namespace: other}}}"), @"
    v1 Service @other: create list watch
    v1 Service:a @other: delete get patch update?
    ");
    assert_snapshot!(steps("- create: {manifest: {apiVersion: apps/v1, kind: Deployment, metadata: {generateName: a-}}}"), @"
    apps/v1 Deployment @own: create delete get list watch
    nodes @cluster: list? watch?
    pods @own: list? watch?
    ");
    assert_snapshot!(steps("- apply: {manifest: {apiVersion: v1, kind: Namespace, metadata: {name: a}}}\n  expect: {rejected: true}"), @"
    v1 Namespace @cluster: create? list? watch?
    v1 Namespace:a @cluster: delete? get? patch? update?
    ");
    assert_snapshot!(steps("- patch: {target: deploy/web, patch: {spec: {replicas: 2}}}"), @"
    deploy:web @own: get patch update
    secrets @own: create! delete!
    ");
    assert_snapshot!(steps("- patch: {target: node/a, subresource: status, patch: {spec: {}}}"), @"
    node/status @cluster: patch
    node:a @cluster: get update
    secrets @own: create! delete!
    ");
    let theirs = "- patch: {target: configmap/a, namespace: other, patch: {data: {k: v}}}";
    assert_snapshot!(steps(theirs), @"
    configmap:a @other: get patch update
    leases.coordination.k8s.io @other: create? delete? patch?
    secrets @other: create! delete!
    ");
    let made = "- apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}, namespace: other}\n";
    assert_snapshot!(steps(&format!("{made}{theirs}")), @"
    configmap:a @other: get patch update?
    v1 ConfigMap @other: create
    v1 ConfigMap:a @other: delete get patch update?
    ");
    assert_snapshot!(steps("- delete: {target: pod, selector: app=web, namespace: other}"), @"
    events @other: list?
    pod @other: delete list watch
    ");
}

#[test]
fn what_has_no_namespace_is_not_in_the_one_of_the_run() {
    let change = |step: &str| {
        let spec = format!("setup:\n- {step}");
        let of_steps = |line: &&str| line.contains("update");
        let told = told(&spec, &[]);
        told.lines().filter(of_steps).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(change("patch: {target: node/a, patch: {spec: {unschedulable: true}}}"), @"node:a @cluster: get patch update");
    assert_snapshot!(change("patch: {target: pod/a, patch: {metadata: {labels: {a: b}}}}"), @"");
    assert_snapshot!(change("apply: {manifest: {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}}}"), @"rbac.authorization.k8s.io/v1 ClusterRole:a @cluster: delete get patch escalate? update?");
}

#[test]
fn what_is_changed_of_others_is_written_down_and_what_the_run_made_is_not() {
    let secrets = |namespace: &str, step: &str| {
        let told = told(&format!("namespace: {namespace}\nsetup:\n- {step}"), &[]);
        let lines = told.lines().filter(|line| line.starts_with("secrets"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let node = "patch: {target: node/a, patch: {metadata: {labels: {a: b}}}}";
    for (namespace, step, expected) in [
        ("{per: suite}", node, "secrets @connection: create! delete!"),
        ("none", node, "secrets @connection: create! delete!"),
        ("{existing: team}", node, "secrets @own: create! delete!"),
        (
            "{per: suite}",
            "patch: {target: pod/a, patch: {metadata: {labels: {a: b}}}}",
            "",
        ),
        (
            "{existing: team}",
            "apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}",
            "",
        ),
        ("{existing: team}", "get: {target: node/a}", ""),
    ] {
        assert_eq!(secrets(namespace, step), expected, "{namespace} {step}");
    }
}

#[test]
fn a_run_that_makes_something_says_that_it_lives() {
    let leases = |namespace: &str, step: &str| {
        let told = told(&format!("namespace: {namespace}\nsetup:\n- {step}"), &[]);
        let lines = told.lines().filter(|line| line.starts_with("leases"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let apply =
        "apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: b}}}";
    assert_eq!(leases("{existing: team}", apply), LEASE);
    assert_eq!(
        leases("none", apply),
        "leases.coordination.k8s.io @?: create? delete? patch?"
    );
    let pod = "run: {image: a, command: [a]}";
    assert_eq!(leases("{existing: team}", pod), LEASE);
    let looks = "get: {target: node/a}";
    assert_eq!(leases("{existing: team}", looks), "");
    assert_eq!(leases("none", looks), "");
}

#[test]
fn whoever_gives_rights_has_them_or_may_give_them() {
    let steps = |manifest: &str| {
        let manifest = format!(
            "- apply: {{manifest: {{apiVersion: rbac.authorization.k8s.io/v1, {manifest}}}}}"
        );
        let told = steps(&manifest);
        let lines = told
            .lines()
            .filter(|line| line.contains("bind?") || line.contains("escalate?"));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(steps("kind: Role, metadata: {name: a}, rules: []"), @"rbac.authorization.k8s.io/v1 Role:a @own: delete get patch escalate? update?");
    assert_snapshot!(steps("kind: RoleBinding, metadata: {name: a, namespace: other}, roleRef: {kind: Role, name: b}"), @"roles.rbac.authorization.k8s.io:b @other: bind?");
    assert_snapshot!(steps("kind: ClusterRoleBinding, metadata: {name: a}, roleRef: {kind: ClusterRole, name: view}"), @"clusterroles.rbac.authorization.k8s.io:view @cluster: bind?");
}

#[test]
fn nothing_is_restored_in_a_namespace_that_the_run_makes() {
    let spec = "setup:\n- apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}\n\
                - apply: {namespace: other, manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}}";
    let told = told(spec, &[]);
    let line = |what: &str| told.lines().find(|line| line.starts_with(what)).unwrap();
    assert!(!line("v1 ConfigMap:a @own").contains("update"), "{told}");
    assert!(line("v1 ConfigMap:b @other").contains("update?"), "{told}");
}

#[test]
fn looking_follows() {
    assert_snapshot!(steps("- get: {target: deployment/web}"), @"deployment:web @own: get");
    assert_snapshot!(steps("- get: {target: pod, allNamespaces: true}"), @"pod @*: list");
    assert_snapshot!(steps("- get: {raw: /readyz?verbose}\n- get: {raw: /apis/metrics.k8s.io/v1beta1/nodes}\n- get: {raw: \"/api/v1/namespaces/{{ run.namespace }}/pods/a/log\"}"), @"
    /readyz @cluster: get
    nodes.metrics.k8s.io @*: list
    pods/log:a @own: get
    ");
    assert_snapshot!(steps("- assert: {target: node/a, match: {a: b}}\n- assert: {that: 1 == 1}"), @"
    events @default: list?
    node @cluster: list watch
    ");
    assert_snapshot!(steps("- absent: {target: certificates.cert-manager.io, namespace: other}"), @"
    certificates.cert-manager.io @other: list watch
    events @other: list?
    ");
    assert_snapshot!(steps("- wait: {target: job/a, until: {condition: Complete}}"), @"
    events @own: list?
    job @own: list watch
    ");
    assert_snapshot!(steps("- wait: {target: deployment/web, until: rolledOut}"), @"
    deployment @own: list watch
    events @own: list?
    nodes @cluster: list? watch?
    pods @own: list? watch?
    replicasets.apps @own: list? watch?
    ");
    assert_snapshot!(steps("- wait: {target: ds/web, until: rolledOut, perNode: true}"), @"
    ds @own: list watch
    events @own: list?
    nodes @cluster: list watch
    pods @own: list watch
    ");
}

#[test]
fn pods_are_entered() {
    assert_snapshot!(steps("- exec: {target: pod/a, container: main, command: [a]}"), @"pods/exec @own: create get");
    assert_snapshot!(steps("- exec: {target: po/a, command: [a]}"), @"
    pods @own: get?
    pods/exec @own: create get
    ");
    // what `where` leaves out is not run in, so the pod is read before
    assert_snapshot!(steps("- exec: {target: Pod/a, where: {that: object.x}, container: main, command: [a]}"), @"
    Pod:a @own: get
    pods/exec @own: create get
    ");
    assert_snapshot!(steps("- events: {target: pod/a, where: {that: object.x}}"), @"
    events @own: list
    pod:a @own: get
    ");
    assert_snapshot!(steps("- exec: {target: pod, selector: a=b, each: true, command: [a]}"), @"
    pod @own: list
    pods/exec @own: create get
    ");
    assert_snapshot!(steps("- exec: {target: deployment/web, namespace: other, command: [a]}"), @"
    deployment:web @other: get
    pods @other: list
    pods/exec @other: create get
    replicasets.apps @other: list
    ");
    assert_snapshot!(steps("- run: {image: a, command: [a]}"), @"
    events @own: list?
    nodes @cluster: list? watch?
    pods @own: create delete get list watch
    pods/log @own: get
    ");
    assert_snapshot!(steps("- logs: {selector: app=web, namespace: other}"), @"
    pod @other: list
    pods/log @other: get
    ");
    assert_snapshot!(steps("- logs: {target: sts/web}"), @"
    pods @own: list
    pods/log @own: get
    replicasets.apps @own: list
    sts:web @own: get
    ");
}

#[test]
fn events_requests_and_questions() {
    assert_snapshot!(steps("- events: {namespace: other}"), @"events @other: list");
    assert_snapshot!(steps("- events: {target: pod/a}"), @"events @own: list");
    assert_snapshot!(steps("- events: {target: node/a}"), @"events @default: list");
    assert_snapshot!(steps("- events: {target: pod, selector: a=b}"), @"
    events @own: list
    pod @own: list
    ");
    assert_snapshot!(steps("- http: {service: web, port: 80}\n- http: {service: web, port: 80, method: POST, namespace: other}"), @"
    services/proxy @other: create
    services/proxy @own: get
    ");
    assert_snapshot!(steps("- http: {service: web, port: 80, via: portForward}"), @"
    endpointslices.discovery.k8s.io @own: list
    pods/portforward @own: create get
    services:web @own: get
    ");
    assert_snapshot!(steps("- http: {url: \"https://a.example/\"}\n- can: {verb: get, resource: pods}\n- command: [a]\n- sleep: 1s"), @"");
    assert_snapshot!(steps("- can: {as: jane, verb: get, resource: pods}"), @"subjectaccessreviews.authorization.k8s.io @cluster: create");
}

#[test]
fn another_identity_has_rights_of_its_own_but_cleaning_up_is_ours() {
    assert_snapshot!(steps("- apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}\n  as: {serviceAccount: ci}\n- get: {target: pod/a}\n  as: {user: jane, groups: [dev, ops]}\n- get: {target: pod/a}\n  as: system:serviceaccount:other:robot"), @"
    groups:dev @cluster: impersonate
    groups:ops @cluster: impersonate
    serviceaccounts:ci @own: impersonate
    serviceaccounts:robot @other: impersonate
    users:jane @cluster: impersonate
    v1 ConfigMap:a @own: delete get update?
    ");
}

#[test]
fn other_clusters_are_told_apart() {
    let spec = "namespace: {existing: team}\nclusters: {mgmt: {}}\nsetup:\n\
                - get: {target: pod/a}\n  cluster: mgmt\n- get: {target: pod/b}";
    assert_snapshot!(told(spec, &[]), @"
    nodes @cluster: list?
    pod:a @own in mgmt: get
    pod:b @own: get
    ");
}

#[test]
fn what_inputs_settle_is_known() {
    let spec = r#"namespace: {existing: team}
inputs:
  names: {type: list, default: [a, b]}
  none: {type: list, default: []}
  deep: {type: boolean, default: false}
  kind: {type: string, default: secret}
setup:
- foreach: {name: "{{ inputs.names }}", steps: [{get: {target: "pod/{{ name }}", namespace: "{{ name }}"}}]}
- foreach: {name: "{{ inputs.none }}", steps: [{get: {target: node}}]}
- get: {target: node}
  if: inputs.deep
- get: {target: "{{ inputs.kind }}/x"}
cases:
- name: a
  matrix: {where: {values: [kube-system, "{{ inputs.names[0] }}"]}}
  if: where != 'a'
  steps: [{logs: {selector: x=y, namespace: "{{ where }}"}}]
- name: b
  matrix: {rows: [{who: c, on: true}, {who: d, on: false}]}
  steps: [{use: {steps: s, with: {name: "{{ who }}"}}, if: "on"}]
include: [steps.yaml]"#;
    let files = [(
        "steps.yaml",
        "apiVersion: kubeproof.dev/v1alpha1\nkind: Steps\nmetadata: {name: s}\n\
         spec: {inputs: {name: {type: string}}, steps: [{get: {target: \"configmap/{{ inputs.name }}\"}}]}\n",
    )];
    assert_snapshot!(told(spec, &files), @"
    configmap:c @own: get
    nodes @cluster: list?
    pod @kube-system: list
    pod:a @a: get
    pod:b @b: get
    pods/log @kube-system: get
    secret:x @own: get
    ");
}

#[test]
fn what_depends_on_the_run_without_a_trace_is_not_known() {
    let spec = r#"setup:
- get: {target: secret/a}
  capture: {got: object.data.a}
- get: {target: "{{ 'pod' if got == 'b' else 'secret' }}/a"}
- get: {target: pod/a, namespace: "{{ 'a' if got == 'b' else 'b' }}"}
- foreach:
    name: [a, "{{ got }}"]
    steps: [{get: {target: "service/{{ name }}"}}]"#;
    let told = told(spec, &[]);
    let read = |line: &&str| line.ends_with(": get") || line.starts_with('<');
    assert_snapshot!(told.lines().filter(read).collect::<Vec<_>>().join("\n"), @"
    <{{ 'pod' if got == 'b' else 'secret' }}/a> @own: list
    pod:a @?: get
    secret:a @own: get
    service @own: get
    service:a @own: get
    ");
}

#[test]
fn each_case_has_a_namespace_of_its_own() {
    let step = "{get: {target: pod/a, namespace: \"{{ run.namespace }}\"}}, \
                {get: {target: secret/a, namespace: \"{{ run.namespace }}-b\"}}";
    let facts = Facts {
        namespace: Some("kubeproof-a-7"),
        ..Facts::default()
    };
    for (per, expected) in [
        ("suite", "secret:a @kubeproof-a-7-b"),
        ("case", "secret:a @?"),
    ] {
        let spec = format!("namespace: {{per: {per}}}\ncases: [{{name: a, steps: [{step}]}}]");
        let rights = rights(&suite(&spec, &[]), &facts);
        let read = rights.iter().filter(|right| right.verbs == ["get"]);
        let shown: Vec<_> = read.map(shown).collect();
        assert_eq!(shown, ["pod:a @own", expected]);
    }
}

#[test]
fn what_only_the_run_knows_is_everywhere() {
    let spec = r#"setup:
- get: {target: namespace}
  capture: {spaces: "{{ objects }}", what: "{{ object.kind }}"}
- foreach:
    space: "{{ spaces }}"
    steps:
    - apply: {manifest: {apiVersion: v1, kind: Pod, metadata: {name: "p-{{ run.id }}", namespace: "{{ space.metadata.name }}"}, spec: "{{ space | quantity }}"}}
- apply: {template: own.yaml.j2}
- apply: {template: broken.yaml.j2}
- get: {target: "{{ what }}/a"}
- get: {target: "secret/{{ spaces | length }}", namespace: "x-{{ run.id }}"}
cases:
- name: a
  if: nodes | length > 1
  matrix: {pod: {pods: {selector: a=b, perNode: true}}, one: {objects: {target: storageclass}}}
  steps: [{exec: {target: "pod/{{ pod.name }}", container: a, namespace: "{{ pod.namespace }}", command: [a]}}]
  finally: [{events: {}}]
  onFailure: [{logs: {target: ds/x, namespace: kube-system}}]"#;
    let files = [
        (
            "own.yaml.j2",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ spaces }}, namespace: {{ run.namespace }}}\n",
        ),
        (
            "broken.yaml.j2",
            "# {{ spaces | quantity }}\n{% for space in spaces %}\n---\napiVersion: v1\nkind: Service # words\nmetadata:\n  name: a\n  namespace: {{ space }}\n{% endfor %}\n---\napiVersion: apps/v1\nkind: \"StatefulSet\"\n",
        ),
    ];
    assert_snapshot!(told(spec, &files), @"
    <{{ what }}/a>:a @own: get
    apps/v1 StatefulSet @own: create delete get list patch watch
    daemonsets.apps @own: get
    ds:x @kube-system: get?
    events @own: list
    leases.coordination.k8s.io @*: list?
    leases.coordination.k8s.io @own: create? delete? patch?
    namespace @cluster: list
    namespaces @cluster: create delete get list watch
    nodes @cluster: list watch?
    pods @?: list? watch?
    pods @kube-system: list?
    pods @own: list watch?
    pods/exec @?: create get
    pods/log @kube-system: get?
    replicasets.apps @kube-system: list?
    secret @?: get
    storageclass @cluster: list
    v1 ConfigMap @own: create delete get patch
    v1 Pod @?: create delete get list patch watch update?
    v1 Service @?: create delete get list patch watch update?
    ");
}

#[test]
fn permissions_are_what_they_say() {
    let spec = r#"permissions:
- {apiGroups: ["", apps], resources: [pods, pods/log], verbs: [get], resourceNames: [a]}
- {apiGroups: [""], resources: [nodes, secrets], verbs: [list], namespace: kube-system}
- {apiGroups: ["*"], resources: ["*"], verbs: ["*"], namespace: "*"}
- {nonResourceURLs: [/metrics], verbs: [get]}
namespace: {existing: team}"#;
    assert_snapshot!(told(spec, &[]), @"
    *.* @*: *
    /metrics @cluster: get
    nodes @cluster: list
    pods.apps/log:a @own: get
    pods.apps:a @own: get
    pods/log:a @own: get
    pods:a @own: get
    secrets @kube-system: list
    ");
}

#[test]
fn opening_a_socket_takes_what_the_server_asks_for() {
    let spec = "setup:\n- exec: {target: pod/a, command: [a]}\n\
                - http: {service: a, port: 80, via: portForward}";
    let suite = suite(spec, &[]);
    for (server, expected) in [
        (Some((1, 34)), Need::Helpful),
        (Some((1, 35)), Need::Needed),
        (Some((2, 0)), Need::Needed),
        (None, Need::Needed),
    ] {
        let facts = Facts {
            server,
            ..Facts::default()
        };
        let needs: Vec<_> = rights(&suite, &facts)
            .into_iter()
            .filter(|right| right.subresource.is_some())
            .map(|right| (right.verbs[0].clone(), right.need))
            .collect();
        let socket = [
            ("get".to_owned(), Need::Needed),
            ("create".to_owned(), expected),
        ];
        assert_eq!(needs, [socket.clone(), socket].concat(), "{server:?}");
    }
}

#[test]
fn the_namespace_of_a_run_that_has_begun_is_known() {
    let spec = "setup:\n- get: {target: pod/a, namespace: \"{{ run.namespace }}\"}\n\
                - get: {target: \"pod/{{ run.namespace }}\", namespace: \"x-{{ run.id }}\"}";
    let facts = Facts {
        run: Some("7"),
        namespace: Some("kubeproof-a-7"),
        ..Facts::default()
    };
    let rights = rights(&suite(spec, &[]), &facts);
    let shown: Vec<_> = rights
        .iter()
        .filter(|right| right.need == Need::Needed && right.verbs == ["get"])
        .map(shown)
        .collect();
    assert_eq!(shown, ["pod:a @own", "pod:kubeproof-a-7 @x-7"]);
    assert!(
        rights
            .last()
            .unwrap()
            .place
            .to_string()
            .ends_with("a.yaml:1:1"),
        "what no step takes stands at the top"
    );
}
