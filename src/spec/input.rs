//! The declarations of inputs.

use crate::spec::decode::{Decoder, Field, entry, pinned};
use crate::spec::schema::{InputKind, InputSpec, Text};
use crate::yaml::{Node, NodeKind};

impl Decoder<'_> {
    pub(super) fn inputs(&mut self, field: Field<'_>) -> Vec<InputSpec> {
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
        let field = entry(name, node);
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
        input.default = fields.optional("default").map(pinned);
        input.description = self.optional_text(&mut fields, "description");
        fields.finish(self);
        input
    }
}
