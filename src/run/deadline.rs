//! Points in time that something must be over by, each with the name that the
//! message of a time-out calls it by.

use std::time::Duration;

use tokio::time::Instant;

/// A point in time with a name.
#[derive(Clone, Debug)]
pub struct Deadline {
    /// When.
    pub at: Instant,
    /// Which one, as in "within 10s, the step's timeout".
    name: String,
    span: Duration,
}

impl Deadline {
    /// So long from now; `whose` is `the step`, `the case`.
    pub fn after(span: Duration, whose: &str) -> Self {
        Self {
            at: Instant::now() + span,
            name: format!("{whose}'s timeout"),
            span,
        }
    }

    /// The one of two that comes first.
    pub fn or_earlier(self, other: Option<&Self>) -> Self {
        match other {
            Some(other) if other.at < self.at => other.clone(),
            _ => self,
        }
    }

    /// The same later by a time that does not count, but no later than another one.
    #[must_use]
    pub fn put_off(mut self, by: Duration, limit: Option<&Self>) -> Self {
        self.at += by;
        self.or_earlier(limit)
    }

    /// Whether it is to be looked once only.
    pub fn is_zero(&self) -> bool {
        self.span.is_zero()
    }

    /// The time that is left.
    pub fn remaining(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// "within 10s (the step's timeout)".
    pub fn describe(&self) -> String {
        format!("within {} ({})", human_duration(self.span), self.name)
    }
}

/// A duration as suites write it: `10s`, `1m30s`, `500ms`.
pub fn human_duration(duration: Duration) -> String {
    let whole = duration.as_secs();
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    let millis = duration.subsec_millis();
    let mut text = String::new();
    for (amount, unit) in [(hours, "h"), (minutes, "m"), (seconds, "s")] {
        if amount > 0 {
            text.push_str(&format!("{amount}{unit}"));
        }
    }
    if millis > 0 {
        text.push_str(&format!("{millis}ms"));
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_suites() {
        let text = |millis| human_duration(Duration::from_millis(millis));
        assert_eq!(text(10_000), "10s");
        assert_eq!(text(90_000), "1m30s");
        assert_eq!(text(500), "500ms");
        assert_eq!(text(3_600_000), "1h");
        assert_eq!(text(0), "0s");
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_deadline_names_itself() {
        let case = Deadline::after(Duration::from_secs(5), "the case");
        let step = Deadline::after(Duration::from_secs(10), "the step");
        assert_eq!(
            step.clone().or_earlier(Some(&case)).describe(),
            "within 5s (the case's timeout)"
        );
        assert_eq!(
            step.or_earlier(None).describe(),
            "within 10s (the step's timeout)"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_put_off_stays_within_its_limit() {
        let case = Deadline::after(Duration::from_secs(15), "the case");
        let step = Deadline::after(Duration::from_secs(10), "the step");
        let put_off = |deadline: &Deadline, seconds| {
            let put_off = deadline.clone();
            put_off.put_off(Duration::from_secs(seconds), Some(&case))
        };
        assert_eq!(put_off(&step, 3).remaining(), Duration::from_secs(13));
        for deadline in [put_off(&step, 8), put_off(&case, 3)] {
            assert_eq!(deadline.remaining(), Duration::from_secs(15));
            assert_eq!(deadline.describe(), "within 15s (the case's timeout)");
        }
    }
}
