//! Server-side apply over fields that somebody owns: our own are no conflict, others' are.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::super::{Applied, ApplyOptions, ClusterError, ObjectKey, Resource};
use super::fake::{Answer, Fake};

fn pod() -> ObjectKey {
    ObjectKey::new(Resource::pod(), Some("n"), "x")
}

fn conflict(managers: &[&str]) -> Answer {
    let causes: Vec<_> = managers
        .iter()
        .map(|manager| {
            json!({"reason": "FieldManagerConflict", "field": ".data.k",
                   "message": format!("conflict with {manager:?} using v1")})
        })
        .collect();
    let message = "Apply failed with 1 conflict";
    let details = json!({"causes": causes});
    Answer::Json(
        409,
        json!({"kind": "Status", "reason": "Conflict", "code": 409, "message": message, "details": details}),
    )
}

fn object(version: &str) -> Answer {
    Answer::Json(200, json!({"metadata": {"resourceVersion": version}}))
}

/// What comes of an apply, and the requests; the script knows how many there were before.
async fn apply(
    script: impl Fn(usize) -> Answer + Send + Sync + 'static,
) -> (Result<Applied, ClusterError>, Vec<String>) {
    let before = AtomicUsize::new(0);
    let fake = Fake::start(move |_| script(before.fetch_add(1, Ordering::SeqCst))).await;
    let options = ApplyOptions::default();
    let answer = fake.cluster().apply(&pod(), &json!({}), &options).await;
    let requests = fake.requests();
    let short = requests.iter().map(|request| {
        let (verb, query) = request.split_once(' ').unwrap();
        match query.split_once("force=") {
            Some((_, force)) => format!("{verb} force={force}"),
            None => verb.to_owned(),
        }
    });
    (answer, short.collect())
}

#[tokio::test]
async fn what_the_same_manager_wrote_otherwise_is_no_conflict() {
    let (answer, requests) = apply(|before| match before {
        0 => conflict(&["kubeproof"]),
        1 => object("7"),
        2 => conflict(&["kubeproof"]),
        _ => object("8"),
    })
    .await;
    assert_eq!(answer.unwrap().object["metadata"]["resourceVersion"], "8");
    assert_eq!(
        requests,
        [
            "PATCH force=false",
            "GET",
            "PATCH force=false",
            "PATCH force=true"
        ]
    );
}

#[tokio::test]
async fn what_others_wrote_is_never_forced() {
    for managers in [&["kubectl-edit"][..], &["kubeproof", "kubectl-edit"]] {
        let (answer, requests) = apply(move |_| conflict(managers)).await;
        let error = answer.unwrap_err();
        assert!(
            matches!(&error, ClusterError::Conflict { managers: told, .. } if told == managers),
            "{error:?}"
        );
        assert_eq!(requests, ["PATCH force=false"]);
    }
    // also where they wrote between the first look and the second
    let (answer, requests) = apply(|before| match before {
        0 => conflict(&["kubeproof"]),
        1 => object("7"),
        _ => conflict(&["kubeproof", "kubectl-edit"]),
    })
    .await;
    assert!(answer.is_err());
    assert_eq!(requests, ["PATCH force=false", "GET", "PATCH force=false"]);
}

#[tokio::test]
async fn what_is_changed_just_before_it_is_forced_is_looked_at_anew() {
    let (answer, requests) = apply(|before| match before {
        0 | 2 | 5 => conflict(&["kubeproof"]),
        1 | 4 => object("7"),
        // the object has been modified
        3 => conflict(&[]),
        _ => object("9"),
    })
    .await;
    assert!(answer.is_ok());
    let once = ["GET", "PATCH force=false", "PATCH force=true"];
    assert_eq!(
        requests,
        [&["PATCH force=false"][..], &once, &once].concat()
    );
}
