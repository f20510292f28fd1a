//! Runs commands in containers, and tells what they answered apart from that they could not be run.
//!
//! Frames are read here rather than by the library, whose process handle hangs where a connection
//! breaks. Which pod to run in, and what the exit code means, is the caller's.

mod abandoned;
mod places;
mod session;
mod status;
mod stop;
mod witness;

pub(super) use abandoned::Ends;
pub use places::ExecPlace;
pub(super) use places::Places;
pub use session::{ExecError, ExecLimits, ExecReached, ExecResult};
pub(super) use witness::Shellless;
#[cfg(test)]
pub(super) use witness::Witness;
