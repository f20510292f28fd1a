//! Looks for texts and patterns in an output while it comes, at constant memory, so that what is not
//! kept has been seen all the same. The answers are those that the whole text would give.

use std::borrow::Cow;
use std::sync::Arc;

use regex_automata::Input;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::syntax;

use super::decoder::Decoder;

/// Texts are looked for in so much at once.
const BLOCK: usize = 64 * 1024;

/// What is looked for in an output.
#[derive(Debug, Default)]
pub struct Look {
    pub(super) texts: Vec<String>,
    /// Nothing stands for a pattern that needs the whole text at once.
    pub(super) patterns: Vec<Option<DFA>>,
    pub(super) whole: Option<String>,
}

impl Look {
    /// For each of `texts`, whether it is somewhere in the output; for each of `patterns`, whether it
    /// matches somewhere (`^` and `$` are the ends of lines); and whether the output is `whole`. For
    /// the patterns and `whole`, the last line end is no part of the output.
    pub fn new(texts: Vec<String>, patterns: &[&str], whole: Option<String>) -> Self {
        let machine = |pattern: &&str| {
            DFA::builder()
                .syntax(syntax::Config::new().multi_line(true))
                // As far as the text is ASCII: a machine that reads byte by byte cannot know more.
                .configure(DFA::config().unicode_word_boundary(true))
                .build(pattern)
                .ok()
        };
        Self {
            texts,
            patterns: patterns.iter().map(machine).collect(),
            whole,
        }
    }
}

/// What was seen of an output. Nothing stands for what is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    bytes: u64,
    /// Some of it came and could not be looked at.
    has_gap: bool,
    lines: usize,
    is_empty: bool,
    texts: Vec<bool>,
    patterns: Vec<Option<bool>>,
    is_whole: Option<bool>,
}

impl Seen {
    /// How many bytes there were.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether a text is in it, by its number in [`Look`].
    pub fn has_text(&self, number: usize) -> Option<bool> {
        self.certain(*self.texts.get(number)?)
    }

    /// Whether a pattern matches somewhere in it, by its number in [`Look`].
    pub fn has_match(&self, number: usize) -> Option<bool> {
        self.certain((*self.patterns.get(number)?)?)
    }

    /// Whether it is the text that was looked for, a final line end aside.
    pub fn is_whole(&self) -> Option<bool> {
        self.is_whole.filter(|_| !self.has_gap)
    }

    /// Whether there is nothing, a final line end aside.
    pub fn is_empty(&self) -> Option<bool> {
        match self.is_empty {
            true => self.certain(false).map(|_| true),
            false => Some(false),
        }
    }

    /// How many lines it has, and whether there may be more.
    pub fn lines(&self) -> (usize, bool) {
        (self.lines, self.has_gap)
    }

    /// What was found is there, whatever was not looked at.
    fn certain(&self, is_found: bool) -> Option<bool> {
        match (is_found, self.has_gap) {
            (true, _) => Some(true),
            (false, false) => Some(false),
            (false, true) => None,
        }
    }
}

/// A look that is under way.
#[derive(Clone, Debug)]
pub(super) struct Looking {
    look: Arc<Look>,
    decoder: Decoder,
    bytes: u64,
    has_gap: bool,
    /// The ends of lines.
    ends: usize,
    /// Whether something came after the last of them.
    in_line: bool,
    texts: Vec<bool>,
    /// In what texts are looked for next; with the end of what was searched, where one may begin.
    block: String,
    /// What may turn out to be the line end that does not count.
    held: String,
    is_empty: bool,
    machines: Vec<Machine>,
    /// How much of the text that is looked for has come; nothing where it is another.
    same: Option<usize>,
}

impl Looking {
    pub(super) fn new(look: &Arc<Look>) -> Self {
        Self {
            look: Arc::clone(look),
            decoder: Decoder::default(),
            bytes: 0,
            has_gap: false,
            ends: 0,
            in_line: false,
            texts: vec![false; look.texts.len()],
            block: String::new(),
            held: String::new(),
            is_empty: true,
            machines: look.patterns.iter().map(Machine::of).collect(),
            same: look.whole.as_ref().map(|_| 0),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let text = self.decoder.decode(bytes);
        self.take(&text);
    }

    /// So many bytes came that nobody looks at. Nothing is found across them.
    pub(super) fn skip(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.has_gap = true;
        let begun = std::mem::take(&mut self.decoder).finish();
        self.take(&begun);
        self.search();
        self.block.clear();
        for machine in &mut self.machines {
            machine.lose();
        }
    }

    fn take(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.ends += text.matches('\n').count();
        self.in_line = !text.ends_with('\n');
        if self.texts.contains(&false) {
            self.block.push_str(text);
            if self.block.len() >= BLOCK.max(2 * self.longest_text()) {
                self.search();
            }
        }
        let text = match self.held.is_empty() {
            true => Cow::Borrowed(text),
            false => Cow::Owned(std::mem::take(&mut self.held) + text),
        };
        let (text, held) = text.split_at(text.len() - last_line_end(&text));
        self.held = held.to_owned();
        self.take_inner(text);
    }

    /// What comes before the line end that does not count.
    fn take_inner(&mut self, text: &str) {
        self.is_empty &= text.is_empty();
        if let (Some(whole), Some(same)) = (&self.look.whole, self.same) {
            let rest = &whole.as_bytes()[same..];
            self.same = rest
                .starts_with(text.as_bytes())
                .then_some(same + text.len());
        }
        for (machine, pattern) in self.machines.iter_mut().zip(&self.look.patterns) {
            machine.take(pattern.as_ref(), text.as_bytes());
        }
    }

    fn longest_text(&self) -> usize {
        self.wanted().map(str::len).max().unwrap_or(0)
    }

    /// The texts that were not found yet.
    fn wanted(&self) -> impl Iterator<Item = &str> {
        let texts = self.look.texts.iter().zip(&self.texts);
        texts
            .filter(|(_, is_found)| !**is_found)
            .map(|(text, _)| text.as_str())
    }

    fn search(&mut self) {
        for (text, is_found) in self.look.texts.iter().zip(&mut self.texts) {
            *is_found = *is_found || self.block.contains(text.as_str());
        }
        // a text may have begun at the end
        let begun = self.longest_text().saturating_sub(1);
        let mut from = self.block.len().saturating_sub(begun);
        while !self.block.is_char_boundary(from) {
            from -= 1;
        }
        self.block.drain(..from);
    }

    pub(super) fn finish(mut self) -> Seen {
        let begun = std::mem::take(&mut self.decoder).finish();
        self.take(&begun);
        self.search();
        let patterns = self.machines.into_iter().zip(&self.look.patterns);
        let whole = self.look.whole.as_ref();
        Seen {
            bytes: self.bytes,
            has_gap: self.has_gap,
            lines: self.ends + usize::from(self.in_line),
            is_empty: self.is_empty,
            texts: self.texts,
            patterns: patterns
                .map(|(machine, pattern)| machine.end(pattern.as_ref()))
                .collect(),
            is_whole: whole.map(|whole| self.same == Some(whole.len())),
        }
    }
}

/// How long the line end is that a text ends with.
fn last_line_end(text: &str) -> usize {
    let rest = text.strip_suffix('\n').unwrap_or(text);
    let rest = rest.strip_suffix('\r').unwrap_or(rest);
    text.len() - rest.len()
}

/// A pattern that reads byte by byte.
#[derive(Clone, Debug)]
enum Machine {
    /// It has read so far.
    At(Box<(Cache, LazyStateID)>),
    /// It matches, or never will.
    Done(bool),
    /// It needs the whole text at once.
    Lost,
}

impl Machine {
    fn of(pattern: &Option<DFA>) -> Self {
        let Some(pattern) = pattern else {
            return Self::Lost;
        };
        let mut cache = pattern.create_cache();
        match pattern.start_state_forward(&mut cache, &Input::new("")) {
            Ok(start) => Self::At(Box::new((cache, start))),
            Err(_) => Self::Lost,
        }
    }

    fn take(&mut self, pattern: Option<&DFA>, bytes: &[u8]) {
        let (Self::At(at), Some(pattern)) = (&mut *self, pattern) else {
            return;
        };
        let (cache, state) = &mut **at;
        for byte in bytes {
            let Ok(next) = pattern.next_state(cache, *state, *byte) else {
                return self.lose();
            };
            *state = next;
            if next.is_tagged() {
                if next.is_match() {
                    // A match is known a byte late. One that ends within a character is none.
                    let is_between = !matches!(byte, 0x80..0xc0);
                    *self = if is_between {
                        Self::Done(true)
                    } else {
                        Self::Lost
                    };
                    return;
                }
                if next.is_dead() {
                    *self = Self::Done(false);
                    return;
                }
                if next.is_quit() {
                    return self.lose();
                }
            }
        }
    }

    /// From here on it cannot know.
    fn lose(&mut self) {
        if !matches!(self, Self::Done(true)) {
            *self = Self::Lost;
        }
    }

    fn end(self, pattern: Option<&DFA>) -> Option<bool> {
        match (self, pattern) {
            (Self::Done(matches), _) => Some(matches),
            (Self::At(at), Some(pattern)) => {
                let (mut cache, state) = *at;
                let end = pattern.next_eoi_state(&mut cache, state).ok()?;
                (!end.is_quit()).then_some(end.is_match())
            }
            (Self::At(_) | Self::Lost, _) => None,
        }
    }
}
