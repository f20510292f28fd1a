//! Values that have an order of their own: quantities, durations, versions and times.
//!
//! Each is read from text, compared exactly and written as it was read. What a
//! template or a partial match makes of them is their business. Pure.

mod duration;
mod error;
mod quantity;
mod time;
mod version;

pub use duration::Duration;
pub use error::ValueError;
pub use quantity::Quantity;
pub use time::Time;
pub use version::{Version, VersionRequirement};
