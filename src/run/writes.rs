//! What a suite wrote last to each object, and when, so that no watch is believed that has not seen
//! it yet. Of what programs and others write for the run, only the moment is known.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::ledger::Subject;
use crate::cluster::{Deletion, ObjectKey, Resource, State};

/// Shared by everything in a suite.
#[derive(Debug, Default)]
pub struct Writes {
    objects: Mutex<HashMap<Subject, Write>>,
    unseen: Mutex<Option<Instant>>,
}

/// The last write to an object.
#[derive(Debug)]
struct Write {
    uid: Value,
    /// That it was answered with; of a deletion, the one that was there before.
    version: String,
    answered: Instant,
    left: Left,
}

/// What the write left of the object: it never becomes more again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    All,
    /// It is on its way out.
    Going,
    Nothing,
}

impl Write {
    fn of(object: &Value, left: Left) -> Option<Self> {
        let metadata = &object["metadata"];
        Some(Self {
            uid: metadata["uid"].clone(),
            version: metadata["resourceVersion"].as_str()?.to_owned(),
            answered: Instant::now(),
            left,
        })
    }

    /// Whether an object that has the name since the version, or none, does not contradict it.
    fn goes_with(&self, there: Option<&Value>) -> bool {
        let Some(metadata) = there.map(|there| &there["metadata"]) else {
            return true;
        };
        match self.left {
            Left::All => true,
            Left::Going => metadata["uid"] != self.uid || metadata["deletionTimestamp"].is_string(),
            Left::Nothing => metadata["uid"] != self.uid,
        }
    }

    /// Takes in another write to an object of the name. Answers are not noted in the order in which
    /// they were given: what is known already of a later state, or of a successor, stays.
    fn take(&mut self, other: Self) {
        let number = |version: &str| version.parse::<u64>().unwrap_or_default();
        let is_later = number(&self.version) > number(&other.version);
        // without a uid, the same cannot be told from a successor
        if self.uid != other.uid || self.uid.is_null() {
            if self.uid == other.uid || !is_later {
                *self = other;
            }
            return;
        }
        if self.left == Left::Nothing {
            return;
        }
        if !is_later || other.left > self.left {
            self.answered = other.answered;
        }
        if !is_later {
            self.version = other.version;
        }
        self.left = self.left.max(other.left);
    }

    fn seen_by(&self, state: &State, key: &ObjectKey) -> bool {
        let there = state.find(key.namespace.as_deref(), &key.name);
        state.has_seen(&self.version, self.answered)
            && (state.is_listed_since(self.answered) || self.goes_with(there.as_deref()))
    }
}

/// Somebody may write whom nobody watches, for as long as this is kept.
#[must_use]
pub struct Unseen<'a>(&'a Writes);

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        let mut unseen = self.0.unseen.lock().unwrap_or_else(PoisonError::into_inner);
        *unseen = Some(Instant::now());
    }
}

impl Writes {
    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, Write>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the state of an object that the API server answered a write with. A subresource such as
    /// `scale` answers with another kind, of the same version.
    pub fn note(&self, subject: &Subject, object: &Value) {
        self.enter(subject, Write::of(object, Left::All));
    }

    /// Notes how far the deletion of an object is, which was so before. What was written to a
    /// successor since stays noted.
    pub fn note_deletion(&self, subject: &Subject, object: &Value, deletion: Deletion) {
        let left = match deletion {
            Deletion::Going => Left::Going,
            Deletion::Gone | Deletion::Absent => Left::Nothing,
        };
        self.enter(subject, Write::of(object, left));
    }

    fn enter(&self, subject: &Subject, write: Option<Write>) {
        let Some(write) = write else {
            return;
        };
        let mut objects = self.lock();
        match objects.get_mut(subject) {
            Some(known) => known.take(write),
            None => {
                objects.insert(subject.clone(), write);
            }
        }
    }

    /// Something goes on that may write to any object, until the guard is dropped: a program, a
    /// command in a pod, a request to a service.
    pub fn unseen(&self) -> Unseen<'_> {
        Unseen(self)
    }

    /// When the last such thing ended.
    pub fn unseen_until(&self) -> Option<Instant> {
        *self.unseen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long ago the last write was to an object that is meant, in one cluster.
    pub fn age(
        &self,
        cluster: Option<&str>,
        is_meant: impl Fn(&ObjectKey) -> bool,
    ) -> Option<Duration> {
        self.lock()
            .iter()
            .filter(|(subject, _)| subject.cluster.as_deref() == cluster && is_meant(&subject.key))
            .map(|(_, write)| write.answered.elapsed())
            .min()
    }

    /// Whether a watch of a kind, in one namespace or in all, is no older than the last
    /// writes to what it follows.
    pub fn seen_by(
        &self,
        state: &State,
        cluster: Option<&str>,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> bool {
        self.lock()
            .iter()
            .filter(|(subject, _)| {
                subject.cluster.as_deref() == cluster
                    && subject.key.resource.is_same_kind(resource)
                    && (namespace.is_none() || subject.key.namespace.as_deref() == namespace)
            })
            .all(|(subject, write)| write.seen_by(state, &subject.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(uid: &str, version: &str) -> Value {
        json!({"metadata": {"uid": uid, "resourceVersion": version}})
    }

    fn subject() -> Subject {
        Subject {
            cluster: None,
            key: ObjectKey::new(Resource::pod(), Some("n"), "a"),
        }
    }

    #[test]
    fn what_was_deleted_is_not_seen_where_it_is_still_there() {
        let mut going = object("1", "11");
        going["metadata"]["deletionTimestamp"] = "now".into();
        let (same, other) = (object("1", "10"), object("2", "12"));
        for (left, of_same, of_going) in [
            (Left::All, true, true),
            (Left::Going, false, true),
            (Left::Nothing, false, false),
        ] {
            let write = Write::of(&object("1", "10"), left).unwrap();
            assert!(write.goes_with(None), "{left:?}");
            assert!(write.goes_with(Some(&other)), "{left:?}");
            assert_eq!(write.goes_with(Some(&same)), of_same, "{left:?}");
            assert_eq!(write.goes_with(Some(&going)), of_going, "{left:?}");
        }
    }

    #[test]
    fn a_deletion_counts_as_a_write_and_not_against_a_successor() {
        let writes = Writes::default();
        let left = |writes: &Writes| writes.lock().get(&subject()).map(|write| write.left);
        let is_pod = |key: &ObjectKey| key.resource.kind == "Pod";
        assert_eq!(writes.age(None, is_pod), None);
        writes.note_deletion(&subject(), &object("1", "10"), Deletion::Going);
        assert!(writes.age(None, is_pod).is_some());
        assert_eq!(left(&writes), Some(Left::Going));
        writes.note_deletion(&subject(), &object("1", "10"), Deletion::Gone);
        assert_eq!(left(&writes), Some(Left::Nothing));
        writes.note(&subject(), &object("2", "12"));
        writes.note_deletion(&subject(), &object("1", "10"), Deletion::Gone);
        assert_eq!(left(&writes), Some(Left::All));
        writes.note_deletion(&subject(), &object("2", "11"), Deletion::Gone);
        assert_eq!(left(&writes), Some(Left::Nothing), "the same, read before");
    }

    #[test]
    fn what_is_noted_late_takes_nothing_back() {
        let writes = Writes::default();
        let known = |writes: &Writes| {
            let objects = writes.lock();
            let write = &objects[&subject()];
            (write.version.clone(), write.left)
        };
        let is = |version: &str, left| (version.to_owned(), left);
        writes.note(&subject(), &object("1", "11"));
        writes.note(&subject(), &object("1", "10"));
        assert_eq!(known(&writes), is("11", Left::All));
        writes.note_deletion(&subject(), &object("1", "10"), Deletion::Going);
        assert_eq!(known(&writes), is("11", Left::Going));
        writes.note(&subject(), &object("1", "12"));
        assert_eq!(known(&writes), is("12", Left::Going), "still going");
        writes.note_deletion(&subject(), &object("1", "12"), Deletion::Gone);
        writes.note(&subject(), &object("1", "13"));
        writes.note_deletion(&subject(), &object("1", "12"), Deletion::Going);
        assert_eq!(known(&writes).1, Left::Nothing);
        writes.note(&subject(), &object("2", "20"));
        writes.note(&subject(), &object("1", "13"));
        assert_eq!(known(&writes), is("20", Left::All), "the successor");
    }

    #[test]
    fn what_has_no_uid_is_what_was_noted_last() {
        let writes = Writes::default();
        let object = |version: &str| json!({"metadata": {"resourceVersion": version}});
        writes.note(&subject(), &object("10"));
        writes.note_deletion(&subject(), &object("10"), Deletion::Gone);
        writes.note(&subject(), &object("12"));
        assert_eq!(writes.lock()[&subject()].left, Left::All);
    }

    #[tokio::test]
    async fn what_nobody_sees_is_over_when_it_ends() {
        let writes = Writes::default();
        let running = writes.unseen();
        assert_eq!(writes.unseen_until(), None);
        let before = Instant::now();
        drop(running);
        assert!(writes.unseen_until().unwrap() >= before);
    }
}
