//! Whatever happens in a run, the reports say the same of it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quick_junit::Report;
use serde_json::Value;

use super::junit::{begun, common, read, settle, written};
use super::*;
use crate::outcome::RunExit;
use crate::report::human::{Human, HumanOptions};
use crate::report::json::Json;
use crate::report::schema::Schema;

#[derive(Clone, Debug)]
enum Step {
    Case(usize, Outcome, String, bool),
    Problem(Option<usize>, Stage, String),
    Excluded(usize, String),
    Cancelling(CancelReason),
    Leftover(Option<usize>, bool),
    Diagnosis(usize, String),
    Notice(String),
    /// Began, and never told its end.
    Lost(usize),
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
        Just(Stage::Report),
        Just(Stage::Run),
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
        1 => (0..2_usize, any::<String>()).prop_map(|(suite, text)| Step::Diagnosis(suite, text)),
        1 => any::<String>().prop_map(Step::Notice),
        1 => (0..2_usize).prop_map(Step::Lost),
    ]
}

fn story(steps: &[Step], verdict_after: usize) -> Story {
    let suite = |index| if index == 0 { overlay() } else { mtu() };
    let mut story = Story::begun(vec![overlay(), mtu()])
        .suite(overlay(), "one")
        .suite(mtu(), "two");
    for index in 0..2 {
        let is_planned = |(number, step): &(usize, &Step)| match step {
            Step::Case(of, ..) | Step::Lost(of) => *of == index && *number < verdict_after,
            _ => false,
        };
        story = story.add(EventKind::CasesPlanned {
            suite: suite(index),
            total: steps.iter().enumerate().filter(is_planned).count(),
        });
    }
    for (number, step) in steps.iter().enumerate() {
        if number == verdict_after {
            story = story
                .suite_finished(overlay())
                .suite_finished(mtu())
                .verdict_reached();
        }
        story = match step.clone() {
            // once the verdict is out no case is left to finish
            Step::Case(..) | Step::Lost(_) if number >= verdict_after => story,
            Step::Lost(index) => {
                let id = id(suite(index), number % 3, number, &format!("case {number}"));
                story.add(EventKind::CaseStarted(id))
            }
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
                let mut result = result(id, outcome, why);
                if number % 4 == 0 {
                    let text = format!("{number}\u{1b}[31m]]>");
                    result.properties.insert("rate".to_owned(), text);
                }
                story.add(EventKind::CaseFinished(result))
            }
            Step::Problem(index, stage, text) => {
                story.problem(index.map(suite), stage, Explanation::new(text))
            }
            Step::Excluded(index, node) => story.add(EventKind::NodeExcluded {
                suite: suite(index),
                node,
                reason: "label".to_owned(),
            }),
            Step::Diagnosis(index, message) => story.add(EventKind::Diagnosis(Diagnosis {
                suite: suite(index),
                remedy: (number % 2 == 0).then(|| message.clone()),
                url: None,
                cases: number,
                message,
            })),
            Step::Notice(text) => story.add(EventKind::Notice { text }),
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
        let suites = read(&common(&story)).test_suites;
        let sums = suites.iter().fold([0; 4], |sums, suite| {
            let own = [suite.tests, suite.failures, suite.errors, suite.skipped];
            std::array::from_fn(|it| sums[it] + own[it])
        });
        prop_assert_eq!(sums, [report.tests, report.failures, report.errors, report.skipped]);
        match exit {
            RunExit::Failed => prop_assert!(report.failures > 0),
            RunExit::NotCleanedUp => prop_assert!(report.errors > 0),
            RunExit::Passed => {
                prop_assert!(report.tests > 0);
                prop_assert_eq!((report.failures, report.errors), (0, 0));
            }
            RunExit::NothingTested => prop_assert_eq!(counts.passed + counts.bad(), 0),
            // what was cancelled is skipped, and comes with a problem that says why
            RunExit::Errored => prop_assert!(report.errors > 0 || counts.cancelled > 0
                || verdict.cancelled == Some(CancelReason::RunDeadline)),
            RunExit::Interrupted | RunExit::Terminated => {}
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
        let total = text.lines().last().unwrap_or_default();
        prop_assert!(total.starts_with(&format!("{word}: ")), "no last line with {} in\n{}", word, text);
        let verdicts = text.lines().filter(|line| {
            ["PASSED", "FAILED: ", "ERRORED: ", "NOTHING WAS TESTED: ", "INTERRUPTED: ", "TERMINATED: "]
                .iter()
                .any(|word| line.starts_with(word))
        });
        prop_assert_eq!(verdicts.count(), 1, "{}", &text);
        let numbers = format!("{} failed, {} errored", counts.failed, counts.errored);
        prop_assert!(total.contains(&numbers));
        prop_assert_eq!(text.matches("=> Start ").count(), 2);
        prop_assert_eq!(text.matches("=> End ").count(), 2);
    }

    /// The events end anywhere: whoever tells them was stopped.
    #[test]
    fn no_report_of_a_run_that_broke_off_is_a_pass(
        steps in proptest::collection::vec(steps(), 0..20),
        verdict_after in 0..25_usize,
        end in 0..25_usize,
    ) {
        let mut story = story(&steps, verdict_after);
        let is_verdict = |event: &Event| matches!(event.kind, EventKind::VerdictReached { .. });
        let verdict_at = story.events.iter().position(is_verdict).unwrap_or_default();
        story.events.truncate(end.min(verdict_at));
        let verdict = story.verdict();
        let exit = verdict.exit_code();
        prop_assert!(exit != RunExit::Passed && exit != RunExit::NotCleanedUp, "{:?}", exit);
        let report = Report::deserialize_from_str(&written(&story)).unwrap();
        let counts = verdict.counts();
        prop_assert_eq!(report.failures, counts.failed);
        if verdict.broke_off() {
            prop_assert!(report.errors > 0);
            prop_assert!(exit != RunExit::NothingTested);
        }
        let output = Shared::default();
        story.tell(&mut Human::new(output.clone(), HumanOptions::default())).unwrap();
        let text = output.text();
        let word = exit.word().to_uppercase();
        prop_assert!(text.lines().any(|line| line.starts_with(&format!("{word}: "))), "{}", text);
    }

    /// A process that is killed finishes nothing: what is on the disk is no pass either.
    #[test]
    fn what_a_killed_run_leaves_on_the_disk_is_no_pass(
        steps in proptest::collection::vec(steps(), 0..20),
        verdict_after in 0..25_usize,
        end in 0..25_usize,
    ) {
        let mut story = story(&steps, verdict_after);
        let is_verdict = |event: &Event| matches!(event.kind, EventKind::VerdictReached { .. });
        let verdict_at = story.events.iter().position(is_verdict).unwrap_or_default();
        story.events.truncate(end.min(verdict_at));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("junit.xml");
        let mut junit = begun(&path, Schema::Extended);
        let mut verdict = Verdict::default();
        for event in &story.events {
            verdict.apply(event);
            junit.event(event, &verdict).unwrap();
        }
        settle(&junit);
        let text = std::fs::read_to_string(path).unwrap();
        prop_assert!(Report::deserialize_from_str(&text).unwrap().errors > 0);
    }
}
