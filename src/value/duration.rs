//! Durations as values: those of suites (`1m30s`, `2d`) and those that Kubernetes
//! writes (Go's: `1h0m0s`, `1.5s`, `-5m`).
//!
//! `crate::duration` knows the form of suites, which is the stricter one.

use std::cmp::Ordering;
use std::fmt;

use super::{Time, ValueError};

const HELP: &str = "a duration is written like 10s, 1m30s, 500ms, 1.5h or 2d";
const SECOND: i128 = 1_000_000_000;

/// The units of Go, and days, so that a suite can write `-1d` too.
const UNITS: [(&str, i128); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
    ("d", 86_400 * SECOND),
];

/// A length of time, exact to the nanosecond; may be negative.
#[derive(Clone, Debug)]
pub struct Duration {
    nanoseconds: i128,
    text: String,
}

impl Duration {
    /// Reads a duration of a suite, or one of Go.
    ///
    /// # Errors
    /// Anything else; a number without a unit too.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let nanoseconds = match crate::duration::parse(text) {
            Ok(duration) => i128::try_from(duration.as_nanos()).ok(),
            Err(_) => go_nanoseconds(text),
        };
        nanoseconds
            .map(|nanoseconds| Self {
                nanoseconds,
                text: text.to_owned(),
            })
            .ok_or_else(|| ValueError::not(text, "a duration", HELP))
    }

    /// Written as Go does: `1h0m0s`.
    pub(super) fn from_nanoseconds(nanoseconds: i128) -> Self {
        let magnitude = nanoseconds.unsigned_abs();
        let second = SECOND.unsigned_abs();
        let (seconds, rest) = (magnitude / second, magnitude % second);
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let mut text = if nanoseconds < 0 { "-" } else { "" }.to_owned();
        if hours > 0 {
            text += &format!("{hours}h");
        }
        if hours > 0 || minutes > 0 {
            text += &format!("{minutes}m");
        }
        let fraction = format!("{rest:09}");
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        text += &format!("{seconds}{point}{fraction}s");
        Self { nanoseconds, text }
    }

    /// Both, one after the other.
    ///
    /// # Errors
    /// A sum that is too large.
    pub fn plus(&self, other: &Self) -> Result<Self, ValueError> {
        self.nanoseconds
            .checked_add(other.nanoseconds)
            .map(Self::from_nanoseconds)
            .ok_or_else(|| ValueError::too_large("a duration"))
    }

    /// What is left of this one without the other; may be negative.
    ///
    /// # Errors
    /// A difference that is too large.
    pub fn minus(&self, other: &Self) -> Result<Self, ValueError> {
        self.nanoseconds
            .checked_sub(other.nanoseconds)
            .map(Self::from_nanoseconds)
            .ok_or_else(|| ValueError::too_large("a duration"))
    }

    /// The moment so long after another.
    ///
    /// # Errors
    /// A moment outside the years -9999 to 9999.
    pub fn after(&self, time: &Time) -> Result<Time, ValueError> {
        time.moved_by(self.nanoseconds)
    }

    /// The moment so long before another.
    ///
    /// # Errors
    /// A moment outside the years -9999 to 9999.
    pub fn before(&self, time: &Time) -> Result<Time, ValueError> {
        time.moved_by(-self.nanoseconds)
    }

    /// In seconds, as near as a float can be.
    #[expect(clippy::cast_precision_loss, reason = "for people to look at")]
    pub fn seconds(&self) -> f64 {
        self.nanoseconds as f64 / SECOND as f64
    }
}

impl From<std::time::Duration> for Duration {
    fn from(duration: std::time::Duration) -> Self {
        Self::from_nanoseconds(i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX))
    }
}

/// `[-+]` and one or more numbers with units, which Go takes in any order.
fn go_nanoseconds(text: &str) -> Option<i128> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    while !rest.is_empty() || total == 0 {
        let number_length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
            .count();
        let (number, behind) = rest.split_at(number_length);
        let (unit, nanoseconds) = UNITS.iter().find(|(unit, _)| {
            behind.strip_prefix(unit).is_some_and(|after| {
                after.is_empty() || after.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            })
        })?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let mut part = if whole.is_empty() {
            0
        } else {
            whole.parse::<i64>().ok().map(i128::from)? * nanoseconds
        };
        // finer than a nanosecond is cut off, as Go does
        let fraction = &fraction[..fraction.len().min(18)];
        if !fraction.is_empty() {
            let digits = u32::try_from(fraction.len()).ok()?;
            part += fraction.parse::<i128>().ok()? * nanoseconds / 10_i128.pow(digits);
        }
        total = total.checked_add(part)?;
        rest = &behind[unit.len()..];
        if rest.is_empty() {
            break;
        }
    }
    Some(if negative { -total } else { total })
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Duration {
    fn eq(&self, other: &Self) -> bool {
        self.nanoseconds == other.nanoseconds
    }
}

impl Eq for Duration {}

impl PartialOrd for Duration {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Duration {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanoseconds.cmp(&other.nanoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn duration(text: &str) -> Duration {
        Duration::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn lengths_are_equal_however_written() {
        for (left, right) in [
            ("1h", "60m"),
            ("1h0m0s", "3600s"),
            ("1.5h", "90m"),
            ("1d", "24h"),
            ("-1d", "-24h"),
            ("1m30s", "90s"),
            ("500ms", "0.5s"),
            (".5s", "500ms"),
            ("1us", "1000ns"),
            ("1µs", "1us"),
            ("30s1m", "90s"),
            ("-0s", "0"),
            ("+5m", "5m"),
        ] {
            assert_eq!(duration(left), duration(right), "{left} {right}");
        }
    }

    #[test]
    fn lengths_have_an_order() {
        for (less, more) in [("9s", "10s"), ("59s", "1m"), ("-1h", "1ns"), ("23h", "1d")] {
            assert!(duration(less) < duration(more), "{less} {more}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "-",
            "5",
            "s",
            "1 s",
            "1sec",
            "1..5s",
            ".s",
            "1h-5m",
            "1s1",
            "fortnight",
            "1m1ä",
        ] {
            assert!(Duration::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn results_are_written_as_go_does() {
        let written = |nanoseconds| Duration::from_nanoseconds(nanoseconds).to_string();
        assert_eq!(written(3_600 * SECOND), "1h0m0s");
        assert_eq!(written(-90 * SECOND), "-1m30s");
        assert_eq!(written(1_500_000_000), "1.5s");
        assert_eq!(written(0), "0s");
        assert_eq!(duration("1.50h").to_string(), "1.50h");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.hmsunµd ]{0,30}") {
            let _ = Duration::parse(&text);
        }

        #[test]
        fn what_is_written_is_read_again(nanoseconds: i64) {
            let written = Duration::from_nanoseconds(nanoseconds.into());
            prop_assert_eq!(duration(&written.to_string()), written);
        }
    }
}
