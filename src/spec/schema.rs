//! The YAML, mirrored: what a suite file may hold.
//!
//! `None` where a field is required means that it could not be read, which is
//! reported already: what is made from it is left out without another word.

use std::fmt;
use std::sync::Arc;

use crate::matcher::{ExitExpectation, OutputExpectation};
use crate::source::{SourceFile, Span, Spanned};
use crate::yaml::Node;

/// The version of the language.
pub const API_VERSION: &str = "kubeproof.dev/v1alpha1";

/// A scalar as text. It may be a template.
pub type Text = Spanned<String>;

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
    /// At most so many cells at once.
    pub concurrency: Option<usize>,
    /// Where namespaced objects go.
    pub namespace: NamespaceSpec,
    /// Steps before the cases.
    pub setup: Vec<StepSpec>,
    /// The cases.
    pub cases: Vec<CaseSpec>,
    /// Steps after the cases.
    pub teardown: Vec<StepSpec>,
}

/// The declaration of an input.
#[derive(Clone, Debug)]
pub struct InputSpec {
    /// Its name.
    pub name: Text,
    /// What its values are.
    pub kind: Option<InputKind>,
    /// Its value where nobody sets it. Never rendered.
    pub default: Option<Node>,
    /// For people.
    pub description: Option<Text>,
}

/// What the values of an input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of anything.
    List,
    /// A map of anything.
    Map,
    /// A duration such as `10s`, kept as it is written.
    Duration,
}

impl InputKind {
    /// All of them, in the order of the language.
    pub const ALL: [Self; 7] = [
        Self::String,
        Self::Integer,
        Self::Number,
        Self::Boolean,
        Self::List,
        Self::Map,
        Self::Duration,
    ];

    /// As it is written in a suite.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::List => "list",
            Self::Map => "map",
            Self::Duration => "duration",
        }
    }
}

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "an integer",
            kind => return write!(f, "a {}", kind.name()),
        })
    }
}

/// One item of `requires`.
#[derive(Clone, Debug)]
pub struct RequirementSpec {
    /// What must hold.
    pub that: Option<Text>,
    /// Told where it does not.
    pub reason: Option<Text>,
    /// Whether an unmet one fails the cases instead of skipping them.
    pub fails: bool,
}

/// `namespace` of a suite.
#[derive(Clone, Debug)]
pub enum NamespaceSpec {
    /// `{per: suite}`, the default.
    PerSuite {
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
    /// Its axes.
    pub matrix: Vec<AxisSpec>,
    /// What it does.
    pub steps: Vec<StepSpec>,
    /// What it always does at its end.
    pub finally: Vec<StepSpec>,
    /// Deadline of the case.
    pub timeout: Option<Text>,
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
    /// `{values: […]}`, or an expression that is a list.
    Values(Node),
}

/// A step.
#[derive(Clone, Debug)]
pub struct StepSpec {
    /// Where its verb stands.
    pub span: Span,
    /// For reports.
    pub name: Option<Text>,
    /// What it does.
    pub verb: Option<VerbSpec>,
    /// How long it may take.
    pub timeout: Option<Text>,
    /// Stands for the case where it fails.
    pub failure: Option<Text>,
}

/// What a step does.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a suite has a handful of steps, and most are the large one"
)]
pub enum VerbSpec {
    /// `apply`
    Apply {
        /// What is applied.
        manifests: Option<ManifestsSpec>,
        /// Where.
        namespace: Option<Text>,
        /// Take fields over from other managers.
        force: bool,
    },
    /// `wait`
    Wait {
        /// `kind/name`.
        target: Option<Text>,
        /// Where.
        namespace: Option<Text>,
        /// Whether `until: rolledOut` could be read.
        until: Option<UntilSpec>,
        /// Each node has its pod.
        per_node: Option<Span>,
    },
    /// `exec`
    Exec {
        /// `pod/NAME`.
        target: Option<Text>,
        /// Which container.
        container: Option<Text>,
        /// Where.
        namespace: Option<Text>,
        /// The program and its arguments.
        command: Option<Vec<Text>>,
        /// What it reads.
        stdin: Option<Text>,
        /// What is expected of it.
        expect: ExpectSpec,
    },
}

/// What a `wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntilSpec {
    /// `rolledOut`
    RolledOut,
}

/// What is applied.
#[derive(Clone, Debug)]
pub enum ManifestsSpec {
    /// `template: x.yaml.j2`
    Template(Text),
    /// `file: x.yaml`, or a list of files.
    Files(Vec<Text>),
    /// `manifest: {…}`
    Manifest {
        /// The object.
        object: Node,
        /// Whether it is taken as it is.
        raw: bool,
    },
}

/// `expect` of an `exec`.
#[derive(Clone, Debug, Default)]
pub struct ExpectSpec {
    /// Which exit codes pass; 0 where nothing is said.
    pub exit: Option<ExitExpectation>,
    /// What it wrote to stdout.
    pub stdout: Option<OutputExpectation<Text>>,
    /// What it wrote to stderr.
    pub stderr: Option<OutputExpectation<Text>>,
}
