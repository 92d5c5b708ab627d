//! Properties of the tally for any buckets: it agrees with a model that counts second by second, never exceeds the window,
//! and does not depend on order, repetition or paging.

use proptest::prelude::*;

use super::tests::{every_day_until, tally_of};
use super::*;
use crate::presence::{ChartSlot, ScheduledTime, UNKNOWN_STATE};

/// A bucket by numbers; agent 3 is not requested, and state 9 has no name.
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
    tally.store = BucketStore::default();
    tally.agents = AgentIndexMap::new(agents);
    tally
}

/// Assigns each second of the window to the first bucket, by start and end, that covers it; a state has its share of every
/// second of its bucket. Returns microseconds by agent and state, and the number of shares.
fn by_the_second(records: &[Drawn]) -> [([f64; 4], f64); 3] {
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

/// Buckets of five seconds of states second by second; the unbroken time offline.
fn unbroken_offline(seconds: &[usize], bucket: usize) -> Option<Micros> {
    const STATES: [&str; 3] = ["Available", "Offline", "LoggedOut"];
    let window = Window { start: Timestamp::from_seconds(0), end: Timestamp::from_seconds(seconds.len() as i64) };
    let agents = vec![WatchedAgent { id: "a".into(), schedule: None }];
    let mut tally = Tally::new(window, agents, ["Offline".into(), "LoggedOut".into()].into(), &[]);
    for (nth, states) in seconds.chunks(bucket).enumerate() {
        for state in states {
            let state = tally.state_named(STATES[*state]);
            tally.state(Some(state), Ok(Micros::from_seconds(1)));
        }
        let [start, end] = [nth, nth + 1].map(|nth| Timestamp::from_seconds((nth * bucket) as i64));
        let agent = tally.agent("a");
        tally.bucket(agent, Some(start), Some(end));
    }
    tally.finish().agents.remove(0).unwrap().unbroken_offline
}

#[test]
fn unbroken_offline_of_old_data_is_unknown() {
    let agents = || vec![WatchedAgent { id: "a".into(), schedule: None }];
    for (window_end, expected) in [(200, Some(100)), (300, Some(100)), (301, None)] {
        let window = Window { start: Timestamp::from_seconds(0), end: Timestamp::from_seconds(window_end) };
        let mut tally = Tally::new(window, agents(), ["Offline".into()].into(), &[]);
        let state = tally.state_named("Offline");
        tally.state(Some(state), Ok(Micros::from_seconds(100)));
        let agent = tally.agent("a");
        tally.bucket(agent, Some(Timestamp::from_seconds(100)), Some(Timestamp::from_seconds(200)));
        let found = tally.finish().agents.remove(0).unwrap().unbroken_offline;
        assert_eq!(found, expected.map(Micros::from_seconds), "{window_end}");
    }
}

proptest! {
    #[test]
    fn unbroken_offline_is_the_count_of_seconds_in_whole_buckets(
        runs in prop::collection::vec((0..3_usize, 1..30_usize), 1..12),
        bucket in 1..8_usize,
    ) {
        let mut seconds: Vec<usize> = runs.iter().flat_map(|(state, length)| vec![*state; *length]).collect();
        seconds.truncate(seconds.len() / bucket * bucket);
        prop_assume!(!seconds.is_empty());
        let offline = seconds.iter().rev().take_while(|state| **state > 0).count();
        let newest = &seconds[seconds.len() - bucket..];
        let expected = match newest.iter().filter(|state| **state > 0).count() {
            0 => Some(0),
            all if all == bucket => Some(offline / bucket * bucket),
            _ => None,
        };
        let expected = expected.map(|seconds| Micros::from_seconds(seconds as u64));
        prop_assert_eq!(unbroken_offline(&seconds, bucket), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn tally_agrees_with_a_count_by_the_second(mut records in prop::collection::vec(drawn(), 0..12)) {
        // Repetitions that disagree are another property's.
        let mut spans = std::collections::HashSet::new();
        records.retain(|record| spans.insert((record.agent, record.start, record.length)));
        let mut tally = drawn_tally();
        records.iter().for_each(|record| record.push(&mut tally));
        let outcome = tally.finish();
        for ((states, shares), presence) in by_the_second(&records).iter().zip(&outcome.agents) {
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
            for (place, (state, time)) in presence.states.iter().enumerate() {
                let shares = presence.chart.slots().flat_map(ChartSlot::shares);
                let shown: u64 = shares.filter(|(share, _)| usize::from(*share) == place).map(|(_, time)| time.get()).sum();
                // Centiseconds, rounded once a cell; the window has one cell.
                prop_assert!(time.get().abs_diff(shown) <= 5_000, "{state}: {time:?} is shown as {shown}");
            }
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
    fn a_rolled_back_page_leaves_no_trace(
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
