//! The verbs that watch: assert, absent, wait.

use super::{
    TestNamespace, assert_errored, assert_failed, assert_passed, case, deployment, run_spec,
};
use crate::support::{Kubeproof, healthy_cluster};

#[test]
#[ignore = "needs ci/cluster up"]
fn assert_holds_objects_against_patterns_and_conditions() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  defaults: {timeouts: {assert: 2s}}
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: one, labels: {app: map}}, data: {color: blue, size: 512Mi, n: "3"}}}
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: two, labels: {app: map}}, data: {color: red, size: 2Gi, n: "30"}}}
  cases:
    - name: good
      steps:
        - assert: {target: configmap/one, match: {data: {color: blue, size: {$lt: 1Gi}}}}
        - assert: {target: configmap/one, match: {data: {color: {$in: [blue, green]}, other: {$absent: true}}}}
        - assert: {target: configmap/one, match: {data: {color: {$matches: "^b"}}}, that: "object.data.n | int == 3"}
        - assert: {target: configmap, selector: app=map, count: 2}
        - assert: {target: configmap, selector: app=map, count: {min: 1, max: 2}}
        - assert: {target: configmap, selector: app=map, each: {match: {data: {color: {$not: green}}}}}
        - assert: {target: configmap, selector: app=map, any: {that: "object.data.color == 'red'"}}
        - assert: {target: configmap, selector: app=map, none: {match: {data: {color: green}}}}
        - assert: {target: configmap, selector: app=map, where: {match: {data: {color: red}}}, count: 1, match: {data: {size: {$gte: 1Gi}}}}
        - assert: {target: configmap, selector: app=nobody, allowEmpty: true, each: {that: "object.data.color == 'red'"}}
        - assert: {target: node, each: {that: "object.status.capacity.cpu | quantity > '0' | quantity"}}
        - assert: {that: "'512Mi' | quantity < '1Gi' | quantity"}
    - name: another value
      steps:
        - assert: {target: configmap/one, match: {data: {color: purple}}}
    - name: another count
      steps:
        - assert: {target: configmap, selector: app=map, count: {min: 5}}
    - name: one of each
      steps:
        - assert: {target: configmap, selector: app=map, each: {match: {data: {color: blue}}}}
    - name: not any
      steps:
        - assert: {target: configmap, selector: app=map, any: {match: {data: {color: purple}}}}
    - name: not none
      steps:
        - assert: {target: configmap, selector: app=map, none: {match: {data: {color: red}}}}
    - name: each of nothing
      steps:
        - assert: {target: configmap, selector: app=nobody, match: {data: {color: red}}}
    - name: each of nothing beside a count
      steps:
        - assert: {target: configmap, selector: app=nobody, match: {data: {color: red}}, count: {max: 5}}
    - name: at most so many
      steps:
        - assert: {target: configmap, selector: app=nobody, count: {max: 5}}
        - assert: {target: configmap, selector: app=nobody, match: {data: {color: red}}, count: {max: 5}, allowEmpty: true}
    - name: no such object
      steps:
        - assert: {target: configmap/nobody, match: {data: {color: red}}}
    - name: a condition
      steps:
        - assert: {target: configmap/one, that: "object.data.color == 'purple'"}
    - name: values only
      steps:
        - assert: {that: "nodes | length > 1000"}
    - name: looks once
      steps:
        - assert: {target: configmap/nobody, match: {data: {color: red}}}
          timeout: 0s
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "good");
    let value = assert_failed(&run, "another value", &["purple", "blue", "2s"]);
    assert!(value.took >= 2.0, "it waited: {}", value.took);
    assert_failed(&run, "another count", &["5", "2"]);
    assert_failed(&run, "one of each", &["blue", "red", "two"]);
    assert_failed(&run, "not any", &["purple"]);
    assert_failed(&run, "not none", &["two", "red"]);
    assert_failed(&run, "each of nothing", &["configmap", "app=nobody"]);
    assert_failed(
        &run,
        "each of nothing beside a count",
        &["configmap", "app=nobody", "none"],
    );
    assert_passed(&run, "at most so many");
    assert_failed(&run, "no such object", &["configmap/nobody"]);
    assert_failed(
        &run,
        "a condition",
        &["object.data.color == 'purple'", "blue"],
    );
    assert_failed(&run, "values only", &["nodes | length > 1000", "3"]);
    let once = assert_failed(&run, "looks once", &["configmap/nobody"]);
    assert!(once.took < 2.0, "it looked once: {}", once.took);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_field_that_is_not_set_is_a_failure_and_not_an_error() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: bare}, data: {a: "1"}}}
  cases:
    - name: no annotations
      steps:
        - assert: {target: configmap/bare, that: "'x' in object.metadata.annotations"}
          timeout: 1s
    - name: no field at all
      steps:
        - assert: {target: configmap/bare, that: "object.spec.deep.down >= 3"}
          timeout: 1s
    - name: a quantity
      steps:
        - assert: {that: "'512Mi' | quantity >= '1Gi' | quantity"}
    - name: a string and a number
      steps:
        - assert: {that: "object_like.version >= 99"}
      matrix: {object_like: {values: [{version: "30+"}]}}
"#,
    );
    run.assert_code(1);
    assert_failed(&run, "no annotations", &["annotations", "not set"]);
    assert_failed(&run, "no field at all", &["spec", "not set"]);
    assert_failed(&run, "a quantity", &["512Mi", "1Gi"]);
    assert_errored(&run, "a string and a number", &["string", "number"]);
    run.assert_nothing_left();
}

#[test]
fn a_string_and_a_number_are_not_compared() {
    let run = Kubeproof::new(&["check", "suite.yaml"])
        .file(
            "suite.yaml",
            &super::suite(
                r#"
  cases:
    - name: one
      steps:
        - assert: {that: "\"30+\" >= 99"}
    - name: two
      steps:
        - assert: {that: "{{ run.namespace == 'x' }}"}
"#,
            ),
        )
        .run();
    run.assert_code(2);
    run.assert_stderr("suite.yaml:8:");
    run.assert_stderr("30+");
    run.assert_stderr("suite.yaml:11:");
    run.assert_stderr("braces");
}

#[test]
#[ignore = "needs ci/cluster up"]
fn what_must_stay_true_is_watched_while_it_must() {
    let _cluster = healthy_cluster();
    let namespace = TestNamespace::new("for");
    namespace.kubectl(&["create", "configmap", "fleeting"]);
    namespace.kubectl(&["create", "configmap", "lasting"]);
    let mut running = Kubeproof::on_cluster(&["run", "suite.yaml", "--namespace", &namespace.name])
        .file(
            "suite.yaml",
            &super::suite(
                r#"
  cases:
    - name: it stays
      steps:
        - assert: {target: configmap/lasting, match: {metadata: {name: lasting}}, for: 2s}
    - name: it goes
      steps:
        - assert: {target: configmap/fleeting, match: {metadata: {name: fleeting}}, for: 30s}
          timeout: 2s
    - name: it stays away
      steps:
        - absent: {target: configmap/never, for: 2s}
    - name: it comes
      steps:
        - absent: {target: configmap/late, for: 30s}
          timeout: 2s
"#,
            ),
        )
        .start();
    running.until_event("\"name\":\"it stays away\"");
    running.until_event("\"event\":\"case-finished\"");
    // two seconds have passed since the first of them began, and the others hold by now
    namespace.kubectl(&["delete", "configmap", "fleeting"]);
    namespace.kubectl(&["create", "configmap", "late"]);
    let run = running.finish();
    run.assert_code(1);
    let stays = assert_passed(&run, "it stays");
    assert!(stays.took >= 2.0, "{}", stays.took);
    let goes = assert_failed(&run, "it goes", &["configmap/fleeting", "30s"]);
    assert!(goes.took < 25.0, "told at once: {}\n{run}", goes.took);
    let away = assert_passed(&run, "it stays away");
    assert!(
        away.took >= 2.0,
        "not on the first absent read: {}",
        away.took
    );
    let comes = assert_failed(&run, "it comes", &["configmap/late", "30s"]);
    assert!(comes.took < 25.0, "told at once: {}\n{run}", comes.took);
}

#[test]
#[ignore = "needs ci/cluster up"]
fn one_case_sees_what_another_case_breaks() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: fleeting}}}
  cases:
    - name: it goes
      steps:
        - assert: {target: configmap/fleeting, match: {metadata: {name: fleeting}}, for: 5s}
    - name: it comes
      steps:
        - absent: {target: configmap/late, for: 5s}
    - name: the breaker
      steps:
        - sleep: 2s
        - delete: {target: configmap/fleeting}
        - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: late}}}
"#,
    );
    run.assert_code(1);
    let goes = assert_failed(&run, "it goes", &["configmap/fleeting"]);
    assert!(goes.took < 4.9, "{}", goes.took);
    let comes = assert_failed(&run, "it comes", &["configmap/late"]);
    assert!(comes.took < 4.9, "{}", comes.took);
    assert_passed(&run, "the breaker");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn absent_waits_for_the_last_one_to_go() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: here, labels: {app: here}}}}
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: going}}}
  cases:
    - name: good
      steps:
        - absent: {target: configmap/nobody}
        - absent: {target: configmap, selector: app=nobody}
        - absent: {target: configmap, selector: app=here, where: {that: "object.metadata.name == 'other'"}}
    - name: it goes
      steps:
        - absent: {target: configmap/going}
    - name: the one that deletes it
      steps:
        - sleep: 1s
        - delete: {target: configmap/going}
    - name: it is there
      steps:
        - absent: {target: configmap, selector: app=here}
          timeout: 1s
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_passed(&run, "it goes");
    assert_failed(&run, "it is there", &["configmap", "here", "1s"]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn wait_sees_every_kind_of_until() {
    let _cluster = healthy_cluster();
    let run = run_spec(&format!(
        r#"
  setup:
{web}
    - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: map}}, data: {{color: blue}}}}}}
  cases:
    - name: good
      steps:
        - wait: {{target: deployment/web, until: rolledOut}}
        - wait: {{target: deployment/web, until: exists}}
        - wait: {{target: deployment/web, until: {{condition: Available}}}}
        - wait: {{target: pod, selector: app=web, until: {{condition: Ready}}}}
        - wait: {{target: deployment/web, until: {{jsonpath: "{{.status.readyReplicas}}", equals: 2}}}}
        - wait: {{target: deployment/web, until: {{that: "object.status.readyReplicas == 2"}}}}
        - wait: {{target: configmap/map, until: {{jsonpath: "{{.data.color}}"}}}}
        - wait: {{target: configmap/nobody, until: deleted}}
        - wait: {{target: configmap/late, until: exists}}
    - name: the one that makes it
      steps:
        - sleep: 1s
        - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: late}}}}}}
        - wait: {{target: configmap/late, until: exists}}
        # until the other case has seen it
        - sleep: 3s
    - name: another value
      steps:
        - wait: {{target: configmap/map, until: {{jsonpath: "{{.data.color}}", equals: purple}}}}
          timeout: 1s
    - name: another condition
      steps:
        - wait: {{target: configmap/map, until: {{that: "object.data.color == 'purple'"}}}}
          timeout: 1s
    - name: not there
      steps:
        - wait: {{target: configmap/nobody, until: exists}}
          timeout: 1s
    - name: nothing selected
      steps:
        - wait: {{target: pod, selector: app=nobody, until: {{condition: Ready}}}}
          timeout: 1s
    - name: not deleted
      steps:
        - wait: {{target: configmap/map, until: deleted}}
          timeout: 1s
"#,
        web = deployment("web", 2, "")
    ));
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_passed(&run, "the one that makes it");
    assert_failed(
        &run,
        "another value",
        &["configmap/map", "purple", "blue", "1s"],
    );
    assert_failed(&run, "another condition", &["purple", "blue", "1s"]);
    assert_failed(&run, "not there", &["configmap/nobody", "1s"]);
    assert_failed(&run, "nothing selected", &["app=nobody", "1s"]);
    assert_failed(&run, "not deleted", &["configmap/map", "1s"]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn wait_ends_at_once_where_unless_holds() {
    let _cluster = healthy_cluster();
    let job = |name: &str, program: &str| {
        format!(
            r#"
        - apply:
            manifest:
              apiVersion: batch/v1
              kind: Job
              metadata: {{name: {name}}}
              spec:
                backoffLimit: 0
                template:
                  spec:
                    restartPolicy: Never
                    containers: [{{name: main, image: "busybox:1.28", command: ["{program}"]}}]
        - wait: {{target: job/{name}, until: {{condition: Complete}}, unless: {{condition: Failed}}}}"#
        )
    };
    let run = run_spec(&format!(
        r#"
  cases:
    - name: complete
      steps: {}
    - name: failed
      steps: {}
"#,
        job("fine", "true"),
        job("broken", "false")
    ));
    run.assert_code(1);
    assert_passed(&run, "complete");
    let failed = assert_failed(&run, "failed", &["job/broken", "Failed"]);
    assert!(
        failed.took < 60.0,
        "not at the time-out: {}\n{run}",
        failed.took
    );
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn unless_ends_a_rollout_and_a_deletion_too() {
    let _cluster = healthy_cluster();
    let never =
        r#"                    readinessProbe: {exec: {command: ["false"]}, periodSeconds: 1}"#;
    let run = run_spec(&format!(
        r#"
  setup:
{never}
    - apply: {{manifest: {{apiVersion: v1, kind: ConfigMap, metadata: {{name: held, finalizers: [kubeproof.test/hold]}}}}}}
    - script: "kubectl -n {{{{ run.namespace }}}} delete configmap held --wait=false"
  cases:
    - name: a rollout
      steps:
        - wait: {{target: deployment/never, until: rolledOut, unless: {{that: "object.status.unavailableReplicas == 2 and objects | length == 1"}}}}
    - name: rollouts
      steps:
        - wait: {{target: deployment, selector: kubeproof.dev/run, until: rolledOut, unless: {{condition: Available, status: "False"}}}}
    - name: a deletion
      steps:
        - wait: {{target: configmap/held, until: deleted, unless: {{that: "'kubeproof.test/hold' in object.metadata.finalizers"}}}}
    - name: another rollout
      steps:
{ready}
        - wait: {{target: deployment/ready, until: rolledOut, unless: {{condition: ReplicaFailure}}}}
        - wait: {{target: deployment/ready, until: rolledOut, unless: {{that: "object.metadata.name == 'ready'"}}}}
  teardown:
    - patch: {{target: configmap/held, patch: {{metadata: {{finalizers: null}}}}}}
"#,
        never = deployment("never", 2, never),
        ready = indented(&deployment("ready", 1, "")),
    ));
    run.assert_code(1);
    let ends = "which ends the wait";
    let conditions = [
        (
            "a rollout",
            "deployment/never: `object.status.unavailableReplicas",
        ),
        (
            "rollouts",
            "deployment/never: the condition Available=False",
        ),
        ("a deletion", "configmap/held: `'kubeproof.test/hold' in"),
        (
            "another rollout",
            "deployment/ready: `object.metadata.name == 'ready'`",
        ),
    ];
    for (name, words) in conditions {
        let ended = assert_failed(&run, name, &[words, ends]);
        assert!(ended.took < 60.0, "{name}: {}\n{run}", ended.took);
    }
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_new_deployment_is_pending_until_it_says_how_many_are_ready() {
    let _cluster = healthy_cluster();
    let never =
        r#"                    readinessProbe: {exec: {command: ["false"]}, periodSeconds: 1}"#;
    let run = run_spec(&format!(
        r#"
  setup:
{never}
  cases:
    - name: never ready
      steps:
        - wait: {{target: deployment/never, until: {{that: "object.status.readyReplicas == 3"}}}}
          timeout: 3s
    - name: ready later
      steps:
{ready}
        - wait: {{target: deployment/ready, until: {{that: "object.status.readyReplicas == 3"}}}}
"#,
        never = deployment("never", 3, never),
        ready = indented(&deployment("ready", 3, "")),
    ));
    run.assert_code(1);
    assert_failed(&run, "never ready", &["readyReplicas", "not set", "3s"]);
    assert_passed(&run, "ready later");
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn a_wait_that_is_not_met_ends_with_the_clusters_words() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  cases:
    - name: no node takes it
      steps:
        - apply:
            manifest:
              apiVersion: v1
              kind: Pod
              metadata: {name: homeless}
              spec:
                nodeSelector: {kubeproof.test/no-such: node}
                containers: [{name: main, image: "busybox:1.28", command: [sleep, "1"]}]
        - wait: {target: pod/homeless, until: {condition: Ready}}
          timeout: 5s
"#,
    );
    run.assert_code(1);
    assert_failed(
        &run,
        "no node takes it",
        &["pod/homeless", "nodes are available", "within 5s"],
    );
    assert!(
        case(&run, "no node takes it").took >= 5.0,
        "a node may come\n{run}"
    );
    run.assert_nothing_left();
}

/// A step of `setup` as one of a case.
fn indented(step: &str) -> String {
    step.lines()
        .map(|line| format!("    {line}\n"))
        .collect::<String>()
}

/// A field that is not there yet is not there: whatever is asked of it, the wait goes on.
#[test]
#[ignore = "needs ci/cluster up"]
fn a_field_that_comes_later_is_waited_for() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  setup:
    - apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: late}, data: {a: b}}}
  cases:
    - name: by a method
      steps:
        - wait: {target: configmap/late, until: {that: object.data.url.startswith('http')}}
          timeout: 20s
    - name: by a test
      steps:
        - assert: {target: configmap/late, that: object.data.url is containing 'http'}
          timeout: 20s
    - name: by filters
      steps:
        - wait: {target: configmap/late, until: {that: "object.data.list | fromjson | sort | first == 1"}}
          timeout: 20s
    - name: that never comes
      steps:
        - wait: {target: configmap/late, until: {that: object.data.never.startswith('http')}}
          timeout: 1s
    - name: it comes
      steps:
        - sleep: 2s
        - patch: {target: configmap/late, patch: {data: {url: "http://x", list: "[2, 1]"}}}
"#,
    );
    for name in ["by a method", "by a test", "by filters", "it comes"] {
        assert_passed(&run, name);
    }
    assert_failed(&run, "that never comes", &["data.never is not set"]);
}
