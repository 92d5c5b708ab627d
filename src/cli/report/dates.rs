//! The range of a report: dates and times of the command line.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, SecondsFormat};

use super::ReportError;
use crate::past::StateFile;
use crate::presence::{TimeZone, Timestamp, Window};

/// The earliest start. Presence is not older, and time zones have whole quarters of an hour since long before.
const EARLIEST: Timestamp = Timestamp::from_seconds(946_684_800);

/// The length of `YYYY-MM-DD`.
const DATE_LENGTH: usize = 10;

/// The range of `--from` and `--to`.
///
/// Without `to`, or where it is in the future, the range ends now; a state file goes on with its own end then.
///
/// # Errors
///
/// One of them cannot be read, or nothing is between them.
pub(super) fn range(
    from: &str,
    to: Option<&str>,
    zone: &TimeZone,
    now: Timestamp,
    state: Option<&std::path::Path>,
) -> Result<Window, ReportError> {
    let now = now.whole_second();
    let start = parse("--from", from, zone)?;
    let asked = to.map(|to| parse("--to", to, zone)).transpose()?;
    if start < EARLIEST {
        return Err(ReportError::Usage(format!("--from {from} is before 2000; write a later time")));
    }
    if start >= now {
        return Err(ReportError::Usage(format!("--from {from} is in the future; write an earlier time")));
    }
    if let Some(to) = to.filter(|_| asked.is_some_and(|end| end <= start)) {
        let message = format!("--to {to} is not after --from {from}; --to is the first time that is not in the range");
        return Err(ReportError::Usage(message));
    }
    let end = asked.filter(|end| *end <= now).unwrap_or_else(|| {
        let end = state.and_then(StateFile::end_of).unwrap_or(now);
        if let Some(to) = to {
            tracing::warn!(to, end = %end, "--to is in the future; reading up to now");
        }
        end
    });
    Ok(Window { start, end })
}

/// The time that `text` means: a date, or RFC 3339.
pub(crate) fn parse(flag: &str, text: &str, zone: &TimeZone) -> Result<Timestamp, ReportError> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == DATE_LENGTH);
    let moment = match date {
        Some(date) => zone.moment(date.and_time(NaiveTime::MIN)),
        None => DateTime::parse_from_rfc3339(text).ok().map(|time| Timestamp::from_micros(time.timestamp_micros())),
    };
    moment.ok_or_else(|| {
        ReportError::Usage(format!(
            "{flag} `{text}` is no time; write a date such as 2026-11-01, or a time with an offset such as \
             2026-11-01T08:00:00+01:00"
        ))
    })
}

/// RFC 3339 as the zone's clocks show it.
pub(super) fn shown(moment: Timestamp, zone: &TimeZone) -> String {
    let local = || {
        let offset = FixedOffset::east_opt(zone.offset_seconds(moment))?;
        let local = DateTime::from_timestamp_micros(moment.micros())?.with_timezone(&offset);
        let is_whole = moment == moment.whole_second();
        Some(local.to_rfc3339_opts(if is_whole { SecondsFormat::Secs } else { SecondsFormat::Micros }, false))
    };
    if *zone == TimeZone::UTC { moment.to_string() } else { local().unwrap_or_else(|| moment.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_795_000_000_250_000);

    fn of(from: &str, to: Option<&str>) -> Result<String, String> {
        let zone = TimeZone::named("Europe/Berlin").unwrap();
        let range = range(from, to, &zone, NOW, None).map_err(|error| error.to_string())?;
        Ok(format!("{} {}", shown(range.start, &TimeZone::UTC), shown(range.end, &zone)))
    }

    #[test]
    fn dates_are_midnights_of_the_zone() {
        let table = [
            ("2026-11-01", Some("2026-11-08"), "2026-10-31T23:00:00Z 2026-11-08T00:00:00+01:00"),
            ("2026-10-25", Some("2026-10-26"), "2026-10-24T22:00:00Z 2026-10-26T00:00:00+01:00"),
            (
                "2026-11-01T08:30:00+09:00",
                Some("2026-11-01T00:00:00.5Z"),
                "2026-10-31T23:30:00Z 2026-11-01T01:00:00.500000+01:00",
            ),
            ("2026-11-01", None, "2026-10-31T23:00:00Z 2026-11-18T12:06:40+01:00"),
            ("2026-11-01", Some("2027-01-01"), "2026-10-31T23:00:00Z 2026-11-18T12:06:40+01:00"),
        ];
        for (from, to, expected) in table {
            assert_eq!(of(from, to).as_deref(), Ok(expected), "{from}");
        }
    }

    #[test]
    fn wrong_ranges_say_what_to_write() {
        let table = [
            ("2026-11-01", Some("2026-11-01"), "--to 2026-11-01 is not after --from 2026-11-01"),
            ("2026-11-02", Some("2026-11-01"), "is not after"),
            ("2027-01-01", None, "is in the future"),
            ("1999-12-31", None, "is before 2000"),
            ("yesterday", None, "--from `yesterday` is no time; write a date such as 2026-11-01"),
            ("2026-02-30", None, "is no time"),
            ("26-02-03", None, "is no time"),
            ("2026-11-01T08:00:00", None, "or a time with an offset"),
            ("2026-10-01", Some("1"), "--to `1` is no time"),
        ];
        for (from, to, expected) in table {
            assert!(of(from, to).unwrap_err().contains(expected), "{from} {to:?}");
        }
    }
}
