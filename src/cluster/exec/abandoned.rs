//! Ends commands that nobody waits for any more: closing a connection does not end what runs behind
//! it, and the pod may be somebody else's, where it would go on for ever.
//!
//! How a command is ended in its container is the job of `stop`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::super::client::Cluster;
use super::super::container::PodTarget;
use super::places::ExecPlace;

/// What was asked for this recently may not run yet, when it is told to end.
const MAY_NOT_RUN_YET: Duration = Duration::from_secs(2);
/// How long the ends of commands may take that were told to.
const PATIENCE: Duration = Duration::from_secs(5);

/// The ends that are under way.
#[derive(Default)]
pub(in super::super) struct Ends(Mutex<JoinSet<()>>);

/// A command under way. Where it is dropped before it is over, it is told to end.
pub(super) struct UnderWay<'a> {
    cluster: &'a Cluster,
    target: &'a PodTarget,
    command: &'a [String],
    begun: Instant,
    place: Option<ExecPlace>,
}

impl<'a> UnderWay<'a> {
    pub(super) fn new(
        cluster: &'a Cluster,
        target: &'a PodTarget,
        command: &'a [String],
        place: ExecPlace,
    ) -> Self {
        Self {
            cluster,
            target,
            command,
            begun: Instant::now(),
            place: Some(place),
        }
    }

    /// When it was asked for.
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// Nothing of it runs any more, or it was told to end.
    pub(super) fn over(mut self) {
        self.place = None;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let (Some(place), Ok(runtime)) = (self.place.take(), Handle::try_current()) else {
            return;
        };
        let (cluster, begun) = (self.cluster.clone(), self.begun);
        let (target, command) = (self.target.clone(), self.command.to_vec());
        let ends = &self.cluster.inner.shared.ends;
        let mut ends = ends.0.lock().unwrap_or_else(PoisonError::into_inner);
        while ends.try_join_next().is_some() {}
        let end = async move {
            // so that no more of them end at once in a pod than may run there
            let _place = place;
            cluster.stop(&target, &command, begun.elapsed()).await;
            if begun.elapsed() < MAY_NOT_RUN_YET {
                sleep(MAY_NOT_RUN_YET / 2).await;
                cluster.stop(&target, &command, begun.elapsed()).await;
            }
        };
        ends.spawn_on(end, &runtime);
    }
}

impl Cluster {
    /// Waits until the commands are ended whose callers are gone, as after a cancel; at most some
    /// seconds.
    pub async fn commands_ended(&self) {
        let ends = {
            let ends = self.inner.shared.ends.0.lock();
            std::mem::take(&mut *ends.unwrap_or_else(PoisonError::into_inner))
        };
        if timeout(PATIENCE, ends.join_all()).await.is_err() {
            tracing::debug!("commands that were told to end may still run");
        }
    }
}
