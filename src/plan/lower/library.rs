//! Documents of steps: found in the file of the suite or in what it includes, and
//! lowered for each `use`, since its inputs may settle what is known before a run.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, suggest};
use crate::plan::files::Origin;
use crate::plan::input;
use crate::plan::lower::lowering::{Here, Lowering, Position};
use crate::plan::lower::names::Names;
use crate::plan::model::{Step, Use, Verb};
use crate::source::{Place, Span};
use crate::spec;
use crate::spec::schema::{InputSpec, StepsSpec, Text, UseSpec, VerbSpec};
use crate::template::Tree;

/// The documents that a suite can use.
#[derive(Debug, Default)]
pub(super) struct Library {
    documents: Vec<Document>,
    /// What is lowered at the moment, the innermost last.
    open: Vec<usize>,
    /// By document and the values that are known.
    lowered: HashMap<(usize, String), Option<Lowered>>,
    /// Rings that were told: each is found from every document in it.
    rings: BTreeSet<BTreeSet<usize>>,
}

#[derive(Clone, Debug)]
struct Document {
    file: Arc<Vec<StepsSpec>>,
    index: usize,
    origin: Origin,
}

impl Document {
    fn spec(&self) -> &StepsSpec {
        &self.file[self.index]
    }

    fn name(&self) -> Option<&str> {
        self.spec().name.as_ref().map(|name| name.value.as_str())
    }
}

#[derive(Clone, Debug)]
struct Lowered {
    steps: Arc<Vec<Step>>,
    outputs: Vec<(String, Tree)>,
}

/// The inputs of a document, as a `use` gives them.
#[derive(Default)]
struct Given {
    trees: Vec<(String, Tree)>,
    known: IndexMap<String, Value>,
    later: BTreeSet<String>,
}

impl Library {
    /// The document that is lowered at the moment; nothing where it is the suite.
    pub(super) fn current(&self) -> Option<&StepsSpec> {
        self.open.last().map(|index| self.documents[*index].spec())
    }

    fn add(&mut self, file: &Arc<Vec<StepsSpec>>, origin: &Origin) {
        for index in 0..file.len() {
            self.documents.push(Document {
                file: Arc::clone(file),
                index,
                origin: origin.clone(),
            });
        }
    }

    /// The document of a name: in the file that asks before any other.
    fn find(&self, name: &str, file: &str) -> Option<usize> {
        let named = |index: &usize| self.documents[*index].name() == Some(name);
        let all = 0..self.documents.len();
        all.clone()
            .filter(named)
            .find(|index| self.documents[*index].spec().file.name == file)
            .or_else(|| all.clone().find(named))
    }
}

impl Lowering<'_> {
    /// Finds all documents of steps, and checks each, used or not.
    pub(super) fn load_library(&mut self) {
        let spec = self.spec;
        self.library.add(&spec.library, &self.here.origin);
        let mut seen = vec![spec.file.name.clone()];
        for path in &spec.include {
            let Some(name) = self.constant(path) else {
                continue;
            };
            let (file, origin) = match self.here.origin.include(&name) {
                Ok(found) => found,
                Err(error) => {
                    self.push(path.span, error.to_string(), error.help());
                    continue;
                }
            };
            if seen.contains(&file.name) {
                continue;
            }
            seen.push(file.name.clone());
            let (documents, problems) = spec::load(&file);
            if documents.steps.is_empty() && problems.is_empty() {
                self.push(
                    path.span,
                    format!("`{name}` holds no steps"),
                    Some("a document of steps has `kind: Steps`".to_owned()),
                );
            }
            for problem in problems {
                let problem = problem.secondary(self.place(path.span), "is included from here");
                self.diagnostics.push(problem);
            }
            self.library.add(&documents.steps, &origin);
        }
        for index in 0..self.library.documents.len() {
            self.check_document(index);
        }
    }

    /// A document without a `use`: what is wrong in it is wrong all the same.
    fn check_document(&mut self, index: usize) {
        let document = self.library.documents[index].clone();
        let spec = document.spec();
        let mut problems = Vec::new();
        let known = input::check_defaults(&spec.inputs, &spec.file, &mut problems);
        self.diagnostics.extend(problems);
        let given = Given {
            known,
            ..Given::default()
        };
        let here = self.enter(&document, &given, None);
        self.check_input_names(&spec.inputs, false);
        self.here = here;
        self.document(index, given, None);
    }

    /// Goes into a document; what is given back is to be put in its place again.
    fn enter(&mut self, document: &Document, given: &Given, used_from: Option<Place>) -> Here {
        let here = Here {
            file: Arc::clone(&document.spec().file),
            origin: document.origin.clone(),
            inputs: given.known.clone(),
            later: given.later.clone(),
            used_from,
        };
        std::mem::replace(&mut self.here, here)
    }

    pub(super) fn use_steps(&mut self, spec: &UseSpec, span: Span, names: &Names) -> Option<Verb> {
        let name = spec.name.as_ref()?;
        let Some(index) = self.library.find(&name.value, &self.here.file.name) else {
            self.unknown_steps(name);
            // what is given is checked all the same
            for (_, node) in &spec.with {
                self.tree(node, names);
            }
            return None;
        };
        let document = self.library.documents[index].clone();
        let given = self.given(spec, document.spec(), names);
        if self.library.open.contains(&index) {
            self.ring(index, name);
            return None;
        }
        let trees = given.trees.clone();
        let from = self.place(span);
        let lowered = self.document(index, given, Some(from))?;
        Some(Verb::Use(Use {
            name: name.value.clone(),
            inputs: trees,
            secrets: input::secrets(&document.spec().inputs),
            steps: lowered.steps,
            outputs: lowered.outputs,
        }))
    }

    fn unknown_steps(&mut self, name: &Text) {
        let names: Vec<_> = self
            .library
            .documents
            .iter()
            .filter_map(Document::name)
            .collect();
        let help = suggest(&name.value, names).unwrap_or_else(|| {
            "write a document of `kind: Steps` in this file, or name one in `include`".to_owned()
        });
        self.push(
            name.span,
            format!("there are no steps `{}`", name.value),
            Some(help),
        );
    }

    /// What the inputs of a document are for a `use`: `with`, or else the default.
    fn given(&mut self, spec: &UseSpec, document: &StepsSpec, names: &Names) -> Given {
        let inputs = &document.inputs;
        for (name, _) in &spec.with {
            if !inputs.iter().any(|input| input.name.value == name.value) {
                let known = inputs.iter().map(|input| input.name.value.as_str());
                let help = suggest(&name.value, known)
                    .unwrap_or_else(|| "they declare no inputs".to_owned());
                self.push(
                    name.span,
                    format!("these steps have no input `{}`", name.value),
                    Some(help),
                );
            }
        }
        let mut given = Given::default();
        for input in inputs {
            self.give(input, spec, document, names, &mut given);
        }
        given
    }

    fn give(
        &mut self,
        input: &InputSpec,
        spec: &UseSpec,
        document: &StepsSpec,
        names: &Names,
        given: &mut Given,
    ) {
        let name = &input.name.value;
        let with = spec.with.iter().find(|(with, _)| with.value == *name);
        let Some((_, node)) = with else {
            let default = input
                .default
                .as_ref()
                .zip(input.kind)
                .and_then(|(node, kind)| input::from_node(kind, node).ok());
            if let Some(value) = default {
                given
                    .trees
                    .push((name.clone(), Tree::Scalar(value.clone())));
                given.known.insert(name.clone(), value);
            } else if input.default.is_none()
                && let Some(steps) = &spec.name
            {
                let diagnostic = Diagnostic::new(
                    format!("`{}` needs the input `{name}`", steps.value),
                    self.place(steps.span),
                )
                .secondary(
                    Place {
                        file: Arc::clone(&document.file),
                        span: input.name.span,
                    },
                    "has no default",
                )
                .help(format!("write with: {{{name}: …}}"));
                self.diagnostics.push(diagnostic);
            }
            return;
        };
        let tree = self.tree(node, names);
        match (self.settled(&tree), input.kind) {
            (Some(value), Some(kind)) => match input::from_value(kind, value) {
                Ok(value) => {
                    given.known.insert(name.clone(), value);
                }
                Err(problem) => {
                    let place = self.place(node.span);
                    self.diagnostics.push(problem.at(name, place));
                }
            },
            (None, _) => {
                given.later.insert(name.clone());
            }
            (Some(_), None) => {}
        }
        given.trees.push((name.clone(), tree));
    }

    /// Steps that use themselves would never end.
    fn ring(&mut self, index: usize, name: &Text) {
        let open = &self.library.open;
        let start = open.iter().position(|open| *open == index).unwrap_or(0);
        let ring = open[start..].to_vec();
        if !self.library.rings.insert(ring.iter().copied().collect()) {
            return;
        }
        let words: Vec<_> = ring
            .iter()
            .chain([&index])
            .filter_map(|index| self.library.documents[*index].name())
            .map(|name| format!("`{name}`"))
            .collect();
        let message = if ring.len() == 1 {
            format!("the steps {} use themselves", words[0])
        } else {
            format!("these steps use each other: {}", words.join(" → "))
        };
        self.push(name.span, message, None);
    }

    /// The steps of a document with what is given, made once for the same values.
    fn document(
        &mut self,
        index: usize,
        given: Given,
        used_from: Option<Place>,
    ) -> Option<Lowered> {
        let values = serde_json::to_string(&(&given.known, &given.later)).unwrap_or_default();
        let key = (index, values);
        if let Some(lowered) = self.library.lowered.get(&key) {
            return lowered.clone();
        }
        let document = self.library.documents[index].clone();
        let spec = document.spec();
        let here = self.enter(&document, &given, used_from);
        let position = std::mem::replace(&mut self.position, Position::Case);
        self.library.open.push(index);
        let declared = spec.inputs.iter().map(|input| input.name.value.clone());
        let mut names = Names::of_steps(declared.collect());
        let steps = self.steps(&spec.steps, &mut names);
        let outputs = spec
            .outputs
            .iter()
            .map(|(name, node)| (name.value.clone(), self.tree(node, &names)))
            .collect();
        self.library.open.pop();
        self.position = position;
        self.here = here;
        let lowered = Some(Lowered {
            steps: Arc::new(steps),
            outputs,
        });
        self.library.lowered.insert(key, lowered.clone());
        lowered
    }

    /// The names that a `use` gives to what follows.
    pub(super) fn outputs(&self, spec: Option<&VerbSpec>) -> Vec<Text> {
        let Some(VerbSpec::Use(spec)) = spec else {
            return Vec::new();
        };
        let index = spec
            .name
            .as_ref()
            .and_then(|name| self.library.find(&name.value, &self.here.file.name));
        let Some(index) = index else {
            return Vec::new();
        };
        // shown where they are used: that is where they are too many
        let span = spec
            .name
            .as_ref()
            .map_or_else(Span::default, |name| name.span);
        let outputs = &self.library.documents[index].spec().outputs;
        outputs
            .iter()
            .map(|(name, _)| Text::new(name.value.clone(), span))
            .collect()
    }
}
