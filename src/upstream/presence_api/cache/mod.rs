//! What incremental refreshes know of earlier ones, and what they ask for because of it. Pure.
//!
//! Per agent there is a [`BucketHistory`]: the buckets that were over, and settled, when they were read. A refresh asks for what
//! comes after it and, now and then and after any doubt, for everything:
//!
//! - An agent who was not answered keeps the history of before, so the next request reaches back as far as it must.
//! - An agent without a history, with one that has left the window, or who is due again after `full_refresh_interval`, is
//!   asked for in full, and so are all agents after the clock was set back. Agents are due in groups of about a batch, spread
//!   over the interval, so that no refresh has to read everything but the first.
//! - Where buckets do not lie on a boundaries, or repeat with other contents, the agent has no history.
//! - A bucket that begins before what was asked for puts everything in doubt: its batch is read in full at once, and so
//!   are all for `full_refresh_interval`, as a server that does so may do so each time.

pub(super) use self::file::{CacheFile, question};

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

/// After how many refreshes in a row that could keep nothing of anybody this is told.
const TELL_AFTER: u32 = 3;

/// What is known of earlier refreshes.
#[derive(Debug)]
pub(super) struct BucketCache {
    settings: Incremental,
    boundaries: BucketBoundaries,
    known: HashMap<AgentId, CachedAgent>,
    /// When something was first kept; agents are due again as many intervals later.
    since: Option<Timestamp>,
    /// How many groups the agents are due in.
    groups: u32,
    /// Until then the server is not trusted to answer tails, and asked for all.
    distrusted_until: Option<Timestamp>,
    /// Whether the server cuts buckets at the end of what is asked for, once that has been seen.
    cuts: bool,
    /// Whether it does so at the beginning as well, as far as is known.
    heads_fit: bool,
    /// How many refreshes in a row kept nothing.
    in_vain: u32,
}

/// What is known of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CachedAgent {
    history: Arc<BucketHistory>,
    /// The end of the window that was last read in full.
    full_at: Timestamp,
    /// The end of the window that was last read.
    read_at: Timestamp,
}

/// Agents that are asked for together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) agents: Vec<WatchedAgent>,
    /// What is known of each; empty where nothing is kept.
    pub(super) histories: Vec<Option<Arc<BucketHistory>>>,
    /// What is asked for, where buckets are kept; else the window.
    pub(super) query: Option<BucketQuery>,
}

// === impl Batch ===

impl Batch {
    /// Agents whose whole window is asked for, of which nothing is kept.
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
            cuts: false,
            heads_fit: true,
            in_vain: 0,
        }
    }

    /// Lets `agents` be due in groups of about `size`.
    pub(super) fn spread(&mut self, agents: usize, size: usize) {
        self.groups = u32::try_from(agents.div_ceil(size.max(1))).unwrap_or(u32::MAX).max(1);
    }

    /// The agents in batches of up to `size`, each with what to ask for so that all is known of `window`. Those for which
    /// `is_last` holds come last; within them, those that are asked for in full come after the others, so that a first read
    /// that takes longer than a refresh may goes on in the next one, and no agent's data grows old meanwhile.
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
        // Stable, so that agents stay in the order that the report's reader expects.
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

    /// The same agents, asked for in full.
    pub(super) fn in_full(&self, batch: &Batch, window: Window) -> Batch {
        let range = Window { start: self.boundaries.floor(window.start), end: window.end };
        let (agents, histories) = (batch.agents.clone(), batch.agents.iter().map(|_| None).collect());
        Batch { agents, histories, query: Some(BucketQuery { boundaries: self.boundaries, range }) }
    }

    /// What is known of an agent, as far as it spares asking for `window` in full.
    fn usable(&self, agent: &AgentId, window: Window) -> Option<Arc<BucketHistory>> {
        if self.distrusted_until.is_some_and(|until| window.end < until) {
            return None;
        }
        let CachedAgent { history, full_at, read_at } = self.known.get(agent)?;
        let is_right = *read_at <= window.end
            && *full_at <= window.end
            && *full_at >= self.due(agent, window.end)
            && self.boundaries.has(history.until())
            && history.until() > self.boundaries.floor(window.start);
        is_right.then(|| Arc::clone(history))
    }

    /// When an agent was last due to be read in full, at `now`.
    fn due(&self, agent: &AgentId, now: Timestamp) -> Timestamp {
        let interval = self.settings.full_refresh_interval;
        // Whose turn it is must not change from run to run, or from agent to agent as others come and go.
        let mut hasher = fnv::FnvHasher::default();
        std::hash::Hasher::write(&mut hasher, agent.as_bytes());
        let hash = std::hash::Hasher::finish(&hasher);
        let group = u32::try_from(hash % u64::from(self.groups)).unwrap_or_default();
        let since = self.since.unwrap_or(now) + interval * group / self.groups;
        BucketBoundaries::new(interval).through(since).floor(now)
    }

    /// Up to which moment buckets are over and settled for a request at the end of `window` a server whose clock is
    /// `behind` ours: a bucket is over when it is over there.
    pub(super) fn settled(&self, query: BucketQuery, window: Window, behind: Duration) -> Timestamp {
        query.boundaries.floor(window.end.saturating_sub(behind).saturating_sub(self.settings.settle))
    }

    /// What to ask for beside `asked`, of a server that cuts buckets at the edges of what is asked for: the part of the
    /// window's first bucket that is inside. `cuts` is what its answer told of that.
    pub(super) fn head(&self, query: BucketQuery, window: Window, cuts: Option<bool>) -> Option<Window> {
        let end = query.boundaries.ceil(window.start);
        let needed =
            self.heads_fit && cuts.unwrap_or(self.cuts) && !query.boundaries.has(window.start) && end < window.end;
        needed.then_some(Window { start: window.start, end })
    }

    /// Keeps what was read of a batch at the end of `window`.
    pub(super) fn keep(&mut self, batch: &Batch, window: Window, outcome: &mut IncrementalOutcome) {
        let Some(query) = batch.query else { return };
        self.since.get_or_insert(window.end);
        let in_full = query.range.start <= query.boundaries.floor(window.start);
        for (agent, history) in batch.agents.iter().zip(outcome.histories.drain(..)) {
            let before = self.known.remove(&agent.id);
            let full_at = if in_full { Some(window.end) } else { before.map(|known| known.full_at) };
            if let (Some(history), Some(full_at)) = (history, full_at) {
                let known = CachedAgent { history: Arc::new(history), full_at, read_at: window.end };
                self.known.insert(Arc::clone(&agent.id), known);
            }
        }
        self.boundaries = outcome.boundaries.unwrap_or(self.boundaries);
        self.cuts = outcome.cuts.unwrap_or(self.cuts);
        self.heads_fit &= outcome.head_fits != Some(false);
    }

    /// Trusts the server no more, for a while from `now` on. Whether it was trusted.
    pub(super) fn distrust(&mut self, now: Timestamp) -> bool {
        let was_trusted = self.distrusted_until.is_none_or(|until| until <= now);
        self.distrusted_until = Some(now + self.settings.full_refresh_interval);
        was_trusted
    }

    /// Forgets what has left `window`, at the end of a refresh, with or without data. Whether it is time to tell
    /// that nothing can be kept.
    pub(super) fn refreshed(&mut self, window: Window, brought_data: bool) -> bool {
        self.known.retain(|_, known| known.history.until() > window.start);
        match (brought_data, self.known.is_empty()) {
            (false, _) => false,
            (true, false) => {
                self.in_vain = 0;
                false
            }
            (true, true) => {
                self.in_vain = self.in_vain.saturating_add(1);
                self.in_vain == TELL_AFTER
            }
        }
    }

    /// What a later process can take up.
    pub(super) fn file(&self) -> CacheFile {
        let Self { boundaries, ref known, since, cuts, heads_fit, .. } = *self;
        let known = known.iter().map(|(agent, known)| (Arc::clone(agent), known.clone())).collect();
        CacheFile { boundaries, since, cuts, heads_fit, known }
    }

    /// Takes up what an earlier process knew.
    pub(super) fn take_up(&mut self, file: CacheFile) {
        let CacheFile { boundaries, since, cuts, heads_fit, known } = file;
        (self.boundaries, self.since, self.cuts, self.heads_fit) = (boundaries, since, cuts, heads_fit);
        self.known = known.into_iter().collect();
    }

    /// Forgets agents that are not `wanted` any more.
    pub(super) fn retain(&mut self, wanted: impl Fn(&AgentId) -> bool) {
        self.known.retain(|agent, _| wanted(agent));
    }
}
