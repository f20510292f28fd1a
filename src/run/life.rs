//! The run's sign of life: a Lease in each namespace that it makes, or beside what it makes
//! elsewhere, renewed by one task. Whoever finds the run's objects sees whether it still goes on, by
//! the API server's clock.
//!
//! Nothing waits for a Lease and nothing ends for want of one: what fails is logged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

use crate::cluster::{Cluster, ClusterError, DeleteOptions, ObjectKey, PatchKind, Resource};
use crate::marks;

/// How many renewals are under way at once.
const AT_ONCE: usize = 8;
/// How long the end of a run waits for its Leases to go.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// Which Lease: the cluster's name, the namespace, the Lease's name.
type Id = (Option<String>, String, String);

/// One Lease that the run holds.
#[derive(Clone)]
struct Held {
    cluster: Cluster,
    key: ObjectKey,
    /// Whether it may be there: before that, a renewal would take it for gone.
    is_made: bool,
}

#[derive(Default)]
struct Leases {
    held: Mutex<BTreeMap<Id, Held>>,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Id, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a Lease goes.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// Into a namespace that the run made, with which it goes.
    Own(&'a str),
    /// Into one that was there: the run takes it away in the end.
    Beside(&'a str),
}

/// The Leases of a run.
pub struct Life {
    run: String,
    leases: Arc<Leases>,
    making: TaskTracker,
    renewing: Mutex<Option<AbortHandle>>,
}

impl Life {
    /// Of a run that has not made anything yet: there is no Lease.
    pub fn new(run: &str) -> Self {
        Self {
            run: run.to_owned(),
            leases: Arc::default(),
            making: TaskTracker::new(),
            renewing: Mutex::default(),
        }
    }

    /// Makes a Lease unless the run has it already, and renews it from then on. Does not wait.
    pub fn show(
        &self,
        cluster_name: Option<&str>,
        cluster: &Cluster,
        place: Place<'_>,
        labels: &[(String, String)],
    ) {
        let (namespace, name) = match place {
            Place::Own(namespace) => (namespace, marks::LEASE_NAME.to_owned()),
            Place::Beside(namespace) => (namespace, marks::lease_name_beside(&self.run)),
        };
        let id = (
            cluster_name.map(str::to_owned),
            namespace.to_owned(),
            name.clone(),
        );
        let held = Held {
            cluster: cluster.clone(),
            key: ObjectKey::new(Resource::lease(), Some(namespace), name),
            is_made: false,
        };
        {
            let mut leases = self.leases.lock();
            if leases.contains_key(&id) {
                return;
            }
            leases.insert(id.clone(), held.clone());
        }
        let (run, labels) = (self.run.clone(), labels.to_vec());
        let leases = Arc::clone(&self.leases);
        self.making
            .spawn(async move { make(&leases, id, held, &run, &labels).await });
        self.renewing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| {
                let leases = Arc::clone(&self.leases);
                tokio::spawn(renew_for_ever(leases)).abort_handle()
            });
    }

    /// A namespace that the run made is gone, and its Lease with it.
    pub fn forget(&self, cluster_name: Option<&str>, namespace: &str) {
        self.leases.lock().retain(|(cluster, place, _), _| {
            cluster.as_deref() != cluster_name || place != namespace
        });
    }

    /// Takes away the Leases that went with no namespace: the run is over.
    pub async fn end(&self) {
        self.stop_renewing();
        self.making.close();
        let take_away = async {
            self.making.wait().await;
            let held = std::mem::take(&mut *self.leases.lock());
            futures::stream::iter(held.into_values())
                .for_each_concurrent(AT_ONCE, |held| async move {
                    let options = DeleteOptions::default();
                    if let Err(error) = held.cluster.delete(&held.key, &options).await {
                        tracing::warn!("{} was not deleted: {error}", shown(&held.key));
                    }
                })
                .await;
        };
        if tokio::time::timeout(LAST_REQUESTS, take_away)
            .await
            .is_err()
        {
            tracing::warn!("the run's Leases are left, and run out by themselves");
        }
    }

    fn stop_renewing(&self) {
        let mut renewing = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = renewing.take() {
            task.abort();
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.stop_renewing();
    }
}

async fn make(leases: &Leases, id: Id, held: Held, run: &str, labels: &[(String, String)]) {
    let key = &held.key;
    let namespace = key.namespace.as_deref();
    let now = held.cluster.now().likely();
    let lease = marks::lease(namespace.unwrap_or_default(), &key.name, run, labels, now);
    let answer = held.cluster.create(&key.resource, namespace, &lease).await;
    match &answer {
        Ok(_) => {}
        // by a suite that knows the same cluster under another name
        Err(ClusterError::Refused(refusal)) if refusal.reason == "AlreadyExists" => {}
        Err(error) => {
            let what = shown(key);
            match is_about_an_end(error) {
                true => tracing::debug!("{what} was not made: {error}"),
                false => {
                    tracing::warn!("{what} was not made, so the run shows no life there: {error}");
                }
            }
            if error.code().is_some() {
                leases.lock().remove(&id);
                return;
            }
        }
    }
    if let Some(held) = leases.lock().get_mut(&id) {
        held.is_made = true;
    }
}

async fn renew_for_ever(leases: Arc<Leases>) {
    let mut is_told = false;
    loop {
        tokio::time::sleep(marks::RENEW_EVERY).await;
        let mut held = leases.lock().clone();
        held.retain(|_, held| held.is_made);
        let total = held.len();
        let leases = &leases;
        let failed: Vec<_> = futures::stream::iter(held)
            .map(|(id, held)| async move {
                let renewal = renew(&held, leases, &id);
                let answer = tokio::time::timeout(marks::RENEW_EVERY, renewal).await;
                let error = match answer {
                    Ok(Ok(())) => return None,
                    Ok(Err(error)) => error.to_string(),
                    Err(_elapsed) => "no answer came in time".to_owned(),
                };
                Some(format!("{} was not renewed: {error}", shown(&held.key)))
            })
            .buffer_unordered(AT_ONCE)
            .filter_map(|failed| async move { failed })
            .collect()
            .await;
        // once for each time of trouble, however many there are and however long it takes
        match failed.first() {
            Some(first) if !is_told => {
                tracing::warn!("{first} ({} of {total} so)", failed.len());
            }
            _ => {}
        }
        is_told = !failed.is_empty();
    }
}

async fn renew(held: &Held, leases: &Leases, id: &Id) -> Result<(), ClusterError> {
    let patch = marks::renewal(held.cluster.now().likely());
    let key = &held.key;
    match held
        .cluster
        .patch(key, PatchKind::Merge, &patch, None)
        .await
    {
        Ok(_) => Ok(()),
        // with its namespace, or by whoever cleans up
        Err(error) if error.is_not_found() => {
            leases.lock().remove(id);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Whether something was refused because its namespace goes already: then nobody needs it.
fn is_about_an_end(error: &ClusterError) -> bool {
    error.is_not_found() || error.to_string().contains("is being terminated")
}

fn shown(key: &ObjectKey) -> String {
    let namespace = key.namespace.as_deref().unwrap_or_default();
    format!("{key} -n {namespace}")
}
