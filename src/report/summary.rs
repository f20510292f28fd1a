//! What the human report says of a suite and of a run: which testcases share a
//! line, and the numbers. Pure text; the details are in `details`, and `human` says
//! when each is due.

use indexmap::IndexMap;

use super::sanitize;
use super::style::{Color, Tone, Verbosity};
use super::text;
use crate::event::{CaseResult, Outcome, Problem, Stage};
use crate::outcome::{Counts, RunExit, SuiteVerdict, Verdict};

/// So many errored testcases of one suite may say the same thing before they
/// share a line. What failed never does: each is an answer of its own.
const ERRORED_ALIKE: usize = 10;

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
        Stage::Load | Stage::Connect | Stage::Permissions | Stage::Setup => true,
        Stage::Deadline
        | Stage::Interrupted
        | Stage::Teardown
        | Stage::Cleanup
        | Stage::Report
        | Stage::Run => false,
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

/// What the failures have in common, and the numbers of each suite.
pub fn summary(verdict: &Verdict, color: Color, verbosity: Verbosity) -> String {
    let mut lines = Vec::new();
    for suite in verdict.suites() {
        // what to do comes before the numbers, however quiet the report is
        for diagnosis in &suite.diagnoses {
            let name = sanitize::line(&suite.suite.name);
            let text = format!("{name}: {}", text::diagnosis(diagnosis));
            lines.extend(text.lines().map(|line| color.paint(Tone::Strong, line)));
        }
        if verbosity != Verbosity::Quiet {
            lines.push(suite_line(suite, color));
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
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
    if let Some(command) = &verdict.cleanup
        && !page.is_empty()
    {
        let command = sanitize::line(command);
        page.push_str(&format!("To remove what is left: {command}\n"));
    }
    page
}
