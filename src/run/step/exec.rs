//! `exec`: a command in a container, and whether its end is the expected one.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout_at;

use super::super::deadline::Deadline;
use super::{StepContext, StepFailure, StepResult, expect, pods, write};
use crate::cluster::{ExecError, ExecLimits, ExecReached, ExecTarget};
use crate::kinds;
use crate::plan::model::Exec;

/// Runs the command in the target's pod, or in each of them, one after another.
pub async fn run(
    exec: &Exec,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let scope = context.scope();
    let text = exec.target.target.render_text(&scope)?;
    let targets: Vec<ExecTarget> = match text.split_once('/') {
        // a pod by its name alone needs no look at it: the exec itself says whether it is there
        Some((kind, name))
            if exec.takes_it_by_name() && kinds::names_pods(kind) && !name.is_empty() =>
        {
            vec![ExecTarget {
                namespace: context.needed_namespace(exec.target.namespace.as_ref(), &text)?,
                pod: name.to_owned(),
                container: exec
                    .container
                    .as_ref()
                    .map(|container| container.render_text(&scope))
                    .transpose()?,
            }]
        }
        _ => {
            let choose = async {
                Ok(match exec.each {
                    true => pods::of(&exec.target, context).await?,
                    false => vec![pods::usable(&exec.target, context, deadline).await?],
                })
            };
            let chosen: Vec<Value> = write::in_time(deadline, context, choose).await?;
            chosen
                .iter()
                .map(|pod| pods::container(pod, exec.container.as_ref(), context))
                .collect::<Result<_, _>>()?
        }
    };
    let mut deadline = deadline.clone();
    let mut result = StepResult::default();
    for target in &targets {
        result = one(exec, target, context, &mut deadline).await?;
    }
    Ok(result)
}

/// Waiting until one more command may run in the pod takes nothing of the step's time, but of the
/// case's.
async fn one(
    exec: &Exec,
    target: &ExecTarget,
    context: &StepContext<'_>,
    deadline: &mut Deadline,
) -> Result<StepResult, StepFailure> {
    let scope = context.scope();
    let command = exec
        .command
        .iter()
        .map(|argument| argument.render_text(&scope))
        .collect::<Result<Vec<_>, _>>()?;
    let stdin = exec
        .stdin
        .as_ref()
        .map(|stdin| stdin.render_text(&scope))
        .transpose()?;
    let judge = expect::ProcessJudge::new(&exec.expect, &scope)?;
    let what = format!("`{}` in pod/{}", shown(&command), target.pod);
    let _unseen = context.suite.writes.unseen();
    let result = loop {
        let limit = context.deadline.as_ref();
        let place = in_turn(context.cluster.exec_place(target), limit, &what).await?;
        *deadline = deadline.clone().put_off(place.waited(), limit);
        let (stdout, stderr) = judge.intakes();
        let limits = ExecLimits {
            timeout: deadline.remaining(),
            stdout,
            stderr,
        };
        let input = stdin.clone().map(String::into_bytes);
        let ended = context
            .cluster
            .exec(place, target, &command, input, &limits);
        match ended.await {
            Ok(result) => break result,
            Err(ExecError::NotStarted { cause })
                if is_too_early(&cause)
                    && context.is_patient
                    && deadline.remaining() > BETWEEN_ATTEMPTS =>
            {
                context.awaits(&format!("{what} did not start: {cause}"));
                tokio::time::sleep(BETWEEN_ATTEMPTS).await;
            }
            Err(error) => return Err(explain(error, &what, context, deadline)),
        }
    };
    let ended = expect::Ended {
        exit: result.exit,
        stdout: result.stdout,
        stderr: result.stderr,
        took: result.took,
    };
    judge.judge(ended, &what)
}

/// Waits for a command's turn, for no longer than the case has.
async fn in_turn<T>(
    turn: impl Future<Output = T>,
    limit: Option<&Deadline>,
    what: &str,
) -> Result<T, StepFailure> {
    let Some(limit) = limit else {
        return Ok(turn.await);
    };
    timeout_at(limit.at, turn).await.map_err(|_| {
        StepFailure::errored(format!(
            "{what} did not start {}: as many commands as may run at once went on all the time",
            limit.describe()
        ))
    })
}

/// How long after a command came too early it is tried again.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);

/// Whether a command did not start since its container has not: the pod has no node yet, or the
/// kubelet has not come to it. Of one that has ended it is said otherwise.
fn is_too_early(cause: &str) -> bool {
    cause.contains("does not have a host assigned") || cause.contains("container not found")
}

/// A command in a message: of an argument with many lines only the first.
fn shown(command: &[String]) -> String {
    let words = command.iter().map(|word| {
        let mut lines = word.lines().filter(|line| !line.trim().is_empty());
        match (lines.next(), lines.next()) {
            (Some(first), Some(_)) => format!("{} …", first.trim()),
            _ => word.clone(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// An exec without a result: only one that started and ran out of time says something
/// about the cluster.
fn explain(
    error: ExecError,
    what: &str,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> StepFailure {
    match error {
        ExecError::NotStarted { cause } => {
            StepFailure::errored(format!("{what} did not start: {cause}"))
        }
        ExecError::Broken {
            cause,
            stdout,
            stderr,
        } => StepFailure::errored(format!("{what} broke off without a result: {cause}"))
            .with_detail("stdout", &stdout)
            .with_detail("stderr", &stderr),
        ExecError::TimedOut {
            reached: ExecReached::ApiServer,
            ..
        } => StepFailure::errored(format!(
            "the API server cannot reach the kubelet of the pod's node, or that hangs: the request \
             was taken, and {what} did not start {}",
            deadline.describe()
        )),
        ExecError::TimedOut {
            reached: ExecReached::Nothing,
            ..
        } => StepFailure::errored(format!(
            "{what} did not start {}{}",
            deadline.describe(),
            write::trouble(context)
        )),
        ExecError::TimedOut { stdout, stderr, .. } => {
            StepFailure::failed(format!("{what} did not end {}", deadline.describe()))
                .with_detail("stdout", &stdout)
                .with_detail("stderr", &stderr)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Outcome;

    #[tokio::test(start_paused = true)]
    async fn a_command_waits_for_its_turn_no_longer_than_the_case_has() {
        let limit = Deadline::after(Duration::from_secs(5), "the case");
        let turn = std::future::pending::<()>();
        let failure = in_turn(turn, Some(&limit), "`id`").await.unwrap_err();
        assert_eq!(failure.outcome, Outcome::Errored);
        let message = &failure.why.message;
        assert!(
            message.starts_with("`id` did not start within 5s (the case's timeout)"),
            "{message}"
        );
        assert!(in_turn(async {}, Some(&limit), "`id`").await.is_ok());
    }
}
