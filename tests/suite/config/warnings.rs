//! Warnings of settings that load.

use cxone_exporter::config::Config;

use super::secret_files::with_secret_file;
use super::{MINIMAL, OFFICIAL, PLANTED, TempDir, assert_no_personal_data, load, write};

/// The warnings of a file that is read by all users where `mode` says so, without the file's name.
fn warnings_of(text: &str, mode: u32) -> String {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cxone.yml");
    write(&path, text.as_bytes(), mode);
    let warnings = Config::from_file(&path).unwrap().warnings.join("\n");
    assert_no_personal_data(&warnings);
    warnings.replace(&format!("{}:", path.display()), "")
}

#[test]
fn warnings_of_settings() {
    let table = [
        (
            "max_staleness: 30s",
            "5: tenants[0].max_staleness: data is dropped after 30s, before the cooldown of 50s allows new data; write a `max_staleness` longer than 50s",
        ),
        (
            "cooldown: 30m",
            "5: tenants[0].cooldown: data is dropped after 15m, before the cooldown of 30m allows new data; write a `max_staleness` longer than 30m",
        ),
        (
            "request_timeout: 3m",
            "5: tenants[0].request_timeout: no request can take that long: a refresh ends after 2m; write a `request_timeout` up to 2m, or a longer `refresh_timeout`",
        ),
        (
            "offline_limit: 25h",
            "5: tenants[0].offline_limit: an offline limit of 25h is never reached in a window of 24h; write limits up to 24h, or a longer `window`",
        ),
        (
            "states: [Busy]\n    offline_limit: 4h",
            "5: tenants[0].states: offline time has a limit or a schedule, but no offline state is asked for; add a state of `offline_states`, such as `Offline`",
        ),
        (
            "teams: { Billing: { offline_limit: 4h } }",
            "5: tenants[0].teams: no agent is in the team `Billing`; remove it, or give agents this `team`",
        ),
        (
            "window: 6h\n    incremental: true\n    settle: 6h",
            "6: tenants[0].incremental: keeps nothing: within a window of 6h, no bucket is over for 6h; write a shorter `settle` or `interval`, or `incremental: false`",
        ),
    ];
    for (line, expected) in table {
        let text = MINIMAL.replace("    client_id", &format!("    {line}\n    client_id"));
        assert_eq!(warnings_of(&text, 0o600), expected);
    }
    let agents: Vec<_> = (0..500).map(|agent| format!("{{ id: {} }}", 10_u64.pow(18) + agent)).collect();
    let keys = "    agents_per_request: 500\n    client_id";
    let long_address = MINIMAL.replace("    client_id", keys).replace("{ id: 4711 }", &agents.join(", "));
    let expected = "5: tenants[0].agents_per_request: requests have addresses of up to 11000 bytes, more than many servers take; write an `agents_per_request` up to 359";
    assert_eq!(warnings_of(&long_address, 0o600), expected);
}

#[test]
fn misspelt_state_names_are_warnings() {
    let near = |key: &str, written: &str, meant: &str| {
        format!(
            "5: tenants[0].{key}: {written} is nearly {meant}, and names of states are compared letter by letter; write {meant}, unless CXone reports {written}"
        )
    };
    let table = [
        ("offline_states: [offline]", near("offline_states", "`offline`", "`Offline`")),
        ("offline_states: [\"Logged Out\", Offline]", near("offline_states", "`Logged Out`", "`LoggedOut`")),
        (
            "states: [Availble, Offlien]",
            [near("states", "`Availble`", "`Available`"), near("states", "`Offlien`", "`Offline`")].join("\n"),
        ),
        ("state_map: { Offlin: Away }", near("state_map", "`Offlin`", "`Offline`")),
        ("state_map: { LoggedOut: offline }", near("state_map", "`offline`", "`Offline`")),
        (
            "state_map: { \"unavailable: Lunch\": Lunch }",
            near("state_map", "`unavailable: Lunch`", "`Unavailable: Lunch`"),
        ),
        (
            "state_map: { Lunch: Away }\n    offline_states: [away]",
            near("offline_states", "`away`", "`Away`").replacen('5', "6", 1),
        ),
        // Names of the tenant's own, and names that the map makes or mends.
        ("offline_states: [Offline, Away, \"Offline: Lunch\"]", String::new()),
        ("states: [Online, Offline, Lunch, \"Unavailable: Lunch\"]", String::new()),
        ("state_map: { Offline: offline }\n    offline_states: [offline]", String::new()),
        ("state_map: { offline: Offline, Available: available }", String::new()),
    ];
    for (line, expected) in table {
        let text = MINIMAL.replace("    client_id", &format!("    {line}\n    client_id"));
        assert_eq!(warnings_of(&text, 0o600), expected, "{line}");
    }
}

#[test]
fn offline_time_that_is_never_counted_is_a_warning() {
    let schedules = "schedules:\n  day: { timezone: UTC, days: [mon-fri], hours: \"09:00-17:00\" }\n";
    let of = |lines: &str, agent: &str| {
        let text = MINIMAL.replace("    client_id", &format!("    {lines}\n    client_id"));
        let text = text.replace("{ id: 4711 }", &format!("{{ id: 4711{agent} }}"));
        warnings_of(&format!("{text}{}", if agent.contains("schedule") { schedules } else { "" }), 0o600)
    };
    let wanting = [
        ("offline_limit: 4h", ""),
        ("absent_limit: 5m", ""),
        ("cooldown: 1m", ", schedule: day"),
        ("cooldown: 1m", ", offline_limit: 1h"),
    ];
    for (limit, agent) in wanting {
        let empty = of(&format!("offline_states: []\n    {limit}"), agent);
        let expected = "5: tenants[0].offline_states: offline time has a limit or a schedule, but no state counts as offline; write at least one state, such as `[Offline]`, or leave it out";
        assert_eq!(empty, expected, "{limit}{agent}");
        let filtered = of(&format!("states: [Available, Busy]\n    {limit}"), agent);
        assert!(
            filtered.contains("tenants[0].states: ") && filtered.contains("no offline state is asked for"),
            "{filtered}"
        );
    }
    for silent in ["offline_states: []", "states: [Available, Busy]"] {
        assert_eq!(of(silent, ""), "");
    }
}

#[test]
fn api_version_below_v4_is_a_warning() {
    for (version, is_warned) in [("v3.0", true), ("2", true), ("v4.0", false), ("v30.0", false)] {
        let text = OFFICIAL.replace("    agents", &format!("    api_version: {version}\n    agents"));
        let warnings = warnings_of(&text, 0o600);
        let found = warnings.contains("tenants[0].api_version: v") && warnings.contains("is older than v4");
        assert_eq!(found, is_warned, "{version}: {warnings}");
    }
}

#[test]
fn warnings_of_secrets() {
    let with_space = MINIMAL.replace(PLANTED, "\"planted-hunter2 \"");
    let expected =
        "6: tenants[0].client_secret: the secret begins or ends with white space; check that this belongs to it";
    assert_eq!(warnings_of(&with_space, 0o600), expected);

    let expected = "6: tenants[0].client_secret: every user of this machine can read the secret; let only the exporter's user read this file (chmod 600), or keep the secret in one of its own";
    assert_eq!(warnings_of(MINIMAL, 0o644), expected);

    let (world_readable, secret) = with_secret_file(b"planted-hunter2\n", 0o644);
    assert_eq!(secret.as_deref(), Some(PLANTED));
    let expected = "DIR/cxone.yml:6: tenants[0].client_secret_file: every user of this machine can read DIR/secret; let only the exporter's user read it (chmod 600)";
    assert_eq!(world_readable, expected);
}

#[test]
fn no_warning_for_refresh_timeout_below_default_request_timeout() {
    let config = load(MINIMAL.replace("    client_id", "    refresh_timeout: 5s\n    client_id")).unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn short_window_is_accepted_with_the_default_of_incremental() {
    for line in ["window: 30m", "window: 5m", "settle: 0s"] {
        let text = MINIMAL.replace("    client_id", &format!("    {line}\n    client_id"));
        assert_eq!(warnings_of(&text, 0o600), "", "{line}");
    }
}
