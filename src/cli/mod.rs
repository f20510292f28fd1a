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
mod roles;
mod run;
mod runtime;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use self::args::{Args, Color, Command};
use self::exit::Exit;
use crate::cluster::ConnectError;
use crate::report::sanitize;
use crate::report::style::{self, Verbosity};
use crate::secret::{Mask, MaskingWriters};

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // help and version are no errors, and clap prints them where they belong
            let exit = match error.use_stderr() {
                true => Exit::Usage,
                false => Exit::Passed,
            };
            let _ = error.print();
            return exit.into();
        }
    };
    choose_color(args.color);
    let mask = Mask::new();
    init_tracing(args.verbose, &mask);
    mask_panics(&mask);
    let exit = match args.command {
        Command::Run(run) => run::execute(&run, verbosity(args.quiet, args.verbose), &mask),
        Command::Check(check) => check::execute(&check),
        Command::Images(images) => images::execute(&images, args.verbose > 0),
        Command::List(list) => list::execute(&list, args.verbose > 0),
        Command::Rbac(rbac) => rbac::execute(&rbac),
        Command::Cleanup(cleanup) => cleanup::execute(&cleanup),
    };
    exit.into()
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

/// Messages for whoever looks for a cause, to stderr: warnings, with `-v` more.
fn init_tracing(verbose: u8, mask: &Mask) {
    let level = match verbose {
        0 => "error,kubeproof=warn",
        1 => "warn,kubeproof=info",
        2 => "info,kubeproof=debug",
        _ => "debug,kubeproof=trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("KUBEPROOF_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // it would tell by a print, which panics where nobody reads stderr any more
        .log_internal_errors(false)
        .with_writer(MaskingWriters::new(mask.clone(), io::stderr))
        .with_ansi(color_of(&io::stderr()) == style::Color::Ansi)
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

/// Whether a stream takes colours, by `--color`, `NO_COLOR` and the terminal.
fn color_of(stream: &impl anstream::stream::RawStream) -> style::Color {
    match anstream::AutoStream::choice(stream) {
        anstream::ColorChoice::Never => style::Color::Plain,
        _ => style::Color::Ansi,
    }
}

/// Why there is no connection, with all that a credential plugin said.
fn in_full(error: &ConnectError) -> String {
    let mut text = error.to_string();
    for (title, detail) in error.details() {
        text.push_str(&format!("\n{title}:"));
        for line in detail.lines() {
            text.push_str(&format!("\n  {line}"));
        }
    }
    sanitize::text(&text)
}

/// A line on stdout. Where nobody reads it, there is nobody to tell.
fn print_line(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Text on stdout.
fn print_text(text: &str) {
    let _ = write!(io::stdout(), "{text}");
}

/// Text on stderr.
fn eprint_text(text: &str) {
    let _ = write!(io::stderr(), "{text}");
}
