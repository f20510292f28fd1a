//! Writes objects: server-side apply, create, replace, patch.
//!
//! Requests are written by hand, since the library hides what matters here: the status code (201
//! means that it was not there before) and the `Warning` headers. What to write, and how to take it
//! back, is the caller's.

use http::Method;
use serde_json::Value;

use super::client::Cluster;
use super::error::ClusterError;
use super::resource::{ObjectKey, Resource, encoded};
use super::retry::Repeat;
use super::transport::{Call, Reply};

/// The field manager of everything this program writes.
pub const FIELD_MANAGER: &str = "kubeproof";

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
    /// `metadata.uid` is refused (409) where the object is not the one with this uid.
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
    /// Sent once: whether an answer that was lost meant a second object is not knowable.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] with code 409 where it is there already.
    pub async fn create(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        manifest: &Value,
    ) -> Result<Applied, ClusterError> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}", resource.path(namespace));
        let call = Call::new(Method::POST, path, Repeat::Unsafe).json(manifest);
        applied(self.transport().send(&call).await?, resource)
    }

    /// Replaces an object by another state of it.
    ///
    /// With a `metadata.resourceVersion`, only if nobody changed it since.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] where it was changed since, [`ClusterError::NotFound`] where it is gone.
    pub async fn replace(&self, key: &ObjectKey, object: &Value) -> Result<Applied, ClusterError> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}", key.path());
        let call = Call::new(Method::PUT, path, Repeat::Unsafe).json(object);
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
