//! `can`: whether somebody may do something, by the cluster's own authorizers. These hear of the
//! run's own rules a moment later.

use super::super::deadline::Deadline;
use super::{StepContext, StepFailure, StepResult, lag, write};
use crate::cluster::{Access, ObjectKey};
use crate::plan::model::Can;

/// Asks.
pub async fn run(
    can: &Can,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    write::in_time(deadline, context, ask(can, context)).await
}

async fn ask(can: &Can, context: &StepContext<'_>) -> Result<StepResult, StepFailure> {
    let scope = context.scope();
    let verb = can.verb.render_text(&scope)?;
    let resource = can.resource.render_text(&scope)?;
    let access = if resource.starts_with('/') {
        Access::Path {
            verb: verb.clone(),
            path: resource.clone(),
        }
    } else {
        let (kind, subresource) = match resource.split_once('/') {
            Some((kind, subresource)) => (kind, Some(subresource.to_owned())),
            None => (resource.as_str(), None),
        };
        let found = context.cluster.resource_named(kind).await?;
        let namespace = match found.namespaced {
            true => context.namespace_of(can.namespace.as_ref())?,
            false => None,
        };
        Access::Resource {
            verb: verb.clone(),
            group: found.group.clone(),
            resource: found.plural.clone(),
            subresource,
            name: can
                .name
                .as_ref()
                .map(|name| name.render_text(&scope))
                .transpose()?,
            namespace,
        }
    };
    let who = can
        .who
        .as_ref()
        .map(|who| context.identity(who))
        .transpose()?;
    let is_rule = |key: &ObjectKey| key.resource.group == "rbac.authorization.k8s.io";
    let answer = loop {
        let answer = context.cluster.can(&access, who.as_ref()).await?;
        if answer.allowed == can.allowed || !lag::may_be_stale(context, is_rule).await {
            break answer;
        }
    };
    let result = StepResult::default().with("reason", answer.reason.clone());
    if answer.allowed == can.allowed {
        return Ok(result);
    }
    let shown = who.map_or_else(|| "the run's user".to_owned(), |who| who.user);
    let (is, expected) = match answer.allowed {
        true => ("may", "must not"),
        false => ("may not", "must be allowed to"),
    };
    let reason = match answer.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    Err(StepFailure::failed(format!(
        "{shown} {is} {verb} {resource}, and {expected}{reason}"
    )))
}
