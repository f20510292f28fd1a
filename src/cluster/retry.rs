//! The only retry policy for requests to the API server: what may be sent again, when, and for how
//! long. It decides; waiting and sending are `transport`'s.
//!
//! The bound is time, not a number of attempts: an API server that is started anew is away for some
//! ten seconds and refuses connections in no time, and one that hangs uses a time-out up each time.
//!
//! Watches are apart: they resume for as long as somebody looks at them.

use std::time::Duration;

use super::error::is_typed_patch_refusal;

/// How long after it was sent first a request is sent again, once the connection to the cluster has
/// stood: a server that is started anew, and a load balancer that must notice, fit in.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The same while connecting: whatever is wrong with the way there is told soon.
pub(super) const PATIENCE_TO_CONNECT: Duration = Duration::from_secs(3);
/// The same for what the server itself calls an error of its own (500): most of these stay.
const PATIENCE_WITH_ERRORS: Duration = Duration::from_secs(10);
/// How long after a connection to the server last failed it may have been started anew so lately
/// that its authorizer has not read yet who may do what, and refuses everybody.
const SOON: Duration = Duration::from_secs(10);
/// How long such a refusal is not believed, from the first one on.
const PATIENCE_WITH_REFUSALS: Duration = Duration::from_secs(5);
const FIRST_DELAY: Duration = Duration::from_millis(200);
/// A server that is back is noticed soon, and is not overrun by those who waited for it.
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// What sending a request twice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The same as sending it once: reads, server-side apply, a delete bound to a uid, a review.
    Safe,
    /// Nothing more, but the second answer is another one: a create under a name, or a replacement
    /// of a version, is refused where the first was carried out. Whoever sends it must look then.
    Named,
    /// Perhaps something else: a patch, an exec. Sent again only where the server certainly did not begin.
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
    /// The server refused, so soon after it was away that this may not be its last word. What was
    /// spent is counted from the first such refusal on.
    TooEarly,
    /// Nothing was sent: there was no connection.
    NotSent,
    /// The connection broke while the request was under way.
    Broken,
    /// No answer within the time of one attempt: the server, or something between, hangs.
    TimedOut,
    /// Trying again cannot help: TLS, credentials.
    Hopeless,
}

impl Setback {
    /// Whether the server was away, as far as this tells.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::NotSent | Self::Broken | Self::TimedOut => true,
            Self::Answer { .. } | Self::TooEarly | Self::Hopeless => false,
        }
    }

    /// The same in the light of how long ago the server was away, if it ever was.
    pub(super) fn after_absence(&self, absence: Option<Duration>) -> Self {
        match self {
            Self::Answer { code, .. } if is_too_early(*code, absence) => Self::TooEarly,
            other => other.clone(),
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// Wait so long, then send it again.
    Retry(Duration),
    /// That was it.
    GiveUp,
}

/// Decides after attempt number `attempt` (1-based), `spent` after the request was sent first, for
/// a caller who has so much `patience`.
///
/// `jitter` is between 0 and 1 and spreads clients that failed at the same moment.
pub(super) fn decide(
    repeat: Repeat,
    setback: &Setback,
    attempt: u32,
    spent: Duration,
    patience: Duration,
    jitter: f64,
) -> Decision {
    let may_repeat = repeat != Repeat::Unsafe;
    let (worth_it, asked, patience) = match setback {
        // Told to slow down, or never heard: the server certainly did not begin. Where it says for how
        // long, it is there, and the way to it is right.
        Setback::Answer {
            code: 429,
            retry_after: asked @ Some(_),
            ..
        } => (true, *asked, patience.max(PATIENCE)),
        Setback::Answer { code: 429, .. } => (true, None, patience),
        Setback::NotSent => (true, None, patience),
        // Whoever is not let in has changed nothing.
        Setback::TooEarly => (true, None, patience.min(PATIENCE_WITH_REFUSALS)),
        Setback::Answer {
            code: 500,
            retry_after,
            message,
        } => (
            may_repeat && !is_typed_patch_refusal(message),
            *retry_after,
            patience.min(PATIENCE_WITH_ERRORS),
        ),
        Setback::Answer {
            code: 502..=504,
            retry_after,
            ..
        } => (may_repeat, *retry_after, patience),
        Setback::Answer { code, message, .. } if is_not_ready_yet(*code, message) => {
            (true, None, patience)
        }
        Setback::Broken | Setback::TimedOut => (may_repeat, None, patience),
        Setback::Answer { .. } | Setback::Hopeless => (false, None, patience),
    };
    if !worth_it {
        return Decision::GiveUp;
    }
    let jitter = jitter.clamp(0.0, 1.0);
    let backoff = FIRST_DELAY.saturating_mul(1 << (attempt - 1).min(10));
    let jittered = backoff.min(LONGEST_DELAY).mul_f64(0.75 + 0.5 * jitter);
    // What the server asks for is a minimum, so the jitter comes on top of it.
    let delay = asked.map_or(jittered, |asked| {
        asked
            .max(jittered)
            .saturating_add(FIRST_DELAY.mul_f64(jitter))
    });
    if spent.saturating_add(delay) > patience {
        return Decision::GiveUp;
    }
    Decision::Retry(delay)
}

/// Whether an answer is what an API server says that has just been started: its admission refuses
/// everything until it has read what it decides by. That is no answer to the request.
pub(super) fn is_not_ready_yet(code: u16, message: &str) -> bool {
    code == 403 && message.contains("not yet ready to handle request")
}

/// Whether an answer may only say that the server does not know yet who may do what, where it was
/// away so long ago.
pub(super) fn is_too_early(code: u16, absence: Option<Duration>) -> bool {
    code == 403 && absence.is_some_and(|absence| absence < SOON)
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

    fn after(setback: &Setback, spent: u64) -> Decision {
        let spent = Duration::from_secs(spent);
        decide(Repeat::Safe, setback, 1, spent, PATIENCE, 0.0)
    }

    fn retries(repeat: Repeat, setback: &Setback) -> bool {
        decide(repeat, setback, 1, Duration::ZERO, PATIENCE, 0.5) != Decision::GiveUp
    }

    #[test]
    fn only_what_is_safe_is_repeated_after_the_server_may_have_begun() {
        let cases = [
            (answer(502, None, ""), true, false),
            (answer(503, None, ""), true, false),
            (answer(504, None, ""), true, false),
            (answer(500, None, "etcdserver: leader changed"), true, false),
            (
                answer(500, None, "failed to create typed patch object (x)"),
                false,
                false,
            ),
            (answer(501, None, ""), false, false),
            (answer(505, None, ""), false, false),
            (answer(429, None, ""), true, true),
            (
                answer(403, None, "not yet ready to handle request"),
                true,
                true,
            ),
            (answer(403, None, "no"), false, false),
            (answer(404, None, ""), false, false),
            (answer(409, None, ""), false, false),
            (answer(422, None, ""), false, false),
            (Setback::TooEarly, true, true),
            (Setback::NotSent, true, true),
            (Setback::Broken, true, false),
            (Setback::TimedOut, true, false),
            (Setback::Hopeless, false, false),
        ];
        for (setback, safe, not_safe) in cases {
            assert_eq!(retries(Repeat::Safe, &setback), safe, "{setback:?}");
            assert_eq!(retries(Repeat::Named, &setback), safe, "{setback:?}");
            assert_eq!(retries(Repeat::Unsafe, &setback), not_safe, "{setback:?}");
        }
    }

    #[test]
    fn delays_double_up_to_the_longest_and_end_with_the_patience() {
        let mut spent = Duration::ZERO;
        let mut delays = Vec::new();
        for attempt in 1.. {
            let patience = Duration::from_secs(10);
            match decide(
                Repeat::Safe,
                &Setback::NotSent,
                attempt,
                spent,
                patience,
                0.5,
            ) {
                Decision::Retry(delay) => {
                    spent += delay;
                    delays.push(delay.as_millis());
                }
                Decision::GiveUp => break,
            }
        }
        assert_eq!(delays, [200, 400, 800, 1600, 2000, 2000, 2000]);
    }

    #[test]
    fn a_server_that_is_away_is_waited_for_longer_than_one_that_errs() {
        assert_ne!(after(&Setback::NotSent, 20), Decision::GiveUp);
        assert_eq!(after(&Setback::NotSent, 30), Decision::GiveUp);
        assert_ne!(after(&answer(503, None, ""), 20), Decision::GiveUp);
        assert_ne!(after(&answer(500, None, ""), 5), Decision::GiveUp);
        assert_eq!(after(&answer(500, None, ""), 10), Decision::GiveUp);
    }

    #[test]
    fn a_refusal_soon_after_an_absence_is_not_believed_for_a_while() {
        let seen = |setback: &Setback, seconds: Option<u64>| {
            setback.after_absence(seconds.map(Duration::from_secs))
        };
        let refused = answer(403, None, "pods is forbidden");
        assert_eq!(seen(&refused, Some(0)), Setback::TooEarly);
        assert_eq!(seen(&refused, Some(9)), Setback::TooEarly);
        assert_eq!(seen(&refused, Some(10)), refused);
        assert_eq!(seen(&refused, None), refused);
        let missing = answer(404, None, "no");
        assert_eq!(seen(&missing, Some(0)), missing);
        assert_ne!(after(&Setback::TooEarly, 4), Decision::GiveUp);
        assert_eq!(after(&Setback::TooEarly, 5), Decision::GiveUp);
        let absences = [Setback::NotSent, Setback::Broken, Setback::TimedOut];
        assert!(absences.iter().all(Setback::is_absence));
        let others = [answer(503, None, ""), Setback::TooEarly, Setback::Hopeless];
        assert!(!others.iter().any(Setback::is_absence));
    }

    #[test]
    fn jitter_stays_within_a_quarter() {
        for (jitter, expected) in [(0.0, 150), (1.0, 250), (7.0, 250)] {
            let setback = Setback::Broken;
            let decision = decide(Repeat::Safe, &setback, 1, Duration::ZERO, PATIENCE, jitter);
            assert_eq!(decision, Decision::Retry(Duration::from_millis(expected)));
        }
    }

    #[test]
    fn a_server_that_says_when_to_come_again_is_waited_for_while_connecting_too() {
        let spent = Duration::from_secs(20);
        let decide = |setback: &Setback| {
            let patience = PATIENCE_TO_CONNECT;
            decide(Repeat::Safe, setback, 9, spent, patience, 0.0) != Decision::GiveUp
        };
        assert!(decide(&answer(429, Some(1), "")));
        assert!(!decide(&answer(429, Some(11), "")));
        assert!(!decide(&answer(429, None, "")));
        assert!(!decide(&answer(503, Some(1), "")));
    }

    #[test]
    fn retry_after_is_a_minimum_within_the_patience() {
        let asked = |seconds| answer(429, Some(seconds), "");
        assert_eq!(after(&asked(2), 0), Decision::Retry(Duration::from_secs(2)));
        assert_eq!(after(&asked(60), 0), Decision::GiveUp);
        assert_eq!(after(&asked(u64::MAX), 1), Decision::GiveUp);
        assert_eq!(after(&asked(2), 29), Decision::GiveUp);
        // A server that asks for no pause at all is not asked without one.
        assert_eq!(
            after(&asked(0), 0),
            Decision::Retry(Duration::from_millis(150))
        );
    }
}
