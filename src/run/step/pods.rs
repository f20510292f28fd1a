//! From a target to its pods: a pod itself, those that a selector picks, or those that a
//! workload owns.

use serde_json::Value;

use super::select::Selected;
use super::{StepContext, StepFailure};
use crate::cluster::{PodReadiness, PodTarget, Resource, pod_state, pods_of};
use crate::plan::model::Target;
use crate::template::Template;

/// The pods of a target by name; at least one.
pub async fn of(target: &Target, context: &StepContext<'_>) -> Result<Vec<Value>, StepFailure> {
    let selected = Selected::of(target, context).await?;
    let mut pods = if selected.resource.kind == "Pod" {
        selected.read(context).await?
    } else {
        let owners = selected.read(context).await?;
        let namespace = selected.namespace.as_deref();
        let (pod, set) = (Resource::pod(), Resource::replica_set());
        let (pods, sets) = futures::try_join!(
            context.cluster.list(&pod, namespace, None),
            context.cluster.list(&set, namespace, None)
        )?;
        owners
            .iter()
            .flat_map(|owner| pods_of(owner, &sets, &pods))
            .collect()
    };
    pods.sort_by(|a, b| name(a).cmp(name(b)));
    if pods.is_empty() {
        return Err(StepFailure::errored(match selected.is_one() {
            true => format!("{} does not exist, or has no pods", selected.describe()),
            false => format!("{}: there are none", selected.describe()),
        }));
    }
    Ok(pods)
}

/// The pod of a target to run something in: the one that is named, or the first ready one.
pub async fn usable(target: &Target, context: &StepContext<'_>) -> Result<Value, StepFailure> {
    let pods = of(target, context).await?;
    let text = target.target.render_text(&context.scope())?;
    let is_named = matches!(text.split_once('/'), Some(("pod" | "pods" | "po", _)));
    if is_named {
        return pods
            .into_iter()
            .next()
            .ok_or_else(|| StepFailure::errored(format!("{text} does not exist")));
    }
    let mut why = Vec::new();
    for pod in pods {
        match pod_state(&pod, None) {
            PodReadiness::Ready => return Ok(pod),
            PodReadiness::Pending(reason) | PodReadiness::Blocked(reason) => {
                why.push(format!("pod/{}: {reason}", name(&pod)));
            }
        }
    }
    Err(StepFailure::errored(format!(
        "no pod of {text} is ready: {}",
        why.join("; ")
    )))
}

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
