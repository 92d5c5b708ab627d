//! The report as JSON and CSV. Seconds are exact to the microsecond, without trailing zeros.

use std::io;

use serde::{Serialize, Serializer};

use super::rows::{Row, TenantReport};
use crate::exposition::{CsvRecords, decimal_seconds};
use crate::past::ShiftTime;
use crate::presence::{Micros, StateName};

/// Microseconds in a second.
const MICROS_PER_SECOND: u64 = 1_000_000;

/// The JSON object of an agent, within the window or one period.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
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

/// A list with an object for each agent. An agent without data has no states.
pub(super) fn json(reports: &[TenantReport]) -> io::Result<Vec<u8>> {
    let times = |report: &TenantReport| (report.window.start.to_string(), report.window.end.to_string());
    let entries: Vec<_> =
        rows(reports).map(|(report, row)| Entry::new(&report.tenant, row, times(report), &row.states, None)).collect();
    let mut text = serde_json::to_vec_pretty(&entries)?;
    text.push(b'\n');
    Ok(text)
}

/// The header of CSV.
pub(super) const CSV_HEADER: [&str; 8] = ["tenant", "agent", "name", "team", "from", "to", "state", "seconds"];

/// A header, and a record for each agent and state. An agent without data has no record.
pub(super) fn csv(reports: &[TenantReport]) -> io::Result<Vec<u8>> {
    let mut records = CsvRecords::new(CSV_HEADER)?;
    for (report, row) in rows(reports) {
        let (from, to) = (report.window.start.to_string(), report.window.end.to_string());
        let [name, team] = [&row.name, &row.team].map(|text| text.as_deref().unwrap_or_default());
        for (state, time) in &row.states {
            let seconds = decimal_seconds(time.get());
            records.push([&*report.tenant, &*row.agent, name, team, &*from, &*to, &**state, &*seconds])?;
        }
    }
    records.finish()
}

fn rows(reports: &[TenantReport]) -> impl Iterator<Item = (&TenantReport, &Row)> {
    reports.iter().flat_map(|report| report.rows.iter().map(move |row| (report, row)))
}

// === impl Entry ===

impl<'a> Entry<'a> {
    /// `times` are the start and the end.
    pub(super) fn new(
        tenant: &'a str,
        row: &'a Row,
        times: (String, String),
        states: &'a [(StateName, Micros)],
        shift: Option<ShiftTime>,
    ) -> Self {
        Self {
            tenant,
            agent: &row.agent,
            name: row.name.as_deref(),
            team: row.team.as_deref(),
            from: times.0,
            to: times.1,
            states: States(states),
            total: Seconds(states.iter().map(|(_, time)| *time).sum()),
            shift: shift.map(|shift| Shift {
                scheduled: Seconds(shift.scheduled),
                offline_on_shift: Seconds(shift.offline),
                absent: Seconds(shift.absent),
            }),
        }
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
