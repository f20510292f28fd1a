//! One suite through its life: requirements, namespace, setup, cases, teardown, cleanup.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::cancel::{Cancellation, CleanupTime, STEPS_AFTER_CANCEL};
use super::cells;
use super::cleanup::{self, Cleanup, Held};
use super::clusters::Clusters;
use super::deadline::human_duration;
use super::diagnosis;
use super::dispatcher::Teller;
use super::environment::ProcessEnvironments;
use super::executor::{Keep, RunOptions};
use super::ledger::{Deed, Entry, Ledger, Owner, Owners, Subject};
use super::life::{Life, Place as LeasePlace};
use super::namespace;
use super::panic::{held, held_step};
use super::requirements;
use super::scope::Names;
use super::step::{self, StepContext, StepFailure};
use super::writes::Writes;
use crate::cluster::{Cluster, Watch};
use crate::event::{
    CancelReason, CaseId, CaseResult, EventKind, Explanation, Leftover, Outcome, Problem, Stage,
    SuiteRef,
};
use crate::plan::model::{Case, Namespace, Step, Suite};
use crate::source::Place;

/// What everything in a suite shares.
pub struct SuiteRun {
    pub clusters: Clusters,
    pub environments: Arc<ProcessEnvironments>,
    pub suite: Arc<Suite>,
    pub reference: SuiteRef,
    pub run_id: String,
    pub run_started: jiff::Timestamp,
    /// `inputs`, `run`, `suite`, `nodes`.
    pub base: Names,
    /// The same with what setup captured.
    pub captured: OnceLock<Names>,
    /// Where objects go that name no namespace.
    pub namespace: Option<String>,
    /// The watches that steps have begun: the next ones go on with them.
    pub watches: Mutex<Vec<Watch>>,
    /// The namespaces that were made.
    pub own_namespaces: Mutex<HashSet<String>>,
    /// The run's and the suite's, for everything that is made.
    pub labels: Vec<(String, String)>,
    /// The run's sign of life.
    pub life: Arc<Life>,
    pub owners: Arc<Owners>,
    pub writes: Writes,
    /// The leftovers that were told.
    pub left: Mutex<HashSet<String>>,
    pub teller: Arc<Teller>,
    pub options: Arc<RunOptions>,
    pub cancellation: Cancellation,
    /// Pulled with the run's, or by the suite's own deadline.
    pub stop: CancellationToken,
    /// Runs out some time after `stop` is pulled.
    pub cleanup_time: CleanupTime,
    /// What makes it run out, for as long as there is something to clean up.
    pub _running_out: AbortOnDropHandle<()>,
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
        let mut namespaces = Vec::new();
        let unmet = held(self.unmet_requirement(&ledger)).await;
        let unmet = unmet.unwrap_or_else(|words| Some((Outcome::Errored, Explanation::new(words))));
        let begun = match unmet {
            Some((outcome, why)) => {
                self.tell_all(outcome, &why);
                false
            }
            None => {
                match held_step(self.prepare(&ledger, &mut namespaces)).await {
                    Ok(()) => self.run_cases(&ledger).await,
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
        if begun {
            self.end(&ledger, namespaces).await;
        }
    }

    /// The cases, and what those that failed have in common.
    async fn run_cases(self: &Arc<Self>, ledger: &Ledger) {
        let ended = match held(cells::run(self)).await {
            Ok(ended) => ended,
            // the cases that were not told are missed by the verdict
            Err(words) => return self.tell_problem(Stage::Run, Explanation::new(words)),
        };
        if let Err(words) = held(diagnosis::run(self, ledger, &ended)).await {
            let text = format!("{}: the diagnosis: {words}", self.suite.name);
            self.teller.tell(EventKind::Notice { text });
        }
    }

    /// Teardown, the objects of setup, the namespaces.
    async fn end(self: &Arc<Self>, ledger: &Ledger, mut namespaces: Vec<Entry>) {
        let passed = self.passed.load(Ordering::SeqCst);
        self.teardown(ledger).await;
        if ledger.holds_only(cleanup::goes_in_an_ending_namespace) {
            self.remove_namespaces(std::mem::take(&mut namespaces), passed);
        }
        self.take_back(ledger, passed).await;
        self.teller.tell(EventKind::SuiteCleaned {
            suite: self.reference.clone(),
        });
        self.remove_namespaces(namespaces, passed);
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

    /// What steps work with, in the suite's namespace and cluster.
    pub fn context<'a>(
        &'a self,
        ledger: &'a Ledger,
        cancel: &'a CancellationToken,
    ) -> Result<StepContext<'a>, StepFailure> {
        Ok(StepContext {
            suite: self,
            cluster: self.cluster(self.suite.cluster.as_deref())?.clone(),
            cluster_name: self.suite.cluster.clone(),
            names: self.names().clone(),
            namespace: self.namespace.clone(),
            ledger,
            deadline: None,
            cancel,
        })
    }

    /// The same in the cluster of a case.
    pub fn case_context<'a>(
        &'a self,
        case: &Case,
        ledger: &'a Ledger,
        cancel: &'a CancellationToken,
    ) -> Result<StepContext<'a>, StepFailure> {
        let mut context = self.context(ledger, cancel)?;
        if let Some(name) = &case.cluster {
            context.cluster_name = Some(name.clone());
            context.cluster = self.cluster(Some(name))?.clone();
        }
        Ok(context)
    }

    /// The names that every case sees.
    pub fn names(&self) -> &Names {
        self.captured.get().unwrap_or(&self.base)
    }

    /// One of the suite's clusters; the run's own without a name.
    pub fn cluster(&self, name: Option<&str>) -> Result<&Cluster, StepFailure> {
        self.clusters.get(name).ok_or_else(|| {
            let name = name.unwrap_or_default();
            StepFailure::errored(format!(
                "the cluster {name} is not given: --cluster {name}=KUBECONFIG[:CONTEXT]"
            ))
        })
    }

    /// Keeps a watch of the suite's own namespace, or of all, for as long as the suite runs.
    pub fn keep(&self, watch: &Watch, namespace: Option<&str>) {
        if namespace.is_none() || namespace == self.namespace.as_deref() {
            let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
            if !watches.iter().any(|kept| kept.is_same(watch)) {
                watches.push(watch.clone());
            }
        }
    }

    /// The environment of local programs: where the cluster is.
    pub fn process_environment(&self, cluster: Option<&str>) -> BTreeMap<String, String> {
        self.environments.of(cluster)
    }

    /// Whether the run made this namespace.
    pub fn made_namespace(&self, name: &str) -> bool {
        let own = self.own_namespaces.lock();
        own.unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// Something is about to be made in one of the suite's clusters. Where no namespace of the
    /// run's own says that it lives, a Lease beside what is made does: in the namespace that was
    /// there, or else in the connection's.
    pub fn shows_life(&self, cluster_name: Option<&str>) {
        let Some(cluster) = self.clusters.get(cluster_name) else {
            return;
        };
        let namespace = match &self.suite.namespace {
            Namespace::PerSuite(_) | Namespace::PerCase(_) => return,
            Namespace::Existing(name) => name,
            Namespace::None => &cluster.server().default_namespace,
        };
        let place = LeasePlace::Beside(namespace);
        self.life.show(cluster_name, cluster, place, &self.labels);
    }

    /// The suite's file, for what has no place of its own.
    pub fn place(&self) -> Place {
        Place {
            file: Arc::clone(&self.suite.file),
            span: crate::source::Span::default(),
        }
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
            properties: IndexMap::new(),
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

    async fn unmet_requirement(&self, ledger: &Ledger) -> Option<(Outcome, Explanation)> {
        if self.is_stopped() {
            return Some((self.stopped_outcome(), self.why_stopped()));
        }
        let look = async {
            let context = self.context(ledger, &self.stop)?;
            requirements::first_unmet(&self.suite.requires, &context).await
        };
        let looked = tokio::select! {
            biased;
            looked = look => looked,
            () = self.stop.cancelled() => {
                return Some((self.stopped_outcome(), self.why_stopped()));
            }
        };
        match looked {
            Ok(None) => None,
            Ok(Some(unmet)) => Some((unmet.outcome(), Explanation::new(unmet.reason))),
            Err(failure) => Some((Outcome::Errored, failure.why)),
        }
    }

    /// Namespace and setup.
    async fn prepare(
        &self,
        ledger: &Ledger,
        namespaces: &mut Vec<Entry>,
    ) -> Result<(), StepFailure> {
        namespace::make_for_suite(self, namespaces).await?;
        let names = self
            .stage(Stage::Setup, &self.suite.setup, ledger, &self.stop)
            .await?;
        let _ = self.captured.set(names);
        Ok(())
    }

    /// Steps outside of cases; gives back the names with what they captured.
    async fn stage(
        &self,
        stage: Stage,
        steps: &[Step],
        ledger: &Ledger,
        cancel: &CancellationToken,
    ) -> Result<Names, StepFailure> {
        let mut context = self.context(ledger, cancel)?;
        for step in steps {
            self.teller.tell(EventKind::StageStarted {
                suite: self.reference.clone(),
                stage,
                step: step::describe(step, &context.scope()),
            });
            step::run(step, &mut context).await?;
        }
        Ok(context.names)
    }

    /// Without its setup nothing can be found out; a cancelled one is no fault of it, and
    /// a `skip` in it skips every case.
    fn setup_failed(&self, failure: StepFailure) {
        match failure.outcome {
            Outcome::Cancelled => self.tell_all(self.stopped_outcome(), &self.why_stopped()),
            Outcome::Skipped => self.tell_all(Outcome::Skipped, &failure.why),
            Outcome::Passed | Outcome::Failed | Outcome::Errored => {
                self.tell_problem(Stage::Setup, failure.why.clone());
                let why = Explanation::new(format!("setup: {}", failure.why.headline()));
                self.tell_all(Outcome::Errored, &why);
            }
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

    /// Undoes a ledger, or names what is kept.
    pub async fn take_back(&self, ledger: &Ledger, passed: bool) {
        if self.keeps(passed) {
            for entry in ledger.take().into_iter().flatten() {
                if let Deed::Made { .. } = entry.deed {
                    self.tell_kept(&entry.subject);
                }
            }
            return;
        }
        match held(self.cleanup().undo(ledger)).await {
            Ok(left) => self.tell_held(left),
            Err(words) => self.tell_problem(Stage::Cleanup, Explanation::new(words)),
        }
    }

    /// A namespace takes 5 s to go even where it is empty: nobody waits for it.
    pub fn remove_namespaces(self: &Arc<Self>, namespaces: Vec<Entry>, passed: bool) {
        for entry in namespaces {
            if self.keeps(passed) {
                self.tell_kept(&entry.subject);
                continue;
            }
            let run = Arc::clone(self);
            self.removals.spawn(async move {
                let cleanup = run.cleanup();
                let left = held(cleanup.undo_one(&entry))
                    .await
                    .unwrap_or_else(|reason| {
                        let object = entry.subject.shown();
                        vec![Held { object, reason }]
                    });
                if left.is_empty() {
                    let Subject { cluster, key } = &entry.subject;
                    run.life.forget(cluster.as_deref(), &key.name);
                }
                run.tell_held(left);
            });
        }
    }

    fn keeps(&self, passed: bool) -> bool {
        match self.options.keep {
            Keep::Never => false,
            Keep::OnFailure => !passed,
            Keep::Always => true,
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
