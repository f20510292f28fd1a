//! Whether a condition of any kind of object holds, for the object as it is now; and whether a Job
//! has failed, which its conditions say.
//!
//! See [conditions](https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties).

use serde_json::Value;

use super::{array, condition, reason_and_message};

/// Whether a condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionState {
    /// It has the status that was asked for, and is about the object as it is now.
    Met,
    /// It has not, with what is there instead: `Ready is False: ContainersNotReady: …`.
    NotYet(String),
}

use ConditionState::{Met, NotYet};

/// Whether the condition `kind` of an object has the `status` (`True`, `False`, `Unknown`).
///
/// A condition that is about an earlier generation is not met, whatever it says: by its own
/// `observedGeneration`, or else that of the status. Types and statuses compare without case, as
/// kubectl's do.
#[must_use]
pub fn condition_state(object: &Value, kind: &str, status: &str) -> ConditionState {
    let conditions = &object["status"]["conditions"];
    let found = array(conditions).find(|condition| is(&condition["type"], kind));
    let Some(found) = found else {
        let known: Vec<&str> = array(conditions)
            .filter_map(|condition| condition["type"].as_str())
            .collect();
        return NotYet(if known.is_empty() {
            format!("status.conditions has no {kind}: it is empty")
        } else {
            format!("status.conditions has no {kind}, only {}", known.join(", "))
        });
    };
    let value = found["status"].as_str().unwrap_or_default();
    if !is(&found["status"], status) {
        let why = reason_and_message(found);
        return NotYet(if why.is_empty() {
            format!("{kind} is {value}")
        } else {
            format!("{kind} is {value}: {why}")
        });
    }
    let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
    let observed = [found, &object["status"]]
        .into_iter()
        .find_map(|holder| holder["observedGeneration"].as_i64());
    match observed {
        Some(observed) if observed < generation => NotYet(format!(
            "{kind} is {value}, but for generation {observed} of the object, which is at {generation}"
        )),
        _ => Met,
    }
}

fn is(value: &Value, expected: &str) -> bool {
    let text = value.as_str();
    text.is_some_and(|text| text.eq_ignore_ascii_case(expected))
}

/// Why a Job has failed; `None` where it has not, or not yet.
///
/// `FailureTarget` counts: from then on it only waits for its pods to end. See
/// [Job](https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions).
#[must_use]
pub fn job_failed(job: &Value) -> Option<String> {
    let failed = ["Failed", "FailureTarget"]
        .into_iter()
        .filter_map(|kind| condition(job, kind))
        .find(|condition| condition["status"] == "True")?;
    let why = reason_and_message(failed);
    Some(if why.is_empty() {
        "the Job has failed".to_owned()
    } else {
        why
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions() {
        let ready = json!([{"type": "Ready", "status": "True"}]);
        let cases = [
            (json!({}), "status.conditions has no Ready: it is empty"),
            (
                json!({"status": {"conditions": [{"type": "A"}, {"type": "B"}]}}),
                "status.conditions has no Ready, only A, B",
            ),
            (
                json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "R", "message": "m"}]}}),
                "Ready is False: R: m",
            ),
            (
                json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}),
                "Ready is Unknown",
            ),
            (
                json!({"metadata": {"generation": 3}, "status": {"conditions": ready, "observedGeneration": 2}}),
                "Ready is True, but for generation 2 of the object, which is at 3",
            ),
            // The condition knows better than the status.
            (
                json!({"metadata": {"generation": 3}, "status": {"observedGeneration": 3,
                       "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 2}]}}),
                "Ready is True, but for generation 2 of the object, which is at 3",
            ),
        ];
        for (object, expected) in cases {
            let state = condition_state(&object, "Ready", "True");
            assert_eq!(state, NotYet(expected.to_owned()), "{object}");
        }
        let met = [
            json!({"status": {"conditions": ready}}),
            json!({"metadata": {"generation": 3}, "status": {"conditions": ready}}),
            json!({"metadata": {"generation": 3}, "status": {"conditions": ready, "observedGeneration": 3}}),
        ];
        for object in met {
            assert_eq!(condition_state(&object, "ready", "true"), Met, "{object}");
        }
    }

    #[test]
    fn a_condition_may_be_wanted_false() {
        let node =
            json!({"status": {"conditions": [{"type": "MemoryPressure", "status": "False"}]}});
        assert_eq!(condition_state(&node, "MemoryPressure", "False"), Met);
    }

    #[test]
    fn a_job_fails_by_its_conditions() {
        let job = |kind: &str, status: &str| {
            json!({"status": {"failed": 1, "conditions": [
                {"type": kind, "status": status, "reason": "BackoffLimitExceeded", "message": "m"}]}})
        };
        let why = Some("BackoffLimitExceeded: m".to_owned());
        assert_eq!(job_failed(&job("Failed", "True")), why);
        assert_eq!(job_failed(&job("FailureTarget", "True")), why);
        assert_eq!(job_failed(&job("Failed", "False")), None);
        assert_eq!(job_failed(&job("Complete", "True")), None);
    }
}
