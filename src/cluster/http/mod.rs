//! Asks something that speaks HTTP: a service through the API server's proxy, a pod through a
//! forwarded port, or a URL from where this program runs.
//!
//! Each request is sent once, on a connection of its own, and redirects are not followed: what is
//! asked again, and what is expected, is the caller's. HTTP/1.1 only.

mod dial;
mod endpoint;
mod forward;
mod model;
mod send;
mod service;
mod tls;
mod wire;

pub use model::{HttpError, HttpReply, HttpRequest, HttpTarget, Resolve, Scheme, TlsInfo};
pub(super) use tls::PlatformTrust;
