//! The verbs that are made of other steps, or of none: `foreach`, `use`, `skip`, `error`,
//! `sleep`.

use std::time::Duration;

use serde_json::Value;

use super::super::deadline::{Deadline, human_duration};
use super::super::scope::Names;
use super::{StepContext, StepFailure, StepResult, run_all};
use crate::plan::model::{Foreach, Use};
use crate::template::{Scope, Template};

/// Runs the steps for each item; the first turn that does not pass is the end, and is named.
pub async fn foreach(
    foreach: &Foreach,
    context: &StepContext<'_>,
    deadline: Option<Deadline>,
) -> Result<StepResult, StepFailure> {
    let items = items(foreach, context)?;
    for (label, item) in items {
        let mut turn = context.clone();
        turn.deadline = deadline.clone().or(turn.deadline);
        turn.names = turn.names.with(&foreach.name, item);
        run_all(&foreach.steps, &mut turn)
            .await
            .map_err(|failure| match failure.outcome {
                crate::event::Outcome::Cancelled => failure,
                _ => failure.about(&format!("{}={label}", foreach.name)),
            })?;
    }
    Ok(StepResult::default())
}

/// The items with what tells them apart in reports. A list of nodes keeps its nodes.
fn items(
    foreach: &Foreach,
    context: &StepContext<'_>,
) -> Result<Vec<(String, Scope)>, StepFailure> {
    let no_list = || StepFailure::errored(format!("the items of `{}` are no list", foreach.name));
    if let crate::template::Tree::Template(template) = &foreach.items
        && let Some(list) = template.render_scope(&context.scope())?
    {
        let list = list.try_iter().map_err(|_| no_list())?;
        return Ok(list.map(|item| (item.to_string(), item)).collect());
    }
    match foreach.items.render(&context.scope())? {
        Value::Array(items) => Ok(items
            .iter()
            .map(|item| {
                let label = item
                    .as_str()
                    .map_or_else(|| item.to_string(), str::to_owned);
                (label, crate::template::scope_value(item))
            })
            .collect()),
        _ => Err(no_list()),
    }
}

/// Runs steps that see their own inputs and `run` only; what they give back becomes names here.
pub async fn used(
    used: &Use,
    context: &StepContext<'_>,
    deadline: Option<Deadline>,
) -> Result<StepResult, StepFailure> {
    let scope = context.scope();
    let inputs = used
        .inputs
        .iter()
        .map(|(name, value)| Ok((name.clone(), value.render(&scope)?)))
        .collect::<Result<serde_json::Map<_, _>, StepFailure>>()?;
    // what a template makes of secrets is one that nobody has seen yet
    for secret in used.secrets.iter().filter_map(|name| inputs.get(name)) {
        context.suite.options.mask.add_input(secret);
    }
    let mut inner = context.clone();
    inner.deadline = deadline.or(inner.deadline);
    inner.names = Names::default()
        .with_value("inputs", &Value::Object(inputs))
        .with(
            "run",
            context.names.get("run").unwrap_or_else(|| Scope::from(())),
        );
    run_all(&used.steps, &mut inner).await?;
    let scope = inner.scope();
    let mut result = StepResult {
        is_scope: true,
        ..StepResult::default()
    };
    for (name, output) in &used.outputs {
        result = result.with(name, output.render(&scope)?);
    }
    Ok(result)
}

/// Ends the case as skipped.
pub fn skip(reason: &Template, context: &StepContext<'_>) -> Result<StepResult, StepFailure> {
    Err(StepFailure::skipped(reason.render_text(&context.scope())?))
}

/// Ends the case as errored.
pub fn error(reason: &Template, context: &StepContext<'_>) -> Result<StepResult, StepFailure> {
    Err(StepFailure::errored(reason.render_text(&context.scope())?))
}

/// Lets time pass.
pub async fn sleep(
    duration: Duration,
    deadline: Option<Deadline>,
) -> Result<StepResult, StepFailure> {
    if let Some(deadline) = &deadline
        && deadline.remaining() < duration
    {
        tokio::time::sleep(deadline.remaining()).await;
        return Err(StepFailure::failed(format!(
            "the sleep of {} did not end {}",
            human_duration(duration),
            deadline.describe()
        )));
    }
    tokio::time::sleep(duration).await;
    Ok(StepResult::default())
}
