//! `kubeproof images`: the images that suites need, for whoever mirrors them.

use std::collections::{BTreeMap, BTreeSet};

use super::args::ImagesArgs;
use super::exit::Exit;
use super::{eprint_text, load, print_line};
use crate::plan::images::images_of;

/// Prints each image on a line of its own, sorted, and with `with_suites` the suites that
/// need it; on stderr what only a run can know.
pub fn execute(args: &ImagesArgs, with_suites: bool) -> Exit {
    let suites = match load::suites(&args.suites, &args.inputs) {
        Ok(suites) => suites,
        Err(_) => return Exit::Usage,
    };
    let mut users: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for suite in &suites {
        let images = images_of(suite);
        for image in images.known {
            let image = match &args.registry {
                Some(registry) => registry.rewrite(&image),
                None => image,
            };
            users.entry(image).or_default().insert(&suite.id);
        }
        // a template that several suites share is told once
        for line in images.unknown.iter().map(|unknown| unknown.one_line()) {
            if told.insert(line.clone()) {
                eprint_text(&format!("{line}\n"));
            }
        }
    }
    let width = users.keys().map(String::len).max().unwrap_or(0);
    for (image, suites) in &users {
        let suites: Vec<_> = suites.iter().copied().collect();
        match with_suites {
            true => print_line(&format!("{image:width$}  {}", suites.join(", "))),
            false => print_line(image),
        }
    }
    if suites.is_empty() {
        eprint_text("no suite was selected\n");
    }
    Exit::Passed
}
