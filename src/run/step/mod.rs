//! Runs one step: its verb under its deadline, and what becomes of the case where
//! it does not pass. Each verb has a file of its own.

mod apply;
mod exec;
mod wait;

use tokio_util::sync::CancellationToken;

use super::deadline::Deadline;
use super::ledger::Ledger;
use super::writes::Writes;
use crate::cluster::{Cluster, ClusterError, ObjectKey};
use crate::event::{Detail, Explanation, Outcome};
use crate::plan::model::{Step, Verb};
use crate::template::{Scope, Template, TemplateError};

/// What the steps of a case, or of a suite's setup or teardown, work with.
pub struct StepContext<'a> {
    /// Where requests go.
    pub cluster: &'a Cluster,
    /// What templates see.
    pub scope: Scope,
    /// For namespaced objects that name no namespace.
    pub namespace: Option<&'a str>,
    /// Where objects are written down before they are made.
    pub ledger: &'a Ledger,
    /// What the suite wrote, for whoever reads it back.
    pub writes: &'a Writes,
    /// For the labels of what is made.
    pub labels: &'a [(String, String)],
    /// Of the whole case, or of the suite.
    pub deadline: Option<Deadline>,
    /// Pulled when no step may go on.
    pub cancel: &'a CancellationToken,
}

impl StepContext<'_> {
    /// The namespace of a target: its own, or else the suite's.
    fn namespace_of(&self, own: Option<&Template>) -> Result<Option<String>, StepFailure> {
        match own {
            Some(template) => Ok(Some(template.render_text(&self.scope)?)),
            None => Ok(self.namespace.map(str::to_owned)),
        }
    }

    /// `kind/name`, resolved as kubectl does.
    async fn target(
        &self,
        target: &Template,
        namespace: Option<&Template>,
    ) -> Result<ObjectKey, StepFailure> {
        let text = target.render_text(&self.scope)?;
        let Some((kind, name)) = text.split_once('/').filter(|(_, name)| !name.is_empty()) else {
            return Err(StepFailure::errored(format!(
                "{text:?} is no target: it is written `kind/name`"
            )));
        };
        let resource = self.cluster.resource_named(kind).await?;
        let namespace = self.namespace_of(namespace)?;
        if resource.namespaced && namespace.is_none() {
            return Err(StepFailure::errored(format!(
                "{text} needs a namespace, and the suite has none"
            )));
        }
        Ok(ObjectKey::new(resource, namespace.as_deref(), name))
    }
}

/// A step that did not pass.
#[derive(Clone, Debug, PartialEq)]
pub struct StepFailure {
    /// Failed, errored or cancelled.
    pub outcome: Outcome,
    /// Why.
    pub why: Explanation,
}

impl StepFailure {
    /// The cluster answered, and not as expected.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Failed,
            why: Explanation::new(message),
        }
    }

    /// It could not be found out.
    pub fn errored(message: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Errored,
            why: Explanation::new(message),
        }
    }

    fn cancelled() -> Self {
        Self {
            outcome: Outcome::Cancelled,
            why: Explanation::new("cancelled before it ended"),
        }
    }

    /// With a titled block of text, left out where it is empty.
    #[must_use]
    pub fn with_detail(mut self, title: &str, text: &str) -> Self {
        if !text.trim().is_empty() {
            self.why.details.push(Detail {
                title: title.to_owned(),
                text: text.to_owned(),
            });
        }
        self
    }
}

impl From<TemplateError> for StepFailure {
    fn from(error: TemplateError) -> Self {
        let mut failure = Self::errored(error.message);
        failure.why.place = Some(error.place.to_string());
        failure
    }
}

impl From<ClusterError> for StepFailure {
    /// A refusal is an answer; everything else means that nobody could be asked.
    fn from(error: ClusterError) -> Self {
        match error {
            ClusterError::Refused(_) | ClusterError::Conflict { .. } if !error.is_environment() => {
                Self::failed(error.to_string())
            }
            _ => Self::errored(error.to_string()),
        }
    }
}

/// Runs a step to its end.
///
/// # Errors
/// The outcome and its explanation where the step did not pass.
pub async fn run(step: &Step, context: &StepContext<'_>) -> Result<(), StepFailure> {
    let timeout = step.timeout.unwrap_or_else(|| step.verb.default_timeout());
    let deadline = Deadline::after(timeout, "the step").or_earlier(context.deadline.as_ref());
    context.ledger.begin_step();
    let work = async {
        match &step.verb {
            Verb::Apply(apply) => apply::run(apply, context, &deadline).await,
            Verb::Wait(wait) => wait::run(wait, context, &deadline).await,
            Verb::Exec(exec) => exec::run(exec, context, &deadline).await,
        }
    };
    let result = tokio::select! {
        biased;
        result = work => result,
        () = context.cancel.cancelled() => Err(StepFailure::cancelled()),
    };
    result.map_err(|mut failure| {
        if failure.why.place.is_none() {
            failure.why.place = Some(step.place.to_string());
        }
        // An errored step says nothing about the cluster, so the suite's words, which do, would lie.
        if failure.outcome == Outcome::Failed
            && let Some(text) = &step.failure
        {
            match text.render_text(&context.scope) {
                Ok(text) => failure.why.failure = Some(text),
                Err(error) => failure = failure.with_detail("failure", &error.message),
            }
        }
        failure
    })
}

/// A short name of a step, for progress: its own, or the verb and its target.
pub fn describe(step: &Step, scope: &Scope) -> String {
    let shown = |template: &Template| {
        template
            .render_text(scope)
            .unwrap_or_else(|_| template.source().to_owned())
    };
    if let Some(name) = &step.name {
        return shown(name);
    }
    let verb = step.verb.name();
    match &step.verb {
        Verb::Apply(_) => verb.to_owned(),
        Verb::Wait(wait) => format!("{verb} {}", shown(&wait.target)),
        Verb::Exec(exec) => format!("{verb} {}", shown(&exec.target)),
    }
}
