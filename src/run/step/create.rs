//! `create`: new objects, under the names of their manifests or names made up for them.

use serde_json::{Value, json};

use super::super::deadline::Deadline;
use super::super::ledger::Deed;
use super::write::{self, add_labels};
use super::{StepContext, StepFailure, StepResult};
use crate::plan::model::Create;

/// Creates every manifest.
pub async fn run(
    create: &Create,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let one = |manifest| one(create, manifest, context);
    write::each(&create.manifests, &create.expect, context, deadline, one).await
}

async fn one(
    create: &Create,
    mut manifest: Value,
    context: &StepContext<'_>,
) -> Result<Option<Value>, StepFailure> {
    let (resource, namespace) =
        write::place(&mut manifest, create.namespace.as_ref(), context).await?;
    name_it(&mut manifest);
    add_labels(&mut manifest, &context.suite.labels);
    write::send_off(&mut manifest, context);
    let key = write::key(&resource, namespace.as_deref(), &manifest)?;
    let subject = context.subject(&key);
    let claim = context.claim(&subject).await?;
    let is_first = context.write_down(&claim, &subject, Deed::Made { uid: None });
    let answer = context
        .cluster
        .create(&resource, namespace.as_deref(), &manifest)
        .await;
    match &answer {
        Ok(created) => {
            context.suite.writes.note(&subject, &created.object);
            write::note_secret(&created.object, context);
            if let Some(uid) = created.object["metadata"]["uid"].as_str() {
                context.ledger.made(&subject, uid);
            }
        }
        // nothing was made, or it is somebody else's
        Err(error) if is_first && write::is_refusal(error) => context.ledger.forget(&subject),
        Err(_) => {}
    }
    let created = write::judge(
        answer,
        |created| &created.warnings,
        &create.expect,
        &key.to_string(),
        context,
    )?;
    Ok(created.map(|created| created.object))
}

/// A name in place of `generateName`: the object must be written down before it is made.
fn name_it(manifest: &mut Value) {
    let metadata = &mut manifest["metadata"];
    if metadata["name"].is_string() {
        return;
    }
    if let Some(prefix) = metadata["generateName"].as_str() {
        let random = uuid::Uuid::new_v4().simple().to_string();
        let name = format!("{prefix}{}", &random[..8]);
        metadata["name"] = json!(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_is_known_beforehand() {
        let mut manifest = json!({"metadata": {"generateName": "a-"}});
        name_it(&mut manifest);
        let name = manifest["metadata"]["name"].as_str().unwrap();
        assert!(name.starts_with("a-") && name.len() == 10, "{name}");
        let mut named = json!({"metadata": {"name": "b", "generateName": "a-"}});
        name_it(&mut named);
        assert_eq!(named["metadata"]["name"], "b");
    }
}
