//! The request rate limit: a token bucket that gains one token per interval.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Monotonic;
use crate::config::web::RateLimit;

/// A token bucket that is full at the start.
#[derive(Debug)]
pub(super) struct Bucket {
    interval: Duration,
    burst: u32,
    /// How far `full_at` may lie in the future: the time that a burst takes to refill, less one interval.
    slack: Duration,
    /// When the bucket is full again.
    full_at: Mutex<Monotonic>,
}

// === impl Bucket ===

impl Bucket {
    pub(super) fn new(limit: RateLimit) -> Self {
        let slack = limit.interval.saturating_mul(limit.burst.saturating_sub(1));
        Self { interval: limit.interval, burst: limit.burst, slack, full_at: Mutex::new(Monotonic::default()) }
    }

    /// Takes a token for a request at `now`; false if no token is left.
    pub(super) fn take(&self, now: Monotonic) -> bool {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = self.burst > 0 && full_at.saturating_since(now) <= self.slack;
        if allowed {
            *full_at = (*full_at).max(now) + self.interval;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limit_allows_a_burst_then_one_per_interval() {
        let bucket = Bucket::new(RateLimit { interval: Duration::from_secs(2), burst: 3 });
        let at = |seconds: u64| Monotonic::from_start(Duration::from_secs(seconds));
        let table = [
            (100, true),
            (100, true),
            (100, true),
            (100, false),
            (101, false),
            (102, true),
            (103, false),
            (104, true),
            (1_000, true),
            (1_000, true),
            (1_000, true),
            (1_001, false),
        ];
        for (nth, (seconds, allowed)) in table.into_iter().enumerate() {
            assert_eq!(bucket.take(at(seconds)), allowed, "request {nth} at {seconds}");
        }
    }
}
