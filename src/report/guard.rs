//! Text that can command no machine, whatever a pod, a server or a suite of others put into it.
//!
//! CI systems read commands from any line that a job prints, and terminals obey sequences.
//! A [`Guard`] stands where text leaves for a stream, so that nothing that is printed can pass by
//! it: it keeps its place in the line from one write to the next. What it does not let pass as it
//! is stays to be read, and `docs/language.md` says how.

use std::collections::VecDeque;
use std::io::{self, Write};

use super::style::Color;

/// What a marker must not be led by to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing: it counts wherever it stands.
    Anywhere,
    /// It is the first of its line, spaces aside.
    First,
    /// It begins its line.
    Beginning,
}

/// What CI systems look for. All but the last character of one does no harm.
const MARKERS: &[(&str, Place)] = &[
    // GitHub's runner and Azure's agent
    ("##[", Place::Anywhere),
    ("##vso[", Place::Anywhere),
    ("##teamcity[", Place::Anywhere),
    // GitLab, where control characters follow that no guard lets pass
    ("section_start:", Place::Anywhere),
    ("section_end:", Place::Anywhere),
    // GitHub's runner
    ("::", Place::First),
    // Buildkite
    ("---", Place::Beginning),
    ("+++", Place::Beginning),
    ("~~~", Place::Beginning),
    ("^^^", Place::Beginning),
];

/// As long as the longest of them.
const LONGEST: usize = 14;

/// What between documents is no marker.
const SEPARATOR: char = '-';

/// No sequence of colours is longer.
const LONGEST_SEQUENCE: usize = 24;

/// What the text is, and so how it says what must not take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people: a backslash before the last character of a marker, and U+FFFD for what moves a
    /// terminal. Where colours are wanted, they pass.
    Text(Color),
    /// As `\u005b`, which is the same character to a reader of JSON.
    Json,
    /// As in JSON, and `---` may stand between documents. Whatever is not known must stand in
    /// JSON's quotes or in a comment.
    Yaml,
    /// As `&#91;`, which is the same character to a reader of XML.
    Xml,
}

/// Makes text harmless, in as many pieces as it comes.
#[derive(Debug)]
pub struct Guard {
    form: Form,
    /// The first bytes of a character that is not whole yet.
    partial: Vec<u8>,
    /// The beginning of a sequence that is not whole yet.
    sequence: String,
    after_return: bool,
    /// The last characters of the line as they were let pass.
    tail: VecDeque<char>,
    /// All of the line so far, spaces before it aside, as long as it may be a marker.
    begun: Option<String>,
    is_indented: bool,
}

impl Guard {
    /// At the beginning of a line.
    pub fn new(form: Form) -> Self {
        Self {
            form,
            partial: Vec::new(),
            sequence: String::new(),
            after_return: false,
            tail: VecDeque::with_capacity(LONGEST),
            begun: Some(String::new()),
            is_indented: false,
        }
    }

    /// The whole text, harmless.
    pub fn whole(form: Form, text: &str) -> String {
        let mut guard = Self::new(form);
        let mut out = guard.pass(text.as_bytes());
        guard.end(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// What may be written of the next bytes. A character or a sequence whose end is still to come
    /// waits for it.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 8);
        let joined;
        let bytes = match self.partial.is_empty() {
            true => bytes,
            false => {
                joined = [&std::mem::take(&mut self.partial), bytes].concat();
                &joined[..]
            }
        };
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for c in chunk.valid().chars() {
                self.take(c, &mut out);
            }
            let rest = chunk.invalid();
            let is_cut = chunks.peek().is_none()
                && std::str::from_utf8(rest).is_err_and(|error| error.error_len().is_none());
            if is_cut {
                self.partial = rest.to_vec();
            } else if !rest.is_empty() {
                self.take(char::REPLACEMENT_CHARACTER, &mut out);
            }
        }
        out
    }

    /// Nothing follows: what waited is written as what it is.
    fn end(&mut self, out: &mut Vec<u8>) {
        let sequence = std::mem::take(&mut self.sequence);
        self.refuse_sequence(&sequence, out);
        if !std::mem::take(&mut self.partial).is_empty() {
            self.take(char::REPLACEMENT_CHARACTER, out);
        }
    }

    fn take(&mut self, c: char, out: &mut Vec<u8>) {
        if !self.sequence.is_empty() {
            self.sequence.push(c);
            match c {
                '[' if self.sequence.len() == 2 => {}
                '0'..='9' | ';' if self.sequence.len() > 2 => {
                    if self.sequence.len() > LONGEST_SEQUENCE {
                        let sequence = std::mem::take(&mut self.sequence);
                        self.refuse_sequence(&sequence, out);
                    }
                }
                'm' if is_color(&self.sequence) => {
                    // it is no part of the line: whoever reads it may take it out first
                    let sequence = std::mem::take(&mut self.sequence);
                    out.extend_from_slice(sequence.as_bytes());
                }
                _ => {
                    let sequence = std::mem::take(&mut self.sequence);
                    self.refuse_sequence(&sequence, out);
                }
            }
            return;
        }
        if c == '\u{1b}' && self.form == Form::Text(Color::Ansi) {
            self.sequence.push(c);
            return;
        }
        // a lone `\r` would let what follows stand over what was there
        if std::mem::take(&mut self.after_return) && c != '\n' {
            self.new_line(out);
        }
        match c {
            '\n' => self.new_line(out),
            '\r' => self.after_return = true,
            c if is_harmful(c) => match self.form {
                // no reference to these is XML
                Form::Xml if c >= ' ' => {
                    push(out, &format!("&#{};", u32::from(c)));
                    self.remember(char::REPLACEMENT_CHARACTER);
                }
                Form::Text(_) | Form::Xml => self.put(char::REPLACEMENT_CHARACTER, out),
                Form::Json | Form::Yaml => {
                    push(out, &escaped_json(c));
                    self.remember(char::REPLACEMENT_CHARACTER);
                }
            },
            c => self.put(c, out),
        }
    }

    fn refuse_sequence(&mut self, sequence: &str, out: &mut Vec<u8>) {
        let mut rest = sequence.chars();
        if rest.next().is_some() {
            self.take(char::REPLACEMENT_CHARACTER, out);
        }
        // another one may begin in it
        for c in rest {
            self.take(c, out);
        }
    }

    fn new_line(&mut self, out: &mut Vec<u8>) {
        out.push(b'\n');
        self.tail.clear();
        self.begun = Some(String::new());
        self.is_indented = false;
    }

    /// Lets a character pass, or says it otherwise where it would end a marker.
    fn put(&mut self, c: char, out: &mut Vec<u8>) {
        if !self.ends_marker(c) {
            push(out, c.encode_utf8(&mut [0; 4]));
            self.remember(c);
            return;
        }
        match self.form {
            Form::Text(_) => {
                out.push(b'\\');
                self.remember('\\');
                push(out, c.encode_utf8(&mut [0; 4]));
                self.remember(c);
            }
            Form::Json | Form::Yaml => {
                push(out, &escaped_json(c));
                self.remember(char::REPLACEMENT_CHARACTER);
            }
            Form::Xml => {
                push(out, &format!("&#{};", u32::from(c)));
                self.remember(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    fn ends_marker(&self, c: char) -> bool {
        if !matches!(c, '[' | ':' | '-' | '+' | '~' | '^') {
            return false;
        }
        MARKERS.iter().any(|(marker, place)| {
            let Some(before) = marker.strip_suffix(c) else {
                return false;
            };
            match place {
                Place::Anywhere => {
                    let tail = self.tail.iter().rev();
                    let length = before.chars().count();
                    tail.len() >= length
                        && before
                            .chars()
                            .rev()
                            .zip(tail)
                            .all(|(a, b)| a.eq_ignore_ascii_case(b))
                }
                Place::First => self.begun.as_deref() == Some(before),
                Place::Beginning if self.form == Form::Yaml && c == SEPARATOR => false,
                Place::Beginning => !self.is_indented && self.begun.as_deref() == Some(before),
            }
        })
    }

    fn remember(&mut self, c: char) {
        // readers that compare as a language does take no notice of these
        if is_ignorable(c) {
            return;
        }
        if self.tail.len() == LONGEST {
            self.tail.pop_front();
        }
        self.tail.push_back(c);
        let Some(begun) = &mut self.begun else {
            return;
        };
        if begun.is_empty() && c.is_whitespace() {
            self.is_indented = true;
            return;
        }
        begun.push(c);
        if begun.len() > LONGEST {
            self.begun = None;
        }
    }
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn escaped_json(c: char) -> String {
    let mut units = [0; 2];
    let units = c.encode_utf16(&mut units).iter();
    units.map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Moves a terminal, ends a line for some readers, or makes a line read as another one.
fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Stands in a text without being seen.
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Whether a sequence `ESC [ … m` only colours or weighs: none of it may hide what follows.
fn is_color(sequence: &str) -> bool {
    let codes = sequence
        .strip_prefix("\u{1b}[")
        .and_then(|rest| rest.strip_suffix('m'));
    codes.is_some_and(|codes| {
        codes.split(';').all(|code| {
            matches!(code.parse::<u8>(), Ok(0..=4 | 22..=24 | 30..=39 | 90..=97)) || code.is_empty()
        })
    })
}

/// Writes through a guard, whole.
#[derive(Debug)]
pub struct Guarded<W> {
    guard: Guard,
    inner: W,
}

impl<W: Write> Guarded<W> {
    /// In front of `inner`.
    pub fn new(form: Form, inner: W) -> Self {
        Self {
            guard: Guard::new(form),
            inner,
        }
    }
}

impl<W: Write> Write for Guarded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let harmless = self.guard.pass(bytes);
        self.inner.write_all(&harmless)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// What commands a CI system, as each of them reads a line: told apart otherwise than above.
#[cfg(test)]
pub(super) fn is_command(line: &str) -> bool {
    let seen: String = line.chars().filter(|c| !is_ignorable(*c)).collect();
    let lower = seen.to_lowercase();
    seen.trim_start().starts_with("::")
        || [
            "##[",
            "##vso[",
            "##teamcity[",
            "section_start:",
            "section_end:",
        ]
        .iter()
        .any(|marker| lower.contains(marker))
        || ["---", "+++", "~~~", "^^^"]
            .iter()
            .any(|marker| seen.starts_with(marker))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(raw: &str) -> String {
        Guard::whole(Form::Text(Color::Plain), raw)
    }

    #[test]
    fn each_command_of_a_ci_system_stays_text() {
        for (raw, harmless) in [
            ("::error file=a.yml::no", ":\\:error file=a.yml::no"),
            ("  \t::set-output name=a::b", "  \t:\\:set-output name=a::b"),
            ("a ::notice::b", "a ::notice::b"),
            ("x ##[set-output name=a]b", "x ##\\[set-output name=a]b"),
            ("###[group]", "###\\[group]"),
            ("| ##vso[task.complete]", "| ##vso\\[task.complete]"),
            ("##VSO[a.b]", "##VSO\\[a.b]"),
            ("##teamcity[a]", "##teamcity\\[a]"),
            ("section_start:1:a", "section_start\\:1:a"),
            ("--- group\n---\n a---", "--\\- group\n--\\-\n a---"),
            ("+++ a\n~~~ b\n^^^ +++", "++\\+ a\n~~\\~ b\n^^\\^ +++"),
            ("  --- a\n  +++ b", "  --- a\n  +++ b"),
            ("10%\r::error::a\r\nb", "10%\n:\\:error::a\nb"),
            // characters that are not seen are not seen by all readers either
            ("\u{200b}::error::", "\u{200b}:\\:error::"),
            ("#\u{ad}#\u{feff}[a]", "#\u{ad}#\u{feff}\\[a]"),
            ("a\u{2028}::b", "a\u{fffd}::b"),
            ("fe80::1 is no command", "fe80::1 is no command"),
        ] {
            assert_eq!(text(raw), harmless, "of {raw:?}");
        }
    }

    #[test]
    fn only_colours_that_are_wanted_move_a_terminal() {
        let colored = "\u{1b}[1m\u{1b}[31mred\u{1b}[0m";
        assert_eq!(Guard::whole(Form::Text(Color::Ansi), colored), colored);
        assert_eq!(text("\u{1b}[1mx"), "\u{fffd}[1mx");
        for hostile in [
            "\u{1b}[2J",
            "\u{1b}[8mhidden",
            "\u{1b}]0;title\u{7}",
            "\u{1b}[0K",
            "\u{9b}2J",
            "\u{1b}",
            "\u{1b}\u{1b}[2J",
            "\u{202e}",
        ] {
            let harmless = Guard::whole(Form::Text(Color::Ansi), hostile);
            assert!(
                !harmless.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']),
                "{hostile:?} is {harmless:?}"
            );
            assert!(harmless.contains(char::REPLACEMENT_CHARACTER));
        }
        // what is coloured is still where it is
        let marked = Guard::whole(Form::Text(Color::Ansi), "\u{1b}[1m::error::\u{1b}[0m");
        assert_eq!(marked, "\u{1b}[1m:\\:error::\u{1b}[0m");
    }

    #[test]
    fn a_machine_reads_the_same_as_before() {
        let value = serde_json::json!({"a": "##[b]\u{7f}\u{9b}\u{202e}##vso[c]", "d": "ä 🦀"});
        let line = Guard::whole(Form::Json, &value.to_string());
        assert_eq!(
            line,
            r###"{"a":"##\u005bb]\u007f\u009b\u202e##vso\u005bc]","d":"ä 🦀"}"###
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&line).unwrap(),
            value
        );
        assert_eq!(
            Guard::whole(Form::Xml, "<a>\n::error::##[b]</a>"),
            "<a>\n:&#58;error::##&#91;b]</a>"
        );
        assert_eq!(
            Guard::whole(Form::Yaml, "a: 1\n---\nb: \"##[c\"\n+++"),
            "a: 1\n---\nb: \"##\\u005bc\"\n++\\u002b"
        );
    }

    proptest! {
        #[test]
        fn no_line_is_a_command_in_however_many_pieces_it_comes(
            pieces in proptest::collection::vec(
                prop_oneof![
                    proptest::sample::select(vec![
                        "#", "##", "[", "vso", "vso[", "teamcity[", ":", "::", "-", "--", "+", "~",
                        "^", "section_start", "section_end", "\n", "\r", "\r\n", " ", "\t",
                        "\u{1b}", "\u{1b}[", "31m", "\u{1b}[0K", "\u{200b}", "\u{ad}", "error",
                        "\\", "| ", "\u{2028}", "\u{a0}", "\u{9b}", "\u{202e}",
                    ]).prop_map(str::to_owned),
                    any::<String>(),
                ],
                0..40,
            ),
            width in 1..9_usize,
        ) {
            let raw = pieces.concat();
            let whole = text(&raw);
            for line in whole.lines() {
                prop_assert!(!is_command(line), "{line:?} of {raw:?}");
            }
            prop_assert!(!whole.chars().any(|c| c != '\n' && is_harmful(c)), "{whole:?}");
            let mut guard = Guard::new(Form::Text(Color::Plain));
            let mut out = Vec::new();
            for piece in raw.as_bytes().chunks(width) {
                out.extend(guard.pass(piece));
            }
            guard.end(&mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), whole);
        }
    }
}
