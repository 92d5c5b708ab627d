//! The agents a tally counts for, found by id.

use std::collections::HashMap;
use std::sync::Arc;

use crate::presence::{AgentId, WatchedAgent};

/// Which of a tally's agents; good for that tally only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentIndex(pub(super) usize);

/// The agents of one tally.
///
/// Reports list an agent's buckets together, or every agent once per bucket in an order that repeats. So an id
/// is compared with the last one, and with the one that followed that the time before, and hashed only if it is neither.
#[derive(Debug)]
pub(super) struct AgentIndexMap {
    agents: Vec<WatchedAgent>,
    by_id: HashMap<AgentId, usize>,
    last: usize,
    /// Whether the last id was the one before it again.
    repeats: bool,
    /// Per agent, who followed it last: a guess, always checked against the id itself.
    followers: Vec<usize>,
}

// === impl AgentIndexMap ===

impl AgentIndexMap {
    /// Where an id is there twice, the first agent has it.
    pub(super) fn new(agents: Vec<WatchedAgent>) -> Self {
        let mut by_id = HashMap::with_capacity(agents.len());
        // As long as nothing is known, the report is taken to follow the order that was asked in.
        let mut followers: Vec<usize> = (1..=agents.len()).collect();
        for (index, agent) in agents.iter().enumerate() {
            let owner = *by_id.entry(Arc::clone(&agent.id)).or_insert(index);
            if let Some(follower) = index.checked_sub(1).and_then(|before| followers.get_mut(before)) {
                *follower = owner;
            }
        }
        Self { agents, by_id, last: 0, repeats: true, followers }
    }

    /// The agents, in the order they were given.
    pub(super) fn as_slice(&self) -> &[WatchedAgent] {
        &self.agents
    }

    /// The agent of `id`, if it is one of them.
    #[inline]
    pub(super) fn find(&mut self, id: &str) -> Option<AgentIndex> {
        let follower = self.followers.get(self.last).copied().unwrap_or_default();
        let (guess, other) = if self.repeats { (self.last, follower) } else { (follower, self.last) };
        if self.is(guess, id) {
            self.last = guess;
            return Some(AgentIndex(guess));
        }
        self.repeats = other == self.last;
        if self.is(other, id) {
            self.last = other;
            return Some(AgentIndex(other));
        }
        self.look_up(id)
    }

    #[inline]
    fn is(&self, index: usize, id: &str) -> bool {
        self.agents.get(index).is_some_and(|agent| *agent.id == *id)
    }

    #[cold]
    fn look_up(&mut self, id: &str) -> Option<AgentIndex> {
        let index = *self.by_id.get(id)?;
        if let Some(follower) = self.followers.get_mut(self.last) {
            *follower = index;
        }
        self.last = index;
        Some(AgentIndex(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(ids: &[&str]) -> AgentIndexMap {
        AgentIndexMap::new(ids.iter().map(|&id| WatchedAgent { id: Arc::from(id), schedule: None }).collect())
    }

    #[test]
    fn agents_are_found_in_any_order() {
        let mut agents = agents(&["1", "2", "3", "4"]);
        let orders = ["1234", "112233", "4321", "4321", "2424", "1x2x3", "3"];
        for id in orders.iter().flat_map(|order| order.split("").filter(|id| !id.is_empty())) {
            let expected = id.parse().ok().map(|number: usize| AgentIndex(number - 1));
            assert_eq!(agents.find(id), expected, "{id}");
        }
    }

    #[test]
    fn the_first_of_two_agents_with_one_id_has_it() {
        let mut agents = agents(&["1", "2", "1"]);
        assert_eq!(agents.find("2"), Some(AgentIndex(1)));
        assert_eq!(agents.find("1"), Some(AgentIndex(0)));
    }

    #[test]
    fn a_roster_of_nobody_knows_nobody() {
        assert_eq!(agents(&[]).find("1"), None);
    }
}
