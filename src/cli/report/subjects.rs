//! What a report has a row of, and an export series of: agents, or teams.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{Agent, Tenant};
use crate::presence::AgentId;

/// An agent, or the agents of a team together.
pub(crate) struct Subject<'a> {
    /// The agents whose time is summed, one or more.
    pub(crate) agents: Vec<&'a Agent>,
    /// The label of the agent; `None` for a team.
    pub(crate) label: Option<AgentId>,
}

/// Each agent.
pub(crate) fn agents(tenant: &Tenant) -> Vec<Subject<'_>> {
    tenant.agents.iter().map(|agent| Subject { agents: vec![agent], label: Some(tenant.label(agent)) }).collect()
}

/// The teams, in the order of their first agents. Agents without a team are a team.
pub(crate) fn teams(tenant: &Tenant) -> Vec<Subject<'_>> {
    let mut teams: Vec<Subject<'_>> = Vec::new();
    let mut places: HashMap<Option<&str>, usize> = HashMap::new();
    for agent in &tenant.agents {
        let place = *places.entry(agent.team.as_deref()).or_insert(teams.len());
        match teams.get_mut(place) {
            Some(team) => team.agents.push(agent),
            None => teams.push(Subject { agents: vec![agent], label: None }),
        }
    }
    teams
}

/// The agents, or the teams where agents are not shown.
pub(super) fn shown(tenant: &Tenant) -> Vec<Subject<'_>> {
    if tenant.privacy.per_agent { agents(tenant) } else { teams(tenant) }
}

// === impl Subject ===

impl<'a> Subject<'a> {
    pub(crate) fn ids(&self) -> Vec<AgentId> {
        self.agents.iter().map(|agent| Arc::clone(&agent.id)).collect()
    }

    /// The name of the agent; a team has none.
    pub(crate) fn name(&self) -> Option<&'a str> {
        self.agents.first().filter(|_| self.label.is_some())?.name.as_deref()
    }

    pub(crate) fn team(&self) -> Option<&'a str> {
        self.agents.first()?.team.as_deref()
    }
}
