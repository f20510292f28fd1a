//! HTTP: each way to a target, and each way it can fail on.

use std::time::Duration;

use serde_json::json;

use super::super::{Access, HttpError, HttpReply, HttpRequest, HttpTarget, Identity};
use super::super::{Cluster, LogOptions, PodTarget, Resource, Scheme};
use super::fake::{Answer, Fake, Then, cluster_at};
use crate::output::Intake;

const OPENED: [&[u8]; 2] = [b"\x00\x50\x00", b"\x01\x50\x00"];

fn request() -> HttpRequest {
    HttpRequest {
        path: "/healthz?x=1".into(),
        timeout: Duration::from_millis(500),
        intake: Intake::keep(8),
        ..HttpRequest::default()
    }
}

fn proxied() -> HttpTarget {
    HttpTarget::ServiceProxy {
        namespace: "n".into(),
        service: "web".into(),
        port: "80".into(),
        scheme: Scheme::Http,
    }
}

fn forwarded() -> HttpTarget {
    HttpTarget::PodForward {
        namespace: "n".into(),
        pod: "p".into(),
        port: 80,
        scheme: Scheme::Http,
    }
}

async fn ask(fake: &Fake, target: &HttpTarget) -> Result<HttpReply, HttpError> {
    fake.cluster().http(target, &request()).await
}

async fn forward(frames: &[&[u8]], then: Then) -> Result<HttpReply, HttpError> {
    let frames: Vec<Vec<u8>> = OPENED.iter().chain(frames).map(|f| f.to_vec()).collect();
    let fake = Fake::start(move |asked| match asked.line.as_str() {
        "GET /version" => Answer::Json(200, json!({})),
        _ => Answer::Forward(frames.clone(), then),
    })
    .await;
    ask(&fake, &forwarded()).await
}

#[tokio::test]
async fn a_service_answers_through_the_proxy() {
    let fake = Fake::start(|asked| match asked.before {
        0 => Answer::WithHeader(200, "X-A", "b", json!("ok")),
        _ => Answer::Chunks(503, vec![b"0123456789".to_vec()], Then::Close),
    })
    .await;
    let reply = ask(&fake, &proxied()).await.unwrap();
    assert_eq!((reply.status, reply.body), (200, "\"ok\"".into()));
    assert!(reply.headers.contains(&("x-a".into(), "b".into())));
    // Its own 503 is an answer, and is not asked for again.
    let reply = ask(&fake, &proxied()).await.unwrap();
    assert_eq!((reply.status, reply.body.left_out()), (503, 2));
    assert_eq!(
        fake.requests(),
        ["GET /api/v1/namespaces/n/services/http:web:80/proxy/healthz?x=1"; 2]
    );
}

#[tokio::test]
async fn the_proxys_own_503_is_no_answer() {
    let message = "no endpoints available for service \"web\"";
    let body = json!({"kind": "Status", "apiVersion": "v1", "message": message,
                      "reason": "ServiceUnavailable", "code": 503});
    let body = body.to_string().into_bytes();
    let fake = Fake::start(move |_| Answer::Chunks(503, vec![body.clone()], Then::Close)).await;
    // Which it is however little of a body is to be kept.
    let error = ask(&fake, &proxied()).await.unwrap_err();
    let cause = message.to_owned();
    assert_eq!(error, HttpError::NotReached { cause });
}

#[tokio::test]
async fn a_slow_service_is_told_from_a_slow_server() {
    let service = Fake::start(|asked| match asked.line.as_str() {
        "GET /version" => Answer::Json(200, json!({})),
        _ => Answer::Nothing(Then::Hang),
    })
    .await;
    let error = ask(&service, &proxied()).await.unwrap_err();
    assert!(!error.is_environment(), "{error:?}");
    let server = Fake::start(|_| Answer::Nothing(Then::Hang)).await;
    let error = ask(&server, &proxied()).await.unwrap_err();
    assert!(error.is_environment(), "{error:?}");
}

#[tokio::test]
async fn a_pod_answers_through_a_forwarded_port() {
    let fake = Fake::start(|_| {
        let frames = [
            OPENED[0],
            OPENED[1],
            b"\x00HTTP/1.1 201 X\r\ncontent-le",
            b"\x00ngth: 2\r\n\r\nok",
        ];
        Answer::Forward(frames.map(<[u8]>::to_vec).to_vec(), Then::Hang)
    })
    .await;
    let reply = ask(&fake, &forwarded()).await.unwrap();
    assert_eq!((reply.status, &reply.body), (201, &"ok".into()));
    assert_eq!(reply.peer.as_deref(), Some("pod/p"));
    assert_eq!(
        fake.requests(),
        ["GET /api/v1/namespaces/n/pods/p/portforward?&ports=80"]
    );
}

#[tokio::test]
async fn an_answer_that_ends_with_the_connection_is_whole() {
    let answer = b"\x00HTTP/1.1 200 OK\r\n\r\nall";
    let reply = forward(&[answer], Then::Close).await.unwrap();
    assert_eq!(reply.body, "all".into());
    let complaint = b"\x01error forwarding port 80: broken pipe\n";
    let reply = forward(&[answer, complaint], Then::Close).await.unwrap();
    assert_eq!(reply.body, "all".into());
    // But not where it is the way to the pod that ended: more may have been to come.
    for then in [Then::Drop, Then::Reset] {
        let error = forward(&[answer], then).await.unwrap_err();
        assert!(matches!(error, HttpError::Broken { .. }), "{error:?}");
    }
    // One that says its length is, whatever becomes of the connection.
    let answer = b"\x00HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nall";
    let reply = forward(&[answer], Then::Drop).await.unwrap();
    assert_eq!(reply.body, "all".into());
    let answer = b"\x00HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nall";
    let reply = forward(&[answer], Then::Reset).await;
    assert!(
        matches!(reply, Ok(_) | Err(HttpError::Broken { .. })),
        "{reply:?}"
    );
}

#[tokio::test]
async fn each_way_a_forwarded_port_breaks_is_told() {
    let error = b"\x01error forwarding port 80: connection refused\n";
    let refused = forward(&[error], Then::Close).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "error forwarding port 80: connection refused"
    );
    assert!(matches!(refused, HttpError::NotReached { .. }));
    let half = b"\x00HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal";
    for then in [Then::Close, Then::Drop, Then::Reset] {
        let error = forward(&[half], then).await.unwrap_err();
        assert!(matches!(error, HttpError::Broken { .. }), "{error:?}");
    }
    let error = forward(&[half], Then::Hang).await.unwrap_err();
    assert!(matches!(error, HttpError::TimedOut { reached: true, .. }));
    let error = forward(&[b"\x00SSH-2.0-x\r\n\r\n"], Then::Hang).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "the connection broke: what answers does not speak HTTP/1"
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_with_the_server_is_not_the_services() {
    let half = |then| Answer::Chunks(200, vec![b"half".to_vec()], then);
    let opened = OPENED.map(<[u8]>::to_vec).to_vec();
    for then in [Then::Drop, Then::Reset] {
        let frames = [
            opened.clone(),
            vec![b"\x00HTTP/1.1 200 OK\r\n\r\nhalf".to_vec()],
        ]
        .concat();
        for is_there in [true, false] {
            let frames = frames.clone();
            let fake = Fake::start(move |asked| match asked.line.as_str() {
                "GET /version" if is_there => Answer::Json(200, json!({})),
                "GET /version" => Answer::Nothing(Then::Reset),
                line if line.contains("/proxy/") => half(then),
                _ => Answer::Forward(frames.clone(), then),
            })
            .await;
            for target in [proxied(), forwarded()] {
                let error = ask(&fake, &target).await.unwrap_err();
                assert_eq!(error.is_environment(), !is_there, "{target:?}: {error:?}");
            }
        }
    }
    // What is asked straight has nothing to do with the API server.
    let fake = Fake::start(move |_| half(Then::Drop)).await;
    let target = HttpTarget::Url(format!("http://{}/", fake.address));
    let error = ask(&fake, &target).await.unwrap_err();
    assert!(matches!(error, HttpError::Broken { .. }), "{error:?}");
    assert_eq!(fake.requests(), ["GET /"]);
}

#[tokio::test]
async fn the_way_to_a_pod_is_told_from_the_pod() {
    let refused = async |code: u16, reason: &'static str, message: &'static str| {
        let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                          "reason": reason, "message": message, "code": code});
        let fake = Fake::start(move |_| Answer::Json(code, body.clone())).await;
        ask(&fake, &forwarded()).await.unwrap_err()
    };
    let gone = refused(404, "NotFound", "pods \"p\" not found").await;
    assert!(matches!(gone, HttpError::NotReached { .. }));
    let forbidden = refused(403, "Forbidden", "pods \"p\" is forbidden").await;
    assert!(matches!(forbidden, HttpError::NotAsked { .. }));
    let hanging = Fake::start(|_| Answer::Nothing(Then::Hang)).await;
    let error = ask(&hanging, &forwarded()).await.unwrap_err();
    assert!(matches!(error, HttpError::TimedOut { reached: false, .. }));
}

#[tokio::test]
async fn a_url_is_asked_straight() {
    let fake = Fake::start(|_| Answer::Json(404, json!("no"))).await;
    let port = fake.address.port();
    // Whatever that name is elsewhere.
    let target = HttpTarget::Url(format!("http://name.invalid:{port}/a?b#c"));
    let request = HttpRequest {
        resolve: vec![format!("name.invalid:{port}:127.0.0.1").parse().unwrap()],
        ..request()
    };
    let reply = fake.cluster().http(&target, &request).await.unwrap();
    assert_eq!((reply.status, reply.body), (404, "\"no\"".into()));
    assert_eq!(reply.peer, Some(fake.address.to_string()));
    assert_eq!(fake.requests(), ["GET /a?b"]);
    // What speaks no TLS says so.
    let target = HttpTarget::Url(format!("https://127.0.0.1:{port}/"));
    let fake = Fake::start(|_| Answer::Nothing(Then::Drop)).await;
    let _ = fake.cluster().http(&target, &request).await.unwrap_err();
}

#[tokio::test]
async fn a_url_where_nothing_listens_is_not_reached() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let target = HttpTarget::Url(format!("http://{address}/"));
    let error = cluster_at(address)
        .http(&target, &request())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), format!("{address}: connection refused"));
    assert!(!error.is_environment());
}

/// To an address of all there is no connection, so that the system says that there is no way.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_url_to_which_there_is_no_way_from_here_is_not_judged() {
    let fake = Fake::start(|_| Answer::Json(200, json!({}))).await;
    let target = HttpTarget::Url("http://127.255.255.255:80/".into());
    let error = fake.cluster().http(&target, &request()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the request could not be sent: 127.255.255.255:80: Network is unreachable"
    );
    assert!(error.is_environment());
}

/// The runner moves all of these between threads.
#[test]
fn futures_can_be_sent() {
    fn is_send<T: Send>(_: impl Fn(Cluster) -> T) {}
    is_send(|cluster| async move { cluster.http(&proxied(), &request()).await });
    is_send(|cluster| async move {
        let target = PodTarget {
            namespace: String::new(),
            pod: String::new(),
            container: None,
        };
        let mut output = Intake::default().begin();
        let options = LogOptions::default();
        let _ = cluster.logs(&target, &options, &mut output).await;
        let mut stream = cluster.follow_logs(&target, &LogOptions::default()).await;
        if let Ok(stream) = &mut stream {
            let _ = stream.next().await;
        }
        let _ = cluster.get_raw("/").await;
        let _ = cluster.list(&Resource::pod(), None, None).await;
        let access = Access::Path {
            verb: String::new(),
            path: String::new(),
        };
        let _ = cluster.can(&access, Some(&Identity::default())).await;
    });
}
