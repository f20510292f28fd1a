//! What a case is repeated over: axes, or rows.

use crate::diagnostic::Diagnostic;
use crate::spec::decode::{Decoder, Field, entry, pinned};
use crate::spec::schema::{AxisSourceSpec, AxisSpec, MatrixSpec, Text};
use crate::yaml::{Node, NodeKind};

const AXIS_HELP: &str = "an axis is {pods: {selector: …}}, {nodes: {}}, {objects: {target: …}} \
                         or {values: […]}";
const ROWS_HELP: &str = "rows are written like [{size: 1, mode: a}, {size: 2, mode: b}]";

impl Decoder<'_> {
    /// The matrix, and which of its combinations are cells.
    pub(super) fn matrix(&mut self, field: Field<'_>) -> (MatrixSpec, Option<Text>) {
        let entries = self.entries(field).unwrap_or_default();
        // an axis of this name would be a map
        let is_condition = |name: &Text, node: &Node| {
            name.value == "where" && !matches!(node.kind, NodeKind::Map(_))
        };
        let (conditions, entries): (Vec<_>, Vec<_>) = entries
            .iter()
            .partition(|(name, node)| is_condition(name, node));
        let cells = conditions
            .first()
            .and_then(|(name, node)| self.text(entry(name, node)));
        if matches!(&field.node.kind, NodeKind::Map(_)) && entries.is_empty() {
            self.report(field.key, "a matrix without axes has no cells");
        }
        (self.combinations(&entries), cells)
    }

    fn combinations(&mut self, entries: &[&(Text, Node)]) -> MatrixSpec {
        // an axis of this name would be a map
        let rows = entries
            .iter()
            .find(|(name, node)| name.value == "rows" && !matches!(node.kind, NodeKind::Map(_)));
        if let Some((name, node)) = rows {
            for (other, _) in entries.iter().filter(|(other, _)| other.value != "rows") {
                let diagnostic = Diagnostic::new(
                    format!("`rows` and the axis `{}` exclude each other", other.value),
                    self.place(other.span),
                )
                .secondary(self.place(name.span), "these are all of the combinations");
                self.diagnostics.push(diagnostic);
            }
            return MatrixSpec::Rows(self.rows(entry(name, node)));
        }
        MatrixSpec::Axes(
            entries
                .iter()
                .map(|(name, node)| self.axis(name, node))
                .collect(),
        )
    }

    fn rows(&mut self, field: Field<'_>) -> Vec<Vec<(Text, Node)>> {
        let items = self.items(field, Some(ROWS_HELP)).unwrap_or_default();
        if matches!(&field.node.kind, NodeKind::List(items) if items.is_empty()) {
            self.report(field.key, "a matrix without rows has no cells");
        }
        let mut rows: Vec<Vec<(Text, Node)>> = Vec::new();
        for item in items {
            if !matches!(item.node.kind, NodeKind::Map(_)) {
                self.report_with_help(
                    item.span(),
                    format!("a row is a map, not {}", item.node.kind.describe()),
                    ROWS_HELP,
                );
                continue;
            }
            let entries = self.entries(item).unwrap_or_default();
            if entries.is_empty() {
                self.report(item.key, "a row without values names nothing");
            }
            if let Some(first) = rows.first() {
                self.compare_rows(item, first, entries);
            }
            rows.push(
                entries
                    .iter()
                    .map(|(name, node)| (name.clone(), pinned(entry(name, node))))
                    .collect(),
            );
        }
        rows
    }

    fn compare_rows(&mut self, row: Field<'_>, first: &[(Text, Node)], entries: &[(Text, Node)]) {
        let missing = first
            .iter()
            .find(|(name, _)| entries.iter().all(|(other, _)| other.value != name.value));
        if let Some((name, _)) = missing {
            let diagnostic = Diagnostic::new(
                format!("this row has no `{}`", name.value),
                self.place(row.key),
            )
            .secondary(self.place(name.span), "the first row has")
            .help("all rows have the same names");
            self.diagnostics.push(diagnostic);
        }
        let further = entries
            .iter()
            .find(|(name, _)| first.iter().all(|(other, _)| other.value != name.value));
        if let Some((name, _)) = further {
            self.report_with_help(
                name.span,
                format!("the first row has no `{}`", name.value),
                "all rows have the same names",
            );
        }
    }

    fn axis(&mut self, name: &Text, node: &Node) -> AxisSpec {
        let mut axis = AxisSpec {
            name: name.clone(),
            source: None,
            skip_if_empty: false,
        };
        let field = entry(name, node);
        if !matches!(node.kind, NodeKind::Map(_)) {
            self.expected(field, "a map", Some(AXIS_HELP));
            return axis;
        }
        let Some(mut fields) = self.fields(field, "an axis") else {
            return axis;
        };
        let sources = ["pods", "nodes", "objects", "values"].map(|source| fields.optional(source));
        axis.skip_if_empty = fields
            .optional("empty")
            .is_some_and(|empty| self.choice(empty, &[("skip", ())]).is_some());
        let is_complete = fields.is_complete();
        fields.finish(self);
        let given: Vec<_> = sources.into_iter().flatten().collect();
        match given[..] {
            [] if is_complete => self.report_with_help(
                name.span,
                format!("the axis `{}` has no values", name.value),
                AXIS_HELP,
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
                let mut fields = self.fields(source, "`pods`")?;
                let pods = AxisSourceSpec::Pods {
                    selector: self.required_text(&mut fields, "selector"),
                    namespace: self.optional_text(&mut fields, "namespace"),
                    per_node: self.flag(&mut fields, "perNode"),
                };
                fields.finish(self);
                Some(pods)
            }
            "nodes" => {
                // `nodes:` with nothing behind it is all of them
                if source.node.kind == NodeKind::Null {
                    return Some(AxisSourceSpec::Nodes { selector: None });
                }
                let mut fields = self.fields(source, "`nodes`")?;
                let selector = self.optional_text(&mut fields, "selector");
                fields.finish(self);
                Some(AxisSourceSpec::Nodes { selector })
            }
            "objects" => {
                let mut fields = self.fields(source, "`objects`")?;
                let target = self.target(&mut fields);
                fields.finish(self);
                Some(AxisSourceSpec::Objects(target))
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
