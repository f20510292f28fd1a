//! `requires`: whether a cluster is one that a suite is for, asked before anything is made.

use crate::plan::model::{Requirement, Unmet};
use crate::template::Scope;

/// The first requirement that is not met.
#[derive(Debug, PartialEq, Eq)]
pub struct UnmetRequirement {
    /// What it makes of the suite.
    pub unmet: Unmet,
    /// Its reason, or the condition itself.
    pub reason: String,
}

/// Looks at each requirement in the order of the file.
///
/// # Errors
/// The message of a condition that cannot be evaluated, with its place.
pub fn first_unmet(
    requirements: &[Requirement],
    scope: &Scope,
) -> Result<Option<UnmetRequirement>, (String, String)> {
    for requirement in requirements {
        let holds = requirement
            .condition
            .holds(scope)
            .map_err(|error| (error.message, error.place.to_string()))?;
        if holds {
            continue;
        }
        let condition = requirement.condition.source();
        let reason = match &requirement.reason {
            Some(reason) => reason
                .render_text(scope)
                .map_err(|error| (error.message, error.place.to_string()))?,
            None => format!("`{condition}` does not hold"),
        };
        return Ok(Some(UnmetRequirement {
            unmet: requirement.unmet,
            reason,
        }));
    }
    Ok(None)
}
