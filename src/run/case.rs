//! One case, or one cell of its matrix: its attempts, each with steps, collectors,
//! `finally`, and the end of its own objects.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::deadline::Deadline;
use super::end::Ending;
use super::ledger::{Entry, Ledger, Owner};
use super::matrix::Cell;
use super::namespace;
use super::panic::held_step;
use super::step::{self, StepContext, StepFailure};
use super::suite::SuiteRun;
use crate::event::{CaseAttempt, CaseId, CaseResult, Detail, EventKind, Explanation, Outcome};
use crate::plan::model::{Case, Namespace, Severity, Step};

/// How long the collectors of a case may take together.
const COLLECTORS: Duration = Duration::from_secs(30);

/// Runs a cell and tells its outcome. What was found out is given back, a failure also where
/// `severity: warning` lets it pass; and what is still to be taken back.
pub async fn run<'a>(
    suite: &'a Arc<SuiteRun>,
    case: &Case,
    cell: &Cell<'_>,
    id: CaseId,
) -> (CellEnd, Option<Rest<'a>>) {
    if suite.is_stopped() {
        let outcome = suite.stopped_outcome();
        suite.tell_case(id, outcome, Some(suite.why_stopped()));
        return (CellEnd::not_run(outcome), None);
    }
    suite.teller.tell(EventKind::CaseStarted(id.clone()));
    if let Some(error) = cell.error() {
        suite.tell_case(id, Outcome::Errored, Some(Explanation::new(error)));
        return (CellEnd::not_run(Outcome::Errored), None);
    }
    let attempts = case
        .retries
        .unwrap_or(suite.options.retries)
        .saturating_add(1);
    for attempt in 1..=attempts {
        let started = Instant::now();
        let mut trial = Trial::new(suite, &id, u64::from(attempt));
        let ended = held_step(trial.run(case, cell, &id)).await;
        let took = started.elapsed();
        let (outcome, why) = match ended {
            Ok(()) => (Outcome::Passed, None),
            Err(failure) if failure.outcome == Outcome::Cancelled => {
                (suite.stopped_outcome(), Some(suite.why_stopped_in(failure)))
            }
            Err(failure) => (failure.outcome, Some(failure.why)),
        };
        let again = attempt < attempts && matches!(outcome, Outcome::Failed | Outcome::Errored);
        if again && let Some(why) = why {
            suite.teller.tell(EventKind::CaseRetried(CaseAttempt {
                id: id.clone(),
                attempt: usize::try_from(attempt).unwrap_or(usize::MAX),
                outcome,
                took,
                why,
            }));
            trial.end(Ending::Repeated).await;
            continue;
        }
        let severity = case.severity.unwrap_or(suite.suite.severity);
        let found = outcome;
        // a warning passes with its text, unless warnings count
        let outcome = match (outcome, severity) {
            (Outcome::Failed, Severity::Warning) if !suite.options.strict => Outcome::Passed,
            (outcome, Severity::Warning | Severity::Error) => outcome,
        };
        suite.tell_result(CaseResult {
            id,
            outcome,
            took,
            why,
            properties: std::mem::take(&mut trial.properties),
        });
        let passed = outcome == Outcome::Passed;
        let end = CellEnd {
            passed,
            outcome: found,
        };
        let ending = Ending::of(passed);
        return (end, Some(Rest { trial, ending }));
    }
    (CellEnd::not_run(Outcome::Errored), None)
}

/// What a cell made, when its outcome was told.
pub struct Rest<'a> {
    trial: Trial<'a>,
    ending: Ending,
}

impl Rest<'_> {
    /// Takes it back, or names what is kept.
    pub async fn take_back(self) {
        self.trial.end(self.ending).await;
    }
}

/// How a cell ended.
#[derive(Clone, Copy, Debug)]
pub struct CellEnd {
    /// Whether it is told as passed.
    pub passed: bool,
    /// What was found out.
    pub outcome: Outcome,
}

impl CellEnd {
    /// Of a cell of which no step was run.
    pub fn not_run(outcome: Outcome) -> Self {
        Self {
            passed: false,
            outcome,
        }
    }
}

/// One attempt, with what it made.
struct Trial<'a> {
    suite: &'a Arc<SuiteRun>,
    /// The first is 1.
    attempt: u64,
    ledger: Ledger,
    namespaces: Vec<Entry>,
    properties: IndexMap<String, String>,
}

impl<'a> Trial<'a> {
    fn new(suite: &'a Arc<SuiteRun>, id: &CaseId, attempt: u64) -> Self {
        Self {
            suite,
            attempt,
            ledger: Ledger::new(Owner::Case(id.clone()), Arc::clone(&suite.owners)),
            namespaces: Vec::new(),
            properties: IndexMap::new(),
        }
    }

    async fn run(&mut self, case: &Case, cell: &Cell<'_>, id: &CaseId) -> Result<(), StepFailure> {
        let suite = self.suite;
        let mut context = suite.case_context(case, &self.ledger, &suite.stop)?;
        let case_name = serde_json::json!({"name": id.name});
        context.names = cell.extend(context.names).with_value("case", &case_name);
        context.told_of = suite.options.tell_steps.then(|| Arc::new(id.clone()));
        context.deadline = case
            .timeout
            .map(|timeout| Deadline::after(timeout, "the case"));
        wanted(case, &context)?;
        if let Namespace::PerCase(extras) = &suite.suite.namespace {
            let run = format!("{}-{}-{}", suite.run_id, id.case, id.cell);
            let name = namespace::name(&suite.suite.name, &run);
            // a later attempt finds the earlier one's on its way out
            let name = match self.suite.made_namespace(&name) {
                true => namespace::name(&suite.suite.name, &format!("{run}-{}", self.number())),
                false => name,
            };
            namespace::make_for_cell(suite, &name, extras, &mut self.namespaces).await?;
            context.names = context.names.with_namespace(&name);
            context.namespace = Some(name);
        }
        let before = context.clone();
        let ended = held_step(step::run_all(&case.steps, &mut context)).await;
        // what the steps captured until they ended is there for those that come after
        let after = StepContext {
            names: context.names,
            ..before
        };
        let ended = note_properties(case, &after, ended, &mut self.properties);
        let ended = match ended {
            Err(failure) if is_bad(failure.outcome) => {
                Err(collect(case, &after, (id, self.attempt), failure).await)
            }
            ended => ended,
        };
        finally(suite, &case.finally, after, ended).await
    }

    fn number(&self) -> String {
        uuid::Uuid::new_v4().simple().to_string()[..4].to_owned()
    }

    /// Takes back what the attempt made.
    async fn end(self, ending: Ending) {
        self.suite.take_back(&self.ledger, ending).await;
        self.suite.remove_namespaces(self.namespaces, ending);
    }
}

/// An explanation as one text, for where it is a detail of another.
fn whole(why: &Explanation) -> String {
    let mut text = why.headline().to_owned();
    for Detail {
        title,
        text: detail,
    } in &why.details
    {
        text.push_str(&format!("\n{title}: {}", detail.trim_end()));
    }
    text
}

fn is_bad(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Failed | Outcome::Errored => true,
        Outcome::Passed | Outcome::Skipped | Outcome::Cancelled => false,
    }
}

/// Renders the properties. What the steps did not come to is not told; where they all passed, that
/// is what no step was to capture, and any other is a mistake.
fn note_properties(
    case: &Case,
    context: &StepContext<'_>,
    mut ended: Result<(), StepFailure>,
    properties: &mut IndexMap<String, String>,
) -> Result<(), StepFailure> {
    let scope = context.scope();
    for (name, value) in &case.properties {
        let is_known = |name: &String| context.names.get(name).is_some();
        match value.render_text(&scope) {
            Ok(value) => {
                properties.insert(name.clone(), value);
            }
            Err(error) if ended.is_ok() && value.names().iter().all(is_known) => {
                let failure = StepFailure::from(error);
                ended = Err(failure.about(&format!("the property `{name}`")));
            }
            Err(_) => {}
        }
    }
    ended
}

/// `if` of the case.
fn wanted(case: &Case, context: &StepContext<'_>) -> Result<(), StepFailure> {
    if let Some(condition) = &case.when
        && let Some(why) = step::unmet(condition, &context.scope())?
    {
        return Err(StepFailure::skipped(why));
    }
    Ok(())
}

/// Runs the collectors, which never change a result: what they find is told with it.
async fn collect(
    case: &Case,
    context: &StepContext<'_>,
    (id, attempt): (&CaseId, u64),
    mut failure: StepFailure,
) -> StepFailure {
    if case.on_failure.is_empty() {
        return failure;
    }
    let mut context = context.clone();
    let deadline = Deadline::after(COLLECTORS, "the collectors");
    let over = deadline.at;
    context.deadline = Some(deadline);
    context.cancel = &context.suite.cleanup_time.steps_over;
    for (number, step) in case.on_failure.iter().enumerate() {
        let title = step::describe(step, &context.scope());
        let text = match held_step(step::run(step, &mut context)).await {
            Ok(result) => ["stdout", "body", "objects"]
                .into_iter()
                .find_map(|name| result.text(name))
                .unwrap_or_default(),
            Err(error) => format!("could not be collected: {}", whole(&error.why)),
        };
        if let Some(artifacts) = &context.suite.options.artifacts {
            let over = async {
                tokio::select! {
                    () = context.suite.stop.cancelled() => {}
                    () = tokio::time::sleep_until(over) => {}
                }
            };
            artifacts
                .write(id, attempt, number + 1, &title, &text, over)
                .await;
        }
        failure = failure.with_detail(&format!("onFailure: {title}"), &text);
    }
    failure
}

/// Runs `finally` whatever came before, on cleanup's own time. What fails there errors
/// a case that passed, and is told beside what failed before.
async fn finally(
    suite: &SuiteRun,
    list: &[Step],
    context: StepContext<'_>,
    ended: Result<(), StepFailure>,
) -> Result<(), StepFailure> {
    if list.is_empty() {
        return ended;
    }
    let mut context = StepContext {
        deadline: None,
        cancel: &suite.cleanup_time.steps_over,
        ..context
    };
    let finished = held_step(step::run_all(list, &mut context)).await;
    match (
        ended,
        finished.map_err(|failure| suite.explain_end(failure)),
    ) {
        (ended, Ok(())) => ended,
        (Ok(()), Err(failure)) => Err(StepFailure {
            outcome: Outcome::Errored,
            why: Explanation {
                message: format!("finally: {}", failure.why.headline()),
                failure: None,
                ..failure.why
            },
        }),
        (Err(mut first), Err(second)) => {
            first.why.details.push(Detail {
                title: "finally".to_owned(),
                text: whole(&second.why),
            });
            Err(first)
        }
    }
}
