use std::collections::BTreeSet;

use chrono::{Datelike, Timelike};
use proptest::prelude::*;

use super::*;
use crate::simulator::random;
use crate::simulator::workforce::{WorkPattern, Workforce};

/// Monday 2026-03-02T00:00:00Z.
const MONDAY: i64 = 1_772_409_600;
const HOUR: i64 = 3_600;

fn window(start: i64, length: i64) -> Window {
    Window { start: Timestamp::from_micros(start), end: Timestamp::from_micros(start + length) }
}

fn add(times: &mut StateTimes, more: StateTimes) {
    more.all().into_iter().for_each(|(state, time)| times.add(state, time));
}

fn total(times: StateTimes) -> Micros {
    times.all().into_iter().map(|(_, time)| time).sum()
}

fn of(times: StateTimes, wanted: State) -> Micros {
    times.all().into_iter().find(|(state, _)| *state == wanted).unwrap().1
}

/// Seed, agent, time scale and a window between 2000 and 2100, not necessarily at whole seconds.
fn any_case() -> impl Strategy<Value = (u64, usize, u32, Window)> {
    let scale = prop_oneof![4 => Just(1_u32), 1 => 2..=60_u32, 1 => 61..=1_440_u32];
    (any::<u64>(), 0..240_usize, scale, 946_684_800_000_000..4_102_444_800_000_000_i64, 1..3 * 86_400_000_000_i64)
        .prop_map(|(seed, agent, scale, start, length)| {
            (seed, agent, scale, window(start, length / i64::from(scale) + 1))
        })
}

proptest! {
    #[test]
    fn every_moment_has_exactly_one_state((seed, index, scale, window) in any_case()) {
        let (workforce, timeline) = (Workforce::new(seed, index + 1), Timeline::new(scale));
        let agent = &workforce.agents()[index];
        let mut reached = window.start;
        let mut before = None;
        for segment in timeline.segments(agent, window) {
            prop_assert_eq!(segment.start, reached);
            prop_assert!(segment.end > segment.start);
            prop_assert_ne!(Some(segment.state), before);
            prop_assert_eq!(timeline.state_at(agent, segment.start), segment.state);
            prop_assert_eq!(timeline.state_at(agent, Timestamp::from_micros(segment.end.micros() - 1)), segment.state);
            let grain = if scale == 1 { SECOND } else { MILLISECOND };
            prop_assert!(segment.end == window.end || segment.end.micros() % grain == 0);
            (reached, before) = (segment.end, Some(segment.state));
        }
        prop_assert_eq!(reached, window.end);
        prop_assert_eq!(total(timeline.times(agent, window)), window.length());
    }

    #[test]
    fn times_of_parts_add_up_to_the_window((seed, index, scale, window) in any_case(), at in 0.0..1.0_f64) {
        let (workforce, timeline) = (Workforce::new(seed, index + 1), Timeline::new(scale));
        let agent = &workforce.agents()[index];
        let length = window.end.micros() - window.start.micros();
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a point somewhere within")]
        let middle = Timestamp::from_micros(window.start.micros() + (length as f64 * at) as i64);
        let mut sum = timeline.times(agent, Window { start: window.start, end: middle });
        add(&mut sum, timeline.times(agent, Window { start: middle, end: window.end }));
        prop_assert_eq!(sum, timeline.times(agent, window));
    }

    #[test]
    fn segment_at_is_the_same_for_all_its_moments((seed, index, scale, window) in any_case()) {
        let (workforce, timeline) = (Workforce::new(seed, index + 1), Timeline::new(scale));
        let agent = &workforce.agents()[index];
        let segment = timeline.segment_at(agent, window.start);
        prop_assert!(segment.start <= window.start && window.start < segment.end);
        prop_assert_eq!(timeline.segment_at(agent, segment.start), segment);
        prop_assert_eq!(timeline.segment_at(agent, Timestamp::from_micros(segment.end.micros() - 1)), segment);
        prop_assert_ne!(timeline.segment_at(agent, segment.end).state, segment.state);
    }
}

#[test]
fn time_scale_keeps_the_states() {
    let workforce = Workforce::new(1, 24);
    let (slow, fast) = (Timeline::new(1), Timeline::new(60));
    for agent in workforce.agents() {
        for segment in slow.segments(agent, window(MONDAY * SECOND, DAY * SECOND)) {
            let middle = (segment.start.micros() + segment.end.micros()) / 2;
            let sooner = ANCHOR * SECOND + (middle - ANCHOR * SECOND) / 60;
            assert_eq!(fast.state_at(agent, Timestamp::from_micros(sooner)), segment.state);
        }
    }
}

#[test]
fn the_data_of_a_seed_never_changes() {
    let workforce = Workforce::new(1, 240);
    let timeline = Timeline::new(1);
    let mut sum = 0;
    for agent in workforce.agents() {
        for (_, time) in timeline.times(agent, window(MONDAY * SECOND, 7 * DAY * SECOND)).all() {
            sum = random::key(sum, time.get());
        }
    }
    assert_eq!(workforce.agents()[1].id.as_ref(), "5543626829761803399");
    assert_eq!(sum, 4_587_201_515_464_842_440);
}

#[test]
fn agents_work_at_any_hour_of_the_week() {
    let (workforce, timeline) = (Workforce::new(1, 240), Timeline::new(1));
    for hour in 0..7 * 24 {
        let moment = Timestamp::from_seconds(MONDAY + hour * HOUR + 1_234);
        let mut counts = [0; 4];
        for agent in workforce.agents() {
            counts[timeline.state_at(agent, moment) as usize] += 1;
        }
        let present = counts.iter().filter(|count| **count > 0).count();
        assert!(present >= 3, "hour {hour}: {counts:?}");
        assert!(counts.iter().take(3).sum::<i32>() >= 10, "hour {hour}: {counts:?}");
    }
}

#[test]
fn the_first_agent_is_at_work_at_any_hour() {
    let (workforce, timeline) = (Workforce::new(1, 1), Timeline::new(1));
    let times = timeline.times(&workforce.agents()[0], window(MONDAY * SECOND, 7 * DAY * SECOND));
    assert!(of(times, State::Offline) < Micros::from_seconds(7 * 3_600), "{times:?}");
    assert!(of(times, State::Busy) > Micros::from_seconds(7 * 8 * 3_600), "{times:?}");
}

/// The time in `[MONDAY, +4 weeks)` that the agent is scheduled for, and what it did in it.
fn scheduled(timeline: &Timeline, agent: &Agent) -> StateTimes {
    let (zone, shift) = (&agent.schedule.timezone, agent.schedule.hours[0]);
    let mut times = StateTimes::default();
    for hour in 0..28 * 24 {
        let start = MONDAY + hour * HOUR + 1_800;
        let local = zone.local(Timestamp::from_seconds(start)).unwrap();
        let since_start = (local.num_seconds_from_midnight() + 86_400 - seconds_of(shift.start)) % 86_400;
        let length = (seconds_of(shift.end) + 86_400 - seconds_of(shift.start) - 1) % 86_400 + 1;
        let begun = local.date()
            - chrono::TimeDelta::seconds(i64::from(since_start) - i64::from(local.num_seconds_from_midnight()))
                .max(chrono::TimeDelta::zero());
        if since_start + 900 < length && agent.schedule.days[begun.weekday().num_days_from_monday() as usize] {
            add(&mut times, timeline.times(agent, window(start * SECOND, 900 * SECOND)));
        }
    }
    times
}

fn seconds_of(time: chrono::NaiveTime) -> u32 {
    time.num_seconds_from_midnight()
}

#[test]
#[allow(clippy::cast_precision_loss, reason = "shares")]
fn agents_work_mostly_within_their_shifts() {
    let (workforce, timeline) = (Workforce::new(1, 240), Timeline::new(1));
    let share = |part: Micros, whole: Micros| part.get() as f64 / whole.get() as f64;
    let (mut all_agents, mut mostly_online, mut regular) = (StateTimes::default(), 0, 0);
    for agent in workforce.agents().iter().filter(|agent| agent.profile.work_pattern == WorkPattern::Regular) {
        let within = scheduled(&timeline, agent);
        let offline = share(of(within, State::Offline), total(within));
        regular += 1;
        mostly_online += u32::from(offline < 0.5);
        // Four weeks of at most six shifts of nine and a half hours, overtime and all.
        let month = timeline.times(agent, window(MONDAY * SECOND, 28 * DAY * SECOND));
        let worked = total(month).get() - of(month, State::Offline).get();
        assert!(worked < 24 * 34_200 * 1_000_000, "{} works {worked} µs", agent.id);
        add(&mut all_agents, within);
    }
    assert!(mostly_online * 100 >= regular * 95, "{mostly_online} of {regular}");
    let offline = share(of(all_agents, State::Offline), total(all_agents));
    assert!((0.08..0.30).contains(&offline), "{offline}");
    let busy = share(of(all_agents, State::Busy), total(all_agents));
    assert!((0.30..0.70).contains(&busy), "{busy}");
    let calm = share(of(all_agents, State::Available), total(all_agents));
    assert!((0.12..0.50).contains(&calm), "{calm}");
}

#[test]
fn agents_that_leave_early_are_offline_on_shift() {
    let (workforce, timeline) = (Workforce::new(1, 240), Timeline::new(1));
    let early_leavers: Vec<_> =
        workforce.agents().iter().filter(|agent| agent.profile.work_pattern == WorkPattern::LeavesEarly).collect();
    assert_eq!(early_leavers.len(), 4);
    for agent in early_leavers {
        let within = scheduled(&timeline, agent);
        assert!(of(within, State::Offline).get() * 10 > total(within).get() * 8, "{within:?}");
    }
}

#[test]
fn states_are_those_of_the_presence_api() {
    let names: BTreeSet<_> = State::ALL.iter().map(|state| state.name()).collect();
    assert_eq!(names, BTreeSet::from(["Available", "Busy", "WrapUp", "Offline"]));
}
