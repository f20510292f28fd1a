//! The state of a lowering, and what every part of it needs: templates, conditions,
//! values that are settled before the run.
//!
//! Goes on after a mistake, so that all of them are told at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::diagnostic::{self, Diagnostic};
use crate::plan::files::Origin;
use crate::plan::input::{self, InputSources};
use crate::plan::lower::library::Library;
use crate::plan::lower::names::Names;
use crate::plan::model::Suite;
use crate::source::{Place, SourceFile, Span};
use crate::spec::schema::{SuiteSpec, Text};
use crate::template::{self, Condition, Template, TemplateError, Tree};
use crate::yaml::{Node, NodeKind};

/// Makes a plan of a suite. `id` is what selects it, `origin` where its files are.
///
/// # Errors
/// Everything that is wrong with it, sorted by place. A spec of which parts could
/// not be read lowers to a plan without them: whoever loaded it knows.
pub fn lower(
    spec: &SuiteSpec,
    id: &str,
    inputs: &InputSources,
    origin: &Origin,
) -> Result<Suite, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let values = input::resolve(&spec.inputs, inputs, &spec.file, &mut diagnostics);
    let declared = spec.inputs.iter().map(|input| input.name.value.clone());
    let mut lowering = Lowering {
        spec,
        here: Here {
            file: Arc::clone(&spec.file),
            origin: origin.clone(),
            inputs: values,
            later: BTreeSet::new(),
            used_from: None,
        },
        position: Position::Case,
        library: Library::default(),
        diagnostics,
        warnings: Vec::new(),
    };
    let names = Names::of_suite(declared.collect());
    let suite = lowering.suite(id, &names);
    let mut diagnostics = lowering.diagnostics;
    if diagnostics.is_empty() {
        return Ok(suite);
    }
    diagnostic::sort(&mut diagnostics);
    Err(diagnostics)
}

/// A suite on its way, and what is wrong with it so far.
pub(super) struct Lowering<'a> {
    pub(super) spec: &'a SuiteSpec,
    pub(super) here: Here,
    pub(super) position: Position,
    pub(super) library: Library,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What is valid, and most likely not what was meant.
    pub(super) warnings: Vec<Diagnostic>,
}

/// The document that is lowered: the suite, or steps that it uses.
#[derive(Clone, Debug)]
pub(super) struct Here {
    /// Its file.
    pub(super) file: Arc<SourceFile>,
    /// Where the files are that it names.
    pub(super) origin: Origin,
    /// The inputs whose values are known before the run.
    pub(super) inputs: IndexMap<String, Value>,
    /// The inputs of steps whose values only the run knows.
    pub(super) later: BTreeSet<String>,
    /// The `use` that it is lowered for.
    pub(super) used_from: Option<Place>,
}

/// Setup, as [`Position::Around`] calls it.
pub(super) const SETUP: &str = "setup";

/// What the steps are part of that are lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// The steps of a case, or steps that a case may use.
    Case,
    /// What is no case: nothing can be skipped there.
    Around(&'static str),
}

impl Lowering<'_> {
    /// A template of a scalar, its names checked.
    pub(super) fn template(&mut self, text: Option<&Text>, names: &Names) -> Option<Template> {
        let text = text?;
        let template = Template::parse(&text.value, self.place(text.span));
        let template = self.parsed(template)?;
        let wrong = names.check(&template.paths(), |path| template.place_of(path));
        self.diagnostics.extend(wrong);
        Some(template)
    }

    /// As many of the texts as are templates.
    pub(super) fn templates(&mut self, texts: &[Text], names: &Names) -> Vec<Template> {
        texts
            .iter()
            .filter_map(|text| self.template(Some(text), names))
            .collect()
    }

    /// Texts by name.
    pub(super) fn named_templates(
        &mut self,
        entries: &[(Text, Text)],
        names: &Names,
    ) -> Vec<(String, Template)> {
        entries
            .iter()
            .filter_map(|(name, text)| {
                Some((name.value.clone(), self.template(Some(text), names)?))
            })
            .collect()
    }

    /// A template that is the same whatever the names mean.
    pub(super) fn literal(&self, text: &str, span: Span) -> Template {
        Template::parse(text, self.place(span)).expect("text without braces is a template")
    }

    /// A condition, its names checked.
    pub(super) fn condition(&mut self, text: Option<&Text>, names: &Names) -> Option<Condition> {
        let text = text?;
        let condition = Condition::parse(&text.value, self.place(text.span));
        let condition = self.parsed(condition)?;
        let wrong = names.check(&condition.paths(), |path| condition.place_of(path));
        self.diagnostics.extend(wrong);
        Some(condition)
    }

    /// A YAML value with a template for each scalar.
    pub(super) fn tree(&mut self, node: &Node, names: &Names) -> Tree {
        match &node.kind {
            NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(_) => {
                Tree::Scalar(node.to_value())
            }
            NodeKind::String(text) => {
                let text = Text::new(text.clone(), node.span);
                self.template(Some(&text), names)
                    .map_or(Tree::Scalar(Value::Null), Tree::Template)
            }
            NodeKind::List(items) => {
                Tree::List(items.iter().map(|item| self.tree(item, names)).collect())
            }
            NodeKind::Map(entries) => Tree::Map(
                entries
                    .iter()
                    .map(|(key, value)| (key.value.clone(), self.tree(value, names)))
                    .collect(),
            ),
        }
    }

    /// A text that is settled before the run: rendered with the inputs alone.
    pub(super) fn constant(&mut self, text: &Text) -> Option<String> {
        let inputs = self.declared_inputs();
        let names = match self.library.current() {
            Some(_) => Names::of_steps(inputs),
            None => Names::of_suite(inputs),
        }
        .only_inputs();
        let known = self.diagnostics.len();
        let template = self.template(Some(text), &names)?;
        for diagnostic in &mut self.diagnostics[known..] {
            let why = "this is settled before the run: it can use `inputs` alone";
            diagnostic.label.get_or_insert_with(|| why.into());
        }
        if let Some(name) = inputs_of(&template).find(|name| self.here.later.contains(name)) {
            let mut diagnostic = Diagnostic::new(
                format!("`inputs.{name}` is known in the run only"),
                self.place(text.span),
            )
            .label("this is settled before the run");
            if let Some(place) = &self.here.used_from {
                diagnostic = diagnostic.secondary(place.clone(), "is used from here");
            }
            self.diagnostics.push(diagnostic);
        }
        if self.diagnostics.len() > known || !self.is_settled(&template) {
            return None;
        }
        let rendered = template.render_text(&self.settled_scope());
        self.parsed(rendered)
    }

    /// The value of a tree that uses inputs alone, and those that are known.
    pub(super) fn settled(&mut self, tree: &Tree) -> Option<Value> {
        let is_settled = tree.templates().iter().all(|template| {
            template.names().iter().all(|name| name == "inputs") && self.is_settled(template)
        });
        if !is_settled {
            return None;
        }
        tree.render(&self.settled_scope()).ok()
    }

    fn settled_scope(&self) -> template::Scope {
        template::scope_value(&json!({ "inputs": self.here.inputs }))
    }

    /// An input without a value is reported where it is declared.
    fn is_settled(&self, template: &Template) -> bool {
        inputs_of(template).all(|name| self.here.inputs.contains_key(&name))
    }

    fn declared_inputs(&self) -> Vec<String> {
        self.library
            .current()
            .map_or(&self.spec.inputs, |document| &document.inputs)
            .iter()
            .map(|input| input.name.value.clone())
            .collect()
    }

    /// A duration: settled before the run, so it may use inputs and nothing else.
    pub(super) fn duration(&mut self, text: Option<&Text>) -> Option<Duration> {
        let text = text?;
        let value = self.constant(text)?;
        match crate::duration::parse(&value) {
            Ok(duration) => Some(duration),
            Err(error) => {
                self.push(text.span, error.message, Some(error.help));
                None
            }
        }
    }

    /// A duration that is more than nothing; `what` it is, for the message.
    pub(super) fn positive_duration(
        &mut self,
        text: Option<&Text>,
        what: &str,
    ) -> Option<Duration> {
        let duration = self.duration(text)?;
        if duration.is_zero() {
            let span = text.map(|text| text.span).unwrap_or_default();
            self.push(span, what.to_owned(), None);
            return None;
        }
        Some(duration)
    }

    /// A deadline.
    pub(super) fn timeout(&mut self, text: Option<&Text>) -> Option<Duration> {
        self.positive_duration(text, "a timeout of nothing is never met")
    }

    pub(super) fn parsed<T>(&mut self, result: Result<T, TemplateError>) -> Option<T> {
        result
            .map_err(|error| self.diagnostics.push(error.into()))
            .ok()
    }

    pub(super) fn place(&self, span: Span) -> Place {
        Place {
            file: Arc::clone(&self.here.file),
            span,
        }
    }

    pub(super) fn push(&mut self, span: Span, message: String, help: Option<String>) {
        let place = self.place(span);
        self.diagnostics
            .push(Diagnostic::new(message, place).maybe_help(help));
    }
}

/// The inputs that a template asks for by name.
fn inputs_of(template: &Template) -> impl Iterator<Item = String> {
    template.paths().into_iter().filter_map(|path| {
        let rest = path.strip_prefix("inputs.")?;
        rest.split('.').next().map(str::to_owned)
    })
}
