//! Finds all that must be masked in one pass over a text. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::skeleton::{cuts, escape_cut_at_end, escape_cut_at_start, is_unreadable};

/// A longer text is looked for by pieces of itself: a message quotes no more than a beginning, of a
/// long output an end is kept, and programs print base64 in lines with words before each.
const PIECE: usize = 16;

/// The first and the last bytes of a text that has white space in it, such as a key in PEM, of
/// which so many must be there: others have its first line too.
const LONG_PIECE: usize = 32;

/// So many pieces may be taken from the middle of texts, all together: the automaton's memory grows
/// with what it holds, and some hundred certificates in a dozen forms are a lot. Beyond that, a
/// text is looked for by its beginning and its end.
const MOST_INNER_PIECES: usize = 48 * 1024;

/// Where a text is cut off, what is left of a secret is masked if it has so many bytes.
const SHORTEST_REST: usize = 4;

/// The same at the beginning and the end of the whole, where nothing tells of a cut, and a word may
/// stand that a secret begins with.
const SHORTEST_REST_AT_END: usize = 8;

/// Looks for a set of texts, all at once.
#[derive(Default)]
pub(super) struct Search {
    /// Nothing where there is nothing to look for.
    automaton: Option<AhoCorasick>,
    /// For each pattern of the automaton, where it stands in the texts that have it.
    pieces: Vec<Vec<Piece>>,
    /// How the texts begin, sorted; and how they end, backwards.
    beginnings: Vec<Box<[u8]>>,
    endings: Vec<Box<[u8]>>,
}

/// A piece of a text.
struct Piece {
    text: Arc<str>,
    /// Where it begins in that.
    at: usize,
}

impl Search {
    pub(super) fn new(all: &BTreeSet<String>) -> Self {
        let mut pieces: BTreeMap<&[u8], Vec<Piece>> = BTreeMap::new();
        let mut inner_pieces = 0;
        for text in all {
            let shared: Arc<str> = Arc::from(text.as_str());
            let bytes = text.as_bytes();
            let is_one_word = !text.contains(char::is_whitespace);
            let length = bytes
                .len()
                .min(if is_one_word { PIECE } else { LONG_PIECE });
            let mut starts = BTreeSet::from([0, bytes.len() - length]);
            if is_one_word {
                let between = (PIECE..bytes.len().saturating_sub(PIECE)).step_by(PIECE);
                let is_token = |at: &usize| bytes[*at..at + PIECE].iter().all(is_of_token);
                let left = MOST_INNER_PIECES.saturating_sub(inner_pieces);
                let before = starts.len();
                starts.extend(between.filter(is_token).take(left));
                inner_pieces += starts.len() - before;
            }
            for at in starts {
                let same = pieces.entry(&bytes[at..at + length]).or_default();
                // A text that repeats itself is found by the first and the last time.
                if same.len() >= 2
                    && same[same.len() - 2..]
                        .iter()
                        .all(|one| Arc::ptr_eq(&one.text, &shared))
                {
                    same.pop();
                }
                let text = Arc::clone(&shared);
                same.push(Piece { text, at });
            }
        }
        if pieces.is_empty() {
            return Self::default();
        }
        let automaton = AhoCorasick::builder()
            // The one kind that tells overlapping matches.
            .match_kind(MatchKind::Standard)
            // The other kinds are faster, and many times larger.
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(pieces.keys())
            .expect("secrets are far smaller than an automaton of 2^31 states");
        let mut beginnings: Vec<Box<[u8]>> = Vec::new();
        let mut endings: Vec<Box<[u8]>> = Vec::new();
        for text in all {
            let bytes = text.as_bytes();
            // The first and the last line of a key in PEM say only what it is.
            if !text.starts_with("-----") {
                beginnings.push(bytes.iter().take(LONG_PIECE).copied().collect());
            }
            if !text.ends_with("-----") {
                endings.push(bytes.iter().rev().take(LONG_PIECE).copied().collect());
            }
        }
        for list in [&mut beginnings, &mut endings] {
            list.sort_unstable();
            list.dedup();
        }
        Self {
            automaton: Some(automaton),
            pieces: pieces.into_values().collect(),
            beginnings,
            endings,
        }
    }

    /// Whether there is nothing to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }

    /// Where the texts are, in any order: one secret inside of another, or over the end of another,
    /// is told too. Of a long text that is cut, what there is.
    pub(super) fn find(&self, haystack: &[u8]) -> Vec<Range<usize>> {
        let Some(automaton) = &self.automaton else {
            return Vec::new();
        };
        let mut found: Vec<Range<usize>> = Vec::new();
        // For each text, and where it would begin, how far it was found.
        let mut known: HashMap<(*const u8, isize), usize> = HashMap::new();
        for hit in automaton.find_overlapping_iter(haystack) {
            let at_hit = hit.start();
            for Piece { text, at } in &self.pieces[hit.pattern().as_usize()] {
                let key = (text.as_ptr(), at_hit.cast_signed() - at.cast_signed());
                if known.get(&key).is_some_and(|end| *end >= hit.end()) {
                    continue;
                }
                let behind = common_beginning(&text.as_bytes()[*at..], &haystack[at_hit..]);
                let before = common_end(&text.as_bytes()[..*at], &haystack[..at_hit]);
                known.insert(key, at_hit + behind);
                // In whole characters.
                let (mut start, mut end) = (at - before, at + behind);
                while !text.is_char_boundary(start) {
                    start += 1;
                }
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                if start < end {
                    let begin = at_hit + start - at;
                    found.push(begin..begin + end - start);
                }
            }
        }
        self.find_rests(haystack, &mut found);
        found
    }

    /// What is left of texts where the haystack is cut off.
    fn find_rests(&self, haystack: &[u8], found: &mut Vec<Range<usize>>) {
        let length = haystack.len();
        let ends = [
            (0..0, SHORTEST_REST_AT_END),
            (length..length, SHORTEST_REST_AT_END),
        ];
        let cuts = cuts(haystack).map(|cut| (cut, SHORTEST_REST));
        for (cut, shortest) in cuts.chain(ends) {
            let before = &haystack[..cut.start];
            // A character that was cut in two cannot be read.
            let before = &before[..before.len() - unreadable_at_end(before)];
            for skipped in 0..=escape_cut_at_end(before) {
                let before = &before[..before.len() - skipped];
                let window = &before[before.len().saturating_sub(LONG_PIECE)..];
                if let Some(rest) = longest(&self.beginnings, shortest, window) {
                    found.push(before.len() - rest..before.len());
                }
            }
            let behind = &haystack[cut.end..];
            let unreadable = unreadable_at_start(behind);
            for skipped in 0..=escape_cut_at_start(&behind[unreadable..]) {
                let start = unreadable + skipped;
                let behind = &behind[start..];
                let mut window = [0; LONG_PIECE];
                let window = &mut window[..behind.len().min(LONG_PIECE)];
                window.copy_from_slice(&behind[..window.len()]);
                window.reverse();
                if let Some(rest) = longest(&self.endings, shortest, window) {
                    let start = cut.end + start;
                    found.push(start..start + rest);
                }
            }
        }
    }
}

/// How long the longest end of a window is that one of the sorted texts begins with.
fn longest(sorted: &[Box<[u8]>], shortest: usize, window: &[u8]) -> Option<usize> {
    (shortest..=window.len()).rev().find(|length| {
        let rest = &window[window.len() - length..];
        let at = sorted.partition_point(|text| **text < *rest);
        sorted.get(at).is_some_and(|text| text.starts_with(rest))
    })
}

fn unreadable_at_end(bytes: &[u8]) -> usize {
    let chunks = bytes.rchunks_exact(3);
    3 * chunks.take_while(|chunk| is_unreadable(chunk)).count()
}

fn unreadable_at_start(bytes: &[u8]) -> usize {
    let chunks = bytes.chunks_exact(3);
    3 * chunks.take_while(|chunk| is_unreadable(chunk)).count()
}

/// What base64, hexadecimal digits and most tokens consist of.
fn is_of_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=_-%".contains(byte)
}

/// The ranges in order, merged where they overlap or touch.
pub(super) fn merged(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.sort_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// So many bytes are compared at once: much faster than one by one, and secrets may be long.
const STRIDE: usize = 64;

/// How long the common beginning is.
fn common_beginning(one: &[u8], other: &[u8]) -> usize {
    let strides = one.chunks_exact(STRIDE).zip(other.chunks_exact(STRIDE));
    let length = STRIDE * strides.take_while(|(one, other)| one == other).count();
    let rest = one[length..].iter().zip(&other[length..]);
    length + rest.take_while(|(one, other)| one == other).count()
}

/// How long the common end is.
fn common_end(one: &[u8], other: &[u8]) -> usize {
    let strides = one.rchunks_exact(STRIDE).zip(other.rchunks_exact(STRIDE));
    let length = STRIDE * strides.take_while(|(one, other)| one == other).count();
    let (one, other) = (&one[..one.len() - length], &other[..other.len() - length]);
    let rest = one.iter().rev().zip(other.iter().rev());
    length + rest.take_while(|(one, other)| one == other).count()
}
