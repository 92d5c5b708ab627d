//! The families of a snapshot's teams: sums of their agents.

use crate::exposition::{Family, Kind};

/// The families of teams, in the order they are exposed.
pub const TEAMS: &[&Family] = &[
    &TEAM_STATE_SECONDS,
    &TEAM_AGENTS,
    &TEAM_STATE_TIME_SECONDS_TOTAL,
    &TEAM_SCHEDULED_SECONDS,
    &TEAM_SCHEDULED_OFFLINE_SECONDS,
];

/// Time per team and state.
pub const TEAM_STATE_SECONDS: Family = Family {
    name: "cxone_team_state_seconds",
    help: "Time that the team's agents spent in the state within the window, summed.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["team", "state"],
};

/// Agents per team and current state.
pub const TEAM_AGENTS: Family = Family {
    name: "cxone_team_agents",
    help: "Agents of the team by their current state; __unknown__: without data, or several states in the newest data.",
    kind: Kind::Gauge,
    unit: None,
    labels: &["team", "state"],
};

/// Time per team and state since the first reading.
pub const TEAM_STATE_TIME_SECONDS_TOTAL: Family = Family {
    name: "cxone_team_state_time_seconds_total",
    help: "Time that agents spent in the state while they were of the team, since the exporter first read them. Never \
           decreases when agents join or leave. Only with counters.",
    kind: Kind::Counter,
    unit: Some("seconds"),
    labels: &["team", "state"],
};

/// Scheduled time per team.
pub const TEAM_SCHEDULED_SECONDS: Family = Family {
    name: "cxone_team_scheduled_seconds",
    help: "Part of the window that lies within the schedules of the team's agents, leave excluded, summed.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["team"],
};

/// Offline time within schedules per team.
pub const TEAM_SCHEDULED_OFFLINE_SECONDS: Family = Family {
    name: "cxone_team_scheduled_offline_seconds",
    help: "Part of the scheduled time that the team's agents spent in an offline state, summed.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["team"],
};
