//! History rows, merged from the pieces in which they arrive.

use super::{MAX_ROWS_PER_AGENT, RawStateIndex, RowKey, TOLERANCE};
use crate::presence::Timestamp;

/// A row of the history, merged from all its pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MergedRow {
    pub(super) key: Option<RowKey>,
    pub(super) state: RawStateIndex,
    pub(super) start: Timestamp,
    /// The start of the last piece. A server that selects rows by their start returns the end for a range with this time.
    pub(super) last_start: Timestamp,
    /// The end if `closed`, otherwise a lower bound of it.
    pub(super) end: Timestamp,
    /// Whether the end is known.
    pub(super) closed: bool,
    /// Whether `start` is the start of the state or of a piece, and not only a time within the state.
    pub(super) has_start: bool,
    /// Whether the state was listed as running.
    pub(super) running: bool,
    /// Where the end is not known: the state lasts until the next row if that starts by this time. Not before `end`.
    pub(super) open_until: Timestamp,
    /// The number of the refresh that last returned this row.
    pub(super) refresh: u32,
    /// The number of the refresh that last saw the state running; 0 for none.
    pub(super) seen: u32,
}

/// Merges the pieces of each row, sorts the rows by start, and drops rows that ended by `cutoff` and the oldest rows over the
/// limit. Returns how many rows were over the limit.
pub(super) fn compact(rows: &mut Vec<MergedRow>, cutoff: Timestamp) -> usize {
    merge_pieces(rows);
    // Of two rows with the same start, the one that was returned last is right.
    rows.sort_unstable_by_key(|row| (row.start, row.refresh, row.key, row.state.0));
    let next_rows: Vec<Option<MergedRow>> = rows.iter().skip(1).map(|row| Some(*row)).chain([None]).collect();
    let mut next_rows = next_rows.into_iter();
    rows.retain(|row| {
        let next = next_rows.next().flatten();
        let is_closed = row.closed && !next.is_some_and(|next| row.continues_in(&next));
        let end = if is_closed { Some(row.end) } else { next.map(|next| next.start) };
        end.is_none_or(|end| end > cutoff)
    });
    let surplus = rows.len().saturating_sub(MAX_ROWS_PER_AGENT);
    rows.drain(..surplus);
    surplus
}

fn merge_pieces(rows: &mut Vec<MergedRow>) {
    rows.sort_by_key(|row| (row.key, row.state.0, row.start));
    rows.dedup_by(|next, row| {
        let same = row.has_piece(next);
        if same {
            row.merge(next);
        }
        same
    });
}

// === impl MergedRow ===

impl MergedRow {
    /// Whether `next`, which does not start earlier, is a piece of the same row. Keys may repeat, so pieces touch or overlap in
    /// the same state.
    fn has_piece(&self, next: &Self) -> bool {
        self.key == next.key
            && self.state == next.state
            && next.start <= if self.key.is_some() { self.end + TOLERANCE } else { self.end }
    }

    /// Merges `next`, a piece that does not start earlier.
    fn merge(&mut self, next: &Self) {
        // Some servers list a running state with a length of zero, which is no known end.
        let has_end = |row: &Self| row.closed && row.end > row.start;
        (self.end, self.closed) = match (has_end(self), has_end(next)) {
            // A piece that starts where the row ends continues it.
            (true, false) if next.start + TOLERANCE >= self.end && next.start > self.start => (next.end, false),
            // A known end replaces an estimate, even a later one.
            (true, false) => (self.end, true),
            (false, true) => (next.end, true),
            _ => (self.end.max(next.end), self.closed && next.closed),
        };
        self.last_start = self.last_start.max(next.last_start);
        self.running |= next.running;
        self.open_until = self.open_until.max(next.open_until);
        self.refresh = self.refresh.max(next.refresh);
        self.seen = self.seen.max(next.seen);
    }

    /// Extends the row to `observed`, at which the refresh number `seen` still observed the state. An earlier end was wrong.
    pub(super) fn extend_to(&mut self, observed: Timestamp, seen: u32) {
        if self.end + TOLERANCE < observed || !self.closed {
            self.end = self.end.max(observed);
            // What was requested with a row says nothing of the time after an end that it gave.
            self.open_until = if self.closed { observed } else { self.open_until.max(observed) };
            self.closed = false;
        }
        self.seen = self.seen.max(seen);
    }

    /// The time until which the state lasted if `next` is the agent's next row. Rows of states that ended by `settled` have
    /// arrived.
    pub(super) fn lasted_until(&self, next: &Self, settled: Option<Timestamp>) -> Timestamp {
        // The row of a state in between may still arrive, unless this one is known to have been running.
        let may_be_followed =
            !self.running && self.end > self.start && settled.is_some_and(|settled| next.start > settled);
        if self.continues_in(next) {
            next.start
        } else if self.closed || !next.has_start || may_be_followed {
            self.known_until().min(next.start)
        } else if next.start <= self.open_until + TOLERANCE {
            next.start
        } else {
            self.open_until
        }
    }

    /// Whether `next`, the agent's next row, is a later piece of this state. Some servers list a running state with a length of
    /// zero, and return the rest of it later, cut at the start of the requested range.
    fn continues_in(&self, next: &Self) -> bool {
        self.has_start
            && self.end == self.start
            && self.state == next.state
            && next.has_start
            && next.start <= self.open_until + TOLERANCE
    }

    /// Whether the state was running when the row was returned. Some servers list such a row with a length of zero.
    pub(super) fn is_running(&self) -> bool {
        self.has_start && ((self.running && !self.closed) || self.end == self.start)
    }

    /// Whether the end is not known. Some servers list a running state with a length of zero.
    pub(super) fn has_open_end(&self) -> bool {
        !self.closed || self.end == self.start
    }

    /// The time up to which the state is known if another row follows. A row without length was running when it was returned.
    pub(super) fn known_until(&self) -> Timestamp {
        if !self.closed && self.end == self.start { self.open_until } else { self.end }
    }

    /// Whether the two rows may be pieces of one row that has no key.
    pub(super) fn may_be_same_row(&self, next: &Self) -> bool {
        self.state == next.state && (self.key.is_none() || next.key.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + millis * 1_000)
    }

    fn row(index: Option<i64>, state: u32, start: i64, end: i64, closed: bool) -> MergedRow {
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
            open_until: end,
            refresh: 0,
            seen: 0,
        }
    }

    #[test]
    fn merge_prefers_a_known_end_to_an_estimate() {
        // (earlier end, closed), (later end, closed), merged end, closed.
        let table = [
            ((900, false), (250, true), (250, true)),
            ((250, false), (900, true), (900, true)),
            ((250, true), (900, false), (250, true)),
            ((900, true), (250, false), (900, true)),
            ((250, true), (900, true), (900, true)),
            ((900, true), (250, true), (900, true)),
            ((250, false), (900, false), (900, false)),
            ((900, false), (250, false), (900, false)),
        ];
        for (one, other, (end, closed)) in table {
            let mut merged = row(Some(0), 0, 100, one.0, one.1);
            merged.merge(&MergedRow { refresh: 2, seen: 1, ..row(Some(0), 0, 100, other.0, other.1) });
            assert_eq!((merged.end, merged.closed), (at(end), closed), "{one:?} {other:?}");
            assert_eq!((merged.refresh, merged.seen), (2, 1));
        }
    }

    #[test]
    fn merge_takes_no_end_from_a_row_of_length_zero() {
        for (end, closed) in [(250, true), (250, false)] {
            for zero_first in [true, false] {
                let (zero, other) = (row(Some(0), 0, 100, 100, true), row(Some(0), 0, 100, end, closed));
                let (mut merged, next) = if zero_first { (zero, other) } else { (other, zero) };
                merged.merge(&next);
                assert_eq!((merged.end, merged.closed), (at(end), closed), "{zero_first}");
            }
        }
    }

    #[test]
    fn a_row_lasts_until_the_next_start_that_is_known() {
        let open_until = at(50_000);
        // End and `closed` of a row from 0, start of the next row, whether it is known, expected; in seconds.
        let table = [
            ((20, true), 30, true, 20),
            ((20, true), 10, true, 10),
            ((20, false), 30, true, 30),
            ((20, false), 51, true, 51),
            ((20, false), 60, true, 50),
            ((20, false), 30, false, 20),
            ((20, false), 60, false, 20),
            // A row without length was running when it was read.
            ((0, false), 60, false, 50),
            ((0, false), 30, false, 30),
        ];
        for ((end, closed), next, has_start, expected) in table {
            let first = MergedRow { open_until, ..row(Some(0), 0, 0, end * 1_000, closed) };
            let next = MergedRow { has_start, ..row(Some(1), 1, next * 1_000, 90_000, true) };
            assert_eq!(first.lasted_until(&next, None), at(expected * 1_000), "{end} {closed} {next:?}");
        }
    }

    #[test]
    fn a_row_that_was_cut_lasts_until_a_settled_next_row() {
        // End of a row from 0, whether it was listed as running, the settled time, and how long it lasted before a row from 30.
        let table = [(20, false, 29, 20), (20, false, 30, 30), (20, true, 29, 30), (0, false, 29, 30)];
        for (end, running, settled, expected) in table {
            let first = MergedRow { open_until: at(50_000), running, ..row(Some(0), 0, 0, end * 1_000, false) };
            let next = row(Some(1), 1, 30_000, 90_000, true);
            let lasted = first.lasted_until(&next, Some(at(settled * 1_000)));
            assert_eq!(lasted, at(expected * 1_000), "{end} {running} {settled}");
        }
    }

    #[test]
    fn an_observation_without_start_continues_no_row() {
        // Whether the start of each is known.
        for (has_start, next_has_start, expected) in [(true, true, 30), (false, true, 0), (true, false, 0)] {
            let first = MergedRow { has_start, open_until: at(50_000), ..row(None, 0, 0, 0, true) };
            let next = MergedRow { has_start: next_has_start, ..row(None, 0, 30_000, 90_000, true) };
            assert_eq!(first.lasted_until(&next, None), at(expected * 1_000), "{has_start} {next_has_start}");
        }
    }

    #[test]
    fn a_row_of_length_zero_continues_in_the_next_piece_of_its_state() {
        // State and start of the next row, the end of the row from 0 that was requested until 50, in seconds.
        for (state, start, end) in [(0, 30, 30), (0, 51, 51), (0, 52, 0), (1, 30, 0)] {
            let first = MergedRow { open_until: at(50_000), ..row(Some(0), 0, 0, 0, true) };
            let next = row(Some(0), state, start * 1_000, 90_000, true);
            assert_eq!(first.lasted_until(&next, None), at(end * 1_000), "{state} {start}");
            let mut rows = vec![first, next];
            assert_eq!(compact(&mut rows, at(10_000)), 0);
            assert_eq!(rows.len(), if end > 10 { 2 } else { 1 }, "{state} {start}");
        }
    }

    #[test]
    fn extend_to_forgets_the_range_of_a_known_end() {
        for (closed, observed, expected) in
            [(true, 20_000, 20_000), (false, 20_000, 50_000), (true, 60_000, 60_000), (false, 60_000, 60_000)]
        {
            let mut extended = MergedRow { open_until: at(50_000), ..row(None, 0, 0, 10_000, closed) };
            extended.extend_to(at(observed), 1);
            assert_eq!(extended.open_until, at(expected), "{closed} {observed}");
        }
    }

    #[test]
    fn merge_keeps_the_latest_start_and_that_a_piece_was_running() {
        for (running, next_running) in [(true, false), (false, true), (false, false)] {
            let mut merged = MergedRow { running, ..row(Some(0), 0, 0, 5_000, false) };
            merged.merge(&MergedRow { running: next_running, ..row(Some(0), 0, 4_000, 4_500, false) });
            let expected = (at(0), at(4_000), at(5_000), running || next_running);
            assert_eq!((merged.start, merged.last_start, merged.open_until, merged.running), expected);
        }
    }

    #[test]
    fn rows_without_length_and_open_rows_have_no_known_end() {
        // End of a row from 0 and whether it is closed; whether its end is open, and whether it is running if it was listed so.
        let table =
            [(0, true, true, true), (0, false, true, true), (5_000, true, false, false), (5_000, false, true, true)];
        for (end, closed, is_open, is_running) in table {
            let row = row(None, 0, 0, end, closed);
            assert_eq!(row.has_open_end(), is_open, "{end} {closed}");
            for (has_start, running, expected) in
                [(true, true, is_running), (true, false, end == 0), (false, true, false), (false, false, false)]
            {
                let row = MergedRow { has_start, running, ..row };
                assert_eq!(row.is_running(), expected, "{end} {closed} {has_start} {running}");
            }
        }
    }

    #[test]
    fn merge_continues_a_row_with_an_open_piece_at_its_end() {
        // Start of an open piece of a row from 0 to 5,000 ms, and whether the merged row is closed.
        for (start, end, closed) in [(3_999, 5_000, true), (4_000, 9_000, false), (6_000, 9_000, false)] {
            let mut merged = row(Some(0), 0, 0, 5_000, true);
            merged.merge(&row(Some(0), 0, start, 9_000, false));
            assert_eq!((merged.end, merged.closed), (at(end), closed), "{start}");
        }
    }

    #[test]
    fn pieces_of_one_key_touch_or_overlap_in_one_state() {
        let first = row(Some(0), 0, 0, 5_000, true);
        let table = [
            (Some(0), 0, 4_000, true),
            (Some(0), 0, 6_000, true),
            (Some(0), 0, 6_001, false),
            (Some(0), 1, 4_000, false),
            (Some(1), 0, 4_000, false),
            (None, 0, 0, false),
        ];
        for (key, state, start, expected) in table {
            assert_eq!(first.has_piece(&row(key, state, start, 9_000, true)), expected, "{key:?} {state} {start}");
        }
    }

    #[test]
    fn extend_to_reopens_a_row_that_ended_too_early() {
        // (end, closed), observed, expected.
        let table = [
            ((1_000, true), 500, (1_000, true)),
            ((1_000, true), 2_000, (1_000, true)),
            ((1_000, true), 2_001, (2_001, false)),
            ((1_000, false), 500, (1_000, false)),
            ((1_000, false), 1_500, (1_500, false)),
            ((1_000, false), 9_000, (9_000, false)),
        ];
        for ((end, closed), observed, expected) in table {
            let mut extended = row(None, 0, 0, end, closed);
            extended.extend_to(at(observed), 0);
            assert_eq!((extended.end, extended.closed), (at(expected.0), expected.1), "{end} {closed} {observed}");
        }
    }

    #[test]
    fn rows_may_be_the_same_if_one_has_no_key() {
        let table = [
            (None, None, 0, true),
            (Some(1), None, 0, true),
            (None, Some(1), 0, true),
            (Some(1), Some(2), 0, false),
            (None, None, 1, false),
        ];
        for (one, other, state, expected) in table {
            let (first, second) = (row(one, 0, 0, 500, true), row(other, state, 100, 900, true));
            assert_eq!(first.may_be_same_row(&second), expected, "{one:?} {other:?} {state}");
        }
    }

    #[test]
    fn compact_merges_rows_without_key_that_overlap_in_one_state() {
        let mut rows = vec![
            row(None, 0, 100, 200, true),
            row(None, 1, 100, 300, true),
            row(None, 0, 100, 250, true),
            row(None, 0, 251, 300, true),
            row(Some(1), 0, 100, 200, true),
        ];
        assert_eq!(compact(&mut rows, at(0)), 0);
        assert_eq!(rows.len(), 4);
        assert!(rows.contains(&row(None, 0, 100, 250, true)) && rows.contains(&row(None, 1, 100, 300, true)));
    }

    #[test]
    fn compact_drops_rows_that_ended_by_the_cutoff() {
        let open_followed = row(Some(0), 0, 100, 150, false);
        let closed_before = row(Some(1), 1, 200, 400, true);
        let open_across = row(Some(2), 0, 400, 450, false);
        let closed_after = row(Some(3), 1, 700, 800, true);
        let open_last = row(Some(4), 0, 800, 800, false);
        let all = [open_last, closed_after, open_across, closed_before, open_followed];
        for (cutoff, kept) in [(0, 5), (200, 4), (399, 4), (400, 3), (699, 3), (700, 2), (800, 1), (9_000, 1)] {
            let mut rows = all.to_vec();
            assert_eq!(compact(&mut rows, at(cutoff)), 0);
            let expected: Vec<MergedRow> = all.into_iter().take(kept).rev().collect();
            assert_eq!(rows, expected, "{cutoff}");
        }
    }

    #[test]
    fn compact_drops_the_oldest_rows_over_the_limit() {
        let count = i64::try_from(MAX_ROWS_PER_AGENT).unwrap() + 3;
        let mut rows: Vec<MergedRow> = (0..count).map(|nth| row(Some(nth), 0, nth, nth + 1, true)).collect();
        assert_eq!(compact(&mut rows, at(-10)), 3);
        assert_eq!((rows.len(), rows[0].start), (MAX_ROWS_PER_AGENT, at(3)));
    }
}
