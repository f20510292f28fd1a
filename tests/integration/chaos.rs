//! What holds under any fault of the API server: a run ends in its time, a healthy cluster has
//! nothing that *failed*, the reports agree with the exit code, and whatever is left is told.
//!
//! The faults come from a proxy that drops, delays, cuts off and refuses by a seeded chance, and
//! from an API server that is killed and comes back. `ci/soak` runs the same with many seeds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::relay::{Exchange, Relay};
use crate::support::{Finished, Kubeproof, broken_cluster, healthy_cluster, kubectl, labelled};

/// Numbers that look random and are the same for the same seed (SplitMix64).
struct Chance(u64);

impl Chance {
    /// The chances of one request out of many.
    fn of(seed: u64, number: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// What becomes of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    /// It goes through.
    Through,
    /// It goes through later.
    Late(Duration),
    /// The connection ends before the server has it.
    Lost,
    /// The server has it, and its answer is lost.
    AnswerLost,
    /// The answer ends after so many bytes.
    CutOff(u64),
    /// It is refused in the server's name.
    Refused(u16),
    /// A watch is told that the server forgot that far back.
    Expired,
    /// Nothing comes, and the connection stays.
    Hangs,
}

impl Fate {
    /// About one request in eight comes to harm.
    fn of(line: &str, chance: &mut Chance) -> Self {
        let is_watch = line.contains("watch=true");
        // what such a path answers is what is asked for, a bad status too
        let is_raw = !line.contains(" /api");
        match chance.below(1000) {
            0..30 => Self::Lost,
            30..55 => Self::AnswerLost,
            55..80 => Self::CutOff(chance.below(2000)),
            80..120 if !is_raw => {
                Self::Refused([429, 500, 502, 503, 504][chance.below(5) as usize])
            }
            120..124 => Self::Hangs,
            124..200 => Self::Late(Duration::from_millis(chance.below(1500))),
            200..300 if is_watch => Self::Expired,
            300..330 if is_watch => Self::Hangs,
            _ => Self::Through,
        }
    }

    fn befall(self, exchange: Exchange) -> Option<()> {
        match self {
            Self::Through => exchange.forward(),
            Self::Late(delay) => {
                std::thread::sleep(delay);
                exchange.forward()
            }
            Self::AnswerLost => exchange.forward_cut_off(0),
            Self::CutOff(length) => exchange.forward_cut_off(length),
            Self::Lost => None,
            Self::Refused(code) => {
                let body = format!(
                    r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","code":{code},"message":"chaos {code}"}}"#
                );
                exchange.answer(code, "Retry-After: 1\r\n", &body)
            }
            Self::Expired => exchange.answer(
                200,
                "",
                concat!(
                    r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"#,
                    r#""status":"Failure","code":410,"reason":"Expired","message":"chaos 410"}}"#,
                    "\n"
                ),
            ),
            Self::Hangs => {
                exchange.hang();
                None
            }
        }
    }
}

/// A proxy before the API server that does harm until it is healed.
struct ChaosProxy {
    relay: Relay,
    harms: Arc<AtomicU64>,
    is_healed: Arc<AtomicBool>,
}

impl ChaosProxy {
    fn start(seed: u64) -> Self {
        let harms = Arc::new(AtomicU64::new(0));
        let is_healed = Arc::new(AtomicBool::new(false));
        let (counted, healed) = (Arc::clone(&harms), Arc::clone(&is_healed));
        // exec goes through it, too
        let relay = Relay::start(&["--reject-paths=^/nothing$"], move |number, exchange| {
            if healed.load(Ordering::SeqCst) {
                return exchange.forward();
            }
            let fate = Fate::of(&exchange.line, &mut Chance::of(seed, number));
            if fate != Fate::Through {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            fate.befall(exchange)
        });
        Self {
            relay,
            harms,
            is_healed,
        }
    }

    fn kubeconfig(&self) -> String {
        self.relay.kubeconfig()
    }

    fn heal(&self) {
        self.is_healed.store(true, Ordering::SeqCst);
    }
}

/// The time that a run has.
const TIMEOUT: &str = "100s";
/// The same, with the 60 s of cleanup, and what is done at once after these.
const LONGEST: Duration = Duration::from_secs(100 + 60 + 15);

/// What must hold of a run on a healthy cluster, whatever came between the two.
#[track_caller]
fn assert_true(run: &Finished, what: &str) {
    assert!(run.took < LONGEST, "{what}: took {:?}\n{run}", run.took);
    assert!([0, 3, 5].contains(&run.code), "{what}: exit code\n{run}");
    let counts = run.junit();
    assert_eq!(counts.failures, 0, "{what}\n{run}");
    assert_eq!(
        counts.errors > 0,
        run.code != 0,
        "{what}: {counts:?}\n{run}"
    );
    let told: Vec<_> = run
        .events("leftover")
        .iter()
        .map(|event| event["object"].as_str().expect("a name").to_owned())
        .collect();
    let left = labelled(&run.run_id());
    let is_told = |object: &String| {
        let (kind, name) = object.split_once('/').expect("kind/name");
        let kind = kind.split('.').next().expect("a kind");
        told.iter().any(|told| {
            // what is in a namespace that is told is told
            told.starts_with("namespace/")
                || told.split(' ').next() == Some(&format!("{kind}/{name}"))
        })
    };
    let untold: Vec<_> = left.iter().filter(|object| !is_told(object)).collect();
    assert!(untold.is_empty(), "{what}: left behind: {untold:?}\n{run}");
    if !left.is_empty() {
        let label = format!("kubeproof.dev/run={}", run.run_id());
        kubectl(&["delete", "namespaces", "--wait=false", "-l", &label]);
    }
}

/// A line for whoever runs many (`cargo test -- --nocapture`).
#[expect(clippy::print_stdout, reason = "the figures of a long run")]
fn tell(run: &Finished, what: &str) {
    let seconds = run.took.as_secs_f64();
    println!("{what}: exit code {} in {seconds:.1} s", run.code);
}

/// One run by way of the proxy.
fn through_chaos(suite: &str, seed: u64) {
    let proxy = ChaosProxy::start(seed);
    let arguments = [
        "run",
        suite,
        "--timeout",
        TIMEOUT,
        "--kubeconfig",
        "chaos.yaml",
    ];
    let run = Kubeproof::on_cluster(&arguments)
        .file("chaos.yaml", &proxy.kubeconfig())
        .run();
    proxy.heal();
    let harms = proxy.harms.load(Ordering::SeqCst);
    assert_true(&run, &format!("{suite}, seed {seed}, {harms} harms"));
    tell(&run, &format!("{suite}, seed {seed}, {harms} harms"));
}

/// One run during which the API server is killed, and comes back.
fn through_a_restart(suite: &str, seed: u64) {
    let mut chance = Chance::of(seed, 0);
    let cluster = broken_cluster();
    let running = Kubeproof::on_cluster(&["run", suite, "--timeout", TIMEOUT]).start();
    // any moment is as good as any other: that is what is tried
    let (before, away) = (chance.below(6000), chance.below(5000));
    std::thread::sleep(Duration::from_millis(before));
    cluster.fault(&["kill-apiserver"]);
    std::thread::sleep(Duration::from_millis(away));
    // what ended for want of it is started again too, as on any real control plane
    cluster.heal();
    let run = running.finish();
    assert_true(
        &run,
        &format!("{suite}, seed {seed}: killed after {before} ms, for {away} ms and a start"),
    );
    tell(
        &run,
        &format!("{suite}, seed {seed}, killed after {before} ms"),
    );
}

/// The seeds that are asked for in a variable, for `ci/soak`; otherwise a few.
fn seeds(usual: &[u64]) -> Vec<u64> {
    match std::env::var("KUBEPROOF_CHAOS_SEEDS") {
        Ok(seeds) => seeds
            .split_whitespace()
            .map(|seed| seed.parse().expect("a seed is a number"))
            .collect(),
        Err(_) => usual.to_vec(),
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn smoke_says_nothing_wrong_through_a_proxy_that_does_harm() {
    let _cluster = healthy_cluster();
    for seed in seeds(&[1, 2, 3, 4, 5, 6]) {
        through_chaos("smoke", seed);
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn overlay_says_nothing_wrong_through_a_proxy_that_does_harm() {
    let _cluster = healthy_cluster();
    for seed in seeds(&[1, 2, 3]) {
        through_chaos("overlay", seed);
    }
}

#[test]
#[ignore = "needs ci/cluster up"]
fn an_api_server_that_is_killed_and_comes_back_is_outlasted() {
    for seed in seeds(&[1, 2]) {
        through_a_restart("overlay", seed);
    }
}

#[test]
fn chances_are_those_of_the_seed() {
    let of = |seed| {
        let line = "GET /api/v1/pods HTTP/1.1";
        (0..200)
            .map(|number| Fate::of(line, &mut Chance::of(seed, number)))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
    let harmed = of(7).iter().filter(|fate| **fate != Fate::Through).count();
    assert!((10..80).contains(&harmed), "{harmed} of 200");
}
