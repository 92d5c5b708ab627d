//! Buckets as they came, packed: two growing lists for a whole tally, and no allocation per bucket.

use std::ops::Range;

use crate::presence::state_names::StateIndex;
use crate::presence::{Micros, Window};

/// How many buckets most agents have: a day in hours, and the parts of hours at both ends.
const USUAL_BUCKETS: usize = 25;

/// How many shares most buckets have.
const USUAL_SHARES: usize = 4;

/// The most buckets that there is room for before they come: 4.5 MB, for 1,600 agents, which is many times the usual batch.
/// Whoever asks for more pays for the growing.
const MAX_ROOM: usize = 40_000;

/// Time in one state of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) state: StateIndex,
    pub(super) time: Micros,
}

/// Every admitted bucket of a tally with its shares, and the shares of the bucket that is to come.
#[derive(Debug)]
pub(super) struct BucketStore {
    shares: Vec<Share>,
    buckets: Vec<Bucket>,
    /// Per agent, one past its latest bucket in `buckets`; 0 if it has none.
    latest: Vec<usize>,
    /// Where the shares of the bucket that is to come begin.
    open: usize,
}

#[derive(Debug)]
struct Bucket {
    span: Window,
    agent: usize,
    /// one past the agent's bucket before this one; 0 if there is none.
    previous: usize,
    /// Its shares end where those of the next bucket begin.
    first_share: usize,
}

/// A bucket of one agent, as it lies in the store.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) span: Window,
    pub(super) shares: Range<usize>,
}

// === impl BucketStore ===

impl BucketStore {
    /// Has room at once for what is usual, as growing step by step copies everything twice.
    pub(super) fn new(agents: usize) -> Self {
        let buckets = agents.saturating_mul(USUAL_BUCKETS).min(MAX_ROOM);
        let shares = Vec::with_capacity(buckets * USUAL_SHARES);
        Self { shares, buckets: Vec::with_capacity(buckets), latest: vec![0; agents], open: 0 }
    }

    /// How many buckets there are.
    pub(super) const fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Where the shares of the bucket that is to come begin; those of earlier ones are before.
    #[inline]
    pub(super) const fn open(&self) -> usize {
        self.open
    }

    /// Adds a share to the bucket that is to come.
    #[inline]
    pub(super) fn push(&mut self, share: Share) {
        self.shares.push(share);
    }

    /// The shares of the bucket that is to come.
    #[inline]
    pub(super) fn open_shares(&mut self) -> &mut [Share] {
        self.shares.get_mut(self.open..).unwrap_or_default()
    }

    /// Forgets the shares of the bucket that is to come.
    #[inline]
    pub(super) fn discard_open(&mut self) {
        self.shares.truncate(self.open);
    }

    /// Makes the open shares a bucket of the agent at `agent`.
    #[inline]
    pub(super) fn close(&mut self, agent: usize, span: Window) {
        let Some(latest) = self.latest.get_mut(agent) else {
            return self.discard_open();
        };
        self.buckets.push(Bucket { span, agent, previous: *latest, first_share: self.open });
        *latest = self.buckets.len();
        self.open = self.shares.len();
    }

    /// Forgets every bucket but the first `len`, and the shares of the one that was to come.
    pub(super) fn truncate(&mut self, len: usize) {
        while self.buckets.len() > len
            && let Some(bucket) = self.buckets.pop()
        {
            self.open = bucket.first_share;
            if let Some(latest) = self.latest.get_mut(bucket.agent) {
                *latest = bucket.previous;
            }
        }
        self.discard_open();
    }

    /// The buckets of the agent at `agent`, the latest to come first.
    pub(super) fn entries_of(&self, agent: usize) -> impl Iterator<Item = Entry> + '_ {
        self.places_of(agent).map(|(_, entry)| entry)
    }

    fn places_of(&self, agent: usize) -> impl Iterator<Item = (usize, Entry)> + '_ {
        let mut next = self.latest.get(agent).copied().unwrap_or_default();
        std::iter::from_fn(move || {
            let place = next.checked_sub(1)?;
            let bucket = self.buckets.get(place)?;
            let end = self.buckets.get(next).map_or(self.open, |following| following.first_share);
            next = bucket.previous;
            Some((place, Entry { span: bucket.span, shares: bucket.first_share..end }))
        })
    }

    /// Forgets the buckets of the agent at `agent` that `unwanted` picks. Nothing can be truncated after that.
    pub(super) fn forget(&mut self, agent: usize, unwanted: impl Fn(&Entry) -> bool) {
        let entries: Vec<(usize, Entry)> = self.places_of(agent).collect();
        let mut after: Option<usize> = None;
        for (place, entry) in entries {
            if !unwanted(&entry) {
                after = Some(place);
                continue;
            }
            let previous = self.buckets.get(place).map_or(0, |bucket| bucket.previous);
            let link = match after {
                Some(after) => self.buckets.get_mut(after).map(|bucket| &mut bucket.previous),
                None => self.latest.get_mut(agent),
            };
            if let Some(link) = link {
                *link = previous;
            }
        }
    }

    /// The shares of a bucket.
    #[inline]
    pub(super) fn shares(&self, entry: &Entry) -> &[Share] {
        self.shares.get(entry.shares.clone()).unwrap_or_default()
    }

    /// The shares of a bucket, to be scaled.
    pub(super) fn shares_mut(&mut self, entry: &Entry) -> &mut [Share] {
        self.shares.get_mut(entry.shares.clone()).unwrap_or_default()
    }
}

/// Multiplies every share by `part / whole`, rounded down, so that what added up to at most `whole` adds up to
/// at most `part`.
pub(super) fn scale(shares: &mut [Share], part: Micros, whole: u128) {
    for share in shares {
        share.time = share.time.prorated(part, whole);
    }
}
