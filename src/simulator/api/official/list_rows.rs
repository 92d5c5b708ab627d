//! The rows of the lists.

use std::sync::{Arc, Mutex};

use jiff::{Span, SpanRound, Unit};
use serde_json::{Map, Value, json};

use super::state_periods::{self, CODES, StatePeriod};
use crate::presence::{Micros, Timestamp, Window};
use crate::simulator::api_variants::ApiVariant;
use crate::simulator::options::SimulatorOptions;
use crate::simulator::timeline::Timeline;
use crate::simulator::workforce::{Agent, Workforce};

/// Input of the lists.
pub(crate) struct ListContext<'a> {
    pub(crate) options: &'a SimulatorOptions,
    pub(crate) workforce: &'a Workforce,
    pub(crate) timeline: &'a Timeline,
    pub(crate) now: Timestamp,
    /// Whether the code of after-call work is marked as such.
    pub(crate) acw: bool,
    /// Base URL for links.
    pub(crate) base_url: &'a str,
    pub(crate) cache: &'a ListCache,
}

/// The last requested list, by its link. Pages of a list stay consistent while a client reads them.
#[derive(Debug, Default)]
pub(crate) struct ListCache(pub(super) Mutex<Option<(String, Arc<Vec<Value>>)>>);

/// One agent of this many is inactive.
const INACTIVE_ONE_OF: usize = 80;

pub(super) fn agents(context: &ListContext<'_>) -> Vec<Value> {
    let row = |(nth, agent): (usize, &Agent)| {
        let (first, last) = agent.name.split_once(' ').unwrap_or((&agent.name, ""));
        json!({
            "agentId": id(context.options, agent),
            "userName": null,
            "firstName": format!("{}{first}", broken_text(context.options)),
            "lastName": if last.is_empty() { Value::Null } else { last.into() },
            "isActive": !is_inactive(nth),
            "teamId": context.workforce.team_number(agent.team),
            "teamName": agent.team,
            "lastLogin": null,
        })
    };
    context.workforce.agents().iter().enumerate().map(row).map(|row| encode(row, context.options)).collect()
}

/// Whether the list shows the `nth` agent as inactive.
const fn is_inactive(nth: usize) -> bool {
    nth % INACTIVE_ONE_OF == INACTIVE_ONE_OF - 1
}

/// The current states of all agents, or of those whose state has started since `updated_since`.
pub(super) fn states(context: &ListContext<'_>, updated_since: Option<Timestamp>) -> Vec<Value> {
    let options = context.options;
    let row = |agent: &Agent| {
        let period = state_periods::current(context.timeline, agent, context.now);
        if updated_since.is_some_and(|since| period.start < since) {
            return None;
        }
        let (start, update) = match () {
            () if options.has(ApiVariant::NoStart) => (Value::Null, Value::Null),
            () if options.has(ApiVariant::StartAsUpdate) => (Value::Null, date(period.start).into()),
            () => (date(period.start).into(), date(context.now).into()),
        };
        let mut row = json!({
            "agentId": id(options, agent),
            "startDate": start,
            "lastUpdateTime": update,
            "teamId": context.workforce.team_number(agent.team),
            "teamName": agent.team,
            "contactId": null,
            "skillId": null,
        });
        add_state(&mut row, &period, context);
        Some(encode(row, options))
    };
    context.workforce.agents().iter().filter_map(row).collect()
}

pub(super) fn history(context: &ListContext<'_>, agents: &[Agent], range: Window) -> Vec<Value> {
    let options = context.options;
    let rows = |agent: &Agent| {
        let periods = state_periods::periods(context.timeline, agent, range).into_iter();
        periods.filter_map(|period| row(context, agent, &period, range)).collect::<Vec<_>>()
    };
    agents.iter().flat_map(rows).map(|row| encode(row, options)).collect()
}

/// The row of a period; `None` if it is not listed in `range`.
fn row(context: &ListContext<'_>, agent: &Agent, period: &StatePeriod, range: Window) -> Option<Value> {
    let ListContext { options, now, .. } = *context;
    let open = period.end > now;
    let kept = period.start < range.end
        && (!options.has(ApiVariant::KeptByStart) || period.start >= range.start)
        && (!options.has(ApiVariant::KeptByEnd) || open || period.end < range.end);
    let arrived = if open { !options.has(ApiVariant::OpenUnlisted) } else { period.arrives(options) <= now };
    if !kept || !arrived || period.start > now {
        return None;
    }
    let (mut start, mut end) = (period.start, if open { now } else { period.listed_end(options) });
    if options.has(ApiVariant::Clipped) {
        (start, end) = (start.max(range.start), end.min(range.end));
    }
    let duration = match open {
        true if options.has(ApiVariant::OpenWithoutLength) => Value::Null,
        true if options.has(ApiVariant::OpenWithZero) => duration(Micros::ZERO).into(),
        _ if options.has(ApiVariant::NumericDurations) => end.saturating_since(start).seconds_f64().into(),
        _ => duration(end.saturating_since(start)).into(),
    };
    let (session, index) = period.session_and_index(agent);
    let index = if options.has(ApiVariant::SameIndex) { 0 } else { index };
    let mut row = json!({
        "stateIndex": index,
        "startDate": date(start),
        "duration": duration,
        "agentId": id(options, agent),
        "agentSessionId": session,
        "teamId": context.workforce.team_number(agent.team),
        "mediaTypeId": null,
        "contactId": null,
        "fromAddress": null,
    });
    add_state(&mut row, period, context);
    Some(row)
}

fn add_state(row: &mut Value, period: &StatePeriod, context: &ListContext<'_>) {
    let options = context.options;
    let Some(row) = row.as_object_mut() else { return };
    row.insert("agentStateId".to_owned(), period.id.into());
    row.insert("agentStateName".to_owned(), period.name.into());
    row.insert("outStateId".to_owned(), period.code.map_or(Value::Null, |code| code.id.into()));
    row.insert("outStateDescription".to_owned(), period.code.map_or(Value::Null, |code| code.name.into()));
    if !options.has(ApiVariant::AcwByCodes) {
        row.insert("isACW".to_owned(), period.code.is_some_and(|code| code.acw && context.acw).into());
    }
    if options.has(ApiVariant::Nulls) {
        // The state id remains.
        row.insert("agentStateName".to_owned(), Value::Null);
    }
}

/// The codes as lists of teams have them.
pub(super) fn team_codes(context: &ListContext<'_>) -> Vec<Value> {
    let row = |code: &state_periods::Code| {
        json!({ "outStateId": code.id, "outStateName": code.name, "isActive": true, "isAcw": is_acw(code, context),
            "agentTimeoutMins": 0 })
    };
    CODES.iter().map(row).map(|row| encode(row, context.options)).collect()
}

/// The codes as the list of the business unit has them.
pub(super) fn unit_codes(context: &ListContext<'_>) -> Vec<Value> {
    let row = |code: &state_periods::Code| json!({ "id": code.id, "name": code.name, "isActive": true, "isACW": is_acw(code, context), "agentTimeout": 0 });
    CODES.iter().map(row).map(|row| encode(row, context.options)).collect()
}

fn is_acw(code: &state_periods::Code, context: &ListContext<'_>) -> bool {
    code.acw && context.acw && !context.options.has(ApiVariant::AcwByFlag)
}

/// Inserts rows of an unknown agent and invalid rows.
pub(super) fn add_odd_rows(rows: &mut Vec<Value>) {
    let unknown_agent = json!({ "agentId": 4711, "stateIndex": 1, "agentSessionId": 1, "startDate": "2026-01-01T00:00:00Z",
        "duration": "PT5S", "agentStateId": 1, "agentStateName": "Available" });
    rows.insert(0, unknown_agent);
    rows.insert(0, json!({ "agentId": null }));
    rows.insert(0, Value::Null);
}

/// Inserts rows whose types are wrong.
pub(super) fn add_wrong_types(rows: &mut Vec<Value>) {
    let wrong = [
        json!(7),
        json!("row"),
        json!([]),
        json!({ "agentId": [], "outStateId": {} }),
        json!({ "agentId": 4711, "startDate": 7, "duration": {}, "agentStateId": [], "agentStateName": {} }),
    ];
    rows.splice(0..0, wrong);
}

fn id(options: &SimulatorOptions, agent: &Agent) -> Value {
    match agent.id.parse::<u64>() {
        Ok(number) if !options.has(ApiVariant::Strings) => number.into(),
        _ => (&*agent.id).into(),
    }
}

/// Text that stands for invalid text until the body is written; a private character.
const BROKEN_TEXT: char = '\u{E000}';

/// The start of names that contain invalid text.
fn broken_text(options: &SimulatorOptions) -> String {
    let broken = options.has(ApiVariant::HalfEmoji) || options.has(ApiVariant::InvalidUtf8);
    if broken { BROKEN_TEXT.to_string() } else { String::new() }
}

/// The body with the invalid text of the variants `half-emoji` and `invalid-utf8`.
pub(super) fn with_broken_text(body: &str, options: &SimulatorOptions) -> Vec<u8> {
    let text: &[u8] = if options.has(ApiVariant::InvalidUtf8) { b"\xff" } else { br"\ud83d" };
    body.split(BROKEN_TEXT).map(str::as_bytes).collect::<Vec<_>>().join(text)
}

/// The object with keys in the case that the variants `pascal-case` and `doubled-keys` give.
pub(super) fn encode_keys(object: Value, options: &SimulatorOptions) -> Value {
    let (pascal, doubled) = (options.has(ApiVariant::PascalCase), options.has(ApiVariant::DoubledKeys));
    let Value::Object(fields) = object else { return object };
    if !pascal && !doubled {
        return Value::Object(fields);
    }
    let mut encoded = Map::new();
    for (key, value) in fields {
        let mut letters = key.chars();
        let upper: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        if doubled {
            if key.eq_ignore_ascii_case("isACW") {
                encoded.insert("isAcw".to_owned(), value.clone());
                encoded.insert("isACW".to_owned(), value.clone());
            }
            encoded.insert(key, value.clone());
        }
        encoded.insert(upper, value);
    }
    Value::Object(encoded)
}

/// Converts numbers and booleans to strings if the variant `strings` is set, and the case of keys.
fn encode(mut row: Value, options: &SimulatorOptions) -> Value {
    if options.has(ApiVariant::Strings)
        && let Some(row) = row.as_object_mut()
    {
        for value in row.values_mut() {
            match value {
                Value::Number(number) => *value = number.to_string().into(),
                Value::Bool(true) => *value = "True".into(),
                Value::Bool(false) => *value = "False".into(),
                _ => {}
            }
        }
    }
    encode_keys(row, options)
}

fn date(moment: Timestamp) -> String {
    let millis = moment.micros().rem_euclid(1_000_000) / 1_000;
    let seconds = moment.whole_second().to_string();
    match millis {
        0 => seconds,
        millis => format!("{}.{millis:03}Z", seconds.trim_end_matches('Z')),
    }
}

/// An ISO 8601 duration of days, hours, minutes and seconds.
fn duration(length: Micros) -> String {
    let span = Span::new().try_microseconds(i64::try_from(length.get()).unwrap_or(i64::MAX)).unwrap_or_default();
    let units = SpanRound::new().largest(Unit::Day).days_are_24_hours();
    span.round(units).unwrap_or(span).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_iso_8601() {
        let table = [
            (0, "PT0S"),
            (61_500_000, "PT1M1.5S"),
            (90_061_000_000, "P1DT1H1M1S"),
            (3_600_000_000, "PT1H"),
            (1, "PT0.000001S"),
        ];
        for (micros, text) in table {
            assert_eq!(duration(Micros::new(micros)), text);
        }
    }
}
