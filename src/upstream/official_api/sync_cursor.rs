//! Which range of the history a refresh asks for. Pure.
//!
//! Closed history does not change, so after a first full read only the tail is asked for that may still: from `settle`
//! before the end of the last one, as rows arrive late. Now and then, and whenever there is a doubt, all is read again.

use std::collections::HashSet;
use std::time::Duration;

use crate::presence::{AgentId, Timestamp, Window};

/// How often all of the history is read again, whether or not there is a doubt. It finds what arrived later than
/// `settle` allows for, at a cost of six full reads a day.
pub(super) const RESYNC: Duration = Duration::from_secs(4 * 3600);

/// How far history has been read.
#[derive(Debug, Clone, Default)]
pub(super) struct SyncCursor {
    /// Up to when, and for whom, all is known; `None` while nothing is, or after a doubt.
    until: Option<Timestamp>,
    /// The earliest moment since which something is still to arrive, if there is any before `settle`.
    unsettled: Option<Timestamp>,
    /// When all of it was read last.
    full_at: Option<Timestamp>,
    agents: HashSet<AgentId>,
}

/// The part of the history to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SyncRange {
    pub(super) range: Window,
    pub(super) full: bool,
}

// === impl SyncCursor ===

impl SyncCursor {
    /// What to ask for so that all is known of `agents` up to the end of `window` and from `lookback` before its start.
    pub(super) fn plan(
        &self,
        window: Window,
        lookback: Duration,
        settle: Duration,
        agents: &HashSet<AgentId>,
    ) -> SyncRange {
        let all = Window { start: window.start.saturating_sub(lookback), end: window.end };
        let tail = self.until.filter(|until| {
            // A clock that was set back makes nonsense of what is known to be past.
            *until <= window.end
                && self.full_at.is_some_and(|full_at| full_at <= window.end && window.end < full_at + RESYNC)
                && agents.is_subset(&self.agents)
        });
        let reaching_back = |until: Timestamp| {
            let settled = until.saturating_sub(settle);
            // A row that has not arrived is listed by its start, where that is what rows are kept by.
            self.unsettled.map_or(settled, |unsettled| unsettled.whole_second().min(settled))
        };
        match tail.map(reaching_back).filter(|start| *start > all.start) {
            Some(start) => SyncRange { range: Window { start, end: window.end }, full: false },
            None => SyncRange { range: all, full: true },
        }
    }

    /// Notes that `plan` was carried out for `agents`, and from when on something may be missing.
    pub(super) fn carried_out(&mut self, plan: SyncRange, agents: HashSet<AgentId>, unsettled: Option<Timestamp>) {
        if plan.full {
            *self = Self { until: Some(plan.range.end), unsettled, full_at: Some(plan.range.end), agents };
        } else if self.agents == agents {
            (self.until, self.unsettled) = (Some(plan.range.end), unsettled);
        }
        // A tail of some of the agents says nothing of the others, so it is asked for again with theirs.
    }

    /// For whom history has been read.
    pub(super) fn agents(&self) -> &HashSet<AgentId> {
        &self.agents
    }

    /// Lets the next refresh read everything.
    pub(super) fn doubt(&mut self) {
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

    fn plan(cursor: &SyncCursor, hour: i64, ids: &[&str]) -> (bool, u64) {
        let plan = cursor.plan(window(hour), 12 * HOUR, HOUR / 2, &agents(ids));
        assert_eq!(plan.range.end, window(hour).end);
        (plan.full, plan.range.length().get() / 60_000_000)
    }

    const FULL: (bool, u64) = (true, 36 * 60);

    #[test]
    fn after_a_full_read_only_the_tail_is_asked_for() {
        let mut cursor = SyncCursor::default();
        assert_eq!(plan(&cursor, 0, &["1", "2"]), FULL);
        let full = cursor.plan(window(0), 12 * HOUR, HOUR / 2, &agents(&["1", "2"]));
        cursor.carried_out(full, agents(&["1", "2"]), None);
        assert_eq!(plan(&cursor, 1, &["1", "2"]), (false, 90));
        assert_eq!(plan(&cursor, 1, &["1"]), (false, 90));
        assert_eq!(plan(&cursor, 3, &["1", "2"]), (false, 210));
        assert_eq!(plan(&cursor, 4, &["1", "2"]), FULL, "a resync is due");
        assert_eq!(plan(&cursor, 1, &["1", "3"]), FULL, "somebody is new");
        assert_eq!(plan(&cursor, -1, &["1"]), FULL, "the clock was set back");

        let tail = cursor.plan(window(1), 12 * HOUR, HOUR / 2, &agents(&["1"]));
        cursor.carried_out(tail, agents(&["1"]), None);
        assert_eq!(plan(&cursor, 2, &["1", "2"]), (false, 150), "of the others nothing newer is known");
        let tail = cursor.plan(window(2), 12 * HOUR, HOUR / 2, &agents(&["1", "2"]));
        cursor.carried_out(tail, agents(&["1", "2"]), Some(window(1).end));
        assert_eq!(plan(&cursor, 3, &["1", "2"]), (false, 120), "a row is missing since an hour before");
        cursor.doubt();
        assert_eq!(plan(&cursor, 3, &["1", "2"]), FULL);
    }
}
