//! Removes what dead runs left: finds every object with their labels, tells dead runs from those
//! that live, deletes, and names what does not go.
//!
//! `find` asks the cluster, `runs` decides without it, `remove` deletes and `restore` puts back what
//! dead runs changed, both by the means of a run's own cleanup. What is shown and asked is the
//! command line's.

mod find;
mod remove;
mod restore;
mod runs;

pub use find::{Found, SweepError, find};
pub use remove::{Left, remove};
pub use runs::{Fate, Marked, MarkedRun, SECRETS, Wish};
