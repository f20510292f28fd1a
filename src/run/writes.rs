//! The last version of each object that a suite wrote, so that no watch is believed
//! that has not seen it yet.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::cluster::{ObjectKey, State};

/// Shared by everything in a suite.
#[derive(Debug, Default)]
pub struct Writes(Mutex<HashMap<ObjectKey, String>>);

impl Writes {
    /// Notes the state of an object that the API server answered a write with.
    pub fn note(&self, key: &ObjectKey, object: &Value) {
        if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
            let mut writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            writes.insert(key.clone(), version.to_owned());
        }
    }

    /// Whether a watch's state is no older than the last write to the object.
    pub fn seen_by(&self, state: &State, key: &ObjectKey) -> bool {
        let writes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writes
            .get(key)
            .is_none_or(|version| state.has_seen(version))
    }
}
