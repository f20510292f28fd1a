//! Exec: every way in which a command can end or its connection break.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::super::exec::Witness;
use super::super::{
    ExecError, ExecLimits, ExecReached, ExecResult, ExecTarget, MAX_CONCURRENT_EXECS_PER_POD,
};
use super::fake::{Answer, Fake, Then};
use crate::output::Intake;

const SUCCESS: &[u8] = b"\x03{\"status\":\"Success\"}";

fn frames(frames: &[&[u8]]) -> Vec<Vec<u8>> {
    frames.iter().map(|frame| frame.to_vec()).collect()
}

fn target() -> ExecTarget {
    ExecTarget {
        namespace: "n".into(),
        pod: "p".into(),
        container: None,
    }
}

async fn run(
    fake: &Fake,
    stdin: Option<&[u8]>,
    timeout: Duration,
) -> Result<ExecResult, ExecError> {
    let target = target();
    let command = ["true".to_owned()];
    let limits = ExecLimits {
        timeout,
        stdout: Intake::keep(1024),
        stderr: Intake::keep(1024),
    };
    let stdin = stdin.map(<[u8]>::to_vec);
    let mut nobody = Witness::none();
    let cluster = fake.cluster();
    let place = cluster.exec_place(&target).await;
    cluster
        .exec_bare(place, &target, &command, stdin, &limits, &mut nobody)
        .await
}

async fn answered(sent: &[&[u8]], then: Then) -> Result<ExecResult, ExecError> {
    let sent = frames(sent);
    let fake = Fake::start(move |_| Answer::Exec(sent.clone(), then)).await;
    run(&fake, None, Duration::from_secs(5)).await
}

#[tokio::test]
async fn an_exit_code_is_an_answer() {
    let result = answered(&[b"\x01out", b"\x02err", b"\x01put", SUCCESS], Then::Close)
        .await
        .unwrap();
    assert_eq!(result.exit, 0);
    assert_eq!(result.stdout, "output".into());
    assert_eq!(result.stderr, "err".into());
    let status = br#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;
    let frame = [b"\x03".as_slice(), status].concat();
    let result = answered(&[&frame], Then::Close).await.unwrap();
    assert_eq!(result.exit, 3);
}

#[tokio::test]
async fn after_the_status_a_broken_connection_does_no_harm() {
    for then in [Then::Drop, Then::Hang] {
        let result = answered(&[b"\x01x", SUCCESS], then).await.unwrap();
        assert_eq!((result.exit, result.stdout), (0, "x".into()));
    }
    // Output may still follow the status.
    let result = answered(&[SUCCESS, b"\x01late"], Then::Close)
        .await
        .unwrap();
    assert_eq!(result.stdout, "late".into());
}

#[tokio::test]
async fn without_a_status_the_partial_output_is_kept() {
    for then in [Then::Drop, Then::Close] {
        match answered(&[b"\x01half", b"\x02of it"], then).await {
            Err(ExecError::Broken { stdout, stderr, .. }) => {
                assert_eq!((stdout.as_str(), stderr.as_str()), ("half", "of it"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_reset_is_broken_not_a_result() {
    let error = answered(&[b"\x01half"], Then::Reset).await.unwrap_err();
    assert!(matches!(error, ExecError::Broken { .. }), "{error:?}");
    assert!(error.is_environment());
}

#[tokio::test]
async fn a_failure_of_the_runtime_is_not_a_result() {
    let failure = b"\x03{\"status\":\"Failure\",\"reason\":\"InternalError\",\"message\":\"no such executable\"}";
    let error = answered(&[failure], Then::Close).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the command did not start: no such executable"
    );
    let error = answered(&[b"\x01began", failure], Then::Close)
        .await
        .unwrap_err();
    assert!(matches!(error, ExecError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn a_refused_upgrade_has_the_servers_words() {
    let fake = Fake::start(|_| {
        Answer::Json(
            404,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "reason": "NotFound", "message": "pods \"p\" not found", "code": 404}),
        )
    })
    .await;
    let error = run(&fake, None, Duration::from_secs(5)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the command did not start: pods \"p\" not found"
    );
    assert_eq!(
        fake.requests(),
        ["GET /api/v1/namespaces/n/pods/p/exec?&stdout=true&stderr=true&command=true"]
    );
}

#[tokio::test]
async fn a_time_out_tells_whether_it_had_started_and_ends_the_command() {
    let fake = Fake::start(|asked| match asked.before {
        0 => Answer::Exec(vec![b"\x01half".to_vec()], Then::Hang),
        _ => Answer::Exec(vec![SUCCESS.to_vec()], Then::Close),
    })
    .await;
    let error = run(&fake, None, Duration::from_millis(500))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the command did not end within 500ms");
    assert!(!error.is_environment());
    let ExecError::TimedOut { stdout, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(stdout, "half");
    let requests = fake.requests();
    assert!(
        requests[1].contains("command=sh&command=-c&"),
        "{requests:?}"
    );
    assert!(requests[1].ends_with("command=kubeproof&command=0&command=true"));
}

#[tokio::test]
async fn a_silent_command_runs_only_where_the_node_answers() {
    let no_shell = b"\x03{\"status\":\"Failure\",\"message\":\"exec: \\\"sh\\\": executable file not found in $PATH\"}";
    let no_node = b"\x03{\"status\":\"Failure\",\"message\":\"error dialing backend: dial tcp: connection refused\"}";
    let cases: [(&'static [u8], Then, ExecReached); 4] = [
        (SUCCESS, Then::Close, ExecReached::Command),
        (no_shell, Then::Close, ExecReached::Command),
        (no_node, Then::Close, ExecReached::ApiServer),
        (b"", Then::Hang, ExecReached::ApiServer),
    ];
    for (answer, then, expected) in cases {
        let fake = Fake::start(move |asked| match asked.before {
            0 => Answer::Exec(vec![], Then::Hang),
            _ => Answer::Exec(vec![answer.to_vec()], then),
        })
        .await;
        let error = run(&fake, None, Duration::from_millis(500)).await;
        let Err(ExecError::TimedOut { reached, .. }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(reached, expected, "{}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_the_environment() {
    let fake = Fake::start(|_| Answer::Nothing(Then::Hang)).await;
    let error = run(&fake, None, Duration::from_millis(300))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the command did not start within 300ms");
    assert!(error.is_environment());
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test]
async fn stdin_is_sent_whole_and_closed() {
    let fake = Fake::start(|_| Answer::Echo).await;
    let stdin = vec![b'x'; 100_000];
    let result = run(&fake, Some(&stdin), Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!(result.stdout.left_out(), 100_000 - 1024);
    assert!(fake.requests()[0].contains("&stdin=true&"));
    let empty = run(&fake, Some(b""), Duration::from_secs(5)).await.unwrap();
    assert_eq!((empty.exit, empty.stdout), (0, "".into()));
}

#[tokio::test]
async fn it_is_tried_again_only_where_it_cannot_have_started() {
    let refusals: [(fn() -> Answer, bool); 5] = [
        (
            || Answer::Json(429, json!({"message": "slow down", "code": 429})),
            true,
        ),
        (
            || Answer::Json(503, json!({"message": "starting", "code": 503})),
            true,
        ),
        (
            || Answer::Json(500, json!({"message": "no backend", "code": 500})),
            false,
        ),
        (
            || Answer::Json(504, json!({"message": "too late", "code": 504})),
            false,
        ),
        (|| Answer::Nothing(Then::Reset), false),
    ];
    for (number, (refusal, is_repeated)) in refusals.into_iter().enumerate() {
        let fake = Fake::start(move |asked| match asked.before {
            0 => refusal(),
            _ => Answer::Exec(vec![SUCCESS.to_vec()], Then::Close),
        })
        .await;
        let ended = run(&fake, None, Duration::from_secs(5)).await;
        assert_eq!(ended.is_ok(), is_repeated, "{number}: {ended:?}");
        assert_eq!(fake.requests().len(), 1 + usize::from(is_repeated));
    }
}

#[tokio::test]
async fn a_command_that_nobody_waits_for_is_told_to_end() {
    let fake = Fake::start(|asked| match asked.before {
        0 => Answer::Exec(vec![b"\x01half".to_vec()], Then::Hang),
        _ => Answer::Exec(vec![SUCCESS.to_vec()], Then::Close),
    })
    .await;
    let cluster = fake.cluster();
    let (command, limits) = (["true".to_owned()], ExecLimits::default());
    let target = target();
    let mut nobody = Witness::none();
    let place = cluster.exec_place(&target).await;
    let session = cluster.exec_bare(place, &target, &command, None, &limits, &mut nobody);
    let given_up = tokio::time::timeout(Duration::from_millis(500), session).await;
    assert!(given_up.is_err());
    cluster.commands_ended().await;
    let requests = fake.requests();
    // again, since the first of them may have come before the command
    assert_eq!(requests.len(), 3, "{requests:?}");
    for stop in &requests[1..] {
        assert!(stop.contains("command=sh&command=-c&"), "{stop}");
        assert!(stop.ends_with("command=kubeproof&command=0&command=true"));
    }
    // what came to its end is left alone
    let place = cluster.exec_place(&target).await;
    let ended = cluster
        .exec_bare(place, &target, &command, None, &limits, &mut nobody)
        .await;
    assert_eq!(ended.unwrap().exit, 0);
    cluster.commands_ended().await;
    assert_eq!(fake.requests().len(), 4);
}

#[tokio::test]
async fn a_command_whose_connection_broke_is_told_to_end() {
    let fake = Fake::start(|asked| match asked.before {
        0 => Answer::Exec(vec![b"\x01half".to_vec()], Then::Drop),
        _ => Answer::Exec(vec![SUCCESS.to_vec()], Then::Close),
    })
    .await;
    let cluster = fake.cluster();
    let target = target();
    let (command, limits) = (["true".to_owned()], ExecLimits::default());
    let mut nobody = Witness::none();
    let place = cluster.exec_place(&target).await;
    let broken = cluster.exec_bare(place, &target, &command, None, &limits, &mut nobody);
    let error = broken.await.unwrap_err();
    assert!(matches!(error, ExecError::Broken { .. }), "{error:?}");
    cluster.commands_ended().await;
    assert!(fake.requests()[1].contains("command=sh&command=-c&"));
}

#[tokio::test]
async fn waiting_for_a_place_takes_nothing_of_a_commands_time() {
    const NO_SHELL: &[u8] = b"\x03{\"status\":\"Failure\",\"message\":\"exec: \\\"sh\\\": executable file not found in $PATH\"}";
    let fake = Fake::start(|asked| match asked.before {
        1 => Answer::Exec(vec![b"\x01it runs".to_vec()], Then::Hang),
        _ => Answer::Exec(vec![NO_SHELL.to_vec()], Then::Close),
    })
    .await;
    let cluster = fake.cluster();
    let target = target();
    let mut others = Vec::new();
    for _ in 0..MAX_CONCURRENT_EXECS_PER_POD {
        others.push(cluster.exec_place(&target).await);
    }
    let (waiting, time) = (Duration::from_millis(700), Duration::from_millis(1000));
    tokio::spawn(async move {
        tokio::time::sleep(waiting).await;
        drop(others);
    });
    let place = cluster.exec_place(&target).await;
    assert!(place.waited() >= waiting, "{:?}", place.waited());
    let begun = Instant::now();
    let limits = ExecLimits {
        timeout: time,
        ..ExecLimits::default()
    };
    let command = ["true".to_owned()];
    let ended = cluster.exec(place, &target, &command, None, &limits);
    let error = ended.await.unwrap_err();
    assert!(begun.elapsed() >= time, "{:?}", begun.elapsed());
    assert_eq!(error.to_string(), "the command did not end within 1s");
    // the place is free again
    for _ in 0..MAX_CONCURRENT_EXECS_PER_POD {
        let place = cluster.exec_place(&target).await;
        assert!(place.waited() < time);
    }
}
