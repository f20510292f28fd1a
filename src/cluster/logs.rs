//! Reads and follows what containers log. Which pods are meant is the caller's.
//!
//! See [the log subresource](https://kubernetes.io/docs/reference/kubernetes-api/core/pod-v1/#get-read-log-of-the-specified-pod).

use std::time::Duration;

use http_body_util::BodyExt as _;
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
use crate::output::Output;

/// Which part of a log is wanted, and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// Only what was logged this long ago or later; whole seconds, rounded up.
    pub since: Option<Duration>,
    /// Of the container before this one, which ended.
    pub previous: bool,
    /// Only so many lines from the end; they are counted after `since`.
    pub tail: Option<u64>,
    /// Begins each line with its time, RFC 3339 with nanoseconds.
    pub timestamps: bool,
    /// How many bytes are kept; 1 MiB by default. Of more, the beginning and the end are.
    ///
    /// Does not count when following: there, each chunk goes to the caller.
    pub limit: usize,
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
            limit: 1024 * 1024,
            timeout: Duration::from_secs(30),
        }
    }
}

/// What a container logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogText {
    /// The log, stdout and stderr together; of more than the limit, the beginning and the end with
    /// a line between that says so.
    pub bytes: Vec<u8>,
    /// How many bytes are not kept.
    pub left_out: u64,
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
        /// What had come in; empty when following.
        partial: Vec<u8>,
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
                    let partial = Vec::new();
                    let cause = Cause::of(&error).to_string();
                    return Err(LogError::Broken { cause, partial });
                }
            }
        }
    }
}

impl Cluster {
    /// Reads what a container has logged so far; from its beginning again where the connection breaks.
    ///
    /// The kubelet keeps the last 10 MiB of a container by default, and of those that ended the one
    /// before this.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn logs(
        &self,
        target: &PodTarget,
        options: &LogOptions,
    ) -> Result<LogText, LogError> {
        let end = Instant::now() + options.timeout;
        let mut output = Output::new(options.limit);
        let reading = async {
            let mut attempts = self.transport().attempts();
            loop {
                let broken = match self.read_log(target, options, &mut output).await {
                    Err(LogError::Broken { cause, .. }) => cause,
                    result => return result,
                };
                let error = ClusterError::Unavailable {
                    cause: broken.clone(),
                };
                let what = || format!("reading the log of pod {}", target.pod);
                let again = attempts.wait(Repeat::Safe, &Setback::Broken, &error, what);
                if again.await == Next::Not {
                    let (cause, partial) = (broken, Vec::new());
                    return Err(LogError::Broken { cause, partial });
                }
                output = Output::new(options.limit);
            }
        };
        let ended = timeout_at(end, reading).await;
        let left_out = output.left_out();
        let bytes = output.into_bytes();
        match ended {
            Ok(Ok(())) => Ok(LogText { bytes, left_out }),
            Ok(Err(LogError::Broken { cause, .. })) => Err(LogError::Broken {
                cause,
                partial: bytes,
            }),
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => Err(LogError::Broken {
                cause: format!("it did not end within {}", seconds(options.timeout)),
                partial: bytes,
            }),
        }
    }

    async fn read_log(
        &self,
        target: &PodTarget,
        options: &LogOptions,
        output: &mut Output,
    ) -> Result<(), LogError> {
        let mut stream = self.open_log(target, options, Follow::No).await?;
        while let Some(bytes) = stream.next().await? {
            output.push(&bytes);
        }
        Ok(())
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
        let opening = self.open_log(target, options, Follow::Yes);
        match tokio::time::timeout(options.timeout, opening).await {
            Ok(result) => result,
            Err(_elapsed) => Err(LogError::Cluster(ClusterError::TimedOut {
                what: format!("opening the log of pod {}", target.pod),
                after: options.timeout,
            })),
        }
    }

    async fn open_log(
        &self,
        target: &PodTarget,
        options: &LogOptions,
        follow: Follow,
    ) -> Result<LogStream, LogError> {
        let opened = match self.open_log_of(target, options, follow).await {
            Err(ClusterError::Refused(refusal))
                if target.container.is_none() && needs_container(&refusal.message) =>
            {
                let target = self.with_container(target).await?;
                self.open_log_of(&target, options, follow).await
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
    if let Some(since) = options.since {
        // Zero is refused. Nothing younger may be lost, so a part of a second counts as one.
        let seconds = since.as_secs() + u64::from(since.subsec_nanos() > 0);
        query.push(format!("sinceSeconds={}", seconds.max(1)));
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
            since: Some(Duration::from_millis(1500)),
            tail: Some(7),
            previous: true,
            ..LogOptions::default()
        };
        assert_eq!(
            path(&target(Some("c")), &options, Follow::No),
            "/api/v1/namespaces/n/pods/p/log?container=c&sinceSeconds=2&tailLines=7&previous=true"
        );
        let options = LogOptions {
            since: Some(Duration::ZERO),
            ..LogOptions::default()
        };
        assert_eq!(
            path(&target(None), &options, Follow::Yes),
            "/api/v1/namespaces/n/pods/p/log?sinceSeconds=1&follow=true"
        );
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
