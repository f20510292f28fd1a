//! Finds all that must be masked in one pass over a text. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// A longer text is looked for by its beginning: the automaton's memory grows with what it holds, and
/// a certificate bundle in a dozen forms is a lot.
const LONGEST_BEGINNING: usize = 512;

/// Looks for a set of texts, all at once.
#[derive(Default)]
pub(super) struct Search {
    /// Nothing where there is nothing to look for.
    automaton: Option<AhoCorasick>,
    /// For each pattern of the automaton, the texts that begin with it.
    texts: Vec<Vec<String>>,
}

impl Search {
    pub(super) fn new(all: &BTreeSet<String>) -> Self {
        let mut by_beginning: BTreeMap<&[u8], Vec<String>> = BTreeMap::new();
        for text in all {
            let bytes = text.as_bytes();
            let beginning = &bytes[..bytes.len().min(LONGEST_BEGINNING)];
            by_beginning
                .entry(beginning)
                .or_default()
                .push(text.clone());
        }
        if by_beginning.is_empty() {
            return Self::default();
        }
        let automaton = AhoCorasick::builder()
            // The one kind that tells overlapping matches.
            .match_kind(MatchKind::Standard)
            // The other kinds are faster, and many times larger.
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(by_beginning.keys())
            .expect("secrets are far smaller than an automaton of 2^31 states");
        Self {
            automaton: Some(automaton),
            texts: by_beginning.into_values().collect(),
        }
    }

    /// Where the texts are, in order and merged where they overlap or touch: one secret inside of
    /// another, or over the end of another, must not leave a rest of either.
    pub(super) fn find(&self, haystack: &[u8]) -> Vec<Range<usize>> {
        let Some(automaton) = &self.automaton else {
            return Vec::new();
        };
        let mut found: Vec<Range<usize>> = automaton
            .find_overlapping_iter(haystack)
            .map(|hit| {
                let rest = &haystack[hit.start()..];
                // Of a long text that is cut, what there is.
                let length = self.texts[hit.pattern().as_usize()]
                    .iter()
                    .map(|text| common(text, rest))
                    .max();
                hit.start()..hit.start() + length.unwrap_or(hit.len())
            })
            .collect();
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

/// How long the common beginning is, in whole characters.
fn common(text: &str, other: &[u8]) -> usize {
    let bytes = text.bytes().zip(other);
    let mut length = bytes.take_while(|(one, other)| one == *other).count();
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    length
}
