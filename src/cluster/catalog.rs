//! What a cluster serves, and which of it a name means: pure. Asking the cluster is `discovery`'s.
//!
//! Names are taken as kubectl takes them: plural, singular, kind or short name, with a group
//! (`daemonsets.apps`) or a version and a group (`daemonsets.v1.apps`). Where several groups have a
//! name, the core group wins, then the order in which the server lists them.

use serde_json::Value;

use super::resource::Resource;

/// Every resource a cluster serves, in the order of preference.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalog {
    resources: Vec<Resource>,
    /// The groups with their versions, `metrics.k8s.io/v1beta1`, of which nothing is known, or nothing
    /// new: what serves them did not answer.
    down: Vec<String>,
}

impl Catalog {
    /// Reads the two answers of aggregated discovery, `/api` and `/apis`.
    ///
    /// `None` where they are of another shape: the server is too old for it.
    /// See [aggregated discovery](https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery).
    pub(super) fn from_aggregated(core: &Value, groups: &Value) -> Option<Self> {
        let mut resources = Vec::new();
        let mut down = Vec::new();
        for list in [core, groups] {
            if list["kind"] != "APIGroupDiscoveryList" {
                return None;
            }
            for group in array(&list["items"]) {
                let name = group["metadata"]["name"].as_str().unwrap_or_default();
                for version in array(&group["versions"]) {
                    let number = version["version"].as_str().unwrap_or_default();
                    if version["freshness"] == "Stale" {
                        down.push(api_version(name, number));
                    }
                    let aggregated = |entry| aggregated(name, number, entry);
                    resources.extend(array(&version["resources"]).filter_map(aggregated));
                }
            }
        }
        Some(Self { resources, down })
    }

    /// With groups that did not answer.
    pub(super) fn without(mut self, down: Vec<String>) -> Self {
        self.down = down;
        self
    }

    /// All groups that did not answer.
    pub(super) fn down(&self) -> &[String] {
        &self.down
    }

    /// Those of them that may serve what a user means by a name: where the name tells its group, that one.
    pub(super) fn down_for(&self, name: &str) -> Vec<&str> {
        let name = name.to_lowercase();
        let may_serve = |down: &&str| {
            let Some((_, rest)) = name.split_once('.') else {
                return true;
            };
            let (group, version) = down.split_once('/').unwrap_or((down, ""));
            rest == group || rest == format!("{version}.{group}")
        };
        let down = self.down.iter().map(String::as_str);
        down.filter(may_serve).collect()
    }

    /// Reads the `APIResourceList` of each group and version, in the order of preference.
    pub(super) fn from_lists(lists: &[Value]) -> Self {
        let mut resources: Vec<Resource> = Vec::new();
        for list in lists {
            let api_version = list["groupVersion"].as_str().unwrap_or_default();
            for entry in array(&list["resources"]) {
                let name = entry["name"].as_str().unwrap_or_default();
                match name.split_once('/') {
                    // `pods/exec` is a subresource of `pods`, which is listed before it.
                    Some((parent, subresource)) => {
                        let parent = resources
                            .iter_mut()
                            .find(|r| r.api_version == api_version && r.plural == parent);
                        if let Some(parent) = parent {
                            parent.subresources.push(subresource.to_owned());
                        }
                    }
                    None => resources.extend(listed(api_version, name, entry)),
                }
            }
        }
        Self {
            resources,
            down: Vec::new(),
        }
    }

    /// The resource of a manifest's `apiVersion` and `kind`.
    pub(super) fn of(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        self.resources
            .iter()
            .find(|r| r.api_version == api_version && r.kind == kind)
    }

    /// The resource that a user means by a name.
    pub(super) fn named(&self, name: &str) -> Option<&Resource> {
        let name = name.to_lowercase();
        if let Some(found) = self.named_in(&name, |_| true) {
            return Some(found);
        }
        let (short, rest) = name.split_once('.')?;
        if let Some((version, group)) = rest.split_once('.')
            && let Some(found) = self.named_in(short, |r| r.version == version && r.group == group)
        {
            return Some(found);
        }
        self.named_in(short, |r| r.group == rest)
            // `deployments.v1` has no group: kubectl does not know it, people write it.
            .or_else(|| self.named_in(short, |r| r.version == rest))
    }

    /// The resources that support all these verbs, each in one version only: the preferred one, or
    /// else the first that does.
    pub(super) fn supporting(&self, verbs: &[&str]) -> Vec<Resource> {
        let mut found: Vec<Resource> = Vec::new();
        for resource in &self.resources {
            let is_known = found
                .iter()
                .any(|known| known.group == resource.group && known.plural == resource.plural);
            if !is_known && verbs.iter().all(|verb| resource.supports(verb)) {
                found.push(resource.clone());
            }
        }
        found
    }

    fn named_in(&self, name: &str, is_asked: impl Fn(&Resource) -> bool) -> Option<&Resource> {
        let among = || self.resources.iter().filter(|r| is_asked(r));
        among()
            .find(|r| r.plural == name || r.singular == name)
            .or_else(|| among().find(|r| r.kind.eq_ignore_ascii_case(name)))
            .or_else(|| among().find(|r| r.short_names.iter().any(|short| short == name)))
    }

    /// The known name that is nearest to one that is not known.
    pub(super) fn near(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        let name = name.split('.').next().unwrap_or_default();
        let allowed = allowed_distance(name);
        self.resources
            .iter()
            .flat_map(|r| [&r.singular, &r.plural])
            .map(|known| (distance(name, known), known))
            .filter(|(distance, _)| *distance <= allowed)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, known)| known.clone())
    }

    /// What a manifest may have meant: its kind in another group or version, else a kind of its
    /// group with a similar name.
    pub(super) fn near_kind(&self, api_version: &str, kind: &str) -> Option<String> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let near = || {
            let allowed = allowed_distance(kind);
            let in_group = self.resources.iter().filter(|r| r.group == group);
            in_group
                .map(|r| (distance(&kind.to_lowercase(), &r.kind.to_lowercase()), r))
                .filter(|(distance, _)| *distance <= allowed)
                .min_by_key(|(distance, _)| *distance)
                .map(|(_, r)| r)
        };
        let same = self.resources.iter().find(|r| r.kind == kind);
        same.or_else(near)
            .map(|r| format!("{} {}", r.api_version, r.kind))
    }
}

/// How far off a name may be to count as a slip.
fn allowed_distance(name: &str) -> usize {
    match name.len() {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    }
}

fn aggregated(group: &str, version: &str, entry: &Value) -> Option<Resource> {
    let kind = &entry["responseKind"];
    let plural = entry["resource"].as_str()?;
    let kind_name = kind["kind"].as_str().filter(|kind| !kind.is_empty())?;
    Some(Resource {
        api_version: api_version(group, version),
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind_name.to_owned(),
        plural: plural.to_owned(),
        singular: singular(&entry["singularResource"], kind_name),
        short_names: texts(&entry["shortNames"]),
        namespaced: entry["scope"] == "Namespaced",
        verbs: texts(&entry["verbs"]),
        subresources: array(&entry["subresources"])
            .filter_map(|sub| sub["subresource"].as_str().map(str::to_owned))
            .collect(),
    })
}

fn listed(api_version: &str, plural: &str, entry: &Value) -> Option<Resource> {
    let kind = entry["kind"].as_str()?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Some(Resource {
        api_version: api_version.to_owned(),
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        singular: singular(&entry["singularName"], kind),
        short_names: texts(&entry["shortNames"]),
        namespaced: entry["namespaced"] == true,
        verbs: texts(&entry["verbs"]),
        subresources: Vec::new(),
    })
}

fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// Older servers leave the singular out for what is built in.
fn singular(value: &Value, kind: &str) -> String {
    match value.as_str() {
        Some(singular) if !singular.is_empty() => singular.to_owned(),
        _ => kind.to_lowercase(),
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn texts(value: &Value) -> Vec<String> {
    array(value)
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

/// How many letters must be changed, added, left out or swapped with the next to get from one word
/// to the other (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut current = vec![i + 1];
        for j in 0..b.len() {
            let changed = previous[j] + usize::from(a[i] != b[j]);
            let mut best = changed.min(previous[j + 1] + 1).min(current[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous[b.len()]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// What a small cluster answers to aggregated discovery: `/api` and `/apis`.
    pub(in super::super) fn aggregated_answers() -> (Value, Value) {
        let resource = |plural: &str, kind: &str, short: &[&str], scope: &str| {
            json!({"resource": plural, "responseKind": {"group": "", "version": "", "kind": kind},
                   "scope": scope, "singularResource": kind.to_lowercase(), "shortNames": short,
                   "verbs": ["get", "list", "watch"],
                   "subresources": [{"subresource": "status"}]})
        };
        let group =
            |name: &str, versions: Value| json!({"metadata": {"name": name}, "versions": versions});
        let core = json!({"kind": "APIGroupDiscoveryList", "items": [group("", json!([
            {"version": "v1", "resources": [
                resource("pods", "Pod", &["po"], "Namespaced"),
                resource("nodes", "Node", &["no"], "Cluster"),
                resource("services", "Service", &["svc"], "Namespaced"),
                resource("configmaps", "ConfigMap", &["cm"], "Namespaced"),
                resource("events", "Event", &["ev"], "Namespaced")]}]))]});
        let groups = json!({"kind": "APIGroupDiscoveryList", "items": [
            group("apps", json!([{"version": "v1", "resources": [
                resource("daemonsets", "DaemonSet", &["ds"], "Namespaced"),
                resource("deployments", "Deployment", &["deploy"], "Namespaced")]}])),
            group("events.k8s.io", json!([{"version": "v1", "resources": [
                resource("events", "Event", &["ev"], "Namespaced")]}])),
            group("example.com", json!([
                {"version": "v2", "resources": [resource("widgets", "Widget", &["wd"], "Cluster")]},
                {"version": "v1beta1", "resources": [resource("widgets", "Widget", &["wd"], "Cluster")]}])),
            group("serving.knative.dev", json!([{"version": "v1", "resources": [
                resource("services", "Service", &["ksvc"], "Namespaced")]}]))]});
        (core, groups)
    }

    fn catalog() -> Catalog {
        let (core, groups) = aggregated_answers();
        Catalog::from_aggregated(&core, &groups).unwrap()
    }

    #[test]
    fn names_are_resolved_as_kubectl_does() {
        let cases = [
            ("ds", "apps/v1 daemonsets"),
            ("daemonset", "apps/v1 daemonsets"),
            ("daemonsets", "apps/v1 daemonsets"),
            ("DaemonSet", "apps/v1 daemonsets"),
            ("daemonset.apps", "apps/v1 daemonsets"),
            ("daemonsets.v1.apps", "apps/v1 daemonsets"),
            ("ds.apps", "apps/v1 daemonsets"),
            ("pods.v1.", "v1 pods"),
            ("pods.v1", "v1 pods"),
            ("services", "v1 services"),
            (
                "service.serving.knative.dev",
                "serving.knative.dev/v1 services",
            ),
            (
                "services.v1.serving.knative.dev",
                "serving.knative.dev/v1 services",
            ),
            ("ksvc", "serving.knative.dev/v1 services"),
            ("events", "v1 events"),
            ("events.events.k8s.io", "events.k8s.io/v1 events"),
            ("widget", "example.com/v2 widgets"),
            ("widgets.v1beta1.example.com", "example.com/v1beta1 widgets"),
        ];
        let catalog = catalog();
        for (name, expected) in cases {
            let found = catalog.named(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(
                format!("{} {}", found.api_version, found.plural),
                expected,
                "{name}"
            );
        }
        for name in ["deamonset", "pods.apps", "widgets.v3.example.com", "", "."] {
            assert!(catalog.named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn manifests_name_version_and_kind_exactly() {
        let catalog = catalog();
        assert_eq!(
            catalog.of("apps/v1", "DaemonSet").unwrap().plural,
            "daemonsets"
        );
        assert!(catalog.of("apps/v1", "daemonset").is_none());
        assert!(catalog.of("apps/v1beta1", "DaemonSet").is_none());
        for (api_version, kind, expected) in [
            ("apps/v1beta1", "DaemonSet", Some("apps/v1 DaemonSet")),
            ("apps/v1", "DeamonSet", Some("apps/v1 DaemonSet")),
            ("other.example/v1", "DeamonSet", None),
        ] {
            let near = catalog.near_kind(api_version, kind);
            assert_eq!(near.as_deref(), expected, "{api_version} {kind}");
        }
    }

    #[test]
    fn near_misses_are_suggested() {
        let catalog = catalog();
        for (name, expected) in [
            ("deamonset", Some("daemonset")),
            ("deplyment", Some("deployment")),
            ("pdo", Some("pod")),
            ("confgmap.v1", Some("configmap")),
            ("elephant", None),
        ] {
            assert_eq!(catalog.near(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn each_kind_is_there_in_one_version() {
        let found = catalog().supporting(&["list", "watch"]);
        let widgets = found.iter().filter(|resource| resource.plural == "widgets");
        let versions: Vec<_> = widgets.map(|widgets| &widgets.version).collect();
        assert_eq!(versions, ["v2"]);
        assert!(catalog().supporting(&["list", "delete"]).is_empty());
    }

    #[test]
    fn an_old_server_has_no_aggregated_discovery() {
        let (core, _) = aggregated_answers();
        assert!(Catalog::from_aggregated(&core, &json!({"kind": "APIGroupList"})).is_none());
    }

    #[test]
    fn groups_that_do_not_answer_are_known() {
        let (core, mut groups) = aggregated_answers();
        let version = &mut groups["items"][2]["versions"][1];
        version["freshness"] = "Stale".into();
        version["resources"].take();
        let catalog = Catalog::from_aggregated(&core, &groups).unwrap();
        assert_eq!(catalog.down(), ["example.com/v1beta1"]);
        for (name, expected) in [
            ("gadget", 1),
            ("gadget.example.com", 1),
            ("Gadget.v1beta1.example.com", 1),
            ("gadget.v1.example.com", 0),
            ("gadget.com", 0),
            ("pods.apps", 0),
        ] {
            assert_eq!(catalog.down_for(name).len(), expected, "{name}");
        }
    }

    #[test]
    fn lists_of_an_old_server_are_read_with_their_subresources() {
        let lists = [json!({"groupVersion": "v1", "resources": [
            {"name": "pods", "singularName": "", "namespaced": true, "kind": "Pod", "verbs": ["get"], "shortNames": ["po"]},
            {"name": "pods/exec", "namespaced": true, "kind": "PodExecOptions", "verbs": ["create"]}]})];
        let catalog = Catalog::from_lists(&lists);
        let pod = catalog.named("pod").unwrap();
        assert_eq!(pod.subresources, ["exec"]);
        assert!(catalog.of("v1", "PodExecOptions").is_none());
    }

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
            ("", "ab", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
