//! The cells of a suite's cases: asks for the values of their axes, then runs them side
//! by side within the bounds of concurrency.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{Id, JoinError, JoinSet};

use super::axis;
use super::case;
use super::matrix::Matrix;
use super::step::StepFailure;
use super::suite::SuiteRun;
use crate::event::{CaseId, EventKind, Explanation, Outcome};
use crate::plan::model::Case;

/// A case whose matrix is known.
struct Prepared {
    matrix: Matrix,
    /// Index and name of each cell that is to run.
    cells: Vec<(usize, String)>,
}

/// Runs every cell of every case, and tells the outcome of each.
pub async fn run(suite: &Arc<SuiteRun>) {
    let mut prepared = Vec::new();
    for case in &suite.suite.cases {
        prepared.push(prepare(suite, case).await);
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
    let mut pool = Pool {
        suite,
        permits: Arc::new(Semaphore::new(permits)),
        tasks: JoinSet::new(),
        running: HashMap::new(),
    };
    for (index, (case, prepared)) in suite.suite.cases.iter().zip(prepared).enumerate() {
        match prepared {
            Ok(prepared) => pool.start(index, prepared).await,
            Err((outcome, why)) => {
                suite.tell_case(suite.whole_case(index, case), outcome, Some(why));
            }
        }
    }
    pool.finish().await;
}

/// The matrix of a case, and the names of the cells that were chosen.
async fn prepare(suite: &SuiteRun, case: &Case) -> Result<Prepared, (Outcome, Explanation)> {
    if suite.is_stopped() {
        return Err((suite.stopped_outcome(), suite.why_stopped()));
    }
    let errored = |message: String, place: String| {
        let why = Explanation {
            place: Some(place),
            ..Explanation::new(message)
        };
        (Outcome::Errored, why)
    };
    let scope = suite.names.scope();
    let mut axes = Vec::new();
    for axis in &case.matrix {
        let place = || axis.place.to_string();
        let values = tokio::select! {
            biased;
            values = axis::values(axis, &suite.cluster, &scope, suite.namespace.as_deref()) => values,
            () = suite.stop.cancelled() => {
                return Err((suite.stopped_outcome(), suite.why_stopped()));
            }
        };
        let values = values.map_err(|failure: StepFailure| {
            errored(
                format!("the axis `{}`: {}", axis.name, failure.why.message),
                place(),
            )
        })?;
        for (node, reason) in values.excluded {
            suite.tell_excluded(node, reason);
        }
        if values.values.is_empty() {
            let message = format!("the axis `{}` has no values", axis.name);
            return Err(match axis.skip_if_empty {
                true => (Outcome::Skipped, Explanation::new(message)),
                false => errored(message, place()),
            });
        }
        axes.push((axis.name.clone(), values.values));
    }
    let matrix = Matrix::new(axes);
    let names = matrix
        .names(&case.name, &suite.names)
        .map_err(|error| errored(error.message, error.place.to_string()))?;
    let cells = names
        .into_iter()
        .enumerate()
        .filter(|(_, name)| suite.options.names.admits(name))
        .collect();
    Ok(Prepared { matrix, cells })
}

/// Cells on their way, at most so many at once.
struct Pool<'a> {
    suite: &'a Arc<SuiteRun>,
    permits: Arc<Semaphore>,
    tasks: JoinSet<()>,
    running: HashMap<Id, CaseId>,
}

impl Pool<'_> {
    /// Starts the cells of a case as others make room.
    async fn start(&mut self, index: usize, prepared: Prepared) {
        let matrix = Arc::new(prepared.matrix);
        for (cell, name) in prepared.cells {
            let permit = Arc::clone(&self.permits)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            let id = self.suite.case_id(index, cell, name);
            let (suite, matrix) = (Arc::clone(self.suite), Arc::clone(&matrix));
            let told = id.clone();
            let task = self.tasks.spawn(async move {
                let _permit = permit;
                let case = &suite.suite.cases[index];
                case::run(&suite, case, &matrix.cell(cell), told).await;
            });
            self.running.insert(task.id(), id);
            while let Some(ended) = self.tasks.try_join_next_with_id() {
                self.note(ended);
            }
        }
    }

    async fn finish(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.note(ended);
        }
    }

    /// A cell that panicked told nothing: its case is errored.
    fn note(&mut self, ended: Result<(Id, ()), JoinError>) {
        match ended {
            Ok((id, ())) => {
                self.running.remove(&id);
            }
            Err(error) => {
                if let Some(id) = self.running.remove(&error.id()) {
                    let why = Explanation::new(format!("kubeproof itself broke: {error}"));
                    self.suite.tell_case(id, Outcome::Errored, Some(why));
                }
            }
        }
    }
}
