//! Values and patterns in words, never long.

use serde_json::Value;

use super::operator::Operator;

/// Longer JSON than this is cut, in characters: a message names a field, it does
/// not replace looking at the object.
pub(super) const LONGEST: usize = 160;

/// A value as JSON, cut where it is long.
pub(super) fn value(value: &Value) -> String {
    shortened(&value.to_string())
}

/// What a pattern asks for: `"Running"`, `at least 2`, `any element that is …`.
pub(super) fn pattern(pattern: &Value) -> String {
    let Value::Object(map) = pattern else {
        return value(pattern);
    };
    let operators: Option<Vec<String>> = map
        .iter()
        .map(|(name, operand)| Operator::named(name).map(|known| operator(known, operand)))
        .collect();
    match operators {
        Some(words) if !words.is_empty() => shortened(&words.join(" and ")),
        _ => value(pattern),
    }
}

/// What one operator asks for.
pub(super) fn operator(operator: Operator, operand: &Value) -> String {
    let text = || match operand {
        Value::String(text) => shortened(text),
        operand => value(operand),
    };
    match operator {
        Operator::AtLeast | Operator::MoreThan | Operator::AtMost | Operator::LessThan => {
            format!("{} {}", operator.bound().unwrap_or_default(), text())
        }
        Operator::Any => format!("any element that is {}", pattern(operand)),
        Operator::Each => format!("each element to be {}", pattern(operand)),
        Operator::None => format!("no element that is {}", pattern(operand)),
        Operator::Absent if operand == &Value::Bool(false) => "to be set".to_owned(),
        Operator::Absent => "not to be set".to_owned(),
        Operator::Matches => format!("to match /{}/", text()),
        Operator::Contains => match operand {
            Value::Array(parts) => {
                let words: Vec<String> = parts.iter().take(20).map(pattern).collect();
                format!("to contain {}", shortened(&words.join(" and ")))
            }
            part => format!("to contain {}", pattern(part)),
        },
        Operator::Not => format!("not {}", pattern(operand)),
        Operator::In => match operand {
            Value::Array(items) => {
                let words: Vec<String> = items.iter().take(20).map(pattern).collect();
                format!("one of {}", shortened(&words.join(", ")))
            }
            operand => format!("one of {}", value(operand)),
        },
    }
}

/// Where two texts differ, in words for what is expected and what is there; nothing for texts that
/// can be shown whole. Of a long text the beginning says nothing: often it is the same in both.
pub(super) fn difference(expected: &str, actual: &str) -> Option<(String, String)> {
    let is_long = |text: &str| text.contains('\n') || text.chars().nth(LONGEST / 2).is_some();
    let is_empty = expected.is_empty() || actual.is_empty();
    if is_empty || !is_long(expected) && !is_long(actual) {
        return None;
    }
    let (left, right): (Vec<_>, Vec<_>) = (
        expected.split_inclusive('\n').collect(),
        actual.split_inclusive('\n').collect(),
    );
    let at = left.iter().zip(&right).take_while(|(l, r)| l == r).count();
    let place = match left.len().max(right.len()) {
        1 => String::new(),
        _ => format!(" in line {}", at + 1),
    };
    Some(match (left.get(at), right.get(at)) {
        (Some(left), Some(right)) => {
            let (left, right) = around(left, right);
            (format!("{left}{place}"), format!("is {right}"))
        }
        (Some(left), None) => {
            let (left, _) = around(left, "");
            (format!("{left}{place}"), format!("ends after line {at}"))
        }
        (None, right) => {
            let (right, _) = around(right.copied().unwrap_or_default(), "");
            (
                format!("to end after line {at}"),
                format!("has {right}{place}"),
            )
        }
    })
}

/// How much of a line is shown before the first character that differs, in characters.
const BEFORE: usize = 30;

/// Two lines, quoted: where they are long, from a little before their first difference on.
fn around(left: &str, right: &str) -> (String, String) {
    let same = left.chars().zip(right.chars());
    let same = same.take_while(|(left, right)| left == right).count();
    let skipped = same.saturating_sub(BEFORE);
    let quoted = |text: &str| {
        let from = text.char_indices().nth(skipped);
        let rest = from.map_or("", |(from, _)| &text[from..]);
        let (open, close) = (
            if skipped > 0 { "…" } else { "" },
            rest.char_indices().nth(LONGEST / 2),
        );
        match close {
            Some((end, _)) => format!("{open}{:?}…", &rest[..end]),
            None => format!("{open}{rest:?}"),
        }
    };
    (quoted(left), quoted(right))
}

/// What a value is: "a list".
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// At most so many characters as a message may quote.
pub(super) fn shortened(text: &str) -> String {
    cut(text, LONGEST)
}

/// At most so many characters.
pub(super) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
