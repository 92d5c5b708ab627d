//! The families of a snapshot: from the last refresh.

use crate::exposition::{Family, Kind};

/// The families of a snapshot, in the order they are exposed.
pub const AGENTS: &[&Family] = &[
    &AGENT_STATE_SECONDS,
    &AGENT_STATE_TIME_SECONDS_TOTAL,
    &AGENT_OBSERVED_SECONDS,
    &AGENT_CURRENT_STATE_SECONDS,
    &AGENT_OFFLINE_SECONDS,
    &AGENT_LAST_DATA_TIMESTAMP_SECONDS,
    &AGENT_INFO,
    &AGENT_OFFLINE_LIMIT_SECONDS,
    &AGENT_ABSENT_LIMIT_SECONDS,
    &AGENT_LIMITED_OFFLINE_SECONDS,
    &AGENT_SCHEDULED_SECONDS,
    &AGENT_SCHEDULED_OFFLINE_SECONDS,
    &AGENT_ON_SHIFT,
    &AGENT_ABSENT_SECONDS,
    &STATES_UNKNOWN,
    &COOLDOWN_SECONDS,
    &MAX_STALENESS_SECONDS,
];

/// Time per agent and state.
pub const AGENT_STATE_SECONDS: Family = Family {
    name: "cxone_agent_state_seconds",
    help: "Time the agent spent in the state within the window, which ends at the last refresh. Values are cached: \
           a scrape is answered from the last refresh, and there is at most one refresh per cooldown.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent", "state"],
};

/// Time per agent and state since the first reading.
pub const AGENT_STATE_TIME_SECONDS_TOTAL: Family = Family {
    name: "cxone_agent_state_time_seconds_total",
    help: "Time the agent spent in the state since the exporter first read the agent. Never decreases: where CXone corrects \
           a state downwards, it waits until the truth catches up. Only with counters.",
    kind: Kind::Counter,
    unit: Some("seconds"),
    labels: &["agent", "state"],
};

/// Time with a known state.
pub const AGENT_OBSERVED_SECONDS: Family = Family {
    name: "cxone_agent_observed_seconds",
    help: "Part of the window with a known state. 0 if CXone reported nothing of the agent.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// Unbroken time in the newest state.
pub const AGENT_CURRENT_STATE_SECONDS: Family = Family {
    name: "cxone_agent_current_state_seconds",
    help: "Unbroken time in the newest state, up to the newest data. A lower bound with the precision of the interval; \
           absent while the newest interval has several states.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent", "state"],
};

/// Unbroken offline time.
pub const AGENT_OFFLINE_SECONDS: Family = Family {
    name: "cxone_agent_offline_seconds",
    help: "Unbroken time in offline states, up to the newest data; 0 while not offline. Absent while unknown.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// The end of an agent's data.
pub const AGENT_LAST_DATA_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_agent_last_data_timestamp_seconds",
    help: "End of the newest data of the agent, never after the window's end.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// Name and team of an agent.
pub const AGENT_INFO: Family = Family {
    name: "cxone_agent_info",
    help: "Name and team of a configured agent, empty where they are not configured.",
    kind: Kind::Info,
    unit: None,
    labels: &["agent", "name", "team"],
};

/// The limit of offline time.
pub const AGENT_OFFLINE_LIMIT_SECONDS: Family = Family {
    name: "cxone_agent_offline_limit_seconds",
    help: "Limit of offline time within the window, from the configuration.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// The limit of absence.
pub const AGENT_ABSENT_LIMIT_SECONDS: Family = Family {
    name: "cxone_agent_absent_limit_seconds",
    help: "Limit of unbroken offline time within a shift, from the configuration. Only with a schedule.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// The offline time that the limit applies to.
pub const AGENT_LIMITED_OFFLINE_SECONDS: Family = Family {
    name: "cxone_agent_limited_offline_seconds",
    help: "Offline time within the window that the offline limit applies to: scheduled time only if the agent has a schedule, \
           otherwise all. Only with an offline limit.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// Scheduled time.
pub const AGENT_SCHEDULED_SECONDS: Family = Family {
    name: "cxone_agent_scheduled_seconds",
    help: "Part of the window that lies within the agent's schedule, leave excluded.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// Offline time within the schedule.
pub const AGENT_SCHEDULED_OFFLINE_SECONDS: Family = Family {
    name: "cxone_agent_scheduled_offline_seconds",
    help: "Part of the scheduled time that the agent spent in an offline state. The states of an interval are assumed \
           to be spread evenly over it.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// Whether an agent is on shift.
pub const AGENT_ON_SHIFT: Family = Family {
    name: "cxone_agent_on_shift",
    help: "Whether the agent is scheduled and not on leave at the window's end. Only with a schedule.",
    kind: Kind::Gauge,
    unit: None,
    labels: &["agent"],
};

/// Unbroken offline time within the current shift.
pub const AGENT_ABSENT_SECONDS: Family = Family {
    name: "cxone_agent_absent_seconds",
    help: "Unbroken offline time within the current shift; 0 while present or off shift. Only with a schedule.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// States that are neither documented nor configured.
pub const STATES_UNKNOWN: Family = Family {
    name: "cxone_states_unknown",
    help: "Number of states in the data that are neither documented nor configured. They are exposed unchanged.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// The shortest time between the starts of two refreshes.
pub const COOLDOWN_SECONDS: Family = Family {
    name: "cxone_cooldown_seconds",
    help: "Shortest time between the starts of two refreshes, from the configuration.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// The age at which data is no longer exposed.
pub const MAX_STALENESS_SECONDS: Family = Family {
    name: "cxone_max_staleness_seconds",
    help: "Age at which the data of an agent is no longer exposed, from the configuration.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};
