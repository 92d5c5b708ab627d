//! The problem of a key that is not known: what was meant, or what this program has instead.

use super::nearest::{nearest, nearest_three};
use crate::config::diagnostics::{Problem, quoted};
use crate::config::keys;

/// The most known keys that a message lists.
const MAX_LISTED_KEYS: usize = 8;

/// Keys of other programs' files with what this program has instead.
const FOREIGN_KEYS: &[(&[&str], &str)] = &[
    (
        &["proxy_url", "proxy", "http_proxy", "https_proxy", "no_proxy", "proxy_from_environment"],
        "set HTTPS_PROXY, and NO_PROXY for exceptions, in the exporter's environment",
    ),
    (
        &["tls_config", "ca_file", "ca_cert", "cert_file", "key_file", "insecure_skip_verify", "verify_ssl"],
        "let SSL_CERT_FILE in the exporter's environment name the CA certificates; they are always verified",
    ),
    (
        &["basic_auth", "basic_auth_users", "tls_server_config", "http_server_config", "rate_limit", "web_config"],
        "write it into the file of --web.config.file, if it is about the exporter's own clients",
    ),
    (
        &["listen_address", "listen", "port", "web", "telemetry_path", "metrics_path"],
        "give --web.listen-address or another flag that begins with --web",
    ),
    (&["log_level", "log_format", "log", "logging"], "give --log.level or --log.format"),
    (&["storage", "storage_path", "cache_dir", "data_dir"], "give --storage.path"),
    (
        &["scrape_interval", "refresh_interval", "poll_interval"],
        "write `cooldown`; the scrapes themselves are Prometheus's",
    ),
    (
        &["username", "password", "oauth2", "authorization", "bearer_token", "token"],
        "write `client_id` and `client_secret_file`, or with `api: official` an access key",
    ),
];

/// The longest unknown key that a message repeats. The longest known one has 23 characters.
const MAX_SHOWN_KEY_CHARS: usize = 32;

/// The problem of the unknown `key` in the mapping `section`, which knows the keys `known`.
pub(super) fn unknown_key(key: &str, section: &str, known: &[&'static str]) -> Problem {
    if key == "<<" {
        return Problem::new(
            "YAML merge keys, `<<`, are not read",
            "write the keys out; a single value can be an alias",
        );
    }
    let message = format!("unknown key{}", shown_unknown(key));
    let instead = FOREIGN_KEYS.iter().find(|(keys, _)| keys.contains(&key)).map(|(_, instead)| *instead);
    let remedy = if let Some(instead) = instead {
        instead.to_owned()
    } else if let Some(meant) = nearest(key, known.iter().copied()) {
        format!("did you mean `{meant}`?")
    } else if let Some(home) = keys::home_of(key, section) {
        let home = if home.is_empty() { "the top of the file".to_owned() } else { format!("`{home}`") };
        format!("move it to {home}")
    } else if known.len() <= MAX_LISTED_KEYS {
        format!("known here: {}", known.join(", "))
    } else {
        format!("the nearest known keys are {}", nearest_three(key, known.iter().copied()).join(", "))
    };
    Problem::new(message, remedy)
}

/// The first of the keys `known`, and whether there are more.
pub(super) fn some_of(known: &[&str]) -> String {
    match known.get(..MAX_LISTED_KEYS) {
        Some(first) if known.len() > MAX_LISTED_KEYS => format!("{} and others", first.join(", ")),
        _ => known.join(", "),
    }
}

/// A key for a message, if it is a plain word. Without the space, YAML reads `client_secret:abc` as a key, so other keys
/// may contain a secret and are omitted.
fn shown_unknown(key: &str) -> String {
    let is_word = key.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-'));
    if is_word && !key.is_empty() && key.len() <= MAX_SHOWN_KEY_CHARS {
        format!(" {}", quoted(key))
    } else if key.contains(':') {
        ", as there is no space after its colon".to_owned()
    } else {
        String::new()
    }
}

/// A key for a message, or `a key`.
pub(super) fn shown_key(key: &str) -> String {
    match shown_unknown(key).trim_start() {
        shown if shown.starts_with('`') => shown.to_owned(),
        _ => "a key".to_owned(),
    }
}
