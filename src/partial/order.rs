//! The order of two JSON scalars, where they have one: numbers, quantities,
//! durations and times.

use std::cmp::Ordering;

use serde_json::Value;

use crate::value::{Duration, Quantity, Time};

/// The order of `left` and `right`, both read as the same kind. A number is read
/// as a quantity. Text that is both a quantity and a duration (`5m`) has the same
/// order as either, since only minutes and milli-units are written alike.
pub(super) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    let (left, right) = (text(left)?, text(right)?);
    fn both<T: Ord, E>(
        left: &str,
        right: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Ordering> {
        Some(parse(left).ok()?.cmp(&parse(right).ok()?))
    }
    both(&left, &right, Quantity::parse)
        .or_else(|| both(&left, &right, Duration::parse))
        .or_else(|| both(&left, &right, Time::parse))
        .or_else(|| floats(&left, &right))
}

/// Whether a value is of a kind that has an order at all.
pub(super) fn has_order(value: &Value) -> bool {
    order(value, value).is_some()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Numbers beyond what a quantity can be.
fn floats(left: &str, right: &str) -> Option<Ordering> {
    let is_number = |text: &str| serde_json::from_str::<serde_json::Number>(text).is_ok();
    if !is_number(left) || !is_number(right) {
        return None;
    }
    left.parse::<f64>().ok()?.partial_cmp(&right.parse().ok()?)
}

/// Whether two numbers are the same, `2` and `2.0` too.
pub(super) fn same_number(left: &serde_json::Number, right: &serde_json::Number) -> bool {
    if left == right {
        return true;
    }
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => left == right,
        _ => left.as_f64() == right.as_f64(),
    }
}
