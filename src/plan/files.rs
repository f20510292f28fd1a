//! Reading files: suites, what they refer to, and files of values. The only place
//! of the plan that touches the disk.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use crate::catalog;
use crate::source::SourceFile;

/// Where a suite is from, and so where its files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It ships, in this folder of the catalog, such as `suites/network`. It sees
    /// only what ships.
    Shipped(String),
    /// A user's own, in this folder. It sees only the user's files: what ships may
    /// change with the program, and a missing file should be told.
    Folder(PathBuf),
}

/// A file that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is nowhere.
    #[error("there is no file `{path}`")]
    NotFound {
        /// As asked for.
        path: String,
        /// Where it was looked for.
        looked: Vec<String>,
    },
    /// It is there and cannot be read.
    #[error("failed to read `{path}`: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// It is no text.
    #[error("`{path}` is not text in UTF-8")]
    NotText {
        /// The file.
        path: String,
    },
    /// A file is due.
    #[error("`{path}` is a folder")]
    IsFolder {
        /// The folder.
        path: String,
    },
    /// It looks like a file and is none: a pipe, or a link to what is not there.
    #[error("`{path}` is no file that can be read: a broken link, or no file at all")]
    NoFile {
        /// Its path.
        path: String,
    },
    /// Nothing in it is a manifest.
    #[error("the folder `{path}` holds no YAML or JSON file")]
    EmptyFolder {
        /// The folder.
        path: String,
    },
}

impl FileError {
    /// Where it was looked for, or what else may help.
    pub fn help(&self) -> Option<String> {
        let Self::NotFound { path, looked } = self else {
            return None;
        };
        let looked = looked.join(", then ");
        let inside = path.trim_start_matches("../");
        let ships = |folder: &str| catalog::file(&format!("{folder}/{inside}")).is_some();
        let what = match (ships("templates"), ships("suites")) {
            (true, _) => "template",
            (false, true) => "file",
            (false, false) => return Some(format!("looked for {looked}")),
        };
        Some(format!(
            "looked for {looked}; a {what} of this name ships in the program, \
             but suites of your own bring their own"
        ))
    }
}

impl Origin {
    /// The file that a suite calls `path`: beside the suite, or else in the nearest
    /// `templates/` on the way up from it.
    ///
    /// # Errors
    /// It is nowhere, or cannot be read as text.
    pub fn file(&self, path: &str) -> Result<Arc<SourceFile>, FileError> {
        match self {
            Self::Shipped(folder) => shipped(folder, path),
            Self::Folder(folder) => {
                let found = find(folder, path)?;
                if found.is_dir() {
                    return Err(FileError::IsFolder {
                        path: shown(&found),
                    });
                }
                read(&found)
            }
        }
    }

    /// A file as [`Origin::file`] finds it, and where the files are that it names
    /// itself: beside it.
    ///
    /// # Errors
    /// As [`Origin::file`].
    pub fn include(&self, path: &str) -> Result<(Arc<SourceFile>, Self), FileError> {
        let file = self.file(path)?;
        let origin = match self {
            Self::Shipped(folder) => match path.rsplit_once('/') {
                Some((below, _)) => Self::Shipped(joined(folder, below)),
                None => self.clone(),
            },
            Self::Folder(_) => {
                let folder = Path::new(&file.name).parent();
                Self::Folder(folder.map(Path::to_owned).unwrap_or_default())
            }
        };
        Ok((file, origin))
    }

    /// The folder on the disk; nothing for what ships.
    pub fn folder(&self) -> Option<PathBuf> {
        match self {
            Self::Shipped(_) => None,
            // `a.yaml` is in the folder where the program was started
            Self::Folder(folder) if folder.as_os_str().is_empty() => Some(PathBuf::from(".")),
            Self::Folder(folder) => Some(folder.clone()),
        }
    }

    /// The same, or each YAML and JSON file of a folder, by name.
    ///
    /// # Errors
    /// As [`Origin::file`], and a folder without such files.
    pub fn files(&self, path: &str) -> Result<Vec<Arc<SourceFile>>, FileError> {
        let folder = match self {
            Self::Shipped(_) => return self.file(path).map(|file| vec![file]),
            Self::Folder(folder) => find(folder, path)?,
        };
        if !folder.is_dir() {
            return read(&folder).map(|file| vec![file]);
        }
        let unreadable = |source| FileError::Unreadable {
            path: shown(&folder),
            source,
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if has_extension(&path, &DOCUMENTS) && !path.is_dir() {
                paths.push(regular(path)?);
            }
        }
        paths.sort();
        if paths.is_empty() {
            return Err(FileError::EmptyFolder {
                path: shown(&folder),
            });
        }
        paths.iter().map(|path| read(path)).collect()
    }
}

/// Reads a file as it was named.
///
/// # Errors
/// It is not there, or is no text.
pub fn read(path: &Path) -> Result<Arc<SourceFile>, FileError> {
    let bytes = fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FileError::NotFound {
            path: shown(path),
            looked: vec![shown(path)],
        },
        _ => FileError::Unreadable {
            path: shown(path),
            source,
        },
    })?;
    let text = String::from_utf8(bytes).map_err(|_| FileError::NotText { path: shown(path) })?;
    // editors of Windows begin a file with a byte order mark
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(SourceFile::new(shown(path), text))
}

/// The files below a folder that may hold suites, by path. Folders that are linked are gone into,
/// each once, however many paths lead to it. What is hidden, by a name that begins with a dot, is
/// left out.
///
/// # Errors
/// A folder that cannot be listed; a file that is none.
pub fn documents_below(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    // those that are linked come last, so that what lies here has its own path
    let (mut folders, mut linked) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop().or_else(|| linked.pop()) {
        let unreadable = |source| FileError::Unreadable {
            path: shown(&folder),
            source,
        };
        if !seen.insert(folder.canonicalize().map_err(unreadable)?) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let is_link = entry.file_type().map_err(unreadable)?.is_symlink();
            match (path.is_dir(), is_link) {
                (true, false) => folders.push(path),
                (true, true) => linked.push(path),
                (false, _) if has_extension(&path, &DOCUMENTS) => found.push(regular(path)?),
                (false, _) => {}
            }
        }
        linked.sort_by(|a, b| b.cmp(a));
    }
    found.sort();
    Ok(found)
}

/// What YAML and JSON are called, in whatever case.
const DOCUMENTS: [&str; 3] = ["yaml", "yml", "json"];

/// A file, or a link to one: whatever else has such a name is told, not passed over.
fn regular(path: PathBuf) -> Result<PathBuf, FileError> {
    match path.is_file() {
        true => Ok(path),
        false => Err(FileError::NoFile { path: shown(&path) }),
    }
}

fn shipped(folder: &str, path: &str) -> Result<Arc<SourceFile>, FileError> {
    let places = [joined(folder, path), format!("templates/{path}")];
    places
        .iter()
        .find_map(|place| catalog::file(place))
        .ok_or_else(|| FileError::NotFound {
            path: path.to_owned(),
            looked: places.to_vec(),
        })
}

/// A path in the catalog, which has no folders that `..` could go through.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn find(folder: &Path, path: &str) -> Result<PathBuf, FileError> {
    let beside = folder.join(path);
    if beside.exists() {
        return Ok(beside);
    }
    let mut looked = vec![shown(&beside)];
    if let Some(templates) = nearest_templates(folder) {
        let inside = templates.join(path);
        if inside.exists() {
            return Ok(inside);
        }
        looked.push(shown(&inside));
    }
    Err(FileError::NotFound {
        path: path.to_owned(),
        looked,
    })
}

/// The nearest folder `templates` on the way up, named as relative as `folder` is
/// while that is possible.
fn nearest_templates(folder: &Path) -> Option<PathBuf> {
    let here = folder
        .ancestors()
        .map(|ancestor| ancestor.join("templates"))
        .find(|templates| templates.is_dir());
    here.or_else(|| {
        std::path::absolute(folder)
            .ok()?
            .ancestors()
            .map(|ancestor| ancestor.join("templates"))
            .find(|templates| templates.is_dir())
    })
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .and_then(OsStr::to_str)
        .is_some_and(|extension| {
            extensions
                .iter()
                .any(|known| known.eq_ignore_ascii_case(extension))
        })
}

/// A path as messages name it.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    text.strip_prefix("./").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_the_catalog_are_plain() {
        assert_eq!(
            joined("suites/network", "../shared/./steps.yaml"),
            "suites/shared/steps.yaml"
        );
        assert_eq!(joined("suites", "../../../x"), "x");
    }
}
