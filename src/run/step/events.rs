//! `events`: what the cluster says has happened.

use serde_json::{Value, json};

use super::super::deadline::Deadline;
use super::select::Selected;
use super::{StepContext, StepFailure, StepResult, expect, write};
use crate::cluster::{EventFilter, EventInfo};
use crate::event::EventKind;
use crate::plan::model::{Events, Since};

/// Reads once.
pub async fn run(
    events: &Events,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let found = write::in_time(deadline, context, read(events, context)).await?;
    if let Some(count) = events.count
        && let Some(wrong) = expect::count(count, found.len(), "events")
    {
        let lines: Vec<_> = found.iter().map(line).collect();
        return Err(StepFailure::failed(wrong).with_detail("events", &lines.join("\n")));
    }
    let objects: Vec<Value> = found.iter().map(value).collect();
    let lines: Vec<_> = found.iter().map(line).collect();
    Ok(StepResult::default()
        .with("objects", objects)
        .with("stdout", lines.join("\n")))
}

async fn read(events: &Events, context: &StepContext<'_>) -> Result<Vec<EventInfo>, StepFailure> {
    let since = match events.since {
        None => None,
        Some(Since::Run) => Some(context.run_started()),
        Some(Since::Ago(span)) => {
            let now = context.cluster.now().earliest;
            // beyond all time is all of it
            Some(now.saturating_sub(span).unwrap_or(jiff::Timestamp::MIN))
        }
    };
    let filter = EventFilter {
        event_type: events.kind.clone(),
        reason: events
            .reason
            .as_ref()
            .map(|reason| reason.render_text(&context.scope()))
            .transpose()?,
        since,
        ..EventFilter::default()
    };
    let Some(target) = &events.target else {
        let filter = EventFilter {
            namespace: Some(context.needed_namespace(events.namespace.as_ref(), "events")?),
            ..filter
        };
        return Ok(context.cluster.events(&filter).await?);
    };
    let selected = Selected::of(target, context).await?;
    let mut found = Vec::new();
    if let Some(name) = &selected.name
        && !selected.is_narrowed()
    {
        // also of one that is gone
        let key = crate::cluster::ObjectKey::new(
            selected.resource.clone(),
            selected.namespace.as_deref(),
            name,
        );
        let filter = EventFilter {
            object: Some(key),
            ..filter
        };
        return Ok(context.cluster.events(&filter).await?);
    }
    let objects = selected.read(context).await?;
    if objects.is_empty() {
        // that there are no events of nothing says nothing about the object that was named
        if selected.is_one() {
            return Err(StepFailure::errored(selected.missing()));
        }
        context.suite.teller.tell(EventKind::Notice {
            text: format!("events: {}", selected.missing()),
        });
    }
    for object in objects {
        let filter = EventFilter {
            object: Some(selected.key(&object)),
            ..filter.clone()
        };
        found.extend(context.cluster.events(&filter).await?);
    }
    Ok(found)
}

fn value(event: &EventInfo) -> Value {
    json!({
        "type": event.event_type,
        "reason": event.reason,
        "message": event.message,
        "count": event.count,
        "object": event.object,
        "namespace": event.namespace,
        "last": event.last.map(|last| last.to_string()),
    })
}

fn line(event: &EventInfo) -> String {
    format!(
        "{} {} {}: {} (×{})",
        event.event_type, event.object, event.reason, event.message, event.count
    )
}
