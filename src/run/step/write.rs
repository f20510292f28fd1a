//! What the verbs that write objects share: manifests, the run's labels, and what is
//! expected of the answer.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::deadline::Deadline;
use super::{StepContext, StepFailure, StepResult, lag};
use crate::cluster::{ClusterError, ObjectKey, Resource};
use crate::diagnostic;
use crate::event::EventKind;
use crate::marks::has_labels;
use crate::plan::model::{Manifests, Rejection, WriteExpectation};
use crate::source::SourceFile;
use crate::template::Template;
use crate::yaml;

use super::expect;

/// The objects that manifests describe.
fn render(manifests: &Manifests, context: &StepContext<'_>) -> Result<Vec<Value>, StepFailure> {
    match manifests {
        Manifests::Template(template) => {
            let text = template.render(&context.scope())?;
            yaml::manifests(&text).map_err(|error| {
                let rendered = SourceFile::new(template.file.name.as_str(), text.as_str());
                let line = rendered.position(error.span.start).line;
                let title = format!("{}, rendered", template.file.name);
                let failure = StepFailure::errored(format!(
                    "{} does not render to YAML: line {line} of what it renders to: {error}",
                    template.file.name
                ))
                .with_detail(&title, &diagnostic::excerpt(&rendered, error.span));
                match &error.help {
                    Some(help) => failure.with_detail("help", help),
                    None => failure,
                }
            })
        }
        Manifests::Files(files) => Ok(files
            .iter()
            .flat_map(|(_, objects)| objects.iter().cloned())
            .collect()),
        Manifests::Inline(tree) => Ok(yaml::items_of_list(tree.render(&context.scope())?)),
    }
}

/// Writes every manifest, one after another in the order of the file; what came of them is what the
/// step gives.
pub async fn each<F>(
    manifests: &Manifests,
    expectation: &WriteExpectation,
    context: &StepContext<'_>,
    deadline: &Deadline,
    one: impl Fn(Value) -> F,
) -> Result<StepResult, StepFailure>
where
    F: Future<Output = Result<Option<Value>, StepFailure>>,
{
    let source = manifests;
    let manifests = render(source, context)?;
    // what `{% if %}` leaves out is meant so, and may be a mistake all the same
    if manifests.is_empty() {
        let what = match source {
            Manifests::Template(template) => template.file.name.as_str(),
            Manifests::Files(_) | Manifests::Inline(_) => "the manifest",
        };
        must_be_asked(expectation, &format!("{what} renders to no object"))?;
        context.suite.teller.tell(EventKind::Notice {
            text: format!("{what} renders to no object: there is nothing to apply"),
        });
    }
    in_time(deadline, context, async {
        let mut objects = Vec::new();
        for manifest in manifests {
            objects.extend(one(manifest).await?);
        }
        let last = objects.last().cloned().unwrap_or(Value::Null);
        Ok(StepResult::default()
            .with("objects", objects)
            .with("object", last))
    })
    .await
}

/// The kind of a manifest, and the namespace that its object goes to; written into it.
pub async fn place(
    manifest: &mut Value,
    namespace: Option<&Template>,
    context: &StepContext<'_>,
) -> Result<(Resource, Option<String>), StepFailure> {
    let (Some(api_version), Some(kind)) =
        (manifest["apiVersion"].as_str(), manifest["kind"].as_str())
    else {
        return Err(StepFailure::errored(
            "a manifest needs `apiVersion` and `kind`",
        ));
    };
    let resource = loop {
        match context.cluster.resource_of(api_version, kind).await {
            Err(ClusterError::UnknownKind { .. })
                if lag::may_be_stale(context, lag::is_definition).await => {}
            resource => break resource?,
        }
    };
    if !resource.namespaced {
        return Ok((resource, None));
    }
    let namespace = match manifest["metadata"]["namespace"].as_str() {
        Some(namespace) => namespace.to_owned(),
        None => context.needed_namespace(namespace, kind)?,
    };
    manifest["metadata"]["namespace"] = json!(namespace);
    Ok((resource, Some(namespace)))
}

/// Adds the labels of the run and the suite.
pub fn add_labels(manifest: &mut Value, labels: &[(String, String)]) {
    let present = &mut manifest["metadata"]["labels"];
    if !present.is_object() {
        *present = json!({});
    }
    for (label, value) in labels {
        present[label] = json!(value);
    }
}

/// Whether the run made an object: it has its labels, or is in a namespace of the run's own.
pub fn is_ours(object: &Value, context: &StepContext<'_>) -> bool {
    let namespace = object["metadata"]["namespace"].as_str();
    has_labels(object, &context.suite.labels)
        || namespace.is_some_and(|namespace| context.suite.made_namespace(namespace))
}

/// What every object goes through on its way to the cluster: its pods are pulled from
/// the run's registry, and what a Secret holds is masked from here on.
pub fn send_off(manifest: &mut Value, context: &StepContext<'_>) {
    if let Some(registry) = &context.suite.options.registry {
        registry.rewrite_manifest(manifest);
    }
    note_secret(manifest, context);
}

/// Masks what a Secret holds from here on.
pub fn note_secret(object: &Value, context: &StepContext<'_>) {
    if object["kind"] == "Secret" {
        context.suite.options.mask.add_secret_object(object);
    }
}

/// Masks what a patch writes into a Secret from here on.
pub fn note_patch(kind: &str, patch: &Value, context: &StepContext<'_>) {
    if kind == "Secret" {
        context.suite.options.mask.add_secret_patch(patch);
    }
}

/// What is expected of an answer does not hold, nor fails, where there is none.
pub fn must_be_asked(expectation: &WriteExpectation, why_not: &str) -> Result<(), StepFailure> {
    let wanted = match (&expectation.rejected, &expectation.warnings) {
        (Some(_), _) => "there was nothing to be refused",
        (None, Some(_)) => "there was nothing to be warned of",
        (None, None) => return Ok(()),
    };
    Err(StepFailure::errored(format!("{why_not}: {wanted}")))
}

/// Holds the answer to a write against what is expected of it. `Ok(None)` is a refusal
/// that was expected.
pub fn judge<T>(
    answer: Result<T, ClusterError>,
    warnings: impl Fn(&T) -> &[String],
    expectation: &WriteExpectation,
    what: &str,
    context: &StepContext<'_>,
) -> Result<Option<T>, StepFailure> {
    match (answer, &expectation.rejected) {
        (Err(error), Some(rejection)) if is_refusal(&error) => {
            held_against(&error, rejection, what, context).map(|()| None)
        }
        (Err(error), _) => {
            // where nobody could say no, nobody has refused it
            let about = match is_refusal(&error) {
                true => format!("{what} was refused"),
                false => format!("{what} could not be written"),
            };
            let way_out = way_out(&error);
            let mut failure = StepFailure::answered(error).about(&about);
            failure.why.message.push_str(&way_out);
            Err(failure)
        }
        (Ok(_), Some(rejection)) => Err(StepFailure::failed(format!(
            "{what} was accepted, and should have been refused{}",
            describe(rejection)
        ))),
        (Ok(answer), None) => {
            if let Some(expected) = &expectation.warnings {
                let text = warnings(&answer).join("\n");
                let mismatches = expect::output(expected, "warnings", &text, &context.scope())?;
                if !mismatches.is_empty() {
                    return Err(StepFailure::failed(format!(
                        "{what}: {}",
                        mismatches.join("; ")
                    )));
                }
            }
            Ok(Some(answer))
        }
    }
}

/// What helps where an apply conflicts with other managers; nothing of any other error.
fn way_out(error: &ClusterError) -> String {
    match error {
        ClusterError::Conflict { managers, .. } if !managers.is_empty() => {
            let managers = managers.join(", ");
            format!("; `force: true` of `apply` takes over what {managers} wrote")
        }
        _ => String::new(),
    }
}

/// Whether the API server has answered, and with no.
pub fn is_refusal(error: &ClusterError) -> bool {
    !error.is_environment() && error.code().is_some()
}

fn held_against(
    error: &ClusterError,
    rejection: &Rejection,
    what: &str,
    context: &StepContext<'_>,
) -> Result<(), StepFailure> {
    let message = error.words();
    let mut wrong = Vec::new();
    if let (Some(expected), Some(actual)) = (rejection.code, error.code())
        && expected != actual
    {
        wrong.push(format!("code {actual}, not {expected}"));
    }
    if let Some(expected) = &rejection.reason {
        let actual = reason(error);
        if actual != expected {
            wrong.push(format!("reason {actual}, not {expected}"));
        }
    }
    let about_message = expect::output(
        &rejection.message,
        "the message",
        &message,
        &context.scope(),
    )?;
    let quotes_it = !about_message.is_empty();
    wrong.extend(about_message);
    if wrong.is_empty() {
        return Ok(());
    }
    let failure = StepFailure::failed(format!(
        "{what} was refused, but otherwise than expected: {}",
        wrong.join("; ")
    ));
    Err(match quotes_it {
        true => failure,
        false => failure.with_detail("the API server", &error.to_string()),
    })
}

fn reason(error: &ClusterError) -> &str {
    match error {
        ClusterError::Refused(refusal) => &refusal.reason,
        ClusterError::Conflict { .. } => "Conflict",
        ClusterError::NotFound { .. } => "NotFound",
        ClusterError::Unavailable { .. }
        | ClusterError::Failing { .. }
        | ClusterError::GroupDown { .. }
        | ClusterError::UnknownKind { .. }
        | ClusterError::TimedOut { .. } => "",
    }
}

fn describe(rejection: &Rejection) -> String {
    let code = rejection.code.map(|code| code.to_string());
    let parts: Vec<_> = [code, rejection.reason.clone()]
        .into_iter()
        .flatten()
        .chain(
            rejection
                .message
                .contains
                .iter()
                .map(|text| format!("{:?}", text.source())),
        )
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" with {}", parts.join(", "))
    }
}

/// A request's whole work within the step's deadline; where that ends it, with the cause for which
/// it was still being sent again.
pub async fn in_time<T>(
    deadline: &Deadline,
    context: &StepContext<'_>,
    work: impl Future<Output = Result<T, StepFailure>>,
) -> Result<T, StepFailure> {
    // a time of zero means to look once, which takes a moment all the same
    let at = match deadline.is_zero() {
        true => Instant::now() + super::LONGEST,
        false => deadline.at,
    };
    tokio::time::timeout_at(at, work).await.unwrap_or_else(|_| {
        Err(StepFailure::errored(format!(
            "the API server did not finish {}{}",
            deadline.describe(),
            trouble(context)
        )))
    })
}

/// `: CAUSE` where requests are not answered at the moment.
pub fn trouble(context: &StepContext<'_>) -> String {
    let trouble = context.cluster.trouble();
    trouble.map_or_else(String::new, |error| format!(": {error}"))
}

/// The name of an object, for messages.
pub fn key(
    resource: &Resource,
    namespace: Option<&str>,
    object: &Value,
) -> Result<ObjectKey, StepFailure> {
    match object["metadata"]["name"].as_str() {
        Some(name) => Ok(ObjectKey::new(resource.clone(), namespace, name)),
        None => Err(StepFailure::errored(format!(
            "the manifest of kind {} has no `metadata.name`",
            resource.kind
        ))),
    }
}
