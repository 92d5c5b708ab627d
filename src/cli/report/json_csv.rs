//! The report as JSON and CSV. Seconds are exact to the microsecond, without trailing zeros.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::{Serialize, Serializer};

use super::rows::{Row, TenantReport};
use crate::presence::{Micros, StateName};

/// Microseconds in a second.
const MICROS_PER_SECOND: u64 = 1_000_000;

/// The first characters of a cell that a spreadsheet takes for a formula, in their wide forms too.
///
/// Source: OWASP, CSV Injection.
const FORMULA_STARTS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// The JSON object of an agent.
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
}

/// The JSON object of seconds by state, longest first.
struct States<'a>(&'a [(StateName, Micros)]);

/// A time as a JSON number of seconds.
struct Seconds(Micros);

/// A list with an object for each agent. An agent without data has no states.
pub(super) fn json(reports: &[TenantReport]) -> io::Result<Vec<u8>> {
    let entries: Vec<_> = rows(reports).map(|(report, row)| Entry::new(report, row)).collect();
    let mut text = serde_json::to_vec_pretty(&entries)?;
    text.push(b'\n');
    Ok(text)
}

/// A header, and a record for each agent and state. An agent without data has no record.
pub(super) fn csv(reports: &[TenantReport]) -> io::Result<Vec<u8>> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    lines.write_record(["tenant", "agent", "name", "team", "from", "to", "state", "seconds"])?;
    for (report, row) in rows(reports) {
        let (from, to) = (report.window.start.to_string(), report.window.end.to_string());
        let [name, team] = [&row.name, &row.team].map(|text| cell(text.as_deref().unwrap_or_default()));
        let (tenant, agent) = (cell(&report.tenant), cell(&row.agent));
        for (state, time) in &row.states {
            let record = [&*tenant, &*agent, &*name, &*team, &*from, &*to, &*cell(state), &*decimal(*time)];
            lines.write_record(record)?;
        }
    }
    let mut text = lines.into_inner().map_err(csv::IntoInnerError::into_error)?;
    text.flush()?;
    Ok(text)
}

fn rows(reports: &[TenantReport]) -> impl Iterator<Item = (&TenantReport, &Row)> {
    reports.iter().flat_map(|report| report.rows.iter().map(move |row| (report, row)))
}

/// `text` with a quote before it where a spreadsheet would take it for a formula.
fn cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(FORMULA_STARTS) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Seconds as a decimal number without trailing zeros.
fn decimal(time: Micros) -> String {
    let (whole, micros) = (time.get() / MICROS_PER_SECOND, time.get() % MICROS_PER_SECOND);
    if micros == 0 { whole.to_string() } else { format!("{whole}.{micros:06}").trim_end_matches('0').to_owned() }
}

// === impl Entry ===

impl<'a> Entry<'a> {
    fn new(report: &'a TenantReport, row: &'a Row) -> Self {
        Self {
            tenant: &report.tenant,
            agent: &row.agent,
            name: row.name.as_deref(),
            team: row.team.as_deref(),
            from: report.window.start.to_string(),
            to: report.window.end.to_string(),
            states: States(&row.states),
            total: Seconds(row.total),
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
    fn seconds_have_no_trailing_zeros() {
        let table = [(0, "0"), (1, "0.000001"), (500_000, "0.5"), (60_000_000, "60"), (86_399_999_990, "86399.99999")];
        for (micros, text) in table {
            let time = Micros::new(micros);
            assert_eq!(decimal(time), text);
            assert_eq!(serde_json::to_string(&Seconds(time)).unwrap().parse::<f64>(), text.parse());
        }
        assert_eq!(serde_json::to_string(&Seconds(Micros::from_seconds(60))).unwrap(), "60");
    }

    #[test]
    fn csv_cell_of_a_formula_is_prefixed() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert_eq!(cell(text), format!("'{text}"));
        }
        for text in ["", "Ada", "1=1", "'=1", " =1", "a-b"] {
            assert_eq!(cell(text), text);
        }
    }
}
