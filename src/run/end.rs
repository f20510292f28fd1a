//! The end of a suite: teardown, what its setup made, its namespaces, and what is told of all that
//! stays.
//!
//! How things are taken back is `cleanup`'s.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use futures::future::join_all;

use super::cancel::STEPS_AFTER_CANCEL;
use super::cleanup::{self, Cleanup, Held};
use super::deadline::human_duration;
use super::executor::Keep;
use super::ledger::{Entry, Ledger, Subject};
use super::panic::{held, held_step};
use super::step::StepFailure;
use super::suite::SuiteRun;
use crate::cluster::Cluster;
use crate::event::{EventKind, Explanation, Leftover, Outcome, Stage};

/// How that ended whose objects are taken back, or kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A suite or a case that passed.
    Passed,
    /// One that did not.
    NotPassed,
    /// An attempt that is followed by another, which needs the names of its objects.
    Repeated,
}

impl Ending {
    /// Of a suite, or of a case's last attempt.
    pub fn of(passed: bool) -> Self {
        match passed {
            true => Self::Passed,
            false => Self::NotPassed,
        }
    }
}

impl SuiteRun {
    /// The rest of the cases' objects, teardown, the objects of setup, the namespaces.
    pub(super) async fn end(self: &Arc<Self>, ledger: &Ledger, mut namespaces: Vec<Entry>) {
        let ending = Ending::of(self.passed.load(Ordering::SeqCst));
        self.cleanups.close();
        self.cleanups.wait().await;
        self.teardown(ledger).await;
        if ledger.holds_only(cleanup::goes_in_an_ending_namespace) {
            self.remove_namespaces(std::mem::take(&mut namespaces), ending);
        }
        self.take_back(ledger, ending).await;
        self.teller.tell(EventKind::SuiteCleaned {
            suite: self.reference.clone(),
        });
        self.remove_namespaces(namespaces, ending);
        self.end_commands().await;
    }

    /// Commands in pods whose steps were cancelled end, also where the pod is not the run's.
    async fn end_commands(&self) {
        let ended = join_all(self.clusters.all().map(Cluster::commands_ended));
        tokio::select! {
            biased;
            _ = ended => {}
            () = self.cleanup_time.all_over.cancelled() => {}
        }
    }

    /// Teardown steps, whatever came before, on cleanup's own time.
    async fn teardown(&self, ledger: &Ledger) {
        let cancel = &self.cleanup_time.steps_over;
        let steps = &self.suite.teardown;
        match held_step(self.stage(Stage::Teardown, steps, ledger, cancel)).await {
            Ok(_) => {}
            Err(failure) if failure.outcome == Outcome::Skipped => {}
            Err(failure) => self.tell_problem(Stage::Teardown, self.explain_end(failure).why),
        }
    }

    /// Undoes a ledger, but for what is kept, which is named. What was changed is put back in any
    /// case: nobody else could.
    pub async fn take_back(&self, ledger: &Ledger, ending: Ending) {
        if self.keeps(ending) {
            for subject in ledger.take_made() {
                self.tell_kept(&subject);
            }
        }
        match held(self.cleanup().undo(ledger)).await {
            Ok(left) => self.tell_held(left),
            Err(words) => self.tell_problem(Stage::Cleanup, Explanation::new(words)),
        }
    }

    /// A namespace takes 5 s to go even where it is empty: nobody waits for it.
    pub fn remove_namespaces(self: &Arc<Self>, namespaces: Vec<Entry>, ending: Ending) {
        for entry in namespaces {
            if self.keeps(ending) {
                self.tell_kept(&entry.subject);
                continue;
            }
            let run = Arc::clone(self);
            self.removals.spawn(async move {
                let cleanup = run.cleanup();
                let left = cleanup.undo_one(&entry).await;
                if left.is_empty() {
                    let Subject { cluster, key } = &entry.subject;
                    run.life.forget(cluster.as_deref(), &key.name);
                }
                run.tell_held(left);
            });
        }
    }

    fn keeps(&self, ending: Ending) -> bool {
        match (self.options.keep, ending) {
            (Keep::Never, _) | (_, Ending::Repeated) => false,
            (Keep::OnFailure, ending) => ending == Ending::NotPassed,
            (Keep::Always, _) => true,
        }
    }

    /// What takes things back from now on.
    pub fn cleanup(&self) -> Cleanup {
        Cleanup {
            clusters: self.clusters.clone(),
            labels: self.labels.clone(),
            patience: cleanup::PATIENCE,
            longest: cleanup::LONGEST,
            began: tokio::time::Instant::now(),
            time: self.cleanup_time.clone(),
            writes: Arc::clone(&self.writes),
        }
    }

    /// Steps that run whatever came before, and were stopped: by which deadline, if by one.
    pub fn explain_end(&self, mut failure: StepFailure) -> StepFailure {
        let time = &self.cleanup_time;
        if failure.outcome == Outcome::Cancelled
            && time.steps_over.is_cancelled()
            && !time.all_over.is_cancelled()
        {
            failure.why.message = format!(
                "did not end within {} after the cancel (cleanup's deadline for steps)",
                human_duration(STEPS_AFTER_CANCEL)
            );
        }
        failure
    }

    fn tell_kept(&self, subject: &Subject) {
        self.teller.tell(EventKind::Leftover(Leftover {
            suite: Some(self.reference.clone()),
            object: subject.shown(),
            reason: format!("kept (--keep {})", self.options.keep),
            kept: true,
        }));
    }

    fn tell_held(&self, held: Vec<Held>) {
        for Held { subject, reason } in held {
            // a pod that does not go holds its owner and its namespace, and is told once
            let mut told = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            if !told.insert(subject.clone()) {
                continue;
            }
            self.teller.tell(EventKind::Leftover(Leftover {
                suite: Some(self.reference.clone()),
                object: subject.shown(),
                reason,
                kept: false,
            }));
        }
    }
}
