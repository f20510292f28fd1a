//! What an `apply` or a `create` makes: files found and read, templates parsed, and what can
//! be known of an object before a run.

use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::Diagnostic;
use crate::plan::lower::lowering::Lowering;
use crate::plan::lower::names::Names;
use crate::plan::model::Manifests;
use crate::source::{Place, SourceFile, Span};
use crate::spec::schema::{ManifestsSpec, Text};
use crate::template::{TextTemplate, Tree};
use crate::yaml::{self, Node, NodeKind};

/// What becomes of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Making {
    /// `apply`: what the object is called must be known.
    Applied,
    /// `create`: the server may name it.
    Created,
}

impl Making {
    /// The fields of `metadata` of which one must be there.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Applied => &["name"],
            Self::Created => &["name", "generateName"],
        }
    }

    fn nameless(self) -> &'static str {
        match self {
            Self::Applied => "an object to apply needs `metadata.name`",
            Self::Created => "an object to create needs `metadata.name` or `metadata.generateName`",
        }
    }
}

impl Lowering<'_> {
    pub(super) fn manifests(
        &mut self,
        spec: &ManifestsSpec,
        making: Making,
        names: &Names,
    ) -> Option<Manifests> {
        match spec {
            ManifestsSpec::Template(path) => self.template_file(path, names),
            ManifestsSpec::Files(paths) => {
                let mut files = Vec::new();
                for path in paths {
                    files.extend(self.manifest_files(path, making));
                }
                Some(Manifests::Files(files))
            }
            ManifestsSpec::Manifest { object, raw } => {
                self.check_inline(object, making);
                let tree = if *raw {
                    Tree::Scalar(object.to_value())
                } else {
                    self.tree(object, names)
                };
                Some(Manifests::Inline(tree))
            }
        }
    }

    fn template_file(&mut self, path: &Text, names: &Names) -> Option<Manifests> {
        let name = self.constant(path)?;
        let file = match self.here.origin.file(&name) {
            Ok(file) => file,
            Err(error) => {
                self.push(path.span, error.to_string(), error.help());
                return None;
            }
        };
        let from_here = |diagnostic: Diagnostic, place: Place| {
            diagnostic.secondary(place, "is rendered from here")
        };
        match TextTemplate::parse(Arc::clone(&file)) {
            Ok(template) => {
                for diagnostic in names.check(&template.paths(), |path| template.place_of(path)) {
                    let diagnostic = from_here(diagnostic, self.place(path.span));
                    self.diagnostics.push(diagnostic);
                }
                Some(Manifests::Template(template))
            }
            Err(error) => {
                let diagnostic = from_here(error.into(), self.place(path.span));
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    fn manifest_files(
        &mut self,
        path: &Text,
        making: Making,
    ) -> Vec<(Arc<SourceFile>, Vec<Value>)> {
        let Some(name) = self.constant(path) else {
            return Vec::new();
        };
        let files = match self.here.origin.files(&name) {
            Ok(files) => files,
            Err(error) => {
                self.push(path.span, error.to_string(), error.help());
                return Vec::new();
            }
        };
        files
            .into_iter()
            .map(|file| {
                let objects = self.objects(&file, path, making);
                (file, objects)
            })
            .collect()
    }

    fn objects(&mut self, file: &Arc<SourceFile>, path: &Text, making: Making) -> Vec<Value> {
        let place = |span| Place {
            file: Arc::clone(file),
            span,
        };
        let objects = match yaml::manifests(&file.text) {
            Ok(objects) => objects,
            Err(error) => {
                let diagnostic = Diagnostic::new(error.message, place(error.span))
                    .secondary(self.place(path.span), "is applied from here")
                    .maybe_help(error.help);
                self.diagnostics.push(diagnostic);
                return Vec::new();
            }
        };
        if objects.is_empty() {
            self.push(path.span, format!("`{}` holds no object", file.name), None);
        }
        let spans = yaml::manifest_spans(&file.text);
        for (index, object) in objects.iter().enumerate() {
            let Some(problem) = problem_of(object, making) else {
                continue;
            };
            // the items of a list have no place of their own here
            let span = if spans.len() == objects.len() {
                spans[index]
            } else {
                Span::default()
            };
            let diagnostic = Diagnostic::new(problem, place(span))
                .secondary(self.place(path.span), "is applied from here");
            self.diagnostics.push(diagnostic);
        }
        objects
    }

    /// What is there may be rendered and is not known yet; what is not there is
    /// known to be missing.
    fn check_inline(&mut self, object: &Node, making: Making) {
        let NodeKind::Map(fields) = &object.kind else {
            return;
        };
        let field = |fields: &[(Text, Node)], name: &str| {
            fields
                .iter()
                .find(|(key, _)| key.value == name)
                .map(|(_, node)| node.clone())
        };
        for name in ["apiVersion", "kind"] {
            match field(fields, name).map(|node| node.kind) {
                Some(NodeKind::String(_)) => {}
                Some(other) => self.push(
                    object.span,
                    format!(
                        "`{name}` of a manifest is a string, not {}",
                        other.describe()
                    ),
                    None,
                ),
                None => self.push(object.span, format!("a manifest needs `{name}`"), None),
            }
        }
        let is_list = field(fields, "kind").is_some_and(|kind| kind.to_value() == "List");
        if is_list {
            return;
        }
        let metadata = field(fields, "metadata").map(|node| node.kind);
        let has_name = match metadata {
            Some(NodeKind::Map(metadata)) => making
                .names()
                .iter()
                .any(|name| field(&metadata, name).is_some()),
            // one expression that becomes a map
            Some(NodeKind::String(_)) => true,
            _ => false,
        };
        if !has_name {
            self.push(object.span, making.nameless().to_owned(), None);
        }
    }
}

/// What an object of a file lacks.
fn problem_of(object: &Value, making: Making) -> Option<String> {
    let Value::Object(_) = object else {
        return Some("a manifest is a map".to_owned());
    };
    let missing = ["apiVersion", "kind"]
        .into_iter()
        .find(|name| !object[*name].is_string());
    match missing {
        Some(name) => Some(format!("a manifest needs `{name}`, a string")),
        None => {
            let is_named = |name: &str| object["metadata"][name].is_string();
            (!making.names().iter().any(|name| is_named(name)))
                .then(|| making.nameless().to_owned())
        }
    }
}
