//! `logs`: what containers have logged.

use serde_json::Value;

use super::super::deadline::Deadline;
use super::{StepContext, StepFailure, StepResult, expect, pods, write};
use crate::cluster::{LogError, LogOptions, PodTarget};
use crate::plan::model::Logs;

/// Reads the logs of every chosen container, one after another by pod.
pub async fn run(
    logs: &Logs,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let text = write::in_time(deadline, context, read(logs, context)).await?;
    let wrong = expect::text(&logs.expect, "stdout", &text, &context.scope())?;
    if wrong.is_empty() {
        return Ok(StepResult::default().with("stdout", text));
    }
    let what = logs.target.target.render_text(&context.scope())?;
    Err(
        StepFailure::failed(format!("the logs of {what}: {}", wrong.join("; ")))
            .with_detail("stdout", &text),
    )
}

async fn read(logs: &Logs, context: &StepContext<'_>) -> Result<String, StepFailure> {
    let options = LogOptions {
        since: logs.since,
        previous: logs.previous,
        tail: logs.tail.map(u64::from),
        timestamps: logs.timestamps,
        ..LogOptions::default()
    };
    let mut text = String::new();
    for pod in pods::of(&logs.target, context).await? {
        for target in containers(&pod, logs, context)? {
            match context.cluster.logs(&target, &options).await {
                Ok(log) => {
                    text.push_str(&String::from_utf8_lossy(&log.bytes));
                    if !text.is_empty() && !text.ends_with('\n') {
                        text.push('\n');
                    }
                }
                // what has not begun has logged nothing
                Err(LogError::NotStarted { .. } | LogError::NoPrevious { .. }) => {}
                Err(LogError::Cluster(error)) => return Err(error.into()),
                Err(error @ LogError::Broken { .. }) => {
                    return Err(StepFailure::errored(error.to_string()));
                }
            }
        }
    }
    Ok(text)
}

fn containers(
    pod: &Value,
    logs: &Logs,
    context: &StepContext<'_>,
) -> Result<Vec<PodTarget>, StepFailure> {
    let one = pods::container(pod, logs.container.as_ref(), context)?;
    if one.container.is_some() {
        return Ok(vec![one]);
    }
    Ok(pod["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| PodTarget {
            container: container["name"].as_str().map(str::to_owned),
            ..one.clone()
        })
        .collect())
}
