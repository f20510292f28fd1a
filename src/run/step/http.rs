//! `http`: one request, and whether its answer is the expected one.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::deadline::{Deadline, human_duration};
use super::{StepContext, StepFailure, StepResult, expect, lag};
use crate::cluster::{HttpError, HttpRequest, HttpTarget, ObjectKey, Resolve, Scheme};
use crate::output::{Intake, Text};
use crate::plan::model::{Http, HttpDestination, HttpExpectation, HttpWay};
use crate::template::{Scope, Template};

/// An answer to a request, whoever carried it.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Text,
    /// From the beginning to the end of the body.
    pub took: Duration,
    /// Where TLS was spoken from here to the target.
    pub valid_until: Option<Timestamp>,
    /// The time by the cluster's clock.
    pub now: Timestamp,
}

/// Sends the request once.
pub async fn run(
    http: &Http,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let scope = context.scope();
    let (target, path, resolve, shown) = destination(http, context)?;
    let (body, is_json) = match &http.body {
        None => (Vec::new(), false),
        Some(body) => match body.render(&scope)? {
            Value::String(text) => (text.into_bytes(), false),
            value => (value.to_string().into_bytes(), true),
        },
    };
    let mut headers = http
        .headers
        .iter()
        .map(|(name, value)| Ok((name.clone(), value.render_text(&scope)?)))
        .collect::<Result<Vec<_>, StepFailure>>()?;
    let has_type = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if is_json && !has_type {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    let ca = http
        .ca
        .as_ref()
        .map(|ca| ca.render_text(&scope))
        .transpose()?;
    let judge = BodyJudge::new(&http.expect, &scope)?;
    let mut request = HttpRequest {
        method: http.method.clone(),
        path,
        headers,
        body,
        timeout: deadline.remaining(),
        ca: ca.map(String::into_bytes),
        resolve,
        intake: judge.intake(),
    };
    let what = format!("{} {shown}", http.method);
    let is_safe = SAFE_METHODS.contains(&http.method.as_str());
    let _unseen = (!is_safe).then(|| context.suite.writes.unseen());
    let reply = loop {
        request.timeout = deadline.remaining();
        match context.cluster.http(&target, &request).await {
            Ok(reply) => break reply,
            Err(error)
                if is_about_the_service(&error)
                    && lag::may_be_stale(context, is_service(&target)).await => {}
            Err(error) => return Err(explain(&error, &what, deadline)),
        }
    };
    let answer = Answer {
        status: reply.status,
        headers: reply.headers,
        body: reply.body,
        took: reply.took,
        valid_until: reply.tls.map(|tls| tls.not_after),
        now: context.cluster.now().likely(),
    };
    answer.judge(&http.expect, &judge, &what, &scope)
}

/// What asks for nothing to be written.
///
/// See [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-safe-methods).
const SAFE_METHODS: [&str; 4] = ["GET", "HEAD", "OPTIONS", "TRACE"];

/// What is expected of a body that is still to come.
pub struct BodyJudge(Option<expect::TextJudge>);

impl BodyJudge {
    /// Renders what is expected.
    pub fn new(expect: &HttpExpectation, scope: &Scope) -> Result<Self, StepFailure> {
        let body = expect.body.as_ref();
        body.map(|body| expect::TextJudge::new(body, scope))
            .transpose()
            .map(Self)
    }

    fn intake(&self) -> Intake {
        match &self.0 {
            Some(judge) => Intake::default().looking_for(judge.look()),
            None => Intake::default(),
        }
    }
}

/// How to see of a body what was not kept.
const HELP: &str = "ask for less of it, such as by a query";

impl Answer {
    /// Holds it against what is expected.
    pub fn judge(
        self,
        expect: &HttpExpectation,
        judge: &BodyJudge,
        what: &str,
        scope: &Scope,
    ) -> Result<StepResult, StepFailure> {
        let mut findings = expect::Findings::default();
        let is_good = match expect.status.as_slice() {
            [] => self.status < 400,
            statuses => statuses.contains(&self.status),
        };
        if !is_good {
            let expected = match expect.status.as_slice() {
                [] => "below 400".to_owned(),
                statuses => statuses
                    .iter()
                    .map(u16::to_string)
                    .collect::<Vec<_>>()
                    .join(" or "),
            };
            findings.wrong([format!("status {}, expected {expected}", self.status)]);
        }
        for (name, expectation) in &expect.headers {
            let found = self
                .headers
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name));
            match found {
                Some((_, value)) => {
                    let name = format!("the header {name}");
                    findings.add(expect::text(expectation, &name, value, scope)?);
                }
                None => findings.wrong([format!("the header {name} is not set")]),
            }
        }
        if let BodyJudge(Some(judge)) = judge {
            findings.add(judge.judge("body", &self.body)?);
        }
        if let Some(span) = expect.valid_for {
            findings.wrong(self.expires_before(span));
        }
        findings.wrong(expect::took(expect.took, self.took));
        match findings.judge(what, HELP) {
            Ok(()) => Ok(self.result()),
            Err(failure) => Err(failure.with_detail("body", &self.body.shown())),
        }
    }

    fn expires_before(&self, span: Duration) -> Option<String> {
        let Some(end) = self.valid_until else {
            return Some("there is no certificate: TLS was not spoken from here".to_owned());
        };
        let wanted = self.now.saturating_add(span).unwrap_or(Timestamp::MAX);
        (end < wanted).then(|| {
            format!(
                "the certificate ends at {end}, expected at least {} from now",
                human_duration(span)
            )
        })
    }

    fn result(self) -> StepResult {
        let mut headers = Map::new();
        for (name, value) in self.headers {
            headers.entry(name).or_insert(Value::String(value));
        }
        StepResult::default()
            .with("status", self.status)
            .with("headers", headers)
            .with_text("body", self.body, HELP)
            .with("took", format!("{}ms", self.took.as_millis()))
    }
}

/// Whom to ask, for what path, and how that is called in messages.
fn destination(
    http: &Http,
    context: &StepContext<'_>,
) -> Result<(HttpTarget, String, Vec<Resolve>, String), StepFailure> {
    let scope = context.scope();
    match &http.to {
        HttpDestination::Url { url, resolve } => {
            let url = url.render_text(&scope)?;
            let resolve = resolve
                .as_ref()
                .map(|resolve| resolved(&url, &resolve.render_text(&scope)?))
                .transpose()?;
            Ok((
                HttpTarget::Url(url.clone()),
                String::new(),
                resolve.into_iter().collect(),
                url,
            ))
        }
        HttpDestination::Service {
            service,
            port,
            namespace,
            path,
            scheme,
            via,
        } => {
            let namespace = context.needed_namespace(namespace.as_ref(), "a service")?;
            let service = service.render_text(&scope)?;
            let port = match port.render(&scope)? {
                Value::String(name) => name,
                value => value.to_string(),
            };
            let path = render_path(path, &scope)?;
            let scheme = match scheme.as_str() {
                "https" => Scheme::Https,
                _ => Scheme::Http,
            };
            let shown = format!("service/{service}:{port}{path}");
            let target = match via {
                HttpWay::Proxy => HttpTarget::ServiceProxy {
                    namespace,
                    service,
                    port,
                    scheme,
                },
                HttpWay::PortForward => HttpTarget::ServiceForward {
                    namespace,
                    service,
                    port,
                    scheme,
                },
            };
            Ok((target, path, Vec::new(), shown))
        }
    }
}

/// Where to go instead of what the URL's host resolves to: an address, or `HOST:PORT:ADDRESS`.
fn resolved(url: &str, text: &str) -> Result<Resolve, StepFailure> {
    let wrong = |error: &dyn std::fmt::Display| StepFailure::errored(format!("resolve: {error}"));
    if text.parse::<std::net::IpAddr>().is_err() {
        return text.parse().map_err(|error| wrong(&error));
    }
    let uri: http::Uri = url.parse().map_err(|error| wrong(&error))?;
    let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    });
    let host = uri.host().unwrap_or_default();
    let address = if text.contains(':') {
        format!("[{text}]")
    } else {
        text.to_owned()
    };
    format!("{host}:{port}:{address}")
        .parse()
        .map_err(|error| wrong(&error))
}

fn render_path(path: &Template, scope: &Scope) -> Result<String, StepFailure> {
    let path = path.render_text(scope)?;
    Ok(match path.starts_with('/') {
        true => path,
        false => format!("/{path}"),
    })
}

/// Whether the API server says that a service, its port or its pods are not there: it may not have
/// heard of them.
fn is_about_the_service(error: &HttpError) -> bool {
    match error {
        HttpError::NotReached { cause } => {
            ["not found", "no endpoints available", "no service port"]
                .iter()
                .any(|words| cause.contains(words))
        }
        _ => false,
    }
}

/// The service that is asked.
fn is_service(target: &HttpTarget) -> impl Fn(&ObjectKey) -> bool {
    let service = match target {
        HttpTarget::ServiceProxy {
            namespace, service, ..
        }
        | HttpTarget::ServiceForward {
            namespace, service, ..
        } => Some((namespace.clone(), service.clone())),
        HttpTarget::PodForward { .. } | HttpTarget::Url(_) => None,
    };
    move |key| {
        service.as_ref().is_some_and(|(namespace, name)| {
            key.resource.kind == "Service"
                && key.namespace.as_ref() == Some(namespace)
                && key.name == *name
        })
    }
}

/// A target that does not listen, or not in time, has answered as well as a bad status has.
fn explain(error: &HttpError, what: &str, deadline: &Deadline) -> StepFailure {
    let message = match error {
        HttpError::TimedOut { .. } => format!("{what}: no answer {}", deadline.describe()),
        error => format!("{what}: {error}"),
    };
    match error.is_environment() {
        true => StepFailure::errored(message),
        false => StepFailure::failed(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
            body: body.into(),
            took: Duration::from_millis(3),
            valid_until: None,
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    fn message(answer: Answer, expect: &HttpExpectation) -> Result<StepResult, String> {
        let scope = crate::template::scope_value(&json!({}));
        let judge = BodyJudge::new(expect, &scope).unwrap();
        answer
            .judge(expect, &judge, "GET /", &scope)
            .map_err(|failure| failure.why.message)
    }

    #[test]
    fn a_status_is_below_400_unless_said() {
        let expect = HttpExpectation::default();
        assert!(message(answer(302, ""), &expect).is_ok());
        assert_eq!(
            message(answer(503, ""), &expect),
            Err("GET /: status 503, expected below 400".to_owned())
        );
        let expect = HttpExpectation {
            status: vec![404, 410],
            ..HttpExpectation::default()
        };
        assert!(message(answer(404, ""), &expect).is_ok());
        assert_eq!(
            message(answer(200, ""), &expect),
            Err("GET /: status 200, expected 404 or 410".to_owned())
        );
    }

    #[test]
    fn a_certificate_that_nobody_saw_is_told() {
        let expect = HttpExpectation {
            valid_for: Some(Duration::from_secs(60)),
            ..HttpExpectation::default()
        };
        let error = message(answer(200, ""), &expect).unwrap_err();
        assert!(error.contains("no certificate"), "{error}");
    }

    #[test]
    fn a_certificate_is_as_old_as_the_clusters_clock_says() {
        let valid = |until: &str, seconds| {
            let expect = HttpExpectation {
                valid_for: Some(Duration::from_secs(seconds)),
                ..HttpExpectation::default()
            };
            let answer = Answer {
                valid_until: Some(until.parse().unwrap()),
                ..answer(200, "")
            };
            message(answer, &expect).is_ok()
        };
        assert!(valid("2026-01-01T00:02:00Z", 60));
        assert!(!valid("2026-01-01T00:00:30Z", 60));
        // beyond all time
        assert!(!valid("2026-01-01T00:02:00Z", 9_999_999 * 86_400));
    }
}
