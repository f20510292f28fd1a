//! Connects to a cluster, and asks at once which version it is and who we are, so that whatever is
//! wrong with the way there is told before anything runs. Finding the kubeconfig is `kubeconfig`'s job.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};
use jiff::Timestamp;
use kube::config::AuthInfo;
use serde_json::{Value, json};

use super::attempts::Trouble;
use super::audit::AuditIds;
use super::cause::{Cause, TlsCause};
use super::client::{Cluster, ServerInfo};
use super::connect_error::ConnectError;
use super::connector;
use super::context::{ActAs, Selected, select};
use super::credentials::Credentials;
use super::error::{ClusterError, seconds};
use super::identity::Identity;
use super::kubeconfig::{Found, Places, find};
use super::memory::Memory;
use super::plugin::NoCredentials;
use super::proxy::ProxyEnvironment;
use super::retry::{PATIENCE, PATIENCE_TO_CONNECT, Repeat};
use super::transport::{Call, Failed, Transport};

/// Where the token of a pod's service account is.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// How long one watch request lasts; the server ends it then, and the watch goes on with another.
///
/// A connection that died without a word is noticed five seconds later, so this is short.
const WATCH_TIME: Duration = Duration::from_secs(15);

/// How to find the cluster, and how patient to be.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// `--kubeconfig`; then no other place is looked at.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; the current one by default.
    pub context: Option<String>,
    /// `--as`: the user to impersonate.
    pub impersonate_user: Option<String>,
    /// `--as-group`: the groups to impersonate, with the user.
    pub impersonate_groups: Vec<String>,
    /// How long one request may take, retries apart; 10 s by default. Watches and exec have limits of their own.
    pub request_timeout: Duration,
    /// How long it may take until a connection stands; 5 s by default.
    pub connect_timeout: Duration,
    /// Asks the server only once while connecting, for a caller that tries again itself.
    pub asks_once: bool,
    /// What connections of one run share: what can be read only once, and what credential plugins gave.
    pub memory: Memory,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            impersonate_user: None,
            impersonate_groups: Vec::new(),
            request_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            asks_once: false,
            memory: Memory::default(),
        }
    }
}

/// Chooses the cryptography for TLS in this process; does nothing when that is done.
pub fn install_crypto() {
    // The error says that there is a provider already, which is the aim.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl Cluster {
    /// Connects as kubectl would: `--kubeconfig`, else the files of `KUBECONFIG` merged, else
    /// `~/.kube/config`, else the service account of the pod.
    ///
    /// # Errors
    /// In one line for the user, without credentials; see [`ConnectError`]. All of them mean that
    /// nothing could be tested.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ConnectError> {
        install_crypto();
        let (kubeconfig, mut selected) = choose(options).await?;
        // A limit on reading would end watches and exec; each request is bounded instead.
        selected.config.read_timeout = None;
        selected.config.connect_timeout = Some(options.connect_timeout);
        let identity = selected.identity;
        if let Some(problem) = identity.as_ref().and_then(Identity::problem) {
            return Err(ConnectError::Invalid {
                kubeconfig,
                problem: problem.to_owned(),
            });
        }
        let way = Way {
            server: shown(&selected.config.cluster_url),
            kubeconfig,
            user: selected.user,
            source_name: selected.source_name,
            certificate_end: selected.certificate_end,
        };
        let credentials = Arc::new(selected.credentials);
        // A plugin that fails is told as such, and one that hangs ends with whoever connects.
        let first = credentials.first().await;
        first.map_err(|error| way.without(error))?;
        let default_namespace = selected.config.default_namespace.clone();
        let audit_ids = Arc::new(AuditIds::default());
        let client = connector::client(
            &selected.config,
            selected.given,
            credentials,
            Arc::clone(&audit_ids),
        )
        .map_err(|error| way.not_made(&error))?;
        let mut bare = Transport {
            client,
            request_timeout: options.request_timeout,
            patience: PATIENCE_TO_CONNECT,
            watch_time: WATCH_TIME,
            trouble: Arc::new(Trouble::default()),
            clock: Arc::default(),
        };
        let transport = match &identity {
            Some(identity) => bare.impersonating(identity),
            None => bare.clone(),
        };
        let version = Call::get("/version");
        let review = Call::new(Method::POST, REVIEW_PATH, Repeat::Safe).json(&review());
        let send = async |call| match options.asks_once {
            true => transport.send_once(call).await,
            false => transport.send_explained(call).await,
        };
        let (version, review) = futures::join!(send(&version), send(&review));
        let version = version.map_err(|failed| way.explain(failed))?;
        let version = version.json().map_err(|error| ConnectError::Unusable {
            server: way.server.clone(),
            cause: error.cause(),
        })?;
        let user = match review {
            Ok(reply) => reply.json().ok().and_then(|review| username(&review)),
            // Credentials that are refused here are refused everywhere.
            Err(failed) if failed.error.code() == Some(401) => return Err(way.explain(failed)),
            // Who may not even ask this is anonymous, and the refusal names them so. Servers before
            // 1.28 have no such review.
            Err(failed) => refused_user(&failed.error),
        };
        let server = ServerInfo {
            version: text(&version["gitVersion"]),
            major: number(&version["major"]),
            minor: number(&version["minor"]),
            user: user.unwrap_or_else(|| way.user.clone()),
            kubeconfig: way.kubeconfig,
            context: selected.context,
            server: way.server,
            default_namespace,
        };
        audit_ids.learn_version(server.major, server.minor);
        // The way there is known to be right: what goes wrong from here on may pass.
        bare.patience = PATIENCE;
        Ok(Self::new(bare, identity, server))
    }
}

/// See [SelfSubjectReview](https://kubernetes.io/docs/reference/kubernetes-api/authentication/self-subject-review-v1/).
const REVIEW_PATH: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

fn review() -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
}

fn username(review: &Value) -> Option<String> {
    let name = review["status"]["userInfo"]["username"].as_str()?;
    Some(name.to_owned())
}

/// Whom a refusal names: `forbidden: User "system:anonymous" cannot create …`.
fn refused_user(error: &ClusterError) -> Option<String> {
    let message = error.to_string();
    let (_, named) = message
        .split_once("User \"")
        .filter(|_| error.is_forbidden())?;
    Some(named.split('"').next()?.to_owned())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The number a part of a version begins with: providers write `30+`.
fn number(value: &Value) -> u32 {
    let text = value.as_str().unwrap_or_default();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().unwrap_or_default()
}

/// The server's URL without a password that somebody wrote into it.
fn shown(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("https");
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    format!("{scheme}://{host}{path}")
}

async fn choose(options: &ConnectOptions) -> Result<(String, Selected), ConnectError> {
    let variable = std::env::var_os("KUBECONFIG");
    let places = Places {
        flag: options.kubeconfig.as_deref(),
        variable: variable.as_deref(),
        home: std::env::home_dir(),
        is_in_cluster: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some(),
    };
    let act_as = ActAs {
        user: options.impersonate_user.as_deref(),
        groups: &options.impersonate_groups,
    };
    let memory = &options.memory;
    match find(&places, memory).await? {
        Found::Files { names, kubeconfig } => {
            let context = options.context.as_deref();
            let proxies = ProxyEnvironment::read();
            let selected = select(&names, &kubeconfig, context, act_as, &proxies, memory).await?;
            Ok((names, selected))
        }
        Found::InCluster => {
            let name = "in-cluster".to_owned();
            let invalid = |problem: String| ConnectError::Invalid {
                kubeconfig: name.clone(),
                problem,
            };
            let mut config =
                kube::Config::incluster().map_err(|error| invalid(error.to_string()))?;
            config.auth_info = AuthInfo::default();
            let token = PathBuf::from(SERVICE_ACCOUNT_TOKEN);
            let credentials = Credentials::token_file(&token, memory).await;
            let credentials =
                credentials.map_err(|cause| ConnectError::Unreadable { path: token, cause })?;
            let selected = Selected {
                config,
                given: Vec::new(),
                credentials,
                identity: Identity::of(act_as.user, act_as.groups),
                context: None,
                user: "the pod's service account".to_owned(),
                source_name: "the pod's service account".to_owned(),
                certificate_end: None,
            };
            Ok((name, selected))
        }
    }
}

/// What messages about the connection speak of.
struct Way {
    server: String,
    kubeconfig: String,
    user: String,
    source_name: String,
    certificate_end: Option<Timestamp>,
}

impl Way {
    fn no_credentials(&self, cause: String) -> ConnectError {
        self.without(NoCredentials {
            source_name: self.source_name.clone(),
            cause,
            details: Vec::new(),
        })
    }

    fn without(&self, why: NoCredentials) -> ConnectError {
        ConnectError::Credentials {
            user: self.user.clone(),
            why,
        }
    }

    fn not_made(&self, error: &kube::Error) -> ConnectError {
        match Cause::of(error) {
            Cause::Credentials(cause) => self.no_credentials(cause),
            cause => ConnectError::Invalid {
                kubeconfig: self.kubeconfig.clone(),
                problem: format!("its certificates and keys cannot be used: {cause}"),
            },
        }
    }

    /// What a failed first request means for the user.
    fn explain(&self, failed: Failed) -> ConnectError {
        let server = self.server.clone();
        match (failed.cause, failed.error) {
            (Some(Cause::Credentials(cause)), _) => self.no_credentials(cause),
            (Some(Cause::Tls(cause)), _) => ConnectError::Tls {
                server,
                cause: match (&cause, self.expired()) {
                    (TlsCause::Other(_), Some(expired)) => expired,
                    _ => cause.to_string(),
                },
            },
            (Some(cause @ Cause::Foreign(_)), _) => ConnectError::Unusable {
                server,
                cause: cause.to_string(),
            },
            (Some(cause), _) => ConnectError::Unreachable {
                server,
                cause: cause.to_string(),
            },
            (None, ClusterError::TimedOut { after, .. }) => ConnectError::Unreachable {
                server,
                cause: format!("no answer within {}", seconds(after)),
            },
            (None, error) => match error.code() {
                Some(401) => ConnectError::Unauthorized {
                    server,
                    user: self.user.clone(),
                    reason: self.expired(),
                },
                Some(403) => ConnectError::Forbidden {
                    server,
                    user: self.user.clone(),
                    message: error.to_string(),
                },
                _ => ConnectError::Unusable {
                    server,
                    cause: error.cause(),
                },
            },
        }
    }

    /// In words that the client certificate has expired, where it has.
    fn expired(&self) -> Option<String> {
        let end = self.certificate_end.filter(|end| *end < Timestamp::now())?;
        Some(format!(
            "the client certificate expired on {}",
            end.strftime("%Y-%m-%d")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_client_certificate_is_named_with_its_date() {
        let way = |end: &str| Way {
            server: "https://s".to_owned(),
            kubeconfig: "k".to_owned(),
            user: "u".to_owned(),
            source_name: "the kubeconfig".to_owned(),
            certificate_end: Some(end.parse().unwrap()),
        };
        let expired = way("2020-02-03T04:05:06Z").expired();
        assert_eq!(
            expired.as_deref(),
            Some("the client certificate expired on 2020-02-03")
        );
        assert_eq!(way("9990-01-01T00:00:00Z").expired(), None);
    }

    #[test]
    fn a_refusal_names_the_user() {
        let refusal = |code: u16| {
            let body = r#"{"message": "forbidden: User \"system:anonymous\" cannot create"}"#;
            refused_user(&ClusterError::from_answer(code, body.as_bytes()))
        };
        assert_eq!(refusal(403).as_deref(), Some("system:anonymous"));
        assert_eq!(refusal(404), None);
    }

    #[test]
    fn versions_of_providers_are_read() {
        for (text, expected) in [("1", 1), ("30+", 30), ("", 0), ("x", 0)] {
            assert_eq!(number(&text.into()), expected, "{text}");
        }
    }

    #[test]
    fn passwords_in_urls_are_not_shown() {
        let shown = |url: &str| shown(&url.parse().unwrap());
        assert_eq!(shown("https://me:hunter2@host:6443/"), "https://host:6443");
        assert_eq!(
            shown("https://host/k8s/clusters/c-1"),
            "https://host/k8s/clusters/c-1"
        );
    }
}
