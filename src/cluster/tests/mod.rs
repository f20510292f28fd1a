//! The facade against a fake API server at the socket: what retries, watches and exec do when a
//! connection breaks, hangs or answers nonsense.

mod apply;
mod connect;
mod discovery;
mod exec;
mod fake;
mod foreign;
mod http;
mod live;
mod logs;
mod requests;
mod tls;
mod watch;
mod whole;

use super::{ObjectKey, Resource};

/// An object that is no pod.
fn config_map() -> ObjectKey {
    let resource = Resource {
        kind: "ConfigMap".into(),
        plural: "configmaps".into(),
        singular: "configmap".into(),
        ..Resource::pod()
    };
    ObjectKey::new(resource, Some("n"), "x")
}
