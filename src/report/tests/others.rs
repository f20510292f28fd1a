//! Progress, JSON and the fan-out.

use insta::assert_snapshot;
use serde_json::Value;

use super::*;
use crate::report::json::Json;
use crate::report::progress::Progress;
use crate::report::style::{Color, Verbosity};
use crate::report::{ReporterError, Reporters};

fn progress(story: &Story, verbosity: Verbosity) -> String {
    let output = Shared::default();
    let mut progress = Progress::plain(output.clone(), Color::Plain, verbosity);
    story.tell(&mut progress).unwrap();
    output.text()
}

#[test]
fn plain_progress_names_stages_and_not_cases() {
    assert_snapshot!(progress(&interrupted(), Verbosity::Normal), @r"
    kubeconfig  ~/.kube/config
    context     prod
    server      https://10.0.0.1:6443 (v1.34.4)
    user        admin
    nodes       3 of 3 ready
    overlay: network overlay test
    overlay: [setup] wait daemonset/overlaytest
    stopping: interrupted (SIGINT)
    overlay: 9 cases done, 6 not passed, in 2.8 s
    ");
}

#[test]
fn what_is_waited_for_is_told_before_the_cluster() {
    let what = "1 of 2 nodes are ready: node2: it has not reported yet".to_owned();
    let story = Story::default()
        .add(EventKind::Awaiting { what })
        .connected()
        .problem(
            None,
            Stage::Permissions,
            Explanation::new("the user ci may not create pods: the suite a needs it"),
        )
        .verdict_reached()
        .run_finished();
    assert_snapshot!(progress(&story, Verbosity::Normal), @"
    waiting: 1 of 2 nodes are ready: node2: it has not reported yet
    kubeconfig  ~/.kube/config
    context     prod
    server      https://10.0.0.1:6443 (v1.34.4)
    user        admin
    nodes       3 of 3 ready
    ");
    assert_eq!(progress(&story, Verbosity::Quiet), "");
}

#[test]
fn verbose_progress_names_cases_and_quiet_nothing() {
    let verbose = progress(&healthy(), Verbosity::Verbose);
    assert!(
        verbose.contains("\npassed node1 reaches node1 (1.2 s)\n"),
        "{verbose}"
    );
    assert_eq!(progress(&healthy(), Verbosity::Quiet), "");
    assert_eq!(
        progress(&interrupted(), Verbosity::Quiet),
        "stopping: interrupted (SIGINT)\n"
    );
}

#[test]
fn json_is_one_event_per_line_with_its_schema() {
    for story in stories() {
        let output = Shared::default();
        story
            .tell(&mut Json::new("events", output.clone()))
            .unwrap();
        let text = output.text();
        assert_eq!(text.lines().count(), story.events.len());
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["schema"], 1);
            assert!(event["event"].is_string() && event["time"].is_string());
        }
    }
    let output = Shared::default();
    Story::begun(vec![overlay()])
        .tell(&mut Json::new("events", output.clone()))
        .unwrap();
    assert_snapshot!(output.text(), @r#"
    {"schema":1,"time":"2026-11-23T10:00:00Z","event":"run-started","run":"k7q2","version":"0.1.0","cleanup":"kubeproof cleanup --run k7q2","suites":[{"index":0,"name":"overlay"}]}
    "#);
}

fn finish(reporters: &mut Reporters, verdict: &Verdict) -> Vec<ReporterError> {
    let patience = || Duration::from_secs(60);
    (0..reporters.count())
        .filter_map(|index| reporters.finish(index, verdict, &patience))
        .collect()
}

/// Fails from the second event on, like a pipe that nobody reads any more.
struct Broken {
    told: usize,
}

impl Reporter for Broken {
    fn name(&self) -> &str {
        "broken report"
    }

    fn event(&mut self, _event: &Event, _verdict: &Verdict) -> io::Result<()> {
        self.told += 1;
        if self.told < 2 {
            Ok(())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    fn finish(&mut self, _verdict: &Verdict) -> io::Result<()> {
        panic!("it was dropped")
    }
}

#[test]
fn a_reporter_that_fails_is_named_once_and_the_others_go_on() {
    let output = Shared::default();
    let mut reporters = Reporters::new();
    reporters.push(Broken { told: 0 });
    reporters.push(Json::new("events", output.clone()));
    let mut verdict = Verdict::default();
    let mut errors: Vec<ReporterError> = Vec::new();
    let story = healthy();
    for event in &story.events {
        verdict.apply(event);
        errors.extend(reporters.event(event, &verdict));
    }
    errors.extend(finish(&mut reporters, &verdict));
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].to_string(), "failed to write the broken report");
    assert_eq!(errors[0].source.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(output.text().lines().count(), story.events.len());
}

/// Panics when the run is over.
struct Panicking;

impl Reporter for Panicking {
    fn name(&self) -> &str {
        "panicking report"
    }

    fn event(&mut self, event: &Event, _verdict: &Verdict) -> std::io::Result<()> {
        match event.kind {
            EventKind::VerdictReached { .. } => panic!("as was asked for"),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, _verdict: &Verdict) -> std::io::Result<()> {
        unreachable!("it is not asked again")
    }
}

#[test]
fn a_report_that_panics_is_dropped_and_the_others_go_on() {
    let output = Shared::default();
    let mut reporters = Reporters::new();
    reporters.push(Panicking);
    reporters.push(Json::new("events", output.clone()));
    let story = healthy();
    let mut errors: Vec<ReporterError> = Vec::new();
    let mut verdict = Verdict::default();
    for event in &story.events {
        verdict.apply(event);
        errors.extend(reporters.event(event, &verdict));
    }
    errors.extend(finish(&mut reporters, &verdict));
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["failed to write the panicking report"]);
    assert_eq!(output.text().lines().count(), story.events.len());
}

#[test]
fn steps_are_told_to_who_wants_to_hear_everything() {
    let case = id(overlay(), 0, 0, "node1 reaches node2");
    let story = Story::overlay()
        .add(EventKind::StepStarted {
            case: case.clone(),
            step: "DNS answers".to_owned(),
        })
        .add(EventKind::StepFinished {
            case,
            step: "DNS answers".to_owned(),
            outcome: Outcome::Failed,
            took: Duration::from_millis(300),
        });
    let verbose = progress(&story, Verbosity::Verbose);
    assert!(
        verbose.ends_with(
            "step node1 reaches node2: DNS answers\n\
             step failed node1 reaches node2: DNS answers (0.3 s)\n"
        ),
        "{verbose}"
    );
    assert!(!progress(&story, Verbosity::Normal).contains("DNS"));
}
