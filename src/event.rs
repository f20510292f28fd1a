//! What happens in a run, told as it happens: the only thing that reporters and
//! the verdict are made from.
//!
//! Events own their data and serialize (`--output json` prints one per line, with
//! `schema`). The dispatcher alone emits them. They carry facts, not how to show
//! them.

use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// The version of the events' form; it changes where a consumer would break.
pub const SCHEMA: u32 = 1;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When, as RFC 3339 in UTC.
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

impl Event {
    /// An event of now.
    pub fn now(kind: EventKind) -> Self {
        Self {
            schema: SCHEMA,
            time: Timestamp::now(),
            kind,
        }
    }
}

/// The kinds of events, in the order in which a run meets them.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// First of all.
    RunStarted {
        /// The run's id, as in the label `kubeproof.dev/run`.
        run: String,
        /// The program's version.
        version: String,
        /// The command that removes what the run may leave.
        cleanup: String,
        /// The suites to come, in their order.
        suites: Vec<SuiteRef>,
    },
    /// The run waits for the cluster to come up; told whenever what it waits for changes.
    Awaiting {
        /// What is not there yet, in words.
        what: String,
    },
    /// The cluster answered.
    Connected(Connection),
    /// A suite begins.
    SuiteStarted {
        /// Which.
        suite: SuiteRef,
        /// For people.
        title: String,
        /// Where it was read from.
        file: String,
        /// Where its objects go.
        namespace: Option<String>,
    },
    /// A step outside of cases begins, for progress.
    StageStarted {
        /// Of which suite.
        suite: SuiteRef,
        /// Of which stage.
        stage: Stage,
        /// What is done, such as `wait daemonset/web`.
        step: String,
    },
    /// Something keeps what a step waits for that may pass by itself; told when it begins, and from
    /// time to time where it changes.
    StepWaits {
        /// Of which suite.
        suite: SuiteRef,
        /// What is waited for: `daemonset/web`.
        target: String,
        /// What keeps it, in the cluster's words.
        why: String,
    },
    /// It has passed, and the step goes on.
    StepWaited {
        /// Of which suite.
        suite: SuiteRef,
        /// What was waited for.
        target: String,
        /// What kept it last.
        why: String,
        /// From the beginning of the wait.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// A node that a matrix leaves out, and why.
    NodeExcluded {
        /// Of which suite.
        suite: SuiteRef,
        /// The node's name.
        node: String,
        /// In words.
        reason: String,
    },
    /// The matrices are known: so many testcases will come.
    CasesPlanned {
        /// Of which suite.
        suite: SuiteRef,
        /// How many [`EventKind::CaseFinished`] there will be.
        total: usize,
    },
    /// A case, or one cell of it, begins.
    CaseStarted(CaseId),
    /// A step of a case begins; told only where steps are asked for (`-v`), as are the ends.
    StepStarted {
        /// Of which testcase.
        case: CaseId,
        /// Its name, or what it does, such as `wait daemonset/web`.
        step: String,
    },
    /// A step of a case ended.
    StepFinished {
        /// Of which testcase.
        case: CaseId,
        /// As when it began.
        step: String,
        /// How.
        outcome: Outcome,
        /// How long it ran.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// An attempt did not pass, and another one follows: a case with `retries`.
    CaseRetried(CaseAttempt),
    /// A case, or one cell of it, has its outcome.
    CaseFinished(CaseResult),
    /// Something outside of a case could not be done.
    Problem(Problem),
    /// What failed testcases have in common, and what to do about it.
    Diagnosis(Diagnosis),
    /// Every case of the suite has its outcome. Teardown and cleanup come after.
    SuiteFinished {
        /// Which.
        suite: SuiteRef,
        /// From its start to its last case.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// Teardown is over and the suite's objects are gone or told as left over; its
    /// namespace may still be on its way out.
    SuiteCleaned {
        /// Which.
        suite: SuiteRef,
    },
    /// Every suite is finished: summary and reports are due now, though cleanup
    /// may still add to them.
    VerdictReached {
        /// From the start of the run.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// The run stops early.
    Cancelling {
        /// Why.
        reason: CancelReason,
    },
    /// An object of the run that is still there at its end.
    Leftover(Leftover),
    /// Something a person may want to know that changes no result.
    Notice {
        /// One line.
        text: String,
    },
    /// Cleanup is done. Last of all, but for a report that was lost.
    RunFinished {
        /// From the start of the run.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
}

/// A suite of the run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SuiteRef {
    /// Its place in the run, from 0.
    pub index: usize,
    /// `metadata.name`.
    pub name: String,
}

/// What was connected to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// The files it was read from, or `in-cluster`.
    pub kubeconfig: String,
    /// The context's name.
    pub context: Option<String>,
    /// The API server's URL.
    pub server: String,
    /// Its version, as `v1.34.4`.
    pub version: String,
    /// Who we are there.
    pub user: String,
    /// How many nodes are ready, and how many there are; nothing where they may not be
    /// listed.
    pub nodes: Option<NodeCount>,
}

/// How many nodes a cluster has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NodeCount {
    /// With the condition Ready.
    pub ready: usize,
    /// All.
    pub total: usize,
}

/// Which testcase: reports sort by suite, case and cell, the order of the file and
/// then of the axes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CaseId {
    /// Of which suite.
    pub suite: SuiteRef,
    /// The case's place in the suite, from 0.
    pub case: usize,
    /// The cell's place in the matrix, from 0.
    pub cell: usize,
    /// Rendered, and unique among the cells of the case.
    pub name: String,
}

impl CaseId {
    /// Which testcase, whatever it is called: a name is masked by what is known to be secret when
    /// it is told, so the same one may be told in two ways.
    pub fn key(&self) -> CaseKey {
        (self.suite.index, self.case, self.cell)
    }
}

/// Suite, case and cell, by their places.
pub type CaseKey = (usize, usize, usize);

/// How a testcase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every expectation held.
    Passed,
    /// The cluster answered, and not as expected.
    Failed,
    /// It could not be found out.
    Errored,
    /// Not tried, for a reason of the suite.
    Skipped,
    /// Not finished: a signal or a deadline came first.
    Cancelled,
}

/// The end of a testcase.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseResult {
    /// Which.
    pub id: CaseId,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it ran.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
    /// Why it did not pass. A passed one has it where `severity: warning` turned
    /// what would have failed into a warning, and nothing otherwise.
    pub why: Option<Explanation>,
    /// What the suite says of it beside its outcome, in the suite's order.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub properties: IndexMap<String, String>,
}

/// A whole run of a case that did not pass and was not its last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseAttempt {
    /// Of which testcase.
    pub id: CaseId,
    /// Which attempt, from 1.
    pub attempt: usize,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it ran.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
    /// Why it did not pass.
    pub why: Explanation,
}

/// Why something did not pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Explanation {
    /// The suite's own `failure` text: stands alone in the human report.
    pub failure: Option<String>,
    /// One line: what was expected and what was there, or what broke.
    pub message: String,
    /// More lines: what it wrote, the cluster's words.
    pub details: Vec<Detail>,
    /// The step's place, as `file:line:column`.
    pub place: Option<String>,
    /// The step's name, where it has one, behind the names of those that it is part of, with
    /// ` > ` between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Box<str>>,
}

impl Explanation {
    /// A message alone.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// The line that stands for it: the suite's own text, or else the message.
    pub fn headline(&self) -> &str {
        self.failure.as_deref().unwrap_or(&self.message)
    }
}

/// A titled block of text, such as what a command wrote to stderr.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Detail {
    /// `stdout`, `stderr`, `finally`.
    pub title: String,
    /// May have many lines, and holds whatever a pod printed.
    pub text: String,
}

/// What failed testcases of a suite have in common, by one of its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Of which suite.
    pub suite: SuiteRef,
    /// One line: what is wrong, and where.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// Where more is said.
    pub url: Option<String>,
    /// How many failed testcases it explains; each is explained once.
    pub cases: usize,
}

/// Something outside of a case that could not be done: an errored testcase of its
/// own in the reports, there only then.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// Of which suite; nothing for the run itself.
    pub suite: Option<SuiteRef>,
    /// While doing what.
    pub stage: Stage,
    /// What broke.
    pub why: Explanation,
}

/// What a run does outside of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Reading suites.
    Load,
    /// Reaching the cluster.
    Connect,
    /// Asking whether the user may do what the suites do.
    Permissions,
    /// Namespace and setup steps.
    Setup,
    /// A deadline of suite or run.
    Deadline,
    /// A signal.
    Interrupted,
    /// Teardown steps.
    Teardown,
    /// Deleting and restoring objects.
    Cleanup,
    /// Writing a report that was asked for.
    Report,
    /// The run as such: a fault of this program.
    Run,
}

impl Stage {
    /// The testcase's name in the reports: `[setup]`.
    pub fn testcase(self) -> &'static str {
        match self {
            Self::Load => "[load]",
            Self::Connect => "[connect]",
            Self::Permissions => "[permissions]",
            Self::Setup => "[setup]",
            Self::Deadline => "[deadline]",
            Self::Interrupted => "[interrupted]",
            Self::Teardown => "[teardown]",
            Self::Cleanup => "[cleanup]",
            Self::Report => "[report]",
            Self::Run => "[run]",
        }
    }
}

/// Why a run stops early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CancelReason {
    /// SIGINT: exit code 130.
    Interrupt,
    /// SIGTERM: exit code 143.
    Terminate,
    /// `--timeout`.
    RunDeadline,
    /// `--fail-fast`.
    FailFast,
}

impl CancelReason {
    /// In words that follow "cancelled: ".
    pub fn describe(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupted (SIGINT)",
            Self::Terminate => "terminated (SIGTERM)",
            Self::RunDeadline => "the deadline of the run (--timeout) passed",
            Self::FailFast => "an earlier case did not pass (--fail-fast)",
        }
    }
}

/// An object of the run that is still there at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// Of which suite.
    pub suite: Option<SuiteRef>,
    /// `kind/name`, with `-n NAMESPACE` where it has one.
    pub object: String,
    /// What holds it, or why it was kept.
    pub reason: String,
    /// Kept because `--keep` says so: named, but no fault.
    pub kept: bool,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
