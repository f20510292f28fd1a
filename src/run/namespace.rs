//! Namespaces of a suite's own, or of a case's own: written down, made, and told apart from
//! those that were there.

use std::sync::PoisonError;

use serde_json::json;

use super::ledger::{Deed, Entry, Subject};
use super::life::Place;
use super::step::StepFailure;
use super::suite::SuiteRun;
use crate::cluster::{Cluster, ObjectKey, Resource};
use crate::plan::model::{Namespace, NamespaceExtras};

/// Makes the suite's namespace, in each of its clusters where it is not there yet: two
/// names may mean the same cluster.
pub async fn make_for_suite(suite: &SuiteRun, made: &mut Vec<Entry>) -> Result<(), StepFailure> {
    let (Namespace::PerSuite(extras) | Namespace::PerCase(extras)) = &suite.suite.namespace else {
        return Ok(());
    };
    let Some(name) = &suite.namespace else {
        return Ok(());
    };
    make(suite, None, suite.clusters.main(), name, extras, made).await?;
    for (cluster_name, cluster) in suite.clusters.others() {
        let key = ObjectKey::new(Resource::namespace(), None, name);
        match cluster.get(&key).await {
            Ok(Some(_)) => {}
            // who may not even look is there to be refused
            Err(error) if error.is_forbidden() => {}
            Ok(None) => {
                make(suite, Some(cluster_name), cluster, name, extras, made).await?;
            }
            Err(error) => {
                return Err(StepFailure::from(error).about(&format!("the cluster {cluster_name}")));
            }
        }
    }
    Ok(())
}

/// Makes a namespace of one cell.
pub async fn make_for_cell(
    suite: &SuiteRun,
    name: &str,
    extras: &NamespaceExtras,
    made: &mut Vec<Entry>,
) -> Result<(), StepFailure> {
    make(suite, None, suite.clusters.main(), name, extras, made).await
}

async fn make(
    suite: &SuiteRun,
    cluster_name: Option<&str>,
    cluster: &Cluster,
    name: &str,
    extras: &NamespaceExtras,
    made: &mut Vec<Entry>,
) -> Result<(), StepFailure> {
    let mut labels = extras.labels.clone();
    labels.extend(suite.labels.iter().cloned());
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels, "annotations": extras.annotations},
    });
    let resource = Resource::namespace();
    let index = made.len();
    made.push(Entry {
        subject: Subject {
            cluster: cluster_name.map(str::to_owned),
            key: ObjectKey::new(resource.clone(), None, name),
        },
        deed: Deed::Made { uid: None },
        step: 0,
        kept: None,
    });
    let answer = tokio::select! {
        biased;
        answer = cluster.create(&resource, None, &manifest) => answer,
        () = suite.stop.cancelled() => return Err(StepFailure::cancelled()),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            // a refusal made nothing
            if error.code().is_some() {
                made.truncate(index);
            }
            return Err(StepFailure::from(error).about(&format!("namespace/{name} was not made")));
        }
    };
    made[index].deed = Deed::Made {
        uid: answer.object["metadata"]["uid"].as_str().map(str::to_owned),
    };
    suite
        .own_namespaces
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(name.to_owned());
    let place = Place::Own(name);
    suite.life.show(cluster_name, cluster, place, &suite.labels);
    Ok(())
}

/// `kubeproof-<suite>-<run>`, cut in the suite's name to the 63 characters of a label.
pub fn name(suite: &str, run: &str) -> String {
    let room = 63 - "kubeproof--".len() - run.len();
    let suite = &suite[..suite.len().min(room)];
    format!("kubeproof-{}-{run}", suite.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_namespaces_fit() {
        assert_eq!(name("overlay", "abc"), "kubeproof-overlay-abc");
        let long = name(&"x-".repeat(31), "0123456789-12");
        assert!(long.len() <= 63, "{long}");
        assert!(long.ends_with("-0123456789-12"), "{long}");
    }
}
