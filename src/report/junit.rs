//! The JUnit report: a file that is there from the first moment, errored until
//! the run proves otherwise, and never less than whole.
//!
//! The verdict does not keep what passed; this does, as small as it can. All else
//! comes from the verdict, so that the numbers agree. Which elements readers take is
//! `schema`'s to know.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use quick_junit::{Report, TestSuite};

use super::file::Destination;
use super::outlet::Outlet;
use super::schema::{self, Origin, Schema};
use super::testcase::{Names, Notes, TAB, bounded, problem_case, unfinished_case};
use super::{Reporter, sanitize, summary, text};
use crate::event::{CaseId, CaseResult, Event, EventKind, Leftover, Outcome, Problem, SuiteRef};
use crate::outcome::{SuiteVerdict, Verdict};

/// The name of the report, and of the testsuite for what belongs to no suite.
const PROGRAM: &str = "kubeproof";

/// What removes the leftovers of a run whose id nobody knows.
const CLEANUP: &str = "kubeproof cleanup --older-than 1h";

/// How to write a JUnit report.
#[derive(Clone, Debug)]
pub struct JunitOptions {
    /// For which readers.
    pub schema: Schema,
    /// Where and when it is made.
    pub origin: Origin,
}

/// Writes a JUnit report.
pub struct Junit {
    name: String,
    target: Target,
    options: JunitOptions,
    passed: BTreeMap<usize, Vec<PassedCase>>,
}

/// Where the report goes.
enum Target {
    /// A file, which holds the report of the run as it stands at any time.
    File {
        destination: Destination,
        outlet: Outlet,
    },
    /// Whoever reads it takes one document: the last one.
    Stream {
        output: Box<dyn Write + Send>,
        is_written: bool,
    },
}

/// Which report of a run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draft {
    /// Another one follows.
    Early,
    Last,
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
    /// Leaves the placeholder to be written to a file, which people know as `path`, so that
    /// whatever was there is gone: call it as soon as the arguments are understood, and wait for
    /// the outlet.
    ///
    /// # Errors
    /// Where nothing can be left to be written.
    pub fn in_file(
        path: &Path,
        destination: Destination,
        options: JunitOptions,
    ) -> io::Result<Self> {
        let target = Target::File {
            destination,
            outlet: Outlet::new(),
        };
        let mut junit = Self::new(format!("JUnit report {}", path.display()), target, options);
        junit.write(unfinished(&Verdict::default()), Draft::Early)?;
        Ok(junit)
    }

    /// One document to `output` at the end; `name` is what to call it when it fails.
    pub fn on_stream(
        name: String,
        output: impl Write + Send + 'static,
        options: JunitOptions,
    ) -> Self {
        let target = Target::Stream {
            output: Box::new(output),
            is_written: false,
        };
        Self::new(name, target, options)
    }

    fn new(name: String, target: Target, options: JunitOptions) -> Self {
        Self {
            name,
            target,
            options,
            passed: BTreeMap::new(),
        }
    }

    /// What it leaves a file with.
    pub fn outlet(&self) -> Option<&Outlet> {
        match &self.target {
            Target::File { outlet, .. } => Some(outlet),
            Target::Stream { .. } => None,
        }
    }

    fn write(&mut self, report: Report, draft: Draft) -> io::Result<()> {
        match &mut self.target {
            Target::File {
                destination,
                outlet,
            } => {
                let text = serialize(report, &self.options)?;
                let destination = destination.clone();
                outlet.leave(text.len(), move |_| destination.replace(&text))
            }
            Target::Stream { .. } if draft == Draft::Early => Ok(()),
            Target::Stream { output, is_written } => {
                if std::mem::replace(is_written, true) {
                    return Ok(());
                }
                let text = serialize(report, &self.options)?;
                output.write_all(&text)?;
                output.flush()
            }
        }
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
                suite.add_test_case(unfinished_case(PROGRAM, cleanup(verdict)));
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
        let is_left = |left: &Leftover| {
            let suite = left.suite.as_ref();
            suite.is_some_and(|suite| suite.index == known.suite.index)
        };
        for leftover in &verdict.leftovers {
            if is_left(leftover) {
                let object = sanitize::line(&leftover.object);
                let reason = sanitize::line(&leftover.reason);
                let word = if leftover.kept { "kept" } else { "still there" };
                told.push(format!("{object} is {word}: {reason}"));
            }
        }
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
            // a kill from here on leaves how to clean up
            EventKind::RunStarted { .. } => self.write(unfinished(verdict), Draft::Early),
            EventKind::VerdictReached { .. } => self.write(self.report(verdict), Draft::Early),
            EventKind::Awaiting { .. }
            | EventKind::Connected(_)
            | EventKind::SuiteStarted { .. }
            | EventKind::StageStarted { .. }
            | EventKind::StepWaits { .. }
            | EventKind::StepWaited { .. }
            | EventKind::NodeExcluded { .. }
            | EventKind::CasesPlanned { .. }
            | EventKind::CaseStarted(_)
            | EventKind::StepStarted { .. }
            | EventKind::StepFinished { .. }
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
        self.write(self.report(verdict), Draft::Last)
    }
}

/// The report of a run that has not finished.
fn unfinished(verdict: &Verdict) -> Report {
    let mut suite = TestSuite::new(PROGRAM);
    properties(&mut suite, verdict);
    suite.add_test_case(unfinished_case(PROGRAM, cleanup(verdict)));
    let mut report = Report::new(PROGRAM);
    report.add_test_suite(suite);
    report
}

fn cleanup(verdict: &Verdict) -> &str {
    verdict.cleanup.as_deref().unwrap_or(CLEANUP)
}

fn serialize(mut report: Report, options: &JunitOptions) -> io::Result<Vec<u8>> {
    if options.schema == Schema::Common {
        schema::to_common(&mut report, &options.origin);
    }
    let xml = report.to_string().map_err(io::Error::other)?;
    let xml = match options.schema {
        Schema::Common => schema::without_totals(xml),
        Schema::Extended => xml,
    };
    Ok(xml.replace(TAB, "\t").into_bytes())
}

/// Properties that are the same for each suite of a run.
fn properties(suite: &mut TestSuite, verdict: &Verdict) {
    let connection = verdict.connection.as_ref();
    let version = verdict.version.as_deref();
    let of_run = [
        ("kubeproof.run", verdict.run.as_deref()),
        (
            "kubeproof.version",
            version.or(Some(env!("CARGO_PKG_VERSION"))),
        ),
        ("kubeproof.server", connection.map(|it| it.server.as_str())),
        (
            "kubeproof.server.version",
            connection.map(|it| it.version.as_str()),
        ),
        (
            "kubeproof.context",
            connection.and_then(|it| it.context.as_deref()),
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
