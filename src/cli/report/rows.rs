//! The agents of a report with their times. All text is escaped here, because it may come from CXone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::ReportError;
use super::range::teams;
use crate::config::{Agent, Tenant};
use crate::past::{AgentTimes, Periods, ShiftTime};
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
    /// The ids of what is summed: one agent, or a team. They are not shown.
    pub(super) ids: Vec<AgentId>,
    /// The label; empty for a team.
    pub(super) agent: String,
    pub(super) name: Option<String>,
    pub(super) team: Option<String>,
    /// The time by state, longest first; empty without data.
    pub(super) states: Vec<(StateName, Micros)>,
    /// The sum of the times.
    pub(super) total: Micros,
    /// The time on shift within a range, if the agent has a schedule.
    pub(super) shift: Option<ShiftTime>,
}

// === impl TenantReport ===

impl TenantReport {
    /// The report of the agents with an answer, or of their teams where agents are not shown.
    pub(super) fn new(tenant: &Tenant, window: Window, answered: Vec<(AgentId, Option<AgentPresence>)>) -> Self {
        let mut answered: HashMap<AgentId, Option<AgentPresence>> = answered.into_iter().collect();
        let mut states = |agent: &Agent| {
            let presence = answered.remove(&agent.id)?;
            Some(presence.map(|presence| presence.states).unwrap_or_default())
        };
        let rows = if tenant.privacy.per_agent {
            let agents = tenant.agents.iter();
            let row = |agent| Some(Row::new(agent, &tenant.label(agent), states(agent)?, None));
            agents.filter_map(row).collect()
        } else {
            let mut row = |agents: Vec<&Agent>| {
                let mut times: BTreeMap<StateName, Micros> = BTreeMap::new();
                let read: Vec<_> = agents.iter().filter_map(|agent| states(agent)).collect();
                for (state, time) in read.iter().flatten() {
                    let sum = times.entry(StateName::clone(state)).or_default();
                    *sum = *sum + *time;
                }
                let times = times.into_iter().collect();
                (!read.is_empty()).then(|| Row::of_team(&agents, |team| Some(Row::new(team, "", times, None))))?
            };
            teams(tenant).into_iter().filter_map(&mut row).collect()
        };
        Self::of_rows(tenant, window, rows)
    }

    /// The report of these agents.
    pub(super) fn of_rows(tenant: &Tenant, window: Window, rows: Vec<Row>) -> Self {
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

/// Escaped states with their time, the longest first.
pub(super) fn longest_first(mut states: Vec<(StateName, Micros)>) -> Vec<(StateName, Micros)> {
    states.sort_by(|(name, time), (other, longer)| longer.cmp(time).then_with(|| name.cmp(other)));
    states.into_iter().map(|(state, time)| (escape_text(&state).into(), time)).collect()
}

// === impl Row ===

impl Row {
    fn new(agent: &Agent, label: &str, states: Vec<(StateName, Micros)>, shift: Option<ShiftTime>) -> Self {
        let escaped = |text: &str| escape_text(text).into_owned();
        let states = longest_first(states);
        Self {
            ids: vec![AgentId::clone(&agent.id)],
            agent: escaped(label),
            name: agent.name.as_deref().map(escaped),
            team: agent.team.as_deref().map(escaped),
            total: states.iter().map(|(_, time)| *time).sum(),
            states,
            shift,
        }
    }

    /// The row of a team whose agents are not shown, which `row` makes as if the team were an agent.
    fn of_team(agents: &[&Agent], row: impl FnOnce(&Agent) -> Option<Self>) -> Option<Self> {
        let team = Agent { name: None, ..Agent::clone(agents.first()?) };
        let ids = agents.iter().map(|agent| AgentId::clone(&agent.id)).collect();
        Some(Self { ids, ..row(&team)? })
    }

    /// The row of a team within a range.
    pub(super) fn of_team_in_range(agents: &[&Agent], times: &AgentTimes, periods: &Periods) -> Option<Self> {
        let has_schedule = agents.iter().any(|agent| agent.schedule.is_some());
        Self::of_team(agents, |team| Self::of_range(team, "", has_schedule, times, periods))
    }

    /// The row of an agent.
    pub(super) fn of_agent(tenant: &Tenant, agent: &Agent, times: &AgentTimes, periods: &Periods) -> Option<Self> {
        Self::of_range(agent, &tenant.label(agent), agent.schedule.is_some(), times, periods)
    }

    /// The sums of the periods that were read to their end; `None` if there is none.
    fn of_range(agent: &Agent, label: &str, has_schedule: bool, times: &AgentTimes, periods: &Periods) -> Option<Self> {
        let mut sums = vec![Micros::ZERO; times.states.len()];
        let mut shift = ShiftTime::default();
        let mut is_empty = true;
        for (_, states, on_shift) in times.periods(periods) {
            is_empty = false;
            for (place, time) in states {
                if let Some(sum) = sums.get_mut(*place) {
                    *sum = *sum + *time;
                }
            }
            shift = shift + on_shift.unwrap_or_default();
        }
        let states = times.states.iter().map(StateName::clone).zip(sums).filter(|(_, time)| *time > Micros::ZERO);
        let shift = has_schedule.then_some(shift);
        (!is_empty).then(|| Self::new(agent, label, states.collect(), shift))
    }

    /// The time in a state; zero if the agent was not in it.
    pub(super) fn time(&self, state: &StateName) -> Micros {
        self.states.iter().find(|(known, _)| known == state).map_or(Micros::ZERO, |(_, time)| *time)
    }
}
