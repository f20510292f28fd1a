//! What a run made or changed, written down before it is made: a request that was
//! cancelled may have succeeded.
//!
//! Taking it back is `cleanup`'s job.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::change::Change;
use super::snapshot::{Kept, Turn};
use crate::cluster::ObjectKey;
use crate::event::{CaseId, SuiteRef};

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
    /// It was there before: it is put back.
    Changed(Change),
    /// It is what is written down in the cluster of an object that needs not be put back: it goes.
    WrittenDown,
}

/// One object that the run made or changed.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which.
    pub subject: Subject,
    /// What was done to it.
    pub deed: Deed,
    /// Entries of one step have the same number: their order does not matter.
    pub step: usize,
    /// Where what was changed is written down in the cluster.
    pub kept: Option<Arc<Kept>>,
}

/// Whose objects a ledger holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Those of a suite's setup and teardown.
    Suite(SuiteRef),
    /// Those of one cell of a case.
    Case(CaseId),
}

impl Owner {
    /// Of which suite.
    pub fn suite(&self) -> &SuiteRef {
        match self {
            Self::Suite(suite) => suite,
            Self::Case(case) => &case.suite,
        }
    }

    /// Whether both may have an object at a time: cases change what their suite's setup made.
    fn shares_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Case(one), Self::Case(other)) => one == other,
            (one, other) => one.suite() == other.suite(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suite(suite) => write!(f, "the suite {:?}", suite.name),
            Self::Case(case) => write!(f, "the case {:?}", case.name),
        }
    }
}

/// Which suite or case has which object, over all ledgers of a run: two of them that make or
/// change the same object would do so under each other's feet.
#[derive(Debug, Default)]
pub struct Owners {
    holders: Mutex<HashMap<Subject, Vec<Holder>>>,
    changed: Notify,
}

#[derive(Debug)]
struct Holder {
    owner: Owner,
    /// Whether it has the object, or is only asking for it: that may be refused.
    has_it: bool,
}

/// What became of asking for an object.
enum Asked {
    /// It is the owner's; whether it was not before.
    Ours { is_new: bool },
    /// Somebody else has it.
    Taken(Owner),
    /// Somebody else is asking the API server for it just now.
    Undecided,
}

impl Owners {
    fn ask(&self, owner: &Owner, subject: &Subject) -> Asked {
        let mut holders = locked(&self.holders);
        let holders = holders.entry(subject.clone()).or_default();
        let others = || {
            holders
                .iter()
                .filter(|holder| !holder.owner.shares_with(owner))
        };
        if let Some(other) = others().find(|holder| holder.has_it) {
            return Asked::Taken(other.owner.clone());
        }
        if others().next().is_some() {
            return Asked::Undecided;
        }
        let is_new = holders.iter().all(|holder| holder.owner != *owner);
        if is_new {
            holders.push(Holder {
                owner: owner.clone(),
                has_it: false,
            });
        }
        Asked::Ours { is_new }
    }

    fn keep(&self, owner: &Owner, subject: &Subject) {
        let mut holders = locked(&self.holders);
        for holder in holders.get_mut(subject).into_iter().flatten() {
            holder.has_it |= holder.owner == *owner;
        }
        self.changed.notify_waiters();
    }

    fn release(&self, owner: &Owner, subject: &Subject) {
        let mut holders = locked(&self.holders);
        if let Some(of_it) = holders.get_mut(subject) {
            of_it.retain(|holder| holder.owner != *owner);
            if of_it.is_empty() {
                holders.remove(subject);
            }
        }
        self.changed.notify_waiters();
    }
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

/// An object that nobody else may make or change, for as long as it is asked for. What was written
/// down of it until then stays the ledger's; else others may have it.
#[derive(Debug)]
pub struct Claim<'l> {
    ledger: &'l Ledger,
    subject: Subject,
    is_new: bool,
}

impl Claim<'_> {
    /// Writes the object down before it is touched. `false` where it is in this ledger
    /// already: one that was made and is made anew will have another uid, which is all that changes.
    pub fn write_down(&self, deed: Deed) -> bool {
        let mut inner = self.ledger.lock();
        let mut entries = inner.entries.iter_mut();
        if let Some(entry) = entries.find(|entry| entry.subject == self.subject) {
            if let (Deed::Made { uid }, Deed::Made { uid: None }) = (&mut entry.deed, &deed) {
                *uid = None;
            }
            return false;
        }
        let step = inner.steps;
        inner.entries.push(Entry {
            subject: self.subject.clone(),
            deed,
            step,
            kept: None,
        });
        true
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let Ledger { owner, owners, .. } = self.ledger;
        if self.ledger.has(&self.subject) {
            owners.keep(owner, &self.subject);
        } else if self.is_new {
            owners.release(owner, &self.subject);
        }
    }
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

    /// Whose it is.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Begins a step: what is written down from here on belongs together.
    pub fn begin_step(&self) {
        self.lock().steps += 1;
    }

    /// Claims an object before it is touched. Waits while somebody else asks the API server for
    /// it, which may refuse.
    ///
    /// # Errors
    /// The other owner, where somebody else has it.
    pub async fn claim(&self, subject: &Subject) -> Result<Claim<'_>, Owner> {
        loop {
            let changed = self.owners.changed.notified();
            match self.owners.ask(&self.owner, subject) {
                Asked::Ours { is_new } => {
                    return Ok(Claim {
                        ledger: self,
                        subject: subject.clone(),
                        is_new,
                    });
                }
                Asked::Taken(owner) => return Err(owner),
                Asked::Undecided => changed.await,
            }
        }
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

    /// Notes of an object that was there before what is done to it, where that is written down.
    pub fn note_change(&self, subject: &Subject, note: impl FnOnce(&mut Change)) {
        let mut inner = self.lock();
        let entry = inner.entries.iter_mut().find(|it| it.subject == *subject);
        if let Some(Deed::Changed(change)) = entry.map(|entry| &mut entry.deed) {
            note(change);
        }
    }

    /// Says where an object that was there before is written down in the cluster.
    pub fn keep(&self, subject: &Subject, kept: Arc<Kept>) {
        let mut inner = self.lock();
        for entry in &mut inner.entries {
            if entry.subject == *subject && matches!(entry.deed, Deed::Changed(_)) {
                entry.kept = Some(Arc::clone(&kept));
            }
        }
    }

    /// Where that is.
    pub fn kept(&self, subject: &Subject) -> Option<Arc<Kept>> {
        let inner = self.lock();
        let entry = inner.entries.iter().find(|it| it.subject == *subject)?;
        entry.kept.clone()
    }

    /// What is to be known there by now, and its turn among all that is.
    pub fn to_keep(&self, subject: &Subject) -> Option<(Arc<Kept>, Turn, Change)> {
        let inner = self.lock();
        let entry = inner.entries.iter().find(|it| it.subject == *subject)?;
        match (&entry.deed, &entry.kept) {
            // taken with the ledger locked: a later turn knows all that an earlier one did
            (Deed::Changed(change), Some(kept)) => {
                Some((Arc::clone(kept), kept.turn(), change.clone()))
            }
            (Deed::Changed(_) | Deed::Made { .. } | Deed::WrittenDown, _) => None,
        }
    }

    /// An object that was there before is not to be put back.
    pub fn forget_change(&self, subject: &Subject) {
        let is_it =
            |entry: &mut Entry| entry.subject == *subject && matches!(entry.deed, Deed::Changed(_));
        let forgotten = self.lock().entries.extract_if(.., is_it).count();
        if forgotten > 0 {
            self.release(subject);
        }
    }

    /// Removes what is written down in the cluster of an object that needs not be put back. Where
    /// that cannot be, it is tried once more with all the rest.
    pub async fn remove_kept(&self, subject: &Subject) {
        let Some(kept) = self.kept(subject) else {
            return;
        };
        let Err((subject, error)) = kept.remove().await else {
            return;
        };
        tracing::debug!("{} was not deleted yet: {error}", subject.shown());
        let mut inner = self.lock();
        let step = inner.steps;
        inner.entries.push(Entry {
            subject,
            deed: Deed::WrittenDown,
            step,
            kept: Some(kept),
        });
    }

    fn has(&self, subject: &Subject) -> bool {
        self.lock().entries.iter().any(|it| it.subject == *subject)
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
        self.owners.release(&self.owner, subject);
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

    fn suite(index: usize) -> SuiteRef {
        SuiteRef {
            index,
            name: format!("suite {index}"),
        }
    }

    fn case(suite_index: usize, case: usize) -> Owner {
        Owner::Case(CaseId {
            suite: suite(suite_index),
            case,
            cell: 0,
            name: "same name".to_owned(),
        })
    }

    fn of_suite() -> Ledger {
        Ledger::new(Owner::Suite(suite(0)), Arc::default())
    }

    fn made(uid: Option<&str>) -> Deed {
        Deed::Made {
            uid: uid.map(str::to_owned),
        }
    }

    async fn write_down(ledger: &Ledger, name: &str, deed: Deed) -> Result<bool, Owner> {
        let claim = ledger.claim(&pod(name)).await?;
        Ok(claim.write_down(deed))
    }

    #[tokio::test]
    async fn what_was_made_last_comes_out_first() {
        let ledger = of_suite();
        for (step, objects) in [["a", "b"], ["c", "d"]].into_iter().enumerate() {
            ledger.begin_step();
            for object in objects {
                let is_first = write_down(&ledger, object, made(None)).await;
                assert_eq!(is_first, Ok(true), "{step}");
            }
        }
        assert_eq!(write_down(&ledger, "a", made(None)).await, Ok(false));
        assert_eq!(names(ledger.take()), [["c", "d"], ["a", "b"]]);
        assert!(ledger.take().is_empty());
    }

    #[tokio::test]
    async fn what_is_made_anew_is_not_looked_for_under_its_old_uid() {
        let ledger = of_suite();
        ledger.begin_step();
        assert_eq!(write_down(&ledger, "a", made(None)).await, Ok(true));
        ledger.made(&pod("a"), "1");
        ledger.begin_step();
        assert_eq!(write_down(&ledger, "b", made(None)).await, Ok(true));
        ledger.begin_step();
        assert_eq!(write_down(&ledger, "a", made(None)).await, Ok(false));
        let taken = ledger.take();
        assert_eq!(taken[1][0].deed, made(None));
        assert_eq!(names(taken), [["b"], ["a"]]);
    }

    #[tokio::test]
    async fn what_stays_is_taken_out_and_what_was_changed_is_not() {
        let ledger = Ledger::new(case(0, 0), Arc::default());
        let changed = Deed::Changed(Change::of(serde_json::Value::from(1)));
        assert_eq!(write_down(&ledger, "a", made(None)).await, Ok(true));
        assert_eq!(write_down(&ledger, "b", changed.clone()).await, Ok(true));
        assert_eq!(write_down(&ledger, "b", made(None)).await, Ok(false));
        assert_eq!(ledger.take_made(), [pod("a")]);
        assert_eq!(ledger.take()[0][0].deed, changed);
        assert!(ledger.take_made().is_empty());
    }

    #[tokio::test]
    async fn two_cases_cannot_make_the_same_object_whatever_their_names() {
        let owners = Arc::new(Owners::default());
        let ledger = |owner: Owner| Ledger::new(owner, Arc::clone(&owners));
        let (first, second) = (ledger(case(0, 0)), ledger(case(0, 1)));
        assert_eq!(write_down(&first, "a", made(None)).await, Ok(true));
        assert_eq!(write_down(&second, "a", made(None)).await, Err(case(0, 0)));
        // but they may change what setup made, and setup may not be in their way
        let setup = ledger(Owner::Suite(suite(0)));
        assert_eq!(write_down(&setup, "a", made(None)).await, Ok(true));
        first.take();
        first.release(&pod("a"));
        assert_eq!(
            write_down(&second, "a", made(None)).await,
            Ok(true),
            "after the first is done with it"
        );
    }

    #[tokio::test]
    async fn two_suites_cannot_make_the_same_object_in_whatever_version() {
        let owners = Arc::new(Owners::default());
        let setup = |index| Ledger::new(Owner::Suite(suite(index)), Arc::clone(&owners));
        let (first, second) = (setup(0), setup(1));
        assert_eq!(write_down(&first, "a", made(None)).await, Ok(true));
        let mut in_another_version = pod("a");
        in_another_version.key.resource.version = "v2".to_owned();
        in_another_version.key.resource.api_version = "v2".to_owned();
        in_another_version.key.resource.short_names = vec!["po".to_owned()];
        let taken = second.claim(&in_another_version).await.map(drop);
        assert_eq!(taken, Err(Owner::Suite(suite(0))));
        let in_a_case = Ledger::new(case(1, 0), Arc::clone(&owners));
        let taken = in_a_case.claim(&pod("a")).await.map(drop);
        assert_eq!(taken, Err(Owner::Suite(suite(0))));
        first.forget(&pod("a"));
        assert!(second.claim(&pod("a")).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_refused_is_nobodys_and_is_waited_for_until_then() {
        let owners = Arc::new(Owners::default());
        let ledger = |number| Ledger::new(case(0, number), Arc::clone(&owners));
        for is_refused in [true, false] {
            let (first, second) = (ledger(0), ledger(1));
            let claim = first.claim(&pod("a")).await.unwrap();
            assert!(claim.write_down(made(None)));
            let subject = pod("a");
            let asked = second.claim(&subject);
            tokio::pin!(asked);
            assert!(futures::poll!(asked.as_mut()).is_pending());
            if is_refused {
                first.forget(&pod("a"));
            }
            drop(claim);
            let expected = match is_refused {
                true => Ok(()),
                false => Err(case(0, 0)),
            };
            assert_eq!(asked.await.map(drop), expected);
        }
    }
}
