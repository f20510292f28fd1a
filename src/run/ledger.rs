//! What a run made or changed, written down before it is made: a request that was
//! cancelled may have succeeded.
//!
//! Taking it back is `cleanup`'s job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::cluster::ObjectKey;

/// An object and the cluster that it is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// One of the suite's further clusters, by name; nothing is the run's own.
    pub cluster: Option<String>,
    /// The object.
    pub key: ObjectKey,
}

impl Subject {
    /// As kubectl takes it: `kind/name`, with `-n NAMESPACE` where it has one, and the
    /// cluster where it is not the run's own.
    pub fn shown(&self) -> String {
        let mut text = self.key.to_string();
        if let Some(namespace) = &self.key.namespace {
            text.push_str(" -n ");
            text.push_str(namespace);
        }
        if let Some(cluster) = &self.cluster {
            text.push_str(&format!(" (cluster {cluster})"));
        }
        text
    }
}

/// How an entry came about, and so how it is taken back.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// The run made it: it is deleted. The uid is known once the API server answered.
    Made {
        /// `metadata.uid`.
        uid: Option<String>,
    },
    /// It was there before: it is restored to this state of it.
    Changed {
        /// The object as it was.
        snapshot: Value,
    },
}

/// One object that the run made or changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Which.
    pub subject: Subject,
    /// What was done to it.
    pub deed: Deed,
    /// Entries of one step have the same number: their order does not matter.
    pub step: usize,
}

/// Which case has registered which object, over all ledgers of a suite: two cases
/// that make the same object would delete it under each other's feet.
#[derive(Debug, Default)]
pub struct Owners(Mutex<HashMap<Subject, String>>);

/// Whose objects a ledger holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Those of setup and teardown.
    Suite,
    /// Those of one case, by its name.
    Case(String),
}

/// The objects of one case, or of a suite's setup.
#[derive(Debug)]
pub struct Ledger {
    owner: Owner,
    owners: Arc<Owners>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    steps: usize,
}

impl Ledger {
    /// An empty one.
    pub fn new(owner: Owner, owners: Arc<Owners>) -> Self {
        Self {
            owner,
            owners,
            inner: Mutex::default(),
        }
    }

    /// Begins a step: what is registered from here on belongs together.
    pub fn begin_step(&self) {
        self.lock().steps += 1;
    }

    /// Writes an object down before it is touched. `false` where it is in this ledger
    /// already: one that was made and is made anew will have another uid, which is all that changes.
    ///
    /// # Errors
    /// The name of the other owner, where another case has it.
    pub fn register(&self, subject: &Subject, deed: Deed) -> Result<bool, String> {
        if let Owner::Case(name) = &self.owner {
            let mut owners = locked(&self.owners.0);
            let owner = owners
                .entry(subject.clone())
                .or_insert_with(|| name.clone());
            if owner != name {
                return Err(owner.clone());
            }
        }
        let mut inner = self.lock();
        let mut entries = inner.entries.iter_mut();
        if let Some(entry) = entries.find(|entry| entry.subject == *subject) {
            if let (Deed::Made { uid }, Deed::Made { uid: None }) = (&mut entry.deed, &deed) {
                *uid = None;
            }
            return Ok(false);
        }
        let step = inner.steps;
        inner.entries.push(Entry {
            subject: subject.clone(),
            deed,
            step,
        });
        Ok(true)
    }

    /// The API server told the uid of an object that was made.
    pub fn made(&self, subject: &Subject, made_uid: &str) {
        let mut inner = self.lock();
        for entry in &mut inner.entries {
            if entry.subject == *subject
                && let Deed::Made { uid } = &mut entry.deed
            {
                *uid = Some(made_uid.to_owned());
            }
        }
    }

    /// Whether the object is written down here as made.
    pub fn has_made(&self, subject: &Subject) -> bool {
        self.lock()
            .entries
            .iter()
            .any(|entry| entry.subject == *subject && matches!(entry.deed, Deed::Made { .. }))
    }

    /// Whether all that is written down is of such a kind.
    pub fn holds_only(&self, is_such: impl Fn(&Subject) -> bool) -> bool {
        self.lock()
            .entries
            .iter()
            .all(|entry| is_such(&entry.subject))
    }

    /// It turned out not to be the run's after all.
    pub fn forget(&self, subject: &Subject) {
        self.lock()
            .entries
            .retain(|entry| entry.subject != *subject);
        self.release(subject);
    }

    /// It is taken back: other cases may make it now.
    pub fn release(&self, subject: &Subject) {
        if let Owner::Case(_) = self.owner {
            locked(&self.owners.0).remove(subject);
        }
    }

    /// Takes out what was made, for good: it stays in the cluster.
    pub fn take_made(&self) -> Vec<Subject> {
        let is_made = |entry: &mut Entry| matches!(entry.deed, Deed::Made { .. });
        let made: Vec<_> = self.lock().entries.extract_if(.., is_made).collect();
        for entry in &made {
            self.release(&entry.subject);
        }
        made.into_iter().map(|entry| entry.subject).collect()
    }

    /// Takes everything out, the last step's objects first, a list for each step.
    pub fn take(&self) -> Vec<Vec<Entry>> {
        let mut entries = std::mem::take(&mut self.lock().entries);
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.step));
        entries
            .chunk_by(|a, b| a.step == b.step)
            .map(<[Entry]>::to_vec)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        locked(&self.inner)
    }
}

/// A panic elsewhere must not keep cleanup from what is written down.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Resource;

    fn pod(name: &str) -> Subject {
        Subject {
            cluster: None,
            key: ObjectKey::new(Resource::pod(), Some("ns"), name),
        }
    }

    fn names(groups: Vec<Vec<Entry>>) -> Vec<Vec<String>> {
        groups
            .into_iter()
            .map(|group| {
                group
                    .into_iter()
                    .map(|entry| entry.subject.key.name)
                    .collect()
            })
            .collect()
    }

    #[test]
    fn what_was_made_last_comes_out_first() {
        let ledger = Ledger::new(Owner::Suite, Arc::default());
        for (step, objects) in [["a", "b"], ["c", "d"]].into_iter().enumerate() {
            ledger.begin_step();
            for object in objects {
                assert_eq!(
                    ledger.register(&pod(object), Deed::Made { uid: None }),
                    Ok(true),
                    "{step}"
                );
            }
        }
        assert_eq!(
            ledger.register(&pod("a"), Deed::Made { uid: None }),
            Ok(false)
        );
        assert_eq!(names(ledger.take()), [["c", "d"], ["a", "b"]]);
        assert!(ledger.take().is_empty());
    }

    #[test]
    fn what_is_made_anew_is_not_looked_for_under_its_old_uid() {
        let ledger = Ledger::new(Owner::Suite, Arc::default());
        let made = |uid: Option<&str>| Deed::Made {
            uid: uid.map(str::to_owned),
        };
        ledger.begin_step();
        assert_eq!(ledger.register(&pod("a"), made(None)), Ok(true));
        ledger.made(&pod("a"), "1");
        ledger.begin_step();
        assert_eq!(ledger.register(&pod("b"), made(None)), Ok(true));
        ledger.begin_step();
        assert_eq!(ledger.register(&pod("a"), made(None)), Ok(false));
        let taken = ledger.take();
        assert_eq!(taken[1][0].deed, made(None));
        assert_eq!(names(taken), [["b"], ["a"]]);
    }

    #[test]
    fn what_stays_is_taken_out_and_what_was_changed_is_not() {
        let ledger = Ledger::new(Owner::Case("one".to_owned()), Arc::default());
        let (made, snapshot) = (Deed::Made { uid: None }, Value::from(1));
        let changed = Deed::Changed { snapshot };
        assert_eq!(ledger.register(&pod("a"), made.clone()), Ok(true));
        assert_eq!(ledger.register(&pod("b"), changed.clone()), Ok(true));
        assert_eq!(ledger.register(&pod("b"), made.clone()), Ok(false));
        assert_eq!(ledger.take_made(), [pod("a")]);
        assert_eq!(ledger.take()[0][0].deed, changed);
        assert!(ledger.take_made().is_empty());
    }

    #[test]
    fn two_cases_cannot_make_the_same_object() {
        let owners = Arc::new(Owners::default());
        let case = |name: &str| Ledger::new(Owner::Case(name.to_owned()), Arc::clone(&owners));
        let (first, second) = (case("one"), case("two"));
        let made = Deed::Made { uid: None };
        assert_eq!(first.register(&pod("a"), made.clone()), Ok(true));
        assert_eq!(
            second.register(&pod("a"), made.clone()),
            Err("one".to_owned())
        );
        first.take();
        first.release(&pod("a"));
        assert_eq!(
            second.register(&pod("a"), made),
            Ok(true),
            "after the first is done with it"
        );
    }
}
