//! What templates see, and how it becomes JSON again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Serde, ValueKind};
use minijinja::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::Value;

/// The names and values that a template sees.
pub type Scope = minijinja::Value;

/// Any JSON value as one that a scope can hold.
pub fn scope_value(value: &Value) -> Scope {
    Serde(value).into()
}

/// A scope with some names more, over those of the same name. The scope is not copied for them.
pub fn with_names(base: &Scope, names: Vec<(String, Scope)>) -> Scope {
    Scope::from_object(Layered {
        base: base.clone(),
        names,
    })
}

#[derive(Debug)]
struct Layered {
    base: Scope,
    names: Vec<(String, Scope)>,
}

impl Object for Layered {
    fn get_value(self: &Arc<Self>, key: &Scope) -> Option<Scope> {
        let name = key.as_str()?;
        let own = self.names.iter().rev().find(|(known, _)| known == name);
        match own {
            Some((_, value)) => Some(value.clone()),
            None => {
                let value = self.base.get_attr(name).ok()?;
                (!value.is_undefined()).then_some(value)
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let own = self
            .names
            .iter()
            .map(|(name, _)| Scope::from(name.as_str()));
        let base = self.base.try_iter().into_iter().flatten();
        let names: BTreeSet<Scope> = own.chain(base).collect();
        Enumerator::Values(names.into_iter().collect())
    }
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
