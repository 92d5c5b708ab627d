//! The rules of a scrape, with a driven clock and a scripted source.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::{Clock, DrivenClock, Monotonic};
use crate::config::{Agent, ConnectionSettings, StateMap, StateSettings, Tenant};
use crate::exposition::{BlockBuilder, Packing};
use crate::presence::{AgentPresence, Micros, Person, PresenceChart, Rejections, ScheduledTime, Timestamp};
use crate::upstream::{
    DirectoryFuture, Endpoint, ErrorKind, FetchFuture, FetchResult, PastLimits, PastQuery, Query, Source, UpstreamError,
};

mod age;
mod directory;
mod failures;
mod reload;

pub(crate) const START: Timestamp = Timestamp::from_seconds(1_700_000_000);
pub(crate) const COOLDOWN: Duration = Duration::from_secs(60);
pub(crate) const MAX_STALENESS: Duration = Duration::from_secs(900);
pub(crate) const PATIENCE: Duration = Duration::from_secs(9);

/// The result of one query.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// Every agent was available for the whole window.
    All,
    /// These agents fail, the others have data.
    Without(&'static [&'static str]),
    /// All agents fail, with this `Retry-After`.
    Nothing(Option<Duration>),
    /// The source panics.
    Panic,
}

pub(crate) struct ScriptedSource {
    clock: DrivenClock,
    answers: Mutex<VecDeque<Answer>>,
    /// A fetch ends once it gets a permit.
    pub(crate) permits: Semaphore,
    pub(crate) asked: Mutex<Vec<Vec<String>>>,
    pub(crate) floor: Mutex<Option<Monotonic>>,
    /// The tenant's own list of agents, once there is one.
    pub(crate) people: Mutex<Option<Vec<Person>>>,
    pub(crate) directory_reads: AtomicUsize,
    directory_fails: AtomicBool,
    pub(crate) history: Mutex<Option<Vec<u8>>>,
}

#[derive(Default)]
struct Counter([AtomicUsize; 4], AtomicUsize, Mutex<Vec<RefreshResult>>);

struct Harness {
    clock: DrivenClock,
    source: Arc<ScriptedSource>,
    served: Arc<Counter>,
    refresher: Arc<Refresher>,
}

// === impl ScriptedSource ===

impl ScriptedSource {
    pub(crate) fn new(clock: DrivenClock, answers: &[Answer]) -> Self {
        Self {
            clock,
            answers: Mutex::new(answers.iter().copied().collect()),
            permits: Semaphore::new(1000),
            asked: Mutex::default(),
            floor: Mutex::default(),
            people: Mutex::default(),
            directory_reads: AtomicUsize::new(0),
            directory_fails: AtomicBool::new(false),
            history: Mutex::default(),
        }
    }
}

fn error(endpoint: Endpoint) -> UpstreamError {
    UpstreamError { endpoint, kind: ErrorKind::Server, message: "server error".to_owned() }
}

impl Source for ScriptedSource {
    fn fetch(&self, query: Query) -> FetchFuture<'_> {
        Box::pin(async move {
            let on_schedule = query.agents.iter().any(|agent| agent.schedule.is_some());
            let ids: Vec<_> = query.agents.iter().map(|agent| Arc::clone(&agent.id)).collect();
            self.asked.lock().unwrap().push(ids.iter().map(ToString::to_string).collect());
            self.permits.acquire().await.unwrap().forget();
            let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Answer::All);
            let fails = |id: &str| match answer {
                Answer::All => false,
                Answer::Without(failing) => failing.contains(&id),
                Answer::Nothing(_) => true,
                Answer::Panic => panic!("scripted"),
            };
            let (failed, answered): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| fails(id));
            if let Answer::Nothing(Some(wait)) = answer {
                *self.floor.lock().unwrap() = Some(self.clock.monotonic() + wait);
            }
            let presence = AgentPresence {
                folded: Vec::new(),
                states: vec![("Available".into(), query.window.length())],
                observed: query.window.length(),
                current: None,
                unbroken_offline: None,
                last_data: query.window.end,
                scheduled: on_schedule.then(ScheduledTime::default),
                chart: PresenceChart::default(),
                timeline: None,
                parts: Default::default(),
            };
            FetchResult {
                error: (!failed.is_empty()).then(|| error(Endpoint::Presence)),
                answered: answered.into_iter().map(|id| (id, Some(presence.clone()))).collect(),
                failed,
                ..FetchResult::default()
            }
        })
    }

    fn past_limits(&self) -> PastLimits {
        PastLimits { agents: 1, length: Duration::from_secs(3_600) }
    }

    /// It has no past.
    fn fetch_past(&self, query: PastQuery) -> FetchFuture<'_> {
        let failed = query.agents.into_iter().map(|agent| agent.id).collect();
        Box::pin(async { FetchResult { failed, ..FetchResult::default() } })
    }

    fn directory(&self, _: Monotonic) -> Option<DirectoryFuture<'_>> {
        let people = self.people.lock().unwrap().clone()?;
        self.directory_reads.fetch_add(1, Ordering::Relaxed);
        let fails = self.directory_fails.load(Ordering::Relaxed);
        Some(Box::pin(async move { if fails { Err(error(Endpoint::Agents)) } else { Ok(people) } }))
    }

    fn export_history(&self) -> Option<Vec<u8>> {
        self.history.lock().unwrap().clone()
    }

    fn not_before(&self) -> Option<Monotonic> {
        *self.floor.lock().unwrap()
    }

    fn token_expiry(&self) -> Option<Timestamp> {
        None
    }
}

impl Observer for Counter {
    fn refreshed(&self, result: RefreshResult, _: Duration, _: &Rejections) {
        self.2.lock().unwrap().push(result);
    }
    fn scraped(&self, served: Served) {
        self.0[served as usize].fetch_add(1, Ordering::Relaxed);
    }
    fn status_changed(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

// === impl Harness ===

impl Harness {
    fn new(answers: &[Answer]) -> Self {
        Self::of(tenant(), answers)
    }

    fn of(tenant: Tenant, answers: &[Answer]) -> Self {
        let clock = DrivenClock::new(START);
        let source = Arc::new(ScriptedSource::new(clock.clone(), answers));
        let served = Arc::new(Counter::default());
        let refresher = Arc::new(Refresher::new(Parts {
            tenant: Arc::new(tenant),
            source: source.clone(),
            clock: Arc::new(clock.clone()),
            observer: served.clone(),
            render: Arc::new(|_| Arc::new(BlockBuilder::new().finish(Packing::Stored))),
            runtime: tokio::runtime::Handle::current(),
        }));
        Self { clock, source, served, refresher }
    }

    /// A harness whose source answers only when it is given permits.
    fn slow(answers: &[Answer]) -> Self {
        let harness = Self::new(answers);
        harness.source.permits.forget_permits(1000);
        harness
    }

    fn scraping(&self) -> JoinHandle<Scrape> {
        let refresher = Arc::clone(&self.refresher);
        let deadline = self.clock.monotonic() + PATIENCE;
        tokio::spawn(async move { refresher.scrape(deadline).await })
    }

    async fn scrape(&self) -> Scrape {
        self.scraping().await.unwrap()
    }

    /// Waits until a task sleeps: then every task has progressed as far as it can.
    async fn settle(&self, sleepers_until: Duration) {
        let until = self.clock.monotonic() + sleepers_until;
        while self.clock.next_sleeper() != Some(until) {
            tokio::task::yield_now().await;
        }
    }

    fn asked(&self) -> Vec<Vec<String>> {
        self.source.asked.lock().unwrap().clone()
    }
}

pub(crate) fn tenant() -> Tenant {
    let agent = |id: &str| Agent {
        id: id.into(),
        name: None,
        team: None,
        offline_limit: None,
        absent_limit: None,
        schedule: None,
    };
    let connection = ConnectionSettings::new("https://acme.example.com".parse().unwrap(), "client", "secret");
    let mut tenant = Tenant {
        states: StateSettings { declared: Vec::new(), offline: Vec::new(), map: StateMap::new() },
        agents: ["1", "2", "3"].map(agent).to_vec(),
        ..Tenant::with_defaults("acme", connection)
    };
    tenant.limits.cooldown = Duration::from_secs(60);
    tenant
}

/// A tenant whose agents are all those of its own list.
pub(crate) fn tenant_of_all() -> Tenant {
    let filter = crate::config::AgentFilter { max: 2, ..crate::config::AgentFilter::default() };
    Tenant { api: crate::config::Api::Official, agents: Vec::new(), agent_filter: Some(filter), ..tenant() }
}

pub(crate) fn people(ids: &[&str]) -> Option<Vec<Person>> {
    let person = |id: &&str| Person { id: (*id).into(), name: None, team: None, active: true };
    Some(ids.iter().map(person).collect())
}

pub(crate) fn counts(fresh: usize, stale: usize, missing: usize) -> AgentCounts {
    AgentCounts { fresh, stale, missing }
}

#[tokio::test]
async fn single_flight_one_refresh_for_sixty_scrapes() {
    let harness = Harness::slow(&[]);
    let scrapes: Vec<_> = (0..60).map(|_| harness.scraping()).collect();
    harness.settle(PATIENCE).await;
    harness.source.permits.add_permits(60);
    for scrape in scrapes {
        let scrape = scrape.await.unwrap();
        assert_eq!(scrape.served, Served::Fresh);
        assert_eq!(scrape.published.status.agents, counts(3, 0, 0));
    }
    assert_eq!(harness.asked().len(), 1);
    assert_eq!(harness.served.0[Served::Fresh as usize].load(Ordering::Relaxed), 60);
}

#[tokio::test]
async fn cooldown_serves_data_and_sends_nothing() {
    let harness = Harness::new(&[]);
    assert_eq!(harness.scrape().await.served, Served::Fresh);
    harness.clock.advance(COOLDOWN - Duration::from_nanos(1));
    assert_eq!(harness.scrape().await.served, Served::Cooldown);
    assert_eq!(harness.served.0[Served::Cooldown as usize].load(Ordering::Relaxed), 1);
    assert_eq!(harness.asked().len(), 1);
    harness.clock.advance(Duration::from_nanos(1));
    assert_eq!(harness.scrape().await.served, Served::Fresh);
    assert_eq!(harness.asked().len(), 2);
}

#[tokio::test]
async fn scrape_returns_at_its_deadline_and_the_refresh_continues() {
    let harness = Harness::slow(&[]);
    let scrape = harness.scraping();
    harness.settle(PATIENCE).await;
    harness.clock.advance(PATIENCE);
    assert_eq!(scrape.await.unwrap().served, Served::None);

    let late = harness.scraping();
    harness.settle(PATIENCE).await;
    harness.source.permits.add_permits(1);
    assert_eq!(late.await.unwrap().served, Served::Fresh);
    assert_eq!(harness.scrape().await.served, Served::Cooldown);
    assert_eq!(harness.asked().len(), 1);
    let status = harness.refresher.current().status.clone();
    assert_eq!(status.window.map(|window| window.end), Some(START), "the window ends when the refresh starts");
}

#[tokio::test]
async fn failure_keeps_last_good_data_and_backs_off() {
    let harness = Harness::new(&[Answer::All, Answer::Nothing(None), Answer::Nothing(None)]);
    harness.scrape().await;
    harness.clock.advance(COOLDOWN);
    let failed = harness.scrape().await;
    assert_eq!(failed.served, Served::Stale);
    assert!(!failed.published.status.up && failed.published.status.last_error.is_some());
    assert_eq!(failed.published.status.agents, counts(0, 3, 0));
    assert_eq!(failed.published.status.last_success, Some(START));
    assert_eq!(failed.published.status.last_attempt, Some(START + COOLDOWN));

    // The wait is one cooldown and at most a quarter more; until it is over nothing is sent.
    harness.clock.advance(COOLDOWN - Duration::from_secs(1));
    assert_eq!(harness.scrape().await.served, Served::Stale);
    assert_eq!(harness.asked().len(), 2);
    harness.clock.advance(COOLDOWN / 4 + Duration::from_secs(1));
    harness.scrape().await;
    assert_eq!(harness.asked().len(), 3);
    // The second wait is two cooldowns.
    harness.clock.advance(COOLDOWN * 2 - Duration::from_secs(1));
    harness.scrape().await;
    assert_eq!(harness.asked().len(), 3);
    harness.clock.advance(COOLDOWN / 2 + Duration::from_secs(1));
    let recovered = harness.scrape().await;
    assert_eq!(recovered.served, Served::Fresh);
    assert!(recovered.published.status.up && recovered.published.status.last_error.is_none());
}

#[tokio::test]
async fn no_request_before_retry_after() {
    let hour = Duration::from_secs(3600);
    let harness = Harness::new(&[Answer::Nothing(Some(hour))]);
    assert_eq!(harness.scrape().await.served, Served::None);
    assert_eq!(harness.refresher.current().status.not_before, Some(START + hour));
    harness.clock.advance(hour - Duration::from_nanos(1));
    assert_eq!(harness.scrape().await.served, Served::None);
    assert_eq!(harness.asked().len(), 1);
    harness.clock.advance(Duration::from_nanos(1));
    assert_eq!(harness.scrape().await.served, Served::Fresh);
}

#[tokio::test]
async fn retry_after_of_another_request_holds_at_the_next_scrape() {
    let hour = Duration::from_secs(3600);
    let harness = Harness::new(&[]);
    harness.scrape().await;
    *harness.source.floor.lock().unwrap() = Some(harness.clock.monotonic() + hour);
    harness.clock.advance(COOLDOWN);
    assert_eq!(harness.scrape().await.served, Served::Stale);
    assert_eq!(harness.asked().len(), 1);
    harness.clock.advance(hour - COOLDOWN);
    assert_eq!(harness.scrape().await.served, Served::Fresh);
}

#[tokio::test]
async fn partial_failure_retries_failed_agents_then_all() {
    let harness = Harness::new(&[Answer::Without(&["2"]), Answer::Without(&["2"]), Answer::All]);
    let partial = harness.scrape().await;
    assert_eq!(partial.served, Served::Stale);
    assert_eq!(partial.published.status.agents, counts(2, 0, 1));
    assert_eq!((partial.published.status.up, partial.published.status.last_success), (false, None));
    for _ in 0..2 {
        harness.clock.advance(COOLDOWN * 3);
        harness.scrape().await;
    }
    assert_eq!(harness.asked(), [vec!["1", "2", "3"], vec!["2"], vec!["1", "2", "3"]]);
}

#[tokio::test]
async fn retry_completes_data_but_is_no_full_success() {
    let harness = Harness::new(&[Answer::Without(&["3"])]);
    harness.scrape().await;
    harness.clock.advance(COOLDOWN * 5 / 4);
    let caught_up = harness.scrape().await;
    assert_eq!(caught_up.served, Served::Fresh);
    let status = &caught_up.published.status;
    assert_eq!((status.up, status.window, status.last_success), (true, None, None));
    assert_eq!(status.agents, counts(1, 2, 0));
    // The data is not of one full refresh, so it is not served by the cooldown rule, but the gate is closed.
    assert_eq!(harness.scrape().await.served, Served::Stale);
    assert_eq!(harness.asked().len(), 2);
    harness.clock.advance(COOLDOWN);
    assert_eq!(harness.scrape().await.published.status.agents, counts(3, 0, 0));
}

#[tokio::test]
async fn panic_in_the_source_fails_one_refresh_and_frees_the_gate() {
    let harness = Harness::new(&[Answer::Panic]);
    let broken = harness.scrape().await;
    assert_eq!(broken.served, Served::None);
    assert_eq!(broken.published.status.last_attempt, Some(START));
    harness.clock.advance(COOLDOWN * 5 / 4);
    assert_eq!(harness.scrape().await.served, Served::Fresh);
}

#[test]
fn agent_without_reported_presence_is_missing() {
    let tenant = Arc::new(tenant());
    let mut snapshot = Snapshot::empty(tenant);
    let now = Moment { monotonic: Monotonic::default(), utc: START };
    let window = crate::presence::Window::ending_at(START, COOLDOWN);
    snapshot.rows[0].data = Some(Arc::new(AgentData { presence: None, window, read_at: now }));
    assert_eq!(snapshot.counts(Some(now)), counts(0, 0, 3));
    assert_eq!(snapshot.rows[0].data.as_ref().map(|data| data.observed()), Some(Micros::ZERO));
}
