//! Writes objects: server-side apply, create, replace, patch.
//!
//! Requests are written by hand, since the library hides what matters here: the status code (201
//! means that it was not there before) and the `Warning` headers. What to write, and how to take it
//! back, is the caller's.

use http::Method;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::client::Cluster;
use super::error::ClusterError;
use super::resource::{ObjectKey, Resource, encoded};
use super::retry::Repeat;
use super::transport::{Call, Reply};

/// The field manager of everything this program writes.
pub const FIELD_MANAGER: &str = "kubeproof";

/// How often an apply over fields of our own starts over because somebody else wrote meanwhile.
const OWN_ATTEMPTS: usize = 5;

/// How to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Takes fields over that other managers own, instead of a conflict.
    pub force: bool,
    /// The field manager; [`FIELD_MANAGER`] by default.
    pub field_manager: String,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            force: false,
            field_manager: FIELD_MANAGER.to_owned(),
        }
    }
}

/// What a write led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The object as the cluster has it now.
    pub object: Value,
    /// Whether it was not there before (HTTP 201).
    pub created: bool,
    /// Whether the request was sent more than once: then `created: false` may still mean that the
    /// first sending made it, and its answer was lost.
    pub repeated: bool,
    /// What the API server wants the user to read, such as a deprecation.
    pub warnings: Vec<String>,
}

/// The ways to say what is to change.
///
/// See [patching](https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// JSON merge patch (RFC 7386): lists are replaced.
    Merge,
    /// Strategic merge patch: lists are merged by their keys; not for custom resources.
    Strategic,
    /// JSON patch (RFC 6902): a list of operations.
    Json,
}

impl PatchKind {
    fn media_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Json => "application/json-patch+json",
        }
    }
}

impl Cluster {
    /// Applies a manifest with
    /// [server-side apply](https://kubernetes.io/docs/reference/using-api/server-side-apply/).
    ///
    /// Sent again where that may help: applying twice is applying once. A manifest with
    /// `metadata.uid` is refused (409) where the object is not the one with this uid. What the same
    /// manager wrote otherwise, by create or patch, is no conflict.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] where other managers own fields of it and `force` is not set;
    /// [`ClusterError::Refused`] where the manifest is not accepted.
    pub async fn apply(
        &self,
        key: &ObjectKey,
        manifest: &Value,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        match self.apply_once(key, manifest, options).await {
            Err(error) if is_own(&error, options) => {
                self.apply_over_own(key, manifest, options, error).await
            }
            answer => answer,
        }
    }

    /// Applies over fields that the same manager wrote by other means than apply, which the server
    /// takes for a conflict. They are forced in the very version in which nobody else's are in the
    /// way: what others write meanwhile is never taken over.
    async fn apply_over_own(
        &self,
        key: &ObjectKey,
        manifest: &Value,
        options: &ApplyOptions,
        mut conflict: ClusterError,
    ) -> Result<Applied, ClusterError> {
        let forced = ApplyOptions {
            force: true,
            ..options.clone()
        };
        for _ in 0..OWN_ATTEMPTS {
            let Some(current) = self.get(key).await? else {
                return self.apply_once(key, manifest, options).await;
            };
            let mut versioned = manifest.clone();
            versioned["metadata"]["resourceVersion"] =
                current["metadata"]["resourceVersion"].clone();
            let mut answer = self.apply_once(key, &versioned, options).await;
            if answer.as_ref().is_err_and(|error| is_own(error, options)) {
                answer = self.apply_once(key, &versioned, &forced).await;
            }
            match answer {
                // it was changed meanwhile
                Err(error @ ClusterError::Conflict { .. }) if managers(&error).is_empty() => {
                    conflict = error;
                }
                answer => return answer,
            }
        }
        Err(conflict)
    }

    async fn apply_once(
        &self,
        key: &ObjectKey,
        manifest: &Value,
        options: &ApplyOptions,
    ) -> Result<Applied, ClusterError> {
        let path = format!(
            "{}?fieldManager={}&force={}",
            key.path(),
            encoded(&options.field_manager),
            options.force
        );
        // Each JSON document is a YAML document.
        let call = Call::new(Method::PATCH, path, Repeat::Safe)
            .content("application/apply-patch+yaml", manifest);
        let reply = self.transport().send(&call).await?;
        applied(reply, &key.resource)
    }

    /// Creates an object; with `metadata.generateName`, the server names it.
    ///
    /// Under a name, it is sent again where the answer was lost. It is refused then if the first
    /// sending made the object: since it is there, or even before that, as with a quota that it used
    /// up or a port that it took. It is told from one that was there by its age and its labels.
    /// Without a name it is sent once: whether a lost answer meant a second object is not knowable.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] with code 409 where it was there already.
    pub async fn create(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        manifest: &Value,
    ) -> Result<Applied, ClusterError> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}", resource.path(namespace));
        let name = manifest["metadata"]["name"].as_str();
        let repeat = match name {
            Some(_) => Repeat::Named,
            None => Repeat::Unsafe,
        };
        let call = Call::new(Method::POST, path, repeat).json(manifest);
        let begun = Instant::now();
        let failed = match self.transport().send_explained(&call).await {
            Ok(reply) => return applied(reply, resource),
            Err(failed) => failed,
        };
        let Some(name) = name.filter(|_| failed.attempts > 1 && !failed.error.is_environment())
        else {
            return Err(failed.error);
        };
        let key = ObjectKey::new(resource.clone(), namespace, name);
        match self.made_since(&key, manifest, begun).await {
            Ok(Some(object)) => Ok(Applied {
                object,
                created: true,
                repeated: true,
                warnings: Vec::new(),
            }),
            Err(error) if error.is_environment() => Err(error),
            // Who may not even look is told what became of the create.
            Ok(None) | Err(_) => Err(failed.error),
        }
    }

    /// The object, if it was made from `begun` on, with the labels of the manifest: then a create
    /// made it whose answer was lost.
    ///
    /// Both times are the server's, so clocks that differ do no harm.
    async fn made_since(
        &self,
        key: &ObjectKey,
        manifest: &Value,
        begun: Instant,
    ) -> Result<Option<Value>, ClusterError> {
        let reply = match self.transport().send(&Call::get(key.path())).await {
            Ok(reply) => reply,
            Err(ClusterError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let now = reply.date();
        let mut object = reply.json()?;
        key.resource.fill_type(&mut object);
        let made = object["metadata"]["creationTimestamp"].as_str();
        let made = made.and_then(|made| made.parse::<Timestamp>().ok());
        let is_new = match (now, made) {
            // Both are cut to whole seconds.
            (Some(now), Some(made)) => {
                now.duration_since(made).as_secs_f64() <= begun.elapsed().as_secs_f64() + 1.0
            }
            _ => false,
        };
        let labels = manifest["metadata"]["labels"].as_object();
        let has_labels = labels
            .into_iter()
            .flatten()
            .all(|(label, value)| object["metadata"]["labels"][label] == *value);
        Ok((is_new && has_labels).then_some(object))
    }

    /// Replaces an object by another state of it.
    ///
    /// With a `metadata.resourceVersion`, only if nobody changed it since; then it is sent again
    /// where the answer was lost, and is a conflict if the first sending was carried out.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] where it was changed since, [`ClusterError::NotFound`] where it is gone.
    pub async fn replace(&self, key: &ObjectKey, object: &Value) -> Result<Applied, ClusterError> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}", key.path());
        let repeat = match object["metadata"]["resourceVersion"].as_str() {
            Some(_) => Repeat::Named,
            None => Repeat::Unsafe,
        };
        let call = Call::new(Method::PUT, path, repeat).json(object);
        applied(self.transport().send(&call).await?, &key.resource)
    }

    /// Patches an object, or a subresource of it such as `status` or `scale`.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] where there is no such object.
    pub async fn patch(
        &self,
        key: &ObjectKey,
        kind: PatchKind,
        patch: &Value,
        subresource: Option<&str>,
    ) -> Result<Applied, ClusterError> {
        let subresource =
            subresource.map_or_else(String::new, |name| format!("/{}", encoded(name)));
        let path = format!("{}{subresource}?fieldManager={FIELD_MANAGER}", key.path());
        let call = Call::new(Method::PATCH, path, Repeat::Unsafe).content(kind.media_type(), patch);
        applied(self.transport().send(&call).await?, &key.resource)
    }
}

/// The managers that are in the way of an apply.
fn managers(error: &ClusterError) -> &[String] {
    match error {
        ClusterError::Conflict { managers, .. } => managers,
        _ => &[],
    }
}

/// Whether nobody but the manager itself is in the way.
fn is_own(error: &ClusterError, options: &ApplyOptions) -> bool {
    let managers = managers(error);
    !managers.is_empty()
        && managers
            .iter()
            .all(|manager| *manager == options.field_manager)
}

fn applied(mut reply: Reply, resource: &Resource) -> Result<Applied, ClusterError> {
    let created = reply.code == 201;
    let repeated = reply.attempts > 1;
    let warnings = std::mem::take(&mut reply.warnings);
    let mut object = reply.json()?;
    resource.fill_type(&mut object);
    Ok(Applied {
        object,
        created,
        repeated,
        warnings,
    })
}
