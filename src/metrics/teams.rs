//! Renders the sums of each team's agents.

use std::collections::HashMap;
use std::sync::Arc;

use super::catalogue;
use super::tenant::as_count;
use crate::exposition::BlockBuilder;
use crate::presence::{AgentPresence, Micros, OTHER_STATE, ScheduledTime, StateName};
use crate::refresh::Snapshot;
use crate::refresh::counters::teams::MAX_STATES_PER_TEAM;

/// The state in which agents are counted whose current state is not known.
const UNKNOWN_NOW: &str = "__unknown__";

/// The teams of a snapshot, with the states that they have series of.
struct Teams<'a> {
    /// The declared states first.
    states: Vec<StateName>,
    /// The number of declared states.
    declared: usize,
    /// In the order of their first agent. Agents without a team are those of the team without a name.
    teams: Vec<(&'a str, TeamSums)>,
}

/// The sums of one team. States are positions.
#[derive(Default)]
struct TeamSums {
    /// Whether an agent was read and is not too old.
    is_read: bool,
    /// `None` while no agent has reported anything.
    times: Option<Vec<Micros>>,
    agents_now: Vec<usize>,
    /// Agents whose current state is not known.
    unknown_now: usize,
    /// Of the agents with a schedule.
    scheduled: Option<ScheduledTime>,
}

/// Renders the series of all teams. A team has those of the declared states, 0 where none of its agents was in the state, and of
/// each other state that one of them was in.
pub(super) fn render(builder: &mut BlockBuilder, snapshot: &Snapshot) {
    let teams = Teams::of(snapshot);
    let mut samples = builder.family(&catalogue::TEAM_STATE_SECONDS);
    for (team, sums) in &teams.teams {
        let Some(times) = &sums.times else { continue };
        for (place, state) in teams.states.iter().enumerate() {
            let time = times.get(place).copied().unwrap_or(Micros::ZERO);
            if place < teams.declared || time > Micros::ZERO {
                samples.sample(&[team, state], time.seconds_f64());
            }
        }
    }
    let mut samples = builder.family(&catalogue::TEAM_AGENTS);
    for (team, sums) in &teams.teams {
        for (place, state) in teams.states.iter().enumerate() {
            let agents = sums.agents_now.get(place).copied().unwrap_or_default();
            if place < teams.declared || agents > 0 {
                samples.sample(&[team, state], as_count(agents));
            }
        }
        samples.sample(&[team, UNKNOWN_NOW], as_count(sums.unknown_now));
    }
    counters(builder, snapshot, &teams);
    let mut scheduled = |family, time: fn(ScheduledTime) -> Micros| {
        let mut samples = builder.family(family);
        for (team, sums) in &teams.teams {
            if let Some(scheduled) = sums.scheduled {
                samples.sample(&[team], time(scheduled).seconds_f64());
            }
        }
    };
    scheduled(&catalogue::TEAM_SCHEDULED_SECONDS, |scheduled| scheduled.total);
    scheduled(&catalogue::TEAM_SCHEDULED_OFFLINE_SECONDS, |scheduled| scheduled.offline);
}

fn counters(builder: &mut BlockBuilder, snapshot: &Snapshot, teams: &Teams<'_>) {
    if !snapshot.tenant.keeps_counters() {
        return;
    }
    let mut samples = builder.family(&catalogue::TEAM_STATE_TIME_SECONDS_TOTAL);
    for (team, _) in teams.teams.iter().filter(|(_, sums)| sums.is_read) {
        let Some(times) = snapshot.counters.teams.of(team) else { continue };
        let mut times: Vec<(&StateName, Micros)> = times.collect();
        for state in teams.states.iter().take(teams.declared) {
            if !times.iter().any(|(name, _)| *name == state) {
                times.push((state, Micros::ZERO));
            }
        }
        for (state, time) in times {
            samples.sample(&[team, state], time.seconds_f64());
        }
    }
}

// === impl Teams ===

impl<'a> Teams<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let mut teams = Self { states: Vec::new(), declared: 0, teams: Vec::new() };
        for state in &snapshot.tenant.states.declared {
            place(&mut teams.states, state);
        }
        teams.declared = teams.states.len();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (agent, row) in snapshot.tenant.agents.iter().zip(&snapshot.rows) {
            let team = agent.team.as_deref().unwrap_or_default();
            let place = *places.entry(team).or_insert(teams.teams.len());
            if place == teams.teams.len() {
                teams.teams.push((team, TeamSums::default()));
            }
            let (states, Some((_, sums))) = (&mut teams.states, teams.teams.get_mut(place)) else { continue };
            sums.is_read |= row.data.is_some();
            sums.add(row.data.as_ref().and_then(|data| data.presence.as_ref()), states);
        }
        teams
    }
}

// === impl TeamSums ===

impl TeamSums {
    fn add(&mut self, presence: Option<&AgentPresence>, states: &mut Vec<StateName>) {
        let Some(presence) = presence else {
            self.unknown_now += 1;
            return;
        };
        let times = self.times.get_or_insert_default();
        for (state, time) in &presence.states {
            add(times, place(states, state), *time, |sum, time| sum + time);
        }
        match &presence.current {
            Some((state, _)) => add(&mut self.agents_now, place(states, state), 1, |sum, one| sum + one),
            None => self.unknown_now += 1,
        }
        if let Some(ScheduledTime { total, offline }) = presence.scheduled {
            let sum = self.scheduled.unwrap_or(ScheduledTime { total: Micros::ZERO, offline: Micros::ZERO });
            self.scheduled = Some(ScheduledTime { total: sum.total + total, offline: sum.offline + offline });
        }
    }
}

/// The position of a state, which is added if it is new. Those beyond the limit share one.
fn place(states: &mut Vec<StateName>, state: &StateName) -> usize {
    // Agents share the allocations of names, so that comparing pointers suffices for most.
    let find = |states: &[StateName], state: &str| states.iter().position(|known| **known == *state);
    let shared = states.iter().position(|known| Arc::ptr_eq(known, state));
    if let Some(place) = shared.or_else(|| find(states, state)) {
        return place;
    }
    let state = if states.len() < MAX_STATES_PER_TEAM { Arc::clone(state) } else { Arc::from(OTHER_STATE) };
    find(states, &state).unwrap_or_else(|| {
        states.push(state);
        states.len() - 1
    })
}

/// Adds to the sum at `place`, for which `sums` are extended.
fn add<T: Default + Copy>(sums: &mut Vec<T>, place: usize, value: T, sum: impl Fn(T, T) -> T) {
    if sums.len() <= place {
        sums.resize(place + 1, T::default());
    }
    if let Some(known) = sums.get_mut(place) {
        *known = sum(*known, value);
    }
}
