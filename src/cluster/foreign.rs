//! Tells answers of the API server from those of something that stands before it: a firewall, a
//! proxy, a login page. Whatever such a one says is no answer about the cluster.

use std::fmt;

use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::error::beginning;

/// How much of a foreign answer is told.
const TOLD: usize = 120;

/// An answer that the API server did not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) code: u16,
    words: String,
    sign: Sign,
}

/// By what a foreign answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// The API server never answers so.
    Words,
    /// It has no `Audit-Id`, as all others of this API server have.
    NoAuditId,
    /// The API server passed it on, since it has an `Audit-Id`, and never answers so itself.
    NoStatus,
}

impl Foreign {
    /// Of an answer that is known to be one: tells what came.
    pub(super) fn of(code: u16, headers: &HeaderMap, body: &[u8], sign: Sign) -> Self {
        let words = if (300..400).contains(&code) {
            match headers
                .get(header::LOCATION)
                .and_then(|it| it.to_str().ok())
            {
                Some(place) => format!("it sends to {}", without_query(place)),
                None => "it sends elsewhere".to_owned(),
            }
        } else if is_page(headers, body) {
            match title(body) {
                Some(title) => format!("a web page came back: {title:?}"),
                None => "a web page came back".to_owned(),
            }
        } else {
            match first_words(body) {
                Some(words) => format!("{words:?} came back"),
                None => "an answer without a word came back".to_owned(),
            }
        };
        Self { code, words, sign }
    }

    /// Whether somebody that the API server asked answered.
    pub(super) fn is_passed_on(&self) -> bool {
        self.sign == Sign::NoStatus
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, words, sign } = self;
        match sign {
            Sign::Words => write!(
                f,
                "{words} (HTTP {code}), which is no answer of the API server: something stands \
                 before it, or the address is not its own"
            ),
            Sign::NoAuditId => write!(
                f,
                "{words} (HTTP {code}), which did not come through the API server, since it has no \
                 Audit-Id: something stands before it"
            ),
            Sign::NoStatus => write!(
                f,
                "{words} (HTTP {code}), which is no Status as the API server sends it, but came \
                 through it, since it has an Audit-Id: what serves this part of the API answered so"
            ),
        }
    }
}

impl std::error::Error for Foreign {}

/// Whether the body of an answer must be read to tell.
pub(super) fn is_suspect(code: u16, headers: &HeaderMap) -> bool {
    match code {
        // whatever is wrong then is no answer about the cluster either way
        429 | 500.. => false,
        300.. => code != StatusCode::NOT_MODIFIED.as_u16(),
        200.. => is_page(headers, b""),
        _ => false,
    }
}

/// What a suspect answer is, where it is not the API server's.
///
/// The API server answers with a `Status`, but for paths that it does not serve at all: whether its
/// words for these can be its own is up to the caller. Of 401, it is enough that it is no page: the
/// credentials were not accepted, by whomever.
pub(super) fn foreign(
    code: u16,
    headers: &HeaderMap,
    body: &[u8],
    may_be_unserved: bool,
    sign: Sign,
) -> Option<Foreign> {
    let is_redirect = (300..400).contains(&code);
    let is_own = !is_redirect
        && !is_page(headers, body)
        && (code < 400
            || code == 401
            || is_status(body)
            || (may_be_unserved && says_unserved(code, body)));
    (!is_own).then(|| Foreign::of(code, headers, body, sign))
}

/// Whether it is what Go's web server says of a path that nobody serves. So do others that are
/// written in Go.
pub(super) fn says_unserved(code: u16, body: &[u8]) -> bool {
    code == 404 && body.trim_ascii() == b"404 page not found"
}

/// Whether these are the words by which the API server does not let in who asks.
pub(super) fn is_login_refused(body: &[u8]) -> bool {
    let status: Value = serde_json::from_slice(body).unwrap_or_default();
    is_status(body) && (status["reason"] == "Unauthorized" || status["message"] == "Unauthorized")
}

/// Whether an answer redirects, or is a page for people, by its head.
pub(super) fn is_for_people(code: u16, headers: &HeaderMap) -> bool {
    (300..400).contains(&code) || is_page(headers, b"")
}

/// In words what a text is that should have been JSON.
pub(super) fn instead_of_json(body: &[u8]) -> String {
    if is_page(&HeaderMap::new(), body) {
        return match title(body) {
            Some(title) => format!("a web page: {title:?}"),
            None => "a web page".to_owned(),
        };
    }
    match first_words(body) {
        Some(words) => format!("{words:?}"),
        None => "nothing".to_owned(),
    }
}

/// The title of a web page, or what it begins with; otherwise the first line.
pub(super) fn headline(body: &[u8]) -> Option<String> {
    match is_page(&HeaderMap::new(), body) {
        true => Some(match title(body) {
            Some(title) => format!("a web page: {title:?}"),
            None => "a web page".to_owned(),
        }),
        false => None,
    }
}

/// Whether it is a `Status`. Gateways say why in JSON as well, but not so.
///
/// Like client-go, this takes one without its `apiVersion`, as a server of one's own may send it.
fn is_status(body: &[u8]) -> bool {
    let status: Value = serde_json::from_slice(body).unwrap_or_default();
    let version = &status["apiVersion"];
    status["kind"] == "Status" && (version == "v1" || version.is_null())
}

fn is_page(headers: &HeaderMap, body: &[u8]) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| {
        kind.as_bytes()
            .to_ascii_lowercase()
            .starts_with(b"text/html")
    }) || {
        let start = body.trim_ascii_start();
        let start = start.get(..9).unwrap_or(start).to_ascii_lowercase();
        start.starts_with(b"<!doctype") || start.starts_with(b"<html")
    }
}

/// What a page calls itself, or else the first words of its text.
fn title(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let lower = text.to_ascii_lowercase();
    let inside = |tag: &str| {
        let from = lower.find(&format!("<{tag}"))?;
        let from = from + lower[from..].find('>')? + 1;
        let to = from + lower[from..].find(&format!("</{tag}"))?;
        short(&text[from..to])
    };
    inside("title").or_else(|| short(&without_tags(&text)))
}

fn without_tags(page: &str) -> String {
    let mut text = String::new();
    for piece in page.split('<') {
        // what stands before the first tag has none to leave out
        let shown = piece.split_once('>').map_or("", |(_, shown)| shown);
        text.push_str(shown);
        text.push(' ');
    }
    text
}

fn first_words(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    short(text.lines().find(|line| !line.trim().is_empty())?)
}

/// In one line, and not too long.
fn short(text: &str) -> Option<String> {
    let words: Vec<_> = text.split_whitespace().collect();
    let text = words.join(" ");
    (!text.is_empty()).then(|| beginning(&text, TOLD))
}

/// The query of a login page holds tokens.
fn without_query(place: &str) -> &str {
    let end = place.find(['?', '#']).unwrap_or(place.len());
    &place[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn told(code: u16, kind: &'static str, body: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if (300..400).contains(&code) {
            let place = HeaderValue::from_static("https://login.example.com/start?state=hunter2");
            headers.insert(header::LOCATION, place);
        }
        if !is_suspect(code, &headers) {
            return None;
        }
        foreign(code, &headers, body.as_bytes(), false, Sign::Words).map(|foreign| foreign.words)
    }

    #[test]
    fn answers_of_the_api_server_are_its_own() {
        let json = "application/json";
        let cases = [
            (200, json, "{}"),
            (200, "text/plain", "a line of a log: <html>"),
            (403, json, r#"{"kind": "Status", "code": 403}"#),
            (
                422,
                json,
                r#"{"kind": "Status", "apiVersion": "v1", "message": "no"}"#,
            ),
            (401, "text/plain", "Unauthorized"),
            (401, json, ""),
            (304, json, ""),
            (503, "text/html", "<html>"),
            (429, "text/html", "<html>"),
        ];
        for (code, kind, body) in cases {
            assert_eq!(told(code, kind, body), None, "{code} {kind} {body}");
        }
    }

    #[test]
    fn answers_of_others_are_told_by_what_they_call_themselves() {
        let html = "text/html; charset=utf-8";
        let page = "<!DOCTYPE html>\n<html><head><TITLE class=x>Sign\n in</TITLE></head>secret";
        let cases = [
            (200, html, page, "a web page came back: \"Sign in\""),
            (401, html, page, "a web page came back: \"Sign in\""),
            (403, "", page, "a web page came back: \"Sign in\""),
            (
                403,
                html,
                "<html><body><h1>Access <b>denied</b></h1>",
                "a web page came back: \"Access denied\"",
            ),
            (404, html, "", "a web page came back"),
            (
                403,
                "text/plain",
                "blocked by policy 7",
                "\"blocked by policy 7\" came back",
            ),
            (
                404,
                "text/plain",
                "default backend - 404",
                "\"default backend - 404\" came back",
            ),
            (403, "", "", "an answer without a word came back"),
            (
                404,
                "text/plain",
                "404 page not found\n",
                "\"404 page not found\" came back",
            ),
            (
                404,
                "application/json",
                r#"{"message": "no Route matched with those values"}"#,
                r#""{\"message\": \"no Route matched with those values\"}" came back"#,
            ),
            (
                403,
                "application/json",
                r#"{"kind": "Status", "apiVersion": "example.com/v1"}"#,
                r#""{\"kind\": \"Status\", \"apiVersion\": \"example.com/v1\"}" came back"#,
            ),
            (
                403,
                "application/json",
                r#"{"error": 1}"#,
                "\"{\\\"error\\\": 1}\" came back",
            ),
            (
                302,
                html,
                page,
                "it sends to https://login.example.com/start",
            ),
        ];
        for (code, kind, body, expected) in cases {
            assert_eq!(
                told(code, kind, body).as_deref(),
                Some(expected),
                "{code} {body}"
            );
        }
        assert_eq!(instead_of_json(page.as_bytes()), "a web page: \"Sign in\"");
        assert_eq!(instead_of_json(b"hello\nyou"), "\"hello\"");
        assert_eq!(instead_of_json(b""), "nothing");
    }

    #[test]
    fn what_nobody_serves_is_told_by_its_words_alone() {
        let is_own = |code, body: &str| {
            foreign(code, &HeaderMap::new(), body.as_bytes(), true, Sign::Words).is_none()
        };
        assert!(is_own(404, "404 page not found\n"));
        assert!(!is_own(403, "404 page not found\n"));
        assert!(!is_own(404, "404 page not found: try another\n"));
    }

    #[test]
    fn a_refused_login_is_known_by_its_status() {
        let own = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
        assert!(is_login_refused(own.as_bytes()));
        for other in [
            "Unauthorized",
            r#"{"message": "Unauthorized"}"#,
            r#"{"kind": "Status", "apiVersion": "v1", "message": "no token"}"#,
            "",
        ] {
            assert!(!is_login_refused(other.as_bytes()), "{other}");
        }
    }
}
