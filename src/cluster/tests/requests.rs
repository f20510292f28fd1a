//! Requests: retries, time-outs, status codes, pages, discovery.

use std::time::Duration;

use serde_json::json;

use super::super::transport::Call;
use super::super::{
    Access, ApplyOptions, ClusterError, DeleteOptions, Deletion, Detail, ExecLimits, Identity,
    PatchKind, PodTarget, Resource,
};
use super::config_map;
use super::fake::{Answer, Fake, Then, cluster_at};

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
async fn a_refusal_by_a_server_that_was_away_a_moment_ago_is_asked_for_again() {
    // Whether the server was away, how often it refuses then, and whether it is believed.
    let cases = [(true, 2, false), (true, usize::MAX, true), (false, 1, true)];
    for (was_away, refusals, is_believed) in cases {
        let fake = Fake::start(move |asked| match asked.before {
            0 if was_away => Answer::Nothing(Then::Reset),
            number if number < refusals => status(403, "Forbidden", "configmaps is forbidden"),
            0 => status(403, "Forbidden", "configmaps is forbidden"),
            _ => Answer::Json(200, json!({"data": {"k": "v"}})),
        })
        .await;
        let read = fake.cluster().get(&config_map()).await;
        assert_eq!(
            read.is_err_and(|error| error.is_forbidden()),
            is_believed,
            "{was_away} {refusals}"
        );
        assert_eq!(fake.requests().len() > 1, was_away);
    }
}

#[tokio::test]
async fn a_no_of_a_server_that_was_away_a_moment_ago_is_asked_for_again() {
    let access = Access::Path {
        verb: "get".into(),
        path: "/metrics".into(),
    };
    for was_away in [true, false] {
        let fake = Fake::start(move |asked| match asked.before {
            0 if was_away => Answer::Nothing(Then::Reset),
            0 | 1 => Answer::Json(201, json!({"status": {"allowed": false}})),
            _ => Answer::Json(201, json!({"status": {"allowed": true}})),
        })
        .await;
        let cluster = fake.cluster();
        let answer = cluster.can(&access, None).await.unwrap();
        assert_eq!(answer.allowed, was_away);
        assert_eq!(cluster.trouble(), None);
        assert_eq!(fake.requests().len(), if was_away { 3 } else { 1 });
    }
}

/// The times of the object and of the server's clock, in an answer.
fn made_at(created: &str, run: &str) -> Answer {
    Answer::WithHeader(
        200,
        "Date",
        "Wed, 25 Nov 2026 12:00:10 GMT",
        json!({"metadata": {"creationTimestamp": created, "labels": {"run": run}, "uid": "u"}}),
    )
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_told_from_an_object_that_was_there() {
    // When it was made, and by whom; whether that was this create.
    let cases = [
        ("2026-11-25T12:00:10Z", "ours", true),
        ("2026-11-25T11:59:50Z", "ours", false),
        ("2026-11-25T12:00:10Z", "theirs", false),
    ];
    for (created, run, is_made) in cases {
        let fake = Fake::start(move |asked| match asked.before {
            _ if asked.line.starts_with("GET") => made_at(created, run),
            0 => Answer::Nothing(Then::Reset),
            _ => status(409, "AlreadyExists", "it exists"),
        })
        .await;
        let key = config_map();
        let manifest = json!({"metadata": {"name": "x", "labels": {"run": "ours"}}});
        let cluster = fake.cluster();
        let made = cluster.create(&key.resource, Some("n"), &manifest).await;
        match made {
            Ok(made) => {
                assert!(is_made && made.created && made.repeated, "{created} {run}");
                assert_eq!(made.object["metadata"]["uid"], "u");
            }
            Err(error) => {
                assert!(!is_made, "{created} {run}");
                assert_eq!(error.code(), Some(409));
            }
        }
        assert_eq!(fake.requests().len(), 3);
        assert_eq!(cluster.trouble(), None);
    }
}

#[tokio::test]
async fn a_create_that_is_refused_for_what_its_first_sending_took_has_made_it() {
    let refusals = [
        (403, "Forbidden", "exceeded quota: q"),
        (409, "Conflict", "the object of the quota was changed"),
        (422, "Invalid", "provided port is already allocated"),
    ];
    for (code, reason, message) in refusals {
        for is_there in [true, false] {
            let fake = Fake::start(move |asked| match asked.before {
                _ if asked.line.starts_with("GET") && is_there => {
                    made_at("2026-11-25T12:00:10Z", "ours")
                }
                _ if asked.line.starts_with("GET") => status(404, "NotFound", "not found"),
                0 => Answer::Nothing(Then::Reset),
                _ => status(code, reason, message),
            })
            .await;
            let key = config_map();
            let manifest = json!({"metadata": {"name": "x", "labels": {"run": "ours"}}});
            let cluster = fake.cluster();
            let made = cluster.create(&key.resource, Some("n"), &manifest).await;
            match made {
                Ok(made) => assert!(is_there && made.created && made.repeated, "{message}"),
                Err(error) => {
                    assert!(!is_there, "{error}");
                    assert_eq!(error.to_string(), message);
                }
            }
        }
    }
}

#[tokio::test]
async fn who_may_not_look_is_told_of_the_create() {
    let fake = Fake::start(|asked| match asked.before {
        _ if asked.line.starts_with("GET") => status(403, "Forbidden", "you may not get it"),
        0 => Answer::Nothing(Then::Reset),
        _ => status(409, "AlreadyExists", "it exists"),
    })
    .await;
    let key = config_map();
    let manifest = json!({"metadata": {"name": "x"}});
    let cluster = fake.cluster();
    let made = cluster.create(&key.resource, Some("n"), &manifest).await;
    assert_eq!(made.unwrap_err().to_string(), "it exists");
}

#[tokio::test]
async fn an_object_that_was_there_is_not_looked_at() {
    let fake = Fake::start(|_| status(409, "AlreadyExists", "it exists")).await;
    let key = config_map();
    let manifest = json!({"metadata": {"name": "x"}});
    let cluster = fake.cluster();
    let made = cluster.create(&key.resource, Some("n"), &manifest).await;
    assert_eq!(made.unwrap_err().code(), Some(409));
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test]
async fn while_a_request_is_sent_again_the_cause_is_known() {
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /ready" => Answer::Json(200, json!({})),
        _ => status(503, "", "starting"),
    })
    .await;
    let cluster = fake.cluster();
    let key = config_map();
    let reading = tokio::time::timeout(Duration::from_secs(1), cluster.get(&key));
    assert!(reading.await.is_err(), "it goes on for three seconds");
    assert_eq!(
        cluster.trouble().unwrap().to_string(),
        "the API server gave no usable answer: it answered 503: starting"
    );
    cluster.get_raw("/ready").await.unwrap();
    assert_eq!(cluster.trouble(), None);
}

#[tokio::test]
async fn a_server_that_comes_back_is_found() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
            let answer = "HTTP/1.1 200 X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
        }
    });
    let key = config_map();
    let cluster = cluster_at(address);
    let made = cluster.create(&key.resource, Some("n"), &json!({})).await;
    made.unwrap();
}

#[tokio::test]
async fn a_create_without_a_name_is_sent_once() {
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
        "the API server gave no usable answer: it answered 503: starting"
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

/// No objects are a finding, and an answer without a list is none.
#[tokio::test]
async fn what_is_no_list_is_not_an_empty_one() {
    for (answer, is_list) in [
        (json!({"kind": "ConfigMapList", "items": []}), true),
        (json!({"kind": "ConfigMapList", "items": null}), true),
        (json!({"kind": "ConfigMapList"}), true),
        (json!({}), false),
        (json!({"kind": "Status", "status": "Success"}), false),
        (json!({"items": {}}), false),
        (json!([]), false),
    ] {
        let told = answer.to_string();
        let fake = Fake::start(move |_| Answer::Json(200, answer.clone())).await;
        let listed = fake.cluster().list(&Resource::pod(), Some("n"), None).await;
        match listed {
            Ok(objects) => assert!(is_list && objects.is_empty(), "{told}"),
            Err(error) => assert!(!is_list && error.is_environment(), "{told}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_hanging_server_is_a_time_out() {
    let fake = Fake::start(|_| Answer::Nothing(Then::Hang)).await;
    let error = fake.cluster().get(&config_map()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the request GET /api/v1/namespaces/n/configmaps/x took longer than 2s"
    );
    assert_eq!(fake.requests().len(), 2, "within three seconds");
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
async fn an_identity_is_on_whatever_is_sent() {
    let account = Identity::service_account("n", "ci");
    let header = format!("impersonate-user: {}\r\n", account.user);
    let fake = Fake::start(move |asked| {
        let is_impersonated = asked.head.to_lowercase().contains(&header);
        // Discovery is the same for all, so whoever connected reads it.
        assert_eq!(
            is_impersonated,
            asked.line != "GET /api" && asked.line != "GET /apis"
        );
        if asked.line.contains("/exec?") {
            Answer::Exec(vec![b"\x03{\"status\":\"Success\"}".to_vec()], Then::Close)
        } else if asked.line.contains("watch=true") {
            Answer::Events(vec![], Then::Hang)
        } else if asked.line.starts_with("GET /api/v1/namespaces/n/pods?") {
            Answer::Json(
                200,
                json!({"metadata": {"resourceVersion": "1"}, "items": []}),
            )
        } else {
            let (core, groups) = super::super::catalog::tests::aggregated_answers();
            Answer::Json(
                200,
                if asked.line == "GET /api" {
                    core
                } else {
                    groups
                },
            )
        }
    })
    .await;
    let cluster = fake.cluster();
    let other = cluster.impersonating(&account);
    assert_eq!(other.identity(), Some(&account));
    assert!(other.get(&config_map()).await.is_ok());
    assert!(other.resource_named("po").await.is_ok());
    let target = PodTarget {
        namespace: "n".into(),
        pod: "p".into(),
        container: None,
    };
    let limits = ExecLimits::default();
    let mut nobody = super::super::exec::Witness::none();
    let place = other.exec_place(&target).await;
    let result = other
        .exec_bare(place, &target, &["true".into()], None, &limits, &mut nobody)
        .await;
    assert_eq!(result.unwrap().exit, 0);
    let mut watch = other.watch(&Resource::pod(), Some("n"));
    watch
        .wait_until(|state| state.is_synced().then_some(()))
        .await;
    // Those who act as the same share its watches, and nobody else does.
    let _same = cluster
        .impersonating(&account)
        .watch(&Resource::pod(), Some("n"));
    assert_eq!(other.inner.watches.alive(), 1);
    assert_eq!(cluster.inner.watches.alive(), 0);
}

#[tokio::test]
async fn a_raw_path_answers_with_whatever_status() {
    let fake = Fake::start(|asked| match (asked.line.as_str(), asked.before) {
        ("GET /readyz?verbose", 0) => Answer::Nothing(Then::Reset),
        ("GET /readyz?verbose", _) => {
            Answer::Chunks(500, vec![b"[-]etcd failed".to_vec()], Then::Close)
        }
        _ => status(401, "Unauthorized", "Unauthorized"),
    })
    .await;
    let cluster = fake.cluster();
    let reply = cluster.get_raw("/readyz?verbose").await.unwrap();
    assert_eq!(
        (reply.code, reply.body.as_slice()),
        (500, &b"[-]etcd failed"[..])
    );
    assert_eq!(fake.requests().len(), 2);
    assert!(cluster.get_raw("/x").await.unwrap_err().is_environment());
    assert!(cluster.get_raw("x").await.is_err());
}

#[tokio::test]
async fn an_answer_that_never_ends_is_not_read_to_its_end() {
    let fake = Fake::start(|asked| {
        let then = match asked.line.as_str() {
            "GET /endless" => Then::Hang,
            _ => Then::Close,
        };
        Answer::Chunks(200, vec![b"0123".to_vec(), b"45678".to_vec()], then)
    })
    .await;
    let cluster = fake.cluster();
    let read = async |path: &str, bytes: usize| {
        let call = Call::get(path).any_status().at_most(bytes);
        cluster.transport().send(&call).await
    };
    assert_eq!(read("/whole", 9).await.unwrap().body, b"012345678");
    for path in ["/whole", "/endless"] {
        let error = read(path, 8).await.unwrap_err();
        assert!(error.is_environment());
        assert_eq!(
            error.to_string(),
            format!(
                "the cluster did not answer: what it sent for the request GET {path} is larger than 8 bytes"
            )
        );
    }
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn a_deletion_tells_what_it_was_warned_of() {
    let fake = Fake::start(|_| {
        Answer::WithHeader(
            200,
            "Warning",
            "299 - \"old\"",
            json!({"kind": "Status", "status": "Success"}),
        )
    })
    .await;
    let options = DeleteOptions::default();
    let deleted = fake
        .cluster()
        .delete_with_warnings(&config_map(), &options)
        .await;
    let deleted = deleted.unwrap();
    assert_eq!(
        (deleted.deletion, deleted.warnings),
        (Deletion::Gone, vec!["old".to_owned()])
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
async fn a_survey_starts_over_too_when_the_server_forgot() {
    let fake = Fake::start(|asked| {
        assert!(asked.head.contains("as=PartialObjectMetadataList"));
        let page = |date: &'static str, name: &str, next: &str| {
            let body =
                json!({"metadata": {"continue": next}, "items": [{"metadata": {"name": name}}]});
            Answer::WithHeader(200, "Date", date, body)
        };
        match asked.before {
            0 => page("Wed, 25 Nov 2026 12:00:10 GMT", "a", "t/1"),
            1 => status(410, "Expired", "too old"),
            2 => page("Wed, 25 Nov 2026 12:00:20 GMT", "b", "t/2"),
            _ => page("Wed, 25 Nov 2026 12:00:30 GMT", "c", ""),
        }
    })
    .await;
    let survey = fake
        .cluster()
        .survey(&Resource::pod(), None, "run=a", Detail::Metadata)
        .await
        .unwrap();
    let names = survey
        .objects
        .iter()
        .map(|object| &object["metadata"]["name"]);
    assert_eq!(names.collect::<Vec<_>>(), ["b", "c"]);
    let at = survey.at.map(|at| at.to_string());
    assert_eq!(
        at.as_deref(),
        Some("2026-11-25T12:00:21Z"),
        "of the first page"
    );
    assert_eq!(
        fake.requests(),
        [
            "GET /api/v1/pods?limit=500&labelSelector=run%3Da",
            "GET /api/v1/pods?limit=500&labelSelector=run%3Da&continue=t%2F1",
            "GET /api/v1/pods?limit=0&labelSelector=run%3Da",
            "GET /api/v1/pods?limit=0&labelSelector=run%3Da&continue=t%2F2",
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
