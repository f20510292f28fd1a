//! The verbs that run programs: exec, run, command, script.

use crate::spec::decode::{Decoder, Field, Fields, pinned};
use crate::spec::schema::{
    CommandSpec, ExecSpec, LocalProcessSpec, ProcessExpectSpec, RunSpec, ScriptSpec, Text, VerbSpec,
};
use crate::yaml::NodeKind;

impl Decoder<'_> {
    pub(super) fn exec(&mut self, field: Field<'_>, expect: Option<Field<'_>>) -> Option<VerbSpec> {
        let expect = self.process_expect(expect, "exec");
        let mut fields = self.fields(field, "`exec`")?;
        let exec = ExecSpec {
            target: self.target(&mut fields),
            each: self.flag(&mut fields, "each"),
            container: self.optional_text(&mut fields, "container"),
            command: fields
                .required(self, "command")
                .and_then(|command| self.words(command)),
            stdin: self.optional_text(&mut fields, "stdin"),
            expect,
        };
        self.finish_verb(fields, "exec");
        Some(VerbSpec::Exec(exec))
    }

    pub(super) fn run(&mut self, field: Field<'_>, expect: Option<Field<'_>>) -> Option<VerbSpec> {
        let expect = self.process_expect(expect, "run");
        if let NodeKind::String(text) = &field.node.kind {
            let help = format!(
                "`run` makes a pod: {{image: …, command: [{text}]}}; for a program on this \
                 machine write `command` or `script`"
            );
            self.expected(field, "a map", Some(&help));
            return None;
        }
        let mut fields = self.fields(field, "`run`")?;
        let run = RunSpec {
            image: self.required_text(&mut fields, "image"),
            command: fields
                .optional("command")
                .and_then(|command| self.words(command)),
            env: self.named_texts(&mut fields, "env"),
            namespace: self.optional_text(&mut fields, "namespace"),
            spec: fields.optional("spec").and_then(|spec| {
                self.entries(spec)?;
                Some(pinned(spec))
            }),
            expect,
        };
        self.finish_verb(fields, "run");
        Some(VerbSpec::Run(run))
    }

    pub(super) fn local_command(
        &mut self,
        field: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<VerbSpec> {
        let expect = self.process_expect(expect, "command");
        if let NodeKind::String(text) = &field.node.kind {
            let words: Vec<_> = text.split_whitespace().collect();
            let help = format!(
                "write [{}]; with pipes or variables, `script: {text}`",
                words.join(", ")
            );
            self.expected(field, "a list or a map", Some(&help));
            return None;
        }
        if matches!(field.node.kind, NodeKind::List(_)) {
            return Some(VerbSpec::Command(CommandSpec {
                args: self.words(field),
                raw: false,
                process: LocalProcessSpec {
                    expect,
                    ..LocalProcessSpec::default()
                },
            }));
        }
        let mut fields = self.fields(field, "`command`")?;
        let command = CommandSpec {
            args: fields
                .required(self, "args")
                .and_then(|args| self.words(args)),
            raw: self.flag(&mut fields, "raw"),
            process: self.local_process(&mut fields, expect),
        };
        self.finish_verb(fields, "command");
        Some(VerbSpec::Command(command))
    }

    pub(super) fn script(
        &mut self,
        field: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<VerbSpec> {
        let expect = self.process_expect(expect, "script");
        if matches!(field.node.kind, NodeKind::String(_)) {
            return Some(VerbSpec::Script(ScriptSpec {
                text: self.text(field),
                raw: false,
                shell: None,
                process: LocalProcessSpec {
                    expect,
                    ..LocalProcessSpec::default()
                },
            }));
        }
        if matches!(field.node.kind, NodeKind::List(_) | NodeKind::Null) {
            let help = "a list of words is a `command`";
            self.expected(field, "text or a map", Some(help));
            return None;
        }
        let mut fields = self.fields(field, "`script`")?;
        let script = ScriptSpec {
            text: self.required_text(&mut fields, "text"),
            raw: self.flag(&mut fields, "raw"),
            shell: self.optional_text(&mut fields, "shell"),
            process: self.local_process(&mut fields, expect),
        };
        self.finish_verb(fields, "script");
        Some(VerbSpec::Script(script))
    }

    fn local_process(
        &mut self,
        fields: &mut Fields<'_>,
        expect: ProcessExpectSpec,
    ) -> LocalProcessSpec {
        LocalProcessSpec {
            env: self.named_texts(fields, "env"),
            cwd: self.optional_text(fields, "cwd"),
            stdin: self.optional_text(fields, "stdin"),
            expect,
        }
    }

    /// A program and its arguments.
    fn words(&mut self, field: Field<'_>) -> Option<Vec<Text>> {
        if let NodeKind::String(text) = &field.node.kind {
            let help = format!("a command is a list: [sh, -c, {text:?}]");
            self.expected(field, "a list", Some(&help));
            return None;
        }
        let items = self.items(field, None)?;
        if items.is_empty() {
            self.report(
                field.key,
                format!("`{}` is empty: it names the program to run", field.name),
            );
            return None;
        }
        let count = items.len();
        let words: Vec<_> = items
            .into_iter()
            .filter_map(|item| self.text(item))
            .collect();
        (words.len() == count).then_some(words)
    }
}
