//! The cells of a suite's cases: runs them side by side within the bounds of concurrency, each case
//! after those it needs. Which of them run is `choice`'s to say.
//!
//! What a cell made is taken back while others go on, and after the last one told its outcome: no
//! verdict waits for it. Room for another cell, and for the cases that need this one, is then.

use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;

use super::case::{self, CellEnd};
use super::choice::{self, Choice};
use super::diagnosis::EndedCase;
use super::matrix::Matrix;
use super::panic::held;
use super::suite::SuiteRun;
use crate::event::{EventKind, Explanation, Outcome};

/// How a whole case ended, for those that need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CaseEnd {
    /// All its cells did.
    Passed,
    /// At least one of them did not, or none was there.
    NotPassed,
    /// The user left it out.
    LeftOut,
    /// The user left cells of it out.
    PartlyLeftOut,
}

/// The end of a case; nothing while it runs, or is cleaned up after.
type Done = watch::Receiver<Option<CaseEnd>>;

/// Runs every cell of every case, and tells the outcome of each. Gives back those cases
/// whose cells ran.
pub async fn run(suite: &Arc<SuiteRun>) -> Vec<EndedCase> {
    let prepared = choice::choose(suite).await;
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
                told: Vec::new(),
                done,
            };
            pool.run(prepared, needs)
        });
    let ended = futures::future::join_all(cases).await;
    ended.into_iter().flatten().collect()
}

/// The cells of one case on their way.
struct Pool<'a> {
    suite: &'a Arc<SuiteRun>,
    index: usize,
    permits: Arc<Semaphore>,
    /// How many permits there are: a serial case takes them all.
    room: u32,
    tasks: JoinSet<()>,
    /// By the cell: how it ended, as soon as it told so.
    told: Vec<(usize, oneshot::Receiver<CellEnd>)>,
    done: watch::Sender<Option<CaseEnd>>,
}

impl Pool<'_> {
    /// Runs the case after those it needs, until all its cells have told their outcomes; nothing
    /// where none of them ran.
    async fn run(mut self, prepared: Choice, needs: Vec<(usize, Done)>) -> Option<EndedCase> {
        let suite = self.suite;
        let case = &suite.suite.cases[self.index];
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err((outcome, why)) => {
                // told in its turn, as the cells of others are
                let _ = unmet_need(suite, needs).await;
                suite.tell_case(suite.whole_case(self.index, case), outcome, Some(why));
                self.done.send_replace(Some(CaseEnd::NotPassed));
                return None;
            }
        };
        if prepared.cells.is_empty() {
            self.done.send_replace(Some(match prepared.excluded {
                0 => CaseEnd::NotPassed,
                _ => CaseEnd::LeftOut,
            }));
            return None;
        }
        if let Some(why) = unmet_need(suite, needs).await {
            for &cell in &prepared.cells {
                let id = suite.case_id(self.index, cell, prepared.name(cell));
                suite.tell_case(id, Outcome::Skipped, Some(Explanation::new(&why)));
            }
            self.done.send_replace(Some(CaseEnd::NotPassed));
            return None;
        }
        let matrix = Arc::clone(&prepared.matrix);
        for &cell in &prepared.cells {
            self.start(&matrix, cell, prepared.name(cell)).await;
        }
        let mut passed = true;
        let mut cells = Vec::new();
        for (cell, told) in self.told {
            let end = told.await;
            let end = end.unwrap_or_else(|_| CellEnd::not_run(Outcome::Errored));
            passed &= end.passed;
            cells.push((cell, end.outcome));
        }
        let end = match (passed, prepared.excluded) {
            (false, _) => CaseEnd::NotPassed,
            (true, 0) => CaseEnd::Passed,
            (true, _) => CaseEnd::PartlyLeftOut,
        };
        let (tasks, done) = (self.tasks, self.done);
        suite.cleanups.spawn(async move {
            tasks.join_all().await;
            done.send_replace(Some(end));
        });
        Some(EndedCase {
            case: self.index,
            matrix,
            cells,
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
        let (suite, matrix, index) = (Arc::clone(self.suite), Arc::clone(matrix), self.index);
        let (tell, told) = oneshot::channel();
        self.told.push((cell, told));
        self.tasks.spawn(async move {
            let _permit = permit;
            let case = &suite.suite.cases[index];
            let ended = held(case::run(&suite, case, &matrix.cell(cell), id.clone())).await;
            let (end, rest) = ended.unwrap_or_else(|words| {
                suite.tell_case(id, Outcome::Errored, Some(Explanation::new(words)));
                (CellEnd::not_run(Outcome::Errored), None)
            });
            let _ = tell.send(end);
            if let Some(rest) = rest {
                rest.take_back().await;
            }
        });
        while self.tasks.try_join_next().is_some() {}
    }
}

/// Waits for the cases that are needed; the first that did not pass, in words.
async fn unmet_need(suite: &SuiteRun, needs: Vec<(usize, Done)>) -> Option<String> {
    for (index, mut done) in needs {
        // a sender that is gone never told: its case did not pass
        let end = match done.wait_for(Option::is_some).await {
            Ok(end) => end.unwrap_or(CaseEnd::NotPassed),
            Err(_) => CaseEnd::NotPassed,
        };
        let why = match end {
            CaseEnd::Passed => continue,
            CaseEnd::NotPassed => "which did not pass",
            CaseEnd::LeftOut => "which `--exclude` leaves out",
            CaseEnd::PartlyLeftOut => "of which `--exclude` leaves out a part",
        };
        let name = suite.suite.cases[index].name.source();
        return Some(format!("it needs {name:?}, {why}"));
    }
    None
}
