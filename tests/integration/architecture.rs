//! The rules of CONTRIBUTING about which module may know which, read from the sources.

use std::path::{Path, PathBuf};

/// Modules, and what must not stand in their code.
const RULES: &[(&[&str], &[&str])] = &[
    (
        &[
            "source",
            "yaml",
            "diagnostic",
            "duration",
            "image",
            "kinds",
            "marks",
            "template",
            "matcher",
            "event",
            "outcome",
            "diagnose",
        ],
        &[
            "kube::",
            "k8s_openapi",
            "tokio",
            "crate::cluster",
            "crate::run",
        ],
    ),
    (
        &["spec", "plan", "catalog"],
        &[
            "kube::",
            "k8s_openapi",
            "tokio",
            "crate::cluster",
            "crate::run",
            "crate::event",
        ],
    ),
    (
        &["cluster"],
        &[
            "crate::event",
            "crate::outcome",
            "crate::plan",
            "crate::spec",
            "crate::report",
            "crate::run",
            "crate::cli",
            "crate::matcher",
            "crate::template",
        ],
    ),
    (
        &["run", "sweep"],
        &["kube::", "k8s_openapi", "crate::cli", "crate::spec"],
    ),
    (
        &["report"],
        &[
            "kube::",
            "k8s_openapi",
            "tokio",
            "crate::run",
            "crate::cluster",
            "crate::plan",
            "crate::cli",
        ],
    ),
    (&["cli"], &["kube::", "k8s_openapi"]),
];

/// What only one file may do.
const ONLY: &[(&str, &str)] = &[
    ("Event::now(", "src/run/dispatcher.rs"),
    ("process::ExitCode", "src/cli/"),
    ("serde_saphyr", "src/yaml.rs"),
    ("io::stdout()", "src/report/stream.rs"),
    ("io::stderr()", "src/report/stream.rs"),
];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.ends_with("tests") || path.ends_with("tests.rs") {
            continue;
        }
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The code of a file: comments and tests aside.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a source file");
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn all() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    files
        .iter()
        .map(|path| {
            let name = path.strip_prefix(root).expect("below the root");
            (name.display().to_string(), code(path))
        })
        .collect()
}

#[test]
fn modules_know_only_what_they_may() {
    let mut wrong = Vec::new();
    for (name, code) in all() {
        let inside = name.trim_start_matches("src/");
        let module = inside.split(['/', '.']).next().unwrap_or_default();
        for (modules, forbidden) in RULES {
            if !modules.contains(&module) {
                continue;
            }
            for word in *forbidden {
                let uses = code.match_indices(word).any(|(at, _)| {
                    // `crate::cluster` is not `kube::`, nor is `xkube::`
                    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                });
                if uses {
                    wrong.push(format!("{name} uses {word}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn some_things_are_done_in_one_place() {
    let mut wrong = Vec::new();
    for (name, code) in all() {
        for (word, place) in ONLY {
            let in_main = name == "src/main.rs";
            if code.contains(word) && !name.starts_with(place) && !in_main {
                wrong.push(format!("{name} has {word}, which is {place}'s"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_says_what_it_is() {
    for (name, _) in all() {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&name))
            .expect("a source file");
        assert!(text.starts_with("//! "), "{name} does not open with `//!`");
    }
}
