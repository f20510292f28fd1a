//! Events as JSON, one on each line, for programs that follow a run.
//!
//! Each line is flushed, so that a reader sees an event when it happens. The form
//! is that of `event`; nothing is added here. What could move a terminal or command
//! a CI system that shows the lines is escaped, so that it reads back as it was.

use std::io::{self, Write};

use super::Reporter;
use super::guard::{Form, Guard};
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
        let mut line = Guard::whole(Form::Json, &serde_json::to_string(event)?);
        line.push('\n');
        self.output.write_all(line.as_bytes())?;
        self.output.flush()
    }

    fn finish(&mut self, _verdict: &Verdict) -> io::Result<()> {
        self.output.flush()
    }
}
