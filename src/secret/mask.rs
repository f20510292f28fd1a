//! The mask: a shared set of secrets, and how a text looks without them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::forms::{base64_forms, text_forms};
use super::search::{Search, merged};
use super::skeleton::Skeleton;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// A value with fewer characters is not masked: it would be found everywhere, and guessed anyway.
/// It must be more than [`MASK`] has, so that a text becomes shorter each time it is masked.
pub const SHORTEST: usize = 4;

/// A line of a longer secret with fewer characters is masked only together with the others.
const SHORTEST_LINE: usize = 8;

/// What is found only where lines are joined has so many bytes: less comes by chance.
const SHORTEST_JOINED: usize = 8;

/// Values that Secrets have beside what is secret, and every report has too.
const COMMON: [&str; 5] = ["true", "false", "null", "none", "default"];

/// The secrets known so far. Clones share them.
#[derive(Clone, Default)]
pub struct Mask {
    shared: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    texts: BTreeSet<String>,
    /// For all of them; nothing where some came since it was put together.
    search: Option<Arc<Search>>,
}

impl Mask {
    /// Knows no secret.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Masks a value from now on: itself, its base64, its forms in JSON, URLs and shells, and each
    /// line of it that has eight characters or more.
    ///
    /// White space around it does not count. A value with fewer than [`SHORTEST`] characters is
    /// ignored, and so are a few words that are no secret (`true`, `false`, `null`, `none`,
    /// `default`).
    pub fn add(&self, value: &str) {
        self.extend(forms_of(value));
    }

    /// As [`add`](Self::add), for many at once that may not be text: bytes that are not UTF-8 are
    /// masked in their base64 only.
    pub fn add_all(&self, values: impl IntoIterator<Item = Vec<u8>>) {
        self.extend(values.into_iter().flat_map(|value| forms_of_bytes(&value)));
    }

    /// As [`add`](Self::add), for the value of an input, which is text but for what a template
    /// makes of it.
    pub fn add_input(&self, value: &Value) {
        match value {
            Value::String(text) => self.add(text),
            other => self.add(&other.to_string()),
        }
    }

    pub(super) fn extend(&self, texts: impl IntoIterator<Item = String>) {
        let mut known = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.texts.len();
        known.texts.extend(texts);
        // Objects are applied again and again, with the same secrets.
        if known.texts.len() > before {
            known.search = None;
        }
    }

    /// The text with [`MASK`] in place of every secret, whatever colours it has and however it is
    /// broken into lines. Secrets that overlap or touch are masked as one. Masking again changes
    /// nothing.
    ///
    /// Of a secret that somebody cut: where the text says so (`…`, `[... 9 bytes left out ...]`)
    /// at most 3 of its bytes are left, 7 at the beginning and the end of the text, and 30 in a row
    /// anywhere else, as long as they are letters, digits and what base64 has beside them.
    #[must_use]
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.mask_bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(masked) => Cow::Owned(
                String::from_utf8(masked)
                    .expect("whole characters are replaced, since secrets are text"),
            ),
        }
    }

    /// As [`mask`](Self::mask), for what may not be text.
    #[must_use]
    pub fn mask_bytes<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let search = self.search();
        let mut masked = Cow::Borrowed(text);
        if search.is_empty() {
            return masked;
        }
        loop {
            let found = find(&search, &masked);
            if found.is_empty() {
                return masked;
            }
            let mut next = Vec::with_capacity(masked.len());
            let mut end = 0;
            for range in found {
                next.extend_from_slice(&masked[end..range.start]);
                next.extend_from_slice(MASK.as_bytes());
                end = range.end;
            }
            next.extend_from_slice(&masked[end..]);
            // Again: a secret with stars in it may arise from the mask and what stands around it.
            // That ends, since all that is masked is longer than the mask.
            masked = Cow::Owned(next);
        }
    }

    /// Masks a text where it stands.
    pub(super) fn clean(&self, text: &mut String) {
        if let Cow::Owned(masked) = self.mask(text) {
            *text = masked;
        }
    }

    fn search(&self) -> Arc<Search> {
        let known = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(search) = &known.search {
            return Arc::clone(search);
        }
        drop(known);
        let mut known = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        let Known { texts, search } = &mut *known;
        Arc::clone(search.get_or_insert_with(|| Arc::new(Search::new(texts))))
    }
}

/// Where secrets are, in order: as they stand there, with something between their characters that
/// nobody sees, and over several lines.
fn find(search: &Search, text: &[u8]) -> Vec<Range<usize>> {
    let mut found = search.find(text);
    if let Some(seen) = Skeleton::seen(text) {
        let in_seen = search.find(&seen.bytes);
        found.extend(in_seen.iter().map(|range| seen.original(range)));
    }
    if let Some(joined) = Skeleton::joined(text) {
        let in_joined = search.find(&joined.bytes);
        let long = in_joined
            .iter()
            .filter(|range| range.len() >= SHORTEST_JOINED);
        found.extend(long.map(|range| joined.original(range)));
    }
    merged(found)
}

impl fmt::Debug for Mask {
    /// Without what it masks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask").finish_non_exhaustive()
    }
}

pub(super) fn forms_of_bytes(value: &[u8]) -> BTreeSet<String> {
    match std::str::from_utf8(value) {
        Ok(text) => forms_of(text),
        Err(_) if value.len() < SHORTEST => BTreeSet::new(),
        Err(_) => base64_forms(value),
    }
}

pub(super) fn forms_of(value: &str) -> BTreeSet<String> {
    let text = value.trim();
    if text.chars().count() < SHORTEST || COMMON.contains(&text) {
        return BTreeSet::new();
    }
    let mut forms = text_forms(text);
    forms.extend(base64_forms(text.as_bytes()));
    // As it is in a Secret, with the newline at its end.
    forms.extend(base64_forms(value.as_bytes()));
    for line in text.lines().map(str::trim) {
        // The first and the last line of a key in PEM say only what it is.
        if line.chars().count() >= SHORTEST_LINE && !line.starts_with("-----") {
            forms.extend(text_forms(line));
        }
    }
    forms
}
