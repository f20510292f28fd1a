//! One scalar of a suite.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};
use serde_json::Value;

use super::check::first_problem;
use super::environment::{CONDITIONS, SCALARS, is_builtin};
use super::rewrite::{Operators, Rewritten};
use super::scope::to_json;
use super::syntax::Syntax;
use super::{Named, Scope, TemplateError, lexer};
use crate::source::{Place, Span};

/// One scalar of a suite: text with `{{ … }}` in it, or none.
#[derive(Clone, Debug)]
pub struct Template {
    parsed: Arc<Parsed>,
    /// Where it stands.
    pub place: Place,
}

/// Shared, since plans are cloned and are full of templates.
#[derive(Debug)]
struct Parsed {
    source: String,
    /// What is compiled in its place.
    code: String,
    kind: TemplateKind,
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
    /// Syntax that minijinja does not take, a filter that there is not, and `<`
    /// or `>` beside bare text.
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
        let explain = |error: Error| TemplateError::from_engine(&error, place.clone());
        let mut parsed = Parsed {
            code: String::new(),
            source,
            kind,
        };
        parsed.code = parsed.text().to_owned();
        if kind != TemplateKind::Literal {
            parsed.compile().map_err(explain)?;
            let syntax = parsed.syntax();
            if let Some(problem) = first_problem(parsed.text(), &syntax) {
                return Err(TemplateError {
                    message: problem.message,
                    place,
                    help: problem.help,
                });
            }
            parsed.code = Rewritten::new(parsed.text(), &syntax, Operators::OfTemplates).text;
            parsed.compile().map_err(explain)?;
        }
        Ok(Self {
            parsed: Arc::new(parsed),
            place,
        })
    }

    /// Text that is not rendered, whatever it holds.
    pub fn literal(text: &str, place: Place) -> Self {
        Self {
            parsed: Arc::new(Parsed {
                source: text.to_owned(),
                code: text.to_owned(),
                kind: TemplateKind::Literal,
            }),
            place,
        }
    }

    /// The value as a scope holds it, where the scalar is one expression: what stands
    /// for its name stays what it is.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_scope(&self, scope: &Scope) -> Result<Option<Scope>, TemplateError> {
        match self.parsed.kind {
            TemplateKind::Expression => self
                .evaluate(scope)
                .map(Some)
                .map_err(|error| self.explain_with(&error, scope)),
            TemplateKind::Literal | TemplateKind::Text => Ok(None),
        }
    }

    /// What stands in the file.
    pub fn source(&self) -> &str {
        &self.parsed.source
    }

    /// Whether it is the same whatever the names mean.
    pub fn is_literal(&self) -> bool {
        self.parsed.kind == TemplateKind::Literal
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
        let names = match self.parsed.kind {
            TemplateKind::Literal => return BTreeSet::new(),
            TemplateKind::Expression => SCALARS
                .compile_expression(self.parsed.text())
                .map(|expression| expression.undeclared_variables(nested)),
            TemplateKind::Text => SCALARS
                .template_from_str(&self.parsed.source)
                .map(|template| template.undeclared_variables(nested)),
        };
        names
            .unwrap_or_default()
            .into_iter()
            .filter(|name| !is_builtin(name))
            .collect()
    }

    /// The value, its type kept where the scalar is one expression.
    ///
    /// # Errors
    /// A name or field that is not there, a filter that refuses its input, values
    /// compared that have no order, or too much work.
    pub fn render(&self, scope: &Scope) -> Result<Value, TemplateError> {
        let rendered = match self.parsed.kind {
            TemplateKind::Literal => Ok(Value::String(self.parsed.source.clone())),
            TemplateKind::Expression => self.evaluate(scope).and_then(|value| to_json(&value)),
            TemplateKind::Text => SCALARS
                .render_str(&self.parsed.code, scope.clone())
                .map(Value::String),
        };
        rendered.map_err(|error| self.explain_with(&error, scope))
    }

    /// The value as text: numbers and booleans as YAML writes them.
    ///
    /// # Errors
    /// As [`Template::render`], and a list, a map or nothing where text is due.
    pub fn render_text(&self, scope: &Scope) -> Result<String, TemplateError> {
        if self.parsed.kind == TemplateKind::Expression
            && let Ok(value) = self.evaluate(scope)
            && let Some(named) = value.downcast_object_ref::<Named>()
        {
            return Ok(named.name().to_owned());
        }
        match self.render(scope)? {
            Value::String(text) => Ok(text),
            value @ (Value::Number(_) | Value::Bool(_)) => Ok(value.to_string()),
            value => Err(TemplateError {
                message: format!(
                    "`{}` is {} where text is due",
                    self.parsed.source,
                    describe(&value)
                ),
                place: self.place.clone(),
                help: None,
            }),
        }
    }

    fn evaluate(&self, scope: &Scope) -> Result<Scope, Error> {
        let value = SCALARS
            .compile_expression(&self.parsed.code)?
            .eval(scope.clone())?;
        if value.is_undefined() {
            return Err(ErrorKind::UndefinedError.into());
        }
        Ok(value)
    }

    fn explain(&self, error: &Error) -> TemplateError {
        TemplateError::from_engine(error, self.place.clone())
    }

    fn explain_with(&self, error: &Error, scope: &Scope) -> TemplateError {
        let mut explained = self.explain(error);
        if error.kind() == ErrorKind::UndefinedError
            && let Some(path) = self.first_unset(scope)
        {
            explained.message = format!("`{path}` is not set");
        }
        explained
    }

    /// minijinja says that something is not set, but not what.
    fn first_unset(&self, scope: &Scope) -> Option<&str> {
        // a block can bring names of its own
        if self.parsed.kind == TemplateKind::Text && self.parsed.source.contains("{%") {
            return None;
        }
        let text = self.parsed.text();
        let paths = self.parsed.syntax().paths.into_iter();
        paths
            .filter(|span| !may_be_unset(text, *span))
            .map(|span| &text[span.range()])
            .find(|path| is_unset(path, scope))
    }
}

impl Parsed {
    /// What minijinja would be given without us.
    fn text(&self) -> &str {
        match self.kind {
            TemplateKind::Expression => lone_expression(&self.source).unwrap_or(&self.source),
            TemplateKind::Literal | TemplateKind::Text => &self.source,
        }
    }

    fn syntax(&self) -> Syntax {
        match self.kind {
            TemplateKind::Literal => Syntax::default(),
            TemplateKind::Expression => Syntax::of(&[lexer::expression(self.text())]),
            TemplateKind::Text => Syntax::of(&lexer::regions(&self.source)),
        }
    }

    fn compile(&self) -> Result<(), Error> {
        match self.kind {
            TemplateKind::Literal => Ok(()),
            TemplateKind::Expression => SCALARS.compile_expression(&self.code).map(drop),
            TemplateKind::Text => SCALARS.template_from_str(&self.code).map(drop),
        }
    }
}

/// Whether what stands behind a path takes it as it comes: `| default(0)`,
/// `is defined`.
pub(super) fn may_be_unset(source: &str, path: Span) -> bool {
    let behind = source[path.end..].trim_start();
    let words: Vec<&str> = behind
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '|')
        .filter(|word| !word.is_empty())
        .take(3)
        .collect();
    matches!(
        words[..],
        ["|" | "is", "default" | "d" | "defined" | "undefined", ..]
            | ["|default" | "|d", ..]
            | ["is", "not", "defined" | "undefined"]
    )
}

/// Whether a path leads nowhere.
pub(super) fn is_unset(path: &str, scope: &Scope) -> bool {
    CONDITIONS
        .compile_expression(path)
        .and_then(|path| path.eval(scope.clone()))
        .is_ok_and(|value| value.is_undefined())
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parsed.source)
    }
}

/// The inside of `{{ … }}` where that is the whole text.
fn lone_expression(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    Some(inner.strip_suffix('-').unwrap_or(inner))
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
