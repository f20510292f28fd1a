//! What a command prints, a container logs or a server answers, bounded: the beginning and the end
//! are kept. Asking them is the caller's.

use std::collections::VecDeque;

/// Collects at most `limit` bytes: the first half of them from the beginning, the rest from the end.
#[derive(Debug)]
pub(crate) struct Output {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    head_limit: usize,
    tail_limit: usize,
    left_out: u64,
}

impl Output {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            head_limit: limit / 2,
            tail_limit: limit - limit / 2,
            left_out: 0,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let to_head = bytes.len().min(self.head_limit - self.head.len());
        let (head, rest) = bytes.split_at(to_head);
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(self.tail_limit);
        self.tail.drain(..over);
        self.left_out += over as u64;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    /// How many bytes are not kept.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What was kept, with a line of its own where something was left out.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.head;
        if self.left_out > 0 {
            let marker = format!("\n[... {} bytes left out ...]\n", self.left_out);
            bytes.extend_from_slice(marker.as_bytes());
        }
        bytes.extend(self.tail);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(limit: usize, chunks: &[&str]) -> String {
        let mut output = Output::new(limit);
        for chunk in chunks {
            output.push(chunk.as_bytes());
        }
        String::from_utf8(output.into_bytes()).unwrap()
    }

    #[test]
    fn little_is_kept_whole() {
        assert_eq!(collect(10, &[]), "");
        assert_eq!(collect(10, &["abc", "defghij"]), "abcdefghij");
        assert_eq!(collect(1, &["a"]), "a");
    }

    #[test]
    fn of_much_the_ends_are_kept() {
        let expected = "ab\n[... 3 bytes left out ...]\nfg";
        assert_eq!(collect(4, &["abcdefg"]), expected);
        assert_eq!(collect(4, &["a", "b", "c", "d", "e", "f", "g"]), expected);
        assert_eq!(collect(0, &["abc"]), "\n[... 3 bytes left out ...]\n");
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut output = Output::new(4);
        output.push(b"abcd");
        assert_eq!(output.left_out(), 0);
        output.push(b"e");
        assert_eq!(output.left_out(), 1);
        assert!(!output.is_empty());
    }
}
