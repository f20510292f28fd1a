//! One command in one container: opens the WebSocket, carries stdin, stdout and stderr, and reads
//! the status. Frames are those of `v5.channel.k8s.io`: the first byte is the channel.
//!
//! See [the protocol](https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets).

use std::time::Duration;

use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use kube::client::Connection;
use kube::core::Request;
use kube::core::subresource::AttachParams;
use tokio::time::{timeout, timeout_at};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::super::attempts::Next;
use super::super::cause::Cause;
use super::super::client::Cluster;
use super::super::container::{PodTarget, needs_container};
use super::super::error::{ClusterError, seconds};
use super::super::resource::{Resource, encoded};
use super::super::retry::{Repeat, Setback};
use super::super::transport;
use super::abandoned::UnderWay;
use super::places::ExecPlace;
use super::status::{Ending, ending};
use super::stop;
use super::witness::{Witness, lacks_shell};
use crate::output::{Intake, Output, Text};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const CLOSE: u8 = 255;
/// How many bytes of a status are read.
const STATUS_LIMIT: usize = 64 * 1024;
const STDIN_CHUNK: usize = 32 * 1024;
/// How long to wait for the server's close after the status; everything is known by then.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// How long ending a command that outlived its time-out may take.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// How much a command may take.
#[derive(Debug, Clone)]
pub struct ExecLimits {
    /// The time for all of it, connecting included; 30 s by default.
    pub timeout: Duration,
    /// How stdout is taken in; 1 MiB of it is kept by default.
    pub stdout: Intake,
    /// As `stdout`.
    pub stderr: Intake,
}

impl Default for ExecLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            stdout: Intake::default(),
            stderr: Intake::default(),
        }
    }
}

/// What a command that ran answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecResult {
    /// Its exit code; 128 + n where signal n ended it.
    pub exit: i32,
    /// What it printed.
    pub stdout: Text,
    /// As `stdout`.
    pub stderr: Text,
    /// From the request to the last answer.
    pub took: Duration,
}

/// How far a command had come when its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecReached {
    /// The API server had not answered.
    Nothing,
    /// The API server had taken the request, and nothing says that the command runs: the API server
    /// answers before it has reached the kubelet.
    ApiServer,
    /// It runs.
    Command,
}

/// Why a command gave no answer.
///
/// Its exit code, whatever it is, is an answer, never an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// It did not run: no such pod, container or executable, no connection to the node, no permission.
    #[error("the command did not start: {cause}")]
    NotStarted {
        /// The cluster's own words.
        cause: String,
    },

    /// It ran, and how it ended is not known: the connection broke, or the container went.
    #[error("the command's connection broke: {cause}")]
    Broken {
        /// What happened.
        cause: String,
        /// What it had printed, for people.
        stdout: String,
        /// As `stdout`.
        stderr: String,
    },

    /// The time was over.
    #[error("the command {} within {}", if *.reached == ExecReached::Command { "did not end" } else { "did not start" }, seconds(*.after))]
    TimedOut {
        /// How far it had come; unless it runs, nothing is known about the thing under test.
        reached: ExecReached,
        /// The time it had.
        after: Duration,
        /// What it had printed, for people.
        stdout: String,
        /// As `stdout`.
        stderr: String,
    },
}

impl ExecError {
    /// Whether the command could not be tried: nothing is known about the thing under test.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::NotStarted { .. } | Self::Broken { .. } => true,
            Self::TimedOut { reached, .. } => *reached != ExecReached::Command,
        }
    }
}

/// What has come so far, kept outside of the future that a time-out drops.
struct Progress<'a> {
    stdout: Output,
    stderr: Output,
    /// Hears what stderr has for it alone.
    witness: &'a mut Witness,
    status: Vec<u8>,
    has_started: bool,
}

impl<'a> Progress<'a> {
    fn new(stdout: &Intake, stderr: &Intake, witness: &'a mut Witness) -> Self {
        Self {
            stdout: stdout.begin(),
            stderr: stderr.begin(),
            witness,
            status: Vec::new(),
            has_started: false,
        }
    }

    fn take(&mut self, frame: &[u8]) {
        match frame.split_first() {
            Some((&STDOUT, bytes)) => self.stdout.push(bytes),
            Some((&STDERR, bytes)) => self.stderr.push(&self.witness.hear(bytes)),
            // a status is short; one that never comes to its end must not fill the memory
            Some((&STATUS, bytes)) => {
                let room = STATUS_LIMIT.saturating_sub(self.status.len());
                self.status
                    .extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            // A channel that is closed, or one of a later protocol.
            Some(_) | None => {}
        }
    }

    fn has_printed(&self) -> bool {
        let is_silent = self.stdout.is_empty() && self.stderr.is_empty();
        !is_silent || self.witness.has_spoken()
    }

    fn into_outputs(mut self) -> (Text, Text) {
        self.stderr.push(&self.witness.rest());
        (self.stdout.finish(), self.stderr.finish())
    }
}

impl Cluster {
    /// One session, as the API server tells it: what [`Cluster::exec`] is made of. The witness's own
    /// lines are no part of stderr.
    pub(in super::super) async fn exec_bare(
        &self,
        place: ExecPlace,
        target: &PodTarget,
        command: &[String],
        stdin: Option<Vec<u8>>,
        limits: &ExecLimits,
        witness: &mut Witness,
    ) -> Result<ExecResult, ExecError> {
        let under_way = UnderWay::new(self, target, command, place);
        let begun = under_way.begun();
        let mut progress = Progress::new(&limits.stdout, &limits.stderr, witness);
        let session = self.session(target, command, stdin, &mut progress);
        let ended = timeout_at(begun + limits.timeout, session).await;
        let took = begun.elapsed();
        // What printed something has started, whatever the status says.
        let has_printed = progress.has_printed();
        let has_started = progress.has_started;
        let mut reached = match has_started {
            true => ExecReached::Command,
            false => ExecReached::Nothing,
        };
        if ended.is_err() && has_started {
            let is_answering = self.stop(target, command, took).await;
            // The API server takes a request before it has reached the node.
            if !has_printed && !is_answering {
                reached = ExecReached::ApiServer;
            }
        }
        match &ended {
            // what runs behind a broken connection is told to end, beside
            Ok(Err(_)) if has_started => drop(under_way),
            _ => under_way.over(),
        }
        let (stdout, stderr) = progress.into_outputs();
        let (cause, has_run) = match ended {
            Ok(Ok(Ending::Exit(exit))) => {
                return Ok(ExecResult {
                    exit,
                    stdout,
                    stderr,
                    took,
                });
            }
            Err(_elapsed) => {
                return Err(ExecError::TimedOut {
                    reached,
                    after: limits.timeout,
                    stdout: stdout.shown().into_owned(),
                    stderr: stderr.shown().into_owned(),
                });
            }
            Ok(Ok(Ending::Failure(cause))) => (cause, has_printed),
            Ok(Err(cause)) => (cause, has_started),
        };
        Err(if has_run {
            ExecError::Broken {
                cause,
                stdout: stdout.shown().into_owned(),
                stderr: stderr.shown().into_owned(),
            }
        } else {
            ExecError::NotStarted { cause }
        })
    }

    async fn session(
        &self,
        target: &PodTarget,
        command: &[String],
        stdin: Option<Vec<u8>>,
        progress: &mut Progress<'_>,
    ) -> Result<Ending, String> {
        let connection = match self.upgrade(target, command, stdin.is_some()).await {
            Err(cause) if target.container.is_none() && needs_container(&cause) => {
                let target = self.with_container(target).await;
                let target = target.map_err(|error| error.to_string())?;
                self.upgrade(&target, command, stdin.is_some()).await?
            }
            result => result?,
        };
        if stdin.is_some() && !connection.supports_stream_close() {
            return Err("stdin needs Kubernetes 1.30: before, its end cannot be told".to_owned());
        }
        progress.has_started = true;
        let (writer, reader) = connection.into_stream().split();
        let reading = read(reader, progress);
        let Some(stdin) = stdin else {
            let ending = reading.await;
            drop(writer);
            return ending;
        };
        // Both at once: a command that prints while it reads would block, and we with it.
        let mut reading = std::pin::pin!(reading);
        tokio::select! {
            ending = &mut reading => ending,
            // A command may end without having read all: what counts is what it answers.
            _writer = write(writer, &stdin) => reading.await,
        }
    }

    /// Has the session begun; again, for as long as the caller waits, where the request certainly
    /// reached nothing that could have started the command.
    async fn upgrade(
        &self,
        target: &PodTarget,
        command: &[String],
        has_stdin: bool,
    ) -> Result<Connection, String> {
        let parameters = AttachParams {
            container: target.container.clone(),
            stdin: has_stdin,
            ..AttachParams::default()
        };
        let request = Request::new(Resource::pod().path(Some(&target.namespace)))
            .exec(&encoded(&target.pod), command, &parameters)
            .map_err(|error| error.to_string())?;
        let mut attempts = self.transport().attempts();
        loop {
            let connection = self.transport().client.connect(request.clone()).await;
            let cause = match connection {
                Ok(connection) => return Ok(connection),
                Err(error) => Cause::of(&error),
            };
            let error = ClusterError::Unavailable {
                cause: cause.to_string(),
            };
            let what = || format!("an exec in pod {}", target.pod);
            let setback = setback(&cause);
            let again = attempts.wait(Repeat::Unsafe, &setback, &error, what);
            if again.await == Next::Not {
                return Err(cause.to_string());
            }
        }
    }

    /// Ends a command inside its container, if it can be. Tells whether the node answered: also
    /// that there is no shell to end it is an answer.
    pub(super) async fn stop(&self, target: &PodTarget, command: &[String], age: Duration) -> bool {
        let stop = stop::command(command, age);
        let (few, mut nobody) = (Intake::keep(1024), Witness::none());
        let mut progress = Progress::new(&few, &few, &mut nobody);
        let ended = timeout(
            STOP_PATIENCE,
            self.session(target, &stop, None, &mut progress),
        )
        .await;
        if !matches!(ended, Ok(Ok(Ending::Exit(0)))) {
            tracing::debug!(
                pod = target.pod,
                "a command that outlived its time-out may still run"
            );
        }
        match ended {
            Ok(Ok(Ending::Exit(_))) => true,
            // The API server tells in the same way that it cannot reach the node.
            Ok(Ok(Ending::Failure(cause)) | Err(cause)) => lacks_shell(&cause),
            Err(_elapsed) => false,
        }
    }
}

/// Reads until the server closes; the words of the error say why there is no status.
async fn read(
    mut frames: impl Stream<Item = Result<Message, SocketError>> + Unpin,
    progress: &mut Progress<'_>,
) -> Result<Ending, String> {
    loop {
        let known = ending(&progress.status);
        let frame = match &known {
            Some(_) => timeout(CLOSE_PATIENCE, frames.next()).await.ok().flatten(),
            None => frames.next().await,
        };
        let cause = match frame {
            Some(Ok(Message::Binary(frame))) => {
                progress.take(&frame);
                continue;
            }
            Some(Ok(
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
            )) => {
                continue;
            }
            Some(Ok(Message::Close(close))) => match close {
                Some(close) if !close.reason.is_empty() => {
                    format!(
                        "the server closed it without an exit code: {}",
                        close.reason
                    )
                }
                _ => "the server closed it without an exit code".to_owned(),
            },
            None => "it ended without an exit code".to_owned(),
            Some(Err(error)) => socket_words(&error),
        };
        return known.ok_or(cause);
    }
}

/// What a refused upgrade means for the retry: with 503 the API server, or a load balancer before
/// it, says that it did not get to it.
fn setback(cause: &Cause) -> Setback {
    match cause {
        Cause::Answer { code: 503, .. } => Setback::NotSent,
        cause => transport::setback(cause),
    }
}

fn socket_words(error: &SocketError) -> String {
    match error {
        SocketError::Io(error) => super::super::cause::without_number(&error.to_string()),
        SocketError::Protocol(error) => format!("it broke off: {error}"),
        other => other.to_string(),
    }
}

/// Sends all of stdin, then closes it. Gives the writer back, since dropping half of the socket
/// must wait until the other half is done.
async fn write<W: Sink<Message> + Unpin>(mut writer: W, stdin: &[u8]) -> W {
    for chunk in stdin.chunks(STDIN_CHUNK) {
        let mut frame = Vec::with_capacity(chunk.len() + 1);
        frame.push(STDIN);
        frame.extend_from_slice(chunk);
        if writer.feed(Message::binary(frame)).await.is_err() {
            return writer;
        }
    }
    // Where the socket is broken, the reader says so.
    let _ = writer.send(Message::binary(vec![CLOSE, STDIN])).await;
    writer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuzz_any_frames_are_read_and_bounded() {
        let statuses = [
            r#"{"metadata":{},"status":"Success"}"#,
            r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"137"}]}}"#,
            r#"{"status":"Failure","reason":"InternalError","message":"gone","code":500}"#,
        ];
        crate::fuzz::run(
            "exec frames",
            300,
            |chance| {
                let frames: Vec<Message> = (0..chance.below(12))
                    .map(|_| match chance.below(8) {
                        0 => Message::binary(chance.bytes(20)),
                        1 => Message::text("text"),
                        2 => Message::Close(None),
                        3 => Message::Ping(chance.bytes(5).into()),
                        channel => {
                            let status = chance.spoilt(&statuses).into_bytes();
                            Message::binary(
                                [vec![u8::try_from(channel).unwrap() - 4], status].concat(),
                            )
                        }
                    })
                    .collect();
                frames
            },
            |frames| {
                let (few, mut nobody) = (Intake::keep(64), Witness::none());
                let mut progress = Progress::new(&few, &few, &mut nobody);
                let frames = frames.iter().cloned().map(Ok);
                let reading = read(futures::stream::iter(frames), &mut progress);
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build();
                let _ = runtime.unwrap().block_on(reading);
                assert!(progress.status.len() <= STATUS_LIMIT);
                let (stdout, stderr) = progress.into_outputs();
                // bytes that are no text are replaced by three each
                assert!(stdout.shown().len() <= 3 * 64 + 100);
                assert!(stderr.shown().len() <= 3 * 64 + 100);
            },
        );
    }

    #[test]
    fn a_status_without_an_end_is_bounded() {
        let (few, mut nobody) = (Intake::keep(64), Witness::none());
        let mut progress = Progress::new(&few, &few, &mut nobody);
        for _ in 0..100 {
            progress.take(&[vec![STATUS], vec![b'['; 10_000]].concat());
        }
        assert_eq!(progress.status.len(), STATUS_LIMIT);
        assert_eq!(ending(&progress.status), None);
    }
}
