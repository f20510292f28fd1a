//! The id that the API server gives to each request, and sends with whatever it answers or passes on.
//! Where all its answers have one, what has none did not come through it.
//!
//! See [auditing](https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName, HeaderValue, Request};

/// The header that has the id.
pub(super) const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// Since this version all answers have one. Before, the filters that stand first in the server, and
/// all of it where it keeps no audit log, answered without (kubernetes#99237).
const SINCE: (u32, u32) = (1, 22);

/// What is known of the ids of one API server.
#[derive(Debug, Default)]
pub(super) struct AuditIds {
    /// Whether its version sends them with all answers or with none.
    is_new: AtomicBool,
    /// Whether an answer of its own ever had one.
    came: AtomicBool,
}

impl AuditIds {
    /// Learns the version of the server.
    pub(super) fn learn_version(&self, major: u32, minor: u32) {
        self.is_new
            .store((major, minor) >= SINCE, Ordering::Relaxed);
    }

    /// An answer of the server's own had one. Something before it may take them off all.
    pub(super) fn one_came(&self) {
        self.came.store(true, Ordering::Relaxed);
    }

    /// Whether all answers that come through the server have one.
    pub(super) fn are_on_all(&self) -> bool {
        self.is_new.load(Ordering::Relaxed) && self.came.load(Ordering::Relaxed)
    }
}

/// The id on an informational answer (1xx), which the answer proper lacks then: Go's reverse proxy
/// sends what headers there are with the first, and drops them.
#[derive(Default)]
pub(super) struct EarlyId(Arc<OnceLock<HeaderValue>>);

impl EarlyId {
    /// Looks out for one.
    pub(super) fn expect<B>(&self, request: &mut Request<B>) {
        let id = Arc::clone(&self.0);
        hyper::ext::on_informational(request, move |answer| {
            // the first is the API server's, and any other that of one behind it
            if let Some(early) = answer.headers().get(AUDIT_ID) {
                let _known = id.set(early.clone());
            }
        });
    }

    /// Gives the answer proper what came before it.
    pub(super) fn put_back(&self, headers: &mut HeaderMap) {
        if let Some(id) = self.0.get()
            && !headers.get_all(AUDIT_ID).iter().any(|own| own == id)
        {
            headers.append(AUDIT_ID, id.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_that_send_ids_with_all_answers_are_held_to_it() {
        let are_on_all = |version: Option<(u32, u32)>, came: bool| {
            let ids = AuditIds::default();
            if came {
                ids.one_came();
            }
            if let Some((major, minor)) = version {
                ids.learn_version(major, minor);
            }
            ids.are_on_all()
        };
        assert!(are_on_all(Some((1, 22)), true));
        assert!(are_on_all(Some((2, 0)), true));
        assert!(!are_on_all(Some((1, 21)), true));
        assert!(!are_on_all(Some((1, 34)), false));
        assert!(!are_on_all(None, true));
    }
}
