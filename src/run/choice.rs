//! Which cells of a suite's cases run: those that the user chose, and whole cases that these need.
//! Asks for the values of their axes; running them is the job of `cells`.

use std::sync::Arc;

use super::axis;
use super::ledger::{Ledger, Owner};
use super::matrix::{CellNames, Matrix};
use super::panic::held;
use super::requirements;
use super::step::{StepContext, StepFailure};
use super::suite::SuiteRun;
use crate::event::{EventKind, Explanation, Outcome};
use crate::plan::model::{self, Case};
use crate::plan::select::NameFilter;

/// A case whose matrix is known.
pub struct Prepared {
    /// What it is repeated over.
    pub matrix: Arc<Matrix>,
    /// The index of each cell that is to run.
    pub cells: Vec<usize>,
    /// Their names; a case that nothing runs of has none.
    names: Option<CellNames>,
    /// How many cells `--exclude` leaves out.
    pub excluded: usize,
}

/// A case that is to run, or the one outcome of it.
pub type Choice = Result<Prepared, (Outcome, Explanation)>;

/// Chooses among the cells of all cases, in their order.
pub async fn choose(suite: &SuiteRun) -> Vec<Choice> {
    let (cases, filter) = (&suite.suite.cases, &suite.options.names);
    let mut prepared = Vec::new();
    for case in cases {
        prepared.push(match is_left_out(case, filter) {
            // nobody is asked for what nobody wants
            true => None,
            false => Some(prepared_or_broken(suite, case).await),
        });
    }
    let admits = |choice: &Option<Choice>| match choice {
        Some(Ok(case)) => case
            .cells
            .iter()
            .any(|cell| filter.admits(&case.name(*cell))),
        Some(Err(_)) | None => false,
    };
    let mut wanted: Vec<usize> = (0..cases.len())
        .filter(|index| admits(&prepared[*index]))
        .collect();
    let mut is_needed = vec![false; cases.len()];
    while let Some(index) = wanted.pop() {
        for need in &cases[index].needs {
            if std::mem::replace(&mut is_needed[*need], true) {
                continue;
            }
            if prepared[*need].is_none() && !filter.excludes(cases[*need].name.source()) {
                prepared[*need] = Some(prepared_or_broken(suite, &cases[*need]).await);
            }
            if !admits(&prepared[*need]) {
                tell_needed(suite, &cases[*need], &cases[index]);
            }
            wanted.push(*need);
        }
    }
    let chosen = cases.iter().zip(prepared).zip(is_needed);
    chosen
        .map(|((case, choice), is_needed)| match choice {
            Some(Ok(case)) => Ok(case.only(filter, is_needed)),
            Some(Err(end)) if is_needed => Err(end),
            Some(Err(end)) if filter.admits(case.name.source()) => Err(end),
            Some(Err(end)) if filter.may_admit(case.name.source()) => Err(unsure(end)),
            Some(Err(_)) | None => Ok(Prepared::left_out()),
        })
        .collect()
}

/// The end of a case whose cells nobody knows, and so neither whether they are chosen.
fn unsure((outcome, mut why): (Outcome, Explanation)) -> (Outcome, Explanation) {
    if outcome == Outcome::Errored {
        why.message +=
            "; whether one of its cells is chosen is not known: `--exclude` leaves it out";
    }
    (outcome, why)
}

impl Prepared {
    /// A case of which nothing runs, as the user says.
    fn left_out() -> Self {
        Self {
            matrix: Arc::new(Matrix::Axes(Vec::new())),
            cells: Vec::new(),
            names: None,
            excluded: 1,
        }
    }

    /// Without the cells that do not run. A case that another needs runs whole, but for what was
    /// left out in so many words.
    fn only(mut self, filter: &NameFilter, is_needed: bool) -> Self {
        if filter.admits_all() {
            return self;
        }
        let all = std::mem::take(&mut self.cells);
        for cell in all {
            let name = self.name(cell);
            if filter.excludes(&name) {
                self.excluded += 1;
            } else if is_needed || filter.admits(&name) {
                self.cells.push(cell);
            }
        }
        self
    }

    /// The name of a cell.
    pub fn name(&self, cell: usize) -> String {
        let names = self.names.as_ref();
        names.map_or_else(String::new, |names| names.of(&self.matrix, cell))
    }
}

/// Whether no cell of a case can be admitted, whatever its matrix is.
fn is_left_out(case: &Case, filter: &NameFilter) -> bool {
    let has_one_cell = matches!(&case.matrix, model::Matrix::Axes(axes) if axes.is_empty());
    has_one_cell && case.name.names().is_empty() && !filter.admits(case.name.source())
}

fn tell_needed(suite: &SuiteRun, needed: &Case, by: &Case) {
    let (needed, by) = (needed.name.source(), by.name.source());
    suite.teller.tell(EventKind::Notice {
        text: format!(
            "{}: {needed:?} runs as well, since {by:?} needs it",
            suite.suite.name
        ),
    });
}

async fn prepared_or_broken(suite: &SuiteRun, case: &Case) -> Choice {
    let choice = held(prepare(suite, case)).await;
    choice.unwrap_or_else(|words| Err(errored(StepFailure::errored(words))))
}

/// The matrix of a case, and the names of all its cells.
async fn prepare(suite: &SuiteRun, case: &Case) -> Choice {
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
    let names = CellNames::new(&matrix, &cells, &case.name, names).map_err(template)?;
    Ok(Prepared {
        matrix: Arc::new(matrix),
        cells,
        names: Some(names),
        excluded: 0,
    })
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
    let ledger = Ledger::new(
        Owner::Suite(suite.reference.clone()),
        Arc::clone(&suite.owners),
    );
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
