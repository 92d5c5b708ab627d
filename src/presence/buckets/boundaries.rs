//! Where buckets begin and end: on lines that are a step apart.

use std::time::Duration;

use crate::presence::{Micros, Timestamp, Window};

/// Lines in time, each a step after the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketBoundaries {
    /// Microseconds from line to line; at least one.
    step: i64,
    /// Where the first line at or after the Unix epoch is, in microseconds; less than a step.
    phase: i64,
}

// === impl BucketBoundaries ===

impl BucketBoundaries {
    /// Lines `step` apart, one of them at the Unix epoch: the full hours, minutes or days of UTC.
    pub fn new(step: Duration) -> Self {
        Self { step: i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1), phase: 0 }
    }

    /// Lines as far apart as these, one of them at `line`: servers may count hours by another zone's clock.
    pub const fn through(self, line: Timestamp) -> Self {
        Self { phase: line.micros().rem_euclid(self.step), ..self }
    }

    /// The last line at or before `moment`.
    pub const fn floor(self, moment: Timestamp) -> Timestamp {
        let micros = moment.micros();
        Timestamp::from_micros(micros.saturating_sub(micros.saturating_sub(self.phase).rem_euclid(self.step)))
    }

    /// The first line at or after `moment`.
    pub fn ceil(self, moment: Timestamp) -> Timestamp {
        let floor = self.floor(moment);
        if floor == moment { moment } else { self.next(floor) }
    }

    /// The moment a step after `moment`.
    pub const fn next(self, moment: Timestamp) -> Timestamp {
        Timestamp::from_micros(moment.micros().saturating_add(self.step))
    }

    /// Whether there is a line at `moment`.
    pub fn has(self, moment: Timestamp) -> bool {
        self.floor(moment) == moment
    }

    /// How far a line is from the next.
    pub const fn step(self) -> Micros {
        Micros::new(self.step.unsigned_abs())
    }

    /// Whether `span` reaches from one line to the next.
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
    fn lines_are_full_hours_or_as_far_from_them_as_one_that_is_known() {
        let hours = BucketBoundaries::new(Duration::from_secs(3600));
        let half_past = hours.through(at(5400));
        let table = [
            // grid, moment: floor, ceil
            (hours, 7200, 7200, 7200),
            (hours, 7201, 7200, 10_800),
            (hours, -1, -3600, 0),
            (half_past, 7200, 5400, 9000),
            (half_past, 5400, 5400, 5400),
            (half_past, -1, -1800, 1800),
        ];
        for (grid, moment, floor, ceil) in table {
            assert_eq!((grid.floor(at(moment)), grid.ceil(at(moment))), (at(floor), at(ceil)), "{moment}");
        }
        assert!(half_past.is_bucket(Window { start: at(1800), end: at(5400) }));
        assert!(!half_past.is_bucket(Window { start: at(1800), end: at(5399) }));
        assert!(!half_past.is_bucket(Window { start: at(3600), end: at(7200) }));
    }

    proptest! {
        #[test]
        fn every_moment_lies_between_two_lines(step: u64, line: i64, moment: i64) {
            let grid = BucketBoundaries::new(Duration::from_micros(step)).through(Timestamp::from_micros(line));
            let moment = Timestamp::from_micros(moment);
            let (floor, ceil) = (grid.floor(moment), grid.ceil(moment));
            prop_assert!(floor <= moment && moment <= ceil);
            prop_assert!(ceil == moment || ceil.saturating_since(floor) <= grid.step());
        }
    }
}
