//! The program's stdout and stderr: nothing else in it may open them, so that all that is printed
//! passes a [`Guard`], and a reader that stops holds up no more than an [`Outlet`].

#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place that opens stdout and stderr"
)]

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::TermLike;

use super::file::Identity;
use super::guard::{Form, Guard, Guarded};
use super::outlet::{Outlet, Pipe};
use super::style::Color;

/// Both, from the first time that one is asked for: as they are the process's own, there is one
/// of each.
struct Streams {
    out: Stream,
    err: Stream,
}

fn streams() -> &'static Streams {
    static STREAMS: OnceLock<Streams> = OnceLock::new();
    STREAMS.get_or_init(|| {
        let (out, err) = (io::stdout(), io::stderr());
        let of_out = Outlet::new();
        // lines of two threads to one place would come in any order
        let of_err = match is_same(&out, &err) {
            true => of_out.clone(),
            false => Outlet::new(),
        };
        Streams {
            out: Stream::new("stdout", &out, of_out, color_of(&out), Full::Wait),
            err: Stream::new("stderr", &err, of_err, color_of(&err), Full::LeaveOut),
        }
    })
}

/// The program's stdout, for people.
pub fn stdout() -> Stream {
    streams().out.clone()
}

/// The program's stderr, for people. Where nobody reads it for long, lines are left out.
pub fn stderr() -> Stream {
    streams().err.clone()
}

fn is_same(a: &impl AsFd, b: &impl AsFd) -> bool {
    let a = identity(a);
    a.is_some() && a == identity(b)
}

/// What a stream leads to.
fn identity(stream: &impl AsFd) -> Option<Identity> {
    Identity::of(&own(stream).ok()?.metadata().ok()?)
}

/// The same stream without a buffer or a lock of the standard library's.
fn own(stream: &impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// Whether a stream takes colours, by `--color`, `NO_COLOR` and the terminal.
fn color_of(stream: &impl anstream::stream::RawStream) -> Color {
    match anstream::AutoStream::choice(stream) {
        anstream::ColorChoice::Never => Color::Plain,
        _ => Color::Ansi,
    }
}

/// What becomes of text where enough waits for the reader already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    /// It waits too; whoever tells a lot asks the outlet first.
    Wait,
    /// It is left out, and told as a number.
    LeaveOut,
}

/// One of the two. A clone is the same one.
#[derive(Clone)]
pub struct Stream {
    name: &'static str,
    pipe: Pipe,
    color: Color,
    is_terminal: bool,
    identity: Option<Identity>,
    full: Full,
    state: Arc<Mutex<State>>,
}

struct State {
    guard: Guard,
    left_out: usize,
}

impl Stream {
    fn new(
        name: &'static str,
        stream: &(impl AsFd + IsTerminal),
        outlet: Outlet,
        color: Color,
        full: Full,
    ) -> Self {
        let file = own(stream);
        Self {
            name,
            pipe: Pipe::new(outlet, move || file),
            color,
            is_terminal: stream.is_terminal(),
            identity: identity(stream),
            full,
            state: Arc::new(Mutex::new(State {
                guard: Guard::new(Form::Text(color)),
                left_out: 0,
            })),
        }
    }

    /// Whether colours are wanted.
    pub fn color(&self) -> Color {
        self.color
    }

    /// Whether somebody sits there.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// The file, pipe or terminal that it leads to.
    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// What it leaves its bytes with.
    pub fn outlet(&self) -> Outlet {
        self.pipe.outlet().clone()
    }

    /// The same stream for what a machine reads: JSON, YAML, XML.
    pub fn machine(&self, form: Form) -> Guarded<Pipe> {
        Guarded::new(form, self.pipe.clone())
    }

    /// The same terminal for lines that are drawn again and again.
    pub fn live(&self) -> Live {
        Live {
            stream: self.clone(),
            drawn: Arc::default(),
        }
    }

    /// Waits until all is written, and how much was left out.
    ///
    /// # Errors
    /// What could not be written, or that the reader has been silent for as long as `patience`
    /// says.
    pub fn settle(&self, patience: &dyn Fn() -> Duration) -> io::Result<()> {
        let mut state = self.state();
        let told = state.left_out(self.name);
        if !told.is_empty() {
            self.pipe.push(told)?;
        }
        drop(state);
        self.pipe.outlet().drain(patience)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells, once, how much was left out. It is part of what the guard sees: a line ends with it.
    fn left_out(&mut self, name: &str) -> Vec<u8> {
        match std::mem::take(&mut self.left_out) {
            0 => Vec::new(),
            bytes => {
                let text = format!("[… {bytes} bytes left out: nobody read {name} …]\n");
                self.guard.pass(text.as_bytes())
            }
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        if self.full == Full::LeaveOut && self.pipe.outlet().is_full() {
            state.left_out += bytes.len();
            return Ok(bytes.len());
        }
        let mut harmless = state.left_out(self.name);
        harmless.append(&mut state.guard.pass(bytes));
        // under the lock, so that what passed first stands first
        self.pipe.push(harmless)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.name).finish()
    }
}

/// Where lines are drawn again and again: moves of the cursor are its own, and all text passes a
/// guard. Nothing is drawn that nobody would see in time.
#[derive(Clone, Debug)]
pub struct Live {
    stream: Stream,
    /// Since the last flush.
    drawn: Arc<Mutex<Vec<u8>>>,
}

impl Live {
    fn draw(&self, bytes: &[u8]) -> io::Result<()> {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.extend_from_slice(bytes);
        Ok(())
    }

    fn move_by(&self, cells: usize, direction: char) -> io::Result<()> {
        match cells {
            0 => Ok(()),
            cells => self.draw(format!("\u{1b}[{cells}{direction}").as_bytes()),
        }
    }
}

impl TermLike for Live {
    fn width(&self) -> u16 {
        size().map_or(80, |(columns, _)| columns)
    }

    fn height(&self) -> u16 {
        size().map_or(24, |(_, rows)| rows)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_by(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(Guard::whole(Form::Text(self.stream.color), text).as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw(b"\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let drawn = std::mem::take(&mut *drawn);
        match drawn.is_empty() || self.stream.pipe.outlet().is_full() {
            true => Ok(()),
            false => self.stream.pipe.push(drawn),
        }
    }
}

/// Columns and rows of the terminal at stderr.
fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// More than waits for a reader, and than a pipe holds.
    const FLOOD: usize = 6 << 20;

    /// What a reader gets that begins to read when `told` was written.
    fn read_late(told: &[&[u8]]) -> String {
        let (mut reader, writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let color = Color::Plain;
        let mut stream = Stream::new("stderr", &file, Outlet::new(), color, Full::LeaveOut);
        drop(file);
        for bytes in told {
            stream.write_all(bytes).unwrap();
        }
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        stream.settle(&|| Duration::from_secs(60)).unwrap();
        drop(stream);
        reading.join().unwrap()
    }

    #[test]
    fn the_last_lines_that_are_left_out_are_told_as_a_number() {
        let flood = vec![b'x'; FLOOD];
        let text = read_late(&[&flood, b"\n", b"the last words\n"]);
        assert_eq!(
            &text[FLOOD..],
            "[… 16 bytes left out: nobody read stderr …]\n"
        );
    }

    #[test]
    fn a_line_begins_after_what_was_left_out() {
        let (mut reader, writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let color = Color::Plain;
        let mut stream = Stream::new("stderr", &file, Outlet::new(), color, Full::LeaveOut);
        stream.write_all(&vec![b'x'; FLOOD]).unwrap();
        stream.write_all(b"left out").unwrap();
        reader.read_exact(&mut vec![0; FLOOD]).unwrap();
        stream
            .pipe
            .outlet()
            .drain(&|| Duration::from_secs(60))
            .unwrap();
        stream.write_all(b"::error::of a pod\n").unwrap();
        stream.settle(&|| Duration::from_secs(60)).unwrap();
        drop((stream, file));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(
            text,
            "[… 8 bytes left out: nobody read stderr …]\n:\\:error::of a pod\n"
        );
    }
}
