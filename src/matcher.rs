//! Expectations on what a process wrote and how it ended, and whether they hold:
//! pure.
//!
//! Of an output that is not whole, only that is decided which what is missing cannot change.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::output::{CutText, Look, Text};

/// How much of an actual output a message quotes, in characters.
const QUOTED: usize = 200;

/// What is expected of the output of a process. `T` is a template in a plan, and
/// text once it is rendered. Every part that is given must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputExpectation<T> {
    /// The whole output, a final newline aside.
    pub equals: Option<T>,
    /// Each of these is somewhere in it.
    pub contains: Vec<T>,
    /// Each of these regular expressions matches somewhere in it; `^` and `$` are
    /// the ends of lines.
    pub matches: Vec<T>,
    /// None of these is in it.
    pub absent: Vec<T>,
    /// Whether it is empty, a final newline aside.
    pub empty: Option<bool>,
    /// How many lines it has.
    pub lines: Option<usize>,
}

impl<T> Default for OutputExpectation<T> {
    fn default() -> Self {
        Self {
            equals: None,
            contains: Vec::new(),
            matches: Vec::new(),
            absent: Vec::new(),
            empty: None,
            lines: None,
        }
    }
}

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What was expected and what was there, in a line; the actual output is cut
    /// where it is long.
    pub message: String,
    /// What was expected, where there is a whole text to compare with.
    pub expected: Option<String>,
    /// The whole actual output.
    pub actual: String,
}

/// A regular expression that cannot be read: nothing was found out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a regular expression: {problem}")]
pub struct PatternError {
    /// As written.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Compiles a pattern of `matches`: `^` and `$` are the ends of lines, as in grep.
///
/// # Errors
/// Syntax that the regex crate does not take.
pub fn pattern(text: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(text)
        .multi_line(true)
        .build()
        .map_err(|error| PatternError {
            pattern: text.to_owned(),
            problem: last_line(&error.to_string()),
        })
}

/// The regex crate draws its mistake in several lines; the last one says it.
fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

impl<T> OutputExpectation<T> {
    /// The same with each text made into another, such as rendered.
    ///
    /// # Errors
    /// The first of `change`.
    pub fn try_map<U, E>(
        &self,
        mut change: impl FnMut(&T) -> Result<U, E>,
    ) -> Result<OutputExpectation<U>, E> {
        Ok(OutputExpectation {
            equals: self.equals.as_ref().map(&mut change).transpose()?,
            contains: self
                .contains
                .iter()
                .map(&mut change)
                .collect::<Result<_, _>>()?,
            matches: self
                .matches
                .iter()
                .map(&mut change)
                .collect::<Result<_, _>>()?,
            absent: self
                .absent
                .iter()
                .map(&mut change)
                .collect::<Result<_, _>>()?,
            empty: self.empty,
            lines: self.lines,
        })
    }
}

impl<T: AsRef<str>> OutputExpectation<T> {
    /// What does not hold of `actual`; nothing where all does. `stream` is its
    /// name for the messages, such as `stdout`.
    ///
    /// # Errors
    /// A pattern of `matches` that is no regular expression.
    pub fn check(&self, stream: &str, actual: &str) -> Result<Vec<Mismatch>, PatternError> {
        let trimmed = without_final_newline(actual);
        let mut mismatches = Vec::new();
        let mut mismatch = |what: String, expected: Option<&str>| {
            mismatches.push(Mismatch {
                message: format!("{stream} {what}; it was {}", quote(trimmed)),
                expected: expected.map(str::to_owned),
                actual: actual.to_owned(),
            });
        };
        if let Some(expected) = &self.equals {
            let expected = without_final_newline(expected.as_ref());
            if trimmed != expected {
                mismatch(format!("is not {}", quote(expected)), Some(expected));
            }
        }
        for part in &self.contains {
            if !actual.contains(part.as_ref()) {
                mismatch(format!("does not contain {}", quote(part.as_ref())), None);
            }
        }
        for text in &self.matches {
            if !pattern(text.as_ref())?.is_match(trimmed) {
                mismatch(format!("does not match /{}/", text.as_ref()), None);
            }
        }
        for part in &self.absent {
            if actual.contains(part.as_ref()) {
                mismatch(format!("contains {}", quote(part.as_ref())), None);
            }
        }
        match self.empty {
            Some(true) if !trimmed.is_empty() => mismatch("is not empty".to_owned(), None),
            Some(false) if trimmed.is_empty() => {
                mismatch("should not be empty".to_owned(), None);
            }
            _ => {}
        }
        if let Some(expected) = self.lines {
            let count = actual.lines().count();
            if count != expected {
                mismatch(format!("has {}, not {expected}", counted(count)), None);
            }
        }
        Ok(mismatches)
    }
}

/// Which exit codes pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitExpectation {
    /// One of these: `exit: 0`, `exit: [0, 2]`.
    OneOf(Vec<i32>),
    /// Any but these: `exit: {not: 0}`.
    NoneOf(Vec<i32>),
    /// `exit: any`.
    Any,
}

impl ExitExpectation {
    /// What does not hold of an exit code; nothing where it passes.
    pub fn check(&self, code: i32) -> Option<String> {
        let list = |codes: &[i32]| {
            let codes: Vec<_> = codes.iter().map(i32::to_string).collect();
            codes.join(" or ")
        };
        match self {
            Self::OneOf(codes) if !codes.contains(&code) => {
                Some(format!("exit code {code}, not {}", list(codes)))
            }
            Self::NoneOf(codes) if codes.contains(&code) => Some(format!(
                "exit code {code}, where any but {} was expected",
                list(codes)
            )),
            Self::OneOf(_) | Self::NoneOf(_) | Self::Any => None,
        }
    }
}

/// An expectation on an output that is still to come, which is looked through as it comes.
#[derive(Clone, Debug)]
pub struct Judge {
    expectation: OutputExpectation<String>,
    look: Arc<Look>,
}

/// What an output is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What does not hold.
    pub wrong: Vec<Mismatch>,
    /// What cannot be known, since the output is not whole: in a line each.
    pub unknown: Vec<String>,
}

impl Judge {
    /// # Errors
    /// A pattern of `matches` that is no regular expression.
    pub fn new(expectation: OutputExpectation<String>) -> Result<Self, PatternError> {
        let patterns: Vec<&str> = expectation.matches.iter().map(String::as_str).collect();
        for text in &patterns {
            pattern(text)?;
        }
        let whole = expectation.equals.as_deref().map(without_final_newline);
        // `contains` first, then `absent`
        let texts = expectation.contains.iter().chain(&expectation.absent);
        let look = Look::new(
            texts.cloned().collect(),
            &patterns,
            whole.map(str::to_owned),
        );
        Ok(Self {
            look: Arc::new(look),
            expectation,
        })
    }

    /// What must be looked for while the output comes.
    pub fn look(&self) -> Arc<Look> {
        Arc::clone(&self.look)
    }

    /// What does not hold of an output, and what cannot be known. `stream` is its name for the
    /// messages, such as `stdout`.
    ///
    /// # Errors
    /// As [`Judge::new`].
    pub fn judge(&self, stream: &str, text: &Text) -> Result<Verdict, PatternError> {
        match text {
            Text::Whole(text) => Ok(Verdict {
                wrong: self.expectation.check(stream, text)?,
                unknown: Vec::new(),
            }),
            Text::Cut(cut) => Ok(self.judge_cut(stream, cut)),
        }
    }

    fn judge_cut(&self, stream: &str, cut: &CutText) -> Verdict {
        let mut verdict = Verdict::default();
        let was = quote_beginning(cut);
        let mut hold = |holds: Option<bool>, wrong: String, asked: String| match holds {
            Some(true) => {}
            Some(false) => verdict.wrong.push(Mismatch {
                message: format!("{stream} {wrong}; it was {was}"),
                expected: None,
                actual: Text::Cut(cut.clone()).shown().into_owned(),
            }),
            None => verdict.unknown.push(format!(
                "whether {stream} {asked} is not known: {}",
                not_whole(cut)
            )),
        };
        let seen = cut.seen();
        let expectation = &self.expectation;
        if let Some(expected) = &expectation.equals {
            let expected = quote(without_final_newline(expected));
            hold(
                seen.is_whole(),
                format!("is not {expected}"),
                format!("is {expected}"),
            );
        }
        for (number, part) in expectation.contains.iter().enumerate() {
            hold(
                seen.has_text(number),
                format!("does not contain {}", quote(part)),
                format!("contains {}", quote(part)),
            );
        }
        for (number, text) in expectation.matches.iter().enumerate() {
            hold(
                seen.has_match(number),
                format!("does not match /{text}/"),
                format!("matches /{text}/"),
            );
        }
        let numbers = expectation.contains.len()..;
        for (number, part) in numbers.zip(&expectation.absent) {
            hold(
                seen.has_text(number).map(|is_there| !is_there),
                format!("contains {}", quote(part)),
                format!("contains {}", quote(part)),
            );
        }
        if let Some(expected) = expectation.empty {
            let wrong = match expected {
                true => "is not empty",
                false => "should not be empty",
            };
            hold(
                seen.is_empty().map(|is_empty| is_empty == expected),
                wrong.to_owned(),
                "is empty".to_owned(),
            );
        }
        if let Some(expected) = expectation.lines {
            let (count, may_have_more) = seen.lines();
            let holds = match may_have_more {
                true if count <= expected => None,
                _ => Some(count == expected),
            };
            hold(
                holds,
                format!("has {}, not {expected}", counted(count)),
                format!("has {}", counted(expected)),
            );
        }
        verdict
    }
}

/// How much is missing of an output, for messages.
pub fn not_whole(cut: &CutText) -> String {
    format!(
        "{} of its {} bytes are not kept",
        cut.left_out(),
        cut.bytes()
    )
}

pub(crate) fn without_final_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn counted(lines: usize) -> String {
    match lines {
        1 => "1 line".to_owned(),
        lines => format!("{lines} lines"),
    }
}

/// A text in quotes, its control characters escaped, cut where it is long.
fn quote(text: &str) -> String {
    if text.is_empty() {
        return "empty".to_owned();
    }
    match text.char_indices().nth(QUOTED) {
        Some((cut, _)) => format!("{:?}… ({} bytes)", &text[..cut], text.len()),
        None => format!("{text:?}"),
    }
}

/// How an output begins that is not whole, as [`quote`] quotes it.
fn quote_beginning(cut: &CutText) -> String {
    let end = cut.head().char_indices().nth(QUOTED);
    let end = end.map_or(cut.head().len(), |(at, _)| at);
    format!("{:?}… ({} bytes)", &cut.head()[..end], cut.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expectation = OutputExpectation<&'static str>;

    fn check(expectation: &Expectation, actual: &str) -> Vec<String> {
        expectation
            .check("stdout", actual)
            .unwrap()
            .into_iter()
            .map(|mismatch| mismatch.message)
            .collect()
    }

    #[test]
    fn nothing_expected_always_holds() {
        assert!(check(&Expectation::default(), "x").is_empty());
    }

    #[test]
    fn equals_leaves_a_final_newline_aside() {
        let expectation = Expectation {
            equals: Some("a\nb"),
            ..Expectation::default()
        };
        assert!(check(&expectation, "a\nb\n").is_empty());
        assert!(check(&expectation, "a\nb").is_empty());
        assert_eq!(
            check(&expectation, "a\nb\n\n"),
            [r#"stdout is not "a\nb"; it was "a\nb\n""#]
        );
        assert_eq!(
            check(&expectation, ""),
            [r#"stdout is not "a\nb"; it was empty"#]
        );
    }

    #[test]
    fn every_part_is_told() {
        let expectation = Expectation {
            contains: vec!["x", "b"],
            matches: vec!["^b$", "^z"],
            absent: vec!["a", "q"],
            lines: Some(3),
            ..Expectation::default()
        };
        assert_eq!(
            check(&expectation, "a\nb\n"),
            [
                r#"stdout does not contain "x"; it was "a\nb""#,
                r#"stdout does not match /^z/; it was "a\nb""#,
                r#"stdout contains "a"; it was "a\nb""#,
                r#"stdout has 2 lines, not 3; it was "a\nb""#,
            ]
        );
    }

    #[test]
    fn empty_is_a_question_of_yes_and_no() {
        let empty = |empty| Expectation {
            empty: Some(empty),
            ..Expectation::default()
        };
        assert!(check(&empty(true), "\n").is_empty());
        assert!(check(&empty(false), "x\n").is_empty());
        assert_eq!(
            check(&empty(true), "x"),
            [r#"stdout is not empty; it was "x""#]
        );
        assert_eq!(
            check(&empty(false), ""),
            ["stdout should not be empty; it was empty"]
        );
    }

    #[test]
    fn a_long_output_is_cut_on_a_character() {
        let expectation = Expectation {
            contains: vec!["x"],
            ..Expectation::default()
        };
        let message = check(&expectation, &"ä".repeat(5000)).remove(0);
        assert!(message.len() < 600, "{message}");
        assert!(message.ends_with("… (10000 bytes)"), "{message}");
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_no_mismatch() {
        let expectation = Expectation {
            matches: vec!["("],
            ..Expectation::default()
        };
        assert_eq!(
            expectation.check("stdout", "").unwrap_err().to_string(),
            "`(` is not a regular expression: unclosed group"
        );
    }

    /// The verdict on a text of which no more than ten bytes are kept.
    fn judged(expectation: &Expectation, actual: &str) -> (Vec<String>, Vec<String>) {
        let owned = expectation.try_map(|text| Ok::<_, ()>((*text).to_owned()));
        let judge = Judge::new(owned.unwrap()).unwrap();
        let mut output = crate::output::Intake::keep(10)
            .looking_for(judge.look())
            .begin();
        output.push(actual.as_bytes());
        let Verdict { wrong, unknown } = judge.judge("stdout", &output.finish()).unwrap();
        let wrong = wrong.into_iter().map(|mismatch| mismatch.message);
        (wrong.collect(), unknown)
    }

    #[test]
    fn what_is_not_kept_was_seen_all_the_same() {
        let text = "one\ntwo, in the middle\nthree\n";
        let holds = Expectation {
            equals: Some(text),
            contains: vec!["middle", "one\ntwo"],
            matches: vec!["^two", "middle$", r"(?s)\Aone.*three\z"],
            absent: vec!["four", "left out", "1"],
            empty: Some(false),
            lines: Some(3),
        };
        assert_eq!(judged(&holds, text), (vec![], vec![]));
        let wrong = Expectation {
            equals: Some("one"),
            contains: vec!["left out"],
            matches: vec!["^in"],
            absent: vec!["middle"],
            empty: Some(true),
            lines: Some(2),
        };
        assert_eq!(
            judged(&wrong, text).0,
            [
                r#"stdout is not "one"; it was "one\nt"… (29 bytes)"#,
                r#"stdout does not contain "left out"; it was "one\nt"… (29 bytes)"#,
                r#"stdout does not match /^in/; it was "one\nt"… (29 bytes)"#,
                r#"stdout contains "middle"; it was "one\nt"… (29 bytes)"#,
                r#"stdout is not empty; it was "one\nt"… (29 bytes)"#,
                r#"stdout has 3 lines, not 2; it was "one\nt"… (29 bytes)"#,
            ]
        );
    }

    #[test]
    fn what_cannot_be_known_is_neither_right_nor_wrong() {
        let words = Expectation {
            matches: vec![r"\bé\b", r"(?-u:\bb\b)", "^é"],
            ..Expectation::default()
        };
        let (wrong, unknown) = judged(&words, "a b\né\n0123456789");
        assert_eq!(wrong, [""; 0]);
        assert_eq!(
            unknown,
            [r"whether stdout matches /\bé\b/ is not known: 7 of its 17 bytes are not kept"]
        );
    }

    /// A text that nobody looked through for this expectation proves nothing.
    #[test]
    fn a_text_that_was_not_looked_through_is_not_known() {
        let mut output = crate::output::Intake::keep(4).begin();
        output.push(b"abcdefgh\n");
        let everything = OutputExpectation {
            equals: Some("x".to_owned()),
            contains: vec!["abcd".to_owned()],
            matches: vec!["a".to_owned()],
            absent: vec!["x".to_owned()],
            empty: None,
            lines: None,
        };
        let judge = Judge::new(everything).unwrap();
        let verdict = judge.judge("stdout", &output.finish()).unwrap();
        assert_eq!((verdict.wrong, verdict.unknown.len()), (vec![], 4));
    }

    #[test]
    fn exit_codes() {
        assert_eq!(ExitExpectation::OneOf(vec![0]).check(0), None);
        assert_eq!(
            ExitExpectation::OneOf(vec![0, 2]).check(1).as_deref(),
            Some("exit code 1, not 0 or 2")
        );
        assert_eq!(ExitExpectation::NoneOf(vec![0]).check(7), None);
        assert_eq!(
            ExitExpectation::NoneOf(vec![0]).check(0).as_deref(),
            Some("exit code 0, where any but 0 was expected")
        );
        assert_eq!(ExitExpectation::Any.check(255), None);
    }
}
