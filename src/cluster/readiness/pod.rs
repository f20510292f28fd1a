//! Whether a pod is ready, on the way, or stuck until somebody helps; in the words of the kubelet
//! and the scheduler.

use serde_json::Value;

use super::node::node_problem;
use super::{array, condition, name, reason_and_message};

/// How far a pod is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodReadiness {
    /// It is ready, and so is its node.
    Ready,
    /// On the way, with what is missing.
    Pending(String),
    /// It cannot become ready without someone's help, with the cluster's words.
    ///
    /// That may change again: an image may be pushed, a node may come back.
    Blocked(String),
}

use PodReadiness::{Blocked, Pending, Ready};

/// Why a container waits for something that does not come by itself.
///
/// See the kubelet's [reasons](https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/images/types.go).
/// `ErrImagePull` is the first of a series; its message has the cause, which `ImagePullBackOff`
/// often lacks, so it is not waited out.
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
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return Blocked("it is being deleted (Terminating)".to_owned());
    }
    let status = &pod["status"];
    match status["phase"].as_str() {
        Some("Failed") => {
            let why = reason_and_message(status);
            let why = if why.is_empty() { ended(pod) } else { why };
            return Blocked(join("it has failed", &why));
        }
        Some("Succeeded") => return Blocked("it has ended (Succeeded)".to_owned()),
        _ => {}
    }
    if let Some(problem) = node.and_then(node_problem) {
        return Blocked(problem);
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
            // What the scheduler will take up again by itself after an error of its own.
            Some("SchedulerError") => Pending(why),
            _ => Blocked(why),
        };
    }
    if let Some(stuck) = stuck_container(status) {
        return Blocked(stuck);
    }
    Pending(missing(pod, ready))
}

/// The container that waits in vain; of several, one whose message has the cause.
fn stuck_container(status: &Value) -> Option<String> {
    let containers = ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|field| array(&status[field]));
    let stuck: Vec<&Value> = containers
        .filter(|container| {
            let reason = container["state"]["waiting"]["reason"].as_str();
            reason.is_some_and(|reason| STUCK.contains(&reason))
        })
        .collect();
    let has_cause = |container: &&&Value| {
        container["state"]["waiting"]["reason"] != "ImagePullBackOff"
            || container["state"]["waiting"]["message"]
                .as_str()
                .is_some_and(|message| message.contains("ErrImagePull"))
    };
    let container = stuck.iter().find(has_cause).or_else(|| stuck.first())?;
    let mut text = format!(
        "container {:?}: {}",
        container["name"].as_str().unwrap_or_default(),
        reason_and_message(&container["state"]["waiting"])
    );
    let last = &container["lastState"]["terminated"];
    if last.is_object() {
        text = format!("{text}; it last ended with {}", termination(last));
    }
    Some(text)
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
            Pending(why) => Some(format!("pod {} is not ready: {why}", name(pod))),
            Blocked(why) => Some(format!("pod {} cannot become ready: {why}", name(pod))),
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

    fn blocked(text: &str) -> PodReadiness {
        Blocked(text.to_owned())
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
    fn images_that_cannot_be_pulled_block_at_once() {
        for reason in STUCK {
            check(
                &pod(waiting(reason, "the cause")),
                &blocked(&format!("container \"main\": {reason}: the cause")),
            );
        }
        for reason in ["ContainerCreating", "PodInitializing"] {
            check(
                &pod(waiting(reason, "")),
                &Pending(format!("container \"main\" waits: {reason}")),
            );
        }
    }

    #[test]
    fn of_several_containers_the_one_with_the_cause_is_quoted() {
        let container = |name: &str, reason: &str, message: &str| json!({"name": name, "state": {"waiting": {"reason": reason, "message": message}}});
        let status = json!({"phase": "Pending", "containerStatuses": [
            container("a", "ImagePullBackOff", "Back-off pulling image \"x\""),
            container("b", "ErrImagePull", "manifest unknown")]});
        check(
            &pod(status),
            &blocked("container \"b\": ErrImagePull: manifest unknown"),
        );
    }

    #[test]
    fn a_crash_loop_tells_the_last_exit_code() {
        let status = json!({"phase": "Running", "containerStatuses": [{"name": "main",
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "no such file\n"}}}]});
        check(
            &pod(status),
            &blocked(
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
    fn init_containers_block_too() {
        let status = json!({"phase": "Pending", "initContainerStatuses": [{"name": "init",
            "state": {"waiting": {"reason": "CreateContainerConfigError", "message": "secret \"s\" not found"}}}],
            "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}]});
        check(
            &pod(status),
            &blocked("container \"init\": CreateContainerConfigError: secret \"s\" not found"),
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
            &blocked("Unschedulable: 0/3 nodes are available: 3 Insufficient cpu."),
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
            &blocked("it has failed: Evicted: The node was low on resource: memory."),
        );
        check(
            &pod(json!({"phase": "Failed", "containerStatuses": [
                {"name": "main", "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}]})),
            &blocked("it has failed: container \"main\" ended with exit code 2 (Error)"),
        );
        check(
            &pod(json!({"phase": "Succeeded"})),
            &blocked("it has ended (Succeeded)"),
        );
        let mut terminating =
            pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}));
        terminating["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        check(&terminating, &blocked("it is being deleted (Terminating)"));
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
            blocked(
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
