//! The rules of counting, each by an example, and all of them together against a model that paints seconds.

use proptest::prelude::*;

use super::*;
use crate::presence::{
    AgentPresence, MAX_STATES_PER_AGENT, MAX_STATES_PER_TALLY, OTHER_STATE, Schedule, ScheduledTime, Shift,
    UNKNOWN_STATE,
};

/// The window of the examples, in seconds.
const WINDOW: (i64, i64) = (1_000, 2_000);

/// A bucket as a source would push it: agent, start, end in seconds, and seconds per state.
type Record<'a> = (&'a str, i64, i64, &'a [(&'a str, f64)]);

fn tally_of(window: (i64, i64), ids: &[&str]) -> Tally {
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
fn each_rule_counts_as_it_is_written() {
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
            "agents that nobody asked for",
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
fn a_bucket_needs_both_ends_and_an_agent() {
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
fn known_names_are_shared() {
    let busy: StateName = Arc::from("Busy");
    let window = Window { start: Timestamp::from_seconds(0), end: Timestamp::from_seconds(100) };
    let agents = vec![WatchedAgent { id: Arc::from("a"), schedule: None }];
    let mut tally = Tally::new(window, agents, Arc::from([]), std::slice::from_ref(&busy));
    push(&mut tally, &("a", 0, 10, &[("Busy", 10.0)]));
    assert!(Arc::ptr_eq(&tally.finish().agents[0].as_ref().unwrap().states[0].0, &busy));
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
            "data lags in the running bucket",
            &[("a", 1800, 1900, &[("Busy", 100.0)]), ("a", 1900, 2100, &[("Busy", 60.0)])],
            Some(("Busy", 160.0)),
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

#[test]
fn the_smallest_of_too_many_states_are_summed() {
    let names: Vec<String> = (0..70).map(|at| format!("State {at:02}")).collect();
    // The higher the number the longer, from 1 s; State 00 is declared, so it stays though it is the smallest.
    let states: Vec<_> = names.iter().zip(1_u32..).map(|(name, seconds)| (name.as_str(), f64::from(seconds))).collect();
    let mut tally = tally_of((0, 86_400), &["a"]);
    tally.names = StateNames::new(&[Arc::from("State 00")]);
    tally.known_names = tally.names.len();
    push(&mut tally, &("a", 0, 86_400, &states));
    let outcome = tally.finish();
    let presence = outcome.agents[0].as_ref().unwrap();
    assert_eq!(presence.states.len(), MAX_STATES_PER_AGENT + 1);
    assert!(presence.states.is_sorted());
    assert_eq!(presence.states[0], (Arc::from("State 00"), Micros::from_seconds(1)));
    assert_eq!(presence.states[1], (Arc::from("State 07"), Micros::from_seconds(8)));
    assert_eq!(presence.states[64], (Arc::from(OTHER_STATE), Micros::from_seconds((2..=7).sum())));
    assert_eq!(presence.observed, Micros::from_seconds((1..=70).sum()));
}

#[test]
fn sixty_four_states_and_other_are_left_alone() {
    let names: Vec<String> = (0..64).map(|at| format!("State {at:02}")).collect();
    let states: Vec<_> = names.iter().map(String::as_str).chain([OTHER_STATE]).map(|name| (name, 1.0)).collect();
    let outcome = count((0, 86_400), &["a"], &[("a", 0, 86_400, &states)]);
    assert_eq!(seconds(&outcome).len(), 65);
    assert!(seconds(&outcome).iter().all(|(_, seconds)| *seconds == 1.0));
}

#[test]
fn names_that_are_made_up_do_not_make_series() {
    let ids: Vec<String> = (0..MAX_STATES_PER_TALLY + 10).map(|id| id.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut tally = tally_of((0, 10_000), &ids);
    for (&id, length) in ids.iter().zip(1_u32..) {
        push(&mut tally, &(id, 0, 10_000, &[(id, f64::from(length))]));
    }
    let outcome = tally.finish();
    let folded = outcome.agents.iter().flatten().take_while(|presence| *presence.states[0].0 == *OTHER_STATE);
    assert_eq!(folded.inspect(|presence| assert_eq!(presence.current, None)).count(), 10);
    let all: Micros = outcome.agents.iter().flatten().map(|presence| presence.observed).sum();
    assert_eq!(all, Micros::from_seconds((1..=MAX_STATES_PER_TALLY as u64 + 10).sum()));
}

/// Every day, all day, from midnight for a given number of seconds.
fn every_day_until(seconds: u32) -> Arc<Schedule> {
    let time = |seconds| chrono::NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0).unwrap();
    Arc::new(Schedule {
        timezone: chrono_tz::UTC,
        days: [true; 7],
        hours: vec![Shift { start: time(0), end: time(seconds) }],
        holidays: Vec::new(),
    })
}

#[test]
fn offline_time_is_held_against_the_schedule() {
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

// === Properties ===

/// A bucket by numbers; agent 3 is nobody's, and state 9 has no name.
#[derive(Debug, Clone)]
struct Drawn {
    agent: usize,
    start: i64,
    length: i64,
    states: Vec<(usize, u64)>,
}

const DRAWN_WINDOW: (i64, i64) = (0, 40);
const DRAWN_AGENTS: [&str; 3] = ["a", "b", "c"];

/// Half of the buckets lie on a coarse grid, so that many are of the same span.
fn drawn() -> impl Strategy<Value = Drawn> {
    let span = prop_oneof![
        (-30..60_i64, 0..30_i64),
        (-3..6_i64, 0..3_i64).prop_map(|(start, length)| (start * 10, length * 10))
    ];
    let states = prop::collection::vec((0..4_usize, 0..30_000_000_u64), 0..4);
    (0..4_usize, span, states).prop_map(|(agent, (start, length), states)| Drawn { agent, start, length, states })
}

impl Drawn {
    fn push(&self, tally: &mut Tally) {
        let agent = tally.agent(DRAWN_AGENTS.get(self.agent).unwrap_or(&"x"));
        for &(state, micros) in &self.states {
            let state = tally.state_named(["Available", "Busy", "Offline", ""][state]);
            tally.state(Some(state), Ok(Micros::new(micros)));
        }
        let end = Timestamp::from_seconds(self.start + self.length);
        tally.bucket(agent, Some(Timestamp::from_seconds(self.start)), Some(end));
    }
}

fn drawn_tally() -> Tally {
    let mut tally = tally_of(DRAWN_WINDOW, &[]);
    let schedule = every_day_until(17);
    let agents = DRAWN_AGENTS
        .iter()
        .map(|&id| WatchedAgent { id: Arc::from(id), schedule: Some(Arc::clone(&schedule)) })
        .collect();
    tally.arena = Arena::new(DRAWN_AGENTS.len());
    tally.roster = Roster::new(agents);
    tally
}

/// Paints each second of the window with the first bucket, by start and end, that covers it; a state then has its
/// share of every second that its bucket painted. Returns microseconds by agent and state, and the number of shares.
fn painted(records: &[Drawn]) -> [([f64; 4], f64); 3] {
    let mut agents = [([0.0; 4], 0.0); 3];
    for (agent, (states, shares)) in agents.iter_mut().enumerate() {
        let mut buckets: Vec<_> = records
            .iter()
            .filter(|record| record.agent == agent && record.length > 0 && !record.states.is_empty())
            .collect();
        buckets.sort_by_key(|record| (record.start, record.length));
        for second in DRAWN_WINDOW.0..DRAWN_WINDOW.1 {
            let covers = |record: &&&Drawn| (record.start..record.start + record.length).contains(&second);
            let Some(bucket) = buckets.iter().find(covers) else { continue };
            let happened = (bucket.start + bucket.length).min(DRAWN_WINDOW.1) - bucket.start;
            let reported: u64 = bucket.states.iter().map(|(_, micros)| micros).sum();
            for &(state, micros) in &bucket.states {
                states[state] += micros as f64 / reported.max(happened.unsigned_abs() * 1_000_000) as f64 * 1e6;
                *shares += 1.0;
            }
        }
    }
    agents
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn counting_agrees_with_painting(mut records in prop::collection::vec(drawn(), 0..12)) {
        // Repetitions that disagree are another property's.
        let mut spans = std::collections::HashSet::new();
        records.retain(|record| spans.insert((record.agent, record.start, record.length)));
        let mut tally = drawn_tally();
        records.iter().for_each(|record| record.push(&mut tally));
        let outcome = tally.finish();
        for ((states, shares), presence) in painted(&records).iter().zip(&outcome.agents) {
            for (state, micros) in ["Available", "Busy", "Offline", UNKNOWN_STATE].into_iter().zip(states) {
                let found = presence.iter().flat_map(|presence| &presence.states).find(|(name, _)| **name == *state);
                let counted = found.map_or(0.0, |(_, time)| time.get() as f64);
                // Each share is rounded down, at most twice; the rest is the model's own floating point.
                prop_assert!(counted <= micros + 0.01 && counted >= micros - 2.0 * shares - 0.01, "{state}: {counted}, {micros}");
            }
        }
    }

    #[test]
    fn no_agent_exceeds_the_window(records in prop::collection::vec(drawn(), 0..40)) {
        let mut tally = drawn_tally();
        records.iter().for_each(|record| record.push(&mut tally));
        let window = tally.window;
        for presence in tally.finish().agents.iter().flatten() {
            prop_assert!(presence.observed <= window.length());
            prop_assert_eq!(presence.states.iter().map(|(_, time)| *time).sum::<Micros>(), presence.observed);
            prop_assert!(window.start < presence.last_data && presence.last_data <= window.end);
            prop_assert!(presence.current.as_ref().is_none_or(|(name, time)|
                presence.states.iter().any(|(state, total)| state == name && time <= total)));
            let ScheduledTime { total, offline } = presence.scheduled.unwrap();
            prop_assert!(offline <= total && total == Micros::from_seconds(17));
        }
    }

    #[test]
    fn order_repetition_and_pages_do_not_matter(
        records in prop::collection::vec(drawn(), 0..15),
        repeated in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..15),
        order in any::<u64>(),
    ) {
        let mut straight = drawn_tally();
        records.iter().for_each(|record| record.push(&mut straight));

        let mut shuffled: Vec<(&Drawn, bool)> = records.iter().map(|record| (record, false)).collect();
        if !records.is_empty() {
            // A page that is cut brings its records, half of another, and is taken back.
            shuffled.extend(repeated.iter().map(|(index, cut)| (index.get(&records), *cut)));
        }
        fastrand::Rng::with_seed(order).shuffle(&mut shuffled);
        let mut tally = drawn_tally();
        for (record, cut) in shuffled {
            let page = tally.checkpoint();
            record.push(&mut tally);
            if cut {
                let state = tally.state_named("Never seen");
                tally.state(Some(state), Ok(Micros::from_seconds(1)));
                tally.roll_back(page);
            }
        }
        prop_assert_eq!(tally.finish().agents, straight.finish().agents);
    }

    #[test]
    fn a_page_that_is_taken_back_leaves_no_trace(
        before in prop::collection::vec(drawn(), 0..8),
        cut in prop::collection::vec(drawn(), 0..8),
        after in prop::collection::vec(drawn(), 0..8),
    ) {
        let mut plain = drawn_tally();
        before.iter().chain(&after).for_each(|record| record.push(&mut plain));
        let mut tally = drawn_tally();
        before.iter().for_each(|record| record.push(&mut tally));
        let page = tally.checkpoint();
        cut.iter().for_each(|record| record.push(&mut tally));
        tally.roll_back(page);
        after.iter().for_each(|record| record.push(&mut tally));
        prop_assert_eq!(tally.finish(), plain.finish());
    }
}
