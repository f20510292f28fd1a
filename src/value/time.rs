//! Moments as the API writes them: RFC 3339.

use std::cmp::Ordering;
use std::fmt;

use jiff::Timestamp;

use super::{Duration, ValueError};

const HELP: &str = "a time is written like 2026-11-23T20:00:00Z (RFC 3339)";

/// A moment, equal where the moments are, whatever the time zone they are
/// written in.
#[derive(Clone, Debug)]
pub struct Time {
    moment: Timestamp,
    text: String,
}

impl Time {
    /// Reads a moment.
    ///
    /// # Errors
    /// Anything that is not RFC 3339; a time without a zone too.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let not = || ValueError::not(text, "a time", HELP);
        // jiff takes other forms of ISO 8601 as well
        if text.len() < 20 || !text.as_bytes()[10].eq_ignore_ascii_case(&b't') {
            return Err(not());
        }
        Ok(Self {
            moment: text.parse().map_err(|_| not())?,
            text: text.to_owned(),
        })
    }

    /// The moment at which it is asked.
    pub fn now() -> Self {
        Timestamp::now().into()
    }

    /// How long this is after the other; negative where it is before it.
    pub fn since(&self, earlier: &Self) -> Duration {
        Duration::from_nanoseconds(self.moment.as_nanosecond() - earlier.moment.as_nanosecond())
    }

    pub(super) fn moved_by(&self, nanoseconds: i128) -> Result<Self, ValueError> {
        self.moment
            .as_nanosecond()
            .checked_add(nanoseconds)
            .and_then(|nanosecond| Timestamp::from_nanosecond(nanosecond).ok())
            .map(Self::from)
            .ok_or_else(|| ValueError::too_large("a time"))
    }
}

impl From<Timestamp> for Time {
    fn from(moment: Timestamp) -> Self {
        Self {
            moment,
            text: moment.to_string(),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.moment == other.moment
    }
}

impl Eq for Time {}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> Ordering {
        self.moment.cmp(&other.moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        Time::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn moments_are_compared_across_zones() {
        assert_eq!(
            time("2026-11-23T20:00:00Z"),
            time("2026-11-23T21:00:00+01:00")
        );
        assert!(time("2026-11-23T20:00:00Z") < time("2026-11-23T20:00:00.000001Z"));
        assert!(time("2026-11-23T23:00:00+05:00") < time("2026-11-23T20:00:00Z"));
    }

    #[test]
    fn a_difference_is_a_duration() {
        let (late, early) = (time("2026-11-23T20:00:00Z"), time("2026-11-22T19:59:30Z"));
        assert_eq!(late.since(&early).to_string(), "24h0m30s");
        assert_eq!(early.since(&late).to_string(), "-24h0m30s");
        assert_eq!(late.since(&early).after(&early).unwrap(), late);
        assert_eq!(late.since(&early).before(&late).unwrap(), early);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2026-11-23",
            "2026-11-23T20:00:00",
            "2026-13-23T20:00:00Z",
            "2026-11-23 20:00:00Z",
            "12345678901234567890",
            "ääääääääääääääääääää",
        ] {
            assert!(Time::parse(text).is_err(), "{text:?}");
        }
    }
}
