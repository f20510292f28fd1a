//! What is on the way to a cluster: credential plugins that hang, kubeconfigs that can be read only
//! once, further clusters that are away.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::api_server::{kubeconfig, serve};
use crate::support::Kubeproof;
use crate::support::server::free_address;
use crate::verbs::suite;

/// Long enough for a program that is asked to end to do so on a machine with much to do.
const SOON: Duration = Duration::from_secs(15);

/// A kubeconfig whose plugin hangs, and writes the time to `alive` from a process of its own.
fn hanging() -> String {
    let user = "{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ./plugin}}";
    kubeconfig("http://127.0.0.1:1").replace("user: {}", &format!("user: {user}"))
}

const PLUGIN: &str = "#!/bin/sh
(while :; do date +%s%N > alive.new; mv alive.new alive; sleep 0.05; done) &
trap '' TERM INT
while :; do sleep 1; done
";

fn with_plugin(args: &[&str]) -> Kubeproof {
    let program = Kubeproof::new(args)
        .file("here.yaml", &hanging())
        .file("suite.yaml", &trivial())
        .file("plugin", PLUGIN);
    let mode = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(program.path("plugin"), mode).expect("a mode");
    program
}

fn trivial() -> String {
    suite(
        "
  namespace: none
  cases:
    - name: a
      steps:
        - get: {raw: /readyz}
",
    )
}

/// Nothing of the plugin goes on.
#[track_caller]
fn assert_ended(alive: &Path) {
    let read = || std::fs::read_to_string(alive).unwrap_or_default();
    let last = read();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(read(), last, "the plugin goes on");
}

#[test]
fn a_plugin_that_hangs_ends_with_the_run() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let program = with_plugin(&["run", "suite.yaml", "--kubeconfig", "here.yaml"]);
        let alive = program.path("alive");
        let mut running = program.start();
        running.until_file("alive");
        let begun = Instant::now();
        running.signal(signal);
        let run = running.finish();
        run.assert_code(code);
        assert!(begun.elapsed() < SOON, "{run}");
        assert_ended(&alive);
    }
}

#[test]
fn a_plugin_that_hangs_ends_at_the_deadline_of_the_run() {
    let program = with_plugin(&[
        "run",
        "suite.yaml",
        "--kubeconfig",
        "here.yaml",
        "--timeout",
        "2s",
    ]);
    let alive = program.path("alive");
    let run = program.run();
    run.assert_code(3);
    assert!(run.took < SOON, "{run}");
    assert_ended(&alive);
}

#[test]
fn a_plugin_that_hangs_ends_with_a_cleanup() {
    let program = with_plugin(&["cleanup", "--all", "--yes", "--kubeconfig", "here.yaml"]);
    let alive = program.path("alive");
    let mut running = program.start();
    running.until_file("alive");
    running.signal("INT");
    running.finish().assert_code(130);
    assert_ended(&alive);
}

#[test]
fn all_that_a_failing_plugin_says_is_in_the_report() {
    let run = with_plugin(&["run", "suite.yaml", "--kubeconfig", "here.yaml"])
        .file("plugin", "#!/bin/sh\necho 'the session is over:' >&2\necho 'run: log-in' >&2\necho ')' >&2\nexit 1\n");
    let run = run.run();
    run.assert_code(3);
    for line in ["the session is over:", "run: log-in"] {
        assert!(run.stdout.contains(line), "{run}");
    }
    assert!(
        run.stdout.contains("`./plugin`") || run.stdout.contains("/plugin`"),
        "{run}"
    );
}

/// A pipe with a name; what is written to it is there once.
fn pipe(path: &Path) {
    let status = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(status.success());
}

#[test]
fn a_kubeconfig_that_is_a_pipe_is_read_once_for_all_who_need_it() {
    let address = free_address();
    serve(address);
    let steps = suite(
        r#"
  namespace: none
  cases:
    - name: a
      steps:
        - get: {raw: /readyz}
        - script: grep -q current-context "$KUBECONFIG"
        - script: cat "$KUBECONFIG"; exit 1
"#,
    );
    let program =
        Kubeproof::new(&["run", "suite.yaml", "--kubeconfig", "pipe"]).file("suite.yaml", &steps);
    let path = program.path("pipe");
    pipe(&path);
    let text = kubeconfig(&format!("http://{address}"))
        .replace("user: {}", "user: {token: hunter2-token}");
    let writer = std::thread::spawn(move || {
        let mut pipe = std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .expect("a reader");
        pipe.write_all(text.as_bytes()).expect("it is read");
    });
    let run = program.run();
    writer.join().expect("it was read");
    run.assert_code(1);
    assert!(run.stdout.contains("token: ***"), "{run}");
    assert!(!run.stdout.contains("hunter2"), "{run}");
    assert!(run.took < Duration::from_secs(60), "{run}");
}

#[test]
fn a_kubeconfig_that_nobody_writes_does_not_hold_back_a_signal() {
    let program = Kubeproof::new(&[
        "run",
        "suite.yaml",
        "--kubeconfig",
        "pipe",
        "--json",
        "events.json",
    ])
    .file("suite.yaml", &trivial());
    pipe(&program.path("pipe"));
    let running = program.start();
    std::thread::sleep(Duration::from_secs(1));
    let begun = Instant::now();
    running.signal("TERM");
    let run = running.finish();
    run.assert_code(143);
    assert!(begun.elapsed() < SOON, "{run}");
}

/// A suite with a case here and one in each of two further clusters.
fn in_further_clusters() -> String {
    suite(
        "
  clusters: {near: {}, far: {}}
  namespace: none
  cases:
    - name: here
      steps:
        - get: {raw: /readyz}
    - name: near
      cluster: near
      steps:
        - get: {raw: /readyz}
    - name: far
      steps:
        - get: {raw: /readyz}
          cluster: far
",
    )
}

#[test]
fn a_further_cluster_that_is_away_costs_only_what_is_done_in_it() {
    let (here, near) = (free_address(), free_address());
    serve(here);
    serve(near);
    let away = free_address();
    let run = Kubeproof::new(&[
        "run",
        "suite.yaml",
        "--kubeconfig",
        "here.yaml",
        "--cluster",
        "near=near.yaml",
        "--cluster",
        "far=far.yaml:here",
    ])
    .file("suite.yaml", &in_further_clusters())
    .file("here.yaml", &kubeconfig(&format!("http://{here}")))
    .file("near.yaml", &kubeconfig(&format!("http://{near}")))
    .file("far.yaml", &kubeconfig(&format!("http://{away}")))
    .run();
    run.assert_code(3);
    let cause = format!(
        "there is no connection to the cluster far, which is made before the suite's first step: \
         cannot reach the API server http://{away}: connection refused"
    );
    assert!(run.stdout.contains(&cause), "{run}");
    assert!(
        run.stdout.contains("2 passed") && run.stdout.contains("1 errored"),
        "{run}"
    );
}

/// Takes connections, and says nothing.
fn silent() -> (TcpListener, PathBuf) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, PathBuf::from(format!("http://{address}")))
}

#[test]
fn further_clusters_that_hang_are_waited_for_side_by_side_and_not_after_a_cancel() {
    let here = free_address();
    serve(here);
    let (near, far) = (silent(), silent());
    let program = Kubeproof::new(&[
        "run",
        "suite.yaml",
        "--kubeconfig",
        "here.yaml",
        "--json",
        "events.json",
        "--cluster",
        "near=near.yaml",
        "--cluster",
        "far=far.yaml",
    ])
    .file("suite.yaml", &in_further_clusters())
    .file("here.yaml", &kubeconfig(&format!("http://{here}")))
    .file("near.yaml", &kubeconfig(&near.1.to_string_lossy()))
    .file("far.yaml", &kubeconfig(&far.1.to_string_lossy()));
    let mut running = program.start();
    running.until_event("\"connected\"");
    let begun = Instant::now();
    for (listener, _) in [&near, &far] {
        listener.accept().expect("a connection");
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "one after another"
    );
    let begun = Instant::now();
    running.signal("INT");
    let run = running.finish();
    run.assert_code(130);
    assert!(begun.elapsed() < Duration::from_secs(8), "{run}");
}
