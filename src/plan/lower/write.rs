//! The verbs that change objects: apply, create, patch, delete.

use crate::plan::lower::lowering::Lowering;
use crate::plan::lower::manifest::Making;
use crate::plan::lower::names::Names;
use crate::plan::lower::target::Written;
use crate::plan::model::{Apply, Create, Delete, Patch, PatchKind, Verb};
use crate::spec::schema::{ApplySpec, DeleteSpec, PatchKindSpec, PatchSpec};
use crate::yaml::NodeKind;

impl Lowering<'_> {
    pub(super) fn apply(&mut self, spec: &ApplySpec, names: &Names) -> Option<Verb> {
        let namespace = self.namespace_of(spec.namespace.as_ref(), names);
        let expect = self.write_expectation(&spec.expect, names);
        Some(Verb::Apply(Apply {
            manifests: self.manifests(spec.manifests.as_ref()?, Making::Applied, names)?,
            namespace,
            force: spec.force,
            expect,
        }))
    }

    pub(super) fn create(&mut self, spec: &ApplySpec, names: &Names) -> Option<Verb> {
        let namespace = self.namespace_of(spec.namespace.as_ref(), names);
        let expect = self.write_expectation(&spec.expect, names);
        Some(Verb::Create(Create {
            manifests: self.manifests(spec.manifests.as_ref()?, Making::Created, names)?,
            namespace,
            expect,
        }))
    }

    pub(super) fn patch(&mut self, spec: &PatchSpec, names: &Names) -> Option<Verb> {
        if let Some(text) = &spec.target.target
            && let Some(Written::Kind(kind)) = self.written(text)
        {
            let help = format!("the target is written {kind}/NAME");
            self.push(
                text.span,
                "`patch` changes one object".to_owned(),
                Some(help),
            );
        }
        let target = self.target(&spec.target, names);
        let subresource = spec
            .subresource
            .as_ref()
            .and_then(|subresource| self.constant(subresource));
        let expect = self.write_expectation(&spec.expect, names);
        let node = spec.patch.as_ref()?;
        let is_right = match (&node.kind, spec.kind) {
            (NodeKind::String(text), _) => text.contains("{{"),
            (NodeKind::List(_), kind) => kind == PatchKindSpec::Json,
            (NodeKind::Map(_), kind) => kind != PatchKindSpec::Json,
            _ => false,
        };
        if !is_right {
            let (expected, help) = match spec.kind {
                PatchKindSpec::Json => (
                    "a list of operations",
                    "[{op: replace, path: /spec/replicas, value: 2}]",
                ),
                _ => ("a map", "{spec: {replicas: 2}}"),
            };
            self.push(
                node.span,
                format!(
                    "`patch` of this type takes {expected}, not {}",
                    node.kind.describe()
                ),
                Some(format!("write {help}")),
            );
        }
        let patch = self.tree(node, names);
        Some(Verb::Patch(Patch {
            target: target?,
            kind: match spec.kind {
                PatchKindSpec::Merge => PatchKind::Merge,
                PatchKindSpec::Strategic => PatchKind::Strategic,
                PatchKindSpec::Json => PatchKind::Json,
            },
            patch,
            subresource,
            allow_no_change: spec.allow_no_change,
            expect,
        }))
    }

    pub(super) fn delete(&mut self, spec: &DeleteSpec, names: &Names) -> Option<Verb> {
        let target = self.target(&spec.target, names);
        let grace_period = self.duration(spec.grace_period.as_ref());
        if let (Some(grace), Some(text)) = (grace_period, &spec.grace_period)
            && grace.subsec_millis() != 0
        {
            self.push(
                text.span,
                "a grace period is whole seconds".to_owned(),
                None,
            );
        }
        let expect = self.write_expectation(&spec.expect, names);
        Some(Verb::Delete(Delete {
            target: target?,
            grace_period,
            foreign: spec.foreign,
            expect,
        }))
    }
}
