//! From the text of a file to its suites: documents, metadata, inputs.
//! `case` reads the cases and their matrices, `step` the steps.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, nearest};
use crate::source::{SourceFile, Span};
use crate::spec::decode::{Decoder, Field};
use crate::spec::schema::{
    API_VERSION, InputKind, InputSpec, NamespaceSpec, RequirementSpec, SuiteSpec, Text,
};
use crate::yaml::{self, Node, NodeKind};

/// The suites of a file, and everything that is wrong with its form. A suite is
/// there even where parts of it could not be read, so that what can be read is
/// checked as well; it must not run then.
pub fn load(file: &Arc<SourceFile>) -> (Vec<SuiteSpec>, Vec<Diagnostic>) {
    let mut decoder = Decoder {
        file,
        diagnostics: Vec::new(),
    };
    let documents = match yaml::documents(file) {
        Ok(documents) => documents,
        Err(error) => {
            let place = decoder.place(error.span);
            decoder
                .diagnostics
                .push(Diagnostic::new(error.message, place).maybe_help(error.help));
            return (Vec::new(), decoder.diagnostics);
        }
    };
    if documents.is_empty() {
        decoder.report_with_help(
            Span::default(),
            "the file holds no suite",
            format!("a suite begins with `apiVersion: {API_VERSION}` and `kind: Suite`"),
        );
    }
    let suites = documents
        .iter()
        .filter_map(|document| decoder.document(document))
        .collect();
    (suites, decoder.diagnostics)
}

/// Whether a file found in a folder is meant to be a suite, and not a manifest
/// that lies beside one. A text that is no YAML is one where it says so.
pub fn is_suite(file: &SourceFile) -> bool {
    let group = API_VERSION.split('/').next().unwrap_or(API_VERSION);
    match yaml::documents(file) {
        Ok(documents) => documents.iter().any(|document| {
            let document = document.to_value();
            let is_ours = document["apiVersion"]
                .as_str()
                .is_some_and(|version| version.split('/').next() == Some(group));
            is_ours || document["kind"] == "Suite"
        }),
        Err(_) => file.text.lines().any(|line| {
            line.trim_start()
                .strip_prefix("apiVersion:")
                .is_some_and(|value| {
                    value
                        .trim_start_matches([' ', '"', '\''])
                        .starts_with(group)
                })
        }),
    }
}

impl Decoder<'_> {
    fn document(&mut self, node: &Node) -> Option<SuiteSpec> {
        let first = match &node.kind {
            NodeKind::Map(entries) => entries.first().map_or(node.span, |(key, _)| key.span),
            _ => node.span,
        };
        let document = Field {
            name: "a document",
            key: first,
            node,
        };
        let NodeKind::Map(_) = node.kind else {
            self.report_with_help(
                node.span,
                format!("a suite is a map, not {}", node.kind.describe()),
                format!("it begins with `apiVersion: {API_VERSION}` and `kind: Suite`"),
            );
            return None;
        };
        let mut fields = self.fields(document, "a suite")?;
        let version = fields.optional("apiVersion");
        let kind = fields.optional("kind");
        if !self.is_ours(first, version, kind) {
            return None;
        }
        // for anchors: whatever it holds
        fields.optional("definitions");
        let mut suite = SuiteSpec {
            file: Arc::clone(self.file),
            span: first,
            name: None,
            labels: Vec::new(),
            title: None,
            description: None,
            inputs: Vec::new(),
            requires: Vec::new(),
            timeout: None,
            concurrency: None,
            namespace: NamespaceSpec::PerSuite {
                labels: Vec::new(),
                annotations: Vec::new(),
            },
            setup: Vec::new(),
            cases: Vec::new(),
            teardown: Vec::new(),
        };
        if let Some(metadata) = fields.required(self, "metadata") {
            self.metadata(metadata, &mut suite);
        }
        if let Some(spec) = fields.required(self, "spec") {
            self.spec(spec, &mut suite);
        }
        fields.finish(self);
        Some(suite)
    }

    /// Whether a document is a suite of this version; says why where it is not.
    fn is_ours(
        &mut self,
        document: Span,
        version: Option<Field<'_>>,
        kind: Option<Field<'_>>,
    ) -> bool {
        let Some(version) = version else {
            self.report_with_help(
                document,
                "a suite needs `apiVersion`",
                format!("a suite begins with `apiVersion: {API_VERSION}` and `kind: Suite`"),
            );
            return false;
        };
        let Some(written) = self.string(version) else {
            return false;
        };
        if written.value != API_VERSION {
            let group = API_VERSION.split('/').next();
            let is_near = written.value.split('/').next() == group
                || nearest(&written.value, [API_VERSION]).is_some();
            let help = if is_near {
                format!("this program reads `apiVersion: {API_VERSION}`")
            } else {
                "this looks like a manifest: a suite applies it by \
                 `- apply: {file: …}`"
                    .to_owned()
            };
            self.report_with_help(
                written.span,
                format!("`{}` is not the apiVersion of a suite", written.value),
                help,
            );
            return false;
        }
        let Some(kind) = kind else {
            self.report_with_help(document, "a suite needs `kind`", "write `kind: Suite`");
            return false;
        };
        self.choice(kind, &[("Suite", ())]).is_some()
    }

    fn metadata(&mut self, field: Field<'_>, suite: &mut SuiteSpec) {
        let Some(mut fields) = self.fields(field, "metadata") else {
            return;
        };
        suite.name = fields
            .required(self, "name")
            .and_then(|name| self.text(name));
        suite.labels = fields
            .optional("labels")
            .map(|labels| self.strings(labels))
            .unwrap_or_default();
        fields.finish(self);
    }

    fn spec(&mut self, field: Field<'_>, suite: &mut SuiteSpec) {
        let Some(mut fields) = self.fields(field, "the spec of a suite") else {
            return;
        };
        suite.title = fields.optional("title").and_then(|title| self.text(title));
        suite.description = fields
            .optional("description")
            .and_then(|description| self.text(description));
        if let Some(inputs) = fields.optional("inputs") {
            suite.inputs = self.inputs(inputs);
        }
        if let Some(requires) = fields.optional("requires") {
            suite.requires = self.requirements(requires);
        }
        suite.timeout = fields
            .optional("timeout")
            .and_then(|timeout| self.text(timeout));
        suite.concurrency = fields
            .optional("concurrency")
            .and_then(|concurrency| self.count(concurrency, 1));
        if let Some(namespace) = fields.optional("namespace")
            && let Some(namespace) = self.namespace(namespace)
        {
            suite.namespace = namespace;
        }
        if let Some(setup) = fields.optional("setup") {
            suite.setup = self.steps(setup);
        }
        if let Some(cases) = fields.required(self, "cases") {
            suite.cases = self.cases(cases);
        }
        if let Some(teardown) = fields.optional("teardown") {
            suite.teardown = self.steps(teardown);
        }
        fields.finish(self);
    }

    fn inputs(&mut self, field: Field<'_>) -> Vec<InputSpec> {
        let entries = self.entries(field).unwrap_or_default();
        entries
            .iter()
            .map(|(name, node)| self.input(name, node))
            .collect()
    }

    /// An input is there even where its declaration is wrong: its uses are right.
    fn input(&mut self, name: &Text, node: &Node) -> InputSpec {
        let mut input = InputSpec {
            name: name.clone(),
            kind: None,
            default: None,
            description: None,
        };
        let field = Field {
            name: &name.value,
            key: name.span,
            node,
        };
        if !matches!(node.kind, NodeKind::Map(_)) {
            self.expected(
                field,
                "a map",
                Some("an input is declared like `{type: string, default: x}`"),
            );
            return input;
        }
        let Some(mut fields) = self.fields(field, "an input") else {
            return input;
        };
        input.kind = fields.required(self, "type").and_then(|kind| {
            let kinds = InputKind::ALL.map(|kind| (kind.name(), kind));
            self.choice(kind, &kinds)
        });
        input.default = fields.optional("default").map(|default| Node {
            // a map has no extent: point at its key
            span: default.span(),
            kind: default.node.kind.clone(),
        });
        input.description = fields
            .optional("description")
            .and_then(|description| self.text(description));
        fields.finish(self);
        input
    }

    fn requirements(&mut self, field: Field<'_>) -> Vec<RequirementSpec> {
        let items = self
            .items(field, Some("write `- that: …` and `  reason: …` below it"))
            .unwrap_or_default();
        items
            .into_iter()
            .filter_map(|item| {
                let mut fields = self.fields(item, "a requirement")?;
                let requirement = RequirementSpec {
                    that: fields
                        .required(self, "that")
                        .and_then(|that| self.text(that)),
                    reason: fields
                        .optional("reason")
                        .and_then(|reason| self.text(reason)),
                    fails: fields
                        .optional("unmet")
                        .and_then(|unmet| self.choice(unmet, &[("skip", false), ("fail", true)]))
                        .unwrap_or(false),
                };
                fields.finish(self);
                Some(requirement)
            })
            .collect()
    }

    fn namespace(&mut self, field: Field<'_>) -> Option<NamespaceSpec> {
        match &field.node.kind {
            NodeKind::String(text) if text == "none" => return Some(NamespaceSpec::None),
            NodeKind::String(text) => {
                let help = format!("for a namespace that is there, write {{existing: {text}}}");
                self.expected(field, "a map or `none`", Some(&help));
                return None;
            }
            NodeKind::Null => {
                self.expected(
                    field,
                    "a map or `none`",
                    Some("for no namespace, write none"),
                );
                return None;
            }
            _ => {}
        }
        let mut fields = self.fields(field, "a namespace")?;
        let per = fields.optional("per");
        let existing = fields.optional("existing");
        let labels = fields.optional("labels");
        let annotations = fields.optional("annotations");
        fields.finish(self);
        if let Some(per) = per {
            self.choice(per, &[("suite", ())])?;
        }
        let Some(existing) = existing else {
            return Some(NamespaceSpec::PerSuite {
                labels: labels
                    .map(|labels| self.strings(labels))
                    .unwrap_or_default(),
                annotations: annotations
                    .map(|annotations| self.strings(annotations))
                    .unwrap_or_default(),
            });
        };
        for other in [per, labels, annotations].into_iter().flatten() {
            let diagnostic = Diagnostic::new(
                format!("`{}` and `existing` exclude each other", other.name),
                self.place(other.key),
            )
            .secondary(
                self.place(existing.key),
                "a namespace that is there is not changed",
            );
            self.diagnostics.push(diagnostic);
        }
        self.text(existing).map(NamespaceSpec::Existing)
    }
}
