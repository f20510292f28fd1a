//! What is said of a template that cannot be parsed or rendered.

use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use crate::source::{Place, SourceFile, Span};
use crate::value::ValueError;

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
    /// Whether whoever wrote it must mend it, whatever the values are: a method that there is
    /// not. (A value of another type than was thought may be the cluster's doing.)
    pub is_mistake: bool,
}

impl TemplateError {
    /// What is found out before anything is evaluated.
    pub(super) fn mistake(message: impl Into<String>, place: Place, help: Option<String>) -> Self {
        Self {
            message: message.into(),
            place,
            help,
            is_mistake: true,
        }
    }

    /// What depends on the values.
    pub fn of_values(message: impl Into<String>, place: Place) -> Self {
        Self {
            message: message.into(),
            place,
            help: None,
            is_mistake: false,
        }
    }

    /// minijinja's error, at a place of ours.
    pub(super) fn from_engine(error: &Error, place: Place) -> Self {
        Self {
            message: message(error),
            place,
            help: help(error),
            is_mistake: matches!(
                error.kind(),
                ErrorKind::SyntaxError
                    | ErrorKind::UnknownFilter
                    | ErrorKind::UnknownFunction
                    | ErrorKind::UnknownMethod
                    | ErrorKind::UnknownTest
                    | ErrorKind::MissingArgument
                    | ErrorKind::TooManyArguments
            ),
        }
    }

    /// The same, at its own place in a scalar that became `value`; `original` finds where an
    /// offset of what was compiled stood in that.
    pub(super) fn in_scalar(
        error: &Error,
        place: &Place,
        value: &str,
        original: impl Fn(usize) -> usize,
    ) -> Self {
        let part = error
            .range()
            .map(|range| Span::new(original(range.start), original(range.end)))
            .and_then(|part| place.within(value, part));
        Self::from_engine(error, part.unwrap_or_else(|| place.clone()))
    }

    /// The same, at its own place in a file; `original` finds where an offset of
    /// what was compiled stood in the file.
    pub(super) fn in_file(
        error: &Error,
        file: &Arc<SourceFile>,
        original: impl Fn(usize) -> usize,
    ) -> Self {
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
            .map(|range| Span::new(original(range.start), original(range.end)))
            .filter(|span| span.start <= span.end && span.end <= file.text.len())
            .or_else(line_span)
            .unwrap_or_default();
        Self::from_engine(
            error,
            Place {
                file: Arc::clone(file),
                span,
            },
        )
    }
}

/// A problem of ours on its way through minijinja, its help kept.
pub(super) fn engine_error(error: ValueError) -> Error {
    Error::new(ErrorKind::InvalidOperation, error.message.clone()).with_source(error)
}

fn ours(error: &Error) -> Option<&ValueError> {
    std::error::Error::source(error)?.downcast_ref()
}

fn help(error: &Error) -> Option<String> {
    ours(error)?.help.clone()
}

/// minijinja's words without its place, which ours replaces.
fn message(error: &Error) -> String {
    if let Some(problem) = ours(error) {
        return problem.message.clone();
    }
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
