//! What is known of a suite's values before a run: the inputs, and what follows from them.
//!
//! For whoever looks at a plan without a cluster. A name that only the run gives a value
//! is a placeholder, which can be told in what is rendered.

use std::collections::BTreeMap;

use serde_json::Value;

use super::model::{AxisSource, Matrix};
use crate::template::{
    Asked, Scope, Template, TemplateError, Tree, forecast, scope_value, unknown_in,
};

/// The names whose values are known.
#[derive(Clone, Debug, Default)]
pub struct Known {
    names: BTreeMap<String, Scope>,
    asked: Asked,
}

/// What can be said before a run of something to render.
#[derive(Clone, Debug)]
pub enum Foreseen<T> {
    /// It is what it will be in the run.
    Known(T),
    /// It depends on this path, which only the run knows.
    Unknown(String),
    /// It cannot be rendered, whatever the run knows.
    Wrong(TemplateError),
}

impl Known {
    /// With this value.
    pub fn set(&mut self, name: &str, value: Scope) {
        self.names.insert(name.to_owned(), value);
    }

    /// What a tree will be in the run, if that is known.
    pub fn value(&self, tree: &Tree) -> Option<Value> {
        match self.foresee(|scope| tree.render(scope)) {
            Foreseen::Known(value) => Some(value),
            Foreseen::Unknown(_) | Foreseen::Wrong(_) => None,
        }
    }

    /// What can be said of something that is rendered with the names.
    pub fn foresee<T>(
        &self,
        render: impl FnOnce(&Scope) -> Result<T, TemplateError>,
    ) -> Foreseen<T> {
        match self.rendered(render) {
            (_, Some(path)) => Foreseen::Unknown(path),
            (Ok(value), None) => Foreseen::Known(value),
            (Err(error), None) => Foreseen::Wrong(error),
        }
    }

    /// A text with placeholders where something is not known; nothing where not even so much is, or
    /// where it depends on what is not known without a trace.
    pub fn text(&self, template: &Template) -> Option<String> {
        let (text, asked) = self.rendered(|scope| template.render_text(scope));
        text.ok()
            .filter(|text| asked.is_none() || unknown_in(text).is_some())
    }

    /// Something rendered, and what it asked for that is not known.
    fn rendered<T>(
        &self,
        render: impl FnOnce(&Scope) -> Result<T, TemplateError>,
    ) -> (Result<T, TemplateError>, Option<String>) {
        self.asked.take();
        let rendered = render(&self.scope());
        (rendered, self.asked.take())
    }

    /// The names of steps that are used: their inputs, as far as they are known, and the run.
    pub fn of_steps(&self, inputs: &[(String, Tree)]) -> Self {
        let given = inputs.iter().filter_map(|(name, tree)| {
            let value = self.value(tree)?;
            Some((name.clone(), scope_value(&value)))
        });
        let run = self.names.get("run").cloned();
        let mut names = Self {
            names: run.map(|run| ("run".to_owned(), run)).into_iter().collect(),
            asked: self.asked.clone(),
        };
        names.set_fields("inputs", given.collect());
        names
    }

    /// With a value of which these fields are known.
    pub fn set_fields(&mut self, name: &str, fields: BTreeMap<String, Scope>) {
        let value = forecast(name, fields, &self.asked);
        self.set(name, value);
    }

    /// With a value that a step gives; a name whose value is not known yet is forgotten.
    pub fn give(&mut self, name: &str, value: Option<Value>) {
        match value {
            Some(value) => self.set(name, scope_value(&value)),
            None => {
                self.names.remove(name);
            }
        }
    }

    /// What templates see: placeholders for every other name.
    pub fn scope(&self) -> Scope {
        forecast("", self.names.clone(), &self.asked)
    }

    /// The names of each combination of the values that are known: one of pods or nodes has
    /// placeholders, and so has an axis with which there would be more than so many.
    pub fn cells(&self, matrix: &Matrix, most: usize) -> Vec<Self> {
        match matrix {
            Matrix::Axes(axes) => {
                let mut cells = vec![self.clone()];
                for axis in axes {
                    let AxisSource::Values(values) = &axis.source else {
                        continue;
                    };
                    // no axis sees another
                    let items = self.items(values);
                    if cells.len() * items.len() > most {
                        continue;
                    }
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
