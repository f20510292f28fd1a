//! What it takes to read a path of the API server: of an object or of a collection where it leads
//! to one, otherwise of the path itself.

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Led<'p> {
    /// Objects.
    Objects {
        group: &'p str,
        plural: &'p str,
        namespace: Option<&'p str>,
        name: Option<&'p str>,
        subresource: Option<&'p str>,
    },
    /// Anything else, without its query.
    Path(&'p str),
}

/// As the API server takes paths apart.
pub(super) fn led(path: &str) -> Led<'_> {
    let bare = path.split('?').next().unwrap_or_default();
    let segments: Vec<_> = bare.split('/').filter(|part| !part.is_empty()).collect();
    let (group, rest) = match segments.as_slice() {
        ["api", _version, rest @ ..] => ("", rest),
        ["apis", group, _version, rest @ ..] => (*group, rest),
        _ => return Led::Path(bare),
    };
    let (namespace, rest) = match rest {
        // the namespace itself, and what belongs to it
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => (None, rest),
        ["namespaces", namespace, rest @ ..] => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let Some((plural, rest)) = rest.split_first() else {
        return Led::Path(bare);
    };
    Led::Objects {
        group,
        plural,
        namespace,
        name: rest.first().copied(),
        subresource: rest.get(1).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_objects_or_to_themselves() {
        let objects = |group, plural, namespace, name, subresource| Led::Objects {
            group,
            plural,
            namespace,
            name,
            subresource,
        };
        assert_eq!(led("/readyz?verbose"), Led::Path("/readyz"));
        assert_eq!(led("/apis/apps/v1"), Led::Path("/apis/apps/v1"));
        assert_eq!(
            led("/apis/metrics.k8s.io/v1beta1/nodes?limit=1"),
            objects("metrics.k8s.io", "nodes", None, None, None)
        );
        assert_eq!(
            led("/api/v1/namespaces/a/pods/b/log"),
            objects("", "pods", Some("a"), Some("b"), Some("log"))
        );
        assert_eq!(
            led("/api/v1/namespaces/a"),
            objects("", "namespaces", None, Some("a"), None)
        );
        assert_eq!(
            led("/api/v1/nodes/n/proxy/metrics"),
            objects("", "nodes", None, Some("n"), Some("proxy"))
        );
    }
}
