//! Counters against a slow count of seconds: late data, corrections, outages, renamed states.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::Monotonic;
use crate::presence::{OTHER_STATE, Tally, WatchedAgent};
use crate::refresh::tests::tenant;
use crate::refresh::{AgentData, AgentRow, Moment};

const WINDOW: i64 = 240;
/// The length of a part.
const PART: i64 = 60;
const END: i64 = 2_400;
pub(crate) const STATES: [&str; 3] = ["Available", "Busy", "Offline"];

/// What CXone says of one agent, second by second.
#[derive(Clone)]
pub(crate) struct Server {
    /// The truth; `None`: nothing is reported.
    states: Vec<Option<usize>>,
    /// From when on a second is reported.
    known_at: Vec<i64>,
    /// Another state that is reported before a time.
    wrong: Vec<Option<(usize, i64)>>,
}

/// Short, because a failed property prints it: the states, run by run, and the number of seconds.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let runs = self.states.chunk_by(PartialEq::eq).map(|run| (run[0], run.len()));
        f.debug_list().entries(runs).finish()
    }
}

pub(crate) fn server(lateness: i64, correction: i64) -> impl Strategy<Value = Server> {
    any::<u64>().prop_map(move |seed| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut server = Server { states: Vec::new(), known_at: Vec::new(), wrong: Vec::new() };
        while server.states.len() < usize::try_from(END).unwrap() {
            let (state, late) = (rng.usize(..4), rng.i64(0..=lateness));
            let wrong = (rng.u8(..5) == 0 && correction > 0).then(|| (rng.usize(..3), rng.i64(1..=correction)));
            for _ in 0..rng.usize(1..60) {
                let second = i64::try_from(server.states.len()).unwrap();
                server.states.push((state < 3).then_some(state));
                server.known_at.push(second + 1 + late);
                server.wrong.push(wrong.map(|(state, after)| (state, second + 1 + after)));
            }
        }
        server
    })
}

impl Server {
    /// What is said at `now` of a second.
    fn state(&self, second: i64, now: i64) -> Option<usize> {
        let at = usize::try_from(second).ok().filter(|at| *at < self.states.len() && now >= self.known_at[*at])?;
        self.wrong[at].filter(|(_, until)| now < *until).map(|(state, _)| state).or(self.states[at])
    }

    /// The seconds by state that are known at `now`, from `from` on.
    pub(crate) fn count(&self, from: i64, now: i64, is_counted: impl Fn(i64) -> bool) -> BTreeMap<usize, i64> {
        let mut count = BTreeMap::new();
        for second in (from..now).filter(|second| is_counted(*second)) {
            if let Some(state) = self.state(second, now) {
                *count.entry(state).or_default() += 1;
            }
        }
        count
    }

    /// The presence in a window that ends at `now`, by the real tally.
    pub(crate) fn presence(&self, now: i64) -> Option<AgentPresence> {
        self.presence_within(window(now), now)
    }

    /// What is said at `now` of a window, which is another one where the exporter's clock is wrong.
    fn presence_within(&self, window: Window, now: i64) -> Option<AgentPresence> {
        let agent = WatchedAgent { id: "1".into(), schedule: None };
        let mut tally = Tally::new(window, vec![agent], [].into(), &[]);
        for second in window.start.micros() / 1_000_000..window.end.micros() / 1_000_000 {
            let Some(state) = self.state(second, now) else { continue };
            let (agent, state) = (tally.agent("1"), tally.state_named(STATES[state]));
            tally.state(Some(state), Ok(Micros::from_seconds(1)));
            tally.bucket(agent, Some(Timestamp::from_seconds(second)), Some(Timestamp::from_seconds(second + 1)));
        }
        tally.finish().agents.remove(0)
    }
}

/// The counters after a refresh that read `data`, whose rows still have their parts.
pub(crate) fn refreshed(counters: &StateCounters, data: &Snapshot) -> StateCounters {
    let read = data.tenant.agents.iter().zip(&data.rows).filter_map(|(agent, row)| {
        let parts = row.data.as_ref()?.presence.as_ref()?.parts.clone();
        Some((Arc::clone(&agent.id), parts))
    });
    counters.after(data, &ReadParts(read.collect()))
}

fn window(end: i64) -> Window {
    Window::ending_at(Timestamp::from_seconds(end), Duration::from_secs(WINDOW.unsigned_abs()))
}

pub(crate) fn snapshot(tenant: &Arc<Tenant>, presence: Option<AgentPresence>, now: i64) -> Snapshot {
    snapshot_of(tenant, presence, window(now))
}

fn snapshot_of(tenant: &Arc<Tenant>, presence: Option<AgentPresence>, window: Window) -> Snapshot {
    let read_at = Moment { monotonic: Monotonic::default(), utc: window.end };
    let mut snapshot = Snapshot::empty(Arc::clone(tenant));
    snapshot.rows[0] = AgentRow { data: Some(Arc::new(AgentData { presence, window, read_at })) };
    snapshot
}

pub(crate) fn counting_tenant() -> Arc<Tenant> {
    let mut tenant = tenant();
    tenant.query.incremental = Some(crate::config::Incremental::default());
    tenant.query.window = Duration::from_secs(WINDOW.unsigned_abs());
    Arc::new(tenant)
}

/// Seconds by state of an agent.
pub(crate) fn seconds(counters: &StateCounters, agent: usize) -> BTreeMap<usize, i64> {
    let time = |(name, time): (&StateName, Micros)| {
        let state = STATES.iter().position(|state| **state == **name).unwrap();
        assert_eq!(time.get() % 1_000_000, 0);
        (state, i64::try_from(time.get() / 1_000_000).unwrap())
    };
    counters.of(&agent.to_string().into()).into_iter().flatten().map(time).filter(|(_, seconds)| *seconds > 0).collect()
}

proptest! {
    /// Each counter is the highest sum so far, to the second, so it equals the truth where nothing awaits correction.
    #[test]
    fn counters_equal_the_slow_count(
        server in server(40, 90),
        steps in prop::collection::vec((1..40_i64, prop::bool::weighted(0.2)), 1..60),
    ) {
        let tenant = counting_tenant();
        let mut counters = StateCounters::default();
        let (mut now, mut first, mut expected) = (300, None, BTreeMap::<usize, i64>::new());
        for (after, is_read_twice) in steps {
            now += after;
            let begins = first.get_or_insert_with(|| {
                let from = now.div_euclid(PART) * PART;
                (from, server.count(from, now, |_| true))
            }).0;
            let sum = server.count(begins, now, |_| true);
            for (state, seconds) in sum {
                let before = first.as_ref().and_then(|(_, at_first)| at_first.get(&state)).copied().unwrap_or_default();
                let highest = expected.entry(state).or_default();
                *highest = (*highest).max(seconds - before);
            }
            for _ in 0..=usize::from(is_read_twice) {
                counters = refreshed(&counters, &snapshot(&tenant, server.presence(now), now));
            }
            let highest: BTreeMap<usize, i64> = expected.clone().into_iter().filter(|(_, seconds)| *seconds > 0).collect();
            prop_assert_eq!(seconds(&counters, 1), highest, "at {}", now);
        }
    }

    /// After any outage, what can still be read counts, and once. Between three quarters of the window and the whole of it, some
    /// of what can be read cannot be told from what was read.
    #[test]
    fn counters_after_an_outage(
        server in server(0, 0),
        steps in prop::collection::vec(prop_oneof![4 => 1..40_i64, 1 => 40..180_i64, 1 => 180..240_i64, 1 => 240..700_i64], 1..30),
    ) {
        let tenant = counting_tenant();
        let mut counters = StateCounters::default();
        let (mut now, mut read_to, mut is_exact) = (300, None, true);
        let mut covered = vec![false; usize::try_from(END * 30).unwrap()];
        let first = now + steps[0];
        for after in steps {
            now += after;
            is_exact &= !(180..240).contains(&after) || read_to.is_none();
            let before = seconds(&counters, 1);
            counters = refreshed(&counters, &snapshot(&tenant, server.presence(now), now));
            for second in first.max(now - WINDOW)..now {
                covered[usize::try_from(second).unwrap()] = true;
            }
            let truth = server.count(first, now, |second| covered[usize::try_from(second).unwrap()]);
            let is = seconds(&counters, 1);
            prop_assert!(before.iter().all(|(state, seconds)| is[state] >= *seconds));
            if is_exact {
                prop_assert_eq!(&is, &truth, "at {}", now);
            }
            let (total, at_most) = (is.values().sum::<i64>(), truth.values().sum::<i64>());
            prop_assert!(total <= at_most, "{total} of {at_most} at {now}");
            read_to = Some(now);
        }
    }
}

/// What happens before a reading.
#[derive(Debug, Clone, Copy)]
enum Change {
    Nothing,
    /// The exporter's clock is so many seconds ahead from now on.
    Clock(i64),
    /// The configuration has other names of states, or a window of another length.
    States,
    Window,
    /// The answer says nothing of the agent.
    Silence,
}

/// Two clocks of this are less than the shorter window apart. Further back, what is read again cannot be told from what is new.
const NEAR: i64 = 80;

fn change() -> impl Strategy<Value = Change> {
    let clock = prop_oneof![2 => Just(0), 4 => -NEAR..NEAR, 1 => -600..600_i64];
    prop_oneof![
        8 => Just(Change::Nothing),
        2 => clock.prop_map(Change::Clock),
        1 => Just(Change::States),
        1 => Just(Change::Window),
        1 => Just(Change::Silence),
    ]
}

proptest! {
    /// Whatever the clock and the configuration do, no counter decreases, no second counts twice unless the clock is set back by
    /// more than a window, and the count goes on.
    #[test]
    fn counters_after_clock_and_config_changes(
        server in server(30, 0),
        steps in prop::collection::vec((1..40_i64, change()), 1..25),
    ) {
        let mut tenant = counting_tenant();
        let mut counters = Arc::new(StateCounters::default());
        let (mut now, mut clock, mut first) = (300, 0, None);
        let (mut last, mut at_last) = (BTreeMap::new(), 0);
        let is_near = |(_, change): &(i64, Change)| !matches!(change, Change::Clock(ahead) if ahead.abs() > NEAR);
        let counts_once = steps.iter().all(is_near);
        let may_wait = steps.iter().any(|(_, change)| matches!(change, Change::Clock(_)));
        let calm = (0..30).map(|_| (30, Change::Nothing));
        for (nth, (after, change)) in steps.into_iter().chain([(1, Change::Clock(0))]).chain(calm).enumerate() {
            now += after;
            let mut changed = Tenant::clone(&tenant);
            match change {
                Change::Clock(ahead) => clock = ahead,
                Change::States => _ = changed.states.map.insert(nth.to_string().into(), "Offline".into()),
                Change::Window => {
                    let short = Duration::from_secs(WINDOW.unsigned_abs() * 3 / 4);
                    changed.query.window = if changed.query.window == short { counting_tenant().query.window } else { short };
                }
                Change::Nothing | Change::Silence => {}
            }
            let changed = Arc::new(changed);
            counters = counters.carried_over(&tenant, &changed);
            tenant = changed;
            let window = Window::ending_at(Timestamp::from_seconds(now + clock), tenant.query.window);
            let presence = server.presence_within(window, now).filter(|_| !matches!(change, Change::Silence));
            // What was known at the first reading does not count; of what came before, late rows of one part may.
            let (_, known) = *first.get_or_insert_with(|| {
                let from = now + clock - PART;
                let is_said = |second| second < now + clock && presence.is_some();
                (from, server.count(from, now, is_said).values().sum::<i64>())
            });
            counters = Arc::new(refreshed(&counters, &snapshot_of(&tenant, presence, window)));
            let is = seconds(&counters, 1);
            prop_assert!(last.iter().all(|(state, seconds)| is[state] >= *seconds), "{:?} {:?} at {}", last, is, now);
            let from = first.unwrap().0;
            let (total, at_most) = (is.values().sum::<i64>(), server.count(from, now, |_| true).values().sum::<i64>() - known);
            prop_assert!(total <= at_most || !counts_once, "{} of {} at {}", total, at_most, now);
            at_last = std::mem::replace(&mut last, is).values().sum::<i64>();
        }
        // Long after the last change, all that is reported counts at once. If states changed while the clock was set back, a
        // counter may still wait for time that it had before and that its sum lost.
        let rise = seconds(&counters, 1).values().sum::<i64>() - at_last;
        let known = |to| server.count(now - 150, to, |_| true).values().sum::<i64>();
        let truth = known(now) - known(now - 30);
        prop_assert!(rise == truth || may_wait && rise <= truth, "{} of {}: the count goes on at {}", rise, truth, now);
    }
}

#[test]
fn counters_go_on_after_states_are_renamed() {
    let old = counting_tenant();
    let mut renamed = Tenant::clone(&old);
    renamed.states.map.insert("Busy".into(), "Offline".into());
    let renamed = Arc::new(renamed);
    let server =
        |state| Server { states: vec![Some(state); 2_400], known_at: vec![0; 2_400], wrong: vec![None; 2_400] };
    let mut counters = Arc::new(StateCounters::default());
    for now in [400, 450] {
        counters = Arc::new(refreshed(&counters, &snapshot(&old, server(1).presence(now), now)));
    }
    assert_eq!(seconds(&counters, 1), BTreeMap::from([(1, 50)]));
    assert!(Arc::ptr_eq(&counters.carried_over(&old, &old), &counters));
    counters = counters.carried_over(&old, &renamed);
    // The first answer after the change says nothing.
    for (now, is_reported) in [(455, false), (460, true), (470, true), (520, true)] {
        let presence = server(2).presence(now).filter(|_| is_reported);
        counters = Arc::new(refreshed(&counters, &snapshot(&renamed, presence, now)));
    }
    assert_eq!(seconds(&counters, 1), BTreeMap::from([(1, 50), (2, 60)]), "no time counts under both names");

    let mut moved = Tenant::clone(&old);
    moved.connection.base_url = "https://other.example.com".parse().unwrap();
    let mut off = Tenant::clone(&old);
    off.counters = false;
    for other in [moved, off] {
        assert_eq!(*counters.carried_over(&old, &other), StateCounters::default());
    }
}

#[test]
fn counters_wait_while_the_clock_is_set_back_or_nothing_is_reported() {
    let tenant = counting_tenant();
    let server = Server { states: vec![Some(0); 2_400], known_at: vec![0; 2_400], wrong: vec![None; 2_400] };
    let mut counters = StateCounters::default();
    // The end of the window, whether anything is reported, and the counter.
    for (now, is_reported, expected) in [
        (500, false, 0),
        (520, true, 40),
        (530, true, 50),
        (500, true, 50),
        (540, false, 50),
        (900, false, 50),
        (910, true, 210),
        // Back by a window at most: nothing counts again, and what comes after it counts at once.
        (670, true, 210),
        (730, false, 210),
        (920, true, 220),
        // Back by more than a window: the count goes on, and what was counted before does not count once more.
        (400, true, 220),
        (410, true, 230),
        (900, true, 470),
        (930, true, 470),
        (940, true, 480),
    ] {
        let presence = server.presence(now).filter(|_| is_reported);
        counters = refreshed(&counters, &snapshot(&tenant, presence, now));
        let seconds = seconds(&counters, 1).get(&0).copied().unwrap_or_default();
        assert_eq!(seconds, expected, "at {now}");
    }
}

#[test]
fn a_part_at_the_start_of_the_window_is_counted_as_read_longest() {
    let tenant = counting_tenant();
    let server = Server { states: vec![Some(0); 2_400], known_at: vec![0; 2_400], wrong: vec![None; 2_400] };
    // The readings before and after an outage, and the counter. The part from 300 to 360 was not over at the first of them.
    let table = [
        // It is in the window as a whole.
        (350, 540, 240),
        // The window begins at 320: 300 to 350 were read before, and 320 to 360 can still be read.
        (350, 560, 250),
        // The window begins at 305: only 300 to 310 were read before.
        (310, 545, 240),
    ];
    for (before, after, expected) in table {
        let mut counters = StateCounters::default();
        for now in [300, before, after] {
            counters = refreshed(&counters, &snapshot(&tenant, server.presence(now), now));
        }
        assert_eq!(seconds(&counters, 1), BTreeMap::from([(0, expected)]), "{before} {after}");
    }
}

#[test]
fn counters_that_are_off_count_nothing() {
    let off = Arc::new(Tenant { counters: false, ..Tenant::clone(&counting_tenant()) });
    let server = Server { states: vec![Some(0); 2_400], known_at: vec![0; 2_400], wrong: vec![None; 2_400] };
    let mut counters = StateCounters::default();
    for now in [400, 450] {
        counters = refreshed(&counters, &snapshot(&off, server.presence(now), now));
    }
    assert_eq!(counters, StateCounters::default());
}

#[test]
fn agent_that_leaves_and_comes_back_goes_on() {
    let here = counting_tenant();
    let gone = Arc::new(Tenant { agents: here.agents[1..].to_vec(), ..Tenant::clone(&here) });
    let server = Server { states: vec![Some(0); 2_400], known_at: vec![0; 2_400], wrong: vec![None; 2_400] };
    let mut counters = Arc::new(StateCounters::default());
    for (tenant, now) in [(&here, 400), (&here, 450), (&gone, 500), (&here, 550)] {
        counters = counters.carried_over(&here, tenant);
        counters = Arc::new(refreshed(&counters, &snapshot(tenant, server.presence(now), now)));
    }
    assert_eq!(seconds(&counters, 1), BTreeMap::from([(0, 150)]));
}

#[test]
fn counters_of_former_agents_and_of_states_are_bounded() {
    let tenant = counting_tenant();
    let mut counters = StateCounters::default();
    let former = |nth: usize| {
        let read_to = Timestamp::from_micros(i64::try_from(nth).unwrap());
        (AgentId::from(format!("former-{nth}")), Arc::new(AgentCounter { read_to, ..AgentCounter::default() }))
    };
    counters.agents.extend((0..MAX_FORMER_AGENTS + 7).map(former));
    let counters = refreshed(&counters, &snapshot(&tenant, None, 400));
    assert!(counters.agents.len() <= MAX_FORMER_AGENTS + tenant.agents.len());
    assert!(!counters.agents.contains_key("former-0") && counters.agents.contains_key("former-10000"));

    let mut counter = AgentCounter::default();
    let places: Vec<usize> = (0..100).map(|nth| counter.place(&format!("State {nth}").into())).collect();
    assert_eq!(counter.states.len(), MAX_STATES_PER_AGENT + 1);
    assert_eq!((places[63], places[64], places[99]), (63, 64, 64));
    assert_eq!(*counter.states[64].name, *OTHER_STATE);
}
