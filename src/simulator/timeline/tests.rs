use std::collections::BTreeSet;

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
    assert_eq!(sum, 16_627_484_800_679_224_277);
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

/// What the agent did in its scheduled time of `[MONDAY, +4 weeks)`.
fn scheduled(timeline: &Timeline, agent: &Agent) -> StateTimes {
    let mut times = StateTimes::default();
    for shift in agent.schedule.within(window(MONDAY * SECOND, 28 * DAY * SECOND)).shifts() {
        add(&mut times, timeline.times(agent, *shift));
    }
    times
}

#[test]
#[allow(clippy::cast_precision_loss, reason = "shares")]
fn agents_work_mostly_within_their_shifts() {
    let (workforce, timeline) = (Workforce::new(1, 240), Timeline::new(1));
    let share = |part: Micros, whole: Micros| part.get() as f64 / whole.get() as f64;
    let (mut all_agents, mut mostly_online, mut regular) = (StateTimes::default(), 0, 0);
    let is_regular =
        |agent: &&Agent| agent.profile.work_pattern == WorkPattern::Regular && agent.profile.leave.is_none();
    for agent in workforce.agents().iter().filter(is_regular) {
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
    assert!((0.02..0.08).contains(&offline), "{offline}");
    let busy = share(of(all_agents, State::Busy), total(all_agents));
    assert!((0.30..0.70).contains(&busy), "{busy}");
    let calm = share(of(all_agents, State::Available), total(all_agents));
    assert!((0.12..0.50).contains(&calm), "{calm}");
}

/// Weeks of different offsets from UTC: winter, a change of the clocks in New York, one in Berlin, summer, one in Sydney, and
/// one in Berlin again. Each begins on a Monday.
const WEEKS: [i64; 6] = [1_767_571_200, 1_772_409_600, 1_774_224_000, 1_782_691_200, 1_790_553_600, 1_792_368_000];

/// The longest offline time without a break of an agent on shift within a week, in seconds.
fn longest_absence(timeline: &Timeline, agent: &Agent, week: i64) -> u64 {
    let week = window(week * SECOND, 8 * DAY * SECOND);
    let shifts = agent.schedule.within(week);
    let offline = timeline.segments(agent, week).filter(|segment| segment.state == State::Offline);
    let absences = offline.flat_map(|segment| {
        let span = Window { start: segment.start, end: segment.end };
        shifts.shifts().iter().filter_map(move |shift| shift.intersection(span)).map(|part| part.length().get())
    });
    absences.max().unwrap_or(0) / 1_000_000
}

#[test]
fn only_planted_agents_are_absent_on_shift() {
    let (workforce, timeline) = (Workforce::new(1, 240), Timeline::new(1));
    for agent in workforce.agents() {
        let longest = WEEKS.map(|week| longest_absence(&timeline, agent, week)).into_iter().max().unwrap();
        match agent.profile.work_pattern {
            WorkPattern::Regular | WorkPattern::AroundTheClock if agent.profile.leave.is_none() => {
                assert!(longest < 11 * 60, "{} of {}: {longest} s", agent.id, agent.team);
            }
            _ => assert!(longest > 3 * 3_600, "{} of {}: {longest} s", agent.id, agent.team),
        }
    }
}

#[test]
fn agents_are_offline_off_shift() {
    let (workforce, timeline) = (Workforce::new(1, 240), Timeline::new(1));
    for agent in workforce.agents() {
        let span = window(MONDAY * SECOND, 7 * DAY * SECOND);
        let shifts = agent.schedule.within(span);
        for segment in timeline.segments(agent, span).filter(|segment| segment.state != State::Offline) {
            // The agent comes some minutes early; a call and its wrap-up take their time.
            let wide = |micros: i64, by: i64| Timestamp::from_micros(micros + by * 60 * SECOND);
            let near = Window { start: wide(segment.start.micros(), -46), end: wide(segment.end.micros(), 10) };
            assert!(shifts.overlap(near) > Micros::ZERO, "{} of {} at {}", agent.id, agent.team, segment.start);
        }
    }
}

#[test]
fn some_agent_is_late_missing_gone_or_on_leave_at_any_time() {
    let (workforce, timeline) = (Workforce::new(1, 240), Timeline::new(1));
    type IsPlanted = fn(&Agent) -> bool;
    let late: IsPlanted = |agent| matches!(agent.profile.work_pattern, WorkPattern::ComesLate(_));
    let gone: IsPlanted = |agent| matches!(agent.profile.work_pattern, WorkPattern::LeavesEarly(_));
    let missing: IsPlanted = |agent| matches!(agent.profile.work_pattern, WorkPattern::NeverComes(_));
    let planted = [("late", late), ("gone", gone), ("missing", missing)];
    for week in WEEKS {
        for step in 0..7 * 24 * 12 {
            let moment = week + step * 300;
            for (what, is) in planted {
                let absent = workforce.agents().iter().filter(|agent| is(agent)).any(|agent| {
                    // On shift and offline for the last 20 minutes: the limit, the grain of a bucket, and no seconds to spare.
                    let span = window((moment - 1_200) * SECOND, 1_200 * SECOND);
                    agent.schedule.within(span).total() == span.length()
                        && of(timeline.times(agent, span), State::Offline) == span.length()
                });
                assert!(absent, "no agent is {what} at {}", Timestamp::from_seconds(moment));
            }
            let day = moment.div_euclid(DAY);
            assert!(workforce.agents().iter().any(|agent| agent.profile.on_leave(day)));
        }
    }
}

#[test]
fn states_are_those_of_the_presence_api() {
    let names: BTreeSet<_> = State::ALL.iter().map(|state| state.name()).collect();
    assert_eq!(names, BTreeSet::from(["Available", "Busy", "WrapUp", "Offline"]));
}
