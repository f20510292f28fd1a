//! A part of a run that panics is a fault of this program. It must cost neither the cleanup of what
//! was made nor the reports, so each part is held here, and becomes an error like any other.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::step::StepFailure;

/// Runs a part of a run to its end; where it panics, that in words.
///
/// What the part was changing may be half changed: only what a lock or its drop keeps whole may be
/// looked at after.
pub async fn held<T>(part: impl Future<Output = T>) -> Result<T, String> {
    // boxed, since steps may consist of steps, and what holds one must not add to the stack
    let ended = AssertUnwindSafe(Box::pin(part)).catch_unwind().await;
    ended.map_err(|payload| format!("kubeproof itself broke: {}", words(&*payload)))
}

/// As [`held`], for a part that can fail anyway: a panic makes it errored.
pub async fn held_step<T>(
    part: impl Future<Output = Result<T, StepFailure>>,
) -> Result<T, StepFailure> {
    held(part)
        .await
        .unwrap_or_else(|words| Err(StepFailure::errored(words)))
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("it gave no reason")
}

/// Panics at the step of the name, or the cleanup of the kind, that tests ask for; does nothing in a
/// program that is shipped.
pub fn at_request(place: Option<&str>) {
    #[cfg(debug_assertions)]
    if let Some(place) = place
        && std::env::var("KUBEPROOF_TEST_PANIC").is_ok_and(|wanted| wanted == place)
    {
        panic!("at {place}, as was asked for");
    }
    #[cfg(not(debug_assertions))]
    let _ = place;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_in_its_own_words() {
        assert_eq!(held(async { 1 }).await, Ok(1));
        let broken = held(async { panic!("number {}", 7) }).await;
        assert_eq!(
            broken,
            Err::<(), _>("kubeproof itself broke: number 7".to_owned())
        );
        let failure = held_step(async { panic!("no") }).await.map(|()| 0);
        let failure = failure.unwrap_err();
        assert_eq!(failure.outcome, crate::event::Outcome::Errored);
    }
}
