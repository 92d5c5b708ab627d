//! Configuration without a file: the process environment and `.env`.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cxone_exporter::config::{Api, Config, ConfigError, unknown_variables};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::{MINIMAL, PLANTED, assert_no_personal_data, assert_reads_back, ids, load, write};

/// The four variables of the documentation's first example.
const ARTICLE: [(&str, &str); 4] = [
    ("CXONE_TENANT_DOMAIN", "acme.example.com"),
    ("CXONE_CLIENT_ID", "my-client"),
    ("CXONE_CLIENT_SECRET", PLANTED),
    ("CXONE_AGENT_ID", "4711"),
];

/// The environment of `variables`, with `.env` in `dir`.
fn environment(variables: &[(&str, &str)], dir: &Path) -> Result<Config, ConfigError> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    Config::from_environment(&|name| variables.get(name).map(ToString::to_string), dir)
}

#[test]
fn environment_of_four_variables_is_enough() {
    let dir = TempDir::new().unwrap();
    let from_process = environment(&ARTICLE, dir.path()).unwrap();
    let lines: String = ARTICLE.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    write(&dir.path().join(".env"), lines.as_bytes(), 0o600);
    let from_file = environment(&[], dir.path()).unwrap();
    for config in [from_process, from_file] {
        let of_file = load(MINIMAL).unwrap().to_yaml_redacted();
        assert_eq!(config.to_yaml_redacted(), of_file.replace("acme\"\n", "default\"\n"));
        assert_eq!(config.tenants[0].connection.client_secret.expose_secret(), PLANTED);
        assert_eq!(config.warnings, Vec::<String>::new());
        assert_reads_back(&config);
    }
}

#[test]
fn environment_of_the_official_api() {
    let dir = TempDir::new().unwrap();
    write(&dir.path().join("secret"), PLANTED.as_bytes(), 0o600);
    let (key, secret) = (("CXONE_ACCESS_KEY_ID", "my-key"), ("CXONE_ACCESS_KEY_SECRET", PLANTED));
    let (area, all) = (("CXONE_AREA", "eu1"), ("CXONE_AGENT_IDS", "all"));
    let secret_file = ("CXONE_ACCESS_KEY_SECRET_FILE", "secret");
    let (client, client_secret) = (("CXONE_CLIENT_ID", "my-client"), ("CXONE_CLIENT_SECRET", PLANTED));
    let issuer = ("CXONE_ISSUER", "https://cxone-gov.niceincontact.com");
    let table = [
        (vec![("CXONE_API", "official"), area, key, secret, all], "https://eu1.nice-incontact.com/", ""),
        (vec![area, key, secret, all], "https://eu1.nice-incontact.com/", ""),
        (vec![area, key, secret_file, ("CXONE_AGENT_ID", "all")], "https://eu1.nice-incontact.com/", ""),
        (vec![client, client_secret, key, secret, all], "https://cxone.niceincontact.com/", "my-client"),
        (vec![issuer, client, client_secret, key, secret, all], "https://cxone-gov.niceincontact.com/", "my-client"),
    ];
    for (variables, base_url, client_id) in table {
        let config = environment(&variables, dir.path()).unwrap();
        let tenant = &config.tenants[0];
        assert_eq!((tenant.api, tenant.connection.base_url.as_str()), (Api::Official, base_url), "{variables:?}");
        assert_eq!(tenant.connection.client_id, client_id, "{variables:?}");
        let official = tenant.official.as_ref().unwrap();
        assert_eq!((official.access_key_id.as_str(), official.access_key_secret.expose_secret()), ("my-key", PLANTED));
        assert!(tenant.agent_filter.is_some() && tenant.agents.is_empty(), "{variables:?}");
        assert_eq!(config.warnings, Vec::<String>::new());
        assert_reads_back(&config);
    }
    let listed = [area, key, secret, ("CXONE_AGENT_IDS", "1,2")];
    assert_eq!(ids(&environment(&listed, dir.path()).unwrap().tenants[0]), ["1", "2"]);
}

#[test]
fn unknown_variable_is_a_warning_with_the_nearest_name() {
    let service = [
        "CXONE_EXPORTER_SERVICE_HOST",
        "CXONE_EXPORTER_SERVICE_PORT_HTTP",
        "CXONE_EXPORTER_PORT",
        "CXONE_EXPORTER_PORT_10062_TCP_ADDR",
    ];
    let names = ["HOME", "CXONE_CLIENT_ID", "CXONE_SHARD_TOTAL", "CXONE_ACESS_KEY_ID", "CXONE_TENANT", "CXONE_FLAVOUR"];
    let warnings = unknown_variables(names.into_iter().chain(service), &["CXONE_SHARD_TOTAL"]);
    assert_eq!(
        warnings,
        [
            "environment: CXONE_ACESS_KEY_ID: is not a variable that is read; did you mean CXONE_ACCESS_KEY_ID?",
            "environment: CXONE_FLAVOUR: is not a variable that is read; the nearest known names are CXONE_BASE_URL, \
             CXONE_SHARD_TOTAL, CXONE_TENANT_DOMAIN",
            "environment: CXONE_TENANT: is not a variable that is read; did you mean CXONE_TENANT_DOMAIN?",
        ]
    );

    let dir = TempDir::new().unwrap();
    write(&dir.path().join(".env"), b"OTHER=1\n\nCXONE_COLDOWN=5m\n", 0o600);
    let config = environment(&ARTICLE, dir.path()).unwrap();
    let expected = "DIR/.env:3: CXONE_COLDOWN: is not a variable that is read; did you mean CXONE_COOLDOWN?";
    assert_eq!(config.warnings[0].replace(dir.path().to_str().unwrap(), "DIR"), expected);

    let output = Command::new(env!("CARGO_BIN_EXE_cxone-exporter"))
        .arg("check")
        .current_dir(dir.path())
        .env_clear()
        .envs(ARTICLE)
        .env("CXONE_AGENT_IDX", "1")
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("\nwarning: environment: CXONE_AGENT_IDX: is not a variable that is read; did"), "{shown}");
}

#[test]
fn process_environment_overrides_dotenv_unless_empty() {
    let dir = TempDir::new().unwrap();
    write(
        &dir.path().join(".env"),
        b"CXONE_CLIENT_ID=of-file\nCXONE_COOLDOWN=5m\nCXONE_INTERVAL=PT5M\n\
        CXONE_MAX_REQUESTS_PER_MINUTE=30\n",
        0o600,
    );
    let variables = [&ARTICLE[..], &[("CXONE_COOLDOWN", "2m"), ("CXONE_INTERVAL", "")]].concat();
    let config = environment(&variables, dir.path()).unwrap();
    let tenant = &config.tenants[0];
    assert_eq!((tenant.connection.client_id.as_str(), tenant.limits.cooldown), ("my-client", Duration::from_secs(120)));
    assert_eq!(tenant.query.interval.text, "PT5M");
    assert_eq!(tenant.limits.max_requests_per_minute.map(std::num::NonZeroU32::get), Some(30));
}

#[test]
fn agent_ids_of_both_variables_are_merged() {
    let table = [
        (vec![("CXONE_AGENT_ID", ""), ("CXONE_AGENT_IDS", "1, 2 ,3,")], vec!["1", "2", "3"]),
        (vec![("CXONE_AGENT_IDS", "1,4711,2")], vec!["4711", "1", "2"]),
        (vec![("CXONE_AGENT_ID", " 0042 ")], vec!["0042"]),
    ];
    for (variables, expected) in table {
        let variables = [&ARTICLE[..], &variables].concat();
        let config = environment(&variables, Path::new("no-such-directory")).unwrap();
        assert_eq!(ids(&config.tenants[0]), expected);
    }
}

#[test]
fn environment_base_url_and_secret_file() {
    let dir = TempDir::new().unwrap();
    write(&dir.path().join("secret"), PLANTED.as_bytes(), 0o600);
    let variables = [
        ("CXONE_BASE_URL", "http://127.0.0.1:8080"),
        ("CXONE_CLIENT_ID", "my-client"),
        ("CXONE_CLIENT_SECRET_FILE", "secret"),
        ("CXONE_AGENT_IDS", "1"),
    ];
    let config = environment(&variables, dir.path()).unwrap();
    assert_eq!(config.tenants[0].connection.base_url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(config.tenants[0].connection.client_secret.expose_secret(), PLANTED);

    let both = [&variables[..], &ARTICLE[..1]].concat();
    let config = environment(&both, dir.path()).unwrap();
    assert_eq!(config.tenants[0].connection.base_url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(
        config.warnings,
        ["environment: CXONE_BASE_URL: is asked instead of CXONE_TENANT_DOMAIN; set one of the two"]
    );
}

#[test]
fn faults_of_the_environment() {
    let article = |change: &[(&'static str, &'static str)]| [&ARTICLE[..], change].concat();
    type Row<'a> = (Vec<(&'a str, &'a str)>, &'a str, &'a [&'a str]);
    let table: &[Row<'_>] = &[
        (
            vec![],
            "",
            &[
                "environment: CXONE_TENANT_DOMAIN: is missing; set it, or CXONE_BASE_URL, in the environment or in `.env`",
                "environment: CXONE_CLIENT_ID: is missing; set it in the environment or in `.env`",
                "environment: CXONE_CLIENT_SECRET: is missing; set it, or CXONE_CLIENT_SECRET_FILE, in the environment or in `.env`",
                "environment: CXONE_AGENT_ID: is missing; set it, or CXONE_AGENT_IDS, in the environment or in `.env`",
            ],
        ),
        (
            ARTICLE[..2].to_vec(),
            "",
            &[
                "environment: CXONE_CLIENT_SECRET: is missing; set it, or CXONE_CLIENT_SECRET_FILE, in the environment or in `.env`",
                "environment: CXONE_AGENT_ID: is missing; set it, or CXONE_AGENT_IDS, in the environment or in `.env`",
            ],
        ),
        (
            article(&[("CXONE_CLIENT_SECRET_FILE", "secret")]),
            "",
            &["environment: CXONE_CLIENT_SECRET_FILE: is given beside the secret itself; keep one of the two"],
        ),
        (
            [&ARTICLE[..2], &[("CXONE_CLIENT_SECRET_FILE", "absent")], &ARTICLE[3..]].concat(),
            "",
            &[
                "environment: CXONE_CLIENT_SECRET_FILE: cannot be read: No such file or directory (os error 2); check the \
               path, which is not shown here as it may be the secret itself",
            ],
        ),
        (
            [&ARTICLE[..3], &[("CXONE_AGENT_IDS", "1;2")]].concat(),
            "",
            &[
                "environment: CXONE_AGENT_IDS: has `;` in it; write ids separated by commas and without quotes, such as `1234,5678`, or `all` alone",
            ],
        ),
        (
            [&ARTICLE[..3], &[("CXONE_AGENT_IDS", "[1]")]].concat(),
            "",
            &[
                "environment: CXONE_AGENT_IDS: has `[` in it; write ids separated by commas and without quotes, such as `1234,5678`, or `all` alone",
            ],
        ),
        (
            [&ARTICLE[..3], &[("CXONE_AGENT_ID", "ALL")]].concat(),
            "",
            &[
                "environment: CXONE_AGENT_ID: has `ALL` in place of an id; write ids separated by commas and without quotes, such as `1234,5678`, or `all` alone",
            ],
        ),
        (
            article(&[("CXONE_AGENT_IDS", "1,2,1")]),
            "",
            &["environment: CXONE_AGENT_ID and CXONE_AGENT_IDS: the agent `1` is given twice; keep one of the two"],
        ),
        (
            [&ARTICLE[..3], &[("CXONE_AGENT_IDS", "1,,2")]].concat(),
            "",
            &["environment: CXONE_AGENT_IDS: is empty; write the agent's id"],
        ),
        (
            article(&[("CXONE_AGENT_IDS", "1,,2")]),
            "",
            &["environment: CXONE_AGENT_ID and CXONE_AGENT_IDS: is empty; write the agent's id"],
        ),
        (
            article(&[("CXONE_AGENT_ID", "1,2")]),
            "",
            &[
                "environment: CXONE_AGENT_ID: has a comma, which separates ids upstream; give each id by itself, in a list",
            ],
        ),
        (
            article(&[("CXONE_COOLDOWN", "60"), ("CXONE_INTERVAL", "1h")]),
            "",
            &[
                "environment: CXONE_INTERVAL: `1h` is not an ISO 8601 duration; write `PT1H`",
                "environment: CXONE_COOLDOWN: `60` has no unit; write a unit (ms, s, m, h, d) after the number, such as `60s`",
            ],
        ),
        (
            article(&[("CXONE_TENANT_DOMAIN", "https://acme.example.com")]),
            "",
            &["environment: CXONE_TENANT_DOMAIN: has a scheme; write `acme.example.com`"],
        ),
        (
            article(&[("CXONE_BASE_URL", "http://acme.example.com")]),
            "",
            &[
                "environment: CXONE_BASE_URL: sends the secret in the clear: http is for this machine only; write `https://`",
            ],
        ),
        (
            article(&[]),
            "# comment\nCXONE_COOLDOWN=60\n",
            &[
                "DIR/.env:2: CXONE_COOLDOWN: `60` has no unit; write a unit (ms, s, m, h, d) after the number, such as `60s`",
            ],
        ),
        (
            article(&[]),
            "A=1\n\nCXONE_CLIENT_SECRET planted-hunter2\nB=2\n",
            &[
                "DIR/.env:3: the line is not of a form that is understood; write NAME=value, with single quotes around a value that has spaces, quotes or backslashes",
            ],
        ),
        (
            article(&[]),
            "CXONE_CLIENT_SECRET=planted-hunter2 planted-hunter2\n",
            &[
                "DIR/.env:1: the line is not of a form that is understood; write NAME=value, with single quotes around a value that has spaces, quotes or backslashes",
            ],
        ),
        (
            article(&[]),
            "A=1\n# x\nCXONE_CLIENT_SECRET=\"planted-hunter2\nB=2\n",
            &[
                "DIR/.env:3: the line is not of a form that is understood; write NAME=value, with single quotes around a value that has spaces, quotes or backslashes",
            ],
        ),
        (
            ARTICLE[..2].to_vec(),
            "CXONE_CLIENT_SECRET=planted-hunter2$1\nCXONE_AGENT_ID=1\n",
            &[
                "DIR/.env:1: CXONE_CLIENT_SECRET: has a `$`, which stands for another variable; write the value in single quotes",
            ],
        ),
        (
            article(&[]),
            "CXONE_CLIENT_ID=a\nCXONE_CLIENT_ID=b\n",
            &["DIR/.env:2: CXONE_CLIENT_ID: is given twice, first in line 1; keep one of the two"],
        ),
        (article(&[]), "CXONE_CLIENT_ID=a\0\n", &["DIR/.env:1: has a control character; remove it"]),
        // What may be in a line that cannot be read is not reported as missing.
        (
            ARTICLE[..2].to_vec(),
            "CXONE_CLIENT_SECRET=planted-hunter2 x\nCXONE_AGENT_ID=1\nCXONE_COOLDOWN=60\n",
            &[
                "DIR/.env:1: the line is not of a form that is understood; write NAME=value, with single quotes around \
                 a value that has spaces, quotes or backslashes",
                "DIR/.env:3: CXONE_COOLDOWN: `60` has no unit; write a unit (ms, s, m, h, d) after the number, such as \
                 `60s`",
            ],
        ),
        (
            article(&[("CXONE_API", "official"), ("CXONE_INTERVAL", "PT1H")]),
            "",
            &[
                "environment: CXONE_TENANT_DOMAIN: is not for `CXONE_API=official`; write CXONE_ISSUER or CXONE_AREA; \
                 where the API is, CXone tells",
                "environment: CXONE_INTERVAL: is not for `CXONE_API=official`; leave it out: this API has no \
                 intervals, and is exact",
                "environment: CXONE_ACCESS_KEY_ID: is missing; set it in the environment or in `.env`",
                "environment: CXONE_ACCESS_KEY_SECRET: is missing; set it, or CXONE_ACCESS_KEY_SECRET_FILE, in the \
                 environment or in `.env`",
            ],
        ),
        (
            vec![("CXONE_ACCESS_KEY_ID", "my-key"), ("CXONE_ACCESS_KEY_SECRET", PLANTED), ("CXONE_AGENT_IDS", "all")],
            "",
            &["environment: CXONE_CLIENT_ID: is missing; set it, or CXONE_AREA, in the environment or in `.env`"],
        ),
        (
            article(&[("CXONE_API", "presence"), ("CXONE_AREA", "na1"), ("CXONE_AGENT_IDS", "all")]),
            "",
            &[
                "environment: CXONE_AREA: is for `CXONE_API=official`; leave it out, or write `CXONE_API=official`",
                "environment: CXONE_AGENT_ID and CXONE_AGENT_IDS: `all` is for `CXONE_API=official`; write a list of \
                 agents, as this API has no list of its own; `CXONE_API=official` has",
            ],
        ),
        (
            article(&[("CXONE_API", "reporting")]),
            "",
            &[
                "environment: CXONE_API: unknown API `reporting`; write `presence` or `official`, or leave it out, which \
               means `presence`",
            ],
        ),
    ];
    for (variables, dotenv, expected) in table {
        let dir = TempDir::new().unwrap();
        if !dotenv.is_empty() {
            write(&dir.path().join(".env"), dotenv.as_bytes(), 0o600);
        }
        let error = environment(variables, dir.path()).unwrap_err();
        assert_no_personal_data(&error.to_string());
        let shown = error.to_string().replace(dir.path().to_str().unwrap(), "DIR");
        assert_eq!(shown.lines().collect::<Vec<_>>(), *expected);
    }
}

#[test]
fn world_readable_dotenv_secret_is_a_warning() {
    let dir = TempDir::new().unwrap();
    let lines: String = ARTICLE.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    write(&dir.path().join(".env"), lines.as_bytes(), 0o644);
    let shown = environment(&[], dir.path()).unwrap().warnings.join("\n");
    let expected = "DIR/.env:3: CXONE_CLIENT_SECRET: every user of this machine can read the secret; let only the exporter's user read this file (chmod 600), or keep the secret in one of its own";
    assert_eq!(shown.replace(dir.path().to_str().unwrap(), "DIR"), expected);
    let of_process = environment(&ARTICLE, dir.path()).unwrap();
    assert_eq!(of_process.warnings, Vec::<String>::new());
}
