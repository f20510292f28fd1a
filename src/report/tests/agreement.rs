//! Whatever happens in a run, the reports say the same of it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quick_junit::Report;
use serde_json::Value;

use super::junit::written;
use super::*;
use crate::outcome::RunExit;
use crate::report::human::{Human, HumanOptions};
use crate::report::json::Json;

#[derive(Clone, Debug)]
enum Step {
    Case(usize, Outcome, String, bool),
    Problem(Option<usize>, Stage, String),
    Excluded(usize, String),
    Cancelling(CancelReason),
    Leftover(Option<usize>, bool),
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Passed),
        1 => Just(Outcome::Failed),
        1 => Just(Outcome::Errored),
        1 => Just(Outcome::Skipped),
        1 => Just(Outcome::Cancelled),
    ]
}

fn stages() -> impl Strategy<Value = Stage> {
    prop_oneof![
        Just(Stage::Connect),
        Just(Stage::Permissions),
        Just(Stage::Setup),
        Just(Stage::Deadline),
        Just(Stage::Interrupted),
        Just(Stage::Teardown),
        Just(Stage::Cleanup),
    ]
}

fn reasons() -> impl Strategy<Value = CancelReason> {
    prop_oneof![
        Just(CancelReason::Interrupt),
        Just(CancelReason::Terminate),
        Just(CancelReason::RunDeadline),
        Just(CancelReason::FailFast),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let suite = 0..2_usize;
    let some_suite = proptest::option::of(0..2_usize);
    prop_oneof![
        12 => (suite.clone(), outcomes(), any::<String>(), any::<bool>())
            .prop_map(|(suite, outcome, text, retried)| Step::Case(suite, outcome, text, retried)),
        1 => (some_suite.clone(), stages(), any::<String>())
            .prop_map(|(suite, stage, text)| Step::Problem(suite, stage, text)),
        1 => (suite, any::<String>()).prop_map(|(suite, node)| Step::Excluded(suite, node)),
        1 => reasons().prop_map(Step::Cancelling),
        1 => (some_suite, any::<bool>()).prop_map(|(suite, kept)| Step::Leftover(suite, kept)),
    ]
}

fn story(steps: &[Step], verdict_after: usize) -> Story {
    let suite = |index| if index == 0 { overlay() } else { mtu() };
    let mut story = Story::begun(vec![overlay(), mtu()])
        .suite(overlay(), "one")
        .suite(mtu(), "two");
    for (number, step) in steps.iter().enumerate() {
        if number == verdict_after {
            story = story
                .suite_finished(overlay())
                .suite_finished(mtu())
                .verdict_reached();
        }
        story = match step.clone() {
            // once the verdict is out no case is left to finish
            Step::Case(..) if number >= verdict_after => story,
            Step::Case(index, outcome, text, retried) => {
                let id = id(suite(index), number % 3, number, &format!("case {number}"));
                let why = Explanation::new(text);
                if retried {
                    story = story.add(EventKind::CaseRetried(CaseAttempt {
                        id: id.clone(),
                        attempt: 1,
                        outcome: Outcome::Failed,
                        took: Duration::ZERO,
                        why: why.clone(),
                    }));
                }
                let why = (outcome != Outcome::Passed || number % 2 == 0).then_some(why);
                story.add(EventKind::CaseFinished(result(id, outcome, why)))
            }
            Step::Problem(index, stage, text) => {
                story.problem(index.map(suite), stage, Explanation::new(text))
            }
            Step::Excluded(index, node) => story.add(EventKind::NodeExcluded {
                suite: suite(index),
                node,
                reason: "label".to_owned(),
            }),
            Step::Cancelling(reason) => story.add(EventKind::Cancelling { reason }),
            Step::Leftover(index, kept) => story.add(EventKind::Leftover(Leftover {
                suite: index.map(suite),
                object: "pod/a".to_owned(),
                reason: "held".to_owned(),
                kept,
            })),
        };
    }
    if steps.len() <= verdict_after {
        story = story
            .suite_finished(overlay())
            .suite_finished(mtu())
            .verdict_reached();
    }
    story.run_finished()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_report_has_the_numbers_of_the_verdict(
        steps in proptest::collection::vec(steps(), 0..30),
        verdict_after in 0..40_usize,
    ) {
        let story = story(&steps, verdict_after);
        let verdict = story.verdict();
        let counts = verdict.counts();
        let outside = verdict.errors_outside_count();
        let exit = verdict.exit_code();

        let report = Report::deserialize_from_str(&written(&story)).unwrap();
        prop_assert_eq!(report.tests, counts.total() + outside);
        prop_assert_eq!(report.failures, counts.failed);
        prop_assert_eq!(report.errors, counts.errored + outside);
        prop_assert_eq!(report.skipped, counts.skipped + counts.cancelled);
        match exit {
            RunExit::Failed => prop_assert!(report.failures > 0),
            RunExit::NotCleanedUp => prop_assert!(report.errors > 0),
            RunExit::Passed => {
                prop_assert!(report.tests > 0);
                prop_assert_eq!((report.failures, report.errors), (0, 0));
            }
            RunExit::NothingTested => prop_assert_eq!(counts.passed + counts.bad(), 0),
            RunExit::Errored | RunExit::Interrupted | RunExit::Terminated => {}
        }

        let output = Shared::default();
        story.tell(&mut Json::new("events", output.clone())).unwrap();
        let mut ended: BTreeMap<String, usize> = BTreeMap::new();
        for line in output.text().lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            if event["event"] == "case-finished" {
                let outcome = event["outcome"].as_str().unwrap().to_owned();
                *ended.entry(outcome).or_default() += 1;
            }
        }
        let of = |outcome: &str| ended.get(outcome).copied().unwrap_or_default();
        prop_assert_eq!(
            [of("passed"), of("failed"), of("errored"), of("skipped"), of("cancelled")],
            [counts.passed, counts.failed, counts.errored, counts.skipped, counts.cancelled]
        );

        let output = Shared::default();
        story.tell(&mut Human::new(output.clone(), HumanOptions::default())).unwrap();
        let text = output.text();
        let word = exit.word().to_uppercase();
        let total = text.lines().rfind(|line| line.starts_with(&format!("{word}: ")));
        prop_assert!(total.is_some(), "no last line with {} in\n{}", word, text);
        let total = total.unwrap_or_default();
        let numbers = format!("{} failed, {} errored", counts.failed, counts.errored);
        prop_assert!(total.contains(&numbers));
        prop_assert_eq!(text.matches("=> Start ").count(), 2);
        prop_assert_eq!(text.matches("=> End ").count(), 2);
    }
}
