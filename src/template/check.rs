//! What can be said of an expression before it is evaluated: filters, tests and methods
//! that are not known, and orders of bare text.

use super::environment::{SCALARS, is_method};
use super::filters::KNOWN_FILTERS;
use super::syntax::{OperandKind, Syntax};
use crate::diagnostic::nearest;
use crate::source::Span;

/// Something that is wrong whatever the names mean.
pub(super) struct Problem {
    pub message: String,
    pub help: Option<String>,
    /// In the source that was read.
    pub span: Span,
}

/// The first problem of a source, in its order of kinds.
pub(super) fn first_problem(source: &str, syntax: &Syntax) -> Option<Problem> {
    unknown(source, &syntax.filters, "filter")
        .or_else(|| unknown(source, &syntax.tests, "test"))
        .or_else(|| unknown_method(source, syntax))
        .or_else(|| ordered_text(source, syntax))
}

/// minijinja would say it when the expression is evaluated, maybe hours later.
fn unknown(source: &str, names: &[Span], what: &'static str) -> Option<Problem> {
    let mut state = SCALARS.empty_state();
    let span = *names.iter().find(|span| {
        let is_known = state.perform_test(what, &[source[span.range()].into()]);
        matches!(is_known, Ok(false))
    })?;
    let name = &source[span.range()];
    let near = KNOWN_FILTERS
        .iter()
        .filter(|_| what == "filter")
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    Some(Problem {
        message: format!("there is no {what} `{name}`"),
        help: near.map(|(_, known)| format!("did you mean `{known}`?")),
        span,
    })
}

/// The methods of texts, lists and maps.
const METHODS: [&str; 29] = [
    "capitalize",
    "count",
    "endswith",
    "find",
    "format",
    "get",
    "isalnum",
    "isalpha",
    "isascii",
    "isdigit",
    "islower",
    "isnumeric",
    "isspace",
    "isupper",
    "items",
    "join",
    "keys",
    "lower",
    "lstrip",
    "replace",
    "rfind",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "title",
    "upper",
    "values",
];

/// What is called on `loop`, on a template's own blocks, and what a template puts together
/// itself, is minijinja's to know.
fn unknown_method(source: &str, syntax: &Syntax) -> Option<Problem> {
    if source.contains("namespace(") || source.contains("import ") {
        return None;
    }
    let method = syntax.methods.iter().find(|method| {
        let receiver = &source[method.receiver.range()];
        let is_engines = matches!(receiver, "loop" | "self");
        !is_engines && !is_method(&source[method.name.range()])
    })?;
    let (name, receiver) = (
        &source[method.name.range()],
        &source[method.receiver.range()],
    );
    Some(Problem {
        message: format!("there is no method `{name}`"),
        help: Some(instead(name, receiver)),
        span: method.name,
    })
}

/// What to write instead of a method that there is not.
fn instead(name: &str, receiver: &str) -> String {
    let filter = match name {
        "len" | "size" => "length",
        name => name,
    };
    match name {
        "contains" | "includes" | "has" | "has_key" | "hasOwnProperty" => {
            format!("write `'…' in {receiver}`")
        }
        "startsWith" | "starts_with" => format!("write `{receiver}.startswith('…')`"),
        "endsWith" | "ends_with" => format!("write `{receiver}.endswith('…')`"),
        "match" | "matches" | "search" => format!("write `{receiver} | regex('…')`"),
        "append" | "push" | "add" => format!("write `{receiver} + […]`"),
        _ if KNOWN_FILTERS.contains(&filter) => format!("write `{receiver} | {filter}`"),
        _ => match nearest(name, METHODS) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("there are {}", METHODS.join(" ")),
        },
    }
}

fn ordered_text(source: &str, syntax: &Syntax) -> Option<Problem> {
    syntax.chains.iter().find_map(|chain| {
        let (index, _) = chain
            .operators
            .iter()
            .enumerate()
            .find(|(index, operator)| {
                operator.is_order()
                    && chain.operands[*index..=index + 1]
                        .iter()
                        .any(|operand| operand.kind == OperandKind::Text)
            })?;
        let text = chain.operands[index..=index + 1]
            .iter()
            .find(|operand| operand.kind == OperandKind::Text)?;
        Some(Problem {
            message: format!(
                "{} is text, which has no order that is meant: compare typed values",
                &source[text.span.range()]
            ),
            help: Some("for example `x | quantity >= '1Gi' | quantity`; there are quantity, duration, version and time".to_owned()),
            span: chain.span,
        })
    })
}
