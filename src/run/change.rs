//! What the run did to an object that was there before, and what undoes it. Pure; asking for it is
//! `cleanup`'s job.
//!
//! What users write alone is put back whole: spec or data, labels, annotations. Where controllers
//! write as well, only what the run did is undone: in `status` and other subresources, and among
//! the finalizers and owners, since a finalizer that was set meanwhile may guard something.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Fields of the metadata that users write.
pub(super) const MAPS: [&str; 2] = ["labels", "annotations"];
/// Fields of the metadata that are lists in which everybody writes.
pub(super) const LISTS: [&str; 2] = ["finalizers", "ownerReferences"];
/// How many fields are named that could not be put back.
const NAMED: usize = 5;

/// An object as it was, and what was done to it.
///
/// It is written down in the cluster as it is here, for whoever must put the object back if the run
/// cannot: see `snapshot`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The object as it was.
    pub(super) snapshot: Value,
    /// By the field of the metadata: what the run put into the list, and what it took out.
    pub(super) lists: BTreeMap<String, (Vec<Value>, Vec<Value>)>,
    /// By the subresource: the merge patch that undoes what the run did through it.
    pub(super) through: BTreeMap<String, Value>,
    /// By the subresource, the empty name being the object itself: a merge patch of what the run
    /// made of which fields. Whoever comes later tells by it what somebody else has changed since.
    pub(super) did: BTreeMap<String, Value>,
    /// Through which subresources something was asked whose answer never came; the empty name is
    /// the object itself.
    pub(super) unanswered: BTreeSet<String>,
    /// Whether the run that made the change is dead: see `recall`.
    #[serde(skip)]
    pub(super) is_recalled: bool,
}

impl Change {
    /// Of an object that is about to be changed for the first time.
    pub fn of(snapshot: Value) -> Self {
        Self {
            snapshot,
            lists: BTreeMap::new(),
            through: BTreeMap::new(),
            did: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            is_recalled: false,
        }
    }

    /// A write is about to be sent, to the object or a subresource of it.
    pub fn begin(&mut self, subresource: Option<&str>) {
        let name = subresource.unwrap_or_default().to_owned();
        self.unanswered.insert(name);
    }

    /// A write was refused.
    pub fn refused(&mut self, subresource: Option<&str>) {
        self.unanswered.remove(subresource.unwrap_or_default());
    }

    /// A write came through: the object just before, and the answer.
    pub fn done(&mut self, subresource: Option<&str>, before: &Value, after: &Value) {
        self.unanswered.remove(subresource.unwrap_or_default());
        let Some(name) = subresource else {
            for field in LISTS {
                let (before, after) = (items(before, field), items(after, field));
                let (added, removed) = self.lists.entry(field.to_owned()).or_default();
                added.extend(without(after, before));
                removed.extend(without(before, after));
            }
            self.did("", &diff(&written(before), &written(after)));
            return;
        };
        // what `scale` answers is another kind, and what it changes is in the spec
        if before["kind"] == after["kind"] {
            let (before, after) = (contents(before, name), contents(after, name));
            let mut undo = diff(&after, &before);
            if let Some(earlier) = self.through.get(name) {
                compose(&mut undo, &after, earlier);
            }
            self.through.insert(name.to_owned(), undo);
            self.did(name, &diff(&before, &after));
        }
    }

    /// The same for a write through a subresource that answered with another kind, as `scale` does,
    /// and that is about the spec: the object just before, and as it was read after.
    pub fn done_and_read(&mut self, subresource: Option<&str>, before: &Value, after: &Value) {
        self.unanswered.remove(subresource.unwrap_or_default());
        let mut did = empty();
        set(
            &mut did,
            "spec",
            Some(&diff(&before["spec"], &after["spec"])),
        );
        self.did("", &did);
    }

    fn did(&mut self, name: &str, more: &Value) {
        let was = match name {
            "" => written(&self.snapshot),
            name => contents(&self.snapshot, name),
        };
        let did = self.did.entry(name.to_owned()).or_insert_with(empty);
        compose(did, &was, more);
    }

    /// `metadata.uid` of the object.
    pub fn uid(&self) -> &Value {
        &self.snapshot["metadata"]["uid"]
    }

    /// What undoes what was done through subresources: their names, with a merge patch each.
    pub fn undo_through(&self, current: &Value) -> Vec<(String, Value)> {
        let mut undo = self.through.clone();
        // where it is not known what came of it, all that differs may be ours
        if self.unanswered.contains("status") {
            let all = diff(
                &contents(current, "status"),
                &contents(&self.snapshot, "status"),
            );
            undo.insert("status".to_owned(), all);
        }
        undo.retain(|_, undo| would_change(current, undo));
        undo.into_iter().collect()
    }

    /// The present object with what the run may have changed put back, but for what goes through
    /// subresources. `status_apart`: whether the kind has its status behind one.
    pub fn restored(&self, current: &Value, status_apart: bool) -> Value {
        let mut restored = self.snapshot.clone();
        restored["metadata"] = current["metadata"].clone();
        for field in MAPS {
            set(
                &mut restored["metadata"],
                field,
                self.snapshot["metadata"].get(field),
            );
        }
        for field in LISTS {
            let list = self.list(field, items(current, field));
            let list = (!list.is_empty()).then(|| Value::from(list));
            set(&mut restored["metadata"], field, list.as_ref());
        }
        if status_apart {
            set(&mut restored, "status", current.get("status"));
        }
        restored
    }

    /// The fields in which an object is not as it was, and should be: each by its path, or how many
    /// more there are.
    pub fn left(&self, current: &Value, status_apart: bool) -> Vec<String> {
        let mut paths = Vec::new();
        let restored = self.restored(current, status_apart);
        differing(&restored, current, "", &mut paths);
        if self.unanswered.contains("") {
            for field in LISTS {
                let was = &self.snapshot["metadata"][field];
                differing(
                    was,
                    &current["metadata"][field],
                    &format!("metadata.{field}"),
                    &mut paths,
                );
            }
        }
        for (name, undo) in self.undo_through(current) {
            let current = contents(current, &name);
            let mut undone = current.clone();
            merge(&mut undone, &undo);
            differing(&undone, &current, "", &mut paths);
        }
        some(paths)
    }

    /// A list without what the run put in, and with what it took out.
    fn list(&self, field: &str, current: &[Value]) -> Vec<Value> {
        let was = items(&self.snapshot, field);
        let (added, removed) = match self.lists.get(field) {
            Some((added, removed)) => (added.as_slice(), removed.as_slice()),
            None => (&[][..], &[][..]),
        };
        let kept = current
            .iter()
            .filter(|item| was.contains(item) || !added.contains(item));
        let back = removed
            .iter()
            .filter(|item| was.contains(item) && !current.contains(item));
        let mut list: Vec<Value> = Vec::new();
        for item in kept.chain(back) {
            if !list.contains(item) {
                list.push(item.clone());
            }
        }
        list
    }
}

/// Each path once, or how many more there are.
pub(super) fn some(mut paths: Vec<String>) -> Vec<String> {
    paths.sort();
    paths.dedup();
    if paths.len() > NAMED {
        let more = paths.len() - NAMED;
        paths.truncate(NAMED);
        paths.push(format!("{more} more"));
    }
    paths
}

fn items<'v>(object: &'v Value, field: &str) -> &'v [Value] {
    object["metadata"][field]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

fn without<'v>(list: &'v [Value], other: &'v [Value]) -> impl Iterator<Item = Value> + 'v {
    list.iter().filter(|item| !other.contains(item)).cloned()
}

fn empty() -> Value {
    Map::new().into()
}

/// What of an object is put back whole, or else through no subresource.
pub(super) fn written(object: &Value) -> Value {
    let mut written = object.clone();
    for field in ["apiVersion", "kind"] {
        set(&mut written, field, None);
    }
    let mut metadata = empty();
    for field in MAPS {
        set(&mut metadata, field, object["metadata"].get(field));
    }
    set(&mut written, "metadata", Some(&metadata));
    written
}

/// What of an object can be changed through a subresource.
pub(super) fn contents(object: &Value, subresource: &str) -> Value {
    let fields = object.as_object().into_iter().flatten();
    fields
        .filter(|(field, _)| match field.as_str() {
            "apiVersion" | "kind" | "metadata" => false,
            field => (field == "status") == (subresource == "status"),
        })
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect::<Map<_, _>>()
        .into()
}

pub(super) fn set(map: &mut Value, field: &str, value: Option<&Value>) {
    let Some(map) = map.as_object_mut() else {
        return;
    };
    match value {
        Some(value) => {
            map.insert(field.to_owned(), value.clone());
        }
        None => {
            map.remove(field);
        }
    }
}

/// The [merge patch](https://www.rfc-editor.org/rfc/rfc7386) that makes one value of another.
pub(super) fn diff(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return to.clone();
    };
    let mut patch = Map::new();
    for field in from.keys().filter(|field| !to.contains_key(*field)) {
        patch.insert(field.clone(), Value::Null);
    }
    for (field, to) in to {
        match from.get(field) {
            Some(from) if from == to => {}
            Some(from) => {
                patch.insert(field.clone(), diff(from, to));
            }
            None => {
                patch.insert(field.clone(), to.clone());
            }
        }
    }
    patch.into()
}

/// Lays a merge patch over a value: what it removes is null there.
pub(super) fn merge(value: &mut Value, patch: &Value) {
    let (Value::Object(value), Value::Object(patch)) = (&mut *value, patch) else {
        *value = patch.clone();
        return;
    };
    for (field, patch) in patch {
        merge(value.entry(field.clone()).or_insert(Value::Null), patch);
    }
}

/// Makes one merge patch of two that follow each other; `base` is what the first was made for.
///
/// What the first took away, and the second makes a map, has none of what was in it before: a merge
/// patch has to say so of each field.
fn compose(first: &mut Value, base: &Value, second: &Value) {
    let (Value::Object(fields), Value::Object(more)) = (&mut *first, second) else {
        *first = diff(base, second);
        return;
    };
    for (field, more) in more {
        match fields.get_mut(field) {
            Some(first) => compose(first, &base[field], more),
            None => {
                fields.insert(field.clone(), more.clone());
            }
        }
    }
}

/// Whether a merge patch changes anything of an object.
fn would_change(value: &Value, patch: &Value) -> bool {
    match patch {
        Value::Object(patch) => patch
            .iter()
            .any(|(field, patch)| would_change(&value[field], patch)),
        patch => value != patch,
    }
}

/// The paths of what is not the same; what is not there is as good as null.
pub(super) fn differing(one: &Value, other: &Value, path: &str, paths: &mut Vec<String>) {
    let (Value::Object(first), Value::Object(second)) = (one, other) else {
        if one != other {
            paths.push(path.to_owned());
        }
        return;
    };
    let fields: BTreeSet<_> = first.keys().chain(second.keys()).collect();
    for field in fields {
        let path = match path {
            "" => field.clone(),
            path => format!("{path}.{field}"),
        };
        differing(&one[field], &other[field], &path, paths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(metadata: Value, more: Value) -> Value {
        let mut object = json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata});
        merge(&mut object, &more);
        object
    }

    #[test]
    fn what_users_write_is_put_back_whole() {
        let snapshot = object(
            json!({"uid": "1", "resourceVersion": "5", "labels": {"a": "b"}}),
            json!({"data": {"k": "old"}, "status": {"seen": 1}}),
        );
        let current = object(
            json!({"uid": "1", "resourceVersion": "9", "labels": {"a": "c", "x": "y"},
                   "annotations": {"n": "m"}}),
            json!({"data": {"k": "new"}, "binaryData": {"z": "AA=="}, "status": {"seen": 2}}),
        );
        let change = Change::of(snapshot.clone());
        let was = object(
            json!({"uid": "1", "resourceVersion": "9", "labels": {"a": "b"}}),
            json!({"data": {"k": "old"}, "status": {"seen": 2}}),
        );
        assert_eq!(change.restored(&current, true), was);
        assert_eq!(change.restored(&snapshot, true), snapshot);
        // without a subresource of its own, the status is a field like any other
        assert_eq!(
            change.restored(&current, false)["status"],
            json!({"seen": 1})
        );
        assert_eq!(
            change.left(&current, true),
            [
                "binaryData",
                "data.k",
                "metadata.annotations",
                "metadata.labels.a",
                "metadata.labels.x"
            ]
        );
        assert_eq!(change.left(&was, true), [""; 0]);
    }

    #[test]
    fn of_finalizers_only_what_the_run_did_is_undone() {
        let with = |finalizers: &[&str]| object(json!({"finalizers": finalizers}), json!({}));
        let mut change = Change::of(with(&["theirs", "taken"]));
        change.begin(None);
        change.done(
            None,
            &with(&["theirs", "taken"]),
            &with(&["theirs", "ours"]),
        );
        // a controller guards something meanwhile
        let current = with(&["theirs", "ours", "guard"]);
        let restored = change.restored(&current, true);
        assert_eq!(restored, with(&["theirs", "guard", "taken"]));
        assert_eq!(change.left(&current, true), ["metadata.finalizers"]);
        assert_eq!(change.left(&restored, true), [""; 0]);
        // where the answer never came, whose it is cannot be known
        change.begin(None);
        assert_eq!(change.left(&restored, true), ["metadata.finalizers"]);
        change.refused(None);
        assert_eq!(change.left(&restored, true), [""; 0]);
    }

    #[test]
    fn owners_that_were_changed_are_put_back() {
        let with = |owners: Value| object(json!({"ownerReferences": owners}), json!({}));
        let (theirs, ours) = (
            json!([{"uid": "1"}]),
            json!([{"uid": "1", "controller": true}]),
        );
        let mut change = Change::of(with(theirs.clone()));
        change.done(None, &with(theirs.clone()), &with(ours.clone()));
        assert_eq!(change.restored(&with(ours), true), with(theirs));
    }

    #[test]
    fn of_a_status_only_what_the_run_did_is_undone() {
        let with = |status: Value| object(json!({}), json!({"status": status}));
        let was = with(json!({"capacity": {"cpu": "2"}, "phase": "a", "beats": 1}));
        let mut change = Change::of(was.clone());
        change.begin(Some("status"));
        let first = with(json!({"capacity": {"cpu": "2", "gpu": "1"}, "phase": "b", "beats": 1}));
        change.done(Some("status"), &was, &first);
        let before = with(json!({"capacity": {"cpu": "2", "gpu": "1"}, "phase": "b", "beats": 2}));
        let second = with(json!({"capacity": {"cpu": "2", "gpu": "2"}, "beats": 2}));
        change.begin(Some("status"));
        change.done(Some("status"), &before, &second);
        let current = with(json!({"capacity": {"cpu": "2", "gpu": "2"}, "beats": 3}));
        let undo = change.undo_through(&current);
        let expected = json!({"status": {"capacity": {"gpu": null}, "phase": "a"}});
        assert_eq!(undo, [("status".to_owned(), expected)]);
        assert_eq!(
            change.left(&current, true),
            ["status.capacity.gpu", "status.phase"]
        );
        let undone = with(json!({"capacity": {"cpu": "2"}, "phase": "a", "beats": 3}));
        assert_eq!(change.undo_through(&undone), []);
        assert_eq!(change.left(&undone, true), [""; 0]);
        // where the answer never came, all of it may be ours
        change.begin(Some("status"));
        let undo = change.undo_through(&undone);
        assert_eq!(
            undo,
            [("status".to_owned(), json!({"status": {"beats": 1}}))]
        );
    }

    #[test]
    fn a_status_that_was_taken_away_and_made_anew_is_undone() {
        let with = |status: Value| object(json!({}), json!({"status": status}));
        let was = with(json!({"capacity": {"cpu": "2", "gpu": "1"}}));
        let (gone, anew) = (with(json!({})), with(json!({"capacity": {"fpga": "1"}})));
        let mut change = Change::of(was.clone());
        change.done(Some("status"), &was, &gone);
        change.done(Some("status"), &gone, &anew);
        let undo = json!({"status": {"capacity": {"cpu": "2", "gpu": "1", "fpga": null}}});
        assert_eq!(change.undo_through(&anew), [("status".to_owned(), undo)]);
        // and one that was made, taken away and made anew
        let mut change = Change::of(gone.clone());
        for (before, after) in [(&gone, &was), (&was, &gone), (&gone, &anew)] {
            change.done(Some("status"), before, after);
        }
        let undo = json!({"status": {"capacity": null}});
        assert_eq!(change.undo_through(&anew), [("status".to_owned(), undo)]);
    }

    #[test]
    fn a_scale_is_no_part_of_the_object() {
        let deployment = json!({"kind": "Deployment", "spec": {"replicas": 1}});
        let scale = json!({"kind": "Scale", "spec": {"replicas": 3}});
        let mut change = Change::of(deployment.clone());
        change.begin(Some("scale"));
        change.done(Some("scale"), &deployment, &scale);
        let current = json!({"kind": "Deployment", "metadata": {}, "spec": {"replicas": 3}});
        assert_eq!(change.undo_through(&current), []);
        assert_eq!(change.restored(&current, true)["spec"]["replicas"], 1);
    }

    #[test]
    fn many_fields_are_counted() {
        let fields = |value: &str| -> Value {
            let fields = (0..8).map(|number| (number.to_string(), value.into()));
            json!({"metadata": {}, "data": fields.collect::<Map<_, _>>()})
        };
        let left = Change::of(fields("a")).left(&fields("b"), true);
        assert_eq!(left.last().unwrap(), "3 more");
        assert_eq!(left.len(), 6);
    }
}
