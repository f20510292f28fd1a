//! What the failed cells of a matrix have in common: groups the cells as a rule of the
//! suite says, counts how they ended, and finds the groups that the rule is about.
//!
//! Pure. Looking further, and the message about a finding, are `run`'s.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::event::Outcome;
use crate::outcome::Counts;
use crate::plan::model::DiagnosisRule;
use crate::template::{Scope, TemplateError, scope_value};

/// As suites see it, with the fields of [`TALLY_FIELDS`](crate::plan::model::TALLY_FIELDS).
fn to_value(tally: &Counts) -> Value {
    json!({
        "total": tally.total(),
        "passed": tally.passed,
        "failed": tally.failed,
        "errored": tally.errored,
        "skipped": tally.skipped,
        "cancelled": tally.cancelled,
    })
}

/// The cells of one case.
pub struct Cells<'a> {
    /// How each ended.
    pub outcomes: &'a [Outcome],
    /// The axes of one of them, with its values.
    pub axes: &'a (dyn Fn(usize) -> Vec<(String, Scope)> + Sync),
}

/// A group of cells that a rule is about.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The item of the rule's `each`.
    pub item: Option<Scope>,
    /// What the cells of the group share: empty where they are not grouped.
    pub key: String,
    /// How the cells of the group ended; *failed* whatever the severity of that.
    pub tally: Counts,
    /// How the others that count ended.
    pub rest: Counts,
    /// The failed cells that this explains and no earlier finding did.
    pub cells: Vec<usize>,
}

impl Finding {
    /// The names that the rule sees of it, beside the suite's own.
    pub fn names(&self, rule: &DiagnosisRule) -> Vec<(String, Scope)> {
        let mut names = vec![
            ("key".to_owned(), Scope::from(self.key.as_str())),
            ("tally".to_owned(), scope_value(&to_value(&self.tally))),
            ("rest".to_owned(), scope_value(&to_value(&self.rest))),
        ];
        if let (Some((name, _)), Some(item)) = (&rule.each, &self.item) {
            names.push((name.clone(), item.clone()));
        }
        names
    }
}

/// The groups that a rule is about, in the order of the cells. A failed cell is explained
/// once: it is marked in `explained`, and groups without any other are none.
///
/// # Errors
/// Where a part of the rule cannot be evaluated.
pub fn find(
    rule: &DiagnosisRule,
    names: &BTreeMap<String, Scope>,
    cells: &Cells<'_>,
    explained: &mut [bool],
) -> Result<Vec<Finding>, TemplateError> {
    let mut findings = Vec::new();
    for item in items(rule, names)? {
        let mut names = names.clone();
        if let (Some((name, _)), Some(item)) = (&rule.each, &item) {
            names.insert(name.clone(), item.clone());
        }
        let groups = groups(rule, &names, cells)?;
        for (key, members) in groups.by_key {
            let tally = tally_of(&members, cells);
            let fresh: Vec<usize> = members
                .into_iter()
                .filter(|cell| cells.outcomes[*cell] == Outcome::Failed && !explained[*cell])
                .collect();
            if fresh.is_empty() {
                continue;
            }
            let finding = Finding {
                item: item.clone(),
                key,
                rest: groups.all - tally,
                tally,
                cells: fresh,
            };
            let mut seen = names.clone();
            seen.extend(finding.names(rule));
            if rule.when.holds(&Scope::from_pairs(seen))? {
                for cell in &finding.cells {
                    explained[*cell] = true;
                }
                findings.push(finding);
            }
        }
    }
    Ok(findings)
}

/// What the rule is tried for: its items, or once.
fn items(
    rule: &DiagnosisRule,
    names: &BTreeMap<String, Scope>,
) -> Result<Vec<Option<Scope>>, TemplateError> {
    let Some((name, list)) = &rule.each else {
        return Ok(vec![None]);
    };
    match list.render(&Scope::from_pairs(names.clone()))? {
        Value::Array(items) => Ok(items.iter().map(|item| Some(scope_value(item))).collect()),
        _ => Err(TemplateError::of_values(
            format!("the items of `{name}` are no list"),
            rule.place.clone(),
        )),
    }
}

struct Groups {
    /// Of all cells that count.
    all: Counts,
    by_key: IndexMap<String, Vec<usize>>,
}

fn groups(
    rule: &DiagnosisRule,
    names: &BTreeMap<String, Scope>,
    cells: &Cells<'_>,
) -> Result<Groups, TemplateError> {
    let mut groups = Groups {
        all: Counts::default(),
        by_key: IndexMap::new(),
    };
    for (cell, outcome) in cells.outcomes.iter().enumerate() {
        let mut seen = names.clone();
        seen.extend((cells.axes)(cell));
        let scope = Scope::from_pairs(seen);
        if let Some(condition) = &rule.cells
            && !condition.holds(&scope)?
        {
            continue;
        }
        groups.all.add(*outcome);
        let mut keys = match &rule.by {
            None => vec![String::new()],
            Some(by) => match by.render(&scope)? {
                Value::Array(keys) => keys.iter().map(text).collect(),
                key => vec![text(&key)],
            },
        };
        // a cell on the diagonal is in its group once
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            groups.by_key.entry(key).or_default().push(cell);
        }
    }
    Ok(groups)
}

fn tally_of(members: &[usize], cells: &Cells<'_>) -> Counts {
    let mut tally = Counts::default();
    for cell in members {
        tally.add(cells.outcomes[*cell]);
    }
    tally
}

/// A key as text; an object stands for its name.
fn text(value: &Value) -> String {
    let text = value.as_str().or_else(|| value["name"].as_str());
    text.map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests;
