//! The text that a user wrote and places in it: what every message that names
//! `file:line:column` is made from.
//!
//! Knows no YAML and prints nothing: `yaml` finds the places, `diagnostic`
//! shows them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One file of a user, or one that ships in the program, kept whole so that
/// messages can quote it.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The name to show: a path as the user gave it, or `suite:NAME` for one
    /// that ships.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl SourceFile {
    /// A file of this name and text, shared by everything read from it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
        })
    }

    /// Where a byte offset stands. An offset behind the end is the end's place.
    pub fn position(&self, offset: usize) -> Position {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// A place in a file as people count: line and column are 1-based, the column
/// counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
}

/// A range of bytes in a [`SourceFile`], its end excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to, without, `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The same as a range, as slicing takes it.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A value and the place that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// What was read.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Puts a value to its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A place that can be shown without anything else at hand: the file is shared.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The place in it.
    pub span: Span,
}

impl Place {
    /// Where a part of a scalar's value stands. `self` is the scalar's place and `value` what it
    /// became, which is not what is written: quotes, escapes and indentation are gone.
    ///
    /// Nothing where the two cannot be held against each other.
    #[must_use]
    pub fn within(&self, value: &str, part: Span) -> Option<Self> {
        let written = self.file.text.get(self.span.range())?;
        let is_block = written.starts_with(['|', '>']);
        let content = match is_block {
            true => written.find('\n')? + 1,
            false => 0,
        };
        let mut rest = written[content..].char_indices();
        let (mut start, mut end) = (None, None);
        for (at, wanted) in value.char_indices() {
            if at >= part.end {
                break;
            }
            if wanted.is_whitespace() {
                continue;
            }
            let found = loop {
                let (offset, c) = rest.next()?;
                if c == wanted {
                    break offset;
                }
                match c {
                    c if c.is_whitespace() => {}
                    // what YAML puts around a text, and before a character that it escapes
                    '"' | '\'' | '\\' if !is_block => {}
                    _ => return None,
                }
            };
            if at >= part.start {
                start.get_or_insert(found);
                end = Some(found + wanted.len_utf8());
            }
        }
        let from = self.span.start + content;
        Some(Self {
            file: Arc::clone(&self.file),
            span: Span::new(from + start?, from + end?),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.file.position(self.span.start);
        write!(f, "{}:{line}:{column}", self.file.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let file = SourceFile::new("a.yaml", "ä: 1\nb: ö x\n");
        let place = |offset| {
            let position = file.position(offset);
            (position.line, position.column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(2), (1, 2));
        assert_eq!(place(1), (1, 1), "inside a character is its start");
        assert_eq!(place(6), (2, 1));
        assert_eq!(place(12), (2, 6));
        assert_eq!(place(999), (3, 1));
    }

    #[test]
    fn a_part_of_a_value_is_found_where_it_is_written() {
        for (written, value, part, expected) in [
            ("a b c", "a b c", "b", Some("1:3")),
            ("'it''s b'", "it's b", "b", Some("1:8")),
            (r#""a \"b\" c""#, r#"a "b" c"#, "c", Some("1:10")),
            ("|\n  a\n    b\n  c\n", "a\n  b\nc\n", "c", Some("4:3")),
            (">-\n  a\n  b\n", "a b", "b", Some("3:3")),
            ("a\n  b", "a b", "b", Some("2:3")),
            (r#""\x41 b""#, "A b", "b", None),
            ("a", "b", "b", None),
        ] {
            let place = Place {
                file: SourceFile::new("a.yaml", written),
                span: Span::new(0, written.len()),
            };
            let start = value.find(part).unwrap();
            let found = place.within(value, Span::new(start, start + part.len()));
            let found = found.map(|place| place.to_string().replace("a.yaml:", ""));
            assert_eq!(found.as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn a_place_is_shown_as_editors_read_it() {
        let place = Place {
            file: SourceFile::new("a.yaml", "x\n  y\n"),
            span: Span::new(4, 5),
        };
        assert_eq!(place.to_string(), "a.yaml:2:3");
    }
}
