//! The boundaries of buckets, at a fixed interval.

use std::time::Duration;

use crate::presence::{Micros, Timestamp, Window};

/// Boundaries at a fixed interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketBoundaries {
    /// The interval in microseconds; at least one.
    interval: i64,
    /// The first boundary at or after the Unix epoch, in microseconds; less than an interval.
    phase: i64,
}

// === impl BucketBoundaries ===

impl BucketBoundaries {
    /// Boundaries `interval` apart, one of them at the Unix epoch: the full hours, minutes or days of UTC.
    pub fn new(interval: Duration) -> Self {
        Self { interval: i64::try_from(interval.as_micros()).unwrap_or(i64::MAX).max(1), phase: 0 }
    }

    /// Boundaries with the same interval, one of them at `boundary`: servers may count hours in another time zone.
    pub const fn through(self, boundary: Timestamp) -> Self {
        Self { phase: boundary.micros().rem_euclid(self.interval), ..self }
    }

    /// The last boundary at or before `time`.
    pub const fn floor(self, time: Timestamp) -> Timestamp {
        let micros = time.micros();
        Timestamp::from_micros(micros.saturating_sub(micros.saturating_sub(self.phase).rem_euclid(self.interval)))
    }

    /// The first boundary at or after `time`.
    pub fn ceil(self, time: Timestamp) -> Timestamp {
        let floor = self.floor(time);
        if floor == time { time } else { self.next(floor) }
    }

    /// The time one interval after `time`.
    pub const fn next(self, time: Timestamp) -> Timestamp {
        Timestamp::from_micros(time.micros().saturating_add(self.interval))
    }

    /// Whether `time` is a boundary.
    pub fn has(self, time: Timestamp) -> bool {
        self.floor(time) == time
    }

    /// The interval.
    pub const fn interval(self) -> Micros {
        Micros::new(self.interval.unsigned_abs())
    }

    /// Whether `span` reaches from one boundary to the next.
    pub(super) fn is_bucket(self, span: Window) -> bool {
        span.end == self.next(span.start) && self.has(span.start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn boundaries_are_full_hours_or_offset() {
        let hours = BucketBoundaries::new(Duration::from_secs(3600));
        let half_past = hours.through(at(5400));
        let table = [
            // boundaries, time: floor, ceil
            (hours, 7200, 7200, 7200),
            (hours, 7201, 7200, 10_800),
            (hours, -1, -3600, 0),
            (half_past, 7200, 5400, 9000),
            (half_past, 5400, 5400, 5400),
            (half_past, -1, -1800, 1800),
        ];
        for (boundaries, time, floor, ceil) in table {
            assert_eq!((boundaries.floor(at(time)), boundaries.ceil(at(time))), (at(floor), at(ceil)), "{time}");
        }
        assert!(half_past.is_bucket(Window { start: at(1800), end: at(5400) }));
        assert!(!half_past.is_bucket(Window { start: at(1800), end: at(5399) }));
        assert!(!half_past.is_bucket(Window { start: at(3600), end: at(7200) }));
    }

    proptest! {
        #[test]
        fn every_time_is_between_two_boundaries(interval: u64, boundary: i64, time: i64) {
            let boundaries = BucketBoundaries::new(Duration::from_micros(interval)).through(Timestamp::from_micros(boundary));
            let time = Timestamp::from_micros(time);
            let (floor, ceil) = (boundaries.floor(time), boundaries.ceil(time));
            prop_assert!(floor <= time && time <= ceil);
            prop_assert!(ceil == time || ceil.saturating_since(floor) <= boundaries.interval());
        }
    }
}
