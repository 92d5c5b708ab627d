//! The families of the exporter and its process.

use crate::exposition::{Family, Kind};

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

const fn process_gauge(name: &'static str, help: &'static str, unit: Option<&'static str>) -> Family {
    Family { name, help, kind: Kind::Gauge, unit, labels: &[] }
}
