//! What happens between two attempts of a request: the wait that `retry` decides on, and what is
//! wrong meanwhile, for whoever runs out of time.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::ClusterError;
use super::retry::{Decision, Repeat, Setback, decide, is_too_early};

/// What keeps requests from being answered at the moment: the last thing that went wrong with one
/// that is to be sent again, until the next answer of any.
///
/// Whoever runs out of time while a request is sent again and again learns the cause here.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    last: Mutex<Option<ClusterError>>,
    /// When a connection last failed.
    absence: Mutex<Option<Instant>>,
}

impl Trouble {
    /// The last cause.
    pub(super) fn now(&self) -> Option<ClusterError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    pub(super) fn set(&self, error: Option<ClusterError>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// Remembers where a connection failed.
    pub(super) fn note(&self, setback: &Setback) {
        if setback.is_absence() {
            let mut absence = self.absence.lock().unwrap_or_else(PoisonError::into_inner);
            *absence = Some(Instant::now());
        }
    }

    /// How long ago a connection last failed.
    fn absence(&self) -> Option<Duration> {
        let absence = self.absence.lock().unwrap_or_else(PoisonError::into_inner);
        absence.map(|absence| absence.elapsed())
    }

    /// A refusal so soon after the server was away that it may not be meant: no answer, therefore.
    pub(super) fn judge(&self, error: ClusterError) -> ClusterError {
        match error.code() {
            Some(code) if is_too_early(code, self.absence()) => ClusterError::Unavailable {
                cause: format!("it was away a moment ago, and refuses: {error}"),
            },
            _ => error,
        }
    }
}

/// How often something was sent, and since when.
pub(super) struct Attempts {
    /// 1-based.
    number: u32,
    begun: Instant,
    /// Since when it is refused, where that may not be meant.
    refused: Option<Instant>,
    patience: Duration,
    trouble: Arc<Trouble>,
}

impl Attempts {
    pub(super) fn new(patience: Duration, trouble: &Arc<Trouble>) -> Self {
        Self {
            number: 1,
            begun: Instant::now(),
            refused: None,
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
        let number = self.number;
        self.trouble.note(setback);
        let setback = setback.after_absence(self.trouble.absence());
        let begun = match setback {
            Setback::TooEarly => *self.refused.get_or_insert_with(Instant::now),
            _ => self.begun,
        };
        let spent = begun.elapsed();
        match decide(repeat, &setback, number, spent, self.patience, jitter()) {
            Decision::GiveUp => Next::Not,
            Decision::Retry(delay) => {
                tracing::debug!(attempt = number, ?delay, %error, "{} is sent again", what());
                self.trouble.set(Some(self.trouble.judge(error.clone())));
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
