//! `kubeproof run`: sets up a runtime, runs, and turns the verdict into an exit code.

use std::collections::BTreeMap;

use super::args::{Keep, RunArgs};
use super::exit::Exit;
use super::reports::reporters;
use super::runtime::Runtime;
use super::{eprint_text, load};
use crate::cluster::ConnectOptions;
use crate::event::Stage;
use crate::plan::model::Suite;
use crate::plan::select::NameFilter;
use crate::report::style::Verbosity;
use crate::run::{self, Artifacts, Ended, RunOptions};
use crate::secret::Mask;

/// Runs suites and says how that ended.
pub fn execute(args: &RunArgs, verbosity: Verbosity, mask: &Mask) -> Exit {
    let artifacts = args.artifacts.clone();
    let artifacts = artifacts.map(|folder| Artifacts::new(folder, mask.clone()));
    let reporters = match reporters(args, verbosity, artifacts.as_ref()) {
        Ok(reporters) => reporters,
        Err(message) => {
            eprint_text(&format!("error: {message}\n"));
            return Exit::Usage;
        }
    };
    let tell_steps = verbosity == Verbosity::Verbose;
    let prepared = prepare(args, mask).map(|(suites, options)| {
        let options = RunOptions {
            artifacts,
            tell_steps,
            ..options
        };
        (suites, options)
    });
    let (suites, options) = match prepared {
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
        artifacts: None,
        tell_steps: false,
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
        if clusters.insert(name.to_owned(), options).is_some() {
            return Err(format!(
                "--cluster {argument}: there is another --cluster of the name {name}: give each a name of its own"
            ));
        }
    }
    Ok(clusters)
}
