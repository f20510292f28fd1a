//! What happens between two attempts of a request: the wait that `retry` decides on, and what is
//! wrong meanwhile, for whoever runs out of time.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::ClusterError;
use super::retry::{Decision, Repeat, Setback, decide};

/// What keeps requests from being answered at the moment: the last thing that went wrong with one
/// that is to be sent again, until the next answer of any.
///
/// Whoever runs out of time while a request is sent again and again learns the cause here.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Option<ClusterError>>);

impl Trouble {
    /// The last cause.
    pub(super) fn now(&self) -> Option<ClusterError> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    pub(super) fn set(&self, error: Option<ClusterError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// How often something was sent, and since when.
pub(super) struct Attempts {
    /// 1-based.
    number: u32,
    begun: Instant,
    patience: Duration,
    trouble: Arc<Trouble>,
}

impl Attempts {
    pub(super) fn new(patience: Duration, trouble: &Arc<Trouble>) -> Self {
        Self {
            number: 1,
            begun: Instant::now(),
            patience,
            trouble: Arc::clone(trouble),
        }
    }

    /// How often it was sent by now, 1-based.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Waits until `what` may be tried again, if it may.
    pub(super) async fn wait(
        &mut self,
        repeat: Repeat,
        setback: &Setback,
        error: &ClusterError,
        what: impl FnOnce() -> String,
    ) -> Next {
        let (number, spent) = (self.number, self.begun.elapsed());
        match decide(repeat, setback, number, spent, self.patience, jitter()) {
            Decision::GiveUp => Next::Not,
            Decision::Retry(delay) => {
                tracing::debug!(attempt = number, ?delay, %error, "{} is sent again", what());
                self.trouble.set(Some(error.clone()));
                tokio::time::sleep(delay).await;
                self.number += 1;
                Next::Again
            }
        }
    }
}

/// Whether something is to be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Again,
    Not,
}

/// A number between 0 and 1 that differs each time; nothing depends on its quality.
fn jitter() -> f64 {
    let bits = RandomState::new().hash_one(0_u8);
    // The upper 32 bits convert without loss.
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_a_fraction() {
        for _ in 0..100 {
            assert!((0.0..=1.0).contains(&jitter()));
        }
    }
}
