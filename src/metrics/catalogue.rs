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

/// Scheduled time.
pub const AGENT_SCHEDULED_SECONDS: Family = Family {
    name: "cxone_agent_scheduled_seconds",
    help: "Part of the window that lies within the agent's schedule.",
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

/// States that are neither documented nor configured.
pub const STATES_UNKNOWN: Family = Family {
    name: "cxone_states_unknown",
    help: "Number of states in the data that are neither documented nor configured. They are exposed unchanged.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

// === A tenant's status ===

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

/// When the token expires.
pub const TOKEN_EXPIRY_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_token_expiry_timestamp_seconds",
    help: "Expiry of the current access token.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

// === A tenant's counters ===

/// Refreshes by result.
pub const REFRESHES_TOTAL: Family = Family {
    name: "cxone_refreshes_total",
    help: "Completed refreshes: with the data of all agents (success), of some (partial) or of none (failure).",
    kind: Kind::Counter,
    unit: None,
    labels: &["result"],
};

/// Requests by result.
pub const API_REQUESTS_TOTAL: Family = Family {
    name: "cxone_api_requests_total",
    help: "Requests to CXone by HTTP status, or timeout, connect or decode for those that failed otherwise.",
    kind: Kind::Counter,
    unit: None,
    labels: &["endpoint", "code"],
};

/// How long requests took.
pub const API_REQUEST_DURATION_SECONDS: Family = Family {
    name: "cxone_api_request_duration_seconds",
    help: "Time from sending a request to CXone to the end of its response.",
    kind: Kind::Histogram,
    unit: Some("seconds"),
    labels: &["endpoint"],
};

/// Requests sent again.
pub const API_RETRIES_TOTAL: Family = Family {
    name: "cxone_api_retries_total",
    help: "Requests to CXone that were retried.",
    kind: Kind::Counter,
    unit: None,
    labels: &[],
};

/// The current request budget.
pub const API_REQUESTS_PER_MINUTE_LIMIT: Family = Family {
    name: "cxone_api_requests_per_minute_limit",
    help: "Current request budget per minute: max_requests_per_minute, lowered for a while after a 429. Only if that key is \
           configured.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// Time waited for the request budget.
pub const API_BUDGET_WAIT_SECONDS_TOTAL: Family = Family {
    name: "cxone_api_budget_wait_seconds_total",
    help: "Time that requests to CXone waited for the request budget. Only if max_requests_per_minute is configured.",
    kind: Kind::Counter,
    unit: Some("seconds"),
    labels: &[],
};

/// Bytes received.
pub const API_RESPONSE_BYTES_TOTAL: Family = Family {
    name: "cxone_api_response_bytes_total",
    help: "Bytes of responses from CXone, after decompression.",
    kind: Kind::Counter,
    unit: Some("bytes"),
    labels: &[],
};

/// Capped waits.
pub const RETRY_AFTER_CAPPED_TOTAL: Family = Family {
    name: "cxone_retry_after_capped_total",
    help: "Responses with a Retry-After above the limit of one hour.",
    kind: Kind::Counter,
    unit: None,
    labels: &[],
};

/// The difference of the clocks.
pub const CLOCK_SKEW_SECONDS: Family = Family {
    name: "cxone_clock_skew_seconds",
    help: "Clock of CXone minus the clock of this machine, by the Date of the last response. 0 if the difference is below a \
           minute.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// Rejected records.
pub const RECORDS_REJECTED_TOTAL: Family = Family {
    name: "cxone_records_rejected_total",
    help: "Records from CXone that were rejected in whole or in part, by reason.",
    kind: Kind::Counter,
    unit: None,
    labels: &["reason"],
};

/// Scrapes by the data served.
pub const EXPORTER_SCRAPES_TOTAL: Family = Family {
    name: "cxone_exporter_scrapes_total",
    help: "Scrapes by the data served: fresh from a refresh during the scrape, younger than the cooldown, stale, or none.",
    kind: Kind::Counter,
    unit: None,
    labels: &["served"],
};

/// Samples that are missing from the exposition.
pub const EXPORTER_SAMPLES_LEFT_OUT_TOTAL: Family = Family {
    name: "cxone_exporter_samples_left_out_total",
    help: "Samples left out because they would have made the exposition invalid.",
    kind: Kind::Counter,
    unit: None,
    labels: &["reason"],
};

/// Failures of the tenant's file.
pub const EXPORTER_STORAGE_ERRORS_TOTAL: Family = Family {
    name: "cxone_exporter_storage_errors_total",
    help: "Failed operations on the tenant's file below --storage.path: reading it, recording the start of a refresh (attempt), \
           writing it.",
    kind: Kind::Counter,
    unit: None,
    labels: &["operation"],
};

/// When the tenant's file was written.
pub const EXPORTER_STORAGE_LAST_WRITE_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_exporter_storage_last_write_timestamp_seconds",
    help: "Time of the last write of the tenant's file below --storage.path.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// The shard of this exporter. It is among each tenant's series, so that rules can use it.
pub const EXPORTER_SHARD_INDEX: Family = Family {
    name: "cxone_exporter_shard_index",
    help: "Index of this exporter's shard, from 0. Only with --shard.total.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// The number of shards.
pub const EXPORTER_SHARDS: Family = Family {
    name: "cxone_exporter_shards",
    help: "Number of shards. Only with --shard.total.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

// === The exporter as a process ===

/// The build.
pub const EXPORTER_BUILD_INFO: Family = Family {
    name: "cxone_exporter_build_info",
    help: "Version of the exporter, its revision and its compiler.",
    kind: Kind::Info,
    unit: None,
    labels: &["version", "revision", "rustc"],
};

/// Whether the last load of the configuration succeeded.
pub const EXPORTER_CONFIG_LAST_RELOAD_SUCCESSFUL: Family = Family {
    name: "cxone_exporter_config_last_reload_successful",
    help: "Whether the last load of the configuration succeeded.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// When the configuration was loaded.
pub const EXPORTER_CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP_SECONDS: Family = Family {
    name: "cxone_exporter_config_last_reload_success_timestamp_seconds",
    help: "Time of the last successful load of the configuration.",
    kind: Kind::Gauge,
    unit: Some("seconds"),
    labels: &[],
};

/// Whether the last read of the web configuration succeeded; only if one is used.
pub const EXPORTER_WEB_CONFIG_LAST_RELOAD_SUCCESSFUL: Family = Family {
    name: "cxone_exporter_web_config_last_reload_successful",
    help: "Whether the last read of the web configuration file succeeded.",
    kind: Kind::Gauge,
    unit: None,
    labels: &[],
};

/// Rejected clients.
pub const EXPORTER_HTTP_REJECTED_TOTAL: Family = Family {
    name: "cxone_exporter_http_rejected_total",
    help: "Connections and requests that the exporter rejected, by reason.",
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
    &AGENTS_LISTED,
    &AGENTS_SELECTED,
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

/// The family that changes with every scrape.
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
