//! Exit codes, and nothing else.

use std::process::ExitCode;

use crate::outcome::RunExit;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Passed,
    /// The arguments or a suite are wrong: nothing was run.
    Usage,
    /// It could not be found out.
    Errored,
    /// Something could not be cleaned up.
    Left,
    /// As the verdict of a run says.
    Run(RunExit),
}

impl Exit {
    /// Whether a signal ended it.
    pub fn is_signal(self) -> bool {
        matches!(self, Self::Run(RunExit::Interrupted | RunExit::Terminated))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Passed => 0,
            Exit::Usage => 2,
            Exit::Errored => RunExit::Errored.code(),
            Exit::Left => RunExit::NotCleanedUp.code(),
            Exit::Run(run) => run.code(),
        })
    }
}
