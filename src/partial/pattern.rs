//! What can be said of a pattern without a value: operators that there are not,
//! and operands that none of them takes.

use std::fmt;

use regex::Regex;
use serde_json::{Map, Value};

use super::operator::{OPERATORS, Operator, called_otherwise, near_miss};
use super::{describe, order, path};

/// A pattern that can match nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PatternError {
    /// Where in the pattern, such as `spec.replicas.$gte`; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// Whether a pattern makes sense, whatever it is held against. Operands with
/// `{{` or `{%` in them are not rendered yet, and taken as they are.
///
/// # Errors
/// The first problem: an operator that there is not, operators beside plain
/// fields, an operand of the wrong kind.
pub fn check_pattern(pattern: &Value) -> Result<(), PatternError> {
    check(pattern, "")
}

fn check(pattern: &Value, at: &str) -> Result<(), PatternError> {
    match pattern {
        Value::Object(map) => {
            let is_of_operators = is_of_operators(map, at)?;
            if is_of_operators {
                check_together(map, at)?;
            }
            map.iter().try_for_each(|(key, value)| {
                let at = path::field(at, key);
                if is_of_operators {
                    check_operand(key, value, &at)
                } else {
                    check(value, &at)
                }
            })
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| check(item, &path::element(at, index))),
        _ => Ok(()),
    }
}

/// Whether the keys of a map are operators: all of them or none.
pub(super) fn is_of_operators(map: &Map<String, Value>, at: &str) -> Result<bool, PatternError> {
    let refuse = |message: String| {
        Err(PatternError {
            path: at.to_owned(),
            message,
        })
    };
    let Some(operator) = map.keys().find(|key| key.starts_with('$')) else {
        return Ok(false);
    };
    if let Some(field) = map.keys().find(|key| !key.starts_with('$')) {
        return refuse(format!(
            "`{operator}` stands beside the field `{field}`: a map holds operators or fields"
        ));
    }
    match map.keys().find(|key| Operator::named(key).is_none()) {
        Some(unknown) => refuse(match (called_otherwise(unknown), near_miss(unknown)) {
            (Some(here), _) => format!("there is no operator `{unknown}`: {here}"),
            (None, Some(near)) => {
                format!("there is no operator `{unknown}`: did you mean `{near}`?")
            }
            (None, None) => {
                let names: Vec<&str> = OPERATORS.iter().map(|(name, _)| *name).collect();
                format!(
                    "there is no operator `{unknown}`; there are {}",
                    names.join(", ")
                )
            }
        }),
        None => Ok(true),
    }
}

fn check_operand(name: &str, operand: &Value, at: &str) -> Result<(), PatternError> {
    let refuse = |message: String| {
        Err(PatternError {
            path: at.to_owned(),
            message,
        })
    };
    if let Value::String(text) = operand
        && (text.contains("{{") || text.contains("{%"))
    {
        return Ok(());
    }
    match Operator::named(name) {
        Some(Operator::Any | Operator::Each | Operator::None) => match operand {
            // it would be held against elements that are lists themselves, which the API has nowhere
            Value::Array(_) => refuse(format!(
                "`{name}` takes the pattern of one element, and this is a list: {}",
                match Operator::named(name) {
                    Some(Operator::Any) =>
                        "write {$contains: [a, b]} for an element of each pattern, \
                         {$any: {$in: [a, b]}} for one of either",
                    Some(Operator::None) => "write {$none: {$in: [a, b]}}",
                    _ => "write {$each: {$in: [a, b]}}",
                }
            )),
            Value::Null => refuse(format!(
                "`{name}` takes the pattern of an element, and nothing stands here"
            )),
            operand => check(operand, at),
        },
        Some(Operator::Not) => check(operand, at),
        Some(Operator::Contains) => match operand {
            Value::Null => {
                refuse("a text or an element is expected, and nothing stands here".into())
            }
            Value::String(text) if text.is_empty() => {
                refuse("empty text is in every text".to_owned())
            }
            Value::Array(parts) if parts.is_empty() => {
                refuse("this asks for nothing, which is in everything".to_owned())
            }
            Value::Array(parts) => parts.iter().enumerate().try_for_each(|(index, part)| {
                let at = path::element(at, index);
                match part {
                    // a list in a list is an element that is one
                    Value::Array(_) => check(part, &at),
                    part => check_operand(name, part, &at),
                }
            }),
            operand => check(operand, at),
        },
        Some(Operator::In) => match operand {
            Value::Array(items) if items.is_empty() => {
                refuse("nothing is one of an empty list".to_owned())
            }
            Value::Array(_) => check(operand, at),
            other => refuse(format!(
                "a list is expected, and this is {}",
                describe::kind(other)
            )),
        },
        Some(Operator::Absent) => match operand {
            Value::Bool(_) => Ok(()),
            other => refuse(format!(
                "true or false is expected, and this is {}",
                describe::kind(other)
            )),
        },
        Some(Operator::Matches) => match operand {
            Value::String(text) if text.is_empty() => {
                refuse("an empty regular expression matches every text".to_owned())
            }
            Value::String(text) => match Regex::new(text) {
                Ok(_) => Ok(()),
                Err(error) => refuse(describe::shortened(&error.to_string())),
            },
            other => refuse(format!(
                "a regular expression is expected, and this is {}",
                describe::kind(other)
            )),
        },
        Some(Operator::AtLeast | Operator::MoreThan | Operator::AtMost | Operator::LessThan)
            if !order::has_order(operand) =>
        {
            refuse(format!(
                "a number, a quantity, a duration or a time is expected, and this is {}",
                describe::value(operand)
            ))
        }
        _ => Ok(()),
    }
}

/// Operators that cannot hold of one value, or of which one says nothing beside the other.
fn check_together(map: &Map<String, Value>, at: &str) -> Result<(), PatternError> {
    let refuse = |message: String| {
        Err(PatternError {
            path: at.to_owned(),
            message,
        })
    };
    if map.len() > 1 && map.get("$absent") == Some(&Value::Bool(true)) {
        return refuse("what is absent is nothing else: `$absent: true` stands alone".to_owned());
    }
    let bounds = |names: [&'static str; 2]| {
        let found = names.into_iter().filter_map(|name| map.get_key_value(name));
        // one that is not rendered yet says nothing
        found.filter(|(_, bound)| order::has_order(bound))
    };
    for (lower, least) in bounds(["$gte", "$gt"]) {
        for (upper, most) in bounds(["$lte", "$lt"]) {
            let room = order::order(least, most);
            let is_open = lower == "$gt" || upper == "$lt";
            let problem = match room {
                Some(order) if order.is_lt() || (order.is_eq() && !is_open) => continue,
                Some(_) => "nothing is both",
                None => "they cannot be compared with each other",
            };
            return refuse(format!(
                "`{lower}: {}` and `{upper}: {}`: {problem}",
                describe::value(least),
                describe::value(most)
            ));
        }
    }
    Ok(())
}
