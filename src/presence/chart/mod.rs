//! A day at a glance: an agent's time in each state, by half hours, in few bytes.
//!
//! The spans that count, buckets or exact ones, are put together into slots of half an hour of UTC, so that slots add up to
//! the hours of most time zones. A span across a boundary is a slot of its own, so that nothing is cut to a grid that the
//! spans do not have, and the seconds of a slot are those of its spans. Within a slot the order of states is unknown, so it
//! has one share per state.
//!
//! Times are in centiseconds. What most slots have in common takes no bytes: they begin where the one before ends, are half
//! an hour long, and their shares fill them.
//!
//! | bytes | content |
//! | --- | --- |
//! | 1 | how many shares there are, and what of the following is there: [`GAP`], [`WHOLE`], [`SET`], [`FULL`] |
//! | a number, or none | from the end of the slot before (of the chart's start) to the slot's start |
//! | a number, or none | the slot's length |
//! | 1, or 1 a share | places in the agent's states, or [`PresenceChart::OTHER`]: as the bits of a set, or each by itself |
//! | a number a share, or one less | time, as [`push_time`] writes it |

use super::varint::{self, Bytes};
use super::{Micros, Timestamp, Window, add_to};

#[cfg(test)]
mod tests;

/// The slots' boundaries: half hours, as zones differ from UTC by hours and half hours. The few that differ by a quarter have
/// columns that begin a quarter past the hour.
const SLOT: Micros = Micros::from_seconds(1_800);

/// A longer span is several slots, so that it can be seen when in it an agent was there. A day is what people call the
/// next unit.
const LONGEST_SLOT: u64 = 86_400 * 1_000_000;

/// The words of four bytes that half an hour of an agent may take: 32 bytes. Tenants have some twenty states and agents are
/// in two or three of them in half an hour, so that most half hours take 2 to 6 bytes.
const WORDS_A_SLOT: u64 = 8;

/// The words before the first boundary: one slot that was cut by the window's start, and [`RESERVE`].
const WORDS_AT_FIRST: u64 = 24;

/// What a slot leaves for those that may follow at once: one across the boundary with three shares, and [`LEAST`] for one
/// after it. At the next boundary there are [`WORDS_A_SLOT`] more.
const RESERVE: u64 = 8;

/// The least words of a slot: its head and one share.
const LEAST: u64 = HEAD + 1;

/// The words that are set aside for what stands before a slot's shares; each of those has one. A slot or a gap of many
/// hours may take more than is set aside, which its hours have room for.
const HEAD: u64 = 2;

const CENTISECOND: u64 = 10_000;

/// The centiseconds of a second.
const SECOND: u64 = 100;

/// The bits of a slot's first byte that say how many shares there are.
const COUNT: u8 = 0x0f;
/// The slot does not begin where the one before ends.
const GAP: u8 = 0x10;
/// The slot is as long as [`SLOT`].
const WHOLE: u8 = 0x20;
/// The places of its shares ascend and are below eight, and stand there as a set.
const SET: u8 = 0x40;
/// The shares add up to the slot's length, so the last one's time is what is left.
const FULL: u8 = 0x80;

/// An agent's time in each state, slot by slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceChart {
    start: Timestamp,
    packed: Box<[u8]>,
}

/// One slot of a chart: half an hour, or a span across a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChartSlot<'a> {
    /// From when to when.
    pub span: Window,
    shares: Shares<'a>,
}

/// The shares of a slot that are still to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shares<'a> {
    count: u8,
    places: Places<'a>,
    /// The time that no share before has taken, where they fill the slot.
    left: Option<u64>,
    /// From here on there are times, and then the next slot.
    bytes: Bytes<'a>,
}

/// The places of a slot's shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Places<'a> {
    Set(u8),
    Each(Bytes<'a>),
}

/// Makes charts, one after the other, of spans in their order.
#[derive(Debug, Default)]
pub struct PresenceChartBuilder {
    start: Option<Timestamp>,
    packed: Vec<u8>,
    /// The words that the slots so far may take.
    words: u64,
    /// Where the last slot ends, in centiseconds after the start.
    end: u64,
    /// The slot in hand: its span, and its time by state.
    open: Option<Window>,
    shares: Vec<(u8, Micros)>,
    /// The same in centiseconds, as it is packed.
    rounded: Vec<(u8, u64)>,
    incoming: Vec<(usize, Micros)>,
}

// === impl PresenceChart ===

impl PresenceChart {
    /// The place of what is in none of the agent's states: the smallest shares of a slot that has too many.
    pub const OTHER: u8 = u8::MAX;

    /// The most shares of a slot; the smallest of more are summed.
    pub const MAX_SHARES: usize = 14;

    /// The slots in their order; they do not overlap.
    pub fn slots(&self) -> impl Iterator<Item = ChartSlot<'_>> {
        let (mut bytes, mut end) = (Bytes(&self.packed), 0);
        std::iter::from_fn(move || {
            let (start, length, shares) = read(&mut bytes, end)?;
            end = start + length;
            Some(ChartSlot { span: Window { start: self.at(start), end: self.at(end) }, shares })
        })
    }

    /// Whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// The bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.packed.len()
    }

    /// Follows a change of the agent's states: `place` has the new place of each old one.
    pub(super) fn relocate(&mut self, place: impl Fn(usize) -> Option<usize>) {
        let (mut bytes, mut end) = (Bytes(&self.packed), 0);
        let (mut packed, mut relocated) = (Vec::with_capacity(self.packed.len()), Vec::new());
        while let Some((start, length, mut shares)) = read(&mut bytes, end) {
            relocated.clear();
            while let Some((old, time)) = shares.next() {
                relocated.push((if old == Self::OTHER { old } else { byte(place(old.into())) }, time));
            }
            push(&mut packed, start - end, length, &relocated);
            end = start + length;
        }
        self.packed = packed.into();
    }

    fn at(&self, centiseconds: u64) -> Timestamp {
        self.start + span(centiseconds).into()
    }
}

/// No slot at all: what is known of agents before their first refresh, and after a restart until the next one.
impl Default for PresenceChart {
    fn default() -> Self {
        Self { start: Timestamp::from_micros(0), packed: Box::default() }
    }
}

// === impl ChartSlot ===

impl<'a> ChartSlot<'a> {
    /// Place in the agent's states ([`PresenceChart::OTHER`]: none), and time in it. A place may come twice.
    pub fn shares(self) -> impl Iterator<Item = (u8, Micros)> + 'a {
        let mut shares = self.shares;
        std::iter::from_fn(move || shares.next()).map(|(place, time)| (place, span(time)))
    }
}

// === impl Shares ===

impl Shares<'_> {
    /// The next share: its place, and its time in centiseconds.
    fn next(&mut self) -> Option<(u8, u64)> {
        self.count = self.count.checked_sub(1)?;
        let place = match &mut self.places {
            Places::Set(set) => {
                let place = set.trailing_zeros();
                *set &= set.wrapping_sub(1);
                u8::try_from(place).ok()?
            }
            Places::Each(places) => places.byte()?,
        };
        let time = match &mut self.left {
            Some(left) if self.count == 0 => *left,
            Some(left) => {
                let time = read_time(&mut self.bytes)?;
                *left = left.saturating_sub(time);
                time
            }
            None => read_time(&mut self.bytes)?,
        };
        Some((place, time))
    }
}

// === impl PresenceChartBuilder ===

impl PresenceChartBuilder {
    /// Adds the span that follows: the time in the states at these places of the agent's. Spans may leave gaps.
    pub fn add(&mut self, span: Window, shares: impl Iterator<Item = (usize, Micros)>) {
        if span.length().get() > LONGEST_SLOT {
            self.put_in_parts(span, shares);
        } else {
            self.put(span, shares);
        }
    }

    /// Adds a span that is not too long for a slot.
    fn put(&mut self, span: Window, shares: impl Iterator<Item = (usize, Micros)>) {
        let base = *self.start.get_or_insert(span.start);
        if self.open.is_none_or(|open| span.end > boundary_after(open.start)) {
            self.close(base);
            self.open = Some(span);
        }
        if let Some(open) = &mut self.open {
            open.end = open.end.max(span.end);
        }
        for (place, time) in shares {
            add_to(&mut self.shares, byte(Some(place)), time);
        }
    }

    /// The chart of the spans since the last one.
    pub fn finish(&mut self) -> PresenceChart {
        let Some(start) = self.start.take() else {
            return PresenceChart::default();
        };
        self.close(start);
        let packed = self.packed.as_slice().into();
        self.packed.clear();
        (self.words, self.end) = (0, 0);
        PresenceChart { start, packed }
    }

    /// A span too long for a slot is as many as it takes, with states spread evenly, as their order is unknown.
    fn put_in_parts(&mut self, span: Window, shares: impl Iterator<Item = (usize, Micros)>) {
        let mut left = std::mem::take(&mut self.incoming);
        left.clear();
        left.extend(shares);
        let mut rest = span;
        while rest.length() > Micros::ZERO {
            let whole = rest.length();
            let end = (rest.start + Micros::new(LONGEST_SLOT).into()).min(rest.end);
            let part = Window { start: rest.start, end };
            // What is left by then is taken whole, so that nothing is lost to rounding.
            let shares = left.iter_mut().map(|(place, time)| {
                let taken = time.prorated(part.length(), whole.into());
                *time = Micros::new(time.get().saturating_sub(taken.get()));
                (*place, taken)
            });
            self.put(part, shares);
            rest.start = end;
        }
        self.incoming = left;
    }

    /// Packs the slot in hand, in as many words as there is room for.
    fn close(&mut self, base: Timestamp) {
        let Some(open) = self.open.take() else { return };
        let earned = open.end.saturating_since(base).get().saturating_mul(WORDS_A_SLOT) / SLOT.get();
        let room = (WORDS_AT_FIRST + earned).saturating_sub(self.words);
        let room = room.saturating_sub(RESERVE).max(RESERVE.min(room).saturating_sub(LEAST)).saturating_sub(HEAD);
        let most = usize::try_from(room).unwrap_or(usize::MAX).clamp(1, PresenceChart::MAX_SHARES);

        self.shares.retain(|(_, time)| *time > Micros::ZERO);
        if self.shares.len() > most {
            self.shares.sort_unstable_by_key(|&(place, time)| (std::cmp::Reverse(time), place));
            let others = self.shares.drain(most - 1..).map(|(_, time)| time).sum();
            add_to(&mut self.shares, PresenceChart::OTHER, others);
        }
        self.shares.sort_unstable_by_key(|&(place, _)| place);
        self.words += HEAD + self.shares.len() as u64;
        // Both ends are rounded, and not the length, so that slots without a gap have none, however many they are.
        let [start, end] = [open.start, open.end].map(|moment| centiseconds(moment.saturating_since(base)));
        let start = start.max(self.end);
        let length = end.saturating_sub(start);
        self.rounded.clear();
        self.rounded.extend(self.shares.drain(..).map(|(place, time)| (place, centiseconds(time))));
        push(&mut self.packed, start - self.end, length, &self.rounded);
        self.end = start + length;
    }
}

/// Appends a slot; all times are centiseconds.
fn push(packed: &mut Vec<u8>, gap: u64, length: u64, shares: &[(u8, u64)]) {
    let count = u8::try_from(shares.len()).unwrap_or(COUNT).min(COUNT);
    let is_whole = length == centiseconds(SLOT);
    let is_set = shares.iter().all(|(place, _)| *place < 8) && shares.is_sorted_by(|(one, _), (next, _)| one < next);
    let is_full = count > 0 && shares.iter().map(|(_, time)| time).sum::<u64>() == length;
    let flags = [(gap > 0, GAP), (is_whole, WHOLE), (is_set, SET), (is_full, FULL)];
    packed.push(flags.iter().filter(|(holds, _)| *holds).fold(count, |head, (_, flag)| head | flag));
    if gap > 0 {
        varint::push(packed, gap);
    }
    if !is_whole {
        varint::push(packed, length);
    }
    if is_set {
        packed.push(shares.iter().fold(0, |set, (place, _)| set | 1 << place));
    } else {
        packed.extend(shares.iter().map(|(place, _)| place));
    }
    for (_, time) in shares.iter().take(shares.len() - usize::from(is_full)) {
        push_time(packed, *time);
    }
}

/// The next slot, where the one before ends at `end`: its start, its length and its shares, all in centiseconds.
fn read<'a>(bytes: &mut Bytes<'a>, end: u64) -> Option<(u64, u64, Shares<'a>)> {
    let head = bytes.byte()?;
    let has = |flag| head & flag != 0;
    let start = if has(GAP) { end.saturating_add(bytes.varint()?) } else { end };
    let length = if has(WHOLE) { centiseconds(SLOT) } else { bytes.varint()? };
    let count = head & COUNT;
    let places = if has(SET) { Places::Set(bytes.byte()?) } else { Places::Each(Bytes(bytes.take(count.into())?)) };
    let shares = Shares { count, places, left: has(FULL).then_some(length), bytes: *bytes };
    let mut all = shares;
    while all.next().is_some() {}
    *bytes = all.bytes;
    Some((start, length, shares))
}

/// Appends a time: seconds, if it is whole seconds, as CXone counts, or else centiseconds; the lowest bit tells which.
fn push_time(packed: &mut Vec<u8>, centiseconds: u64) {
    let whole = centiseconds.is_multiple_of(SECOND);
    varint::push(packed, if whole { (centiseconds / SECOND) << 1 } else { (centiseconds << 1) | 1 });
}

/// The next time, in centiseconds.
fn read_time(bytes: &mut Bytes<'_>) -> Option<u64> {
    let time = bytes.varint()?;
    Some(if time & 1 == 0 { (time >> 1).saturating_mul(SECOND) } else { time >> 1 })
}

/// A place that fits, or [`PresenceChart::OTHER`].
fn byte(place: Option<usize>) -> u8 {
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(PresenceChart::OTHER)
}

/// The first boundary of slots after `start`.
const fn boundary_after(start: Timestamp) -> Timestamp {
    let slot = SLOT.get().cast_signed();
    Timestamp::from_micros(start.micros().div_euclid(slot).saturating_add(1).saturating_mul(slot))
}

/// Rounded.
const fn centiseconds(span: Micros) -> u64 {
    span.get().saturating_add(CENTISECOND / 2) / CENTISECOND
}

const fn span(centiseconds: u64) -> Micros {
    Micros::new(centiseconds.saturating_mul(CENTISECOND))
}
