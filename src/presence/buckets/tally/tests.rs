//! The rules of the tally by example.

mod limits;

use std::collections::BTreeMap;

use super::*;
use crate::presence::{
    AgentPresence, MAX_STATES_PER_AGENT, MAX_STATES_PER_TALLY, OTHER_STATE, Schedule, Shift, TimeZone, UNKNOWN_STATE,
};

/// The window of the examples, in seconds.
const WINDOW: (i64, i64) = (1_000, 2_000);

/// A bucket as a source would push it: agent, start, end in seconds, and seconds per state.
type Record<'a> = (&'a str, i64, i64, &'a [(&'a str, f64)]);

pub(super) fn tally_of(window: (i64, i64), ids: &[&str]) -> Tally {
    let window = Window { start: Timestamp::from_seconds(window.0), end: Timestamp::from_seconds(window.1) };
    let agents = ids.iter().map(|&id| WatchedAgent { id: Arc::from(id), schedule: None }).collect();
    Tally::new(window, agents, Arc::from([Arc::from("Offline")]), &[])
}

fn push(tally: &mut Tally, &(agent, start, end, states): &Record<'_>) {
    for &(state, seconds) in states {
        let state = tally.state_named(state);
        tally.state(Some(state), Micros::from_reported_seconds(seconds));
    }
    let agent = tally.agent(agent);
    tally.bucket(agent, Some(Timestamp::from_seconds(start)), Some(Timestamp::from_seconds(end)));
}

fn count(window: (i64, i64), ids: &[&str], records: &[Record<'_>]) -> TallyOutcome {
    let mut tally = tally_of(window, ids);
    records.iter().for_each(|record| push(&mut tally, record));
    tally.finish()
}

/// The states of the only agent, in seconds.
fn seconds(outcome: &TallyOutcome) -> Vec<(&str, f64)> {
    let states = outcome.agents[0].iter().flat_map(|presence| &presence.states);
    states.map(|(name, time)| (&**name, time.seconds_f64())).collect()
}

fn rejected(outcome: &TallyOutcome) -> Vec<(Rejection, u64)> {
    outcome.rejections.iter().filter(|(_, count)| *count > 0).collect()
}

#[test]
fn counting_rules() {
    use Rejection::{
        BadTime, Duplicate, Negative, NotFinite, OutsideWindow as Outside, OverLength, Overlap, UnknownAgent,
    };
    type Case<'a> = (&'a str, &'a [Record<'a>], &'a [(&'a str, f64)], &'a [(Rejection, u64)]);
    let table: &[Case<'_>] = &[
        ("nothing", &[], &[], &[]),
        (
            "states add up over buckets, by name",
            &[("a", 1000, 1100, &[("Busy", 40.0), ("Available", 60.0)]), ("a", 1100, 1200, &[("Busy", 100.0)])],
            &[("Available", 60.0), ("Busy", 140.0)],
            &[],
        ),
        (
            "a state twice in a bucket adds up too",
            &[("a", 1000, 1100, &[("Busy", 40.0), ("Busy", 50.0)])],
            &[("Busy", 90.0)],
            &[],
        ),
        ("a state without time is seen", &[("a", 1000, 1100, &[("Busy", 0.0)])], &[("Busy", 0.0)], &[]),
        (
            "a fraction of a second counts to the microsecond",
            &[("a", 1000, 1100, &[("Busy", 0.1)]), ("a", 1100, 1200, &[("Busy", 0.2)])],
            &[("Busy", 0.3)],
            &[],
        ),
        (
            "over the window's start: the part inside",
            &[("a", 900, 1100, &[("Busy", 100.0), ("Available", 50.0)])],
            &[("Available", 25.0), ("Busy", 50.0)],
            &[],
        ),
        (
            "over the window's end: as it is",
            &[("a", 1900, 2100, &[("Busy", 60.0), ("Available", 30.0)])],
            &[("Available", 30.0), ("Busy", 60.0)],
            &[],
        ),
        (
            "over the window's end: up to the part before it, which is no fault of the record",
            &[("a", 1900, 2100, &[("Busy", 150.0), ("Available", 50.0)])],
            &[("Available", 25.0), ("Busy", 75.0)],
            &[],
        ),
        (
            "over the window's end: more than the whole length is one",
            &[("a", 1900, 2100, &[("Busy", 300.0), ("Available", 100.0)])],
            &[("Available", 25.0), ("Busy", 75.0)],
            &[(OverLength, 1)],
        ),
        (
            "over both: the seconds are those up to the window's end, of which the part inside counts",
            &[("a", 500, 5000, &[("Busy", 1200.0), ("Available", 300.0)])],
            &[("Available", 200.0), ("Busy", 800.0)],
            &[],
        ),
        ("over both, and more than has happened", &[("a", 0, 5000, &[("Busy", 4000.0)])], &[("Busy", 1000.0)], &[]),
        (
            "touching the window from outside is outside",
            &[("a", 900, 1000, &[("Busy", 100.0)]), ("a", 2000, 2100, &[("Busy", 100.0)])],
            &[],
            &[(Outside, 2)],
        ),
        (
            "a bucket counts once",
            &[
                ("a", 1000, 1100, &[("Busy", 50.0)]),
                ("a", 1100, 1200, &[("Busy", 7.0)]),
                ("a", 1000, 1100, &[("Busy", 50.0)]),
            ],
            &[("Busy", 57.0)],
            &[(Duplicate, 1)],
        ),
        (
            "of repetitions that disagree the fuller one counts",
            &[
                ("a", 1000, 1100, &[("Busy", 50.0)]),
                ("a", 1000, 1100, &[("Available", 60.0)]),
                ("a", 1000, 1100, &[("Busy", 10.0)]),
            ],
            &[("Available", 60.0)],
            &[(Duplicate, 2)],
        ),
        (
            "the later bucket counts only where no earlier one does",
            &[("a", 1050, 1150, &[("Available", 80.0)]), ("a", 1000, 1100, &[("Busy", 50.0)])],
            &[("Available", 40.0), ("Busy", 50.0)],
            &[(Overlap, 1)],
        ),
        (
            "of buckets that start together the shorter one is earlier",
            &[("a", 1000, 1200, &[("Available", 200.0)]), ("a", 1000, 1100, &[("Busy", 100.0)])],
            &[("Available", 100.0), ("Busy", 100.0)],
            &[(Overlap, 1)],
        ),
        (
            "a bucket inside an earlier one counts nothing, and one after it is not touched",
            &[
                ("a", 1000, 1200, &[("Available", 200.0)]),
                ("a", 1050, 1100, &[("Busy", 50.0)]),
                ("a", 1200, 1300, &[("Busy", 9.0)]),
            ],
            &[("Available", 200.0), ("Busy", 9.0)],
            &[(Overlap, 1)],
        ),
        (
            "buckets that overlap only before the window do not overlap",
            &[("a", 800, 1000, &[("Busy", 1.0)]), ("a", 900, 1100, &[("Busy", 200.0)])],
            &[("Busy", 100.0)],
            &[(Outside, 1)],
        ),
        (
            "more seconds than the bucket is long are scaled down",
            &[("a", 1000, 1100, &[("Busy", 300.0), ("Available", 100.0)])],
            &[("Available", 25.0), ("Busy", 75.0)],
            &[(OverLength, 1)],
        ),
        (
            "more seconds than any type holds are scaled down too",
            &[("a", 1000, 1100, &[("Busy", 1e300), ("Available", 1e300)])],
            &[("Available", 50.0), ("Busy", 50.0)],
            &[(OverLength, 1)],
        ),
        (
            "a bucket without states covers nothing",
            &[("a", 1000, 1100, &[]), ("a", 1000, 1200, &[("Busy", 200.0)])],
            &[("Busy", 200.0)],
            &[],
        ),
        ("only buckets without states are no data", &[("a", 1000, 1100, &[])], &[], &[]),
        (
            "a state that is rejected leaves the others",
            &[("a", 1000, 1100, &[("Busy", -1.0), ("Available", 5.0), ("Lunch", f64::NAN), ("Lunch", f64::INFINITY)])],
            &[("Available", 5.0)],
            &[(Negative, 1), (NotFinite, 2)],
        ),
        (
            "agents that were not requested",
            &[
                ("b", 1000, 1100, &[("Busy", 5.0)]),
                ("", 1000, 1100, &[("Busy", 5.0)]),
                ("a", 1100, 1200, &[("Busy", 1.0)]),
            ],
            &[("Busy", 1.0)],
            &[(UnknownAgent, 2)],
        ),
        (
            "time that does not pass",
            &[
                ("a", 1100, 1100, &[("Busy", 5.0)]),
                ("a", 1100, 1000, &[("Busy", 5.0)]),
                ("a", 1100, 1200, &[("Busy", 1.0)]),
            ],
            &[("Busy", 1.0)],
            &[(BadTime, 2)],
        ),
    ];
    for (rule, records, states, rejections) in table {
        let outcome = count(WINDOW, &["a"], records);
        assert_eq!(seconds(&outcome), *states, "{rule}");
        assert_eq!(rejected(&outcome), *rejections, "{rule}");
        let observed: f64 = states.iter().map(|(_, seconds)| seconds).sum();
        assert_eq!(
            outcome.agents[0].as_ref().map(|presence| presence.observed.seconds_f64()),
            (!states.is_empty()).then_some(observed)
        );
    }
}

#[test]
fn bucket_needs_start_end_and_agent() {
    let mut tally = tally_of(WINDOW, &["a"]);
    let (agent, start, end) = (tally.agent("a"), Timestamp::from_seconds(1000), Timestamp::from_seconds(1100));
    for (agent, start, end) in [(agent, None, Some(end)), (agent, Some(start), None), (None, Some(start), Some(end))] {
        tally.state(None, Ok(Micros::from_seconds(1)));
        tally.bucket(agent, start, end);
    }
    tally.state(None, Ok(Micros::from_seconds(1)));
    tally.bucket(agent, Some(start), Some(end));
    let outcome = tally.finish();
    assert_eq!(seconds(&outcome), [(UNKNOWN_STATE, 1.0)]);
    assert_eq!(rejected(&outcome), [(Rejection::UnknownAgent, 1), (Rejection::BadTime, 2)]);
}

#[test]
fn agents_are_kept_apart_and_in_order() {
    let records: [Record<'_>; 3] =
        [("c", 1000, 1100, &[("Busy", 3.0)]), ("a", 1000, 1100, &[("Busy", 1.0)]), ("c", 1100, 1200, &[("Busy", 3.0)])];
    let outcome = count(WINDOW, &["a", "b", "c"], &records);
    let busy = |agent: &Option<AgentPresence>| agent.as_ref().map(|presence| presence.observed.get() / 1_000_000);
    assert_eq!(outcome.agents.iter().map(busy).collect::<Vec<_>>(), [Some(1), None, Some(6)]);
    assert_eq!(outcome.agents[2].as_ref().unwrap().last_data, Timestamp::from_seconds(1200));
}

#[test]
fn known_state_names_are_shared() {
    let busy: StateName = Arc::from("Busy");
    let window = Window { start: Timestamp::from_seconds(0), end: Timestamp::from_seconds(100) };
    let agents = vec![WatchedAgent { id: Arc::from("a"), schedule: None }];
    let mut tally = Tally::new(window, agents, Arc::from([]), std::slice::from_ref(&busy));
    push(&mut tally, &("a", 0, 10, &[("Busy", 10.0)]));
    assert!(Arc::ptr_eq(&tally.finish().agents[0].as_ref().unwrap().states[0].0, &busy));
}

#[test]
fn rolled_back_state_names_are_dropped() {
    let mut tally = tally_of(WINDOW, &["a"]);
    let (page, names) = (tally.checkpoint(), tally.names.len());
    push(&mut tally, &("a", 1000, 1100, &[("Busy", 1.0)]));
    tally.roll_back(page);
    assert_eq!(tally.names.len(), names);
}

#[test]
fn the_current_state_is_a_lower_bound() {
    type Case<'a> = (&'a str, &'a [Record<'a>], Option<(&'a str, f64)>);
    let table: &[Case<'_>] = &[
        ("one full bucket", &[("a", 1000, 1100, &[("Busy", 100.0)])], Some(("Busy", 100.0))),
        (
            "states without time do not matter",
            &[("a", 1000, 1100, &[("Busy", 100.0), ("Lunch", 0.0)])],
            Some(("Busy", 100.0)),
        ),
        ("several states", &[("a", 1000, 1100, &[("Busy", 60.0), ("Lunch", 40.0)])], None),
        ("no time at all", &[("a", 1000, 1100, &[("Busy", 0.0)])], None),
        (
            "full buckets before it, up to one with something else",
            &[
                ("a", 1000, 1100, &[("Busy", 60.0), ("Lunch", 40.0)]),
                ("a", 1100, 1200, &[("Busy", 100.0)]),
                ("a", 1200, 1300, &[("Busy", 60.0), ("Busy", 40.0)]),
            ],
            Some(("Busy", 200.0)),
        ),
        (
            "up to one that is not full",
            &[("a", 1000, 1100, &[("Busy", 99.0)]), ("a", 1100, 1200, &[("Busy", 100.0)])],
            Some(("Busy", 100.0)),
        ),
        (
            "up to a hole",
            &[("a", 1000, 1100, &[("Busy", 100.0)]), ("a", 1101, 1200, &[("Busy", 99.0)])],
            Some(("Busy", 99.0)),
        ),
        (
            "unknown time in the running bucket",
            &[("a", 1800, 1900, &[("Busy", 100.0)]), ("a", 1900, 2100, &[("Busy", 60.0)])],
            Some(("Busy", 60.0)),
        ),
        (
            "the part of the running bucket that has passed",
            &[("a", 1800, 1900, &[("Busy", 100.0)]), ("a", 1900, 2100, &[("Busy", 100.0)])],
            Some(("Busy", 200.0)),
        ),
        (
            "one state twice in a scaled bucket",
            &[("a", 1000, 1003, &[("Busy", 3.0)]), ("a", 1003, 1006, &[("Busy", 5.0), ("Busy", 5.0)])],
            Some(("Busy", 6.0)),
        ),
        (
            "one state twice in a clipped bucket",
            &[("a", 999, 1006, &[("Busy", 3.5), ("Busy", 3.5)]), ("a", 1006, 1009, &[("Busy", 1.5), ("Busy", 1.5)])],
            Some(("Busy", 9.0)),
        ),
        (
            "a finished bucket that is not full may lack its start",
            &[("a", 1700, 1800, &[("Busy", 100.0)]), ("a", 1800, 1900, &[("Busy", 60.0)])],
            Some(("Busy", 60.0)),
        ),
        (
            "the window's start ends it",
            &[("a", 900, 1100, &[("Busy", 200.0)]), ("a", 1100, 1200, &[("Busy", 100.0)])],
            Some(("Busy", 200.0)),
        ),
        ("names that went into one are not one state", &[("a", 1000, 1100, &[(OTHER_STATE, 100.0)])], None),
    ];
    for (rule, records, current) in table {
        let outcome = count(WINDOW, &["a"], records);
        let found =
            outcome.agents[0].as_ref().unwrap().current.as_ref().map(|(name, time)| (&**name, time.seconds_f64()));
        assert_eq!(found, *current, "{rule}");
    }
}

/// Every day, all day, from midnight for a given number of seconds.
pub(super) fn every_day_until(seconds: u32) -> Arc<Schedule> {
    let time = |seconds| chrono::NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0).unwrap();
    Arc::new(Schedule {
        timezone: TimeZone::UTC,
        days: [true; 7],
        hours: vec![Shift { start: time(0), end: time(seconds) }],
        holidays: Vec::new(),
        leave: Vec::new(),
    })
}

#[test]
fn scheduled_offline_time() {
    let schedule = every_day_until(1_500);
    let window = Window { start: Timestamp::from_seconds(1_000), end: Timestamp::from_seconds(2_000) };
    let agents = vec![WatchedAgent { id: Arc::from("a"), schedule: Some(schedule) }];
    let mut tally = Tally::new(window, agents, Arc::from([Arc::from("Offline"), Arc::from("LoggedOut")]), &[]);
    push(&mut tally, &("a", 1_000, 1_200, &[("Offline", 50.0), ("LoggedOut", 30.0), ("Busy", 120.0)]));
    push(&mut tally, &("a", 1_400, 1_600, &[("Offline", 100.0), ("Busy", 100.0)]));
    push(&mut tally, &("a", 1_600, 1_800, &[("Offline", 200.0)]));
    let scheduled = tally.finish().agents[0].as_ref().unwrap().scheduled.unwrap();
    assert_eq!((scheduled.total, scheduled.offline), (Micros::from_seconds(500), Micros::from_seconds(80 + 50)));
}

#[test]
fn state_map_renames_merges_and_swaps() {
    let map = [("Busy", "Talking"), ("Dialing", "Talking"), ("Up", "Down"), ("Down", "Up"), ("Unknown", "Nameless")];
    let map: BTreeMap<StateName, StateName> = map.map(|(from, to)| (from.into(), to.into())).into();
    let window = Window { start: Timestamp::from_seconds(0), end: Timestamp::from_seconds(100) };
    let agents = vec![WatchedAgent { id: "a".into(), schedule: None }];
    let mut tally = Tally::new(window, agents, [].into(), &["Talking".into()]).renaming(Arc::new(map));
    let before = tally.checkpoint();
    for round in 0..2 {
        for (name, seconds) in [("Busy", 10), ("Dialing", 20), ("Up", 5), ("Down", 7), ("Up", 5), ("", 3), ("Other", 1)]
        {
            let state = tally.state_named(name);
            tally.state(Some(state), Ok(Micros::from_seconds(seconds)));
        }
        tally.state(None, Ok(Micros::from_seconds(2)));
        let agent = tally.agent("a");
        tally.bucket(agent, Some(window.start), Some(window.end));
        if round == 0 {
            tally.roll_back(before);
        }
    }
    let states = tally.finish().agents.remove(0).unwrap().states;
    let states: Vec<(&str, u64)> = states.iter().map(|(name, time)| (&**name, time.get() / 1_000_000)).collect();
    assert_eq!(states, [("Down", 10), ("Nameless", 5), ("Other", 1), ("Talking", 30), ("Up", 7)]);
}
