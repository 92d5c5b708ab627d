//! The simulated tenant on the wire: every status it has, its pages, its faults.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use cxone_exporter::clock::{Clock, DrivenClock};
use cxone_exporter::presence::{Timestamp, Window};
use cxone_exporter::simulator::{
    Align, CLIENT_ID, CLIENT_SECRET, Endpoint, Fault, Order, Rule, Simulator, SimulatorOptions,
};
use flate2::read::GzDecoder;
use serde_json::Value;
use tokio::net::TcpListener;

/// Wednesday 2026-03-11T15:17:31.250001Z.
const NOW: Timestamp = Timestamp::from_micros(1_773_242_251_250_001);
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
/// No answer takes this long, so a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// A tenant whose time stands still until it is told to move.
struct Harness {
    simulator: Simulator,
    clock: DrivenClock,
}

/// What came over the wire before the connection was closed.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    /// Whether the body is as long as was said.
    complete: bool,
}

/// Seconds in each state, in microseconds.
type Sums = BTreeMap<String, u64>;

// === impl Harness ===

impl Harness {
    async fn start(options: SimulatorOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let clock = DrivenClock::new(NOW);
        let simulator = Simulator::start(options, listener, Arc::new(clock.clone())).unwrap();
        Self { simulator, clock }
    }

    async fn send(&self, request: String) -> Option<Reply> {
        let address = self.simulator.address();
        let bytes = tokio::task::spawn_blocking(move || exchange(address, &request)).await.unwrap();
        Reply::parse(&bytes)
    }

    async fn call(&self, method: &str, target: &str, headers: &str, body: &str) -> Option<Reply> {
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: tenant\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.send(request).await
    }

    async fn post_token(&self, form: &str) -> Option<Reply> {
        self.call("POST", "/oauth/token", "Content-Type: application/x-www-form-urlencoded\r\n", form).await
    }

    async fn token(&self) -> String {
        let form = format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
        let reply = self.post_token(&form).await.unwrap();
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn get(&self, token: &str, query: &str) -> Option<Reply> {
        let target = format!("/api/v2/reporting/agent-presence?{query}");
        self.call("GET", &target, &format!("Authorization: Bearer {token}\r\n"), "").await
    }

    fn ids(&self, count: usize) -> Vec<String> {
        self.simulator.roster().agents().iter().take(count).map(|agent| agent.id.to_string()).collect()
    }

    fn query(&self, agents: usize, window: Window, interval: &str) -> String {
        let ids = self.ids(agents).join(",");
        format!("agentIds={ids}&startTime={}&endTime={}&interval={interval}", window.start, window.end)
    }

    /// All rows of all pages, page by page.
    async fn pages(&self, query: &str) -> Vec<Vec<Value>> {
        let token = self.token().await;
        let (mut pages, mut target) = (Vec::new(), query.to_owned());
        loop {
            let mut page = self.get(&token, &target).await.unwrap().json();
            pages.push(page["data"].as_array_mut().map(std::mem::take).unwrap_or_default());
            let Some(next) = page["nextPageToken"].as_str() else { return pages };
            assert!(pages.len() < 1_000, "the pages have no end");
            target = format!("{query}&nextPageToken={next}");
        }
    }
}

// === impl Reply ===

impl Reply {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let body = bytes[end + 4..].to_vec();
        let complete = headers.get("content-length").is_none_or(|length| *length == body.len().to_string());
        Some(Self { status, headers, body, complete })
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    fn rows(&self) -> Vec<Value> {
        self.json()["data"].as_array().unwrap().clone()
    }
}

/// Sends `request` and reads until the connection is closed.
fn exchange(address: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

fn last(length: Duration) -> Window {
    Window::ending_at(NOW, length)
}

fn micros(value: &Value) -> u64 {
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    whole.parse::<u64>().unwrap() * 1_000_000 + format!("{fraction:0<6}").parse::<u64>().unwrap()
}

fn time(row: &Value, name: &str) -> i64 {
    DateTime::parse_from_rfc3339(row[name].as_str().unwrap()).unwrap().timestamp_micros()
}

/// What a reader makes of rows: a bucket that begins before the window counts by the part inside.
fn read(rows: &[Value], agent: &str, window: Window) -> Sums {
    let mut sums = Sums::new();
    for row in rows.iter().filter(|row| row["agentId"] == agent) {
        let (start, end) = (time(row, "startTime"), time(row, "endTime"));
        let outside = u128::try_from((window.start.micros() - start).max(0)).unwrap();
        let length = u128::try_from(end - start).unwrap();
        for state in row["states"].as_array().unwrap() {
            let inside = u128::from(micros(&state["duration"])) * (length - outside) / length;
            *sums.entry(state["state"].as_str().unwrap().to_owned()).or_default() += u64::try_from(inside).unwrap();
        }
    }
    sums
}

fn plain(times: BTreeMap<Arc<str>, cxone_exporter::presence::Micros>) -> Sums {
    times.into_iter().map(|(state, time)| (state.to_string(), time.get())).collect()
}

#[tokio::test]
async fn a_token_is_given_to_those_who_may_have_it() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let table = [
        (format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"), 200),
        (format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret=wrong"), 401),
        (format!("grant_type=client_credentials&client_id=wrong&client_secret={CLIENT_SECRET}"), 401),
        (format!("grant_type=client_credentials&client_id={CLIENT_ID}"), 400),
        (format!("grant_type=password&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"), 400),
        (String::new(), 400),
    ];
    for (form, status) in table {
        let reply = harness.post_token(&form).await.unwrap();
        assert_eq!(reply.status, status, "{form}");
        assert_eq!(reply.json()["expires_in"].as_u64(), (status == 200).then_some(3_600));
        assert!(!String::from_utf8_lossy(&reply.body).contains(CLIENT_SECRET));
    }
    let json = harness.call("POST", "/oauth/token", "Content-Type: application/json\r\n", "{}").await.unwrap();
    assert_eq!(json.status, 400);
    let get = harness.call("GET", "/oauth/token", "", "").await.unwrap();
    assert_eq!((get.status, get.headers["allow"].as_str()), (405, "POST"));

    harness.simulator.faults().push(Rule::new(Fault::Status(403)).on(Endpoint::Token));
    assert_eq!(harness.post_token("grant_type=client_credentials").await.unwrap().status, 403);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_with_a_reason() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let token = harness.token().await;
    let day = last(DAY);
    let good = harness.query(2, day, "PT1H");
    let table = [
        (good.clone(), 200, ""),
        (harness.query(2, day, "1h"), 400, "invalid interval"),
        (harness.query(2, day, "PT0S"), 400, "invalid interval"),
        (harness.query(2, day, "PT1M"), 400, "too small"),
        (harness.query(2, day, "PT5M"), 200, ""),
        (harness.query(2, Window { start: day.end, end: day.start }, "PT1H"), 400, "after startTime"),
        (harness.query(2, Window::ending_at(NOW, 32 * DAY), "P1D"), 400, "31 days"),
        (good.replace("agentIds", "agents"), 400, "agentIds is needed"),
        (good.replace("01Z", "01"), 400, "ISO 8601"),
        (good.replace("01Z", "01%2B00:00"), 400, "ISO 8601"),
        (good.replace("&interval=PT1H", ""), 400, "interval is needed"),
        (format!("{good}&nextPageToken=abc"), 400, "nextPageToken"),
        (format!("agentIds={}&{good}", vec!["1"; 501].join(",")).replace("&agentIds=", "&x="), 400, "500 agents"),
    ];
    for (query, status, reason) in table {
        let reply = harness.get(&token, &query).await.unwrap();
        assert_eq!(reply.status, status, "{query}");
        assert_eq!(reply.headers["content-type"], "application/json");
        if status == 400 {
            assert!(reply.json()["message"].as_str().unwrap().contains(reason), "{reply:?}");
        }
    }
    assert_eq!(harness.get("made-up", &good).await.unwrap().status, 401);
    assert_eq!(harness.call("GET", "/nowhere", "", "").await.unwrap().status, 404);
    let post = harness.call("POST", "/api/v2/reporting/agent-presence", "", "").await.unwrap();
    assert_eq!((post.status, post.headers["allow"].as_str()), (405, "GET"));
}

#[tokio::test]
async fn the_scope_is_needed() {
    for (scope, status) in [("reporting:read", 200), ("users:read reporting:agent:read", 200), ("users:read", 403)] {
        let harness = Harness::start(SimulatorOptions { scope: scope.to_owned(), ..Default::default() }).await;
        let token = harness.token().await;
        let reply = harness.get(&token, &harness.query(1, last(DAY), "PT1H")).await.unwrap();
        assert_eq!(reply.status, status, "{scope}");
    }
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_when_it_is_revoked() {
    let harness = Harness::start(SimulatorOptions { token_lifetime: HOUR, ..Default::default() }).await;
    let query = harness.query(1, last(DAY), "PT1H");
    let old = harness.token().await;
    harness.clock.advance(HOUR - Duration::from_secs(1));
    assert_eq!(harness.get(&old, &query).await.unwrap().status, 200);
    let new = harness.token().await;
    harness.clock.advance(Duration::from_secs(1));
    let expired = harness.get(&old, &query).await.unwrap();
    assert_eq!(expired.status, 401);
    assert!(expired.headers["www-authenticate"].contains("invalid_token"));
    assert_eq!(harness.get(&new, &query).await.unwrap().status, 200);

    harness.simulator.revoke_tokens();
    assert_eq!(harness.get(&new, &query).await.unwrap().status, 401);
    let newest = harness.token().await;
    assert_ne!(newest, new);
    assert_eq!(harness.get(&newest, &query).await.unwrap().status, 200);
}

#[tokio::test]
async fn every_bucket_comes_once_whatever_the_pages() {
    for order in [Order::Agent, Order::Time] {
        for page_size in [1, 5, 7, 24, 71, 72, 73, 1_000] {
            let harness = Harness::start(SimulatorOptions { page_size, order, ..Default::default() }).await;
            let pages = harness.pages(&harness.query(3, last(DAY), "PT1H")).await;
            assert_eq!(pages.len(), 72_usize.div_ceil(page_size as usize), "{order:?} {page_size}");
            let rows = pages.concat();
            let keys: BTreeSet<_> =
                rows.iter().map(|row| (row["agentId"].to_string(), time(row, "startTime"))).collect();
            assert_eq!((rows.len(), keys.len()), (72, 72));
            let grouped = rows.windows(2).filter(|two| two[0]["agentId"] == two[1]["agentId"]).count();
            assert_eq!(grouped, if order == Order::Agent { 69 } else { 0 });
            for id in harness.ids(3) {
                assert_eq!(read(&rows, &id, last(DAY)), plain(harness.simulator.truth(&id, last(DAY))));
            }
        }
    }
}

#[tokio::test]
async fn buckets_on_the_window_add_up_to_the_truth() {
    let table = [(1, "PT1H", 50), (1, "PT5M", 50), (1, "PT7M", 50), (60, "PT1H", 24), (1_440, "PT2H", 3)];
    for (time_scale, interval, agents) in table {
        let harness = Harness::start(SimulatorOptions { time_scale, ..Default::default() }).await;
        let window = last(Duration::from_millis(86_399_999));
        let rows = harness.pages(&harness.query(agents, window, interval)).await.concat();
        for id in harness.ids(agents) {
            let sums = read(&rows, &id, window);
            assert_eq!(sums, plain(harness.simulator.truth(&id, window)), "{interval} at {time_scale}");
            assert_eq!(sums.values().sum::<u64>(), 86_399_999_000);
        }
    }
}

#[tokio::test]
async fn buckets_on_the_hour_are_whole_at_the_front_and_end_with_now() {
    let harness = Harness::start(SimulatorOptions { align: Align::Hour, ..Default::default() }).await;
    let window = last(DAY);
    let rows = harness.pages(&harness.query(50, window, "PT1H")).await.concat();
    for id in harness.ids(50) {
        let mine: Vec<_> = rows.iter().filter(|row| row["agentId"] == *id).cloned().collect();
        assert_eq!(mine.len(), 25);
        let total =
            |row: &Value| row["states"].as_array().unwrap().iter().map(|state| micros(&state["duration"])).sum::<u64>();
        assert_eq!(mine[0]["startTime"], "2026-03-10T15:00:00Z");
        assert_eq!(total(&mine[0]), 3_600_000_000);
        assert_eq!(mine[24]["endTime"], "2026-03-11T16:00:00Z");
        assert_eq!(total(&mine[24]), 1_051_250_001);
        assert_eq!(read(&rows, &id, window), plain(harness.simulator.expected(&id, window, HOUR, Align::Hour)));
    }
    // On the window there is nothing to share out, and the expectation is the truth.
    for id in harness.ids(50) {
        let expected = harness.simulator.expected(&id, window, HOUR, Align::Window);
        assert_eq!(expected, harness.simulator.truth(&id, window));
    }
}

#[tokio::test]
async fn nothing_is_known_of_the_future_or_of_strangers() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let token = harness.token().await;
    let ahead = Window { start: NOW + HOUR, end: NOW + 2 * HOUR };
    assert_eq!(harness.get(&token, &harness.query(2, ahead, "PT1H")).await.unwrap().rows(), Vec::<Value>::new());
    let around = Window { start: Timestamp::from_micros(NOW.micros() - 1_800_000_000), end: NOW + HOUR };
    let rows = harness.get(&token, &harness.query(1, around, "PT1H")).await.unwrap().rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(read(&rows, &harness.ids(1)[0], around).values().sum::<u64>(), 1_800_000_000);

    let own = harness.ids(1)[0].clone();
    let query = harness.query(1, last(DAY), "PT1H").replace(&own, &format!("4711,{own},{own},9999999999999999999"));
    let rows = harness.get(&token, &query).await.unwrap().rows();
    assert_eq!(rows.len(), 24);
    assert!(rows.iter().all(|row| row["agentId"] == *own));
}

#[tokio::test]
async fn states_are_filtered() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let query = format!("{}&states=Busy,Offline,Training", harness.query(5, last(DAY), "PT1H"));
    let rows = harness.pages(&query).await.concat();
    assert_eq!(rows.len(), 120);
    for id in harness.ids(5) {
        let mut truth = plain(harness.simulator.truth(&id, last(DAY)));
        truth.retain(|state, _| state == "Busy" || state == "Offline");
        assert_eq!(read(&rows, &id, last(DAY)), truth);
    }
}

#[tokio::test]
async fn a_page_token_is_bound_to_its_query_and_its_moment() {
    let harness = Harness::start(SimulatorOptions { page_size: 10, align: Align::Hour, ..Default::default() }).await;
    let (token, query) = (harness.token().await, harness.query(1, last(DAY), "PT1H"));
    let first = harness.get(&token, &query).await.unwrap().json();
    let next = first["nextPageToken"].as_str().unwrap();
    let other = harness.query(2, last(DAY), "PT1H");
    assert_eq!(harness.get(&token, &format!("{other}&nextPageToken={next}")).await.unwrap().status, 400);
    // What is on later pages does not depend on when they are asked for.
    let page = format!("{query}&nextPageToken={next}");
    let early = harness.get(&token, &page).await.unwrap().body;
    harness.clock.advance(Duration::from_secs(600));
    assert_eq!(harness.get(&token, &page).await.unwrap().body, early);
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_accept_it() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let token = harness.token().await;
    let target = format!("/api/v2/reporting/agent-presence?{}", harness.query(20, last(DAY), "PT1H"));
    let headers = format!("Authorization: Bearer {token}\r\nAccept-Encoding: br, gzip;q=0.8\r\n");
    let packed = harness.call("GET", &target, &headers, "").await.unwrap();
    let plain = harness.call("GET", &target, &format!("Authorization: Bearer {token}\r\n"), "").await.unwrap();
    assert_eq!(packed.headers["content-encoding"], "gzip");
    assert!(packed.body.len() * 4 < plain.body.len());
    let mut unpacked = Vec::new();
    GzDecoder::new(packed.body.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
}

#[tokio::test]
async fn rate_limits_come_in_every_form() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let (token, query) = (harness.token().await, harness.query(1, last(DAY), "PT1H"));
    let table = [
        ("rate-limited=30@1", Some("30")),
        // Half past and a bit is rounded up, so that the date is never too early.
        ("rate-limited-until=30@1", Some("Wed, 11 Mar 2026 15:18:02 GMT")),
        ("rate-limited@1", None),
    ];
    for (rule, retry_after) in table {
        harness.simulator.faults().push(rule.parse::<Rule>().unwrap());
        let reply = harness.get(&token, &query).await.unwrap();
        assert_eq!(reply.status, 429);
        assert_eq!(reply.headers.get("retry-after").map(String::as_str), retry_after);
        assert_eq!(harness.get(&token, &query).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn faults_happen_as_they_are_described() {
    let harness = Harness::start(SimulatorOptions { page_size: 20, ..Default::default() }).await;
    let (token, query) = (harness.token().await, harness.query(2, last(DAY), "PT1H"));
    let right = harness.get(&token, &query).await.unwrap();
    assert!(right.complete);
    let fault = async |fault: Fault| {
        harness.simulator.faults().push(Rule::new(fault).times(1));
        harness.get(&token, &query).await
    };

    assert!(fault(Fault::Cut).await.is_none());
    assert!(fault(Fault::CutHeaders).await.is_none());
    let cut = fault(Fault::CutBody).await.unwrap();
    assert!(!cut.complete && cut.status == 200 && !cut.body.is_empty());
    assert_eq!(cut.body, right.body[..cut.body.len()]);

    let truncated = fault(Fault::Truncated).await.unwrap();
    assert!(truncated.complete && serde_json::from_slice::<Value>(&truncated.body).is_err());
    let garbage = fault(Fault::Garbage).await.unwrap();
    assert_eq!((garbage.status, garbage.headers["content-type"].starts_with("text/html")), (200, true));
    let oversized = fault(Fault::Oversized(2)).await.unwrap();
    assert_eq!((oversized.status, oversized.body.len()), (200, 2 * 1024 * 1024));
    let redirect = fault(Fault::Redirect("http://127.0.0.1:9/".to_owned())).await.unwrap();
    assert_eq!((redirect.status, redirect.headers["location"].as_str()), (307, "http://127.0.0.1:9/"));
    for code in [400, 403, 500, 502, 503, 504] {
        let refused = fault(Fault::Status(code)).await.unwrap();
        assert_eq!((refused.status, &refused.json()["error"]), (code, &Value::from("simulated")));
    }

    assert_eq!(fault(Fault::Empty).await.unwrap().json(), serde_json::json!({ "data": [] }));
    assert_eq!(fault(Fault::NullData).await.unwrap().json(), serde_json::json!({ "data": null }));
    assert_eq!(fault(Fault::OddRows).await.unwrap().rows().len(), 23);
    assert_eq!(fault(Fault::Revoked).await.unwrap().status, 401);
    assert!(harness.simulator.faults().pending().is_empty());
}

#[tokio::test]
async fn pages_go_wrong_as_they_are_described() {
    let harness = Harness::start(SimulatorOptions { page_size: 20, ..Default::default() }).await;
    let (faults, query) = (harness.simulator.faults(), harness.query(2, last(DAY), "PT1H"));
    let lengths = |pages: Vec<Vec<Value>>| pages.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(harness.pages(&query).await), [20, 20, 8]);

    faults.push(Fault::RepeatedPage);
    assert_eq!(lengths(harness.pages(&query).await), [40, 40, 28]);
    faults.clear();

    faults.push(Rule::new(Fault::EndlessPages).times(5));
    assert_eq!(lengths(harness.pages(&query).await), [20, 20, 8, 0, 0, 0]);

    let token = harness.token().await;
    faults.push(Rule::new(Fault::RepeatedToken).times(1).after(1));
    let first = harness.get(&token, &query).await.unwrap().json();
    let page = format!("{query}&nextPageToken={}", first["nextPageToken"].as_str().unwrap());
    let second = harness.get(&token, &page).await.unwrap().json();
    assert_eq!(second["nextPageToken"], first["nextPageToken"]);
}

#[tokio::test]
async fn slow_answers_wait_for_the_clock() {
    let harness = Harness::start(SimulatorOptions { latency: Duration::from_secs(1), ..Default::default() }).await;
    for (fault, waits) in [(None, 1), (Some(Fault::Slow(Duration::from_secs(4))), 5)] {
        harness.simulator.faults().clear();
        fault.into_iter().for_each(|fault| harness.simulator.faults().push(Rule::new(fault).on(Endpoint::Token)));
        let started = harness.clock.monotonic();
        let (answer, ()) = tokio::join!(harness.post_token("grant_type=x"), async {
            let deadline = loop {
                tokio::task::yield_now().await;
                if let Some(deadline) = harness.clock.next_sleeper() {
                    break deadline;
                }
            };
            assert_eq!(deadline.saturating_since(started), Duration::from_secs(waits));
            assert_eq!(harness.simulator.requests().last().unwrap().status, None);
            harness.clock.advance(Duration::from_secs(waits));
        });
        assert_eq!(answer.unwrap().status, 400);
        assert_eq!(harness.simulator.requests().last().unwrap().status, Some(400));
    }
}

#[tokio::test]
async fn a_body_can_halt_half_way() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    harness.simulator.faults().push(Rule::new(Fault::SlowBody(HOUR)).on(Endpoint::Token));
    let (answer, ()) = tokio::join!(harness.post_token("grant_type=x"), async {
        while harness.clock.next_sleeper().is_none() {
            tokio::task::yield_now().await;
        }
        harness.clock.advance(HOUR);
    });
    assert!(answer.unwrap().complete);
}

#[tokio::test]
async fn requests_are_on_record() {
    let harness = Harness::start(SimulatorOptions { page_size: 20, ..Default::default() }).await;
    harness.simulator.faults().push(Rule::new(Fault::Status(503)).times(1).after(3));
    let query = harness.query(2, last(DAY), "PT1H");
    harness.pages(&query).await;
    harness.clock.advance(HOUR);
    let token = harness.token().await;
    harness.get(&token, &query).await.unwrap();

    let requests = harness.simulator.requests();
    let seen: Vec<_> = requests.iter().map(|one| (one.endpoint, one.page, one.rows, one.status, one.fault)).collect();
    let (token, presence) = (Endpoint::Token, Endpoint::Presence);
    let expected = [
        (token, 0, 0, Some(200), None),
        (presence, 0, 20, Some(200), None),
        (presence, 1, 20, Some(200), None),
        (presence, 2, 8, Some(200), None),
        (token, 0, 0, Some(200), None),
        (presence, 0, 0, Some(503), Some("status")),
    ];
    assert_eq!(seen, expected);
    assert_eq!(requests[1].agents.iter().map(ToString::to_string).collect::<Vec<_>>(), harness.ids(2));
    assert_eq!((requests[1].at, requests[5].at), (NOW, NOW + HOUR));
    let counts = harness.simulator.counts();
    assert_eq!((counts.token, counts.presence, counts.rows), (2, 4, 48));
    harness.simulator.forget_requests();
    assert_eq!((harness.simulator.requests().len(), harness.simulator.counts().presence), (0, 0));
}

#[tokio::test]
async fn it_can_be_controlled_from_outside() {
    let harness = Harness::start(SimulatorOptions { agents: 3, ..Default::default() }).await;
    let control = async |method: &str, path: &str, body: &str| {
        harness.call(method, &format!("/-/control/{path}"), "", body).await.unwrap()
    };
    let text = |reply: Reply| String::from_utf8(reply.body).unwrap();
    assert_eq!(control("POST", "faults", "token:status=503@1\n\ncut\n").await.status, 204);
    assert_eq!(text(control("GET", "faults", "").await), "token:status=503@1\npresence:cut\n");
    assert_eq!(harness.post_token("").await.unwrap().status, 503);
    assert_eq!(text(control("GET", "faults", "").await), "presence:cut\n");
    let refused = control("POST", "faults", "slow=2s\nmagic").await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["message"].as_str().unwrap().contains("`magic`"));
    assert_eq!(control("DELETE", "faults", "").await.status, 204);
    assert!(harness.simulator.faults().pending().is_empty());

    let token = harness.token().await;
    assert_eq!(control("POST", "revoke", "").await.status, 204);
    assert_eq!(harness.get(&token, &harness.query(1, last(DAY), "PT1H")).await.unwrap().status, 401);
    let counts = control("GET", "requests", "").await.json();
    assert_eq!((&counts["token"], &counts["presence"]), (&Value::from(2), &Value::from(1)));
    assert_eq!(control("DELETE", "requests", "").await.status, 204);
    assert_eq!(control("GET", "requests", "").await.json()["token"], 0);

    assert_eq!(control("GET", "agents", "").await.json().as_array().unwrap().len(), 3);
    let window = last(DAY);
    let target = format!("truth?start={}&end={}", window.start, window.end);
    let truth = control("GET", &target, "").await.json();
    assert_eq!(truth["agents"].as_object().unwrap().len(), 3);
    for id in harness.ids(3) {
        let one = control("GET", &format!("{target}&agent={id}"), "").await.json();
        assert_eq!(one["agents"][&id], truth["agents"][&id]);
        let states = one["agents"][&id].as_object().unwrap();
        let sums: Sums = states.iter().map(|(state, seconds)| (state.clone(), micros(seconds))).collect();
        assert_eq!(sums, plain(harness.simulator.truth(&id, window)));
    }
    assert_eq!(control("GET", "truth?start=now", "").await.status, 400);
    assert_eq!(control("PUT", "faults", "").await.headers["allow"], "DELETE, GET, POST");
    assert_eq!(control("GET", "magic", "").await.status, 404);
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let two = "GET /-/control/faults HTTP/1.1\r\nHost: tenant\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: tenant\r\nConnection: close\r\n\r\n";
    let first = harness.send(two.to_owned()).await.unwrap();
    assert_eq!(first.status, 200);
    assert!(String::from_utf8(first.body).unwrap().contains("HTTP/1.1 404"));
}

#[tokio::test]
async fn it_stops_when_told_to_and_when_dropped() {
    for graceful in [true, false] {
        let harness = Harness::start(SimulatorOptions::default()).await;
        let address = harness.simulator.address();
        // A connection without a request does not keep it from stopping.
        let idle = TcpStream::connect(address).unwrap();
        assert_eq!(harness.post_token("").await.unwrap().status, 400);
        if graceful {
            harness.simulator.shutdown().await;
        } else {
            drop(harness);
        }
        while TcpStream::connect(address).is_ok() {
            tokio::task::yield_now().await;
        }
        drop(idle);
    }
}

#[tokio::test]
async fn the_example_config_names_the_tenant_and_its_agents() {
    let harness = Harness::start(SimulatorOptions::default()).await;
    let config = harness.simulator.example_config(2);
    assert!(config.contains(&format!("base_url: {}\n", harness.simulator.base_url())));
    for id in harness.ids(2) {
        assert!(config.contains(&format!("id: \"{id}\"")));
    }
}
