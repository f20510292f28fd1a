//! Files that are replaced whole: a reader sees the old text or the new one, and
//! never a part, whatever kills the writer.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where a report goes, and how it gets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A regular file, there already or not: replaced by rename.
    File(PathBuf),
    /// A pipe or a device, such as `/dev/stdout`: can only be written to, once.
    Stream(PathBuf),
}

impl Destination {
    /// Looks what is at `path`. A link is followed: what it leads to is replaced,
    /// not the link.
    pub fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(found) if !found.is_file() && !found.is_dir() => Self::Stream(path.to_owned()),
            Ok(_) => Self::File(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())),
            Err(_) => Self::File(path.to_owned()),
        }
    }

    /// Writes the whole text. Missing folders above a file are made.
    ///
    /// # Errors
    /// What the system says; the old file is untouched then, and no temporary one
    /// is left behind.
    pub fn write(&self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::File(path) => replace(path, text),
            Self::Stream(path) => File::options().write(true).open(path)?.write_all(text),
        }
    }
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    // beside the file: a rename is atomic only within one file system
    let temporary = folder.join(format!(
        ".{}.tmp-{}",
        name.to_string_lossy(),
        std::process::id()
    ));
    let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // the first error is the one to tell; this one may well have the same cause
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_and_nothing_else_is_left_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/out.xml");
        Destination::of(&path).write(b"one").unwrap();
        Destination::of(&path).write(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let names: Vec<_> = fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["out.xml"]);
    }

    #[test]
    fn a_folder_in_the_way_is_an_error_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.xml");
        fs::create_dir(&path).unwrap();
        assert!(Destination::of(&path).write(b"one").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_a_device_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Destination::of(&link).write(b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let null = Path::new("/dev/null");
        assert_eq!(Destination::of(null), Destination::Stream(null.to_owned()));
    }
}
