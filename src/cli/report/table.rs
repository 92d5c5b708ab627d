//! The report for people: one table an agent, longest state first.

use std::borrow::Cow;
use std::fmt::Write;
use std::io;

use unicode_width::UnicodeWidthStr;

use super::Answer;
use super::row::Row;
use crate::config::{self, Tenant};
use crate::presence::{Micros, StateName};
use crate::upstream::is_invisible;

/// The headers of the columns.
const HEADERS: [&str; 3] = ["State", "Duration (sec)", "Hours"];

/// What stands between columns.
const GAP: &str = " | ";

/// The least width of the column of states: short tables look alike, whatever is in them.
const LEAST_STATE_WIDTH: usize = 15;

/// Ends a colour.
const RESET: &str = "\x1b[0m";

/// The width of each column, in cells of the terminal.
struct Widths {
    state: usize,
    seconds: usize,
    hours: usize,
}

/// One table an agent. Columns are as wide in all of them.
#[allow(clippy::unnecessary_wraps, reason = "the other formats can fail, and are called alike")]
pub(super) fn render(answers: &[Answer<'_>], colour: bool) -> io::Result<Vec<u8>> {
    let widths = Widths::of(answers);
    let mut text = String::new();
    for answer in answers {
        for row in &answer.rows {
            if !text.is_empty() {
                text.push('\n');
            }
            title(&mut text, answer, row, answers.len() > 1);
            if row.states.is_empty() {
                text.push_str("No presence data found: the id is wrong, or the agent was not active in the window.\n");
            } else {
                lines(&mut text, answer.tenant, row, &widths, colour);
            }
        }
    }
    Ok(text.into_bytes())
}

/// Whose table it is, and of which time.
fn title(text: &mut String, answer: &Answer<'_>, row: &Row<'_>, name_tenant: bool) {
    let tenant = answer.tenant;
    let name = row.agent.name.as_deref().map(plain);
    let team = row.agent.team.as_deref().map(|team| Cow::Owned(format!("team {}", plain(team))));
    let known: Vec<_> = [name, team].into_iter().flatten().collect();
    let known = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
    let length = config::format_duration(tenant.window);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "--- Agent Presence Summary (Last {length}) ---");
    if name_tenant {
        let _ = writeln!(text, "Tenant:   {}", tenant.name);
    }
    let _ = writeln!(text, "Agent ID: {}{known}", plain(&row.agent.id));
    let _ = writeln!(text, "Window:   {} to {}", answer.window.start, answer.window.end);
}

fn lines(text: &mut String, tenant: &Tenant, row: &Row<'_>, widths: &Widths, colour: bool) {
    let rule = "-".repeat(widths.sum());
    let [state, seconds, hours] = HEADERS;
    widths.line(text, "", state, seconds, hours);
    text.push_str(&rule);
    text.push('\n');
    for (state, time) in &row.states {
        let tint = if colour { tint(tenant, state) } else { "" };
        widths.line(text, tint, &plain(state), &seconds_of(*time), &hours_of(*time));
    }
    text.push_str(&rule);
    text.push('\n');
    widths.line(text, "", "Total", &seconds_of(row.total), &hours_of(row.total));
}

/// The colour that a state begins with: what the tenant counts as offline is dimmed, and other states than the
/// documented ones stay as they are.
fn tint(tenant: &Tenant, state: &StateName) -> &'static str {
    if tenant.offline_states.contains(state) {
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

/// The text with what a terminal would act on made visible: names come from the tenant, and must neither move
/// the cursor nor turn the text around.
fn plain(text: &str) -> Cow<'_, str> {
    let acts = |c: char| c.is_control() || is_invisible(c);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let visible = |c: char| if acts(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(visible).collect())
}

// === impl Widths ===

impl Widths {
    /// What the longest text of each column takes.
    fn of(answers: &[Answer<'_>]) -> Self {
        let [_, seconds, hours] = HEADERS;
        let mut widths = Self { state: LEAST_STATE_WIDTH, seconds: seconds.len(), hours: hours.len() };
        for row in answers.iter().flat_map(|answer| &answer.rows) {
            for (state, _) in &row.states {
                widths.state = widths.state.max(plain(state).width());
            }
            // No state has more digits than their total.
            widths.seconds = widths.seconds.max(seconds_of(row.total).len());
            widths.hours = widths.hours.max(hours_of(row.total).len());
        }
        widths
    }

    const fn sum(&self) -> usize {
        self.state + GAP.len() + self.seconds + GAP.len() + self.hours
    }

    /// One line: the state to the left, numbers to the right so that their points are below each other.
    fn line(&self, text: &mut String, tint: &str, state: &str, seconds: &str, hours: &str) {
        let reset = if tint.is_empty() { "" } else { RESET };
        // Padding is counted here, as the formatter counts characters and not the cells they take.
        let padding = " ".repeat(self.state.saturating_sub(state.width()));
        let (seconds_width, hours_width) = (self.seconds, self.hours);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{tint}{state}{reset}{padding}{GAP}{seconds:>seconds_width$}{GAP}{hours:>hours_width$}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_made_visible() {
        let table = [
            ("Available", "Available"),
            ("昼休み", "昼休み"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("two\nlines", "two\\nlines"),
            ("\u{202e}desrever", "\\u{202e}desrever"),
        ];
        for (raw, shown) in table {
            assert_eq!(plain(raw), shown);
        }
    }
}
