//! What of a change is still the run's, where the run died and others went on. Pure; reading what
//! was written down is `snapshot`'s job, asking for what undoes it `cleanup`'s.
//!
//! A run that puts back what it changed has had the object to itself. Days later that is another
//! matter: only a field that is as the run left it becomes what it was before. One that somebody has
//! changed since stays as they want it, and is named. So does whatever a dead run may have
//! written, but never saw the answer to, unless nobody else has written to the object since.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::change::{Change, LISTS, contents, diff, differing, merge, set, some, written};
use crate::cluster::FIELD_MANAGER;

/// What is to be done about an object as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Recalled {
    /// What a run that lives would have to put back to undo what is still the dead one's.
    pub change: Change,
    /// The fields that somebody else has changed since, by their paths.
    pub theirs: Vec<String>,
    /// The fields of which nobody knows whether the run changed them, or somebody else.
    pub unknown: Vec<String>,
}

impl Recalled {
    /// In words, what is left alone.
    pub fn left_alone(&self) -> Option<String> {
        let parts = [
            ("somebody else has changed it since: ", &self.theirs),
            (
                "the run may have changed it, or somebody else since: ",
                &self.unknown,
            ),
        ];
        let told = parts.into_iter().filter(|(_, paths)| !paths.is_empty());
        let told: Vec<_> = told
            .map(|(words, paths)| format!("{words}{}", some(paths.clone()).join(", ")))
            .collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

impl Change {
    /// The change of a dead run against the object as it is now. `status_apart`: whether the kind
    /// has its status behind a subresource.
    pub fn against(&self, current: &Value, status_apart: bool) -> Recalled {
        let (mut theirs, mut unknown) = (Vec::new(), Vec::new());
        let mut was = current.clone();
        if let Some(did) = self.did.get("") {
            let mut did = did.clone();
            if status_apart {
                set(&mut did, "status", None);
            }
            let before = written(&self.snapshot);
            was = put_back(&did, &before, current, "", &mut theirs);
        }
        let mut unanswered = BTreeSet::new();
        let is_in_doubt = !self.unanswered.is_empty()
            && self.snapshot["metadata"]["resourceVersion"]
                != current["metadata"]["resourceVersion"];
        if is_in_doubt && self.unanswered.iter().any(|name| name != "status") {
            unanswered.insert(String::new());
            let whole = self.restored(current, status_apart);
            match others_wrote(&self.snapshot, current) {
                false => was = whole,
                true => differing(&written(&whole), &written(&was), "", &mut unknown),
            }
        }
        if is_in_doubt && self.unanswered.contains("status") {
            let of_status = |object| contents(object, "status");
            differing(
                &of_status(&self.snapshot),
                &of_status(current),
                "",
                &mut unknown,
            );
        }
        unknown.retain(|path| !theirs.contains(path));
        for field in LISTS {
            set(
                &mut was["metadata"],
                field,
                self.snapshot["metadata"].get(field),
            );
        }
        let through = self.through.iter().map(|(name, undo)| {
            let now = contents(current, name);
            let mut before = now.clone();
            merge(&mut before, undo);
            let put = match self.did.get(name) {
                Some(did) => put_back(did, &before, &now, "", &mut theirs),
                None => now.clone(),
            };
            (name.clone(), diff(&now, &put))
        });
        let through = through.collect();
        let change = Self {
            snapshot: was,
            lists: self.lists.clone(),
            through,
            did: self.did.clone(),
            unanswered,
            is_recalled: false,
        };
        Recalled {
            change,
            theirs,
            unknown,
        }
    }
}

/// What a field becomes that the run changed: what it was, where it is as the run left it. Fields
/// below are looked at one by one; a list is one field.
fn put_back(
    did: &Value,
    was: &Value,
    current: &Value,
    path: &str,
    theirs: &mut Vec<String>,
) -> Value {
    match (did, current) {
        _ if current == was => current.clone(),
        (Value::Object(did), Value::Object(now)) => {
            let mut put = Value::Object(now.clone());
            for (field, did) in did {
                let path = match path {
                    "" => field.clone(),
                    path => format!("{path}.{field}"),
                };
                let value = put_back(did, &was[field], &current[field], &path, theirs);
                set(&mut put, field, Some(&value).filter(|it| !it.is_null()));
            }
            // what the run made a map, and has nothing of others in it
            let is_empty = put.as_object().is_some_and(Map::is_empty);
            match is_empty && !was.is_object() {
                true => was.clone(),
                false => put,
            }
        }
        _ if did == current => was.clone(),
        // the run has put it back itself, and it is somebody else's since
        _ if did == was => current.clone(),
        _ => {
            theirs.push(path.to_owned());
            current.clone()
        }
    }
}

/// Whether anybody but us has written to the object since, statuses aside, as far as its managers
/// tell: where there are none, that is not known.
fn others_wrote(then: &Value, now: &Value) -> bool {
    let writes = |object: &Value| -> BTreeSet<String> {
        let managers = object["metadata"]["managedFields"].as_array();
        let others = managers
            .into_iter()
            .flatten()
            .filter(|entry| entry["manager"] != FIELD_MANAGER && entry["subresource"] != "status");
        let others = others.map(|entry| {
            let parts = ["manager", "operation", "subresource", "time"];
            let parts = parts.map(|part| entry[part].to_string());
            parts.join(" ")
        });
        others.collect()
    };
    let is_unknown = now["metadata"]["managedFields"].is_null();
    is_unknown || !writes(now).is_subset(&writes(then))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A ConfigMap in some version.
    fn object(version: &str, labels: Value, data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data, "metadata":
            {"uid": "1", "resourceVersion": version, "labels": labels}})
    }

    /// A run changed one into another, and is dead; what is there now; what then becomes of it, and
    /// what is left alone.
    fn recalled(before: &Value, after: &Value, now: &Value) -> (Value, Option<String>) {
        let mut change = Change::of(before.clone());
        change.begin(None);
        change.done(None, before, after);
        let recalled = change.against(now, true);
        let restored = recalled.change.restored(now, true);
        assert_eq!(recalled.change.left(&restored, true), [""; 0]);
        (restored, recalled.left_alone())
    }

    #[test]
    fn what_is_as_the_run_left_it_becomes_what_it_was() {
        let before = object("1", json!({"a": "old", "gone": "x"}), json!({"k": "old"}));
        let after = object(
            "2",
            json!({"a": "new", "added": "y"}),
            json!({"k": "new", "more": "m"}),
        );
        let (restored, left) = recalled(&before, &after, &after);
        assert_eq!(
            restored,
            object("2", json!({"a": "old", "gone": "x"}), json!({"k": "old"}))
        );
        assert_eq!(left, None);
        // what is put back already stays so
        let (restored, left) = recalled(&before, &after, &before);
        assert_eq!((restored, left), (before, None));
    }

    #[test]
    fn what_somebody_else_changed_since_is_theirs() {
        let before = object("1", json!({"a": "old"}), json!({"k": "old", "other": "o"}));
        let after = object("2", json!({"a": "new"}), json!({"k": "new", "other": "o"}));
        let now = object(
            "9",
            json!({"a": "theirs", "b": "theirs"}),
            json!({"k": "new", "other": "theirs"}),
        );
        let (restored, left) = recalled(&before, &after, &now);
        assert_eq!(
            restored,
            object(
                "9",
                json!({"a": "theirs", "b": "theirs"}),
                json!({"k": "old", "other": "theirs"})
            )
        );
        let words = "somebody else has changed it since: metadata.labels.a";
        assert_eq!(left.as_deref(), Some(words));
    }

    #[test]
    fn a_map_that_the_run_made_goes_unless_others_wrote_into_it() {
        let before = object("1", Value::Null, json!({}));
        let after = object("2", json!({"a": "run"}), json!({}));
        let (restored, left) = recalled(&before, &after, &after);
        assert_eq!(restored["metadata"].get("labels"), None);
        assert_eq!(left, None);
        let now = object("3", json!({"a": "run", "b": "theirs"}), json!({}));
        let (restored, left) = recalled(&before, &after, &now);
        assert_eq!(restored["metadata"]["labels"], json!({"b": "theirs"}));
        assert_eq!(left, None);
        // and one that it took away comes back, unless there is another
        let (restored, left) = recalled(&after, &before, &before);
        assert_eq!(restored["metadata"]["labels"], json!({"a": "run"}));
        assert_eq!(left, None);
        let now = object("3", json!({"b": "theirs"}), json!({}));
        let (restored, left) = recalled(&after, &before, &now);
        assert_eq!(restored["metadata"]["labels"], json!({"b": "theirs"}));
        assert!(left.unwrap().ends_with("since: metadata.labels"));
    }

    #[test]
    fn a_scale_is_put_back_unless_somebody_scaled_since() {
        let of = |replicas: u32| json!({"kind": "Deployment", "metadata": {"uid": "1"}, "spec": {"replicas": replicas, "paused": true}});
        let mut change = Change::of(of(1));
        change.begin(Some("scale"));
        change.done_and_read(Some("scale"), &of(1), &of(3));
        for (now, expected, left) in [(3, 1, None), (5, 5, Some("spec.replicas"))] {
            let recalled = change.against(&of(now), true);
            assert_eq!(recalled.change.restored(&of(now), true), of(expected));
            let words = left.map(|path| format!("somebody else has changed it since: {path}"));
            assert_eq!(recalled.left_alone(), words);
        }
    }

    #[test]
    fn of_a_status_only_what_is_still_the_runs_is_undone() {
        let with = |status: Value| json!({"metadata": {"uid": "1"}, "status": status});
        let before = with(json!({"capacity": {"cpu": "2"}, "phase": "a", "beats": 1}));
        let after = with(json!({"capacity": {"cpu": "2", "gpu": "1"}, "phase": "b", "beats": 1}));
        let mut change = Change::of(before.clone());
        change.begin(Some("status"));
        change.done(Some("status"), &before, &after);
        let now = with(json!({"capacity": {"cpu": "2", "gpu": "1"}, "phase": "c", "beats": 9}));
        let recalled = change.against(&now, true);
        let undo = json!({"status": {"capacity": {"gpu": null}}});
        assert_eq!(
            recalled.change.undo_through(&now),
            [("status".to_owned(), undo)]
        );
        assert_eq!(recalled.theirs, ["status.phase"]);
        assert_eq!(recalled.change.restored(&now, true), now);
    }

    #[test]
    fn a_write_whose_answer_nobody_saw_is_undone_unless_others_wrote_since() {
        let managed = |version: &str, k: &str, managers: &[(&str, &str)]| {
            let mut object = object(version, json!({}), json!({"k": k}));
            let managers = managers
                .iter()
                .map(|(manager, time)| json!({"manager": manager, "time": time}));
            object["metadata"]["managedFields"] = managers.collect::<Vec<_>>().into();
            object
        };
        let before = managed("1", "old", &[("kubectl", "t1")]);
        let mut change = Change::of(before.clone());
        change.begin(None);
        // it never came through
        let recalled = change.against(&before, true);
        assert_eq!(recalled.change.restored(&before, true), before);
        assert_eq!(recalled.left_alone(), None);
        let ours = managed("2", "new", &[("kubectl", "t1"), (FIELD_MANAGER, "t2")]);
        let recalled = change.against(&ours, true);
        assert_eq!(
            recalled.change.restored(&ours, true)["data"],
            json!({"k": "old"})
        );
        assert_eq!(recalled.left_alone(), None);
        let theirs = managed("3", "new", &[("kubectl", "t3"), (FIELD_MANAGER, "t2")]);
        let recalled = change.against(&theirs, true);
        assert_eq!(recalled.change.restored(&theirs, true), theirs);
        let words = "the run may have changed it, or somebody else since: data.k";
        assert_eq!(recalled.left_alone().as_deref(), Some(words));
    }

    #[test]
    fn what_the_run_took_away_and_made_anew_becomes_what_it_was() {
        let before = object("1", Value::Null, json!({"x": "a", "y": "b", "same": "c"}));
        let gone = object("2", Value::Null, Value::Null);
        let anew = object("3", Value::Null, json!({"y": "1", "same": "c"}));
        let mut change = Change::of(before.clone());
        change.done(None, &before, &gone);
        change.done(None, &gone, &anew);
        let recalled = change.against(&anew, true);
        assert_eq!(
            recalled.change.restored(&anew, true)["data"],
            before["data"]
        );
        assert_eq!(recalled.left_alone(), None);
        // what somebody else has put there since stays, and is named
        let now = object("4", Value::Null, json!({"x": "theirs", "y": "1"}));
        let recalled = change.against(&now, true);
        assert_eq!(
            recalled.change.restored(&now, true)["data"],
            json!({"x": "theirs", "y": "b"})
        );
        assert_eq!(recalled.theirs, ["data.x"]);
    }

    #[test]
    fn a_list_is_one_field_and_finalizers_are_many() {
        let with = |args: Value, finalizers: Value| json!({"metadata": {"uid": "1", "finalizers": finalizers}, "spec": {"args": args}});
        let before = with(json!(["a"]), json!(["theirs"]));
        let after = with(json!(["a", "run"]), json!(["theirs", "run"]));
        let (restored, left) = recalled(&before, &after, &after);
        assert_eq!((restored, left), (before.clone(), None));
        let now = with(json!(["b"]), json!(["theirs", "run", "guard"]));
        let (restored, left) = recalled(&before, &after, &now);
        assert_eq!(restored, with(json!(["b"]), json!(["theirs", "guard"])));
        assert!(left.unwrap().ends_with("since: spec.args"));
    }
}
