//! What one suite of a run amounts to: filled by `Verdict`, read by the reports.

use std::time::Duration;

use jiff::Timestamp;

use super::Counts;
use crate::event::{CaseAttempt, CaseId, CaseResult, Diagnosis, Outcome, Problem, SuiteRef};

/// What one suite amounts to.
#[derive(Clone, Debug)]
pub struct SuiteVerdict {
    /// Which.
    pub suite: SuiteRef,
    /// For people; the name until the suite has started.
    pub title: String,
    /// Where it was read from.
    pub file: Option<String>,
    /// Where its objects go.
    pub namespace: Option<String>,
    /// When it began; nothing where it did not.
    pub started: Option<Timestamp>,
    /// How many testcases were announced.
    pub planned: Option<usize>,
    /// How many ended how.
    pub counts: Counts,
    /// The testcases that did not pass. In the order of [`CaseId`] once the suite
    /// is finished, until then as they came.
    pub not_passed: Vec<CaseResult>,
    /// Passed testcases with a warning, ordered like `not_passed`.
    pub warned: Vec<CaseResult>,
    /// Every testcase with more than one attempt, however it ended, ordered like
    /// `not_passed`.
    pub retried: Vec<RetriedCase>,
    /// What could not be done outside of cases.
    pub problems: Vec<Problem>,
    /// What its failed testcases have in common.
    pub diagnoses: Vec<Diagnosis>,
    /// The nodes that were not tested.
    pub excluded: Vec<ExcludedNode>,
    /// From its start to its last case; nothing before that.
    pub took: Option<Duration>,
}

/// A testcase that needed more than one attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct RetriedCase {
    /// Which.
    pub id: CaseId,
    /// How the last attempt ended: passed makes it flaky.
    pub outcome: Outcome,
    /// The attempts before the last one, in their order.
    pub attempts: Vec<CaseAttempt>,
}

/// A node that a matrix left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExcludedNode {
    /// Its name.
    pub node: String,
    /// Why.
    pub reason: String,
}

impl SuiteVerdict {
    pub(super) fn new(suite: &SuiteRef) -> Self {
        Self {
            suite: suite.clone(),
            title: suite.name.clone(),
            file: None,
            namespace: None,
            started: None,
            planned: None,
            counts: Counts::default(),
            not_passed: Vec::new(),
            warned: Vec::new(),
            retried: Vec::new(),
            problems: Vec::new(),
            diagnoses: Vec::new(),
            excluded: Vec::new(),
            took: None,
        }
    }

    /// Whether nothing happened in it: the run ended before its turn.
    pub fn is_untouched(&self) -> bool {
        self.started.is_none() && self.counts.total() == 0 && self.problems.is_empty()
    }

    /// Whether all that was tried passed, and nothing broke around it.
    pub fn is_clean(&self) -> bool {
        self.counts.bad() == 0 && self.problems.is_empty()
    }

    pub(super) fn sort(&mut self) {
        self.not_passed.sort_by(|a, b| a.id.cmp(&b.id));
        self.warned.sort_by(|a, b| a.id.cmp(&b.id));
        self.retried.sort_by(|a, b| a.id.cmp(&b.id));
    }
}
