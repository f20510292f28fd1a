//! Stopping early: one token for the run, and why it was pulled; and how long a suite's cleanup may
//! go on then.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::event::CancelReason;

/// How long after a cancel `finally` and `teardown` may go on: some time remains for the objects.
pub const STEPS_AFTER_CANCEL: Duration = Duration::from_secs(45);

/// How long after a cancel it is waited for objects to go.
pub const CLEANUP_AFTER_CANCEL: Duration = Duration::from_secs(60);

/// Shared by everything in a run.
#[derive(Clone, Debug, Default)]
pub struct Cancellation {
    /// Pulled when no further step may run.
    pub work: CancellationToken,
    /// Pulled when even cleanup must stop.
    pub cleanup: CancellationToken,
    reason: Arc<OnceLock<CancelReason>>,
}

impl Cancellation {
    /// Stops the work. The first reason stands.
    pub fn cancel(&self, reason: CancelReason) {
        let _ = self.reason.set(reason);
        self.work.cancel();
    }

    /// Why the work was stopped, if it was.
    pub fn reason(&self) -> Option<CancelReason> {
        self.reason.get().copied()
    }
}

/// When a suite's cleanup must be over, once the suite is told to stop.
///
/// By default nobody tells it to.
#[derive(Clone, Debug, Default)]
pub struct CleanupTime {
    /// Pulled when `finally` and `teardown` must stop.
    pub steps_over: CancellationToken,
    /// Pulled when nobody waits any more for what was asked to go.
    pub waits_over: CancellationToken,
    /// Pulled when nothing may be asked any more.
    pub all_over: CancellationToken,
}

impl CleanupTime {
    /// `all_over` is the run's; the other two are pulled with it.
    pub fn new(all_over: &CancellationToken) -> Self {
        Self {
            steps_over: all_over.child_token(),
            waits_over: all_over.child_token(),
            all_over: all_over.clone(),
        }
    }

    /// Runs out after the suite is told to stop; resolves then.
    pub async fn run_out_after(self, stop: CancellationToken) {
        stop.cancelled().await;
        let stopped = Instant::now();
        sleep_until(stopped + STEPS_AFTER_CANCEL).await;
        self.steps_over.cancel();
        sleep_until(stopped + CLEANUP_AFTER_CANCEL).await;
        self.waits_over.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn cleanup_runs_out_after_the_cancel_only() {
        let (stop, all_over) = (CancellationToken::new(), CancellationToken::new());
        let time = CleanupTime::new(&all_over);
        let over = |time: &CleanupTime| {
            [&time.steps_over, &time.waits_over, &time.all_over]
                .map(CancellationToken::is_cancelled)
        };
        let running = tokio::spawn(time.clone().run_out_after(stop.clone()));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(over(&time), [false, false, false]);
        stop.cancel();
        tokio::time::sleep(STEPS_AFTER_CANCEL + Duration::from_millis(1)).await;
        assert_eq!(over(&time), [true, false, false]);
        running.await.unwrap();
        assert_eq!(over(&time), [true, true, false]);
        all_over.cancel();
        assert_eq!(over(&CleanupTime::new(&all_over)), [true, true, true]);
    }
}
