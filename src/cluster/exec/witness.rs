//! Has a command's end witnessed inside the container: a status of success alone does not prove it.
//!
//! Where the connection to a node breaks, the API server may report success for a command that
//! never came to its end (kubernetes#73056); and it answers the upgrade before it has reached the
//! node at all. So a shell in the container says on stderr when it starts the command and when the
//! command has ended, in lines that nobody else can know; they are taken out again. In an image
//! without a shell, commands run bare, and what the API server says is believed; but for a command that
//! prints nothing until its time is over, where the node must answer something else before it is taken
//! to run.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::super::client::Cluster;
use super::super::container::PodTarget;
use super::session::{ExecError, ExecLimits, ExecReached, ExecResult};

/// Run as `sh -c SCRIPT kubeproof TOKEN COMMAND…`.
///
/// `exec` in a subshell runs a program and never a builtin of the same name. It is looked for first,
/// since its absence is an error of the environment, which an exit code of 127 would hide. The shell
/// and the command share a process group, so that a time-out ends both.
const SCRIPT: &str = r#"
token=$1; shift
program=
case $1 in
  */*) program=$1 ;;
  *) fields=$IFS; IFS=:
     for folder in $PATH; do
       if [ -f "$folder/$1" ] && [ -x "$folder/$1" ]; then program=$folder/$1; break; fi
     done
     IFS=$fields ;;
esac
if ! [ -f "$program" ] || ! [ -x "$program" ]; then echo "$token missing" >&2; exit 127; fi
echo "$token started" >&2
(exec "$@"); code=$?
echo "$token $code" >&2
exit "$code"
"#;

/// What the shell said of a command.
#[derive(Debug, PartialEq, Eq)]
enum Testimony {
    /// It ended with this code.
    Ended(i32),
    /// There is no such program.
    Missing,
}

/// The line that says that the command runs now.
const STARTED: &str = "started\n";

/// Containers that turned out to have no shell.
#[derive(Default)]
pub(in super::super) struct Shellless(Mutex<HashSet<PodTarget>>);

impl Shellless {
    fn has(&self, target: &PodTarget) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(target)
    }

    fn add(&self, target: &PodTarget) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(target.clone());
    }
}

impl Cluster {
    /// Runs a command in a container, once, and waits until it ends.
    ///
    /// Without `stdin`, the command has none; with it, it is sent whole and then closed, which
    /// needs Kubernetes 1.30. The command is not interpreted by a shell, but where the container has
    /// one, its end is witnessed by it: a success that the node reports for a command that did not
    /// end is [`ExecError::Broken`].
    ///
    /// On a time-out, a second command ends the first inside the container, where it has `sh`;
    /// that adds at most two seconds. Dropping the future does not end the command.
    ///
    /// # Errors
    /// [`ExecError`]. It is tried again only where the API server was not reached at all, or did not
    /// get to it: never where the command may have started.
    pub async fn exec(
        &self,
        target: &PodTarget,
        command: &[String],
        stdin: Option<Vec<u8>>,
        limits: &ExecLimits,
    ) -> Result<ExecResult, ExecError> {
        let begun = Instant::now();
        if !self.inner.shared.shellless.has(target) {
            let token = format!("kubeproof-{}", uuid::Uuid::new_v4().simple());
            let wrapped = wrapped(&token, command);
            match self
                .exec_bare(target, &wrapped, stdin.clone(), limits)
                .await
            {
                Err(ExecError::NotStarted { cause }) if lacks_shell(&cause) => {
                    self.inner.shared.shellless.add(target);
                }
                ended => return heard(&token, command, ended),
            }
        }
        let limits = ExecLimits {
            timeout: limits.timeout.saturating_sub(begun.elapsed()),
            ..limits.clone()
        };
        self.exec_bare(target, command, stdin, &limits).await
    }
}

fn wrapped(token: &str, command: &[String]) -> Vec<String> {
    ["sh", "-c", SCRIPT, "kubeproof", token]
        .into_iter()
        .map(str::to_owned)
        .chain(command.iter().cloned())
        .collect()
}

/// Whether the runtime could not start the shell itself; only the node can tell so.
pub(super) fn lacks_shell(cause: &str) -> bool {
    cause.contains("\"sh\": executable file not found")
        || cause.contains("stat sh: no such file or directory")
}

/// The end of a command as its witness tells it, the testimony taken out of the output.
fn heard(
    token: &str,
    command: &[String],
    ended: Result<ExecResult, ExecError>,
) -> Result<ExecResult, ExecError> {
    let mut result = match ended {
        Ok(mut result) => {
            take_start(token, &mut result.stderr);
            result
        }
        Err(ExecError::Broken {
            cause,
            stdout,
            mut stderr,
        }) => {
            if !take_start(token, &mut stderr) {
                return Err(ExecError::NotStarted { cause });
            }
            take_testimony(token, &mut stderr);
            return Err(ExecError::Broken {
                cause,
                stdout,
                stderr,
            });
        }
        Err(ExecError::TimedOut {
            reached: ExecReached::Command,
            after,
            stdout,
            mut stderr,
        }) => {
            let reached = match take_start(token, &mut stderr) {
                true => ExecReached::Command,
                false => ExecReached::ApiServer,
            };
            return Err(ExecError::TimedOut {
                reached,
                after,
                stdout,
                stderr,
            });
        }
        Err(error) => return Err(error),
    };
    match take_testimony(token, &mut result.stderr) {
        Some(Testimony::Ended(code)) => Ok(ExecResult {
            exit: code,
            ..result
        }),
        Some(Testimony::Missing) => Err(ExecError::NotStarted {
            cause: format!(
                "the container has no program {:?}",
                command.first().map_or("", String::as_str)
            ),
        }),
        None => Err(ExecError::Broken {
            cause: match result.exit {
                0 => "its node reported success, but it had not come to its end".to_owned(),
                code => format!("it was ended from outside, with exit code {code}"),
            },
            stdout: result.stdout,
            stderr: result.stderr,
        }),
    }
}

/// Whether the witness said that it starts the command; its line is taken out.
fn take_start(token: &str, stderr: &mut Vec<u8>) -> bool {
    let line = format!("{token} {STARTED}");
    let at = stderr
        .windows(line.len())
        .position(|window| window == line.as_bytes());
    match at {
        Some(at) => {
            stderr.drain(at..at + line.len());
            true
        }
        None => false,
    }
}

/// Finds what the witness said of the end and takes its line out.
fn take_testimony(token: &str, stderr: &mut Vec<u8>) -> Option<Testimony> {
    let token = token.as_bytes();
    let start = stderr
        .windows(token.len())
        .rposition(|window| window == token)?;
    let line_end = stderr[start..].iter().position(|byte| *byte == b'\n')?;
    let line: Vec<u8> = stderr.drain(start..=start + line_end).collect();
    let words = String::from_utf8_lossy(&line[token.len()..]);
    match words.trim() {
        "missing" => Some(Testimony::Missing),
        code => code.parse().ok().map(Testimony::Ended),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const TOKEN: &str = "kubeproof-1234";

    fn result(exit: i32, stderr: &str) -> ExecResult {
        ExecResult {
            exit,
            stdout: b"out".to_vec(),
            stderr: stderr.as_bytes().to_vec(),
            left_out: 0,
            took: Duration::ZERO,
        }
    }

    fn hear(exit: i32, stderr: &str) -> Result<(i32, String), String> {
        heard(TOKEN, &["ping".to_owned()], Ok(result(exit, stderr)))
            .map(|result| (result.exit, String::from_utf8(result.stderr).unwrap()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_witnessed_end_is_an_answer() {
        assert_eq!(hear(0, "kubeproof-1234 0\n"), Ok((0, String::new())));
        assert_eq!(
            hear(3, "no newlinekubeproof-1234 3\nlater\n"),
            Ok((3, "no newlinelater\n".to_owned()))
        );
    }

    #[test]
    fn a_success_without_a_witness_is_none() {
        let error = hear(0, "").unwrap_err();
        assert!(error.contains("had not come to its end"), "{error}");
        let error = hear(137, "x").unwrap_err();
        assert!(error.contains("137"), "{error}");
        // the testimony itself was cut off
        assert!(hear(0, "kubeproof-1234 0").is_err());
    }

    #[test]
    fn what_was_accepted_and_never_started_is_the_environment() {
        let timed_out = |stderr: &str| {
            let ended = Err(ExecError::TimedOut {
                reached: ExecReached::Command,
                after: Duration::from_secs(1),
                stdout: Vec::new(),
                stderr: stderr.as_bytes().to_vec(),
            });
            heard(TOKEN, &["ping".to_owned()], ended).unwrap_err()
        };
        let error = timed_out("");
        assert!(error.is_environment(), "{error:?}");
        let error = timed_out("kubeproof-1234 started\nhalf");
        assert!(!error.is_environment(), "{error:?}");
        assert!(
            matches!(&error, ExecError::TimedOut { stderr, .. } if stderr == b"half"),
            "{error:?}"
        );
        let broken = |stderr: &str| {
            let ended = Err(ExecError::Broken {
                cause: "reset".to_owned(),
                stdout: Vec::new(),
                stderr: stderr.as_bytes().to_vec(),
            });
            heard(TOKEN, &["ping".to_owned()], ended).unwrap_err()
        };
        assert!(matches!(broken(""), ExecError::NotStarted { .. }));
        assert!(matches!(
            broken("kubeproof-1234 started\n"),
            ExecError::Broken { .. }
        ));
    }

    #[test]
    fn a_program_that_is_not_there_did_not_start() {
        let error = hear(127, "kubeproof-1234 missing\n").unwrap_err();
        assert!(error.contains("no program \"ping\""), "{error}");
    }

    /// The script itself, in this machine's shell.
    #[test]
    fn the_shell_tells_the_truth() {
        let run = |command: &[&str]| {
            let command: Vec<_> = command.iter().map(|word| (*word).to_owned()).collect();
            let wrapped = wrapped(TOKEN, &command);
            let output = std::process::Command::new(&wrapped[0])
                .args(&wrapped[1..])
                .output()
                .unwrap();
            let mut stderr = output.stderr;
            let has_started = take_start(TOKEN, &mut stderr);
            let testimony = take_testimony(TOKEN, &mut stderr);
            assert_eq!(has_started, testimony != Some(Testimony::Missing));
            (
                testimony,
                String::from_utf8(output.stdout).unwrap(),
                String::from_utf8(stderr).unwrap(),
            )
        };
        let (testimony, stdout, _) = run(&["echo", "a b", "$HOME"]);
        assert_eq!(testimony, Some(Testimony::Ended(0)));
        assert_eq!(stdout, "a b $HOME\n");
        let (testimony, _, stderr) = run(&["sh", "-c", "printf x >&2; exit 7"]);
        assert_eq!(testimony, Some(Testimony::Ended(7)));
        assert_eq!(stderr, "x");
        assert_eq!(run(&["no-such-program"]).0, Some(Testimony::Missing));
        assert_eq!(run(&["/no/such/program"]).0, Some(Testimony::Missing));
        // a builtin is no program
        assert_eq!(run(&["export"]).0, Some(Testimony::Missing));
        assert_eq!(
            run(&["sh", "-c", "kill -KILL $$"]).0,
            Some(Testimony::Ended(137))
        );
    }

    #[test]
    fn fuzz_any_testimony_is_heard() {
        let good = [
            "kubeproof-1234 started\nerr\nkubeproof-1234 0\n",
            "kubeproof-1234 missing\n",
            "half kubeproof-1234 started\n",
        ];
        crate::fuzz::run(
            "witness",
            300,
            |chance| (chance.spoilt(&good), chance.below(3)),
            |(stderr, kind)| {
                let stderr = stderr.clone().into_bytes();
                let ended = match kind {
                    0 => Ok(ExecResult {
                        exit: 0,
                        stdout: Vec::new(),
                        stderr: stderr.clone(),
                        left_out: 0,
                        took: Duration::ZERO,
                    }),
                    1 => Err(ExecError::Broken {
                        cause: String::new(),
                        stdout: Vec::new(),
                        stderr: stderr.clone(),
                    }),
                    _ => Err(ExecError::TimedOut {
                        reached: ExecReached::Command,
                        after: Duration::ZERO,
                        stdout: Vec::new(),
                        stderr: stderr.clone(),
                    }),
                };
                if let Ok(result) = heard(TOKEN, &["a".to_owned()], ended) {
                    assert!(
                        result.stderr.len() < stderr.len(),
                        "the testimony is taken out"
                    );
                }
            },
        );
    }
}
