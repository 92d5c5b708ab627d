//! A tenant's budget of requests (`max_requests_per_minute`): spread over time, lower for a while after a 429.
//!
//! Everything that is sent to a tenant takes from it: tokens, discovery, lists, pages, repetitions. Without the key
//! there is no budget, and nothing here has any effect. `Retry-After` is not its business; the rate gate holds that.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::request_rate::RequestRate;

use super::token_bucket::Bucket;
use crate::clock::{Clock, Monotonic};

/// The budget of a tenant, shared by everything that is sent to it. It outlives refreshes.
pub(crate) struct Budget {
    clock: Arc<dyn Clock>,
    /// What is configured; `None` is no budget.
    pace: Option<RequestRate>,
    shared: Arc<Shared>,
}

/// What outlives a reload, too.
#[derive(Default)]
struct Shared {
    bucket: Mutex<Bucket>,
    /// Held by whoever is next, so that requests go out in the order in which they came.
    turn: tokio::sync::Mutex<()>,
}

/// The permission to be the next to take a request out of a budget.
pub(crate) struct Turn<'a>(Option<(&'a Budget, RequestRate, tokio::sync::MutexGuard<'a, ()>)>);

/// What a budget has left when there is no request in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted {
    /// How long it takes until there is one.
    pub(crate) wait: Duration,
}

/// How a budget stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateStatus {
    pub(crate) configured: RequestRate,
    /// What is allowed now; less than configured for a while after a 429.
    pub(crate) allowed: RequestRate,
}

// === impl Budget ===

impl Budget {
    pub(crate) fn new(pace: Option<RequestRate>, clock: Arc<dyn Clock>) -> Self {
        Self { clock, pace, shared: Arc::default() }
    }

    /// The same budget, what was taken from it included, at another pace.
    pub(crate) fn at(&self, pace: Option<RequestRate>) -> Self {
        Self { clock: Arc::clone(&self.clock), pace, shared: Arc::clone(&self.shared) }
    }

    /// How it stands; `None` where there is no budget.
    pub(crate) fn standing(&self) -> Option<RateStatus> {
        let configured = self.pace?;
        Some(RateStatus { configured, allowed: self.bucket().allowed(configured, self.clock.monotonic()) })
    }

    /// Waits until everybody who came before has had a request.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        match self.pace {
            None => Turn(None),
            Some(pace) => Turn(Some((self, pace, self.shared.turn.lock().await))),
        }
    }

    /// A request that was sent at `sent` was answered 429, and no other is wanted before `until`. Tells what is allowed
    /// from now on, if that lowered it.
    pub(crate) fn refused(&self, sent: Monotonic, until: Option<Monotonic>) -> Option<RateStatus> {
        let (configured, now) = (self.pace?, self.clock.monotonic());
        let lowered = self.bucket().refused(configured, sent, until.unwrap_or(now), now);
        if lowered { self.standing() } else { None }
    }

    /// Whether so many requests can be sent before `deadline` at the configured pace, else how long they take.
    pub(crate) fn fits(&self, requests: u64, deadline: Monotonic) -> Result<(), (RequestRate, Duration)> {
        let Some(pace) = self.pace else { return Ok(()) };
        let takes = pace.time_for(requests);
        if self.clock.monotonic() + takes < deadline { Ok(()) } else { Err((pace, takes)) }
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        // Not a tokio mutex: nothing awaits while it is held.
        self.shared.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("standing", &self.standing()).finish_non_exhaustive()
    }
}

// === impl Turn ===

impl Turn<'_> {
    /// Takes a request, which is to be sent at once.
    pub(crate) fn take(&self) -> Result<(), Exhausted> {
        let Some((budget, pace, _)) = &self.0 else { return Ok(()) };
        budget.bucket().take(*pace, budget.clock.monotonic()).map_err(|wait| Exhausted { wait })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::clock::DrivenClock;
    use crate::presence::Timestamp;

    fn budget(per_minute: Option<u32>) -> (DrivenClock, Budget) {
        let clock = DrivenClock::new(Timestamp::from_seconds(1_700_000_000));
        let pace = per_minute.and_then(NonZeroU32::new).map(RequestRate::new);
        (clock.clone(), Budget::new(pace, Arc::new(clock)))
    }

    #[test]
    fn without_a_budget_nothing_is_held_back_or_lowered() {
        let (_, budget) = budget(None);
        for _ in 0..1000 {
            assert_eq!(budget.turn().now_or_never().unwrap().take(), Ok(()));
        }
        assert_eq!(budget.refused(Monotonic::default(), None), None);
        assert_eq!(budget.standing(), None);
        assert_eq!(budget.fits(u64::MAX, Monotonic::default()), Ok(()));
    }

    #[test]
    fn turns_come_one_after_the_other() {
        let (_, budget) = budget(Some(60));
        let turn = budget.turn().now_or_never().unwrap();
        assert!(budget.turn().now_or_never().is_none());
        drop(turn);
        assert!(budget.turn().now_or_never().is_some());
    }

    #[test]
    fn what_was_taken_stays_taken_at_another_pace() {
        let (clock, budget) = budget(Some(60));
        let turn = budget.turn().now_or_never().unwrap();
        while turn.take().is_ok() {}
        drop(turn);
        let other = budget.at(Some(RequestRate::new(NonZeroU32::new(30).unwrap())));
        assert!(other.turn().now_or_never().unwrap().take().is_err());
        clock.advance(Duration::from_secs(3));
        assert_eq!(other.turn().now_or_never().unwrap().take(), Ok(()));
    }

    #[test]
    fn what_fits_is_told_beforehand() {
        let (clock, budget) = budget(Some(10));
        let deadline = clock.monotonic() + Duration::from_secs(60);
        assert_eq!(budget.fits(10, deadline), Ok(()));
        let (pace, takes) = budget.fits(11, deadline).unwrap_err();
        assert_eq!((pace.per_minute(), takes), (10, Duration::from_secs(60)));
    }
}
