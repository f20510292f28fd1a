//! Follows the objects of a target until something holds of them, on a state no older
//! than the run's last write.
//!
//! A watch can be blind without knowing it, where its connection hangs. So nothing fails by a
//! time-out before the objects were read once more, apart from the watch.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::deadline::{Deadline, human_duration};
use super::memory::Memory;
use super::patience::Patience;
use super::select::Selected;
use super::{StepContext, StepFailure};
use crate::cluster::{
    ClusterError, LabelQuery, ObjectKey, Resource, Selection, Watch, pods_refused,
};

/// How long the last look may take, when the time is over.
pub const LAST_LOOK: Duration = Duration::from_secs(5);

/// How long the one look of a time-out of zero may take: as long as requests are sent again.
const ONE_LOOK: Duration = Duration::from_secs(30);

/// A watch on a target.
pub struct Followed<'a> {
    selected: &'a Selected<'a>,
    context: &'a StepContext<'a>,
    watch: Watch,
    /// How long what does not heal by itself must last to end the wait.
    settle: Duration,
    /// Which objects are chosen.
    chosen: Memory<bool>,
    /// The watch did not tell that it holds: it may be behind.
    is_behind: bool,
}

/// What a look at the objects says.
pub enum Look {
    /// It holds.
    Holds,
    /// Not yet, and why.
    NotYet(String),
    /// Not yet: something keeps it that may pass by itself.
    Kept(String),
    /// Not yet: something keeps it that does not heal by itself.
    Hopeless(String),
    /// It never will.
    Never(String),
}

impl<'a> Followed<'a> {
    /// Begins to follow, or joins whoever follows the same.
    pub fn new(selected: &'a Selected<'a>, context: &'a StepContext<'a>) -> Self {
        let namespace = selected.namespace.as_deref();
        let watch = context.watch(&selected.resource, namespace);
        context.suite.keep(&watch, namespace);
        Self {
            selected,
            context,
            watch,
            settle: context.suite.suite.timeouts.settle,
            chosen: Memory::default(),
            is_behind: false,
        }
    }

    /// The same with another settling time than the suite's, where there is one.
    #[must_use]
    pub fn settling(mut self, settle: Option<Duration>) -> Self {
        self.settle = settle.unwrap_or(self.settle);
        self
    }

    /// Whether what the watch knows is no older than the run's last write.
    fn is_current(&self) -> bool {
        let Selected {
            resource,
            namespace,
            ..
        } = self.selected;
        self.context
            .is_current(&self.watch, resource, namespace.as_deref())
    }

    /// The objects as they are now; nothing before the watch has caught up.
    pub(super) fn objects(&mut self) -> Result<Option<Vec<Arc<Value>>>, StepFailure> {
        if !self.is_current() {
            return Ok(None);
        }
        let objects = match (&self.selected.name, &self.selected.namespace) {
            (Some(name), namespace)
                if namespace.is_some() || !self.selected.resource.namespaced =>
            {
                self.watch
                    .find(namespace.as_deref(), name)
                    .into_iter()
                    .collect()
            }
            _ => self.watch.list(|_| true),
        };
        self.choose(objects).map(Some)
    }

    /// Those of them that are selected. Each is looked at once, until it changes: a condition that
    /// asks for the time is asked each time.
    fn choose(&mut self, objects: Vec<Arc<Value>>) -> Result<Vec<Arc<Value>>, StepFailure> {
        let is_timeless = self.selected.is_timeless();
        self.chosen.next_look();
        let mut chosen = Vec::new();
        for object in objects {
            let is_chosen = self.chosen.of(0, &object, || {
                super::write::note_secret(&object, self.context);
                self.selected.has(&object, self.context)
            })?;
            let is_chosen = match is_timeless {
                true => is_chosen,
                false => self.selected.has(&object, self.context)?,
            };
            if is_chosen {
                chosen.push(object);
            }
        }
        Ok(chosen)
    }

    /// Waits until a look holds. The last reason why not is the message of a time-out.
    ///
    /// A deadline of zero looks once, at what is newer than every write before.
    pub async fn until(
        &mut self,
        deadline: &Deadline,
        mut look: impl FnMut(&[Arc<Value>]) -> Result<Look, StepFailure>,
    ) -> Result<Vec<Arc<Value>>, StepFailure> {
        let what = self.selected.describe();
        if deadline.is_zero() {
            let patience = self.context.deadline.as_ref().map(Deadline::remaining);
            let patience = patience.map_or(ONE_LOOK, |left| left.min(ONE_LOOK));
            let objects = self.read_apart(patience).await?;
            let objects = objects.map_err(|error| {
                StepFailure::errored(format!("{what} could not be read: {error}"))
            })?;
            return self.judge(objects, deadline, look).await;
        }
        let mut patience = Patience::new(self.context, &what, self.settle);
        let mut last = format!("{what} could not be read");
        loop {
            if let Some(objects) = self.objects()? {
                last = match look(&objects)? {
                    Look::Holds => {
                        patience.passed();
                        return Ok(objects);
                    }
                    Look::Never(why) => return Err(StepFailure::failed(why)),
                    Look::NotYet(why) => {
                        patience.is_on_its_way(&why);
                        why
                    }
                    Look::Kept(why) => {
                        patience.is_kept(&why);
                        why
                    }
                    Look::Hopeless(why) => {
                        if let Some(why) = patience.is_hopeless(&why) {
                            return Err(StepFailure::failed(why));
                        }
                        why
                    }
                };
            }
            if let Some(error) = self.watch.last_error()
                && !self.watch.is_synced()
            {
                if error.is_forbidden() {
                    return Err(StepFailure::errored(format!(
                        "{what} cannot be watched: {error}"
                    )));
                }
                last = format!("{what} could not be read: {error}");
                self.context.awaits(&last);
            }
            let wake = patience.ends_at().unwrap_or(deadline.at).min(deadline.at);
            let is_over = timeout_at(wake, self.watch.changed()).await.is_err();
            if is_over && Instant::now() >= deadline.at {
                self.is_behind = true;
                let objects = self.read_apart(LAST_LOOK).await?.map_err(|error| {
                    let limit = deadline.describe();
                    StepFailure::errored(format!("{last} {limit}; the last look: {error}"))
                })?;
                let objects = self.judge(objects, deadline, look).await?;
                patience.passed();
                return Ok(objects);
            }
        }
    }

    /// What the one look, or the last one, says.
    async fn judge(
        &self,
        objects: Vec<Arc<Value>>,
        deadline: &Deadline,
        mut look: impl FnMut(&[Arc<Value>]) -> Result<Look, StepFailure>,
    ) -> Result<Vec<Arc<Value>>, StepFailure> {
        match look(&objects)? {
            Look::Holds => Ok(objects),
            Look::Never(why) => Err(StepFailure::failed(why)),
            Look::NotYet(why) | Look::Kept(why) | Look::Hopeless(why) => {
                Err(self.timed_out(why, deadline, &objects).await)
            }
        }
    }

    /// Waits so long while a look goes on holding; a break fails at once, however short it is: the
    /// look is at every change.
    pub async fn hold(
        &mut self,
        span: Duration,
        mut look: impl FnMut(&[Arc<Value>]) -> Result<Look, StepFailure>,
    ) -> Result<(), StepFailure> {
        let begun = Instant::now();
        let end = begun + span;
        if self.is_behind {
            let Selected {
                resource,
                namespace,
                ..
            } = self.selected;
            let namespace = namespace.as_deref();
            let cluster = &self.context.cluster;
            self.watch = cluster.watch_since(resource, namespace, Some(begun));
            self.context.suite.keep(&self.watch, namespace);
        }
        while !self.is_current() {
            if timeout_at(end, self.watch.changed()).await.is_err() {
                let span = human_duration(span);
                let why = self.watch.last_error().map_or_else(
                    || "the watch is behind the run's last write".to_owned(),
                    |error| error.to_string(),
                );
                return Err(StepFailure::errored(format!(
                    "whether it held for {span} was not seen: {why}"
                )));
            }
        }
        let mut changes = self.watch.changes();
        let mut is_over = false;
        while !is_over {
            let objects = self.choose(changes.objects())?;
            if let Some(why) = look(&objects)?.why_not() {
                return Err(broken_after(begun, span, &why));
            }
            is_over = timeout_at(end, changes.next()).await.is_err();
        }
        let blind = self.watch.last_error();
        let seen = match blind {
            Some(error) => Err(error),
            None => self.read_apart(LAST_LOOK).await?,
        };
        let objects = seen.map_err(|error| {
            let span = human_duration(span);
            StepFailure::errored(format!("whether it held for {span} was not seen: {error}"))
        })?;
        match look(&objects)?.why_not() {
            None => Ok(()),
            Some(why) => Err(broken_after(begun, span, &why)),
        }
    }

    /// The objects as they are, whatever the watch says: or why they cannot be read. An error is
    /// that they were read and cannot be told from others.
    async fn read_apart(
        &self,
        patience: Duration,
    ) -> Result<Result<Vec<Arc<Value>>, ClusterError>, StepFailure> {
        let Selected {
            resource,
            namespace,
            name,
            selector,
            ..
        } = self.selected;
        let objects = read_apart(
            self.context,
            resource,
            namespace.as_deref(),
            name.as_deref(),
            selector.as_ref(),
            patience,
        );
        let objects = match objects.await {
            Ok(objects) => objects,
            Err(error) => return Ok(Err(error)),
        };
        let mut selected = Vec::new();
        for object in objects {
            super::write::note_secret(&object, self.context);
            if self.selected.has(&object, self.context)? {
                selected.push(Arc::new(object));
            }
        }
        Ok(Ok(selected))
    }

    /// Which deadline, what was still not so, and the last warning of what was waited for.
    async fn timed_out(
        &self,
        why: String,
        deadline: &Deadline,
        objects: &[Arc<Value>],
    ) -> StepFailure {
        let mut message = match deadline.is_zero() {
            true => why,
            false => format!("not {}: {why}", deadline.describe()),
        };
        if let [only] = objects
            && let Some(refused) = pods_refused(only)
            && !message.contains(&refused)
        {
            message.push_str("; ");
            message.push_str(&refused);
        }
        let key = match (objects, &self.selected.name) {
            ([only], _) => Some(self.selected.key(only)),
            (_, Some(name)) => Some(ObjectKey::new(
                self.selected.resource.clone(),
                self.selected.namespace.as_deref(),
                name,
            )),
            _ => None,
        };
        if let Some(key) = key
            && let Some(warning) = self.context.cluster.last_warning(&key, None).await
        {
            message.push_str("; last warning: ");
            message.push_str(&warning);
        }
        StepFailure::failed(message)
    }
}

impl Look {
    /// What keeps it from holding.
    fn why_not(self) -> Option<String> {
        match self {
            Self::Holds => None,
            Self::NotYet(why) | Self::Kept(why) | Self::Hopeless(why) | Self::Never(why) => {
                Some(why)
            }
        }
    }
}

fn broken_after(begun: Instant, span: Duration, why: &str) -> StepFailure {
    StepFailure::failed(format!(
        "it held, but not for {}: after {:.1} s, {why}",
        human_duration(span),
        begun.elapsed().as_secs_f64()
    ))
}

/// Reads objects once, by the rights that a watch has too, and within a time.
pub async fn read_apart(
    context: &StepContext<'_>,
    resource: &Resource,
    namespace: Option<&str>,
    name: Option<&str>,
    selector: Option<&LabelQuery>,
    patience: Duration,
) -> Result<Vec<Value>, ClusterError> {
    let selection = Selection {
        labels: selector.map(|selector| selector.text().to_owned()),
        fields: name.map(|name| format!("metadata.name={name}")),
    };
    let reading = context
        .cluster
        .list_selected(resource, namespace, &selection);
    match timeout(patience, reading).await {
        Ok(read) => read,
        Err(_elapsed) => Err(context.cluster.trouble().unwrap_or(ClusterError::TimedOut {
            what: format!("reading {}", resource.plural),
            after: patience,
        })),
    }
}
