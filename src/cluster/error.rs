//! What can go wrong when the cluster is asked for something, apart from connecting
//! (`connect_error`) and running commands (`exec`), which have errors of their own.
//!
//! The one distinction everything above builds on: did the cluster *answer*, or could it not be
//! asked? [`ClusterError::is_environment`] says which.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::foreign::{headline, instead_of_json};
use super::retry::is_not_ready_yet;

/// How a refusal quotes a value.
const QUOTE: &str = "Invalid value: \"";
/// How many characters of it are shown.
const LONGEST_QUOTE: usize = 80;

/// A definite answer of the API server that is not the one that was hoped for.
///
/// Mirrors the fields of a
/// [Status](https://kubernetes.io/docs/reference/kubernetes-api/definitions/status-v1-meta/) that
/// matter to a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason, such as `Forbidden` or `AlreadyExists`; empty where the server gave none.
    pub reason: String,
    /// The cluster's own words.
    pub message: String,
}

/// Why a request to the cluster had no good end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The API server refused: a 4xx, or the 500 by which server-side apply refuses a field of
    /// the wrong type.
    #[error("{}", readable(&.0.message))]
    Refused(Refusal),

    /// Other field managers own what was to be applied, or the object was changed meanwhile.
    #[error("{message}")]
    Conflict {
        /// The cluster's own words, with the fields and who manages them.
        message: String,
        /// The managers in the way; empty where the object was merely changed meanwhile.
        managers: Vec<String>,
    },

    /// There is no such object, or its kind is not served there.
    #[error("{message}")]
    NotFound {
        /// The cluster's own words.
        message: String,
    },

    /// No answer: the connection failed, or something that is not the API server answered.
    #[error("the cluster did not answer: {cause}")]
    Unavailable {
        /// What happened, in one line.
        cause: String,
    },

    /// An answer that says that there is none: the server, or something that it asks, cannot serve now.
    #[error("the API server gave no usable answer: {cause}")]
    Failing {
        /// What it said, in one line.
        cause: String,
    },

    /// What serves a part of the API does not answer, so that nothing is known of its kinds.
    #[error("the API group {group} does not answer: {cause}")]
    GroupDown {
        /// With its version: `metrics.k8s.io/v1beta1`; several are joined by commas.
        group: String,
        /// Why, in one line.
        cause: String,
    },

    /// Neither a resource nor a kind has this name here.
    #[error("the cluster has no kind or resource {name:?}{}", did_you_mean(.suggestion.as_deref()))]
    UnknownKind {
        /// The name as it was asked for.
        name: String,
        /// The name that is nearest, if one is near.
        suggestion: Option<String>,
    },

    /// The server took longer than one request may take.
    #[error("{what} took longer than {}", seconds(*.after))]
    TimedOut {
        /// What was under way: `the request GET /version`.
        what: String,
        /// The time it had.
        after: Duration,
    },
}

impl ClusterError {
    /// Whether the cluster could not be asked: nothing is known about the thing under test.
    ///
    /// Credentials that are no longer accepted count, since another run with good ones may answer.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::Failing { .. }
            | Self::GroupDown { .. }
            | Self::TimedOut { .. } => true,
            Self::Refused(refusal) => refusal.code == StatusCode::UNAUTHORIZED.as_u16(),
            Self::Conflict { .. } | Self::NotFound { .. } | Self::UnknownKind { .. } => false,
        }
    }

    /// Whether the user may not do this, or an admission policy does not let them.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(StatusCode::FORBIDDEN.as_u16())
    }

    /// Whether there is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// The HTTP status code of a definite answer.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            Self::Conflict { .. } => Some(StatusCode::CONFLICT.as_u16()),
            Self::NotFound { .. } => Some(StatusCode::NOT_FOUND.as_u16()),
            Self::Unavailable { .. }
            | Self::Failing { .. }
            | Self::GroupDown { .. }
            | Self::UnknownKind { .. }
            | Self::TimedOut { .. } => None,
        }
    }

    /// What the cluster said, whole: [`ClusterError`] itself is shown with what it quotes cut short.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.message.clone(),
            other => other.to_string(),
        }
    }

    /// Reads an answer with a status of 400 or more.
    ///
    /// The body is a `Status` where the API server itself answered; a proxy before it sends what it
    /// likes, of which the first line is kept.
    pub(super) fn from_answer(code: u16, body: &[u8]) -> Self {
        let status: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = |field: &str| status[field].as_str().unwrap_or_default().to_owned();
        let mut message = text("message");
        if message.is_empty() {
            message = first_line(body).unwrap_or_else(|| default_words(code));
        }
        let reason = text("reason");
        match code {
            404 => Self::NotFound { message },
            409 if reason != "AlreadyExists" => Self::Conflict {
                managers: managers(&status),
                message,
            },
            429 => Self::Failing {
                cause: format!("it asks to slow down (429): {message}"),
            },
            500 if is_typed_patch_refusal(&message) => Self::Refused(Refusal {
                code,
                reason,
                message,
            }),
            500.. => Self::Failing {
                cause: format!("it answered {code}: {message}"),
            },
            403 if is_not_ready_yet(code, &message) => Self::Failing {
                cause: format!("it has just been started: {message}"),
            },
            _ => Self::Refused(Refusal {
                code,
                reason,
                message,
            }),
        }
    }

    /// An answer that is not what the API promises, as a proxy's login page.
    pub(super) fn unreadable(what: &str, body: &[u8]) -> Self {
        let instead = instead_of_json(body);
        Self::Unavailable {
            cause: format!("what it sent for {what} cannot be read as JSON: {instead}"),
        }
    }

    /// The cause alone, without the words that say what kind it is of.
    pub(super) fn cause(self) -> String {
        match self {
            Self::Unavailable { cause }
            | Self::Failing { cause }
            | Self::GroupDown { cause, .. } => cause,
            other => other.to_string(),
        }
    }
}

/// A refusal for people: a patch that does not fit is refused with all of the object that it made,
/// quoted, which buries why.
fn readable(message: &str) -> String {
    let mut rest = message.trim();
    // the name is empty where it is about the patch itself
    rest = rest.strip_prefix("\"\" is invalid: ").unwrap_or(rest);
    let mut readable = String::new();
    while let Some((before, quoted)) = rest.split_once(QUOTE) {
        let mut is_escaped = false;
        let end = quoted.find(|c: char| {
            let ends = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        });
        let (value, after) = quoted.split_at(end.unwrap_or(quoted.len()));
        readable.push_str(before);
        readable.push_str(QUOTE);
        match value.char_indices().nth(LONGEST_QUOTE) {
            Some((at, _)) => {
                readable.push_str(value[..at].trim_end_matches('\\'));
                readable.push('…');
            }
            None => readable.push_str(value),
        }
        rest = after;
    }
    readable + rest
}

/// Whether a message of a 500 is server-side apply's way to say that a field has the wrong type
/// (kubernetes#139253): a definite answer, which no retry changes.
pub(super) fn is_typed_patch_refusal(message: &str) -> bool {
    message.contains("failed to create typed patch object")
}

/// The field managers that a conflict of server-side apply names.
fn managers(status: &Value) -> Vec<String> {
    let mut managers = Vec::new();
    for cause in status["details"]["causes"].as_array().into_iter().flatten() {
        // The message reads: conflict with "kubectl" using apps/v1 at 2026-01-01T00:00:00Z
        let manager = cause["message"].as_str().and_then(|m| m.split('"').nth(1));
        if let Some(manager) = manager
            && cause["reason"] == "FieldManagerConflict"
            && !managers.iter().any(|known| known == manager)
        {
            managers.push(manager.to_owned());
        }
    }
    managers
}

fn first_line(body: &[u8]) -> Option<String> {
    if let Some(page) = headline(body) {
        return Some(page);
    }
    let text = String::from_utf8_lossy(body);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(beginning(line, 200))
}

/// At most so many characters of a text, and `…` where it has more: a message quotes it, and what is
/// cut off is masked by that mark.
pub(super) fn beginning(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn default_words(code: u16) -> String {
    StatusCode::from_u16(code)
        .ok()
        .and_then(|code| code.canonical_reason())
        .unwrap_or("no reason was given")
        .to_owned()
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |near| format!("; did you mean {near:?}?"))
}

/// A duration as a person writes it: `10s`, `1.5s`, `300ms`.
pub(super) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{}ms", duration.as_millis())
    } else if duration.subsec_millis() == 0 {
        format!("{}s", duration.as_secs())
    } else {
        format!("{:.1}s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(code: u16, body: &Value) -> ClusterError {
        ClusterError::from_answer(code, body.to_string().as_bytes())
    }

    #[test]
    fn a_refusal_does_not_quote_a_whole_object() {
        let object = r#"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\",\"namespace\":\"a\"}}"#;
        let why = "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32";
        let message = format!(" \"\" is invalid: patch: Invalid value: \"{object}\": {why}");
        let error = ClusterError::Refused(Refusal {
            code: 422,
            reason: "Invalid".to_owned(),
            message: message.clone(),
        });
        let start = r#"patch: Invalid value: "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name"#;
        let told = error.to_string();
        assert!(told.starts_with(start), "{told}");
        assert!(told.ends_with(&format!("…\": {why}")), "{told}");
        assert!(told.len() < 230, "{told}");
        assert_eq!(
            error.words(),
            message,
            "what is expected of it is held against all of it"
        );
        for short in [
            "Pod \"a\" is invalid: [x: Invalid value: \"b\": no, y: Invalid value: \"c\\\"\": no]",
            "Invalid value: \"never ends",
            "é",
            "",
        ] {
            assert_eq!(readable(short), short);
        }
    }

    #[test]
    fn a_refusal_keeps_the_clusters_words() {
        let error = answer(
            403,
            &json!({"message": "pods \"x\" is forbidden: violates PodSecurity", "reason": "Forbidden"}),
        );
        assert!(error.is_forbidden());
        assert!(!error.is_environment());
        assert_eq!(
            error.to_string(),
            "pods \"x\" is forbidden: violates PodSecurity"
        );
    }

    #[test]
    fn a_conflict_names_the_managers_once() {
        let cause = |manager: &str| {
            json!({"reason": "FieldManagerConflict", "field": ".spec.replicas",
                   "message": format!("conflict with \"{manager}\" using apps/v1")})
        };
        let error = answer(
            409,
            &json!({"message": "Apply failed with 3 conflicts", "reason": "Conflict",
                    "details": {"causes": [cause("kubectl"), cause("kubectl"), cause("helm")]}}),
        );
        let ClusterError::Conflict { managers, .. } = error else {
            panic!("not a conflict: {error:?}")
        };
        assert_eq!(managers, ["kubectl", "helm"]);
    }

    #[test]
    fn already_exists_is_a_refusal_not_a_conflict() {
        let error = answer(
            409,
            &json!({"message": "exists", "reason": "AlreadyExists"}),
        );
        assert!(matches!(
            error,
            ClusterError::Refused(Refusal { code: 409, .. })
        ));
    }

    #[test]
    fn a_500_is_the_environment_unless_it_refuses_a_typed_patch() {
        assert!(answer(500, &json!({"message": "etcdserver: leader changed"})).is_environment());
        let typed = answer(
            500,
            &json!({"message": "failed to create typed patch object (default/x; /v1, Kind=ConfigMap): .data.k: expected string, got &value.valueUnstructured{Value:1}"}),
        );
        assert!(!typed.is_environment());
        assert_eq!(typed.code(), Some(500));
    }

    #[test]
    fn a_page_of_a_proxy_is_told_by_its_words() {
        let error = ClusterError::from_answer(502, b"\n<html>Bad Gateway\n<body>");
        assert_eq!(
            error.to_string(),
            "the API server gave no usable answer: it answered 502: a web page: \"Bad Gateway\""
        );
        assert!(answer(401, &json!({"message": "Unauthorized"})).is_environment());
    }

    #[test]
    fn an_unknown_kind_suggests() {
        let error = ClusterError::UnknownKind {
            name: "deamonset".into(),
            suggestion: Some("daemonset".into()),
        };
        assert_eq!(
            error.to_string(),
            "the cluster has no kind or resource \"deamonset\"; did you mean \"daemonset\"?"
        );
    }

    #[test]
    fn what_is_cut_off_says_so() {
        assert_eq!(beginning("äbc", 3), "äbc");
        assert_eq!(beginning("äbcd", 2), "äb…");
    }

    #[test]
    fn durations_read_naturally() {
        assert_eq!(seconds(Duration::from_millis(300)), "300ms");
        assert_eq!(seconds(Duration::from_secs(10)), "10s");
        assert_eq!(seconds(Duration::from_millis(1500)), "1.5s");
    }
}
