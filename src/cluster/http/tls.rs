//! TLS with a target: whom to trust, what the certificate says, and in words why it is not trusted.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error};
use rustls::{InvalidMessage, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::der::Decode as _;

use super::super::cause::without_number;
use super::super::trust::Trust;
use super::model::{HttpError, TlsInfo};

/// What the system trusts, read when it is first needed.
#[derive(Default)]
pub(in super::super) struct PlatformTrust(OnceLock<Arc<dyn ServerCertVerifier>>);

impl PlatformTrust {
    fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, HttpError> {
        if let Some(verifier) = self.0.get() {
            return Ok(Arc::clone(verifier));
        }
        let verifier = rustls_platform_verifier::Verifier::new(provider);
        let verifier = verifier.map_err(|error| HttpError::NotAsked {
            cause: format!("the certificates that the system trusts cannot be read: {error}"),
        })?;
        Ok(Arc::clone(self.0.get_or_init(|| Arc::new(verifier))))
    }
}

/// Checks certificates by another's judgement, and keeps the last one for the report.
#[derive(Debug)]
struct Recording {
    judge: Arc<dyn ServerCertVerifier>,
    seen: Mutex<Option<CertificateDer<'static>>>,
}

impl Recording {
    fn info(&self) -> Option<TlsInfo> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        info(seen.as_ref()?)
    }
}

impl ServerCertVerifier for Recording {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(certificate.clone().into_owned());
        drop(seen);
        self.judge
            .verify_server_cert(certificate, between, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

/// Speaks TLS over a connection, with the server named `host`.
pub(super) async fn handshake<S>(
    stream: S,
    host: &str,
    ca: Option<&[u8]>,
    platform: &PlatformTrust,
) -> Result<(TlsStream<S>, Option<TlsInfo>), HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = ServerName::try_from(host.to_owned()).map_err(|_| HttpError::Invalid {
        problem: format!("{host:?} is no name that a certificate can be for"),
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let judge: Arc<dyn ServerCertVerifier> = match ca {
        None => platform.verifier(Arc::clone(&provider))?,
        Some(pem) => Arc::new(trust(pem, &provider)?),
    };
    let recording = Arc::new(Recording {
        judge,
        seen: Mutex::default(),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the ciphers of each version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recording) as Arc<dyn ServerCertVerifier>);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
    match connected.await {
        Ok(stream) => Ok((stream, recording.info())),
        Err(error) => Err(HttpError::Tls {
            cause: words(&error, host, recording.info().as_ref()),
        }),
    }
}

fn trust(pem: &[u8], provider: &Arc<CryptoProvider>) -> Result<Trust, HttpError> {
    let invalid = |problem: &str| HttpError::Invalid {
        problem: problem.to_owned(),
    };
    let given: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let given = given.map_err(|_| invalid("the ca is not in PEM"))?;
    Trust::of(given, provider).ok_or_else(|| invalid("the ca has no certificate in PEM"))
}

fn info(certificate: &CertificateDer<'_>) -> Option<TlsInfo> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let certificate = certificate.tbs_certificate();
    let time = |time: &x509_cert::time::Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
        Timestamp::new(seconds, 0).ok()
    };
    Some(TlsInfo {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_before: time(&certificate.validity().not_before)?,
        not_after: time(&certificate.validity().not_after)?,
    })
}

/// Why there is no session, in a line for people.
fn words(error: &io::Error, host: &str, info: Option<&TlsInfo>) -> String {
    let inner = error.get_ref();
    let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<Error>()) else {
        let cause = without_number(&error.to_string());
        return format!("the TLS handshake with {host} broke off: {cause}");
    };
    let day = |time: Timestamp| time.strftime("%Y-%m-%d").to_string();
    let certificate = format!("the certificate of {host}");
    match (tls, info) {
        (Error::InvalidMessage(InvalidMessage::InvalidContentType), _) => {
            format!("what answers as {host} does not speak TLS")
        }
        (
            Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ),
            Some(info),
        ) => format!("{certificate} expired on {}", day(info.not_after)),
        (
            Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            ),
            Some(info),
        ) => format!(
            "{certificate} is valid from {} on only",
            day(info.not_before)
        ),
        (
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ),
            _,
        ) => format!("{certificate} is for other names"),
        (Error::InvalidCertificate(_), Some(info)) if info.subject == info.issuer => {
            format!("{certificate} is self-signed ({})", info.issuer)
        }
        (Error::InvalidCertificate(CertificateError::UnknownIssuer), Some(info)) => {
            format!(
                "{certificate} is signed by an authority that is not trusted ({})",
                info.issuer
            )
        }
        (Error::InvalidCertificate(_), _) => format!("{certificate} is not trusted: {tls}"),
        _ => format!("no TLS session with {host}: {tls}"),
    }
}
