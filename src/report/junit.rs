//! The JUnit report: a file that is there from the first moment, errored until
//! the run proves otherwise, and never less than whole.
//!
//! The verdict does not keep what passed; this does, as small as it can. All else
//! comes from the verdict, so that the numbers agree.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use quick_junit::{Report, TestSuite};

use super::file::Destination;
use super::testcase::{Names, Notes, TAB, bounded, problem_case, unfinished_case};
use super::{Reporter, sanitize, summary, text};
use crate::event::{CaseId, CaseResult, Event, EventKind, Leftover, Outcome, Problem, SuiteRef};
use crate::outcome::{SuiteVerdict, Verdict};

/// The name of the report, and of the testsuite for what belongs to no suite.
const PROGRAM: &str = "kubeproof";

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
    properties: Box<[(String, String)]>,
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
                suite.add_test_case(unfinished_case(PROGRAM));
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
        let mut told: Vec<_> = known.diagnoses.iter().map(text::diagnosis).collect();
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
        let is_left = |left: &Leftover| left.suite.as_ref() == Some(&known.suite);
        if let Some(command) = &verdict.cleanup
            && verdict.leftovers.iter().any(is_left)
        {
            told.push(format!("to remove it: {}", sanitize::line(command)));
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
                    let mut testcase = notes.passed_case(&id, case.took, &mut names);
                    for (name, value) in &case.properties {
                        testcase.add_property((sanitize::line(name), sanitize::line(value)));
                    }
                    testcase
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
                            properties: result
                                .properties
                                .iter()
                                .map(|(name, value)| (name.clone(), value.clone()))
                                .collect(),
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
            | EventKind::Awaiting { .. }
            | EventKind::Connected(_)
            | EventKind::SuiteStarted { .. }
            | EventKind::StageStarted { .. }
            | EventKind::StepWaits { .. }
            | EventKind::StepWaited { .. }
            | EventKind::NodeExcluded { .. }
            | EventKind::CasesPlanned { .. }
            | EventKind::CaseStarted(_)
            | EventKind::SuiteCleaned { .. }
            | EventKind::CaseRetried(_)
            | EventKind::Diagnosis(_)
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

fn placeholder() -> Report {
    let mut suite = TestSuite::new(PROGRAM);
    suite.add_test_case(unfinished_case(PROGRAM));
    let mut report = Report::new(PROGRAM);
    report.add_test_suite(suite);
    report
}

fn serialize(report: &Report) -> io::Result<Vec<u8>> {
    let xml = report.to_string().map_err(io::Error::other)?;
    Ok(xml.replace(TAB, "\t").into_bytes())
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

fn timestamp(time: Timestamp) -> Option<chrono::DateTime<chrono::Utc>> {
    let nanoseconds = u32::try_from(time.subsec_nanosecond()).ok()?;
    chrono::DateTime::from_timestamp(time.as_second(), nanoseconds)
}
