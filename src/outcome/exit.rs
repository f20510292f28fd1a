//! What a run tells the shell: `Verdict` decides which, here is what it is.

/// What a run tells the shell. Usage errors and invalid suites (2) are decided
/// before there is a run, by `cli`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunExit {
    /// Everything that was tried passed.
    Passed,
    /// The cluster answered, and not as expected.
    Failed,
    /// Something could not be found out.
    Errored,
    /// Nothing was selected, or all was skipped.
    NothingTested,
    /// Passed, but something could not be cleaned up.
    NotCleanedUp,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl RunExit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Errored => 3,
            Self::NothingTested => 4,
            Self::NotCleanedUp => 5,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The word that sums up a run, such as `failed`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Errored => "errored",
            Self::NothingTested => "nothing was tested",
            Self::NotCleanedUp => "passed, but not cleaned up",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }
}
