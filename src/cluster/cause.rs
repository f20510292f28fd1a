//! Reads the nested errors of the client library: what really happened, in one clear line.
//!
//! The library wraps an I/O error four deep and prints each wrapper; people want the innermost.

use std::error::Error;
use std::io;

use super::connector::ProxyError;
use super::error::beginning;
use super::foreign::Foreign;
use super::plugin::NoCredentials;

/// Why no answer came back from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing listens there.
    Refused,
    /// The connection took too long to come about.
    ConnectTimeout,
    /// The name has no address; with the resolver's words.
    Dns(String),
    /// There is no route; with the system's words.
    Unreachable(String),
    /// The connection ended while the request was under way.
    Broken(String),
    /// The TLS handshake failed; in words.
    Tls(TlsCause),
    /// The credentials could not be made up: a plugin failed.
    Credentials(String),
    /// What the proxy did not bring about; its URL, and why.
    Proxy(String, Box<Cause>),
    /// Something else than the API server answered.
    Foreign(Foreign),
    /// The server's error answer, as the library read it.
    Answer {
        /// The HTTP status.
        code: u16,
        /// The cluster's own words.
        message: String,
    },
    /// Anything else, in the library's words.
    Other(String),
}

/// Why the two sides did not agree on a TLS session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TlsCause {
    /// The server's certificate has expired.
    Expired,
    /// The server's certificate is signed by an authority that the kubeconfig does not know.
    UnknownAuthority,
    /// The server's certificate is for other names: these, as far as they are known.
    WrongName(Vec<String>),
    /// Anything else, in the library's words.
    Other(String),
}

impl Cause {
    pub(super) fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Answer {
                code: status.code,
                message: status.message.clone(),
            },
            kube::Error::Auth(error) => Self::Credentials(credentials(error)),
            error => Self::of_chain(error),
        }
    }

    fn of_chain(error: &(dyn Error + 'static)) -> Self {
        let mut innermost = String::new();
        let mut is_dns = false;
        let mut current = Some(error);
        // Bounded, since a faulty `source` could go in circles.
        for _ in 0..16 {
            let Some(error) = current else { break };
            if let Some(error) = error.downcast_ref::<kube::client::AuthError>() {
                return Self::Credentials(credentials(error));
            }
            if let Some(error) = error.downcast_ref::<NoCredentials>() {
                return Self::Credentials(error.to_string());
            }
            if let Some(foreign) = error.downcast_ref::<Foreign>() {
                return Self::Foreign(foreign.clone());
            }
            if let Some(error) = error.downcast_ref::<ProxyError>() {
                let cause = Box::new(Self::of_chain(&*error.cause));
                return Self::Proxy(error.proxy.clone(), cause);
            }
            if let Some(error) = error.downcast_ref::<rustls::Error>() {
                return Self::Tls(TlsCause::of(error));
            }
            if let Some(error) = error.downcast_ref::<io::Error>() {
                // `source` of an I/O error skips the error it carries.
                if let Some(inner) = error.get_ref() {
                    match Self::of_chain(inner) {
                        Self::Other(_) => {}
                        found => return found,
                    }
                }
                let words = without_number(&error.to_string());
                if is_dns {
                    return Self::Dns(words);
                }
                match error.kind() {
                    io::ErrorKind::ConnectionRefused => return Self::Refused,
                    io::ErrorKind::TimedOut => return Self::ConnectTimeout,
                    io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                        return Self::Unreachable(words);
                    }
                    io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::UnexpectedEof => return Self::Broken(words),
                    _ => {}
                }
            }
            innermost = error.to_string();
            is_dns |= innermost.contains("dns error");
            // hyper's own words where the peer closes between request and answer, or before a
            // request is written on a connection that was kept.
            if innermost.contains("connection closed before message completed")
                || innermost.contains("end of file before message length reached")
                || innermost.contains("connection error")
                || innermost.contains("operation was canceled")
            {
                return Self::Broken("the server closed the connection".to_owned());
            }
            current = error.source();
        }
        Self::Other(without_number(&innermost))
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::ConnectTimeout => f.write_str("no connection within the time-out"),
            Self::Dns(words) => write!(f, "its name cannot be resolved: {words}"),
            Self::Unreachable(words) | Self::Broken(words) | Self::Other(words) => {
                f.write_str(words)
            }
            Self::Tls(cause) => cause.fmt(f),
            Self::Credentials(words) => f.write_str(words),
            Self::Proxy(proxy, cause) => match &**cause {
                Self::Other(words) if words.contains("tunnel error: unsuccessful") => {
                    write!(f, "the proxy {proxy} does not connect to it")
                }
                Self::Other(words) if words.contains("proxy authorization required") => {
                    write!(f, "the proxy {proxy} asks for a user and a password")
                }
                cause => write!(f, "the proxy {proxy}: {cause}"),
            },
            Self::Foreign(foreign) => foreign.fmt(f),
            Self::Answer { code, message } if message.is_empty() => write!(f, "it answered {code}"),
            Self::Answer { message, .. } => f.write_str(message),
        }
    }
}

impl TlsCause {
    fn of(error: &rustls::Error) -> Self {
        use rustls::CertificateError as Certificate;
        match error {
            rustls::Error::InvalidCertificate(
                Certificate::Expired | Certificate::ExpiredContext { .. },
            ) => Self::Expired,
            rustls::Error::InvalidCertificate(
                Certificate::UnknownIssuer | Certificate::BadSignature,
            ) => Self::UnknownAuthority,
            rustls::Error::InvalidCertificate(Certificate::NotValidForName) => {
                Self::WrongName(Vec::new())
            }
            rustls::Error::InvalidCertificate(Certificate::NotValidForNameContext {
                presented,
                ..
            }) => Self::WrongName(
                presented
                    .iter()
                    .filter_map(|name| plain_name(name))
                    .collect(),
            ),
            other => Self::Other(other.to_string()),
        }
    }
}

impl std::fmt::Display for TlsCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Expired => f.write_str("the server's certificate has expired"),
            Self::UnknownAuthority => f.write_str(
                "the server's certificate is signed by an authority that the kubeconfig does not know",
            ),
            Self::WrongName(names) => {
                f.write_str("the server's certificate is not for the address in the kubeconfig")?;
                let is_exact = |name: &&String| !name.contains('*');
                match (names.is_empty(), names.iter().find(is_exact)) {
                    (true, _) => Ok(()),
                    (false, None) => write!(f, ", but for {}", some(names)),
                    (false, Some(name)) => write!(
                        f,
                        ", but for {}; if it is the right one, tls-server-name: {name} in the \
                         kubeconfig says so",
                        some(names)
                    ),
                }
            }
            Self::Other(words) => write!(f, "no TLS session with the server: {words}"),
        }
    }
}

/// `DnsName("a.example.com")` as the TLS library tells it, without its quoting; names of other
/// kinds are for nobody to connect to.
fn plain_name(name: &str) -> Option<String> {
    let inner = name
        .strip_prefix("DnsName(")
        .or_else(|| name.strip_prefix("IpAddress("))?;
    let inner = inner.strip_suffix(')')?;
    Some(inner.trim_matches('"').to_owned())
}

/// The first few; a certificate of a load balancer has hundreds.
fn some(names: &[String]) -> String {
    const TOLD: usize = 8;
    match names.len() {
        0..=TOLD => names.join(", "),
        all => format!("{} and {} more", names[..TOLD].join(", "), all - TOLD),
    }
}

/// In words why no credentials could be had.
///
/// The library's own text is not used where it shows what a plugin printed or was given: that may
/// hold a token.
fn credentials(error: &kube::client::AuthError) -> String {
    use kube::client::AuthError;
    match error {
        AuthError::AuthExecRun { out, .. } => {
            let code = out
                .status
                .code()
                .map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
            // Plugins say on stderr what is wrong; the credentials themselves go to stdout.
            let stderr = String::from_utf8_lossy(&out.stderr);
            match stderr.lines().map(str::trim).rfind(|line| !line.is_empty()) {
                Some(line) => format!("it ended with {code}: {}", beginning(line, 200)),
                None => format!("it ended with {code}"),
            }
        }
        AuthError::AuthExecStart(error) => {
            format!(
                "it cannot be started: {}",
                without_number(&error.to_string())
            )
        }
        AuthError::AuthExecParse(_) | AuthError::ParseTokenKey(_) => {
            "its output cannot be read".to_owned()
        }
        AuthError::ExecPluginFailed => "its output has no credentials".to_owned(),
        AuthError::ReadTokenFile(error, path) => format!(
            "the token file {} cannot be read: {}",
            path.display(),
            without_number(&error.to_string())
        ),
        AuthError::InvalidBearerToken(_) => "the token has characters no token has".to_owned(),
        AuthError::MissingCommand => "the kubeconfig names no command for it".to_owned(),
        AuthError::MalformedTokenExpirationDate(_) => {
            "its output has an expiry that is not a date".to_owned()
        }
        // some of these have the library's own text for programmers in them
        AuthError::Oidc(error) => oidc(error),
        other => other.to_string(),
    }
}

/// Why the id token of an OpenID provider cannot be had.
fn oidc(error: &kube::client::oidc_errors::Error) -> String {
    use kube::client::oidc_errors::{Error, RefreshInitError};
    match error {
        Error::IdTokenMissing => "its config has no id-token".to_owned(),
        Error::IdToken(_) => "its id-token is no token of OpenID Connect".to_owned(),
        Error::RefreshInit(RefreshInitError::MissingField(field)) => format!(
            "its id-token has expired, and it cannot be renewed without {field} in its config"
        ),
        Error::RefreshInit(error) => {
            format!("its id-token has expired, and it cannot be renewed: {error}")
        }
        Error::Refresh(error) => format!(
            "its id-token has expired, and its issuer did not renew it: {}",
            Cause::of_chain(error)
        ),
    }
}

/// `Connection refused (os error 111)` without what only programmers read.
pub(super) fn without_number(words: &str) -> String {
    match words.find(" (os error ") {
        Some(at) => words[..at].to_owned(),
        None => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_io(error: io::Error) -> Cause {
        Cause::of(&kube::Error::Service(Box::new(error)))
    }

    #[test]
    fn io_errors_are_told_apart() {
        assert_eq!(
            of_io(io::ErrorKind::ConnectionRefused.into()),
            Cause::Refused
        );
        assert_eq!(of_io(io::ErrorKind::TimedOut.into()), Cause::ConnectTimeout);
        assert!(matches!(
            of_io(io::ErrorKind::ConnectionReset.into()),
            Cause::Broken(_)
        ));
    }

    #[test]
    fn tls_errors_are_found_inside_io_errors() {
        use rustls::{CertificateError, Error};
        let cases = [
            (CertificateError::Expired, TlsCause::Expired),
            (CertificateError::UnknownIssuer, TlsCause::UnknownAuthority),
            (
                CertificateError::NotValidForName,
                TlsCause::WrongName(Vec::new()),
            ),
        ];
        for (error, expected) in cases {
            let error =
                io::Error::new(io::ErrorKind::InvalidData, Error::InvalidCertificate(error));
            assert_eq!(of_io(error), Cause::Tls(expected));
        }
    }

    #[test]
    fn names_of_a_certificate_are_told_with_the_way_out() {
        let told = |presented: &[&str]| {
            let presented = presented.iter().map(|name| (*name).to_owned()).collect();
            let expected = "10.0.0.1".try_into().unwrap();
            let context = rustls::CertificateError::NotValidForNameContext {
                expected,
                presented,
            };
            TlsCause::of(&rustls::Error::InvalidCertificate(context)).to_string()
        };
        let begin = "the server's certificate is not for the address in the kubeconfig";
        assert_eq!(told(&["Unsupported(0x81)"]), begin);
        assert_eq!(
            told(&[
                "DnsName(\"*.example.com\")",
                "DnsName(\"kubernetes\")",
                "IpAddress(10.96.0.1)"
            ]),
            format!(
                "{begin}, but for *.example.com, kubernetes, 10.96.0.1; if it is the right one, \
                 tls-server-name: kubernetes in the kubeconfig says so"
            )
        );
        assert_eq!(told(&["DnsName(\"*.a\")"]), format!("{begin}, but for *.a"));
        let many: Vec<_> = (0..300).map(|n| format!("DnsName(\"n{n}\")")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(told(&many).contains("n7 and 292 more; "));
    }

    #[test]
    #[cfg(unix)]
    fn what_a_plugin_printed_stays_out() {
        use std::os::unix::process::ExitStatusExt as _;
        let error = kube::client::AuthError::AuthExecRun {
            cmd: "TOKEN=hunter2 plugin".to_owned(),
            out: Box::new(std::process::Output {
                status: std::process::ExitStatus::from_raw(256),
                stdout: b"hunter2".to_vec(),
                stderr: b"usage\nyou must log in\n".to_vec(),
            }),
        };
        let cause = Cause::of(&kube::Error::Auth(error));
        assert_eq!(
            cause,
            Cause::Credentials("it ended with exit code 1: you must log in".to_owned())
        );
    }
}
