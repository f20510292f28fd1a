//! What the API server does not know yet of the run's own writes: it answers much from caches, which
//! lag behind by moments. So a no that such a write would make a yes is asked for again.

use std::time::Duration;

use super::StepContext;
use crate::cluster::ObjectKey;

/// How long after a write an answer may not know of it.
const LAG: Duration = Duration::from_secs(5);
/// Before it is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// Whether an object defines a kind, for which discovery lags behind.
pub fn is_definition(key: &ObjectKey) -> bool {
    key.resource.kind == "CustomResourceDefinition"
}

/// Waits a moment where an answer may come from before a write of the run's own, to an object that
/// `is_meant`, or before the end of a program that may have written to any: then it is to be asked
/// for again. Otherwise it is to be believed.
///
/// Adds no time-out of its own. The looks of `during` are about what is at each moment, and believe.
pub async fn may_be_stale(
    context: &StepContext<'_>,
    is_meant: impl Fn(&ObjectKey) -> bool,
) -> bool {
    let cluster = context.cluster_name.as_deref();
    let own = context.suite.writes.age(cluster, is_meant);
    let unseen = context.unseen_until.map(|moment| moment.elapsed());
    let age = [own, unseen].into_iter().flatten().min();
    if !context.is_patient || age.is_none_or(|age| age > LAG) {
        return false;
    }
    tokio::time::sleep(PAUSE).await;
    true
}
