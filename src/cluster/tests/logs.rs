//! Logs: whole, cut off, too early, followed; and whose.

use std::time::Duration;

use serde_json::json;

use super::super::{LogError, LogOptions, LogText, PodTarget};
use super::fake::{Answer, Fake, Then};

fn target() -> PodTarget {
    PodTarget {
        namespace: "n".into(),
        pod: "p".into(),
        container: None,
    }
}

async fn read(fake: &Fake, timeout: Duration) -> Result<LogText, LogError> {
    let options = LogOptions {
        limit: 8,
        timeout,
        ..LogOptions::default()
    };
    fake.cluster().logs(&target(), &options).await
}

async fn answered(chunks: &[&str], then: Then) -> Result<LogText, LogError> {
    let chunks: Vec<Vec<u8>> = chunks.iter().map(|c| c.as_bytes().to_vec()).collect();
    let fake = Fake::start(move |_| Answer::Chunks(200, chunks.clone(), then)).await;
    read(&fake, Duration::from_secs(1)).await
}

#[tokio::test]
async fn both_ends_of_a_log_are_kept() {
    let log = answered(&["abc", "defgh"], Then::Close).await.unwrap();
    assert_eq!((log.bytes.as_slice(), log.left_out), (&b"abcdefgh"[..], 0));
    let log = answered(&["abcdef", "ghijkl"], Then::Close).await.unwrap();
    assert_eq!(log.bytes, b"abcd\n[... 4 bytes left out ...]\nijkl");
    assert_eq!(log.left_out, 4);
}

#[tokio::test]
async fn what_had_come_in_is_kept_where_it_breaks_off() {
    for then in [Then::Drop, Then::Reset, Then::Hang] {
        let error = answered(&["half"], then).await.unwrap_err();
        assert!(error.is_environment());
        match error {
            LogError::Broken { partial, .. } => assert_eq!(partial, b"half"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_log_that_broke_off_is_read_anew() {
    let fake = Fake::start(|asked| match asked.before {
        0 => Answer::Chunks(200, vec![b"ha".to_vec()], Then::Reset),
        _ => Answer::Chunks(200, vec![b"halves".to_vec()], Then::Close),
    })
    .await;
    let log = read(&fake, Duration::from_secs(5)).await.unwrap();
    assert_eq!(log.bytes, b"halves");
}

#[tokio::test]
async fn too_early_is_told_from_gone() {
    let refused = async |code: u16, message: &'static str| {
        let fake =
            Fake::start(move |_| Answer::Json(code, json!({"kind": "Status", "message": message})))
                .await;
        read(&fake, Duration::from_secs(1)).await.unwrap_err()
    };
    let early = "container \"c\" in pod \"p\" is waiting to start: ContainerCreating";
    let error = refused(400, early).await;
    assert!(matches!(error, LogError::NotStarted { .. }));
    assert_eq!(error.to_string(), early);
    let gone = refused(404, "pods \"p\" not found").await;
    assert!(matches!(gone, LogError::Cluster(error) if error.is_not_found()));
}

#[tokio::test]
async fn the_default_container_is_looked_for_when_there_are_several() {
    let fake = Fake::start(|asked| {
        let several = "a container name must be specified for pod p, choose one of: [a b]";
        if asked.line.contains("container=b") {
            Answer::Chunks(200, vec![b"of b".to_vec()], Then::Close)
        } else if asked.line.contains("/log?") {
            Answer::Json(400, json!({"kind": "Status", "message": several}))
        } else {
            let annotation = "kubectl.kubernetes.io/default-container";
            Answer::Json(200, json!({"metadata": {"annotations": {annotation: "b"}}}))
        }
    })
    .await;
    let log = read(&fake, Duration::from_secs(1)).await.unwrap();
    assert_eq!(log.bytes, b"of b");
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn a_log_is_followed_to_its_end() {
    let fake =
        Fake::start(|_| Answer::Chunks(200, vec![b"a\n".to_vec(), b"b\n".to_vec()], Then::Close))
            .await;
    let cluster = fake.cluster();
    let options = LogOptions::default();
    let mut stream = cluster.follow_logs(&target(), &options).await.unwrap();
    let mut log = Vec::new();
    while let Some(chunk) = stream.next().await.unwrap() {
        log.extend(chunk);
    }
    assert_eq!(log, b"a\nb\n");
    assert_eq!(
        fake.requests(),
        ["GET /api/v1/namespaces/n/pods/p/log?follow=true"]
    );
}
