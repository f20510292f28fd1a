//! Follows a rollout: the object, its pods and their nodes, until it is done or cannot be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{sleep_until, timeout_at};

use super::super::deadline::Deadline;
use super::follow::{LAST_LOOK, read_apart};
use super::patience::Patience;
use super::{StepContext, StepFailure};
use crate::cluster::{
    ClusterError, Exclusion, ObjectKey, PodReadiness, Readiness, Resource, Watch, node_excluded_by,
    owned_by, pod_state, pods_refused, rolled_out,
};

/// How a rollout is waited for.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Ends with those that are ready, where the others do not become so.
    pub per_node: bool,
    /// How long what does not heal by itself must last to end it.
    pub settle: Duration,
}

/// Waits for the rollout of a DaemonSet, a Deployment or a StatefulSet, and gives it as it is then.
/// What `ends` gives on one of its looks ends it as failed.
pub async fn wait(
    key: ObjectKey,
    how: How,
    ends: &mut (impl FnMut() -> Result<Option<String>, StepFailure> + Send),
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<Value, StepFailure> {
    if !["DaemonSet", "Deployment", "StatefulSet"].contains(&key.resource.kind.as_str()) {
        return Err(StepFailure::errored(format!(
            "{key} has no rollout: only a DaemonSet, a Deployment or a StatefulSet is rolled out"
        )));
    }
    let mut patience = Patience::new(context, &key, how.settle);
    let mut rollout = Rollout::watch(key, how.per_node, context);
    match timeout_at(deadline.at, rollout.end(ends, context, &mut patience)).await {
        Ok(end) => end?,
        Err(_) => {
            let object = rollout.last_look(context, deadline).await?;
            patience.passed();
            return Ok(object);
        }
    }
    patience.passed();
    let object = rollout.object().map(|object| (*object).clone());
    object.ok_or_else(|| {
        StepFailure::errored(format!("{} is gone since it was rolled out", rollout.key))
    })
}

/// What is watched to judge a rollout.
struct Rollout {
    key: ObjectKey,
    per_node: bool,
    objects: Watch,
    pods: Watch,
    nodes: Watch,
    replica_sets: Option<Watch>,
}

/// What is known of the objects of a kind: by a watch, or read apart from it.
enum Known<'r> {
    Watched(&'r Watch),
    Read(Vec<Arc<Value>>),
}

impl Known<'_> {
    fn list(&self, is_wanted: impl Fn(&Value) -> bool) -> Vec<Arc<Value>> {
        match self {
            Self::Watched(watch) => watch.list(is_wanted),
            Self::Read(objects) => {
                let objects = objects.iter();
                objects
                    .filter(|object| is_wanted(object))
                    .cloned()
                    .collect()
            }
        }
    }

    fn find(&self, namespace: Option<&str>, name: &str) -> Option<Arc<Value>> {
        match self {
            Self::Watched(watch) => watch.find(namespace, name),
            Self::Read(objects) => {
                let is_it = |object: &&Arc<Value>| {
                    let metadata = &object["metadata"];
                    metadata["name"] == name && metadata["namespace"].as_str() == namespace
                };
                objects.iter().find(is_it).cloned()
            }
        }
    }
}

/// What a rollout is judged by at one moment.
struct Seen<'r> {
    key: &'r ObjectKey,
    per_node: bool,
    objects: Known<'r>,
    pods: Known<'r>,
    nodes: Known<'r>,
    replica_sets: Option<Known<'r>>,
}

/// How far it is.
#[derive(Debug, PartialEq)]
enum Progress {
    Pending(String),
    /// Something keeps it that may pass by itself.
    Kept(String),
    /// Something keeps it that does not heal by itself.
    Hopeless {
        why: String,
        /// Whether what is there is all that was asked for then.
        is_enough: bool,
    },
    Done,
    Failed(String),
}

impl Rollout {
    fn watch(key: ObjectKey, per_node: bool, context: &StepContext<'_>) -> Self {
        let namespace = key.namespace.as_deref();
        // without `per_node` the object alone decides that it is done
        let watch = |resource: &Resource| match per_node {
            true => context.watch(resource, namespace),
            false => context.cluster.watch(resource, namespace),
        };
        Self {
            objects: context.watch(&key.resource, namespace),
            pods: watch(&Resource::pod()),
            nodes: watch(&Resource::node()),
            replica_sets: (key.resource.kind == "Deployment")
                .then(|| watch(&Resource::replica_set())),
            per_node,
            key,
        }
    }

    /// Ends when it is rolled out, or will not be.
    async fn end(
        &mut self,
        ends: &mut (impl FnMut() -> Result<Option<String>, StepFailure> + Send),
        context: &StepContext<'_>,
        patience: &mut Patience<'_>,
    ) -> Result<(), StepFailure> {
        loop {
            if let Some(why) = ends()? {
                return Err(StepFailure::failed(why));
            }
            let failed = match self.progress(context) {
                Progress::Done => return Ok(()),
                Progress::Failed(why) => Some(why),
                Progress::Pending(why) => {
                    patience.is_on_its_way(&format!("{}: {why}", self.key));
                    None
                }
                Progress::Kept(why) => {
                    patience.is_kept(&why);
                    None
                }
                Progress::Hopeless { why, is_enough } => match patience.is_hopeless(&why) {
                    Some(_) if is_enough => return Ok(()),
                    ended => ended,
                },
            };
            if let Some(why) = failed {
                return Err(StepFailure::failed(format!(
                    "{} cannot be rolled out: {why}",
                    self.key
                )));
            }
            // what may not be watched never changes
            let nodes = self.per_node.then_some((&self.nodes, "the nodes"));
            let watched = [Some((&self.objects, "it")), nodes];
            for (watch, what) in watched.into_iter().flatten() {
                if let Some(error) = watch.last_error().filter(|error| error.is_forbidden()) {
                    return Err(StepFailure::errored(format!(
                        "{}: {what} cannot be watched: {error}",
                        self.key
                    )));
                }
            }
            let replica_sets = async {
                match &mut self.replica_sets {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            let settled = async {
                match patience.ends_at() {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.objects.changed() => {}
                () = self.pods.changed() => {}
                () = self.nodes.changed() => {}
                () = replica_sets => {}
                () = settled => {}
            }
        }
    }

    fn progress(&self, context: &StepContext<'_>) -> Progress {
        if !self.is_current(context) {
            return Progress::Pending(match self.objects.last_error() {
                Some(error) if !self.objects.is_synced() => {
                    format!("it could not be read: {error}")
                }
                _ => "it was not read yet".to_owned(),
            });
        }
        match self.unread(context) {
            Some(what) => Progress::Pending(format!("{what} were not read yet")),
            None => self.seen().progress(),
        }
    }

    /// With `per_node`, what is not known yet and decides as well, as long as it might pass.
    fn unread(&self, context: &StepContext<'_>) -> Option<&'static str> {
        if !self.per_node {
            return None;
        }
        let lacks = |watch: &Watch, resource: &Resource, namespace: Option<&str>| {
            !context.is_current(watch, resource, namespace)
        };
        let object = self.object()?;
        let is_done = match rolled_out(&object) {
            Readiness::Ready(_) => true,
            Readiness::Pending(_) => false,
            Readiness::Failed(_) | Readiness::GivenUp(_) => return None,
        };
        if lacks(&self.nodes, &Resource::node(), None) {
            return Some("the nodes");
        }
        if is_done {
            return None;
        }
        let namespace = self.key.namespace.as_deref();
        if lacks(&self.pods, &Resource::pod(), namespace) {
            return Some("the pods");
        }
        let sets = self.replica_sets.as_ref();
        sets.is_some_and(|sets| lacks(sets, &Resource::replica_set(), namespace))
            .then_some("the ReplicaSets")
    }

    /// What the watches know.
    fn seen(&self) -> Seen<'_> {
        Seen {
            key: &self.key,
            per_node: self.per_node,
            objects: Known::Watched(&self.objects),
            pods: Known::Watched(&self.pods),
            nodes: Known::Watched(&self.nodes),
            replica_sets: self.replica_sets.as_ref().map(Known::Watched),
        }
    }

    fn object(&self) -> Option<Arc<Value>> {
        self.seen().object()
    }

    /// Whether what is known of the object is no older than the run's last write.
    fn is_current(&self, context: &StepContext<'_>) -> bool {
        let ObjectKey {
            resource,
            namespace,
            ..
        } = &self.key;
        context.is_current(&self.objects, resource, namespace.as_deref())
    }

    /// When the time is over: the object as it is, read apart from watches that may be blind. With
    /// `per_node`, its pods and their nodes are read as well.
    async fn last_look(
        &self,
        context: &StepContext<'_>,
        deadline: &Deadline,
    ) -> Result<Value, StepFailure> {
        let ObjectKey {
            resource,
            namespace,
            name,
        } = &self.key;
        let read = |resource: Resource, namespace: Option<&str>, name: Option<&str>| {
            let (namespace, name) = (namespace.map(str::to_owned), name.map(str::to_owned));
            async move {
                let (namespace, name) = (namespace.as_deref(), name.as_deref());
                let read = read_apart(context, &resource, namespace, name, None, LAST_LOOK);
                read.await
                    .map_err(|error| self.unread_in_the_end(&error, deadline))
            }
        };
        let namespace = namespace.as_deref();
        let mut objects = read(resource.clone(), namespace, Some(name)).await?;
        if !self.per_node {
            if objects.first().is_some_and(is_rolled_out) {
                return Ok(objects.swap_remove(0));
            }
            let blind = [&self.objects, &self.pods, &self.nodes];
            if let Some(error) = blind.into_iter().find_map(Watch::last_error) {
                return Err(self.unread_in_the_end(&error, deadline));
            }
            let progress = self.progress(context);
            return Err(self.seen().timed_out(progress, context, deadline).await);
        }
        if !self.is_current(context) {
            return Err(match self.objects.last_error() {
                Some(error) => self.unread_in_the_end(&error, deadline),
                None => StepFailure::errored(format!(
                    "whether {} was rolled out {} was not seen: the watch is behind the run's last \
                     write",
                    self.key,
                    deadline.describe()
                )),
            });
        }
        let known = |objects: Vec<Value>| Known::Read(objects.into_iter().map(Arc::new).collect());
        let mut seen = Seen {
            key: &self.key,
            per_node: self.per_node,
            objects: known(objects),
            pods: known(Vec::new()),
            nodes: known(read(Resource::node(), None, None).await?),
            replica_sets: None,
        };
        let mut progress = seen.progress();
        if progress != Progress::Done {
            seen.pods = known(read(Resource::pod(), namespace, None).await?);
            if self.replica_sets.is_some() {
                let sets = read(Resource::replica_set(), namespace, None).await?;
                seen.replica_sets = Some(known(sets));
            }
            progress = seen.progress();
        }
        let object = seen.object();
        match object.filter(|_| progress == Progress::Done || seen.is_enough_in_the_end()) {
            Some(object) => Ok((*object).clone()),
            None => Err(seen.timed_out(progress, context, deadline).await),
        }
    }

    fn unread_in_the_end(&self, error: &ClusterError, deadline: &Deadline) -> StepFailure {
        StepFailure::errored(format!(
            "whether {} was rolled out {} could not be read: {error}",
            self.key,
            deadline.describe()
        ))
    }
}

impl Seen<'_> {
    fn progress(&self) -> Progress {
        let Some(object) = self.object() else {
            return Progress::Pending("it does not exist".to_owned());
        };
        match rolled_out(&object) {
            Readiness::Ready(_) if self.per_node => self.without_late_nodes(&object),
            Readiness::Ready(_) => Progress::Done,
            Readiness::Failed(why) => Progress::Failed(why),
            Readiness::GivenUp(why) => Progress::Hopeless {
                why,
                is_enough: false,
            },
            Readiness::Pending(pending) => {
                if let Some(refused) = pods_refused(&object) {
                    return Progress::Kept(format!("{pending} {refused}"));
                }
                let states = self.pod_states(&object);
                let expected = expected_pods(&object);
                judge(pending, &states, expected, self.per_node)
            }
        }
    }

    /// Rolled out to all nodes that it means, unless one that still comes up will be meant too.
    fn without_late_nodes(&self, daemon_set: &Value) -> Progress {
        let late = |node: &Arc<Value>| match node_excluded_by(daemon_set, node) {
            Some(Exclusion::ForNow(why)) => {
                let name = node["metadata"]["name"].as_str().unwrap_or_default();
                Some(format!("{name}: {why}"))
            }
            Some(Exclusion::Wanted(_)) | None => None,
        };
        let late: Vec<_> = self.nodes.list(|_| true).iter().filter_map(late).collect();
        match late.is_empty() {
            true => Progress::Done,
            false => Progress::Kept(shortened(late)),
        }
    }

    fn object(&self) -> Option<Arc<Value>> {
        self.objects
            .find(self.key.namespace.as_deref(), &self.key.name)
    }

    /// The pods that the present revision made and that have not ended, by name, with how far they
    /// are. Others come for those that have.
    fn pod_states(&self, object: &Value) -> BTreeMap<String, PodReadiness> {
        let owner = self.pods_owner(object);
        let Some(owner) = owner else {
            return BTreeMap::new();
        };
        self.pods
            .list(|pod| owned_by(pod, &owner) && is_of_revision(pod, object))
            .iter()
            .filter_map(|pod| {
                let node = pod["spec"]["nodeName"]
                    .as_str()
                    .and_then(|node| self.nodes.find(None, node));
                let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                match pod_state(pod, node.as_deref()) {
                    PodReadiness::Over(_) => None,
                    state => Some((name.to_owned(), state)),
                }
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

    /// Whether each node was given its time, and one at least has its pod: those without are told
    /// where they are tested.
    fn is_enough_in_the_end(&self) -> bool {
        self.per_node
            && self.object().is_some_and(|object| {
                let states = self.pod_states(&object);
                expected_pods(&object).is_some()
                    && states.values().any(|state| *state == PodReadiness::Ready)
            })
    }

    /// The message of a time-out: which one, what was still not so, and the last warning.
    async fn timed_out(
        &self,
        progress: Progress,
        context: &StepContext<'_>,
        deadline: &Deadline,
    ) -> StepFailure {
        let pending = match progress {
            Progress::Pending(why)
            | Progress::Kept(why)
            | Progress::Hopeless { why, .. }
            | Progress::Failed(why) => why,
            Progress::Done => "it was a moment later".to_owned(),
        };
        let mut failure = StepFailure::failed(format!(
            "{} was not rolled out {}: {pending}",
            self.key,
            deadline.describe()
        ));
        if let Some(object) = self.object() {
            let uid = object["metadata"]["uid"].as_str();
            let mut warning = context.cluster.last_warning(self.key, uid).await;
            if warning.is_none() {
                warning = self.pod_warning(&object, context).await;
            }
            // of a Deployment whose pods are not let in, only this knows why
            if warning.is_none()
                && let Some(set) = self.pods_owner(&object)
                && self.replica_sets.is_some()
            {
                let name = set["metadata"]["name"].as_str().unwrap_or_default();
                let namespace = self.key.namespace.as_deref();
                let set = ObjectKey::new(Resource::replica_set(), namespace, name);
                warning = context.cluster.last_warning(&set, None).await;
            }
            if let Some(warning) = warning {
                failure.why.message.push_str("; last warning: ");
                failure.why.message.push_str(&warning);
            }
            let pods: Vec<_> = self
                .pod_states(&object)
                .into_iter()
                .map(|(name, state)| format!("pod/{name}: {}", state.why().unwrap_or("ready")))
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

/// Whether a pod of a DaemonSet or StatefulSet is of its present revision; those of a Deployment
/// are told apart by their ReplicaSet.
fn is_of_revision(pod: &Value, object: &Value) -> bool {
    let labels = &pod["metadata"]["labels"];
    let (is, should) = match object["kind"].as_str() {
        Some("DaemonSet") => (
            &labels["pod-template-generation"],
            &object["metadata"]["annotations"]["deprecated.daemonset.template.generation"],
        ),
        Some("StatefulSet") => (
            &labels["controller-revision-hash"],
            &object["status"]["updateRevision"],
        ),
        _ => return true,
    };
    // what a server does not tell keeps no pod out
    is.is_null() || should.is_null() || is == should
}

/// Whether waiting on makes sense, from the states of the pods.
///
/// Without `per_node` the first pod that does not heal ends it, once that has lasted. With it, it
/// ends when no pod can still change, and fails only where none is ready. Neither ends before the
/// controller has seen the present generation: until then, the pods are those of the one before.
fn judge(
    pending: String,
    states: &BTreeMap<String, PodReadiness>,
    expected: Option<u64>,
    per_node: bool,
) -> Progress {
    let (mut kept, mut hopeless) = (Vec::new(), Vec::new());
    let (mut is_undecided, mut any_ready) = (false, false);
    for (name, state) in states {
        match state {
            PodReadiness::Ready => any_ready = true,
            PodReadiness::Pending(_) => is_undecided = true,
            PodReadiness::Hindered(why) => kept.push(format!("pod/{name}: {why}")),
            PodReadiness::Hopeless(why) | PodReadiness::Over(why) => {
                hopeless.push(format!("pod/{name}: {why}"));
            }
        }
    }
    let all_there = expected.is_some_and(|expected| states.len() as u64 >= expected);
    let waits = per_node && (is_undecided || !kept.is_empty() || !all_there);
    if !hopeless.is_empty() && expected.is_some() && !waits {
        return Progress::Hopeless {
            why: shortened(hopeless),
            is_enough: per_node && any_ready,
        };
    }
    match kept.is_empty() {
        true => Progress::Pending(pending),
        false => Progress::Kept(shortened(kept)),
    }
}

/// How many pods or nodes a message names.
const NAMED: usize = 5;

fn shortened(mut list: Vec<String>) -> String {
    if list.len() > NAMED {
        let more = list.len() - NAMED;
        list.truncate(NAMED);
        list.push(format!("and {more} more"));
    }
    list.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn states(list: &[(&str, PodReadiness)]) -> BTreeMap<String, PodReadiness> {
        list.iter()
            .map(|(name, state)| ((*name).to_owned(), state.clone()))
            .collect()
    }

    fn hopeless() -> PodReadiness {
        PodReadiness::Hopeless("no such image".to_owned())
    }

    fn kept() -> PodReadiness {
        PodReadiness::Hindered("no node yet".to_owned())
    }

    fn pending() -> PodReadiness {
        PodReadiness::Pending("starting".to_owned())
    }

    fn ends(why: &str, is_enough: bool) -> Progress {
        Progress::Hopeless {
            why: why.to_owned(),
            is_enough,
        }
    }

    #[test]
    fn one_pod_that_does_not_heal_ends_a_rollout() {
        let judge = |list: &[(&str, PodReadiness)]| {
            judge("0 of 2".to_owned(), &states(list), Some(2), false)
        };
        assert_eq!(
            judge(&[("a", hopeless()), ("b", pending())]),
            ends("pod/a: no such image", false)
        );
        assert_eq!(
            judge(&[("a", kept()), ("b", hopeless())]),
            ends("pod/b: no such image", false)
        );
    }

    #[test]
    fn pods_of_the_generation_before_end_no_rollout() {
        let states = states(&[("a", hopeless())]);
        assert_eq!(
            judge("not seen yet".to_owned(), &states, None, false),
            Progress::Pending("not seen yet".to_owned())
        );
    }

    #[test]
    fn what_may_pass_keeps_a_rollout_and_is_told() {
        for per_node in [false, true] {
            let states = states(&[("a", kept()), ("b", PodReadiness::Ready)]);
            assert_eq!(
                judge("1 of 2".to_owned(), &states, Some(2), per_node),
                Progress::Kept("pod/a: no node yet".to_owned())
            );
        }
    }

    #[test]
    fn per_node_waits_for_all_and_needs_one() {
        let waits = Progress::Pending("1 of 2".to_owned());
        let judge = |list: &[(&str, PodReadiness)], expected| {
            judge("1 of 2".to_owned(), &states(list), expected, true)
        };
        assert_eq!(
            judge(&[("a", hopeless()), ("b", pending())], Some(2)),
            waits
        );
        assert_eq!(judge(&[("a", hopeless())], Some(2)), waits);
        assert_eq!(judge(&[("a", hopeless())], None), waits);
        assert_eq!(
            judge(&[("a", hopeless()), ("b", PodReadiness::Ready)], Some(2)),
            ends("pod/a: no such image", true)
        );
        assert_eq!(
            judge(&[("a", hopeless()), ("b", hopeless())], Some(2)),
            ends("pod/a: no such image; pod/b: no such image", false)
        );
        assert_eq!(
            judge(&[("a", hopeless()), ("b", kept())], Some(2)),
            Progress::Kept("pod/b: no node yet".to_owned())
        );
    }

    #[test]
    fn pods_of_an_earlier_revision_do_not_count() {
        let pod = |label: &str, value: &str| json!({"metadata": {"labels": {label: value}}});
        let daemon_set = json!({"kind": "DaemonSet", "metadata": {"annotations": {
            "deprecated.daemonset.template.generation": "2"}}});
        assert!(is_of_revision(
            &pod("pod-template-generation", "2"),
            &daemon_set
        ));
        assert!(!is_of_revision(
            &pod("pod-template-generation", "1"),
            &daemon_set
        ));
        assert!(is_of_revision(&json!({}), &daemon_set));
        let set = json!({"kind": "StatefulSet", "status": {"updateRevision": "db-2"}});
        assert!(!is_of_revision(
            &pod("controller-revision-hash", "db-1"),
            &set
        ));
    }
}
