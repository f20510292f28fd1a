//! Reads and follows what containers log. Which pods are meant, and what is kept of it, is the
//! caller's.
//!
//! See [the log subresource](https://kubernetes.io/docs/reference/kubernetes-api/core/pod-v1/#get-read-log-of-the-specified-pod).

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use jiff::Timestamp;
use kube::client::Body;
use tokio::time::{Instant, timeout_at};

use super::attempts::Next;
use super::cause::Cause;
use super::client::Cluster;
use super::container::{PodTarget, needs_container};
use super::error::{ClusterError, seconds};
use super::resource::{ObjectKey, Resource, encoded};
use super::retry::{Repeat, Setback};
use super::transport::{Call, Opened};
use crate::output::{Intake, Look, Output, Text};

/// Which part of a log is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// Only what is this young.
    pub since: Option<LogSince>,
    /// Of the container before this one, which ended.
    pub previous: bool,
    /// Only so many lines from the end; they are counted after `since`.
    pub tail: Option<u64>,
    /// Begins each line with its time, RFC 3339 with nanoseconds.
    pub timestamps: bool,
    /// The time for all of it; 30 s by default. When following, for the beginning only.
    pub timeout: Duration,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            since: None,
            previous: false,
            tail: None,
            timestamps: false,
            timeout: Duration::from_secs(30),
        }
    }
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSince {
    /// So long ago, by the clock of the container's node; whole seconds, rounded up.
    Ago(Duration),
    /// This moment, by the same clock; whole seconds, rounded down.
    Time(Timestamp),
}

/// Why there is no log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The container has not started yet, and so has logged nothing.
    #[error("{message}")]
    NotStarted {
        /// The cluster's own words: `container "app" in pod "web-0" is waiting to start: ContainerCreating`.
        message: String,
    },

    /// There was no container before this one, or its log is gone.
    #[error("{message}")]
    NoPrevious {
        /// The cluster's own words.
        message: String,
    },

    /// The request had no good end: no such pod, no permission, no connection to the node.
    #[error(transparent)]
    Cluster(#[from] ClusterError),

    /// The connection broke while the log came in.
    #[error("the log broke off: {cause}")]
    Broken {
        /// What happened.
        cause: String,
    },
}

impl LogError {
    /// Whether the log could not be asked for: nothing is known about the thing under test.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::NotStarted { .. } | Self::NoPrevious { .. } => false,
            Self::Cluster(error) => error.is_environment(),
            Self::Broken { .. } => true,
        }
    }
}

/// A log that is followed; ends when the container does.
///
/// Dropping it ends the request.
#[derive(Debug)]
pub struct LogStream {
    body: Body,
}

impl LogStream {
    /// The next chunk, which ends anywhere, also within a line; `None` when the container has ended.
    ///
    /// Adds no time-out of its own: a container may be silent for hours. Nothing is lost where the
    /// future is dropped.
    ///
    /// # Errors
    /// [`LogError::Broken`] where the connection broke; the container may still run.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, LogError> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        return Ok(Some(bytes.to_vec()));
                    }
                }
                Some(Err(error)) => {
                    let cause = Cause::of(&error).to_string();
                    return Err(LogError::Broken { cause });
                }
            }
        }
    }
}

impl Cluster {
    /// Reads what a container has logged so far into an output, stdout and stderr together; from its
    /// beginning again where the connection breaks. What had come in is there after an error too.
    ///
    /// It is the log of the container that runs, or ran last. The kubelet tells of its current file
    /// only, which has 10 MiB at most by default: what a container logged before is gone, and nothing
    /// says so.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn logs(
        &self,
        target: &PodTarget,
        options: &LogOptions,
        output: &mut Output,
    ) -> Result<(), LogError> {
        let end = Instant::now() + options.timeout;
        let before = output.clone();
        let reading = async {
            let mut attempts = self.transport().attempts();
            let mut last = None;
            loop {
                let cause = match self.read_log(target, options, &mut last, output).await {
                    Err(LogError::Broken { cause }) => cause,
                    result => return result,
                };
                let error = ClusterError::Unavailable {
                    cause: cause.clone(),
                };
                let what = || format!("reading the log of pod {}", target.pod);
                let again = attempts.wait(Repeat::Safe, &Setback::Broken, &error, what);
                if again.await == Next::Not {
                    return Err(LogError::Broken { cause });
                }
                output.clone_from(&before);
            }
        };
        timeout_at(end, reading).await.unwrap_or_else(|_elapsed| {
            Err(LogError::Broken {
                cause: format!("it did not end within {}", seconds(options.timeout)),
            })
        })
    }

    /// `known` is the last line before the first reading: also where a later one begins in a new file
    /// of the kubelet's, which does not have what was in the one before. Where the log begins so long
    /// ago, it begins later for each request, and may have left that line behind.
    async fn read_log(
        &self,
        target: &PodTarget,
        options: &LogOptions,
        known: &mut Option<Vec<u8>>,
        output: &mut Output,
    ) -> Result<(), LogError> {
        let mut target = target.clone();
        let line = match known {
            Some(line) => line,
            None => known.insert(self.last_line(&mut target, options).await?),
        };
        let mut end = End::of(line);
        let mut stream = self.open_log(&mut target, options, Follow::No).await?;
        let mut last = LastLine::default();
        while let Some(bytes) = stream.next().await? {
            output.push(&bytes);
            last.push(&bytes);
            end.push(&bytes);
        }
        if let Some(cause) = last.complaint() {
            return Err(LogError::Broken { cause });
        }
        if end.came() {
            return Ok(());
        }
        if matches!(options.since, Some(LogSince::Ago(_))) {
            // what is there by now is for the next reading: this one may have broken off all the same
            *known = Some(self.last_line(&mut target, options).await?);
        }
        Err(LogError::Broken {
            cause: "it ended before a line that was there already".to_owned(),
        })
    }

    /// The beginning of the last line that there is by now; empty where there is none, or where it may
    /// not be among the lines that are asked for a moment later.
    async fn last_line(
        &self,
        target: &mut PodTarget,
        options: &LogOptions,
    ) -> Result<Vec<u8>, LogError> {
        if options.tail.is_some() {
            return Ok(Vec::new());
        }
        let last = LogOptions {
            tail: Some(1),
            // of a line of more than 16 KiB this is the last part, which has no time in the whole
            timestamps: false,
            ..options.clone()
        };
        let mut stream = self.open_log(target, &last, Follow::No).await?;
        let mut line = Vec::new();
        while line.len() < LastLine::LONGEST
            && let Some(bytes) = stream.next().await?
        {
            line.extend_from_slice(&bytes);
        }
        line.truncate(LastLine::LONGEST);
        let end = line.iter().position(|byte| *byte == b'\n');
        line.truncate(end.unwrap_or(line.len()));
        Ok(line)
    }

    /// Whether an output has the last line that a log has by now: otherwise what was followed of a
    /// container that has ended is a part of its log. A line that comes again and again proves little.
    ///
    /// # Errors
    /// [`LogError`]; [`LogError::Broken`] where `timeout` passes.
    pub async fn has_last_line(
        &self,
        target: &PodTarget,
        output: &Output,
        timeout: Duration,
    ) -> Result<bool, LogError> {
        let mut target = target.clone();
        let options = LogOptions::default();
        let reading = tokio::time::timeout(timeout, self.last_line(&mut target, &options));
        let line = reading.await.unwrap_or_else(|_elapsed| {
            Err(LogError::Broken {
                cause: format!("it did not end within {}", seconds(timeout)),
            })
        })?;
        Ok(output.has_in_last_line(&without_cut(&line)))
    }

    /// Follows what a container logs, from the part that the options pick, until it ends.
    ///
    /// # Errors
    /// [`LogError`]; [`LogError::NotStarted`] where it is too early.
    pub async fn follow_logs(
        &self,
        target: &PodTarget,
        options: &LogOptions,
    ) -> Result<LogStream, LogError> {
        let mut target = target.clone();
        let opening = self.open_log(&mut target, options, Follow::Yes);
        match tokio::time::timeout(options.timeout, opening).await {
            Ok(result) => result,
            Err(_elapsed) => Err(LogError::Cluster(ClusterError::TimedOut {
                what: format!("opening the log of pod {}", target.pod),
                after: options.timeout,
            })),
        }
    }

    /// Names the container in the target, where several make that necessary.
    async fn open_log(
        &self,
        target: &mut PodTarget,
        options: &LogOptions,
        follow: Follow,
    ) -> Result<LogStream, LogError> {
        let opened = match self.open_log_of(target, options, follow).await {
            Err(ClusterError::Refused(refusal))
                if target.container.is_none() && needs_container(&refusal.message) =>
            {
                *target = self.with_container(target).await?;
                self.open_log_of(target, options, follow).await
            }
            result => result,
        };
        match opened {
            Ok(opened) => Ok(LogStream { body: opened.body }),
            Err(error) => Err(explained(error)),
        }
    }

    async fn open_log_of(
        &self,
        target: &PodTarget,
        options: &LogOptions,
        follow: Follow,
    ) -> Result<Opened, ClusterError> {
        let call = Call::get(path(target, options, follow)).accept("text/plain, */*");
        self.transport().open(&call).await
    }
}

/// What comes after the last line end of a log, as much of it as a message has.
///
/// A kubelet that cannot read a log answers 200 all the same, and writes why in place of the log, or
/// of its rest (kubernetes#142258).
#[derive(Default)]
struct LastLine(Vec<u8>);

impl LastLine {
    const LONGEST: usize = 1024;

    fn push(&mut self, bytes: &[u8]) {
        let line = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => {
                self.0.clear();
                &bytes[end + 1..]
            }
            None => bytes,
        };
        let room = Self::LONGEST.saturating_sub(self.0.len());
        self.0.extend_from_slice(&line[..line.len().min(room)]);
    }

    /// Why the log is none, in the kubelet's words.
    fn complaint(&self) -> Option<String> {
        let line = String::from_utf8_lossy(&self.0);
        let is_complaint = [
            "unable to retrieve container logs for ",
            "failed to try resolving symlinks in path ",
            "failed to open log file ",
            "failed to create fsnotify watcher",
        ]
        .iter()
        .any(|words| line.starts_with(words));
        is_complaint.then(|| line.into_owned())
    }
}

/// Looks for a line that a log has.
///
/// An API server that loses the kubelet, or is shut down, while it hands a log on ends its answer in
/// good order: nothing else tells that it is not whole. A line that comes again and again proves
/// little, but most begin with their time.
struct End(Option<Output>);

impl End {
    fn of(line: &[u8]) -> Self {
        let line = Some(line).filter(|line| !line.is_empty());
        Self(line.map(|line| {
            let look = Look::new(vec![without_cut(line)], &[], None);
            Intake::keep(0).looking_for(Arc::new(look)).begin()
        }))
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(output) = &mut self.0 {
            output.push(bytes);
        }
    }

    fn came(self) -> bool {
        match self.0.map(Output::finish) {
            Some(Text::Cut(cut)) => cut.seen().has_text(0) == Some(true),
            Some(Text::Whole(_)) => false,
            None => true,
        }
    }
}

/// The beginning of a line as text: where it is cut, the cut may be within a character.
fn without_cut(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    line.trim_end_matches('\u{fffd}').to_owned()
}

/// Whether to wait for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follow {
    Yes,
    No,
}

fn path(target: &PodTarget, options: &LogOptions, follow: Follow) -> String {
    let pod = ObjectKey::new(Resource::pod(), Some(&target.namespace), &target.pod);
    let mut query = Vec::new();
    if let Some(container) = &target.container {
        query.push(format!("container={}", encoded(container)));
    }
    match options.since {
        None => {}
        // Zero is refused. Nothing younger may be lost, so a part of a second counts as one.
        Some(LogSince::Ago(span)) => {
            let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
            query.push(format!("sinceSeconds={}", seconds.max(1)));
        }
        Some(LogSince::Time(time)) => {
            let time = time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            query.push(format!("sinceTime={}", encoded(&time)));
        }
    }
    if let Some(tail) = options.tail {
        query.push(format!("tailLines={tail}"));
    }
    for (is_set, flag) in [
        (options.previous, "previous=true"),
        (options.timestamps, "timestamps=true"),
        (follow == Follow::Yes, "follow=true"),
    ] {
        if is_set {
            query.push(flag.to_owned());
        }
    }
    format!("{}/log?{}", pod.path(), query.join("&"))
}

/// Tells by the kubelet's words whether it is too early; it answers 400 to many things.
fn explained(error: ClusterError) -> LogError {
    let message = error.to_string();
    let is_bad_request = error.code() == Some(400);
    if is_bad_request && message.contains("previous terminated container") {
        LogError::NoPrevious { message }
    } else if is_bad_request
        && (message.contains("is waiting to start") || message.contains("is not available"))
    {
        LogError::NotStarted { message }
    } else {
        LogError::Cluster(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(container: Option<&str>) -> PodTarget {
        PodTarget {
            namespace: "n".to_owned(),
            pod: "p".to_owned(),
            container: container.map(str::to_owned),
        }
    }

    #[test]
    fn the_path_is_that_of_the_api() {
        let options = LogOptions {
            since: Some(LogSince::Ago(Duration::from_millis(1500))),
            tail: Some(7),
            previous: true,
            ..LogOptions::default()
        };
        assert_eq!(
            path(&target(Some("c")), &options, Follow::No),
            "/api/v1/namespaces/n/pods/p/log?container=c&sinceSeconds=2&tailLines=7&previous=true"
        );
        let options = LogOptions {
            since: Some(LogSince::Ago(Duration::ZERO)),
            ..LogOptions::default()
        };
        assert_eq!(
            path(&target(None), &options, Follow::Yes),
            "/api/v1/namespaces/n/pods/p/log?sinceSeconds=1&follow=true"
        );
        let time = "2026-01-02T03:04:05.9Z".parse().unwrap();
        let options = LogOptions {
            since: Some(LogSince::Time(time)),
            ..LogOptions::default()
        };
        let sent = path(&target(None), &options, Follow::No);
        assert!(sent.ends_with("sinceTime=2026-01-02T03:04:05Z"), "{sent}");
    }

    #[test]
    fn a_kubelets_complaint_is_no_log() {
        let complaint = |pieces: &[&str]| {
            let mut last = LastLine::default();
            for piece in pieces {
                last.push(piece.as_bytes());
            }
            last.complaint()
        };
        let words = "unable to retrieve container logs for containerd://b91c";
        assert_eq!(complaint(&[words]).as_deref(), Some(words));
        assert_eq!(
            complaint(&["a\n", &words[..9], &words[9..]]).as_deref(),
            Some(words)
        );
        // a container's own line has an end, or is another
        assert_eq!(complaint(&[words, "\n"]), None);
        assert_eq!(complaint(&["it was ", words]), None);
        assert_eq!(complaint(&[]), None);
    }

    #[test]
    fn too_early_is_told_from_wrong() {
        let explain = |message: &str| {
            let body = serde_json::json!({"message": message, "reason": "BadRequest"}).to_string();
            explained(ClusterError::from_answer(400, body.as_bytes()))
        };
        let waiting = "container \"c\" in pod \"p\" is waiting to start: ContainerCreating";
        assert!(matches!(explain(waiting), LogError::NotStarted { .. }));
        let previous = "previous terminated container \"c\" in pod \"p\" not found";
        assert!(matches!(explain(previous), LogError::NoPrevious { .. }));
        let unknown = "container x is not valid for pod p";
        assert!(matches!(explain(unknown), LogError::Cluster(_)));
    }
}
