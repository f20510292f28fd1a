//! Finds all that must be masked in one pass over a text. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// A longer text is looked for by its first and its last bytes, of which so many must be there: a
/// message quotes no more than a beginning, and of a long output an end is kept that may begin
/// inside of a secret. The automaton's memory grows with what it holds, too, and a certificate
/// bundle in a dozen forms is a lot.
const LONGEST_PIECE: usize = 32;

/// Looks for a set of texts, all at once.
#[derive(Default)]
pub(super) struct Search {
    /// Nothing where there is nothing to look for.
    automaton: Option<AhoCorasick>,
    /// For each pattern of the automaton, the texts that it is a piece of.
    pieces: Vec<Piece>,
}

/// What a pattern of the automaton stands for.
#[derive(Default)]
struct Piece {
    /// The texts that begin with it.
    beginning_of: Vec<Arc<str>>,
    /// The longer texts that end with it.
    end_of: Vec<Arc<str>>,
}

impl Search {
    pub(super) fn new(all: &BTreeSet<String>) -> Self {
        let mut pieces: BTreeMap<&[u8], Piece> = BTreeMap::new();
        for text in all {
            let shared: Arc<str> = Arc::from(text.as_str());
            let bytes = text.as_bytes();
            if let Some(end) = bytes.len().checked_sub(LONGEST_PIECE).filter(|at| *at > 0) {
                let piece = pieces.entry(&bytes[end..]).or_default();
                piece.end_of.push(Arc::clone(&shared));
            }
            let beginning = &bytes[..bytes.len().min(LONGEST_PIECE)];
            let piece = pieces.entry(beginning).or_default();
            piece.beginning_of.push(shared);
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
        Self {
            automaton: Some(automaton),
            pieces: pieces.into_values().collect(),
        }
    }

    /// Where the texts are, in order and merged where they overlap or touch: one secret inside of
    /// another, or over the end of another, must not leave a rest of either. Of a long text that is
    /// cut, what there is.
    pub(super) fn find(&self, haystack: &[u8]) -> Vec<Range<usize>> {
        let Some(automaton) = &self.automaton else {
            return Vec::new();
        };
        let mut found: Vec<Range<usize>> = Vec::new();
        for hit in automaton.find_overlapping_iter(haystack) {
            let piece = &self.pieces[hit.pattern().as_usize()];
            let (before, after) = (&haystack[..hit.end()], &haystack[hit.start()..]);
            let beginnings = piece.beginning_of.iter();
            if let Some(length) = beginnings.map(|text| common_beginning(text, after)).max() {
                found.push(hit.start()..hit.start() + length);
            }
            let ends = piece.end_of.iter();
            if let Some(length) = ends.map(|text| common_end(text, before)).max() {
                found.push(hit.end() - length..hit.end());
            }
        }
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
}

/// So many bytes are compared at once: much faster than one by one, and secrets may be long.
const STRIDE: usize = 64;

/// How long the common beginning is, in whole characters.
fn common_beginning(text: &str, other: &[u8]) -> usize {
    let bytes = text.as_bytes();
    let strides = bytes.chunks_exact(STRIDE).zip(other.chunks_exact(STRIDE));
    let mut length = STRIDE * strides.take_while(|(one, other)| one == other).count();
    let rest = bytes[length..].iter().zip(&other[length..]);
    length += rest.take_while(|(one, other)| one == other).count();
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    length
}

/// How long the common end is, in whole characters.
fn common_end(text: &str, other: &[u8]) -> usize {
    let bytes = text.as_bytes();
    let strides = bytes.rchunks_exact(STRIDE).zip(other.rchunks_exact(STRIDE));
    let mut length = STRIDE * strides.take_while(|(one, other)| one == other).count();
    let (one, other) = (
        &bytes[..bytes.len() - length],
        &other[..other.len() - length],
    );
    let rest = one.iter().rev().zip(other.iter().rev());
    length += rest.take_while(|(one, other)| one == other).count();
    while !text.is_char_boundary(text.len() - length) {
        length -= 1;
    }
    length
}
