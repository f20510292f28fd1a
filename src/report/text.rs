//! The words that reports share: headlines, durations, numbers.

use std::borrow::Cow;
use std::time::Duration;

use super::sanitize;
use crate::event::{CaseResult, Diagnosis, Explanation, Outcome, Problem};

/// So many bytes of what others say stand on one line.
pub const LINE: usize = 1000;

/// The outcome in a word.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Errored => "errored",
        Outcome::Skipped => "skipped",
        Outcome::Cancelled => "cancelled",
    }
}

/// What is said of a testcase where there is room for one line, its name aside.
/// The suite's own `failure` text claims that the cluster answered, so it speaks
/// for what failed and for nothing else.
pub fn reason(outcome: Outcome, why: Option<&Explanation>) -> String {
    let said = match (outcome, why) {
        (_, None) => "",
        (Outcome::Failed | Outcome::Passed, Some(why)) => why.headline(),
        (Outcome::Errored | Outcome::Skipped | Outcome::Cancelled, Some(why)) => &why.message,
    };
    let line = sanitize::line(&sanitize::bounded(said, LINE));
    if line.is_empty() {
        "no reason given".to_owned()
    } else {
        line
    }
}

/// The line of the human report that stands for a testcase, safe to print.
pub fn headline(case: &CaseResult) -> String {
    let reason = reason(case.outcome, case.why.as_ref());
    match case.outcome {
        Outcome::Failed if own_words(case).is_some() => reason,
        Outcome::Failed | Outcome::Passed => format!("{}: {reason}", name(case)),
        Outcome::Errored | Outcome::Skipped | Outcome::Cancelled => {
            format!("{}: {}: {reason}", name(case), outcome(case.outcome))
        }
    }
}

/// The testcase's name on one line.
pub fn name(case: &CaseResult) -> String {
    sanitize::line(&case.id.name)
}

/// Where a step stands, and its name: `suite.yaml:27:11, step DNS answers`.
pub fn place(why: &Explanation) -> Option<String> {
    let place = why.place.as_ref().map(|it| sanitize::line(it));
    let step = why.step.as_ref().map(|it| sanitize::line(it));
    match (place, step) {
        (Some(place), Some(step)) => Some(format!("{place}, step {step}")),
        (place, step) => place.or(step.map(|step| format!("step {step}"))),
    }
}

/// The suite's own `failure` text, where there is one.
pub fn own_words(case: &CaseResult) -> Option<&str> {
    case.why.as_ref().and_then(|why| why.failure.as_deref())
}

/// The line that stands for a problem: `[setup] message`.
pub fn problem(problem: &Problem) -> String {
    let reason = reason(Outcome::Errored, Some(&problem.why));
    format!("{} {reason}", problem.stage.testcase())
}

/// A diagnosis on lines of its own: what, what to do, where more is said.
pub fn diagnosis(diagnosis: &Diagnosis) -> String {
    let Diagnosis {
        suite: _,
        message,
        remedy,
        url,
        cases,
    } = diagnosis;
    let cases = count(*cases, "case");
    let mut lines = vec![format!("diagnosis: {} ({cases})", sanitize::line(message))];
    lines.extend(
        remedy
            .iter()
            .map(|it| format!("  remedy: {}", sanitize::line(it))),
    );
    lines.extend(url.iter().map(|it| format!("  see {}", sanitize::line(it))));
    lines.join("\n")
}

/// As people read it: `0.4 s`, `12.0 s`, `2 min 05 s`, `1 h 02 min`.
pub fn duration(took: Duration) -> String {
    let tenths = (took.as_millis() + 50) / 100;
    if tenths < 600 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    let seconds = (took.as_millis() + 500) / 1000;
    if seconds < 3600 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60)
    }
}

/// A number and what it counts: `1 case`, `3 cases`.
pub fn count(number: usize, one: &str) -> Cow<'_, str> {
    if number == 1 {
        Cow::Owned(format!("1 {one}"))
    } else {
        Cow::Owned(format!("{number} {one}s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well_at_every_size() {
        for (millis, text) in [
            (0, "0.0 s"),
            (2_949, "2.9 s"),
            (2_950, "3.0 s"),
            (59_949, "59.9 s"),
            (59_960, "1 min 00 s"),
            (125_000, "2 min 05 s"),
            (3_599_600, "1 h 00 min"),
            (7_380_000, "2 h 03 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
