//! What the failed cells of a matrix have in common: groups the cells as a rule of the
//! suite says, counts how they ended, and finds the groups that the rule is about.
//! Sets of ends that fail with each other are found by `blocks`.
//!
//! Pure. Looking further, and the message about a finding, are `run`'s.

use indexmap::IndexMap;
use serde_json::{Value, json};

use blocks::{Block, Ends};

use crate::event::Outcome;
use crate::outcome::Counts;
use crate::plan::model::{DiagnosisRule, Grouping};
use crate::template::{Scope, TemplateError, Tree, scope_value, with_names};

mod blocks;

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
    /// What the rule sees as `block`, with the fields of
    /// [`BLOCK_FIELDS`](crate::plan::model::BLOCK_FIELDS), where it looks for blocks.
    pub block: Option<Scope>,
}

impl Finding {
    /// The names that the rule sees of it, beside the suite's own.
    pub fn names(&self, rule: &DiagnosisRule) -> Vec<(String, Scope)> {
        let mut names = vec![
            ("key".to_owned(), Scope::from(self.key.as_str())),
            ("tally".to_owned(), scope_value(&to_value(&self.tally))),
            ("rest".to_owned(), scope_value(&to_value(&self.rest))),
        ];
        names.extend(of_item(rule, self.item.as_ref()));
        names.extend(
            self.block
                .iter()
                .map(|block| ("block".to_owned(), block.clone())),
        );
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
    names: &Scope,
    cells: &Cells<'_>,
    explained: &mut [bool],
) -> Result<Vec<Finding>, TemplateError> {
    let mut findings = Vec::new();
    for item in items(rule, names)? {
        let names = with_names(names, of_item(rule, item.as_ref()).into_iter().collect());
        let groups = groups(rule, &names, cells)?;
        for group in groups.found {
            let tally = tally_of(&group.cells, cells);
            let fresh: Vec<usize> = group
                .cells
                .into_iter()
                .filter(|cell| cells.outcomes[*cell] == Outcome::Failed && !explained[*cell])
                .collect();
            // most of a block must be its own: what is left of one that others explain is another
            let is_others = group.block.is_some() && fresh.len() * 2 < tally.failed;
            if fresh.is_empty() || is_others {
                continue;
            }
            let finding = Finding {
                item: item.clone(),
                key: group.key,
                rest: groups.all - tally,
                tally,
                cells: fresh,
                block: group.block,
            };
            if rule.when.holds(&with_names(&names, finding.names(rule)))? {
                for cell in &finding.cells {
                    explained[*cell] = true;
                }
                findings.push(finding);
            }
        }
    }
    Ok(findings)
}

/// The item of `each` by its name.
fn of_item(rule: &DiagnosisRule, item: Option<&Scope>) -> Option<(String, Scope)> {
    let (name, _) = rule.each.as_ref()?;
    Some((name.clone(), item?.clone()))
}

/// What the rule is tried for: its items, or once.
fn items(rule: &DiagnosisRule, names: &Scope) -> Result<Vec<Option<Scope>>, TemplateError> {
    let Some((name, list)) = &rule.each else {
        return Ok(vec![None]);
    };
    match list.render(names)? {
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
    found: Vec<Group>,
}

struct Group {
    key: String,
    cells: Vec<usize>,
    block: Option<Scope>,
}

fn groups(rule: &DiagnosisRule, names: &Scope, cells: &Cells<'_>) -> Result<Groups, TemplateError> {
    let mut all = Counts::default();
    let mut by_key: IndexMap<String, Vec<usize>> = IndexMap::new();
    let mut ends = Ends::default();
    for (cell, outcome) in cells.outcomes.iter().enumerate() {
        let scope = with_names(names, (cells.axes)(cell));
        if let Some(condition) = &rule.cells
            && !condition.holds(&scope)?
        {
            continue;
        }
        all.add(*outcome);
        match &rule.grouping {
            Grouping::All => by_key.entry(String::new()).or_default().push(cell),
            Grouping::By(by) => {
                let mut keys = match by.render(&scope)? {
                    Value::Array(keys) => keys.iter().map(text).collect(),
                    key => vec![text(&key)],
                };
                // a cell on the diagonal is in its group once
                keys.sort_unstable();
                keys.dedup();
                for key in keys {
                    by_key.entry(key).or_default().push(cell);
                }
            }
            Grouping::Blocks(both) => {
                let (from, to) = two_ends(both, &scope, rule)?;
                ends.add(cell, from, to);
            }
        }
    }
    let blocks = blocks::blocks(&ends, cells.outcomes);
    let blocks = blocks.into_iter().map(|block| Group {
        key: listed(ends.names(&block.members)),
        block: Some(block_value(&block, &ends)),
        cells: block.cells,
    });
    let by_key = by_key.into_iter().map(|(key, cells)| Group {
        key,
        cells,
        block: None,
    });
    Ok(Groups {
        all,
        found: by_key.chain(blocks).collect(),
    })
}

fn two_ends(
    both: &Tree,
    scope: &Scope,
    rule: &DiagnosisRule,
) -> Result<(String, String), TemplateError> {
    match both.render(scope)? {
        Value::Array(ends) if ends.len() == 2 => Ok((text(&ends[0]), text(&ends[1]))),
        other => Err(TemplateError::of_values(
            format!("`blocks` takes the two ends of a cell, not {other}"),
            rule.place.clone(),
        )),
    }
}

fn block_value(block: &Block, ends: &Ends) -> Scope {
    let names = |set: &[usize]| -> Vec<String> { ends.names(set).map(str::to_owned).collect() };
    scope_value(&json!({
        "members": names(&block.members),
        "others": names(&block.others),
        "outside": names(&block.outside),
        "direction": block.direction.as_str(),
        "inside": block.inside,
    }))
}

/// So many names are listed in full; of more, only the first.
const LISTED: usize = 5;
const FIRST: usize = 3;

/// Names in a sentence: `a, b and c`, or `a, b, c and 9 more`.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let shown = if count > LISTED { FIRST } else { count };
    let mut names: Vec<String> = names.take(shown).map(str::to_owned).collect();
    let last = match count - shown {
        0 => names.pop().unwrap_or_default(),
        more => format!("{more} more"),
    };
    match names.is_empty() {
        true => last,
        false => format!("{} and {last}", names.join(", ")),
    }
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
