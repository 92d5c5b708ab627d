//! The families of a tenant's status.

use crate::exposition::{Family, Kind};

/// The families of a tenant's status, in the order they are exposed.
pub const STATUS: &[&Family] = &[
    &UP,
    &REFRESH_DURATION_SECONDS,
    &WINDOW_START_TIMESTAMP_SECONDS,
    &WINDOW_END_TIMESTAMP_SECONDS,
    &REFRESH_LAST_SUCCESS_TIMESTAMP_SECONDS,
    &REFRESH_LAST_ATTEMPT_TIMESTAMP_SECONDS,
    &REFRESH_NOT_BEFORE_TIMESTAMP_SECONDS,
    &TOKEN_EXPIRY_TIMESTAMP_SECONDS,
    &AGENTS_DROPPED,
    &AGENTS_LISTED,
    &AGENTS_SELECTED,
    &AGENTS_UNCONFIRMED,
    &REFRESH_AGENTS,
    &REFRESH_LAST_ERROR_INFO,
];

/// Agents beyond the limit of the filter.
pub const AGENTS_DROPPED: Family = Family {
    name: "cxone_agents_dropped",
    help: "Agents that match agent_filter but exceed its max. Only with agents: all.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// Agents of the tenant's own list.
pub const AGENTS_LISTED: Family = Family {
    name: "cxone_agents_listed",
    help: "Agents in CXone's list. Only with agents: all, the same in every shard.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// Agents of the list that the filter selects.
pub const AGENTS_SELECTED: Family = Family {
    name: "cxone_agents_selected",
    help: "Agents in CXone's list that agent_filter selects, its max aside. Only with agents: all, the same in every shard.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// Agents of a reading of the tenant's own list that is not used yet.
pub const AGENTS_UNCONFIRMED: Family = Family {
    name: "cxone_agents_unconfirmed",
    help: "Agents in the last reading of CXone's list, while it is not used because it is empty or at most half as long as \
        the one before. Absent otherwise.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// Whether the last refresh succeeded.
pub const UP: Family = Family {
    name: "cxone_up",
    help: "Whether the last completed refresh succeeded in full. 0 before the first one.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// Where the window starts.
pub const WINDOW_START_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_window_start_timestamp_seconds",
    help: "Start of the window of the last refresh that succeeded in full.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// Where the window ends.
pub const WINDOW_END_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_window_end_timestamp_seconds",
    help: "End of the window of the last refresh that succeeded in full.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// When a refresh last succeeded.
pub const REFRESH_LAST_SUCCESS_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_refresh_last_success_timestamp_seconds",
    help: "End of the last refresh that succeeded in full.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// When a refresh last ended.
pub const REFRESH_LAST_ATTEMPT_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_refresh_last_attempt_timestamp_seconds",
    help: "End of the last refresh, successful or not.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// When the next refresh may start.
pub const REFRESH_NOT_BEFORE_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_refresh_not_before_timestamp_seconds",
    help: "Earliest start of the next refresh, by cooldown, back-off and Retry-After.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// How long the last refresh took.
pub const REFRESH_DURATION_SECONDS: Family = Family {
    name: "cxone_refresh_duration_seconds",
    help: "Duration of the last refresh.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// Agents by the age of their data.
pub const REFRESH_AGENTS: Family = Family {
    name: "cxone_refresh_agents",
    help: "Configured agents by their data: fresh from the last refresh, stale from an earlier one, missing without \
           data or with data older than max_staleness.",
    kind: Kind::Gauge,
    unit: None,
    labels: &["result"],
};

/// Why the last refresh failed.
pub const REFRESH_LAST_ERROR_INFO: Family = Family {
    name: "cxone_refresh_last_error_info",
    help: "Why the last refresh did not succeed in full: the reason, and the endpoint of the request that failed. Absent after \
           a full success.",
    kind: Kind::Info,
    unit: None,
    labels: &["endpoint", "reason"],
};

/// When the token expires.
pub const TOKEN_EXPIRY_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_token_expiry_timestamp_seconds",
    help: "Expiry of the current access token.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};
