//! Names a container in a pod, and finds the one that is meant where none is named.

use serde_json::Value;

use super::client::Cluster;
use super::error::ClusterError;
use super::resource::{ObjectKey, Resource};

/// Which of its containers a pod says to be the one that users mean.
///
/// See [the annotation](https://kubernetes.io/docs/reference/labels-annotations-taints/#kubectl-kubernetes-io-default-container).
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// A container: where to run a command, or whose logs to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodTarget {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container; by default the only one, or that of the annotation
    /// `kubectl.kubernetes.io/default-container`, or the first, as kubectl has it.
    pub container: Option<String>,
}

/// Whether an answer of the server says that the pod has several containers, and one must be named.
///
/// The server knows no default, and it is asked first, since most pods have one container and
/// reading each before each command would double the requests.
pub(super) fn needs_container(message: &str) -> bool {
    message.contains("a container name must be specified for pod")
}

impl Cluster {
    /// The target with the container that is meant.
    pub(super) async fn with_container(
        &self,
        target: &PodTarget,
    ) -> Result<PodTarget, ClusterError> {
        let key = ObjectKey::new(Resource::pod(), Some(&target.namespace), &target.pod);
        let pod = self.get(&key).await?.unwrap_or_default();
        Ok(PodTarget {
            container: default_container(&pod),
            ..target.clone()
        })
    }
}

fn default_container(pod: &Value) -> Option<String> {
    let annotated = pod["metadata"]["annotations"][DEFAULT_CONTAINER].as_str();
    let first = pod["spec"]["containers"][0]["name"].as_str();
    annotated
        .filter(|name| !name.is_empty())
        .or(first)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_annotation_comes_before_the_first() {
        let pod = |annotation: &str| {
            json!({"metadata": {"annotations": {DEFAULT_CONTAINER: annotation}},
                   "spec": {"containers": [{"name": "proxy"}, {"name": "app"}]}})
        };
        assert_eq!(default_container(&pod("app")).as_deref(), Some("app"));
        assert_eq!(default_container(&pod("")).as_deref(), Some("proxy"));
        assert_eq!(default_container(&Value::Null), None);
    }

    #[test]
    fn the_servers_words_are_known() {
        assert!(needs_container(
            "a container name must be specified for pod web-0, choose one of: [proxy app]"
        ));
        assert!(!needs_container("pods \"web-0\" not found"));
    }
}
