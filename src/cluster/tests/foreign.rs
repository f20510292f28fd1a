//! Answers of others than the API server: gateways before it, and what stands behind its proxy.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::exec::Witness;
use super::super::{
    Cluster, ClusterError, ConnectOptions, DeleteOptions, Deletion, ExecError, ExecLimits,
    ExecResult, ExecTarget, HttpError, HttpReply, HttpRequest, HttpTarget, LogOptions, ObjectKey,
    PatchKind, PodTarget, Resource, Scheme,
};
use super::config_map;
use super::fake::{Answer, Asked, Fake, Then};
use crate::output::Intake;

const ID: &str = "Audit-Id: 7a1\r\n";
const TEXT: &str = "Content-Type: text/plain\r\n";
const PAGE: &str = "<!doctype html><title>Sign in</title>";
const UNSERVED: &str = "404 page not found\n";

/// The API server's own, with its id where it sends any.
fn own(has_ids: bool, body: &Value) -> Answer {
    match has_ids {
        true => Answer::WithHeader(200, "Audit-Id", "7a1", body.clone()),
        false => Answer::Json(200, body.clone()),
    }
}

/// A cluster that is known to send ids, or not to.
async fn asked_once(fake: &Fake) -> Cluster {
    let cluster = fake.cluster();
    cluster.get_raw("/version").await.unwrap();
    cluster
}

fn widget() -> ObjectKey {
    let resource = Resource {
        api_version: "example.com/v1".into(),
        group: "example.com".into(),
        kind: "Widget".into(),
        plural: "widgets".into(),
        singular: "widget".into(),
        ..Resource::pod()
    };
    ObjectKey::new(resource, Some("n"), "x")
}

#[tokio::test]
async fn a_refusal_of_a_gateway_is_no_answer_about_an_object() {
    let json = "Content-Type: application/json\r\n";
    let kong = r#"{"message":"no Route matched with those values"}"#;
    let gateways = [
        (404, json, kong),
        (403, json, r#"{"message":"forbidden","code":403}"#),
        (409, json, r#"{"message":"busy","reason":"AlreadyExists"}"#),
        (422, json, r#"{"message":"no"}"#),
        (404, TEXT, UNSERVED),
    ];
    // all at once, since a 404 is asked for again
    let asking = gateways.into_iter().flat_map(|(code, headers, body)| {
        [true, false].map(|has_ids| async move {
            let fake = Fake::start(move |asked| match asked.line.as_str() {
                "GET /version" => own(has_ids, &json!({})),
                _ => Answer::Text(code, headers, body),
            })
            .await;
            let (cluster, key) = (asked_once(&fake).await, config_map());
            let manifest = json!({"metadata": {"name": "x"}});
            let options = DeleteOptions {
                uid: Some("u".into()),
                ..DeleteOptions::default()
            };
            let (got, deleted, created, patched, listed) = futures::join!(
                cluster.get(&key),
                cluster.delete(&key, &options),
                cluster.create(&key.resource, Some("n"), &manifest),
                cluster.patch(&key, PatchKind::Merge, &manifest, None),
                cluster.list(&key.resource, Some("n"), None),
            );
            let errors = [
                got.unwrap_err(),
                deleted.unwrap_err(),
                created.unwrap_err(),
                patched.unwrap_err(),
                listed.unwrap_err(),
            ];
            for error in errors {
                assert!(error.is_environment(), "{body}: {error:?}");
                let told = error.to_string();
                assert!(told.contains("no answer of the API server"), "{told}");
            }
        })
    });
    futures::future::join_all(asking).await;
}

#[tokio::test]
async fn a_gateways_404_may_pass_and_is_asked_for_again() {
    let answered = async |code| {
        let fake = Fake::start(move |asked| match (asked.line.as_str(), asked.before) {
            ("GET /version", _) => own(true, &json!({})),
            (_, 0) => Answer::Text(code, TEXT, UNSERVED),
            _ => own(true, &json!({"metadata": {"name": "x"}})),
        })
        .await;
        asked_once(&fake).await.get(&config_map()).await
    };
    assert!(answered(404).await.unwrap().is_some());
    for code in [302, 403] {
        let error = answered(code).await.unwrap_err();
        assert!(error.is_environment(), "{error:?}");
    }
}

#[tokio::test]
async fn a_refusal_by_what_serves_a_group_is_told_as_its_own() {
    for code in [403, 404] {
        let fake = Fake::start(move |asked| match asked.line.as_str() {
            "GET /version" => own(true, &json!({})),
            _ => Answer::Text(code, ID, r#"{"error": "no such tenant"}"#),
        })
        .await;
        let cluster = asked_once(&fake).await;
        let error = cluster.get(&widget()).await.unwrap_err();
        assert!(error.is_environment(), "{error:?}");
        let told = error.to_string();
        assert!(told.contains("no such tenant"), "{told}");
        assert!(told.contains("what serves this part of the API"), "{told}");
        assert!(!told.contains("stands before"), "{told}");
        // it is there, and said so
        assert_eq!(fake.requests().len(), 2);
    }
}

/// A server that answers so for an object, and has these kinds in its group.
async fn unserved(headers: &'static str, kinds: Option<&'static [&'static str]>) -> Fake {
    Fake::start(move |asked| match (asked.line.as_str(), kinds) {
        ("GET /version", _) => own(!headers.is_empty(), &json!({})),
        ("GET /apis/example.com/v1", Some(kinds)) => {
            let kinds: Vec<_> = kinds.iter().map(|name| json!({"name": name})).collect();
            own(
                true,
                &json!({"kind": "APIResourceList", "resources": kinds}),
            )
        }
        _ => Answer::Text(404, headers, UNSERVED),
    })
    .await
}

#[tokio::test]
async fn what_nobody_serves_is_not_there_unless_discovery_has_its_kind() {
    // without its group, and without its kind
    for kinds in [None, Some(&["gadgets"][..])] {
        let fake = unserved(ID, kinds).await;
        let cluster = asked_once(&fake).await;
        assert_eq!(cluster.get(&widget()).await, Ok(None));
        let options = DeleteOptions::default();
        let deleted = cluster.delete(&widget(), &options).await;
        assert_eq!(deleted, Ok(Deletion::Absent));
    }
    let doubtful = [
        unserved(ID, Some(&["gadgets", "widgets"])).await,
        unserved("", None).await,
    ];
    for fake in doubtful {
        let cluster = asked_once(&fake).await;
        let error = cluster.get(&widget()).await.unwrap_err();
        assert!(error.is_environment(), "{error:?}");
        let options = DeleteOptions::default();
        let error = cluster.delete(&widget(), &options).await.unwrap_err();
        assert!(error.is_environment(), "{error:?}");
    }
}

#[tokio::test]
async fn of_groups_that_nobody_serves_an_older_server_may_say_so_without_an_id() {
    for has_ids in [false, true] {
        let fake = Fake::start(move |asked| match asked.line.as_str() {
            "GET /version" => own(has_ids, &json!({})),
            _ => Answer::Text(404, TEXT, UNSERVED),
        })
        .await;
        let cluster = asked_once(&fake).await;
        let error = cluster.kinds_in("gone.example/v1").await.unwrap_err();
        let ClusterError::GroupDown { cause, .. } = error else {
            panic!("{error:?}")
        };
        let is_foreign = cause.contains("no answer of the API server");
        assert_eq!(is_foreign, has_ids, "{cause}");
    }
}

fn proxied(timeout: Duration) -> (HttpTarget, HttpRequest) {
    let target = HttpTarget::ServiceProxy {
        namespace: "n".into(),
        service: "web".into(),
        port: "80".into(),
        scheme: Scheme::Http,
    };
    let request = HttpRequest {
        timeout,
        intake: Intake::keep(1024),
        ..HttpRequest::default()
    };
    (target, request)
}

async fn ask_service(cluster: &Cluster) -> Result<HttpReply, HttpError> {
    let (target, request) = proxied(Duration::from_secs(5));
    cluster.http(&target, &request).await
}

#[tokio::test]
async fn what_did_not_come_through_the_proxy_is_not_the_services() {
    let html = "Content-Type: text/html\r\n";
    let answers = [
        (200, html, PAGE),
        (503, TEXT, "upstream connect error"),
        (404, TEXT, ""),
        (302, "Location: https://login.example.com/\r\n", ""),
    ];
    for (code, headers, body) in answers {
        for has_ids in [true, false] {
            let fake = Fake::start(move |asked| match asked.line.as_str() {
                "GET /version" => own(has_ids, &json!({})),
                _ => Answer::Text(code, headers, body),
            })
            .await;
            let cluster = asked_once(&fake).await;
            match ask_service(&cluster).await {
                Ok(reply) => assert!(!has_ids && reply.status == code, "{reply:?}"),
                Err(error) => {
                    assert!(has_ids && error.is_environment(), "{error:?}");
                    let told = error.to_string();
                    assert!(
                        told.contains("did not come through the API server"),
                        "{told}"
                    );
                    assert!(told.contains(&format!("(HTTP {code})")), "{told}");
                }
            }
        }
    }
    // what came through is the service's, whatever it is
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /version" => own(true, &json!({})),
        _ => Answer::Text(200, "Audit-Id: 7a1\r\nContent-Type: text/html\r\n", PAGE),
    })
    .await;
    let reply = ask_service(&asked_once(&fake).await).await.unwrap();
    assert_eq!((reply.status, reply.body), (200, PAGE.into()));
}

/// The API server's proxy sends its id with an informational answer, and then no more.
#[tokio::test]
async fn a_service_that_answers_early_is_known_by_the_id_on_that() {
    const HINTED: &str = "Audit-Id: 7a1\r\nLink: </a.css>; rel=preload\r\n";
    let answered = async |hints, code, headers, body| {
        let fake = Fake::start(move |asked| match asked.line.as_str() {
            "GET /version" => own(true, &json!({})),
            _ => Answer::Hinted(hints, code, headers, body),
        })
        .await;
        ask_service(&asked_once(&fake).await).await
    };
    let reply = answered(HINTED, 200, TEXT, "ok").await.unwrap();
    assert_eq!((reply.status, reply.body), (200, "ok".into()));
    let html = "Content-Type: text/html\r\n";
    let reply = answered(HINTED, 500, html, PAGE).await.unwrap();
    assert_eq!((reply.status, reply.body), (500, PAGE.into()));
    let gateway = "Link: </a.css>; rel=preload\r\n";
    let error = answered(gateway, 200, TEXT, "ok").await.unwrap_err();
    assert!(error.is_environment(), "{error:?}");
}

#[tokio::test]
async fn of_a_server_that_sends_ids_with_some_answers_only_none_is_asked_for() {
    let asked = async |minor| {
        let guarded = Guarded::of_version(minor, |_| Answer::Text(200, TEXT, "ok")).await;
        guarded.ask("GET", "").await
    };
    assert_eq!(asked("21").await.unwrap().status, 200);
    let error = asked("22").await.unwrap_err();
    assert!(error.is_environment(), "{error:?}");
}

#[tokio::test]
async fn a_log_that_did_not_come_from_the_api_server_is_none() {
    for has_ids in [true, false] {
        let fake = Fake::start(move |asked| match asked.line.as_str() {
            "GET /version" => own(has_ids, &json!({})),
            _ => Answer::Text(200, TEXT, "all is well\n"),
        })
        .await;
        let cluster = asked_once(&fake).await;
        let target = PodTarget {
            namespace: "n".into(),
            pod: "p".into(),
            container: None,
        };
        let mut log = Intake::default().begin();
        let read = cluster
            .logs(&target, &LogOptions::default(), &mut log)
            .await;
        assert_eq!(read.is_err(), has_ids, "{read:?}");
    }
}

#[tokio::test]
async fn a_path_as_it_is_may_be_anything_but_a_page_for_people() {
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /version" => own(true, &json!({})),
        "GET /cacerts" => Answer::Text(200, TEXT, "of the distribution"),
        "GET /livez" => Answer::Text(200, "Content-Type: text/html\r\n", PAGE),
        "GET /apis/x.example/v1" => Answer::Text(404, TEXT, UNSERVED),
        _ => Answer::Text(503, TEXT, "service unavailable\n"),
    })
    .await;
    let cluster = asked_once(&fake).await;
    for (path, code) in [
        ("/cacerts", 200),
        ("/apis/x.example/v1", 404),
        ("/apis/metrics.k8s.io/v1beta1/nodes", 503),
    ] {
        assert_eq!(cluster.get_raw(path).await.unwrap().code, code, "{path}");
    }
    let error = cluster.get_raw("/livez").await.unwrap_err();
    assert!(error.is_environment(), "{error:?}");
}

#[tokio::test]
async fn a_gateways_404_for_a_forwarded_port_is_not_the_pods() {
    let fake = Fake::start(|_| Answer::Text(404, TEXT, UNSERVED)).await;
    let (_, request) = proxied(Duration::from_secs(2));
    let target = HttpTarget::PodForward {
        namespace: "n".into(),
        pod: "p".into(),
        port: 80,
        scheme: Scheme::Http,
    };
    let error = fake.cluster().http(&target, &request).await.unwrap_err();
    assert!(matches!(error, HttpError::NotAsked { .. }), "{error:?}");
}

/// A connection by a plugin that gives `1`, `2`, … and counts its runs, to a server that answers
/// what goes through its proxy so.
struct Guarded {
    folder: tempfile::TempDir,
    fake: Fake,
    cluster: Cluster,
}

impl Guarded {
    async fn by(passed_on: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::of_version("34", passed_on).await
    }

    async fn of_version(
        minor: &'static str,
        passed_on: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fake = Fake::start(move |asked| match asked.line.as_str() {
            "GET /version" => own(true, &json!({"major": "1", "minor": minor})),
            line if is_passed_on(line) => passed_on(asked),
            _ => own(true, &json!({})),
        })
        .await;
        let script = format!(
            "echo x >> {0}/runs; echo '{{kind: ExecCredential, status: {{token: \"'$(wc -l < {0}/runs)'\"}}}}'",
            folder.path().display()
        );
        let kubeconfig = json!({
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{}", fake.address)}}],
            "users": [{"name": "u", "user": {"exec": {"command": "sh", "args": ["-c", script]}}}],
        });
        let path = folder.path().join("config");
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        let options = ConnectOptions {
            kubeconfig: Some(path),
            ..ConnectOptions::default()
        };
        let cluster = Cluster::connect(&options).await.unwrap();
        Self {
            folder,
            fake,
            cluster,
        }
    }

    async fn ask(&self, method: &str, body: &str) -> Result<HttpReply, HttpError> {
        let (target, request) = proxied(Duration::from_secs(5));
        let request = HttpRequest {
            method: method.into(),
            body: body.into(),
            ..request
        };
        self.cluster.http(&target, &request).await
    }

    async fn exec(&self) -> Result<ExecResult, ExecError> {
        let target = ExecTarget {
            namespace: "n".into(),
            pod: "p".into(),
            container: None,
        };
        let limits = ExecLimits {
            timeout: Duration::from_secs(5),
            stdout: Intake::keep(1024),
            stderr: Intake::keep(1024),
        };
        let (command, mut nobody) = (["true".to_owned()], Witness::none());
        let place = self.cluster.exec_place(&target).await;
        self.cluster
            .exec_bare(place, &target, &command, None, &limits, &mut nobody)
            .await
    }

    fn runs(&self) -> usize {
        let text = std::fs::read_to_string(self.folder.path().join("runs")).unwrap();
        text.lines().count()
    }

    /// How many requests were to be passed on.
    fn asked(&self) -> usize {
        let requests = self.fake.requests();
        requests.iter().filter(|it| is_passed_on(it)).count()
    }
}

fn is_passed_on(line: &str) -> bool {
    line.contains("/proxy/") || line.contains("/exec?")
}

/// Whether a request has the first token of the plugin's.
fn has_first_token(asked: &Asked) -> bool {
    asked.head.to_lowercase().contains("bearer 1\r\n")
}

#[tokio::test]
async fn a_service_that_lets_nobody_in_is_asked_once_and_costs_no_credentials() {
    let bodies = [
        r#"{"error": "who are you?"}"#,
        "Unauthorized",
        // an API server of another kind
        r#"{"kind": "Status", "apiVersion": "v1", "message": "no token", "reason": "Denied", "code": 401}"#,
    ];
    for body in bodies {
        let guarded = Guarded::by(move |_| Answer::Text(401, ID, body)).await;
        for (number, method) in ["POST", "GET"].into_iter().enumerate() {
            let reply = guarded.ask(method, "").await.unwrap();
            assert_eq!((reply.status, reply.body), (401, body.into()), "{method}");
            assert_eq!(guarded.asked(), number + 1, "{method}");
        }
        let raw = "/api/v1/namespaces/n/pods/p/proxy/metrics";
        let reply = guarded.cluster.get_raw(raw).await.unwrap();
        assert_eq!((reply.code, reply.body.as_slice()), (401, body.as_bytes()));
        assert_eq!((guarded.asked(), guarded.runs()), (3, 1), "{body}");
    }
}

#[tokio::test]
async fn a_long_refusal_of_a_service_is_read_whole() {
    let (target, request) = proxied(Duration::from_secs(5));
    let request = HttpRequest {
        intake: Intake::keep(100_000),
        ..request
    };
    let fake = Fake::start(|_| Answer::Chunks(401, vec![vec![b'x'; 10_000]; 5], Then::Close)).await;
    let reply = fake.cluster().http(&target, &request).await.unwrap();
    assert_eq!(reply.body, "x".repeat(50_000).as_str().into());
}

#[tokio::test]
async fn credentials_that_the_api_server_refuses_are_renewed_and_no_body_is_sent_twice() {
    const REFUSED: &str = r#"{"kind": "Status", "apiVersion": "v1", "message": "Unauthorized", "reason": "Unauthorized", "code": 401}"#;
    let guarded = Guarded::by(|asked| match has_first_token(asked) {
        true => Answer::Text(401, ID, REFUSED),
        false => Answer::Text(200, ID, "ok"),
    })
    .await;
    let error = guarded.ask("POST", "body").await.unwrap_err();
    assert!(error.is_environment(), "{error:?}");
    assert_eq!(guarded.asked(), 1);
    // from now on with others
    assert_eq!(guarded.ask("POST", "body").await.unwrap().status, 200);
    assert_eq!((guarded.asked(), guarded.runs()), (2, 2));

    let guarded = Guarded::by(|asked| match has_first_token(asked) {
        true => Answer::Text(401, ID, REFUSED),
        false => Answer::Text(200, ID, "ok"),
    })
    .await;
    assert_eq!(guarded.ask("GET", "").await.unwrap().status, 200);
    assert_eq!((guarded.asked(), guarded.runs()), (2, 2));
    // a service that is an API server refuses what the one before it let in
    for is_early in [false, true] {
        let guarded = Guarded::by(move |_| match is_early {
            false => Answer::Text(401, "Audit-Id: 7a1\r\nAudit-Id: 7a2\r\n", REFUSED),
            true => Answer::Hinted(ID, 401, "Audit-Id: 7a2\r\n", REFUSED),
        })
        .await;
        let error = guarded.ask("GET", "").await.unwrap_err();
        assert!(error.is_environment(), "{error:?}");
        assert_eq!((guarded.asked(), guarded.runs()), (1, 1));
    }
}

#[tokio::test]
async fn credentials_that_a_gateway_refuses_are_renewed_too() {
    let guarded = async || {
        Guarded::by(
            |asked| match (has_first_token(asked), asked.line.contains("/exec?")) {
                (true, _) => Answer::Text(401, TEXT, "the token has expired"),
                (false, false) => Answer::Text(200, ID, "ok"),
                (false, true) => {
                    Answer::Exec(vec![b"\x03{\"status\":\"Success\"}".to_vec()], Then::Close)
                }
            },
        )
        .await
    };
    let by_get = guarded().await;
    assert_eq!(by_get.ask("GET", "").await.unwrap().status, 200);
    assert_eq!((by_get.asked(), by_get.runs()), (2, 2));
    // nothing is sent twice that may do something twice
    let by_post = guarded().await;
    let error = by_post.ask("POST", "body").await.unwrap_err();
    assert!(error.is_environment(), "{error:?}");
    assert_eq!(by_post.asked(), 1);
    assert_eq!(by_post.ask("POST", "body").await.unwrap().status, 200);
    assert_eq!((by_post.asked(), by_post.runs()), (2, 2));
    let by_exec = guarded().await;
    assert_eq!(by_exec.exec().await.unwrap().exit, 0);
    assert_eq!((by_exec.asked(), by_exec.runs()), (2, 2));
}
