//! The counters of time per team and state. Pure.
//!
//! What the counter of an agent rises by counts for the team that the agent belongs to when it is read. So a team's counter is the
//! sum of its agents' counters while none joins or leaves, and it never decreases: what a former member counted for it stays.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{AgentCounter, StateCount};
use crate::config::Tenant;
use crate::presence::{Micros, StateName, Timestamp, limited_place};

#[cfg(test)]
mod tests;

/// The states of a team that have a counter of their own; the time in others is summed. Each is a time series, an agent has at most
/// 64, and those of a team's agents are mostly the same.
pub(crate) const MAX_STATES_PER_TEAM: usize = 256;

/// The teams without agents whose counters are kept, in case they get agents again: about 1 MB. Those read last are kept.
const MAX_FORMER_TEAMS: usize = 1_000;

/// The counters of every team that had agents, by name. Agents without a team are those of the team without a name.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TeamCounters(pub(crate) HashMap<Arc<str>, TeamCounter>);

/// The counters of one team.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TeamCounter {
    /// In the order of their first appearance. No value ever decreases.
    pub(crate) states: Vec<(StateName, Micros)>,
    /// The end of the last window that an agent of the team was read of.
    pub(crate) read_to: Timestamp,
}

// === impl TeamCounters ===

impl TeamCounters {
    /// Adds what the counter of an agent of `team` has risen by, from `before` to `after`.
    pub(super) fn add(&mut self, team: &str, before: Option<&AgentCounter>, after: &AgentCounter) {
        let counter = match self.0.get_mut(team) {
            Some(counter) => counter,
            None => self.0.entry(Arc::from(team)).or_default(),
        };
        counter.read_to = counter.read_to.max(after.read_to);
        // States are only ever appended, so that positions are those of before.
        let before = before.map_or(&[][..], |before| &before.states).iter().map(|state| state.time);
        let before = before.chain(std::iter::repeat(Micros::ZERO));
        for (StateCount { name, time, .. }, before) in after.states.iter().zip(before) {
            counter.add(name, Micros::new(time.get().saturating_sub(before.get())));
        }
    }

    /// The time in each state of a team; `None` if none of its agents was read.
    pub(crate) fn of(&self, team: &str) -> Option<impl Iterator<Item = (&StateName, Micros)>> {
        Some(self.0.get(team)?.states.iter().map(|(name, time)| (name, *time)))
    }

    pub(super) fn drop_former_teams(&mut self, tenant: &Tenant) {
        if self.0.len() <= MAX_FORMER_TEAMS {
            return;
        }
        let teams: HashSet<&str> =
            tenant.agents.iter().map(|agent| agent.team.as_deref().unwrap_or_default()).collect();
        let former = self.0.iter().filter(|(team, _)| !teams.contains(&***team));
        let mut former: Vec<_> = former.map(|(team, counter)| (counter.read_to, Arc::clone(team))).collect();
        former.sort_unstable();
        let excess = former.len().saturating_sub(MAX_FORMER_TEAMS);
        for (_, team) in former.into_iter().take(excess) {
            self.0.remove(&team);
        }
    }
}

// === impl TeamCounter ===

impl Default for TeamCounter {
    /// A counter before the first reading.
    fn default() -> Self {
        Self { states: Vec::new(), read_to: Timestamp::from_micros(i64::MIN) }
    }
}

impl TeamCounter {
    fn add(&mut self, state: &StateName, time: Micros) {
        let new = |name| (name, Micros::ZERO);
        let place = limited_place(&mut self.states, state, MAX_STATES_PER_TEAM, |(name, _)| name, new);
        if let Some((_, sum)) = self.states.get_mut(place) {
            *sum += time;
        }
    }
}
