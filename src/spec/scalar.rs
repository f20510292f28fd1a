//! Scalars, and the fields that hold them.

use crate::diagnostic::{Diagnostic, nearest};
use crate::source::{Span, Spanned};
use crate::spec::decode::{Decoder, Field, Fields, entry, pinned};
use crate::spec::schema::Text;
use crate::yaml::{Node, NodeKind};

impl Decoder<'_> {
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
                let value = self.string(entry(key, node))?;
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
    pub(super) fn amount(&mut self, field: Field<'_>, least: u64) -> Option<u64> {
        let NodeKind::Number(number) = &field.node.kind else {
            self.expected(field, "a whole number", None);
            return None;
        };
        let amount = number.as_u64().filter(|amount| *amount >= least);
        if amount.is_none() {
            self.report(
                field.span(),
                format!("`{}` takes a whole number from {least} on", field.name),
            );
        }
        amount
    }

    /// The same, of things that are counted in memory.
    pub(super) fn count(&mut self, field: Field<'_>, least: u64) -> Option<usize> {
        let amount = self.amount(field, least)?;
        self.fitting(field, amount)
    }

    /// The same, of what is never more than some thousands.
    pub(super) fn number(&mut self, field: Field<'_>, least: u64) -> Option<u32> {
        let amount = self.amount(field, least)?;
        self.fitting(field, amount)
    }

    fn fitting<T: TryFrom<u64>>(&mut self, field: Field<'_>, amount: u64) -> Option<T> {
        let fitting = T::try_from(amount).ok();
        if fitting.is_none() {
            self.report(field.span(), format!("`{amount}` is too large"));
        }
        fitting
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
            let nearest = nearest(written, words());
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

    /// The field as text, where it is there.
    pub(super) fn optional_text(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
    ) -> Option<Text> {
        fields.optional(name).and_then(|field| self.text(field))
    }

    /// The field as text; reported where it is not there.
    pub(super) fn required_text(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
    ) -> Option<Text> {
        fields
            .required(self, name)
            .and_then(|field| self.text(field))
    }

    /// The field as one text or several; none where it is not there.
    pub(super) fn optional_texts(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
    ) -> Vec<Text> {
        fields
            .optional(name)
            .map(|field| self.texts(field))
            .unwrap_or_default()
    }

    /// The field as `true` or `false`; false where it is not there.
    pub(super) fn flag(&mut self, fields: &mut Fields<'_>, name: &'static str) -> bool {
        fields
            .optional(name)
            .and_then(|field| self.boolean(field))
            .unwrap_or(false)
    }

    /// Where the field stands that is `true`.
    pub(super) fn flag_span(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
    ) -> Option<Span> {
        let field = fields.optional(name)?;
        self.boolean(field)?.then(|| field.span())
    }

    /// A map of names to texts, such as environment variables.
    pub(super) fn named_texts(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
    ) -> Vec<(Text, Text)> {
        let Some(field) = fields.optional(name) else {
            return Vec::new();
        };
        let entries = self.entries(field).unwrap_or_default();
        entries
            .iter()
            .filter_map(|(key, node)| Some((key.clone(), self.text(entry(key, node))?)))
            .collect()
    }

    /// A map of names to anything, as it stands there.
    pub(super) fn named_nodes(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
    ) -> Vec<(Text, Node)> {
        let Some(field) = fields.optional(name) else {
            return Vec::new();
        };
        let entries = self.entries(field).unwrap_or_default();
        entries
            .iter()
            .map(|(key, node)| (key.clone(), pinned(entry(key, node))))
            .collect()
    }
}
