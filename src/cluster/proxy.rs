//! Which proxy leads to the cluster: pure, as Go's `net/http` decides for kubectl.
//!
//! Done here since the library compares `NO_PROXY` with the proxy's address instead of the
//! cluster's. A `proxy-url` in a kubeconfig always counts; `NO_PROXY` is about the environment's.

use std::net::IpAddr;

use base64::Engine as _;
use http::{HeaderValue, Uri};

/// The environment's word on proxies.
#[derive(Debug, Default, Clone)]
pub(super) struct ProxyEnvironment {
    pub(super) https_proxy: Option<String>,
    pub(super) http_proxy: Option<String>,
    pub(super) no_proxy: Option<String>,
}

impl ProxyEnvironment {
    pub(super) fn read() -> Self {
        let either = |upper: &str, lower: &str| {
            let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
            read(upper).or_else(|| read(lower))
        };
        Self {
            https_proxy: either("HTTPS_PROXY", "https_proxy"),
            http_proxy: either("HTTP_PROXY", "http_proxy"),
            no_proxy: either("NO_PROXY", "no_proxy"),
        }
    }

    /// The proxy to reach `server` by, as text.
    pub(super) fn proxy_for(&self, server: &Uri) -> Option<&str> {
        let is_http = server.scheme_str() == Some("http");
        let proxy = if is_http {
            &self.http_proxy
        } else {
            &self.https_proxy
        };
        let proxy = proxy.as_deref()?;
        let host = server.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = server.port_u16().unwrap_or(if is_http { 80 } else { 443 });
        let is_exempt = is_local(host)
            || self
                .no_proxy
                .as_deref()
                .is_some_and(|list| list.split(',').any(|entry| matches(entry, host, port)));
        (!is_exempt).then_some(proxy)
    }
}

/// Reads the URL of a proxy; one without a scheme is taken as HTTP, as curl and Go do.
///
/// The error is in words that do not quote the URL, which may hold a password.
pub(super) fn parse(proxy: &str) -> Result<Uri, &'static str> {
    let uri: Uri = if proxy.contains("://") {
        proxy.parse()
    } else {
        format!("http://{proxy}").parse()
    }
    .map_err(|_| "the URL of the proxy cannot be read")?;
    match uri.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(uri),
        _ => Err("the proxy has a scheme other than http, https and socks5"),
    }
}

/// The URL without a user and a password.
pub(super) fn shown(proxy: &Uri) -> String {
    let scheme = proxy.scheme_str().unwrap_or("http");
    let authority = proxy.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

/// The user and the password in a URL, as they were before they were written into one.
pub(super) fn user_of(proxy: &Uri) -> Option<(String, String)> {
    let (user, _host) = proxy.authority()?.as_str().rsplit_once('@')?;
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    Some((decoded(user), decoded(password)))
}

/// `Proxy-Authorization`, where the URL has a user.
pub(super) fn authorization_of(proxy: &Uri) -> Option<HeaderValue> {
    let (user, password) = user_of(proxy)?;
    let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let mut header = HeaderValue::try_from(format!("Basic {both}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// `p%40ss` is `p@ss`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after
            .get(..2)
            .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Whether an entry of `NO_PROXY` covers a host: `*`, an address, a network, or a domain with what
/// is below it (a leading dot: only what is below), each but the network with an optional port.
fn matches(entry: &str, host: &str, port: u16) -> bool {
    let entry = entry.trim().to_lowercase();
    let host = host.to_lowercase();
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        return is_in(&host, network, bits).unwrap_or(false);
    }
    let (name, wanted) = split_port(&entry);
    if name.is_empty() || wanted.is_some_and(|wanted| wanted != port) {
        return false;
    }
    if let Ok(ip) = name.parse::<IpAddr>() {
        return host.parse() == Ok(ip);
    }
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => host == name || host.ends_with(&format!(".{name}")),
    }
}

fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some(rest) = entry.strip_prefix('[') {
        let (ip, port) = rest.split_once(']').unwrap_or((rest, ""));
        return (ip, port.trim_start_matches(':').parse().ok());
    }
    match entry.rsplit_once(':') {
        // More than one colon is an IPv6 address without a port.
        Some((name, port)) if !name.contains(':') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

/// Whether an address lies in a network, `10.0.0.0` and `8`; `None` where one of them is none.
fn is_in(host: &str, network: &str, bits: &str) -> Option<bool> {
    let bits: u32 = bits.parse().ok()?;
    match (host.parse().ok()?, network.parse().ok()?) {
        (IpAddr::V4(host), IpAddr::V4(network)) => {
            let shift = 32_u32.checked_sub(bits)?;
            let top = |ip: u32| ip.checked_shr(shift).unwrap_or(0);
            Some(top(host.into()) == top(network.into()))
        }
        (IpAddr::V6(host), IpAddr::V6(network)) => {
            let shift = 128_u32.checked_sub(bits)?;
            let top = |ip: u128| ip.checked_shr(shift).unwrap_or(0);
            Some(top(host.into()) == top(network.into()))
        }
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_matched_against_the_cluster() {
        let cases = [
            ("10.0.0.0/8", "https://10.1.2.3:6443", true),
            ("10.0.0.0/8", "https://11.1.2.3:6443", false),
            ("0.0.0.0/0", "https://11.1.2.3:6443", true),
            ("fd00::/8", "https://[fd12::1]:6443", true),
            ("10.1.2.3", "https://10.1.2.3:6443", true),
            ("10.1.2.3:6443", "https://10.1.2.3:6443", true),
            ("10.1.2.3:443", "https://10.1.2.3:6443", false),
            ("example.com", "https://example.com", true),
            ("example.com", "https://api.example.com", true),
            ("example.com", "https://notexample.com", false),
            (".example.com", "https://api.example.com", true),
            (".example.com", "https://example.com", false),
            ("*.example.com", "https://API.example.com", true),
            ("*", "https://anything", true),
            ("localhost, ,example.com,", "https://example.com", true),
            ("", "https://example.com", false),
        ];
        for (list, server, is_exempt) in cases {
            let environment = ProxyEnvironment {
                https_proxy: Some("http://proxy:3128".into()),
                http_proxy: None,
                no_proxy: Some(list.into()),
            };
            let proxy = environment.proxy_for(&server.parse().unwrap());
            assert_eq!(proxy.is_none(), is_exempt, "{list} {server}");
        }
    }

    #[test]
    fn this_machine_needs_no_proxy() {
        let environment = ProxyEnvironment {
            https_proxy: Some("http://proxy:3128".into()),
            ..ProxyEnvironment::default()
        };
        for server in [
            "https://127.0.0.1:6443",
            "https://localhost",
            "https://[::1]:6443",
        ] {
            assert_eq!(
                environment.proxy_for(&server.parse().unwrap()),
                None,
                "{server}"
            );
        }
        // The proxy is for https only.
        assert_eq!(
            environment.proxy_for(&"http://10.0.0.1".parse().unwrap()),
            None
        );
    }

    #[test]
    fn a_user_of_a_proxy_is_taken_out_of_its_url() {
        let proxy = "http://me:p%40s%s@proxy:3128".parse().unwrap();
        assert_eq!(shown(&proxy), "http://proxy:3128");
        assert_eq!(user_of(&proxy), Some(("me".to_owned(), "p@s%s".to_owned())));
        let header = authorization_of(&proxy).unwrap();
        assert_eq!(header, "Basic bWU6cEBzJXM=");
        assert_eq!(user_of(&"http://proxy".parse().unwrap()), None);
    }

    #[test]
    fn proxies_are_parsed_without_being_quoted() {
        assert_eq!(
            parse("proxy:3128").unwrap().to_string(),
            "http://proxy:3128/"
        );
        assert!(parse("socks5://proxy:1080").is_ok());
        for bad in ["ftp://user:hunter2@proxy", "http://user:hunter2@pro xy"] {
            assert!(!parse(bad).unwrap_err().contains("hunter2"));
        }
    }
}
