//! Finds the kubeconfig as kubectl does, picks the context, and makes of it what the client library
//! needs. Talks to no server: that is `connect`'s job.
//!
//! See [organizing cluster access](https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use http::Uri;
use jiff::Timestamp;
use kube::config::{AuthInfo, Cluster, ExecInteractiveMode, Kubeconfig, KubeconfigError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_cert::der::Decode as _;

use super::cause::without_number;
use super::connect_error::ConnectError;
use super::proxy::{self, ProxyEnvironment};

/// Where a configuration may come from, as the process sees it.
#[derive(Debug, Default)]
pub(super) struct Places<'a> {
    /// `--kubeconfig`
    pub(super) flag: Option<&'a Path>,
    /// `KUBECONFIG`
    pub(super) variable: Option<&'a OsStr>,
    pub(super) home: Option<PathBuf>,
    /// Whether this is a pod with a service account.
    pub(super) is_in_cluster: bool,
}

/// The configuration that was found.
#[derive(Debug)]
pub(super) enum Found {
    /// From files, which are named as in `KUBECONFIG`.
    Files {
        names: String,
        kubeconfig: Box<Kubeconfig>,
    },
    /// The service account of the pod this runs in.
    InCluster,
}

/// What is needed to connect, and to speak about it.
pub(super) struct Selected {
    pub(super) config: kube::Config,
    pub(super) context: Option<String>,
    /// The user's name in the kubeconfig.
    pub(super) user: String,
    /// What the credentials come from: ``credential plugin `aws` ``.
    pub(super) credentials: String,
    /// When the client certificate ends or ended to be valid.
    pub(super) certificate_end: Option<Timestamp>,
}

/// Looks in the places kubectl looks in: the flag alone, the files of `KUBECONFIG`,
/// `~/.kube/config`, the pod. Of several files, those that are missing are skipped.
pub(super) fn find(places: &Places<'_>) -> Result<Found, ConnectError> {
    if let Some(path) = places.flag {
        return read_all(&[path.to_path_buf()]);
    }
    let mut looked_at = Vec::new();
    let variable = places.variable.filter(|value| !value.is_empty());
    let candidates: Vec<PathBuf> = if let Some(value) = variable {
        looked_at.push(format!("KUBECONFIG={}", value.to_string_lossy()));
        std::env::split_paths(value)
            .filter(|path| !path.as_os_str().is_empty())
            .collect()
    } else if let Some(home) = &places.home {
        let path = home.join(".kube").join("config");
        looked_at.push(path.display().to_string());
        vec![path]
    } else {
        Vec::new()
    };
    let present: Vec<PathBuf> = candidates.into_iter().filter(|p| p.exists()).collect();
    if !present.is_empty() {
        return read_all(&present);
    }
    if places.is_in_cluster {
        return Ok(Found::InCluster);
    }
    looked_at.push("the service account of a pod".to_owned());
    Err(ConnectError::NoKubeconfig { looked_at })
}

fn read_all(paths: &[PathBuf]) -> Result<Found, ConnectError> {
    let names: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let names = names.join(if cfg!(windows) { ";" } else { ":" });
    let mut merged = Kubeconfig::default();
    for path in paths {
        let read = Kubeconfig::read_from(path).map_err(|error| unread(path, &error))?;
        merged = merged.merge(read).map_err(|error| unread(path, &error))?;
    }
    Ok(Found::Files {
        names,
        kubeconfig: Box::new(merged),
    })
}

/// The library's parse errors quote the file, which holds keys: only the place is told.
fn unread(path: &Path, error: &KubeconfigError) -> ConnectError {
    let kubeconfig = path.display().to_string();
    match error {
        KubeconfigError::ReadConfig(error, path) => ConnectError::Unreadable {
            path: path.clone(),
            cause: without_number(&error.to_string()),
        },
        KubeconfigError::Parse(error) => ConnectError::Invalid {
            kubeconfig,
            problem: match error.location() {
                Some(at) => format!(
                    "line {}, column {} is not what a kubeconfig has there",
                    at.line(),
                    at.column()
                ),
                None => "it is not the YAML of a kubeconfig".to_owned(),
            },
        },
        other => ConnectError::Invalid {
            kubeconfig,
            problem: other.to_string(),
        },
    }
}

/// Picks a context and reads what belongs to it.
pub(super) fn select(
    names: &str,
    kubeconfig: &Kubeconfig,
    context: Option<&str>,
    proxies: &ProxyEnvironment,
) -> Result<Selected, ConnectError> {
    let invalid = |problem: String| ConnectError::Invalid {
        kubeconfig: names.to_owned(),
        problem,
    };
    let known = || kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
    let current = kubeconfig.current_context.as_deref();
    let Some(name) = context.or(current).filter(|name| !name.is_empty()) else {
        return Err(ConnectError::NoCurrentContext {
            kubeconfig: names.to_owned(),
            known: known(),
        });
    };
    let context = kubeconfig.contexts.iter().find(|c| c.name == name);
    let Some(context) = context.and_then(|named| named.context.as_ref()) else {
        return Err(ConnectError::UnknownContext {
            kubeconfig: names.to_owned(),
            name: name.to_owned(),
            known: known(),
        });
    };
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|c| c.name == context.cluster);
    let Some(cluster) = cluster.and_then(|named| named.cluster.as_ref()) else {
        return Err(invalid(format!(
            "its context {name:?} names the cluster {:?}, which is not in it",
            context.cluster
        )));
    };
    let user = context.user.clone().unwrap_or_default();
    let auth = match kubeconfig.auth_infos.iter().find(|u| u.name == user) {
        Some(named) => named.auth_info.clone().unwrap_or_default(),
        None if user.is_empty() => AuthInfo::default(),
        None => {
            return Err(invalid(format!(
                "its context {name:?} names the user {user:?}, who is not in it"
            )));
        }
    };
    let certificate_end = client_certificate(&auth, names)?;
    let credentials = credentials_of(&auth);
    let mut config = server_config(cluster, names, proxies)?;
    config.auth_info =
        without_questions(auth, cluster).map_err(|error| invalid(error.to_string()))?;
    let namespace = context.namespace.clone().filter(|name| !name.is_empty());
    config.default_namespace = namespace.unwrap_or_else(|| "default".to_owned());
    Ok(Selected {
        config,
        context: Some(name.to_owned()),
        user,
        credentials,
        certificate_end,
    })
}

/// The part of the configuration that is about the server.
fn server_config(
    cluster: &Cluster,
    names: &str,
    proxies: &ProxyEnvironment,
) -> Result<kube::Config, ConnectError> {
    let invalid = |problem: &str| ConnectError::Invalid {
        kubeconfig: names.to_owned(),
        problem: problem.to_owned(),
    };
    let server = cluster.server.as_deref().filter(|url| !url.is_empty());
    let server = server.ok_or_else(|| invalid("the cluster has no server"))?;
    let server = if server.contains("://") {
        server.to_owned()
    } else {
        format!("https://{server}")
    };
    let url = without_user(&server).ok_or_else(|| invalid("the server's URL cannot be read"))?;
    let mut config = kube::Config::new(url);
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    let authority = data_or_file(
        cluster.certificate_authority_data.as_deref(),
        cluster.certificate_authority.as_deref(),
        "certificate-authority-data",
        names,
    )?;
    if let Some(pem) = authority {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem)
            .map(|certificate| certificate.map(|der| der.to_vec()))
            .collect();
        let certificates = certificates
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| invalid("the certificate authority is not in PEM"))?;
        config.root_cert = Some(certificates);
    }
    let proxy = cluster.proxy_url.as_deref().filter(|url| !url.is_empty());
    let proxy = proxy.or_else(|| proxies.proxy_for(&config.cluster_url));
    config.proxy_url = proxy.map(proxy::parse).transpose().map_err(invalid)?;
    Ok(config)
}

/// Reads a URL, of which a user and a password are left out: the library does nothing with them but
/// show them in its messages.
fn without_user(url: &str) -> Option<Uri> {
    let url: Uri = url.parse().ok()?;
    let mut parts = url.into_parts();
    if let Some(authority) = &parts.authority
        && let Some((_user, host)) = authority.as_str().rsplit_once('@')
    {
        parts.authority = Some(host.parse().ok()?);
    }
    Uri::from_parts(parts).ok()
}

/// A credential plugin must never ask on the terminal: nobody may be there, and the suites own stdin.
fn without_questions(mut auth: AuthInfo, cluster: &Cluster) -> Result<AuthInfo, KubeconfigError> {
    if let Some(exec) = &mut auth.exec {
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
        if exec.provide_cluster_info {
            exec.cluster = Some(cluster.try_into()?);
        }
    }
    Ok(auth)
}

fn credentials_of(auth: &AuthInfo) -> String {
    if let Some(exec) = &auth.exec {
        let command = exec.command.as_deref().unwrap_or_default();
        // Arguments may hold secrets.
        format!("credential plugin `{command}`")
    } else if let Some(provider) = &auth.auth_provider {
        format!("auth provider {:?}", provider.name)
    } else {
        "the kubeconfig".to_owned()
    }
}

/// Reads when the client certificate ends; one that cannot be read is left to the TLS library to judge.
fn client_certificate(auth: &AuthInfo, names: &str) -> Result<Option<Timestamp>, ConnectError> {
    let pem = data_or_file(
        auth.client_certificate_data.as_deref(),
        auth.client_certificate.as_deref(),
        "client-certificate-data",
        names,
    )?;
    Ok(pem.as_deref().and_then(end_of_certificate))
}

/// When the first certificate of a PEM text is no longer valid.
pub(super) fn end_of_certificate(pem: &[u8]) -> Option<Timestamp> {
    let der = CertificateDer::from_pem_slice(pem).ok()?;
    let certificate = x509_cert::Certificate::from_der(&der).ok()?;
    let end = certificate
        .tbs_certificate()
        .validity()
        .not_after
        .to_unix_duration();
    Timestamp::new(i64::try_from(end.as_secs()).ok()?, 0).ok()
}

fn data_or_file(
    data: Option<&str>,
    file: Option<&str>,
    field: &str,
    names: &str,
) -> Result<Option<Vec<u8>>, ConnectError> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        let decoded = base64::engine::general_purpose::STANDARD.decode(data);
        return decoded.map(Some).map_err(|_| ConnectError::Invalid {
            kubeconfig: names.to_owned(),
            problem: format!("its {field} is not base64"),
        });
    }
    let Some(path) = file.filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    std::fs::read(path)
        .map(Some)
        .map_err(|error| ConnectError::Unreadable {
            path: PathBuf::from(path),
            cause: without_number(&error.to_string()),
        })
}

/// What in a kubeconfig proves who one is, of all its users: tokens, passwords, keys, and what is
/// in the files that it names for them. Nothing of a file that cannot be read; connecting tells why.
#[must_use]
pub fn credentials_in(path: &Path) -> Vec<Vec<u8>> {
    let users = Kubeconfig::read_from(path).unwrap_or_default().auth_infos;
    let users = users.iter().filter_map(|user| user.auth_info.as_ref());
    // The library's type for secrets is not ours to open; written out, they are text.
    let users: Vec<_> = users.flat_map(serde_json::to_value).collect();
    let mut found = Vec::new();
    for user in &users {
        let text = |field: &str| user[field].as_str().map(str::to_owned);
        let plain = ["token", "password"].into_iter().filter_map(text);
        found.extend(plain.map(String::into_bytes));
        let key = text("client-key-data").unwrap_or_default();
        found.extend(base64::engine::general_purpose::STANDARD.decode(key));
        let files = ["tokenFile", "client-key"].into_iter().filter_map(text);
        found.extend(files.flat_map(std::fs::read));
        let provider = user["auth-provider"]["config"].as_object();
        let provider = provider.into_iter().flatten();
        let secret = provider.filter(|(name, _)| name.contains("token") || name.contains("secret"));
        let secret = secret.filter_map(|(_, value)| value.as_str());
        found.extend(secret.map(|text| text.as_bytes().to_owned()));
    }
    found.retain(|secret| !secret.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_url_of_a_server_goes_no_further() {
        let url = |server: &str| {
            let cluster = Cluster {
                server: Some(server.to_owned()),
                ..Cluster::default()
            };
            let config = server_config(&cluster, "k", &ProxyEnvironment::default());
            config.ok().map(|config| config.cluster_url.to_string())
        };
        let cases = [
            ("https://me:hunter2@host:6443/a", "https://host:6443/a"),
            ("me:hunter2@host:6443", "https://host:6443/"),
            ("https://me@[::1]:6443", "https://[::1]:6443/"),
            ("https://host:6443/a", "https://host:6443/a"),
        ];
        for (server, expected) in cases {
            assert_eq!(url(server).as_deref(), Some(expected), "{server}");
        }
        assert_eq!(url("https://me:hunter2@"), None);
    }

    #[test]
    fn the_credentials_of_every_user_are_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "from-a-file").unwrap();
        let path = folder.path().join("config");
        let text = "apiVersion: v1
kind: Config
users:
- {name: a, user: {token: a-token, username: admin, password: a-password}}
- {name: b, user: {tokenFile: token, client-key: not-there}}
- {name: c, user: {client-key-data: YS1rZXk=, client-certificate-data: bm8=}}
- {name: d, user: {auth-provider: {name: oidc, config: {id-token: an-id, client-id: no}}}}
- {name: e}
";
        std::fs::write(&path, text).unwrap();
        let found: Vec<_> = credentials_in(&path)
            .into_iter()
            .map(|secret| String::from_utf8(secret).unwrap())
            .collect();
        let expected = ["a-token", "a-password", "from-a-file", "a-key", "an-id"];
        assert_eq!(found, expected);
        assert!(credentials_in(&folder.path().join("none")).is_empty());
    }

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let pem = b"-----BEGIN CERTIFICATE-----
MIIBdDCCARugAwIBAgIUZ4ZzMRM1cpEpMCsaNf82daIplUwwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFYWRtaW4wHhcNMjYxMTIzMTk0NzA2WhcNMjYxMTI0MTk0NzA2
WjAQMQ4wDAYDVQQDDAVhZG1pbjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFXa
M2PMDnWO9SlPT+5mjCSOuqZXwSzmO905MbB6xj0TWn20aNqH/neyALwGSxKzsTt5
npQbsID0n8xdU5VnvGajUzBRMB0GA1UdDgQWBBR1WwVCYHkwaaJVPqBTcMyDwAWW
pTAfBgNVHSMEGDAWgBR1WwVCYHkwaaJVPqBTcMyDwAWWpTAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0cAMEQCIGuByXHXuq2ay4UigocKXKn32PwrUZEtPgIS
a/veFYJcAiA5OeUUHiD+Sa3izJenMhA1jUAPiRelkjHqVIYtYBww6w==
-----END CERTIFICATE-----
";
        let end = end_of_certificate(pem).unwrap();
        assert_eq!(end.to_string(), "2026-11-24T19:47:06Z");
        assert_eq!(end_of_certificate(b"no certificate"), None);
    }
}
