//! What a context of a kubeconfig means: which server, how to trust it, and who one is there. Makes of
//! it what the client is made of; talks to no server.
//!
//! Whatever changes who one is, or what is checked, is honoured or refused, as kubectl refuses it:
//! a field that is passed over would be an answer about somebody else, or from somebody else.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use http::Uri;
use jiff::Timestamp;
use kube::config::{AuthInfo, AuthProviderConfig, Cluster, ExecAuthCluster, ExecConfig};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use x509_cert::der::Decode as _;

use super::connect_error::ConnectError;
use super::credentials::Credentials;
use super::identity::Identity;
use super::kubeconfig::{Entry, Kubeconfig, base64_of};
use super::memory::Memory;
use super::plugin::Plugin;
use super::proxy::{self, ProxyEnvironment};

/// What is needed to connect, and to speak about it.
pub(super) struct Selected {
    pub(super) config: kube::Config,
    /// The certificates by which the server's is judged; those of the system where there are none.
    pub(super) given: Vec<CertificateDer<'static>>,
    pub(super) credentials: Credentials,
    /// Whom the kubeconfig says to act as.
    pub(super) identity: Option<Identity>,
    pub(super) context: Option<String>,
    /// The user's name in the kubeconfig.
    pub(super) user: String,
    /// What the credentials come from: ``credential plugin `aws` ``.
    pub(super) source_name: String,
    /// When the client certificate ends or ended to be valid.
    pub(super) certificate_end: Option<Timestamp>,
}

/// Whom to act as, over what a kubeconfig says of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ActAs<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) groups: &'a [String],
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: String,
    user: String,
    namespace: String,
}

/// Picks a context and reads what belongs to it.
pub(super) async fn select(
    names: &str,
    kubeconfig: &Kubeconfig,
    context: Option<&str>,
    act_as: ActAs<'_>,
    proxies: &ProxyEnvironment,
    memory: &Memory,
) -> Result<Selected, ConnectError> {
    let known = || kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
    let current = kubeconfig.current_context.as_deref();
    let Some(name) = context.or(current).filter(|name| !name.is_empty()) else {
        return Err(ConnectError::NoCurrentContext {
            kubeconfig: names.to_owned(),
            known: known(),
        });
    };
    let Some(context) = kubeconfig.contexts.iter().find(|c| c.name == name) else {
        return Err(ConnectError::UnknownContext {
            kubeconfig: names.to_owned(),
            name: name.to_owned(),
            known: known(),
        });
    };
    let context = Used::new(context, "context")?;
    let Context {
        cluster,
        user,
        namespace,
    } = context.decode()?;
    if cluster.is_empty() {
        return Err(context.invalid("names no cluster"));
    }
    let of_cluster = kubeconfig.clusters.iter().find(|it| it.name == cluster);
    let of_cluster = of_cluster.ok_or_else(|| {
        context.invalid(&format!(
            "names the cluster {cluster:?}, which is not in it"
        ))
    })?;
    let of_cluster = Used::new(of_cluster, "cluster")?;
    let of_user = kubeconfig.users.iter().find(|it| it.name == user);
    let of_user = match of_user {
        Some(entry) => Some(Used::new(entry, "user")?),
        None if user.is_empty() => None,
        None => {
            return Err(context.invalid(&format!("names the user {user:?}, who is not in it")));
        }
    };
    let server = server(&of_cluster, proxies, memory).await?;
    let (mut config, given) = (server.config, server.given);
    if !namespace.is_empty() {
        config.default_namespace = namespace;
    }
    let mut selected = Selected {
        config,
        given,
        credentials: Credentials::none(),
        identity: Identity::of(act_as.user, act_as.groups),
        context: Some(name.to_owned()),
        user,
        source_name: "the kubeconfig".to_owned(),
        certificate_end: None,
    };
    if let Some(entry) = of_user {
        let auth: AuthInfo = entry.decode()?;
        entry.check(&auth)?;
        selected.identity = Identity::in_kubeconfig(&auth, act_as.user, act_as.groups)
            .map_err(|words| entry.invalid(words))?;
        selected.certificate_end = certificate(&entry, &auth, &mut selected.config, memory).await?;
        credentials(&entry, auth, &server.cluster, &mut selected, memory).await?;
    }
    Ok(selected)
}

/// An entry that is used, of which every field must be what it should be.
struct Used<'a> {
    entry: &'a Entry,
    /// `user`
    what: &'static str,
    fields: &'a Map<String, Value>,
}

impl<'a> Used<'a> {
    fn new(entry: &'a Entry, what: &'static str) -> Result<Self, ConnectError> {
        static NONE: std::sync::LazyLock<Map<String, Value>> =
            std::sync::LazyLock::new(Map::default);
        let mut used = Self {
            entry,
            what,
            fields: &NONE,
        };
        used.fields = entry
            .fields
            .as_ref()
            .ok_or_else(|| used.invalid("is no mapping of fields"))?;
        if entry.is_repeated {
            return Err(used.invalid("is there more than once: which of them is meant is not said"));
        }
        Ok(used)
    }

    /// `the kubeconfig FILE is not valid: its user "u" has …`
    fn invalid(&self, problem: &str) -> ConnectError {
        ConnectError::Invalid {
            kubeconfig: self.entry.file.display().to_string(),
            problem: format!("its {} {:?} {problem}", self.what, self.entry.name),
        }
    }

    /// What a field names cannot be read.
    fn unreadable(&self, field: &str, path: &Path, cause: &str) -> ConnectError {
        ConnectError::Unreadable {
            path: path.to_owned(),
            cause: format!(
                "{cause} (it is the {field} of the {} {:?} in {})",
                self.what,
                self.entry.name,
                self.entry.file.display()
            ),
        }
    }

    /// Makes the type of it; names the field that is not as it should be, without its value.
    fn decode<T: DeserializeOwned>(&self) -> Result<T, ConnectError> {
        let fields = Value::Object(self.fields.clone());
        serde_json::from_value(fields).map_err(|_| {
            let field = wrong_field::<T>(self.fields).unwrap_or_default();
            let inner = self.fields.get(&field).and_then(Value::as_object);
            let inner = match (field.as_str(), inner) {
                ("exec", Some(fields)) => wrong_field::<ExecConfig>(fields),
                ("auth-provider", Some(fields)) if !fields.contains_key("name") => {
                    return self.invalid("has an auth-provider without a name");
                }
                ("auth-provider", Some(fields)) => wrong_field::<AuthProviderConfig>(fields),
                _ => None,
            };
            let inner = inner.map_or_else(String::new, |inner| format!(".{inner}"));
            self.invalid(&format!(
                "has a {field}{inner} that is not what a kubeconfig has there"
            ))
        })
    }

    fn has(&self, field: &str) -> bool {
        match self.fields.get(field) {
            Some(Value::String(text)) => !text.is_empty(),
            other => other.is_some(),
        }
    }

    /// What cannot be honoured together is refused, as by kubectl.
    fn check(&self, auth: &AuthInfo) -> Result<(), ConnectError> {
        let has_token = self.has("token") || self.has("tokenFile");
        let has_password = self.has("username") || self.has("password");
        if has_token && has_password {
            return Err(self.invalid("has both a token and a username: which to use is not said"));
        }
        if has_password && !self.has("username") {
            return Err(self.invalid("has a password and no username"));
        }
        if self.has("exec") && self.has("auth-provider") {
            return Err(self.invalid("has both exec and auth-provider: which to use is not said"));
        }
        for field in ["client-certificate", "client-key"] {
            self.is_said_once(field)?;
        }
        let is_given = |field: &str| self.has(field) || self.has(&format!("{field}-data"));
        match (is_given("client-certificate"), is_given("client-key")) {
            (true, false) => return Err(self.invalid("has a client-certificate and no client-key")),
            (false, true) => return Err(self.invalid("has a client-key and no client-certificate")),
            _ => {}
        }
        // whom to act as is the one thing in which a slip of the pen gives more rights
        match auth.other.keys().find(|field| field.starts_with("as")) {
            Some(field) => Err(self.invalid(&format!(
                "has the field {field:?}, which is not known: whom to act as is said by as, \
                 as-groups, as-uid and as-user-extra"
            ))),
            None => Ok(()),
        }
    }

    /// Not in a file and as data beside it.
    fn is_said_once(&self, field: &str) -> Result<(), ConnectError> {
        if self.has(field) && self.has(&format!("{field}-data")) {
            return Err(self.invalid(&format!(
                "has both {field} and {field}-data: take one of them away"
            )));
        }
        Ok(())
    }

    /// What is in `FIELD-data`, or in the file that `FIELD` names.
    async fn data_or_file(
        &self,
        field: &str,
        memory: &Memory,
    ) -> Result<Option<Vec<u8>>, ConnectError> {
        let text = |field: &str| self.fields.get(field).and_then(Value::as_str);
        let data = text(&format!("{field}-data")).filter(|data| !data.is_empty());
        if let Some(data) = data {
            let data = base64_of(data);
            let data = data.ok_or_else(|| {
                self.invalid(&format!("is of no use: its {field}-data is not base64"))
            });
            return data.map(Some);
        }
        let Some(path) = text(field).filter(|path| !path.is_empty()) else {
            return Ok(None);
        };
        let path = PathBuf::from(path);
        match memory.read(&path).await {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(cause) => Err(self.unreadable(field, &path, &cause)),
        }
    }
}

/// The first field that alone does not make the type either.
fn wrong_field<T: DeserializeOwned>(fields: &Map<String, Value>) -> Option<String> {
    let name = fields.get("name").filter(|name| name.is_string());
    let alone = |field: &str, value: &Value| {
        let mut alone = Map::new();
        // the one field without which nothing can be made
        if let Some(name) = name {
            alone.insert("name".to_owned(), name.clone());
        }
        alone.insert(field.to_owned(), value.clone());
        serde_json::from_value::<T>(Value::Object(alone)).is_err()
    };
    let mut fields = fields.iter();
    let (field, _) = fields.find(|(field, value)| alone(field, value))?;
    Some(field.clone())
}

/// What is about the server.
struct Server {
    config: kube::Config,
    given: Vec<CertificateDer<'static>>,
    /// As a credential plugin is told of it.
    cluster: Cluster,
}

async fn server(
    entry: &Used<'_>,
    proxies: &ProxyEnvironment,
    memory: &Memory,
) -> Result<Server, ConnectError> {
    let mut cluster: Cluster = entry.decode()?;
    let server = cluster.server.as_deref().filter(|url| !url.is_empty());
    let server = server.ok_or_else(|| entry.invalid("has no server"))?;
    let server = if server.contains("://") {
        server.to_owned()
    } else {
        format!("https://{server}")
    };
    let unread = || entry.invalid("has a server whose URL cannot be read");
    let url = without_user(&server).ok_or_else(unread)?;
    if !matches!(url.scheme_str(), Some("https" | "http")) {
        return Err(entry.invalid("has a server whose URL is neither https nor http"));
    }
    let mut config = kube::Config::new(url);
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    entry.is_said_once("certificate-authority")?;
    let authority = entry.data_or_file("certificate-authority", memory).await?;
    if authority.is_some() && config.accept_invalid_certs {
        return Err(entry.invalid(
            "has both a certificate-authority and insecure-skip-tls-verify, with which nothing \
             would be checked by it: take one of them away",
        ));
    }
    let mut given = Vec::new();
    if let Some(pem) = &authority {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        given = certificates
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| entry.invalid("has a certificate-authority that is not in PEM"))?;
        config.root_cert = Some(given.iter().map(|der| der.to_vec()).collect());
        cluster.certificate_authority = None;
        cluster.certificate_authority_data = Some(encoded(pem));
    }
    let name = cluster.tls_server_name.clone();
    config.tls_server_name = name.filter(|name| !name.is_empty());
    if let Some(name) = &config.tls_server_name
        && ServerName::try_from(name.as_str()).is_err()
    {
        return Err(entry.invalid("has a tls-server-name that no certificate can be for"));
    }
    let own = cluster.proxy_url.as_deref().filter(|url| !url.is_empty());
    config.proxy_url = match own {
        Some(own) => {
            let problem = |words| entry.invalid(&format!("has a proxy-url: {words}"));
            Some(proxy::parse(own).map_err(problem)?)
        }
        None => {
            let proxy = proxies.proxy_for(&config.cluster_url).map(proxy::parse);
            proxy
                .transpose()
                .map_err(|words| ConnectError::Environment {
                    problem: words.to_owned(),
                })?
        }
    };
    Ok(Server {
        config,
        given,
        cluster,
    })
}

/// Reads a URL, of which a user and a password are left out: the library does nothing with them but
/// show them in its messages.
fn without_user(url: &str) -> Option<Uri> {
    let url: Uri = url.parse().ok()?;
    let mut parts = url.into_parts();
    if let Some(authority) = &parts.authority
        && let Some((_user, host)) = authority.as_str().rsplit_once('@')
    {
        parts.authority = Some(host.parse().ok()?);
    }
    Uri::from_parts(parts).ok()
}

/// The certificate of the user goes where the library takes it from; when it ends. One that cannot be
/// read is left to the TLS library to judge.
async fn certificate(
    entry: &Used<'_>,
    auth: &AuthInfo,
    config: &mut kube::Config,
    memory: &Memory,
) -> Result<Option<Timestamp>, ConnectError> {
    let certificate = entry.data_or_file("client-certificate", memory).await?;
    let key = entry.data_or_file("client-key", memory).await?;
    let end = certificate.as_deref().and_then(end_of_certificate);
    config.auth_info = AuthInfo {
        client_certificate_data: certificate.map(|pem| encoded(&pem)),
        client_key_data: key.map(|pem| encoded(&pem).into()),
        auth_provider: auth.auth_provider.clone(),
        ..AuthInfo::default()
    };
    Ok(end)
}

/// What proves on each request who one is: what stands in the kubeconfig before a plugin, as kubectl
/// has it.
async fn credentials(
    entry: &Used<'_>,
    auth: AuthInfo,
    cluster: &Cluster,
    selected: &mut Selected,
    memory: &Memory,
) -> Result<(), ConnectError> {
    let text = |field: &str| entry.fields.get(field).and_then(Value::as_str);
    let filled = |field: &str| text(field).filter(|text| !text.is_empty());
    let token = match filled("token").map(Credentials::token) {
        Some(None) => {
            return Err(entry.invalid(
                "has a token with a line break or other characters that no header can carry",
            ));
        }
        token => token.flatten(),
    };
    let file = match filled("tokenFile").map(Path::new) {
        Some(path) => match Credentials::token_file(path, memory).await {
            Ok(credentials) => Some(credentials),
            // who has the token need not have the file
            Err(_) if token.is_some() => None,
            Err(cause) => return Err(entry.unreadable("tokenFile", path, &cause)),
        },
        None => None,
    };
    if let Some(credentials) = file.or(token) {
        selected.credentials = credentials;
        selected.config.auth_info.auth_provider = None;
        return Ok(());
    }
    if let Some(user) = filled("username") {
        let password = text("password").unwrap_or_default();
        selected.credentials = Credentials::basic(user, password);
        selected.config.auth_info.auth_provider = None;
        return Ok(());
    }
    if let Some(exec) = auth.exec {
        let plugin = plugin(entry, exec, cluster)?;
        selected.source_name = plugin.name();
        selected.credentials = Credentials::Plugin(memory.issuer(plugin));
    } else if let Some(provider) = auth.auth_provider {
        selected.source_name = format!("auth provider {:?}", provider.name);
        let instead = match provider.name.as_str() {
            "oidc" => return Ok(()),
            "gcp" => {
                "it is gone from Kubernetes since 1.26: gke-gcloud-auth-plugin is in its place"
            }
            "azure" => "it is gone from Kubernetes since 1.26: kubelogin is in its place",
            _ => "it is not known here",
        };
        return Err(entry.invalid(&format!(
            "has the auth-provider {:?}: {instead}",
            provider.name
        )));
    }
    Ok(())
}

fn plugin(entry: &Used<'_>, exec: ExecConfig, cluster: &Cluster) -> Result<Plugin, ConnectError> {
    let command = exec.command.filter(|command| !command.is_empty());
    let command = command.ok_or_else(|| entry.invalid("has an exec without a command"))?;
    let mut env = std::collections::BTreeMap::new();
    for variable in exec.env.unwrap_or_default() {
        match variable.get("name").filter(|name| !name.is_empty()) {
            Some(name) => {
                let value = variable.get("value").cloned().unwrap_or_default();
                env.insert(name.clone(), value);
            }
            None => return Err(entry.invalid("has an exec.env with a variable without a name")),
        }
    }
    let cluster = match exec.provide_cluster_info {
        true => {
            let cluster = ExecAuthCluster::try_from(cluster)
                .map_err(|error| entry.invalid(&format!("wants provideClusterInfo: {error}")))?;
            serde_json::to_string(&cluster).ok()
        }
        false => None,
    };
    Ok(Plugin {
        command,
        args: exec.args.unwrap_or_default(),
        env,
        api_version: exec.api_version,
        cluster,
        install_hint: exec.install_hint,
    })
}

fn encoded(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// When the first certificate of a PEM text is no longer valid.
pub(super) fn end_of_certificate(pem: &[u8]) -> Option<Timestamp> {
    let der = CertificateDer::from_pem_slice(pem).ok()?;
    let certificate = x509_cert::Certificate::from_der(&der).ok()?;
    let end = certificate
        .tbs_certificate()
        .validity()
        .not_after
        .to_unix_duration();
    Timestamp::new(i64::try_from(end.as_secs()).ok()?, 0).ok()
}
