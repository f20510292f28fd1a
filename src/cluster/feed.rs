//! The task behind a shared watch: reads the library's watcher and posts what it says on the board.
//!
//! The watcher resumes by itself after disconnects and starts over after a 410 within a watch. What it
//! lacks is added here: no request stays unanswered for ever, a connection that died silently is
//! noticed, and a watch that is refused with a 410 from its start on starts over as well.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use http::Request;
use kube::client::Body;
use kube::core::DynamicObject;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::attempts::Trouble;
use super::cause::Cause;
use super::error::{ClusterError, seconds};
use super::resource::Resource;
use super::retry::Setback;
use super::transport::{Transport, setback};
use super::watch::Board;

/// After so long without any change, everything is read anew, in case the connection died.
const SILENCE: Duration = Duration::from_secs(120);
const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// A step in what a watch knows.
#[derive(Debug)]
pub(super) enum Change {
    /// These are all the objects.
    All {
        /// In no order.
        objects: Vec<Value>,
        /// A moment before the server was asked for them.
        asked: Instant,
    },
    /// An object is there, new or changed.
    Present(Value),
    /// An object is gone; its last state.
    Gone(Value),
    /// Something keeps the watch from its work.
    Trouble(ClusterError),
    /// The trouble seems over, although no object changed.
    Recovered,
    /// All changes up to this version have been told: a list is of it, or a bookmark says so.
    UpTo(u64),
}

/// Feeds the board until it is aborted.
pub(super) async fn run(
    transport: Transport,
    resource: Resource,
    namespace: Option<String>,
    board: Arc<Board>,
) {
    let Transport {
        client,
        request_timeout,
        watch_time,
        trouble,
        ..
    } = transport;
    let kind = resource.to_kube();
    let client = answering_soon(client, &resource, request_timeout, Arc::clone(&trouble));
    let client = telling_where_it_is(client, Arc::clone(&board));
    let api: Api<DynamicObject> = match &namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &kind),
        None => Api::all_with(client, &kind),
    };
    let config = watcher::Config::default().timeout(seconds_of(watch_time));
    loop {
        let events = watcher::watcher(api.clone(), config.clone()).backoff(Delays::default());
        let mut events = std::pin::pin!(events);
        let mut listing: Option<Listing> = None;
        let mut is_troubled = false;
        loop {
            let patience = match (&listing, is_troubled) {
                (None, false) => SILENCE,
                _ => request_timeout + LONGEST_DELAY,
            };
            let change = match timeout(patience, events.next()).await {
                Ok(Some(Ok(event))) => take(event, &resource, &mut listing),
                // The watcher would ask for the same forgotten version for ever.
                Ok(Some(Err(error))) if is_forgotten_from_the_start(&error) => {
                    tokio::time::sleep(FIRST_DELAY).await;
                    break;
                }
                Ok(Some(Err(error))) => {
                    meaning(&error).map(|error| Change::Trouble(trouble.judge(error)))
                }
                // The stream has no end by contract; were there one, starting over is right.
                Ok(None) => break,
                Err(_elapsed) if listing.is_some() => {
                    board.post(Change::Trouble(ClusterError::TimedOut {
                        what: format!("listing {}", resource.plural),
                        after: patience,
                    }));
                    break;
                }
                Err(_elapsed) if is_troubled => Some(Change::Recovered),
                Err(_elapsed) => {
                    tracing::debug!(
                        "no change of {} in {}: reading all anew",
                        resource.plural,
                        seconds(SILENCE)
                    );
                    break;
                }
            };
            if let Some(change) = change {
                is_troubled = matches!(change, Change::Trouble(_));
                board.post(change);
            }
        }
    }
}

/// The same client, of which each answer must begin in time. A server begins that of a watch at
/// once, long before there is a change to tell; so one that does not was never asked.
///
/// The watcher logs errors whole. Of a credential plugin that failed, that would be all that it
/// printed and was given, so only words are passed on.
fn answering_soon(
    client: Client,
    resource: &Resource,
    patience: Duration,
    trouble: Arc<Trouble>,
) -> Client {
    let namespace = client.default_namespace().to_owned();
    let what = format!("the request for {}", resource.plural);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, what, trouble) = (client.clone(), what.clone(), Arc::clone(&trouble));
        async move {
            match timeout(patience, client.send(request)).await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(error)) => {
                    let cause = Cause::of(&error);
                    trouble.note(&setback(&cause));
                    Err(match cause {
                        Cause::Credentials(words) => {
                            kube::Error::Service(format!("no credentials: {words}").into())
                        }
                        _ => error,
                    })
                }
                Err(_elapsed) => {
                    trouble.note(&Setback::TimedOut);
                    let after = patience;
                    let error = ClusterError::TimedOut { what, after };
                    Err(kube::Error::Service(Box::new(error)))
                }
            }
        }
    });
    Client::new(service, namespace)
}

/// The same client, which tells at what version each watch begins: all before it was read then. The
/// watcher keeps to itself of which version a list was, and no object need have it.
fn telling_where_it_is(client: Client, board: Arc<Board>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        if let Some(version) = begins_at(request.uri()) {
            board.post(Change::UpTo(version));
        }
        let client = client.clone();
        async move { client.send(request).await }
    });
    Client::new(service, namespace)
}

/// The version after which a request asks for changes, where it asks for any.
fn begins_at(uri: &http::Uri) -> Option<u64> {
    let fields = || uri.query().unwrap_or_default().split('&');
    if !fields().any(|field| field == "watch=true") {
        return None;
    }
    let version = fields().find_map(|field| field.strip_prefix("resourceVersion="))?;
    version.parse().ok()
}

fn seconds_of(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// All the objects, as far as they have come.
struct Listing {
    objects: Vec<Value>,
    asked: Instant,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            objects: Vec::new(),
            asked: Instant::now(),
        }
    }
}

/// Collects a listing; passes single changes on.
fn take(
    event: Event<DynamicObject>,
    resource: &Resource,
    listing: &mut Option<Listing>,
) -> Option<Change> {
    match event {
        Event::Init => {
            *listing = Some(Listing::default());
            None
        }
        Event::InitApply(object) => {
            listing
                .get_or_insert_default()
                .objects
                .push(value(object, resource));
            None
        }
        Event::InitDone => {
            let Listing { objects, asked } = listing.take().unwrap_or_default();
            Some(Change::All { objects, asked })
        }
        Event::Apply(object) => Some(Change::Present(value(object, resource))),
        Event::Delete(object) => Some(Change::Gone(value(object, resource))),
    }
}

fn value(mut object: DynamicObject, resource: &Resource) -> Value {
    object.metadata.managed_fields = None;
    // The server leaves the type out in lists.
    object.types.get_or_insert_with(|| kube::core::TypeMeta {
        api_version: resource.api_version.clone(),
        kind: resource.kind.clone(),
    });
    serde_json::to_value(object).expect("an object that came as JSON goes back to JSON")
}

/// Whether a watch was refused since the server forgot the version that it was to begin at: as the
/// status of the answer, while most servers answer 200 and tell it as the first event.
fn is_forgotten_from_the_start(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410
    )
}

/// What an error of the watcher means; `None` where it is a part of its ordinary life.
fn meaning(error: &watcher::Error) -> Option<ClusterError> {
    let status = match error {
        watcher::Error::WatchError(status) => status.as_ref(),
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => match error {
            kube::Error::Api(status) => status.as_ref(),
            other => {
                let cause = Cause::of(other).to_string();
                return Some(ClusterError::Unavailable { cause });
            }
        },
        watcher::Error::NoResourceVersion => {
            let cause = "this kind cannot be watched".to_owned();
            return Some(ClusterError::Unavailable { cause });
        }
    };
    // The server forgot that far back: the watcher reads all anew at once.
    if status.code == 410 {
        return None;
    }
    let body = serde_json::to_vec(status).unwrap_or_default();
    Some(ClusterError::from_answer(status.code, &body))
}

/// How long to wait before the next attempt: twice the last, up to five seconds.
///
/// The library's own goes up to thirty, which is too long to be blind within a time-out of minutes.
struct Delays {
    next: Duration,
    last_use: Option<Instant>,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            next: FIRST_DELAY,
            last_use: None,
        }
    }
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let delay = self.next;
        self.next = (delay * 2).min(LONGEST_DELAY);
        self.last_use = Some(Instant::now());
        Some(delay)
    }
}

impl Backoff for Delays {
    /// Called on each event, the one that announces a listing too, which fails next on a server in
    /// trouble: so only a time of quiet counts.
    fn reset(&mut self) {
        if self
            .last_use
            .is_some_and(|last| last.elapsed() > 2 * LONGEST_DELAY)
        {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[cfg(unix)]
    async fn what_a_plugin_printed_does_not_reach_the_watcher() {
        use std::os::unix::process::ExitStatusExt as _;
        let failing = tower::service_fn(async |_: Request<Body>| {
            Err::<http::Response<Body>, _>(kube::Error::Auth(
                kube::client::AuthError::AuthExecRun {
                    cmd: "TOKEN=hunter2 plugin".to_owned(),
                    out: Box::new(std::process::Output {
                        status: std::process::ExitStatus::from_raw(256),
                        stdout: b"hunter2".to_vec(),
                        stderr: b"you must log in\n".to_vec(),
                    }),
                },
            ))
        });
        let resource = Resource::pod();
        let client = answering_soon(
            Client::new(failing, "n"),
            &resource,
            Duration::from_secs(1),
            Arc::default(),
        );
        let api: Api<DynamicObject> = Api::all_with(client, &resource.to_kube());
        let error = api.list(&kube::api::ListParams::default()).await;
        let error = error.unwrap_err();
        assert!(
            !format!("{error:?}{error}").contains("hunter2"),
            "{error:?}"
        );
        assert_eq!(
            meaning(&watcher::Error::InitialListFailed(error))
                .unwrap()
                .to_string(),
            "the cluster did not answer: no credentials: it ended with exit code 1: you must log in"
        );
    }
}
