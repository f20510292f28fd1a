//! A change of an object that may have been there before, from before it is asked for until what came
//! of it is known: in the ledger, and in the cluster where the object is not the run's own.

use serde_json::Value;

use super::super::change::Change;
use super::super::ledger::Subject;
use super::StepContext;
use super::write::is_refusal;
use crate::cluster::{Applied, ClusterError};
use crate::event::EventKind;

/// One change that is under way.
pub(super) struct Changing<'c> {
    context: &'c StepContext<'c>,
    subject: &'c Subject,
    subresource: Option<&'c str>,
    /// Whether the object was written down for this change.
    is_first: bool,
}

impl<'c> Changing<'c> {
    /// Notes that a change is about to be asked for, and waits until that is written down in the
    /// cluster. Where it cannot be, that is told once, and the change goes on.
    pub(super) async fn begin(
        context: &'c StepContext<'c>,
        subject: &'c Subject,
        subresource: Option<&'c str>,
        is_first: bool,
    ) -> Self {
        let changing = Self {
            context,
            subject,
            subresource,
            is_first,
        };
        changing.note(|change| change.begin(subresource));
        if let Err(why) = changing.keep().await {
            let kept = context.ledger.kept(subject);
            if kept.is_some_and(|kept| kept.is_first_failure()) {
                context.suite.teller.tell(EventKind::Notice {
                    text: format!(
                        "what {} is like could not be written down in the cluster, so only this \
                         run can put it back, and nobody can if it is killed: {why}",
                        subject.shown()
                    ),
                });
            }
        }
        changing
    }

    /// Notes what came of it: the object just before, and the answer.
    pub(super) async fn end(self, before: &Value, answer: &Result<Applied, ClusterError>) {
        let Self {
            context,
            subject,
            subresource,
            is_first,
        } = self;
        match answer {
            Ok(applied) => {
                let after = &applied.object;
                self.note(|change| change.done(subresource, before, after));
                // such as `scale`, which says nothing of the object itself
                let is_of_another_kind = subresource.is_some() && before["kind"] != after["kind"];
                if is_of_another_kind && let Some(kept) = context.ledger.kept(subject) {
                    match kept.cluster().get(&subject.key).await {
                        Ok(Some(after)) => {
                            self.note(|change| change.done_and_read(subresource, before, &after));
                        }
                        // what it did is not known
                        Ok(None) | Err(_) => self.note(|change| change.begin(subresource)),
                    }
                }
            }
            Err(error) if is_refusal(error) => {
                self.note(|change| change.refused(subresource));
                if is_first {
                    // nothing was made or changed: another case may do it, and putting it back would
                    // undo what somebody else changes from here on
                    context.ledger.remove_kept(subject).await;
                    context.ledger.forget(subject);
                    return;
                }
            }
            // it may have been carried out: what is written down says so
            Err(_) => return,
        }
        if let Err(why) = self.keep().await {
            tracing::debug!("{}: {why}", subject.shown());
        }
    }

    fn note(&self, note: impl FnOnce(&mut Change)) {
        self.context.ledger.note_change(self.subject, note);
    }

    /// Writes down in the cluster what is known.
    async fn keep(&self) -> Result<(), String> {
        match self.context.ledger.to_keep(self.subject) {
            Some((kept, turn, change)) => kept.write(turn, change).await,
            None => Ok(()),
        }
    }
}
