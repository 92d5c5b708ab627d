//! A day at a glance: an agent's time in each state, hour by hour, in few bytes.
//!
//! The spans that count, buckets or exact ones, are put together into cells of about an hour. A cell has its own start
//! and length, so that nothing is cut to a grid that the spans do not have, and the seconds of a cell are those of
//! its spans. Within a cell nobody knows the order of states, so it has one share per state.
//!
//! | words of 32 bits | content |
//! | --- | --- |
//! | 1 | the cell's start, in centiseconds after the strip's |
//! | 1 | 8 bits: how many shares follow; 24 bits: the cell's length in centiseconds |
//! | 1 a share | 8 bits: the state's place in the agent's states, or [`Strip::OTHER`]; 24 bits: centiseconds |

use super::{Micros, Timestamp, Window};

#[cfg(test)]
mod tests;

/// What a cell takes in, unless a single span is longer: an hour, at which people and CXone's reports count.
const CELL: Micros = Micros::from_seconds(3_600);

/// A longer span is several cells, as more would not fit into 24 bits of centiseconds. A day is what people call the
/// next unit, and well below.
const LONGEST_CELL: u64 = 86_400 * 1_000_000;

/// The words that an agent-hour may take: 64 bytes. Tenants have some twenty states and people are in three of them
/// in an hour, so that most hours take 20 bytes.
const WORDS_AN_HOUR: u64 = 16;

/// The words before the first hour is over: one cell that was cut by the window's start, and [`RESERVE`].
const WORDS_AT_FIRST: u64 = 24;

/// What a cell leaves for a shorter one that may follow: its head and six shares. Two cells in a row take more than an
/// hour together, or the second's first span would be in the first; so there is always as much again after both.
const RESERVE: u64 = 8;

/// The words of a cell's head.
const HEAD: u64 = 2;

const CENTISECOND: u64 = 10_000;
const LOW_24_BITS: u32 = 0x00ff_ffff;

/// An agent's time in each state, cell by cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strip {
    start: Timestamp,
    words: Box<[u32]>,
}

/// One cell of a strip: about an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell<'a> {
    /// From when to when.
    pub span: Window,
    shares: &'a [u32],
}

/// Makes strips, one after the other, of spans in their order.
#[derive(Debug, Default)]
pub struct StripBuilder {
    start: Option<Timestamp>,
    words: Vec<u32>,
    /// The cell in hand: its span, and its time by state.
    open: Option<Window>,
    shares: Vec<(u8, Micros)>,
    incoming: Vec<(usize, Micros)>,
}

// === impl Strip ===

impl Strip {
    /// The place of what is in none of the agent's states: the smallest shares of a cell that has too many.
    pub const OTHER: u8 = u8::MAX;

    /// The most shares of a cell; the smallest of more are summed.
    pub const MAX_SHARES: usize = 14;

    /// The cells in their order; they do not overlap.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        let mut rest = &*self.words;
        std::iter::from_fn(move || {
            let (&[start, head], behind) = rest.split_first_chunk()?;
            let (shares, behind) = behind.split_at_checked(usize::try_from(head >> 24).ok()?)?;
            rest = behind;
            let start = self.start + span(start).into();
            Some(Cell { span: Window { start, end: start + span(head & LOW_24_BITS).into() }, shares })
        })
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// Follows a change of the agent's states: `place` has the new place of each old one.
    pub(super) fn relocate(&mut self, place: impl Fn(usize) -> Option<usize>) {
        let mut rest = &mut *self.words;
        while let Some(([_, head], behind)) = rest.split_first_chunk_mut()
            && let Ok(count) = usize::try_from(*head >> 24)
            && let Some((shares, behind)) = behind.split_at_mut_checked(count)
        {
            for share in shares {
                let [old, ..] = share.to_be_bytes();
                if old != Self::OTHER {
                    *share = packed(byte(place(old.into())), *share & LOW_24_BITS);
                }
            }
            rest = behind;
        }
    }
}

/// No cell at all: what is known of agents before their first refresh, and after a restart until the next one.
impl Default for Strip {
    fn default() -> Self {
        Self { start: Timestamp::from_micros(0), words: Box::default() }
    }
}

// === impl Cell ===

impl<'a> Cell<'a> {
    /// Place in the agent's states ([`Strip::OTHER`]: none), and time in it. A place may come twice.
    pub fn shares(self) -> impl Iterator<Item = (u8, Micros)> + 'a {
        self.shares.iter().map(|share| {
            let [place, ..] = share.to_be_bytes();
            (place, span(share & LOW_24_BITS))
        })
    }
}

// === impl StripBuilder ===

impl StripBuilder {
    /// Adds the span that follows: the time in the states at these places of the agent's. Spans may leave gaps.
    pub fn add(&mut self, span: Window, shares: impl Iterator<Item = (usize, Micros)>) {
        if span.length().get() > LONGEST_CELL {
            self.put_in_parts(span, shares);
        } else {
            self.put(span, shares);
        }
    }

    /// Adds a span that is not too long for a cell.
    fn put(&mut self, span: Window, shares: impl Iterator<Item = (usize, Micros)>) {
        let base = *self.start.get_or_insert(span.start);
        let fits = |open: Window| span.end.saturating_since(open.start) <= CELL;
        if !self.open.is_some_and(fits) {
            self.close(base);
            self.open = Some(span);
        }
        if let Some(open) = &mut self.open {
            open.end = open.end.max(span.end);
        }
        for (place, time) in shares {
            let place = byte(Some(place));
            match self.shares.iter_mut().find(|(known, _)| *known == place) {
                Some((_, sum)) => *sum = *sum + time,
                None => self.shares.push((place, time)),
            }
        }
    }

    /// The strip of the spans since the last one.
    pub fn finish(&mut self) -> Strip {
        let Some(start) = self.start.take() else {
            return Strip::default();
        };
        self.close(start);
        let words = self.words.as_slice().into();
        self.words.clear();
        Strip { start, words }
    }

    /// A span too long for a cell is as many as it takes, with states spread evenly, as nobody knows better.
    fn put_in_parts(&mut self, span: Window, shares: impl Iterator<Item = (usize, Micros)>) {
        let mut left = std::mem::take(&mut self.incoming);
        left.clear();
        left.extend(shares);
        let mut rest = span;
        while rest.length() > Micros::ZERO {
            let whole = rest.length();
            let end = (rest.start + Micros::new(LONGEST_CELL).into()).min(rest.end);
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

    /// Packs the cell in hand, in as many words as there is room for.
    fn close(&mut self, base: Timestamp) {
        let Some(open) = self.open.take() else { return };
        let hours = open.end.saturating_since(base).get().saturating_mul(WORDS_AN_HOUR) / CELL.get();
        let room = (WORDS_AT_FIRST + hours).saturating_sub(self.words.len() as u64);
        let room = room.saturating_sub(RESERVE).max(RESERVE.min(room)).saturating_sub(HEAD);
        let most = usize::try_from(room).unwrap_or(usize::MAX).clamp(1, Strip::MAX_SHARES);

        self.shares.retain(|(_, time)| *time > Micros::ZERO);
        if self.shares.len() > most {
            self.shares.sort_unstable_by_key(|&(place, time)| (std::cmp::Reverse(time), place));
            let others = self.shares.drain(most - 1..).map(|(_, time)| time).sum();
            match self.shares.iter_mut().find(|(place, _)| *place == Strip::OTHER) {
                Some((_, sum)) => *sum = *sum + others,
                None => self.shares.push((Strip::OTHER, others)),
            }
        }
        self.shares.sort_unstable_by_key(|&(place, _)| place);
        let after = open.start.saturating_since(base).get().saturating_add(CENTISECOND / 2) / CENTISECOND;
        self.words.push(u32::try_from(after).unwrap_or(u32::MAX));
        self.words.push(packed(byte(Some(self.shares.len())), centiseconds(open.length())));
        self.words.extend(self.shares.iter().map(|&(place, time)| packed(place, centiseconds(time))));
        self.shares.clear();
    }
}

/// A place that fits, or [`Strip::OTHER`].
fn byte(place: Option<usize>) -> u8 {
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(Strip::OTHER)
}

/// Rounded, and at most what 24 bits hold.
fn centiseconds(span: Micros) -> u32 {
    let rounded = span.get().saturating_add(CENTISECOND / 2) / CENTISECOND;
    u32::try_from(rounded).unwrap_or(u32::MAX).min(LOW_24_BITS)
}

fn span(centiseconds: u32) -> Micros {
    Micros::new(u64::from(centiseconds) * CENTISECOND)
}

fn packed(high: u8, low: u32) -> u32 {
    u32::from(high) << 24 | low
}
