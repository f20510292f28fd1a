//! What connecting keeps for the next connection of the same run: what can be read only once, and
//! the credentials that a plugin gave.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

use super::cause::without_number;
use super::error::seconds;
use super::issuer::Issuer;
use super::plugin::Plugin;

/// How long a file may take to be read: a pipe has somebody at its other end who must write, and a
/// network file system a server.
const READING_TIME: Duration = Duration::from_secs(30);
/// Far more than a kubeconfig or a certificate has; a device may have no end.
const LARGEST: u64 = 16 << 20;

type Bytes = Arc<Vec<u8>>;
type Flight = Shared<BoxFuture<'static, Result<Bytes, Unread>>>;

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unread {
    /// There is none. A place that cannot be looked at may have one.
    Missing(String),
    /// In words.
    Failed(String),
}

impl Unread {
    fn of(error: &io::Error) -> Self {
        let words = without_number(&error.to_string());
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing(words),
            _ => Self::Failed(words),
        }
    }

    /// Why, in words.
    pub(super) fn words(self) -> String {
        match self {
            Self::Missing(words) | Self::Failed(words) => words,
        }
    }
}

/// Shared by the connections of a run, which are made with clones of it.
#[derive(Clone, Default)]
pub struct Memory {
    /// Of pipes and devices, from which there is nothing to be had a second time.
    read_once: Arc<Mutex<HashMap<PathBuf, Bytes>>>,
    /// What is being read at the moment.
    under_way: Arc<Mutex<HashMap<PathBuf, Flight>>>,
    plugins: Arc<Mutex<HashMap<Plugin, Arc<Issuer>>>>,
}

impl Memory {
    /// What is in a file; of a pipe, what was in it when it was read first. In words why not.
    pub(super) async fn read(&self, path: &Path) -> Result<Bytes, String> {
        self.read_if_there(path).await.map_err(Unread::words)
    }

    /// As [`Memory::read`], with what is missing told apart.
    ///
    /// Whoever waits for a file that hangs waits for the same thread: it cannot be ended.
    pub(super) async fn read_if_there(&self, path: &Path) -> Result<Bytes, Unread> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let flight = {
            let mut under_way = self.under_way();
            // what has arrived is kept before it is no longer under way
            if let Some(flight) = under_way.get(&absolute) {
                flight.clone()
            } else if let Some(bytes) = self.kept(&absolute) {
                return Ok(bytes);
            } else {
                let flight = self.depart(&absolute);
                under_way.insert(absolute, flight.clone());
                flight
            }
        };
        tokio::time::timeout(READING_TIME, flight)
            .await
            .unwrap_or_else(|_elapsed| {
                let time = seconds(READING_TIME);
                Err(Unread::Failed(format!(
                    "nobody wrote all of it within {time}"
                )))
            })
    }

    /// Reads in a thread of its own, which hangs where nobody writes, until the program ends: that
    /// does not wait for it.
    fn depart(&self, path: &Path) -> Flight {
        let (memory, path) = (self.clone(), path.to_owned());
        let reading = tokio::task::spawn_blocking(move || {
            let read = read(&path);
            if let Ok((bytes, Kind::Once)) = &read {
                memory.read_once().insert(path.clone(), Arc::clone(bytes));
            }
            memory.under_way().remove(&path);
            read.map(|(bytes, _)| bytes)
        });
        let reading = async move {
            reading
                .await
                .unwrap_or_else(|error| Err(Unread::Failed(error.to_string())))
        };
        reading.boxed().shared()
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<PathBuf, Flight>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn read_once(&self) -> MutexGuard<'_, HashMap<PathBuf, Bytes>> {
        self.read_once
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read of something that can be read only once; nothing of a file.
    #[must_use]
    pub fn kept(&self, path: &Path) -> Option<Arc<Vec<u8>>> {
        let absolute = std::path::absolute(path).ok()?;
        self.read_once().get(&absolute).cloned()
    }

    /// The one who gets credentials from a plugin, the same for all who are to run it in the same way.
    pub(super) fn issuer(&self, plugin: Plugin) -> Arc<Issuer> {
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        let issuer = plugins
            .entry(plugin.clone())
            .or_insert_with(|| Arc::new(Issuer::new(plugin)));
        Arc::clone(issuer)
    }
}

impl fmt::Debug for Memory {
    // what is kept are credentials
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// How often something has all of it to say.
enum Kind {
    Always,
    Once,
}

/// Blocks for as long as the file does: it may be on a file system that is away, or a pipe.
fn read(path: &Path) -> Result<(Bytes, Kind), Unread> {
    let mut bytes = Vec::new();
    let mut read = || -> io::Result<Kind> {
        let file = std::fs::File::open(path)?;
        let about = file.metadata()?;
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
        Ok(match about.is_file() {
            true => Kind::Always,
            false => Kind::Once,
        })
    };
    match read() {
        Ok(_) if bytes.len() as u64 > LARGEST => Err(Unread::Failed(format!(
            "it has more than {} MiB",
            LARGEST >> 20
        ))),
        Ok(kind) => Ok((Arc::new(bytes), kind)),
        Err(error) => Err(Unread::of(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let memory = Memory::default();
        assert!(memory.read(&path).await.is_err());
        for text in ["one", "two"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(*memory.read(&path).await.unwrap(), text.as_bytes());
        }
        assert!(memory.kept(&path).is_none());
    }

    #[tokio::test]
    async fn a_pipe_is_read_once_for_all_who_ask() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let path = PathBuf::from(format!(
            "/dev/fd/{}",
            std::os::fd::AsRawFd::as_raw_fd(&reader)
        ));
        let memory = Memory::default();
        let other = memory.clone();
        let both = futures::future::join(memory.read(&path), other.read(&path));
        let writing = tokio::task::spawn_blocking(move || {
            std::io::Write::write_all(&mut writer, b"text").unwrap();
        });
        let (one, two) = both.await;
        writing.await.unwrap();
        assert_eq!(
            (one.unwrap().as_slice(), two.unwrap().as_slice()),
            (&b"text"[..], &b"text"[..])
        );
        assert_eq!(*memory.read(&path).await.unwrap(), b"text");
        assert_eq!(*memory.kept(&path).unwrap(), b"text");
    }
}
