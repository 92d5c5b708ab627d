//! The families of a tenant's instruments.

use crate::exposition::{Family, Kind};

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
