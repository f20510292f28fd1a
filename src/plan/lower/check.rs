//! Literals that have a form: names, selectors, versions, methods, addresses. Pure.

use crate::plan::model::{VersionComparison, VersionRange};

/// Why a name is no RFC 1123 label.
pub(super) fn label_problem(name: &str) -> Option<&'static str> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > 63 {
        Some("it is longer than 63 characters")
    } else if !name.chars().all(is_allowed) {
        Some("lowercase letters, digits and `-` are allowed")
    } else if name.starts_with('-') || name.ends_with('-') {
        Some("it begins and ends with a letter or a digit")
    } else {
        None
    }
}

/// `>=1.30`, or several with commas.
pub(super) fn version_range(text: &str) -> Result<VersionRange, (String, String)> {
    const COMPARISONS: [(&str, VersionComparison); 6] = [
        (">=", VersionComparison::AtLeast),
        ("<=", VersionComparison::AtMost),
        ("==", VersionComparison::Exactly),
        (">", VersionComparison::Above),
        ("<", VersionComparison::Below),
        ("=", VersionComparison::Exactly),
    ];
    let refuse = |help: String| Err((format!("`{text}` is not a range of versions"), help));
    let mut bounds = Vec::new();
    for part in text.split(',').map(str::trim) {
        let comparison = COMPARISONS
            .iter()
            .find_map(|(sign, comparison)| Some((part.strip_prefix(sign)?, *comparison)));
        let Some((version, comparison)) = comparison else {
            return refuse(match version_of(part) {
                Some(_) => format!("write >={part} or ={part}"),
                None => "write it like >=1.30 or >=1.30, <1.36".to_owned(),
            });
        };
        let Some((major, minor)) = version_of(version) else {
            return refuse(
                "a server's version is compared by its first two numbers: >=1.30".into(),
            );
        };
        bounds.push((comparison, major, minor));
    }
    Ok(VersionRange {
        text: text.to_owned(),
        bounds,
    })
}

/// `1.30` or `v1.30`.
fn version_of(text: &str) -> Option<(u32, u32)> {
    let text = text.trim();
    let (major, minor) = text.strip_prefix('v').unwrap_or(text).split_once('.')?;
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    };
    Some((number(major)?, number(minor)?))
}

/// The methods that an `http` may have.
pub(super) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Why a text is no address to send a request to.
pub(super) fn url_problem(url: &str) -> Option<&'static str> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Some("it begins with http:// or https://");
    }
    match url.parse::<http::Uri>() {
        Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => None,
        Ok(_) => Some("it names no host"),
        Err(_) => Some("it is written like https://example.com:8443/healthz"),
    }
}

/// Why a text is no name of a port: RFC 6335.
pub(super) fn port_name_problem(name: &str) -> Option<&'static str> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 15 || !name.chars().all(is_allowed) {
        Some("a port is a number from 1 to 65535, or the name that the Service gives it")
    } else if name.chars().all(|c| c.is_ascii_digit()) {
        Some("a number stands without quotes")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_versions() {
        let bounds = |text: &str| version_range(text).map(|range| range.bounds);
        assert_eq!(
            bounds(">=1.30, <v1.36"),
            Ok(vec![
                (VersionComparison::AtLeast, 1, 30),
                (VersionComparison::Below, 1, 36)
            ])
        );
        assert_eq!(
            bounds("= 1.34"),
            Ok(vec![(VersionComparison::Exactly, 1, 34)])
        );
        for text in [
            "", "1.30", ">=1", ">=1.30.2", "~1.30", ">=1.30,", ">=1.x", ">=+1.3",
        ] {
            assert!(bounds(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(url_problem("https://a:8443/x?y"), None);
        assert_eq!(url_problem("http://[::1]/"), None);
        for text in [
            "a.example",
            "ftp://a",
            "http://",
            "http:///x",
            "https://a b",
        ] {
            assert!(url_problem(text).is_some(), "{text:?}");
        }
    }
}
