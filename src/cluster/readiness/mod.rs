//! Reads from objects whether they are ready, cannot become so, or are on the way: pure functions
//! of the JSON. Following the objects is `watch`'s job, and what a verdict leads to the caller's.

mod conditions;
mod node;
mod owner;
mod pod;
mod rollout;

pub use conditions::{ConditionState, condition_state, job_failed};
pub use node::{Exclusion, node_excluded_by, node_not_ready, node_problem, passing_taint};
pub use owner::{owned_by, pods_of};
pub use pod::{PodReadiness, pod_state};
pub use rollout::{Readiness, pods_refused, rolled_out};

use serde_json::Value;

/// The condition of this type in an object's status.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// `Reason: message`, or whichever of them there is.
fn reason_and_message(value: &Value) -> String {
    let text = |field: &str| value[field].as_str().map(str::trim).unwrap_or_default();
    match (text("reason"), text("message")) {
        ("", message) => message.to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}
