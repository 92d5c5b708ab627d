//! A tenant's request budget (`max_requests_per_minute`): spread over time, and lower for a while after a 429.
//!
//! Every request counts: tokens, discovery, lists, pages, retries. Without the key the budget is unlimited.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::request_rate::RequestRate;

use super::token_bucket::TokenBucket;
use crate::clock::{Clock, Monotonic};

/// The budget of a tenant, shared by all its requests. It outlives refreshes.
pub(crate) struct Budget {
    clock: Arc<dyn Clock>,
    /// The configured rate; `None` is unlimited.
    rate: Option<RequestRate>,
    shared: Arc<Shared>,
}

/// The part that outlives a reload.
#[derive(Default)]
struct Shared {
    bucket: Mutex<TokenBucket>,
    /// Held by the next request, so that requests are sent in the order in which they came.
    turn: tokio::sync::Mutex<()>,
}

/// The right to take the next request out of a budget.
pub(crate) struct Turn<'a>(Option<(&'a Budget, RequestRate, tokio::sync::MutexGuard<'a, ()>)>);

/// The budget has no request left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted {
    /// The time until there is one.
    pub(crate) wait: Duration,
}

/// The rate of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateStatus {
    pub(crate) configured: RequestRate,
    /// The current rate, lower than configured for a while after a 429.
    pub(crate) allowed: RequestRate,
}

// === impl Budget ===

impl Budget {
    pub(crate) fn new(rate: Option<RequestRate>, clock: Arc<dyn Clock>) -> Self {
        Self { clock, rate, shared: Arc::default() }
    }

    /// The same budget, with what was taken from it, at another rate.
    pub(crate) fn with_rate(&self, rate: Option<RequestRate>) -> Self {
        Self { clock: Arc::clone(&self.clock), rate, shared: Arc::clone(&self.shared) }
    }

    /// The configured and the current rate; `None` if unlimited.
    pub(crate) fn status(&self) -> Option<RateStatus> {
        let configured = self.rate?;
        Some(RateStatus { configured, allowed: self.bucket().allowed(configured, self.clock.monotonic()) })
    }

    /// Waits until all earlier callers have taken their request.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        match self.rate {
            None => Turn(None),
            Some(rate) => Turn(Some((self, rate, self.shared.turn.lock().await))),
        }
    }

    /// Records a 429 to a request that was sent at `sent`; `until` is the end of its `Retry-After`. Returns the rate if
    /// that lowered it.
    pub(crate) fn rate_limited(&self, sent: Monotonic, until: Option<Monotonic>) -> Option<RateStatus> {
        let (configured, now) = (self.rate?, self.clock.monotonic());
        let lowered = self.bucket().rate_limited(configured, sent, until.unwrap_or(now), now);
        if lowered { self.status() } else { None }
    }

    /// Checks that `requests` can be sent before `deadline` at the configured rate.
    ///
    /// # Errors
    ///
    /// Returns the rate and the time they take if not.
    pub(crate) fn check(&self, requests: u64, deadline: Monotonic) -> Result<(), (RequestRate, Duration)> {
        let Some(rate) = self.rate else { return Ok(()) };
        let takes = rate.time_for(requests);
        if self.clock.monotonic() + takes < deadline { Ok(()) } else { Err((rate, takes)) }
    }

    fn bucket(&self) -> MutexGuard<'_, TokenBucket> {
        // A std mutex: nothing awaits while it is held.
        self.shared.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("status", &self.status()).finish_non_exhaustive()
    }
}

// === impl Turn ===

impl Turn<'_> {
    /// Takes a request, which must be sent at once.
    pub(crate) fn take(&self) -> Result<(), Exhausted> {
        let Some((budget, rate, _)) = &self.0 else { return Ok(()) };
        budget.bucket().take(*rate, budget.clock.monotonic()).map_err(|wait| Exhausted { wait })
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
        let rate = per_minute.and_then(NonZeroU32::new).map(RequestRate::new);
        (clock.clone(), Budget::new(rate, Arc::new(clock)))
    }

    #[test]
    fn without_a_budget_nothing_waits_or_is_lowered() {
        let (_, budget) = budget(None);
        for _ in 0..1000 {
            assert_eq!(budget.turn().now_or_never().unwrap().take(), Ok(()));
        }
        assert_eq!(budget.rate_limited(Monotonic::default(), None), None);
        assert_eq!(budget.status(), None);
        assert_eq!(budget.check(u64::MAX, Monotonic::default()), Ok(()));
    }

    #[test]
    fn only_the_first_429_of_parallel_requests_lowers_the_budget() {
        let (clock, budget) = budget(Some(60));
        let sent = clock.monotonic();
        clock.advance(Duration::from_secs(1));
        let status = budget.rate_limited(sent, None).unwrap();
        assert_eq!((status.configured.per_minute(), status.allowed.per_minute()), (60, 30));
        assert_eq!(budget.rate_limited(sent, None), None);
        assert_eq!(budget.status(), Some(status));
    }

    #[test]
    fn turns_are_taken_one_after_the_other() {
        let (_, budget) = budget(Some(60));
        let turn = budget.turn().now_or_never().unwrap();
        assert!(budget.turn().now_or_never().is_none());
        drop(turn);
        assert!(budget.turn().now_or_never().is_some());
    }

    #[test]
    fn a_reload_keeps_what_was_taken_from_the_budget() {
        let (clock, budget) = budget(Some(60));
        let turn = budget.turn().now_or_never().unwrap();
        while turn.take().is_ok() {}
        drop(turn);
        let other = budget.with_rate(Some(RequestRate::new(NonZeroU32::new(30).unwrap())));
        assert!(other.turn().now_or_never().unwrap().take().is_err());
        clock.advance(Duration::from_secs(3));
        assert_eq!(other.turn().now_or_never().unwrap().take(), Ok(()));
    }

    #[test]
    fn the_budget_is_checked_against_the_deadline() {
        let (clock, budget) = budget(Some(10));
        let deadline = clock.monotonic() + Duration::from_secs(60);
        assert_eq!(budget.check(10, deadline), Ok(()));
        let (rate, takes) = budget.check(11, deadline).unwrap_err();
        assert_eq!((rate.per_minute(), takes), (10, Duration::from_secs(60)));
    }
}
