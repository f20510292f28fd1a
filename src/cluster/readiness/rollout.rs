//! Whether a Deployment, DaemonSet or StatefulSet is rolled out: kubectl's `rollout status`, with
//! what it gets wrong put right. Nothing to roll out is no success here.
//!
//! The sentences are kubectl's; see its
//! [source](https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go).

use serde_json::Value;

use super::{condition, name, reason_and_message};

/// How far something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// On the way, with what is missing.
    Pending(String),
    /// There, with kubectl's sentence that says so.
    Ready(String),
    /// The cluster has given up, with its words; it would still take a success.
    GivenUp(String),
    /// It will not get there without someone's help, with the reason.
    Failed(String),
}

use Readiness::{Failed, GivenUp, Pending, Ready};

/// How far the rollout of a Deployment, DaemonSet or StatefulSet is; anything else has failed.
///
/// A status that is about an earlier generation counts as none.
#[must_use]
pub fn rolled_out(object: &Value) -> Readiness {
    match object["kind"].as_str().unwrap_or_default() {
        "DaemonSet" => daemon_set(object),
        "Deployment" => deployment(object),
        "StatefulSet" => stateful_set(object),
        kind => Failed(format!(
            "a {kind} has no rollout, only a Deployment, a DaemonSet and a StatefulSet have"
        )),
    }
}

/// Why the pods of a Deployment, a ReplicaSet or a ReplicationController are not let in: a quota, the
/// security of pods, a ServiceAccount that is not there. `None` where they are.
///
/// The other workloads say so in their events alone.
#[must_use]
pub fn pods_refused(object: &Value) -> Option<String> {
    let failure = condition(object, "ReplicaFailure")?;
    (failure["status"] == "True")
        .then(|| format!("its pods are refused: {}", reason_and_message(failure)))
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// Whether the controller has seen the object as it is now.
fn is_observed(object: &Value) -> bool {
    let observed = number(&object["status"]["observedGeneration"]);
    // Zero is a status that no controller wrote.
    observed > 0 && observed >= number(&object["metadata"]["generation"])
}

fn is_on_delete(object: &Value) -> bool {
    object["spec"]["updateStrategy"]["type"] == "OnDelete"
}

fn daemon_set(object: &Value) -> Readiness {
    let name = name(object);
    let status = &object["status"];
    if !is_observed(object) {
        return Pending("Waiting for daemon set spec update to be observed...".to_owned());
    }
    let desired = number(&status["desiredNumberScheduled"]);
    let updated = number(&status["updatedNumberScheduled"]);
    let available = number(&status["numberAvailable"]);
    let rollout = format!("Waiting for daemon set {name:?} rollout to finish");
    if desired == 0 {
        return Pending(format!(
            "{rollout}: no node is desired (no node matches its node selector, affinity and tolerations)"
        ));
    }
    if updated < desired {
        let scheduled = number(&status["currentNumberScheduled"]);
        let hint = if is_on_delete(object) && scheduled >= desired {
            " Its update strategy is OnDelete: the others are replaced only after they are deleted."
        } else {
            ""
        };
        return Pending(format!(
            "{rollout}: {updated} out of {desired} new pods have been updated...{hint}"
        ));
    }
    if available < desired {
        return Pending(format!(
            "{rollout}: {available} of {desired} updated pods are available..."
        ));
    }
    Ready(format!("daemon set {name:?} successfully rolled out"))
}

fn deployment(object: &Value) -> Readiness {
    let name = name(object);
    let status = &object["status"];
    if !is_observed(object) {
        return Pending("Waiting for deployment spec update to be observed...".to_owned());
    }
    // The API server writes the default of 1 into the spec.
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
    if wanted == 0 {
        return Failed(format!(
            "deployment {name:?} has nothing to roll out: replicas is 0"
        ));
    }
    if let Some(progressing) = condition(object, "Progressing")
        && progressing["reason"] == "ProgressDeadlineExceeded"
    {
        let message = progressing["message"].as_str().unwrap_or_default();
        return GivenUp(format!(
            "deployment {name:?} exceeded its progress deadline: {message}"
        ));
    }
    let updated = number(&status["updatedReplicas"]);
    let replicas = number(&status["replicas"]);
    let available = number(&status["availableReplicas"]);
    let rollout = format!("Waiting for deployment {name:?} rollout to finish");
    if updated < wanted {
        let paused = if object["spec"]["paused"] == true {
            " It is paused."
        } else {
            ""
        };
        return Pending(format!(
            "{rollout}: {updated} out of {wanted} new replicas have been updated...{paused}"
        ));
    }
    if replicas > updated {
        let old = replicas - updated;
        return Pending(format!(
            "{rollout}: {old} old replicas are pending termination..."
        ));
    }
    if available < updated {
        return Pending(format!(
            "{rollout}: {available} of {updated} updated replicas are available..."
        ));
    }
    Ready(format!("deployment {name:?} successfully rolled out"))
}

fn stateful_set(object: &Value) -> Readiness {
    let name = name(object);
    let (spec, status) = (&object["spec"], &object["status"]);
    if !is_observed(object) {
        return Pending("Waiting for statefulset spec update to be observed...".to_owned());
    }
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    if wanted == 0 {
        return Failed(format!(
            "statefulset {name:?} has nothing to roll out: replicas is 0"
        ));
    }
    let ready = number(&status["readyReplicas"]);
    if ready < wanted {
        return Pending(format!(
            "Waiting for {} pods to be ready...",
            wanted - ready
        ));
    }
    // With minReadySeconds, ready is not yet available. Servers before 1.22 have no such field.
    let available = status["availableReplicas"].as_i64().unwrap_or(ready);
    if available < wanted {
        return Pending(format!(
            "Waiting for {} pods to be available...",
            wanted - available
        ));
    }
    let updated = number(&status["updatedReplicas"]);
    let is_current = status["updateRevision"] == status["currentRevision"];
    if is_on_delete(object) {
        if is_current || updated >= wanted {
            return Ready(format!("statefulset {name:?} has {wanted} updated pods"));
        }
        return Pending(format!(
            "Waiting for statefulset {name:?}: {updated} out of {wanted} new pods have been updated... \
             Its update strategy is OnDelete: the others are replaced only after they are deleted."
        ));
    }
    if let Some(partition) = spec["updateStrategy"]["rollingUpdate"]["partition"].as_i64() {
        let due = (wanted - partition).max(0);
        if updated < due {
            return Pending(format!(
                "Waiting for partitioned roll out to finish: {updated} out of {due} new pods have been updated..."
            ));
        }
        return Ready(format!(
            "partitioned roll out complete: {updated} new pods have been updated..."
        ));
    }
    let revision = status["updateRevision"].as_str().unwrap_or_default();
    if !is_current {
        return Pending(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {revision}..."
        ));
    }
    let current = number(&status["currentReplicas"]);
    Ready(format!(
        "statefulset rolling update complete {current} pods at revision {revision}..."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(object: &Value, expected: &Readiness) {
        assert_eq!(&rolled_out(object), expected, "{object:#}");
    }

    fn daemon(strategy: &str, generation: (i64, i64), counts: (i64, i64, i64)) -> Value {
        let (desired, updated, available) = counts;
        json!({"kind": "DaemonSet",
            "metadata": {"name": "overlaytest", "generation": generation.0},
            "spec": {"updateStrategy": {"type": strategy}},
            "status": {"observedGeneration": generation.1, "desiredNumberScheduled": desired,
                       "currentNumberScheduled": desired, "updatedNumberScheduled": updated,
                       "numberAvailable": available}})
    }

    #[test]
    fn daemon_sets() {
        let pending = |text: &str| {
            Pending(format!(
                "Waiting for daemon set \"overlaytest\" rollout to finish: {text}"
            ))
        };
        let ready = Ready("daemon set \"overlaytest\" successfully rolled out".into());
        let observed = Pending("Waiting for daemon set spec update to be observed...".into());
        check(&daemon("RollingUpdate", (1, 1), (3, 3, 3)), &ready);
        check(&daemon("RollingUpdate", (2, 1), (3, 3, 3)), &observed);
        check(&daemon("RollingUpdate", (1, 0), (0, 0, 0)), &observed);
        check(
            &daemon("RollingUpdate", (2, 2), (3, 1, 3)),
            &pending("1 out of 3 new pods have been updated..."),
        );
        check(
            &daemon("RollingUpdate", (1, 1), (3, 3, 2)),
            &pending("2 of 3 updated pods are available..."),
        );
        check(
            &daemon("RollingUpdate", (1, 1), (0, 0, 0)),
            &pending(
                "no node is desired (no node matches its node selector, affinity and tolerations)",
            ),
        );
        check(&daemon("OnDelete", (1, 1), (3, 3, 3)), &ready);
        check(
            &daemon("OnDelete", (2, 2), (3, 1, 3)),
            &pending(
                "1 out of 3 new pods have been updated... Its update strategy is OnDelete: \
                 the others are replaced only after they are deleted.",
            ),
        );
        // Fresh from the API server, without any status.
        check(
            &json!({"kind": "DaemonSet", "metadata": {"name": "x", "generation": 1}}),
            &observed,
        );
    }

    fn deploy(wanted: i64, counts: (i64, i64, i64), conditions: Value) -> Value {
        let (replicas, updated, available) = counts;
        json!({"kind": "Deployment", "metadata": {"name": "web", "generation": 3},
            "spec": {"replicas": wanted},
            "status": {"observedGeneration": 3, "replicas": replicas, "updatedReplicas": updated,
                       "availableReplicas": available, "conditions": conditions}})
    }

    #[test]
    fn deployments() {
        let pending = |text: &str| {
            Pending(format!(
                "Waiting for deployment \"web\" rollout to finish: {text}"
            ))
        };
        check(
            &deploy(2, (2, 2, 2), json!([])),
            &Ready("deployment \"web\" successfully rolled out".into()),
        );
        check(
            &deploy(2, (2, 1, 1), json!([])),
            &pending("1 out of 2 new replicas have been updated..."),
        );
        check(
            &deploy(2, (3, 2, 2), json!([])),
            &pending("1 old replicas are pending termination..."),
        );
        check(
            &deploy(2, (2, 2, 1), json!([])),
            &pending("1 of 2 updated replicas are available..."),
        );
        check(
            &deploy(0, (0, 0, 0), json!([])),
            &Failed("deployment \"web\" has nothing to roll out: replicas is 0".into()),
        );
        check(
            &deploy(
                2,
                (2, 2, 1),
                json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                        "message": "ReplicaSet \"web-1\" has timed out progressing."}]),
            ),
            &GivenUp(
                "deployment \"web\" exceeded its progress deadline: \
                 ReplicaSet \"web-1\" has timed out progressing."
                    .into(),
            ),
        );
        let mut paused = deploy(2, (2, 0, 2), json!([]));
        paused["spec"]["paused"] = true.into();
        check(
            &paused,
            &pending("0 out of 2 new replicas have been updated... It is paused."),
        );
        let mut stale = deploy(2, (2, 2, 2), json!([]));
        stale["metadata"]["generation"] = 4.into();
        check(
            &stale,
            &Pending("Waiting for deployment spec update to be observed...".into()),
        );
    }

    fn stateful(strategy: Value, ready: i64, updated: i64, revisions: (&str, &str)) -> Value {
        json!({"kind": "StatefulSet", "metadata": {"name": "db", "generation": 1},
            "spec": {"replicas": 3, "updateStrategy": strategy},
            "status": {"observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": updated,
                       "currentReplicas": 3, "currentRevision": revisions.0, "updateRevision": revisions.1}})
    }

    #[test]
    fn stateful_sets() {
        let rolling = json!({"type": "RollingUpdate"});
        let partitioned =
            |from: i64| json!({"type": "RollingUpdate", "rollingUpdate": {"partition": from}});
        check(
            &stateful(rolling.clone(), 1, 3, ("a", "a")),
            &Pending("Waiting for 2 pods to be ready...".into()),
        );
        check(
            &stateful(rolling.clone(), 3, 1, ("a", "b")),
            &Pending(
                "waiting for statefulset rolling update to complete 1 pods at revision b...".into(),
            ),
        );
        check(
            &stateful(rolling, 3, 3, ("b", "b")),
            &Ready("statefulset rolling update complete 3 pods at revision b...".into()),
        );
        check(
            &stateful(partitioned(2), 3, 0, ("a", "b")),
            &Pending(
                "Waiting for partitioned roll out to finish: 0 out of 1 new pods have been updated..."
                    .into(),
            ),
        );
        check(
            &stateful(partitioned(2), 3, 1, ("a", "b")),
            &Ready("partitioned roll out complete: 1 new pods have been updated...".into()),
        );
        assert!(matches!(
            rolled_out(&stateful(json!({"type": "OnDelete"}), 3, 1, ("a", "b"))),
            Pending(text) if text.contains("OnDelete")
        ));
        let mut slow = stateful(json!({"type": "RollingUpdate"}), 3, 3, ("b", "b"));
        slow["status"]["availableReplicas"] = 1.into();
        check(
            &slow,
            &Pending("Waiting for 2 pods to be available...".into()),
        );
    }

    #[test]
    fn why_pods_are_refused_is_told() {
        let refused = |status: &str| {
            deploy(
                1,
                (0, 0, 0),
                json!([{"type": "ReplicaFailure", "status": status, "reason": "FailedCreate",
                        "message": "pods \"web-1\" is forbidden: exceeded quota: none"}]),
            )
        };
        assert_eq!(
            pods_refused(&refused("True")).as_deref(),
            Some(
                "its pods are refused: FailedCreate: pods \"web-1\" is forbidden: exceeded quota: none"
            )
        );
        assert_eq!(pods_refused(&refused("False")), None);
        assert_eq!(pods_refused(&deploy(1, (0, 0, 0), json!([]))), None);
    }

    #[test]
    fn other_kinds_have_no_rollout() {
        assert!(matches!(rolled_out(&json!({"kind": "Pod"})), Failed(_)));
    }
}
