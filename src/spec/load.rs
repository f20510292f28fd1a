//! From the text of a file to its documents. `suite` reads what stands in a suite,
//! `case` the cases, `step` the steps.

use std::sync::{Arc, LazyLock};

use regex::Regex;

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
        #[cfg(test)]
        known: Vec::new(),
    };
    let documents = decoder.documents();
    (documents, decoder.diagnostics)
}

/// What each map in a file may hold, as far as the file has such a map.
#[cfg(test)]
pub(super) fn fields_known(file: &Arc<SourceFile>) -> Vec<(String, Vec<&'static str>)> {
    let mut decoder = Decoder {
        file,
        diagnostics: Vec::new(),
        known: Vec::new(),
    };
    decoder.documents();
    assert!(decoder.diagnostics.is_empty(), "{:?}", decoder.diagnostics);
    decoder.known
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
        Err(_) => OURS.is_match(&file.text),
    }
}

/// Our `apiVersion` in a text that is no YAML, in whatever form: with a key in quotes, in a map on
/// one line, in JSON, where `/` may be escaped. A comment is none.
static OURS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?m)(?:^|[{,?])\s*["']?apiVersion["']?\s*:\s*(?:[!&]\S+\s+)*["']?kubeproof\.dev\\?/"#,
    )
    .expect("a pattern that is written here")
});

/// The test runner whose files have this API group.
fn tool_of(group: &str) -> Option<&'static str> {
    match group {
        "chainsaw.kyverno.io" => Some("chainsaw"),
        "kuttl.dev" => Some("kuttl"),
        _ => None,
    }
}

/// The test runner that a file is for, where that is another one: `chainsaw`, `kuttl`.
pub fn other_tool(file: &SourceFile) -> Option<&'static str> {
    let documents = yaml::documents(file).ok()?;
    documents.iter().find_map(|document| {
        let document = document.to_value();
        let version = document["apiVersion"].as_str()?;
        tool_of(version.split('/').next()?)
    })
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
    fn documents(&mut self) -> Documents {
        let nodes = match yaml::documents(self.file) {
            Ok(nodes) => nodes,
            Err(error) => {
                let place = self.place(error.span);
                self.diagnostics
                    .push(Diagnostic::new(error.message, place).maybe_help(error.help));
                return Documents::default();
            }
        };
        if nodes.is_empty() {
            self.report_with_help(
                Span::default(),
                "the file holds no suite",
                format!("a suite begins with `apiVersion: {API_VERSION}` and `kind: Suite`"),
            );
        }
        let mut suites = Vec::new();
        let mut steps = Vec::new();
        for node in &nodes {
            match self.document(node) {
                Some(Document::Suite(suite)) => suites.push(*suite),
                Some(Document::Steps(document)) => steps.push(document),
                None => {}
            }
        }
        self.doubles(&steps);
        let steps = Arc::new(steps);
        for suite in &mut suites {
            suite.library = Arc::clone(&steps);
        }
        Documents { suites, steps }
    }

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

    /// What a document is; says what of it is not so. One of steps that says it is one is read all
    /// the same: what uses it is right.
    fn kind(
        &mut self,
        document: Span,
        version: Option<Field<'_>>,
        kind: Option<Field<'_>>,
    ) -> Option<Kind> {
        let is_steps = kind.is_some_and(
            |kind| matches!(&kind.node.kind, NodeKind::String(word) if word == "Steps"),
        );
        let what = if is_steps {
            "a document of steps"
        } else {
            "a suite"
        };
        let Some(version) = version else {
            let kind = if is_steps { "Steps" } else { "Suite" };
            self.report_with_help(
                document,
                format!("{what} needs `apiVersion`"),
                format!("{what} begins with `apiVersion: {API_VERSION}` and `kind: {kind}`"),
            );
            return is_steps.then_some(Kind::Steps);
        };
        let written = self.string(version)?;
        if written.value != API_VERSION {
            let group = written.value.split('/').next().unwrap_or_default();
            let is_near = API_VERSION.split('/').next() == Some(group)
                || nearest(&written.value, [API_VERSION]).is_some();
            let help = match tool_of(group) {
                _ if is_near => format!("this program reads `apiVersion: {API_VERSION}`"),
                Some(tool) => format!(
                    "this is a file of {tool}, another test runner: docs/language.md has a \
                     table of what its steps are here"
                ),
                None => "this looks like a manifest: a suite applies it by \
                         `- apply: {file: …}`"
                    .to_owned(),
            };
            self.report_with_help(
                written.span,
                format!("`{}` is not the apiVersion of {what}", written.value),
                help,
            );
            return (is_steps && is_near).then_some(Kind::Steps);
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
