//! A value held against a pattern.

use std::cmp::Ordering;
use std::fmt;

use regex::Regex;
use serde_json::Value;

use super::operator::Operator;
use super::pattern::is_of_operators;
use super::{describe, order, path};

/// More than so many are not told: who reads them has seen enough.
const MOST: usize = 50;

/// One place where a value is not what the pattern says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The field, such as `spec.containers[0].name`; empty for the whole value.
    pub path: String,
    /// What the pattern says: `at least 3`, `"Running"`.
    pub expected: String,
    /// What is there instead: `is 2`, `is not set`.
    pub actual: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            expected,
            actual,
        } = self;
        let path = if path.is_empty() { "the value" } else { path };
        if actual == NOT_SET {
            write!(f, "{path} {actual}, expected {expected}")
        } else {
            write!(f, "{path}: expected {expected}, {actual}")
        }
    }
}

const NOT_SET: &str = "is not set";

/// Where a value is not what a pattern says, in the order of the pattern; empty
/// for a match. At most some fifty are told.
pub fn mismatches(pattern: &Value, actual: &Value) -> Vec<Mismatch> {
    let mut found = Found(Vec::new());
    found.compare(pattern, Some(actual), "");
    found.0.truncate(MOST);
    found.0
}

struct Found(Vec<Mismatch>);

impl Found {
    fn add(&mut self, path: &str, expected: String, actual: String) {
        self.0.push(Mismatch {
            path: path.to_owned(),
            expected: describe::shortened(&expected),
            actual: describe::shortened(&actual),
        });
    }

    fn compare(&mut self, pattern: &Value, actual: Option<&Value>, at: &str) {
        if self.0.len() > MOST {
            return;
        }
        match (pattern, actual) {
            (Value::Object(map), _) => match is_of_operators(map, at) {
                Ok(true) => {
                    for (name, operand) in map {
                        if let Some(operator) = Operator::named(name) {
                            self.apply(operator, operand, actual, at);
                        }
                    }
                }
                Ok(false) => match actual {
                    Some(Value::Object(fields)) => {
                        for (key, pattern) in map {
                            self.compare(pattern, fields.get(key), &path::field(at, key));
                        }
                    }
                    _ => self.differs(pattern, actual, at),
                },
                // `check_pattern` tells it before; a pattern out of a value is seen here first
                Err(problem) => self.add(at, "a pattern".to_owned(), problem.message),
            },
            (Value::Array(patterns), Some(Value::Array(items))) => {
                if patterns.len() == items.len() {
                    for (index, (pattern, item)) in patterns.iter().zip(items).enumerate() {
                        self.compare(pattern, Some(item), &path::element(at, index));
                    }
                } else {
                    self.add(
                        at,
                        elements(patterns.len()),
                        format!(
                            "has {}: {}",
                            items.len(),
                            describe::value(&items.as_slice().into())
                        ),
                    );
                }
            }
            (Value::Null, None) => {}
            (Value::Number(pattern), Some(Value::Number(actual)))
                if order::same_number(pattern, actual) => {}
            (pattern, Some(actual)) if pattern == actual => {}
            _ => self.differs(pattern, actual, at),
        }
    }

    /// The same where both were shortened with care.
    fn add_as_it_is(&mut self, path: &str, expected: String, actual: String) {
        self.0.push(Mismatch {
            path: path.to_owned(),
            expected,
            actual,
        });
    }

    fn differs(&mut self, pattern: &Value, actual: Option<&Value>, at: &str) {
        if let (Value::String(pattern), Some(Value::String(actual))) = (pattern, actual)
            && let Some((expected, is)) = describe::difference(pattern, actual)
        {
            return self.add_as_it_is(at, expected, is);
        }
        let mut is = found(actual);
        if let Some(actual) = actual
            && describe::kind(actual) != describe::kind(pattern)
        {
            is = format!("{is} ({})", describe::kind(actual));
        }
        self.add(at, describe::pattern(pattern), is);
    }

    fn apply(&mut self, operator: Operator, operand: &Value, actual: Option<&Value>, at: &str) {
        let expected = describe::operator(operator, operand);
        let is_nothing = actual.is_none_or(Value::is_null);
        match operator {
            Operator::Absent => {
                if is_nothing == (operand == &Value::Bool(false)) {
                    self.add(at, expected, found(actual));
                }
            }
            Operator::Not => {
                if matches(operand, actual, at) {
                    self.add(at, expected, found(actual));
                }
            }
            Operator::In => {
                let holds = match operand {
                    Value::Array(patterns) => {
                        patterns.iter().any(|pattern| matches(pattern, actual, at))
                    }
                    _ => false,
                };
                if !holds {
                    self.add(at, expected, found(actual));
                }
            }
            Operator::Any | Operator::Each | Operator::None => {
                self.over_elements(operator, operand, actual, at);
            }
            Operator::Contains => match operand {
                // of a list each element, in whatever order
                Value::Array(parts) => {
                    for part in parts {
                        self.contains(part, actual, at);
                    }
                }
                part => self.contains(part, actual, at),
            },
            Operator::Matches => match (operand.as_str().map(Regex::new), actual) {
                (Some(Ok(pattern)), Some(Value::String(text))) if pattern.is_match(text) => {}
                (Some(Ok(_)), _) => self.add(at, expected, with_kind(actual, &["text"])),
                (Some(Err(error)), _) => {
                    self.add(at, "a regular expression".to_owned(), error.to_string());
                }
                (None, _) => self.add(
                    at,
                    "a regular expression".to_owned(),
                    format!("the pattern has {}", describe::kind(operand)),
                ),
            },
            Operator::AtLeast | Operator::MoreThan | Operator::AtMost | Operator::LessThan => {
                let Some(value) = actual.filter(|value| !value.is_null()) else {
                    return self.add(at, expected, found(actual));
                };
                match order::order(value, operand) {
                    Some(order) if is_within(operator, order) => {}
                    Some(_) => self.add(at, expected, found(actual)),
                    None => self.add(
                        at,
                        expected,
                        format!("{}, which cannot be compared with it", found(actual)),
                    ),
                }
            }
        }
    }

    /// A part of a text, or the pattern of some element of a list.
    fn contains(&mut self, part: &Value, actual: Option<&Value>, at: &str) {
        let expected = describe::operator(Operator::Contains, part);
        match (actual, part) {
            (Some(Value::String(text)), Value::String(part)) if text.contains(part) => {}
            (Some(Value::Array(items)), Value::Object(_)) => {
                self.any(part, &of_list(items, at), expected, at);
            }
            (Some(Value::Array(items)), part)
                if items.iter().any(|item| matches(part, Some(item), at)) => {}
            _ => self.add(at, expected, with_kind(actual, &["text", "a list"])),
        }
    }

    /// One of the elements is so; otherwise the one that was most likely meant is told.
    fn any(&mut self, pattern: &Value, elements: &[(String, &Value)], expected: String, at: &str) {
        let mut nearest: Option<((bool, usize), Vec<Mismatch>)> = None;
        for (path, element) in elements {
            let mut inner = Self(Vec::new());
            inner.compare(pattern, Some(element), path);
            if inner.0.is_empty() {
                return;
            }
            let distance = (!is_called_so(pattern, element), inner.0.len());
            if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
                nearest = Some((distance, inner.0));
            }
        }
        let Some((_, nearest)) = nearest else {
            return self.add(at, expected, "is empty".to_owned());
        };
        let near: Vec<String> = nearest.iter().take(3).map(Mismatch::to_string).collect();
        let none = format!(
            "none of {} is; nearest: {}",
            elements.len(),
            near.join("; ")
        );
        self.add_as_it_is(
            at,
            describe::shortened(&expected),
            describe::cut(&none, 2 * describe::LONGEST),
        );
    }

    fn over_elements(
        &mut self,
        operator: Operator,
        operand: &Value,
        actual: Option<&Value>,
        at: &str,
    ) {
        let expected = describe::operator(operator, operand);
        let elements: Vec<(String, &Value)> = match actual {
            // what the API leaves out is empty
            None | Some(Value::Null) if operator == Operator::None => Vec::new(),
            Some(Value::Array(items)) => of_list(items, at),
            Some(Value::Object(fields)) => fields
                .iter()
                .map(|(key, value)| (path::field(at, key), value))
                .collect(),
            _ => return self.add(at, expected, with_kind(actual, &["a list", "a map"])),
        };
        if operator == Operator::Any {
            return self.any(operand, &elements, expected, at);
        }
        for (path, element) in &elements {
            let mut inner = Self(Vec::new());
            inner.compare(operand, Some(element), path);
            match operator {
                Operator::None if inner.0.is_empty() => {
                    self.add(path, expected.clone(), found(Some(element)));
                }
                Operator::Each => self.0.append(&mut inner.0),
                _ => {}
            }
            if self.0.len() > MOST {
                return;
            }
        }
        if operator == Operator::Each && elements.is_empty() {
            self.add(at, expected, "is empty".to_owned());
        }
    }
}

/// The fields by which Kubernetes tells the elements of a list apart.
const NAMES: [&str; 4] = ["type", "name", "key", "id"];

/// Whether an element is the one that a pattern is about, whatever else of it differs: it has the
/// pattern's name, or else what the pattern says first.
fn is_called_so(pattern: &Value, element: &Value) -> bool {
    let Value::Object(fields) = pattern else {
        return false;
    };
    let named = NAMES
        .iter()
        .find_map(|name| fields.get_key_value(*name))
        .or_else(|| fields.iter().next());
    named.is_some_and(|(name, pattern)| {
        !name.starts_with('$') && matches(pattern, element.get(name), "")
    })
}

fn of_list<'v>(items: &'v [Value], at: &str) -> Vec<(String, &'v Value)> {
    items
        .iter()
        .enumerate()
        .map(|(index, item)| (path::element(at, index), item))
        .collect()
}

fn matches(pattern: &Value, actual: Option<&Value>, at: &str) -> bool {
    let mut found = Found(Vec::new());
    found.compare(pattern, actual, at);
    found.0.is_empty()
}

fn is_within(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::AtLeast => order.is_ge(),
        Operator::MoreThan => order.is_gt(),
        Operator::AtMost => order.is_le(),
        Operator::LessThan => order.is_lt(),
        _ => false,
    }
}

fn elements(count: usize) -> String {
    match count {
        0 => "an empty list".to_owned(),
        1 => "1 element".to_owned(),
        count => format!("{count} elements"),
    }
}

fn found(actual: Option<&Value>) -> String {
    match actual {
        None => NOT_SET.to_owned(),
        Some(value) => format!("is {}", describe::value(value)),
    }
}

/// What is there, and its kind where an operator works on other kinds only.
fn with_kind(actual: Option<&Value>, kinds: &[&str]) -> String {
    match actual {
        Some(value) if !kinds.contains(&describe::kind(value)) && !value.is_null() => {
            format!("{} ({})", found(actual), describe::kind(value))
        }
        _ => found(actual),
    }
}
