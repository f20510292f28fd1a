//! `kubeproof check`: says whether suites are valid, without a cluster.

use super::args::CheckArgs;
use super::exit::Exit;
use super::{eprint_text, load, print_line};

/// Prints one line for each valid suite, or every mistake; on stderr, what is valid and most
/// likely not what was meant, which changes no exit code.
pub fn execute(args: &CheckArgs) -> Exit {
    let suites = match load::suites(&args.suites, &args.inputs) {
        Ok(suites) => suites,
        Err(_) => return Exit::Usage,
    };
    for suite in &suites {
        let cases = suite.cases.len();
        let plural = if cases == 1 { "" } else { "s" };
        print_line(&format!("{}: valid, {cases} case{plural}", suite.id));
    }
    let warnings: Vec<_> = suites
        .iter()
        .flat_map(|suite| suite.warnings.clone())
        .collect();
    load::tell_diagnostics(&warnings);
    if suites.is_empty() {
        eprint_text("no suite was selected\n");
    }
    Exit::Passed
}
