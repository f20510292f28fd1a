//! Stopping early: one token for the run, and why it was pulled.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::event::CancelReason;

/// How long cleanup may take after a run was cancelled.
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
