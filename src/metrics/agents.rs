//! Renders a snapshot: the part of an exposition that grows with the number of agents.

use std::sync::Arc;

use super::tenant::as_count;
use super::{agent_counters, catalogue, teams};
use crate::config::Agent;
use crate::exposition::{Block, BlockBuilder, Family, Packing};
use crate::presence::{AgentId, AgentPresence, CurrentShifts, Micros, OTHER_STATE, StateName};
use crate::refresh::{AgentData, Snapshot};

/// Capacity for one agent's samples, in bytes: fourteen lines of some 60 bytes. If it is too small, the buffer is copied.
const AGENT_BYTES: usize = 960;

/// A snapshot with each agent's label, computed once for all families.
struct Labelled<'a> {
    snapshot: &'a Snapshot,
    labels: Vec<AgentId>,
}

/// Renders the series of all agents and teams; of teams only, without `per_agent`.
///
/// - An agent with data has a sample for each declared state, 0 if it was never in it, and for each other state it was in.
///   If CXone answered and reported nothing, `cxone_agent_observed_seconds` is 0, and only counters have samples besides.
/// - An agent without data, or with data that is too old, has only the samples from the configuration.
pub fn render(snapshot: &Snapshot) -> Block {
    let mut builder = if snapshot.tenant.privacy.per_agent {
        let mut builder = BlockBuilder::with_capacity(snapshot.rows.len().saturating_mul(AGENT_BYTES));
        every_agent(&mut builder, &Labelled::new(snapshot));
        builder
    } else {
        BlockBuilder::new()
    };
    let unknown = unknown_states(snapshot);
    builder.family(&catalogue::STATES_UNKNOWN).sample(&[], unknown);
    let limits = &snapshot.tenant.limits;
    for (family, limit) in
        [(&catalogue::COOLDOWN_SECONDS, limits.cooldown), (&catalogue::MAX_STALENESS_SECONDS, limits.max_staleness)]
    {
        builder.family(family).sample(&[], limit.as_secs_f64());
    }
    teams::render(&mut builder, snapshot);
    builder.finish(Packing::Deflated)
}

fn every_agent(builder: &mut BlockBuilder, snapshot: &Labelled<'_>) {
    state_seconds(builder, snapshot);
    agent_counters::render(builder, snapshot.snapshot, &snapshot.labels);
    per_agent(builder, snapshot, &catalogue::AGENT_OBSERVED_SECONDS, |data| Some(data.observed().seconds_f64()));
    current_state(builder, snapshot);
    per_agent(builder, snapshot, &catalogue::AGENT_OFFLINE_SECONDS, |data| {
        Some(data.presence.as_ref()?.unbroken_offline?.seconds_f64())
    });
    per_agent(builder, snapshot, &catalogue::AGENT_LAST_DATA_TIMESTAMP_SECONDS, |data| {
        Some(data.presence.as_ref()?.last_data.seconds_f64())
    });
    from_config(builder, snapshot);
    limited_offline(builder, snapshot);
    per_agent(builder, snapshot, &catalogue::AGENT_SCHEDULED_SECONDS, |data| {
        Some(data.presence.as_ref()?.scheduled?.total.seconds_f64())
    });
    per_agent(builder, snapshot, &catalogue::AGENT_SCHEDULED_OFFLINE_SECONDS, |data| {
        Some(data.presence.as_ref()?.scheduled?.offline.seconds_f64())
    });
    absence(builder, snapshot);
}

/// The number of states that are neither documented nor configured.
fn unknown_states(snapshot: &Snapshot) -> f64 {
    let tenant = &snapshot.tenant;
    let splits = tenant.splits_codes();
    let is_known = |state: &StateName| {
        tenant.states.declared.contains(state)
            || tenant.states.offline.contains(state)
            || tenant.states.map.values().any(|shown| shown == state)
            || (splits && state.starts_with("Unavailable: "))
            || **state == *OTHER_STATE
    };
    let presences = snapshot.rows.iter().filter_map(|row| row.data.as_ref()?.presence.as_ref());
    // Agents share the allocations of state names, so comparing pointers suffices for most.
    let mut seen: Vec<&StateName> = Vec::new();
    for state in presences.flat_map(reported_states) {
        if !seen.iter().any(|known| Arc::ptr_eq(known, state) || *known == state) {
            seen.push(state);
        }
    }
    as_count(seen.into_iter().filter(|state| !is_known(state)).count())
}

fn reported_states(presence: &AgentPresence) -> impl Iterator<Item = &StateName> {
    presence.states.iter().map(|(state, _)| state).chain(&presence.folded)
}

fn per_agent(
    builder: &mut BlockBuilder,
    snapshot: &Labelled<'_>,
    family: &'static Family,
    value: fn(&AgentData) -> Option<f64>,
) {
    let mut samples = builder.family(family);
    for (label, data) in snapshot.with_data() {
        if let Some(value) = value(data) {
            samples.sample(&[label], value);
        }
    }
}

fn state_seconds(builder: &mut BlockBuilder, snapshot: &Labelled<'_>) {
    let declared = &snapshot.snapshot.tenant.states.declared;
    let mut samples = builder.family(&catalogue::AGENT_STATE_SECONDS);
    for (label, data) in snapshot.with_data() {
        // No data is not zero: the offline time of an agent without data is unknown.
        let Some(AgentPresence { states: seen, .. }) = &data.presence else {
            continue;
        };
        let time_in =
            |state: &StateName| seen.iter().find(|(name, _)| name == state).map_or(Micros::ZERO, |(_, time)| *time);
        for state in declared {
            samples.sample(&[label, state], time_in(state).seconds_f64());
        }
        for (state, time) in seen.iter().filter(|(state, _)| !declared.contains(state)) {
            samples.sample(&[label, state], time.seconds_f64());
        }
    }
}

fn current_state(builder: &mut BlockBuilder, snapshot: &Labelled<'_>) {
    let mut samples = builder.family(&catalogue::AGENT_CURRENT_STATE_SECONDS);
    for (label, data) in snapshot.with_data() {
        if let Some((state, unbroken)) = data.presence.as_ref().and_then(|presence| presence.current.as_ref()) {
            samples.sample(&[label, state], unbroken.seconds_f64());
        }
    }
}

fn from_config(builder: &mut BlockBuilder, snapshot: &Labelled<'_>) {
    let mut info = builder.family(&catalogue::AGENT_INFO);
    for (label, agent) in snapshot.agents() {
        let [name, team] = [&agent.name, &agent.team].map(|text| text.as_deref().unwrap_or_default());
        info.sample(&[label, name, team], 1.0);
    }
    let mut limits = builder.family(&catalogue::AGENT_OFFLINE_LIMIT_SECONDS);
    for (label, agent) in snapshot.agents() {
        if let Some(limit) = agent.offline_limit {
            limits.sample(&[label], limit.as_secs_f64());
        }
    }
    let mut limits = builder.family(&catalogue::AGENT_ABSENT_LIMIT_SECONDS);
    for (label, agent) in snapshot.agents() {
        if let Some(limit) = agent.absent_limit {
            limits.sample(&[label], limit.as_secs_f64());
        }
    }
}

/// The offline time of each agent with an offline limit that the limit applies to.
fn limited_offline(builder: &mut BlockBuilder, snapshot: &Labelled<'_>) {
    let offline_states = &snapshot.snapshot.tenant.states.offline;
    let mut samples = builder.family(&catalogue::AGENT_LIMITED_OFFLINE_SECONDS);
    for (label, agent, data) in snapshot.agents_with_data().filter(|(_, agent, _)| agent.offline_limit.is_some()) {
        let presence = data.presence.as_ref();
        let time = presence.and_then(|presence| presence.limited_offline(offline_states, agent.schedule.is_some()));
        if let Some(time) = time {
            samples.sample(&[label], time.seconds_f64());
        }
    }
}

/// Whether each agent with a schedule is on shift at the end of its window, and for how long it has been absent.
fn absence(builder: &mut BlockBuilder, snapshot: &Labelled<'_>) {
    let mut shifts = CurrentShifts::default();
    let scheduled = snapshot.agents_with_data().filter_map(|(label, agent, data)| {
        let shift = shifts.at(agent.schedule.as_ref()?, data.window.end);
        Some((label, data, shift))
    });
    let scheduled: Vec<_> = scheduled.collect();
    let mut samples = builder.family(&catalogue::AGENT_ON_SHIFT);
    for (label, _, shift) in &scheduled {
        samples.sample(&[label], f64::from(u8::from(shift.is_some())));
    }
    let mut samples = builder.family(&catalogue::AGENT_ABSENT_SECONDS);
    for (label, data, shift) in &scheduled {
        if let Some(absent) = data.presence.as_ref().and_then(|presence| presence.absent(*shift)) {
            samples.sample(&[label], absent.seconds_f64());
        }
    }
}

// === impl Labelled ===

impl<'a> Labelled<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let tenant = &snapshot.tenant;
        Self { snapshot, labels: tenant.agents.iter().map(|agent| tenant.label(agent)).collect() }
    }

    fn agents(&self) -> impl Iterator<Item = (&str, &Agent)> {
        self.labels.iter().map(|label| &**label).zip(&self.snapshot.tenant.agents)
    }

    fn agents_with_data(&self) -> impl Iterator<Item = (&str, &Agent, &AgentData)> {
        self.agents()
            .zip(&self.snapshot.rows)
            .filter_map(|((label, agent), row)| Some((label, agent, row.data.as_deref()?)))
    }

    fn with_data(&self) -> impl Iterator<Item = (&str, &AgentData)> {
        let rows = self.labels.iter().zip(&self.snapshot.rows);
        rows.filter_map(|(label, row)| Some((&**label, row.data.as_deref()?)))
    }
}
