//! `assert`: waits until a state holds of the objects of a target, and stays so.

use std::sync::Arc;

use serde_json::Value;

use super::super::deadline::Deadline;
use super::check::{Finding, Question};
use super::follow::{Followed, Look};
use super::memory::Memory;
use super::select::Selected;
use super::{StepContext, StepFailure, StepResult, check, expect, write};
use crate::plan::model::{Assert, AssertCheck, ObjectCheck};

/// How many objects a message names.
const NAMED: usize = 5;

/// Waits until every check holds.
pub async fn run(
    assert: &Assert,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let Some(target) = &assert.target else {
        return values(assert, context);
    };
    let selected = write::in_time(deadline, context, Selected::of(target, context)).await?;
    let mut memory = Memory::default();
    let mut look = |objects: &[Arc<Value>]| look(assert, objects, &selected, context, &mut memory);
    let mut followed = Followed::new(&selected, context);
    let objects = followed.until(deadline, &mut look).await?;
    if let Some(span) = assert.hold {
        followed.hold(span, &mut look).await?;
    }
    Ok(StepResult::of_objects(&objects))
}

/// Without a target: over the names in scope, which do not change by waiting.
fn values(assert: &Assert, context: &StepContext<'_>) -> Result<StepResult, StepFailure> {
    let scope = context.scope();
    let mut wrong = Vec::new();
    for check in &assert.checks {
        if let AssertCheck::Values(condition) = check {
            wrong.extend(check::unmet(condition, &scope)?);
        }
    }
    if wrong.is_empty() {
        Ok(StepResult::default())
    } else {
        Err(StepFailure::failed(wrong.join("; ")))
    }
}

fn look(
    assert: &Assert,
    objects: &[Arc<Value>],
    selected: &Selected<'_>,
    context: &StepContext<'_>,
    memory: &mut Memory<Finding>,
) -> Result<Look, StepFailure> {
    memory.next_look();
    let context = &context.with_objects(object_checks(assert), objects);
    let mut wrong = Vec::new();
    // what cannot be said matters only where nothing is wrong for sure
    let mut unknown = None;
    // beside a count, too, nothing was looked at where there is nothing
    let only_counts = assert
        .checks
        .iter()
        .all(|check| matches!(check, AssertCheck::Count(_)));
    if objects.is_empty() && !only_counts && !assert.allow_empty {
        return Ok(Look::NotYet(selected.missing()));
    }
    for (number, assert_check) in assert.checks.iter().enumerate() {
        match assert_check {
            AssertCheck::Each(check) => {
                let question = Question::new(number, check);
                let found = ask(question, objects, selected, context, memory)?;
                if found.bad.is_empty() {
                    unknown = unknown.or(found.unknown);
                }
                wrong.extend(shortened(found.bad));
            }
            AssertCheck::Any(check) => {
                let question = Question::new(number, check);
                let found = ask(question, objects, selected, context, memory)?;
                if !found.has_good {
                    unknown = unknown.or(found.unknown);
                }
                if found.bad.len() == objects.len() {
                    wrong.push(format!(
                        "none of {} {} is so: {}",
                        objects.len(),
                        selected.describe(),
                        shortened(found.bad).join("; ")
                    ));
                }
            }
            AssertCheck::None(check) => {
                let question = Question::new(number, check);
                let mut good = Vec::new();
                let mut doubt = None;
                for object in objects {
                    let key = selected.key(object);
                    match question.find(object, memory, context)?.decided(&key) {
                        Ok(true) => good.push(key.to_string()),
                        Ok(false) => {}
                        Err(failure) => doubt = doubt.or(Some(failure.about("`none`"))),
                    }
                }
                if good.is_empty() {
                    unknown = unknown.or(doubt);
                } else {
                    wrong.push(format!(
                        "expected none with {}, but there is {}",
                        check::describe(check, context)?,
                        good.join(", ")
                    ));
                }
            }
            AssertCheck::Count(count) => {
                wrong.extend(expect::count(*count, objects.len(), &selected.describe()));
            }
            AssertCheck::Values(condition) => {
                wrong.extend(check::unmet(condition, &context.scope())?);
            }
        }
    }
    match (wrong.is_empty(), unknown) {
        (true, None) => Ok(Look::Holds),
        (true, Some(unknown)) => Err(unknown),
        (false, _) => Ok(Look::NotYet(wrong.join("; "))),
    }
}

fn object_checks(assert: &Assert) -> impl Iterator<Item = &ObjectCheck> {
    assert.checks.iter().filter_map(|check| match check {
        AssertCheck::Each(check) | AssertCheck::Any(check) | AssertCheck::None(check) => {
            Some(check)
        }
        AssertCheck::Count(_) | AssertCheck::Values(_) => None,
    })
}

/// What a check that is asserted says of the objects.
#[derive(Default)]
struct Found {
    has_good: bool,
    /// Of which it does not hold, with what does not.
    bad: Vec<String>,
    /// The first of which it cannot be said.
    unknown: Option<StepFailure>,
}

fn ask(
    question: Question<'_>,
    objects: &[Arc<Value>],
    selected: &Selected<'_>,
    context: &StepContext<'_>,
    memory: &mut Memory<Finding>,
) -> Result<Found, StepFailure> {
    let mut found = Found::default();
    for object in objects {
        let key = selected.key(object);
        match question.find(object, memory, context)?.asserted(&key) {
            Ok(problems) if problems.is_empty() => found.has_good = true,
            Ok(problems) => found.bad.push(format!("{key}: {}", problems.join(", "))),
            Err(failure) => found.unknown = found.unknown.or(Some(failure)),
        }
    }
    Ok(found)
}

fn shortened(mut list: Vec<String>) -> Vec<String> {
    if list.len() > NAMED {
        let more = list.len() - NAMED;
        list.truncate(NAMED);
        list.push(format!("and {more} more"));
    }
    list
}
