//! What a command asks clusters on. It ends in good time, whatever is still under way then.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use super::exit::Exit;
use crate::event::CancelReason;
use crate::outcome::RunExit;
use crate::run::Signals;

/// Steps may stand in steps (`foreach`, `use`), as deep as YAML can be written, and each level
/// takes some of the stack. Only what is used of it is ever taken from the machine.
const STACK: usize = 64 << 20;

/// How long what is still under way may take to end once a command is done.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A runtime that, dropped, waits for little: its own drop waits for every thread that blocks, as
/// that of a credential plugin does that hangs.
pub struct Runtime {
    /// There until it is dropped.
    inner: Option<tokio::runtime::Runtime>,
    /// From the first time on that somebody is to hear them: none of them is missed in between.
    signals: Cell<Option<Signals>>,
}

impl Runtime {
    /// Starts one.
    pub fn new() -> io::Result<Self> {
        let inner = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_stack_size(STACK)
            .build()?;
        Ok(Self {
            inner: Some(inner),
            signals: Cell::default(),
        })
    }

    /// Runs something to its end.
    pub fn block_on<F: Future>(&self, work: F) -> F::Output {
        let runtime = self.inner.as_ref();
        runtime
            .expect("it is there until it is dropped")
            .block_on(work)
    }
}

impl Runtime {
    /// Runs something to its end, or until a signal ends the program: then what was under way is
    /// dropped, with the programs that it runs.
    pub fn until_signal<F: Future>(&self, work: F) -> Result<F::Output, Exit> {
        self.block_on(async {
            let listening = self.signals.take().map_or_else(Signals::listen, Ok);
            let Ok(mut signals) = listening else {
                return Ok(work.await);
            };
            let done = tokio::select! {
                biased;
                reason = signals.next() => Err(Exit::Run(match reason {
                    CancelReason::Terminate => RunExit::Terminated,
                    _ => RunExit::Interrupted,
                })),
                done = work => Ok(done),
            };
            self.signals.set(Some(signals));
            done
        })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.inner.take() {
            runtime.shutdown_timeout(LAST_WORDS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Instant;

    #[test]
    fn a_thread_that_hangs_keeps_no_command_from_its_end() {
        const HANGING: Duration = Duration::from_secs(20);
        let (_kept, never) = mpsc::channel::<()>();
        let begun = Instant::now();
        let runtime = Runtime::new().unwrap();
        let hanging = runtime.block_on(async {
            let hanging = tokio::task::spawn_blocking(move || never.recv_timeout(HANGING));
            tokio::time::timeout(Duration::from_millis(10), hanging).await
        });
        assert!(hanging.is_err());
        drop(runtime);
        assert!(begun.elapsed() < HANGING / 2);
    }
}
