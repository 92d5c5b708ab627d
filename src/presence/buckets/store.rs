//! Stores the reported buckets of a batch of agents in arrival order, without an allocation per bucket.

use std::ops::Range;

use crate::presence::state_names::{StateIndex, StateNames};
use crate::presence::{Micros, Window};

/// The limit of states in one bucket: a tenant has some twenty. The time of states after them counts as
/// [`OTHER_STATE`](crate::presence::OTHER_STATE).
const MAX_STATES_PER_BUCKET: usize = 1_024;

/// Time in one state of one bucket. A bucket has one share per state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) state: StateIndex,
    pub(super) time: Micros,
}

/// The buckets of a batch, and the shares of the bucket that is being read.
#[derive(Debug, Default)]
pub(super) struct BucketStore {
    shares: Vec<Share>,
    buckets: Vec<Bucket>,
    /// The first share of the bucket that is being read.
    open: usize,
}

/// A reported bucket of one agent.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    /// The index of the agent in the batch.
    pub(super) agent: usize,
    pub(super) span: Window,
    pub(super) shares: Range<usize>,
}

// === impl BucketStore ===

impl BucketStore {
    /// The buckets in arrival order.
    pub(super) fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Adds time in a state to the bucket that is being read. A state that comes again is summed before anything is rounded.
    #[inline]
    pub(super) fn push(&mut self, share: Share) {
        let open = self.shares.get_mut(self.open..).unwrap_or_default();
        let is_full = open.len() >= MAX_STATES_PER_BUCKET;
        if let Some(known) = open.iter_mut().find(|known| known.state == share.state) {
            known.time += share.time;
        } else if is_full {
            self.push_other(share.time);
        } else {
            self.shares.push(share);
        }
    }

    /// Adds time in a state beyond the limit.
    #[cold]
    fn push_other(&mut self, time: Micros) {
        let open = self.shares.get_mut(self.open..).unwrap_or_default();
        match open.iter_mut().find(|known| known.state == StateNames::OTHER) {
            Some(other) => other.time += time,
            None => self.shares.push(Share { state: StateNames::OTHER, time }),
        }
    }

    /// The shares of the bucket that is being read.
    #[inline]
    pub(super) fn open_shares(&self) -> &[Share] {
        self.shares.get(self.open..).unwrap_or_default()
    }

    /// Drops the shares of the bucket that is being read.
    #[inline]
    pub(super) fn discard_open(&mut self) {
        self.shares.truncate(self.open);
    }

    /// Ends the bucket that is being read.
    #[inline]
    pub(super) fn close(&mut self, agent: usize, span: Window) {
        let shares = self.open..self.shares.len();
        self.open = shares.end;
        self.buckets.push(Bucket { agent, span, shares });
    }

    /// Drops every bucket but the first `len`, and the shares of the bucket that is being read.
    pub(super) fn truncate(&mut self, len: usize) {
        self.buckets.truncate(len);
        self.open = self.buckets.last().map_or(0, |bucket| bucket.shares.end);
        self.discard_open();
    }

    /// Moves the buckets out, in arrival order. Their shares stay.
    pub(super) fn take(&mut self) -> Vec<Bucket> {
        self.discard_open();
        std::mem::take(&mut self.buckets)
    }

    /// Makes a bucket that is not one of [`BucketStore::buckets`].
    pub(super) fn detached(&mut self, agent: usize, span: Window, shares: impl Iterator<Item = Share>) -> Bucket {
        shares.for_each(|share| self.push(share));
        let shares = self.open..self.shares.len();
        self.open = shares.end;
        Bucket { agent, span, shares }
    }

    /// The shares of a bucket.
    #[inline]
    pub(super) fn shares(&self, bucket: &Bucket) -> &[Share] {
        self.shares.get(bucket.shares.clone()).unwrap_or_default()
    }

    /// The shares of a bucket, to scale them.
    pub(super) fn shares_mut(&mut self, bucket: &Bucket) -> &mut [Share] {
        self.shares.get_mut(bucket.shares.clone()).unwrap_or_default()
    }
}

/// The buckets of each agent, in arrival order.
pub(super) fn by_agent(buckets: Vec<Bucket>, agents: usize) -> Vec<Vec<Bucket>> {
    let mut by_agent = vec![Vec::new(); agents];
    for bucket in buckets {
        if let Some(buckets) = by_agent.get_mut(bucket.agent) {
            buckets.push(bucket);
        }
    }
    by_agent
}

/// The total time of `shares`.
pub(super) fn total(shares: &[Share]) -> u128 {
    shares.iter().map(|share| u128::from(share.time)).sum()
}

/// Multiplies every share by `part / whole`, rounded down: shares with a sum of at most `whole` get a sum of at most
/// `part`.
pub(super) fn scale(shares: &mut [Share], part: Micros, whole: u128) {
    for share in shares {
        share.time = share.time.prorated(part, whole);
    }
}
