//! Who one is, in each request: what a kubeconfig has, made into the `Authorization` header and the
//! certificate of the session. Those of a credential plugin are `issuer`'s.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use http::HeaderValue;
use tokio::time::Instant;

use super::issuer::{Issuer, Proof};
use super::memory::{Memory, is_read_again};
use super::plugin::NoCredentials;

/// How long a token that was read from a file is taken to be the one in it.
const FRESH: Duration = Duration::from_secs(60);

/// Where the proof comes from.
pub(super) enum Credentials {
    /// Always the same, or none.
    Fixed(Arc<Proof>),
    /// A token in a file, which somebody may replace.
    File(TokenFile),
    /// A plugin, which may be others' too.
    Plugin(Arc<Issuer>),
}

/// A token in a file, read again each minute.
pub(super) struct TokenFile {
    path: PathBuf,
    last: Mutex<(Instant, Arc<Proof>)>,
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
        Ok(Self::File(TokenFile {
            path: path.to_owned(),
            last: Mutex::new((Instant::now(), Proof::of_header(Some(header), 0))),
        }))
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
            Self::File(file) => Ok(file.current(FRESH)),
            Self::Plugin(issuer) => issuer.current().await,
        }
    }

    /// The server refused a proof (401): whether another one may be had.
    pub(super) fn was_refused(&self, proof: &Proof) -> bool {
        match self {
            Self::Fixed(_) => false,
            // it may have been replaced this moment
            Self::File(file) => file.current(Duration::ZERO).number != proof.number,
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
    fn current(&self, fresh: Duration) -> Arc<Proof> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0.elapsed() >= fresh && is_read_again(&self.path) {
            last.0 = Instant::now();
            let read = std::fs::read(&self.path).ok();
            if let Some(header) = read.and_then(|bytes| header_of(&bytes).ok())
                && last.1.header.as_ref() != Some(&header)
            {
                last.1 = Proof::of_header(Some(header), last.1.number + 1);
            }
        }
        Arc::clone(&last.1)
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
        assert!(!credentials.was_refused(&proof));
        std::fs::write(&path, "two\n").unwrap();
        assert_eq!(shown(&credentials).await, "Bearer one");
        assert!(credentials.was_refused(&proof));
        assert_eq!(shown(&credentials).await, "Bearer two");
        std::fs::remove_file(&path).unwrap();
        assert!(credentials.was_refused(&proof));
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
