//! Label selectors as text, matched here as the API server matches them: what follows objects by a
//! watch of a whole kind must pick the same ones.
//!
//! See [label selectors](https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors).

use std::collections::BTreeMap;

/// A label selector: `app=web,tier!=db,env in (a, b),!old`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelQuery {
    text: String,
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// A text that is no label selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part:?} is not name=value, name!=value, name in (…), name notin (…), name or !name")]
pub struct LabelQueryError {
    part: String,
}

impl LabelQuery {
    /// Reads a selector; an empty one selects everything.
    ///
    /// # Errors
    /// A part that is not of the forms above.
    pub fn parse(text: &str) -> Result<Self, LabelQueryError> {
        let requirements = parts(text)
            .into_iter()
            .map(requirement)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.to_owned(),
            requirements,
        })
    }

    /// As it was written, for the API server.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether labels are selected.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| match requirement {
                Requirement::In(key, values) => {
                    labels.get(key).is_some_and(|value| values.contains(value))
                }
                // a label that is not there is not one of them
                Requirement::NotIn(key, values) => {
                    labels.get(key).is_none_or(|value| !values.contains(value))
                }
                Requirement::Exists(key) => labels.contains_key(key),
                Requirement::Absent(key) => !labels.contains_key(key),
            })
    }
}

/// Splits at the commas outside of parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

fn requirement(part: &str) -> Result<Requirement, LabelQueryError> {
    let wrong = || LabelQueryError {
        part: part.to_owned(),
    };
    let key = |text: &str| {
        let text = text.trim();
        let is_key = !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        is_key.then(|| text.to_owned()).ok_or_else(wrong)
    };
    let value = |text: &str| text.trim().to_owned();
    if let Some(rest) = part.strip_suffix(')') {
        let (head, list) = rest.split_once('(').ok_or_else(wrong)?;
        let values = list.split(',').map(value).collect();
        return match head.trim().rsplit_once(char::is_whitespace) {
            Some((name, "in")) => Ok(Requirement::In(key(name)?, values)),
            Some((name, "notin")) => Ok(Requirement::NotIn(key(name)?, values)),
            _ => Err(wrong()),
        };
    }
    if let Some((name, wanted)) = part.split_once("!=") {
        return Ok(Requirement::NotIn(key(name)?, vec![value(wanted)]));
    }
    if let Some((name, wanted)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Requirement::In(key(name)?, vec![value(wanted)]));
    }
    match part.strip_prefix('!') {
        Some(name) => Ok(Requirement::Absent(key(name)?)),
        None => Ok(Requirement::Exists(key(part)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(query: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        LabelQuery::parse(query).unwrap().matches(&labels)
    }

    #[test]
    fn the_forms_of_a_selector() {
        let labels = [("app", "web"), ("tier", "front")];
        for query in [
            "",
            "app=web",
            "app == web, tier",
            "app in (api, web)",
            "tier notin (back)",
            "env!=prod",
            "!env",
            "env notin (a,b),app",
        ] {
            assert!(matches(query, &labels), "{query}");
        }
        for query in [
            "app=api",
            "app!=web",
            "env",
            "!app",
            "app in (a, b)",
            "env in (a)",
        ] {
            assert!(!matches(query, &labels), "{query}");
        }
    }

    #[test]
    fn what_is_no_selector() {
        for text in ["a b", "=x", "a in b", "a of (b)", "!"] {
            assert!(LabelQuery::parse(text).is_err(), "{text}");
        }
    }
}
