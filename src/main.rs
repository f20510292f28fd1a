//! The program `kubeproof`: a thin shell around the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubeproof::cli::main()
}
