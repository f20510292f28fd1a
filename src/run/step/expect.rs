//! Holds texts, exit codes and durations against what is expected of them.

use std::time::Duration;

use serde_json::Value;

use super::super::deadline::human_duration;
use super::StepFailure;
use crate::matcher::OutputExpectation;
use crate::partial;
use crate::plan::model::{CountExpectation, ProcessExpectation, TextExpectation, TookExpectation};
use crate::template::{Scope, Template};

/// A process that ended.
pub struct Ended<'a> {
    /// Its exit code.
    pub exit: i32,
    /// What it wrote.
    pub stdout: &'a str,
    /// What it wrote.
    pub stderr: &'a str,
    /// How long it took.
    pub took: Duration,
}

/// Fails with all that does not hold of a process, and what it wrote.
pub fn process(
    expect: &ProcessExpectation,
    ended: &Ended<'_>,
    what: &str,
    scope: &Scope,
) -> Result<(), StepFailure> {
    let mut wrong: Vec<_> = expect.exit.check(ended.exit).into_iter().collect();
    for (name, expectation, actual) in [
        ("stdout", &expect.stdout, ended.stdout),
        ("stderr", &expect.stderr, ended.stderr),
    ] {
        if let Some(expectation) = expectation {
            wrong.extend(text(expectation, name, actual, scope)?);
        }
    }
    wrong.extend(took(expect.took, ended.took));
    if wrong.is_empty() {
        return Ok(());
    }
    Err(StepFailure::failed(format!("{what}: {}", wrong.join("; ")))
        .with_detail("stdout", ended.stdout)
        .with_detail("stderr", ended.stderr))
}

/// What does not hold of a text.
pub fn text(
    expectation: &TextExpectation,
    name: &str,
    actual: &str,
    scope: &Scope,
) -> Result<Vec<String>, StepFailure> {
    let mut wrong = output(&expectation.output, name, actual, scope)?;
    if let Some(pattern) = &expectation.json {
        let pattern = pattern.render(scope)?;
        match serde_json::from_str::<Value>(actual) {
            Ok(value) => wrong.extend(
                partial::mismatches(&pattern, &value)
                    .iter()
                    .map(|mismatch| format!("{name}: {mismatch}")),
            ),
            Err(error) => wrong.push(format!("{name} is no JSON: {error}")),
        }
    }
    Ok(wrong)
}

/// What does not hold of a text as text.
pub fn output(
    expectation: &OutputExpectation<Template>,
    name: &str,
    actual: &str,
    scope: &Scope,
) -> Result<Vec<String>, StepFailure> {
    let expectation = expectation.try_map(|template| template.render_text(scope))?;
    let mismatches = expectation
        .check(name, actual)
        .map_err(|error| StepFailure::errored(error.to_string()))?;
    Ok(mismatches
        .into_iter()
        .map(
            |mismatch| match diff(&mismatch.expected, &mismatch.actual) {
                Some(diff) => format!("{}\n{diff}", mismatch.message),
                None => mismatch.message,
            },
        )
        .collect())
}

/// The lines that differ, where there are many.
fn diff(expected: &Option<String>, actual: &str) -> Option<String> {
    let expected = expected.as_deref()?;
    if expected.lines().count() < 2 && actual.lines().count() < 2 {
        return None;
    }
    let diff = similar::TextDiff::from_lines(expected, actual);
    Some(diff.unified_diff().header("expected", "actual").to_string())
}

/// What does not hold of a duration.
pub fn took(expectation: Option<TookExpectation>, actual: Duration) -> Option<String> {
    let TookExpectation { min, max } = expectation?;
    let actual_text = human_duration(Duration::from_millis(
        u64::try_from(actual.as_millis()).unwrap_or(u64::MAX),
    ));
    if let Some(max) = max.filter(|max| actual > *max) {
        return Some(format!(
            "took {actual_text}, expected at most {}",
            human_duration(max)
        ));
    }
    let min = min.filter(|min| actual < *min)?;
    Some(format!(
        "took {actual_text}, expected at least {}",
        human_duration(min)
    ))
}

/// What does not hold of a number of things.
pub fn count(expectation: CountExpectation, actual: usize, what: &str) -> Option<String> {
    let CountExpectation { min, max } = expectation;
    let number = actual as u64;
    let holds = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
    if holds {
        return None;
    }
    let expected = match (min, max) {
        (Some(min), Some(max)) if min == max => format!("{min}"),
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => return None,
    };
    Some(format!("{actual} {what}, expected {expected}"))
}
