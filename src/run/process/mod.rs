//! Runs a local program to its end, and nothing of it longer than that.
//!
//! A program gets a process group of its own and bounded time and memory. When it has exited, or
//! its time is over, or the run is cancelled, everything that came from it is ended: the group by
//! the kernel's own means, and what left the group by a walk through `/proc` (see `family`).
//! What to run, and what an exit code means, is the caller's.

mod exit;
mod family;
mod group;
mod pipes;
mod program;
mod runner;
#[cfg(test)]
mod tests;

pub use program::{Finished, ProcessError, ProcessLimits, Program};
pub use runner::run;
