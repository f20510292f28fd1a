//! Bytes that come in pieces as text: the same that `String::from_utf8_lossy` makes of all of them,
//! also where a piece ends within a character.

use std::borrow::Cow;

/// Holds back the beginning of a character until its rest has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Decoder {
    /// At most three bytes.
    begun: Vec<u8>,
}

impl Decoder {
    pub(super) fn decode<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, str> {
        if self.begun.is_empty() {
            let (whole, begun) = bytes.split_at(bytes.len() - unfinished(bytes));
            self.begun.extend_from_slice(begun);
            return String::from_utf8_lossy(whole);
        }
        let mut joined = std::mem::take(&mut self.begun);
        joined.extend_from_slice(bytes);
        self.begun = joined.split_off(joined.len() - unfinished(&joined));
        Cow::Owned(String::from_utf8_lossy(&joined).into_owned())
    }

    /// What is left at the end.
    pub(super) fn finish(self) -> String {
        String::from_utf8_lossy(&self.begun).into_owned()
    }
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    let last = &bytes[bytes.len().saturating_sub(3)..];
    (1..=last.len())
        .rev()
        .find(|length| {
            let end = &last[last.len() - length..];
            std::str::from_utf8(end)
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}
