//! The agents of a report with their times. All text is escaped here, because it may come from CXone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ReportError;
use crate::config::{Agent, Tenant};
use crate::presence::{AgentId, AgentPresence, Micros, StateName, Window, escape_text};

/// The report of one tenant.
pub(super) struct TenantReport {
    pub(super) tenant: String,
    pub(super) window: Window,
    /// The agents that were read, in configuration order or as sorted.
    pub(super) rows: Vec<Row>,
    /// The states in the order of their columns: declared ones first, then by time.
    pub(super) states: Vec<StateName>,
    /// The offline states.
    pub(super) offline: Vec<StateName>,
}

/// The report of an agent.
pub(super) struct Row {
    pub(super) agent: String,
    pub(super) name: Option<String>,
    pub(super) team: Option<String>,
    /// The time by state, longest first; empty without data.
    pub(super) states: Vec<(StateName, Micros)>,
    /// The sum of the times.
    pub(super) total: Micros,
}

// === impl TenantReport ===

impl TenantReport {
    /// The report of the agents with an answer.
    pub(super) fn new(tenant: &Tenant, window: Window, answered: Vec<(AgentId, Option<AgentPresence>)>) -> Self {
        let mut answered: HashMap<AgentId, Option<AgentPresence>> = answered.into_iter().collect();
        let rows = tenant.agents.iter();
        let rows: Vec<Row> =
            rows.filter_map(|agent| answered.remove(&agent.id).map(|presence| Row::new(agent, presence))).collect();
        let escaped = |states: &[StateName]| states.iter().map(|state| escape_text(state).into()).collect();
        let declared: Vec<StateName> = escaped(&tenant.states.declared);
        let mut times: BTreeMap<&StateName, Micros> = BTreeMap::new();
        for (state, time) in rows.iter().flat_map(|row| &row.states) {
            let sum = times.entry(state).or_default();
            *sum = *sum + *time;
        }
        let mut states: Vec<StateName> = declared.iter().filter(|state| times.contains_key(state)).cloned().collect();
        let mut others: Vec<_> = times.into_iter().filter(|(state, _)| !declared.contains(state)).collect();
        others.sort_by(|(_, one), (_, next)| next.cmp(one));
        states.extend(others.into_iter().map(|(state, _)| StateName::clone(state)));
        Self { tenant: tenant.name.clone(), window, rows, states, offline: escaped(&tenant.states.offline) }
    }
}

/// Sorts the agents of each tenant by `agent`, `name`, `team`, `total`, or a state. Texts ascend, and times descend. Agents with
/// equal values keep their order.
///
/// # Errors
///
/// No column has this name.
pub(super) fn sort(reports: &mut [TenantReport], column: &str) -> Result<(), ReportError> {
    let states: BTreeSet<StateName> = reports.iter().flat_map(|report| &report.states).cloned().collect();
    let state = states.iter().find(|state| state.eq_ignore_ascii_case(column));
    for rows in reports.iter_mut().map(|report| &mut report.rows) {
        match (column, state) {
            ("agent", _) => rows.sort_by(|one, next| one.agent.cmp(&next.agent)),
            // Agents without a name or team come last.
            ("name", _) => rows.sort_by_cached_key(|row| (row.name.is_none(), row.name.clone())),
            ("team", _) => rows.sort_by_cached_key(|row| (row.team.is_none(), row.team.clone())),
            ("total", _) => rows.sort_by_key(|row| Reverse(row.total)),
            (_, Some(state)) => rows.sort_by_cached_key(|row| Reverse(row.time(state))),
            (_, None) => {
                let columns = ["agent", "name", "team", "total"].into_iter().chain(states.iter().map(|state| &**state));
                let columns = columns.collect::<Vec<_>>().join(", ");
                return Err(ReportError::UnknownColumn { column: column.to_owned(), columns });
            }
        }
    }
    Ok(())
}

// === impl Row ===

impl Row {
    fn new(agent: &Agent, presence: Option<AgentPresence>) -> Self {
        let escaped = |text: &str| escape_text(text).into_owned();
        let states = presence.map(|presence| presence.longest_first()).unwrap_or_default();
        let states: Vec<_> = states.into_iter().map(|(state, time)| (escape_text(&state).into(), time)).collect();
        Self {
            agent: escaped(&agent.id),
            name: agent.name.as_deref().map(escaped),
            team: agent.team.as_deref().map(escaped),
            total: states.iter().map(|(_, time)| *time).sum(),
            states,
        }
    }

    /// The time in a state; zero if the agent was not in it.
    pub(super) fn time(&self, state: &StateName) -> Micros {
        self.states.iter().find(|(known, _)| known == state).map_or(Micros::ZERO, |(_, time)| *time)
    }
}
