//! Roles that give what suites need, and nothing else: merged and sorted, so that they are small
//! and the same every time. Pure; finding out what is needed is `rbac`'s job.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

/// A right as roles know it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// `get`, `list`, …
    pub verbs: Vec<String>,
    /// On what.
    pub on: Granted,
    /// Where.
    pub place: Scope,
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Granted {
    /// Objects.
    Resource {
        /// Empty is the core group.
        group: String,
        /// With a subresource behind a slash.
        resource: String,
        /// These objects only; all where none is named.
        names: BTreeSet<String>,
    },
    /// A path that is no resource.
    Path(String),
}

/// Where a right is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// In the namespace that the roles are for.
    Here,
    /// In other namespaces, in all of them, or in the cluster.
    Cluster,
}

/// One rule of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    verbs: Vec<String>,
    subject: Subject,
}

/// Rules are sorted by this.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Resources {
        group: String,
        resources: BTreeSet<String>,
        names: BTreeSet<String>,
    },
    Paths(BTreeSet<String>),
}

/// What `kubectl apply -f -` takes: a Role where the grants are for one namespace, and a
/// ClusterRole for the rest. Either is left out where it would be empty.
pub fn yaml(name: &str, namespace: Option<&str>, grants: &[Grant]) -> String {
    let in_cluster = verbs_of(grants, &Scope::Cluster);
    let mut here = verbs_of(grants, &Scope::Here);
    // what is given everywhere is given here
    for (on, verbs) in &mut here {
        if let Some(given) = in_cluster.get(on) {
            verbs.retain(|verb| !given.contains(verb));
        }
    }
    let mut documents = Vec::new();
    for (kind, namespace, verbs) in [("Role", namespace, here), ("ClusterRole", None, in_cluster)] {
        let rules = rules(verbs);
        if !rules.is_empty() {
            documents.push(document(kind, name, namespace, &rules));
        }
    }
    documents.join("---\n")
}

type Verbs = BTreeMap<Granted, BTreeSet<String>>;

/// The verbs on each thing; without those on single objects that are given on all of them.
fn verbs_of(grants: &[Grant], scope: &Scope) -> Verbs {
    let mut all = Verbs::new();
    for grant in grants.iter().filter(|grant| grant.place == *scope) {
        let verbs = all.entry(grant.on.clone()).or_default();
        verbs.extend(grant.verbs.iter().cloned());
    }
    let whole = all.clone();
    for (on, verbs) in &mut all {
        if let Granted::Resource {
            group,
            resource,
            names,
        } = on
            && !names.is_empty()
        {
            let unnamed = Granted::Resource {
                group: group.clone(),
                resource: resource.clone(),
                names: BTreeSet::new(),
            };
            if let Some(given) = whole.get(&unnamed) {
                verbs.retain(|verb| !given.contains(verb));
            }
        }
    }
    all
}

/// Resources of one group with the same verbs share a rule.
fn rules(verbs: Verbs) -> Vec<Rule> {
    let mut of_resources: BTreeMap<(String, Vec<String>, BTreeSet<String>), BTreeSet<String>> =
        BTreeMap::new();
    let mut of_paths: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
    for (on, verbs) in verbs {
        let verbs = ordered(verbs);
        match on {
            _ if verbs.is_empty() => {}
            Granted::Path(path) => {
                of_paths.entry(verbs).or_default().insert(path);
            }
            Granted::Resource {
                group,
                resource,
                names,
            } => {
                let rule = of_resources.entry((group, verbs, names)).or_default();
                rule.insert(resource);
            }
        }
    }
    // and so do the names of objects of the same resources
    let mut of_names: BTreeMap<(String, Vec<String>, BTreeSet<String>), BTreeSet<String>> =
        BTreeMap::new();
    let mut rules = Vec::new();
    for ((group, verbs, names), resources) in of_resources {
        if names.is_empty() {
            rules.push(Rule {
                verbs,
                subject: Subject::Resources {
                    group,
                    resources,
                    names,
                },
            });
        } else {
            let rule = of_names.entry((group, verbs, resources)).or_default();
            rule.extend(names);
        }
    }
    rules.extend(
        of_names
            .into_iter()
            .map(|((group, verbs, resources), names)| Rule {
                verbs,
                subject: Subject::Resources {
                    group,
                    resources,
                    names,
                },
            }),
    );
    rules.extend(of_paths.into_iter().map(|(verbs, paths)| Rule {
        verbs,
        subject: Subject::Paths(paths),
    }));
    rules.sort_by(|a, b| a.subject.cmp(&b.subject));
    rules
}

/// Verbs as people list them; those beyond the usual ones after them.
fn ordered(verbs: BTreeSet<String>) -> Vec<String> {
    const USUAL: [&str; 7] = [
        "get", "list", "watch", "create", "update", "patch", "delete",
    ];
    if verbs.contains("*") {
        return vec!["*".to_owned()];
    }
    let rank = |verb: &String| USUAL.iter().position(|usual| usual == verb);
    let mut verbs: Vec<_> = verbs.into_iter().collect();
    verbs.sort_by_key(|verb| rank(verb).unwrap_or(USUAL.len()));
    verbs
}

fn document(kind: &str, name: &str, namespace: Option<&str>, rules: &[Rule]) -> String {
    let mut text = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\n"
    );
    if let Some(namespace) = namespace {
        text.push_str(&format!("  namespace: {namespace}\n"));
    }
    text.push_str("rules:\n");
    for Rule { verbs, subject } in rules {
        // JSON is YAML, and quotes what must be quoted
        let mut fields: Vec<(&str, serde_json::Value)> = match subject {
            Subject::Resources {
                group,
                resources,
                names,
            } => {
                let mut fields = vec![
                    ("apiGroups", json!([group])),
                    ("resources", json!(resources)),
                ];
                if !names.is_empty() {
                    fields.push(("resourceNames", json!(names)));
                }
                fields
            }
            Subject::Paths(paths) => vec![("nonResourceURLs", json!(paths))],
        };
        fields.push(("verbs", json!(verbs)));
        for (number, (field, value)) in fields.iter().enumerate() {
            let dash = if number == 0 { "- " } else { "  " };
            let value = value.to_string().replace("\",\"", "\", \"");
            text.push_str(&format!("{dash}{field}: {value}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn grant(verbs: &str, group: &str, resource: &str, names: &[&str], place: Scope) -> Grant {
        Grant {
            verbs: verbs.split(' ').map(str::to_owned).collect(),
            on: Granted::Resource {
                group: group.to_owned(),
                resource: resource.to_owned(),
                names: names.iter().map(|name| (*name).to_owned()).collect(),
            },
            place,
        }
    }

    #[test]
    fn rules_are_merged_and_sorted() {
        let grants = [
            grant("watch list", "", "pods", &[], Scope::Here),
            grant("get", "apps", "daemonsets", &[], Scope::Here),
            grant("list watch", "", "events", &[], Scope::Here),
            grant("create", "", "pods", &["a"], Scope::Here),
            grant("list get", "", "pods", &["a"], Scope::Here),
            grant("list", "", "nodes", &[], Scope::Cluster),
            grant("get", "apps", "daemonsets", &[], Scope::Cluster),
            Grant {
                verbs: vec!["get".to_owned()],
                on: Granted::Path("/metrics".to_owned()),
                place: Scope::Cluster,
            },
        ];
        assert_snapshot!(yaml("kubeproof-a", Some("team"), &grants), @r#"
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata:
          name: kubeproof-a
          namespace: team
        rules:
        - apiGroups: [""]
          resources: ["events", "pods"]
          verbs: ["list", "watch"]
        - apiGroups: [""]
          resources: ["pods"]
          resourceNames: ["a"]
          verbs: ["get", "create"]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata:
          name: kubeproof-a
        rules:
        - apiGroups: [""]
          resources: ["nodes"]
          verbs: ["list"]
        - apiGroups: ["apps"]
          resources: ["daemonsets"]
          verbs: ["get"]
        - nonResourceURLs: ["/metrics"]
          verbs: ["get"]
        "#);
    }

    #[test]
    fn an_empty_role_is_left_out() {
        let grants = [grant("use *", "a.io", "x/y", &[], Scope::Cluster)];
        let text = yaml("kubeproof", None, &grants);
        assert!(!text.contains("kind: Role\n"), "{text}");
        assert!(text.contains("verbs: [\"*\"]"), "{text}");
        assert_eq!(yaml("kubeproof", None, &[]), "");
    }
}
