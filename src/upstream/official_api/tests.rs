//! Fetches from a scripted server on loopback.

mod discovery;
mod past;
mod properties;
mod refused;
mod rows;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::cli::fixture;
use crate::clock::DrivenClock;
use crate::config::{AgentLabel, Api, Pseudonyms};
use crate::presence::{AgentId, Rejection, WatchedAgent, Window};
use crate::upstream::{FetchResult, NoopObserver};

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const LOOKBACK: i64 = 12 * HOUR;
const SETTLE: i64 = HOUR / 2;

/// Returns status and body for a path with query.
type Script = dyn Fn(&str) -> (u16, String) + Send + Sync;

struct ApiTest {
    source: OfficialSource,
    tenant: Arc<Tenant>,
    clock: DrivenClock,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ApiTest {
    async fn new(
        change: impl FnOnce(&mut Tenant),
        script: impl Fn(&str, &DrivenClock) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let clock = DrivenClock::new(NOW);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let script: Arc<Script> = {
            let (clock, requests) = (clock.clone(), Arc::clone(&requests));
            Arc::new(move |target| {
                if target == "/token" {
                    return (200, r#"{"access_token":"token-1","expires_in":86400}"#.to_owned());
                }
                let target = target.strip_prefix("/incontactapi/services/v30.0").unwrap();
                requests.lock().unwrap().push(target.to_owned());
                script(target, &clock)
            })
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = serve(stream, &*script).await;
            }
        });
        let mut official = Official::by_access_key(base.join("/token").unwrap(), "key-id", "key-secret");
        official.api_endpoint = Some(base.clone());
        let mut tenant = fixture::tenant("acme", 0);
        (tenant.api, tenant.connection.base_url, tenant.limits.max_concurrent_requests) = (Api::Official, base, 1);
        tenant.official = Some(official.clone());
        change(&mut tenant);
        let tenant = Arc::new(tenant);
        Self { source: Self::source(&tenant, &clock), tenant, clock, requests }
    }

    fn source(tenant: &Arc<Tenant>, clock: &DrivenClock) -> OfficialSource {
        let official = tenant.official.clone().unwrap();
        let source = OfficialSource::new(Arc::clone(tenant), official, Arc::new(clock.clone()), Arc::new(NoopObserver));
        source.unwrap().without_retries()
    }

    /// Continues with a new source, as after a restart.
    fn restart(&mut self) {
        self.source = Self::source(&self.tenant, &self.clock);
    }

    /// Fetches the last day of `agents`.
    async fn fetch(&self, agents: &[&str]) -> FetchResult {
        let window = Window::ending_at(self.clock.now(), Duration::from_secs(DAY.cast_unsigned()));
        let agents = agents.iter().map(|id| WatchedAgent { id: (*id).into(), schedule: None }).collect();
        let deadline = self.clock.monotonic() + Duration::from_secs(30);
        self.source.fetch(Query { window, agents, deadline }).await
    }

    /// The requests sent so far whose path contains `part`.
    fn requests(&self, part: &str) -> Vec<String> {
        self.requests.lock().unwrap().iter().filter(|request| request.contains(part)).cloned().collect()
    }

    /// The start of the last requested range of history, in seconds after [`NOW`].
    fn last_range_start(&self) -> i64 {
        let requests = self.requests("/state-history");
        let url = Url::parse(&format!("http://h{}", requests.last().unwrap())).unwrap();
        let start = url.query_pairs().find(|(name, _)| name == "startDate").unwrap().1.into_owned();
        (Timestamp::parse(start.as_bytes()).unwrap().micros() - NOW.micros()) / 1_000_000
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(Duration::from_secs(seconds.cast_unsigned()));
    }
}

async fn serve(mut stream: TcpStream, script: &Script) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    stream.read_exact(&mut vec![0; length.unwrap_or(0)]).await?;
    let (status, body) = script(head.split(' ').nth(1).unwrap());
    let length = body.len();
    let response = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(response.as_bytes()).await
}

/// A row of the history: agent, state, start in seconds after [`NOW`], duration.
fn row(agent: &str, state: &str, start: i64, duration: &str) -> String {
    let start = NOW.micros() + start * 1_000_000;
    let start = Timestamp::from_micros(start);
    format!(r#"{{"agentId":"{agent}","agentStateName":"{state}","startDate":"{start}","duration":"{duration}"}}"#)
}

fn history(rows: &[String]) -> (u16, String) {
    (200, format!(r#"{{"agentStateHistory":[{}],"totalRecords":{}}}"#, rows.join(","), rows.len()))
}

fn states(rows: &[String]) -> (u16, String) {
    (200, format!(r#"{{"agentStates":[{}],"totalRecords":{}}}"#, rows.join(","), rows.len()))
}

fn refused(status: u16) -> (u16, String) {
    (status, String::new())
}

/// Seconds by state of each agent that was answered with data.
fn seconds(result: &FetchResult) -> BTreeMap<AgentId, Vec<(String, u64)>> {
    let answered = result.answered.iter().filter_map(|(agent, presence)| Some((agent, presence.as_ref()?)));
    let seconds = answered.map(|(agent, presence)| {
        let states = presence.states.iter().map(|(name, time)| (name.to_string(), time.get() / 1_000_000));
        (Arc::clone(agent), states.collect())
    });
    seconds.collect()
}

fn rejected(result: &FetchResult, reason: Rejection) -> u64 {
    result.rejections.iter().filter(|(other, _)| *other == reason).map(|(_, count)| count).sum()
}

#[tokio::test]
async fn a_fetch_without_agents_sends_nothing() {
    let test = ApiTest::new(|_| (), |_, _| refused(400)).await;
    let result = test.fetch(&[]).await;
    assert_eq!((result.error, test.requests("").len()), (None, 0));
}

#[tokio::test]
async fn a_budget_too_small_for_states_and_history_sends_nothing() {
    let test =
        ApiTest::new(|tenant| tenant.limits.max_requests_per_minute = NonZeroU32::new(1), |_, _| refused(400)).await;
    let error = test.fetch(&["1"]).await.error.unwrap();
    assert_eq!((error.kind, test.requests("").len()), (ErrorKind::Budget, 0));
    assert!(error.message.contains("the 2 requests"), "{error}");
    assert!(!error.message.contains("agents_per_request"), "{error}");
}

#[tokio::test]
async fn a_listed_agent_without_start_or_history_is_known() {
    let script = |target: &str, clock: &DrivenClock| match target {
        target if target.starts_with("/agents/states") => {
            let at = |seconds: i64| Timestamp::from_micros(NOW.micros() + seconds * 1_000_000);
            let state = |id: &str, rest: String| format!(r#"{{"agentId":"{id}","agentStateName":"LoggedOut"{rest}}}"#);
            states(&[
                state("1", r#","startDate":null"#.to_owned()),
                state("2", format!(r#","startDate":"","lastUpdateTime":"{}""#, at(-500))),
                state("3", format!(r#","startDate":"{}""#, clock.now() + Duration::from_secs(5))),
            ])
        }
        _ => history(&[]),
    };
    let test = ApiTest::new(|_| (), script).await;
    let ids = ["1", "2", "3"];
    let first = test.fetch(&ids).await;
    assert!(first.answered.iter().all(|(_, presence)| presence.is_some()), "{:?}", first.answered);
    let out = |seconds| vec![("LoggedOut".to_owned(), seconds)];
    let expected = |times: [u64; 3]| {
        BTreeMap::from([("1".into(), out(times[0])), ("2".into(), out(times[1])), ("3".into(), out(times[2]))])
    };
    assert_eq!(seconds(&first), expected([0, 500, 0]));
    test.advance(60);
    let second = seconds(&test.fetch(&ids).await);
    assert_eq!((&second[&AgentId::from("1")], &second[&AgentId::from("2")]), (&out(60), &out(560)));
}

#[tokio::test]
async fn list_rules_are_learnt_although_hmac_hides_bodies() {
    let script = |target: &str, _: &DrivenClock| match target {
        target if target.starts_with("/agents/states") && !target.contains("updatedSince") => {
            (400, r#"{"error":"InvalidUpdatedSince"}"#.to_owned())
        }
        target if target.starts_with("/agents/states") && target.contains("top=10000") => {
            (400, "Invalid top".to_owned())
        }
        target if target.starts_with("/agents/states") => states(&[]),
        _ => history(&[row("1", "Available", -HOUR, "PT100S")]),
    };
    let hide = |tenant: &mut Tenant| {
        let pseudonyms = Pseudonyms::new("a key of thirty-two characters!!".into());
        tenant.privacy.agent_label = AgentLabel::Hmac(Box::new(pseudonyms));
    };
    let test = ApiTest::new(hide, script).await;
    let result = test.fetch(&["1"]).await;
    assert_eq!((result.error, test.requests("/agents/states").len()), (None, 3));
    assert_eq!(test.fetch(&["1"]).await.error, None);
    assert_eq!(test.requests("/agents/states").len(), 4, "the rules are remembered");
}

#[tokio::test]
async fn an_overlap_is_not_counted_again_by_the_next_refresh() {
    let script = |target: &str, clock: &DrivenClock| match target {
        target if target.starts_with("/agents/states") => states(&[]),
        _ if clock.now() > NOW => history(&[]),
        _ => history(&[row("1", "Available", -1_000, "PT500S"), row("1", "Unavailable", -600, "PT100S")]),
    };
    let test = ApiTest::new(|_| (), script).await;
    assert_eq!(rejected(&test.fetch(&["1"]).await, Rejection::Overlap), 1);
    test.advance(60);
    assert_eq!(rejected(&test.fetch(&["1"]).await, Rejection::Overlap), 0);
}

#[tokio::test]
async fn codes_are_read_for_the_teams_of_wanted_agents_only() {
    let script = |target: &str, _: &DrivenClock| {
        let state = |agent: &str, team: &str| {
            format!(r#"{{"agentId":"{agent}","teamId":"{team}","agentStateName":"Unavailable","outStateId":"7"}}"#)
        };
        match target {
            target if target.starts_with("/agents/states") => states(&[state("1", "10"), state("2", "20")]),
            target if target.starts_with("/unavailable-codes") => refused(403),
            target if target.starts_with("/teams/") => (200, r#"{"unavailableCodes":[]}"#.to_owned()),
            _ => history(&[]),
        }
    };
    let test = ApiTest::new(|_| (), script).await;
    test.fetch(&["1"]).await;
    assert_eq!(test.requests("/teams/"), ["/teams/10/unavailable-codes?activeOnly=false"]);
}

#[tokio::test]
async fn the_tail_starts_at_a_gap_within_the_settle_time() {
    let script = |target: &str, _: &DrivenClock| match target {
        target if target.starts_with("/agents/states") => states(&[]),
        _ => history(&[row("1", "Available", -3 * HOUR, "PT1H"), row("1", "Available", -600, "PT5M")]),
    };
    let test = ApiTest::new(|_| (), script).await;
    test.fetch(&["1"]).await;
    assert_eq!(test.last_range_start(), -DAY - LOOKBACK);
    test.advance(60);
    test.fetch(&["1"]).await;
    assert_eq!(test.last_range_start(), -2 * HOUR);
}

#[tokio::test]
async fn history_of_agents_and_the_lookback_is_kept_between_refreshes() {
    let script = |target: &str, clock: &DrivenClock| match target {
        target if target.starts_with("/agents/states") => states(&[]),
        _ if clock.now() > NOW => history(&[]),
        _ => history(&[
            row("1", "Available", -3_000, "PT100S"),
            row("2", "Available", -3_000, "PT100S"),
            // It ended before the window and within the look-back.
            row("2", "Available", -DAY - HOUR, "PT100S"),
        ]),
    };
    let test = ApiTest::new(|_| (), script).await;
    test.fetch(&["1", "2"]).await;
    assert_eq!(test.source.state().kept_rows(), 3);
    test.advance(60);
    test.fetch(&["1"]).await;
    test.advance(60);
    let both = test.fetch(&["1", "2"]).await;
    assert_eq!(test.last_range_start(), -SETTLE);
    let expected = vec![("Available".to_owned(), 100)];
    assert_eq!(seconds(&both), BTreeMap::from([("1".into(), expected.clone()), ("2".into(), expected)]));
}

#[tokio::test]
async fn an_observation_has_the_time_before_the_request() {
    let script = |target: &str, clock: &DrivenClock| match target {
        target if target.starts_with("/agents/states") && clock.now() == NOW => {
            clock.advance(Duration::from_secs(20));
            let start = Timestamp::from_micros(NOW.micros() - 100_000_000);
            states(&[format!(r#"{{"agentId":"1","agentStateName":"Available","startDate":"{start}"}}"#)])
        }
        target if target.starts_with("/agents/states") => states(&[]),
        _ => history(&[]),
    };
    let test = ApiTest::new(|_| (), script).await;
    test.fetch(&["1"]).await;
    test.advance(60);
    // The agent is no longer listed, so the state is proven up to the first request only.
    let result = test.fetch(&["1"]).await;
    assert_eq!(seconds(&result), BTreeMap::from([("1".into(), vec![("Available".to_owned(), 100)])]));
}

#[tokio::test]
async fn updated_since_is_adapted_once_and_later_than_a_day_ago() {
    // What the server insists on: the time, and at most so many rows.
    let script = |target: &str, clock: &DrivenClock| {
        let url = Url::parse(&format!("http://h{target}")).unwrap();
        let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        if value("top").is_some_and(|top| top.parse::<u64>().unwrap() > 3_000) {
            return (400, "Invalid top".to_owned());
        }
        if !target.starts_with("/agents/states") {
            return history(&[]);
        }
        // The server's clock is ahead.
        let earliest = clock.now().micros() + 120_000_000 - DAY * 1_000_000;
        match value("updatedSince").map(|since| Timestamp::parse(since.as_bytes()).unwrap().micros()) {
            None => (400, r#"{"error_description":"InvalidUpdatedSince"}"#.to_owned()),
            Some(since) if since < earliest => (400, "InvalidDateRange".to_owned()),
            Some(_) => states(&[]),
        }
    };
    let mut test = ApiTest::new(|_| (), script).await;
    // The history is requested with the size of pages that was learnt from the current states.
    for (nth, expected) in [(0, [4, 1]), (1, [1, 1]), (2, [1, 1]), (3, [1, 1])] {
        let before = ["/agents/states", "/agents/state-history"].map(|path| test.requests(path).len());
        if nth == 3 {
            let (tenant, official) = (Arc::clone(&test.tenant), test.tenant.official.clone().unwrap());
            test.source = test.source.reconfigured(tenant, official, Arc::new(NoopObserver)).unwrap().without_retries();
        }
        let result = test.fetch(&["1"]).await;
        assert_eq!(result.error, None);
        let after = ["/agents/states", "/agents/state-history"].map(|path| test.requests(path).len());
        assert_eq!([after[0] - before[0], after[1] - before[1]], expected, "refresh {nth}");
        test.advance(60);
    }
}
