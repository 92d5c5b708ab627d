//! The buckets of earlier refreshes, and the ranges that an incremental refresh requests. Pure.
//!
//! Each agent has a [`BucketHistory`]: the buckets that were complete and settled when they were read. A refresh requests the
//! time after it, and the whole window in these cases:
//!
//! - An agent whose batch failed keeps its history, so the next request reaches back as far as necessary.
//! - An agent without a history, with one that has left the window, or that is due after `full_refresh_interval` is requested
//!   in full, and so are all agents after the clock was set back. Agents are due in groups of about a batch, spread over the
//!   interval, so that only the first refresh reads everything.
//! - An agent whose buckets are not at the boundaries, or repeat with other contents, has no history.
//! - A bucket that starts before the requested range is inconsistent: its batch is read in full at once, and so are all
//!   batches for `full_refresh_interval`, as such a server may repeat it.

pub(super) use self::file::{CacheFile, query_text};

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Incremental;
use crate::presence::{
    AgentId, BucketBoundaries, BucketHistory, BucketQuery, IncrementalOutcome, Timestamp, WatchedAgent, Window,
};

mod file;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// The number of consecutive refreshes that could keep nothing, after which a warning is logged.
const WARN_AFTER: u32 = 3;

/// The kept buckets of earlier refreshes.
#[derive(Debug)]
pub(super) struct BucketCache {
    settings: Incremental,
    boundaries: BucketBoundaries,
    known: HashMap<AgentId, CachedAgent>,
    /// When a history was first kept; full refreshes are due multiples of the interval later.
    since: Option<Timestamp>,
    /// The number of groups in which agents are due.
    groups: u32,
    /// Until then, all requests are for the whole window.
    distrusted_until: Option<Timestamp>,
    /// Whether the server cuts buckets at the start of the requested range, as far as is known.
    cuts: bool,
    /// The number of consecutive refreshes that kept nothing.
    refreshes_without_history: u32,
}

/// The kept buckets of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CachedAgent {
    history: Arc<BucketHistory>,
    /// The end of the last window that was read in full.
    full_at: Timestamp,
    /// The end of the last window that was read.
    read_at: Timestamp,
}

/// Agents that are requested together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) agents: Vec<WatchedAgent>,
    /// The history of each; empty without a cache.
    pub(super) histories: Vec<Option<Arc<BucketHistory>>>,
    /// The requested range; `None` without a cache, then it is the window.
    pub(super) query: Option<BucketQuery>,
}

// === impl Batch ===

impl Batch {
    /// Agents whose whole window is requested, without a cache.
    pub(super) fn plain(agents: &[WatchedAgent]) -> Self {
        Self { agents: agents.to_vec(), histories: Vec::new(), query: None }
    }
}

// === impl BucketCache ===

impl BucketCache {
    pub(super) fn new(settings: Incremental, interval: Duration) -> Self {
        Self {
            settings,
            boundaries: BucketBoundaries::new(interval),
            known: HashMap::new(),
            since: None,
            groups: 1,
            distrusted_until: None,
            cuts: true,
            refreshes_without_history: 0,
        }
    }

    /// Makes `agents` due in groups of about `size`.
    pub(super) fn spread(&mut self, agents: usize, size: usize) {
        self.groups = u32::try_from(agents.div_ceil(size.max(1))).unwrap_or(u32::MAX).max(1);
    }

    /// The agents in batches of up to `size`, each with the range to request for `window`. Agents for which `is_last` holds
    /// come last. Within both groups, agents that are requested in full come after the others, so that a first read that takes
    /// longer than one refresh continues in the next without delaying the others.
    pub(super) fn plan(
        &self,
        window: Window,
        agents: Vec<WatchedAgent>,
        size: usize,
        is_last: impl Fn(&WatchedAgent) -> bool,
    ) -> Vec<Batch> {
        let all = self.boundaries.floor(window.start);
        let mut planned: Vec<_> = agents
            .into_iter()
            .map(|agent| {
                let history = self.usable(&agent.id, window);
                let from = history.as_ref().map_or(all, |history| history.until());
                (is_last(&agent), from, agent, history)
            })
            .collect();
        // Stable, so that agents keep their order.
        planned.sort_by_key(|(last, from, ..)| (*last, *from == all, *from));
        let alike = planned.chunk_by(|(last, from, ..), (next_last, next_from, ..)| {
            last == next_last && (*from == all) == (*next_from == all)
        });
        let batch = |chunk: &[(bool, Timestamp, WatchedAgent, Option<Arc<BucketHistory>>)]| {
            let start = chunk.first().map_or(all, |(_, from, ..)| *from);
            let range = Window { start, end: window.end };
            let (agents, histories) = chunk.iter().map(|(.., agent, history)| (agent.clone(), history.clone())).unzip();
            Batch { agents, histories, query: Some(BucketQuery { boundaries: self.boundaries, range }) }
        };
        alike.flat_map(|alike| alike.chunks(size.max(1))).map(batch).collect()
    }

    /// The same agents, requested in full.
    pub(super) fn in_full(&self, batch: &Batch, window: Window) -> Batch {
        let range = Window { start: self.boundaries.floor(window.start), end: window.end };
        let (agents, histories) = (batch.agents.clone(), batch.agents.iter().map(|_| None).collect());
        Batch { agents, histories, query: Some(BucketQuery { boundaries: self.boundaries, range }) }
    }

    /// The history of an agent, if `window` need not be requested in full.
    fn usable(&self, agent: &AgentId, window: Window) -> Option<Arc<BucketHistory>> {
        if self.distrusted_until.is_some_and(|until| window.end < until) {
            return None;
        }
        let CachedAgent { history, full_at, read_at } = self.known.get(agent)?;
        let is_usable = *read_at <= window.end
            && *full_at <= window.end
            && *full_at >= self.due(agent, window.end)
            && self.boundaries.has(history.until())
            && history.until() > self.boundaries.floor(window.start);
        is_usable.then(|| Arc::clone(history))
    }

    /// When the agent was last due to be read in full, as of `now`.
    fn due(&self, agent: &AgentId, now: Timestamp) -> Timestamp {
        let interval = self.settings.full_refresh_interval;
        // The group must not depend on the process or on other agents.
        let mut hasher = fnv::FnvHasher::default();
        std::hash::Hasher::write(&mut hasher, agent.as_bytes());
        let hash = std::hash::Hasher::finish(&hasher);
        let group = u32::try_from(hash % u64::from(self.groups)).unwrap_or_default();
        let since = self.since.unwrap_or(now) + interval * group / self.groups;
        BucketBoundaries::new(interval).through(since).floor(now)
    }

    /// The time up to which buckets are complete and settled, for a request at the end of `window`. Buckets are complete by the
    /// server's clock, which is `behind` ours.
    pub(super) fn settled(&self, query: BucketQuery, window: Window, behind: Duration) -> Timestamp {
        query.boundaries.floor(window.end.saturating_sub(behind).saturating_sub(self.settings.settle))
    }

    /// The range to request in addition from a server that may cut buckets at the start of the requested range: the part of
    /// the window's first bucket that is in the window.
    pub(super) fn head(&self, query: BucketQuery, window: Window) -> Option<Window> {
        let end = query.boundaries.ceil(window.start);
        let needed = self.cuts && !query.boundaries.has(window.start) && end < window.end;
        needed.then_some(Window { start: window.start, end })
    }

    /// The batch to request again in full, with the boundaries of `outcome`: if the server cuts buckets and has other
    /// boundaries than expected, the head does not end where the first bucket does.
    pub(super) fn with_found_boundaries(
        &mut self,
        batch: &Batch,
        window: Window,
        outcome: &IncrementalOutcome,
    ) -> Option<Batch> {
        self.boundaries = outcome.boundaries.filter(|_| self.cuts && outcome.cuts != Some(false))?;
        Some(self.in_full(batch, window))
    }

    /// Keeps the histories of a batch that was read for `window`. Those of agents that are `unread` stay as they were, so that
    /// the same range is requested again.
    pub(super) fn keep(&mut self, batch: &Batch, window: Window, outcome: &mut IncrementalOutcome, unread: &[bool]) {
        let Some(query) = batch.query else { return };
        self.since.get_or_insert(window.end);
        let in_full = query.range.start <= query.boundaries.floor(window.start);
        for ((agent, history), _) in
            batch.agents.iter().zip(outcome.histories.drain(..)).zip(unread).filter(|(_, unread)| !**unread)
        {
            let before = self.known.remove(&agent.id);
            let full_at = if in_full { Some(window.end) } else { before.map(|known| known.full_at) };
            if let (Some(history), Some(full_at)) = (history, full_at) {
                let known = CachedAgent { history: Arc::new(history), full_at, read_at: window.end };
                self.known.insert(Arc::clone(&agent.id), known);
            }
        }
        self.boundaries = outcome.boundaries.unwrap_or(self.boundaries);
        self.cuts &= outcome.cuts != Some(false);
    }

    /// Requests only whole windows for a `full_refresh_interval`. Returns whether this was not so before.
    pub(super) fn distrust(&mut self, now: Timestamp) -> bool {
        let was_trusted = self.distrusted_until.is_none_or(|until| until <= now);
        self.distrusted_until = Some(now + self.settings.full_refresh_interval);
        was_trusted
    }

    /// Drops histories that have left `window`, at the end of a refresh. Returns whether to warn that nothing can be kept.
    pub(super) fn refreshed(&mut self, window: Window, brought_data: bool) -> bool {
        self.known.retain(|_, known| known.history.until() > window.start);
        match (brought_data, self.known.is_empty()) {
            (false, _) => false,
            (true, false) => {
                self.refreshes_without_history = 0;
                false
            }
            (true, true) => {
                self.refreshes_without_history = self.refreshes_without_history.saturating_add(1);
                self.refreshes_without_history == WARN_AFTER
            }
        }
    }

    /// The content for a later process.
    pub(super) fn file(&self) -> CacheFile {
        let Self { boundaries, ref known, since, cuts, .. } = *self;
        // Histories with earlier boundaries are of no use.
        let known = known.iter().filter(|(_, known)| known.history.boundaries() == boundaries);
        let known = known.map(|(agent, known)| (Arc::clone(agent), known.clone())).collect();
        CacheFile { boundaries, since, cuts, known }
    }

    /// Restores the content of an earlier process.
    pub(super) fn restore(&mut self, file: CacheFile) {
        let CacheFile { boundaries, since, cuts, known } = file;
        (self.boundaries, self.since, self.cuts) = (boundaries, since, cuts);
        self.known = known.into_iter().collect();
    }

    /// Drops agents that are not `wanted`.
    pub(super) fn retain(&mut self, wanted: impl Fn(&AgentId) -> bool) {
        self.known.retain(|agent, _| wanted(agent));
    }
}
