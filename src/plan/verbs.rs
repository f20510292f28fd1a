//! What steps do: a struct for each verb. Part of the plan, and as little logic as it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::model::{IdentityChoice, Step, Timeouts};
use crate::matcher::{ExitExpectation, OutputExpectation};
use crate::source::SourceFile;
use crate::template::{Condition, Template, TextTemplate, Tree};

/// What a step does.
#[derive(Clone, Debug)]
pub enum Verb {
    /// Makes objects what their manifests say.
    Apply(Apply),
    /// Makes new objects.
    Create(Create),
    /// Changes a part of an object.
    Patch(Patch),
    /// Deletes objects and waits until they are gone.
    Delete(Delete),
    /// Reads an object, or any path of the API server.
    Get(Get),
    /// Waits until a state holds.
    Assert(Assert),
    /// Waits until no object is there.
    Absent(Absent),
    /// Waits for an object by watching it.
    Wait(Wait),
    /// Runs a command in a container.
    Exec(Exec),
    /// Runs a pod of its own to its end.
    Run(RunPod),
    /// Runs a program on this machine.
    Command(Command),
    /// Runs a shell script on this machine.
    Script(Script),
    /// Reads the logs of containers.
    Logs(Logs),
    /// Reads the cluster's events.
    Events(Events),
    /// Sends an HTTP request.
    Http(Http),
    /// Asks whether somebody may do something.
    Can(Can),
    /// Repeats a look while steps change something.
    During(During),
    /// Runs steps for each item of a list.
    Foreach(Foreach),
    /// Ends the case as skipped.
    Skip(Template),
    /// Ends the case as errored: what it asks cannot be found out.
    Error(Template),
    /// Does nothing for so long.
    Sleep(Duration),
    /// Runs steps that are written elsewhere.
    Use(Use),
}

impl Verb {
    /// As it is written in a suite.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Create(_) => "create",
            Self::Patch(_) => "patch",
            Self::Delete(_) => "delete",
            Self::Get(_) => "get",
            Self::Assert(_) => "assert",
            Self::Absent(_) => "absent",
            Self::Wait(_) => "wait",
            Self::Exec(_) => "exec",
            Self::Run(_) => "run",
            Self::Command(_) => "command",
            Self::Script(_) => "script",
            Self::Logs(_) => "logs",
            Self::Events(_) => "events",
            Self::Http(_) => "http",
            Self::Can(_) => "can",
            Self::During(_) => "during",
            Self::Foreach(_) => "foreach",
            Self::Skip(_) => "skip",
            Self::Error(_) => "error",
            Self::Sleep(_) => "sleep",
            Self::Use(_) => "use",
        }
    }

    /// How long the verb may take where the step does not say it; nothing for those
    /// that consist of other steps or have a duration of their own.
    pub fn default_timeout(&self, timeouts: &Timeouts) -> Option<Duration> {
        match self {
            Self::Apply(_)
            | Self::Create(_)
            | Self::Patch(_)
            | Self::Get(_)
            | Self::Logs(_)
            | Self::Events(_)
            | Self::Http(_)
            | Self::Can(_) => Some(timeouts.request),
            Self::Delete(_) => Some(timeouts.delete),
            Self::Assert(_) | Self::Absent(_) => Some(timeouts.assert),
            Self::Wait(_) => Some(timeouts.wait),
            Self::Exec(_) | Self::Run(_) => Some(timeouts.exec),
            Self::Command(_) | Self::Script(_) => Some(timeouts.command),
            Self::During(_)
            | Self::Foreach(_)
            | Self::Skip(_)
            | Self::Error(_)
            | Self::Sleep(_)
            | Self::Use(_) => None,
        }
    }
}

/// Which objects: what the verbs on objects share.
#[derive(Clone, Debug)]
pub struct Target {
    /// `kind` or `kind/name`, as kubectl resolves them.
    pub target: Template,
    /// Another namespace than the suite's.
    pub namespace: Option<Template>,
    /// Every namespace.
    pub all_namespaces: bool,
    /// A label selector; only beside a bare kind.
    pub selector: Option<Template>,
    /// Only those that are so.
    pub filter: Option<ObjectCheck>,
}

impl Target {
    /// Whether more than a name says which objects are meant: then an object has to be read
    /// before anything is done with it.
    pub fn is_narrowed(&self) -> bool {
        self.selector.is_some() || self.filter.is_some() || self.all_namespaces
    }
}

/// `match` and `that`: what must hold of one object. Both where both are given.
#[derive(Clone, Debug, Default)]
pub struct ObjectCheck {
    /// A partial match.
    pub pattern: Option<Tree>,
    /// A condition that sees `object`.
    pub that: Option<Condition>,
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
    /// What is expected of the answer.
    pub expect: WriteExpectation,
}

/// `create`: new objects, named by the manifest or the server.
#[derive(Clone, Debug)]
pub struct Create {
    /// What is created.
    pub manifests: Manifests,
    /// For namespaced objects whose manifest names none; otherwise the suite's.
    pub namespace: Option<Template>,
    /// What is expected of the answer.
    pub expect: WriteExpectation,
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

/// `expect` of the verbs that write objects.
#[derive(Clone, Debug, Default)]
pub struct WriteExpectation {
    /// The API server must refuse; being accepted is a failure then.
    pub rejected: Option<Rejection>,
    /// The texts of the answer's `Warning` headers, joined by newlines.
    pub warnings: Option<OutputExpectation<Template>>,
}

/// How the API server must refuse.
#[derive(Clone, Debug, Default)]
pub struct Rejection {
    /// With this HTTP status.
    pub code: Option<u16>,
    /// With this reason, such as `Forbidden`.
    pub reason: Option<String>,
    /// With these words.
    pub message: OutputExpectation<Template>,
}

/// `patch`.
#[derive(Clone, Debug)]
pub struct Patch {
    /// Exactly one object.
    pub target: Target,
    /// How the patch is written.
    pub kind: PatchKind,
    /// The patch.
    pub patch: Tree,
    /// `status`, `scale`, …
    pub subresource: Option<String>,
    /// Whether changing nothing is all right.
    pub allow_no_change: bool,
    /// What is expected of the answer.
    pub expect: WriteExpectation,
}

/// How a patch is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PatchKind {
    /// JSON merge patch, RFC 7386.
    #[default]
    Merge,
    /// Kubernetes' strategic merge patch.
    Strategic,
    /// JSON patch, RFC 6902.
    Json,
}

/// `delete`.
#[derive(Clone, Debug)]
pub struct Delete {
    /// Which objects; none there passes.
    pub target: Target,
    /// The time their processes have to end.
    pub grace_period: Option<Duration>,
    /// Whether it may delete what the run did not make.
    pub foreign: bool,
    /// What is expected of the answer.
    pub expect: WriteExpectation,
}

/// `get`.
#[derive(Clone, Debug)]
pub enum Get {
    /// An object, or the objects of a kind.
    Object(Target),
    /// A path of the API server; must answer with a status below 400.
    Raw {
        /// Such as `/readyz?verbose`.
        path: Template,
        /// What is expected of the answer.
        expect: HttpExpectation,
    },
}

/// `assert`.
#[derive(Clone, Debug)]
pub struct Assert {
    /// Which objects; without one, `that` is about values only.
    pub target: Option<Target>,
    /// What must hold.
    pub checks: Vec<AssertCheck>,
    /// It must stay so for as long.
    pub hold: Option<Duration>,
    /// Whether no object at all is all right for `each` and `none`.
    pub allow_empty: bool,
}

/// One thing that an `assert` holds.
#[derive(Clone, Debug)]
pub enum AssertCheck {
    /// Of every object: `each`, and `match` and `that` beside a target.
    Each(ObjectCheck),
    /// Of at least one object.
    Any(ObjectCheck),
    /// Of no object.
    None(ObjectCheck),
    /// How many objects there are.
    Count(CountExpectation),
    /// Without a target: over the names in scope, looked at once.
    Values(Condition),
}

/// How many of something there must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountExpectation {
    /// At least.
    pub min: Option<u64>,
    /// At most.
    pub max: Option<u64>,
}

/// `absent`.
#[derive(Clone, Debug)]
pub struct Absent {
    /// Which objects.
    pub target: Target,
    /// It must stay so for as long.
    pub hold: Option<Duration>,
}

/// `wait`.
#[derive(Clone, Debug)]
pub struct Wait {
    /// One object, or with a selector all of at least one.
    pub target: Target,
    /// What to wait for.
    pub until: Until,
    /// What ends it as failed.
    pub unless: Option<Until>,
    /// How long what does not heal by itself must last to end it; otherwise the suite's.
    pub settle: Option<Duration>,
}

/// What a `wait` waits for.
#[derive(Clone, Debug)]
pub enum Until {
    /// A DaemonSet, Deployment or StatefulSet is rolled out.
    RolledOut {
        /// Ends when the pod of each node is ready or does not become so by itself, or when the
        /// time is over, and fails only where none is.
        per_node: bool,
    },
    /// It is there.
    Exists,
    /// It is gone, or was never there.
    Deleted,
    /// One of `status.conditions`.
    Condition {
        /// Its type.
        kind: String,
        /// Its status; `True` where nothing is said.
        status: String,
    },
    /// A JSONPath as kubectl writes it, `{.status.succeeded}`.
    Jsonpath {
        /// The path.
        path: String,
        /// The value that it must have; any where nothing is said.
        equals: Option<Tree>,
    },
    /// A partial match or a condition that sees `object`.
    Object(ObjectCheck),
}

/// `exec`: a command in a container.
#[derive(Clone, Debug)]
pub struct Exec {
    /// A pod, what owns pods (the first ready one by name), or `pod` with a selector.
    pub target: Target,
    /// Whether it runs in every pod of the target, and must pass in all.
    pub each: bool,
    /// Otherwise the pod's default container.
    pub container: Option<Template>,
    /// The program and its arguments, run without a shell.
    pub command: Vec<Template>,
    /// What it reads.
    pub stdin: Option<Template>,
    /// What is expected of it.
    pub expect: ProcessExpectation,
}

impl Exec {
    /// Whether a pod that the target names is taken without a look at it: the exec itself says
    /// whether it is there.
    pub fn takes_it_by_name(&self) -> bool {
        !self.each && !self.target.is_narrowed()
    }
}

/// `run`: a pod of its own.
#[derive(Clone, Debug)]
pub struct RunPod {
    /// The image.
    pub image: Template,
    /// Instead of the image's own; may be empty.
    pub command: Vec<Template>,
    /// Environment variables.
    pub env: Vec<(String, Template)>,
    /// Another namespace than the suite's.
    pub namespace: Option<Template>,
    /// Further fields of the pod's `spec`, merged over ours.
    pub spec: Option<Tree>,
    /// What is expected of it; stdout is its log, stdout and stderr together.
    pub expect: ProcessExpectation,
}

/// `command`: a program on this machine, without a shell.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program and its arguments.
    pub args: Vec<Template>,
    /// What is the same for a script.
    pub process: LocalProcess,
}

/// `script`: text for a shell on this machine.
#[derive(Clone, Debug)]
pub struct Script {
    /// The script.
    pub text: Template,
    /// `sh` (run as `sh -eu`), `bash` (`bash -euo pipefail`), or another program that takes `-c TEXT`.
    pub shell: String,
    /// What is the same for a command.
    pub process: LocalProcess,
}

/// How a program on this machine is run.
#[derive(Clone, Debug)]
pub struct LocalProcess {
    /// Environment variables beside those of kubeproof itself.
    pub env: Vec<(String, Template)>,
    /// Relative to the suite's folder, where it starts otherwise.
    pub cwd: Option<Template>,
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
    pub stdout: Option<TextExpectation>,
    /// What it wrote to stderr.
    pub stderr: Option<TextExpectation>,
    /// How long it may have taken.
    pub took: Option<TookExpectation>,
}

/// What is expected of a text.
#[derive(Clone, Debug, Default)]
pub struct TextExpectation {
    /// Of the text as text.
    pub output: OutputExpectation<Template>,
    /// Of the text read as JSON: a partial match.
    pub json: Option<Tree>,
}

/// How long something may have taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TookExpectation {
    /// At least.
    pub min: Option<Duration>,
    /// At most.
    pub max: Option<Duration>,
}

/// `logs`.
#[derive(Clone, Debug)]
pub struct Logs {
    /// Pods: `pod/NAME`, what owns pods, or a selector (target `pod` is understood).
    pub target: Target,
    /// One container; all of them where none is named.
    pub container: Option<Template>,
    /// Only what is this young.
    pub since: Option<Since>,
    /// Of the container before its last restart.
    pub previous: bool,
    /// Only so many last lines of each.
    pub tail: Option<u32>,
    /// Begins each line with its time, RFC 3339.
    pub timestamps: bool,
    /// Only some of the lines, chosen as they come.
    pub lines: Option<LineChoice>,
    /// Of all the lines together.
    pub expect: TextExpectation,
}

/// Which lines of a log: all must hold that are given.
#[derive(Clone, Debug)]
pub struct LineChoice {
    /// This text is in the line.
    pub containing: Option<Template>,
    /// This pattern matches in the line.
    pub matching: Option<Template>,
    /// So many of them, the first ones of all containers.
    pub first: Option<u32>,
}

/// `events`.
#[derive(Clone, Debug)]
pub struct Events {
    /// The objects whose events they are; all of the namespace without one.
    pub target: Option<Target>,
    /// Another namespace than the suite's, where there is no target.
    pub namespace: Option<Template>,
    /// `Normal` or `Warning`.
    pub kind: Option<String>,
    /// Only with this reason.
    pub reason: Option<Template>,
    /// From when on.
    pub since: Option<Since>,
    /// How many there must be.
    pub count: Option<CountExpectation>,
}

/// From when on events or lines of a log count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Since the run began.
    Run,
    /// So long ago.
    Ago(Duration),
}

/// `http`.
#[derive(Clone, Debug)]
pub struct Http {
    /// Who is asked, and on which way.
    pub to: HttpDestination,
    /// `GET` where nothing is said.
    pub method: String,
    /// Headers.
    pub headers: Vec<(String, Template)>,
    /// The body; a map or a list goes as JSON.
    pub body: Option<Tree>,
    /// A certificate authority to trust, as PEM.
    pub ca: Option<Template>,
    /// What is expected of the answer.
    pub expect: HttpExpectation,
}

/// Who is asked, and on which way.
#[derive(Clone, Debug)]
pub enum HttpDestination {
    /// A Service in the cluster.
    Service {
        /// Its name.
        service: Template,
        /// Its port, by number or name.
        port: Tree,
        /// Another namespace than the suite's.
        namespace: Option<Template>,
        /// With its query.
        path: Template,
        /// `http` or `https`.
        scheme: String,
        /// By which way.
        via: HttpWay,
    },
    /// An address, from the machine that kubeproof runs on.
    Url {
        /// The whole URL.
        url: Template,
        /// The address to go to instead of what its host resolves to.
        resolve: Option<Template>,
    },
}

/// The way to a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpWay {
    /// The API server's proxy.
    #[default]
    Proxy,
    /// A port forward to one of its ready pods.
    PortForward,
}

/// What is expected of an HTTP answer.
#[derive(Clone, Debug, Default)]
pub struct HttpExpectation {
    /// Its status: one of these; below 400 where nothing is said.
    pub status: Vec<u16>,
    /// Headers, by their names in lower case.
    pub headers: Vec<(String, TextExpectation)>,
    /// Its body.
    pub body: Option<TextExpectation>,
    /// How long its certificate must still be valid.
    pub valid_for: Option<Duration>,
    /// How long it may have taken.
    pub took: Option<TookExpectation>,
}

/// `can`.
#[derive(Clone, Debug)]
pub struct Can {
    /// Who; the run's own user where nobody is named.
    pub who: Option<IdentityChoice>,
    /// `get`, `list`, `delete`, …
    pub verb: Template,
    /// As kubectl resolves it, with a subresource behind a slash; or a path such as `/metrics`.
    pub resource: Template,
    /// One object only.
    pub name: Option<Template>,
    /// Another namespace than the suite's.
    pub namespace: Option<Template>,
    /// Whether it must be allowed.
    pub allowed: bool,
}

/// `during`.
#[derive(Clone, Debug)]
pub struct During {
    /// From the start of one look to the start of the next.
    pub every: Duration,
    /// The look: its expectation decides what is a failed one.
    pub look: Box<Step>,
    /// What changes something meanwhile.
    pub steps: Vec<Step>,
    /// A partial match over `{total, failed}`; `{failed: 0}` where nothing is said.
    pub expect: Option<Tree>,
}

/// `foreach`.
#[derive(Clone, Debug)]
pub struct Foreach {
    /// The name under which steps see the item.
    pub name: String,
    /// A list.
    pub items: Tree,
    /// For each item, one after another.
    pub steps: Vec<Step>,
}

/// `use`.
#[derive(Clone, Debug)]
pub struct Use {
    /// The document's `metadata.name`.
    pub name: String,
    /// Its inputs with what they are here: `with`, or else the default.
    pub inputs: Vec<(String, Tree)>,
    /// The inputs whose values must never be shown.
    pub secrets: Vec<String>,
    /// Its steps, which see `inputs` and `run` only.
    pub steps: Arc<Vec<Step>>,
    /// What it gives back: captured by the caller under these names.
    pub outputs: Vec<(String, Tree)>,
}
