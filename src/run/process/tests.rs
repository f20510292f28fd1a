//! Real programs, each bounded: what they answer, and that nothing of them is left.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::{Finished, ProcessError, ProcessLimits, Program, run};
use crate::matcher::{Judge, OutputExpectation, Verdict};
use crate::output::Intake;

/// A number that no other `sleep` has, so that it can be found in `/proc`.
fn nap() -> String {
    let unique = uuid::Uuid::new_v4().as_u128() % 1_000_000_000_000;
    format!("60.{unique:012}")
}

fn sh(script: &str) -> Program {
    Program {
        program: "sh".to_owned(),
        args: vec!["-c".to_owned(), script.to_owned()],
        ..Program::default()
    }
}

fn within(millis: u64) -> ProcessLimits {
    ProcessLimits {
        timeout: Duration::from_millis(millis),
        stdout: Intake::keep(64 * 1024),
        stderr: Intake::keep(64 * 1024),
    }
}

async fn finish(program: Program) -> Finished {
    run(program, within(20_000), &CancellationToken::new())
        .await
        .unwrap()
}

/// Runs into the time-out; gives back stdout.
async fn time_out(script: &str, millis: u64) -> String {
    let ended = run(sh(script), within(millis), &CancellationToken::new()).await;
    match ended {
        Err(ProcessError::TimedOut { stdout, after, .. }) => {
            assert_eq!(after, Duration::from_millis(millis));
            stdout
        }
        other => panic!("{other:?}"),
    }
}

/// The living processes with `needle` in their command line, other than this one.
fn living(needle: &str) -> Vec<String> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let folder: PathBuf = entry.ok()?.path();
            let words = fs::read(folder.join("cmdline")).ok()?;
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            words.contains(needle).then_some(words)
        })
        .collect()
}

fn assert_gone(needle: &str) {
    assert_eq!(living(needle), Vec::<String>::new());
}

#[tokio::test]
async fn a_program_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = sh("pwd; echo $WORD; cat; echo oops >&2; exit 3");
    program.cwd = Some(folder.path().to_owned());
    program.env.insert("WORD".to_owned(), "a b".to_owned());
    program.stdin = Some(b"given".to_vec());
    let finished = finish(program).await;
    assert_eq!(finished.exit, Exit::Code(3));
    assert_eq!(finished.exit.to_string(), "exit code 3");
    let folder = folder.path().canonicalize().unwrap();
    let expected = format!("{}\na b\ngiven", folder.display());
    assert_eq!(finished.stdout, expected.as_str().into());
    assert_eq!(finished.stderr, "oops\n".into());
    assert_eq!(finished.strays, 0);
}

#[tokio::test]
async fn a_signal_is_an_answer() {
    let finished = finish(sh("kill -KILL $$")).await;
    assert_eq!(finished.exit, Exit::Signal(9));
    assert_eq!(finished.exit.code(), 137);
    assert_eq!(finished.exit.to_string(), "signal 9 (SIGKILL)");
}

#[tokio::test]
async fn without_stdin_there_is_nothing_to_read() {
    assert_eq!(finish(sh("cat; echo end")).await.stdout, "end\n".into());
}

#[tokio::test]
async fn stdin_that_nobody_reads_blocks_nothing() {
    for script in ["exit 4", "exec <&-; sleep 0.2; exit 4", "sleep 0.2; exit 4"] {
        let mut program = sh(script);
        program.stdin = Some(vec![b'x'; 1024 * 1024]);
        assert_eq!(finish(program).await.exit, Exit::Code(4), "{script}");
    }
}

#[tokio::test]
async fn stdin_and_output_flow_side_by_side() {
    let mut program = sh("cat");
    program.stdin = Some(vec![b'x'; 8 * 1024 * 1024]);
    let finished = finish(program).await;
    assert_eq!(finished.exit, Exit::Code(0));
    assert_eq!(finished.stdout.left_out(), 8 * 1024 * 1024 - 64 * 1024);
}

#[tokio::test]
async fn any_bytes_may_come() {
    let finished = finish(sh(r"printf 'a\377\000b'")).await;
    assert_eq!(finished.stdout, "a\u{fffd}\0b".into());
}

#[tokio::test]
async fn a_flood_is_bounded() {
    let finished = finish(sh("head -c 30000000 /dev/zero; echo end; echo e >&2")).await;
    assert_eq!(finished.stdout.left_out(), 30_000_004 - 64 * 1024);
    assert!(finished.stdout.shown().ends_with("\0end\n"));
    assert_eq!(finished.stderr, "e\n".into());
    let printed = time_out("yes", 300).await;
    assert!(printed.len() < 65 * 1024, "{}", printed.len());
    assert!(printed.contains("bytes left out"));
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    fs::write(&script, "#!/no/such/shell\n").unwrap();
    let cause = async |program: &str, cwd: Option<&str>| {
        let program = Program {
            program: program.to_owned(),
            cwd: cwd.map(PathBuf::from),
            ..Program::default()
        };
        let ended = run(program, within(1000), &CancellationToken::new()).await;
        let error = ended.unwrap_err();
        assert!(error.is_environment());
        match error {
            ProcessError::NotStarted { cause, .. } => cause,
            other => panic!("{other:?}"),
        }
    };
    let name = "no-such-program";
    assert_eq!(cause(name, None).await, "there is no such program in PATH");
    assert_eq!(cause("./no", Some("/")).await, "there is no such file");
    assert_eq!(cause("sh", Some("/no/a")).await, "there is no folder /no/a");
    let script = script.to_str().unwrap();
    assert_eq!(cause(script, None).await, "it may not be executed");
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(script, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(
        cause(script, None).await,
        "the interpreter that its first line names does not exist"
    );
}

#[tokio::test]
async fn a_time_out_ends_children_too() {
    let nap = nap();
    let begun = Instant::now();
    assert_eq!(time_out(&format!("echo; sleep {nap}"), 1000).await, "\n");
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_gone(&nap);
}

#[tokio::test]
async fn who_ignores_term_is_killed() {
    let nap = nap();
    let script = format!("trap '' TERM; sleep {nap} & sleep {nap}");
    let begun = Instant::now();
    time_out(&script, 300).await;
    assert!(begun.elapsed() > Duration::from_millis(2300));
    assert!(begun.elapsed() < Duration::from_millis(6000));
    assert_gone(&nap);
}

#[tokio::test]
async fn who_cleans_up_at_term_is_let() {
    let script = "trap 'sleep 0.3; echo bye; exit 0' TERM; echo hi; while :; do sleep 0.05; done";
    let begun = Instant::now();
    assert_eq!(time_out(script, 300).await, "hi\nbye\n");
    assert!(begun.elapsed() < Duration::from_millis(2300));
}

#[tokio::test]
async fn who_is_stopped_is_ended() {
    let begun = Instant::now();
    time_out("kill -STOP $$", 300).await;
    assert!(begun.elapsed() < Duration::from_millis(2300));
}

#[tokio::test]
async fn who_left_the_group_is_ended() {
    for detached in [
        "setsid sleep NAP",
        "setsid sleep NAP >/dev/null 2>&1",
        // Known by the pipe alone, then by the parent alone.
        "setsid env -i sleep NAP",
        "sh -c 'exec setsid env -i sleep NAP >/dev/null 2>&1; :'",
        "setsid sh -c 'env -i sleep NAP >/dev/null 2>&1; :'",
    ] {
        let nap = nap();
        let script = format!("{detached} & sleep NAP").replace("NAP", &nap);
        time_out(&script, 400).await;
        assert_gone(&nap);
    }
}

#[tokio::test]
async fn the_background_is_ended_with_the_program() {
    for (background, strays) in [
        ("sleep NAP &", 1),
        ("sleep NAP >/dev/null 2>&1 &", 1),
        (
            "setsid sh -c 'echo $$ >pid; exec sleep NAP' & while ! [ -s pid ]; do :; done;",
            1,
        ),
        ("sleep NAP & sleep NAP &", 2),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let nap = nap();
        let mut program = sh(&format!("{background} echo hi").replace("NAP", &nap));
        program.cwd = Some(folder.path().to_owned());
        let begun = Instant::now();
        let finished = run(program, within(10_000), &CancellationToken::new())
            .await
            .unwrap();
        assert!(begun.elapsed() < Duration::from_secs(2), "{background}");
        assert_eq!(finished.exit, Exit::Code(0));
        assert_eq!(finished.stdout, "hi\n".into());
        assert_eq!(finished.strays, strays, "{background}");
        assert_gone(&nap);
    }
}

#[tokio::test]
async fn a_background_flood_does_not_hold_the_result() {
    let begun = Instant::now();
    let finished = finish(sh("yes & echo hi >&2")).await;
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(finished.stderr, "hi\n".into());
    assert_eq!(finished.strays, 1);
}

#[tokio::test]
async fn cancelled_is_not_timed_out() {
    let nap = nap();
    let cancel = CancellationToken::new();
    let program = sh(&format!("echo hi; sleep {nap}"));
    let (ended, ()) = tokio::join!(run(program.clone(), within(20_000), &cancel), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    });
    match ended {
        Err(ProcessError::Cancelled { stdout, .. }) => assert_eq!(stdout, "hi\n"),
        other => panic!("{other:?}"),
    }
    assert_gone(&nap);
    // Once cancelled, nothing starts.
    let ended = run(program, within(20_000), &cancel).await;
    assert!(matches!(ended, Err(ProcessError::Cancelled { stdout, .. }) if stdout.is_empty()));
}

#[tokio::test]
async fn a_dropped_future_leaves_nothing() {
    let nap = nap();
    let script = format!("trap '' TERM; setsid sleep {nap} & sleep {nap}");
    let cancel = CancellationToken::new();
    let running = run(sh(&script), within(20_000), &cancel);
    let ended = tokio::time::timeout(Duration::from_millis(400), running).await;
    assert!(ended.is_err());
    // KILL is on its way when the drop returns; the kernel may need a moment.
    let begun = Instant::now();
    while !living(&nap).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(2));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_side_by_side_do_not_end_each_other() {
    let nap = nap();
    let cancel = CancellationToken::new();
    let endless = sh(&format!("setsid sleep {nap} & sleep {nap}"));
    let runs = (0..12).map(|number| {
        let (endless, cancel) = (endless.clone(), cancel.clone());
        tokio::spawn(async move {
            if number % 2 == 0 {
                let ended = run(endless, within(200 + number * 20), &cancel).await;
                assert!(matches!(ended, Err(ProcessError::TimedOut { .. })));
            } else {
                let script = "for i in 1 2 3 4 5 6; do sleep 0.1; done; echo ok";
                let finished = run(sh(script), within(20_000), &cancel).await.unwrap();
                assert_eq!(finished.stdout, "ok\n".into());
                assert_eq!(finished.exit, Exit::Code(0));
            }
        })
    });
    for ended in futures::future::join_all(runs).await {
        ended.unwrap();
    }
    assert_gone(&nap);
}

/// A text anywhere in an output of any length.
#[tokio::test]
async fn what_a_program_prints_is_looked_through_whole() {
    let absent = |text: &str| {
        let expectation = OutputExpectation {
            absent: vec![text.to_owned()],
            ..OutputExpectation::default()
        };
        Judge::new(expectation).unwrap()
    };
    let judge = absent("the needle");
    let lengths = [0, 1, 65_530, 524_283, 1_048_576, 3_000_001, 20_000_000];
    for (number, length) in lengths.into_iter().enumerate() {
        let before = uuid::Uuid::new_v4().as_u128() as usize % (length + 1);
        let mut stdin = vec![b'x'; before];
        stdin.extend_from_slice(b"the needle");
        stdin.resize(stdin.len() + length - before, b'\n');
        let mut program = sh(if number % 2 == 0 { "cat" } else { "cat >&2" });
        program.stdin = Some(stdin);
        let limits = ProcessLimits {
            timeout: Duration::from_secs(60),
            stdout: Intake::default().looking_for(judge.look()),
            stderr: Intake::default().looking_for(judge.look()),
        };
        let finished = run(program, limits, &CancellationToken::new())
            .await
            .unwrap();
        let (with, without) = match number % 2 {
            0 => (finished.stdout, finished.stderr),
            _ => (finished.stderr, finished.stdout),
        };
        let verdict = judge.judge("it", &with).unwrap();
        assert_eq!(verdict.wrong.len(), 1, "{before} of {length}: {verdict:?}");
        assert_eq!(judge.judge("it", &without).unwrap(), Verdict::default());
    }
}
