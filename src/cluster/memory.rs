//! What connecting keeps for the next connection of the same run: what can be read only once, and
//! the credentials that a plugin gave.

use std::collections::HashMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

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

/// Shared by the connections of a run, which are made with clones of it.
#[derive(Clone, Default)]
pub struct Memory {
    /// Of pipes and devices, from which there is nothing to be had a second time.
    read_once: Arc<Mutex<HashMap<PathBuf, Arc<OnceCell<Bytes>>>>>,
    plugins: Arc<Mutex<HashMap<Plugin, Arc<Issuer>>>>,
}

impl Memory {
    /// What is in a file; of a pipe, what was in it when it was read first. In words why not.
    pub(super) async fn read(&self, path: &Path) -> Result<Bytes, String> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if is_read_again(&absolute) {
            return read(absolute).await;
        }
        let cell = {
            let mut known = self
                .read_once
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(absolute.clone()).or_default())
        };
        cell.get_or_try_init(|| read(absolute)).await.cloned()
    }

    /// What was read of something that can be read only once; nothing of a file.
    #[must_use]
    pub fn kept(&self, path: &Path) -> Option<Arc<Vec<u8>>> {
        let absolute = std::path::absolute(path).ok()?;
        let known = self
            .read_once
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.get(&absolute)?.get().cloned()
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

/// Whether a file has the same to say each time: also one that is not there yet.
pub(super) fn is_read_again(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |it| it.is_file() || it.is_dir())
}

/// A thread that nobody writes to hangs until the program ends, which does not wait for it.
async fn read(path: PathBuf) -> Result<Bytes, String> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path)?;
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
        std::io::Result::Ok(bytes)
    });
    match tokio::time::timeout(READING_TIME, reading).await {
        Ok(Ok(Ok(bytes))) if bytes.len() as u64 > LARGEST => {
            Err(format!("it has more than {} MiB", LARGEST >> 20))
        }
        Ok(Ok(Ok(bytes))) => Ok(Arc::new(bytes)),
        Ok(Ok(Err(error))) => Err(without_number(&error.to_string())),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_elapsed) => Err(format!(
            "nobody wrote all of it within {}",
            seconds(READING_TIME)
        )),
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
