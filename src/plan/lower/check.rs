//! Literals that have a form: names, selectors, versions, methods, addresses. Pure.

use crate::kinds::BuiltIn;
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

/// A text as far as it is literal: the pieces around what is rendered. Nothing where it has
/// statements, of which nobody knows what they leave.
fn literal_parts(text: &str) -> Option<Vec<&str>> {
    if text.contains("{%") || text.contains("{#") {
        return None;
    }
    let mut pieces = text.split("{{");
    let first = pieces.next()?;
    let rest = pieces.map(|piece| piece.split_once("}}").map_or("", |(_, behind)| behind));
    Some(std::iter::once(first).chain(rest).collect())
}

const FILLED_IN: &str = "what the run fills in is written {{ … }}";

/// Why no object can have a name, as far as it is literal: an `absent` of it would hold for ever.
/// Of kinds that are not built in, nobody knows what their names may be.
pub(super) fn object_name_problem(kind: Option<&BuiltIn>, name: &str) -> Option<String> {
    let parts = literal_parts(name)?;
    if parts
        .iter()
        .any(|part| ["($", "$(", "${"].iter().any(|open| part.contains(open)))
    {
        return Some(FILLED_IN.to_owned());
    }
    let has = |is: fn(char) -> bool| parts.iter().any(|part| part.contains(is));
    if has(|c| c.is_whitespace() || c == '/' || c == '%') {
        return Some("names have no spaces, `/` or `%`".to_owned());
    }
    let kind = kind?;
    let whole = match parts[..] {
        [whole] => Some(whole),
        _ => None,
    };
    match (kind.group, kind.kind) {
        // these take whatever can stand in a path
        ("rbac.authorization.k8s.io", _)
        | (_, "APIService" | "IPAddress" | "CertificateSigningRequest") => None,
        ("", "Namespace" | "Service") if whole.is_some() => {
            whole.and_then(label_problem).map(str::to_owned)
        }
        _ if has(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')) => {
            Some(format!(
                "names of {} have lowercase letters, digits, `-` and `.`",
                kind.plural
            ))
        }
        _ if whole.is_some_and(|whole| whole.len() > 253) => {
            Some("names have at most 253 characters".to_owned())
        }
        _ => {
            let (first, last) = (parts.first()?, parts.last()?);
            let is_edge = |c: char| c == '-' || c == '.';
            (first.starts_with(is_edge) || last.ends_with(is_edge))
                .then(|| "names begin and end with a letter or a digit".to_owned())
        }
    }
}

/// Why nothing has the labels of a selector, as far as it is literal.
pub(super) fn selector_problem(selector: &str) -> Option<String> {
    let parts = literal_parts(selector)?;
    if parts.iter().any(|part| part.contains('$')) {
        return Some(FILLED_IN.to_owned());
    }
    let is_known =
        |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "-_./=!,()".contains(c);
    let strange = parts
        .iter()
        .find_map(|part| part.chars().find(|c| !is_known(*c)))?;
    Some(format!(
        "no label has a `{strange}`: write it like app=web,tier!=cache"
    ))
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
    fn names_that_no_object_can_have() {
        let problem = |kind: &str, name: &str| object_name_problem(crate::kinds::named(kind), name);
        for (kind, name) in [
            ("pod", "web-0"),
            ("pod", "{{ a }}"),
            ("pod", "web-{{ a }}.x"),
            ("pod", "{{ a }}-{{ b }}"),
            ("pod", "{% if A %}B{% endif %}"),
            ("crd", "a.b.c"),
            ("role", "system:Leader Locking".split(' ').next().unwrap()),
            ("clusterrole", "system:node"),
            ("apiservice", "v1."),
            ("ipaddress", "2001:db8::1"),
            ("csr", "node-csr-2Bq_PYT"),
            ("users.user.openshift.io", "kube:admin"),
            ("namespace", "kube-system"),
        ] {
            assert_eq!(problem(kind, name), None, "{kind}/{name}");
        }
        for (kind, name) in [
            ("role", "($cluster.name)-x"),
            ("widgets.example.com", "${NAME}"),
            ("pod", "Web"),
            ("pod", "web_{{ a }}"),
            ("pod", "-web"),
            ("pod", "{{ a }}-"),
            ("pod", "a b"),
            ("role", "a/b"),
            ("namespace", "a.b"),
            ("deployment", &"a".repeat(254)),
        ] {
            assert!(problem(kind, name).is_some(), "{kind}/{name}");
        }
        for selector in ["app=web", "a/b in (c, d),!e", "app={{ $ }}", "a.b/c_d!=x"] {
            assert_eq!(selector_problem(selector), None, "{selector}");
        }
        for selector in ["app=($name)", "app=\"web\"", "app=web;b=c", "app=wéb"] {
            assert!(selector_problem(selector).is_some(), "{selector}");
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
