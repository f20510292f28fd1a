//! How much of what others wrote an event holds. What is told is kept until the end, and written
//! into every report: a thousand cells that each print a MiB must not cost gigabytes.
//!
//! What is left out is told where it is missing. Only what is masked may be cut: a half of a
//! secret is not recognized.

use crate::event::{CaseId, Event, EventKind, Explanation};
use crate::report::sanitize;

/// Bytes of a message, a property, a reason.
const MESSAGE: usize = 8 << 10;
/// Bytes of a name.
const NAME: usize = 1 << 10;
/// Bytes of one titled block of text.
const DETAIL: usize = sanitize::LIMIT;
/// Bytes of all blocks of one explanation.
const DETAILS: usize = 2 * DETAIL;
/// Bytes of all blocks of a run. What comes later has little more than its message.
const RUN: usize = 16 << 20;
/// Bytes of one block when those are spent, and of all blocks of one explanation.
const LITTLE: usize = 2 << 10;

/// What a run has left for the details of what did not pass.
#[derive(Debug)]
pub struct Bound {
    left: usize,
}

impl Default for Bound {
    fn default() -> Self {
        Self { left: RUN }
    }
}

impl Bound {
    /// Cuts what is too long.
    pub fn apply(&mut self, event: &mut Event) {
        match &mut event.kind {
            EventKind::CaseStarted(id) => name(id),
            EventKind::StepStarted { case, step } => {
                name(case);
                cut(step, NAME);
            }
            EventKind::StepFinished { case, step, .. } => {
                name(case);
                cut(step, NAME);
            }
            EventKind::CaseRetried(attempt) => {
                name(&mut attempt.id);
                self.explanation(&mut attempt.why);
            }
            EventKind::CaseFinished(result) => {
                name(&mut result.id);
                result.why.iter_mut().for_each(|it| self.explanation(it));
                result.properties.values_mut().for_each(message);
            }
            EventKind::Problem(problem) => self.explanation(&mut problem.why),
            EventKind::Diagnosis(diagnosis) => {
                message(&mut diagnosis.message);
                diagnosis.remedy.iter_mut().for_each(message);
                diagnosis.url.iter_mut().for_each(message);
            }
            EventKind::StageStarted { step, .. } => cut(step, NAME),
            EventKind::StepWaits { target, why, .. }
            | EventKind::StepWaited { target, why, .. } => {
                cut(target, NAME);
                message(why);
            }
            EventKind::Awaiting { what } => message(what),
            EventKind::NodeExcluded { reason, .. } => message(reason),
            EventKind::Leftover(leftover) => message(&mut leftover.reason),
            EventKind::Notice { text } => message(text),
            // of these nobody but the user and the cluster's own name the length
            EventKind::RunStarted { .. }
            | EventKind::Connected(_)
            | EventKind::SuiteStarted { .. }
            | EventKind::CasesPlanned { .. }
            | EventKind::SuiteFinished { .. }
            | EventKind::SuiteCleaned { .. }
            | EventKind::VerdictReached { .. }
            | EventKind::Cancelling { .. }
            | EventKind::RunFinished { .. } => {}
        }
    }

    fn explanation(&mut self, why: &mut Explanation) {
        let Explanation {
            failure,
            message: said,
            details,
            place: _,
            step,
        } = why;
        failure.iter_mut().for_each(message);
        message(said);
        if let Some(step) = step.as_mut().filter(|step| step.len() > NAME) {
            *step = sanitize::bounded(step, NAME).into();
        }
        let (one, mut all) = match self.left {
            0 => (LITTLE, 2 * LITTLE),
            _ => (DETAIL, DETAILS),
        };
        for detail in details {
            cut(&mut detail.title, NAME);
            cut(&mut detail.text, one.min(all));
            let length = detail.text.len();
            all = all.saturating_sub(length).max(LITTLE);
            self.left = self.left.saturating_sub(length);
        }
    }
}

fn name(id: &mut CaseId) {
    cut(&mut id.name, NAME);
}

fn message(text: &mut String) {
    cut(text, MESSAGE);
}

fn cut(text: &mut String, limit: usize) {
    if text.len() > limit {
        *text = sanitize::bounded(text, limit).into_owned();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::{CaseResult, Detail, Outcome, SuiteRef};

    fn failed(cell: usize, size: usize) -> Event {
        let text = "x".repeat(size);
        let detail = |title: &str| Detail {
            title: title.to_owned(),
            text: text.clone(),
        };
        Event::now(EventKind::CaseFinished(CaseResult {
            id: CaseId {
                suite: SuiteRef {
                    index: 0,
                    name: "s".to_owned(),
                },
                case: 0,
                cell,
                name: format!("cell {cell}"),
            },
            outcome: Outcome::Failed,
            took: Duration::ZERO,
            why: Some(Explanation {
                failure: Some(text.clone()),
                message: text.clone(),
                details: vec![
                    detail("stdout"),
                    detail("stderr"),
                    detail("onFailure: logs"),
                ],
                place: Some("a.yaml:1:1".to_owned()),
                step: Some(text.as_str().into()),
            }),
            properties: indexmap::IndexMap::from([("a".to_owned(), text)]),
        }))
    }

    #[test]
    fn many_loud_cells_cost_no_more_than_a_run_may() {
        let mut bound = Bound::default();
        let mut kept = 0;
        for cell in 0..1000 {
            let mut event = failed(cell, 1 << 20);
            bound.apply(&mut event);
            let json = serde_json::to_string(&event).unwrap();
            assert!(json.contains("bytes left out"), "it is told");
            kept += json.len();
        }
        assert!(kept < 80 << 20, "{kept} bytes are kept");
    }

    #[test]
    fn what_is_short_stays_as_it_is() {
        let mut event = failed(0, 1000);
        let before = serde_json::to_string(&event).unwrap();
        Bound::default().apply(&mut event);
        assert_eq!(serde_json::to_string(&event).unwrap(), before);
    }

    #[test]
    fn a_message_is_no_megabyte() {
        let mut event = failed(0, 1 << 20);
        Bound::default().apply(&mut event);
        let EventKind::CaseFinished(result) = event.kind else {
            panic!("it is what it was");
        };
        let why = result.why.unwrap();
        assert!(why.headline().len() < MESSAGE + 60);
        assert!(why.details.iter().map(|it| it.text.len()).sum::<usize>() < DETAILS + 3 * LITTLE);
    }
}
