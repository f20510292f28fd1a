//! From a spec to a plan: templates and conditions parsed, their names checked,
//! inputs and files resolved.
//!
//! Goes on after a mistake. `step` and `manifest` do their parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::diagnostic::{self, Diagnostic};
use crate::plan::files::Origin;
use crate::plan::input::{self, InputSources};
use crate::plan::model::{Axis, AxisSource, Case, Namespace, Requirement, Suite, Unmet};
use crate::plan::names::{Members, Names, RESERVED, is_identifier};
use crate::source::{Place, Span};
use crate::spec::schema::{
    AxisSourceSpec, AxisSpec, CaseSpec, NamespaceSpec, RequirementSpec, SuiteSpec, Text,
};
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
    let mut lowering = Lowering {
        spec,
        origin,
        inputs: values,
        names: Names::of_suite(
            spec.inputs
                .iter()
                .map(|input| input.name.value.clone())
                .collect(),
        ),
        diagnostics,
    };
    let suite = lowering.suite(id);
    let mut diagnostics = lowering.diagnostics;
    if diagnostics.is_empty() {
        return Ok(suite);
    }
    diagnostic::sort(&mut diagnostics);
    Err(diagnostics)
}

/// A suite on its way, and what is wrong with it so far.
pub(super) struct Lowering<'a> {
    spec: &'a SuiteSpec,
    pub(super) origin: &'a Origin,
    inputs: IndexMap<String, Value>,
    names: Names,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Lowering<'_> {
    fn suite(&mut self, id: &str) -> Suite {
        let spec = self.spec;
        let name = spec.name.as_ref().map(|name| name.value.clone());
        self.check_suite_name();
        self.check_input_names();
        let title = spec.title.as_ref().and_then(|title| self.constant(title));
        let names = self.names.clone();
        let cases = spec
            .cases
            .iter()
            .filter_map(|case| self.case(case))
            .collect();
        self.check_case_names();
        Suite {
            id: id.to_owned(),
            title: title.or_else(|| name.clone()).unwrap_or_default(),
            name: name.unwrap_or_default(),
            description: spec
                .description
                .as_ref()
                .map(|description| description.value.clone())
                .unwrap_or_default(),
            labels: owned(&spec.labels),
            file: Arc::clone(&spec.file),
            requires: spec
                .requires
                .iter()
                .filter_map(|requirement| self.requirement(requirement, &names))
                .collect(),
            timeout: self.timeout(spec.timeout.as_ref()),
            concurrency: spec.concurrency,
            namespace: self.namespace(),
            setup: self.steps(&spec.setup, &names),
            cases,
            teardown: self.steps(&spec.teardown, &names),
            inputs: std::mem::take(&mut self.inputs),
        }
    }

    fn check_suite_name(&mut self) {
        let Some(name) = &self.spec.name else {
            return;
        };
        if let Some(problem) = label_problem(&name.value) {
            self.push(
                name.span,
                format!("`{}` is not the name of a suite: {problem}", name.value),
                Some("it becomes part of names in the cluster; `title` is for people".to_owned()),
            );
        }
    }

    fn check_input_names(&mut self) {
        let mut variables: BTreeMap<String, Span> = BTreeMap::new();
        for spec in &self.spec.inputs {
            let name = &spec.name.value;
            let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !starts_well || !name.chars().all(is_plain) {
                self.push(
                    spec.name.span,
                    format!("`{name}` is not the name of an input"),
                    Some("it begins with a letter and has letters, digits, `_` and `-`".into()),
                );
                continue;
            }
            let variable = input::variable(name);
            if let Some(first) = variables.get(&variable) {
                let diagnostic = Diagnostic::new(
                    format!("{variable} would set two inputs"),
                    self.place(spec.name.span),
                )
                .secondary(self.place(*first), "this one too");
                self.diagnostics.push(diagnostic);
            }
            variables.entry(variable).or_insert(spec.name.span);
        }
    }

    /// Reports would show two cases of one name as one.
    fn check_case_names(&mut self) {
        let mut first_of: BTreeMap<&str, Span> = BTreeMap::new();
        let spec = self.spec;
        for case in &spec.cases {
            let Some(name) = &case.name else { continue };
            if let Some(first) = first_of.get(name.value.as_str()) {
                let diagnostic = Diagnostic::new(
                    format!("two cases are called `{}`", name.value),
                    self.place(name.span),
                )
                .secondary(self.place(*first), "this is the first");
                self.diagnostics.push(diagnostic);
            }
            first_of.entry(&name.value).or_insert(name.span);
        }
    }

    fn requirement(&mut self, spec: &RequirementSpec, names: &Names) -> Option<Requirement> {
        let reason = self.template(spec.reason.as_ref(), names);
        let that = spec.that.as_ref()?;
        let condition = Condition::parse(&that.value, self.place(that.span));
        let condition = self.parsed(condition)?;
        self.check_names(names, &condition.paths(), that.span);
        Some(Requirement {
            condition,
            reason,
            unmet: if spec.fails { Unmet::Fail } else { Unmet::Skip },
        })
    }

    fn namespace(&mut self) -> Namespace {
        match &self.spec.namespace {
            NamespaceSpec::PerSuite {
                labels,
                annotations,
            } => Namespace::PerSuite {
                labels: owned(labels),
                annotations: owned(annotations),
            },
            NamespaceSpec::None => Namespace::None,
            NamespaceSpec::Existing(name) => {
                let value = self.constant(name).unwrap_or_default();
                if let Some(problem) = label_problem(&value)
                    && !value.is_empty()
                {
                    self.push(
                        name.span,
                        format!("`{value}` is not the name of a namespace: {problem}"),
                        None,
                    );
                }
                Namespace::Existing(value)
            }
        }
    }

    fn case(&mut self, spec: &CaseSpec) -> Option<Case> {
        let mut names = self.names.clone();
        let mut matrix = Vec::new();
        for axis in &spec.matrix {
            self.check_axis_name(&axis.name);
            let (lowered, members) = self.axis(axis);
            names = names.with(&axis.name.value, members);
            matrix.extend(lowered);
        }
        let name = self.template(spec.name.as_ref(), &names);
        // a case's own name is made before it is known
        let inner = names.with("case", Members::Any);
        let steps = self.steps(&spec.steps, &inner);
        let finally = self.steps(&spec.finally, &inner);
        let timeout = self.timeout(spec.timeout.as_ref());
        Some(Case {
            name: name?,
            matrix,
            steps,
            finally,
            timeout,
            place: self.place(spec.span),
        })
    }

    fn check_axis_name(&mut self, name: &Text) {
        let text = &name.value;
        if RESERVED.contains(&text.as_str()) || template::is_builtin(text) {
            self.push(
                name.span,
                format!("the axis `{text}` hides a name of the program"),
                Some(format!("it keeps {} for itself", RESERVED.join(", "))),
            );
        } else if !is_identifier(text) {
            self.push(
                name.span,
                format!("`{text}` is not the name of an axis"),
                Some("templates use it: letters, digits and `_`".to_owned()),
            );
        }
    }

    /// The axis, and what a cell may ask of its values.
    fn axis(&mut self, spec: &AxisSpec) -> (Option<Axis>, Members) {
        // no axis sees another: cells are all of their combinations
        let names = self.names.clone();
        let (source, members) = match &spec.source {
            None => (None, Members::Any),
            Some(AxisSourceSpec::Pods {
                selector,
                namespace,
                per_node,
            }) => {
                let namespace = self.template(namespace.as_ref(), &names);
                let selector = self.selector(selector.as_ref(), &names);
                let source = selector.map(|selector| AxisSource::Pods {
                    selector,
                    namespace,
                    per_node: *per_node,
                });
                let mut members = vec!["name", "namespace", "node", "ip", "labels"];
                if *per_node {
                    members.push("error");
                }
                (source, Members::known(&members))
            }
            Some(AxisSourceSpec::Nodes { selector }) => {
                let lowered = self.selector(selector.as_ref(), &names);
                (
                    Some(AxisSource::Nodes { selector: lowered }),
                    Members::known(&["name", "ip", "labels"]),
                )
            }
            Some(AxisSourceSpec::Values(values)) => (
                Some(AxisSource::Values(self.tree(values, &names))),
                Members::Any,
            ),
        };
        let axis = source.map(|source| Axis {
            name: spec.name.value.clone(),
            source,
            skip_if_empty: spec.skip_if_empty,
            place: self.place(spec.name.span),
        });
        (axis, members)
    }

    fn selector(&mut self, text: Option<&Text>, names: &Names) -> Option<Template> {
        let text = text?;
        if text.value.trim().is_empty() {
            self.push(
                text.span,
                "an empty selector would choose everything".to_owned(),
                Some("a selector is written like app=web,tier!=cache".to_owned()),
            );
        }
        self.template(Some(text), names)
    }

    /// A template of a scalar, its names checked.
    pub(super) fn template(&mut self, text: Option<&Text>, names: &Names) -> Option<Template> {
        let text = text?;
        let template = Template::parse(&text.value, self.place(text.span));
        let template = self.parsed(template)?;
        self.check_names(names, &template.paths(), text.span);
        Some(template)
    }

    /// As many of the texts as are templates.
    pub(super) fn templates(&mut self, texts: &[Text], names: &Names) -> Vec<Template> {
        texts
            .iter()
            .filter_map(|text| self.template(Some(text), names))
            .collect()
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
        let names = self.names.only_inputs();
        let known = self.diagnostics.len();
        let template = self.template(Some(text), &names)?;
        for diagnostic in &mut self.diagnostics[known..] {
            let why = "this is settled before the run: it can use `inputs` alone";
            diagnostic.label.get_or_insert_with(|| why.to_owned());
        }
        // an input without a value is reported where it is declared
        let has_values = template
            .paths()
            .iter()
            .filter_map(|path| path.strip_prefix("inputs."))
            .filter_map(|path| path.split('.').next())
            .all(|name| self.inputs.contains_key(name));
        if self.diagnostics.len() > known || !has_values {
            return None;
        }
        let scope = template::scope_value(&json!({ "inputs": self.inputs }));
        let rendered = template.render_text(&scope);
        self.parsed(rendered)
    }

    fn check_names(
        &mut self,
        names: &Names,
        paths: &std::collections::BTreeSet<String>,
        span: Span,
    ) {
        let place = self.place(span);
        self.diagnostics.extend(names.check(paths, &place));
    }

    fn parsed<T>(&mut self, result: Result<T, TemplateError>) -> Option<T> {
        result
            .map_err(|error| self.diagnostics.push(error.into()))
            .ok()
    }

    pub(super) fn place(&self, span: Span) -> Place {
        Place {
            file: Arc::clone(&self.spec.file),
            span,
        }
    }

    pub(super) fn push(&mut self, span: Span, message: String, help: Option<String>) {
        let place = self.place(span);
        self.diagnostics
            .push(Diagnostic::new(message, place).maybe_help(help));
    }
}

fn owned(entries: &[(Text, Text)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(key, value)| (key.value.clone(), value.value.clone()))
        .collect()
}

/// Why a name is no RFC 1123 label.
fn label_problem(name: &str) -> Option<&'static str> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > 63 {
        Some("it is longer than 63 characters")
    } else if !name.chars().all(is_allowed) {
        Some("lowercase letters, digits and `-` are allowed")
    } else if name.starts_with('-') || name.ends_with('-') {
        Some("it begins and ends with a letter or a digit")
    } else {
        None
    }
}
