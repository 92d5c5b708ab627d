//! The buckets of an answer and the time in each state within them.

use crate::presence::{Timestamp, Window};
use crate::simulator::options::Align;
use crate::simulator::timeline::{StateTimes, Timeline};
use crate::simulator::workforce::Agent;

/// The buckets of a query. Times are microseconds since the Unix epoch.
///
/// A first bucket that starts before the window is complete; a bucket that has not ended contains the time until
/// `known_until`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BucketGrid {
    origin: i64,
    step: i64,
    count: usize,
    /// Earliest start of the first bucket.
    first: i64,
    /// Latest end of the last bucket.
    limit: i64,
    known_until: i64,
}

// === impl BucketGrid ===

impl BucketGrid {
    /// The buckets of `step` microseconds that overlap `window` and have begun before `known_until`.
    pub(crate) fn new(window: Window, step: i64, align: Align, known_until: Timestamp) -> Self {
        let step = step.max(1);
        let (start, end, known_until) = (window.start.micros(), window.end.micros(), known_until.micros());
        let whole = start.div_euclid(step).saturating_mul(step);
        let (origin, first, limit) = match align {
            Align::Window => (start, start, end),
            Align::Hour => (whole, whole, i64::MAX),
            Align::HourCut => (whole, start, end),
        };
        let span = end.min(known_until).saturating_sub(origin);
        // Rounded up: a bucket that has started counts. An empty window has no buckets.
        let count = if end > start && known_until > start {
            usize::try_from((span - 1).div_euclid(step) + 1).unwrap_or(0)
        } else {
            0
        };
        Self { origin, step, count, first, limit, known_until }
    }

    /// Number of buckets.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Start and end of the bucket at `index`.
    pub(crate) fn bucket(&self, index: usize) -> Window {
        let start = self.start(index);
        let end = start.saturating_add(self.step).min(self.limit);
        Window { start: Timestamp::from_micros(start.max(self.first)), end: Timestamp::from_micros(end) }
    }

    /// Writes the agent's time in each of the buckets `from..to` to `times`.
    pub(crate) fn times(
        &self,
        timeline: &Timeline,
        agent: &Agent,
        (from, to): (usize, usize),
        times: &mut Vec<StateTimes>,
    ) {
        times.clear();
        times.resize(to.saturating_sub(from), StateTimes::default());
        let (first, last) = (self.start(from), self.start(to).min(self.limit).min(self.known_until));
        let window = Window { start: Timestamp::from_micros(first.max(self.first)), end: Timestamp::from_micros(last) };
        let mut buckets = times.iter_mut();
        let mut bucket = buckets.next();
        let mut bucket_end = first.saturating_add(self.step);
        for segment in timeline.segments(agent, window) {
            let mut at = segment.start;
            while at < segment.end {
                if at.micros() >= bucket_end {
                    bucket = buckets.next();
                    bucket_end = bucket_end.saturating_add(self.step);
                    continue;
                }
                let end = segment.end.min(Timestamp::from_micros(bucket_end));
                if let Some(bucket) = bucket.as_deref_mut() {
                    bucket.add(segment.state, end.saturating_since(at));
                }
                at = end;
            }
        }
    }

    fn start(&self, index: usize) -> i64 {
        self.origin.saturating_add(self.step.saturating_mul(i64::try_from(index).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simulator::workforce::Workforce;

    const HOUR: i64 = 3_600_000_000;

    fn window(start: i64, end: i64) -> Window {
        Window { start: Timestamp::from_micros(start), end: Timestamp::from_micros(end) }
    }

    #[test]
    fn buckets_align_to_the_window_or_the_hour() {
        let (start, end) = (10 * HOUR + HOUR / 2, 13 * HOUR + HOUR / 4);
        let quarter_past_one = Timestamp::from_micros(end);
        let table = [
            (Align::Hour, quarter_past_one, vec![(10, 11), (11, 12), (12, 13), (13, 14)]),
            (Align::Hour, Timestamp::from_micros(12 * HOUR), vec![(10, 11), (11, 12)]),
            (Align::Hour, Timestamp::from_micros(start), vec![]),
        ];
        for (align, known_until, buckets) in table {
            let grid = BucketGrid::new(window(start, end), HOUR, align, known_until);
            let found: Vec<_> = (0..grid.count()).map(|index| grid.bucket(index)).collect();
            let expected: Vec<_> = buckets.iter().map(|(from, to)| window(from * HOUR, to * HOUR)).collect();
            assert_eq!(found, expected);
        }
        let grid = BucketGrid::new(window(start, end), HOUR, Align::Window, quarter_past_one);
        assert_eq!(grid.count(), 3);
        assert_eq!(grid.bucket(0), window(start, start + HOUR));
        assert_eq!(grid.bucket(2), window(start + 2 * HOUR, end));
        let grid = BucketGrid::new(window(start, end), HOUR, Align::HourCut, quarter_past_one);
        let buckets: Vec<_> = (0..grid.count()).map(|index| grid.bucket(index)).collect();
        let expected = [(start, 11 * HOUR), (11 * HOUR, 12 * HOUR), (12 * HOUR, 13 * HOUR), (13 * HOUR, end)];
        assert_eq!(buckets, expected.map(|(from, to)| window(from, to)));
    }

    proptest! {
        #[test]
        fn bucket_times_equal_timeline_times(
            index in 0..48_usize,
            start in 1_700_000_000_000_000..1_800_000_000_000_000_i64,
            length in 1..172_800_000_000_i64,
            step in 60_000_000..7_200_000_000_i64,
            known in 0..200_000_000_000_i64,
            align in prop::sample::select(vec![Align::Window, Align::Hour, Align::HourCut]),
        ) {
            let (workforce, timeline) = (Workforce::new(5, 48), Timeline::new(1));
            let agent = &workforce.agents()[index];
            let known_until = Timestamp::from_micros(start + known);
            let grid = BucketGrid::new(window(start, start + length), step, align, known_until);
            let (from, to) = (grid.count() / 3, grid.count());
            let mut times = Vec::new();
            grid.times(&timeline, agent, (from, to), &mut times);
            prop_assert_eq!(times.len(), to - from);
            for (offset, times) in times.iter().enumerate() {
                let bucket = grid.bucket(from + offset);
                prop_assert!(bucket.start < bucket.end && bucket.start < known_until);
                let known = Window { start: bucket.start, end: bucket.end.min(known_until) };
                prop_assert_eq!(times, &timeline.times(agent, known));
            }
        }
    }
}
