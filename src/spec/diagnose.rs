//! `diagnose`: the rules about what failed cells have in common.

use crate::spec::decode::{Decoder, Field, entry, pinned};
use crate::spec::schema::DiagnosisSpec;
use crate::yaml::NodeKind;

impl Decoder<'_> {
    pub(super) fn diagnosis_rules(&mut self, field: Field<'_>) -> Vec<DiagnosisSpec> {
        let items = self
            .items(field, Some("each rule has an `if` and a `message`"))
            .unwrap_or_default();
        items
            .into_iter()
            .filter_map(|item| self.diagnosis_rule(item))
            .collect()
    }

    fn diagnosis_rule(&mut self, item: Field<'_>) -> Option<DiagnosisSpec> {
        let mut fields = self.fields(item, "a rule of `diagnose`")?;
        let each = fields.optional("each");
        let by = fields.optional("by");
        let blocks = fields.optional("blocks");
        let steps = fields.optional("steps");
        let mut rule = DiagnosisSpec {
            span: fields.span,
            case: self.optional_text(&mut fields, "case"),
            cells: self.optional_text(&mut fields, "where"),
            each: None,
            by: None,
            blocks: None,
            when: self.required_text(&mut fields, "if"),
            steps: Vec::new(),
            message: self.required_text(&mut fields, "message"),
            remedy: self.optional_text(&mut fields, "remedy"),
            url: self.optional_text(&mut fields, "url"),
        };
        fields.finish(self);
        if let (Some(by), Some(blocks)) = (by, blocks) {
            self.exclude(by, blocks, "cells are grouped by one of them");
        }
        if let Some(blocks) = blocks {
            let is_pair = match &blocks.node.kind {
                NodeKind::String(text) => text.contains("{{"),
                NodeKind::List(ends) => ends.len() == 2,
                _ => false,
            };
            match is_pair {
                true => rule.blocks = Some(pinned(blocks)),
                false => self.expected(
                    blocks,
                    "the two ends of a cell",
                    Some("write \"{{ [source.node, target.node] }}\""),
                ),
            }
        }
        if let Some(by) = by {
            match &by.node.kind {
                NodeKind::String(text) if text.contains("{{") => rule.by = Some(pinned(by)),
                NodeKind::List(_) => rule.by = Some(pinned(by)),
                _ => self.expected(
                    by,
                    "what the cells are grouped by",
                    Some(
                        "write \"{{ source.node }}\", or a list where a cell is in several groups",
                    ),
                ),
            }
        }
        if let Some(each) = each {
            let help = "write {label: \"{{ inputs.labels }}\"}: the name of an item, and the list";
            match self.entries(each) {
                Some([(name, node)]) => rule.each = Some((name.clone(), pinned(entry(name, node)))),
                Some(_) => self.expected(each, "one name and its list", Some(help)),
                None => {}
            }
        }
        if let Some(steps) = steps {
            rule.steps = self.steps(steps);
        }
        Some(rule)
    }
}
