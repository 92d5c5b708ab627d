//! Reads the web configuration file of the Prometheus exporter-toolkit into an immutable [`WebConfig`].
//!
//! All keys of the toolkit are known, so a file of another exporter works here. Unsupported values such as TLS 1.0 are
//! refused.
//!
//! Source: <https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>.

mod http;
mod pem;
mod scalar;
mod tls;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::ConfigError;
use super::bounds::MAX_WEB_FILE_BYTES;
use super::diagnostics::{Diagnostics, Problem};
use super::keys::{WEB, WEB_HTTP};
use super::parse::fields::{Fields, from_defaults};
use super::parse::value::Value;
use super::parse::{source, yaml};

pub use self::tls::{ClientAuth, Curve, TlsSettings, TlsVersion};

/// The validated web configuration.
#[derive(Clone, Default)]
pub struct WebConfig {
    /// TLS settings; without them, the server uses plain HTTP.
    pub tls: Option<TlsSettings>,
    /// Whether HTTP/2 is offered. It requires TLS.
    pub http2: bool,
    /// Headers of every response, by name.
    pub headers: Vec<(&'static str, String)>,
    /// bcrypt hashes by user; empty disables authentication.
    pub users: BTreeMap<String, SecretString>,
    /// The rate limit.
    pub rate_limit: Option<RateLimit>,
    /// The named files, whose content is part of the configuration.
    pub files: Vec<PathBuf>,
    /// Warnings, one line each.
    pub warnings: Vec<String>,
}

/// A token bucket: one request per interval, and up to `burst` at once. With a `burst` of 0, no request is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The time in which one more request is allowed.
    pub interval: Duration,
    /// The largest burst of requests.
    pub burst: u32,
}

// === impl WebConfig ===

impl WebConfig {
    /// The web configuration in the YAML file at `path`. Paths in it are relative to the file's directory.
    ///
    /// # Errors
    /// All problems of the file and of the files that it names.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let mut diagnostics = Diagnostics::default();
        let file = diagnostics.add_source(path.display().to_string());
        let text = match source::read_text(path, MAX_WEB_FILE_BYTES) {
            Ok(source) => source.text,
            Err(unreadable) => {
                let place = unreadable.line.map_or(file, |line| file.at_line(line));
                diagnostics.error(place, "", unreadable.problem);
                return Err(diagnostics.into_error());
            }
        };
        let mut config = Self { http2: from_defaults(WEB_HTTP, http::read_http2), ..Self::default() };
        // The toolkit accepts an empty file.
        if is_empty_document(&text) {
            return Ok(config);
        }
        let Some(root) = yaml::parse(&text, file, &mut diagnostics) else { return Err(diagnostics.into_error()) };
        let Some(fields) = fields_of(&Value::root(&root), WEB, &mut diagnostics) else {
            return Err(diagnostics.into_error());
        };
        let base_dir = path.parent().unwrap_or(Path::new(""));
        if let Some(value) = fields.get("http_server_config") {
            http::read(&value, &mut config, &mut diagnostics);
        }
        config.tls = fields
            .get("tls_server_config")
            .and_then(|value| tls::read(&value, config.http2, base_dir, &mut config.files, &mut diagnostics));
        if let Some(value) = fields.get("basic_auth_users") {
            config.users = http::users(&value, &mut diagnostics);
        }
        config.rate_limit = fields.get("rate_limit").and_then(|value| http::rate_limit(&value, &mut diagnostics));
        let warnings = diagnostics.into_warnings()?;
        Ok(Self { warnings, ..config })
    }
}

/// Whether a text has only comments, blank lines, `---` and `{}`.
fn is_empty_document(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || line == "---" || line == "{}")
}

/// The keys of a section. A key without a value counts as missing, as in Go.
fn fields_of<'a>(value: &Value<'a>, section: &'static str, diagnostics: &mut Diagnostics) -> Option<Fields<'a>> {
    value.fields(section, diagnostics).map(Fields::without_nulls)
}

/// The text of a key or its default, unless it is empty.
fn text<'a>(
    fields: &'a Fields<'a>,
    key: &'a str,
    example: &str,
    diagnostics: &mut Diagnostics,
) -> Option<(Value<'a>, &'a str)> {
    let value = fields.value(key)?;
    let text = value.text(example, diagnostics)?;
    (!text.is_empty()).then_some((value, text))
}

/// The problem that a value is not one of `all`.
fn none_of(shown: &str, all: &[&str]) -> Problem {
    Problem::new(format!("{shown} is not known"), format!("write one of {}", all.join(", ")))
}

/// Compares all settings, secrets included, for reloads.
impl PartialEq for WebConfig {
    fn eq(&self, other: &Self) -> bool {
        let Self { tls, http2, headers, users, rate_limit, files, warnings } = self;
        let same = |(mine, theirs): ((&String, &SecretString), (&String, &SecretString))| {
            mine.0 == theirs.0 && mine.1.expose_secret() == theirs.1.expose_secret()
        };
        *tls == other.tls
            && *http2 == other.http2
            && *headers == other.headers
            && users.len() == other.users.len()
            && users.iter().zip(&other.users).all(same)
            && *rate_limit == other.rate_limit
            && *files == other.files
            && *warnings == other.warnings
    }
}

/// Omits users, hashes and keys.
impl fmt::Debug for WebConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebConfig")
            .field("tls", &self.tls)
            .field("http2", &self.http2)
            .field("users", &self.users.len())
            .field("rate_limit", &self.rate_limit)
            .finish_non_exhaustive()
    }
}
