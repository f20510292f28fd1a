//! `expect`: what a step takes for passed. Each verb has its own fields.

use crate::matcher::{ExitExpectation, OutputExpectation};
use crate::spec::decode::{Decoder, Field, Fields, entry, pinned};
use crate::spec::schema::{
    CountSpec, HttpExpectSpec, ProcessExpectSpec, RejectionSpec, TextExpectSpec, TookSpec,
    WriteExpectSpec,
};
use crate::yaml::NodeKind;

impl Decoder<'_> {
    /// The fields of `expect`; none where it is not there.
    pub(super) fn expect_fields<'n>(
        &mut self,
        expect: Option<Field<'n>>,
        verb: &str,
    ) -> Option<Fields<'n>> {
        self.fields(expect?, format!("the `expect` of `{verb}`"))
    }

    pub(super) fn write_expect(
        &mut self,
        expect: Option<Field<'_>>,
        verb: &str,
    ) -> WriteExpectSpec {
        let Some(mut fields) = self.expect_fields(expect, verb) else {
            return WriteExpectSpec::default();
        };
        let expect = WriteExpectSpec {
            rejected: fields
                .optional("rejected")
                .and_then(|rejected| self.rejected(rejected)),
            warnings: fields
                .optional("warnings")
                .and_then(|warnings| self.output(warnings)),
        };
        fields.finish(self);
        expect
    }

    fn rejected(&mut self, field: Field<'_>) -> Option<RejectionSpec> {
        if let NodeKind::Bool(rejected) = field.node.kind {
            return rejected.then(RejectionSpec::default);
        }
        let mut fields = self.fields(field, "`rejected`")?;
        let rejection = RejectionSpec {
            code: fields
                .optional("code")
                .and_then(|code| self.status_code(code)),
            reason: self.optional_text(&mut fields, "reason"),
            message: OutputExpectation {
                equals: self.optional_text(&mut fields, "equals"),
                contains: self.optional_texts(&mut fields, "contains"),
                matches: self.optional_texts(&mut fields, "matches"),
                absent: self.optional_texts(&mut fields, "absent"),
                ..OutputExpectation::default()
            },
        };
        fields.finish_with(self, |name| {
            (name == "message").then(|| "write {contains: …} or {matches: …} itself".to_owned())
        });
        Some(rejection)
    }

    pub(super) fn process_expect(
        &mut self,
        expect: Option<Field<'_>>,
        verb: &str,
    ) -> ProcessExpectSpec {
        let Some(mut fields) = self.expect_fields(expect, verb) else {
            return ProcessExpectSpec::default();
        };
        let mut expect = ProcessExpectSpec {
            exit: fields.optional("exit").and_then(|exit| self.exit(exit)),
            stdout: fields
                .optional("stdout")
                .and_then(|stdout| self.text_expect(stdout)),
            stderr: None,
            took: self.took(&mut fields),
        };
        // the log of a pod is one stream
        if verb != "run" {
            expect.stderr = fields
                .optional("stderr")
                .and_then(|stderr| self.text_expect(stderr));
        }
        fields.finish_with(self, |name| {
            (name == "stderr").then(|| {
                "the log of a pod holds both: `stdout` is stdout and stderr together".to_owned()
            })
        });
        expect
    }

    pub(super) fn http_expect(
        &mut self,
        expect: Option<Field<'_>>,
        verb: &str,
        is_tls_ours: bool,
    ) -> HttpExpectSpec {
        let Some(mut fields) = self.expect_fields(expect, verb) else {
            return HttpExpectSpec::default();
        };
        let mut expect = HttpExpectSpec {
            status: fields
                .optional("status")
                .map(|status| self.statuses(status))
                .unwrap_or_default(),
            headers: Vec::new(),
            body: fields
                .optional("body")
                .and_then(|body| self.text_expect(body)),
            valid_for: None,
            took: self.took(&mut fields),
        };
        if let Some(headers) = fields.optional("headers") {
            let entries = self.entries(headers).unwrap_or_default();
            expect.headers = entries
                .iter()
                .filter_map(|(name, node)| {
                    Some((name.clone(), self.text_expect(entry(name, node))?))
                })
                .collect();
        }
        if is_tls_ours
            && let Some(tls) = fields.optional("tls")
            && let Some(mut fields) = self.fields(tls, "`tls`")
        {
            expect.valid_for = self.required_text(&mut fields, "validFor");
            fields.finish(self);
        }
        fields.finish(self);
        expect
    }

    fn statuses(&mut self, field: Field<'_>) -> Vec<u16> {
        let items = match &field.node.kind {
            NodeKind::List(items) if items.is_empty() => {
                self.report(field.key, "`status` names no status");
                return Vec::new();
            }
            NodeKind::List(_) => self.items(field, None).unwrap_or_default(),
            _ => vec![field],
        };
        items
            .into_iter()
            .filter_map(|item| self.status_code(item))
            .collect()
    }

    fn status_code(&mut self, field: Field<'_>) -> Option<u16> {
        let NodeKind::Number(number) = &field.node.kind else {
            self.expected(field, "an HTTP status", Some("write 200 or [200, 204]"));
            return None;
        };
        let code = number
            .as_u64()
            .and_then(|code| u16::try_from(code).ok())
            .filter(|code| (100..600).contains(code));
        if code.is_none() {
            self.report(field.span(), "an HTTP status is a number from 100 to 599");
        }
        code
    }

    /// `took`, which is a map of bounds.
    pub(super) fn took(&mut self, fields: &mut Fields<'_>) -> Option<TookSpec> {
        let field = fields.optional("took")?;
        if let NodeKind::String(text) = &field.node.kind {
            let help = format!("write {{max: {text}}}");
            self.expected(field, "a map", Some(&help));
            return None;
        }
        let mut fields = self.fields(field, "`took`")?;
        let took = TookSpec {
            span: field.key,
            min: self.optional_text(&mut fields, "min"),
            max: self.optional_text(&mut fields, "max"),
        };
        fields.finish(self);
        Some(took)
    }

    /// `3`, `{min: 2, max: 4}` or `{$gte: 2}`.
    pub(super) fn count_expect(&mut self, field: Field<'_>) -> Option<CountSpec> {
        let help = "write 3, {min: 2} or {min: 2, max: 4}";
        if !matches!(field.node.kind, NodeKind::Map(_) | NodeKind::Number(_)) {
            self.expected(field, "a whole number or bounds", Some(help));
            return None;
        }
        if matches!(field.node.kind, NodeKind::Number(_)) {
            let count = self.amount(field, 0)?;
            return Some(CountSpec {
                min: Some(count),
                max: Some(count),
            });
        }
        let mut fields = self.fields(field, format!("`{}`", field.name))?;
        let mut bound = |decoder: &mut Self, name: &'static str, least: u64| {
            fields
                .optional(name)
                .and_then(|field| decoder.amount(field, least))
        };
        let mins = [
            bound(self, "min", 0),
            bound(self, "$gte", 0),
            bound(self, "$gt", 0).map(|count| count.saturating_add(1)),
        ];
        let maxes = [
            bound(self, "max", 0),
            bound(self, "$lte", 0),
            // fewer than none is never met
            bound(self, "$lt", 1).map(|count| count - 1),
        ];
        let is_complete = fields.is_complete();
        fields.finish(self);
        let count = CountSpec {
            min: mins.into_iter().flatten().max(),
            max: maxes.into_iter().flatten().min(),
        };
        match count {
            CountSpec {
                min: Some(min),
                max: Some(max),
            } if min > max => {
                self.report(
                    field.key,
                    format!("no count is {min} or more and {max} or less"),
                );
                return None;
            }
            CountSpec {
                min: None,
                max: None,
            } if is_complete => {
                self.report_with_help(field.key, format!("`{}` has no bound", field.name), help);
                return None;
            }
            _ => {}
        }
        Some(count)
    }

    fn exit(&mut self, field: Field<'_>) -> Option<ExitExpectation> {
        match &field.node.kind {
            NodeKind::String(text) if text == "any" => Some(ExitExpectation::Any),
            NodeKind::Map(_) => {
                let mut fields = self.fields(field, "`exit`")?;
                let codes = fields
                    .required(self, "not")
                    .and_then(|codes| self.exit_codes(codes));
                fields.finish(self);
                codes.map(ExitExpectation::NoneOf)
            }
            _ => self.exit_codes(field).map(ExitExpectation::OneOf),
        }
    }

    fn exit_codes(&mut self, field: Field<'_>) -> Option<Vec<i32>> {
        let items = match &field.node.kind {
            NodeKind::List(items) if items.is_empty() => {
                self.report(field.key, format!("`{}` names no exit code", field.name));
                return None;
            }
            NodeKind::List(_) => self.items(field, None)?,
            _ => vec![field],
        };
        let count = items.len();
        let codes: Vec<_> = items
            .into_iter()
            .filter_map(|item| self.exit_code(item))
            .collect();
        (codes.len() == count).then_some(codes)
    }

    fn exit_code(&mut self, field: Field<'_>) -> Option<i32> {
        let NodeKind::Number(number) = &field.node.kind else {
            self.expected(
                field,
                "an exit code",
                Some("write 0, [0, 2], {not: 0} or any"),
            );
            return None;
        };
        let code = number.as_u64().and_then(|code| u8::try_from(code).ok());
        if code.is_none() {
            self.report(field.span(), "an exit code is a whole number from 0 to 255");
        }
        code.map(i32::from)
    }

    /// What is expected of a text, as text and as JSON.
    pub(super) fn text_expect(&mut self, field: Field<'_>) -> Option<TextExpectSpec> {
        let mut fields = self.output_fields(field)?;
        let output = self.output_parts(&mut fields);
        let json = fields.optional("json").map(pinned);
        fields.finish(self);
        Some(TextExpectSpec { output, json })
    }

    /// What is expected of a text that is never JSON.
    fn output(&mut self, field: Field<'_>) -> Option<OutputExpectation<super::schema::Text>> {
        let mut fields = self.output_fields(field)?;
        let output = self.output_parts(&mut fields);
        fields.finish(self);
        Some(output)
    }

    fn output_fields<'n>(&mut self, field: Field<'n>) -> Option<Fields<'n>> {
        if let NodeKind::String(text) = &field.node.kind {
            let help = format!("write {{equals: {text:?}}} or {{contains: {text:?}}}");
            self.expected(field, "a map", Some(&help));
            return None;
        }
        self.fields(field, "an expected output")
    }

    fn output_parts(&mut self, fields: &mut Fields<'_>) -> OutputExpectation<super::schema::Text> {
        OutputExpectation {
            equals: self.optional_text(fields, "equals"),
            contains: self.optional_texts(fields, "contains"),
            matches: self.optional_texts(fields, "matches"),
            absent: self.optional_texts(fields, "absent"),
            empty: fields
                .optional("empty")
                .and_then(|empty| self.boolean(empty)),
            lines: fields
                .optional("lines")
                .and_then(|lines| self.count(lines, 0)),
        }
    }
}
