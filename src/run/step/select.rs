//! Which objects a verb is about: a kind, perhaps a name, a selector and a filter.

use std::collections::BTreeMap;

use serde_json::Value;

use super::check;
use super::lag;
use super::{StepContext, StepFailure};
use crate::cluster::{ClusterError, LabelQuery, ObjectKey, Resource};
use crate::kinds;
use crate::plan::model::{ObjectCheck, Target};

/// A target, resolved.
#[derive(Clone, Debug)]
pub struct Selected<'a> {
    /// The kind.
    pub resource: Resource,
    /// One namespace; nothing is all of them, or a kind that has none.
    pub namespace: Option<String>,
    /// One object.
    pub name: Option<String>,
    /// Labels, as the API server takes them.
    pub selector: Option<LabelQuery>,
    filter: Option<&'a ObjectCheck>,
}

impl<'a> Selected<'a> {
    /// Resolves a target as kubectl does.
    pub async fn of(target: &'a Target, context: &StepContext<'_>) -> Result<Self, StepFailure> {
        Ok(Self::if_served(target, context).await??)
    }

    /// The same; a kind that the cluster does not serve is for the caller to judge.
    pub async fn if_served(
        target: &'a Target,
        context: &StepContext<'_>,
    ) -> Result<Result<Self, ClusterError>, StepFailure> {
        let scope = context.scope();
        let text = target.target.render_text(&scope)?;
        let (kind, name) = match text.split_once('/') {
            Some((kind, name)) if !name.is_empty() && !kind.is_empty() => (kind, Some(name)),
            Some(_) => {
                return Err(StepFailure::errored(format!(
                    "{text:?} is no target: it is written `kind` or `kind/name`"
                )));
            }
            None => (text.as_str(), None),
        };
        // `check` says so of a name that is written; this one was rendered
        if name.is_some() && target.all_namespaces {
            return Err(StepFailure::errored(format!(
                "{text} is one object, and `allNamespaces` is for the objects of a kind"
            )));
        }
        let resource = loop {
            match context.cluster.resource_named(kind).await {
                Err(ClusterError::UnknownKind { .. })
                    if lag::may_be_stale(context, lag::is_definition).await => {}
                Err(unknown @ ClusterError::UnknownKind { .. }) => return Ok(Err(unknown)),
                resource => break resource?,
            }
        };
        let namespace = if !resource.namespaced || target.all_namespaces {
            None
        } else {
            Some(context.needed_namespace(target.namespace.as_ref(), &text)?)
        };
        let selector = match &target.selector {
            Some(selector) => {
                let text = selector.render_text(&scope)?;
                Some(LabelQuery::parse(&text).map_err(|error| {
                    StepFailure::errored(format!("the selector {text:?}: {error}"))
                })?)
            }
            None => None,
        };
        Ok(Ok(Self {
            resource,
            namespace,
            name: name.map(str::to_owned),
            selector,
            filter: target.filter.as_ref(),
        }))
    }

    /// Whether an object is one of them.
    ///
    /// # Errors
    /// Where the filter cannot be asked of it.
    pub fn has(&self, object: &Value, context: &StepContext<'_>) -> Result<bool, StepFailure> {
        let metadata = &object["metadata"];
        if self
            .name
            .as_deref()
            .is_some_and(|name| metadata["name"] != name)
        {
            return Ok(false);
        }
        if let Some(selector) = &self.selector
            && !selector.matches(&labels_of(object))
        {
            return Ok(false);
        }
        match self.filter {
            Some(filter) => {
                let finding = check::find(filter, object, context)?;
                finding
                    .decided(self.key(object))
                    .map_err(|failure| failure.about("`where`"))
            }
            None => Ok(true),
        }
    }

    /// Whether the filter says the same of an object for as long as that does not change.
    pub fn is_timeless(&self) -> bool {
        self.filter.is_none_or(check::is_timeless)
    }

    /// Reads them once.
    pub async fn read(&self, context: &StepContext<'_>) -> Result<Vec<Value>, StepFailure> {
        Ok(self.read_or_refused(context).await??)
    }

    /// The same; a refusal is for the caller to judge.
    pub async fn read_or_refused(
        &self,
        context: &StepContext<'_>,
    ) -> Result<Result<Vec<Value>, ClusterError>, StepFailure> {
        let namespace = self.namespace.as_deref();
        let read = match &self.name {
            Some(name) => {
                let key = ObjectKey::new(self.resource.clone(), namespace, name);
                let object = context.cluster.get(&key).await;
                object.map(|object| object.into_iter().collect())
            }
            None => {
                let selector = self.selector.as_ref().map(LabelQuery::text);
                let list = context.cluster.list(&self.resource, namespace, selector);
                list.await
            }
        };
        let objects: Vec<Value> = match read {
            Ok(objects) => objects,
            Err(error) => return Ok(Err(error)),
        };
        let mut selected = Vec::new();
        for object in objects {
            super::write::note_secret(&object, context);
            if self.has(&object, context)? {
                selected.push(object);
            }
        }
        Ok(Ok(selected))
    }

    /// One of them by its own name.
    pub fn key(&self, object: &Value) -> ObjectKey {
        ObjectKey::new(
            self.resource.clone(),
            object["metadata"]["namespace"].as_str(),
            object["metadata"]["name"].as_str().unwrap_or_default(),
        )
    }

    /// Whether there can only be one.
    pub fn is_one(&self) -> bool {
        self.name.is_some()
    }

    /// Whether they are pods.
    pub fn is_pods(&self) -> bool {
        kinds::is_pod(&self.resource.group, &self.resource.kind)
    }

    /// Whether more than a name says which they are.
    pub fn is_narrowed(&self) -> bool {
        self.selector.is_some() || self.filter.is_some()
    }

    /// The same objects whatever has become of their labels and fields meanwhile.
    #[must_use]
    pub fn without_filter(&self) -> Self {
        Self {
            selector: None,
            filter: None,
            ..self.clone()
        }
    }

    /// That none of them is there, in words. What `where` or `selector` leaves out may well be
    /// there, so that is not denied.
    pub fn missing(&self) -> String {
        let what = self.describe();
        match (self.is_one(), self.filter.is_some(), &self.selector) {
            (true, false, None) => format!("{what} does not exist"),
            (true, true, _) => format!("{what} does not exist, or its `where` leaves it out"),
            (true, false, Some(_)) => {
                format!("{what} does not exist, or its `selector` leaves it out")
            }
            (false, false, _) => format!("{what}: there are none"),
            (false, true, _) => format!("{what}: there are none for which its `where` holds"),
        }
    }

    /// For messages: `pod/web-0`, `pods with app=web`.
    pub fn describe(&self) -> String {
        let mut text = match &self.name {
            Some(name) => format!("{}/{name}", self.resource),
            None => self.resource.plural.clone(),
        };
        if let Some(selector) = &self.selector {
            text.push_str(&format!(" with {}", selector.text()));
        }
        if let Some(namespace) = &self.namespace {
            text.push_str(&format!(" in {namespace}"));
        }
        text
    }
}

fn labels_of(object: &Value) -> BTreeMap<String, String> {
    object["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
