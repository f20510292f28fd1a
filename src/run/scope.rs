//! The names that templates see, and their values.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::template::{NOW, Named, Scope, clock, scope_value};

/// Names and values; grown from the run to the suite to the cell.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, Scope>);

impl Names {
    /// The same with one name more.
    #[must_use]
    pub fn with(mut self, name: &str, value: Scope) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// The same with one name more, of plain data.
    #[must_use]
    pub fn with_value(self, name: &str, value: &Value) -> Self {
        self.with(name, scope_value(value))
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<Scope> {
        self.0.get(name).cloned()
    }

    /// The same with the `now()` of a cluster's clock, which the times of its objects are by.
    #[must_use]
    pub fn with_clock_of(self, cluster: &Cluster) -> Self {
        let cluster = cluster.clone();
        self.with(NOW, clock(move || cluster.now().likely()))
    }

    /// The same with another `run.namespace`: a case's own.
    #[must_use]
    pub fn with_namespace(self, namespace: &str) -> Self {
        let Some(run) = self.get("run") else {
            return self;
        };
        let fields = run.try_iter().into_iter().flatten().filter_map(|key| {
            let value = run.get_item(&key).ok()?;
            Some((key.to_string(), value))
        });
        let fields: BTreeMap<String, Scope> = fields
            .chain([("namespace".to_owned(), namespace.into())])
            .collect();
        self.with("run", Scope::from_pairs(fields))
    }

    /// What templates are rendered with.
    pub fn scope(&self) -> Scope {
        Scope::from_pairs(self.0.clone())
    }
}

/// A node as suites see it: `.name`, `.ip`, `.ips` (one of each address family, the
/// first is `.ip`), `.labels`; as text, its name.
pub fn node_value(node: &Value) -> Scope {
    let name = node["metadata"]["name"].as_str().unwrap_or_default();
    Named::scope_value(
        name,
        [
            ("ip", first_of(&internal_ips(node))),
            ("ips", internal_ips(node)),
            ("labels", or_empty_map(&node["metadata"]["labels"])),
        ],
    )
}

/// A usable pod as suites see it: `.name`, `.namespace`, `.node`, `.ip`, `.ips` (one of
/// each address family, the first is `.ip`), `.labels`, and the labels of its node, where
/// that is known, as `.nodeLabels`.
pub fn pod_value(pod: &Value, node: Option<&Value>) -> Scope {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    Named::scope_value(
        name,
        [
            ("namespace", pod["metadata"]["namespace"].clone()),
            ("node", pod["spec"]["nodeName"].clone()),
            ("ip", pod["status"]["podIP"].clone()),
            ("ips", pod_ips(pod)),
            ("labels", or_empty_map(&pod["metadata"]["labels"])),
            ("nodeLabels", labels_of(node)),
        ],
    )
}

/// An object of any kind: all its fields; as text, its name.
pub fn object_value(object: &Value) -> Scope {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let fields = object.as_object().into_iter().flatten();
    let namespace = object["metadata"]["namespace"].clone();
    Named::of_map(
        name,
        fields
            .map(|(field, value)| (field.clone(), value.clone()))
            .chain([("namespace".to_owned(), namespace)]),
    )
}

/// A node without a usable pod: only `.node`, `.nodeLabels` and `.error`.
pub fn unusable_value(node: &Value, error: &str) -> Scope {
    scope_value(&json!({
        "node": node["metadata"]["name"],
        "nodeLabels": labels_of(Some(node)),
        "error": error,
    }))
}

/// `run.server`: the version as integers beside the whole.
pub fn server_value(version: &str, major: u32, minor: u32) -> Value {
    json!({"version": version, "major": major, "minor": minor})
}

fn internal_ips(node: &Value) -> Value {
    node["status"]["addresses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|address| address["type"] == "InternalIP")
        .map(|address| address["address"].clone())
        .collect()
}

/// Old servers, and some kubelets, say `podIP` alone.
fn pod_ips(pod: &Value) -> Value {
    let status = &pod["status"];
    let ips = status["podIPs"].as_array().into_iter().flatten();
    let ips: Vec<_> = ips.map(|entry| entry["ip"].clone()).collect();
    match (ips.is_empty(), &status["podIP"]) {
        (true, Value::String(ip)) => json!([ip]),
        _ => ips.into(),
    }
}

fn first_of(list: &Value) -> Value {
    list.get(0).cloned().unwrap_or_default()
}

fn labels_of(node: Option<&Value>) -> Value {
    node.map_or_else(
        || json!({}),
        |node| or_empty_map(&node["metadata"]["labels"]),
    )
}

fn or_empty_map(value: &Value) -> Value {
    if value.is_object() {
        value.clone()
    } else {
        json!({})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Place, SourceFile, Span};
    use crate::template::Template;

    /// What a suite sees of `it`.
    fn seen(it: Scope, expression: &str) -> Value {
        let source = format!("{{{{ it.{expression} }}}}");
        let place = Place {
            file: SourceFile::new("a.yaml", source.as_str()),
            span: Span::default(),
        };
        let scope = Names::default().with("it", it).scope();
        Template::parse(source, place)
            .unwrap()
            .render(&scope)
            .unwrap()
    }

    #[test]
    fn a_pod_has_an_address_of_each_family() {
        let node = json!({"metadata": {"name": "n", "labels": {"zone": "a"}}});
        let pod = json!({
            "metadata": {"name": "p", "namespace": "ns"},
            "spec": {"nodeName": "n"},
            "status": {
                "podIP": "10.42.0.2",
                "podIPs": [{"ip": "10.42.0.2"}, {"ip": "fd00:42::2"}],
            },
        });
        let value = pod_value(&pod, Some(&node));
        assert_eq!(seen(value.clone(), "ip"), "10.42.0.2");
        assert_eq!(
            seen(value.clone(), "ips"),
            json!(["10.42.0.2", "fd00:42::2"])
        );
        assert_eq!(seen(value.clone(), "nodeLabels"), json!({"zone": "a"}));
        assert_eq!(seen(value, "labels"), json!({}));
        let of_unknown_node = pod_value(&pod, None);
        assert_eq!(seen(of_unknown_node, "nodeLabels"), json!({}));
    }

    #[test]
    fn the_one_address_of_a_pod_is_all_of_them() {
        for (status, expected) in [
            (json!({"podIP": "10.42.0.2"}), json!(["10.42.0.2"])),
            (
                json!({"podIP": "fd00::2", "podIPs": []}),
                json!(["fd00::2"]),
            ),
            (json!({}), json!([])),
        ] {
            let value = pod_value(&json!({"status": status}), None);
            assert_eq!(seen(value, "ips"), expected);
        }
    }

    #[test]
    fn a_node_has_its_internal_addresses() {
        let node = json!({
            "metadata": {"name": "n"},
            "status": {"addresses": [
                {"type": "Hostname", "address": "n"},
                {"type": "ExternalIP", "address": "192.0.2.1"},
                {"type": "InternalIP", "address": "10.89.0.11"},
                {"type": "InternalIP", "address": "fd00::11"},
            ]},
        });
        let value = node_value(&node);
        assert_eq!(seen(value.clone(), "ip"), "10.89.0.11");
        assert_eq!(seen(value, "ips"), json!(["10.89.0.11", "fd00::11"]));
        let bare = node_value(&json!({"metadata": {"name": "n"}}));
        assert_eq!(seen(bare.clone(), "ip"), Value::Null);
        assert_eq!(seen(bare, "ips"), json!([]));
    }

    #[test]
    fn a_node_without_a_usable_pod_keeps_its_labels() {
        let node = json!({"metadata": {"name": "n", "labels": {"zone": "a"}}});
        let value = unusable_value(&node, "no pod");
        assert_eq!(seen(value.clone(), "node"), "n");
        assert_eq!(seen(value.clone(), "nodeLabels.zone"), "a");
        assert_eq!(seen(value, "error"), "no pod");
    }
}
