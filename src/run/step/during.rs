//! `during`: looks again and again while steps change something, and counts.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};

use super::super::deadline::Deadline;
use super::check::Finding;
use super::{StepContext, StepFailure, StepResult};
use crate::partial;
use crate::plan::model::During;

/// How many looks may be under way at once: a target that hangs must not pile them up.
const AT_ONCE: usize = 64;
/// How many of the failed looks a message quotes.
const QUOTED: usize = 5;

/// Runs the steps, and beside them the looks; both must be as expected.
pub async fn run(
    during: &During,
    context: &StepContext<'_>,
    deadline: Option<Deadline>,
) -> Result<StepResult, StepFailure> {
    let mut inner = context.clone();
    inner.deadline = deadline.or(inner.deadline);
    let steps = async {
        let mut context = inner.clone();
        super::run_all(&during.steps, &mut context).await
    };
    tokio::pin!(steps);
    let mut timer = tokio::time::interval(during.every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut looks = FuturesUnordered::new();
    let mut tally = Tally::default();
    let changed = loop {
        tokio::select! {
            changed = &mut steps => break changed,
            _ = timer.tick(), if looks.len() < AT_ONCE => looks.push(look(during, &inner)),
            Some(ended) = looks.next() => tally.count(ended)?,
        }
    };
    changed?;
    while let Some(ended) = looks.next().await {
        tally.count(ended)?;
    }
    tally.judge(during, context)
}

async fn look(during: &During, context: &StepContext<'_>) -> Result<StepResult, StepFailure> {
    let mut context = context.clone();
    context.is_patient = false;
    // there are hundreds of them
    context.told_of = None;
    super::run(&during.look, &mut context).await
}

#[derive(Default)]
struct Tally {
    total: u64,
    failed: u64,
    /// Of the failed ones, those that could not look at all.
    errored: u64,
    first: Vec<String>,
}

impl Tally {
    /// A look that errored counts as a failed one: whoever asks gets no answer either way.
    fn count(&mut self, ended: Result<StepResult, StepFailure>) -> Result<(), StepFailure> {
        self.total += 1;
        if let Err(failure) = ended {
            if failure.outcome == crate::event::Outcome::Cancelled {
                return Err(failure);
            }
            self.failed += 1;
            self.errored += u64::from(failure.outcome == crate::event::Outcome::Errored);
            if self.first.len() < QUOTED {
                self.first.push(failure.why.message);
            }
        }
        Ok(())
    }

    fn judge(self, during: &During, context: &StepContext<'_>) -> Result<StepResult, StepFailure> {
        let pattern = match &during.expect {
            Some(pattern) => super::check::rendered(pattern, &context.scope())?,
            None => json!({"failed": 0}),
        };
        self.held_against(&pattern)
    }

    fn held_against(self, pattern: &Value) -> Result<StepResult, StepFailure> {
        let counts = json!({"total": self.total, "failed": self.failed});
        let told = format!("{} of {} looks failed", self.failed, self.total);
        if self.total == 0 {
            return Err(StepFailure::errored("not one look came about"));
        }
        // where those that could not look make the difference, nothing was found out
        let without = json!({"total": self.total, "failed": self.failed - self.errored});
        let (wrong, wrong_without) = (wrong(pattern, &counts)?, wrong(pattern, &without)?);
        let failure = match (wrong.is_empty(), wrong_without.is_empty()) {
            (true, true) => {
                return Ok(StepResult::default()
                    .with("object", counts)
                    .with("stdout", told));
            }
            (false, false) => StepFailure::failed(format!("{told}: {}", wrong.join("; "))),
            (is_met, _) => StepFailure::errored(format!(
                "{told}: {}; {} of them could not look at all",
                if is_met { wrong_without } else { wrong }.join("; "),
                self.errored
            )),
        };
        Err(failure.with_detail("first of the failed looks", &self.first.join("\n")))
    }
}

fn wrong(pattern: &Value, counts: &Value) -> Result<Vec<String>, StepFailure> {
    let compared = partial::compare(pattern, counts);
    let told = compared.mismatches.iter().map(ToString::to_string);
    let finding = Finding {
        answer: compared.answer,
        problems: told.collect(),
    };
    finding.asserted("the number of looks")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Outcome;

    fn judged(failed: u64, errored: u64, pattern: &Value) -> Outcome {
        let tally = Tally {
            total: 10,
            failed: failed + errored,
            errored,
            first: Vec::new(),
        };
        let ended = tally.held_against(pattern);
        ended.map_or_else(|failure| failure.outcome, |_| Outcome::Passed)
    }

    #[test]
    fn looks_that_could_not_look_decide_nothing() {
        let (none, some) = (json!({"failed": 0}), json!({"failed": {"$gte": 1}}));
        for (failed, errored, of_none, of_some) in [
            (0, 0, Outcome::Passed, Outcome::Failed),
            (1, 0, Outcome::Failed, Outcome::Passed),
            (0, 1, Outcome::Errored, Outcome::Errored),
            (1, 1, Outcome::Failed, Outcome::Passed),
        ] {
            let what = format!("{failed} failed, {errored} errored");
            assert_eq!(judged(failed, errored, &none), of_none, "{what}");
            assert_eq!(judged(failed, errored, &some), of_some, "{what}");
        }
    }
}
