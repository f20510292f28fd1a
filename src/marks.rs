//! The marks that a run leaves in a cluster: the labels of what it makes, the Lease that says that it
//! lives, and how it marks what it wrote down of an object that it changed. Pure; making and renewing
//! them is `run`'s job, what follows from old ones `sweep`'s.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

/// The label of everything that a run makes; its value is the run's id.
pub const RUN_LABEL: &str = "kubeproof.dev/run";
/// The label of everything that a suite makes; its value is the suite's name.
pub const SUITE_LABEL: &str = "kubeproof.dev/suite";

/// The label of a Secret that says what an object was like before a run changed it; its value is
/// which of the run's changed objects, and which state of knowledge about it: `3-2`.
pub const SNAPSHOT_LABEL: &str = "kubeproof.dev/snapshot";
/// The annotation of such a Secret that says which object: `node/node1`.
pub const SNAPSHOT_OF: &str = "kubeproof.dev/snapshot-of";

/// The name of the Lease in a namespace that the run made.
pub const LEASE_NAME: &str = "kubeproof";
/// How long a Lease says that its run lives.
pub const LEASE_DURATION: Duration = Duration::from_secs(30);
/// How often it is renewed: two renewals may be lost.
pub const RENEW_EVERY: Duration = Duration::from_secs(10);

/// How many characters a run's id has.
const ID_LENGTH: usize = 10;

/// An id for a new run: short enough for names, and never met twice.
pub fn new_run_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..ID_LENGTH].to_owned()
}

/// Whether a text has the form of a run's id.
pub fn is_run_id(text: &str) -> bool {
    text.len() == ID_LENGTH
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The name of the Lease in a namespace that was there, where other runs may have theirs.
pub fn lease_name_beside(run: &str) -> String {
    format!("{LEASE_NAME}-{run}")
}

/// The Lease of a run that lives at `now`.
pub fn lease(
    namespace: &str,
    name: &str,
    run: &str,
    labels: &[(String, String)],
    now: Timestamp,
) -> Value {
    let labels: serde_json::Map<_, _> = labels
        .iter()
        .map(|(label, value)| (label.clone(), json!(value)))
        .collect();
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "holderIdentity": run,
            "leaseDurationSeconds": LEASE_DURATION.as_secs(),
            "acquireTime": micro_time(now),
            "renewTime": micro_time(now),
        },
    })
}

/// The merge patch by which a Lease says that its run still lives at `now`.
pub fn renewal(now: Timestamp) -> Value {
    json!({"spec": {"renewTime": micro_time(now)}})
}

/// The API takes exactly six digits behind the point.
fn micro_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// What a Lease says about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOfLife {
    /// The run's id.
    pub run: String,
    /// When the run last said so, by the clock of the API server.
    pub renewed: Timestamp,
    /// How long that holds.
    pub holds_for: Duration,
}

impl SignOfLife {
    /// Reads a Lease; nothing where it is not one that a run holds to say that it lives, as a
    /// Lease that a suite made for itself.
    pub fn of(lease: &Value) -> Option<Self> {
        let run = lease["metadata"]["labels"][RUN_LABEL].as_str()?;
        let name = lease["metadata"]["name"].as_str()?;
        let is_its_own = name == LEASE_NAME || name == lease_name_beside(run);
        let spec = &lease["spec"];
        if !is_run_id(run) || !is_its_own || spec["holderIdentity"] != run {
            return None;
        }
        let seconds = spec["leaseDurationSeconds"].as_u64()?;
        Some(Self {
            run: run.to_owned(),
            renewed: spec["renewTime"].as_str()?.parse().ok()?,
            holds_for: Duration::from_secs(seconds),
        })
    }

    fn holds_at(&self, now: Timestamp) -> bool {
        age(self.renewed, now) < self.holds_for
    }
}

/// How long ago something was; nothing where it is yet to come.
pub fn age(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

/// Whether a run lives, by what it said itself. One that has not said anything may just have
/// begun: so it lives as long as a first Lease would have held from its youngest object on.
pub fn lives(signs: &[SignOfLife], youngest: Option<Timestamp>, now: Timestamp) -> bool {
    if signs.is_empty() {
        return youngest.is_some_and(|youngest| age(youngest, now) < LEASE_DURATION);
    }
    signs.iter().any(|sign| sign.holds_at(now))
}

/// Whether an object carries all the labels of the run and the suite.
pub fn has_labels(object: &Value, labels: &[(String, String)]) -> bool {
    labels
        .iter()
        .all(|(label, value)| object["metadata"]["labels"][label] == *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-01-01T{time}Z").parse().unwrap()
    }

    fn labels(run: &str) -> Vec<(String, String)> {
        vec![(RUN_LABEL.to_owned(), run.to_owned())]
    }

    #[test]
    fn ids_have_one_form() {
        assert!(is_run_id(&new_run_id()));
        assert_ne!(new_run_id(), new_run_id());
        for other in [
            "",
            "0123456789ab",
            "012345678",
            "ABCDEF0123",
            "012345678g",
            "é12345678",
        ] {
            assert!(!is_run_id(other), "{other}");
        }
    }

    #[test]
    fn a_lease_is_read_back() {
        let lease = lease(
            "a",
            LEASE_NAME,
            "0123456789",
            &labels("0123456789"),
            at("00:00:00.5"),
        );
        assert_eq!(lease["spec"]["renewTime"], "2026-01-01T00:00:00.500000Z");
        let sign = SignOfLife::of(&lease).unwrap();
        assert_eq!(sign.renewed, at("00:00:00.5"));
        assert_eq!(sign.holds_for, LEASE_DURATION);
    }

    #[test]
    fn leases_of_others_say_nothing() {
        let run = "0123456789";
        let good = lease(
            "a",
            &lease_name_beside(run),
            run,
            &labels(run),
            at("00:00:00"),
        );
        assert!(SignOfLife::of(&good).is_some());
        for (pointer, value) in [
            ("/metadata/name", "election"),
            ("/spec/holderIdentity", "somebody"),
            ("/metadata/labels/kubeproof.dev~1run", "mine"),
            ("/spec/renewTime", "yesterday"),
        ] {
            let mut other = good.clone();
            *other.pointer_mut(pointer).unwrap() = json!(value);
            assert_eq!(SignOfLife::of(&other), None, "{pointer}");
        }
    }

    #[test]
    fn a_run_lives_for_as_long_as_one_of_its_leases_holds() {
        let sign = |renewed: &str| SignOfLife {
            run: "0123456789".to_owned(),
            renewed: at(renewed),
            holds_for: LEASE_DURATION,
        };
        let old = at("00:00:00");
        let now = at("01:00:00");
        assert!(lives(&[sign("00:59:31")], Some(old), now));
        assert!(!lives(&[sign("00:59:30")], Some(old), now));
        assert!(lives(&[sign("00:10:00"), sign("00:59:50")], Some(old), now));
        // a clock that is ahead
        assert!(lives(&[sign("01:00:05")], Some(old), now));
        // what was made just now does not outweigh a Lease that is over
        assert!(!lives(&[sign("00:10:00")], Some(now), now));
        assert!(lives(&[], Some(at("00:59:45")), now));
        assert!(!lives(&[], Some(at("00:59:15")), now));
        assert!(!lives(&[], None, now));
    }
}
