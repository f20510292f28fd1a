//! The HTTP client below the library's: the way to the server, through a proxy or not, TLS, and on
//! each request who one is. What comes back is the API server's answer, or an error that says whose
//! it was.
//!
//! The library could make one by itself. It runs a credential plugin three times for it, of which
//! nobody can end one that hangs, and takes what it reads for the truth.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::rt::{Read, Write};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt as _};
use rustls::ClientConfig;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer as _, Service, ServiceExt as _};

use super::audit::{AUDIT_ID, AuditIds, EarlyId};
use super::credentials::Credentials;
use super::foreign::{Foreign, Sign, foreign, is_for_people, is_login_refused, is_suspect};
use super::issuer::Proof;
use super::proxy;
use super::route::Route;
use super::trust::Trust;

/// How long it may take until a connection stands where nothing else is said.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How much is read of an answer that the API server passes on, to know whose it is.
const PEEKED: usize = 16 * 1024;

/// A body that is still to come, or of which some was read to know whose it is.
type Answer = UnsyncBoxBody<Bytes, hyper::Error>;
/// One pool of connections.
type Pool = BoxCloneSyncService<Request<Body>, Response<Incoming>, BoxError>;
/// Makes a pool without connections.
type NewPool = Box<dyn Fn() -> Pool + Send + Sync>;

/// Makes the client. Sends nothing.
///
/// Of `config`, only a certificate and the one provider of tokens that the library knows may be
/// left in who the user is: all else is in `credentials`. `given` are the certificates that the server's is
/// judged by; those of the system where there are none. `audit_ids` knows the server's version once
/// the caller has it.
pub(super) fn client(
    config: &kube::Config,
    given: Vec<CertificateDer<'static>>,
    credentials: Arc<Credentials>,
    audit_ids: Arc<AuditIds>,
) -> Result<kube::Client, kube::Error> {
    let mut tls = config.rustls_client_config()?;
    let provider = Arc::clone(tls.crypto_provider());
    if !config.accept_invalid_certs
        && let Some(trust) = Trust::of(given, &provider)
    {
        tls.dangerous().set_certificate_verifier(Arc::new(trust));
    }
    let certificate = Arc::new(Current(Mutex::default()));
    if credentials.may_have_certificate() {
        certificate.fallback(Arc::clone(&tls.client_auth_cert_resolver));
        tls.client_auth_cert_resolver = Arc::clone(&certificate) as Arc<dyn ResolvesClientCert>;
        // a session that is resumed is the one of the certificate before
        tls.resumption = Resumption::disabled();
    }
    let way = Arc::new(Way {
        credentials,
        certificate,
        new_pool: new_pool(config, tls)?,
        pool: Mutex::default(),
        base: config.cluster_url.path().trim_end_matches('/').to_owned(),
        audit_ids,
    });
    let service = tower::service_fn(move |request| Arc::clone(&way).send(request).boxed());
    let service = config.base_uri_layer().layer(service);
    let namespace = config.default_namespace.clone();
    Ok(match config.auth_info.auth_provider.is_some() {
        true => match config.auth_layer()? {
            Some(layer) => kube::Client::new(layer.layer(service), namespace),
            None => kube::Client::new(service, namespace),
        },
        false => kube::Client::new(service, namespace),
    })
}

fn new_pool(config: &kube::Config, tls: ClientConfig) -> Result<NewPool, kube::Error> {
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    let timeout = config.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
    let Some(proxy) = &config.proxy_url else {
        return pool_over(plain, tls, config, timeout);
    };
    let shown: Arc<str> = proxy::shown(proxy).into();
    // as long again for what comes behind the proxy
    let whole = timeout * 2;
    match proxy.scheme_str() {
        Some("socks5") => {
            let mut socks = SocksV5::new(proxy.clone(), plain);
            if let Some((user, password)) = proxy::user_of(proxy) {
                socks = socks.with_auth(user, password);
            }
            pool_over(Dial::by(shown, socks, timeout), tls, config, whole)
        }
        Some("https") => {
            let connector = config.rustls_https_connector_with_connector(plain)?;
            let tunnel = authorized(Tunnel::new(proxy.clone(), connector), proxy);
            pool_over(Dial::by(shown, tunnel, timeout), tls, config, whole)
        }
        _ => {
            let tunnel = authorized(Tunnel::new(proxy.clone(), plain), proxy);
            pool_over(Dial::by(shown, tunnel, timeout), tls, config, whole)
        }
    }
}

fn authorized<C>(tunnel: Tunnel<C>, proxy: &Uri) -> Tunnel<C> {
    match proxy::authorization_of(proxy) {
        Some(header) => tunnel.with_auth(header),
        None => tunnel,
    }
}

fn pool_over<C>(
    connector: C,
    tls: ClientConfig,
    config: &kube::Config,
    timeout: Duration,
) -> Result<NewPool, kube::Error>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + Read + Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = ServerName::try_from(name.clone())
            .map_err(|error| kube::Error::Service(Box::new(error)))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let connector: HttpsConnector<C> = builder.enable_http1().wrap_connector(connector);
    let connector = Dial {
        inner: connector,
        timeout,
        proxy: None,
    };
    Ok(Box::new(move || {
        let client = legacy::Client::builder(TokioExecutor::new()).build(connector.clone());
        BoxCloneSyncService::new(client.map_err(BoxError::from))
    }))
}

/// A connector whose connections stand within a time. Errors of a proxy name it.
#[derive(Clone)]
struct Dial<C> {
    inner: C,
    timeout: Duration,
    proxy: Option<Arc<str>>,
}

impl<C> Dial<C> {
    fn by(proxy: Arc<str>, inner: C, timeout: Duration) -> Self {
        Self {
            inner,
            timeout,
            proxy: Some(proxy),
        }
    }
}

impl<C> Service<Uri> for Dial<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<C::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, place: Uri) -> Self::Future {
        let dialling = tokio::time::timeout(self.timeout, self.inner.call(place));
        let proxy = self.proxy.clone();
        async move {
            let error: BoxError = match dialling.await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => error.into(),
                Err(_elapsed) => Box::new(io::Error::from(io::ErrorKind::TimedOut)),
            };
            Err(match proxy {
                Some(proxy) => Box::new(ProxyError {
                    proxy: proxy.to_string(),
                    cause: error,
                }),
                None => error,
            })
        }
        .boxed()
    }
}

/// What goes wrong on the way to a proxy, or at it.
#[derive(Debug)]
pub(super) struct ProxyError {
    /// Its URL, without a password.
    pub(super) proxy: String,
    pub(super) cause: BoxError,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {}: {}", self.proxy, self.cause)
    }
}

impl Error for ProxyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

/// All that a request takes on its way.
struct Way {
    credentials: Arc<Credentials>,
    certificate: Arc<Current>,
    new_pool: NewPool,
    /// Of the proof with this number, where proofs hold certificates.
    pool: Mutex<Option<(u64, Pool)>>,
    /// What the paths of requests begin with, where the API server is not at the root.
    base: String,
    audit_ids: Arc<AuditIds>,
}

impl Way {
    async fn send(self: Arc<Self>, request: Request<Body>) -> Result<Response<Answer>, BoxError> {
        let (parts, body) = request.into_parts();
        // at hand already: what is sent is always whole
        let body = body.collect_bytes().await?;
        let asked = self.asked(&parts);
        let mut is_second = false;
        loop {
            let proof = self.credentials.current().await?;
            let mut request = Request::from_parts(parts.clone(), Body::from(body.clone()));
            let headers = request.headers_mut();
            if let Some(header) = &proof.header
                && !headers.contains_key(header::AUTHORIZATION)
            {
                headers.insert(header::AUTHORIZATION, header.clone());
            }
            let early = EarlyId::default();
            if matches!(asked, Asked::Proxied) {
                early.expect(&mut request);
            }
            let begun = Instant::now();
            let mut response = self.pool_for(&proof).oneshot(request).await?;
            early.put_back(response.headers_mut());
            tracing::trace!(
                status = response.status().as_u16(),
                took = ?begun.elapsed(),
                "{} {}", parts.method, parts.uri
            );
            let lacks_id = self.lacks_id(response.headers());
            let (response, is_refused) = told_apart(&asked, lacks_id, response).await;
            if !is_refused {
                proof.accepted();
            } else if !is_second && self.credentials.was_refused(&proof).await {
                // what is passed on may have reached somebody, whatever the answer says
                let may_repeat = !asked.is_passed_on() || parts.method.is_safe();
                if may_repeat {
                    is_second = true;
                    continue;
                }
            }
            return self.judged(&asked, response).await;
        }
    }

    fn asked(&self, request: &http::request::Parts) -> Asked {
        let path = request.uri.path();
        // what refuses an upgrade may be the node's own web server
        if request.headers.contains_key(header::UPGRADE) {
            return Asked::Upgrade;
        }
        match Route::of(path.strip_prefix(self.base.as_str()).unwrap_or(path)) {
            Route::Proxied => Asked::Proxied,
            _ if request.extensions.get::<AnyAnswer>().is_some() => Asked::Any,
            route => Asked::Own(route),
        }
    }

    /// Whether an answer has no id, where all that come through the API server have one.
    fn lacks_id(&self, headers: &http::HeaderMap) -> bool {
        self.audit_ids.are_on_all() && !headers.contains_key(AUDIT_ID)
    }

    /// The answer, unless it is somebody else's.
    async fn judged(
        &self,
        asked: &Asked,
        response: Response<Answer>,
    ) -> Result<Response<Answer>, BoxError> {
        let (parts, mut body) = response.into_parts();
        let code = parts.status.as_u16();
        let has_id = parts.headers.contains_key(AUDIT_ID);
        // an id on what is passed on may be another's
        if has_id && !asked.is_passed_on() {
            self.audit_ids.one_came();
        }
        let is_past = self.lacks_id(&parts.headers)
            && match asked {
                // these may be any text
                Asked::Proxied => true,
                Asked::Own(Route::Log) => code < 300,
                // distributions have paths of their own beside the API server's
                Asked::Any => is_for_people(code, &parts.headers),
                Asked::Own(_) | Asked::Upgrade => false,
            };
        if is_past {
            let (beginning, _) = beginning(&mut body).await;
            let foreign = Foreign::of(code, &parts.headers, &beginning, Sign::NoAuditId);
            return Err(Box::new(foreign));
        }
        let Asked::Own(route) = asked else {
            return Ok(Response::from_parts(parts, body));
        };
        if !is_suspect(code, &parts.headers) {
            return Ok(Response::from_parts(parts, body));
        }
        let body = body.collect().await?.to_bytes();
        // of an older server, only what is known to be answered so
        let may_be_unserved =
            has_id || (!self.audit_ids.are_on_all() && *route == Route::Discovery);
        let sign = match has_id {
            true => Sign::NoStatus,
            false => Sign::Words,
        };
        match foreign(code, &parts.headers, &body, may_be_unserved, sign) {
            Some(foreign) => Err(Box::new(foreign)),
            None => {
                let body = Full::new(body).map_err(|never| match never {});
                Ok(Response::from_parts(parts, body.boxed_unsync()))
            }
        }
    }

    /// Sessions last, and the server sees in each the certificate that it was made with: so a new
    /// certificate takes new ones.
    fn pool_for(&self, proof: &Proof) -> Pool {
        let number = proof.certificate.as_ref().map_or(0, |_| proof.number);
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        match &*pool {
            Some((known, pool)) if *known == number => pool.clone(),
            _ => {
                self.certificate.set(proof.certificate.clone());
                let new = (self.new_pool)();
                *pool = Some((number, new.clone()));
                new
            }
        }
    }
}

/// Whoever asks for any answer takes also what the API server never says of an object.
#[derive(Clone, Copy)]
pub(super) struct AnyAnswer;

/// Who may answer a request.
enum Asked {
    /// The API server alone.
    Own(Route),
    /// The API server, with whatever it has at a path.
    Any,
    /// Somebody behind the API server's proxy.
    Proxied,
    /// Somebody behind the API server, who may not upgrade the connection.
    Upgrade,
}

impl Asked {
    fn is_passed_on(&self) -> bool {
        match self {
            Self::Proxied | Self::Upgrade => true,
            Self::Own(_) | Self::Any => false,
        }
    }
}

/// Tells whether the API server, or a gateway before it, refused the credentials, and not somebody
/// behind it some others. A node that refuses the API server's, as old ones pass it on, has no id
/// either, and costs new credentials that nobody needed: it has run nothing.
async fn told_apart(
    asked: &Asked,
    lacks_id: bool,
    response: Response<Incoming>,
) -> (Response<Answer>, bool) {
    let is_refused = response.status() == StatusCode::UNAUTHORIZED;
    if !is_refused || !asked.is_passed_on() || lacks_id {
        return (response.map(|body| body.boxed_unsync()), is_refused);
    }
    let (parts, mut body) = response.into_parts();
    let (beginning, rest) = beginning(&mut body).await;
    // another API server behind this one gives an id of its own
    let is_from_one = parts.headers.get_all(AUDIT_ID).iter().count() < 2;
    let is_refused = matches!(rest, Rest::None) && is_from_one && is_login_refused(&beginning);
    let first = stream::iter([Ok(Frame::data(Bytes::from(beginning)))]);
    let rest = match rest {
        Rest::Broken(error) => stream::iter([Err(error)]).left_stream(),
        Rest::None | Rest::More => BodyStream::new(body).right_stream(),
    };
    let whole = StreamBody::new(first.chain(rest)).boxed_unsync();
    (Response::from_parts(parts, whole), is_refused)
}

/// What comes after the beginning of a body.
enum Rest {
    None,
    More,
    Broken(hyper::Error),
}

/// The beginning of a body, as much as tells whose it is.
async fn beginning(
    body: &mut (impl hyper::body::Body<Data = Bytes, Error = hyper::Error> + Unpin),
) -> (Vec<u8>, Rest) {
    let mut bytes = Vec::new();
    while bytes.len() <= PEEKED {
        match body.frame().await {
            None => return (bytes, Rest::None),
            Some(Err(error)) => return (bytes, Rest::Broken(error)),
            Some(Ok(frame)) => bytes.extend(frame.into_data().unwrap_or_default()),
        }
    }
    (bytes, Rest::More)
}

/// The certificate to show in the next session: a plugin's, or else the kubeconfig's.
#[derive(Debug)]
struct Current(Mutex<Certificates>);

#[derive(Debug, Default)]
struct Certificates {
    of_plugin: Option<Arc<CertifiedKey>>,
    of_kubeconfig: Option<Arc<dyn ResolvesClientCert>>,
}

impl Current {
    fn fallback(&self, resolver: Arc<dyn ResolvesClientCert>) {
        self.lock().of_kubeconfig = Some(resolver);
    }

    fn set(&self, certificate: Option<Arc<CertifiedKey>>) {
        self.lock().of_plugin = certificate;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Certificates> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesClientCert for Current {
    fn resolve(
        &self,
        hints: &[&[u8]],
        schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let certificates = self.lock();
        let own = certificates.of_plugin.clone();
        own.or_else(|| certificates.of_kubeconfig.as_ref()?.resolve(hints, schemes))
    }

    fn has_certs(&self) -> bool {
        let certificates = self.lock();
        let other = certificates.of_kubeconfig.as_ref();
        certificates.of_plugin.is_some() || other.is_some_and(|other| other.has_certs())
    }
}
