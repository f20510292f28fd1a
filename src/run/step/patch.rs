//! `patch`: changes a part of one object, which is put back at the end where the run did
//! not make it.

use serde_json::Value;

use super::super::deadline::Deadline;
use super::super::ledger::Subject;
use super::super::writes::Writes;
use super::changing::Changing;
use super::select::Selected;
use super::write::{self, is_ours};
use super::{StepContext, StepFailure, StepResult};
use crate::cluster::{self, Deletion};
use crate::plan::model::{Patch, PatchKind};

/// Patches exactly one object; changing nothing fails.
pub async fn run(
    patch: &Patch,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    write::in_time(deadline, context, one(patch, context)).await
}

async fn one(patch: &Patch, context: &StepContext<'_>) -> Result<StepResult, StepFailure> {
    let selected = Selected::of(&patch.target, context).await?;
    let mut before = only(&selected, context).await?;
    let key = selected.key(&before);
    let subject = context.subject(&key);
    let claim = match is_ours(&before, context) {
        true => None,
        false => {
            let claim = context.claim(&subject).await?;
            // until then, another case may have had it and put it back
            before = only(&selected, context).await?;
            Some(claim)
        }
    };
    let body = patch.patch.render(&context.scope_of(&before))?;
    write::note_patch(&key.resource.kind, &body, context);
    let subresource = patch.subresource.as_deref();
    let is_first = claim
        .as_ref()
        .is_some_and(|claim| context.write_down_change(claim, &subject, &before));
    let changing = Changing::begin(context, &subject, subresource, is_first).await;
    let kind = match patch.kind {
        PatchKind::Merge => cluster::PatchKind::Merge,
        PatchKind::Strategic => cluster::PatchKind::Strategic,
        PatchKind::Json => cluster::PatchKind::Json,
    };
    let answer = context.cluster.patch(&key, kind, &body, subresource).await;
    // first of all: writing down what came of it may take longer than the step has
    let deletion = match &answer {
        Ok(patched) => {
            write::note_secret(&patched.object, context);
            note(&subject, &before, &patched.object, &context.suite.writes)
        }
        Err(_) => None,
    };
    changing.end(&before, &answer).await;
    drop(claim);
    let what = format!("the patch of {key}");
    let Some(patched) = write::judge(
        answer,
        |patched| &patched.warnings,
        &patch.expect,
        &what,
        context,
    )?
    else {
        return Ok(StepResult::default());
    };
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    let is_gone = deletion == Some(Deletion::Gone);
    let is_same = version(&before) == version(&patched.object) && !is_gone;
    if is_same && !patch.allow_no_change {
        let hint = match (&patch.subresource, body.get("status")) {
            (None, Some(_)) => ": the status is written by `subresource: status` only",
            _ => "",
        };
        return Err(StepFailure::failed(format!("{what} changed nothing{hint}")));
    }
    Ok(StepResult::default().with_objects(vec![patched.object]))
}

/// The one object that is meant, as it is now.
async fn only(selected: &Selected<'_>, context: &StepContext<'_>) -> Result<Value, StepFailure> {
    let mut objects = selected.read(context).await?;
    match objects.len() {
        1 => Ok(objects.swap_remove(0)),
        0 => Err(StepFailure::failed(format!(
            "{} does not exist",
            selected.describe()
        ))),
        count => Err(StepFailure::failed(format!(
            "a patch changes one object, and {count} {} are there",
            selected.describe()
        ))),
    }
}

/// Notes what the patch left of the object; how far its deletion is, where it is being deleted.
fn note(subject: &Subject, before: &Value, patched: &Value, writes: &Writes) -> Option<Deletion> {
    let deletion = deletion(patched);
    match deletion {
        // it keeps the version that it had
        Some(Deletion::Gone) => writes.note_deletion(subject, before, Deletion::Gone),
        Some(deletion) => writes.note_deletion(subject, patched, deletion),
        None => writes.note(subject, patched),
    }
    deletion
}

/// How far the deletion is of what a patch was answered with. What is going is gone with its last
/// finalizer, unless it has time left to end in.
fn deletion(patched: &Value) -> Option<Deletion> {
    let metadata = &patched["metadata"];
    metadata["deletionTimestamp"].as_str()?;
    let is_held_by = |finalizers: &Value| finalizers.as_array().is_some_and(|it| !it.is_empty());
    let has_time = metadata["deletionGracePeriodSeconds"]
        .as_u64()
        .is_some_and(|seconds| seconds > 0);
    // those of a Namespace are in its spec
    let is_held = is_held_by(&metadata["finalizers"]) || is_held_by(&patched["spec"]["finalizers"]);
    Some(match has_time || is_held {
        true => Deletion::Going,
        false => Deletion::Gone,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_going_is_gone_with_its_last_finalizer_unless_it_has_time_left() {
        let going = |more: Value| {
            let mut metadata = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
            for (field, value) in more.as_object().unwrap() {
                metadata[field] = value.clone();
            }
            json!({"metadata": metadata})
        };
        let mut namespace = going(json!({"deletionGracePeriodSeconds": 0}));
        namespace["spec"] = json!({"finalizers": ["kubernetes"]});
        for (patched, expected) in [
            (json!({"metadata": {}}), None),
            (going(json!({})), Some(Deletion::Gone)),
            (going(json!({"finalizers": []})), Some(Deletion::Gone)),
            (
                going(json!({"deletionGracePeriodSeconds": 0})),
                Some(Deletion::Gone),
            ),
            (
                going(json!({"deletionGracePeriodSeconds": 60})),
                Some(Deletion::Going),
            ),
            (going(json!({"finalizers": ["x/y"]})), Some(Deletion::Going)),
            (namespace, Some(Deletion::Going)),
        ] {
            assert_eq!(deletion(&patched), expected, "{patched}");
        }
    }
}
