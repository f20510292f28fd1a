//! Asks the cluster what it serves: once, when first needed, and again when a name is not known,
//! since a CRD that was just made takes a moment to appear. What names mean is `catalog`'s.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;

use super::catalog::Catalog;
use super::client::Cluster;
use super::error::ClusterError;
use super::resource::Resource;
use super::retry::Repeat;
use super::transport::{Call, Transport};

/// Both versions of aggregated discovery, then what every server knows.
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                      application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                      application/json";

/// How often a manifest's kind is looked for anew, and how far apart.
///
/// The server serves a CRD within about a second of its being established.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// The catalog as last read, with a number that counts the readings.
#[derive(Default)]
pub(super) struct Discovery {
    read: Mutex<Option<(u64, Arc<Catalog>)>>,
}

impl Discovery {
    /// A catalog newer than reading number `seen`, or any with 0.
    ///
    /// The lock is held while reading, so that many who miss a name at once read once.
    async fn newer_than(
        &self,
        seen: u64,
        transport: &Transport,
    ) -> Result<(u64, Arc<Catalog>), ClusterError> {
        let mut read = self.read.lock().await;
        let last = read.as_ref().map_or(0, |(number, _)| *number);
        if let Some((number, catalog)) = read.as_ref()
            && last > seen
        {
            return Ok((*number, Arc::clone(catalog)));
        }
        let catalog = Arc::new(fetch(transport).await?);
        *read = Some((last + 1, Arc::clone(&catalog)));
        Ok((last + 1, catalog))
    }
}

impl Cluster {
    /// The resource of a manifest's `apiVersion` and `kind`.
    ///
    /// Looks again for about two seconds where it is not known: the CRD may be fresh.
    ///
    /// # Errors
    /// [`ClusterError::UnknownKind`] where the cluster does not serve it.
    pub async fn resource_of(
        &self,
        api_version: &str,
        kind: &str,
    ) -> Result<Resource, ClusterError> {
        let mut seen = 0;
        let mut look = 1;
        loop {
            let (number, catalog) = self.catalog(seen).await?;
            if let Some(found) = catalog.of(api_version, kind) {
                return Ok(found.clone());
            }
            if look == LOOKS {
                return Err(ClusterError::UnknownKind {
                    name: format!("{api_version} {kind}"),
                    suggestion: catalog.near_kind(api_version, kind),
                });
            }
            // The first miss may be answered from what was read long ago: look again at once.
            if look > 1 {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            seen = number;
            look += 1;
        }
    }

    /// The resource that a user means by a name, as kubectl resolves it: `ds`, `daemonset`,
    /// `daemonsets`, `DaemonSet`, `daemonset.apps`, `daemonsets.v1.apps`.
    ///
    /// # Errors
    /// [`ClusterError::UnknownKind`], with the nearest name, where there is none.
    pub async fn resource_named(&self, name: &str) -> Result<Resource, ClusterError> {
        let (number, catalog) = self.catalog(0).await?;
        if let Some(found) = catalog.named(name) {
            return Ok(found.clone());
        }
        let (_, catalog) = self.catalog(number).await?;
        match catalog.named(name) {
            Some(found) => Ok(found.clone()),
            None => Err(ClusterError::UnknownKind {
                name: name.to_owned(),
                suggestion: catalog.near(name),
            }),
        }
    }

    /// As [`Cluster::resource_of`] on a single look: nothing where the kind is not known now. It may
    /// be served later, where somebody makes its CRD.
    ///
    /// # Errors
    /// Where the cluster did not answer, or refused to say.
    pub async fn served_kind(
        &self,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<Resource>, ClusterError> {
        let (_, catalog) = self.catalog(0).await?;
        Ok(catalog.of(api_version, kind).cloned())
    }

    /// As [`Cluster::resource_named`] on a single look: nothing where the name is not known now.
    ///
    /// # Errors
    /// Where the cluster did not answer, or refused to say.
    pub async fn served_name(&self, name: &str) -> Result<Option<Resource>, ClusterError> {
        let (_, catalog) = self.catalog(0).await?;
        Ok(catalog.named(name).cloned())
    }

    /// A catalog newer than reading number `seen`, or any with 0; with its own number.
    pub(super) async fn catalog(&self, seen: u64) -> Result<(u64, Arc<Catalog>), ClusterError> {
        let shared = &self.inner.shared;
        shared.discovery.newer_than(seen, &shared.own).await
    }
}

/// Two requests on a server of 1.26 or later; one for each group and version on an older one.
async fn fetch(transport: &Transport) -> Result<Catalog, ClusterError> {
    let (core, groups) = futures::try_join!(
        answer(transport, "/api", ACCEPT),
        answer(transport, "/apis", ACCEPT)
    )?;
    match Catalog::from_aggregated(&core, &groups) {
        Some(catalog) => Ok(catalog),
        None => fetch_lists(transport).await,
    }
}

async fn fetch_lists(transport: &Transport) -> Result<Catalog, ClusterError> {
    let plain = "application/json";
    let (core, groups) = futures::try_join!(
        answer(transport, "/api", plain),
        answer(transport, "/apis", plain)
    )?;
    let mut paths = Vec::new();
    for version in core["versions"].as_array().into_iter().flatten() {
        paths.extend(version.as_str().map(|version| format!("/api/{version}")));
    }
    for group in groups["groups"].as_array().into_iter().flatten() {
        let preferred = group["preferredVersion"]["groupVersion"].as_str();
        let others = group["versions"].as_array().into_iter().flatten();
        let others = others.filter_map(|version| version["groupVersion"].as_str());
        let versions = preferred
            .into_iter()
            .chain(others.filter(|other| Some(*other) != preferred));
        paths.extend(versions.map(|version| format!("/apis/{version}")));
    }
    let requests = paths.iter().map(|path| async move {
        match answer(transport, path, plain).await {
            Ok(list) => Ok(Some(list)),
            // An aggregated API whose server is down must not hide all others.
            Err(error) if path.starts_with("/apis/") => {
                tracing::debug!(%error, path, "this part of the API cannot be listed");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    });
    let lists = futures::future::try_join_all(requests).await?;
    let lists: Vec<Value> = lists.into_iter().flatten().collect();
    Ok(Catalog::from_lists(&lists))
}

async fn answer(
    transport: &Transport,
    path: &str,
    accept: &'static str,
) -> Result<Value, ClusterError> {
    let call = Call::new(http::Method::GET, path, Repeat::Safe).accept(accept);
    transport.send(&call).await?.json()
}
