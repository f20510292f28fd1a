//! The verbs that ask the cluster what it knows: logs, events, can.

use crate::spec::decode::{Decoder, Field};
use crate::spec::schema::{
    CanSpec, EventsSpec, LineChoiceSpec, LogsSpec, TextExpectSpec, VerbSpec,
};
use crate::yaml::NodeKind;

impl Decoder<'_> {
    pub(super) fn logs(&mut self, field: Field<'_>, expect: Option<Field<'_>>) -> Option<VerbSpec> {
        let expect = match self.expect_fields(expect, "logs") {
            Some(mut fields) => {
                let stdout = fields
                    .optional("stdout")
                    .and_then(|stdout| self.text_expect(stdout));
                fields.finish_with(self, |name| {
                    ["contains", "matches", "absent", "equals", "empty", "lines"]
                        .contains(&name)
                        .then(|| format!("write {{stdout: {{{name}: …}}}}"))
                });
                stdout.unwrap_or_default()
            }
            None => TextExpectSpec::default(),
        };
        let mut fields = self.object_fields(field)?;
        let target = fields.optional("target");
        let selector = fields.optional("selector");
        if target.is_none()
            && selector.is_none()
            && fields.is_complete_but_for(&["target", "selector"])
        {
            self.report_with_help(
                field.key,
                "`logs` needs `target` or `selector`",
                "write {target: pod/NAME}, {target: deployment/NAME} or {selector: app=web}",
            );
        }
        let logs = LogsSpec {
            target: self.target_at(&mut fields, target),
            container: self.optional_text(&mut fields, "container"),
            since: self.optional_text(&mut fields, "since"),
            previous: self.flag(&mut fields, "previous"),
            tail: fields
                .optional("tail")
                .and_then(|tail| self.number(tail, 1)),
            timestamps: self.flag(&mut fields, "timestamps"),
            lines: fields
                .optional("lines")
                .and_then(|lines| self.line_choice(lines)),
            expect,
        };
        self.finish_verb(fields, "logs");
        Some(VerbSpec::Logs(logs))
    }

    /// `lines` of `logs`.
    fn line_choice(&mut self, field: Field<'_>) -> Option<LineChoiceSpec> {
        let help = match &field.node.kind {
            NodeKind::String(text) => Some(format!("write {{containing: {text:?}}}")),
            NodeKind::Number(number) => Some(format!(
                "the last {number} lines are `tail: {number}`; how many there must be stands in \
                 `expect`: {{stdout: {{lines: {number}}}}}"
            )),
            _ => None,
        };
        if let Some(help) = help {
            self.expected(field, "a map", Some(&help));
            return None;
        }
        let mut fields = self.fields(field, "`lines`")?;
        let lines = LineChoiceSpec {
            containing: self.optional_text(&mut fields, "containing"),
            matching: self.optional_text(&mut fields, "matching"),
            first: fields
                .optional("first")
                .and_then(|first| self.number(first, 1)),
        };
        let chooses = lines.containing.is_some() || lines.matching.is_some();
        if !chooses && fields.is_complete() {
            self.report_with_help(
                field.key,
                "`lines` chooses none",
                "write {containing: TEXT} or {matching: PATTERN}",
            );
        }
        fields.finish_with(self, |name| match name {
            "contains" => Some("did you mean `containing`?".to_owned()),
            "matches" => Some("did you mean `matching`?".to_owned()),
            _ => None,
        });
        Some(lines)
    }

    pub(super) fn events(
        &mut self,
        field: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<VerbSpec> {
        let count = self.expect_fields(expect, "events").and_then(|mut fields| {
            let count = fields.required(self, "count");
            fields.finish(self);
            self.count_expect(count?)
        });
        let mut fields = self.object_fields(field)?;
        let target = fields.optional("target");
        let mut events = EventsSpec {
            target: None,
            namespace: None,
            kind: fields.optional("type").and_then(|kind| {
                self.choice(kind, &[("Normal", "Normal"), ("Warning", "Warning")])
            }),
            reason: self.optional_text(&mut fields, "reason"),
            since: self.optional_text(&mut fields, "since"),
            count,
        };
        match target {
            Some(target) => events.target = Some(self.target_at(&mut fields, Some(target))),
            None => events.namespace = self.optional_text(&mut fields, "namespace"),
        }
        fields.finish_with(self, |name| {
            matches!(name, "selector" | "where" | "allNamespaces")
                .then(|| "this chooses objects: name their kind in `target`".to_owned())
        });
        Some(VerbSpec::Events(events))
    }

    pub(super) fn can(&mut self, field: Field<'_>, expect: Option<Field<'_>>) -> Option<VerbSpec> {
        let allowed = self.expect_fields(expect, "can").and_then(|mut fields| {
            let allowed = fields.required(self, "allowed");
            fields.finish(self);
            self.boolean(allowed?)
        });
        let mut fields = self.fields(field, "`can`")?;
        let can = CanSpec {
            who: fields.optional("as").and_then(|who| self.identity(who)),
            verb: self.required_text(&mut fields, "verb"),
            resource: self.required_text(&mut fields, "resource"),
            name: self.optional_text(&mut fields, "name"),
            namespace: self.optional_text(&mut fields, "namespace"),
            allowed: allowed.unwrap_or(true),
        };
        self.finish_verb(fields, "can");
        Some(VerbSpec::Can(can))
    }
}
