//! On the local cluster, whose kubeconfig `ci/test` names; by hand:
//! `KUBEPROOF_TEST_KUBECONFIG=… cargo test --lib cluster::tests::live -- --ignored`.
//!
//! It takes a namespace of its own, which it deletes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::super::{
    Access, ApplyOptions, Cluster, ClusterError, ConnectOptions, DeleteOptions, EventFilter,
    ExecLimits, HttpError, HttpRequest, HttpTarget, Identity, LogError, LogOptions, ObjectKey,
    PodTarget, Resource, Scheme, Selection,
};
use crate::output::Intake;

const IMAGE: &str = "busybox:1.28";

fn options() -> ConnectOptions {
    ConnectOptions {
        kubeconfig: std::env::var_os("KUBEPROOF_TEST_KUBECONFIG").map(Into::into),
        ..ConnectOptions::default()
    }
}

async fn apply(cluster: &Cluster, namespace: &str, manifest: Value) -> ObjectKey {
    let kind = manifest["kind"].as_str().unwrap();
    let resource = cluster
        .resource_of(manifest["apiVersion"].as_str().unwrap(), kind)
        .await
        .unwrap();
    let key = ObjectKey::new(
        resource,
        Some(namespace),
        manifest["metadata"]["name"].as_str().unwrap(),
    );
    let options = ApplyOptions::default();
    // The service account of a new namespace takes a moment.
    for _ in 0..50 {
        match cluster.apply(&key, &manifest, &options).await {
            Err(error) if error.is_forbidden() => {
                tokio::time::sleep(Duration::from_millis(200)).await
            }
            result => {
                result.unwrap();
                return key;
            }
        }
    }
    panic!("{key} is never accepted");
}

fn pod(name: &str, script: &str, more: Value) -> Value {
    let mut containers =
        vec![json!({"name": "main", "image": IMAGE, "command": ["sh", "-c", script]})];
    if !more.is_null() {
        containers.insert(0, more);
    }
    json!({"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": name, "labels": {"app": name},
                        "annotations": {"kubectl.kubernetes.io/default-container": "main"}},
           "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": containers}})
}

async fn until(cluster: &Cluster, namespace: &str, name: &str, phase: &str) {
    let mut watch = cluster.watch(&Resource::pod(), Some(namespace));
    let waiting = watch.wait_until(|state| {
        let pod = state.find(Some(namespace), name)?;
        (pod["status"]["phase"] == phase).then_some(())
    });
    timeout(Duration::from_secs(60), waiting).await.expect(name);
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn everything() {
    let cluster = Cluster::connect(&options()).await.unwrap();
    let namespace = format!("kubeproof-live-{}", std::process::id());
    let key = ObjectKey::new(Resource::namespace(), None, &namespace);
    let manifest =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    let options = ApplyOptions::default();
    cluster.apply(&key, &manifest, &options).await.unwrap();
    let checks = tokio::spawn(checks(cluster.clone(), namespace.clone())).await;
    cluster
        .delete(&key, &DeleteOptions::default())
        .await
        .unwrap();
    checks.unwrap();
}

async fn checks(cluster: Cluster, namespace: String) {
    let namespace = namespace.as_str();
    let raw = cluster.get_raw("/readyz?verbose").await.unwrap();
    assert_eq!(raw.code, 200);
    assert!(String::from_utf8_lossy(&raw.body).contains("readyz check passed"));
    assert_eq!(cluster.get_raw("/nope").await.unwrap().code, 404);

    rights(&cluster, namespace).await;

    let httpd = "mkdir /tmp/w; echo hello > /tmp/w/index.html; echo started; exec httpd -f -p 8000 -h /tmp/w";
    let other = json!({"name": "other", "image": IMAGE, "command": ["sleep", "600"]});
    apply(&cluster, namespace, pod("web", httpd, other)).await;
    apply(
        &cluster,
        namespace,
        pod(
            "counts",
            "for i in 1 2 3; do echo $i; sleep 1; done",
            Value::Null,
        ),
    )
    .await;
    let service = |name: &str, selector: &str, port: u16| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
               "spec": {"selector": {"app": selector},
                        "ports": [{"name": "http", "port": 80, "targetPort": port}]}})
    };
    apply(&cluster, namespace, service("web", "web", 8000)).await;
    apply(&cluster, namespace, service("closed", "web", 8001)).await;
    apply(&cluster, namespace, service("empty", "nobody", 8000)).await;
    until(&cluster, namespace, "counts", "Running").await;
    logs(&cluster, namespace).await;
    until(&cluster, namespace, "web", "Running").await;
    http(&cluster, namespace).await;

    let by_field = Selection {
        fields: Some("metadata.name=web".into()),
        ..Selection::default()
    };
    let pods = cluster
        .list_selected(&Resource::pod(), Some(namespace), &by_field)
        .await;
    assert_eq!(pods.unwrap().len(), 1);
    let filter = EventFilter {
        object: Some(ObjectKey::new(Resource::pod(), Some(namespace), "web")),
        ..EventFilter::default()
    };
    let events = cluster.events(&filter).await.unwrap();
    assert!(
        events.iter().any(|event| event.reason == "Scheduled"),
        "{events:?}"
    );
    assert!(events.iter().all(|event| event.object == "pod/web"));
}

async fn rights(cluster: &Cluster, namespace: &str) {
    let nodes = Access::Resource {
        verb: "delete".into(),
        group: String::new(),
        resource: "nodes".into(),
        subresource: None,
        name: None,
        namespace: None,
    };
    assert!(cluster.can(&nodes, None).await.unwrap().allowed);
    let account = Identity::service_account(namespace, "default");
    assert!(!cluster.can(&nodes, Some(&account)).await.unwrap().allowed);
    let as_account = cluster.impersonating(&account);
    assert!(!as_account.can(&nodes, None).await.unwrap().allowed);
    let error = as_account
        .list(&Resource::pod(), Some(namespace), None)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ClusterError::Refused(_)) && error.is_forbidden(),
        "{error:?}"
    );
    assert!(error.to_string().contains(&account.user), "{error}");
    let mut watch = as_account.watch(&Resource::pod(), Some(namespace));
    let error = timeout(
        Duration::from_secs(20),
        watch.wait_until(|state| state.last_error().cloned()),
    );
    assert!(error.await.unwrap().is_forbidden());
    let target = PodTarget {
        namespace: namespace.into(),
        pod: "x".into(),
        container: None,
    };
    let place = as_account.exec_place(&target).await;
    let error = as_account
        .exec(
            place,
            &target,
            &["true".into()],
            None,
            &ExecLimits::default(),
        )
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&account.user), "{error}");
    let extra = Identity {
        groups: vec!["system:masters".into()],
        uid: Some("1".into()),
        extra: BTreeMap::from([("example.com/a".to_owned(), vec!["b".to_owned()])]),
        ..Identity::user("jane")
    };
    let as_jane = cluster.impersonating(&extra);
    assert!(as_jane.can(&nodes, None).await.unwrap().allowed);
    assert!(as_jane.resource_named("po").await.is_ok());
}

async fn log_of(
    cluster: &Cluster,
    target: &PodTarget,
    options: &LogOptions,
) -> Result<String, LogError> {
    let mut output = Intake::default().begin();
    cluster.logs(target, options, &mut output).await?;
    Ok(output.finish().shown().into_owned())
}

async fn logs(cluster: &Cluster, namespace: &str) {
    let counts = PodTarget {
        namespace: namespace.into(),
        pod: "counts".into(),
        container: None,
    };
    let options = LogOptions::default();
    let mut stream = cluster.follow_logs(&counts, &options).await.unwrap();
    let mut followed = Vec::new();
    while let Some(chunk) = stream.next().await.unwrap() {
        followed.extend(chunk);
    }
    assert_eq!(followed, b"1\n2\n3\n");
    let tail = LogOptions {
        tail: Some(1),
        timestamps: true,
        ..options.clone()
    };
    let text = log_of(cluster, &counts, &tail).await.unwrap();
    assert!(text.ends_with("Z 3\n"), "{text}");
    let previous = LogOptions {
        previous: true,
        ..options.clone()
    };
    let error = log_of(cluster, &counts, &previous).await.unwrap_err();
    assert!(matches!(error, LogError::NoPrevious { .. }), "{error:?}");
    let gone = PodTarget {
        pod: "nope".into(),
        ..counts.clone()
    };
    let error = log_of(cluster, &gone, &options).await.unwrap_err();
    assert!(
        matches!(&error, LogError::Cluster(error) if error.is_not_found()),
        "{error:?}"
    );
    let wrong = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "wrong"},
        "spec": {"containers": [{"name": "main", "image": "example.invalid/no:1", "imagePullPolicy": "Always"}]}});
    apply(cluster, namespace, wrong).await;
    let wrong = PodTarget {
        pod: "wrong".into(),
        ..counts
    };
    let mut watch = cluster.watch(&Resource::pod(), Some(namespace));
    let waits = watch.wait_until(|state| {
        let pod = state.find(Some(namespace), "wrong")?;
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
        waiting.is_object().then_some(())
    });
    timeout(Duration::from_secs(60), waits).await.unwrap();
    let error = log_of(cluster, &wrong, &options).await.unwrap_err();
    assert!(matches!(error, LogError::NotStarted { .. }), "{error:?}");
}

async fn http(cluster: &Cluster, namespace: &str) {
    let web = PodTarget {
        namespace: namespace.into(),
        pod: "web".into(),
        container: None,
    };
    // Two containers, and the annotation says which.
    let mut tries = 0;
    while !log_of(cluster, &web, &LogOptions::default())
        .await
        .unwrap()
        .starts_with("started")
    {
        tries += 1;
        assert!(tries < 50);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let place = cluster.exec_place(&web).await;
    let exec = cluster
        .exec(
            place,
            &web,
            &["cat".into(), "/tmp/w/index.html".into()],
            None,
            &ExecLimits::default(),
        )
        .await;
    assert_eq!(exec.unwrap().stdout, "hello\n".into());

    let request = HttpRequest::default();
    let missing = HttpRequest {
        path: "/nope".into(),
        ..request.clone()
    };
    let proxy = |service: &str, port: &str| HttpTarget::ServiceProxy {
        namespace: namespace.into(),
        service: service.into(),
        port: port.into(),
        scheme: Scheme::Http,
    };
    let forward = |service: &str, port: &str| HttpTarget::ServiceForward {
        namespace: namespace.into(),
        service: service.into(),
        port: port.into(),
        scheme: Scheme::Http,
    };
    let pod = |pod: &str, port: u16| HttpTarget::PodForward {
        namespace: namespace.into(),
        pod: pod.into(),
        port,
        scheme: Scheme::Http,
    };
    for target in [
        proxy("web", "80"),
        proxy("web", "http"),
        forward("web", "http"),
        pod("web", 8000),
    ] {
        // Endpoints follow the pods after a moment.
        let mut tries = 0;
        let reply = loop {
            match cluster.http(&target, &request).await {
                Err(HttpError::NotReached { .. }) if tries < 50 => tries += 1,
                result => break result.unwrap(),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        assert_eq!(
            (reply.status, reply.body.shown().as_bytes()),
            (200, &b"hello\n"[..]),
            "{target:?}"
        );
        // This answer has no length: it ends with the connection of the pod.
        assert_eq!(
            cluster.http(&target, &missing).await.unwrap().status,
            404,
            "{target:?}"
        );
    }
    for target in [
        proxy("closed", "80"),
        proxy("empty", "80"),
        proxy("nope", "80"),
        proxy("web", "81"),
        forward("closed", "80"),
        forward("empty", "80"),
        forward("nope", "80"),
        forward("web", "81"),
        pod("nope", 1),
        pod("web", 8001),
    ] {
        let error = cluster.http(&target, &request).await.unwrap_err();
        assert!(
            matches!(error, HttpError::NotReached { .. }),
            "{target:?}: {error:?}"
        );
    }
    let account = Identity::service_account(namespace, "default");
    let as_account = cluster.impersonating(&account);
    for target in [proxy("web", "80"), forward("web", "80"), pod("web", 8000)] {
        let error = as_account.http(&target, &request).await.unwrap_err();
        assert!(
            matches!(error, HttpError::NotAsked { .. }),
            "{target:?}: {error:?}"
        );
    }
    let tls = HttpTarget::PodForward {
        namespace: namespace.into(),
        pod: "web".into(),
        port: 8000,
        scheme: Scheme::Https,
    };
    let error = cluster.http(&tls, &request).await.unwrap_err();
    assert!(matches!(error, HttpError::Tls { .. }), "{error:?}");
}
