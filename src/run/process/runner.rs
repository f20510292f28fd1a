//! Runs a program from its start to the end of all that came from it.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::group::Group;
use super::pipes::Pipes;
use super::program::{Finished, ProcessError, ProcessLimits, Program, words};

/// How long those that hold an output open may print after the program has exited, so that a `tee`
/// behind it gets its last lines through. Where nobody holds it, there is nothing to wait for.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// What happened first.
enum End {
    Exited,
    TimedOut,
    Cancelled,
}

/// Runs a program, once, and waits until it has exited and nothing of it is left.
///
/// The result is that of the program itself. What it leaves in the background is not waited for:
/// it has a quarter of a second to close the outputs, and then is ended like the rest, whether
/// it holds them or not; [`Finished::strays`] tells how many those were.
///
/// At the time-out and where `cancel` is cancelled, the process group, and what left it, get TERM,
/// and KILL two seconds later. So this returns within about three and a half seconds of the time-out,
/// also where something cannot be ended. Dropping the future kills all of it at once.
///
/// # Errors
/// [`ProcessError`]; no exit code is one.
pub async fn run(
    mut program: Program,
    limits: ProcessLimits,
    cancel: &CancellationToken,
) -> Result<Finished, ProcessError> {
    if cancel.is_cancelled() {
        return Err(ProcessError::Cancelled {
            program: program.program,
            stdout: String::new(),
            stderr: String::new(),
        });
    }
    let begun = Instant::now();
    let mut group =
        Group::start(&program).map_err(|error| ProcessError::not_started(&program, &error))?;
    let mut pipes = group.pipes(program.stdin.take(), (&limits.stdout, &limits.stderr));

    let end = tokio::select! {
        biased;
        () = group.exited() => End::Exited,
        () = cancel.cancelled() => End::Cancelled,
        () = tokio::time::sleep(limits.timeout.saturating_sub(begun.elapsed())) => End::TimedOut,
        never = pipes.flow_for_ever() => match never {},
    };
    let took = begun.elapsed();
    let strays = wind_up(&mut group, &mut pipes, &end).await;
    let status = group.reap();
    let (stdout, stderr) = pipes.into_outputs();
    let program = program.program;

    match end {
        End::TimedOut => Err(ProcessError::TimedOut {
            program,
            after: limits.timeout,
            stdout: stdout.shown().into_owned(),
            stderr: stderr.shown().into_owned(),
        }),
        End::Cancelled => Err(ProcessError::Cancelled {
            program,
            stdout: stdout.shown().into_owned(),
            stderr: stderr.shown().into_owned(),
        }),
        End::Exited => match status {
            Ok(Some(status)) => Ok(Finished {
                exit: Exit::of(status),
                stdout,
                stderr,
                took,
                strays,
            }),
            Ok(None) => Err(ProcessError::Lost {
                program,
                cause: "it exited, but cannot be waited for".to_owned(),
            }),
            Err(error) => Err(ProcessError::Lost {
                program,
                cause: words(&error),
            }),
        },
    }
}

/// Ends what is left, and reads what it printed until then. Returns how many were ended.
async fn wind_up(group: &mut Group, pipes: &mut Pipes, end: &End) -> usize {
    if let End::Exited = end {
        pipes.close_stdin();
        // Either is fine: all is read, or somebody still holds a pipe and is ended next.
        let _ = timeout(LAST_WORDS, pipes.flow()).await;
    }
    let ended = group.end(pipes).await;
    pipes.close_stdin();
    // Whoever still holds a pipe cannot be ended; its next write breaks.
    let _ = timeout(LAST_WORDS, pipes.flow()).await;
    ended
}
