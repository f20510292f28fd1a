//! The clusters of a suite: the run's own, and further ones by name.

use std::collections::BTreeMap;

use crate::cluster::Cluster;

/// Connections; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clusters {
    main: Cluster,
    others: BTreeMap<String, Cluster>,
    /// Those that have a name and no connection, and why.
    unreachable: BTreeMap<String, String>,
}

impl Clusters {
    /// Only the run's own.
    pub fn of(main: Cluster) -> Self {
        Self {
            main,
            others: BTreeMap::new(),
            unreachable: BTreeMap::new(),
        }
    }

    /// With one more under a name.
    pub fn add(&mut self, name: &str, cluster: Cluster) {
        self.others.insert(name.to_owned(), cluster);
    }

    /// With one that cannot be reached, and why: whoever needs it is told.
    pub fn miss(&mut self, name: &str, why: String) {
        self.unreachable.insert(name.to_owned(), why);
    }

    /// Why one that has a name cannot be reached.
    pub fn why_missed(&self, name: &str) -> Option<&str> {
        self.unreachable.get(name).map(String::as_str)
    }

    /// The run's own.
    pub fn main(&self) -> &Cluster {
        &self.main
    }

    /// One by its name; the run's own without one.
    pub fn get(&self, name: Option<&str>) -> Option<&Cluster> {
        match name {
            None => Some(&self.main),
            Some(name) => self.others.get(name),
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Cluster> {
        [&self.main].into_iter().chain(self.others.values())
    }

    /// Those that have names.
    pub fn others(&self) -> impl Iterator<Item = (&str, &Cluster)> {
        self.others
            .iter()
            .map(|(name, cluster)| (name.as_str(), cluster))
    }
}
