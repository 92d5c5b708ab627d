//! Counters of teams whose agents join, leave and change, against a slow count of seconds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::tests::{STATES, Server, counting_tenant, refreshed, seconds, server, snapshot};
use super::*;
use crate::config::Agent;
use crate::presence::OTHER_STATE;
use crate::refresh::counters::StateCounters;
use crate::refresh::{AgentRow, Snapshot};

const TEAMS: [Option<&str>; 3] = [None, Some("Billing"), Some("Claims")];
const AGENTS: usize = 3;

/// Seconds by team and state.
type Seconds = BTreeMap<(String, usize), i64>;

/// The tenant with these agents, each in a team.
fn tenant(members: &[(usize, Option<&str>)]) -> Arc<Tenant> {
    let tenant = counting_tenant();
    let agent = |(number, team): &(usize, Option<&str>)| Agent {
        id: number.to_string().into(),
        team: team.map(str::to_owned),
        ..tenant.agents[0].clone()
    };
    Arc::new(Tenant { agents: members.iter().map(agent).collect(), ..Tenant::clone(&tenant) })
}

/// A reading of these agents at `now`.
fn reading(servers: &[Server], members: &[(usize, Option<&str>)], now: i64) -> Snapshot {
    let tenant = tenant(members);
    let rows: Vec<AgentRow> = members
        .iter()
        .map(|(number, _)| snapshot(&tenant, servers[*number].presence(now), now).rows.swap_remove(0))
        .collect();
    Snapshot { rows, ..Snapshot::empty(tenant) }
}

fn team_seconds(counters: &StateCounters) -> Seconds {
    let of = |(team, counter): (&Arc<str>, &TeamCounter)| {
        let time = |(name, time): &(StateName, Micros)| {
            let state = STATES.iter().position(|state| **state == **name).unwrap();
            ((team.to_string(), state), i64::try_from(time.get() / 1_000_000).unwrap())
        };
        counter.states.iter().map(time).filter(|(_, seconds)| *seconds > 0).collect::<Vec<_>>()
    };
    counters.teams.0.iter().flat_map(of).collect()
}

/// Steps of time, each with the team of every agent; `None`: it is not configured.
fn steps(longest: i64, may_leave: bool) -> impl Strategy<Value = Vec<(i64, Vec<Option<usize>>)>> {
    let absent = if may_leave { 1 } else { 0 };
    let team = prop_oneof![4 => (0..TEAMS.len()).prop_map(Some), absent => Just(None)];
    prop::collection::vec((1..longest, prop::collection::vec(team, AGENTS)), 1..40)
}

fn members(teams: &[Option<usize>]) -> Vec<(usize, Option<&'static str>)> {
    let member = |(number, team): (usize, &Option<usize>)| Some((number, TEAMS[(*team)?]));
    teams.iter().enumerate().filter_map(member).collect()
}

proptest! {
    /// Each second counts for the team of its agent at the reading that first has it.
    #[test]
    fn team_counters_equal_the_slow_count(
        servers in prop::collection::vec(server(0, 0), AGENTS),
        steps in steps(40, false),
    ) {
        let mut counters = StateCounters::default();
        let (mut now, mut read_to) = (300, None);
        let mut expected = Seconds::new();
        for (after, teams) in steps {
            now += after;
            let members = members(&teams);
            for (number, team) in &members {
                let team = team.unwrap_or_default();
                for (state, seconds) in servers[*number].count(read_to.unwrap_or(now), now, |_| true) {
                    *expected.entry((team.to_owned(), state)).or_default() += seconds;
                }
            }
            read_to = Some(now);
            counters = refreshed(&counters, &reading(&servers, &members, now));
            prop_assert_eq!(team_seconds(&counters), expected.clone(), "at {}", now);
        }
    }

    /// Late rows, corrections and outages, agents that leave, come back and change: no counter decreases, and the teams together have
    /// the time of all agents that were ever read, once.
    #[test]
    fn team_counters_are_monotone_and_sum_up_all_agents(
        servers in prop::collection::vec(server(40, 90), AGENTS),
        steps in steps(120, true),
    ) {
        let mut counters = StateCounters::default();
        let (mut now, mut before) = (300, Seconds::new());
        for (after, teams) in steps {
            now += after;
            let at_last = counters.clone();
            counters = refreshed(&counters, &reading(&servers, &members(&teams), now));
            let is = team_seconds(&counters);
            prop_assert!(before.iter().all(|(of, seconds)| is[of] >= *seconds), "{before:?} {is:?}");

            let mut rises = Seconds::new();
            let mut all = BTreeMap::<usize, i64>::new();
            for (number, team) in teams.iter().enumerate() {
                let (old, new) = (seconds(&at_last, number), seconds(&counters, number));
                for (state, time) in new {
                    *all.entry(state).or_default() += time;
                    let rise = time - old.get(&state).copied().unwrap_or_default();
                    if let Some(team) = team.filter(|_| rise > 0) {
                        *rises.entry((TEAMS[team].unwrap_or_default().to_owned(), state)).or_default() += rise;
                    }
                }
            }
            for (of, time) in &is {
                let rise = rises.get(of).copied().unwrap_or_default();
                prop_assert_eq!(time - before.get(of).copied().unwrap_or_default(), rise, "{:?} at {}", of, now);
            }
            let mut by_state = BTreeMap::<usize, i64>::new();
            is.iter().for_each(|((_, state), time)| *by_state.entry(*state).or_default() += time);
            prop_assert_eq!(by_state, all);
            before = is;
        }
    }
}

#[test]
fn team_counters_of_former_teams_and_of_states_are_bounded() {
    let mut teams = TeamCounters::default();
    let former = |nth: usize| {
        let read_to = Timestamp::from_micros(i64::try_from(nth).unwrap());
        (Arc::from(format!("Team {nth}")), TeamCounter { read_to, ..TeamCounter::default() })
    };
    teams.0.extend((0..MAX_FORMER_TEAMS + 7).map(former));
    teams.drop_former_teams(&tenant(&[(0, Some("Team 3"))]));
    assert_eq!(teams.0.len(), MAX_FORMER_TEAMS + 1);
    assert!(teams.0.contains_key("Team 3"), "a team with agents stays");
    assert!(!teams.0.contains_key("Team 6") && teams.0.contains_key("Team 7"), "those read last stay");

    let mut counter = TeamCounter::default();
    for nth in 0..300 {
        counter.add(&format!("State {nth}").into(), Micros::from_seconds(1));
    }
    assert_eq!(counter.states.len(), MAX_STATES_PER_TEAM + 1);
    let (name, time) = counter.states.last().unwrap();
    assert_eq!((&**name, *time), (OTHER_STATE, Micros::from_seconds(44)));
}
