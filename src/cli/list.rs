//! `kubeproof list`: the suites there are, and their cases with `-v`.

use super::args::ListArgs;
use super::exit::Exit;
use super::{load, print_line};
use crate::plan::load::FoundSuite;
use crate::report::sanitize;

/// Prints a line for each suite, and below it its cases.
pub fn execute(args: &ListArgs, with_cases: bool) -> Exit {
    let found = match load::found(&args.suites) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let ids = found.iter().map(|suite| suite.id.chars().count());
    let width = ids.max().unwrap_or(0);
    for FoundSuite { id, spec, .. } in &found {
        let about = [&spec.description, &spec.title, &spec.name]
            .into_iter()
            .flatten()
            .find_map(|text| first_line(&text.value))
            .unwrap_or_default();
        // a line for each, whatever stands in it
        let (id, about) = (sanitize::line(id), sanitize::line(about));
        print_line(&format!("{id:width$}  {about}"));
        if with_cases {
            for name in spec.cases.iter().filter_map(|case| case.name.as_ref()) {
                print_line(&format!("  {}", sanitize::line(&name.value)));
            }
        }
    }
    Exit::Passed
}

fn first_line(text: &str) -> Option<&str> {
    text.lines().next().filter(|line| !line.is_empty())
}
