//! The command line without a cluster: usage, invalid suites, connections that do not come about.

use crate::support::Kubeproof;

const SUITE: &str = r#"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: tiny}
spec:
  cases:
    - name: one
      steps:
        - exec: {target: pod/x, command: ["true"]}
"#;

#[test]
fn an_unknown_suite_lists_what_there_is() {
    let run = Kubeproof::new(&["run", "overlai"]).run();
    run.assert_code(2);
    run.assert_stderr("overlai");
    run.assert_stderr("network/overlay");
    run.assert_stderr("smoke");
}

#[test]
fn an_unknown_option_is_a_usage_error() {
    Kubeproof::new(&["run", "--frobnicate"])
        .run()
        .assert_code(2);
}

#[test]
fn every_mistake_of_a_suite_is_told_at_once() {
    let run = Kubeproof::new(&["run", "suite.yaml", "--junit", "junit.xml"])
        .file(
            "suite.yaml",
            r#"apiVersion: kubeproof.dev/v1alpha1
kind: Suite
metadata: {name: wrong}
spec:
  cases:
    - name: one
      steps:
        - exec: {target: pod/x, comand: ["true"]}
          timeout: soon
        - exce: {target: pod/x, command: ["true"]}
    - name: "{{ nobody.node }}"
      steps:
        - exec: {target: pod/x, command: ["true"]}
"#,
        )
        .run();
    run.assert_code(2);
    for text in [
        "suite.yaml:8:",
        "comand",
        "did you mean `command`?",
        "suite.yaml:9:",
        "soon",
        "suite.yaml:10:",
        "did you mean `exec`?",
        "suite.yaml:11:",
        "nobody",
    ] {
        run.assert_stderr(text);
    }
    assert!(run.read("junit.xml").contains("[load]"), "{run}");
}

#[test]
fn check_needs_no_cluster() {
    let run = Kubeproof::new(&["check", "suite.yaml"])
        .file("suite.yaml", SUITE)
        .run();
    run.assert_code(0);
    Kubeproof::new(&["check"]).run().assert_code(0);
}

#[test]
fn a_folder_is_named_by_a_path() {
    let run = Kubeproof::new(&["check", "02-kro"])
        .file("02-kro/suite.yaml", SUITE)
        .run();
    run.assert_code(2);
    run.assert_stderr("a folder is named by a path: write ./02-kro");
    let run = Kubeproof::new(&["check", "./02-kro"])
        .file("02-kro/suite.yaml", SUITE)
        .run();
    run.assert_code(0);
}

#[test]
fn list_names_what_ships() {
    let run = Kubeproof::new(&["list"]).run();
    run.assert_code(0);
    assert!(run.stdout.contains("network/overlay"), "{run}");
    assert!(run.stdout.contains("smoke"), "{run}");
}

fn connection_fails(kubeconfig: Option<&str>, args: &[&str], words: &[&str]) {
    let mut program =
        Kubeproof::new(&[&["run", "suite.yaml", "--junit", "junit.xml"], args].concat())
            .file("suite.yaml", SUITE);
    if let Some(text) = kubeconfig {
        program = program.file("config", text).env("KUBECONFIG", "config");
    }
    let run = program.run();
    run.assert_code(3);
    let all = format!("{}{}", run.stdout, run.stderr);
    for word in words {
        assert!(all.contains(word), "no {word:?}\n{run}");
    }
    let junit = run.read("junit.xml");
    assert!(
        junit.contains("[connect]") && junit.contains("errors=\"1\""),
        "{junit}"
    );
}

/// A kubeconfig of one context, `here`, for this server.
fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         contexts: [{{name: here, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\n\
         users: [{{name: u, user: {{token: very-secret-token}}}}]\n"
    )
}

#[test]
fn without_a_kubeconfig_it_could_not_test() {
    connection_fails(None, &[], &["no kubeconfig"]);
}

#[test]
fn a_kubeconfig_that_is_none_is_named() {
    connection_fails(Some("{{{"), &[], &["config"]);
}

#[test]
fn a_context_that_is_not_there_is_told_with_those_that_are() {
    connection_fails(
        Some(&kubeconfig("https://127.0.0.1:1")),
        &["--context", "elsewhere"],
        &["elsewhere", "here"],
    );
}

#[test]
fn a_server_that_refuses_is_told_with_its_address() {
    connection_fails(
        Some(&kubeconfig("https://127.0.0.1:1")),
        &[],
        &["https://127.0.0.1:1", "refused"],
    );
}

#[test]
#[ignore = "needs ci/cluster up"]
fn an_expired_certificate_is_told() {
    let expired = crate::support::ci_cluster(&["kubeconfig", "--user", "late", "--expired"]);
    let text = std::fs::read_to_string(expired.trim()).expect("a kubeconfig");
    connection_fails(Some(&text), &[], &["expired"]);
}

#[test]
fn cleanup_must_be_told_what_and_asks_before_all() {
    for arguments in [
        &["cleanup"][..],
        &["cleanup", "--all", "--run", "0123456789"],
        &["cleanup", "--run", "mine"],
        &["cleanup", "--older-than", "5"],
        &["cleanup", "--all"],
    ] {
        Kubeproof::new(arguments).run().assert_code(2);
    }
    let run = Kubeproof::new(&["cleanup", "--all", "--yes", "--kubeconfig", "none"]).run();
    run.assert_code(3);
    run.assert_stderr("cannot read none");
}
