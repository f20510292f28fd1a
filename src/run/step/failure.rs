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
    /// A refusal is an answer; everything else means that nobody could be asked.
    fn from(error: ClusterError) -> Self {
        match error {
            ClusterError::Refused(_)
            | ClusterError::Conflict { .. }
            | ClusterError::NotFound { .. }
                if !error.is_environment() =>
            {
                Self::failed(error.to_string())
            }
            _ => Self::errored(error.to_string()),
        }
    }
}
