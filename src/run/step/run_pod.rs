//! `run`: a pod of its own, to its end. Its log is told as it comes.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::super::deadline::Deadline;
use super::super::ledger::{Deed, Entry};
use super::follow::{Followed, Look};
use super::select::Selected;
use super::write::{add_labels, in_time, send_off};
use super::{StepContext, StepFailure, StepResult, expect};
use crate::cluster::{LogOptions, ObjectKey, PodReadiness, PodTarget, Resource, pod_state};
use crate::output::{Intake, Output, Text};
use crate::plan::model::{RunPod, Target};
use crate::template::Template;

/// The container's name.
const CONTAINER: &str = "run";
/// How long the log of a container that has ended may take to come.
const LAST_LINES: Duration = Duration::from_secs(2);
/// How long after the end of a container its status may take to come.
const LAST_STATUS: Duration = Duration::from_secs(5);

/// Makes the pod, waits for its end, and takes it away again.
pub async fn run(
    run: &RunPod,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let namespace = context.needed_namespace(run.namespace.as_ref(), "run")?;
    let judge = expect::ProcessJudge::new(&run.expect, &context.scope())?;
    let random = uuid::Uuid::new_v4().simple().to_string();
    let name = format!("kubeproof-run-{}", &random[..8]);
    let key = ObjectKey::new(Resource::pod(), Some(&namespace), &name);
    let subject = context.subject(&key);
    let mut manifest = manifest(run, &name, &namespace, context)?;
    send_off(&mut manifest, context);
    let claim = context.claim(&subject).await?;
    context.write_down(&claim, &subject, Deed::Made { uid: None });
    drop(claim);
    in_time(deadline, context, async {
        let created = context
            .cluster
            .create(&key.resource, Some(&namespace), &manifest)
            .await
            .map_err(|error| StepFailure::from(error).about(&format!("{key} was not made")))?;
        context.suite.writes.note(&subject, &created.object);
        Ok(())
    })
    .await?;
    let unseen = context.suite.writes.unseen();
    let result = to_its_end(run, &judge, &key, context, deadline).await;
    drop(unseen);
    let cleanup = context.suite.cleanup();
    let entry = Entry {
        subject: subject.clone(),
        deed: Deed::Made { uid: None },
        step: 0,
        kept: None,
    };
    // where it does not go, the ledger still has it
    if cleanup.undo_one(&entry).await.is_empty() {
        context.ledger.forget(&subject);
    }
    result
}

async fn to_its_end(
    run: &RunPod,
    judge: &expect::ProcessJudge,
    key: &ObjectKey,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let started = std::time::Instant::now();
    let target = Target {
        target: Template::literal(&format!("pod/{}", key.name), context.suite.place()),
        namespace: key
            .namespace
            .as_ref()
            .map(|namespace| Template::literal(namespace, context.suite.place())),
        all_namespaces: false,
        selector: None,
        filter: None,
    };
    let selected = in_time(deadline, context, Selected::of(&target, context)).await?;
    let mut followed = Followed::new(&selected, context);
    let ended = followed.until(deadline, |pods| {
        let Some(pod) = pods.first() else {
            return Ok(Look::NotYet(format!("{key} was not seen yet")));
        };
        if exit_code(pod).is_some() {
            return Ok(Look::Holds);
        }
        Ok(match pod_state(pod, None) {
            PodReadiness::Over(why) => Look::Never(format!("{key} cannot run: {why}")),
            PodReadiness::Hopeless(why) => Look::Hopeless(format!("{key} cannot run: {why}")),
            PodReadiness::Hindered(why) => Look::Kept(format!("{key} has not ended: {why}")),
            PodReadiness::Pending(why) => Look::NotYet(format!("{key} has not ended: {why}")),
            PodReadiness::Ready => Look::NotYet(format!("{key} still runs")),
        })
    });
    let (intake, _) = judge.intakes();
    let log = Mutex::new(intake.begin());
    let (ended, came) = {
        let following = follow_log(key, context, &log);
        tokio::pin!(ended, following);
        tokio::select! {
            ended = &mut ended => {
                // the last lines may still be on their way, of one that has run
                let came = match &ended {
                    Ok(_) => tokio::time::timeout(LAST_LINES, following).await.ok(),
                    Err(_) => None,
                };
                (ended, came.unwrap_or(Came::InPart))
            }
            came = &mut following => {
                let silent_since = Instant::now();
                let ended = ended.await;
                // a server that is shut down ends its answers in good order, too
                match silent_since.elapsed() < LAST_STATUS {
                    true => (ended, came),
                    false => (ended, Came::InPart),
                }
            }
        }
    };
    let log = log.into_inner().unwrap_or_else(PoisonError::into_inner);
    let pods = match ended {
        Ok(pods) => pods,
        Err(failure) => return Err(failure.with_detail("stdout", &log.finish().shown())),
    };
    let log = match came == Came::Whole && has_end(key, &log, context, deadline).await {
        true => log.finish(),
        false => whole_log(key, &intake, &log, context, deadline).await?,
    };
    let exit = pods.first().and_then(|pod| exit_code(pod)).unwrap_or(-1);
    let ended = expect::Ended {
        exit,
        stdout: log,
        stderr: "".into(),
        took: started.elapsed(),
    };
    let what = match run.command.is_empty() {
        true => format!("the image of {key}"),
        false => {
            let words: Vec<_> = run.command.iter().map(Template::source).collect();
            format!("`{}` in {key}", words.join(" "))
        }
    };
    judge.judge(ended, &what)
}

/// How much of a log came in while it was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Whole,
    InPart,
}

fn container_of(key: &ObjectKey) -> PodTarget {
    PodTarget {
        namespace: key.namespace.clone().unwrap_or_default(),
        pod: key.name.clone(),
        container: Some(CONTAINER.to_owned()),
    }
}

/// Whether the end of a log came in: a server that is shut down while the container goes on ends its
/// answer as the end of the container does. Where that cannot be found out, the log is read again.
async fn has_end(
    key: &ObjectKey,
    log: &Output,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> bool {
    let timeout = deadline.remaining().max(LAST_LINES);
    let target = container_of(key);
    let has_end = context.cluster.has_last_line(&target, log, timeout).await;
    has_end.is_ok_and(|has_end| has_end)
}

/// The log of a container that has ended, read at once: a part of it, which is what was followed, must
/// not be judged.
async fn whole_log(
    key: &ObjectKey,
    intake: &Intake,
    followed: &Output,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<Text, StepFailure> {
    let options = LogOptions {
        timeout: deadline.remaining().max(LAST_LINES),
        ..LogOptions::default()
    };
    let mut log = intake.begin();
    let target = container_of(key);
    if let Err(error) = context.cluster.logs(&target, &options, &mut log).await {
        return Err(StepFailure::errored(format!(
            "{key} has ended, and its log could not be read: {error}"
        )));
    }
    // the kubelet has begun another file meanwhile, and tells of that alone
    if log.len() < followed.len() || !log.begins_like(followed) {
        return Err(StepFailure::errored(format!(
            "{key} has ended, and the beginning of its log is gone: its node keeps the end of a long one \
             only, and the connection broke while it was followed"
        ))
        .with_detail("stdout", &log.finish().shown()));
    }
    Ok(log.finish())
}

/// The whole log, followed from the container's start to its end.
async fn follow_log(key: &ObjectKey, context: &StepContext<'_>, log: &Mutex<Output>) -> Came {
    let target = container_of(key);
    let mut watch = context
        .cluster
        .watch(&Resource::pod(), key.namespace.as_deref());
    let has_started = watch.wait_until(|state| {
        let pod = state.find(key.namespace.as_deref(), &key.name)?;
        let status = pod["status"]["containerStatuses"].as_array()?.first()?;
        (status["state"]["running"].is_object() || status["state"]["terminated"].is_object())
            .then_some(())
    });
    let cannot_start = async {
        let mut watch = context
            .cluster
            .watch(&Resource::pod(), key.namespace.as_deref());
        watch
            .wait_until(|state| {
                let pod = state.find(key.namespace.as_deref(), &key.name)?;
                matches!(pod_state(&pod, None), PodReadiness::Over(_)).then_some(())
            })
            .await;
    };
    tokio::select! {
        () = has_started => {}
        () = cannot_start => return Came::InPart,
        () = context.cancel.cancelled() => return Came::InPart,
    }
    let options = LogOptions::default();
    let Ok(mut stream) = context.cluster.follow_logs(&target, &options).await else {
        return Came::InPart;
    };
    let put = |bytes: &[u8]| {
        log.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(bytes);
    };
    let mut told = WholeLines::default();
    let tell = |lines: &[u8]| {
        let lines = String::from_utf8_lossy(lines);
        if !lines.is_empty() {
            tracing::info!(pod = key.name, "{}", lines.trim_end());
        }
    };
    loop {
        let chunk = tokio::select! {
            chunk = stream.next() => chunk,
            () = context.cancel.cancelled() => {
                tell(&told.rest());
                return Came::InPart;
            }
        };
        match chunk {
            Ok(Some(bytes)) => {
                tell(&told.push(&bytes));
                put(&bytes);
            }
            Ok(None) => {
                tell(&told.rest());
                return Came::Whole;
            }
            Err(error) => {
                tell(&told.rest());
                tracing::debug!(pod = key.name, "its log broke off: {error}");
                return Came::InPart;
            }
        }
    }
}

/// A line without an end is told when it has so many bytes.
const LONGEST_LINE: usize = 64 * 1024;

/// Chunks of a log as whole lines: a chunk ends anywhere, and half of a secret is not known to
/// be one.
#[derive(Default)]
struct WholeLines {
    rest: Vec<u8>,
}

impl WholeLines {
    /// The lines that are whole now.
    fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(chunk);
        let whole = match self.rest.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            None if self.rest.len() >= LONGEST_LINE => self.rest.len(),
            None => 0,
        };
        let rest = self.rest.split_off(whole);
        std::mem::replace(&mut self.rest, rest)
    }

    /// What came after the last line end.
    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }
}

fn exit_code(pod: &Value) -> Option<i32> {
    let statuses = pod["status"]["containerStatuses"].as_array()?;
    let status = statuses.iter().find(|status| status["name"] == CONTAINER)?;
    let code = status["state"]["terminated"]["exitCode"].as_i64()?;
    i32::try_from(code).ok()
}

fn manifest(
    run: &RunPod,
    name: &str,
    namespace: &str,
    context: &StepContext<'_>,
) -> Result<Value, StepFailure> {
    let scope = context.scope();
    let mut env = Vec::new();
    for (name, value) in &run.env {
        env.push(json!({"name": name, "value": value.render_text(&scope)?}));
    }
    let mut container = Map::new();
    container.insert("name".to_owned(), json!(CONTAINER));
    container.insert("image".to_owned(), json!(run.image.render_text(&scope)?));
    container.insert("env".to_owned(), json!(env));
    if !run.command.is_empty() {
        let command = run
            .command
            .iter()
            .map(|word| word.render_text(&scope))
            .collect::<Result<Vec<_>, _>>()?;
        container.insert("command".to_owned(), json!(command));
    }
    let mut manifest = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
        },
    });
    if let Some(spec) = &run.spec {
        merge(&mut manifest["spec"], &spec.render(&scope)?);
    }
    add_labels(&mut manifest, &context.suite.labels);
    Ok(manifest)
}

/// JSON merge patch, except that the containers keep ours.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if key != "containers" {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_told_by_whole_lines() {
        let mut lines = WholeLines::default();
        assert_eq!(lines.push(b"a hun"), b"");
        assert_eq!(lines.push(b"ter2\nb\nc"), b"a hunter2\nb\n");
        assert_eq!(lines.rest(), b"c");
        assert_eq!(lines.rest(), b"");
        assert_eq!(lines.push(&[b'x'; LONGEST_LINE]).len(), LONGEST_LINE);
    }
}
