//! What steps do: a form for each verb.

use super::{
    CountSpec, HttpExpectSpec, IdentitySpec, ProcessExpectSpec, StepSpec, Text, TextExpectSpec,
    WriteExpectSpec,
};
use crate::source::Span;
use crate::yaml::Node;

/// What a step does.
#[derive(Clone, Debug)]
pub enum VerbSpec {
    /// `apply`
    Apply(ApplySpec),
    /// `create`
    Create(ApplySpec),
    /// `patch`
    Patch(PatchSpec),
    /// `delete`
    Delete(DeleteSpec),
    /// `get` of objects
    Get(TargetSpec),
    /// `get` of a path
    GetRaw(GetRawSpec),
    /// `assert`
    Assert(AssertSpec),
    /// `absent`
    Absent(AbsentSpec),
    /// `wait`
    Wait(WaitSpec),
    /// `exec`
    Exec(ExecSpec),
    /// `run`
    Run(RunSpec),
    /// `command`
    Command(CommandSpec),
    /// `script`
    Script(ScriptSpec),
    /// `logs`
    Logs(LogsSpec),
    /// `events`
    Events(EventsSpec),
    /// `http`
    Http(HttpSpec),
    /// `can`
    Can(CanSpec),
    /// `during`
    During(DuringSpec),
    /// `foreach`
    Foreach(ForeachSpec),
    /// `skip`
    Skip(Option<Text>),
    /// `error`
    Error(Option<Text>),
    /// `sleep`
    Sleep(Option<Text>),
    /// `use`
    Use(UseSpec),
}

impl VerbSpec {
    /// As it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Create(_) => "create",
            Self::Patch(_) => "patch",
            Self::Delete(_) => "delete",
            Self::Get(_) | Self::GetRaw(_) => "get",
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
}

/// Which objects: what the verbs on objects share.
#[derive(Clone, Debug)]
pub struct TargetSpec {
    /// Where to point: the name of the field or verb.
    pub span: Span,
    /// `kind` or `kind/name`.
    pub target: Option<Text>,
    /// Where.
    pub namespace: Option<Text>,
    /// Everywhere.
    pub all_namespaces: Option<Span>,
    /// A label selector.
    pub selector: Option<Text>,
    /// `where`
    pub filter: Option<ObjectCheckSpec>,
}

/// `match` and `that`.
#[derive(Clone, Debug, Default)]
pub struct ObjectCheckSpec {
    /// A partial match.
    pub pattern: Option<Node>,
    /// A condition.
    pub that: Option<Text>,
}

/// `apply` and `create`.
#[derive(Clone, Debug)]
pub struct ApplySpec {
    /// What is applied.
    pub manifests: Option<ManifestsSpec>,
    /// Where.
    pub namespace: Option<Text>,
    /// Take fields over from other managers.
    pub force: bool,
    /// What is expected.
    pub expect: WriteExpectSpec,
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

/// `patch`.
#[derive(Clone, Debug)]
pub struct PatchSpec {
    /// One object.
    pub target: TargetSpec,
    /// How the patch is written.
    pub kind: PatchKindSpec,
    /// The patch.
    pub patch: Option<Node>,
    /// Such as `status`.
    pub subresource: Option<Text>,
    /// Changing nothing is all right.
    pub allow_no_change: bool,
    /// What is expected.
    pub expect: WriteExpectSpec,
}

/// `type` of a patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PatchKindSpec {
    /// `merge`
    #[default]
    Merge,
    /// `strategic`
    Strategic,
    /// `json`
    Json,
}

/// `delete`.
#[derive(Clone, Debug)]
pub struct DeleteSpec {
    /// Which objects.
    pub target: TargetSpec,
    /// The time that processes have.
    pub grace_period: Option<Text>,
    /// It may delete what the run did not make.
    pub foreign: bool,
    /// What is expected.
    pub expect: WriteExpectSpec,
}

/// `get: {raw: …}`.
#[derive(Clone, Debug)]
pub struct GetRawSpec {
    /// Of the API server.
    pub path: Option<Text>,
    /// What is expected.
    pub expect: HttpExpectSpec,
}

/// `assert`.
#[derive(Clone, Debug)]
pub struct AssertSpec {
    /// Which objects.
    pub target: Option<TargetSpec>,
    /// What must hold.
    pub checks: Vec<AssertCheckSpec>,
    /// `for`
    pub hold: Option<Text>,
    /// Nothing there is all right.
    pub allow_empty: bool,
}

/// One thing that must hold.
#[derive(Clone, Debug)]
pub enum AssertCheckSpec {
    /// `each`, or `match` and `that` beside a target.
    Each(ObjectCheckSpec),
    /// `any`
    Any(ObjectCheckSpec),
    /// `none`
    None(ObjectCheckSpec),
    /// `count`
    Count(CountSpec),
    /// `that` without a target.
    Values(Text),
}

/// `absent`.
#[derive(Clone, Debug)]
pub struct AbsentSpec {
    /// Which objects.
    pub target: TargetSpec,
    /// `for`
    pub hold: Option<Text>,
}

/// `wait`.
#[derive(Clone, Debug)]
pub struct WaitSpec {
    /// Which objects.
    pub target: TargetSpec,
    /// What to wait for.
    pub until: Option<UntilSpec>,
    /// What ends it as failed.
    pub unless: Option<UntilSpec>,
    /// Each node has its pod.
    pub per_node: Option<Span>,
    /// How long what does not heal by itself must last to end it.
    pub settle: Option<Text>,
}

/// What a `wait` waits for.
#[derive(Clone, Debug)]
pub enum UntilSpec {
    /// `rolledOut`
    RolledOut,
    /// `exists`
    Exists,
    /// `deleted`
    Deleted,
    /// `{condition: Ready}`
    Condition {
        /// Its type.
        kind: Text,
        /// Its status.
        status: Option<Text>,
    },
    /// `{jsonpath: …, equals: …}`
    Jsonpath {
        /// As kubectl writes it.
        path: Text,
        /// The value that it must have.
        equals: Option<Node>,
    },
    /// `{match, that}`
    Object(ObjectCheckSpec),
}

/// `exec`.
#[derive(Clone, Debug)]
pub struct ExecSpec {
    /// Which pods.
    pub target: TargetSpec,
    /// In all of them.
    pub each: bool,
    /// Which container.
    pub container: Option<Text>,
    /// The program and its arguments.
    pub command: Option<Vec<Text>>,
    /// What it reads.
    pub stdin: Option<Text>,
    /// What is expected of it.
    pub expect: ProcessExpectSpec,
}

/// `run`.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// The image.
    pub image: Option<Text>,
    /// The program and its arguments.
    pub command: Option<Vec<Text>>,
    /// Environment variables.
    pub env: Vec<(Text, Text)>,
    /// Where.
    pub namespace: Option<Text>,
    /// Further fields of the pod.
    pub spec: Option<Node>,
    /// What is expected of it.
    pub expect: ProcessExpectSpec,
}

/// `command`.
#[derive(Clone, Debug)]
pub struct CommandSpec {
    /// The program and its arguments.
    pub args: Option<Vec<Text>>,
    /// Whether they are taken as they are.
    pub raw: bool,
    /// What is the same for a script.
    pub process: LocalProcessSpec,
}

/// `script`.
#[derive(Clone, Debug)]
pub struct ScriptSpec {
    /// The script.
    pub text: Option<Text>,
    /// Whether it is taken as it is.
    pub raw: bool,
    /// `sh` where nothing is said.
    pub shell: Option<Text>,
    /// What is the same for a command.
    pub process: LocalProcessSpec,
}

/// A program on this machine.
#[derive(Clone, Debug, Default)]
pub struct LocalProcessSpec {
    /// Environment variables.
    pub env: Vec<(Text, Text)>,
    /// Where it starts.
    pub cwd: Option<Text>,
    /// What it reads.
    pub stdin: Option<Text>,
    /// What is expected of it.
    pub expect: ProcessExpectSpec,
}

/// `logs`.
#[derive(Clone, Debug)]
pub struct LogsSpec {
    /// Which pods; `pod` where there is no target.
    pub target: TargetSpec,
    /// One container.
    pub container: Option<Text>,
    /// `run`, or how young.
    pub since: Option<Text>,
    /// Before the last restart.
    pub previous: bool,
    /// So many last lines.
    pub tail: Option<u32>,
    /// Each line begins with its time.
    pub timestamps: bool,
    /// Some of the lines.
    pub lines: Option<LineChoiceSpec>,
    /// Of all the lines together.
    pub expect: TextExpectSpec,
}

/// `lines` of `logs`.
#[derive(Clone, Debug)]
pub struct LineChoiceSpec {
    /// This text is in the line.
    pub containing: Option<Text>,
    /// This pattern matches in the line.
    pub matching: Option<Text>,
    /// So many of them.
    pub first: Option<u32>,
}

/// `events`.
#[derive(Clone, Debug)]
pub struct EventsSpec {
    /// The objects whose they are.
    pub target: Option<TargetSpec>,
    /// Where, without a target.
    pub namespace: Option<Text>,
    /// `Normal` or `Warning`.
    pub kind: Option<&'static str>,
    /// Why.
    pub reason: Option<Text>,
    /// `run`, or a duration.
    pub since: Option<Text>,
    /// How many there must be.
    pub count: Option<CountSpec>,
}

/// `http`.
#[derive(Clone, Debug)]
pub struct HttpSpec {
    /// Who is asked.
    pub to: Option<HttpToSpec>,
    /// `GET` where nothing is said.
    pub method: Option<Text>,
    /// By name.
    pub headers: Vec<(Text, Text)>,
    /// What is sent.
    pub body: Option<Node>,
    /// A certificate authority.
    pub ca: Option<Text>,
    /// Where `expect.tls` stands.
    pub tls: Option<Span>,
    /// What is expected.
    pub expect: HttpExpectSpec,
}

/// Who is asked.
#[derive(Clone, Debug)]
pub enum HttpToSpec {
    /// A Service.
    Service {
        /// Its name.
        service: Option<Text>,
        /// Its port.
        port: Option<Node>,
        /// Where.
        namespace: Option<Text>,
        /// `/` where nothing is said.
        path: Option<Text>,
        /// `http` where nothing is said.
        scheme: Option<&'static str>,
        /// Through a port forward instead of the API server's proxy.
        forwards: bool,
    },
    /// From this machine.
    Url {
        /// The whole URL.
        url: Option<Text>,
        /// Where its host is.
        resolve: Option<Text>,
    },
}

/// `can`.
#[derive(Clone, Debug)]
pub struct CanSpec {
    /// Who.
    pub who: Option<IdentitySpec>,
    /// Does what.
    pub verb: Option<Text>,
    /// With what.
    pub resource: Option<Text>,
    /// With one object only.
    pub name: Option<Text>,
    /// Where.
    pub namespace: Option<Text>,
    /// Whether it must be allowed.
    pub allowed: bool,
}

/// `during`.
#[derive(Clone, Debug)]
pub struct DuringSpec {
    /// From look to look.
    pub every: Option<Text>,
    /// The look.
    pub look: Option<Box<StepSpec>>,
    /// What goes on meanwhile.
    pub steps: Vec<StepSpec>,
    /// Over `total` and `failed`.
    pub expect: Option<Node>,
}

/// `foreach`.
#[derive(Clone, Debug)]
pub struct ForeachSpec {
    /// What steps call the item.
    pub name: Option<Text>,
    /// A list.
    pub items: Option<Node>,
    /// For each item.
    pub steps: Vec<StepSpec>,
}

/// `use`.
#[derive(Clone, Debug)]
pub struct UseSpec {
    /// `metadata.name` of a document of `kind: Steps`.
    pub name: Option<Text>,
    /// Its inputs.
    pub with: Vec<(Text, Node)>,
}
