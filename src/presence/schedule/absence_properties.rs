//! Shifts, leave and absence: tables, and properties against a slow count minute by minute.

use chrono::Datelike;
use proptest::prelude::*;

use super::tests::{any_schedule, schedule, timestamp};
use super::*;
use crate::presence::{AgentPresence, PresenceChart};

const MINUTE: i64 = 60;

fn window(start: &str, end: &str) -> Window {
    Window { start: timestamp(start), end: timestamp(end) }
}

fn shown(shift: Option<Window>) -> String {
    shift.map_or_else(|| "off shift".to_owned(), |shift| format!("{} {}", shift.start, shift.end))
}

/// An agent that has been offline for `offline`, up to `end`.
fn offline(offline: Option<Micros>, end: Timestamp) -> AgentPresence {
    AgentPresence {
        states: Vec::new(),
        folded: Vec::new(),
        observed: Micros::ZERO,
        current: None,
        unbroken_offline: offline,
        last_data: end,
        scheduled: None,
        chart: PresenceChart::default(),
        timeline: None,
        parts: Default::default(),
    }
}

#[test]
fn shift_at_a_moment() {
    let leave = |start, end| vec![window(start, end)];
    /// The rule, zone and hours, the leave, the moment, and the shift.
    type Case<'a> = (&'a str, &'a str, &'a [&'a str], Vec<Window>, &'a str, &'a str);
    let table: &[Case<'_>] = &[
        (
            "within a shift",
            "Europe/Berlin",
            &["09:00-17:00"],
            vec![],
            "2024-01-10T10:00:00Z",
            "2024-01-10T08:00:00Z 2024-01-10T16:00:00Z",
        ),
        (
            "its first moment is in it",
            "Europe/Berlin",
            &["09:00-17:00"],
            vec![],
            "2024-01-10T08:00:00Z",
            "2024-01-10T08:00:00Z 2024-01-10T16:00:00Z",
        ),
        ("its end is not", "Europe/Berlin", &["09:00-17:00"], vec![], "2024-01-10T16:00:00Z", "off shift"),
        (
            "over midnight",
            "Europe/Berlin",
            &["22:00-06:00"],
            vec![],
            "2024-01-10T01:00:00Z",
            "2024-01-09T21:00:00Z 2024-01-10T05:00:00Z",
        ),
        (
            "shifts that adjoin at midnight are one",
            "UTC",
            &["22:00-00:00", "00:00-06:00"],
            vec![],
            "2024-01-10T01:00:00Z",
            "2024-01-09T22:00:00Z 2024-01-10T06:00:00Z",
        ),
        (
            "the night in which Berlin skips an hour",
            "Europe/Berlin",
            &["22:00-06:00"],
            vec![],
            "2024-03-31T01:00:00Z",
            "2024-03-30T21:00:00Z 2024-03-31T04:00:00Z",
        ),
        (
            "the night in which Berlin has an hour twice",
            "Europe/Berlin",
            &["22:00-06:00"],
            vec![],
            "2024-10-27T04:30:00Z",
            "2024-10-26T20:00:00Z 2024-10-27T05:00:00Z",
        ),
        (
            "round the clock, as far as it looks",
            "UTC",
            &["00:00-00:00"],
            vec![],
            "2024-02-01T00:00:00Z",
            "2024-01-01T00:00:00Z 2024-03-03T00:00:00Z",
        ),
        (
            "leave that ends within the shift",
            "UTC",
            &["09:00-17:00"],
            leave("2024-01-09T00:00:00Z", "2024-01-10T12:00:00Z"),
            "2024-01-10T12:00:00Z",
            "2024-01-10T12:00:00Z 2024-01-10T17:00:00Z",
        ),
        (
            "leave that begins within the shift",
            "UTC",
            &["09:00-17:00"],
            leave("2024-01-10T12:00:00Z", "2024-01-20T00:00:00Z"),
            "2024-01-10T11:59:59Z",
            "2024-01-10T09:00:00Z 2024-01-10T12:00:00Z",
        ),
        (
            "on leave",
            "UTC",
            &["09:00-17:00"],
            leave("2024-01-10T12:00:00Z", "2024-01-20T00:00:00Z"),
            "2024-01-10T12:00:00Z",
            "off shift",
        ),
        (
            "leave breaks a shift in two",
            "UTC",
            &["09:00-17:00"],
            leave("2024-01-10T12:00:00Z", "2024-01-10T13:00:00Z"),
            "2024-01-10T13:30:00Z",
            "2024-01-10T13:00:00Z 2024-01-10T17:00:00Z",
        ),
    ];
    for (rule, zone, hours, leave, moment, expected) in table {
        let schedule = Schedule { leave: leave.clone(), ..schedule(zone, hours) };
        assert_eq!(shown(schedule.shift_at(timestamp(moment))), *expected, "{rule}");
    }
}

#[test]
fn next_shift_skips_weekend_and_leave() {
    let mut office = schedule("UTC", &["09:00-17:00"]);
    office.days = [true, true, true, true, true, false, false];
    // 5 January 2024 is a Friday.
    let next = |office: &Schedule, time| office.next_shift(timestamp(time)).map(|start| start.to_string());
    let table = [
        ("2024-01-05T08:00:00Z", "2024-01-05T09:00:00Z"),
        ("2024-01-05T09:00:00Z", "2024-01-08T09:00:00Z"),
        ("2024-01-06T12:00:00Z", "2024-01-08T09:00:00Z"),
    ];
    for (time, expected) in table {
        assert_eq!(next(&office, time).as_deref(), Some(expected), "{time}");
    }
    office.leave = vec![window("2024-01-06T00:00:00Z", "2024-01-09T12:00:00Z")];
    assert_eq!(next(&office, "2024-01-06T12:00:00Z").as_deref(), Some("2024-01-09T12:00:00Z"));
    assert_eq!(office.leave_at(timestamp("2024-01-08T10:00:00Z")), Some(office.leave[0]));
    assert_eq!(office.leave_at(timestamp("2024-01-09T12:00:00Z")), None);
    office.leave = vec![Window { start: timestamp("2024-01-06T00:00:00Z"), end: Timestamp::from_micros(i64::MAX) }];
    assert_eq!(next(&office, "2024-01-06T12:00:00Z"), None, "leave without an end");
}

#[test]
fn absent_is_unknown_only_on_shift() {
    let end = timestamp("2024-01-10T12:00:00Z");
    let shift = Some(window("2024-01-10T11:00:00Z", "2024-01-10T17:00:00Z"));
    let table = [
        ("unknown", None, shift, None),
        ("unknown off shift", None, None, Some(0)),
        ("present", Some(0), shift, Some(0)),
        ("offline since before the shift", Some(7_200), shift, Some(3_600)),
        ("offline within the shift", Some(600), shift, Some(600)),
        ("offline off shift", Some(600), None, Some(0)),
    ];
    for (rule, seconds, shift, expected) in table {
        let presence = offline(seconds.map(Micros::from_seconds), end);
        assert_eq!(presence.absent(shift), expected.map(Micros::from_seconds), "{rule}");
    }
}

#[test]
fn scheduled_time_does_not_count_on_leave() {
    let leave = vec![window("2024-01-10T10:00:00Z", "2024-01-10T12:00:00Z")];
    let schedule = Arc::new(Schedule { leave, ..schedule("UTC", &["09:00-17:00"]) });
    let day = window("2024-01-10T00:00:00Z", "2024-01-11T00:00:00Z");
    let offline = window("2024-01-10T08:00:00Z", "2024-01-10T13:00:00Z");
    let scheduled = ScheduleSummer::new(day).scheduled_time(&schedule, [(offline, offline.length())].into_iter());
    let hours = |hours: u64| Micros::from_seconds(hours * 3_600);
    assert_eq!(scheduled, ScheduledTime { total: hours(6), offline: hours(2) });
}

/// Whether `schedule` has the minute from `moment` on, by clock and calendar.
fn is_on_shift(schedule: &Schedule, moment: Timestamp) -> bool {
    let local = schedule.timezone.local(moment).unwrap();
    let begins_on = |date: NaiveDate| {
        schedule.days[date.weekday().num_days_from_monday() as usize] && !schedule.holidays.contains(&date)
    };
    let (today, yesterday) = (begins_on(local.date()), begins_on(local.date().pred_opt().unwrap()));
    let is_scheduled = schedule.hours.iter().any(|shift| {
        let (after_start, before_end) = (shift.start <= local.time(), local.time() < shift.end);
        if shift.start < shift.end {
            today && after_start && before_end
        } else {
            today && after_start || yesterday && before_end
        }
    });
    is_scheduled && !schedule.leave.iter().any(|leave| leave.start <= moment && moment < leave.end)
}

proptest! {
    /// July has no change of the clocks in any of the zones.
    #[test]
    fn absent_is_the_count_of_minutes_back_to_the_shift_start(
        schedule in any_schedule(),
        leave in prop::collection::vec((0..60 * 24 * 28_i64, 1..3_000_i64), 0..3),
        minute in 3_000..60 * 24 * 28_i64,
        minutes in 0..3_000_i64,
    ) {
        let at = |minute: i64| Timestamp::from_seconds(1_719_878_400 + minute * MINUTE);
        let mut leave: Vec<_> =
            leave.iter().map(|(start, length)| Window { start: at(*start), end: at(start + length) }).collect();
        leave.sort_unstable_by_key(|leave| leave.start);
        leave.dedup_by(|later, earlier| later.start <= earlier.end);
        let schedule = Schedule { leave, ..schedule };
        let now = at(minute);
        let absent_minutes = if is_on_shift(&schedule, now) {
            (1..=minutes).take_while(|back| is_on_shift(&schedule, at(minute - back))).count()
        } else {
            0
        };
        let shift = schedule.shift_at(now);
        prop_assert_eq!(shift.is_some(), is_on_shift(&schedule, now));
        let presence = offline(Some(Micros::from_seconds((minutes * MINUTE).cast_unsigned())), now);
        let expected = Micros::from_seconds(absent_minutes as u64 * MINUTE.cast_unsigned());
        prop_assert_eq!(presence.absent(shift), Some(expected));
        // Agents who share a schedule get the same.
        let schedule = Arc::new(schedule);
        let mut shifts = CurrentShifts::default();
        prop_assert_eq!([shifts.at(&schedule, now), shifts.at(&schedule, now)], [shift; 2]);
        let next = schedule.next_shift(now);
        prop_assert!(next.is_none_or(|next| next > now && schedule.shift_at(next).is_some_and(|shift| shift.start == next)));
    }
}
