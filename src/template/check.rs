//! What can be said of an expression before it is evaluated: filters and tests
//! that are not known, and orders of bare text.

use super::environment::SCALARS;
use super::filters::KNOWN_FILTERS;
use super::syntax::{OperandKind, Syntax};
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
