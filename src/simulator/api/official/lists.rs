//! The rows of each list.

use serde_json::{Value, json};

use super::Office;
use super::course::{self, CODES, Spell};
use crate::presence::{Micros, Timestamp, Window};
use crate::simulator::habits::Habit;
use crate::simulator::options::SimulatorOptions;
use crate::simulator::roster::Agent;

/// Of this many agents one works there no more.
const ONE_LEFT_OF: usize = 80;

pub(super) fn agents(office: &Office<'_>) -> Vec<Value> {
    let row = |(nth, agent): (usize, &Agent)| {
        let (first, last) = agent.name.split_once(' ').unwrap_or((&agent.name, ""));
        json!({
            "agentId": id(office.options, agent),
            "userName": null,
            "firstName": first,
            "lastName": if last.is_empty() { Value::Null } else { last.into() },
            "isActive": !left(nth),
            "teamId": office.roster.team_number(agent.team),
            "teamName": agent.team,
            "lastLogin": null,
        })
    };
    office.roster.agents().iter().enumerate().map(row).map(|row| spelled(row, office.options)).collect()
}

/// Whether the agent in the `nth` place works there no more, as far as the list of agents says.
const fn left(nth: usize) -> bool {
    nth % ONE_LEFT_OF == ONE_LEFT_OF - 1
}

pub(super) fn states(office: &Office<'_>) -> Vec<Value> {
    let row = |agent: &Agent| {
        let spell = course::current(office.timeline, agent, office.now);
        let mut row = json!({
            "agentId": id(office.options, agent),
            "startDate": date(spell.start),
            "lastUpdateTime": date(office.now),
            "teamId": office.roster.team_number(agent.team),
            "teamName": agent.team,
            "contactId": null,
            "skillId": null,
        });
        add_state(&mut row, &spell, office.options);
        spelled(row, office.options)
    };
    office.roster.agents().iter().map(row).collect()
}

pub(super) fn history(office: &Office<'_>, agents: &[Agent], range: Window) -> Vec<Value> {
    let options = office.options;
    let rows = |agent: &Agent| {
        let spells = course::spells(office.timeline, agent, range).into_iter();
        spells.filter_map(|spell| row(office, agent, &spell, range)).collect::<Vec<_>>()
    };
    agents.iter().flat_map(rows).map(|row| spelled(row, options)).collect()
}

/// The row of a spell, if it is listed to whom asks for `range`.
fn row(office: &Office<'_>, agent: &Agent, spell: &Spell, range: Window) -> Option<Value> {
    let Office { options, now, .. } = *office;
    let open = spell.end > now;
    let kept = spell.start < range.end && (!options.has(Habit::KeptByStart) || spell.start >= range.start);
    let arrived = if open { !options.has(Habit::OpenUnlisted) } else { spell.arrives(options) <= now };
    if !kept || !arrived || spell.start > now {
        return None;
    }
    let (mut start, mut end) = (spell.start, if open { now } else { spell.listed_end(options) });
    if options.has(Habit::Clipped) {
        (start, end) = (start.max(range.start), end.min(range.end));
    }
    let duration = match open {
        true if options.has(Habit::OpenWithoutLength) => Value::Null,
        true if options.has(Habit::OpenWithZero) => duration(Micros::ZERO).into(),
        _ => duration(end.saturating_since(start)).into(),
    };
    let (session, index) = spell.place(agent);
    let mut row = json!({
        "stateIndex": index,
        "startDate": date(start),
        "duration": duration,
        "agentId": id(options, agent),
        "agentSessionId": session,
        "teamId": office.roster.team_number(agent.team),
        "mediaTypeId": null,
        "contactId": null,
        "fromAddress": null,
    });
    add_state(&mut row, spell, options);
    Some(row)
}

fn add_state(row: &mut Value, spell: &Spell, options: &SimulatorOptions) {
    let Some(row) = row.as_object_mut() else { return };
    row.insert("agentStateId".to_owned(), spell.id.into());
    row.insert("agentStateName".to_owned(), spell.name.into());
    row.insert("outStateId".to_owned(), spell.code.map_or(Value::Null, |code| code.id.into()));
    row.insert("outStateDescription".to_owned(), spell.code.map_or(Value::Null, |code| code.name.into()));
    if !options.has(Habit::AcwByCodes) {
        row.insert("isACW".to_owned(), spell.code.is_some_and(|code| code.acw).into());
    }
    if options.has(Habit::Nulls) {
        // The id alone tells the state then.
        row.insert("agentStateName".to_owned(), Value::Null);
    }
}

pub(super) fn codes(options: &SimulatorOptions) -> Vec<Value> {
    let row = |code: &course::Code| {
        let acw = code.acw && !options.has(Habit::AcwByFlag);
        json!({ "outStateId": code.id, "outStateName": code.name, "isActive": true, "isAcw": acw, "agentTimeoutMins": 0 })
    };
    CODES.iter().map(row).map(|row| spelled(row, options)).collect()
}

/// Rows that do not belong there, or that cannot be read.
pub(super) fn add_odd_rows(rows: &mut Vec<Value>) {
    let stranger = json!({ "agentId": 4711, "stateIndex": 1, "agentSessionId": 1, "startDate": "2026-01-01T00:00:00Z",
        "duration": "PT5S", "agentStateId": 1, "agentStateName": "Available" });
    rows.insert(0, stranger);
    rows.insert(0, json!({ "agentId": null }));
    rows.insert(0, Value::Null);
}

fn id(options: &SimulatorOptions, agent: &Agent) -> Value {
    match agent.id.parse::<u64>() {
        Ok(number) if !options.has(Habit::Strings) => number.into(),
        _ => (&*agent.id).into(),
    }
}

/// `row` with numbers and booleans as strings, where that is the habit.
fn spelled(mut row: Value, options: &SimulatorOptions) -> Value {
    if options.has(Habit::Strings)
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

fn duration(span: Micros) -> String {
    let (seconds, micros) = (span.get() / 1_000_000, span.get() % 1_000_000);
    let days = seconds / 86_400;
    let date = if days > 0 { format!("P{days}D") } else { "P".to_owned() };
    let fraction = if micros > 0 { format!(".{micros:06}") } else { String::new() };
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    let part = |number: u64, unit: &str| if number > 0 { format!("{number}{unit}") } else { String::new() };
    format!("{date}T{}{}{}{fraction}S", part(hours, "H"), part(minutes, "M"), seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_full() {
        let table =
            [(0, "PT0S"), (61_500_000, "PT1M1.500000S"), (90_061_000_000, "P1DT1H1M1S"), (3_600_000_000, "PT1H0S")];
        for (micros, text) in table {
            assert_eq!(duration(Micros::new(micros)), text);
        }
    }
}
