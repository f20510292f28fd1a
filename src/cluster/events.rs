//! The cluster's own events about an object, which often say why it does not come up.
//!
//! See [Event](https://kubernetes.io/docs/reference/kubernetes-api/core/event-v1/).

use jiff::Timestamp;
use serde_json::Value;

use super::client::Cluster;
use super::error::ClusterError;
use super::resource::{ObjectKey, Resource, encoded};

/// Which events are meant; by default all of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The namespace they are kept in; that of the object, where one is given.
    ///
    /// Events about what has no namespace are kept in `default`.
    pub namespace: Option<String>,
    /// The object they are about, by kind and name; also one that is gone.
    pub object: Option<ObjectKey>,
    /// The uid of the object they are about. Those about a node hold its name instead.
    pub uid: Option<String>,
    /// `Normal` or `Warning`.
    pub event_type: Option<String>,
    /// `Failed`, `BackOff`, …
    pub reason: Option<String>,
    /// Only those that the API server has noted at this time of its own clock or later. Those who
    /// tell of events have clocks of their own, which may be others.
    ///
    /// It notes whole seconds, so one from the same second is taken.
    pub since: Option<Timestamp>,
}

/// Something that happened, once or a number of times.
#[derive(Debug, Clone, PartialEq)]
pub struct EventInfo {
    /// `Normal` or `Warning`.
    pub event_type: String,
    /// Why, in a word: `FailedScheduling`.
    pub reason: String,
    /// What happened, in the words of the component.
    pub message: String,
    /// How often it happened; at least 1.
    pub count: u64,
    /// When it happened last.
    pub last: Option<Timestamp>,
    /// What it is about: `pod/web-0`.
    pub object: String,
    /// The namespace of that object; none for what has none.
    pub namespace: Option<String>,
    /// The event as it is.
    pub event: Value,
}

impl Cluster {
    /// The events that a filter picks, the oldest first by when they happened last.
    ///
    /// The cluster keeps them for an hour by default, and counts repeated ones up in place.
    ///
    /// # Errors
    /// Where the cluster did not answer or refused to.
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<EventInfo>, ClusterError> {
        let fields = fields(filter);
        let query = if fields.is_empty() {
            String::new()
        } else {
            format!("&fieldSelector={}", encoded(&fields))
        };
        let namespace = match &filter.object {
            Some(object) => Some(object.namespace.as_deref().unwrap_or("default")),
            None => filter.namespace.as_deref(),
        };
        let events = self
            .list_where(&Resource::event(), namespace, &query)
            .await?;
        let mut events: Vec<EventInfo> = events.into_iter().map(info).collect();
        if let Some(since) = filter.since {
            events.retain(|event| {
                let noted = noted(&event.event).or(event.last);
                noted.is_none_or(|noted| noted.as_second() >= since.as_second())
            });
        }
        events.sort_by_key(|event| event.last);
        Ok(events)
    }

    /// The last Warning event about an object, as `Reason: message`, for the message of a time-out.
    ///
    /// With a uid, only events about the object with this uid, not about an earlier one of its name.
    /// `None` also where the events cannot be read: they are an extra, never a reason to fail.
    pub async fn last_warning(&self, key: &ObjectKey, uid: Option<&str>) -> Option<String> {
        // Events about what has no namespace are kept in `default`.
        let namespace = key.namespace.as_deref().unwrap_or("default");
        let filter = EventFilter {
            object: Some(key.clone()),
            uid: uid.map(str::to_owned),
            event_type: Some("Warning".to_owned()),
            ..EventFilter::default()
        };
        let query = format!("&fieldSelector={}", encoded(&fields(&filter)));
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

/// The field selector for what the server can filter.
fn fields(filter: &EventFilter) -> String {
    let object = filter.object.as_ref();
    let fields = [
        ("type", filter.event_type.as_deref()),
        ("reason", filter.reason.as_deref()),
        (
            "involvedObject.kind",
            object.map(|object| object.resource.kind.as_str()),
        ),
        (
            "involvedObject.name",
            object.map(|object| object.name.as_str()),
        ),
        ("involvedObject.uid", filter.uid.as_deref()),
    ];
    let fields: Vec<String> = fields
        .into_iter()
        .filter_map(|(field, value)| Some(format!("{field}={}", escaped(value?))))
        .collect();
    fields.join(",")
}

/// A value of a field selector, whose syntax knows three characters of its own.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace(',', "\\,")
        .replace('=', "\\=")
}

fn info(event: Value) -> EventInfo {
    let mut info = described(&event);
    info.event = event;
    info
}

fn described(event: &Value) -> EventInfo {
    let text = |value: &Value| value.as_str().unwrap_or_default().trim().to_owned();
    let object = &event["involvedObject"];
    let counts = [&event["series"]["count"], &event["count"]];
    EventInfo {
        event_type: text(&event["type"]),
        reason: text(&event["reason"]),
        message: text(&event["message"]),
        count: counts
            .into_iter()
            .find_map(Value::as_u64)
            .map_or(1, |count| count.max(1)),
        last: times(event).find_map(|time| time.parse().ok()),
        object: format!(
            "{}/{}",
            text(&object["kind"]).to_lowercase(),
            text(&object["name"])
        ),
        namespace: Some(text(&object["namespace"])).filter(|namespace| !namespace.is_empty()),
        event: Value::Null,
    }
}

/// The event that happened last.
fn latest(events: &[Value]) -> Option<&Value> {
    events.iter().max_by_key(|event| when(event))
}

/// When it happened last. All are RFC 3339 in UTC; those with a fraction are cut to the second, so
/// that they compare as text.
fn when(event: &Value) -> &str {
    times(event)
        .next()
        .map_or("", |time| time.get(..19).unwrap_or(time))
}

/// The times an event has, the one that counts first.
fn times(event: &Value) -> impl Iterator<Item = &str> {
    let fields = [
        &event["series"]["lastObservedTime"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["metadata"]["creationTimestamp"],
    ];
    fields.into_iter().filter_map(Value::as_str)
}

/// When the API server has noted an event last: when it was made, or counted up.
fn noted(event: &Value) -> Option<Timestamp> {
    let metadata = &event["metadata"];
    let changes = metadata["managedFields"].as_array();
    let changed = changes.into_iter().flatten().map(|change| &change["time"]);
    [&metadata["creationTimestamp"]]
        .into_iter()
        .chain(changed)
        .filter_map(|time| time.as_str()?.parse().ok())
        .max()
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
    fn the_server_filters_what_it_can() {
        let filter = EventFilter {
            object: Some(ObjectKey::new(Resource::pod(), Some("n"), "a")),
            uid: Some("u".to_owned()),
            reason: Some("a,b=c".to_owned()),
            ..EventFilter::default()
        };
        assert_eq!(
            fields(&filter),
            r"reason=a\,b\=c,involvedObject.kind=Pod,involvedObject.name=a,involvedObject.uid=u"
        );
        assert_eq!(fields(&EventFilter::default()), "");
    }

    #[test]
    fn an_event_says_what_happened_to_what_and_how_often() {
        let series = info(
            json!({"type": "Warning", "reason": "BackOff", "message": " m\n", "count": null,
            "series": {"count": 7, "lastObservedTime": "2026-01-01T00:00:06.5Z"},
            "involvedObject": {"kind": "Pod", "name": "a", "namespace": "n"}}),
        );
        assert_eq!((series.count, series.object.as_str()), (7, "pod/a"));
        assert_eq!(series.message, "m");
        assert_eq!(series.last.unwrap().to_string(), "2026-01-01T00:00:06.5Z");
        let node = info(
            json!({"eventTime": "2026-01-01T00:00:01.000000Z", "lastTimestamp": null,
            "involvedObject": {"kind": "Node", "name": "b"}}),
        );
        assert_eq!((node.count, node.namespace), (1, None));
        assert_eq!(node.last.unwrap().to_string(), "2026-01-01T00:00:01Z");
    }

    #[test]
    fn an_event_is_as_old_as_the_server_knows_it_to_be() {
        let event = json!({"lastTimestamp": "2026-01-01T00:00:01Z", "metadata": {
            "creationTimestamp": "2026-01-01T00:10:00Z",
            "managedFields": [{"time": "2026-01-01T00:10:00Z"}, {"time": "2026-01-01T00:20:00Z"}]}});
        assert_eq!(noted(&event).unwrap().to_string(), "2026-01-01T00:20:00Z");
        assert_eq!(noted(&json!({})), None);
    }

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
