//! The states of one agent over time, from its history rows and observations.

use super::observations::{self, ObservedState, merge_observation};
use super::rows::{self, MergedRow};
use super::{RawStateIndex, TOLERANCE};
use crate::presence::{Rejection, Rejections, Timestamp, Window};

/// The rows and observations of one agent.
#[derive(Debug, Clone, Default)]
pub(super) struct AgentTimeline {
    /// Sorted by start after [`AgentTimeline::compact`].
    rows: Vec<MergedRow>,
    /// In the order of observation.
    observations: Vec<ObservedState>,
    /// Whether rows were added since the last [`AgentTimeline::compact`].
    has_new_rows: bool,
}

/// A span of time in one state. The spans of a timeline are sorted and do not overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) state: RawStateIndex,
    pub(super) time: Window,
    /// The time up to which the state is known; the rest of the span follows from the absence of another row.
    pub(super) known_until: Timestamp,
    /// The start of the last row of the state.
    pub(super) last_start: Timestamp,
    /// Whether the end of the state is not known.
    pub(super) open: bool,
    /// The number of the refresh that last returned a row of the state.
    pub(super) refresh: u32,
    /// The number of the refresh that last saw the state running; 0 for none.
    pub(super) seen: u32,
}

// === impl AgentTimeline ===

impl AgentTimeline {
    pub(super) fn add(&mut self, row: MergedRow) {
        self.rows.push(row);
        self.has_new_rows = true;
    }

    pub(super) fn observe(&mut self, observation: ObservedState) {
        observations::push(&mut self.observations, observation);
    }

    /// Whether the end of a state may be unknown that only earlier refreshes saw running. `may_arrive` says for the number of
    /// the last of them whether the row may still arrive.
    pub(super) fn may_have_ended(&self, may_arrive: impl Fn(u32) -> bool) -> bool {
        self.rows.iter().any(|row| !row.closed && may_arrive(row.seen))
            || self.observations.iter().any(|observation| may_arrive(observation.refresh))
    }

    /// The number of the refresh that last observed a state.
    pub(super) fn last_refresh(&self) -> Option<u32> {
        self.observations.last().map(|last| last.refresh)
    }

    /// The state observed in `refresh`.
    pub(super) fn observed_in(&self, refresh: u32) -> Option<RawStateIndex> {
        self.observations.last().filter(|last| last.refresh == refresh).map(|last| last.state)
    }

    /// Extends the rows that were cut at `from` until `until`, or until the next row.
    pub(super) fn extend_cut(&mut self, from: Timestamp, until: Timestamp) {
        for row in self.rows.iter_mut().filter(|row| row.has_open_end() && row.open_until + TOLERANCE >= from) {
            row.open_until = row.open_until.max(until);
        }
    }

    /// If the end of the last row is not known: the time up to which another row would have been returned. Rows must have been
    /// compacted.
    pub(super) fn open_until(&self) -> Option<Timestamp> {
        self.rows.last().filter(|row| row.has_open_end()).map(|row| row.open_until)
    }

    /// Whether a row starts at `time` or later. Rows must have been compacted.
    pub(super) fn has_row_from(&self, time: Timestamp) -> bool {
        self.rows.last().is_some_and(|last| last.start >= time)
    }

    /// Gives back the memory of dropped rows.
    pub(super) fn shrink(&mut self) {
        self.rows.shrink_to_fit();
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn needs_compacting(&self, cutoff: Timestamp) -> bool {
        self.has_new_rows || self.rows.iter().any(|row| row.closed && row.end <= cutoff)
    }

    /// Merges and sorts the rows, and drops what ended by `cutoff`. Returns how many rows were over the limit.
    pub(super) fn compact(&mut self, cutoff: Timestamp) -> usize {
        let surplus = rows::compact(&mut self.rows, cutoff);
        observations::drop_ended(&mut self.observations, cutoff);
        self.has_new_rows = false;
        surplus
    }

    /// The states of the agent up to `now`. Rows of states that ended by `settled` have arrived. `confirmed_until` says for an
    /// observed state without a start up to when it has lasted since it was first observed. Adds to `rejections` the overlaps of
    /// rows that came in `refresh`.
    pub(super) fn spans(
        &self,
        now: Timestamp,
        refresh: u32,
        settled: Option<Timestamp>,
        confirmed_until: impl Fn(&ObservedState) -> Timestamp,
        rejections: &mut Rejections,
    ) -> Vec<Span> {
        let mut rows = self.rows.clone();
        for (index, observation) in self.observations.iter().enumerate() {
            let is_current = index + 1 == self.observations.len() && observation.refresh == refresh;
            // The current state lasts at least until now.
            let last_seen = if is_current { observation.last_seen.max(now) } else { observation.last_seen };
            // An agent of whom there is no row has not changed the state within the look-back.
            let confirmed = if self.rows.is_empty() { last_seen } else { confirmed_until(observation) };
            merge_observation(&mut rows, &ObservedState { last_seen, ..*observation }, confirmed);
        }
        let mut spans: Vec<Span> = Vec::with_capacity(rows.len());
        let mut rows = rows.into_iter().peekable();
        while let Some(row) = rows.next() {
            let end = match rows.peek() {
                Some(next) => {
                    let is_new = row.refresh == refresh || next.refresh == refresh;
                    if row.closed && is_new && row.end > next.start + TOLERANCE && !row.may_be_same_row(next) {
                        rejections.add(Rejection::Overlap);
                    }
                    row.lasted_until(next, settled)
                }
                None => row.end,
            };
            // The last state is kept even if it has no time yet: it ends the gap before it.
            if row.start < end || rows.peek().is_none() {
                let time = Window { start: row.start, end };
                spans.push(Span {
                    state: row.state,
                    time,
                    known_until: row.known_until().min(end),
                    last_start: row.last_start,
                    open: !row.closed,
                    refresh: row.refresh,
                    seen: row.seen,
                });
            }
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::timeline::RowKey;

    const NOW: i64 = 1_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000 + seconds)
    }

    fn row(index: Option<i64>, state: u32, (start, end): (i64, i64), closed: bool, refresh: u32) -> MergedRow {
        let key = index.map(|index| RowKey { session: 1, index });
        let (state, start, end) = (RawStateIndex(state), at(start), at(end));
        MergedRow {
            key,
            state,
            start,
            last_start: start,
            end,
            closed,
            has_start: true,
            running: false,
            open_until: at(NOW),
            refresh,
            seen: refresh,
        }
    }

    fn timeline(rows: &[MergedRow], observations: &[ObservedState]) -> AgentTimeline {
        AgentTimeline { rows: rows.to_vec(), observations: observations.to_vec(), has_new_rows: false }
    }

    /// State, start, end and `known_until` of each span in refresh 2.
    fn spans(timeline: &AgentTimeline) -> (Vec<(u32, i64, i64, i64)>, u64) {
        let mut rejections = Rejections::default();
        let seconds = |time: Timestamp| (time.micros() - at(0).micros()) / 1_000_000;
        let spans = timeline.spans(at(NOW), 2, Some(at(NOW)), |one| one.last_seen, &mut rejections).into_iter();
        let spans = spans
            .map(|span| (span.state.0, seconds(span.time.start), seconds(span.time.end), seconds(span.known_until)));
        (spans.collect(), rejections.iter().map(|(_, count)| count).sum())
    }

    #[test]
    fn only_the_newest_observation_of_this_refresh_lasts_until_now() {
        let observed = |state, start, last_seen, refresh| ObservedState {
            state: RawStateIndex(state),
            start: Some(at(start)),
            fallback: at(start),
            first_seen: at(last_seen),
            last_fallback: at(start),
            last_seen: at(last_seen),
            refresh,
        };
        let table = [
            (vec![observed(0, 100, 900, 2)], vec![(0, 100, NOW, NOW)]),
            (vec![observed(0, 100, 900, 1)], vec![(0, 100, 900, 900)]),
            (vec![observed(0, 100, 900, 2), observed(1, 950, 960, 2)], vec![(0, 100, 900, 900), (1, 950, NOW, NOW)]),
        ];
        for (observations, expected) in table {
            assert_eq!(spans(&timeline(&[], &observations)), (expected, 0), "{observations:?}");
        }
    }

    #[test]
    fn an_overlap_is_counted_if_either_row_is_new() {
        for (first, second, expected) in [(1, 1, 0), (1, 2, 1), (2, 1, 1), (2, 2, 1)] {
            let rows = [row(Some(0), 0, (0, 200), true, first), row(Some(1), 1, (100, 300), true, second)];
            assert_eq!(spans(&timeline(&rows, &[])).1, expected, "{first} {second}");
        }
    }

    #[test]
    fn pieces_of_a_row_without_key_are_no_overlap() {
        for (key, state, expected) in [(None, 0, 0), (None, 1, 1), (Some(1), 0, 1)] {
            let rows = [row(key.map(|_| 0), 0, (0, 200), true, 2), row(key, state, (100, 300), true, 2)];
            assert_eq!(spans(&timeline(&rows, &[])).1, expected, "{key:?} {state}");
        }
    }

    #[test]
    fn a_last_row_without_length_is_kept_and_others_are_not() {
        let rows = [
            row(Some(0), 0, (0, 100), true, 2),
            row(Some(1), 1, (100, 100), true, 2),
            row(Some(2), 2, (100, 150), false, 2),
            row(Some(3), 0, (900, 900), false, 2),
        ];
        let expected = vec![(0, 0, 100, 100), (2, 100, 900, 150), (0, 900, 900, 900)];
        assert_eq!(spans(&timeline(&rows, &[])), (expected, 0));
    }
}
