//! What is known of a suite's values before a run: the inputs, and what follows from them.
//!
//! For whoever looks at a plan without a cluster. A name that only the run gives a value
//! is a placeholder, which can be told in what is rendered.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::model::{AxisSource, Matrix};
use crate::template::{Scope, Tree, first_unknown, forecast, scope_value};

/// The names whose values are known.
#[derive(Clone, Debug, Default)]
pub struct Known(BTreeMap<String, Scope>);

impl Known {
    /// With this value.
    pub fn set(&mut self, name: &str, value: Scope) {
        self.0.insert(name.to_owned(), value);
    }

    /// What a tree will be in the run, if that is known.
    pub fn value(&self, tree: &Tree) -> Option<Value> {
        let value = tree.render(&self.scope()).ok()?;
        first_unknown(&value).is_none().then_some(value)
    }

    /// With a value that a step gives; a name whose value is not known yet is forgotten.
    pub fn give(&mut self, name: &str, value: Option<Value>) {
        match value {
            Some(value) => self.set(name, scope_value(&value)),
            None => {
                self.0.remove(name);
            }
        }
    }

    /// What templates see: placeholders for every other name.
    pub fn scope(&self) -> Scope {
        forecast("", self.0.clone())
    }

    /// Whether all of these root names are known.
    pub fn has_all(&self, names: &BTreeSet<String>) -> bool {
        names.iter().all(|name| self.0.contains_key(name))
    }

    /// The names of each combination of the values that are known: one of pods or nodes has
    /// placeholders.
    pub fn cells(&self, matrix: &Matrix) -> Vec<Self> {
        match matrix {
            Matrix::Axes(axes) => {
                let mut cells = vec![self.clone()];
                for axis in axes {
                    let AxisSource::Values(values) = &axis.source else {
                        continue;
                    };
                    // no axis sees another
                    let items = self.items(values);
                    cells = cells
                        .iter()
                        .flat_map(|cell| cell.with_each(&axis.name, &items))
                        .collect();
                }
                cells
            }
            Matrix::Rows(rows) => rows
                .iter()
                .map(|row| {
                    let mut cell = self.clone();
                    for (name, tree) in row {
                        cell.give(name, self.value(tree));
                    }
                    cell
                })
                .collect(),
        }
    }

    /// The names of each turn over the items of a list, which it sees under this name.
    pub fn turns(&self, name: &str, tree: &Tree) -> Vec<Self> {
        self.with_each(name, &self.items(tree))
    }

    fn with_each(&self, name: &str, items: &[Option<Value>]) -> Vec<Self> {
        let with = |item: &Option<Value>| {
            let mut turn = self.clone();
            turn.give(name, item.clone());
            turn
        };
        items.iter().map(with).collect()
    }

    /// The items of a list; one that is not known where the list is not.
    fn items(&self, tree: &Tree) -> Vec<Option<Value>> {
        let whole = match tree {
            // what is known of it is known, whatever is not
            Tree::List(items) => return items.iter().map(|item| self.value(item)).collect(),
            tree => self.value(tree),
        };
        match whole {
            Some(Value::Array(items)) => items.into_iter().map(Some).collect(),
            // no list is the run's to tell
            Some(_) | None => vec![None],
        }
    }
}
