//! `wait`: what it waits for, and of which objects that can be said.

use crate::diagnostic::nearest;
use crate::kinds::{self, BuiltIn};
use crate::plan::jsonpath;
use crate::plan::lower::lowering::Lowering;
use crate::plan::lower::names::Names;
use crate::plan::lower::target::Written;
use crate::plan::model::{Until, Verb, Wait};
use crate::source::Span;
use crate::spec::schema::{Text, UntilSpec, WaitSpec};

impl Lowering<'_> {
    pub(super) fn wait(&mut self, spec: &WaitSpec, names: &Names) -> Option<Verb> {
        let is_rolled_out = matches!(spec.until, Some(UntilSpec::RolledOut));
        match (&spec.target.target, spec.per_node) {
            (Some(target), per_node) if is_rolled_out => self.check_workload(target, per_node),
            (_, Some(span)) if spec.until.is_some() && !is_rolled_out => {
                self.push(span, "`perNode` is for `until: rolledOut`".to_owned(), None);
            }
            _ => {}
        }
        let target = self.target(&spec.target, names);
        let until = self.until(spec.until.as_ref(), spec.per_node.is_some(), names);
        let unless = spec
            .unless
            .as_ref()
            .map(|unless| self.until(Some(unless), false, names));
        let settle = self.duration(spec.settle.as_ref());
        Some(Verb::Wait(Wait {
            target: target?,
            settle,
            until: until?,
            // one that is wrong is not none
            unless: unless.map_or(Some(None), |unless| unless.map(Some))?,
        }))
    }

    fn until(&mut self, spec: Option<&UntilSpec>, per_node: bool, names: &Names) -> Option<Until> {
        Some(match spec? {
            UntilSpec::RolledOut => Until::RolledOut { per_node },
            UntilSpec::Exists => Until::Exists,
            UntilSpec::Deleted => Until::Deleted,
            UntilSpec::Condition { kind, status } => {
                let status = match status {
                    Some(status) => self.constant(status)?,
                    None => "True".to_owned(),
                };
                Until::Condition {
                    kind: self.condition_type(kind)?,
                    status: titled(&status),
                }
            }
            UntilSpec::Jsonpath { path, equals } => {
                let text = self.constant(path)?;
                if let Err(error) = jsonpath::standard(&text) {
                    self.push(path.span, error.to_string(), None);
                }
                Until::Jsonpath {
                    path: text,
                    equals: equals.as_ref().map(|equals| self.tree(equals, names)),
                }
            }
            UntilSpec::Object(check) => Until::Object(self.expected_of_object(check, names)),
        })
    }

    /// The type of a condition; kubectl's `Ready=False` is two fields here.
    fn condition_type(&mut self, text: &Text) -> Option<String> {
        let kind = self.constant(text)?;
        if let Some((name, status)) = kind.split_once('=') {
            self.push(
                text.span,
                format!("`{kind}` is not the type of a condition"),
                Some(format!("write {{condition: {name}, status: \"{status}\"}}")),
            );
        } else if kind.trim().is_empty() {
            self.push(text.span, "`condition` names no condition".to_owned(), None);
        }
        Some(kind)
    }

    fn check_workload(&mut self, target: &Text, per_node: Option<Span>) {
        let kind = match self.written(target) {
            Some(Written::Kind(kind) | Written::Named(kind)) => kind,
            Some(Written::Unknown) | None => return,
        };
        let workload = kinds::named(kind).filter(|kind| kind.rolls_out());
        match (workload, per_node) {
            (None, _) => {
                let all = kinds::spellings(BuiltIn::rolls_out);
                let help = match nearest(kind, all.iter().map(String::as_str)) {
                    Some(kind) => format!("did you mean `{kind}`?"),
                    None => "a daemonset, a deployment or a statefulset does".to_owned(),
                };
                self.push(
                    target.span,
                    format!("a `{kind}` is never rolled out"),
                    Some(help),
                );
            }
            (Some(workload), Some(span)) if workload.kind != "DaemonSet" => self.push(
                span,
                format!(
                    "`perNode` is for a daemonset: a {} has no pod of each node",
                    workload.kind.to_lowercase()
                ),
                None,
            ),
            _ => {}
        }
    }
}

/// YAML makes `True` of what the API writes `"True"`, and users write `true`.
fn titled(status: &str) -> String {
    match status {
        "true" => "True".to_owned(),
        "false" => "False".to_owned(),
        "unknown" => "Unknown".to_owned(),
        other => other.to_owned(),
    }
}
