//! Reads schedules: a time zone, the days on which shifts begin, the shifts, and holidays.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime, Weekday};

use super::bounds::{MAX_HOLIDAYS, MAX_SHIFTS};
use super::diagnostics::{Diagnostics, Problem, quoted};
use super::keys::SCHEDULE;
use super::parse::names;
use super::parse::nearest::nearest;
use super::parse::value::Value;
use crate::presence::{Schedule, Shift, TimeZone};

/// Schedules by name.
pub(crate) type Schedules = BTreeMap<String, Arc<Schedule>>;

const DAY_MINUTES: u32 = 24 * 60;
const DAYS_EXAMPLE: &str = "days or ranges of days, such as `[mon-fri, sun]`";
const HOURS_EXAMPLE: &str = "a shift such as `\"09:00-17:00\"`, or a list of shifts";

const WEEKDAYS: [Weekday; 7] =
    [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];

/// The schedules of a file. The names of invalid schedules are added to `faulty`.
pub(crate) fn read_all(value: &Value<'_>, faulty: &mut Vec<String>, diagnostics: &mut Diagnostics) -> Schedules {
    let mut schedules = Schedules::new();
    let example =
        "schedules by name, such as `office: { timezone: Europe/Berlin, days: [mon-fri], hours: \"09:00-17:00\" }`";
    for (name, value) in value.named(example, diagnostics).unwrap_or_default() {
        if let Err(problem) = names::check_name(name) {
            value.report(problem, diagnostics);
        }
        match read(&value, diagnostics) {
            Some(schedule) => {
                schedules.insert(name.to_owned(), Arc::new(schedule));
            }
            None => faulty.push(name.to_owned()),
        }
    }
    schedules
}

fn read(value: &Value<'_>, diagnostics: &mut Diagnostics) -> Option<Schedule> {
    let fields = value.fields(SCHEDULE, diagnostics)?;
    let timezone = fields
        .required("timezone", "`timezone:`, such as `Europe/Berlin`", diagnostics)
        .and_then(|value| value.parse("a time zone, such as `Europe/Berlin`", diagnostics, parse_timezone));
    let days = fields
        .required("days", "`days:`, such as `[mon-fri]`", diagnostics)
        .and_then(|value| read_days(&value, diagnostics));
    let hours = fields
        .required("hours", "`hours:`, such as `\"09:00-17:00\"`", diagnostics)
        .and_then(|value| read_hours(&value, days.unwrap_or_default(), diagnostics));
    let holidays = fields.value("holidays").and_then(|value| read_holidays(&value, diagnostics));
    Some(Schedule { timezone: timezone?, days: days?, hours: hours?, holidays: holidays?, leave: Vec::new() })
}

fn read_days(value: &Value<'_>, diagnostics: &mut Diagnostics) -> Option<[bool; 7]> {
    let items = value.one_or_more(DAYS_EXAMPLE, WEEKDAYS.len(), diagnostics)?;
    if items.is_empty() {
        value.report(Problem::new("has no day", format!("write {DAYS_EXAMPLE}")), diagnostics);
        return None;
    }
    let parsed: Vec<_> = items.iter().map(|item| item.parse(DAYS_EXAMPLE, diagnostics, parse_days)).collect();
    parsed.into_iter().try_fold([false; 7], |all, days| {
        let mut all = all;
        for (all, day) in all.iter_mut().zip(days?) {
            *all |= day;
        }
        Some(all)
    })
}

fn read_hours(value: &Value<'_>, days: [bool; 7], diagnostics: &mut Diagnostics) -> Option<Vec<Shift>> {
    let items = value.one_or_more(HOURS_EXAMPLE, MAX_SHIFTS, diagnostics)?;
    if items.is_empty() {
        value.report(Problem::new("has no shift", format!("write {HOURS_EXAMPLE}")), diagnostics);
        return None;
    }
    let mut shifts: Vec<Shift> = Vec::with_capacity(items.len());
    let mut complete = true;
    for item in &items {
        let Some(shift) = item.parse(HOURS_EXAMPLE, diagnostics, parse_shift) else {
            complete = false;
            continue;
        };
        if let Some(other) = shifts.iter().find(|other| overlap(**other, shift, days)) {
            let message = format!("{} overlaps {}", show(shift), show(*other));
            item.report(Problem::new(message, "write shifts that do not share time"), diagnostics);
            complete = false;
        }
        shifts.push(shift);
    }
    shifts.sort_by_key(|shift| shift.start);
    complete.then_some(shifts)
}

fn read_holidays(value: &Value<'_>, diagnostics: &mut Diagnostics) -> Option<Vec<NaiveDate>> {
    let example = "dates, such as `[2026-12-25, 2027-01-01]`";
    let items: Vec<_> = value.items(example, MAX_HOLIDAYS, diagnostics)?.collect();
    let dates: Vec<_> =
        items.iter().map(|item| item.parse("a date, such as `2026-12-25`", diagnostics, parse_date)).collect();
    let mut dates: Vec<_> = dates.into_iter().collect::<Option<_>>()?;
    dates.sort_unstable();
    dates.dedup();
    Some(dates)
}

fn parse_timezone(text: &str) -> Result<TimeZone, Problem> {
    TimeZone::named(text).ok_or_else(|| {
        let names = TimeZone::names();
        let remedy = match nearest(text, names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write an IANA name, such as `Europe/Berlin` or `UTC`".to_owned(),
        };
        Problem::new(format!("unknown time zone {}", quoted(text)), remedy)
    })
}

/// The days of `mon`, `Monday` or `fri-mon`, Monday first.
fn parse_days(text: &str) -> Result<[bool; 7], Problem> {
    let problem = || Problem::new(format!("{} is not a day", quoted(text)), format!("write {DAYS_EXAMPLE}"));
    let day = |text: &str| {
        // chrono takes `mon` and `monday` in any case, and nothing between the two.
        text.trim().parse::<Weekday>().map_err(|_| problem())
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(text)?, day(text)?),
    };
    let length = (last.num_days_from_monday() + 7 - first.num_days_from_monday()) % 7;
    Ok(WEEKDAYS.map(|day| (day.num_days_from_monday() + 7 - first.num_days_from_monday()) % 7 <= length))
}

fn parse_shift(text: &str) -> Result<Shift, Problem> {
    let malformed = || Problem::new(format!("{} is not a shift", quoted(text)), format!("write {HOURS_EXAMPLE}"));
    let (start, end) = text.split_once('-').ok_or_else(malformed)?;
    let start = minute_of_day(start.trim()).ok_or_else(malformed)?;
    let end = minute_of_day(end.trim()).ok_or_else(malformed)?;
    if start == DAY_MINUTES {
        return Err(Problem::new(format!("{} begins at 24:00", quoted(text)), "begin at `00:00`"));
    }
    if start == end {
        let message = format!("{} begins and ends at the same time", quoted(text));
        return Err(Problem::new(message, "write `\"00:00-24:00\"` for the whole day"));
    }
    let time = |minute: u32| NaiveTime::from_hms_opt(minute % DAY_MINUTES / 60, minute % 60, 0).ok_or_else(malformed);
    Ok(Shift { start: time(start)?, end: time(end)? })
}

/// The minute of day of `HH:MM`, `24:00` included.
fn minute_of_day(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, lengths: &[usize]| {
        let digits = lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { text.parse::<u32>().ok() } else { None }
    };
    let (hours, minutes) = (number(hours, &[1, 2])?, number(minutes, &[2])?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY_MINUTES).then_some(minute)
}

pub(crate) fn parse_date(text: &str) -> Result<NaiveDate, Problem> {
    let shape = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| shape).ok_or_else(|| {
        Problem::new(format!("{} is not a date", quoted(text)), "write year, month and day, such as `2026-12-25`")
    })
}

/// Whether two shifts overlap on the same day, or where one continues on the next day.
fn overlap(one: Shift, other: Shift, days: [bool; 7]) -> bool {
    let ((one_start, one_end), (other_start, other_end)) = (minutes(one), minutes(other));
    let share = |a: (u32, u32), b: (u32, u32)| a.0 < b.1 && b.0 < a.1;
    let day_after = |span: (u32, u32)| (span.0 + DAY_MINUTES, span.1 + DAY_MINUTES);
    let (one, other) = ((one_start, one_end), (other_start, other_end));
    let runs_into_workday = days.iter().zip(days.iter().cycle().skip(1)).any(|(today, tomorrow)| *today && *tomorrow);
    share(one, other) || runs_into_workday && (share(one, day_after(other)) || share(other, day_after(one)))
}

/// A shift as minutes from the start of its first day.
fn minutes(shift: Shift) -> (u32, u32) {
    use chrono::Timelike as _;
    let minute = |time: NaiveTime| time.hour() * 60 + time.minute();
    let (start, end) = (minute(shift.start), minute(shift.end));
    (start, if end > start { end } else { end + DAY_MINUTES })
}

/// A schedule's days and shifts as configuration text.
pub fn describe(schedule: &Schedule) -> (String, String) {
    let hours: Vec<String> = schedule.hours.iter().map(|shift| show(*shift)).collect();
    (show_days(schedule.days), hours.join(", "))
}

/// A shift as configuration text.
pub(crate) fn show(shift: Shift) -> String {
    let (start, end) = minutes(shift);
    let end = if end > DAY_MINUTES { end - DAY_MINUTES } else { end };
    format!("{:02}:{:02}-{:02}:{:02}", start / 60, start % 60, end / 60, end % 60)
}

/// The days as configuration text, one by one.
pub(crate) fn show_days(days: [bool; 7]) -> String {
    let names = WEEKDAYS.iter().zip(days).filter(|(_, works)| *works).map(|(day, _)| day.to_string().to_lowercase());
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn schedule_days_and_ranges() {
        let table = [
            ("mon", "mon"),
            ("Sunday", "sun"),
            ("mon-fri", "mon, tue, wed, thu, fri"),
            ("fri-mon", "mon, fri, sat, sun"),
            ("TUESDAY - wed", "tue, wed"),
            ("sat-sat", "sat"),
            ("tue-mon", "mon, tue, wed, thu, fri, sat, sun"),
        ];
        for (text, days) in table {
            assert_eq!(parse_days(text).map(show_days).as_deref(), Ok(days), "{text}");
        }
        for text in ["", "-", "mo", "mond", "mon-", "-fri", "mon-fri-sun", "weekdays", "1"] {
            assert!(parse_days(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn shifts_round_trip() {
        for text in ["09:00-17:00", "22:00-06:00", "00:00-24:00", "16:00-24:00", "00:00-00:01"] {
            assert_eq!(parse_shift(text).map(show).as_deref(), Ok(text));
        }
        assert_eq!(parse_shift("9:00 - 17:30").map(show).as_deref(), Ok("09:00-17:30"));
        for text in [
            "",
            "09:00",
            "9-17",
            "09:00-",
            "-17:00",
            "09:60-17:00",
            "25:00-26:00",
            "09:00-24:01",
            "9:0-17:0",
            "24:00-09:00",
            "09:00-09:00",
            "+9:00-17:00",
            "09:00-17:00-18:00",
            "09:00:00-17:00:00",
            "९:00-17:00",
        ] {
            assert!(parse_shift(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn shift_overlap_across_midnight() {
        let every = [true; 7];
        let monday = [true, false, false, false, false, false, false];
        let ends = [true, false, false, false, false, false, true];
        let table = [
            ("09:00-12:00", "12:00-17:00", every, false),
            ("09:00-12:01", "12:00-17:00", every, true),
            ("22:00-06:00", "06:00-12:00", every, false),
            ("22:00-06:00", "05:00-12:00", every, true),
            ("22:00-06:00", "05:00-12:00", monday, false),
            ("22:00-06:00", "05:00-12:00", ends, true),
            ("22:00-06:00", "23:00-24:00", monday, true),
            ("00:00-24:00", "08:00-09:00", monday, true),
        ];
        for (one, other, days, expected) in table {
            let (first, second) = (parse_shift(one).unwrap(), parse_shift(other).unwrap());
            assert_eq!(overlap(first, second, days), expected, "{one} {other}");
            assert_eq!(overlap(second, first, days), expected, "{other} {one}");
        }
    }

    #[test]
    fn holiday_dates_are_iso_8601() {
        assert!(parse_date("2028-02-29").is_ok());
        for text in ["2026-02-29", "2026-2-3", "26-02-03", "2026/02/03", "+026-02-03", "2026-12-25 ", ""] {
            assert!(parse_date(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn unknown_time_zone_suggests_a_name() {
        assert_eq!(parse_timezone("Europe/Berln").unwrap_err().remedy, "did you mean `Europe/Berlin`?");
        assert_eq!(parse_timezone("Mars").unwrap_err().remedy, "write an IANA name, such as `Europe/Berlin` or `UTC`");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9a-z:+ µ-]{0,16}") {
            let _ = (parse_days(&text), parse_shift(&text), parse_date(&text));
        }
    }
}
