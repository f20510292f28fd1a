//! From a spec to a plan: templates and conditions parsed, their names checked,
//! inputs and files resolved.
mod case;
mod check;
mod diagnose;
mod expect;
mod flow;
mod library;
mod look;
mod lowering;
mod manifest;
mod matrix;
mod names;
mod network;
mod permission;
mod process;
mod step;
mod suite;
mod target;
mod wait;
mod write;

pub use lowering::lower;
