//! Sums against a slow count of seconds, over random timelines and servers, late rows, changes during a refresh, failures and
//! restarts.

use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;
use crate::presence::timeline::model_server::{self, ModelRow, Segment, ServerVariant};

pub(super) const AGENTS: [&str; 2] = ["1", "2"];
pub(super) const STATES: [&str; 3] = ["Available", "InboundContact", "LoggedOut"];
/// The start of every timeline: before the window and within the look-back.
const BEGIN: i64 = -DAY - LOOKBACK / 2;

/// A server, and how it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server {
    pub(super) variant: ServerVariant,
    keys: Keys,
    in_bulk: bool,
    /// How long the current states take, in which states may change.
    delay: i64,
}

/// What identifies rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    None,
    Unique,
    /// Every row has the index 0.
    Repeated,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    seconds: i64,
    fails: bool,
    restarts: bool,
}

pub(super) fn seconds_after_now(time: Timestamp) -> i64 {
    (time.micros() - NOW.micros()).div_euclid(1_000_000)
}

pub(super) fn after_now(seconds: i64) -> Timestamp {
    Timestamp::from_micros(NOW.micros() + seconds * 1_000_000)
}

/// The rows of `agent` that are returned at `now` for the range `[from, to)`.
fn rows_of(agent: &str, segments: &[Segment], server: Server, range: (i64, i64), now: i64) -> Vec<String> {
    let row = |ModelRow { nth, state, start, length }| {
        let duration = length.map_or("null".to_owned(), |length| format!(r#""PT{length}S""#));
        let key = match server.keys {
            Keys::None => String::new(),
            Keys::Unique => format!(r#","agentSessionId":5,"stateIndex":{nth}"#),
            Keys::Repeated => r#","agentSessionId":5,"stateIndex":0"#.to_owned(),
        };
        format!(
            r#"{{"agentId":"{agent}","agentStateName":"{}","startDate":"{}","duration":{duration}{key}}}"#,
            STATES[state],
            after_now(start)
        )
    };
    model_server::rows(segments, server.variant, range, now).into_iter().map(row).collect()
}

/// The server, which refuses all but the current states while `fails` is set.
pub(super) fn failing(
    timelines: Vec<Vec<Segment>>,
    server: Server,
    fails: Arc<AtomicBool>,
) -> impl Fn(&str, &DrivenClock) -> (u16, String) {
    move |target, clock| match respond(target, clock, &timelines, server) {
        _ if fails.load(Ordering::Relaxed) && !target.starts_with("/agents/states") => refused(500),
        answer => answer,
    }
}

fn respond(target: &str, clock: &DrivenClock, timelines: &[Vec<Segment>], server: Server) -> (u16, String) {
    if target.starts_with("/agents/states") {
        clock.advance(Duration::from_secs(server.delay.cast_unsigned()));
        let now = seconds_after_now(clock.now());
        let rows = AGENTS.iter().zip(timelines).filter_map(|(agent, segments)| {
            let segment = segments.iter().find(|segment| segment.is_current(now))?;
            let state = STATES[segment.state?];
            let start = server.variant.has_start.then(|| format!(r#","startDate":"{}""#, after_now(segment.start)));
            let start = start.unwrap_or_default();
            Some(format!(r#"{{"agentId":"{agent}","agentStateName":"{state}"{start}}}"#))
        });
        return states(&rows.collect::<Vec<_>>());
    }
    let url = Url::parse(&format!("http://h{target}")).unwrap();
    let time = |name| {
        let text = url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert!(!text.contains('.'), "{text} is not in whole seconds");
        seconds_after_now(Timestamp::parse(text.as_bytes()).unwrap())
    };
    let (range, now) = ((time("startDate"), time("endDate")), seconds_after_now(clock.now()));
    let asked = url.path().split('/').nth(2).unwrap();
    if asked == "state-history" && !server.in_bulk {
        return refused(404);
    }
    let rows = AGENTS.iter().zip(timelines).filter(|(agent, _)| asked == "state-history" || asked == **agent);
    history(&rows.flat_map(|(agent, segments)| rows_of(agent, segments, server, range, now)).collect::<Vec<_>>())
}

/// The least and the most seconds in each state that are right for the window that ends at `end`, of rows that have arrived
/// by `now`. The source has read the history since `first`, all of it in this refresh if `is_full`.
fn bounds(segments: &[Segment], server: Server, first: i64, end: i64, now: i64, is_full: bool) -> [(i64, i64); 3] {
    let ServerVariant { by_start, clips, has_start, .. } = server.variant;
    let mut bounds = [(0, 0); 3];
    for segment in segments {
        let Some(state) = segment.state else { continue };
        let inside = segment.inside(end - DAY, end);
        // A full sync finds the late row of a state that was never observed and was followed by a gap.
        let absent = segments.iter().any(|other| other.state.is_none() && other.is_current(first));
        let is_missed = (by_start || clips) && absent && segment.end <= first && segment.end + segment.late > first;
        let is_known = if has_start {
            !segment.is_pending(now) && !is_missed
        } else {
            // The row of a state that began before the tail is returned for a range with its start only, or is cut there.
            segment.has_arrived(now) && !is_missed && (is_full || !(by_start || clips))
        };
        bounds[state].0 += if is_known { inside } else { 0 };
        bounds[state].1 += inside;
    }
    bounds
}

/// The state at `end`, and the time in it.
fn current(segments: &[Segment], end: i64) -> Option<(usize, i64)> {
    let at = segments.iter().position(|segment| segment.is_current(end - 1))?;
    let state = segments[at].state?;
    let run = segments[..=at].iter().rev().take_while(|segment| segment.state == Some(state));
    Some((state, end - run.last()?.start))
}

fn segments() -> impl Strategy<Value = Vec<(Option<usize>, i64)>> {
    let state = prop_oneof![3 => (0_usize..3).prop_map(Some), 1 => Just(None)];
    // Long enough that a change is not taken for an instant, short enough to begin within the look-back.
    prop::collection::vec((state, prop_oneof![1 => 10_i64..900, 2 => 900_i64..18_000]), 4..30)
}

pub(super) fn servers() -> impl Strategy<Value = Server> {
    let keys = prop_oneof![Just(Keys::None), Just(Keys::Unique), Just(Keys::Repeated)];
    let variant = model_server::servers(prop_oneof![Just(0), 0..SETTLE], prop::bool::weighted(0.7));
    (variant, keys, any::<bool>(), prop_oneof![Just(0_i64), 0_i64..20])
        .prop_map(|(variant, keys, in_bulk, delay)| Server { variant, keys, in_bulk, delay })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seconds = prop_oneof![2 => 30_i64..130, 1 => 1_i64..5_000];
    let step = (seconds, prop::bool::weighted(0.15), prop::bool::weighted(0.05));
    let step = step.prop_map(|(seconds, fails, restarts)| Step { seconds, fails, restarts });
    prop::collection::vec(step, 1..14)
}

async fn run(
    changes: Vec<Vec<(Option<usize>, i64)>>,
    server: Server,
    mut steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let ServerVariant { by_start, late, has_start, .. } = server.variant;
    let timelines = changes.into_iter().map(|mut changes| {
        // Without a start and its row, a state cannot be told from one that began after a gap.
        changes.retain(|(state, _)| state.is_some() || has_start || !by_start);
        changes.push((Some(0), 600));
        model_server::timeline(&changes, (BEGIN, 3 * DAY), late)
    });
    let timelines: Vec<_> = timelines.collect();
    // In the end, all rows have arrived and a full sync is due.
    steps.push(Step { seconds: 5 * HOUR, fails: false, restarts: false });
    let fails = Arc::new(AtomicBool::new(false));
    let mut test = ApiTest::new(|_| (), failing(timelines.clone(), server, Arc::clone(&fails))).await;
    let mut first = None;
    for (nth, step) in steps.iter().enumerate() {
        test.advance(step.seconds);
        if step.restarts {
            test.restart();
            first = None;
        }
        fails.store(step.fails, Ordering::Relaxed);
        let end = seconds_after_now(test.clock.now());
        let result = test.fetch(&AGENTS).await;
        prop_assert_eq!(result.error.is_some(), step.fails, "{:?}", result.error);
        if step.fails {
            continue;
        }
        let (counted, now) = (seconds(&result), end + server.delay);
        let is_full = first.is_none() || nth + 1 == steps.len();
        first = first.or(Some(now));
        for (agent, segments) in AGENTS.iter().zip(&timelines) {
            let states = counted.get(*agent).map(Vec::as_slice).unwrap_or_default();
            for (name, (least, most)) in
                STATES.iter().zip(bounds(segments, server, first.unwrap_or(now), end, now, is_full))
            {
                let time = states.iter().find(|(state, _)| state == name).map_or(0, |(_, time)| time.cast_signed());
                prop_assert!(
                    // Times up to a second apart are the same.
                    least - 1 <= time && time <= most + 1,
                    "refresh {nth} at {end}, agent {agent}: {time} s in {name}, not {least} to {most}: {server:?}, {steps:?}"
                );
            }
            let answered = result.answered.iter().find(|(id, _)| **id == **agent);
            let reported = answered.and_then(|(_, presence)| presence.as_ref()?.current.clone());
            if let (Some((name, time)), Some((state, most))) = (reported, current(segments, end))
                && *name == *STATES[state]
            {
                let time = time.get().cast_signed() / 1_000_000;
                prop_assert!(
                    time <= most + 1,
                    "refresh {nth} at {end}, agent {agent}: in {name} for {time} s, not {most}"
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_exact_but_for_rows_that_have_not_arrived(
        changes in prop::collection::vec(segments(), 2),
        server in servers(),
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(changes, server, steps))?;
    }
}
