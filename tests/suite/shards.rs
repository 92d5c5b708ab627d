//! Four shards of one simulated tenant: together they equal one exporter, and each stays within its part of the budget.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cxone_exporter::clock::{Clock as _, DrivenClock, Monotonic};
use cxone_exporter::config::{AgentFilter, Api, Config, ConnectionSettings, Official, Shard, Tenant};
use cxone_exporter::presence::WatchedAgent;
use cxone_exporter::simulator::{self, ACCESS_KEY_ID, ACCESS_KEY_SECRET, Simulator, SimulatorOptions};
use cxone_exporter::upstream::{AnySource, Endpoint, Observer, Query, ResponseCode};
use futures_util::future;

use crate::app::scraped::Scraped;
use crate::app::simulated::{start_simulator, tenant_of};
use crate::app::{NOW, TestAppBuilder, last_day};

const SHARDS: u32 = 4;

/// The families with a label `agent`.
const OF_AGENTS: [&str; 8] = [
    "cxone_agent_state_seconds",
    "cxone_agent_observed_seconds",
    "cxone_agent_current_state_seconds",
    "cxone_agent_last_data_timestamp_seconds",
    "cxone_agent_info",
    "cxone_agent_offline_limit_seconds",
    "cxone_agent_scheduled_seconds",
    "cxone_agent_scheduled_offline_seconds",
];

/// The families whose sums over the shards equal those of one exporter.
const ADD_UP: [&str; 2] = ["cxone_refresh_agents", "cxone_agents_dropped"];

async fn simulated(clock: &DrivenClock, agents: u32) -> Simulator {
    start_simulator(clock, SimulatorOptions { agents, page_size: 1_000, ..SimulatorOptions::default() }).await
}

/// The simulated tenant with all of its agents and the presence API.
fn whole(simulator: &Simulator) -> Tenant {
    let mut tenant = tenant_of(simulator);
    tenant.limits.agents_per_request = 20;
    tenant.limits.max_concurrent_requests = 2;
    tenant
}

/// The same tenant with the official API and up to `max` agents of its list.
fn with_official_api(tenant: &Tenant, max: usize) -> Tenant {
    let token_url = format!("{}authentication/v1/token/access-key", tenant.connection.base_url).parse().unwrap();
    Tenant {
        api: Api::Official,
        connection: ConnectionSettings::new(tenant.connection.base_url.clone(), "", ""),
        official: Some(Official {
            history_lookback: Duration::from_secs(3_600),
            ..Official::by_access_key(token_url, ACCESS_KEY_ID, ACCESS_KEY_SECRET)
        }),
        agent_filter: Some(AgentFilter { max, ..AgentFilter::default() }),
        // One in ten is configured as well.
        agents: tenant.agents.iter().step_by(10).cloned().collect(),
        ..tenant.clone()
    }
}

/// The tenant of each shard.
fn parts(tenant: &Tenant) -> Vec<Tenant> {
    let part = |index| {
        let config =
            Config { tenants: vec![Arc::new(tenant.clone())], schedules: BTreeMap::new(), warnings: Vec::new() };
        let sharded = config.of_shard(Shard::new(index, SHARDS).unwrap()).unwrap();
        Tenant::clone(&sharded.tenants[0])
    };
    (0..SHARDS).map(part).collect()
}

async fn scrape(clock: &DrivenClock, tenant: Tenant) -> Scraped {
    let app = TestAppBuilder::with_tenants(vec![tenant]).start(clock).await;
    let scraped = app.scrape().await;
    assert_eq!(scraped.value("cxone_up"), Some(1.0), "{:?}", app.refresher().current().status);
    scraped
}

/// All series of `names`: name, sorted labels, and the bits of the value.
fn series<'a>(
    scraped: &Scraped,
    names: impl IntoIterator<Item = &'a str>,
) -> Vec<(String, BTreeMap<String, String>, u64)> {
    let of = |name: &'a str| {
        scraped.samples(name).map(move |sample| {
            let labels = sample.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            (name.to_owned(), labels, sample.value.to_bits())
        })
    };
    names.into_iter().flat_map(of).collect()
}

async fn assert_shards_equal_one_exporter(clock: &DrivenClock, tenant: Tenant, agents: usize) {
    let one = scrape(clock, tenant.clone()).await;
    let mut shards = Vec::new();
    for part in parts(&tenant) {
        shards.push(scrape(clock, part).await);
    }
    let (mut expected, mut together) = (series(&one, OF_AGENTS), Vec::new());
    for shard in &shards {
        assert_eq!(shard.value("cxone_exporter_shards"), Some(f64::from(SHARDS)));
        let own = series(shard, OF_AGENTS);
        assert!(!own.is_empty() && own.len() < expected.len(), "each shard has a part");
        together.extend(own);
    }
    expected.sort();
    together.sort();
    assert_eq!(one.samples("cxone_agent_info").count(), agents);
    assert_eq!(together, expected, "every series once");
    for name in ADD_UP {
        let sums = |scrapes: &[&Scraped]| {
            let mut sums = BTreeMap::<String, f64>::new();
            for sample in scrapes.iter().flat_map(|scraped| scraped.samples(name)) {
                *sums.entry(format!("{:?}", sample.labels)).or_default() += sample.value;
            }
            sums
        };
        assert_eq!(sums(&shards.iter().collect::<Vec<_>>()), sums(&[&one]), "{name}");
    }
}

#[tokio::test]
async fn shards_together_have_each_series_once() {
    let clock = DrivenClock::new(NOW);
    let simulator = simulated(&clock, 240).await;
    assert_shards_equal_one_exporter(&clock, whole(&simulator), 240).await;
    simulator.shutdown().await;
}

#[tokio::test]
async fn shards_partition_the_directory() {
    for max in [5_000, 15] {
        let clock = DrivenClock::new(NOW);
        let simulator = simulated(&clock, 40).await;
        let agents = 40.min(max);
        assert_shards_equal_one_exporter(&clock, with_official_api(&whole(&simulator), max), agents).await;
        simulator.shutdown().await;
    }
}

/// Counts the requests in flight and records the time of each.
struct RequestTimes {
    clock: DrivenClock,
    in_flight: Arc<AtomicUsize>,
    sent: Arc<std::sync::Mutex<Vec<Duration>>>,
}

impl Observer for RequestTimes {
    fn request(&self, _: Endpoint, _: ResponseCode, _: Duration, _: u64) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
    // Called once before each request, as no response is 429.
    fn budget(&self, _: Option<u32>) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        self.sent.lock().unwrap().push(self.clock.monotonic().saturating_since(Monotonic::default()));
    }
}

#[tokio::test]
async fn shards_stay_within_one_budget() {
    const PER_MINUTE: u32 = 30;
    let clock = DrivenClock::new(NOW);
    let simulator = simulated(&clock, 240).await;
    let mut tenant = whole(&simulator);
    tenant.limits.max_requests_per_minute = NonZeroU32::new(PER_MINUTE);
    let in_flight = Arc::new(AtomicUsize::new(0));
    let sent = Arc::new(std::sync::Mutex::new(Vec::new()));
    let deadline = clock.monotonic() + Duration::from_secs(600);
    let window = last_day(&clock);
    let shards: Vec<_> = parts(&tenant)
        .into_iter()
        .map(|part| {
            let times =
                RequestTimes { clock: clock.clone(), in_flight: Arc::clone(&in_flight), sent: Arc::clone(&sent) };
            let part = Arc::new(part);
            (AnySource::new(&part, Arc::new(clock.clone()), Arc::new(times)).unwrap().source(), part)
        })
        .collect();
    for _ in 0..2 {
        let fetches = shards.iter().map(|(source, part)| {
            let agents = part.agents.iter();
            let agents = agents.map(|agent| WatchedAgent { id: Arc::clone(&agent.id), schedule: None }).collect();
            source.fetch(Query { window, agents, deadline })
        });
        let driving = async {
            loop {
                tokio::task::yield_now().await;
                // The clock does not move during a request, so the time of sending is exact.
                let next = clock.next_sleeper().filter(|_| in_flight.load(Ordering::SeqCst) == 0);
                if let Some(next) = next.filter(|next| *next < deadline) {
                    clock.advance(next.saturating_since(clock.monotonic()));
                }
            }
        };
        let results = tokio::select! {
            results = future::join_all(fetches) => results,
            () = driving => unreachable!("the driver never ends"),
        };
        let mut answered = BTreeSet::new();
        for fetched in results {
            assert_eq!(fetched.error, None);
            assert!(
                fetched.answered.into_iter().all(|(agent, _)| answered.insert(agent)),
                "no agent is requested twice"
            );
        }
        assert_eq!(answered.len(), 240);
    }
    let sent = sent.lock().unwrap().clone();
    assert_eq!(sent.len(), simulator.requests().len());
    for start in &sent {
        let minute = *start..*start + Duration::from_secs(60);
        let within = sent.iter().filter(|at| minute.contains(*at)).count();
        assert!(within <= usize::try_from(PER_MINUTE).unwrap(), "{within} requests from {start:?}");
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn shard_without_agents_sends_nothing_and_is_up() {
    let clock = DrivenClock::new(NOW);
    let simulator = simulated(&clock, 1).await;
    let tenant = whole(&simulator);
    for tenant in [tenant.clone(), Tenant { agent_filter: None, ..with_official_api(&tenant, 1) }] {
        simulator.forget_requests();
        let (mut with, mut without) = (0, 0);
        for part in parts(&tenant) {
            let scraped = scrape(&clock, part).await;
            assert_eq!(scraped.value("cxone_refresh_last_success_timestamp_seconds"), Some(clock.now().seconds_f64()));
            let seen = scraped.samples("cxone_agent_info").count();
            (with, without) = (with + seen, without + usize::from(seen == 0));
        }
        assert_eq!((with, without), (1, 3));
        let tokens =
            simulator.requests().iter().filter(|request| request.endpoint == simulator::Endpoint::Token).count();
        assert_eq!(tokens, 1, "{:?}", simulator.requests());
    }
    simulator.shutdown().await;
}
