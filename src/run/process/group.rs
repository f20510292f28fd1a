//! A program's process group, from its start until all of it is ended.
//!
//! Signals go to the group only while its leader is not reaped, and to others only through a
//! descriptor of the process: a number that was given to somebody else meanwhile is never hit.

use std::collections::BTreeSet;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::time::Instant;

use super::family::{Family, Member, Token, VARIABLE};
use super::pipes::Pipes;
use super::program::Program;
use crate::output::Intake;

/// How long the family has between TERM and KILL.
const GRACE: Duration = Duration::from_secs(2);
/// How long to look for those that live after KILL. One that is still there waits for a device or
/// belongs to another user; nothing can be done about either.
const KILL_PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait before looking again who lives; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A program that was started. Dropping it kills the family at once, without the grace.
pub(super) struct Group {
    child: Child,
    leader: Pid,
    family: Arc<Family>,
    /// Comes whenever a child of ours exits.
    exits: SignalStream,
    is_reaped: bool,
}

impl Group {
    /// Starts the program as the leader of a process group. Its terminal, if any, is ours, but in the
    /// background: Ctrl-C does not reach it.
    pub(super) fn start(program: &Program) -> io::Result<Self> {
        let token = Token::new();
        let mut command = Command::new(&program.program);
        command
            .args(&program.args)
            .envs(&program.env)
            .env(VARIABLE, token.value())
            .stdin(match program.stdin {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(folder) = &program.cwd {
            command.current_dir(folder);
        }
        // Listens before there is anything to hear.
        let exits = signal(SignalKind::child())?;
        let child = command.spawn()?;
        let leader = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
            .expect("a child that was not waited for has a positive number");
        let family = Family::of(&child, leader.as_raw_pid(), token);
        Ok(Self {
            child,
            leader,
            family: Arc::new(family),
            exits,
            is_reaped: false,
        })
    }

    /// The program's pipes, once.
    pub(super) fn pipes(&mut self, stdin: Option<Vec<u8>>, outputs: (&Intake, &Intake)) -> Pipes {
        Pipes::of(&mut self.child, stdin, outputs)
    }

    /// Waits until the program has exited, and leaves it a zombie: its number, and so the group's,
    /// stays taken. Safe to drop and to call again.
    pub(super) async fn exited(&mut self) {
        while !self.has_exited() {
            self.exits.recv().await;
        }
    }

    fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error says that it is no child of ours any more.
        !matches!(waitid(WaitId::Pid(self.leader), options), Ok(None))
    }

    /// Ends all that live: TERM, and KILL to those that are there after the grace. What they print
    /// meanwhile is read. Returns how many lived, the program itself included.
    pub(super) async fn end(&mut self, pipes: &mut Pipes) -> usize {
        let mut seen = BTreeSet::new();
        let is_over = self.end_by(Signal::TERM, GRACE, pipes, &mut seen).await
            || self
                .end_by(Signal::KILL, KILL_PATIENCE, pipes, &mut seen)
                .await;
        // For what was forked since the last look, and where nobody can be looked for.
        self.signal_group(Signal::KILL);
        if !is_over {
            tracing::warn!(
                leader = self.leader.as_raw_pid(),
                "a program, or a child of it, cannot be ended"
            );
        }
        seen.len()
    }

    /// Signals until all are gone, or patience is. Whether they are gone.
    async fn end_by(
        &mut self,
        signal: Signal,
        patience: Duration,
        pipes: &mut Pipes,
        seen: &mut BTreeSet<i32>,
    ) -> bool {
        let deadline = Instant::now() + patience;
        let mut told = BTreeSet::new();
        let mut pause = FIRST_PAUSE;
        loop {
            let living = self.living().await;
            let is_over = living.is_empty() && self.has_exited();
            if is_over || Instant::now() >= deadline {
                return is_over;
            }
            // TERM once: the group may be busy with cleaning up, by new children too.
            if pause == FIRST_PAUSE || signal == Signal::KILL {
                self.signal_group(signal);
            }
            for member in living {
                seen.insert(member.pid);
                if !member.is_in_group && told.insert(member.pid) {
                    signal_member(member, signal);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                never = pipes.flow_for_ever() => match never {},
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Who lives. Where the runtime ends, nobody is found; dropping the group looks again.
    async fn living(&self) -> Vec<Member> {
        let family = Arc::clone(&self.family);
        let looking = tokio::task::spawn_blocking(move || family.living());
        looking.await.unwrap_or_default()
    }

    /// The group may be empty, or belong to another user: neither can be helped.
    fn signal_group(&self, signal: Signal) {
        if self.is_reaped {
            return;
        }
        let _ = kill_process_group(self.leader, signal);
        if signal == Signal::TERM {
            // What is stopped, such as by reading from the terminal, sees TERM only when it goes on.
            let _ = kill_process_group(self.leader, Signal::CONT);
        }
    }

    /// Tells how the program ended, if it has, and gives its number back. No signal follows.
    pub(super) fn reap(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.is_reaped = status.is_some();
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever drops a future cannot wait: no grace, and no second look.
        if !self.is_reaped {
            self.signal_group(Signal::KILL);
            for member in self.family.living() {
                signal_member(member, Signal::KILL);
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn signal_member(member: Member, signal: Signal) {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

    let Some(pid) = Pid::from_raw(member.pid) else {
        return;
    };
    // The descriptor holds one process; that it is the one that was found is checked after.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    if member.is_there() {
        // One that is gone, or another user's, cannot be helped.
        let _ = pidfd_send_signal(&process, signal);
        if signal == Signal::TERM {
            let _ = pidfd_send_signal(&process, Signal::CONT);
        }
    }
}

/// Only Linux finds members outside of the group.
#[cfg(not(target_os = "linux"))]
fn signal_member(_member: Member, _signal: Signal) {}
