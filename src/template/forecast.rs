//! What templates see before a run: the names whose values are known, and for any other
//! name a placeholder that has every field and can be told from text in what is rendered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr};
use serde_json::Value;

use super::Scope;
use super::environment::is_builtin;

/// Around the path of a placeholder in a text: of Unicode's private use, so that nobody
/// writes them, and plain to YAML.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// A scope, or what it has at a path, with these fields; every other one stands for what
/// only the run knows.
pub fn forecast(path: &str, known: BTreeMap<String, Scope>) -> Scope {
    Scope::from_object(Forecast {
        path: path.to_owned(),
        known,
    })
}

/// The first path, such as `pod.name`, that something rendered waits for; nothing where it
/// is what it will be in the run.
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
}

impl Object for Forecast {
    fn get_value(self: &Arc<Self>, key: &Scope) -> Option<Scope> {
        let name = key.as_str()?;
        match (self.known.get(name), self.path.as_str()) {
            (Some(value), _) => Some(value.clone()),
            (None, "") if is_builtin(name) => None,
            (None, "") => Some(Unknown::at(name.to_owned())),
            (None, path) => Some(Unknown::at(format!("{path}.{name}"))),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.known.keys().map(Scope::from).collect())
    }
}

/// What only the run knows. It is text where text is due, and a list of one where a list
/// is.
#[derive(Debug)]
struct Unknown {
    path: String,
}

impl Unknown {
    fn at(path: String) -> Scope {
        Scope::from_object(Self { path })
    }
}

impl Object for Unknown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Scope) -> Option<Scope> {
        Some(Self::at(match key.as_str() {
            Some(field) => format!("{}.{field}", self.path),
            None => format!("{}[{key}]", self.path),
        }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(1)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OPEN}{}{CLOSE}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Place, SourceFile, Span};
    use crate::template::{Template, TextTemplate, scope_value};
    use serde_json::json;

    fn scope() -> Scope {
        let inputs = scope_value(&json!({"image": "a:1"}));
        forecast("", BTreeMap::from([("inputs".to_owned(), inputs)]))
    }

    fn rendered(source: &str) -> Value {
        let place = Place {
            file: SourceFile::new("a.yaml", source),
            span: Span::default(),
        };
        Template::parse(source, place)
            .unwrap()
            .render(&scope())
            .unwrap()
    }

    #[test]
    fn what_is_known_is_what_it_will_be() {
        let value = rendered("{{ inputs.image }}-{{ range(2) | join }}");
        assert_eq!(value, "a:1-01");
        assert_eq!(first_unknown(&value), None);
        assert_eq!(rendered("{{ inputs }}"), json!({"image": "a:1"}));
    }

    #[test]
    fn what_is_not_known_says_what_it_waits_for() {
        for (source, path) in [
            ("{{ got }}", "got"),
            ("x-{{ pod.labels.app }}:1", "pod.labels.app"),
            ("{{ nodes[0].name | upper }}", "NODES[0].NAME"),
            ("{{ {'a': [got.x]} }}", "got.x"),
            (
                "{% for node in nodes %}{{ node.ip }}{% endfor %}",
                "nodes[0].ip",
            ),
        ] {
            assert_eq!(first_unknown(&rendered(source)), Some(path), "{source}");
        }
    }

    #[test]
    fn text_templates_stay_yaml() {
        let text = "a: {{ got.a }}\nb: {{ got.b | tojson }}\n{% if got %}\nc: {{ inputs.image | tojson }}\n{% endif %}\n";
        let template = TextTemplate::parse(SourceFile::new("a.j2", text)).unwrap();
        let text = template.render(&scope()).unwrap();
        let objects = crate::yaml::manifests(&text).unwrap();
        assert_eq!(first_unknown(&objects[0]["a"]), Some("got.a"));
        assert_eq!(first_unknown(&objects[0]["b"]), Some("got.b"));
        assert_eq!(objects[0]["c"], "a:1");
    }
}
