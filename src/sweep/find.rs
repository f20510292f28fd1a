//! Asks the cluster for everything with the label of a run: one list for each kind that there is.

use futures::StreamExt;
use jiff::Timestamp;

use super::runs::{self, Marked, MarkedRun};
use crate::cluster::{Cluster, ClusterError, Detail, Removable, Resource, Survey};
use crate::marks::{RUN_LABEL, SignOfLife};

/// How many lists are under way at once.
const AT_ONCE: usize = 8;

/// Why nothing is known about what is left.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// What kinds there are.
    #[error("what the cluster serves could not be asked for: {0}")]
    Kinds(ClusterError),
    /// No kind could be listed.
    #[error("nothing could be listed: {0}")]
    Nothing(ClusterError),
    /// Which runs live.
    #[error("which runs live could not be found out ({0}); `--run ID` does not ask for that")]
    Leases(ClusterError),
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// By their ids.
    pub runs: Vec<MarkedRun>,
    /// The kinds that could not be listed, each with why.
    pub not_looked_at: Vec<(String, ClusterError)>,
    /// Why it is not known which runs live.
    pub unknown_life: Option<ClusterError>,
    /// The API server's time.
    pub now: Timestamp,
}

impl Found {
    /// Whether it is not known what runs changed: that is written down in Secrets.
    pub fn is_blind_to_changes(&self) -> bool {
        self.not_looked_at
            .iter()
            .any(|(kind, _)| kind == runs::SECRETS)
    }
}

/// Finds what carries the label, of one run or of any; in all namespaces, or in one.
///
/// # Errors
/// Where nothing could be found out at all. Single kinds that cannot be listed are in what is found.
pub async fn find(
    cluster: &Cluster,
    run: Option<&str>,
    namespace: Option<&str>,
) -> Result<Found, SweepError> {
    let Removable { kinds, down } = cluster.removable_kinds().await.map_err(SweepError::Kinds)?;
    // it has just answered: a kind that cannot be listed now holds nobody up for long
    let cluster = &cluster.in_passing();
    let selector = match run {
        Some(run) => format!("{RUN_LABEL}={run}"),
        None => RUN_LABEL.to_owned(),
    };
    let kinds = kinds.iter().filter(|kind| kind.kind != "Event");
    let selector = &selector;
    let lists = futures::stream::iter(kinds).map(|kind| async move {
        let answer = cluster.survey(kind, namespace, selector, Detail::Metadata);
        (kind, answer.await)
    });
    let lease_kind = Resource::lease();
    let leases = cluster.survey(&lease_kind, namespace, selector, Detail::Whole);
    let (leases, lists) =
        futures::join!(leases, lists.buffer_unordered(AT_ONCE).collect::<Vec<_>>());
    let mut objects = Vec::new();
    let mut not_looked_at: Vec<_> = down
        .into_iter()
        .map(|(group, error)| (format!("every kind of {group}"), error))
        .collect();
    let mut has_listed = false;
    let mut listed_at = None;
    for (kind, answer) in lists {
        match answer {
            Ok(survey) => {
                has_listed = true;
                listed_at = survey.at.max(listed_at);
                let marked = survey.objects.iter();
                objects.extend(marked.filter_map(|object| Marked::of(kind, object)));
            }
            Err(error) => not_looked_at.push((named(kind), error)),
        }
    }
    not_looked_at.sort_by(|(one, _), (other, _)| one.cmp(other));
    if !has_listed && let Some((_, error)) = not_looked_at.first() {
        return Err(SweepError::Nothing(error.clone()));
    }
    let (signs, leases_at, unknown_life) = match leases {
        Ok(Survey { objects, at }) => {
            let signs = objects.iter().filter_map(SignOfLife::of).collect();
            (signs, at, None)
        }
        Err(error) => (Vec::new(), None, Some(error)),
    };
    // other lists may have taken longer, and a Lease is as old as it was when it was read
    let now = leases_at.or(listed_at);
    let mut found = Found {
        runs: runs::by_run(objects, signs),
        not_looked_at,
        unknown_life,
        now: now.unwrap_or_else(|| cluster.now().latest),
    };
    if found.is_blind_to_changes() {
        runs::keep_leases_beside(&mut found.runs);
    }
    Ok(found)
}

/// As kubectl takes it: `roles.rbac.authorization.k8s.io`.
fn named(kind: &Resource) -> String {
    match kind.group.is_empty() {
        true => kind.plural.clone(),
        false => format!("{}.{}", kind.plural, kind.group),
    }
}
