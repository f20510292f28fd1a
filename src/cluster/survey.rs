//! Lists what carries a label over every kind that there is: of the objects their metadata only,
//! and the API server's own time beside it.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::client::{Cluster, Inner};
use super::error::ClusterError;
use super::read::JSON;
use super::resource::{Resource, encoded};
use super::transport::Transport;
use super::watch::Registry;

/// How long one of many questions is asked again.
const IN_PASSING: Duration = Duration::from_secs(4);

/// Metadata where the server can (all but some aggregated APIs can), whole objects otherwise: the
/// metadata is in the same place.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                        application/json";

/// How much of each object is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// `metadata` alone.
    Metadata,
    /// All of it.
    Whole,
}

/// Objects, and when they were listed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// As they came: `apiVersion` and `kind` may be those of the listing.
    pub objects: Vec<Value>,
    /// By when the API server had answered, to the second; none where something before it leaves
    /// that out.
    pub at: Option<Timestamp>,
}

/// What may be listed and deleted.
#[derive(Debug, Clone, Default)]
pub struct Removable {
    /// Each kind once, in the version that the server prefers.
    pub kinds: Vec<Resource>,
    /// The groups with their versions whose kinds are not known, since what serves them does not answer.
    pub down: Vec<(String, ClusterError)>,
}

impl Cluster {
    /// Every kind that can be listed and deleted, as discovery was last read.
    ///
    /// # Errors
    /// Where the cluster did not answer, or refused to say. A group that does not is in what is found.
    pub async fn removable_kinds(&self) -> Result<Removable, ClusterError> {
        let (_, catalog) = self.catalog(0).await?;
        let verbs = ["list", "delete"];
        let mut removable = Removable {
            kinds: catalog.supporting(&verbs),
            down: Vec::new(),
        };
        let asked = catalog.down().iter();
        let asked = asked.map(|group| self.kinds_in(group).boxed());
        let asked = futures::future::join_all(asked.collect::<Vec<_>>()).await;
        for (group, answer) in catalog.down().iter().zip(asked) {
            match answer {
                Ok(catalog) => {
                    for kind in catalog.supporting(&verbs) {
                        let known = &mut removable.kinds;
                        let is_same =
                            |it: &Resource| it.group == kind.group && it.plural == kind.plural;
                        if !known.iter().any(is_same) {
                            known.push(kind);
                        }
                    }
                }
                Err(error) => {
                    // what was known of it is of no use now
                    removable.kinds.retain(|kind| kind.api_version != *group);
                    removable.down.push((group.clone(), error));
                }
            }
        }
        Ok(removable)
    }

    /// The same cluster for who asks it many things: one that is not answered is given up soon.
    ///
    /// Whether the cluster is there at all must be known before.
    #[must_use]
    pub fn in_passing(&self) -> Self {
        let transport = self.transport();
        Self {
            inner: Arc::new(Inner {
                shared: Arc::clone(&self.inner.shared),
                identity: self.inner.identity.clone(),
                transport: Transport {
                    patience: IN_PASSING.min(transport.patience),
                    ..transport.clone()
                },
                watches: Registry::default(),
            }),
        }
    }

    /// Lists the objects of a kind that a label selector picks: in one namespace, or everywhere.
    ///
    /// # Errors
    /// Where the cluster did not answer or refused to.
    pub async fn survey(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &str,
        detail: Detail,
    ) -> Result<Survey, ClusterError> {
        let query = format!("&labelSelector={}", encoded(selector));
        let accept = match detail {
            Detail::Metadata => METADATA,
            Detail::Whole => JSON,
        };
        let listed = self
            .list_items(&resource.path(namespace), &query, accept)
            .await?;
        Ok(Survey {
            objects: listed.items,
            at: listed.date.and_then(end_of_second),
        })
    }
}

/// By when a server had answered that leaves out the parts of a second of its clock: taken at the
/// second's end, a Lease that has run out is never taken for one that holds.
fn end_of_second(date: Timestamp) -> Option<Timestamp> {
    date.checked_add(SignedDuration::from_secs(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_an_answer_is_taken_as_over() {
        let date = "2026-01-01T00:00:07Z".parse().unwrap();
        let over = end_of_second(date).unwrap();
        assert_eq!(over.to_string(), "2026-01-01T00:00:08Z");
    }
}
