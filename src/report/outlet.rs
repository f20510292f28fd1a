//! Where a report leaves the program: work that may hang, done in a thread of its own.
//!
//! A pipe whose reader stops and a file system that does not answer hold up that thread and
//! nobody else: whoever has something to write leaves it here and goes on. What waits is bounded,
//! since [`Outlet::is_full`] tells to stop; how long a silent reader is waited for is the
//! caller's to say.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

/// So many bytes may wait for a reader.
const ROOM: usize = 4 << 20;

/// How often whoever waits for the end looks whether its patience has changed.
const LOOK: Duration = Duration::from_millis(20);

/// What is done in the thread; the outlet is told how it comes on.
type Work = Box<dyn FnOnce(&Outlet) -> io::Result<()> + Send>;

/// A piece of work, and how many bytes it holds.
struct Job {
    size: usize,
    work: Work,
}

/// A thread that writes, and what waits for it. A clone is the same one.
#[derive(Clone)]
pub struct Outlet {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Of the jobs, the one at work among them.
    bytes: usize,
    is_running: bool,
    has_thread: bool,
    progressed: Option<Instant>,
    broken: Option<Broken>,
    /// The first of what was lost, and how much was.
    lost: Option<(io::Error, usize)>,
}

/// Why nothing is done any more. Several reports may leave their text here, and each of them is
/// lost by it: whoever asks is told the same.
struct Broken {
    kind: io::ErrorKind,
    text: String,
}

impl Default for Outlet {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changed: Condvar::new(),
            }),
        }
    }
}

impl Outlet {
    /// With nothing to do yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // a job that panics holds no lock
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a piece of work here, and returns at once. It calls [`progressed`](Self::progressed)
    /// whenever it comes on.
    ///
    /// # Errors
    /// What an earlier one met. Nothing is done any more then.
    pub fn leave(
        &self,
        size: usize,
        work: impl FnOnce(&Outlet) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let mut state = self.state();
        state.check()?;
        if !state.has_thread {
            let own = self.clone();
            thread::Builder::new()
                .name("outlet".to_owned())
                .spawn(move || own.work())?;
            state.has_thread = true;
        }
        state.bytes += size;
        state.jobs.push_back(Job {
            size,
            work: Box::new(work),
        });
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// The thread: it ends with the process, which waits for nobody.
    fn work(&self) {
        let mut state = self.state();
        loop {
            let Some(Job { size, work }) = state.jobs.pop_front() else {
                let waited = self.shared.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.is_running = true;
            state.progressed = Some(Instant::now());
            drop(state);
            let done = super::held(|| work(self));
            state = self.state();
            state.is_running = false;
            state.bytes = state.bytes.saturating_sub(size);
            state.progressed = Some(Instant::now());
            if let Err(error) = done {
                state.fail(error);
            }
            self.shared.changed.notify_all();
        }
    }

    /// The job at work came on.
    pub fn progressed(&self) {
        self.state().progressed = Some(Instant::now());
    }

    /// A piece of work came to nothing, which keeps no other from being done: the end tells it.
    pub fn lose(&self, error: io::Error) {
        let mut state = self.state();
        let (first, count) = state.lost.take().unwrap_or((error, 0));
        state.lost = Some((first, count + 1));
    }

    /// Whether enough waits here: whoever has more to say should wait too.
    pub fn is_full(&self) -> bool {
        self.state().bytes > ROOM
    }

    /// Whether it still works.
    ///
    /// # Errors
    /// What a job met, or that it was given up; again and again.
    pub fn check(&self) -> io::Result<()> {
        self.state().check()
    }

    /// Gives it up where nothing came on for so long. Whether it did.
    pub fn give_up_after(&self, patience: Duration) -> bool {
        let mut state = self.state();
        let silent = state.progressed.map(|at| at.elapsed()).unwrap_or_default();
        let hangs = state.is_running && state.broken.is_none() && silent >= patience;
        if hangs {
            let bytes = state.bytes;
            state.fail(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "nobody has taken anything for {} s, and {bytes} bytes are not written",
                    silent.as_secs()
                ),
            ));
        }
        hangs
    }

    /// Waits for some time until all is written. What is not is still under way then.
    ///
    /// # Errors
    /// What broke it.
    pub fn wait(&self, at_most: Duration) -> io::Result<()> {
        let state = self.state();
        let is_busy = |state: &mut State| {
            state.broken.is_none() && (state.is_running || !state.jobs.is_empty())
        };
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, at_most, is_busy);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.check()
    }

    /// Waits until all is written, or nothing came on for as long as `patience` says; it is asked
    /// again and again.
    ///
    /// # Errors
    /// What broke it, and, once, what was lost.
    pub fn drain(&self, patience: &dyn Fn() -> Duration) -> io::Result<()> {
        loop {
            self.give_up_after(patience());
            let state = self.state();
            if state.broken.is_some() || (state.jobs.is_empty() && !state.is_running) {
                break;
            }
            let waited = self.shared.changed.wait_timeout(state, LOOK);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
        self.check()?;
        match self.state().lost.take() {
            None => Ok(()),
            Some((error, 1)) => Err(error),
            Some((error, count)) => {
                let text = format!("{error} (and {} more)", count - 1);
                Err(io::Error::new(error.kind(), text))
            }
        }
    }
}

impl State {
    fn check(&self) -> io::Result<()> {
        match &self.broken {
            None => Ok(()),
            Some(Broken { kind, text }) => Err(io::Error::new(*kind, text.clone())),
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.broken.get_or_insert_with(|| Broken {
            kind: error.kind(),
            text: error.to_string(),
        });
        self.jobs.clear();
        self.bytes = 0;
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("bytes", &self.state().bytes)
            .finish_non_exhaustive()
    }
}

/// What opens a file, in the thread that may hang at it.
type Open = Box<dyn FnOnce() -> io::Result<File> + Send>;

/// A file, a pipe or a terminal that is written to from its beginning on, behind an [`Outlet`].
#[derive(Clone)]
pub struct Pipe {
    outlet: Outlet,
    place: Arc<Mutex<Place>>,
}

enum Place {
    Closed(Option<Open>),
    Open(File),
}

impl Pipe {
    /// Opens where the first bytes are written. Those that share an outlet keep their order.
    pub fn new(outlet: Outlet, open: impl FnOnce() -> io::Result<File> + Send + 'static) -> Self {
        Self {
            outlet,
            place: Arc::new(Mutex::new(Place::Closed(Some(Box::new(open))))),
        }
    }

    /// What it leaves its bytes with.
    pub fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// Leaves bytes to be written; none at all only opens.
    ///
    /// # Errors
    /// As [`Outlet::leave`].
    pub fn push(&self, bytes: Vec<u8>) -> io::Result<()> {
        let place = Arc::clone(&self.place);
        self.outlet.leave(bytes.len(), move |outlet| {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            let file = place.open()?;
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                match file.write(rest) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(length) => {
                        outlet.progressed();
                        rest = &rest[length..];
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => until_taken(file)?,
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    }
}

/// Waits until a pipe takes bytes again. Whoever has the same pipe may have made it one that does not
/// block, as a Node.js program does that was started beside: that counts for all of them.
fn until_taken(file: &File) -> io::Result<()> {
    let mut waited_for = [PollFd::new(file, PollFlags::OUT)];
    match poll(&mut waited_for, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Place {
    fn open(&mut self) -> io::Result<&mut File> {
        if let Self::Closed(open) = self {
            let open = open.take();
            let open = open.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
            *self = Self::Open(open()?);
        }
        match self {
            Self::Open(file) => Ok(file),
            Self::Closed(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes.to_vec())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A reader that takes its time, at a pipe that somebody else has made one that does not block.
    #[test]
    fn a_pipe_that_does_not_block_loses_nothing() {
        let (mut reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let outlet = Outlet::new();
        let pipe = Pipe::new(outlet.clone(), move || Ok(file));
        let text = vec![b'x'; 1 << 20];
        pipe.push(text.clone()).unwrap();
        drop(pipe);
        std::thread::sleep(SHORT);
        let mut read = vec![0; text.len()];
        io::Read::read_exact(&mut reader, &mut read).unwrap();
        assert_eq!(read, text);
        outlet.drain(&|| LONG).unwrap();
    }

    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn all_is_written_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let opened = path.clone();
        let pipe = Pipe::new(Outlet::new(), || File::create(opened));
        for number in 0..100 {
            pipe.push(format!("{number}\n").into_bytes()).unwrap();
        }
        pipe.outlet().drain(&|| LONG).unwrap();
        let written = std::fs::read_to_string(path).unwrap();
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        assert_eq!(written, expected);
    }

    #[test]
    fn work_that_hangs_holds_nobody_up_and_is_given_up() {
        let (_kept, never) = mpsc::channel::<()>();
        let outlet = Outlet::new();
        outlet
            .leave(7, move |_| {
                let _ = never.recv_timeout(LONG);
                Ok(())
            })
            .unwrap();
        outlet.leave(ROOM, |_| Ok(())).unwrap();
        assert!(outlet.is_full());
        assert!(!outlet.give_up_after(LONG));
        let begun = Instant::now();
        let error = outlet.drain(&|| SHORT).unwrap_err();
        assert!(begun.elapsed() < LONG / 2);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(!outlet.is_full(), "what is given up waits for nobody");
        let told = [outlet.drain(&|| SHORT), outlet.leave(1, |_| Ok(()))];
        for again in told.map(Result::unwrap_err) {
            assert_eq!(again.kind(), io::ErrorKind::TimedOut);
        }
    }

    #[test]
    fn patience_may_end_while_somebody_waits() {
        let (_kept, never) = mpsc::channel::<()>();
        let outlet = Outlet::new();
        outlet
            .leave(1, move |_| {
                let _ = never.recv_timeout(LONG);
                Ok(())
            })
            .unwrap();
        let begun = Instant::now();
        let patience = || match begun.elapsed() < SHORT {
            true => LONG,
            false => Duration::ZERO,
        };
        assert!(outlet.drain(&patience).is_err());
        assert!(begun.elapsed() < LONG / 2);
    }

    #[test]
    fn whoever_asks_is_told_what_broke_it() {
        let full = || File::options().write(true).open("/dev/full");
        let pipe = Pipe::new(Outlet::new(), full);
        pipe.push(b"a".to_vec()).unwrap();
        let outlet = pipe.outlet();
        for _ in 0..2 {
            let told = [outlet.drain(&|| LONG), outlet.check(), pipe.push(vec![1])];
            for error in told.map(Result::unwrap_err) {
                assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                assert!(error.to_string().contains("No space left"), "{error}");
            }
        }
    }

    #[test]
    fn work_that_panics_is_broken() {
        let outlet = Outlet::new();
        outlet.leave(1, |_| panic!("as was asked for")).unwrap();
        let error = outlet.drain(&|| LONG).unwrap_err();
        assert_eq!(error.to_string(), "kubeproof itself broke");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_that_nobody_opens_to_read_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let pipe = Pipe::new(Outlet::new(), || File::options().write(true).open(path));
        pipe.push(b"a".to_vec()).unwrap();
        let error = pipe.outlet().drain(&|| SHORT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
