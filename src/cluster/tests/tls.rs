//! TLS with a target: what is trusted, what is told, and why not.
//!
//! The certificates and the key were made for these tests, and are good for nothing else.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::connect::install_crypto;
use super::super::{Cluster, ConnectOptions, HttpError, HttpReply, HttpRequest, HttpTarget};
use super::fake::cluster_at;

const VERSION: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 54\r\n\r\n\
    {\"gitVersion\": \"v1.34.0\", \"major\": \"1\", \"minor\": \"34\"}";

async fn serve(certificate: &str) -> u16 {
    serve_answer(
        certificate,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await
}

/// Answers one request after the other over TLS with this certificate; gives its port.
async fn serve_answer(certificate: &str, answer: &'static [u8]) -> u16 {
    install_crypto();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    port
}

async fn ask(port: u16, host: &str, ca: Option<&str>) -> Result<HttpReply, HttpError> {
    let target = HttpTarget::Url(format!("https://{host}:{port}/"));
    let request = HttpRequest {
        ca: ca.map(|ca| ca.as_bytes().to_vec()),
        resolve: vec![format!("{host}:{port}:127.0.0.1").parse().unwrap()],
        timeout: Duration::from_secs(5),
        ..HttpRequest::default()
    };
    let address = ([127, 0, 0, 1], port).into();
    cluster_at(address).http(&target, &request).await
}

async fn refused(certificate: &str, host: &str, ca: Option<&str>) -> String {
    let error = ask(serve(certificate).await, host, ca).await.unwrap_err();
    assert!(matches!(error, HttpError::Tls { .. }), "{error:?}");
    assert!(!error.is_environment());
    error.to_string()
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_told_about() {
    let reply = ask(serve(SIGNED).await, "localhost", Some(AUTHORITY))
        .await
        .unwrap();
    assert_eq!((reply.status, &reply.body), (200, &"ok".into()));
    let tls = reply.tls.unwrap();
    assert_eq!(tls.subject, "CN=localhost");
    assert_eq!(tls.issuer, "CN=test authority");
    assert_eq!(tls.not_after.to_string(), "2120-01-01T00:00:00Z");
    let reply = ask(serve(SIGNED).await, "127.0.0.1", Some(AUTHORITY)).await;
    assert_eq!(reply.unwrap().status, 200);
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told() {
    assert_eq!(
        refused(SIGNED, "localhost", None).await,
        "the certificate of localhost is signed by an authority that is not trusted (CN=test authority)"
    );
    assert_eq!(
        refused(SIGNED, "elsewhere.test", Some(AUTHORITY)).await,
        "the certificate of elsewhere.test is for other names"
    );
    assert_eq!(
        refused(EXPIRED, "localhost", Some(AUTHORITY)).await,
        "the certificate of localhost expired on 2020-02-03"
    );
    for ca in [None, Some(AUTHORITY)] {
        assert_eq!(
            refused(SELF_SIGNED, "localhost", ca).await,
            "the certificate of localhost is self-signed (CN=localhost)"
        );
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_by_name() {
    let reply = ask(serve(SELF_SIGNED).await, "localhost", Some(SELF_SIGNED)).await;
    assert_eq!(reply.unwrap().tls.unwrap().issuer, "CN=localhost");
    assert_eq!(
        refused(SELF_SIGNED, "elsewhere.test", Some(SELF_SIGNED)).await,
        "the certificate of elsewhere.test is for other names"
    );
}

#[tokio::test]
async fn the_servers_own_certificate_is_trusted_by_name_whoever_signed_it() {
    let reply = ask(serve(SIGNED).await, "localhost", Some(SIGNED)).await;
    assert_eq!(reply.unwrap().status, 200);
    assert_eq!(
        refused(SIGNED, "elsewhere.test", Some(SIGNED)).await,
        "the certificate of elsewhere.test is for other names"
    );
    assert_eq!(
        refused(EXPIRED, "localhost", Some(EXPIRED)).await,
        "the certificate of localhost expired on 2020-02-03"
    );
    // another one of the same authority is not
    let refused = refused(SIGNED, "localhost", Some(SELF_SIGNED)).await;
    assert!(refused.contains("not trusted"), "{refused}");
}

/// Why a kubeconfig with this certificate authority, and more, cannot be used.
async fn why_not(certificate: &str, ca: &str, more: &str) -> Option<String> {
    let port = serve_answer(certificate, VERSION).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    // in lines, as a block of YAML has it
    let encoded = base64::engine::general_purpose::STANDARD.encode(ca);
    let lines: Vec<_> = encoded.as_bytes().chunks(64).collect();
    let lines = lines.iter().map(|line| String::from_utf8_lossy(line));
    let lines: String = lines.map(|line| format!("      {line}\n")).collect();
    let text = format!(
        "current-context: c\ncontexts: [{{name: c, context: {{cluster: c}}}}]\nclusters:\n\
         - name: c\n  cluster:\n    server: https://127.0.0.1:{port}\n    {more}\n    \
         certificate-authority-data: |\n{lines}"
    );
    std::fs::write(&path, text).unwrap();
    let options = ConnectOptions {
        kubeconfig: Some(path),
        ..ConnectOptions::default()
    };
    let error = Cluster::connect(&options).await.err()?;
    Some(error.to_string())
}

#[tokio::test]
async fn a_kubeconfig_may_have_the_servers_own_certificate_for_an_authority() {
    for ca in [AUTHORITY, SIGNED] {
        assert_eq!(why_not(SIGNED, ca, "").await, None);
    }
    let expired = why_not(EXPIRED, EXPIRED, "").await.unwrap();
    assert!(
        expired.ends_with("the server's certificate has expired"),
        "{expired}"
    );
    let unknown = why_not(SIGNED, SELF_SIGNED, "").await.unwrap();
    assert!(
        unknown.contains("an authority that the kubeconfig does not know"),
        "{unknown}"
    );
    for ca in [AUTHORITY, SIGNED] {
        let other = why_not(SIGNED, ca, "tls-server-name: elsewhere.test").await;
        let other = other.unwrap();
        assert!(
            other
                .contains("is not for the address in the kubeconfig, but for localhost, 127.0.0.1"),
            "{other}"
        );
        assert!(
            other.contains("tls-server-name: localhost in the kubeconfig"),
            "{other}"
        );
    }
}

#[tokio::test]
async fn a_ca_that_is_none_cannot_be_used() {
    let port = serve(SIGNED).await;
    for ca in ["", "nonsense", "-----BEGIN CERTIFICATE-----\n"] {
        let error = ask(port, "localhost", Some(ca)).await.unwrap_err();
        assert!(
            matches!(error, HttpError::Invalid { .. }),
            "{ca}: {error:?}"
        );
    }
}

#[tokio::test]
async fn what_speaks_no_tls_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = ask(port, "localhost", Some(AUTHORITY)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "what answers as localhost does not speak TLS"
    );
}

const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----
MIIBUzCB+6ADAgECAgEBMAoGCCqGSM49BAMCMBkxFzAVBgNVBAMMDnRlc3QgYXV0
aG9yaXR5MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAZMRcwFQYD
VQQDDA50ZXN0IGF1dGhvcml0eTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPa5
pixMIemkjwAGOFrAzioNTokcDZOz+jWYfw3mj6qB7mt6ojxwAD82bUFeSsplkoKJ
BCkc9Dhs8FERG4xpCCSjMjAwMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFF19
CouBjwpWVTXztWE0L+7vdBFAMAoGCCqGSM49BAMCA0cAMEQCIG9JaF1YBIM0jH3l
cE3P6vTrI1rEbdrujvi3oDYRRtYgAiAHIUWafX2KhEb0pd1AnV/RXWHGGUV32iEL
UEKOSD4oyQ==
-----END CERTIFICATE-----";

const SIGNED: &str = "-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIBAjAKBggqhkjOPQQDAjAZMRcwFQYDVQQDDA50ZXN0IGF1
dGhvcml0eTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFDESMBAG
A1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKzQzg7Rv
2Qcil+BjuG8anHiUbgTemg31UjDaVJj7w8XaX+qtXSHu20t7KLRFf0PWG85tqgsb
xlNQ2rqf3ObZTqNpMGcwGgYDVR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMAkGA1Ud
EwQCMAAwHQYDVR0OBBYEFJqUVDT3ANnVZDNVNy9rPMTL6PMKMB8GA1UdIwQYMBaA
FF19CouBjwpWVTXztWE0L+7vdBFAMAoGCCqGSM49BAMCA0gAMEUCIQCNMfk0KAAf
YeWzZ5sSlJ7jH/YLAGK0vCWcYIlIOTLuLwIgJykL2OS3z7FMjgZLeWZwTmsPUEsL
UCmENt9dnqZDmTs=
-----END CERTIFICATE-----";

const EXPIRED: &str = "-----BEGIN CERTIFICATE-----
MIIBhTCCASugAwIBAgIBAzAKBggqhkjOPQQDAjAZMRcwFQYDVQQDDA50ZXN0IGF1
dGhvcml0eTAeFw0yMDAxMDEwMDAwMDBaFw0yMDAyMDMwMDAwMDBaMBQxEjAQBgNV
BAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCs0M4O0b9kH
IpfgY7hvGpx4lG4E3poN9VIw2lSY+8PF2l/qrV0h7ttLeyi0RX9D1hvObaoLG8ZT
UNq6n9zm2U6jaTBnMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAJBgNVHRME
AjAAMB0GA1UdDgQWBBSalFQ09wDZ1WQzVTcvazzEy+jzCjAfBgNVHSMEGDAWgBRd
fQqLgY8KVlU187VhNC/u73QRQDAKBggqhkjOPQQDAgNIADBFAiAsaBOibc6BI9ap
6jYxZJaEmBWumeqleTjTbuprD+6BJAIhAIvJCQqbmN1uwnfuo7ZBv0vX6NIP5n8X
lIzhvnqNnINz
-----END CERTIFICATE-----";

const SELF_SIGNED: &str = "-----BEGIN CERTIFICATE-----
MIIBYjCCAQegAwIBAgIBBDAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCs0M4O0b9kHIpfg
Y7hvGpx4lG4E3poN9VIw2lSY+8PF2l/qrV0h7ttLeyi0RX9D1hvObaoLG8ZTUNq6
n9zm2U6jSDBGMBQGA1UdEQQNMAuCCWxvY2FsaG9zdDAPBgNVHRMBAf8EBTADAQH/
MB0GA1UdDgQWBBSalFQ09wDZ1WQzVTcvazzEy+jzCjAKBggqhkjOPQQDAgNJADBG
AiEAtqYtOwrklUXHIDiCu4dNVxlFHnuaWxigwhYhgpZLDvcCIQCg4jqQYlG8R9zA
euX8oeTD1fAZfyHNGlkiT5aTSJ1fVg==
-----END CERTIFICATE-----";

const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAvZU8X5ubkj4Msam
LNE3QBJlBWw/BI9Eibz7UptcueahRANCAAQrNDODtG/ZByKX4GO4bxqceJRuBN6a
DfVSMNpUmPvDxdpf6q1dIe7bS3sotEV/Q9Ybzm2qCxvGU1Daup/c5tlO
-----END PRIVATE KEY-----";
