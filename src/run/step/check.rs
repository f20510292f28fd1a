//! What must hold of one object, and what does not.
//!
//! What cannot be compared is wrong to a step that asserts it, with the value that is there. To
//! whoever chooses objects by it, or denies it, it is no answer at all: errored.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::memory::Memory;
use super::{StepContext, StepFailure};
use crate::partial::{self, Answer};
use crate::plan::model::ObjectCheck;
use crate::template::{Condition, Scope, TemplateError, Tree};

/// How much of a value is quoted in a message.
const QUOTED: usize = 160;

/// What a check says of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Whether it holds.
    pub answer: Answer,
    /// What does not, or cannot be compared, each with what was expected and what is there.
    pub problems: Vec<String>,
}

impl Finding {
    /// What is wrong to whoever asserts it; empty where it holds. `what` is the object.
    ///
    /// # Errors
    /// Where that cannot be said.
    pub fn asserted(self, what: impl fmt::Display) -> Result<Vec<String>, StepFailure> {
        match self.answer {
            Answer::Yes | Answer::No | Answer::Incomparable => Ok(self.problems),
            Answer::Unknown => Err(self.undecided(what)),
        }
    }

    /// Whether it holds, to whoever chooses by it or denies it. `what` is the object.
    ///
    /// # Errors
    /// Where that cannot be said.
    pub fn decided(self, what: impl fmt::Display) -> Result<bool, StepFailure> {
        match self.answer {
            Answer::Yes => Ok(true),
            Answer::No => Ok(false),
            Answer::Incomparable | Answer::Unknown => Err(self.undecided(what)),
        }
    }

    fn undecided(&self, what: impl fmt::Display) -> StepFailure {
        StepFailure::errored(format!(
            "whether {what} is so cannot be said: {}",
            self.problems.join(", ")
        ))
    }
}

/// Holds an object against a check. The pattern guards the condition: where it does not match for
/// sure, the condition may be one that cannot be evaluated.
pub fn find(
    check: &ObjectCheck,
    object: &Value,
    context: &StepContext<'_>,
) -> Result<Finding, StepFailure> {
    let mut finding = Finding {
        answer: Answer::Yes,
        problems: Vec::new(),
    };
    if let Some(pattern) = &check.pattern {
        let pattern = rendered(pattern, &context.scope_of(object))?;
        let compared = partial::compare(&pattern, object);
        finding.answer = compared.answer;
        let mismatches = compared.mismatches.iter();
        finding.problems.extend(mismatches.map(ToString::to_string));
    }
    if let Some(that) = &check.that {
        match reason_against(that, &context.scope_of(object)) {
            Ok(None) => {}
            Ok(Some(why)) => {
                finding.answer = Answer::No;
                finding.problems.push(why);
            }
            Err(error) if finding.answer == Answer::No && !error.is_mistake => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(finding)
}

/// A check that is asked of many objects, again and again.
#[derive(Clone, Copy)]
pub struct Question<'c> {
    pub check: &'c ObjectCheck,
    /// Tells it from others that are asked of the same objects.
    pub number: usize,
    /// Whether it says the same of an object for as long as that does not change.
    pub is_timeless: bool,
}

impl<'c> Question<'c> {
    /// The check with this number.
    pub fn new(number: usize, check: &'c ObjectCheck) -> Self {
        Self {
            check,
            number,
            is_timeless: is_timeless(check),
        }
    }

    /// [`find`] of an object, which may be known from an earlier look.
    pub fn find(
        self,
        object: &Arc<Value>,
        memory: &mut Memory<Finding>,
        context: &StepContext<'_>,
    ) -> Result<Finding, StepFailure> {
        let find = || find(self.check, object, context);
        match self.is_timeless {
            true => memory.of(self.number, object, find),
            false => find(),
        }
    }
}

/// Whether a check says the same of an object for as long as that does not change: it asks neither
/// for the time nor for the other objects.
pub fn is_timeless(check: &ObjectCheck) -> bool {
    let asks = |source: &str, names: &BTreeSet<String>| {
        source.contains("now") || names.contains("objects")
    };
    let in_that = check
        .that
        .as_ref()
        .is_some_and(|that| asks(that.source(), &that.names()));
    let in_pattern = check.pattern.as_ref().is_some_and(|pattern| {
        let mut templates = pattern.templates().into_iter();
        templates.any(|template| asks(template.source(), &template.names()))
    });
    !in_that && !in_pattern
}

/// A pattern as it is now. One that nothing or everything matches says nothing about what it is held
/// against: `check` refuses it where it is written down, and it errs where it was rendered.
pub fn rendered(pattern: &Tree, scope: &Scope) -> Result<Value, StepFailure> {
    let value = pattern.render(scope)?;
    if !pattern.templates().is_empty() {
        partial::check_pattern(&value).map_err(|error| {
            StepFailure::errored(format!("the pattern makes no sense once rendered: {error}"))
        })?;
    }
    Ok(value)
}

/// What a check asks for, in a few words.
pub fn describe(check: &ObjectCheck, context: &StepContext<'_>) -> Result<String, StepFailure> {
    let mut words = Vec::new();
    if let Some(pattern) = &check.pattern {
        words.push(quoted(&pattern.render(&context.scope())?));
    }
    if let Some(that) = &check.that {
        words.push(format!("`{}`", that.source()));
    }
    Ok(words.join(" and "))
}

/// Why a condition does not hold; nothing where it does.
pub fn unmet(condition: &Condition, scope: &Scope) -> Result<Option<String>, StepFailure> {
    Ok(reason_against(condition, scope)?)
}

fn reason_against(condition: &Condition, scope: &Scope) -> Result<Option<String>, TemplateError> {
    let verdict = condition.evaluate(scope)?;
    if verdict.holds {
        return Ok(None);
    }
    let mut facts: Vec<String> = verdict
        .unset
        .iter()
        .map(|path| format!("{} is not set", path.trim_start_matches("object.")))
        .collect();
    for (expression, value) in condition.explain(scope) {
        if !verdict.unset.contains(&expression) && !value.is_null() {
            facts.push(format!("{expression} is {}", quoted(&value)));
        }
    }
    let source = condition.source();
    Ok(Some(if facts.is_empty() {
        format!("`{source}` does not hold")
    } else {
        format!("`{source}` does not hold: {}", facts.join(", "))
    }))
}

/// A value in a message, cut where it is long.
pub fn quoted(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
