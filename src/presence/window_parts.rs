//! The time in each state by parts of the window: quarters, which counters add up, or slots of past reading.
//!
//! A part begins at a multiple of its length since 1970, so a part is the same one in every window of the same length. The
//! first part of a window may have begun before it, and then has only what is in the window.

use std::time::Duration;

use super::{BucketBoundaries, Micros, Timestamp, Window, add_to};

/// The parts of a window. A part is counted for good once it is about to leave the window, so corrections reach back three
/// quarters of the window, and an outage may last as long. More parts take more memory.
const PARTS: u64 = 4;

/// The shortest slot. A shorter one would only take memory, as most times are whole seconds.
const SHORTEST_SLOT: Duration = Duration::from_secs(1);

/// How long the parts of a window are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartLength {
    /// A quarter of the window.
    #[default]
    Quarter,
    /// The same for any window, as past reading asks for. No chart and no timeline is made.
    Slot(Duration),
}

/// The time in each state by parts of the window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WindowParts(Vec<WindowPart>);

/// The time in each state within one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowPart {
    /// The start of the part, which may be before the window.
    pub start: Timestamp,
    /// Time by position in [`AgentPresence::states`](super::AgentPresence::states). Positions are different.
    pub times: Vec<(usize, Micros)>,
}

/// Makes parts of the spans of one agent after the other.
#[derive(Debug)]
pub(super) struct WindowPartsBuilder {
    boundaries: BucketBoundaries,
    length: PartLength,
    parts: Vec<WindowPart>,
    rest: Vec<(usize, Micros)>,
}

// === impl PartLength ===

impl PartLength {
    /// Whether the parts are slots of past reading.
    pub(super) const fn is_slot(self) -> bool {
        matches!(self, Self::Slot(_))
    }

    fn boundaries(self, window: Window) -> BucketBoundaries {
        match self {
            Self::Quarter => WindowParts::boundaries(window),
            Self::Slot(length) => BucketBoundaries::new(length.max(SHORTEST_SLOT)),
        }
    }
}

// === impl WindowParts ===

impl WindowParts {
    /// The starts of all parts, for windows as long as `window`.
    pub fn boundaries(window: Window) -> BucketBoundaries {
        BucketBoundaries::new(Duration::from_micros(window.length().get() / PARTS))
    }

    /// The parts with time, in order.
    pub fn iter(&self) -> impl Iterator<Item = &WindowPart> {
        self.0.iter()
    }

    /// Gives each time the position that `place` has for its old one.
    pub(super) fn relocate(&mut self, place: impl Fn(usize) -> Option<usize>) {
        self.0.iter_mut().for_each(|part| *part = part.relocated(&place));
    }
}

/// What a fake source returns.
#[cfg(test)]
impl FromIterator<WindowPart> for WindowParts {
    fn from_iter<T: IntoIterator<Item = WindowPart>>(parts: T) -> Self {
        Self(parts.into_iter().collect())
    }
}

// === impl WindowPart ===

impl WindowPart {
    /// The part with the position that `place` has for each old one. Times without one are left out.
    pub(crate) fn relocated(&self, place: impl Fn(usize) -> Option<usize>) -> Self {
        let mut relocated = Self { start: self.start, times: Vec::with_capacity(self.times.len()) };
        for (old, time) in &self.times {
            if let Some(place) = place(*old) {
                add_to(&mut relocated.times, place, *time);
            }
        }
        relocated
    }

    pub(crate) fn total(&self) -> Micros {
        self.times.iter().map(|(_, time)| *time).sum()
    }
}

// === impl WindowPartsBuilder ===

impl WindowPartsBuilder {
    /// A builder for spans within `window`.
    pub(super) fn new(window: Window, length: PartLength) -> Self {
        Self { boundaries: length.boundaries(window), length, parts: Vec::new(), rest: Vec::new() }
    }

    /// Adds a span, not before earlier ones, and its time by position. Time in a span over several parts is spread evenly,
    /// and none is lost to rounding.
    pub(super) fn add(&mut self, span: Window, times: impl Iterator<Item = (usize, Micros)>) {
        self.rest.clear();
        self.rest.extend(times);
        let mut left = span;
        while left.start < left.end {
            let is_in = |part: &&WindowPart| part.start <= left.start && left.start < self.boundaries.next(part.start);
            let start = match self.parts.last().filter(is_in) {
                Some(last) => last.start,
                None => {
                    let start = self.boundaries.floor(left.start);
                    self.parts.push(WindowPart { start, times: Vec::new() });
                    start
                }
            };
            let end = self.boundaries.next(start).min(left.end);
            let inside = Window { start: left.start, end }.length();
            for (place, time) in &mut self.rest {
                let share = time.prorated(inside, left.length().into());
                *time = Micros::new(time.get().saturating_sub(share.get()));
                if let Some(part) = self.parts.last_mut().filter(|_| share > Micros::ZERO) {
                    add_to(&mut part.times, *place, share);
                }
            }
            left.start = end;
        }
    }

    /// The parts of the spans since the last call. Times are in the order of positions, whatever the order in the spans.
    pub(super) fn finish(&mut self) -> WindowParts {
        self.parts.iter_mut().for_each(|part| part.times.sort_unstable());
        if self.length.is_slot() {
            // Slots are many, and most have one or two states.
            self.parts.iter_mut().for_each(|part| part.times.shrink_to_fit());
            self.parts.shrink_to_fit();
        }
        WindowParts(std::mem::take(&mut self.parts))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn window(start: i64, end: i64) -> Window {
        Window { start: Timestamp::from_seconds(start), end: Timestamp::from_seconds(end) }
    }

    #[test]
    fn window_parts_begin_at_multiples_of_their_length() {
        let mut builder = WindowPartsBuilder::new(window(10, 410), PartLength::Quarter);
        builder.add(window(10, 90), [(0, Micros::from_seconds(40))].into_iter());
        builder.add(window(90, 310), [(1, Micros::from_seconds(110)), (0, Micros::from_seconds(22))].into_iter());
        let parts = builder.finish();
        let seconds = |part: &WindowPart| {
            let times = part.times.iter().map(|(place, time)| (*place, time.get() / 1_000_000));
            (part.start.micros() / 1_000_000, times.collect::<Vec<_>>())
        };
        let expected = [
            (0, vec![(0, 41), (1, 5)]),
            (100, vec![(0, 10), (1, 50)]),
            (200, vec![(0, 10), (1, 50)]),
            (300, vec![(0, 1), (1, 5)]),
        ];
        assert_eq!(parts.iter().map(seconds).collect::<Vec<_>>(), expected);
        assert_eq!(builder.finish(), WindowParts::default());
    }

    proptest! {
        #[test]
        fn window_parts_lose_no_time(
            length in 0..1_000_000_u64,
            spans in prop::collection::vec((0..300_000_i64, 0..300_000_u64), 0..20),
        ) {
            let at = Timestamp::from_micros;
            let mut builder = WindowPartsBuilder::new(Window { start: at(0), end: at(length.cast_signed()) }, PartLength::Quarter);
            let mut start = 0;
            for (span, time) in &spans {
                builder.add(Window { start: at(start), end: at(start + span) }, [(0, Micros::new(*time))].into_iter());
                start += span;
            }
            let sum: Micros = builder.finish().iter().flat_map(|part| &part.times).map(|(_, time)| *time).sum();
            let given = spans.iter().filter(|(span, _)| *span > 0).map(|(_, time)| Micros::new(*time)).sum::<Micros>();
            prop_assert_eq!(sum, given);
        }
    }
}
