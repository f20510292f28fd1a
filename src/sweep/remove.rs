//! Deletes what runs left, in the order in which it can go, and follows it until it is gone.
//!
//! Each object goes as in a run's own cleanup: only while it has its uid and our labels, followed
//! by watch, and named with what holds it where it does not go. What says what an object was like
//! goes once that is put back, which is `restore`'s job.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::restore;
use super::runs::{Marked, MarkedRun};
use crate::cluster::{Cluster, ObjectKey};
use crate::run::{
    Cleanup, CleanupTime, Clusters, Deed, Entry, Held, Subject, goes_in_an_ending_namespace,
};

/// How many objects are on their way out at once.
const AT_ONCE: usize = 256;
/// How long after the deadline requests may still take.
const LAST_REQUEST: Duration = Duration::from_secs(5);
/// How long what comes first may keep the rest from being begun.
const LONGEST_PHASE: Duration = Duration::from_secs(20);

/// Something that is still there, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// `kind/name`, with `-n NAMESPACE` where it has one.
    pub object: String,
    /// In words.
    pub reason: String,
}

/// When an object is deleted, the earlier first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Webhooks whose servers are dead would refuse the rest.
    Webhooks,
    /// What was changed is put back, before anything goes that it may need.
    Restorations,
    /// While the controllers that must clean up after them may still be there.
    CustomResources,
    /// What is built in.
    Others,
    /// With everything that is in them.
    Namespaces,
    /// With all that is of them. Later than namespaces, whose controller starts over, and waits
    /// before it does, where a kind goes while it looks for what is left of it.
    Definitions,
}

/// Nothing where it goes with a namespace of its run, and quickly.
fn phase(object: &Marked, namespaces: &BTreeSet<&str>) -> Option<Phase> {
    let key = &object.key;
    if object.snapshot.is_some() {
        return Some(Phase::Restorations);
    }
    let group = key.resource.group.as_str();
    let is_inside = key
        .namespace
        .as_deref()
        .is_some_and(|namespace| namespaces.contains(namespace));
    if object.is_namespace() {
        return Some(Phase::Namespaces);
    }
    if group == "apiextensions.k8s.io" {
        return Some(Phase::Definitions);
    }
    if group == "admissionregistration.k8s.io" {
        return Some(Phase::Webhooks);
    }
    let subject = Subject {
        cluster: None,
        key: key.clone(),
    };
    if !goes_in_an_ending_namespace(&subject) {
        return Some(Phase::CustomResources);
    }
    // pods have their time to end, and the namespace controller would wait before it looks
    let has_pods = ["apps", "batch"].contains(&group) || key.resource.kind == "Pod";
    (!is_inside || has_pods).then_some(Phase::Others)
}

/// Deletes everything that is there of runs and waits until it is gone, puts back what they changed,
/// at most for so long. What is left then. `namespace`: the one that was looked at, if not all were.
pub async fn remove(
    cluster: &Cluster,
    runs: &[&MarkedRun],
    namespace: Option<&str>,
    patience: Duration,
) -> Vec<Left> {
    let home = namespace.unwrap_or(&cluster.server().default_namespace);
    let deadline = Instant::now() + patience;
    let objects = || runs.iter().flat_map(|run| &run.objects);
    let namespaces: BTreeSet<_> = objects()
        .filter(|object| object.is_namespace())
        .map(|object| object.key.name.as_str())
        .collect();
    let mut phases: Vec<(Phase, &Marked)> = objects()
        .filter_map(|object| Some((phase(object, &namespaces)?, object)))
        .collect();
    phases.sort_by_key(|(phase, _)| *phase);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut going = FuturesUnordered::new();
    let mut held = Vec::new();
    for phase in phases.chunk_by(|(one, _), (other, _)| one == other) {
        let objects: Vec<_> = phase.iter().map(|(_, object)| *object).collect();
        if phase[0].0 == Phase::Restorations {
            for about_one in restore::in_order(&objects) {
                let places = Arc::clone(&places);
                going.push(restore::restore(cluster, about_one, home, deadline, places).boxed());
            }
        } else {
            for object in objects {
                let places = Arc::clone(&places);
                going.push(remove_one(cluster, object, deadline, places).boxed());
            }
        }
        let drain = async {
            while let Some(left) = going.next().await {
                held.extend(left);
            }
        };
        let _ = timeout(LONGEST_PHASE.min(patience / 4), drain).await;
    }
    while let Some(left) = going.next().await {
        held.extend(left);
    }
    named_once(held)
}

async fn remove_one(
    cluster: &Cluster,
    object: &Marked,
    deadline: Instant,
    places: Arc<Semaphore>,
) -> Vec<Held> {
    let _place = places.acquire().await;
    let deed = Deed::Made {
        uid: Some(object.uid.clone()),
    };
    take_back(cluster, object.key.clone(), &object.labels, deed, deadline).await
}

/// Takes one thing back that a run did, as the run would have done it.
pub(super) async fn take_back(
    cluster: &Cluster,
    key: ObjectKey,
    labels: &[(String, String)],
    deed: Deed,
    deadline: Instant,
) -> Vec<Held> {
    let began = Instant::now();
    let remaining = deadline.saturating_duration_since(began);
    let cleanup = Cleanup {
        clusters: Clusters::of(cluster.clone()),
        labels: labels.to_vec(),
        patience: whole_seconds(remaining),
        // a request that is not answered then is given up
        longest: remaining + LAST_REQUEST,
        began,
        time: CleanupTime::default(),
        writes: Arc::default(),
    };
    let entry = Entry {
        subject: Subject { cluster: None, key },
        deed,
        step: 0,
        kept: None,
    };
    cleanup.undo_one(&entry).await
}

/// Rounded, since it is told to people.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs((duration + Duration::from_millis(500)).as_secs())
}

/// A pod that does not go holds its owner and its namespace, and is told once.
fn named_once(held: Vec<Held>) -> Vec<Left> {
    let mut told = HashSet::new();
    let mut left = Vec::new();
    for Held { subject, reason } in held {
        if told.insert(subject.clone()) {
            let object = subject.shown();
            left.push(Left { object, reason });
        }
    }
    left.sort_by(|one, other| one.object.cmp(&other.object));
    left
}

#[cfg(test)]
mod tests {
    use super::super::runs::SnapshotOf;
    use super::*;
    use crate::cluster::Resource;

    fn of_kind(api_version: &str, kind: &str, namespace: Option<&str>) -> Marked {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = Resource {
            api_version: api_version.to_owned(),
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            namespaced: namespace.is_some(),
            ..Resource::pod()
        };
        Marked {
            key: ObjectKey::new(resource, namespace, "a"),
            uid: "1".to_owned(),
            run: "0123456789".to_owned(),
            labels: Vec::new(),
            created: None,
            snapshot: None,
        }
    }

    #[test]
    fn what_can_hold_others_comes_before_them() {
        let namespaces = BTreeSet::from(["own"]);
        let phase = |api_version: &str, kind: &str, namespace: Option<&str>| {
            phase(&of_kind(api_version, kind, namespace), &namespaces)
        };
        let crd = phase("apiextensions.k8s.io/v1", "CustomResourceDefinition", None);
        assert_eq!(crd, Some(Phase::Definitions));
        assert_eq!(phase("v1", "Namespace", None), Some(Phase::Namespaces));
        let webhook = "ValidatingWebhookConfiguration";
        assert_eq!(
            phase("admissionregistration.k8s.io/v1", webhook, None),
            Some(Phase::Webhooks)
        );
        for namespace in ["own", "other"] {
            assert_eq!(
                phase("example.com/v1", "Widget", Some(namespace)),
                Some(Phase::CustomResources)
            );
            assert_eq!(phase("v1", "Pod", Some(namespace)), Some(Phase::Others));
        }
        assert_eq!(phase("v1", "ConfigMap", Some("other")), Some(Phase::Others));
        assert_eq!(phase("v1", "ConfigMap", Some("own")), None);
        let mut snapshot = of_kind("v1", "Secret", Some("own"));
        snapshot.snapshot = Some(SnapshotOf {
            object: "node/a".to_owned(),
            number: 1,
            version: 1,
        });
        let phase = super::phase(&snapshot, &namespaces);
        assert_eq!(phase, Some(Phase::Restorations));
        assert!(Phase::Webhooks < Phase::Restorations);
        assert!(Phase::Restorations < Phase::CustomResources);
        assert!(Phase::CustomResources < Phase::Others);
        assert!(Phase::Others < Phase::Namespaces && Phase::Namespaces < Phase::Definitions);
    }
}
