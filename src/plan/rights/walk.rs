//! Where in a suite the walk is, and the rights that it has found: what every part of it needs.

use std::collections::BTreeSet;

use super::names::{Names, known_name};
use super::{Need, On, Reach, Right};
use crate::kinds::BuiltIn;
use crate::plan::model::{Namespace, Suite, Target};
use crate::source::Place;
use crate::template::{Condition, Template, unknown_in};

/// What names a list of the nodes, which is empty for whoever may not list them.
const NODES: &str = "nodes";

/// The rights found so far.
pub(super) struct Walk<'a> {
    pub(super) suite: &'a Suite,
    pub(super) rights: Vec<Right>,
    /// Whether the suite asks for the nodes: they are read once, by the run itself.
    pub(super) asks_for_nodes: bool,
    /// The version of the API server, where it is known.
    pub(super) server: Option<(u32, u32)>,
}

/// Where the walk is.
#[derive(Clone)]
pub(super) struct Here {
    pub(super) names: Names,
    /// The cluster of the step.
    pub(super) cluster: Option<String>,
    /// Whether the step acts as somebody else, whose rights are not ours.
    pub(super) is_another: bool,
    /// Whether what it does changes no result: collectors.
    pub(super) is_extra: bool,
    /// Of the step.
    pub(super) place: Place,
}

/// The objects of a target.
#[derive(Clone, Debug)]
pub(super) struct Aim {
    pub(super) on: On,
    /// Whether it is one object.
    pub(super) is_one: bool,
    /// Its name, where it is known.
    pub(super) name: Option<String>,
    pub(super) reach: Reach,
}

impl Aim {
    /// Whether the objects are pods.
    pub(super) fn is_pods(&self) -> bool {
        let kind = self.on.built_in();
        kind.is_some_and(BuiltIn::is_pod)
    }
}

impl Walk<'_> {
    /// Adds a right of the run's user, unless the step acts as somebody else.
    pub(super) fn add(&mut self, here: &Here, need: Need, verbs: &[&str], on: On, reach: &Reach) {
        if !here.is_another {
            self.add_own(here, need, verbs, on, reach);
        }
    }

    /// The same for what the run does as itself whoever the step is: cleaning up.
    pub(super) fn add_own(
        &mut self,
        here: &Here,
        need: Need,
        verbs: &[&str],
        on: On,
        reach: &Reach,
    ) {
        self.push(here, need, verbs, on, None, None, reach);
    }

    /// The same on a subresource.
    pub(super) fn add_sub(
        &mut self,
        here: &Here,
        need: Need,
        verbs: &[&str],
        (on, subresource): (On, &str),
        reach: &Reach,
    ) {
        if !here.is_another {
            self.push(here, need, verbs, on, Some(subresource), None, reach);
        }
    }

    /// Adds a right on the objects of a target: on the one, where it is one with a name.
    pub(super) fn add_aimed(&mut self, here: &Here, need: Need, verbs: &[&str], aim: &Aim) {
        if !here.is_another {
            let name = aim.name.as_deref();
            self.push(here, need, verbs, aim.on.clone(), None, name, &aim.reach);
        }
    }

    /// Adds a right as it is.
    #[expect(
        clippy::too_many_arguments,
        reason = "these are the parts of a right, and the others are short for this"
    )]
    pub(super) fn push(
        &mut self,
        here: &Here,
        need: Need,
        verbs: &[&str],
        on: On,
        subresource: Option<&str>,
        name: Option<&str>,
        reach: &Reach,
    ) {
        let reach = reach.clone().of(&on);
        // without a namespace the step will say so itself
        if reach == Reach::Own && self.suite.namespace == Namespace::None {
            return;
        }
        self.rights.push(Right {
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            on,
            subresource: subresource.map(str::to_owned),
            name: name.map(str::to_owned),
            reach,
            cluster: here.cluster.clone(),
            need: match here.is_extra {
                true => Need::Helpful,
                false => need,
            },
            place: here.place.clone(),
        });
    }

    /// Reading the objects of a target once.
    pub(super) fn read(&mut self, here: &Here, need: Need, aim: &Aim) {
        let verb = if aim.is_one { "get" } else { "list" };
        self.add_aimed(here, need, &[verb], aim);
    }

    /// Following the objects of a target, which is done for all of their kind.
    pub(super) fn follow(&mut self, here: &Here, need: Need, aim: &Aim) {
        self.add(here, need, &["list", "watch"], aim.on.clone(), &aim.reach);
    }

    /// Quoting the last warning about what was waited for.
    pub(super) fn quote_warnings(&mut self, here: &Here, aim: &Aim) {
        self.events(here, Need::Helpful, aim);
    }

    /// Reading the events about the objects of a target.
    pub(super) fn events(&mut self, here: &Here, need: Need, aim: &Aim) {
        // those about what has no namespace are kept in `default`
        let reach = match aim.on.is_cluster_wide() {
            true => Reach::Namespace("default".to_owned()),
            false => aim.reach.clone(),
        };
        self.add(here, need, &["list"], On::resource("", "events"), &reach);
    }

    /// Notes that a condition asks for the nodes.
    pub(super) fn note_condition(&mut self, condition: Option<&Condition>) {
        if let Some(condition) = condition {
            self.note_names(&condition.names());
        }
    }

    /// Notes that templates ask for the nodes.
    pub(super) fn note_templates<'t>(&mut self, templates: impl IntoIterator<Item = &'t Template>) {
        for template in templates {
            self.note_names(&template.names());
        }
    }

    /// Notes that something with these names in it asks for the nodes.
    pub(super) fn note_names(&mut self, names: &BTreeSet<String>) {
        self.asks_for_nodes |= names.contains(NODES);
    }
}

impl Here {
    /// What a target means, as far as that is known.
    pub(super) fn aim(&self, target: &Target) -> Aim {
        let reach = match target.all_namespaces {
            true => Reach::Every,
            false => self.names.reach(target.namespace.as_ref()),
        };
        let source = target.target.source();
        let text = self.names.text(&target.target);
        let (kind, name) = match &text {
            Some(text) => match text.split_once('/') {
                Some((kind, name)) => (Some(kind), Some(Some(name))),
                None => (Some(text.as_str()), None),
            },
            // what cannot be rendered still has what stands before it
            None => match source
                .split_once("{{")
                .and_then(|(before, _)| before.split_once('/'))
            {
                Some((kind, _)) => (Some(kind), Some(None)),
                None => (None, None),
            },
        };
        let on = match kind.filter(|kind| unknown_in(kind).is_none()) {
            Some(kind) => On::Named(kind.to_owned()),
            None => On::Unknown(source.to_owned()),
        };
        Aim {
            is_one: name.is_some(),
            name: known_name(name.flatten().map(str::to_owned)),
            reach: reach.of(&on),
            on,
        }
    }
}
