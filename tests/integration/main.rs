//! Runs the program as a user does.
//!
//! `cli` and `reports` need no cluster. `cluster`, `faults` and `signals` need the local one
//! (`ci/cluster up`) and are ignored without it; `ci/test` boots it and runs them all.

mod architecture;
mod cli;
mod cluster;
mod faults;
mod reports;
mod signals;
mod support;
