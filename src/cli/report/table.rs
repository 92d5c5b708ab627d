//! The report as text: a table of each tenant with one line an agent and one column a state.

use std::fmt::Write;
use std::io;

use unicode_width::UnicodeWidthStr;

use super::rows::{Row, TenantReport};
use crate::config;
use crate::presence::{Micros, StateName, Window};

/// The separator of the columns.
const GAP: &str = "  ";

/// The most columns of states. More do not fit on a screen, so the last column adds up the rest.
const MAX_STATE_COLUMNS: usize = 10;

/// The header of the column of further states.
pub(super) const FURTHER_STATES: &str = "(others)";

/// A cell without a value.
pub(super) const NO_VALUE: &str = "-";

/// Resets the color.
const RESET: &str = "\x1b[0m";

/// A column: its cells, the first of which is the header.
struct Column {
    cells: Vec<String>,
    /// The escape sequence before the header.
    style: &'static str,
    is_number: bool,
}

/// A cell, and the width of its column on a terminal.
pub(super) struct Cell<'a> {
    pub(super) text: &'a str,
    pub(super) width: usize,
    /// The escape sequence before it.
    pub(super) style: &'static str,
    pub(super) is_number: bool,
}

/// A table for each tenant.
#[allow(clippy::unnecessary_wraps, reason = "the other formats return a Result")]
pub(super) fn render(reports: &[TenantReport], color: bool) -> io::Result<Vec<u8>> {
    let mut text = String::new();
    for report in reports {
        if !text.is_empty() {
            text.push('\n');
        }
        let Window { start, end } = report.window;
        let length = config::format_duration(std::time::Duration::from_micros(report.window.length().get()));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {start} to {end} ({length})", report.tenant);
        let columns = columns(report, color);
        for line in 0..=report.rows.len() {
            write_line(&mut text, &columns, line);
        }
        let without_data = report.rows.iter().filter(|row| row.states.is_empty()).count();
        if without_data > 0 {
            let _ = writeln!(
                text,
                "No data of {without_data} of {} agents: the id is wrong, or the agent was not active in the window.",
                report.rows.len()
            );
        }
    }
    Ok(text.into_bytes())
}

/// The columns of a tenant. Names and teams have one if any agent has them.
fn columns(report: &TenantReport, color: bool) -> Vec<Column> {
    let rows = &report.rows;
    let text = |header: &str, cell: fn(&Row) -> Option<&str>| {
        let is_used = rows.iter().any(|row| cell(row).is_some());
        let cells = rows.iter().map(|row| cell(row).unwrap_or(NO_VALUE).to_owned());
        is_used.then(|| Column { cells: with_header(header, cells), style: "", is_number: false })
    };
    let time = |header: &str, style, time: &dyn Fn(&Row) -> Micros| {
        let cell =
            |row: &Row| if row.states.is_empty() { NO_VALUE.to_owned() } else { hours_minutes_seconds(time(row)) };
        Column { cells: with_header(header, rows.iter().map(cell)), style, is_number: true }
    };
    let (shown, further) = shown_states(&report.states);
    let mut columns: Vec<Column> = [
        text("Agent", |row| (!row.agent.is_empty()).then_some(&*row.agent)),
        text("Name", |row| row.name.as_deref()),
        text("Team", |row| row.team.as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect();
    for state in shown {
        let style = if color { style(&report.offline, state) } else { "" };
        columns.push(time(state, style, &|row| row.time(state)));
    }
    if !further.is_empty() {
        columns.push(time(FURTHER_STATES, "", &|row| further.iter().map(|state| row.time(state)).sum()));
    }
    columns.push(time("Total", "", &|row| row.total));
    columns
}

/// The states with a column of their own, and those that one column adds up.
pub(super) fn shown_states(states: &[StateName]) -> (&[StateName], &[StateName]) {
    states.split_at(if states.len() > MAX_STATE_COLUMNS { MAX_STATE_COLUMNS - 1 } else { states.len() })
}

fn with_header(header: &str, cells: impl Iterator<Item = String>) -> Vec<String> {
    std::iter::once(header.to_owned()).chain(cells).collect()
}

fn write_line(text: &mut String, columns: &[Column], line: usize) {
    let cells = columns.iter().map(|column| Cell {
        text: column.cells.get(line).map_or("", String::as_str),
        width: column.cells.iter().map(|cell| cell.width()).max().unwrap_or_default(),
        style: if line == 0 { column.style } else { "" },
        is_number: column.is_number,
    });
    write_cells(text, cells);
}

/// A line of a table: texts are left-aligned, times are right-aligned.
pub(super) fn write_cells<'a>(text: &mut String, cells: impl Iterator<Item = Cell<'a>>) {
    let start = text.len();
    for (number, Cell { text: cell, width, style, is_number }) in cells.enumerate() {
        let gap = if number == 0 { "" } else { GAP };
        // `format!` pads by characters, and wide characters take two cells of a terminal.
        let padding = " ".repeat(width.saturating_sub(cell.width()));
        let reset = if style.is_empty() { "" } else { RESET };
        // Writing to a string cannot fail.
        let _ = if is_number {
            write!(text, "{gap}{padding}{style}{cell}{reset}")
        } else {
            write!(text, "{gap}{style}{cell}{reset}{padding}")
        };
    }
    let end = start + text.get(start..).unwrap_or_default().trim_end().len();
    text.truncate(end);
    text.push('\n');
}

/// The escape sequence before a state: offline states are dimmed, and states without a color have none.
pub(super) fn style(offline: &[StateName], state: &StateName) -> &'static str {
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
pub(super) fn hours_minutes_seconds(time: Micros) -> String {
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
