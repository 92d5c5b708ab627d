//! Configuration without a file: the process environment and `.env`.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use cxone_exporter::config::{Config, ConfigError};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::{PLANTED, assert_golden, assert_no_personal_data, assert_reads_back, ids, write};

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
        assert_golden("good_environment", &config.to_yaml_redacted());
        assert_eq!(config.tenants[0].connection.client_secret.expose_secret(), PLANTED);
        assert_eq!(config.warnings, Vec::<String>::new());
        assert_reads_back(&config);
    }
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
    assert_golden("warning_environment_base_url", &config.warnings.join("\n"));
}

#[test]
fn environment_problems_have_golden_messages() {
    let article = |change: &[(&'static str, &'static str)]| [&ARTICLE[..], change].concat();
    let table = [
        ("missing", vec![], ""),
        ("missing_some", ARTICLE[..2].to_vec(), ""),
        ("secret_twice", article(&[("CXONE_CLIENT_SECRET_FILE", "secret")]), ""),
        ("secret_file_absent", [&ARTICLE[..2], &[("CXONE_CLIENT_SECRET_FILE", "absent")], &ARTICLE[3..]].concat(), ""),
        ("id_twice", article(&[("CXONE_AGENT_IDS", "1,2,1")]), ""),
        ("id_empty", [&ARTICLE[..3], &[("CXONE_AGENT_IDS", "1,,2")]].concat(), ""),
        ("id_faulty_in_both", article(&[("CXONE_AGENT_IDS", "1,,2")]), ""),
        ("id_with_comma", article(&[("CXONE_AGENT_ID", "1,2")]), ""),
        ("values", article(&[("CXONE_COOLDOWN", "60"), ("CXONE_INTERVAL", "1h")]), ""),
        ("domain", article(&[("CXONE_TENANT_DOMAIN", "https://acme.example.com")]), ""),
        ("base_url", article(&[("CXONE_BASE_URL", "http://acme.example.com")]), ""),
        ("dotenv_value", article(&[]), "# comment\nCXONE_COOLDOWN=60\n"),
        ("dotenv_line", article(&[]), "A=1\n\nCXONE_CLIENT_SECRET planted-hunter2\nB=2\n"),
        ("dotenv_spaces", article(&[]), "CXONE_CLIENT_SECRET=planted-hunter2 planted-hunter2\n"),
        ("dotenv_quote", article(&[]), "A=1\n# x\nCXONE_CLIENT_SECRET=\"planted-hunter2\nB=2\n"),
        ("dotenv_dollar", ARTICLE[..2].to_vec(), "CXONE_CLIENT_SECRET=planted-hunter2$1\nCXONE_AGENT_ID=1\n"),
        ("dotenv_twice", article(&[]), "CXONE_CLIENT_ID=a\nCXONE_CLIENT_ID=b\n"),
        ("dotenv_nul", article(&[]), "CXONE_CLIENT_ID=a\0\n"),
    ];
    for (name, variables, dotenv) in table {
        let dir = TempDir::new().unwrap();
        if !dotenv.is_empty() {
            write(&dir.path().join(".env"), dotenv.as_bytes(), 0o600);
        }
        let error = environment(&variables, dir.path()).expect_err(name);
        assert_no_personal_data(&error.to_string());
        let shown = error.to_string().replace(dir.path().to_str().unwrap(), "DIR");
        assert_golden(&format!("environment_{name}"), &shown);
    }
}

#[test]
fn world_readable_dotenv_secret_is_a_warning() {
    let dir = TempDir::new().unwrap();
    let lines: String = ARTICLE.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    write(&dir.path().join(".env"), lines.as_bytes(), 0o644);
    let shown = environment(&[], dir.path()).unwrap().warnings.join("\n");
    assert_golden("warning_dotenv_world_readable", &shown.replace(dir.path().to_str().unwrap(), "DIR"));
    let of_process = environment(&ARTICLE, dir.path()).unwrap();
    assert_eq!(of_process.warnings, Vec::<String>::new());
}
