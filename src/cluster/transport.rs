//! Sends one request to the API server and brings back the answer: with its time-out, its retries
//! (`retry` decides), its status code and its `Warning` headers.
//!
//! Everything but watches and exec goes through here.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use kube::client::Body;
use serde_json::Value;
use tokio::time::Instant;

use super::attempts::{Attempts, Next, Trouble};
use super::cause::Cause;
use super::clock::Clock;
use super::connector::AnyAnswer;
use super::error::ClusterError;
use super::foreign::{is_login_refused, says_unserved};
use super::retry::{Repeat, Setback};
use super::route::Route;

/// A request that can be sent more than once.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    path: String,
    accept: &'static str,
    content: Option<(&'static str, Vec<u8>)>,
    repeat: Repeat,
    answers: Answers,
    largest: usize,
}

/// Which answers count as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// Those with a status below 400.
    Good,
    /// All, but for those about who asks (401) and how often (429): the status is what is asked for.
    Any,
}

/// An answer with a status below 400.
#[derive(Debug)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) code: u16,
    /// What the server wants the user to read.
    pub(super) warnings: Vec<String>,
    /// How often the request was sent, 1-based.
    pub(super) attempts: u32,
    /// All headers of the answer.
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    what: String,
}

/// An answer with a status below 400 whose body is still to come.
pub(super) struct Opened {
    pub(super) body: Body,
}

impl Call {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            accept: "application/json",
            content: None,
            repeat: Repeat::Safe,
            answers: Answers::Good,
            largest: usize::MAX,
        }
    }

    pub(super) fn new(method: Method, path: impl Into<String>, repeat: Repeat) -> Self {
        Self {
            method,
            repeat,
            ..Self::get(path)
        }
    }

    pub(super) fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    /// Takes an answer with a bad status for an answer too.
    pub(super) fn any_status(mut self) -> Self {
        self.answers = Answers::Any;
        self
    }

    /// Takes an answer of no more than so many bytes.
    pub(super) fn at_most(mut self, bytes: usize) -> Self {
        self.largest = bytes;
        self
    }

    pub(super) fn json(self, body: &Value) -> Self {
        self.content("application/json", body)
    }

    pub(super) fn content(mut self, media_type: &'static str, body: &Value) -> Self {
        self.content = Some((media_type, body.to_string().into_bytes()));
        self
    }

    /// `GET /api/v1/nodes`, without the query.
    fn what(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("the request {} {path}", self.method)
    }

    fn request(&self) -> Result<Request<Body>, http::Error> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::ACCEPT, self.accept);
        if self.answers == Answers::Any {
            request = request.extension(AnyAnswer);
        }
        let body = match &self.content {
            Some((media_type, body)) => {
                request = request.header(header::CONTENT_TYPE, *media_type);
                Body::from(body.clone())
            }
            None => Body::empty(),
        };
        request.body(body)
    }
}

impl Reply {
    /// The server's clock when it answered, without parts of a second.
    pub(super) fn date(&self) -> Option<Timestamp> {
        date(&self.headers)
    }

    pub(super) fn json(self) -> Result<Value, ClusterError> {
        serde_json::from_slice(&self.body)
            .map_err(|_| ClusterError::unreadable(&self.what, &self.body))
    }
}

/// A request that came to nothing.
#[derive(Debug)]
pub(super) struct Failed {
    /// For the caller.
    pub(super) error: ClusterError,
    /// What happened to the connection; none where the server answered or the time was over.
    pub(super) cause: Option<Cause>,
    /// How often the request was sent, 1-based.
    pub(super) attempts: u32,
    setback: Setback,
}

impl Failed {
    fn hopeless(error: ClusterError) -> Self {
        Self {
            error,
            cause: None,
            attempts: 1,
            setback: Setback::Hopeless,
        }
    }

    fn timed_out(error: ClusterError) -> Self {
        Self {
            setback: Setback::TimedOut,
            ..Self::hopeless(error)
        }
    }
}

/// The way to one API server.
#[derive(Clone)]
pub(super) struct Transport {
    pub(super) client: kube::Client,
    /// How long one attempt of one request may take.
    pub(super) request_timeout: Duration,
    /// How long after it was sent first a request is sent again.
    pub(super) patience: Duration,
    /// How long one watch request lasts.
    pub(super) watch_time: Duration,
    /// Shared by all identities.
    pub(super) trouble: Arc<Trouble>,
    /// The server's, from its answers; shared likewise.
    pub(super) clock: Arc<Clock>,
}

impl Transport {
    /// Of something that is about to be sent for the first time.
    pub(super) fn attempts(&self) -> Attempts {
        Attempts::new(self.patience, &self.trouble)
    }

    /// Sends it, again where that is safe and may help.
    pub(super) async fn send(&self, call: &Call) -> Result<Reply, ClusterError> {
        self.send_explained(call)
            .await
            .map_err(|failed| failed.error)
    }

    /// As [`Transport::send`], with what is known about a connection that failed.
    pub(super) async fn send_explained(&self, call: &Call) -> Result<Reply, Failed> {
        let mut attempts = self.attempts();
        loop {
            match self.send_once(call).await {
                Ok(mut reply) => {
                    self.trouble.set(None);
                    reply.attempts = attempts.number();
                    return Ok(reply);
                }
                Err(failed) => again(&mut attempts, call, failed).await?,
            }
        }
    }

    /// Sends it, and gives the body of the answer to the caller, who bounds its time and size.
    pub(super) async fn open(&self, call: &Call) -> Result<Opened, ClusterError> {
        let mut attempts = self.attempts();
        loop {
            match self.open_once(call).await {
                Ok(opened) => {
                    self.trouble.set(None);
                    return Ok(opened);
                }
                Err(failed) => {
                    let pause = again(&mut attempts, call, failed);
                    pause.await.map_err(|failed| failed.error)?;
                }
            }
        }
    }

    /// Sends it once, for a caller that tries again itself.
    pub(super) async fn send_once(&self, call: &Call) -> Result<Reply, Failed> {
        let request = written(call).map_err(Failed::hopeless)?;
        let sent = Instant::now();
        let exchange = async {
            let response = self.client.send(request).await?;
            let (parts, body) = response.into_parts();
            self.clock.learn(&call.path, date(&parts.headers), sent);
            let body = collected(body, call).await?;
            Ok(body.map(|body| (parts, body)))
        };
        let (parts, body) = self.in_time(call, exchange).await??;
        let code = parts.status.as_u16();
        let is_answer = match call.answers {
            Answers::Good => code < 400,
            // who answers behind the proxy may let in others
            Answers::Any if code == 401 => {
                Route::of(&call.path) == Route::Proxied && !is_login_refused(&body)
            }
            Answers::Any => code != 429,
        };
        if !is_answer {
            let failed = bad_answer(code, &parts.headers, &body);
            return Err(self.in_doubt(call, failed, &body).await);
        }
        Ok(Reply {
            code,
            warnings: warnings(&parts.headers),
            attempts: 1,
            headers: parts.headers,
            body,
            what: call.what(),
        })
    }

    async fn open_once(&self, call: &Call) -> Result<Opened, Failed> {
        let request = written(call).map_err(Failed::hopeless)?;
        let exchange = async {
            let response = self.client.send(request).await?;
            if response.status().as_u16() < 400 {
                return Ok(Ok(response.into_body()));
            }
            let (parts, body) = response.into_parts();
            let body = body.collect_bytes().await?;
            let failed = bad_answer(parts.status.as_u16(), &parts.headers, &body);
            Ok(Err((failed, body)))
        };
        match self.in_time(call, exchange).await? {
            Ok(body) => Ok(Opened { body }),
            Err((failed, body)) => Err(self.in_doubt(call, failed, &body).await),
        }
    }

    /// That nobody serves a path is no answer where discovery has the kind: servers that have just
    /// been started say so, and others on the way.
    fn in_doubt<'a>(
        &'a self,
        call: &'a Call,
        failed: Failed,
        body: &'a [u8],
    ) -> BoxFuture<'a, Failed> {
        async move {
            let code = failed.error.code().unwrap_or_default();
            let Route::Kind { version, plural } = Route::of(&call.path) else {
                return failed;
            };
            if !says_unserved(code, body) {
                return failed;
            }
            let list = match self.send_once(&Call::get(&version)).await {
                Ok(reply) => reply.json().map_err(Failed::hopeless),
                Err(unserved) if unserved.error.is_not_found() => return failed,
                Err(unknown) => Err(unknown),
            };
            let list = match list {
                Ok(list) => list,
                Err(unknown) => return unknown,
            };
            let Some(kinds) = list["resources"].as_array() else {
                let cause = format!("what it sent for the request GET {version} is no list");
                return Failed::hopeless(ClusterError::Unavailable { cause });
            };
            if !kinds.iter().any(|kind| kind["name"] == plural.as_str()) {
                return failed;
            }
            let cause = format!("it answered \"404 page not found\", and {version} has {plural}");
            Failed {
                error: ClusterError::Failing {
                    cause: cause.clone(),
                },
                cause: None,
                attempts: 1,
                setback: Setback::Answer {
                    code: 503,
                    retry_after: None,
                    message: cause,
                },
            }
        }
        .boxed()
    }

    async fn in_time<T>(
        &self,
        call: &Call,
        exchange: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Failed> {
        match tokio::time::timeout(self.request_timeout, exchange).await {
            Err(_elapsed) => Err(Failed::timed_out(ClusterError::TimedOut {
                what: call.what(),
                after: self.request_timeout,
            })),
            Ok(Err(error)) => Err(no_answer(&error)),
            Ok(Ok(answer)) => Ok(answer),
        }
    }
}

/// Waits until the call may be sent again; gives the failure back where it may not.
async fn again(attempts: &mut Attempts, call: &Call, mut failed: Failed) -> Result<(), Failed> {
    let what = || call.what();
    let waiting = attempts.wait(call.repeat, &failed.setback, &failed.error, what);
    match waiting.await {
        Next::Again => Ok(()),
        Next::Not => {
            failed.attempts = attempts.number();
            Err(failed)
        }
    }
}

fn written(call: &Call) -> Result<Request<Body>, ClusterError> {
    call.request().map_err(|error| ClusterError::Unavailable {
        cause: format!("{} cannot be written: {error}", call.what()),
    })
}

/// The whole body of the answer to a call, unless that is larger than it may be.
async fn collected(body: Body, call: &Call) -> Result<Result<Vec<u8>, Failed>, kube::Error> {
    let error = match Limited::new(body, call.largest).collect().await {
        Ok(body) => return Ok(Ok(body.to_bytes().to_vec())),
        Err(error) => error,
    };
    match error.downcast() {
        Ok(error) => Err(*error),
        Err(_length) => Ok(Err(Failed::hopeless(ClusterError::Unavailable {
            cause: format!(
                "what it sent for {} is larger than {}",
                call.what(),
                size(call.largest)
            ),
        }))),
    }
}

/// `64 MiB`; in bytes where that is no whole number.
fn size(bytes: usize) -> String {
    const MIB: usize = 1 << 20;
    match bytes % MIB {
        0 => format!("{} MiB", bytes / MIB),
        _ => format!("{bytes} bytes"),
    }
}

fn bad_answer(code: u16, headers: &HeaderMap, body: &[u8]) -> Failed {
    let error = ClusterError::from_answer(code, body);
    let setback = Setback::Answer {
        code,
        retry_after: retry_after(headers),
        message: error.to_string(),
    };
    Failed {
        error,
        cause: None,
        attempts: 1,
        setback,
    }
}

/// What an error of the library means for the retry, and for the user.
fn no_answer(error: &kube::Error) -> Failed {
    let cause = Cause::of(error);
    let setback = setback(&cause);
    let words = match &cause {
        Cause::Credentials(words) => format!("no credentials: {words}"),
        cause => cause.to_string(),
    };
    let error = match &cause {
        Cause::Foreign(foreign) if foreign.is_passed_on() => ClusterError::Failing { cause: words },
        _ => ClusterError::Unavailable { cause: words },
    };
    Failed {
        error,
        cause: Some(cause),
        attempts: 1,
        setback,
    }
}

/// What a failed connection means for the retry.
pub(super) fn setback(cause: &Cause) -> Setback {
    match cause {
        Cause::Refused | Cause::ConnectTimeout | Cause::Dns(_) | Cause::Unreachable(_) => {
            Setback::NotSent
        }
        Cause::Broken(_) => Setback::Broken,
        Cause::Answer { code, message } => Setback::Answer {
            code: *code,
            retry_after: None,
            message: message.clone(),
        },
        Cause::Foreign(foreign) => Setback::Answer {
            // a gateway that does not know yet, or for a moment, where to send it
            code: match foreign.code {
                404 if !foreign.is_passed_on() => 503,
                code => code,
            },
            retry_after: None,
            message: foreign.to_string(),
        },
        Cause::Proxy(_, cause) => match setback(cause) {
            // it did not get to where anything is sent
            Setback::Broken | Setback::Hopeless if !matches!(**cause, Cause::Tls(_)) => {
                Setback::NotSent
            }
            setback => setback,
        },
        Cause::Tls(_) | Cause::Credentials(_) | Cause::Other(_) => Setback::Hopeless,
    }
}

/// The seconds form of `Retry-After`, the only one the API server uses.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    Some(Duration::from_secs(seconds.parse().ok()?))
}

/// The time in `Date`: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(date.timestamp())
}

/// The texts of the `Warning: 299 - "…"` headers.
///
/// See [warnings](https://kubernetes.io/blog/2020/09/03/warnings/).
fn warnings(headers: &HeaderMap) -> Vec<String> {
    const WARNING: HeaderName = header::WARNING;
    headers
        .get_all(WARNING)
        .iter()
        .filter_map(warning)
        .collect()
}

fn warning(value: &HeaderValue) -> Option<String> {
    let value = String::from_utf8_lossy(value.as_bytes());
    let (_, quoted) = value.split_once('"')?;
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_unquoted() {
        let mut headers = HeaderMap::new();
        for text in [
            r#"299 - "policy/v1beta1 is deprecated""#,
            r#"299 - "would violate \"restricted\"" "Mon""#,
            "299 - unquoted",
        ] {
            headers.append(header::WARNING, HeaderValue::from_static(text));
        }
        assert_eq!(
            warnings(&headers),
            [
                "policy/v1beta1 is deprecated",
                "would violate \"restricted\""
            ]
        );
    }

    #[test]
    fn retry_after_is_in_seconds() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("3"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(3)));
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("Wed, 21 Oct"));
        assert_eq!(retry_after(&headers), None);
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let read = |text: &'static str| {
            let headers = [(header::DATE, HeaderValue::from_static(text))];
            date(&headers.into_iter().collect()).map(|date| date.to_string())
        };
        let date = read("Thu, 01 Jan 2026 00:00:07 GMT");
        assert_eq!(date.as_deref(), Some("2026-01-01T00:00:07Z"));
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn sizes_are_told_in_whole_numbers() {
        assert_eq!(size(64 << 20), "64 MiB");
        assert_eq!(size(1_048_577), "1048577 bytes");
    }

    #[test]
    fn what_a_call_is_leaves_out_the_query() {
        let call = Call::get("/api/v1/pods?limit=500");
        assert_eq!(call.what(), "the request GET /api/v1/pods");
    }
}
