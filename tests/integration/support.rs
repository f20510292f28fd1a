//! What the tests share: running the program, the local cluster and its faults.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub mod server;

/// How long the program may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(180);

/// The cluster as it is for tests that need it whole, or for the one that breaks it.
static CLUSTER: RwLock<()> = RwLock::new(());

/// The program with arguments, in a folder of its own, with an environment that says nothing.
pub struct Kubeproof {
    folder: TempDir,
    command: Command,
    kubeconfig: Option<PathBuf>,
}

/// What a run left behind.
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
    folder: TempDir,
}

impl Kubeproof {
    /// The program without a kubeconfig to find.
    pub fn new(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
        command
            .args(args)
            .current_dir(folder.path())
            .env_remove("KUBECONFIG")
            .env_remove("NO_COLOR")
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self {
            folder,
            command,
            kubeconfig: None,
        }
    }

    /// The program on the local cluster, with JUnit and events written to files.
    pub fn on_cluster(args: &[&str]) -> Self {
        let mut this = Self::new(args);
        let kubeconfig = kubeconfig();
        this.command.env("KUBECONFIG", &kubeconfig).args([
            "--junit",
            "junit.xml",
            "--json",
            "events.json",
        ]);
        this.kubeconfig = Some(kubeconfig);
        this
    }

    /// With a file in its folder.
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
        self
    }

    /// With a variable in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// With its stdout in a file of its folder, as by `>`.
    pub fn stdout_to(mut self, name: &str) -> Self {
        let file = File::create(self.path(name)).expect("a file");
        self.command.stdout(file);
        self
    }

    /// With its stderr in a file of its folder, as by `2>`.
    pub fn stderr_to(mut self, name: &str) -> Self {
        let file = File::create(self.path(name)).expect("a file");
        self.command.stderr(file);
        self
    }

    /// With stdout and stderr in one, as by `2>&1`.
    pub fn output_to(mut self, file: impl Into<OwnedFd>) -> Self {
        let file = file.into();
        self.command.stderr(file.try_clone().expect("a descriptor"));
        self.command.stdout(file);
        self
    }

    /// Where a file of its folder is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs it to its end.
    pub fn run(self) -> Finished {
        self.start().finish()
    }

    /// Starts it, for tests that meddle meanwhile.
    pub fn start(mut self) -> Running {
        let started = Instant::now();
        let child = self.command.spawn().expect("the program starts");
        Running {
            child,
            started,
            folder: self.folder,
        }
    }
}

/// The program at work.
pub struct Running {
    child: Child,
    started: Instant,
    folder: TempDir,
}

impl Running {
    /// Waits until an event with this text was written to `events.json`.
    pub fn until_event(&mut self, text: &str) {
        let has_event = |events: &str| events.lines().any(|line| line.contains(text));
        self.until("events.json", has_event, &format!("an event with {text:?}"));
    }

    /// Waits until a program of it has written something to a file of its folder.
    pub fn until_file(&mut self, name: &str) {
        self.until(name, |text| !text.is_empty(), name);
    }

    /// Waits until a file of its folder is there, and a moment more.
    pub fn until_file_is_there(&mut self, name: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.folder.path().join(name).exists() {
            assert!(Instant::now() < deadline, "there is no {name}");
            std::thread::sleep(Duration::from_millis(20));
        }
        // what was told before it is on its way
        std::thread::sleep(Duration::from_millis(500));
    }

    /// How much time of a core it has taken.
    #[cfg(target_os = "linux")]
    pub fn cpu_time(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.child.id());
        let text = std::fs::read_to_string(path).expect("it runs");
        // behind the name, which may hold anything, the state is the third field
        let (_, fields) = text.rsplit_once(") ").expect("a name");
        let fields: Vec<_> = fields.split(' ').collect();
        let ticks = |number: usize| fields[number - 3].parse::<u64>().expect("a number");
        // hundredths of a second, on every Linux
        Duration::from_millis((ticks(14) + ticks(15)) * 10)
    }

    fn until(&mut self, file: &str, has: impl Fn(&str) -> bool, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
            if has(&text) {
                return;
            }
            assert!(Instant::now() < deadline, "there is not {what}: {text}");
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("it ended ({status}) before there was {what}: {text}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether an event with this text was written to `events.json` by now.
    pub fn has_event(&self, text: &str) -> bool {
        let events = std::fs::read_to_string(self.folder.path().join("events.json"));
        events.is_ok_and(|events| events.lines().any(|line| line.contains(text)))
    }

    /// The run's id, from the events.
    #[track_caller]
    pub fn run_id(&self) -> String {
        let events = std::fs::read_to_string(self.folder.path().join("events.json"));
        let first = events.expect("the events");
        let first: serde_json::Value =
            serde_json::from_str(first.lines().next().expect("an event")).expect("JSON");
        first["run"].as_str().expect("a run id").to_owned()
    }

    /// Waits until it has printed something, and a moment more.
    pub fn until_it_prints(&mut self) {
        let stdout = self.child.stdout.as_mut().expect("a pipe");
        stdout.read_exact(&mut [0]).expect("a byte on stdout");
        std::thread::sleep(Duration::from_millis(500));
    }

    /// Nobody reads its stdout any more, as after `| head`.
    pub fn close_stdout(&mut self) {
        drop(self.child.stdout.take());
    }

    /// The most memory it takes until its end, in MiB; read in a thread of its own.
    #[cfg(target_os = "linux")]
    pub fn peak_memory(&self) -> std::thread::JoinHandle<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        std::thread::spawn(move || {
            let mut most = 0;
            // the kernel keeps the peak, so between two looks none is missed but the last
            while let Some(kib) = std::fs::read_to_string(&path).ok().and_then(|status| {
                let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
                line.split_whitespace().nth(1)?.parse::<u64>().ok()
            }) {
                most = most.max(kib / 1024);
                std::thread::sleep(Duration::from_millis(20));
            }
            most
        })
    }

    /// Sends a signal, as `kill -INT` does.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([&format!("-{signal}"), &self.child.id().to_string()])
            .status()
            .expect("kill");
        assert!(status.success());
    }

    /// Waits for its end while nobody reads what it prints, though somebody could.
    #[track_caller]
    pub fn end_unread(&mut self, at_most: Duration) -> Duration {
        let begun = Instant::now();
        while begun.elapsed() < at_most {
            if self.child.try_wait().expect("a status").is_some() {
                return begun.elapsed();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        panic!("it did not end within {at_most:?} while nobody read what it printed");
    }

    /// Nobody reads what it prints from here on.
    pub fn close_output(&mut self) {
        self.child.stdout = None;
        self.child.stderr = None;
    }

    /// Waits for its end.
    pub fn finish(self) -> Finished {
        let pid = self.child.id();
        let (done, waiter) = std::sync::mpsc::channel::<()>();
        let guard = std::thread::spawn(move || {
            if waiter.recv_timeout(PATIENCE).is_err() {
                let _ = Command::new("kill")
                    .args(["-KILL", &pid.to_string()])
                    .status();
                return false;
            }
            true
        });
        let Output {
            status,
            stdout,
            stderr,
        } = self.child.wait_with_output().expect("the program ends");
        let _ = done.send(());
        let took = self.started.elapsed();
        let stdout = String::from_utf8(stdout).expect("UTF-8 on stdout");
        let stderr = String::from_utf8(stderr).expect("UTF-8 on stderr");
        assert!(
            guard.join().expect("the guard does not panic"),
            "the program hung:\n{stdout}\n{stderr}"
        );
        Finished {
            code: status.code().unwrap_or(-1),
            stdout,
            stderr,
            took,
            folder: self.folder,
        }
    }
}

impl Finished {
    /// A file of its folder.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}\n{self}"))
    }

    /// Where a file of its folder is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Fails the test with everything that was printed unless the exit code is this.
    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, code, "exit code\n{self}");
    }

    /// Fails the test unless stderr holds this text.
    #[track_caller]
    pub fn assert_stderr(&self, text: &str) {
        assert!(self.stderr.contains(text), "no {text:?} on stderr\n{self}");
    }

    /// The lines between the frame lines of the one suite that ran, sorted.
    #[track_caller]
    pub fn between_frames(&self) -> Vec<&str> {
        let mut lines: Vec<_> = self
            .stdout
            .lines()
            .skip_while(|line| !line.starts_with("=> Start "))
            .skip(1)
            .take_while(|line| !line.starts_with("=> End "))
            .collect();
        assert!(
            self.stdout.lines().any(|line| line.starts_with("=> End ")),
            "no frame\n{self}"
        );
        lines.sort_unstable();
        lines
    }

    /// `tests`, `failures`, `errors`, `skipped` of the JUnit report, as a parser that is
    /// not ours reads them.
    #[track_caller]
    pub fn junit(&self) -> JunitCounts {
        JunitCounts::read(&self.path("junit.xml"))
    }

    /// The run's id, from the events.
    #[track_caller]
    pub fn run_id(&self) -> String {
        let events = self.read("events.json");
        let first: serde_json::Value =
            serde_json::from_str(events.lines().next().expect("an event")).expect("JSON");
        first["run"].as_str().expect("a run id").to_owned()
    }

    /// The seconds from the start of the run to the verdict, from the events.
    #[track_caller]
    pub fn verdict_seconds(&self) -> f64 {
        self.events("verdict-reached")[0]["took"]
            .as_f64()
            .expect("a number")
    }

    /// The events of a kind.
    pub fn events(&self, kind: &str) -> Vec<serde_json::Value> {
        self.read("events.json")
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .filter(|event: &serde_json::Value| event["event"] == kind)
            .collect()
    }

    /// Fails the test if the cluster has anything with the run's label.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let left = labelled(&self.run_id());
        assert!(left.is_empty(), "left behind: {left:?}\n{self}");
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "--- exit code {}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

/// The sums of a JUnit report.
#[derive(Debug, PartialEq, Eq)]
pub struct JunitCounts {
    pub tests: usize,
    pub failures: usize,
    pub errors: usize,
    pub skipped: usize,
}

impl JunitCounts {
    fn read(path: &Path) -> Self {
        let lint = Command::new("xmllint")
            .args(["--noout"])
            .arg(path)
            .output()
            .expect("xmllint");
        assert!(
            lint.status.success(),
            "{}",
            String::from_utf8_lossy(&lint.stderr)
        );
        let python = std::env::var("KUBEPROOF_TEST_PYTHON")
            .expect("KUBEPROOF_TEST_PYTHON: a Python with junitparser; ci/test provides it");
        let script = "
import sys
from junitparser import JUnitXml, Failure, Error, Skipped
suites = list(JUnitXml.fromfile(sys.argv[1]))
cases = [case for suite in suites for case in suite]
count = lambda kind: sum(any(isinstance(r, kind) for r in case.result) for case in cases)
declared = [sum(getattr(s, a) for s in suites) for a in ('tests', 'failures', 'errors', 'skipped')]
counted = [len(cases), count(Failure), count(Error), count(Skipped)]
assert declared == counted, (declared, counted)
names = [(case.classname, case.name) for case in cases]
assert len(names) == len(set(names)), names
print(*counted)
";
        let read = Command::new(python)
            .args(["-c", script])
            .arg(path)
            .output()
            .expect("python");
        let text = String::from_utf8_lossy(&read.stdout);
        assert!(
            read.status.success(),
            "{}",
            String::from_utf8_lossy(&read.stderr)
        );
        let numbers: Vec<usize> = text
            .split_whitespace()
            .map(|number| number.parse().expect("a number"))
            .collect();
        Self {
            tests: numbers[0],
            failures: numbers[1],
            errors: numbers[2],
            skipped: numbers[3],
        }
    }
}

/// Holds the cluster as it is: tests of this kind run side by side.
pub fn healthy_cluster() -> RwLockReadGuard<'static, ()> {
    CLUSTER.read().unwrap_or_else(PoisonError::into_inner)
}

/// Holds the cluster alone, to break it; heals it in the end, whatever comes.
pub fn broken_cluster() -> Broken {
    let guard = CLUSTER.write().unwrap_or_else(PoisonError::into_inner);
    ci_cluster(&["heal"]);
    Broken { _guard: guard }
}

/// Heals when it goes.
pub struct Broken {
    _guard: RwLockWriteGuard<'static, ()>,
}

impl Broken {
    /// Injects a fault, as `ci/cluster fault` takes it.
    pub fn fault(&self, arguments: &[&str]) {
        ci_cluster(&[&["fault"], arguments].concat());
    }

    /// Heals before the end.
    pub fn heal(&self) {
        ci_cluster(&["heal"]);
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        ci_cluster(&["heal"]);
    }
}

/// Runs `ci/cluster`.
#[track_caller]
pub fn ci_cluster(arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/cluster");
    let output = Command::new(script)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("ci/cluster");
    assert!(
        output.status.success(),
        "ci/cluster {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs the cluster's kubectl.
#[track_caller]
pub fn kubectl(arguments: &[&str]) -> String {
    ci_cluster(&[&["kubectl"], arguments].concat())
}

/// Every object with a run's label, over every kind that can be listed.
pub fn labelled(run: &str) -> Vec<String> {
    let kinds = kubectl(&["api-resources", "--verbs=list", "-o", "name"]);
    let kinds: Vec<_> = kinds
        .lines()
        .filter(|kind| !kind.starts_with("events"))
        .collect();
    kubectl(&[
        "get",
        &kinds.join(","),
        "--all-namespaces",
        "--ignore-not-found",
        "-o",
        "name",
        "-l",
        &format!("kubeproof.dev/run={run}"),
    ])
    .lines()
    .map(str::to_owned)
    .collect()
}

/// The local cluster's kubeconfig; `ci/test` says where it is.
pub fn kubeconfig() -> PathBuf {
    std::env::var_os("KUBEPROOF_TEST_KUBECONFIG")
        .map(PathBuf::from)
        .unwrap_or_else(|| ci_cluster(&["kubeconfig"]).trim().into())
}
