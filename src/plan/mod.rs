//! What will be done, checked: the only form of a suite that running code sees.
pub mod error;
pub mod files;
pub mod input;
pub mod load;
pub mod lower;
mod manifest;
pub mod model;
mod names;
pub mod select;
mod step;
