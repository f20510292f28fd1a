//! Files of what collectors found: `DIR/<suite>/<case>/<n>-<what>.txt`, those of a later attempt in
//! `<case>/attempt-2/`; written behind an outlet.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::event::{CaseId, Event};
use crate::outcome::Verdict;
use crate::report::Reporter;
use crate::report::outlet::Outlet;
use crate::secret::Mask;

/// A name of a file has at most so many characters, what tells it apart aside.
const LONGEST: usize = 100;

/// How often whoever waits for room looks whether there is some.
const LOOK: Duration = Duration::from_millis(20);

/// Where collectors write. A clone is the same place.
#[derive(Clone, Debug)]
pub struct Artifacts {
    folder: PathBuf,
    mask: Mask,
    outlet: Outlet,
    /// Whose each folder is: by its suite's and its own name, the place of the cell.
    taken: Arc<Mutex<HashMap<String, (usize, usize)>>>,
}

impl Artifacts {
    /// Below a folder, which is made with the first file. The mask is laid over names and texts.
    pub fn new(folder: PathBuf, mask: Mask) -> Self {
        Self {
            folder,
            mask,
            outlet: Outlet::new(),
            taken: Arc::default(),
        }
    }

    /// What it leaves its files with.
    pub fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// Leaves one file to be written, of an attempt of a cell (the first is 1). Where enough waits
    /// already, it waits until there is room, or until `over`; then the file is lost. What could not
    /// be written is told at the end of the run.
    pub async fn write(
        &self,
        id: &CaseId,
        attempt: u64,
        number: usize,
        title: &str,
        text: &str,
        over: impl Future<Output = ()>,
    ) {
        let title = file_name(&self.mask.mask(title));
        let path = self
            .folder_of(id, attempt)
            .join(format!("{number}-{title}.txt"));
        tokio::select! {
            biased;
            () = self.room() => {}
            () = over => {
                self.outlet.lose(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("{}: what was to be written before was not in time", path.display()),
                ));
                return;
            }
        }
        let text = self.mask.mask(text).into_owned();
        // what broke the outlet is told to the report of it
        let _ = self.outlet.leave(text.len(), move |outlet| {
            if let Err(error) = write(&path, &text) {
                outlet.lose(error);
            }
            Ok(())
        });
    }

    async fn room(&self) {
        while self.outlet.is_full() {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn folder_of(&self, id: &CaseId, attempt: u64) -> PathBuf {
        let identity = || format!("{}.{}", id.case, id.cell);
        let suite = self.name(&id.suite.name, || id.suite.index.to_string());
        let mut case = self.name(&id.name, identity);
        if !self.takes(&format!("{suite}/{case}"), id) {
            case = format!("{case}~{}", identity());
        }
        let folder = self.folder.join(suite).join(case);
        match attempt {
            1 => folder,
            later => folder.join(format!("attempt-{later}")),
        }
    }

    /// Whether a folder is a cell's own: the first that wants it has it. There are file systems to
    /// which large letters are small ones.
    fn takes(&self, folder: &str, id: &CaseId) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (id.case, id.cell);
        *taken.entry(folder.to_lowercase()).or_insert(place) == place
    }

    /// A name as one of a file. Where something of it is lost, `~` and what else tells it apart
    /// follow: two of them must not become one.
    fn name(&self, name: &str, identity: impl FnOnce() -> String) -> String {
        let file = file_name(&self.mask.mask(name));
        match file == name {
            true => file,
            false => format!("{file}~{}", identity()),
        }
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// The artifacts as a report: it is over when they are written.
pub struct ArtifactsReport {
    name: String,
}

impl ArtifactsReport {
    /// Of these.
    pub fn new(artifacts: &Artifacts) -> Self {
        Self {
            name: format!("artifacts in {}", artifacts.folder.display()),
        }
    }
}

impl Reporter for ArtifactsReport {
    fn name(&self) -> &str {
        &self.name
    }

    /// Collectors have left what they found.
    fn event(&mut self, _event: &Event, _verdict: &Verdict) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, _verdict: &Verdict) -> io::Result<()> {
        Ok(())
    }
}

/// A name of anything as one of a file: no separators, nothing hidden, not too long.
fn file_name(text: &str) -> String {
    let name: String = text
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(LONGEST)
        .collect();
    match name.trim_start_matches('.') {
        "" => "_".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SuiteRef;

    fn id(suite: &str, cell: usize, name: &str) -> CaseId {
        CaseId {
            suite: SuiteRef {
                index: 3,
                name: suite.to_owned(),
            },
            case: 1,
            cell,
            name: name.to_owned(),
        }
    }

    #[test]
    fn no_name_leaves_the_folder() {
        assert_eq!(file_name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(file_name(".."), "_");
        assert_eq!(file_name("logs pod/a"), "logs_pod_a");
    }

    #[test]
    fn each_cell_has_a_folder_of_its_own() {
        let artifacts = Artifacts::new("out".into(), Mask::new());
        let path = |id: &CaseId| artifacts.folder_of(id, 1).display().to_string();
        assert_eq!(path(&id("s", 0, "plain")), "out/s/plain");
        assert_eq!(path(&id("s", 7, "a/b")), "out/s/a_b~1.7");
        // a case and a cell of another one
        assert_eq!(path(&id("s", 1, "plain")), "out/s/plain~1.1");
        assert_eq!(path(&id("s", 2, "Plain")), "out/s/Plain~1.2");
        assert_eq!(path(&id("s", 0, "plain")), "out/s/plain");
        let long = "n".repeat(LONGEST);
        for (one, other) in [
            (
                id("s", 0, &format!("{long}1")),
                id("s", 1, &format!("{long}2")),
            ),
            (id("s", 0, "a/b"), id("s", 1, "a b")),
            (id("s", 0, "a/b"), id("s", 1, "a_b")),
            (id("a/b", 0, "c"), id("a_b", 0, "c")),
        ] {
            assert_ne!(path(&one), path(&other), "{one:?} and {other:?}");
        }
    }

    #[tokio::test]
    async fn a_secret_stands_in_no_path() {
        let mask = Mask::new();
        mask.add_input(&serde_json::json!("hunter2-hunter2"));
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(folder.path().to_owned(), mask);
        let id = id("of-hunter2-hunter2", 0, "as hunter2-hunter2");
        let over = std::future::pending();
        let title = "get secret/hunter2-hunter2";
        artifacts.write(&id, 2, 1, title, "x", over).await;
        let patience = || Duration::from_secs(60);
        artifacts.outlet().drain(&patience).unwrap();
        let case = artifacts.folder_of(&id, 2);
        let inside = case.strip_prefix(folder.path()).unwrap();
        let file = fs::read_dir(&case).unwrap().next().unwrap().unwrap();
        let path = format!("{} {:?}", inside.display(), file.file_name());
        assert!(!path.contains("hunter2"), "{path}");
        assert!(path.contains("attempt-2 "), "{path}");
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_an_error_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("s");
        fs::write(&in_the_way, "").unwrap();
        let artifacts = Artifacts::new(folder.path().to_owned(), Mask::new());
        for number in [1, 2] {
            let over = std::future::pending();
            let id = id("s", 0, "c");
            artifacts.write(&id, 1, number, "logs", "x", over).await;
        }
        let patience = || Duration::from_secs(60);
        let error = artifacts.outlet().drain(&patience).unwrap_err();
        assert!(error.to_string().ends_with("(and 1 more)"), "{error}");
    }
    #[tokio::test]
    async fn no_more_than_some_waits_to_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(folder.path().to_owned(), Mask::new());
        let (go_on, held) = std::sync::mpsc::channel::<()>();
        let hanging = move |_: &Outlet| {
            let _ = held.recv_timeout(Duration::from_secs(60));
            Ok(())
        };
        artifacts.outlet().leave(5 << 20, hanging).unwrap();
        let late = async || {
            let over = tokio::time::sleep(Duration::from_millis(50));
            let id = id("s", 0, "c");
            artifacts.write(&id, 1, 1, "late", "x", over).await;
        };
        late().await;
        go_on.send(()).unwrap();
        let patience = || Duration::from_secs(60);
        let error = artifacts.outlet().drain(&patience).unwrap_err();
        assert!(error.to_string().contains("1-late.txt: "), "{error}");
        late().await;
        artifacts.outlet().drain(&patience).unwrap();
        assert!(folder.path().join("s/c/1-late.txt").exists());
    }

    #[tokio::test]
    async fn the_report_is_told_what_broke_the_files() {
        let artifacts = Artifacts::new("unused".into(), Mask::new());
        let outlet = artifacts.outlet();
        outlet.leave(1, |_| Err(io::Error::other("gone"))).unwrap();
        let patience = || Duration::from_secs(60);
        assert!(outlet.drain(&patience).is_err());
        let (id, over) = (id("s", 0, "c"), std::future::pending());
        artifacts.write(&id, 1, 1, "logs", "x", over).await;
        let mut reporters = crate::report::Reporters::new();
        let report = ArtifactsReport::new(&artifacts);
        reporters.push_behind(report, artifacts.outlet(), crate::report::Loss::Counts);
        let error = reporters.finish(0, &Verdict::default(), &patience).unwrap();
        assert!(error.counts());
        assert_eq!(error.source.to_string(), "gone");
    }
}
