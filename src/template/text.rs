//! Files that are rendered as text before they are read as YAML.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use minijinja::ErrorKind;

use super::check::first_problem;
use super::environment::{self, Compiled, FILES, is_builtin};
use super::lexer::{self, Comments};
use super::rewrite::Rewritten;
use super::scalar::{is_unset, may_be_unset};
use super::syntax::Syntax;
use super::{Scope, TemplateError};
use crate::source::{Place, SourceFile, Span};

/// How to keep minijinja from what was not meant for it.
const RAW: &str = "to keep `{{`, `{%` or `{#` as text, write {% raw %}…{% endraw %} around it";

/// The `{#` of a `${#x}`, by which a script in the file would lose text.
fn shells_length(text: &str) -> Option<Span> {
    let is_length =
        |span: &Span| text[span.range()].starts_with("{#") && text[..span.start].ends_with('$');
    let parts = lexer::parts(text, Comments::Known);
    let closed = parts.blocks.into_iter().find(is_length);
    closed.map(|span| Span::new(span.start - 1, span.start + 2))
}

/// A file that is rendered as text before it is read as YAML: `x.yaml.j2`.
#[derive(Clone, Debug)]
pub struct TextTemplate {
    /// The file.
    pub file: Arc<SourceFile>,
    code: Arc<Code>,
}

/// What is compiled, once.
struct Code {
    rewritten: Rewritten,
    compiled: Compiled,
}

impl fmt::Debug for Code {
    /// What is compiled says nothing that the file does not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").finish_non_exhaustive()
    }
}

impl TextTemplate {
    /// Parses a template file.
    ///
    /// # Errors
    /// As [`Template::parse`](super::Template::parse), at its place in the file.
    pub fn parse(file: Arc<SourceFile>) -> Result<Self, TemplateError> {
        if let Some(span) = shells_length(&file.text) {
            return Err(TemplateError::mistake(
                "`{#` begins a comment here, up to the next `#}`",
                Place { file, span },
                Some(RAW.to_owned()),
            ));
        }
        FILES.template_from_str(&file.text).map_err(|error| {
            let mut error = TemplateError::in_file(&error, &file, |offset| offset);
            error.help.get_or_insert_with(|| RAW.to_owned());
            error
        })?;
        let syntax = Syntax::of_template(&file.text, Comments::Known);
        if let Some(problem) = first_problem(&file.text, &syntax) {
            let place = Place {
                file,
                span: problem.span,
            };
            return Err(TemplateError::mistake(problem.message, place, problem.help));
        }
        let rewritten = Rewritten::template(&file.text, &syntax, Comments::Known);
        let compiled = environment::compile(&FILES, &rewritten.text)
            .map_err(|error| TemplateError::in_file(&error, &file, |at| rewritten.original(at)))?;
        let code = Arc::new(Code {
            rewritten,
            compiled,
        });
        Ok(Self { file, code })
    }

    /// Where a path such as `pod.name` is asked for; the start of the file where it is not
    /// written as one.
    pub fn place_of(&self, path: &str) -> Place {
        let text = &self.file.text;
        let syntax = Syntax::of_template(text, Comments::Known);
        Place {
            file: Arc::clone(&self.file),
            span: syntax.asks_for(text, path).unwrap_or_default(),
        }
    }

    /// The root names that it asks for.
    pub fn names(&self) -> BTreeSet<String> {
        self.undeclared(false)
    }

    /// The same with the fields asked of them, as [`Template::paths`](super::Template::paths).
    pub fn paths(&self) -> BTreeSet<String> {
        Syntax::of_template(&self.file.text, Comments::Known)
            .without_methods(&self.file.text, self.undeclared(true))
    }

    fn undeclared(&self, nested: bool) -> BTreeSet<String> {
        let names = self.code.compiled.undeclared_variables(nested);
        names.into_iter().filter(|name| !is_builtin(name)).collect()
    }

    /// The text, to be read as YAML.
    ///
    /// # Errors
    /// As [`Template::render`](super::Template::render), and a value that is no
    /// plain YAML scalar and did not go through `|tojson`.
    pub fn render(&self, scope: &Scope) -> Result<String, TemplateError> {
        let rendered = self.code.compiled.render(scope.clone());
        rendered.map_err(|error| {
            let original = |at| self.code.rewritten.original(at);
            let explained = TemplateError::in_file(&error, &self.file, original);
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
        let syntax = Syntax::of_template(text, Comments::Known);
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
