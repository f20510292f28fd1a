//! `apply`: server-side apply of manifests, with what is needed to take it back.
//!
//! An object that is absent is made, with the labels of the run; one that is there
//! is changed, and its state of before is kept.

use serde_json::{Value, json};

use super::super::deadline::Deadline;
use super::super::ledger::Deed;
use super::changing::Changing;
use super::write::{self, add_labels};
use super::{StepContext, StepFailure, StepResult};
use crate::cluster::{ApplyOptions, FIELD_MANAGER, ObjectKey, PatchKind};
use crate::marks::has_labels;
use crate::plan::model::Apply;

/// Applies every manifest.
pub async fn run(
    apply: &Apply,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let one = |manifest| one(apply, manifest, context);
    write::each(&apply.manifests, &apply.expect, context, deadline, one).await
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
    // before it is read: somebody else may just be making it
    let claim = context.claim(&subject).await?;
    let present = context.cluster.get(&key).await;
    // who may not even read may be meant to be refused
    let present = match present {
        Err(error) if error.is_forbidden() && apply.expect.rejected.is_some() => None,
        present => present
            .map_err(|error| StepFailure::from(error).about(&format!("{key} could not be read")))?,
    };
    let is_first = match &present {
        Some(present) => {
            write::note_secret(present, context);
            // one that setup made keeps the run's labels; anybody else's gets none
            if has_labels(present, labels) {
                add_labels(&mut manifest, labels);
            }
            if context.ledger.has_made(&subject) {
                false
            } else {
                manifest["metadata"]["uid"] = present["metadata"]["uid"].clone();
                context.write_down_change(&claim, &subject, present)
            }
        }
        None => {
            add_labels(&mut manifest, labels);
            context.write_down(&claim, &subject, Deed::Made { uid: None })
        }
    };
    let options = ApplyOptions {
        force: apply.force,
        ..ApplyOptions::default()
    };
    let changing = Changing::begin(context, &subject, None, is_first).await;
    let answer = context.cluster.apply(&key, &manifest, &options).await;
    if let Ok(applied) = &answer {
        context.suite.writes.note(&subject, &applied.object);
        write::note_secret(&applied.object, context);
        let is_ours = applied.created || applied.repeated && may_have_made(&applied.object);
        if present.is_none() && !is_ours {
            context.ledger.forget(&subject);
            return Err(give_back(&key, context).await);
        }
        if present.is_none()
            && let Some(uid) = applied.object["metadata"]["uid"].as_str()
        {
            context.ledger.made(&subject, uid);
        }
    }
    let before = present.as_ref().unwrap_or(&Value::Null);
    changing.end(before, &answer).await;
    drop(claim);
    let applied = write::judge(
        answer,
        |applied| &applied.warnings,
        &apply.expect,
        &key.to_string(),
        context,
    )?;
    Ok(applied.map(|applied| applied.object))
}

/// Whether an apply whose first answer was lost made this: then we are the manager who wrote when
/// it was created. What has no managers, such as the objects of some aggregated APIs, may be ours.
fn may_have_made(object: &Value) -> bool {
    let Some(managers) = object["metadata"]["managedFields"].as_array() else {
        return true;
    };
    managers.iter().any(|entry| {
        entry["manager"] == FIELD_MANAGER
            && entry["operation"] == "Apply"
            && entry["time"] == object["metadata"]["creationTimestamp"]
    })
}

/// Takes our labels off what turned out to be somebody else's, and says so. Goes on where nobody
/// waits any more, since whoever cleans up goes by the labels.
async fn give_back(key: &ObjectKey, context: &StepContext<'_>) -> StepFailure {
    let nulls: serde_json::Map<_, _> = context
        .suite
        .labels
        .iter()
        .map(|(label, _)| (label.clone(), Value::Null))
        .collect();
    let patch = json!({"metadata": {"labels": nulls}});
    let (cluster, of) = (context.cluster.clone(), key.clone());
    let giving = tokio::spawn(async move {
        let given = cluster.patch(&of, PatchKind::Merge, &patch, None).await;
        given.map_err(|error| error.to_string())
    });
    let given = giving.await.unwrap_or_else(|error| Err(error.to_string()));
    let theirs = format!("somebody else made {key} at the same moment: it is theirs");
    StepFailure::errored(match given {
        Ok(_) => format!("{theirs}, and left alone"),
        Err(error) => format!("{theirs}, and our labels could not be taken off it: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_made_an_object_is_told_by_its_first_manager() {
        let object = |managers: Value| json!({"metadata": {"creationTimestamp": "2026-01-01T00:00:07Z", "managedFields": managers}});
        let entry = |manager: &str, operation: &str, time: &str| json!({"manager": manager, "operation": operation, "time": time});
        let (at, later) = ("2026-01-01T00:00:07Z", "2026-01-01T00:00:08Z");
        let (ours, theirs) = (
            entry("kubeproof", "Apply", at),
            entry("kubectl", "Update", at),
        );
        for (managers, expected) in [
            (json!([ours]), true),
            (
                json!([ours, entry("kube-controller-manager", "Update", later)]),
                true,
            ),
            (json!([theirs, entry("kubeproof", "Apply", later)]), false),
            (json!([entry("kubeproof", "Update", at)]), false),
            (Value::Null, true),
        ] {
            assert_eq!(
                may_have_made(&object(managers.clone())),
                expected,
                "{managers}"
            );
        }
    }
}
