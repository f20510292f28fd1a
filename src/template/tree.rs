//! YAML with templates in it: parsed first, and each scalar rendered after.

use serde_json::Value;

use super::{Scope, Template, TemplateError};

/// A YAML value whose scalars are templates. Keys are never rendered.
#[derive(Clone, Debug)]
pub enum Tree {
    /// A scalar that is no text: a number, a boolean or nothing.
    Scalar(Value),
    /// Text.
    Template(Template),
    /// A list.
    List(Vec<Tree>),
    /// A map in the order of the file.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// The value with each scalar rendered once: what a value holds is not
    /// rendered again.
    ///
    /// # Errors
    /// As [`Template::render`], at the scalar's place.
    pub fn render(&self, scope: &Scope) -> Result<Value, TemplateError> {
        match self {
            Self::Scalar(value) => Ok(value.clone()),
            Self::Template(template) => template.render(scope),
            Self::List(items) => items.iter().map(|item| item.render(scope)).collect(),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), value.render(scope)?)))
                .collect::<Result<serde_json::Map<_, _>, _>>()
                .map(Value::Object),
        }
    }

    /// Every template in it, in the order of the file.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Scalar(_) => Vec::new(),
            Self::Template(template) => vec![template],
            Self::List(items) => items.iter().flat_map(Self::templates).collect(),
            Self::Map(entries) => entries
                .iter()
                .flat_map(|(_, tree)| tree.templates())
                .collect(),
        }
    }
}
