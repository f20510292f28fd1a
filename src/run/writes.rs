//! The last version of each object that a suite wrote, and when, so that no watch is believed
//! that has not seen it yet.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::ledger::Subject;
use crate::cluster::{ObjectKey, Resource, State};

/// Shared by everything in a suite.
#[derive(Debug, Default)]
pub struct Writes(Mutex<HashMap<Subject, (String, Instant)>>);

impl Writes {
    /// Notes the state of an object that the API server answered a write with.
    pub fn note(&self, subject: &Subject, object: &Value) {
        if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
            let mut writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            writes.insert(subject.clone(), (version.to_owned(), Instant::now()));
        }
    }

    /// How long ago the last write was to an object that is meant, in one cluster.
    pub fn age(
        &self,
        cluster: Option<&str>,
        is_meant: impl Fn(&ObjectKey) -> bool,
    ) -> Option<Duration> {
        let writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writes
            .iter()
            .filter(|(subject, _)| subject.cluster.as_deref() == cluster && is_meant(&subject.key))
            .map(|(_, (_, answered))| answered.elapsed())
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
        let writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writes
            .iter()
            .filter(|(subject, _)| {
                subject.cluster.as_deref() == cluster
                    && subject.key.resource.is_same_kind(resource)
                    && (namespace.is_none() || subject.key.namespace.as_deref() == namespace)
            })
            .all(|(_, (version, answered))| state.has_seen(version, *answered))
    }
}
