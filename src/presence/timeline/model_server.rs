//! A server of state history for property tests: its undocumented behaviour, and the rows it returns. Times are in seconds.

use proptest::prelude::*;

/// Undocumented behaviour of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerVariant {
    /// Rows are selected by their start, not by overlap.
    pub(crate) by_start: bool,
    /// Rows are clipped at the requested range.
    pub(crate) clips: bool,
    pub(crate) open: Open,
    /// The longest delay of a row after its end.
    pub(crate) late: i64,
    /// Whether the current states have a start.
    pub(crate) has_start: bool,
}

/// How the history lists the current state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    Not,
    WithLength,
    WithoutLength,
    WithZero,
}

/// A state, or a gap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) state: Option<usize>,
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// The delay of its row after its end.
    pub(crate) late: i64,
}

/// A returned row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModelRow {
    /// The position of the segment.
    pub(crate) nth: usize,
    pub(crate) state: usize,
    pub(crate) start: i64,
    pub(crate) length: Option<i64>,
}

/// `changes` again and again, from `begin` until after `end`. `late` is the longest delay.
pub(crate) fn timeline(changes: &[(Option<usize>, i64)], (begin, end): (i64, i64), late: i64) -> Vec<Segment> {
    let mut start = begin;
    let segments = changes.iter().cycle().enumerate().map(|(nth, (state, length))| {
        let segment =
            Segment { state: *state, start, end: start + length, late: i64::try_from(nth).unwrap() * 997 % (late + 1) };
        start += length;
        segment
    });
    segments.take_while(|segment| segment.start < end).collect()
}

/// The rows that are returned at `now` for the range `[from, to)`.
pub(crate) fn rows(segments: &[Segment], server: ServerVariant, (from, to): (i64, i64), now: i64) -> Vec<ModelRow> {
    let row = |(nth, segment): (usize, &Segment)| {
        let is_open = segment.end > now;
        let selected = if server.by_start { segment.start >= from } else { segment.end > from };
        let listed = if is_open { server.open != Open::Not } else { segment.has_arrived(now) };
        if segment.start >= to || segment.start > now || !selected || !listed {
            return None;
        }
        let (mut start, mut end) = (segment.start, segment.end.min(now));
        if server.clips {
            (start, end) = (start.max(from), end.min(to));
        }
        let length = match server.open {
            Open::WithoutLength if is_open => None,
            Open::WithZero if is_open => Some(0),
            _ => Some(end - start),
        };
        Some(ModelRow { nth, state: segment.state?, start, length })
    };
    segments.iter().enumerate().filter_map(row).collect()
}

/// All kinds of servers.
pub(crate) fn servers(
    late: impl Strategy<Value = i64>,
    has_start: impl Strategy<Value = bool>,
) -> impl Strategy<Value = ServerVariant> {
    let open = prop_oneof![Just(Open::Not), Just(Open::WithLength), Just(Open::WithoutLength), Just(Open::WithZero)];
    (any::<bool>(), any::<bool>(), open, late, has_start)
        .prop_map(|(by_start, clips, open, late, has_start)| ServerVariant { by_start, clips, open, late, has_start })
}

// === impl Segment ===

impl Segment {
    /// Whether the segment contains `now`.
    pub(crate) fn is_current(&self, now: i64) -> bool {
        self.start <= now && now < self.end
    }

    /// Whether it has ended and its row is returned.
    pub(crate) fn has_arrived(&self, now: i64) -> bool {
        self.end + self.late <= now
    }

    /// Whether it has ended and its row is not returned yet.
    pub(crate) fn is_pending(&self, now: i64) -> bool {
        self.end <= now && !self.has_arrived(now)
    }

    /// The seconds of the segment in `[from, to)`.
    pub(crate) fn inside(&self, from: i64, to: i64) -> i64 {
        (self.end.min(to) - self.start.max(from)).max(0)
    }
}
