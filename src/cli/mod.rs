//! The command line: reads arguments, calls the library, and alone decides exit codes.
//! A file for each command.

mod args;
mod check;
mod cleanup;
mod exit;
mod images;
mod list;
mod load;
mod rbac;
mod reports;
mod roles;
mod run;
mod runtime;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use self::args::{Args, Color, Command};
use self::exit::Exit;
use self::runtime::Runtime;
use crate::cluster::ConnectError;
use crate::report::guard::Form;
use crate::report::sanitize;
use crate::report::stream;
use crate::report::style::{self, Verbosity};
use crate::secret::{Mask, MaskingWriters};

/// How long the last words may wait for a reader where a run or a signal has ended; all else waits
/// as any program does.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let (exit, is_run) = match Args::try_parse() {
        Ok(args) => {
            let is_run = matches!(args.command, Command::Run(_));
            (execute(args), is_run)
        }
        Err(error) => (refuse(&error), false),
    };
    let patience = match is_run || exit.is_signal() {
        true => LAST_WORDS,
        false => Duration::MAX,
    };
    settle(patience);
    exit.into()
}

/// Waits until what was printed is read, for so long at most.
fn settle(patience: Duration) {
    for stream in [stream::stdout(), stream::stderr()] {
        // where nobody reads it, there is nobody to tell
        let _ = stream.settle(&|| patience);
    }
}

/// Help and version are no errors, and stand where a reader looks for them.
fn refuse(error: &clap::Error) -> Exit {
    let (mut stream, exit) = match error.use_stderr() {
        true => (stream::stderr(), Exit::Usage),
        false => (stream::stdout(), Exit::Passed),
    };
    let text = match stream.color() {
        style::Color::Ansi => error.render().ansi().to_string(),
        style::Color::Plain => error.render().to_string(),
    };
    let _ = stream.write_all(text.as_bytes());
    exit
}

fn execute(args: Args) -> Exit {
    choose_color(args.color);
    let mask = Mask::new();
    init_tracing(args.verbose, &mask);
    mask_panics(&mask);
    match args.command {
        Command::Run(run) => run::execute(&run, verbosity(args.quiet, args.verbose), &mask),
        Command::Check(check) => check::execute(&check),
        Command::Images(images) => images::execute(&images, args.verbose > 0),
        Command::List(list) => list::execute(&list, args.verbose > 0),
        Command::Rbac(rbac) => asking(|runtime| rbac::execute(&rbac, &mask, runtime)),
        Command::Cleanup(cleanup) => asking(|runtime| cleanup::execute(&cleanup, &mask, runtime)),
    }
}

/// A command that may ask clusters. A signal ends it, also while it waits for its reader.
fn asking(command: impl FnOnce(&Runtime) -> Exit) -> Exit {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprint_text(&format!("error: no runtime: {error}\n"));
            return Exit::Errored;
        }
    };
    let exit = command(&runtime);
    if exit.is_signal() {
        return exit;
    }
    let settling = async { tokio::task::spawn_blocking(|| settle(Duration::MAX)).await };
    match runtime.until_signal(settling) {
        Ok(_) => exit,
        Err(ended) => ended,
    }
}

/// `--color` decides before what the terminal and `NO_COLOR` say.
fn choose_color(color: Color) {
    match color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
}

/// What a panic says may quote what it was working on, a secret among it.
fn mask_panics(mask: &Mask) {
    let mask = mask.clone();
    std::panic::set_hook(Box::new(move |panic| {
        eprint_text(&format!("{}\n", mask.mask(&panic.to_string())));
    }));
}

/// Messages for whoever looks for a cause, to stderr: warnings, with `-v` more. What libraries say
/// knows neither suite nor step, and what it means is told where they are called: it is for whoever
/// asks for everything.
fn init_tracing(verbose: u8, mask: &Mask) {
    let level = match verbose {
        0 => "off,kubeproof=warn",
        1 => "off,kubeproof=info",
        2 => "off,kubeproof=debug",
        _ => "debug,kubeproof=trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("KUBEPROOF_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // it would tell by a print, which panics where nobody reads stderr any more
        .log_internal_errors(false)
        .with_writer(MaskingWriters::new(mask.clone(), stream::stderr))
        .with_ansi(stream::stderr().color() == style::Color::Ansi)
        .without_time()
        .with_target(verbose > 1)
        .init();
}

fn verbosity(quiet: bool, verbose: u8) -> Verbosity {
    match (quiet, verbose) {
        (true, _) => Verbosity::Quiet,
        (false, 0) => Verbosity::Normal,
        (false, _) => Verbosity::Verbose,
    }
}

/// Why there is no connection, with all that a credential plugin said.
fn in_full(error: &ConnectError, mask: &Mask) -> String {
    let mut text = error.to_string();
    for (title, detail) in error.details() {
        text.push_str(&format!("\n{title}:"));
        for line in detail.lines() {
            text.push_str(&format!("\n  {line}"));
        }
    }
    sanitize::text(&mask.mask(&text))
}

/// A line on stdout. Where nobody reads it, there is nobody to tell.
fn print_line(line: &str) {
    print_text(&format!("{line}\n"));
}

/// Text on stdout.
fn print_text(text: &str) {
    let _ = stream::stdout().write_all(text.as_bytes());
}

/// What a machine reads from stdout.
fn print_for_machines(form: Form, text: &str) {
    let _ = stream::stdout().machine(form).write_all(text.as_bytes());
}

/// Text on stderr.
fn eprint_text(text: &str) {
    let _ = stream::stderr().write_all(text.as_bytes());
}
