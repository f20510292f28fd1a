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
    fn a_place_is_shown_as_editors_read_it() {
        let place = Place {
            file: SourceFile::new("a.yaml", "x\n  y\n"),
            span: Span::new(4, 5),
        };
        assert_eq!(place.to_string(), "a.yaml:2:3");
    }
}
