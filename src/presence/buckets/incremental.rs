//! Merges fresh buckets with the histories of earlier refreshes, before a tally sums them.
//!
//! A history has buckets as they were reported, so the sums do not depend on which refresh read a bucket. Rejections of
//! buckets from a history were counted when these buckets were read.

use std::sync::Arc;

use super::boundaries::BucketBoundaries;
use super::history::{BucketHistory, HistoryBuilder};
use super::store::{Bucket, Share, by_agent};
use super::tally::{Tally, TallyOutcome};
use crate::presence::state_names::StateIndex;
use crate::presence::{Micros, Timestamp, Window};

/// The buckets that a refresh requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketQuery {
    /// The expected boundaries of buckets.
    pub boundaries: BucketBoundaries,
    /// The requested range. It starts at a boundary, within the window or one bucket before it.
    pub range: Window,
}

/// The result of [`IncrementalTally::finish`].
#[derive(Debug)]
pub struct IncrementalOutcome {
    /// The sums.
    pub tally: TallyOutcome,
    /// The new history of each agent; `None` if its buckets cannot be kept and the next refresh has to request all of them.
    pub histories: Vec<Option<BucketHistory>>,
    /// Whether a bucket starts before the requested range. Old buckets may have changed, so the sums are not reliable.
    pub inconsistent: bool,
    /// The boundaries of the reported buckets, if they differ from the expected ones for all agents.
    pub boundaries: Option<BucketBoundaries>,
    /// Whether the server cuts buckets at the start of the requested range; `None` if that is not visible.
    pub cuts: Option<bool>,
}

/// A tally of fresh buckets and of the histories that they continue.
#[derive(Debug)]
pub struct IncrementalTally {
    fresh: Tally,
    query: BucketQuery,
    /// The number of buckets before those of the head, and the range of the head.
    head: Option<(usize, Window)>,
}

/// Properties of one agent's merged buckets.
#[derive(Debug, Default)]
struct Regularity {
    /// Whether a bucket reaches from one expected boundary to the next.
    on_boundary: bool,
    /// The buckets cannot be kept.
    irregular: bool,
    /// The start of a bucket that has the expected length and other boundaries.
    off_boundary: Option<Timestamp>,
}

// === impl IncrementalTally ===

impl IncrementalTally {
    /// A tally whose buckets of `query.range` go into `fresh`.
    pub const fn new(fresh: Tally, query: BucketQuery) -> Self {
        Self { fresh, query, head: None }
    }

    /// Whether a bucket, fresh or from `histories`, is partly before the window, so that its time in the window is not exact.
    pub fn has_partial_bucket(&self, histories: &[Option<Arc<BucketHistory>>]) -> bool {
        let start = self.fresh.window.start;
        let mut fresh = self.fresh.store.buckets().iter();
        fresh.any(|bucket| bucket.span.start < start && start < bucket.span.end)
            || histories.iter().flatten().any(|history| history.has_bucket_over(start))
    }

    /// Starts the head: fresh buckets from now on are those of `head`, the part of the first bucket that is in the window.
    /// An agent's first bucket is replaced by them unless they exceed `head`.
    pub fn begin_head(&mut self, head: Window) {
        self.head = Some((self.fresh.store.buckets().len(), head));
    }

    /// Merges the buckets with the `histories` of the agents, sums them, and builds histories of the buckets that end at or
    /// before `until`, a boundary.
    pub fn finish(self, histories: &[Option<Arc<BucketHistory>>], until: Timestamp) -> IncrementalOutcome {
        let BucketQuery { boundaries, range } = self.query;
        let mut tally = self.fresh;
        let agents = tally.agents();
        let mut fresh = tally.store.take();
        let head = self.head.map(|(first, head)| (head, fresh.split_off(first.min(fresh.len()))));
        let is_tail = range.start > tally.window.start;
        let inconsistent = is_tail && fresh.iter().any(|bucket| bucket.span.start < range.start);

        let mut merged = by_agent(fresh, agents);
        for ((agent, buckets), history) in merged.iter_mut().enumerate().zip(histories) {
            if let Some(history) = history {
                buckets.extend(old_buckets(&mut tally, agent, history, range.start));
            }
        }
        let mut builder = HistoryBuilder::new(boundaries);
        let (mut regular, mut off_boundary) = (false, None);
        let mut new_histories = Vec::with_capacity(agents);
        for buckets in &mut merged {
            buckets.sort_unstable_by_key(|bucket| (bucket.span.start, bucket.span.end));
            let found = build(&mut builder, &tally, buckets, boundaries, until);
            regular |= found.on_boundary && found.off_boundary.is_none();
            off_boundary = off_boundary.or(found.off_boundary);
            let history = if found.irregular { None } else { builder.finish(until, tally.names.as_slice()) };
            builder.clear();
            new_histories.push(history);
        }
        IncrementalOutcome {
            histories: new_histories,
            inconsistent,
            boundaries: off_boundary.filter(|_| !regular).map(|start| boundaries.through(start)),
            cuts: head.and_then(|(head, buckets)| replace_head(&mut merged, head, buckets)),
            tally: tally.sum(merged),
        }
    }
}

/// The tally that fresh buckets go into.
impl AsMut<Tally> for IncrementalTally {
    fn as_mut(&mut self) -> &mut Tally {
        &mut self.fresh
    }
}

/// The buckets of `history` that are in the window and end before the requested range, which starts at `requested`.
fn old_buckets(tally: &mut Tally, agent: usize, history: &BucketHistory, requested: Timestamp) -> Vec<Bucket> {
    let states: Vec<StateIndex> = history.names().iter().map(|name| tally.names.restore(name)).collect();
    let (mut reader, mut shares, mut buckets) = (history.read(), Vec::new(), Vec::new());
    while let Some(span) = reader.next(&mut shares).filter(|span| span.end <= requested) {
        if span.intersection(tally.window).is_some() {
            let share = |&(state, time): &(usize, Micros)| Some(Share { state: *states.get(state)?, time });
            buckets.push(tally.store.detached(agent, span, shares.iter().filter_map(share)));
        }
    }
    buckets
}

/// Adds the sorted buckets of one agent that end at or before `until` to the history.
fn build(
    builder: &mut HistoryBuilder,
    tally: &Tally,
    buckets: &[Bucket],
    boundaries: BucketBoundaries,
    until: Timestamp,
) -> Regularity {
    // Later buckets are requested again in any case, so their regularity does not matter.
    let matters = |start: Timestamp| start < until;
    let mut found = Regularity::default();
    let mut before: Option<&Bucket> = None;
    for bucket in buckets {
        let Window { start, end } = bucket.span;
        if boundaries.is_bucket(bucket.span) {
            // A bucket that the server cut says nothing of the boundaries.
            found.on_boundary = true;
        } else {
            found.irregular |= matters(start);
            if end == boundaries.next(start) {
                found.off_boundary = found.off_boundary.or(Some(start));
            }
        }
        if let Some(before) = before.replace(bucket)
            && before.span.end > start
        {
            // Which of two contradicting buckets counts depends on how much of it is in the window.
            let repeated = before.span == bucket.span && tally.store.shares(before) == tally.store.shares(bucket);
            found.irregular |= !repeated && matters(before.span.start);
            continue;
        }
        if end <= until && !found.irregular {
            builder.push(start, tally.store.shares(bucket));
        }
    }
    found
}

/// Replaces the first bucket of each agent by its buckets of the head, unless one of these exceeds `head`. Returns whether
/// the server cuts buckets at the start of a range: one bad record does not decide that.
fn replace_head(merged: &mut [Vec<Bucket>], head: Window, buckets: Vec<Bucket>) -> Option<bool> {
    let mut cuts = None;
    let heads = by_agent(buckets, merged.len());
    for (buckets, heads) in merged.iter_mut().zip(heads) {
        let cut = heads.iter().all(|bucket| head.start <= bucket.span.start);
        if !heads.is_empty() {
            cuts = Some(cut || cuts == Some(true));
        }
        // With other boundaries than expected, the first bucket may end before the head does or after it.
        let first = buckets.iter().filter(|bucket| bucket.span.start < head.start && bucket.span.end > head.start);
        let first_end = first.map(|bucket| bucket.span.end).max().unwrap_or(head.end);
        if cut && first_end <= head.end && heads.iter().all(|bucket| bucket.span.end <= first_end) {
            buckets.retain(|bucket| bucket.span.start >= head.start);
            buckets.extend(heads);
        }
    }
    cuts
}
