//! The names that templates and conditions may use, and where a wrong one stands.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, suggest};
use crate::plan::results::RESULTS;
use crate::source::Place;
use crate::template;

/// The names of the program itself, which an axis must not hide.
pub(super) const RESERVED: [&str; 5] = ["inputs", "run", "suite", "case", "nodes"];

/// The fields of a name, as far as they are known before a run.
#[derive(Clone, Debug)]
pub(super) enum Members {
    /// These and no other.
    Known(Vec<String>),
    /// Whatever it may have.
    Any,
}

impl Members {
    /// A list of known fields.
    pub(super) fn known(names: &[&str]) -> Self {
        Self::Known(names.iter().map(|name| (*name).to_owned()).collect())
    }
}

/// The names in scope somewhere.
#[derive(Clone, Debug)]
pub(super) struct Names {
    known: BTreeMap<String, Name>,
    /// Whether they are those of a document of steps, which sees nothing around it.
    in_document: bool,
    /// Of a capture: what its step gives.
    given: Option<String>,
}

#[derive(Clone, Debug)]
struct Name {
    members: Members,
    /// A capture of a step with an `if`: another such step may have it as well.
    is_conditional: bool,
}

impl Names {
    /// The names that every template of a suite may use.
    pub(super) fn of_suite(inputs: Vec<String>) -> Self {
        Self::of_steps(inputs)
            .with("suite", Members::known(&["name"]))
            .with("nodes", Members::Any)
            .outside_documents()
    }

    /// The names that a document of steps begins with.
    pub(super) fn of_steps(inputs: Vec<String>) -> Self {
        let names = Self {
            known: BTreeMap::new(),
            in_document: true,
            given: None,
        };
        names.with("inputs", Members::Known(inputs)).with(
            "run",
            Members::known(&["id", "namespace", "started", "server"]),
        )
    }

    fn outside_documents(mut self) -> Self {
        self.in_document = false;
        self
    }

    /// The inputs alone, for what is settled before a run.
    pub(super) fn only_inputs(&self) -> Self {
        let mut names = self.clone();
        names.known.retain(|name, _| name == "inputs");
        names
    }

    /// With one more name.
    pub(super) fn with(&self, name: &str, members: Members) -> Self {
        let mut names = self.clone();
        names.add(name, members, false);
        names
    }

    /// With the names of an object that is looked at.
    pub(super) fn with_object(&self) -> Self {
        self.with("object", Members::Any)
            .with("objects", Members::Any)
    }

    /// With what a verb gives to the `capture` beside it.
    pub(super) fn with_results(&self, verb: &str, results: &[&str]) -> Self {
        let mut names = self.clone();
        for result in results {
            names.add(result, Members::Any, false);
        }
        names.given = Some(format!("this `{verb}` gives {}", results.join(", ")));
        names
    }

    /// With what a rule of `diagnose` sees of a group of cells.
    pub(super) fn with_group(&self) -> Self {
        let tally = || Members::known(&crate::plan::model::TALLY_FIELDS);
        self.with("key", Members::Any)
            .with("tally", tally())
            .with("rest", tally())
    }

    /// The same of a group that is a block.
    pub(super) fn with_block(&self) -> Self {
        let fields = Members::known(&crate::plan::model::BLOCK_FIELDS);
        self.with_group().with("block", fields)
    }

    /// Adds a name. It `is_conditional` where it may not come to be.
    pub(super) fn add(&mut self, name: &str, members: Members, is_conditional: bool) {
        let name = name.to_owned();
        self.known.insert(
            name,
            Name {
                members,
                is_conditional,
            },
        );
    }

    /// Whether a name would be hidden by another.
    pub(super) fn would_hide(&self, name: &str, is_conditional: bool) -> bool {
        self.known
            .get(name)
            .is_some_and(|known| !(known.is_conditional && is_conditional))
    }

    /// Reports the names among `paths` (such as `inputs.image`) that are not in
    /// scope. `place_of` says where a path is asked for.
    pub(super) fn check(
        &self,
        paths: &BTreeSet<String>,
        place_of: impl Fn(&str) -> Place,
    ) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        for path in paths {
            let mut parts = path.split('.');
            let root = parts.next().unwrap_or(path);
            let Some(Name { members, .. }) = self.known.get(root) else {
                if !template::is_builtin(root) {
                    diagnostics.push(self.unknown_root(root, place_of(root)));
                }
                continue;
            };
            let (Members::Known(known), Some(member)) = (members, parts.next()) else {
                continue;
            };
            if !known.iter().any(|name| name == member) {
                let place = place_of(&format!("{root}.{member}"));
                diagnostics.push(self.unknown_member(root, member, known, place));
            }
        }
        diagnostics
    }

    fn unknown_root(&self, root: &str, place: Place) -> Diagnostic {
        let inputs = self.known.get("inputs").map(|inputs| &inputs.members);
        let help = if RESERVED.contains(&root) && self.in_document {
            Some("steps that are used see their own `inputs` and `run`: pass it by `with`".into())
        } else if RESERVED.contains(&root) {
            Some(format!("`{root}` is not known yet at this place"))
        } else if RESULTS.contains(&root) {
            Some(match root {
                _ if let Some(given) = &self.given => given.clone(),
                "object" | "objects" => {
                    format!("`{root}` is for `match`, `that` and `capture` of a step on objects")
                }
                _ => format!("`{root}` is for the `capture` of a step that has it"),
            })
        } else if let Some(Members::Known(inputs)) = inputs
            && inputs.iter().any(|input| input == root)
        {
            Some(format!("an input is used as `inputs.{root}`"))
        } else {
            suggest(root, self.known.keys().map(String::as_str))
        };
        Diagnostic::new(format!("unknown name `{root}`"), place).maybe_help(help)
    }

    fn unknown_member(
        &self,
        root: &str,
        member: &str,
        known: &[String],
        place: Place,
    ) -> Diagnostic {
        let dashed = known.iter().find(|name| {
            // `inputs.a-b` is read as `inputs.a` minus `b`
            name.strip_prefix(member)
                .is_some_and(|rest| rest.starts_with('-'))
        });
        let help = match (dashed, root) {
            (Some(name), _) => Some(format!("write {root}[\"{name}\"] for a name with a dash")),
            (None, "inputs") if known.is_empty() => Some(match self.in_document {
                true => "they declare no inputs".to_owned(),
                false => "the suite declares no inputs".to_owned(),
            }),
            (None, _) => suggest(member, known.iter().map(String::as_str)),
        };
        let message = match root {
            "inputs" if self.in_document => format!("these steps have no input `{member}`"),
            "inputs" => format!("the suite has no input `{member}`"),
            _ => format!("`{root}` has no field `{member}`"),
        };
        Diagnostic::new(message, place).maybe_help(help)
    }
}

/// Whether templates can use a word as a name.
pub(super) fn is_identifier(name: &str) -> bool {
    const WORDS: [&str; 14] = [
        "true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if",
        "else", "loop",
    ];
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !WORDS.contains(&name)
        && name != "self"
}
