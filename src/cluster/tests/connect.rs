//! Connecting: which kubeconfig is taken, and what is said where it does not work.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::super::kubeconfig::{Found, Places, find};
use super::super::{Cluster, ConnectError, ConnectOptions};
use super::fake::{Answer, Fake};

fn kubeconfig(server: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: main\n\
         clusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\n\
         contexts: [{{name: main, context: {{cluster: c, user: u, namespace: team}}}}]\n\
         users: [{{name: u, user: {user}}}]\n"
    )
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

async fn connect(kubeconfig: &Path, context: Option<&str>) -> Result<Cluster, ConnectError> {
    let options = ConnectOptions {
        kubeconfig: Some(kubeconfig.to_path_buf()),
        context: context.map(str::to_owned),
        request_timeout: Duration::from_secs(2),
        ..ConnectOptions::default()
    };
    Cluster::connect(&options).await
}

#[tokio::test]
async fn the_server_says_its_version_and_who_we_are() {
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /version" => Answer::Json(
            200,
            json!({"gitVersion": "v1.30.2-eks", "major": "1", "minor": "30+"}),
        ),
        _ => Answer::Json(201, json!({"status": {"userInfo": {"username": "admin"}}})),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://name:hunter2@{}", fake.address);
    let path = write(
        folder.path(),
        "config",
        &kubeconfig(&url, "{token: hunter2}"),
    );
    let cluster = connect(&path, None).await.unwrap();
    let server = cluster.server();
    assert_eq!((server.major, server.minor), (1, 30));
    assert_eq!(server.user, "admin");
    assert_eq!(server.context.as_deref(), Some("main"));
    assert_eq!(server.default_namespace, "team");
    assert_eq!(server.server, format!("http://{}", fake.address));
    assert_eq!(server.kubeconfig, path.display().to_string());
}

#[tokio::test]
async fn refused_credentials_are_told_without_them() {
    let fake = Fake::start(|_| {
        Answer::Json(
            401,
            json!({"kind": "Status", "message": "Unauthorized", "code": 401}),
        )
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}", fake.address);
    let path = write(
        folder.path(),
        "config",
        &kubeconfig(&url, "{token: hunter2}"),
    );
    let error = connect(&path, None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the API server {url} does not accept the credentials of user \"u\"")
    );
}

#[tokio::test]
async fn nothing_that_listens_is_told_with_the_address() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("https://{address}");
    let path = write(folder.path(), "config", &kubeconfig(&url, "{}"));
    let error = connect(&path, None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot reach the API server {url}: connection refused")
    );
}

#[tokio::test]
#[cfg(unix)]
async fn a_plugin_that_fails_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = "{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always, \
                  command: sh, args: [-c, \"cat; echo hunter2; echo log in first >&2; exit 4\"]}}";
    let path = write(
        folder.path(),
        "config",
        &kubeconfig("https://127.0.0.1:1", plugin),
    );
    let error = connect(&path, None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no credentials for user \"u\": credential plugin `sh`: it ended with exit code 4: log in first"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_kubeconfig_is_told_without_quoting_it() {
    let folder = tempfile::tempdir().unwrap();
    let good = kubeconfig("https://127.0.0.1:1", "{}");
    let cases = [
        ("missing", None, None, "cannot read "),
        (
            "yaml",
            Some("users: {token: hunter2"),
            None,
            "is not valid: line 1, column ",
        ),
        (
            "type",
            Some("users: hunter2"),
            None,
            "is not valid: line 1, column 8",
        ),
        (
            "empty",
            Some(""),
            None,
            "has no current context; choose one: it has none",
        ),
        (
            "context",
            Some(good.as_str()),
            Some("nope"),
            "has no context \"nope\"; it has main",
        ),
        (
            "authority",
            Some(
                "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n\
                  clusters: [{name: c, cluster: {server: s, certificate-authority-data: '%%'}}]\nusers: [{name: u}]",
            ),
            None,
            "its certificate-authority-data is not base64",
        ),
        (
            "cluster",
            Some("current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]"),
            None,
            "its context \"x\" names the cluster \"c\", which is not in it",
        ),
    ];
    for (name, text, context, expected) in cases {
        let path = match text {
            Some(text) => write(folder.path(), name, text),
            None => folder.path().join(name),
        };
        let error = connect(&path, context).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(error.contains(name), "{name}: {error}");
        assert!(!error.contains("hunter2"), "{name}: {error}");
    }
}

#[test]
fn several_files_are_merged_and_missing_ones_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path(), "first", "current-context: one\ncontexts: []");
    let second = write(
        folder.path(),
        "second",
        &kubeconfig("https://127.0.0.1:1", "{}"),
    );
    let missing = folder.path().join("missing");
    let variable = std::env::join_paths([&missing, &first, &second]).unwrap();
    let places = Places {
        variable: Some(&variable),
        ..Places::default()
    };
    match find(&places).unwrap() {
        Found::Files { names, kubeconfig } => {
            assert_eq!(kubeconfig.current_context.as_deref(), Some("one"));
            assert_eq!(kubeconfig.contexts.len(), 1);
            assert_eq!(
                names,
                std::env::join_paths([&first, &second])
                    .unwrap()
                    .to_string_lossy()
            );
        }
        Found::InCluster => panic!("the files come first"),
    }
}

#[test]
fn the_places_are_those_of_kubectl() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_path_buf();
    let in_pod = Places {
        home: Some(home.clone()),
        is_in_cluster: true,
        ..Places::default()
    };
    assert!(matches!(find(&in_pod), Ok(Found::InCluster)));
    let outside = Places {
        home: Some(home.clone()),
        ..Places::default()
    };
    let error = find(&outside).unwrap_err().to_string();
    let expected = home.join(".kube").join("config");
    assert_eq!(
        error,
        format!(
            "no kubeconfig found: looked at {}, the service account of a pod",
            expected.display()
        )
    );
    std::fs::create_dir(home.join(".kube")).unwrap();
    std::fs::write(&expected, "current-context: x").unwrap();
    assert!(matches!(find(&in_pod), Ok(Found::Files { .. })));
}
