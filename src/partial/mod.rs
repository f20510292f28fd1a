//! Partial match: whether a JSON value is what a pattern says.
//!
//! A map matches the fields that it names, a plain list the whole list, in order,
//! each element partially; scalars are equal, numbers by value. `null` matches
//! what is not set, since the API leaves it out. A key with `$` is an operator;
//! several in one map must all hold. What an operator cannot be asked of, such as the
//! order of a text that is no number, is neither a match nor a mismatch.
//!
//! Patterns are rendered before they come here. Pure.

mod describe;
mod matching;
mod operator;
mod order;
mod path;
mod pattern;

pub use matching::{Answer, Comparison, Mismatch, compare};
pub use pattern::{PatternError, check_pattern};

#[cfg(test)]
mod tests;
