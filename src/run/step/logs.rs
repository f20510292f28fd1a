//! `logs`: what containers have logged.

use serde_json::Value;

use super::super::deadline::Deadline;
use super::{StepContext, StepFailure, StepResult, expect, pods, write};
use crate::cluster::{LogError, LogOptions, LogSince, PodTarget};
use crate::matcher;
use crate::output::{Intake, Lines, Output};
use crate::plan::model::{LineChoice, Logs, Since};
use crate::template::Scope;

/// How much is kept of the logs of all containers together. All of it is looked through.
const KEPT: usize = 4 * 1024 * 1024;

/// How to see of a log what was not kept.
const HELP: &str = "read less of it by `since` or `tail`, or only the lines that matter by `lines`";

/// Reads the logs of every chosen container, one after another by pod.
pub async fn run(
    logs: &Logs,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let scope = context.scope();
    let what = format!("the logs of {}", logs.target.target.render_text(&scope)?);
    let judge = expect::TextJudge::new(&logs.expect, &scope)?;
    let lines = logs.lines.as_ref().map(|lines| chosen(lines, &scope));
    let mut output = Intake::keep(KEPT)
        .looking_for(judge.look())
        .only(lines.transpose()?)
        .begin();
    let read = read(logs, context, deadline, &mut output);
    let ended = write::in_time(deadline, context, read).await;
    let text = output.finish();
    let judged = match ended {
        Ok(()) => judge.judge("stdout", &text)?.judge(&what, HELP),
        Err(failure) => Err(failure),
    };
    match judged {
        Ok(()) => Ok(StepResult::default().with_text("stdout", text, HELP)),
        Err(failure) => Err(failure.with_detail("stdout", &text.shown())),
    }
}

fn chosen(lines: &LineChoice, scope: &Scope) -> Result<Lines, StepFailure> {
    let text = |template: &Option<crate::template::Template>| {
        let template = template.as_ref();
        template
            .map(|template| template.render_text(scope))
            .transpose()
    };
    let matching = text(&lines.matching)?.map(|pattern| matcher::pattern(&pattern));
    Ok(Lines {
        containing: text(&lines.containing)?,
        matching: matching
            .transpose()
            .map_err(|error| StepFailure::errored(error.to_string()))?,
        first: lines.first.map(|first| first as usize),
    })
}

async fn read(
    logs: &Logs,
    context: &StepContext<'_>,
    deadline: &Deadline,
    output: &mut Output,
) -> Result<(), StepFailure> {
    let options = LogOptions {
        since: logs.since.map(|since| match since {
            Since::Run => LogSince::Time(context.run_started()),
            Since::Ago(span) => LogSince::Ago(span),
        }),
        previous: logs.previous,
        tail: logs.tail.map(u64::from),
        timestamps: logs.timestamps,
        timeout: deadline.remaining(),
    };
    for pod in pods::of(&logs.target, context).await? {
        for target in containers(&pod, logs, context)? {
            let name = target.container.as_deref().unwrap_or_default();
            let read = context.cluster.logs(&target, &options, output).await;
            match read.map_err(|error| (lost(&error, &pod, name), error)) {
                Ok(()) => output.end_line(),
                // what has not begun has logged nothing
                Err((None, LogError::NotStarted { .. } | LogError::NoPrevious { .. })) => {}
                Err((None, LogError::Cluster(error))) => return Err(error.into()),
                Err((None, error @ LogError::Broken { .. })) => {
                    return Err(StepFailure::errored(format!(
                        "the log of pod/{}: {error}",
                        target.pod
                    )));
                }
                Err((Some(why), error)) => {
                    return Err(StepFailure::errored(format!(
                        "{why} of pod/{}: {error}",
                        target.pod
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Why there is no log although something was logged: that nothing is in it is not known then.
fn lost(error: &LogError, pod: &Value, container: &str) -> Option<&'static str> {
    let statuses = [
        "containerStatuses",
        "initContainerStatuses",
        "ephemeralContainerStatuses",
    ];
    let status = statuses
        .iter()
        .filter_map(|kind| pod["status"][kind].as_array())
        .flatten()
        .find(|status| status["name"] == container || container.is_empty());
    let status = status.unwrap_or(&Value::Null);
    let has_restarted = status["restartCount"]
        .as_u64()
        .is_some_and(|count| count > 0);
    let has_begun = has_restarted
        || status["state"]["running"].is_object()
        || status["state"]["terminated"].is_object()
        || status["lastState"]["terminated"].is_object();
    match error {
        LogError::NotStarted { .. } if has_begun => Some("what was logged before is gone"),
        LogError::NoPrevious { .. } if has_restarted => Some("the previous log is gone"),
        LogError::Cluster(error) if error.is_not_found() => {
            Some("it went away before its log was read")
        }
        _ => None,
    }
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
