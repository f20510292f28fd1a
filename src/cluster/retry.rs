//! The only retry policy for requests to the API server: what may be sent again, when, and for how
//! long. It decides; waiting and sending are `transport`'s.
//!
//! Watches are apart: they resume for as long as somebody looks at them.

use std::time::Duration;

use super::error::is_typed_patch_refusal;

/// How often a request is sent at most, the first time included.
pub(super) const MAX_ATTEMPTS: u32 = 5;
/// How long all the waiting for one request may take together.
pub(super) const MAX_TOTAL_DELAY: Duration = Duration::from_secs(10);
const FIRST_DELAY: Duration = Duration::from_millis(200);

/// What sending a request twice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The same as sending it once: reads, server-side apply, a delete bound to a uid.
    Safe,
    /// Perhaps something else: a create, a patch. Sent again only where the server certainly did not begin.
    Unsafe,
}

/// How one attempt went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setback {
    /// The server answered with an error.
    Answer {
        /// The HTTP status.
        code: u16,
        /// `Retry-After`, where the server asked for it.
        retry_after: Option<Duration>,
        /// The message of the `Status`.
        message: String,
    },
    /// Nothing was sent: the connection was refused.
    NotSent,
    /// The connection broke while the request was under way.
    Broken,
    /// Trying again cannot help: time-out (it has had its time), TLS, credentials, names.
    Hopeless,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// Wait so long, then send it again.
    Retry(Duration),
    /// That was it.
    GiveUp,
}

/// Decides after attempt number `attempt` (1-based), with `waited` spent on waiting so far.
///
/// `jitter` is between 0 and 1 and spreads clients that failed at the same moment.
pub(super) fn decide(
    repeat: Repeat,
    setback: &Setback,
    attempt: u32,
    waited: Duration,
    jitter: f64,
) -> Decision {
    if attempt >= MAX_ATTEMPTS {
        return Decision::GiveUp;
    }
    let (worth_it, asked) = match setback {
        // Told to slow down, or never heard: the server certainly did not begin.
        Setback::Answer {
            code: 429,
            retry_after,
            ..
        } => (true, *retry_after),
        Setback::NotSent => (true, None),
        Setback::Answer {
            code: 500..,
            retry_after,
            message,
        } => (
            repeat == Repeat::Safe && !is_typed_patch_refusal(message),
            *retry_after,
        ),
        Setback::Broken => (repeat == Repeat::Safe, None),
        Setback::Answer { .. } | Setback::Hopeless => (false, None),
    };
    if !worth_it {
        return Decision::GiveUp;
    }
    let backoff = FIRST_DELAY.saturating_mul(1 << (attempt - 1).min(10));
    let jittered = backoff.mul_f64(0.75 + 0.5 * jitter.clamp(0.0, 1.0));
    // What the server asks for is a minimum, so the jitter comes on top of it.
    let delay = asked.map_or(jittered, |asked| {
        asked + FIRST_DELAY.mul_f64(jitter.clamp(0.0, 1.0))
    });
    if waited + delay > MAX_TOTAL_DELAY {
        return Decision::GiveUp;
    }
    Decision::Retry(delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, retry_after: Option<u64>, message: &str) -> Setback {
        Setback::Answer {
            code,
            retry_after: retry_after.map(Duration::from_secs),
            message: message.to_owned(),
        }
    }

    fn retries(repeat: Repeat, setback: &Setback) -> bool {
        decide(repeat, setback, 1, Duration::ZERO, 0.5) != Decision::GiveUp
    }

    #[test]
    fn only_what_is_safe_is_repeated_after_the_server_may_have_begun() {
        let cases = [
            (answer(503, None, ""), true, false),
            (answer(504, None, ""), true, false),
            (answer(500, None, "etcdserver: leader changed"), true, false),
            (
                answer(500, None, "failed to create typed patch object (x)"),
                false,
                false,
            ),
            (answer(429, None, ""), true, true),
            (answer(404, None, ""), false, false),
            (answer(409, None, ""), false, false),
            (answer(422, None, ""), false, false),
            (Setback::NotSent, true, true),
            (Setback::Broken, true, false),
            (Setback::Hopeless, false, false),
        ];
        for (setback, safe, not_safe) in cases {
            assert_eq!(retries(Repeat::Safe, &setback), safe, "{setback:?}");
            assert_eq!(retries(Repeat::Unsafe, &setback), not_safe, "{setback:?}");
        }
    }

    #[test]
    fn delays_double_and_end() {
        let mut waited = Duration::ZERO;
        let mut delays = Vec::new();
        for attempt in 1.. {
            match decide(Repeat::Safe, &Setback::Broken, attempt, waited, 0.5) {
                Decision::Retry(delay) => {
                    waited += delay;
                    delays.push(delay.as_millis());
                }
                Decision::GiveUp => break,
            }
        }
        assert_eq!(delays, [200, 400, 800, 1600]);
    }

    #[test]
    fn jitter_stays_within_a_quarter() {
        for (jitter, expected) in [(0.0, 150), (1.0, 250), (7.0, 250)] {
            let decision = decide(Repeat::Safe, &Setback::Broken, 1, Duration::ZERO, jitter);
            assert_eq!(decision, Decision::Retry(Duration::from_millis(expected)));
        }
    }

    #[test]
    fn retry_after_is_a_minimum_within_the_budget() {
        let decision = decide(
            Repeat::Safe,
            &answer(429, Some(2), ""),
            1,
            Duration::ZERO,
            0.0,
        );
        assert_eq!(decision, Decision::Retry(Duration::from_secs(2)));
        let too_long = decide(
            Repeat::Safe,
            &answer(429, Some(60), ""),
            1,
            Duration::ZERO,
            0.0,
        );
        assert_eq!(too_long, Decision::GiveUp);
        let spent = decide(
            Repeat::Safe,
            &answer(503, Some(2), ""),
            2,
            Duration::from_secs(9),
            0.0,
        );
        assert_eq!(spent, Decision::GiveUp);
    }
}
