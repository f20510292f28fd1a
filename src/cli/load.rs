//! What `run`, `check` and `list` begin with: suites from arguments, or every mistake in them.

use super::args::{InputArgs, SuiteArgs};
use super::exit::Exit;
use super::{color_of, eprint_text};
use crate::diagnostic;
use crate::plan::error::LoadError;
use crate::plan::input::InputSources;
use crate::plan::load::{self, FoundSuite};
use crate::plan::model::Suite;
use crate::plan::select::LabelSelector;
use crate::report::style::Color;

/// The width of quoted source where there is no terminal to ask.
const WIDTH: usize = 100;

/// Reads, selects and checks suites; what is wrong with them is on stderr then.
///
/// # Errors
/// [`Exit::Usage`].
pub fn suites(suites: &SuiteArgs, inputs: &InputArgs) -> Result<Vec<Suite>, Exit> {
    let load = || {
        let sources = InputSources::read(&inputs.set, &inputs.values, std::env::vars_os())?;
        load::load_suites(&suites.suites, &sources, &selector(suites)?)
    };
    load().map_err(|error| tell(&error))
}

/// Reads and selects suites without giving their inputs values.
///
/// # Errors
/// [`Exit::Usage`].
pub fn found(suites: &SuiteArgs) -> Result<Vec<FoundSuite>, Exit> {
    let find = || {
        let labels = selector(suites)?;
        let mut found = load::find_suites(&suites.suites)?;
        found.retain(|suite| labels.admits(&suite.labels()));
        Ok(found)
    };
    find().map_err(|error| tell(&error))
}

fn selector(suites: &SuiteArgs) -> Result<LabelSelector, LoadError> {
    LabelSelector::parse(suites.select.iter().map(String::as_str))
        .map_err(|error| LoadError::Usage(format!("--select: {error}")))
}

fn tell(error: &LoadError) -> Exit {
    match error {
        LoadError::Usage(message) => eprint_text(&format!("error: {message}\n")),
        LoadError::Invalid(diagnostics) => {
            let color = color_of(&std::io::stderr()) == Color::Ansi;
            eprint_text(&diagnostic::render(diagnostics, color, WIDTH));
            eprint_text(&format!("{error}; nothing was run\n"));
        }
    }
    Exit::Usage
}
