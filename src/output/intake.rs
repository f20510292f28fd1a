//! How an output is taken in, and one that comes in.

use std::collections::VecDeque;
use std::sync::Arc;

use super::lines::{Choice, Chosen, Lines};
use super::look::{Look, Looking};
use super::text::{CutText, Text};

/// How an output is taken in: how much of it is kept, and what is looked for in all of it.
#[derive(Clone, Debug)]
pub struct Intake {
    limit: usize,
    look: Arc<Look>,
    lines: Option<Lines>,
}

impl Intake {
    /// How many bytes are kept of an output, unless its reader says otherwise.
    pub const KEPT: usize = 1024 * 1024;

    /// Keeps so many bytes; of more, the first half of them and the last.
    pub fn keep(limit: usize) -> Self {
        Self {
            limit,
            look: Arc::default(),
            lines: None,
        }
    }

    /// The same, which looks for something in all of it.
    #[must_use]
    pub fn looking_for(self, look: Arc<Look>) -> Self {
        Self { look, ..self }
    }

    /// The same of some lines only: the others are as if they had not come.
    #[must_use]
    pub fn only(self, lines: Option<Lines>) -> Self {
        Self { lines, ..self }
    }

    /// An output that begins.
    pub fn begin(&self) -> Output {
        Output {
            head: Vec::new(),
            tail: VecDeque::new(),
            head_limit: self.limit / 2,
            tail_limit: self.limit - self.limit / 2,
            left_out: 0,
            look: Arc::clone(&self.look),
            looking: None,
            choice: self.lines.clone().map(Choice::new),
        }
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self::keep(Self::KEPT)
    }
}

/// An output that comes in. A clone is where it was, for a reader that must begin again there.
#[derive(Clone, Debug)]
pub struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_limit: usize,
    tail_limit: usize,
    left_out: u64,
    look: Arc<Look>,
    /// From when on there is more than is kept: until then, all of it is there to be looked at.
    looking: Option<Looking>,
    choice: Option<Choice>,
}

impl Output {
    /// The next piece, which ends anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.choice.take() {
            None => self.keep(bytes),
            Some(mut choice) => {
                choice.push(bytes, |chosen| self.take(chosen));
                self.choice = Some(choice);
            }
        }
    }

    /// What came so far is a text of its own: its last line is at its end, whatever comes next.
    pub fn end_line(&mut self) {
        if let Some(mut choice) = self.choice.take() {
            choice.end_line(|chosen| self.take(chosen));
            self.choice = Some(choice);
        } else if !self.is_empty() && self.last() != Some(b'\n') {
            self.keep(b"\n");
        }
    }

    /// Whether nothing has come.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty() && self.left_out == 0
    }

    /// Whether it begins as another does, as far as both are kept.
    pub fn begins_like(&self, other: &Self) -> bool {
        let length = self.head.len().min(other.head.len());
        self.head[..length] == other.head[..length]
    }

    /// Whether a text is in its last line; not where the beginning of that is not kept.
    pub fn has_in_last_line(&self, text: &str) -> bool {
        let mut bytes: Vec<u8> = self.tail.iter().copied().collect();
        if self.left_out == 0 {
            bytes.splice(..0, self.head.iter().copied());
        }
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => String::from_utf8_lossy(&bytes[end..]).contains(text),
            None => self.left_out == 0 && String::from_utf8_lossy(bytes).contains(text),
        }
    }

    /// How many bytes have come.
    pub fn len(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64 + self.left_out
    }

    /// No more will come.
    pub fn finish(mut self) -> Text {
        if self.choice.is_some() {
            self.end_line();
        }
        let Some(looking) = self.looking else {
            self.head.extend(self.tail);
            return Text::Whole(match String::from_utf8(self.head) {
                Ok(text) => text,
                Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            });
        };
        let tail = Vec::from(self.tail);
        Text::Cut(CutText {
            head: String::from_utf8_lossy(&self.head).into_owned(),
            tail: String::from_utf8_lossy(&tail).into_owned(),
            left_out: self.left_out,
            seen: looking.finish(),
        })
    }

    fn take(&mut self, chosen: Chosen<'_>) {
        match chosen {
            Chosen::Line(line) => self.keep(line),
            Chosen::Unread(bytes) => {
                self.looking().skip(bytes);
                self.left_out += bytes;
                // what comes now comes after it
                self.head_limit = self.head.len();
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let length = self.head.len() + self.tail.len() + bytes.len();
        if self.looking.is_some() || length > self.head_limit + self.tail_limit {
            self.looking().push(bytes);
        }
        let to_head = bytes.len().min(self.head_limit - self.head.len());
        let (head, rest) = bytes.split_at(to_head);
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(self.tail_limit);
        self.tail.drain(..over);
        self.left_out += over as u64;
    }

    /// Looks at all that comes, beginning with what is there already.
    fn looking(&mut self) -> &mut Looking {
        self.looking.get_or_insert_with(|| {
            let mut looking = Looking::new(&self.look);
            looking.push(&self.head);
            let (first, second) = self.tail.as_slices();
            looking.push(first);
            looking.push(second);
            looking
        })
    }

    fn last(&self) -> Option<u8> {
        self.tail.back().or(self.head.last()).copied()
    }
}
