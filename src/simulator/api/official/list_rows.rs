//! The rows of the lists.

use std::sync::{Arc, Mutex};

use jiff::{Span, SpanRound, Unit};
use serde_json::{Value, json};

use super::state_periods::{self, CODES, StatePeriod};
use crate::presence::{Micros, Timestamp, Window};
use crate::simulator::api_variants::ApiVariant;
use crate::simulator::options::SimulatorOptions;
use crate::simulator::timeline::Timeline;
use crate::simulator::workforce::{Agent, Workforce};

/// Input of the lists.
pub(in crate::simulator) struct ListContext<'a> {
    pub(in crate::simulator) options: &'a SimulatorOptions,
    pub(in crate::simulator) workforce: &'a Workforce,
    pub(in crate::simulator) timeline: &'a Timeline,
    pub(in crate::simulator) now: Timestamp,
    /// Base URL for links.
    pub(in crate::simulator) base_url: &'a str,
    pub(in crate::simulator) cache: &'a ListCache,
}

/// The last requested list, by its link. Pages of a list stay consistent while a client reads them.
#[derive(Debug, Default)]
pub(in crate::simulator) struct ListCache(pub(super) Mutex<Option<(String, Arc<Vec<Value>>)>>);

/// One agent of this many is inactive.
const INACTIVE_ONE_OF: usize = 80;

pub(super) fn agents(context: &ListContext<'_>) -> Vec<Value> {
    let row = |(nth, agent): (usize, &Agent)| {
        let (first, last) = agent.name.split_once(' ').unwrap_or((&agent.name, ""));
        json!({
            "agentId": id(context.options, agent),
            "userName": null,
            "firstName": first,
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

pub(super) fn states(context: &ListContext<'_>) -> Vec<Value> {
    let row = |agent: &Agent| {
        let period = state_periods::current(context.timeline, agent, context.now);
        let mut row = json!({
            "agentId": id(context.options, agent),
            "startDate": date(period.start),
            "lastUpdateTime": date(context.now),
            "teamId": context.workforce.team_number(agent.team),
            "teamName": agent.team,
            "contactId": null,
            "skillId": null,
        });
        add_state(&mut row, &period, context.options);
        encode(row, context.options)
    };
    context.workforce.agents().iter().map(row).collect()
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
    let kept = period.start < range.end && (!options.has(ApiVariant::KeptByStart) || period.start >= range.start);
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
        _ => duration(end.saturating_since(start)).into(),
    };
    let (session, index) = period.session_and_index(agent);
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
    add_state(&mut row, period, options);
    Some(row)
}

fn add_state(row: &mut Value, period: &StatePeriod, options: &SimulatorOptions) {
    let Some(row) = row.as_object_mut() else { return };
    row.insert("agentStateId".to_owned(), period.id.into());
    row.insert("agentStateName".to_owned(), period.name.into());
    row.insert("outStateId".to_owned(), period.code.map_or(Value::Null, |code| code.id.into()));
    row.insert("outStateDescription".to_owned(), period.code.map_or(Value::Null, |code| code.name.into()));
    if !options.has(ApiVariant::AcwByCodes) {
        row.insert("isACW".to_owned(), period.code.is_some_and(|code| code.acw).into());
    }
    if options.has(ApiVariant::Nulls) {
        // The state id remains.
        row.insert("agentStateName".to_owned(), Value::Null);
    }
}

pub(super) fn codes(options: &SimulatorOptions) -> Vec<Value> {
    let row = |code: &state_periods::Code| {
        let acw = code.acw && !options.has(ApiVariant::AcwByFlag);
        json!({ "outStateId": code.id, "outStateName": code.name, "isActive": true, "isAcw": acw, "agentTimeoutMins": 0 })
    };
    CODES.iter().map(row).map(|row| encode(row, options)).collect()
}

/// Inserts rows of an unknown agent and invalid rows.
pub(super) fn add_odd_rows(rows: &mut Vec<Value>) {
    let unknown_agent = json!({ "agentId": 4711, "stateIndex": 1, "agentSessionId": 1, "startDate": "2026-01-01T00:00:00Z",
        "duration": "PT5S", "agentStateId": 1, "agentStateName": "Available" });
    rows.insert(0, unknown_agent);
    rows.insert(0, json!({ "agentId": null }));
    rows.insert(0, Value::Null);
}

fn id(options: &SimulatorOptions, agent: &Agent) -> Value {
    match agent.id.parse::<u64>() {
        Ok(number) if !options.has(ApiVariant::Strings) => number.into(),
        _ => (&*agent.id).into(),
    }
}

/// Converts numbers and booleans to strings if the variant `strings` is set.
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
    row
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
