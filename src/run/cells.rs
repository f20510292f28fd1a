//! The cells of a suite's cases: asks for the values of their axes, then runs them side
//! by side within the bounds of concurrency, each case after those it needs.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio::task::{Id, JoinError, JoinSet};

use super::axis;
use super::case::{self, CellEnd};
use super::diagnosis::EndedCase;
use super::ledger::{Ledger, Owner};
use super::matrix::Matrix;
use super::panic::held;
use super::requirements;
use super::step::{StepContext, StepFailure};
use super::suite::SuiteRun;
use crate::event::{CaseId, EventKind, Explanation, Outcome};
use crate::plan::model::{self, Case};

/// A case whose matrix is known.
struct Prepared {
    matrix: Matrix,
    /// Index and name of each cell that is to run.
    cells: Vec<(usize, String)>,
}

/// Whether all cells of a case passed; nothing while they run.
type Done = watch::Receiver<Option<bool>>;

/// Runs every cell of every case, and tells the outcome of each. Gives back those cases
/// whose cells ran.
pub async fn run(suite: &Arc<SuiteRun>) -> Vec<EndedCase> {
    let mut prepared = Vec::new();
    for case in &suite.suite.cases {
        let one = held(prepare(suite, case)).await;
        prepared.push(one.unwrap_or_else(|words| Err(errored(StepFailure::errored(words)))));
    }
    let total = prepared
        .iter()
        .map(|prepared| prepared.as_ref().map_or(1, |case| case.cells.len()))
        .sum();
    suite.teller.tell(EventKind::CasesPlanned {
        suite: suite.reference.clone(),
        total,
    });
    let bound = suite.suite.concurrency.unwrap_or(usize::MAX);
    let permits = bound.min(suite.options.concurrency).max(1);
    let (doers, dones): (Vec<_>, Vec<Done>) = suite
        .suite
        .cases
        .iter()
        .map(|_| watch::channel(None))
        .unzip();
    let semaphore = Arc::new(Semaphore::new(permits));
    let cases = prepared
        .into_iter()
        .zip(doers)
        .enumerate()
        .map(|(index, (prepared, done))| {
            let needs = &suite.suite.cases[index].needs;
            let needs: Vec<_> = needs
                .iter()
                .map(|need| (*need, dones[*need].clone()))
                .collect();
            let pool = Pool {
                suite,
                index,
                permits: Arc::clone(&semaphore),
                room: u32::try_from(permits).unwrap_or(u32::MAX),
                tasks: JoinSet::new(),
                running: HashMap::new(),
                passed: true,
                ended: Vec::new(),
            };
            async move {
                let ended = pool.run(prepared, needs).await;
                done.send_replace(Some(ended.as_ref().is_some_and(|ended| ended.passed)));
                let Ended { matrix, cells, .. } = ended?;
                Some(EndedCase {
                    case: index,
                    matrix,
                    cells,
                })
            }
        });
    let ended = futures::future::join_all(cases).await;
    ended.into_iter().flatten().collect()
}

/// A case whose cells ran.
struct Ended {
    passed: bool,
    matrix: Arc<Matrix>,
    cells: Vec<(usize, Outcome)>,
}

/// The matrix of a case, and the names of the cells that were chosen.
async fn prepare(suite: &SuiteRun, case: &Case) -> Result<Prepared, (Outcome, Explanation)> {
    if suite.is_stopped() {
        return Err((suite.stopped_outcome(), suite.why_stopped()));
    }
    let matrix = tokio::select! {
        biased;
        matrix = wanted_matrix(suite, case) => matrix?,
        () = suite.stop.cancelled() => {
            return Err((suite.stopped_outcome(), suite.why_stopped()));
        }
    };
    let template = |error| errored(StepFailure::from(error));
    let names = suite.names();
    let cells = matrix.cells(case.cells.as_ref(), names).map_err(template)?;
    if cells.is_empty()
        && let Some(condition) = &case.cells
    {
        let why = Explanation {
            place: Some(condition.place.to_string()),
            ..Explanation::new(format!(
                "`{}` holds for no cell of the matrix",
                condition.source()
            ))
        };
        return Err((empty_outcome(case), why));
    }
    let named = matrix.names(&cells, &case.name, names).map_err(template)?;
    let cells = cells
        .into_iter()
        .zip(named)
        .filter(|(_, name)| suite.options.names.admits(name))
        .collect();
    Ok(Prepared { matrix, cells })
}

/// What a case without cells is: errored, unless one of its axes may be empty.
fn empty_outcome(case: &Case) -> Outcome {
    match &case.matrix {
        model::Matrix::Axes(axes) if axes.iter().any(|axis| axis.skip_if_empty) => Outcome::Skipped,
        model::Matrix::Axes(_) | model::Matrix::Rows(_) => Outcome::Errored,
    }
}

fn errored(failure: StepFailure) -> (Outcome, Explanation) {
    (Outcome::Errored, failure.why)
}

/// The matrix, where the case's own requirements are met.
async fn wanted_matrix(suite: &SuiteRun, case: &Case) -> Result<Matrix, (Outcome, Explanation)> {
    // it is only looked: nothing will be written down
    let ledger = Ledger::new(Owner::Suite, Arc::clone(&suite.owners));
    let context = suite
        .case_context(case, &ledger, &suite.stop)
        .map_err(errored)?;
    let unmet = requirements::first_unmet(&case.requires, &context).await;
    if let Some(unmet) = unmet.map_err(errored)? {
        return Err((unmet.outcome(), Explanation::new(unmet.reason)));
    }
    matrix(suite, case, &context).await
}

async fn matrix(
    suite: &SuiteRun,
    case: &Case,
    context: &StepContext<'_>,
) -> Result<Matrix, (Outcome, Explanation)> {
    let axes = match &case.matrix {
        model::Matrix::Rows(rows) => {
            return axis::rows(rows, &suite.names().scope())
                .map(Matrix::Rows)
                .map_err(errored);
        }
        model::Matrix::Axes(axes) => axes,
    };
    let mut found = Vec::new();
    for axis in axes {
        let values = axis::values(axis, context).await.map_err(|mut failure| {
            failure.why.place.get_or_insert(axis.place.to_string());
            errored(failure.about(&format!("the axis `{}`", axis.name)))
        })?;
        for (node, reason) in values.excluded {
            suite.tell_excluded(node, reason);
        }
        if values.values.is_empty() {
            let why = Explanation {
                place: Some(axis.place.to_string()),
                ..Explanation::new(format!("the axis `{}` has no values", axis.name))
            };
            return Err(match axis.skip_if_empty {
                true => (Outcome::Skipped, why),
                false => (Outcome::Errored, why),
            });
        }
        found.push((axis.name.clone(), values.values));
    }
    Ok(Matrix::Axes(found))
}

/// The cells of one case on their way.
struct Pool<'a> {
    suite: &'a Arc<SuiteRun>,
    index: usize,
    permits: Arc<Semaphore>,
    /// How many permits there are: a serial case takes them all.
    room: u32,
    tasks: JoinSet<CellEnd>,
    running: HashMap<Id, CaseId>,
    passed: bool,
    ended: Vec<(usize, Outcome)>,
}

impl Pool<'_> {
    /// Runs the case after those it needs; nothing where none of its cells ran.
    async fn run(
        mut self,
        prepared: Result<Prepared, (Outcome, Explanation)>,
        needs: Vec<(usize, Done)>,
    ) -> Option<Ended> {
        let suite = self.suite;
        let case = &suite.suite.cases[self.index];
        let unmet = unmet_need(suite, needs).await;
        let prepared = match (prepared, unmet) {
            (Err((outcome, why)), _) => {
                suite.tell_case(suite.whole_case(self.index, case), outcome, Some(why));
                return None;
            }
            (Ok(prepared), Some(why)) => {
                for (cell, name) in prepared.cells {
                    let id = suite.case_id(self.index, cell, name);
                    suite.tell_case(id, Outcome::Skipped, Some(Explanation::new(&why)));
                }
                return None;
            }
            (Ok(prepared), None) => prepared,
        };
        let matrix = Arc::new(prepared.matrix);
        for (cell, name) in prepared.cells {
            self.start(&matrix, cell, name).await;
        }
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.note(ended);
        }
        // they end in any order; a diagnosis names them in that of the axes
        self.ended.sort_unstable_by_key(|(cell, _)| *cell);
        Some(Ended {
            passed: self.passed,
            matrix,
            cells: self.ended,
        })
    }

    /// Starts a cell when others make room.
    async fn start(&mut self, matrix: &Arc<Matrix>, cell: usize, name: String) {
        let serial = self.suite.suite.cases[self.index].serial;
        let permit = Arc::clone(&self.permits)
            .acquire_many_owned(if serial { self.room } else { 1 })
            .await
            .expect("the semaphore is never closed");
        let id = self.suite.case_id(self.index, cell, name);
        let (suite, matrix) = (Arc::clone(self.suite), Arc::clone(matrix));
        let (told, index) = (id.clone(), self.index);
        let task = self.tasks.spawn(async move {
            let _permit = permit;
            let case = &suite.suite.cases[index];
            case::run(&suite, case, &matrix.cell(cell), told).await
        });
        self.running.insert(task.id(), id);
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.note(ended);
        }
    }

    /// A cell that panicked told nothing: its case is errored.
    fn note(&mut self, ended: Result<(Id, CellEnd), JoinError>) {
        match ended {
            Ok((id, CellEnd { passed, outcome })) => {
                self.passed &= passed;
                if let Some(id) = self.running.remove(&id) {
                    self.ended.push((id.cell, outcome));
                }
            }
            Err(error) => {
                self.passed = false;
                if let Some(id) = self.running.remove(&error.id()) {
                    self.ended.push((id.cell, Outcome::Errored));
                    let why = Explanation::new(format!("kubeproof itself broke: {error}"));
                    self.suite.tell_case(id, Outcome::Errored, Some(why));
                }
            }
        }
    }
}

/// Waits for the cases that are needed; the first that did not pass, in words.
async fn unmet_need(suite: &SuiteRun, needs: Vec<(usize, Done)>) -> Option<String> {
    for (index, mut done) in needs {
        // a sender that is gone never told: its case did not pass
        let passed = match done.wait_for(Option::is_some).await {
            Ok(passed) => *passed == Some(true),
            Err(_) => false,
        };
        if !passed {
            let name = suite.suite.cases[index].name.source();
            return Some(format!("it needs {name:?}, which did not pass"));
        }
    }
    None
}
