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
    settling: Settling,
    begun: Instant,
    told: Option<Told>,
}

/// How long something lasts that does not heal by itself.
#[derive(Debug)]
struct Settling {
    /// How long it must last to end the wait.
    settle: Duration,
    since: Option<Instant>,
}

impl Settling {
    /// It is so at this look; whether it has lasted.
    fn has_lasted(&mut self) -> bool {
        let since = *self.since.get_or_insert_with(Instant::now);
        since.elapsed() >= self.settle
    }

    /// When to look again, where nothing changes. Once that is past, only a change can end the wait:
    /// the last look said that what did not heal may pass.
    fn ends_at(&self) -> Option<Instant> {
        let end = self.since? + self.settle;
        (end > Instant::now()).then_some(end)
    }
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
            settling: Settling {
                settle,
                since: None,
            },
            begun: Instant::now(),
            told: None,
        }
    }

    /// It is on its way.
    pub fn is_on_its_way(&mut self, why: &str) {
        self.settling.since = None;
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
        let settle = self.settling.settle;
        self.settling.has_lasted().then(|| match settle.is_zero() {
            true => why.to_owned(),
            false => format!(
                "{why} (for {} now, and that does not heal by itself)",
                human_duration(settle)
            ),
        })
    }

    /// When the time is over of what does not heal by itself; nothing where that is past.
    pub fn ends_at(&self) -> Option<Instant> {
        self.settling.ends_at()
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep_until;

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_after_its_time_is_not_looked_at_without_end() {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut settling = Settling {
            settle: Duration::from_secs(10),
            since: None,
        };
        assert!(!settling.has_lasted());
        // from here on each look says that it may pass
        let mut looks = 0;
        while Instant::now() < deadline {
            looks += 1;
            assert!(looks <= 2, "at its time, and at the deadline");
            sleep_until(settling.ends_at().unwrap_or(deadline)).await;
        }
        assert!(settling.has_lasted(), "the next that does not heal ends it");
    }
}
