//! The report of a range as text: a table of each tenant with one line an agent and period.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use super::ReportError;
use super::dates;
use super::period_rows::{AgentPeriod, each_period, write};
use super::rows::{Row, TenantReport};
use super::table::{Cell, FURTHER_STATES, NO_VALUE, hours_minutes_seconds, shown_states, style, write_cells};
use crate::config;
use crate::past::{By, StateFile};
use crate::presence::{Micros, StateName, TimeZone, Timestamp, Window};

/// The headers of the columns of agents with schedules.
const SHIFT_COLUMNS: [&str; 3] = ["Scheduled", "Offline on shift", "Absent"];

/// A column without its cells.
struct Column {
    header: String,
    width: usize,
    style: &'static str,
    is_number: bool,
}

/// The columns of a tenant.
struct Layout<'a> {
    columns: Vec<Column>,
    has_agents: bool,
    has_names: bool,
    has_teams: bool,
    has_shifts: bool,
    shown: &'a [StateName],
    further: &'a [StateName],
}

/// A table for each tenant.
pub(super) fn render(
    file: &StateFile,
    reports: &[TenantReport],
    color: bool,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let question = file.question();
    let mut text = String::new();
    for (number, report) in reports.iter().enumerate() {
        let Window { start, end } = report.window;
        let (start, end) = (dates::shown(start, &question.zone), dates::shown(end, &question.zone));
        let length = config::format_duration(Duration::from_micros(report.window.length().get()));
        let by = match question.by {
            By::Total | By::Step(_) => String::new(),
            By::Day | By::Hour => format!(", by {} in {}", question.by, question.zone.name()),
        };
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "{}{}: {start} to {end} ({length}){by}", if number > 0 { "\n" } else { "" }, report.tenant);
        let layout = Layout::new(report, question.by, &question.zone, color);
        layout.header(&mut text);
        for row in &report.rows {
            each_period(file, &report.tenant, row, |period| {
                layout.line(&mut text, row, &period, question.by, &question.zone);
                Ok(())
            })?;
            write(out, text.as_bytes())?;
            text.clear();
        }
        let without_data = report.rows.iter().filter(|row| row.states.is_empty()).count();
        if without_data > 0 {
            let _ = writeln!(
                text,
                "No data of {without_data} of {} rows: an id is wrong, or the agent was not active in the range.",
                report.rows.len()
            );
        }
    }
    write(out, text.as_bytes())
}

/// How a period is named.
fn label(moment: Timestamp, by: By, zone: &TimeZone) -> String {
    let format = match by {
        By::Day => "%Y-%m-%d",
        By::Total | By::Hour | By::Step(_) => "%Y-%m-%d %H:%M",
    };
    let local = zone.local(moment).map(|local| local.format(format).to_string()).unwrap_or_default();
    // An hour that comes twice is told apart by its offset.
    let offset = dates::shown(moment, zone);
    let offset = offset.get(offset.len().saturating_sub("+01:00".len())..).unwrap_or_default();
    if by == By::Day || *zone == TimeZone::UTC { local } else { format!("{local} {offset}") }
}

// === impl Layout ===

impl<'a> Layout<'a> {
    fn new(report: &'a TenantReport, by: By, zone: &TimeZone, color: bool) -> Self {
        let rows = &report.rows;
        let (shown, further) = shown_states(&report.states);
        let text = |header: &str, cell: fn(&Row) -> Option<&str>| {
            let width = rows.iter().map(|row| cell(row).unwrap_or(NO_VALUE).width()).max().unwrap_or_default();
            Column { header: header.to_owned(), width: width.max(header.width()), style: "", is_number: false }
        };
        // The sum over all periods is at least as wide as each of them.
        let time = |header: &str, style: &'static str, time: &dyn Fn(&Row) -> Micros| {
            let longest = rows.iter().map(time).max().unwrap_or_default();
            let width = hours_minutes_seconds(longest).width().max(header.width());
            Column { header: header.to_owned(), width, style, is_number: true }
        };
        let has_names = rows.iter().any(|row| row.name.is_some());
        let has_teams = rows.iter().any(|row| row.team.is_some());
        let has_shifts = rows.iter().any(|row| row.shift.is_some());
        let has_agents = rows.iter().any(|row| !row.agent.is_empty());
        let mut columns: Vec<_> = has_agents.then(|| text("Agent", |row| Some(&row.agent))).into_iter().collect();
        columns.extend(has_names.then(|| text("Name", |row| row.name.as_deref())));
        columns.extend(has_teams.then(|| text("Team", |row| row.team.as_deref())));
        if by != By::Total {
            let header = if by == By::Day { "Day" } else { "From" }.to_owned();
            let width = label(report.window.start, by, zone).width();
            columns.push(Column { header, width, style: "", is_number: false });
        }
        for state in shown {
            let style = if color { style(&report.offline, state) } else { "" };
            columns.push(time(state, style, &|row| row.time(state)));
        }
        if !further.is_empty() {
            columns.push(time(FURTHER_STATES, "", &|row| further.iter().map(|state| row.time(state)).sum()));
        }
        columns.push(time("Total", "", &|row| row.total));
        if has_shifts {
            columns
                .extend(SHIFT_COLUMNS.map(|header| time(header, "", &|row| row.shift.unwrap_or_default().scheduled)));
        }
        Self { columns, has_agents, has_names, has_teams, has_shifts, shown, further }
    }

    fn header(&self, text: &mut String) {
        write_cells(
            text,
            self.columns.iter().map(|Column { header, width, style, is_number }| Cell {
                text: header,
                width: *width,
                style,
                is_number: *is_number,
            }),
        );
    }

    fn line(&self, text: &mut String, row: &Row, period: &AgentPeriod, by: By, zone: &TimeZone) {
        let or_none = |cell: &Option<String>| cell.as_deref().unwrap_or(NO_VALUE).to_owned();
        let mut cells: Vec<_> = self.has_agents.then(|| row.agent.clone()).into_iter().collect();
        cells.extend(self.has_names.then(|| or_none(&row.name)));
        cells.extend(self.has_teams.then(|| or_none(&row.team)));
        if by != By::Total {
            cells.push(label(period.window.start, by, zone));
        }
        let find = |state: &StateName| period.states.iter().find(|(known, _)| known == state);
        let time_in = |state: &StateName| find(state).map_or(Micros::ZERO, |(_, time)| *time);
        let further = self.further.iter().map(time_in).sum();
        let total = period.states.iter().map(|(_, time)| *time).sum();
        let times = self.shown.iter().map(time_in).chain((!self.further.is_empty()).then_some(further)).chain([total]);
        let is_known = !period.states.is_empty();
        cells.extend(times.map(|time| if is_known { hours_minutes_seconds(time) } else { NO_VALUE.to_owned() }));
        if self.has_shifts {
            let shift = period.shift.map(|shift| [shift.scheduled, shift.offline, shift.absent]);
            let shown = |time: Option<Micros>| time.map_or_else(|| NO_VALUE.to_owned(), hours_minutes_seconds);
            cells
                .extend((0..SHIFT_COLUMNS.len()).map(|place| shown(shift.and_then(|shift| shift.get(place).copied()))));
        }
        let columns = self.columns.iter().zip(&cells);
        write_cells(
            text,
            columns.map(|(column, cell)| Cell {
                text: cell,
                width: column.width,
                style: "",
                is_number: column.is_number,
            }),
        );
    }
}
