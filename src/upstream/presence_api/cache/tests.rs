//! The requested ranges by example.

use super::properties::read;
use super::*;
use crate::presence::{IncrementalTally, Micros, Tally};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const SETTINGS: Incremental =
    Incremental { settle: Duration::from_secs(30 * 60), full_refresh_interval: Duration::from_secs(6 * 3600) };

/// A full hour.
const NOON: Timestamp = Timestamp::from_seconds(1_700_049_600);

fn agents(ids: &[&str]) -> Vec<WatchedAgent> {
    ids.iter().map(|id| WatchedAgent { id: (*id).into(), schedule: None }).collect()
}

fn window(minutes: i64) -> Window {
    Window::ending_at(Timestamp::from_micros(NOON.micros() + minutes * 60_000_000), 24 * HOUR)
}

/// Hours before noon from which each batch is asked for, and its agents.
fn plan(cache: &BucketCache, minutes: i64, ids: &[&str]) -> Vec<(i64, String)> {
    let batches = cache.plan(window(minutes), agents(ids), 2, |agent| *agent.id == *"suspect");
    let shown = |batch: &Batch| {
        assert_eq!(batch.query.unwrap().range.end, window(minutes).end);
        let ids: Vec<_> = batch.agents.iter().map(|agent| &*agent.id).collect();
        let start = batch.query.unwrap().range.start.micros();
        ((NOON.micros() - start) / 3_600_000_000, ids.join(" "))
    };
    batches.iter().map(shown).collect()
}

/// Carries a plan out but for the batches of agents in `failing`; all agents were Available all the time.
fn refresh(cache: &mut BucketCache, minutes: i64, ids: &[&str], failing: &[&str]) {
    let window = window(minutes);
    for batch in cache.plan(window, agents(ids), 2, |_| false) {
        if batch.agents.iter().any(|agent| failing.contains(&&*agent.id)) {
            continue;
        }
        let query = batch.query.unwrap();
        let mut tally = Tally::new(window, batch.agents.clone(), [].into(), &[]);
        for agent in &batch.agents {
            let mut start = query.range.start;
            while start < window.end {
                let (index, state) = (tally.agent(&agent.id), tally.state_named("Available"));
                tally.state(Some(state), Ok(Micros::from_seconds(3600)));
                tally.bucket(index, Some(start), Some(start + HOUR));
                start = start + HOUR;
            }
        }
        let until = cache.settled(query, window, Duration::ZERO);
        let mut outcome = IncrementalTally::new(tally, query).finish(&batch.histories, until);
        for presence in &outcome.tally.agents {
            assert_eq!(presence.as_ref().unwrap().observed, window.length(), "{minutes}");
        }
        cache.keep(&batch, window, &mut outcome, &vec![false; batch.agents.len()]);
    }
    cache.refreshed(window, true);
}

#[test]
fn only_unsettled_buckets_are_requested_again() {
    let mut cache = BucketCache::new(SETTINGS, HOUR);
    assert_eq!(plan(&cache, 0, &["1", "2", "3"]), [(24, "1 2".into()), (24, "3".into())]);
    refresh(&mut cache, 0, &["1", "2", "3"], &[]);
    // At noon the hour before eleven has settled, the one before noon has not.
    assert_eq!(plan(&cache, 1, &["1", "2", "3"]), [(1, "1 2".into()), (1, "3".into())]);
    // New agents are read in full, in a batch of their own.
    assert_eq!(plan(&cache, 1, &["1", "2", "new"]), [(1, "1 2".into()), (24, "new".into())]);
    assert_eq!(plan(&cache, 1, &["suspect", "1"]), [(1, "1".into()), (24, "suspect".into())]);
    // A batch that fails is asked from where it was.
    refresh(&mut cache, 31, &["1", "2", "3"], &["3"]);
    assert_eq!(plan(&cache, 32, &["1", "2", "3"]), [(1, "3 1".into()), (0, "2".into())]);
    refresh(&mut cache, 32, &["1", "2", "3"], &[]);
    assert_eq!(plan(&cache, 33, &["1", "2", "3"]), [(0, "1 2".into()), (0, "3".into())]);
    // The clock was set back, and a resync is due.
    assert_eq!(plan(&cache, 31, &["1", "2"]), [(24, "1 2".into())]);
    assert_eq!(plan(&cache, 359, &["1", "2"]), [(0, "1 2".into())]);
    assert_eq!(plan(&cache, 360, &["1", "2"])[0].0, 18);
}

#[test]
fn full_refreshes_are_spread_over_the_interval() {
    let mut cache = BucketCache::new(SETTINGS, HOUR);
    let ids: Vec<String> = (0..40).map(|id| id.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    cache.spread(ids.len(), 10);
    refresh(&mut cache, 0, &ids, &[]);
    let mut turns = HashMap::<String, Vec<i64>>::new();
    for minutes in (10..12 * 60).step_by(10) {
        for batch in cache.plan(window(minutes), agents(&ids), 2, |_| false) {
            if batch.query.unwrap().range.start <= window(minutes).start {
                batch.agents.iter().for_each(|agent| turns.entry(agent.id.to_string()).or_default().push(minutes));
            }
        }
        refresh(&mut cache, minutes, &ids, &[]);
    }
    assert_eq!(turns.len(), ids.len());
    for (agent, turns) in &turns {
        assert!(turns[0] <= 360 && turns.windows(2).all(|turns| turns[1] - turns[0] == 360), "{agent}: {turns:?}");
    }
    let firsts: std::collections::BTreeSet<_> = turns.values().map(|turns| turns[0]).collect();
    assert_eq!(firsts.into_iter().collect::<Vec<_>>(), [90, 180, 270, 360]);
}

#[test]
fn boundaries_at_half_past_and_a_cut_running_hour() {
    let mut cache = BucketCache::new(SETTINGS, HOUR);
    let half_past = BucketBoundaries::new(HOUR).through(NOON.saturating_sub(HOUR / 2));
    let mut read_hours = Vec::new();
    for minutes in [0, 1, 2, 62] {
        let window = window(minutes);
        let mut answer = |tally: &mut Tally, range: Window| {
            let mut start = half_past.floor(range.start);
            while start < window.end {
                let (agent, state) = (tally.agent("1"), tally.state_named("Busy"));
                tally.state(Some(state), Ok(Micros::from_seconds(60)));
                tally.bucket(agent, Some(start), Some(half_past.next(start).min(window.end)));
                start = half_past.next(start);
            }
            read_hours.push(range.length().get() / 3_600_000_000);
        };
        for batch in cache.plan(window, agents(&["1"]), 2, |_| false) {
            read(&mut cache, batch, window, Duration::ZERO, &mut answer);
        }
    }
    // At first it is unknown where hours begin, so everything is read once more, and the part of the first hour in the
    // window, which shows that it is not cut.
    assert_eq!(read_hours, [24, 24, 0, 0, 0, 1]);
    assert!(!cache.cuts);
}

#[test]
fn old_histories_and_removed_agents_are_dropped() {
    let settings = Incremental { full_refresh_interval: 100 * HOUR, ..SETTINGS };
    let mut cache = BucketCache::new(settings, HOUR);
    refresh(&mut cache, 0, &["1", "2", "3"], &[]);
    cache.retain(|agent| **agent != *"3");
    refresh(&mut cache, 60, &["1"], &[]);
    let mut known: Vec<_> = cache.known.keys().map(ToString::to_string).collect();
    known.sort();
    assert_eq!(known, ["1", "2"]);
    refresh(&mut cache, 24 * 60, &["1"], &[]);
    assert_eq!(cache.known.keys().map(|id| &**id).collect::<Vec<_>>(), ["1"], "all that was known of 2 is too old");
}

#[test]
fn settled_follows_the_servers_clock() {
    let cache = BucketCache::new(SETTINGS, HOUR);
    let query = BucketQuery { boundaries: BucketBoundaries::new(HOUR), range: window(0) };
    assert_eq!(cache.settled(query, window(30), Duration::ZERO), NOON);
    assert_eq!(cache.settled(query, window(29), Duration::ZERO), NOON.saturating_sub(HOUR));
    assert_eq!(cache.settled(query, window(31), 2 * MINUTE), NOON.saturating_sub(HOUR));
}

#[test]
fn distrusted_server_is_requested_in_full() {
    let mut cache = BucketCache::new(SETTINGS, HOUR);
    refresh(&mut cache, 0, &["1"], &[]);
    assert!(cache.distrust(window(1).end));
    assert!(!cache.distrust(window(2).end), "it was told once");
    refresh(&mut cache, 361, &["1"], &[]);
    assert_eq!(plan(&cache, 361, &["1"])[0].0, 18);
    assert_eq!(plan(&cache, 362, &["1"])[0].0, -5);
}

/// A server that answers more than it was asked for may have changed what is kept. It is asked for all at once, and each
/// time from then on.
#[test]
fn bucket_before_the_range_causes_a_full_read() {
    let mut cache = BucketCache::new(SETTINGS, HOUR);
    let mut ranges = Vec::new();
    for (minutes, seconds) in [(0, 1800), (1, 1800), (2, 600), (3, 700)] {
        let window = window(minutes);
        let mut answer = |tally: &mut Tally, range: Window| {
            ranges.push((minutes, range.length().seconds_f64() / 3600.0 >= 24.0));
            // The hour from nine to ten, which has settled long ago, and the running one.
            let of_nine = (2..4).contains(&minutes) || range.start < NOON.saturating_sub(3 * HOUR);
            for start in [NOON.saturating_sub(3 * HOUR), NOON].into_iter().skip(usize::from(!of_nine)) {
                let (agent, state) = (tally.agent("1"), tally.state_named("Busy"));
                tally.state(Some(state), Ok(Micros::from_seconds(if start == NOON { 0 } else { seconds })));
                tally.bucket(agent, Some(start), Some(start + HOUR));
            }
        };
        for batch in cache.plan(window, agents(&["1"]), 2, |_| false) {
            let counted = read(&mut cache, batch, window, Duration::ZERO, &mut answer);
            assert_eq!(counted.agents[0].as_ref().unwrap().observed, Micros::from_seconds(seconds), "{minutes}");
        }
    }
    assert_eq!(ranges, [(0, true), (1, false), (2, false), (2, true), (3, true)]);
}

#[test]
fn warning_that_nothing_is_kept_comes_once() {
    let mut cache = BucketCache::new(SETTINGS, HOUR);
    let told: Vec<_> = (0..6).map(|_| cache.refreshed(window(0), true)).collect();
    assert_eq!(told, [false, false, true, false, false, false]);
    assert!(!cache.refreshed(window(0), false));
}
