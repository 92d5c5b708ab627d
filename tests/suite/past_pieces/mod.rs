//! Pieces of past presence, read from the simulated tenant by both APIs and compared with the truth, slot by slot.

mod official;
mod presence;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cxone_exporter::clock::{Clock as _, DrivenClock};
use cxone_exporter::config::{Agent, Tenant};
use cxone_exporter::presence::{AgentId, Rejections, Timestamp, WatchedAgent, Window};
use cxone_exporter::simulator::{ApiVariant, Endpoint, RequestRecord, Simulator, SimulatorOptions};
use cxone_exporter::upstream::{AnySource, FetchResult, NoopObserver, PastQuery, Source};

use crate::app::simulated::{start_simulator, tenant_of};
use crate::app::{DAY, HOUR};
use crate::scripted::drive;

/// 2026-11-04T10:20:30.25Z, a Wednesday. Clocks changed on 25 October in Europe and on 1 November in America.
const NOW: Timestamp = Timestamp::from_micros(1_793_787_630_250_000);

/// How often an agent is tried again.
const MAX_FAILURES: usize = 6;

/// Microseconds by agent, start of the slot and state.
type Times = BTreeMap<(AgentId, Timestamp, String), u64>;

/// A simulated tenant and a source that reads it.
struct PastHarness {
    simulator: Simulator,
    tenant: Arc<Tenant>,
    clock: DrivenClock,
    source: Arc<dyn Source>,
}

/// What reading a range brought.
#[derive(Default)]
struct Read {
    times: Times,
    rejections: Rejections,
    /// The agents that could not be read.
    unread: Vec<AgentId>,
    pieces: usize,
    /// Requests for states and histories, or for presence, that were answered.
    requests: Vec<RequestRecord>,
}

fn days_ago(days: u32) -> Timestamp {
    Timestamp::from_seconds((NOW.micros() / 1_000_000).div_euclid(86_400) * 86_400).saturating_sub(DAY * days)
}

fn variants(text: &str) -> Vec<ApiVariant> {
    text.split_whitespace().map(|habit| habit.parse().unwrap()).collect()
}

// === impl PastHarness ===

impl PastHarness {
    async fn start(options: SimulatorOptions, change: impl FnOnce(&mut Tenant)) -> Self {
        let clock = DrivenClock::new(NOW);
        let simulator = start_simulator(&clock, options).await;
        let mut tenant = tenant_of(&simulator);
        tenant.limits.max_concurrent_requests = 4;
        change(&mut tenant);
        let tenant = Arc::new(tenant);
        let source = Self::source(&tenant, &clock);
        Self { simulator, tenant, clock, source }
    }

    fn source(tenant: &Arc<Tenant>, clock: &DrivenClock) -> Arc<dyn Source> {
        AnySource::new(tenant, Arc::new(clock.clone()), Arc::new(NoopObserver)).unwrap().source()
    }

    fn watched(agent: &Agent) -> WatchedAgent {
        WatchedAgent { id: Arc::clone(&agent.id), schedule: None }
    }

    /// Reads a piece, while time passes wherever the source waits.
    async fn fetch(&self, window: Window, agents: Vec<WatchedAgent>, slot: Duration) -> FetchResult {
        let deadline = self.clock.monotonic() + 2 * HOUR;
        let query = PastQuery { window, agents, slot, deadline };
        drive(&self.clock, deadline, self.source.fetch_past(query)).await
    }

    /// Reads `range` of all agents piece by piece, as the engine does, with at most `slots` slots in a piece.
    async fn read(&self, range: Window, slot: Duration, slots: u32) -> Read {
        let mut read = Read::default();
        let mut done: HashMap<AgentId, (Timestamp, usize)> =
            self.tenant.agents.iter().map(|agent| (Arc::clone(&agent.id), (range.start, 0))).collect();
        self.simulator.forget_requests();
        loop {
            let limits = self.source.past_limits();
            let unfinished = || {
                let is_open = |agent: &&Agent| done[&agent.id].0 < range.end && done[&agent.id].1 < MAX_FAILURES;
                self.tenant.agents.iter().filter(is_open)
            };
            let Some(start) = unfinished().map(|agent| done[&agent.id].0).min() else { break };
            let behind = unfinished().filter(|agent| done[&agent.id].0 == start).take(limits.agents);
            let agents: Vec<_> = behind.map(Self::watched).collect();
            let longest = slot * (slots / u32::try_from(agents.len()).unwrap()).max(1);
            let end = (start + limits.length.min(longest)).min(range.end);
            let window = Window { start, end };
            let ids: Vec<_> = agents.iter().map(|agent| Arc::clone(&agent.id)).collect();
            let result = self.fetch(window, agents, slot).await;
            read.pieces += 1;
            read.rejections.merge(&result.rejections);
            assert_eq!(result.answered.len() + result.failed.len(), ids.len());
            assert!(result.failed.is_empty() || result.error.is_some() || result.refusal.is_some());
            for (agent, presence) in result.answered {
                let Some(progress) = done.get_mut(&agent) else { panic!("{agent} was not asked for") };
                *progress = (end, 0);
                let Some(presence) = presence else { continue };
                assert!(presence.chart.is_empty() && presence.timeline.is_none());
                for part in presence.parts.iter() {
                    for (place, time) in &part.times {
                        let state = presence.states[*place].0.to_string();
                        *read.times.entry((Arc::clone(&agent), part.start, state)).or_default() += time.get();
                    }
                }
            }
            for agent in result.failed {
                done.get_mut(&agent).unwrap().1 += 1;
            }
        }
        read.unread =
            self.tenant.agents.iter().map(|agent| &agent.id).filter(|id| done[*id].0 < range.end).cloned().collect();
        read.requests = self.simulator.requests().into_iter().filter(|request| request.status == Some(200)).collect();
        read
    }

    /// The agents that exist.
    fn agents(&self) -> impl Iterator<Item = &AgentId> {
        self.simulator.workforce().agents().iter().map(|agent| &agent.id)
    }
}

// === impl Read ===

impl Read {
    fn requests_for(&self, endpoint: Endpoint) -> impl Iterator<Item = &RequestRecord> {
        self.requests.iter().filter(move |request| request.endpoint == endpoint)
    }

    /// Every slot of `range` has the time in each state that `truth` has, to within `tolerance` microseconds.
    fn assert_truth(
        &self,
        harness: &PastHarness,
        (range, slot): (Window, Duration),
        truth: impl Fn(&AgentId, Window) -> BTreeMap<String, u64>,
        tolerance: u64,
        what: &str,
    ) {
        assert!(self.unread.is_empty(), "{what}: {:?}", self.unread);
        let micros = i64::try_from(slot.as_micros()).unwrap();
        let mut expected = Times::new();
        for agent in harness.agents() {
            let mut start = Timestamp::from_micros(range.start.micros().div_euclid(micros) * micros);
            while start < range.end {
                let window = Window { start, end: start + slot }.intersection(range).unwrap();
                let states = truth(agent, window).into_iter();
                expected.extend(states.map(|(state, time)| ((Arc::clone(agent), start, state), time)));
                start = start + slot;
            }
        }
        for key in expected.keys().chain(self.times.keys()) {
            let [is, should] = [&self.times, &expected].map(|times| times.get(key).copied().unwrap_or_default());
            let (agent, start, state) = key;
            assert!(
                is.abs_diff(should) <= tolerance,
                "{what}: agent {agent} in {state} at {start}: {is} µs, not {should} µs"
            );
        }
    }
}
