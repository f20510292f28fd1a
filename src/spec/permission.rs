//! `permissions` of a suite: rules of RBAC for what local programs ask of the API server.

use crate::spec::decode::{Decoder, Field, Fields};
use crate::spec::schema::{PermissionOnSpec, PermissionSpec, Text};

const HELP: &str = "write {apiGroups: [\"\"], resources: [pods], verbs: [get, list]} or \
                    {nonResourceURLs: [/metrics], verbs: [get]}";

impl Decoder<'_> {
    pub(super) fn permissions(&mut self, field: Field<'_>) -> Vec<PermissionSpec> {
        let items = self.items(field, Some(HELP)).unwrap_or_default();
        items
            .into_iter()
            .filter_map(|item| self.permission(item))
            .collect()
    }

    fn permission(&mut self, item: Field<'_>) -> Option<PermissionSpec> {
        let mut fields = self.fields(item, "a permission")?;
        let verbs = self.some_texts(&mut fields, "verbs");
        let paths = fields.optional("nonResourceURLs");
        let namespace = fields.optional("namespace");
        let of_objects = ["apiGroups", "resources", "resourceNames"]
            .map(|name| fields.optional(name))
            .into_iter()
            .flatten()
            .chain(namespace);
        let on = match paths {
            Some(paths) => {
                let others: Vec<_> = of_objects.collect();
                for other in others {
                    self.exclude(paths, other, "a path belongs to no group or namespace");
                }
                self.some_texts(&mut fields, "nonResourceURLs")
                    .map(PermissionOnSpec::Paths)
            }
            None => self.resources(&mut fields, namespace),
        };
        fields.finish(self);
        Some(PermissionSpec {
            span: item.key,
            verbs: verbs?,
            on: on?,
        })
    }

    fn resources(
        &mut self,
        fields: &mut Fields<'_>,
        namespace: Option<Field<'_>>,
    ) -> Option<PermissionOnSpec> {
        let groups = self.some_texts(fields, "apiGroups");
        let resources = self.some_texts(fields, "resources");
        let names = self.optional_texts(fields, "resourceNames");
        let namespace = namespace.and_then(|namespace| self.text(namespace));
        Some(PermissionOnSpec::Resources {
            groups: groups?,
            resources: resources?,
            names,
            namespace,
        })
    }

    /// At least one text.
    fn some_texts(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<Vec<Text>> {
        let field = fields.required(self, name)?;
        let known = self.diagnostics.len();
        let texts = self.texts(field);
        if texts.is_empty() && self.diagnostics.len() == known {
            self.report_with_help(field.key, format!("`{name}` is empty"), HELP);
        }
        (!texts.is_empty()).then_some(texts)
    }
}
