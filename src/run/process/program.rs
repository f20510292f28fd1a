//! What to run, within which bounds, and what came of it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::exit::Exit;
use crate::output::{Intake, Text};

/// A program to run. No shell interprets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// A path, relative to `cwd`, or a name to look up in `PATH`.
    pub program: String,
    /// Its arguments, without its own name.
    pub args: Vec<String>,
    /// What is added to our own environment, or replaced in it.
    pub env: BTreeMap<String, String>,
    /// The folder it runs in; our own by default.
    pub cwd: Option<PathBuf>,
    /// What it may read, all of it; nothing by default. What it does not read is dropped.
    pub stdin: Option<Vec<u8>>,
}

/// How much a program may take.
#[derive(Clone, Debug)]
pub struct ProcessLimits {
    /// The time until it must have exited; 30 s by default. Ending one that has not takes up to
    /// three seconds more.
    pub timeout: Duration,
    /// How stdout is taken in; 1 MiB of it is kept by default.
    pub stdout: Intake,
    /// As `stdout`.
    pub stderr: Intake,
}

impl Default for ProcessLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            stdout: Intake::default(),
            stderr: Intake::default(),
        }
    }
}

/// What a program that ran to its end answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// What it and its children printed.
    pub stdout: Text,
    /// As `stdout`.
    pub stderr: Text,
    /// From its start to its exit.
    pub took: Duration,
    /// How many processes it left in the background, which were ended.
    pub strays: usize,
}

/// Why a program gave no answer.
///
/// Its exit, whatever it is, is an answer, never an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// There is no such program or folder, or it may not be executed.
    #[error("`{program}` did not start: {cause}")]
    NotStarted {
        /// As it was asked for.
        program: String,
        /// In words.
        cause: String,
    },

    /// The time was over. It is ended, and so is all that came from it.
    #[error("`{program}` did not end within {after:?}")]
    TimedOut {
        /// As it was asked for.
        program: String,
        /// The time it had.
        after: Duration,
        /// What it had printed, also while it was being ended; for people.
        stdout: String,
        /// As `stdout`.
        stderr: String,
    },

    /// The run was cancelled first. It is ended, and so is all that came from it.
    #[error("`{program}` was cancelled")]
    Cancelled {
        /// As it was asked for.
        program: String,
        /// What it had printed, also while it was being ended; for people.
        stdout: String,
        /// As `stdout`.
        stderr: String,
    },

    /// It exited, and the operating system does not tell how.
    #[error("how `{program}` ended is not known: {cause}")]
    Lost {
        /// As it was asked for.
        program: String,
        /// In words.
        cause: String,
    },
}

impl ProcessError {
    pub(super) fn not_started(program: &Program, error: &io::Error) -> Self {
        Self::NotStarted {
            program: program.program.clone(),
            cause: start_words(program, error),
        }
    }

    /// Whether the program could not be tried, so that nothing is known about what it tests.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::NotStarted { .. } | Self::Lost { .. } => true,
            Self::TimedOut { .. } | Self::Cancelled { .. } => false,
        }
    }
}

/// The operating system has the same "No such file or directory" for three mistakes.
fn start_words(program: &Program, error: &io::Error) -> String {
    if let Some(folder) = program.cwd.as_deref().filter(|folder| !folder.is_dir()) {
        return format!("there is no folder {}", folder.display());
    }
    match error.kind() {
        io::ErrorKind::NotFound if !program.program.contains('/') => {
            "there is no such program in PATH".to_owned()
        }
        io::ErrorKind::NotFound => {
            let folder = program.cwd.as_deref().unwrap_or(Path::new(""));
            if folder.join(&program.program).exists() {
                "the interpreter that its first line names does not exist".to_owned()
            } else {
                "there is no such file".to_owned()
            }
        }
        io::ErrorKind::PermissionDenied => "it may not be executed".to_owned(),
        _ => words(error),
    }
}

/// The error's text without `(os error 7)`, which says nothing to people.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
