//! Walks a suite: its namespace, requirements, axes and steps, each item of what is known once.

use std::collections::BTreeMap;

use serde_json::json;

use super::names::Names;
use super::walk::{Here, Walk};
use super::{Need, On, Reach, Right};
use crate::plan::model::{
    Axis, AxisSource, Case, DiagnosisRule, Matrix, Namespace, Permission, PermissionOn,
    Requirement, RequirementCheck, Step, Suite, Verb,
};
use crate::source::{Place, Span};
use crate::template::scope_value;

/// What is known of the run that the suite is for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Its id.
    pub run: Option<&'a str>,
    /// The name of the suite's own namespace, where it has one that the run makes.
    pub namespace: Option<&'a str>,
    /// The version of the API server: major and minor.
    pub server: Option<(u32, u32)>,
}

/// Every right that carrying out a suite takes, in the order of the file. Some stand there more
/// than once: merging them is for whoever asks.
///
/// A template that needs what only the run will know gives its rights all the same, in every
/// namespace where it is about the namespace. Left out is what a condition rules out that is
/// settled by inputs.
pub fn rights(suite: &Suite, facts: &Facts<'_>) -> Vec<Right> {
    let namespace = match &suite.namespace {
        Namespace::PerSuite(_) => facts.namespace.map(Some),
        // one for each case besides
        Namespace::PerCase(_) => None,
        Namespace::Existing(name) => Some(Some(name.as_str())),
        Namespace::None => Some(None),
    };
    let names = BTreeMap::from([
        ("inputs", scope_value(&json!(suite.inputs))),
        ("suite", scope_value(&json!({"name": suite.name}))),
    ]);
    let here = Here {
        names: Names::new(facts.run, namespace).with(names),
        cluster: suite.cluster.clone(),
        is_another: false,
        is_extra: false,
        place: Place {
            file: suite.file.clone(),
            span: Span::default(),
        },
    };
    let mut walk = Walk {
        suite,
        rights: Vec::new(),
        asks_for_nodes: false,
        server: facts.server,
    };
    walk.requirements(&suite.requires, &here);
    walk.namespaces(&here);
    for permission in &suite.permissions {
        walk.permission(permission, &here);
    }
    walk.steps(&suite.setup, &here);
    for case in &suite.cases {
        walk.case(case, &here);
    }
    for rule in &suite.diagnose {
        walk.diagnosis(rule, &here);
    }
    walk.steps(&suite.teardown, &here);
    walk.nodes_of_the_run(&here);
    walk.leftovers_of_others(&here);
    walk.rights
}

impl Walk<'_> {
    /// The run lists the nodes of its own cluster for everybody, and goes on where it may not.
    fn nodes_of_the_run(&mut self, here: &Here) {
        let need = match self.asks_for_nodes {
            true => Need::Needed,
            false => Need::Helpful,
        };
        let here = Here {
            cluster: None,
            ..here.clone()
        };
        let nodes = On::resource("", "nodes");
        self.add(&here, need, &["list"], nodes, &Reach::Cluster);
    }

    /// Making the suite's namespace, in each of its clusters, and following its end.
    fn namespaces(&mut self, here: &Here) {
        if !self.suite.namespace.is_made() {
            return;
        }
        let others = self.suite.clusters.iter();
        let clusters: Vec<_> = [None]
            .into_iter()
            .chain(others.map(|choice| Some(choice.name.clone())))
            .collect();
        for cluster in clusters {
            let here = Here {
                cluster,
                ..here.clone()
            };
            let verbs = ["get", "list", "watch", "create", "delete"];
            let namespace = On::resource("", "namespaces");
            self.add(&here, Need::Needed, &verbs, namespace, &Reach::Cluster);
            self.what_holds(&here, &Reach::Own);
            self.lease(&here, &["create", "patch", "delete"], &Reach::Own);
        }
    }

    /// Why something does not go: pods whose nodes do not answer.
    pub(super) fn what_holds(&mut self, here: &Here, reach: &Reach) {
        let verbs = ["list", "watch"];
        let (pods, nodes) = (On::resource("", "pods"), On::resource("", "nodes"));
        self.add_own(here, Need::Helpful, &verbs, pods, reach);
        self.add_own(here, Need::Helpful, &verbs, nodes, &Reach::Cluster);
    }

    fn permission(&mut self, permission: &Permission, here: &Here) {
        let here = Here {
            place: permission.place.clone(),
            ..here.clone()
        };
        let verbs: Vec<_> = permission.verbs.iter().map(String::as_str).collect();
        match &permission.on {
            PermissionOn::Paths(paths) => {
                for path in paths {
                    let path = On::Path(path.clone());
                    self.add(&here, Need::Needed, &verbs, path, &Reach::Cluster);
                }
            }
            PermissionOn::Resources {
                groups,
                resources,
                names,
                namespace,
            } => {
                let reach = match namespace.as_deref() {
                    // local programs of a suite without a namespace name theirs themselves
                    None if self.suite.namespace == Namespace::None => Reach::Every,
                    None => Reach::Own,
                    Some("*") => Reach::Every,
                    Some(name) => here.names.reach_of(name),
                };
                let names: Vec<_> = match names.is_empty() {
                    true => vec![None],
                    false => names.iter().map(|name| Some(name.as_str())).collect(),
                };
                for group in groups {
                    for resource in resources {
                        let (plural, subresource) = match resource.split_once('/') {
                            Some((plural, subresource)) => (plural, Some(subresource)),
                            None => (resource.as_str(), None),
                        };
                        for name in &names {
                            let on = On::resource(group, plural);
                            self.push(&here, Need::Needed, &verbs, on, subresource, *name, &reach);
                        }
                    }
                }
            }
        }
    }

    fn requirements(&mut self, requirements: &[Requirement], here: &Here) {
        for requirement in requirements {
            let here = Here {
                place: requirement.place.clone(),
                ..here.clone()
            };
            match &requirement.check {
                RequirementCheck::That(condition) => self.note_condition(Some(condition)),
                RequirementCheck::Exists(target) => {
                    let aim = here.aim(target);
                    self.read(&here, Need::Needed, &aim);
                }
                RequirementCheck::Server(_) => {}
            }
        }
    }

    fn case(&mut self, case: &Case, here: &Here) {
        let mut here = here.clone();
        here.place = case.place.clone();
        if let Some(cluster) = &case.cluster {
            here.cluster = Some(cluster.clone());
        }
        self.note_condition(case.when.as_ref());
        self.note_condition(case.cells.as_ref());
        if let Matrix::Axes(axes) = &case.matrix {
            for axis in axes {
                self.axis(axis, &here);
            }
        }
        for names in here.names.cells(&case.matrix) {
            let cell = Here {
                names,
                ..here.clone()
            };
            if case
                .when
                .as_ref()
                .is_some_and(|when| cell.names.rules_out(when))
            {
                continue;
            }
            self.requirements(&case.requires, &cell);
            self.steps(&case.steps, &cell);
            self.steps(&case.finally, &cell);
            let collectors = Here {
                is_extra: true,
                ..cell
            };
            self.steps(&case.on_failure, &collectors);
        }
    }

    /// What a rule looks at changes no result.
    fn diagnosis(&mut self, rule: &DiagnosisRule, here: &Here) {
        let mut here = here.clone();
        here.is_extra = true;
        here.cluster = self.suite.cases[rule.case].cluster.clone().or(here.cluster);
        self.steps(&rule.steps, &here);
    }

    fn axis(&mut self, axis: &Axis, here: &Here) {
        let here = &Here {
            place: axis.place.clone(),
            ..here.clone()
        };
        let list = |walk: &mut Self, on: On, reach: &Reach| {
            walk.add(here, Need::Needed, &["list"], on, reach);
        };
        match &axis.source {
            AxisSource::Pods {
                namespace,
                per_node,
                ..
            } => {
                let reach = here.names.reach(namespace.as_ref());
                list(self, On::resource("", "pods"), &reach);
                list(self, On::resource("", "nodes"), &Reach::Cluster);
                if *per_node {
                    // it says which nodes it leaves out
                    let daemon_sets = On::resource("apps", "daemonsets");
                    self.add(here, Need::Needed, &["get"], daemon_sets, &reach);
                }
            }
            AxisSource::Nodes { .. } => list(self, On::resource("", "nodes"), &Reach::Cluster),
            AxisSource::Objects(target) => {
                let aim = here.aim(target);
                self.read(here, Need::Needed, &aim);
            }
            AxisSource::Values(tree) => self.note_templates(tree.templates()),
        }
    }

    pub(super) fn steps(&mut self, steps: &[Step], here: &Here) {
        for step in steps {
            self.step(step, here);
        }
    }

    pub(super) fn step(&mut self, step: &Step, here: &Here) {
        self.note_condition(step.when.as_ref());
        let is_ruled_out = |when| here.names.rules_out(when);
        if step.when.as_ref().is_some_and(is_ruled_out) {
            return;
        }
        let mut here = here.clone();
        here.place = step.place.clone();
        if let Some(cluster) = &step.cluster {
            here.cluster = Some(cluster.clone());
            here.is_another = false;
        }
        if let Some(choice) = &step.identity {
            self.impersonation(choice, &here);
            here.is_another = true;
        }
        match &step.verb {
            Verb::During(during) => {
                self.step(&during.look, &here);
                self.steps(&during.steps, &here);
            }
            Verb::Foreach(foreach) => {
                self.note_templates(foreach.items.templates());
                for names in here.names.turns(&foreach.name, &foreach.items) {
                    let turn = Here {
                        names,
                        ..here.clone()
                    };
                    self.steps(&foreach.steps, &turn);
                }
            }
            Verb::Use(used) => {
                let trees = used.inputs.iter().map(|(_, tree)| tree);
                self.note_templates(trees.flat_map(|tree| tree.templates()));
                let inner = Here {
                    names: here.names.of_steps(&used.inputs),
                    ..here.clone()
                };
                self.steps(&used.steps, &inner);
            }
            verb => self.verb(verb, &here),
        }
    }
}
