//! How many requests a minute there may be, and how they are spread over it. Pure arithmetic.

use std::num::NonZeroU32;
use std::time::Duration;

/// The most requests that go out at once after a pause. A refresh begins with a token and a first page or two, which
/// need not wait for each other; more would be the very burst that a budget is there to prevent.
const MAX_BURST: u32 = 4;

/// A burst is at most one part in so many of a minute's requests, so that a small budget is spread as well.
const BURST_PART: u32 = 10;

/// The nanoseconds of a minute.
pub(crate) const MINUTE_NANOS: u64 = 60_000_000_000;

/// A budget of requests.
///
/// No minute, wherever it begins, has more requests than the budget, so what goes out at once is taken off what is
/// spread over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRate {
    per_minute: NonZeroU32,
}

// === impl RequestRate ===

impl RequestRate {
    /// At most so many requests in any minute.
    pub const fn new(per_minute: NonZeroU32) -> Self {
        Self { per_minute }
    }

    /// The most requests in any minute.
    pub const fn per_minute(self) -> u32 {
        self.per_minute.get()
    }

    /// How many requests may go out at once after a pause; at least one.
    pub fn burst(self) -> u32 {
        (self.per_minute() / BURST_PART).clamp(1, MAX_BURST)
    }

    /// How many requests come after those of a burst in each minute, evenly spread; at least one.
    pub(crate) fn steady(self) -> u32 {
        // A burst, and the first of those that are spread goes out just after the minute in which it began.
        self.per_minute() - self.burst() + 1
    }

    /// How long after the first of so many requests the last one goes out, at the earliest and after a pause.
    pub fn time_for(self, requests: u64) -> Duration {
        let spread = u128::from(requests.saturating_sub(u64::from(self.burst())));
        let nanos = (spread * u128::from(MINUTE_NANOS)).div_ceil(u128::from(self.steady()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The same pace at half the requests, at least one.
    pub(crate) fn halved(self) -> Self {
        Self { per_minute: NonZeroU32::new(self.per_minute() / 2).unwrap_or(NonZeroU32::MIN) }
    }

    /// The same pace with so many requests a minute more.
    pub(crate) const fn raised_by(self, requests: u32) -> Self {
        Self { per_minute: self.per_minute.saturating_add(requests) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_small_and_the_rest_is_spread() {
        let table = [
            // a minute: at once, then a minute; the seconds that ten requests take
            (1, 1, 1, 540.0),
            (10, 1, 10, 54.0),
            (19, 1, 19, 28.421),
            (20, 2, 19, 25.263),
            (60, 4, 57, 6.316),
            (6_000, 4, 5_997, 0.060),
        ];
        for (per_minute, burst, steady, ten) in table {
            let pace = RequestRate::new(NonZeroU32::new(per_minute).unwrap());
            assert_eq!((pace.burst(), pace.steady()), (burst, steady), "{per_minute}");
            let took = pace.time_for(10).as_secs_f64();
            assert!((took - ten).abs() < 0.001, "{per_minute}: {took}");
            assert_eq!(pace.time_for(1), Duration::ZERO);
            assert_eq!(pace.time_for(u64::from(burst)), Duration::ZERO);
        }
    }
}
