//! Reads objects once: one by its key, or all of a kind. To follow them, see `watch`.

use serde_json::Value;

use super::client::Cluster;
use super::error::ClusterError;
use super::resource::{ObjectKey, Resource, encoded};
use super::transport::Call;

/// How many objects one request brings, as with client-go.
const PAGE_SIZE: u32 = 500;

impl Cluster {
    /// Reads an object; `None` where there is none.
    ///
    /// # Errors
    /// Where the cluster did not answer or refused to.
    pub async fn get(&self, key: &ObjectKey) -> Result<Option<Value>, ClusterError> {
        match self.transport().send(&Call::get(key.path())).await {
            Ok(reply) => {
                let mut object = reply.json()?;
                key.resource.fill_type(&mut object);
                Ok(Some(object))
            }
            Err(ClusterError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists the objects of a kind: in a namespace, or everywhere, and those that a
    /// [label selector](https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors)
    /// picks.
    ///
    /// Fetched page by page. Each has its `apiVersion` and `kind`, which the server leaves out.
    ///
    /// # Errors
    /// Where the cluster did not answer or refused to; a selector that cannot be read is refused with 400.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: Option<&str>,
    ) -> Result<Vec<Value>, ClusterError> {
        let query = selector.map_or_else(String::new, |selector| {
            format!("&labelSelector={}", encoded(selector))
        });
        self.list_where(resource, namespace, &query).await
    }

    /// The nodes of the cluster, by name.
    ///
    /// # Errors
    /// As [`Cluster::list`].
    pub async fn nodes(&self) -> Result<Vec<Value>, ClusterError> {
        let mut nodes = self.list(&Resource::node(), None, None).await?;
        nodes.sort_by(|a, b| name_of(a).cmp(name_of(b)));
        Ok(nodes)
    }

    /// Lists with a query of one's own, which begins with `&`.
    pub(super) async fn list_where(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &str,
    ) -> Result<Vec<Value>, ClusterError> {
        match self.list_paged(resource, namespace, query, PAGE_SIZE).await {
            // The server forgot the snapshot the pages are cut from: take it in one piece.
            Err(ClusterError::Refused(refusal)) if refusal.code == 410 => {
                self.list_paged(resource, namespace, query, 0).await
            }
            result => result,
        }
    }

    async fn list_paged(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &str,
        limit: u32,
    ) -> Result<Vec<Value>, ClusterError> {
        let path = resource.path(namespace);
        let mut objects = Vec::new();
        let mut token = String::new();
        loop {
            let mut url = format!("{path}?limit={limit}{query}");
            if !token.is_empty() {
                url = format!("{url}&continue={}", encoded(&token));
            }
            let mut page = self.transport().send(&Call::get(url)).await?.json()?;
            if let Value::Array(items) = page["items"].take() {
                objects.extend(items.into_iter().map(|mut item| {
                    resource.fill_type(&mut item);
                    item
                }));
            }
            match page["metadata"]["continue"].as_str() {
                Some(next) if !next.is_empty() => token = next.to_owned(),
                _ => return Ok(objects),
            }
        }
    }
}

pub(super) fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}
