//! What `run`, `check` and `list` begin with: suites from arguments, or every mistake in them.

use super::args::{InputArgs, SuiteArgs};
use super::eprint_text;
use super::exit::Exit;
use crate::diagnostic::{self, Diagnostic};
use crate::plan::error::LoadError;
use crate::plan::input::InputSources;
use crate::plan::load::{self, FoundSuite};
use crate::plan::model::Suite;
use crate::plan::select::LabelSelector;
use crate::report::stream;
use crate::report::style::Color;

/// The width of quoted source where there is no terminal to ask.
const WIDTH: usize = 100;

/// Reads, selects and checks suites; what is wrong with them is on stderr then.
///
/// # Errors
/// What is wrong.
pub fn suites(suites: &SuiteArgs, inputs: &InputArgs) -> Result<Vec<Suite>, LoadError> {
    let load = || {
        let sources = InputSources::read(&inputs.set, &inputs.values, std::env::vars_os())?;
        load::load_suites(&suites.suites, &sources, &selector(suites)?)
    };
    load().inspect_err(tell)
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
    find().map_err(|error| {
        tell(&error);
        Exit::Usage
    })
}

fn selector(suites: &SuiteArgs) -> Result<LabelSelector, LoadError> {
    LabelSelector::parse(suites.select.iter().map(String::as_str))
        .map_err(|error| LoadError::Usage(format!("--select: {error}")))
}

/// The mistakes in a few words, for a report.
pub fn in_brief(error: &LoadError) -> String {
    match error {
        LoadError::Usage(message) => message.clone(),
        LoadError::Invalid(diagnostics) => {
            let lines: Vec<_> = diagnostics.iter().map(Diagnostic::one_line).collect();
            format!("{error}; nothing was run: {}", lines.join("; "))
        }
    }
}

fn tell(error: &LoadError) {
    match error {
        LoadError::Usage(message) => eprint_text(&format!("error: {message}\n")),
        LoadError::Invalid(diagnostics) => {
            tell_diagnostics(diagnostics);
            eprint_text(&format!("{error}\n"));
        }
    }
}

/// Diagnostics on stderr, as a terminal has them.
pub fn tell_diagnostics(diagnostics: &[Diagnostic]) {
    let color = stream::stderr().color() == Color::Ansi;
    eprint_text(&diagnostic::render(diagnostics, color, WIDTH));
}
