//! Which objects belong to which: by owner references, which hold uids.

use std::borrow::Borrow;

use serde_json::Value;

use super::array;

/// Whether `owner` owns an object directly.
///
/// See [owners and dependents](https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/).
#[must_use]
pub fn owned_by(object: &Value, owner: &Value) -> bool {
    let uid = &owner["metadata"]["uid"];
    // Without a uid, nothing is known: two objects that lack one are not related.
    uid.is_string() && array(&object["metadata"]["ownerReferences"]).any(|r| &r["uid"] == uid)
}

/// The pods that belong to an object, directly or through one of `between`.
///
/// A Deployment owns ReplicaSets, which own the pods: pass those of its namespace as `between`.
/// For a DaemonSet, a StatefulSet or a Job, `between` may be empty.
#[must_use]
pub fn pods_of<V: Borrow<Value> + Clone>(owner: &Value, between: &[V], pods: &[V]) -> Vec<V> {
    let owners: Vec<&Value> = between
        .iter()
        .map(Borrow::borrow)
        .filter(|object| owned_by(object, owner))
        .chain([owner])
        .collect();
    pods.iter()
        .filter(|pod| owners.iter().any(|owner| owned_by((*pod).borrow(), owner)))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(name: &str, uid: &str, owner: &str) -> Value {
        json!({"metadata": {"name": name, "uid": uid, "ownerReferences": [{"uid": owner}]}})
    }

    #[test]
    fn pods_of_a_deployment_are_found_through_its_replica_sets() {
        let deployment = json!({"metadata": {"uid": "d"}});
        let sets = [object("rs1", "r1", "d"), object("rs2", "r2", "other")];
        let pods = [
            object("a", "1", "r1"),
            object("b", "2", "r2"),
            object("c", "3", "d"),
        ];
        let names: Vec<_> = pods_of(&deployment, &sets, &pods)
            .iter()
            .map(|pod| pod["metadata"]["name"].clone())
            .collect();
        assert_eq!(names, ["a", "c"]);
    }

    #[test]
    fn without_uids_nothing_is_owned() {
        assert!(!owned_by(
            &json!({"metadata": {"ownerReferences": [{}]}}),
            &json!({"metadata": {}})
        ));
    }
}
