//! The settings that decide whether data read under one configuration is valid under another.
//!
//! A reload, the storage file and the kept buckets all compare this key: where it differs, old data is dropped. Agents are
//! not part of it, because data is kept per agent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Api, Login, StateMap, Tenant};
use crate::presence::{Micros, StateName};

/// The identity of a tenant's query. Data is used only where its key equals the tenant's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryKey {
    server: ServerKey,
    /// One server may hold several tenants; the credentials select one of them.
    client_id: String,
    access_key_id: Option<String>,
    token_url: Option<String>,
    window_micros: u64,
    interval_micros: u64,
    states: Vec<String>,
    state_map: BTreeMap<String, String>,
    unavailable_codes: bool,
    /// Scheduled offline time is counted with these.
    offline_states: Vec<String>,
}

/// The server of the requests. `Retry-After` and back-off hold while it stays the same, even where data does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerKey {
    api: String,
    base_url: String,
    api_endpoint: Option<String>,
}

// === impl QueryKey ===

impl QueryKey {
    /// The key of a tenant's configuration.
    pub fn of(tenant: &Tenant) -> Self {
        let official = tenant.official.as_ref();
        let token_url = official.and_then(|official| match &official.login {
            Login::AccessKey { token_url } => Some(token_url.to_string()),
            Login::Issuer { .. } => None,
        });
        Self {
            server: ServerKey::of(tenant),
            client_id: tenant.connection.client_id.clone(),
            access_key_id: official.map(|official| official.access_key_id.clone()),
            token_url,
            window_micros: Micros::from(tenant.query.window).get(),
            interval_micros: Micros::from(tenant.query.interval.length).get(),
            states: texts(&tenant.query.states),
            state_map: map_of_texts(&tenant.states.map),
            unavailable_codes: tenant.splits_codes(),
            offline_states: texts(&tenant.states.offline),
        }
    }

    /// Whether both give the same names to states, and spread time over parts of the window in the same way.
    pub fn has_same_parts(&self, other: &Self) -> bool {
        let states = |key: &Self| (key.window_micros, key.interval_micros, key.unavailable_codes);
        states(self) == states(other) && self.states == other.states && self.state_map == other.state_map
    }

    /// The part that `Retry-After` and back-off depend on.
    pub const fn server(&self) -> &ServerKey {
        &self.server
    }
}

fn texts(names: &[StateName]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn map_of_texts(map: &StateMap) -> BTreeMap<String, String> {
    map.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect()
}

// === impl ServerKey ===

impl ServerKey {
    /// The server of a tenant's configuration.
    pub fn of(tenant: &Tenant) -> Self {
        let api = match tenant.api {
            Api::Presence => "presence",
            Api::Official => "official",
        };
        let api_endpoint = tenant.official.as_ref().and_then(|official| official.api_endpoint.as_ref());
        Self {
            api: api.to_owned(),
            base_url: tenant.connection.base_url.to_string(),
            api_endpoint: api_endpoint.map(ToString::to_string),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::config::{Config, keys};

    const PRESENCE: &[(&str, &str)] = &[
        ("name", "acme"),
        ("domain", "acme.example.com"),
        ("client_id", "client"),
        ("client_secret", "secret"),
        ("agents", "[{ id: \"1\" }]"),
    ];
    const OFFICIAL: &[(&str, &str)] = &[
        ("name", "acme"),
        ("api", "official"),
        ("client_id", "client"),
        ("client_secret", "secret"),
        ("access_key_id", "key"),
        ("access_key_secret", "secret"),
        ("agents", "all"),
    ];
    const BY_AREA: &[(&str, &str)] = &[
        ("name", "acme"),
        ("api", "official"),
        ("area", "na1"),
        ("access_key_id", "key"),
        ("access_key_secret", "secret"),
        ("agents", "all"),
    ];

    /// The part of the key that a change of the configuration changes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Changes {
        Nothing,
        Query,
        Server,
    }

    /// The tenant that `keys` describe, without the keys in `without` and with `key: value`.
    fn tenant(keys: &[(&str, &str)], without: &[&str], key: &str, value: &str) -> Tenant {
        let folder = tempfile::tempdir().unwrap();
        let stays = keys.iter().filter(|(name, _)| *name != key && !without.contains(name));
        let lines: Vec<_> =
            stays.chain([&(key, value)]).map(|(name, value)| format!("    {name}: {value}\n")).collect();
        let yaml = format!(
            "tenants:\n  -\n{}schedules:\n  office: {{ timezone: UTC, days: [mon-fri], hours: \"09:00-17:00\" }}\n",
            lines.concat()
        );
        fs::write(folder.path().join("secret"), "0123456789abcdef").unwrap();
        fs::write(folder.path().join("agents.csv"), "id\n2\n").unwrap();
        fs::write(folder.path().join("leave.csv"), "id,from,to\n1,2026-12-24,\n").unwrap();
        let file = folder.path().join("cxone.yml");
        fs::write(&file, yaml).unwrap();
        let config = Config::from_file(&file).unwrap_or_else(|error| panic!("{key}: {error}"));
        Tenant::clone(&config.tenants[0])
    }

    fn changes(before: &Tenant, after: &Tenant) -> Changes {
        let (before, after) = (QueryKey::of(before), QueryKey::of(after));
        match (before == after, before.server() == after.server()) {
            (true, true) => Changes::Nothing,
            (false, true) => Changes::Query,
            (_, false) => Changes::Server,
        }
    }

    #[test]
    fn query_key_of_every_config_key() {
        use Changes::{Nothing, Query, Server};
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str, &'a str, Changes);
        let table: &[Row<'_>] = &[
            (PRESENCE, &[], "name", "other", Nothing),
            (PRESENCE, &[], "domain", "other.example.com", Server),
            (PRESENCE, &["domain"], "base_url", "https://acme.example.com", Nothing),
            (PRESENCE, &["domain"], "base_url", "https://acme.example.com:8443", Server),
            (PRESENCE, &[], "client_id", "other", Query),
            (PRESENCE, &[], "client_secret", "other", Nothing),
            (PRESENCE, &["client_secret"], "client_secret_file", "secret", Nothing),
            (PRESENCE, &[], "window", "12h", Query),
            (PRESENCE, &[], "interval", "PT30M", Query),
            (PRESENCE, &[], "interval", "PT300S", Nothing),
            (PRESENCE, &[], "incremental", "false", Nothing),
            (PRESENCE, &[], "settle", "1h", Nothing),
            (PRESENCE, &[], "full_refresh_interval", "8h", Nothing),
            (PRESENCE, &[], "counters", "false", Nothing),
            (PRESENCE, &[], "states", "[Busy]", Query),
            (PRESENCE, &[], "cooldown", "61s", Nothing),
            (PRESENCE, &[], "max_staleness", "16m", Nothing),
            (PRESENCE, &[], "request_timeout", "29s", Nothing),
            (PRESENCE, &[], "refresh_timeout", "3m", Nothing),
            (PRESENCE, &[], "agents_per_request", "49", Nothing),
            (PRESENCE, &[], "max_concurrent_requests", "3", Nothing),
            (PRESENCE, &[], "max_requests_per_minute", "100", Nothing),
            (PRESENCE, &[], "offline_states", "[Offline]", Query),
            (PRESENCE, &[], "state_map", "{ Busy: Talking }", Query),
            (PRESENCE, &[], "offline_limit", "1h", Nothing),
            (PRESENCE, &[], "absent_limit", "10m", Nothing),
            (PRESENCE, &[], "agent_label", "hmac\n    agent_label_key: 0123456789abcdef", Nothing),
            (PRESENCE, &[], "agent_label_key", "0123456789abcdef\n    agent_label: hmac", Nothing),
            (PRESENCE, &[], "agent_label_key_file", "secret\n    agent_label: hmac", Nothing),
            (PRESENCE, &[], "show_names", "false", Nothing),
            (PRESENCE, &[], "per_agent", "false", Nothing),
            (PRESENCE, &[], "teams", "{ sales: { offline_limit: 1h } }", Nothing),
            (
                PRESENCE,
                &[],
                "agents",
                "[{ id: \"2\", name: N, team: T, offline_limit: 1h, schedule: office }]",
                Nothing,
            ),
            (PRESENCE, &["agents"], "agents_file", "agents.csv", Nothing),
            (PRESENCE, &[], "leave_file", "leave.csv", Nothing),
            (OFFICIAL, &[], "issuer", "https://cxone.niceincontact.com", Nothing),
            (OFFICIAL, &[], "issuer", "https://issuer.example.com", Server),
            (OFFICIAL, &["client_id", "client_secret"], "area", "na1", Server),
            (BY_AREA, &[], "area", "eu1", Server),
            (
                BY_AREA,
                &["area"],
                "auth_url",
                "https://na1.nice-incontact.com/authentication/v1/token/access-key",
                Nothing,
            ),
            (BY_AREA, &["area"], "auth_url", "https://na1.nice-incontact.com/other", Query),
            (OFFICIAL, &[], "client_id", "other", Query),
            (OFFICIAL, &[], "access_key_id", "other", Query),
            (OFFICIAL, &[], "access_key_secret", "other", Nothing),
            (OFFICIAL, &["access_key_secret"], "access_key_secret_file", "secret", Nothing),
            (OFFICIAL, &[], "client_auth", "body", Nothing),
            (OFFICIAL, &[], "api_version", "v31.0", Nothing),
            (OFFICIAL, &[], "api_endpoint", "https://api.example.com", Server),
            (OFFICIAL, &[], "allowed_hosts", "[api.example.com]", Nothing),
            (OFFICIAL, &[], "history_lookback", "13h", Nothing),
            (OFFICIAL, &[], "settle", "1h", Nothing),
            (OFFICIAL, &[], "unavailable_codes", "false", Query),
            (OFFICIAL, &[], "agent_filter", "{ teams: [sales], max: 10 }", Nothing),
        ];
        for (keys, without, key, value, expected) in table {
            let before = tenant(keys, &[], "name", "acme");
            let after = tenant(keys, without, key, value);
            assert_eq!(changes(&before, &after), *expected, "{key}: {value}");
        }
        let presence = tenant(PRESENCE, &[], "name", "acme");
        assert_eq!(changes(&presence, &Tenant { api: Api::Official, ..presence.clone() }), Server);

        let mapped = |map| tenant(PRESENCE, &[], "state_map", map);
        for other in ["{ Away: Talking }", "{ Busy: Calling }", "{ Busy: Talking, Away: Talking }"] {
            assert_eq!(changes(&mapped("{ Busy: Talking }"), &mapped(other)), Query, "{other}");
        }

        let in_table: BTreeSet<&str> = table.iter().map(|(_, _, key, ..)| *key).chain(["api"]).collect();
        let of_tenant = keys::ALL.iter().filter_map(|key| key.path.strip_prefix("tenants[]."));
        let all: BTreeSet<&str> = of_tenant.filter(|key| !key.contains(['.', '['])).collect();
        assert_eq!(in_table, all, "each key of a tenant has a row");
    }

    #[test]
    fn query_key_survives_serialisation() {
        let key = QueryKey::of(&tenant(BY_AREA, &[], "state_map", "{ Busy: Talking }"));
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<QueryKey>(&text).unwrap(), key);
    }
}
