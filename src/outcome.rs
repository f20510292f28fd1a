//! The verdict: what the events of a run amount to. The summary, JUnit and the
//! exit code all read it, so that they cannot disagree.
//!
//! It is a pure fold over events. Of what passed it keeps numbers alone, so that
//! a run of a million cells costs no more than its nodes and what did not pass.
//! How things are shown is the reports' business.

mod counts;
mod exit;
mod suite;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

pub use counts::Counts;
pub use exit::RunExit;
pub use suite::{ExcludedNode, RetriedCase, SuiteVerdict};

use crate::event::{
    CancelReason, CaseAttempt, CaseKey, CaseResult, Connection, Event, EventKind, Explanation,
    Leftover, Outcome, Problem, Stage, SuiteRef,
};

/// What a run amounts to so far.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The run's id.
    pub run: Option<String>,
    /// The command that removes what the run left.
    pub cleanup: Option<String>,
    /// The version of the program that ran.
    pub version: Option<String>,
    /// When the run began.
    pub started: Option<Timestamp>,
    /// What was connected to.
    pub connection: Option<Connection>,
    /// What could not be done and belongs to no suite.
    pub problems: Vec<Problem>,
    /// What is still there, in the order in which it was told.
    pub leftovers: Vec<Leftover>,
    /// Why the run stopped early. A signal stands over any other reason, and the
    /// first signal over later ones.
    pub cancelled: Option<CancelReason>,
    /// From the start of the run to its verdict; known once that is reached.
    pub took: Option<Duration>,
    suites: BTreeMap<usize, SuiteVerdict>,
    attempts: HashMap<CaseKey, Vec<CaseAttempt>>,
}

impl Verdict {
    /// The verdict of a whole sequence of events.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut verdict = Self::default();
        for event in events {
            verdict.apply(event);
        }
        verdict
    }

    /// Takes one more event in.
    pub fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::RunStarted {
                run,
                version,
                cleanup,
                suites,
            } => {
                self.run = Some(run.clone());
                self.cleanup = Some(cleanup.clone());
                self.version = Some(version.clone());
                self.started = Some(event.time);
                for suite in suites {
                    self.suite_mut(suite);
                }
            }
            EventKind::Connected(connection) => self.connection = Some(connection.clone()),
            EventKind::SuiteStarted {
                suite,
                title,
                file,
                namespace,
            } => {
                let known = self.suite_mut(suite);
                known.title.clone_from(title);
                known.file = Some(file.clone());
                known.namespace.clone_from(namespace);
                known.started = Some(event.time);
            }
            EventKind::NodeExcluded {
                suite,
                node,
                reason,
            } => {
                let excluded = ExcludedNode {
                    node: node.clone(),
                    reason: reason.clone(),
                };
                let known = self.suite_mut(suite);
                // two axes over the same nodes tell the same node twice
                if !known.excluded.contains(&excluded) {
                    known.excluded.push(excluded);
                }
            }
            EventKind::CasesPlanned { suite, total } => {
                self.suite_mut(suite).planned = Some(*total);
            }
            EventKind::CaseRetried(attempt) => self
                .attempts
                .entry(attempt.id.key())
                .or_default()
                .push(attempt.clone()),
            EventKind::CaseFinished(result) => self.finish_case(result),
            EventKind::Problem(problem) => match &problem.suite {
                Some(suite) => self.suite_mut(suite).problems.push(problem.clone()),
                None => self.problems.push(problem.clone()),
            },
            EventKind::Diagnosis(diagnosis) => self
                .suite_mut(&diagnosis.suite)
                .diagnoses
                .push(diagnosis.clone()),
            EventKind::SuiteFinished { suite, took } => {
                let known = self.suite_mut(suite);
                known.took = Some(*took);
                known.sort();
            }
            EventKind::VerdictReached { took } => {
                self.took = Some(*took);
                self.suites.values_mut().for_each(SuiteVerdict::sort);
            }
            EventKind::Cancelling { reason } => {
                let is_first = self.cancelled.is_none();
                let is_first_signal = is_signal(*reason) && !self.cancelled.is_some_and(is_signal);
                if is_first || is_first_signal {
                    self.cancelled = Some(*reason);
                }
            }
            EventKind::Leftover(leftover) => {
                if let Some(suite) = &leftover.suite {
                    self.suite_mut(suite);
                }
                self.leftovers.push(leftover.clone());
            }
            EventKind::RunFinished { took: _ } => {
                self.suites.values_mut().for_each(SuiteVerdict::sort);
            }
            EventKind::Awaiting { .. }
            | EventKind::StageStarted { .. }
            | EventKind::StepWaits { .. }
            | EventKind::StepWaited { .. }
            | EventKind::CaseStarted(_)
            | EventKind::StepStarted { .. }
            | EventKind::StepFinished { .. }
            | EventKind::SuiteCleaned { .. }
            | EventKind::Notice { .. } => {}
        }
    }

    /// The suites of the run in their order, those that have not begun among them.
    pub fn suites(&self) -> impl Iterator<Item = &SuiteVerdict> {
        self.suites.values()
    }

    /// One suite, by [`SuiteRef::index`].
    pub fn suite(&self, index: usize) -> Option<&SuiteVerdict> {
        self.suites.get(&index)
    }

    /// All testcases of all suites.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for suite in self.suites.values() {
            counts += suite.counts;
        }
        counts
    }

    /// The errored testcases that stand for what broke outside of cases, in one
    /// suite (by index) or in none. What was left behind without a `[cleanup]`
    /// having said so becomes one, and so do testcases that were lost, so that no
    /// report calls such a run clean.
    pub fn errors_outside(&self, suite: Option<usize>) -> Vec<Cow<'_, Problem>> {
        let problems = match suite {
            Some(index) => self.suite(index).map_or(&[][..], |suite| &suite.problems),
            None => &self.problems,
        };
        let mut errors: Vec<_> = problems.iter().map(Cow::Borrowed).collect();
        errors.extend(suite.and_then(|index| self.lost_of(index)).map(Cow::Owned));
        let is_told = problems.iter().any(|it| it.stage == Stage::Cleanup);
        let mut faults = self
            .leftovers
            .iter()
            .filter(|it| !it.kept && it.suite.as_ref().map(|suite| suite.index) == suite)
            .peekable();
        if let Some(first) = faults.peek()
            && !is_told
        {
            let suite = first.suite.clone();
            let lines: Vec<_> = faults
                .map(|it| format!("{}: {}", it.object, it.reason))
                .collect();
            errors.push(Cow::Owned(Problem {
                suite,
                stage: Stage::Cleanup,
                why: Explanation::new(format!("still there: {}", lines.join("; "))),
            }));
        }
        errors
    }

    /// What stands for the testcases of a suite that have no outcome although the run came to its
    /// verdict, where nothing else says why.
    fn lost_of(&self, index: usize) -> Option<Problem> {
        let suite = self.suite(index)?;
        let lost = suite.planned?.checked_sub(suite.counts.total())?;
        (lost > 0 && suite.problems.is_empty() && self.took.is_some()).then(|| Problem {
            suite: Some(suite.suite.clone()),
            stage: Stage::Run,
            why: Explanation::new(format!(
                "{lost} testcases were announced and have no outcome"
            )),
        })
    }

    /// How many [`errors_outside`](Self::errors_outside) there are in all.
    pub fn errors_outside_count(&self) -> usize {
        let of_suites: usize = self
            .suites
            .keys()
            .map(|index| self.errors_outside(Some(*index)).len())
            .sum();
        of_suites + self.errors_outside(None).len()
    }

    /// What the run tells the shell. Asked for at the end; of a run that broke off
    /// before its verdict it says errored.
    pub fn exit_code(&self) -> RunExit {
        match self.cancelled {
            Some(CancelReason::Interrupt) => return RunExit::Interrupted,
            Some(CancelReason::Terminate) => return RunExit::Terminated,
            Some(CancelReason::RunDeadline | CancelReason::FailFast) | None => {}
        }
        let counts = self.counts();
        if counts.failed > 0 {
            RunExit::Failed
        } else if counts.errored > 0 || self.broke_outside_of_cases() || self.is_unfinished() {
            RunExit::Errored
        } else if counts.passed == 0 {
            RunExit::NothingTested
        } else if self.is_uncleaned() {
            RunExit::NotCleanedUp
        } else {
            RunExit::Passed
        }
    }

    /// Whether suites were begun and the run has not come to its verdict.
    pub fn broke_off(&self) -> bool {
        self.took.is_none() && self.suites.values().any(|suite| suite.started.is_some())
    }

    /// How many testcases were announced and have no outcome.
    pub fn lost(&self) -> usize {
        self.suites
            .values()
            .filter_map(|suite| suite.planned?.checked_sub(suite.counts.total()))
            .sum()
    }

    fn all_problems(&self) -> impl Iterator<Item = &Problem> {
        let of_suites = self.suites.values().flat_map(|suite| &suite.problems);
        self.problems.iter().chain(of_suites)
    }

    /// A problem while cleaning up has an exit code of its own: what was tested
    /// stays tested.
    fn broke_outside_of_cases(&self) -> bool {
        self.cancelled == Some(CancelReason::RunDeadline)
            || self.all_problems().any(|it| it.stage != Stage::Cleanup)
    }

    fn is_uncleaned(&self) -> bool {
        self.leftovers.iter().any(|it| !it.kept)
            || self.all_problems().any(|it| it.stage == Stage::Cleanup)
    }

    /// Whether testcases are without an answer that were to have one. Nobody may
    /// take such a run for a pass, whatever lost them.
    fn is_unfinished(&self) -> bool {
        self.broke_off() || self.lost() > 0 || self.counts().cancelled > 0
    }

    fn finish_case(&mut self, result: &CaseResult) {
        let attempts = self.attempts.remove(&result.id.key());
        let suite = self.suite_mut(&result.id.suite);
        suite.counts.add(result.outcome);
        if let Some(attempts) = attempts {
            suite.counts.flaky += usize::from(result.outcome == Outcome::Passed);
            suite.retried.push(RetriedCase {
                id: result.id.clone(),
                outcome: result.outcome,
                attempts,
            });
        }
        match (result.outcome, &result.why) {
            (Outcome::Passed, None) => {}
            (Outcome::Passed, Some(_)) => {
                suite.counts.warned += 1;
                suite.warned.push(result.clone());
            }
            (Outcome::Failed | Outcome::Errored | Outcome::Skipped | Outcome::Cancelled, _) => {
                suite.not_passed.push(result.clone())
            }
        }
    }

    fn suite_mut(&mut self, suite: &SuiteRef) -> &mut SuiteVerdict {
        self.suites
            .entry(suite.index)
            .or_insert_with(|| SuiteVerdict::new(suite))
    }
}

fn is_signal(reason: CancelReason) -> bool {
    match reason {
        CancelReason::Interrupt | CancelReason::Terminate => true,
        CancelReason::RunDeadline | CancelReason::FailFast => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::CaseId;

    fn suite() -> SuiteRef {
        SuiteRef {
            index: 0,
            name: "a".to_owned(),
        }
    }

    fn ended(outcome: Outcome) -> EventKind {
        case(0, outcome)
    }

    fn case(cell: usize, outcome: Outcome) -> EventKind {
        EventKind::CaseFinished(CaseResult {
            id: CaseId {
                suite: suite(),
                case: 0,
                cell,
                name: format!("cell {cell}"),
            },
            outcome,
            took: Duration::ZERO,
            why: (outcome != Outcome::Passed).then(|| Explanation::new("why")),
            properties: indexmap::IndexMap::new(),
        })
    }

    fn problem(suite: Option<SuiteRef>, stage: Stage) -> EventKind {
        EventKind::Problem(Problem {
            suite,
            stage,
            why: Explanation::new("why"),
        })
    }

    fn left(kept: bool) -> EventKind {
        EventKind::Leftover(Leftover {
            suite: Some(suite()),
            object: "pod/a".to_owned(),
            reason: "held".to_owned(),
            kept,
        })
    }

    fn stopped(reason: CancelReason) -> EventKind {
        EventKind::Cancelling { reason }
    }

    fn started() -> EventKind {
        EventKind::SuiteStarted {
            suite: suite(),
            title: "A".to_owned(),
            file: "a.yaml".to_owned(),
            namespace: None,
        }
    }

    fn reached() -> EventKind {
        EventKind::VerdictReached {
            took: Duration::from_secs(1),
        }
    }

    fn verdict(kinds: Vec<EventKind>) -> Verdict {
        let events: Vec<_> = kinds.into_iter().map(Event::now).collect();
        Verdict::of(&events)
    }

    #[test]
    fn the_exit_code_is_the_first_that_applies() {
        use CancelReason::{FailFast, Interrupt, RunDeadline, Terminate};
        use Outcome::{Cancelled, Errored, Failed, Passed, Skipped};
        let pass = || ended(Passed);
        for (what, kinds, code) in [
            ("passed", vec![pass()], 0),
            ("one skipped", vec![pass(), case(1, Skipped)], 0),
            ("kept", vec![pass(), left(true)], 0),
            ("left", vec![pass(), left(false)], 5),
            ("cleanup", vec![pass(), problem(None, Stage::Cleanup)], 5),
            ("nothing", vec![], 4),
            ("all skipped", vec![ended(Skipped)], 4),
            ("skipped, left", vec![ended(Skipped), left(false)], 4),
            ("errored", vec![pass(), case(1, Errored), left(false)], 3),
            ("connect", vec![problem(None, Stage::Connect)], 3),
            ("permissions", vec![problem(None, Stage::Permissions)], 3),
            ("setup", vec![problem(Some(suite()), Stage::Setup)], 3),
            (
                "teardown",
                vec![pass(), problem(Some(suite()), Stage::Teardown)],
                3,
            ),
            ("run deadline", vec![pass(), stopped(RunDeadline)], 3),
            ("cancelled alone", vec![pass(), case(1, Cancelled)], 3),
            (
                "failed and errored",
                vec![ended(Failed), case(1, Errored)],
                1,
            ),
            ("fail fast", vec![ended(Failed), stopped(FailFast)], 1),
            ("interrupted", vec![ended(Failed), stopped(Interrupt)], 130),
            ("terminated", vec![pass(), stopped(Terminate)], 143),
            (
                "fail fast, signal",
                vec![stopped(FailFast), stopped(Terminate)],
                143,
            ),
            (
                "two signals",
                vec![stopped(Interrupt), stopped(Terminate)],
                130,
            ),
        ] {
            let mut kinds = kinds;
            kinds.push(reached());
            assert_eq!(verdict(kinds).exit_code().code(), code, "{what}");
        }
    }

    #[test]
    fn lost_testcases_are_no_pass() {
        let planned = |total| EventKind::CasesPlanned {
            suite: suite(),
            total,
        };
        let pass = || ended(Outcome::Passed);
        let exit = |kinds| verdict(kinds).exit_code();
        assert_eq!(
            exit(vec![started(), planned(1), pass(), reached()]),
            RunExit::Passed
        );
        assert_eq!(
            exit(vec![started(), planned(2), pass(), reached()]),
            RunExit::Errored
        );
        assert_eq!(exit(vec![started(), pass()]), RunExit::Errored);
    }

    #[test]
    fn what_did_not_pass_is_kept_in_the_order_of_the_file() {
        let verdict = verdict(vec![
            case(2, Outcome::Failed),
            case(1, Outcome::Passed),
            case(0, Outcome::Errored),
            reached(),
        ]);
        let suite = verdict.suite(0).unwrap();
        let cells: Vec<_> = suite.not_passed.iter().map(|it| it.id.cell).collect();
        assert_eq!(cells, [0, 2]);
        assert_eq!((suite.counts.total(), suite.counts.bad()), (3, 2));
    }

    #[test]
    fn a_case_that_passes_later_is_flaky() {
        let id = match case(0, Outcome::Passed) {
            EventKind::CaseFinished(result) => result.id,
            _ => unreachable!(),
        };
        let verdict = verdict(vec![
            EventKind::CaseRetried(CaseAttempt {
                id,
                attempt: 1,
                outcome: Outcome::Failed,
                took: Duration::ZERO,
                why: Explanation::new("why"),
            }),
            case(0, Outcome::Passed),
            reached(),
        ]);
        let suite = verdict.suite(0).unwrap();
        assert_eq!((suite.counts.passed, suite.counts.flaky), (1, 1));
        assert_eq!(suite.retried[0].attempts.len(), 1);
        assert_eq!(verdict.exit_code(), RunExit::Passed);
    }

    #[test]
    fn leftovers_are_an_error_once() {
        let of = |kinds| verdict(kinds).errors_outside_count();
        assert_eq!(of(vec![left(true)]), 0);
        assert_eq!(of(vec![started(), left(false), left(false)]), 1);
        let told = problem(Some(suite()), Stage::Cleanup);
        assert_eq!(of(vec![started(), told, left(false)]), 1);
    }
}
