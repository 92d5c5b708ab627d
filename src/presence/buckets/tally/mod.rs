//! Sums buckets to the time per agent and state, never more than the window.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::agent_index::{AgentIndex, AgentIndexMap};
use super::store::{Bucket, BucketStore, Share, by_agent, total};
use super::sum::PresenceSummer;
use crate::presence::state_limits::limit_states;
use crate::presence::state_names::{StateIndex, StateNames, UNKNOWN_STATE};
use crate::presence::{
    AgentPresence, Micros, PartLength, Rejection, Rejections, StateName, Timestamp, WatchedAgent, Window,
};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// Sums the buckets of one batch of agents.
///
/// The sums do not depend on the order or repetition of buckets or on paging, and an agent's states never sum to more than
/// the window. Only [`TallyOutcome::rejections`] count repetitions.
///
/// A source resolves agents and states by name as it reads them, so the fields of a record may come in any order:
///
/// ```
/// use cxone_exporter::presence::{Micros, Tally, Timestamp, WatchedAgent, Window};
///
/// let window = Window { start: Timestamp::from_seconds(0), end: Timestamp::from_seconds(86_400) };
/// let agents = vec![WatchedAgent { id: "4711".into(), schedule: None }];
/// let mut tally = Tally::new(window, agents, ["Offline".into()].into(), &[]);
///
/// let page = tally.checkpoint();
/// let state = tally.state_named("Available");
/// tally.state(Some(state), Ok(Micros::from_seconds(1800)));
/// let agent = tally.agent("4711");
/// tally.bucket(agent, Some(Timestamp::from_seconds(0)), Some(Timestamp::from_seconds(3600)));
/// // A page that is cut leaves no trace:
/// if false {
///     tally.roll_back(page);
/// }
///
/// let outcome = tally.finish();
/// let presence = outcome.agents[0].as_ref().unwrap();
/// assert_eq!(presence.states, [("Available".into(), Micros::from_seconds(1800))]);
/// ```
#[derive(Debug)]
pub struct Tally {
    pub(super) window: Window,
    /// The time of buckets that reach beyond the window is that up to here.
    happened_until: Timestamp,
    part_length: PartLength,
    agents: AgentIndexMap,
    pub(super) names: StateNames,
    /// States with a series for each agent.
    declared: Vec<StateName>,
    /// The number of names that are kept before others.
    known_names: usize,
    offline_states: Arc<[StateName]>,
    pub(super) store: BucketStore,
    rejections: Rejections,
    /// The limit of stored buckets.
    max_buckets: usize,
}

/// A state of a tally between two buckets, to roll back to.
#[derive(Debug, Clone, Copy)]
pub struct Checkpoint {
    buckets: usize,
    names: usize,
    rejections: Rejections,
}

/// The sums of a tally.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TallyOutcome {
    /// By agent, in the requested order; `None` without data.
    pub agents: Vec<Option<AgentPresence>>,
    /// The rejected parts of the input.
    pub rejections: Rejections,
}

// === impl Tally ===

impl Tally {
    /// A tally of `agents` within `window`.
    ///
    /// Scheduled offline time is the scheduled time in `offline_states`. Each agent has a series for each of
    /// `declared_states`. Both are the last to be summed into [`OTHER_STATE`](crate::presence::OTHER_STATE).
    pub fn new(
        window: Window,
        agents: Vec<WatchedAgent>,
        offline_states: Arc<[StateName]>,
        declared_states: &[StateName],
    ) -> Self {
        let store = BucketStore::default();
        let mut names = StateNames::new(declared_states);
        for name in offline_states.iter() {
            names.restore(name);
        }
        let known_names = names.len();
        let rejections = Rejections::default();
        let agents = AgentIndexMap::new(agents);
        Self {
            window,
            happened_until: window.end,
            part_length: PartLength::Quarter,
            agents,
            names,
            declared: declared_states.to_vec(),
            known_names,
            offline_states,
            store,
            rejections,
            max_buckets: usize::MAX,
        }
    }

    /// Renames states by `map`. Several may get one name.
    #[must_use]
    pub fn renaming(mut self, map: Arc<BTreeMap<StateName, StateName>>) -> Self {
        self.names.rename(map);
        self
    }

    /// Sums by slots of the length `slot`. A bucket that reaches beyond the window has the time of all of it, or up to `now`,
    /// when it was read.
    #[must_use]
    pub fn in_slots(mut self, slot: Duration, now: Timestamp) -> Self {
        self.part_length = PartLength::Slot(slot);
        self.happened_until = now.max(self.window.end);
        self
    }

    /// Limits the stored buckets to `max_buckets`. Further buckets are rejected.
    #[must_use]
    pub const fn with_max_buckets(mut self, max_buckets: usize) -> Self {
        self.max_buckets = max_buckets;
        self
    }

    /// Whether there is no room for further buckets.
    pub fn is_full(&self) -> bool {
        self.store.buckets().len() >= self.max_buckets
    }

    /// The last bucket of each agent that has time in a state, by the order of the agents.
    pub fn last_buckets(&self) -> Vec<Option<Window>> {
        let mut last: Vec<Option<Window>> = vec![None; self.agents()];
        for bucket in self.store.buckets().iter().filter(|bucket| total(self.store.shares(bucket)) > 0) {
            if let Some(last) = last.get_mut(bucket.agent)
                && last.is_none_or(|last| last.end < bucket.span.end)
            {
                *last = Some(bucket.span);
            }
        }
        last
    }

    /// The current state, between two buckets.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { buckets: self.store.buckets().len(), names: self.names.len(), rejections: self.rejections }
    }

    /// Drops everything since `to`, including a bucket that is not complete.
    pub fn roll_back(&mut self, to: Checkpoint) {
        self.store.truncate(to.buckets);
        self.names.truncate(to.names);
        self.rejections = to.rejections;
    }

    /// The agent with this id; `None` if it was not requested.
    #[inline]
    pub fn agent(&mut self, id: &str) -> Option<AgentIndex> {
        self.agents.find(id)
    }

    /// The state with this name.
    #[inline]
    pub fn state_named(&mut self, name: &str) -> StateIndex {
        self.names.index(name)
    }

    /// Adds time in a state to the next bucket, or counts why it is rejected. A state without a name, or with an empty one, is
    /// [`UNKNOWN_STATE`].
    #[inline]
    pub fn state(&mut self, state: Option<StateIndex>, time: Result<Micros, Rejection>) {
        match time {
            Ok(time) => {
                let state = state.unwrap_or_else(|| self.names.index(UNKNOWN_STATE));
                self.store.push(Share { state, time });
            }
            Err(reason) => self.rejections.add(reason),
        }
    }

    /// Rejects the bucket whose states were added since the previous one.
    pub fn reject(&mut self, reason: Rejection) {
        self.rejections.add(reason);
        self.store.discard_open();
    }

    /// Ends a bucket, which has the states since the previous one.
    ///
    /// A bucket without states neither counts nor covers time.
    #[inline]
    pub fn bucket(&mut self, agent: Option<AgentIndex>, start: Option<Timestamp>, end: Option<Timestamp>) {
        if let Err(reason) = self.admit(agent, start, end) {
            self.reject(reason);
        }
    }

    /// Sums the buckets.
    pub fn finish(mut self) -> TallyOutcome {
        let buckets = by_agent(self.store.take(), self.agents());
        self.sum(buckets)
    }

    /// The number of agents.
    pub(super) fn agents(&self) -> usize {
        self.agents.as_slice().len()
    }

    /// Sums `buckets`, those of each agent, whose shares are in the store.
    pub(super) fn sum(self, buckets: Vec<Vec<Bucket>>) -> TallyOutcome {
        let mut summer = PresenceSummer::new(
            (self.window, self.happened_until),
            self.part_length,
            self.store,
            &self.names,
            &self.offline_states,
            self.rejections,
        );
        let sum = |(agent, buckets): (&WatchedAgent, Vec<Bucket>)| summer.sum(agent, buckets);
        let mut agents: Vec<_> = self.agents.as_slice().iter().zip(buckets).map(sum).collect();
        let rejections = summer.into_rejections();
        limit_states(&mut agents, &self.names, &self.declared, self.known_names);
        TallyOutcome { agents, rejections }
    }

    fn admit(
        &mut self,
        agent: Option<AgentIndex>,
        start: Option<Timestamp>,
        end: Option<Timestamp>,
    ) -> Result<(), Rejection> {
        let agent = agent.ok_or(Rejection::UnknownAgent)?;
        let span = match (start, end) {
            (Some(start), Some(end)) if start < end => Window { start, end },
            _ => return Err(Rejection::BadTime),
        };
        span.intersection(self.window).ok_or(Rejection::OutsideWindow)?;
        if self.is_full() {
            return Err(Rejection::TooMany);
        }
        let shares = self.store.open_shares();
        if !shares.is_empty() {
            if total(shares) > span.length().into() {
                self.rejections.add(Rejection::OverLength);
            }
            self.store.close(agent.0, span);
        }
        Ok(())
    }
}

impl AsMut<Self> for Tally {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}
