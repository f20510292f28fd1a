//! From the text of a file to its documents. `suite` reads what stands in a suite,
//! `case` the cases, `step` the steps.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, nearest};
use crate::source::{SourceFile, Span};
use crate::spec::decode::{Decoder, Field};
use crate::spec::schema::{API_VERSION, Documents, NamespaceSpec, StepsSpec, SuiteSpec, Text};
use crate::yaml::{self, Node, NodeKind};

/// What a file holds, and everything that is wrong with its form. A document is
/// there even where parts of it could not be read, so that what can be read is
/// checked as well; it must not run then.
pub fn load(file: &Arc<SourceFile>) -> (Documents, Vec<Diagnostic>) {
    let mut decoder = Decoder {
        file,
        diagnostics: Vec::new(),
    };
    let nodes = match yaml::documents(file) {
        Ok(nodes) => nodes,
        Err(error) => {
            let place = decoder.place(error.span);
            decoder
                .diagnostics
                .push(Diagnostic::new(error.message, place).maybe_help(error.help));
            return (Documents::default(), decoder.diagnostics);
        }
    };
    if nodes.is_empty() {
        decoder.report_with_help(
            Span::default(),
            "the file holds no suite",
            format!("a suite begins with `apiVersion: {API_VERSION}` and `kind: Suite`"),
        );
    }
    let mut suites = Vec::new();
    let mut steps = Vec::new();
    for node in &nodes {
        match decoder.document(node) {
            Some(Document::Suite(suite)) => suites.push(*suite),
            Some(Document::Steps(document)) => steps.push(document),
            None => {}
        }
    }
    decoder.doubles(&steps);
    let steps = Arc::new(steps);
    for suite in &mut suites {
        suite.library = Arc::clone(&steps);
    }
    (Documents { suites, steps }, decoder.diagnostics)
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
            // steps are for suites to include
            document["kind"] == "Suite" || is_ours && document["kind"] != "Steps"
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

/// What a document says that it is.
#[derive(Clone, Copy)]
enum Kind {
    Suite,
    Steps,
}

/// A document as it was read.
enum Document {
    Suite(Box<SuiteSpec>),
    Steps(StepsSpec),
}

impl Decoder<'_> {
    fn document(&mut self, node: &Node) -> Option<Document> {
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
        let kind = self.kind(first, version, kind)?;
        // for anchors: whatever it holds
        fields.optional("definitions");
        let metadata = fields.required(self, "metadata");
        let spec = fields.required(self, "spec");
        fields.finish(self);
        Some(match kind {
            Kind::Suite => Document::Suite(Box::new(self.suite_document(first, metadata, spec))),
            Kind::Steps => Document::Steps(self.steps_document(first, metadata, spec)),
        })
    }

    fn suite_document(
        &mut self,
        span: Span,
        metadata: Option<Field<'_>>,
        spec: Option<Field<'_>>,
    ) -> SuiteSpec {
        let mut suite = SuiteSpec {
            file: Arc::clone(self.file),
            span,
            name: None,
            labels: Vec::new(),
            library: Arc::default(),
            include: Vec::new(),
            title: None,
            description: None,
            inputs: Vec::new(),
            requires: Vec::new(),
            timeout: None,
            timeouts: Vec::new(),
            concurrency: None,
            severity: None,
            clusters: Vec::new(),
            cluster: None,
            namespace: NamespaceSpec::Own {
                per_case: false,
                labels: Vec::new(),
                annotations: Vec::new(),
            },
            permissions: Vec::new(),
            setup: Vec::new(),
            cases: Vec::new(),
            on_failure: Vec::new(),
            diagnose: Vec::new(),
            teardown: Vec::new(),
        };
        if let Some(metadata) = metadata {
            (suite.name, suite.labels) = self.metadata(metadata);
        }
        if let Some(spec) = spec {
            self.suite(spec, &mut suite);
        }
        suite
    }

    fn steps_document(
        &mut self,
        span: Span,
        metadata: Option<Field<'_>>,
        spec: Option<Field<'_>>,
    ) -> StepsSpec {
        let mut document = StepsSpec {
            file: Arc::clone(self.file),
            span,
            name: None,
            inputs: Vec::new(),
            steps: Vec::new(),
            outputs: Vec::new(),
        };
        if let Some(metadata) = metadata {
            (document.name, _) = self.metadata(metadata);
        }
        let Some(mut fields) = spec.and_then(|spec| self.fields(spec, "`spec`")) else {
            return document;
        };
        if let Some(inputs) = fields.optional("inputs") {
            document.inputs = self.inputs(inputs);
        }
        if let Some(steps) = fields.required(self, "steps") {
            document.steps = self.steps(steps);
            if matches!(&steps.node.kind, NodeKind::List(items) if items.is_empty()) {
                self.report(steps.key, "steps without a step do nothing");
            }
        }
        document.outputs = self.named_nodes(&mut fields, "outputs");
        fields.finish(self);
        document
    }

    /// `use` could not tell two documents of one name apart.
    fn doubles(&mut self, documents: &[StepsSpec]) {
        for (index, document) in documents.iter().enumerate() {
            let Some(name) = &document.name else { continue };
            let first = documents[..index]
                .iter()
                .filter_map(|first| first.name.as_ref())
                .find(|first| first.value == name.value);
            if let Some(first) = first {
                let diagnostic = Diagnostic::new(
                    format!("two documents of steps are called `{}`", name.value),
                    self.place(name.span),
                )
                .secondary(self.place(first.span), "this is the first");
                self.diagnostics.push(diagnostic);
            }
        }
    }

    /// What a document of this version is; says why where it is none.
    fn kind(
        &mut self,
        document: Span,
        version: Option<Field<'_>>,
        kind: Option<Field<'_>>,
    ) -> Option<Kind> {
        let Some(version) = version else {
            self.report_with_help(
                document,
                "a suite needs `apiVersion`",
                format!("a suite begins with `apiVersion: {API_VERSION}` and `kind: Suite`"),
            );
            return None;
        };
        let written = self.string(version)?;
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
            return None;
        }
        let Some(kind) = kind else {
            self.report_with_help(document, "a suite needs `kind`", "write `kind: Suite`");
            return None;
        };
        self.choice(kind, &[("Suite", Kind::Suite), ("Steps", Kind::Steps)])
    }

    fn metadata(&mut self, field: Field<'_>) -> (Option<Text>, Vec<(Text, Text)>) {
        let Some(mut fields) = self.fields(field, "`metadata`") else {
            return (None, Vec::new());
        };
        let name = self.required_text(&mut fields, "name");
        let labels = fields
            .optional("labels")
            .map(|labels| self.strings(labels))
            .unwrap_or_default();
        fields.finish(self);
        (name, labels)
    }
}
