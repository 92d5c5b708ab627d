//! History rows, merged from the pieces in which they arrive.

use super::{MAX_ROWS_PER_AGENT, RawStateIndex, RowKey, TOLERANCE};
use crate::presence::Timestamp;

/// A row of the history, merged from all its pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MergedRow {
    pub(super) key: Option<RowKey>,
    pub(super) state: RawStateIndex,
    pub(super) start: Timestamp,
    /// The end if `closed`, otherwise a lower bound of it.
    pub(super) end: Timestamp,
    /// Whether the end is known.
    pub(super) closed: bool,
    /// The number of the refresh that last returned this row.
    pub(super) refresh: u32,
}

/// Merges the pieces of each row in their order of arrival, sorts the rows by start, and drops rows that ended by `cutoff`
/// and the oldest rows over the limit. Returns how many rows were over the limit.
pub(super) fn compact(rows: &mut Vec<MergedRow>, cutoff: Timestamp) -> usize {
    merge_pieces(rows);
    rows.sort_unstable_by_key(|row| (row.start, row.key));
    let next_starts: Vec<Option<Timestamp>> = rows.iter().skip(1).map(|row| Some(row.start)).chain([None]).collect();
    let mut next_starts = next_starts.into_iter();
    rows.retain(|row| {
        let next_start = next_starts.next().flatten();
        let end = if row.closed { Some(row.end) } else { next_start };
        end.is_none_or(|end| end > cutoff)
    });
    let surplus = rows.len().saturating_sub(MAX_ROWS_PER_AGENT);
    rows.drain(..surplus);
    surplus
}

fn merge_pieces(rows: &mut Vec<MergedRow>) {
    // The sort is stable, so the pieces of one key keep their order. Rows without a key are identified by start and state.
    rows.sort_by_key(|row| (row.key, row.key.is_none().then_some((row.start, row.state.0))));
    rows.dedup_by(|later, earlier| {
        let same = match (earlier.key, later.key) {
            (Some(one), Some(other)) => one == other,
            (None, None) => earlier.start == later.start && earlier.state == later.state,
            _ => false,
        };
        if same {
            earlier.merge(later);
        }
        same
    });
}

// === impl MergedRow ===

impl MergedRow {
    /// Merges a later piece of the same row.
    fn merge(&mut self, later: &Self) {
        self.start = self.start.min(later.start);
        match (self.closed, later.closed) {
            // A known end replaces an estimate, even a later one.
            (false, true) => self.end = later.end,
            (true, false) => {}
            (true, true) | (false, false) => self.end = self.end.max(later.end),
        }
        self.closed |= later.closed;
        (self.state, self.refresh) = (later.state, later.refresh);
    }

    /// Extends the row to `observed`, at which the state was still observed. An earlier end was wrong.
    pub(super) fn extend_to(&mut self, observed: Timestamp) {
        if self.end + TOLERANCE < observed || !self.closed {
            self.end = self.end.max(observed);
            self.closed = false;
        }
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
        MergedRow { key, state: RawStateIndex(state), start: at(start), end: at(end), closed, refresh: 0 }
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
        for (earlier, later, expected) in table {
            let mut merged = row(Some(0), 0, 100, earlier.0, earlier.1);
            merged.merge(&MergedRow { refresh: 2, ..row(Some(0), 1, 50, later.0, later.1) });
            let expected = MergedRow { refresh: 2, ..row(Some(0), 1, 50, expected.0, expected.1) };
            assert_eq!(merged, expected, "{earlier:?} {later:?}");
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
            extended.extend_to(at(observed));
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
    fn compact_keeps_rows_without_key_that_differ_in_start_or_state() {
        let mut rows = vec![
            row(None, 0, 100, 200, true),
            row(None, 1, 100, 300, true),
            row(None, 0, 100, 250, true),
            row(None, 0, 101, 200, true),
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
