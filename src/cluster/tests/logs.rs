//! Logs: whole, cut off, too early, followed; and whose.

use std::time::Duration;

use serde_json::json;

use super::super::{LogError, LogOptions, LogSince, PodTarget};
use super::fake::{Answer, Fake, Then};
use crate::output::{Intake, Text};

fn target() -> PodTarget {
    PodTarget {
        namespace: "n".into(),
        pod: "p".into(),
        container: None,
    }
}

/// What was read, and whether that was all.
async fn read_into(fake: &Fake, timeout: Duration) -> (Text, Result<(), LogError>) {
    let options = LogOptions {
        timeout,
        ..LogOptions::default()
    };
    let mut output = Intake::keep(8).begin();
    let cluster = fake.cluster();
    let ended = cluster.logs(&target(), &options, &mut output).await;
    (output.finish(), ended)
}

async fn read(fake: &Fake, timeout: Duration) -> Result<Text, LogError> {
    let (text, ended) = read_into(fake, timeout).await;
    ended.map(|()| text)
}

async fn answered(chunks: &[&str], then: Then) -> (Text, Result<(), LogError>) {
    let chunks: Vec<Vec<u8>> = chunks.iter().map(|c| c.as_bytes().to_vec()).collect();
    let fake = Fake::start(move |asked| match asked.line.contains("tailLines=1") {
        true => Answer::Chunks(200, Vec::new(), Then::Close),
        false => Answer::Chunks(200, chunks.clone(), then),
    })
    .await;
    read_into(&fake, Duration::from_secs(1)).await
}

#[tokio::test]
async fn both_ends_of_a_log_are_kept() {
    let (log, ended) = answered(&["abc", "defgh"], Then::Close).await;
    assert_eq!((log, ended), ("abcdefgh".into(), Ok(())));
    let (log, ended) = answered(&["abcdef", "ghijkl"], Then::Close).await;
    assert_eq!(log.shown(), "abcd\n[... 4 bytes left out ...]\nijkl");
    assert_eq!((log.left_out(), ended), (4, Ok(())));
}

#[tokio::test]
async fn what_had_come_in_is_kept_where_it_breaks_off() {
    for then in [Then::Drop, Then::Reset, Then::Hang] {
        let (log, ended) = answered(&["half"], then).await;
        let error = ended.unwrap_err();
        assert!(error.is_environment());
        assert!(matches!(error, LogError::Broken { .. }), "{error:?}");
        assert_eq!(log, "half".into());
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
    assert_eq!(log, "halves".into());
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
    assert_eq!(log, "of b".into());
    // one of them for the last line that there is
    assert_eq!(fake.requests().len(), 4);
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

/// The API server ends its answer in good order where the node is lost while it hands a log on.
#[tokio::test]
async fn a_log_that_ends_early_in_good_order_is_read_anew() {
    let served = |answers: [&'static [u8]; 3]| {
        Fake::start(move |asked| {
            let body = match asked.line.contains("tailLines=1") {
                true => b"the last\n",
                // the first request is that for the last line
                false => answers[asked.before.saturating_sub(1).min(2)],
            };
            Answer::Chunks(200, vec![body.to_vec()], Then::Close)
        })
    };
    let first = b"a\nb\n";
    let fake = served([first, b"a\nb\nthe la", b"a\nb\nthe last\nmore\n"]).await;
    let log = read(&fake, Duration::from_secs(5)).await.unwrap();
    assert_eq!(log.left_out(), "a\nb\nthe last\nmore\n".len() as u64 - 8);
    assert_eq!(fake.requests().len(), 4);
    let fake = served([b"a\nb\n"; 3]).await;
    let error = read(&fake, Duration::from_secs(1)).await.unwrap_err();
    assert!(error.is_environment(), "{error}");
    // who asks for the last lines gets them as they are by then
    let fake = served([b"b\n"; 3]).await;
    let options = LogOptions {
        tail: Some(2),
        ..LogOptions::default()
    };
    let mut output = Intake::keep(8).begin();
    let cluster = fake.cluster();
    cluster
        .logs(&target(), &options, &mut output)
        .await
        .unwrap();
    assert_eq!(fake.requests().len(), 1);
}

/// What is so young at the first request may not be at the next.
#[tokio::test]
async fn a_line_that_grew_too_old_is_not_missed() {
    // in turn, and from the start when all were given
    let read = async |answers: &[&'static str]| {
        let answers = answers.to_vec();
        let fake = Fake::start(move |asked| {
            let body = answers[asked.before % answers.len()];
            Answer::Chunks(200, vec![body.as_bytes().to_vec()], Then::Close)
        })
        .await;
        let options = LogOptions {
            since: Some(LogSince::Ago(Duration::from_secs(60))),
            timeout: Duration::from_secs(1),
            ..LogOptions::default()
        };
        let mut output = Intake::keep(8).begin();
        let cluster = fake.cluster();
        let ended = cluster.logs(&target(), &options, &mut output).await;
        (ended.map(|()| output.finish()), fake.requests().len())
    };
    // the last line, the log, the last line by then, and the log again
    let (log, requests) = read(&["old\n", "", "", ""]).await;
    assert_eq!((log, requests), (Ok("".into()), 4));
    let (log, requests) = read(&["old\n", "a\n", "b\n", "a\nb\n"]).await;
    assert_eq!((log, requests), (Ok("a\nb\n".into()), 4));
    // a line that is still there was left out
    let (log, _) = read(&["old\n", ""]).await;
    assert!(matches!(log, Err(LogError::Broken { .. })), "{log:?}");
}
