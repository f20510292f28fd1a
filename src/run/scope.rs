//! The names that templates see, and their values.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::template::{Named, Scope, scope_value};

/// Names and values; grown from the run to the suite to the cell.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, Scope>);

impl Names {
    /// The same with one name more.
    #[must_use]
    pub fn with(mut self, name: &str, value: Scope) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// The same with one name more, of plain data.
    #[must_use]
    pub fn with_value(self, name: &str, value: &Value) -> Self {
        self.with(name, scope_value(value))
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<Scope> {
        self.0.get(name).cloned()
    }

    /// Every name with its value.
    pub fn all(&self) -> &BTreeMap<String, Scope> {
        &self.0
    }

    /// The same with another `run.namespace`: a case's own.
    #[must_use]
    pub fn with_namespace(self, namespace: &str) -> Self {
        let Some(run) = self.get("run") else {
            return self;
        };
        let fields = run.try_iter().into_iter().flatten().filter_map(|key| {
            let value = run.get_item(&key).ok()?;
            Some((key.to_string(), value))
        });
        let fields: BTreeMap<String, Scope> = fields
            .chain([("namespace".to_owned(), namespace.into())])
            .collect();
        self.with("run", Scope::from_pairs(fields))
    }

    /// What templates are rendered with.
    pub fn scope(&self) -> Scope {
        Scope::from_pairs(self.0.clone())
    }
}

/// A node as suites see it: `.name`, `.ip`, `.labels`; as text, its name.
pub fn node_value(node: &Value) -> Scope {
    let name = node["metadata"]["name"].as_str().unwrap_or_default();
    Named::scope_value(
        name,
        [
            ("ip", internal_ip(node)),
            ("labels", or_empty_map(&node["metadata"]["labels"])),
        ],
    )
}

/// A usable pod as suites see it: `.name`, `.namespace`, `.node`, `.ip`, `.labels`.
pub fn pod_value(pod: &Value) -> Scope {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    Named::scope_value(
        name,
        [
            ("namespace", pod["metadata"]["namespace"].clone()),
            ("node", pod["spec"]["nodeName"].clone()),
            ("ip", pod["status"]["podIP"].clone()),
            ("labels", or_empty_map(&pod["metadata"]["labels"])),
        ],
    )
}

/// An object of any kind: all its fields; as text, its name.
pub fn object_value(object: &Value) -> Scope {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let fields = object.as_object().into_iter().flatten();
    let namespace = object["metadata"]["namespace"].clone();
    Named::of_map(
        name,
        fields
            .map(|(field, value)| (field.clone(), value.clone()))
            .chain([("namespace".to_owned(), namespace)]),
    )
}

/// A node without a usable pod: only `.node` and `.error`.
pub fn unusable_value(node: &str, error: &str) -> Scope {
    scope_value(&json!({"node": node, "error": error}))
}

/// `run.server`: the version as integers beside the whole.
pub fn server_value(version: &str, major: u32, minor: u32) -> Value {
    json!({"version": version, "major": major, "minor": minor})
}

fn internal_ip(node: &Value) -> Value {
    node["status"]["addresses"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|address| address["type"] == "InternalIP")
        .map_or(Value::Null, |address| address["address"].clone())
}

fn or_empty_map(value: &Value) -> Value {
    if value.is_object() {
        value.clone()
    } else {
        json!({})
    }
}
