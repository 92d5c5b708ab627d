//! Finds the agents of a batch by id.

use std::collections::HashMap;
use std::sync::Arc;

use crate::presence::{AgentId, WatchedAgent};

/// The index of an agent in one tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentIndex(pub(super) usize);

/// The agents of one tally.
#[derive(Debug)]
pub(super) struct AgentIndexMap {
    agents: Vec<WatchedAgent>,
    by_id: HashMap<AgentId, usize>,
}

// === impl AgentIndexMap ===

impl AgentIndexMap {
    /// The first of several agents with the same id gets its buckets.
    pub(super) fn new(agents: Vec<WatchedAgent>) -> Self {
        let mut by_id = HashMap::with_capacity(agents.len());
        for (index, agent) in agents.iter().enumerate() {
            by_id.entry(Arc::clone(&agent.id)).or_insert(index);
        }
        Self { agents, by_id }
    }

    /// The agents in the requested order.
    pub(super) fn as_slice(&self) -> &[WatchedAgent] {
        &self.agents
    }

    /// The agent with this id.
    #[inline]
    pub(super) fn find(&self, id: &str) -> Option<AgentIndex> {
        self.by_id.get(id).copied().map(AgentIndex)
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
        let agents = agents(&["1", "2", "3", "4"]);
        let orders = ["1234", "112233", "4321", "4321", "2424", "1x2x3", "3"];
        for id in orders.iter().flat_map(|order| order.split("").filter(|id| !id.is_empty())) {
            let expected = id.parse().ok().map(|number: usize| AgentIndex(number - 1));
            assert_eq!(agents.find(id), expected, "{id}");
        }
    }

    #[test]
    fn first_agent_with_a_duplicate_id_is_found() {
        let agents = agents(&["1", "2", "1"]);
        assert_eq!(agents.find("2"), Some(AgentIndex(1)));
        assert_eq!(agents.find("1"), Some(AgentIndex(0)));
    }

    #[test]
    fn no_agent_is_found_in_an_empty_map() {
        assert_eq!(agents(&[]).find("1"), None);
    }
}
