//! Sends a request to its target, by whichever way leads there, within its time.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use kube::client::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::super::cause::Cause;
use super::super::client::Cluster;
use super::super::error::ClusterError;
use super::super::read::{Selection, pairs};
use super::super::resource::{ObjectKey, Resource};
use super::super::transport::Call;
use super::dial::{self, Address};
use super::endpoint;
use super::model::{HttpError, HttpReply, HttpRequest, HttpTarget, Scheme, TlsInfo};
use super::service;
use super::tls;
use super::wire::{self, Answer};
use crate::output::Intake;

/// How long the API server may take to say that it is there, after a service did not answer, or
/// not to the end.
const PROBE: Duration = Duration::from_secs(2);

/// What came of a request, before it is known how long it took.
struct Done {
    answer: Answer,
    tls: Option<TlsInfo>,
    peer: Option<String>,
}

impl Cluster {
    /// Sends a request, once, and reads the answer.
    ///
    /// Redirects are not followed. What is not from the target itself is an error: also the
    /// answers that the API server's proxy gives in place of a service that it cannot reach.
    ///
    /// # Errors
    /// [`HttpError`]; [`HttpError::is_environment`] tells whether the target could be asked at all.
    pub async fn http(
        &self,
        target: &HttpTarget,
        request: &HttpRequest,
    ) -> Result<HttpReply, HttpError> {
        let begun = Instant::now();
        let reached = AtomicBool::new(false);
        let asking = self.ask(target, request, &reached);
        match timeout(request.timeout, asking).await {
            Ok(Err(HttpError::Broken { cause }))
                if target.is_carried() && !self.is_answering().await =>
            {
                Err(HttpError::Lost { cause })
            }
            Ok(done) => {
                let Done { answer, tls, peer } = done?;
                Ok(HttpReply {
                    status: answer.status,
                    headers: answer.headers,
                    body: answer.body,
                    took: begun.elapsed(),
                    tls,
                    peer,
                })
            }
            Err(_elapsed) => {
                // The proxy does not tell how far it came: where it works, the service is slow.
                let reached = match target {
                    HttpTarget::ServiceProxy { .. } => self.is_answering().await,
                    _ => reached.load(Relaxed),
                };
                let after = request.timeout;
                Err(HttpError::TimedOut { reached, after })
            }
        }
    }

    /// Asked once: a server that was away and is back is no excuse for what was lost meanwhile.
    async fn is_answering(&self) -> bool {
        let version = Call::get("/version");
        let probe = self.transport().send_once(&version);
        matches!(timeout(PROBE, probe).await, Ok(Ok(_)))
    }

    async fn ask(
        &self,
        target: &HttpTarget,
        request: &HttpRequest,
        reached: &AtomicBool,
    ) -> Result<Done, HttpError> {
        match target {
            HttpTarget::ServiceProxy {
                namespace,
                service,
                port,
                scheme,
            } => {
                let path = service::path(namespace, service, port, *scheme, &request.path);
                self.ask_proxy(&path, service, request).await
            }
            HttpTarget::ServiceForward {
                namespace,
                service,
                port,
                scheme,
            } => {
                let endpoint = self.endpoint(namespace, service, port).await?;
                let host = format!("{service}.{namespace}.svc");
                let over = Forward {
                    namespace,
                    pod: &endpoint.pod,
                    port: endpoint.port,
                    scheme: *scheme,
                    host: &host,
                };
                self.ask_forward(&over, request, reached).await
            }
            HttpTarget::PodForward {
                namespace,
                pod,
                port,
                scheme,
            } => {
                let over = Forward {
                    namespace,
                    pod,
                    port: *port,
                    scheme: *scheme,
                    host: "localhost",
                };
                self.ask_forward(&over, request, reached).await
            }
            HttpTarget::Url(url) => {
                let address = Address::of(url)?;
                let head = wire::head(request, &address.path, Some(&address.authority))?;
                let (stream, peer) = dial::connect(&address, &request.resolve).await?;
                reached.store(true, Relaxed);
                let (answer, tls) = self
                    .speak(stream, address.scheme, &address.host, head, request)
                    .await?;
                let peer = Some(peer.to_string());
                Ok(Done { answer, tls, peer })
            }
        }
    }

    async fn ask_proxy(
        &self,
        path: &str,
        service: &str,
        request: &HttpRequest,
    ) -> Result<Done, HttpError> {
        service::check(request)?;
        if !request.path.starts_with('/') {
            let problem = format!("the path {:?} does not begin with /", request.path);
            return Err(HttpError::Invalid { problem });
        }
        let message = wire::head(request, path, None)?
            .body(Body::from(request.body.clone()))
            .map_err(|error| HttpError::Invalid {
                problem: error.to_string(),
            })?;
        let response = self.transport().client.send(message).await;
        let response = response.map_err(|error| HttpError::NotAsked {
            cause: Cause::of(&error).to_string(),
        })?;
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let mut output = request.intake.begin();
        // Whole, however little is kept: the words in it say whose answer it is.
        let mut words = Intake::keep(service::LONGEST_STATUS).begin();
        let keep = |bytes: &[u8]| {
            output.push(bytes);
            words.push(bytes);
        };
        wire::read(body, keep, |error| HttpError::Broken {
            cause: Cause::of(error).to_string(),
        })
        .await?;
        let words = words.finish();
        if let Some(error) = service::refusal(status, words.shown().as_bytes(), service) {
            return Err(error);
        }
        if service::is_from_between(status, &parts.headers) {
            return Err(HttpError::NotAsked {
                cause: format!(
                    "something on the way to the API server answered {status}, with a page in HTML"
                ),
            });
        }
        Ok(Done {
            answer: Answer {
                status,
                headers: pairs(&parts.headers),
                body: output.finish(),
            },
            tls: None,
            peer: None,
        })
    }

    async fn ask_forward(
        &self,
        over: &Forward<'_>,
        request: &HttpRequest,
        reached: &AtomicBool,
    ) -> Result<Done, HttpError> {
        let host = wire::own_host(request).unwrap_or(over.host);
        let head = wire::head(request, &request.path, Some(host))?;
        let name = without_port(host).to_owned();
        let (near, carrying) = self.forward(over.namespace, over.pod, over.port).await?;
        reached.store(true, Relaxed);
        let speaking = self.speak(near, over.scheme, &name, head, request);
        let mut speaking = std::pin::pin!(speaking);
        let spoken = tokio::select! {
            biased;
            spoken = &mut speaking => spoken,
            // All that came is in the near end by now, and may be a whole answer.
            carried = carrying => match (speaking.await, carried) {
                (Err(_), Err(error)) => Err(error),
                (spoken, _) => spoken,
            },
        };
        let (answer, tls) = spoken?;
        let peer = Some(format!("pod/{}", over.pod));
        Ok(Done { answer, tls, peer })
    }

    async fn speak<S>(
        &self,
        stream: S,
        scheme: Scheme,
        host: &str,
        head: http::request::Builder,
        request: &HttpRequest,
    ) -> Result<(Answer, Option<TlsInfo>), HttpError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match scheme {
            Scheme::Http => Ok((wire::exchange(stream, head, request).await?, None)),
            Scheme::Https => {
                let host = match wire::own_host(request) {
                    Some(host) => without_port(host),
                    None => host,
                };
                let trust = &self.inner.shared.trust;
                let (stream, info) =
                    tls::handshake(stream, host, request.ca.as_deref(), trust).await?;
                Ok((wire::exchange(stream, head, request).await?, info))
            }
        }
    }

    /// A pod behind a service, and its port.
    async fn endpoint(
        &self,
        namespace: &str,
        name: &str,
        port: &str,
    ) -> Result<endpoint::Endpoint, HttpError> {
        let key = ObjectKey::new(Resource::service(), Some(namespace), name);
        let selection = Selection {
            labels: Some(format!("kubernetes.io/service-name={name}")),
            fields: None,
        };
        let kind = Resource::endpoint_slice();
        let (service, slices) = futures::try_join!(
            self.get(&key),
            self.list_selected(&kind, Some(namespace), &selection)
        )
        .map_err(|error: ClusterError| HttpError::NotAsked {
            cause: error.to_string(),
        })?;
        let service = service.ok_or_else(|| HttpError::NotReached {
            cause: format!("services {name:?} not found"),
        })?;
        endpoint::choose(&service, &slices, port)
    }
}

/// A port of a pod, and what is spoken there.
struct Forward<'a> {
    namespace: &'a str,
    pod: &'a str,
    port: u16,
    scheme: Scheme,
    /// For the `Host` header and TLS.
    host: &'a str,
}

/// A host without its port; an IPv6 address without its brackets.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match host.rsplit_once(':') {
        Some((name, _)) if !name.contains(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_taken_off() {
        for (host, expected) in [
            ("a", "a"),
            ("a:80", "a"),
            ("[::1]:80", "::1"),
            ("[::1]", "::1"),
            ("::1", "::1"),
        ] {
            assert_eq!(without_port(host), expected);
        }
    }
}
