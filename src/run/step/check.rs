//! What must hold of one object, and what does not.

use serde_json::Value;

use super::{StepContext, StepFailure};
use crate::partial;
use crate::plan::model::ObjectCheck;
use crate::template::{Condition, Scope};

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
        let pattern = pattern.render(&context.scope_of(object))?;
        let mismatches = partial::mismatches(&pattern, object);
        problems.extend(mismatches.iter().map(ToString::to_string));
    }
    if let Some(that) = &check.that {
        problems.extend(unmet(that, &context.scope_of(object))?);
    }
    Ok(problems)
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
