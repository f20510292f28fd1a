//! What names and namespaces come to before a run, as far as that can be told.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Reach;
use crate::plan::known::{Foreseen, Known};
use crate::plan::model::Matrix;
use crate::template::{
    Condition, Scope, Template, TextTemplate, Tree, placeholder, scope_value, unknown_in,
};

/// Above so many combinations of known values, further axes of a matrix are left unknown.
const MOST_CELLS: usize = 64;

/// What is known where the walk is.
#[derive(Clone, Debug)]
pub(super) struct Names {
    known: Known,
    /// What `run.namespace` comes to: some suites have none.
    own_namespace: Option<String>,
}

impl Names {
    /// `namespace` is the suite's own, where it is known.
    pub(super) fn new(run: Option<&str>, namespace: Option<Option<&str>>) -> Self {
        let mut known = Known::default();
        let id = run.map(|id| ("id".to_owned(), Scope::from(id)));
        let name = namespace.map(|name| ("namespace".to_owned(), scope_value(&json!(name))));
        known.set_fields("run", id.into_iter().chain(name).collect());
        let own_namespace = match namespace {
            Some(name) => name.map(str::to_owned),
            None => Some(placeholder("run.namespace")),
        };
        Self {
            known,
            own_namespace,
        }
    }

    /// With names whose values are known.
    pub(super) fn with(mut self, names: BTreeMap<&str, Scope>) -> Self {
        for (name, value) in names {
            self.known.set(name, value);
        }
        self
    }

    /// What steps see that are used.
    pub(super) fn of_steps(&self, inputs: &[(String, Tree)]) -> Self {
        self.at(self.known.of_steps(inputs))
    }

    /// The names of each cell of a matrix, as far as they are known.
    pub(super) fn cells(&self, matrix: &Matrix) -> Vec<Self> {
        let cells = self.known.cells(matrix, MOST_CELLS);
        cells.into_iter().map(|cell| self.at(cell)).collect()
    }

    /// The names of each turn over the items of a list.
    pub(super) fn turns(&self, name: &str, items: &Tree) -> Vec<Self> {
        let turns = self.known.turns(name, items);
        turns.into_iter().map(|turn| self.at(turn)).collect()
    }

    fn at(&self, known: Known) -> Self {
        Self {
            known,
            own_namespace: self.own_namespace.clone(),
        }
    }

    /// A text, with placeholders where something in it is not known; nothing where not even so much
    /// is.
    pub(super) fn text(&self, template: &Template) -> Option<String> {
        self.known.text(template)
    }

    /// The same of a scalar in a tree.
    pub(super) fn text_in(&self, tree: &Tree) -> Option<String> {
        match tree {
            Tree::Template(template) => self.text(template),
            Tree::Scalar(Value::String(text)) => Some(text.clone()),
            Tree::Scalar(_) | Tree::List(_) | Tree::Map(_) => None,
        }
    }

    /// A file, with placeholders where something in it is not known.
    pub(super) fn file(&self, template: &TextTemplate) -> Option<String> {
        template.render(&self.known.scope()).ok()
    }

    /// Whether a condition is known not to hold.
    pub(super) fn rules_out(&self, condition: &Condition) -> bool {
        let holds = self.known.foresee(|scope| condition.holds(scope));
        matches!(holds, Foreseen::Known(false))
    }

    /// The namespace that a step names, or else the suite's own.
    pub(super) fn reach(&self, namespace: Option<&Template>) -> Reach {
        match namespace {
            None => Reach::Own,
            Some(template) => self
                .text(template)
                .map_or(Reach::Unknown, |name| self.reach_of(&name)),
        }
    }

    /// The namespace of a name.
    pub(super) fn reach_of(&self, name: &str) -> Reach {
        if self.own_namespace.as_deref() == Some(name) {
            Reach::Own
        } else if unknown_in(name).is_some() {
            Reach::Unknown
        } else {
            Reach::Namespace(name.to_owned())
        }
    }
}

/// A name that is known whole.
pub(super) fn known_name(name: Option<String>) -> Option<String> {
    name.filter(|name| unknown_in(name).is_none())
}
