//! `get`: reads objects, or any path of the API server.

use super::super::deadline::Deadline;
use super::select::Selected;
use super::{StepContext, StepFailure, StepResult, http, write};
use crate::output::Text;
use crate::plan::model::Get;

/// Reads once. An object that is named and not there fails.
pub async fn run(
    get: &Get,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    match get {
        Get::Object(target) => {
            write::in_time(deadline, context, async {
                let selected = Selected::of(target, context).await?;
                let read = selected.read_or_refused(context).await?;
                let objects = read.map_err(StepFailure::answered)?;
                if objects.is_empty() && selected.is_one() {
                    return Err(StepFailure::failed(selected.missing()));
                }
                Ok(StepResult::default().with_objects(objects))
            })
            .await
        }
        Get::Raw { path, expect } => {
            let scope = context.scope();
            let path = path.render_text(&scope)?;
            let judge = http::BodyJudge::new(expect, &scope)?;
            let started = std::time::Instant::now();
            let reply = write::in_time(deadline, context, async {
                Ok(context.cluster.get_raw(&path).await?)
            })
            .await?;
            if let Ok(object) = serde_json::from_slice(&reply.body) {
                context.suite.options.mask.add_secret_object(&object);
            }
            let answer = http::Answer {
                status: reply.code,
                headers: reply.headers,
                // more than is read of a path is an error, so this is all of it
                body: Text::Whole(String::from_utf8_lossy(&reply.body).into_owned()),
                took: started.elapsed(),
                valid_until: None,
                now: context.cluster.now().likely(),
            };
            answer.judge(expect, &judge, &format!("GET {path}"), &scope)
        }
    }
}
