//! The cases of a suite and the axes of their matrices.

use crate::spec::decode::{Decoder, Field};
use crate::spec::schema::{AxisSourceSpec, AxisSpec, CaseSpec, Text};
use crate::yaml::{Node, NodeKind};

impl Decoder<'_> {
    pub(super) fn cases(&mut self, field: Field<'_>) -> Vec<CaseSpec> {
        let Some(items) = self.items(field, Some("each case begins with `- name: …`")) else {
            return Vec::new();
        };
        if items.is_empty() {
            self.report(field.key, "a suite without cases tests nothing");
        }
        items
            .into_iter()
            .filter_map(|item| self.case(item))
            .collect()
    }

    fn case(&mut self, field: Field<'_>) -> Option<CaseSpec> {
        let mut fields = self.fields(field, "a case")?;
        let mut case = CaseSpec {
            span: fields.span,
            name: fields
                .required(self, "name")
                .and_then(|name| self.text(name)),
            matrix: Vec::new(),
            steps: Vec::new(),
            finally: Vec::new(),
            timeout: None,
        };
        if let Some(matrix) = fields.optional("matrix") {
            let entries = self.entries(matrix).unwrap_or_default();
            case.matrix = entries
                .iter()
                .map(|(name, node)| self.axis(name, node))
                .collect();
            if matches!(&matrix.node.kind, NodeKind::Map(entries) if entries.is_empty()) {
                self.report(matrix.key, "a matrix without axes has no cells");
            }
        }
        if let Some(steps) = fields.required(self, "steps") {
            case.steps = self.steps(steps);
            if matches!(&steps.node.kind, NodeKind::List(items) if items.is_empty()) {
                self.report(steps.key, "a case without steps tests nothing");
            }
        }
        if let Some(finally) = fields.optional("finally") {
            case.finally = self.steps(finally);
        }
        case.timeout = fields
            .optional("timeout")
            .and_then(|timeout| self.text(timeout));
        fields.finish(self);
        Some(case)
    }

    fn axis(&mut self, name: &Text, node: &Node) -> AxisSpec {
        let mut axis = AxisSpec {
            name: name.clone(),
            source: None,
            skip_if_empty: false,
        };
        let field = Field {
            name: &name.value,
            key: name.span,
            node,
        };
        if !matches!(node.kind, NodeKind::Map(_)) {
            self.expected(
                field,
                "a map",
                Some("an axis is {pods: {selector: …}}, {nodes: {}} or {values: […]}"),
            );
            return axis;
        }
        let Some(mut fields) = self.fields(field, "an axis") else {
            return axis;
        };
        let sources = ["pods", "nodes", "values"].map(|source| fields.optional(source));
        axis.skip_if_empty = fields
            .optional("empty")
            .is_some_and(|empty| self.choice(empty, &[("skip", ())]).is_some());
        let is_complete = fields.unknown().next().is_none();
        fields.finish(self);
        let given: Vec<_> = sources.into_iter().flatten().collect();
        match given[..] {
            [] if is_complete => self.report_with_help(
                name.span,
                format!("the axis `{}` has no values", name.value),
                "an axis is {pods: {selector: …}}, {nodes: {}} or {values: […]}",
            ),
            [] => {}
            [source] => axis.source = self.axis_source(source),
            [first, second, ..] => self.exclude(first, second, "an axis has one source of values"),
        }
        if let Some(AxisSourceSpec::Values(Node {
            kind: NodeKind::List(items),
            ..
        })) = &axis.source
            && items.is_empty()
            && !axis.skip_if_empty
        {
            self.report_with_help(
                name.span,
                format!("the axis `{}` has no values", name.value),
                "with `empty: skip` the case is skipped then",
            );
        }
        axis
    }

    fn axis_source(&mut self, source: Field<'_>) -> Option<AxisSourceSpec> {
        match source.name {
            "pods" => {
                let mut fields = self.fields(source, "the pods of an axis")?;
                let pods = AxisSourceSpec::Pods {
                    selector: fields
                        .required(self, "selector")
                        .and_then(|selector| self.text(selector)),
                    namespace: fields
                        .optional("namespace")
                        .and_then(|namespace| self.text(namespace)),
                    per_node: fields
                        .optional("perNode")
                        .and_then(|per_node| self.boolean(per_node))
                        .unwrap_or(false),
                };
                fields.finish(self);
                Some(pods)
            }
            "nodes" => {
                // `nodes:` with nothing behind it is all of them
                if source.node.kind == NodeKind::Null {
                    return Some(AxisSourceSpec::Nodes { selector: None });
                }
                let mut fields = self.fields(source, "the nodes of an axis")?;
                let selector = fields
                    .optional("selector")
                    .and_then(|selector| self.text(selector));
                fields.finish(self);
                Some(AxisSourceSpec::Nodes { selector })
            }
            _ => match &source.node.kind {
                NodeKind::List(_) => Some(AxisSourceSpec::Values(source.node.clone())),
                NodeKind::String(text) if text.contains("{{") => {
                    Some(AxisSourceSpec::Values(source.node.clone()))
                }
                _ => {
                    self.expected(
                        source,
                        "a list, or an expression that is one",
                        Some("write [a, b] or \"{{ inputs.names }}\""),
                    );
                    None
                }
            },
        }
    }
}
