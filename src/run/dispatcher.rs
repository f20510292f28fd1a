//! The one place that emits events: it folds each into the verdict, hands it to the
//! reporters, and decides what signals and deadlines mean.
//!
//! The deciding part, [`State`], is synchronous and knows no clock and no channel. Nothing here
//! waits for a reader of reports but with one ear for signals and deadlines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::bound::Bound;
use super::cancel::Cancellation;
use super::signal::Signals;
use crate::event::{CancelReason, Event, EventKind, Explanation, Outcome, Problem, Stage};
use crate::outcome::Verdict;
use crate::report::{ReporterError, Reporters};
use crate::secret::Mask;

/// How long a reader may take nothing before a report is given up that has more to say.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same once a signal has come: who sent it waits.
const HURRY: Duration = Duration::from_secs(2);
/// The same for who will not wait at all.
const LAST_CHANCE: Duration = Duration::from_millis(200);
/// How often a reader without room is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Where the parts of a run tell what happens.
#[derive(Clone)]
pub struct Teller {
    events: mpsc::UnboundedSender<EventKind>,
    /// Pulled at what a run with `--fail-fast` ends at.
    fail_fast: Option<Cancellation>,
    /// What was to be tested is.
    has_verdict: Arc<AtomicBool>,
}

impl Teller {
    /// Tells one thing. After a third signal nobody listens, and nothing is lost by that.
    ///
    /// What `--fail-fast` ends a run at stops the work here already: until the dispatcher has read
    /// of it, the next case would begin.
    pub fn tell(&self, kind: EventKind) {
        let hasty = self.fail_fast.as_ref().filter(|_| is_bad_end(&kind));
        if let EventKind::VerdictReached { .. } = kind {
            // not when it is read: a slow reader of reports must not let the deadline pass
            self.has_verdict.store(true, Ordering::SeqCst);
        }
        let _ = self.events.send(kind);
        if let Some(cancellation) = hasty {
            cancellation.cancel(CancelReason::FailFast);
        }
    }
}

/// Whether a case failed or errored.
fn is_bad_end(kind: &EventKind) -> bool {
    match kind {
        EventKind::CaseFinished(result) => {
            matches!(result.outcome, Outcome::Failed | Outcome::Errored)
        }
        _ => false,
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// What the reports say.
    pub verdict: Verdict,
    /// Whether the user would not wait for cleanup: leave at once.
    pub abandoned: bool,
}

/// What comes in beside events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interruption {
    Signal(CancelReason),
    RunDeadline,
}

/// What is to be done about what came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Response {
    Nothing,
    Cancel(CancelReason),
    StopCleanup,
    Leave,
}

/// What the dispatcher remembers to decide.
#[derive(Debug, Default)]
struct State {
    signals: usize,
    cancelled: bool,
    /// What was to be tested is: the run's deadline is about nothing any more.
    has_verdict: bool,
    fail_fast: bool,
}

impl State {
    /// A case that failed or errored ends a run with `--fail-fast`.
    fn on_event(&mut self, kind: &EventKind) -> Response {
        match kind {
            kind if self.fail_fast && !self.cancelled && is_bad_end(kind) => {
                self.cancelled = true;
                Response::Cancel(CancelReason::FailFast)
            }
            EventKind::VerdictReached { .. } => {
                self.has_verdict = true;
                Response::Nothing
            }
            _ => Response::Nothing,
        }
    }

    /// The first signal cancels and cleans up, the second stops cleaning, the third
    /// leaves at once.
    fn on_interruption(&mut self, interruption: Interruption) -> Response {
        match interruption {
            Interruption::RunDeadline if self.cancelled || self.has_verdict => Response::Nothing,
            Interruption::RunDeadline => {
                self.cancelled = true;
                Response::Cancel(CancelReason::RunDeadline)
            }
            Interruption::Signal(reason) => {
                self.signals += 1;
                self.cancelled = true;
                match self.signals {
                    1 => Response::Cancel(reason),
                    2 => Response::StopCleanup,
                    _ => Response::Leave,
                }
            }
        }
    }
}

/// Receives what the parts of a run tell, until all of them are done.
pub struct Dispatcher {
    state: State,
    told: Told,
    cancellation: Cancellation,
    has_verdict: Arc<AtomicBool>,
    events: mpsc::UnboundedReceiver<EventKind>,
}

impl Dispatcher {
    /// A dispatcher and the way to tell it things. It ends when every copy of the
    /// teller is gone.
    pub fn new(
        reporters: Reporters,
        cancellation: Cancellation,
        fail_fast: bool,
        mask: Mask,
    ) -> (Self, Arc<Teller>) {
        let (sender, events) = mpsc::unbounded_channel();
        let has_verdict = Arc::new(AtomicBool::new(false));
        let teller = Teller {
            events: sender,
            fail_fast: fail_fast.then(|| cancellation.clone()),
            has_verdict: Arc::clone(&has_verdict),
        };
        let dispatcher = Self {
            state: State {
                fail_fast,
                ..State::default()
            },
            told: Told::new(reporters, mask),
            cancellation,
            has_verdict,
            events,
        };
        (dispatcher, Arc::new(teller))
    }

    /// Works until the run is over or the user would not wait any longer. `timeout`
    /// is the deadline of the whole run.
    pub async fn drive(mut self, mut signals: Signals, timeout: Option<Duration>) -> Ended {
        let deadline = async move {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(deadline);
        let mut deadline_passed = false;
        let abandoned = loop {
            // what waits for room waits where the parts of the run have told it
            let have_room = self.told.reporters.have_room(self.patience());
            let response = tokio::select! {
                event = self.events.recv(), if have_room => match event {
                    Some(kind) => {
                        let response = self.state.on_event(&kind);
                        self.told.emit(kind);
                        response
                    }
                    None => break false,
                },
                () = tokio::time::sleep(LOOK), if !have_room => Response::Nothing,
                reason = signals.next() => {
                    self.state.on_interruption(Interruption::Signal(reason))
                }
                () = &mut deadline, if !deadline_passed => {
                    deadline_passed = true;
                    self.state.has_verdict |= self.has_verdict.load(Ordering::SeqCst);
                    self.state.on_interruption(Interruption::RunDeadline)
                }
            };
            match response {
                Response::Nothing => {}
                Response::Cancel(reason) => self.cancel(reason, timeout),
                Response::StopCleanup => {
                    self.told.emit(EventKind::Notice {
                        text: "cleanup is stopped; what is left is named below".to_owned(),
                    });
                    self.cancellation.cleanup.cancel();
                }
                Response::Leave => break true,
            }
        };
        let patience = match abandoned {
            true => LAST_CHANCE,
            false => self.patience(),
        };
        Ended {
            verdict: close(self.told, signals, patience).await,
            abandoned,
        }
    }

    fn patience(&self) -> Duration {
        match self.state.signals {
            0 => PATIENCE,
            _ => HURRY,
        }
    }

    fn cancel(&mut self, reason: CancelReason, timeout: Option<Duration>) {
        self.told.emit(EventKind::Cancelling { reason });
        let stage = match reason {
            CancelReason::Interrupt | CancelReason::Terminate => Some(Stage::Interrupted),
            CancelReason::RunDeadline => Some(Stage::Deadline),
            CancelReason::FailFast => None,
        };
        if let Some(stage) = stage {
            let message = match timeout.filter(|_| reason == CancelReason::RunDeadline) {
                Some(timeout) => format!(
                    "the run did not end within {} (--timeout)",
                    super::deadline::human_duration(timeout)
                ),
                None => format!("the run was {}", reason.describe()),
            };
            self.told.emit(EventKind::Problem(Problem {
                suite: None,
                stage,
                why: Explanation::new(message),
            }));
        }
        self.cancellation.cancel(reason);
    }
}

/// Ends the reports, and waits for their readers, in a thread: a signal ends the waiting.
async fn close(told: Told, mut signals: Signals, patience: Duration) -> Verdict {
    let is_hurried = Arc::new(AtomicBool::new(false));
    let hurried = Arc::clone(&is_hurried);
    let mut closing = tokio::task::spawn_blocking(move || {
        told.close(&|| match hurried.load(Ordering::SeqCst) {
            true => LAST_CHANCE,
            false => patience,
        })
    });
    loop {
        tokio::select! {
            closed = &mut closing => return closed.expect("it holds what may panic"),
            _ = signals.next() => is_hurried.store(true, Ordering::SeqCst),
        }
    }
}

/// Tells the reporters of something that kept a run from beginning at all.
pub fn report_problem(reporters: Reporters, stage: Stage, message: String) {
    let mut told = Told::new(reporters, Mask::new());
    told.emit(EventKind::Problem(Problem {
        suite: None,
        stage,
        why: Explanation::new(message),
    }));
    told.close(&|| PATIENCE);
}

/// What was told so far, and whom it is told.
struct Told {
    verdict: Verdict,
    reporters: Reporters,
    mask: Mask,
    bound: Bound,
}

impl Told {
    fn new(reporters: Reporters, mask: Mask) -> Self {
        Self {
            verdict: Verdict::default(),
            reporters,
            mask,
            bound: Bound::default(),
        }
    }

    /// Tells one thing, and that a report is lost where that comes of it.
    fn emit(&mut self, kind: EventKind) {
        let mut kinds = VecDeque::from([kind]);
        while let Some(kind) = kinds.pop_front() {
            let mut event = Event::now(kind);
            // here and nowhere else: what leaves is masked
            self.mask.mask_event(&mut event);
            self.bound.apply(&mut event);
            self.verdict.apply(&event);
            let errors = self.reporters.event(&event, &self.verdict);
            kinds.extend(errors.iter().filter_map(lost));
        }
    }

    /// Ends every report. One that is lost only now is told in those that are ended after it, and
    /// once more in the others: none of them may say that all is well.
    fn close(mut self, patience: &dyn Fn() -> Duration) -> Verdict {
        loop {
            let mut is_over = true;
            for index in 0..self.reporters.count() {
                let error = self.reporters.finish(index, &self.verdict, patience);
                if let Some(kind) = error.as_ref().and_then(lost) {
                    self.emit(kind);
                    is_over = false;
                }
            }
            if is_over {
                return self.verdict;
            }
        }
    }
}

/// What a lost report is to the run; it is named on stderr in any case.
fn lost(error: &ReporterError) -> Option<EventKind> {
    let words = format!("{error}: {}", error.source);
    tracing::error!("{words}");
    error.counts().then(|| {
        EventKind::Problem(Problem {
            suite: None,
            stage: Stage::Report,
            why: Explanation::new(words),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CaseId, CaseResult, SuiteRef};

    fn finished(outcome: Outcome) -> EventKind {
        EventKind::CaseFinished(CaseResult {
            id: CaseId {
                suite: SuiteRef {
                    index: 0,
                    name: "s".to_owned(),
                },
                case: 0,
                cell: 0,
                name: "c".to_owned(),
            },
            outcome,
            took: Duration::ZERO,
            why: None,
            properties: indexmap::IndexMap::new(),
        })
    }

    #[test]
    fn signals_escalate() {
        let mut state = State::default();
        let signal = Interruption::Signal(CancelReason::Terminate);
        assert_eq!(
            state.on_interruption(signal),
            Response::Cancel(CancelReason::Terminate)
        );
        assert_eq!(
            state.on_interruption(Interruption::RunDeadline),
            Response::Nothing
        );
        assert_eq!(state.on_interruption(signal), Response::StopCleanup);
        assert_eq!(state.on_interruption(signal), Response::Leave);
    }

    #[test]
    fn a_signal_after_the_deadline_still_cancels() {
        let mut state = State::default();
        assert_eq!(
            state.on_interruption(Interruption::RunDeadline),
            Response::Cancel(CancelReason::RunDeadline)
        );
        assert_eq!(
            state.on_interruption(Interruption::Signal(CancelReason::Interrupt)),
            Response::Cancel(CancelReason::Interrupt)
        );
    }

    #[test]
    fn a_run_that_came_to_its_verdict_in_time_has_no_deadline_any_more() {
        let mut state = State::default();
        let verdict = EventKind::VerdictReached {
            took: Duration::ZERO,
        };
        assert_eq!(state.on_event(&verdict), Response::Nothing);
        assert_eq!(
            state.on_interruption(Interruption::RunDeadline),
            Response::Nothing
        );
        assert_eq!(
            state.on_interruption(Interruption::Signal(CancelReason::Interrupt)),
            Response::Cancel(CancelReason::Interrupt)
        );
    }

    #[test]
    fn work_stops_where_a_hasty_run_is_told_of_a_failure() {
        for (fail_fast, outcome, stops) in [
            (true, Outcome::Failed, true),
            (true, Outcome::Errored, true),
            (true, Outcome::Skipped, false),
            (false, Outcome::Failed, false),
        ] {
            let cancellation = Cancellation::default();
            let reporters = Reporters::new();
            let (_dispatcher, teller) =
                Dispatcher::new(reporters, cancellation.clone(), fail_fast, Mask::new());
            teller.tell(finished(outcome));
            assert_eq!(cancellation.work.is_cancelled(), stops, "{outcome:?}");
            let reason = stops.then_some(CancelReason::FailFast);
            assert_eq!(cancellation.reason(), reason);
        }
    }

    #[test]
    fn only_fail_fast_ends_a_run_at_its_first_failure() {
        let mut patient = State::default();
        assert_eq!(
            patient.on_event(&finished(Outcome::Failed)),
            Response::Nothing
        );
        let mut hasty = State {
            fail_fast: true,
            ..State::default()
        };
        assert_eq!(
            hasty.on_event(&finished(Outcome::Passed)),
            Response::Nothing
        );
        assert_eq!(
            hasty.on_event(&finished(Outcome::Errored)),
            Response::Cancel(CancelReason::FailFast)
        );
        assert_eq!(
            hasty.on_event(&finished(Outcome::Failed)),
            Response::Nothing
        );
    }
}
