//! Names of things in a cluster: a [`Resource`] is a kind that the cluster serves, an
//! [`ObjectKey`] one object of it. Finding out what a cluster serves is `discovery`'s job.

use std::fmt;
use std::hash::{Hash, Hasher};

use kube::core::ApiResource;
use serde_json::Value;

/// A kind of object that the cluster serves, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    /// `v1`, or `apps/v1`.
    pub api_version: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// `v1`
    pub version: String,
    /// `DaemonSet`
    pub kind: String,
    /// `daemonsets`, as in the URL.
    pub plural: String,
    /// `daemonset`
    pub singular: String,
    /// `ds`
    pub short_names: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// `get`, `list`, `watch`, `create`, …
    pub verbs: Vec<String>,
    /// `status`, `scale`, …
    pub subresources: Vec<String>,
}

impl Resource {
    /// A kind that every cluster serves; it needs no discovery.
    fn built_in(api_version: &str, kind: &str, plural: &str, namespaced: bool) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self {
            api_version: api_version.to_owned(),
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            short_names: Vec::new(),
            namespaced,
            verbs: [
                "create", "delete", "get", "list", "patch", "update", "watch",
            ]
            .map(str::to_owned)
            .to_vec(),
            subresources: Vec::new(),
        }
    }

    /// `v1` Pod.
    #[must_use]
    pub fn pod() -> Self {
        Self::built_in("v1", "Pod", "pods", true)
    }

    /// `v1` Node.
    #[must_use]
    pub fn node() -> Self {
        Self::built_in("v1", "Node", "nodes", false)
    }

    /// `v1` Namespace.
    #[must_use]
    pub fn namespace() -> Self {
        Self::built_in("v1", "Namespace", "namespaces", false)
    }

    /// `v1` Event.
    #[must_use]
    pub fn event() -> Self {
        Self::built_in("v1", "Event", "events", true)
    }

    /// `v1` Service.
    #[must_use]
    pub fn service() -> Self {
        Self::built_in("v1", "Service", "services", true)
    }

    /// `v1` Secret.
    #[must_use]
    pub fn secret() -> Self {
        Self::built_in("v1", "Secret", "secrets", true)
    }

    /// `discovery.k8s.io/v1` `EndpointSlice`: which pods stand behind a service.
    #[must_use]
    pub fn endpoint_slice() -> Self {
        Self::built_in(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            "endpointslices",
            true,
        )
    }

    /// `coordination.k8s.io/v1` Lease.
    #[must_use]
    pub fn lease() -> Self {
        Self::built_in("coordination.k8s.io/v1", "Lease", "leases", true)
    }

    /// `apps/v1` `ReplicaSet`, which stands between a Deployment and its pods.
    #[must_use]
    pub fn replica_set() -> Self {
        Self::built_in("apps/v1", "ReplicaSet", "replicasets", true)
    }

    /// Whether both are one kind, in whichever versions: the same objects.
    #[must_use]
    pub fn is_same_kind(&self, other: &Self) -> bool {
        self.group == other.group && self.plural == other.plural
    }

    /// Whether the cluster offers `verb` (`list`, `patch`, …) on this resource, whatever the user may do.
    #[must_use]
    pub fn supports(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| known == verb)
    }

    /// The URL path of the collection: `/apis/apps/v1/namespaces/default/daemonsets`.
    ///
    /// Without a namespace, that of every namespace. The namespace is left out for what has none.
    pub(super) fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            "/api"
        } else {
            "/apis"
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!(
                "{root}/{}/namespaces/{}/{}",
                self.api_version,
                encoded(namespace),
                self.plural
            ),
            None => format!("{root}/{}/{}", self.api_version, self.plural),
        }
    }

    /// Writes `apiVersion` and `kind` where the server leaves them out: in the items of a list.
    pub(super) fn fill_type(&self, object: &mut Value) {
        if let Some(map) = object.as_object_mut() {
            map.entry("apiVersion")
                .or_insert_with(|| self.api_version.clone().into());
            map.entry("kind")
                .or_insert_with(|| self.kind.clone().into());
        }
    }

    pub(super) fn to_kube(&self) -> ApiResource {
        ApiResource {
            group: self.group.clone(),
            version: self.version.clone(),
            api_version: self.api_version.clone(),
            kind: self.kind.clone(),
            plural: self.plural.clone(),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.singular)
    }
}

/// One object, whether it is there or not. It is the same in each version of its kind.
///
/// Shown as kubectl names it, without the namespace: `daemonset/overlaytest`.
#[derive(Debug, Clone)]
pub struct ObjectKey {
    /// Its kind.
    pub resource: Resource,
    /// Its namespace; ignored for kinds that have none.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// The object `name` of this kind; pass no namespace for what has none.
    pub fn new(resource: Resource, namespace: Option<&str>, name: impl Into<String>) -> Self {
        let namespace = namespace.filter(|_| resource.namespaced).map(str::to_owned);
        Self {
            resource,
            namespace,
            name: name.into(),
        }
    }

    /// The URL path of the object.
    pub(super) fn path(&self) -> String {
        let collection = self.resource.path(self.namespace.as_deref());
        format!("{collection}/{}", encoded(&self.name))
    }
}

impl PartialEq for ObjectKey {
    fn eq(&self, other: &Self) -> bool {
        self.resource.is_same_kind(&other.resource)
            && self.namespace == other.namespace
            && self.name == other.name
    }
}

impl Eq for ObjectKey {}

impl Hash for ObjectKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Resource { group, plural, .. } = &self.resource;
        (group, plural, &self.namespace, &self.name).hash(state);
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource, self.name)
    }
}

/// Percent-encodes a segment of a path or a value of a query, so that no name can reach another URL.
pub(super) fn encoded(text: &str) -> String {
    use fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        // A colon is common in names of roles (`system:node`) and safe in either place.
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes all that is written");
        }
    }
    // A path of dots alone would be resolved away by proxies.
    if !text.is_empty() && text.bytes().all(|byte| byte == b'.') {
        encoded = "%2E".repeat(text.len());
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        let pod = ObjectKey::new(Resource::pod(), Some("default"), "web-0");
        assert_eq!(pod.path(), "/api/v1/namespaces/default/pods/web-0");
        assert_eq!(pod.to_string(), "pod/web-0");
        let node = ObjectKey::new(Resource::node(), Some("ignored"), "node1");
        assert_eq!(node.path(), "/api/v1/nodes/node1");
        assert_eq!(
            Resource::replica_set().path(None),
            "/apis/apps/v1/replicasets"
        );
    }

    #[test]
    fn an_object_is_the_same_in_every_version() {
        let discovered = Resource {
            version: "v2".to_owned(),
            api_version: "v2".to_owned(),
            short_names: vec!["po".to_owned()],
            subresources: vec!["log".to_owned()],
            ..Resource::pod()
        };
        let of =
            |resource: &Resource, name: &str| ObjectKey::new(resource.clone(), Some("a"), name);
        let built_in = Resource::pod();
        assert_eq!(of(&discovered, "web"), of(&built_in, "web"));
        assert_ne!(of(&discovered, "web"), of(&built_in, "db"));
        assert_ne!(of(&Resource::service(), "web"), of(&built_in, "web"));
        let both: std::collections::HashSet<_> =
            [of(&discovered, "web"), of(&built_in, "web")].into();
        assert_eq!(both.len(), 1);
    }

    #[test]
    fn names_cannot_leave_their_segment() {
        assert_eq!(encoded("../../secrets?x=1"), "..%2F..%2Fsecrets%3Fx%3D1");
        assert_eq!(encoded(".."), "%2E%2E");
        assert_eq!(encoded("system:node"), "system:node");
        assert_eq!(encoded("app in (a, b)"), "app%20in%20%28a%2C%20b%29");
    }
}
