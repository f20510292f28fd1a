//! Reads objects once: one by its key, or all of a kind; or a path as it is. To follow them, see `watch`.

use http::HeaderMap;
use jiff::Timestamp;
use serde_json::Value;

use super::client::Cluster;
use super::error::ClusterError;
use super::resource::{ObjectKey, Resource, encoded};
use super::transport::Call;

/// How many objects one request brings, as with client-go.
const PAGE_SIZE: u32 = 500;
/// How many bytes are read of a path as it is: behind it may be a pod, which sends what it likes.
const LARGEST: usize = 64 << 20;
/// Objects as they are.
pub(super) const JSON: &str = "application/json";

/// Which objects of a kind are meant; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// A [label selector](https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors):
    /// `app=web,tier in (a, b)`.
    pub labels: Option<String>,
    /// A [field selector](https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/):
    /// `status.phase!=Running,spec.nodeName=a`. Each kind knows a few fields only.
    pub fields: Option<String>,
}

/// A whole list.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Without their `apiVersion` and `kind`, as a rule.
    pub(super) items: Vec<Value>,
    /// The server's clock at the first page, which may be much older than the last; without parts of
    /// a second.
    pub(super) date: Option<Timestamp>,
}

/// What a path of the API server answered, whatever that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawReply {
    /// The HTTP status, which may be a bad one: `/readyz` answers 500 with the checks that failed.
    pub code: u16,
    /// The headers, names in lower case, in the server's order; those that repeat are repeated.
    pub headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
}

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
        let selection = Selection {
            labels: selector.map(str::to_owned),
            fields: None,
        };
        self.list_selected(resource, namespace, &selection).await
    }

    /// As [`Cluster::list`], also by fields.
    ///
    /// # Errors
    /// As [`Cluster::list`]; a field that the kind cannot be selected by is refused with 400.
    pub async fn list_selected(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selection: &Selection,
    ) -> Result<Vec<Value>, ClusterError> {
        let mut query = String::new();
        if let Some(labels) = &selection.labels {
            query = format!("&labelSelector={}", encoded(labels));
        }
        if let Some(fields) = &selection.fields {
            query = format!("{query}&fieldSelector={}", encoded(fields));
        }
        self.list_where(resource, namespace, &query).await
    }

    /// Reads a path of the API server as it is: `/readyz?verbose`, `/metrics`, `/apis/metrics.k8s.io/v1beta1/nodes`.
    ///
    /// A bad status is an answer here, and is not asked for again; only 401 and 429 are errors, as
    /// they say nothing about what was asked for.
    ///
    /// # Errors
    /// Where the cluster did not answer, or with more than 64 MiB, or `path` does not begin with `/`.
    pub async fn get_raw(&self, path: &str) -> Result<RawReply, ClusterError> {
        if !path.starts_with('/') {
            let cause = format!("the path {path:?} does not begin with /");
            return Err(ClusterError::Unavailable { cause });
        }
        let call = Call::get(path)
            .accept("application/json, */*")
            .any_status()
            .at_most(LARGEST);
        let reply = self.transport().send(&call).await?;
        Ok(RawReply {
            code: reply.code,
            headers: pairs(&reply.headers),
            body: reply.body,
        })
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
        let path = resource.path(namespace);
        let mut items = self.list_items(&path, query, JSON).await?.items;
        for item in &mut items {
            resource.fill_type(item);
        }
        Ok(items)
    }

    /// Lists what is at a path as the server sends it, in a form that `accept` names.
    pub(super) async fn list_items(
        &self,
        path: &str,
        query: &str,
        accept: &'static str,
    ) -> Result<Listed, ClusterError> {
        match self.list_paged(path, query, accept, PAGE_SIZE).await {
            // The server forgot the snapshot the pages are cut from: take it in one piece.
            Err(ClusterError::Refused(refusal)) if refusal.code == 410 => {
                self.list_paged(path, query, accept, 0).await
            }
            result => result,
        }
    }

    async fn list_paged(
        &self,
        path: &str,
        query: &str,
        accept: &'static str,
        limit: u32,
    ) -> Result<Listed, ClusterError> {
        let mut listed = Listed::default();
        let mut token = String::new();
        loop {
            let mut url = format!("{path}?limit={limit}{query}");
            if !token.is_empty() {
                url = format!("{url}&continue={}", encoded(&token));
            }
            let call = Call::get(url).accept(accept);
            let reply = self.transport().send(&call).await?;
            listed.date = listed.date.or(reply.date());
            let mut page = reply.json()?;
            match page.get_mut("items").map(Value::take) {
                Some(Value::Array(items)) => listed.items.extend(items),
                // so Go writes one that is empty
                None | Some(Value::Null) if is_list(&page) => {}
                // an answer without a list is not one of no objects
                _ => {
                    let cause = format!("what it sent for the request GET {path} is no list");
                    return Err(ClusterError::Unavailable { cause });
                }
            }
            match page["metadata"]["continue"].as_str() {
                Some(next) if !next.is_empty() => token = next.to_owned(),
                _ => return Ok(listed),
            }
        }
    }
}

fn is_list(page: &Value) -> bool {
    let kind = page["kind"].as_str();
    kind.is_some_and(|kind| kind.ends_with("List"))
}

/// Headers as text; bytes that are no UTF-8 are replaced.
pub(super) fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

pub(super) fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}
