//! Matrices, and the names that their cells have.

use crate::plan::lower::lowering::Lowering;
use crate::plan::lower::names::{Members, Names, RESERVED, is_identifier};
use crate::plan::model::{Axis, AxisSource, Matrix};
use crate::plan::results::RESULTS;
use crate::spec::schema::{AxisSourceSpec, AxisSpec, MatrixSpec, Text};
use crate::template;

impl Lowering<'_> {
    /// The matrix, and the names with those of its axes.
    pub(super) fn matrix(&mut self, spec: &MatrixSpec, names: &Names) -> (Matrix, Names) {
        let mut inner = names.clone();
        let matrix = match spec {
            MatrixSpec::Axes(specs) => {
                let mut axes = Vec::new();
                for spec in specs {
                    // no axis sees another: cells are all of their combinations
                    let (axis, members) = self.axis(spec, names);
                    self.name(&spec.name, "axis", members, false, &mut inner);
                    axes.extend(axis);
                }
                Matrix::Axes(axes)
            }
            MatrixSpec::Rows(rows) => {
                for (name, _) in rows.first().into_iter().flatten() {
                    self.name(name, "axis", Members::Any, false, &mut inner);
                }
                Matrix::Rows(
                    rows.iter()
                        .map(|row| {
                            row.iter()
                                .map(|(name, node)| (name.value.clone(), self.tree(node, names)))
                                .collect()
                        })
                        .collect(),
                )
            }
        };
        (matrix, inner)
    }

    /// Adds a name that the user gives: of an axis, an item, a capture. Those that
    /// cannot be used or hide another are reported, and known all the same.
    pub(super) fn name(
        &mut self,
        name: &Text,
        what: &str,
        members: Members,
        is_conditional: bool,
        names: &mut Names,
    ) {
        let text = &name.value;
        if RESERVED.contains(&text.as_str()) {
            self.push(
                name.span,
                format!("the {what} `{text}` hides a name of the program"),
                Some(format!("it keeps {} for itself", RESERVED.join(", "))),
            );
        } else if template::is_builtin(text) {
            self.push(
                name.span,
                format!("the {what} `{text}` hides the function {text}() of templates"),
                Some(format!("give it another name, such as my_{text}")),
            );
        } else if RESULTS.contains(&text.as_str()) {
            self.push(
                name.span,
                format!("the {what} `{text}` hides a result of steps"),
                Some(format!("these are: {}", RESULTS.join(", "))),
            );
        } else if !is_identifier(text) {
            let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) {
                "an"
            } else {
                "a"
            };
            self.push(
                name.span,
                format!("`{text}` is not the name of {article} {what}"),
                Some("templates use it: letters, digits and `_`".to_owned()),
            );
        } else if names.would_hide(text, is_conditional) {
            let help = match what {
                "output" => format!(
                    "give it another beside the `use`: capture: {{my_{text}: \"{{{{ {text} }}}}\"}}"
                ),
                _ => "give it another name: each has one meaning in a case".to_owned(),
            };
            self.push(
                name.span,
                format!("the {what} `{text}` hides a name that is known here"),
                Some(help),
            );
        }
        names.add(text, members, is_conditional);
    }

    /// The axis, and what a cell may ask of its values.
    fn axis(&mut self, spec: &AxisSpec, names: &Names) -> (Option<Axis>, Members) {
        let (source, members) = match &spec.source {
            None => (None, Members::Any),
            Some(AxisSourceSpec::Pods {
                selector,
                namespace,
                per_node,
            }) => {
                let namespace = self.namespace_of(namespace.as_ref(), names);
                let selector = self.selector(selector.as_ref(), names);
                let source = selector.map(|selector| AxisSource::Pods {
                    selector,
                    namespace,
                    per_node: *per_node,
                });
                let mut members = vec![
                    "name",
                    "namespace",
                    "node",
                    "ip",
                    "ips",
                    "labels",
                    "nodeLabels",
                ];
                if *per_node {
                    members.push("error");
                }
                (source, Members::known(&members))
            }
            Some(AxisSourceSpec::Nodes { selector }) => {
                let lowered = self.selector(selector.as_ref(), names);
                (
                    Some(AxisSource::Nodes { selector: lowered }),
                    Members::known(&["name", "ip", "ips", "labels"]),
                )
            }
            Some(AxisSourceSpec::Objects(target)) => (
                self.target(target, names).map(AxisSource::Objects),
                Members::Any,
            ),
            Some(AxisSourceSpec::Values(values)) => (
                Some(AxisSource::Values(self.tree(values, names))),
                Members::Any,
            ),
        };
        let axis = source.map(|source| Axis {
            name: spec.name.value.clone(),
            source,
            skip_if_empty: spec.skip_if_empty,
            place: self.place(spec.name.span),
        });
        (axis, members)
    }
}
