//! Values and patterns in words, never long.

use serde_json::Value;

use super::operator::Operator;

/// Longer JSON than this is cut, in characters: a message names a field, it does
/// not replace looking at the object.
const LONGEST: usize = 160;

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
        Operator::Contains => format!("to contain {}", pattern(operand)),
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
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
