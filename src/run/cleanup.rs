//! Takes back what a ledger says: deletes what the run made, restores what it changed,
//! and names what does not go with what holds it.
//!
//! Nothing is deleted that the run did not make: uid and labels are checked first.

use std::collections::VecDeque;
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use super::cancel::{CLEANUP_AFTER_CANCEL, CleanupTime};
use super::clusters::Clusters;
use super::deadline::human_duration;
use super::ledger::{Deed, Entry, Ledger, Subject};
use super::panic;
use crate::cluster::{
    Cluster, ClusterError, DeleteOptions, Deletion, ObjectKey, Propagation, Resource, node_problem,
    owned_by,
};

/// How long one object may take to go in a run.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long all that a case or a suite made may take to go.
pub const LONGEST: Duration = Duration::from_secs(300);

/// How long a pod gets before a node that does not answer is taken for the reason.
const PATIENCE_WITH_NODES: Duration = Duration::from_secs(6);

/// How long after it was given up a request may still be carried out by the API server.
const IN_FLIGHT: Duration = Duration::from_secs(1);

/// How long what can be done at once may take when the time is over.
const LAST_WORD: Duration = Duration::from_secs(5);

/// How long nodes must not answer to be given up: after a restart of the control plane all of them
/// seem not to for some seconds.
const NODES_COME_BACK: Duration = Duration::from_secs(10);

/// How often a restoration starts over because somebody else changed the object meanwhile.
const RESTORE_ATTEMPTS: usize = 5;

/// Something that is still there, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// `kind/name`, with `-n NAMESPACE` where it has one.
    pub object: String,
    /// In words.
    pub reason: String,
}

/// What cleanup works with.
#[derive(Clone)]
pub struct Cleanup {
    /// Where requests go.
    pub clusters: Clusters,
    /// The labels of what the run made.
    pub labels: Vec<(String, String)>,
    /// How long one object may take to go before what holds it is told.
    pub patience: Duration,
    /// How long all of it may take.
    pub longest: Duration,
    /// When that began.
    pub began: Instant,
    /// When it must be over because the suite is told to stop.
    pub time: CleanupTime,
}

impl Cleanup {
    /// Takes everything back, what was made last first, the objects of one step side by side.
    pub async fn undo(&self, ledger: &Ledger) -> Vec<Held> {
        let mut held = Vec::new();
        let mut groups = VecDeque::from(ledger.take());
        while let Some(mut group) = groups.pop_front() {
            if self.out_of_time().is_some() {
                // the order is nothing any more to those who do not wait
                group.extend(groups.drain(..).flatten());
            }
            let done = join_all(group.iter().map(|entry| self.undo_one(entry))).await;
            for (entry, left) in group.iter().zip(done) {
                ledger.release(&entry.subject);
                held.extend(left);
            }
        }
        held
    }

    /// Takes one object back; what is left of it and because of it.
    ///
    /// Where the time is over before it is gone, it is asked to go all the same. A panic costs this
    /// object alone.
    pub async fn undo_one(&self, entry: &Entry) -> Vec<Held> {
        panic::held(self.undo_or_panic(entry))
            .await
            .unwrap_or_else(|reason| held_by(&entry.subject, reason))
    }

    async fn undo_or_panic(&self, entry: &Entry) -> Vec<Held> {
        let subject = &entry.subject;
        let Some(cluster) = self.clusters.get(subject.cluster.as_deref()) else {
            return Vec::new();
        };
        panic::at_request(Some(&subject.key.resource.kind));
        let work = async {
            match &entry.deed {
                Deed::Made { uid } => self.delete(cluster, subject, uid.as_deref()).await,
                Deed::Changed { snapshot } => restore(cluster, subject, snapshot).await,
            }
        };
        let in_time = async {
            tokio::select! {
                biased;
                result = work => result.unwrap_or_else(|error| held_by(subject, error.to_string())),
                words = self.until_out_of_time() => self.last_word(cluster, entry, words).await,
            }
        };
        tokio::select! {
            biased;
            held = in_time => held,
            () = self.time.all_over.cancelled() => held_by(subject, "cleanup was stopped".to_owned()),
        }
    }

    /// Why nobody waits any more, where that is so.
    fn out_of_time(&self) -> Option<String> {
        let after = if self.time.waits_over.is_cancelled() {
            format!("{} after the cancel", human_duration(CLEANUP_AFTER_CANCEL))
        } else if Instant::now() >= self.deadline() {
            human_duration(self.longest)
        } else {
            return None;
        };
        Some(format!("cleanup ran out of time ({after})"))
    }

    async fn until_out_of_time(&self) -> String {
        loop {
            if let Some(words) = self.out_of_time() {
                return words;
            }
            tokio::select! {
                () = self.time.waits_over.cancelled() => {}
                () = tokio::time::sleep_until(self.deadline()) => {}
            }
        }
    }

    fn deadline(&self) -> Instant {
        self.began + self.longest
    }

    async fn delete(
        &self,
        cluster: &Cluster,
        subject: &Subject,
        uid: Option<&str>,
    ) -> Result<Vec<Held>, ClusterError> {
        let object = match self.ask(cluster, subject, uid, IN_FLIGHT).await? {
            Some(object) => object,
            None => return Ok(Vec::new()),
        };
        Ok(until_gone(cluster, subject, &object, self.patience).await)
    }

    /// Does what can be done at once: nobody waits for the object to go.
    async fn last_word(&self, cluster: &Cluster, entry: &Entry, words: String) -> Vec<Held> {
        let subject = &entry.subject;
        let work = async {
            let uid = match &entry.deed {
                Deed::Made { uid } => uid.as_deref(),
                Deed::Changed { snapshot } => return restore(cluster, subject, snapshot).await,
            };
            let Some(object) = self.ask(cluster, subject, uid, Duration::ZERO).await? else {
                return Ok(Vec::new());
            };
            let holds = what_holds(cluster, &subject.key, &object["metadata"]["uid"]).await;
            Ok(holds.map_or_else(Vec::new, |reason| {
                held_by(subject, format!("{words}: {reason}"))
            }))
        };
        match tokio::time::timeout(LAST_WORD, work).await {
            Ok(Ok(held)) => held,
            Ok(Err(error)) => held_by(subject, format!("{words}: {error}")),
            Err(_elapsed) => held_by(subject, words),
        }
    }

    /// Asks an object to go, if the run made it; what it was if it is still there.
    async fn ask(
        &self,
        cluster: &Cluster,
        subject: &Subject,
        uid: Option<&str>,
        in_flight: Duration,
    ) -> Result<Option<Value>, ClusterError> {
        let key = &subject.key;
        let mut object = cluster.get(key).await?;
        if object.is_none() && uid.is_none() && !in_flight.is_zero() {
            // the request that makes it was given up, and may be carried out just now
            tokio::time::sleep(in_flight).await;
            object = cluster.get(key).await?;
        }
        let Some(object) = object.filter(|object| self.is_ours(object, uid)) else {
            return Ok(None);
        };
        let options = DeleteOptions {
            uid: object["metadata"]["uid"].as_str().map(str::to_owned),
            grace: None,
            propagation: propagation(&key.resource),
        };
        Ok(match cluster.delete(key, &options).await? {
            Deletion::Gone | Deletion::Absent => None,
            Deletion::Going => Some(object),
        })
    }

    fn is_ours(&self, object: &Value, uid: Option<&str>) -> bool {
        let same = uid.is_none_or(|uid| object["metadata"]["uid"] == uid);
        same && self
            .labels
            .iter()
            .all(|(label, value)| object["metadata"]["labels"][label] == *value)
    }
}

/// One object, and why it is still there.
fn held_by(subject: &Subject, reason: String) -> Vec<Held> {
    vec![Held {
        object: subject.shown(),
        reason,
    }]
}

/// Follows an object on its way out.
async fn until_gone(
    cluster: &Cluster,
    subject: &Subject,
    object: &Value,
    patience: Duration,
) -> Vec<Held> {
    let key = &subject.key;
    let uid = &object["metadata"]["uid"];
    let version = object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default();
    let mut watch = cluster.watch(&key.resource, key.namespace.as_deref());
    // one that begins now reads everything anew; an older one may not know the object yet
    let is_new = !watch.is_synced();
    let gone = watch.wait_until(|state| {
        let there = state.find(key.namespace.as_deref(), &key.name);
        let is_gone = there.is_none_or(|there| there["metadata"]["uid"] != *uid);
        let is_current = state.is_synced() && (is_new || state.has_seen(version));
        (is_current && is_gone).then_some(())
    });
    tokio::select! {
        biased;
        () = gone => Vec::new(),
        held = held_by_nodes(cluster, subject, object) => held,
        () = tokio::time::sleep(patience) => {
            let Some(reason) = what_holds(cluster, key, uid).await else {
                return Vec::new();
            };
            held_by(subject, format!("not gone after {}: {reason}", human_duration(patience)))
        }
    }
}

/// Resolves where pods cannot go because their nodes do not answer, and stay so: waiting is no use.
async fn held_by_nodes(cluster: &Cluster, subject: &Subject, object: &Value) -> Vec<Held> {
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
                Some(Held {
                    object: format!(
                        "pod/{} -n {}",
                        pod["metadata"]["name"].as_str()?,
                        pod["metadata"]["namespace"].as_str()?
                    ),
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
            let names: Vec<_> = stuck.iter().map(|held| held.object.as_str()).collect();
            let own = Held {
                object: subject.shown(),
                reason: format!("waits for {}", names.join(", ")),
            };
            return stuck
                .into_iter()
                .filter(|held| held.object != own.object)
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
async fn what_holds(cluster: &Cluster, key: &ObjectKey, uid: &Value) -> Option<String> {
    match cluster.get(key).await {
        Ok(Some(object)) if object["metadata"]["uid"] == *uid => Some(describe_hold(&object)),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Puts an object back to what it was, unless it is gone or another one by now.
async fn restore(
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

/// Whether an object can go while its namespace is ending already.
///
/// The namespace controller waits 5 s before it looks, which can pass while the objects go. But
/// nothing can be made in an ending namespace any more, and the controller of a custom resource
/// may need to make something to clean up after it.
pub fn goes_in_an_ending_namespace(subject: &Subject) -> bool {
    let key = &subject.key;
    !key.resource.group.contains('.') || key.resource.group.ends_with(".k8s.io")
}

/// What was made through the API without dependents goes in one request; what makes
/// objects itself goes after them, so that its end means that they are gone.
fn propagation(resource: &Resource) -> Propagation {
    let has_no_dependents = [
        "",
        "rbac.authorization.k8s.io",
        "networking.k8s.io",
        "policy",
        "scheduling.k8s.io",
        "storage.k8s.io",
    ];
    if has_no_dependents.contains(&resource.group.as_str()) {
        Propagation::Background
    } else {
        Propagation::Foreground
    }
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
        reasons.push(match object["metadata"]["deletionTimestamp"].as_str() {
            Some(since) => format!("terminating since {since}"),
            None => "it is not marked for deletion".to_owned(),
        });
    }
    reasons.join("; ")
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
        assert_eq!(
            describe_hold(&json!({"metadata": {}})),
            "it is not marked for deletion"
        );
    }
}
