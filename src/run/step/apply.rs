//! `apply`: server-side apply of manifests, with what is needed to take it back.
//!
//! An object that is absent is made, with the labels of the run; one that is there
//! is changed, and its state of before is kept.

use serde_json::{Value, json};
use tokio::time::timeout_at;

use super::super::deadline::Deadline;
use super::super::ledger::Deed;
use super::{StepContext, StepFailure};
use crate::cluster::{ApplyOptions, ObjectKey, PatchKind};
use crate::plan::model::{Apply, Manifests};
use crate::yaml;

/// Applies every manifest, one after another in the order of the file.
pub async fn run(
    apply: &Apply,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<(), StepFailure> {
    let manifests = render(&apply.manifests, context)?;
    let work = async {
        for manifest in manifests {
            one(apply, manifest, context).await?;
        }
        Ok(())
    };
    timeout_at(deadline.at, work).await.unwrap_or_else(|_| {
        Err(StepFailure::errored(format!(
            "the API server did not finish {}",
            deadline.describe()
        )))
    })
}

/// The objects that the manifests describe.
fn render(manifests: &Manifests, context: &StepContext<'_>) -> Result<Vec<Value>, StepFailure> {
    match manifests {
        Manifests::Template(template) => {
            let text = template.render(&context.scope)?;
            yaml::manifests(&text).map_err(|error| {
                StepFailure::errored(format!(
                    "{} does not render to YAML: {error}",
                    template.file.name
                ))
                .with_detail(&template.file.name, &text)
            })
        }
        Manifests::Files(files) => Ok(files
            .iter()
            .flat_map(|(_, objects)| objects.iter().cloned())
            .collect()),
        Manifests::Inline(tree) => Ok(yaml::items_of_list(tree.render(&context.scope)?)),
    }
}

/// Applies one manifest by what is there already.
async fn one(
    apply: &Apply,
    mut manifest: Value,
    context: &StepContext<'_>,
) -> Result<(), StepFailure> {
    let key = key_of(apply, &manifest, context).await?;
    if let Some(namespace) = &key.namespace {
        manifest["metadata"]["namespace"] = json!(namespace);
    }
    let refuse = |error| {
        let mut failure = StepFailure::from(error);
        failure.why.message = format!("{key} was not applied: {}", failure.why.message);
        failure
    };
    let present = context.cluster.get(&key).await.map_err(refuse)?;
    let is_new = present.is_none();
    match present {
        Some(present) => {
            // one that setup made keeps the run's labels; anybody else's gets none
            if has_labels(&present, context.labels) {
                add_labels(&mut manifest, context.labels);
            }
            if !context.ledger.has_made(&key) {
                manifest["metadata"]["uid"] = present["metadata"]["uid"].clone();
                register(context, &key, Deed::Changed { snapshot: present })?;
            }
        }
        None => {
            add_labels(&mut manifest, context.labels);
            register(context, &key, Deed::Made { uid: None })?;
        }
    }
    let options = ApplyOptions {
        force: apply.force,
        ..ApplyOptions::default()
    };
    let applied = context
        .cluster
        .apply(&key, &manifest, &options)
        .await
        .map_err(refuse)?;
    context.writes.note(&key, &applied.object);
    if is_new && !applied.created && !applied.repeated {
        give_back(&key, context).await;
        return Err(StepFailure::errored(format!(
            "somebody else made {key} at the same moment: it is theirs, and left alone"
        )));
    }
    if is_new && let Some(uid) = applied.object["metadata"]["uid"].as_str() {
        context.ledger.made(&key, uid);
    }
    Ok(())
}

/// Which object a manifest is about.
async fn key_of(
    apply: &Apply,
    manifest: &Value,
    context: &StepContext<'_>,
) -> Result<ObjectKey, StepFailure> {
    let (Some(api_version), Some(kind)) =
        (manifest["apiVersion"].as_str(), manifest["kind"].as_str())
    else {
        return Err(StepFailure::errored(
            "a manifest needs `apiVersion` and `kind`",
        ));
    };
    let Some(name) = manifest["metadata"]["name"].as_str() else {
        return Err(StepFailure::errored(format!(
            "the manifest of kind {kind} has no `metadata.name`"
        )));
    };
    let resource = context.cluster.resource_of(api_version, kind).await?;
    if !resource.namespaced {
        return Ok(ObjectKey::new(resource, None, name));
    }
    let own = manifest["metadata"]["namespace"].as_str();
    let namespace = match own {
        Some(namespace) => Some(namespace.to_owned()),
        None => context.namespace_of(apply.namespace.as_ref())?,
    };
    let Some(namespace) = namespace else {
        return Err(StepFailure::errored(format!(
            "{kind} {name} names no namespace, and the suite has none"
        )));
    };
    Ok(ObjectKey::new(resource, Some(&namespace), name))
}

fn register(context: &StepContext<'_>, key: &ObjectKey, deed: Deed) -> Result<(), StepFailure> {
    match context.ledger.register(key, deed) {
        Ok(_) => Ok(()),
        Err(owner) => Err(StepFailure::errored(format!(
            "{key} is made by {owner} already: two cases cannot make the same object"
        ))),
    }
}

/// Takes our labels off what turned out to be somebody else's, and forgets it.
async fn give_back(key: &ObjectKey, context: &StepContext<'_>) {
    let nulls: serde_json::Map<_, _> = context
        .labels
        .iter()
        .map(|(label, _)| (label.clone(), Value::Null))
        .collect();
    let patch = json!({"metadata": {"labels": nulls}});
    if let Err(error) = context
        .cluster
        .patch(key, PatchKind::Merge, &patch, None)
        .await
    {
        tracing::warn!("our labels could not be taken off {key}: {error}");
    }
    context.ledger.forget(key);
}

fn has_labels(object: &Value, labels: &[(String, String)]) -> bool {
    labels
        .iter()
        .all(|(label, value)| object["metadata"]["labels"][label] == *value)
}

fn add_labels(manifest: &mut Value, labels: &[(String, String)]) {
    let present = &mut manifest["metadata"]["labels"];
    if !present.is_object() {
        *present = json!({});
    }
    for (label, value) in labels {
        present[label] = json!(value);
    }
}
