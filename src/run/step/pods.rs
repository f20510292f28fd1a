//! From a target to its pods: a pod itself, those that a selector picks, or those that a
//! workload owns.

use std::time::Duration;

use serde_json::Value;

use super::super::deadline::Deadline;
use super::patience::Patience;
use super::select::Selected;
use super::{StepContext, StepFailure};
use crate::cluster::{PodReadiness, PodTarget, Resource, pod_state, pods_of};
use crate::kinds;
use crate::plan::model::Target;
use crate::template::Template;

/// The pods of a target by name; at least one.
pub async fn of(target: &Target, context: &StepContext<'_>) -> Result<Vec<Value>, StepFailure> {
    let Found { pods, none, .. } = find(target, context).await?;
    match pods.is_empty() {
        true => Err(StepFailure::errored(none)),
        false => Ok(pods),
    }
}

/// What a target comes to at the moment.
struct Found {
    /// By name.
    pods: Vec<Value>,
    /// The words where there are none.
    none: String,
    /// Whether there may be some later: what they would belong to is there.
    may_come: bool,
}

async fn find(target: &Target, context: &StepContext<'_>) -> Result<Found, StepFailure> {
    let selected = Selected::of(target, context).await?;
    let (mut pods, is_there) = if selected.is_pods() {
        (selected.read(context).await?, !selected.is_one())
    } else {
        let owners = selected.read(context).await?;
        let namespace = selected.namespace.as_deref();
        let (pod, set) = (Resource::pod(), Resource::replica_set());
        let (pods, sets) = futures::try_join!(
            context.cluster.list(&pod, namespace, None),
            context.cluster.list(&set, namespace, None)
        )?;
        let of_owners = owners.iter().flat_map(|owner| pods_of(owner, &sets, &pods));
        (of_owners.collect(), !owners.is_empty())
    };
    pods.sort_by(|a, b| name(a).cmp(name(b)));
    let none = match (selected.is_one(), is_there) {
        (true, true) => format!("{} has no pods", selected.describe()),
        (true, false) if !selected.is_pods() => format!("{}, or has no pods", selected.missing()),
        _ => selected.missing(),
    };
    Ok(Found {
        pods,
        none,
        may_come: is_there,
    })
}

/// The pod of a target to run something in: the one that is named, or the first ready one, which is
/// waited for.
pub async fn usable(
    target: &Target,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<Value, StepFailure> {
    let text = target.target.render_text(&context.scope())?;
    // whoever names a pod means it, ready or not
    let is_named = text
        .split_once('/')
        .is_some_and(|(kind, _)| kinds::names_pods(kind));
    let settle = context.suite.suite.timeouts.settle;
    let mut patience = Patience::new(context, format!("a pod of {text}"), settle);
    let mut pause = FIRST_PAUSE;
    loop {
        let Found {
            pods,
            none,
            may_come,
        } = find(target, context).await?;
        if is_named || (pods.is_empty() && !may_come) {
            let first = pods.into_iter().next();
            return first.ok_or_else(|| StepFailure::errored(none));
        }
        let mut is_kept = false;
        let mut why = Vec::new();
        for pod in pods {
            let state = pod_state(&pod, None);
            is_kept |= !matches!(state, PodReadiness::Pending(_));
            match state.why() {
                None => {
                    patience.passed();
                    return Ok(pod);
                }
                Some(reason) => why.push(format!("pod/{}: {reason}", name(&pod))),
            }
        }
        let why = match why.is_empty() {
            true => none,
            false => why.join("; "),
        };
        if !context.is_patient || deadline.remaining() <= pause + REQUEST {
            let limit = match context.is_patient {
                true => format!(" {}", deadline.describe()),
                false => String::new(),
            };
            return Err(StepFailure::errored(format!(
                "no pod of {text} is ready{limit}: {why}"
            )));
        }
        match is_kept {
            true => patience.is_kept(&why),
            false => patience.is_on_its_way(&why),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Between two looks for a pod: twice the last, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// What a look takes itself.
const REQUEST: Duration = Duration::from_millis(200);

/// A container of a pod.
pub fn container(
    pod: &Value,
    container: Option<&Template>,
    context: &StepContext<'_>,
) -> Result<PodTarget, StepFailure> {
    Ok(PodTarget {
        namespace: pod["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        pod: name(pod).to_owned(),
        container: container
            .map(|container| container.render_text(&context.scope()))
            .transpose()?,
    })
}

/// `metadata.name`.
pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}
