//! Bounds how many commands run at once: over a connection, and in one pod.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::super::client::{Cluster, MAX_CONCURRENT_EXECS, MAX_CONCURRENT_EXECS_PER_POD};
use super::super::container::PodTarget;

/// The places there are.
pub(in super::super) struct Places {
    all: Arc<Semaphore>,
    pods: Mutex<HashMap<(String, String), Weak<Semaphore>>>,
}

/// A place to run commands in, one after another, in one pod. It is free again when its last clone
/// is dropped.
#[derive(Clone)]
pub struct ExecPlace {
    _permits: Arc<Permits>,
    waited: Duration,
}

struct Permits {
    _all: Option<OwnedSemaphorePermit>,
    _pod: Option<OwnedSemaphorePermit>,
    // Kept while the place is, so that all who ask meanwhile share it.
    _of_pod: Arc<Semaphore>,
}

impl ExecPlace {
    /// How long it took to get it.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl fmt::Debug for ExecPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecPlace").finish_non_exhaustive()
    }
}

impl Default for Places {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(MAX_CONCURRENT_EXECS)),
            pods: Mutex::default(),
        }
    }
}

impl Places {
    async fn take(&self, target: &PodTarget) -> ExecPlace {
        let begun = Instant::now();
        let of_pod = self.of_pod(target);
        // The pod's first: who waits for a crowded pod must not keep the others from theirs.
        let pod = Arc::clone(&of_pod).acquire_owned().await;
        let all = Arc::clone(&self.all).acquire_owned().await;
        let permits = Permits {
            // Never closed; were they, running without a place would be right.
            _all: all.ok(),
            _pod: pod.ok(),
            _of_pod: of_pod,
        };
        ExecPlace {
            _permits: Arc::new(permits),
            waited: begun.elapsed(),
        }
    }

    fn of_pod(&self, target: &PodTarget) -> Arc<Semaphore> {
        let key = (target.namespace.clone(), target.pod.clone());
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_pod) = pods.get(&key).and_then(Weak::upgrade) {
            return of_pod;
        }
        pods.retain(|_, of_pod| of_pod.strong_count() > 0);
        let of_pod = Arc::new(Semaphore::new(MAX_CONCURRENT_EXECS_PER_POD));
        pods.insert(key, Arc::downgrade(&of_pod));
        of_pod
    }
}

impl Cluster {
    /// Waits until one more command may run in a pod.
    ///
    /// Adds no time-out of its own.
    pub async fn exec_place(&self, target: &PodTarget) -> ExecPlace {
        self.inner.shared.execs.take(target).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn target(pod: &str) -> PodTarget {
        PodTarget {
            namespace: "n".to_owned(),
            pod: pod.to_owned(),
            container: None,
        }
    }

    #[test]
    fn a_crowded_pod_does_not_keep_others_waiting() {
        let places = Places::default();
        let take = |pod| places.take(&target(pod)).now_or_never();
        let mut taken: Vec<_> = (0..MAX_CONCURRENT_EXECS_PER_POD)
            .map(|_| take("a").expect("a free place"))
            .collect();
        assert!(take("a").is_none());
        assert!(take("b").is_some());
        taken.pop();
        assert!(take("a").is_some());
        drop(taken);
        assert!(take("a").is_some());
    }
}
