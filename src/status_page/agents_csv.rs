//! The selected agents as CSV: one record an agent, in the order of the table, for spreadsheets.

use std::io;

use super::attention::Attention;
use super::listed_agent::ListedAgent;
use super::selection::{Agents, TablePage};
use super::summary::Absence;
use crate::config::Tenant;
use crate::exposition::{CsvRecords, decimal_seconds};
use crate::presence::{Micros, StateName, Window, escape_text};

/// The columns before those of the states. Times are RFC 3339 in UTC, durations are seconds.
const COLUMNS: [&str; 17] = [
    "tenant",
    "agent",
    "name",
    "team",
    "attention",
    "state",
    "since",
    "from",
    "to",
    "observed_seconds",
    "offline_seconds",
    "offline_limit_seconds",
    "scheduled_seconds",
    "scheduled_offline_seconds",
    "shift",
    "absent_seconds",
    "absent_limit_seconds",
];

/// The agents of `page`. The time in each state follows the [`COLUMNS`], in columns named by the state.
///
/// # Errors
///
/// None; every record has a cell for each column.
pub(super) fn csv(agents: &Agents<'_>, page: &TablePage<'_>) -> io::Result<Vec<u8>> {
    let tenant = &agents.snapshot.tenant;
    let states: Vec<&StateName> = agents.summary.styles.states().iter().map(|state| &state.name).collect();
    let header = COLUMNS.map(str::to_owned).into_iter();
    let mut records = CsvRecords::new(header.chain(states.iter().map(|state| escape_text(state).into_owned())))?;
    for line in &page.lines {
        records.push(cells(tenant, line).into_iter().chain(states.iter().map(|state| time_in(line, state))))?;
    }
    records.finish()
}

fn cells(tenant: &Tenant, line: &ListedAgent<'_>) -> [String; COLUMNS.len()] {
    let text = |text: Option<&str>| escape_text(text.unwrap_or_default()).into_owned();
    let time = |time: Option<Micros>| time.map(|time| decimal_seconds(time.get())).unwrap_or_default();
    let reasons: Vec<&str> =
        Attention::ALL.into_iter().filter(|reason| reason.is_due(line)).map(Attention::key).collect();
    let window = |end: fn(Window) -> crate::presence::Timestamp| {
        line.data.map(|data| end(data.window).to_string()).unwrap_or_default()
    };
    let scheduled = line.presence().and_then(|presence| presence.scheduled);
    let shift = match line.absence {
        None => "",
        Some(Absence { leave: Some(_), .. }) => "leave",
        Some(Absence { shift: None, .. }) => "off",
        Some(Absence { shift: Some(_), .. }) => "on",
    };
    [
        tenant.name.clone(),
        text(Some(line.label)),
        text(line.agent.name.as_deref()),
        text(line.agent.team.as_deref()),
        reasons.join(" "),
        text(line.state()),
        line.since().map(|since| since.to_string()).unwrap_or_default(),
        window(|window| window.start),
        window(|window| window.end),
        time(line.observed()),
        time(line.offline),
        time(line.agent.offline_limit.map(Micros::from)),
        time(scheduled.map(|scheduled| scheduled.total)),
        time(scheduled.map(|scheduled| scheduled.offline)),
        shift.to_owned(),
        time(line.absent()),
        time(line.agent.absent_limit.map(Micros::from)),
    ]
}

/// Seconds in a state; nothing without data.
fn time_in(line: &ListedAgent<'_>, state: &StateName) -> String {
    let Some(presence) = line.presence() else { return String::new() };
    let time = presence.states.iter().find(|(known, _)| known == state).map_or(Micros::ZERO, |(_, time)| *time);
    decimal_seconds(time.get())
}
