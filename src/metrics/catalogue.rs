//! Every family that is ever exposed, as constants. Documentation and dashboards are tested against [`ALL`].

use crate::exposition::{Family, Kind};

// === Agents: from the last refresh ===

/// Time per agent and state.
pub const AGENT_STATE_SECONDS: Family = Family {
    name: "cxone_agent_state_seconds",
    help: "Time the agent spent in the state within the window, which ends at the last refresh. Values are cached: \
           a scrape is answered from the last refresh, and there is at most one refresh per cooldown.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent", "state"],
};

/// The part of the window that is accounted for.
pub const AGENT_OBSERVED_SECONDS: Family = Family {
    name: "cxone_agent_observed_seconds",
    help: "Part of the window that any state accounts for. 0 means that nothing is known of a configured agent.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// Unbroken time in the newest state.
pub const AGENT_CURRENT_STATE_SECONDS: Family = Family {
    name: "cxone_agent_current_state_seconds",
    help: "Unbroken time in the newest state, up to the newest data. It is a lower bound, as exact as the interval \
           asked for, and absent while the newest interval holds several states.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent", "state"],
};

/// How far an agent's data reaches.
pub const AGENT_LAST_DATA_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_agent_last_data_timestamp_seconds",
    help: "End of the newest data of the agent, never after the window's end.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// Who an agent is.
pub const AGENT_INFO: Family = Family {
    name: "cxone_agent_info",
    help: "Name and team of a configured agent, empty where they are not configured.",
    kind: Kind::Info,
    unit: None,
    labels: &["agent", "name", "team"],
};

/// How long an agent may be offline.
pub const AGENT_OFFLINE_LIMIT_SECONDS: Family = Family {
    name: "cxone_agent_offline_limit_seconds",
    help: "How long the agent may be offline within the window, from the configuration.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// How long an agent was expected to work.
pub const AGENT_SCHEDULED_SECONDS: Family = Family {
    name: "cxone_agent_scheduled_seconds",
    help: "Part of the window that lies within the agent's schedule.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// How long an agent was offline when expected to work.
pub const AGENT_SCHEDULED_OFFLINE_SECONDS: Family = Family {
    name: "cxone_agent_scheduled_offline_seconds",
    help: "Part of the scheduled time that the agent spent in an offline state. The states of an interval are taken \
           as spread evenly over it.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &["agent"],
};

/// States that are neither documented nor configured.
pub const STATES_UNKNOWN: Family = Family {
    name: "cxone_states_unknown",
    help: "Different states in the data that are neither documented nor configured. They are exposed as they come.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

// === A tenant's status: the freshness contract ===

/// Agents that there is no room for.
pub const AGENTS_DROPPED: Family = Family {
    name: "cxone_agents_dropped",
    help: "Agents that agent_filter takes but for its max. Only with agents: all.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// Whether the last refresh succeeded.
pub const UP: Family = Family {
    name: "cxone_up",
    help: "Whether the last refresh that ended succeeded in full. 0 before the first one has ended.",
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
    help: "When the last refresh that succeeded in full ended.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// When a refresh last ended.
pub const REFRESH_LAST_ATTEMPT_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_refresh_last_attempt_timestamp_seconds",
    help: "When the last refresh ended, whatever came of it.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// When the next refresh may start.
pub const REFRESH_NOT_BEFORE_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_refresh_not_before_timestamp_seconds",
    help: "No refresh starts before this time, because of the cooldown, of back-off or of Retry-After.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// How long the last refresh took.
pub const REFRESH_DURATION_SECONDS: Family = Family {
    name: "cxone_refresh_duration_seconds",
    help: "How long the last refresh took.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// Agents by the age of their data.
pub const REFRESH_AGENTS: Family = Family {
    name: "cxone_refresh_agents",
    help: "Configured agents by their data: fresh from the last refresh, stale from an earlier one, missing where \
           there is none or it is too old to be exposed.",
    kind: Kind::Gauge,
    unit: None,
    labels: &["result"],
};

/// When the token expires.
pub const TOKEN_EXPIRY_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_token_expiry_timestamp_seconds",
    help: "When the access token in hand expires.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

// === A tenant's instruments: counted as it happens ===

/// Refreshes by how they ended.
pub const REFRESHES_TOTAL: Family = Family {
    name: "cxone_refreshes_total",
    help: "Refreshes that ended: with the data of all agents (success), of some (partial) or of none (failure).",
    kind: Kind::Counter,
    unit: None,
    labels: &["result"],
};

/// Requests by how they ended.
pub const API_REQUESTS_TOTAL: Family = Family {
    name: "cxone_api_requests_total",
    help: "Requests to CXone by HTTP status, or by timeout, connect or decode where no status tells how they ended.",
    kind: Kind::Counter,
    unit: None,
    labels: &["endpoint", "code"],
};

/// How long requests took.
pub const API_REQUEST_DURATION_SECONDS: Family = Family {
    name: "cxone_api_request_duration_seconds",
    help: "Time from sending a request to CXone to the end of its answer.",
    kind: Kind::Histogram,
    unit: Some("seconds"),
    labels: &["endpoint"],
};

/// Requests sent again.
pub const API_RETRIES_TOTAL: Family = Family {
    name: "cxone_api_retries_total",
    help: "Requests to CXone that were sent again after a failure.",
    kind: Kind::Counter,
    unit: None,
    labels: &[],
};

/// How many requests the budget allows.
pub const API_REQUESTS_PER_MINUTE_LIMIT: Family = Family {
    name: "cxone_api_requests_per_minute_limit",
    help: "Requests to CXone that the budget allowed in any minute when the last one was sent: max_requests_per_minute, and \
           less for a while after a 429. Only where that is configured.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// How long the budget held requests back.
pub const API_BUDGET_WAIT_SECONDS_TOTAL: Family = Family {
    name: "cxone_api_budget_wait_seconds_total",
    help: "Time for which the next request to CXone was held back by the budget. Only where max_requests_per_minute is \
           configured.",
    kind: Kind::Counter,
    unit: Some("seconds"),
    labels: &[],
};

/// Bytes received.
pub const API_RESPONSE_BYTES_TOTAL: Family = Family {
    name: "cxone_api_response_bytes_total",
    help: "Bytes of answers from CXone, after decompression.",
    kind: Kind::Counter,
    unit: Some("bytes"),
    labels: &[],
};

/// Waits that were cut short.
pub const RETRY_AFTER_CAPPED_TOTAL: Family = Family {
    name: "cxone_retry_after_capped_total",
    help: "Answers whose Retry-After asked for a longer wait than is granted.",
    kind: Kind::Counter,
    unit: None,
    labels: &[],
};

/// How far the two clocks are apart.
pub const CLOCK_SKEW_SECONDS: Family = Family {
    name: "cxone_clock_skew_seconds",
    help: "How far the clock of CXone was ahead of this machine's (negative: behind) at its last answer with a Date. 0 while \
           the two are within a minute.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// Input that was not counted.
pub const RECORDS_REJECTED_TOTAL: Family = Family {
    name: "cxone_records_rejected_total",
    help: "Records from CXone that were not counted, or not in full, by what is wrong with them.",
    kind: Kind::Counter,
    unit: None,
    labels: &["reason"],
};

/// Scrapes by what they were given.
pub const EXPORTER_SCRAPES_TOTAL: Family = Family {
    name: "cxone_exporter_scrapes_total",
    help: "Scrapes by the data they were given: fresh from a refresh during the scrape, younger than the cooldown, \
           stale, or none.",
    kind: Kind::Counter,
    unit: None,
    labels: &["served"],
};

/// Samples that are missing from the exposition.
pub const EXPORTER_SAMPLES_LEFT_OUT_TOTAL: Family = Family {
    name: "cxone_exporter_samples_left_out_total",
    help: "Samples of agents that were not exposed, as with them the whole exposition would have been invalid.",
    kind: Kind::Counter,
    unit: None,
    labels: &["reason"],
};

/// Failures of the tenant's file.
pub const EXPORTER_STORAGE_ERRORS_TOTAL: Family = Family {
    name: "cxone_exporter_storage_errors_total",
    help: "Times that the tenant's file below --storage.path could not be read, could not be told that a refresh starts \
           (attempt), or could not be written.",
    kind: Kind::Counter,
    unit: None,
    labels: &["operation"],
};

/// When the tenant's file was written.
pub const EXPORTER_STORAGE_LAST_WRITE_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_exporter_storage_last_write_timestamp_seconds",
    help: "When the tenant's file below --storage.path was last written.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// Which part of the tenant this exporter has. It stands with each tenant's series, so that rules can tell the part.
pub const EXPORTER_SHARD_INDEX: Family = Family {
    name: "cxone_exporter_shard_index",
    help: "Which of the shards that share the agents of every tenant this exporter is, from 0. Only with --shard.total.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// How many shards there are.
pub const EXPORTER_SHARDS: Family = Family {
    name: "cxone_exporter_shards",
    help: "How many shards share the agents of every tenant. Only with --shard.total.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

// === The exporter as a process ===

/// What is running.
pub const EXPORTER_BUILD_INFO: Family = Family {
    name: "cxone_exporter_build_info",
    help: "Version of the exporter, and the revision and compiler it was built with.",
    kind: Kind::Info,
    unit: None,
    labels: &["version", "revision", "rustc"],
};

/// Whether the configuration is the one on disk.
pub const EXPORTER_CONFIG_LAST_RELOAD_SUCCESSFUL: Family = Family {
    name: "cxone_exporter_config_last_reload_successful",
    help: "Whether the configuration could be used when it was last loaded.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// When the configuration was loaded.
pub const EXPORTER_CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_exporter_config_last_reload_success_timestamp_seconds",
    help: "When the configuration in use was loaded.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// Whether the web configuration is in order; only where there is one.
pub const EXPORTER_WEB_CONFIG_LAST_RELOAD_SUCCESSFUL: Family = Family {
    name: "cxone_exporter_web_config_last_reload_successful",
    help: "Whether the web configuration file was right when it was last read.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// Clients that were turned away.
pub const EXPORTER_HTTP_REJECTED_TOTAL: Family = Family {
    name: "cxone_exporter_http_rejected_total",
    help: "Connections and requests to the exporter that were turned away because of a limit.",
    kind: Kind::Counter,
    unit: None,
    labels: &["reason"],
};

/// Processor time.
pub const PROCESS_CPU_SECONDS_TOTAL: Family = Family {
    name: "process_cpu_seconds_total",
    help: "Total user and system CPU time spent in seconds.",
    kind: Kind::Counter,
    unit: Some("seconds"),
    labels: &[],
};

/// Open files.
pub const PROCESS_OPEN_FDS: Family = process_gauge("process_open_fds", "Number of open file descriptors.", None);

/// Files that may be open.
pub const PROCESS_MAX_FDS: Family = process_gauge("process_max_fds", "Maximum number of open file descriptors.", None);

/// Virtual memory.
pub const PROCESS_VIRTUAL_MEMORY_BYTES: Family =
    process_gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", Some("bytes"));

/// Resident memory.
pub const PROCESS_RESIDENT_MEMORY_BYTES: Family =
    process_gauge("process_resident_memory_bytes", "Resident memory size in bytes.", Some("bytes"));

/// When the process started.
pub const PROCESS_START_TIME_SECONDS: Family = process_gauge(
    "process_start_time_seconds",
    "Start time of the process since unix epoch in seconds.",
    Some("seconds"),
);

/// Threads.
pub const PROCESS_THREADS: Family = process_gauge("process_threads", "Number of OS threads in the process.", None);

/// The families of a snapshot, in the order they are exposed.
pub const AGENTS: &[&Family] = &[
    &AGENT_STATE_SECONDS,
    &AGENT_OBSERVED_SECONDS,
    &AGENT_CURRENT_STATE_SECONDS,
    &AGENT_LAST_DATA_TIMESTAMP_SECONDS,
    &AGENT_INFO,
    &AGENT_OFFLINE_LIMIT_SECONDS,
    &AGENT_SCHEDULED_SECONDS,
    &AGENT_SCHEDULED_OFFLINE_SECONDS,
    &STATES_UNKNOWN,
];

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
    &REFRESH_AGENTS,
];

/// The families of a tenant's instruments, in the order they are exposed.
pub const TENANT: &[&Family] = &[
    &REFRESHES_TOTAL,
    &API_REQUESTS_TOTAL,
    &API_REQUEST_DURATION_SECONDS,
    &API_RETRIES_TOTAL,
    &API_REQUESTS_PER_MINUTE_LIMIT,
    &API_BUDGET_WAIT_SECONDS_TOTAL,
    &API_RESPONSE_BYTES_TOTAL,
    &RETRY_AFTER_CAPPED_TOTAL,
    &CLOCK_SKEW_SECONDS,
    &RECORDS_REJECTED_TOTAL,
    &EXPORTER_SAMPLES_LEFT_OUT_TOTAL,
    &EXPORTER_STORAGE_ERRORS_TOTAL,
    &EXPORTER_STORAGE_LAST_WRITE_TIMESTAMP_SECONDS,
    &EXPORTER_SHARD_INDEX,
    &EXPORTER_SHARDS,
];

/// What changes with every scrape.
pub const SCRAPE: &[&Family] = &[&EXPORTER_SCRAPES_TOTAL];

/// The families of the exporter itself, in the order they are exposed.
pub const EXPORTER: &[&Family] = &[
    &EXPORTER_BUILD_INFO,
    &EXPORTER_CONFIG_LAST_RELOAD_SUCCESSFUL,
    &EXPORTER_CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP_SECONDS,
    &EXPORTER_WEB_CONFIG_LAST_RELOAD_SUCCESSFUL,
    &EXPORTER_HTTP_REJECTED_TOTAL,
];

/// The families of the prometheus crate's process collector, in the order they are exposed.
pub const PROCESS: &[&Family] = &[
    &PROCESS_CPU_SECONDS_TOTAL,
    &PROCESS_OPEN_FDS,
    &PROCESS_MAX_FDS,
    &PROCESS_VIRTUAL_MEMORY_BYTES,
    &PROCESS_RESIDENT_MEMORY_BYTES,
    &PROCESS_START_TIME_SECONDS,
    &PROCESS_THREADS,
];

/// Every family, in groups, in the order they are exposed.
pub const ALL: [&[&Family]; 6] = [AGENTS, STATUS, TENANT, SCRAPE, EXPORTER, PROCESS];

/// Every family of [`ALL`], one by one.
pub fn all() -> impl Iterator<Item = &'static Family> {
    ALL.into_iter().flatten().copied()
}

const fn process_gauge(name: &'static str, help: &'static str, unit: Option<&'static str>) -> Family {
    Family { name, help, kind: Kind::Gauge, unit, labels: &[] }
}

/// A family that could not be exposed does not compile.
const _: () = {
    let mut groups: &[&[&Family]] = &ALL;
    while let [group, others @ ..] = groups {
        let mut families: &[&Family] = group;
        while let [family, rest @ ..] = families {
            assert!(family.check().is_ok());
            families = rest;
        }
        groups = others;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn family_names_are_unique_and_do_not_clash() {
        let families: Vec<_> = all().collect();
        for (position, one) in families.iter().enumerate() {
            for other in &families[position + 1..] {
                assert!(!one.clashes_with(other), "{} and {}", one.name, other.name);
            }
        }
    }

    #[test]
    fn every_help_is_a_sentence_in_one_line() {
        for family in all() {
            assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{}", family.name);
            assert!(!family.help.contains("  "), "{}", family.name);
        }
    }
}
