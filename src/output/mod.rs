//! What a command prints, a container logs or a server answers: taken in as it comes, looked through
//! whole, and kept up to a limit. Whether all of it was kept is part of its type.
//!
//! Asking for it is the caller's, and what is expected of it is `matcher`'s.

mod decoder;
mod intake;
mod lines;
mod look;
mod text;

pub use intake::{Intake, Output};
pub use lines::Lines;
pub use look::{Look, Seen};
pub use text::{CutText, Text};

#[cfg(test)]
mod tests;
