//! The periods that time is summed by.

use std::fmt;
use std::time::Duration;

use chrono::{Days, NaiveTime, Timelike as _};

use crate::presence::{TimeZone, Timestamp, Window};

/// Seconds in an hour.
const HOUR_SECONDS: u32 = 3_600;

/// What time is summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The whole range.
    Total,
    /// Local days. A change of the clocks makes a day of 23 or 25 hours.
    Day,
    /// Local hours: from one full hour of the local clock to the next, or to a change of the clocks. An hour that clocks show
    /// twice is two periods.
    Hour,
    /// Steps of this length, at multiples of it since 1970.
    Step(Duration),
}

/// The periods of a range, in order and without gaps. The first and the last one are cut by the range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Periods {
    /// The starts, ascending.
    starts: Vec<Timestamp>,
    range: Window,
}

// === impl Periods ===

impl Periods {
    /// The periods of `range` in `zone`.
    pub fn new(range: Window, by: By, zone: &TimeZone) -> Self {
        let mut starts = Vec::new();
        let mut start = range.start;
        while start < range.end {
            starts.push(start);
            let next = match by {
                By::Total => None,
                By::Day => next_day(start, zone),
                By::Hour => next_hour(start, zone),
                By::Step(step) => Some(next_multiple(start, step)),
            };
            start = next.filter(|next| *next > start).unwrap_or(range.end);
        }
        Self { starts, range }
    }

    /// The number of periods.
    pub const fn count(&self) -> usize {
        self.starts.len()
    }

    /// The periods.
    pub fn windows(&self) -> impl Iterator<Item = Window> {
        let ends = self.starts.iter().skip(1).chain([&self.range.end]);
        self.starts.iter().zip(ends).map(|(start, end)| Window { start: *start, end: *end })
    }

    /// The number of the period that has `moment` in it; the nearest one outside of the range.
    pub(super) fn number_of(&self, moment: Timestamp) -> u32 {
        let number = self.starts.partition_point(|start| *start <= moment).saturating_sub(1);
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}

/// The first midnight after `moment`. Where a change of the clocks skips it, the day begins with the change.
fn next_day(moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let today = zone.local(moment)?.date();
    // Where clocks go back over midnight, the same midnight comes twice, and the second one begins no day.
    let midnights = (1..=2).filter_map(|days| {
        let date = today.checked_add_days(Days::new(days))?;
        zone.moment(date.and_time(NaiveTime::MIN))
    });
    midnights.into_iter().find(|midnight| *midnight > moment)
}

/// The next full hour of the local clock, or change of the clocks.
fn next_hour(moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let local = zone.local(moment)?;
    let nanos =
        u64::from(local.num_seconds_from_midnight() % HOUR_SECONDS) * 1_000_000_000 + u64::from(local.nanosecond());
    let full = moment + Duration::from_secs(HOUR_SECONDS.into()).saturating_sub(Duration::from_nanos(nanos));
    Some(zone.next_change(moment).map_or(full, |change| change.min(full)))
}

/// The first multiple of `step` since 1970 after `moment`.
pub(super) fn next_multiple(moment: Timestamp, step: Duration) -> Timestamp {
    let step = i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1);
    Timestamp::from_micros(moment.micros().div_euclid(step).saturating_add(1).saturating_mul(step))
}

// === impl By ===

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total => f.write_str("total"),
            Self::Day => f.write_str("day"),
            Self::Hour => f.write_str("hour"),
            Self::Step(step) => write!(f, "{}", crate::config::format_duration(*step)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text.as_bytes()).unwrap()
    }

    fn periods(from: &str, to: &str, by: By, zone: &str) -> Periods {
        let range = Window { start: at(from), end: at(to) };
        Periods::new(range, by, &TimeZone::named(zone).unwrap())
    }

    fn lengths(periods: &Periods) -> Vec<u64> {
        periods.windows().map(|window| window.length().get() / 60_000_000).collect()
    }

    #[test]
    fn day_boundaries_of_zones() {
        let table: &[(&str, &str, &str, &[u64])] = &[
            ("UTC", "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z", &[1_440, 1_440]),
            ("Europe/Berlin", "2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z", &[1_440, 1_380, 1_440]),
            ("Europe/Berlin", "2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z", &[1_440, 1_500, 1_440]),
            // Half an hour of daylight saving time.
            ("Australia/Lord_Howe", "2026-04-03T13:00:00Z", "2026-04-06T13:30:00Z", &[1_440, 1_470, 1_440]),
            ("Australia/Lord_Howe", "2026-10-02T13:30:00Z", "2026-10-05T13:00:00Z", &[1_440, 1_410, 1_440]),
            ("Asia/Kathmandu", "2026-01-01T18:15:00Z", "2026-01-03T18:15:00Z", &[1_440, 1_440]),
            // Midnight is skipped: the day begins at 01:00.
            ("America/Sao_Paulo", "2018-11-03T03:00:00Z", "2018-11-06T02:00:00Z", &[1_440, 1_380, 1_440]),
            // The hour before midnight comes twice.
            ("America/Sao_Paulo", "2019-02-16T02:00:00Z", "2019-02-18T03:00:00Z", &[1_500, 1_440]),
            // The hour after midnight comes twice.
            ("America/Havana", "2018-11-03T04:00:00Z", "2018-11-06T05:00:00Z", &[1_440, 1_500, 1_440]),
            // Clocks went back over midnight.
            ("America/St_Johns", "2006-10-28T02:30:00Z", "2006-10-31T03:30:00Z", &[1_440, 1_500, 1_440]),
            // A day was skipped.
            ("Pacific/Apia", "2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z", &[1_440, 1_440]),
            // The range cuts days.
            ("Europe/Berlin", "2026-11-01T12:00:00Z", "2026-11-02T01:00:00Z", &[660, 120]),
        ];
        for (zone, from, to, expected) in table {
            assert_eq!(lengths(&periods(from, to, By::Day, zone)), *expected, "{zone} {from}");
        }
    }

    #[test]
    fn hour_boundaries_of_zones() {
        let table: &[(&str, &str, &str, &[u64])] = &[
            ("UTC", "2026-03-28T00:30:00Z", "2026-03-28T03:00:00Z", &[30, 60, 60]),
            ("Asia/Kathmandu", "2026-01-01T18:15:00Z", "2026-01-01T19:25:00Z", &[60, 10]),
            ("Australia/Lord_Howe", "2026-04-04T14:00:00Z", "2026-04-04T16:30:00Z", &[60, 30, 60]),
            ("Australia/Lord_Howe", "2026-10-03T14:30:00Z", "2026-10-03T17:00:00Z", &[60, 30, 60]),
            ("America/Sao_Paulo", "2018-11-04T02:00:00Z", "2018-11-04T05:00:00Z", &[60, 60, 60]),
        ];
        for (zone, from, to, expected) in table {
            assert_eq!(lengths(&periods(from, to, By::Hour, zone)), *expected, "{zone} {from}");
        }
        for (from, to, hours) in
            [("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23), ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25)]
        {
            assert_eq!(lengths(&periods(from, to, By::Hour, "Europe/Berlin")), vec![60; hours], "{from}");
        }
    }

    #[test]
    fn total_is_one_period_and_steps_are_multiples_since_1970() {
        let (from, to) = ("2026-01-01T00:03:00Z", "2026-01-01T00:16:00Z");
        assert_eq!(lengths(&periods(from, to, By::Total, "UTC")), [13]);
        assert_eq!(lengths(&periods(from, to, By::Step(Duration::from_secs(300)), "UTC")), [2, 5, 5, 1]);
        assert_eq!(periods(from, from, By::Day, "UTC").count(), 0);
    }

    proptest! {
        /// Against a count in steps of five minutes: a boundary of days is where the local date changes for the first time.
        #[test]
        fn boundaries_match_the_local_clock(start in 3_000_000_i64..5_700_000, slots in 1_i64..1_000, zone in 0_usize..7) {
            const SLOT: i64 = 300;
            let zones = ["Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/New_York",
                "Africa/Casablanca", "Pacific/Chatham", "UTC"];
            let zone = TimeZone::named(zones[zone]).unwrap();
            let moment = |slot: i64| Timestamp::from_seconds(slot * SLOT);
            let range = Window { start: moment(start), end: moment(start + slots) };
            let starts = |by| {
                Periods::new(range, by, &zone).windows().map(|window| window.start).collect::<Vec<_>>()
            };
            let local = |slot: i64| zone.local(moment(slot)).unwrap();
            let changes = |differ: &dyn Fn(i64) -> bool| {
                (start..start + slots).filter(|slot| *slot == start || differ(*slot)).map(moment).collect::<Vec<_>>()
            };
            prop_assert_eq!(starts(By::Day), changes(&|slot| local(slot).date() != local(slot - 1).date()));
            let offset = |slot: i64| zone.offset_seconds(moment(slot));
            prop_assert_eq!(
                starts(By::Hour),
                changes(&|slot| local(slot).time().hour() != local(slot - 1).time().hour() || offset(slot) != offset(slot - 1))
            );
            let periods = Periods::new(range, By::Hour, &zone);
            let windows: Vec<_> = periods.windows().collect();
            for slot in start..start + slots {
                let number = periods.number_of(moment(slot));
                let window = windows[number as usize];
                prop_assert!(window.start <= moment(slot) && moment(slot) < window.end);
            }
        }
    }
}
