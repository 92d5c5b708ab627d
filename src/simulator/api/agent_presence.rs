//! `GET /api/v2/reporting/agent-presence`: buckets of presence, page by page.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use chrono::DateTime;
use hyper::StatusCode;
use jiff::SpanRelativeTo;
use jiff::fmt::temporal::SpanParser;
use url::form_urlencoded;

use super::bucket_grid::BucketGrid;
use super::presence_rows::{BucketText, StateFilter};
use super::{Answer, Refusal};
use crate::presence::{Timestamp, Window};
use crate::simulator::api_variants::ApiVariant;
use crate::simulator::faults::Fault;
use crate::simulator::options::{Order, SimulatorOptions};
use crate::simulator::random;
use crate::simulator::timeline::{StateTimes, Timeline};
use crate::simulator::workforce::{Agent, Workforce};

/// A second in microseconds.
const SECOND: i64 = 1_000_000;
/// Maximum range of one request, as in reporting databases.
const MAX_RANGE: i64 = 31 * 86_400 * SECOND;
/// Maximum number of agents per request; their ids take 10 kB of the URL, the usual limit of servers.
const MAX_AGENT_IDS: usize = 500;
/// Room for a row with four states and its times.
const ROW_BYTES: usize = 360;

/// A valid query for presence.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    agents: Vec<&'a Agent>,
    grid: BucketGrid,
    filter: StateFilter,
    /// Whether states appear twice in a bucket.
    repeated: bool,
    /// Fingerprint of the query; page tokens are bound to it.
    fingerprint: u64,
    page: Page,
}

/// Start of a page. All pages of a query contain what was known at the first page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Page {
    offset: usize,
    known_until: Timestamp,
}

// === impl Query ===

impl<'a> Query<'a> {
    /// Parses a query string at the time `now`.
    pub(crate) fn parse(
        query: &str,
        options: &SimulatorOptions,
        workforce: &'a Workforce,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let fields: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
        let optional = |name: &str| fields.get(name).map(Cow::as_ref).filter(|value| !value.is_empty());
        let needed = |name: &str| optional(name).ok_or_else(|| bad_request(&format!("{name} is needed")));

        let ids = needed("agentIds")?;
        let window = Window { start: moment(needed("startTime")?)?, end: moment(needed("endTime")?)? };
        let length = window.end.micros() - window.start.micros();
        if !(1..=MAX_RANGE).contains(&length) {
            return Err(bad_request("endTime must be after startTime, by no more than 31 days"));
        }
        let interval = needed("interval")?;
        let step = iso_duration(interval).ok_or_else(|| {
            bad_request(&format!("invalid interval `{interval}`: it must be an ISO 8601 duration such as PT1H"))
        })?;
        if (length - 1) / step >= i64::from(options.max_buckets) {
            return Err(bad_request(&format!("interval `{interval}` is too small for the requested time range")));
        }

        let fingerprint = ["agentIds", "startTime", "endTime", "interval", "states"]
            .iter()
            .fold(options.seed, |sum, name| random::fingerprint(sum, optional(name).unwrap_or_default().as_bytes()));
        let page = match optional("nextPageToken") {
            None => Page { offset: 0, known_until: now },
            Some(token) => Page::parse(token, fingerprint)
                .ok_or_else(|| bad_request("nextPageToken is not one that was given out for this query"))?,
        };
        Ok(Self {
            agents: known_agents(ids, workforce)?,
            grid: BucketGrid::new(window, step, options.align, page.known_until),
            filter: StateFilter::parse(optional("states").unwrap_or_default()),
            repeated: options.has(ApiVariant::RepeatedStates),
            fingerprint,
            page,
        })
    }

    /// The requested agents that exist.
    pub(crate) fn agents(&self) -> &[&'a Agent] {
        &self.agents
    }

    /// Page number, from 0.
    pub(crate) fn page_number(&self, options: &SimulatorOptions) -> usize {
        self.page.offset / options.page_size.max(1) as usize
    }

    /// The page with `fault` applied.
    pub(crate) fn answer(&self, options: &SimulatorOptions, timeline: &Timeline, fault: Option<&Fault>) -> Answer {
        let total = self.agents.len() * self.grid.count();
        let page_size = options.page_size.max(1) as usize;
        let start = self.page.offset.min(total);
        let end = start.saturating_add(page_size).min(total);

        let mut body = Vec::with_capacity((end - start + 1) * ROW_BYTES);
        let mut rows = 0;
        body.extend_from_slice(b"{\"data\":");
        if fault == Some(&Fault::NullData) {
            body.extend_from_slice(b"null");
        } else {
            body.push(b'[');
            if fault != Some(&Fault::Empty) {
                if fault == Some(&Fault::RepeatedPage) {
                    let before = start.saturating_sub(page_size);
                    rows +=
                        self.push_rows(options.order, timeline, (before, (before + page_size).min(total)), &mut body);
                }
                rows += self.push_rows(options.order, timeline, (start, end), &mut body);
            }
            if fault == Some(&Fault::OddRows) {
                rows += self.push_odd_rows(&mut body);
            }
            if fault == Some(&Fault::WrongTypes) {
                rows += self.push_wrong_types(&mut body);
            }
            // Each row ends with a comma; the last one must not.
            body.pop_if(|byte| *byte == b',');
            body.push(b']');
        }
        let next = match fault {
            Some(Fault::RepeatedToken) => Some(self.page.offset),
            Some(Fault::EndlessPages) => Some(self.page.offset.saturating_add(page_size)),
            Some(Fault::Empty | Fault::NullData) => None,
            _ => (end < total).then_some(end),
        };
        if let Some(offset) = next {
            let page = Page { offset, known_until: self.page.known_until };
            body.extend_from_slice(b",\"nextPageToken\":\"");
            body.extend_from_slice(page.token(self.fingerprint).as_bytes());
            body.push(b'"');
        }
        body.push(b'}');
        Answer { rows, ..Answer::json(body) }
    }

    /// Appends the rows `from..to`; returns their number.
    fn push_rows(&self, order: Order, timeline: &Timeline, (from, to): (usize, usize), body: &mut Vec<u8>) -> usize {
        if from >= to {
            return 0;
        }
        match order {
            Order::Agent => self.push_by_agent(timeline, (from, to), body),
            Order::Time => self.push_by_time(timeline, (from, to), body),
        }
        to - from
    }

    fn push_by_agent(&self, timeline: &Timeline, (from, to): (usize, usize), body: &mut Vec<u8>) {
        let count = self.grid.count();
        let texts: Vec<_> = (0..count).map(|index| BucketText::new(self.grid.bucket(index), self.repeated)).collect();
        let mut times = Vec::with_capacity(count);
        for (index, agent) in self.agents.iter().enumerate().take(to.div_ceil(count)).skip(from / count) {
            let first = from.saturating_sub(index * count);
            let last = (to - index * count).min(count);
            self.grid.times(timeline, agent, (first, last), &mut times);
            for (text, times) in texts.iter().skip(first).zip(&times) {
                text.push_row(&agent.id, times, self.filter, body);
                body.push(b',');
            }
        }
    }

    fn push_by_time(&self, timeline: &Timeline, (from, to): (usize, usize), body: &mut Vec<u8>) {
        let (first, last) = (from / self.agents.len(), to.div_ceil(self.agents.len()));
        let by_agent: Vec<Vec<StateTimes>> = self
            .agents
            .iter()
            .map(|agent| {
                let mut times = Vec::new();
                self.grid.times(timeline, agent, (first, last), &mut times);
                times
            })
            .collect();
        for bucket in first..last {
            let text = BucketText::new(self.grid.bucket(bucket), self.repeated);
            let rows = bucket * self.agents.len()..;
            for ((agent, times), _) in
                self.agents.iter().zip(&by_agent).zip(rows).filter(|(_, row)| (from..to).contains(row))
            {
                if let Some(times) = times.get(bucket - first) {
                    text.push_row(&agent.id, times, self.filter, body);
                    body.push(b',');
                }
            }
        }
    }

    /// Appends invalid rows, which clients must not count; returns their number.
    fn push_odd_rows(&self, body: &mut Vec<u8>) -> usize {
        let agent = self.agents.first().map_or("1000000000000000001", |agent| &agent.id);
        let bucket = self.grid.bucket(0);
        let before = Window { start: Timestamp::from_seconds(0), end: Timestamp::from_seconds(3_600) };
        let odd = [
            ("9999999999999999999", bucket.start.to_string(), bucket.end.to_string()),
            (agent, before.start.to_string(), before.end.to_string()),
            (agent, "yesterday".to_owned(), String::new()),
        ];
        for (agent, start, end) in &odd {
            body.extend_from_slice(format!(
                r#"{{"agentId":"{agent}","startTime":"{start}","endTime":"{end}","states":[{{"state":"Busy","duration":60}}]}},"#
            ).as_bytes());
        }
        odd.len()
    }

    /// Appends rows with wrong types and text that is not Unicode, which clients must not count; returns their number.
    fn push_wrong_types(&self, body: &mut Vec<u8>) -> usize {
        let agent = self.agents.first().map_or("1000000000000000001", |agent| &agent.id);
        let Window { start, end } = self.grid.bucket(0);
        let row = |agent: &str, start: &str, states: &str| {
            format!(r#"{{"agentId":{agent},"startTime":{start},"endTime":"{end}","states":{states}}},"#)
        };
        let (agent, start) = (format!("\"{agent}\""), format!("\"{start}\""));
        let rows = [
            "7,".to_owned(),
            "\"row\",".to_owned(),
            "[],".to_owned(),
            row("{}", &start, "[]"),
            row(r#""\ud83d""#, &start, "[]"),
            row(&agent, "[7]", "[]"),
            row(&agent, &start, r#""none""#),
            row(&agent, &start, r#"[7,{"state":"Busy","duration":{}}]"#),
        ];
        rows.iter().for_each(|row| body.extend_from_slice(row.as_bytes()));
        rows.len()
    }
}

// === impl Page ===

impl Page {
    /// The page token; it is bound to the query's fingerprint.
    fn token(self, fingerprint: u64) -> String {
        let Self { offset, known_until } = self;
        format!("{offset:x}.{:x}.{:016x}", known_until.micros(), self.check(fingerprint))
    }

    fn parse(token: &str, fingerprint: u64) -> Option<Self> {
        let mut parts = token.split('.');
        let offset = usize::from_str_radix(parts.next()?, 16).ok()?;
        let known_until = Timestamp::from_micros(i64::from_str_radix(parts.next()?, 16).ok()?);
        let page = Self { offset, known_until };
        // Only tokens that were issued are accepted.
        (page.token(fingerprint) == token).then_some(page)
    }

    fn check(self, fingerprint: u64) -> u64 {
        random::key(random::key(fingerprint, self.offset as u64), self.known_until.micros().cast_unsigned())
    }
}

/// The existing agents among `ids`, each once.
fn known_agents<'a>(ids: &str, workforce: &'a Workforce) -> Result<Vec<&'a Agent>, Refusal> {
    if ids.split(',').count() > MAX_AGENT_IDS {
        return Err(bad_request(&format!("agentIds names more than {MAX_AGENT_IDS} agents")));
    }
    let mut seen = HashSet::new();
    Ok(ids.split(',').filter(|id| seen.insert(*id)).filter_map(|id| workforce.find(id)).collect())
}

/// Parses an ISO 8601 time in UTC. Offsets are refused, as the real API ignores them.
pub(crate) fn moment(text: &str) -> Result<Timestamp, Refusal> {
    let parsed = DateTime::parse_from_rfc3339(text).ok().filter(|_| text.ends_with('Z'));
    parsed.map(|moment| Timestamp::from_micros(moment.timestamp_micros())).ok_or_else(|| {
        bad_request(&format!("invalid time `{text}`: it must be ISO 8601 in UTC, such as 2023-10-27T10:00:00Z"))
    })
}

/// Parses a positive ISO 8601 duration into microseconds. A day has 24 hours; years and months have no fixed length.
fn iso_duration(text: &str) -> Option<i64> {
    let span = SpanParser::new().parse_span(text).ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    i64::try_from(duration.as_micros()).ok().filter(|micros| *micros > 0)
}

fn bad_request(message: &str) -> Refusal {
    Box::new(Answer::refusal(StatusCode::BAD_REQUEST, "invalid_request", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_iso_8601() {
        let table = [
            ("PT1H", Some(3_600)),
            ("PT1M", Some(60)),
            ("PT5M", Some(300)),
            ("P1D", Some(86_400)),
            ("P1DT12H30M1S", Some(131_401)),
            ("P1W", Some(604_800)),
            ("PT90S", Some(90)),
        ];
        for (text, seconds) in table {
            assert_eq!(iso_duration(text), seconds.map(|seconds: i64| seconds * SECOND), "{text}");
        }
        let refused = [
            "", "P", "PT", "1h", "PT0S", "PT1", "P1M", "P1Y", "PT1H1H", "PT1M1H", "P1DT", "PTT1H", "PT-1H", "-PT1H",
            "PT1é",
        ];
        for text in refused {
            assert_eq!(iso_duration(text), None, "{text}");
        }
    }

    #[test]
    fn page_tokens_are_bound_to_their_query() {
        let page = Page { offset: 1_000, known_until: Timestamp::from_micros(1_700_000_000_000_001) };
        let token = page.token(42);
        assert_eq!(Page::parse(&token, 42), Some(page));
        assert_eq!(Page::parse(&token, 43), None);
        assert_eq!(Page::parse(&token.replacen('3', "4", 1), 42), None);
        assert_eq!(Page::parse("", 42), None);
    }
}
