//! A small decoder of YAML trees that goes on after a mistake, so that all of them
//! are reported at once.
//!
//! Knows maps, fields and scalars; what a suite is made of is for `load` and
//! `step` to say.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, suggest};
use crate::source::{Place, SourceFile, Span, Spanned};
use crate::spec::schema::Text;
use crate::yaml::{Node, NodeKind};

/// Reads one file and collects what is wrong with it.
pub(super) struct Decoder<'a> {
    pub(super) file: &'a Arc<SourceFile>,
    pub(super) diagnostics: Vec<Diagnostic>,
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
    what: &'static str,
    entries: &'a [(Spanned<String>, Node)],
    /// Points at the map.
    pub(super) span: Span,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The field, if it is there.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<Field<'a>> {
        self.known.push(name);
        self.entries
            .iter()
            .find(|(key, _)| key.value == name)
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
        self.entries
            .iter()
            .any(|(key, _)| crate::diagnostic::nearest(&key.value, [name]).is_some())
    }

    /// The fields that nobody asked for so far.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &'a Spanned<String>> + use<'a, '_> {
        self.entries
            .iter()
            .map(|(key, _)| key)
            .filter(|key| !self.known.contains(&key.value.as_str()))
    }

    /// Reports the fields that nobody asked for.
    pub(super) fn finish(self, decoder: &mut Decoder<'_>) {
        for key in self.unknown() {
            let diagnostic = Diagnostic::new(
                format!("unknown field `{}` of {}", key.value, self.what),
                decoder.place(key.span),
            )
            .maybe_help(suggest(&key.value, self.known.iter().copied()));
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
        what: &'static str,
    ) -> Option<Fields<'n>> {
        let entries = self.entries(field)?;
        Some(Fields {
            what,
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

    /// A scalar as it is written: `1.10` stays "1.10".
    pub(super) fn text(&mut self, field: Field<'_>) -> Option<Text> {
        let text = match &field.node.kind {
            NodeKind::String(text) => text.clone(),
            NodeKind::Number(_) | NodeKind::Bool(_) => self
                .file
                .text
                .get(field.node.span.range())
                .map_or_else(|| field.node.to_value().to_string(), str::to_owned),
            _ => {
                self.expected(field, "text", None);
                return None;
            }
        };
        Some(Spanned::new(text, field.span()))
    }

    /// A string, and nothing that YAML takes for something else.
    pub(super) fn string(&mut self, field: Field<'_>) -> Option<Text> {
        match &field.node.kind {
            NodeKind::String(text) => Some(Spanned::new(text.clone(), field.span())),
            NodeKind::Number(_) | NodeKind::Bool(_) => {
                let written = self.file.text.get(field.node.span.range()).unwrap_or("…");
                let help = format!("quote it: \"{written}\"");
                self.expected(field, "a string", Some(&help));
                None
            }
            _ => {
                self.expected(field, "a string", None);
                None
            }
        }
    }

    /// A map of strings to strings, such as labels.
    pub(super) fn strings(&mut self, field: Field<'_>) -> Vec<(Text, Text)> {
        let Some(entries) = self.entries(field) else {
            return Vec::new();
        };
        entries
            .iter()
            .filter_map(|(key, node)| {
                let value = self.string(Field {
                    name: &key.value,
                    key: key.span,
                    node,
                })?;
                Some((key.clone(), value))
            })
            .collect()
    }

    /// One text or a list of them.
    pub(super) fn texts(&mut self, field: Field<'_>) -> Vec<Text> {
        match &field.node.kind {
            NodeKind::List(_) => self
                .items(field, None)
                .unwrap_or_default()
                .into_iter()
                .filter_map(|item| self.text(item))
                .collect(),
            _ => self.text(field).into_iter().collect(),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, field: Field<'_>) -> Option<bool> {
        match &field.node.kind {
            NodeKind::Bool(value) => Some(*value),
            NodeKind::String(text) if matches!(text.as_str(), "yes" | "on" | "no" | "off") => {
                let help = match text.as_str() {
                    "yes" | "on" => "write true",
                    _ => "write false",
                };
                self.expected(field, "true or false", Some(help));
                None
            }
            _ => {
                self.expected(field, "true or false", None);
                None
            }
        }
    }

    /// A whole number from `least` on.
    pub(super) fn count(&mut self, field: Field<'_>, least: usize) -> Option<usize> {
        let count = match &field.node.kind {
            NodeKind::Number(number) => number.as_u64().and_then(|n| usize::try_from(n).ok()),
            _ => {
                self.expected(field, "a whole number", None);
                return None;
            }
        };
        if count.is_none_or(|count| count < least) {
            self.report(
                field.span(),
                format!("`{}` takes a whole number from {least} on", field.name),
            );
            return None;
        }
        count
    }

    /// One word of several.
    pub(super) fn choice<'c, T: Copy>(
        &mut self,
        field: Field<'_>,
        choices: &'c [(&'c str, T)],
    ) -> Option<T> {
        let words = || choices.iter().map(|(word, _)| *word);
        let expected = words().map(|word| format!("`{word}`")).collect::<Vec<_>>();
        let expected = match expected.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => expected.join(""),
        };
        let NodeKind::String(written) = &field.node.kind else {
            self.expected(field, &expected, None);
            return None;
        };
        let found = choices.iter().find(|(word, _)| word == written);
        if found.is_none() {
            let place = self.place(field.span());
            let nearest = crate::diagnostic::nearest(written, words());
            self.diagnostics.push(
                Diagnostic::new(
                    format!("`{}` takes {expected}, not `{written}`", field.name),
                    place,
                )
                .maybe_help(nearest.map(|word| format!("did you mean `{word}`?"))),
            );
        }
        found.map(|(_, value)| *value)
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

/// Where an item of a list is shown: its first key where it is a map.
fn item_span(node: &Node, list: Span) -> Span {
    match &node.kind {
        NodeKind::Map(entries) => entries.first().map_or(node.span, |(key, _)| key.span),
        _ if node.span == Span::default() => list,
        _ => node.span,
    }
}
