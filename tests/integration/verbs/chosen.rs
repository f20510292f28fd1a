//! What `where` and `selector` leave out is left alone, however an object is named.

use super::{assert_errored, assert_failed, assert_passed, run_spec};
use crate::support::healthy_cluster;

const POD: &str = r#"    - apply:
        manifest:
          apiVersion: v1
          kind: Pod
          metadata: {name: one, labels: {app: one}}
          spec:
            terminationGracePeriodSeconds: 1
            containers:
              - name: main
                image: busybox:1.28
                command: [sh, -c, "trap 'exit 0' TERM; tail -f /dev/null & wait"]
                readinessProbe: {exec: {command: [test, -e, /tmp/ready]}, periodSeconds: 1}
    - wait: {target: pod/one, until: {that: "object.status.phase == 'Running'"}}"#;

#[test]
#[ignore = "needs ci/cluster up"]
fn what_is_left_out_is_left_alone_though_it_is_named() {
    let _cluster = healthy_cluster();
    let run = run_spec(&format!(
        r#"
  setup:
{POD}
    - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: held, finalizers: [example.com/hold]}}}}}}
  teardown:
    - exec: {{target: pod/one, command: [test, "!", -e, /tmp/ran]}}
  cases:
    - name: where
      steps: [{{exec: {{target: pod/one, where: {{match: {{metadata: {{labels: {{app: two}}}}}}}}, command: [touch, /tmp/ran]}}}}]
    - name: a selector beside a name that is rendered
      steps:
        - foreach:
            target: [pod/one]
            steps: [{{exec: {{target: "{{{{ target }}}}", selector: app=two, command: [touch, /tmp/ran]}}}}]
    - name: allNamespaces beside a name that is rendered
      steps:
        - foreach:
            target: [pod/one]
            steps: [{{exec: {{target: "{{{{ target }}}}", allNamespaces: true, command: [touch, /tmp/ran]}}}}]
    - name: events
      steps:
        - events: {{target: pod/one, where: {{that: "object.metadata.name == 'two'"}}}}
          expect: {{count: 0}}
    - name: a rollout
      steps:
        - wait: {{target: deployment/one, where: {{that: "true"}}, until: rolledOut}}
          timeout: 1s
    - name: it ran where it is chosen
      steps:
        - exec: {{target: pod/one, where: {{match: {{metadata: {{labels: {{app: one}}}}}}}}, command: [hostname]}}
        - foreach:
            target: [pod/one]
            steps: [{{exec: {{target: "{{{{ target }}}}", selector: app=one, command: [hostname]}}}}]
        - events: {{target: pod/one, where: {{that: "object.metadata.name == 'one'"}}, reason: Scheduled}}
          expect: {{count: 1}}
    - name: every spelling of a pod is taken as it is
      steps:
        - exec: {{target: Pod/one, command: [hostname]}}
        - exec: {{target: po/one, command: [hostname]}}
        - exec: {{target: pods.v1/one, command: [hostname]}}
        - exec: {{target: Pod/one, where: {{that: "true"}}, command: [hostname]}}
    - name: what goes is still there, whatever its where says of it now
      steps:
        - delete: {{target: configmap/held, where: {{that: object.metadata.deletionTimestamp is none}}}}
          timeout: 1s
      finally:
        - patch: {{target: configmap/held, patch: {{metadata: {{finalizers: null}}}}}}
"#
    ));
    run.assert_code(1);
    assert_errored(&run, "where", &["pod/one", "its `where` leaves it out"]);
    let name = "a selector beside a name that is rendered";
    assert_errored(&run, name, &["pod/one", "its `selector` leaves it out"]);
    let name = "allNamespaces beside a name that is rendered";
    assert_errored(&run, name, &["pod/one is one object"]);
    assert_errored(&run, "events", &["pod/one", "its `where` leaves it out"]);
    assert_failed(&run, "a rollout", &["deployment", "does not exist"]);
    assert_passed(&run, "it ran where it is chosen");
    assert_passed(&run, "every spelling of a pod is taken as it is");
    let name = "what goes is still there, whatever its where says of it now";
    let held = assert_failed(&run, name, &["still there", "example.com/hold"]);
    assert!(
        !held.text.contains("finally"),
        "its last finalizer goes: {}",
        held.text
    );
    assert!(
        !run.read("junit.xml").contains("[teardown]"),
        "it ran\n{run}"
    );
    run.assert_nothing_left();
}
