//! Where the values of a matrix come from: pods, nodes, lists. Every node is
//! accounted for: tested, excluded with its reason, or without a usable pod.

use std::collections::BTreeMap;

use serde_json::Value;

use super::matrix::AxisValue;
use super::scope::{node_value, object_value, pod_value, unusable_value};
use super::step::{Selected, StepContext, StepFailure};
use crate::cluster::{
    Cluster, ObjectKey, PodReadiness, Resource, node_excluded_by, node_problem, pod_state,
};
use crate::plan::model::{Axis, AxisSource};
use crate::template::{Scope, Tree, scope_value};

/// The values of an axis, and the nodes that it leaves out.
#[derive(Debug, Default)]
pub struct AxisValues {
    /// In the order of the axis.
    pub values: Vec<AxisValue>,
    /// Node and reason.
    pub excluded: Vec<(String, String)>,
}

/// Asks the cluster for the values of an axis.
///
/// # Errors
/// Where the cluster cannot be asked, or a template not be rendered.
pub async fn values(axis: &Axis, context: &StepContext<'_>) -> Result<AxisValues, StepFailure> {
    let scope = &context.scope();
    let cluster = &context.cluster;
    let values = match &axis.source {
        AxisSource::Pods {
            selector,
            namespace: own,
            per_node,
        } => {
            let selector = selector.render_text(scope)?;
            let namespace = context.namespace_of(own.as_ref())?;
            let pod = Resource::pod();
            let (nodes, pods) = futures::try_join!(
                cluster.nodes(),
                cluster.list(&pod, namespace.as_deref(), Some(&selector))
            )?;
            if !per_node {
                return Ok(each_pod(&pods, &nodes));
            }
            let daemon_sets = daemon_sets_of(&pods, cluster).await?;
            return Ok(each_node(&nodes, &pods, &daemon_sets, &selector));
        }
        AxisSource::Nodes { selector } => {
            let selector = selector
                .as_ref()
                .map(|selector| selector.render_text(scope))
                .transpose()?;
            let mut nodes = cluster
                .list(&Resource::node(), None, selector.as_deref())
                .await?;
            nodes.sort_by(|a, b| name_of(a).cmp(name_of(b)));
            nodes
                .iter()
                .map(|node| AxisValue {
                    value: node_value(node),
                    label: name_of(node).to_owned(),
                    error: None,
                })
                .collect()
        }
        AxisSource::Objects(target) => {
            let selected = Selected::of(target, context).await?;
            let objects = selected.read(context).await?;
            objects
                .iter()
                .map(|object| AxisValue {
                    value: object_value(object),
                    label: name_of(object).to_owned(),
                    error: None,
                })
                .collect()
        }
        AxisSource::Values(tree) => match tree.render(scope)? {
            Value::Array(values) => values.iter().map(listed).collect(),
            _ => {
                return Err(StepFailure::errored(format!(
                    "the values of the axis `{}` are no list",
                    axis.name
                )));
            }
        },
    };
    Ok(AxisValues {
        values,
        excluded: Vec::new(),
    })
}

/// The rows of a matrix that is written down.
///
/// # Errors
/// A template that cannot be rendered.
pub fn rows(
    rows: &[Vec<(String, Tree)>],
    scope: &Scope,
) -> Result<Vec<Vec<(String, AxisValue)>>, StepFailure> {
    rows.iter()
        .map(|row| {
            row.iter()
                .map(|(name, tree)| Ok((name.clone(), listed(&tree.render(scope)?))))
                .collect()
        })
        .collect()
}

fn listed(value: &Value) -> AxisValue {
    AxisValue {
        value: scope_value(value),
        label: value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned),
        error: None,
    }
}

/// The DaemonSets that own some of the pods: they know which nodes they leave out.
async fn daemon_sets_of(pods: &[Value], cluster: &Cluster) -> Result<Vec<Value>, StepFailure> {
    let mut owners = BTreeMap::new();
    for pod in pods {
        for owner in pod["metadata"]["ownerReferences"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|owner| owner["kind"] == "DaemonSet" && owner["controller"] == true)
        {
            let namespace = pod["metadata"]["namespace"].as_str();
            let key = (namespace, owner["name"].as_str().unwrap_or_default());
            owners.entry(key).or_insert(());
        }
    }
    if owners.is_empty() {
        return Ok(Vec::new());
    }
    let resource = cluster.resource_of("apps/v1", "DaemonSet").await?;
    let mut found = Vec::new();
    for (namespace, name) in owners.into_keys() {
        let key = ObjectKey::new(resource.clone(), namespace, name);
        found.extend(cluster.get(&key).await?);
    }
    Ok(found)
}

/// A value for each pod; one that is not ready cannot be used.
fn each_pod(pods: &[Value], nodes: &[Value]) -> AxisValues {
    let mut pods: Vec<_> = pods.iter().filter(|pod| !has_ended(pod)).collect();
    pods.sort_by_key(|pod| name_of(pod));
    let values = pods
        .into_iter()
        .map(|pod| {
            let node = nodes
                .iter()
                .find(|node| node["metadata"]["name"] == pod["spec"]["nodeName"]);
            AxisValue {
                value: pod_value(pod, node),
                label: name_of(pod).to_owned(),
                error: unusable(pod, node).map(|why| format!("pod/{}: {why}", name_of(pod))),
            }
        })
        .collect();
    AxisValues {
        values,
        excluded: Vec::new(),
    }
}

/// A value for each node that is not left out, with the reason where it has no usable pod.
fn each_node(nodes: &[Value], pods: &[Value], daemon_sets: &[Value], selector: &str) -> AxisValues {
    let mut result = AxisValues::default();
    for node in nodes {
        let name = name_of(node);
        let mut here: Vec<_> = pods
            .iter()
            .filter(|pod| node_of(pod) == Some(name) && !has_ended(pod))
            .collect();
        here.sort_by_key(|pod| name_of(pod));
        let usable = here.iter().find(|pod| unusable(pod, Some(node)).is_none());
        if let Some(pod) = usable {
            result.values.push(AxisValue {
                value: pod_value(pod, Some(node)),
                label: name.to_owned(),
                error: None,
            });
            continue;
        }
        let excluded = || {
            let reasons: Vec<_> = daemon_sets
                .iter()
                .map(|set| node_excluded_by(set, node))
                .collect::<Option<_>>()?;
            reasons.into_iter().next()
        };
        if here.is_empty()
            && let Some(reason) = excluded()
        {
            result.excluded.push((name.to_owned(), reason));
            continue;
        }
        let why = here
            .iter()
            .find_map(|pod| {
                unusable(pod, Some(node)).map(|why| format!("pod/{}: {why}", name_of(pod)))
            })
            .or_else(|| node_problem(node))
            .unwrap_or_else(|| format!("no pod with the labels {selector} is on it"));
        let error = format!("no usable pod on {name}: {why}");
        result.values.push(AxisValue {
            value: unusable_value(node, &error),
            label: name.to_owned(),
            error: Some(error),
        });
    }
    result
}

/// The node that a pod is on, or is meant for: the DaemonSet controller says so in an
/// affinity before the scheduler has bound it.
fn node_of(pod: &Value) -> Option<&str> {
    if let Some(node) = pod["spec"]["nodeName"].as_str() {
        return Some(node);
    }
    let terms = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        ["nodeSelectorTerms"];
    let fields = terms.as_array()?.first()?["matchFields"].as_array()?;
    fields
        .iter()
        .find(|field| field["key"] == "metadata.name")?["values"][0]
        .as_str()
}

/// Why a pod cannot be used, if it cannot.
fn unusable(pod: &Value, node: Option<&Value>) -> Option<String> {
    match pod_state(pod, node) {
        PodReadiness::Ready if pod["status"]["podIP"].is_string() => None,
        PodReadiness::Ready => Some("it has no IP address".to_owned()),
        PodReadiness::Pending(why) | PodReadiness::Blocked(why) => Some(why),
    }
}

/// Whether a pod has run to its end, by success: nobody expects to use it.
fn has_ended(pod: &Value) -> bool {
    pod["status"]["phase"] == "Succeeded"
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str, ready: bool) -> Value {
        json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {"conditions": [{
                "type": "Ready",
                "status": if ready { "True" } else { "Unknown" },
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
            }]},
        })
    }

    fn pod(name: &str, node: &str, ready: bool) -> Value {
        json!({
            "metadata": {"name": name, "namespace": "ns"},
            "spec": {"nodeName": node, "containers": [{"name": "c"}]},
            "status": {
                "phase": "Running",
                "podIP": "10.42.0.2",
                "conditions": [
                    {"type": "PodScheduled", "status": "True"},
                    {"type": "Ready", "status": if ready { "True" } else { "False" }},
                ],
            },
        })
    }

    fn errors(values: &AxisValues) -> Vec<(&str, Option<&str>)> {
        values
            .values
            .iter()
            .map(|value| (value.label.as_str(), value.error.as_deref()))
            .collect()
    }

    #[test]
    fn every_node_is_accounted_for() {
        let nodes = [node("a", true), node("b", false), node("c", true)];
        let pods = [pod("p-a", "a", true), pod("p-b", "b", true)];
        let values = each_node(&nodes, &pods, &[], "name=p");
        let errors = errors(&values);
        assert_eq!(errors[0], ("a", None));
        let b = errors[1].1.unwrap();
        assert!(b.contains("no usable pod on b"), "{b}");
        assert!(b.contains("Kubelet stopped posting node status."), "{b}");
        assert_eq!(
            errors[2],
            (
                "c",
                Some("no usable pod on c: no pod with the labels name=p is on it")
            )
        );
        assert!(values.excluded.is_empty());
    }

    #[test]
    fn a_node_that_a_daemon_set_leaves_out_is_excluded() {
        let nodes = [node("a", true), node("b", true)];
        let pods = [pod("p-a", "a", true)];
        let set = json!({
            "kind": "DaemonSet",
            "metadata": {"name": "p"},
            "spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": "a"}}}},
        });
        let values = each_node(&nodes, &pods, &[set], "name=p");
        assert_eq!(errors(&values), [("a", None)]);
        assert_eq!(values.excluded.len(), 1);
        assert_eq!(values.excluded[0].0, "b");
        assert!(values.excluded[0].1.contains("kubernetes.io/hostname"));
    }

    #[test]
    fn a_pod_is_known_by_the_node_it_is_meant_for() {
        let waiting = json!({"spec": {"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]},
            ]},
        }}}});
        assert_eq!(node_of(&waiting), Some("b"));
        assert_eq!(node_of(&json!({"spec": {}})), None);
    }
}
