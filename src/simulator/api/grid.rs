//! Where the buckets of an answer begin and end, and what is in them.

use crate::presence::{Timestamp, Window};
use crate::simulator::options::Align;
use crate::simulator::roster::Agent;
use crate::simulator::timeline::{StateTimes, Timeline};

/// The buckets of a query. Times are microseconds since the Unix epoch.
///
/// A bucket reports all that is known of it: a first one that begins before the window is whole, and one
/// that has not ended yet has the time up to `known_until`.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulator) struct Grid {
    origin: i64,
    step: i64,
    count: usize,
    /// Where the last bucket ends at the latest.
    limit: i64,
    known_until: i64,
}

// === impl Grid ===

impl Grid {
    /// The buckets of `step` microseconds that overlap `window` and have begun before `known_until`.
    pub(in crate::simulator) fn new(window: Window, step: i64, align: Align, known_until: Timestamp) -> Self {
        let step = step.max(1);
        let (start, end, known_until) = (window.start.micros(), window.end.micros(), known_until.micros());
        let (origin, limit) = match align {
            Align::Window => (start, end),
            Align::Hour => (start.div_euclid(step).saturating_mul(step), i64::MAX),
        };
        let span = end.min(known_until).saturating_sub(origin);
        // Rounded up: a bucket that has only begun counts as one. No time at all has no bucket.
        let count = if end > start && known_until > start {
            usize::try_from((span - 1).div_euclid(step) + 1).unwrap_or(0)
        } else {
            0
        };
        Self { origin, step, count, limit, known_until }
    }

    /// How many buckets there are.
    pub(in crate::simulator) const fn count(&self) -> usize {
        self.count
    }

    /// Start and end of the bucket at `index`.
    pub(in crate::simulator) fn bucket(&self, index: usize) -> Window {
        let start = self.start(index);
        let end = start.saturating_add(self.step).min(self.limit);
        Window { start: Timestamp::from_micros(start), end: Timestamp::from_micros(end) }
    }

    /// Puts the agent's time in each of the buckets `from..to` into `times`.
    pub(in crate::simulator) fn times(
        &self,
        timeline: &Timeline,
        agent: &Agent,
        (from, to): (usize, usize),
        times: &mut Vec<StateTimes>,
    ) {
        times.clear();
        times.resize(to.saturating_sub(from), StateTimes::default());
        let (first, last) = (self.start(from), self.start(to).min(self.limit).min(self.known_until));
        let window = Window { start: Timestamp::from_micros(first), end: Timestamp::from_micros(last) };
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
