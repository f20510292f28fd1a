//! `exec`: a command in a container, and whether its end is the expected one.

use super::super::deadline::Deadline;
use super::{StepContext, StepFailure};
use crate::cluster::{ExecError, ExecLimits, ExecTarget};
use crate::plan::model::{Exec, ProcessExpectation};
use crate::template::Scope;

/// Runs the command and holds its exit code and output against what is expected.
pub async fn run(
    exec: &Exec,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<(), StepFailure> {
    let scope = &context.scope;
    let text = exec.target.render_text(scope)?;
    let Some(("pod" | "pods" | "po", pod)) = text.split_once('/') else {
        return Err(StepFailure::errored(format!(
            "{text:?} is no pod: the target of an exec is written `pod/NAME`"
        )));
    };
    let Some(namespace) = context.namespace_of(exec.namespace.as_ref())? else {
        return Err(StepFailure::errored(format!(
            "{text} needs a namespace, and the suite has none"
        )));
    };
    let command = exec
        .command
        .iter()
        .map(|argument| argument.render_text(scope))
        .collect::<Result<Vec<_>, _>>()?;
    let container = exec
        .container
        .as_ref()
        .map(|container| container.render_text(scope))
        .transpose()?;
    let stdin = exec
        .stdin
        .as_ref()
        .map(|stdin| stdin.render_text(scope))
        .transpose()?;
    let target = ExecTarget {
        namespace,
        pod: pod.to_owned(),
        container,
    };
    let limits = ExecLimits {
        timeout: deadline.remaining(),
        ..ExecLimits::default()
    };
    let what = format!("`{}` in {text}", command.join(" "));
    let result = context
        .cluster
        .exec(&target, &command, stdin.map(String::into_bytes), &limits)
        .await
        .map_err(|error| explain(error, &what, deadline))?;
    let stdout = String::from_utf8_lossy(&result.stdout);
    let stderr = String::from_utf8_lossy(&result.stderr);
    let mismatches = mismatches(&exec.expect, result.exit, &stdout, &stderr, scope)?;
    if mismatches.is_empty() {
        return Ok(());
    }
    Err(
        StepFailure::failed(format!("{what}: {}", mismatches.join("; ")))
            .with_detail("stdout", &stdout)
            .with_detail("stderr", &stderr),
    )
}

/// What of the expectations does not hold, each with what was expected and what was there.
fn mismatches(
    expect: &ProcessExpectation,
    exit: i32,
    stdout: &str,
    stderr: &str,
    scope: &Scope,
) -> Result<Vec<String>, StepFailure> {
    let mut found: Vec<_> = expect.exit.check(exit).into_iter().collect();
    for (name, expectation, actual) in [
        ("stdout", &expect.stdout, stdout),
        ("stderr", &expect.stderr, stderr),
    ] {
        if let Some(expectation) = expectation {
            let expectation = expectation.try_map(|template| template.render_text(scope))?;
            let mismatches = expectation
                .check(name, actual)
                .map_err(|error| StepFailure::errored(error.to_string()))?;
            found.extend(mismatches.into_iter().map(|mismatch| mismatch.message));
        }
    }
    Ok(found)
}

/// An exec without a result: only one that started and ran out of time says something
/// about the cluster.
fn explain(error: ExecError, what: &str, deadline: &Deadline) -> StepFailure {
    match error {
        ExecError::NotStarted { cause } => {
            StepFailure::errored(format!("{what} did not start: {cause}"))
        }
        ExecError::Broken {
            cause,
            stdout,
            stderr,
        } => StepFailure::errored(format!("{what} broke off without a result: {cause}"))
            .with_detail("stdout", &String::from_utf8_lossy(&stdout))
            .with_detail("stderr", &String::from_utf8_lossy(&stderr)),
        ExecError::TimedOut { started: false, .. } => {
            StepFailure::errored(format!("{what} did not start {}", deadline.describe()))
        }
        ExecError::TimedOut { stdout, stderr, .. } => {
            StepFailure::failed(format!("{what} did not end {}", deadline.describe()))
                .with_detail("stdout", &String::from_utf8_lossy(&stdout))
                .with_detail("stderr", &String::from_utf8_lossy(&stderr))
        }
    }
}
