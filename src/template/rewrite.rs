//! A source with its operators replaced by filters of ours: `a < b` becomes
//! `((a)|__less(b))`.
//!
//! Names, fields and lines stay what they were, so what minijinja tells of the
//! result is true of the source. Offsets are taken back by [`Rewritten::original`].
//!
//! minijinja is told to drop the newline behind a block and the indentation before it, as
//! everybody wants where a block has a line of its own. On any other line that would join two
//! lines of a script, or move a key of YAML: blocks get the `+` there that keeps both.

use super::lexer::{self, Comments};
use super::operators::filter_of;
use super::syntax::{Chain, Operator, Syntax};
use crate::source::Span;

/// Which operators are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operators {
    /// Comparisons but `in`, which loops are written with too, and sums. (What else calculates means
    /// the same to minijinja, and nothing that is not set comes so far in a template.)
    OfTemplates,
    /// All.
    OfConditions,
}

/// What is compiled in the place of a source.
#[derive(Clone, Debug)]
pub(super) struct Rewritten {
    pub text: String,
    /// Pieces taken over: offset in the text, offset in the source.
    pieces: Vec<(usize, usize)>,
}

impl Rewritten {
    /// A whole template.
    pub fn template(source: &str, syntax: &Syntax, comments: Comments) -> Self {
        let keeping = keeping(source, &lexer::parts(source, comments).blocks);
        Self::with(source, syntax, Operators::OfTemplates, keeping)
    }

    /// A bare expression.
    pub fn expression(source: &str, syntax: &Syntax, operators: Operators) -> Self {
        Self::with(source, syntax, operators, Vec::new())
    }

    /// `keeping` are the offsets where a `+` is put.
    fn with(source: &str, syntax: &Syntax, operators: Operators, keeping: Vec<usize>) -> Self {
        let chains: Vec<&Chain> = syntax
            .chains
            .iter()
            .filter(|chain| {
                operators == Operators::OfConditions
                    || chain
                        .operators
                        .iter()
                        .any(|operator| is_replaced_in_templates(*operator))
            })
            .collect();
        let mut writer = Writer {
            source,
            operators,
            keeping,
            written: Self {
                text: String::with_capacity(source.len()),
                pieces: Vec::new(),
            },
        };
        writer.copy(Span::new(0, source.len()), &chains);
        writer.written
    }

    fn take(&mut self, source: &str, span: Span) {
        self.pieces.push((self.text.len(), span.start));
        self.text.push_str(&source[span.range()]);
    }

    /// Where an offset of the text stood in the source.
    pub fn original(&self, offset: usize) -> usize {
        let piece = self.pieces.partition_point(|(start, _)| *start <= offset);
        match piece.checked_sub(1).map(|index| self.pieces[index]) {
            Some((start, source_start)) => {
                let end = self.pieces.get(piece).map(|(_, source_end)| *source_end);
                let position = source_start + (offset - start);
                end.filter(|end| *end >= source_start)
                    .map_or(position, |end| position.min(end))
            }
            None => offset,
        }
    }
}

fn is_replaced_in_templates(operator: Operator) -> bool {
    let is_membership = matches!(operator, Operator::In | Operator::NotIn);
    operator.is_sum() || !(is_membership || operator.is_calculation())
}

/// Where a `+` keeps white space: behind the opening braces of each block that is not alone
/// on its line, and before its closing ones, unless it says itself what it wants.
fn keeping(source: &str, blocks: &[Span]) -> Vec<usize> {
    let mut keeping = Vec::new();
    // blocks with nothing but white space between them share a line
    let between = |one: &Span, next: &Span| &source[one.end..next.start];
    let is_line = |text: &str| text.trim().is_empty() && !text.contains('\n');
    for group in blocks.chunk_by(|one, next| is_line(between(one, next))) {
        let (start, end) = (group[0].start, group[group.len() - 1].end);
        let before = source[..start].rsplit('\n').next().unwrap_or_default();
        let behind = source[end..].split('\n').next().unwrap_or_default();
        if before.trim().is_empty() && behind.trim().is_empty() {
            continue;
        }
        for block in group {
            if !source[block.start + 2..].starts_with(['-', '+']) {
                keeping.push(block.start + 2);
            }
            if !source[..block.end - 2].ends_with(['-', '+']) {
                keeping.push(block.end - 2);
            }
        }
    }
    keeping
}

struct Writer<'a> {
    source: &'a str,
    operators: Operators,
    keeping: Vec<usize>,
    written: Rewritten,
}

impl Writer<'_> {
    /// Writes a part of the source. `chains` are all in order, an outer one before
    /// what is in it.
    fn copy(&mut self, span: Span, chains: &[&Chain]) {
        let mut at = span.start;
        let first = chains.partition_point(|chain| chain.span.start < span.start);
        for (index, chain) in chains.iter().enumerate().skip(first) {
            if chain.span.start >= span.end {
                break;
            }
            if chain.span.start < at || chain.span.end > span.end {
                continue;
            }
            self.take(Span::new(at, chain.span.start));
            self.replace(chain, &chains[index + 1..]);
            at = chain.span.end;
        }
        self.take(Span::new(at, span.end));
    }

    fn take(&mut self, span: Span) {
        let first = self.keeping.partition_point(|at| *at < span.start);
        let behind = self.keeping.partition_point(|at| *at < span.end);
        let mut start = span.start;
        let written = &mut self.written;
        for at in &self.keeping[first..behind] {
            written.take(self.source, Span::new(start, *at));
            written.text.push('+');
            start = *at;
        }
        written.take(self.source, Span::new(start, span.end));
    }

    fn put(&mut self, text: &str) {
        self.written.text.push_str(text);
    }

    fn replace(&mut self, chain: &Chain, inner: &[&Chain]) {
        let operands = &chain.operands;
        self.put("(");
        if chain.operators[0] == Operator::Negative {
            self.put("(");
            self.copy(operands[0].span, inner);
            self.put(")|");
            self.put(filter_of(Operator::Negative));
        } else if chain.operators[0].is_calculation() {
            // from the left: ((a - b) + c)
            for _ in 1..chain.operators.len() {
                self.put("(");
            }
            self.put("(");
            self.copy(operands[0].span, inner);
            self.put(")");
            for (index, operator) in chain.operators.iter().enumerate() {
                self.apply(*operator, operands[index + 1].span, inner);
                if index + 1 < chain.operators.len() {
                    self.put(")");
                }
            }
        } else {
            // a < b < c is a < b and b < c
            for (index, operator) in chain.operators.iter().enumerate() {
                if index > 0 {
                    self.put(" and ");
                }
                let is_in = matches!(operator, Operator::In | Operator::NotIn);
                if is_in && self.operators == Operators::OfTemplates {
                    self.put("(");
                    self.copy(operands[index].span, inner);
                    let not = if *operator == Operator::NotIn {
                        "not "
                    } else {
                        ""
                    };
                    self.put(&format!(" {not}in "));
                    self.copy(operands[index + 1].span, inner);
                    self.put(")");
                } else {
                    self.put("(");
                    self.copy(operands[index].span, inner);
                    self.put(")");
                    self.apply(*operator, operands[index + 1].span, inner);
                }
            }
        }
        self.put(")");
    }

    fn apply(&mut self, operator: Operator, right: Span, inner: &[&Chain]) {
        self.put("|");
        self.put(filter_of(operator));
        self.put("(");
        self.copy(right, inner);
        self.put(")");
    }
}
