//! Holds texts, exit codes and durations against what is expected of them.
//!
//! What is expected of an output is rendered before it comes: all of it is looked through, however
//! little is kept.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::super::deadline::human_duration;
use super::{StepFailure, StepResult};
use crate::matcher::{ExitExpectation, Judge, OutputExpectation, not_whole};
use crate::output::{Intake, Look, Text};
use crate::partial::{self, Answer, Comparison};
use crate::plan::model::{CountExpectation, ProcessExpectation, TextExpectation, TookExpectation};
use crate::template::{Scope, Template};

/// What does not hold, and what could not be found out.
#[derive(Debug, Default, PartialEq)]
pub struct Findings {
    wrong: Vec<String>,
    /// What was not seen.
    unknown: Vec<String>,
    /// What was seen and cannot be compared with what is expected.
    incomparable: Vec<String>,
}

impl Findings {
    /// With what does not hold.
    pub fn wrong(&mut self, wrong: impl IntoIterator<Item = String>) {
        self.wrong.extend(wrong);
    }

    /// With what was found of something else.
    pub fn add(&mut self, other: Self) {
        self.wrong.extend(other.wrong);
        self.unknown.extend(other.unknown);
        self.incomparable.extend(other.incomparable);
    }

    /// With what a value that was expected to match came to.
    fn compared(&mut self, name: &str, compared: &Comparison) {
        let told = compared.mismatches.iter();
        let told = told.map(|mismatch| format!("{name}: {mismatch}"));
        match compared.answer {
            Answer::Yes | Answer::No | Answer::Incomparable => self.wrong.extend(told),
            Answer::Unknown => self.incomparable.extend(told),
        }
    }

    /// Failed where something does not hold for sure, whatever else is not known; errored where
    /// only that is so. `help` says how to see what was not seen.
    pub fn judge(self, what: &str, help: &str) -> Result<(), StepFailure> {
        let Self {
            wrong,
            unknown,
            mut incomparable,
        } = self;
        if !wrong.is_empty() {
            return Err(StepFailure::failed(format!("{what}: {}", wrong.join("; "))));
        }
        if !unknown.is_empty() {
            incomparable.push(format!("{}: {help}", unknown.join("; ")));
        }
        match incomparable.is_empty() {
            true => Ok(()),
            false => Err(StepFailure::errored(format!(
                "{what}: {}",
                incomparable.join("; ")
            ))),
        }
    }
}

/// What is expected of a text that is still to come.
pub struct TextJudge {
    output: Judge,
    json: Option<Value>,
}

impl TextJudge {
    /// Renders what is expected.
    pub fn new(expectation: &TextExpectation, scope: &Scope) -> Result<Self, StepFailure> {
        let json = expectation.json.as_ref();
        Ok(Self {
            output: rendered(&expectation.output, scope)?,
            json: json
                .map(|pattern| super::check::rendered(pattern, scope))
                .transpose()?,
        })
    }

    /// What must be looked for while it comes, so that it can be judged whole.
    pub fn look(&self) -> Arc<Look> {
        self.output.look()
    }

    /// Holds the text against it.
    pub fn judge(&self, name: &str, actual: &Text) -> Result<Findings, StepFailure> {
        let mut findings = verdict(&self.output, name, actual)?;
        let Some(pattern) = &self.json else {
            return Ok(findings);
        };
        match actual {
            Text::Cut(cut) => findings
                .unknown
                .push(format!("{name} cannot be read as JSON: {}", not_whole(cut))),
            Text::Whole(text) => match serde_json::from_str::<Value>(text) {
                Ok(value) => findings.compared(name, &partial::compare(pattern, &value)),
                Err(error) => findings.wrong.push(format!("{name} is no JSON: {error}")),
            },
        }
        Ok(findings)
    }
}

/// A process that ended.
pub struct Ended {
    /// Its exit code.
    pub exit: i32,
    /// What it wrote.
    pub stdout: Text,
    /// What it wrote.
    pub stderr: Text,
    /// How long it took.
    pub took: Duration,
}

/// What is expected of a process that has not ended yet.
pub struct ProcessJudge {
    exit: ExitExpectation,
    stdout: Option<TextJudge>,
    stderr: Option<TextJudge>,
    took: Option<TookExpectation>,
}

impl ProcessJudge {
    /// How to see of the output of a process what was not kept.
    const HELP: &str = "let it print less, such as by `tail` or `grep`";

    /// Renders what is expected.
    pub fn new(expect: &ProcessExpectation, scope: &Scope) -> Result<Self, StepFailure> {
        let text = |expectation: &Option<TextExpectation>| {
            let expectation = expectation.as_ref();
            expectation
                .map(|expectation| TextJudge::new(expectation, scope))
                .transpose()
        };
        Ok(Self {
            exit: expect.exit.clone(),
            stdout: text(&expect.stdout)?,
            stderr: text(&expect.stderr)?,
            took: expect.took,
        })
    }

    /// How its stdout and stderr are to be taken in.
    pub fn intakes(&self) -> (Intake, Intake) {
        let intake = |judge: &Option<TextJudge>| match judge {
            Some(judge) => Intake::default().looking_for(judge.look()),
            None => Intake::default(),
        };
        (intake(&self.stdout), intake(&self.stderr))
    }

    /// Fails with all that does not hold of the process, and what it wrote; else gives what it did.
    pub fn judge(&self, ended: Ended, what: &str) -> Result<StepResult, StepFailure> {
        let mut findings = Findings::default();
        findings.wrong(self.exit.check(ended.exit));
        for (name, judge, actual) in [
            ("stdout", &self.stdout, &ended.stdout),
            ("stderr", &self.stderr, &ended.stderr),
        ] {
            if let Some(judge) = judge {
                findings.add(judge.judge(name, actual)?);
            }
        }
        findings.wrong(took(self.took, ended.took));
        findings.judge(what, Self::HELP).map_err(|failure| {
            failure
                .with_detail("stdout", &ended.stdout.shown())
                .with_detail("stderr", &ended.stderr.shown())
        })?;
        Ok(StepResult::default()
            .with("exit", ended.exit)
            .with_text("stdout", ended.stdout, Self::HELP)
            .with_text("stderr", ended.stderr, Self::HELP)
            .with("took", format!("{}ms", ended.took.as_millis())))
    }
}

fn rendered(
    expectation: &OutputExpectation<Template>,
    scope: &Scope,
) -> Result<Judge, StepFailure> {
    let expectation = expectation.try_map(|template| template.render_text(scope))?;
    Judge::new(expectation).map_err(|error| StepFailure::errored(error.to_string()))
}

fn verdict(judge: &Judge, name: &str, actual: &Text) -> Result<Findings, StepFailure> {
    let verdict = judge
        .judge(name, actual)
        .map_err(|error| StepFailure::errored(error.to_string()))?;
    let told = verdict.wrong.into_iter().map(|mismatch| {
        match diff(&mismatch.expected, &mismatch.actual) {
            Some(diff) => format!("{}\n{diff}", mismatch.message),
            None => mismatch.message,
        }
    });
    Ok(Findings {
        wrong: told.collect(),
        unknown: verdict.unknown,
        incomparable: Vec::new(),
    })
}

/// What is found of a text that is there, read as text and as JSON.
pub fn text(
    expectation: &TextExpectation,
    name: &str,
    actual: &str,
    scope: &Scope,
) -> Result<Findings, StepFailure> {
    TextJudge::new(expectation, scope)?.judge(name, &Text::from(actual))
}

/// What does not hold of a text that is there, as text.
pub fn output(
    expectation: &OutputExpectation<Template>,
    name: &str,
    actual: &str,
    scope: &Scope,
) -> Result<Vec<String>, StepFailure> {
    let judge = rendered(expectation, scope)?;
    Ok(verdict(&judge, name, &Text::from(actual))?.wrong)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Outcome;

    #[test]
    fn what_cannot_be_compared_is_wrong_to_who_asserts_it_and_unknown_to_who_denies_it() {
        use serde_json::json;
        let judged = |pattern: Value| {
            let mut findings = Findings::default();
            let compared = partial::compare(&pattern, &json!({"n": "latest", "m": 1}));
            findings.compared("stdout", &compared);
            let judged = findings.judge("`a`", "print less");
            judged.map_err(|failure| (failure.outcome, failure.why.message))
        };
        let (_, message) = judged(json!({"n": {"$gt": 2}})).unwrap_err();
        assert_eq!(
            judged(json!({"n": {"$gt": 2}})),
            Err((Outcome::Failed, message.clone()))
        );
        assert!(message.contains("\"latest\""), "{message}");
        let denied = judged(json!({"n": {"$not": {"$gt": 2}}}));
        let expected = "`a`: stdout: n: expected not more than 2, is \"latest\", which cannot be \
                        compared with it";
        assert_eq!(denied, Err((Outcome::Errored, expected.to_owned())));
        let (outcome, _) = judged(json!({"n": {"$not": {"$gt": 2}}, "m": 2})).unwrap_err();
        assert_eq!(outcome, Outcome::Failed, "wrong for sure");
    }

    fn found(wrong: &[&str], unknown: &[&str]) -> Result<(), (Outcome, String)> {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let findings = Findings {
            wrong: own(wrong),
            unknown: own(unknown),
            incomparable: Vec::new(),
        };
        let judged = findings.judge("`a`", "print less");
        judged.map_err(|failure| (failure.outcome, failure.why.message))
    }

    #[test]
    fn what_is_wrong_for_sure_fails_whatever_else_is_not_known() {
        assert_eq!(found(&[], &[]), Ok(()));
        let unknown = (Outcome::Errored, "`a`: x; y: print less".to_owned());
        assert_eq!(found(&[], &["x", "y"]), Err(unknown));
        let wrong = (Outcome::Failed, "`a`: w".to_owned());
        assert_eq!(found(&["w"], &["x"]), Err(wrong));
    }
}
