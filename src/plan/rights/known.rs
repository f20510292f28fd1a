//! What of a suite is known before a run: inputs, and with them what templates say. All else is a
//! value that renders as [`UNKNOWN`], so that what stands beside it is known all the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Reach;
use crate::template::{
    Condition, Scope, Template, TextTemplate, Tree, UNKNOWN, partly_known, scope_value,
    unknown_value,
};

/// Stands for the suite's own namespace where its name is made up by the run.
const OWN_NAMESPACE: &str = "the-own-namespace-of-the-suite";

/// Names with what is known of them.
#[derive(Clone, Debug)]
pub(super) struct Known {
    names: BTreeMap<String, Scope>,
    /// Those that are known whole.
    settled: BTreeSet<String>,
    own_namespace: Option<String>,
}

impl Known {
    /// `namespace` is the suite's own, where it is known: some suites have none.
    pub(super) fn new(run: Option<&str>, namespace: Option<Option<&str>>) -> Self {
        let own_namespace = match namespace {
            Some(name) => name.map(str::to_owned),
            None => Some(OWN_NAMESPACE.to_owned()),
        };
        let run = BTreeMap::from([
            ("id", Scope::from(run.unwrap_or(UNKNOWN))),
            ("namespace", scope_value(&json!(own_namespace))),
            ("started", unknown_value()),
            ("server", unknown_value()),
        ]);
        Self {
            names: BTreeMap::from([("run".to_owned(), Scope::from_pairs(run))]),
            settled: BTreeSet::new(),
            own_namespace,
        }
    }

    /// With a name whose value is known.
    pub(super) fn with(mut self, name: &str, value: &Value) -> Self {
        self.names.insert(name.to_owned(), scope_value(value));
        self.settled.insert(name.to_owned());
        self
    }

    /// What steps see that are used: their inputs, and `run`.
    pub(super) fn of_steps(&self, inputs: &[(String, Tree)]) -> Self {
        let mut values = BTreeMap::new();
        let mut is_settled = true;
        for (name, tree) in inputs {
            let value = match self.value(tree) {
                Some(value) => scope_value(&value),
                None => {
                    is_settled = false;
                    unknown_value()
                }
            };
            values.insert(name.clone(), value);
        }
        let run = self.names.get("run").cloned();
        let names = run.map(|run| ("run".to_owned(), run));
        Self {
            names: names
                .into_iter()
                .chain([("inputs".to_owned(), Scope::from_pairs(values))])
                .collect(),
            settled: is_settled
                .then(|| "inputs".to_owned())
                .into_iter()
                .collect(),
            own_namespace: self.own_namespace.clone(),
        }
    }

    fn scope(&self) -> Scope {
        partly_known(self.names.clone())
    }

    fn settles(&self, names: &BTreeSet<String>) -> bool {
        names.is_subset(&self.settled)
    }

    /// A text with [`UNKNOWN`] where something is not known; nothing where not even so much is.
    pub(super) fn text(&self, template: &Template) -> Option<String> {
        template.render_text(&self.scope()).ok()
    }

    /// The same of a scalar in a tree.
    pub(super) fn text_in(&self, tree: &Tree) -> Option<String> {
        match tree {
            Tree::Template(template) => self.text(template),
            Tree::Scalar(Value::String(text)) => Some(text.clone()),
            Tree::Scalar(_) | Tree::List(_) | Tree::Map(_) => None,
        }
    }

    /// A text template with [`UNKNOWN`] where something is not known.
    pub(super) fn file(&self, template: &TextTemplate) -> Option<String> {
        template.render(&self.scope()).ok()
    }

    /// A value that is known whole.
    pub(super) fn value(&self, tree: &Tree) -> Option<Value> {
        let mut templates = tree.templates().into_iter();
        if !templates.all(|template| self.settles(&template.names())) {
            return None;
        }
        tree.render(&self.scope()).ok()
    }

    /// Whether a condition is known not to hold.
    pub(super) fn rules_out(&self, condition: &Condition) -> bool {
        self.settles(&condition.names()) && condition.holds(&self.scope()).is_ok_and(|holds| !holds)
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
        } else if is_unknown(name) || name.contains(OWN_NAMESPACE) {
            Reach::Unknown
        } else {
            Reach::Namespace(name.to_owned())
        }
    }
}

/// Whether a part of a text is not known.
pub(super) fn is_unknown(text: &str) -> bool {
    text.contains(UNKNOWN)
}

/// A name that is known whole.
pub(super) fn known_name(name: Option<String>) -> Option<String> {
    name.filter(|name| !is_unknown(name) && !name.contains(OWN_NAMESPACE))
}
