//! Configuration files, their settings and messages.
//!
//! `tests/configs/faults` has tables of refused files with their exact faults.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what is wrong by panicking"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cxone_exporter::config::{Agent, Api, ClientAuth, Config, ConfigError, Login, Tenant, keys};
use cxone_exporter::presence::{Person, Timestamp};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

mod environment;
mod faults;
mod privacy;
mod secret_files;
mod warnings;

/// The secret in every test file; no message may contain it.
const PLANTED: &str = "planted-hunter2";

/// People's names in the test files; no message may contain them.
const PEOPLE: [&str; 4] = ["Lovelace", "Hopper", "Turing", "Ada"];

const MINIMAL: &str = "
tenants:
  - name: acme
    domain: acme.example.com
    client_id: my-client
    client_secret: planted-hunter2
    agents: [{ id: 4711 }]
";

const OFFICIAL: &str = "
tenants:
  - name: acme
    api: official
    client_id: my-client
    client_secret: planted-hunter2
    access_key_id: my-key
    access_key_secret: planted-hunter2
    agents: all
";

/// Compares `text` with the golden file `name`.
fn assert_golden(name: &str, text: &str) {
    insta::with_settings!({ snapshot_path => "../golden/config", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
}

fn assert_no_personal_data(text: &str) {
    assert!(!text.contains("hunter2"), "it has the secret: {text}");
    for name in PEOPLE {
        assert!(!text.contains(name), "it names a person: {text}");
    }
}

/// A directory with the example files, readable by the owner only.
fn examples() -> TempDir {
    let dir = TempDir::new().unwrap();
    for name in ["complete.yml", "agents.csv", "leave.csv", "client-secret"] {
        write(&dir.path().join(name), &fs::read(Path::new("tests/configs").join(name)).unwrap(), 0o600);
    }
    dir
}

fn write(path: &Path, bytes: &[u8], mode: u32) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Loads a file of `bytes`.
fn load(bytes: impl AsRef<[u8]>) -> Result<Config, ConfigError> {
    load_in(TempDir::new().unwrap().path(), bytes)
}

/// Loads the file `cxone.yml` of `bytes` in the directory `dir`.
fn load_in(dir: &Path, bytes: impl AsRef<[u8]>) -> Result<Config, ConfigError> {
    let path = dir.join("cxone.yml");
    write(&path, bytes.as_ref(), 0o600);
    Config::from_file(&path)
}

/// The tenant of a minimal file with the additional `line`.
fn tenant_with(line: &str) -> Tenant {
    let config = load(MINIMAL.replace("    client_id", &format!("    {line}\n    client_id"))).unwrap();
    Tenant::clone(&config.tenants[0])
}

fn ids(tenant: &Tenant) -> Vec<&str> {
    tenant.agents.iter().map(|agent| &*agent.id).collect()
}

fn agent<'a>(tenant: &'a Tenant, id: &str) -> &'a Agent {
    tenant.agents.iter().find(|agent| *agent.id == *id).unwrap()
}

/// The YAML files in a folder of `tests/configs`, by name.
fn files(folder: &str) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(Path::new("tests/configs").join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let mut files: Vec<_> = paths.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect();
    files.sort();
    files
}

#[test]
fn good_files_load_and_round_trip_as_redacted_yaml() {
    let mut shown = String::new();
    for (name, path) in files("good") {
        let config = Config::from_file(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_reads_back(&config);
        shown.push_str(&format!("# {name}\n{}", config.to_yaml_redacted()));
    }
    assert_golden("good_files", &shown);
}

/// Redacted YAML is complete: loaded again, it produces the same YAML.
fn assert_reads_back(config: &Config) {
    let shown = config.to_yaml_redacted();
    assert_no_personal_data(&shown);
    assert_no_personal_data(&format!("{config:?}"));
    let again = load(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}"));
    assert_eq!(again.to_yaml_redacted(), shown);
}

#[test]
fn complete_example_has_every_key_and_no_warning() {
    let text = fs::read_to_string("tests/configs/complete.yml").unwrap();
    for key in keys::ALL {
        let name = key.path.rsplit('.').next().unwrap();
        assert!(name == "*" || text.contains(&format!("{name}:")), "{}", key.path);
    }
    let dir = examples();
    let config = Config::from_file(&dir.path().join("complete.yml")).unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
    let shown = config.to_yaml_redacted().replace(dir.path().to_str().unwrap(), "DIR");
    assert_golden("complete", &shown);
    assert_reads_back(&config);
}

#[test]
fn complete_example_values() {
    let dir = examples();
    let config = Config::from_file(&dir.path().join("complete.yml")).unwrap();
    let [acme, eu, globex, globex_eu] = config.tenants.as_slice() else { panic!("four tenants") };
    assert_eq!((acme.name.as_str(), acme.connection.base_url.as_str()), ("acme", "https://acme.example.com/"));
    assert_eq!((eu.name.as_str(), eu.connection.base_url.as_str()), ("acme-eu", "http://127.0.0.1:9443/"));
    assert_eq!(acme.connection.client_secret.expose_secret(), PLANTED);
    assert_eq!(acme.connection.client_secret.file, Some(dir.path().join("client-secret")));
    assert_eq!((eu.connection.client_secret.expose_secret(), &eu.connection.client_secret.file), (PLANTED, &None));
    assert_eq!(ids(acme), ["1234567890123456789", "00042", "5001", "5002", "5003"]);

    let limits = [("1234567890123456789", 120), ("00042", 240), ("5001", 90), ("5002", 90), ("5003", 960)];
    for (id, minutes) in limits {
        assert_eq!(agent(acme, id).offline_limit, Some(Duration::from_secs(minutes * 60)), "{id}");
    }
    assert_eq!(agent(eu, "agent-7").offline_limit, None);
    assert_eq!(agent(acme, "1234567890123456789").name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(agent(acme, "5001").name.as_deref(), Some("Hopper, Grace"));
    assert_eq!(agent(acme, "5001").team.as_deref(), Some("Claims"));
    assert_eq!(agent(acme, "5002").name, None);

    let official = globex.official.as_ref().unwrap();
    assert_eq!((globex.api, globex.connection.base_url.as_str()), (Api::Official, "https://cxone.niceincontact.com/"));
    assert_eq!(official.login, Login::Issuer { client_auth: ClientAuth::Body });
    assert_eq!((official.access_key_id.as_str(), official.access_key_secret.expose_secret()), ("AK/4711=", PLANTED));
    assert_eq!((official.api_version.as_str(), official.unavailable_codes), ("v30.0", true));
    assert_eq!(official.allowed_hosts, ["api.example.com", ".example.org"]);
    let declared: Vec<&str> = globex.states.declared.iter().map(|state| &**state).collect();
    assert_eq!(declared[..2], ["Offline", "Available"]);
    assert_eq!(declared.len(), 10);
    let area = globex_eu.official.as_ref().unwrap();
    let token_url = "https://eu1.nice-incontact.com/authentication/v1/token/access-key".parse().unwrap();
    assert_eq!(
        (globex_eu.connection.base_url.as_str(), globex_eu.connection.client_id.as_str()),
        ("https://eu1.nice-incontact.com/", "")
    );
    assert_eq!(area.login, Login::AccessKey { token_url });
    let filter = globex_eu.agent_filter.as_ref().unwrap();
    assert_eq!((filter.max, filter.active_only, filter.include.len(), filter.exclude.len()), (250, false, 1, 1));
    assert!(globex_eu.needs_directory() && globex.needs_directory() && !acme.needs_directory());
    let people = [("4711", "Billing"), ("4712", "Billing"), ("4713", "Claims"), ("5001", "Sales")].map(|(id, team)| {
        let name = Some(if id == "4713" { "Ada Turing" } else { "Alan Turing" }.to_owned());
        Person { id: id.into(), name, team: Some(team.to_owned()), active: true }
    });
    let (agents, dropped) = globex_eu.resolve_agents(&people);
    let found: Vec<_> = agents.iter().map(|agent| (&*agent.id, agent.team.as_deref(), agent.offline_limit)).collect();
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    assert_eq!(found[0], ("5001", Some("Claims"), hours(16)), "the agents file goes first");
    assert_eq!(found[3..], [("4711", Some("Billing"), hours(4)), ("4713", Some("Claims"), hours(16))]);
    assert_eq!(dropped, 0);

    let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    let absent_limits = [("1234567890123456789", minutes(5)), ("00042", None), ("5001", minutes(20))];
    for (id, limit) in absent_limits {
        assert_eq!(agent(acme, id).absent_limit, limit, "{id}");
    }
    assert_eq!(agent(eu, "agent-7").absent_limit, minutes(15));
    let leave = |id| {
        let schedule = agent(acme, id).schedule.as_ref().unwrap();
        let end = |end: Timestamp| if end.micros() == i64::MAX { "open".to_owned() } else { end.to_string() };
        schedule.leave.iter().map(|leave| format!("{} {}", leave.start, end(leave.end))).collect::<Vec<_>>()
    };
    assert_eq!(
        leave("1234567890123456789"),
        ["2026-07-05T22:00:00Z 2026-07-24T22:00:00Z", "2026-12-23T11:00:00Z open"]
    );
    assert_eq!(leave("5001"), ["2026-03-27T23:00:00Z open"], "a change of the clocks, and two rows that adjoin");

    let office = agent(acme, "5001").schedule.as_ref().unwrap();
    assert_eq!(office.timezone.name(), "Europe/Berlin");
    assert_eq!(office.days, [true, true, true, true, true, false, false]);
    assert_eq!((office.hours.len(), office.holidays.len()), (2, 2));
    let nights = agent(eu, "agent-7").schedule.as_ref().unwrap();
    assert_eq!(nights.days, [true, false, false, false, true, true, true]);
}

#[test]
fn defaults_match_the_key_table() {
    let (config, official) = (load(MINIMAL).unwrap(), load(OFFICIAL).unwrap());
    let shown = [&config, &official].map(|config| config.to_yaml_redacted().replace('"', "")).concat();
    for key in keys::ALL {
        if let (keys::Default::Value(default), Some(name)) = (key.default, key.path.strip_prefix("tenants[].")) {
            let (name, default) = (name.replace("agent_filter.", "  "), default.replace('"', ""));
            assert!(shown.contains(&format!("    {name}: {default}\n")), "{name}: {default} is not in\n{shown}");
        }
    }
    let states: Vec<&str> = config.tenants[0].states.declared.iter().map(|state| &**state).collect();
    assert_eq!(states, ["Available", "Busy", "WrapUp", "Offline"]);
    assert!(config.warnings.is_empty());
}

#[test]
fn official_api_example_loads() {
    let text = fs::read_to_string("deploy/config/cxone-exporter-official.yml").unwrap();
    let dir = examples();
    let secret = "/run/credentials/cxone-exporter.service/cxone_access-key-secret";
    let path = dir.path().join("official.yml");
    write(&path, text.replace(secret, "client-secret").as_bytes(), 0o600);
    let config = Config::from_file(&path).unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
    let shown = config.to_yaml_redacted();
    assert_reads_back(&config);
    // The defaults in the comments are the actual defaults.
    for line in ["client_auth: basic", "api_version: v30.0", "history_lookback: 12h", "settle: 30m"] {
        assert!(text.contains(&format!("# {line}")), "{line}");
        assert!(line.starts_with("client_auth") || shown.contains(line), "{line}: {shown}");
    }
}

#[test]
fn states_filter_sets_the_declared_states() {
    let tenant = tenant_with("states: [Busy, No, \"1\"]");
    let states: Vec<&str> = tenant.states.declared.iter().map(|state| &**state).collect();
    assert_eq!(states, ["Busy", "No", "1"]);
    assert_eq!(tenant.query.states, tenant.states.declared);
}

#[test]
fn unquoted_agent_id_is_text() {
    for id in ["1", "0123", "12345678901234567890", "\"1_000\"", "agent-7", "'5'"] {
        let config = load(MINIMAL.replace("4711", id)).unwrap();
        assert_eq!(ids(&config.tenants[0]), [id.trim_matches(['"', '\''])]);
    }
}

#[test]
fn secret_scalars_are_taken_verbatim() {
    for (written, secret) in [("0123", "0123"), ("'a: b #c'", "a: b #c"), ("|\n      x\n", "x"), ("1e3", "1e3")] {
        let config = load(MINIMAL.replace("planted-hunter2", written)).unwrap();
        assert_eq!(config.tenants[0].connection.client_secret.expose_secret(), secret);
    }
}

#[test]
fn crlf_and_byte_order_mark_are_accepted() {
    for text in [MINIMAL.replace('\n', "\r\n"), format!("\u{feff}{MINIMAL}"), format!("---{MINIMAL}...\n")] {
        assert_eq!(ids(&load(text).unwrap().tenants[0]), ["4711"]);
    }
}

#[test]
fn faults_of_unreadable_files() {
    let too_large = vec![b'#'; (32 << 20) + 1];
    let utf_16: Vec<u8> = [0xff, 0xfe].into_iter().chain(MINIMAL.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let latin_1 = [MINIMAL.as_bytes(), b"# caf\xe9\n"].concat();
    let nul = MINIMAL.replace("my-client", "my\0client");
    let table: [(&[u8], &str); 4] = [
        (&too_large, "DIR/cxone.yml: is larger than 33554432 bytes; check that this is the right file"),
        (&utf_16, "DIR/cxone.yml: is UTF-16; save it as UTF-8"),
        (&latin_1, "DIR/cxone.yml:8: is not UTF-8; save the file as UTF-8"),
        (nul.as_bytes(), "DIR/cxone.yml:5: has a control character; remove it"),
    ];
    let dir = TempDir::new().unwrap();
    let message = |path: &Path| {
        let message = Config::from_file(path).unwrap_err().to_string();
        message.replace(dir.path().to_str().unwrap(), "DIR")
    };
    for (bytes, expected) in table {
        let path = dir.path().join("cxone.yml");
        write(&path, bytes, 0o600);
        assert_eq!(message(&path), expected);
    }
    let absent = message(&dir.path().join("absent.yml"));
    assert_eq!(absent, "DIR/absent.yml: cannot be read: No such file or directory (os error 2); check the path");
    let directory = message(dir.path());
    assert_eq!(directory, "DIR: cannot be read: Is a directory (os error 21); check that it is a readable file");
}

#[test]
fn incremental_is_refused_above_max_kept_buckets() {
    let with_agents = |count: u64| {
        let agents: Vec<_> = (0..count).map(|agent| format!("{{ id: {agent} }}")).collect();
        let keys = "    window: 31d\n    interval: PT1M\n    incremental: true\n    client_id";
        load(MINIMAL.replace("    client_id", keys).replace("{ id: 4711 }", &agents.join(", ")))
    };
    assert!(with_agents(224).is_ok());
    let message = with_agents(225).unwrap_err().to_string();
    let expected = ":7: tenants[0].incremental: keeps 10044225 buckets (225 agents, PT1M over 31d), more than 10000000; \
                    write a longer `interval`, a shorter `window`, fewer agents or `incremental: false`";
    assert_eq!(message.split_once("cxone.yml").unwrap().1, expected);
    let defaults = MINIMAL.replace("    client_id", "    window: 31d\n    client_id");
    let agents: Vec<_> = (0..1_120).map(|agent| format!("{{ id: {agent} }}")).collect();
    let message = load(defaults.replace("{ id: 4711 }", &agents.join(", "))).unwrap_err().to_string();
    let expected = ":3: tenants[0]: keeps 10000480 buckets (1120 agents, PT5M over 31d), more than 10000000; ";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn agents_file_is_limited_to_100000_rows() {
    let rows = |count: u32| {
        let rows: String = (0..count).map(|row| format!("{row},Agent {row},Team {}\n", row % 50)).collect();
        format!("id,name,team\n{rows}")
    };
    for (count, expected) in [(100_000, Ok(100_000)), (100_001, Err("has more than 100000 rows"))] {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("cxone.yml");
        write(&dir.path().join("agents.csv"), rows(count).as_bytes(), 0o600);
        let agents = "interval: PT1H\n    agents_file: agents.csv";
        write(&path, MINIMAL.replace("agents: [{ id: 4711 }]", agents).as_bytes(), 0o600);
        let found = Config::from_file(&path).map(|config| config.tenants[0].agents.len());
        assert_eq!(
            found.as_ref().map_err(|error| error.problems()[0].message.as_str()),
            expected.as_ref().map_err(|it| *it)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn labels_round_trip_as_redacted_yaml(team in "\\PC{1,30}", state in "\\PC{1,30}") {
        let (team, state) = (team.trim().to_owned(), state.trim().replace(',', "."));
        prop_assume!(!team.is_empty() && !state.is_empty());
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let agents = format!("agents: [{{ id: 1, name: Ada, team: {} }}]", quoted(&team));
        let states = format!("    states: [{}]\n    client_id", quoted(&state));
        let text = MINIMAL.replace("agents: [{ id: 4711 }]", &agents).replace("    client_id", &states);
        let config = load(text).unwrap();
        prop_assert_eq!(config.tenants[0].agents[0].team.as_deref(), Some(team.as_str()));
        let again = load(config.to_yaml_redacted()).unwrap();
        prop_assert_eq!(&again.tenants[0].agents[0].team, &config.tenants[0].agents[0].team);
        prop_assert_eq!(&again.tenants[0].query.states, &config.tenants[0].query.states);
    }
}
