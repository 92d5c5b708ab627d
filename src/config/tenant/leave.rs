//! Reads leave: from an agent's `leave`, and from the CSV file `leave_file`.
//!
//! A date is a whole day in the zone of the agent's schedule: the first day in `from`, the last day in `to`.

use std::collections::HashMap;
use std::path::Path;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime};

use super::agents::AgentList;
use crate::config::bounds::{MAX_LEAVE, MAX_LEAVE_ROWS};
use crate::config::diagnostics::{Diagnostics, Place, Problem, quoted};
use crate::config::keys::LEAVE;
use crate::config::parse::csv_file::CsvFile;
use crate::config::parse::names;
use crate::config::parse::value::{KeyPath, Value};
use crate::config::parse::yaml::{Node, NodeValue};
use crate::config::schedule::parse_date;
use crate::presence::{AgentId, TimeZone, Timestamp, Window};

/// From this year on, a date stands for no end. Later years have no RFC 3339 form.
const LAST_YEAR: i32 = 9999;

const EXAMPLE: &str = "a date, such as `2026-12-24`, or a time with its offset, such as `2026-12-24T12:00:00+01:00`";

/// Rows of a leave file without an effect.
#[derive(Default)]
struct Unused {
    rows: usize,
    first: Option<Place>,
}

/// The leave of the list `value`, with dates in `zone`.
pub(crate) fn read_list(value: &Value<'_>, zone: &TimeZone, diagnostics: &mut Diagnostics) -> Vec<Window> {
    let example = "a list of leave, each such as `{ from: 2026-12-24, to: 2027-01-03 }`";
    let items = value.items(example, MAX_LEAVE, diagnostics);
    items.into_iter().flatten().filter_map(|item| read(&item, zone, diagnostics)).collect()
}

/// Adds the leave of the file that `value` names, relative to `base_dir`, to the agents of `agent_list`. With `agents_all`
/// further agents are known only later.
pub(crate) fn add_file(
    value: &Value<'_>,
    base_dir: &Path,
    agents_all: bool,
    agent_list: &mut AgentList,
    diagnostics: &mut Diagnostics,
) {
    let positions: HashMap<AgentId, (usize, Option<TimeZone>)> = agent_list
        .agents
        .iter()
        .map(|agent| (AgentId::clone(&agent.id), agent.schedule.as_ref().map(|schedule| schedule.timezone.clone())))
        .zip(0..)
        .map(|((id, zone), position)| (id, (position, zone)))
        .collect();
    let file = CsvFile {
        columns: vec!["id", "from", "to"],
        required: &["id", "from"],
        max_rows: MAX_LEAVE_ROWS,
        too_many: "remove leave that is over",
        example: "`id,from,to`, and a row a leave",
    };
    let (mut unknown, mut unscheduled) = (Unused::default(), Unused::default());
    file.read(value, base_dir, diagnostics, |row, diagnostics| {
        let (id, leave) = split_id(row);
        let id = id.and_then(|node| {
            let value = Value { path: KeyPath::Key(&KeyPath::File, "id"), place: node.place, node };
            let parse = |text: &str| names::check_agent_id(text, false).map(|()| AgentId::from(text));
            value.parse("the agent's id", diagnostics, parse)
        });
        let Some(id) = id else { return };
        let known = positions.get(&id);
        let zone = known.and_then(|(_, zone)| zone.clone());
        let window = read(&Value::root(&leave), &zone.clone().unwrap_or(TimeZone::UTC), diagnostics);
        match known {
            None if agents_all => {}
            None => unknown.add(row.place),
            Some(_) if zone.is_none() => unscheduled.add(row.place),
            Some((position, _)) => agent_list.add_leave(*position, window),
        }
    });
    unknown.warn("of agents that are not configured", "remove them, or correct the ids", diagnostics);
    unscheduled.warn("of agents without a schedule", "remove them, or give these agents a `schedule`", diagnostics);
}

/// Leave in order; what overlaps or touches is one.
pub(crate) fn merged(mut leave: Vec<Window>) -> Vec<Window> {
    leave.sort_unstable_by_key(|window| window.start);
    leave.dedup_by(|later, earlier| {
        let touches = later.start <= earlier.end;
        if touches {
            earlier.end = earlier.end.max(later.end);
        }
        touches
    });
    leave
}

/// The leave that the mapping `value` describes.
fn read(value: &Value<'_>, zone: &TimeZone, diagnostics: &mut Diagnostics) -> Option<Window> {
    let fields = value.fields(LEAVE, diagnostics)?;
    let from = fields.required("from", "`from:` with the first day of leave", diagnostics);
    let start = from.and_then(|value| value.parse(EXAMPLE, diagnostics, |text| parse_start(text, zone)));
    let end = match fields.get("to") {
        Some(to) => to.parse(EXAMPLE, diagnostics, |text| parse_end(text, zone)),
        None => Some(Timestamp::from_micros(i64::MAX)),
    };
    let window = Window { start: start?, end: end? };
    if window.start >= window.end {
        let problem = Problem::new("ends before it begins", "write a `to` after `from`, or leave `to` out");
        value.report(problem, diagnostics);
        return None;
    }
    Some(window)
}

fn parse_start(text: &str, zone: &TimeZone) -> Result<Timestamp, Problem> {
    // What began before 1970 began before any window.
    let start = parse_date(text)
        .ok()
        .map_or_else(|| parse_moment(text), |date| midnight(date, zone).ok_or_else(|| problem(text)));
    Ok(start?.max(Timestamp::from_micros(0)))
}

fn parse_end(text: &str, zone: &TimeZone) -> Result<Timestamp, Problem> {
    let Ok(date) = parse_date(text) else { return parse_moment(text) };
    let next = date.succ_opt().filter(|next| next.year() <= LAST_YEAR);
    Ok(next.and_then(|next| midnight(next, zone)).unwrap_or(Timestamp::from_micros(i64::MAX)))
}

fn midnight(date: NaiveDate, zone: &TimeZone) -> Option<Timestamp> {
    zone.moment(date.and_time(NaiveTime::MIN))
}

/// The moment of RFC 3339, which has an offset.
fn parse_moment(text: &str) -> Result<Timestamp, Problem> {
    let moment = DateTime::parse_from_rfc3339(text).map_err(|_| problem(text))?;
    Ok(Timestamp::from_micros(moment.timestamp_micros()))
}

fn problem(text: &str) -> Problem {
    Problem::new(format!("{} is neither a date nor a time with an offset", quoted(text)), format!("write {EXAMPLE}"))
}

/// The value of `id` in a row, and the row without it.
fn split_id(row: &Node) -> (Option<&Node>, Node) {
    let NodeValue::Map(entries) = &row.value else { return (None, row.clone()) };
    let id = entries.iter().find(|entry| &*entry.key == "id").map(|entry| &entry.node);
    let others = entries.iter().filter(|entry| &*entry.key != "id").cloned().collect();
    (id, Node { place: row.place, value: NodeValue::Map(others) })
}

// === impl Unused ===

impl Unused {
    fn add(&mut self, place: Place) {
        self.rows += 1;
        self.first.get_or_insert(place);
    }

    /// One warning for all rows, because a file of the whole company may have many.
    fn warn(self, which: &str, remedy: &str, diagnostics: &mut Diagnostics) {
        if let Some(first) = self.first {
            let rows = if self.rows == 1 { "1 row".to_owned() } else { format!("{} rows", self.rows) };
            let begin = if self.rows == 1 { "is" } else { "from here on are" };
            diagnostics.warn(first, "", Problem::new(format!("{rows} {begin} {which} and without effect"), remedy));
        }
    }
}
