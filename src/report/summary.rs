//! What the human report says of a suite and of a run: which testcases share a
//! line, the details, the numbers. Pure text; `human` says when it is due.

use std::path::Path;

use indexmap::IndexMap;

use super::sanitize;
use super::style::{Color, Tone, Verbosity};
use super::text;
use crate::event::{CaseResult, Detail, Explanation, Outcome, Problem, Stage};
use crate::outcome::{Counts, RunExit, SuiteVerdict, Verdict};

/// So many errored testcases of one suite may say the same thing before they
/// share a line. What failed never does: each is an answer of its own.
const ERRORED_ALIKE: usize = 10;

/// So many different explanations of one suite are shown.
const DETAILED: usize = 20;

/// So many lines of one block of details are shown.
const DETAIL_LINES: usize = 30;

/// Testcases that say the same.
#[derive(Debug, PartialEq)]
pub struct Group<'a> {
    /// The first of them, in the order of the file.
    pub first: &'a CaseResult,
    /// How many there are, at least one.
    pub count: usize,
    /// Whether they only repeat what a problem of the suite's setup says.
    pub repeats_setup: bool,
}

/// The testcases of a suite that did not pass, grouped by what they say.
pub fn groups(suite: &SuiteVerdict) -> Vec<Group<'_>> {
    let setup: Vec<_> = suite
        .problems
        .iter()
        .filter(|it| is_before_cases(it.stage) && !it.why.message.is_empty())
        .map(|it| it.why.message.as_str())
        .collect();
    let mut alike: IndexMap<_, Vec<&CaseResult>> = IndexMap::new();
    for (place, case) in suite.not_passed.iter().enumerate() {
        let message = case.why.as_ref().map_or("", |why| &why.message);
        let repeats_setup = case.outcome == Outcome::Errored
            && setup.iter().any(|problem| message.contains(problem));
        let key = match (case.outcome, repeats_setup) {
            (Outcome::Failed | Outcome::Passed, _) => (case.outcome, false, "", place),
            (Outcome::Errored, true) => (case.outcome, true, "", 0),
            (Outcome::Errored | Outcome::Skipped | Outcome::Cancelled, _) => {
                (case.outcome, false, message, 0)
            }
        };
        alike.entry(key).or_default().push(case);
    }
    let mut groups = Vec::new();
    for ((outcome, repeats_setup, ..), cases) in alike {
        let may_share = match outcome {
            Outcome::Errored => repeats_setup || cases.len() > ERRORED_ALIKE,
            Outcome::Passed | Outcome::Failed | Outcome::Skipped | Outcome::Cancelled => true,
        };
        let chunk = if may_share { cases.len() } else { 1 };
        groups.extend(cases.chunks(chunk).map(|cases| Group {
            first: cases[0],
            count: cases.len(),
            repeats_setup,
        }));
    }
    groups.sort_by(|a, b| a.first.id.cmp(&b.first.id));
    groups
}

/// The lines between `=> Start` and `=> End`: one for each testcase that did not
/// pass, or for several that say the same, and one for each problem.
pub fn frame(suite: &SuiteVerdict, color: Color) -> Vec<String> {
    let problem = |it: &Problem| color.paint(Tone::Broken, text::problem(it));
    let (before, after): (Vec<_>, Vec<_>) = suite
        .problems
        .iter()
        .partition(|it| is_before_cases(it.stage));
    let mut lines: Vec<_> = before.into_iter().map(problem).collect();
    for group in groups(suite) {
        lines.push(color.paint(Tone::of(group.first.outcome), group_line(&group, suite)));
    }
    lines.extend(after.into_iter().map(problem));
    lines
}

/// Whether what goes wrong there stands before the testcases in a report.
pub fn is_before_cases(stage: Stage) -> bool {
    match stage {
        Stage::Load | Stage::Connect | Stage::Setup => true,
        Stage::Deadline | Stage::Interrupted | Stage::Teardown | Stage::Cleanup => false,
    }
}

fn group_line(group: &Group<'_>, suite: &SuiteVerdict) -> String {
    let case = group.first;
    if group.repeats_setup {
        let cases = text::count(group.count, "case");
        return format!("{cases} errored: the setup did not pass");
    }
    if group.count == 1 {
        return text::headline(case);
    }
    let word = text::outcome(case.outcome);
    let reason = text::reason(case.outcome, case.why.as_ref());
    if group.count == suite.counts.total() {
        format!("all {} cases {word}: {reason}", group.count)
    } else {
        let (name, more) = (text::name(case), group.count - 1);
        format!("{name} … and {more} more: {word}: {reason}")
    }
}

/// What failed or errored and has more to say than its line, by what it has to say.
fn explained(suite: &SuiteVerdict) -> IndexMap<(Outcome, &Explanation), Vec<&CaseResult>> {
    let mut explained: IndexMap<_, Vec<_>> = IndexMap::new();
    for case in &suite.not_passed {
        match (case.outcome, &case.why) {
            (Outcome::Failed | Outcome::Errored, Some(why)) if says_more(why) => {
                explained.entry((case.outcome, why)).or_default().push(case);
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
    explained
}

/// Whether there is more to an explanation than its line.
fn says_more(why: &Explanation) -> bool {
    why.place.is_some()
        || !why.details.is_empty()
        || why.failure.as_ref().is_some_and(|it| *it != why.message)
        || why.message.contains('\n')
}

/// The details of what did not pass wholly, of the whole run. Empty for a run
/// about which there is nothing to say.
pub fn details(verdict: &Verdict, color: Color, verbosity: Verbosity) -> String {
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
pub fn problem_details(problem: &Problem, color: Color, verbosity: Verbosity) -> String {
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
        for (place, ((_, why), cases)) in explained(suite).into_iter().enumerate() {
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
        if let Some(place) = &why.place {
            let place = format!("at {}", sanitize::line(place));
            self.line(4, &self.color.paint(Tone::Faint, place));
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
        let lines: Vec<_> = clean.trim_end().lines().collect();
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

/// The numbers of each suite, of the run, and where the reports are.
pub fn summary(
    verdict: &Verdict,
    color: Color,
    verbosity: Verbosity,
    junit: Option<&Path>,
) -> String {
    let mut lines = Vec::new();
    if verbosity != Verbosity::Quiet {
        lines.extend(verdict.suites().map(|suite| suite_line(suite, color)));
    }
    lines.push(total(verdict, color));
    if let Some(path) = junit
        && verbosity != Verbosity::Quiet
    {
        lines.push(format!("JUnit report: {}", path.display()));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn suite_line(suite: &SuiteVerdict, color: Color) -> String {
    let name = sanitize::line(&suite.suite.name);
    if suite.is_untouched() {
        return color.paint(Tone::Faint, format!("{name}: not run"));
    }
    let mut line = format!("{name}: {}", numbers(&suite.counts));
    if !suite.problems.is_empty() {
        let problems = text::count(suite.problems.len(), "problem");
        line.push_str(&format!(" and {problems} outside of cases"));
    }
    if let Some(took) = suite.took {
        line.push_str(&format!(" in {}", text::duration(took)));
    }
    line
}

/// The last line: the verdict in a word, and the numbers of the run.
pub fn total(verdict: &Verdict, color: Color) -> String {
    let exit = verdict.exit_code();
    let word = color.paint(Tone::of_exit(exit), exit.word().to_uppercase());
    let mut line = format!("{word}: {}", numbers(&verdict.counts()));
    let problems = verdict.errors_outside_count();
    if problems > 0 {
        let problems = text::count(problems, "problem");
        line.push_str(&format!(" and {problems} outside of cases"));
    }
    if let Some(took) = verdict.took {
        line.push_str(&format!(" in {}", text::duration(took)));
    }
    match (exit, verdict.cancelled) {
        (RunExit::Interrupted | RunExit::Terminated, _) => {}
        (_, Some(reason)) => line.push_str(&format!("; stopped early: {}", reason.describe())),
        (_, None) if verdict.broke_off() => line.push_str("; the run did not finish"),
        (_, None) => {}
    }
    let lost = verdict.lost();
    if lost > 0 {
        line.push_str(&format!(
            "; {} without an outcome",
            text::count(lost, "case")
        ));
    }
    line
}

fn numbers(counts: &Counts) -> String {
    let Counts {
        passed,
        failed,
        errored,
        skipped,
        cancelled,
        flaky,
        warned,
    } = counts;
    let of_passed: Vec<_> = [(flaky, "flaky"), (warned, "with a warning")]
        .into_iter()
        .filter(|(number, _)| **number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    let of_passed = match of_passed.is_empty() {
        true => String::new(),
        false => format!(" ({})", of_passed.join(", ")),
    };
    let mut line = format!(
        "{passed} passed{of_passed}, {failed} failed, {errored} errored, {skipped} skipped"
    );
    if *cancelled > 0 {
        line.push_str(&format!(", {cancelled} cancelled"));
    }
    line
}

/// What is still there, and what to do about it. Empty where nothing is.
pub fn leftovers(verdict: &Verdict, color: Color) -> String {
    let mut page = String::new();
    let (kept, faults): (Vec<_>, Vec<_>) = verdict.leftovers.iter().partition(|it| it.kept);
    for (title, tone, leftovers) in [
        ("Not cleaned up", Tone::Mild, faults),
        ("Kept as asked", Tone::Faint, kept),
    ] {
        if leftovers.is_empty() {
            continue;
        }
        page.push_str(&color.paint(tone, format!("{title}:")));
        page.push('\n');
        for leftover in leftovers {
            let object = sanitize::line(&leftover.object);
            let reason = sanitize::line(&leftover.reason);
            page.push_str(&format!("  {object}: {reason}\n"));
        }
    }
    if let Some(run) = &verdict.run
        && !page.is_empty()
    {
        let run = sanitize::line(run);
        page.push_str(&format!("To delete: kubeproof cleanup --run {run}\n"));
    }
    page
}
