//! The suite around its cases: names, requirements, namespace, clusters, setup and
//! teardown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, suggest};
use crate::plan::input;
use crate::plan::lower::check;
use crate::plan::lower::lowering::{Lowering, Position, SETUP};
use crate::plan::lower::names::{Members, Names};
use crate::plan::model::{
    ClusterChoice, Namespace, NamespaceExtras, Requirement, RequirementCheck, Severity, Suite,
    Timeouts, Unmet,
};
use crate::source::Span;
use crate::spec::schema::{
    InputSpec, NamespaceSpec, RequirementCheckSpec, RequirementSpec, SeveritySpec, Text,
    TimeoutKind,
};

impl Lowering<'_> {
    pub(super) fn suite(&mut self, id: &str, names: &Names) -> Suite {
        let spec = self.spec;
        let name = spec.name.as_ref().map(|name| name.value.clone());
        self.check_suite_name();
        self.check_input_names(&spec.inputs, true);
        self.load_library();
        let title = spec.title.as_ref().and_then(|title| self.constant(title));
        let requires = self.requirements(&spec.requires, names);
        // what setup captures is known everywhere after it
        let mut after_setup = names.clone();
        self.position = Position::Around(SETUP);
        let setup = self.steps(&spec.setup, &mut after_setup);
        self.position = Position::Around("onFailure");
        let mut in_case = after_setup.with("case", Members::known(&["name"]));
        let collectors = self.steps(&spec.on_failure, &mut in_case);
        let cases = self.cases(&after_setup, &collectors);
        let diagnose = self.diagnosis_rules(&after_setup);
        self.position = Position::Around("teardown");
        let teardown = self.steps(&spec.teardown, &mut after_setup);
        Suite {
            id: id.to_owned(),
            title: title.or_else(|| name.clone()).unwrap_or_default(),
            name: name.unwrap_or_default(),
            description: spec
                .description
                .as_ref()
                .map(|description| description.value.clone())
                .unwrap_or_default(),
            labels: owned(&spec.labels),
            file: std::sync::Arc::clone(&spec.file),
            folder: self.here.origin.folder(),
            secrets: input::secrets(&spec.inputs),
            requires,
            timeout: self.timeout(spec.timeout.as_ref()),
            timeouts: self.timeouts(),
            concurrency: spec.concurrency,
            namespace: self.namespace(),
            permissions: self.permissions(),
            clusters: self.clusters(),
            cluster: self.cluster(spec.cluster.as_ref()),
            severity: spec.severity.map(severity).unwrap_or_default(),
            setup,
            cases,
            diagnose,
            teardown,
            inputs: std::mem::take(&mut self.here.inputs),
            warnings: std::mem::take(&mut self.warnings),
        }
    }

    fn check_suite_name(&mut self) {
        let Some(name) = &self.spec.name else {
            return;
        };
        if let Some(problem) = check::label_problem(&name.value) {
            self.push(
                name.span,
                format!("`{}` is not the name of a suite: {problem}", name.value),
                Some("it becomes part of names in the cluster; `title` is for people".to_owned()),
            );
        }
    }

    /// Inputs of a suite are set by variables of the environment as well.
    pub(super) fn check_input_names(&mut self, inputs: &[InputSpec], by_environment: bool) {
        let mut variables: BTreeMap<String, Span> = BTreeMap::new();
        for spec in inputs {
            let name = &spec.name.value;
            let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !starts_well || !name.chars().all(is_plain) {
                self.push(
                    spec.name.span,
                    format!("`{name}` is not the name of an input"),
                    Some("it begins with a letter and has letters, digits, `_` and `-`".into()),
                );
                continue;
            }
            if !by_environment {
                continue;
            }
            let variable = input::variable(name);
            if let Some(first) = variables.get(&variable) {
                let diagnostic = Diagnostic::new(
                    format!("{variable} would set two inputs"),
                    self.place(spec.name.span),
                )
                .secondary(self.place(*first), "this one too");
                self.diagnostics.push(diagnostic);
            }
            variables.entry(variable).or_insert(spec.name.span);
        }
    }

    pub(super) fn requirements(
        &mut self,
        specs: &[RequirementSpec],
        names: &Names,
    ) -> Vec<Requirement> {
        specs
            .iter()
            .filter_map(|spec| self.requirement(spec, names))
            .collect()
    }

    fn requirement(&mut self, spec: &RequirementSpec, names: &Names) -> Option<Requirement> {
        let reason = self.template(spec.reason.as_ref(), names);
        let check = match spec.check.as_ref()? {
            RequirementCheckSpec::That(that) => {
                RequirementCheck::That(self.condition(Some(that), names)?)
            }
            RequirementCheckSpec::Exists(target) => {
                RequirementCheck::Exists(self.target(target, names)?)
            }
            RequirementCheckSpec::Server(text) => {
                let value = self.constant(text)?;
                match check::version_range(&value) {
                    Ok(range) => RequirementCheck::Server(range),
                    Err((message, help)) => {
                        self.push(text.span, message, Some(help));
                        return None;
                    }
                }
            }
        };
        Some(Requirement {
            check,
            reason,
            unmet: if spec.fails { Unmet::Fail } else { Unmet::Skip },
            place: self.place(spec.span),
        })
    }

    fn timeouts(&mut self) -> Timeouts {
        let mut timeouts = Timeouts::default();
        for (kind, text) in &self.spec.timeouts {
            // to assert within no time is to look once, and what need not last ends a wait at once
            let duration = match kind {
                TimeoutKind::Assert | TimeoutKind::Settle => self.duration(Some(text)),
                _ => self.timeout(Some(text)),
            };
            let Some(duration) = duration else { continue };
            match kind {
                TimeoutKind::Request => timeouts.request = duration,
                TimeoutKind::Assert => timeouts.assert = duration,
                TimeoutKind::Wait => timeouts.wait = duration,
                TimeoutKind::Exec => timeouts.exec = duration,
                TimeoutKind::Command => timeouts.command = duration,
                TimeoutKind::Delete => timeouts.delete = duration,
                TimeoutKind::Settle => timeouts.settle = duration,
            }
        }
        timeouts
    }

    fn namespace(&mut self) -> Namespace {
        match &self.spec.namespace {
            NamespaceSpec::Own {
                per_case,
                labels,
                annotations,
            } => {
                let extras = NamespaceExtras {
                    labels: owned(labels),
                    annotations: owned(annotations),
                };
                if *per_case {
                    Namespace::PerCase(extras)
                } else {
                    Namespace::PerSuite(extras)
                }
            }
            NamespaceSpec::None => Namespace::None,
            NamespaceSpec::Existing(name) => {
                let value = self.constant(name).unwrap_or_default();
                if let Some(problem) = check::label_problem(&value)
                    && !value.is_empty()
                {
                    self.push(
                        name.span,
                        format!("`{value}` is not the name of a namespace: {problem}"),
                        None,
                    );
                }
                Namespace::Existing(value)
            }
        }
    }

    fn clusters(&mut self) -> Vec<ClusterChoice> {
        let mut clusters = Vec::new();
        for spec in &self.spec.clusters {
            let name = &spec.name.value;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(is_plain) {
                self.push(
                    spec.name.span,
                    format!("`{name}` is not the name of a cluster"),
                    Some("it has letters, digits, `-` and `_`".to_owned()),
                );
            }
            let kubeconfig = spec
                .kubeconfig
                .as_ref()
                .and_then(|path| self.constant(path))
                .map(|path| match self.here.origin.folder() {
                    Some(folder) => folder.join(path),
                    None => PathBuf::from(path),
                });
            let context = spec
                .context
                .as_ref()
                .and_then(|context| self.constant(context));
            clusters.push(ClusterChoice {
                name: name.clone(),
                kubeconfig,
                context,
                place: self.place(spec.name.span),
            });
        }
        clusters
    }

    /// The name of a cluster, which the suite must have.
    pub(super) fn cluster(&mut self, text: Option<&Text>) -> Option<String> {
        let text = text?;
        let name = self.constant(text)?;
        let clusters = &self.spec.clusters;
        if clusters.iter().any(|cluster| cluster.name.value == name) {
            return Some(name);
        }
        let help = suggest(
            &name,
            clusters.iter().map(|cluster| cluster.name.value.as_str()),
        )
        .unwrap_or_else(|| format!("declare it: clusters: {{{name}: {{}}}}"));
        self.push(
            text.span,
            format!("the suite has no cluster `{name}`"),
            Some(help),
        );
        None
    }
}

/// The meaning of *failed*.
pub(super) fn severity(spec: SeveritySpec) -> Severity {
    match spec {
        SeveritySpec::Error => Severity::Error,
        SeveritySpec::Warning => Severity::Warning,
    }
}

fn owned(entries: &[(Text, Text)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|(key, value)| (key.value.clone(), value.value.clone()))
        .collect()
}
