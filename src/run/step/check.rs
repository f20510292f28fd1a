//! What must hold of one object, and what does not.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::memory::Memory;
use super::{StepContext, StepFailure};
use crate::partial;
use crate::plan::model::ObjectCheck;
use crate::template::{Condition, Scope, Tree};

/// How much of a value is quoted in a message.
const QUOTED: usize = 160;

/// What does not hold of an object, each with what was expected and what is there.
pub fn problems(
    check: &ObjectCheck,
    object: &Value,
    context: &StepContext<'_>,
) -> Result<Vec<String>, StepFailure> {
    let mut problems = Vec::new();
    if let Some(pattern) = &check.pattern {
        let pattern = rendered(pattern, &context.scope_of(object))?;
        let mismatches = partial::mismatches(&pattern, object);
        problems.extend(mismatches.iter().map(ToString::to_string));
    }
    if let Some(that) = &check.that {
        problems.extend(unmet(that, &context.scope_of(object))?);
    }
    Ok(problems)
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

    /// [`problems`] of an object, which may be known from an earlier look.
    pub fn problems(
        self,
        object: &Arc<Value>,
        memory: &mut Memory<Vec<String>>,
        context: &StepContext<'_>,
    ) -> Result<Vec<String>, StepFailure> {
        let find = || problems(self.check, object, context);
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
