//! Reads the keys of `api: official`: address, login and history settings.

use std::fmt::{self, Write as _};
use std::path::Path;

use url::Url;

use super::secret::{self, ACCESS_KEY_SECRET, CLIENT_SECRET, Secret};
use crate::config::bounds::{LOOKBACK, MAX_ALLOWED_HOSTS, MAX_CLIENT_ID_BYTES, SETTLE};
use crate::config::diagnostics::{Diagnostics, Place, Problem, quoted};
use crate::config::keys::TENANT;
use crate::config::parse::address::{self, from_base_url};
use crate::config::parse::duration;
use crate::config::parse::fields::{Fields, from_defaults};
use crate::config::parse::value::Value;
use crate::config::redacted_yaml::{List, Quoted};
use crate::config::{ClientAuth, ConnectionSettings, Login, Official};

/// NICE's global issuer.
pub(crate) const DEFAULT_ISSUER: &str = "https://cxone.niceincontact.com";

/// The keys that only the official API has.
pub(crate) const OFFICIAL_ONLY_KEYS: [&str; 13] = [
    "issuer",
    "area",
    "auth_url",
    "access_key_id",
    "access_key_secret",
    "access_key_secret_file",
    "client_auth",
    "api_version",
    "api_endpoint",
    "allowed_hosts",
    "history_lookback",
    "unavailable_codes",
    "agent_filter",
];

/// The keys that only the presence API has, with remedies.
pub(crate) const PRESENCE_ONLY_KEYS: [(&str, &str); 7] = [
    ("domain", "write `issuer:` or `area:`; where the API is, CXone tells"),
    ("base_url", "write `issuer:` or `area:`; where the API is, CXone tells, unless `api_endpoint:` does"),
    ("interval", "leave it out: this API has no intervals, and is exact"),
    ("states", "leave it out: this API has no such filter; `state_map` can merge states"),
    ("incremental", "leave it out: by this API, refreshes are incremental in any case"),
    ("full_refresh_interval", "leave it out: this API is asked for everything every four hours"),
    ("agents_per_request", "leave it out: this API is asked for all agents at once"),
];

/// The connection and the settings of the official API in `fields`.
pub(crate) fn read(
    fields: &Fields<'_>,
    base_dir: &Path,
    world_readable: Option<Place>,
    diagnostics: &mut Diagnostics,
) -> Option<(ConnectionSettings, Official)> {
    for (key, remedy) in PRESENCE_ONLY_KEYS {
        if let Some(value) = fields.get(key) {
            value.report(Problem::new("is not for `api: official`", remedy), diagnostics);
        }
    }
    let example = "`access_key_id:` with the id of a user's access key (CXone: Employees > the user > Access Keys)";
    let access_key_id = fields.required("access_key_id", example, diagnostics).and_then(|value| {
        value.parse("the access key's id", diagnostics, |text| parse_id(text, "the access key's id"))
    });
    let access_key_secret = secret::read(fields, &ACCESS_KEY_SECRET, base_dir, world_readable, diagnostics);
    let login = login(fields, base_dir, world_readable, diagnostics);
    let settings = Official::read_settings(fields, diagnostics);

    let (base_url, login, client) = login?;
    let (client_id, client_secret) = client.unwrap_or_else(|| (String::new(), Secret::none()));
    let connection = ConnectionSettings { base_url, client_id, client_secret };
    let (access_key_id, access_key_secret) = (access_key_id?, access_key_secret?);
    Some((connection, Official { login, access_key_id, access_key_secret, ..settings? }))
}

type Client = (String, Secret);

/// Reads the login: an issuer with a client, or an area with an access key alone.
fn login(
    fields: &Fields<'_>,
    base_dir: &Path,
    world_readable: Option<Place>,
    diagnostics: &mut Diagnostics,
) -> Option<(Url, Login, Option<Client>)> {
    let (issuer, area, auth_url) = (fields.get("issuer"), fields.get("area"), fields.get("auth_url"));
    if let Some(issuer) = &issuer
        && (area.is_some() || auth_url.is_some())
    {
        let other = if area.is_some() { "area" } else { "auth_url" };
        let remedy = "keep the issuer with `client_id`, or the area for an access key alone";
        issuer.report(Problem::new(format!("is given beside `{other}`"), remedy), diagnostics);
        return None;
    }
    if area.is_some() || auth_url.is_some() {
        for key in ["client_id", "client_secret", "client_secret_file", "client_auth"] {
            if let Some(value) = fields.get(key) {
                let remedy = "leave it out, or write `issuer:` instead of the area";
                let message = "is not for `area`, where an access key alone is the way in";
                value.report(Problem::new(message, remedy), diagnostics);
            }
        }
        let token_url = auth_url.map(|value| value.parse(AUTH_URL_EXAMPLE, diagnostics, parse_auth_url));
        let area = area.map(|value| value.parse("an area, such as `na1`", diagnostics, parse_area));
        let of_area =
            || area.flatten().and_then(|area| Url::parse(&format!("https://{area}.nice-incontact.com/")).ok());
        return match token_url {
            Some(token_url) => {
                let token_url = token_url?;
                let mut base_url = token_url.clone();
                base_url.set_path("/");
                Some((base_url, Login::AccessKey { token_url }, None))
            }
            None => {
                let base_url = of_area()?;
                let token_url = base_url.join("authentication/v1/token/access-key").ok()?;
                Some((base_url, Login::AccessKey { token_url }, None))
            }
        };
    }
    let example =
        "`client_id:` of a client that NICE has registered, or `area:`, such as `na1`, for an access key alone";
    let client_id = match fields.get("client_id") {
        Some(value) => {
            value.parse("the OAuth client's id", diagnostics, |text| parse_id(text, "the OAuth client's id"))
        }
        None => {
            fields.missing("client_id", Some("area"), example, diagnostics);
            None
        }
    };
    // Without any key of the client, only the missing id is reported.
    let secret_given = fields.get("client_secret").is_some() || fields.get("client_secret_file").is_some();
    let client_secret = (client_id.is_some() || secret_given)
        .then(|| secret::read(fields, &CLIENT_SECRET, base_dir, world_readable, diagnostics))
        .flatten();
    let client_auth = fields.parse("client_auth", "`basic` or `body`", diagnostics, parse_client_auth);
    let base_url = match issuer {
        Some(value) => value.parse(&format!("an issuer, such as `{DEFAULT_ISSUER}`"), diagnostics, from_base_url),
        None => Url::parse(DEFAULT_ISSUER).ok(),
    };
    Some((base_url?, Login::Issuer { client_auth: client_auth? }, Some((client_id?, client_secret?))))
}

const AUTH_URL_EXAMPLE: &str =
    "an address, such as `https://na1.nice-incontact.com/authentication/v1/token/access-key`";

fn parse_auth_url(text: &str) -> Result<Url, Problem> {
    let Ok(mut url) = Url::parse(text) else {
        return Err(Problem::new("is not an address", format!("write {AUTH_URL_EXAMPLE}")));
    };
    let path = url.path().to_owned();
    url.set_path("/");
    let mut url = from_base_url(url.as_str())?;
    if path.trim_matches('/').is_empty() {
        return Err(Problem::new("has no path", format!("write {AUTH_URL_EXAMPLE}")));
    }
    url.set_path(&path);
    Ok(url)
}

fn parse_area(text: &str) -> Result<String, Problem> {
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if text.is_empty() || text.len() > 63 || !is_word {
        return Err(Problem::new(
            "is not an area",
            "write letters, digits and `-` only, such as `na1`, `eu1` or `au1`",
        ));
    }
    Ok(text.to_ascii_lowercase())
}

/// `30`, `v30`, `30.0` and `v30.0` are the same.
fn parse_version(text: &str) -> Result<String, Problem> {
    let number = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let number = number.strip_suffix(".0").unwrap_or(number);
    match number.parse::<u16>() {
        Ok(major) if number.bytes().all(|byte| byte.is_ascii_digit()) => Ok(format!("v{major}.0")),
        _ => Err(Problem::new(format!("{} is not a version", quoted(text)), "write one such as `v30.0`")),
    }
}

fn parse_client_auth(text: &str) -> Result<ClientAuth, Problem> {
    match text {
        "basic" => Ok(ClientAuth::Basic),
        "body" => Ok(ClientAuth::Body),
        _ => Err(Problem::new(format!("unknown way {}", quoted(text)), "write `basic` or `body`")),
    }
}

/// Checks an id. Messages do not repeat it, because it may be a misplaced secret.
pub(crate) fn parse_id(text: &str, what: &str) -> Result<String, Problem> {
    let message = if text.is_empty() {
        "is empty".to_owned()
    } else if text.len() > MAX_CLIENT_ID_BYTES {
        format!("is longer than {MAX_CLIENT_ID_BYTES} bytes")
    } else if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        "has white space in it".to_owned()
    } else {
        return Ok(text.to_owned());
    };
    Err(Problem::new(message, format!("write {what} alone")))
}

fn read_hosts(value: &Value<'_>, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let example = "a list of hosts, such as `[api.example.com, .example.org]`";
    let items = value.items(example, MAX_ALLOWED_HOSTS, diagnostics)?;
    Some(items.filter_map(|item| item.parse("a host, such as `api.example.com`", diagnostics, parse_host)).collect())
}

fn parse_host(text: &str) -> Result<String, Problem> {
    let name = text.strip_prefix('.').unwrap_or(text);
    let host = Url::parse(&format!("https://{name}/")).ok().filter(|url| address::is_host_alone(url, name));
    match host.as_ref().and_then(Url::host_str) {
        Some(host) if text.starts_with('.') => Ok(format!(".{host}")),
        Some(host) => Ok(host.to_owned()),
        None => {
            let remedy = "write a name, or `.` and a suffix, without scheme, port, path or `*`";
            Err(Problem::new("is not a host", remedy))
        }
    }
}

/// Reports every key of the official API in a tenant of another API.
pub(crate) fn refuse_official_only_keys(fields: &Fields<'_>, diagnostics: &mut Diagnostics) {
    for value in OFFICIAL_ONLY_KEYS.iter().filter_map(|key| fields.get(key)) {
        value.report(Problem::new("is for `api: official`", "leave it out, or write `api: official`"), diagnostics);
    }
}

// === impl Official ===

impl Official {
    /// The documented defaults, for an access key without an OAuth client and tokens from `token_url`.
    pub fn by_access_key(token_url: Url, access_key_id: &str, access_key_secret: &str) -> Self {
        Self {
            login: Login::AccessKey { token_url },
            access_key_id: access_key_id.to_owned(),
            access_key_secret: access_key_secret.into(),
            ..from_defaults(TENANT, Self::read_settings)
        }
    }

    /// The settings in `fields`, with an empty access key and a login that the caller replaces.
    fn read_settings(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<Self> {
        let api_endpoint = fields.get("api_endpoint").map(|value| {
            value.parse("an address, such as `https://api-na1.niceincontact.com`", diagnostics, from_base_url)
        });
        let api_version = fields.parse("api_version", "a version, such as `v30.0`", diagnostics, parse_version);
        let allowed_hosts = fields.read("allowed_hosts", diagnostics, read_hosts);
        let history_lookback = fields.duration("history_lookback", &LOOKBACK, diagnostics);
        let settle = fields.duration("settle", &SETTLE, diagnostics);
        let unavailable_codes = fields.flag("unavailable_codes", diagnostics);
        Some(Self {
            login: Login::Issuer { client_auth: ClientAuth::Basic },
            access_key_id: String::new(),
            access_key_secret: Secret::none(),
            api_version: api_version?,
            api_endpoint: match api_endpoint {
                Some(read) => Some(read?),
                None => None,
            },
            allowed_hosts: allowed_hosts?,
            history_lookback: history_lookback?,
            settle: settle?,
            unavailable_codes: unavailable_codes?,
        })
    }

    /// The number in `api_version`: 30 of `v30.0`.
    pub(crate) fn major_version(&self) -> u16 {
        let number = self.api_version.trim_start_matches('v').split('.').next();
        number.and_then(|number| number.parse().ok()).unwrap_or(u16::MAX)
    }

    /// Writes the settings and the connection as keys of a tenant.
    pub(crate) fn write(&self, yaml: &mut String, connection: &ConnectionSettings) -> fmt::Result {
        match &self.login {
            Login::Issuer { client_auth } => {
                writeln!(yaml, "    issuer: {}", Quoted(connection.base_url_text()))?;
                connection.write_client(yaml)?;
                let client_auth = if *client_auth == ClientAuth::Basic { "basic" } else { "body" };
                writeln!(yaml, "    client_auth: {client_auth}")?;
            }
            Login::AccessKey { token_url } => writeln!(yaml, "    auth_url: {}", Quoted(token_url.as_str()))?,
        }
        writeln!(yaml, "    access_key_id: {}", Quoted(&self.access_key_id))?;
        self.access_key_secret.write(yaml, &ACCESS_KEY_SECRET)?;
        writeln!(yaml, "    api_version: {}", self.api_version)?;
        if let Some(endpoint) = &self.api_endpoint {
            writeln!(yaml, "    api_endpoint: {}", Quoted(endpoint.as_str().trim_end_matches('/')))?;
        }
        writeln!(yaml, "    allowed_hosts: {}", List(&self.allowed_hosts))?;
        writeln!(yaml, "    history_lookback: {}", duration::format(self.history_lookback))?;
        writeln!(yaml, "    settle: {}", duration::format(self.settle))?;
        writeln!(yaml, "    unavailable_codes: {}", self.unavailable_codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_version_spellings() {
        for text in ["30", "v30", "30.0", "v30.0", "V30"] {
            assert_eq!(parse_version(text).as_deref().ok(), Some("v30.0"), "{text}");
        }
        for text in ["", "v", "30.1", "latest", "-1", "+30", "99999", "30.0.0"] {
            assert!(parse_version(text).is_err(), "{text}");
        }
    }

    #[test]
    fn allowed_hosts_are_names_or_suffixes() {
        let table =
            [("API.example.com", "api.example.com"), (".Example.org", ".example.org"), ("127.0.0.1", "127.0.0.1")];
        for (text, host) in table {
            assert_eq!(parse_host(text).as_deref().ok(), Some(host), "{text}");
        }
        for text in ["", ".", "*.example.com", "https://example.com", "example.com:443", "example.com/x", "a b", "u@h"]
        {
            assert!(parse_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn area_is_one_word() {
        assert_eq!(parse_area("NA1").as_deref().ok(), Some("na1"));
        for text in ["", "na1.evil.example/", "na1@", "na 1", "ñ"] {
            assert!(parse_area(text).is_err(), "{text}");
        }
    }
}
