//! The presence source against a faulty server on real sockets.

mod body_limits;
mod budget;
mod connect_errors;
mod messages;
mod paging;
mod proxy;
mod requests;
mod retry;
mod token;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cxone_exporter::clock::{Clock, DrivenClock, Monotonic};
use cxone_exporter::config::{Agent, ConnectionSettings, Tenant};
use cxone_exporter::presence::{Timestamp, WatchedAgent, Window};
use cxone_exporter::upstream::presence_api::PresenceSource;
use cxone_exporter::upstream::{Endpoint, ErrorKind, FetchResult, Observer, Query, ResponseCode, Source as _};

use crate::scripted::{Request, Response, ScriptedServer, drive};

/// The full hour at which every test begins: 2023-11-14T22:00:00Z.
const NOW: Timestamp = Timestamp::from_seconds(1_699_999_200);

const REFRESH_TIMEOUT: Duration = Duration::from_secs(120);

const SECRET: &str = "s3cr3t/with+signs=";

/// A source with its clock and observer.
struct SourceHarness {
    clock: DrivenClock,
    source: PresenceSource,
    tenant: Arc<Tenant>,
    observer: Arc<RecordingObserver>,
}

/// An observer that records its calls.
#[derive(Debug, Default)]
struct RecordingObserver {
    requests: Mutex<Vec<(Endpoint, ResponseCode, u64)>>,
    retries: Mutex<u64>,
    capped: Mutex<Vec<(Duration, Duration)>>,
    skews: Mutex<Vec<i64>>,
    limits: Mutex<Vec<Option<u32>>>,
    waited: Mutex<Duration>,
}

impl Observer for RecordingObserver {
    fn request(&self, endpoint: Endpoint, code: ResponseCode, _: Duration, body_bytes: u64) {
        self.requests.lock().unwrap().push((endpoint, code, body_bytes));
    }

    fn retry(&self) {
        *self.retries.lock().unwrap() += 1;
    }

    fn retry_after_capped(&self, request: Duration, kept: Duration) {
        self.capped.lock().unwrap().push((request, kept));
    }

    fn clock_skew(&self, ahead_seconds: i64) {
        self.skews.lock().unwrap().push(ahead_seconds);
    }

    fn budget(&self, per_minute: Option<u32>) {
        self.limits.lock().unwrap().push(per_minute);
    }

    fn budget_waited(&self, waited: Duration) {
        *self.waited.lock().unwrap() += waited;
    }
}

impl RecordingObserver {
    /// The codes of page requests, in the order in which they ended.
    fn page_codes(&self) -> Vec<ResponseCode> {
        self.codes(Endpoint::Presence)
    }

    fn codes(&self, endpoint: Endpoint) -> Vec<ResponseCode> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|(of, ..)| *of == endpoint).map(|(_, code, _)| *code).collect()
    }

    fn retries(&self) -> u64 {
        *self.retries.lock().unwrap()
    }

    /// The reported budgets.
    fn limits(&self) -> Vec<Option<u32>> {
        self.limits.lock().unwrap().clone()
    }

    /// The total delay by the budget.
    fn waited(&self) -> Duration {
        *self.waited.lock().unwrap()
    }
}

impl SourceHarness {
    fn new(clock: &DrivenClock, base_url: &str, change: impl FnOnce(&mut Tenant)) -> Self {
        let mut tenant = tenant(base_url);
        change(&mut tenant);
        let (tenant, observer) = (Arc::new(tenant), Arc::new(RecordingObserver::default()));
        let source = PresenceSource::new(Arc::clone(&tenant), Arc::new(clock.clone()), observer.clone()).unwrap();
        Self { clock: clock.clone(), source, tenant, observer }
    }

    fn deadline(&self) -> Monotonic {
        self.clock.monotonic() + self.tenant.limits.refresh_timeout
    }

    /// One fetch, with the clock driven to each wait.
    async fn fetch(&self) -> FetchResult {
        let deadline = self.deadline();
        drive(&self.clock, deadline, self.source.fetch(self.query(deadline))).await
    }

    fn query(&self, deadline: Monotonic) -> Query {
        let agents = self.tenant.agents.iter().map(|agent| WatchedAgent { id: agent.id.clone(), schedule: None });
        Query { window: Window::ending_at(NOW, self.tenant.query.window), agents: agents.collect(), deadline }
    }
}

fn clock() -> DrivenClock {
    DrivenClock::new(NOW)
}

/// A tenant of three agents, a batch each, one request at a time.
fn tenant(base_url: &str) -> Tenant {
    let connection = ConnectionSettings::new(base_url.parse().unwrap(), "my-client", SECRET);
    let mut tenant = Tenant::with_defaults("acme", connection);
    tenant.states.declared = vec!["Available".into(), "Offline".into()];
    tenant.states.offline = vec!["Offline".into()];
    tenant.limits.request_timeout = Duration::from_secs(20);
    tenant.limits.agents_per_request = 1;
    tenant.limits.max_concurrent_requests = 1;
    tenant.agents = agents(3);
    tenant
}

fn agents(count: usize) -> Vec<Agent> {
    let agent = |nth: usize| Agent {
        id: format!("{}", 1_000_000_000_000_000_000 + nth).into(),
        name: Some("Ada Lovelace".into()),
        team: None,
        offline_limit: None,
        schedule: None,
    };
    (0..count).map(agent).collect()
}

/// A page of the hour that `hour` counts back from [`NOW`]: for each agent of `request`, 1,800 s Available and the rest
/// Offline. `next` is the token of the next page.
fn page(request: &Request, hour: i64, next: Option<&str>) -> String {
    let start = Timestamp::from_seconds(NOW.micros() / 1_000_000 - 3600 * (hour + 1));
    let end = start + Duration::from_secs(3600);
    let agents = request.query("agentIds").unwrap();
    let buckets = agents.split(',').map(|agent| {
        let states = r#"[{"state":"Available","duration":1800,"percentage":50},{"state":"Offline","duration":1800.0}]"#;
        format!(r#"{{"agentId":"{agent}","startTime":"{start}","endTime":"{end}","states":{states}}}"#)
    });
    let data = buckets.collect::<Vec<_>>().join(",");
    let next = next.map_or_else(String::new, |next| format!(r#","nextPageToken":"{next}""#));
    format!(r#"{{"data":[{data}]{next}}}"#)
}

/// A server without faults: two pages of an hour each.
fn honest(request: &Request) -> Response {
    match request.query("nextPageToken").as_deref() {
        None => Response::json(page(request, 0, Some("page-2"))),
        Some("page-2") => Response::json(page(request, 1, None)),
        Some(other) => panic!("unknown page token {other}"),
    }
}

/// Asserts the result of [`honest`] for each agent: an hour in either state.
fn assert_exact(fetched: &FetchResult, agents: usize) {
    assert_eq!(fetched.error, None);
    assert!(fetched.failed.is_empty());
    assert_eq!(
        seconds(fetched),
        vec![BTreeMap::from([("Available".into(), 3600.0), ("Offline".into(), 3600.0)]); agents]
    );
}

/// Seconds by state of each agent with data.
fn seconds(fetched: &FetchResult) -> Vec<BTreeMap<String, f64>> {
    let presences = fetched.answered.iter().filter_map(|(_, presence)| presence.as_ref());
    let states = presences
        .map(|presence| presence.states.iter().map(|(state, time)| (state.to_string(), time.seconds_f64())).collect());
    states.collect()
}

/// The failure of a fetch, and the number of failed agents.
fn failure(fetched: &FetchResult) -> (Endpoint, ErrorKind, usize) {
    let error = fetched.error.as_ref().expect("nothing failed");
    (error.endpoint, error.kind, fetched.failed.len())
}
