//! Requests: retries, time-outs, status codes, pages, discovery.

use serde_json::json;

use super::super::{
    ApplyOptions, ClusterError, DeleteOptions, Deletion, ObjectKey, PatchKind, Resource,
};
use super::fake::{Answer, Fake, Then, cluster_at};

fn config_map() -> ObjectKey {
    let resource = Resource {
        kind: "ConfigMap".into(),
        plural: "configmaps".into(),
        singular: "configmap".into(),
        ..Resource::pod()
    };
    ObjectKey::new(resource, Some("n"), "x")
}

fn status(code: u16, reason: &str, message: &str) -> Answer {
    Answer::Json(
        code,
        json!({"kind": "Status", "reason": reason, "message": message, "code": code}),
    )
}

#[tokio::test]
async fn a_read_is_tried_again_until_it_is_answered() {
    let fake = Fake::start(|asked| match asked.before {
        0 => status(503, "", "starting"),
        1 => Answer::Nothing(Then::Reset),
        2 => Answer::WithHeader(429, "Retry-After", "0", json!({"message": "slow down"})),
        _ => Answer::Json(200, json!({"data": {"k": "v"}})),
    })
    .await;
    let object = fake.cluster().get(&config_map()).await.unwrap().unwrap();
    assert_eq!(object["data"]["k"], "v");
    assert_eq!(object["kind"], "ConfigMap");
    assert_eq!(fake.requests().len(), 4);
}

#[tokio::test]
async fn a_create_is_sent_once() {
    let fake = Fake::start(|_| status(503, "", "starting")).await;
    let key = config_map();
    let error = fake
        .cluster()
        .create(&key.resource, Some("n"), &json!({}))
        .await
        .unwrap_err();
    assert!(error.is_environment());
    assert_eq!(
        error.to_string(),
        "the cluster did not answer: it answered 503: starting"
    );
    assert_eq!(
        fake.requests(),
        ["POST /api/v1/namespaces/n/configmaps?fieldManager=kubeproof"]
    );
}

#[tokio::test]
async fn a_typed_patch_refusal_is_definite() {
    let fake =
        Fake::start(|_| status(500, "", "failed to create typed patch object (x): .a: no")).await;
    let error = fake
        .cluster()
        .apply(&config_map(), &json!({}), &ApplyOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, ClusterError::Refused(_)));
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test]
async fn an_apply_tells_whether_it_created_and_what_it_was_warned_of() {
    let fake = Fake::start(|asked| match asked.before {
        0 => Answer::WithHeader(
            201,
            "Warning",
            "299 - \"is deprecated\"",
            json!({"metadata": {}}),
        ),
        1 => Answer::Json(200, json!({"metadata": {}})),
        2 => Answer::Nothing(Then::Drop),
        _ => Answer::Json(200, json!({"metadata": {}})),
    })
    .await;
    let cluster = fake.cluster();
    let apply = async || {
        let options = ApplyOptions::default();
        cluster
            .apply(&config_map(), &json!({}), &options)
            .await
            .unwrap()
    };
    let made = apply().await;
    assert!(made.created && !made.repeated);
    assert_eq!(made.warnings, ["is deprecated"]);
    let again = apply().await;
    assert!(!again.created && !again.repeated && again.warnings.is_empty());
    let lost = apply().await;
    assert!(!lost.created && lost.repeated);
    assert_eq!(
        fake.requests()[0],
        "PATCH /api/v1/namespaces/n/configmaps/x?fieldManager=kubeproof&force=false"
    );
}

#[tokio::test]
async fn a_patch_of_a_subresource_goes_to_its_path() {
    let fake = Fake::start(|_| Answer::Json(200, json!({}))).await;
    let (cluster, key) = (fake.cluster(), config_map());
    cluster
        .patch(&key, PatchKind::Merge, &json!({}), Some("status"))
        .await
        .unwrap();
    assert_eq!(
        fake.requests(),
        ["PATCH /api/v1/namespaces/n/configmaps/x/status?fieldManager=kubeproof"]
    );
}

#[tokio::test]
async fn a_hanging_server_is_a_time_out() {
    let fake = Fake::start(|_| Answer::Nothing(Then::Hang)).await;
    let error = fake.cluster().get(&config_map()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the request GET /api/v1/namespaces/n/configmaps/x took longer than 2s"
    );
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    // A port that was free a moment ago.
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let error = cluster_at(address).get(&config_map()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the cluster did not answer: connection refused"
    );
}

#[tokio::test]
async fn deletions() {
    let fake = Fake::start(|asked| match asked.before {
        0 => Answer::Json(200, json!({"kind": "Status", "status": "Success"})),
        1 => status(404, "NotFound", "not found"),
        2 => status(
            409,
            "Conflict",
            "the UID in the precondition (a) does not match",
        ),
        // Without a uid, it is not sent again.
        _ => status(503, "", "starting"),
    })
    .await;
    let (cluster, key) = (fake.cluster(), config_map());
    let with_uid = DeleteOptions {
        uid: Some("a".into()),
        ..DeleteOptions::default()
    };
    assert_eq!(cluster.delete(&key, &with_uid).await, Ok(Deletion::Gone));
    assert_eq!(cluster.delete(&key, &with_uid).await, Ok(Deletion::Absent));
    assert_eq!(cluster.delete(&key, &with_uid).await, Ok(Deletion::Absent));
    assert!(
        cluster
            .delete(&key, &DeleteOptions::default())
            .await
            .is_err()
    );
    assert_eq!(fake.requests().len(), 4);
}

#[tokio::test]
async fn lists_are_paged_and_start_over_when_the_server_forgot() {
    let fake = Fake::start(|asked| {
        let page = |name: &str, next: &str| {
            Answer::Json(
                200,
                json!({"metadata": {"continue": next}, "items": [{"metadata": {"name": name}}]}),
            )
        };
        match asked.before {
            0 => page("a", "t/1"),
            1 => status(410, "Expired", "too old"),
            _ => page("b", ""),
        }
    })
    .await;
    let pods = fake
        .cluster()
        .list(&Resource::pod(), Some("n"), Some("app in (a, b)"))
        .await
        .unwrap();
    assert_eq!(
        pods,
        [json!({"metadata": {"name": "b"}, "apiVersion": "v1", "kind": "Pod"})]
    );
    let selector = "labelSelector=app%20in%20%28a%2C%20b%29";
    assert_eq!(
        fake.requests(),
        [
            format!("GET /api/v1/namespaces/n/pods?limit=500&{selector}"),
            format!("GET /api/v1/namespaces/n/pods?limit=500&{selector}&continue=t%2F1"),
            format!("GET /api/v1/namespaces/n/pods?limit=0&{selector}"),
        ]
    );
}

#[tokio::test]
async fn discovery_is_read_once_and_again_on_a_miss() {
    let fake = Fake::start(|asked| {
        let (core, mut groups) = super::super::catalog::tests::aggregated_answers();
        if asked.line == "GET /api" {
            return Answer::Json(200, core);
        }
        // The CRD appears at the third look.
        if asked.before < 2 {
            groups["items"]
                .as_array_mut()
                .unwrap()
                .retain(|group| group["metadata"]["name"] != "example.com");
        }
        Answer::Json(200, groups)
    })
    .await;
    let cluster = fake.cluster();
    assert_eq!(
        cluster.resource_named("ds").await.unwrap().plural,
        "daemonsets"
    );
    assert_eq!(cluster.resource_named("po").await.unwrap().plural, "pods");
    assert_eq!(fake.requests().len(), 2);
    let widget = cluster
        .resource_of("example.com/v2", "Widget")
        .await
        .unwrap();
    assert!(!widget.namespaced);
    assert_eq!(fake.requests().len(), 6);
    let error = cluster.resource_named("deamonset").await.unwrap_err();
    assert!(error.to_string().contains("did you mean \"daemonset\"?"));
}

#[tokio::test]
async fn discovery_of_an_old_server_reads_each_group() {
    let fake = Fake::start(|asked| {
        let list = |group: &str, name: &str, kind: &str| {
            Answer::Json(200, json!({"kind": "APIResourceList", "groupVersion": group, "resources": [
                {"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"]}]}))
        };
        match asked.line.as_str() {
            "GET /api" => Answer::Json(200, json!({"kind": "APIVersions", "versions": ["v1"]})),
            "GET /apis" => Answer::Json(200, json!({"kind": "APIGroupList", "groups": [
                {"name": "apps", "preferredVersion": {"groupVersion": "apps/v1"},
                 "versions": [{"groupVersion": "apps/v1"}]},
                {"name": "down.example", "preferredVersion": {"groupVersion": "down.example/v1"},
                 "versions": [{"groupVersion": "down.example/v1"}]}]})),
            "GET /api/v1" => list("v1", "pods", "Pod"),
            "GET /apis/apps/v1" => list("apps/v1", "daemonsets", "DaemonSet"),
            _ => status(404, "NotFound", "no such group"),
        }
    })
    .await;
    let daemon_set = fake.cluster().resource_named("daemonset").await.unwrap();
    assert_eq!(daemon_set.api_version, "apps/v1");
}
