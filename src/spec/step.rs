//! The steps of a suite: one verb each, and what goes beside it.

use crate::diagnostic::Diagnostic;
use crate::matcher::{ExitExpectation, OutputExpectation};
use crate::spec::decode::{Decoder, Field, Fields};
use crate::spec::schema::{ExpectSpec, ManifestsSpec, StepSpec, Text, UntilSpec, VerbSpec};
use crate::yaml::NodeKind;

/// The verbs, as messages list them.
const VERBS: [&str; 3] = ["apply", "wait", "exec"];

impl Decoder<'_> {
    pub(super) fn steps(&mut self, field: Field<'_>) -> Vec<StepSpec> {
        let items = self
            .items(field, Some("each step begins with `- ` and its verb"))
            .unwrap_or_default();
        items
            .into_iter()
            .filter_map(|item| self.step(item))
            .collect()
    }

    fn step(&mut self, field: Field<'_>) -> Option<StepSpec> {
        if !matches!(field.node.kind, NodeKind::Map(_)) {
            self.report_with_help(
                field.span(),
                format!("a step is a map, not {}", field.node.kind.describe()),
                format!("a step has one verb: {}", VERBS.join(", ")),
            );
            return None;
        }
        let mut fields = self.fields(field, "a step")?;
        let verbs = VERBS.map(|verb| fields.optional(verb));
        let given: Vec<_> = verbs.into_iter().flatten().collect();
        let expect = fields.optional("expect");
        let mut step = StepSpec {
            span: given.first().map_or(field.key, |verb| verb.key),
            name: self.optional_text(&mut fields, "name"),
            verb: None,
            timeout: self.optional_text(&mut fields, "timeout"),
            failure: self.optional_text(&mut fields, "failure"),
        };
        match given[..] {
            [] => self.no_verb(&fields, field),
            [verb] => step.verb = self.verb(verb, expect),
            [first, second, ..] => self.exclude(first, second, "a step has exactly one verb"),
        }
        fields.finish(self);
        Some(step)
    }

    /// An unknown field is most likely the verb, and is reported as such.
    fn no_verb(&mut self, fields: &Fields<'_>, step: Field<'_>) {
        if fields.unknown().next().is_none() {
            self.report_with_help(
                step.key,
                "a step has exactly one verb, this one has none",
                format!("the verbs: {}", VERBS.join(", ")),
            );
        }
    }

    fn verb(&mut self, verb: Field<'_>, expect: Option<Field<'_>>) -> Option<VerbSpec> {
        if let Some(expect) = expect
            && verb.name != "exec"
        {
            let diagnostic = Diagnostic::new(
                format!("`{}` takes no `expect`", verb.name),
                self.place(expect.key),
            )
            .help("`expect` is for what an `exec` writes and how it exits");
            self.diagnostics.push(diagnostic);
        }
        match verb.name {
            "apply" => self.apply(verb),
            "wait" => self.wait(verb),
            _ => self.exec(verb, expect),
        }
    }

    fn apply(&mut self, field: Field<'_>) -> Option<VerbSpec> {
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
        let mut fields = self.fields(field, "`apply`")?;
        let sources = ["template", "file", "manifest"].map(|source| fields.optional(source));
        let raw = fields.optional("raw");
        let namespace = self.optional_text(&mut fields, "namespace");
        let force = self.flag(&mut fields, "force");
        let is_complete = fields.unknown().next().is_none();
        fields.finish(self);
        let given: Vec<_> = sources.into_iter().flatten().collect();
        let manifests = match given[..] {
            [] => {
                if is_complete {
                    self.report_with_help(
                        field.key,
                        "`apply` needs something to apply",
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
        Some(VerbSpec::Apply {
            manifests,
            namespace,
            force,
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

    fn wait(&mut self, field: Field<'_>) -> Option<VerbSpec> {
        let mut fields = self.fields(field, "`wait`")?;
        let verb = VerbSpec::Wait {
            target: self.required_text(&mut fields, "target"),
            namespace: self.optional_text(&mut fields, "namespace"),
            until: fields
                .required(self, "until")
                .and_then(|until| self.choice(until, &[("rolledOut", UntilSpec::RolledOut)])),
            per_node: fields.optional("perNode").and_then(|per_node| {
                let span = per_node.span();
                self.boolean(per_node)?.then_some(span)
            }),
        };
        fields.finish(self);
        Some(verb)
    }

    fn exec(&mut self, field: Field<'_>, expect: Option<Field<'_>>) -> Option<VerbSpec> {
        let expect = expect.map(|expect| self.expect(expect)).unwrap_or_default();
        let mut fields = self.fields(field, "`exec`")?;
        let verb = VerbSpec::Exec {
            target: self.required_text(&mut fields, "target"),
            container: self.optional_text(&mut fields, "container"),
            namespace: self.optional_text(&mut fields, "namespace"),
            command: fields
                .required(self, "command")
                .and_then(|command| self.command(command)),
            stdin: self.optional_text(&mut fields, "stdin"),
            expect,
        };
        fields.finish(self);
        Some(verb)
    }

    fn command(&mut self, field: Field<'_>) -> Option<Vec<Text>> {
        if let NodeKind::String(text) = &field.node.kind {
            let help = format!("a command is a list: [sh, -c, {text:?}]");
            self.expected(field, "a list", Some(&help));
            return None;
        }
        let items = self.items(field, None)?;
        if items.is_empty() {
            self.report(field.key, "`command` is empty: it names the program to run");
            return None;
        }
        let count = items.len();
        let words: Vec<_> = items
            .into_iter()
            .filter_map(|item| self.text(item))
            .collect();
        (words.len() == count).then_some(words)
    }

    fn expect(&mut self, field: Field<'_>) -> ExpectSpec {
        let Some(mut fields) = self.fields(field, "`expect`") else {
            return ExpectSpec::default();
        };
        let expect = ExpectSpec {
            exit: fields.optional("exit").and_then(|exit| self.exit(exit)),
            stdout: fields
                .optional("stdout")
                .and_then(|stdout| self.output(stdout)),
            stderr: fields
                .optional("stderr")
                .and_then(|stderr| self.output(stderr)),
        };
        fields.finish(self);
        expect
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

    fn output(&mut self, field: Field<'_>) -> Option<OutputExpectation<Text>> {
        if let NodeKind::String(text) = &field.node.kind {
            let help = format!("write {{equals: {text:?}}} or {{contains: {text:?}}}");
            self.expected(field, "a map", Some(&help));
            return None;
        }
        let mut fields = self.fields(field, "what is expected of an output")?;
        let expectation = OutputExpectation {
            equals: self.optional_text(&mut fields, "equals"),
            contains: self.optional_texts(&mut fields, "contains"),
            matches: self.optional_texts(&mut fields, "matches"),
            absent: self.optional_texts(&mut fields, "absent"),
            empty: fields
                .optional("empty")
                .and_then(|empty| self.boolean(empty)),
            lines: fields
                .optional("lines")
                .and_then(|lines| self.count(lines, 0)),
        };
        fields.finish(self);
        Some(expectation)
    }

    fn required_text(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<Text> {
        fields
            .required(self, name)
            .and_then(|field| self.text(field))
    }

    fn optional_text(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<Text> {
        fields.optional(name).and_then(|field| self.text(field))
    }

    fn optional_texts(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Vec<Text> {
        fields
            .optional(name)
            .map(|field| self.texts(field))
            .unwrap_or_default()
    }

    fn flag(&mut self, fields: &mut Fields<'_>, name: &'static str) -> bool {
        fields
            .optional(name)
            .and_then(|field| self.boolean(field))
            .unwrap_or(false)
    }
}
