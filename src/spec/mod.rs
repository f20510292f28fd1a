//! Suites as they are written: a mirror of the YAML in which every value keeps its
//! place. Templates are not parsed yet and nothing is looked up; `plan` does that.
mod case;
mod decode;
mod load;
pub mod schema;
mod step;

pub use load::{is_suite, load};
