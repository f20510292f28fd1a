//! Whether a pod is ready, on the way, kept by what may pass, or stuck until somebody helps; in the
//! words of the kubelet and the scheduler.

use serde_json::Value;

use super::node::{NodeHealth, node_health};
use super::{array, condition, name, reason_and_message};

/// How far a pod is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodReadiness {
    /// It is ready, and so is its node.
    Ready,
    /// On the way, with what is missing.
    Pending(String),
    /// Something keeps it, with the cluster's words, that the cluster tries again by itself: a node
    /// may come, a registry answer, a ConfigMap be made.
    Hindered(String),
    /// It will not become ready by itself, with the cluster's words, although the cluster may go on
    /// trying: its image has a name that no registry knows, its node is silent.
    ///
    /// That may change all the same: the image may be pushed, the node come back.
    Hopeless(String),
    /// It has ended, and does not begin again.
    Over(String),
}

use PodReadiness::{Hindered, Hopeless, Over, Pending, Ready};

/// Why a container waits although its turn has come; all of these the kubelet tries again.
///
/// See the kubelet's [reasons](https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/images/types.go).
const STUCK: [&str; 13] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "PreStartHookError",
    "PostStartHookError",
    "CrashLoopBackOff",
];

/// How far a pod is, given its node where that is known.
///
/// The status of a pod whose node does not answer is old news, so the node comes first.
#[must_use]
pub fn pod_state(pod: &Value, node: Option<&Value>) -> PodReadiness {
    let status = &pod["status"];
    let over = match status["phase"].as_str() {
        Some("Failed") => {
            let why = reason_and_message(status);
            let why = if why.is_empty() { ended(pod) } else { why };
            Some(join("it has failed", &why))
        }
        Some("Succeeded") => Some("it has ended (Succeeded)".to_owned()),
        _ => None,
    };
    if let Some(over) = over {
        return match is_replaced(pod) {
            true => Hindered(over),
            false => Over(over),
        };
    }
    match node.map(node_health) {
        None | Some(NodeHealth::Well) => {}
        Some(NodeHealth::Starting(problem)) => return Hindered(problem),
        Some(NodeHealth::Silent(problem)) => return Hopeless(problem),
    }
    // one of the same name may follow
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return Hindered("it is being deleted (Terminating)".to_owned());
    }
    let ready = condition(pod, "Ready");
    if ready.is_some_and(|ready| ready["status"] == "True") {
        return Ready;
    }
    if let Some(scheduled) = condition(pod, "PodScheduled")
        && scheduled["status"] == "False"
    {
        let why = reason_and_message(scheduled);
        return match scheduled["reason"].as_str() {
            Some("SchedulerError") => Pending(why),
            // a node may come, or be free of a taint
            _ => Hindered(why),
        };
    }
    stuck_container(status).unwrap_or_else(|| Pending(missing(pod, ready)))
}

/// Whether the owner of a pod that has ended takes it away and makes another one.
fn is_replaced(pod: &Value) -> bool {
    array(&pod["metadata"]["ownerReferences"]).any(|owner| {
        owner["controller"] == true
            && (owner["kind"] == "DaemonSet" || owner["kind"] == "StatefulSet")
    })
}

/// The container that waits in vain; of several, one that will not heal, or whose message has the
/// cause.
fn stuck_container(status: &Value) -> Option<PodReadiness> {
    let containers = ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|field| array(&status[field]));
    let stuck: Vec<&Value> = containers
        .filter(|container| {
            let reason = container["state"]["waiting"]["reason"].as_str();
            reason.is_some_and(|reason| STUCK.contains(&reason))
        })
        .collect();
    let is_hopeless = |container: &&&Value| {
        let waiting = &container["state"]["waiting"];
        let text = |field: &str| waiting[field].as_str().unwrap_or_default();
        stays(text("reason"), text("message"))
    };
    let has_cause = |container: &&&Value| {
        container["state"]["waiting"]["reason"] != "ImagePullBackOff"
            || container["state"]["waiting"]["message"]
                .as_str()
                .is_some_and(|message| message.contains("ErrImagePull"))
    };
    let hopeless = stuck.iter().find(is_hopeless);
    let container = hopeless
        .or_else(|| stuck.iter().find(has_cause))
        .or_else(|| stuck.first())?;
    let mut text = format!(
        "container {:?}: {}",
        container["name"].as_str().unwrap_or_default(),
        reason_and_message(&container["state"]["waiting"])
    );
    let last = &container["lastState"]["terminated"];
    if last.is_object() {
        text = format!("{text}; it last ended with {}", termination(last));
    }
    Some(match hopeless {
        Some(_) => Hopeless(text),
        None => Hindered(text),
    })
}

/// Whether what keeps a container will not go by itself, however often the kubelet tries.
///
/// Registries that hide what they have say the same of a name that they do not know and of one
/// that needs a password (`pull access denied`), and a Secret may come: that is not meant.
fn stays(reason: &str, message: &str) -> bool {
    match reason {
        "InvalidImageName" | "ErrImageNeverPull" => true,
        "ErrImagePull" | "ImagePullBackOff" => {
            let has = |words: &str| message.contains(words);
            has("manifest unknown")
                || has("name unknown")
                || has("no match for platform in manifest")
                || (has("failed to resolve reference") && has(": not found"))
        }
        "CreateContainerConfigError" => message.contains("runAsNonRoot"),
        _ => false,
    }
}

/// `exit code 1 (Error): message`
fn termination(terminated: &Value) -> String {
    let code = terminated["exitCode"].as_i64().unwrap_or_default();
    let mut text = format!("exit code {code}");
    if let Some(reason) = terminated["reason"]
        .as_str()
        .filter(|reason| !reason.is_empty())
    {
        text = format!("{text} ({reason})");
    }
    if let Some(message) = terminated["message"].as_str().map(str::trim)
        && !message.is_empty()
    {
        text = format!("{text}: {message}");
    }
    text
}

/// How the containers of a pod that failed ended.
fn ended(pod: &Value) -> String {
    let ends: Vec<String> = ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|field| array(&pod["status"][field]))
        .filter(|container| {
            let code = container["state"]["terminated"]["exitCode"].as_i64();
            code.is_some_and(|code| code != 0)
        })
        .map(|container| {
            let name = container["name"].as_str().unwrap_or_default();
            let end = termination(&container["state"]["terminated"]);
            format!("container {name:?} ended with {end}")
        })
        .collect();
    ends.join("; ")
}

/// What a pod that is on the way lacks.
fn missing(pod: &Value, ready: Option<&Value>) -> String {
    let status = &pod["status"];
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if node.is_empty() {
        return "it has no node yet".to_owned();
    }
    for (field, what) in [
        ("initContainerStatuses", "init container"),
        ("containerStatuses", "container"),
    ] {
        for container in array(&status[field]) {
            let name = container["name"].as_str().unwrap_or_default();
            let state = &container["state"];
            if state["waiting"].is_object() {
                return join(
                    &format!("{what} {name:?} waits"),
                    &reason_and_message(&state["waiting"]),
                );
            }
            if state["terminated"].is_object() && state["terminated"]["exitCode"] != 0 {
                return format!(
                    "{what} {name:?} ended with {}",
                    termination(&state["terminated"])
                );
            }
            if field == "containerStatuses" && container["ready"] != true {
                return format!("{what} {name:?} is not ready");
            }
        }
    }
    match ready.map(reason_and_message) {
        Some(why) if !why.is_empty() => why,
        _ => format!("node {node} has not started it yet"),
    }
}

fn join(what: &str, why: &str) -> String {
    if why.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {why}")
    }
}

impl PodReadiness {
    /// The words for what is missing or in the way, with the pod's name; none where it is ready.
    #[must_use]
    pub fn describe(&self, pod: &Value) -> Option<String> {
        match self {
            Ready => None,
            Pending(why) | Hindered(why) => Some(format!("pod {} is not ready: {why}", name(pod))),
            Hopeless(why) | Over(why) => {
                Some(format!("pod {} cannot become ready: {why}", name(pod)))
            }
        }
    }

    /// The words for what is missing or in the way; none where it is ready.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Ready => None,
            Pending(why) | Hindered(why) | Hopeless(why) | Over(why) => Some(why),
        }
    }

    /// Whether it may still become ready without anybody's help.
    #[must_use]
    pub fn may_come(&self) -> bool {
        match self {
            Pending(_) | Hindered(_) => true,
            Ready | Hopeless(_) | Over(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: Value) -> Value {
        json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"nodeName": "node1"}, "status": status})
    }

    fn waiting(reason: &str, message: &str) -> Value {
        json!({"phase": "Pending", "containerStatuses": [
            {"name": "main", "state": {"waiting": {"reason": reason, "message": message}}}]})
    }

    fn check(pod: &Value, expected: &PodReadiness) {
        assert_eq!(&pod_state(pod, None), expected, "{pod:#}");
    }

    fn hindered(text: &str) -> PodReadiness {
        Hindered(text.to_owned())
    }

    fn hopeless(text: &str) -> PodReadiness {
        Hopeless(text.to_owned())
    }

    fn over(text: &str) -> PodReadiness {
        Over(text.to_owned())
    }

    #[test]
    fn ready_needs_the_condition() {
        check(
            &pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})),
            &Ready,
        );
        check(
            &pod(
                json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False",
                "reason": "ContainersNotReady", "message": "containers with unready status: [main]"}],
                "containerStatuses": [{"name": "main", "ready": false, "state": {"running": {}}}]}),
            ),
            &Pending("container \"main\" is not ready".into()),
        );
    }

    #[test]
    fn what_the_kubelet_tries_again_may_pass() {
        for reason in STUCK {
            let words = format!("container \"main\": {reason}: the cause");
            let expected = match reason {
                "InvalidImageName" | "ErrImageNeverPull" => hopeless(&words),
                _ => hindered(&words),
            };
            check(&pod(waiting(reason, "the cause")), &expected);
        }
        for reason in ["ContainerCreating", "PodInitializing"] {
            check(
                &pod(waiting(reason, "")),
                &Pending(format!("container \"main\" waits: {reason}")),
            );
        }
    }

    #[test]
    fn only_what_no_registry_has_is_hopeless() {
        // as kubelets with containerd and CRI-O write it
        let pulls = [
            (
                "rpc error: code = NotFound desc = failed to pull and unpack image \
                 \"docker.io/library/busybox:nope\": failed to resolve reference \
                 \"docker.io/library/busybox:nope\": docker.io/library/busybox:nope: not found",
                true,
            ),
            (
                "reading manifest nope in quay.io/a/b: manifest unknown",
                true,
            ),
            ("name unknown: repository name not known to registry", true),
            (
                "failed to pull and unpack image \"r/a:1\": no match for platform in manifest: not found",
                true,
            ),
            (
                "failed to resolve reference \"r/a:1\": unexpected status from HEAD request to \
                 https://r/v2/a/manifests/1: 429 Too Many Requests: toomanyrequests: Rate exceeded",
                false,
            ),
            (
                "failed to resolve reference \"r/a:1\": failed to do request: Head \"https://r/\": \
                 dial tcp 192.0.2.1:443: i/o timeout",
                false,
            ),
            (
                "failed to resolve reference \"r/a:1\": failed to do request: dial tcp: \
                 lookup r on 10.0.0.1:53: no such host",
                false,
            ),
            (
                "failed to resolve reference \"docker.io/library/x:1\": pull access denied, \
                 repository does not exist or may require authorization",
                false,
            ),
            (
                "failed to copy: httpReadSeeker: failed open: not found",
                false,
            ),
        ];
        for (message, is_hopeless) in pulls {
            for (reason, message) in [
                ("ErrImagePull", message.to_owned()),
                (
                    "ImagePullBackOff",
                    format!("Back-off pulling image \"a\": ErrImagePull: {message}"),
                ),
            ] {
                let state = pod_state(&pod(waiting(reason, &message)), None);
                assert_eq!(matches!(state, Hopeless(_)), is_hopeless, "{state:?}");
                assert_eq!(state.may_come(), !is_hopeless, "{state:?}");
            }
        }
        let config =
            |message: &str| pod_state(&pod(waiting("CreateContainerConfigError", message)), None);
        let root = "container has runAsNonRoot and image will run as root (pod: \"p\")";
        assert!(matches!(config(root), Hopeless(_)));
        assert!(matches!(
            config("configmap \"late\" not found"),
            Hindered(_)
        ));
    }

    #[test]
    fn of_several_containers_the_hopeless_one_is_quoted() {
        let container = |name: &str, reason: &str, message: &str| json!({"name": name, "state": {"waiting": {"reason": reason, "message": message}}});
        let status = json!({"phase": "Pending", "containerStatuses": [
            container("a", "ErrImagePull", "toomanyrequests"),
            container("b", "InvalidImageName", "couldn't parse image name")]});
        check(
            &pod(status),
            &hopeless("container \"b\": InvalidImageName: couldn't parse image name"),
        );
    }

    #[test]
    fn of_several_containers_the_one_with_the_cause_is_quoted() {
        let container = |name: &str, reason: &str, message: &str| json!({"name": name, "state": {"waiting": {"reason": reason, "message": message}}});
        let status = json!({"phase": "Pending", "containerStatuses": [
            container("a", "ImagePullBackOff", "Back-off pulling image \"x\""),
            container("b", "ErrImagePull", "toomanyrequests")]});
        check(
            &pod(status),
            &hindered("container \"b\": ErrImagePull: toomanyrequests"),
        );
    }

    #[test]
    fn a_crash_loop_tells_the_last_exit_code() {
        let status = json!({"phase": "Running", "containerStatuses": [{"name": "main",
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "no such file\n"}}}]});
        check(
            &pod(status),
            &hindered(
                "container \"main\": CrashLoopBackOff: back-off 10s restarting failed container; \
                 it last ended with exit code 1 (Error): no such file",
            ),
        );
        // The first crash may be the only one.
        let status = json!({"phase": "Running", "containerStatuses": [{"name": "main",
            "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]});
        check(
            &pod(status),
            &Pending("container \"main\" ended with exit code 137 (OOMKilled)".into()),
        );
    }

    #[test]
    fn init_containers_keep_a_pod_too() {
        let status = json!({"phase": "Pending", "initContainerStatuses": [{"name": "init",
            "state": {"waiting": {"reason": "CreateContainerConfigError", "message": "secret \"s\" not found"}}}],
            "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}]});
        check(
            &pod(status),
            &hindered("container \"init\": CreateContainerConfigError: secret \"s\" not found"),
        );
    }

    #[test]
    fn the_scheduler_is_quoted() {
        let unscheduled = |reason: &str| {
            json!({"metadata": {"name": "p"}, "spec": {}, "status": {"phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": reason,
                "message": "0/3 nodes are available: 3 Insufficient cpu."}]}})
        };
        check(
            &unscheduled("Unschedulable"),
            &hindered("Unschedulable: 0/3 nodes are available: 3 Insufficient cpu."),
        );
        assert!(matches!(
            pod_state(&unscheduled("SchedulerError"), None),
            Pending(_)
        ));
        check(
            &json!({"metadata": {"name": "p"}, "spec": {}, "status": {"phase": "Pending"}}),
            &Pending("it has no node yet".into()),
        );
        check(
            &pod(json!({"phase": "Pending"})),
            &Pending("node node1 has not started it yet".into()),
        );
    }

    #[test]
    fn a_pod_that_has_ended_does_not_come_back() {
        check(
            &pod(json!({"phase": "Failed", "reason": "Evicted",
                "message": "The node was low on resource: memory."})),
            &over("it has failed: Evicted: The node was low on resource: memory."),
        );
        check(
            &pod(json!({"phase": "Failed", "containerStatuses": [
                {"name": "main", "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}]})),
            &over("it has failed: container \"main\" ended with exit code 2 (Error)"),
        );
        check(
            &pod(json!({"phase": "Succeeded"})),
            &over("it has ended (Succeeded)"),
        );
        let mut terminating =
            pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}));
        terminating["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        check(&terminating, &hindered("it is being deleted (Terminating)"));
    }

    #[test]
    fn a_pod_that_has_ended_may_be_replaced() {
        let owned = |kind: &str| {
            let mut pod = pod(json!({"phase": "Failed", "reason": "Evicted"}));
            pod["metadata"]["ownerReferences"] =
                json!([{"kind": kind, "name": "o", "controller": true}]);
            pod
        };
        check(&owned("DaemonSet"), &hindered("it has failed: Evicted"));
        check(&owned("StatefulSet"), &hindered("it has failed: Evicted"));
        // another one comes, but this one stays
        check(&owned("ReplicaSet"), &over("it has failed: Evicted"));
    }

    #[test]
    fn a_node_that_says_itself_that_it_is_not_ready_is_at_work_on_it() {
        let node = json!({"metadata": {"name": "node3"}, "status": {"conditions": [
            {"type": "Ready", "status": "False", "reason": "KubeletNotReady",
             "message": "container runtime network not ready: cni plugin not initialized"}]}});
        let state = pod_state(&pod(json!({"phase": "Pending"})), Some(&node));
        assert!(state.may_come(), "{state:?}");
    }

    #[test]
    fn a_node_that_does_not_answer_blocks_even_a_pod_that_says_ready() {
        let node = json!({"metadata": {"name": "node3"}, "status": {"conditions": [
            {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
             "message": "Kubelet stopped posting node status."}]}});
        let ready =
            pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}));
        let state = pod_state(&ready, Some(&node));
        assert_eq!(
            state,
            hopeless(
                "node node3 is NotReady: Kubelet stopped posting node status. (NodeStatusUnknown)"
            )
        );
        assert_eq!(
            state.describe(&ready).unwrap(),
            "pod p cannot become ready: node node3 is NotReady: \
             Kubelet stopped posting node status. (NodeStatusUnknown)"
        );
    }
}
