//! Follows the objects of a target until something holds of them, on a state no older
//! than the run's last write.

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::super::deadline::Deadline;
use super::select::Selected;
use super::{StepContext, StepFailure};
use crate::cluster::{ObjectKey, Watch};

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
    /// A deadline of zero looks once.
    pub async fn until(
        &mut self,
        deadline: &Deadline,
        mut look: impl FnMut(&[Value]) -> Result<Look, StepFailure>,
    ) -> Result<Vec<Value>, StepFailure> {
        let what = self.selected.describe();
        let mut last = format!("{what} could not be read");
        loop {
            if let Some(objects) = self.objects()? {
                match look(&objects)? {
                    Look::Holds => return Ok(objects),
                    Look::Never(why) => return Err(StepFailure::failed(why)),
                    Look::NotYet(why) => last = why,
                }
                if deadline.is_zero() {
                    return Err(self.timed_out(last, deadline, &objects).await);
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
            let limit = match deadline.is_zero() {
                true => Instant::now() + super::LONGEST,
                false => deadline.at,
            };
            if timeout_at(limit, self.watch.changed()).await.is_err() {
                let objects = self.objects()?.unwrap_or_default();
                return Err(match self.watch.is_synced() {
                    true => self.timed_out(last, deadline, &objects).await,
                    false => StepFailure::errored(format!("{last} {}", deadline.describe())),
                });
            }
        }
    }

    /// Waits so long while a look goes on holding; a break fails at once.
    pub async fn hold(
        &mut self,
        span: std::time::Duration,
        mut look: impl FnMut(&[Value]) -> Result<Look, StepFailure>,
    ) -> Result<(), StepFailure> {
        let end = Instant::now() + span;
        let begun = Instant::now();
        while timeout_at(end, self.watch.changed()).await.is_ok() {
            let Some(objects) = self.objects()? else {
                continue;
            };
            if let Look::NotYet(why) | Look::Never(why) = look(&objects)? {
                return Err(StepFailure::failed(format!(
                    "it held, but not for {}: after {:.1} s, {why}",
                    super::super::deadline::human_duration(span),
                    begun.elapsed().as_secs_f64()
                )));
            }
        }
        Ok(())
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
