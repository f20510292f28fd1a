//! Who one is, in each request: what a kubeconfig has, made into the `Authorization` header and the
//! certificate of the session. Those of a credential plugin are `issuer`'s.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use http::HeaderValue;
use tokio::time::Instant;

use super::issuer::{Issuer, Proof};
use super::memory::Memory;
use super::plugin::NoCredentials;

/// How long a token that was read from a file is taken to be the one in it.
const FRESH: Duration = Duration::from_secs(60);
/// How long a request that was refused waits for what is in the file now.
const RENEWAL_TIME: Duration = Duration::from_secs(2);

/// Where the proof comes from.
pub(super) enum Credentials {
    /// Always the same, or none.
    Fixed(Arc<Proof>),
    /// A token in a file, which somebody may replace.
    File(Arc<TokenFile>),
    /// A plugin, which may be others' too.
    Plugin(Arc<Issuer>),
}

/// A token in a file, read again each minute. Nobody waits for that but who was refused: the file may
/// be on a file system that hangs.
pub(super) struct TokenFile {
    path: PathBuf,
    memory: Memory,
    last: Mutex<Last>,
}

/// What was read last.
struct Last {
    proof: Arc<Proof>,
    at: Instant,
    is_under_way: bool,
}

impl Credentials {
    /// None: an anonymous user, or one with a certificate.
    pub(super) fn none() -> Self {
        Self::Fixed(Proof::of_header(None, 0))
    }

    /// A token that stands in a kubeconfig. `None` where no header can carry it.
    pub(super) fn token(token: &str) -> Option<Self> {
        Some(Self::Fixed(Proof::of_header(Some(bearer(token)?), 0)))
    }

    /// A name and a password.
    pub(super) fn basic(user: &str, password: &str) -> Self {
        let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let mut header = HeaderValue::try_from(format!("Basic {both}"))
            .expect("base64 has only characters that headers have");
        header.set_sensitive(true);
        Self::Fixed(Proof::of_header(Some(header), 0))
    }

    /// A token in a file. In words why it cannot be had.
    pub(super) async fn token_file(path: &Path, memory: &Memory) -> Result<Self, String> {
        let bytes = memory.read(path).await?;
        let header = header_of(&bytes)?;
        Ok(Self::File(Arc::new(TokenFile {
            path: path.to_owned(),
            memory: memory.clone(),
            last: Mutex::new(Last {
                proof: Proof::of_header(Some(header), 0),
                at: Instant::now(),
                is_under_way: false,
            }),
        })))
    }

    /// Gets them for the first time; whoever gives up ends a plugin that is under way.
    pub(super) async fn first(&self) -> Result<Arc<Proof>, NoCredentials> {
        match self {
            Self::Plugin(issuer) => issuer.first().await,
            _ => self.current().await,
        }
    }

    /// What is to be shown now.
    pub(super) async fn current(&self) -> Result<Arc<Proof>, NoCredentials> {
        match self {
            Self::Fixed(proof) => Ok(Arc::clone(proof)),
            Self::File(file) => Ok(file.current()),
            Self::Plugin(issuer) => issuer.current().await,
        }
    }

    /// The server refused a proof (401): whether another one may be had.
    pub(super) async fn was_refused(&self, proof: &Proof) -> bool {
        match self {
            Self::Fixed(_) => false,
            // it may have been replaced this moment
            Self::File(file) => {
                let reading = file.read_again();
                let _late = tokio::time::timeout(RENEWAL_TIME, reading).await;
                file.last().proof.number != proof.number
            }
            Self::Plugin(issuer) => issuer.was_refused(proof),
        }
    }

    /// Whether the certificate of a session is among them.
    pub(super) fn may_have_certificate(&self) -> bool {
        matches!(self, Self::Plugin(_))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl TokenFile {
    /// The last one that could be read: some take the file away once it has been.
    fn current(self: &Arc<Self>) -> Arc<Proof> {
        let mut last = self.last();
        if last.at.elapsed() >= FRESH && !last.is_under_way {
            last.is_under_way = true;
            let file = Arc::clone(self);
            tokio::spawn(async move {
                file.read_again().await;
                file.last().is_under_way = false;
            });
        }
        Arc::clone(&last.proof)
    }

    async fn read_again(&self) {
        let read = self.memory.read(&self.path).await;
        let mut last = self.last();
        last.at = Instant::now();
        if let Some(header) = read.ok().and_then(|bytes| header_of(&bytes).ok())
            && last.proof.header.as_ref() != Some(&header)
        {
            last.proof = Proof::of_header(Some(header), last.proof.number + 1);
        }
    }

    /// Held for a moment only, and never while something is read.
    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the line break that editors and `echo` put behind it, as client-go takes it.
fn header_of(bytes: &[u8]) -> Result<HeaderValue, String> {
    let text = String::from_utf8_lossy(bytes);
    let token = text.trim();
    if token.is_empty() {
        return Err("it is empty".to_owned());
    }
    bearer(token).ok_or_else(|| "it has characters that no token has".to_owned())
}

/// `None` where no header can carry the token: it has a line break.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shown(credentials: &Credentials) -> String {
        let proof = credentials.current().await.unwrap();
        let header = proof.header.as_ref().unwrap();
        assert!(header.is_sensitive());
        header.to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn the_token_of_a_file_has_no_line_break_and_may_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let memory = Memory::default();
        std::fs::write(&path, " \n").unwrap();
        let empty = Credentials::token_file(&path, &memory).await;
        assert_eq!(empty.unwrap_err(), "it is empty");
        std::fs::write(&path, "one\r\n").unwrap();
        let credentials = Credentials::token_file(&path, &memory).await.unwrap();
        assert_eq!(shown(&credentials).await, "Bearer one");
        let proof = credentials.current().await.unwrap();
        assert!(!credentials.was_refused(&proof).await);
        std::fs::write(&path, "two\n").unwrap();
        assert_eq!(shown(&credentials).await, "Bearer one");
        assert!(credentials.was_refused(&proof).await);
        assert_eq!(shown(&credentials).await, "Bearer two");
        std::fs::remove_file(&path).unwrap();
        assert!(credentials.was_refused(&proof).await);
        assert_eq!(shown(&credentials).await, "Bearer two");
    }

    /// A lease that somebody holds on a file lets nobody open it for 45 s, as a file system that hangs.
    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn a_file_that_hangs_holds_back_nobody() {
        use std::io::BufRead as _;
        const HOLDER: &str = "import fcntl, os, signal, sys\n\
            signal.signal(signal.SIGIO, signal.SIG_IGN)\n\
            file = os.open(sys.argv[1], os.O_WRONLY)\n\
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n\
            print('held', flush=True)\n\
            sys.stdin.read()\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "one").unwrap();
        let memory = Memory::default();
        let credentials = Credentials::token_file(&path, &memory).await.unwrap();
        let proof = credentials.current().await.unwrap();
        let mut holder = std::process::Command::new("python3")
            .args(["-c", HOLDER])
            .arg(&path)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let stdout = holder.stdout.as_mut().unwrap();
        std::io::BufReader::new(stdout)
            .read_line(&mut said)
            .unwrap();
        assert_eq!(said, "held\n");
        let Credentials::File(file) = &credentials else {
            panic!("a token file");
        };
        file.last().at = Instant::now() - FRESH;
        let begun = Instant::now();
        assert_eq!(shown(&credentials).await, "Bearer one");
        assert!(begun.elapsed() < RENEWAL_TIME, "{:?}", begun.elapsed());
        // meanwhile all else goes on, on this one thread
        let refused = futures::future::join(
            credentials.was_refused(&proof),
            tokio::time::timeout(RENEWAL_TIME / 4, std::future::pending::<()>()),
        );
        let (may_be_renewed, _) = refused.await;
        assert!(!may_be_renewed);
        assert!(begun.elapsed() < RENEWAL_TIME * 4, "{:?}", begun.elapsed());
        // it is read once it can be
        drop(holder.stdin.take());
        holder.wait().unwrap();
        std::fs::write(&path, "two").unwrap();
        // the first may still give what was there before
        while !credentials.was_refused(&proof).await {
            assert!(begun.elapsed() < RENEWAL_TIME * 20);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(shown(&credentials).await, "Bearer two");
    }

    #[tokio::test]
    async fn what_no_header_can_carry_is_no_token() {
        assert!(Credentials::token("one\ntwo").is_none());
        assert!(Credentials::token("one\n").is_none());
        let basic = Credentials::basic("jän", "a\nb");
        assert!(shown(&basic).await.starts_with("Basic "));
    }
}
