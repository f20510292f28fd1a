//! One case, or one cell of its matrix: its steps, `finally`, and the end of its own
//! objects.

use std::time::Instant;

use super::deadline::Deadline;
use super::ledger::{Ledger, Owner};
use super::matrix::Cell;
use super::step::{self, StepContext, StepFailure};
use super::suite::SuiteRun;
use crate::event::{CaseId, CaseResult, Detail, EventKind, Explanation, Outcome};
use crate::plan::model::{Case, Step};

/// Runs a cell and tells its outcome; then takes back what it made.
pub async fn run(suite: &SuiteRun, case: &Case, cell: &Cell<'_>, id: CaseId) {
    if suite.is_stopped() {
        suite.tell_case(id, suite.stopped_outcome(), Some(suite.why_stopped()));
        return;
    }
    suite.teller.tell(EventKind::CaseStarted(id.clone()));
    if let Some(error) = cell.error() {
        suite.tell_case(id, Outcome::Errored, Some(Explanation::new(error)));
        return;
    }
    let started = Instant::now();
    let name = id.name.clone();
    let ledger = Ledger::new(
        Owner::Case(format!("the case {name:?}")),
        suite.owners.clone(),
    );
    let case_name = serde_json::json!({"name": name});
    let names = cell
        .extend(suite.names.clone())
        .with_value("case", &case_name);
    let context = StepContext {
        cluster: &suite.cluster,
        scope: names.scope(),
        namespace: suite.namespace.as_deref(),
        ledger: &ledger,
        writes: &suite.writes,
        labels: &suite.labels,
        deadline: case
            .timeout
            .map(|timeout| Deadline::after(timeout, "the case")),
        cancel: &suite.stop,
    };
    let ended = steps(&case.steps, &context).await;
    let ended = finally(suite, &case.finally, context, ended).await;
    let (outcome, why) = match ended {
        Ok(()) => (Outcome::Passed, None),
        Err(failure) if failure.outcome == Outcome::Cancelled => {
            (suite.stopped_outcome(), Some(suite.why_stopped()))
        }
        Err(failure) => (failure.outcome, Some(failure.why)),
    };
    let passed = outcome == Outcome::Passed;
    suite.tell_result(CaseResult {
        id,
        outcome,
        took: started.elapsed(),
        why,
    });
    suite.take_back(&ledger, passed).await;
}

/// One step after another; the first that does not pass is the end.
pub async fn steps(steps: &[Step], context: &StepContext<'_>) -> Result<(), StepFailure> {
    for step in steps {
        step::run(step, context).await?;
    }
    Ok(())
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
    let context = StepContext {
        deadline: None,
        cancel: &suite.cancellation.cleanup,
        ..context
    };
    match (ended, steps(list, &context).await) {
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
                text: second.why.headline().to_owned(),
            });
            Err(first)
        }
    }
}
