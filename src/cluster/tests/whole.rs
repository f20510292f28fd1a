//! A text anywhere in an output of any length, through each reader: it is found, or the output is not
//! known to be without it. Never is it passed over.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::super::exec::Witness;
use super::super::{
    EventFilter, ExecLimits, HttpRequest, HttpTarget, LogOptions, PodTarget, Scheme,
};
use super::fake::{Answer, Fake, Then};
use crate::matcher::{Judge, OutputExpectation};
use crate::output::{Intake, Text};

const NEEDLE: &str = "🔍 the needle";
const LONGEST: usize = 20_000_000;

/// Something long with the needle in it, in pieces that end anywhere.
#[derive(Debug, Clone)]
struct Flood {
    before: usize,
    after: usize,
    piece: usize,
}

impl Flood {
    fn any() -> impl Strategy<Value = Self> {
        // as often short as long
        let length = (0_u32..25, 0.5_f64..1.0)
            .prop_map(|(power, part)| ((f64::from(1 << power) * part) as usize).min(LONGEST));
        (length, 0.0_f64..1.0, 1_usize..70_000).prop_map(|(length, part, piece)| {
            let before = (length as f64 * part) as usize;
            Self {
                before,
                after: length - before,
                // a frame for each byte would take minutes
                piece: piece.max(length / 1000),
            }
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let filler = "Zeile für Zeile, 0123456789\n".repeat(100).into_bytes();
        let some = |length: usize| filler.iter().copied().cycle().take(length);
        let mut bytes: Vec<u8> = some(self.before).collect();
        bytes.extend_from_slice(NEEDLE.as_bytes());
        bytes.extend(some(self.after));
        bytes
    }

    fn pieces(&self) -> Vec<Vec<u8>> {
        let bytes = self.bytes();
        bytes.chunks(self.piece).map(<[u8]>::to_vec).collect()
    }
}

/// Holds a reader against some floods, and the longest of all.
fn each_flood(check: impl AsyncFn(&Flood)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let longest = Flood {
        before: LONGEST / 2,
        after: LONGEST / 2,
        piece: 65_521,
    };
    runtime.block_on(check(&longest));
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(5)
    });
    let ran = runner.run(&Flood::any(), |flood| {
        runtime.block_on(check(&flood));
        Ok(())
    });
    ran.unwrap();
}

fn judge() -> Judge {
    let expectation = OutputExpectation {
        contains: vec![NEEDLE.to_owned()],
        matches: vec!["the needle".to_owned()],
        ..OutputExpectation::default()
    };
    Judge::new(expectation).unwrap()
}

fn intake() -> Intake {
    let absent = OutputExpectation {
        absent: vec![NEEDLE.to_owned()],
        ..OutputExpectation::default()
    };
    Intake::default().looking_for(Judge::new(absent).unwrap().look())
}

/// An output that has the needle is not without it.
fn assert_found(text: &Text, flood: &Flood) {
    let absent = OutputExpectation {
        absent: vec![NEEDLE.to_owned()],
        ..OutputExpectation::default()
    };
    let verdict = Judge::new(absent).unwrap().judge("it", text).unwrap();
    assert_eq!(verdict.wrong.len(), 1, "{flood:?}: {:?}", verdict.unknown);
    // an expectation that it was not looked through for says nothing, and not that it holds
    let other = judge().judge("it", text).unwrap();
    match text {
        Text::Whole(_) => assert_eq!((other.wrong.len(), other.unknown.len()), (0, 0)),
        Text::Cut(_) => assert_eq!(other.unknown.len(), 1),
    }
}

fn target() -> PodTarget {
    PodTarget {
        namespace: "n".into(),
        pod: "p".into(),
        container: Some("c".into()),
    }
}

#[test]
fn logs() {
    each_flood(async |flood| {
        let pieces = flood.pieces();
        let fake = Fake::start(move |_| Answer::Chunks(200, pieces.clone(), Then::Close)).await;
        let mut output = intake().begin();
        let options = LogOptions::default();
        let read = fake.cluster().logs(&target(), &options, &mut output).await;
        read.unwrap();
        assert_found(&output.finish(), flood);
    });
}

/// As `run` reads.
#[test]
fn followed_logs() {
    each_flood(async |flood| {
        let pieces = flood.pieces();
        let fake = Fake::start(move |_| Answer::Chunks(200, pieces.clone(), Then::Close)).await;
        let mut output = intake().begin();
        let options = LogOptions::default();
        let cluster = fake.cluster();
        let mut stream = cluster.follow_logs(&target(), &options).await.unwrap();
        while let Some(bytes) = stream.next().await.unwrap() {
            output.push(&bytes);
        }
        assert_found(&output.finish(), flood);
    });
}

#[test]
fn exec() {
    each_flood(async |flood| {
        let channel = 1 + u8::from(flood.before % 2 == 0);
        let frames = flood.pieces().into_iter();
        let mut frames: Vec<Vec<u8>> = frames
            .map(|piece| [vec![channel], piece].concat())
            .collect();
        frames.push(b"\x03{\"status\":\"Success\"}".to_vec());
        let fake = Fake::start(move |_| Answer::Exec(frames.clone(), Then::Close)).await;
        let limits = ExecLimits {
            timeout: Duration::from_secs(60),
            stdout: intake(),
            stderr: intake(),
        };
        let (command, mut nobody) = (["true".to_owned()], Witness::none());
        let cluster = fake.cluster();
        let place = cluster.exec_place(&target()).await;
        let result = cluster
            .exec_bare(place, &target(), &command, None, &limits, &mut nobody)
            .await
            .unwrap();
        let text = match channel {
            1 => result.stdout,
            _ => result.stderr,
        };
        assert_found(&text, flood);
    });
}

#[test]
fn http_bodies() {
    each_flood(async |flood| {
        let pieces = flood.pieces();
        let fake = Fake::start(move |_| Answer::Chunks(200, pieces.clone(), Then::Close)).await;
        let request = HttpRequest {
            timeout: Duration::from_secs(60),
            intake: intake(),
            ..HttpRequest::default()
        };
        let proxy = HttpTarget::ServiceProxy {
            namespace: "n".into(),
            service: "web".into(),
            port: "80".into(),
            scheme: Scheme::Http,
        };
        let url = HttpTarget::Url(format!("http://{}/", fake.address));
        let target = if flood.before % 2 == 0 { proxy } else { url };
        let reply = fake.cluster().http(&target, &request).await.unwrap();
        assert_found(&reply.body, flood);
    });
}

/// Events come page by page, and all of them are there.
#[test]
fn events() {
    each_flood(async |flood| {
        let messages: Vec<String> = flood
            .bytes()
            .chunks(200_000)
            .map(|message| String::from_utf8_lossy(message).into_owned())
            .collect();
        let there = messages.iter().map(String::len).sum::<usize>();
        let fake = Fake::start(move |asked| {
            let token = asked.line.split("continue=").nth(1);
            let number: usize = token.map_or(0, |token| token.parse().unwrap());
            let page = messages.chunks(5).nth(number).unwrap();
            let items: Vec<_> = page.iter().map(|text| json!({"message": text})).collect();
            let is_last = 5 * (number + 1) >= messages.len();
            let token = match is_last {
                true => String::new(),
                false => (number + 1).to_string(),
            };
            Answer::Json(
                200,
                json!({"items": items, "metadata": {"continue": token}}),
            )
        })
        .await;
        let filter = EventFilter {
            namespace: Some("n".into()),
            ..EventFilter::default()
        };
        let events = fake.cluster().events(&filter).await.unwrap();
        // white space around a message is not kept
        let read = events
            .iter()
            .map(|event| event.message.len())
            .sum::<usize>();
        assert!(there - read <= 2 * events.len(), "{flood:?}");
    });
}
