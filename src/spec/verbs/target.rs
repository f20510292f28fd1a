//! Which objects a verb is about, and what is asked of them.

use crate::diagnostic::nearest;
use crate::spec::decode::{Decoder, Field, Fields, pinned};
use crate::spec::schema::{ObjectCheckSpec, TargetSpec};
use crate::yaml::NodeKind;

impl Decoder<'_> {
    /// What the verbs on objects share; the target itself is needed.
    pub(in crate::spec) fn target(&mut self, fields: &mut Fields<'_>) -> TargetSpec {
        let target = fields.required(self, "target");
        self.target_at(fields, target)
    }

    /// The same where the target was asked for already, or there is none.
    pub(in crate::spec) fn target_at(
        &mut self,
        fields: &mut Fields<'_>,
        target: Option<Field<'_>>,
    ) -> TargetSpec {
        TargetSpec {
            span: fields.span,
            target: target.and_then(|target| self.text(target)),
            namespace: self.optional_text(fields, "namespace"),
            all_namespaces: self.flag_span(fields, "allNamespaces"),
            selector: self.optional_text(fields, "selector"),
            filter: fields
                .optional("where")
                .and_then(|filter| self.object_check(filter)),
        }
    }

    /// A target that is exactly one object.
    pub(in crate::spec) fn single_target(&mut self, fields: &mut Fields<'_>) -> TargetSpec {
        TargetSpec {
            span: fields.span,
            target: self.required_text(fields, "target"),
            namespace: self.optional_text(fields, "namespace"),
            all_namespaces: None,
            selector: None,
            filter: None,
        }
    }

    /// `{match, that}`, at least one of them.
    pub(in crate::spec) fn object_check(&mut self, field: Field<'_>) -> Option<ObjectCheckSpec> {
        if let NodeKind::String(text) = &field.node.kind {
            let help = format!("write {{that: {text:?}}}");
            self.expected(field, "a map", Some(&help));
            return None;
        }
        let mut fields = self.fields(field, format!("`{}`", field.name))?;
        let check = self.object_check_in(&mut fields);
        let is_complete = fields.is_complete();
        fields.finish_with(self, |name| {
            nearest(name, ["match", "that"]).is_none().then(|| {
                format!("fields of the object stand below `match`: {{match: {{{name}: …}}}}")
            })
        });
        if check.is_none() && is_complete {
            self.report_with_help(
                field.key,
                format!("`{}` needs `match` or `that`", field.name),
                "write {match: {spec: {replicas: 2}}} or {that: object.spec.replicas == 2}",
            );
        }
        check
    }

    /// The same among other fields; nothing where there is neither.
    pub(in crate::spec) fn object_check_in(
        &mut self,
        fields: &mut Fields<'_>,
    ) -> Option<ObjectCheckSpec> {
        let pattern = fields.optional("match");
        let that = fields.optional("that");
        (pattern.is_some() || that.is_some()).then(|| ObjectCheckSpec {
            pattern: pattern.map(pinned),
            that: that.and_then(|that| self.text(that)),
        })
    }
}
