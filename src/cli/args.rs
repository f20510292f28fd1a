//! The arguments, as clap reads them. No I/O.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::cluster::ConnectOptions;
use crate::image::Registry;

/// Prove a Kubernetes cluster before you trust it.
#[derive(Debug, Parser)]
#[command(name = "kubeproof", version, propagate_version = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// When to use colours; `NO_COLOR` counts too.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Print only what did not pass, and the verdict.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more on stderr, each case and step too; up to three times.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run suites against a cluster.
    ///
    /// Exit codes, the first that applies: 2 usage or invalid suite (nothing was run),
    /// 130 or 143 interrupted, 1 failed, 3 errored (it could not be found out, or a report
    /// could not be written), 4 nothing was tested, 5 passed but something could not be
    /// cleaned up, 0.
    Run(Box<RunArgs>),
    /// Check suites without a cluster: every mistake at once, with its place.
    Check(CheckArgs),
    /// List suites and their cases.
    List(ListArgs),
    /// List the images that suites need, one a line: to mirror them.
    ///
    /// Those of `run` and of all manifests, with `-v` the suites that need each. What
    /// only the run knows is told on stderr.
    Images(ImagesArgs),
    /// Print the roles that running suites takes, for `kubectl apply -f -`.
    ///
    /// A ClusterRole; with `--namespace` a Role for that namespace, and a ClusterRole for what
    /// is done outside of it. A cluster is asked only about kinds that are not built into
    /// Kubernetes.
    Rbac(RbacArgs),
    /// Remove what runs left that could not clean up after themselves.
    ///
    /// Runs that still go on are left alone, unless `--run` names one. Exit codes: 0 nothing is
    /// left, 2 usage, 3 the cluster could not be asked, 5 something is left.
    Cleanup(CleanupArgs),
}

/// Which suites.
#[derive(Debug, ClapArgs)]
pub struct SuiteArgs {
    /// Suites that ship with the program or folders of them (`overlay`, `network`), or
    /// paths of your own files and folders. Without any: all that ship.
    #[arg(value_name = "SUITE|FILE|DIR")]
    pub suites: Vec<String>,
    /// Only suites with these labels: `area=network,tier!=slow,gate`.
    #[arg(long, value_name = "LABELS")]
    pub select: Vec<String>,
}

/// Values of inputs.
#[derive(Debug, ClapArgs)]
pub struct InputArgs {
    /// Give an input its value; over `KUBEPROOF_INPUT_NAME`, `--values` and defaults.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// A YAML file with values of inputs; a later file wins.
    #[arg(long, value_name = "FILE")]
    pub values: Vec<PathBuf>,
}

/// Which cluster, and as whom.
#[derive(Debug, ClapArgs)]
pub struct ConnectionArgs {
    /// The kubeconfig; otherwise found as kubectl finds it.
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// The context; otherwise the kubeconfig's current one.
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    pub context: Option<String>,
    /// Act as this user (impersonation).
    #[arg(long = "as", value_name = "USER", help_heading = "Cluster")]
    pub impersonate: Option<String>,
}

impl ConnectionArgs {
    /// For the connection.
    pub fn options(&self) -> ConnectOptions {
        ConnectOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            impersonate_user: self.impersonate.clone(),
            ..ConnectOptions::default()
        }
    }
}

/// Arguments of `run`.
#[derive(Debug, ClapArgs)]
pub struct RunArgs {
    #[command(flatten)]
    pub suites: SuiteArgs,
    #[command(flatten)]
    pub inputs: InputArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Run in this namespace, which is there and stays as it is.
    #[arg(short, long, value_name = "NAME", help_heading = "Cluster")]
    pub namespace: Option<String>,
    /// Wait so long for a cluster that is still coming up, until its nodes are ready.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Cluster")]
    pub wait_ready: Option<Duration>,
    /// So many nodes must be ready: at once, or within `--wait-ready`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Cluster")]
    pub expect_nodes: Option<u16>,
    /// Give a suite one of its further clusters; `FILE:CONTEXT` names a context too.
    #[arg(
        long = "cluster",
        value_name = "NAME=FILE[:CONTEXT]",
        help_heading = "Cluster"
    )]
    pub clusters: Vec<String>,
    /// Pull every image of the pods that suites make from here.
    #[arg(long, value_name = "HOST[/PATH]", help_heading = "Cluster")]
    pub registry: Option<Registry>,
    /// Only cases whose names match, and those that they need; `*` and `?` stand for anything.
    #[arg(long, value_name = "GLOB")]
    pub filter: Vec<String>,
    /// No cases whose names match; who needs one of them is skipped.
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Write JUnit XML: there from the start, replaced whole at the end. `-` is stdout.
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub junit: Option<PathBuf>,
    /// Which readers JUnit is for.
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "SCHEMA",
        help_heading = "Reports"
    )]
    pub junit_schema: JunitSchema,
    /// Write one event per line as JSON. `-` is stdout; people read stderr then.
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub json: Option<PathBuf>,
    /// Where collectors (`onFailure`) write what they find.
    #[arg(long, value_name = "DIR", help_heading = "Reports")]
    pub artifacts: Option<PathBuf>,
    /// What goes to stdout.
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Reports"
    )]
    pub output: Output,
    /// At most so many cases at once.
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// So many suites at once; otherwise one after another.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel_suites: u16,
    /// Deadline of the whole run, as 90s or 10m; cleanup has its own.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Stop at the first case that does not pass.
    #[arg(long)]
    pub fail_fast: bool,
    /// Run cases that do not pass so many times more; passing later is flaky.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub retries: u32,
    /// Count warnings (`severity: warning`) as failures.
    #[arg(long)]
    pub strict: bool,
    /// What stays in the cluster afterwards. What was there before is put back in any case.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub keep: Keep,
}

/// Arguments of `check`.
#[derive(Debug, ClapArgs)]
pub struct CheckArgs {
    #[command(flatten)]
    pub suites: SuiteArgs,
    #[command(flatten)]
    pub inputs: InputArgs,
}

/// Arguments of `list`.
#[derive(Debug, ClapArgs)]
pub struct ListArgs {
    #[command(flatten)]
    pub suites: SuiteArgs,
}

/// Arguments of `images`.
#[derive(Debug, ClapArgs)]
pub struct ImagesArgs {
    #[command(flatten)]
    pub suites: SuiteArgs,
    #[command(flatten)]
    pub inputs: InputArgs,
    /// As `run --registry` would pull them from here.
    #[arg(long, value_name = "HOST[/PATH]")]
    pub registry: Option<Registry>,
}

/// Arguments of `rbac`.
#[derive(Debug, ClapArgs)]
pub struct RbacArgs {
    #[command(flatten)]
    pub suites: SuiteArgs,
    #[command(flatten)]
    pub inputs: InputArgs,
    /// For runs in this namespace (`run --namespace`).
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Arguments of `cleanup`.
#[derive(Debug, ClapArgs)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct CleanupArgs {
    /// What this run left, also where it still goes on.
    #[arg(long, value_name = "ID", value_parser = parse_run_id, group = "which")]
    pub run: Option<String>,
    /// What those dead runs left that were last seen so long ago: 90m, 2h, 1d.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, group = "which")]
    pub older_than: Option<Duration>,
    /// What all dead runs left; asks first.
    #[arg(long, group = "which")]
    pub all: bool,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
    /// Only show what would be removed.
    #[arg(long)]
    pub dry_run: bool,
    /// How long it may take until all is gone.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "2m")]
    pub timeout: Duration,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Look in this cluster too, as `run` was told of it.
    #[arg(
        long = "cluster",
        value_name = "NAME=FILE[:CONTEXT]",
        help_heading = "Cluster"
    )]
    pub clusters: Vec<String>,
    /// Look in this namespace only, and at what has none; otherwise in all.
    #[arg(short, long, value_name = "NAME", help_heading = "Cluster")]
    pub namespace: Option<String>,
}

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// Where the output is a terminal.
    #[default]
    Auto,
    Always,
    Never,
}

/// `--output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Human,
    /// One event per line.
    Json,
}

/// `--junit-schema`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum JunitSchema {
    /// All: valid by the schemas of Jenkins' xUnit plugin and of Apache Ant.
    #[default]
    Common,
    /// With properties, outputs and earlier attempts at each testcase, where GitLab, Azure and
    /// Jenkins' junit plugin look for them.
    Extended,
}

/// `--keep`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Keep {
    /// Everything is cleaned up.
    #[default]
    Never,
    /// The objects of suites and cases that did not pass stay.
    OnFailure,
    /// Everything stays.
    Always,
}

fn parse_run_id(text: &str) -> Result<String, String> {
    match crate::marks::is_run_id(text) {
        true => Ok(text.to_owned()),
        false => Err("a run's id has ten characters of 0-9 and a-f".to_owned()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    crate::duration::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_hold_together() {
        Args::command().debug_assert();
    }
}
