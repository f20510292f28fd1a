//! Watches: shared, resumed, started over, ended with their last handle.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::super::{Resource, Watch};
use super::fake::{Answer, Fake, Then};

const PATIENCE: Duration = Duration::from_secs(20);

fn pod(name: &str, version: u32) -> Value {
    json!({"metadata": {"name": name, "namespace": "n", "resourceVersion": version.to_string(),
           "managedFields": [{"manager": "m"}]}})
}

fn typed(kind: &str, name: &str, version: u32) -> Value {
    let mut object = pod(name, version);
    object["apiVersion"] = "v1".into();
    object["kind"] = "Pod".into();
    json!({"type": kind, "object": object})
}

fn list(items: &[Value], version: u32) -> Answer {
    Answer::Json(
        200,
        json!({"kind": "PodList", "apiVersion": "v1",
        "metadata": {"resourceVersion": version.to_string()}, "items": items}),
    )
}

async fn names(watch: &mut Watch, expected: &[&str]) {
    let found = watch.wait_until(|state| {
        let names: Vec<_> = state
            .list(|_| true)
            .iter()
            .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();
        (state.is_synced() && names == expected).then_some(())
    });
    if timeout(PATIENCE, found).await.is_err() {
        panic!(
            "never {expected:?}: {:?}",
            watch.read(|state| format!("{state:?}"))
        );
    }
}

#[tokio::test]
async fn it_resumes_after_a_disconnect_and_starts_over_after_a_410() {
    let fake = Fake::start(|asked| {
        if !asked.line.contains("watch=true") {
            let second = asked.before > 1;
            return if second { list(&[pod("late", 40)], 40) } else { list(&[pod("a", 10)], 10) };
        }
        if asked.line.contains("resourceVersion=10") {
            Answer::Events(vec![typed("ADDED", "b", 11)], Then::Drop)
        } else if asked.line.contains("resourceVersion=11") {
            let gone = json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "metadata": {},
                "status": "Failure", "reason": "Expired", "message": "too old", "code": 410}});
            Answer::Events(vec![typed("DELETED", "a", 12), gone], Then::Close)
        } else {
            Answer::Events(vec![], Then::Hang)
        }
    })
    .await;
    let before = Instant::now();
    let cluster = fake.cluster();
    let mut watch = cluster.watch(&Resource::pod(), Some("n"));
    names(&mut watch, &["late"]).await;
    let late = watch.find(Some("n"), "late").unwrap();
    assert_eq!(late["kind"], "Pod");
    assert_eq!(late["apiVersion"], "v1");
    assert!(late["metadata"]["managedFields"].is_null());
    let now = Instant::now();
    let has_seen = |version, answered| watch.read(|state| state.has_seen(version, answered));
    assert!(has_seen("40", now) && !has_seen("41", now));
    assert!(
        has_seen("41", before),
        "what was deleted before the second listing stands in none"
    );
    assert_eq!(watch.last_error(), None);
    let watches = fake.requests();
    assert!(
        watches
            .iter()
            .any(|line| line.contains("resourceVersion=11")),
        "{watches:?}"
    );
}

/// A server with one pod, of which a watch has nothing to tell.
async fn one_pod() -> Fake {
    Fake::start(|asked| {
        if asked.line.contains("watch=true") {
            Answer::Events(vec![], Then::Hang)
        } else {
            list(&[pod("a", 10)], 10)
        }
    })
    .await
}

#[tokio::test]
async fn handles_share_one_watch_which_ends_with_the_last() {
    let fake = one_pod().await;
    let cluster = fake.cluster();
    let mut first = cluster.watch(&Resource::pod(), Some("n"));
    names(&mut first, &["a"]).await;
    let mut second = cluster.watch(&Resource::pod(), Some("n"));
    // Known already, and not looked at yet.
    timeout(PATIENCE, second.changed()).await.unwrap();
    assert!(second.is_synced());
    assert_eq!(cluster.inner.watches.alive(), 1);
    let elsewhere = cluster.watch(&Resource::pod(), None);
    assert_eq!(cluster.inner.watches.alive(), 2);
    drop((first, elsewhere));
    assert_eq!(cluster.inner.watches.alive(), 1);
    drop(second);
    assert_eq!(cluster.inner.watches.alive(), 0);
    let lists = fake.requests();
    let lists = lists.iter().filter(|line| {
        line.starts_with("GET /api/v1/namespaces/n/pods?") && !line.contains("watch=true")
    });
    assert_eq!(lists.count(), 1);
}

#[tokio::test]
async fn one_that_may_know_only_what_was_before_is_not_joined() {
    let fake = one_pod().await;
    let cluster = fake.cluster();
    let before = Instant::now();
    let pods = |moment| cluster.watch_since(&Resource::pod(), Some("n"), moment);
    let mut first = cluster.watch(&Resource::pod(), Some("n"));
    assert!(pods(Some(before)).is_same(&first), "it began since");
    names(&mut first, &["a"]).await;
    let moment = Instant::now();
    let second = pods(Some(moment));
    assert!(!second.is_same(&first) && !second.is_synced());
    assert!(first.is_replaced() && !second.is_replaced());
    for other in [pods(Some(moment)), pods(Some(before)), pods(None)] {
        assert!(other.is_same(&second), "the later one is for all");
    }
    assert!(first.is_synced(), "it goes on");
    let lists = || {
        let requests = fake.requests();
        let lists = requests.iter().filter(|line| !line.contains("watch=true"));
        lists.count()
    };
    let mut second = second;
    names(&mut second, &["a"]).await;
    assert_eq!(lists(), 2);
    assert!(second.read(|state| state.is_listed_since(moment)));
    assert!(!first.read(|state| state.is_listed_since(moment)));
}

#[tokio::test]
async fn what_a_list_is_of_is_known_where_no_object_is_of_it() {
    let fake = Fake::start(|asked| {
        if asked.line.contains("watch=true") {
            Answer::Events(vec![], Then::Hang)
        } else {
            list(&[pod("a", 10)], 40)
        }
    })
    .await;
    let mut watch = fake.cluster().watch(&Resource::pod(), Some("n"));
    names(&mut watch, &["a"]).await;
    // what was written and deleted before the list was taken is in none
    let now = Instant::now();
    let knows = watch.wait_until(|state| state.has_seen("40", now).then_some(()));
    timeout(PATIENCE, knows).await.unwrap();
    assert!(!watch.read(|state| state.has_seen("41", now)));
}

#[tokio::test]
async fn an_error_is_told_and_forgotten_when_it_is_over() {
    let fake = Fake::start(|asked| {
        if asked.line.contains("watch=true") {
            Answer::Events(vec![], Then::Hang)
        } else if asked.before == 0 {
            Answer::Json(
                403,
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "reason": "Forbidden", "message": "pods is forbidden", "code": 403}),
            )
        } else {
            list(&[pod("a", 10)], 10)
        }
    })
    .await;
    let mut watch = fake.cluster().watch(&Resource::pod(), Some("n"));
    let error = watch.wait_until(|state| state.last_error().cloned());
    let error = timeout(PATIENCE, error).await.unwrap();
    assert!(error.is_forbidden());
    assert!(!watch.is_synced());
    names(&mut watch, &["a"]).await;
    assert_eq!(watch.last_error(), None);
}

#[tokio::test]
async fn a_watch_refused_with_a_410_from_its_start_on_starts_over() {
    let fake = Fake::start(|asked| {
        let is_watch = asked.line.contains("watch=true");
        if is_watch && asked.line.contains("resourceVersion=10") {
            let gone = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "reason": "Expired", "message": "too old resource version: 10 (20)", "code": 410});
            return Answer::Json(410, gone);
        }
        match (is_watch, asked.before) {
            (true, _) => Answer::Events(vec![], Then::Hang),
            (false, 0) => list(&[pod("a", 10)], 10),
            (false, _) => list(&[pod("late", 40)], 40),
        }
    })
    .await;
    let mut watch = fake.cluster().watch(&Resource::pod(), Some("n"));
    names(&mut watch, &["late"]).await;
    assert_eq!(watch.last_error(), None);
    let lists = fake.requests();
    let lists = lists.iter().filter(|line| !line.contains("watch=true"));
    assert_eq!(lists.count(), 2);
}

#[tokio::test]
async fn a_refusal_by_a_server_that_was_away_a_moment_ago_is_not_believed() {
    let fake = Fake::start(|asked| match asked.before {
        0 => Answer::Nothing(Then::Reset),
        1 => Answer::Json(
            403,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "reason": "Forbidden", "message": "pods is forbidden", "code": 403}),
        ),
        _ => list(&[pod("a", 10)], 10),
    })
    .await;
    let mut watch = fake.cluster().watch(&Resource::pod(), Some("n"));
    let refused = watch.wait_until(|state| {
        let error = state.last_error()?;
        error
            .to_string()
            .contains("forbidden")
            .then(|| error.clone())
    });
    let error = timeout(PATIENCE, refused).await.unwrap();
    assert!(error.is_environment(), "{error:?}");
    names(&mut watch, &["a"]).await;
}

#[tokio::test]
async fn a_watch_that_is_never_answered_is_asked_for_again() {
    let fake = Fake::start(|asked| {
        let is_watch = asked.line.contains("watch=true");
        match (is_watch, asked.before) {
            (false, 0) | (true, 0) => Answer::Nothing(Then::Hang),
            (false, _) => list(&[pod("a", 10)], 10),
            (true, _) => Answer::Events(vec![typed("ADDED", "b", 11)], Then::Hang),
        }
    })
    .await;
    let mut watch = fake.cluster().watch(&Resource::pod(), Some("n"));
    let error = watch.wait_until(|state| state.last_error().map(ToString::to_string));
    let error = timeout(PATIENCE, error).await.unwrap();
    assert_eq!(
        error,
        "the cluster did not answer: the request for pods took longer than 2s"
    );
    names(&mut watch, &["a", "b"]).await;
}

#[tokio::test]
async fn a_watch_that_hangs_is_resumed_and_misses_nothing() {
    let fake = Fake::start(|asked| {
        if !asked.line.contains("watch=true") {
            return list(&[pod("a", 10)], 10);
        }
        assert!(
            asked.line.contains("timeoutSeconds=1&") || asked.line.ends_with("timeoutSeconds=1")
        );
        if asked.line.contains("resourceVersion=10") && asked.before == 1 {
            Answer::Events(vec![], Then::Hang)
        } else {
            Answer::Events(
                vec![typed("DELETED", "a", 11), typed("ADDED", "b", 12)],
                Then::Hang,
            )
        }
    })
    .await;
    let mut watch = fake.cluster().watch(&Resource::pod(), Some("n"));
    names(&mut watch, &["a"]).await;
    names(&mut watch, &["b"]).await;
}
