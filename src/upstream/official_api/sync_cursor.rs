//! Decides which range of the history a refresh requests. Pure.
//!
//! Closed history does not change, so after a full sync only the tail is requested: from `settle` before the end of the last
//! refresh, as rows arrive late. A full sync runs every 4 h and after inconsistent data.

use std::collections::HashSet;
use std::time::Duration;

use crate::presence::{AgentId, Timestamp, Window};

/// How often the whole history is read again. It finds rows that arrived later than `settle`, with six full reads a day.
pub(super) const FULL_SYNC_INTERVAL: Duration = Duration::from_secs(4 * 3600);

/// How far the history has been read.
#[derive(Debug, Clone, Default)]
pub(super) struct SyncCursor {
    /// The time up to which the history of `agents` is known; `None` before the first full sync and after a reset.
    until: Option<Timestamp>,
    /// The start of the earliest gap in which a row may still arrive.
    unsettled: Option<Timestamp>,
    /// The end of the last full sync.
    full_at: Option<Timestamp>,
    agents: HashSet<AgentId>,
}

/// The range of the history to request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SyncRange {
    pub(super) range: Window,
    pub(super) full: bool,
}

// === impl SyncCursor ===

impl SyncCursor {
    /// The range to request so that the history of `agents` is known from `lookback` before `window` to its end.
    pub(super) fn next_range(
        &self,
        window: Window,
        lookback: Duration,
        settle: Duration,
        agents: &HashSet<AgentId>,
    ) -> SyncRange {
        let all = Window { start: window.start.saturating_sub(lookback), end: window.end };
        let until = self.until.filter(|until| {
            // After the clock was set back, the known history may lie in the future.
            *until <= window.end
                && self.full_at.is_some_and(|full_at| window.end < full_at + FULL_SYNC_INTERVAL)
                && agents.is_subset(&self.agents)
        });
        let tail_start = |until: Timestamp| {
            let settled = until.saturating_sub(settle);
            // A missing row may be selected by its start, which the API has in whole seconds.
            self.unsettled.map_or(settled, |unsettled| unsettled.whole_second().min(settled))
        };
        match until.map(tail_start).filter(|start| *start > all.start) {
            Some(start) => SyncRange { range: Window { start, end: window.end }, full: false },
            None => SyncRange { range: all, full: true },
        }
    }

    /// Records that `synced` was read for `agents`, with the start of the earliest unsettled gap.
    pub(super) fn advance(&mut self, synced: SyncRange, agents: HashSet<AgentId>, unsettled: Option<Timestamp>) {
        let until = Some(synced.range.end);
        if synced.full {
            *self = Self { until, unsettled, full_at: until, agents };
        } else if self.agents == agents {
            (self.until, self.unsettled) = (until, unsettled);
        }
        // A tail of some of the agents does not advance the cursor of the others.
    }

    /// The agents whose history has been read.
    pub(super) fn agents(&self) -> &HashSet<AgentId> {
        &self.agents
    }

    /// Makes the next refresh a full sync.
    pub(super) fn reset(&mut self) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn agents(ids: &[&str]) -> HashSet<AgentId> {
        ids.iter().map(|id| AgentId::from(*id)).collect()
    }

    fn window(hour: i64) -> Window {
        Window::ending_at(Timestamp::from_seconds(1_700_000_000 + hour * 3600), 24 * HOUR)
    }

    fn next(cursor: &SyncCursor, hour: i64, ids: &[&str]) -> (bool, u64) {
        let next = cursor.next_range(window(hour), 12 * HOUR, HOUR / 2, &agents(ids));
        assert_eq!(next.range.end, window(hour).end);
        (next.full, next.range.length().get() / 60_000_000)
    }

    const FULL: (bool, u64) = (true, 36 * 60);

    #[test]
    fn after_a_full_sync_only_the_tail_is_requested() {
        let mut cursor = SyncCursor::default();
        assert_eq!(next(&cursor, 0, &["1", "2"]), FULL);
        let full = cursor.next_range(window(0), 12 * HOUR, HOUR / 2, &agents(&["1", "2"]));
        cursor.advance(full, agents(&["1", "2"]), None);
        assert_eq!(next(&cursor, 1, &["1", "2"]), (false, 90));
        assert_eq!(next(&cursor, 1, &["1"]), (false, 90));
        assert_eq!(next(&cursor, 3, &["1", "2"]), (false, 210));
        assert_eq!(next(&cursor, 4, &["1", "2"]), FULL, "a full sync is due");
        assert_eq!(next(&cursor, 1, &["1", "3"]), FULL, "an agent is new");
        assert_eq!(next(&cursor, -1, &["1"]), FULL, "the clock was set back");

        let tail = cursor.next_range(window(1), 12 * HOUR, HOUR / 2, &agents(&["1"]));
        cursor.advance(tail, agents(&["1"]), None);
        assert_eq!(next(&cursor, 2, &["1", "2"]), (false, 150), "the cursor of the others has not advanced");
        let tail = cursor.next_range(window(2), 12 * HOUR, HOUR / 2, &agents(&["1", "2"]));
        cursor.advance(tail, agents(&["1", "2"]), Some(window(1).end));
        assert_eq!(next(&cursor, 3, &["1", "2"]), (false, 120), "a gap is unsettled");
        cursor.reset();
        assert_eq!(next(&cursor, 3, &["1", "2"]), FULL);
    }

    #[test]
    fn a_window_before_the_last_tail_needs_a_full_sync() {
        let mut cursor = SyncCursor::default();
        let ids = agents(&["1"]);
        for hour in [0, 2] {
            let range = cursor.next_range(window(hour), 12 * HOUR, HOUR / 2, &ids);
            cursor.advance(range, ids.clone(), None);
        }
        assert_eq!(next(&cursor, 1, &["1"]), FULL, "the clock was set back");
        assert_eq!(next(&cursor, 2, &["1"]), (false, 30));
    }

    #[test]
    fn the_tail_starts_at_a_gap_or_at_the_settled_time() {
        // The unsettled gap in microseconds before the end of the last refresh, and the start of the tail likewise.
        let second = 1_000_000;
        let settle = 30 * 60 * second;
        let table = [
            (None, settle),
            (Some(10 * second), settle),
            (Some(settle), settle),
            (Some(2 * settle), 2 * settle),
            (Some(2 * settle - 1), 2 * settle),
            (Some(2 * settle + 1), 2 * settle + second),
        ];
        let ids = agents(&["1"]);
        for (gap, expected) in table {
            let mut cursor = SyncCursor::default();
            let end = window(0).end.micros();
            let full = cursor.next_range(window(0), 12 * HOUR, HOUR / 2, &ids);
            cursor.advance(full, ids.clone(), gap.map(|gap| Timestamp::from_micros(end - gap)));
            let tail = cursor.next_range(window(1), 12 * HOUR, HOUR / 2, &ids);
            assert_eq!(end - tail.range.start.micros(), expected, "{gap:?}");
        }
    }
}
