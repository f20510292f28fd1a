//! Puts an object back to what it was before the run changed it, and says what is not.

use std::borrow::Cow;

use serde_json::Value;

use super::{Held, IN_FLIGHT, held_by};
use crate::cluster::{Cluster, ClusterError, PatchKind};
use crate::run::change::Change;
use crate::run::ledger::Subject;
use crate::run::writes::Writes;

/// How often a restoration starts over because somebody else changed the object meanwhile.
const RESTORE_ATTEMPTS: usize = 5;

/// Puts an object back to what it was, unless it is gone or another one by now.
pub(super) async fn restore(
    cluster: &Cluster,
    subject: &Subject,
    change: &Change,
    writes: &Writes,
) -> Result<Vec<Held>, ClusterError> {
    let key = &subject.key;
    let lost = |reason: &str| {
        Ok(held_by(
            subject,
            format!("it was there before the run and could not be restored: {reason}"),
        ))
    };
    let status_apart = key.resource.subresources.iter().any(|it| it == "status");
    let mut refused = None;
    if !change.unanswered.is_empty() {
        // the request was given up, and may be carried out just now
        tokio::time::sleep(IN_FLIGHT).await;
    }
    for _ in 0..RESTORE_ATTEMPTS {
        let Some(mut current) = cluster.get(key).await? else {
            return lost("it is gone");
        };
        if current["metadata"]["uid"] != *change.uid() {
            return lost("another object has its name now");
        }
        let (now, _) = undoing(change, &current, status_apart);
        for (subresource, undo) in now.undo_through(&current) {
            let answer = cluster.patch(key, PatchKind::Merge, &undo, Some(&subresource));
            match answer.await {
                Ok(undone) => current = undone.object,
                Err(error) if error.is_environment() => return Err(error),
                // the rest is put back all the same
                Err(error) => refused = Some(error),
            }
        }
        let (now, left_alone) = undoing(change, &current, status_apart);
        let restored = now.restored(&current, status_apart);
        if restored != current {
            current = match cluster.replace(key, &restored).await {
                Ok(answer) => answer.object,
                Err(ClusterError::Conflict { .. }) => continue,
                Err(error) => return Err(error),
            };
        }
        writes.note(subject, &current);
        let reasons = [judged(&current, &now, status_apart, refused), left_alone];
        let reasons: Vec<_> = reasons.into_iter().flatten().collect();
        return match reasons.is_empty() {
            true => Ok(Vec::new()),
            false => lost(&reasons.join("; ")),
        };
    }
    lost("somebody else keeps changing it")
}

/// What is to be undone of a change, and in words what is left alone: all of it by the run itself,
/// what is still the run's by whoever comes after its death.
fn undoing<'c>(
    change: &'c Change,
    current: &Value,
    status_apart: bool,
) -> (Cow<'c, Change>, Option<String>) {
    if !change.is_recalled {
        return (Cow::Borrowed(change), None);
    }
    let recalled = change.against(current, status_apart);
    let left_alone = recalled.left_alone();
    (Cow::Owned(recalled.change), left_alone)
}

/// Why what is there now is not what was there before, where that is so.
fn judged(
    current: &Value,
    change: &Change,
    status_apart: bool,
    refused: Option<ClusterError>,
) -> Option<String> {
    let left = change.left(current, status_apart);
    let because = refused.map_or_else(String::new, |error| format!(": {error}"));
    if !left.is_empty() {
        return Some(format!("{} differs{because}", left.join(", ")));
    }
    let going = current["metadata"]["deletionTimestamp"].as_str()?;
    Some(format!("it is being deleted since {going}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_as_it_was_is_told() {
        let was = json!({"metadata": {"uid": "1"}, "data": {"k": "a"}});
        let change = Change::of(was.clone());
        assert_eq!(judged(&was, &change, true, None), None);
        let other = json!({"metadata": {"uid": "1"}, "data": {"k": "b"}});
        let refused = ClusterError::NotFound {
            message: "no".to_owned(),
        };
        assert_eq!(
            judged(&other, &change, true, Some(refused)).unwrap(),
            "data.k differs: no"
        );
        let going =
            json!({"metadata": {"uid": "1", "deletionTimestamp": "now"}, "data": {"k": "a"}});
        assert_eq!(
            judged(&going, &change, true, None).unwrap(),
            "it is being deleted since now"
        );
    }
}
