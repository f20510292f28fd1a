//! Steps of a plan: every template parsed, every literal checked.

use std::time::Duration;

use crate::diagnostic::{Diagnostic, nearest};
use crate::matcher::{self, OutputExpectation};
use crate::plan::lower::Lowering;
use crate::plan::model::{
    Apply, Exec, ExitExpectation, ProcessExpectation, Step, Until, Verb, Wait,
};
use crate::plan::names::Names;
use crate::source::Span;
use crate::spec::schema::{ExpectSpec, StepSpec, Text, VerbSpec};
use crate::template::Template;

/// The workloads that roll out, in kubectl's spellings; the first is the one that
/// every node has a pod of.
const WORKLOADS: [(&str, &[&str]); 3] = [
    ("daemonset", &["daemonset", "daemonsets", "ds"]),
    ("deployment", &["deployment", "deployments", "deploy"]),
    ("statefulset", &["statefulset", "statefulsets", "sts"]),
];

const PODS: [&str; 3] = ["pod", "pods", "po"];

impl Lowering<'_> {
    pub(super) fn steps(&mut self, specs: &[StepSpec], names: &Names) -> Vec<Step> {
        specs
            .iter()
            .filter_map(|spec| self.step(spec, names))
            .collect()
    }

    fn step(&mut self, spec: &StepSpec, names: &Names) -> Option<Step> {
        let name = self.template(spec.name.as_ref(), names);
        let failure = self.template(spec.failure.as_ref(), names);
        let timeout = self.timeout(spec.timeout.as_ref());
        let verb = match spec.verb.as_ref()? {
            VerbSpec::Apply {
                manifests,
                namespace,
                force,
            } => {
                let namespace = self.template(namespace.as_ref(), names);
                Verb::Apply(Apply {
                    manifests: self.manifests(manifests.as_ref()?, names)?,
                    namespace,
                    force: *force,
                })
            }
            VerbSpec::Wait {
                target,
                namespace,
                until,
                per_node,
            } => {
                let namespace = self.template(namespace.as_ref(), names);
                if let Some(target) = target {
                    self.check_workload(target, *per_node);
                }
                let target = self.template(target.as_ref(), names);
                until.as_ref()?;
                Verb::Wait(Wait {
                    target: target?,
                    namespace,
                    until: Until::RolledOut {
                        per_node: per_node.is_some(),
                    },
                })
            }
            VerbSpec::Exec {
                target,
                container,
                namespace,
                command,
                stdin,
                expect,
            } => {
                if let Some(target) = target {
                    self.check_pod(target);
                }
                let target = self.template(target.as_ref(), names);
                let container = self.template(container.as_ref(), names);
                let namespace = self.template(namespace.as_ref(), names);
                let command = command.as_ref().map(|words| self.templates(words, names));
                let stdin = self.template(stdin.as_ref(), names);
                let expect = self.process(expect, names);
                Verb::Exec(Exec {
                    target: target?,
                    container,
                    namespace,
                    command: command?,
                    stdin,
                    expect,
                })
            }
        };
        Some(Step {
            name,
            verb,
            timeout,
            failure,
            place: self.place(spec.span),
        })
    }

    /// A deadline: settled before the run, so it may use inputs and nothing else.
    pub(super) fn timeout(&mut self, text: Option<&Text>) -> Option<Duration> {
        let text = text?;
        let value = self.constant(text)?;
        match crate::duration::parse(&value) {
            Ok(Duration::ZERO) => {
                self.push(text.span, "a timeout of nothing is never met".into(), None);
                None
            }
            Ok(duration) => Some(duration),
            Err(error) => {
                self.push(text.span, error.message, Some(error.help));
                None
            }
        }
    }

    fn process(&mut self, spec: &ExpectSpec, names: &Names) -> ProcessExpectation {
        ProcessExpectation {
            exit: spec.exit.clone().unwrap_or(ExitExpectation::OneOf(vec![0])),
            stdout: self.output(spec.stdout.as_ref(), names),
            stderr: self.output(spec.stderr.as_ref(), names),
        }
    }

    fn output(
        &mut self,
        spec: Option<&OutputExpectation<Text>>,
        names: &Names,
    ) -> Option<OutputExpectation<Template>> {
        let spec = spec?;
        let expectation = OutputExpectation {
            equals: self.template(spec.equals.as_ref(), names),
            contains: self.templates(&spec.contains, names),
            matches: self.templates(&spec.matches, names),
            absent: self.templates(&spec.absent, names),
            empty: spec.empty,
            lines: spec.lines,
        };
        for template in &expectation.matches {
            if template.is_literal()
                && let Err(error) = matcher::pattern(template.source())
            {
                self.diagnostics
                    .push(Diagnostic::new(error.to_string(), template.place.clone()));
            }
        }
        // nothing is somewhere in everything
        let parts = expectation.contains.iter().chain(&expectation.absent);
        for template in parts.filter(|template| template.source().is_empty()) {
            self.diagnostics.push(Diagnostic::new(
                "empty text is in every output",
                template.place.clone(),
            ));
        }
        Some(expectation)
    }

    fn check_pod(&mut self, target: &Text) {
        let Some((kind, _)) = self.kind_and_name(target, "pod/NAME") else {
            return;
        };
        if !PODS.contains(&kind.to_lowercase().as_str()) {
            self.push(
                target.span,
                format!("`exec` runs in a pod, not in a `{kind}`"),
                Some("the target is written pod/NAME".to_owned()),
            );
        }
    }

    fn check_workload(&mut self, target: &Text, per_node: Option<Span>) {
        let Some((kind, _)) = self.kind_and_name(target, "daemonset/NAME") else {
            return;
        };
        // kubectl takes `deployments.apps` and `deployments.v1.apps` as well
        let lower = kind.to_lowercase();
        let word = lower
            .strip_suffix(".v1.apps")
            .or_else(|| lower.strip_suffix(".apps"))
            .unwrap_or(&lower);
        let workload = WORKLOADS
            .iter()
            .find(|(_, spellings)| spellings.contains(&word));
        match (workload, per_node) {
            (None, _) => {
                let all = WORKLOADS.iter().flat_map(|(_, spellings)| *spellings);
                let help = match nearest(word, all.copied()) {
                    Some(kind) => format!("did you mean `{kind}`?"),
                    None => "a daemonset, a deployment or a statefulset does".to_owned(),
                };
                self.push(
                    target.span,
                    format!("a `{kind}` is never rolled out"),
                    Some(help),
                );
            }
            (Some((kind, _)), Some(span)) if *kind != "daemonset" => self.push(
                span,
                format!("`perNode` is for a daemonset: a {kind} has no pod of each node"),
                None,
            ),
            _ => {}
        }
    }

    /// The kind of a target, as far as it is literal, and whatever is behind it.
    fn kind_and_name<'t>(&mut self, target: &'t Text, form: &str) -> Option<(&'t str, &'t str)> {
        let text = target.value.as_str();
        let rendered = text.find("{{").or_else(|| text.find("{%"));
        let parts = text.split_once('/');
        match (parts, rendered) {
            (Some((kind, _)), Some(rendered)) if rendered < kind.len() => None,
            (None, Some(_)) => None,
            (Some((kind, name)), _)
                if !kind.is_empty()
                    && !name.is_empty()
                    && (rendered.is_some() || !name.contains('/')) =>
            {
                Some((kind, name))
            }
            _ => {
                self.push(
                    target.span,
                    format!("`{text}` names no object"),
                    Some(format!("a target is written kind/name: {form}")),
                );
                None
            }
        }
    }
}
