//! Conditions that hold where a field is not set, most likely against what was meant:
//! `not object.status.failed == 0`.
//!
//! What is not set makes a comparison false, and so its opposite true. That is what `!=` says
//! beside a label that may be missing, and seldom what it says of a status that is still to
//! come. It is found out by evaluating the condition with nothing set at all.

use super::condition::Condition;
use super::environment::Expression;
use super::lexer;
use super::operators::is_nothing;
use super::syntax::{Chain, OperandKind, Operator};
use super::{Scope, scope_value};
use crate::source::{Place, Span};

/// A comparison that holds where what it is about is not set.
#[derive(Clone, Debug)]
pub struct Unguarded {
    /// What may not be set, as it is written.
    pub path: String,
    /// Where it stands.
    pub place: Place,
}

impl Condition {
    /// The first comparison of a field of `object` because of which the condition would hold
    /// where that field is not set.
    ///
    /// Not told: a bare `not object.spec.paused` (the API leaves `false` out), `not in` a map
    /// that may be empty, and whatever says itself what it makes of nothing, by `default`,
    /// `is defined` or `is none`. The `length` of a field is 0 where it is not set.
    pub fn unguarded(&self) -> Option<Unguarded> {
        let conjuncts = self.conjuncts();
        let nothing = scope_value(&serde_json::json!({}));
        let holds = |span: &Span| {
            let value = self.code_of(*span)?.eval(nothing.clone()).ok()?;
            Some(value.is_true())
        };
        let (true_of_nothing, others): (Vec<_>, Vec<_>) = conjuncts
            .into_iter()
            .partition(|span| holds(span) == Some(true));
        let guards: Vec<&str> = self.paths_in(&others).collect();
        let path = true_of_nothing.iter().find_map(|conjunct| {
            let chains = self.parsed.syntax.chains.iter();
            let mut chains: Vec<_> = chains
                .filter(|chain| contains(conjunct, &chain.span))
                .collect();
            // of `a == 1 or b != 2` it is the second
            chains.sort_by_key(|chain| holds(&chain.span) != Some(true));
            chains
                .into_iter()
                .flat_map(|chain| self.compared(chain))
                .flat_map(|operand| self.unset_paths(operand, &nothing))
                .find(|path| {
                    let text = self.text(*path);
                    !guards.iter().any(|guard| goes_on(guard, text))
                        && !self.says_itself(conjunct, text)
                })
        })?;
        let place = self.place.within(self.source(), path);
        Some(Unguarded {
            path: self.text(path).to_owned(),
            place: place.unwrap_or_else(|| self.place.clone()),
        })
    }

    fn text(&self, span: Span) -> &str {
        &self.source()[span.range()]
    }

    /// What is joined by `and`, outside of all brackets; the whole, where there is more to it.
    fn conjuncts(&self) -> Vec<Span> {
        let source = self.source();
        let tokens = lexer::expression(source);
        let mut depth = 0_usize;
        let mut start = 0;
        let mut conjuncts = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            let is_field = index > 0 && tokens[index - 1].text == ".";
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                "or" | "if" if depth == 0 && !is_field => {
                    return vec![Span::new(0, source.len())];
                }
                "and" if depth == 0 && !is_field => {
                    conjuncts.push(Span::new(start, token.start));
                    start = token.end();
                }
                _ => {}
            }
        }
        conjuncts.push(Span::new(start, source.len()));
        conjuncts
    }

    fn paths_in(&self, spans: &[Span]) -> impl Iterator<Item = &str> {
        let paths = self.parsed.syntax.paths.iter();
        paths
            .filter(|path| spans.iter().any(|span| contains(span, path)))
            .map(|path| self.text(*path))
    }

    /// The operands of a comparison that say something of nothing: neither what something is
    /// looked for in, nor what is held against `none`.
    fn compared(&self, chain: &Chain) -> Vec<Span> {
        let is_none = |span: Span| matches!(self.text(span), "none" | "None");
        let mut compared = Vec::new();
        for (operator, pair) in chain.operators.iter().zip(chain.operands.windows(2)) {
            if operator.is_calculation() || pair.iter().any(|operand| is_none(operand.span)) {
                continue;
            }
            let sides = match operator {
                Operator::In | Operator::NotIn => &pair[..1],
                _ => pair,
            };
            let sides = sides.iter().filter(|side| side.kind == OperandKind::Other);
            compared.extend(sides.map(|side| side.span));
        }
        compared
    }

    /// The fields of `object` in an operand that is nothing where they are not set.
    fn unset_paths(&self, operand: Span, nothing: &Scope) -> Vec<Span> {
        let value = |code: Expression| code.eval(nothing.clone()).ok();
        let is_unset = self.code_of(operand).and_then(value);
        if !is_unset.is_some_and(|value| is_nothing(&value)) && !self.is_length(operand) {
            return Vec::new();
        }
        let paths = self.parsed.syntax.paths.iter().copied();
        paths
            .filter(|path| contains(&operand, path))
            .filter(|path| goes_on(self.text(*path), "object") && self.text(*path) != "object")
            .collect()
    }

    /// Whether an operand is how long a field is, and nothing else: `object.list | length`.
    fn is_length(&self, operand: Span) -> bool {
        let text = self.text(operand).trim_matches(['(', ')', ' ']);
        let Some((path, filter)) = text.split_once('|') else {
            return false;
        };
        let mut paths = self.parsed.syntax.paths.iter();
        matches!(filter.trim(), "length" | "count")
            && paths.any(|other| contains(&operand, other) && self.text(*other) == path.trim())
    }

    /// Whether the same path is asked elsewhere in a conjunct whether it is there.
    fn says_itself(&self, conjunct: &Span, path: &str) -> bool {
        let paths = self.parsed.syntax.paths.iter();
        paths
            .filter(|other| contains(conjunct, other) && self.text(**other) == path)
            .any(|other| {
                let behind = self.source()[other.end..].split_whitespace();
                let words: Vec<&str> = behind.take(3).collect();
                let words: Vec<&str> = words
                    .iter()
                    .map(|word| word.trim_end_matches([')', ',']))
                    .collect();
                matches!(
                    words[..],
                    ["is", "defined" | "undefined" | "none", ..]
                        | ["is", "not", "defined" | "undefined" | "none"]
                        | ["==" | "!=", "none" | "None", ..]
                )
            })
    }
}

fn contains(outer: &Span, inner: &Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Whether a path is another one, or a field of it.
fn goes_on(path: &str, other: &str) -> bool {
    path.strip_prefix(other)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceFile;

    fn unguarded(source: &str) -> Option<String> {
        let place = Place {
            file: SourceFile::new("a.yaml", source),
            span: Span::new(0, source.len()),
        };
        let found = Condition::parse(source, place).unwrap().unguarded()?;
        Some(format!("{} {}", found.place, found.path).replace("a.yaml:1:", ""))
    }

    #[test]
    fn what_holds_of_nothing_is_told() {
        for (source, expected) in [
            ("not (object.status.x == 0)", "6 object.status.x"),
            ("not object.status.x == 0", "5 object.status.x"),
            ("object.status.x != 0", "1 object.status.x"),
            ("not (object.status.x > inputs.n)", "6 object.status.x"),
            ("object.status.x not in ['a']", "1 object.status.x"),
            ("object.a == 1 and object['b'].c != 2", "19 object['b'].c"),
            ("object.a == 1 or object.b != 2", "18 object.b"),
            ("object.a is defined and object.a.b != 1", "25 object.a.b"),
            (
                "object.a.b > 0 and not object.a.b == object.c",
                "38 object.c",
            ),
            ("(object.x == 1) == false", "2 object.x"),
            (
                "not (object.x | quantity > inputs.y | quantity)",
                "6 object.x",
            ),
            ("object.url.lower() != 'x'", "1 object.url"),
            ("object.list[0].x | int != 3", "1 object.list[0].x"),
            ("object.a.list | length == 0", "1 object.a.list"),
            ("3 > (object.list | count)", "6 object.list"),
            ("not (object.list|length > 0)", "6 object.list"),
            (
                "object.a == 1 and object.list | length != 2",
                "19 object.list",
            ),
            ("not (object.a + 1 == 2)", "6 object.a"),
            ("object.a - object.b != 0", "1 object.a"),
            ("not object.a ~ '' == 'x'", "5 object.a"),
        ] {
            assert_eq!(unguarded(source).as_deref(), Some(expected), "{source}");
        }
    }

    #[test]
    fn what_is_meant_so_is_not_told() {
        for source in [
            "object.status.x == 0",
            "object.status.x is defined and object.status.x != 0",
            "object.status.x and not (object.status.x == 0)",
            "object.status.x > 0 and object.status.x != 3",
            "object.status.x.y == 1 and object.status.x != 3",
            "object.status.x is not defined or object.status.x != 3",
            "object.x is none or object.x != 3",
            "object.x == none",
            "not object.x != none",
            "not object.spec.paused",
            "'a' not in object.metadata.labels",
            "object.x | default(0) != 3",
            "object.list | length >= 2",
            "object.list is defined and object.list | length == 0",
            "object.list | default([]) | length == 0",
            "object.list and object.list | length < 3",
            "objects | length == 0",
            "inputs.list | length == 0",
            "object.list | selectattr('a', '!=', 'b') | list | length == 0",
            "got.a != 3",
            "inputs.x != object",
            "object.a == object.b",
        ] {
            assert_eq!(unguarded(source), None, "{source}");
        }
    }
}
