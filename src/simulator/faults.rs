//! What can go wrong with an answer, and the script that says when it does.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::options::parse_span;

/// A request that the tenant serves; the control endpoints are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /oauth/token`.
    Token,
    /// `GET /api/v2/reporting/agent-presence`.
    Presence,
    /// Where the official API tells its addresses.
    Discovery,
    /// The official API's list of agents.
    Agents,
    /// Its list of current states.
    States,
    /// Its history of states, of all agents or of one.
    History,
    /// Its lists of unavailable codes.
    Codes,
}

/// Something that goes wrong with one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `rate-limited[=SECONDS]`: 429, with `Retry-After` in seconds if they are given.
    RateLimited(Option<u64>),
    /// `rate-limited-until=SECONDS`: 429, with `Retry-After` as the HTTP date that many seconds from now.
    RateLimitedUntil(u64),
    /// `status=CODE`: this status, with an error as JSON.
    Status(u16),
    /// `redirect=URL`: 307 to that address.
    Redirect(String),
    /// `slow=DURATION`: the right answer begins that much later.
    Slow(Duration),
    /// `slow-body=DURATION`: the right answer stops half-way for that long.
    SlowBody(Duration),
    /// `cut`: the connection is closed without an answer.
    Cut,
    /// `cut-headers`: the connection is closed within the headers.
    CutHeaders,
    /// `cut-body`: the connection is closed half-way through the body.
    CutBody,
    /// `garbage`: 200, with a page of HTML.
    Garbage,
    /// `truncated`: 200, with the first half of the right body as if it were all.
    Truncated,
    /// `oversized=MEBIBYTES`: 200, with a body of that many mebibytes of blanks.
    Oversized(u32),
    /// `revoked`: every token is revoked before the request is looked at.
    Revoked,
    /// `empty`: 200, with an empty list as data.
    Empty,
    /// `null-data`: 200, with null as data.
    NullData,
    /// `repeated-page`: the rows of the page before come again, ahead of the right ones; on a first page, its own.
    RepeatedPage,
    /// `repeated-token`: the answer names the page that was asked for as the next one.
    RepeatedToken,
    /// `endless-pages`: there is always a next page, though nothing is on it.
    EndlessPages,
    /// `odd-rows`: rows that do not belong there come besides the right ones: of an agent nobody asked for, of a
    /// time outside the window, without times.
    OddRows,
    /// `foreign-link=URL`: a document or a page of the official API leads to that address.
    ForeignLink(String),
}

/// When a fault happens: it applies to `times` requests to `endpoint` after `after` of them went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What goes wrong.
    pub fault: Fault,
    /// Which requests it happens to.
    pub endpoint: Endpoint,
    /// To how many of them; `None`: until it is cleared.
    pub times: Option<u32>,
    /// How many of them pass before that.
    pub after: u32,
}

/// The faults still to happen. For each request the first rule of its endpoint that is due applies.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<VecDeque<Rule>>,
}

// === impl Faults ===

impl Faults {
    /// Adds a rule behind those there are.
    pub fn push(&self, rule: impl Into<Rule>) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).push_back(rule.into());
    }

    /// From now on all goes well.
    pub fn clear(&self) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The rules that have not been used up.
    pub fn pending(&self) -> Vec<Rule> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// What goes wrong with the request to `endpoint` that has just come in.
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
    /// `fault` happens to every presence request until it is cleared.
    pub const fn new(fault: Fault) -> Self {
        Self { fault, endpoint: Endpoint::Presence, times: None, after: 0 }
    }

    /// It happens to requests to `endpoint` instead.
    #[must_use]
    pub const fn on(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// It happens `times` times only.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// It happens after `requests` requests have passed.
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

/// Splits a number off the end of `text` that `mark` stands before.
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
    /// The kinds, as a message lists them.
    const KINDS: &str = "rate-limited[=SECONDS], rate-limited-until=SECONDS, status=CODE, redirect=URL, slow=DURATION, \
                         slow-body=DURATION, cut, cut-headers, cut-body, garbage, truncated, oversized=MEBIBYTES, \
                         revoked, empty, null-data, repeated-page, repeated-token, endless-pages, odd-rows, \
                         foreign-link=URL";

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
            Self::Revoked => "revoked",
            Self::Empty => "empty",
            Self::NullData => "null-data",
            Self::RepeatedPage => "repeated-page",
            Self::RepeatedToken => "repeated-token",
            Self::EndlessPages => "endless-pages",
            Self::OddRows => "odd-rows",
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
            ("slow", Some(span)) => Self::Slow(parse_span(span)?),
            ("slow-body", Some(span)) => Self::SlowBody(parse_span(span)?),
            ("cut", None) => Self::Cut,
            ("cut-headers", None) => Self::CutHeaders,
            ("cut-body", None) => Self::CutBody,
            ("garbage", None) => Self::Garbage,
            ("truncated", None) => Self::Truncated,
            ("oversized", Some(size)) => Self::Oversized(number(size)?),
            ("revoked", None) => Self::Revoked,
            ("empty", None) => Self::Empty,
            ("null-data", None) => Self::NullData,
            ("repeated-page", None) => Self::RepeatedPage,
            ("repeated-token", None) => Self::RepeatedToken,
            ("endless-pages", None) => Self::EndlessPages,
            ("odd-rows", None) => Self::OddRows,
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
            Self::Oversized(size) => write!(f, "={size}"),
            Self::Redirect(address) | Self::ForeignLink(address) => write!(f, "={address}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_as_it_is_written() {
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
    fn every_kind_is_listed_and_can_be_read() {
        for entry in Fault::KINDS.split(", ") {
            let kind = entry.split(['=', '[']).next().unwrap();
            let text = match kind {
                "slow" | "slow-body" => format!("{kind}=1s"),
                _ if entry.contains("]") || !entry.contains('=') => kind.to_owned(),
                _ => format!("{kind}=400"),
            };
            assert_eq!(text.parse::<Fault>().unwrap().kind(), kind);
        }
        assert_eq!(Fault::KINDS.split(", ").count(), 20);
    }

    #[test]
    fn a_rule_that_cannot_be_meant_is_refused() {
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
