//! Runs a [credential plugin](https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins)
//! and reads what it gives. When it is run, and for how long that holds, is `issuer`'s to say.
//!
//! It never outlives whoever waits for it: it has a process group of its own, which is ended with
//! the wait. It is never let ask on the terminal: nobody may be there, and the suites own stdin.

use std::collections::BTreeMap;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::cause::without_number;
use super::error::{beginning, seconds};
use crate::yaml;

/// How long a plugin may take; some open a browser, none of ours may wait for a person.
const LONGEST: Duration = Duration::from_secs(60);
/// How long what it has started may hold its output once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How much of what it prints is kept; a certificate with its chain has some kilobytes.
const OUTPUT: usize = 1 << 20;
/// How much of its stderr is told.
const TOLD: usize = 4096;

/// What to run, and how.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Plugin {
    pub(super) command: String,
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    /// The version of the API between the two.
    pub(super) api_version: Option<String>,
    /// The cluster as the plugin is told of it, in JSON; nothing where it is not to know.
    pub(super) cluster: Option<String>,
    /// What its maker says to those who do not have it.
    pub(super) install_hint: Option<String>,
}

/// What a plugin gave.
#[derive(Default)]
pub(super) struct Given {
    pub(super) token: Option<String>,
    /// A certificate with its chain, and its key, in PEM.
    pub(super) certificate: Option<(String, String)>,
    pub(super) expires: Option<Timestamp>,
}

/// Why there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: {cause}")]
pub struct NoCredentials {
    /// What they should have come from: ``credential plugin `aws` ``.
    pub source_name: String,
    /// In one line, without what a plugin printed to stdout.
    pub cause: String,
    /// What else there is to say, each with a title.
    pub details: Vec<(String, String)>,
}

/// What it answers, as far as that matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    api_version: Option<String>,
    kind: Option<String>,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<String>,
}

impl Plugin {
    /// For messages; arguments may hold secrets.
    pub(super) fn name(&self) -> String {
        format!("credential plugin `{}`", self.command)
    }

    /// Runs it to its end.
    pub(super) async fn run(&self) -> Result<Given, NoCredentials> {
        self.run_within(LONGEST).await
    }

    async fn run_within(&self, longest: Duration) -> Result<Given, NoCredentials> {
        tracing::debug!(command = self.command, "the credential plugin runs");
        let mut child = Command::new(&self.command)
            .args(&self.args)
            .envs(&self.env)
            .env("KUBERNETES_EXEC_INFO", self.request().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| self.not_started(&error))?;
        let mut group = Group::of(child.id());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let ended = {
            let reading = async { futures::join!(keep(out, &mut stdout), keep(err, &mut stderr)) };
            let mut reading = std::pin::pin!(reading);
            let ending = async {
                tokio::select! {
                    _ = &mut reading => child.wait().await,
                    status = child.wait() => {
                        // what it left behind may hold its output for ever
                        let _ = tokio::time::timeout(LAST_WORDS, reading).await;
                        status
                    }
                }
            };
            tokio::time::timeout(longest, ending).await
        };
        let status = match ended {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => {
                return Err(self.failed(&without_number(&error.to_string()), &stderr));
            }
            Err(_elapsed) => {
                drop(group);
                let cause = format!("it took longer than {}", seconds(longest));
                return Err(self.failed(&cause, &stderr));
            }
        };
        if !status.success() {
            drop(group);
            let how = status
                .code()
                .map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
            let cause = match telling_line(&stderr) {
                Some(line) => format!("it ended with {how}: {line}"),
                None => format!("it ended with {how}"),
            };
            return Err(self.failed(&cause, &stderr));
        }
        // whatever goes on now was meant to: an agent that keeps a session
        group.forget();
        self.read(&stdout)
            .map_err(|cause| self.failed(&cause, &stderr))
    }

    fn request(&self) -> Value {
        let mut spec = json!({"interactive": false});
        let cluster = self.cluster.as_deref();
        if let Some(cluster) = cluster.and_then(|text| serde_json::from_str(text).ok()) {
            spec["cluster"] = cluster;
        }
        json!({"kind": "ExecCredential", "apiVersion": self.api_version, "spec": spec})
    }

    /// JSON, or YAML, of which it is a part: some plugins write that, and kubectl takes it.
    fn read(&self, stdout: &[u8]) -> Result<Given, String> {
        let documents = yaml::manifests(&String::from_utf8_lossy(stdout)).unwrap_or_default();
        let answer = documents.into_iter().next().unwrap_or_default();
        let answer: Answer = serde_json::from_value(answer)
            .map_err(|_| "its output is no ExecCredential".to_owned())?;
        if answer.kind.as_deref() != Some("ExecCredential") {
            return Err("its output is no ExecCredential".to_owned());
        }
        if let (Some(asked), Some(got)) = (&self.api_version, &answer.api_version)
            && asked != got
        {
            return Err(format!(
                "the kubeconfig asks it for {asked}, and its output is {got}"
            ));
        }
        let nothing = || "its output has no credentials".to_owned();
        let status = answer.status.ok_or_else(nothing)?;
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let token = filled(status.token);
        let certificate = match (
            filled(status.client_certificate_data),
            filled(status.client_key_data),
        ) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("its output has a certificate or a key, not both".to_owned()),
        };
        if token.is_none() && certificate.is_none() {
            return Err(nothing());
        }
        let expires = status.expiration_timestamp.map(|text| text.parse());
        let expires = expires
            .transpose()
            .map_err(|_| "its output has an expiry that is not a date".to_owned())?;
        Ok(Given {
            token,
            certificate,
            expires,
        })
    }

    fn not_started(&self, error: &io::Error) -> NoCredentials {
        let cause = match error.kind() {
            io::ErrorKind::NotFound if !self.command.contains('/') => {
                "there is no such program in PATH".to_owned()
            }
            io::ErrorKind::NotFound => "there is no such program".to_owned(),
            io::ErrorKind::PermissionDenied => "it may not be executed".to_owned(),
            _ => format!("it does not start: {}", without_number(&error.to_string())),
        };
        let mut failed = self.failed(&cause, b"");
        let hint = self.install_hint.iter();
        let hint = hint.filter(|hint| !hint.trim().is_empty());
        failed
            .details
            .extend(hint.map(|hint| ("how to install it".to_owned(), hint.clone())));
        failed
    }

    pub(super) fn failed(&self, cause: &str, stderr: &[u8]) -> NoCredentials {
        let told = told(stderr);
        let details = match cause.ends_with(&told) {
            // it stands in the message
            true => Vec::new(),
            false => vec![(format!("stderr of {}", self.command), told)],
        };
        NoCredentials {
            source_name: self.name(),
            cause: cause.to_owned(),
            details,
        }
    }
}

/// A process group that does not outlive the wait for it.
struct Group(Option<Pid>);

impl Group {
    fn of(leader: Option<u32>) -> Self {
        let leader = leader.and_then(|id| i32::try_from(id).ok());
        Self(leader.and_then(Pid::from_raw))
    }

    fn forget(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // one that is gone is what is wanted
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Reads all there is, and keeps the beginning.
async fn keep(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut buffer = [0; 4096];
    while let Ok(read) = from.read(&mut buffer).await
        && read > 0
    {
        let room = OUTPUT.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&buffer[..room]);
    }
}

/// The last line that says something.
fn telling_line(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let says_something = |line: &&str| line.chars().filter(|c| c.is_alphabetic()).count() > 1;
    let line = text.lines().map(str::trim).rfind(says_something)?;
    Some(beginning(line, 200))
}

/// Of a long text the beginning and the end.
fn told(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim();
    if text.len() <= TOLD {
        return text.to_owned();
    }
    let from = boundary(text, text.len() - TOLD / 2);
    let to = boundary(text, TOLD / 2);
    format!(
        "{}\n… {} bytes are left out …\n{}",
        &text[..to],
        from - to,
        &text[from..]
    )
}

/// The next place at which a text can be cut.
fn boundary(text: &str, at: usize) -> usize {
    (at..text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    use super::*;

    fn shell(script: &str) -> Plugin {
        Plugin {
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]),
            api_version: Some("client.authentication.k8s.io/v1".to_owned()),
            cluster: None,
            install_hint: Some("brew install sh".to_owned()),
        }
    }

    fn read(text: &str) -> Result<Given, String> {
        shell("").read(text.as_bytes())
    }

    #[test]
    fn credentials_are_read_from_json_and_yaml() {
        let head = "kind: ExecCredential\napiVersion: client.authentication.k8s.io/v1\n";
        let yaml = format!("{head}status: {{token: t, expirationTimestamp: 2030-01-01T00:00:00Z}}");
        let given = read(&yaml).unwrap();
        assert_eq!(given.token.as_deref(), Some("t"));
        assert_eq!(given.expires.unwrap().to_string(), "2030-01-01T00:00:00Z");
        let both =
            format!("{head}status: {{token: t, clientCertificateData: c, clientKeyData: k}}");
        let given = read(&both).unwrap();
        assert!(given.token.is_some() && given.certificate.is_some());
    }

    #[test]
    fn what_is_no_credential_is_told_without_showing_it() {
        let head = "kind: ExecCredential\napiVersion: client.authentication.k8s.io/v1\n";
        let cases = [
            ("hunter2".to_owned(), "its output is no ExecCredential"),
            (
                "{\"kind\": \"Status\"}".to_owned(),
                "its output is no ExecCredential",
            ),
            (head.to_owned(), "its output has no credentials"),
            (
                format!("{head}status: {{token: ' '}}"),
                "its output has no credentials",
            ),
            (
                format!("{head}status: {{clientKeyData: hunter2}}"),
                "its output has a certificate or a key, not both",
            ),
            (
                format!("{head}status: {{token: hunter2, expirationTimestamp: soon}}"),
                "its output has an expiry that is not a date",
            ),
            (
                "{kind: ExecCredential, apiVersion: client.authentication.k8s.io/v1beta1}"
                    .to_owned(),
                "the kubeconfig asks it for client.authentication.k8s.io/v1, and its output is \
                 client.authentication.k8s.io/v1beta1",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(read(&text).err().as_deref(), Some(expected), "{text}");
        }
    }

    #[tokio::test]
    async fn all_that_a_failing_plugin_says_is_told() {
        let script = "cat; echo hunter2; echo $GREETING >&2; echo 'log in first (' >&2; echo ')' >&2; exit 4";
        let failed = shell(script).run().await.err().unwrap();
        assert_eq!(
            failed.to_string(),
            "credential plugin `sh`: it ended with exit code 4: log in first ("
        );
        let told = "hello\nlog in first (\n)".to_owned();
        assert_eq!(failed.details, [("stderr of sh".to_owned(), told)]);
    }

    #[tokio::test]
    async fn a_plugin_that_is_missing_comes_with_what_its_maker_says() {
        let mut plugin = shell("");
        plugin.command = "no-such-plugin".to_owned();
        let failed = plugin.run().await.err().unwrap();
        assert_eq!(failed.cause, "there is no such program in PATH");
        assert_eq!(failed.details[0].1, "brew install sh");
    }

    /// A pipe that a script, and whatever it starts, may hold open.
    struct Held {
        folder: tempfile::TempDir,
        pipe: std::fs::File,
    }

    impl Held {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("pipe");
            let made = std::process::Command::new("mkfifo").arg(&path).status();
            assert!(made.unwrap().success());
            let pipe = std::fs::OpenOptions::new()
                .read(true)
                .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
                .open(&path)
                .unwrap();
            Self { folder, pipe }
        }

        /// A script that never ends, and starts something that holds the pipe and never ends either.
        fn script(&self) -> String {
            let pipe = self.folder.path().join("pipe");
            format!(
                "(echo held; sleep 100) > {} & echo waiting >&2; wait",
                pipe.display()
            )
        }

        /// Fails the test unless something has held it, and nobody does any more.
        async fn assert_let_go(mut self) {
            let deadline = std::time::Instant::now() + Duration::from_secs(30);
            let mut read = Vec::new();
            // the end comes with the last who could write
            while let Err(error) = self.pipe.read_to_end(&mut read) {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                assert!(std::time::Instant::now() < deadline, "it is still held");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert_eq!(read, b"held\n");
        }
    }

    #[tokio::test]
    async fn a_plugin_that_never_ends_is_ended_and_so_is_what_it_started() {
        let held = Held::new();
        let plugin = shell(&held.script());
        let failed = plugin.run_within(Duration::from_secs(2)).await;
        let failed = failed.err().unwrap();
        assert_eq!(
            failed.to_string(),
            "credential plugin `sh`: it took longer than 2s"
        );
        let told = ("stderr of sh".to_owned(), "waiting".to_owned());
        assert_eq!(failed.details, [told]);
        held.assert_let_go().await;
        assert_eq!(LONGEST, Duration::from_secs(60));
    }

    #[tokio::test]
    async fn a_plugin_ends_with_the_wait_for_it_and_so_does_what_it_started() {
        let held = Held::new();
        let plugin = shell(&held.script());
        let waiting = tokio::time::timeout(Duration::from_secs(2), plugin.run());
        assert!(waiting.await.is_err());
        held.assert_let_go().await;
    }

    #[tokio::test]
    async fn what_holds_the_output_of_a_plugin_that_ended_does_not_hold_the_wait() {
        let script = "echo '{kind: ExecCredential, status: {token: t}}'; sleep 8 &";
        let begun = std::time::Instant::now();
        let given = shell(script).run().await.ok().unwrap();
        assert_eq!(given.token.as_deref(), Some("t"));
        assert!(begun.elapsed() < Duration::from_secs(6));
    }

    #[test]
    fn a_long_text_is_cut_in_its_middle() {
        let long = format!("first {} last", "ä".repeat(TOLD));
        let told = told(long.as_bytes());
        assert!(told.len() < TOLD + 100 && told.starts_with("first ") && told.ends_with(" last"));
    }
}
