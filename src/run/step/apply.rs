//! `apply`: server-side apply of manifests, with what is needed to take it back.
//!
//! An object that is absent is made, with the labels of the run; one that is there
//! is changed, and its state of before is kept.

use serde_json::{Value, json};

use super::super::deadline::Deadline;
use super::super::ledger::{Deed, Subject};
use super::write::{self, add_labels, has_labels};
use super::{StepContext, StepFailure, StepResult};
use crate::cluster::{ApplyOptions, PatchKind};
use crate::plan::model::Apply;

/// Applies every manifest.
pub async fn run(
    apply: &Apply,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    write::each(&apply.manifests, context, deadline, |manifest| {
        one(apply, manifest, context)
    })
    .await
}

/// Applies one manifest by what is there already; nothing where it was refused as expected.
async fn one(
    apply: &Apply,
    mut manifest: Value,
    context: &StepContext<'_>,
) -> Result<Option<Value>, StepFailure> {
    let labels = &context.suite.labels;
    let (resource, namespace) =
        write::place(&mut manifest, apply.namespace.as_ref(), context).await?;
    let key = write::key(&resource, namespace.as_deref(), &manifest)?;
    let subject = context.subject(&key);
    write::send_off(&mut manifest, context);
    let present = context.cluster.get(&key).await;
    // who may not even read may be meant to be refused
    let present = match present {
        Err(error) if error.is_forbidden() && apply.expect.rejected.is_some() => None,
        present => present
            .map_err(|error| StepFailure::from(error).about(&format!("{key} could not be read")))?,
    };
    let is_new = present.is_none();
    match present {
        Some(present) => {
            write::note_secret(&present, context);
            // one that setup made keeps the run's labels; anybody else's gets none
            if has_labels(&present, labels) {
                add_labels(&mut manifest, labels);
            }
            if !context.ledger.has_made(&subject) {
                manifest["metadata"]["uid"] = present["metadata"]["uid"].clone();
                context.register(&subject, Deed::Changed { snapshot: present })?;
            }
        }
        None => {
            add_labels(&mut manifest, labels);
            context.register(&subject, Deed::Made { uid: None })?;
        }
    }
    let options = ApplyOptions {
        force: apply.force,
        ..ApplyOptions::default()
    };
    let answer = context.cluster.apply(&key, &manifest, &options).await;
    if let Ok(applied) = &answer {
        context.suite.writes.note(&subject, &applied.object);
        write::note_secret(&applied.object, context);
        if is_new && !applied.created && !applied.repeated {
            give_back(&subject, context).await;
            return Err(StepFailure::errored(format!(
                "somebody else made {key} at the same moment: it is theirs, and left alone"
            )));
        }
        if is_new && let Some(uid) = applied.object["metadata"]["uid"].as_str() {
            context.ledger.made(&subject, uid);
        }
    }
    if is_new && answer.as_ref().is_err_and(write::is_refusal) {
        // nothing was made, so another case may make it
        context.ledger.forget(&subject);
    }
    let applied = write::judge(
        answer,
        |applied| &applied.warnings,
        &apply.expect,
        &key.to_string(),
        context,
    )?;
    Ok(applied.map(|applied| applied.object))
}

/// Takes our labels off what turned out to be somebody else's, and forgets it.
async fn give_back(subject: &Subject, context: &StepContext<'_>) {
    let nulls: serde_json::Map<_, _> = context
        .suite
        .labels
        .iter()
        .map(|(label, _)| (label.clone(), Value::Null))
        .collect();
    let patch = json!({"metadata": {"labels": nulls}});
    let key = &subject.key;
    if let Err(error) = context
        .cluster
        .patch(key, PatchKind::Merge, &patch, None)
        .await
    {
        tracing::warn!("our labels could not be taken off {key}: {error}");
    }
    context.ledger.forget(subject);
}
