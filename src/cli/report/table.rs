//! The report as text: a table for each agent, longest state first.

use std::borrow::Cow;
use std::fmt::Write;
use std::io;

use unicode_width::UnicodeWidthStr;

use super::TenantReport;
use super::row::Row;
use crate::config::{self, Tenant};
use crate::presence::{Micros, StateName, escape_text};

/// The headers of the columns.
const HEADERS: [&str; 3] = ["State", "Duration (sec)", "Hours"];

/// The separator of the columns.
const GAP: &str = " | ";

/// The minimum width of the state column, so that short tables have the same width.
const MIN_STATE_WIDTH: usize = 15;

/// Resets the color.
const RESET: &str = "\x1b[0m";

/// The widths of the columns in terminal cells.
struct Widths {
    state: usize,
    seconds: usize,
    hours: usize,
}

/// A table for each agent. All tables have the same column widths.
#[allow(clippy::unnecessary_wraps, reason = "the other formats return a Result")]
pub(super) fn render(reports: &[TenantReport<'_>], color: bool) -> io::Result<Vec<u8>> {
    let widths = Widths::of(reports);
    let mut text = String::new();
    for report in reports {
        for row in &report.rows {
            if !text.is_empty() {
                text.push('\n');
            }
            title(&mut text, report, row, reports.len() > 1);
            if row.states.is_empty() {
                text.push_str("No presence data found: the id is wrong, or the agent was not active in the window.\n");
            } else {
                lines(&mut text, report.tenant, row, &widths, color);
            }
        }
    }
    Ok(text.into_bytes())
}

/// The agent and the window.
fn title(text: &mut String, report: &TenantReport<'_>, row: &Row<'_>, name_tenant: bool) {
    let tenant = report.tenant;
    let name = row.agent.name.as_deref().map(escape_text);
    let team = row.agent.team.as_deref().map(|team| Cow::Owned(format!("team {}", escape_text(team))));
    let known: Vec<_> = [name, team].into_iter().flatten().collect();
    let known = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
    let length = config::format_duration(tenant.query.window);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "--- Agent Presence Summary (Last {length}) ---");
    if name_tenant {
        let _ = writeln!(text, "Tenant:   {}", tenant.name);
    }
    let _ = writeln!(text, "Agent ID: {}{known}", escape_text(&row.agent.id));
    let _ = writeln!(text, "Window:   {} to {}", report.window.start, report.window.end);
}

fn lines(text: &mut String, tenant: &Tenant, row: &Row<'_>, widths: &Widths, color: bool) {
    let rule = "-".repeat(widths.sum());
    let [state, seconds, hours] = HEADERS;
    widths.line(text, "", state, seconds, hours);
    text.push_str(&rule);
    text.push('\n');
    for (state, time) in &row.states {
        let style = if color { style(tenant, state) } else { "" };
        widths.line(text, style, &escape_text(state), &seconds_of(*time), &hours_of(*time));
    }
    text.push_str(&rule);
    text.push('\n');
    widths.line(text, "", "Total", &seconds_of(row.total), &hours_of(row.total));
}

/// The escape sequence before a state: offline states of the tenant are dimmed, and states without a color have none.
fn style(tenant: &Tenant, state: &StateName) -> &'static str {
    if tenant.states.offline.contains(state) {
        return "\x1b[2m";
    }
    match &**state {
        "Available" => "\x1b[32m",
        "Busy" => "\x1b[33m",
        "WrapUp" => "\x1b[36m",
        _ => "",
    }
}

fn seconds_of(time: Micros) -> String {
    format!("{:.2}", time.seconds_f64())
}

fn hours_of(time: Micros) -> String {
    format!("{:.2}", time.hours_f64())
}

// === impl Widths ===

impl Widths {
    /// The widths of the longest texts.
    fn of(reports: &[TenantReport<'_>]) -> Self {
        let [_, seconds, hours] = HEADERS;
        let mut widths = Self { state: MIN_STATE_WIDTH, seconds: seconds.len(), hours: hours.len() };
        for row in reports.iter().flat_map(|report| &report.rows) {
            for (state, _) in &row.states {
                widths.state = widths.state.max(escape_text(state).width());
            }
            // No state has more digits than the total.
            widths.seconds = widths.seconds.max(seconds_of(row.total).len());
            widths.hours = widths.hours.max(hours_of(row.total).len());
        }
        widths
    }

    const fn sum(&self) -> usize {
        self.state + GAP.len() + self.seconds + GAP.len() + self.hours
    }

    /// A line: the state is left-aligned, numbers are right-aligned.
    fn line(&self, text: &mut String, style: &str, state: &str, seconds: &str, hours: &str) {
        let reset = if style.is_empty() { "" } else { RESET };
        // `format!` pads by characters, and wide characters take two cells.
        let padding = " ".repeat(self.state.saturating_sub(state.width()));
        let (seconds_width, hours_width) = (self.seconds, self.hours);
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "{style}{state}{reset}{padding}{GAP}{seconds:>seconds_width$}{GAP}{hours:>hours_width$}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_invisible_characters_are_escaped() {
        let table = [
            ("Available", "Available"),
            ("昼休み", "昼休み"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("two\nlines", "two\\nlines"),
            ("a\u{200b}b", "a\\u{200b}b"),
            ("\u{645}\u{200c}\u{646}", "\u{645}\u{200c}\u{646}"),
            ("\u{202e}desrever", "\\u{202e}desrever"),
        ];
        for (raw, shown) in table {
            assert_eq!(escape_text(raw), shown);
        }
    }
}
