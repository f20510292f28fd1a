//! What holds under any fault of the API server: a run ends in its time, a healthy cluster has
//! nothing that *failed*, the reports agree with the exit code, and whatever is left is told.
//!
//! The faults come from a proxy that drops, delays, cuts off and refuses by a seeded chance, and
//! from an API server that is killed and comes back. `ci/soak` runs the same with many seeds.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::api_server;
use crate::proxy::KubectlProxy;
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
}

/// A proxy before the API server that does harm until it is healed.
struct ChaosProxy {
    port: u16,
    harms: Arc<AtomicU64>,
    is_healed: Arc<AtomicBool>,
    _kubectl: KubectlProxy,
}

impl ChaosProxy {
    fn start(seed: u64) -> Self {
        // exec goes through it, too
        let kubectl = KubectlProxy::start(&["--reject-paths=^/nothing$"]);
        let upstream = kubectl.address.clone();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let harms = Arc::new(AtomicU64::new(0));
        let is_healed = Arc::new(AtomicBool::new(false));
        let (counted, healed) = (Arc::clone(&harms), Arc::clone(&is_healed));
        std::thread::spawn(move || {
            for (number, client) in (0..).zip(listener.incoming().flatten()) {
                let (upstream, counted) = (upstream.clone(), Arc::clone(&counted));
                let healed = Arc::clone(&healed);
                let mut chance = Chance::of(seed, number);
                std::thread::spawn(move || {
                    let head = Head::read(client)?;
                    let fate = match healed.load(Ordering::SeqCst) {
                        true => Fate::Through,
                        false => Fate::of(&head.line, &mut chance),
                    };
                    if fate != Fate::Through {
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                    head.meet(fate, &upstream)
                });
            }
        });
        Self {
            port,
            harms,
            is_healed,
            _kubectl: kubectl,
        }
    }

    fn kubeconfig(&self) -> String {
        api_server::kubeconfig(&format!("http://127.0.0.1:{}", self.port))
    }

    fn heal(&self) {
        self.is_healed.store(true, Ordering::SeqCst);
    }
}

/// A request up to its body, and where it came from.
struct Head {
    line: String,
    text: String,
    reader: BufReader<TcpStream>,
    client: TcpStream,
}

impl Head {
    /// Takes the connection for one request alone, so that bodies need not be understood; an
    /// upgrade is left as it is.
    fn read(client: TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(client.try_clone().ok()?);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader
                .read_line(&mut line)
                .ok()
                .filter(|length| *length > 0)?;
            if line.trim().is_empty() {
                break;
            }
            lines.push(line);
        }
        let is_header = |line: &str, name: &str| line.to_lowercase().starts_with(name);
        if !lines.iter().any(|line| is_header(line, "upgrade:")) {
            lines.retain(|line| !is_header(line, "connection:"));
            lines.push("Connection: close\r\n".to_owned());
        }
        Some(Self {
            line: lines.first()?.trim().to_owned(),
            text: lines.concat() + "\r\n",
            reader,
            client,
        })
    }

    fn meet(mut self, fate: Fate, upstream: &str) -> Option<()> {
        match fate {
            Fate::Through => self.forward(upstream, u64::MAX),
            Fate::Late(delay) => {
                std::thread::sleep(delay);
                self.forward(upstream, u64::MAX)
            }
            Fate::AnswerLost => self.forward(upstream, 0),
            Fate::CutOff(length) => self.forward(upstream, length),
            Fate::Lost => None,
            Fate::Refused(code) => {
                let body = format!(
                    r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","code":{code},"message":"chaos {code}"}}"#
                );
                self.answer(code, "Retry-After: 1\r\n", &body)
            }
            Fate::Expired => self.answer(
                200,
                "",
                concat!(
                    r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"#,
                    r#""status":"Failure","code":410,"reason":"Expired","message":"chaos 410"}}"#,
                    "\n"
                ),
            ),
            Fate::Hangs => {
                // until the client goes
                let _ = std::io::copy(&mut self.reader, &mut std::io::sink());
                None
            }
        }
    }

    fn answer(&mut self, code: u16, headers: &str, body: &str) -> Option<()> {
        let text = format!(
            "HTTP/1.1 {code} Chaos\r\nContent-Type: application/json\r\nConnection: close\r\n\
             {headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.client.write_all(text.as_bytes()).ok()?;
        // one that closes with a request unread resets, and the answer is lost
        self.client.shutdown(Shutdown::Write).ok()?;
        let _ = std::io::copy(&mut self.reader, &mut std::io::sink());
        Some(())
    }

    /// Hands the request on, and so many bytes of the answer.
    fn forward(mut self, upstream: &str, length: u64) -> Option<()> {
        let mut server = TcpStream::connect(upstream).ok()?;
        server.write_all(self.text.as_bytes()).ok()?;
        let mut to_server = server.try_clone().ok()?;
        let mut reader = self.reader;
        let body = std::thread::spawn(move || {
            copy(&mut reader, &mut to_server);
            // a client that went ends its request
            let _ = to_server.shutdown(Shutdown::Both);
        });
        if length == 0 {
            // the server has answered, and so has carried it out
            let _ = server.read(&mut [0; 1]);
        } else {
            copy(&mut (&server).take(length), &mut self.client);
        }
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
        let _ = body.join();
        Some(())
    }
}

/// Hands on what comes as it comes.
fn copy(from: &mut impl Read, to: &mut impl Write) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer) {
        if length == 0 || to.write_all(&buffer[..length]).is_err() || to.flush().is_err() {
            return;
        }
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
