//! Steps: one verb each, and what goes beside it. `verbs` reads the verbs.

use crate::diagnostic::Diagnostic;
use crate::spec::decode::{Decoder, Field, Fields};
use crate::spec::hints;
use crate::spec::schema::{IdentitySpec, RetrySpec, StepSpec, VerbSpec};
use crate::yaml::NodeKind;

/// The verbs, as messages list them.
pub(super) const VERBS: [&str; 22] = [
    "apply", "create", "patch", "delete", "get", "assert", "absent", "wait", "exec", "run",
    "command", "script", "logs", "events", "http", "can", "during", "foreach", "skip", "error",
    "sleep", "use",
];

/// What stands beside a verb, and not in it.
const BESIDE: [&str; 9] = [
    "name", "if", "timeout", "retry", "expect", "capture", "failure", "as", "cluster",
];

/// What may look at a case that did not pass.
const COLLECTORS: [&str; 7] = ["get", "logs", "events", "exec", "command", "script", "http"];

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

    /// Steps that look at what failed and must not change it.
    pub(super) fn collectors(&mut self, field: Field<'_>) -> Vec<StepSpec> {
        let steps = self.steps(field);
        for step in &steps {
            let Some(verb) = step.verb.as_ref().map(VerbSpec::name) else {
                continue;
            };
            if !COLLECTORS.contains(&verb) {
                self.report_with_help(
                    step.span,
                    format!("`onFailure` only looks: `{verb}` is not for it"),
                    format!("what looks: {}", COLLECTORS.join(", ")),
                );
            }
        }
        steps
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
        let step = self.step_of(&mut fields, field, &VERBS);
        let verb = fields.given(&VERBS);
        fields.finish_with(self, |name| {
            let verb = verb?;
            let is_bare = !matches!(verb.node.kind, NodeKind::Map(_));
            hints::in_verb(verb.name, is_bare, name)
        });
        Some(step)
    }

    /// The step whose verb, one of these, stands among fields.
    pub(super) fn step_of(
        &mut self,
        fields: &mut Fields<'_>,
        field: Field<'_>,
        verbs: &[&'static str],
    ) -> StepSpec {
        let given: Vec<_> = verbs
            .iter()
            .filter_map(|verb| fields.optional(verb))
            .collect();
        let expect = fields.optional("expect");
        let mut step = StepSpec {
            span: given.first().map_or(field.key, |verb| verb.key),
            name: self.optional_text(fields, "name"),
            when: self.optional_text(fields, "if"),
            verb: None,
            timeout: self.optional_text(fields, "timeout"),
            retry: fields.optional("retry").and_then(|retry| self.retry(retry)),
            capture: self.named_nodes(fields, "capture"),
            failure: self.optional_text(fields, "failure"),
            identity: fields.optional("as").and_then(|who| self.identity(who)),
            cluster: self.optional_text(fields, "cluster"),
        };
        match given[..] {
            [] => self.no_verb(fields, field, verbs),
            [verb] => step.verb = self.verb(verb, expect),
            [first, second, ..] => self.exclude(first, second, "a step has exactly one verb"),
        }
        step
    }

    /// An unknown field is most likely the verb, and is reported as such.
    fn no_verb(&mut self, fields: &Fields<'_>, step: Field<'_>, verbs: &[&str]) {
        if fields.is_complete() {
            self.report_with_help(
                step.key,
                if step.name == "during" {
                    "`during` has exactly one verb to repeat, this one has none"
                } else {
                    "a step has exactly one verb, this one has none"
                },
                format!("the verbs: {}", verbs.join(", ")),
            );
        }
    }

    /// Reports the fields that a verb does not have; some stand beside it.
    pub(super) fn finish_verb(&mut self, fields: Fields<'_>, verb: &str) {
        let has_target = fields.knows("target");
        let is_of_manifest = has_target
            && fields
                .unknown()
                .any(|key| hints::identity(&key.value).is_some());
        fields.finish_with(self, |name| match name {
            // beside a `kind` it is the object's
            "name" if is_of_manifest => hints::identity("kind"),
            name if BESIDE.contains(&name) => {
                Some(format!("`{name}` stands beside `{verb}`, not in it"))
            }
            name if has_target => hints::identity(name),
            _ => None,
        });
    }

    /// Refuses an `expect` beside a verb that has nothing to expect.
    pub(super) fn no_expect(&mut self, verb: &str, expect: Option<Field<'_>>, help: &str) {
        if let Some(expect) = expect {
            let diagnostic = Diagnostic::new(
                format!("`{verb}` takes no `expect`"),
                self.place(expect.key),
            )
            .help(help);
            self.diagnostics.push(diagnostic);
        }
    }

    fn retry(&mut self, field: Field<'_>) -> Option<RetrySpec> {
        if let NodeKind::Number(number) = &field.node.kind {
            let help = format!("write {{attempts: {number}}}");
            self.expected(field, "a map", Some(&help));
            return None;
        }
        let mut fields = self.fields(field, "`retry`")?;
        let retry = RetrySpec {
            attempts: fields
                .required(self, "attempts")
                .and_then(|attempts| self.number(attempts, 1)),
            delay: self.optional_text(&mut fields, "delay"),
        };
        fields.finish(self);
        Some(retry)
    }

    /// `as`: a user alone may be written as text.
    pub(super) fn identity(&mut self, field: Field<'_>) -> Option<IdentitySpec> {
        if !matches!(field.node.kind, NodeKind::Map(_)) {
            return match field.node.kind {
                NodeKind::List(_) | NodeKind::Null => {
                    let help = "write {serviceAccount: ci}, {user: jane} or jane";
                    self.expected(field, "a user", Some(help));
                    None
                }
                _ => self.text(field).map(|user| IdentitySpec::User {
                    user,
                    groups: Vec::new(),
                }),
            };
        }
        let mut fields = self.fields(field, "`as`")?;
        let account = fields.optional("serviceAccount");
        let user = fields.optional("user");
        let namespace = fields.optional("namespace");
        let groups = fields.optional("groups");
        let is_complete = fields.is_complete();
        fields.finish(self);
        match (account, user) {
            (Some(account), Some(user)) => {
                self.exclude(account, user, "a step acts as one of them");
                None
            }
            (Some(account), None) => {
                if let Some(groups) = groups {
                    self.exclude(account, groups, "a service account has groups of its own");
                }
                let namespace = namespace.and_then(|namespace| self.text(namespace));
                self.text(account)
                    .map(|name| IdentitySpec::ServiceAccount { name, namespace })
            }
            (None, Some(user)) => {
                if let Some(namespace) = namespace {
                    self.exclude(user, namespace, "only a service account has a namespace");
                }
                let groups = groups.map(|groups| self.texts(groups)).unwrap_or_default();
                self.text(user)
                    .map(|user| IdentitySpec::User { user, groups })
            }
            (None, None) => {
                if is_complete {
                    self.report_with_help(
                        field.key,
                        "`as` needs `serviceAccount` or `user`",
                        "write {serviceAccount: ci} or {user: jane, groups: [admins]}",
                    );
                }
                None
            }
        }
    }
}
