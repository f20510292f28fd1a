//! Templates and expressions: minijinja, set up strict and fuelled.
//!
//! Three shapes, all parsed before anything runs: a [`Template`] is one scalar of
//! a suite, a [`Tree`] a YAML value whose scalars are templates, a [`TextTemplate`]
//! a whole file. A [`Condition`] is a bare expression. What names there are to
//! use is the caller's business: each shape tells the names that it asks for.
//!
//! Templates read neither files nor the environment, and a value can never change
//! the structure of YAML around it: trees are parsed first and rendered after,
//! and text templates refuse to write a value that is not a plain scalar.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Deserialize;
use serde_json::Value;

use crate::source::{Place, SourceFile, Span};

/// What a render may cost before it is taken for an endless loop. A template of
/// ten thousand items needs some hundred thousand units.
const FUEL: u64 = 5_000_000;

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

/// A template or an expression that cannot be parsed, or not be rendered.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong, without its place.
    pub message: String,
    /// Where.
    pub place: Place,
    /// How to mend it.
    pub help: Option<String>,
}

static SCALARS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_syntax(
        SyntaxConfig::builder()
            .keep_trailing_newline(true)
            // a `{% if %}` on a line of its own leaves no empty line behind
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .expect("the standard delimiters do not collide"),
    );
    environment
});

static FILES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = SCALARS.clone();
    environment.set_formatter(write_plain_scalar);
    environment
});

/// Whether templates have a function or constant of this name without anybody
/// giving it to them, such as `range`.
pub fn is_builtin(name: &str) -> bool {
    SCALARS.globals().any(|(known, _)| known == name)
}

/// One scalar of a suite: text with `{{ … }}` in it, or none.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
    kind: TemplateKind,
    /// Where it stands.
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TemplateKind {
    /// Nothing to render.
    Literal,
    /// One `{{ expression }}` and nothing else: keeps its type.
    Expression,
    /// Text with expressions in it: becomes a string.
    Text,
}

impl Template {
    /// Parses a scalar of a suite.
    ///
    /// # Errors
    /// Syntax that minijinja does not take.
    pub fn parse(source: impl Into<String>, place: Place) -> Result<Self, TemplateError> {
        let source = source.into();
        let kind = if !(source.contains("{{") || source.contains("{%") || source.contains("{#")) {
            TemplateKind::Literal
        } else if let Some(expression) = lone_expression(&source)
            && SCALARS.compile_expression(expression).is_ok()
        {
            TemplateKind::Expression
        } else {
            TemplateKind::Text
        };
        let template = Self {
            source,
            kind,
            place,
        };
        if kind == TemplateKind::Text {
            SCALARS
                .template_from_str(&template.source)
                .map_err(|error| template.explain(&error))?;
        }
        Ok(template)
    }

    /// What stands in the file.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it is the same whatever the names mean.
    pub fn is_literal(&self) -> bool {
        self.kind == TemplateKind::Literal
    }

    /// The root names that it asks for, such as `inputs`.
    pub fn names(&self) -> BTreeSet<String> {
        self.undeclared(false)
    }

    /// The same with the fields asked of them, as far as they are written down:
    /// `inputs.image`.
    pub fn paths(&self) -> BTreeSet<String> {
        self.undeclared(true)
    }

    fn undeclared(&self, nested: bool) -> BTreeSet<String> {
        let names = match self.kind {
            TemplateKind::Literal => return BTreeSet::new(),
            TemplateKind::Expression => lone_expression(&self.source)
                .and_then(|expression| SCALARS.compile_expression(expression).ok())
                .map(|expression| expression.undeclared_variables(nested)),
            TemplateKind::Text => SCALARS
                .template_from_str(&self.source)
                .ok()
                .map(|template| template.undeclared_variables(nested)),
        };
        names.unwrap_or_default().into_iter().collect()
    }

    /// The value, its type kept where the scalar is one expression.
    ///
    /// # Errors
    /// A name or field that is not there, a filter that refuses its input, or too
    /// much work.
    pub fn render(&self, scope: &Scope) -> Result<Value, TemplateError> {
        let rendered = match self.kind {
            TemplateKind::Literal => Ok(Value::String(self.source.clone())),
            TemplateKind::Expression => self.evaluate(scope).and_then(Value::deserialize),
            TemplateKind::Text => SCALARS
                .render_str(&self.source, scope.clone())
                .map(Value::String),
        };
        rendered.map_err(|error| self.explain(&error))
    }

    /// The value as text: numbers and booleans as YAML writes them.
    ///
    /// # Errors
    /// As [`Template::render`], and a list, a map or nothing where text is due.
    pub fn render_text(&self, scope: &Scope) -> Result<String, TemplateError> {
        if self.kind == TemplateKind::Expression
            && let Ok(value) = self.evaluate(scope)
            && let Some(named) = value.downcast_object_ref::<Named>()
        {
            return Ok(named.name.clone());
        }
        match self.render(scope)? {
            Value::String(text) => Ok(text),
            value @ (Value::Number(_) | Value::Bool(_)) => Ok(value.to_string()),
            value => Err(TemplateError {
                message: format!(
                    "`{}` is {} where text is due",
                    self.source,
                    describe(&value)
                ),
                place: self.place.clone(),
                help: None,
            }),
        }
    }

    fn evaluate(&self, scope: &Scope) -> Result<Scope, Error> {
        let expression = lone_expression(&self.source).unwrap_or(&self.source);
        let value = SCALARS
            .compile_expression(expression)?
            .eval(scope.clone())?;
        if value.is_undefined() {
            return Err(Error::new(
                ErrorKind::UndefinedError,
                format!("`{}` is not set", expression.trim()),
            ));
        }
        Ok(value)
    }

    fn explain(&self, error: &Error) -> TemplateError {
        TemplateError {
            message: explain(error),
            place: self.place.clone(),
            help: None,
        }
    }
}

/// A bare expression that is true or false: `if`, `that`, `requires`.
#[derive(Clone, Debug)]
pub struct Condition {
    source: String,
    /// Where it stands.
    pub place: Place,
}

impl Condition {
    /// Parses an expression.
    ///
    /// # Errors
    /// Syntax that minijinja does not take, and braces: a condition is an
    /// expression already.
    pub fn parse(source: impl Into<String>, place: Place) -> Result<Self, TemplateError> {
        let source = source.into();
        let problem = |message: String, help: Option<&str>| TemplateError {
            message,
            place: place.clone(),
            help: help.map(str::to_owned),
        };
        if source.contains("{{") || source.contains("{%") {
            return Err(problem(
                "a condition has no braces".to_owned(),
                Some("a condition is an expression already: remove the braces"),
            ));
        }
        SCALARS
            .compile_expression(&source)
            .map_err(|error| problem(explain(&error), None))?;
        Ok(Self { source, place })
    }

    /// What stands in the file.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The root names that it asks for.
    pub fn names(&self) -> BTreeSet<String> {
        self.undeclared(false)
    }

    /// The same with the fields asked of them, as [`Template::paths`].
    pub fn paths(&self) -> BTreeSet<String> {
        self.undeclared(true)
    }

    fn undeclared(&self, nested: bool) -> BTreeSet<String> {
        SCALARS
            .compile_expression(&self.source)
            .map(|expression| expression.undeclared_variables(nested))
            .unwrap_or_default()
            .into_iter()
            .collect()
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn holds(&self, scope: &Scope) -> Result<bool, TemplateError> {
        SCALARS
            .compile_expression(&self.source)
            .and_then(|expression| expression.eval(scope.clone()))
            .map(|value| value.is_true())
            .map_err(|error| TemplateError {
                message: explain(&error),
                place: self.place.clone(),
                help: None,
            })
    }
}

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

/// A file that is rendered as text before it is read as YAML: `x.yaml.j2`.
#[derive(Clone, Debug)]
pub struct TextTemplate {
    /// The file.
    pub file: Arc<SourceFile>,
}

impl TextTemplate {
    /// Parses a template file.
    ///
    /// # Errors
    /// Syntax that minijinja does not take, at its place in the file.
    pub fn parse(file: Arc<SourceFile>) -> Result<Self, TemplateError> {
        FILES
            .template_from_str(&file.text)
            .map_err(|error| explain_in(&file, &error))?;
        Ok(Self { file })
    }

    /// The root names that it asks for.
    pub fn names(&self) -> BTreeSet<String> {
        self.undeclared(false)
    }

    /// The same with the fields asked of them, as [`Template::paths`].
    pub fn paths(&self) -> BTreeSet<String> {
        self.undeclared(true)
    }

    fn undeclared(&self, nested: bool) -> BTreeSet<String> {
        FILES
            .template_from_str(&self.file.text)
            .map(|template| template.undeclared_variables(nested))
            .unwrap_or_default()
            .into_iter()
            .collect()
    }

    /// The text, to be read as YAML.
    ///
    /// # Errors
    /// As [`Template::render`], and a value that is no plain YAML scalar and did
    /// not go through `|tojson`.
    pub fn render(&self, scope: &Scope) -> Result<String, TemplateError> {
        FILES
            .render_str(&self.file.text, scope.clone())
            .map_err(|error| explain_in(&self.file, &error))
    }
}

/// The inside of `{{ … }}` where that is the whole text.
fn lone_expression(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    Some(inner.strip_suffix('-').unwrap_or(inner))
}

/// minijinja's words without its place, which ours replaces.
fn explain(error: &Error) -> String {
    let what = match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "the template does too much work".to_owned(),
        (ErrorKind::UndefinedError, None) => "a name or field is not set".to_owned(),
        (_, Some(detail)) => detail.to_owned(),
        (kind, None) => kind.to_string(),
    };
    match std::error::Error::source(error) {
        Some(source) => format!("{what}: {source}"),
        None => what,
    }
}

fn explain_in(file: &Arc<SourceFile>, error: &Error) -> TemplateError {
    let line_span = || {
        let line = error.line()?;
        let start: usize = file
            .text
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum();
        let length = file.text[start..].lines().next().unwrap_or("").len();
        Some(Span::new(start, start + length))
    };
    let span = error
        .range()
        .filter(|range| range.end <= file.text.len())
        .map(|range| Span::new(range.start, range.end))
        .or_else(line_span)
        .unwrap_or_default();
    TemplateError {
        message: explain(error),
        place: Place {
            file: Arc::clone(file),
            span,
        },
        help: None,
    }
}

/// The formatter of text templates: refuses what could change the YAML around it.
fn write_plain_scalar(
    out: &mut minijinja::Output<'_>,
    _: &mut minijinja::State<'_, '_>,
    value: &minijinja::Value,
) -> Result<(), Error> {
    let refuse = |what: &str| {
        Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("{what} would change the YAML around it: write it with `|tojson`"),
        ))
    };
    if value.is_undefined() {
        return Err(Error::new(
            ErrorKind::UndefinedError,
            "a name or field is not set",
        ));
    }
    match value.kind() {
        _ if value.is_safe() => {}
        ValueKind::Number | ValueKind::Bool => {}
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            if !is_plain_scalar(text) {
                return refuse(&format!("{text:?}"));
            }
        }
        ValueKind::None => return refuse("a value that is none"),
        _ => {
            let text = value.to_string();
            // an object that stands for its name, such as a node
            if value.as_object().is_none() || !is_plain_scalar(&text) {
                return refuse(&format!("a {}", value.kind()));
            }
        }
    }
    write!(out, "{value}").map_err(Error::from)
}

/// Whether text can stand unquoted in YAML, in flow collections too, and quoted
/// as well, without ending what it stands in.
fn is_plain_scalar(text: &str) -> bool {
    let breaks_anywhere =
        |c: char| c.is_control() || "\"'\\{}[],`#&*!|>%@\u{feff}\u{2028}\u{2029}".contains(c);
    !text.contains(breaks_anywhere)
        && !text.contains(": ")
        && !text.ends_with(':')
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.starts_with("- ")
        && !text.starts_with("? ")
        && !text.starts_with("---")
        && text != "-"
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn place(text: &str) -> Place {
        Place {
            file: SourceFile::new("suite.yaml", text),
            span: Span::new(0, text.len()),
        }
    }

    fn render(source: &str, scope: Value) -> Result<Value, String> {
        Template::parse(source, place(source))
            .and_then(|template| template.render(&scope_value(&scope)))
            .map_err(|error| error.message)
    }

    fn render_file(source: &str, scope: Value) -> Result<String, String> {
        TextTemplate::parse(SourceFile::new("x.yaml.j2", source))
            .and_then(|template| template.render(&scope_value(&scope)))
            .map_err(|error| format!("{}: {}", error.place, error.message))
    }

    #[test]
    fn one_expression_keeps_its_type() {
        let scope = || json!({"n": 3, "l": [1], "s": "x"});
        assert_eq!(render("{{ n }}", scope()), Ok(json!(3)));
        assert_eq!(render(" {{- l -}} ", scope()), Ok(json!([1])));
        assert_eq!(render("{{ n }}{{ s }}", scope()), Ok(json!("3x")));
        assert_eq!(render("a {{ n + 1 }}", scope()), Ok(json!("a 4")));
        assert_eq!(render("{{ '}}' }}", scope()), Ok(json!("}}")));
        assert_eq!(render("plain } text", scope()), Ok(json!("plain } text")));
    }

    #[test]
    fn a_value_is_not_rendered_again() {
        assert_eq!(
            render("{{ x }}", json!({"x": "{{ y }}"})),
            Ok(json!("{{ y }}"))
        );
    }

    #[test]
    fn a_node_stands_for_its_name() {
        let scope = Scope::from_pairs([(
            "node",
            Named::scope_value("node1", [("ip", json!("10.0.0.1"))]),
        )]);
        let text = |source: &str| {
            Template::parse(source, place(source))
                .and_then(|template| template.render_text(&scope))
                .unwrap()
        };
        assert_eq!(text("on {{ node }}"), "on node1");
        assert_eq!(text("{{ node }}"), "node1");
        assert_eq!(text("{{ node.ip }}"), "10.0.0.1");
        assert_eq!(text("{{ node.name }}"), "node1");
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        assert!(render("{{ x }}", json!({})).is_err());
        assert!(render("a {{ x.y }}", json!({"x": {}})).is_err());
        assert!(render("{{ x.y }}", json!({"x": {}})).is_err());
        assert!(render("{% for %}", json!({})).is_err());
    }

    #[test]
    fn endless_work_ends() {
        let error = render(
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            json!({}),
        );
        assert_eq!(error, Err("the template does too much work".to_owned()));
    }

    #[test]
    fn names_are_told() {
        let template = Template::parse("{{ a.b }} {{ c }}", place("")).unwrap();
        assert_eq!(template.names().into_iter().collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn a_condition_has_no_braces() {
        let error = Condition::parse("{{ x }}", place("{{ x }}")).unwrap_err();
        assert_eq!(
            error.help.as_deref(),
            Some("a condition is an expression already: remove the braces")
        );
        let condition = Condition::parse("nodes | length >= 2", place("")).unwrap();
        assert!(
            condition
                .holds(&scope_value(&json!({"nodes": [1, 2]})))
                .unwrap()
        );
        assert!(
            !condition
                .holds(&scope_value(&json!({"nodes": [1]})))
                .unwrap()
        );
    }

    #[test]
    fn a_value_cannot_change_the_yaml_around_it() {
        let file = "image: {{ image }}\n";
        assert_eq!(
            render_file(file, json!({"image": "busybox:1.28"})),
            Ok("image: busybox:1.28\n".to_owned())
        );
        for evil in [
            "a\nb: c", "a: b", "a #", "{a}", "\"", "'", "- a", "&a", "a:", "[", "a,b",
        ] {
            assert!(
                render_file(file, json!({"image": evil})).is_err(),
                "{evil:?}"
            );
            let quoted = render_file("image: {{ image | tojson }}", json!({"image": evil}))
                .unwrap_or_else(|error| panic!("{evil:?}: {error}"));
            let parsed = crate::yaml::manifests(&quoted).unwrap();
            assert_eq!(parsed, [json!({"image": evil})]);
        }
        assert!(render_file(file, json!({"image": [1]})).is_err());
        assert!(render_file(file, json!({"image": null})).is_err());
    }

    #[test]
    fn errors_in_a_file_have_their_line() {
        let error = render_file("a: 1\nb: {{ x }}\n", json!({})).unwrap_err();
        assert!(error.starts_with("x.yaml.j2:2:"), "{error}");
    }
}
