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
use super::places::ExecPlace;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Testimony {
    /// It runs now.
    Started,
    /// It ended with this code.
    Ended(i32),
    /// There is no such program.
    Missing,
}

/// Listens on stderr for the shell's lines, which are no part of it.
#[derive(Debug)]
pub(in super::super) struct Witness {
    /// What its lines begin with, and a space; nothing where there is no witness.
    token: Vec<u8>,
    /// What may be the beginning of a line of its own.
    held: Vec<u8>,
    has_started: bool,
    end: Option<Testimony>,
}

impl Witness {
    /// No line of a witness has more after its token.
    const LONGEST: usize = "started\n".len();

    fn of(token: &str) -> Self {
        Self {
            token: format!("{token} ").into_bytes(),
            held: Vec::new(),
            has_started: false,
            end: None,
        }
    }

    /// Of a command that runs bare.
    pub(in super::super) fn none() -> Self {
        Self {
            token: Vec::new(),
            ..Self::of("")
        }
    }

    /// Takes the witness's lines out of a piece of stderr; gives back what is the command's, as far
    /// as that is known by now.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.held);
        rest.extend_from_slice(bytes);
        if self.token.is_empty() {
            return rest;
        }
        let mut own = Vec::new();
        while let Some(start) = position(&rest, &self.token) {
            let after = &rest[start + self.token.len()..];
            let line = &after[..after.len().min(Self::LONGEST)];
            let end = line.iter().position(|byte| *byte == b'\n');
            match end.and_then(|end| Some((end, testimony(&line[..end])?))) {
                Some((end, testimony)) => {
                    match testimony {
                        Testimony::Started => self.has_started = true,
                        testimony => self.end = Some(testimony),
                    }
                    own.extend_from_slice(&rest[..start]);
                    rest.drain(..start + self.token.len() + end + 1);
                }
                // its rest is still to come
                None if end.is_none() && line.len() < Self::LONGEST => {
                    own.extend_from_slice(&rest[..start]);
                    rest.drain(..start);
                    self.held = rest;
                    return own;
                }
                // somebody else's words
                None => {
                    let end = start + self.token.len();
                    own.extend_from_slice(&rest[..end]);
                    rest.drain(..end);
                }
            }
        }
        let begun = (1..self.token.len())
            .rev()
            .find(|length| rest.ends_with(&self.token[..*length]));
        self.held = rest.split_off(rest.len() - begun.unwrap_or(0));
        own.append(&mut rest);
        own
    }

    /// What was held back, where no more comes.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// Whether anything came from it.
    pub(super) fn has_spoken(&self) -> bool {
        self.has_started || self.end.is_some()
    }
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    let first = *part.first()?;
    let mut from = 0;
    loop {
        from += bytes[from..].iter().position(|byte| *byte == first)?;
        if bytes[from..].starts_with(part) {
            return Some(from);
        }
        from += 1;
    }
}

fn testimony(line: &[u8]) -> Option<Testimony> {
    match line {
        b"started" => Some(Testimony::Started),
        b"missing" => Some(Testimony::Missing),
        code => {
            let code = std::str::from_utf8(code).ok()?.parse().ok()?;
            Some(Testimony::Ended(code))
        }
    }
}

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
    /// Runs a command in a container, once, and waits until it ends. The place is one that
    /// [`Cluster::exec_place`] gave for the same pod.
    ///
    /// Without `stdin`, the command has none; with it, it is sent whole and then closed, which
    /// needs Kubernetes 1.30. The command is not interpreted by a shell, but where the container has
    /// one, its end is witnessed by it: a success that the node reports for a command that did not
    /// end is [`ExecError::Broken`].
    ///
    /// On a time-out, a second command ends the first inside the container, where it has `sh`;
    /// that adds at most two seconds. Where the future is dropped, or the connection breaks, the
    /// same is done beside: [`Cluster::commands_ended`] waits for it.
    ///
    /// # Errors
    /// [`ExecError`]. It is tried again only where the API server was not reached at all, or did not
    /// get to it: never where the command may have started.
    pub async fn exec(
        &self,
        place: ExecPlace,
        target: &PodTarget,
        command: &[String],
        stdin: Option<Vec<u8>>,
        limits: &ExecLimits,
    ) -> Result<ExecResult, ExecError> {
        let begun = Instant::now();
        if !self.inner.shared.shellless.has(target) {
            let token = format!("kubeproof-{}", uuid::Uuid::new_v4().simple());
            let wrapped = wrapped(&token, command);
            let mut witness = Witness::of(&token);
            let input = stdin.clone();
            let ended =
                self.exec_bare(place.clone(), target, &wrapped, input, limits, &mut witness);
            match ended.await {
                Err(ExecError::NotStarted { cause }) if lacks_shell(&cause) => {
                    self.inner.shared.shellless.add(target);
                }
                ended => return heard(&witness, command, ended),
            }
        }
        let rest = ExecLimits {
            timeout: limits.timeout.saturating_sub(begun.elapsed()),
            ..limits.clone()
        };
        let mut nobody = Witness::none();
        let ended = self.exec_bare(place, target, command, stdin, &rest, &mut nobody);
        ended.await.map_err(|error| match error {
            // what looking for a shell took is a part of it
            ExecError::TimedOut {
                reached,
                stdout,
                stderr,
                ..
            } => ExecError::TimedOut {
                reached,
                after: limits.timeout,
                stdout,
                stderr,
            },
            error => error,
        })
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

/// The end of a command as its witness tells it.
fn heard(
    witness: &Witness,
    command: &[String],
    ended: Result<ExecResult, ExecError>,
) -> Result<ExecResult, ExecError> {
    let result = match ended {
        Ok(result) => result,
        Err(ExecError::Broken { cause, .. }) if !witness.has_started => {
            return Err(ExecError::NotStarted { cause });
        }
        Err(ExecError::TimedOut {
            reached: ExecReached::Command,
            after,
            stdout,
            stderr,
        }) if !witness.has_started => {
            return Err(ExecError::TimedOut {
                reached: ExecReached::ApiServer,
                after,
                stdout,
                stderr,
            });
        }
        Err(error) => return Err(error),
    };
    match witness.end {
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
        Some(Testimony::Started) | None => Err(ExecError::Broken {
            cause: match result.exit {
                0 => "its node reported success, but it had not come to its end".to_owned(),
                code => format!("it was ended from outside, with exit code {code}"),
            },
            stdout: result.stdout.shown().into_owned(),
            stderr: result.stderr.shown().into_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const TOKEN: &str = "kubeproof-1234";

    /// What a witness hears of a stderr that comes in pieces of so many bytes, and what is left of it.
    fn listened(stderr: &[u8], piece: usize) -> (Witness, Vec<u8>) {
        let mut witness = Witness::of(TOKEN);
        let mut own = Vec::new();
        for piece in stderr.chunks(piece) {
            own.extend(witness.hear(piece));
        }
        own.extend(witness.rest());
        (witness, own)
    }

    fn own_text(own: &[u8]) -> String {
        String::from_utf8(own.to_vec()).unwrap()
    }

    fn hear(exit: i32, stderr: &str) -> Result<(i32, String), String> {
        let hear = |piece| {
            let (witness, own) = listened(stderr.as_bytes(), piece);
            let result = ExecResult {
                exit,
                stdout: "out".into(),
                stderr: own_text(&own).as_str().into(),
                took: Duration::ZERO,
            };
            heard(&witness, &["ping".to_owned()], Ok(result))
                .map(|result| (result.exit, result.stderr.shown().into_owned()))
                .map_err(|error| error.to_string())
        };
        let heard = hear(1000);
        for piece in [1, 2, 7, 20] {
            assert_eq!(hear(piece), heard, "in pieces of {piece}");
        }
        heard
    }

    #[test]
    fn a_witnessed_end_is_an_answer() {
        assert_eq!(hear(0, "kubeproof-1234 0\n"), Ok((0, String::new())));
        assert_eq!(
            hear(3, "no newlinekubeproof-1234 3\nlater\n"),
            Ok((3, "no newlinelater\n".to_owned()))
        );
        // a command that prints how it was called
        let called = "sh -c … kubeproof kubeproof-1234 ping\nkubeproof-1234 0\n";
        let own = "sh -c … kubeproof kubeproof-1234 ping\n".to_owned();
        assert_eq!(hear(0, called), Ok((0, own)));
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
            let (witness, own) = listened(stderr.as_bytes(), 3);
            let ended = Err(ExecError::TimedOut {
                reached: ExecReached::Command,
                after: Duration::from_secs(1),
                stdout: String::new(),
                stderr: own_text(&own),
            });
            heard(&witness, &["ping".to_owned()], ended).unwrap_err()
        };
        let error = timed_out("");
        assert!(error.is_environment(), "{error:?}");
        let error = timed_out("kubeproof-1234 started\nhalf");
        assert!(!error.is_environment(), "{error:?}");
        assert!(
            matches!(&error, ExecError::TimedOut { stderr, .. } if stderr == "half"),
            "{error:?}"
        );
        let broken = |stderr: &str| {
            let (witness, own) = listened(stderr.as_bytes(), 3);
            let ended = Err(ExecError::Broken {
                cause: "reset".to_owned(),
                stdout: String::new(),
                stderr: own_text(&own),
            });
            heard(&witness, &["ping".to_owned()], ended).unwrap_err()
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
            let (witness, own) = listened(&output.stderr, 5);
            assert_eq!(witness.has_started, witness.end != Some(Testimony::Missing));
            (
                witness.end,
                String::from_utf8(output.stdout).unwrap(),
                own_text(&own),
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
                let (witness, own) = listened(stderr.as_bytes(), 1 + kind * 7);
                let ended = match kind {
                    0 => Ok(ExecResult {
                        exit: 0,
                        stdout: "".into(),
                        stderr: String::from_utf8_lossy(&own).as_ref().into(),
                        took: Duration::ZERO,
                    }),
                    1 => Err(ExecError::Broken {
                        cause: String::new(),
                        stdout: String::new(),
                        stderr: String::from_utf8_lossy(&own).into_owned(),
                    }),
                    _ => Err(ExecError::TimedOut {
                        reached: ExecReached::Command,
                        after: Duration::ZERO,
                        stdout: String::new(),
                        stderr: String::from_utf8_lossy(&own).into_owned(),
                    }),
                };
                if heard(&witness, &["a".to_owned()], ended).is_ok() {
                    assert!(own.len() < stderr.len(), "the testimony is taken out");
                }
            },
        );
    }
}
