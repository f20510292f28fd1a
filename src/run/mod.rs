//! Carries a plan out: the only part that knows both suites and a cluster.
//!
//! `executor` takes the suites through a run, `suite` and `end` one suite through its life,
//! `case` one cell through its steps, `step` each verb. All of them tell what
//! happens to the `dispatcher`, which alone turns it into events. Requests are
//! `cluster`'s business, texts for people `report`'s.

mod arrival;
mod artifacts;
mod axis;
mod bound;
mod cancel;
mod case;
mod cells;
mod change;
mod choice;
mod cleanup;
mod clusters;
mod deadline;
mod diagnosis;
mod dispatcher;
mod end;
mod environment;
mod executor;
mod ledger;
mod leftovers;
mod life;
mod matrix;
mod namespace;
mod panic;
mod permissions;
mod process;
mod recall;
mod requirements;
mod scope;
mod secrets;
mod signal;
mod snapshot;
mod step;
mod suite;
mod writes;

pub use artifacts::{Artifacts, ArtifactsReport};
pub(crate) use cancel::CleanupTime;
pub(crate) use cleanup::{Cleanup, Held, goes_in_an_ending_namespace};
pub(crate) use clusters::Clusters;
pub use dispatcher::{Ended, report_problem};
pub use executor::{Keep, RunOptions, execute};
pub(crate) use ledger::{Deed, Entry, Subject};
pub use secrets::note_credentials;
pub(crate) use signal::Signals;
pub(crate) use snapshot::read as read_snapshot;
