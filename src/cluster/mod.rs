//! The cluster, as the rest of the program sees it: connect, find out what it serves, read, write,
//! delete, follow, run commands, and read from objects whether they are ready.
//!
//! A facade over the Kubernetes client library, which nothing else may use. Objects cross it as
//! plain JSON, whole: with `apiVersion`, `kind` and `metadata`. It knows neither suites nor the
//! events of a run, and decides nothing about outcomes; it only keeps apart what the cluster
//! answered and that it could not be asked.

mod access;
mod apply;
mod attempts;
mod audit;
mod catalog;
mod cause;
mod client;
mod clock;
mod connect;
mod connect_error;
mod connector;
mod container;
mod context;
mod credentials;
mod delete;
mod discovery;
mod error;
mod events;
mod exec;
mod feed;
mod foreign;
mod http;
mod identity;
mod issuer;
mod kubeconfig;
mod label_query;
mod logs;
mod memory;
mod plugin;
mod proxy;
mod read;
mod readiness;
mod resource;
mod retry;
mod route;
mod survey;
mod transport;
mod trust;
mod watch;

#[cfg(test)]
mod tests;

pub use access::{Access, Allowed};
pub use apply::{Applied, ApplyOptions, FIELD_MANAGER, PatchKind};
pub use client::{Cluster, MAX_CONCURRENT_EXECS, MAX_CONCURRENT_EXECS_PER_POD, ServerInfo};
pub use clock::ServerTime;
pub use connect::{ConnectOptions, install_crypto};
pub use connect_error::ConnectError;
pub use container::{PodTarget, PodTarget as ExecTarget};
pub use delete::{DeleteOptions, Deleted, Deletion, Propagation};
pub use error::{ClusterError, Refusal};
pub use events::{EventFilter, EventInfo};
pub use exec::{ExecError, ExecLimits, ExecPlace, ExecReached, ExecResult};
pub use http::{HttpError, HttpReply, HttpRequest, HttpTarget, Resolve, Scheme, TlsInfo};
pub use identity::Identity;
pub use kubeconfig::credentials_in;
pub use label_query::{LabelQuery, LabelQueryError};
pub use logs::{LogError, LogOptions, LogSince, LogStream};
pub use memory::Memory;
pub use plugin::NoCredentials;
pub use read::{RawReply, Selection};
pub use readiness::{
    ConditionState, Exclusion, PodReadiness, Readiness, condition_state, job_failed,
    node_excluded_by, node_not_ready, node_problem, owned_by, passing_taint, pod_state, pods_of,
    pods_refused, rolled_out,
};
pub use resource::{ObjectKey, Resource};
pub use survey::{Detail, Removable, Survey};
pub use watch::{State, Watch};
