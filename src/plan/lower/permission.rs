//! `permissions` of a suite: settled before the run, since they are asked for before it.

use crate::plan::lower::check;
use crate::plan::lower::lowering::Lowering;
use crate::plan::model::{Permission, PermissionOn};
use crate::spec::schema::{PermissionOnSpec, PermissionSpec, Text};

impl Lowering<'_> {
    pub(super) fn permissions(&mut self) -> Vec<Permission> {
        let specs = &self.spec.permissions;
        specs
            .iter()
            .map(|spec| Permission {
                verbs: self.checked(&spec.verbs, "a verb", verb_problem),
                on: self.permission_on(spec),
                place: self.place(spec.span),
            })
            .collect()
    }

    fn permission_on(&mut self, spec: &PermissionSpec) -> PermissionOn {
        match &spec.on {
            PermissionOnSpec::Paths(paths) => {
                PermissionOn::Paths(self.checked(paths, "a path", |path| {
                    (!path.starts_with('/') && path != "*")
                        .then_some("paths begin with /, such as /metrics or /healthz/*")
                }))
            }
            PermissionOnSpec::Resources {
                groups,
                resources,
                names,
                namespace,
            } => PermissionOn::Resources {
                groups: self.checked(groups, "a group", |_| None),
                resources: self.checked(resources, "a resource", resource_problem),
                names: self.checked(names, "a name", |_| None),
                namespace: namespace.as_ref().and_then(|namespace| {
                    let problem = |name: &str| match name {
                        "*" => None,
                        name => check::label_problem(name),
                    };
                    let namespace = std::slice::from_ref(namespace);
                    self.checked(namespace, "the name of a namespace", problem)
                        .pop()
                }),
            },
        }
    }

    /// Constants, each of which is right.
    fn checked(
        &mut self,
        texts: &[Text],
        what: &str,
        problem: impl Fn(&str) -> Option<&'static str>,
    ) -> Vec<String> {
        let mut values = Vec::new();
        for text in texts {
            let Some(value) = self.constant(text) else {
                continue;
            };
            if let Some(help) = problem(&value) {
                self.push(
                    text.span,
                    format!("`{value}` is not {what}"),
                    Some(help.to_owned()),
                );
            }
            values.push(value);
        }
        values
    }
}

fn verb_problem(verb: &str) -> Option<&'static str> {
    let is_word = !verb.is_empty() && verb.chars().all(|c| c.is_ascii_lowercase());
    (!is_word && verb != "*").then_some("verbs are written like get, list, watch or create")
}

fn resource_problem(resource: &str) -> Option<&'static str> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-./*".contains(c);
    (resource.is_empty() || !resource.chars().all(is_allowed))
        .then_some("resources are plurals in lower case: pods, pods/log, networkpolicies")
}
