//! The tokens of minijinja's expressions, with their places.
//!
//! minijinja takes every source first, so what comes here is well formed; this
//! only has to find where things begin and end, and gives up quietly elsewhere.

use crate::source::Span;

/// A piece of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub kind: TokenKind,
    pub text: &'a str,
    /// Offset of its first byte in the source.
    pub start: usize,
}

impl Token<'_> {
    /// Offset behind its last byte.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    Number,
    /// With its quotes.
    Text,
    Sign,
}

const LONG_SIGNS: [&str; 6] = ["//", "**", "==", "!=", ">=", "<="];

/// Whether `{# … #}` is a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comments {
    /// In whole files.
    Known,
    /// In scalars of a suite, where it is text: YAML has comments of its own.
    Unknown,
}

/// A template taken apart.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    /// What stands between the braces, each as a list of its own; of a block, without
    /// the word that it begins with.
    pub regions: Vec<Vec<Token<'a>>>,
    /// Where blocks and comments stand, with their braces: what writes nothing itself. Of a
    /// `raw` block, its two ends.
    pub blocks: Vec<Span>,
}

/// Takes a template apart.
pub(super) fn parts(source: &str, comments: Comments) -> Parts<'_> {
    let mut parts = Parts::default();
    let mut at = 0;
    while let Some(open) = source[at..].find('{').map(|offset| at + offset) {
        let inside = open + 2;
        match source.as_bytes().get(open + 1) {
            Some(b'#') if comments == Comments::Known => match source[inside..].find("#}") {
                Some(end) => {
                    at = inside + end + 2;
                    parts.blocks.push(Span::new(open, at));
                }
                None => break,
            },
            Some(b'{') => {
                let (tokens, end) = tokens(source, skip_dash(source, inside), Some("}}"));
                parts.regions.push(tokens);
                at = end;
            }
            Some(b'%') => {
                let (mut tokens, end) = tokens(source, skip_dash(source, inside), Some("%}"));
                at = end;
                parts.blocks.push(Span::new(open, end));
                match tokens.first().map(|token| token.text) {
                    Some("raw") if tokens.len() == 1 => {
                        if let Some(endraw) = end_of_raw(source, end) {
                            parts.blocks.push(endraw);
                            at = endraw.end;
                        } else {
                            at = source.len();
                        }
                    }
                    Some(_) => {
                        tokens.remove(0);
                        parts.regions.push(tokens);
                    }
                    None => {}
                }
            }
            _ => at = open + 1,
        }
    }
    parts
}

/// The tokens of a bare expression.
pub(super) fn expression(source: &str) -> Vec<Token<'_>> {
    tokens(source, 0, None).0
}

/// `{{-` and `{{+` say what happens to the space before them.
fn skip_dash(source: &str, at: usize) -> usize {
    at + usize::from(source[at..].starts_with(['-', '+']))
}

/// The next `{% endraw %}`.
fn end_of_raw(source: &str, from: usize) -> Option<Span> {
    let mut at = from;
    while let Some(open) = source[at..].find("{%").map(|offset| at + offset) {
        let inside = skip_dash(source, open + 2);
        let (tokens, end) = tokens(source, inside, Some("%}"));
        if tokens.len() == 1 && tokens[0].text == "endraw" {
            return Some(Span::new(open, end));
        }
        at = open + 2;
    }
    None
}

/// The tokens from `at` up to `end`, and the offset behind that.
fn tokens<'a>(source: &'a str, mut at: usize, end: Option<&str>) -> (Vec<Token<'a>>, usize) {
    let mut tokens = Vec::new();
    let mut depth = 0_usize;
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        if let Some(end) = end
            && depth == 0
        {
            let undashed = rest.strip_prefix(['-', '+']).unwrap_or(rest);
            if undashed.starts_with(end) {
                return (tokens, at + rest.len() - undashed.len() + end.len());
            }
        }
        let (kind, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first == '"' || first == '\'' {
            (TokenKind::Text, text_length(rest, first))
        } else if first.is_ascii_digit() {
            let after_dot = at > 0 && source.as_bytes()[at - 1] == b'.';
            (TokenKind::Number, number_length(rest, after_dot))
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            (TokenKind::Word, length)
        } else {
            let long = LONG_SIGNS.iter().any(|sign| rest.starts_with(sign));
            (TokenKind::Sign, if long { 2 } else { first.len_utf8() })
        };
        match first {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token {
            kind,
            text: &rest[..length],
            start: at,
        });
        at += length;
    }
    (tokens, source.len())
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii()
}

fn text_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (offset, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return offset + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

fn number_length(rest: &str, after_dot: bool) -> usize {
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit() || **byte == b'_')
            .count()
    };
    if matches!(
        bytes.get(..2),
        Some(b"0x" | b"0X" | b"0o" | b"0O" | b"0b" | b"0B")
    ) {
        return rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
    }
    let mut length = digits(0);
    // `a.1.0` is two subscripts, and `1.real` an attribute of a number
    if !after_dot
        && bytes.get(length) == Some(&b'.')
        && !rest[length + 1..].starts_with(|c: char| is_word(c) && !c.is_ascii_digit())
    {
        length += 1 + digits(length + 1);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
        tokens.iter().map(|token| token.text).collect()
    }

    #[test]
    fn an_expression_is_taken_apart() {
        assert_eq!(
            texts(&expression(
                r#"a.b['x\'y']|f("}}")>=1.5e-3 and x.1.0**2 //0x1F"#
            )),
            [
                "a", ".", "b", "[", r"'x\'y'", "]", "|", "f", "(", "\"}}\"", ")", ">=", "1.5e-3",
                "and", "x", ".", "1", ".", "0", "**", "2", "//", "0x1F"
            ]
        );
    }

    #[test]
    fn regions_are_found_between_the_braces() {
        let source = "a < b {# x < y #}{{- {'a': {'b': '}}'}} -}} {%+ if a<b -%}{ \
                      {% raw %}{{ no }}{% if %}{%- endraw +%} {{ z }}";
        let parts = parts(source, Comments::Known);
        let regions: Vec<_> = parts.regions.iter().map(|region| texts(region)).collect();
        assert_eq!(
            regions,
            [
                vec!["{", "'a'", ":", "{", "'b'", ":", "'}}'", "}", "}"],
                vec!["a", "<", "b"],
                vec!["z"],
            ]
        );
        let blocks: Vec<_> = parts
            .blocks
            .iter()
            .map(|span| &source[span.range()])
            .collect();
        assert_eq!(
            blocks,
            [
                "{# x < y #}",
                "{%+ if a<b -%}",
                "{% raw %}",
                "{%- endraw +%}"
            ]
        );
    }

    #[test]
    fn what_is_a_comment_in_a_file_is_text_in_a_scalar() {
        let source = "${#x} {{ y }} ${z%%#}";
        assert!(parts(source, Comments::Known).regions.is_empty());
        let parts = parts(source, Comments::Unknown);
        assert_eq!(texts(&parts.regions[0]), ["y"]);
    }

    #[test]
    fn what_is_not_closed_ends_with_the_source() {
        for source in [
            "{{ a",
            "{% raw %}",
            "{# x",
            "{{ 'a",
            "{",
            "{{ ä",
            "{%",
            "1.",
            "'\\",
        ] {
            let _ = (
                parts(source, Comments::Known),
                parts(source, Comments::Unknown),
                expression(source),
            );
        }
    }
}
