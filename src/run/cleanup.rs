//! Takes back what a ledger says: deletes what the run made, restores what it changed,
//! and names what does not go with what holds it.
//!
//! Nothing is deleted that the run did not make: uid and labels are checked first.

mod hold;
mod restore;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use hold::{held_by_nodes, what_holds};
use restore::restore;

use super::cancel::{CLEANUP_AFTER_CANCEL, CleanupTime};
use super::change::Change;
use super::clusters::Clusters;
use super::deadline::human_duration;
use super::ledger::{Deed, Entry, Ledger, Subject};
use super::panic;
use super::writes::Writes;
use crate::cluster::{Cluster, ClusterError, DeleteOptions, Deletion, Propagation, Resource};
use crate::marks::has_labels;

/// How long one object may take to go in a run.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long all that a case or a suite made may take to go.
pub const LONGEST: Duration = Duration::from_secs(300);

/// How long after it was given up a request may still be carried out by the API server.
const IN_FLIGHT: Duration = Duration::from_secs(1);

/// How long what can be done at once may take when the time is over.
const LAST_WORD: Duration = Duration::from_secs(5);

/// Something that is still there, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub subject: Subject,
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
    /// Where it is noted what was written, for whoever watches the same objects.
    pub writes: Arc<Writes>,
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
                Deed::Changed(change) => put_back(cluster, entry, change, &self.writes).await,
                Deed::WrittenDown => Ok(remove_kept(entry).await),
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
        Ok(match self.ask(cluster, subject, uid, IN_FLIGHT).await? {
            Asked::Gone => Vec::new(),
            Asked::Relabelled => held_by(subject, RELABELLED.to_owned()),
            Asked::Going(object) => {
                let asked = Instant::now();
                let held = until_gone(cluster, subject, &object, asked, self.patience).await;
                if held.is_empty() {
                    self.writes.note_deletion(subject, &object, Deletion::Gone);
                }
                held
            }
        })
    }

    /// Does what can be done at once: nobody waits for the object to go.
    async fn last_word(&self, cluster: &Cluster, entry: &Entry, words: String) -> Vec<Held> {
        let subject = &entry.subject;
        let work = async {
            let uid = match &entry.deed {
                Deed::Made { uid } => uid.as_deref(),
                Deed::Changed(change) => {
                    return put_back(cluster, entry, change, &self.writes).await;
                }
                Deed::WrittenDown => return Ok(remove_kept(entry).await),
            };
            let object = match self.ask(cluster, subject, uid, Duration::ZERO).await? {
                Asked::Gone => return Ok(Vec::new()),
                Asked::Relabelled => return Ok(held_by(subject, RELABELLED.to_owned())),
                Asked::Going(object) => object,
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

    /// Asks an object to go, if the run made it.
    async fn ask(
        &self,
        cluster: &Cluster,
        subject: &Subject,
        uid: Option<&str>,
        in_flight: Duration,
    ) -> Result<Asked, ClusterError> {
        let key = &subject.key;
        let mut object = cluster.get(key).await?;
        if object.is_none() && uid.is_none() && !in_flight.is_zero() {
            // the request that makes it was given up, and may be carried out just now
            tokio::time::sleep(in_flight).await;
            object = cluster.get(key).await?;
        }
        let Some(object) = object else {
            return Ok(Asked::Gone);
        };
        if uid.is_some_and(|uid| object["metadata"]["uid"] != uid) {
            return Ok(Asked::Gone);
        }
        if !has_labels(&object, &self.labels) {
            return Ok(match uid {
                // somebody else's
                None => Asked::Gone,
                Some(_) => Asked::Relabelled,
            });
        }
        let options = DeleteOptions {
            uid: object["metadata"]["uid"].as_str().map(str::to_owned),
            grace: None,
            propagation: propagation(&key.resource),
        };
        let deletion = cluster.delete(key, &options).await?;
        self.writes.note_deletion(subject, &object, deletion);
        Ok(match deletion {
            Deletion::Gone | Deletion::Absent => Asked::Gone,
            Deletion::Going => Asked::Going(object),
        })
    }
}

/// What came of asking an object to go.
enum Asked {
    /// What the run made is not there.
    Gone,
    /// It was this, and is on its way.
    Going(Value),
    /// The run made it, and somebody took its labels off: they may mean to have it.
    Relabelled,
}

/// Of what is left because it is [`Asked::Relabelled`].
const RELABELLED: &str = "it lost the labels of the run, so it is left alone";

/// Puts an object back, and then removes what is written down of it in the cluster. Where it is not
/// as it was, that stays, for whoever tries again.
async fn put_back(
    cluster: &Cluster,
    entry: &Entry,
    change: &Change,
    writes: &Writes,
) -> Result<Vec<Held>, ClusterError> {
    let held = restore(cluster, &entry.subject, change, writes).await?;
    match held.is_empty() {
        true => Ok(remove_kept(entry).await),
        false => Ok(held),
    }
}

/// Removes what is written down in the cluster of an object that needs not be put back any more.
async fn remove_kept(entry: &Entry) -> Vec<Held> {
    let Some(kept) = &entry.kept else {
        return Vec::new();
    };
    match kept.remove().await {
        Ok(()) => Vec::new(),
        Err((subject, error)) => held_by(&subject, error.to_string()),
    }
}

/// One object, and why it is still there.
fn held_by(subject: &Subject, reason: String) -> Vec<Held> {
    vec![Held {
        subject: subject.clone(),
        reason,
    }]
}

/// Follows an object on its way out, which it was asked to go at that moment.
async fn until_gone(
    cluster: &Cluster,
    subject: &Subject,
    object: &Value,
    asked: Instant,
    patience: Duration,
) -> Vec<Held> {
    let key = &subject.key;
    let uid = &object["metadata"]["uid"];
    let version = object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default();
    let mut watch = cluster.watch(&key.resource, key.namespace.as_deref());
    let gone = watch.wait_until(|state| {
        let there = state.find(key.namespace.as_deref(), &key.name);
        let is_gone = there.is_none_or(|there| there["metadata"]["uid"] != *uid);
        // it may not know the object yet, synced or not: its list may have been asked for before
        let is_current = state.is_synced() && state.has_seen(version, asked);
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
