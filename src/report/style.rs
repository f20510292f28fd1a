//! Colours and how much is told: what the reports for people have in common.
//!
//! Whether a terminal is there, and what `--color` and `NO_COLOR` say, is decided
//! by the caller.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

use crate::event::Outcome;
use crate::outcome::RunExit;

/// Whether to write colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// No escape sequence at all.
    #[default]
    Plain,
    /// ANSI sequences.
    Ansi,
}

/// How much people are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Only what did not pass, and the last line.
    Quiet,
    /// What is needed to act.
    #[default]
    Normal,
    /// Everything.
    Verbose,
}

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Good.
    Good,
    /// Bad, and the cluster's doing.
    Bad,
    /// Bad, and unknown whose doing.
    Broken,
    /// Worth a look.
    Mild,
    /// A title or a name.
    Strong,
    /// Less important than what is around it.
    Faint,
}

impl Color {
    /// The text, in the colour of its meaning.
    pub fn paint(self, tone: Tone, text: impl Display) -> String {
        match self {
            Self::Plain => text.to_string(),
            Self::Ansi => {
                let style = tone.style();
                format!("{style}{text}{style:#}")
            }
        }
    }
}

impl Tone {
    /// The tone of an outcome.
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Good,
            Outcome::Failed => Self::Bad,
            Outcome::Errored => Self::Broken,
            Outcome::Skipped | Outcome::Cancelled => Self::Mild,
        }
    }

    /// The tone of a whole run.
    pub fn of_exit(exit: RunExit) -> Self {
        match exit {
            RunExit::Passed => Self::Good,
            RunExit::Failed => Self::Bad,
            RunExit::Errored => Self::Broken,
            RunExit::NothingTested
            | RunExit::NotCleanedUp
            | RunExit::Interrupted
            | RunExit::Terminated => Self::Mild,
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default().bold(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Broken => AnsiColor::Magenta.on_default().bold(),
            Self::Mild => AnsiColor::Yellow.on_default(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
        }
    }
}
