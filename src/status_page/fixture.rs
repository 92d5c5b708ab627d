//! Snapshots for tests of the page.

use std::sync::Arc;
use std::time::Duration;

use crate::cli::fixture;
use crate::clock::Monotonic;
use crate::config::{Agent, Tenant};
use crate::presence::{AgentPresence, Micros, PresenceChartBuilder, StateName, Timestamp, Window};
use crate::refresh::{AgentData, AgentRow, Moment, Snapshot};

/// An hour in microseconds.
pub(super) const HOUR: u64 = 3_600_000_000;

/// A moment of the day of the test data.
pub(super) fn at(hour: i64) -> Timestamp {
    Timestamp::from_seconds(1_772_323_200 + hour * 3_600)
}

pub(super) fn day() -> Window {
    Window { start: at(0), end: at(24) }
}

/// An agent in these states, each from one hour to another.
pub(super) fn presence(spans: &[(&str, i64, i64)]) -> AgentPresence {
    let mut states: Vec<(StateName, Micros)> = Vec::new();
    let hours = |from: i64, to: i64| Micros::new(u64::try_from(to - from).unwrap() * HOUR);
    for (state, from, to) in spans {
        match states.iter_mut().find(|(name, _)| **name == **state) {
            Some((_, time)) => *time += hours(*from, *to),
            None => states.push((StateName::from(*state), hours(*from, *to))),
        }
    }
    states.sort();
    let mut strip = PresenceChartBuilder::default();
    for (state, from, to) in spans {
        let place = states.iter().position(|(name, _)| **name == **state).unwrap();
        for hour in *from..*to {
            let span = Window { start: at(hour), end: at(hour + 1) };
            strip.add(span, std::iter::once((place, Micros::new(HOUR))));
        }
    }
    let (state, from, to) = spans.last().unwrap();
    AgentPresence {
        folded: Vec::new(),
        observed: states.iter().map(|(_, time)| *time).sum(),
        current: Some((StateName::from(*state), hours(*from, *to))),
        unbroken_offline: None,
        last_data: at(*to),
        scheduled: None,
        chart: strip.finish(),
        timeline: None,
        parts: Default::default(),
        states,
    }
}

/// Agents 9, 10, …, alternately of two teams, each with an offline limit of eight hours.
pub(super) fn snapshot(presences: &[Option<AgentPresence>]) -> Snapshot {
    let agent = |number: usize| Agent {
        name: Some(format!("Agent {number}")),
        team: Some(if number % 2 == 1 { "Billing" } else { "Support" }.to_owned()),
        offline_limit: Some(Duration::from_secs(8 * 3_600)),
        ..fixture::agent(&number.to_string())
    };
    let agents = (9..).take(presences.len()).map(agent).collect();
    let tenant = Arc::new(Tenant { agents, ..fixture::tenant("acme", 0) });
    let read_at = Moment { monotonic: Monotonic::default(), utc: at(24) };
    let row = |presence: &Option<AgentPresence>| AgentRow {
        data: presence.is_some().then(|| Arc::new(AgentData { presence: presence.clone(), window: day(), read_at })),
    };
    Snapshot { rows: presences.iter().map(row).collect(), tenant, counters: Arc::default() }
}

/// Different agents, some of them without data.
pub(super) fn many(agents: usize) -> Snapshot {
    let one = |number: usize| {
        let states = ["Available", "Busy", "WrapUp", "Offline"];
        let change = i64::try_from(number * 7 % 23).unwrap() + 1;
        let (before, after) = (states[number % 4], states[number * 3 / 4 % 4]);
        (number % 11 != 3).then(|| presence(&[(before, 0, change), (after, change, 24)]))
    };
    snapshot(&(0..agents).map(one).collect::<Vec<_>>())
}
