//! From arguments to plans: the one entry for the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog;
use crate::diagnostic::{self, Diagnostic};
use crate::plan::error::LoadError;
use crate::plan::files::{self, Origin};
use crate::plan::input::{self, InputSources};
use crate::plan::lower::lower;
use crate::plan::model::Suite;
use crate::plan::select::{self, LabelSelector};
use crate::source::{Place, SourceFile, Span};
use crate::spec::{self, schema::SuiteSpec};

/// A suite that an argument names, before inputs are looked at.
#[derive(Clone, Debug)]
pub struct FoundSuite {
    /// What selects it: `network/overlay`, or the path of its file.
    pub id: String,
    /// As it is written.
    pub spec: SuiteSpec,
    /// Where its files are.
    pub origin: Origin,
}

impl FoundSuite {
    /// `metadata.labels`.
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.spec
            .labels
            .iter()
            .map(|(key, value)| (key.value.clone(), value.value.clone()))
            .collect()
    }
}

/// The suites that arguments name and labels select, ready to run, in the order of
/// the arguments and, in a folder, by path. Without arguments every suite that
/// ships. May be empty where no suite has the labels.
///
/// # Errors
/// [`LoadError::Usage`] where an argument or a `--set` names nothing that there is;
/// [`LoadError::Invalid`] with every mistake of all selected suites.
pub fn load_suites(
    arguments: &[String],
    inputs: &InputSources,
    labels: &LabelSelector,
) -> Result<Vec<Suite>, LoadError> {
    let (mut found, mut diagnostics) = find(arguments)?;
    found.retain(|suite| labels.admits(&suite.labels()));
    diagnostics.extend(doubles(&found));
    let mut suites = Vec::new();
    for FoundSuite { id, spec, origin } in &found {
        match lower(spec, id, inputs, origin) {
            Ok(suite) => suites.push(suite),
            Err(more) => diagnostics.extend(more),
        }
    }
    if !diagnostics.is_empty() {
        diagnostic::sort(&mut diagnostics);
        return Err(LoadError::Invalid(diagnostics));
    }
    let declared = found.iter().flat_map(|suite| &suite.spec.inputs);
    input::check_set(inputs, declared.map(|input| input.name.value.as_str()))?;
    Ok(suites)
}

/// The suites that arguments name, as they are written: for `list`, which needs no
/// inputs.
///
/// # Errors
/// As [`load_suites`], for the form of the files alone.
pub fn find_suites(arguments: &[String]) -> Result<Vec<FoundSuite>, LoadError> {
    let (found, mut diagnostics) = find(arguments)?;
    if diagnostics.is_empty() {
        return Ok(found);
    }
    diagnostic::sort(&mut diagnostics);
    Err(LoadError::Invalid(diagnostics))
}

/// A file to read suites from.
struct Source {
    id: String,
    file: Arc<SourceFile>,
    origin: Origin,
}

fn find(arguments: &[String]) -> Result<(Vec<FoundSuite>, Vec<Diagnostic>), LoadError> {
    let mut found = Vec::new();
    let mut diagnostics = Vec::new();
    for source in sources(arguments)? {
        let (documents, problems) = spec::load(&source.file);
        if documents.suites.is_empty() && problems.is_empty() {
            diagnostics.push(
                Diagnostic::new("the file holds no suite", start_of(&source.file))
                    .help("steps are used by suites: they name this file in `include`"),
            );
        }
        diagnostics.extend(problems);
        found.extend(documents.suites.into_iter().map(|spec| FoundSuite {
            id: source.id.clone(),
            spec,
            origin: source.origin.clone(),
        }));
    }
    Ok((found, diagnostics))
}

fn start_of(file: &Arc<SourceFile>) -> Place {
    Place {
        file: Arc::clone(file),
        span: Span::default(),
    }
}

/// The files that arguments name, each once.
fn sources(arguments: &[String]) -> Result<Vec<Source>, LoadError> {
    // steps that suites share lie among them, and are none
    let mut entries = catalog::suites();
    entries.retain(|entry| spec::is_suite(&entry.file));
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    let shipped = |wanted: &[&'static str]| {
        let wanted = entries.iter().filter(|entry| wanted.contains(&entry.id));
        wanted.map(shipped_source).collect::<Vec<_>>()
    };
    if arguments.is_empty() {
        return Ok(shipped(&ids));
    }
    let mut sources: Vec<Source> = Vec::new();
    let mut seen = Vec::new();
    for argument in arguments {
        let path = Path::new(argument);
        let more = if select::is_path(argument) && path.exists() {
            own(path)?
        } else {
            match select::shipped(argument, &ids) {
                Ok(wanted) => shipped(&wanted),
                Err(_) if select::is_path(argument) => {
                    return Err(LoadError::Usage(format!(
                        "there is no file or folder `{argument}`, and no suite of this name \
                         ships. These do: {}",
                        ids.join(", ")
                    )));
                }
                // what a name means must not depend on the folder where it is said
                Err(_) if path.exists() => {
                    let what = if path.is_dir() { "folder" } else { "file" };
                    return Err(LoadError::Usage(format!(
                        "no suite `{argument}` ships, and a {what} is named by a path: write \
                         ./{argument}"
                    )));
                }
                Err(message) => return Err(LoadError::Usage(message)),
            }
        };
        for source in more {
            let identity = identity(&source);
            if !seen.contains(&identity) {
                seen.push(identity);
                sources.push(source);
            }
        }
    }
    Ok(sources)
}

fn shipped_source(entry: &catalog::Entry) -> Source {
    let folder = match entry.id.rsplit_once('/') {
        Some((folder, _)) => format!("suites/{folder}"),
        None => "suites".to_owned(),
    };
    Source {
        id: entry.id.to_owned(),
        file: Arc::clone(&entry.file),
        origin: Origin::Shipped(folder),
    }
}

/// A file that is named must be a suite; in a folder, manifests may lie beside.
fn own(path: &Path) -> Result<Vec<Source>, LoadError> {
    let usage = |error: files::FileError| LoadError::Usage(error.to_string());
    if !path.is_dir() {
        return Ok(vec![own_source(path, files::read(path).map_err(usage)?)]);
    }
    let mut sources = Vec::new();
    let mut others = Vec::new();
    for path in files::documents_below(path).map_err(usage)? {
        let file = files::read(&path).map_err(usage)?;
        if spec::is_suite(&file) {
            sources.push(own_source(&path, file));
        } else if let Some(tool) = spec::other_tool(&file) {
            others.push((tool, file));
        }
    }
    if sources.is_empty() {
        let mut message = format!("the folder `{}` holds no suite", path.display());
        if let Some((tool, file)) = others.first() {
            message.push_str(&format!(
                "; `{}` is a file of {tool}, another test runner",
                file.name
            ));
        }
        return Err(LoadError::Usage(message));
    }
    Ok(sources)
}

fn own_source(path: &Path, file: Arc<SourceFile>) -> Source {
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    Source {
        id: file.name.clone(),
        file,
        origin: Origin::Folder(folder),
    }
}

/// Tells a file that was named twice, by whatever path.
fn identity(source: &Source) -> PathBuf {
    match &source.origin {
        Origin::Shipped(_) => PathBuf::from(&source.file.name),
        Origin::Folder(_) => {
            let path = Path::new(&source.file.name);
            path.canonicalize().unwrap_or_else(|_| path.to_owned())
        }
    }
}

/// Suites of one name would share a namespace and a place in the reports.
fn doubles(found: &[FoundSuite]) -> Vec<Diagnostic> {
    let mut first_of: BTreeMap<&str, Place> = BTreeMap::new();
    let mut diagnostics = Vec::new();
    for FoundSuite { spec, .. } in found {
        let Some(name) = &spec.name else { continue };
        let place = Place {
            file: Arc::clone(&spec.file),
            span: name.span,
        };
        match first_of.get(name.value.as_str()) {
            Some(first) => diagnostics.push(
                Diagnostic::new(format!("two suites are called `{}`", name.value), place)
                    .secondary(first.clone(), "this is the first")
                    .help("run them one by one, or give one of them another name"),
            ),
            None => {
                first_of.insert(&name.value, place);
            }
        }
    }
    diagnostics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_lowers_without_a_word() {
        let suites = load_suites(&[], &InputSources::default(), &LabelSelector::default());
        let suites = match suites {
            Ok(suites) => suites,
            Err(LoadError::Invalid(diagnostics)) => {
                panic!("{}", diagnostic::render(&diagnostics, false, 100))
            }
            Err(error) => panic!("{error}"),
        };
        let ids: Vec<_> = suites.iter().map(|suite| suite.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "network/flannel-annotations",
                "network/mtu",
                "network/overlay",
                "network/ports",
                "network/system-namespaces",
                "smoke",
            ]
        );
        assert_eq!(suites[2].title, "network overlay test");
    }
}
