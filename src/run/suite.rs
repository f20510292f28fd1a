//! One suite through its life: requirements, namespace, setup, cases, teardown, cleanup.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cancel::{CLEANUP_AFTER_CANCEL, Cancellation};
use super::cells;
use super::cleanup::{Cleanup, Held, shown};
use super::deadline::human_duration;
use super::dispatcher::Teller;
use super::executor::{Keep, RunOptions};
use super::ledger::{Deed, Entry, Ledger, Owner, Owners};
use super::requirements;
use super::scope::Names;
use super::step::{self, StepContext, StepFailure};
use super::writes::Writes;
use crate::cluster::{Cluster, ObjectKey, Resource};
use crate::event::{
    CancelReason, CaseId, CaseResult, EventKind, Explanation, Leftover, Outcome, Problem, Stage,
    SuiteRef,
};
use crate::plan::model::{Case, Namespace, Step, Suite, Unmet};

/// What everything in a suite shares.
pub struct SuiteRun {
    pub cluster: Cluster,
    pub suite: Arc<Suite>,
    pub reference: SuiteRef,
    /// `inputs`, `run`, `suite`, `nodes`.
    pub names: Names,
    /// Where objects go that name no namespace.
    pub namespace: Option<String>,
    /// The run's and the suite's, for everything that is made.
    pub labels: Vec<(String, String)>,
    pub owners: Arc<Owners>,
    pub writes: Writes,
    /// The leftovers that were told.
    pub left: Mutex<HashSet<String>>,
    pub teller: Arc<Teller>,
    pub options: Arc<RunOptions>,
    pub cancellation: Cancellation,
    /// Pulled with the run's, or by the suite's own deadline.
    pub stop: CancellationToken,
    /// Cleared by the first case that does not pass, and by a setup that does not.
    pub passed: AtomicBool,
    /// Removals of namespaces, which go on beside the next suites.
    pub removals: TaskTracker,
}

impl SuiteRun {
    /// Lives the suite's life. `on_finished` is called when every case has its outcome,
    /// before teardown.
    pub async fn run(self: Arc<Self>, on_finished: impl FnOnce()) {
        let started = Instant::now();
        self.teller.tell(EventKind::SuiteStarted {
            suite: self.reference.clone(),
            title: self.suite.title.clone(),
            file: self.suite.file.name.clone(),
            namespace: self.namespace.clone(),
        });
        let ledger = Ledger::new(Owner::Suite, Arc::clone(&self.owners));
        let timer = self.start_timer();
        let mut namespace = None;
        let begun = match self.unmet_requirement() {
            Some((outcome, why)) => {
                self.tell_all(outcome, &why);
                false
            }
            None => {
                let ready = self.prepare(&ledger, &mut namespace).await;
                match ready {
                    Ok(()) => cells::run(&self).await,
                    Err(failure) => self.setup_failed(failure),
                }
                true
            }
        };
        timer.abort();
        self.teller.tell(EventKind::SuiteFinished {
            suite: self.reference.clone(),
            took: started.elapsed(),
        });
        on_finished();
        let passed = self.passed.load(Ordering::SeqCst);
        if begun {
            self.teardown(&ledger).await;
            self.take_back(&ledger, passed).await;
            self.teller.tell(EventKind::SuiteCleaned {
                suite: self.reference.clone(),
            });
            if let Some(entry) = namespace {
                self.remove_namespace(entry, passed);
            }
        }
    }

    /// Pulls the suite's token when its own deadline passes.
    fn start_timer(self: &Arc<Self>) -> tokio::task::JoinHandle<()> {
        let run = Arc::clone(self);
        tokio::spawn(async move {
            let Some(timeout) = run.suite.timeout else {
                return;
            };
            tokio::time::sleep(timeout).await;
            run.tell_problem(
                Stage::Deadline,
                Explanation::new(format!(
                    "the suite did not end within {} (the suite's timeout)",
                    human_duration(timeout)
                )),
            );
            run.stop.cancel();
        })
    }

    /// Whether no further step may run.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// The outcome of a case that was not, or not wholly, run.
    pub fn stopped_outcome(&self) -> Outcome {
        match self.cancellation.reason() {
            Some(CancelReason::FailFast) => Outcome::Skipped,
            _ => Outcome::Cancelled,
        }
    }

    /// Why a case was not, or not wholly, run.
    pub fn why_stopped(&self) -> Explanation {
        Explanation::new(match self.cancellation.reason() {
            Some(reason) => reason.describe(),
            None => "the suite's timeout passed",
        })
    }

    /// Tells the outcome of a case that did not run.
    pub fn tell_case(&self, id: CaseId, outcome: Outcome, why: Option<Explanation>) {
        self.tell_result(CaseResult {
            id,
            outcome,
            took: Duration::ZERO,
            why,
        });
    }

    /// Tells the outcome of a case.
    pub fn tell_result(&self, result: CaseResult) {
        if result.outcome != Outcome::Passed {
            self.passed.store(false, Ordering::SeqCst);
        }
        self.teller.tell(EventKind::CaseFinished(result));
    }

    fn tell_problem(&self, stage: Stage, why: Explanation) {
        self.teller.tell(EventKind::Problem(Problem {
            suite: Some(self.reference.clone()),
            stage,
            why,
        }));
    }

    /// A node that a matrix leaves out.
    pub fn tell_excluded(&self, node: String, reason: String) {
        self.teller.tell(EventKind::NodeExcluded {
            suite: self.reference.clone(),
            node,
            reason,
        });
    }

    /// The same outcome for every case, none of which has a matrix yet.
    fn tell_all(&self, outcome: Outcome, why: &Explanation) {
        self.teller.tell(EventKind::CasesPlanned {
            suite: self.reference.clone(),
            total: self.suite.cases.len(),
        });
        for (index, case) in self.suite.cases.iter().enumerate() {
            self.tell_case(self.whole_case(index, case), outcome, Some(why.clone()));
        }
    }

    /// A case that has no cells, under the name that stands in the file.
    pub fn whole_case(&self, index: usize, case: &Case) -> CaseId {
        self.case_id(index, 0, case.name.source().to_owned())
    }

    /// The identity of a cell.
    pub fn case_id(&self, case: usize, cell: usize, name: String) -> CaseId {
        CaseId {
            suite: self.reference.clone(),
            case,
            cell,
            name,
        }
    }

    fn unmet_requirement(&self) -> Option<(Outcome, Explanation)> {
        match requirements::first_unmet(&self.suite.requires, &self.names.scope()) {
            Ok(None) => None,
            Ok(Some(unmet)) => {
                let outcome = match unmet.unmet {
                    Unmet::Skip => Outcome::Skipped,
                    Unmet::Fail => Outcome::Failed,
                };
                Some((outcome, Explanation::new(unmet.reason)))
            }
            Err((message, place)) => {
                let why = Explanation {
                    place: Some(place),
                    ..Explanation::new(format!("requires: {message}"))
                };
                Some((Outcome::Errored, why))
            }
        }
    }

    /// Namespace and setup.
    async fn prepare(
        &self,
        ledger: &Ledger,
        namespace: &mut Option<Entry>,
    ) -> Result<(), StepFailure> {
        if self.is_stopped() {
            return Err(StepFailure {
                outcome: Outcome::Cancelled,
                why: self.why_stopped(),
            });
        }
        if let Namespace::PerSuite {
            labels,
            annotations,
        } = &self.suite.namespace
        {
            self.make_namespace(labels, annotations, namespace).await?;
        }
        self.stage(Stage::Setup, &self.suite.setup, ledger, &self.stop)
            .await
    }

    async fn make_namespace(
        &self,
        labels: &BTreeMap<String, String>,
        annotations: &BTreeMap<String, String>,
        entry: &mut Option<Entry>,
    ) -> Result<(), StepFailure> {
        let Some(name) = &self.namespace else {
            return Ok(());
        };
        let mut all_labels = labels.clone();
        all_labels.extend(self.labels.iter().cloned());
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": all_labels, "annotations": annotations},
        });
        let resource = Resource::namespace();
        let written = entry.insert(Entry {
            key: ObjectKey::new(resource.clone(), None, name),
            deed: Deed::Made { uid: None },
            step: 0,
        });
        let made = tokio::select! {
            biased;
            made = self.cluster.create(&resource, None, &manifest) => made,
            () = self.stop.cancelled() => {
                return Err(StepFailure {
                    outcome: Outcome::Cancelled,
                    why: self.why_stopped(),
                });
            }
        };
        let made = made.map_err(|error| {
            let mut failure = StepFailure::from(error);
            failure.why.message = format!("namespace/{name} was not made: {}", failure.why.message);
            failure
        })?;
        written.deed = Deed::Made {
            uid: made.object["metadata"]["uid"].as_str().map(str::to_owned),
        };
        Ok(())
    }

    /// Steps outside of cases.
    async fn stage(
        &self,
        stage: Stage,
        steps: &[Step],
        ledger: &Ledger,
        cancel: &CancellationToken,
    ) -> Result<(), StepFailure> {
        let context = StepContext {
            cluster: &self.cluster,
            scope: self.names.scope(),
            namespace: self.namespace.as_deref(),
            ledger,
            writes: &self.writes,
            labels: &self.labels,
            deadline: None,
            cancel,
        };
        for step in steps {
            self.teller.tell(EventKind::StageStarted {
                suite: self.reference.clone(),
                stage,
                step: step::describe(step, &context.scope),
            });
            step::run(step, &context).await?;
        }
        Ok(())
    }

    /// Without its setup nothing can be found out; a cancelled one is no fault of it.
    fn setup_failed(&self, failure: StepFailure) {
        if failure.outcome == Outcome::Cancelled {
            self.tell_all(self.stopped_outcome(), &self.why_stopped());
            return;
        }
        self.tell_problem(Stage::Setup, failure.why.clone());
        let why = Explanation::new(format!("setup: {}", failure.why.headline()));
        self.tell_all(Outcome::Errored, &why);
    }

    /// Teardown steps, whatever came before, on cleanup's own time.
    async fn teardown(&self, ledger: &Ledger) {
        let cancel = &self.cancellation.cleanup;
        let steps = &self.suite.teardown;
        if let Err(failure) = self.stage(Stage::Teardown, steps, ledger, cancel).await {
            self.tell_problem(Stage::Teardown, failure.why);
        }
    }

    /// Undoes a ledger, or names what is kept.
    pub async fn take_back(&self, ledger: &Ledger, passed: bool) {
        if self.keeps(passed) {
            for entry in ledger.take().into_iter().flatten() {
                if let Deed::Made { .. } = entry.deed {
                    self.tell_kept(&entry.key);
                }
            }
            return;
        }
        self.tell_held(self.cleanup().undo(ledger).await);
    }

    /// A namespace takes 5 s to go even where it is empty: the next suites do not wait.
    fn remove_namespace(self: &Arc<Self>, entry: Entry, passed: bool) {
        if self.keeps(passed) {
            self.tell_kept(&entry.key);
            return;
        }
        let run = Arc::clone(self);
        self.removals.spawn(async move {
            run.tell_held(run.cleanup().undo_one(&entry).await);
        });
    }

    fn keeps(&self, passed: bool) -> bool {
        match self.options.keep {
            Keep::Never => false,
            Keep::OnFailure => !passed,
            Keep::Always => true,
        }
    }

    fn cleanup(&self) -> Cleanup {
        let hurried = self.cancellation.reason().is_some();
        Cleanup {
            cluster: self.cluster.clone(),
            labels: self.labels.clone(),
            deadline: hurried.then(|| tokio::time::Instant::now() + CLEANUP_AFTER_CANCEL),
            stop: self.cancellation.cleanup.clone(),
        }
    }

    fn tell_kept(&self, key: &ObjectKey) {
        self.teller.tell(EventKind::Leftover(Leftover {
            suite: Some(self.reference.clone()),
            object: shown(key),
            reason: format!("kept (--keep {})", self.options.keep),
            kept: true,
        }));
    }

    fn tell_held(&self, held: Vec<Held>) {
        for Held { object, reason } in held {
            // a pod that does not go holds its owner and its namespace, and is told once
            let mut told = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            if !told.insert(object.clone()) {
                continue;
            }
            self.teller.tell(EventKind::Leftover(Leftover {
                suite: Some(self.reference.clone()),
                object,
                reason,
                kept: false,
            }));
        }
    }
}
