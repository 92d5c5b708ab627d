//! The report as JSON and CSV. Seconds are exact to the microsecond, without trailing zeros.

use std::io::{self, Write};

use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};

use super::rows::{Report, Row, TenantReport, Times};
use super::{ReportError, dates};
use crate::exposition::{CsvRecords, decimal_seconds};
use crate::past::ShiftTime;
use crate::presence::{Micros, StateName, TimeZone, Window};

/// Microseconds in a second.
const MICROS_PER_SECOND: u64 = 1_000_000;

/// The header of CSV.
const CSV_HEADER: [&str; 8] = ["tenant", "agent", "name", "team", "from", "to", "state", "seconds"];

/// The rows of CSV for the time on shift, which is no state.
const SHIFT_ROWS: [&str; 3] = ["(scheduled)", "(offline on shift)", "(absent)"];

/// The JSON object of an agent, within the window or one period.
#[derive(Serialize)]
struct Entry<'a> {
    tenant: &'a str,
    agent: &'a str,
    name: Option<&'a str>,
    team: Option<&'a str>,
    from: String,
    to: String,
    states: States<'a>,
    total: Seconds,
    #[serde(flatten)]
    shift: Option<Shift>,
}

/// The keys of an agent with a schedule.
#[derive(Serialize)]
struct Shift {
    scheduled: Seconds,
    offline_on_shift: Seconds,
    absent: Seconds,
}

/// The JSON object of seconds by state, longest first.
struct States<'a>(&'a [(StateName, Micros)]);

/// A time as a JSON number of seconds.
struct Seconds(Micros);

/// A list with an object for each agent and period; one a line for a range. An agent without data has no states.
pub(super) fn json(report: &Report<'_>, out: &mut dyn Write) -> Result<(), ReportError> {
    let zone = report.zone();
    let mut text = Vec::new();
    if report.file.is_none() {
        let mut json = serde_json::Serializer::pretty(&mut text);
        let mut list = json.serialize_seq(None).map_err(failed)?;
        for (tenant, row) in report.rows() {
            report.each_period(tenant, row, |window, times| {
                Ok(list.serialize_element(&Entry::new(tenant, row, window, times, &zone))?)
            })?;
        }
        list.end().map_err(failed)?;
        text.push(b'\n');
        return write(out, &text);
    }
    let mut is_first = true;
    text.push(b'[');
    for (tenant, row) in report.rows() {
        report.each_period(tenant, row, |window, times| {
            text.extend_from_slice(if std::mem::take(&mut is_first) { b"\n" } else { b",\n" });
            Ok(serde_json::to_writer(&mut text, &Entry::new(tenant, row, window, times, &zone))?)
        })?;
        write(out, &text)?;
        text.clear();
    }
    text.extend_from_slice(b"\n]\n");
    write(out, &text)
}

/// A header, and a record for each agent, period and state. An agent without data has no record. Scheduled time of a period is
/// a record as well.
pub(super) fn csv(report: &Report<'_>, out: &mut dyn Write) -> Result<(), ReportError> {
    let mut records = CsvRecords::new(CSV_HEADER).map_err(ReportError::Output)?;
    let zone = report.zone();
    for (tenant, row) in report.rows() {
        let [name, team] = [&row.name, &row.team].map(|text| text.as_deref().unwrap_or_default());
        report.each_period(tenant, row, |window, times| {
            let (from, to) = (dates::shown(window.start, &zone), dates::shown(window.end, &zone));
            let mut push = |state: &str, time: Micros| {
                let seconds = decimal_seconds(time.get());
                records.push([&*tenant.tenant, &*row.agent, name, team, &*from, &*to, state, &*seconds])
            };
            times.states.iter().try_for_each(|(state, time)| push(state, *time))?;
            if let Some(shift) = times.shift.filter(|shift| shift.scheduled > Micros::ZERO) {
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

fn write(out: &mut dyn Write, text: &[u8]) -> Result<(), ReportError> {
    out.write_all(text).map_err(ReportError::Output)
}

fn failed(error: serde_json::Error) -> ReportError {
    ReportError::Output(io::Error::from(error))
}

// === impl Entry ===

impl<'a> Entry<'a> {
    fn new(report: &'a TenantReport, row: &'a Row, window: Window, times: &'a Times, zone: &TimeZone) -> Self {
        Self {
            tenant: &report.tenant,
            agent: &row.agent,
            name: row.name.as_deref(),
            team: row.team.as_deref(),
            from: dates::shown(window.start, zone),
            to: dates::shown(window.end, zone),
            states: States(&times.states),
            total: Seconds(times.total()),
            shift: times.shift.map(Shift::from),
        }
    }
}

// === impl Shift ===

impl From<ShiftTime> for Shift {
    fn from(ShiftTime { scheduled, offline, absent }: ShiftTime) -> Self {
        Self { scheduled: Seconds(scheduled), offline_on_shift: Seconds(offline), absent: Seconds(absent) }
    }
}

// === impl Serialize ===

impl Serialize for States<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(state, time)| (&**state, Seconds(*time))))
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.get().is_multiple_of(MICROS_PER_SECOND) {
            serializer.serialize_u64(self.0.get() / MICROS_PER_SECOND)
        } else {
            serializer.serialize_f64(self.0.seconds_f64())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_seconds_are_those_of_csv() {
        for micros in [0, 1, 500_000, 60_000_000, 86_399_999_990] {
            let json = serde_json::to_string(&Seconds(Micros::new(micros))).unwrap();
            assert_eq!(json.parse::<f64>(), decimal_seconds(micros).parse());
        }
        assert_eq!(serde_json::to_string(&Seconds(Micros::from_seconds(60))).unwrap(), "60");
    }
}
