//! `http_server_config`, `basic_auth_users` and `rate_limit`.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::super::fault::{Complaint, Findings, quoted};
use super::super::fields::Value;
use super::super::keys::{WEB_HTTP, WEB_RATE_LIMIT};
use super::super::limits::MAX_WEB_HEADER_BYTES;
use super::scalar::{boolean, go_duration};
use super::{RateLimit, WebConfig, given, none_of};

/// The headers that may be set, with the values that they take; none is any value.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// Costs that bcrypt has: two to the power of this many rounds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=31;

/// A hash of bcrypt: `$2y$`, two digits, `$`, 22 characters of salt and 31 of hash.
const BCRYPT_LENGTH: usize = 60;

/// Beyond this cost one check takes seconds, and a scrape that has to wait for it fails.
const COSTLY: u32 = 14;

/// Reads `http_server_config` into `config`.
pub(super) fn read(value: &Value<'_>, config: &mut WebConfig, findings: &mut Findings) {
    let Some(fields) = value.fields(WEB_HTTP, findings) else { return };
    if let Some(http2) = given(&fields, "http2").and_then(|value| boolean(&value, findings)) {
        config.http2 = http2;
    }
    let Some(headers) = given(&fields, "headers") else { return };
    for (name, value) in headers.named("a mapping of header names and values", findings).unwrap_or_default() {
        let Some((name, allowed)) = HEADERS.into_iter().find(|(known, _)| *known == name) else {
            let names = HEADERS.map(|(name, _)| name).join(", ");
            let problem = "this header cannot be configured";
            value.complain(Complaint::new(problem, format!("set only {names}, spelled like this")), findings);
            continue;
        };
        let Some(text) = value.text("the header's value, in quotes", findings) else { continue };
        let is_value = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.len() <= MAX_WEB_HEADER_BYTES;
        if !is_value {
            let problem = format!("is no header value: up to {MAX_WEB_HEADER_BYTES} printable ASCII characters");
            value.complain(Complaint::new(problem, "write it in one line of plain characters"), findings);
        } else if !allowed.is_empty() && !allowed.contains(&text) {
            value.complain(none_of(&quoted(text), allowed), findings);
        } else if !text.trim().is_empty() {
            // A blank one is as none.
            config.headers.push((name, text.to_owned()));
        }
    }
}

/// Reads `basic_auth_users`. No message has a hash in it.
pub(super) fn users(value: &Value<'_>, findings: &mut Findings) -> BTreeMap<String, SecretString> {
    let mut users = BTreeMap::new();
    for (name, value) in value.named("a mapping of user names and bcrypt hashes", findings).unwrap_or_default() {
        let example = "a bcrypt hash, such as `htpasswd -nBC 10 USER` prints, in quotes";
        let Some(text) = value.text(example, findings) else { continue };
        let Some(cost) = bcrypt_cost(text) else {
            value.complain(Complaint::new("is not a bcrypt hash", format!("write {example}")), findings);
            continue;
        };
        if cost > COSTLY {
            let problem = format!("a bcrypt cost of {cost} takes seconds for each new password");
            findings.warn(value.place, value.path, Complaint::new(problem, "use a cost of 10 to 12"));
        }
        users.insert(name.to_owned(), SecretString::from(text));
    }
    users
}

/// The cost that a bcrypt hash was made with.
fn bcrypt_cost(hash: &str) -> Option<u32> {
    let rest = ["$2a$", "$2b$", "$2x$", "$2y$"].into_iter().find_map(|prefix| hash.strip_prefix(prefix))?;
    let (cost, digits) = rest.split_once('$')?;
    let is_digits = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'));
    let cost = cost.parse().ok().filter(|cost| BCRYPT_COSTS.contains(cost))?;
    (hash.len() == BCRYPT_LENGTH && is_digits).then_some(cost)
}

/// Reads `rate_limit`; without an interval there is no limit.
pub(super) fn rate_limit(value: &Value<'_>, findings: &mut Findings) -> Option<RateLimit> {
    let fields = value.fields(WEB_RATE_LIMIT, findings)?;
    let interval =
        given(&fields, "interval").map(|value| value.parse("a duration such as `1s`", findings, go_duration));
    let burst = fields.count("burst", &(0..=1_000_000), "it is how many requests may come at once", findings);
    let interval = interval??;
    if interval.is_zero() {
        return None;
    }
    let burst = u32::try_from(burst.unwrap_or(0)).unwrap_or(u32::MAX);
    if burst == 0 {
        let problem = "no request at all is allowed, as `burst` is 0";
        let complaint = Complaint::new(problem, "write how many requests may come at once, such as `burst: 20`");
        findings.warn(value.place, value.path, complaint);
    }
    Some(RateLimit { interval, burst })
}
