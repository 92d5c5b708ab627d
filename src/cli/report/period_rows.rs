//! The periods of a range one after the other, as CSV and JSON. Memory holds the periods of one agent at a time.

use std::io::{self, Write};

use super::ReportError;
use super::dates;
use super::json_csv::{CSV_HEADER, Entry};
use super::rows::{Row, TenantReport, longest_first};
use crate::exposition::{CsvRecords, decimal_seconds};
use crate::past::{ShiftTime, StateFile};
use crate::presence::{Micros, StateName, Window};

/// The rows of CSV for the time on shift, which is no state.
const SHIFT_ROWS: [&str; 3] = ["(scheduled)", "(offline on shift)", "(absent)"];

/// One agent within one period.
pub(super) struct AgentPeriod {
    pub(super) window: Window,
    /// Escaped states with time, the longest first.
    pub(super) states: Vec<(StateName, Micros)>,
    /// The time on shift, if the agent has a schedule.
    pub(super) shift: Option<ShiftTime>,
}

/// Calls `each` for each period that an agent was read to the end of.
///
/// # Errors
///
/// The state file cannot be read, or `each` fails.
pub(super) fn each_period(
    file: &StateFile,
    tenant: &str,
    row: &Row,
    mut each: impl FnMut(AgentPeriod) -> io::Result<()>,
) -> Result<(), ReportError> {
    let Some(times) = file.times(tenant, &row.ids)? else { return Ok(()) };
    for (window, states, shift) in times.periods(file.periods()) {
        let named =
            states.iter().filter_map(|(place, time)| Some((StateName::clone(times.states.get(*place)?), *time)));
        let states = longest_first(named.filter(|(_, time)| *time > Micros::ZERO).collect());
        let shift = row.shift.map(|_| shift.unwrap_or_default());
        each(AgentPeriod { window, states, shift }).map_err(ReportError::Output)?;
    }
    Ok(())
}

/// A header, and a record for each agent, period and state. Scheduled time of a period is a record as well.
pub(super) fn csv(file: &StateFile, reports: &[TenantReport], out: &mut dyn Write) -> Result<(), ReportError> {
    let mut records = CsvRecords::new(CSV_HEADER).map_err(ReportError::Output)?;
    let zone = &file.question().zone;
    for (report, row) in reports.iter().flat_map(|report| report.rows.iter().map(move |row| (report, row))) {
        let [name, team] = [&row.name, &row.team].map(|text| text.as_deref().unwrap_or_default());
        each_period(file, &report.tenant, row, |period| {
            let (from, to) = (dates::shown(period.window.start, zone), dates::shown(period.window.end, zone));
            let mut push = |state: &str, time: Micros| {
                let seconds = decimal_seconds(time.get());
                records.push([&*report.tenant, &*row.agent, name, team, &*from, &*to, state, &*seconds])
            };
            period.states.iter().try_for_each(|(state, time)| push(state, *time))?;
            if let Some(shift) = period.shift.filter(|shift| shift.scheduled > Micros::ZERO) {
                let times = [shift.scheduled, shift.offline, shift.absent];
                SHIFT_ROWS.into_iter().zip(times).try_for_each(|(state, time)| push(state, time))?;
            }
            Ok(())
        })?;
        write(out, &records.take().map_err(ReportError::Output)?)?;
    }
    // The header, where there is no agent.
    write(out, &records.finish().map_err(ReportError::Output)?)
}

/// A list with an object for each agent and period, one a line.
pub(super) fn json(file: &StateFile, reports: &[TenantReport], out: &mut dyn Write) -> Result<(), ReportError> {
    let zone = &file.question().zone;
    let (mut text, mut is_first) = (b"[".to_vec(), true);
    for (report, row) in reports.iter().flat_map(|report| report.rows.iter().map(move |row| (report, row))) {
        each_period(file, &report.tenant, row, |period| {
            let times = (dates::shown(period.window.start, zone), dates::shown(period.window.end, zone));
            text.extend_from_slice(if std::mem::take(&mut is_first) { b"\n" } else { b",\n" });
            Ok(serde_json::to_writer(&mut text, &Entry::new(&report.tenant, row, times, &period.states, period.shift))?)
        })?;
        write(out, &text)?;
        text.clear();
    }
    text.extend_from_slice(b"\n]\n");
    write(out, &text)
}

pub(super) fn write(out: &mut dyn Write, text: &[u8]) -> Result<(), ReportError> {
    out.write_all(text).map_err(ReportError::Output)
}
