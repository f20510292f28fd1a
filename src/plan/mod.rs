//! What will be done, checked: the only form of a suite that running code sees.
pub mod model;
