//! Expectations on what a process wrote and how it ended, and whether they hold:
//! pure.

use regex::{Regex, RegexBuilder};

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

fn without_final_newline(text: &str) -> &str {
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
