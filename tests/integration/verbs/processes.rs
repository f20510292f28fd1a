//! The verbs that run something: exec, run, command, script.

use super::{assert_failed, assert_passed, case, deployment, run_spec};
use crate::support::{Kubeproof, healthy_cluster};

#[test]
#[ignore = "needs ci/cluster up"]
fn exec_runs_in_pods_of_every_kind_of_target() {
    let _cluster = healthy_cluster();
    let run = run_spec(&format!(
        r#"
  setup:
{web}
    - wait: {{target: deployment/web, until: rolledOut}}
  cases:
    - name: good
      steps:
        - exec: {{target: deployment/web, command: [sh, -c, "echo out; echo err >&2; exit 3"]}}
          expect: {{exit: 3, stdout: {{equals: out}}, stderr: {{contains: err}}}}
        - exec: {{target: pod, selector: app=web, command: [cat], stdin: "{{{{ 'from ' ~ 'stdin' }}}}"}}
          expect: {{stdout: {{matches: "^from stdin$"}}}}
        - exec: {{target: deployment/web, container: side, command: [cat, /etc/hostname]}}
          expect: {{stdout: {{matches: "^web-", lines: 1}}, stderr: {{empty: true}}}}
        - exec: {{target: pod, selector: app=web, each: true, command: [hostname]}}
          expect: {{stdout: {{contains: "web-"}}}}
        - exec: {{target: deployment/web, command: [echo, '{{"ready": true, "workers": 3}}']}}
          expect: {{stdout: {{json: {{ready: true, workers: {{$gte: 2}}}}}}, took: {{max: 20s}}}}
          capture: {{workers: "{{{{ (stdout | fromjson).workers }}}}", code: "{{{{ exit }}}}"}}
        - assert: {{that: "workers == 3 and code == 0"}}
        - exec: {{target: deployment/web, command: [sh, -c, "exit 2"]}}
          expect: {{exit: [0, 2]}}
        - exec: {{target: deployment/web, command: [sh, -c, "exit 2"]}}
          expect: {{exit: {{not: 0}}}}
        - exec: {{target: deployment/web, command: [sh, -c, "exit 2"]}}
          expect: {{exit: any}}
    - name: another exit code
      steps:
        - exec: {{target: deployment/web, command: [sh, -c, "exit 3"]}}
          expect: {{exit: 4}}
    - name: another output
      steps:
        - exec: {{target: deployment/web, command: [echo, there]}}
          expect: {{stdout: {{equals: hello}}}}
    - name: another JSON
      steps:
        - exec: {{target: deployment/web, command: [echo, '{{"workers": 1}}']}}
          expect: {{stdout: {{json: {{workers: {{$gte: 2}}}}}}}}
    - name: not in each
      steps:
        - exec: {{target: pod, selector: app=web, each: true, command: [sh, -c, "mkdir /tmp/once-$(hostname); hostname; exit 5"]}}
    - name: no such container
      steps:
        - exec: {{target: deployment/web, container: nobody, command: ["true"]}}
    - name: no such pod
      steps:
        - exec: {{target: pod, selector: app=nobody, command: ["true"]}}
    - name: too slow
      steps:
        - exec: {{target: deployment/web, command: [sleep, "600"]}}
          timeout: 8s
"#,
        web = deployment(
            "web",
            2,
            r#"                  - name: side
                    image: busybox:1.28
                    command: [sh, -c, "trap 'exit 0' TERM; tail -f /dev/null & wait"]"#
        )
    ));
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_failed(&run, "another exit code", &["4", "3"]);
    assert_failed(&run, "another output", &["hello", "there"]);
    assert_failed(&run, "another JSON", &["workers", "2", "1"]);
    assert_failed(&run, "not in each", &["5", "web-"]);
    for name in ["no such container", "no such pod"] {
        let case = case(&run, name);
        assert_ne!(case.outcome, "passed", "{run}");
        assert!(case.text.contains("nobody"), "{}", case.text);
    }
    // the test gives up long before the command would end
    assert_failed(&run, "too slow", &["8s"]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn run_makes_a_pod_of_its_own_and_takes_it_away() {
    let _cluster = healthy_cluster();
    let run = run_spec(
        r#"
  cases:
    - name: good
      steps:
        - run: {image: "busybox:1.28", command: [sh, -c, "echo got $A; exit 3"], env: {A: "{{ 'b' ~ 'c' }}"}}
          expect: {exit: 3, stdout: {contains: got bc}}
          capture: {said: "{{ stdout }}"}
        - assert: {that: "'got bc' in said"}
        - absent: {target: pod, where: {that: "object.status.phase == 'Succeeded' or object.status.phase == 'Failed'"}}
    - name: names are resolved
      steps:
        - run: {image: "busybox:1.28", command: [nslookup, kubernetes.default]}
    - name: another exit code
      steps:
        - run: {image: "busybox:1.28", command: [sh, -c, "echo words; exit 3"]}
    - name: another output
      steps:
        - run: {image: "busybox:1.28", command: [echo, there]}
          expect: {stdout: {contains: hello}}
    - name: no such image
      steps:
        - run: {image: "busybox:does-not-exist", command: ["true"]}
          timeout: 60s
    - name: no such program
      steps:
        - run: {image: "busybox:1.28", command: [no-such-program]}
    - name: too slow
      steps:
        - run: {image: "busybox:1.28", command: [sh, -c, "trap 'exit 0' TERM; sleep 600 & wait"]}
          timeout: 8s
"#,
    );
    run.assert_code(1);
    assert_passed(&run, "good");
    assert_passed(&run, "names are resolved");
    assert_failed(&run, "another exit code", &["3", "0", "words"]);
    assert_failed(&run, "another output", &["hello", "there"]);
    let image = case(&run, "no such image");
    assert_ne!(image.outcome, "passed");
    assert!(
        image.text.contains("does-not-exist") && image.took < 50.0,
        "told at once, in the kubelet's words: {} {}",
        image.took,
        image.text
    );
    let program = case(&run, "no such program");
    assert_ne!(program.outcome, "passed");
    assert!(program.text.contains("no-such-program"), "{}", program.text);
    assert_failed(&run, "too slow", &["8s"]);
    run.assert_nothing_left();
}

#[test]
#[ignore = "needs ci/cluster up"]
fn commands_and_scripts_run_on_this_machine_with_the_runs_cluster() {
    let _cluster = healthy_cluster();
    let run = Kubeproof::on_cluster(&["run", "suite.yaml"])
        .file("beside.txt", "beside the suite\n")
        .file("deeper/inside.txt", "inside\n")
        .file(
            "suite.yaml",
            &super::suite(
                r#"
  namespace: none
  cases:
    - name: command
      steps:
        - command: [cat, beside.txt]
          expect: {stdout: {equals: beside the suite}}
        - command: {args: [cat, inside.txt], cwd: deeper}
          expect: {stdout: {equals: inside}}
        - command: {args: [sh, -c, "echo $A; cat"], env: {A: "{{ nodes | length }}"}, stdin: given}
          expect: {stdout: {contains: ["3", given]}}
        - command: [sh, -c, 'grep -q server: "$KUBECONFIG" && echo found']
          expect: {stdout: {equals: found}}
    - name: script
      steps:
        - script: "echo plain"
          expect: {stdout: {equals: plain}}
        - script: {text: "echo $0 | sed s,.*/,,; [[ a == a ]]; echo $A", shell: bash, env: {A: b}}
          expect: {stdout: {contains: [bash, b]}}
        - script: "echo '{\"ids\": [1, 2]}'"
          capture: {ids: "{{ (stdout | fromjson).ids }}"}
        - assert: {that: "ids == [1, 2]"}
        - script: "echo oops >&2; exit 7"
          expect: {exit: 7, stderr: {contains: oops}, took: {max: 10s}}
    - name: another output
      steps:
        - command: [echo, there]
          expect: {stdout: {contains: hello}}
    - name: another exit code
      steps:
        - command: [sh, -c, "echo words >&2; exit 3"]
    - name: the first failing line ends a script
      steps:
        - script: |
            false
            echo not reached
    - name: an unset variable ends a script
      steps:
        - script: "echo $KUBEPROOF_TEST_NOBODY_SETS_IT"
    - name: no such program
      steps:
        - command: [kubeproof-test-no-such-program]
    - name: too long
      steps:
        - command: [sh, -c, "exit 0"]
          expect: {took: {min: 1h}}
"#,
            ),
        )
        .run();
    run.assert_code(1);
    assert_passed(&run, "command");
    assert_passed(&run, "script");
    assert_failed(&run, "another output", &["hello", "there"]);
    assert_failed(&run, "another exit code", &["3", "0", "words"]);
    let line = assert_failed(&run, "the first failing line ends a script", &["1", "0"]);
    assert!(!line.text.contains("not reached\n"), "{}", line.text);
    assert_failed(
        &run,
        "an unset variable ends a script",
        &["KUBEPROOF_TEST_NOBODY_SETS_IT"],
    );
    let program = case(&run, "no such program");
    assert_eq!(program.outcome, "errored", "{}", program.text);
    assert!(
        program.text.contains("kubeproof-test-no-such-program"),
        "{}",
        program.text
    );
    assert_failed(&run, "too long", &["1h"]);
}
