//! Text that is safe to put into a report, whatever a pod printed.
//!
//! Escape sequences of terminals are taken out, and what XML 1.0 does not allow
//! or what moves a terminal's cursor becomes U+FFFD. Quoting (`<`, `]]>`) is left
//! to the writers of each format.

use std::borrow::Cow;

/// How many bytes of one text a report holds.
pub const LIMIT: usize = 64 * 1024;

/// Many lines: line breaks and tabs stay. `\r\n` and a lone `\r`, which progress
/// bars write, become `\n`, as an XML reader would make them anyway.
pub fn text(raw: &str) -> String {
    let mut clean = String::with_capacity(raw.len());
    let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
    for (number, line) in raw.split('\n').enumerate() {
        if number > 0 {
            clean.push('\n');
        }
        // by line, since a sequence that never ends would swallow all that follows
        for part in anstream::adapter::StripStr::new().strip_next(&visible(line)) {
            clean.extend(part.chars().map(allowed));
        }
    }
    clean
}

/// One line: every run of white space becomes one space.
pub fn line(raw: &str) -> String {
    let clean = text(raw);
    let mut line = String::with_capacity(clean.len());
    for word in clean.split(|c: char| c.is_whitespace()) {
        if !word.is_empty() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    line
}

/// At most about `limit` bytes: the head and the tail, and between them a line
/// that says how much is left out.
pub fn bounded(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let (mut head, mut tail) = (limit / 2, text.len() - limit / 2);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    Cow::Owned(format!(
        "{}\n… {} bytes left out …\n{}",
        &text[..head],
        tail - head,
        &text[tail..]
    ))
}

/// Each line with at most about `limit` bytes, as [`bounded`] leaves them.
pub fn bounded_lines(text: &str, limit: usize) -> Cow<'_, str> {
    if text.lines().all(|line| line.len() <= limit) {
        return Cow::Borrowed(text);
    }
    let lines: Vec<_> = text.lines().map(|it| bounded(it, limit)).collect();
    Cow::Owned(lines.join("\n"))
}

/// The stripper drops control characters without a trace; these shall leave one.
/// ESC begins what is to be stripped, and BEL ends it.
fn visible(line: &str) -> String {
    line.chars()
        .map(|c| match c {
            '\t' | '\u{1b}' | '\u{07}' => c,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

fn allowed(c: char) -> char {
    match c {
        '\t' => c,
        c if c.is_control() || is_noncharacter(c) || turns_text(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// XML 1.0 forbids U+FFFE and U+FFFF and discourages the others; `junit` relies
/// on none of them being left.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// Overrides of the writing direction can make a line read as another one.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_hostile_text_becomes_a_harmless_one() {
        for (raw, clean) in [
            ("plain\ttext\nof two lines", "plain\ttext\nof two lines"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{07}after", "after"),
            (
                "a\u{0}b\u{8}c\u{7f}d\u{9b}31me",
                "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}31me",
            ),
            (
                "\u{fffe}\u{ffff}\u{fdd0}\u{1fffe}",
                "\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
            ),
            ("10%\r20%\r\ndone\r", "10%\n20%\ndone\n"),
            (
                "never ends \u{1b}]0;swallowed\nnext line",
                "never ends \nnext line",
            ),
            ("abc\u{202e}fed", "abc\u{fffd}fed"),
            ("]]></x>&amp;", "]]></x>&amp;"),
            ("ä → 🦀", "ä → 🦀"),
        ] {
            assert_eq!(text(raw), clean, "of {raw:?}");
        }
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(line("  a\n\tb\r\nc\u{2028}d \u{85}e "), "a b c d \u{fffd}e");
        assert_eq!(line("\n\u{1b}[0m"), "");
    }

    #[test]
    fn long_text_keeps_its_ends() {
        assert_eq!(bounded("short", 5), "short");
        let cut = bounded("ää12345678öö", 6);
        assert_eq!(cut, "ä\n… 12 bytes left out …\nö");
    }

    proptest! {
        #[test]
        fn whatever_comes_in_stays_out(raw in any::<String>()) {
            let clean = text(&raw);
            prop_assert!(clean.chars().all(|c| c == '\n' || allowed(c) == c));
            prop_assert_eq!(&text(&clean), &clean);
            prop_assert!(!line(&raw).contains('\n'));
        }
    }

    #[test]
    fn fuzz_any_text_is_clean_and_bounded() {
        let hostile = [
            "<testsuite failures=\"0\">]]></system-out>",
            "\u{1b}[31mred\u{1b}[0m\r\n50%\r100%\n",
            "\u{1b}]0;title\u{7}\u{1b}P\u{9b}31m\u{fffe}",
        ];
        crate::fuzz::run(
            "sanitiser",
            300,
            |chance| {
                let mut raw = chance.spoilt(&hostile);
                raw.push_str(&String::from_utf8_lossy(&chance.bytes(200)));
                raw
            },
            |raw| {
                let clean = text(raw);
                let is_clean = |c: char| c == '\n' || allowed(c) == c;
                assert!(clean.chars().all(is_clean));
                assert_eq!(text(&clean), clean, "clean text stays as it is");
                assert!(!line(raw).contains(['\n', '\t']));
                assert!(bounded(&clean, 100).len() <= 100 + 60);
            },
        );
    }
}
