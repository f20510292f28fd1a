//! Durations as suites, inputs and flags write them: `10s`, `1m30s`, `500ms`.
//!
//! The one place that knows their form. Pure.

use std::time::Duration;

/// The units, the largest first, with their milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest: a hundred years. What lies so far back or ahead can still be written as a time, and
/// be counted in nanoseconds by whoever gets it, as kubelets do; what is meant is "no bound".
const LONGEST: Duration = Duration::from_secs(36_525 * 86_400);

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DurationError {
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

/// Reads a duration: whole numbers with the units `d`, `h`, `m`, `s` and `ms`, the
/// larger before the smaller.
///
/// # Errors
/// Anything else. A number alone is refused, since nobody can tell its unit.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let refuse = |message: String| {
        Err(DurationError {
            message,
            help: "a duration is written like 10s, 1m30s, 500ms, 2h or 1d".to_owned(),
        })
    };
    if text.is_empty() {
        return refuse("a duration is expected, and nothing stands here".to_owned());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError {
            message: format!("`{text}` has no unit"),
            help: format!("write {text}s for seconds, {text}m for minutes"),
        });
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units_left = &UNITS[..];
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let letters = behind
            .bytes()
            .take_while(|byte| !byte.is_ascii_digit())
            .count();
        // a digit is one byte, so this is never inside a character
        let (unit, behind) = behind.split_at(letters);
        let Some(index) = units_left.iter().position(|(name, _)| *name == unit) else {
            return refuse(format!("`{text}` is not a duration"));
        };
        let milliseconds = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(units_left[index].1))
            .and_then(|part| total.checked_add(part));
        let Some(milliseconds) = milliseconds else {
            return refuse(format!("`{text}` is not a duration"));
        };
        total = milliseconds;
        units_left = &units_left[index + 1..];
        rest = behind;
    }
    match Duration::from_millis(total) {
        total if total > LONGEST => Err(DurationError {
            message: format!("`{text}` is longer than a hundred years"),
            help: "where no bound is meant, leave it out".to_owned(),
        }),
        total => Ok(total),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, milliseconds) in [
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
        ] {
            assert_eq!(
                parse(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "1 s",
            "10S",
            "1s1m",
            "1s2s",
            "10sec",
            "1sä",
            "99999999999999999999s",
            "99999999999999999d",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse("36525d").is_ok());
        for text in ["36525d1ms", "9999999d"] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                error.message,
                format!("`{text}` is longer than a hundred years")
            );
        }
        assert_eq!(
            parse("10").unwrap_err().help,
            "write 10s for seconds, 10m for minutes"
        );
    }
}
