//! Follows the objects of a target until something holds of them, on a state no older
//! than the run's last write.
//!
//! A watch can be blind without knowing it, where its connection hangs. So nothing fails by a
//! time-out before the objects were read once more, apart from the watch.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::deadline::{Deadline, human_duration};
use super::select::Selected;
use super::{StepContext, StepFailure};
use crate::cluster::{ClusterError, LabelQuery, ObjectKey, Resource, Selection, Watch};

/// How long the last look may take, when the time is over.
pub const LAST_LOOK: Duration = Duration::from_secs(5);

/// How long the one look of a time-out of zero may take: as long as requests are sent again.
const ONE_LOOK: Duration = Duration::from_secs(30);

/// A watch on a target.
pub struct Followed<'a> {
    selected: &'a Selected<'a>,
    context: &'a StepContext<'a>,
    watch: Watch,
    /// It begins now, so its first state is newer than every write before.
    is_new: bool,
}

/// What a look at the objects says.
pub enum Look {
    /// It holds.
    Holds,
    /// Not yet, and why.
    NotYet(String),
    /// It never will.
    Never(String),
}

impl<'a> Followed<'a> {
    /// Begins to follow, or joins whoever follows the same.
    pub fn new(selected: &'a Selected<'a>, context: &'a StepContext<'a>) -> Self {
        let watch = context
            .cluster
            .watch(&selected.resource, selected.namespace.as_deref());
        context.suite.keep(&watch, selected.namespace.as_deref());
        Self {
            selected,
            context,
            is_new: !watch.is_synced(),
            watch,
        }
    }

    /// The objects as they are now; nothing before the watch has caught up.
    pub fn objects(&self) -> Result<Option<Vec<Value>>, StepFailure> {
        let objects = self.watch.read(|state| {
            let is_current = state.is_synced()
                && (self.is_new
                    || self.context.suite.writes.seen_by(
                        state,
                        self.context.cluster_name.as_deref(),
                        &self.selected.resource,
                        self.selected.namespace.as_deref(),
                    ));
            is_current.then(|| state.list(|_| true))
        });
        let Some(objects) = objects else {
            return Ok(None);
        };
        let mut selected = Vec::new();
        for object in objects {
            super::write::note_secret(&object, self.context);
            if self.selected.has(&object, self.context)? {
                selected.push((*object).clone());
            }
        }
        Ok(Some(selected))
    }

    /// Waits until a look holds. The last reason why not is the message of a time-out.
    ///
    /// A deadline of zero looks once, at what is newer than every write before.
    pub async fn until(
        &mut self,
        deadline: &Deadline,
        mut look: impl FnMut(&[Value]) -> Result<Look, StepFailure>,
    ) -> Result<Vec<Value>, StepFailure> {
        let what = self.selected.describe();
        if deadline.is_zero() {
            let patience = self.context.deadline.as_ref().map(Deadline::remaining);
            let patience = patience.map_or(ONE_LOOK, |left| left.min(ONE_LOOK));
            let objects = self.read_apart(patience).await;
            let objects = objects.map_err(|error| {
                StepFailure::errored(format!("{what} could not be read: {error}"))
            })?;
            return self.judge(objects, deadline, look).await;
        }
        let mut last = format!("{what} could not be read");
        loop {
            if let Some(objects) = self.objects()? {
                match look(&objects)? {
                    Look::Holds => return Ok(objects),
                    Look::Never(why) => return Err(StepFailure::failed(why)),
                    Look::NotYet(why) => last = why,
                }
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
            }
            if timeout_at(deadline.at, self.watch.changed()).await.is_err() {
                let objects = self.read_apart(LAST_LOOK).await.map_err(|error| {
                    let limit = deadline.describe();
                    StepFailure::errored(format!("{last} {limit}; the last look: {error}"))
                })?;
                return self.judge(objects, deadline, look).await;
            }
        }
    }

    /// What the one look, or the last one, says.
    async fn judge(
        &self,
        objects: Vec<Value>,
        deadline: &Deadline,
        mut look: impl FnMut(&[Value]) -> Result<Look, StepFailure>,
    ) -> Result<Vec<Value>, StepFailure> {
        match look(&objects)? {
            Look::Holds => Ok(objects),
            Look::Never(why) => Err(StepFailure::failed(why)),
            Look::NotYet(why) => Err(self.timed_out(why, deadline, &objects).await),
        }
    }

    /// Waits so long while a look goes on holding; a break fails at once.
    pub async fn hold(
        &mut self,
        span: Duration,
        mut look: impl FnMut(&[Value]) -> Result<Look, StepFailure>,
    ) -> Result<(), StepFailure> {
        let end = Instant::now() + span;
        let begun = Instant::now();
        while timeout_at(end, self.watch.changed()).await.is_ok() {
            let Some(objects) = self.objects()? else {
                continue;
            };
            if let Look::NotYet(why) | Look::Never(why) = look(&objects)? {
                return Err(broken_after(begun, span, &why));
            }
        }
        let blind = self.watch.last_error();
        let seen = match blind {
            Some(error) => Err(error),
            None => self.read_apart(LAST_LOOK).await,
        };
        let objects = seen.map_err(|error| {
            let span = human_duration(span);
            StepFailure::errored(format!("whether it held for {span} was not seen: {error}"))
        })?;
        match look(&objects)? {
            Look::Holds => Ok(()),
            Look::NotYet(why) | Look::Never(why) => Err(broken_after(begun, span, &why)),
        }
    }

    /// The objects as they are, whatever the watch says.
    async fn read_apart(&self, patience: Duration) -> Result<Vec<Value>, ClusterError> {
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
        let mut selected = Vec::new();
        for object in objects.await? {
            super::write::note_secret(&object, self.context);
            // what cannot be judged was judged before
            if self.selected.has(&object, self.context).unwrap_or(false) {
                selected.push(object);
            }
        }
        Ok(selected)
    }

    /// Which deadline, what was still not so, and the last warning of what was waited for.
    async fn timed_out(&self, why: String, deadline: &Deadline, objects: &[Value]) -> StepFailure {
        let mut message = match deadline.is_zero() {
            true => why,
            false => format!("not {}: {why}", deadline.describe()),
        };
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
