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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyncRange {
    /// From the look-back before the window to its end.
    pub(super) all: Window,
    /// The part that is not known yet of the agents whose history was read before; `None` for a full sync.
    tail: Option<Window>,
    /// The agents whose history was read before.
    known: HashSet<AgentId>,
    /// Whether these are all that are wanted.
    all_known: bool,
}

// === impl SyncRange ===

impl SyncRange {
    /// All of `range`, of any agents.
    pub(super) fn whole(range: Window) -> Self {
        Self { all: range, tail: None, known: HashSet::new(), all_known: false }
    }

    /// `all`, of which only the time from `start` on is not known of the `known` agents.
    pub(super) const fn tail(all: Window, start: Timestamp, known: HashSet<AgentId>) -> Self {
        Self { all, tail: Some(Window { start, end: all.end }), known, all_known: true }
    }

    /// The range to request of all agents at once.
    pub(super) fn of_all(&self) -> Window {
        self.tail.filter(|_| self.all_known).unwrap_or(self.all)
    }

    /// The range to request of `agent` alone.
    pub(super) fn of(&self, agent: &AgentId) -> Window {
        self.tail.filter(|_| self.known.contains(agent)).unwrap_or(self.all)
    }
}

// === impl SyncCursor ===

impl SyncCursor {
    /// The range to request so that the history of `agents` is known from `lookback` before `window` to its end. It begins
    /// with a whole second, as the API documents no more than milliseconds.
    pub(super) fn next_range(
        &self,
        window: Window,
        lookback: Duration,
        settle: Duration,
        agents: &HashSet<AgentId>,
    ) -> SyncRange {
        let all = Window { start: window.start.saturating_sub(lookback).whole_second(), end: window.end };
        let until = self.until.filter(|until| {
            // After the clock was set back, the known history may lie in the future.
            *until <= window.end && self.full_at.is_some_and(|full_at| window.end < full_at + FULL_SYNC_INTERVAL)
        });
        let tail_start = |until: Timestamp| {
            let settled = until.saturating_sub(settle);
            self.unsettled.map_or(settled, |unsettled| unsettled.min(settled)).whole_second()
        };
        let tail = until.map(tail_start).filter(|start| *start > all.start);
        SyncRange {
            all,
            tail: tail.map(|start| Window { start, end: window.end }),
            known: self.agents.clone(),
            all_known: agents.is_subset(&self.agents),
        }
    }

    /// Records that `synced` was read for `agents`, with the start of the earliest unsettled gap. `failed` are those of them
    /// whose history could not be read; `in_bulk` says whether all agents were requested at once.
    pub(super) fn advance(
        &mut self,
        synced: &SyncRange,
        agents: HashSet<AgentId>,
        failed: &HashSet<AgentId>,
        in_bulk: bool,
        unsettled: Option<Timestamp>,
    ) {
        let until = Some(synced.all.end);
        let has_all = self.agents.is_subset(&agents);
        let mut read = agents;
        read.retain(|agent| !failed.contains(agent));
        if synced.tail.is_none() || (in_bulk && !synced.all_known) {
            *self = Self { until, unsettled, full_at: until, agents: read };
        } else if has_all {
            (self.until, self.unsettled, self.agents) = (until, unsettled, read);
        } else {
            // A tail of some of the agents does not advance the cursor of the others.
            self.agents.extend(read);
        }
    }

    /// The agents whose history has been read.
    pub(super) fn agents(&self) -> &HashSet<AgentId> {
        &self.agents
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

    fn range(cursor: &SyncCursor, hour: i64, ids: &[&str]) -> SyncRange {
        cursor.next_range(window(hour), 12 * HOUR, HOUR / 2, &agents(ids))
    }

    /// Whether all is requested in bulk, and the length of the range in minutes.
    fn next(cursor: &SyncCursor, hour: i64, ids: &[&str]) -> (bool, u64) {
        let next = range(cursor, hour, ids);
        assert_eq!(next.of_all().end, window(hour).end);
        (next.of_all() == next.all, next.of_all().length().get() / 60_000_000)
    }

    fn advance(cursor: &mut SyncCursor, hour: i64, ids: &[&str], unsettled: Option<Timestamp>) {
        let synced = range(cursor, hour, ids);
        cursor.advance(&synced, agents(ids), &HashSet::new(), true, unsettled);
    }

    const FULL: (bool, u64) = (true, 36 * 60);

    #[test]
    fn after_a_full_sync_only_the_tail_is_requested() {
        let mut cursor = SyncCursor::default();
        assert_eq!(next(&cursor, 0, &["1", "2"]), FULL);
        advance(&mut cursor, 0, &["1", "2"], None);
        assert_eq!(next(&cursor, 1, &["1", "2"]), (false, 90));
        assert_eq!(next(&cursor, 1, &["1"]), (false, 90));
        assert_eq!(next(&cursor, 3, &["1", "2"]), (false, 210));
        assert_eq!(next(&cursor, 4, &["1", "2"]), FULL, "a full sync is due");
        assert_eq!(next(&cursor, 1, &["1", "3"]), FULL, "an agent is new");
        assert_eq!(next(&cursor, -1, &["1"]), FULL, "the clock was set back");

        advance(&mut cursor, 1, &["1"], None);
        assert_eq!(next(&cursor, 2, &["1", "2"]), (false, 150), "the cursor of the others has not advanced");
        advance(&mut cursor, 2, &["1", "2"], Some(window(1).end));
        assert_eq!(next(&cursor, 3, &["1", "2"]), (false, 120), "a gap is unsettled");
    }

    #[test]
    fn agent_by_agent_only_new_and_failed_agents_are_read_in_full() {
        let mut cursor = SyncCursor::default();
        let full = range(&cursor, 0, &["1", "2"]);
        cursor.advance(&full, agents(&["1", "2"]), &agents(&["2"]), false, None);
        for hour in 1..3 {
            let tail = range(&cursor, hour, &["1", "2", "3"]);
            let minutes = |id: &str| tail.of(&AgentId::from(id)).length().get() / 60_000_000;
            assert_eq!(["1", "2", "3"].map(minutes), [90, 36 * 60, if hour == 1 { 36 * 60 } else { 90 }]);
            cursor.advance(&tail, agents(&["1", "2", "3"]), &agents(&["2"]), false, None);
        }
        assert_eq!(cursor.agents(), &agents(&["1", "3"]));
    }

    #[test]
    fn a_window_before_the_last_tail_needs_a_full_sync() {
        let mut cursor = SyncCursor::default();
        advance(&mut cursor, 0, &["1"], None);
        advance(&mut cursor, 2, &["1"], None);
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
        for (gap, expected) in table {
            let mut cursor = SyncCursor::default();
            let end = window(0).end.micros();
            advance(&mut cursor, 0, &["1"], gap.map(|gap| Timestamp::from_micros(end - gap)));
            let tail = range(&cursor, 1, &["1"]).of_all();
            assert_eq!(end - tail.start.micros(), expected, "{gap:?}");
        }
    }
}
