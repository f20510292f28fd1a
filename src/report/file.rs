//! Where the file of a report is, looked up once: what its path leads to, and how that is written.
//!
//! A regular file is replaced whole: a reader sees the old text or the new one, and never a part,
//! whatever kills the writer. A pipe, a device and what a program has open can only be written to.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

/// So many links may follow each other, as for the kernel.
const LINKS: usize = 40;

/// What the text of a report ends up in, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of a file that is there. Nothing for `/dev/null`, where nobody is in anybody's way.
    pub fn of(found: &Metadata) -> Option<Self> {
        let is_device = |other: &Metadata| {
            found.file_type().is_char_device()
                && other.file_type().is_char_device()
                && found.rdev() == other.rdev()
        };
        let is_null = fs::metadata("/dev/null").is_ok_and(|null| is_device(&null));
        (!is_null).then(|| Self {
            device: found.dev(),
            inode: found.ino(),
        })
    }
}

/// How a report gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A regular file, there already or not: replaced by rename.
    Replace,
    /// A pipe, a device or an open descriptor, such as `/dev/fd/3`: can only be written to.
    Write,
}

/// Where a report goes, and how it gets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Without a link, unless it leads to what a program has open.
    path: PathBuf,
    way: Way,
    /// Of what was there when it was looked at.
    identity: Option<Identity>,
}

impl Destination {
    /// Looks what is at `path`. A link is followed: what it leads to is replaced, not the link.
    /// Missing folders above it are made.
    ///
    /// # Errors
    /// Where the path leads nowhere, or a folder cannot be made.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            let name = path.file_name().ok_or_else(no_file)?.to_owned();
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            fs::create_dir_all(folder)?;
            let folder = fs::canonicalize(folder)?;
            path = folder.join(name);
            // what such a link says need not be a path, and may be that of another file by now
            let is_open = holds_descriptors(&folder);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() && !is_open => {
                    path = folder.join(fs::read_link(&path)?);
                }
                Ok(found) => {
                    let found = match is_open {
                        true => fs::metadata(&path)?,
                        false => found,
                    };
                    let is_replaced = !is_open && (found.is_file() || found.is_dir());
                    return Ok(Self {
                        way: if is_replaced {
                            Way::Replace
                        } else {
                            Way::Write
                        },
                        identity: Identity::of(&found),
                        path,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && !is_open => {
                    return Ok(Self {
                        path,
                        way: Way::Replace,
                        identity: None,
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("too many links follow each other"))
    }

    /// Whether it can only be written to.
    pub fn is_stream(&self) -> bool {
        self.way == Way::Write
    }

    /// Whether what is written here ends up in the same.
    pub fn is_same(&self, other: &Self) -> bool {
        let is_there = |it: &Self| it.identity.is_some() || it.is_stream();
        match (is_there(self), is_there(other)) {
            (true, true) => self.is(other.identity),
            (false, false) => self.path == other.path,
            _ => false,
        }
    }

    /// Whether it is this file; nothing is no file.
    pub fn is(&self, identity: Option<Identity>) -> bool {
        self.identity.is_some() && self.identity == identity
    }

    /// Opens it, to be written to from its beginning on. What stands behind a descriptor stays.
    ///
    /// # Errors
    /// What the system says. It may hang where it is a pipe that nobody reads.
    pub fn open(&self) -> io::Result<File> {
        match self.way {
            Way::Replace => File::create(&self.path),
            Way::Write => File::options().append(true).open(&self.path),
        }
    }

    /// Puts the whole text in the place of a file, of which it must be one.
    ///
    /// # Errors
    /// What the system says; the old file is untouched then, and no temporary one is left behind.
    pub fn replace(&self, text: &[u8]) -> io::Result<()> {
        let path = &self.path;
        let name = path.file_name().ok_or_else(no_file)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // a rename would put an end to it
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            let text = "a folder, a link or a device is there";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        // beside the file: a rename is atomic only within one file system
        let temporary = folder.join(format!(
            ".{}.tmp-{}",
            name.to_string_lossy(),
            std::process::id()
        ));
        let written = File::create(&temporary)
            .and_then(|mut file| file.write_all(text))
            .and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // the first error is the one to tell; this one may well have the same cause
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it names no file")
}

/// Whether a folder is `/dev/fd` or `/proc/<pid>/fd`, of a task or of a process.
fn holds_descriptors(folder: &Path) -> bool {
    let mut parts = folder.components();
    folder == Path::new("/dev/fd")
        || (parts.next() == Some(Component::RootDir)
            && parts.next().is_some_and(|it| it.as_os_str() == "proc")
            && parts.next_back().is_some_and(|it| it.as_os_str() == "fd"))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn folders_are_made_and_nothing_else_is_left_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/out.xml");
        let destination = Destination::of(&path).unwrap();
        destination.replace(b"one").unwrap();
        destination.replace(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(path.parent().unwrap()), ["out.xml"]);
    }

    #[test]
    fn a_folder_in_the_way_is_an_error_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.xml");
        fs::create_dir(&path).unwrap();
        assert!(Destination::of(&path).unwrap().replace(b"one").is_err());
        assert_eq!(names(folder.path()), ["out.xml"]);
    }

    #[test]
    fn links_stay_and_a_device_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, further, none] =
            ["file", "link", "further", "none"].map(|name| folder.path().join(name));
        fs::write(&file, "old").unwrap();
        symlink("file", &link).unwrap();
        symlink(&link, &further).unwrap();
        symlink("made/later", &none).unwrap();
        Destination::of(&further).unwrap().replace(b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        // that of a file that is not there yet is a link all the same
        Destination::of(&none).unwrap().replace(b"made").unwrap();
        let made = fs::read(folder.path().join("made/later")).unwrap();
        assert_eq!(made, b"made");
        for link in [&link, &further, &none] {
            assert!(fs::symlink_metadata(link).unwrap().is_symlink());
        }
        assert!(Destination::of(Path::new("/dev/null")).unwrap().is_stream());
        symlink("round", folder.path().join("round")).unwrap();
        assert!(Destination::of(&folder.path().join("round")).is_err());
    }

    #[test]
    fn a_link_that_comes_later_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.xml");
        let destination = Destination::of(&path).unwrap();
        destination.replace(b"one").unwrap();
        fs::remove_file(&path).unwrap();
        symlink("/dev/full", &path).unwrap();
        assert!(destination.replace(b"two").is_err());
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/full"));
        assert_eq!(names(folder.path()), ["out.xml"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_program_has_open_is_written_to_even_where_its_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = File::create(&path).unwrap();
        let link = folder.path().join("stdout");
        let descriptor = format!("/proc/self/fd/{}", log.as_raw_fd());
        symlink(&descriptor, &link).unwrap();
        symlink("/dev/fd", folder.path().join("fd")).unwrap();
        let through = folder.path().join(format!("fd/{}", log.as_raw_fd()));
        fs::write(&path, "before\n").unwrap();
        for path in [&link, &through, &PathBuf::from(&descriptor)] {
            let found = Destination::of(path).unwrap();
            assert!(found.is_stream(), "{path:?}");
            assert!(found.is_same(&Destination::of(&link).unwrap()), "{path:?}");
            found.open().unwrap().write_all(b"more\n").unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "before\nmore\nmore\nmore\n");
        fs::remove_file(&path).unwrap();
        // the kernel says of it that it is the file `log (deleted)`
        let found = Destination::of(&link).unwrap();
        assert!(found.is_stream() && found.open().is_ok());
        assert_eq!(names(folder.path()), ["fd", "stdout"]);
    }

    #[test]
    fn two_names_of_one_file_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, hard, other] =
            ["file", "link", "hard", "other"].map(|name| folder.path().join(name));
        symlink(&file, &link).unwrap();
        let same = |one: &Path, two: &Path| {
            Destination::of(one)
                .unwrap()
                .is_same(&Destination::of(two).unwrap())
        };
        let roundabout = folder.path().join("./made/../file");
        fs::create_dir(folder.path().join("made")).unwrap();
        for _ in 0..2 {
            assert!(same(&file, &link) && same(&file, &roundabout));
            assert!(!same(&file, &other));
            fs::write(&file, "").unwrap();
        }
        fs::hard_link(&file, &hard).unwrap();
        assert!(same(&file, &hard));
        let null = Path::new("/dev/null");
        assert!(!same(null, null), "nobody is in the way there");
    }
}
