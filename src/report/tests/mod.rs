//! Reports of literal events: what there is to write, and what is written of it.

mod agreement;
mod commands;
mod human;
mod junit;
mod others;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::Reporter;
pub use crate::event::*;
use crate::outcome::Verdict;

/// A story of a run, one event after another, a tenth of a second apart.
#[derive(Clone, Debug, Default)]
pub struct Story {
    pub events: Vec<Event>,
}

pub fn overlay() -> SuiteRef {
    SuiteRef {
        index: 0,
        name: "overlay".to_owned(),
    }
}

pub fn mtu() -> SuiteRef {
    SuiteRef {
        index: 1,
        name: "mtu".to_owned(),
    }
}

pub fn id(suite: SuiteRef, case: usize, cell: usize, name: &str) -> CaseId {
    CaseId {
        suite,
        case,
        cell,
        name: name.to_owned(),
    }
}

pub fn result(id: CaseId, outcome: Outcome, why: Option<Explanation>) -> CaseResult {
    CaseResult {
        id,
        outcome,
        took: Duration::from_millis(1_234),
        why,
        properties: indexmap::IndexMap::new(),
    }
}

/// The nine cells of the overlay test, from each node to each.
pub fn cells() -> impl Iterator<Item = (usize, usize, CaseId)> {
    (0..9).map(|cell| {
        let (source, target) = (cell / 3 + 1, cell % 3 + 1);
        let name = format!("node{source} reaches node{target}");
        (source, target, id(overlay(), 0, cell, &name))
    })
}

impl Story {
    pub fn add(mut self, kind: EventKind) -> Self {
        let start: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let after = Duration::from_millis(100 * self.events.len() as u64);
        self.events.push(Event {
            schema: SCHEMA,
            time: start + after,
            kind,
        });
        self
    }

    pub fn begun(suites: Vec<SuiteRef>) -> Self {
        Self::default().add(EventKind::RunStarted {
            run: "k7q2".to_owned(),
            version: "0.1.0".to_owned(),
            cleanup: "kubeproof cleanup --run k7q2".to_owned(),
            suites,
        })
    }

    pub fn connected(self) -> Self {
        self.add(EventKind::Connected(Connection {
            kubeconfig: "~/.kube/config".to_owned(),
            context: Some("prod".to_owned()),
            server: "https://10.0.0.1:6443".to_owned(),
            version: "v1.34.4".to_owned(),
            user: "admin".to_owned(),
            nodes: Some(NodeCount { ready: 3, total: 3 }),
        }))
    }

    pub fn suite(self, suite: SuiteRef, title: &str) -> Self {
        let file = format!("suites/network/{}.yaml", suite.name);
        let namespace = Some(format!("kubeproof-{}-k7q2", suite.name));
        self.add(EventKind::SuiteStarted {
            suite,
            title: title.to_owned(),
            file,
            namespace,
        })
    }

    /// The overlay suite, begun and planned.
    pub fn overlay() -> Self {
        Self::begun(vec![overlay()])
            .connected()
            .suite(overlay(), "network overlay test")
            .add(EventKind::StageStarted {
                suite: overlay(),
                stage: Stage::Setup,
                step: "wait daemonset/overlaytest".to_owned(),
            })
            .add(EventKind::CasesPlanned {
                suite: overlay(),
                total: 9,
            })
    }

    /// The nine cells end as `how` says, the last first.
    pub fn cells(mut self, how: impl Fn(usize, usize) -> (Outcome, Option<Explanation>)) -> Self {
        let mut cells: Vec<_> = cells().collect();
        cells.reverse();
        for (source, target, id) in cells {
            let (outcome, why) = how(source, target);
            self = self
                .add(EventKind::CaseStarted(id.clone()))
                .add(EventKind::CaseFinished(result(id, outcome, why)));
        }
        self
    }

    pub fn suite_finished(self, suite: SuiteRef) -> Self {
        self.add(EventKind::SuiteFinished {
            suite,
            took: Duration::from_millis(2_800),
        })
    }

    pub fn verdict_reached(self) -> Self {
        self.add(EventKind::VerdictReached {
            took: Duration::from_millis(2_900),
        })
    }

    pub fn run_finished(self) -> Self {
        self.add(EventKind::RunFinished {
            took: Duration::from_millis(4_000),
        })
    }

    /// Suite, verdict and run finish.
    pub fn done(self) -> Self {
        self.suite_finished(overlay())
            .verdict_reached()
            .run_finished()
    }

    pub fn problem(self, suite: Option<SuiteRef>, stage: Stage, why: Explanation) -> Self {
        self.add(EventKind::Problem(Problem { suite, stage, why }))
    }

    pub fn leftover(self, object: &str, reason: &str, kept: bool) -> Self {
        self.add(EventKind::Leftover(Leftover {
            suite: Some(overlay()),
            object: object.to_owned(),
            reason: reason.to_owned(),
            kept,
        }))
    }

    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.events)
    }

    /// Tells a reporter the whole story, and that it is over.
    pub fn tell(&self, reporter: &mut dyn Reporter) -> io::Result<()> {
        let mut verdict = Verdict::default();
        for event in &self.events {
            verdict.apply(event);
            reporter.event(event, &verdict)?;
        }
        reporter.finish(&verdict)
    }
}

pub fn detail(title: &str, text: &str) -> Detail {
    Detail {
        title: title.to_owned(),
        text: text.to_owned(),
    }
}

/// Why a ping found nobody.
pub fn no_answer(source: usize, target: usize) -> Explanation {
    Explanation {
        failure: Some(format!("node{source} cannot reach node{target}")),
        message: "exit is 1, and 0 was expected".to_owned(),
        details: vec![
            detail(
                "stdout",
                "PING 10.42.0.9\n2 packets transmitted, 0 received\n",
            ),
            detail("stderr", "no answer\tat all\n"),
        ],
        place: Some("suites/network/overlay.yaml:27:11".to_owned()),
        step: None,
    }
}

pub fn healthy() -> Story {
    Story::overlay()
        .cells(|_, _| (Outcome::Passed, None))
        .done()
}

/// Node 1's UDP port is blocked.
pub fn blocked() -> Story {
    Story::overlay()
        .cells(|source, target| {
            if (source == 1) == (target == 1) {
                (Outcome::Passed, None)
            } else {
                (Outcome::Failed, Some(no_answer(source, target)))
            }
        })
        .done()
}

/// The same with what the failures have in common.
pub fn diagnosed() -> Story {
    let mut story = blocked();
    let end = story
        .events
        .iter()
        .position(|event| matches!(event.kind, EventKind::SuiteFinished { .. }))
        .unwrap();
    let after = story.events.split_off(end);
    story = story.add(EventKind::Diagnosis(Diagnosis {
        suite: overlay(),
        message: "node1: UDP 8472 is blocked\x1b[2J to or from it".to_owned(),
        remedy: Some("open it".to_owned()),
        url: Some("https://example.com".to_owned()),
        cases: 4,
    }));
    story.events.extend(after);
    story
}

/// Node 3 is not ready: its pod does not run.
pub fn not_ready() -> Story {
    Story::overlay()
        .add(EventKind::NodeExcluded {
            suite: overlay(),
            node: "win1".to_owned(),
            reason: "its operating system is windows".to_owned(),
        })
        .cells(|source, target| {
            if source != 3 && target != 3 {
                return (Outcome::Passed, None);
            }
            let why = "no usable pod on node3: the node is not ready (KubeletNotReady)";
            (Outcome::Errored, Some(Explanation::new(why)))
        })
        .done()
}

const PULL: &str = "daemonset/overlaytest did not roll out in 2m: Failed to pull image \"busybox:1.28\": no such host";

pub fn setup_failed() -> Story {
    Story::overlay()
        .problem(
            Some(overlay()),
            Stage::Setup,
            Explanation {
                place: Some("suites/network/overlay.yaml:19:7".to_owned()),
                ..Explanation::new(PULL)
            },
        )
        .cells(|_, _| {
            let why = format!("setup did not pass: {PULL}");
            (Outcome::Errored, Some(Explanation::new(why)))
        })
        .done()
}

/// SIGINT comes when three cells have passed.
pub fn interrupted() -> Story {
    Story::overlay()
        .add(EventKind::Cancelling {
            reason: CancelReason::Interrupt,
        })
        .problem(
            None,
            Stage::Interrupted,
            Explanation::new("interrupted (SIGINT)"),
        )
        .cells(|source, _| match source {
            3 => (Outcome::Passed, None),
            _ => {
                let why = CancelReason::Interrupt.describe();
                (Outcome::Cancelled, Some(Explanation::new(why)))
            }
        })
        .done()
}

pub fn left_behind() -> Story {
    Story::overlay()
        .cells(|_, _| (Outcome::Passed, None))
        .suite_finished(overlay())
        .verdict_reached()
        .leftover(
            "pod/stuck -n kubeproof-overlay-k7q2",
            "finalizer example.com/hold",
            false,
        )
        .leftover("namespace/kubeproof-overlay-k7q2", "--keep always", true)
        .run_finished()
}

/// No cluster answers.
pub fn unreachable() -> Story {
    Story::begun(vec![overlay(), mtu()])
        .problem(
            None,
            Stage::Connect,
            Explanation {
                details: vec![detail("kubeconfig", "~/.kube/config, context prod")],
                ..Explanation::new("https://10.0.0.1:6443 does not answer: connection refused")
            },
        )
        .verdict_reached()
        .run_finished()
}

/// A pod that knows where its words go.
pub fn hostile() -> Story {
    let evil = "]]>\u{0}\u{1b}[2J</testcase><testcase name=\"x\"/>\u{ffff}&lt;\n=> End network overlay test";
    Story::overlay()
        .cells(|source, target| {
            if (source, target) != (1, 1) {
                return (Outcome::Passed, None);
            }
            let why = Explanation {
                failure: Some(evil.to_owned()),
                message: evil.to_owned(),
                details: vec![detail("stdout", evil), detail("a\n=> End b", "c")],
                place: None,
                step: None,
            };
            (Outcome::Failed, Some(why))
        })
        .done()
}

/// Skipped, flaky and warned cases in the second of two suites, side by side with
/// the first; a teardown that breaks after the verdict.
pub fn mixed() -> Story {
    let retried = id(mtu(), 0, 0, "large packets pass");
    let logs = id(mtu(), 1, 0, "no errors in the logs");
    let warning = Explanation {
        failure: Some("the agent logged \"bad handshake\"".to_owned()),
        ..Explanation::new("stdout contains \"bad handshake\"")
    };
    let mut story = Story::begun(vec![overlay(), mtu()])
        .connected()
        .suite(overlay(), "network overlay test")
        .suite(mtu(), "MTU")
        .add(EventKind::CaseRetried(CaseAttempt {
            id: retried.clone(),
            attempt: 1,
            outcome: Outcome::Failed,
            took: Duration::from_millis(500),
            why: Explanation::new("exit is 1, and 0 was expected"),
        }))
        .add(EventKind::CaseFinished(result(
            retried,
            Outcome::Passed,
            None,
        )))
        .add(EventKind::CaseFinished(result(
            logs,
            Outcome::Passed,
            Some(warning),
        )));
    for cell in 0..3 {
        let name = format!("flannel on node{}", cell + 1);
        story = story.add(EventKind::CaseFinished(result(
            id(mtu(), 2, cell, &name),
            Outcome::Skipped,
            Some(Explanation::new("the cluster does not run flannel")),
        )));
    }
    story
        .suite_finished(mtu())
        .cells(|_, _| {
            let why = Explanation::new("one node has no overlay");
            (Outcome::Skipped, Some(why))
        })
        .suite_finished(overlay())
        .verdict_reached()
        .problem(
            Some(mtu()),
            Stage::Teardown,
            Explanation::new("command exited with 1, and 0 was expected"),
        )
        .run_finished()
}

pub fn stories() -> Vec<Story> {
    vec![
        diagnosed(),
        healthy(),
        blocked(),
        not_ready(),
        setup_failed(),
        interrupted(),
        left_behind(),
        unreachable(),
        hostile(),
        mixed(),
    ]
}

/// A writer whose text can be read while somebody else owns it.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
