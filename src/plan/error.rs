//! Why there is no plan.

use crate::diagnostic::Diagnostic;

/// Suites that cannot be run as they were asked for. Nothing was run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The command line asks for something that is not there.
    #[error("{0}")]
    Usage(String),
    /// Files are wrong, or inputs; every mistake of all of them.
    #[error("{} in the suites", counted(.0.len()))]
    Invalid(Vec<Diagnostic>),
}

fn counted(errors: usize) -> String {
    match errors {
        1 => "1 error".to_owned(),
        errors => format!("{errors} errors"),
    }
}
