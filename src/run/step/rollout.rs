//! Follows a rollout: the object, its pods and their nodes, until it is done or cannot be.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::time::timeout_at;

use super::super::deadline::Deadline;
use super::follow::{LAST_LOOK, read_apart};
use super::{StepContext, StepFailure};
use crate::cluster::{
    ObjectKey, PodReadiness, Readiness, Resource, Watch, owned_by, pod_state, rolled_out,
};

/// Waits for the rollout of a DaemonSet, a Deployment or a StatefulSet.
pub async fn wait(
    key: ObjectKey,
    per_node: bool,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<(), StepFailure> {
    if !["DaemonSet", "Deployment", "StatefulSet"].contains(&key.resource.kind.as_str()) {
        return Err(StepFailure::errored(format!(
            "{key} has no rollout: only a DaemonSet, a Deployment or a StatefulSet is rolled out"
        )));
    }
    let mut rollout = Rollout::watch(key, per_node, context);
    match timeout_at(deadline.at, rollout.end(context)).await {
        Ok(end) => end,
        Err(_) => rollout.last_look(context, deadline).await,
    }
}

/// What is looked at to judge a rollout.
struct Rollout {
    key: ObjectKey,
    per_node: bool,
    objects: Watch,
    pods: Watch,
    nodes: Watch,
    replica_sets: Option<Watch>,
    /// The watch of the objects begins now.
    is_new: bool,
}

/// How far it is.
#[derive(Debug, PartialEq)]
enum Progress {
    Pending(String),
    Done,
    Failed(String),
}

impl Rollout {
    fn watch(key: ObjectKey, per_node: bool, context: &StepContext<'_>) -> Self {
        let namespace = key.namespace.as_deref();
        let watch = |resource: &Resource| context.cluster.watch(resource, namespace);
        let objects = watch(&key.resource);
        Self {
            is_new: !objects.is_synced(),
            objects,
            pods: watch(&Resource::pod()),
            nodes: watch(&Resource::node()),
            replica_sets: (key.resource.kind == "Deployment")
                .then(|| watch(&Resource::replica_set())),
            per_node,
            key,
        }
    }

    /// Ends when it is rolled out, or cannot be.
    async fn end(&mut self, context: &StepContext<'_>) -> Result<(), StepFailure> {
        loop {
            match self.progress(context) {
                Progress::Done => return Ok(()),
                Progress::Failed(why) => {
                    return Err(StepFailure::failed(format!(
                        "{} cannot be rolled out: {why}",
                        self.key
                    )));
                }
                Progress::Pending(_) => {}
            }
            // what may not be watched never changes
            if let Some(error) = self
                .objects
                .last_error()
                .filter(|error| error.is_forbidden())
            {
                return Err(StepFailure::errored(format!(
                    "{} cannot be watched: {error}",
                    self.key
                )));
            }
            let replica_sets = async {
                match &mut self.replica_sets {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.objects.changed() => {}
                () = self.pods.changed() => {}
                () = self.nodes.changed() => {}
                () = replica_sets => {}
            }
        }
    }

    fn progress(&self, context: &StepContext<'_>) -> Progress {
        let is_current = self.is_new
            || self.objects.read(|state| {
                context.suite.writes.seen_by(
                    state,
                    context.cluster_name.as_deref(),
                    &self.key.resource,
                    self.key.namespace.as_deref(),
                )
            });
        if !is_current {
            return Progress::Pending(format!("{} was not read yet", self.key));
        }
        let Some(object) = self.object() else {
            return Progress::Pending(if self.objects.is_synced() {
                format!("{} does not exist", self.key)
            } else {
                match self.objects.last_error() {
                    Some(error) => format!("{} could not be read: {error}", self.key),
                    None => format!("{} was not read yet", self.key),
                }
            });
        };
        match rolled_out(&object) {
            Readiness::Ready(_) => Progress::Done,
            Readiness::Failed(why) => Progress::Failed(why),
            Readiness::Pending(pending) => {
                let states = self.pod_states(&object);
                let expected = expected_pods(&object);
                judge(pending, &states, expected, self.per_node)
            }
        }
    }

    fn object(&self) -> Option<Arc<Value>> {
        self.objects
            .find(self.key.namespace.as_deref(), &self.key.name)
    }

    /// The pods that the present revision made, by name, with how far they are.
    fn pod_states(&self, object: &Value) -> BTreeMap<String, PodReadiness> {
        let owner = self.pods_owner(object);
        let Some(owner) = owner else {
            return BTreeMap::new();
        };
        self.pods
            .list(|pod| owned_by(pod, &owner))
            .iter()
            .map(|pod| {
                let node = pod["spec"]["nodeName"]
                    .as_str()
                    .and_then(|node| self.nodes.find(None, node));
                let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                (name.to_owned(), pod_state(pod, node.as_deref()))
            })
            .collect()
    }

    /// Of a Deployment, the ReplicaSet of its present revision; otherwise the object itself.
    fn pods_owner(&self, object: &Value) -> Option<Arc<Value>> {
        let Some(replica_sets) = &self.replica_sets else {
            return Some(Arc::new(object.clone()));
        };
        let revision = |object: &Value| {
            object["metadata"]["annotations"]["deployment.kubernetes.io/revision"].clone()
        };
        replica_sets
            .list(|set| owned_by(set, object) && revision(set) == revision(object))
            .into_iter()
            .next()
    }

    /// When the time is over: the object as it is, read apart from watches that may be blind.
    async fn last_look(
        &self,
        context: &StepContext<'_>,
        deadline: &Deadline,
    ) -> Result<(), StepFailure> {
        let name = Some(self.key.name.as_str());
        let namespace = self.key.namespace.as_deref();
        let read = read_apart(
            context,
            &self.key.resource,
            namespace,
            name,
            None,
            LAST_LOOK,
        )
        .await;
        let blind = [&self.objects, &self.pods, &self.nodes];
        let blind = blind.into_iter().find_map(Watch::last_error);
        match (read, blind) {
            (Ok(objects), _) if objects.first().is_some_and(is_rolled_out) => Ok(()),
            (Ok(_), None) => Err(self.timed_out(context, deadline).await),
            (Err(error), _) | (_, Some(error)) => Err(StepFailure::errored(format!(
                "whether {} was rolled out {} could not be read: {error}",
                self.key,
                deadline.describe()
            ))),
        }
    }

    /// The message of a time-out: which one, what was still not so, and the last warning.
    async fn timed_out(&self, context: &StepContext<'_>, deadline: &Deadline) -> StepFailure {
        let pending = match self.progress(context) {
            Progress::Pending(pending) => pending,
            Progress::Failed(why) => why,
            Progress::Done => "it was a moment later".to_owned(),
        };
        let mut failure = StepFailure::failed(format!(
            "{} was not rolled out {}: {pending}",
            self.key,
            deadline.describe()
        ));
        if let Some(object) = self.object() {
            let uid = object["metadata"]["uid"].as_str();
            let mut warning = context.cluster.last_warning(&self.key, uid).await;
            if warning.is_none() {
                warning = self.pod_warning(&object, context).await;
            }
            if let Some(warning) = warning {
                failure.why.message.push_str("; last warning: ");
                failure.why.message.push_str(&warning);
            }
            let pods: Vec<_> = self
                .pod_states(&object)
                .into_iter()
                .map(|(name, state)| format!("pod/{name}: {}", describe(&state)))
                .collect();
            failure = failure.with_detail("pods", &pods.join("\n"));
        }
        failure
    }

    /// The last warning of the first pod that is not ready.
    async fn pod_warning(&self, object: &Value, context: &StepContext<'_>) -> Option<String> {
        let (name, _) = self
            .pod_states(object)
            .into_iter()
            .find(|(_, state)| !matches!(state, PodReadiness::Ready))?;
        let pod = ObjectKey::new(Resource::pod(), self.key.namespace.as_deref(), name);
        context.cluster.last_warning(&pod, None).await
    }
}

fn is_rolled_out(object: &Value) -> bool {
    matches!(rolled_out(object), Readiness::Ready(_))
}

/// How many pods there will be, once the controller has seen the present generation.
fn expected_pods(object: &Value) -> Option<u64> {
    let seen = object["status"]["observedGeneration"].as_u64()?;
    if seen < object["metadata"]["generation"].as_u64()? {
        return None;
    }
    match object["kind"].as_str()? {
        "DaemonSet" => object["status"]["desiredNumberScheduled"].as_u64(),
        _ => object["spec"]["replicas"].as_u64(),
    }
}

/// Whether waiting on makes sense, from the states of the pods.
///
/// Without `per_node` the first pod that cannot become ready ends it. With it, it ends
/// when no pod can still change, and fails only where none is ready.
fn judge(
    pending: String,
    states: &BTreeMap<String, PodReadiness>,
    expected: Option<u64>,
    per_node: bool,
) -> Progress {
    let blocked: Vec<_> = states
        .iter()
        .filter_map(|(name, state)| match state {
            PodReadiness::Blocked(why) => Some(format!("pod/{name}: {why}")),
            PodReadiness::Ready | PodReadiness::Pending(_) => None,
        })
        .collect();
    if blocked.is_empty() {
        return Progress::Pending(pending);
    }
    let all_there = expected.is_some_and(|expected| states.len() as u64 >= expected);
    let undecided = states
        .values()
        .any(|state| matches!(state, PodReadiness::Pending(_)));
    let any_ready = states
        .values()
        .any(|state| matches!(state, PodReadiness::Ready));
    match per_node {
        true if !all_there || undecided => Progress::Pending(pending),
        true if any_ready => Progress::Done,
        _ => Progress::Failed(blocked.join("; ")),
    }
}

fn describe(state: &PodReadiness) -> &str {
    match state {
        PodReadiness::Ready => "ready",
        PodReadiness::Pending(why) | PodReadiness::Blocked(why) => why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(list: &[(&str, PodReadiness)]) -> BTreeMap<String, PodReadiness> {
        list.iter()
            .map(|(name, state)| ((*name).to_owned(), state.clone()))
            .collect()
    }

    fn blocked() -> PodReadiness {
        PodReadiness::Blocked("no such image".to_owned())
    }

    fn pending() -> PodReadiness {
        PodReadiness::Pending("starting".to_owned())
    }

    #[test]
    fn one_blocked_pod_ends_a_rollout() {
        let states = states(&[("a", blocked()), ("b", pending())]);
        assert_eq!(
            judge("0 of 2".to_owned(), &states, Some(2), false),
            Progress::Failed("pod/a: no such image".to_owned())
        );
    }

    #[test]
    fn per_node_waits_for_all_and_needs_one() {
        let waits = Progress::Pending("1 of 2".to_owned());
        let judge = |list: &[(&str, PodReadiness)], expected| {
            judge("1 of 2".to_owned(), &states(list), expected, true)
        };
        assert_eq!(judge(&[("a", blocked()), ("b", pending())], Some(2)), waits);
        assert_eq!(judge(&[("a", blocked())], Some(2)), waits);
        assert_eq!(judge(&[("a", blocked())], None), waits);
        assert_eq!(
            judge(&[("a", blocked()), ("b", PodReadiness::Ready)], Some(2)),
            Progress::Done
        );
        assert_eq!(
            judge(&[("a", blocked()), ("b", blocked())], Some(2)),
            Progress::Failed("pod/a: no such image; pod/b: no such image".to_owned())
        );
    }
}
