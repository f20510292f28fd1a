//! Has a credential plugin run when credentials are needed: once for all who ask at a time, and again
//! only when what it gave has expired, or when the server does not accept it any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use http::HeaderValue;
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::credentials::bearer;
use super::plugin::{Given, NoCredentials, Plugin};

/// A plugin that failed is not run again so soon: each request would do so.
const PAUSE: Duration = Duration::from_secs(5);

/// What proves who one is.
#[derive(Debug)]
pub(super) struct Proof {
    /// Tells it from those before it.
    pub(super) number: u64,
    /// `Authorization`
    pub(super) header: Option<HeaderValue>,
    /// For the TLS session.
    pub(super) certificate: Option<Arc<CertifiedKey>>,
    expires: Option<Timestamp>,
    /// Whether the server has ever taken it.
    was_accepted: AtomicBool,
}

type Issued = Result<Arc<Proof>, NoCredentials>;
type Flight = Shared<BoxFuture<'static, Issued>>;

/// One plugin, and what it gave last.
pub(super) struct Issuer {
    plugin: Plugin,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    proof: Option<Arc<Proof>>,
    /// The run of the plugin that is under way.
    flight: Option<Flight>,
    failed: Option<(Instant, NoCredentials)>,
    /// How many were issued.
    count: u64,
}

impl Proof {
    /// As it comes from elsewhere than a plugin.
    pub(super) fn of_header(header: Option<HeaderValue>, number: u64) -> Arc<Self> {
        Arc::new(Self {
            number,
            header,
            certificate: None,
            expires: None,
            was_accepted: AtomicBool::new(false),
        })
    }

    /// The server did not refuse it.
    pub(super) fn accepted(&self) {
        self.was_accepted.store(true, Ordering::Relaxed);
    }

    fn holds(&self) -> bool {
        self.expires.is_none_or(|end| Timestamp::now() < end)
    }
}

impl Issuer {
    pub(super) fn new(plugin: Plugin) -> Self {
        Self {
            plugin,
            state: Arc::default(),
        }
    }

    /// What holds now; where nothing does, the plugin is run.
    ///
    /// The run goes on where somebody gives up waiting, since others will ask: [`Issuer::first`] does not.
    pub(super) async fn current(&self) -> Issued {
        let flight = {
            let mut state = self.lock();
            match &state.proof {
                Some(proof) if proof.holds() => return Ok(Arc::clone(proof)),
                _ => {}
            }
            if let Some((at, failed)) = &state.failed
                && at.elapsed() < PAUSE
            {
                return Err(failed.clone());
            }
            match &state.flight {
                Some(flight) => flight.clone(),
                None => {
                    let flight = self.depart();
                    state.flight = Some(flight.clone());
                    flight
                }
            }
        };
        flight.await
    }

    /// As [`Issuer::current`]; whoever gives up ends the plugin, unless others wait for it too.
    pub(super) async fn first(&self) -> Issued {
        struct Abandoned<'a>(Option<&'a Issuer>);
        impl Drop for Abandoned<'_> {
            fn drop(&mut self) {
                if let Some(issuer) = self.0 {
                    issuer.lock().flight = None;
                }
            }
        }
        let mut abandoned = Abandoned(Some(self));
        let issued = self.current().await;
        abandoned.0 = None;
        issued
    }

    /// The server refused this proof (401). Whether another one may be had: where it accepted it
    /// before. A fresh one that it refuses it would refuse again.
    pub(super) fn was_refused(&self, proof: &Proof) -> bool {
        let mut state = self.lock();
        match &state.proof {
            Some(current) if current.number == proof.number => {
                if !proof.was_accepted.load(Ordering::Relaxed) {
                    return false;
                }
                state.proof = None;
                true
            }
            // another one was issued meanwhile, or is about to be
            _ => true,
        }
    }

    fn depart(&self) -> Flight {
        let (plugin, state) = (self.plugin.clone(), Arc::downgrade(&self.state));
        // a task of its own: its wait is nobody's request, which has a time-out
        let run = AbortOnDropHandle::new(tokio::spawn(async move {
            let given = plugin.run().await;
            let issued = given.and_then(|given| proof(&plugin, given));
            let Some(state) = state.upgrade() else {
                return issued.map(Arc::new);
            };
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.flight = None;
            state.count += 1;
            let number = state.count;
            let issued = issued.map(|proof| Arc::new(Proof { number, ..proof }));
            match &issued {
                Ok(proof) => {
                    state.proof = Some(Arc::clone(proof));
                    state.failed = None;
                }
                Err(failed) => state.failed = Some((Instant::now(), failed.clone())),
            }
            issued
        }));
        let name = self.plugin.name();
        let flight = async move {
            run.await.unwrap_or_else(|_| {
                Err(NoCredentials {
                    source_name: name,
                    cause: "it cannot be run".to_owned(),
                    details: Vec::new(),
                })
            })
        };
        flight.boxed().shared()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes of what a plugin gave what requests and sessions take.
fn proof(plugin: &Plugin, given: Given) -> Result<Proof, NoCredentials> {
    let failed = |cause: &str| plugin.failed(cause, b"");
    let header = given.token.map(|token| {
        bearer(&token).ok_or_else(|| failed("its token has characters that no header can carry"))
    });
    let certificate = given.certificate.map(|(chain, key)| {
        let words = "its certificate and key cannot be used";
        certified(&chain, &key).ok_or_else(|| failed(words))
    });
    // The clocks of the two differ where it has expired before it came: the server will tell.
    let expires = given.expires.filter(|end| Timestamp::now() < *end);
    Ok(Proof {
        number: 0,
        header: header.transpose()?,
        certificate: certificate.transpose()?.map(Arc::new),
        expires,
        was_accepted: AtomicBool::new(false),
    })
}

fn certified(chain: &str, key: &str) -> Option<CertifiedKey> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty())?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider()).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use jiff::SignedDuration;

    use super::*;

    /// A plugin that counts its runs in a file, and gives a token that holds so long.
    fn counting(folder: &Path, validity: SignedDuration) -> Issuer {
        let end = Timestamp::now() + validity;
        let script = format!(
            "echo x >> {0}/runs; sleep 0.2; \
             echo '{{kind: ExecCredential, status: {{token: t, expirationTimestamp: {end}}}}}'",
            folder.display()
        );
        Issuer::new(Plugin {
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), script],
            env: BTreeMap::new(),
            api_version: None,
            cluster: None,
            install_hint: None,
        })
    }

    fn runs(folder: &Path) -> usize {
        let text = std::fs::read_to_string(folder.join("runs")).unwrap_or_default();
        text.lines().count()
    }

    #[tokio::test]
    async fn all_who_ask_get_what_one_run_gave_until_it_expires() {
        let folder = tempfile::tempdir().unwrap();
        // less than the minute before which it was never used to its end
        let issuer = counting(folder.path(), SignedDuration::from_secs(3));
        let issued = futures::future::join_all((0..20).map(|_| issuer.current())).await;
        assert!(
            issued
                .iter()
                .all(|proof| proof.as_ref().unwrap().number == 1)
        );
        for _ in 0..20 {
            assert_eq!(issuer.current().await.unwrap().number, 1);
        }
        assert_eq!(runs(folder.path()), 1);
        tokio::time::sleep(Duration::from_millis(3200)).await;
        assert!(issuer.current().await.is_ok());
        assert_eq!(runs(folder.path()), 2);
    }

    #[tokio::test]
    async fn what_had_expired_when_it_came_is_used_until_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let issuer = counting(folder.path(), SignedDuration::from_secs(-300));
        let proof = issuer.current().await.unwrap();
        assert_eq!(issuer.current().await.unwrap().number, 1);
        // never accepted: another would be no better
        assert!(!issuer.was_refused(&proof));
        proof.accepted();
        assert!(issuer.was_refused(&proof));
        assert_eq!(issuer.current().await.unwrap().number, 2);
        // who used the first one is to try the second
        assert!(issuer.was_refused(&proof));
        assert_eq!(issuer.current().await.unwrap().number, 2);
        assert_eq!(runs(folder.path()), 2);
    }

    #[tokio::test]
    async fn a_request_that_gives_up_does_not_end_the_plugin_and_a_connection_does() {
        let hour = SignedDuration::from_hours(1);
        let brief = Duration::from_millis(100);
        let folder = tempfile::tempdir().unwrap();
        let issuer = counting(folder.path(), hour);
        assert!(tokio::time::timeout(brief, issuer.current()).await.is_err());
        assert_eq!(issuer.current().await.unwrap().number, 1);
        assert_eq!(runs(folder.path()), 1);

        let folder = tempfile::tempdir().unwrap();
        let issuer = counting(folder.path(), hour);
        assert!(tokio::time::timeout(brief, issuer.first()).await.is_err());
        assert!(issuer.current().await.is_ok());
        assert_eq!(runs(folder.path()), 2);
    }

    #[tokio::test]
    async fn a_plugin_that_fails_is_not_run_for_each_request() {
        let folder = tempfile::tempdir().unwrap();
        let mut issuer = counting(folder.path(), SignedDuration::from_hours(1));
        issuer.plugin.args[1].push_str("; exit 3");
        for _ in 0..5 {
            let failed = issuer.current().await.unwrap_err();
            assert_eq!(failed.cause, "it ended with exit code 3");
        }
        assert_eq!(runs(folder.path()), 1);
    }
}
