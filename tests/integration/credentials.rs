//! What is in a kubeconfig to prove who one is reaches no report and no message, however much of
//! them is asked for.

use std::os::unix::fs::PermissionsExt;

use crate::api_server::serve;
use crate::support::server::free_address;
use crate::support::{Finished, Kubeproof};
use crate::verbs::suite;

const TOKEN: &str = "token-7hQ2pX9vLm3n";
const PASSWORD: &str = "password-Zk81TqRw5y";
/// `admin:` and the password, as the header has it.
const BASIC: &str = "YWRtaW46cGFzc3dvcmQtWms4MVRxUnc1eQ==";
const PLUGIN_TOKEN: &str = "plugin-Jd62VbNc0sEx";
/// The key, and the certificate that goes with it, in base64: of no use but here.
const KEY: &str = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JR0hBZ0VBTUJNR0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSEJHMHdhd0lCQVFRZ0F2WlU4WDV1YmtqNE1zYW0KTE5FM1FCSmxCV3cvQkk5RWliejdVcHRjdWVhaFJBTkNBQVFyTkRPRHRHL1pCeUtYNEdPNGJ4cWNlSlJ1Qk42YQpEZlZTTU5wVW1QdkR4ZHBmNnExZEllN2JTM3NvdEVWL1E5WWJ6bTJxQ3h2R1UxRGF1cC9jNXRsTwotLS0tLUVORCBQUklWQVRFIEtFWS0tLS0tCg==";
const CERTIFICATE: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJZakNDQVFlZ0F3SUJBZ0lCQkRBS0JnZ3Foa2pPUFFRREFqQVVNUkl3RUFZRFZRUUREQWxzYjJOaGJHaHYKYzNRd0lCY05NakF3TVRBeE1EQXdNREF3V2hnUE1qRXlNREF4TURFd01EQXdNREJhTUJReEVqQVFCZ05WQkFNTQpDV3h2WTJGc2FHOXpkREJaTUJNR0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSEEwSUFCQ3MwTTRPMGI5a0hJcGZnClk3aHZHcHg0bEc0RTNwb045Vkl3MmxTWSs4UEYybC9xclYwaDd0dExleWkwUlg5RDFodk9iYW9MRzhaVFVOcTYKbjl6bTJVNmpTREJHTUJRR0ExVWRFUVFOTUF1Q0NXeHZZMkZzYUc5emREQVBCZ05WSFJNQkFmOEVCVEFEQVFILwpNQjBHQTFVZERnUVdCQlNhbEZRMDl3RFoxV1F6VlRjdmF6ekV5K2p6Q2pBS0JnZ3Foa2pPUFFRREFnTkpBREJHCkFpRUF0cVl0T3dya2xVWEhJRGlDdTRkTlZ4bEZIbnVhV3hpZ3doWWhncFpMRHZjQ0lRQ2c0anFRWWxHOFI5ekEKZXVYOG9lVEQxZkFaZnlITkdsa2lUNWFUU0oxZlZnPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";
/// A line of the key as it stands in its file.
const KEY_LINE: &str = "LNE3QBJlBWw/BI9Eibz7UptcueahRANCAAQrNDODtG/ZByKX4GO4bxqceJRuBN6a";

fn kubeconfig(server: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         contexts: [{{name: here, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\n\
         users:\n- name: u\n  user:\n{user}\n"
    )
}

/// Everything that a run wrote, where it was asked for as much as there is.
fn all_of(run: &Finished) -> String {
    format!("{run}{}{}", run.read("junit.xml"), run.read("events.json"))
}

fn told_with(kubeconfig: &str) -> String {
    let steps = suite(
        r#"
  namespace: none
  cases:
    - name: nodes
      steps:
        - get: {target: node}
    - name: path
      steps:
        - get: {raw: /readyz}
    - name: exec
      steps:
        - exec: {target: pod/web, namespace: a, command: ["true"]}
    - name: script
      steps:
        - script: "true"
"#,
    );
    let arguments = ["run", "suite.yaml", "-vvv", "--kubeconfig", "here.yaml"];
    let reports = ["--junit", "junit.xml", "--json", "events.json"];
    let plugin = format!(
        "#!/bin/sh\necho '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \
         \"ExecCredential\", \"status\": {{\"token\": \"{PLUGIN_TOKEN}\"}}}}'\n"
    );
    let program = Kubeproof::new(&[&arguments[..], &reports[..]].concat())
        .file("here.yaml", kubeconfig)
        .file("suite.yaml", &steps)
        .file("plugin", &plugin)
        .env("KUBEPROOF_LOG", "trace");
    let path = program.path("plugin");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).expect("a mode");
    all_of(&program.run())
}

#[test]
fn credentials_are_in_no_report_and_no_message() {
    let key = format!("    client-key-data: {KEY}\n    client-certificate-data: {CERTIFICATE}");
    let plugin = "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      \
                  command: ./plugin\n      interactiveMode: Never";
    let ways = [
        ("a token", format!("    token: {TOKEN}")),
        (
            "a password",
            format!("    username: admin\n    password: {PASSWORD}"),
        ),
        ("a key", key),
        ("a plugin", plugin.to_owned()),
    ];
    for (way, user) in ways {
        let address = free_address();
        serve(address);
        let server = format!("http://{address}");
        let told = told_with(&kubeconfig(&server, &user));
        assert!(told.contains("GET"), "{way}: nothing was traced\n{told}");
        assert!(told.contains("case-finished"), "{way}: nothing ran\n{told}");
        assert_no_secret(way, &told);
    }
}

#[test]
fn a_password_in_the_url_of_the_server_is_not_told() {
    let address = free_address();
    serve(address);
    let server = format!("http://admin:{PASSWORD}@{address}");
    let told = told_with(&kubeconfig(&server, "    {}"));
    assert!(told.contains("case-finished"), "nothing ran\n{told}");
    assert_no_secret("the URL", &told);
}

#[test]
fn a_kubeconfig_that_cannot_be_read_is_not_quoted() {
    let whole = kubeconfig("http://127.0.0.1:1", &format!("    token: {TOKEN}"));
    let broken = [
        whole.replace("    token", "   - token"),
        whole.replace(TOKEN, &format!("[{TOKEN}")),
        whole.replace(TOKEN, &format!("{{a: {TOKEN}}}")),
        format!("{whole}    token: {TOKEN}\n"),
        whole.replace("    token", "    client-key-data"),
    ];
    for kubeconfig in broken {
        let told = told_with(&kubeconfig);
        assert!(told.contains("[connect]"), "{told}");
        assert_no_secret(&kubeconfig, &told);
    }
}

/// What looks for leftovers and what asks for kinds connects too.
#[test]
fn other_commands_tell_no_credentials_either() {
    let user = "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: ./plugin\n      \
                interactiveMode: Never\n      env: [{name: VAULT_TOKEN, value: VALUE}]"
        .replace("VALUE", TOKEN);
    let custom = suite(
        "
  cases:
    - name: a
      steps: [{get: {target: widget.example.com/a}}]
",
    );
    for command in [&["cleanup", "--all", "--yes"][..], &["rbac", "suite.yaml"]] {
        let arguments = [command, &["--kubeconfig", "here.yaml"]].concat();
        let program = Kubeproof::new(&arguments)
            .file("here.yaml", &kubeconfig("http://127.0.0.1:1", &user))
            .file("suite.yaml", &custom)
            .file(
                "plugin",
                "#!/bin/sh\necho \"no login with $VAULT_TOKEN\" >&2\nexit 1\n",
            );
        let path = program.path("plugin");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).expect("a mode");
        let run = program.run();
        run.assert_code(3);
        run.assert_stderr("no login with ***");
        assert_no_secret(&command.join(" "), &run.to_string());
    }
}

#[track_caller]
fn assert_no_secret(way: &str, told: &str) {
    for secret in [
        TOKEN,
        PASSWORD,
        BASIC,
        PLUGIN_TOKEN,
        KEY_LINE,
        &KEY[40..120],
    ] {
        assert!(!told.contains(secret), "{way}: {secret} is told\n{told}");
    }
}

/// A suite whose steps print what they were given, in a run that can reach an API server.
fn told_of(suite: &str, arguments: &[&str]) -> String {
    let address = free_address();
    serve(address);
    let whole = kubeconfig(&format!("http://{address}"), &format!("    token: {TOKEN}"));
    let reports = [
        "--kubeconfig",
        "here.yaml",
        "--junit",
        "junit.xml",
        "--json",
        "events.json",
    ];
    let run = Kubeproof::new(&[&["run", "suite.yaml"], arguments, &reports[..]].concat())
        .file("here.yaml", &whole)
        .file("suite.yaml", suite)
        .run();
    let told = all_of(&run);
    assert!(told.contains("case-finished"), "nothing ran\n{told}");
    told
}

#[test]
fn a_secret_that_is_given_to_shared_steps_is_masked() {
    let steps = suite(
        r#"
  namespace: none
  cases:
    - name: a
      steps:
        - use: {steps: log-in, with: {password: "made-{{ 'of' }}-parts"}}
"#,
    ) + r#"---
apiVersion: kubeproof.dev/v1alpha1
kind: Steps
metadata: {name: log-in}
spec:
  inputs: {password: {type: secret}}
  steps:
    - script: {text: echo "it is $P"; exit 1, env: {P: "{{ inputs.password }}"}}
"#;
    let told = told_of(&steps, &[]);
    assert!(told.contains("it is ***"), "{told}");
    assert!(!told.contains("made-of-parts"), "{told}");
}

#[test]
fn a_kubeconfig_that_a_script_prints_is_masked() {
    let script = suite(
        r#"
  namespace: none
  cases:
    - name: a
      steps:
        - script: cat "$KUBECONFIG"; exit 1
"#,
    );
    let told = told_of(&script, &[]);
    assert!(told.contains("token: ***"), "{told}");
    assert_no_secret("a script", &told);
}

/// What is secret in one suite may be met in another that knows nothing of it.
#[test]
fn the_secrets_of_suites_to_come_are_masked() {
    let first = suite(
        r#"
  namespace: none
  cases:
    - name: a
      steps:
        - script: echo "met hunter2-and-more"; exit 1
"#,
    );
    let second = suite(
        r#"
  inputs: {password: {type: secret}}
  namespace: none
  cases:
    - name: b
      steps:
        - script: "true"
"#,
    )
    .replace("name: verbs", "name: later");
    let told = told_of(
        &format!("{first}---\n{second}"),
        &["--set", "password=hunter2-and-more"],
    );
    assert!(told.contains("met ***"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn secrets_that_are_read_by_their_path_are_masked() {
    let steps = suite(
        r#"
  namespace: none
  cases:
    - name: a
      steps:
        - get: {raw: /api/v1/secrets}
          expect: {body: {contains: something else}}
    - name: b
      steps:
        - get: {raw: /api/v1/secrets}
          capture: {password: "{{ (body | fromjson).items[0].data.password | b64decode }}"}
        - error: "it is {{ password }}"
"#,
    );
    let told = told_of(&steps, &[]);
    assert!(told.contains("it is ***"), "{told}");
    for secret in ["hunter2", "aHVudGVy"] {
        assert!(!told.contains(secret), "{told}");
    }
}
