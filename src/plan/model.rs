//! The plan: suites with every template parsed, every file read, every duration a
//! [`Duration`] and every step exactly one verb.
//!
//! Holds no logic. `lower` makes it from a spec, `run` carries it out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

pub use crate::matcher::ExitExpectation;
use crate::matcher::OutputExpectation;
use crate::source::{Place, SourceFile};
use crate::template::{Condition, Template, TextTemplate, Tree};

/// One suite, ready to run.
#[derive(Clone, Debug)]
pub struct Suite {
    /// `metadata.name`.
    pub name: String,
    /// What `list` shows and an argument selects: `network/overlay` for one that
    /// ships, the path of the file for a user's own.
    pub id: String,
    /// For people: the frame lines of the report.
    pub title: String,
    /// For people, may be empty.
    pub description: String,
    /// `metadata.labels`, for `--select`.
    pub labels: BTreeMap<String, String>,
    /// Where it was read from.
    pub file: Arc<SourceFile>,
    /// The inputs with their values.
    pub inputs: IndexMap<String, Value>,
    /// What the cluster must be for the suite to make sense.
    pub requires: Vec<Requirement>,
    /// Deadline of setup, cases and teardown together.
    pub timeout: Option<Duration>,
    /// At most so many cells at once, beside the run's own bound.
    pub concurrency: Option<usize>,
    /// Where namespaced objects go that name no namespace.
    pub namespace: Namespace,
    /// Steps before the cases; one that does not pass makes every case errored.
    pub setup: Vec<Step>,
    /// The cases in the order of the file.
    pub cases: Vec<Case>,
    /// Steps after the cases, always.
    pub teardown: Vec<Step>,
}

/// `requires`: one condition on the cluster.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// What must hold.
    pub condition: Condition,
    /// Told where it does not.
    pub reason: Option<Template>,
    /// What an unmet one makes of the suite.
    pub unmet: Unmet,
}

/// What an unmet requirement makes of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// Every case is skipped with the reason.
    Skip,
    /// Every case is failed with the reason.
    Fail,
}

/// The namespace of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// One of its own, made before setup and deleted at the end.
    PerSuite {
        /// Further labels for it.
        labels: BTreeMap<String, String>,
        /// Annotations for it.
        annotations: BTreeMap<String, String>,
    },
    /// One that is there: never created, labelled or deleted.
    Existing(String),
    /// None, for suites that only look or name a namespace everywhere.
    None,
}

/// One case, or as many as its matrix has cells.
#[derive(Clone, Debug)]
pub struct Case {
    /// Rendered for each cell.
    pub name: Template,
    /// Axes in the order of the file; none makes one cell.
    pub matrix: Vec<Axis>,
    /// One after another; one that does not pass ends the case.
    pub steps: Vec<Step>,
    /// Always, after the steps.
    pub finally: Vec<Step>,
    /// Deadline of the whole case.
    pub timeout: Option<Duration>,
    /// Where it stands.
    pub place: Place,
}

/// One axis of a matrix.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The name under which a cell sees its value.
    pub name: String,
    /// Where values come from.
    pub source: AxisSource,
    /// Whether no value at all skips the case instead of erroring it.
    pub skip_if_empty: bool,
    /// Where it stands.
    pub place: Place,
}

/// Where the values of an axis come from.
#[derive(Clone, Debug)]
pub enum AxisSource {
    /// Pods: `.name`, `.namespace`, `.node`, `.ip`, `.labels`.
    Pods {
        /// A label selector.
        selector: Template,
        /// Another namespace than the suite's.
        namespace: Option<Template>,
        /// One value for each node, with `.node` and `.error` where no pod of
        /// the node can be used.
        per_node: bool,
    },
    /// Nodes: `.name`, `.ip`, `.labels`.
    Nodes {
        /// A label selector; all nodes without one.
        selector: Option<Template>,
    },
    /// A list written down, or an expression that is one.
    Values(Tree),
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// For reports; otherwise the verb and its target.
    pub name: Option<Template>,
    /// What it does.
    pub verb: Verb,
    /// How long it may take; otherwise the default of its verb.
    pub timeout: Option<Duration>,
    /// The text that stands for the case where this step fails.
    pub failure: Option<Template>,
    /// Where it stands.
    pub place: Place,
}

/// What a step does.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a suite has a handful of steps, and most are the large one"
)]
pub enum Verb {
    /// Makes objects what their manifests say.
    Apply(Apply),
    /// Waits for an object by watching it.
    Wait(Wait),
    /// Runs a command in a container.
    Exec(Exec),
}

impl Verb {
    /// As it is written in a suite.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Wait(_) => "wait",
            Self::Exec(_) => "exec",
        }
    }

    /// How long the verb may take where nothing else is said.
    pub fn default_timeout(&self) -> Duration {
        Duration::from_secs(match self {
            Self::Apply(_) => 30,
            Self::Wait(_) => 120,
            Self::Exec(_) => 30,
        })
    }
}

/// `apply`: server-side apply of one or more manifests.
#[derive(Clone, Debug)]
pub struct Apply {
    /// What is applied.
    pub manifests: Manifests,
    /// For namespaced objects whose manifest names none; otherwise the suite's.
    pub namespace: Option<Template>,
    /// Take fields over from other managers.
    pub force: bool,
}

/// Manifests and how they are rendered.
#[derive(Clone, Debug)]
pub enum Manifests {
    /// A text template, rendered and then read as YAML.
    Template(TextTemplate),
    /// Files as they are, each object with the file that it is from.
    Files(Vec<(Arc<SourceFile>, Vec<Value>)>),
    /// Written in the suite: each scalar is rendered.
    Inline(Tree),
}

/// `wait`: until something holds.
#[derive(Clone, Debug)]
pub struct Wait {
    /// `kind/name` as kubectl resolves it.
    pub target: Template,
    /// Another namespace than the suite's.
    pub namespace: Option<Template>,
    /// What to wait for.
    pub until: Until,
}

/// What a `wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// A DaemonSet, Deployment or StatefulSet is rolled out.
    RolledOut {
        /// Ends when the pod of each node is ready or cannot become so, and
        /// fails only where none is.
        per_node: bool,
    },
}

/// `exec`: a command in a container.
#[derive(Clone, Debug)]
pub struct Exec {
    /// `pod/NAME`.
    pub target: Template,
    /// Otherwise the pod's default container.
    pub container: Option<Template>,
    /// Another namespace than the suite's.
    pub namespace: Option<Template>,
    /// The program and its arguments, run without a shell.
    pub command: Vec<Template>,
    /// What it reads.
    pub stdin: Option<Template>,
    /// What is expected of it.
    pub expect: ProcessExpectation,
}

/// What is expected of a process that ended.
#[derive(Clone, Debug)]
pub struct ProcessExpectation {
    /// Its exit code; 0 where nothing is said.
    pub exit: ExitExpectation,
    /// What it wrote to stdout.
    pub stdout: Option<OutputExpectation<Template>>,
    /// What it wrote to stderr.
    pub stderr: Option<OutputExpectation<Template>>,
}
