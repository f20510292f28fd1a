//! One suite through its life: requirements, namespace, setup, cases. Its end is `end`'s.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::cancel::{Cancellation, CleanupTime};
use super::cells;
use super::clusters::Clusters;
use super::deadline::human_duration;
use super::diagnosis;
use super::dispatcher::Teller;
use super::environment::ProcessEnvironments;
use super::executor::RunOptions;
use super::ledger::{Entry, Ledger, Owners, Subject};
use super::life::{Life, Place as LeasePlace};
use super::namespace;
use super::panic::{held, held_step};
use super::requirements;
use super::scope::Names;
use super::snapshot::{Kept, Numbers};
use super::step::{self, StepContext, StepFailure};
use super::writes::Writes;
use crate::cluster::{Cluster, Watch};
use crate::event::{
    CancelReason, CaseId, CaseResult, EventKind, Explanation, Outcome, Problem, Stage, SuiteRef,
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
    /// When the suite began; each cluster has a clock of its own for that.
    pub run_started: tokio::time::Instant,
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
    /// Which of the run's suites and cases has which object.
    pub owners: Arc<Owners>,
    /// What setup and teardown make and change.
    pub ledger: Ledger,
    /// How many objects the run has changed that were there before.
    pub numbers: Arc<Numbers>,
    pub writes: Arc<Writes>,
    /// The leftovers that were told.
    pub left: Mutex<HashSet<Subject>>,
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
    /// What cases made is taken back there, once their outcomes are told.
    pub cleanups: TaskTracker,
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
        let ledger = &self.ledger;
        let timer = self.start_timer();
        let mut namespaces = Vec::new();
        let unmet = held(self.unmet_requirement(ledger)).await;
        let unmet = unmet.unwrap_or_else(|words| Some((Outcome::Errored, Explanation::new(words))));
        let begun = match unmet {
            Some((outcome, why)) => {
                self.tell_all(outcome, &why);
                false
            }
            None => {
                match held_step(self.prepare(ledger, &mut namespaces)).await {
                    Ok(()) => self.run_cases(ledger).await,
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
            self.end(ledger, namespaces).await;
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
            awaited: Arc::default(),
            is_patient: true,
            told_of: None,
            unseen_until: self.writes.unseen_until(),
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
            context.names = context.names.with_clock_of(&context.cluster);
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
            StepFailure::errored(match self.clusters.why_missed(name) {
                // a kubeconfig that a step writes may well be there by now
                Some(why) => format!(
                    "there is no connection to the cluster {name}, which is made before the \
                     suite's first step: {why}"
                ),
                None => format!(
                    "the cluster {name} is not given: --cluster {name}=KUBECONFIG[:CONTEXT]"
                ),
            })
        })
    }

    /// Keeps a watch of the suite's own namespace, or of all, for as long as the suite runs.
    pub fn keep(&self, watch: &Watch, namespace: Option<&str>) {
        if namespace.is_none() || namespace == self.namespace.as_deref() {
            let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
            watches.retain(|kept| !kept.is_replaced());
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
        if self.suite.namespace.is_made() {
            return;
        }
        let place = LeasePlace::Beside(self.place_beside(cluster));
        self.life.show(cluster_name, cluster, place, &self.labels);
    }

    /// Where to write down in the cluster what an object is like that the run is about to change:
    /// beside it, and beside a Lease, so that it is seen there that the run lives. Nothing for a
    /// cluster that the suite does not know.
    pub fn keeper(&self, subject: &Subject) -> Option<Kept> {
        let cluster_name = subject.cluster.as_deref();
        let cluster = self.clusters.get(cluster_name)?;
        let namespace = subject.key.namespace.as_deref();
        let namespace = namespace.unwrap_or_else(|| self.place_beside(cluster));
        let place = LeasePlace::Beside(namespace);
        self.life.show(cluster_name, cluster, place, &self.labels);
        let number = self.numbers.next();
        Some(Kept::new(
            cluster,
            subject,
            namespace,
            &self.run_id,
            &self.labels,
            number,
        ))
    }

    /// The namespace that was there before, in which the run may write.
    fn place_beside<'a>(&'a self, cluster: &'a Cluster) -> &'a str {
        match &self.suite.namespace {
            Namespace::Existing(name) => name,
            Namespace::PerSuite(_) | Namespace::PerCase(_) | Namespace::None => {
                &cluster.server().default_namespace
            }
        }
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

    /// The same, with what the step that was cut waited for.
    pub fn why_stopped_in(&self, cut: StepFailure) -> Explanation {
        let why = self.why_stopped();
        match cut.cut_while() {
            Some(words) => Explanation {
                message: format!("{}; {words}", why.message),
                ..cut.why
            },
            None => why,
        }
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

    pub(super) fn tell_problem(&self, stage: Stage, why: Explanation) {
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
    pub(super) async fn stage(
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
            Outcome::Cancelled => {
                let why = self.why_stopped_in(failure.about("setup"));
                self.tell_all(self.stopped_outcome(), &why);
            }
            Outcome::Skipped => self.tell_all(Outcome::Skipped, &failure.why),
            Outcome::Passed | Outcome::Failed | Outcome::Errored => {
                self.tell_problem(Stage::Setup, failure.why.clone());
                let why = Explanation::new(format!("setup: {}", failure.why.headline()));
                self.tell_all(Outcome::Errored, &why);
            }
        }
    }
}
