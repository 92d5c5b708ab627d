//! Lists every key of the files and every environment variable.
//!
//! This table is the only place of a key's default: the readers parse its text like the value of a file. A test compares
//! the documentation with the table.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A key of the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The path of the key: `[]` after a list, `*` for an arbitrary name.
    pub path: &'static str,
    /// The default.
    pub default: Default,
    /// The meaning, in one line.
    pub meaning: &'static str,
}

/// The default of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// It must be given.
    Required,
    /// One of the keys so marked in the same mapping must be given.
    Alternative,
    /// There is no default value.
    None,
    /// This value, as it would be written.
    Value(&'static str),
}

/// An environment variable, read if there is no configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The equivalent key under `tenants[]`.
    pub key: &'static str,
    /// The meaning, in one line.
    pub meaning: &'static str,
}

/// The mapping at the top of the file.
pub(crate) const ROOT: &str = "";
/// An entry of `tenants`.
pub(crate) const TENANT: &str = "tenants[]";
/// An entry of a tenant's `teams`.
pub(crate) const TEAM: &str = "tenants[].teams.*";
/// An entry of a tenant's `agents`, and the columns of its `agents_file`.
pub(crate) const AGENT: &str = "tenants[].agents[]";
/// An entry of an agent's `leave`, and with `id` the columns of a tenant's `leave_file`.
pub(crate) const LEAVE: &str = "tenants[].agents[].leave[]";
/// A tenant's `agent_filter`.
pub(crate) const AGENT_FILTER: &str = "tenants[].agent_filter";
/// An entry of `schedules`.
pub(crate) const SCHEDULE: &str = "schedules.*";

/// The mapping at the top of the web configuration file, which is a file of its own.
pub(crate) const WEB: &str = "web";
/// Its `tls_server_config`.
pub(crate) const WEB_TLS: &str = "web.tls_server_config";
/// Its `http_server_config`.
pub(crate) const WEB_HTTP: &str = "web.http_server_config";
/// Its `rate_limit`.
pub(crate) const WEB_RATE_LIMIT: &str = "web.rate_limit";

/// Every key, in the order of the documentation.
pub const ALL: &[Key] = &[
    key("tenants", Default::Required, "The CXone tenants."),
    key("tenants[].name", Default::Required, "The tenant's name: letters, digits, `_` and `-`; unique."),
    key("tenants[].api", Default::Value("presence"), "The API that requests use: `presence` or `official`."),
    key("tenants[].domain", Default::Alternative, "The tenant's host; requests use https."),
    key("tenants[].base_url", Default::Alternative, "In place of `domain`: the address in full, without a path."),
    key("tenants[].client_id", Default::Alternative, "The OAuth client's id."),
    key("tenants[].client_secret", Default::Alternative, "The OAuth client's secret."),
    key(
        "tenants[].client_secret_file",
        Default::Alternative,
        "A file that contains only the secret; read for each token request.",
    ),
    key("tenants[].issuer", Default::Alternative, "Official API: the issuer of tokens for `client_id`."),
    key("tenants[].area", Default::Alternative, "Official API: the area, such as `na1`, for an access key alone."),
    key("tenants[].auth_url", Default::None, "Official API: the token address in full, instead of the area's."),
    key("tenants[].access_key_id", Default::None, "Official API, required: the id of a user's access key."),
    key("tenants[].access_key_secret", Default::Alternative, "Official API: the access key's secret."),
    key(
        "tenants[].access_key_secret_file",
        Default::Alternative,
        "Official API: a file that contains only that secret; read for each token request.",
    ),
    key("tenants[].client_auth", Default::Value("basic"), "Official API: how `client_id` is sent, `basic` or `body`."),
    key("tenants[].api_version", Default::Value("v30.0"), "Official API: the version in its paths."),
    key("tenants[].api_endpoint", Default::None, "Official API: its address, instead of discovery; it is trusted."),
    key("tenants[].allowed_hosts", Default::Value("[]"), "Official API: hosts to trust besides NICE's own."),
    key(
        "tenants[].history_lookback",
        Default::Value("12h"),
        "Official API: how far before the window the history is requested.",
    ),
    key("tenants[].unavailable_codes", Default::Value("true"), "Official API: split `Unavailable` by its codes."),
    key("tenants[].window", Default::Value("24h"), "The period that the values cover, up to now."),
    key("tenants[].interval", Default::Value("PT5M"), "The length of the requested time buckets, as ISO 8601."),
    key(
        "tenants[].incremental",
        Default::Value("true"),
        "Presence API: request new buckets only, and keep the others.",
    ),
    key(
        "tenants[].settle",
        Default::Value("30m"),
        "With `incremental` or the official API: how late data may still change.",
    ),
    key(
        "tenants[].full_refresh_interval",
        Default::Value("6h"),
        "With `incremental`: how often the whole window is requested.",
    ),
    key(
        "tenants[].counters",
        Default::Value("true"),
        "With `incremental` or the official API: count the time in each state since the first refresh.",
    ),
    key("tenants[].states", Default::Value("[]"), "The states to request; empty requests all."),
    key("tenants[].cooldown", Default::Value("50s"), "Time from the start of a refresh to the next, at least."),
    key("tenants[].max_staleness", Default::Value("15m"), "Data older than this is no longer exposed."),
    key("tenants[].request_timeout", Default::Value("30s"), "The timeout of one request."),
    key("tenants[].refresh_timeout", Default::Value("2m"), "The timeout of a refresh with all its requests."),
    key("tenants[].agents_per_request", Default::Value("50"), "The most agents in one request."),
    key("tenants[].max_concurrent_requests", Default::Value("2"), "The most concurrent requests."),
    key("tenants[].max_requests_per_minute", Default::None, "The most requests in any minute; without it, no budget."),
    key("tenants[].offline_states", Default::Value("[Offline, LoggedOut]"), "The states that count as offline."),
    key("tenants[].state_map", Default::None, "New names for states, by their original names."),
    key("tenants[].offline_limit", Default::None, "How long an agent may be offline within the window."),
    key(
        "tenants[].absent_limit",
        Default::Value("15m"),
        "How long an agent may be offline without a break while on shift.",
    ),
    key("tenants[].agent_label", Default::Value("id"), "How agents are labelled: by `id`, or by an `hmac` of it."),
    key("tenants[].agent_label_key", Default::None, "With `hmac`: the key, 16 bytes or more."),
    key("tenants[].agent_label_key_file", Default::None, "With `hmac`: a file that contains only the key."),
    key("tenants[].show_names", Default::Value("true"), "Whether people's names are shown on page and metrics."),
    key("tenants[].per_agent", Default::Value("true"), "Whether single agents are shown; `false` shows teams only."),
    key("tenants[].teams", Default::None, "Settings per team, by the team's name."),
    key("tenants[].teams.*.offline_limit", Default::None, "The limit of the team's agents, before the tenant's."),
    key("tenants[].teams.*.absent_limit", Default::None, "The same of the team's agents, before the tenant's."),
    key("tenants[].agents", Default::Alternative, "The agents; `all` with the official API."),
    key("tenants[].agents[].id", Default::Required, "The agent's id, as CXone has it."),
    key("tenants[].agents[].name", Default::None, "The person's name, shown in `cxone_agent_info`."),
    key("tenants[].agents[].team", Default::None, "The team, shown in `cxone_agent_info`."),
    key("tenants[].agents[].offline_limit", Default::None, "The agent's limit, before the team's."),
    key("tenants[].agents[].absent_limit", Default::None, "The agent's limit, before the team's."),
    key("tenants[].agents[].schedule", Default::None, "When the agent is expected to work: a name under `schedules`."),
    key("tenants[].agents[].leave", Default::None, "When the agent is on leave, which is not scheduled time."),
    key(
        "tenants[].agents[].leave[].from",
        Default::Required,
        "The first day, or the moment, such as `2026-12-24T12:00:00+01:00`.",
    ),
    key("tenants[].agents[].leave[].to", Default::None, "The last day, or the first moment after; without it, no end."),
    key("tenants[].agents_file", Default::Alternative, "A CSV file with the same keys as columns; extends `agents`."),
    key("tenants[].leave_file", Default::None, "A CSV file with the columns `id`, `from`, `to`; extends `leave`."),
    key(
        "tenants[].agent_filter",
        Default::None,
        "The agents that `agents: all` selects; `exclude` wins, then `include`.",
    ),
    key("tenants[].agent_filter.teams", Default::Value("[]"), "Only agents of these teams; empty selects all."),
    key("tenants[].agent_filter.name_regex", Default::Value("\"\""), "Only agents whose name matches."),
    key("tenants[].agent_filter.active_only", Default::Value("true"), "Only agents that are active."),
    key("tenants[].agent_filter.include", Default::Value("[]"), "Ids that are always selected."),
    key("tenants[].agent_filter.exclude", Default::Value("[]"), "Ids that are never selected."),
    key("tenants[].agent_filter.max", Default::Value("5000"), "The most agents; see `cxone_agents_dropped`."),
    key("schedules", Default::None, "Schedules, by names that agents refer to."),
    key("schedules.*.timezone", Default::Required, "The IANA time zone of days and hours."),
    key("schedules.*.days", Default::Required, "The days on which a shift begins, such as `[mon-fri]`."),
    key("schedules.*.hours", Default::Required, "A shift, such as `\"09:00-17:00\"`, or a list of shifts."),
    key("schedules.*.holidays", Default::Value("[]"), "Dates on which no shift begins."),
];

/// Every key of the web configuration file below `web`, in the order of the documentation.
pub const WEB_ALL: &[Key] = &[
    key("web.tls_server_config", Default::None, "TLS; without it, plain HTTP is served."),
    key("web.tls_server_config.cert", Default::Alternative, "The certificate and its chain, in PEM."),
    key("web.tls_server_config.cert_file", Default::Alternative, "In place of `cert`: its file."),
    key("web.tls_server_config.key", Default::Alternative, "The private key, in PEM."),
    key("web.tls_server_config.key_file", Default::Alternative, "In place of `key`: its file."),
    key("web.tls_server_config.client_ca", Default::None, "The CA of client certificates, in PEM."),
    key("web.tls_server_config.client_ca_file", Default::None, "In place of `client_ca`: its file."),
    key(
        "web.tls_server_config.client_auth_type",
        Default::Value("NoClientCert"),
        "Whether clients need a certificate.",
    ),
    key(
        "web.tls_server_config.client_allowed_sans",
        Default::Value("[]"),
        "Names; a client certificate must have one of them.",
    ),
    key("web.tls_server_config.min_version", Default::Value("TLS12"), "The minimum version: `TLS12` or `TLS13`."),
    key("web.tls_server_config.max_version", Default::Value("TLS13"), "The maximum version."),
    key(
        "web.tls_server_config.cipher_suites",
        Default::None,
        "TLS 1.2 cipher suites, by Go's names; default: all supported.",
    ),
    key(
        "web.tls_server_config.prefer_server_cipher_suites",
        Default::Value("true"),
        "Whether the server's order of cipher suites is preferred.",
    ),
    key(
        "web.tls_server_config.curve_preferences",
        Default::None,
        "`X25519`, `CurveP256`, `CurveP384`, in order of preference.",
    ),
    key("web.http_server_config", Default::None, "HTTP settings."),
    key("web.http_server_config.http2", Default::Value("true"), "Whether HTTP/2 is offered; it requires TLS."),
    key("web.http_server_config.headers", Default::None, "Headers of every response."),
    key("web.basic_auth_users", Default::None, "bcrypt hashes of passwords, by user."),
    key("web.rate_limit", Default::None, "The rate limit; excess requests get 429."),
    key(
        "web.rate_limit.interval",
        Default::Value("0"),
        "The time in which one more request is allowed; 0 is no limit.",
    ),
    key("web.rate_limit.burst", Default::Value("0"), "The largest burst of requests."),
];

/// Every environment variable, in the order in which missing ones are named.
pub const VARIABLES: &[Variable] = &[
    variable("CXONE_API", "api", "The API, `presence` or `official`; without it, the variables that are set decide."),
    variable("CXONE_TENANT_DOMAIN", "domain", "Presence API: the tenant's host; requests use https."),
    variable("CXONE_BASE_URL", "base_url", "Presence API: the full address; overrides the domain."),
    variable("CXONE_AREA", "area", "Official API: the area, such as na1, for an access key alone."),
    variable("CXONE_ISSUER", "issuer", "Official API: the issuer of tokens for the OAuth client."),
    variable("CXONE_CLIENT_ID", "client_id", "The OAuth client's id."),
    variable("CXONE_CLIENT_SECRET", "client_secret", "The OAuth client's secret."),
    variable("CXONE_CLIENT_SECRET_FILE", "client_secret_file", "In place of the secret: a file that contains only it."),
    variable("CXONE_ACCESS_KEY_ID", "access_key_id", "Official API: the id of a user's access key."),
    variable("CXONE_ACCESS_KEY_SECRET", "access_key_secret", "Official API: the access key's secret."),
    variable(
        "CXONE_ACCESS_KEY_SECRET_FILE",
        "access_key_secret_file",
        "In place of that secret: a file that contains only it.",
    ),
    variable("CXONE_AGENT_ID", "agents", "The agent's id."),
    variable("CXONE_AGENT_IDS", "agents", "Ids of agents, separated by commas; all with the official API."),
    variable("CXONE_INTERVAL", "interval", "Presence API: the length of the requested time buckets, as ISO 8601."),
    variable("CXONE_COOLDOWN", "cooldown", "At most one refresh in this time."),
    variable("CXONE_MAX_REQUESTS_PER_MINUTE", "max_requests_per_minute", "The most requests in any minute."),
];

/// The keys of each section, built once because they are looked up for each agent.
static SECTIONS: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let mut sections: HashMap<&str, Vec<&str>> = HashMap::new();
    for key in ALL.iter().chain(WEB_ALL.iter()) {
        let (section, name) = split(key.path);
        sections.entry(section).or_default().push(name);
    }
    sections
});

/// The keys known in the mapping `section`.
pub(crate) fn of(section: &str) -> &'static [&'static str] {
    SECTIONS.get(section).map_or(&[], Vec::as_slice)
}

/// The sections and names of the keys that have a default value, with its text.
pub(crate) fn defaults() -> impl Iterator<Item = ((&'static str, &'static str), &'static str)> {
    ALL.iter().chain(WEB_ALL).filter_map(|key| match key.default {
        Default::Value(text) => Some((split(key.path), text)),
        Default::Required | Default::Alternative | Default::None => None,
    })
}

/// The other section of the same file that has the key `name`, as messages name it.
pub(crate) fn home_of(name: &str, section: &str) -> Option<&'static str> {
    let is_web = section.starts_with(WEB);
    let keys = if is_web { WEB_ALL } else { ALL };
    let home = keys.iter().map(|key| split(key.path)).find_map(|(home, last)| (last == name).then_some(home))?;
    let shown = if is_web { home.strip_prefix(WEB).unwrap_or(home).trim_start_matches('.') } else { home };
    (home != section).then_some(shown)
}

/// A key's section and its own name.
fn split(path: &'static str) -> (&'static str, &'static str) {
    path.rsplit_once('.').unwrap_or((ROOT, path))
}

const fn key(path: &'static str, default: Default, meaning: &'static str) -> Key {
    Key { path, default, meaning }
}

const fn variable(name: &'static str, key: &'static str, meaning: &'static str) -> Variable {
    Variable { name, key, meaning }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_has_keys_and_paths_are_unique() {
        for section in [ROOT, TENANT, TEAM, AGENT, LEAVE, SCHEDULE, WEB, WEB_TLS, WEB_HTTP, WEB_RATE_LIMIT] {
            assert!(!of(section).is_empty(), "{section}");
        }
        let mut paths: Vec<_> = ALL.iter().map(|key| key.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), ALL.len());
    }

    #[test]
    fn every_variable_has_a_tenant_key() {
        for variable in VARIABLES {
            assert!(of(TENANT).contains(&variable.key), "{}", variable.name);
        }
    }
}
