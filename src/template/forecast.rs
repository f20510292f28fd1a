//! What templates see before a run: the names whose values are known, and for any other
//! name a placeholder that has every field.
//!
//! Whether something rendered is what it will be in the run is told by what was asked for
//! meanwhile, since a filter or a condition leaves no trace of a placeholder in its result.
//! In the text of a whole file, where much is asked for, placeholders can be found.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, State};
use serde_json::Value;

use super::Scope;
use super::environment::is_builtin;

/// Around the path of a placeholder in a text: of Unicode's private use, so that nobody
/// writes them, and plain to YAML.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// What was asked for that only the run knows: the first such path. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Asked(Arc<Mutex<Option<String>>>);

impl Asked {
    /// What it is, which is forgotten then.
    pub fn take(&self) -> Option<String> {
        self.with(Option::take)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Option<String>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, path: &str) {
        self.with(|first| {
            first.get_or_insert_with(|| path.to_owned());
        });
    }

    /// A field of what was asked for first is the same question.
    fn note_field(&self, of: &str, path: &str) {
        self.with(|first| {
            if first.as_deref() == Some(of) {
                *first = Some(path.to_owned());
            }
        });
    }
}

/// A scope, or what it has at a path, with these fields; every other one stands for what
/// only the run knows, and is written down when it is asked for.
pub fn forecast(path: &str, known: BTreeMap<String, Scope>, asked: &Asked) -> Scope {
    Scope::from_object(Forecast {
        path: path.to_owned(),
        known,
        asked: asked.clone(),
    })
}

/// What stands in a text for what only the run knows at a path.
pub fn placeholder(path: &str) -> String {
    format!("{OPEN}{path}{CLOSE}")
}

/// The first path, such as `pod.name`, of a placeholder in something rendered.
pub fn first_unknown(value: &Value) -> Option<&str> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
        Value::String(text) => unknown_in(text),
        Value::Array(items) => items.iter().find_map(first_unknown),
        Value::Object(fields) => fields.values().find_map(first_unknown),
    }
}

/// The same for a text.
pub fn unknown_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(OPEN)?;
    Some(rest.split(CLOSE).next().unwrap_or(rest))
}

#[derive(Debug)]
struct Forecast {
    path: String,
    known: BTreeMap<String, Scope>,
    asked: Asked,
}

impl Object for Forecast {
    fn get_value(self: &Arc<Self>, key: &Scope) -> Option<Scope> {
        let name = key.as_str()?;
        if let Some(value) = self.known.get(name) {
            return Some(value.clone());
        }
        let path = match self.path.as_str() {
            "" if is_builtin(name) => return None,
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        self.asked.note(&path);
        let asked = self.asked.clone();
        Some(Scope::from_object(Unknown {
            path,
            lists: DEEPEST,
            asked,
        }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.known.keys().map(Scope::from).collect())
    }
}

/// So many lists may be in one another: a key of a map is hashed with all that is in it.
const DEEPEST: usize = 3;

/// What only the run knows. It is text where text is due, and a list of one where a list
/// is.
#[derive(Debug)]
struct Unknown {
    path: String,
    /// How deep a list it can still be.
    lists: usize,
    asked: Asked,
}

impl Object for Unknown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Scope) -> Option<Scope> {
        let (path, lists) = match key.as_str() {
            Some(field) => (format!("{}.{field}", self.path), self.lists),
            None => (format!("{}[{key}]", self.path), self.lists.checked_sub(1)?),
        };
        self.asked.note_field(&self.path, &path);
        let asked = self.asked.clone();
        Some(Scope::from_object(Self { path, lists, asked }))
    }

    /// Whatever a method makes of it is not known either.
    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        _arguments: &[Scope],
    ) -> Result<Scope, Error> {
        Ok(Scope::from_object(Self {
            path: format!("{}.{method}()", self.path),
            lists: self.lists,
            asked: self.asked.clone(),
        }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.lists {
            0 => Enumerator::NonEnumerable,
            _ => Enumerator::Seq(1),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&placeholder(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Place, SourceFile, Span};
    use crate::template::{Template, TextTemplate, scope_value};
    use serde_json::json;

    fn scope(asked: &Asked) -> Scope {
        let inputs = scope_value(&json!({"image": "a:1"}));
        forecast("", BTreeMap::from([("inputs".to_owned(), inputs)]), asked)
    }

    /// What a template becomes, and what it asked for that is not known.
    fn rendered(source: &str) -> (Value, Option<String>) {
        let place = Place {
            file: SourceFile::new("a.yaml", source),
            span: Span::default(),
        };
        let asked = Asked::default();
        let template = Template::parse(source, place).unwrap();
        let value = template.render(&scope(&asked)).unwrap();
        (value, asked.take())
    }

    #[test]
    fn what_is_known_is_what_it_will_be() {
        for (source, expected) in [
            ("{{ inputs.image }}-{{ range(2) | join }}", json!("a:1-01")),
            ("{{ inputs }}", json!({"image": "a:1"})),
            ("{{ inputs.image or got }}", json!("a:1")),
            ("{{ 'b' if inputs.image else got }}", json!("b")),
            ("{% set x = inputs.image %}{{ x }}", json!("a:1")),
        ] {
            assert_eq!(rendered(source), (expected, None), "{source}");
        }
    }

    #[test]
    fn what_is_not_known_says_what_it_waits_for() {
        for (source, path) in [
            ("{{ got }}", "got"),
            ("x-{{ pod.labels.app }}:1", "pod.labels.app"),
            ("{{ nodes[0].name | upper }}", "nodes[0].name"),
            ("{{ {'a': [got.x]} }}", "got.x"),
            (
                "{% for node in nodes %}{{ node.ip }}{% endfor %}",
                "nodes[0].ip",
            ),
            // nothing of it is in the result
            ("{{ ['a'] | select('in', got.list) | list }}", "got.list"),
            ("{{ 'a' if got == 'b' else 'c' }}", "got"),
            ("{{ got.x and 'a' }}", "got.x"),
            ("{{ {'a': 1}[got.x] | default(2) }}", "got.x"),
            ("{{ [got.x, got.y] | unique | list }}", "got.x"),
            ("{{ got == nodes }}", "got"),
            ("{{ got.x.split(',') | join }}", "got.x"),
        ] {
            assert_eq!(rendered(source).1.as_deref(), Some(path), "{source}");
        }
        let (value, _) = rendered("{{ {'a': [got.x]} }}");
        assert_eq!(first_unknown(&value), Some("got.x"));
    }

    #[test]
    fn text_templates_stay_yaml() {
        let text = "a: {{ got.a }}\nb: {{ got.b | tojson }}\n{% if got %}\nc: {{ inputs.image | tojson }}\n{% endif %}\n";
        let template = TextTemplate::parse(SourceFile::new("a.j2", text)).unwrap();
        let text = template.render(&scope(&Asked::default())).unwrap();
        let objects = crate::yaml::manifests(&text).unwrap();
        assert_eq!(first_unknown(&objects[0]["a"]), Some("got.a"));
        assert_eq!(first_unknown(&objects[0]["b"]), Some("got.b"));
        assert_eq!(objects[0]["c"], "a:1");
    }
}
