//! Acts as somebody else: impersonation, on the same connection, for every request, watches and
//! exec included. Whether one may, the API server decides.
//!
//! See [user impersonation](https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/).

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, Weak};

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use kube::client::Body;
use kube::config::AuthInfo;

use super::client::{Cluster, Inner};
use super::resource::encoded;
use super::transport::Transport;
use super::watch::Registry;

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
const AUTHENTICATED: &str = "system:authenticated";
const ANONYMOUS: &str = "system:anonymous";
const UNAUTHENTICATED: &str = "system:unauthenticated";

/// Somebody to act as.
///
/// The server lets nobody be impersonated but who is named here, and asks for the permission
/// `impersonate` on each part: the user (or service account), each group, the uid, each extra.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The user: `jane`, `system:serviceaccount:NAMESPACE:NAME`, `system:node:NAME`.
    pub user: String,
    /// The groups. Those that follow from the user (see [`Identity::effective_groups`]) the server
    /// adds by itself; naming them asks for more permissions.
    pub groups: Vec<String>,
    /// The uid, for authorizers that look at it.
    pub uid: Option<String>,
    /// What else is known about the user, such as scopes.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Identity {
    /// A user without groups of their own.
    #[must_use]
    pub fn user(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            ..Self::default()
        }
    }

    /// A service account: `system:serviceaccount:NAMESPACE:NAME`, which the server takes to be in the
    /// groups that every service account is in.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self::user(&format!("{SERVICE_ACCOUNT}{namespace}:{name}"))
    }

    /// The groups that the server takes the user to be in: those named, and those that follow.
    ///
    /// A service account without groups is in `system:serviceaccounts` and
    /// `system:serviceaccounts:NAMESPACE`, everybody but `system:anonymous` in `system:authenticated`.
    #[must_use]
    pub fn effective_groups(&self) -> Vec<String> {
        let mut groups = self.groups.clone();
        let account = self.user.strip_prefix(SERVICE_ACCOUNT);
        if let Some((namespace, _)) = account.and_then(|account| account.split_once(':'))
            && groups.is_empty()
        {
            groups.push("system:serviceaccounts".to_owned());
            groups.push(format!("system:serviceaccounts:{namespace}"));
        }
        let has = |name: &str| groups.iter().any(|group| group == name);
        if self.user == ANONYMOUS {
            if !has(UNAUTHENTICATED) {
                groups.push(UNAUTHENTICATED.to_owned());
            }
        } else if !has(AUTHENTICATED) && !has(UNAUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        groups
    }

    /// Whom the command line says to act as.
    pub(super) fn of(user: Option<&str>, groups: &[String]) -> Option<Self> {
        Some(Self {
            groups: groups.to_vec(),
            ..Self::user(user?)
        })
    }

    /// Whom a kubeconfig says to act as (`as`, `as-groups`, …), the command line's word before it, for
    /// each of them as kubectl takes it.
    ///
    /// In words what is wrong where it says groups, a uid or extras, and of nobody: those would be
    /// sent without a user, and the server passes over them.
    pub(super) fn in_kubeconfig(
        auth: &AuthInfo,
        user: Option<&str>,
        groups: &[String],
    ) -> Result<Option<Self>, &'static str> {
        let own = auth.impersonate.as_deref().filter(|user| !user.is_empty());
        let of_kubeconfig = auth.impersonate_groups.as_deref().unwrap_or_default();
        let groups = match groups {
            [] => of_kubeconfig,
            groups => groups,
        };
        let identity = Self {
            user: user.or(own).unwrap_or_default().to_owned(),
            groups: groups.to_vec(),
            uid: auth.impersonate_uid.clone().filter(|uid| !uid.is_empty()),
            extra: auth
                .impersonate_user_extra
                .clone()
                .unwrap_or_default()
                .into_iter()
                .collect(),
        };
        if !identity.user.is_empty() {
            return Ok(Some(identity));
        }
        match identity == Self::default() {
            true => Ok(None),
            false => Err(
                "says by as-groups, as-uid or as-user-extra to act as somebody, and not as whom: \
                 add as, or --as, or take them away",
            ),
        }
    }

    /// In words why no request can carry it.
    pub(super) fn problem(&self) -> Option<&'static str> {
        self.headers().err()
    }

    fn headers(&self) -> Result<HeaderMap, &'static str> {
        // Names beyond ASCII are sent as they are, as kubectl does.
        let value = |text: &str| {
            HeaderValue::from_bytes(text.as_bytes())
                .map_err(|_| "the identity to act as has characters that no header can carry")
        };
        let mut headers = HeaderMap::new();
        headers.append("impersonate-user", value(&self.user)?);
        if let Some(uid) = &self.uid {
            headers.append("impersonate-uid", value(uid)?);
        }
        for group in &self.groups {
            headers.append("impersonate-group", value(group)?);
        }
        for (key, values) in &self.extra {
            let name = format!("impersonate-extra-{}", encoded(&key.to_lowercase()));
            let name: HeaderName = name
                .replace(':', "%3A")
                .parse()
                .map_err(|_| "the identity to act as has an extra that no header can carry")?;
            for text in values {
                headers.append(name.clone(), value(text)?);
            }
        }
        Ok(headers)
    }
}

impl Transport {
    /// The same connection, with these headers on whatever is sent.
    pub(super) fn impersonating(&self, identity: &Identity) -> Self {
        let client = self.client.clone();
        let namespace = client.default_namespace().to_owned();
        let headers = identity.headers();
        let service = tower::service_fn(move |mut request: Request<Body>| {
            let (client, headers) = (client.clone(), headers.clone());
            async move {
                let headers = headers.map_err(|words| {
                    kube::Error::Service(Box::new(io::Error::other(words.to_owned())))
                })?;
                request.headers_mut().extend(headers);
                client.send(request).await
            }
        });
        Self {
            client: kube::Client::new(service, namespace),
            ..self.clone()
        }
    }
}

impl Cluster {
    /// The same cluster as somebody else sees it: each request, watch and exec is sent as them.
    ///
    /// Takes the place of whoever is impersonated already. Connection, discovery and the limits on
    /// exec are shared; watches are not, since rights differ. Many who hold the same identity at a
    /// time share one.
    ///
    /// Never fails by itself: who may not impersonate is refused (403) at the first request.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn impersonating(&self, identity: &Identity) -> Self {
        if self.inner.identity.as_ref() == Some(identity) {
            return self.clone();
        }
        let shared = &self.inner.shared;
        let mut known = shared
            .identities
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(inner) = known.get(identity).and_then(Weak::upgrade) {
            return Self { inner };
        }
        let inner = Arc::new(Inner {
            shared: Arc::clone(shared),
            identity: Some(identity.clone()),
            transport: shared.bare.impersonating(identity),
            watches: Registry::default(),
        });
        known.retain(|_, inner| inner.strong_count() > 0);
        known.insert(identity.clone(), Arc::downgrade(&inner));
        Self { inner }
    }

    /// Who is impersonated; nobody where the credentials speak for themselves.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.inner.identity.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_follow_from_the_user() {
        let with = |user: &str, groups: &[&str]| {
            let groups = groups.iter().map(|group| (*group).to_owned()).collect();
            let identity = Identity {
                groups,
                ..Identity::user(user)
            };
            identity.effective_groups().join(" ")
        };
        let account = Identity::service_account("n", "ci");
        assert_eq!(account.user, "system:serviceaccount:n:ci");
        assert_eq!(
            account.effective_groups().join(" "),
            "system:serviceaccounts system:serviceaccounts:n system:authenticated"
        );
        assert_eq!(with(&account.user, &["a"]), "a system:authenticated");
        assert_eq!(with("jane", &[]), "system:authenticated");
        assert_eq!(with(ANONYMOUS, &[]), UNAUTHENTICATED);
        assert_eq!(with("jane", &[UNAUTHENTICATED]), UNAUTHENTICATED);
    }

    #[test]
    fn headers_are_those_of_the_api() {
        let identity = Identity {
            groups: vec!["a".to_owned(), "b".to_owned()],
            uid: Some("7".to_owned()),
            extra: BTreeMap::from([("Acme.com/Project".to_owned(), vec!["x".to_owned()])]),
            ..Identity::user("jän")
        };
        let headers = identity.headers().unwrap();
        assert_eq!(headers["impersonate-user"].as_bytes(), "jän".as_bytes());
        assert_eq!(headers.get_all("impersonate-group").iter().count(), 2);
        assert_eq!(headers["impersonate-uid"], "7");
        assert_eq!(headers["impersonate-extra-acme.com%2fproject"], "x");
        assert!(Identity::user("a\nb").headers().is_err());
    }

    #[test]
    fn all_that_a_kubeconfig_says_of_whom_to_act_as_is_honoured_or_refused() {
        let strings = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let full = AuthInfo {
            impersonate: Some("bob".to_owned()),
            impersonate_groups: Some(strings(&["g"])),
            impersonate_uid: Some("7".to_owned()),
            impersonate_user_extra: Some([("k".to_owned(), strings(&["v"]))].into()),
            ..AuthInfo::default()
        };
        let of = |auth: &AuthInfo, user, groups: &[&str]| {
            Identity::in_kubeconfig(auth, user, &strings(groups))
        };
        let bob = of(&full, None, &[]).unwrap().unwrap();
        assert_eq!((bob.user.as_str(), bob.uid.as_deref()), ("bob", Some("7")));
        assert_eq!(
            (bob.groups.join(" "), bob.extra["k"].join(" ")),
            ("g".into(), "v".into())
        );
        let jane = of(&full, Some("jane"), &[]).unwrap().unwrap();
        assert_eq!(
            (jane.user.as_str(), jane.groups.join(" ")),
            ("jane", "g".into())
        );
        let other = of(&full, Some("jane"), &["h"]).unwrap().unwrap();
        assert_eq!(other.groups, ["h"]);
        let nobody = || AuthInfo {
            impersonate: None,
            impersonate_groups: None,
            impersonate_uid: None,
            impersonate_user_extra: None,
            ..full.clone()
        };
        assert_eq!(of(&nobody(), None, &[]), Ok(None));
        let parts = [
            AuthInfo {
                impersonate_groups: full.impersonate_groups.clone(),
                ..nobody()
            },
            AuthInfo {
                impersonate_uid: full.impersonate_uid.clone(),
                ..nobody()
            },
            AuthInfo {
                impersonate_user_extra: full.impersonate_user_extra.clone(),
                ..nobody()
            },
            AuthInfo {
                impersonate: Some(String::new()),
                ..full.clone()
            },
        ];
        for auth in parts {
            assert!(of(&auth, None, &[]).is_err(), "{auth:?}");
            assert!(of(&auth, Some("jane"), &[]).unwrap().is_some());
        }
        assert!(of(&nobody(), None, &["g"]).is_err());
    }
}
