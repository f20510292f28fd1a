//! The plan: suites with every template parsed, every file read, every duration a
//! [`Duration`] and every step exactly one verb.
//!
//! Holds no logic. `lower` makes it from a spec, `run` carries it out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

pub use super::verbs::*;
use crate::diagnostic::Diagnostic;
use crate::source::{Place, SourceFile};
use crate::template::{Condition, Template, Tree};

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
    /// The folder that its files are looked for in, and where local programs start;
    /// nothing for a suite that ships.
    pub folder: Option<PathBuf>,
    /// The inputs with their values.
    pub inputs: IndexMap<String, Value>,
    /// The inputs whose values must never be shown.
    pub secrets: Vec<String>,
    /// What is valid, and most likely not what was meant: for `check`.
    pub warnings: Vec<Diagnostic>,
    /// What the cluster must be for the suite to make sense.
    pub requires: Vec<Requirement>,
    /// Deadline of setup, cases and teardown together.
    pub timeout: Option<Duration>,
    /// What steps may take that say nothing themselves.
    pub timeouts: Timeouts,
    /// At most so many cells at once, beside the run's own bound.
    pub concurrency: Option<usize>,
    /// Where namespaced objects go that name no namespace.
    pub namespace: Namespace,
    /// What local programs need to be allowed, beside what the steps need.
    pub permissions: Vec<Permission>,
    /// Further clusters by the names under which steps use them.
    pub clusters: Vec<ClusterChoice>,
    /// The cluster of steps that name none; nothing is the run's own.
    pub cluster: Option<String>,
    /// What a failed case means where it says nothing itself.
    pub severity: Severity,
    /// Steps before the cases; one that does not pass makes every case errored.
    pub setup: Vec<Step>,
    /// The cases in the order of the file.
    pub cases: Vec<Case>,
    /// What failed cells may have in common, in the order in which it is tried.
    pub diagnose: Vec<DiagnosisRule>,
    /// Steps after the cases, always.
    pub teardown: Vec<Step>,
}

/// What `block` has in a rule of `diagnose`.
pub const BLOCK_FIELDS: [&str; 5] = ["members", "others", "outside", "direction", "inside"];

/// What `tally` and `rest` have in a rule of `diagnose`.
pub const TALLY_FIELDS: [&str; 6] = [
    "total",
    "passed",
    "failed",
    "errored",
    "skipped",
    "cancelled",
];

/// One rule of `diagnose`: what failed cells of a case have in common.
#[derive(Clone, Debug)]
pub struct DiagnosisRule {
    /// The case's place in the suite.
    pub case: usize,
    /// Which of its cells count; all of them without one. Sees the axes.
    pub cells: Option<Condition>,
    /// The rule is tried for each of these, which it sees under this name.
    pub each: Option<(String, Tree)>,
    /// How the cells are grouped.
    pub grouping: Grouping,
    /// Whether it applies to a group. Sees `key`, `tally`, `rest`, and `block` where sets of
    /// ends are looked for.
    pub when: Condition,
    /// What is looked at before the message. They see `cells` too, the failed ones.
    pub steps: Vec<Step>,
    /// What is wrong; sees what the steps captured, none where they did not pass.
    pub message: Template,
    /// What to do about it.
    pub remedy: Option<Template>,
    /// Where more is said.
    pub url: Option<Template>,
    /// Where it stands.
    pub place: Place,
}

/// What makes a group of cells. What is rendered sees the axes.
#[derive(Clone, Debug)]
pub enum Grouping {
    /// All of them are one.
    All,
    /// `by`: those with the same value; a list where a cell is in several groups.
    By(Tree),
    /// `blocks`: those between two sets of ends that fail with each other throughout. Gives the
    /// two ends of a cell.
    Blocks(Tree),
}

/// `requires`: one condition on the cluster.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// What must hold.
    pub check: RequirementCheck,
    /// Told where it does not.
    pub reason: Option<Template>,
    /// What an unmet one makes of the suite.
    pub unmet: Unmet,
    /// Where it stands.
    pub place: Place,
}

/// What a requirement looks at.
#[derive(Clone, Debug)]
pub enum RequirementCheck {
    /// `that`: a condition over the names in scope.
    That(Condition),
    /// `exists`: at least one such object.
    Exists(Target),
    /// `server: ">=1.30"`: the version of the API server.
    Server(VersionRange),
}

/// `>=1.30`, or several with commas: all must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// As it stands in the file.
    pub text: String,
    /// Each comparison.
    pub bounds: Vec<(VersionComparison, u32, u32)>,
}

/// How a server's version is compared with `major.minor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionComparison {
    /// `>=`
    AtLeast,
    /// `>`
    Above,
    /// `<=`
    AtMost,
    /// `<`
    Below,
    /// `=`
    Exactly,
}

/// What an unmet requirement makes of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// Every case is skipped with the reason.
    Skip,
    /// Every case is failed with the reason.
    Fail,
}

/// `severity`: what *failed* means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severity {
    /// A failure.
    #[default]
    Error,
    /// A passed testcase with a warning, unless `--strict`.
    Warning,
}

/// The namespace of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// One of its own, made before setup and deleted at the end.
    PerSuite(NamespaceExtras),
    /// One for the suite, for setup, and one for each cell of each case.
    PerCase(NamespaceExtras),
    /// One that is there: never created, labelled or deleted.
    Existing(String),
    /// None, for suites that only look or name a namespace everywhere.
    None,
}

impl Namespace {
    /// Whether the run makes it.
    pub fn is_made(&self) -> bool {
        match self {
            Self::PerSuite(_) | Self::PerCase(_) => true,
            Self::Existing(_) | Self::None => false,
        }
    }
}

/// What a namespace that is made gets beside the run's labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceExtras {
    /// Further labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// `permissions`: a rule of RBAC.
#[derive(Clone, Debug)]
pub struct Permission {
    /// `get`, `list`, …; `*` is all of them.
    pub verbs: Vec<String>,
    /// On what.
    pub on: PermissionOn,
    /// Where it stands.
    pub place: Place,
}

/// What a permission is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermissionOn {
    /// Objects of the API.
    Resources {
        /// API groups; empty is the core group, `*` all of them.
        groups: Vec<String>,
        /// Plurals, with a subresource behind a slash; `*` is all of them.
        resources: Vec<String>,
        /// These objects only; all of them where none is named.
        names: Vec<String>,
        /// Another namespace than the suite's; `*` is every one.
        namespace: Option<String>,
    },
    /// Paths of the API server that are no resources.
    Paths(Vec<String>),
}

/// `clusters`: one more cluster; `--cluster NAME=FILE[:CONTEXT]` fills it over this.
#[derive(Clone, Debug)]
pub struct ClusterChoice {
    /// The name that steps use.
    pub name: String,
    /// Its kubeconfig, a path beside the suite.
    pub kubeconfig: Option<PathBuf>,
    /// Its context in the kubeconfig; the run's kubeconfig where none is named.
    pub context: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// `defaults: {timeouts: …}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// apply, create, patch, get, can, logs, events, http.
    pub request: Duration,
    /// assert and absent.
    pub assert: Duration,
    /// wait.
    pub wait: Duration,
    /// exec and run.
    pub exec: Duration,
    /// command and script.
    pub command: Duration,
    /// delete.
    pub delete: Duration,
    /// How long what does not heal by itself must last to end a wait.
    pub settle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            request: seconds(10),
            assert: seconds(30),
            wait: seconds(120),
            exec: seconds(30),
            command: seconds(30),
            delete: seconds(60),
            settle: seconds(10),
        }
    }
}

/// One case, or as many as its matrix has cells.
#[derive(Clone, Debug)]
pub struct Case {
    /// Rendered for each cell.
    pub name: Template,
    /// What it is repeated over.
    pub matrix: Matrix,
    /// Which combinations of the matrix are cells; all of them without one.
    pub cells: Option<Condition>,
    /// The case is skipped where this does not hold.
    pub when: Option<Condition>,
    /// Conditions of its own on the cluster, asked once before its matrix.
    pub requires: Vec<Requirement>,
    /// Places of the cases in this suite that must pass before, all their cells.
    pub needs: Vec<usize>,
    /// Whether it runs alone.
    pub serial: bool,
    /// So many more whole runs where it does not pass; otherwise `--retries`.
    pub retries: Option<u32>,
    /// What *failed* means; otherwise the suite's.
    pub severity: Option<Severity>,
    /// The cluster of its steps that name none; otherwise the suite's.
    pub cluster: Option<String>,
    /// What the reports say of it beside its outcome, rendered at its end.
    pub properties: Vec<(String, Template)>,
    /// One after another; one that does not pass ends the case.
    pub steps: Vec<Step>,
    /// Collectors where it did not pass: they never change the result.
    pub on_failure: Vec<Step>,
    /// Always, after the steps.
    pub finally: Vec<Step>,
    /// Deadline of the whole case.
    pub timeout: Option<Duration>,
    /// Where it stands.
    pub place: Place,
}

/// What a case is repeated over.
#[derive(Clone, Debug)]
pub enum Matrix {
    /// Every combination of these; none makes one cell.
    Axes(Vec<Axis>),
    /// `rows`: these combinations, all with the same names.
    Rows(Vec<Vec<(String, Tree)>>),
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
    /// Pods: `.name`, `.namespace`, `.node`, `.ip`, `.ips`, `.labels`, `.nodeLabels`.
    Pods {
        /// A label selector.
        selector: Template,
        /// Another namespace than the suite's.
        namespace: Option<Template>,
        /// One value for each node, with `.node`, `.nodeLabels` and `.error` where
        /// no pod of the node can be used.
        per_node: bool,
    },
    /// Nodes: `.name`, `.ip`, `.ips`, `.labels`.
    Nodes {
        /// A label selector; all nodes without one.
        selector: Option<Template>,
    },
    /// Objects of a kind: the whole object, and `.name` and `.namespace`.
    Objects(Target),
    /// A list written down, or an expression that is one.
    Values(Tree),
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// For reports; otherwise the verb and its target.
    pub name: Option<Template>,
    /// The step is passed over where this does not hold.
    pub when: Option<Condition>,
    /// What it does.
    pub verb: Verb,
    /// How long each attempt may take; otherwise the default of its verb.
    pub timeout: Option<Duration>,
    /// Attempts where the first does not pass.
    pub retry: Option<Retry>,
    /// Names for what came out of it.
    pub capture: Vec<(String, Tree)>,
    /// The text that stands for the case where this step fails.
    pub failure: Option<Template>,
    /// As whom.
    pub identity: Option<IdentityChoice>,
    /// In which cluster; otherwise the case's.
    pub cluster: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// `retry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Between two of them; nothing backs off from 100 ms, doubling, up to 5 s.
    pub delay: Option<Duration>,
}

/// `as`.
#[derive(Clone, Debug)]
pub enum IdentityChoice {
    /// `{serviceAccount: ci}`, with a `namespace` where it is not the suite's.
    ServiceAccount {
        /// Its name.
        name: Template,
        /// Its namespace.
        namespace: Option<Template>,
    },
    /// `{user, groups}`, or the user alone as a string.
    User {
        /// Its name.
        user: Template,
        /// Its groups.
        groups: Vec<Template>,
    },
}
