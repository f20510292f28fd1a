//! What a step gives to its `capture`: the one table of it. `check` goes by it, the run gives
//! exactly this, and `docs/language.md` shows it.

use super::verbs::{Get, Until, Verb};

/// Every name that some verb gives: what captures, axes and items cannot be called.
pub const RESULTS: [&str; 10] = [
    "object", "objects", "exit", "stdout", "stderr", "status", "headers", "body", "reason", "took",
];

/// The verbs on objects: the objects, and the one of them that is most likely meant.
const OBJECTS: &[&str] = &["object", "objects", "took"];
/// Where there is nothing to show but that it passed.
const TOOK: &[&str] = &["took"];
/// An answer of HTTP.
const ANSWER: &[&str] = &["status", "headers", "body", "took"];

impl Verb {
    /// The names that a `capture` beside the verb sees when it has passed; none where it may have
    /// no `capture`. `use` gives its outputs as well.
    pub fn results(&self) -> &'static [&'static str] {
        match self {
            // what was refused is not there
            Self::Apply(apply) if apply.expect.rejected.is_some() => TOOK,
            Self::Create(create) if create.expect.rejected.is_some() => TOOK,
            Self::Patch(patch) if patch.expect.rejected.is_some() => TOOK,
            Self::Delete(delete) if delete.expect.rejected.is_some() => TOOK,
            Self::Assert(assert) if assert.target.is_none() => TOOK,
            Self::Wait(wait) if matches!(wait.until, Until::Deleted) => TOOK,
            Self::Apply(_)
            | Self::Create(_)
            | Self::Patch(_)
            | Self::Delete(_)
            | Self::Get(Get::Object(_))
            | Self::Assert(_)
            | Self::Wait(_) => OBJECTS,
            Self::Absent(_) | Self::Use(_) => TOOK,
            Self::Exec(_) | Self::Command(_) | Self::Script(_) => {
                &["exit", "stdout", "stderr", "took"]
            }
            // the log of a pod is one stream
            Self::Run(_) => &["exit", "stdout", "took"],
            Self::Logs(_) => &["stdout", "took"],
            Self::Events(_) => &["objects", "stdout", "took"],
            Self::Http(_) | Self::Get(Get::Raw { .. }) => ANSWER,
            Self::Can(_) => &["reason", "took"],
            Self::During(_)
            | Self::Foreach(_)
            | Self::Skip(_)
            | Self::Error(_)
            | Self::Sleep(_) => &[],
        }
    }
}
