//! [`Cluster`]: the one handle to a cluster. What can be done with it is in the other files, an
//! `impl` block each; making one is `connect`'s job.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use super::discovery::Discovery;
use super::error::ClusterError;
use super::exec::{Ends, Places, Shellless};
use super::http::PlatformTrust;
use super::identity::Identity;
use super::transport::Transport;
use super::watch::Registry;

/// How many commands run in pods at once over one [`Cluster`].
///
/// Each takes a socket of its own, and the API server's priority and fairness does not cover exec.
pub const MAX_CONCURRENT_EXECS: usize = 100;

/// How many of them run in one pod.
///
/// The shim of containerd 1.6 locks up for good when a hundred commands of one container end at
/// about the same time (measured), and the pod can then not even be deleted.
pub const MAX_CONCURRENT_EXECS_PER_POD: usize = 16;

/// What was connected to, for the block that is printed before anything runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// Where the configuration is from: the path of the file, several joined as in `KUBECONFIG`, or `in-cluster`.
    pub kubeconfig: String,
    /// The context taken; none in a pod.
    pub context: Option<String>,
    /// The URL of the API server.
    pub server: String,
    /// The server's `gitVersion`: `v1.34.1+k3s1`.
    pub version: String,
    /// The first number of the version.
    pub major: u32,
    /// The second number of the version, without a `+` that some providers add.
    pub minor: u32,
    /// Who the server says we are; where it cannot say, the user's name in the kubeconfig.
    pub user: String,
    /// The namespace of the context, or `default`.
    pub default_namespace: String,
}

/// A connection to a cluster. Cheap to clone; clones share discovery, watches and limits.
#[derive(Clone)]
pub struct Cluster {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    /// Who is impersonated; nobody where the credentials speak for themselves.
    pub(super) identity: Option<Identity>,
    pub(super) transport: Transport,
    /// Not shared between identities, since they may see different things.
    pub(super) watches: Registry,
}

/// What all identities on one connection have in common.
pub(super) struct Shared {
    pub(super) server: ServerInfo,
    /// Sends as whom the credentials are, impersonating nobody.
    pub(super) bare: Transport,
    /// Sends as whom the connection was made; discovery is the same for all, and they may ask.
    pub(super) own: Transport,
    pub(super) discovery: Discovery,
    pub(super) execs: Places,
    pub(super) ends: Ends,
    pub(super) shellless: Shellless,
    pub(super) trust: PlatformTrust,
    /// Those that somebody holds, so that many who act as the same share its watches.
    pub(super) identities: Mutex<HashMap<Identity, Weak<Inner>>>,
}

impl Cluster {
    /// `bare` impersonates nobody; all is sent as `identity` then, if there is one.
    pub(super) fn new(bare: Transport, identity: Option<Identity>, server: ServerInfo) -> Self {
        let transport = match &identity {
            Some(identity) => bare.impersonating(identity),
            None => bare.clone(),
        };
        Self {
            inner: Arc::new(Inner {
                shared: Arc::new(Shared {
                    server,
                    bare,
                    own: transport.clone(),
                    discovery: Discovery::default(),
                    execs: Places::default(),
                    ends: Ends::default(),
                    shellless: Shellless::default(),
                    trust: PlatformTrust::default(),
                    identities: Mutex::default(),
                }),
                identity,
                transport,
                watches: Registry::default(),
            }),
        }
    }

    /// What was connected to, and as whom at that time.
    #[must_use]
    pub fn server(&self) -> &ServerInfo {
        &self.inner.shared.server
    }

    /// What keeps requests from being answered at the moment; nothing where the last one was.
    ///
    /// They are sent again for a while, so this is the cause where a caller's time ends meanwhile.
    #[must_use]
    pub fn trouble(&self) -> Option<ClusterError> {
        self.transport().trouble.now()
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.inner.transport
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("server", self.server())
            .field("identity", &self.inner.identity)
            .finish_non_exhaustive()
    }
}
