//! Whether a node can run pods at all, and whether a DaemonSet means it to run its own.

use serde_json::{Map, Value};

use super::{array, condition, name};

/// Whether a node can be relied on, by its Ready condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeHealth {
    /// It is ready.
    Well,
    /// It is at work on that, with its words: it says so itself, or has not said anything yet.
    Starting(String),
    /// Nobody has heard of it for a while, with the cluster's words.
    Silent(String),
}

/// Whether a node can be relied on.
///
/// See [node conditions](https://kubernetes.io/docs/reference/node/node-status/#condition).
#[must_use]
pub fn node_health(node: &Value) -> NodeHealth {
    let name = name(node);
    let Some((message, reason)) = not_ready(node) else {
        return NodeHealth::Well;
    };
    let mut problem = format!("node {name} is NotReady");
    if !message.is_empty() {
        problem = format!("{problem}: {message}");
    }
    if !reason.is_empty() {
        problem = format!("{problem} ({reason})");
    }
    match condition(node, "Ready").is_some_and(|ready| ready["status"] == "Unknown") {
        true => NodeHealth::Silent(problem),
        false => NodeHealth::Starting(problem),
    }
}

/// Why a node cannot be relied on: its Ready condition is not True. None where it is well.
#[must_use]
pub fn node_problem(node: &Value) -> Option<String> {
    match node_health(node) {
        NodeHealth::Well => None,
        NodeHealth::Starting(problem) | NodeHealth::Silent(problem) => Some(problem),
    }
}

/// Taints that are there while a node comes up, and go by themselves: those of Kubernetes, of cloud
/// providers, of autoscalers, and of agents that announce themselves so. Those that follow the Ready
/// condition say no more than that does.
const PASSING: [&str; 3] = [
    "node.cloudprovider.kubernetes.io/uninitialized",
    "node.kubernetes.io/network-unavailable",
    "karpenter.sh/unregistered",
];

/// The taint of a node that is still coming up, in words; it goes by itself.
///
/// See [well-known taints](https://kubernetes.io/docs/reference/labels-annotations-taints/).
#[must_use]
pub fn passing_taint(node: &Value) -> Option<String> {
    let taint = array(&node["spec"]["taints"])
        .find(|taint| taint["effect"] != "PreferNoSchedule" && is_passing(taint))?;
    Some(format!("it has the taint {}", taint_in_words(taint)))
}

fn is_passing(taint: &Value) -> bool {
    let key = taint["key"].as_str().unwrap_or_default();
    PASSING.contains(&key)
        // of the network's and the storage's agents: node.cilium.io/agent-not-ready
        || key.ends_with("/agent-not-ready")
        || key.starts_with("startup-taint.cluster-autoscaler.kubernetes.io/")
}

fn taint_in_words(taint: &Value) -> String {
    let text = |field: &str| taint[field].as_str().unwrap_or_default();
    let value = match text("value") {
        "" => String::new(),
        value => format!("={value}"),
    };
    format!("{}{value}:{}", text("key"), text("effect"))
}

/// The message of a node's Ready condition that is not True, or else its reason; `None` where the
/// node is well.
#[must_use]
pub fn node_not_ready(node: &Value) -> Option<&str> {
    let (message, reason) = not_ready(node)?;
    Some(match (message.trim_end_matches('.'), reason) {
        ("", "") => "it is not ready",
        ("", reason) => reason,
        (message, _) => message,
    })
}

/// The message and the reason of the condition.
fn not_ready(node: &Value) -> Option<(&str, &str)> {
    let Some(ready) = condition(node, "Ready") else {
        return Some(("it has not reported yet", ""));
    };
    if ready["status"] == "True" {
        return None;
    }
    let text = |field: &str| ready[field].as_str().map(str::trim).unwrap_or_default();
    Some((text("message"), text("reason")))
}

/// Why a DaemonSet has no pod on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exclusion {
    /// Somebody wants it so, with the reason.
    Wanted(String),
    /// The node is still coming up: it has a taint that goes by itself, and no other reason.
    ForNow(String),
}

/// Why a DaemonSet does not mean this node; `None` where it does.
///
/// Looks at the template's node name, node selector, required affinity and tolerations, as the
/// [DaemonSet controller](https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/#taints-and-tolerations)
/// does. A node that is merely not well is not excluded: see [`node_problem`].
#[must_use]
pub fn node_excluded_by(daemonset: &Value, node: &Value) -> Option<Exclusion> {
    let spec = &daemonset["spec"]["template"]["spec"];
    if let Some(reason) = excluded_by_choice(spec, node) {
        return Some(Exclusion::Wanted(reason));
    }
    let mut passing = None;
    for taint in array(&node["spec"]["taints"]).filter(|taint| repels(spec, taint)) {
        let reason = format!(
            "the node has the taint {}, which is not tolerated",
            taint_in_words(taint)
        );
        match is_passing(taint) {
            true => passing = Some(reason),
            false => return Some(Exclusion::Wanted(reason)),
        }
    }
    passing.map(Exclusion::ForNow)
}

/// By node name, node selector or affinity.
fn excluded_by_choice(spec: &Value, node: &Value) -> Option<String> {
    let labels = &node["metadata"]["labels"];
    if let Some(only) = spec["nodeName"].as_str().filter(|only| !only.is_empty())
        && only != name(node)
    {
        return Some(format!("its pods are only for node {only}"));
    }
    for (key, wanted) in spec["nodeSelector"].as_object().into_iter().flatten() {
        if &labels[key] != wanted {
            let wanted = wanted.as_str().unwrap_or_default();
            let has = match labels[key].as_str() {
                Some(value) => format!("the node has {key}={value}"),
                None => "the node does not have this label".to_owned(),
            };
            return Some(format!("nodeSelector wants {key}={wanted}, {has}"));
        }
    }
    excluded_by_affinity(spec, node)
}

/// One of the terms must hold; each is expressions that must all hold.
fn excluded_by_affinity(spec: &Value, node: &Value) -> Option<String> {
    let required =
        &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let terms = required["nodeSelectorTerms"].as_array()?;
    let empty = Map::new();
    let labels = node["metadata"]["labels"].as_object().unwrap_or(&empty);
    let mut fields = Map::new();
    fields.insert("metadata.name".to_owned(), name(node).into());
    let mut unmet = Vec::new();
    for term in terms {
        let expressions = array(&term["matchExpressions"]).map(|expression| (expression, labels));
        let on_fields = array(&term["matchFields"]).map(|expression| (expression, &fields));
        let mut all = expressions.chain(on_fields).peekable();
        // A term without any expression matches nothing.
        if all.peek().is_none() {
            unmet.push("an empty term, which no node satisfies".to_owned());
            continue;
        }
        match all.find(|(expression, values)| !holds(expression, values)) {
            None => return None,
            Some((expression, _)) => unmet.push(in_words(expression)),
        }
    }
    Some(format!("node affinity wants {}", unmet.join(", or ")))
}

fn holds(expression: &Value, values: &Map<String, Value>) -> bool {
    let key = expression["key"].as_str().unwrap_or_default();
    let value = values.get(key).and_then(Value::as_str);
    let mut wanted = array(&expression["values"]).filter_map(Value::as_str);
    match expression["operator"].as_str().unwrap_or_default() {
        "In" => value.is_some_and(|value| wanted.any(|wanted| wanted == value)),
        "NotIn" => !value.is_some_and(|value| wanted.any(|wanted| wanted == value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        operator @ ("Gt" | "Lt") => {
            let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
            match (number(value), number(wanted.next())) {
                (Some(value), Some(limit)) if operator == "Gt" => value > limit,
                (Some(value), Some(limit)) => value < limit,
                _ => false,
            }
        }
        _ => false,
    }
}

fn in_words(expression: &Value) -> String {
    let key = expression["key"].as_str().unwrap_or_default();
    let values: Vec<&str> = array(&expression["values"])
        .filter_map(Value::as_str)
        .collect();
    let values = values.join(", ");
    match expression["operator"].as_str().unwrap_or_default() {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} not in ({values})"),
        "Exists" => format!("the label {key}"),
        "DoesNotExist" => format!("no label {key}"),
        "Gt" => format!("{key} > {values}"),
        "Lt" => format!("{key} < {values}"),
        other => format!("{key} {other} {values}"),
    }
}

/// What the DaemonSet controller tolerates for each of its pods, by key and effect.
const TOLERATED: [(&str, &str); 4] = [
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// Whether a taint keeps the pods of a DaemonSet away.
fn repels(spec: &Value, taint: &Value) -> bool {
    let effect = taint["effect"].as_str().unwrap_or_default();
    matches!(effect, "NoSchedule" | "NoExecute")
        && !is_tolerated_by_default(spec, taint)
        && !array(&spec["tolerations"]).any(|toleration| tolerates(toleration, taint))
}

fn is_tolerated_by_default(spec: &Value, taint: &Value) -> bool {
    let key = taint["key"].as_str().unwrap_or_default();
    let effect = taint["effect"].as_str().unwrap_or_default();
    match key {
        // Set on nodes that are ill, with either effect: a problem of the node, not a choice.
        "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable" => true,
        "node.kubernetes.io/network-unavailable" => spec["hostNetwork"] == true,
        _ => TOLERATED.contains(&(key, effect)),
    }
}

/// See [taints and tolerations](https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/).
fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let effect = text(toleration, "effect");
    if !effect.is_empty() && effect != text(taint, "effect") {
        return false;
    }
    let key = text(toleration, "key");
    if !key.is_empty() && key != text(taint, "key") {
        return false;
    }
    match toleration["operator"].as_str().unwrap_or("Equal") {
        // Only Exists goes without a key.
        "Exists" => true,
        "Equal" | "" => !key.is_empty() && text(toleration, "value") == text(taint, "value"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(labels: Value, taints: Value) -> Value {
        json!({"metadata": {"name": "node1", "labels": labels}, "spec": {"taints": taints}})
    }

    fn excluded(spec: Value, node: &Value) -> Option<String> {
        match node_excluded_by(&json!({"spec": {"template": {"spec": spec}}}), node)? {
            Exclusion::Wanted(reason) | Exclusion::ForNow(reason) => Some(reason),
        }
    }

    #[test]
    fn node_selectors() {
        let linux = node(json!({"kubernetes.io/os": "linux"}), Value::Null);
        let wants = |os: &str| json!({"nodeSelector": {"kubernetes.io/os": os}});
        assert_eq!(excluded(wants("linux"), &linux), None);
        assert_eq!(
            excluded(wants("windows"), &linux).unwrap(),
            "nodeSelector wants kubernetes.io/os=windows, the node has kubernetes.io/os=linux"
        );
        assert_eq!(
            excluded(json!({"nodeSelector": {"disk": "ssd"}}), &linux).unwrap(),
            "nodeSelector wants disk=ssd, the node does not have this label"
        );
        assert_eq!(
            excluded(json!({"nodeName": "node2"}), &linux).unwrap(),
            "its pods are only for node node2"
        );
        assert_eq!(excluded(json!({}), &linux), None);
    }

    fn affinity(terms: Value) -> Value {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": terms}}}})
    }

    #[test]
    fn required_affinity() {
        let node = node(json!({"zone": "a", "cores": "8"}), Value::Null);
        let expression = |key: &str, operator: &str, values: &[&str]| json!({"key": key, "operator": operator, "values": values});
        let one = |e: Value| affinity(json!([{"matchExpressions": [e]}]));
        for fits in [
            expression("zone", "In", &["a", "b"]),
            expression("zone", "NotIn", &["c"]),
            expression("rack", "NotIn", &["c"]),
            expression("zone", "Exists", &[]),
            expression("rack", "DoesNotExist", &[]),
            expression("cores", "Gt", &["4"]),
            expression("cores", "Lt", &["16"]),
        ] {
            assert_eq!(excluded(one(fits.clone()), &node), None, "{fits}");
        }
        for (unfit, words) in [
            (expression("zone", "In", &["b", "c"]), "zone in (b, c)"),
            (expression("zone", "NotIn", &["a"]), "zone not in (a)"),
            (expression("rack", "Exists", &[]), "the label rack"),
            (expression("zone", "DoesNotExist", &[]), "no label zone"),
            (expression("cores", "Gt", &["8"]), "cores > 8"),
            (expression("rack", "Lt", &["8"]), "rack < 8"),
        ] {
            let expected = format!("node affinity wants {words}");
            assert_eq!(excluded(one(unfit), &node), Some(expected));
        }
    }

    #[test]
    fn one_term_of_the_affinity_is_enough() {
        let node = node(json!({"zone": "a"}), Value::Null);
        let zone = |name: &str| json!({"matchExpressions": [{"key": "zone", "operator": "In", "values": [name]}]});
        assert_eq!(
            excluded(affinity(json!([zone("b"), zone("a")])), &node),
            None
        );
        assert_eq!(
            excluded(affinity(json!([zone("b"), zone("c")])), &node).unwrap(),
            "node affinity wants zone in (b), or zone in (c)"
        );
        let by_name = |name: &str| {
            affinity(json!([{"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": [name]}]}]))
        };
        assert_eq!(excluded(by_name("node1"), &node), None);
        assert_eq!(
            excluded(by_name("node2"), &node).unwrap(),
            "node affinity wants metadata.name in (node2)"
        );
        assert!(excluded(affinity(json!([{}])), &node).is_some());
    }

    #[test]
    fn taints() {
        let control_plane = node(
            json!({}),
            json!([{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]),
        );
        assert_eq!(
            excluded(json!({}), &control_plane).unwrap(),
            "the node has the taint node-role.kubernetes.io/control-plane:NoSchedule, which is not tolerated"
        );
        for tolerated in [
            json!({"operator": "Exists"}),
            json!({"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}),
            json!({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}),
        ] {
            let spec = json!({"tolerations": [tolerated]});
            assert_eq!(excluded(spec, &control_plane), None);
        }
        let gpu = node(
            json!({}),
            json!([{"key": "gpu", "value": "yes", "effect": "NoExecute"}]),
        );
        for (toleration, is_tolerated) in [
            (json!({"key": "gpu", "value": "yes"}), true),
            (
                json!({"key": "gpu", "operator": "Equal", "value": "no"}),
                false,
            ),
            (
                json!({"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}),
                false,
            ),
            (json!({"key": "other", "operator": "Exists"}), false),
        ] {
            let spec = json!({"tolerations": [toleration]});
            assert_eq!(excluded(spec, &gpu).is_none(), is_tolerated);
        }
    }

    #[test]
    fn the_controllers_own_tolerations_count() {
        let tainted = |key: &str, effect: &str| {
            node(
                json!({}),
                json!([{"key": format!("node.kubernetes.io/{key}"), "effect": effect}]),
            )
        };
        for (key, effect) in [
            ("unschedulable", "NoSchedule"),
            ("disk-pressure", "NoSchedule"),
            ("not-ready", "NoExecute"),
            ("not-ready", "NoSchedule"),
            ("unreachable", "NoExecute"),
        ] {
            assert_eq!(excluded(json!({}), &tainted(key, effect)), None, "{key}");
        }
        let no_network = tainted("network-unavailable", "NoSchedule");
        assert!(excluded(json!({}), &no_network).is_some());
        assert_eq!(excluded(json!({"hostNetwork": true}), &no_network), None);
        let preferred = node(
            json!({}),
            json!([{"key": "x", "effect": "PreferNoSchedule"}]),
        );
        assert_eq!(excluded(json!({}), &preferred), None);
    }

    #[test]
    fn a_node_that_comes_up_is_excluded_for_now_only() {
        let daemon = json!({"spec": {"template": {"spec": {}}}});
        let tainted = |keys: &[&str]| {
            let taints: Vec<_> = keys
                .iter()
                .map(|key| json!({"key": key, "value": "true", "effect": "NoSchedule"}))
                .collect();
            node(json!({}), json!(taints))
        };
        let cloud = "node.cloudprovider.kubernetes.io/uninitialized";
        for key in [
            cloud,
            "node.kubernetes.io/network-unavailable",
            "node.cilium.io/agent-not-ready",
            "startup-taint.cluster-autoscaler.kubernetes.io/gpu",
        ] {
            let node = tainted(&[key]);
            let words =
                format!("the node has the taint {key}=true:NoSchedule, which is not tolerated");
            assert_eq!(
                node_excluded_by(&daemon, &node),
                Some(Exclusion::ForNow(words))
            );
            let told = passing_taint(&node).unwrap();
            assert_eq!(told, format!("it has the taint {key}=true:NoSchedule"));
        }
        let both = tainted(&[cloud, "gpu"]);
        assert!(matches!(
            node_excluded_by(&daemon, &both),
            Some(Exclusion::Wanted(_))
        ));
        assert_eq!(passing_taint(&tainted(&["gpu"])), None);
        // tolerated by every DaemonSet, and gone a moment after the node is ready
        let not_ready = tainted(&["node.kubernetes.io/not-ready"]);
        assert_eq!(node_excluded_by(&daemon, &not_ready), None);
        assert_eq!(passing_taint(&not_ready), None);
    }

    #[test]
    fn node_problems() {
        let node = |status: &str| {
            json!({"metadata": {"name": "node3"}, "status": {"conditions": [
            {"type": "MemoryPressure", "status": "False"},
            {"type": "Ready", "status": status, "reason": "KubeletNotReady", "message": "cni plugin not initialized"}]}})
        };
        assert_eq!(node_problem(&node("True")), None);
        assert_eq!(
            node_problem(&node("False")).unwrap(),
            "node node3 is NotReady: cni plugin not initialized (KubeletNotReady)"
        );
        assert!(node_problem(&json!({"metadata": {"name": "new"}})).is_some());
        assert!(matches!(
            node_health(&node("False")),
            NodeHealth::Starting(_)
        ));
        assert!(matches!(
            node_health(&node("Unknown")),
            NodeHealth::Silent(_)
        ));
        let new = json!({"metadata": {"name": "new"}});
        assert!(matches!(node_health(&new), NodeHealth::Starting(_)));
    }
}
