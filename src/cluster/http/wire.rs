//! One HTTP/1.1 request over a connection that stands already, whatever carries it.

use std::io;

use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::cause::without_number;
use super::super::read::pairs;
use super::model::{HttpError, HttpRequest};
use crate::output::Text;

/// The part of an answer that comes over the wire.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Text,
}

/// Writes the head: `uri` as it goes over the wire, `host` unless the request has its own.
pub(super) fn head(
    request: &HttpRequest,
    uri: &str,
    host: Option<&str>,
) -> Result<http::request::Builder, HttpError> {
    let invalid = |problem: String| HttpError::Invalid { problem };
    if !uri.starts_with('/') {
        return Err(invalid(format!("the path {uri:?} does not begin with /")));
    }
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| invalid(format!("{:?} is no method", request.method)))?;
    if method == Method::CONNECT {
        return Err(invalid("CONNECT is for proxies".to_owned()));
    }
    let mut builder = Request::builder().method(method).uri(uri);
    let headers = builder
        .headers_mut()
        .ok_or_else(|| invalid(format!("the path {uri:?} cannot be sent")))?;
    for (name, value) in &request.headers {
        let name: HeaderName = name
            .parse()
            .map_err(|_| invalid(format!("{name:?} is no name of a header")))?;
        // The value may be a secret, so it is not told.
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| invalid(format!("no header can have the value of {name}")))?;
        headers.append(name, value);
    }
    if let Some(host) = host
        && !headers.contains_key(header::HOST)
    {
        let host = HeaderValue::from_str(host).map_err(|_| invalid("its host".to_owned()))?;
        headers.insert(header::HOST, host);
    }
    let agent = concat!("kubeproof/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [(header::USER_AGENT, agent), (header::ACCEPT, "*/*")] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    Ok(builder)
}

/// The value of the request's own `Host` header.
pub(super) fn own_host(request: &HttpRequest) -> Option<&str> {
    let mut headers = request.headers.iter();
    headers
        .find(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map(|(_, value)| value.as_str())
}

/// Sends the request and reads the answer. Adds no time-out of its own.
pub(super) async fn exchange<S>(
    stream: S,
    head: http::request::Builder,
    request: &HttpRequest,
) -> Result<Answer, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let body = Full::new(Bytes::from(request.body.clone()));
    let message = head.body(body).map_err(|error| HttpError::Invalid {
        problem: error.to_string(),
    })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    let asking = async {
        let response = sender.send_request(message).await;
        let (parts, body) = response.map_err(|error| broken(&error))?.into_parts();
        let mut output = request.intake.begin();
        read(body, |bytes| output.push(bytes), broken).await?;
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: pairs(&parts.headers),
            body: output.finish(),
        })
    };
    let mut asking = std::pin::pin!(asking);
    // The connection does the work, and the asking waits for it. What went wrong, it tells there.
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        _ended = connection => asking.await,
    }
}

/// Reads a body, piece by piece.
pub(super) async fn read<B>(
    mut body: B,
    mut keep: impl FnMut(&[u8]),
    explain: impl Fn(&B::Error) -> HttpError,
) -> Result<(), HttpError>
where
    B: Body<Data = Bytes> + Unpin,
{
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame.map_err(|error| explain(&error))?.into_data() {
            keep(&bytes);
        }
    }
    Ok(())
}

fn broken(error: &hyper::Error) -> HttpError {
    let cause = if error.is_parse() {
        "what answers does not speak HTTP/1".to_owned()
    } else if error.is_incomplete_message() || error.is_canceled() {
        "it was closed before the answer was whole".to_owned()
    } else {
        let mut words = error.to_string();
        let mut source = std::error::Error::source(error);
        // The innermost error says what happened; the others, to whom.
        while let Some(inner) = source {
            words = inner.to_string();
            source = match inner.downcast_ref::<io::Error>() {
                Some(io) => io.get_ref().map(|inner| inner as &dyn std::error::Error),
                None => inner.source(),
            };
        }
        without_number(&words)
    };
    HttpError::Broken { cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&str, &str)]) -> HttpRequest {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        HttpRequest {
            headers: headers.iter().map(own).collect(),
            ..HttpRequest::default()
        }
    }

    #[test]
    fn own_headers_come_first() {
        let request = with(&[("host", "b"), ("User-Agent", "x"), ("a", "1"), ("a", "2")]);
        let head = head(&request, "/p?q", Some("a")).unwrap();
        let headers = head.headers_ref().unwrap();
        assert_eq!(headers["host"], "b");
        assert_eq!(headers["user-agent"], "x");
        assert_eq!(headers["accept"], "*/*");
        assert_eq!(headers.get_all("a").iter().count(), 2);
        assert_eq!(own_host(&request), Some("b"));
    }

    #[test]
    fn what_cannot_be_sent_is_told_without_values() {
        let problem = |request: &HttpRequest, path: &str| {
            let error = head(request, path, None).unwrap_err();
            assert!(error.is_environment());
            error.to_string()
        };
        let plain = with(&[]);
        assert!(problem(&plain, "x").contains("does not begin with /"));
        assert!(problem(&plain, "/ä b").contains("cannot be sent"));
        assert!(problem(&with(&[("a b", "")]), "/").contains("no name of a header"));
        let secret = problem(&with(&[("token", "hunter2\n")]), "/");
        assert!(
            secret.ends_with("no header can have the value of token"),
            "{secret}"
        );
        let method = HttpRequest {
            method: "G T".to_owned(),
            ..HttpRequest::default()
        };
        assert!(problem(&method, "/").contains("is no method"));
    }
}
