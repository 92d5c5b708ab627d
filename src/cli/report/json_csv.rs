//! The report as JSON and CSV. Seconds are exact to the microsecond, without trailing zeros.

use std::io::{self, Write};

use serde::{Serialize, Serializer};

use super::TenantReport;
use super::row::Row;
use crate::presence::{Micros, StateName};

/// Microseconds in a second.
const MICROS_PER_SECOND: u64 = 1_000_000;

/// The JSON object of an agent.
#[derive(Serialize)]
struct Entry<'a> {
    agent: &'a str,
    name: Option<&'a str>,
    team: Option<&'a str>,
    states: States<'a>,
    total: Seconds,
}

/// The JSON object of seconds by state, longest first.
struct States<'a>(&'a [(StateName, Micros)]);

/// A time as a JSON number of seconds.
struct Seconds(Micros);

/// A CSV record.
#[derive(Serialize)]
struct Record<'a> {
    agent: &'a str,
    name: Option<&'a str>,
    team: Option<&'a str>,
    state: &'a str,
    seconds: String,
}

/// A list with an object for each agent. An agent without data has no states.
pub(super) fn json(reports: &[TenantReport<'_>]) -> io::Result<Vec<u8>> {
    let entries: Vec<_> = rows(reports).map(Entry::new).collect();
    let mut text = serde_json::to_vec_pretty(&entries)?;
    text.push(b'\n');
    Ok(text)
}

/// A header, and a record for each agent and state. An agent without data has no record.
pub(super) fn csv(reports: &[TenantReport<'_>]) -> io::Result<Vec<u8>> {
    // The header is written here, because serde writes none without records.
    let mut lines = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    lines.write_record(["agent", "name", "team", "state", "seconds"])?;
    for row in rows(reports) {
        for (state, time) in &row.states {
            lines.serialize(Record {
                agent: &row.agent.id,
                name: row.agent.name.as_deref(),
                team: row.agent.team.as_deref(),
                state,
                seconds: decimal(*time),
            })?;
        }
    }
    let mut text = lines.into_inner().map_err(csv::IntoInnerError::into_error)?;
    text.flush()?;
    Ok(text)
}

fn rows<'a>(reports: &'a [TenantReport<'a>]) -> impl Iterator<Item = &'a Row<'a>> {
    reports.iter().flat_map(|report| &report.rows)
}

/// Seconds as a decimal number without trailing zeros.
fn decimal(time: Micros) -> String {
    let (whole, micros) = (time.get() / MICROS_PER_SECOND, time.get() % MICROS_PER_SECOND);
    if micros == 0 { whole.to_string() } else { format!("{whole}.{micros:06}").trim_end_matches('0').to_owned() }
}

// === impl Entry ===

impl<'a> Entry<'a> {
    fn new(row: &'a Row<'a>) -> Self {
        Self {
            agent: &row.agent.id,
            name: row.agent.name.as_deref(),
            team: row.agent.team.as_deref(),
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
}
