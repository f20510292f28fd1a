//! What an expression asks: where its comparisons, sums, paths and filters stand.
//!
//! minijinja has no hook for its operators, and its syntax tree is not public (an
//! unstable feature shows it, with spans that do not hold what they name). So the
//! operands are found here, by the grammar of minijinja 3, which is small: what
//! binds tighter than a comparison is one operand. Only places come out of it;
//! minijinja parses what is made of them again, so a mistake here is an error of
//! the template and never another meaning. Property tests compare the two.

use std::collections::{BTreeMap, BTreeSet};

use super::lexer::{self, Comments, Token, TokenKind};
use crate::source::Span;

/// What was found in one source, in the order of the source.
#[derive(Clone, Debug, Default)]
pub(super) struct Syntax {
    /// Comparisons and calculations.
    pub chains: Vec<Chain>,
    /// `object.status.phase`, `nodes`, `labels['a/b']`: names, and what is asked
    /// of them.
    pub paths: Vec<Span>,
    /// The names of filters.
    pub filters: Vec<Span>,
    /// The names of tests.
    pub tests: Vec<Span>,
    /// What is called as a method of something.
    pub methods: Vec<Method>,
}

/// `x.name(…)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    /// Its name.
    pub name: Span,
    /// What it is called on.
    pub receiver: Span,
}

/// Operands with operators of one precedence between them: `a < b`, `a - b + c`; or one with a
/// sign before it.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub span: Span,
    /// One more than operators; with a sign as many.
    pub operands: Vec<Operand>,
    pub operators: Vec<Operator>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    pub span: Span,
    pub kind: OperandKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OperandKind {
    /// Text in quotes, and nothing else.
    Text,
    /// Another value that stands there as it is.
    Literal,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    In,
    NotIn,
    Plus,
    Minus,
    /// `~`.
    Join,
    Times,
    Divide,
    /// `//`.
    DivideWhole,
    Remainder,
    Power,
    /// The `-` before one operand.
    Negative,
}

impl Operator {
    /// `<`, `<=`, `>` or `>=`.
    pub fn is_order(self) -> bool {
        matches!(
            self,
            Self::Less | Self::AtMost | Self::Greater | Self::AtLeast
        )
    }

    /// Whether it makes a value of values, and says nothing of them.
    pub fn is_calculation(self) -> bool {
        self.is_sum()
            || matches!(
                self,
                Self::Join
                    | Self::Times
                    | Self::Divide
                    | Self::DivideWhole
                    | Self::Remainder
                    | Self::Power
                    | Self::Negative
            )
    }

    /// `+` or `-`.
    pub fn is_sum(self) -> bool {
        matches!(self, Self::Plus | Self::Minus)
    }
}

impl Syntax {
    /// Reads a template.
    pub fn of_template(source: &str, comments: Comments) -> Self {
        Self::of(&lexer::parts(source, comments).regions)
    }

    /// Reads a bare expression.
    pub fn of_expression(source: &str) -> Self {
        Self::of(&[lexer::expression(source)])
    }

    /// Where a name or a path such as `pod.name` is asked for in the source that was read: as it
    /// is written or with more behind it, else where its first name is.
    pub fn asks_for(&self, source: &str, path: &str) -> Option<Span> {
        let goes_on = |rest: &str| rest.is_empty() || rest.trim_start().starts_with(['.', '[']);
        let begins = |path: &str| {
            let mut paths = self.paths.iter();
            paths.find(|span| {
                let written = &source[span.range()];
                written.strip_prefix(path).is_some_and(goes_on)
            })
        };
        let root = path.split(['.', '[']).next().unwrap_or_default();
        match root {
            "" => None,
            root => {
                let found = begins(path).map(|span| (span, path));
                found.or_else(|| Some((begins(root)?, root)))
            }
        }
        .map(|(span, written)| Span::new(span.start, span.start + written.len()))
    }

    /// minijinja takes a method for a field: of `object.items()` only `object` is asked for.
    pub fn without_methods(&self, source: &str, paths: BTreeSet<String>) -> BTreeSet<String> {
        let methods = self.methods.iter().map(|method| {
            let receiver = &source[method.receiver.range()];
            let called = format!("{receiver}.{}", &source[method.name.range()]);
            (called, receiver.to_owned())
        });
        let receivers: BTreeMap<String, String> = methods.collect();
        paths
            .into_iter()
            .map(|path| receivers.get(&path).cloned().unwrap_or(path))
            .collect()
    }

    fn of(regions: &[Vec<Token<'_>>]) -> Self {
        let mut syntax = Self::default();
        for tokens in regions {
            let mut reader = Reader {
                tokens,
                at: 0,
                found: syntax,
            };
            // a block holds more than expressions (`for x in`, `set x =`): what is
            // none is stepped over
            while reader.at < tokens.len() {
                let before = reader.mark();
                if reader.expression().is_none() {
                    reader.back_to(before);
                    reader.at += 1;
                }
            }
            syntax = reader.found;
        }
        let by_place = |span: &Span| (span.start, usize::MAX - span.end);
        syntax.chains.sort_by_key(|chain| by_place(&chain.span));
        syntax.paths.sort_by_key(by_place);
        syntax
    }
}

struct Reader<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    found: Syntax,
}

/// How much was found, to go back to.
struct Mark {
    at: usize,
    lengths: [usize; 5],
}

/// Nothing where the tokens are no expression.
type Read<T = ()> = Option<T>;

impl<'a> Reader<'_, 'a> {
    fn mark(&self) -> Mark {
        let found = &self.found;
        Mark {
            at: self.at,
            lengths: [
                found.chains.len(),
                found.paths.len(),
                found.filters.len(),
                found.tests.len(),
                found.methods.len(),
            ],
        }
    }

    fn back_to(&mut self, mark: Mark) {
        self.at = mark.at;
        self.found.chains.truncate(mark.lengths[0]);
        self.found.paths.truncate(mark.lengths[1]);
        self.found.filters.truncate(mark.lengths[2]);
        self.found.tests.truncate(mark.lengths[3]);
        self.found.methods.truncate(mark.lengths[4]);
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    /// Whether the token so many ahead is this sign or keyword.
    fn ahead(&self, offset: usize, text: &str) -> bool {
        self.tokens.get(self.at + offset).is_some_and(|token| {
            token.text == text && matches!(token.kind, TokenKind::Sign | TokenKind::Word)
        })
    }

    fn skip(&mut self, text: &str) -> bool {
        let is_there = self.ahead(0, text);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, text: &str) -> Read {
        self.skip(text).then_some(())
    }

    fn span_from(&self, first: usize) -> Span {
        let end = self.tokens[self.at - 1].end();
        Span::new(self.tokens[first].start, end)
    }

    fn expression(&mut self) -> Read {
        self.alternatives()?;
        while self.skip("if") {
            self.alternatives()?;
            if self.skip("else") {
                self.expression()?;
            }
        }
        Some(())
    }

    /// `or` and `and`: which of them binds tighter does not matter here.
    fn alternatives(&mut self) -> Read {
        loop {
            while self.skip("not") {}
            self.comparison()?;
            if !self.skip("or") && !self.skip("and") {
                return Some(());
            }
        }
    }

    fn comparison(&mut self) -> Read {
        self.chain(Self::sum, |reader| {
            let two_words = reader.ahead(0, "not") && reader.ahead(1, "in");
            let operator = match reader.peek()?.text {
                _ if two_words => Operator::NotIn,
                "==" => Operator::Equal,
                "!=" => Operator::NotEqual,
                "<" => Operator::Less,
                "<=" => Operator::AtMost,
                ">" => Operator::Greater,
                ">=" => Operator::AtLeast,
                "in" => Operator::In,
                _ => return None,
            };
            reader.at += if two_words { 2 } else { 1 };
            Some(operator)
        })
    }

    fn sum(&mut self) -> Read {
        const SIGNS: [(&str, Operator); 2] = [("+", Operator::Plus), ("-", Operator::Minus)];
        self.chain(Self::joined, |reader| reader.sign(&SIGNS))
    }

    fn joined(&mut self) -> Read {
        self.chain(Self::product, |reader| {
            reader.sign(&[("~", Operator::Join)])
        })
    }

    fn product(&mut self) -> Read {
        const SIGNS: [(&str, Operator); 4] = [
            ("*", Operator::Times),
            ("/", Operator::Divide),
            ("//", Operator::DivideWhole),
            ("%", Operator::Remainder),
        ];
        self.chain(Self::power, |reader| reader.sign(&SIGNS))
    }

    fn power(&mut self) -> Read {
        self.chain(Self::factor, |reader| {
            reader.sign(&[("**", Operator::Power)])
        })
    }

    /// The operator whose sign comes next.
    fn sign(&mut self, signs: &[(&str, Operator)]) -> Option<Operator> {
        let mut signs = signs.iter();
        let (_, operator) = signs.find(|(sign, _)| self.skip(sign))?;
        Some(*operator)
    }

    fn chain(
        &mut self,
        operand: fn(&mut Self) -> Read,
        operator: fn(&mut Self) -> Option<Operator>,
    ) -> Read {
        let first = self.at;
        let mut operands = Vec::new();
        let mut operators = Vec::new();
        loop {
            let start = self.at;
            operand(self)?;
            operands.push(Operand {
                span: self.span_from(start),
                kind: self.operand_kind(start),
            });
            match operator(self) {
                Some(operator) => operators.push(operator),
                None => break,
            }
        }
        if !operators.is_empty() {
            self.found.chains.push(Chain {
                span: self.span_from(first),
                operands,
                operators,
            });
        }
        Some(())
    }

    fn operand_kind(&self, first: usize) -> OperandKind {
        let tokens = &self.tokens[first..self.at];
        let mut inside = tokens;
        while let [open, between @ .., close] = inside
            && open.text == "("
            && close.text == ")"
        {
            inside = between;
        }
        let is_literal = |token: &Token<'_>| match token.kind {
            TokenKind::Number => true,
            TokenKind::Word => is_constant(token.text),
            TokenKind::Text => false,
            TokenKind::Sign => token.text == "-",
        };
        if !inside.is_empty() && inside.iter().all(|token| token.kind == TokenKind::Text) {
            OperandKind::Text
        } else if inside.iter().all(is_literal) {
            OperandKind::Literal
        } else {
            OperandKind::Other
        }
    }

    fn factor(&mut self) -> Read {
        self.signed_value()?;
        loop {
            if self.skip("|") {
                let name = self.dotted_name()?;
                self.found.filters.push(name);
                if self.ahead(0, "(") {
                    self.arguments()?;
                }
            } else if self.skip("is") {
                self.skip("not");
                let name = self.dotted_name()?;
                self.found.tests.push(name);
                if self.ahead(0, "(") {
                    self.arguments()?;
                } else if self.begins_an_argument() {
                    self.signed_value()?;
                }
            } else {
                return Some(());
            }
        }
    }

    /// Whether what follows a test is its argument: `x is divisibleby 3`.
    fn begins_an_argument(&self) -> bool {
        self.peek().is_some_and(|token| match token.kind {
            TokenKind::Word => !matches!(token.text, "and" | "or" | "else" | "is"),
            TokenKind::Number | TokenKind::Text => true,
            TokenKind::Sign => matches!(token.text, "+" | "-" | "[" | "{"),
        })
    }

    fn dotted_name(&mut self) -> Read<Span> {
        let first = self.at;
        self.word()?;
        while self.skip(".") {
            self.word()?;
        }
        Some(self.span_from(first))
    }

    fn word(&mut self) -> Read {
        (self.next()?.kind == TokenKind::Word).then_some(())
    }

    /// A value with what is asked of it, and the signs before it.
    fn signed_value(&mut self) -> Read {
        let sign = self.at;
        if !self.skip("-") {
            return self.value();
        }
        let start = self.at;
        self.signed_value()?;
        let kind = self.operand_kind(start);
        // a number with its sign is a number
        if kind != OperandKind::Literal {
            self.found.chains.push(Chain {
                span: self.span_from(sign),
                operands: vec![Operand {
                    span: self.span_from(start),
                    kind,
                }],
                operators: vec![Operator::Negative],
            });
        }
        Some(())
    }

    fn value(&mut self) -> Read {
        let first = self.at;
        let token = self.next()?;
        let mut path = None;
        match token.kind {
            TokenKind::Number => {}
            TokenKind::Text => {
                while self
                    .peek()
                    .is_some_and(|token| token.kind == TokenKind::Text)
                {
                    self.at += 1;
                }
            }
            TokenKind::Word if is_constant(token.text) => {}
            TokenKind::Word => path = Some(self.span_from(first)),
            TokenKind::Sign => match token.text {
                "(" => self.list(")", false)?,
                "[" => self.list("]", false)?,
                "{" => self.list("}", true)?,
                _ => return None,
            },
        }
        self.questions(first, path)
    }

    /// `.attribute`, `[subscript]` and `(call)`, which a path takes as far as it is one.
    fn questions(&mut self, first: usize, mut path: Option<Span>) -> Read {
        // of a call, what is called is no value: `object.items()` asks for `object`
        let mut before_last = None;
        let mut is_path = path.is_some();
        loop {
            if self.skip(".") {
                let receiver = Span::new(self.tokens[first].start, self.tokens[self.at - 2].end());
                let name = self.next()?;
                if !matches!(name.kind, TokenKind::Word | TokenKind::Number) {
                    return None;
                }
                if self.ahead(0, "(") {
                    let name = Span::new(name.start, name.end());
                    self.found.methods.push(Method { name, receiver });
                }
            } else if self.skip("[") {
                if self.subscript()? == Subscript::Slice {
                    is_path = false;
                }
            } else if self.ahead(0, "(") {
                if is_path {
                    path = before_last;
                    is_path = false;
                }
                self.arguments()?;
            } else {
                self.found.paths.extend(path);
                return Some(());
            }
            if is_path {
                before_last = path;
                path = Some(self.span_from(first));
            }
        }
    }

    fn subscript(&mut self) -> Read<Subscript> {
        let mut kind = Subscript::Item;
        loop {
            if self.skip("]") {
                return Some(kind);
            } else if self.skip(":") {
                kind = Subscript::Slice;
            } else {
                self.expression()?;
            }
        }
    }

    fn list(&mut self, close: &str, is_map: bool) -> Read {
        while !self.skip(close) {
            self.expression()?;
            if is_map {
                self.expect(":")?;
                self.expression()?;
            }
            if !self.skip(",") {
                return self.expect(close);
            }
        }
        Some(())
    }

    fn arguments(&mut self) -> Read {
        self.expect("(")?;
        while !self.skip(")") {
            if !self.skip("**") {
                self.skip("*");
            }
            if self.ahead(1, "=") {
                // the name of the argument
                self.at += 2;
            }
            self.expression()?;
            if !self.skip(",") {
                return self.expect(")");
            }
        }
        Some(())
    }
}

#[derive(PartialEq, Eq)]
enum Subscript {
    Item,
    Slice,
}

fn is_constant(word: &str) -> bool {
    matches!(word, "true" | "True" | "false" | "False" | "none" | "None")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(source: &str) -> Vec<&str> {
        let syntax = Syntax::of_expression(source);
        syntax
            .paths
            .iter()
            .map(|span| &source[span.range()])
            .collect()
    }

    fn chains(source: &str) -> Vec<Vec<&str>> {
        let syntax = Syntax::of_expression(source);
        let operands = |chain: &Chain| {
            let spans = chain.operands.iter();
            spans.map(|operand| &source[operand.span.range()]).collect()
        };
        syntax.chains.iter().map(operands).collect()
    }

    #[test]
    fn operands_end_where_something_looser_begins() {
        for (source, expected) in [
            ("a < b", vec![vec!["a", "b"]]),
            (
                "not a|f < -b.c[0] and d",
                vec![vec!["a|f", "-b.c[0]"], vec!["b.c[0]"]],
            ),
            ("a if b < c else d", vec![vec!["b", "c"]]),
            (
                "a ~ b * c >= d ** 2",
                vec![
                    vec!["a ~ b * c", "d ** 2"],
                    vec!["a", "b * c"],
                    vec!["b", "c"],
                    vec!["d", "2"],
                ],
            ),
            (
                "a // -b.c|f % 2 ** d ~ --e - 1",
                vec![
                    vec!["a // -b.c|f % 2 ** d ~ --e", "1"],
                    vec!["a // -b.c|f % 2 ** d", "--e"],
                    vec!["a", "-b.c|f", "2 ** d"],
                    vec!["b.c"],
                    vec!["2", "d"],
                    vec!["-e"],
                    vec!["e"],
                ],
            ),
            ("a - b + c", vec![vec!["a", "b", "c"]]),
            ("a + 1 < b", vec![vec!["a + 1", "b"], vec!["a", "1"]]),
            (
                "x is divisibleby 3 == y",
                vec![vec!["x is divisibleby 3", "y"]],
            ),
            ("x is not defined or a not in b", vec![vec!["a", "b"]]),
            ("f(x=a<b, *c)[d>e:]", vec![vec!["a", "b"], vec!["d", "e"]]),
            (
                "{'a': b < c}|g(d == e)",
                vec![vec!["b", "c"], vec!["d", "e"]],
            ),
            (
                "(a < b) == (c < d)",
                vec![vec!["(a < b)", "(c < d)"], vec!["a", "b"], vec!["c", "d"]],
            ),
            ("'a' 'b' < x.if.in", vec![vec!["'a' 'b'", "x.if.in"]]),
        ] {
            assert_eq!(chains(source), expected, "{source}");
        }
    }

    #[test]
    fn methods_are_told_with_what_they_are_called_on() {
        for (source, expected) in [
            ("a.b.items() | f", vec![("items", "a.b")]),
            (
                "'x'.upper().lower()",
                vec![("upper", "'x'"), ("lower", "'x'.upper()")],
            ),
            (
                "(a or b).get(c.d(), e(1))",
                vec![("get", "(a or b)"), ("d", "c")],
            ),
            ("a.b[c.d]", vec![]),
        ] {
            let mut methods: Vec<_> = Syntax::of_expression(source)
                .methods
                .iter()
                .map(|method| {
                    (
                        &source[method.name.range()],
                        &source[method.receiver.range()],
                    )
                })
                .collect();
            methods.sort_by_key(|(name, _)| source.find(name));
            assert_eq!(methods, expected, "{source}");
        }
    }

    #[test]
    fn paths_are_told() {
        for (source, expected) in [
            ("object.status.ready == 3", vec!["object.status.ready"]),
            ("a['x/y'][b.c].d", vec!["a['x/y'][b.c].d", "b.c"]),
            ("a.items() | f(x=b)", vec!["a", "b"]),
            ("now() - a.b[1:2].c", vec!["a.b"]),
            ("none in x and true", vec!["x"]),
            ("x|d(y) is eq z", vec!["x", "y", "z"]),
        ] {
            assert_eq!(paths(source), expected, "{source}");
        }
    }
}
