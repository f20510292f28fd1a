//! The testcases of the JUnit report: how an outcome and its explanation are
//! written there. Which testcases there are, and in what order, is `junit`'s.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestRerun};

use super::{sanitize, text};
use crate::event::{CaseAttempt, CaseId, CaseKey, CaseResult, Explanation, Outcome, Problem};
use crate::outcome::SuiteVerdict;

/// Stands for a tab until the XML is written: quick-junit takes tabs out of every
/// text. The sanitiser leaves no such character behind.
pub(super) const TAB: &str = "\u{fdd0}";

/// What is known of single testcases beside how they ended.
pub(super) struct Notes<'a> {
    retried: HashMap<CaseKey, &'a [CaseAttempt]>,
    warned: HashMap<CaseKey, &'a Explanation>,
}

impl<'a> Notes<'a> {
    pub(super) fn of(suite: &'a SuiteVerdict) -> Self {
        Self {
            retried: suite
                .retried
                .iter()
                .map(|it| (it.id.key(), &*it.attempts))
                .collect(),
            warned: suite
                .warned
                .iter()
                .filter_map(|it| Some((it.id.key(), it.why.as_ref()?)))
                .collect(),
        }
    }

    pub(super) fn passed_case(&self, id: &CaseId, took: Duration, names: &mut Names) -> TestCase {
        let mut status = TestCaseStatus::success();
        let mut told = Vec::new();
        if let Some(attempts) = self.retried.get(&id.key()) {
            status.add_reruns(attempts.iter().map(rerun));
            told.push(format!("flaky: passed at attempt {}", attempts.len() + 1));
            told.extend(attempts.iter().map(|it| {
                let reason = text::reason(it.outcome, Some(&it.why));
                let word = text::outcome(it.outcome);
                format!("attempt {} {word}: {reason}", it.attempt)
            }));
        }
        let warning = self.warned.get(&id.key());
        if let Some(why) = warning {
            told.push(format!("warning: {}", full_text(why)));
        }
        let mut case = new_case(id, took, status, names);
        if warning.is_some() {
            case.add_property(("kubeproof.severity", "warning"));
        }
        if !told.is_empty() {
            case.set_system_out(bounded(&told.join("\n")));
        }
        case
    }

    pub(super) fn other_case(&self, result: &CaseResult, names: &mut Names) -> TestCase {
        let why = result.why.as_ref();
        let reason = attribute(&text::reason(result.outcome, why));
        let mut status = match result.outcome {
            Outcome::Passed => TestCaseStatus::success(),
            Outcome::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Outcome::Errored => TestCaseStatus::non_success(NonSuccessKind::Error),
            Outcome::Skipped | Outcome::Cancelled => TestCaseStatus::skipped(),
        };
        status.set_message(reason);
        status.set_type(text::outcome(result.outcome));
        if let Some(why) = why {
            status.set_description(bounded(&full_text(why)));
        }
        if let Some(attempts) = self.retried.get(&result.id.key()) {
            status.add_reruns(attempts.iter().map(rerun));
        }
        let mut case = new_case(&result.id, result.took, status, names);
        for (name, value) in &result.properties {
            case.add_property((sanitize::line(name), sanitize::line(value)));
        }
        if let Some(out) = why.and_then(|why| output(why, "stdout")) {
            case.set_system_out(out);
        }
        if let Some(err) = why.and_then(|why| output(why, "stderr")) {
            case.set_system_err(err);
        }
        case
    }
}

/// Names that are unique within a testsuite. The cells of a case have unique ones
/// already; sanitising can make two of them equal, and nothing keeps a case from
/// being called `[setup]`.
#[derive(Default)]
pub(super) struct Names {
    taken: HashSet<String>,
}

impl Names {
    fn unique(&mut self, name: &str) -> String {
        let name = attribute(name);
        let mut unique = name.clone();
        let mut number = 1;
        while !self.taken.insert(unique.clone()) {
            number += 1;
            unique = format!("{name} ({number})");
        }
        unique
    }
}

fn new_case(id: &CaseId, took: Duration, status: TestCaseStatus, names: &mut Names) -> TestCase {
    let mut case = TestCase::new(names.unique(&id.name), status);
    case.set_classname(sanitize::line(&id.suite.name));
    case.set_time(took);
    case
}

pub(super) fn problem_case(problem: &Problem, classname: &str, names: &mut Names) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    let reason = text::reason(Outcome::Errored, Some(&problem.why));
    status.set_message(attribute(&reason));
    status.set_type(text::outcome(Outcome::Errored));
    status.set_description(bounded(&full_text(&problem.why)));
    let mut case = TestCase::new(names.unique(problem.stage.testcase()), status);
    case.set_classname(classname);
    case.set_time(Duration::ZERO);
    if let Some(out) = output(&problem.why, "stdout") {
        case.set_system_out(out);
    }
    if let Some(err) = output(&problem.why, "stderr") {
        case.set_system_err(err);
    }
    case
}

fn rerun(attempt: &CaseAttempt) -> TestRerun {
    let mut rerun = TestRerun::new(match attempt.outcome {
        Outcome::Failed => NonSuccessKind::Failure,
        Outcome::Errored | Outcome::Passed | Outcome::Skipped | Outcome::Cancelled => {
            NonSuccessKind::Error
        }
    });
    let reason = text::reason(attempt.outcome, Some(&attempt.why));
    rerun.set_message(attribute(&reason));
    rerun.set_type(text::outcome(attempt.outcome));
    rerun.set_time(attempt.took);
    rerun.set_description(bounded(&full_text(&attempt.why)));
    rerun
}

/// Everything there is to say: some consumers show this text and nothing else,
/// so the outputs are in it too.
fn full_text(why: &Explanation) -> String {
    let mut parts = Vec::new();
    if let Some(failure) = &why.failure
        && *failure != why.message
    {
        parts.push(failure.clone());
    }
    parts.push(why.message.clone());
    if let Some(place) = text::place(why) {
        parts.push(format!("at {place}"));
    }
    for detail in &why.details {
        let text = sanitize::bounded(&detail.text, sanitize::LIMIT / 2);
        parts.push(format!("\n{}:\n{}", detail.title, text.trim_end()));
    }
    parts.join("\n")
}

/// What the details of this title hold, such as `stdout`.
fn output(why: &Explanation, title: &str) -> Option<String> {
    let texts: Vec<_> = why
        .details
        .iter()
        .filter(|it| it.title == title)
        .map(|it| it.text.as_str())
        .collect();
    (!texts.is_empty()).then(|| bounded(&texts.join("\n")))
}

/// Text of an element: many lines, not too many.
pub(super) fn bounded(raw: &str) -> String {
    // cut first, since sanitising costs time; once more, since U+FFFD is longer than
    // what it replaces
    let clean = sanitize::text(&sanitize::bounded(raw, sanitize::LIMIT));
    sanitize::bounded(&clean, sanitize::LIMIT).replace('\t', TAB)
}

/// Text of an attribute, where XML readers make spaces of line breaks and tabs.
fn attribute(raw: &str) -> String {
    sanitize::line(&sanitize::bounded(raw, sanitize::LIMIT))
}

/// Stands for a run of which nothing is known; `cleanup` is the command that removes what it left.
pub(super) fn unfinished_case(classname: &str, cleanup: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message("the run did not finish");
    status.set_type("errored");
    status.set_description(bounded(&format!(
        "The run did not finish: kubeproof was ended before it could say what it found out.\n\
         Something killed it (a job's time-out, a lack of memory), or its machine went away. \
         Nothing is known of the cluster by it.\n\n\
         What to do: find what ended it in the log of the job or in the state of the pod, and run \
         it again.\n\
         What the run made may still be there. To remove it: {cleanup}"
    )));
    let mut case = TestCase::new("[run] did not finish", status);
    case.set_classname(classname);
    case.set_time(Duration::ZERO);
    case
}
