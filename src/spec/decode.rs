//! A small decoder of YAML trees that goes on after a mistake, so that all of them
//! are reported at once.
//!
//! Knows maps, lists and fields; `scalar` reads what stands in them, and what a
//! suite is made of is for `load`, `case` and `step` to say.

use std::borrow::Cow;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, suggest};
use crate::source::{Place, SourceFile, Span, Spanned};
use crate::spec::hints;
use crate::spec::schema::Text;
use crate::yaml::{Node, NodeKind};

/// Reads one file and collects what is wrong with it.
pub(super) struct Decoder<'a> {
    pub(super) file: &'a Arc<SourceFile>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What each map that was read may hold.
    #[cfg(test)]
    pub(super) known: Vec<(String, Vec<&'static str>)>,
}

/// A value and the name under which it stands, for messages.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    /// The key, or the item itself where it is one of a list.
    pub(super) key: Span,
    pub(super) node: &'a Node,
}

impl Field<'_> {
    /// Where to point: a map or a list has no extent in the tree, so its key
    /// stands for it.
    pub(super) fn span(&self) -> Span {
        let span = self.node.span;
        match &self.node.kind {
            NodeKind::Map(_) | NodeKind::List(_) | NodeKind::Null => self.key,
            _ if span.start == span.end => self.key,
            _ => span,
        }
    }
}

/// The fields of a map, and which of them were asked for.
pub(super) struct Fields<'a> {
    /// What the map is, with its article: "a step".
    what: Cow<'static, str>,
    entries: &'a [(Spanned<String>, Node)],
    /// Points at the map.
    pub(super) span: Span,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The field, if it is there.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<Field<'a>> {
        // one may be asked for again, and is named once
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.given(&[name])
    }

    /// The first of these fields that is there, asked for or not.
    pub(super) fn given(&self, names: &[&str]) -> Option<Field<'a>> {
        self.entries
            .iter()
            .find(|(key, _)| names.contains(&key.value.as_str()))
            .map(|(key, node)| Field {
                name: &key.value,
                key: key.span,
                node,
            })
    }

    /// The field; reported where it is not there.
    pub(super) fn required(
        &mut self,
        decoder: &mut Decoder<'_>,
        name: &'static str,
    ) -> Option<Field<'a>> {
        let field = self.optional(name);
        if field.is_none() && !self.misspells(name) {
            decoder.report(self.span, format!("{} needs `{name}`", self.what));
        }
        field
    }

    /// Whether a field that nobody knows was meant to be this one: it is reported
    /// as unknown, and that is enough.
    fn misspells(&self, name: &'static str) -> bool {
        let is_meant = |key: &str| {
            crate::diagnostic::nearest(key, [name]).is_some()
                || name == "target" && hints::identity(key).is_some()
        };
        self.entries.iter().any(|(key, _)| is_meant(&key.value))
    }

    /// Whether this field was asked for, there or not.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.known.contains(&name)
    }

    /// The fields that nobody asked for so far.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &'a Spanned<String>> + use<'a, '_> {
        self.entries
            .iter()
            .map(|(key, _)| key)
            .filter(|key| !self.known.contains(&key.value.as_str()))
    }

    /// Whether every field was asked for so far.
    pub(super) fn is_complete(&self) -> bool {
        self.unknown().next().is_none()
    }

    /// Whether no unknown field was meant to be one of these.
    pub(super) fn is_complete_but_for(&self, names: &[&'static str]) -> bool {
        names.iter().all(|name| !self.misspells(name))
    }

    /// Reports the fields that nobody asked for.
    pub(super) fn finish(self, decoder: &mut Decoder<'_>) {
        self.finish_with(decoder, |_| None);
    }

    /// The same, with a help of its own for some of them.
    pub(super) fn finish_with(
        self,
        decoder: &mut Decoder<'_>,
        help: impl Fn(&str) -> Option<String>,
    ) {
        #[cfg(test)]
        decoder
            .known
            .push((self.what.to_string(), self.known.clone()));
        // what has one cause and one cure is one mistake
        let mut told: Vec<(Option<String>, Vec<&Spanned<String>>)> = Vec::new();
        for key in self.unknown() {
            let name = key.value.as_str();
            let hint = help(name).or_else(|| hints::hint(&self.what, name));
            match told
                .iter_mut()
                .find(|(other, _)| hint.is_some() && *other == hint)
            {
                Some((_, keys)) => keys.push(key),
                None => told.push((hint, vec![key])),
            }
        }
        for (hint, keys) in told {
            let names: Vec<_> = keys.iter().map(|key| format!("`{}`", key.value)).collect();
            let plural = if names.len() == 1 { "" } else { "s" };
            let message = format!("unknown field{plural} {} of {}", listed(&names), self.what);
            let help = hint.or_else(|| suggest(&keys[0].value, self.known.iter().copied()));
            let diagnostic = Diagnostic::new(message, decoder.place(keys[0].span)).maybe_help(help);
            decoder.diagnostics.push(diagnostic);
        }
    }
}

impl<'a> Decoder<'a> {
    pub(super) fn place(&self, span: Span) -> Place {
        Place {
            file: Arc::clone(self.file),
            span,
        }
    }

    pub(super) fn report(&mut self, span: Span, message: impl Into<String>) {
        let place = self.place(span);
        self.diagnostics.push(Diagnostic::new(message, place));
    }

    pub(super) fn report_with_help(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let place = self.place(span);
        self.diagnostics
            .push(Diagnostic::new(message, place).help(help));
    }

    /// Says what was expected and what stands there.
    pub(super) fn expected(&mut self, field: Field<'_>, expected: &str, help: Option<&str>) {
        let found = field.node.kind.describe();
        let (but, label) = match field.node.kind {
            NodeKind::Null => (
                "and has nothing".to_owned(),
                "nothing stands here".to_owned(),
            ),
            _ => (format!("not {found}"), format!("this is {found}")),
        };
        let diagnostic = Diagnostic::new(
            format!("`{}` takes {expected}, {but}", field.name),
            self.place(field.span()),
        )
        .label(label)
        .maybe_help(help.map(str::to_owned));
        self.diagnostics.push(diagnostic);
    }

    /// The fields of a map; `what` is what it is, with its article.
    pub(super) fn fields<'n>(
        &mut self,
        field: Field<'n>,
        what: impl Into<Cow<'static, str>>,
    ) -> Option<Fields<'n>> {
        let entries = self.entries(field)?;
        Some(Fields {
            what: what.into(),
            entries,
            span: field.key,
            known: Vec::new(),
        })
    }

    /// The entries of a map whose keys are names that a user gives.
    pub(super) fn entries<'n>(&mut self, field: Field<'n>) -> Option<&'n [(Text, Node)]> {
        match &field.node.kind {
            NodeKind::Map(entries) => Some(entries),
            _ => {
                self.expected(field, "a map", None);
                None
            }
        }
    }

    /// The items of a list.
    pub(super) fn items<'n>(
        &mut self,
        field: Field<'n>,
        help: Option<&str>,
    ) -> Option<Vec<Field<'n>>> {
        match &field.node.kind {
            NodeKind::List(items) => Some(
                items
                    .iter()
                    .map(|node| Field {
                        name: field.name,
                        key: item_span(node, field.key),
                        node,
                    })
                    .collect(),
            ),
            _ => {
                self.expected(field, "a list", help);
                None
            }
        }
    }

    /// Two fields of which only one may be there.
    pub(super) fn exclude(&mut self, first: Field<'_>, second: Field<'_>, why: &str) {
        let (first, second) = if first.key <= second.key {
            (first, second)
        } else {
            (second, first)
        };
        let diagnostic = Diagnostic::new(
            format!("`{}` and `{}`: {why}", first.name, second.name),
            self.place(second.key),
        )
        .label("this is the second")
        .secondary(self.place(first.key), "this is the first");
        self.diagnostics.push(diagnostic);
    }
}

/// `a`, `b` and `c`.
pub(super) fn listed(words: &[String]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// Where an item of a list is shown: its first key where it is a map.
fn item_span(node: &Node, list: Span) -> Span {
    match &node.kind {
        NodeKind::Map(entries) => entries.first().map_or(node.span, |(key, _)| key.span),
        _ if node.span == Span::default() => list,
        _ => node.span,
    }
}

/// The entry of a map whose keys users give, as a field.
pub(super) fn entry<'a>(name: &'a Text, node: &'a Node) -> Field<'a> {
    Field {
        name: &name.value,
        key: name.span,
        node,
    }
}

/// A copy of a value that points at its key where it has no extent of its own.
pub(super) fn pinned(field: Field<'_>) -> Node {
    Node {
        span: field.span(),
        kind: field.node.kind.clone(),
    }
}
