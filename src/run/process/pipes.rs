//! The program's stdin, stdout and stderr, carried side by side: none can block the others, and no
//! amount of output takes more memory than its bound.

use std::convert::Infallible;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use crate::output::{Intake, Output, Text};

const CHUNK: usize = 64 * 1024;

/// The three pipes, and what came through them.
pub(super) struct Pipes {
    stdin: Option<Feed>,
    stdout: Pipe<ChildStdout>,
    stderr: Pipe<ChildStderr>,
}

impl Pipes {
    /// Takes the child's pipes; `stdin` is what it may read.
    pub(super) fn of(
        child: &mut Child,
        stdin: Option<Vec<u8>>,
        (stdout, stderr): (&Intake, &Intake),
    ) -> Self {
        Self {
            stdin: child.stdin.take().zip(stdin).map(|(pipe, bytes)| Feed {
                pipe,
                bytes,
                sent: 0,
            }),
            stdout: Pipe::new(child.stdout.take(), stdout),
            stderr: Pipe::new(child.stderr.take(), stderr),
        }
    }

    /// Carries until stdin is sent and both outputs are at their end, which is when nobody holds
    /// them open any more. May be dropped and called again: nothing is lost.
    pub(super) async fn flow(&mut self) {
        let Self {
            stdin,
            stdout,
            stderr,
        } = self;
        loop {
            tokio::select! {
                () = stdout.step(), if stdout.is_open() => {}
                () = stderr.step(), if stderr.is_open() => {}
                () = feed(stdin), if stdin.is_some() => {}
                else => return,
            }
        }
    }

    /// As [`flow`](Self::flow), and goes on for ever.
    pub(super) async fn flow_for_ever(&mut self) -> Infallible {
        self.flow().await;
        std::future::pending().await
    }

    /// Nobody is there to read it any more.
    pub(super) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// What was printed to stdout and stderr.
    pub(super) fn into_outputs(self) -> (Text, Text) {
        (self.stdout.output.finish(), self.stderr.output.finish())
    }
}

/// What is still to be sent to stdin.
struct Feed {
    pipe: ChildStdin,
    bytes: Vec<u8>,
    sent: usize,
}

/// Sends a piece; closes stdin when all is sent, or nobody reads it: a program may end, or close
/// its stdin, without having read all, and what counts is what it answers.
async fn feed(stdin: &mut Option<Feed>) {
    let Some(Feed { pipe, bytes, sent }) = stdin else {
        return;
    };
    let rest = &bytes[*sent..];
    match pipe.write(&rest[..rest.len().min(CHUNK)]).await {
        Ok(written) if written > 0 => *sent += written,
        Ok(_) => *stdin = None,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(_) => *stdin = None,
    }
}

/// One output on its way in.
struct Pipe<R> {
    pipe: Option<R>,
    output: Output,
    chunk: Box<[u8]>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(pipe: Option<R>, intake: &Intake) -> Self {
        Self {
            pipe,
            output: intake.begin(),
            chunk: vec![0; CHUNK].into_boxed_slice(),
        }
    }

    fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    async fn step(&mut self) {
        let Some(pipe) = &mut self.pipe else {
            return;
        };
        match pipe.read(&mut self.chunk).await {
            Ok(read) if read > 0 => self.output.push(&self.chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // An output that cannot be read has no more to tell than one at its end.
            Ok(_) | Err(_) => self.pipe = None,
        }
    }
}
