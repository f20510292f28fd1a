//! The `spec` of a suite: what stands around its cases.

use crate::diagnostic::Diagnostic;
use crate::spec::decode::{Decoder, Field, entry};
use crate::spec::schema::{
    ClusterSpec, NamespaceSpec, RequirementCheckSpec, RequirementSpec, SeveritySpec, SuiteSpec,
    Text, TimeoutKind,
};
use crate::yaml::{Node, NodeKind};

impl Decoder<'_> {
    pub(super) fn suite(&mut self, field: Field<'_>, suite: &mut SuiteSpec) {
        let Some(mut fields) = self.fields(field, "`spec`") else {
            return;
        };
        suite.title = self.optional_text(&mut fields, "title");
        suite.description = self.optional_text(&mut fields, "description");
        suite.include = self.optional_texts(&mut fields, "include");
        if let Some(inputs) = fields.optional("inputs") {
            suite.inputs = self.inputs(inputs);
        }
        if let Some(requires) = fields.optional("requires") {
            suite.requires = self.requirements(requires);
        }
        suite.timeout = self.optional_text(&mut fields, "timeout");
        if let Some(defaults) = fields.optional("defaults") {
            suite.timeouts = self.defaults(defaults);
        }
        suite.concurrency = fields
            .optional("concurrency")
            .and_then(|concurrency| self.count(concurrency, 1));
        suite.severity = fields
            .optional("severity")
            .and_then(|severity| self.severity(severity));
        if let Some(clusters) = fields.optional("clusters") {
            let entries = self.entries(clusters).unwrap_or_default();
            suite.clusters = entries
                .iter()
                .map(|(name, node)| self.cluster(name, node))
                .collect();
        }
        suite.cluster = self.optional_text(&mut fields, "cluster");
        if let Some(namespace) = fields.optional("namespace")
            && let Some(namespace) = self.namespace(namespace)
        {
            suite.namespace = namespace;
        }
        if let Some(permissions) = fields.optional("permissions") {
            suite.permissions = self.permissions(permissions);
        }
        if let Some(setup) = fields.optional("setup") {
            suite.setup = self.steps(setup);
        }
        if let Some(cases) = fields.required(self, "cases") {
            suite.cases = self.cases(cases);
        }
        if let Some(collectors) = fields.optional("onFailure") {
            suite.on_failure = self.collectors(collectors);
        }
        if let Some(rules) = fields.optional("diagnose") {
            suite.diagnose = self.diagnosis_rules(rules);
        }
        if let Some(teardown) = fields.optional("teardown") {
            suite.teardown = self.steps(teardown);
        }
        fields.finish(self);
    }

    pub(super) fn severity(&mut self, field: Field<'_>) -> Option<SeveritySpec> {
        let severities = [
            ("error", SeveritySpec::Error),
            ("warning", SeveritySpec::Warning),
        ];
        self.choice(field, &severities)
    }

    fn defaults(&mut self, field: Field<'_>) -> Vec<(TimeoutKind, Text)> {
        let Some(mut fields) = self.fields(field, "`defaults`") else {
            return Vec::new();
        };
        let timeouts = fields.optional("timeouts");
        fields.finish(self);
        let Some(mut fields) = timeouts.and_then(|timeouts| self.fields(timeouts, "`timeouts`"))
        else {
            return Vec::new();
        };
        let timeouts = TimeoutKind::ALL
            .into_iter()
            .filter_map(|(name, kind)| Some((kind, self.optional_text(&mut fields, name)?)))
            .collect();
        fields.finish(self);
        timeouts
    }

    /// A cluster is there even where its declaration is wrong: its uses are right.
    fn cluster(&mut self, name: &Text, node: &Node) -> ClusterSpec {
        let mut cluster = ClusterSpec {
            name: name.clone(),
            kubeconfig: None,
            context: None,
        };
        let field = entry(name, node);
        if !matches!(node.kind, NodeKind::Map(_)) {
            let help = "a cluster is {kubeconfig: FILE, context: NAME}, or {} to be filled by \
                        --cluster NAME=FILE";
            self.expected(field, "a map", Some(help));
            return cluster;
        }
        let Some(mut fields) = self.fields(field, "a cluster") else {
            return cluster;
        };
        cluster.kubeconfig = self.optional_text(&mut fields, "kubeconfig");
        cluster.context = self.optional_text(&mut fields, "context");
        fields.finish(self);
        cluster
    }

    pub(super) fn requirements(&mut self, field: Field<'_>) -> Vec<RequirementSpec> {
        let items = self
            .items(field, Some("write `- that: …` and `  reason: …` below it"))
            .unwrap_or_default();
        items
            .into_iter()
            .filter_map(|item| self.requirement(item))
            .collect()
    }

    fn requirement(&mut self, item: Field<'_>) -> Option<RequirementSpec> {
        let mut fields = self.fields(item, "a requirement")?;
        let checks = ["that", "exists", "server"].map(|check| fields.optional(check));
        let given: Vec<_> = checks.into_iter().flatten().collect();
        let reason = self.optional_text(&mut fields, "reason");
        let fails = fields
            .optional("unmet")
            .and_then(|unmet| self.choice(unmet, &[("skip", false), ("fail", true)]))
            .unwrap_or(false);
        let is_complete = fields.is_complete();
        fields.finish(self);
        let check = match given[..] {
            [] => {
                if is_complete {
                    self.report_with_help(
                        item.key,
                        "a requirement needs `that`, `exists` or `server`",
                        "write {that: nodes | length >= 2}, {exists: {target: crd/NAME}} or \
                         {server: \">=1.30\"}",
                    );
                }
                None
            }
            [check] => self.requirement_check(check),
            [first, second, ..] => {
                self.exclude(first, second, "a requirement is one of them");
                None
            }
        };
        Some(RequirementSpec {
            span: given.first().map_or(item.key, |check| check.key),
            check,
            reason,
            fails,
        })
    }

    fn requirement_check(&mut self, check: Field<'_>) -> Option<RequirementCheckSpec> {
        match check.name {
            "that" => self.text(check).map(RequirementCheckSpec::That),
            "server" => self.text(check).map(RequirementCheckSpec::Server),
            _ => {
                if let NodeKind::String(text) = &check.node.kind {
                    let help = format!("write {{target: {text}}}");
                    self.expected(check, "a map", Some(&help));
                    return None;
                }
                let mut fields = self.fields(check, "`exists`")?;
                let target = self.target(&mut fields);
                fields.finish(self);
                Some(RequirementCheckSpec::Exists(target))
            }
        }
    }

    pub(super) fn namespace(&mut self, field: Field<'_>) -> Option<NamespaceSpec> {
        match &field.node.kind {
            NodeKind::String(text) if text == "none" => return Some(NamespaceSpec::None),
            NodeKind::String(text) => {
                let help = format!("for a namespace that is there, write {{existing: {text}}}");
                self.expected(field, "a map or `none`", Some(&help));
                return None;
            }
            NodeKind::Null => {
                self.expected(
                    field,
                    "a map or `none`",
                    Some("for no namespace, write none"),
                );
                return None;
            }
            _ => {}
        }
        let mut fields = self.fields(field, "a namespace")?;
        let per = fields.optional("per");
        let existing = fields.optional("existing");
        let labels = fields.optional("labels");
        let annotations = fields.optional("annotations");
        fields.finish(self);
        let per_case = match per {
            Some(per) => self.choice(per, &[("suite", false), ("case", true)])?,
            None => false,
        };
        let Some(existing) = existing else {
            return Some(NamespaceSpec::Own {
                per_case,
                labels: labels
                    .map(|labels| self.strings(labels))
                    .unwrap_or_default(),
                annotations: annotations
                    .map(|annotations| self.strings(annotations))
                    .unwrap_or_default(),
            });
        };
        for other in [per, labels, annotations].into_iter().flatten() {
            let diagnostic = Diagnostic::new(
                format!("`{}` and `existing` exclude each other", other.name),
                self.place(other.key),
            )
            .secondary(
                self.place(existing.key),
                "a namespace that is there is not changed",
            );
            self.diagnostics.push(diagnostic);
        }
        self.text(existing).map(NamespaceSpec::Existing)
    }
}
