//! Where reports go: what a path leads to, and what cannot go to one place.
//!
//! What stdout and stderr lead to is named by links of a test's own folder, never by those of the
//! machine: a program that replaced them would do so for everybody.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::reports::{PASSES, mkfifo, on_server};
use crate::support::Kubeproof;

/// Fails, and prints what commands CI systems.
const COMMANDS: &str = r###"
  namespace: none
  cases:
    - name: commands
      steps: [{script: "echo '::error::of a pod'; echo '##vso[task.complete]'; exit 1"}]
"###;

/// With links to its stdout and stderr, as `/dev/stdout` and `/dev/stderr` are.
fn with_links(program: Kubeproof) -> Kubeproof {
    symlink("/proc/self/fd/1", program.path("stdout")).expect("a link");
    symlink("/proc/self/fd/2", program.path("stderr")).expect("a link");
    program
}

fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

fn is_events(text: &str) -> bool {
    let mut lines = text.lines().map(serde_json::from_str::<serde_json::Value>);
    lines.clone().all(|line| line.is_ok())
        && lines
            .next_back()
            .is_some_and(|line| line.is_ok_and(|it| it["event"] == "run-finished"))
}

fn is_junit(text: &str) -> bool {
    text.starts_with("<?xml")
        && text.matches("<?xml").count() == 1
        && text.trim_end().ends_with("</testsuites>")
        && text.contains("name=\"passes\"")
}

#[test]
fn what_leads_to_stdout_is_stdout() {
    for path in ["stdout", "/proc/self/fd/1", "/dev/fd/1", "log"] {
        for option in ["--junit", "--json"] {
            let program = with_links(on_server(&[option, path], PASSES));
            let run = program.stdout_to("log").run();
            run.assert_code(0);
            run.assert_stderr("PASSED: 1 passed");
            assert!(is_link(&run.path("stdout")), "{path}");
            let log = run.read("log");
            match option {
                "--junit" => assert!(is_junit(&log), "{path}: {log}"),
                _ => assert!(is_events(&log), "{path}: {log}"),
            }
        }
    }
}

#[test]
fn what_leads_to_stderr_is_stderr() {
    for path in ["stderr", "/proc/self/fd/2", "log"] {
        let program = with_links(on_server(&["--json", path], PASSES));
        let run = program.stderr_to("log").run();
        run.assert_code(0);
        assert!(is_link(&run.path("stderr")), "{path}");
        assert!(run.stdout.contains("PASSED: 1 passed"), "{run}");
        // beside what goes on, and neither is written over the other
        let log = run.read("log");
        let (events, others): (Vec<_>, Vec<_>) = log.lines().partition(|it| it.starts_with('{'));
        assert!(is_events(&events.join("\n")), "{path}: {log}");
        let is_done = |line: &&str| line.starts_with("s: 1 case done, 0 not passed, in ");
        assert!(others.iter().any(is_done), "{path}: {log}");
        assert!(
            others.iter().all(|line| !line.contains('}')),
            "{path}: {log}"
        );
    }
}

#[test]
fn no_stream_takes_a_command_of_a_pod() {
    let assert_harmless = |text: &str| {
        assert!(text.contains("error::of a pod"), "{text}");
        for line in text.lines() {
            let is_command = line.trim_start().starts_with("::") || line.contains("##vso[");
            assert!(!is_command, "{line}");
        }
    };
    let run = with_links(on_server(&["--junit", "stdout"], COMMANDS)).run();
    run.assert_code(1);
    assert_harmless(&run.stdout);

    let program = on_server(&["--junit", "fifo"], COMMANDS);
    mkfifo(&program, "fifo");
    let path = program.path("fifo");
    let reader = std::thread::spawn(move || std::fs::read_to_string(path));
    program.run().assert_code(1);
    assert_harmless(&reader.join().expect("no panic").expect("a report"));
}

#[test]
fn reports_do_not_share_a_place() {
    for (arguments, words) in [
        (
            &["--junit", "same", "--json", "same"][..],
            "--junit same and --json same cannot share one file: name a file for all but one",
        ),
        (
            &["--junit", "link", "--json", "./same"][..],
            "--junit link and --json ./same cannot share one file",
        ),
        (
            &["--output", "json", "--json", "stdout"][..],
            "--json stdout and --output json cannot share stdout",
        ),
        (
            &["--junit", "-", "--json", "stderr"][..],
            "--json stderr and the report for people on stderr cannot share stderr",
        ),
    ] {
        let program = with_links(on_server(arguments, PASSES));
        symlink("same", program.path("link")).expect("a link");
        let run = program.run();
        run.assert_code(2);
        run.assert_stderr(words);
        assert!(!run.path("same").exists(), "{run}");
    }
    // who reads both finds one report in the middle of the other
    let program = on_server(&["--junit", "-"], PASSES);
    let log = File::create(program.path("log")).expect("a file");
    let run = program.output_to(log).run();
    run.assert_code(2);
    let log = run.read("log");
    let words = "--junit - and the report for people on stderr cannot share stderr";
    assert!(log.contains(words), "{log}");
    let run = on_server(&["--junit", "/dev/null", "--json", "/dev/null"], PASSES).run();
    run.assert_code(0);
}

#[test]
fn a_report_is_lost_too_where_stdout_and_stderr_are_one() {
    for output in ["human", "json"] {
        let program = on_server(&["--output", output, "--json", "events.json"], PASSES);
        let full = File::options().write(true).open("/dev/full");
        let run = program.output_to(full.expect("a device")).run();
        run.assert_code(3);
        let told = run.events("problem");
        let told = format!("{told:?}");
        assert!(told.contains("No space left on device"), "{told}");
        // a reader that wants no more is no such loss
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let program = on_server(&["--output", output], PASSES);
        program.output_to(writer).run().assert_code(0);
    }
}

#[test]
fn clusters_have_names_of_their_own() {
    for command in [&["run", "overlay"][..], &["cleanup", "--run", "0123456789"]] {
        let twice = ["--cluster", "a=one.yaml", "--cluster", "a=other.yaml"];
        let run = Kubeproof::new(&[command, &twice].concat()).run();
        run.assert_code(2);
        run.assert_stderr("--cluster a=other.yaml: there is another --cluster of the name a");
    }
}
