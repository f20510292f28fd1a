//! Reports: what a run's events become for people and for machines.
//!
//! A [`Reporter`] is told each event together with the verdict that has already
//! taken it in, and writes: to an [`Outlet`](outlet::Outlet), where it may hang.
//! [`Reporters`] tells them all; one that fails is dropped and named, and the
//! others go on. Reporters decide nothing about the run, not even its exit code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use std::{fmt, io};

use self::outlet::Outlet;
use crate::event::Event;
use crate::outcome::Verdict;

pub mod details;
pub mod file;
pub mod guard;
pub mod human;
pub mod json;
pub mod junit;
pub mod outlet;
pub mod progress;
pub mod sanitize;
pub mod schema;
pub mod stream;
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

    /// Ends it, after the last event or where the events broke off. Where a report was lost since,
    /// it is ended once more.
    ///
    /// # Errors
    /// What could not be written.
    fn finish(&mut self, verdict: &Verdict) -> io::Result<()>;
}

/// What it means for a run that a report is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Somebody asked for it, and does not get it.
    Counts,
    /// The same, but a reader that closed its end of the pipe, as `head` does, wants no more of it.
    UnlessClosed,
    /// It was for whoever looked on.
    Bearable,
}

/// The reporters of a run.
#[derive(Default)]
pub struct Reporters {
    /// Nothing where one has failed.
    active: Vec<Option<Active>>,
}

struct Active {
    reporter: Box<dyn Reporter>,
    /// Where it leaves what it writes, unless it writes itself.
    outlet: Option<Outlet>,
    loss: Loss,
}

/// A reporter that failed, and is not asked again.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the {name}")]
pub struct ReporterError {
    /// [`Reporter::name`].
    pub name: String,
    /// What the system said.
    pub source: io::Error,
    /// What that means for the run.
    pub loss: Loss,
}

impl ReporterError {
    /// Whether the run must not look as if all were well.
    pub fn counts(&self) -> bool {
        match self.loss {
            Loss::Counts => true,
            Loss::UnlessClosed => self.source.kind() != io::ErrorKind::BrokenPipe,
            Loss::Bearable => false,
        }
    }
}

impl Reporters {
    /// No reporters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one that never hangs; they are told in the order in which they were added.
    pub fn push(&mut self, reporter: impl Reporter + 'static) {
        self.add(Box::new(reporter), None, Loss::Counts);
    }

    /// Adds one that writes behind an outlet.
    pub fn push_behind(&mut self, reporter: impl Reporter + 'static, outlet: Outlet, loss: Loss) {
        self.add(Box::new(reporter), Some(outlet), loss);
    }

    fn add(&mut self, reporter: Box<dyn Reporter>, outlet: Option<Outlet>, loss: Loss) {
        self.active.push(Some(Active {
            reporter,
            outlet,
            loss,
        }));
    }

    /// Tells every reporter, and gives back those that failed, for the caller to
    /// name on stderr.
    #[must_use = "a report that could not be written must be told"]
    pub fn event(&mut self, event: &Event, verdict: &Verdict) -> Vec<ReporterError> {
        (0..self.active.len())
            .filter_map(|index| {
                self.tell(index, |active| {
                    active.outlet.as_ref().map_or(Ok(()), Outlet::check)?;
                    active.reporter.event(event, verdict)
                })
            })
            .collect()
    }

    /// Whether there is room for what another event says. Where a reader has taken nothing for as
    /// long as `patience`, it is given up, and the next event tells so.
    pub fn have_room(&self, patience: Duration) -> bool {
        let outlets = self.active.iter().flatten().flat_map(|it| &it.outlet);
        // each of them is looked at: one that hangs must not save another
        outlets
            .filter(|outlet| outlet.is_full() && !outlet.give_up_after(patience))
            .count()
            == 0
    }

    /// How many there are, those that failed among them.
    pub fn count(&self) -> usize {
        self.active.len()
    }

    /// Ends one of them, and waits until all of it is written, or its reader has been silent for
    /// as long as `patience` says. It may be ended again.
    #[must_use = "a report that could not be written must be told"]
    pub fn finish(
        &mut self,
        index: usize,
        verdict: &Verdict,
        patience: &dyn Fn() -> Duration,
    ) -> Option<ReporterError> {
        self.tell(index, |active| {
            active.reporter.finish(verdict)?;
            active
                .outlet
                .as_ref()
                .map_or(Ok(()), |outlet| outlet.drain(patience))
        })
    }

    fn tell(
        &mut self,
        index: usize,
        tell: impl FnOnce(&mut Active) -> io::Result<()>,
    ) -> Option<ReporterError> {
        let active = self.active.get_mut(index)?.as_mut()?;
        let source = held(|| tell(active)).err()?;
        let Active { reporter, loss, .. } = self.active[index].take()?;
        Some(ReporterError {
            name: reporter.name().to_owned(),
            source,
            loss,
        })
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
            .entries(self.active.iter().flatten().map(|it| it.reporter.name()))
            .finish()
    }
}
