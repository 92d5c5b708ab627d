//! Counters against a slow count of seconds: late data, corrections, outages, renamed states.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::Monotonic;
use crate::presence::{Tally, WatchedAgent};
use crate::refresh::tests::tenant;
use crate::refresh::{AgentData, AgentRow, Moment};

const WINDOW: i64 = 240;
/// The length of a part.
const PART: i64 = 60;
const END: i64 = 1_500;
pub(super) const STATES: [&str; 3] = ["Available", "Busy", "Offline"];

/// What CXone says of one agent, second by second.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// The truth; `None`: nothing is reported.
    states: Vec<Option<usize>>,
    /// From when on a second is reported.
    known_at: Vec<i64>,
    /// Another state that is reported before a time.
    wrong: Vec<Option<(usize, i64)>>,
}

pub(super) fn server(lateness: i64, correction: i64) -> impl Strategy<Value = Server> {
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
    pub(super) fn count(&self, from: i64, now: i64, is_counted: impl Fn(i64) -> bool) -> BTreeMap<usize, i64> {
        let mut count = BTreeMap::new();
        for second in (from..now).filter(|second| is_counted(*second)) {
            if let Some(state) = self.state(second, now) {
                *count.entry(state).or_default() += 1;
            }
        }
        count
    }

    fn window(now: i64) -> Window {
        let now = Timestamp::from_seconds(now);
        Window::ending_at(now, Duration::from_secs(WINDOW.unsigned_abs()))
    }

    /// The presence in a window that ends at `now`, by the real tally.
    pub(super) fn presence(&self, now: i64) -> Option<AgentPresence> {
        let agent = WatchedAgent { id: "1".into(), schedule: None };
        let mut tally = Tally::new(Self::window(now), vec![agent], [].into(), &[]);
        for second in now - WINDOW..now {
            let Some(state) = self.state(second, now) else { continue };
            let (agent, state) = (tally.agent("1"), tally.state_named(STATES[state]));
            tally.state(Some(state), Ok(Micros::from_seconds(1)));
            tally.bucket(agent, Some(Timestamp::from_seconds(second)), Some(Timestamp::from_seconds(second + 1)));
        }
        tally.finish().agents.remove(0)
    }
}

pub(super) fn snapshot(tenant: &Arc<Tenant>, presence: Option<AgentPresence>, now: i64) -> Snapshot {
    let window = Server::window(now);
    let read_at = Moment { monotonic: Monotonic::default(), utc: window.end };
    let mut snapshot = Snapshot::empty(Arc::clone(tenant));
    snapshot.rows[0] = AgentRow { data: Some(Arc::new(AgentData { presence, window, read_at })) };
    snapshot
}

pub(super) fn counting_tenant() -> Arc<Tenant> {
    let mut tenant = tenant();
    tenant.query.incremental = Some(crate::config::Incremental::default());
    tenant.query.window = Duration::from_secs(WINDOW.unsigned_abs());
    Arc::new(tenant)
}

/// Seconds by state of an agent.
pub(super) fn seconds(counters: &StateCounters, agent: usize) -> BTreeMap<usize, i64> {
    let time = |(name, time): (&StateName, Micros)| {
        let state = STATES.iter().position(|state| **state == **name).unwrap();
        assert_eq!(time.get() % 1_000_000, 0);
        (state, i64::try_from(time.get() / 1_000_000).unwrap())
    };
    counters.of(&agent.to_string().into()).into_iter().flatten().map(time).filter(|(_, seconds)| *seconds > 0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

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
                counters = counters.after(&snapshot(&tenant, server.presence(now), now));
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
            counters = counters.after(&snapshot(&tenant, server.presence(now), now));
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

#[test]
fn counters_go_on_after_states_are_renamed() {
    let old = counting_tenant();
    let mut renamed = Tenant::clone(&old);
    renamed.states.map.insert("Busy".into(), "Offline".into());
    let renamed = Arc::new(renamed);
    let server =
        |state| Server { states: vec![Some(state); 1_500], known_at: vec![0; 1_500], wrong: vec![None; 1_500] };
    let mut counters = Arc::new(StateCounters::default());
    for now in [400, 450] {
        counters = Arc::new(counters.after(&snapshot(&old, server(1).presence(now), now)));
    }
    assert_eq!(seconds(&counters, 1), BTreeMap::from([(1, 50)]));
    assert!(Arc::ptr_eq(&counters.carried_over(&old, &old), &counters));
    counters = counters.carried_over(&old, &renamed);
    for now in [450, 470, 520] {
        counters = Arc::new(counters.after(&snapshot(&renamed, server(2).presence(now), now)));
    }
    assert_eq!(seconds(&counters, 1), BTreeMap::from([(1, 50), (2, 70)]), "no time counts under both names");

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
    let server = Server { states: vec![Some(0); 1_500], known_at: vec![0; 1_500], wrong: vec![None; 1_500] };
    let mut counters = StateCounters::default();
    // The end of the window, whether anything is reported, and the counter.
    for (now, is_reported, expected) in [
        (500, false, 0),
        (520, true, 40),
        (530, true, 50),
        (500, true, 50),
        (540, false, 50),
        (900, false, 50),
        (910, true, 240),
        (400, true, 240),
        (410, true, 250),
    ] {
        let presence = server.presence(now).filter(|_| is_reported);
        counters = counters.after(&snapshot(&tenant, presence, now));
        let seconds = seconds(&counters, 1).get(&0).copied().unwrap_or_default();
        assert_eq!(seconds, expected, "at {now}");
    }
}

#[test]
fn agent_that_leaves_and_comes_back_goes_on() {
    let here = counting_tenant();
    let gone = Arc::new(Tenant { agents: here.agents[1..].to_vec(), ..Tenant::clone(&here) });
    let server = Server { states: vec![Some(0); 1_500], known_at: vec![0; 1_500], wrong: vec![None; 1_500] };
    let mut counters = Arc::new(StateCounters::default());
    for (tenant, now) in [(&here, 400), (&here, 450), (&gone, 500), (&here, 550)] {
        counters = counters.carried_over(&here, tenant);
        counters = Arc::new(counters.after(&snapshot(tenant, server.presence(now), now)));
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
    let counters = counters.after(&snapshot(&tenant, None, 400));
    assert!(counters.agents.len() <= MAX_FORMER_AGENTS + tenant.agents.len());
    assert!(!counters.agents.contains_key("former-0") && counters.agents.contains_key("former-10000"));

    let mut counter = AgentCounter::default();
    let places: Vec<usize> = (0..100).map(|nth| counter.place(&format!("State {nth}").into())).collect();
    assert_eq!(counter.states.len(), MAX_STATES_PER_AGENT + 1);
    assert_eq!((places[63], places[64], places[99]), (63, 64, 64));
    assert_eq!(*counter.states[64].name, *OTHER_STATE);
}
