//! Runs one step: its verb under its deadline, again where it may be retried, and what
//! becomes of the case where it does not pass. Each verb has a file of its own.

mod absent;
mod apply;
mod assert;
mod can;
mod changing;
mod check;
mod context;
mod create;
mod delete;
mod during;
mod events;
mod exec;
mod expect;
mod failure;
mod flow;
mod follow;
mod get;
mod http;
mod lag;
mod local;
mod logs;
mod memory;
mod patch;
mod patience;
mod pods;
mod rollout;
mod run_pod;
mod select;
mod wait;
mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt};
use serde_json::Value;

pub use check::unmet;
pub use context::StepContext;
pub use failure::StepFailure;
pub use patience::Patience;
pub use select::Selected;

use super::deadline::Deadline;
use crate::event::{CaseId, EventKind, Outcome};
use crate::matcher::not_whole;
use crate::output::Text;
use crate::plan::model::{Step, Verb};
use crate::template::{Scope, Template, Tree};

/// The pause before the second attempt where `retry` names none; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// What that pause grows to.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What came out of a step, by the names that `capture` sees.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepResult {
    values: Vec<(String, Value)>,
    /// Texts that are not whole, as they are shown to people, and why nothing may be made of them.
    cut: Vec<(String, String, String)>,
    /// Whether the values are names of their own, as the outputs of `use` are.
    is_scope: bool,
}

impl StepResult {
    /// With one value more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.push((name.to_owned(), value.into()));
        self
    }

    /// With a text that may not be whole: then nothing can be captured of it, and the message says
    /// so with `help`, which says how to see all of it.
    #[must_use]
    pub fn with_text(mut self, name: &str, text: Text, help: &str) -> Self {
        match text {
            Text::Whole(text) => return self.with(name, text),
            Text::Cut(ref cut) => {
                let why = format!("{}: {help}", not_whole(cut));
                let shown = text.shown().into_owned();
                self.cut.push((name.to_owned(), shown, why));
            }
        }
        self
    }

    /// Refuses what uses a text that is not whole.
    fn must_be_whole_for(&self, name: &str, tree: &Tree) -> Result<(), StepFailure> {
        let templates = tree.templates();
        let mut cut = self.cut.iter();
        let used = cut.find(|(part, ..)| {
            let mut templates = templates.iter();
            templates.any(|template| template.names().contains(part))
        });
        match used {
            None => Ok(()),
            Some((part, _, why)) => Err(StepFailure::errored(format!(
                "`{name}` is not captured, since {part} is not whole: {why}"
            ))),
        }
    }

    /// Of objects: all of them, and the first.
    fn of_objects(objects: &[Arc<Value>]) -> Self {
        let first = objects
            .first()
            .map_or(Value::Null, |object| (**object).clone());
        Self::default()
            .with("objects", context::plain(objects))
            .with("object", first)
    }

    /// With objects, and the first of them.
    fn with_objects(self, objects: Vec<Value>) -> Self {
        let first = objects.first().cloned().unwrap_or(Value::Null);
        self.with("objects", objects).with("object", first)
    }

    /// With how long it took, where the verb did not say so more exactly.
    fn with_took(self, took: Duration) -> Self {
        match self.has("took") {
            true => self,
            false => self.with("took", format!("{}ms", took.as_millis())),
        }
    }

    /// Exactly what the verb promises, which is what `check` has let a capture ask for.
    fn held_to_promise(mut self, verb: &Verb) -> Self {
        let promised = verb.results();
        debug_assert!(
            promised.iter().all(|name| self.has(name)),
            "`{}` gives {:?}, and not all of {promised:?}",
            verb.name(),
            self.values.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        );
        if !self.is_scope {
            self.values
                .retain(|(name, _)| promised.contains(&name.as_str()));
        }
        self
    }

    /// Whether there is a value of this name, or a text that is not whole.
    fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| known == name)
            || self.cut.iter().any(|(known, ..)| known == name)
    }

    /// A value, for collectors.
    pub fn text(&self, name: &str) -> Option<String> {
        if let Some((_, shown, _)) = self.cut.iter().find(|(known, ..)| known == name) {
            return Some(shown.clone());
        }
        let (_, value) = self.values.iter().find(|(known, _)| known == name)?;
        Some(match value {
            Value::String(text) => text.clone(),
            value => serde_json::to_string_pretty(value).unwrap_or_default(),
        })
    }
}

/// Runs a step to its end, and adds what it captures to the names of the context.
///
/// # Errors
/// The outcome and its explanation where the step did not pass. A `skip` is
/// [`Outcome::Skipped`].
pub fn run<'a>(
    step: &'a Step,
    context: &'a mut StepContext<'_>,
) -> BoxFuture<'a, Result<StepResult, StepFailure>> {
    async move {
        let told = Told::begin(step, context);
        let result = match attempt_all(step, context).await {
            Ok(result) => Ok(result),
            Err(failure) => Err(finish(failure, step, context)),
        };
        if let Some(told) = told {
            told.end(context, &result);
        }
        result
    }
    .boxed()
}

/// One step after another; the first that does not pass is the end.
pub async fn run_all(steps: &[Step], context: &mut StepContext<'_>) -> Result<(), StepFailure> {
    for step in steps {
        run(step, context).await?;
    }
    Ok(())
}

/// A step that is told as it begins and ends.
struct Told {
    case: Arc<CaseId>,
    step: String,
    began: Instant,
}

impl Told {
    fn begin(step: &Step, context: &StepContext<'_>) -> Option<Self> {
        let case = Arc::clone(context.told_of.as_ref()?);
        let told = Self {
            step: describe(step, &context.scope()),
            case,
            began: Instant::now(),
        };
        context.suite.teller.tell(EventKind::StepStarted {
            case: CaseId::clone(&told.case),
            step: told.step.clone(),
        });
        Some(told)
    }

    fn end(self, context: &StepContext<'_>, result: &Result<StepResult, StepFailure>) {
        context.suite.teller.tell(EventKind::StepFinished {
            case: CaseId::clone(&self.case),
            step: self.step,
            outcome: match result {
                Ok(_) => Outcome::Passed,
                Err(failure) => failure.outcome,
            },
            took: self.began.elapsed(),
        });
    }
}

async fn attempt_all(
    step: &Step,
    context: &mut StepContext<'_>,
) -> Result<StepResult, StepFailure> {
    if let Some(condition) = &step.when
        && !condition.holds(&context.scope())?
    {
        return Ok(StepResult::default());
    }
    let own = context.for_step(step)?;
    let attempts = step.retry.map_or(1, |retry| retry.attempts.max(1));
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    let result = loop {
        let result = attempt_once(step, &own).await;
        let again = match &result {
            Err(failure) => {
                attempt < attempts && matches!(failure.outcome, Outcome::Failed | Outcome::Errored)
            }
            Ok(_) => false,
        };
        if !again {
            break result.map_err(|failure| match attempts {
                1 => failure,
                _ => failure.with_detail("attempts", &format!("{attempt} of {attempts}")),
            });
        }
        attempt += 1;
        let delay = step.retry.and_then(|retry| retry.delay).unwrap_or(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
        let over = own.deadline.as_ref().map(Deadline::remaining);
        if over.is_some_and(|left| left < delay) {
            break result;
        }
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = own.cancel.cancelled() => return Err(StepFailure::cancelled()),
        }
    }?;
    capture(step, &result, context)?;
    Ok(result)
}

async fn attempt_once(step: &Step, context: &StepContext<'_>) -> Result<StepResult, StepFailure> {
    let timeout = step
        .timeout
        .or_else(|| step.verb.default_timeout(&context.suite.suite.timeouts));
    let deadline = match timeout {
        Some(timeout) => {
            Some(Deadline::after(timeout, "the step").or_earlier(context.deadline.as_ref()))
        }
        None => context.deadline.clone(),
    };
    context.ledger.begin_step();
    super::panic::at_request(step.name.as_ref().map(Template::source));
    let started = Instant::now();
    tokio::select! {
        biased;
        // boxed, as it is the largest of all futures, and steps may consist of steps
        result = Box::pin(perform(step, context, deadline)) => {
            result.map(|result| result.with_took(started.elapsed()).held_to_promise(&step.verb))
        }
        () = given_up(context, &step.verb) => {
            let trouble = || context.cluster.trouble().map(|error| error.to_string());
            Err(StepFailure::cancelled_while(context.awaited().or_else(trouble)))
        }
    }
}

/// Resolves when a step that is cancelled is not waited for any more. Local programs are told to end,
/// and killed only where they do not.
async fn given_up(context: &StepContext<'_>, verb: &Verb) {
    context.cancel.cancelled().await;
    let may_run_programs = matches!(
        verb,
        Verb::Command(_) | Verb::Script(_) | Verb::During(_) | Verb::Foreach(_) | Verb::Use(_)
    );
    if may_run_programs {
        tokio::time::sleep(PROGRAMS_END).await;
    }
}

async fn perform(
    step: &Step,
    context: &StepContext<'_>,
    deadline: Option<Deadline>,
) -> Result<StepResult, StepFailure> {
    // those that consist of other steps, or have a duration of their own
    match &step.verb {
        Verb::During(during) => return during::run(during, context, deadline).await,
        Verb::Foreach(foreach) => return flow::foreach(foreach, context, deadline).await,
        Verb::Use(used) => return flow::used(used, context, deadline).await,
        Verb::Skip(reason) => return flow::skip(reason, context),
        Verb::Error(reason) => return flow::error(reason, context),
        Verb::Sleep(duration) => return flow::sleep(*duration, deadline).await,
        _ => {}
    }
    let deadline = &deadline.unwrap_or_else(|| Deadline::after(LONGEST, "the step"));
    match &step.verb {
        Verb::Apply(apply) => apply::run(apply, context, deadline).await,
        Verb::Create(create) => create::run(create, context, deadline).await,
        Verb::Patch(patch) => patch::run(patch, context, deadline).await,
        Verb::Delete(delete) => delete::run(delete, context, deadline).await,
        Verb::Get(get) => get::run(get, context, deadline).await,
        Verb::Assert(assert) => assert::run(assert, context, deadline).await,
        Verb::Absent(absent) => absent::run(absent, context, deadline).await,
        Verb::Wait(wait) => wait::run(wait, context, deadline).await,
        Verb::Exec(exec) => exec::run(exec, context, deadline).await,
        Verb::Run(pod) => run_pod::run(pod, context, deadline).await,
        Verb::Command(command) => local::command(command, context, deadline).await,
        Verb::Script(script) => local::script(script, context, deadline).await,
        Verb::Logs(logs) => logs::run(logs, context, deadline).await,
        Verb::Events(events) => events::run(events, context, deadline).await,
        Verb::Http(http) => http::run(http, context, deadline).await,
        Verb::Can(can) => can::run(can, context, deadline).await,
        Verb::During(_)
        | Verb::Foreach(_)
        | Verb::Use(_)
        | Verb::Skip(_)
        | Verb::Error(_)
        | Verb::Sleep(_) => Ok(StepResult::default()),
    }
}

/// How long local programs have to end after a cancel; `process` takes less to end them.
const PROGRAMS_END: Duration = Duration::from_secs(5);

/// Every verb that comes this far has a default; this bounds what has none.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

fn capture(
    step: &Step,
    result: &StepResult,
    context: &mut StepContext<'_>,
) -> Result<(), StepFailure> {
    let mut seen = context.names.clone();
    for (name, value) in &result.values {
        seen = seen.with_value(name, value);
        // with a capture of its own, a step says itself what is to be known by which name; how long
        // it took is no output
        if result.is_scope && step.capture.is_empty() && name != "took" {
            context.names = context.names.clone().with_value(name, value);
        }
    }
    let scope = seen.scope();
    for (name, tree) in &step.capture {
        result.must_be_whole_for(name, tree)?;
        let value = tree.render(&scope)?;
        context.names = context.names.clone().with_value(name, &value);
    }
    Ok(())
}

/// Adds the place, and the suite's own words for a failure.
fn finish(mut failure: StepFailure, step: &Step, context: &StepContext<'_>) -> StepFailure {
    if failure.why.place.is_none() {
        let cluster = step.cluster.as_ref().or(context.cluster_name.as_ref());
        if let Some(cluster) = cluster {
            failure = failure.about(&format!("in the cluster {cluster}"));
        }
        failure.why.place = Some(step.place.to_string());
    }
    failure.why.step = step_of(failure.why.step.take(), step, context);
    // An errored step says nothing about the cluster, so the suite's words, which do, would lie.
    if failure.outcome == Outcome::Failed
        && let Some(text) = &step.failure
    {
        match text.render_text(&context.scope()) {
            Ok(text) => failure.why.failure = Some(text),
            Err(error) => failure = failure.with_detail("failure", &error.message),
        }
    }
    failure
}

/// The name of the step that did not pass, behind the names of those that it is part of. Those
/// without one say nothing that the place does not.
fn step_of(inner: Option<Box<str>>, step: &Step, context: &StepContext<'_>) -> Option<Box<str>> {
    if step.name.is_none() {
        return inner;
    }
    let own = describe(step, &context.scope());
    Some(match inner {
        Some(inner) => format!("{own} > {inner}").into(),
        None => own.into(),
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
    let target = match &step.verb {
        Verb::Patch(patch) => Some(&patch.target),
        Verb::Delete(delete) => Some(&delete.target),
        Verb::Get(crate::plan::model::Get::Object(target)) => Some(target),
        Verb::Assert(assert) => assert.target.as_ref(),
        Verb::Absent(absent) => Some(&absent.target),
        Verb::Wait(wait) => Some(&wait.target),
        Verb::Exec(exec) => Some(&exec.target),
        Verb::Logs(logs) => Some(&logs.target),
        Verb::Events(events) => events.target.as_ref(),
        Verb::Get(_)
        | Verb::Apply(_)
        | Verb::Create(_)
        | Verb::Run(_)
        | Verb::Command(_)
        | Verb::Script(_)
        | Verb::Http(_)
        | Verb::Can(_)
        | Verb::During(_)
        | Verb::Foreach(_)
        | Verb::Skip(_)
        | Verb::Error(_)
        | Verb::Sleep(_) => None,
        Verb::Use(used) => return format!("use {}", used.name),
    };
    match target {
        Some(target) => format!("{} {}", step.verb.name(), shown(&target.target)),
        None => step.verb.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Intake;
    use crate::source::{Place, SourceFile, Span};

    fn captured(result: &StepResult, source: &str) -> Result<(), String> {
        let place = Place {
            file: SourceFile::new("a.yaml", source),
            span: Span::default(),
        };
        let tree = Tree::Template(Template::parse(source, place).unwrap());
        let checked = result.must_be_whole_for("hits", &tree);
        checked.map_err(|failure| {
            assert_eq!(failure.outcome, Outcome::Errored);
            failure.why.message
        })
    }

    #[test]
    fn nothing_is_made_of_a_text_that_is_not_whole() {
        let mut output = Intake::keep(4).begin();
        output.push(b"0123456789");
        let result = StepResult::default()
            .with("exit", 0)
            .with_text("stdout", output.finish(), "print less")
            .with_text("stderr", "whole".into(), "print less");
        let why = "`hits` is not captured, since stdout is not whole: 6 of its 10 bytes are not kept: print less";
        for source in [
            "{{ stdout }}",
            "{{ stdout | lines | select('containing', 'x') | length }}",
            "{{ exit if exit == 0 else stdout }}",
        ] {
            assert_eq!(captured(&result, source), Err(why.to_owned()), "{source}");
        }
        for source in [
            "{{ exit }}",
            "{{ stderr | trim }}",
            "{{ 'stdout' }}",
            "stdout",
        ] {
            assert_eq!(captured(&result, source), Ok(()), "{source}");
        }
        // for people
        let shown = "01\n[... 6 bytes left out ...]\n89";
        assert_eq!(result.text("stdout").as_deref(), Some(shown));
        assert_eq!(result.text("stderr").as_deref(), Some("whole"));
    }
}
