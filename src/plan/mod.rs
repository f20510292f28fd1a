//! What will be done, checked: the only form of a suite that running code sees.
pub mod error;
pub mod files;
pub mod images;
pub mod input;
pub mod jsonpath;
pub mod known;
pub mod load;
pub mod lower;
pub mod model;
pub mod results;
pub mod rights;
pub mod select;
mod verbs;

#[cfg(test)]
mod tests;
