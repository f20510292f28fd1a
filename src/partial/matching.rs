//! A value held against a pattern.
//!
//! Not every value can be compared with every pattern: `latest` is neither more than 2 nor not. So
//! there are more answers than yes and no, and what a map or a list comes to is decided by the
//! parts that are known, wherever they decide it (the logic of Kleene).

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

/// Whether a value is what a pattern says. What must hold together is as good as the worst of it,
/// what is one of several as good as the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// It is not, whatever else of it cannot be compared.
    No,
    /// What is there cannot be compared with what is asked. Who asserts it finds it wrong; who
    /// chooses by it, or denies it, has no answer.
    Incomparable,
    /// It cannot be said: what cannot be compared stands under `$not` or `$none`.
    Unknown,
    /// It is.
    Yes,
}

impl Answer {
    fn negated(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Incomparable | Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }
}

/// What became of a value that was held against a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Whether it is so.
    pub answer: Answer,
    /// Where it is not, or cannot be compared, in the order of the pattern; empty for a match. At
    /// most some fifty are told.
    pub mismatches: Vec<Mismatch>,
}

/// Holds a value against a pattern.
pub fn compare(pattern: &Value, actual: &Value) -> Comparison {
    let mut found = Found::default();
    found.compare(pattern, Some(actual), "");
    found.told.truncate(MOST);
    Comparison {
        answer: found.answer,
        mismatches: found.told,
    }
}

/// What was found of things that must hold together.
struct Found {
    answer: Answer,
    told: Vec<Mismatch>,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            answer: Answer::Yes,
            told: Vec::new(),
        }
    }
}

impl Found {
    /// What a pattern alone comes to.
    fn of(pattern: &Value, actual: Option<&Value>, at: &str) -> Self {
        let mut found = Self::default();
        found.compare(pattern, actual, at);
        found
    }

    /// Whether more would change nothing.
    fn is_full(&self) -> bool {
        self.answer == Answer::No && self.told.len() > MOST
    }

    fn push(&mut self, answer: Answer, mismatch: Mismatch) {
        if self.told.len() <= MOST {
            self.told.push(mismatch);
        } else if answer < self.answer {
            // what decides is told whatever came before
            self.told.insert(0, mismatch);
        }
        self.answer = self.answer.min(answer);
    }

    fn add(&mut self, path: &str, expected: String, actual: String) {
        self.is(Answer::No, path, expected, actual);
    }

    fn is(&mut self, answer: Answer, path: &str, expected: String, actual: String) {
        let mismatch = Mismatch {
            path: path.to_owned(),
            expected: describe::shortened(&expected),
            actual: describe::shortened(&actual),
        };
        self.push(answer, mismatch);
    }

    /// The kinds that an operator works on are others; what is not set is none of any kind.
    fn is_of_another_kind(
        &mut self,
        path: &str,
        expected: String,
        actual: Option<&Value>,
        kinds: &[&str],
    ) {
        let is_other = actual
            .filter(|value| !value.is_null())
            .is_some_and(|value| !kinds.contains(&describe::kind(value)));
        let answer = match is_other {
            true => Answer::Incomparable,
            false => Answer::No,
        };
        self.is(answer, path, expected, with_kind(actual, kinds));
    }

    /// With what parts of an operand came to that cannot be compared.
    fn is_undecided(&mut self, answer: Answer, path: &str, expected: String, parts: &[Mismatch]) {
        let actual = match parts.iter().all(|part| part.path == path) {
            true => parts.first().map(|part| part.actual.clone()),
            false => None,
        };
        let actual = actual.unwrap_or_else(|| {
            let parts: Vec<String> = parts.iter().take(3).map(Mismatch::to_string).collect();
            let why = format!("which cannot be told: {}", parts.join("; "));
            describe::cut(&why, 2 * describe::LONGEST)
        });
        let mismatch = Mismatch {
            path: path.to_owned(),
            expected: describe::shortened(&expected),
            actual,
        };
        self.push(answer, mismatch);
    }

    /// With all that was found of a part.
    fn and(&mut self, part: Self) {
        for mismatch in part.told {
            self.push(part.answer, mismatch);
        }
        self.answer = self.answer.min(part.answer);
    }

    fn compare(&mut self, pattern: &Value, actual: Option<&Value>, at: &str) {
        if self.is_full() {
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
                Err(problem) => {
                    self.is(Answer::Unknown, at, "a pattern".to_owned(), problem.message);
                }
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
        let mismatch = Mismatch {
            path: path.to_owned(),
            expected,
            actual,
        };
        self.push(Answer::No, mismatch);
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
                let inner = Self::of(operand, actual, at);
                match inner.answer.negated() {
                    Answer::Yes => {}
                    Answer::No => self.add(at, expected, found(actual)),
                    answer => self.is_undecided(answer, at, expected, &inner.told),
                }
            }
            Operator::In => match operand {
                Value::Array(patterns) => {
                    let mut best = Self {
                        answer: Answer::No,
                        told: Vec::new(),
                    };
                    for pattern in patterns {
                        let inner = Self::of(pattern, actual, at);
                        if inner.answer > best.answer {
                            best = inner;
                        }
                    }
                    match best.answer {
                        Answer::Yes => {}
                        Answer::No => self.add(at, expected, found(actual)),
                        answer => self.is_undecided(answer, at, expected, &best.told),
                    }
                }
                _ => self.is(Answer::Unknown, at, expected, found(actual)),
            },
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
                (Some(Ok(_)), _) => self.is_of_another_kind(at, expected, actual, &["text"]),
                (Some(Err(error)), _) => {
                    let regex = "a regular expression".to_owned();
                    self.is(Answer::Unknown, at, regex, error.to_string());
                }
                (None, _) => self.is(
                    Answer::Unknown,
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
                    None => self.is(
                        Answer::Incomparable,
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
            (Some(Value::String(text)), Value::String(part)) => {
                if !text.contains(part) {
                    self.add(at, expected, found(actual));
                }
            }
            (Some(Value::Array(items)), Value::Object(_)) => {
                self.any(part, &of_list(items, at), expected, at);
            }
            (Some(Value::Array(items)), part) => {
                let found_of = items.iter().map(|item| Self::of(part, Some(item), at));
                let best = found_of.max_by_key(|found| found.answer);
                match best.map(|best| (best.answer, best.told)) {
                    Some((Answer::Yes, _)) => {}
                    None | Some((Answer::No, _)) => self.add(at, expected, found(actual)),
                    Some((answer, told)) => self.is_undecided(answer, at, expected, &told),
                }
            }
            // a text has texts in it, and nothing else
            (Some(Value::String(_)), _) => {
                self.is_of_another_kind(at, expected, actual, &["a list"]);
            }
            _ => self.is_of_another_kind(at, expected, actual, &["text", "a list"]),
        }
    }

    /// One of the elements is so; otherwise the one that was most likely meant is told.
    fn any(&mut self, pattern: &Value, elements: &[(String, &Value)], expected: String, at: &str) {
        let mut best = Answer::No;
        let mut nearest: Option<((Answer, bool, usize), Vec<Mismatch>)> = None;
        for (path, element) in elements {
            let inner = Self::of(pattern, Some(element), path);
            if inner.answer == Answer::Yes {
                return;
            }
            best = best.max(inner.answer);
            // one that may be it comes before those that are not
            let is_other = !is_called_so(pattern, element);
            let distance = (inner.answer.negated(), is_other, inner.told.len());
            if nearest.as_ref().is_none_or(|(least, _)| distance < *least) {
                nearest = Some((distance, inner.told));
            }
        }
        let Some((_, nearest)) = nearest else {
            return self.add(at, expected, "is empty".to_owned());
        };
        if best != Answer::No {
            return self.is_undecided(best, at, expected, &nearest);
        }
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
            _ => return self.is_of_another_kind(at, expected, actual, &["a list", "a map"]),
        };
        if operator == Operator::Any {
            return self.any(operand, &elements, expected, at);
        }
        for (path, element) in &elements {
            let inner = Self::of(operand, Some(element), path);
            match operator {
                Operator::None => match inner.answer.negated() {
                    Answer::Yes => {}
                    Answer::No => self.add(path, expected.clone(), found(Some(element))),
                    answer => self.is_undecided(answer, path, expected.clone(), &inner.told),
                },
                _ => self.and(inner),
            }
            if self.is_full() {
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
        !name.starts_with('$') && Found::of(pattern, element.get(name), "").answer == Answer::Yes
    })
}

fn of_list<'v>(items: &'v [Value], at: &str) -> Vec<(String, &'v Value)> {
    items
        .iter()
        .enumerate()
        .map(|(index, item)| (path::element(at, index), item))
        .collect()
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
