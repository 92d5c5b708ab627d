//! A row of the report.

use std::collections::HashMap;

use crate::config::Agent;
use crate::presence::{AgentId, AgentPresence, Micros, StateName};

/// The report of an agent.
pub(super) struct Row<'a> {
    /// The agent.
    pub(super) agent: &'a Agent,
    /// The time by state, longest first; empty without data.
    pub(super) states: Vec<(StateName, Micros)>,
    /// The sum of the times.
    pub(super) total: Micros,
}

/// A row for each agent with an answer, in configuration order.
pub(super) fn rows(agents: &[Agent], answered: Vec<(AgentId, Option<AgentPresence>)>) -> Vec<Row<'_>> {
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
