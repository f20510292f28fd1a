//! What is asked, and what can come of it. Sending is the other files' job.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use super::super::error::seconds;
use crate::output::{Intake, Text};

/// What is asked, and by which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpTarget {
    /// A service, through the API server's
    /// [proxy](https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/#manually-constructing-apiserver-proxy-urls).
    ///
    /// It takes the permission on `services/proxy`. The proxy checks no certificate, rewrites
    /// links in HTML and `Location`, and sends no `Authorization` on.
    ServiceProxy {
        /// The service's namespace.
        namespace: String,
        /// Its name.
        service: String,
        /// The number or the name of its port.
        port: String,
        /// What the service speaks.
        scheme: Scheme,
    },
    /// A pod behind a service, the first ready one by name, through a forwarded port.
    ServiceForward {
        /// The service's namespace.
        namespace: String,
        /// Its name.
        service: String,
        /// The number or the name of its port (not of the pod's).
        port: String,
        /// What the service speaks.
        scheme: Scheme,
    },
    /// A pod, through a forwarded port, which is asked on its `localhost`.
    ///
    /// It takes the permission to create `pods/portforward`.
    PodForward {
        /// The pod's namespace.
        namespace: String,
        /// Its name.
        pod: String,
        /// The port in the pod.
        port: u16,
        /// What listens there.
        scheme: Scheme,
    },
    /// An `http` or `https` URL, straight from where this program runs; no proxy is used.
    Url(String),
}

impl HttpTarget {
    /// Whether the API server carries the request and the answer.
    pub(super) fn is_carried(&self) -> bool {
        match self {
            Self::ServiceProxy { .. } | Self::ServiceForward { .. } | Self::PodForward { .. } => {
                true
            }
            Self::Url(_) => false,
        }
    }
}

/// What is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP in the clear.
    #[default]
    Http,
    /// HTTP over TLS.
    Https,
}

/// A request.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// `GET` by default.
    pub method: String,
    /// The path with the query, `/` by default; not used with [`HttpTarget::Url`], which has its own.
    pub path: String,
    /// Headers, in order; a `Host` replaces the one that follows from the target, also for TLS.
    pub headers: Vec<(String, String)>,
    /// The body; empty by default.
    pub body: Vec<u8>,
    /// The time for all of it, connecting included; 10 s by default.
    pub timeout: Duration,
    /// Certificates in PEM that are trusted instead of those of the system.
    pub ca: Option<Vec<u8>>,
    /// Addresses that names are taken to have; with [`HttpTarget::Url`] only.
    pub resolve: Vec<Resolve>,
    /// How the answer's body is taken in; 1 MiB of it is kept by default.
    pub intake: Intake,
}

impl Default for HttpRequest {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(10),
            ca: None,
            resolve: Vec::new(),
            intake: Intake::default(),
        }
    }
}

/// An address that a name is taken to have, as with `curl --resolve`.
///
/// Read from `HOST:PORT:ADDRESS`; an IPv6 address may stand in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve {
    /// The name in the URL.
    pub host: String,
    /// The port in the URL.
    pub port: u16,
    /// Where to connect to.
    pub address: IpAddr,
}

impl Resolve {
    /// The address, where this is about `host` and `port`.
    pub(super) fn covers(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let is_meant = self.host.eq_ignore_ascii_case(host) && self.port == port;
        is_meant.then(|| SocketAddr::new(self.address, port))
    }
}

impl FromStr for Resolve {
    type Err = HttpError;

    fn from_str(text: &str) -> Result<Self, HttpError> {
        let parts = text.split_once(':').and_then(|(host, rest)| {
            let (port, address) = rest.split_once(':')?;
            let address = address.trim_start_matches('[').trim_end_matches(']');
            Some(Self {
                host: Some(host).filter(|host| !host.is_empty())?.to_owned(),
                port: port.parse().ok()?,
                address: address.parse().ok()?,
            })
        });
        parts.ok_or_else(|| HttpError::Invalid {
            problem: format!("{text:?} is not HOST:PORT:ADDRESS"),
        })
    }
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case, in order; those that repeat are repeated.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Text,
    /// From the beginning, connecting included, to the end of the body.
    pub took: Duration,
    /// About the certificate, where TLS was spoken from here to the target.
    pub tls: Option<TlsInfo>,
    /// Who answered, where that is known: `pod/web-0`, `10.0.0.1:443`.
    pub peer: Option<String>,
}

/// What is known about a TLS session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsInfo {
    /// Whose certificate it is: `CN=example.com`; often empty, as names are elsewhere.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// From when on it is valid.
    pub not_before: Timestamp,
    /// How long it is valid.
    pub not_after: Timestamp,
}

/// Why there is no answer, or not a whole one.
///
/// A bad status is an answer, never an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The request cannot be sent as it is written.
    #[error("the request cannot be sent: {problem}")]
    Invalid {
        /// What is wrong with it.
        problem: String,
    },

    /// The way to the target does not work: the API server did not answer, or lets us not pass; a
    /// resolver does not answer, this machine has no route or no more ports.
    #[error("the request could not be sent: {cause}")]
    NotAsked {
        /// What happened.
        cause: String,
    },

    /// The target does not listen: no such service or pod, no endpoint, no such name, refused. Somebody
    /// said so.
    ///
    /// The API server's proxy tells so with a 503, which is not the service's own.
    #[error("{cause}")]
    NotReached {
        /// What happened, in the cluster's own words where it has some.
        cause: String,
    },

    /// There is no TLS session with the target, or its certificate is not to be trusted.
    #[error("{cause}")]
    Tls {
        /// What is wrong.
        cause: String,
    },

    /// The target was reached, and the connection ended before the answer did.
    #[error("the connection broke: {cause}")]
    Broken {
        /// What happened.
        cause: String,
    },

    /// The way to the target broke before the answer was whole: the API server, which carried it,
    /// does not answer either.
    #[error(
        "the way to it broke before the answer was whole: {cause}; the API server does not answer"
    )]
    Lost {
        /// What happened.
        cause: String,
    },

    /// The time was over.
    #[error("{} within {}", if *.reached { "the answer did not come, or not whole," } else { "no connection" }, seconds(*.after))]
    TimedOut {
        /// Whether the target, or a proxy that works, had been reached; if not, nothing is known about it.
        reached: bool,
        /// The time it had.
        after: Duration,
    },
}

impl HttpError {
    /// Whether the target could not be asked: nothing is known about the thing under test.
    ///
    /// A target that does not listen, or whose certificate is bad, is found out about.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Invalid { .. } | Self::NotAsked { .. } | Self::Lost { .. } => true,
            Self::NotReached { .. } | Self::Tls { .. } | Self::Broken { .. } => false,
            Self::TimedOut { reached, .. } => !reached,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_those_of_curl() {
        let resolve: Resolve = "Example.com:443:10.0.0.1".parse().unwrap();
        let expected = "10.0.0.1:443".parse().ok();
        assert_eq!(resolve.covers("example.COM", 443), expected);
        assert_eq!(resolve.covers("example.com", 80), None);
        assert_eq!(resolve.covers("www.example.com", 443), None);
        let resolve: Resolve = "a:80:[::1]".parse().unwrap();
        assert!(resolve.address.is_loopback());
        for wrong in ["", "a", "a:80", "a:80:b", "a:b:10.0.0.1", ":80:10.0.0.1"] {
            assert!(wrong.parse::<Resolve>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_known_is_told_from_what_is_bad() {
        let timed_out = |reached| HttpError::TimedOut {
            reached,
            after: Duration::from_secs(1),
        };
        assert!(timed_out(false).is_environment());
        assert!(!timed_out(true).is_environment());
        assert_eq!(timed_out(false).to_string(), "no connection within 1s");
        assert_eq!(
            timed_out(true).to_string(),
            "the answer did not come, or not whole, within 1s"
        );
    }
}
