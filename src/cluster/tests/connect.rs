//! Connecting: which kubeconfig is taken, and what is said where it does not work.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::super::kubeconfig::{Found, Places, find};
use super::super::{Cluster, ConnectError, ConnectOptions, Memory};
use super::fake::{Answer, Fake, Then};

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

#[tokio::test]
async fn several_files_are_merged_and_missing_ones_skipped() {
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
    match find(&places, &Memory::default()).await.unwrap() {
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

/// What cannot be looked at may be the file that is meant: kubectl ends there too.
#[tokio::test]
#[cfg(unix)]
async fn a_file_that_cannot_be_reached_is_not_one_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let other = write(
        folder.path(),
        "other",
        &kubeconfig("https://127.0.0.1:1", "{}"),
    );
    let circle = folder.path().join("circle");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    let nowhere = folder.path().join("nowhere");
    std::os::unix::fs::symlink(folder.path().join("missing"), &nowhere).unwrap();
    let folder = folder.path().to_owned();
    for (first, is_told) in [
        (other.join("config"), true),
        (circle, true),
        (folder, true),
        (nowhere, false),
    ] {
        let variable = std::env::join_paths([&first, &other]).unwrap();
        for is_in_cluster in [true, false] {
            let places = Places {
                variable: Some(&variable),
                is_in_cluster,
                ..Places::default()
            };
            match find(&places, &Memory::default()).await {
                Ok(found) => {
                    assert!(!is_told, "{}", first.display());
                    assert!(matches!(found, Found::Files { .. }));
                }
                Err(error) => {
                    assert!(is_told, "{error}");
                    let expected = format!("cannot read {}", first.display());
                    assert!(error.to_string().starts_with(&expected), "{error}");
                }
            }
        }
        // alone, it hides the pod's service account
        let alone = first.clone().into_os_string();
        let places = Places {
            variable: Some(&alone),
            is_in_cluster: true,
            ..Places::default()
        };
        let found = find(&places, &Memory::default()).await;
        assert_eq!(found.is_err(), is_told, "{}", first.display());
    }
}

#[tokio::test]
async fn the_places_are_those_of_kubectl() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_path_buf();
    let in_pod = Places {
        home: Some(home.clone()),
        is_in_cluster: true,
        ..Places::default()
    };
    assert!(matches!(
        find(&in_pod, &Memory::default()).await,
        Ok(Found::InCluster)
    ));
    let outside = Places {
        home: Some(home.clone()),
        ..Places::default()
    };
    let error = find(&outside, &Memory::default())
        .await
        .unwrap_err()
        .to_string();
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
    assert!(matches!(
        find(&in_pod, &Memory::default()).await,
        Ok(Found::Files { .. })
    ));
}

/// A server that says its version to whoever asks with this, and 401 to all others.
async fn asking_for(authorization: &'static str) -> Fake {
    Fake::start(move |asked| {
        match asked
            .head
            .to_lowercase()
            .contains(&authorization.to_lowercase())
        {
            true => version(),
            false => Answer::Json(401, json!({"kind": "Status", "code": 401})),
        }
    })
    .await
}

fn version() -> Answer {
    Answer::Json(
        200,
        json!({"gitVersion": "v1.34.0", "major": "1", "minor": "34"}),
    )
}

/// Why nobody can connect with a user, or nothing where they can.
async fn refused(folder: &Path, server: &str, user: &str) -> Option<String> {
    let path = write(folder, "config", &kubeconfig(server, user));
    let error = connect(&path, None).await.err()?;
    Some(error.to_string())
}

#[tokio::test]
async fn what_changes_who_one_is_is_honoured() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "file", "of-a-file\n");
    let plugin = "exec: {command: sh, args: [-c, \"echo '{kind: ExecCredential, status: {token: of-a-plugin}}'\"]}";
    let cases = [
        ("token: of-a-token", "authorization: Bearer of-a-token\r\n"),
        ("tokenFile: file", "authorization: Bearer of-a-file\r\n"),
        (
            "token: t, tokenFile: file",
            "authorization: Bearer of-a-file\r\n",
        ),
        (
            "token: of-a-token, tokenFile: none",
            "authorization: Bearer of-a-token\r\n",
        ),
        ("username: a, password: b", "authorization: Basic YTpi\r\n"),
        ("username: a", "authorization: Basic YTo=\r\n"),
        (plugin, "authorization: Bearer of-a-plugin\r\n"),
        ("token: t, as: jane", "impersonate-user: jane\r\n"),
        ("as: jane, as-groups: [g]", "impersonate-group: g\r\n"),
        ("as: jane, as-uid: '7'", "impersonate-uid: 7\r\n"),
        (
            "as: jane, as-user-extra: {k: [v]}",
            "impersonate-extra-k: v\r\n",
        ),
        (
            "auth-provider: null, token: of-a-token",
            "authorization: Bearer of-a-token\r\n",
        ),
    ];
    for (user, expected) in cases {
        let fake = asking_for(expected).await;
        let server = format!("http://{}", fake.address);
        let refused = refused(folder.path(), &server, &format!("{{{user}}}")).await;
        assert_eq!(refused, None, "{user}");
    }
    let both = format!("{{token: of-a-token, {plugin}}}");
    let fake = asking_for("authorization: Bearer of-a-token\r\n").await;
    let server = format!("http://{}", fake.address);
    assert_eq!(refused(folder.path(), &server, &both).await, None);
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_with_its_file_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (
            "as-groups: [system:masters]",
            "says by as-groups, as-uid or as-user-extra to act",
        ),
        (
            "as-uid: '7'",
            "says by as-groups, as-uid or as-user-extra to act",
        ),
        (
            "as-user-extra: {k: [v]}",
            "says by as-groups, as-uid or as-user-extra to act",
        ),
        (
            "as: jane, as-group: [g]",
            "has the field \"as-group\", which is not known",
        ),
        ("as: \"a\\nb\"", "characters that no header can carry"),
        (
            "as-groups: {a: b}",
            "has a as-groups that is not what a kubeconfig has there",
        ),
        (
            "token: hunter2, username: a",
            "has both a token and a username",
        ),
        ("password: hunter2", "has a password and no username"),
        ("token: \"hunter2\\n\"", "has a token with a line break"),
        ("tokenFile: none", "it is the tokenFile of the user \"u\""),
        (
            "client-certificate-data: YQ==",
            "has a client-certificate and no client-key",
        ),
        (
            "client-key-data: aHVudGVyMg==",
            "has a client-key and no client-certificate",
        ),
        (
            "client-key-data: aHVudGVyMg==, client-key: k",
            "has both client-key and client-key-data",
        ),
        (
            "exec: {command: a}, auth-provider: {name: b}",
            "has both exec and auth-provider",
        ),
        ("exec: {args: [hunter2]}", "has an exec without a command"),
        (
            "exec: {command: a, args: hunter2}",
            "has a exec.args that is not what",
        ),
        (
            "exec: {command: a, env: [{value: hunter2}]}",
            "exec.env with a variable without a name",
        ),
        (
            "auth-provider: {config: {}}",
            "has an auth-provider without a name",
        ),
        (
            "auth-provider: {name: gcp}",
            "gke-gcloud-auth-plugin is in its place",
        ),
        ("auth-provider: {name: azure}", "kubelogin is in its place"),
        (
            "auth-provider: {name: openstack}",
            "\"openstack\": it is not known here",
        ),
        ("auth-provider: {name: oidc}", "its config has no id-token"),
        (
            "auth-provider: {name: oidc, config: {id-token: hunter2}}",
            "no token of OpenID Connect",
        ),
    ];
    for (user, expected) in cases {
        let user = format!("{{{user}}}");
        let error = refused(folder.path(), "http://127.0.0.1:1", &user).await;
        let error = error.unwrap_or_default();
        assert!(error.contains(expected), "{user}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
        let is_of_file = error.contains("config") || error.starts_with("no credentials");
        assert!(is_of_file, "{error}");
    }
    let clusters = [
        (
            "insecure-skip-tls-verify: true, certificate-authority-data: YQ==",
            "has both a certificate-authority and insecure-skip-tls-verify",
        ),
        (
            "certificate-authority: a, certificate-authority-data: YQ==",
            "has both certificate-authority and certificate-authority-data",
        ),
        (
            "certificate-authority: none",
            "it is the certificate-authority of the cluster \"c\"",
        ),
        (
            "certificate-authority-data: YQ==",
            "has a certificate-authority that is not in PEM",
        ),
        (
            "tls-server-name: 'a b'",
            "has a tls-server-name that no certificate can be for",
        ),
        (
            "proxy-url: 'ftp://a'",
            "has a proxy-url: the proxy has a scheme other than",
        ),
        (
            "insecure-skip-tls-verify: 'yes'",
            "has a insecure-skip-tls-verify that is not what",
        ),
    ];
    for (fields, expected) in clusters {
        let text = kubeconfig("https://127.0.0.1:1", "{}");
        let path = write(
            folder.path(),
            "config",
            &text.replace("server:", &format!("{fields}, server:")),
        );
        let error = connect(&path, None).await.unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains("config"),
            "{fields}: {error}"
        );
    }
}

#[tokio::test]
async fn what_nobody_uses_may_be_broken_and_what_is_used_may_not_be_ambiguous() {
    let folder = tempfile::tempdir().unwrap();
    let fake = asking_for("authorization: Bearer t\r\n").await;
    let good = kubeconfig(&format!("http://{}", fake.address), "{token: t}");
    let broken = good
        .replace(
            "users: [",
            "users: [{name: v, user: {auth-provider: {config: null}}}, {name: w, user: 7}, ",
        )
        .replace(
            "contexts: [",
            "contexts: [{name: a, context: {}}, {name: b, context: {user: u}}, 7, ",
        );
    let path = write(folder.path(), "broken", &broken);
    assert!(connect(&path, None).await.is_ok());
    for (context, expected) in [
        ("a", "its context \"a\" names no cluster"),
        ("b", "its context \"b\" names no cluster"),
    ] {
        let error = connect(&path, Some(context)).await.unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }
    let twice = good.replace("users: [", "users: [{name: u, user: {token: other}}, ");
    let path = write(folder.path(), "twice", &twice);
    let error = connect(&path, None).await.unwrap_err().to_string();
    assert!(
        error.contains("its user \"u\" is there more than once"),
        "{error}"
    );
}

#[tokio::test]
async fn a_plugin_runs_once_for_all_connections_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let soon = jiff::Timestamp::now() + Duration::from_secs(30);
    let script = format!(
        "#!/bin/sh\necho x >> {}/runs\necho '{{\"kind\": \"ExecCredential\", \"status\": {{\"token\": \"t\", \"expirationTimestamp\": \"{soon}\"}}}}'\n",
        folder.path().display()
    );
    let fake = asking_for("authorization: Bearer t\r\n").await;
    write(folder.path(), "plugin", &script);
    let user = "{exec: {command: sh, args: [PLUGIN]}}".replace(
        "PLUGIN",
        &folder.path().join("plugin").display().to_string(),
    );
    let path = write(
        folder.path(),
        "config",
        &kubeconfig(&format!("http://{}", fake.address), &user),
    );
    let options = ConnectOptions {
        kubeconfig: Some(path),
        ..ConnectOptions::default()
    };
    let other = options.clone();
    let both = futures::try_join!(Cluster::connect(&options), Cluster::connect(&other));
    let (cluster, _other) = both.unwrap();
    for _ in 0..20 {
        assert_eq!(cluster.get_raw("/readyz").await.unwrap().code, 200);
    }
    let runs = std::fs::read_to_string(folder.path().join("runs")).unwrap();
    assert_eq!(runs.lines().count(), 1);
}

#[tokio::test]
async fn a_token_that_the_server_takes_no_longer_is_renewed_and_the_request_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "echo x >> {0}/runs; echo '{{kind: ExecCredential, status: {{token: \"'$(wc -l < {0}/runs)'\"}}}}'",
        folder.path().display()
    );
    let fake = Fake::start(|asked| {
        let is_old = asked.head.to_lowercase().contains("bearer 1\r\n");
        match asked.line.as_str() {
            "GET /readyz" if is_old => Answer::Json(401, json!({"kind": "Status", "code": 401})),
            "GET /livez" => Answer::Json(401, json!({"kind": "Status", "code": 401})),
            _ => version(),
        }
    })
    .await;
    let user = format!("{{exec: {{command: sh, args: [-c, {}]}}}}", json!(script));
    let server = format!("http://{}", fake.address);
    let path = write(folder.path(), "config", &kubeconfig(&server, &user));
    let cluster = connect(&path, None).await.unwrap();
    assert_eq!(cluster.get_raw("/readyz").await.unwrap().code, 200);
    let runs = || {
        std::fs::read_to_string(folder.path().join("runs"))
            .unwrap()
            .lines()
            .count()
    };
    assert_eq!(runs(), 2);
    // what is refused for good does not run it each time
    for _ in 0..5 {
        assert_eq!(
            cluster.get_raw("/livez").await.unwrap_err().code(),
            Some(401)
        );
    }
    assert!(runs() <= 4, "{}", runs());
}

#[tokio::test]
async fn a_server_that_asks_to_come_again_is_waited_for() {
    let fake = Fake::start(|asked| match asked.before {
        0..=3 => Answer::WithHeader(
            429,
            "Retry-After",
            "1",
            json!({"kind": "Status", "message": "slow down"}),
        ),
        _ => version(),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let server = format!("http://{}", fake.address);
    assert_eq!(refused(folder.path(), &server, "{}").await, None);
}

#[tokio::test]
async fn what_is_no_answer_of_the_api_server_is_told_as_such() {
    let page = b"<!doctype html><html><head><title>Sign in</title></head>".to_vec();
    let cases = [
        (
            200,
            page.clone(),
            "cannot be read as JSON: a web page: \"Sign in\"",
        ),
        (
            403,
            page.clone(),
            "a web page came back: \"Sign in\" (HTTP 403), which is no answer",
        ),
        (
            401,
            page.clone(),
            "a web page came back: \"Sign in\" (HTTP 401), which is no answer",
        ),
        (
            403,
            b"blocked".to_vec(),
            "\"blocked\" came back (HTTP 403), which is no answer",
        ),
        (
            404,
            page,
            "a web page came back: \"Sign in\" (HTTP 404), which is no answer",
        ),
        (
            302,
            Vec::new(),
            "it sends elsewhere (HTTP 302), which is no answer",
        ),
        (200, b"hello".to_vec(), "cannot be read as JSON: \"hello\""),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (code, body, expected) in cases {
        let fake =
            Fake::start(move |_| Answer::Chunks(code, vec![body.clone()], Then::Close)).await;
        let server = format!("http://{}", fake.address);
        let error = refused(folder.path(), &server, "{}").await.unwrap();
        assert!(error.contains("gives no usable answer"), "{error}");
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_down_or_will_not_connect_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let proxied = |proxy: &str| {
        let text = kubeconfig("https://10.255.255.1:6443", "{}");
        text.replace("server:", &format!("proxy-url: '{proxy}', server:"))
    };
    let path = write(
        folder.path(),
        "config",
        &proxied("http://me:hunter2@127.0.0.1:1"),
    );
    assert_eq!(
        connect(&path, None).await.unwrap_err().to_string(),
        "cannot reach the API server https://10.255.255.1:6443: the proxy http://127.0.0.1:1: \
         connection refused"
    );
    for (code, expected) in [
        (407, "asks for a user and a password"),
        (403, "does not connect to it"),
    ] {
        let fake = Fake::start(move |_| Answer::Json(code, json!({}))).await;
        let proxy = format!("http://{}", fake.address);
        let path = write(folder.path(), "config", &proxied(&proxy));
        let error = connect(&path, None).await.unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("the proxy {proxy} {expected}")),
            "{error}"
        );
    }
}
