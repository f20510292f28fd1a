//! `kubeproof run`: sets up reports and a runtime, runs, and turns the verdict into an exit code.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;

use super::args::{Keep, Output, RunArgs};
use super::exit::Exit;
use super::runtime::Runtime;
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
use crate::secret::Mask;

/// Runs suites and says how that ended.
pub fn execute(args: &RunArgs, verbosity: Verbosity, mask: &Mask) -> Exit {
    let reporters = match reporters(args, verbosity) {
        Ok(reporters) => reporters,
        Err(exit) => return exit,
    };
    let (suites, options) = match prepare(args, mask) {
        Ok(prepared) => prepared,
        Err((exit, message)) => {
            run::report_problem(reporters, Stage::Load, message);
            return exit;
        }
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprint_text(&format!("error: no runtime: {error}\n"));
            return Exit::Errored;
        }
    };
    let ended = runtime.block_on(run::execute(suites, options, reporters));
    match ended {
        Ok(Ended { verdict, .. }) => Exit::Run(verdict.exit_code()),
        Err(error) => {
            eprint_text(&format!("error: signals cannot be listened to: {error}\n"));
            Exit::Errored
        }
    }
}

/// What is to run, and how; otherwise what to say in the reports.
fn prepare(args: &RunArgs, mask: &Mask) -> Result<(Vec<Suite>, RunOptions), (Exit, String)> {
    let connect = args.connection.options();
    let clusters = clusters(&args.clusters, &connect).map_err(|message| {
        eprint_text(&format!("error: {message}\n"));
        (Exit::Usage, message)
    })?;
    let suites = load::suites(&args.suites, &args.inputs)
        .map_err(|error| (Exit::Usage, load::in_brief(&error)))?;
    let options = RunOptions {
        connect,
        wait_ready: args.wait_ready,
        expect_nodes: args.expect_nodes.map(usize::from),
        clusters,
        namespace: args.namespace.clone(),
        registry: args.registry.clone(),
        names: NameFilter::new(&args.filter, &args.exclude),
        concurrency: usize::from(args.concurrency),
        parallel_suites: usize::from(args.parallel_suites),
        timeout: args.timeout,
        fail_fast: args.fail_fast,
        retries: args.retries,
        strict: args.strict,
        artifacts: args.artifacts.clone(),
        mask: mask.clone(),
        keep: match args.keep {
            Keep::Never => run::Keep::Never,
            Keep::OnFailure => run::Keep::OnFailure,
            Keep::Always => run::Keep::Always,
        },
    };
    Ok((suites, options))
}

/// `--cluster NAME=FILE[:CONTEXT]`; a file may be left out where the context is of the
/// run's own kubeconfig. One acts in all clusters as the same.
pub(super) fn clusters(
    arguments: &[String],
    connect: &ConnectOptions,
) -> Result<BTreeMap<String, ConnectOptions>, String> {
    let mut clusters = BTreeMap::new();
    for argument in arguments {
        let wrong = || format!("--cluster {argument}: write NAME=FILE or NAME=FILE:CONTEXT");
        let (name, place) = argument.split_once('=').ok_or_else(wrong)?;
        if name.is_empty() || place.is_empty() {
            return Err(wrong());
        }
        let (file, context) = match place.split_once(':') {
            Some((file, context)) => (file, Some(context.to_owned())),
            None => (place, None),
        };
        let options = ConnectOptions {
            kubeconfig: match file {
                "" => connect.kubeconfig.clone(),
                file => Some(file.into()),
            },
            context,
            ..connect.clone()
        };
        clusters.insert(name.to_owned(), options);
    }
    Ok(clusters)
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
