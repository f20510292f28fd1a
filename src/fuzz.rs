//! Random input for the readers of what others write: tests only.
//!
//! Each target takes known good input and spoils it by chance. `KUBEPROOF_FUZZ_SECONDS` says how
//! long each target is tried (a moment where it is not set), `KUBEPROOF_FUZZ_SEED` where the chances
//! begin; `ci/soak fuzz` sets both.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// One input may have so much of a processor, which is far more than any should.
const PATIENCE: Duration = Duration::from_secs(10);
/// What spoils most: what the readers take for something else.
const TOKENS: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "[",
    "]",
    "{",
    "}",
    ":",
    ": ",
    "- ",
    "\n",
    "\t",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "|",
    ">-",
    "\"",
    "'",
    "\\",
    "\u{0}",
    "\u{1b}[31m",
    "\u{fffe}",
    "\u{202e}",
    "é",
    "𝄞",
    "99999999999999999999",
    "-0",
    "1e999",
    "~",
    "null",
    "true",
    "0x",
    "..",
    "|tojson",
    "|default(",
    "range(",
    " for x in ",
    "endfor",
    " if ",
    "(((((((((",
    ")",
    "==",
    " and ",
    "\r\n",
    "]]>",
    "---\n",
    "%YAML 1.2\n",
    "? ",
    "steps:",
    "matrix:",
];

/// Numbers that look random and are the same for the same seed (SplitMix64).
pub struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// One of a list.
    pub fn one_of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }

    /// Bytes of any value.
    pub fn bytes(&mut self, at_most: usize) -> Vec<u8> {
        let length = self.below(at_most + 1);
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// A good text with up to eight things wrong.
    pub fn spoilt(&mut self, good: &[&str]) -> String {
        let mut text = self.one_of(good).to_owned();
        for _ in 0..=self.below(8) {
            let (from, to) = self.span(&text);
            let replacement = match self.below(7) {
                0 => String::new(),
                1 => text[from..to].repeat(self.below(4)),
                2 => self.one_of(TOKENS).repeat(1 + self.below(40)),
                3 => {
                    let other = self.one_of(good);
                    let (from, to) = self.span(other);
                    other[from..to].to_owned()
                }
                4 => String::from_utf8_lossy(&self.bytes(8)).into_owned(),
                5 => text[from..to].lines().rev().collect::<Vec<_>>().join("\n"),
                _ => self.one_of(TOKENS).to_owned(),
            };
            text.replace_range(from..to, &replacement);
            let end = text.floor_char_boundary(64 * 1024);
            text.truncate(end);
        }
        text
    }

    /// A part of a text, mostly a short one.
    fn span(&mut self, text: &str) -> (usize, usize) {
        let from = text.floor_char_boundary(self.below(text.len() + 1));
        let reach = [1, 8, 60, 2000][self.below(4)];
        let to = (from + self.below(reach)).min(text.len());
        (from, text.ceil_char_boundary(to))
    }
}

/// Tries a target on one input after another; a panic, or one that takes too long, fails with the
/// input and its number.
pub fn run<T: std::fmt::Debug>(
    target: &str,
    usual: usize,
    mut input: impl FnMut(&mut Chance) -> T,
    mut read: impl FnMut(&T),
) {
    let variable = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seed = variable("KUBEPROOF_FUZZ_SEED").unwrap_or(1);
    let seconds = variable("KUBEPROOF_FUZZ_SECONDS").map(Duration::from_secs);
    let begun = Instant::now();
    let mut number = 0;
    while seconds.map_or(number < usual, |seconds| begun.elapsed() < seconds) {
        let mut chance = Chance(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ number as u64);
        let one = input(&mut chance);
        let before = thread_time();
        let ended = catch_unwind(AssertUnwindSafe(|| read(&one)));
        assert!(
            ended.is_ok(),
            "{target}, seed {seed}, number {number}: {one:?}"
        );
        let took = thread_time().saturating_sub(before);
        assert!(
            took < PATIENCE,
            "{target}, seed {seed}, number {number}: took {took:?}: {one:?}"
        );
        number += 1;
    }
    tell(target, number, begun.elapsed());
}

/// How long this thread has had a processor, whatever else the machine does.
pub fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.try_into().unwrap()
}

#[expect(clippy::print_stdout, reason = "the figures of a long run")]
fn tell(target: &str, number: usize, took: Duration) {
    println!(
        "fuzz: {target}: {number} inputs in {:.1} s",
        took.as_secs_f64()
    );
}
