//! What templates see, and how it becomes JSON again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Serde, ValueKind};
use minijinja::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::Value;

use super::environment::is_builtin;

/// The names and values that a template sees.
pub type Scope = minijinja::Value;

/// Any JSON value as one that a scope can hold.
pub fn scope_value(value: &Value) -> Scope {
    Serde(value).into()
}

/// A thing with fields that stands for its name where text is due: a node or a pod.
#[derive(Debug)]
pub struct Named {
    name: String,
    fields: BTreeMap<String, Scope>,
}

impl Named {
    /// A value for a scope; `name` is a field of it too.
    pub fn scope_value(
        name: &str,
        fields: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Scope {
        let mut fields: BTreeMap<String, Scope> = fields
            .into_iter()
            .map(|(field, value)| (field.to_owned(), scope_value(&value)))
            .collect();
        fields.insert("name".to_owned(), name.into());
        Scope::from_object(Self {
            name: name.to_owned(),
            fields,
        })
    }

    /// The same from fields whose names are not known beforehand.
    pub fn of_map(name: &str, fields: impl IntoIterator<Item = (String, Value)>) -> Scope {
        let mut fields: BTreeMap<String, Scope> = fields
            .into_iter()
            .map(|(field, value)| (field, scope_value(&value)))
            .collect();
        fields.insert("name".to_owned(), name.into());
        Scope::from_object(Self {
            name: name.to_owned(),
            fields,
        })
    }

    /// What it stands for.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Object for Named {
    fn get_value(self: &Arc<Self>, key: &Scope) -> Option<Scope> {
        self.fields.get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.fields.keys().map(Scope::from).collect())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What stands as text for a value that only the run will know. It can be part of a name in a
/// cluster, so that it passes wherever a name is due.
pub const UNKNOWN: &str = "not-known-before-the-run";

/// A value that only the run will know: so is each of its fields.
pub fn unknown_value() -> Scope {
    Scope::from_object(Unknown)
}

/// What templates see where only these names are known: any other is a value that only the run
/// will know. Functions such as `range` stay what they are.
pub fn partly_known(names: BTreeMap<String, Scope>) -> Scope {
    Scope::from_object(PartlyKnown(names))
}

#[derive(Debug)]
struct PartlyKnown(BTreeMap<String, Scope>);

impl Object for PartlyKnown {
    fn get_value(self: &Arc<Self>, key: &Scope) -> Option<Scope> {
        let name = key.as_str()?;
        match self.0.get(name) {
            Some(value) => Some(value.clone()),
            None => (!is_builtin(name)).then(unknown_value),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(Scope::from).collect())
    }
}

#[derive(Debug)]
struct Unknown;

impl Object for Unknown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _key: &Scope) -> Option<Scope> {
        Some(unknown_value())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(UNKNOWN)
    }
}

/// A value as JSON. A quantity, a duration, a version and a time are the text
/// that they are written as.
pub(super) fn to_json(value: &Scope) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Plain => Ok(Value::String(value.to_string())),
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.map(|item| to_json(&item)).collect()
        }
        ValueKind::Map => {
            let mut map = serde_json::Map::new();
            for key in value.try_iter()? {
                let item = value.get_item(&key)?;
                map.insert(key.to_string(), to_json(&item)?);
            }
            Ok(Value::Object(map))
        }
        ValueKind::Invalid => Err(Error::new(ErrorKind::InvalidOperation, value.to_string())),
        _ => Value::deserialize(value.clone()),
    }
}
