//! Whatever pods, suites and servers say, no line that people are shown commands a CI system or a
//! terminal.

use proptest::prelude::*;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::report::guard::{Form, Guard, Guarded, is_command};
use crate::report::human::{Human, HumanOptions};
use crate::report::json::Json;
use crate::report::progress::Progress;
use crate::report::style::{Color, Verbosity};
use crate::secret::{Mask, MaskingWriters};

/// Pieces of commands, and of what they may hide behind.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "##[",
            "##[set-output name=a]b",
            "##vso[task.complete result=Succeeded]",
            "##teamcity[testFailed]",
            "section_start:1:a\r\u{1b}[0K",
            "section_end:1:a\r\u{1b}[0K",
            "::error file=a.yml,line=1::b",
            "::",
            "--- ",
            "+++ ",
            "~~~ ",
            "^^^ +++",
            "#",
            "[",
            "\n",
            "\r",
            "\r\n",
            " ",
            "\t",
            "\u{1b}[2J",
            "\u{1b}]0;a\u{7}",
            "\u{1b}[8m",
            "\u{202e}",
            "\u{2028}",
            "\u{200b}",
            "\u{9b}31m",
            "plain text",
        ])
        .prop_map(str::to_owned),
        "[a-z#:\\[\\]\n -]{0,6}",
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// A run in which all that can be said is.
fn story(texts: &[String]) -> Story {
    let text = |at: usize| texts[at % texts.len()].clone();
    let suite = SuiteRef {
        index: 0,
        name: text(0),
    };
    let why = |at: usize| Explanation {
        failure: at.is_multiple_of(2).then(|| text(at)),
        message: text(at + 1),
        details: vec![detail(&text(at + 2), &text(at + 3))],
        place: Some(text(at + 4)),
        step: Some(text(at + 5).into()),
    };
    let mut story = Story::begun(vec![suite.clone()])
        .add(EventKind::Awaiting { what: text(1) })
        .add(EventKind::Connected(Connection {
            kubeconfig: text(2),
            context: Some(text(3)),
            server: text(4),
            version: text(5),
            user: text(6),
            nodes: None,
        }))
        .suite(suite.clone(), &text(7))
        .add(EventKind::StageStarted {
            suite: suite.clone(),
            stage: Stage::Setup,
            step: text(8),
        })
        .add(EventKind::NodeExcluded {
            suite: suite.clone(),
            node: text(9),
            reason: text(10),
        })
        .add(EventKind::Notice { text: text(11) });
    let outcomes = [
        Outcome::Passed,
        Outcome::Failed,
        Outcome::Errored,
        Outcome::Skipped,
        Outcome::Cancelled,
    ];
    for (cell, outcome) in outcomes.into_iter().cycle().take(10).enumerate() {
        let id = id(suite.clone(), 0, cell, &text(cell));
        story = story
            .add(EventKind::StepStarted {
                case: id.clone(),
                step: text(cell + 1),
            })
            .add(EventKind::CaseRetried(CaseAttempt {
                id: id.clone(),
                attempt: 1,
                outcome: Outcome::Failed,
                took: Duration::ZERO,
                why: why(cell),
            }))
            .add(EventKind::CaseFinished(result(
                id,
                outcome,
                Some(why(cell)),
            )));
    }
    story
        .add(EventKind::Diagnosis(Diagnosis {
            suite: suite.clone(),
            message: text(12),
            remedy: Some(text(13)),
            url: Some(text(14)),
            cases: 1,
        }))
        .suite_finished(suite.clone())
        .verdict_reached()
        .problem(Some(suite.clone()), Stage::Teardown, why(15))
        .problem(None, Stage::Cleanup, why(16))
        .add(EventKind::Leftover(Leftover {
            suite: Some(suite),
            object: text(17),
            reason: text(18),
            kept: false,
        }))
        .run_finished()
}

/// As a stream of the program lets it pass.
fn guarded(output: &Shared, color: Color) -> Guarded<Shared> {
    Guarded::new(Form::Text(color), output.clone())
}

fn human(story: &Story, color: Color, verbosity: Verbosity) -> String {
    let output = Shared::default();
    let options = HumanOptions {
        color,
        verbosity,
        junit: Some("##[a]::b".into()),
    };
    let mut human = Human::new(guarded(&output, color), options);
    story.tell(&mut human).unwrap();
    output.text()
}

fn progress(story: &Story, color: Color, verbosity: Verbosity) -> String {
    let output = Shared::default();
    let mut progress = Progress::plain(guarded(&output, color), color, verbosity);
    story.tell(&mut progress).unwrap();
    output.text()
}

struct GuardedShared(Shared);

impl<'a> MakeWriter<'a> for GuardedShared {
    type Writer = Guarded<Shared>;

    fn make_writer(&'a self) -> Self::Writer {
        guarded(&self.0, Color::Plain)
    }
}

fn traced(texts: &[String]) -> String {
    let output = Shared::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(MaskingWriters::new(
            Mask::new(),
            GuardedShared(output.clone()),
        ))
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        for text in texts {
            tracing::error!("{text}");
            tracing::warn!(text, "a field");
        }
    });
    output.text()
}

fn assert_harmless(what: &str, text: &str) -> Result<(), TestCaseError> {
    for line in text.split(['\n', '\r']) {
        let plain = anstream::adapter::strip_str(line).to_string();
        for seen in [line, &plain] {
            prop_assert!(!is_command(seen), "{what}: {seen:?}");
        }
    }
    let moves = [
        "\u{1b}[2J",
        "\u{1b}[0K",
        "\u{1b}]",
        "\u{1b}[8m",
        "\u{9b}",
        "\r",
        "\u{202e}",
    ];
    for sequence in moves {
        prop_assert!(
            !text.contains(sequence),
            "{what} has {sequence:?}: {text:?}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_that_people_are_shown_commands_a_machine(
        texts in proptest::collection::vec(hostile(), 1..20),
    ) {
        let story = story(&texts);
        for color in [Color::Plain, Color::Ansi] {
            for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose] {
                assert_harmless("the report", &human(&story, color, verbosity))?;
                assert_harmless("progress", &progress(&story, color, verbosity))?;
            }
        }
        assert_harmless("tracing", &traced(&texts))?;
        // what a machine reads says the same, and a log that shows it is safe
        let output = Shared::default();
        story.tell(&mut Json::new("events", output.clone())).unwrap();
        let json = output.text();
        assert_harmless("JSON", &json)?;
        for (line, event) in json.lines().zip(&story.events) {
            let read: serde_json::Value = serde_json::from_str(line).unwrap();
            prop_assert_eq!(read, serde_json::to_value(event).unwrap());
        }
        let xml = super::junit::written(&story);
        let shown = Guard::whole(Form::Xml, &xml);
        assert_harmless("JUnit", &shown)?;
        // as a reader of XML undoes it
        let reference = regex::Regex::new("&#([0-9]+);").unwrap();
        let undone = reference.replace_all(&shown, |found: &regex::Captures<'_>| {
            char::from_u32(found[1].parse().unwrap()).unwrap().to_string()
        });
        prop_assert_eq!(undone, xml);
    }
}
