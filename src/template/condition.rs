//! Bare expressions that are true or false.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::Error;
use serde_json::Value;

use super::check::first_problem;
use super::environment::{CONDITIONS, is_builtin};
use super::rewrite::{Operators, Rewritten};
use super::scope::to_json;
use super::syntax::{OperandKind, Syntax};
use super::{Scope, TemplateError, lexer};
use crate::source::{Place, Span};

/// A bare expression that is true or false: `if`, `that`, `requires`.
///
/// A field that is not set is nothing at any depth: comparisons with it are false
/// (`!=` is true, and `== none`), nothing is in it, its length is 0, and filters of
/// one value make nothing of it. Calculating with it is an error that names it. A
/// root name that is not there is an error.
#[derive(Clone, Debug)]
pub struct Condition {
    parsed: Arc<Parsed>,
    /// Where it stands.
    pub place: Place,
}

#[derive(Debug)]
struct Parsed {
    source: String,
    /// What is compiled in its place.
    code: String,
    names: BTreeSet<String>,
    syntax: Syntax,
}

/// What became of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it holds.
    pub holds: bool,
    /// The paths in it that lead to nothing, as they are written, such as
    /// `object.status.readyReplicas`.
    pub unset: Vec<String>,
}

impl Condition {
    /// Parses an expression.
    ///
    /// # Errors
    /// Syntax that minijinja does not take, braces, since a condition is an
    /// expression already, a filter that there is not, and `<` or `>` beside bare
    /// text.
    pub fn parse(source: impl Into<String>, place: Place) -> Result<Self, TemplateError> {
        let source = source.into();
        let problem = |message: String, help: Option<String>| TemplateError {
            message,
            place: place.clone(),
            help,
        };
        if source.contains("{{") || source.contains("{%") {
            return Err(problem(
                "a condition has no braces".to_owned(),
                Some("a condition is an expression already: remove the braces".to_owned()),
            ));
        }
        let engine = |error: Error| TemplateError::from_engine(&error, place.clone());
        let names = CONDITIONS
            .compile_expression(&source)
            .map_err(engine)?
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !is_builtin(name))
            .collect();
        let syntax = Syntax::of(&[lexer::expression(&source)]);
        if let Some(found) = first_problem(&source, &syntax) {
            return Err(problem(found.message, found.help));
        }
        let code = Rewritten::new(&source, &syntax, Operators::OfConditions).text;
        CONDITIONS.compile_expression(&code).map_err(engine)?;
        Ok(Self {
            parsed: Arc::new(Parsed {
                source,
                code,
                names,
                syntax,
            }),
            place,
        })
    }

    /// What stands in the file.
    pub fn source(&self) -> &str {
        &self.parsed.source
    }

    /// The root names that it asks for.
    pub fn names(&self) -> BTreeSet<String> {
        self.parsed.names.clone()
    }

    /// The same with the fields asked of them, as [`Template::paths`](super::Template::paths).
    pub fn paths(&self) -> BTreeSet<String> {
        CONDITIONS
            .compile_expression(&self.parsed.source)
            .map(|expression| expression.undeclared_variables(true))
            .unwrap_or_default()
            .into_iter()
            .filter(|path| !is_builtin(path))
            .collect()
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// As [`Condition::evaluate`].
    pub fn holds(&self, scope: &Scope) -> Result<bool, TemplateError> {
        if let Some(name) = self.parsed.names.iter().find(|name| !is_there(name, scope)) {
            return Err(TemplateError {
                message: format!("there is no `{name}` here"),
                place: self.place.clone(),
                help: None,
            });
        }
        self.value(&self.parsed.code, scope)
            .map(|value| value.is_true())
            .map_err(|error| {
                let mut explained = TemplateError::from_engine(&error, self.place.clone());
                let unset = self.unset(scope);
                if !unset.is_empty() {
                    explained.message += &format!(" ({} is not set)", unset.join(", "));
                }
                explained
            })
    }

    /// Whether it holds, and which of its paths lead to nothing.
    ///
    /// # Errors
    /// A root name that is not there, values compared that have no order, a
    /// filter that refuses its input, or too much work.
    pub fn evaluate(&self, scope: &Scope) -> Result<Verdict, TemplateError> {
        Ok(Verdict {
            holds: self.holds(scope)?,
            unset: self.unset(scope),
        })
    }

    /// What its parts are: each operand of a comparison that is not written out,
    /// and each path outside of comparisons, as it is written, with its value.
    /// What is not set is null. Values are not cut: an object is told whole.
    pub fn explain(&self, scope: &Scope) -> Vec<(String, Value)> {
        let mut told: Vec<(String, Value)> = Vec::new();
        for span in self.parts() {
            let source = &self.parsed.source[span.range()];
            if told.iter().any(|(known, _)| known == source) {
                continue;
            }
            let code = self.code_of(span);
            let value = self.value(&code, scope).and_then(|value| to_json(&value));
            // a part that cannot be evaluated is what the error is about
            if let Ok(value) = value {
                told.push((source.to_owned(), value));
            }
        }
        told
    }

    fn parts(&self) -> Vec<Span> {
        let comparisons = || {
            let chains = self.parsed.syntax.chains.iter();
            chains.filter(|chain| !chain.operators[0].is_sum())
        };
        let contains =
            |outer: &Span, inner: &Span| outer.start <= inner.start && inner.end <= outer.end;
        let operands = comparisons()
            .flat_map(|chain| &chain.operands)
            .filter(|operand| operand.kind == OperandKind::Other)
            .map(|operand| operand.span)
            // of `(a < b) == c` only what is inside says something
            .filter(|span| !comparisons().any(|chain| contains(span, &chain.span)));
        let paths = self.parsed.syntax.paths.iter().copied();
        let alone = paths.filter(|path| !comparisons().any(|chain| contains(&chain.span, path)));
        let mut parts: Vec<Span> = operands.chain(alone).collect();
        parts.sort_by_key(|span| span.start);
        parts
    }

    fn unset(&self, scope: &Scope) -> Vec<String> {
        let mut unset: Vec<String> = Vec::new();
        for span in &self.parsed.syntax.paths {
            let source = &self.parsed.source[span.range()];
            let is_nothing = self
                .value(&self.code_of(*span), scope)
                .is_ok_and(|value| value.is_undefined() || value.is_none());
            if is_nothing && !unset.iter().any(|known| known == source) {
                unset.push(source.to_owned());
            }
        }
        unset
    }

    /// A part of the expression as it is compiled.
    fn code_of(&self, span: Span) -> String {
        let source = &self.parsed.source[span.range()];
        let syntax = Syntax::of(&[lexer::expression(source)]);
        Rewritten::new(source, &syntax, Operators::OfConditions).text
    }

    fn value(&self, code: &str, scope: &Scope) -> Result<Scope, Error> {
        CONDITIONS.compile_expression(code)?.eval(scope.clone())
    }
}

fn is_there(name: &str, scope: &Scope) -> bool {
    scope
        .get_attr(name)
        .is_ok_and(|value| !value.is_undefined())
}
