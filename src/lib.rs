//! kubeproof proves a Kubernetes cluster before you trust it.
//!
//! Data flows one way, and the modules below stand in that order:
//!
//! ```text
//! YAML → spec (with spans) → plan (checked) → run → Event → outcome, reports
//!                                              ↓ uses
//!                                           cluster
//! ```

// what was written, and where
pub mod diagnostic;
pub mod duration;
pub mod kinds;
pub mod marks;
pub mod source;
pub mod yaml;
// what suites say
pub mod catalog;
pub mod diagnose;
pub mod image;
pub mod matcher;
pub mod output;
pub mod partial;
pub mod plan;
pub mod spec;
pub mod template;
pub mod value;
// what is done
pub mod cluster;
pub mod run;
pub mod sweep;
// what is told
pub mod event;
pub mod outcome;
pub mod report;
pub mod secret;
// the program
pub mod cli;

#[cfg(test)]
mod fuzz;
