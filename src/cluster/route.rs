//! What a path of the API server leads to, as far as that says whose an answer may be.

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// To what groups there are, or which kinds one has: `/apis/apps/v1`.
    Discovery,
    /// To the objects of a kind, or a review.
    Kind {
        /// The path of its group and version: `/apis/apps/v1`.
        version: String,
        /// The plural, as discovery lists it: `deployments`.
        plural: String,
    },
    /// To a pod's log.
    Log,
    /// Through the API server's proxy, to a node, a pod or a service.
    Proxied,
    /// Elsewhere: `/version`, `/readyz`.
    Other,
}

impl Route {
    /// Of a path, with or without a query.
    pub(super) fn of(path: &str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (version, rest) = match parts.as_slice() {
            ["api" | "apis"] | ["api" | "apis", _] | ["apis", _, _] => return Self::Discovery,
            ["api", "v1", "nodes", _, "proxy", ..]
            | [
                "api",
                "v1",
                "namespaces",
                _,
                "pods" | "services",
                _,
                "proxy",
                ..,
            ] => {
                return Self::Proxied;
            }
            ["api", "v1", "namespaces", _, "pods", _, "log"] => return Self::Log,
            ["api", version, rest @ ..] => (format!("/api/{version}"), rest),
            ["apis", group, version, rest @ ..] => (format!("/apis/{group}/{version}"), rest),
            _ => return Self::Other,
        };
        let plural = match rest {
            ["namespaces", _, plural, ..] | [plural, ..] => (*plural).to_owned(),
            [] => return Self::Discovery,
        };
        Self::Kind { version, plural }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart() {
        let kind = |version: &str, plural: &str| Route::Kind {
            version: version.to_owned(),
            plural: plural.to_owned(),
        };
        let cases = [
            ("/api", Route::Discovery),
            ("/api/v1", Route::Discovery),
            ("/apis/apps", Route::Discovery),
            ("/apis/apps/v1?timeout=32s", Route::Discovery),
            ("/api/v1/nodes", kind("/api/v1", "nodes")),
            ("/api/v1/namespaces", kind("/api/v1", "namespaces")),
            ("/api/v1/namespaces/n", kind("/api/v1", "namespaces")),
            (
                "/apis/apps/v1/namespaces/n/deployments/a/scale?fieldManager=k",
                kind("/apis/apps/v1", "deployments"),
            ),
            (
                "/apis/example.com/v2/widgets/a",
                kind("/apis/example.com/v2", "widgets"),
            ),
            // what is only called so
            (
                "/api/v1/namespaces/proxy/pods/proxy",
                kind("/api/v1", "pods"),
            ),
            (
                "/api/v1/namespaces/n/configmaps/proxy/proxy",
                kind("/api/v1", "configmaps"),
            ),
            ("/api/v1/namespaces/n/pods/p/log?follow=true", Route::Log),
            ("/api/v1/namespaces/n/services/a:80/proxy", Route::Proxied),
            ("/api/v1/namespaces/n/pods/a/proxy/b/c", Route::Proxied),
            ("/api/v1/nodes/a/proxy/metrics", Route::Proxied),
            ("/version", Route::Other),
            ("/openapi/v3/apis/apps/v1", Route::Other),
            ("/", Route::Other),
        ];
        for (path, expected) in cases {
            assert_eq!(Route::of(path), expected, "{path}");
        }
    }
}
