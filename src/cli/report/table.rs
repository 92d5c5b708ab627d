//! The report as text: a table of each tenant with one line an agent and period, and one column a state.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use super::rows::{Report, Row, TenantReport, Times};
use super::{ReportError, dates};
use crate::config;
use crate::past::By;
use crate::presence::{Micros, StateName, TimeZone, Timestamp, Window, isolate_text};

/// The separator of the columns.
const GAP: &str = "  ";

/// The most columns of states. More do not fit on a screen, so the last column adds up the rest.
const MAX_STATE_COLUMNS: usize = 10;

/// A cell without a value.
const NO_VALUE: &str = "-";

/// Resets the color.
const RESET: &str = "\x1b[0m";

/// A column of a table.
struct Column<'a> {
    header: String,
    /// The width on a terminal.
    width: usize,
    /// The escape sequence before the header.
    style: &'static str,
    is_number: bool,
    cell: CellText<'a>,
}

/// The text of a row within a period.
type CellText<'a> = Box<dyn Fn(&Row, Window, &Times) -> String + 'a>;

/// A text that all periods of a row have.
type RowText = fn(&Row) -> Option<&str>;

/// The time of a cell, if it has one.
type CellTime<'a> = Box<dyn Fn(&Times) -> Option<Micros> + 'a>;

/// A table for each tenant.
pub(super) fn render(report: &Report<'_>, color: bool, out: &mut dyn Write) -> Result<(), ReportError> {
    let (by, zone) = (report.by(), report.zone());
    let mut text = String::new();
    for (number, tenant) in report.tenants.iter().enumerate() {
        let (start, end) = (dates::shown(tenant.window.start, &zone), dates::shown(tenant.window.end, &zone));
        let length = config::format_duration(Duration::from_micros(tenant.window.length().get()));
        let by_period = match by {
            By::Total | By::Step(_) => String::new(),
            By::Day | By::Hour => format!(", by {by} in {}", zone.name()),
        };
        let gap = if number > 0 { "\n" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{gap}{}: {start} to {end} ({length}){by_period}", tenant.tenant);
        let columns = columns(tenant, by, &zone, color);
        write_cells(&mut text, columns.iter().map(|column| (column, column.style, column.header.clone())));
        for row in &tenant.rows {
            report.each_period(tenant, row, |window, times| {
                write_cells(&mut text, columns.iter().map(|column| (column, "", (column.cell)(row, window, times))));
                Ok(())
            })?;
            out.write_all(text.as_bytes()).map_err(ReportError::Output)?;
            text.clear();
        }
        let without_data = tenant.rows.iter().filter(|row| row.times.states.is_empty()).count();
        if without_data > 0 {
            let (of, [rows, id, range]) = (
                tenant.rows.len(),
                match report.file {
                    None => ["agents", "the id", "window"],
                    Some(_) => ["rows", "an id", "range"],
                },
            );
            let _ = writeln!(
                text,
                "No data of {without_data} of {of} {rows}: {id} is wrong, or the agent was not active in the {range}."
            );
        }
    }
    out.write_all(text.as_bytes()).map_err(ReportError::Output)
}

/// The columns of a tenant. Agents, names and teams have one if any row has them.
fn columns<'a>(report: &'a TenantReport, by: By, zone: &'a TimeZone, color: bool) -> Vec<Column<'a>> {
    let new = |header: &str, style, is_number, cell: CellText<'a>| {
        // The sum of all periods is at least as wide as each of them.
        let widths = report.rows.iter().map(|row| cell(row, report.window, &row.times).width());
        let width = widths.chain([header.width()]).max().unwrap_or_default();
        Column { header: header.to_owned(), width, style, is_number, cell }
    };
    let mut columns = Vec::new();
    let texts: [(&str, RowText); 3] = [
        ("Agent", |row| Some(&*row.agent).filter(|agent| !agent.is_empty())),
        ("Name", |row| row.name.as_deref()),
        ("Team", |row| row.team.as_deref()),
    ];
    for (header, text) in texts {
        if report.rows.iter().any(|row| text(row).is_some()) {
            let cell = move |row: &Row, _, _: &Times| isolate_text(text(row).unwrap_or(NO_VALUE)).into_owned();
            columns.push(new(header, "", false, Box::new(cell)));
        }
    }
    if by != By::Total {
        let header = if by == By::Day { "Day" } else { "From" };
        let cell = move |_: &Row, window: Window, _: &Times| label(window.start, by, zone);
        columns.push(new(header, "", false, Box::new(cell)));
    }
    let mut push_time = |header: &str, style, time: CellTime<'a>| {
        let cell =
            move |_: &Row, _, times: &Times| time(times).map_or_else(|| NO_VALUE.to_owned(), hours_minutes_seconds);
        columns.push(new(header, style, true, Box::new(cell)));
    };
    let known = |times: &Times, time: Micros| (!times.states.is_empty()).then_some(time);
    let count = report.states.len();
    let (shown, further) =
        report.states.split_at(if count > MAX_STATE_COLUMNS { MAX_STATE_COLUMNS - 1 } else { count });
    for state in shown {
        let style = if color { style(&report.offline, state) } else { "" };
        push_time(&isolate_text(state), style, Box::new(move |times| known(times, times.of(state))));
    }
    if !further.is_empty() {
        let sum = move |times: &Times| known(times, further.iter().map(|state| times.of(state)).sum());
        push_time("(others)", "", Box::new(sum));
    }
    push_time("Total", "", Box::new(move |times| known(times, times.total())));
    if report.rows.iter().any(|row| row.times.shift.is_some()) {
        push_time("Scheduled", "", Box::new(|times| Some(times.shift?.scheduled)));
        push_time("Offline on shift", "", Box::new(|times| Some(times.shift?.offline)));
        push_time("Absent", "", Box::new(|times| Some(times.shift?.absent)));
    }
    columns
}

/// A line of a table: texts are left-aligned, times are right-aligned. A cell has an escape sequence before it.
fn write_cells<'a>(text: &mut String, cells: impl Iterator<Item = (&'a Column<'a>, &'static str, String)>) {
    let start = text.len();
    for (number, (column, style, cell)) in cells.enumerate() {
        let gap = if number == 0 { "" } else { GAP };
        // `format!` pads by characters, and wide characters take two cells of a terminal.
        let padding = " ".repeat(column.width.saturating_sub(cell.width()));
        let reset = if style.is_empty() { "" } else { RESET };
        // Writing to a string cannot fail.
        let _ = if column.is_number {
            write!(text, "{gap}{padding}{style}{cell}{reset}")
        } else {
            write!(text, "{gap}{style}{cell}{reset}{padding}")
        };
    }
    let end = start + text.get(start..).unwrap_or_default().trim_end().len();
    text.truncate(end);
    text.push('\n');
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

/// The escape sequence before a state: offline states are dimmed, and states without a color have none.
fn style(offline: &[StateName], state: &StateName) -> &'static str {
    if offline.contains(state) {
        return "\x1b[2m";
    }
    match &**state {
        "Available" => "\x1b[32m",
        "Busy" => "\x1b[33m",
        "WrapUp" => "\x1b[36m",
        _ => "",
    }
}

/// `h:mm:ss`, rounded to the second.
fn hours_minutes_seconds(time: Micros) -> String {
    let seconds = time.get().saturating_add(500_000) / 1_000_000;
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_hours_minutes_and_seconds() {
        let table = [
            (0, "0:00:00"),
            (499_999, "0:00:00"),
            (500_000, "0:00:01"),
            (59_999_999, "0:01:00"),
            (3_661_000_000, "1:01:01"),
            (86_400_000_000, "24:00:00"),
        ];
        for (micros, text) in table {
            assert_eq!(hours_minutes_seconds(Micros::new(micros)), text);
        }
    }
}
