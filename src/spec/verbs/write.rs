//! The verbs that change objects: apply, create, patch, delete.

use crate::spec::decode::{Decoder, Field, pinned};
use crate::spec::schema::{
    ApplySpec, DeleteSpec, ManifestsSpec, PatchKindSpec, PatchSpec, VerbSpec,
};
use crate::yaml::NodeKind;

impl Decoder<'_> {
    /// `apply` and `create`.
    pub(in crate::spec) fn apply(
        &mut self,
        field: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<VerbSpec> {
        let verb = field.name;
        let expect = self.write_expect(expect, verb);
        if let NodeKind::String(text) = &field.node.kind {
            let kind = if text.ends_with(".j2") {
                "template"
            } else {
                "file"
            };
            let help = format!("write {{{kind}: {text}}}");
            self.expected(field, "a map", Some(&help));
            return None;
        }
        let mut fields = self.fields(field, format!("`{verb}`"))?;
        let sources = ["template", "file", "manifest"].map(|source| fields.optional(source));
        let raw = fields.optional("raw");
        let namespace = self.optional_text(&mut fields, "namespace");
        let force = verb == "apply" && self.flag(&mut fields, "force");
        let is_complete = fields.is_complete();
        self.finish_verb(fields, verb);
        let given: Vec<_> = sources.into_iter().flatten().collect();
        let manifests = match given[..] {
            [] => {
                if is_complete {
                    self.report_with_help(
                        field.key,
                        format!("`{verb}` needs something to {verb}"),
                        "write {template: x.yaml.j2}, {file: x.yaml} or {manifest: {…}}",
                    );
                }
                None
            }
            [source] => self.manifests(source, raw),
            [first, second, ..] => {
                self.exclude(first, second, "one step applies one of them");
                None
            }
        };
        let spec = ApplySpec {
            manifests,
            namespace,
            force,
            expect,
        };
        Some(match verb {
            "apply" => VerbSpec::Apply(spec),
            _ => VerbSpec::Create(spec),
        })
    }

    fn manifests(&mut self, source: Field<'_>, raw: Option<Field<'_>>) -> Option<ManifestsSpec> {
        let is_raw = raw.and_then(|raw| self.boolean(raw)).unwrap_or(false);
        if let Some(raw) = raw
            && source.name != "manifest"
        {
            self.report_with_help(
                raw.key,
                format!("`raw` is for `manifest`, not for `{}`", source.name),
                "a `file` is never rendered, a `template` always",
            );
        }
        match source.name {
            "template" => self.text(source).map(ManifestsSpec::Template),
            "file" => {
                let files = self.texts(source);
                if matches!(&source.node.kind, NodeKind::List(items) if items.is_empty()) {
                    self.report(source.key, "`file` names no file");
                }
                (!files.is_empty()).then_some(ManifestsSpec::Files(files))
            }
            _ => {
                self.entries(source)?;
                let mut object = source.node.clone();
                object.span = source.key;
                Some(ManifestsSpec::Manifest {
                    object,
                    raw: is_raw,
                })
            }
        }
    }

    pub(in crate::spec) fn patch(
        &mut self,
        field: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<VerbSpec> {
        let expect = self.write_expect(expect, "patch");
        let mut fields = self.fields(field, "`patch`")?;
        let kinds = [
            ("merge", PatchKindSpec::Merge),
            ("strategic", PatchKindSpec::Strategic),
            ("json", PatchKindSpec::Json),
        ];
        let patch = PatchSpec {
            target: self.single_target(&mut fields),
            kind: fields
                .optional("type")
                .and_then(|kind| self.choice(kind, &kinds))
                .unwrap_or_default(),
            patch: fields.required(self, "patch").map(pinned),
            subresource: self.optional_text(&mut fields, "subresource"),
            allow_no_change: self.flag(&mut fields, "allowNoChange"),
            expect,
        };
        self.finish_verb(fields, "patch");
        Some(VerbSpec::Patch(patch))
    }

    pub(in crate::spec) fn delete(
        &mut self,
        field: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<VerbSpec> {
        let expect = self.write_expect(expect, "delete");
        let mut fields = self.object_fields(field)?;
        let delete = DeleteSpec {
            target: self.target(&mut fields),
            grace_period: self.optional_text(&mut fields, "gracePeriod"),
            foreign: self.flag(&mut fields, "foreign"),
            expect,
        };
        self.finish_verb(fields, "delete");
        Some(VerbSpec::Delete(delete))
    }
}
