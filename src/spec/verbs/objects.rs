//! The verbs that look at objects: get, assert, absent. And which verb is read where.

use crate::diagnostic::{nearest, suggest};
use crate::spec::decode::{Decoder, Field, Fields, listed};
use crate::spec::schema::{
    AbsentSpec, AssertCheckSpec, AssertSpec, GetRawSpec, ObjectCheckSpec, VerbSpec,
};
use crate::yaml::NodeKind;

/// The fields of an `assert` that are about objects.
const OF_OBJECTS: [&str; 11] = [
    "match",
    "each",
    "any",
    "none",
    "count",
    "for",
    "allowEmpty",
    "namespace",
    "allNamespaces",
    "selector",
    "where",
];

/// What makes a check of `each`, `any` or `none`.
type Quantifier = fn(ObjectCheckSpec) -> AssertCheckSpec;

impl Decoder<'_> {
    /// The verb that a step has, with the `expect` beside it.
    pub(in crate::spec) fn verb(
        &mut self,
        verb: Field<'_>,
        expect: Option<Field<'_>>,
    ) -> Option<VerbSpec> {
        match verb.name {
            "apply" | "create" => self.apply(verb, expect),
            "patch" => self.patch(verb, expect),
            "delete" => self.delete(verb, expect),
            "get" => self.get(verb, expect),
            "assert" => self.assert(verb, expect),
            "absent" => self.absent(verb, expect),
            "wait" => self.wait(verb, expect),
            "exec" => self.exec(verb, expect),
            "run" => self.run(verb, expect),
            "command" => self.local_command(verb, expect),
            "script" => self.script(verb, expect),
            "logs" => self.logs(verb, expect),
            "events" => self.events(verb, expect),
            "http" => self.http(verb, expect),
            "can" => self.can(verb, expect),
            "during" => self.during(verb, expect),
            "foreach" => self.foreach(verb, expect),
            "skip" => self.ending(verb, expect).map(VerbSpec::Skip),
            "error" => self.ending(verb, expect).map(VerbSpec::Error),
            "sleep" => self.sleep(verb, expect),
            _ => self.use_steps(verb, expect),
        }
    }

    /// The fields of a verb on objects; `get: pod/a` is a beginner's.
    pub(in crate::spec) fn object_fields<'n>(&mut self, field: Field<'n>) -> Option<Fields<'n>> {
        if let NodeKind::String(text) = &field.node.kind {
            let help = format!("write {{target: {text}}}");
            self.expected(field, "a map", Some(&help));
            return None;
        }
        self.fields(field, format!("`{}`", field.name))
    }

    fn get(&mut self, field: Field<'_>, expect: Option<Field<'_>>) -> Option<VerbSpec> {
        let mut fields = self.object_fields(field)?;
        let Some(raw) = fields.optional("raw") else {
            self.no_expect(
                "get",
                expect,
                "what must hold of an object is said by `assert`",
            );
            let target = self.target(&mut fields);
            self.finish_verb(fields, "get");
            return Some(VerbSpec::Get(target));
        };
        let expect = self.http_expect(expect, "get", false);
        if let Some(target) = fields.optional("target") {
            self.exclude(target, raw, "one step gets one of them");
        }
        let path = self.text(raw);
        fields.finish_with(self, |name| {
            matches!(name, "namespace" | "selector" | "allNamespaces" | "where")
                .then(|| "a path stands for itself".to_owned())
        });
        Some(VerbSpec::GetRaw(GetRawSpec { path, expect }))
    }

    fn assert(&mut self, field: Field<'_>, expect: Option<Field<'_>>) -> Option<VerbSpec> {
        self.no_expect(
            "assert",
            expect,
            "what must hold stands in the `assert` itself",
        );
        if let NodeKind::String(text) = &field.node.kind {
            let help = format!("write {{that: {text:?}}}");
            self.expected(field, "a map", Some(&help));
            return None;
        }
        let mut fields = self.fields(field, "`assert`")?;
        let Some(target) = fields.optional("target") else {
            return self.assert_values(fields);
        };
        let mut checks = Vec::new();
        let own = self.object_check_in(&mut fields);
        let is_checked = own.is_some();
        checks.extend(own.map(AssertCheckSpec::Each));
        let mut given = is_checked;
        let quantifiers: [(&'static str, Quantifier); 3] = [
            ("each", AssertCheckSpec::Each),
            ("any", AssertCheckSpec::Any),
            ("none", AssertCheckSpec::None),
        ];
        for (name, of) in quantifiers {
            if let Some(check) = fields.optional(name) {
                given = true;
                checks.extend(self.object_check(check).map(of));
            }
        }
        if let Some(count) = fields.optional("count") {
            given = true;
            checks.extend(self.count_expect(count).map(AssertCheckSpec::Count));
        }
        let target = self.target_at(&mut fields, Some(target));
        let assert = AssertSpec {
            target: Some(target),
            checks,
            hold: self.optional_text(&mut fields, "for"),
            allow_empty: self.flag(&mut fields, "allowEmpty"),
        };
        if !given && fields.is_complete() {
            self.report_with_help(
                field.key,
                "`assert` says nothing about its target",
                "it has `match`, `that`, `each`, `any`, `none` or `count`; `wait` with \
                 `until: exists` asks for an object alone",
            );
        }
        self.finish_verb(fields, "assert");
        Some(VerbSpec::Assert(assert))
    }

    /// Without a target an `assert` is about values, and `that` is all it has.
    fn assert_values(&mut self, mut fields: Fields<'_>) -> Option<VerbSpec> {
        let that = fields.optional("that");
        let unknown: Vec<String> = fields.unknown().map(|name| name.value.clone()).collect();
        let misspelled = unknown
            .iter()
            .any(|name| nearest(name, ["target", "that"]).is_some());
        if that.is_none() && !misspelled {
            self.no_target(&fields, &unknown);
            return None;
        }
        let all = ["target", "that"].into_iter().chain(OF_OBJECTS);
        fields.finish_with(self, |name| {
            if OF_OBJECTS.contains(&name) {
                return Some("what is for objects needs the objects: name them in `target`".into());
            }
            suggest(name, all.clone())
        });
        let that = self.text(that?)?;
        Some(VerbSpec::Assert(AssertSpec {
            target: None,
            checks: vec![AssertCheckSpec::Values(that)],
            hold: None,
            allow_empty: false,
        }))
    }

    /// One mistake, whatever else stands there: what the other fields are for depends on it.
    fn no_target(&mut self, fields: &Fields<'_>, given: &[String]) {
        let strange: Vec<_> = given
            .iter()
            .filter(|name| !OF_OBJECTS.contains(&name.as_str()))
            .map(|name| format!("`{name}`"))
            .collect();
        let mut message = "`assert` needs `target`, or `that` alone".to_owned();
        if !strange.is_empty() {
            message.push_str(&format!(", and has no {}", listed(&strange)));
        }
        let has = |names: &[&str]| given.iter().any(|name| names.contains(&name.as_str()));
        let help = if has(&["file", "manifest", "template", "resource"]) {
            "what is expected is written in the suite: \
             {target: deployment/web, match: {spec: {replicas: 2}}}"
        } else if !given.is_empty() {
            "`target` names the object, `match` says how it is: \
             {target: deployment/web, match: {spec: {replicas: 2}}}"
        } else {
            "without a target it is about values: {that: got == 1}"
        };
        self.report_with_help(fields.span, message, help);
    }

    fn absent(&mut self, field: Field<'_>, expect: Option<Field<'_>>) -> Option<VerbSpec> {
        self.no_expect("absent", expect, "it passes where no such object is there");
        let mut fields = self.object_fields(field)?;
        let absent = AbsentSpec {
            target: self.target(&mut fields),
            hold: self.optional_text(&mut fields, "for"),
        };
        self.finish_verb(fields, "absent");
        Some(VerbSpec::Absent(absent))
    }
}
