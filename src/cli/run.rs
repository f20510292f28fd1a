//! `kubeproof run`: sets up reports and a runtime, runs, and turns the verdict into an exit code.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use super::args::{Keep, Output, RunArgs};
use super::exit::Exit;
use super::{color_of, eprint_text, load};
use crate::cluster::ConnectOptions;
use crate::event::Stage;
use crate::plan::model::Suite;
use crate::plan::select::NameFilter;
use crate::report::Reporters;
use crate::report::human::{Human, HumanOptions};
use crate::report::json::Json;
use crate::report::junit::Junit;
use crate::report::progress::Progress;
use crate::report::style::Verbosity;
use crate::run::{self, Ended, RunOptions};

/// How long what is still under way may take to end once the run is over.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Runs suites and says how that ended.
pub fn execute(args: &RunArgs, verbosity: Verbosity) -> Exit {
    let reporters = match reporters(args, verbosity) {
        Ok(reporters) => reporters,
        Err(exit) => return exit,
    };
    let (suites, options) = match prepare(args) {
        Ok(prepared) => prepared,
        Err((exit, message)) => {
            run::report_problem(reporters, Stage::Load, message);
            return exit;
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprint_text(&format!("error: no runtime: {error}\n"));
            return Exit::Errored;
        }
    };
    let ended = runtime.block_on(run::execute(suites, options, reporters));
    match ended {
        Ok(Ended { verdict, .. }) => {
            runtime.shutdown_timeout(LAST_WORDS);
            Exit::Run(verdict.exit_code())
        }
        Err(error) => {
            eprint_text(&format!("error: signals cannot be listened to: {error}\n"));
            Exit::Errored
        }
    }
}

/// What is to run, and how; otherwise what to say in the reports.
fn prepare(args: &RunArgs) -> Result<(Vec<Suite>, RunOptions), (Exit, String)> {
    let suites = load::suites(&args.suites, &args.inputs)
        .map_err(|exit| (exit, "the suites are not valid: nothing was run".to_owned()))?;
    let options = RunOptions {
        connect: ConnectOptions {
            kubeconfig: args.kubeconfig.clone(),
            context: args.context.clone(),
            ..ConnectOptions::default()
        },
        namespace: args.namespace.clone(),
        names: NameFilter::new(&args.filter, &args.exclude),
        concurrency: usize::from(args.concurrency),
        timeout: args.timeout,
        fail_fast: args.fail_fast,
        keep: match args.keep {
            Keep::Never => run::Keep::Never,
            Keep::OnFailure => run::Keep::OnFailure,
            Keep::Always => run::Keep::Always,
        },
    };
    Ok((suites, options))
}

/// The reports that were asked for. JUnit is on disk from here on, so that an old one
/// never passes for this run's, and comes first: it is there when the summary is read.
fn reporters(args: &RunArgs, verbosity: Verbosity) -> Result<Reporters, Exit> {
    let mut reporters = Reporters::new();
    let refuse = |path: &Path, error: io::Error| {
        eprint_text(&format!(
            "error: cannot write {}: {error}\n",
            path.display()
        ));
        Exit::Usage
    };
    if let Some(path) = &args.junit {
        reporters.push(Junit::new(path).map_err(|error| refuse(path, error))?);
    }
    if let Some(path) = &args.json {
        let file = File::create(path).map_err(|error| refuse(path, error))?;
        reporters.push(Json::new(format!("events in {}", path.display()), file));
    }
    let color = color_of(&io::stderr());
    let progress = match io::stderr().is_terminal() {
        true => Progress::live(io::stderr(), color, verbosity),
        false => Progress::plain(io::stderr(), color, verbosity),
    };
    let stdout = progress.beside(io::stdout());
    reporters.push(progress);
    match args.output {
        Output::Human => {
            let options = HumanOptions {
                color: color_of(&io::stdout()),
                verbosity,
                junit: args.junit.clone(),
            };
            reporters.push(Human::new(stdout, options));
        }
        Output::Json => reporters.push(Json::new("events on stdout", stdout)),
    }
    Ok(reporters)
}
