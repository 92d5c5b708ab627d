//! Observed current states, kept until their history rows arrive.

use super::rows::MergedRow;
use super::{MAX_OBSERVATIONS, RawStateIndex, TOLERANCE, is_same_time};
use crate::presence::Timestamp;

/// A state in which the agent was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ObservedState {
    pub(super) state: RawStateIndex,
    /// The start of the state, if it was given.
    pub(super) start: Option<Timestamp>,
    /// Where no start was given: the state lasted from here until `first_seen`.
    pub(super) fallback: Timestamp,
    /// The first time at which the state was observed.
    pub(super) first_seen: Timestamp,
    /// Where no start was given: the state lasted from here until `last_seen`.
    pub(super) last_fallback: Timestamp,
    /// The last time at which the state was observed.
    pub(super) last_seen: Timestamp,
    /// The number of the refresh that last observed the state.
    pub(super) refresh: u32,
}

/// Adds `new` to `observations`, or extends the last observation if it is of the same state.
pub(super) fn push(observations: &mut Vec<ObservedState>, new: ObservedState) {
    if let Some(last) = observations.last_mut() {
        let is_consecutive = last.refresh.wrapping_add(1) >= new.refresh;
        let is_same = last.state == new.state
            && match (last.start, new.start) {
                (Some(before), Some(start)) => is_same_time(before, start),
                (None, Some(start)) => is_consecutive && start <= last.fallback + TOLERANCE,
                (None, None) => is_consecutive,
                // The state may have begun again.
                (Some(_), None) => false,
            };
        if is_same {
            last.start = last.start.or(new.start);
            last.last_seen = last.last_seen.max(new.last_seen);
            last.last_fallback = new.last_fallback;
            last.refresh = new.refresh;
            return;
        }
    }
    observations.push(new);
    let surplus = observations.len().saturating_sub(MAX_OBSERVATIONS);
    observations.drain(..surplus);
}

/// Drops the observations that a later one had followed by `cutoff`.
pub(super) fn drop_ended(observations: &mut Vec<ObservedState>, cutoff: Timestamp) {
    let followed = observations.iter().skip(1).filter(|later| later.starts() <= cutoff).count();
    observations.drain(..followed);
}

/// Adds to `rows` the time that an observation proves. `rows` are sorted by start before and after. A state without a start
/// has lasted from its first observation until `confirmed`.
pub(super) fn merge_observation(rows: &mut Vec<MergedRow>, observation: &ObservedState, confirmed: Timestamp) {
    let ObservedState { fallback, first_seen, last_fallback, last_seen, .. } = *observation;
    let Some(observed_start) = observation.start else {
        merge_time_within(rows, observation, (fallback, first_seen));
        extend_confirmed(rows, observation, (first_seen.max(fallback), confirmed));
        merge_time_within(rows, observation, (last_fallback, last_seen));
        return;
    };
    let state = observation.state;
    let next_index = rows.partition_point(|row| row.start <= observed_start + TOLERANCE);
    let mut start = observed_start;
    let next = rows.get(next_index).map(|next| (next.state, next.start));
    if let Some(row) = next_index.checked_sub(1).and_then(|before| rows.get(before)) {
        // A gap between two times in the same state means that another state was in between.
        if row.state == state && observed_start <= row.end + TOLERANCE {
            extend_rows(rows, next_index - 1, observation);
            return;
        }
        // A row of the observed state that follows without a gap has the more accurate start.
        if next.is_some_and(|(next, next_start)| next == state && next_start <= row.end + TOLERANCE) {
            extend_rows(rows, next_index, observation);
            return;
        }
        // The row may start up to the tolerance after the observed start.
        start = start.max(row.start);
    }
    if let Some((next, next_start)) = next
        && next_start <= start + TOLERANCE
    {
        if next == state {
            extend_rows(rows, next_index, observation);
        }
        return;
    }
    // A state that starts at `last_seen` has no time yet, but ends the row before it.
    if start <= last_seen {
        rows.insert(next_index, observed_row(observation, (start, last_seen), true));
        extend_rows(rows, next_index, observation);
    }
}

/// Adds a time within the observed state, whose start is not known.
fn merge_time_within(rows: &mut Vec<MergedRow>, observation: &ObservedState, (from, until): (Timestamp, Timestamp)) {
    let next_index = rows.partition_point(|row| row.start <= from);
    // A state may begin while it is requested.
    let until = rows.get(next_index).map_or(until, |next| until.min(next.start)).max(from);
    let mut start = from;
    if let Some(row) = next_index.checked_sub(1).and_then(|before| rows.get_mut(before)) {
        let lasts = row.is_running() || (!row.closed && from <= row.end + TOLERANCE);
        if row.state == observation.state && lasts {
            row.extend_to(until, observation.refresh);
            return;
        }
        start = from.max(row.end);
    }
    if start <= until {
        rows.insert(next_index, observed_row(observation, (start, until), false));
    }
}

/// Extends the row that covers `from` until `until`, or until the next row, unless its end is known.
fn extend_confirmed(rows: &mut [MergedRow], observation: &ObservedState, (from, until): (Timestamp, Timestamp)) {
    let next_index = rows.partition_point(|row| row.start <= from);
    let until = rows.get(next_index).map_or(until, |next| until.min(next.start));
    if let Some(row) = next_index.checked_sub(1).and_then(|before| rows.get_mut(before))
        && row.state == observation.state
        && !row.closed
        && from <= row.end + TOLERANCE
    {
        row.extend_to(until, observation.refresh);
    }
}

fn observed_row(observation: &ObservedState, (start, end): (Timestamp, Timestamp), has_start: bool) -> MergedRow {
    let ObservedState { state, refresh, .. } = *observation;
    MergedRow {
        key: None,
        state,
        start,
        last_start: start,
        end,
        closed: false,
        has_start,
        running: false,
        open_until: end,
        refresh,
        seen: refresh,
    }
}

/// Extends the consecutive rows of the observed state from `first` on. There are several where a row without a key was cut into
/// pieces at the limits of the requested ranges; only the last of them keeps the time.
fn extend_rows(rows: &mut [MergedRow], first: usize, observation: &ObservedState) {
    let ObservedState { state, last_seen, refresh, .. } = *observation;
    let pieces = rows.iter_mut().skip(first).take_while(|row| row.state == state && row.start <= last_seen);
    pieces.for_each(|row| row.extend_to(last_seen, refresh));
}

// === impl ObservedState ===

impl ObservedState {
    /// The start of the state.
    pub(super) fn starts(&self) -> Timestamp {
        self.start.unwrap_or(self.fallback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u32 = 0;
    const B: u32 = 1;
    const C: u32 = 2;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + millis * 1_000)
    }

    fn observed(state: u32, start: Option<i64>, last_seen: i64, refresh: u32) -> ObservedState {
        let last_seen = at(last_seen);
        let (state, start) = (RawStateIndex(state), start.map(at));
        let (fallback, last_fallback, first_seen) = (last_seen, last_seen, last_seen);
        ObservedState { state, start, fallback, first_seen, last_fallback, last_seen, refresh }
    }

    /// State, start, end and `closed` of a row.
    type Row = (u32, i64, i64, bool);

    /// A name, the rows before, state and start of the observation, and the rows after.
    type Case = (&'static str, Vec<Row>, (u32, Option<i64>), Vec<Row>);

    fn merged(rows: &[Row], observation: (u32, Option<i64>)) -> Vec<Row> {
        let row = |&(state, start, end, closed): &Row| {
            let state = RawStateIndex(state);
            let (start, end) = (at(start), at(end));
            let (key, has_start, running) = (None, true, !closed);
            let (last_start, open_until) = (start, end);
            MergedRow {
                key,
                state,
                start,
                last_start,
                end,
                closed,
                has_start,
                running,
                open_until,
                refresh: 0,
                seen: 0,
            }
        };
        let mut rows: Vec<MergedRow> = rows.iter().map(row).collect();
        merge_observation(&mut rows, &observed(observation.0, observation.1, 900_000, 1), at(900_000));
        let millis = |time: Timestamp| (time.micros() - at(0).micros()) / 1_000;
        rows.iter().map(|row| (row.state.0, millis(row.start), millis(row.end), row.closed)).collect()
    }

    #[test]
    fn push_extends_only_the_same_state_with_the_same_start() {
        let first = observed(A, Some(400), 500, 1);
        let table = [
            (observed(A, Some(400), 900, 2), vec![observed(A, Some(400), 900, 2)]),
            (observed(A, Some(1_400), 900, 2), vec![observed(A, Some(400), 900, 2)]),
            (observed(A, Some(400), 300, 2), vec![observed(A, Some(400), 500, 2)]),
            (observed(A, Some(1_401), 900, 2), vec![first, observed(A, Some(1_401), 900, 2)]),
            (observed(B, Some(400), 900, 2), vec![first, observed(B, Some(400), 900, 2)]),
            (observed(A, None, 900, 2), vec![first, observed(A, None, 900, 2)]),
            (observed(B, None, 900, 2), vec![first, observed(B, None, 900, 2)]),
        ];
        for (new, expected) in table {
            let mut observations = vec![first];
            push(&mut observations, new);
            let seen = |all: &[ObservedState]| {
                all.iter().map(|one| (one.state, one.start, one.last_seen, one.refresh)).collect::<Vec<_>>()
            };
            assert_eq!(seen(&observations), seen(&expected), "{new:?}");
        }
    }

    #[test]
    fn push_drops_the_oldest_observations_over_the_limit() {
        let mut observations = Vec::new();
        for nth in 0..i64::try_from(MAX_OBSERVATIONS).unwrap() + 2 {
            push(&mut observations, observed(A, Some(nth * 2_000), nth * 2_000 + 1, 1));
        }
        assert_eq!((observations.len(), observations[0].start), (MAX_OBSERVATIONS, Some(at(4_000))));
    }

    #[test]
    fn drop_ended_keeps_the_state_at_the_cutoff() {
        let all = [observed(A, Some(100), 200, 1), observed(B, Some(300), 400, 2), observed(C, Some(500), 600, 3)];
        for (cutoff, dropped) in [(0, 0), (299, 0), (300, 1), (499, 1), (500, 2), (9_000, 2)] {
            let mut observations = all.to_vec();
            drop_ended(&mut observations, at(cutoff));
            assert_eq!(observations, all[dropped..], "{cutoff}");
        }
        let mut none = Vec::new();
        drop_ended(&mut none, at(0));
        assert!(none.is_empty());
    }

    #[test]
    fn merge_observation_extends_inserts_or_ignores() {
        // Times in milliseconds; the state is last seen at 900 s, and times up to 1 s apart are the same.
        let table: [Case; 15] = [
            ("no rows", vec![], (A, Some(100)), vec![(A, 100, 900_000, false)]),
            ("no start, open row", vec![(A, 0, 10, false)], (A, None), vec![(A, 0, 900_000, false)]),
            (
                "no start, closed row",
                vec![(A, 0, 10, true)],
                (A, None),
                vec![(A, 0, 10, true), (A, 900_000, 900_000, false)],
            ),
            (
                "no start, other state",
                vec![(B, 0, 10, false)],
                (A, None),
                vec![(B, 0, 10, false), (A, 900_000, 900_000, false)],
            ),
            ("row reaches the start", vec![(A, 0, 50_000, true)], (A, Some(20_000)), vec![(A, 0, 900_000, false)]),
            (
                "within tolerance of the end",
                vec![(A, 0, 50_000, true)],
                (A, Some(51_000)),
                vec![(A, 0, 900_000, false)],
            ),
            (
                "gap after the end",
                vec![(A, 0, 50_000, true)],
                (A, Some(51_001)),
                vec![(A, 0, 50_000, true), (A, 51_001, 900_000, false)],
            ),
            (
                "other state before",
                vec![(B, 0, 50_000, true)],
                (A, Some(20_000)),
                vec![(B, 0, 50_000, true), (A, 20_000, 900_000, false)],
            ),
            (
                "row of another state starts within tolerance after the start",
                vec![(B, 100_000, 100_400, true)],
                (A, Some(99_500)),
                vec![(B, 100_000, 100_400, true), (A, 100_000, 900_000, false)],
            ),
            (
                "row of the state follows the row before within tolerance",
                vec![(B, 0, 100_000, true), (A, 101_000, 200_000, true)],
                (A, Some(50_000)),
                vec![(B, 0, 100_000, true), (A, 101_000, 900_000, false)],
            ),
            (
                "row of the state follows after a gap",
                vec![(B, 0, 100_000, true), (A, 101_001, 200_000, true)],
                (A, Some(50_000)),
                // The inserted row and the listed one are of one state, so both are extended.
                vec![(B, 0, 100_000, true), (A, 50_000, 900_000, false), (A, 101_001, 900_000, false)],
            ),
            (
                "no room before the next row",
                vec![(B, 100_000, 100_400, true), (C, 101_000, 300_000, true)],
                (A, Some(99_500)),
                vec![(B, 100_000, 100_400, true), (C, 101_000, 300_000, true)],
            ),
            (
                "room before the next row",
                vec![(B, 100_000, 100_400, true), (C, 101_001, 300_000, true)],
                (A, Some(99_500)),
                vec![(B, 100_000, 100_400, true), (A, 100_000, 900_000, false), (C, 101_001, 300_000, true)],
            ),
            (
                "consecutive rows of the state",
                vec![(A, 0, 10_000, true), (A, 10_000, 20_000, true), (B, 20_000, 30_000, true)],
                (A, Some(5_000)),
                vec![(A, 0, 900_000, false), (A, 10_000, 900_000, false), (B, 20_000, 30_000, true)],
            ),
            ("starts after it was last seen", vec![(B, 0, 10, false)], (A, Some(900_001)), vec![(B, 0, 10, false)]),
        ];
        for (name, rows, observation, expected) in table {
            assert_eq!(merged(&rows, observation), expected, "{name}");
        }
    }
}
