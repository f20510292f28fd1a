//! Where the values of a matrix come from: pods, nodes, lists. Every node is
//! accounted for: tested, excluded with its reason, or without a usable pod.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::matrix::AxisValue;
use super::scope::{node_value, object_value, pod_value, unusable_value};
use super::step::{Patience, Selected, StepContext, StepFailure};
use crate::cluster::{
    Cluster, Exclusion, ObjectKey, Resource, node_excluded_by, node_problem, pod_state,
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
            return usable_pods(axis, &selector, namespace.as_deref(), *per_node, context).await;
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

/// The pods of an axis. Where one of them, or of a node, is not ready and may become so by itself,
/// it is waited for, as long as something that does not heal must last.
async fn usable_pods(
    axis: &Axis,
    selector: &str,
    namespace: Option<&str>,
    per_node: bool,
    context: &StepContext<'_>,
) -> Result<AxisValues, StepFailure> {
    let cluster = &context.cluster;
    let settle = context.suite.suite.timeouts.settle;
    let end = Instant::now() + settle;
    let mut patience = Patience::new(context, format!("the axis `{}`", axis.name), settle);
    loop {
        let pod = Resource::pod();
        let (nodes, pods) = futures::try_join!(
            cluster.nodes(),
            cluster.list(&pod, namespace, Some(selector))
        )?;
        let Looked { values, coming } = match per_node {
            false => each_pod(&pods, &nodes),
            true => {
                let daemon_sets = daemon_sets_of(&pods, cluster).await?;
                each_node(&nodes, &pods, &daemon_sets, selector)
            }
        };
        match coming {
            Some(why) if Instant::now() + PAUSE < end => patience.is_kept(&why),
            Some(_) => return Ok(values),
            None => {
                patience.passed();
                return Ok(values);
            }
        }
        sleep(PAUSE).await;
    }
}

/// Between two looks at pods that are not ready yet.
const PAUSE: Duration = Duration::from_millis(500);

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

/// What one look at the pods gives.
struct Looked {
    values: AxisValues,
    /// What may still come by itself, the first of it.
    coming: Option<String>,
}

/// A value for each pod; one that is not ready cannot be used.
fn each_pod(pods: &[Value], nodes: &[Value]) -> Looked {
    let mut pods: Vec<_> = pods.iter().filter(|pod| !has_ended(pod)).collect();
    pods.sort_by_key(|pod| name_of(pod));
    let mut coming = None;
    let mut values = AxisValues::default();
    for pod in pods {
        let node = nodes
            .iter()
            .find(|node| node["metadata"]["name"] == pod["spec"]["nodeName"]);
        let error = unusable(pod, node);
        if let Some(error) = error.as_ref().filter(|error| error.may_come) {
            coming.get_or_insert_with(|| error.words_of(pod));
        }
        values.values.push(AxisValue {
            value: pod_value(pod, node),
            label: name_of(pod).to_owned(),
            error: error.map(|error| error.words_of(pod)),
        });
    }
    Looked { values, coming }
}

/// A value for each node that is not left out, with the reason where it has no usable pod.
fn each_node(nodes: &[Value], pods: &[Value], daemon_sets: &[Value], selector: &str) -> Looked {
    let mut values = AxisValues::default();
    let mut coming = None;
    for node in nodes {
        let name = name_of(node);
        let mut here: Vec<_> = pods
            .iter()
            .filter(|pod| node_of(pod) == Some(name) && !has_ended(pod))
            .collect();
        here.sort_by_key(|pod| name_of(pod));
        let usable = here.iter().find(|pod| unusable(pod, Some(node)).is_none());
        if let Some(pod) = usable {
            values.values.push(AxisValue {
                value: pod_value(pod, Some(node)),
                label: name.to_owned(),
                error: None,
            });
            continue;
        }
        let excluded = daemon_sets
            .iter()
            .map(|set| node_excluded_by(set, node))
            .collect::<Option<Vec<_>>>()
            .and_then(|reasons| reasons.into_iter().next());
        let (why, may_come) = match (here.is_empty(), excluded) {
            (true, Some(Exclusion::Wanted(reason))) => {
                values.excluded.push((name.to_owned(), reason));
                continue;
            }
            (true, Some(Exclusion::ForNow(reason))) => (reason, true),
            (_, _) => missing(node, &here, daemon_sets, selector),
        };
        let error = format!("no usable pod on {name}: {why}");
        if may_come {
            coming.get_or_insert_with(|| error.clone());
        }
        values.values.push(AxisValue {
            value: unusable_value(node, &error),
            label: name.to_owned(),
            error: Some(error),
        });
    }
    Looked { values, coming }
}

/// Why a node that is meant has no usable pod, and whether one may come by itself.
fn missing(node: &Value, here: &[&Value], daemon_sets: &[Value], selector: &str) -> (String, bool) {
    let errors: Vec<_> = here
        .iter()
        .filter_map(|pod| Some((pod, unusable(pod, Some(node))?)))
        .collect();
    let may_come = errors.iter().any(|(_, error)| error.may_come);
    if let Some((pod, error)) = errors.first() {
        return (error.words_of(pod), may_come);
    }
    match node_problem(node) {
        Some(problem) => (problem, false),
        None => (
            format!("no pod with the labels {selector} is on it"),
            // its controller is about to make it
            !daemon_sets.is_empty(),
        ),
    }
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

/// Why a pod cannot be used.
struct Unusable {
    why: String,
    /// Whether that may pass by itself.
    may_come: bool,
}

impl Unusable {
    fn words_of(&self, pod: &Value) -> String {
        format!("pod/{}: {}", name_of(pod), self.why)
    }
}

/// Why a pod cannot be used, if it cannot.
fn unusable(pod: &Value, node: Option<&Value>) -> Option<Unusable> {
    let state = pod_state(pod, node);
    let (why, may_come) = match state.why() {
        Some(why) => (why.to_owned(), state.may_come()),
        None if pod["status"]["podIP"].is_string() => return None,
        None => ("it has no IP address".to_owned(), true),
    };
    Some(Unusable { why, may_come })
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
        let Looked { values, coming } = each_node(&nodes, &pods, &[], "name=p");
        assert_eq!(coming, None, "a silent node is not waited for");
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
        let Looked { values, coming } = each_node(&nodes, &pods, &[set], "name=p");
        assert_eq!(coming, None);
        assert_eq!(errors(&values), [("a", None)]);
        assert_eq!(values.excluded.len(), 1);
        assert_eq!(values.excluded[0].0, "b");
        assert!(values.excluded[0].1.contains("kubernetes.io/hostname"));
    }

    #[test]
    fn what_may_come_by_itself_is_waited_for() {
        let nodes = [node("a", true), node("b", true)];
        let set = json!({"kind": "DaemonSet", "metadata": {"name": "p"}, "spec": {}});
        let sets = std::slice::from_ref(&set);
        let starting = [pod("p-a", "a", true), pod("p-b", "b", false)];
        let looked = each_node(&nodes, &starting, sets, "name=p");
        let words = looked.coming.unwrap();
        assert!(
            words.starts_with("no usable pod on b: pod/p-b: "),
            "{words}"
        );
        assert!(each_pod(&starting, &nodes).coming.is_some());
        let not_made = [pod("p-a", "a", true)];
        let looked = each_node(&nodes, &not_made, sets, "name=p");
        assert!(looked.coming.is_some());
        // nobody says that there will be one
        assert_eq!(each_node(&nodes, &not_made, &[], "name=p").coming, None);
    }

    #[test]
    fn a_node_that_still_comes_up_is_no_node_that_is_left_out() {
        let mut late = node("b", true);
        late["spec"] = json!({"taints": [{"key": "node.cloudprovider.kubernetes.io/uninitialized",
                                          "value": "true", "effect": "NoSchedule"}]});
        let nodes = [node("a", true), late];
        let set = json!({"kind": "DaemonSet", "metadata": {"name": "p"}, "spec": {}});
        let pods = [pod("p-a", "a", true)];
        let Looked { values, coming } = each_node(&nodes, &pods, &[set], "name=p");
        assert!(coming.is_some());
        assert!(values.excluded.is_empty());
        let (name, error) = errors(&values)[1];
        assert_eq!(name, "b");
        assert!(error.unwrap().contains("uninitialized"), "{error:?}");
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
