//! Why there is no connection to a cluster, in one line each that tells the user what to do.
//! No message holds a credential.

use std::path::PathBuf;

use super::plugin::NoCredentials;

/// Why no connection came about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// There is no kubeconfig where one would be.
    #[error("no kubeconfig found: looked at {}", .looked_at.join(", "))]
    NoKubeconfig {
        /// The places, in order.
        looked_at: Vec<String>,
    },

    /// A kubeconfig, or a file it names, cannot be read.
    #[error("cannot read {}: {cause}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: String,
    },

    /// A kubeconfig is not one, or something in it cannot be used.
    #[error("the kubeconfig {kubeconfig} is not valid: {problem}")]
    Invalid {
        /// The file, or several as in `KUBECONFIG`.
        kubeconfig: String,
        /// What is wrong, without quoting the file.
        problem: String,
    },

    /// The context asked for is not in the kubeconfig.
    #[error("the kubeconfig {kubeconfig} has no context {name:?}; it has {}", list(.known))]
    UnknownContext {
        /// The file, or several as in `KUBECONFIG`.
        kubeconfig: String,
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },

    /// The kubeconfig does not say which context is current.
    #[error("the kubeconfig {kubeconfig} has no current context; choose one: it has {}", list(.known))]
    NoCurrentContext {
        /// The file, or several as in `KUBECONFIG`.
        kubeconfig: String,
        /// The names there are.
        known: Vec<String>,
    },

    /// Nothing answers at the server's address.
    #[error("cannot reach the API server {server}: {cause}")]
    Unreachable {
        /// The URL.
        server: String,
        /// Refused, timed out, no such name, …
        cause: String,
    },

    /// The server's certificate, or the client's, stands in the way.
    #[error("no secure connection to the API server {server}: {cause}")]
    Tls {
        /// The URL.
        server: String,
        /// What is wrong with which certificate.
        cause: String,
    },

    /// The server does not accept the credentials (401).
    #[error("the API server {server} does not accept the credentials of user {user:?}{}", because(.reason.as_deref()))]
    Unauthorized {
        /// The URL.
        server: String,
        /// The user's name in the kubeconfig.
        user: String,
        /// What is known about why: the client certificate expired.
        reason: Option<String>,
    },

    /// The server knows the user and does not let them in (403).
    #[error("the API server {server} refuses user {user:?}: {message}")]
    Forbidden {
        /// The URL.
        server: String,
        /// The user's name in the kubeconfig.
        user: String,
        /// The server's words.
        message: String,
    },

    /// No credentials could be had: the plugin failed.
    #[error("no credentials for user {user:?}: {why}")]
    Credentials {
        /// The user's name in the kubeconfig.
        user: String,
        /// What went wrong with what.
        why: NoCredentials,
    },

    /// What the environment says cannot be used.
    #[error("the environment's HTTPS_PROXY or HTTP_PROXY: {problem}")]
    Environment {
        /// What is wrong, without quoting it.
        problem: String,
    },

    /// Something answers at the address that is no API server, or one that cannot serve now.
    #[error("the API server {server} gives no usable answer: {cause}")]
    Unusable {
        /// The URL.
        server: String,
        /// What it said.
        cause: String,
    },
}

impl ConnectError {
    /// Whether a cluster that is still coming up answers like this, so that it may be otherwise a
    /// while later.
    ///
    /// Credentials that are refused, and certificates that are wrong, stay so. A user who is known
    /// and not let in may be let in once the server has made its own roles.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unusable { .. } | Self::Forbidden { .. } => true,
            Self::NoKubeconfig { .. }
            | Self::Unreadable { .. }
            | Self::Invalid { .. }
            | Self::UnknownContext { .. }
            | Self::NoCurrentContext { .. }
            | Self::Tls { .. }
            | Self::Unauthorized { .. }
            | Self::Environment { .. }
            | Self::Credentials { .. } => false,
        }
    }

    /// What there is to say beside the one line, each with a title: all that a credential plugin
    /// wrote to stderr, how to install it.
    #[must_use]
    pub fn details(&self) -> &[(String, String)] {
        match self {
            Self::Credentials { why, .. } => &why.details,
            _ => &[],
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}
