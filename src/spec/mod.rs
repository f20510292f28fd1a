//! Suites as they are written: a mirror of the YAML in which every value keeps its
//! place. Templates are not parsed yet and nothing is looked up; `plan` does that.
mod case;
mod decode;
mod diagnose;
mod expect;
mod hints;
mod input;
mod load;
mod matrix;
mod permission;
mod scalar;
pub mod schema;
mod step;
mod suite;
mod verbs;

pub use load::{is_suite, load, other_tool};
#[cfg(test)]
mod tests;
