//! `delete`: deletes objects and waits until they are gone.

use super::super::deadline::Deadline;
use super::follow::{Followed, Look};
use super::select::Selected;
use super::write;
use super::{StepContext, StepFailure, StepResult};
use crate::cluster::{DeleteOptions, Deleted, Deletion, Propagation};
use crate::event::EventKind;
use crate::plan::model::Delete;

/// Deletes what is there; nothing there passes, and says so.
pub async fn run(
    delete: &Delete,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let selected = write::in_time(deadline, context, Selected::of(&delete.target, context)).await?;
    let objects = write::in_time(deadline, context, selected.read(context)).await?;
    if objects.is_empty() {
        write::must_be_asked(&delete.expect, &selected.missing())?;
        context.suite.teller.tell(EventKind::Notice {
            text: format!("delete: {}: absent already", selected.describe()),
        });
    }
    if !delete.foreign
        && let Some(foreign) = objects
            .iter()
            .find(|object| !write::is_ours(object, context))
    {
        return Err(StepFailure::errored(format!(
            "{} was not made by this run: say `foreign: true` to delete it all the same",
            selected.key(foreign)
        )));
    }
    let options = |object: &serde_json::Value| DeleteOptions {
        uid: object["metadata"]["uid"].as_str().map(str::to_owned),
        grace: delete.grace_period,
        propagation: Propagation::Background,
    };
    let (mut going, mut gone) = (Vec::new(), Vec::new());
    for object in &objects {
        let key = selected.key(object);
        let subject = context.subject(&key);
        let answer = write::in_time(deadline, context, async {
            // what another case has changed it is going to put back
            let _claim = match write::is_ours(object, context) {
                true => None,
                false => Some(context.claim(&subject).await?),
            };
            Ok(context
                .cluster
                .delete_with_warnings(&key, &options(object))
                .await)
        })
        .await?;
        if let Ok(Deleted {
            deletion: Deletion::Absent,
            ..
        }) = &answer
        {
            let why_not = format!("{key} went away before it was asked to go");
            write::must_be_asked(&delete.expect, &why_not)?;
        }
        let deleted: Option<Deleted> = write::judge(
            answer,
            |deleted| &deleted.warnings,
            &delete.expect,
            &format!("the deletion of {key}"),
            context,
        )?;
        if let Some(deleted) = deleted {
            going.push(object["metadata"]["uid"].clone());
            let writes = &context.suite.writes;
            writes.note_deletion(&subject, object, deleted.deletion);
            gone.push((subject, object));
        }
    }
    // an object that is going is another to `where`, and still there
    let left = selected.without_filter();
    let mut followed = Followed::new(&left, context);
    followed
        .until(deadline, |left| {
            let left: Vec<_> = left
                .iter()
                .filter(|object| going.contains(&object["metadata"]["uid"]))
                .map(|object| match object["metadata"]["finalizers"].as_array() {
                    Some(finalizers) if !finalizers.is_empty() => format!(
                        "{} (held by {})",
                        selected.key(object),
                        serde_json::Value::from(finalizers.clone())
                    ),
                    _ => selected.key(object).to_string(),
                })
                .collect();
            Ok(match left.is_empty() {
                true => Look::Holds,
                false => Look::NotYet(format!("still there: {}", left.join(", "))),
            })
        })
        .await?;
    // what the suite does not want there needs not be put back, whoever of it has changed it
    for (subject, object) in &gone {
        for ledger in [context.ledger, &context.suite.ledger] {
            ledger.remove_kept(subject).await;
            ledger.forget_change(subject);
        }
        let writes = &context.suite.writes;
        writes.note_deletion(subject, object, Deletion::Gone);
    }
    Ok(StepResult::default().with_objects(objects))
}
