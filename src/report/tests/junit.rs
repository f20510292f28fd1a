//! The JUnit report: snapshots, and what other readers make of it.

use std::fs;
use std::process::Command;

use insta::assert_snapshot;
use proptest::prelude::*;
use quick_junit::{Report, TestCaseStatus};

use super::*;
use crate::report::junit::{Junit, write_placeholder};

pub fn written(story: &Story) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junit.xml");
    let mut junit = Junit::new(&path).unwrap();
    story.tell(&mut junit).unwrap();
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_placeholder_is_errored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junit.xml");
    fs::write(&path, "an old report that passed").unwrap();
    write_placeholder(&path).unwrap();
    assert_snapshot!(fs::read_to_string(path).unwrap(), @"");
}

#[test]
fn a_healthy_run() {
    assert_snapshot!(written(&healthy()), @"");
}

#[test]
fn failures_have_message_place_and_outputs() {
    let xml = written(&blocked());
    let end = xml.find("node1 reaches node3").unwrap();
    assert_snapshot!(&xml[..end], @"");
}

#[test]
fn excluded_nodes_are_accounted_for() {
    let xml = written(&not_ready());
    assert_snapshot!(xml, @"");
}

#[test]
fn a_failed_setup_stands_first() {
    let xml = written(&setup_failed());
    let end = xml.find("node1 reaches node2").unwrap();
    assert_snapshot!(&xml[..end], @"");
}

#[test]
fn interrupted_cases_are_skipped_and_the_run_is_errored() {
    assert_snapshot!(written(&interrupted()), @"");
}

#[test]
fn what_is_left_behind_is_an_errored_testcase() {
    let xml = written(&left_behind());
    let start = xml.find("node3 reaches node3").unwrap();
    assert_snapshot!(&xml[start..], @"");
}

#[test]
fn no_connection_is_a_whole_report() {
    assert_snapshot!(written(&unreachable()), @"");
}

#[test]
fn hostile_output_stays_text() {
    let xml = written(&hostile());
    let end = xml.find("node1 reaches node2").unwrap();
    assert_snapshot!(&xml[..end], @"");
}

#[test]
fn flaky_and_warned_cases_are_passed_ones() {
    let xml = written(&mixed());
    let start = xml.find("<testsuite name=\"mtu\"").unwrap();
    assert_snapshot!(&xml[start..], @"");
}

#[test]
fn the_report_is_whole_when_the_verdict_is_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junit.xml");
    let mut junit = Junit::new(&path).unwrap();
    let mut verdict = Verdict::default();
    let events = left_behind().events;
    let until = events
        .iter()
        .position(|event| matches!(event.kind, EventKind::VerdictReached { .. }))
        .unwrap();
    for event in &events[..=until] {
        assert!(
            fs::read_to_string(&path)
                .unwrap()
                .contains("[run] did not finish"),
            "a kill before the verdict leaves the placeholder"
        );
        verdict.apply(event);
        junit.event(event, &verdict).unwrap();
    }
    let report = Report::deserialize_from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!((report.tests, report.errors), (9, 0));
}

#[test]
fn a_run_that_breaks_off_is_errored() {
    let mut story = healthy();
    story.events.truncate(7);
    let report = Report::deserialize_from_str(&written(&story)).unwrap();
    assert_eq!((report.tests, report.errors), (2, 1));
}

#[test]
fn names_are_unique_even_after_sanitising() {
    let mut story = Story::overlay();
    for (cell, name) in ["a\u{1}", "a\u{2}", "[setup]"].into_iter().enumerate() {
        let id = id(overlay(), 0, cell, name);
        story = story.add(EventKind::CaseFinished(result(id, Outcome::Passed, None)));
    }
    let story = story
        .problem(Some(overlay()), Stage::Setup, Explanation::new("a"))
        .problem(Some(overlay()), Stage::Setup, Explanation::new("b"))
        .done();
    let report = Report::deserialize_from_str(&written(&story)).unwrap();
    let names: Vec<_> = report.test_suites[0]
        .test_cases
        .iter()
        .map(|case| case.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "[setup]",
            "[setup] (2)",
            "a\u{fffd}",
            "a\u{fffd} (2)",
            "[setup] (3)"
        ]
    );
}

#[test]
fn xmllint_takes_every_report() {
    if Command::new("xmllint").arg("--version").output().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (number, story) in stories().iter().enumerate() {
        let path = folder.path().join(format!("{number}.xml"));
        fs::write(&path, written(story)).unwrap();
        let output = Command::new("xmllint")
            .arg("--noout")
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "story {number}: {output:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_reads_back(raw in any::<String>(), name in any::<String>()) {
        let why = Explanation {
            details: vec![detail("stdout", &raw)],
            ..Explanation::new(raw.clone())
        };
        let id = id(overlay(), 0, 0, &name);
        let story = Story::overlay()
            .add(EventKind::CaseFinished(result(id, Outcome::Failed, Some(why))))
            .done();
        let report = Report::deserialize_from_str(&written(&story)).unwrap();
        let case = &report.test_suites[0].test_cases[0];
        // quick-junit's reader trims, and takes tabs out
        let clean = crate::report::sanitize::text(&raw).replace('\t', "");
        prop_assert_eq!(case.name.as_str(), crate::report::sanitize::line(&name));
        prop_assert_eq!(case.system_out.as_deref().unwrap_or_default(), clean.trim());
        let TestCaseStatus::NonSuccess { description, .. } = &case.status else {
            panic!("it failed");
        };
        let description = description.as_deref().unwrap_or_default();
        prop_assert!(description.starts_with(clean.trim()));
    }
}
