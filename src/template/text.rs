//! Files that are rendered as text before they are read as YAML.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::ErrorKind;

use super::check::first_problem;
use super::environment::{FILES, is_builtin};
use super::rewrite::{Operators, Rewritten};
use super::scalar::{is_unset, may_be_unset};
use super::syntax::Syntax;
use super::{Scope, TemplateError, lexer};
use crate::source::{Place, SourceFile, Span};

/// A file that is rendered as text before it is read as YAML: `x.yaml.j2`.
#[derive(Clone, Debug)]
pub struct TextTemplate {
    /// The file.
    pub file: Arc<SourceFile>,
    code: Arc<Rewritten>,
}

impl TextTemplate {
    /// Parses a template file.
    ///
    /// # Errors
    /// As [`Template::parse`](super::Template::parse), at its place in the file.
    pub fn parse(file: Arc<SourceFile>) -> Result<Self, TemplateError> {
        FILES
            .template_from_str(&file.text)
            .map_err(|error| TemplateError::in_file(&error, &file, |offset| offset))?;
        let syntax = Syntax::of(&lexer::regions(&file.text));
        if let Some(problem) = first_problem(&file.text, &syntax) {
            return Err(TemplateError {
                message: problem.message,
                place: Place {
                    file,
                    span: problem.span,
                },
                help: problem.help,
            });
        }
        let code = Arc::new(Rewritten::new(&file.text, &syntax, Operators::OfTemplates));
        FILES
            .template_from_str(&code.text)
            .map_err(|error| TemplateError::in_file(&error, &file, |at| code.original(at)))?;
        Ok(Self { file, code })
    }

    /// Where a path such as `pod.name` is asked for; the start of the file where it is not
    /// written as one.
    pub fn place_of(&self, path: &str) -> Place {
        let text = &self.file.text;
        let syntax = Syntax::of(&lexer::regions(text));
        let root = path.split(['.', '[']).next().unwrap_or_default();
        let find = |wanted: &str| {
            let mut paths = syntax.paths.iter();
            paths.find(|span| !wanted.is_empty() && &text[span.range()] == wanted)
        };
        let asks_root = |span: &&Span| {
            let first = text[span.range()].split(['.', '[']).next();
            first.is_some_and(|first| first.trim() == root)
        };
        let span = find(path).or_else(|| syntax.paths.iter().find(asks_root));
        Place {
            file: Arc::clone(&self.file),
            span: span.copied().unwrap_or_default(),
        }
    }

    /// The root names that it asks for.
    pub fn names(&self) -> BTreeSet<String> {
        self.undeclared(false)
    }

    /// The same with the fields asked of them, as [`Template::paths`](super::Template::paths).
    pub fn paths(&self) -> BTreeSet<String> {
        self.undeclared(true)
    }

    fn undeclared(&self, nested: bool) -> BTreeSet<String> {
        FILES
            .template_from_str(&self.file.text)
            .map(|template| template.undeclared_variables(nested))
            .unwrap_or_default()
            .into_iter()
            .filter(|name| !is_builtin(name))
            .collect()
    }

    /// The text, to be read as YAML.
    ///
    /// # Errors
    /// As [`Template::render`](super::Template::render), and a value that is no
    /// plain YAML scalar and did not go through `|tojson`.
    pub fn render(&self, scope: &Scope) -> Result<String, TemplateError> {
        FILES
            .render_str(&self.code.text, scope.clone())
            .map_err(|error| {
                let explained =
                    TemplateError::in_file(&error, &self.file, |at| self.code.original(at));
                match error.kind() {
                    ErrorKind::UndefinedError => self.name_unset(explained, scope),
                    _ => explained,
                }
            })
    }

    /// minijinja says where something is not set, but not what. A name that a
    /// block brought is not looked for: nobody knows it any more.
    fn name_unset(&self, mut explained: TemplateError, scope: &Scope) -> TemplateError {
        let line = |span: Span| self.file.position(span.start).line;
        let names = self.names();
        let text = &self.file.text;
        let syntax = Syntax::of(&lexer::regions(text));
        let unset = syntax.paths.into_iter().find(|span| {
            let path = &text[span.range()];
            let root = path.split(['.', '[']).next().unwrap_or_default();
            line(*span) == line(explained.place.span)
                && names.contains(root.trim())
                && !may_be_unset(text, *span)
                && is_unset(path, scope)
        });
        if let Some(span) = unset {
            explained.message = format!("`{}` is not set", &text[span.range()]);
            explained.place.span = span;
        }
        explained
    }
}
