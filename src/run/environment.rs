//! The environment of local programs: the kubeconfig and the context of the cluster that
//! their step is about, as kubectl reads them. Files with nothing but a context's name come
//! before the user's own, so that no credential is copied, but for what can be read only once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cluster::ConnectOptions;

/// For the run's own cluster and each further one.
#[derive(Debug)]
pub struct ProcessEnvironments {
    /// Keeps the files.
    _folder: Option<TempDir>,
    by_cluster: BTreeMap<Option<String>, BTreeMap<String, String>>,
}

impl ProcessEnvironments {
    /// Prepares one for each cluster by its name; nothing is the run's own.
    ///
    /// # Errors
    /// Where no temporary file can be written.
    pub fn new<'a>(
        clusters: impl IntoIterator<Item = (Option<&'a str>, &'a ConnectOptions)>,
    ) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("kubeproof-").tempdir()?;
        let mut by_cluster = BTreeMap::new();
        for (number, (name, options)) in clusters.into_iter().enumerate() {
            let mut files: Vec<PathBuf> = Vec::new();
            if let Some(context) = &options.context {
                let path = folder.path().join(format!("context-{number}"));
                let text = serde_json::json!({
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": context,
                });
                std::fs::write(&path, text.to_string())?;
                files.push(path);
            }
            for (count, path) in kubeconfigs(options).into_iter().enumerate() {
                files.push(match options.memory.kept(&path) {
                    // there is nothing to be read of it a second time
                    Some(text) => {
                        let copy = folder.path().join(format!("kubeconfig-{number}-{count}"));
                        private(&copy, &text)?;
                        copy
                    }
                    None => path,
                });
            }
            let mut environment = BTreeMap::new();
            // without a file, kubectl finds its way in a cluster as we do
            if !files.is_empty()
                && let Ok(list) = std::env::join_paths(&files)
            {
                environment.insert("KUBECONFIG".to_owned(), list.to_string_lossy().into_owned());
            }
            by_cluster.insert(name.map(str::to_owned), environment);
        }
        Ok(Self {
            _folder: Some(folder),
            by_cluster,
        })
    }

    /// Where none can be prepared: programs find their own way.
    pub fn none() -> Self {
        Self {
            _folder: None,
            by_cluster: BTreeMap::new(),
        }
    }

    /// What a program gets beside our own environment.
    pub fn of(&self, cluster: Option<&str>) -> BTreeMap<String, String> {
        self.by_cluster
            .get(&cluster.map(str::to_owned))
            .cloned()
            .unwrap_or_default()
    }
}

/// Writes a file that nobody else may read.
fn private(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)
}

/// The files that the connection was read from, made absolute: programs run elsewhere.
pub fn kubeconfigs(options: &ConnectOptions) -> Vec<PathBuf> {
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    if let Some(file) = &options.kubeconfig {
        return vec![absolute(file.clone())];
    }
    let variable = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
    if let Some(value) = variable {
        return std::env::split_paths(&value).map(absolute).collect();
    }
    let home: Option<OsString> = std::env::var_os("HOME");
    home.map(|home| PathBuf::from(home).join(".kube").join("config"))
        .filter(|path| path.exists())
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_comes_before_the_file() {
        let options = ConnectOptions {
            kubeconfig: Some("/some/config".into()),
            context: Some("there".to_owned()),
            ..ConnectOptions::default()
        };
        let environments = ProcessEnvironments::new([(None, &options)]).unwrap();
        let value = environments.of(None)["KUBECONFIG"].clone();
        let files: Vec<_> = std::env::split_paths(&value).collect();
        assert_eq!(files.len(), 2);
        let first = std::fs::read_to_string(&files[0]).unwrap();
        assert!(first.contains("\"current-context\":\"there\""), "{first}");
        assert_eq!(files[1], PathBuf::from("/some/config"));
        assert!(environments.of(Some("other")).is_empty());
    }
}
