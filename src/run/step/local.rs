//! `command` and `script`: programs on this machine, with the run's kubeconfig.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::deadline::Deadline;
use super::super::process::{self, Finished, ProcessError, ProcessLimits, Program};
use super::{StepContext, StepFailure, StepResult, expect};
use crate::plan::model::{Command, LocalProcess, Script};

/// Runs a program without a shell.
pub async fn command(
    command: &Command,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let scope = context.scope();
    let mut words = command
        .args
        .iter()
        .map(|word| word.render_text(&scope))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter();
    let program = words.next().unwrap_or_default();
    let args: Vec<_> = words.collect();
    let what = format!(
        "`{}`",
        [std::slice::from_ref(&program), args.as_slice()]
            .concat()
            .join(" ")
    );
    run(program, args, &what, &command.process, context, deadline).await
}

/// Runs a script by its shell, which stops at the first command that fails.
pub async fn script(
    script: &Script,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let text = script.text.render_text(&context.scope())?;
    let flags: &[&str] = match script.shell.as_str() {
        "sh" => &["-eu", "-c"],
        "bash" => &["-euo", "pipefail", "-c"],
        _ => &["-c"],
    };
    let args = flags
        .iter()
        .map(|flag| (*flag).to_owned())
        .chain([text])
        .collect();
    let shell = script.shell.clone();
    run(
        shell,
        args,
        "the script",
        &script.process,
        context,
        deadline,
    )
    .await
}

async fn run(
    program: String,
    args: Vec<String>,
    what: &str,
    local: &LocalProcess,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let scope = context.scope();
    let mut env: BTreeMap<String, String> = context
        .suite
        .process_environment(context.cluster_name.as_deref());
    for (name, value) in &local.env {
        env.insert(name.clone(), value.render_text(&scope)?);
    }
    let folder = context
        .suite
        .suite
        .folder
        .clone()
        .unwrap_or_else(|| PathBuf::from("."));
    let cwd = match &local.cwd {
        Some(cwd) => folder.join(cwd.render_text(&scope)?),
        None => folder,
    };
    let stdin = local
        .stdin
        .as_ref()
        .map(|stdin| stdin.render_text(&scope))
        .transpose()?;
    let program = Program {
        program,
        args,
        env,
        cwd: Some(cwd),
        stdin: stdin.map(String::into_bytes),
    };
    let judge = expect::ProcessJudge::new(&local.expect, &scope)?;
    let (stdout, stderr) = judge.intakes();
    let limits = ProcessLimits {
        timeout: deadline.remaining(),
        stdout,
        stderr,
    };
    let _unseen = context.suite.writes.unseen();
    // ends the whole group itself, which dropping it midway would do less gently
    let Finished {
        exit,
        stdout,
        stderr,
        took,
        ..
    } = process::run(program, limits, context.cancel)
        .await
        .map_err(|error| explain(error, what, deadline))?;
    let ended = expect::Ended {
        exit: exit.code(),
        stdout,
        stderr,
        took,
    };
    judge.judge(ended, what)
}

fn explain(error: ProcessError, what: &str, deadline: &Deadline) -> StepFailure {
    match error {
        ProcessError::TimedOut { stdout, stderr, .. } => {
            StepFailure::failed(format!("{what} did not end {}", deadline.describe()))
                .with_detail("stdout", &stdout)
                .with_detail("stderr", &stderr)
        }
        ProcessError::Cancelled { .. } => StepFailure::cancelled(),
        error if error.is_environment() => StepFailure::errored(error.to_string()),
        error => StepFailure::failed(error.to_string()),
    }
}
