//! `wait`: until something holds of an object, or of all that a selector picks. What the cluster
//! does not try again ends it before its time, and so does what does not heal, once it has lasted.

use std::sync::Arc;

use serde_json::Value;

use super::super::deadline::Deadline;
use super::check::{Finding, Question};
use super::follow::{Followed, Look};
use super::memory::Memory;
use super::select::Selected;
use super::{StepContext, StepFailure, StepResult, check, rollout, write};
use crate::cluster::{
    ConditionState, ObjectKey, PodReadiness, condition_state, job_failed, pod_state, pods_refused,
};
use crate::partial::Answer;
use crate::plan;
use crate::plan::model::{ObjectCheck, Until, Wait};

/// Waits.
pub async fn run(
    wait: &Wait,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let selected = write::in_time(deadline, context, Selected::of(&wait.target, context)).await?;
    if let Until::RolledOut { per_node } = wait.until {
        let settle = wait.settle.unwrap_or(context.suite.suite.timeouts.settle);
        let how = rollout::How { per_node, settle };
        return roll_out(wait, &selected, how, context, deadline).await;
    }
    let mut followed = Followed::new(&selected, context).settling(wait.settle);
    let mut memory = Memory::default();
    let objects = followed
        .until(deadline, |objects| {
            look(wait, objects, &selected, context, &mut memory)
        })
        .await?;
    Ok(StepResult::of_objects(&objects))
}

/// Each of the objects, one after another: they roll out side by side all the same.
async fn roll_out(
    wait: &Wait,
    selected: &Selected<'_>,
    how: rollout::How,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let keys = match &selected.name {
        Some(name) if !selected.is_narrowed() => vec![ObjectKey::new(
            selected.resource.clone(),
            selected.namespace.as_deref(),
            name,
        )],
        _ => {
            let mut followed = Followed::new(selected, context);
            let objects = followed
                .until(deadline, |objects| {
                    Ok(match objects {
                        [] => Look::NotYet(selected.missing()),
                        _ => Look::Holds,
                    })
                })
                .await?;
            objects.iter().map(|object| selected.key(object)).collect()
        }
    };
    let mut memory = Memory::default();
    let mut ended_by = |objects: &[Arc<Value>]| {
        memory.next_look();
        let context = &context.with_objects(checks(wait), objects);
        ended_by(wait, objects, selected, context, &mut memory)
    };
    let mut followed = wait
        .unless
        .is_some()
        .then(|| Followed::new(selected, context));
    let mut ends = || match followed
        .as_mut()
        .map(Followed::objects)
        .transpose()?
        .flatten()
    {
        Some(objects) => ended_by(&objects),
        None => Ok(None),
    };
    let mut objects = Vec::new();
    for key in keys {
        let object = rollout::wait(key, how, &mut ends, context, deadline).await?;
        objects.push(Arc::new(object));
    }
    // the last look may have been at what the watch has not told
    match ended_by(&objects)? {
        Some(why) => Err(StepFailure::failed(why)),
        None => Ok(StepResult::of_objects(&objects)),
    }
}

/// What is asked of objects.
fn checks(wait: &Wait) -> impl Iterator<Item = &ObjectCheck> {
    let asked = [Some(&wait.until), wait.unless.as_ref()];
    asked.into_iter().flatten().filter_map(|until| match until {
        Until::Object(check) => Some(check),
        _ => None,
    })
}

/// Why `unless` ends the wait: the first object of which it holds.
fn ended_by(
    wait: &Wait,
    objects: &[Arc<Value>],
    selected: &Selected<'_>,
    context: &StepContext<'_>,
    memory: &mut Memory<Finding>,
) -> Result<Option<String>, StepFailure> {
    let Some(unless) = &wait.unless else {
        return Ok(None);
    };
    let asked = Asked::new(1, unless);
    // what cannot be said matters only where it holds of no other
    let mut unknown = None;
    for object in objects {
        let key = selected.key(object);
        let holds = match not_yet(&asked, object, context, memory)? {
            Some(finding) => finding.decided(&key),
            None => Ok(true),
        };
        match holds {
            Ok(true) => {
                let what = describe(unless);
                return Ok(Some(format!("{key}: {what} holds, which ends the wait")));
            }
            Ok(false) => {}
            Err(failure) => unknown = unknown.or(Some(failure.about("`unless`"))),
        }
    }
    unknown.map_or(Ok(None), Err)
}

fn look(
    wait: &Wait,
    objects: &[Arc<Value>],
    selected: &Selected<'_>,
    context: &StepContext<'_>,
    memory: &mut Memory<Finding>,
) -> Result<Look, StepFailure> {
    let is_deletion = matches!(wait.until, Until::Deleted);
    match objects {
        [] if is_deletion => return Ok(Look::Holds),
        [] => return Ok(Look::NotYet(selected.missing())),
        _ => {}
    }
    memory.next_look();
    let context = &context.with_objects(checks(wait), objects);
    if let Some(why) = ended_by(wait, objects, selected, context, memory)? {
        return Ok(Look::Never(why));
    }
    if is_deletion {
        return Ok(Look::NotYet(format!(
            "still there: {}",
            names(objects, selected)
        )));
    }
    let until = Asked::new(0, &wait.until);
    let (mut pending, mut kept, mut hopeless) = (Vec::new(), Vec::new(), Vec::new());
    let mut unknown = None;
    for object in objects {
        let key = selected.key(object);
        let why = match not_yet(&until, object, context, memory)? {
            Some(finding) => finding.asserted(&key),
            None => continue,
        };
        let why = match why {
            Ok(problems) => problems.join(", "),
            // another object may be wrong for sure, and waited for
            Err(failure) => {
                unknown = unknown.or(Some(failure));
                continue;
            }
        };
        // what waits for a condition to be anything but good does not fail by being bad
        let obstacle = match wants_success(&wait.until) {
            true => obstacle(object),
            false => Obstacle::None,
        };
        match obstacle {
            Obstacle::None => pending.push(format!("{key}: {why}")),
            Obstacle::MayPass(why) => kept.push(format!("{key}: {why}")),
            Obstacle::Stays(why) => hopeless.push(format!("{key}: {why}")),
            Obstacle::Final(why) => return Ok(Look::Never(format!("{key}: {why}"))),
        }
    }
    match (pending.as_slice(), kept.as_slice(), hopeless.as_slice()) {
        ([], [], []) => unknown.map_or(Ok(Look::Holds), Err),
        (_, [], []) => Ok(Look::NotYet(pending.join("; "))),
        (_, _, []) => Ok(Look::Kept(kept.join("; "))),
        _ => Ok(Look::Hopeless(hopeless.join("; "))),
    }
}

/// What is asked of each object.
struct Asked<'w> {
    until: &'w Until,
    /// Tells it from others that are asked of the same objects.
    number: usize,
    /// Whether the answer stays the same for as long as the object does not change.
    is_timeless: bool,
}

impl<'w> Asked<'w> {
    fn new(number: usize, until: &'w Until) -> Self {
        Self {
            until,
            number,
            is_timeless: match until {
                Until::Object(check) => check::is_timeless(check),
                _ => true,
            },
        }
    }
}

/// What keeps an object from being so; nothing where it is.
fn not_yet(
    asked: &Asked<'_>,
    object: &Arc<Value>,
    context: &StepContext<'_>,
    memory: &mut Memory<Finding>,
) -> Result<Option<Finding>, StepFailure> {
    let why = match asked.until {
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
            let question = Question {
                check: object_check,
                number: asked.number,
                is_timeless: asked.is_timeless,
            };
            let finding = question.find(object, memory, context)?;
            return Ok((finding.answer != Answer::Yes).then_some(finding));
        }
    };
    Ok(why.map(|why| Finding {
        answer: Answer::No,
        problems: vec![why],
    }))
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
            status == "True"
                && ["Ready", "ContainersReady", "Complete", "Available"].contains(&kind.as_str())
        }
        Until::Jsonpath { .. } | Until::Object(_) => false,
        Until::RolledOut { .. } | Until::Exists | Until::Deleted => false,
    }
}

/// What is in the way of what is waited for, in the cluster's words.
enum Obstacle {
    None,
    /// The cluster tries again by itself.
    MayPass(String),
    /// It does not go by itself.
    Stays(String),
    /// The cluster does not try again.
    Final(String),
}

fn obstacle(object: &Value) -> Obstacle {
    let kind = object["kind"].as_str().unwrap_or_default();
    match kind {
        "Pod" => match pod_state(object, None) {
            PodReadiness::Ready | PodReadiness::Pending(_) => Obstacle::None,
            PodReadiness::Hindered(why) => Obstacle::MayPass(why),
            PodReadiness::Hopeless(why) => Obstacle::Stays(why),
            PodReadiness::Over(why) => Obstacle::Final(why),
        },
        "Job" => job_failed(object).map_or(Obstacle::None, |why| {
            Obstacle::Final(format!("the Job has failed: {why}"))
        }),
        _ => pods_refused(object).map_or(Obstacle::None, Obstacle::MayPass),
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

fn names(objects: &[Arc<Value>], selected: &Selected<'_>) -> String {
    let names: Vec<_> = objects
        .iter()
        .map(|object| selected.key(object).to_string())
        .collect();
    names.join(", ")
}
