//! How a program ended.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this exit code, 0 to 255.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    pub(super) fn of(status: ExitStatus) -> Self {
        // A program that was waited for has one or the other.
        match status.code() {
            Some(code) => Self::Code(code),
            None => Self::Signal(status.signal().unwrap_or(0)),
        }
    }

    /// One number, as a shell has it: 128 + n where signal n ended it.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

impl fmt::Display for Exit {
    /// `exit code 3` or `signal 9 (SIGKILL)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signal = match self {
            Self::Code(code) => return write!(f, "exit code {code}"),
            Self::Signal(signal) => *signal,
        };
        write!(f, "signal {signal}")?;
        // Those that have the same number wherever this runs.
        match signal {
            1 => f.write_str(" (SIGHUP)"),
            2 => f.write_str(" (SIGINT)"),
            3 => f.write_str(" (SIGQUIT)"),
            4 => f.write_str(" (SIGILL)"),
            6 => f.write_str(" (SIGABRT)"),
            8 => f.write_str(" (SIGFPE)"),
            9 => f.write_str(" (SIGKILL)"),
            11 => f.write_str(" (SIGSEGV)"),
            13 => f.write_str(" (SIGPIPE)"),
            14 => f.write_str(" (SIGALRM)"),
            15 => f.write_str(" (SIGTERM)"),
            _ => Ok(()),
        }
    }
}
