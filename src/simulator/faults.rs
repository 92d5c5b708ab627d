//! Simulated faults and the rules when they occur.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::duration::parse_duration;

/// An endpoint of the tenant, without control endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /oauth/token`.
    Token,
    /// `GET /api/v2/reporting/agent-presence`.
    Presence,
    /// The discovery documents of the official API.
    Discovery,
    /// List of agents of the official API.
    Agents,
    /// List of current states of the official API.
    States,
    /// State history of the official API, of all agents or of one.
    History,
    /// Lists of unavailable codes of the official API.
    Codes,
}

/// A fault of one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `rate-limited[=SECONDS]`: 429, with `Retry-After` in seconds if given.
    RateLimited(Option<u64>),
    /// `rate-limited-until=SECONDS`: 429, with `Retry-After` as an HTTP date SECONDS from now.
    RateLimitedUntil(u64),
    /// `status=CODE`: this status, with a JSON error.
    Status(u16),
    /// `redirect=URL`: 307 to that address.
    Redirect(String),
    /// `slow=DURATION`: the answer is delayed.
    Slow(Duration),
    /// `slow-body=DURATION`: the body pauses half-way.
    SlowBody(Duration),
    /// `cut`: the connection is closed without an answer.
    Cut,
    /// `cut-headers`: the connection is closed within the headers.
    CutHeaders,
    /// `cut-body`: the connection is closed half-way through the body.
    CutBody,
    /// `garbage`: 200, with an HTML page.
    Garbage,
    /// `truncated`: 200, with the first half of the body only.
    Truncated,
    /// `oversized=MEBIBYTES`: 200, with a body of MEBIBYTES MiB of spaces.
    Oversized(u32),
    /// `no-body`: 200, with an empty body.
    NoBody,
    /// `blank`: 200, with a body of white space.
    Blank,
    /// `error-object`: 200, with a JSON object that has only an error.
    ErrorObject,
    /// `revoked`: all tokens are revoked before the request is handled.
    Revoked,
    /// `empty`: 200, with an empty list as data.
    Empty,
    /// `null-data`: 200, with null as data.
    NullData,
    /// `repeated-page`: the rows of the previous page are repeated before the rows of this page; on the first page, its own.
    RepeatedPage,
    /// `repeated-token`: the answer names the requested page as the next page.
    RepeatedToken,
    /// `endless-pages`: there is always a next, empty page.
    EndlessPages,
    /// `odd-rows`: additional invalid rows: of an agent that was not requested, outside the window, without times.
    OddRows,
    /// `wrong-types`: additional rows whose types are wrong.
    WrongTypes,
    /// `shrunk=PERCENT`: a list of the official API has only the first PERCENT of its rows.
    Shrunk(u32),
    /// `foreign-link=URL`: a document or page of the official API links to URL.
    ForeignLink(String),
}

/// When a fault occurs: on `times` requests to `endpoint`, after `after` requests without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The fault.
    pub fault: Fault,
    /// The affected endpoint.
    pub endpoint: Endpoint,
    /// Number of affected requests; `None`: until cleared.
    pub times: Option<u32>,
    /// Number of unaffected requests before.
    pub after: u32,
}

/// The pending faults. The first due rule of an endpoint applies to a request.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<VecDeque<Rule>>,
}

// === impl Faults ===

impl Faults {
    /// Appends a rule.
    pub fn push(&self, rule: impl Into<Rule>) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).push_back(rule.into());
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The pending rules.
    pub fn pending(&self) -> Vec<Rule> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The fault of a new request to `endpoint`.
    pub(super) fn take(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = None;
        for rule in rules.iter_mut().filter(|rule| rule.endpoint == endpoint) {
            if rule.after > 0 {
                rule.after -= 1;
            } else if due.is_none() {
                due = Some(rule.fault.clone());
                rule.times = rule.times.map(|times| times.saturating_sub(1));
            }
        }
        rules.retain(|rule| rule.times != Some(0));
        due
    }
}

// === impl Rule ===

impl Rule {
    /// `fault` occurs on every presence request until cleared.
    pub const fn new(fault: Fault) -> Self {
        Self { fault, endpoint: Endpoint::Presence, times: None, after: 0 }
    }

    /// The fault occurs on requests to `endpoint` instead.
    #[must_use]
    pub const fn on(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// The fault occurs `times` times.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// The fault occurs after `requests` unaffected requests.
    #[must_use]
    pub const fn after(mut self, requests: u32) -> Self {
        self.after = requests;
        self
    }
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Self {
        Self::new(fault)
    }
}

/// `[ENDPOINT:]KIND[=VALUE][@TIMES][+AFTER]`
impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (endpoint, rest) = match text.split_once(':') {
            Some((name, rest)) if let Some(endpoint) = Endpoint::named(name) => (endpoint, rest),
            _ => (Endpoint::Presence, text),
        };
        let (rest, after) = count(rest, '+')?;
        let (fault, times) = count(rest, '@')?;
        if times == Some(0) {
            return Err(format!("`{text}` would never happen; leave `@0` out"));
        }
        Ok(Self { fault: fault.parse()?, endpoint, times, after: after.unwrap_or(0) })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.endpoint.name(), self.fault)?;
        if let Some(times) = self.times {
            write!(f, "@{times}")?;
        }
        if self.after > 0 {
            write!(f, "+{}", self.after)?;
        }
        Ok(())
    }
}

/// Splits a number after `mark` off the end of `text`.
fn count(text: &str, mark: char) -> Result<(&str, Option<u32>), String> {
    let Some((rest, number)) = text.rsplit_once(mark) else { return Ok((text, None)) };
    match number.parse() {
        Ok(number) => Ok((rest, Some(number))),
        Err(_) => Err(format!("`{number}` after `{mark}` is not a whole number")),
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 7] =
        [Self::Token, Self::Presence, Self::Discovery, Self::Agents, Self::States, Self::History, Self::Codes];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.name() == name)
    }

    /// The name in rules and counts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Presence => "presence",
            Self::Discovery => "discovery",
            Self::Agents => "agents",
            Self::States => "states",
            Self::History => "history",
            Self::Codes => "codes",
        }
    }
}

// === impl Fault ===

impl Fault {
    /// The kinds, for error messages.
    const KINDS: &str = "rate-limited[=SECONDS], rate-limited-until=SECONDS, status=CODE, redirect=URL, slow=DURATION, \
                         slow-body=DURATION, cut, cut-headers, cut-body, garbage, truncated, oversized=MEBIBYTES, \
                         no-body, blank, error-object, revoked, empty, null-data, repeated-page, repeated-token, \
                         endless-pages, odd-rows, wrong-types, shrunk=PERCENT, foreign-link=URL";

    /// The name of the kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::RateLimited(_) => "rate-limited",
            Self::RateLimitedUntil(_) => "rate-limited-until",
            Self::Status(_) => "status",
            Self::Redirect(_) => "redirect",
            Self::Slow(_) => "slow",
            Self::SlowBody(_) => "slow-body",
            Self::Cut => "cut",
            Self::CutHeaders => "cut-headers",
            Self::CutBody => "cut-body",
            Self::Garbage => "garbage",
            Self::Truncated => "truncated",
            Self::Oversized(_) => "oversized",
            Self::NoBody => "no-body",
            Self::Blank => "blank",
            Self::ErrorObject => "error-object",
            Self::Revoked => "revoked",
            Self::Empty => "empty",
            Self::NullData => "null-data",
            Self::RepeatedPage => "repeated-page",
            Self::RepeatedToken => "repeated-token",
            Self::EndlessPages => "endless-pages",
            Self::OddRows => "odd-rows",
            Self::WrongTypes => "wrong-types",
            Self::Shrunk(_) => "shrunk",
            Self::ForeignLink(_) => "foreign-link",
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, value) = match text.split_once('=') {
            Some((kind, value)) => (kind, Some(value)),
            None => (text, None),
        };
        let number =
            |value: &str| value.parse::<u32>().map_err(|_| format!("`{value}` in `{text}` is not a whole number"));
        Ok(match (kind, value) {
            ("rate-limited", None) => Self::RateLimited(None),
            ("rate-limited", Some(seconds)) => Self::RateLimited(Some(number(seconds)?.into())),
            ("rate-limited-until", Some(seconds)) => Self::RateLimitedUntil(number(seconds)?.into()),
            ("status", Some(code)) => match code.parse() {
                Ok(code @ 200..=599) => Self::Status(code),
                _ => return Err(format!("`{code}` in `{text}` is not a status from 200 to 599")),
            },
            ("redirect", Some(address)) => Self::Redirect(address.to_owned()),
            ("slow", Some(span)) => Self::Slow(parse_duration(span)?),
            ("slow-body", Some(span)) => Self::SlowBody(parse_duration(span)?),
            ("cut", None) => Self::Cut,
            ("cut-headers", None) => Self::CutHeaders,
            ("cut-body", None) => Self::CutBody,
            ("garbage", None) => Self::Garbage,
            ("truncated", None) => Self::Truncated,
            ("oversized", Some(size)) => Self::Oversized(number(size)?),
            ("no-body", None) => Self::NoBody,
            ("blank", None) => Self::Blank,
            ("error-object", None) => Self::ErrorObject,
            ("revoked", None) => Self::Revoked,
            ("empty", None) => Self::Empty,
            ("null-data", None) => Self::NullData,
            ("repeated-page", None) => Self::RepeatedPage,
            ("repeated-token", None) => Self::RepeatedToken,
            ("endless-pages", None) => Self::EndlessPages,
            ("odd-rows", None) => Self::OddRows,
            ("wrong-types", None) => Self::WrongTypes,
            ("shrunk", Some(percent)) => Self::Shrunk(number(percent)?),
            ("foreign-link", Some(address)) => Self::ForeignLink(address.to_owned()),
            _ => return Err(format!("`{text}` is not a fault; there are: {}", Self::KINDS)),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::RateLimited(Some(seconds)) | Self::RateLimitedUntil(seconds) => write!(f, "={seconds}"),
            Self::Status(code) => write!(f, "={code}"),
            Self::Slow(span) | Self::SlowBody(span) => write!(f, "={}ms", span.as_millis()),
            Self::Oversized(number) | Self::Shrunk(number) => write!(f, "={number}"),
            Self::Redirect(address) | Self::ForeignLink(address) => write!(f, "={address}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_parse_and_display_round_trip() {
        let table = [
            ("cut", Rule::new(Fault::Cut)),
            ("token:status=503@1", Rule::new(Fault::Status(503)).on(Endpoint::Token).times(1)),
            ("rate-limited=30@2+1", Rule::new(Fault::RateLimited(Some(30))).times(2).after(1)),
            ("presence:slow=2s", Rule::new(Fault::Slow(Duration::from_secs(2)))),
            ("redirect=http://127.0.0.1:9/x@1", Rule::new(Fault::Redirect("http://127.0.0.1:9/x".to_owned())).times(1)),
        ];
        for (text, rule) in table {
            assert_eq!(text.parse::<Rule>().as_ref(), Ok(&rule), "{text}");
            assert_eq!(rule.to_string().parse::<Rule>(), Ok(rule));
        }
    }

    #[test]
    fn every_kind_is_listed_and_parses() {
        for entry in Fault::KINDS.split(", ") {
            let kind = entry.split(['=', '[']).next().unwrap();
            let text = match kind {
                "slow" | "slow-body" => format!("{kind}=1s"),
                _ if entry.contains("]") || !entry.contains('=') => kind.to_owned(),
                _ => format!("{kind}=400"),
            };
            assert_eq!(text.parse::<Fault>().unwrap().kind(), kind);
        }
        assert_eq!(Fault::KINDS.split(", ").count(), 25);
    }

    #[test]
    fn invalid_rules_are_refused() {
        for text in ["", "cut=1", "status", "status=999", "slow=5", "cut@x", "cut@0", "cut+-1", "elsewhere:cut"] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }

    #[test]
    fn rules_are_used_up_in_order() {
        let faults = Faults::default();
        faults.push(Rule::new(Fault::Cut).times(1).after(1));
        faults.push(Rule::new(Fault::Empty).times(2));
        faults.push(Rule::new(Fault::Garbage).on(Endpoint::Token));
        let taken: Vec<_> = (0..4).map(|_| faults.take(Endpoint::Presence)).collect();
        assert_eq!(taken, [Some(Fault::Empty), Some(Fault::Cut), Some(Fault::Empty), None]);
        assert_eq!(faults.take(Endpoint::Token), Some(Fault::Garbage));
        assert_eq!(faults.pending().len(), 1);
        faults.clear();
        assert_eq!(faults.take(Endpoint::Token), None);
    }
}
