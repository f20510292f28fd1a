//! The JUnit report: a file that is there from the first moment, errored until
//! the run proves otherwise, and never less than whole.
//!
//! The verdict does not keep what passed; this does, as small as it can. All else
//! comes from the verdict, so that the numbers agree.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};

use super::file::Destination;
use super::{Reporter, sanitize, summary, text};
use crate::event::{
    CaseAttempt, CaseId, CaseResult, Event, EventKind, Explanation, Outcome, Problem, SuiteRef,
};
use crate::outcome::{SuiteVerdict, Verdict};

/// The name of the report, and of the testsuite for what belongs to no suite.
const PROGRAM: &str = "kubeproof";

/// Stands for a tab until the XML is written: quick-junit takes tabs out of every
/// text. The sanitiser leaves no such character behind.
const TAB: &str = "\u{fdd0}";

/// Writes a JUnit report.
pub struct Junit {
    name: String,
    destination: Destination,
    passed: BTreeMap<usize, Vec<PassedCase>>,
}

/// A testcase of which there is nothing to say.
struct PassedCase {
    case: usize,
    cell: usize,
    name: Box<str>,
    took: Duration,
}

/// A testcase of the report, by reference.
enum Entry<'a> {
    Passed(&'a PassedCase),
    Other(&'a CaseResult),
}

impl Junit {
    /// Writes the placeholder to `path`, so that whatever was there is gone: call
    /// it as soon as the arguments are understood.
    ///
    /// # Errors
    /// When the file cannot be written; better told before a run than after.
    pub fn new(path: &Path) -> io::Result<Self> {
        write_placeholder(path)?;
        Ok(Self {
            name: format!("JUnit report {}", path.display()),
            // looked at again: it may have become a file just now
            destination: Destination::of(path),
            passed: BTreeMap::new(),
        })
    }

    fn write(&self, verdict: &Verdict) -> io::Result<()> {
        self.destination.write(&serialize(&self.report(verdict))?)
    }

    /// The whole report, of the run as it stands.
    fn report(&self, verdict: &Verdict) -> Report {
        let mut report = Report::new(PROGRAM);
        if let Some(started) = verdict.started.and_then(timestamp) {
            report.set_timestamp(started);
        }
        if let Some(took) = verdict.took {
            report.set_time(took);
        }
        let outside = verdict.errors_outside(None);
        let is_unexplained = verdict.broke_off() && outside.is_empty();
        if is_unexplained || !outside.is_empty() {
            let mut suite = TestSuite::new(PROGRAM);
            properties(&mut suite, verdict);
            let mut names = Names::default();
            if is_unexplained {
                suite.add_test_case(unfinished_case());
            }
            for problem in &outside {
                suite.add_test_case(problem_case(problem, PROGRAM, &mut names));
            }
            report.add_test_suite(suite);
        }
        for suite in verdict.suites() {
            let errors = verdict.errors_outside(Some(suite.suite.index));
            if !(suite.is_untouched() && errors.is_empty()) {
                let errors: Vec<_> = errors.iter().map(|it| &**it).collect();
                report.add_test_suite(self.suite(suite, &errors, verdict));
            }
        }
        report
    }

    fn suite(&self, known: &SuiteVerdict, errors: &[&Problem], verdict: &Verdict) -> TestSuite {
        let name = sanitize::line(&known.suite.name);
        let mut suite = TestSuite::new(&name);
        if let Some(started) = known.started.and_then(timestamp) {
            suite.set_timestamp(started);
        }
        if let Some(took) = known.took {
            suite.set_time(took);
        }
        let of_suite = [
            ("kubeproof.title", Some(&known.title)),
            ("kubeproof.file", known.file.as_ref()),
            ("kubeproof.namespace", known.namespace.as_ref()),
        ];
        for (key, value) in of_suite {
            if let Some(value) = value {
                suite.add_property((key.to_owned(), sanitize::line(value)));
            }
        }
        properties(&mut suite, verdict);
        let mut told = Vec::new();
        for node in &known.excluded {
            let (node, reason) = (sanitize::line(&node.node), sanitize::line(&node.reason));
            told.push(format!("{node} was not tested: {reason}"));
            suite.add_property((format!("kubeproof.excluded.{node}"), reason));
        }
        for leftover in &verdict.leftovers {
            if leftover.suite.as_ref() == Some(&known.suite) {
                let object = sanitize::line(&leftover.object);
                let reason = sanitize::line(&leftover.reason);
                let word = if leftover.kept { "kept" } else { "still there" };
                told.push(format!("{object} is {word}: {reason}"));
            }
        }
        if !told.is_empty() {
            suite.set_system_out(bounded(&told.join("\n")));
        }

        let mut names = Names::default();
        let (before, after): (Vec<&Problem>, Vec<_>) = errors
            .iter()
            .partition(|it| summary::is_before_cases(it.stage));
        for problem in before {
            suite.add_test_case(problem_case(problem, &name, &mut names));
        }
        let notes = Notes::of(known);
        for entry in self.entries(known) {
            suite.add_test_case(match entry {
                Entry::Passed(case) => {
                    let id = case.id(&known.suite);
                    notes.passed_case(&id, case.took, &mut names)
                }
                Entry::Other(case) => notes.other_case(case, &mut names),
            });
        }
        for problem in after {
            suite.add_test_case(problem_case(problem, &name, &mut names));
        }
        suite
    }

    /// All testcases of a suite in the order of the file, then of the axes.
    fn entries<'a>(&'a self, known: &'a SuiteVerdict) -> Vec<Entry<'a>> {
        let passed = self.passed.get(&known.suite.index);
        let mut entries: Vec<_> = passed
            .into_iter()
            .flatten()
            .map(Entry::Passed)
            .chain(known.not_passed.iter().map(Entry::Other))
            .collect();
        entries.sort_by(|a, b| a.key().cmp(&b.key()));
        entries
    }
}

impl PassedCase {
    fn id(&self, suite: &SuiteRef) -> CaseId {
        CaseId {
            suite: suite.clone(),
            case: self.case,
            cell: self.cell,
            name: self.name.to_string(),
        }
    }
}

impl Entry<'_> {
    fn key(&self) -> (usize, usize, &str) {
        match self {
            Self::Passed(it) => (it.case, it.cell, &it.name),
            Self::Other(it) => (it.id.case, it.id.cell, &it.id.name),
        }
    }
}

impl Reporter for Junit {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, verdict: &Verdict) -> io::Result<()> {
        match &event.kind {
            EventKind::CaseFinished(result) => {
                match result.outcome {
                    Outcome::Passed => {
                        let suite = self.passed.entry(result.id.suite.index).or_default();
                        suite.push(PassedCase {
                            case: result.id.case,
                            cell: result.id.cell,
                            name: result.id.name.as_str().into(),
                            took: result.took,
                        });
                    }
                    // the verdict keeps them
                    Outcome::Failed | Outcome::Errored | Outcome::Skipped | Outcome::Cancelled => {}
                }
                Ok(())
            }
            // a stream takes one document: the last one
            EventKind::VerdictReached { .. } => match self.destination {
                Destination::File(_) => self.write(verdict),
                Destination::Stream(_) => Ok(()),
            },
            EventKind::RunStarted { .. }
            | EventKind::Connected(_)
            | EventKind::SuiteStarted { .. }
            | EventKind::StageStarted { .. }
            | EventKind::NodeExcluded { .. }
            | EventKind::CasesPlanned { .. }
            | EventKind::CaseStarted(_)
            | EventKind::SuiteCleaned { .. }
            | EventKind::CaseRetried(_)
            | EventKind::Problem(_)
            | EventKind::SuiteFinished { .. }
            | EventKind::Cancelling { .. }
            | EventKind::Leftover(_)
            | EventKind::Notice { .. }
            | EventKind::RunFinished { .. } => Ok(()),
        }
    }

    /// Writes the report for the last time, with what cleaning up added to it.
    fn finish(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.write(verdict)
    }
}

/// Writes the report of a run that has not finished, in place of whatever report
/// is there.
///
/// # Errors
/// What the system says.
pub fn write_placeholder(path: &Path) -> io::Result<()> {
    match Destination::of(path) {
        file @ Destination::File(_) => file.write(&serialize(&placeholder())?),
        Destination::Stream(_) => Ok(()),
    }
}

fn unfinished_case() -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message("the run did not finish");
    status.set_type("errored");
    let mut case = TestCase::new("[run] did not finish", status);
    case.set_classname(PROGRAM);
    case
}

fn placeholder() -> Report {
    let mut suite = TestSuite::new(PROGRAM);
    suite.add_test_case(unfinished_case());
    let mut report = Report::new(PROGRAM);
    report.add_test_suite(suite);
    report
}

fn serialize(report: &Report) -> io::Result<Vec<u8>> {
    let xml = report.to_string().map_err(io::Error::other)?;
    Ok(xml.replace(TAB, "\t").into_bytes())
}

/// What is known of single testcases beside how they ended.
struct Notes<'a> {
    retried: HashMap<&'a CaseId, &'a [CaseAttempt]>,
    warned: HashMap<&'a CaseId, &'a Explanation>,
}

impl<'a> Notes<'a> {
    fn of(suite: &'a SuiteVerdict) -> Self {
        Self {
            retried: suite
                .retried
                .iter()
                .map(|it| (&it.id, &*it.attempts))
                .collect(),
            warned: suite
                .warned
                .iter()
                .filter_map(|it| Some((&it.id, it.why.as_ref()?)))
                .collect(),
        }
    }

    fn passed_case(&self, id: &CaseId, took: Duration, names: &mut Names) -> TestCase {
        let mut status = TestCaseStatus::success();
        let mut told = Vec::new();
        if let Some(attempts) = self.retried.get(id) {
            status.add_reruns(attempts.iter().map(rerun));
            told.push(format!("flaky: passed at attempt {}", attempts.len() + 1));
            told.extend(attempts.iter().map(|it| {
                let reason = text::reason(it.outcome, Some(&it.why));
                let word = text::outcome(it.outcome);
                format!("attempt {} {word}: {reason}", it.attempt)
            }));
        }
        let warning = self.warned.get(id);
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

    fn other_case(&self, result: &CaseResult, names: &mut Names) -> TestCase {
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
        if let Some(attempts) = self.retried.get(&result.id) {
            status.add_reruns(attempts.iter().map(rerun));
        }
        let mut case = new_case(&result.id, result.took, status, names);
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
struct Names {
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

fn problem_case(problem: &Problem, classname: &str, names: &mut Names) -> TestCase {
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

/// Properties that are the same for each suite of a run.
fn properties(suite: &mut TestSuite, verdict: &Verdict) {
    let connection = verdict.connection.as_ref();
    let of_run = [
        ("kubeproof.run", verdict.run.as_ref()),
        ("kubeproof.version", verdict.version.as_ref()),
        ("kubeproof.server", connection.map(|it| &it.server)),
        ("kubeproof.server.version", connection.map(|it| &it.version)),
        (
            "kubeproof.context",
            connection.and_then(|it| it.context.as_ref()),
        ),
    ];
    for (key, value) in of_run {
        if let Some(value) = value {
            suite.add_property((key.to_owned(), sanitize::line(value)));
        }
    }
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
    if let Some(place) = &why.place {
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
fn bounded(raw: &str) -> String {
    // cut first, since sanitising costs time; once more, since U+FFFD is longer than
    // what it replaces
    let clean = sanitize::text(&sanitize::bounded(raw, sanitize::LIMIT));
    sanitize::bounded(&clean, sanitize::LIMIT).replace('\t', TAB)
}

/// Text of an attribute, where XML readers make spaces of line breaks and tabs.
fn attribute(raw: &str) -> String {
    sanitize::line(&sanitize::bounded(raw, sanitize::LIMIT))
}

fn timestamp(time: Timestamp) -> Option<chrono::DateTime<chrono::Utc>> {
    let nanoseconds = u32::try_from(time.subsec_nanosecond()).ok()?;
    chrono::DateTime::from_timestamp(time.as_second(), nanoseconds)
}
