//! One right, and how far it must reach.

use crate::kinds::{self, BuiltIn};
use crate::source::Place;

/// Something that carrying a suite out takes.
#[derive(Clone, Debug)]
pub struct Right {
    /// `get`, `list`, …; all of them.
    pub verbs: Vec<String>,
    /// On what.
    pub on: On,
    /// `log`, `exec`, `status`, …
    pub subresource: Option<String>,
    /// The one object that it is about, where it is one and its name is known. Roles may name it.
    pub name: Option<String>,
    /// In which namespaces. What has none is asked for in the cluster, whatever this says.
    pub reach: Reach,
    /// One of the suite's further clusters; nothing is the run's own.
    pub cluster: Option<String>,
    /// What becomes of a run without it.
    pub need: Need,
    /// The step, or whatever else takes it.
    pub place: Place,
}

/// What a right is on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum On {
    /// A kind as kubectl resolves it.
    Named(String),
    /// The kind of a manifest.
    Manifest {
        /// `apps/v1`
        api_version: String,
        /// `DaemonSet`
        kind: String,
    },
    /// What roles name: a group and a plural.
    Resource {
        /// Empty is the core group.
        group: String,
        /// `daemonsets`
        plural: String,
    },
    /// A path of the API server that is no resource.
    Path(String),
    /// A kind that only the run will know: what stands in the suite.
    Unknown(String),
}

impl On {
    /// A resource of a group.
    pub(super) fn resource(group: &str, plural: &str) -> Self {
        Self::Resource {
            group: group.to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// The kind, where it is built into Kubernetes.
    pub fn built_in(&self) -> Option<&'static BuiltIn> {
        match self {
            Self::Named(name) => kinds::named(name),
            Self::Manifest { api_version, kind } => kinds::of(api_version, kind),
            Self::Resource { group, plural } => kinds::resource(group, plural),
            Self::Path(_) | Self::Unknown(_) => None,
        }
    }

    /// Whether both may be the same kind, as far as that can be told without a cluster.
    pub(super) fn may_be(&self, other: &Self) -> bool {
        if matches!(self, Self::Unknown(_)) || matches!(other, Self::Unknown(_)) {
            return true;
        }
        self.built_in().map(|kind| kind.kind) == other.built_in().map(|kind| kind.kind)
    }

    /// Whether it is known to have no namespaces.
    pub(super) fn is_cluster_wide(&self) -> bool {
        self.built_in().is_some_and(|kind| !kind.namespaced)
    }
}

/// In which namespaces a right is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// The suite's own.
    Own,
    /// This one.
    Namespace(String),
    /// All of them.
    Every,
    /// That of the connection: what the kubeconfig's context names.
    Connection,
    /// Some that only the run will know: a role must give it in all of them.
    Unknown,
    /// What it is on has no namespace.
    Cluster,
}

impl Reach {
    /// What remains of it for this: what has no namespaces is in none.
    pub(super) fn of(self, on: &On) -> Self {
        match on.is_cluster_wide() {
            true => Self::Cluster,
            false => self,
        }
    }
}

/// What becomes of a run without a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// It cannot do what the suite says.
    Needed,
    /// It can, and is told before it begins: should it be killed, nobody can put back what it
    /// changed.
    Durable,
    /// It can: what is missing is an explanation, the restoration of an object that happened to be
    /// there, or what was meant to be refused.
    Helpful,
}
