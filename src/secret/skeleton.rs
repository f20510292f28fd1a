//! What a text says without what terminals, editors and YAML put between its characters, and where
//! it is cut off. Pure.
//!
//! A token with a colour code in it is the token to whoever reads it, and base64 in lines of 76
//! characters is the same base64.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

/// What nobody sees: escape sequences, also as JSON and shells write them, control characters but
/// tabs and line ends, and characters without a width.
const UNSEEN: &str = r"\x1b\[[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[\x20-\x2f]*[\x30-\x7e]|\xc2\x9b[0-9;:?]*[A-Za-z]|\\(?:u001[bB]|x1[bB]|033|e)\[[0-9;:?]*[A-Za-z]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf";

/// The end of a line, also as JSON and shells write it, and what stands before the next one: the
/// indentation, the number of the line, a bar.
const LINE_END: &str = r"(?:\\?\r?\n|(?:\\r)?\\n)(?:[ \t]*(?:[0-9]+ )?\|)?[ \t]*";

/// Where our own messages say that something is left out.
const CUT: &str =
    r#"\n?\[\.\.\.[^\[\]\n]{1,80}\.\.\.\]\n?|["'`]?\xe2\x80\xa6(?:\xe2\x80\xa6)*["'`]?"#;

/// What is left of an escape sequence that is cut in two, also as JSON and shells write it: its
/// beginning, of which [`UNSEEN`] takes out what could stand alone, and its end.
const ESCAPE_BEGINNING: &str = r"(?:\\(?:u?0?0?1?[bB]?|x?1?[bB]?|0?3?3?|e))?\x1b?\[?[\x30-\x3f]*$";
const ESCAPE_END: &str =
    r"^(?:u?0?0?1?[bB]|x?1?[bB]|0?3?3|e)?\[?[\x30-\x3f]*[\x20-\x2f]*[\x40-\x7e]?";

/// The longest of these that is looked for: colours have up to 19 characters (`38;2;255;255;255m`).
const LONGEST_ESCAPE: usize = 24;

fn compiled(pattern: &str) -> Regex {
    Regex::new(&format!("(?-u){pattern}")).expect("these patterns are well formed")
}

/// A text of which something is taken out.
pub(super) struct Skeleton {
    /// What is left.
    pub bytes: Vec<u8>,
    /// The pieces that are left: offset in the bytes, offset in the text.
    pieces: Vec<(usize, usize)>,
}

impl Skeleton {
    /// Without what nobody sees; nothing where all can be seen.
    pub(super) fn seen(text: &[u8]) -> Option<Self> {
        static PATTERN: LazyLock<Regex> = LazyLock::new(|| compiled(UNSEEN));
        Self::without(text, &PATTERN)
    }

    /// As [`seen`](Self::seen), and as one line; nothing where it is that already.
    pub(super) fn joined(text: &[u8]) -> Option<Self> {
        static PATTERN: LazyLock<Regex> =
            LazyLock::new(|| compiled(&format!("{LINE_END}|{UNSEEN}")));
        Self::without(text, &PATTERN)
    }

    fn without(text: &[u8], pattern: &Regex) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut pieces = Vec::new();
        let mut end = 0;
        for found in pattern.find_iter(text) {
            pieces.push((bytes.len(), end));
            bytes.extend_from_slice(&text[end..found.start()]);
            end = found.end();
        }
        if pieces.is_empty() {
            return None;
        }
        pieces.push((bytes.len(), end));
        bytes.extend_from_slice(&text[end..]);
        Some(Self { bytes, pieces })
    }

    /// Where a part of it that is not empty stood in the text.
    pub(super) fn original(&self, part: &Range<usize>) -> Range<usize> {
        self.offset(part.start)..self.offset(part.end - 1) + 1
    }

    /// The last piece that begins there, since those before it are empty.
    fn offset(&self, at: usize) -> usize {
        let behind = self.pieces.partition_point(|(start, _)| *start <= at);
        let (start, original) = self.pieces[behind - 1];
        original + (at - start)
    }
}

/// Where something is left out of a text.
pub(super) fn cuts(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| compiled(CUT));
    PATTERN.find_iter(text).map(|found| found.range())
}

/// How many bytes at the end of a text that is cut off there may be the beginning of an escape
/// sequence, at most: digits of a secret cannot be told from those of a colour.
pub(super) fn escape_cut_at_end(text: &[u8]) -> usize {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| compiled(ESCAPE_BEGINNING));
    let end = &text[text.len().saturating_sub(LONGEST_ESCAPE)..];
    PATTERN.find(end).map_or(0, |found| found.len())
}

/// As [`escape_cut_at_end`], for the end of one at the beginning of a text.
pub(super) fn escape_cut_at_start(text: &[u8]) -> usize {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| compiled(ESCAPE_END));
    let start = &text[..text.len().min(LONGEST_ESCAPE)];
    PATTERN.find(start).map_or(0, |found| found.len())
}

/// Whether these are the bytes of the character that stands for what cannot be read.
pub(super) fn is_unreadable(bytes: &[u8]) -> bool {
    bytes == "\u{fffd}".as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(skeleton: Option<Skeleton>) -> Option<String> {
        Some(String::from_utf8(skeleton?.bytes).unwrap())
    }

    #[test]
    fn what_nobody_sees_is_taken_out() {
        for unseen in [
            "\u{1b}[31m",
            "\u{1b}[0;1m",
            "\u{1b}]8;;http://x\u{1b}\\",
            "\u{1b}]0;t\u{7}",
            "\0",
            "\u{9b}31m",
            "\u{200b}",
            "\u{202e}",
            "\u{feff}",
            r"\u001b[1m",
            r"\033[0m",
            "\u{1b}(B",
        ] {
            let whole = format!("a{unseen}b");
            assert_eq!(
                text(Skeleton::seen(whole.as_bytes())).as_deref(),
                Some("ab"),
                "{unseen:?}"
            );
        }
        assert!(Skeleton::seen("é\ta\r\n…".as_bytes()).is_none());
    }

    #[test]
    fn lines_are_joined() {
        for between in [
            "\n",
            "\r\n",
            "\n    ",
            "\\n",
            "\\r\\n",
            "\\\n",
            "\n  12 | ",
            "\n| ",
        ] {
            let whole = format!("a{between}b");
            let joined = Skeleton::joined(whole.as_bytes());
            assert_eq!(text(joined).as_deref(), Some("ab"), "{between:?}");
        }
        assert!(Skeleton::joined(b"a b | c").is_none());
    }

    #[test]
    fn parts_are_found_in_the_text_again() {
        let whole = "\u{1b}[1mab\u{1b}[0mcd\n  ef\n";
        let joined = Skeleton::joined(whole.as_bytes()).unwrap();
        assert_eq!(joined.bytes, b"abcdef");
        let original = |part| &whole[joined.original(&part)];
        assert_eq!(original(0..2), "ab");
        assert_eq!(original(1..3), "b\u{1b}[0mc");
        assert_eq!(original(2..6), "cd\n  ef");
    }

    #[test]
    fn escapes_that_are_cut_in_two_may_be_skipped() {
        for (escape, seen) in [
            ("\u{1b}[38;2;255;255;255m", "38;2;255;255;255m"),
            ("\u{1b}[1m", "1m"),
            (r"\u001b[0;31m", ""),
            (r"\x1b[1m", ""),
            (r"\033[1m", ""),
            (r"\e[1m", ""),
        ] {
            for at in 1..escape.len() {
                let (beginning, end) = escape.split_at(at);
                // What is left of the beginning where the rest of it was taken out already.
                let beginning = if seen.is_empty() || at < 2 {
                    beginning
                } else {
                    &beginning[2..]
                };
                let skipped = escape_cut_at_end(format!("x{beginning}").as_bytes());
                assert_eq!(skipped, beginning.len(), "{beginning:?}");
                let skipped = escape_cut_at_start(format!("{end}é").as_bytes());
                assert_eq!(skipped, end.len(), "{end:?}");
            }
        }
        assert_eq!(escape_cut_at_end(b"text, text"), 0);
    }

    #[test]
    fn cuts_are_found() {
        let text = "a\n[... 12 bytes left out ...]\nb \"c…\" [1] [...]";
        let found: Vec<_> = cuts(text.as_bytes()).map(|cut| &text[cut]).collect();
        assert_eq!(found, ["\n[... 12 bytes left out ...]\n", "…\""]);
        // each is looked around
        assert_eq!(cuts("…".repeat(1000).as_bytes()).count(), 1);
    }
}
