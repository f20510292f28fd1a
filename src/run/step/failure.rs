//! A step that did not pass: failed, errored, cancelled or skipped, and why.

use crate::cluster::ClusterError;
use crate::event::{Detail, Explanation, Outcome};
use crate::template::TemplateError;

/// Of a step that is cut and waited for nothing.
const CANCELLED: &str = "cancelled before it ended";

/// A step that did not pass.
#[derive(Clone, Debug, PartialEq)]
pub struct StepFailure {
    /// Failed, errored, cancelled or skipped.
    pub outcome: Outcome,
    /// Why.
    pub why: Explanation,
}

impl StepFailure {
    fn new(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            outcome,
            why: Explanation::new(message),
        }
    }

    /// The cluster answered, and not as expected.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Outcome::Failed, message)
    }

    /// It could not be found out.
    pub fn errored(message: impl Into<String>) -> Self {
        Self::new(Outcome::Errored, message)
    }

    /// The suite says that there is nothing to test.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Skipped, reason)
    }

    /// A write, or a look that is all that the step is about: a refusal is the answer to it, and
    /// everything else means that nobody could be asked.
    pub fn answered(error: ClusterError) -> Self {
        let outcome = match error {
            ClusterError::Refused(_)
            | ClusterError::Conflict { .. }
            | ClusterError::NotFound { .. }
                if !error.is_environment() =>
            {
                Outcome::Failed
            }
            _ => Outcome::Errored,
        };
        Self::of_cluster(outcome, &error)
    }

    fn of_cluster(outcome: Outcome, error: &ClusterError) -> Self {
        let text = error.to_string();
        let message = brief(&text);
        let is_whole = message == text;
        let failure = Self::new(outcome, message);
        match is_whole {
            true => failure,
            false => failure.with_detail("the API server", &text),
        }
    }

    /// No step may go on.
    pub fn cancelled() -> Self {
        Self::new(Outcome::Cancelled, CANCELLED)
    }

    /// The same, and what it waited for.
    pub fn cancelled_while(awaited: Option<String>) -> Self {
        match awaited {
            Some(awaited) => Self::new(
                Outcome::Cancelled,
                format!("{CANCELLED}, while it waited: {awaited}"),
            ),
            None => Self::cancelled(),
        }
    }

    /// What a step that was cut waited for, in whole words; nothing where it did not wait.
    pub fn cut_while(&self) -> Option<&str> {
        let message = &self.why.message;
        (!message.ends_with(CANCELLED)).then_some(message)
    }

    /// The message behind words that say what it is about.
    #[must_use]
    pub fn about(mut self, what: &str) -> Self {
        self.why.message = format!("{what}: {}", self.why.message);
        self
    }

    /// With a titled block of text, left out where it is empty.
    #[must_use]
    pub fn with_detail(mut self, title: &str, text: &str) -> Self {
        if !text.trim().is_empty() {
            self.why.details.push(Detail {
                title: title.to_owned(),
                text: text.to_owned(),
            });
        }
        self
    }
}

impl From<TemplateError> for StepFailure {
    fn from(error: TemplateError) -> Self {
        // who reads "errored" looks for what is wrong with the cluster
        let mut failure = Self::errored(match error.is_mistake {
            true => format!("a mistake in the suite: {}", error.message),
            false => error.message,
        });
        failure.why.place = Some(error.place.to_string());
        if let Some(help) = error.help {
            failure = failure.with_detail("help", &help);
        }
        failure
    }
}

impl From<ClusterError> for StepFailure {
    /// Of a request that only serves a step: who has no right to look has seen nothing, which is no
    /// answer. Otherwise as [`StepFailure::answered`].
    fn from(error: ClusterError) -> Self {
        match error.is_forbidden() {
            true => Self::of_cluster(Outcome::Errored, &error),
            false => Self::answered(error),
        }
    }
}

/// A longer message quotes an object, or what of it has changed.
const LONGEST: usize = 500;
/// How much of a value is left of it.
const QUOTED: usize = 60;

/// A message in a line: of values that are quoted whole only the beginning, and what is wrong with
/// them.
fn brief(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut rest = line;
    let mut brief = String::new();
    if line.chars().count() > LONGEST {
        const VALUE: &str = "Invalid value: ";
        while let Some((before, after)) = rest.split_once(VALUE) {
            // a value ends where its bracket or its quote does, and the reason begins
            let end = ["}: ", "]: ", "\": "]
                .iter()
                .filter_map(|end| after.find(end).map(|at| at + 1))
                .min()
                .unwrap_or(after.len());
            let (value, reason) = after.split_at(end);
            brief.push_str(before);
            brief.push_str(VALUE);
            match value.char_indices().nth(QUOTED) {
                Some((cut, _)) => brief.push_str(&format!("{}…", &value[..cut])),
                None => brief.push_str(value),
            }
            rest = reason;
        }
    }
    brief.push_str(rest);
    match brief.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &brief[..cut]),
        None if line.len() < text.trim_end().len() => format!("{brief} …"),
        None => brief,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_right_to_look_has_found_out_nothing() {
        let refused = |code: u16| {
            ClusterError::Refused(crate::cluster::Refusal {
                code,
                reason: String::new(),
                message: "no".to_owned(),
            })
        };
        for (code, serving, asked_for) in [
            (403, Outcome::Errored, Outcome::Failed),
            (422, Outcome::Failed, Outcome::Failed),
            (401, Outcome::Errored, Outcome::Errored),
        ] {
            assert_eq!(StepFailure::from(refused(code)).outcome, serving, "{code}");
            let answered = StepFailure::answered(refused(code));
            assert_eq!(answered.outcome, asked_for, "{code}");
        }
    }

    #[test]
    fn of_an_object_that_a_refusal_quotes_the_beginning_is_shown() {
        let short = "Secret \"a\" is invalid: data[b]: Invalid value: \"c\": too long";
        assert_eq!(brief(short), short);
        let object = format!("core.PodTemplateSpec{{Name:\"{}\"}}", "x".repeat(3000));
        let long = format!(
            "Job.batch \"a\" is invalid: [spec.template: Invalid value: {object}: field is \
             immutable, spec.x: Invalid value: {object}: no]"
        );
        let cut = &object[..QUOTED];
        assert_eq!(
            brief(&long),
            format!(
                "Job.batch \"a\" is invalid: [spec.template: Invalid value: {cut}…: field is \
                 immutable, spec.x: Invalid value: {cut}…: no]"
            )
        );
        assert_eq!(
            brief("Pod \"a\" is invalid: spec: Forbidden: no\n  core.PodSpec{\n"),
            "Pod \"a\" is invalid: spec: Forbidden: no …"
        );
        assert!(brief(&"ä".repeat(9000)).chars().count() <= LONGEST + 1);
    }
}
