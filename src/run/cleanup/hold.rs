//! What holds an object that was asked to go: its own fields, or pods whose nodes do not answer.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::Held;
use crate::cluster::{Cluster, ObjectKey, Resource, node_problem, owned_by};
use crate::run::ledger::Subject;

/// How long a pod gets before a node that does not answer is taken for the reason.
const PATIENCE_WITH_NODES: Duration = Duration::from_secs(6);

/// How long nodes must not answer to be given up: after a restart of the control plane all of them
/// seem not to for some seconds.
const NODES_COME_BACK: Duration = Duration::from_secs(10);

/// Resolves where pods cannot go because their nodes do not answer, and stay so: waiting is no use.
pub(super) async fn held_by_nodes(
    cluster: &Cluster,
    subject: &Subject,
    object: &Value,
) -> Vec<Held> {
    let key = &subject.key;
    tokio::time::sleep(PATIENCE_WITH_NODES).await;
    let namespace = match key.resource.kind.as_str() {
        "Namespace" => Some(key.name.as_str()),
        _ => key.namespace.as_deref(),
    };
    let mut pods = cluster.watch(&Resource::pod(), namespace);
    let mut nodes = cluster.watch(&Resource::node(), None);
    let belongs = |pod: &Value| match key.resource.kind.as_str() {
        "Namespace" => true,
        "Pod" => pod["metadata"]["uid"] == object["metadata"]["uid"],
        // the ReplicaSet between a Deployment and its pods is gone by now, or going
        "Deployment" => pod["metadata"]["deletionTimestamp"].is_string(),
        _ => owned_by(pod, object),
    };
    let mut stuck_since = None;
    loop {
        let left = pods.list(belongs);
        let stuck: Vec<_> = left
            .iter()
            .filter_map(|pod| {
                let node = nodes.find(None, pod["spec"]["nodeName"].as_str()?)?;
                let problem = node_problem(&node)?;
                let metadata = &pod["metadata"];
                let namespace = metadata["namespace"].as_str();
                let name = metadata["name"].as_str()?;
                Some(Held {
                    subject: Subject {
                        cluster: subject.cluster.clone(),
                        key: ObjectKey::new(Resource::pod(), namespace, name),
                    },
                    reason: format!("still terminating: {problem}"),
                })
            })
            .collect();
        let is_stuck = !stuck.is_empty() && stuck.len() == left.len();
        let since = *stuck_since.get_or_insert_with(Instant::now);
        let given_up = since + NODES_COME_BACK;
        if !is_stuck {
            stuck_since = None;
        } else if Instant::now() >= given_up {
            let names: Vec<_> = stuck.iter().map(|held| held.subject.shown()).collect();
            let own = Held {
                subject: subject.clone(),
                reason: format!("waits for {}", names.join(", ")),
            };
            return stuck
                .into_iter()
                .filter(|held| held.subject != own.subject)
                .chain([own.clone()])
                .collect();
        }
        tokio::select! {
            () = pods.changed() => {}
            () = nodes.changed() => {}
            () = tokio::time::sleep_until(given_up), if is_stuck => {}
        }
    }
}

/// The cluster's own words for why an object is still there; nothing where it is not.
pub(super) async fn what_holds(cluster: &Cluster, key: &ObjectKey, uid: &Value) -> Option<String> {
    match cluster.get(key).await {
        Ok(Some(object)) if object["metadata"]["uid"] == *uid => Some(describe_hold(&object)),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// What an object's own fields say about why it does not go.
fn describe_hold(object: &Value) -> String {
    let mut reasons = Vec::new();
    for condition in object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let says_what_remains = condition["type"]
            .as_str()
            .is_some_and(|kind| kind.starts_with("Namespace"));
        if says_what_remains
            && condition["status"] == "True"
            && let Some(message) = condition["message"].as_str()
        {
            reasons.push(message.to_owned());
        }
    }
    let finalizers: Vec<_> = object["metadata"]["finalizers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !finalizers.is_empty() {
        reasons.push(format!("held by the finalizers {}", finalizers.join(", ")));
    }
    if reasons.is_empty() {
        let since = object["metadata"]["deletionTimestamp"].as_str();
        let node = object["spec"]["nodeName"].as_str();
        reasons.push(match (since, node) {
            // whose kubelet must say that its containers have ended
            (Some(since), Some(node)) => format!("terminating since {since} on the node {node}"),
            (Some(since), None) => format!("terminating since {since}"),
            (None, _) => "it is not marked for deletion".to_owned(),
        });
    }
    reasons.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_holds_an_object_is_told_in_the_clusters_words() {
        assert_eq!(
            describe_hold(&json!({"metadata": {"finalizers": ["a/b", "c"]}})),
            "held by the finalizers a/b, c"
        );
        assert_eq!(
            describe_hold(&json!({"status": {"conditions": [
                {"type": "NamespaceContentRemaining", "status": "True", "message": "pods. has 1"},
                {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "no"},
            ]}})),
            "pods. has 1"
        );
        let going = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(
            describe_hold(&json!({"metadata": going, "spec": {"nodeName": "node3"}})),
            "terminating since 2026-01-01T00:00:00Z on the node node3"
        );
        assert_eq!(
            describe_hold(&json!({"metadata": {}})),
            "it is not marked for deletion"
        );
    }
}
