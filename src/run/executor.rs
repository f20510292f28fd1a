//! A run from its start to its end: connects, takes the suites through their lives one
//! after another, and ends when cleanup has.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures::{FutureExt as _, StreamExt};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::arrival::{self, Surroundings};
use super::artifacts::Artifacts;
use super::cancel::{Cancellation, CleanupTime};
use super::clusters::Clusters;
use super::dispatcher::{Dispatcher, Ended, Teller};
use super::environment::ProcessEnvironments;
use super::ledger::{Ledger, Owner, Owners};
use super::leftovers;
use super::life::Life;
use super::namespace;
use super::panic::held;
use super::permissions;
use super::scope::{Names, node_value, server_value};
use super::secrets;
use super::signal::Signals;
use super::snapshot::Numbers;
use super::suite::SuiteRun;
use crate::cluster::{Cluster, ConnectOptions};
use crate::event::{EventKind, Explanation, Problem, Stage, SuiteRef};
use crate::image::Registry;
use crate::marks::{self, RUN_LABEL, SUITE_LABEL};
use crate::plan::model::{Namespace, Suite};
use crate::plan::select::NameFilter;
use crate::report::Reporters;
use crate::secret::Mask;
use crate::template::{Scope, scope_value};

/// What of the objects stays in the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    #[default]
    Never,
    /// What belongs to a suite or case that did not pass.
    OnFailure,
    /// Everything.
    Always,
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::OnFailure => "on-failure",
            Self::Always => "always",
        })
    }
}

/// How a run is to be done.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Which cluster.
    pub connect: ConnectOptions,
    /// How long the cluster may take to come up, with all its nodes; otherwise it must be up.
    pub wait_ready: Option<Duration>,
    /// So many nodes must be ready.
    pub expect_nodes: Option<usize>,
    /// Further clusters by name, over what suites say of them.
    pub clusters: BTreeMap<String, ConnectOptions>,
    /// Instead of the suites' own namespaces: never created, labelled or deleted.
    pub namespace: Option<String>,
    /// Where all images are pulled from, instead of the registries that they name.
    pub registry: Option<Registry>,
    /// Which cases, by their rendered names.
    pub names: NameFilter,
    /// At most so many cells of a suite at once.
    pub concurrency: usize,
    /// So many suites at once.
    pub parallel_suites: usize,
    /// Deadline of the whole run.
    pub timeout: Option<Duration>,
    /// Stop at the first case that fails or errors.
    pub fail_fast: bool,
    /// More whole runs of cases that do not pass and say nothing themselves.
    pub retries: u32,
    /// Whether warnings count as failures.
    pub strict: bool,
    /// What stays in the cluster.
    pub keep: Keep,
    /// Where collectors write what they find.
    pub artifacts: Option<Artifacts>,
    /// Whether each step of a case is told as it begins and ends.
    pub tell_steps: bool,
    /// What must never be shown.
    pub mask: Mask,
}

/// Carries a plan out and tells the reporters all of it.
///
/// # Errors
/// Only where signals cannot be listened to; everything else is in the verdict.
pub async fn execute(
    suites: Vec<Suite>,
    options: RunOptions,
    reporters: Reporters,
) -> io::Result<Ended> {
    let signals = Signals::listen()?;
    let cancellation = Cancellation::default();
    let (dispatcher, teller) = Dispatcher::new(
        reporters,
        cancellation.clone(),
        options.fail_fast,
        options.mask.clone(),
    );
    let timeout = options.timeout;
    let id = marks::new_run_id();
    let run = Run {
        life: Arc::new(Life::new(&id)),
        id,
        started: Instant::now(),
        options: Arc::new(options),
        cancellation,
        teller,
        beside: Mutex::default(),
        owners: Arc::default(),
        numbers: Arc::default(),
    };
    let last_teller = Arc::clone(&run.teller);
    let work = tokio::spawn(async move {
        if let Err(words) = held(run.execute(suites)).await {
            last_teller.tell(EventKind::Problem(Problem {
                suite: None,
                stage: Stage::Run,
                why: Explanation::new(words),
            }));
        }
    });
    let ended = dispatcher.drive(signals, timeout).await;
    work.abort();
    Ok(ended)
}

struct Run {
    id: String,
    life: Arc<Life>,
    started: Instant,
    options: Arc<RunOptions>,
    cancellation: Cancellation,
    teller: Arc<Teller>,
    /// What nothing waits for: it ends with the run.
    beside: Mutex<JoinSet<()>>,
    owners: Arc<Owners>,
    numbers: Arc<Numbers>,
}

/// A suite, what it is called in events, and its namespace.
type Planned = (Suite, SuiteRef, Option<String>);

/// Why no suite is begun, and while doing what; nothing where the run was cancelled.
type Obstacle = Option<(Stage, Explanation)>;

impl Run {
    async fn execute(self, suites: Vec<Suite>) {
        // nothing is told before it is known what is secret; a kubeconfig that is a pipe may hang
        tokio::select! {
            biased;
            () = secrets::note(&suites, &self.options) => {}
            () = self.cancellation.work.cancelled() => {}
        }
        let references: Vec<_> = suites
            .iter()
            .enumerate()
            .map(|(index, suite)| SuiteRef {
                index,
                name: suite.name.clone(),
            })
            .collect();
        self.teller.tell(EventKind::RunStarted {
            run: self.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cleanup: leftovers::command(&self.id, &suites, &self.options),
            suites: references.clone(),
        });
        let removals = TaskTracker::new();
        let planned = self.plan(suites, references);
        match self.begin(&planned).await {
            Ok(surroundings) => {
                if planned.is_empty() {
                    self.tell_verdict();
                }
                let unfinished = AtomicUsize::new(planned.len());
                // the last to finish has the verdict told, before its teardown
                let on_finished = || {
                    if unfinished.fetch_sub(1, Ordering::SeqCst) == 1 {
                        self.tell_verdict();
                    }
                };
                let (run, surroundings, removals) = (&self, &surroundings, &removals);
                let one = |(suite, reference, namespace)| async move {
                    run.suite(suite, reference, namespace, surroundings, removals)
                        .await
                        .run(on_finished)
                        .await;
                };
                futures::stream::iter(planned)
                    .for_each_concurrent(self.options.parallel_suites.max(1), one)
                    .await;
            }
            Err(Some((stage, why))) => {
                self.teller.tell(EventKind::Problem(Problem {
                    suite: None,
                    stage,
                    why,
                }));
                self.tell_verdict();
            }
            // the dispatcher has told why
            Err(None) => self.tell_verdict(),
        }
        removals.close();
        removals.wait().await;
        self.life.end().await;
        self.teller.tell(EventKind::RunFinished {
            took: self.started.elapsed(),
        });
    }

    fn tell_verdict(&self) {
        self.teller.tell(EventKind::VerdictReached {
            took: self.started.elapsed(),
        });
    }

    /// The suites with their namespaces. Suites of one name get namespaces of their own.
    fn plan(&self, suites: Vec<Suite>, references: Vec<SuiteRef>) -> Vec<Planned> {
        let mut taken = HashSet::new();
        let plan = |(mut suite, reference): (Suite, SuiteRef)| {
            if let Some(existing) = &self.options.namespace {
                suite.namespace = Namespace::Existing(existing.clone());
            }
            let namespace = self.namespace_of(&suite, &mut taken);
            (suite, reference, namespace)
        };
        suites.into_iter().zip(references).map(plan).collect()
    }

    /// Finds out whether the suites can be run at all, before anything is made.
    async fn begin(&self, planned: &[Planned]) -> Result<Surroundings, Obstacle> {
        let surroundings = tokio::select! {
            biased;
            arrived = arrival::arrive(&self.options, &self.teller) => {
                arrived.map_err(|why| Some((Stage::Connect, why)))?
            }
            () = self.cancellation.work.cancelled() => return Err(None),
        };
        let connection = surroundings.connection();
        self.teller.tell(EventKind::Connected(connection));
        if planned.iter().any(|(suite, ..)| suite.namespace.is_made()) {
            let mut beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
            beside.spawn(leftovers::tell(
                surroundings.cluster.clone(),
                self.id.clone(),
                self.options.connect.clone(),
                Arc::clone(&self.teller),
            ));
        }
        let suites: Vec<_> = planned
            .iter()
            .map(|(suite, _, namespace)| (suite, namespace.as_deref()))
            .collect();
        let asked = tokio::select! {
            biased;
            asked = permissions::ask(&surroundings.cluster, &self.id, &suites) => asked,
            () = self.cancellation.work.cancelled() => return Err(None),
        };
        let answer = asked.unwrap_or_else(|error| permissions::Answer {
            missing: None,
            notices: vec![format!(
                "what the user may do was not asked for before the run: {error}"
            )],
        });
        for text in answer.notices {
            self.teller.tell(EventKind::Notice { text });
        }
        match answer.missing {
            None => Ok(surroundings),
            Some(why) => Err(Some((Stage::Permissions, why))),
        }
    }

    /// Where the suite's objects go.
    fn namespace_of(&self, suite: &Suite, taken: &mut HashSet<String>) -> Option<String> {
        match &suite.namespace {
            Namespace::PerSuite(_) | Namespace::PerCase(_) => {
                let mut name = namespace::name(&suite.name, &self.id);
                let mut count = 1;
                while !taken.insert(name.clone()) {
                    count += 1;
                    name = namespace::name(&suite.name, &format!("{}-{count}", self.id));
                }
                Some(name)
            }
            Namespace::Existing(name) => Some(name.clone()),
            Namespace::None => None,
        }
    }

    /// The clusters of a suite, all connected to side by side. Of those that cannot be reached it is
    /// known why, for whoever asks for one.
    async fn clusters(
        &self,
        suite: &Suite,
        main: &Cluster,
    ) -> (Clusters, BTreeMap<String, ConnectOptions>) {
        let mut clusters = Clusters::of(main.clone());
        let all = leftovers::further(suite, &self.options);
        let connecting = all
            .values()
            .map(|options| Cluster::connect(options).boxed());
        let connected = tokio::select! {
            biased;
            connected = futures::future::join_all(connecting.collect::<Vec<_>>()) => connected,
            // no step will ask for one
            () = self.cancellation.work.cancelled() => Vec::new(),
        };
        for (name, connected) in all.keys().zip(connected) {
            match connected {
                Ok(cluster) => clusters.add(name, cluster),
                Err(error) => {
                    let why = error.to_string();
                    self.teller.tell(EventKind::Notice {
                        text: format!("the cluster {name}: {why}"),
                    });
                    clusters.miss(name, why);
                }
            }
        }
        (clusters, all)
    }

    async fn suite(
        &self,
        suite: Suite,
        reference: SuiteRef,
        namespace: Option<String>,
        surroundings: &Surroundings,
        removals: &TaskTracker,
    ) -> Arc<SuiteRun> {
        let server = surroundings.cluster.server();
        let started = tokio::time::Instant::now();
        // in whole seconds, as the times of objects are, so that none of the run's is older
        let shown = surroundings.cluster.time_at(started).earliest.as_second();
        let shown = jiff::Timestamp::from_second(shown).unwrap_or_default();
        let run = json!({
            "id": self.id,
            "namespace": namespace,
            "started": shown.to_string(),
            "server": server_value(&server.version, server.major, server.minor),
        });
        let nodes: Vec<Scope> = surroundings
            .nodes
            .iter()
            .flatten()
            .map(node_value)
            .collect();
        let inputs: serde_json::Map<_, _> = suite.inputs.clone().into_iter().collect();
        let names = Names::default()
            .with("run", scope_value(&run))
            .with("suite", scope_value(&json!({"name": suite.name})))
            .with("inputs", scope_value(&Value::Object(inputs)))
            .with("nodes", Scope::from(nodes))
            .with_clock_of(&surroundings.cluster);
        let labels = vec![
            (RUN_LABEL.to_owned(), self.id.clone()),
            (SUITE_LABEL.to_owned(), suite.name.clone()),
        ];
        let (clusters, connections) = self.clusters(&suite, &surroundings.cluster).await;
        let others = connections
            .iter()
            .map(|(name, options)| (Some(name.as_str()), options));
        let environments =
            ProcessEnvironments::new([(None, &self.options.connect)].into_iter().chain(others))
                .unwrap_or_else(|error| {
                    tracing::warn!("local programs get no kubeconfig of ours: {error}");
                    ProcessEnvironments::none()
                });
        let stop = self.cancellation.work.child_token();
        let cleanup_time = CleanupTime::new(&self.cancellation.cleanup);
        let owner = Owner::Suite(reference.clone());
        let ledger = Ledger::new(owner, Arc::clone(&self.owners));
        Arc::new(SuiteRun {
            clusters,
            environments: Arc::new(environments),
            suite: Arc::new(suite),
            reference,
            run_id: self.id.clone(),
            run_started: started,
            base: names,
            captured: OnceLock::new(),
            namespace,
            watches: Mutex::default(),
            own_namespaces: Mutex::default(),
            labels,
            life: Arc::clone(&self.life),
            owners: Arc::clone(&self.owners),
            ledger,
            numbers: Arc::clone(&self.numbers),
            writes: Arc::default(),
            left: Mutex::default(),
            teller: Arc::clone(&self.teller),
            options: Arc::clone(&self.options),
            _running_out: AbortOnDropHandle::new(tokio::spawn(
                cleanup_time.clone().run_out_after(stop.clone()),
            )),
            stop,
            cleanup_time,
            cancellation: self.cancellation.clone(),
            passed: AtomicBool::new(true),
            cleanups: TaskTracker::new(),
            removals: removals.clone(),
        })
    }
}
