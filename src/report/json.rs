//! Events as JSON, one on each line, for programs that follow a run.
//!
//! Each line is flushed, so that a reader sees an event when it happens. The form
//! is that of `event`; nothing is added here.

use std::io::{self, Write};

use super::Reporter;
use crate::event::Event;
use crate::outcome::Verdict;

/// Writes one event per line.
pub struct Json<W> {
    name: String,
    output: W,
}

impl<W: Write + Send> Json<W> {
    /// Writes to `output`, which `name` names in messages.
    pub fn new(name: impl Into<String>, output: W) -> Self {
        Self {
            name: name.into(),
            output,
        }
    }
}

impl<W: Write + Send> Reporter for Json<W> {
    fn name(&self) -> &str {
        &self.name
    }

    fn event(&mut self, event: &Event, _verdict: &Verdict) -> io::Result<()> {
        // one write per line: lines of several writers to one pipe do not mix
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.output.write_all(&line)?;
        self.output.flush()
    }

    fn finish(&mut self, _verdict: &Verdict) -> io::Result<()> {
        self.output.flush()
    }
}
