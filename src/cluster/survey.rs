//! Lists what carries a label over every kind that there is: of the objects their metadata only,
//! and the API server's own time beside it.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::client::Cluster;
use super::error::ClusterError;
use super::read::JSON;
use super::resource::{Resource, encoded};

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

impl Cluster {
    /// Every kind that can be listed and deleted, each once, in the version that the server
    /// prefers; as discovery was last read.
    ///
    /// # Errors
    /// Where the cluster did not answer, or refused to say.
    pub async fn removable_kinds(&self) -> Result<Vec<Resource>, ClusterError> {
        let (_, catalog) = self.catalog(0).await?;
        Ok(catalog.supporting(&["list", "delete"]))
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
