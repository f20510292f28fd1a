//! The values of Kubernetes' own Secrets.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::mask::{Mask, forms_of, forms_of_bytes};

impl Mask {
    /// Masks the values of an object with `kind: Secret`, of `data` and of `stringData`, from
    /// now on. Of a list, those of each Secret in it; of any other object, nothing.
    pub fn add_secret_object(&self, object: &Value) {
        let mut forms = BTreeSet::new();
        collect(object, &mut forms);
        self.extend(forms);
    }

    /// Masks what a patch of a Secret writes into `data` and `stringData`, from now on: one that
    /// looks like the object, or a list of the operations of JSON Patch.
    pub fn add_secret_patch(&self, patch: &Value) {
        let mut forms = BTreeSet::new();
        collect_secret(patch, &mut forms);
        for operation in patch.as_array().into_iter().flatten() {
            let path = operation["path"].as_str().unwrap_or_default();
            let mut path = path.trim_start_matches('/').split('/');
            let (field, value) = (path.next().unwrap_or_default(), &operation["value"]);
            match (field, path.next()) {
                ("", _) => collect_secret(value, &mut forms),
                (field, None) => collect_secret(&json!({field: value}), &mut forms),
                (field, Some(key)) => {
                    collect_secret(&json!({field: {key: value}}), &mut forms);
                }
            }
        }
        self.extend(forms);
    }
}

fn collect(object: &Value, forms: &mut BTreeSet<String>) {
    let kind = object["kind"].as_str().unwrap_or_default();
    if kind == "Secret" {
        collect_secret(object, forms);
    }
    if kind.ends_with("List") {
        for item in object["items"].as_array().into_iter().flatten() {
            match kind {
                // The items of a list of one kind do not say which.
                "SecretList" => collect_secret(item, forms),
                _ => collect(item, forms),
            }
        }
    }
}

fn collect_secret(object: &Value, forms: &mut BTreeSet<String>) {
    for value in values(&object["data"]) {
        forms.extend(encoded(&value));
    }
    for value in values(&object["stringData"]) {
        forms.extend(forms_of(&value));
    }
}

/// A number without quotes is refused by the API server, in a message that quotes it.
fn values(map: &Value) -> impl Iterator<Item = String> {
    map.as_object()
        .into_iter()
        .flat_map(|map| map.values())
        .filter_map(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        })
}

fn encoded(value: &str) -> BTreeSet<String> {
    // YAML breaks long values into lines.
    let joined: String = value.split_ascii_whitespace().collect();
    match BASE64_STANDARD.decode(&joined) {
        Ok(bytes) => forms_of_bytes(&bytes),
        // Refused by the API server too, and most likely the secret itself, in plain.
        Err(_) => forms_of(value),
    }
}
