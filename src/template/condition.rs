//! Bare expressions that are true or false.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use minijinja::Error;
use serde_json::Value;

use super::check::first_problem;
use super::environment::{CONDITIONS, Expression, is_builtin};
use super::rewrite::{Operators, Rewritten};
use super::scope::to_json;
use super::syntax::{OperandKind, Syntax};
use super::{Scope, TemplateError};
use crate::source::{Place, Span};

/// A bare expression that is true or false: `if`, `that`, `requires`.
///
/// A field that is not set is nothing at any depth: comparisons with it are false
/// (`!=` is true, and `== none`), nothing is in it, its length is 0, tests of it do not
/// hold, and filters, functions, methods and calculations make nothing of it. A root name
/// that is not there is an error.
#[derive(Clone, Debug)]
pub struct Condition {
    pub(super) parsed: Arc<Parsed>,
    /// Where it stands.
    pub place: Place,
}

pub(super) struct Parsed {
    pub(super) source: String,
    names: BTreeSet<String>,
    pub(super) syntax: Syntax,
    /// What is compiled, once: the whole,
    code: Expression,
    /// its paths, when they are first asked for,
    paths: OnceLock<Vec<Part>>,
    /// and what explains it.
    parts: OnceLock<Vec<Part>>,
}

impl fmt::Debug for Parsed {
    /// What is compiled says nothing that its source does not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

/// A part of an expression: as it is written, and compiled where that can be.
type Part = (String, Option<Expression>);

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
        if source.contains("{{") || source.contains("{%") {
            return Err(TemplateError::mistake(
                "a condition has no braces",
                place,
                Some("a condition is an expression already: remove the braces".to_owned()),
            ));
        }
        let engine = |error: Error| TemplateError::in_scalar(&error, &place, &source, |at| at);
        let names = CONDITIONS
            .compile_expression(&source)
            .map_err(engine)?
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !is_builtin(name))
            .collect();
        let syntax = Syntax::of_expression(&source);
        if let Some(found) = first_problem(&source, &syntax) {
            let place = place.within(&source, found.span).unwrap_or(place);
            return Err(TemplateError::mistake(found.message, place, found.help));
        }
        let rewritten = Rewritten::expression(&source, &syntax, Operators::OfConditions);
        let code = CONDITIONS
            .compile_expression_owned(rewritten.text)
            .map_err(engine)?;
        Ok(Self {
            parsed: Arc::new(Parsed {
                source,
                names,
                syntax,
                code,
                paths: OnceLock::new(),
                parts: OnceLock::new(),
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

    /// Where a path is asked for, as [`Template::place_of`](super::Template::place_of).
    pub fn place_of(&self, path: &str) -> Place {
        let source = &self.parsed.source;
        let part = self.parsed.syntax.asks_for(source, path);
        part.and_then(|part| self.place.within(source, part))
            .unwrap_or_else(|| self.place.clone())
    }

    /// The same with the fields asked of them, as [`Template::paths`](super::Template::paths).
    pub fn paths(&self) -> BTreeSet<String> {
        let paths = self.parsed.code.undeclared_variables(true);
        let paths = paths.into_iter().filter(|path| !is_builtin(path)).collect();
        let source = &self.parsed.source;
        self.parsed.syntax.without_methods(source, paths)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// As [`Condition::evaluate`].
    pub fn holds(&self, scope: &Scope) -> Result<bool, TemplateError> {
        if let Some(name) = self.parsed.names.iter().find(|name| !is_there(name, scope)) {
            return Err(TemplateError::mistake(
                format!("there is no `{name}` here"),
                self.place_of(name),
                None,
            ));
        }
        self.parsed
            .code
            .eval(scope.clone())
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
        let parts = self
            .parsed
            .parts
            .get_or_init(|| self.compiled(self.parts()));
        let value = |code: &Expression| {
            let value = code.eval(scope.clone()).ok()?;
            to_json(&value).ok()
        };
        // a part that cannot be evaluated is what the error is about
        parts
            .iter()
            .filter_map(|(source, code)| Some((source.clone(), value(code.as_ref()?)?)))
            .collect()
    }

    fn parts(&self) -> Vec<Span> {
        let comparisons = || {
            let chains = self.parsed.syntax.chains.iter();
            chains.filter(|chain| !chain.operators[0].is_calculation())
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
        let paths = || self.compiled(self.parsed.syntax.paths.clone());
        let is_nothing = |code: &Expression| {
            let value = code.eval(scope.clone());
            value.is_ok_and(|value| value.is_undefined() || value.is_none())
        };
        let paths = self.parsed.paths.get_or_init(paths).iter();
        paths
            .filter(|(_, code)| code.as_ref().is_some_and(is_nothing))
            .map(|(source, _)| source.clone())
            .collect()
    }

    /// Parts of the expression, each once.
    fn compiled(&self, spans: Vec<Span>) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for span in spans {
            let source = &self.parsed.source[span.range()];
            if !parts.iter().any(|(known, _)| known == source) {
                parts.push((source.to_owned(), self.code_of(span)));
            }
        }
        parts
    }

    /// A part of the expression, compiled by itself.
    pub(super) fn code_of(&self, span: Span) -> Option<Expression> {
        let source = &self.parsed.source[span.range()];
        let syntax = Syntax::of_expression(source);
        let rewritten = Rewritten::expression(source, &syntax, Operators::OfConditions);
        CONDITIONS.compile_expression_owned(rewritten.text).ok()
    }
}

fn is_there(name: &str, scope: &Scope) -> bool {
    scope
        .get_attr(name)
        .is_ok_and(|value| !value.is_undefined())
}
