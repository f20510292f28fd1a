//! A service through the API server's proxy: the path, and telling the proxy's own answers from the
//! service's.

use http::{HeaderMap, header};
use serde_json::Value;

use super::super::resource::{Resource, encoded};
use super::super::retry::is_not_ready_yet;
use super::model::{HttpError, HttpRequest, Scheme};

/// A `Status` of the API server's proxy has one line, no more than so many bytes.
pub(super) const LONGEST_STATUS: usize = 16 * 1024;

/// The path of the proxy for a path of the service.
pub(super) fn path(
    namespace: &str,
    service: &str,
    port: &str,
    scheme: Scheme,
    path: &str,
) -> String {
    let collection = Resource::service().path(Some(namespace));
    let scheme = match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let name = format!("{scheme}:{service}:{port}");
    format!("{collection}/{}/proxy{path}", encoded(&name))
}

/// Refuses headers that the API server would take as said to itself.
pub(super) fn check(request: &HttpRequest) -> Result<(), HttpError> {
    for (name, _) in &request.headers {
        let lower = name.to_lowercase();
        let is_for_the_server = ["authorization", "host", "connection", "upgrade"]
            .contains(&lower.as_str())
            || lower.starts_with("impersonate-")
            || lower.starts_with("x-remote-");
        if is_for_the_server {
            return Err(HttpError::Invalid {
                problem: format!(
                    "the API server's proxy keeps the header {name} to itself; forward a port instead"
                ),
            });
        }
    }
    Ok(())
}

/// What went wrong where the API server itself answered; `None` where the service did.
///
/// Both may send a `Status`, the service where it is an API too: so the server is known by its words.
pub(super) fn refusal(status: u16, body: &[u8], service: &str) -> Option<HttpError> {
    if status < 400 {
        return None;
    }
    if status == 429 && is_told_to_slow_down(body) {
        let cause = String::from_utf8_lossy(body).trim().to_owned();
        return Some(HttpError::NotAsked { cause });
    }
    let answer: Value = serde_json::from_slice(body).ok()?;
    if answer["kind"] != "Status" || answer["apiVersion"] != "v1" {
        return None;
    }
    let cause = answer["message"].as_str().unwrap_or_default().to_owned();
    let is_about_service = |message: &str| {
        [
            "no endpoints available for service",
            "error trying to reach service",
            "no service port",
        ]
        .iter()
        .any(|words| message.starts_with(words))
    };
    let details = &answer["details"];
    match status {
        500.. if is_about_service(&cause) => Some(HttpError::NotReached { cause }),
        500.. if is_of_the_server(&answer) => Some(HttpError::NotAsked { cause }),
        404 if details["kind"] == "services" && details["name"] == service => {
            Some(HttpError::NotReached { cause })
        }
        400 if cause.starts_with("invalid service request") => {
            Some(HttpError::Invalid { problem: cause })
        }
        401 if cause == "Unauthorized" => Some(HttpError::NotAsked { cause }),
        403 if cause.contains("services/proxy") || is_not_ready_yet(status, &cause) => {
            Some(HttpError::NotAsked { cause })
        }
        429 if cause.contains("too many requests") => Some(HttpError::NotAsked { cause }),
        _ => None,
    }
}

/// Whether a bad answer is neither the service's nor the API server's, but that of a firewall or a
/// proxy before it: a page for people, without the id that the API server gives to each request and
/// sends with whatever it passes on.
///
/// See [auditing](https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/).
pub(super) fn is_from_between(status: u16, headers: &HeaderMap) -> bool {
    let is_page = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    status >= 400 && is_page && !headers.contains_key("audit-id")
}

/// Whether a `Status` tells of a fault of the API server's own, or of what it keeps its objects in.
///
/// A service that is an API may send the same. What it is worth is not known then, which is an error
/// rather than a failure.
fn is_of_the_server(answer: &Value) -> bool {
    let reason = answer["reason"].as_str().unwrap_or_default();
    let message = answer["message"].as_str().unwrap_or_default();
    ["InternalError", "Timeout", "ServerTimeout"].contains(&reason)
        || message.contains("etcdserver: ")
}

/// Whether the API server itself is too busy, or about to end or to begin: it tells so in a line of
/// plain text.
///
/// Many services have the first of these words too, but hardly one that ends them with a line break.
fn is_told_to_slow_down(body: &[u8]) -> bool {
    body == b"Too many requests, please try again later.\n"
        || body.starts_with(b"The apiserver is shutting down")
        || body.starts_with(b"The apiserver hasn't been fully initialized")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_path_names_scheme_service_and_port() {
        assert_eq!(
            path("n", "web", "80", Scheme::Https, "/a/b?c=d"),
            "/api/v1/namespaces/n/services/https:web:80/proxy/a/b?c=d"
        );
    }

    #[test]
    fn headers_for_the_server_are_refused() {
        let with = |name: &str| HttpRequest {
            headers: vec![(name.to_owned(), "hunter2".to_owned())],
            ..HttpRequest::default()
        };
        for name in [
            "Authorization",
            "Impersonate-User",
            "Host",
            "x-remote-group",
        ] {
            let error = check(&with(name)).unwrap_err().to_string();
            assert!(
                error.contains(name) && !error.contains("hunter2"),
                "{error}"
            );
        }
        assert_eq!(check(&with("X-Token")), Ok(()));
    }

    #[test]
    fn answers_of_the_proxy_are_told_from_those_of_the_service() {
        let status = |message: &str, details: Value| {
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "details": details})
                .to_string()
        };
        let judge = |code: u16, body: &str| refusal(code, body.as_bytes(), "web");
        let none = Value::Null;
        for message in [
            "no endpoints available for service \"web\"",
            "error trying to reach service: dial tcp 10.42.0.7:80: connect: connection refused",
            "no service port \"81\" found for service \"web\"",
        ] {
            let error = judge(503, &status(message, none.clone())).unwrap();
            assert_eq!(
                error,
                HttpError::NotReached {
                    cause: message.to_owned()
                }
            );
            assert!(!error.is_environment());
        }
        let missing = json!({"kind": "services", "name": "web"});
        let missing = status("services \"web\" not found", missing);
        assert!(matches!(
            judge(404, &missing),
            Some(HttpError::NotReached { .. })
        ));
        let forbidden = "services \"http:web:80\" is forbidden: User \"x\" cannot get resource \"services/proxy\"";
        let forbidden = judge(403, &status(forbidden, none.clone())).unwrap();
        assert!(forbidden.is_environment());
        let forbidden = "services \"http:web:80\" is forbidden: not yet ready to handle request";
        assert!(
            judge(403, &status(forbidden, none.clone()))
                .unwrap()
                .is_environment()
        );
        // The service's own.
        assert_eq!(judge(503, "down for repair"), None);
        assert_eq!(judge(503, "{\"kind\": \"Status\"}"), None);
        assert_eq!(judge(503, &status("shutting down", none.clone())), None);
        let pods = json!({"kind": "pods", "name": "web"});
        assert_eq!(judge(404, &status("pods \"web\" not found", pods)), None);
        assert_eq!(
            judge(200, &status("no endpoints available for service", none)),
            None
        );
    }

    #[test]
    fn a_page_of_a_firewall_is_not_the_services() {
        let headers = |list: &[(&'static str, &str)]| -> HeaderMap {
            let pairs = list.iter();
            pairs
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect()
        };
        let page = headers(&[("content-type", "text/html; charset=utf-8")]);
        assert!(is_from_between(403, &page));
        assert!(!is_from_between(200, &page));
        let passed_on = headers(&[("content-type", "text/html"), ("audit-id", "7a1")]);
        assert!(!is_from_between(403, &passed_on));
        assert!(!is_from_between(
            503,
            &headers(&[("content-type", "text/plain")])
        ));
    }

    #[test]
    fn what_the_api_server_says_of_itself_is_not_the_services() {
        let status = |reason: &str, message: &str| {
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
                   "message": message})
            .to_string()
        };
        let cases = [
            (
                500,
                status("InternalError", "Internal error occurred"),
                true,
            ),
            (504, status("Timeout", "request did not complete"), true),
            (500, status("ServerTimeout", "try again"), true),
            (500, status("", "etcdserver: leader changed"), true),
            (503, status("ServiceUnavailable", "down for repair"), false),
            (404, status("InternalError", "no"), false),
            (500, "etcdserver: leader changed".to_owned(), false),
            (
                429,
                "Too many requests, please try again later.\n".to_owned(),
                true,
            ),
            // What servers of other kinds say by default.
            (
                429,
                "Too many requests, please try again later.".to_owned(),
                false,
            ),
            (
                429,
                "The apiserver is shutting down, please try again later.\n".to_owned(),
                true,
            ),
            (
                429,
                "The apiserver hasn't been fully initialized yet, please try again later.\n"
                    .to_owned(),
                true,
            ),
            (
                503,
                "The apiserver is shutting down, please try again later.\n".to_owned(),
                false,
            ),
        ];
        for (code, body, is_servers) in cases {
            let error = refusal(code, body.as_bytes(), "web");
            let is_environment = error.is_some_and(|error| error.is_environment());
            assert_eq!(is_environment, is_servers, "{code} {body}");
        }
    }
}
