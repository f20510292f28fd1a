//! What keeps a step waiting, from look to look: it is told, and what does not heal by itself ends
//! the wait once it has lasted for the settling time.

use std::time::Duration;

use tokio::time::Instant;

use super::super::deadline::human_duration;
use super::StepContext;
use crate::event::EventKind;

/// How long after something was told it is told how that has changed.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// One wait for one thing.
pub struct Patience<'a> {
    context: &'a StepContext<'a>,
    target: String,
    settle: Duration,
    begun: Instant,
    /// Since when something does not heal by itself.
    hopeless: Option<Instant>,
    told: Option<Told>,
}

/// What was told to keep it, and when.
struct Told {
    why: String,
    at: Instant,
}

impl<'a> Patience<'a> {
    /// Begins to wait for something, such as `daemonset/web`.
    pub fn new(context: &'a StepContext<'a>, target: impl ToString, settle: Duration) -> Self {
        Self {
            context,
            target: target.to_string(),
            settle,
            begun: Instant::now(),
            hopeless: None,
            told: None,
        }
    }

    /// It is on its way.
    pub fn is_on_its_way(&mut self, why: &str) {
        self.hopeless = None;
        self.context.awaits(why);
    }

    /// Something keeps it that may pass. What did not heal before goes on counting: the kubelet's
    /// words change from one attempt to the next.
    pub fn is_kept(&mut self, why: &str) {
        self.context.awaits(why);
        let is_due = match &self.told {
            Some(told) => told.why != why && told.at.elapsed() >= TELL_EVERY,
            None => true,
        };
        if is_due {
            self.told = Some(Told {
                why: why.to_owned(),
                at: Instant::now(),
            });
            self.context.suite.teller.tell(EventKind::StepWaits {
                suite: self.context.suite.reference.clone(),
                target: self.target.clone(),
                why: why.to_owned(),
            });
        }
    }

    /// Something keeps it that does not heal by itself: the words for the end of the wait, where
    /// that has lasted.
    pub fn is_hopeless(&mut self, why: &str) -> Option<String> {
        self.is_kept(why);
        let since = *self.hopeless.get_or_insert_with(Instant::now);
        (since.elapsed() >= self.settle).then(|| match self.settle.is_zero() {
            true => why.to_owned(),
            false => format!(
                "{why} (for {} now, and that does not heal by itself)",
                human_duration(self.settle)
            ),
        })
    }

    /// When the time is over of what does not heal by itself.
    pub fn ends_at(&self) -> Option<Instant> {
        self.hopeless.map(|since| since + self.settle)
    }

    /// It came: where something kept it, that and how long it took are told.
    pub fn passed(&self) {
        if let Some(Told { why, .. }) = &self.told {
            self.context.suite.teller.tell(EventKind::StepWaited {
                suite: self.context.suite.reference.clone(),
                target: self.target.clone(),
                why: why.clone(),
                took: self.begun.elapsed(),
            });
        }
    }
}
