//! One agent of a report.

use std::collections::HashMap;

use crate::config::Agent;
use crate::presence::{AgentId, AgentPresence, Micros, StateName};

/// One agent that was read.
pub(super) struct Row<'a> {
    /// Who it is.
    pub(super) agent: &'a Agent,
    /// The time in each state seen, longest first; empty where the tenant reported nothing.
    pub(super) states: Vec<(StateName, Micros)>,
    /// All of that time.
    pub(super) total: Micros,
}

/// The agents that were answered for, in the order of the configuration.
pub(super) fn of_agents(agents: &[Agent], answered: Vec<(AgentId, Option<AgentPresence>)>) -> Vec<Row<'_>> {
    let mut answered: HashMap<AgentId, Option<AgentPresence>> = answered.into_iter().collect();
    agents.iter().filter_map(|agent| answered.remove(&agent.id).map(|presence| Row::new(agent, presence))).collect()
}

// === impl Row ===

impl<'a> Row<'a> {
    fn new(agent: &'a Agent, presence: Option<AgentPresence>) -> Self {
        let states = presence.map(|presence| presence.longest_first()).unwrap_or_default();
        let total = states.iter().map(|(_, time)| *time).sum();
        Self { agent, states, total }
    }
}
