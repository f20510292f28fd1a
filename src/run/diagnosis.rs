//! Tells what the failed cells of a suite have in common: by the suite's rules, once its
//! cases have their outcomes and before its verdict. It changes no result.
//!
//! Which cells a rule is about is `diagnose`'s to find; here is what it takes to look
//! further into the cluster and to tell it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::deadline::Deadline;
use super::ledger::Ledger;
use super::matrix::Matrix;
use super::step::{self, StepContext, StepFailure};
use super::suite::SuiteRun;
use crate::diagnose::{self, Cells, Finding};
use crate::event::{Diagnosis, EventKind, Outcome};
use crate::plan::model::{DiagnosisRule, Step};
use crate::template::{Scope, Template};

/// How long the looks of all rules may take together.
const BUDGET: Duration = Duration::from_secs(60);
/// So many findings of one rule are looked into; the others are named in one line.
const LOOKED_INTO: usize = 10;
/// So many of these others are named.
const NAMED: usize = 30;
/// So many failed cells of a finding are shown to its rule.
const SHOWN: usize = 100;

/// A case whose cells have their outcomes.
pub struct EndedCase {
    /// The case's place in the suite.
    pub case: usize,
    /// What it was repeated over.
    pub matrix: Arc<Matrix>,
    /// Index and outcome of each cell that ran.
    pub cells: Vec<(usize, Outcome)>,
}

/// Tries the suite's rules, in their order, on what failed.
pub async fn run(suite: &SuiteRun, ledger: &Ledger, ended: &[EndedCase]) {
    let deadline = Deadline::after(BUDGET, "the diagnosis");
    let mut explained: HashMap<usize, Vec<bool>> = HashMap::new();
    for rule in &suite.suite.diagnose {
        let Some(case) = ended.iter().find(|ended| ended.case == rule.case) else {
            continue;
        };
        if suite.is_stopped() || case.cells.iter().all(|(_, end)| *end != Outcome::Failed) {
            continue;
        }
        let explained = explained
            .entry(rule.case)
            .or_insert_with(|| vec![false; case.cells.len()]);
        if let Err(failure) = try_rule(rule, case, suite, ledger, &deadline, explained).await {
            let place = failure.why.place.as_deref().unwrap_or_default();
            suite.teller.tell(EventKind::Notice {
                text: format!(
                    "{}: a rule of `diagnose` could not be tried: {} (at {place})",
                    suite.suite.name, failure.why.message
                ),
            });
        }
    }
}

async fn try_rule(
    rule: &DiagnosisRule,
    case: &EndedCase,
    suite: &SuiteRun,
    ledger: &Ledger,
    deadline: &Deadline,
    explained: &mut [bool],
) -> Result<(), StepFailure> {
    let outcomes: Vec<Outcome> = case.cells.iter().map(|(_, outcome)| *outcome).collect();
    let axes = |cell: usize| case.matrix.cell(case.cells[cell].0).named();
    let cells = Cells {
        outcomes: &outcomes,
        axes: &axes,
    };
    let findings = diagnose::find(rule, &suite.names().scope(), &cells, explained)?;
    let (looked_into, others) = findings.split_at(findings.len().min(LOOKED_INTO));
    for finding in looked_into {
        let mut context = suite.case_context(&suite.suite.cases[rule.case], ledger, &suite.stop)?;
        context.deadline = Some(deadline.clone());
        let failed = finding.cells.iter().take(SHOWN);
        let failed: Vec<Scope> = failed.map(|cell| Scope::from_pairs(axes(*cell))).collect();
        for (name, value) in finding.names(rule) {
            context.names = context.names.with(&name, value);
        }
        context.names = context.names.with("cells", Scope::from(failed));
        look(rule, &mut context).await;
        tell(rule, finding, &context)?;
    }
    if !others.is_empty() {
        suite.teller.tell(EventKind::Diagnosis(Diagnosis {
            suite: suite.reference.clone(),
            message: the_same_of(others),
            remedy: None,
            url: None,
            cases: others.iter().map(|it| it.cells.len()).sum(),
        }));
    }
    Ok(())
}

/// What is told of findings that are not looked into.
fn the_same_of(others: &[Finding]) -> String {
    let keys: Vec<_> = others.iter().map(|it| it.key.as_str()).collect();
    let (named, more) = keys.split_at(keys.len().min(NAMED));
    let separator = match named.iter().any(|key| key.contains(", ")) {
        true => "; ",
        false => ", ",
    };
    let more = match more.len() {
        0 => String::new(),
        more => format!(" … and {more} more"),
    };
    let count = others.len();
    format!("the same of {count} more: {}{more}", named.join(separator))
}

/// Runs the rule's steps. What they would have captured is none where they do not pass:
/// a diagnosis says less then, and no result hangs on it.
async fn look(rule: &DiagnosisRule, context: &mut StepContext<'_>) {
    for name in captured(&rule.steps) {
        context.names = context.names.clone().with(name, Scope::from(()));
    }
    for step in &rule.steps {
        if let Err(failure) = step::run(step, context).await {
            tracing::info!(
                place = failure.why.place,
                "a look of a diagnosis did not pass: {}",
                failure.why.message
            );
        }
    }
}

fn captured(steps: &[Step]) -> impl Iterator<Item = &str> {
    steps
        .iter()
        .flat_map(|step| step.capture.iter().map(|(name, _)| name.as_str()))
}

fn tell(
    rule: &DiagnosisRule,
    finding: &Finding,
    context: &StepContext<'_>,
) -> Result<(), StepFailure> {
    let scope = context.scope();
    let optional = |template: &Option<Template>| match template {
        Some(template) => {
            let text = template.render_text(&scope)?;
            Ok::<_, StepFailure>((!text.is_empty()).then_some(text))
        }
        None => Ok(None),
    };
    context.suite.teller.tell(EventKind::Diagnosis(Diagnosis {
        suite: context.suite.reference.clone(),
        message: rule.message.render_text(&scope)?,
        remedy: optional(&rule.remedy)?,
        url: optional(&rule.url)?,
        cases: finding.cells.len(),
    }));
    Ok(())
}
