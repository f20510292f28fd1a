//! Asks the cluster what it serves: once, when first needed, and again when a name is not known,
//! since a CRD that was just made takes a moment to appear. What names mean is `catalog`'s.
//!
//! A part of the API whose server is down costs its own kinds only: the others are known without it, and
//! who asks for one of its kinds is told of it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::attempts::Trouble;
use super::catalog::Catalog;
use super::client::Cluster;
use super::error::{ClusterError, seconds};
use super::resource::Resource;
use super::retry::Repeat;
use super::transport::{Call, Transport};

/// Both versions of aggregated discovery, then what every server knows.
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                      application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                      application/json";
const PLAIN: &str = "application/json";

/// How often a manifest's kind is looked for anew, and how far apart.
///
/// The server serves a CRD within about a second of its being established.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// How many groups are asked for their kinds at once.
const AT_ONCE: usize = 16;
/// How long one group may take to say which kinds it has. The server that was asked for the groups
/// has just answered: if one does not, it is what serves that group.
const GROUP_TIME: Duration = Duration::from_secs(3);
/// How long a group that answers with an error is asked again.
const GROUP_PATIENCE: Duration = Duration::from_secs(1);
/// For how long a group that did not answer is not asked with all others; who needs it asks it alone.
const PAUSE: Duration = Duration::from_secs(30);
/// For how long the answer of a group that was asked alone is the answer to all who ask.
const SILENCE: Duration = Duration::from_secs(3);

/// The catalog as last read, with a number that counts the readings.
#[derive(Default)]
pub(super) struct Discovery {
    read: Mutex<Option<Reading>>,
    /// The groups that were asked alone a moment ago and did not answer, and why.
    silent: std::sync::Mutex<HashMap<String, (Instant, ClusterError)>>,
}

#[derive(Clone)]
struct Reading {
    number: u64,
    at: Instant,
    catalog: Arc<Catalog>,
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
        let last = read.as_ref().map_or(0, |reading| reading.number);
        if let Some(reading) = read.as_ref()
            && last > seen
        {
            return Ok((reading.number, Arc::clone(&reading.catalog)));
        }
        let known_down = read.as_ref().filter(|reading| reading.at.elapsed() < PAUSE);
        let known_down = known_down.map_or(&[][..], |reading| reading.catalog.down());
        let catalog = Arc::new(fetch(transport, known_down).await?);
        let is_new = known_down.is_empty();
        let at = read.as_ref().filter(|_| !is_new).map(|reading| reading.at);
        *read = Some(Reading {
            number: last + 1,
            // since when those that are passed over were not asked
            at: at.unwrap_or_else(Instant::now),
            catalog: Arc::clone(&catalog),
        });
        Ok((last + 1, catalog))
    }
}

impl Cluster {
    /// The resource of a manifest's `apiVersion` and `kind`.
    ///
    /// Looks again for about two seconds where it is not known: the CRD may be fresh.
    ///
    /// # Errors
    /// [`ClusterError::UnknownKind`] where the cluster does not serve it, and
    /// [`ClusterError::GroupDown`] where what would serve it does not answer.
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
            if let Some(down) = catalog.down().iter().find(|down| *down == api_version) {
                let group = self.kinds_in(down).await?;
                if let Some(found) = group.of(api_version, kind) {
                    return Ok(found.clone());
                }
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
    /// [`ClusterError::UnknownKind`], with the nearest name, where there is none, and
    /// [`ClusterError::GroupDown`] where it may be of a group that does not answer.
    pub async fn resource_named(&self, name: &str) -> Result<Resource, ClusterError> {
        let (number, catalog) = self.catalog(0).await?;
        if let Some(found) = catalog.named(name) {
            return Ok(found.clone());
        }
        let (_, catalog) = self.catalog(number).await?;
        match self.named_in(&catalog, name).await? {
            Some(found) => Ok(found),
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
        if let Some(found) = catalog.of(api_version, kind) {
            return Ok(Some(found.clone()));
        }
        match catalog.down().iter().find(|down| *down == api_version) {
            Some(down) => Ok(self.kinds_in(down).await?.of(api_version, kind).cloned()),
            None => Ok(None),
        }
    }

    /// As [`Cluster::resource_named`] on a single look: nothing where the name is not known now.
    ///
    /// # Errors
    /// Where the cluster did not answer, or refused to say.
    pub async fn served_name(&self, name: &str) -> Result<Option<Resource>, ClusterError> {
        let (_, catalog) = self.catalog(0).await?;
        self.named_in(&catalog, name).await
    }

    /// What a name means, also among the groups that did not answer when the catalog was read.
    async fn named_in(
        &self,
        catalog: &Catalog,
        name: &str,
    ) -> Result<Option<Resource>, ClusterError> {
        if let Some(found) = catalog.named(name) {
            return Ok(Some(found.clone()));
        }
        let down = catalog.down_for(name);
        let asked = down.iter().map(|group| self.kinds_in(group).boxed());
        let asked = futures::future::join_all(asked.collect::<Vec<_>>()).await;
        let mut found = asked.iter().flatten().filter_map(|group| group.named(name));
        if let Some(found) = found.next() {
            return Ok(Some(found.clone()));
        }
        let silent = down.into_iter().zip(asked);
        let silent = silent.filter_map(|(group, asked)| Some((group, asked.err()?)));
        let (groups, mut errors): (Vec<_>, Vec<_>) = silent.unzip();
        if errors.is_empty() {
            return Ok(None);
        }
        let cause = errors.swap_remove(0).cause();
        let near = catalog.near(name);
        let near = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
        Err(ClusterError::GroupDown {
            group: groups.join(", "),
            cause: format!("{cause}; whether it has {name:?} is not known{near}"),
        })
    }

    /// Which kinds one group has, asked for alone.
    ///
    /// # Errors
    /// [`ClusterError::GroupDown`]
    pub(super) async fn kinds_in(&self, group: &str) -> Result<Catalog, ClusterError> {
        let silent = || {
            let silent = &self.inner.shared.discovery.silent;
            silent.lock().unwrap_or_else(PoisonError::into_inner)
        };
        if let Some((at, error)) = silent().get(group)
            && at.elapsed() < SILENCE
        {
            return Err(error.clone());
        }
        let transport = for_groups(&self.inner.shared.own);
        let list = kinds_of(&transport, group).await;
        let list = list.map_err(|error| {
            let error = ClusterError::GroupDown {
                group: group.to_owned(),
                cause: error.cause(),
            };
            silent().insert(group.to_owned(), (Instant::now(), error.clone()));
            error
        })?;
        silent().remove(group);
        Ok(Catalog::from_lists(&[list]))
    }

    /// A catalog newer than reading number `seen`, or any with 0; with its own number.
    pub(super) async fn catalog(&self, seen: u64) -> Result<(u64, Arc<Catalog>), ClusterError> {
        let shared = &self.inner.shared;
        shared.discovery.newer_than(seen, &shared.own).await
    }
}

/// Two requests on a server of 1.26 or later; one for each group and version on an older one, but for
/// those groups that are known to be down.
async fn fetch(transport: &Transport, known_down: &[String]) -> Result<Catalog, ClusterError> {
    let (core, groups) = futures::try_join!(
        answer(transport, "/api", ACCEPT),
        answer(transport, "/apis", ACCEPT)
    )?;
    match Catalog::from_aggregated(&core, &groups) {
        Some(catalog) => Ok(catalog),
        None => fetch_lists(transport, known_down).await,
    }
}

async fn fetch_lists(
    transport: &Transport,
    known_down: &[String],
) -> Result<Catalog, ClusterError> {
    let (core, groups) = futures::try_join!(
        answer(transport, "/api", PLAIN),
        answer(transport, "/apis", PLAIN)
    )?;
    let mut lists = Vec::new();
    for version in core["versions"].as_array().into_iter().flatten() {
        if let Some(version) = version.as_str() {
            lists.push(answer(transport, &format!("/api/{version}"), PLAIN).await?);
        }
    }
    let mut down = Vec::new();
    let mut asked = Vec::new();
    for group in groups["groups"].as_array().into_iter().flatten() {
        let preferred = group["preferredVersion"]["groupVersion"].as_str();
        let others = group["versions"].as_array().into_iter().flatten();
        let others = others.filter_map(|version| version["groupVersion"].as_str());
        let versions = preferred
            .into_iter()
            .chain(others.filter(|other| Some(*other) != preferred));
        for version in versions {
            match known_down.iter().any(|down| down == version) {
                true => down.push(version.to_owned()),
                false => asked.push(version),
            }
        }
    }
    let transport = for_groups(transport);
    let transport = &transport;
    let asked = asked.into_iter().map(|group| {
        let answer = kinds_of(transport, group);
        answer.map(move |answer| (group, answer)).boxed()
    });
    let answers = futures::stream::iter(asked.collect::<Vec<_>>())
        .buffered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    for (group, answer) in answers {
        match answer {
            Ok(list) => lists.push(list),
            // it was taken away between the two questions
            Err(error) if error.is_not_found() => {}
            Err(error) => {
                tracing::debug!(%error, group, "this part of the API does not answer");
                down.push(group.to_owned());
            }
        }
    }
    Ok(Catalog::from_lists(&lists).without(down))
}

/// A way to groups whose servers may be down. What goes wrong on it is no trouble of all others.
fn for_groups(transport: &Transport) -> Transport {
    Transport {
        patience: GROUP_PATIENCE.min(transport.patience),
        trouble: Arc::new(Trouble::default()),
        ..transport.clone()
    }
}

async fn kinds_of(transport: &Transport, group: &str) -> Result<Value, ClusterError> {
    let path = format!("/apis/{group}");
    match timeout(GROUP_TIME, answer(transport, &path, PLAIN)).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(ClusterError::Unavailable {
            cause: format!(
                "it did not say within {} which kinds it has",
                seconds(GROUP_TIME)
            ),
        }),
    }
}

async fn answer(
    transport: &Transport,
    path: &str,
    accept: &'static str,
) -> Result<Value, ClusterError> {
    let call = Call::new(http::Method::GET, path, Repeat::Safe).accept(accept);
    transport.send(&call).await?.json()
}
