//! The presence source against a faulty server on real sockets.

mod body_limits;
mod budget;
mod connect_errors;
mod gzip_bombs;
mod messages;
mod paging;
mod proxy;
mod requests;
mod retry;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cxone_exporter::clock::{Clock, DrivenClock, Monotonic};
use cxone_exporter::config::{Agent, ConnectionSettings, Tenant};
use cxone_exporter::presence::Timestamp;
use cxone_exporter::upstream::{Endpoint, ErrorKind, FetchResult, ResponseCode, Source as _};

use crate::app::source::{RecordingObserver, SourceHarness};
use crate::scripted::{Request, Response, ScriptedServer};

/// The full hour at which every test begins: 2023-11-14T22:00:00Z.
const NOW: Timestamp = Timestamp::from_seconds(1_699_999_200);

const REFRESH_TIMEOUT: Duration = Duration::from_secs(120);

const SECRET: &str = "s3cr3t/with+signs=";

impl SourceHarness {
    /// A source of three agents, whose tenant `change` changes.
    fn new(clock: &DrivenClock, base_url: &str, change: impl FnOnce(&mut Tenant)) -> Self {
        let mut tenant = tenant(base_url);
        change(&mut tenant);
        Self::of(clock, tenant)
    }
}

fn clock() -> DrivenClock {
    DrivenClock::new(NOW)
}

/// A tenant of three agents, a batch each, one request at a time.
fn tenant(base_url: &str) -> Tenant {
    let connection = ConnectionSettings::new(base_url.parse().unwrap(), "my-client", SECRET);
    let mut tenant = Tenant::with_defaults("acme", connection);
    crate::app::hourly(&mut tenant);
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
        absent_limit: None,
        schedule: None,
    };
    (0..count).map(agent).collect()
}

/// A page of the hour that `hour` counts back from the end of the window: for each agent of `request`, 1,800 s Available and the rest
/// Offline. `next` is the token of the next page.
fn page(request: &Request, hour: u32, next: Option<&str>) -> String {
    let end = Timestamp::parse(request.query("endTime").unwrap().as_bytes()).unwrap();
    let [end, start] = [hour, hour + 1].map(|hours| end.saturating_sub(Duration::from_secs(3600) * hours));
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
