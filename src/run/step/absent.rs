//! `absent`: waits until no object of a target is there, and none appears.

use std::sync::Arc;

use serde_json::Value;

use super::super::deadline::Deadline;
use super::follow::{Followed, Look};
use super::select::Selected;
use super::{StepContext, StepFailure, StepResult, write};
use crate::plan::model::Absent;

/// How many objects a message names.
const NAMED: usize = 5;

/// Waits until nothing is there.
pub async fn run(
    absent: &Absent,
    context: &StepContext<'_>,
    deadline: &Deadline,
) -> Result<StepResult, StepFailure> {
    let selected = write::in_time(deadline, context, Selected::of(&absent.target, context)).await?;
    let look = |objects: &[Arc<Value>]| {
        Ok(match objects {
            [] => Look::Holds,
            objects => Look::NotYet(format!(
                "expected none, but there is {}",
                objects
                    .iter()
                    .take(NAMED)
                    .map(|object| selected.key(object).to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
        })
    };
    let mut followed = Followed::new(&selected, context);
    followed.until(deadline, look).await?;
    if let Some(span) = absent.hold {
        followed.hold(span, look).await?;
    }
    Ok(StepResult::default())
}
