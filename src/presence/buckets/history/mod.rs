//! Buckets that are over, kept packed for the next count.

use std::fmt;
use std::sync::Arc;

use super::boundaries::BucketBoundaries;
use super::store::Share;
use crate::presence::state_names::StateIndex;
use crate::presence::varint::{self, Bytes};
use crate::presence::{Micros, StateName, Timestamp, Window};

#[cfg(test)]
mod tests;

/// The most names of states in one agent's history: an index is a byte. A tenant has some twenty.
const MAX_NAMES: usize = 255;

/// The most bytes that a history may have per bucket, on average: room for a dozen states in each. One that has more is
/// not kept, so that what a server makes up cannot fill the memory; its agent is asked for in full instead.
pub const MAX_BYTES_PER_BUCKET: usize = 64;

/// Microseconds in a second.
const MICROS: u64 = 1_000_000;

/// What was reported of one agent in buckets that are over and settled, as it was reported.
///
/// Buckets are in order, do not overlap and are cells of one grid. A bucket takes a byte that says how many states it has and
/// whether it follows the one before, and per state the index of its name and its time, in whole seconds where it is.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketHistory {
    /// Where the first bucket begins.
    first: Timestamp,
    /// Up to here all is known: what is not in it was not reported.
    until: Timestamp,
    grid: BucketBoundaries,
    names: Box<[StateName]>,
    packed: Box<[u8]>,
}

/// A history, read bucket by bucket.
#[derive(Debug)]
pub(super) struct Buckets<'a> {
    bytes: Bytes<'a>,
    next: Timestamp,
    grid: BucketBoundaries,
}

/// Packs the buckets of one agent after another, reusing its working space.
#[derive(Debug)]
pub(super) struct HistoryBuilder {
    grid: BucketBoundaries,
    first: Option<Timestamp>,
    next: Timestamp,
    buckets: usize,
    names: Vec<StateIndex>,
    bytes: Vec<u8>,
    /// Whether something came that cannot be packed.
    failed: bool,
}

// === impl BucketHistory ===

impl BucketHistory {
    /// Up to here all is known: what is not in it was not reported.
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.names) + self.packed.len()
    }

    /// How many buckets it has.
    pub fn buckets(&self) -> usize {
        let (mut buckets, mut shares) = (self.read(), Vec::new());
        std::iter::from_fn(|| buckets.next(&mut shares)).count()
    }

    /// Appends the history, in the form that [`BucketHistory::read_from`] reads; `name` finds the number of a name.
    pub(crate) fn write_to(&self, bytes: &mut Vec<u8>, mut name: impl FnMut(&StateName) -> u64) {
        let mut push = |number| varint::push(bytes, number);
        push(self.first.micros().cast_unsigned());
        push(self.until.micros().cast_unsigned());
        push(u64::try_from(self.names.len()).unwrap_or(u64::MAX));
        self.names.iter().for_each(|state| push(name(state)));
        push(u64::try_from(self.packed.len()).unwrap_or(u64::MAX));
        bytes.extend_from_slice(&self.packed);
    }

    /// The history of buckets of `grid` that `bytes` begin with, its names by their numbers among `names`; `None` where that is
    /// not a history that was packed here.
    pub(crate) fn read_from(bytes: &mut Bytes<'_>, grid: BucketBoundaries, names: &[StateName]) -> Option<Self> {
        let first = Timestamp::from_micros(bytes.varint()?.cast_signed());
        let until = Timestamp::from_micros(bytes.varint()?.cast_signed());
        let count = usize::try_from(bytes.varint()?).ok().filter(|count| *count <= MAX_NAMES)?;
        let mut name = || Some(Arc::clone(names.get(usize::try_from(bytes.varint()?).ok()?)?));
        let names: Box<[StateName]> = (0..count).map(|_| name()).collect::<Option<_>>()?;
        let length = usize::try_from(bytes.varint()?).ok()?;
        let history = Self { first, until, grid, names, packed: bytes.take(length)?.into() };
        (grid.has(first) && grid.has(until) && history.is_sound()).then_some(history)
    }

    /// Whether it holds what a packer would have packed.
    fn is_sound(&self) -> bool {
        let (mut buckets, mut shares, mut count) = (self.read(), Vec::new(), 0);
        while !buckets.bytes.0.is_empty() {
            let Some(span) = buckets.next(&mut shares) else { return false };
            let known = shares.iter().all(|(name, _)| *name < self.names.len());
            if !known || shares.is_empty() || span.end > self.until {
                return false;
            }
            count += 1;
        }
        self.packed.len() <= MAX_BYTES_PER_BUCKET * count
    }

    /// The names that the indices of shares stand for.
    pub(super) fn names(&self) -> &[StateName] {
        &self.names
    }

    /// Its buckets, the first one first.
    pub(super) fn read(&self) -> Buckets<'_> {
        Buckets { bytes: Bytes(&self.packed), next: self.first, grid: self.grid }
    }
}

/// Without its buckets, which would be most of any log.
impl fmt::Debug for BucketHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketHistory")
            .field("until", &self.until)
            .field("bytes", &self.packed.len())
            .finish_non_exhaustive()
    }
}

// === impl Buckets ===

impl Buckets<'_> {
    /// The span of the next bucket, whose states, as indices of the history's names, are in `shares`. `None` at the end, and
    /// where what follows is no bucket.
    pub(super) fn next(&mut self, shares: &mut Vec<(usize, Micros)>) -> Option<Window> {
        shares.clear();
        let head = self.bytes.varint()?;
        let skipped = if head & 1 == 1 { self.bytes.varint()? } else { 0 };
        let skipped = i64::try_from(skipped.checked_mul(self.grid.step().get())?).ok()?;
        let start = Timestamp::from_micros(self.next.micros().checked_add(skipped)?);
        for _ in 0..head >> 1 {
            let name = usize::from(self.bytes.byte()?);
            let time = self.bytes.varint()?;
            let micros = if time & 1 == 1 { time >> 1 } else { (time >> 1).checked_mul(MICROS)? };
            shares.push((name, Micros::new(micros)));
        }
        self.next = self.grid.next(start);
        Some(Window { start, end: self.next })
    }
}

// === impl HistoryBuilder ===

impl HistoryBuilder {
    /// For buckets that are cells of `grid`.
    pub(super) const fn new(grid: BucketBoundaries) -> Self {
        let next = Timestamp::from_micros(0);
        Self { grid, first: None, next, buckets: 0, names: Vec::new(), bytes: Vec::new(), failed: false }
    }

    /// Adds the bucket that begins at `start`, which is a line that no bucket before it reaches past.
    pub(super) fn push(&mut self, start: Timestamp, shares: &[Share]) {
        let first = self.first.is_none();
        let skipped = if first { 0 } else { start.saturating_since(self.next).get() / self.grid.step().get().max(1) };
        if first {
            self.first = Some(start);
        }
        let count = u64::try_from(shares.len()).unwrap_or(u64::MAX >> 1);
        varint::push(&mut self.bytes, (count << 1) | u64::from(skipped > 0));
        if skipped > 0 {
            varint::push(&mut self.bytes, skipped);
        }
        for share in shares {
            let known = self.names.iter().position(|name| *name == share.state);
            let name = known.unwrap_or_else(|| {
                self.names.push(share.state);
                self.names.len() - 1
            });
            let (Ok(name), micros) = (u8::try_from(name), share.time.get()) else {
                self.failed = true;
                return;
            };
            self.bytes.push(name);
            // More than that no bucket can have, whatever it says.
            self.failed |= micros > u64::MAX >> 1;
            let time = if micros % MICROS == 0 { (micros / MICROS) << 1 } else { (micros << 1) | 1 };
            varint::push(&mut self.bytes, time);
        }
        self.buckets += 1;
        self.next = self.grid.next(start);
    }

    /// The history of the buckets since the last one, of which all is known up to `until`, if it can be kept. `names` are what
    /// the states of their shares are indices of.
    pub(super) fn finish(&mut self, until: Timestamp, names: &[StateName]) -> Option<BucketHistory> {
        let Self { grid, first, buckets, names: used, bytes, failed, .. } = self;
        let fits = !*failed && used.len() <= MAX_NAMES && bytes.len() <= *buckets * MAX_BYTES_PER_BUCKET;
        let used: Option<Box<[StateName]>> = used.iter().map(|state| names.get(state.0).map(Arc::clone)).collect();
        let history = used.filter(|_| fits).map(|names| BucketHistory {
            first: first.unwrap_or(until),
            until,
            grid: *grid,
            names,
            packed: bytes.as_slice().into(),
        });
        self.clear();
        history
    }

    /// Forgets the buckets since the last history.
    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.bytes.clear();
        (self.first, self.buckets, self.failed) = (None, 0, false);
    }
}
