//! One scalar of a suite.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::{Error, ErrorKind};
use serde_json::Value;

use super::check::first_problem;
use super::environment::{self, CONDITIONS, Compiled, Expression, SCALARS, is_builtin};
use super::lexer::Comments;
use super::rewrite::{Operators, Rewritten};
use super::scope::to_json;
use super::syntax::Syntax;
use super::{Named, Scope, TemplateError};
use crate::source::{Place, Span};

/// How to keep minijinja from what was not meant for it.
const RAW: &str = "to keep `{{` or `{%` as text, write {% raw %}…{% endraw %} around it, or \
                   `raw: true` beside a script, a command or a manifest";

/// One scalar of a suite: text with `{{ … }}` in it, or none.
#[derive(Clone, Debug)]
pub struct Template {
    parsed: Arc<Parsed>,
    /// Where it stands.
    pub place: Place,
}

/// Shared, since plans are cloned and are full of templates.
struct Parsed {
    source: String,
    code: Code,
}

/// What is compiled, once.
enum Code {
    /// Nothing to render.
    Literal,
    /// One `{{ expression }}` and nothing else but white space: keeps its type.
    Expression {
        lone: Lone,
        rewritten: Rewritten,
        expression: Expression,
    },
    /// Text with expressions in it: becomes a string.
    Text {
        rewritten: Rewritten,
        compiled: Compiled,
    },
}

impl Template {
    /// Parses a scalar of a suite.
    ///
    /// # Errors
    /// Syntax that minijinja does not take, a filter or a method that there is not, and `<`
    /// or `>` beside bare text.
    pub fn parse(source: impl Into<String>, place: Place) -> Result<Self, TemplateError> {
        let source = source.into();
        let code = Code::of(&source, &place)?;
        Ok(Self {
            parsed: Arc::new(Parsed { source, code }),
            place,
        })
    }

    /// Text that is not rendered, whatever it holds.
    pub fn literal(text: &str, place: Place) -> Self {
        Self {
            parsed: Arc::new(Parsed {
                source: text.to_owned(),
                code: Code::Literal,
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
        match &self.parsed.code {
            Code::Expression {
                lone, expression, ..
            } => evaluate(expression, scope)
                .map(|value| match value.as_str() {
                    Some(text) => Some(self.surrounded(lone, text).into()),
                    None => Some(value),
                })
                .map_err(|error| self.explain(&error, scope)),
            Code::Literal | Code::Text { .. } => Ok(None),
        }
    }

    /// What stands in the file.
    pub fn source(&self) -> &str {
        &self.parsed.source
    }

    /// Whether it is the same whatever the names mean.
    pub fn is_literal(&self) -> bool {
        matches!(self.parsed.code, Code::Literal)
    }

    /// The root names that it asks for, such as `inputs`.
    pub fn names(&self) -> BTreeSet<String> {
        self.undeclared(false)
    }

    /// The same with the fields asked of them, as far as they are written down:
    /// `inputs.image`.
    pub fn paths(&self) -> BTreeSet<String> {
        self.parsed
            .syntax()
            .without_methods(self.parsed.text(), self.undeclared(true))
    }

    /// Where a name or a path such as `inputs.image` is asked for; the whole scalar where that
    /// is not written as one.
    pub fn place_of(&self, path: &str) -> Place {
        let text = self.parsed.text();
        let syntax = self.parsed.syntax();
        let part = syntax.asks_for(text, path).and_then(|span| {
            let offset = self.parsed.text_offset();
            let part = Span::new(span.start + offset, span.end + offset);
            self.place.within(&self.parsed.source, part)
        });
        part.unwrap_or_else(|| self.place.clone())
    }

    fn undeclared(&self, nested: bool) -> BTreeSet<String> {
        let names = match &self.parsed.code {
            Code::Literal => return BTreeSet::new(),
            Code::Expression { expression, .. } => expression.undeclared_variables(nested),
            Code::Text { compiled, .. } => compiled.undeclared_variables(nested),
        };
        names.into_iter().filter(|name| !is_builtin(name)).collect()
    }

    /// The value, its type kept where the scalar is one expression. White space around that
    /// stays where the value is text.
    ///
    /// # Errors
    /// A name or field that is not there, a filter that refuses its input, values
    /// compared that have no order, or too much work.
    pub fn render(&self, scope: &Scope) -> Result<Value, TemplateError> {
        let rendered = match &self.parsed.code {
            Code::Literal => Ok(Value::String(self.parsed.source.clone())),
            Code::Expression {
                lone, expression, ..
            } => evaluate(expression, scope)
                .and_then(|value| to_json(&value))
                .map(|value| match value {
                    Value::String(text) => Value::String(self.surrounded(lone, &text)),
                    value => value,
                }),
            Code::Text { compiled, .. } => compiled.render(scope.clone()).map(Value::String),
        };
        rendered.map_err(|error| self.explain(&error, scope))
    }

    /// The value as text: numbers and booleans as YAML writes them.
    ///
    /// # Errors
    /// As [`Template::render`], and a list, a map or nothing where text is due.
    pub fn render_text(&self, scope: &Scope) -> Result<String, TemplateError> {
        let Code::Expression {
            lone, expression, ..
        } = &self.parsed.code
        else {
            return match self.render(scope)? {
                Value::String(text) => Ok(text),
                value => Ok(value.to_string()),
            };
        };
        let explain = |error| self.explain(&error, scope);
        let value = evaluate(expression, scope).map_err(explain)?;
        if let Some(named) = value.downcast_object_ref::<Named>() {
            return Ok(self.surrounded(lone, named.name()));
        }
        match to_json(&value).map_err(explain)? {
            Value::String(text) => Ok(self.surrounded(lone, &text)),
            value @ (Value::Number(_) | Value::Bool(_)) => {
                Ok(self.surrounded(lone, &value.to_string()))
            }
            value => Err(TemplateError::of_values(
                format!(
                    "`{}` is {} where text is due",
                    self.parsed.source,
                    describe(&value)
                ),
                self.place.clone(),
            )),
        }
    }

    fn surrounded(&self, lone: &Lone, text: &str) -> String {
        let source = &self.parsed.source;
        let (before, behind) = (&source[..lone.before], &source[lone.behind..]);
        format!("{before}{text}{behind}")
    }

    fn explain(&self, error: &Error, scope: &Scope) -> TemplateError {
        let offset = self.parsed.text_offset();
        let mut explained =
            TemplateError::in_scalar(error, &self.place, &self.parsed.source, |at| {
                offset + self.parsed.original(at)
            });
        if error.kind() == ErrorKind::UndefinedError
            && let Some(path) = self.first_unset(scope)
        {
            explained.message = format!("`{path}` is not set");
            explained.place = self.place_of(&path);
        }
        explained
    }

    /// minijinja says that something is not set, but not what.
    fn first_unset(&self, scope: &Scope) -> Option<String> {
        // a block can bring names of its own
        if matches!(self.parsed.code, Code::Text { .. }) && self.parsed.source.contains("{%") {
            return None;
        }
        let text = self.parsed.text();
        let paths = self.parsed.syntax().paths.into_iter();
        paths
            .filter(|span| !may_be_unset(text, *span))
            .map(|span| &text[span.range()])
            .find(|path| is_unset(path, scope))
            .map(str::to_owned)
    }
}

fn evaluate(expression: &Expression, scope: &Scope) -> Result<Scope, Error> {
    let value = expression.eval(scope.clone())?;
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    Ok(value)
}

impl Code {
    fn of(source: &str, place: &Place) -> Result<Self, TemplateError> {
        if !(source.contains("{{") || source.contains("{%")) {
            return Ok(Self::Literal);
        }
        let lone =
            Lone::of(source).filter(|lone| SCALARS.compile_expression(lone.text(source)).is_ok());
        let (text, offset) = match &lone {
            Some(lone) => (lone.text(source), lone.inner.start),
            None => (source, 0),
        };
        let explain = |error: &Error, original: &dyn Fn(usize) -> usize| {
            let mut explained =
                TemplateError::in_scalar(error, place, source, |at| offset + original(at));
            explained.help.get_or_insert_with(|| RAW.to_owned());
            explained
        };
        // what is wrong with the source is told of the source
        if lone.is_none() {
            SCALARS
                .template_from_str(text)
                .map_err(|error| explain(&error, &|at| at))?;
        }
        let syntax = match &lone {
            Some(_) => Syntax::of_expression(text),
            None => Syntax::of_template(text, Comments::Unknown),
        };
        if let Some(problem) = first_problem(text, &syntax) {
            let part = Span::new(problem.span.start + offset, problem.span.end + offset);
            let place = place.within(source, part).unwrap_or_else(|| place.clone());
            return Err(TemplateError::mistake(problem.message, place, problem.help));
        }
        Ok(match lone {
            Some(lone) => {
                let rewritten = Rewritten::expression(text, &syntax, Operators::OfTemplates);
                let expression = SCALARS
                    .compile_expression_owned(rewritten.text.clone())
                    .map_err(|error| explain(&error, &|at| rewritten.original(at)))?;
                Self::Expression {
                    lone,
                    rewritten,
                    expression,
                }
            }
            None => {
                let rewritten = Rewritten::template(text, &syntax, Comments::Unknown);
                let compiled = environment::compile(&SCALARS, &rewritten.text)
                    .map_err(|error| explain(&error, &|at| rewritten.original(at)))?;
                Self::Text {
                    rewritten,
                    compiled,
                }
            }
        })
    }
}

impl Parsed {
    /// What minijinja would be given without us.
    fn text(&self) -> &str {
        match &self.code {
            Code::Expression { lone, .. } => lone.text(&self.source),
            Code::Literal | Code::Text { .. } => &self.source,
        }
    }

    /// Where that begins in the source.
    fn text_offset(&self) -> usize {
        match &self.code {
            Code::Expression { lone, .. } => lone.inner.start,
            Code::Literal | Code::Text { .. } => 0,
        }
    }

    fn original(&self, offset: usize) -> usize {
        match &self.code {
            Code::Literal => offset,
            Code::Expression { rewritten, .. } | Code::Text { rewritten, .. } => {
                rewritten.original(offset)
            }
        }
    }

    fn syntax(&self) -> Syntax {
        match &self.code {
            Code::Literal => Syntax::default(),
            Code::Expression { .. } => Syntax::of_expression(self.text()),
            Code::Text { .. } => Syntax::of_template(&self.source, Comments::Unknown),
        }
    }
}

impl fmt::Debug for Parsed {
    /// What is compiled says nothing that its source does not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

/// `{{ … }}` where that is the whole text but for white space.
struct Lone {
    /// Between the braces.
    inner: Range<usize>,
    /// Where the white space before it ends, and where that behind it begins: both of no
    /// length where a dash takes them away.
    before: usize,
    behind: usize,
}

impl Lone {
    fn of(source: &str) -> Option<Self> {
        let trimmed = source.trim();
        let begin = source.len() - source.trim_start().len();
        let end = begin + trimmed.len();
        let inner = trimmed.strip_prefix("{{")?.strip_suffix("}}")?;
        let undashed = inner.strip_prefix('-');
        let before = if undashed.is_some() { 0 } else { begin };
        let inner = undashed.unwrap_or(inner);
        let start = begin + 2 + usize::from(undashed.is_some());
        let undashed = inner.strip_suffix('-');
        let behind = if undashed.is_some() {
            source.len()
        } else {
            end
        };
        let length = undashed.unwrap_or(inner).len();
        Some(Self {
            inner: start..start + length,
            before,
            behind,
        })
    }

    /// What stands between the braces.
    fn text<'a>(&self, source: &'a str) -> &'a str {
        &source[self.inner.clone()]
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
