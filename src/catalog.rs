//! The suites and templates that ship in the program, embedded when it is built.
//!
//! Adding a file below `suites/` or `templates/` is enough. Choosing among them is
//! the business of `plan`.

use std::sync::{Arc, LazyLock};

use crate::source::SourceFile;

/// Path and text of each file, by path; `build.rs` writes it.
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

static ENTRIES: LazyLock<Vec<(&'static str, Arc<SourceFile>)>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|(path, text)| {
            let name = match (suite_id(path), path.strip_prefix("templates/")) {
                (Some(id), _) => format!("suite:{id}"),
                (None, Some(template)) => format!("template:{template}"),
                (None, None) => format!("file:{path}"),
            };
            (*path, SourceFile::new(name, *text))
        })
        .collect()
});

/// A suite that ships.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What selects it: `network/overlay`.
    pub id: &'static str,
    /// Its text.
    pub file: Arc<SourceFile>,
}

/// Every suite that ships, by id.
pub fn suites() -> Vec<Entry> {
    ENTRIES
        .iter()
        .filter_map(|(path, file)| {
            Some(Entry {
                id: suite_id(path)?,
                file: Arc::clone(file),
            })
        })
        .collect()
}

/// A file that ships, by its path such as `templates/x.yaml.j2`.
pub fn file(path: &str) -> Option<Arc<SourceFile>> {
    ENTRIES
        .iter()
        .find(|(known, _)| *known == path)
        .map(|(_, file)| Arc::clone(file))
}

fn suite_id(path: &'static str) -> Option<&'static str> {
    path.strip_prefix("suites/")?.strip_suffix(".yaml")
}
