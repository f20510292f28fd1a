//! The verbs about other steps, and those that only pass the time: during, foreach,
//! use, skip, error, sleep.

use crate::spec::decode::{Decoder, Field, entry, pinned};
use crate::spec::schema::{DuringSpec, ForeachSpec, Text, UseSpec, VerbSpec};
use crate::yaml::NodeKind;

/// What `during` can repeat: verbs that look and change nothing of their own.
const LOOKS: [&str; 8] = [
    "http", "exec", "get", "can", "command", "script", "assert", "absent",
];

impl Decoder<'_> {
    pub(super) fn during(
        &mut self,
        field: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<VerbSpec> {
        let expect = expect.and_then(|expect| {
            let mut fields = self.expect_fields(Some(expect), "during")?;
            fields.optional("total");
            fields.optional("failed");
            fields.finish_with(self, |name| {
                matches!(name, "status" | "exit" | "body" | "stdout").then(|| {
                    "what is expected of each look stands in `during`, beside its verb".to_owned()
                })
            });
            Some(pinned(expect))
        });
        let mut fields = self.fields(field, "`during`")?;
        let every = self.required_text(&mut fields, "every");
        let steps = fields.required(self, "steps");
        let look = self.step_of(&mut fields, field, &LOOKS);
        let is_complete = fields.is_complete();
        fields.finish_with(self, |name| {
            super::super::step::VERBS
                .contains(&name)
                .then(|| format!("`during` repeats a look, one of {}", LOOKS.join(", ")))
        });
        let steps = self.inner_steps(steps);
        Some(VerbSpec::During(DuringSpec {
            every,
            look: (is_complete && look.verb.is_some()).then(|| Box::new(look)),
            steps,
            expect,
        }))
    }

    fn inner_steps(&mut self, steps: Option<Field<'_>>) -> Vec<crate::spec::schema::StepSpec> {
        let Some(field) = steps else {
            return Vec::new();
        };
        if matches!(&field.node.kind, NodeKind::List(items) if items.is_empty()) {
            self.report(field.key, "`steps` is empty");
        }
        self.steps(field)
    }

    pub(super) fn foreach(
        &mut self,
        field: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<VerbSpec> {
        self.no_expect("foreach", expect, "its steps have what they expect");
        let help = "write {node: \"{{ nodes }}\", steps: […]}: the name of an item, and the list";
        if !matches!(field.node.kind, NodeKind::Map(_)) {
            self.expected(field, "a map", Some(help));
            return None;
        }
        let mut fields = self.fields(field, "`foreach`")?;
        let steps = fields.required(self, "steps");
        let steps = self.inner_steps(steps);
        let mut foreach = ForeachSpec {
            name: None,
            items: None,
            steps,
        };
        let entries = self.entries(field)?;
        let named: Vec<_> = entries
            .iter()
            .filter(|(name, _)| name.value != "steps")
            .collect();
        match named[..] {
            [] => self.report_with_help(field.key, "`foreach` has no list", help),
            [(name, node)] => {
                foreach.name = Some(name.clone());
                let list = entry(name, node);
                match &node.kind {
                    NodeKind::List(_) => foreach.items = Some(pinned(list)),
                    NodeKind::String(text) if text.contains("{{") => {
                        foreach.items = Some(pinned(list));
                    }
                    _ => self.expected(
                        list,
                        "a list, or an expression that is one",
                        Some("write [a, b] or \"{{ nodes }}\""),
                    ),
                }
            }
            [(first, first_node), (second, second_node), ..] => self.exclude(
                entry(first, first_node),
                entry(second, second_node),
                "`foreach` has one name beside `steps`",
            ),
        }
        Some(VerbSpec::Foreach(foreach))
    }

    /// The reason of a verb that ends the case: `skip` or `error`.
    pub(super) fn ending(
        &mut self,
        field: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<Option<Text>> {
        self.no_expect(field.name, expect, "it ends the case");
        if matches!(field.node.kind, NodeKind::Map(_) | NodeKind::List(_)) {
            let help = match field.name {
                "error" => "that an object is not there, or not so, is said by `absent`",
                _ => "the steps of a case that is skipped stand beside it, after it",
            };
            self.expected(field, "the reason, as text", Some(help));
            return None;
        }
        if matches!(field.node.kind, NodeKind::Bool(_) | NodeKind::Null) {
            let help = format!(
                "reports show why: {}: \"the volume is tied to a node\"",
                field.name
            );
            self.expected(field, "the reason, as text", Some(&help));
            return None;
        }
        Some(self.text(field))
    }

    pub(super) fn sleep(
        &mut self,
        field: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<VerbSpec> {
        self.no_expect("sleep", expect, "it always passes");
        Some(VerbSpec::Sleep(self.text(field)))
    }

    pub(super) fn use_steps(
        &mut self,
        field: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<VerbSpec> {
        self.no_expect("use", expect, "its steps have what they expect");
        if let NodeKind::String(text) = &field.node.kind {
            let help = format!("write {{steps: {text}}}");
            self.expected(field, "a map", Some(&help));
            return None;
        }
        let mut fields = self.fields(field, "`use`")?;
        let name = self.required_text(&mut fields, "steps");
        let with = self.named_nodes(&mut fields, "with");
        fields.finish_with(self, |name| {
            matches!(name, "inputs" | "args" | "values").then(|| "values go into `with`".to_owned())
        });
        Some(VerbSpec::Use(UseSpec { name, with }))
    }
}
