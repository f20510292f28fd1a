//! Straight connections: reads a URL, finds its addresses, connects to the first that answers. Where
//! none does, tells whether anybody said so: what is wrong on this machine, or on the way, says nothing
//! about the target.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http::Uri;
use rustix::io::Errno;
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
        found.map_err(|error| unresolved(host, &error))?.collect()
    } else {
        given
    };
    let mut head_start = Duration::ZERO;
    let mut attempts = FuturesUnordered::new();
    for peer in addresses {
        attempts.push(async move {
            tokio::time::sleep(head_start).await;
            (peer, TcpStream::connect(peer).await)
        });
        head_start += HEAD_START;
    }
    if attempts.is_empty() {
        let cause = format!("the name {host} has no address");
        return Err(HttpError::NotReached { cause });
    }
    let mut errors = Vec::new();
    while let Some((peer, connected)) = attempts.next().await {
        match connected {
            Ok(stream) => {
                // Requests are small, and waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                return Ok((stream, peer));
            }
            Err(error) => errors.push((peer, error)),
        }
    }
    Err(unconnected(&errors))
}

/// Why there is no address. Only that a name has none is an answer of the resolver.
fn unresolved(host: &str, error: &io::Error) -> HttpError {
    let words = without_number(&error.to_string());
    let cause = format!("the name {host} cannot be resolved: {words}");
    // the standard library hands on nothing but the words: those of glibc, musl and macOS
    let is_answer = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
        "nodename nor servname provided, or not known",
    ];
    match is_answer.iter().any(|answer| words.ends_with(answer)) {
        true => HttpError::NotReached { cause },
        false => HttpError::NotAsked { cause },
    }
}

/// What is known of an address to which there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It answered.
    Answer,
    /// There is no way to it from here; another address may have one.
    NoWay,
    /// Nothing.
    Unknown,
}

impl Refusal {
    fn of(peer: SocketAddr, error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::CONNREFUSED | Errno::CONNRESET) => Self::Answer,
            Some(Errno::NETUNREACH | Errno::HOSTUNREACH) => Self::NoWay,
            // where a machine or a container has no IPv6 at all
            Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT) if peer.is_ipv6() => Self::NoWay,
            // no more files, ports or memory; a firewall of this machine; silence
            _ => Self::Unknown,
        }
    }
}

/// Why no address has a connection. It is an answer where each gave one to which there is a way.
fn unconnected(errors: &[(SocketAddr, io::Error)]) -> HttpError {
    let last = |wanted| {
        let mut last = errors.iter().rev();
        let (peer, error) = last.find(|(peer, error)| Refusal::of(*peer, error) == wanted)?;
        Some(format!("{peer}: {}", refused(error)))
    };
    if let Some(cause) = last(Refusal::Unknown) {
        return HttpError::NotAsked { cause };
    }
    match last(Refusal::Answer) {
        Some(cause) => HttpError::NotReached { cause },
        None => HttpError::NotAsked {
            cause: last(Refusal::NoWay).unwrap_or_default(),
        },
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

    /// What somebody at the address said is a finding; what is wrong here is none.
    #[test]
    fn faults_of_this_machine_say_nothing_about_the_target() {
        let v4: SocketAddr = "192.0.2.1:80".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::1]:80".parse().unwrap();
        let of = |errors: &[(SocketAddr, Errno)]| {
            let errors: Vec<_> = errors
                .iter()
                .map(|(peer, error)| (*peer, io::Error::from(*error)))
                .collect();
            let error = unconnected(&errors);
            assert!(!error.to_string().contains("os error"), "{error}");
            !error.is_environment()
        };
        let answers = [Errno::CONNREFUSED, Errno::CONNRESET];
        let no_ways = [Errno::NETUNREACH, Errno::HOSTUNREACH];
        let unknown = [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
            Errno::PERM,
            Errno::ACCESS,
            Errno::TIMEDOUT,
            Errno::NETDOWN,
        ];
        for answer in answers {
            assert!(of(&[(v4, answer)]) && of(&[(v6, answer)]), "{answer}");
            for no_way in no_ways {
                assert!(of(&[(v4, answer), (v6, no_way)]), "{answer} {no_way}");
                assert!(of(&[(v4, no_way), (v6, answer)]), "{answer} {no_way}");
            }
            // a machine without IPv6, and not one whose ports are used up
            for none in [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT] {
                assert!(of(&[(v4, answer), (v6, none)]), "{none}");
                assert!(!of(&[(v4, none), (v6, answer)]), "{none}");
            }
            for unknown in unknown {
                assert!(!of(&[(v4, answer), (v6, unknown)]), "{unknown}");
                assert!(!of(&[(v4, unknown), (v6, answer)]), "{unknown}");
            }
        }
        for none in no_ways.iter().chain(&unknown) {
            assert!(!of(&[(v4, *none)]) && !of(&[(v6, *none)]), "{none}");
        }
    }

    #[test]
    fn only_that_a_name_has_no_address_is_an_answer() {
        let is_answer = |words: &str| {
            let words = format!("failed to lookup address information: {words}");
            !unresolved("a", &io::Error::other(words)).is_environment()
        };
        assert!(is_answer("Name or service not known"));
        assert!(is_answer("No address associated with hostname"));
        assert!(!is_answer("Temporary failure in name resolution"));
        assert!(!is_answer("Non-recoverable failure in name resolution"));
        assert!(!is_answer("Try again"));
        assert!(unresolved("a", &Errno::MFILE.into()).is_environment());
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
