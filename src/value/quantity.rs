//! Quantities as Kubernetes writes them: `512Mi`, `100m`, `1e3`, `0.5`.
//!
//! Held as a whole number of nano-units, so that comparing is exact. That is the
//! precision of Kubernetes as well, which also rounds what is finer up.

use std::cmp::Ordering;
use std::fmt;

use super::ValueError;

const HELP: &str = "a quantity is written like 512Mi, 1Gi, 100m, 2, 0.5 or 1e3";
const NANOS_DIGITS: i32 = 9;
const NANOS: i128 = 1_000_000_000;

/// An amount of something: memory, CPU, objects. Equal where the amounts are,
/// however they are written.
#[derive(Clone, Debug)]
pub struct Quantity {
    nanos: i128,
    text: String,
}

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// Anything that Kubernetes would not take, and amounts of more than some
    /// 10²⁹, which no API object can hold.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        nanos(text)
            .map(|nanos| Self {
                nanos,
                text: text.to_owned(),
            })
            .ok_or_else(|| ValueError::not(text, "a quantity", HELP))
    }

    /// Both amounts together.
    ///
    /// # Errors
    /// A sum that is too large.
    pub fn plus(&self, other: &Self) -> Result<Self, ValueError> {
        self.nanos
            .checked_add(other.nanos)
            .map(Self::from_nanos)
            .ok_or_else(|| ValueError::too_large("a quantity"))
    }

    /// What is left of this one without the other; may be negative.
    ///
    /// # Errors
    /// A difference that is too large.
    pub fn minus(&self, other: &Self) -> Result<Self, ValueError> {
        self.nanos
            .checked_sub(other.nanos)
            .map(Self::from_nanos)
            .ok_or_else(|| ValueError::too_large("a quantity"))
    }

    /// Written in the largest of the units one, milli and nano that loses nothing.
    fn from_nanos(nanos: i128) -> Self {
        let text = if nanos % NANOS == 0 {
            format!("{}", nanos / NANOS)
        } else if nanos % 1_000_000 == 0 {
            format!("{}m", nanos / 1_000_000)
        } else {
            format!("{nanos}n")
        };
        Self { nanos, text }
    }
}

fn nanos(text: &str) -> Option<i128> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let number_length = unsigned
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let (number, suffix) = unsigned.split_at(number_length);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let mut amount: u128 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    let (tens, kibis) = scale(suffix)?;
    amount = amount.checked_mul(1024_u128.checked_pow(kibis)?)?;
    let tens = tens
        .checked_add(NANOS_DIGITS)?
        .checked_sub(i32::try_from(fraction.len()).ok()?)?;
    amount = if amount == 0 {
        0
    } else if tens >= 0 {
        amount.checked_mul(10_u128.checked_pow(tens.unsigned_abs())?)?
    } else {
        // away from zero, as Kubernetes rounds what is finer than a nano-unit
        10_u128
            .checked_pow(tens.unsigned_abs())
            .map_or(1, |divisor| amount.div_ceil(divisor))
    };
    let amount = i128::try_from(amount).ok()?;
    Some(if negative { -amount } else { amount })
}

/// What a suffix multiplies with: a power of ten and one of 1024.
fn scale(suffix: &str) -> Option<(i32, u32)> {
    Some(match suffix {
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "" => (0, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 1),
        "Mi" => (0, 2),
        "Gi" => (0, 3),
        "Ti" => (0, 4),
        "Pi" => (0, 5),
        "Ei" => (0, 6),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            (exponent.parse().ok()?, 0)
        }
    })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn amounts_are_equal_however_written() {
        for (left, right) in [
            ("1Gi", "1024Mi"),
            ("1Gi", "1073741824"),
            ("1k", "1000"),
            ("1", "1000m"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("5.", "5"),
            ("1e3", "1k"),
            ("1E3", "1k"),
            ("1E", "1e18"),
            ("1e-3", "1m"),
            ("+1", "1.000"),
            ("-0", "0"),
            ("0.1Ki", "102.4"),
            ("100u", "0.1m"),
            ("1e-10", "1n"),
            ("0.1n", "1n"),
            ("-0.1n", "-1n"),
            ("9223372036854775807", "9223372036854775807"),
            ("000001", "1"),
            ("0e99", "0"),
        ] {
            assert_eq!(quantity(left), quantity(right), "{left} {right}");
        }
    }

    #[test]
    fn amounts_have_an_order() {
        for (less, more) in [
            ("512Mi", "1Gi"),
            ("1G", "1Gi"),
            ("999m", "1"),
            ("-1", "1m"),
            ("9", "10"),
            ("0.1", "0.10000001"),
            ("7E", "7Ei"),
            ("9223372036854775806", "9223372036854775807"),
        ] {
            assert!(quantity(less) < quantity(more), "{less} {more}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "", " 1", "1 ", "Mi", "1mi", "1KI", "1K", "1Kii", "1e", "1e+", "1..2", "1.2.3", ".",
            "-", "--1", "1,5", "1s", "0x10", "1e99", "ten", "१", "1_000",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn it_is_written_as_it_was_read() {
        assert_eq!(quantity("0.50Gi").to_string(), "0.50Gi");
        let sum = quantity("1").plus(&quantity("500m")).unwrap();
        assert_eq!(sum.to_string(), "1500m");
        let rest = quantity("1Gi").minus(&quantity("2Gi")).unwrap();
        assert_eq!(rest.to_string(), "-1073741824");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = Quantity::parse(&text);
        }

        #[test]
        fn whole_numbers_keep_their_order(left: i64, right: i64) {
            let order = quantity(&left.to_string()).cmp(&quantity(&right.to_string()));
            prop_assert_eq!(order, left.cmp(&right));
        }
    }
}
