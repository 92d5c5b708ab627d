//! `http_server_config`, `basic_auth_users` and `rate_limit`.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::scalar::{boolean, go_duration};
use super::{RateLimit, WebConfig, fields_of, none_of};
use crate::config::bounds::MAX_WEB_HEADER_BYTES;
use crate::config::diagnostics::{Diagnostics, Problem, quoted};
use crate::config::keys::{WEB_HTTP, WEB_RATE_LIMIT};
use crate::config::parse::fields::Fields;
use crate::config::parse::value::Value;

/// The configurable headers with their allowed values; empty allows any value.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// The valid costs of bcrypt: the binary logarithm of the number of rounds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=31;

/// A hash of bcrypt: `$2y$`, two digits, `$`, 22 characters of salt and 31 of hash.
const BCRYPT_LENGTH: usize = 60;

/// Above this cost a check takes seconds, so that scrapes time out.
const COSTLY: u32 = 14;

/// Reads `http_server_config` into `config`.
pub(super) fn read(value: &Value<'_>, config: &mut WebConfig, diagnostics: &mut Diagnostics) {
    let Some(fields) = fields_of(value, WEB_HTTP, diagnostics) else { return };
    config.http2 = read_http2(&fields, diagnostics).unwrap_or(config.http2);
    let Some(headers) = fields.get("headers") else { return };
    for (name, value) in headers.named("a mapping of header names and values", diagnostics).unwrap_or_default() {
        let Some((name, allowed)) = HEADERS.into_iter().find(|(known, _)| *known == name) else {
            let names = HEADERS.map(|(name, _)| name).join(", ");
            let message = "this header cannot be configured";
            value.report(Problem::new(message, format!("set only {names}, spelled like this")), diagnostics);
            continue;
        };
        let Some(text) = value.text("the header's value, in quotes", diagnostics) else { continue };
        let is_value = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.len() <= MAX_WEB_HEADER_BYTES;
        if !is_value {
            let message = format!("is no header value: up to {MAX_WEB_HEADER_BYTES} printable ASCII characters");
            value.report(Problem::new(message, "write it in one line of plain characters"), diagnostics);
        } else if !allowed.is_empty() && !allowed.contains(&text) {
            value.report(none_of(&quoted(text), allowed), diagnostics);
        } else if !text.trim().is_empty() {
            // A blank value counts as unset.
            config.headers.push((name, text.to_owned()));
        }
    }
}

/// Reads `http2`.
pub(super) fn read_http2(fields: &Fields<'_>, diagnostics: &mut Diagnostics) -> Option<bool> {
    fields.read("http2", diagnostics, boolean)
}

/// Reads `basic_auth_users`. Messages never contain a hash.
pub(super) fn users(value: &Value<'_>, diagnostics: &mut Diagnostics) -> BTreeMap<String, SecretString> {
    let mut users = BTreeMap::new();
    for (name, value) in value.named("a mapping of user names and bcrypt hashes", diagnostics).unwrap_or_default() {
        let example = "a bcrypt hash, such as `htpasswd -nBC 10 USER` prints, in quotes";
        let Some(text) = value.text(example, diagnostics) else { continue };
        let Some(cost) = bcrypt_cost(text) else {
            value.report(Problem::new("is not a bcrypt hash", format!("write {example}")), diagnostics);
            continue;
        };
        if cost > COSTLY {
            let message = format!("a bcrypt cost of {cost} takes seconds for each new password");
            diagnostics.warn(value.place, value.path, Problem::new(message, "use a cost of 10 to 12"));
        }
        users.insert(name.to_owned(), SecretString::from(text));
    }
    users
}

/// The cost of a bcrypt hash.
fn bcrypt_cost(hash: &str) -> Option<u32> {
    let rest = ["$2a$", "$2b$", "$2x$", "$2y$"].into_iter().find_map(|prefix| hash.strip_prefix(prefix))?;
    let (cost, digits) = rest.split_once('$')?;
    let is_digits = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'));
    let cost = cost.parse().ok().filter(|cost| BCRYPT_COSTS.contains(cost))?;
    (hash.len() == BCRYPT_LENGTH && is_digits).then_some(cost)
}

/// Reads `rate_limit`; without an interval there is no limit.
pub(super) fn rate_limit(value: &Value<'_>, diagnostics: &mut Diagnostics) -> Option<RateLimit> {
    let fields = fields_of(value, WEB_RATE_LIMIT, diagnostics)?;
    let interval = fields.parse("interval", "a duration such as `1s`", diagnostics, go_duration);
    let burst = fields.count("burst", &(0..=1_000_000), "it is how many requests may come at once", diagnostics);
    let interval = interval?;
    if interval.is_zero() {
        return None;
    }
    let burst = u32::try_from(burst?).unwrap_or(u32::MAX);
    if burst == 0 {
        let message = "no request at all is allowed, as `burst` is 0";
        let problem = Problem::new(message, "write how many requests may come at once, such as `burst: 20`");
        diagnostics.warn(value.place, value.path, problem);
    }
    Some(RateLimit { interval, burst })
}
