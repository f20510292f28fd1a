//! What an object was like before the run changed it, written down in the cluster: what a run that
//! is killed can no longer put back, `kubeproof cleanup` can.
//!
//! The order is the design. Each step waits for the answer to the one before:
//!
//! 1. a Secret with the object as it is, and with the note that a change is about to be asked for;
//! 2. the change;
//! 3. a Secret that says what the change did, then the removal of the first one;
//! 4. at the end the restoration, and only where nothing is left of the change the Secret's removal.
//!
//! So whenever the run dies, there is a Secret for every object that it may have changed: after 1
//! and 2 one that says that the change is in doubt, after 3 one that says what it was; after 4, the
//! object is as it was, and putting it back once more changes nothing. A Secret is never changed, so
//! the run needs no right to read any: it makes them and deletes them.
//!
//! What is changed may be a Secret, so nothing less keeps it. It is beside the object, where whoever
//! may read it can as well read that; that of an object without a namespace is where the run's Lease
//! is. What cannot be written down is told, and changed all the same: the run puts it back as ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::change::Change;
use super::ledger::Subject;
use crate::cluster::{Cluster, ClusterError, DeleteOptions, ObjectKey, Resource};
use crate::marks::{LEASE_NAME, SNAPSHOT_LABEL, SNAPSHOT_OF};

/// The type of the Secrets.
const TYPE: &str = "kubeproof.dev/snapshot";
/// The key of the object as it was, as `kubectl create -f -` takes it.
const OBJECT: &str = "object";
/// The key of what was done to it.
const CHANGE: &str = "change";
/// Fields of the metadata that stand beside the object, which can be made anew without them.
const ASIDE: [&str; 5] = [
    "uid",
    "resourceVersion",
    "managedFields",
    "creationTimestamp",
    "generation",
];

/// Numbers the objects that a run changes: what was changed last is put back first.
#[derive(Debug, Default)]
pub struct Numbers(AtomicUsize);

impl Numbers {
    /// The next one.
    pub fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// Which of several that want to write something down did so last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(usize);

/// What is written down in the cluster of one object that a case or a suite changes.
#[derive(Debug)]
pub struct Kept {
    cluster: Cluster,
    subject: Subject,
    namespace: String,
    run: String,
    labels: Vec<(String, String)>,
    number: usize,
    turns: AtomicUsize,
    has_failed: AtomicBool,
    /// Held while a request is under way, so that no Secret comes after its removal.
    stored: Mutex<Stored>,
}

#[derive(Debug, Default)]
struct Stored {
    version: usize,
    turn: Turn,
    /// The Secrets that may be there, the newest last; their uids, where they are known.
    there: Vec<(ObjectKey, Option<String>)>,
    is_over: bool,
}

impl Kept {
    /// Of an object of which nothing is written down yet. `namespace`: where it will be.
    pub fn new(
        cluster: &Cluster,
        subject: &Subject,
        namespace: &str,
        run: &str,
        labels: &[(String, String)],
        number: usize,
    ) -> Self {
        Self {
            cluster: cluster.clone(),
            subject: subject.clone(),
            namespace: namespace.to_owned(),
            run: run.to_owned(),
            labels: labels.to_vec(),
            number,
            turns: AtomicUsize::default(),
            has_failed: AtomicBool::default(),
            stored: Mutex::default(),
        }
    }

    /// Whether nobody has been told yet that something could not be written down: it is asked when
    /// that is going to be told.
    pub fn is_first_failure(&self) -> bool {
        !self.has_failed.swap(true, Ordering::SeqCst)
    }

    /// The next turn to write something down.
    pub fn turn(&self) -> Turn {
        Turn(self.turns.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// The cluster in which it is, as the run itself.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Writes down what is known by now, instead of what was before.
    ///
    /// Steps may change an object side by side: what was known earlier never comes after what is
    /// known since. Goes on where nobody waits any more: a Secret whose making was given up half way
    /// could come after its removal.
    ///
    /// # Errors
    /// In words, why it is not written down; what was before still is.
    pub async fn write(self: Arc<Self>, turn: Turn, change: Change) -> Result<(), String> {
        let writing = tokio::spawn(async move { self.replace(turn, &change).await });
        match writing.await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn replace(&self, turn: Turn, change: &Change) -> Result<(), ClusterError> {
        let mut stored = self.stored.lock().await;
        if stored.is_over || turn < stored.turn {
            return Ok(());
        }
        stored.version += 1;
        let version = format!("{}-{}", self.number, stored.version);
        let name = format!("{LEASE_NAME}-{}-{version}", self.run);
        let key = ObjectKey::new(Resource::secret(), Some(&self.namespace), name);
        let secret = self.secret(&key, &version, change);
        // written down before it is made
        stored.there.push((key.clone(), None));
        let namespace = Some(self.namespace.as_str());
        let answer = self.cluster.create(&key.resource, namespace, &secret).await;
        match answer {
            Ok(made) => {
                let uid = made.object["metadata"]["uid"].as_str().map(str::to_owned);
                stored.there.last_mut().expect("it was put there").1 = uid;
            }
            // nobody else has this name: it is ours, and its answer was lost
            Err(ClusterError::Refused(refusal)) if refusal.reason == "AlreadyExists" => {}
            Err(error) => {
                if error.code().is_some() {
                    stored.there.pop();
                }
                return Err(error);
            }
        }
        stored.turn = turn;
        // only now: at no time is there none
        if let Err(error) = self.delete_until(&mut stored, 1).await {
            tracing::debug!("an older snapshot stays until the end: {error}");
        }
        Ok(())
    }

    /// Removes what is written down: the object is as it was. Nothing is written from then on.
    ///
    /// # Errors
    /// What is left, and why.
    pub async fn remove(&self) -> Result<(), (Subject, ClusterError)> {
        let mut stored = self.stored.lock().await;
        stored.is_over = true;
        self.delete_until(&mut stored, 0).await.map_err(|error| {
            let key = stored.there.first().map(|(key, _)| key.clone());
            let subject = Subject {
                cluster: self.subject.cluster.clone(),
                key: key.unwrap_or_else(|| self.subject.key.clone()),
            };
            (subject, error)
        })
    }

    /// Deletes the oldest first, until so many are left.
    async fn delete_until(&self, stored: &mut Stored, left: usize) -> Result<(), ClusterError> {
        while stored.there.len() > left {
            let (key, uid) = &stored.there[0];
            let options = DeleteOptions {
                uid: uid.clone(),
                ..DeleteOptions::default()
            };
            self.cluster.delete(key, &options).await?;
            stored.there.remove(0);
        }
        Ok(())
    }

    fn secret(&self, key: &ObjectKey, version: &str, change: &Change) -> Value {
        let mut labels: serde_json::Map<_, _> = self
            .labels
            .iter()
            .map(|(label, value)| (label.clone(), json!(value)))
            .collect();
        labels.insert(SNAPSHOT_LABEL.to_owned(), json!(version));
        let of = Subject {
            cluster: None,
            key: self.subject.key.clone(),
        };
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": TYPE,
            "immutable": true,
            "metadata": {
                "name": key.name,
                "namespace": self.namespace,
                "labels": labels,
                "annotations": {SNAPSHOT_OF: of.shown()},
            },
            "data": data(change),
        })
    }
}

/// The data of a Secret: the object, and what was done to it.
fn data(change: &Change) -> Value {
    let mut record = change.clone();
    let mut object = std::mem::take(&mut record.snapshot);
    let mut aside = serde_json::Map::new();
    for field in ASIDE {
        let value = object["metadata"]
            .as_object_mut()
            .and_then(|metadata| metadata.remove(field));
        aside.extend(value.map(|value| (field.to_owned(), value)));
    }
    // who wrote when is of use, and what may be large
    for manager in aside
        .get_mut("managedFields")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        manager.remove("fieldsV1");
    }
    record.snapshot = aside.into();
    let record = serde_json::to_value(&record).expect("values and texts can be written as JSON");
    json!({
        OBJECT: BASE64_STANDARD.encode(object.to_string()),
        CHANGE: BASE64_STANDARD.encode(record.to_string()),
    })
}

/// What a dead run wrote down.
#[derive(Debug)]
pub struct Recollection {
    /// The object as it was.
    pub object: Value,
    /// The same, with what the run did to it.
    pub change: Change,
}

/// Reads such a Secret.
///
/// # Errors
/// In words that tell nothing of what is in it, why it cannot be read.
pub fn read(secret: &Value) -> Result<Recollection, String> {
    if secret["type"] != TYPE {
        return Err(format!("its type is not {TYPE}"));
    }
    let part = |key: &str| {
        let text = secret["data"][key].as_str();
        let bytes = text.and_then(|text| BASE64_STANDARD.decode(text).ok());
        // not the parser's words, which may quote what they are about
        bytes.ok_or_else(|| format!("`{key}` is missing in it, or is not base64"))
    };
    let unreadable = |key: &str| format!("`{key}` in it is not what was written there");
    let object: Value = serde_json::from_slice(&part(OBJECT)?).map_err(|_| unreadable(OBJECT))?;
    let mut change: Change =
        serde_json::from_slice(&part(CHANGE)?).map_err(|_| unreadable(CHANGE))?;
    let aside = std::mem::replace(&mut change.snapshot, object.clone());
    let metadata = change.snapshot.get_mut("metadata");
    let metadata = metadata.and_then(Value::as_object_mut);
    let (Some(aside), Some(metadata)) = (aside.as_object(), metadata) else {
        return Err(unreadable(OBJECT));
    };
    metadata.extend(aside.clone());
    let is_named = ["uid", "name"]
        .iter()
        .all(|field| metadata.get(*field).is_some_and(Value::is_string));
    if !is_named || !object["apiVersion"].is_string() || !object["kind"].is_string() {
        return Err(unreadable(OBJECT));
    }
    change.is_recalled = true;
    Ok(Recollection { object, change })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed() -> Change {
        let object = json!({"apiVersion": "v1", "kind": "Secret", "data": {"password": "aHVudGVyMg=="},
            "metadata": {"name": "a", "namespace": "b", "uid": "1", "resourceVersion": "5",
                "managedFields": [{"manager": "kubectl", "time": "t", "fieldsV1": {"f:data": {}}}]}});
        let mut after = object.clone();
        after["metadata"]["labels"] = json!({"run": "was here"});
        after["metadata"]["finalizers"] = json!(["example.com/run"]);
        let mut change = Change::of(object.clone());
        change.begin(None);
        change.done(None, &object, &after);
        change.begin(Some("status"));
        change
    }

    fn secret(change: &Change) -> Value {
        json!({"type": TYPE, "data": data(change)})
    }

    #[test]
    fn what_was_written_down_is_read_back() {
        let change = changed();
        let read = read(&secret(&change)).unwrap();
        let mut expected = change.clone();
        expected.is_recalled = true;
        let managers = &mut expected.snapshot["metadata"]["managedFields"];
        *managers = json!([{"manager": "kubectl", "time": "t"}]);
        // the order of fields aside
        assert_eq!(read.change, expected);
        // kubectl makes it anew
        let metadata = json!({"name": "a", "namespace": "b"});
        assert_eq!(read.object["metadata"], metadata);
    }

    #[test]
    fn what_cannot_be_read_is_told_without_what_is_in_it() {
        let good = secret(&changed());
        assert!(read(&good).is_ok());
        let base64 = |text: &str| json!(BASE64_STANDARD.encode(text));
        for (pointer, value) in [
            ("/type", json!("Opaque")),
            ("/data/object", Value::Null),
            ("/data/object", json!("%hunter2%")),
            ("/data/object", base64("{\"password\": hunter2")),
            ("/data/object", base64("[]")),
            ("/data/object", base64("{\"metadata\": {}}")),
            ("/data/change", base64("{\"hunter2\": 1}")),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = value;
            let words = read(&bad).unwrap_err();
            assert!(!words.contains("hunter2"), "{words}");
        }
    }
}
