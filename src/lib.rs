//! kubeproof proves a Kubernetes cluster before you trust it.
//!
//! Data flows one way, and so do the modules below:
//!
//! ```text
//! YAML → spec (with spans) → plan (checked) → run → Event → outcome, reports
//!                                              ↓ uses
//!                                           cluster
//! ```

pub mod cluster;
pub mod event;
pub mod matcher;
mod output;
pub mod plan;
pub mod process;
pub mod secret;
pub mod source;
pub mod template;
pub mod yaml;
