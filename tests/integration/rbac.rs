//! Rights: what the printed roles give is enough, and what is missing is told before anything is
//! made. Each user here is a service account with a token and nothing else.

use crate::api_server::{kubeconfig, serve};
use crate::support::server::free_address;
use crate::support::{Finished, Kubeproof, healthy_cluster, kubectl, labelled};
use crate::verbs::{TestNamespace, suite, web_server};

/// The program without a cluster, printing roles.
fn printed(arguments: &[&str], file: Option<&str>) -> String {
    let mut program = Kubeproof::new(&[&["rbac"], arguments].concat());
    if let Some(text) = file {
        program = program.file("suite.yaml", text);
    }
    let printed = program.run();
    printed.assert_code(0);
    printed.stdout
}

/// A user with roles, gone at the end with all that was made for them.
struct User {
    home: TestNamespace,
    folder: tempfile::TempDir,
    roles: String,
}

impl User {
    /// Who may do what the roles say; those for a namespace must be for this one.
    fn new(name: &str, roles: impl FnOnce(&str) -> String) -> Self {
        let home = TestNamespace::new(&format!("rbac-{name}"));
        let folder = tempfile::tempdir().expect("a folder");
        home.kubectl(&["create", "serviceaccount", "ci"]);
        let path = folder.path().join("roles.yaml");
        let text = roles(&home.name);
        std::fs::write(&path, &text).expect("a file");
        let path = path.to_string_lossy().into_owned();
        // a name of its own: tests run side by side
        let unique = home.name.clone();
        let text = text
            .lines()
            .map(|line| match line.starts_with("  name: ") {
                true => format!("  name: {unique}\n"),
                false => format!("{line}\n"),
            })
            .collect::<String>();
        std::fs::write(&path, &text).expect("a file");
        kubectl(&["apply", "-f", &path]);
        let account = format!("--serviceaccount={unique}:ci");
        if text.contains("kind: ClusterRole\n") {
            let role = format!("--clusterrole={unique}");
            kubectl(&["create", "clusterrolebinding", &unique, &role, &account]);
        }
        if text.contains("kind: Role\n") {
            let role = format!("--role={unique}");
            home.kubectl(&["create", "rolebinding", "ci", &role, &account]);
        }
        let user = Self {
            home,
            folder,
            roles: text,
        };
        user.write_kubeconfig();
        user
    }

    fn write_kubeconfig(&self) {
        let token = self.home.kubectl(&["create", "token", "ci"]);
        let admin = kubectl(&["config", "view", "--raw", "--minify", "-o", "json"]);
        let admin: serde_json::Value = serde_json::from_str(&admin).expect("JSON");
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "ci",
            "clusters": [{"name": "c", "cluster": admin["clusters"][0]["cluster"]}],
            "users": [{"name": "ci", "user": {"token": token.trim()}}],
            "contexts": [{"name": "ci", "context": {"cluster": "c", "user": "ci"}}],
        });
        let path = self.folder.path().join("kubeconfig");
        std::fs::write(path, kubeconfig.to_string()).expect("a file");
    }

    /// Runs as this user.
    fn run(&self, arguments: &[&str], file: Option<&str>) -> Finished {
        let path = self.folder.path().join("kubeconfig");
        let path = path.to_string_lossy().into_owned();
        let arguments = [&["run"], arguments, &["--kubeconfig", &path]].concat();
        let mut program = Kubeproof::on_cluster(&arguments);
        if let Some(text) = file {
            program = program.file("suite.yaml", text);
        }
        program.run()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        for kind in ["clusterrolebinding", "clusterrole"] {
            let _ = std::process::Command::new(
                std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/cluster"),
            )
            .args(["kubectl", "delete", "--ignore-not-found", kind])
            .arg(&self.home.name)
            .output();
        }
    }
}

/// The ids of the suites that ship.
fn shipped() -> Vec<String> {
    let list = Kubeproof::new(&["list"]).run();
    list.assert_code(0);
    let ids: Vec<_> = list
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    assert!(ids.len() >= 2, "{list}");
    ids
}

#[test]
#[ignore = "needs ci/cluster up"]
fn the_printed_roles_are_enough_for_every_suite_that_ships() {
    let _cluster = healthy_cluster();
    for id in shipped() {
        let name = id.replace('/', "-");
        let user = User::new(&name, |_| printed(&[&id], None));
        let run = user.run(&[&id], None);
        if run.code != 0 {
            // a suite may be for another cluster than this, whoever runs it
            let admin = Kubeproof::on_cluster(&["run", &id]).run();
            assert_eq!(run.code, admin.code, "{id}\n{}\n{run}", user.roles);
            assert_eq!(run.code, 4, "{id}\n{}\n{run}", user.roles);
        }
        run.assert_nothing_left();
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_only_explains_is_not_needed() {
    let _cluster = healthy_cluster();
    let user = User::new("least", |_| {
        let roles = printed(&["smoke"], None);
        let rule = |resource: &str, verbs: &str| {
            format!("  resources: [\"{resource}\"]\n  verbs: [{verbs}]\n")
        };
        let mut least = roles.clone();
        for (resource, verbs, rest) in [
            ("events", "\"list\"", "\"get\""),
            ("replicasets", "\"list\", \"watch\"", "\"get\""),
            ("nodes", "\"list\", \"watch\"", "\"list\""),
            ("pods", "\"get\", \"list\", \"watch\"", "\"list\""),
        ] {
            let given = rule(resource, verbs);
            assert!(least.contains(&given), "{given}{roles}");
            least = least.replace(&given, &rule(resource, rest));
        }
        least
    });
    let run = user.run(&["smoke"], None);
    assert_eq!(run.code, 0, "{}\n{run}", user.roles);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn in_a_namespace_that_is_there_a_role_is_enough() {
    let _cluster = healthy_cluster();
    let suites = ["overlay", "smoke"];
    let user = User::new("there", |namespace| {
        let roles = printed(&[&suites[..], &["-n", namespace]].concat(), None);
        assert!(roles.contains("kind: Role\n"), "{roles}");
        assert!(!roles.contains("\"namespaces\""), "{roles}");
        roles
    });
    let namespace = user.home.name.clone();
    let run = user.run(&[&suites[..], &["-n", &namespace]].concat(), None);
    run.assert_code(0);
    run.assert_nothing_left();
}

/// Every verb once, in the suite's own namespace and in another.
fn every_verb(other: &str) -> String {
    suite(&format!(
        r#"
  inputs: {{maps: {{type: list, default: [one, two]}}}}
  permissions:
    - {{apiGroups: [""], resources: [configmaps], verbs: [get], resourceNames: [theirs], namespace: {other}}}
  requires:
    - exists: {{target: namespace/kube-system}}
    - that: nodes | length > 1
  setup:
{}
    - get: {{target: namespace/{other}}}
      capture: {{found: "{{{{ [object.metadata.name] }}}}"}}
    - foreach:
        space: "{{{{ found }}}}"
        steps:
          - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: found, namespace: "{{{{ space }}}}"}}, data: {{a: b}}}}}}
    - foreach:
        map: "{{{{ inputs.maps }}}}"
        steps:
          - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: "{{{{ map }}}}"}}}}}}
    - apply: {{manifest: {{apiVersion: v1, kind: Service, metadata: {{name: own}}, spec: {{ports: [{{port: 80}}]}}}}}}
    - create: {{manifest: {{apiVersion: v1, kind: Secret, metadata: {{generateName: s-}}}}}}
    - create: {{manifest: {{apiVersion: v1, kind: ServiceAccount, metadata: {{name: reader}}}}}}
    - apply:
        manifest:
          apiVersion: rbac.authorization.k8s.io/v1
          kind: Role
          metadata: {{name: powerful}}
          rules: [{{apiGroups: [""], resources: [secrets], verbs: [deletecollection]}}]
    - create:
        manifest:
          apiVersion: rbac.authorization.k8s.io/v1
          kind: Role
          metadata: {{generateName: powerful-}}
          rules: [{{apiGroups: [""], resources: [secrets], verbs: [deletecollection]}}]
    - apply:
        manifest:
          apiVersion: rbac.authorization.k8s.io/v1
          kind: RoleBinding
          metadata: {{name: powerful}}
          roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}
          subjects: [{{kind: ServiceAccount, name: reader}}]
    - patch: {{target: configmap/theirs, namespace: {other}, patch: {{data: {{c: d}}}}}}
    - patch: {{target: deployment/web, subresource: scale, patch: {{spec: {{replicas: 1}}}}, allowNoChange: true}}
  cases:
    - name: looks
      matrix: {{node: {{nodes: {{}}}}, map: {{objects: {{target: configmap/one}}}}}}
      steps:
        - get: {{raw: /readyz}}
        - assert: {{target: configmap, selector: "kubeproof.dev/suite=verbs", count: {{min: 2}}}}
        - assert: {{target: "node/{{{{ node.name }}}}", match: {{kind: Node}}}}
        - absent: {{target: ingress, allNamespaces: true, selector: none=such}}
        - wait: {{target: service/own, until: exists}}
        - events: {{target: deployment/web}}
        - events: {{target: pod, selector: app=web}}
        - logs: {{target: deployment/web}}
        - can: {{as: jane, verb: delete, resource: nodes}}
          expect: {{allowed: false}}
        - can: {{verb: list, resource: nodes}}
        - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: "of-{{{{ node.name }}}}"}}}}}}
          as: {{serviceAccount: reader}}
          expect: {{rejected: {{code: 403}}}}
        - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: "of-{{{{ node.name }}}}"}}}}}}
          as: {{user: jane, groups: [dev]}}
          expect: {{rejected: {{code: 403}}}}
    - name: acts
      matrix: {{pod: {{pods: {{selector: app=web}}}}}}
      steps:
        - exec: {{target: "pod/{{{{ pod.name }}}}", command: ["true"]}}
        - exec: {{target: deployment/web, command: ["true"]}}
        - exec: {{target: pod, selector: app=web, each: true, command: ["true"]}}
        - run: {{image: "busybox:1.28", command: [echo, hello]}}
          expect: {{stdout: {{contains: hello}}}}
        - http: {{service: web, port: 80}}
        - during:
            every: 100ms
            http: {{service: web, port: 80, via: portForward}}
            steps: [{{sleep: 300ms}}]
        - delete: {{target: configmap/two}}
"#,
        web_server("web")
    ))
}

#[test]
#[ignore = "needs ci/cluster up"]
fn the_printed_roles_are_enough_for_every_verb() {
    let _cluster = healthy_cluster();
    let other = TestNamespace::new("rbac-other");
    other.kubectl(&["create", "configmap", "theirs", "--from-literal=a=b"]);
    let text = every_verb(&other.name);
    let user = User::new("verbs", |_| printed(&["suite.yaml"], Some(&text)));
    let run = user.run(&["suite.yaml"], Some(&text));
    assert_eq!(run.code, 0, "{}\n{run}", user.roles);
    run.assert_nothing_left();
    let theirs = other.kubectl(&["get", "configmap", "theirs", "-o", "jsonpath={.data}"]);
    assert_eq!(theirs, r#"{"a":"b"}"#, "put back");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_the_user_may_not_do_is_told_before_anything_is_made() {
    let _cluster = healthy_cluster();
    // all that a Deployment takes, and no DaemonSet
    let user = User::new("missing", |_| printed(&["smoke"], None));
    let run = user.run(&["overlay", "smoke"], None);
    run.assert_code(3);
    let problems = run.events("problem");
    assert_eq!(problems.len(), 1, "{run}");
    assert_eq!(problems[0]["stage"], "permissions", "{run}");
    let told = problems[0]["why"]["message"].as_str().expect("a message");
    let who = format!("system:serviceaccount:{}:ci may not", user.home.name);
    for words in [
        who.as_str(),
        "create",
        "daemonsets.apps in namespace kubeproof-overlay-",
        "the suite overlay needs it",
        "(kubeproof rbac network/overlay smoke prints the roles)",
    ] {
        assert!(told.contains(words), "no {words:?}: {told}");
    }
    assert!(!told.contains("deployments"), "{told}");
    assert!(run.stdout.contains("daemonsets.apps"), "{run}");
    let junit = run.read("junit.xml");
    assert!(junit.contains("name=\"[permissions]\""), "{junit}");
    assert_eq!((run.junit().tests, run.junit().errors), (1, 1), "{junit}");
    assert!(run.events("suite-started").is_empty(), "{run}");
    assert_eq!(labelled(&run.run_id()), Vec::<String>::new());
    assert!(run.took.as_secs() < 5, "{:?}", run.took);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_right_on_the_one_object_is_enough_and_a_kind_that_is_not_served_is_none() {
    let _cluster = healthy_cluster();
    let text = suite(
        r#"
  namespace: none
  cases:
    - name: one
      steps: [{get: {target: configmap/coredns, namespace: kube-system}}]
    - name: two
      requires:
        - exists: {target: widgets.example.com, namespace: default}
      steps: [{get: {target: widget.example.com/a, namespace: default}}]
"#,
    );
    let roles = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  \
                 name: x\nrules:\n- apiGroups: [\"\"]\n  resources: [configmaps]\n  \
                 resourceNames: [coredns]\n  verbs: [get]\n";
    let user = User::new("one", |_| roles.to_owned());
    let run = user.run(&["suite.yaml"], Some(&text));
    run.assert_code(0);
    assert_eq!(run.junit().skipped, 1, "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_namespace_that_only_the_run_knows_is_a_note() {
    let _cluster = healthy_cluster();
    let text = suite(
        r#"
  namespace: none
  cases:
    - name: one
      steps:
        - script: echo kube-system
          capture: {where: "{{ stdout | trim }}"}
        - get: {target: configmap/coredns, namespace: "{{ where }}"}
"#,
    );
    let roles = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  \
                 name: x\nrules:\n- apiGroups: [\"\"]\n  resources: [events]\n  verbs: [get]\n";
    let user = User::new("note", |_| roles.to_owned());
    let run = user.run(&["suite.yaml"], Some(&text));
    run.assert_code(1);
    run.assert_stderr("it may turn out that the user");
    run.assert_stderr("may not get configmaps in every namespace");
    assert_eq!(run.events("case-finished").len(), 1, "it was tried\n{run}");
}

#[test]
fn a_server_that_lets_nobody_ask_is_taken_as_it_is() {
    let address = free_address();
    serve(address);
    let run = Kubeproof::new(&["run", "suite.yaml", "--json", "events.json"])
        .file("here.yaml", &kubeconfig(&format!("http://{address}")))
        .file(
            "suite.yaml",
            &suite(
                "  namespace: none\n  cases:\n    - name: one\n      steps: [{get: {raw: /readyz}}]\n",
            ),
        )
        .env("KUBECONFIG", "here.yaml")
        .run();
    run.assert_code(0);
    run.assert_stderr("note: what the user may do was not asked for before the run");
    run.assert_stderr("no reviews");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn the_built_in_kinds_are_those_of_the_cluster() {
    use kubeproof::kinds;
    let _cluster = healthy_cluster();
    let list = kubectl(&["api-resources", "--no-headers"]);
    let mut seen = 0;
    for line in list.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let (plural, short, api_version, namespaced, kind) = match words[..] {
            [plural, api_version, namespaced, kind] => (plural, "", api_version, namespaced, kind),
            [plural, short, api_version, namespaced, kind] => {
                (plural, short, api_version, namespaced, kind)
            }
            _ => panic!("{line}"),
        };
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        if group.contains('.') && !group.ends_with(".k8s.io") {
            continue;
        }
        let found = kinds::of(api_version, kind).unwrap_or_else(|| panic!("no {line}"));
        assert_eq!(found.group, group, "{line}");
        assert_eq!(found.plural, plural, "{line}");
        assert_eq!(found.short_names.join(","), short, "{line}");
        assert_eq!(found.namespaced.to_string(), namespaced, "{line}");
        seen += 1;
    }
    assert!(seen > 50, "{list}");
}

#[test]
fn kinds_that_are_not_built_in_are_named_with_their_place() {
    let text = suite(
        r#"
  cases:
    - name: one
      steps: [{get: {target: certificate.cert-manager.io/a}}]
"#,
    );
    let run = Kubeproof::new(&["rbac", "suite.yaml", "--kubeconfig", "none"])
        .file("suite.yaml", &text)
        .run();
    run.assert_code(3);
    for words in [
        "the kind certificate.cert-manager.io at suite.yaml:7:",
        "is not built into Kubernetes",
        "cannot read none",
    ] {
        run.assert_stderr(words);
    }
    assert_eq!(run.stdout, "");
}

#[test]
fn the_roles_of_a_suite_that_ships() {
    let roles = printed(
        &["smoke", "--set", "image=a", "--select", "area=basics"],
        None,
    );
    assert!(roles.starts_with("# "), "{roles}");
    assert!(roles.contains("kubeproof run smoke\n"), "{roles}");
    assert!(roles.contains("  name: kubeproof-smoke\n"), "{roles}");
    assert!(!roles.contains("kind: Role\n"), "{roles}");
    assert_eq!(roles, printed(&["smoke"], None), "the same every time");
}
