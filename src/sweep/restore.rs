//! Puts back what dead runs changed, by what they wrote down of it in the cluster, and then removes
//! that. Where an object cannot be put back, it stays, and the way to mend it by hand is told.
//!
//! Whoever may make Secrets in a namespace can write what a run would: a Secret is believed only of
//! the object that was shown and agreed to, in its own namespace.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::remove::take_back;
use super::runs::{Marked, SnapshotOf};
use crate::cluster::{Cluster, ObjectKey};
use crate::run::{Deed, Held, Subject, read_snapshot};
use crate::secret::Mask;

/// The Secrets about one change of one object, the newest first: what it says is so.
pub(super) type Versions<'a> = Vec<&'a Marked>;

/// What is known of each object, in the order in which it is put back: what was changed last comes
/// first, also where a run changed what an earlier one had left.
pub(super) fn in_order<'a>(snapshots: &[&'a Marked]) -> Vec<Vec<Versions<'a>>> {
    let mut objects: BTreeMap<&str, Vec<(&'a Marked, &'a SnapshotOf)>> = BTreeMap::new();
    for marked in snapshots {
        if let Some(of) = &marked.snapshot {
            objects.entry(&of.object).or_default().push((marked, of));
        }
    }
    let in_order = |mut about: Vec<(&'a Marked, &'a SnapshotOf)>| {
        let mut begun: BTreeMap<&str, Option<Timestamp>> = BTreeMap::new();
        for (marked, _) in &about {
            let first = begun.entry(&marked.run).or_insert(marked.created);
            *first = marked.created.min(*first);
        }
        about.sort_by_key(|(marked, of)| {
            let begun = begun.get(marked.run.as_str()).copied();
            let namespace = &marked.key.namespace;
            Reverse((begun, &marked.run, of.number, namespace, of.version))
        });
        // one that is not believed takes the place of no other
        let changes = about.chunk_by(|(one, first), (other, second)| {
            let is_beside = one.key.namespace == other.key.namespace;
            one.run == other.run && first.number == second.number && is_beside
        });
        let changes = changes.map(|change| change.iter().map(|(marked, _)| *marked).collect());
        changes.collect()
    };
    objects.into_values().map(in_order).collect()
}

/// Puts one object back, change by change. `home`: the namespace where runs write down what they
/// change that has no namespace.
pub(super) async fn restore(
    cluster: &Cluster,
    changes: Vec<Versions<'_>>,
    home: &str,
    deadline: Instant,
    places: Arc<Semaphore>,
) -> Vec<Held> {
    let _place = places.acquire().await;
    let mut held = Vec::new();
    for versions in changes {
        let Some(newest) = versions.first() else {
            continue;
        };
        let left = by(cluster, newest, home, deadline).await;
        if !left.is_empty() {
            held.extend(left);
            continue;
        }
        for marked in versions {
            let deed = Deed::Made {
                uid: Some(marked.uid.clone()),
            };
            let key = marked.key.clone();
            held.extend(take_back(cluster, key, &marked.labels, deed, deadline).await);
        }
    }
    joined(held)
}

/// Each object once, with all that is said of it: each change that is left has its own way out.
fn joined(held: Vec<Held>) -> Vec<Held> {
    let mut joined: Vec<Held> = Vec::new();
    for held in held {
        match joined.iter_mut().find(|it| it.subject == held.subject) {
            Some(known) => known.reason = format!("{}; {}", known.reason, held.reason),
            None => joined.push(held),
        }
    }
    joined
}

/// Puts an object back by one Secret.
async fn by(cluster: &Cluster, marked: &Marked, home: &str, deadline: Instant) -> Vec<Held> {
    let of = marked.snapshot.as_ref().map(|of| of.object.as_str());
    let of = of.unwrap_or_default();
    let unusable = |why: &str, way_out: &str| {
        let reason = format!(
            "it says what {of} was like before the run changed it, and cannot be used: {why}; \
             {way_out}"
        );
        let subject = Subject {
            cluster: None,
            key: marked.key.clone(),
        };
        vec![Held { subject, reason }]
    };
    let unreadable = |why: String| unusable(&why, &by_hand(&marked.key));
    let secret = match cluster.get(&marked.key).await {
        Ok(Some(secret)) => secret,
        // whoever removed it has mended the object
        Ok(None) => return Vec::new(),
        Err(error) => return unreadable(error.to_string()),
    };
    let known = match read_snapshot(&secret) {
        Ok(known) => known,
        Err(why) => return unreadable(why),
    };
    let object = &known.object;
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let found = cluster.resource_of(text("apiVersion"), text("kind")).await;
    let resource = match found {
        Ok(resource) => resource,
        Err(error) => return unreadable(error.to_string()),
    };
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    let key = ObjectKey::new(resource, metadata["namespace"].as_str(), name);
    if let Some(why) = doubt(&marked.key, of, &key, home) {
        return unusable(&why, &looked_into(&marked.key));
    }
    // what the API server says of an object may quote it
    let mask = Mask::new();
    if text("kind") == "Secret" {
        mask.add_secret_object(object);
    }
    let deed = Deed::Changed(known.change);
    let held = take_back(cluster, key, &marked.labels, deed, deadline).await;
    let told = held.into_iter().map(|held| Held {
        reason: format!("{}; {}", mask.mask(&held.reason), by_hand(&marked.key)),
        ..held
    });
    told.collect()
}

/// Why a Secret is not believed of an object, where it is not: `shown` is what people saw of it and
/// agreed to.
fn doubt(secret: &ObjectKey, shown: &str, object: &ObjectKey, home: &str) -> Option<String> {
    let subject = Subject {
        cluster: None,
        key: object.clone(),
    };
    if subject.shown() != shown {
        return Some("what is in it is about another object, which no run writes".to_owned());
    }
    let is_in = secret.namespace.as_deref().unwrap_or_default();
    match &object.namespace {
        Some(namespace) if namespace == is_in => None,
        Some(_) => Some("no run writes it into another namespace than the object's".to_owned()),
        None if object.resource.namespaced => Some("the object has no namespace in it".to_owned()),
        None if is_in == home => None,
        None => Some(format!(
            "of objects without a namespace only what is in {home} is believed; if a suite that \
             you trust was given {is_in}, `--namespace {is_in}` believes what is there"
        )),
    }
}

/// How people see what somebody may have written who is no run, and get rid of it.
fn looked_into(key: &ObjectKey) -> String {
    let namespace = key.namespace.as_deref().unwrap_or_default();
    let name = &key.name;
    format!(
        "whoever may make Secrets there may have written it: `kubectl get secret {name} -n \
         {namespace} -o yaml` shows it, `kubectl delete secret {name} -n {namespace}` removes it"
    )
}

/// How people see what an object was like, and have it forgotten.
fn by_hand(key: &ObjectKey) -> String {
    let namespace = key.namespace.as_deref().unwrap_or_default();
    let name = &key.name;
    format!(
        "by hand: `kubectl get secret {name} -n {namespace} -o \
         go-template='{{{{.data.object | base64decode}}}}'` says what it was like (and makes it \
         anew with `| kubectl create -f -`); then `kubectl delete secret {name} -n {namespace}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Resource;

    fn marked(run: &str, created: &str, object: &str, number: usize, version: usize) -> Marked {
        let name = format!("{run}-{number}-{version}");
        Marked {
            key: ObjectKey::new(Resource::secret(), Some("n"), name.clone()),
            uid: name,
            run: run.to_owned(),
            labels: Vec::new(),
            created: format!("2026-01-01T{created}Z").parse().ok(),
            snapshot: Some(SnapshotOf {
                object: object.to_owned(),
                number,
                version,
            }),
        }
    }

    #[test]
    fn what_was_changed_last_is_put_back_first() {
        let snapshots = [
            // setup, then a case that changed the same; setup's newest Secret is the youngest
            marked("early", "00:00:00", "node/a", 1, 1),
            marked("early", "00:00:09", "node/a", 1, 2),
            marked("early", "00:00:05", "node/a", 12, 10),
            marked("early", "00:00:04", "node/a", 12, 9),
            marked("early", "00:00:00", "node/b", 2, 1),
            // a run that found what the dead one had left
            marked("a-later", "01:00:00", "node/a", 1, 1),
        ];
        let snapshots: Vec<_> = snapshots.iter().collect();
        let names: Vec<Vec<Vec<_>>> = in_order(&snapshots)
            .into_iter()
            .map(|changes| {
                let names = |versions: Versions<'_>| {
                    let names = versions.into_iter().map(|it| it.key.name.clone());
                    names.collect()
                };
                changes.into_iter().map(names).collect()
            })
            .collect();
        assert_eq!(
            names,
            [
                vec![
                    vec!["a-later-1-1"],
                    vec!["early-12-10", "early-12-9"],
                    vec!["early-1-2", "early-1-1"],
                ],
                vec![vec!["early-2-1"]],
            ]
        );
    }

    #[test]
    fn what_is_in_another_namespace_takes_the_place_of_nothing() {
        let theirs = marked("dead", "00:00:00", "configmap/a -n n", 1, 2);
        let mut forged = marked("dead", "00:00:01", "configmap/a -n n", 1, 9);
        forged.key.namespace = Some("dev".to_owned());
        let snapshots = [&forged, &theirs];
        let objects = in_order(&snapshots);
        let newest: Vec<_> = objects[0].iter().map(|versions| versions[0]).collect();
        assert_eq!(newest, [&theirs, &forged]);
    }

    #[test]
    fn a_secret_is_believed_only_of_what_was_shown_where_a_run_would_have_put_it() {
        let secret = |namespace| ObjectKey::new(Resource::secret(), Some(namespace), "s");
        let pod = |namespace| ObjectKey::new(Resource::pod(), namespace, "a");
        let node = ObjectKey::new(Resource::node(), None, "a");
        for (namespace, shown, object, expected) in [
            ("n", "pod/a -n n", pod(Some("n")), None),
            ("home", "node/a", node.clone(), None),
            (
                "dev",
                "pod/a -n dev",
                pod(Some("n")),
                Some("another object"),
            ),
            ("dev", "pod/a -n dev", node.clone(), Some("another object")),
            ("n", "pod/b -n n", pod(Some("n")), Some("another object")),
            (
                "dev",
                "pod/a -n n",
                pod(Some("n")),
                Some("another namespace"),
            ),
            ("dev", "pod/a", pod(None), Some("no namespace in it")),
            ("dev", "node/a", node, Some("`--namespace dev` believes")),
        ] {
            let why = doubt(&secret(namespace), shown, &object, "home");
            match (&why, expected) {
                (Some(why), Some(expected)) => assert!(why.contains(expected), "{why}"),
                _ => assert_eq!(why.as_deref(), expected, "{shown} in {namespace}"),
            }
        }
    }

    #[test]
    fn an_object_that_two_changes_left_tells_both_ways_out() {
        let held = |name: &str, reason: &str| Held {
            subject: Subject {
                cluster: None,
                key: ObjectKey::new(Resource::node(), None, name),
            },
            reason: reason.to_owned(),
        };
        let held = vec![held("a", "first"), held("b", "other"), held("a", "second")];
        let told = joined(held).into_iter().map(|it| it.reason);
        assert_eq!(told.collect::<Vec<_>>(), ["first; second", "other"]);
    }

    #[test]
    fn the_way_to_mend_it_by_hand_is_a_command() {
        let key = ObjectKey::new(Resource::secret(), Some("n"), "kubeproof-0123456789-1-2");
        let words = by_hand(&key);
        let command = "`kubectl get secret kubeproof-0123456789-1-2 -n n -o \
                       go-template='{{.data.object | base64decode}}'`";
        assert!(words.contains(command), "{words}");
    }
}
