//! A number of requests a minute, split into a burst and a steady rate.

use std::num::NonZeroU32;
use std::time::Duration;

/// The largest burst after a pause. A refresh begins with a token and a first page or two, which need not wait for each
/// other. A budget exists to prevent larger bursts.
const MAX_BURST: u32 = 4;

/// A burst is at most one part in so many of a minute's requests, so that a small budget is spread too.
const BURST_PART: u32 = 10;

/// The nanoseconds of a minute.
pub(crate) const MINUTE_NANOS: u64 = 60_000_000_000;

/// Requests a minute.
///
/// No minute, wherever it begins, has more requests, so the burst is subtracted from the steady rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRate {
    per_minute: NonZeroU32,
}

// === impl RequestRate ===

impl RequestRate {
    /// At most `per_minute` requests in any minute.
    pub const fn new(per_minute: NonZeroU32) -> Self {
        Self { per_minute }
    }

    /// The most requests in any minute.
    pub const fn per_minute(self) -> u32 {
        self.per_minute.get()
    }

    /// The requests that may be sent at once after a pause; at least one.
    pub fn burst(self) -> u32 {
        (self.per_minute() / BURST_PART).clamp(1, MAX_BURST)
    }

    /// The evenly spread requests of each minute after a burst; at least one.
    pub(crate) fn steady(self) -> u32 {
        // Plus one: the last of a burst and this many spread requests is sent just after the minute of the burst.
        self.per_minute() - self.burst() + 1
    }

    /// The shortest time from the first to the last of `requests`, after a pause.
    pub fn time_for(self, requests: u64) -> Duration {
        let spread = u128::from(requests.saturating_sub(u64::from(self.burst())));
        let nanos = (spread * u128::from(MINUTE_NANOS)).div_ceil(u128::from(self.steady()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Half the rate, at least one.
    pub(crate) fn halved(self) -> Self {
        Self { per_minute: NonZeroU32::new(self.per_minute() / 2).unwrap_or(NonZeroU32::MIN) }
    }

    /// The rate plus `requests` a minute.
    pub(crate) const fn raised_by(self, requests: u32) -> Self {
        Self { per_minute: self.per_minute.saturating_add(requests) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_steady_rate_and_time_for_requests() {
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
            let rate = RequestRate::new(NonZeroU32::new(per_minute).unwrap());
            assert_eq!((rate.burst(), rate.steady()), (burst, steady), "{per_minute}");
            let took = rate.time_for(10).as_secs_f64();
            assert!((took - ten).abs() < 0.001, "{per_minute}: {took}");
            assert_eq!(rate.time_for(1), Duration::ZERO);
            assert_eq!(rate.time_for(u64::from(burst)), Duration::ZERO);
        }
    }
}
