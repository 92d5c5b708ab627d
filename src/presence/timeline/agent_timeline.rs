//! What one agent did: rows as they were listed, observations, and the states over time that follow from both.

use super::super::{Rejection, Rejections, Timestamp, Window};
use super::{MAX_OBSERVATIONS, MAX_ROWS_PER_AGENT, RawStateIndex, RowKey, TOLERANCE};

/// A row, as far as it is known by all its pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MergedRow {
    pub(super) key: Option<RowKey>,
    pub(super) state: RawStateIndex,
    pub(super) start: Timestamp,
    /// The end where it is `closed`, else up to when the state lasted at the least.
    pub(super) end: Timestamp,
    /// Whether the end is known.
    pub(super) closed: bool,
    /// The refresh that it came in.
    pub(super) refresh: u32,
}

/// A state that the agent was seen in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ObservedState {
    state: RawStateIndex,
    /// Since when; `None` is kept for the newest only.
    start: Option<Timestamp>,
    /// The last moment at which it was seen.
    seen: Timestamp,
    refresh: u32,
}

/// What one agent did.
#[derive(Debug, Clone, Default)]
pub(super) struct AgentTimeline {
    /// By start, once tidied.
    listed: Vec<MergedRow>,
    /// By when they were seen.
    observations: Vec<ObservedState>,
    uncompacted: bool,
}

/// A span of time in one state. Spans of a agent are in order and do not overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) state: RawStateIndex,
    pub(super) time: Window,
    /// Up to when that is known. From then to its end it follows from no other row having arrived.
    pub(super) known_until: Timestamp,
}

// === impl AgentTimeline ===

impl AgentTimeline {
    pub(super) fn add(&mut self, listed: MergedRow) {
        self.listed.push(listed);
        self.uncompacted = true;
    }

    pub(super) fn observe(&mut self, state: RawStateIndex, start: Option<Timestamp>, seen: Timestamp, refresh: u32) {
        // Without its start, a observation is of use only for the moment.
        self.observations.retain(|observation| observation.start.is_some());
        if let Some(last) = self.observations.last_mut()
            && let (Some(before), Some(start)) = (last.start, start)
            && last.state == state
            && is_same(before, start)
        {
            (last.seen, last.refresh) = (last.seen.max(seen), refresh);
        } else {
            self.observations.push(ObservedState { state, start, seen, refresh });
        }
        let surplus = self.observations.len().saturating_sub(MAX_OBSERVATIONS);
        self.observations.drain(..surplus);
    }

    pub(super) fn rows(&self) -> usize {
        self.listed.len()
    }

    pub(super) fn needs_compacting(&self, moment: Timestamp) -> bool {
        self.uncompacted || self.listed.iter().any(|row| row.closed && row.end <= moment)
    }

    /// Merges pieces of rows, puts rows in order, and drops what was over before `moment`. Tells how many rows there
    /// were too many.
    pub(super) fn compact(&mut self, moment: Timestamp) -> usize {
        self.merge_pieces();
        self.listed.sort_unstable_by_key(|row| (row.start, row.key));
        let next_starts: Vec<Option<Timestamp>> =
            self.listed.iter().skip(1).map(|row| Some(row.start)).chain([None]).collect();
        let mut next = next_starts.into_iter();
        self.listed.retain(|row| {
            let next = next.next().flatten();
            let over = if row.closed { Some(row.end) } else { next };
            over.is_none_or(|end| end > moment)
        });
        // One that another followed before that moment is over as well.
        let starts: Vec<Timestamp> =
            self.observations.iter().skip(1).filter_map(|observation| observation.start).collect();
        let followed = starts.iter().filter(|start| **start <= moment).count();
        self.observations.drain(..followed.min(self.observations.len().saturating_sub(1)));
        self.uncompacted = false;
        let surplus = self.listed.len().saturating_sub(MAX_ROWS_PER_AGENT);
        self.listed.drain(..surplus);
        surplus
    }

    /// Makes one row of all pieces of it, in the order in which they came.
    fn merge_pieces(&mut self) {
        // The sort is stable, so pieces of one key stay in their order; without a key, the start is what makes a row.
        self.listed.sort_by_key(|row| (row.key, row.key.is_none().then_some((row.start, row.state.0))));
        self.listed.dedup_by(|later, earlier| {
            let same = match (earlier.key, later.key) {
                (Some(one), Some(other)) => one == other,
                (None, None) => earlier.start == later.start && earlier.state == later.state,
                _ => false,
            };
            if same {
                earlier.take(later);
            }
            same
        });
    }

    /// What the agent did up to `now`, in order. Overlaps of rows that came in `refresh` are counted.
    pub(super) fn spans(&self, now: Timestamp, refresh: u32, rejections: &mut Rejections) -> Vec<Span> {
        let mut rows = self.listed.clone();
        for (nth, observation) in self.observations.iter().enumerate() {
            let newest = nth + 1 == self.observations.len() && observation.refresh == refresh;
            // What is seen now lasts up to now at the least.
            let seen = if newest { observation.seen.max(now) } else { observation.seen };
            merge_observation(&mut rows, &ObservedState { seen, ..*observation });
        }
        let mut spans: Vec<Span> = Vec::with_capacity(rows.len());
        let mut rows = rows.into_iter().peekable();
        while let Some(row) = rows.next() {
            let end = match rows.peek() {
                Some(next) if row.closed && row.end <= next.start => row.end,
                Some(next) => {
                    let of_both = row.refresh == refresh || next.refresh == refresh;
                    if row.closed && of_both && row.end > next.start + TOLERANCE && !row.may_be_same_row(next) {
                        rejections.add(Rejection::Overlap);
                    }
                    next.start
                }
                None => row.end,
            };
            // One that has only just begun has no time yet, but what is before it is over.
            if row.start < end || rows.peek().is_none() {
                let time = Window { start: row.start, end };
                spans.push(Span { state: row.state, time, known_until: row.end.min(end) });
            }
        }
        spans
    }
}

/// Puts what a observation tells among `rows`, which are in order of their starts, and stay so.
fn merge_observation(rows: &mut Vec<MergedRow>, observation: &ObservedState) {
    let ObservedState { state, seen, refresh, .. } = *observation;
    let Some(start) = observation.start else {
        // It goes on with the last row, if that has no end and is of the same state.
        if let Some(last) = rows.last_mut()
            && last.state == state
            && !last.closed
        {
            last.end = last.end.max(seen);
        }
        return;
    };
    // Whatever starts later than this was not yet known to be different.
    let at = rows.partition_point(|row| row.start <= start + TOLERANCE);
    let mut begins = start;
    let next = rows.get(at).map(|next| (next.state, next.start));
    if let Some(row) = at.checked_sub(1).and_then(|before| rows.get_mut(before)) {
        // One that begins later, though of the same state, says that there was another in between.
        let touches = is_same(row.start, start) || start <= row.end + TOLERANCE;
        if row.state == state && touches {
            last(rows, at - 1, state, seen);
            return;
        }
        // A state that begins later ends the one before it, as ever; but a row of that state which follows at once
        // knows better when it began.
        if next.is_some_and(|(next, starts)| next == state && starts <= row.end + TOLERANCE) {
            last(rows, at, state, seen);
            return;
        }
        // An instant cannot be told from the one before it.
        begins = begins.max(row.start);
    }
    if let Some((next, starts)) = next
        && starts <= begins + TOLERANCE
    {
        if next == state {
            last(rows, at, state, seen);
        }
        return;
    }
    // One that has only just begun tells at least that the row before it is over.
    if begins <= seen {
        rows.insert(at, MergedRow { key: None, state, start: begins, end: seen, closed: false, refresh });
        last(rows, at, state, seen);
    }
}

/// Lets the rows of `state` from the one at `at` on last until `seen`. There are several where a row was clipped at the
/// range that was asked for, and nothing says that its pieces are of one; it is the last of them that lasts.
fn last(rows: &mut [MergedRow], at: usize, state: RawStateIndex, seen: Timestamp) {
    let pieces = rows.iter_mut().skip(at).take_while(|row| row.state == state && row.start <= seen);
    pieces.for_each(|row| row.extend_to(seen));
}

/// Whether two moments are one.
fn is_same(one: Timestamp, other: Timestamp) -> bool {
    one.max(other) <= one.min(other) + TOLERANCE
}

// === impl MergedRow ===

impl MergedRow {
    /// Takes in a later piece of the same row.
    fn take(&mut self, later: &Self) {
        self.start = self.start.min(later.start);
        match (self.closed, later.closed) {
            // A known end replaces a guess, even one that was too long.
            (false, true) => self.end = later.end,
            (true, false) => {}
            (true, true) | (false, false) => self.end = self.end.max(later.end),
        }
        self.closed |= later.closed;
        (self.state, self.refresh) = (later.state, later.refresh);
    }

    /// Was seen to last until `seen`: an end before that was none.
    fn extend_to(&mut self, seen: Timestamp) {
        if self.end + TOLERANCE < seen || !self.closed {
            self.end = self.end.max(seen);
            self.closed = false;
        }
    }

    /// Whether two rows may be pieces of one, as neither says which it is.
    fn may_be_same_row(&self, next: &Self) -> bool {
        self.state == next.state && (self.key.is_none() || next.key.is_none())
    }
}
