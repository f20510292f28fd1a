//! Asks the API server what somebody may do. Acting as them is `identity`'s job.
//!
//! See [checking API access](https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access).

use http::Method;
use serde_json::{Value, json};

use super::attempts::{Attempts, Next};
use super::client::Cluster;
use super::error::ClusterError;
use super::identity::Identity;
use super::retry::{Repeat, Setback};
use super::transport::Call;

/// Something one may or may not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// To objects.
    Resource {
        /// `get`, `list`, `create`, `delete`, … or `*` for all.
        verb: String,
        /// The API group; empty for the core group.
        group: String,
        /// The plural, as in the URL: `nodes`.
        resource: String,
        /// `exec`, `log`, `status`, …
        subresource: Option<String>,
        /// The one object; all of them by default.
        name: Option<String>,
        /// The namespace; all of them by default, or none for what has none.
        namespace: Option<String>,
    },
    /// To a path that is no resource, such as `/metrics`.
    Path {
        /// `get`, `post`, …
        verb: String,
        /// The path.
        path: String,
    },
}

/// What the authorizers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Whether it would be let through; admission may still refuse it.
    pub allowed: bool,
    /// Why, in the words of the authorizer, with its errors if it had some; often empty.
    pub reason: String,
}

impl Cluster {
    /// Asks whether somebody may do something: `identity`, or else whoever this connection acts as.
    ///
    /// Asking for another takes the permission to create `subjectaccessreviews`, not that to
    /// impersonate them. Their groups are those that the server would take them to be in.
    ///
    /// A no is asked for again for a while where the server was away a moment ago, since one that was
    /// started anew says so until it has read who may do what.
    ///
    /// # Errors
    /// Where the cluster did not answer, or refused to say.
    pub async fn can(
        &self,
        access: &Access,
        identity: Option<&Identity>,
    ) -> Result<Allowed, ClusterError> {
        let (kind, resource) = match identity {
            Some(_) => ("SubjectAccessReview", "subjectaccessreviews"),
            None => ("SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        };
        let path = format!("/apis/authorization.k8s.io/v1/{resource}");
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": kind,
            "spec": spec(access, identity),
        });
        // Nothing is kept of a review, so asking twice is asking once.
        let call = Call::new(Method::POST, path, Repeat::Safe).json(&review);
        let mut attempts = self.transport().attempts();
        loop {
            let review = self.transport().send(&call).await?.json()?;
            let answer = allowed(&review["status"]);
            if answer.allowed || !is_asked_again(&mut attempts, &answer).await {
                return Ok(answer);
            }
        }
    }
}

/// Waits until a no may be asked for again, if it may: just where a refusal would be.
async fn is_asked_again(attempts: &mut Attempts, no: &Allowed) -> bool {
    let refusal = Setback::Answer {
        code: 403,
        retry_after: None,
        message: no.reason.clone(),
    };
    let error = ClusterError::Unavailable {
        cause: "it was away a moment ago, and says that nothing is allowed".to_owned(),
    };
    let what = || "a review of access".to_owned();
    attempts.wait(Repeat::Safe, &refusal, &error, what).await == Next::Again
}

fn spec(access: &Access, identity: Option<&Identity>) -> Value {
    let mut spec = match access {
        Access::Resource {
            verb,
            group,
            resource,
            subresource,
            name,
            namespace,
        } => json!({"resourceAttributes": {
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource.as_deref().unwrap_or_default(),
            "name": name.as_deref().unwrap_or_default(),
            "namespace": namespace.as_deref().unwrap_or_default(),
        }}),
        Access::Path { verb, path } => {
            json!({"nonResourceAttributes": {"verb": verb, "path": path}})
        }
    };
    if let Some(identity) = identity {
        spec["user"] = identity.user.clone().into();
        spec["groups"] = identity.effective_groups().into();
        if let Some(uid) = &identity.uid {
            spec["uid"] = uid.clone().into();
        }
        if !identity.extra.is_empty() {
            spec["extra"] = json!(identity.extra);
        }
    }
    spec
}

fn allowed(status: &Value) -> Allowed {
    let text = |field: &str| status[field].as_str().unwrap_or_default().trim().to_owned();
    let reason = match (text("reason"), text("evaluationError")) {
        (reason, error) if error.is_empty() => reason,
        (reason, error) if reason.is_empty() => error,
        (reason, error) => format!("{reason}; {error}"),
    };
    Allowed {
        allowed: status["allowed"] == true,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_is_that_of_the_api() {
        let nodes = Access::Resource {
            verb: "delete".into(),
            group: String::new(),
            resource: "nodes".into(),
            subresource: None,
            name: None,
            namespace: None,
        };
        let account = Identity::service_account("n", "ci");
        assert_eq!(
            spec(&nodes, Some(&account)),
            json!({"resourceAttributes": {"verb": "delete", "group": "", "resource": "nodes",
                                          "subresource": "", "name": "", "namespace": ""},
                   "user": "system:serviceaccount:n:ci",
                   "groups": ["system:serviceaccounts", "system:serviceaccounts:n", "system:authenticated"]})
        );
        let metrics = Access::Path {
            verb: "get".into(),
            path: "/metrics".into(),
        };
        assert_eq!(
            spec(&metrics, None),
            json!({"nonResourceAttributes": {"verb": "get", "path": "/metrics"}})
        );
    }

    #[test]
    fn errors_of_the_authorizer_are_told() {
        let answer = allowed(
            &json!({"allowed": false, "reason": "no", "evaluationError": "role \"x\" not found"}),
        );
        assert_eq!(answer.reason, "no; role \"x\" not found");
        assert!(!answer.allowed);
        assert!(allowed(&json!({"allowed": true})).allowed);
        assert!(!allowed(&json!({"allowed": false, "denied": true})).allowed);
    }
}
