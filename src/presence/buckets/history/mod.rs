//! Complete buckets, kept for later refreshes in few bytes: seven per bucket, which the tests measure.

use std::fmt;
use std::sync::Arc;

use super::boundaries::BucketBoundaries;
use super::store::Share;
use crate::presence::state_names::StateIndex;
use crate::presence::varint::{self, Bytes};
use crate::presence::{Micros, StateName, Timestamp, Window};

#[cfg(test)]
mod tests;

/// The limit of state names in one agent's history: an index is one byte. A tenant has some twenty.
const MAX_NAMES: usize = 255;

/// The limit of bytes per bucket, on average: a dozen states in each. A larger history is not kept, so that invented states
/// cannot fill the memory; its agent is requested in full instead.
pub const MAX_BYTES_PER_BUCKET: usize = 64;

/// Microseconds in a second.
const MICROS: u64 = 1_000_000;

/// The complete and settled buckets of one agent, as reported.
///
/// Buckets are sorted, do not overlap and share their boundaries. A bucket takes one byte for the number of its states and
/// whether it follows the previous bucket, and per state the index of its name and its time, in seconds if whole.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketHistory {
    /// The start of the first bucket.
    first: Timestamp,
    /// The end of the known time: a bucket before it that is missing was not reported.
    until: Timestamp,
    boundaries: BucketBoundaries,
    names: Box<[StateName]>,
    packed: Box<[u8]>,
}

/// Reads the buckets of a history in order.
#[derive(Debug)]
pub(super) struct Buckets<'a> {
    bytes: Bytes<'a>,
    next: Timestamp,
    boundaries: BucketBoundaries,
}

/// Builds the histories of agents, one after the other.
#[derive(Debug)]
pub(super) struct HistoryBuilder {
    boundaries: BucketBoundaries,
    first: Option<Timestamp>,
    next: Timestamp,
    buckets: usize,
    names: Vec<StateIndex>,
    bytes: Vec<u8>,
    /// Whether a bucket cannot be kept.
    failed: bool,
}

// === impl BucketHistory ===

impl BucketHistory {
    /// The end of the known time: a bucket before it that is missing was not reported.
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// The boundaries of the buckets.
    pub const fn boundaries(&self) -> BucketBoundaries {
        self.boundaries
    }

    /// The size in bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.names) + self.packed.len()
    }

    /// The number of buckets.
    pub fn buckets(&self) -> usize {
        let (mut buckets, mut shares) = (self.read(), Vec::new());
        std::iter::from_fn(|| buckets.next(&mut shares)).count()
    }

    /// Appends the history in the format of [`BucketHistory::read_from`]; `name` returns the number of a name.
    pub(crate) fn write_to(&self, bytes: &mut Vec<u8>, mut name: impl FnMut(&StateName) -> u64) {
        let mut push = |number| varint::push(bytes, number);
        push(self.first.micros().cast_unsigned());
        push(self.until.micros().cast_unsigned());
        push(u64::try_from(self.names.len()).unwrap_or(u64::MAX));
        self.names.iter().for_each(|state| push(name(state)));
        push(u64::try_from(self.packed.len()).unwrap_or(u64::MAX));
        bytes.extend_from_slice(&self.packed);
    }

    /// Reads a history whose buckets have these `boundaries`; names are numbers of `names`. `None` if it is not valid.
    pub(crate) fn read_from(bytes: &mut Bytes<'_>, boundaries: BucketBoundaries, names: &[StateName]) -> Option<Self> {
        let first = Timestamp::from_micros(bytes.varint()?.cast_signed());
        let until = Timestamp::from_micros(bytes.varint()?.cast_signed());
        let count = usize::try_from(bytes.varint()?).ok().filter(|count| *count <= MAX_NAMES)?;
        let mut name = || Some(Arc::clone(names.get(usize::try_from(bytes.varint()?).ok()?)?));
        let names: Box<[StateName]> = (0..count).map(|_| name()).collect::<Option<_>>()?;
        let length = usize::try_from(bytes.varint()?).ok()?;
        let history = Self { first, until, boundaries, names, packed: bytes.take(length)?.into() };
        (boundaries.has(first) && boundaries.has(until) && history.is_valid()).then_some(history)
    }

    /// Whether a [`HistoryBuilder`] could have built it.
    fn is_valid(&self) -> bool {
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

    /// Whether a bucket starts before `time` and ends after it.
    pub(super) fn has_bucket_over(&self, time: Timestamp) -> bool {
        let (mut buckets, mut shares) = (self.read(), Vec::new());
        std::iter::from_fn(|| buckets.next(&mut shares))
            .find(|span| span.end > time)
            .is_some_and(|span| span.start < time)
    }

    /// The names, by the indices in shares.
    pub(super) fn names(&self) -> &[StateName] {
        &self.names
    }

    /// The buckets in order.
    pub(super) fn read(&self) -> Buckets<'_> {
        Buckets { bytes: Bytes(&self.packed), next: self.first, boundaries: self.boundaries }
    }
}

/// Leaves the buckets out.
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
    /// The span of the next bucket, and its states in `shares`, as indices of names. `None` at the end, or if the bytes are
    /// not valid.
    pub(super) fn next(&mut self, shares: &mut Vec<(usize, Micros)>) -> Option<Window> {
        shares.clear();
        let head = self.bytes.varint()?;
        let skipped = if head & 1 == 1 { self.bytes.varint()? } else { 0 };
        let skipped = i64::try_from(skipped.checked_mul(self.boundaries.interval().get())?).ok()?;
        let start = Timestamp::from_micros(self.next.micros().checked_add(skipped)?);
        for _ in 0..head >> 1 {
            let name = usize::from(self.bytes.byte()?);
            let time = self.bytes.varint()?;
            let micros = if time & 1 == 1 { time >> 1 } else { (time >> 1).checked_mul(MICROS)? };
            shares.push((name, Micros::new(micros)));
        }
        self.next = self.boundaries.next(start);
        Some(Window { start, end: self.next })
    }
}

// === impl HistoryBuilder ===

impl HistoryBuilder {
    /// A builder for buckets with these boundaries.
    pub(super) const fn new(boundaries: BucketBoundaries) -> Self {
        let next = Timestamp::from_micros(0);
        Self { boundaries, first: None, next, buckets: 0, names: Vec::new(), bytes: Vec::new(), failed: false }
    }

    /// Adds a bucket that starts at `start`, a boundary at or after the end of the previous bucket.
    pub(super) fn push(&mut self, start: Timestamp, shares: &[Share]) {
        let first = self.first.is_none();
        let skipped =
            if first { 0 } else { start.saturating_since(self.next).get() / self.boundaries.interval().get().max(1) };
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
            // No bucket is that long.
            self.failed |= micros > u64::MAX >> 1;
            let time = if micros % MICROS == 0 { (micros / MICROS) << 1 } else { (micros << 1) | 1 };
            varint::push(&mut self.bytes, time);
        }
        self.buckets += 1;
        self.next = self.boundaries.next(start);
    }

    /// The history of the buckets since the last call, complete up to `until`; `None` if it cannot be kept. `names` are the
    /// names by [`StateIndex`].
    pub(super) fn finish(&mut self, until: Timestamp, names: &[StateName]) -> Option<BucketHistory> {
        let Self { boundaries, first, buckets, names: used, bytes, failed, .. } = self;
        let fits = !*failed && used.len() <= MAX_NAMES && bytes.len() <= *buckets * MAX_BYTES_PER_BUCKET;
        let used: Option<Box<[StateName]>> = used.iter().map(|state| names.get(state.0).map(Arc::clone)).collect();
        let history = used.filter(|_| fits).map(|names| BucketHistory {
            first: first.unwrap_or(until),
            until,
            boundaries: *boundaries,
            names,
            packed: bytes.as_slice().into(),
        });
        self.clear();
        history
    }

    /// Drops the buckets since the last history.
    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.bytes.clear();
        (self.first, self.buckets, self.failed) = (None, 0, false);
    }
}
