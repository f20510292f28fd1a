//! The report for people, on stdout: a frame for each suite, then the details,
//! then the numbers, then what cleaning up had to say, and the verdict as its last word.
//!
//! A frame is written when its suite is finished, so that its lines stand in the
//! order of the file and of the axes; what goes on meanwhile is `progress`'s to
//! tell. What the lines say is in `summary` and `details`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use super::style::{Color, Tone, Verbosity};
use super::{Reporter, details, sanitize, summary, text};
use crate::event::{Event, EventKind, Problem};
use crate::outcome::{RunExit, SuiteVerdict, Verdict};

/// How to write the report for people.
#[derive(Clone, Debug, Default)]
pub struct HumanOptions {
    /// Whether in colours.
    pub color: Color,
    /// How much of it.
    pub verbosity: Verbosity,
    /// The JUnit report to name in the summary.
    pub junit: Option<PathBuf>,
}

/// Writes the report for people.
pub struct Human<W> {
    output: W,
    options: HumanOptions,
    frames: Frames,
    /// Written at once when an event is done with: a line never comes in parts.
    page: String,
    has_summary: bool,
    leftovers_told: bool,
    /// How the run stood when the verdict was written.
    told: Option<RunExit>,
}

/// Which frames stand open. Suites that run side by side must not mix their lines:
/// one at a time shows its `=> Start`, the others wait.
#[derive(Debug, Default)]
struct Frames {
    open: Option<usize>,
    running: BTreeSet<usize>,
    /// Finished while another one stood open, in that order.
    waiting: Vec<usize>,
    /// Problems of no suite that came while a frame stood open.
    between: Vec<String>,
}

impl<W: Write + Send> Human<W> {
    /// Writes to `output`.
    pub fn new(output: W, options: HumanOptions) -> Self {
        Self {
            output,
            options,
            frames: Frames::default(),
            page: String::new(),
            has_summary: false,
            leftovers_told: false,
            told: None,
        }
    }

    fn is_quiet(&self) -> bool {
        self.options.verbosity == Verbosity::Quiet
    }

    fn line(&mut self, line: &str) {
        self.page.push_str(line);
        self.page.push('\n');
    }

    fn start(&mut self, suite: usize, verdict: &Verdict) {
        self.frames.running.insert(suite);
        // a quiet report learns only at the end whether there is something to say
        if self.frames.open.is_none() && !self.is_quiet() {
            self.open(suite, verdict);
        }
    }

    fn open(&mut self, suite: usize, verdict: &Verdict) {
        self.frames.open = Some(suite);
        if let Some(suite) = verdict.suite(suite) {
            self.frame_line("Start", suite);
        }
    }

    fn frame_line(&mut self, word: &str, suite: &SuiteVerdict) {
        let line = format!("=> {word} {}", sanitize::line(&suite.title));
        let line = self.options.color.paint(Tone::Strong, line);
        self.line(&line);
    }

    fn close(&mut self, suite: usize, verdict: &Verdict) {
        self.frames.running.remove(&suite);
        if self.frames.open.is_some_and(|open| open != suite) {
            self.frames.waiting.push(suite);
            return;
        }
        self.frame(suite, verdict);
        self.frames.open = None;
        for suite in std::mem::take(&mut self.frames.waiting) {
            self.frame(suite, verdict);
        }
        for line in std::mem::take(&mut self.frames.between) {
            self.line(&line);
        }
        if let Some(next) = self.frames.running.first()
            && !self.is_quiet()
        {
            self.open(*next, verdict);
        }
    }

    /// The whole frame, its first line only where that is not there yet.
    fn frame(&mut self, index: usize, verdict: &Verdict) {
        let Some(suite) = verdict.suite(index) else {
            return;
        };
        if self.is_quiet() && suite.is_clean() {
            return;
        }
        if self.frames.open != Some(index) {
            self.frame_line("Start", suite);
        }
        for line in summary::frame(suite, self.options.color) {
            self.line(&line);
        }
        self.frame_line("End", suite);
    }

    fn problem(&mut self, problem: &Problem, verdict: &Verdict) {
        let line = text::problem(problem);
        if !self.has_summary {
            match &problem.suite {
                // its frame is still to come, and tells it
                Some(_) => {}
                None => {
                    let line = self.options.color.paint(Tone::Broken, line);
                    self.frames.between.push(line);
                    self.tell_between();
                }
            }
            return;
        }
        let suite = problem
            .suite
            .as_ref()
            .and_then(|it| verdict.suite(it.index));
        if let Some(suite) = suite {
            let name = sanitize::line(&suite.suite.name);
            self.line(&self.options.color.paint(Tone::Strong, name));
        }
        let HumanOptions {
            color, verbosity, ..
        } = self.options;
        let details = details::of_problem(problem, color, verbosity);
        self.page.push_str(&details);
    }

    fn tell_between(&mut self) {
        if self.frames.open.is_none() {
            for line in std::mem::take(&mut self.frames.between) {
                self.line(&line);
            }
        }
    }

    /// What is known when every case has its outcome.
    fn summary(&mut self, verdict: &Verdict) {
        // a run that was stopped may leave suites without an end
        while let Some(suite) = self.frames.open.or(self.frames.running.first().copied()) {
            self.close(suite, verdict);
        }
        self.tell_between();
        let HumanOptions {
            color, verbosity, ..
        } = self.options;
        let details = details::of_run(verdict, color, verbosity);
        let summary = summary::summary(verdict, color, verbosity);
        if !self.is_quiet() || !details.is_empty() {
            self.page.push('\n');
        }
        self.page.push_str(&details);
        self.page.push_str(&summary);
        self.has_summary = true;
    }

    /// The last word: teardown and cleanup may have changed what the run amounts to.
    fn verdict(&mut self, verdict: &Verdict) {
        if !std::mem::replace(&mut self.leftovers_told, true) {
            let leftovers = summary::leftovers(verdict, self.options.color);
            self.page.push_str(&leftovers);
        }
        let exit = verdict.exit_code();
        if self.told.replace(exit) == Some(exit) {
            return;
        }
        self.line(&summary::total(verdict, self.options.color));
        if let Some(path) = &self.options.junit
            && !self.is_quiet()
        {
            self.line(&format!("JUnit report: {}", path.display()));
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.page.is_empty() {
            return Ok(());
        }
        let page = std::mem::take(&mut self.page);
        self.output.write_all(page.as_bytes())?;
        self.output.flush()
    }
}

impl<W: Write + Send> Reporter for Human<W> {
    fn name(&self) -> &str {
        "report on stdout"
    }

    fn event(&mut self, event: &Event, verdict: &Verdict) -> io::Result<()> {
        match &event.kind {
            EventKind::SuiteStarted { suite, .. } => self.start(suite.index, verdict),
            EventKind::SuiteFinished { suite, .. } => self.close(suite.index, verdict),
            EventKind::Problem(problem) => self.problem(problem, verdict),
            EventKind::VerdictReached { .. } => self.summary(verdict),
            EventKind::RunStarted { .. }
            | EventKind::Awaiting { .. }
            | EventKind::Connected(_)
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
            | EventKind::CaseFinished(_)
            | EventKind::Cancelling { .. }
            | EventKind::Leftover(_)
            | EventKind::Notice { .. }
            | EventKind::RunFinished { .. } => {}
        }
        self.flush()
    }

    fn finish(&mut self, verdict: &Verdict) -> io::Result<()> {
        if !self.has_summary {
            self.summary(verdict);
        }
        self.verdict(verdict);
        self.flush()
    }
}
