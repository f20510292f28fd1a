//! Puts an object back to what it was before the run changed it.

use serde_json::Value;

use super::{Held, held_by};
use crate::cluster::{Cluster, ClusterError};
use crate::run::ledger::Subject;

/// How often a restoration starts over because somebody else changed the object meanwhile.
const RESTORE_ATTEMPTS: usize = 5;

/// Puts an object back to what it was, unless it is gone or another one by now.
pub(super) async fn restore(
    cluster: &Cluster,
    subject: &Subject,
    snapshot: &Value,
) -> Result<Vec<Held>, ClusterError> {
    let key = &subject.key;
    let lost = |reason: &str| {
        Ok(held_by(
            subject,
            format!("it was there before the run and could not be restored: {reason}"),
        ))
    };
    for _ in 0..RESTORE_ATTEMPTS {
        let Some(current) = cluster.get(key).await? else {
            return lost("it is gone");
        };
        if current["metadata"]["uid"] != snapshot["metadata"]["uid"] {
            return lost("another object has its name now");
        }
        let restored = restored(&current, snapshot);
        if restored == current {
            return Ok(Vec::new());
        }
        match cluster.replace(key, &restored).await {
            Ok(_) => return Ok(Vec::new()),
            Err(ClusterError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    lost("somebody else keeps changing it")
}

/// The present object with what a user writes taken from the snapshot: everything but
/// status, and of the metadata labels and annotations.
fn restored(current: &Value, snapshot: &Value) -> Value {
    let mut restored = snapshot.clone();
    restored["metadata"] = current["metadata"].clone();
    for field in ["labels", "annotations"] {
        match snapshot["metadata"].get(field) {
            Some(value) => restored["metadata"][field] = value.clone(),
            None => {
                if let Some(metadata) = restored["metadata"].as_object_mut() {
                    metadata.remove(field);
                }
            }
        }
    }
    match current.get("status") {
        Some(status) => restored["status"] = status.clone(),
        None => {
            if let Some(fields) = restored.as_object_mut() {
                fields.remove("status");
            }
        }
    }
    restored
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_restoration_takes_what_a_user_writes() {
        let snapshot = json!({
            "kind": "ConfigMap",
            "metadata": {"uid": "1", "resourceVersion": "5", "labels": {"a": "b"}},
            "data": {"k": "old"},
            "status": {"seen": 1},
        });
        let current = json!({
            "kind": "ConfigMap",
            "metadata": {
                "uid": "1",
                "resourceVersion": "9",
                "labels": {"a": "c", "x": "y"},
                "annotations": {"n": "m"},
            },
            "data": {"k": "new"},
            "binaryData": {"z": "AA=="},
            "status": {"seen": 2},
        });
        assert_eq!(
            restored(&current, &snapshot),
            json!({
                "kind": "ConfigMap",
                "metadata": {"uid": "1", "resourceVersion": "9", "labels": {"a": "b"}},
                "data": {"k": "old"},
                "status": {"seen": 2},
            })
        );
        assert_eq!(restored(&snapshot, &snapshot), snapshot);
    }
}
