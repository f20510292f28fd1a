//! An output that has come to its end: whole, or cut.

use std::borrow::Cow;

use super::look::Seen;

/// What came of an output. Bytes that are no UTF-8 are replaced by U+FFFD, as a whole text has it,
/// wherever its pieces began and ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// All of it.
    Whole(String),
    /// There was more than is kept, or than could be looked at.
    Cut(CutText),
}

/// What is kept of an output that is not whole, and what was seen of all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutText {
    pub(super) head: String,
    pub(super) tail: String,
    pub(super) left_out: u64,
    pub(super) seen: Seen,
}

impl Text {
    /// For people: of more than is kept, the beginning and the end, and between them a line that
    /// says how much is left out. Nothing may be concluded from it.
    pub fn shown(&self) -> Cow<'_, str> {
        match self {
            Self::Whole(text) => Cow::Borrowed(text),
            Self::Cut(cut) => Cow::Owned(cut.shown()),
        }
    }

    /// How many bytes are not kept.
    pub fn left_out(&self) -> u64 {
        match self {
            Self::Whole(_) => 0,
            Self::Cut(cut) => cut.left_out,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Whole(text.to_owned())
    }
}

impl CutText {
    /// What was seen of all of it.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// How it begins.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// How many bytes are not kept.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How many bytes there were.
    pub fn bytes(&self) -> u64 {
        self.seen.bytes()
    }

    fn shown(&self) -> String {
        let Self {
            head,
            tail,
            left_out,
            ..
        } = self;
        format!("{head}\n[... {left_out} bytes left out ...]\n{tail}")
    }
}
