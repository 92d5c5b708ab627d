//! Shifts in UTC, with the clocks changing under them.

use proptest::prelude::*;

use super::*;

fn time(text: &str) -> NaiveTime {
    NaiveTime::parse_from_str(text, "%H:%M").unwrap()
}

pub(super) fn timestamp(text: &str) -> Timestamp {
    Timestamp::parse(text.as_bytes()).unwrap()
}

/// Shifts as `09:00-17:00`, on every day.
pub(super) fn schedule(timezone: &str, hours: &[&str]) -> Schedule {
    let shift = |text: &&str| {
        let (start, end) = text.split_once('-').unwrap();
        Shift { start: time(start), end: time(end) }
    };
    Schedule {
        timezone: TimeZone::named(timezone).unwrap(),
        days: [true; 7],
        hours: hours.iter().map(shift).collect(),
        holidays: Vec::new(),
        leave: Vec::new(),
    }
}

/// The shifts within a window, printed.
fn within(schedule: &Schedule, start: &str, end: &str) -> Vec<String> {
    let window = Window { start: timestamp(start), end: timestamp(end) };
    schedule.within(window).shifts().iter().map(|shift| format!("{} {}", shift.start, shift.end)).collect()
}

#[test]
fn shifts_follow_the_clocks_on_the_wall() {
    /// The rule, zone and hours, the window's start and end, and the shifts.
    type Case<'a> = (&'a str, &'a str, &'a [&'a str], &'a str, &'a str, &'a [&'a str]);
    let table: &[Case<'_>] = &[
        (
            "winter in Berlin",
            "Europe/Berlin",
            &["09:00-17:00"],
            "2024-01-10T00:00:00Z",
            "2024-01-11T00:00:00Z",
            &["2024-01-10T08:00:00Z 2024-01-10T16:00:00Z"],
        ),
        (
            "summer in Berlin, the window within the shift",
            "Europe/Berlin",
            &["09:00-17:00"],
            "2024-07-10T08:30:00Z",
            "2024-07-10T09:00:00.5Z",
            &["2024-07-10T08:30:00Z 2024-07-10T09:00:00.500000Z"],
        ),
        (
            "several shifts a day, one over midnight",
            "Europe/Berlin",
            &["22:00-06:00", "12:00-13:00"],
            "2024-01-10T00:00:00Z",
            "2024-01-11T00:00:00Z",
            &[
                "2024-01-10T00:00:00Z 2024-01-10T05:00:00Z",
                "2024-01-10T11:00:00Z 2024-01-10T12:00:00Z",
                "2024-01-10T21:00:00Z 2024-01-11T00:00:00Z",
            ],
        ),
        (
            "round the clock",
            "Europe/Berlin",
            &["06:00-06:00"],
            "2024-01-10T00:00:00Z",
            "2024-01-12T00:00:00Z",
            &["2024-01-10T00:00:00Z 2024-01-12T00:00:00Z"],
        ),
        (
            "half an hour off the hour",
            "Asia/Kolkata",
            &["09:00-17:00"],
            "2024-01-10T00:00:00Z",
            "2024-01-11T00:00:00Z",
            &["2024-01-10T03:30:00Z 2024-01-10T11:30:00Z"],
        ),
        (
            "Berlin skips an hour: a night shift is an hour shorter",
            "Europe/Berlin",
            &["22:00-06:00"],
            "2024-03-30T12:00:00Z",
            "2024-03-31T12:00:00Z",
            &["2024-03-30T21:00:00Z 2024-03-31T04:00:00Z"],
        ),
        (
            "Berlin skips an hour: times within it are an hour later on the wall",
            "Europe/Berlin",
            &["02:30-05:00"],
            "2024-03-30T12:00:00Z",
            "2024-03-31T12:00:00Z",
            &["2024-03-31T01:30:00Z 2024-03-31T03:00:00Z"],
        ),
        (
            "Berlin skips an hour: a shift that ends within it runs into the next one",
            "Europe/Berlin",
            &["01:00-02:30", "03:00-04:00"],
            "2024-03-30T12:00:00Z",
            "2024-03-31T12:00:00Z",
            &["2024-03-31T00:00:00Z 2024-03-31T02:00:00Z"],
        ),
        (
            "Berlin skips an hour: a shift that begins within it and ends just after is none",
            "Europe/Berlin",
            &["02:30-03:15"],
            "2024-03-30T12:00:00Z",
            "2024-03-31T12:00:00Z",
            &[],
        ),
        (
            "Berlin has an hour twice: a night shift is an hour longer",
            "Europe/Berlin",
            &["22:00-06:00"],
            "2024-10-26T12:00:00Z",
            "2024-10-27T12:00:00Z",
            &["2024-10-26T20:00:00Z 2024-10-27T05:00:00Z"],
        ),
        (
            "Berlin has an hour twice: its times are those of the first",
            "Europe/Berlin",
            &["01:00-02:30", "02:45-04:00"],
            "2024-10-26T12:00:00Z",
            "2024-10-27T12:00:00Z",
            &["2024-10-26T23:00:00Z 2024-10-27T00:30:00Z", "2024-10-27T00:45:00Z 2024-10-27T03:00:00Z"],
        ),
        (
            "New York skips an hour",
            "America/New_York",
            &["00:00-08:00"],
            "2024-03-10T00:00:00Z",
            "2024-03-11T00:00:00Z",
            &["2024-03-10T05:00:00Z 2024-03-10T12:00:00Z"],
        ),
        (
            "New York has an hour twice",
            "America/New_York",
            &["00:00-08:00"],
            "2024-11-03T00:00:00Z",
            "2024-11-04T00:00:00Z",
            &["2024-11-03T04:00:00Z 2024-11-03T13:00:00Z"],
        ),
        (
            "Lord Howe Island skips half an hour",
            "Australia/Lord_Howe",
            &["00:00-08:00"],
            "2024-10-05T12:00:00Z",
            "2024-10-06T12:00:00Z",
            &["2024-10-05T13:30:00Z 2024-10-05T21:00:00Z"],
        ),
        (
            "Lord Howe Island has half an hour twice",
            "Australia/Lord_Howe",
            &["00:00-08:00"],
            "2024-04-06T12:00:00Z",
            "2024-04-07T12:00:00Z",
            &["2024-04-06T13:00:00Z 2024-04-06T21:30:00Z"],
        ),
        (
            "Samoa skipped 30 December 2011 whole: its shift is that of the day after",
            "Pacific/Apia",
            &["09:00-17:00"],
            "2011-12-29T12:00:00Z",
            "2011-12-31T12:00:00Z",
            &["2011-12-29T19:00:00Z 2011-12-30T03:00:00Z", "2011-12-30T19:00:00Z 2011-12-31T03:00:00Z"],
        ),
        (
            "as far ahead of UTC as it gets",
            "Pacific/Kiritimati",
            &["00:00-01:00"],
            "2024-01-10T00:00:00Z",
            "2024-01-11T00:00:00Z",
            &["2024-01-10T10:00:00Z 2024-01-10T11:00:00Z"],
        ),
        (
            "as far behind UTC as it gets",
            "Pacific/Pago_Pago",
            &["23:00-12:00"],
            "2024-01-10T00:00:00Z",
            "2024-01-11T00:00:00Z",
            &["2024-01-10T10:00:00Z 2024-01-10T23:00:00Z"],
        ),
        ("no shifts", "Europe/Berlin", &[], "2024-01-10T00:00:00Z", "2024-01-11T00:00:00Z", &[]),
        ("no window", "Europe/Berlin", &["00:00-00:00"], "2024-01-10T00:00:00Z", "2024-01-10T00:00:00Z", &[]),
    ];
    for (rule, timezone, hours, start, end, shifts) in table {
        assert_eq!(within(&schedule(timezone, hours), start, end), *shifts, "{rule}");
    }
}

#[test]
fn a_shift_belongs_to_the_day_it_begins_on() {
    let mut night = schedule("Europe/Berlin", &["22:00-06:00"]);
    // 5 January 2024 is a Friday; no shift begins on a weekend, nor on the holiday.
    night.days = [true, true, true, true, true, false, false];
    night.holidays = vec![NaiveDate::from_ymd_opt(2024, 1, 8).unwrap()];
    assert_eq!(
        within(&night, "2024-01-05T12:00:00Z", "2024-01-10T12:00:00Z"),
        ["2024-01-05T21:00:00Z 2024-01-06T05:00:00Z", "2024-01-09T21:00:00Z 2024-01-10T05:00:00Z"],
    );
}

#[test]
fn a_window_beyond_the_calendar_has_no_shifts() {
    let always = schedule("Europe/Berlin", &["00:00-00:00"]);
    let window = Window { start: Timestamp::from_micros(i64::MIN), end: Timestamp::from_micros(i64::MAX) };
    assert_eq!(always.within(window).total(), Micros::ZERO);
}

pub(super) fn any_schedule() -> impl Strategy<Value = Schedule> {
    let zone =
        prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]);
    let quarter = || (0..96_u32).prop_map(|at| NaiveTime::from_hms_opt(at / 4, at % 4 * 15, 0).unwrap());
    // Random shifts may overlap; no time counts twice.
    let hours = prop::collection::vec((quarter(), quarter()).prop_map(|(start, end)| Shift { start, end }), 0..4);
    let holidays = prop::collection::vec(
        (1..=366_u32).prop_filter_map("no such day", |day| NaiveDate::from_yo_opt(2024, day)),
        0..20,
    );
    (zone, any::<[bool; 7]>(), hours, holidays).prop_map(|(timezone, days, hours, holidays)| Schedule {
        timezone: TimeZone::named(timezone).unwrap(),
        days,
        hours,
        holidays,
        leave: Vec::new(),
    })
}

proptest! {
    #[test]
    fn time_on_shift_never_exceeds_the_window(schedule in any_schedule(), start in 0..366 * 24_i64, hours in 0..200_i64, cut in 0..200_i64) {
        let at = |hour: i64| Timestamp::from_seconds(1_704_067_200 + hour * 3_600);
        let window = Window { start: at(start), end: at(start + hours) };
        let on_shift = schedule.within(window);
        prop_assert!(on_shift.total() <= window.length());
        prop_assert!(on_shift.shifts().iter().all(|shift| shift.intersection(window) == Some(*shift)));
        prop_assert!(on_shift.shifts().is_sorted_by(|earlier, later| earlier.end < later.start));
        // Cut anywhere, the two parts have it all.
        let middle = at(start + cut.min(hours));
        let parts = [Window { end: middle, ..window }, Window { start: middle, ..window }];
        let overlap = parts.into_iter().map(|part| on_shift.overlap(part)).sum::<Micros>();
        prop_assert_eq!(overlap, on_shift.total());
        prop_assert_eq!(parts.into_iter().map(|part| schedule.within(part).total()).sum::<Micros>(), overlap);
    }

    #[test]
    fn away_from_changes_of_the_clocks_a_moment_is_on_shift_if_the_wall_says_so(schedule in any_schedule(), minute in 0..60 * 24 * 28_i64) {
        // July has no change of the clocks in any of the zones.
        let moment = Timestamp::from_seconds(1_719_878_400 + minute * 60);
        let local = schedule.timezone.local(moment).unwrap();
        let begins_on = |date: NaiveDate| {
            schedule.days[date.weekday().num_days_from_monday() as usize] && !schedule.holidays.contains(&date)
        };
        let expected = schedule.hours.iter().any(|shift| {
            let (today, yesterday) = (begins_on(local.date()), begins_on(local.date().pred_opt().unwrap()));
            let after_start = shift.start <= local.time();
            let before_end = local.time() < shift.end;
            if shift.start < shift.end { today && after_start && before_end } else { today && after_start || yesterday && before_end }
        });
        let window = Window { start: moment, end: Timestamp::from_micros(moment.micros() + 1) };
        prop_assert_eq!(schedule.within(window).total() == Micros::new(1), expected);
    }
}

#[test]
fn overlap_skips_a_shift_that_ends_where_the_span_starts() {
    let span = |start, end| Window { start: Timestamp::from_seconds(start), end: Timestamp::from_seconds(end) };
    let on_shift = OnShift(vec![span(0, 10), span(20, 30)]);
    let table = [((10, 25), 5), ((10, 20), 0), ((5, 30), 15), ((30, 40), 0)];
    for ((start, end), seconds) in table {
        assert_eq!(on_shift.overlap(span(start, end)), Micros::from_seconds(seconds), "{start} to {end}");
    }
}

#[test]
fn scheduled_time_uses_the_schedule_of_each_agent() {
    let until = |hour| {
        let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        let hours = vec![Shift { start: time(0), end: time(hour) }];
        Arc::new(Schedule { timezone: TimeZone::UTC, days: [true; 7], hours, holidays: Vec::new(), leave: Vec::new() })
    };
    let window = Window { start: Timestamp::from_seconds(0), end: Timestamp::from_seconds(86_400) };
    let mut summer = ScheduleSummer::new(window);
    let (one, two) = (until(1), until(2));
    for (schedule, hours) in [(&one, 1), (&two, 2), (&one, 1), (&two, 2)] {
        // Half of the day is offline, spread evenly over it.
        let offline = std::iter::once((window, Micros::from_seconds(43_200)));
        let scheduled = summer.scheduled_time(schedule, offline);
        let expected =
            ScheduledTime { total: Micros::from_seconds(hours * 3_600), offline: Micros::from_seconds(hours * 1_800) };
        assert_eq!(scheduled, expected);
    }
}
