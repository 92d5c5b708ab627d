//! The exact course of an agent's states within the window, in few bytes, for the status page.
//!
//! Segments follow each other, so only gaps have a start. Times are whole microseconds, written in the coarsest unit that is
//! exact: history rows have milliseconds, and many have whole seconds.
//!
//! | number | content |
//! | --- | --- |
//! | place, [`GAP`] | twice the place in the agent's states, plus one if a gap comes before |
//! | gap, or none | from the end of the segment before (of the timeline's start) to the start |
//! | length | of the segment |

use crate::presence::varint::{self, Bytes};
use crate::presence::{PresenceChart, Timestamp, Window};

/// The most segments of one agent; the newest are kept. It is a change of state every 86 s for a whole day, and about as many
/// as a screen has columns. At some 6 bytes each, 30,000 agents take at most 180 MB, and 25 MB with 140 changes a day.
pub const MAX_SEGMENTS_PER_AGENT: usize = 1_000;

const GAP: u64 = 1;

/// Units of time in microseconds, coarsest first. The lowest two bits of a written time are the position of its unit here.
const UNITS: [u64; 3] = [1_000_000, 1_000, 1];
const UNIT_BITS: u32 = 2;

/// The states of an agent within the window, each with its exact start and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceTimeline {
    start: Timestamp,
    packed: Box<[u8]>,
}

/// An unbroken time in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The position of the state in [`AgentPresence::states`](crate::presence::AgentPresence::states), or
    /// [`PresenceChart::OTHER`] for a state that has none.
    pub place: u8,
    /// The time in the state, clipped to the window, in microseconds.
    pub time: Window,
}

// === impl PresenceTimeline ===

impl PresenceTimeline {
    /// The newest of `segments`, which are sorted and do not overlap. Neighbours that touch in one state are merged.
    pub(crate) fn new(segments: impl IntoIterator<Item = Segment>) -> Self {
        let mut merged: Vec<Segment> = Vec::new();
        for segment in segments {
            match merged.last_mut() {
                Some(last) if last.place == segment.place && last.time.end >= segment.time.start => {
                    last.time.end = last.time.end.max(segment.time.end);
                }
                _ => merged.push(segment),
            }
        }
        let surplus = merged.len().saturating_sub(MAX_SEGMENTS_PER_AGENT);
        Self::pack(merged.get(surplus..).unwrap_or_default())
    }

    /// The segments in their order. They do not overlap; time between them is unknown.
    pub fn segments(&self) -> impl Iterator<Item = Segment> {
        let (mut bytes, mut end) = (Bytes(&self.packed), self.start);
        std::iter::from_fn(move || {
            let head = bytes.varint()?;
            let gap = if head & GAP == 0 { 0 } else { read_time(&mut bytes)? };
            let start = after(end, gap);
            end = after(start, read_time(&mut bytes)?);
            Some(Segment { place: u8::try_from(head >> 1).ok()?, time: Window { start, end } })
        })
    }

    /// Follows a change of the agent's states: `place` has the new place of each old one.
    pub(crate) fn relocate(&mut self, place: impl Fn(usize) -> Option<usize>) {
        let moved = |old: u8| match old {
            PresenceChart::OTHER => old,
            _ => place(old.into()).and_then(|new| u8::try_from(new).ok()).unwrap_or(PresenceChart::OTHER),
        };
        *self = Self::new(self.segments().map(|segment| Segment { place: moved(segment.place), ..segment }));
    }

    fn pack(segments: &[Segment]) -> Self {
        let start = segments.first().map_or(Timestamp::from_micros(0), |first| first.time.start);
        let (mut packed, mut end) = (Vec::new(), start);
        for Segment { place, time } in segments {
            let gap = time.start.saturating_since(end).get();
            varint::push(&mut packed, (u64::from(*place) << 1) | if gap > 0 { GAP } else { 0 });
            if gap > 0 {
                push_time(&mut packed, gap);
            }
            push_time(&mut packed, time.length().get());
            end = time.end;
        }
        Self { start, packed: packed.into() }
    }
}

fn after(time: Timestamp, micros: u64) -> Timestamp {
    time + std::time::Duration::from_micros(micros)
}

fn push_time(packed: &mut Vec<u8>, micros: u64) {
    let units = UNITS.iter().zip(0_u64..).find(|(unit, _)| micros.is_multiple_of(**unit));
    let (unit, position) = units.unwrap_or((&1, 2));
    varint::push(packed, ((micros / unit) << UNIT_BITS) | position);
}

fn read_time(bytes: &mut Bytes<'_>) -> Option<u64> {
    let time = bytes.varint()?;
    let unit = UNITS.get(usize::try_from(time & ((1 << UNIT_BITS) - 1)).ok()?)?;
    Some((time >> UNIT_BITS).saturating_mul(*unit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + micros)
    }

    fn segment((place, start, end): (u8, i64, i64)) -> Segment {
        Segment { place, time: Window { start: at(start), end: at(end) } }
    }

    fn segments(timeline: &PresenceTimeline) -> Vec<(u8, i64, i64)> {
        let micros = |time: Timestamp| time.micros() - at(0).micros();
        timeline
            .segments()
            .map(|segment| (segment.place, micros(segment.time.start), micros(segment.time.end)))
            .collect()
    }

    #[test]
    fn segments_that_touch_in_one_state_are_merged() {
        let spans =
            [(0, 5, 1_000_000), (0, 1_000_000, 2_000_001), (0, 2_000_002, 3_000_000), (255, 3_000_000, 3_001_000)];
        let timeline = PresenceTimeline::new(spans.map(segment));
        assert_eq!(segments(&timeline), [(0, 5, 2_000_001), (0, 2_000_002, 3_000_000), (255, 3_000_000, 3_001_000)]);
    }

    #[test]
    fn the_newest_segments_are_kept() {
        let count = i64::try_from(MAX_SEGMENTS_PER_AGENT).unwrap() + 5;
        let timeline = PresenceTimeline::new(
            (0..count).map(|nth| segment((if nth % 2 == 0 { 0 } else { 1 }, nth * 9, nth * 9 + 9))),
        );
        let kept = segments(&timeline);
        assert_eq!((kept.len(), kept[0], kept.last().unwrap().2), (MAX_SEGMENTS_PER_AGENT, (1, 45, 54), count * 9));
    }

    #[test]
    fn a_segment_of_whole_seconds_takes_few_bytes() {
        for (length, bytes) in [(1_000_000, 2), (3_600_000_000, 3), (61_234_000, 4), (3_600_123_000, 5), (1_234_567, 5)]
        {
            let timeline = PresenceTimeline::new([segment((0, 7, 7 + length))]);
            assert_eq!(timeline.packed.len(), bytes, "{length}");
        }
    }

    proptest! {
        #[test]
        fn segments_round_trip(
            spans in prop::collection::vec((any::<u8>(), 0_i64..9_000_000_000, 1_i64..9_000_000_000, 1_i64..1_000_000), 0..50),
        ) {
            let mut end = 0;
            let spans = spans.into_iter().map(|(place, gap, length, unit)| {
                let start = end + if gap % 2 == 0 { 0 } else { gap / unit * unit };
                end = start + (length / unit * unit).max(1);
                (place, start, end)
            });
            let mut spans: Vec<_> = spans.collect();
            let timeline = PresenceTimeline::new(spans.iter().copied().map(segment));
            spans.dedup_by(|next, last| {
                let touches = next.0 == last.0 && next.1 == last.2;
                if touches {
                    last.2 = next.2;
                }
                touches
            });
            prop_assert_eq!(segments(&timeline), spans);
        }

        #[test]
        fn any_bytes_are_read_without_panic(packed in prop::collection::vec(any::<u8>(), 0..60)) {
            let timeline = PresenceTimeline { start: at(0), packed: packed.into() };
            prop_assert!(timeline.segments().count() <= 60);
        }
    }
}
