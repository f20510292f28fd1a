//! Documents: suites with their cases, and steps that suites use.

use std::sync::Arc;

use super::{InputSpec, StepSpec, TargetSpec, Text};
use crate::source::{SourceFile, Span};
use crate::yaml::Node;

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// Documents of `kind: Suite`.
    pub suites: Vec<SuiteSpec>,
    /// Documents of `kind: Steps`; each suite of the file has them too.
    pub steps: Arc<Vec<StepsSpec>>,
}

/// A document of `kind: Suite`.
#[derive(Clone, Debug)]
pub struct SuiteSpec {
    /// Where it was read from.
    pub file: Arc<SourceFile>,
    /// Where the document begins.
    pub span: Span,
    /// `metadata.name`.
    pub name: Option<Text>,
    /// `metadata.labels`.
    pub labels: Vec<(Text, Text)>,
    /// The documents of `kind: Steps` in the same file.
    pub library: Arc<Vec<StepsSpec>>,
    /// Files with further ones.
    pub include: Vec<Text>,
    /// For people.
    pub title: Option<Text>,
    /// For people.
    pub description: Option<Text>,
    /// What can be set from outside.
    pub inputs: Vec<InputSpec>,
    /// What the cluster must be for the suite to make sense.
    pub requires: Vec<RequirementSpec>,
    /// Deadline of the whole suite.
    pub timeout: Option<Text>,
    /// `defaults.timeouts`: the names of the model with their durations.
    pub timeouts: Vec<(TimeoutKind, Text)>,
    /// At most so many cells at once.
    pub concurrency: Option<usize>,
    /// What a failed case means.
    pub severity: Option<SeveritySpec>,
    /// Further clusters.
    pub clusters: Vec<ClusterSpec>,
    /// The cluster of steps that name none.
    pub cluster: Option<Text>,
    /// Where namespaced objects go.
    pub namespace: NamespaceSpec,
    /// What local programs need to be allowed.
    pub permissions: Vec<PermissionSpec>,
    /// Steps before the cases.
    pub setup: Vec<StepSpec>,
    /// The cases.
    pub cases: Vec<CaseSpec>,
    /// Collectors of every case, after its own.
    pub on_failure: Vec<StepSpec>,
    /// What failed cells may have in common.
    pub diagnose: Vec<DiagnosisSpec>,
    /// Steps after the cases.
    pub teardown: Vec<StepSpec>,
}

/// One rule of `diagnose`.
#[derive(Clone, Debug)]
pub struct DiagnosisSpec {
    /// Where it stands.
    pub span: Span,
    /// The name of a case as it stands in the file.
    pub case: Option<Text>,
    /// Which of its cells count.
    pub cells: Option<Text>,
    /// The rule is tried for each of these, under this name.
    pub each: Option<(Text, Node)>,
    /// By what the cells are grouped.
    pub by: Option<Node>,
    /// The two ends of a cell, where sets of them are looked for.
    pub blocks: Option<Node>,
    /// Whether it applies to a group.
    pub when: Option<Text>,
    /// What is looked at before the message.
    pub steps: Vec<StepSpec>,
    /// What is wrong.
    pub message: Option<Text>,
    /// What to do about it.
    pub remedy: Option<Text>,
    /// Where more is said.
    pub url: Option<Text>,
}

/// A document of `kind: Steps`.
#[derive(Clone, Debug)]
pub struct StepsSpec {
    /// Where it was read from.
    pub file: Arc<SourceFile>,
    /// Where the document begins.
    pub span: Span,
    /// `metadata.name`.
    pub name: Option<Text>,
    /// What `with` gives.
    pub inputs: Vec<InputSpec>,
    /// What is done.
    pub steps: Vec<StepSpec>,
    /// What the user of the steps gets back.
    pub outputs: Vec<(Text, Node)>,
}

/// What `defaults.timeouts` can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutKind {
    /// apply, create, patch, get, can, logs, events, http.
    Request,
    /// assert and absent.
    Assert,
    /// wait.
    Wait,
    /// exec and run.
    Exec,
    /// command and script.
    Command,
    /// delete.
    Delete,
    /// How long what does not heal by itself must last to end a wait.
    Settle,
}

impl TimeoutKind {
    /// All of them with their names in a suite.
    pub const ALL: [(&'static str, Self); 7] = [
        ("request", Self::Request),
        ("assert", Self::Assert),
        ("wait", Self::Wait),
        ("exec", Self::Exec),
        ("command", Self::Command),
        ("delete", Self::Delete),
        ("settle", Self::Settle),
    ];
}

/// `severity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeveritySpec {
    /// `error`
    Error,
    /// `warning`
    Warning,
}

/// One of `clusters`.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    /// The name that steps use.
    pub name: Text,
    /// A path beside the suite.
    pub kubeconfig: Option<Text>,
    /// One of its contexts.
    pub context: Option<Text>,
}

/// One item of `requires`.
#[derive(Clone, Debug)]
pub struct RequirementSpec {
    /// Where it stands.
    pub span: Span,
    /// What must hold.
    pub check: Option<RequirementCheckSpec>,
    /// Told where it does not.
    pub reason: Option<Text>,
    /// Whether an unmet one fails the cases instead of skipping them.
    pub fails: bool,
}

/// What a requirement looks at.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a suite has a handful of requirements, and they are read once"
)]
pub enum RequirementCheckSpec {
    /// `that`
    That(Text),
    /// `exists`
    Exists(TargetSpec),
    /// `server`
    Server(Text),
}

/// One item of `permissions`: a rule of RBAC.
#[derive(Clone, Debug)]
pub struct PermissionSpec {
    /// Where it stands.
    pub span: Span,
    /// `get`, `list`, …
    pub verbs: Vec<Text>,
    /// On what.
    pub on: PermissionOnSpec,
}

/// What a permission is on.
#[derive(Clone, Debug)]
pub enum PermissionOnSpec {
    /// Objects of the API.
    Resources {
        /// `apiGroups`: `""` is the core group.
        groups: Vec<Text>,
        /// Plurals, with a subresource behind a slash.
        resources: Vec<Text>,
        /// These objects only.
        names: Vec<Text>,
        /// Another namespace than the suite's; `*` is every one.
        namespace: Option<Text>,
    },
    /// `nonResourceURLs`: paths of the API server.
    Paths(Vec<Text>),
}

/// `namespace` of a suite.
#[derive(Clone, Debug)]
pub enum NamespaceSpec {
    /// `{per: suite}`, the default, or `{per: case}`.
    Own {
        /// One for each cell.
        per_case: bool,
        /// Further labels for it.
        labels: Vec<(Text, Text)>,
        /// Annotations for it.
        annotations: Vec<(Text, Text)>,
    },
    /// `{existing: name}`.
    Existing(Text),
    /// `none`.
    None,
}

/// A case.
#[derive(Clone, Debug)]
pub struct CaseSpec {
    /// Where it stands.
    pub span: Span,
    /// Rendered for each cell.
    pub name: Option<Text>,
    /// What it is repeated over.
    pub matrix: MatrixSpec,
    /// `where` of the matrix: which combinations are cells.
    pub cells: Option<Text>,
    /// `if`
    pub when: Option<Text>,
    /// Its own conditions on the cluster.
    pub requires: Vec<RequirementSpec>,
    /// Names of cases as they stand in the file.
    pub needs: Vec<Text>,
    /// Whether it runs alone.
    pub serial: bool,
    /// So many more whole runs.
    pub retries: Option<u32>,
    /// What *failed* means.
    pub severity: Option<SeveritySpec>,
    /// The cluster of its steps.
    pub cluster: Option<Text>,
    /// What the reports say of it beside its outcome.
    pub properties: Vec<(Text, Text)>,
    /// What it does.
    pub steps: Vec<StepSpec>,
    /// Collectors where it does not pass.
    pub on_failure: Vec<StepSpec>,
    /// What it always does at its end.
    pub finally: Vec<StepSpec>,
    /// Deadline of the case.
    pub timeout: Option<Text>,
}

/// What a case is repeated over.
#[derive(Clone, Debug)]
pub enum MatrixSpec {
    /// Every combination of these.
    Axes(Vec<AxisSpec>),
    /// `rows`: these combinations, with the names of the first.
    Rows(Vec<Vec<(Text, Node)>>),
}

/// One axis of a matrix.
#[derive(Clone, Debug)]
pub struct AxisSpec {
    /// Its name.
    pub name: Text,
    /// Where its values come from.
    pub source: Option<AxisSourceSpec>,
    /// `empty: skip`.
    pub skip_if_empty: bool,
}

/// Where the values of an axis come from.
#[derive(Clone, Debug)]
pub enum AxisSourceSpec {
    /// `{pods: {…}}`
    Pods {
        /// Which.
        selector: Option<Text>,
        /// Where.
        namespace: Option<Text>,
        /// One for each node.
        per_node: bool,
    },
    /// `{nodes: {…}}`
    Nodes {
        /// Which.
        selector: Option<Text>,
    },
    /// `{objects: {target: …}}`
    Objects(TargetSpec),
    /// `{values: […]}`, or an expression that is a list.
    Values(Node),
}
