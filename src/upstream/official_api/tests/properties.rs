//! Sums against a slow count of seconds, over random timelines and servers, late rows, changes during a refresh, failures and
//! restarts.

use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;

const AGENTS: [&str; 2] = ["1", "2"];
const STATES: [&str; 3] = ["Available", "InboundContact", "LoggedOut"];
/// The start of every timeline: before the window and within the look-back.
const BEGIN: i64 = -DAY - LOOKBACK / 2;

/// Undocumented behaviour of a server.
#[derive(Debug, Clone, Copy)]
struct ServerVariant {
    /// Rows are selected by their start, not by overlap.
    by_start: bool,
    clips: bool,
    open: Open,
    keys: Keys,
    /// The longest delay of a row after its end.
    late: i64,
    in_bulk: bool,
    /// How long the current states take, in which states may change.
    delay: i64,
}

/// How the history lists the current state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Not,
    WithLength,
    WithoutLength,
    WithZero,
}

/// What identifies rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    None,
    Unique,
    /// Every row has the index 0.
    Repeated,
}

/// A state, or a gap, in seconds after [`NOW`].
#[derive(Debug, Clone, Copy)]
struct Segment {
    state: Option<usize>,
    start: i64,
    end: i64,
    late: i64,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    seconds: i64,
    fails: bool,
    restarts: bool,
}

fn timeline(changes: &[(Option<usize>, i64)], late: i64) -> Vec<Segment> {
    let mut start = BEGIN;
    let segments = changes.iter().cycle().enumerate().map(|(nth, (state, length))| {
        let end = start + length;
        let segment = Segment { state: *state, start, end, late: nth as i64 * 997 % (late + 1) };
        start = end;
        segment
    });
    segments.take_while(|segment| segment.start < 3 * DAY).collect()
}

fn seconds_after_now(time: Timestamp) -> i64 {
    (time.micros() - NOW.micros()).div_euclid(1_000_000)
}

fn after_now(seconds: i64) -> Timestamp {
    Timestamp::from_micros(NOW.micros() + seconds * 1_000_000)
}

/// The rows of `agent` that are returned at `now` for the range `[from, to)`.
fn rows_of(agent: &str, segments: &[Segment], server: ServerVariant, (from, to): (i64, i64), now: i64) -> Vec<String> {
    let mut rows = Vec::new();
    for (nth, segment) in segments.iter().enumerate() {
        let Some(state) = segment.state else { continue };
        let is_open = segment.end > now;
        let selected = if server.by_start { segment.start >= from } else { segment.end > from };
        let arrived = if is_open { server.open != Open::Not } else { segment.end + segment.late <= now };
        if segment.start >= to || segment.start > now || !selected || !arrived {
            continue;
        }
        let (mut start, mut end) = (segment.start, segment.end.min(now));
        if server.clips {
            (start, end) = (start.max(from), end.min(to));
        }
        let duration = match server.open {
            Open::WithoutLength if is_open => "null".to_owned(),
            Open::WithZero if is_open => r#""PT0S""#.to_owned(),
            _ => format!(r#""PT{}S""#, end - start),
        };
        let key = match server.keys {
            Keys::None => String::new(),
            Keys::Unique => format!(r#","agentSessionId":5,"stateIndex":{nth}"#),
            Keys::Repeated => r#","agentSessionId":5,"stateIndex":0"#.to_owned(),
        };
        rows.push(format!(
            r#"{{"agentId":"{agent}","agentStateName":"{}","startDate":"{}","duration":{duration}{key}}}"#,
            STATES[state],
            after_now(start)
        ));
    }
    rows
}

fn respond(target: &str, clock: &DrivenClock, timelines: &[Vec<Segment>], server: ServerVariant) -> (u16, String) {
    if target.starts_with("/agents/states") {
        clock.advance(Duration::from_secs(server.delay.cast_unsigned()));
        let now = seconds_after_now(clock.now());
        let rows = AGENTS.iter().zip(timelines).filter_map(|(agent, segments)| {
            let segment = segments.iter().find(|segment| segment.start <= now && now < segment.end)?;
            let state = STATES[segment.state?];
            let start = after_now(segment.start);
            Some(format!(r#"{{"agentId":"{agent}","agentStateName":"{state}","startDate":"{start}"}}"#))
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
/// by `now`. The source has read the history since `first`.
fn bounds(segments: &[Segment], server: ServerVariant, first: i64, end: i64, now: i64) -> [(i64, i64); 3] {
    let mut truth = [0; 3];
    let inside = |from: i64, to: i64| (to.min(end) - from.max(end - DAY)).max(0);
    for segment in segments {
        for _ in segment.start.max(end - DAY)..segment.end.min(end) {
            if let Some(state) = segment.state {
                truth[state] += 1;
            }
        }
    }
    let mut bounds = truth.map(|time| (time, time));
    for (nth, segment) in segments.iter().enumerate() {
        let Some(state) = segment.state else { continue };
        let is_pending = |segment: &Segment| segment.end <= now && segment.end + segment.late > now;
        // A full sync finds the late row of a state that was never observed and was followed by a gap.
        let absent = segments.iter().any(|other| other.state.is_none() && other.start <= first && first < other.end);
        if (server.by_start || server.clips)
            && absent
            && segment.end <= first
            && segment.end + segment.late > first
            && !is_pending(segment)
        {
            bounds[state].0 -= inside(segment.start, segment.end);
        }
        if is_pending(segment) {
            bounds[state].0 -= inside(segment.start, segment.end);
            // It is taken to last until a state that began during a refresh, if there is no row in between.
            let later = segments.iter().skip(nth + 1);
            for unknown in later.take_while(|later| later.state.is_none() || is_pending(later)) {
                bounds[state].1 += inside(unknown.start, unknown.end);
            }
        }
    }
    bounds
}

fn segments() -> impl Strategy<Value = Vec<(Option<usize>, i64)>> {
    let state = prop_oneof![3 => (0_usize..3).prop_map(Some), 1 => Just(None)];
    // Long enough that a change is not taken for an instant, short enough to begin within the look-back.
    prop::collection::vec((state, prop_oneof![1 => 10_i64..900, 2 => 900_i64..18_000]), 4..30)
}

fn servers() -> impl Strategy<Value = ServerVariant> {
    let open = prop_oneof![Just(Open::Not), Just(Open::WithLength), Just(Open::WithoutLength), Just(Open::WithZero)];
    let keys = prop_oneof![Just(Keys::None), Just(Keys::Unique), Just(Keys::Repeated)];
    let late = prop_oneof![Just(0), 0..SETTLE];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (open, keys, late, flags, prop_oneof![Just(0_i64), 0_i64..20]).prop_map(|(open, keys, late, flags, delay)| {
        let (by_start, clips, in_bulk) = flags;
        ServerVariant { by_start, clips, open, keys, late, in_bulk, delay }
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seconds = prop_oneof![2 => 30_i64..130, 1 => 1_i64..5_000];
    let step = (seconds, prop::bool::weighted(0.15), prop::bool::weighted(0.05));
    let step = step.prop_map(|(seconds, fails, restarts)| Step { seconds, fails, restarts });
    prop::collection::vec(step, 1..14)
}

async fn run(
    changes: Vec<Vec<(Option<usize>, i64)>>,
    server: ServerVariant,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let timelines: Vec<_> = changes.iter().map(|changes| timeline(changes, server.late)).collect();
    let fails = Arc::new(AtomicBool::new(false));
    let script = {
        let (timelines, fails) = (timelines.clone(), Arc::clone(&fails));
        move |target: &str, clock: &DrivenClock| match respond(target, clock, &timelines, server) {
            _ if fails.load(Ordering::Relaxed) && !target.starts_with("/agents/states") => refused(500),
            answer => answer,
        }
    };
    let mut test = ApiTest::new(|_| (), script).await;
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
        first = first.or(Some(now));
        for (agent, segments) in AGENTS.iter().zip(&timelines) {
            let states = counted.get(*agent).map(Vec::as_slice).unwrap_or_default();
            for (name, (least, most)) in STATES.iter().zip(bounds(segments, server, first.unwrap_or(now), end, now)) {
                let time = states.iter().find(|(state, _)| state == name).map_or(0, |(_, time)| time.cast_signed());
                prop_assert!(
                    // Times up to a second apart are the same.
                    least - 1 <= time && time <= most + 1,
                    "refresh {nth} at {end}, agent {agent}: {time} s in {name}, not {least} to {most}: {server:?}, {steps:?}"
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
