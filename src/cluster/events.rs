//! The cluster's own events about an object, which often say why it does not come up.

use serde_json::Value;

use super::client::Cluster;
use super::resource::{ObjectKey, Resource, encoded};

impl Cluster {
    /// The last Warning event about an object, as `Reason: message`, for the message of a time-out.
    ///
    /// With a uid, only events about the object with this uid, not about an earlier one of its name.
    /// `None` also where the events cannot be read: they are an extra, never a reason to fail.
    pub async fn last_warning(&self, key: &ObjectKey, uid: Option<&str>) -> Option<String> {
        // Events about what has no namespace are kept in `default`.
        let namespace = key.namespace.as_deref().unwrap_or("default");
        let mut fields = format!(
            "type=Warning,involvedObject.kind={},involvedObject.name={}",
            key.resource.kind, key.name
        );
        if let Some(uid) = uid {
            fields = format!("{fields},involvedObject.uid={uid}");
        }
        let query = format!("&fieldSelector={}", encoded(&fields));
        let events = self
            .list_where(&Resource::event(), Some(namespace), &query)
            .await
            .inspect_err(
                |error| tracing::debug!(%error, object = %key, "its events cannot be read"),
            )
            .ok()?;
        latest(&events).map(describe)
    }
}

/// The event that happened last.
fn latest(events: &[Value]) -> Option<&Value> {
    events.iter().max_by_key(|event| when(event))
}

/// When it happened last. All are RFC 3339 in UTC; those with a fraction are cut to the second, so
/// that they compare as text.
fn when(event: &Value) -> &str {
    [
        &event["series"]["lastObservedTime"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["metadata"]["creationTimestamp"],
    ]
    .into_iter()
    .find_map(Value::as_str)
    .map_or("", |time| time.get(..19).unwrap_or(time))
}

fn describe(event: &Value) -> String {
    let reason = event["reason"].as_str().unwrap_or("Warning");
    let message = event["message"].as_str().unwrap_or_default().trim();
    format!("{reason}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_latest_event_counts_whichever_field_has_its_time() {
        let events = [
            json!({"reason": "A", "message": "a", "lastTimestamp": "2026-01-01T00:00:05Z"}),
            json!({"reason": "B", "message": "b\n", "lastTimestamp": null, "eventTime": "2026-01-01T00:00:07.000000Z"}),
            json!({"reason": "C", "message": "c", "series": {"lastObservedTime": "2026-01-01T00:00:06.5Z"},
                   "eventTime": "2026-01-01T00:00:01.000000Z"}),
        ];
        assert_eq!(latest(&events).map(describe).as_deref(), Some("B: b"));
        assert_eq!(latest(&[]), None);
    }
}
