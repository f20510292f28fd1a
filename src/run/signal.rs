//! SIGINT and SIGTERM, as a stream for the dispatcher, which decides what they mean.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::event::CancelReason;

/// Listens from the moment it is made.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to listen; the default of ending the process is off from here on.
    ///
    /// # Errors
    /// Where the operating system refuses a handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The next signal. Safe to drop and to call again.
    pub async fn next(&mut self) -> CancelReason {
        tokio::select! {
            Some(()) = self.interrupt.recv() => CancelReason::Interrupt,
            Some(()) = self.terminate.recv() => CancelReason::Terminate,
            else => std::future::pending().await,
        }
    }
}
