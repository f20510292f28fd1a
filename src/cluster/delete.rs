//! Deletes an object. Waiting until it is gone is a watch's business.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::client::Cluster;
use super::error::ClusterError;
use super::resource::ObjectKey;
use super::retry::Repeat;
use super::transport::Call;

/// What happens to the objects that this one owns.
///
/// See [garbage collection](https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They go first, then the object.
    Foreground,
    /// The object goes, then they do.
    #[default]
    Background,
    /// They stay.
    Orphan,
}

/// How to delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Deletes only the object with this uid, never a later one of the same name.
    pub uid: Option<String>,
    /// The time its processes have to end, in whole seconds; the object's own by default.
    ///
    /// Zero removes a pod from the API while its containers may still run; one second waits for the kubelet.
    pub grace: Option<Duration>,
    /// What happens to the objects that it owns.
    pub propagation: Propagation,
}

/// How far the deletion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Gone,
    /// It is on its way out: it has a grace period or finalizers.
    Going,
    /// It was not there, or only another object with its name.
    Absent,
}

/// What a request for a deletion led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// How far it is.
    pub deletion: Deletion,
    /// What the API server wants the user to read, such as a deprecation.
    pub warnings: Vec<String>,
}

impl Cluster {
    /// Asks for the deletion of an object; does not wait until it is gone.
    ///
    /// Sent again on a lost answer only with a uid, without which it might delete a successor.
    ///
    /// # Errors
    /// Where the cluster did not answer, or refused.
    pub async fn delete(
        &self,
        key: &ObjectKey,
        options: &DeleteOptions,
    ) -> Result<Deletion, ClusterError> {
        let deleted = self.delete_with_warnings(key, options).await?;
        Ok(deleted.deletion)
    }

    /// As [`Cluster::delete`], with the warnings of the API server.
    ///
    /// # Errors
    /// As [`Cluster::delete`].
    pub async fn delete_with_warnings(
        &self,
        key: &ObjectKey,
        options: &DeleteOptions,
    ) -> Result<Deleted, ClusterError> {
        let repeat = if options.uid.is_some() {
            Repeat::Safe
        } else {
            Repeat::Unsafe
        };
        let call = Call::new(Method::DELETE, key.path(), repeat).json(&body(options));
        let mut warnings = Vec::new();
        let deletion = match self.transport().send(&call).await {
            Ok(mut reply) => {
                let code = reply.code;
                warnings = std::mem::take(&mut reply.warnings);
                progress(code, &reply.json()?)
            }
            // Only another object has its name by now, or none.
            Err(ClusterError::Conflict { message, .. })
                if options.uid.is_some() && is_other_uid(&message) =>
            {
                Deletion::Absent
            }
            Err(ClusterError::NotFound { .. }) => Deletion::Absent,
            Err(error) => return Err(error),
        };
        Ok(Deleted { deletion, warnings })
    }
}

/// Whether a conflict is about the uid alone; the registry and etcd's layer word it differently.
fn is_other_uid(message: &str) -> bool {
    message.contains("UID in precondition") || message.contains("UID in the precondition")
}

/// The `DeleteOptions` of the API.
///
/// See [DeleteOptions](https://kubernetes.io/docs/reference/kubernetes-api/definitions/delete-options-v1-meta/).
fn body(options: &DeleteOptions) -> Value {
    let propagation = match options.propagation {
        Propagation::Foreground => "Foreground",
        Propagation::Background => "Background",
        Propagation::Orphan => "Orphan",
    };
    let mut body = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": propagation,
    });
    if let Some(uid) = &options.uid {
        body["preconditions"] = json!({ "uid": uid });
    }
    if let Some(grace) = options.grace {
        body["gracePeriodSeconds"] = grace.as_secs().into();
    }
    body
}

/// Reads from the answer whether the object is gone.
///
/// A `Status` means so. Some kinds answer with the object even then (pods do): it is gone where no
/// grace period is left and no finalizer holds it.
fn progress(code: u16, answer: &Value) -> Deletion {
    if code == 202 {
        return Deletion::Going;
    }
    if answer["kind"] == "Status" {
        return Deletion::Gone;
    }
    let metadata = &answer["metadata"];
    let held = metadata["finalizers"]
        .as_array()
        .is_some_and(|finalizers| !finalizers.is_empty());
    if metadata["deletionGracePeriodSeconds"] == 0 && !held && answer["kind"] == "Pod" {
        return Deletion::Gone;
    }
    Deletion::Going
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_how_far_it_is() {
        let pod = |grace: u64, finalizers: Value| {
            json!({"kind": "Pod", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z",
                   "deletionGracePeriodSeconds": grace, "finalizers": finalizers}})
        };
        let cases = [
            (
                200,
                json!({"kind": "Status", "status": "Success"}),
                Deletion::Gone,
            ),
            (
                202,
                json!({"kind": "Status", "status": "Success"}),
                Deletion::Going,
            ),
            (200, pod(30, Value::Null), Deletion::Going),
            (200, pod(0, Value::Null), Deletion::Gone),
            (200, pod(0, json!(["x/y"])), Deletion::Going),
            (
                200,
                json!({"kind": "Namespace", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
                Deletion::Going,
            ),
        ];
        for (code, answer, expected) in cases {
            assert_eq!(progress(code, &answer), expected, "{code} {answer}");
        }
    }

    #[test]
    fn a_successor_is_told_from_other_conflicts() {
        assert!(is_other_uid(
            "Operation cannot be fulfilled on ConfigMap \"x\": the UID in the precondition (0) does not match the UID in record (1)."
        ));
        assert!(is_other_uid(
            "Precondition failed: UID in precondition: 0, UID in object meta: 1"
        ));
        assert!(!is_other_uid("the object has been modified"));
    }

    #[test]
    fn the_body_is_that_of_the_api() {
        let options = DeleteOptions {
            uid: Some("u-1".into()),
            grace: Some(Duration::from_secs(1)),
            propagation: Propagation::Foreground,
        };
        assert_eq!(
            body(&options),
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground",
                   "preconditions": {"uid": "u-1"}, "gracePeriodSeconds": 1})
        );
    }
}
