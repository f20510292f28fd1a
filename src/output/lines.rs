//! Which lines of an output are wanted, chosen as they come.

use regex::Regex;

/// A longer line cannot be chosen by what is in it: it is not kept, and not looked at.
const LONGEST: usize = 1024 * 1024;

/// Which lines are wanted: all must hold that are given.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// This text is in the line.
    pub containing: Option<String>,
    /// This pattern matches in the line.
    pub matching: Option<Regex>,
    /// So many of them, the first ones.
    pub first: Option<usize>,
}

impl Lines {
    fn have(&self, line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        let contains = self.containing.as_deref();
        let matches = self.matching.as_ref();
        contains.is_none_or(|text| line.contains(text))
            && matches.is_none_or(|pattern| pattern.is_match(&line))
    }

    /// Whether one of several lines may be wanted: most often none is, and that is known faster of
    /// all at once.
    fn may_have(&self, lines: &[u8]) -> bool {
        self.containing
            .as_deref()
            .is_none_or(|text| String::from_utf8_lossy(lines).contains(text))
    }
}

/// What comes of choosing.
pub(super) enum Chosen<'a> {
    /// A line that is wanted, with its end.
    Line(&'a [u8]),
    /// So many bytes of a line that is too long to be looked at, or that is wanted only where such a
    /// line before it is not.
    Unread(u64),
}

/// Chooses lines out of pieces.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    lines: Lines,
    /// The beginning of the line that comes; empty within one that is too long.
    begun: Vec<u8>,
    is_too_long: bool,
    /// How many are still wanted, where none of those that were too long is.
    wanted: usize,
    /// How many were too long: each of them may be one that is wanted.
    unread: usize,
}

impl Choice {
    pub(super) fn new(lines: Lines) -> Self {
        Self {
            wanted: lines.first.unwrap_or(usize::MAX),
            lines,
            begun: Vec::new(),
            is_too_long: false,
            unread: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Chosen<'_>)) {
        if self.wanted == 0 {
            return;
        }
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            self.begin(bytes, &mut take);
            return;
        };
        let (mut ended, begun) = bytes.split_at(end + 1);
        if self.is_too_long {
            let rest = ended.iter().position(|byte| *byte == b'\n');
            let (rest, others) = ended.split_at(rest.map_or(0, |at| at + 1));
            take(Chosen::Unread(rest.len() as u64));
            self.is_too_long = false;
            ended = others;
        }
        self.begun.extend_from_slice(ended);
        if self.lines.may_have(&self.begun) {
            let lines = self.begun.split_inclusive(|byte| *byte == b'\n');
            let chosen = lines.filter(|line| self.lines.have(line));
            for line in chosen.take(self.wanted) {
                // it may be one too many
                take(match self.wanted > self.unread {
                    true => Chosen::Line(line),
                    false => Chosen::Unread(line.len() as u64),
                });
                self.wanted -= 1;
            }
        }
        self.begun.clear();
        self.begin(begun, &mut take);
    }

    fn begin(&mut self, bytes: &[u8], take: &mut impl FnMut(Chosen<'_>)) {
        if self.wanted == 0 {
            return;
        }
        self.begun.extend_from_slice(bytes);
        if self.is_too_long || self.begun.len() > LONGEST {
            self.unread += usize::from(!self.is_too_long);
            self.is_too_long = true;
            take(Chosen::Unread(self.begun.len() as u64));
            self.begun.clear();
        }
    }

    /// The last line has no end of its own.
    pub(super) fn end_line(&mut self, take: impl FnMut(Chosen<'_>)) {
        if self.is_too_long || !self.begun.is_empty() {
            self.push(b"\n", take);
        }
    }
}
