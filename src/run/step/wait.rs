//! `wait`: until something holds of an object, or of all that a selector picks. A definite
//! failure ends it before its time.

use serde_json::Value;

use super::super::deadline::Deadline;
use super::follow::{Followed, Look};
use super::select::Selected;
use super::{StepContext, StepFailure, StepResult, check, rollout, write};
use crate::cluster::{ConditionState, PodReadiness, condition_state, job_failed, pod_state};
use crate::plan;
use crate::plan::model::{Until, Wait};

/// Waits.
pub async fn run(
    wait: &Wait,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let selected = write::in_time(deadline, context, Selected::of(&wait.target, context)).await?;
    if let Until::RolledOut { per_node } = wait.until {
        return roll_out(&selected, per_node, context, deadline).await;
    }
    let mut followed = Followed::new(&selected, context);
    let objects = followed
        .until(deadline, |objects| look(wait, objects, &selected, context))
        .await?;
    let first = objects.first().cloned().unwrap_or(Value::Null);
    Ok(StepResult::default()
        .with("objects", objects)
        .with("object", first))
}

/// Each of the objects, one after another: they roll out side by side all the same.
async fn roll_out(
    selected: &Selected<'_>,
    per_node: bool,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let keys = match &selected.name {
        Some(name) => vec![crate::cluster::ObjectKey::new(
            selected.resource.clone(),
            selected.namespace.as_deref(),
            name,
        )],
        None => {
            let mut followed = Followed::new(selected, context);
            let objects = followed
                .until(deadline, |objects| {
                    Ok(match objects {
                        [] => Look::NotYet(format!("{}: there are none", selected.describe())),
                        _ => Look::Holds,
                    })
                })
                .await?;
            objects.iter().map(|object| selected.key(object)).collect()
        }
    };
    for key in keys {
        rollout::wait(key, per_node, context, deadline).await?;
    }
    Ok(StepResult::default())
}

fn look(
    wait: &Wait,
    objects: &[Value],
    selected: &Selected<'_>,
    context: &StepContext<'_>,
) -> Result<Look, StepFailure> {
    if let Until::Deleted = wait.until {
        return Ok(match objects {
            [] => Look::Holds,
            objects => Look::NotYet(format!("still there: {}", names(objects, selected))),
        });
    }
    if objects.is_empty() {
        let words = if selected.is_one() {
            "does not exist"
        } else {
            "there are none"
        };
        return Ok(Look::NotYet(format!("{}: {words}", selected.describe())));
    }
    let checks = [Some(&wait.until), wait.unless.as_ref()];
    let checks = checks
        .into_iter()
        .flatten()
        .filter_map(|until| match until {
            Until::Object(check) => Some(check),
            _ => None,
        });
    let context = &context.with_objects(checks, objects);
    let mut pending = Vec::new();
    for object in objects {
        let key = selected.key(object);
        if let Some(unless) = &wait.unless
            && not_yet(unless, object, context)?.is_none()
        {
            return Ok(Look::Never(format!(
                "{key}: {} holds, which ends the wait",
                describe(unless)
            )));
        }
        if let Some(why) = not_yet(&wait.until, object, context)? {
            // what waits for a condition to be anything but good does not fail by being bad
            if wants_success(&wait.until)
                && let Some(failure) = definite_failure(object)
            {
                return Ok(Look::Never(format!("{key}: {failure}")));
            }
            pending.push(format!("{key}: {why}"));
        }
    }
    Ok(match pending.is_empty() {
        true => Look::Holds,
        false => Look::NotYet(pending.join("; ")),
    })
}

/// What keeps an object from being so; nothing where it is.
fn not_yet(
    until: &Until,
    object: &Value,
    context: &StepContext<'_>,
) -> Result<Option<String>, StepFailure> {
    Ok(match until {
        Until::Exists | Until::RolledOut { .. } => None,
        Until::Deleted => Some("is there".to_owned()),
        Until::Condition { kind, status } => match condition_state(object, kind, status) {
            ConditionState::Met => None,
            ConditionState::NotYet(why) => Some(why),
        },
        Until::Jsonpath { path, equals } => {
            let equals = equals
                .as_ref()
                .map(|tree| tree.render(&context.scope_of(object)))
                .transpose()?;
            jsonpath(object, path, equals.as_ref())?
        }
        Until::Object(object_check) => {
            let problems = check::problems(object_check, object, context)?;
            (!problems.is_empty()).then(|| problems.join(", "))
        }
    })
}

/// What a JSONPath finds, held against what it should.
fn jsonpath(
    object: &Value,
    path: &str,
    equals: Option<&Value>,
) -> Result<Option<String>, StepFailure> {
    use jsonpath_rust::JsonPath as _;
    let found = plan::jsonpath::standard(path)
        .map_err(|error| StepFailure::errored(error.to_string()))
        .and_then(|standard| {
            object
                .query(&standard)
                .map_err(|error| StepFailure::errored(format!("the JSONPath {path}: {error}")))
        })?;
    let inner = path.trim_start_matches('{').trim_end_matches('}');
    Ok(match (found.as_slice(), equals) {
        ([], _) => Some(format!("{inner} is not set")),
        (_, None) => None,
        (found, Some(expected)) => {
            let same = |value: &&Value| {
                **value == *expected || value.as_str().map(str::to_owned) == as_text(expected)
            };
            (!found.iter().all(same)).then(|| {
                let actual: Vec<_> = found.iter().map(|value| check::quoted(value)).collect();
                format!(
                    "{inner} is {}, expected {}",
                    actual.join(", "),
                    check::quoted(expected)
                )
            })
        }
    })
}

/// kubectl compares texts.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn wants_success(until: &Until) -> bool {
    match until {
        Until::Condition { kind, status } => {
            status == "True" && ["Ready", "ContainersReady", "Complete"].contains(&kind.as_str())
        }
        Until::Jsonpath { .. } | Until::Object(_) => false,
        Until::RolledOut { .. } | Until::Exists | Until::Deleted => false,
    }
}

/// Why an object cannot come to what is waited for, in the cluster's words.
fn definite_failure(object: &Value) -> Option<String> {
    match object["kind"].as_str()? {
        "Pod" => match pod_state(object, None) {
            PodReadiness::Blocked(why) => Some(why),
            PodReadiness::Ready | PodReadiness::Pending(_) => None,
        },
        "Job" => job_failed(object).map(|why| format!("the Job has failed: {why}")),
        _ => None,
    }
}

fn describe(until: &Until) -> String {
    match until {
        Until::RolledOut { .. } => "rolledOut".to_owned(),
        Until::Exists => "exists".to_owned(),
        Until::Deleted => "deleted".to_owned(),
        Until::Condition { kind, status } => format!("the condition {kind}={status}"),
        Until::Jsonpath { path, .. } => format!("the JSONPath {path}"),
        Until::Object(object_check) => match &object_check.that {
            Some(that) => format!("`{}`", that.source()),
            None => "the match".to_owned(),
        },
    }
}

fn names(objects: &[Value], selected: &Selected<'_>) -> String {
    let names: Vec<_> = objects
        .iter()
        .map(|object| selected.key(object).to_string())
        .collect();
    names.join(", ")
}
