//! Which objects are whose, which runs live, and which of them are to be removed. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::cluster::{ObjectKey, Resource};
use crate::marks::{
    self, RUN_LABEL, SNAPSHOT_LABEL, SNAPSHOT_OF, SUITE_LABEL, SignOfLife, is_run_id,
};

/// The kind in which it is written down what runs changed, as kubectl takes it.
pub const SECRETS: &str = "secrets";

/// An object that a run made and that goes with nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Which.
    pub key: ObjectKey,
    /// `metadata.uid`
    pub uid: String,
    /// The run's id.
    pub run: String,
    /// Its labels of ours, which it must still have when it is deleted.
    pub labels: Vec<(String, String)>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// What it says of another object, where it is there for that.
    pub snapshot: Option<SnapshotOf>,
}

/// A Secret that says what an object was like before the run changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotOf {
    /// The object, as kubectl takes it.
    pub object: String,
    /// Which of the objects that the run changed: those that it changed later have higher numbers.
    pub number: usize,
    /// Which Secret about it: what the newest one says is so.
    pub version: usize,
}

impl SnapshotOf {
    fn of(kind: &Resource, metadata: &Value) -> Option<Self> {
        let label = metadata["labels"][SNAPSHOT_LABEL].as_str()?;
        let (number, version) = label.split_once('-')?;
        let is_secret = kind.group.is_empty() && kind.kind == "Secret";
        is_secret.then_some(Self {
            object: metadata["annotations"][SNAPSHOT_OF].as_str()?.to_owned(),
            number: number.parse().ok()?,
            version: version.parse().ok()?,
        })
    }
}

impl Marked {
    /// Takes an object for one of a run's; nothing where the labels may be there by mistake, and
    /// where it goes with an owner.
    ///
    /// A label of a run alone is on nothing but namespaces: somebody copied it.
    pub fn of(kind: &Resource, object: &Value) -> Option<Self> {
        let metadata = &object["metadata"];
        let run = metadata["labels"][RUN_LABEL].as_str()?;
        let suite = metadata["labels"][SUITE_LABEL].as_str();
        let is_owned = metadata["ownerReferences"]
            .as_array()
            .is_some_and(|owners| !owners.is_empty());
        let is_namespace = kind.group.is_empty() && kind.kind == "Namespace";
        if !is_run_id(run) || is_owned || (suite.is_none() && !is_namespace) {
            return None;
        }
        let labels = [(RUN_LABEL, Some(run)), (SUITE_LABEL, suite)];
        Some(Self {
            key: ObjectKey::new(
                kind.clone(),
                metadata["namespace"].as_str(),
                metadata["name"].as_str()?,
            ),
            uid: metadata["uid"].as_str()?.to_owned(),
            run: run.to_owned(),
            labels: labels
                .into_iter()
                .filter_map(|(label, value)| Some((label.to_owned(), value?.to_owned())))
                .collect(),
            created: metadata["creationTimestamp"]
                .as_str()
                .and_then(|time| time.parse().ok()),
            snapshot: SnapshotOf::of(kind, metadata),
        })
    }

    /// Whether it is a namespace, with which goes what is in it.
    pub fn is_namespace(&self) -> bool {
        self.key.resource.group.is_empty() && self.key.resource.kind == "Namespace"
    }

    /// Whether it is the Lease of its run in a namespace that was there.
    fn is_lease_beside(&self) -> bool {
        let lease = Resource::lease();
        self.key.resource.is_same_kind(&lease)
            && self.key.name == marks::lease_name_beside(&self.run)
    }

    /// As kubectl takes it: `kind/name`, with `-n NAMESPACE` where it has one.
    pub fn shown(&self) -> String {
        match &self.key.namespace {
            Some(namespace) => format!("{} -n {namespace}", self.key),
            None => self.key.to_string(),
        }
    }
}

/// A run, and what is there of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkedRun {
    /// Its id.
    pub id: String,
    /// Its objects, by kind and name.
    pub objects: Vec<Marked>,
    /// What its Leases say.
    pub signs: Vec<SignOfLife>,
}

impl MarkedRun {
    /// Whether it goes on.
    pub fn lives(&self, now: Timestamp) -> bool {
        marks::lives(&self.signs, self.youngest(), now)
    }

    /// How long ago it last did something: made an object, or said that it lives.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        let renewed = self.signs.iter().map(|sign| sign.renewed);
        let last = renewed.chain(self.youngest()).max()?;
        Some(marks::age(last, now))
    }

    /// Its objects that go.
    pub fn removed(&self) -> impl Iterator<Item = &Marked> {
        self.objects
            .iter()
            .filter(|object| object.snapshot.is_none())
    }

    /// The objects that become what they were, as kubectl takes them.
    pub fn put_back(&self) -> BTreeSet<&str> {
        let snapshots = self.objects.iter().filter_map(|it| it.snapshot.as_ref());
        snapshots.map(|it| it.object.as_str()).collect()
    }

    fn youngest(&self) -> Option<Timestamp> {
        self.objects
            .iter()
            .filter_map(|object| object.created)
            .max()
    }
}

/// The objects by their runs. What several groups serve is there once.
pub(super) fn by_run(objects: Vec<Marked>, signs: Vec<SignOfLife>) -> Vec<MarkedRun> {
    let mut seen = HashSet::new();
    let mut runs: BTreeMap<String, MarkedRun> = BTreeMap::new();
    for object in objects {
        if !seen.insert(object.uid.clone()) {
            continue;
        }
        let run = runs.entry(object.run.clone()).or_insert_with(|| MarkedRun {
            id: object.run.clone(),
            objects: Vec::new(),
            signs: Vec::new(),
        });
        run.objects.push(object);
    }
    for sign in signs {
        if let Some(run) = runs.get_mut(&sign.run) {
            run.signs.push(sign);
        }
    }
    let mut runs: Vec<_> = runs.into_values().collect();
    for run in &mut runs {
        run.objects
            .sort_by_cached_key(|object| (!object.is_namespace(), object.shown()));
    }
    runs
}

/// Takes the Leases out that are beside what runs changed: as long as nobody knows what is to be put
/// back there, they stay, and say when the run was last seen.
pub(super) fn keep_leases_beside(runs: &mut Vec<MarkedRun>) {
    for run in &mut *runs {
        run.objects.retain(|object| !object.is_lease_beside());
    }
    runs.retain(|run| !run.objects.is_empty());
}

/// What is to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// One run, whether it lives or not: whoever names it knows it.
    Run(String),
    /// The dead ones that did nothing for so long.
    OlderThan(Duration),
    /// All dead ones.
    All,
}

/// What becomes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is removed.
    Removed,
    /// It lives.
    Lives,
    /// It is dead, but not for long enough.
    TooYoung,
    /// It was not asked for.
    Other,
}

impl Wish {
    /// What becomes of a run.
    pub fn fate(&self, run: &MarkedRun, now: Timestamp) -> Fate {
        match self {
            Self::Run(id) if *id == run.id => Fate::Removed,
            Self::Run(_) => Fate::Other,
            Self::All | Self::OlderThan(_) if run.lives(now) => Fate::Lives,
            Self::All => Fate::Removed,
            Self::OlderThan(least) => match run.age(now) {
                Some(age) if age >= *least => Fate::Removed,
                Some(_) | None => Fate::TooYoung,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RUN: &str = "0123456789";

    fn at(time: &str) -> Timestamp {
        format!("2026-01-01T{time}Z").parse().unwrap()
    }

    fn object(name: &str, labels: Value, more: Value) -> Value {
        let mut metadata = json!({
            "name": name, "uid": format!("uid-{name}"), "labels": labels,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        });
        for (field, value) in more.as_object().unwrap() {
            metadata[field] = value.clone();
        }
        json!({"kind": "PartialObjectMetadata", "metadata": metadata})
    }

    fn ours() -> Value {
        json!({RUN_LABEL: RUN, SUITE_LABEL: "a"})
    }

    fn pod(name: &str, labels: Value, more: Value) -> Option<Marked> {
        Marked::of(&Resource::pod(), &object(name, labels, more))
    }

    #[test]
    fn an_object_counts_with_both_labels() {
        let found = pod("a", ours(), json!({"namespace": "b"})).unwrap();
        assert_eq!(found.shown(), "pod/a -n b");
        assert_eq!(found.labels.len(), 2);
        assert_eq!(found.created, Some(at("00:00:00")));
    }

    #[test]
    fn labels_that_are_there_by_mistake_do_not_count() {
        for labels in [
            json!({}),
            json!({RUN_LABEL: RUN}),
            json!({SUITE_LABEL: "a"}),
            json!({RUN_LABEL: "mine", SUITE_LABEL: "a"}),
            json!({RUN_LABEL: "", SUITE_LABEL: "a"}),
            json!({"other.dev/run": RUN, SUITE_LABEL: "a"}),
        ] {
            assert_eq!(pod("a", labels.clone(), json!({})), None, "{labels}");
        }
        let namespace = object("a", json!({RUN_LABEL: RUN}), json!({}));
        let namespace = Marked::of(&Resource::namespace(), &namespace).unwrap();
        assert!(namespace.is_namespace());
        assert_eq!(namespace.labels.len(), 1);
    }

    #[test]
    fn what_says_what_an_object_was_like_is_told_from_what_goes() {
        let marked = |kind: Resource, label: &str| {
            let labels = json!({RUN_LABEL: RUN, SUITE_LABEL: "a", SNAPSHOT_LABEL: label});
            let more = json!({"namespace": "n", "annotations": {SNAPSHOT_OF: "node/a"}});
            Marked::of(&kind, &object(label, labels, more)).unwrap()
        };
        let secret = marked(Resource::secret(), "3-12");
        let expected = SnapshotOf {
            object: "node/a".to_owned(),
            number: 3,
            version: 12,
        };
        assert_eq!(secret.snapshot, Some(expected));
        let others = [
            marked(Resource::secret(), "mine"),
            marked(Resource::pod(), "4-1"),
        ];
        assert!(others.iter().all(|other| other.snapshot.is_none()));
        let runs = by_run([&others[..], &[secret]].concat(), Vec::new());
        let removed: Vec<_> = runs[0].removed().map(Marked::shown).collect();
        assert_eq!(removed, ["pod/4-1 -n n", "secret/mine -n n"]);
        assert_eq!(runs[0].put_back(), BTreeSet::from(["node/a"]));
    }

    #[test]
    fn what_has_an_owner_goes_with_it() {
        let owned = json!({"ownerReferences": [{"kind": "ReplicaSet", "name": "theirs"}]});
        assert_eq!(pod("a", ours(), owned), None);
        assert!(pod("a", ours(), json!({"ownerReferences": []})).is_some());
    }

    #[test]
    fn objects_are_grouped_by_run_and_are_there_once() {
        let other = json!({RUN_LABEL: "aaaaaaaaaa", SUITE_LABEL: "a"});
        let objects = [
            pod("b", ours(), json!({"namespace": "n"})),
            pod("c", other, json!({"namespace": "n"})),
            pod("a", ours(), json!({"namespace": "n"})),
            pod("a", ours(), json!({"namespace": "n"})),
            Marked::of(&Resource::namespace(), &object("n", ours(), json!({}))),
        ];
        let sign = |run: &str| SignOfLife {
            run: run.to_owned(),
            renewed: at("00:00:00"),
            holds_for: Duration::from_secs(30),
        };
        let runs = by_run(
            objects.into_iter().flatten().collect(),
            vec![sign(RUN), sign("bbbbbbbbbb")],
        );
        let told: Vec<_> = runs
            .iter()
            .map(|run| {
                let objects: Vec<_> = run.objects.iter().map(Marked::shown).collect();
                format!("{}: {} ({})", run.id, objects.join(", "), run.signs.len())
            })
            .collect();
        assert_eq!(
            told,
            [
                "0123456789: namespace/n, pod/a -n n, pod/b -n n (1)",
                "aaaaaaaaaa: pod/c -n n (0)",
            ]
        );
    }

    #[test]
    fn a_lease_beside_what_was_changed_can_stay() {
        let lease = |name: &str| {
            let lease = object(name, ours(), json!({"namespace": "n"}));
            Marked::of(&Resource::lease(), &lease).unwrap()
        };
        let beside = lease(&marks::lease_name_beside(RUN));
        let mut runs = by_run(vec![beside.clone(), lease("kubeproof")], Vec::new());
        keep_leases_beside(&mut runs);
        let left: Vec<_> = runs[0].removed().map(Marked::shown).collect();
        assert_eq!(left, ["lease/kubeproof -n n"]);
        let mut runs = by_run(vec![beside], Vec::new());
        keep_leases_beside(&mut runs);
        assert_eq!(runs, []);
    }

    fn run(created: &str, renewed: Option<&str>) -> MarkedRun {
        let created = json!({"creationTimestamp": format!("2026-01-01T{created}Z")});
        MarkedRun {
            id: RUN.to_owned(),
            objects: vec![pod("a", ours(), created).unwrap()],
            signs: renewed
                .map(|renewed| SignOfLife {
                    run: RUN.to_owned(),
                    renewed: at(renewed),
                    holds_for: Duration::from_secs(30),
                })
                .into_iter()
                .collect(),
        }
    }

    #[test]
    fn what_is_removed_follows_from_the_wish_and_the_age() {
        let now = at("10:00:00");
        let hour = || Wish::OlderThan(Duration::from_secs(3600));
        let cases = [
            (Wish::All, run("00:00:00", Some("09:59:40")), Fate::Lives),
            (hour(), run("00:00:00", Some("09:59:40")), Fate::Lives),
            (Wish::All, run("00:00:00", Some("09:59:20")), Fate::Removed),
            (hour(), run("00:00:00", Some("09:59:20")), Fate::TooYoung),
            (hour(), run("09:30:00", Some("00:00:00")), Fate::TooYoung),
            (hour(), run("09:00:00", Some("08:00:00")), Fate::Removed),
            (hour(), run("00:00:00", None), Fate::Removed),
            (hour(), run("09:30:00", None), Fate::TooYoung),
            (Wish::All, run("09:59:50", None), Fate::Lives),
            (Wish::All, run("09:30:00", None), Fate::Removed),
            (
                Wish::Run(RUN.to_owned()),
                run("00:00:00", Some("09:59:59")),
                Fate::Removed,
            ),
            (
                Wish::Run("aaaaaaaaaa".to_owned()),
                run("00:00:00", None),
                Fate::Other,
            ),
        ];
        for (wish, run, expected) in cases {
            assert_eq!(wish.fate(&run, now), expected, "{wish:?} {run:?}");
        }
    }
}
