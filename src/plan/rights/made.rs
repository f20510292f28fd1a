//! What is made by manifests, as far as that is known before the run: the kind of each object, its
//! name and its namespace.

use serde_json::Value;

use super::names::{Names, known_name};
use super::walk::{Aim, Here, Walk};
use super::{Need, On, Reach};
use crate::plan::model::{Apply, Create, Manifests};
use crate::template::{Template, Tree, unknown_in};
use crate::yaml;

const RBAC: &str = "rbac.authorization.k8s.io";

/// Kinds whose objects are gone with the answer to their deletion: nobody follows their end.
const GONE_AT_ONCE: [&str; 14] = [
    "ConfigMap",
    "Secret",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "NetworkPolicy",
    "Ingress",
    "IngressClass",
    "LimitRange",
    "PodDisruptionBudget",
    "PriorityClass",
    "RuntimeClass",
    "Lease",
];

/// Kinds that pods belong to, whose end waits for them.
const OF_PODS: [&str; 7] = [
    "Pod",
    "ReplicaSet",
    "Deployment",
    "DaemonSet",
    "StatefulSet",
    "Job",
    "CronJob",
];

/// An object that is made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Made {
    on: On,
    name: Option<String>,
    /// Nothing where the manifest names none.
    reach: Option<Reach>,
    /// The kind and the name of the role that a binding gives.
    role: Option<(String, Option<String>)>,
}

impl Walk<'_> {
    pub(super) fn apply(&mut self, apply: &Apply, here: &Here) {
        let need = need(apply.expect.rejected.is_some());
        for made in self.made(&apply.manifests, here) {
            self.give_rights(&made, apply.namespace.as_ref(), here);
            let (on, name, reach) = parts(made, apply.namespace.as_ref(), here);
            if !here.is_another {
                let verbs = ["get", "patch"];
                self.push(
                    here,
                    need,
                    &verbs,
                    on.clone(),
                    None,
                    name.as_deref(),
                    &reach,
                );
                self.add(here, need, &["create"], on.clone(), &reach);
            }
            self.take_back(here, need, &on, name.as_deref(), &reach);
            if !self.is_own(&reach) {
                self.restore(here, Need::Helpful, &on, name.as_deref(), &reach);
            }
        }
    }

    pub(super) fn create(&mut self, create: &Create, here: &Here) {
        let need = need(create.expect.rejected.is_some());
        for made in self.made(&create.manifests, here) {
            // the name of what is to be made is in no request before it is there
            let nameless = Made {
                name: None,
                ..made.clone()
            };
            self.give_rights(&nameless, create.namespace.as_ref(), here);
            let (on, name, reach) = parts(made, create.namespace.as_ref(), here);
            self.add(here, need, &["create"], on.clone(), &reach);
            self.take_back(here, need, &on, name.as_deref(), &reach);
        }
    }

    /// Nobody gives rights that they do not have, unless they may do just that. Which of both a
    /// user is, only the API server knows.
    fn give_rights(&mut self, made: &Made, namespace: Option<&Template>, here: &Here) {
        if here.is_another {
            return;
        }
        let reach = made.reach_or(namespace, here);
        if let Some((kind, name)) = &made.role {
            let plural = match kind.as_str() {
                "Role" => "roles",
                _ => "clusterroles",
            };
            let name = name.as_deref();
            let on = On::resource(RBAC, plural);
            self.push(here, Need::Helpful, &["bind"], on, None, name, &reach);
        }
        let is_role = made
            .on
            .built_in()
            .is_some_and(|kind| ["Role", "ClusterRole"].contains(&kind.kind));
        if is_role {
            let name = made.name.as_deref();
            let on = made.on.clone();
            self.push(here, Need::Helpful, &["escalate"], on, None, name, &reach);
        }
    }

    /// Deleting what was made, and following its end: as the run itself.
    pub(super) fn take_back(
        &mut self,
        here: &Here,
        need: Need,
        on: &On,
        name: Option<&str>,
        reach: &Reach,
    ) {
        self.lease_beside(here);
        let verbs = ["get", "delete"];
        self.push(here, need, &verbs, on.clone(), None, name, reach);
        let kind = on.built_in().map(|kind| kind.kind);
        if !kind.is_some_and(|kind| GONE_AT_ONCE.contains(&kind)) {
            self.add_own(here, need, &["list", "watch"], on.clone(), reach);
        }
        if kind.is_some_and(|kind| OF_PODS.contains(&kind)) {
            self.what_holds(here, reach);
        }
    }

    /// Putting back what was there before: as the run itself.
    pub(super) fn restore(
        &mut self,
        here: &Here,
        need: Need,
        on: &On,
        name: Option<&str>,
        reach: &Reach,
    ) {
        let verbs = ["get", "update"];
        self.push(here, need, &verbs, on.clone(), None, name, reach);
    }

    /// Whether the run makes the namespace: nothing can be there before.
    pub(super) fn is_own(&self, reach: &Reach) -> bool {
        self.suite.namespace.is_made() && *reach == Reach::Own
    }

    /// Whether one of the steps so far may have made what this is about: what is made is taken back.
    pub(super) fn may_have_made(&self, aim: &Aim, here: &Here) -> bool {
        self.rights.iter().any(|right| {
            let takes_back = right.verbs.iter().any(|verb| verb == "delete");
            let is_vague = [&aim.reach, &right.reach].contains(&&Reach::Unknown);
            takes_back
                && right.cluster == here.cluster
                && (is_vague || right.reach == aim.reach)
                && right.on.may_be(&aim.on)
        })
    }

    fn made(&mut self, manifests: &Manifests, here: &Here) -> Vec<Made> {
        match manifests {
            Manifests::Files(files) => files
                .iter()
                .flat_map(|(_, objects)| objects)
                .map(|object| of_value(object, &here.names))
                .collect(),
            Manifests::Inline(tree) => {
                self.note_templates(tree.templates());
                of_tree(tree, &here.names)
            }
            Manifests::Template(template) => {
                self.note_names(&template.names());
                let objects = here
                    .names
                    .file(template)
                    .and_then(|text| yaml::manifests(&text).ok());
                match objects {
                    Some(objects) => objects
                        .iter()
                        .map(|object| of_value(object, &here.names))
                        .collect(),
                    // it calculates with what is not known
                    None => of_text(&template.file.text, &here.names),
                }
            }
        }
    }
}

/// What was meant to be refused is no need: the refusal may be just that.
fn need(is_to_be_rejected: bool) -> Need {
    match is_to_be_rejected {
        true => Need::Helpful,
        false => Need::Needed,
    }
}

fn parts(made: Made, namespace: Option<&Template>, here: &Here) -> (On, Option<String>, Reach) {
    let reach = made.reach_or(namespace, here).of(&made.on);
    (made.on, made.name, reach)
}

impl Made {
    fn reach_or(&self, namespace: Option<&Template>, here: &Here) -> Reach {
        let reach = self.reach.clone();
        reach.unwrap_or_else(|| here.names.reach(namespace))
    }
}

fn on(api_version: Option<&str>, kind: Option<&str>) -> On {
    match (api_version, kind) {
        (Some(api_version), Some(kind))
            if unknown_in(api_version).is_none() && unknown_in(kind).is_none() =>
        {
            On::Manifest {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
            }
        }
        _ => On::Unknown(
            kind.filter(|kind| unknown_in(kind).is_none())
                .unwrap_or("a manifest")
                .to_owned(),
        ),
    }
}

fn of_value(object: &Value, names: &Names) -> Made {
    let metadata = &object["metadata"];
    Made {
        on: on(object["apiVersion"].as_str(), object["kind"].as_str()),
        name: known_name(metadata["name"].as_str().map(str::to_owned)),
        reach: metadata["namespace"]
            .as_str()
            .map(|namespace| names.reach_of(namespace)),
        role: object["roleRef"]["kind"].as_str().map(|kind| {
            let name = object["roleRef"]["name"].as_str();
            (kind.to_owned(), known_name(name.map(str::to_owned)))
        }),
    }
}

/// Each part by itself: what else the manifest says need not be known.
fn of_tree(tree: &Tree, names: &Names) -> Vec<Made> {
    match tree {
        Tree::Scalar(value) => yaml::items_of_list(value.clone())
            .iter()
            .map(|object| of_value(object, names))
            .collect(),
        Tree::List(_) | Tree::Template(_) => vec![Made {
            on: on(None, None),
            name: None,
            reach: None,
            role: None,
        }],
        Tree::Map(_) => {
            let text = |tree: Option<&Tree>| tree.and_then(|tree| names.text_in(tree));
            let kind = text(field(tree, "kind"));
            if kind.as_deref() == Some("List")
                && let Some(Tree::List(items)) = field(tree, "items")
            {
                return items.iter().flat_map(|item| of_tree(item, names)).collect();
            }
            let metadata = |name: &str| field(field(tree, "metadata")?, name);
            let role = |name: &str| text(field(field(tree, "roleRef")?, name));
            let reach = metadata("namespace").map(|namespace| {
                text(Some(namespace)).map_or(Reach::Unknown, |name| names.reach_of(&name))
            });
            vec![Made {
                on: on(text(field(tree, "apiVersion")).as_deref(), kind.as_deref()),
                name: known_name(text(metadata("name"))),
                reach,
                role: role("kind").map(|kind| (kind, known_name(role("name")))),
            }]
        }
    }
}

fn field<'t>(tree: &'t Tree, name: &str) -> Option<&'t Tree> {
    let Tree::Map(fields) = tree else {
        return None;
    };
    let (_, value) = fields.iter().find(|(key, _)| key == name)?;
    Some(value)
}

/// The kinds that stand in a template as they are, where it cannot be rendered yet.
fn of_text(text: &str, names: &Names) -> Vec<Made> {
    let mut documents = vec![Vec::new()];
    for line in text.lines() {
        match line.starts_with("---") {
            true => documents.push(Vec::new()),
            false => documents.last_mut().expect("there is one").push(line),
        }
    }
    documents
        .iter()
        .filter_map(|lines| {
            let value = |field: &str| {
                let value = lines.iter().find_map(|line| line.strip_prefix(field))?;
                let value = value.split(" #").next().unwrap_or_default();
                let value = value.trim().trim_matches(['"', '\'']);
                (!value.contains(['{', '}'])).then_some(value)
            };
            let kind = lines.iter().find(|line| line.starts_with("kind:"))?;
            let of_namespace = lines
                .iter()
                .find_map(|line| line.trim_start().strip_prefix("namespace:"));
            let reach = of_namespace.map(|name| match name.contains('{') {
                true => Reach::Unknown,
                false => names.reach_of(name.trim().trim_matches(['"', '\''])),
            });
            let is_known = !kind.contains('{');
            Some(Made {
                on: on(
                    value("apiVersion:"),
                    is_known.then(|| value("kind:")).flatten(),
                ),
                name: None,
                reach,
                role: None,
            })
        })
        .collect()
}
