//! The report for people, as snapshots.

use insta::assert_snapshot;

use super::*;
use crate::report::human::{Human, HumanOptions};
use crate::report::style::{Color, Verbosity};

fn told(story: &Story, options: HumanOptions) -> String {
    let output = Shared::default();
    story
        .tell(&mut Human::new(output.clone(), options))
        .unwrap();
    output.text()
}

fn plain(story: &Story) -> String {
    told(story, HumanOptions::default())
}

fn quiet(story: &Story) -> String {
    let verbosity = Verbosity::Quiet;
    told(
        story,
        HumanOptions {
            verbosity,
            ..HumanOptions::default()
        },
    )
}

#[test]
fn a_healthy_cluster_has_nothing_between_the_frame_lines() {
    let options = HumanOptions {
        junit: Some("out/junit.xml".into()),
        ..HumanOptions::default()
    };
    assert_snapshot!(told(&healthy(), options), @"");
}

#[test]
fn each_failed_pair_has_its_line_and_its_details() {
    assert_snapshot!(plain(&blocked()), @"");
}

#[test]
fn a_node_without_a_pod_is_told_for_each_pair() {
    assert_snapshot!(plain(&not_ready()), @"");
}

#[test]
fn a_failed_setup_is_told_once() {
    assert_snapshot!(plain(&setup_failed()), @"");
}

#[test]
fn an_interrupt_says_what_was_not_tried() {
    assert_snapshot!(plain(&interrupted()), @"");
}

#[test]
fn leftovers_are_named_with_what_to_do() {
    assert_snapshot!(plain(&left_behind()), @"");
}

#[test]
fn no_connection_is_told_before_anything() {
    assert_snapshot!(plain(&unreachable()), @"");
}

#[test]
fn hostile_output_can_forge_no_line() {
    assert_snapshot!(plain(&hostile()), @"");
}

#[test]
fn suites_side_by_side_do_not_mix() {
    assert_snapshot!(plain(&mixed()), @"");
}

#[test]
fn quiet_tells_only_what_did_not_pass() {
    assert_snapshot!(quiet(&healthy()), @"");
    assert_snapshot!(quiet(&mixed()), @"");
    assert_snapshot!(quiet(&not_ready()), @"");
}

#[test]
fn colours_are_there_only_when_asked_for() {
    for story in stories() {
        assert!(!plain(&story).contains('\u{1b}'));
    }
    let options = HumanOptions {
        color: Color::Ansi,
        ..HumanOptions::default()
    };
    let colored = told(&blocked(), options);
    let stripped = anstream::adapter::strip_str(&colored).to_string();
    assert_ne!(colored, stripped);
    assert_eq!(stripped, plain(&blocked()));
}

#[test]
fn a_run_that_breaks_off_is_errored() {
    let mut story = healthy();
    // the setup, and one case
    story.events.truncate(7);
    assert_snapshot!(plain(&story), @"");
}

#[test]
fn a_long_output_is_cut_in_the_middle_and_many_cases_at_the_end() {
    let lines: Vec<_> = (0..100).map(|line| format!("line {line}")).collect();
    let mut story = Story::overlay();
    for cell in 0..25 {
        let why = Explanation {
            details: vec![detail("stdout", &lines.join("\n"))],
            ..Explanation::new("exit is 1")
        };
        let id = id(overlay(), 0, cell, &format!("cell {cell}"));
        story = story.add(EventKind::CaseFinished(result(
            id,
            Outcome::Failed,
            Some(why),
        )));
    }
    let text = plain(&story.done());
    assert!(text.contains("    | line 14\n    … 70 lines left out …\n    | line 85\n"));
    assert!(text.contains("  … and 5 more, with their details in the reports\n"));
    assert!(
        text.contains("\ncell 24: exit is 1\n=> End"),
        "the frame has all of them"
    );
}

#[test]
fn errored_cases_share_a_line_only_when_there_are_many() {
    let story = |cells| {
        let mut story = Story::overlay();
        for cell in 0..cells {
            let id = id(overlay(), 0, cell, &format!("cell {cell}"));
            let why = Some(Explanation::new("no usable pod"));
            story = story.add(EventKind::CaseFinished(result(id, Outcome::Errored, why)));
        }
        plain(&story.done())
    };
    assert_eq!(story(10).matches("errored: no usable pod\n").count(), 10);
    assert_eq!(story(11).matches("errored: no usable pod\n").count(), 1);
    assert!(story(11).contains("\nall 11 cases errored: no usable pod\n"));
}
