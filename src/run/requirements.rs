//! `requires`: whether a cluster is one that a suite or a case is for, asked before anything is made.

use super::step::{Selected, StepContext, StepFailure, unmet};
use crate::event::Outcome;
use crate::plan::model::{Requirement, RequirementCheck, Unmet, VersionComparison, VersionRange};

/// The first requirement that is not met.
#[derive(Debug, PartialEq, Eq)]
pub struct UnmetRequirement {
    /// What it makes of the suite or the case.
    pub unmet: Unmet,
    /// Its reason, or what is not so.
    pub reason: String,
}

impl UnmetRequirement {
    /// The outcome of what it stands before.
    pub fn outcome(&self) -> Outcome {
        match self.unmet {
            Unmet::Skip => Outcome::Skipped,
            Unmet::Fail => Outcome::Failed,
        }
    }
}

/// Looks at each requirement in the order of the file.
///
/// # Errors
/// A condition that cannot be evaluated, and a cluster that cannot be asked.
pub async fn first_unmet(
    requirements: &[Requirement],
    context: &StepContext<'_>,
) -> Result<Option<UnmetRequirement>, StepFailure> {
    for requirement in requirements {
        let problem = problem(requirement, context).await.map_err(|mut failure| {
            failure
                .why
                .place
                .get_or_insert(requirement.place.to_string());
            failure.about("requires")
        })?;
        let Some(problem) = problem else {
            continue;
        };
        let reason = match &requirement.reason {
            Some(reason) => reason.render_text(&context.scope())?,
            None => problem,
        };
        return Ok(Some(UnmetRequirement {
            unmet: requirement.unmet,
            reason,
        }));
    }
    Ok(None)
}

async fn problem(
    requirement: &Requirement,
    context: &StepContext<'_>,
) -> Result<Option<String>, StepFailure> {
    match &requirement.check {
        RequirementCheck::That(condition) => unmet(condition, &context.scope()),
        RequirementCheck::Exists(target) => match Selected::if_served(target, context).await? {
            Ok(selected) => {
                let objects = selected.read(context).await?;
                Ok(objects.is_empty().then(|| selected.missing()))
            }
            // a kind that the cluster does not serve has no objects
            Err(unknown) => Ok(Some(unknown.to_string())),
        },
        RequirementCheck::Server(range) => {
            let server = context.cluster.server();
            Ok((!is_met(range, server.major, server.minor))
                .then(|| format!("the server is {}, not {}", server.version, range.text)))
        }
    }
}

fn is_met(range: &VersionRange, major: u32, minor: u32) -> bool {
    range.bounds.iter().all(|(comparison, wanted, part)| {
        let (is, should) = ((major, minor), (*wanted, *part));
        match comparison {
            VersionComparison::AtLeast => is >= should,
            VersionComparison::Above => is > should,
            VersionComparison::AtMost => is <= should,
            VersionComparison::Below => is < should,
            VersionComparison::Exactly => is == should,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_parts() {
        let met = |comparison, major, minor| {
            let range = VersionRange {
                text: String::new(),
                bounds: vec![(comparison, major, minor)],
            };
            is_met(&range, 1, 34)
        };
        assert!(met(VersionComparison::AtLeast, 1, 9));
        assert!(met(VersionComparison::AtLeast, 1, 34));
        assert!(!met(VersionComparison::Above, 1, 34));
        assert!(met(VersionComparison::Below, 2, 0));
        assert!(!met(VersionComparison::Exactly, 1, 33));
    }
}
