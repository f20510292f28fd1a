//! The API server's clock, as its answers tell it: objects carry its times, and ours may be another.
//!
//! Each answer has a `Date`, in whole seconds, so that one alone leaves the clock uncertain by a
//! second and the time that the request took; several leave less. Between answers the clock goes as
//! ours does, by a clock that nobody sets. Several API servers count as one: where their clocks
//! contradict each other, the last one counts.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::client::Cluster;

/// What the API server's clock shows at a moment of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerTime {
    /// No less than this.
    pub earliest: Timestamp,
    /// No more than this.
    pub latest: Timestamp,
}

impl ServerTime {
    /// What it most likely shows.
    #[must_use]
    pub fn likely(self) -> Timestamp {
        let between = self.latest.duration_since(self.earliest) / 2;
        later(self.earliest, between)
    }

    fn moved_by(self, time: SignedDuration) -> Self {
        Self {
            earliest: later(self.earliest, time),
            latest: later(self.latest, time),
        }
    }

    /// What both allow.
    fn and(self, other: Self) -> Option<Self> {
        let both = Self {
            earliest: self.earliest.max(other.earliest),
            latest: self.latest.min(other.latest),
        };
        (both.earliest <= both.latest).then_some(both)
    }
}

fn later(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.saturating_add(span).unwrap_or(time)
}

/// What is known of the clock: nothing before the first answer. Shared by all identities.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Option<(Instant, ServerTime)>>);

impl Clock {
    /// Learns from the `Date` of an answer to a request that was sent then; the answer came now.
    pub(super) fn learn(&self, path: &str, date: Option<Timestamp>, sent: Instant) {
        if let Some(date) = date.filter(|_| is_the_servers_own(path)) {
            self.learn_at(date, sent, Instant::now());
        }
    }

    fn learn_at(&self, date: Timestamp, sent: Instant, came: Instant) {
        let took = signed(came.saturating_duration_since(sent));
        let said = ServerTime {
            earliest: date,
            latest: later(date, SignedDuration::from_secs(1) + took),
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.map(|(at, time)| time.moved_by(between(at, came)));
        let time = before.and_then(|before| before.and(said)).unwrap_or(said);
        *known = Some((came, time));
    }

    /// The time at a moment of ours; by our own clock where no answer has told it.
    fn at(&self, moment: Instant) -> ServerTime {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, time) = known.unwrap_or_else(|| {
            let now = Timestamp::now();
            let ours = ServerTime {
                earliest: now,
                latest: now,
            };
            (Instant::now(), ours)
        });
        time.moved_by(between(at, moment))
    }
}

/// From one moment to another, which may be earlier.
fn between(from: Instant, to: Instant) -> SignedDuration {
    match to.checked_duration_since(from) {
        Some(after) => signed(after),
        None => -signed(from.saturating_duration_since(to)),
    }
}

fn signed(duration: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// Whether the API server itself answers at a path. Behind its proxy, and in groups that others serve
/// for it, are clocks that say nothing about its own.
fn is_the_servers_own(path: &str) -> bool {
    const OWN: [&str; 6] = [
        "/version",
        "/api/v1",
        "/apis/apps/v1",
        "/apis/authentication.k8s.io/",
        "/apis/authorization.k8s.io/",
        "/apis/coordination.k8s.io/",
    ];
    OWN.iter().any(|own| path.starts_with(own)) && !path.contains("/proxy")
}

impl Cluster {
    /// The time by the API server's clock.
    ///
    /// Nothing is asked for that: it is known from the answers so far. Our own clock counts where
    /// something on the way leaves out when they were given.
    #[must_use]
    pub fn now(&self) -> ServerTime {
        self.time_at(Instant::now())
    }

    /// The same at a moment that may be over.
    #[must_use]
    pub fn time_at(&self, moment: Instant) -> ServerTime {
        self.transport().clock.at(moment)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn date(text: &str) -> Timestamp {
        format!("2026-01-01T{text}Z").parse().unwrap()
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn one_answer_leaves_a_second_and_the_time_it_took() {
        let clock = Clock::default();
        let sent = Instant::now();
        clock.learn_at(date("12:00:07"), sent, sent + millis(300));
        let at = |after| clock.at(sent + millis(after));
        assert_eq!(at(300).earliest, date("12:00:07"));
        assert_eq!(at(300).latest, date("12:00:08.3"));
        assert_eq!(at(300).likely(), date("12:00:07.65"));
        // and goes on, also backwards
        assert_eq!(at(60_300).earliest, date("12:01:07"));
        assert_eq!(at(0).earliest, date("12:00:06.7"));
    }

    #[test]
    fn several_answers_leave_less() {
        let clock = Clock::default();
        let begun = Instant::now();
        for (after, said) in [(0, "12:00:07"), (600, "12:00:07"), (700, "12:00:08")] {
            let moment = begun + millis(after);
            clock.learn_at(date(said), moment, moment);
        }
        let now = clock.at(begun + millis(700));
        assert_eq!(now.earliest, date("12:00:08"));
        assert_eq!(now.latest, date("12:00:08.1"));
    }

    #[test]
    fn of_clocks_that_contradict_each_other_the_last_counts() {
        let clock = Clock::default();
        let now = Instant::now();
        clock.learn_at(date("12:00:07"), now, now);
        clock.learn_at(date("13:00:00"), now, now);
        assert_eq!(clock.at(now).earliest, date("13:00:00"));
        clock.learn_at(date("12:59:50"), now, now);
        assert_eq!(clock.at(now).latest, date("12:59:51"));
    }

    #[test]
    fn before_any_answer_our_own_clock_counts() {
        let before = Timestamp::now();
        let now = Clock::default().at(Instant::now());
        assert!(before <= later(now.latest, SignedDuration::from_millis(50)));
        assert!(now.earliest <= Timestamp::now());
    }

    #[test]
    fn what_others_answer_says_nothing_about_the_servers_clock() {
        for path in [
            "/version",
            "/api/v1/pods?limit=500",
            "/apis/coordination.k8s.io/v1/leases",
        ] {
            assert!(is_the_servers_own(path), "{path}");
        }
        for path in [
            "/api/v1/namespaces/n/services/http:web:80/proxy/",
            "/apis/metrics.k8s.io/v1beta1/nodes",
            "/apis/example.com/v1/things",
        ] {
            assert!(!is_the_servers_own(path), "{path}");
        }
    }
}
