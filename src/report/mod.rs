//! Reports: what a run's events become for people and for machines.
//!
//! A [`Reporter`] is told each event together with the verdict that has already
//! taken it in, and writes. [`Reporters`] tells them all; one that fails is
//! dropped and named, and the others go on. Reporters decide nothing about the
//! run, not even its exit code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{fmt, io};

use crate::event::Event;
use crate::outcome::Verdict;

pub mod details;
pub mod file;
pub mod human;
pub mod json;
pub mod junit;
pub mod progress;
pub mod sanitize;
pub mod style;
pub mod summary;
mod testcase;
pub mod text;

#[cfg(test)]
mod tests;

/// Something that writes down a run.
pub trait Reporter: Send {
    /// What to call it when it fails, such as `junit report out.xml`.
    fn name(&self) -> &str;

    /// Tells it one event; the verdict has taken it in already.
    ///
    /// # Errors
    /// What could not be written. The reporter is not asked again.
    fn event(&mut self, event: &Event, verdict: &Verdict) -> io::Result<()>;

    /// Ends it, after the last event or where the events broke off.
    ///
    /// # Errors
    /// What could not be written.
    fn finish(&mut self, verdict: &Verdict) -> io::Result<()>;
}

/// The reporters of a run.
#[derive(Default)]
pub struct Reporters {
    active: Vec<Box<dyn Reporter>>,
}

/// A reporter that failed, and is not asked again.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the {name}")]
pub struct ReporterError {
    /// [`Reporter::name`].
    pub name: String,
    /// What the system said.
    pub source: io::Error,
}

impl Reporters {
    /// No reporters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; they are told in the order in which they were added.
    pub fn push(&mut self, reporter: impl Reporter + 'static) {
        self.active.push(Box::new(reporter));
    }

    /// Tells every reporter, and gives back those that failed, for the caller to
    /// name on stderr.
    #[must_use = "a report that could not be written must be told"]
    pub fn event(&mut self, event: &Event, verdict: &Verdict) -> Vec<ReporterError> {
        self.tell(|reporter| reporter.event(event, verdict))
    }

    /// Ends every reporter that is left, and gives back those that failed.
    #[must_use = "a report that could not be written must be told"]
    pub fn finish(&mut self, verdict: &Verdict) -> Vec<ReporterError> {
        let errors = self.tell(|reporter| reporter.finish(verdict));
        self.active.clear();
        errors
    }

    fn tell(
        &mut self,
        mut tell: impl FnMut(&mut dyn Reporter) -> io::Result<()>,
    ) -> Vec<ReporterError> {
        let mut errors = Vec::new();
        self.active
            .retain_mut(|reporter| match held(|| tell(&mut **reporter)) {
                Ok(()) => true,
                Err(source) => {
                    errors.push(ReporterError {
                        name: reporter.name().to_owned(),
                        source,
                    });
                    false
                }
            });
        errors
    }
}

/// One report that panics is one that fails: the others go on, and so does the run.
fn held(tell: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    // it is not asked again, so what it was changing does not matter
    catch_unwind(AssertUnwindSafe(tell))
        .unwrap_or_else(|_panic| Err(io::Error::other("kubeproof itself broke")))
}

impl fmt::Debug for Reporters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.active.iter().map(|reporter| reporter.name()))
            .finish()
    }
}
