//! The details in the human report: all that there is to say of what did not pass
//! wholly, in blocks that a pod's output cannot break out of.

use indexmap::IndexMap;

use super::style::{Color, Tone, Verbosity};
use super::{sanitize, text};
use crate::event::{CaseResult, Detail, Explanation, Outcome, Problem};
use crate::outcome::{SuiteVerdict, Verdict};

/// So many different explanations of one suite are shown.
const DETAILED: usize = 20;

/// So many lines of one block of details are shown.
const DETAIL_LINES: usize = 30;

/// So many bytes of one line.
const DETAIL_LINE: usize = 4000;

/// The details of what did not pass wholly, of the whole run. Empty for a run
/// about which there is nothing to say.
pub fn of_run(verdict: &Verdict, color: Color, verbosity: Verbosity) -> String {
    let mut page = Page {
        color,
        verbosity,
        text: String::new(),
    };
    for problem in verdict.problems.iter().filter(|it| says_more(&it.why)) {
        page.problem(problem);
    }
    if !page.text.is_empty() {
        page.text.push('\n');
    }
    for suite in verdict.suites() {
        page.suite(suite);
    }
    page.text
}

/// The details of one problem, for those that come after the verdict.
pub fn of_problem(problem: &Problem, color: Color, verbosity: Verbosity) -> String {
    let mut page = Page {
        color,
        verbosity,
        text: String::new(),
    };
    page.problem(problem);
    page.text
}

struct Page {
    color: Color,
    verbosity: Verbosity,
    text: String,
}

impl Page {
    fn suite(&mut self, suite: &SuiteVerdict) {
        let quiet = self.verbosity == Verbosity::Quiet;
        let mut inner = Self {
            color: self.color,
            verbosity: self.verbosity,
            text: String::new(),
        };
        for problem in suite.problems.iter().filter(|it| says_more(&it.why)) {
            inner.problem(problem);
        }
        let mut left_out = 0;
        for (place, (why, cases)) in explained(suite).into_iter().enumerate() {
            if place < DETAILED || self.verbosity == Verbosity::Verbose {
                inner.case(&cases, why);
            } else {
                left_out += cases.len();
            }
        }
        if left_out > 0 {
            let more = format!("… and {left_out} more (-v shows all)");
            inner.line(2, &self.color.paint(Tone::Faint, more));
        }
        if !quiet {
            inner.remarks(suite);
        }
        if !inner.text.is_empty() {
            let name = sanitize::line(&suite.suite.name);
            let place = match &suite.file {
                Some(file) => format!("{name} ({})", sanitize::line(file)),
                None => name,
            };
            self.line(0, &self.color.paint(Tone::Strong, place));
            self.text.push_str(&inner.text);
            self.text.push('\n');
        }
    }

    /// What is worth knowing of what passed, and of what was not tried at all.
    fn remarks(&mut self, suite: &SuiteVerdict) {
        for case in &suite.warned {
            if let Some(why) = &case.why {
                self.case(&[case], why);
            }
        }
        for flaky in suite
            .retried
            .iter()
            .filter(|it| it.outcome == Outcome::Passed)
        {
            let word = self.color.paint(Tone::Mild, "flaky");
            let attempts = flaky.attempts.len() + 1;
            let name = sanitize::line(&flaky.id.name);
            self.line(2, &format!("{word} {name}: passed at attempt {attempts}"));
            for attempt in &flaky.attempts {
                let reason = text::reason(attempt.outcome, Some(&attempt.why));
                let word = text::outcome(attempt.outcome);
                self.line(4, &format!("attempt {} {word}: {reason}", attempt.attempt));
            }
        }
        let mut by_reason: IndexMap<&str, Vec<String>> = IndexMap::new();
        for node in &suite.excluded {
            let nodes = by_reason.entry(&node.reason).or_default();
            nodes.push(sanitize::line(&node.node));
        }
        for (reason, nodes) in by_reason {
            let word = self.color.paint(Tone::Mild, "not tested");
            let (shown, more) = nodes.split_at(nodes.len().min(DETAILED));
            let more = match more.len() {
                0 => String::new(),
                more => format!(" … and {more} more"),
            };
            let (nodes, reason) = (shown.join(", "), sanitize::line(reason));
            self.line(2, &format!("{word} {nodes}{more}: {reason}"));
        }
    }

    fn problem(&mut self, problem: &Problem) {
        let word = self.color.paint(Tone::Broken, "errored");
        self.line(2, &format!("{word} {}", problem.stage.testcase()));
        self.explanation(&problem.why);
    }

    /// Testcases that share an explanation; there is at least one.
    fn case(&mut self, cases: &[&CaseResult], why: &Explanation) {
        let Some(first) = cases.first() else {
            return;
        };
        let (word, tone) = match first.outcome {
            Outcome::Passed => ("warning", Tone::Mild),
            outcome => (text::outcome(outcome), Tone::of(outcome)),
        };
        let word = self.color.paint(tone, word);
        let name = text::name(first);
        match cases.len() {
            1 => {
                let took = format!("({})", text::duration(first.took));
                let took = self.color.paint(Tone::Faint, took);
                self.line(2, &format!("{word} {name} {took}"));
            }
            count => self.line(2, &format!("{word} {name} … and {} more", count - 1)),
        }
        self.explanation(why);
    }

    fn explanation(&mut self, why: &Explanation) {
        if let Some(place) = text::place(why) {
            let place = self.color.paint(Tone::Faint, format!("at {place}"));
            self.line(4, &place);
        }
        let failure = why.failure.as_deref().unwrap_or_default();
        if failure != why.message {
            self.block(4, "", failure);
        }
        self.block(4, "", &why.message);
        for Detail { title, text } in &why.details {
            self.line(4, &format!("{}:", sanitize::line(title)));
            // the bar tells what a pod printed from what we say
            self.block(4, "| ", text);
        }
    }

    fn block(&mut self, indent: usize, bar: &str, raw: &str) {
        let clean = sanitize::text(raw);
        let clean = sanitize::bounded_lines(clean.trim_end(), DETAIL_LINE);
        let lines: Vec<_> = clean.lines().collect();
        let (head, tail) = if lines.len() <= DETAIL_LINES || self.verbosity == Verbosity::Verbose {
            (&lines[..], &[][..])
        } else {
            let half = DETAIL_LINES / 2;
            (&lines[..half], &lines[lines.len() - half..])
        };
        for line in head {
            self.line(indent, &format!("{bar}{line}"));
        }
        if !tail.is_empty() {
            let left_out = format!(
                "… {} lines left out …",
                lines.len() - head.len() - tail.len()
            );
            self.line(indent, &self.color.paint(Tone::Faint, left_out));
        }
        for line in tail {
            self.line(indent, &format!("{bar}{line}"));
        }
    }

    fn line(&mut self, indent: usize, line: &str) {
        self.text.push_str(&" ".repeat(indent));
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

/// What failed or errored and has more to say than its line, by what it has to say. The name of a
/// step alone makes no difference: it may name the cell.
fn explained(suite: &SuiteVerdict) -> Vec<(&Explanation, Vec<&CaseResult>)> {
    let mut explained: IndexMap<_, (&Explanation, Vec<_>)> = IndexMap::new();
    for case in &suite.not_passed {
        match (case.outcome, &case.why) {
            (Outcome::Failed | Outcome::Errored, Some(why)) if says_more(why) => {
                let Explanation {
                    failure,
                    message,
                    details,
                    place,
                    step: _,
                } = why;
                let key = (case.outcome, failure, message, details, place);
                let (_, cases) = explained.entry(key).or_insert_with(|| (why, Vec::new()));
                cases.push(case);
            }
            // their lines have said it
            (
                Outcome::Failed
                | Outcome::Errored
                | Outcome::Passed
                | Outcome::Skipped
                | Outcome::Cancelled,
                _,
            ) => {}
        }
    }
    explained.into_values().collect()
}

/// Whether there is more to an explanation than its line.
fn says_more(why: &Explanation) -> bool {
    why.place.is_some()
        || why.step.is_some()
        || !why.details.is_empty()
        || why.failure.as_ref().is_some_and(|it| *it != why.message)
        || why.message.contains('\n')
        || why.headline().len() > text::LINE
}
