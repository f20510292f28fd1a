//! What it takes to say that a run lives, and to see which others do not: all of it only helps.

use super::walk::{Here, Walk};
use super::{Need, On, Reach};
use crate::plan::model::Namespace;

impl Walk<'_> {
    /// A run that makes namespaces looks whether those of dead runs are left, and goes on where it
    /// may not.
    pub(super) fn leftovers_of_others(&mut self, here: &Here) {
        if !self.suite.namespace.is_made() {
            return;
        }
        let here = Here {
            cluster: None,
            ..here.clone()
        };
        let namespaces = On::resource("", "namespaces");
        self.add_own(&here, Need::Helpful, &["list"], namespaces, &Reach::Cluster);
        self.lease(&here, &["list"], &Reach::Every);
    }

    /// Something is made where the run has no namespace of its own: its Lease is beside it.
    pub(super) fn lease_beside(&mut self, here: &Here) {
        let reach = match &self.suite.namespace {
            Namespace::PerSuite(_) | Namespace::PerCase(_) => return,
            Namespace::Existing(_) => Reach::Own,
            // the connection's, which only the run will know
            Namespace::None => Reach::Unknown,
        };
        self.lease(here, &["create", "patch", "delete"], &reach);
    }

    /// Something is changed that was there before: what it was like is written down in the cluster,
    /// beside it, and so is a Lease.
    pub(super) fn snapshot(&mut self, here: &Here, reach: &Reach) {
        let place = match (reach, &self.suite.namespace) {
            (Reach::Cluster, Namespace::Existing(_)) => Reach::Own,
            (Reach::Cluster, _) => Reach::Connection,
            (reach, _) => reach.clone(),
        };
        let secrets = On::resource("", "secrets");
        let verbs = ["create", "delete"];
        self.add_own(here, Need::Durable, &verbs, secrets, &place);
        self.lease(here, &["create", "patch", "delete"], &place);
    }

    /// Saying that the run lives, which it does without it too.
    pub(super) fn lease(&mut self, here: &Here, verbs: &[&str], reach: &Reach) {
        let leases = On::resource("coordination.k8s.io", "leases");
        self.add_own(here, Need::Helpful, verbs, leases, reach);
    }
}
