//! Parts of the API whose servers are down, on servers with aggregated discovery and without.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::ClusterError;
use super::super::catalog::tests::aggregated_answers;
use super::fake::{Answer, Fake, Then};

const DOWN: &str = "metrics.k8s.io/v1beta1";

fn group(name: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn kinds(group_version: &str, plural: &str, kind: &str) -> Answer {
    let verbs = ["get", "list", "delete"];
    let resource = json!({"name": plural, "singularName": kind.to_lowercase(), "kind": kind,
                          "namespaced": true, "verbs": verbs});
    let list =
        json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": [resource]});
    Answer::Json(200, list)
}

/// A server of 1.26 or older, of which one group answers like this.
async fn old_server(down: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Fake {
    Fake::start(move |asked| match asked.line.as_str() {
        "GET /api" => Answer::Json(200, json!({"kind": "APIVersions", "versions": ["v1"]})),
        "GET /apis" => {
            let groups = [
                group("apps", "v1"),
                group("metrics.k8s.io", "v1beta1"),
                group("batch", "v1"),
            ];
            Answer::Json(200, json!({"kind": "APIGroupList", "groups": groups}))
        }
        "GET /api/v1" => kinds("v1", "pods", "Pod"),
        "GET /apis/apps/v1" => kinds("apps/v1", "deployments", "Deployment"),
        "GET /apis/batch/v1" => kinds("batch/v1", "jobs", "Job"),
        "GET /apis/metrics.k8s.io/v1beta1" => down(asked.before),
        _ => Answer::Json(
            404,
            json!({"kind": "Status", "code": 404, "message": "nothing"}),
        ),
    })
    .await
}

fn unavailable() -> Answer {
    Answer::Chunks(503, vec![b"service unavailable\n".to_vec()], Then::Close)
}

#[track_caller]
fn assert_down<T: std::fmt::Debug>(found: Result<T, ClusterError>, cause: &str) {
    let error = found.unwrap_err();
    assert!(
        matches!(&error, ClusterError::GroupDown { group, .. } if group == DOWN),
        "{error:?}"
    );
    assert!(error.is_environment());
    let expected = format!("the API group {DOWN} does not answer: {cause}");
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn a_group_that_is_down_costs_its_own_kinds_only() {
    let fake = old_server(|_| unavailable()).await;
    let cluster = fake.cluster();
    let begun = Instant::now();
    for name in ["pod", "deployment", "job", "jobs.batch"] {
        cluster.resource_named(name).await.unwrap();
    }
    assert!(cluster.resource_of("apps/v1", "Deployment").await.is_ok());
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    let cause = "it answered 503: service unavailable";
    assert_down(cluster.resource_of(DOWN, "PodMetrics").await, cause);
    assert_down(cluster.resource_named("pods.metrics.k8s.io").await, cause);
    assert_down(cluster.served_kind(DOWN, "PodMetrics").await, cause);
    assert_down(
        cluster
            .served_name("podmetrics.v1beta1.metrics.k8s.io")
            .await,
        cause,
    );
    // it may be the one that has it
    let unknown = cluster.resource_named("deploymet").await;
    assert_down(unknown.clone(), cause);
    let unknown = unknown.unwrap_err().to_string();
    assert!(
        unknown.contains("whether it has \"deploymet\" is not known; did you mean \"deployment\"?"),
        "{unknown}"
    );
    // and these it cannot have
    for name in ["widget.example.com", "pods.apps"] {
        let unknown = cluster.resource_named(name).await.unwrap_err();
        assert!(
            matches!(unknown, ClusterError::UnknownKind { .. }),
            "{unknown}"
        );
    }
    assert!(
        begun.elapsed() < Duration::from_secs(12),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_group_that_hangs_holds_nobody_up_for_long() {
    let fake = old_server(|_| Answer::Nothing(Then::Hang)).await;
    let cluster = fake.cluster();
    let begun = Instant::now();
    assert!(cluster.resource_named("job").await.is_ok());
    // what is not known is looked for again, without it
    let missing = cluster.resource_of("apps/v1", "Nothing").await;
    assert!(matches!(missing, Err(ClusterError::UnknownKind { .. })));
    assert!(
        begun.elapsed() < Duration::from_secs(7),
        "{:?}",
        begun.elapsed()
    );
    let removable = cluster.removable_kinds().await.unwrap();
    assert_eq!(removable.kinds.len(), 3);
    assert_eq!(removable.down[0].0, DOWN);
}

#[tokio::test]
async fn a_group_that_comes_back_is_found() {
    let fake = old_server(|before| match before {
        0..=3 => unavailable(),
        _ => kinds(DOWN, "pods", "PodMetrics"),
    })
    .await;
    let cluster = fake.cluster();
    assert_eq!(
        cluster.resource_named("pod").await.unwrap().api_version,
        "v1"
    );
    let mut found = cluster.resource_of(DOWN, "PodMetrics").await;
    if found.is_err() {
        // it is not asked by each who asks
        assert!(cluster.resource_of(DOWN, "PodMetrics").await.is_err());
        tokio::time::sleep(Duration::from_secs(4)).await;
        found = cluster.resource_of(DOWN, "PodMetrics").await;
    }
    assert_eq!(found.unwrap().api_version, DOWN);
    assert!(cluster.removable_kinds().await.unwrap().down.is_empty());
}

#[tokio::test]
async fn what_aggregated_discovery_calls_stale_is_a_group_that_is_down() {
    for is_up in [false, true] {
        let fake = Fake::start(move |asked| {
            let (core, mut groups) = aggregated_answers();
            let stale = json!({"version": "v1beta1", "freshness": "Stale"});
            let stale = json!({"metadata": {"name": "metrics.k8s.io"}, "versions": [stale]});
            groups["items"].as_array_mut().unwrap().push(stale);
            match asked.line.as_str() {
                "GET /api" => Answer::Json(200, core),
                "GET /apis" => Answer::Json(200, groups),
                "GET /apis/metrics.k8s.io/v1beta1" if is_up => kinds(DOWN, "pods", "PodMetrics"),
                _ => unavailable(),
            }
        })
        .await;
        let cluster = fake.cluster();
        assert!(cluster.resource_named("deployment").await.is_ok());
        let found = cluster.resource_of(DOWN, "PodMetrics").await;
        let removable = cluster.removable_kinds().await.unwrap();
        match is_up {
            true => assert_eq!(found.unwrap().plural, "pods"),
            false => assert_down(found, "it answered 503: service unavailable"),
        }
        assert_eq!(removable.down.is_empty(), is_up);
    }
}
