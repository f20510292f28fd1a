//! Straight connections: reads a URL, finds its addresses, connects to the first that answers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::select_ok;
use http::Uri;
use tokio::net::{TcpStream, lookup_host};

use super::super::cause::without_number;
use super::model::{HttpError, Resolve, Scheme};

/// How long one address may be silent before the next is tried beside it.
///
/// See [Happy Eyeballs](https://www.rfc-editor.org/rfc/rfc8305#section-8).
const HEAD_START: Duration = Duration::from_millis(250);

/// A URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    /// The name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// For the `Host` header: without the port where it is the usual one.
    pub(super) authority: String,
    /// The path with the query.
    pub(super) path: String,
}

impl Address {
    /// The problem does not quote the URL, which may hold a password.
    pub(super) fn of(url: &str) -> Result<Self, HttpError> {
        let invalid = |problem: &str| HttpError::Invalid {
            problem: problem.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|_| invalid("the URL cannot be read"))?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(invalid("the URL does not begin with http:// or https://")),
        };
        let authority = uri
            .authority()
            .ok_or_else(|| invalid("the URL has no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid(
                "the URL has a user in it, which goes into a header Authorization",
            ));
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(invalid("the URL has no host"));
        }
        let usual = match scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str() == host => usual,
            None => return Err(invalid("the port of the URL is no number up to 65535")),
        };
        Ok(Self {
            scheme,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: if port == usual {
                host.to_owned()
            } else {
                format!("{host}:{port}")
            },
            // A URL may go from the host to the query at once.
            path: if path.starts_with('?') {
                format!("/{path}")
            } else {
                path.to_owned()
            },
        })
    }
}

/// Connects. Adds no time-out of its own.
pub(super) async fn connect(
    address: &Address,
    resolve: &[Resolve],
) -> Result<(TcpStream, SocketAddr), HttpError> {
    let (host, port) = (address.host.as_str(), address.port);
    let given: Vec<SocketAddr> = resolve
        .iter()
        .filter_map(|resolve| resolve.covers(host, port))
        .collect();
    let addresses = if given.is_empty() {
        let found = lookup_host((host, port)).await;
        let found = found.map_err(|error| HttpError::NotReached {
            cause: format!(
                "the name {host} cannot be resolved: {}",
                without_number(&error.to_string())
            ),
        })?;
        found.collect()
    } else {
        given
    };
    let mut head_start = Duration::ZERO;
    let mut attempts = Vec::new();
    for peer in addresses {
        attempts.push(Box::pin(async move {
            tokio::time::sleep(head_start).await;
            let stream = TcpStream::connect(peer).await;
            stream
                .map(|stream| (stream, peer))
                .map_err(|error| (error, peer))
        }));
        head_start += HEAD_START;
    }
    if attempts.is_empty() {
        let cause = format!("the name {host} has no address");
        return Err(HttpError::NotReached { cause });
    }
    match select_ok(attempts).await {
        Ok(((stream, peer), _others)) => {
            // Requests are small, and waiting to fill a packet only delays them.
            let _ = stream.set_nodelay(true);
            Ok((stream, peer))
        }
        Err((error, peer)) => Err(HttpError::NotReached {
            cause: format!("{peer}: {}", refused(&error)),
        }),
    }
}

fn refused(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => without_number(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let apart = |url: &str| {
            let address = Address::of(url).unwrap();
            format!(
                "{:?} {} {} {} {}",
                address.scheme, address.host, address.port, address.authority, address.path
            )
        };
        assert_eq!(apart("http://a"), "Http a 80 a /");
        assert_eq!(apart("https://a.b/c?d=e#f"), "Https a.b 443 a.b /c?d=e");
        assert_eq!(apart("https://a:443/"), "Https a 443 a /");
        assert_eq!(apart("http://a:443?q"), "Http a 443 a:443 /?q");
        assert_eq!(apart("http://[::1]:81/x"), "Http ::1 81 [::1]:81 /x");
    }

    #[test]
    fn what_is_wrong_with_a_url_is_told_without_it() {
        for url in [
            "",
            "a",
            "/a",
            "ftp://a",
            "http://",
            "http://me:hunter2@a",
            "http://a:99999",
            "http://a b",
        ] {
            let error = Address::of(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
