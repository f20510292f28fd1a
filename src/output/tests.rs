//! Whatever the pieces and the limit, an output is worth what its whole text is, or it is not known.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::{Intake, Lines, Look, Output, Text};

fn collect(limit: usize, chunks: &[&str]) -> Text {
    let mut output = Intake::keep(limit).begin();
    for chunk in chunks {
        output.push(chunk.as_bytes());
    }
    output.finish()
}

#[test]
fn little_is_kept_whole() {
    assert_eq!(collect(10, &[]), "".into());
    assert_eq!(collect(10, &["abc", "defghij"]), "abcdefghij".into());
    assert_eq!(collect(1, &["a"]), "a".into());
}

#[test]
fn of_much_the_ends_are_kept() {
    let expected = "ab\n[... 3 bytes left out ...]\nfg";
    assert_eq!(collect(4, &["abcdefg"]).shown(), expected);
    let pieces = ["a", "b", "c", "d", "e", "f", "g"];
    assert_eq!(collect(4, &pieces).shown(), expected);
    assert_eq!(
        collect(0, &["abc"]).shown(),
        "\n[... 3 bytes left out ...]\n"
    );
}

#[test]
fn what_is_left_out_is_counted() {
    let mut output = Intake::keep(4).begin();
    assert!(output.is_empty());
    output.push(b"abcd");
    assert_eq!(output.clone().finish(), "abcd".into());
    output.push(b"e");
    assert!(!output.is_empty());
    assert_eq!(output.len(), 5);
    let text = output.finish();
    assert!(matches!(&text, Text::Cut(cut) if cut.bytes() == 5));
    assert_eq!(text.left_out(), 1);
}

#[test]
fn the_last_line_is_known_as_far_as_it_is_kept() {
    let output = |limit: usize, text: &str| {
        let mut output = Intake::keep(limit).begin();
        output.push(text.as_bytes());
        output
    };
    for limit in [100, 12] {
        for text in ["first\nsecond\nlast\n", "first\nsecond\nlast"] {
            let output = output(limit, text);
            assert!(output.has_in_last_line("last"), "{limit} {text:?}");
            assert!(output.has_in_last_line(""), "{limit} {text:?}");
            assert!(!output.has_in_last_line("second"), "{limit} {text:?}");
        }
    }
    assert!(output(100, "one line").has_in_last_line("one"));
    assert!(!output(6, "one line").has_in_last_line("ne"));
    assert!(output(100, "").has_in_last_line("") && !output(100, "").has_in_last_line("a"));
}

#[test]
fn a_text_of_its_own_ends_its_last_line() {
    let mut output = Intake::keep(100).begin();
    output.end_line();
    output.push(b"a");
    output.end_line();
    output.end_line();
    output.push(b"b\n");
    output.end_line();
    assert_eq!(output.finish(), "a\nb\n".into());
}

#[test]
fn a_reader_may_begin_again_where_it_was() {
    let look = Arc::new(Look::new(vec!["bc".to_owned()], &["^c$"], None));
    let mut output = Intake::keep(2).looking_for(look).begin();
    output.push(b"ab");
    let before = output.clone();
    output.push(b"\nc");
    output.clone_from(&before);
    output.push(b"c!");
    let Text::Cut(cut) = output.finish() else {
        panic!("more than two bytes")
    };
    assert_eq!(cut.bytes(), 4);
    assert_eq!(cut.seen().has_text(0), Some(true));
    assert_eq!(cut.seen().has_match(0), Some(false));
}

#[test]
fn only_the_lines_that_are_wanted_count() {
    let chosen = |lines: Lines, pieces: &[&str]| {
        let mut output = Intake::keep(100).only(Some(lines)).begin();
        for piece in pieces {
            output.push(piece.as_bytes());
        }
        output.finish()
    };
    let containing = |text: &str| Lines {
        containing: Some(text.to_owned()),
        ..Lines::default()
    };
    let matching = |pattern: &str| Lines {
        matching: Some(crate::matcher::pattern(pattern).unwrap()),
        ..Lines::default()
    };
    let pieces = ["one x", "\ntwo", " y\nthree x\r\nno", "ne\nlast x"];
    let expected = "one x\nthree x\r\nlast x\n";
    assert_eq!(chosen(containing("x"), &pieces), expected.into());
    assert_eq!(chosen(matching("x$"), &pieces), expected.into());
    assert_eq!(chosen(matching("^t"), &pieces), "two y\nthree x\r\n".into());
    assert_eq!(chosen(containing("z"), &pieces), "".into());
    assert_eq!(chosen(containing("\n"), &pieces), "".into());
    let both = Lines {
        matching: matching("^t").matching,
        ..containing("x")
    };
    assert_eq!(chosen(both, &pieces), "three x\r\n".into());
    let first = |first| Lines {
        first: Some(first),
        ..containing("x")
    };
    assert_eq!(chosen(first(1), &pieces), "one x\n".into());
    assert_eq!(chosen(first(2), &pieces), "one x\nthree x\r\n".into());
}

/// It cannot be chosen, and is not held in memory either.
#[test]
fn a_line_without_an_end_is_not_looked_at() {
    let lines = Lines {
        containing: Some("x".to_owned()),
        ..Lines::default()
    };
    let look = Look::new(vec!["x 1".to_owned(), "x 2".to_owned()], &["^x"], None);
    let mut output = Intake::keep(100)
        .looking_for(Arc::new(look))
        .only(Some(lines))
        .begin();
    output.push(b"x 1\n");
    for _ in 0..40 {
        output.push(&[b'x'; 64 * 1024]);
    }
    output.push(b" 2\nx 3\n");
    let Text::Cut(cut) = output.finish() else {
        panic!("a line was not looked at")
    };
    let seen = cut.seen();
    assert_eq!(seen.has_text(0), Some(true));
    assert_eq!(seen.has_text(1), None);
    assert_eq!(seen.is_empty(), Some(false));
    assert_eq!(seen.lines(), (2, true));
    assert_eq!(cut.left_out(), 40 * 64 * 1024 + 3);
    let shown = Text::Cut(cut).shown().into_owned();
    assert_eq!(
        shown,
        format!(
            "x 1\n\n[... {} bytes left out ...]\nx 3\n",
            40 * 64 * 1024 + 3
        )
    );
}

/// Texts that are hard to read in pieces.
fn hard() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(&b"a"[..]),
        Just(&b"b"[..]),
        Just(&b"ab"[..]),
        Just(&b"\n"[..]),
        Just(&b"\r"[..]),
        Just(&b"\r\n"[..]),
        Just("ä".as_bytes()),
        Just("€".as_bytes()),
        Just("😀".as_bytes()),
        Just(&b"\xc3"[..]),
        Just(&b"\xe2\x82"[..]),
        Just(&b"\x82"[..]),
        Just(&b"\xff"[..]),
        Just("\u{fffd}".as_bytes()),
        Just(&b" "[..]),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn taken(text: &[u8], pieces: &[usize], intake: &Intake) -> Output {
    let mut output = intake.begin();
    let mut rest = text;
    for length in pieces.iter().cycle().take(text.len() + 1) {
        let (piece, others) = rest.split_at((*length).min(rest.len()));
        output.push(piece);
        rest = others;
    }
    output.push(rest);
    output
}

const PATTERNS: [&str; 18] = [
    "a$",
    "^b",
    "^$",
    "^ab$",
    r"\Aa",
    r"b\z",
    "(?s)a.*b.*a",
    "a\nb",
    r"\r$",
    "ä|€",
    ".",
    "",
    r"(?-u)a\b",
    r"\bab\b",
    r"[^a]\z",
    r"(?R)a$",
    r"\B",
    "x",
];

/// Made once: that takes longer than all the reading.
static MACHINES: LazyLock<Look> = LazyLock::new(|| Look::new(Vec::new(), &PATTERNS, None));
static REGEXES: LazyLock<Vec<regex::Regex>> = LazyLock::new(|| {
    let regex = |text: &&str| crate::matcher::pattern(text).unwrap();
    PATTERNS.iter().map(regex).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_was_seen_in_pieces_is_what_is_there(
        text in hard(),
        limit in 0_usize..40,
        pieces in prop::collection::vec(1_usize..9, 1..6),
        wanted in hard(),
        whole in hard(),
    ) {
        let all = String::from_utf8_lossy(&text).into_owned();
        let wanted = String::from_utf8_lossy(&wanted).into_owned();
        let whole = match pieces[0] % 2 {
            0 => String::from_utf8_lossy(&whole).into_owned(),
            _ => all.clone(),
        };
        let texts = ["a", "ab", "b\na", "\r\n", "ä", "\u{fffd}", "€a", &wanted];
        let look = Arc::new(Look {
            texts: texts.map(str::to_owned).to_vec(),
            patterns: MACHINES.patterns.clone(),
            whole: Some(crate::matcher::without_final_newline(&whole).to_owned()),
        });
        let intake = Intake::keep(limit).looking_for(look);
        let cut = match taken(&text, &pieces, &intake).finish() {
            Text::Whole(taken) => {
                prop_assert!(text.len() <= limit);
                prop_assert_eq!(taken, all);
                return Ok(());
            }
            Text::Cut(cut) => cut,
        };
        prop_assert_eq!(cut.bytes(), text.len() as u64);
        prop_assert_eq!(cut.left_out(), (text.len() - limit) as u64);
        let seen = cut.seen();
        let trimmed = crate::matcher::without_final_newline(&all);
        prop_assert_eq!(seen.lines(), (all.lines().count(), false));
        prop_assert_eq!(seen.is_empty(), Some(trimmed.is_empty()));
        prop_assert_eq!(
            seen.is_whole(),
            Some(trimmed == crate::matcher::without_final_newline(&whole))
        );
        for (number, wanted) in texts.iter().enumerate() {
            prop_assert_eq!(seen.has_text(number), Some(all.contains(wanted)), "{:?}", wanted);
        }
        for (number, (pattern, regex)) in PATTERNS.iter().zip(&*REGEXES).enumerate() {
            let expected = regex.is_match(trimmed);
            match seen.has_match(number) {
                Some(has) => prop_assert_eq!(has, expected, "{:?}", pattern),
                // words in text beyond ASCII, and ends within a character, need it at once
                None => prop_assert!(
                    (pattern.contains(r"\b") || pattern.contains(r"\B")) && !all.is_ascii(),
                    "{:?}", pattern
                ),
            }
        }
    }

    #[test]
    fn lines_are_chosen_alike_from_whatever_pieces(
        text in hard(),
        pieces in prop::collection::vec(1_usize..9, 1..6),
    ) {
        let lines = Lines { containing: Some("ä".to_owned()), ..Lines::default() };
        let chosen = taken(&text, &pieces, &Intake::keep(1000).only(Some(lines))).finish();
        let all = String::from_utf8_lossy(&text);
        let expected: String = all
            .split_inclusive('\n')
            .filter(|line| line.contains('ä'))
            .map(|line| format!("{}\n", line.trim_end_matches('\n')))
            .collect();
        prop_assert_eq!(chosen, Text::Whole(expected));
    }
}

/// One of the first lines may have been one that was too long to be looked at: then the last of them
/// are perhaps not there.
#[test]
fn what_may_be_one_line_too_many_is_not_known() {
    let seen = |first: usize, wanted: &[&str]| {
        let lines = Lines {
            containing: Some("hit".to_owned()),
            first: Some(first),
            ..Lines::default()
        };
        let texts = wanted.iter().map(|text| (*text).to_owned()).collect();
        let mut output = Intake::keep(100)
            .looking_for(Arc::new(Look::new(texts, &[], None)))
            .only(Some(lines))
            .begin();
        output.push(b"hit A");
        output.push(&[b' '; 1_300_000]);
        output.push(b"\nhit B\nno\nhit C\nhit D\n");
        let Text::Cut(cut) = output.finish() else {
            panic!("a line was not looked at")
        };
        (0..wanted.len())
            .map(|number| cut.seen().has_text(number))
            .collect::<Vec<_>>()
    };
    let of = ["hit B", "hit C", "hit D"];
    assert_eq!(seen(1, &of), [None, None, None]);
    assert_eq!(seen(2, &of), [Some(true), None, None]);
    assert_eq!(seen(3, &of), [Some(true), Some(true), None]);
    assert_eq!(seen(4, &of), [Some(true), Some(true), Some(true)]);
}
