//! Finds the kubeconfig as kubectl does, and reads it. What the chosen context of it means is
//! `context`'s; only what that uses is understood at all, so that a broken entry that nobody uses
//! is in nobody's way.
//!
//! See [organizing cluster access](https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Map, Value};

use super::connect_error::ConnectError;
use super::memory::{Memory, Unread};
use crate::source::SourceFile;
use crate::yaml::{self, Node, NodeKind};

/// Where a configuration may come from, as the process sees it.
#[derive(Debug, Default)]
pub(super) struct Places<'a> {
    /// `--kubeconfig`
    pub(super) flag: Option<&'a Path>,
    /// `KUBECONFIG`
    pub(super) variable: Option<&'a OsStr>,
    pub(super) home: Option<PathBuf>,
    /// Whether this is a pod with a service account.
    pub(super) is_in_cluster: bool,
}

/// The configuration that was found.
#[derive(Debug)]
pub(super) enum Found {
    /// From files, which are named as in `KUBECONFIG`.
    Files {
        names: String,
        kubeconfig: Box<Kubeconfig>,
    },
    /// The service account of the pod this runs in.
    InCluster,
}

/// What is in one or several files.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Kubeconfig {
    pub(super) current_context: Option<String>,
    pub(super) contexts: Vec<Entry>,
    pub(super) clusters: Vec<Entry>,
    pub(super) users: Vec<Entry>,
}

/// A context, a cluster or a user, as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// The file it is in.
    pub(super) file: Arc<Path>,
    /// What is under its name, without fields that are null; nothing where it is no mapping.
    pub(super) fields: Option<Map<String, Value>>,
    /// Whether its file has another one of its name.
    pub(super) is_repeated: bool,
}

/// Looks in the places kubectl looks in: the flag alone, the files of `KUBECONFIG`,
/// `~/.kube/config`, the pod. Of several files, those that are missing are skipped, as client-go does:
/// what cannot be looked at is not missing.
pub(super) async fn find(places: &Places<'_>, memory: &Memory) -> Result<Found, ConnectError> {
    if let Some(path) = places.flag {
        let bytes = memory.read(path).await;
        let bytes = bytes.map_err(|cause| unreadable(path, cause))?;
        return merged(&[(path.to_path_buf(), bytes)]);
    }
    let mut looked_at = Vec::new();
    let variable = places.variable.filter(|value| !value.is_empty());
    let candidates: Vec<PathBuf> = if let Some(value) = variable {
        looked_at.push(format!("KUBECONFIG={}", value.to_string_lossy()));
        std::env::split_paths(value)
            .filter(|path| !path.as_os_str().is_empty())
            .collect()
    } else if let Some(home) = &places.home {
        let path = home.join(".kube").join("config");
        looked_at.push(path.display().to_string());
        vec![path]
    } else {
        Vec::new()
    };
    let mut present = Vec::new();
    for path in candidates {
        match memory.read_if_there(&path).await {
            Ok(bytes) => present.push((path, bytes)),
            Err(Unread::Missing(_)) => {}
            Err(Unread::Failed(cause)) => return Err(unreadable(&path, cause)),
        }
    }
    if !present.is_empty() {
        return merged(&present);
    }
    if places.is_in_cluster {
        return Ok(Found::InCluster);
    }
    looked_at.push("the service account of a pod".to_owned());
    Err(ConnectError::NoKubeconfig { looked_at })
}

fn unreadable(path: &Path, cause: String) -> ConnectError {
    ConnectError::Unreadable {
        path: path.to_owned(),
        cause,
    }
}

fn merged(files: &[(PathBuf, Arc<Vec<u8>>)]) -> Result<Found, ConnectError> {
    let names: Vec<_> = files
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    let names = names.join(if cfg!(windows) { ";" } else { ":" });
    let mut merged = Kubeconfig::default();
    for (path, bytes) in files {
        merged.add(read(path, bytes)?);
    }
    Ok(Found::Files {
        names,
        kubeconfig: Box::new(merged),
    })
}

/// Reads what is in one file. Errors do not quote it, since it holds keys: only the place is told.
fn read(path: &Path, bytes: &[u8]) -> Result<Kubeconfig, ConnectError> {
    let invalid = |problem: String| ConnectError::Invalid {
        kubeconfig: path.display().to_string(),
        problem,
    };
    let text = text(bytes).ok_or_else(|| invalid("it is not text in UTF-8".to_owned()))?;
    let source = SourceFile::new(path.display().to_string(), text);
    let wrong_at = |offset| {
        let at = source.position(offset);
        let (line, column) = (at.line, at.column);
        invalid(format!(
            "line {line}, column {column} is not what a kubeconfig has there"
        ))
    };
    // words as they are written: a context may be called `y`, and a password be `0123`
    let documents = yaml::documents(&source).map_err(|error| wrong_at(error.span.start))?;
    let mut found = Kubeconfig::default();
    for document in documents {
        // an empty one is one without entries
        if document.kind != NodeKind::Null {
            let kubeconfig = Kubeconfig::of(&document.to_value(), path);
            found.add(kubeconfig.ok_or_else(|| wrong_at(wrong_place(&document)))?);
        }
    }
    Ok(found)
}

/// Where the first thing is that makes a document no kubeconfig.
fn wrong_place(document: &Node) -> usize {
    let is_wrong = |key: &str, value: &NodeKind| match key {
        "contexts" | "clusters" | "users" => !matches!(value, NodeKind::List(_) | NodeKind::Null),
        "current-context" => !matches!(value, NodeKind::String(_) | NodeKind::Null),
        _ => false,
    };
    let wrong = match &document.kind {
        NodeKind::Map(fields) => fields
            .iter()
            .find(|(key, value)| is_wrong(&key.value, &value.kind)),
        _ => None,
    };
    wrong.map_or(document.span.start, |(_, value)| value.span.start)
}

/// UTF-8, or UTF-16 with its mark, as PowerShell writes it.
fn text(bytes: &[u8]) -> Option<String> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<_> = rest
            .chunks(2)
            .map(|pair| unit([pair[0], *pair.get(1).unwrap_or(&0)]))
            .collect();
        String::from_utf16(&units).ok()
    };
    match bytes {
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

impl Kubeconfig {
    /// `None` where it has lists that are none.
    fn of(document: &Value, path: &Path) -> Option<Self> {
        let document = document.as_object()?;
        let file: Arc<Path> = path.into();
        let folder = path.parent().unwrap_or(Path::new(""));
        let entries = |list: &str, key: &str, files: fn(&mut Map<String, Value>, &Path)| {
            let mut entries: Vec<Entry> = Vec::new();
            for item in items(document.get(list))? {
                // without a name nobody can mean it
                let Some(name) = item["name"].as_str() else {
                    continue;
                };
                let is_repeated = |entry: &Entry| entry.name == name;
                if let Some(first) = entries.iter_mut().find(|entry| is_repeated(entry)) {
                    first.is_repeated = true;
                    continue;
                }
                let fields = match without_nulls(&item[key]) {
                    Value::Object(mut fields) => {
                        files(&mut fields, folder);
                        Some(fields)
                    }
                    Value::Null => Some(Map::new()),
                    _ => None,
                };
                entries.push(Entry {
                    name: name.to_owned(),
                    file: Arc::clone(&file),
                    fields,
                    is_repeated: false,
                });
            }
            Some(entries)
        };
        let current_context = match document.get("current-context") {
            None | Some(Value::Null) => None,
            Some(name) => Some(name.as_str()?.to_owned()),
        };
        Some(Self {
            current_context: current_context.filter(|name| !name.is_empty()),
            contexts: entries("contexts", "context", |_, _| {})?,
            clusters: entries("clusters", "cluster", |fields, folder| {
                make_absolute(fields, "certificate-authority", folder);
            })?,
            users: entries("users", "user", |fields, folder| {
                for file in ["client-certificate", "client-key", "tokenFile"] {
                    make_absolute(fields, file, folder);
                }
                // a name alone is looked for in PATH
                if let Some(Value::Object(exec)) = fields.get_mut("exec")
                    && exec.get("command").is_some_and(has_folder)
                {
                    make_absolute(exec, "command", folder);
                }
            })?,
        })
    }

    /// Adds what another file has and this one has not: the first to say something wins.
    fn add(&mut self, other: Self) {
        let add = |to: &mut Vec<Entry>, from: Vec<Entry>| {
            for entry in from {
                if !to.iter().any(|known| known.name == entry.name) {
                    to.push(entry);
                }
            }
        };
        add(&mut self.contexts, other.contexts);
        add(&mut self.clusters, other.clusters);
        add(&mut self.users, other.users);
        self.current_context = self.current_context.take().or(other.current_context);
    }
}

fn items(list: Option<&Value>) -> Option<&[Value]> {
    match list {
        None | Some(Value::Null) => Some(&[]),
        Some(Value::Array(items)) => Some(items),
        Some(_) => None,
    }
}

/// A field that is null is one that is not there.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn has_folder(command: &Value) -> bool {
    let command = command.as_str().unwrap_or_default();
    command.contains(std::path::MAIN_SEPARATOR)
}

/// Files are named as seen from the folder of the kubeconfig.
fn make_absolute(fields: &mut Map<String, Value>, name: &str, folder: &Path) {
    if let Some(Value::String(file)) = fields.get_mut(name)
        && !file.is_empty()
        && let Some(path) = folder.join(&*file).to_str()
    {
        *file = path.to_owned();
    }
}

/// Base64, of which a YAML block may have made several lines.
pub(super) fn base64_of(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

/// What in a kubeconfig proves who one is, of all its users: tokens, passwords, keys, what is in the
/// files that it names for them, and what its plugins are given under a name that says so. Nothing of
/// a file that cannot be read; connecting tells why.
pub async fn credentials_in(path: &Path, memory: &Memory) -> Vec<Vec<u8>> {
    let kubeconfig = match memory.read(path).await {
        Ok(bytes) => read(path, &bytes).unwrap_or_default(),
        Err(_) => Kubeconfig::default(),
    };
    let mut found = Vec::new();
    for user in kubeconfig.users.iter().flat_map(|user| &user.fields) {
        let text = |field: &str| user.get(field).and_then(Value::as_str);
        let plain = ["token", "password"].into_iter().filter_map(text);
        found.extend(plain.map(|text| text.as_bytes().to_owned()));
        found.extend(text("client-key-data").and_then(base64_of));
        for file in ["tokenFile", "client-key"].into_iter().filter_map(text) {
            if let Ok(bytes) = memory.read(Path::new(file)).await {
                found.push(bytes.trim_ascii_end().to_owned());
            }
        }
        let provider = user.get("auth-provider");
        let provider = provider.and_then(|provider| provider["config"].as_object());
        let provider = provider.into_iter().flatten();
        let secret = provider.filter(|(name, _)| name.contains("token") || name.contains("secret"));
        let secret = secret.filter_map(|(_, value)| value.as_str());
        let exec = |field: &str| {
            let list = user.get("exec").and_then(|exec| exec[field].as_array());
            list.map(Vec::as_slice).unwrap_or_default()
        };
        let given = exec("env").iter().filter_map(|variable| {
            let is_secret = names_a_secret(variable["name"].as_str()?);
            variable["value"].as_str().filter(|_| is_secret)
        });
        let arguments: Vec<&str> = exec("args").iter().filter_map(Value::as_str).collect();
        let given = given.chain(secret_arguments(&arguments));
        found.extend(secret.chain(given).map(|text| text.as_bytes().to_owned()));
    }
    for cluster in kubeconfig.clusters.iter().flat_map(|it| &it.fields) {
        for url in ["server", "proxy-url"] {
            let url = cluster.get(url).and_then(Value::as_str);
            found.extend(url.and_then(password_of).map(|it| it.as_bytes().to_owned()));
        }
    }
    found.retain(|secret| !secret.is_empty());
    found
}

/// The values of `--oidc-client-secret=…` and `--oidc-client-secret …`.
fn secret_arguments<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (at, argument) in arguments.iter().enumerate() {
        let Some(flag) = argument.strip_prefix('-') else {
            continue;
        };
        match flag.split_once('=') {
            Some((flag, value)) if is_for_a_secret(flag) => found.push(value),
            None if is_for_a_secret(flag) => found.extend(arguments.get(at + 1).copied()),
            _ => {}
        }
    }
    // one flag may follow another, which has no value
    found.retain(|value| !value.starts_with('-'));
    found
}

/// `--client-secret`, and neither `--token-cache-dir` nor `--token-cache-storage`: what these are
/// given, such as `disk`, is an ordinary word, and would be masked wherever it stands.
fn is_for_a_secret(flag: &str) -> bool {
    const ABOUT: [&str; 13] = [
        "audience", "cache", "dir", "duration", "endpoint", "file", "name", "path", "storage",
        "ttl", "type", "uri", "url",
    ];
    let last = flag.rsplit(['_', '-']).next().unwrap_or_default();
    names_a_secret(flag) && !ABOUT.contains(&last.to_ascii_lowercase().as_str())
}

/// `AWS_SECRET_ACCESS_KEY`, `API_KEY` and `oidc-client-secret`, and not `AWS_PROFILE` or
/// `AWS_ACCESS_KEY_ID`.
fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    [
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "CREDENTIAL",
    ]
    .iter()
    .any(|word| name.contains(word))
        || name.rsplit(['_', '-']).next() == Some("KEY")
}

/// The password in `https://user:password@host`.
fn password_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split('/').next()?;
    let (user, _host) = authority.rsplit_once('@')?;
    Some(user.split_once(':')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Kubeconfig {
        read(Path::new("/etc/kube/config"), text.as_bytes()).unwrap()
    }

    #[test]
    fn an_entry_that_nobody_uses_may_be_anything() {
        let read = of(
            "contexts: [{name: a, context: {}}, {name: b}, {context: {cluster: c}}, 7]
users: [{name: u, user: {auth-provider: {config: null}}}, {name: v, user: hunter2}]
clusters: null
current-context: ''
",
        );
        let names: Vec<_> = read.contexts.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(read.current_context, None);
        assert!(read.users[0].fields.is_some() && read.users[1].fields.is_none());
    }

    #[test]
    fn of_several_documents_and_files_the_first_wins() {
        let mut read = of("users: [{name: u, user: {token: a}}]\n---\ncurrent-context: x\n---\n");
        read.add(of(
            "current-context: y\nusers: [{name: u, user: {token: b}}]",
        ));
        assert_eq!(read.current_context.as_deref(), Some("x"));
        assert_eq!(read.users.len(), 1);
        assert_eq!(read.users[0].fields.as_ref().unwrap()["token"], "a");
        assert!(!read.users[0].is_repeated);
        assert!(of("users: [{name: u}, {name: u}]").users[0].is_repeated);
    }

    #[test]
    fn files_are_named_as_seen_from_the_kubeconfig() {
        let read = of("users:
- {name: a, user: {tokenFile: t, client-key: /k, exec: {command: ./bin/p}}}
- {name: b, user: {exec: {command: aws}}}
clusters: [{name: c, cluster: {certificate-authority: ca.crt}}]");
        let user = read.users[0].fields.as_ref().unwrap();
        assert_eq!(user["tokenFile"], "/etc/kube/t");
        assert_eq!(user["client-key"], "/k");
        assert_eq!(user["exec"]["command"], "/etc/kube/./bin/p");
        assert_eq!(
            read.users[1].fields.as_ref().unwrap()["exec"]["command"],
            "aws"
        );
        let cluster = read.clusters[0].fields.as_ref().unwrap();
        assert_eq!(cluster["certificate-authority"], "/etc/kube/ca.crt");
    }

    #[test]
    fn a_file_may_have_the_mark_of_its_encoding() {
        let written = "current-context: ä";
        let utf16 = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
            written.encode_utf16().flat_map(unit).collect()
        };
        let marked = [
            [&[0xEF, 0xBB, 0xBF][..], written.as_bytes()].concat(),
            [&[0xFF, 0xFE][..], &utf16(u16::to_le_bytes)].concat(),
            [&[0xFE, 0xFF][..], &utf16(u16::to_be_bytes)].concat(),
        ];
        for bytes in marked {
            assert_eq!(text(&bytes).as_deref(), Some(written));
        }
        assert_eq!(text(&[0xFF, 0xFE, 0x00, 0xD8]), None);
        assert_eq!(text(&[0xC3]), None);
    }

    #[tokio::test]
    async fn the_credentials_of_every_user_are_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "from-a-file\n").unwrap();
        let path = folder.path().join("config");
        let text = "apiVersion: v1
kind: Config
users:
- {name: a, user: {token: a-token, username: admin, password: a-password}}
- {name: b, user: {tokenFile: token, client-key: not-there}}
- {name: c, user: {client-key-data: YS1rZXk=, client-certificate-data: bm8=}}
- {name: d, user: {auth-provider: {name: oidc, config: {id-token: an-id, client-id: no}}}}
- {name: e}
- name: f
  user: {exec: {env: [{name: AWS_PROFILE, value: no}, {name: MY_SECRET, value: a-secret}, {name: API_KEY, value: an-api-key}]}}
- name: g
  user: {exec: {args: [get-token, --oidc-client-secret=in-an-argument, --login, no, --passphrase, a-passphrase, --token-cache-storage=disk, --token-cache-dir, no, --token, --no-value]}}
clusters:
- {name: c, cluster: {server: 'https://me:of-a-server@host/a@b', proxy-url: 'http://me:of-a-proxy@p'}}
";
        std::fs::write(&path, text).unwrap();
        let memory = Memory::default();
        let found: Vec<_> = credentials_in(&path, &memory)
            .await
            .into_iter()
            .map(|secret| String::from_utf8(secret).unwrap())
            .collect();
        let expected = [
            "a-token",
            "a-password",
            "from-a-file",
            "a-key",
            "an-id",
            "a-secret",
            "an-api-key",
            "in-an-argument",
            "a-passphrase",
            "of-a-server",
            "of-a-proxy",
        ];
        assert_eq!(found, expected);
        let none = folder.path().join("none");
        assert!(credentials_in(&none, &memory).await.is_empty());
    }
}
