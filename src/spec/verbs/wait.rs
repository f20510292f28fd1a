//! `wait`, and what it can wait for.

use crate::diagnostic::nearest;
use crate::spec::decode::{Decoder, Field, pinned};
use crate::spec::schema::{UntilSpec, VerbSpec, WaitSpec};
use crate::yaml::NodeKind;

const UNTIL_HELP: &str = "write rolledOut, exists, deleted, {condition: Ready}, \
                          {jsonpath: \"{.status.phase}\", equals: Running}, {match: …} or {that: …}";

impl Decoder<'_> {
    pub(in crate::spec) fn wait(
        &mut self,
        field: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<VerbSpec> {
        self.no_expect("wait", expect, "what it waits for is said in `until`");
        let mut fields = self.object_fields(field)?;
        let wait = WaitSpec {
            target: self.target(&mut fields),
            until: fields
                .required(self, "until")
                .and_then(|until| self.until(until)),
            unless: fields
                .optional("unless")
                .and_then(|unless| self.until(unless)),
            per_node: self.flag_span(&mut fields, "perNode"),
            settle: self.optional_text(&mut fields, "settle"),
        };
        let no_failure = match &wait.unless {
            Some(UntilSpec::RolledOut) => Some("being rolled out is no failure"),
            Some(UntilSpec::Exists) => Some("being there is no failure, and what `absent` is for"),
            Some(UntilSpec::Deleted) => Some("what is not there is waited for"),
            _ => None,
        };
        if let (Some(why), Some(unless)) = (no_failure, fields.optional("unless")) {
            self.report_with_help(
                unless.span(),
                format!("`unless` is what ends the wait as failed: {why}"),
                "write {condition: Failed}",
            );
        }
        self.finish_verb(fields, "wait");
        Some(VerbSpec::Wait(wait))
    }

    fn until(&mut self, field: Field<'_>) -> Option<UntilSpec> {
        if let NodeKind::String(word) = &field.node.kind {
            return self.until_word(field, word);
        }
        if !matches!(field.node.kind, NodeKind::Map(_)) {
            self.expected(field, "a word or a map", Some(UNTIL_HELP));
            return None;
        }
        let mut fields = self.fields(field, format!("`{}`", field.name))?;
        let condition = fields.optional("condition");
        let jsonpath = fields.optional("jsonpath");
        let status = fields.optional("status");
        let equals = fields.optional("equals");
        let check = self.object_check_in(&mut fields);
        let is_complete = fields.is_complete();
        fields.finish(self);
        for (extra, of) in [(status, condition), (equals, jsonpath)] {
            if let (Some(extra), None) = (extra, of) {
                let owner = match extra.name {
                    "status" => "condition",
                    _ => "jsonpath",
                };
                self.report(extra.key, format!("`{}` is for `{owner}`", extra.name));
            }
        }
        match (condition, jsonpath, check) {
            (Some(condition), None, None) => Some(UntilSpec::Condition {
                kind: self.text(condition)?,
                status: status.and_then(|status| self.text(status)),
            }),
            (None, Some(jsonpath), None) => Some(UntilSpec::Jsonpath {
                path: self.text(jsonpath)?,
                equals: equals.map(pinned),
            }),
            (None, None, Some(check)) => Some(UntilSpec::Object(check)),
            (None, None, None) => {
                if is_complete && status.is_none() && equals.is_none() {
                    self.report_with_help(
                        field.key,
                        format!("`{}` says nothing", field.name),
                        UNTIL_HELP,
                    );
                }
                None
            }
            _ => {
                self.report_with_help(
                    field.key,
                    format!("`{}` is one of them", field.name),
                    UNTIL_HELP,
                );
                None
            }
        }
    }

    fn until_word(&mut self, field: Field<'_>, word: &str) -> Option<UntilSpec> {
        const WORDS: [(&str, UntilSpec); 3] = [
            ("rolledOut", UntilSpec::RolledOut),
            ("exists", UntilSpec::Exists),
            ("deleted", UntilSpec::Deleted),
        ];
        if let Some((_, until)) = WORDS.iter().find(|(known, _)| *known == word) {
            return Some(until.clone());
        }
        let help = match nearest(word, WORDS.map(|(known, _)| known)) {
            Some(near) => format!("did you mean `{near}`?"),
            // `Ready`, `Available` and their like are types of conditions
            None if word.starts_with(char::is_uppercase)
                && word.chars().all(char::is_alphanumeric) =>
            {
                format!("write {{condition: {word}}}")
            }
            None if word.starts_with('{') || word.starts_with(['.', '$']) => {
                format!("write {{jsonpath: {word:?}}}")
            }
            None => UNTIL_HELP.to_owned(),
        };
        self.report_with_help(
            field.span(),
            format!(
                "`{}` takes `rolledOut`, `exists`, `deleted` or a map, not `{word}`",
                field.name
            ),
            help,
        );
        None
    }
}
