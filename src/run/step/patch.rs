//! `patch`: changes a part of one object, which is put back at the end where the run did
//! not make it.

use super::super::deadline::Deadline;
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
    let objects = selected.read(context).await?;
    let [before] = objects.as_slice() else {
        return Err(StepFailure::failed(match objects.len() {
            0 => format!("{} does not exist", selected.describe()),
            count => format!(
                "a patch changes one object, and {count} {} are there",
                selected.describe()
            ),
        }));
    };
    let key = selected.key(before);
    let subject = context.subject(&key);
    let body = patch.patch.render(&context.scope_of(before))?;
    write::note_patch(&key.resource.kind, &body, context);
    let subresource = patch.subresource.as_deref();
    let claim = match is_ours(before, context) {
        true => None,
        false => Some(context.claim(&subject).await?),
    };
    let is_first = claim
        .as_ref()
        .is_some_and(|claim| context.write_down_change(claim, &subject, before));
    let changing = Changing::begin(context, &subject, subresource, is_first).await;
    let kind = match patch.kind {
        PatchKind::Merge => cluster::PatchKind::Merge,
        PatchKind::Strategic => cluster::PatchKind::Strategic,
        PatchKind::Json => cluster::PatchKind::Json,
    };
    let answer = context.cluster.patch(&key, kind, &body, subresource).await;
    changing.end(before, &answer).await;
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
    write::note_secret(&patched.object, context);
    let version = |object: &serde_json::Value| object["metadata"]["resourceVersion"].clone();
    // what was going and has lost its last finalizer is gone, and keeps the version that it had
    let is_gone = patched.object["metadata"]["deletionTimestamp"].is_string()
        && patched.object["metadata"]["finalizers"].is_null();
    match is_gone {
        true => context
            .suite
            .writes
            .note_deletion(&subject, before, Deletion::Gone),
        false => context.suite.writes.note(&subject, &patched.object),
    }
    let is_same = version(before) == version(&patched.object) && !is_gone;
    if is_same && !patch.allow_no_change {
        let hint = match (&patch.subresource, body.get("status")) {
            (None, Some(_)) => ": the status is written by `subresource: status` only",
            _ => "",
        };
        return Err(StepFailure::failed(format!("{what} changed nothing{hint}")));
    }
    Ok(StepResult::default().with_objects(vec![patched.object]))
}
