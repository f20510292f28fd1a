//! `kubeproof run`: sets up reports and a runtime, runs, and turns the verdict into an exit code.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{JunitSchema, Keep, Output, RunArgs};
use super::exit::Exit;
use super::runtime::Runtime;
use super::{eprint_text, load};
use crate::cluster::ConnectOptions;
use crate::event::Stage;
use crate::plan::model::Suite;
use crate::plan::select::NameFilter;
use crate::report::guard::Form;
use crate::report::human::{Human, HumanOptions};
use crate::report::json::Json;
use crate::report::junit::{Junit, JunitOptions};
use crate::report::outlet::{Outlet, Pipe};
use crate::report::progress::Progress;
use crate::report::schema::{Origin, Schema};
use crate::report::stream;
use crate::report::style::Verbosity;
use crate::report::{Loss, Reporters};
use crate::run::{self, Artifacts, ArtifactsReport, Ended, RunOptions};
use crate::secret::Mask;

/// How long the file of a report may take to open before the run begins without it: it may be a
/// pipe that nobody reads yet.
const OPENING: Duration = Duration::from_secs(2);

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
        clusters.insert(name.to_owned(), options);
    }
    Ok(clusters)
}

/// The reports that were asked for, or why there cannot be one. JUnit is on disk from here on, so
/// that an old one never passes for this run's. The report for people is the last: what becomes of
/// the others stands in it.
fn reporters(
    args: &RunArgs,
    verbosity: Verbosity,
    artifacts: Option<&Artifacts>,
) -> Result<Reporters, String> {
    let mut reporters = Reporters::new();
    let machines = [
        ("--junit -", is_stdout(args.junit.as_deref())),
        ("--json -", is_stdout(args.json.as_deref())),
        ("--output json", args.output == Output::Json),
    ];
    let on_stdout: Vec<_> = machines
        .iter()
        .filter(|(_, is)| *is)
        .map(|(it, _)| *it)
        .collect();
    if on_stdout.len() > 1 {
        return Err(format!(
            "{} cannot share stdout: name a file for all but one of them",
            on_stdout.join(" and ")
        ));
    }
    let (stdout, stderr) = (stream::stdout(), stream::stderr());
    if let Some(path) = &args.junit {
        let options = JunitOptions {
            schema: match args.junit_schema {
                JunitSchema::Common => Schema::Common,
                JunitSchema::Extended => Schema::Extended,
            },
            origin: Origin {
                host: host(),
                time: jiff::Timestamp::now(),
            },
        };
        if is_stdout(Some(path)) {
            let junit = Junit::on_stream(stdout.machine(Form::Xml), options);
            reporters.push_behind(junit, stdout.outlet(), Loss::Counts);
        } else {
            let refuse = |error| refusal(path, &error);
            let junit = Junit::new(path.clone(), options).map_err(refuse)?;
            let outlet = junit.outlet().cloned().unwrap_or_default();
            outlet.wait(OPENING).map_err(refuse)?;
            reporters.push_behind(junit, outlet, Loss::Counts);
        }
    }
    if let Some(path) = args.json.as_ref().filter(|path| !is_stdout(Some(path))) {
        let name = format!("events in {}", path.display());
        let outlet = Outlet::new();
        let opened = path.clone();
        let pipe = Pipe::new(outlet.clone(), move || File::create(opened));
        pipe.push(Vec::new())
            .and_then(|()| outlet.wait(OPENING))
            .map_err(|error| refusal(path, &error))?;
        reporters.push_behind(Json::new(name, pipe), outlet, Loss::Counts);
    }
    if let Some(artifacts) = artifacts {
        let report = ArtifactsReport::new(artifacts);
        reporters.push_behind(report, artifacts.outlet(), Loss::Counts);
    }
    let color = stderr.color();
    let progress = match stderr.is_terminal() {
        true => Progress::live(stderr.clone(), stderr.live(), color, verbosity),
        false => Progress::plain(stderr.clone(), color, verbosity),
    };
    let json = progress.beside(stdout.machine(Form::Json));
    // a machine may have stdout to itself
    let people = match on_stdout.is_empty() {
        true => stdout.clone(),
        false => stderr.clone(),
    };
    let human = Human::new(
        progress.beside(people.clone()),
        HumanOptions {
            color: people.color(),
            verbosity,
            junit: junit_file(args),
        },
    );
    reporters.push_behind(progress, stderr.outlet(), Loss::Bearable);
    if args.output == Output::Json || is_stdout(args.json.as_deref()) {
        let json = Json::new("events on stdout", json);
        reporters.push_behind(json, stdout.outlet(), Loss::UnlessClosed);
    }
    if args.output == Output::Human {
        let loss = match on_stdout.is_empty() {
            true => Loss::UnlessClosed,
            false => Loss::Bearable,
        };
        reporters.push_behind(human, people.outlet(), loss);
    }
    Ok(reporters)
}

fn refusal(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

/// `-`, as with most programs.
fn is_stdout(path: Option<&Path>) -> bool {
    path == Some(Path::new("-"))
}

/// The report to name to people.
fn junit_file(args: &RunArgs) -> Option<PathBuf> {
    args.junit.clone().filter(|path| !is_stdout(Some(path)))
}

/// The name of this machine.
fn host() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    match name.is_empty() {
        true => "localhost".to_owned(),
        false => name,
    }
}
