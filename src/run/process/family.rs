//! Who came from a program, also where they left its process group: a walk through `/proc`.
//!
//! A process is of the family if it started no earlier than the program and
//! - is in the program's process group,
//! - or has the program's token in the environment it was started with, which children inherit,
//! - or holds the writing end of the program's stdout or stderr,
//! - or is the child of one that is, or in a group or session that such a one leads.
//!
//! So only a daemon escapes that has all of a session of its own, a cleaned environment, other
//! outputs, and no parent any more: it cannot be told from the user's own. Where there is no `/proc`, or
//! it shows other processes than ours, nobody is found, and the process group is all there is.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::PermissionsExt as _;

use tokio::process::Child;
use uuid::Uuid;

/// The environment variable that tells a program's family. Where programs are nested, it has the
/// tokens of all that are around.
pub(super) const VARIABLE: &str = "KUBEPROOF_PROCESS";

/// By what the family of one program is known.
pub(super) struct Family {
    leader: i32,
    /// In ticks of the kernel's clock since boot; nothing where `/proc` cannot be used.
    born: Option<u64>,
    token: Token,
    /// As `/proc` names them: `pipe:[1234]`.
    pipes: Vec<String>,
}

/// What tells one program's environment from that of all others.
#[derive(Clone)]
pub(super) struct Token(String);

impl Token {
    pub(super) fn new() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// The value of [`VARIABLE`].
    pub(super) fn value(&self) -> String {
        match std::env::var(VARIABLE) {
            Ok(outer) if !outer.is_empty() => format!("{outer},{}", self.0),
            _ => self.0.clone(),
        }
    }

    fn is_in(&self, environment: &[u8]) -> bool {
        let prefix = format!("{VARIABLE}=");
        environment
            .split(|byte| *byte == 0)
            .filter_map(|entry| entry.strip_prefix(prefix.as_bytes()))
            .flat_map(|tokens| tokens.split(|byte| *byte == b','))
            .any(|token| token == self.0.as_bytes())
    }
}

/// One living process of the family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) pid: i32,
    /// In the program's process group, as far as one look can tell.
    pub(super) is_in_group: bool,
    born: u64,
}

impl Family {
    /// Of a child that is not reaped, with its pipes still in it.
    pub(super) fn of(child: &Child, leader: i32, token: Token) -> Self {
        let stdout = child.stdout.as_ref().map(AsRawFd::as_raw_fd);
        let stderr = child.stderr.as_ref().map(AsRawFd::as_raw_fd);
        Self {
            leader,
            born: Status::of(leader)
                .filter(|_| shows_us())
                .map(|status| status.born),
            token,
            pipes: stdout
                .into_iter()
                .chain(stderr)
                .filter_map(pipe_name)
                .collect(),
        }
    }

    /// Those that live, the program itself included; zombies do not live. Reads some files for each process
    /// of the machine that is younger than the program: not for the runtime's own threads.
    pub(super) fn living(&self) -> Vec<Member> {
        let Some(born) = self.born else {
            return Vec::new();
        };
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let mut others: Vec<Status> = processes()
            .filter(|pid| *pid != own)
            .filter_map(Status::of)
            .filter(|status| status.born >= born && !status.is_dead)
            .collect();
        let mut members: Vec<Status> = others
            .extract_if(.., |status| self.is_akin(status))
            .collect();
        // Until a round finds nobody: a child's child may stand before its parent.
        let mut known: BTreeSet<i32> = members.iter().map(|status| status.pid).collect();
        loop {
            let found: Vec<Status> = others
                .extract_if(.., |status| status.follows(&known))
                .collect();
            if found.is_empty() {
                break;
            }
            known.extend(found.iter().map(|status| status.pid));
            members.extend(found);
        }
        members
            .iter()
            .map(|status| Member {
                pid: status.pid,
                is_in_group: status.group == self.leader,
                born: status.born,
            })
            .collect()
    }

    fn is_akin(&self, status: &Status) -> bool {
        status.group == self.leader
            || fs::read(format!("/proc/{}/environ", status.pid))
                .is_ok_and(|environment| self.token.is_in(&environment))
            || self.pipes.iter().any(|pipe| writes_to(status.pid, pipe))
    }
}

impl Member {
    /// Whether its number still stands for it.
    pub(super) fn is_there(self) -> bool {
        Status::of(self.pid).is_some_and(|status| status.born == self.born)
    }
}

/// What `/proc/PID/stat` says.
struct Status {
    pid: i32,
    is_dead: bool,
    parent: i32,
    group: i32,
    session: i32,
    born: u64,
}

impl Status {
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(pid, &String::from_utf8_lossy(&stat))
    }

    fn parse(pid: i32, stat: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may itself hold both.
        let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
        Some(Self {
            pid,
            is_dead: matches!(fields.next()?, "Z" | "X" | "x"),
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
            session: fields.next()?.parse().ok()?,
            // The 22nd field of all.
            born: fields.nth(15)?.parse().ok()?,
        })
    }

    fn follows(&self, known: &BTreeSet<i32>) -> bool {
        [self.parent, self.group, self.session]
            .iter()
            .any(|leader| known.contains(leader))
    }
}

/// Whether `/proc` numbers processes as we do; in a container, it may be that of another namespace.
fn shows_us() -> bool {
    fs::read_link("/proc/self").is_ok_and(|own| own.as_os_str() == &*std::process::id().to_string())
}

fn processes() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn pipe_name(descriptor: RawFd) -> Option<String> {
    let name = fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?;
    name.into_os_string().into_string().ok()
}

/// Whether a process holds the writing end, and only that: another child of ours holds both for the
/// moment between its fork and its exec, and has nothing to do with this program.
fn writes_to(pid: i32, pipe: &str) -> bool {
    let folder = format!("/proc/{pid}/fd");
    let Ok(descriptors) = fs::read_dir(folder) else {
        return false;
    };
    let mut is_writer = false;
    for descriptor in descriptors.flatten() {
        if fs::read_link(descriptor.path()).is_ok_and(|target| target.as_os_str() == pipe) {
            // The link's own mode says how it is open.
            match descriptor.metadata().map(|link| link.permissions().mode()) {
                Ok(mode) if mode & 0o400 != 0 => return false,
                Ok(_) => is_writer = true,
                Err(_) => {}
            }
        }
    }
    is_writer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_whatever_the_name() {
        let stat = "7 (a) R 1 (b) S 3 4 5 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 777 8192 1";
        let status = Status::parse(7, stat).unwrap();
        assert_eq!((status.parent, status.group, status.session), (3, 4, 5));
        assert_eq!((status.born, status.is_dead), (777, false));
        assert!(Status::parse(7, "7 (sh) Z 3").is_none());
    }

    #[test]
    fn a_token_is_found_among_those_of_outer_programs() {
        let token = Token("abc".to_owned());
        assert!(token.is_in(b"PATH=/bin\0KUBEPROOF_PROCESS=abc\0"));
        assert!(token.is_in(b"KUBEPROOF_PROCESS=outer,abc\0A=b\0"));
        assert!(!token.is_in(b"KUBEPROOF_PROCESS=abcd\0OTHER=abc\0"));
    }

    #[test]
    fn we_are_there() {
        assert!(shows_us());
        let own = i32::try_from(std::process::id()).unwrap();
        let born = Status::of(own).unwrap().born;
        let us = |born| Member {
            pid: own,
            is_in_group: false,
            born,
        };
        assert!(us(born).is_there());
        assert!(!us(born + 1).is_there());
    }
}
