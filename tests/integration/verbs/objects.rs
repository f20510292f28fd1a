//! The verbs that write and read objects: apply, create, patch, delete, get.

use super::{
    TestNamespace, assert_errored, assert_failed, assert_passed, case, run_spec, run_spec_with,
    suite,
};
use crate::support::{Kubeproof, healthy_cluster, kubectl};

#[test]
#[ignore = "needs ci/cluster up"]
fn apply_makes_and_changes_objects_and_tells_a_refusal() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  cases:
    - name: good
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {color: blue}}}
          capture: {uid: "{{ object.metadata.uid }}"}
        - assert: {target: configmap/a, match: {data: {color: blue}}}
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {color: red}}}
        - assert: {target: configmap/a, match: {data: {color: red}, metadata: {uid: "{{ uid }}"}}}
    - name: a refusal that was expected
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: "Not_A_Name"}}}
          expect: {rejected: {code: 422, contains: "Not_A_Name"}}
    - name: a refusal that was not expected
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: "Not_A_Name_2"}}}
    - name: accepted against what was expected
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}}
          expect: {rejected: {code: 403}}
    - name: refused for another reason
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: "Not_A_Name_3"}}}
          expect: {rejected: {code: 403, contains: violates PodSecurity}}
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_passed(&run, "a refusal that was expected");
    assert_failed(&run, "a refusal that was not expected", &["Not_A_Name"]);
    assert_failed(
        &run,
        "accepted against what was expected",
        &["403", "accepted"],
    );
    assert_failed(&run, "refused for another reason", &["403", "422"]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn apply_reads_files_and_folders() {
    let _cluster = healthy_cluster();
    let map = |name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{braces: '{{{{ x }}}}'}}\n"
        )
    };
    let run = crate::support::Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("maps/one.yaml", &map("one"))
        .file("maps/two.yaml", &format!("{}---\n{}", map("two"), map("three")))
        .file("four.yaml", &map("four"))
        .file(
            "templates/five.yaml.j2",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: five}\ndata: {color: {{ inputs.color | tojson }}}\n",
        )
        .file(
            "suite.yaml",
            &super::suite(
                r#"
  inputs: {color: {type: string, default: "red: {"}}
  cases:
    - name: good
      steps:
        - apply: {file: [maps, four.yaml]}
        - assert: {target: configmap, where: {match: {data: {braces: "{{ '{{ x }}' }}"}}}, count: 4}
        - apply: {template: five.yaml.j2}
        - assert: {target: configmap/five, match: {data: {color: "red: {"}}}
"#,
            ),
        )
        .run();
    run.assert_code(0);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_field_of_the_wrong_type_is_refused_at_once() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  cases:
    - name: two
      steps:
        - apply:
            manifest:
              apiVersion: apps/v1
              kind: Deployment
              metadata: {name: two}
              spec:
                replicas: "two"
                selector: {matchLabels: {app: two}}
                template:
                  metadata: {labels: {app: two}}
                  spec: {containers: [{name: main, image: "busybox:1.28"}]}
    - name: "refused, as expected"
      steps:
        - apply:
            manifest: {apiVersion: v1, kind: Service, metadata: {name: two}, spec: {ports: [{port: "two"}]}}
          expect: {rejected: {contains: "failed to create typed patch object"}}
"#,
    );
    run.assert_code(1);
    let two = assert_failed(&run, "two", &["replicas"]);
    assert!(two.took < 3.0, "it was retried: {} s\n{run}", two.took);
    assert_passed(&run, "refused, as expected");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn apply_restores_what_was_there_and_never_deletes_it() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("apply-restores");
    namespace.kubectl(&[
        "create",
        "configmap",
        "settings",
        "--from-literal=color=blue",
    ]);
    namespace.kubectl(&["label", "configmap", "settings", "team=a"]);
    namespace.kubectl(&["annotate", "configmap", "settings", "note=mine"]);
    let look = || {
        namespace.kubectl(&[
            "get",
            "configmap",
            "settings",
            "-o",
            "jsonpath={.metadata.uid} {.data} {.metadata.labels} {.metadata.annotations}",
        ])
    };
    let before = look();
    let run = run_spec_with(
        &["--namespace", &namespace.name],
        r#"
  cases:
    - name: first
      steps:
        - apply:
            force: true
            manifest:
              apiVersion: v1
              kind: ConfigMap
              metadata: {name: settings, labels: {team: b, extra: label}, annotations: {note: theirs, more: text}}
              data: {color: red, size: big}
        - assert: {target: configmap/settings, match: {data: {color: red, size: big}, metadata: {labels: {kubeproof.dev/run: {$absent: true}}}}}
    - name: second
      needs: [first]
      steps:
        - apply:
            force: true
            manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {color: green}}
        - assert: {target: configmap/settings, match: {data: {color: green}}}
"#,
    );
    let after = look();
    run.assert_code(0);
    assert_eq!(before, after, "{run}");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn apply_tells_a_conflict_and_takes_over_only_by_force() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("apply-conflict");
    namespace.kubectl(&[
        "create",
        "configmap",
        "settings",
        "--from-literal=color=blue",
    ]);
    let run = run_spec_with(
        &["--namespace", &namespace.name],
        r#"
  cases:
    - name: not forced
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {color: red}}}
"#,
    );
    run.assert_code(1);
    assert_failed(&run, "not forced", &["conflict", "color"]);
    assert_eq!(
        namespace
            .kubectl(&["get", "configmap", "settings", "-o", "jsonpath={.data}"])
            .trim(),
        r#"{"color":"blue"}"#
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn create_names_by_the_server_and_tells_what_exists() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  cases:
    - name: good
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: a-}, data: {k: v}}}
          capture: {made: "{{ object.metadata.name }}"}
        - assert: {that: "made is startingwith('a-') and made | length > 2"}
        - assert: {target: "configmap/{{ made }}", match: {data: {k: v}}}
    - name: it exists
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: twice}}}
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: twice}}}
    - name: "it exists, as expected"
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: again}}}
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: again}}}
          expect: {rejected: {code: 409, reason: AlreadyExists}}
    - name: accepted against what was expected
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: fresh}}}
          expect: {rejected: {reason: AlreadyExists}}
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_failed(&run, "it exists", &["twice", "already exists"]);
    assert_passed(&run, "it exists, as expected");
    assert_failed(
        &run,
        "accepted against what was expected",
        &["AlreadyExists", "accepted"],
    );
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn patch_changes_something_or_fails() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  setup:
    - apply:
        manifest:
          apiVersion: apps/v1
          kind: Deployment
          metadata: {name: idle}
          spec:
            replicas: 0
            selector: {matchLabels: {app: idle}}
            template:
              metadata: {labels: {app: idle}}
              spec: {containers: [{name: main, image: "busybox:1.28"}]}
    - wait: {target: deployment/idle, until: {that: "object.status.observedGeneration == object.metadata.generation"}}
    - wait: {target: deployment/idle, until: {condition: Available}}
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: map}, data: {color: blue, size: big}}}
  cases:
    - name: good
      serial: true
      steps:
        - patch: {target: configmap/map, patch: {data: {color: red, size: null}}}
          capture: {data: "{{ object.data }}"}
        - assert: {that: "data.color == 'red' and data | length == 1"}
        - patch: {target: configmap/map, type: json, patch: [{op: replace, path: /data/color, value: green}]}
        - assert: {target: configmap/map, match: {data: {color: green}}}
        - patch: {target: configmap/map, patch: {data: {color: green}}, allowNoChange: true}
        - patch: {target: deployment/idle, type: strategic, patch: {spec: {template: {spec: {containers: [{name: side, image: "busybox:1.28"}]}}}}}
        - assert: {target: deployment/idle, match: {spec: {template: {spec: {containers: {$any: {name: side}}}}}}}
        - assert: {target: deployment/idle, match: {spec: {template: {spec: {containers: {$any: {name: main}}}}}}}
        - patch: {target: deployment/idle, subresource: scale, patch: {spec: {replicas: 0}}, allowNoChange: true}
    - name: nothing changed
      serial: true
      steps:
        - patch: {target: configmap/map, patch: {data: {color: green}}, allowNoChange: true}
        - patch: {target: configmap/map, patch: {data: {color: green}}}
    - name: the status by the main resource
      serial: true
      steps:
        - wait: {target: deployment/idle, until: {that: "object.status.observedGeneration == object.metadata.generation"}}
        - patch: {target: deployment/idle, patch: {status: {readyReplicas: 7}}}
    - name: the status by its subresource
      serial: true
      steps:
        - patch: {target: deployment/idle, subresource: status, patch: {status: {collisionCount: 7}}}
    - name: no such object
      steps:
        - patch: {target: configmap/nobody, patch: {data: {color: green}}}
    - name: accepted against what was expected
      serial: true
      steps:
        - patch: {target: configmap/map, patch: {data: {extra: "1"}}}
          expect: {rejected: {code: 422}}
    - name: refused as expected
      steps:
        - patch: {target: deployment/idle, patch: {spec: {replicas: -1}}}
          expect: {rejected: {code: 422, contains: replicas}}
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_failed(&run, "nothing changed", &["configmap/map", "chang"]);
    assert_failed(
        &run,
        "the status by the main resource",
        &["deployment/idle", "chang"],
    );
    assert_passed(&run, "the status by its subresource");
    let nobody = case(&run, "no such object");
    assert_ne!(nobody.outcome, "passed", "{run}");
    assert!(nobody.text.contains("does not exist"), "{}", nobody.text);
    assert_failed(
        &run,
        "accepted against what was expected",
        &["422", "accepted"],
    );
    assert_passed(&run, "refused as expected");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn delete_waits_until_gone_and_leaves_what_is_not_the_runs() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("delete");
    namespace.kubectl(&["create", "configmap", "mine", "--from-literal=color=blue"]);
    namespace.kubectl(&["create", "configmap", "given", "--from-literal=color=blue"]);
    let run = run_spec_with(
        &["--namespace", &namespace.name],
        r#"
  cases:
    - name: good
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {app: gone}}}}
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: b, labels: {app: gone}}}}
        - delete: {target: configmap, selector: app=gone}
        - absent: {target: configmap, selector: app=gone}
          timeout: 0s
        - delete: {target: configmap/never-was}
    - name: not the run's own
      steps:
        - delete: {target: configmap/mine}
    - name: foreign
      steps:
        - delete: {target: configmap/given, foreign: true}
    - name: accepted against what was expected
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}}
        - delete: {target: configmap/c}
          expect: {rejected: {code: 403}}
    - name: never gone
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: stuck, finalizers: [kubeproof.test/hold]}}}
        - delete: {target: configmap/stuck}
          timeout: 2s
      finally:
        - patch: {target: configmap/stuck, patch: {metadata: {finalizers: null}}}
"#,
    );
    let left = namespace.kubectl(&["get", "configmap", "-o", "name"]);
    run.assert_code(1);
    assert_passed(&run, "good");
    let foreign = case(&run, "not the run's own");
    assert_ne!(foreign.outcome, "passed", "{run}");
    assert!(foreign.text.contains("foreign"), "{}", foreign.text);
    assert_passed(&run, "foreign");
    assert_failed(
        &run,
        "accepted against what was expected",
        &["403", "accepted"],
    );
    assert_failed(
        &run,
        "never gone",
        &["configmap/stuck", "kubeproof.test/hold", "2s"],
    );
    assert!(left.contains("configmap/mine"), "{left}\n{run}");
    assert!(!left.contains("configmap/given"), "{left}\n{run}");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn get_captures_objects_and_raw_answers() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: map, labels: {app: get}}, data: {color: blue}}}
  cases:
    - name: good
      steps:
        - get: {target: configmap/map}
          capture: {color: "{{ object.data.color }}"}
        - get: {target: configmap, selector: app=get}
          capture: {names: "{{ objects | map(attribute='metadata.name') | list }}"}
        - assert: {that: "color == 'blue' and names == ['map']"}
        - get: {target: node}
          capture: {count: "{{ objects | length }}"}
        - assert: {that: "count == nodes | length"}
        - get: {raw: "/readyz?verbose"}
          capture: {answer: "{{ body }}", code: "{{ status }}"}
        - assert: {that: "code == 200 and 'etcd' in answer"}
        - get: {raw: /no-such-path}
          expect: {status: 404}
    - name: no such object
      steps:
        - get: {target: configmap/nobody}
    - name: no such kind
      steps:
        - get: {target: gadget/nobody}
    - name: no such path
      steps:
        - get: {raw: /no-such-path}
    - name: another answer
      steps:
        - get: {raw: /readyz}
          expect: {body: {equals: broken}}
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_failed(
        &run,
        "no such object",
        &["configmap", "nobody", "does not exist"],
    );
    let kind = case(&run, "no such kind");
    assert_ne!(kind.outcome, "passed", "{run}");
    assert!(kind.text.contains("gadget"), "{}", kind.text);
    assert_failed(&run, "no such path", &["404"]);
    assert_failed(&run, "another answer", &["broken", "ok"]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn objects_outside_of_namespaces_are_made_and_cleaned_up() {
    let _cluster = healthy_cluster();
    let name = format!("kubeproof-test-role-{}", std::process::id());
    let run = run_spec_with(
        &["--set", &format!("name={name}")],
        r#"
  namespace: none
  inputs: {name: {type: string}}
  cases:
    - name: good
      steps:
        - apply:
            manifest:
              apiVersion: rbac.authorization.k8s.io/v1
              kind: ClusterRole
              metadata: {name: "{{ inputs.name }}"}
              rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
        - assert: {target: "clusterrole/{{ inputs.name }}", match: {rules: [{verbs: [get]}]}}
"#,
    );
    run.assert_code(0);
    let left = kubectl(&["get", "clusterrole", &name, "--ignore-not-found"]);
    assert!(left.trim().is_empty(), "{left}\n{run}");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_second_create_that_is_refused_leaves_nothing_of_the_first() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("objects-twice");
    let run = run_spec_with(
        &["--namespace", &namespace.name],
        r#"
  cases:
    - name: one
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: again}}}
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: again}}}
          expect: {rejected: {code: 409, reason: AlreadyExists}}
"#,
    );
    run.assert_code(0);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_is_kept_is_told_and_what_was_changed_is_put_back() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("objects-keep");
    let literal = "--from-literal=color=blue";
    namespace.kubectl(&["create", "configmap", "theirs", literal]);
    let run = run_spec_with(
        &["--namespace", &namespace.name, "--keep", "always"],
        r#"
  cases:
    - name: one
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: made}}}
        - patch: {target: configmap/theirs, patch: {data: {color: red}}}
    - name: two
      needs: [one]
      steps:
        - patch: {target: configmap/theirs, patch: {data: {color: green}}}
"#,
    );
    run.assert_code(0);
    let color = ["get", "configmap", "theirs", "-o", "jsonpath={.data.color}"];
    assert_eq!(namespace.kubectl(&color), "blue", "{run}");
    let kept = run.events("leftover");
    assert_eq!(kept.len(), 1, "{run}");
    let object = kept[0]["object"].as_str().unwrap();
    assert!(object.starts_with("configmap/made"), "{object}");
    namespace.kubectl(&["get", "configmap", "made"]);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn another_attempt_finds_the_names_free_whatever_is_kept() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("objects-attempts");
    let arguments = ["--keep", "on-failure", "--retries", "1"];
    let run = run_spec_with(
        &[&["--namespace", &namespace.name], &arguments[..]].concat(),
        r#"
  cases:
    - name: one
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: fixed}}}
        - assert: {that: "1 == 2"}
"#,
    );
    run.assert_code(1);
    assert_failed(&run, "one", &["1 == 2"]);
    assert_eq!(
        run.events("leftover").len(),
        1,
        "of the last attempt\n{run}"
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_time_out_of_zero_looks_once_also_where_the_last_write_is_gone() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("objects-zero");
    let run = run_spec_with(
        &["--namespace", &namespace.name],
        r#"
  cases:
    - name: one
      timeout: 20s
      steps:
        - create: {manifest: {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: gone}, spec: {minAvailable: 1, selector: {matchLabels: {a: b}}}}}
        - delete: {target: pdb/gone}
        - absent: {target: pdb/gone}
          timeout: 0s
        - absent: {target: pdb/gone}
"#,
    );
    run.assert_code(0);
    assert!(case(&run, "one").took < 10.0, "{run}");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_nobody_was_asked_for_was_not_refused() {
    let _cluster = healthy_cluster();
    let run = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file(
            "none.yaml.j2",
            "{% if run.id == '' %}kind: Pod{% endif %}\n",
        )
        .file(
            "suite.yaml",
            &suite(
                r#"
  cases:
    - name: delete
      steps:
        - delete: {target: configmap/protectd, foreign: true}
          expect: {rejected: {code: 403}}
    - name: delete with a warning
      steps:
        - delete: {target: configmap, selector: app=protectd}
          expect: {warnings: {absent: deprecated}}
    - name: apply
      steps:
        - apply: {template: none.yaml.j2}
          expect: {rejected: true}
    - name: create
      steps:
        - create: {template: none.yaml.j2}
          expect: {warnings: {absent: deprecated}}
    - name: nothing is expected
      steps:
        - apply: {template: none.yaml.j2}
        - delete: {target: configmap/protectd, foreign: true}
"#,
            ),
        )
        .run();
    run.assert_code(3);
    let refused = "there was nothing to be refused";
    let warned = "there was nothing to be warned of";
    assert_errored(&run, "delete", &["configmap/protectd", refused]);
    assert_errored(&run, "delete with a warning", &["app=protectd", warned]);
    assert_errored(
        &run,
        "apply",
        &["none.yaml.j2 renders to no object", refused],
    );
    assert_errored(
        &run,
        "create",
        &["none.yaml.j2 renders to no object", warned],
    );
    assert_passed(&run, "nothing is expected");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn who_has_no_right_to_look_finds_out_nothing() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ServiceAccount, metadata: {name: nobody}}}
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: map}}}
    - apply:
        manifest:
          apiVersion: v1
          kind: Pod
          metadata: {name: talks, labels: {app: talks}}
          spec: {terminationGracePeriodSeconds: 1, containers: [{name: main, image: "busybox:1.28", command: [sh, -c, "echo timed out; sleep 600"]}]}
    - wait: {target: pod/talks, until: {condition: Ready}}
    - apply:
        manifest:
          apiVersion: rbac.authorization.k8s.io/v1
          kind: Role
          metadata: {name: pods}
          rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
    - apply:
        manifest:
          apiVersion: rbac.authorization.k8s.io/v1
          kind: RoleBinding
          metadata: {name: pods}
          roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: pods}
          subjects: [{kind: ServiceAccount, name: lister}]
  cases:
    - name: logs
      steps:
        - logs: {target: pod/talks}
          as: {serviceAccount: lister}
          retry: {attempts: 3}
          expect: {stdout: {absent: timed out}}
    - name: logs of unseen pods
      steps:
        - logs: {selector: app=talks}
          as: {serviceAccount: nobody}
    - name: exec
      steps:
        - exec: {target: pod, selector: app=talks, command: ["false"]}
          as: {serviceAccount: nobody}
    - name: events
      steps:
        - events: {target: pod/talks}
          as: {serviceAccount: nobody}
          expect: {count: 0}
    - name: apply
      steps:
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: map}, data: {a: b}}}
          as: {serviceAccount: nobody}
    - name: delete
      steps:
        - delete: {target: configmap/map}
          as: {serviceAccount: nobody}
          expect: {rejected: {code: 403}}
    - name: get
      steps:
        - get: {target: configmap/map}
          as: {serviceAccount: nobody}
    - name: create
      steps:
        - create: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: other}}}
          as: {serviceAccount: nobody}
"#,
    );
    run.assert_code(1);
    assert_errored(&run, "logs", &["pods/log", "forbidden", ":lister"]);
    for name in ["logs of unseen pods", "exec", "events", "apply", "delete"] {
        assert_errored(&run, name, &["is forbidden", ":nobody"]);
    }
    for name in ["get", "create"] {
        assert_failed(&run, name, &["is forbidden", ":nobody"]);
    }
    run.assert_nothing_left();
}
