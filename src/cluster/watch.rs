//! Follows the objects of a kind: one shared watch per kind and namespace, for as long as anyone
//! holds a handle to it. What is waited for, and for how long, is the caller's.
//!
//! The state is replaced as a whole when the watch starts over (a 410, a long silence), so that a
//! deletion that was missed is seen then. Errors are kept beside the last good state, never instead
//! of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::client::Cluster;
use super::error::ClusterError;
use super::feed::{self, Change};
use super::resource::Resource;

/// What a watch knows at one moment.
#[derive(Debug, Default)]
pub struct State {
    objects: Objects,
    is_synced: bool,
    last_error: Option<ClusterError>,
    newest: u64,
    /// When the server was asked for all of it the last time.
    listed: Option<Instant>,
}

impl State {
    /// The object of this name; pass no namespace for what has none.
    #[must_use]
    pub fn find(&self, namespace: Option<&str>, name: &str) -> Option<Arc<Value>> {
        let key = (namespace.unwrap_or_default().to_owned(), name.to_owned());
        self.objects.get(&key).cloned()
    }

    /// The objects that `is_wanted` picks, by namespace and name.
    #[must_use]
    pub fn list(&self, is_wanted: impl Fn(&Value) -> bool) -> Vec<Arc<Value>> {
        let objects = self.objects.values();
        objects
            .filter(|object| is_wanted(object))
            .cloned()
            .collect()
    }

    /// Whether all objects have been read once: before that, one that is not found may be there.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// What keeps the watch from its work at the moment, such as a missing permission.
    ///
    /// It goes on trying whatever this says; the objects are those of the last good state.
    #[must_use]
    pub fn last_error(&self) -> Option<&ClusterError> {
        self.last_error.as_ref()
    }

    /// Whether the server was asked for all of it after that moment of ours, and has answered.
    #[must_use]
    pub fn is_listed_since(&self, moment: Instant) -> bool {
        self.listed.is_some_and(|listed| listed > moment)
    }

    /// Whether this is no older than the write that returned `resource_version`, at that moment of
    /// ours: it has seen the version, or everything was read anew since.
    ///
    /// What was deleted while nobody watched is in no list, and its version is never seen.
    ///
    /// Compares as [the API promises](https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions)
    /// since 1.35 and etcd has always done; a version that is no number counts as seen.
    /// Only versions of this kind's objects are seen, so ask with those only.
    #[must_use]
    pub fn has_seen(&self, resource_version: &str, answered: Instant) -> bool {
        resource_version
            .parse()
            .map_or(self.is_synced, |asked: u64| {
                self.is_listed_since(answered) || self.newest >= asked
            })
    }

    /// Takes a change in; says whether anybody could tell the difference.
    pub(super) fn take(&mut self, change: Change) -> bool {
        match change {
            Change::All { objects, asked } => {
                self.listed = Some(asked);
                self.newest = objects.iter().map(version_of).fold(self.newest, u64::max);
                self.objects = objects
                    .into_iter()
                    .map(|object| (key_of(&object), Arc::new(object)))
                    .collect();
                self.is_synced = true;
                self.last_error = None;
            }
            Change::Present(object) => {
                self.newest = self.newest.max(version_of(&object));
                self.objects.insert(key_of(&object), Arc::new(object));
                self.last_error = None;
            }
            Change::Gone(object) => {
                self.newest = self.newest.max(version_of(&object));
                self.objects.remove(&key_of(&object));
                self.last_error = None;
            }
            Change::Trouble(error) => {
                if self.last_error.as_ref() == Some(&error) {
                    return false;
                }
                self.last_error = Some(error);
            }
            Change::Recovered => return self.last_error.take().is_some(),
            Change::UpTo(version) if version > self.newest => self.newest = version,
            Change::UpTo(_) => return false,
        }
        true
    }
}

fn key_of(object: &Value) -> (String, String) {
    let text = |field: &str| {
        let text = object["metadata"][field].as_str();
        text.unwrap_or_default().to_owned()
    };
    (text("namespace"), text("name"))
}

fn version_of(object: &Value) -> u64 {
    let version = object["metadata"]["resourceVersion"].as_str();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

type Objects = BTreeMap<(String, String), Arc<Value>>;

/// A change, for those who must not miss any.
#[derive(Clone, Debug)]
enum Step {
    /// These are all the objects.
    All(Objects),
    /// An object as it is now; nothing where it is gone.
    One((String, String), Option<Arc<Value>>),
}

/// The objects of a watch at every moment from its beginning on, one change after the other.
///
/// Complete as far as the watch is: what came and went while that started over is not told.
pub struct Changes {
    objects: Objects,
    steps: mpsc::UnboundedReceiver<Step>,
    /// Keeps the watch, and so the sender.
    _watch: Watch,
}

impl Changes {
    /// The objects at this moment, by namespace and name.
    #[must_use]
    pub fn objects(&self) -> Vec<Arc<Value>> {
        self.objects.values().cloned().collect()
    }

    /// Goes on to the next moment, where it comes. Adds no time-out of its own.
    ///
    /// # Panics
    /// Never: the sender lives as long as the watch.
    pub async fn next(&mut self) {
        match self.steps.recv().await.expect("the watch is kept") {
            Step::All(objects) => self.objects = objects,
            Step::One(key, Some(object)) => {
                self.objects.insert(key, object);
            }
            Step::One(key, None) => {
                self.objects.remove(&key);
            }
        }
    }
}

/// A handle to a shared watch. The watch ends when its last handle is dropped.
#[derive(Clone)]
pub struct Watch {
    shared: Arc<Shared>,
    changes: watch::Receiver<u64>,
}

/// Kept by the handles; the task that feeds it has the board only, so that it does not keep itself.
struct Shared {
    board: Arc<Board>,
    task: AbortHandle,
    /// Its first list was asked for after that.
    begun: Instant,
    /// There is one that began later, which is joined instead.
    is_replaced: AtomicBool,
}

impl Shared {
    /// Whether what it knows, once it is synced, is of after a moment.
    fn knows_after(&self, moment: Instant) -> bool {
        self.begun > moment || self.board.read().is_listed_since(moment)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where the feed writes and the handles read.
#[derive(Default)]
pub(super) struct Board {
    state: RwLock<State>,
    count: watch::Sender<u64>,
    /// Those who are told each change.
    listeners: Mutex<Vec<mpsc::UnboundedSender<Step>>>,
}

impl Board {
    pub(super) fn post(&self, change: Change) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let changed = match &change {
            Change::All { .. } => Some(None),
            Change::Present(object) | Change::Gone(object) => Some(Some(key_of(object))),
            Change::Trouble(_) | Change::Recovered | Change::UpTo(_) => None,
        };
        let is_news = state.take(change);
        if let Some(key) = changed {
            self.tell_each(&state, key);
        }
        drop(state);
        if is_news {
            self.count.send_modify(|count| *count += 1);
        }
    }

    /// Tells one change, of one object or of all, while the state is held: in the order of the
    /// changes.
    fn tell_each(&self, state: &State, key: Option<(String, String)>) {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| !listener.is_closed());
        if listeners.is_empty() {
            return;
        }
        let step = match key {
            None => Step::All(state.objects.clone()),
            Some(key) => {
                let object = state.objects.get(&key).cloned();
                Step::One(key, object)
            }
        };
        for listener in &*listeners {
            // one that has gone just now misses nothing
            let _ = listener.send(step.clone());
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Whether both are handles to one watch.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Whether nobody joins it any more, as a later one follows the same.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.shared.is_replaced.load(Ordering::Relaxed)
    }

    /// Reads the state as it is now. Keep it short: the watch waits meanwhile.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.board.read())
    }

    /// [`State::find`] now.
    #[must_use]
    pub fn find(&self, namespace: Option<&str>, name: &str) -> Option<Arc<Value>> {
        self.read(|state| state.find(namespace, name))
    }

    /// [`State::list`] now.
    #[must_use]
    pub fn list(&self, is_wanted: impl Fn(&Value) -> bool) -> Vec<Arc<Value>> {
        self.read(|state| state.list(is_wanted))
    }

    /// [`State::is_synced`] now.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.read(State::is_synced)
    }

    /// [`State::last_error`] now.
    #[must_use]
    pub fn last_error(&self) -> Option<ClusterError> {
        self.read(|state| state.last_error().cloned())
    }

    /// Resolves when anything changed since this handle last waited, errors included.
    ///
    /// A change between two calls is not lost. Adds no time-out of its own.
    pub async fn changed(&mut self) {
        // The sender lives in the board, which this handle keeps.
        self.changes
            .changed()
            .await
            .expect("the board outlives its handles");
    }

    /// Follows every change from now on, also those that come while nobody looks.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let board = &self.shared.board;
        let (sender, steps) = mpsc::unbounded_channel();
        let state = board.read();
        let mut listeners = board
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.push(sender);
        Changes {
            objects: state.objects.clone(),
            steps,
            _watch: self.clone(),
        }
    }

    /// Waits until `look` finds what it looks for: it is called at once and after each change.
    ///
    /// Adds no time-out of its own, and goes on through errors: a caller that should end on one
    /// looks at [`State::last_error`].
    pub async fn wait_until<T>(&mut self, mut look: impl FnMut(&State) -> Option<T>) -> T {
        loop {
            self.changes.mark_unchanged();
            if let Some(found) = self.read(&mut look) {
                return found;
            }
            self.changed().await;
        }
    }
}

/// The watches that somebody holds, by collection.
#[derive(Default)]
pub(super) struct Registry {
    watches: Mutex<HashMap<String, Weak<Shared>>>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Shared>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn alive(&self) -> usize {
        self.lock()
            .values()
            .filter(|weak| weak.strong_count() > 0)
            .count()
    }
}

impl Cluster {
    /// Follows the objects of a kind, in one namespace or in all.
    ///
    /// Shares the watch of whoever follows the same already; then it may be synced at once. The
    /// state lacks `metadata.managedFields`, which would be most of it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn watch(&self, resource: &Resource, namespace: Option<&str>) -> Watch {
        self.watch_since(resource, namespace, None)
    }

    /// As [`Cluster::watch`], and reads everything anew where whoever follows the same may know it
    /// only as it was before a moment. What follows it already goes on undisturbed.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn watch_since(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        moment: Option<Instant>,
    ) -> Watch {
        let namespace = namespace.filter(|_| resource.namespaced);
        let path = resource.path(namespace);
        let mut watches = self.inner.watches.lock();
        let present = watches.get(&path).and_then(Weak::upgrade);
        let shared = present
            .filter(|shared| {
                let is_fresh = moment.is_none_or(|moment| shared.knows_after(moment));
                shared.is_replaced.store(!is_fresh, Ordering::Relaxed);
                is_fresh
            })
            .unwrap_or_else(|| {
                let begun = Instant::now();
                let board = Arc::new(Board::default());
                let feed = feed::run(
                    self.transport().clone(),
                    resource.clone(),
                    namespace.map(str::to_owned),
                    Arc::clone(&board),
                );
                let task = tokio::spawn(feed).abort_handle();
                Arc::new(Shared {
                    board,
                    task,
                    begun,
                    is_replaced: AtomicBool::new(false),
                })
            });
        watches.retain(|_, weak| weak.strong_count() > 0);
        watches.insert(path, Arc::downgrade(&shared));
        let mut changes = shared.board.count.subscribe();
        // What is known already has not been looked at by this handle.
        changes.mark_changed();
        Watch { shared, changes }
    }
}
