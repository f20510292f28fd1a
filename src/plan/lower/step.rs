//! Steps: what stands beside their verbs, and the names that they capture.

use crate::plan::lower::lowering::Lowering;
use crate::plan::lower::names::{Members, Names};
use crate::plan::model::{IdentityChoice, Retry, Step, Verb};
use crate::plan::results::RESULTS;
use crate::spec::schema::{IdentitySpec, RetrySpec, StepSpec, VerbSpec};

impl Lowering<'_> {
    /// The steps; what they capture is added to the names.
    pub(super) fn steps(&mut self, specs: &[StepSpec], names: &mut Names) -> Vec<Step> {
        specs
            .iter()
            .filter_map(|spec| self.step(spec, names))
            .collect()
    }

    pub(super) fn step(&mut self, spec: &StepSpec, names: &mut Names) -> Option<Step> {
        let name = self.template(spec.name.as_ref(), names);
        let when = self.condition(spec.when.as_ref(), names);
        let failure = self.template(spec.failure.as_ref(), names);
        let identity = self.identity(spec.identity.as_ref(), names);
        let cluster = self.cluster(spec.cluster.as_ref());
        let retry = self.retry(spec.retry.as_ref());
        let timeout = match &spec.verb {
            // `0s` looks once
            Some(VerbSpec::Assert(_) | VerbSpec::Absent(_)) => self.duration(spec.timeout.as_ref()),
            _ => self.timeout(spec.timeout.as_ref()),
        };
        self.check_beside(spec);
        let verb = spec
            .verb
            .as_ref()
            .and_then(|verb| self.verb(verb, spec, names));
        let capture = self.capture(spec, verb.as_ref(), names);
        Some(Step {
            name,
            when,
            verb: verb?,
            timeout,
            retry,
            capture,
            failure,
            identity,
            cluster,
            place: self.place(spec.span),
        })
    }

    fn verb(&mut self, verb: &VerbSpec, step: &StepSpec, names: &Names) -> Option<Verb> {
        match verb {
            VerbSpec::Apply(spec) => self.apply(spec, names),
            VerbSpec::Create(spec) => self.create(spec, names),
            VerbSpec::Patch(spec) => self.patch(spec, names),
            VerbSpec::Delete(spec) => self.delete(spec, names),
            VerbSpec::Get(spec) => self.get(spec, names),
            VerbSpec::GetRaw(spec) => self.get_raw(spec, names),
            VerbSpec::Assert(spec) => self.assert(spec, names),
            VerbSpec::Absent(spec) => self.absent(spec, names),
            VerbSpec::Wait(spec) => self.wait(spec, names),
            VerbSpec::Exec(spec) => self.exec(spec, names),
            VerbSpec::Run(spec) => self.run(spec, names),
            VerbSpec::Command(spec) => self.command(spec, names),
            VerbSpec::Script(spec) => self.script(spec, names),
            VerbSpec::Logs(spec) => self.logs(spec, names),
            VerbSpec::Events(spec) => self.events(spec, names),
            VerbSpec::Http(spec) => self.http(spec, names),
            VerbSpec::Can(spec) => self.can(spec, names),
            VerbSpec::During(spec) => self.during(spec, names),
            VerbSpec::Foreach(spec) => self.foreach(spec, names),
            VerbSpec::Skip(reason) => self.skip(reason.as_ref(), step.span, names),
            VerbSpec::Error(reason) => self.error(reason.as_ref(), names),
            VerbSpec::Sleep(time) => self.sleep(time.as_ref()),
            VerbSpec::Use(spec) => self.use_steps(spec, step.span, names),
        }
    }

    /// What makes no sense beside verbs that do nothing of their own.
    fn check_beside(&mut self, spec: &StepSpec) {
        let Some(verb) = &spec.verb else { return };
        let is_idle = matches!(
            verb,
            VerbSpec::Skip(_) | VerbSpec::Error(_) | VerbSpec::Sleep(_)
        );
        let has_results = !(is_idle || matches!(verb, VerbSpec::Foreach(_) | VerbSpec::During(_)));
        let name = verb.name();
        if !has_results && let Some((first, _)) = spec.capture.first() {
            let help = match verb {
                VerbSpec::Foreach(_) | VerbSpec::During(_) => {
                    Some("its steps can capture, for each other".to_owned())
                }
                _ => None,
            };
            self.push(
                first.span,
                format!("`{name}` has no result to capture"),
                help,
            );
        }
        if is_idle {
            let span = spec.span;
            for (field, is_there) in [
                ("timeout", spec.timeout.is_some()),
                ("retry", spec.retry.is_some()),
                ("as", spec.identity.is_some()),
                ("cluster", spec.cluster.is_some()),
            ] {
                if is_there {
                    self.push(span, format!("`{name}` takes no `{field}`"), None);
                }
            }
        }
    }

    /// The captures, each an expression over what came out of the step. Their names
    /// are known to what follows.
    fn capture(
        &mut self,
        spec: &StepSpec,
        verb: Option<&Verb>,
        names: &mut Names,
    ) -> Vec<(String, crate::template::Tree)> {
        let mut inner = match verb.map(|verb| (verb.name(), verb.results())) {
            // it could not be read, or may have no `capture`: both are reported
            None | Some((_, [])) => names.with_results("verb", &RESULTS),
            Some((name, results)) => names.with_results(name, results),
        };
        let is_conditional = spec.when.is_some();
        let outputs = self.outputs(spec.verb.as_ref());
        for output in &outputs {
            inner.add(&output.value, Members::Any, false);
        }
        let capture: Vec<_> = spec
            .capture
            .iter()
            .map(|(name, node)| (name.value.clone(), self.tree(node, &inner)))
            .collect();
        for (name, _) in &spec.capture {
            self.name(name, "capture", Members::Any, is_conditional, names);
        }
        // what is captured from the outputs stands for them
        if spec.capture.is_empty() {
            for output in &outputs {
                self.name(output, "output", Members::Any, is_conditional, names);
            }
        }
        capture
    }

    fn retry(&mut self, spec: Option<&RetrySpec>) -> Option<Retry> {
        let spec = spec?;
        let delay = self.duration(spec.delay.as_ref());
        Some(Retry {
            attempts: spec.attempts?,
            delay,
        })
    }

    /// `as`.
    pub(super) fn identity(
        &mut self,
        spec: Option<&IdentitySpec>,
        names: &Names,
    ) -> Option<IdentityChoice> {
        match spec? {
            IdentitySpec::ServiceAccount { name, namespace } => {
                let namespace = self.namespace_of(namespace.as_ref(), names);
                Some(IdentityChoice::ServiceAccount {
                    name: self.template(Some(name), names)?,
                    namespace,
                })
            }
            IdentitySpec::User { user, groups } => {
                let groups = self.templates(groups, names);
                Some(IdentityChoice::User {
                    user: self.template(Some(user), names)?,
                    groups,
                })
            }
        }
    }
}
